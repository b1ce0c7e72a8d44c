"""Fisher's exact test of two proportions, with the odds ratio and its exact interval, and their mid-p forms."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ecomops.core import (
    Array,
    Count,
    Fraction,
    InputError,
    Model,
    ProbabilityReal,
    Text,
    Texts,
    Unbounded,
    UnboundedOrNan,
    validated,
)
from ecomops.experiments.exact.inversion import falling_crossing, read_table
from ecomops.stats.estimate import Alternative

FisherMethod = Literal["exact", "mid-p"]
SUPPORT_LIMIT = 1_000_000
CELLS = 1 << 19
TIE = 1.0 + 1e-7
NEARLY_ONE = 1.0 - 1e-9
NO_MARGIN = "no trial, or every trial, succeeded in both arms"


class FisherTest(Model):
    """A test of two proportions that conditions on the number of successes.

    Examples
    --------
    >>> from ecomops.experiments import fisher_test
    >>> tea = fisher_test(3, treatment_trials=4, control_successes=1, control_trials=4)
    >>> round(tea.p_value, 6)
    0.485714
    """

    odds_ratio: UnboundedOrNan
    """Odds ratio of the largest conditional likelihood; infinite at the upper end of the support, NaN without one."""
    lower: Unbounded
    """Lower end of its interval; 0 where none is excluded."""
    upper: Unbounded
    """Upper end of its interval; infinite where none is excluded."""
    p_value: Fraction
    """p-value of an odds ratio of 1."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    method: Text
    """"exact" or "mid-p", and the alternative."""
    reason: Texts
    """Why there is no odds ratio; empty where there is one."""


@validated
def fisher_test(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    alternative: Alternative = "two-sided",
    confidence: ProbabilityReal = 0.95,
    method: FisherMethod = "exact",
) -> FisherTest:
    """Test two proportions by Fisher's exact test, with the odds ratio and its exact interval.

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, >= 1.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown of the treatment; a one-sided interval is open at its other end.
    confidence : float
        Confidence level, in (0, 1).
    method : {"exact", "mid-p"}
        "exact" never rejects more often than its level; "mid-p" counts half of the observed table, which comes nearer to
        the level and may pass it a little.

    Returns
    -------
    FisherTest
        In the broadcast shape of the counts.

    Raises
    ------
    InputError
        When an arm has no trials or more successes than trials, or a table has more than 1,000,000 like it with the same
        margins (`compare_proportions` is accurate there).

    Notes
    -----
    Given its margins the table follows Fisher's noncentral hypergeometric law, P(k) ~ C(n1, k) C(n2, m - k) odds_ratio^k.
    The two-sided p-value of "exact" sums the tables that are no more likely than the one seen; that of "mid-p" is twice
    the smaller tail. The intervals leave (1 - confidence) / 2 at each end, so the two-sided exact test and its interval
    may disagree at the brink, as in R.

    References
    ----------
    .. [1] Fisher (1935), The Design of Experiments, ch. II: the lady tasting tea.
    .. [2] Agresti (2013), Categorical Data Analysis, 3rd ed., sections 3.5.1 and 16.6.4.

    Examples
    --------
    Fisher's tea: three of four cups told right, and one of the other four.

    >>> from ecomops.experiments import fisher_test
    >>> tea = fisher_test(3, treatment_trials=4, control_successes=1, control_trials=4, alternative="greater")
    >>> round(tea.p_value, 9), round(tea.odds_ratio, 6), round(tea.lower, 6)
    (0.242857143, 6.40832, 0.313574)
    """
    counts, shape = read_table(treatment_successes, treatment_trials, control_successes, control_trials)
    x1, n1, x2, n2 = counts
    least, most = np.maximum(x1 + x2 - n2, 0.0), np.minimum(n1, x1 + x2)
    width = most - least + 1.0
    if np.any(width > SUPPORT_LIMIT):
        raise InputError(
            f"treatment_successes must leave at most {SUPPORT_LIMIT} tables with the same margins, "
            f"got {width.max():g}; use compare_proportions"
        )
    answer = np.empty((4, x1.size))
    # Blocks of tables of about one size, so that a long one does not pad the others.
    order = np.argsort(width, kind="stable")
    ends = np.cumsum(width[order]) // CELLS
    for rows in np.split(order, np.flatnonzero(np.diff(ends)) + 1) if order.size else []:
        block = x1[rows], n1[rows], x2[rows], n2[rows]
        answer[:, rows] = _fisher(*block, alternative, 1.0 - confidence, method == "mid-p")
    p_value, ratio, lower, upper = (part.reshape(shape) for part in answer)
    reason = np.where((most > least).reshape(shape), "", NO_MARGIN)
    return FisherTest(
        odds_ratio=ratio,
        lower=lower,
        upper=upper,
        p_value=p_value,
        confidence=confidence,
        method=f"{method}, {alternative}",
        reason=reason.astype(object) if reason.ndim else str(reason),
    )


def _fisher(
    x1: Array, n1: Array, x2: Array, n2: Array, alternative: Alternative, alpha: float, half: bool
) -> tuple[Any, Any, Any, Any]:
    """Return p-value, odds ratio, lower and upper end of a block of tables."""
    least, most = np.maximum(x1 + x2 - n2, 0.0), np.minimum(n1, x1 + x2)
    k, log_weight = central_law(n1, n2, x1 + x2)
    away = k - x1[:, None]
    seen = np.where(away == 0, 0.5 if half else 1.0, 0.0)
    above, below = np.where(away > 0, 1.0, seen), np.where(away < 0, 1.0, seen)
    guess = np.log((x1 + 0.5) * (n2 - x2 + 0.5)) - np.log((x2 + 0.5) * (n1 - x1 + 0.5))
    tail = alpha / 2 if alternative == "two-sided" else alpha
    bounded_below, bounded_above = (x1 > least) & (alternative != "less"), (x1 < most) & (alternative != "greater")
    inner = (x1 > least) & (x1 < most)
    lower, upper = np.zeros(x1.size), np.full(x1.size, np.inf)
    ratio = np.where(most > least, np.where(x1 > least, np.inf, 0.0), np.nan)

    def solve(rows: Any, value: Any) -> Any:
        parts = (log_weight[rows], away[rows], above[rows], below[rows], x1[rows] - least[rows], most[rows] - x1[rows])
        return np.exp(falling_crossing(lambda theta: value(theta, *parts), guess[rows]))

    # Half of the last table is all that is left of a mid-p tail at the end of the support.
    end = np.minimum(tail, NEARLY_ONE * (0.5 if half else 1.0))
    goal = np.log(np.where((x1 > least) & (x1 < most), np.minimum(tail, NEARLY_ONE), end))
    lower[bounded_below] = solve(
        bounded_below, lambda theta, w, d, up, *_: goal[bounded_below] - _log_tail(theta, w, d, up)
    )
    upper[bounded_above] = solve(
        bounded_above, lambda theta, w, d, _, down, *__: _log_tail(theta, w, d, down) - goal[bounded_above]
    )
    ratio[inner] = solve(inner, lambda theta, w, d, _, __, left, right: _excess(theta, w, d, left, right))
    return _p_value(log_weight, away, above, below, alternative, half), ratio, lower, upper


def central_law(n1: Array, n2: Array, m: Array) -> tuple[Any, Any]:
    """Return the tables with given margins (rows, padded) and their log probabilities relative to the likeliest."""
    least, most = np.maximum(m - n2, 0.0), np.minimum(n1, m)
    mode = np.clip(np.floor((n1 + 1.0) * (m + 1.0) / (n1 + n2 + 2.0)), least, most)
    left, right = int(np.max(mode - least)), int(np.max(most - mode))
    n1, n2, m, mode, least, most = (part[:, None] for part in (n1, n2, m, mode, least, most))
    up = mode + np.arange(right)
    down = mode - np.arange(left)
    # Sums of log ratios outwards from the mode keep the digits that log gammas of large counts lose.
    rise = _log_ratio((m - up) * (n1 - up), (up + 1.0) * (n2 - m + up + 1.0), up < most)
    fall = _log_ratio(down * (n2 - m + down), (m - down + 1.0) * (n1 - down + 1.0), down > least)
    middle = np.zeros((mode.size, 1))
    log_weight = np.concatenate([np.cumsum(fall, axis=1)[:, ::-1], middle, np.cumsum(rise, axis=1)], axis=1)
    return mode + np.arange(-left, right + 1), log_weight


def _log_ratio(top: Any, bottom: Any, inside: Any) -> Any:
    return np.where(inside, np.log(np.where(inside, top, 1.0) / np.where(inside, bottom, 1.0)), -np.inf)


def _log_tail(theta: Array, log_weight: Any, away: Any, share: Any) -> Any:
    """Return the log of the probability of the tables in a tail, at log odds ratio theta."""
    level = log_weight + theta[:, None] * away
    weight = np.exp(level - level.max(axis=1, keepdims=True))
    # Below any level that is asked for, only the sign of the distance to it counts.
    return np.log(np.maximum(np.einsum("rk,rk->r", weight, share), 1e-300) / weight.sum(axis=1))


def _excess(theta: Array, log_weight: Any, away: Any, left: Any, right: Any) -> Any:
    """Return how far the mean lies below the table seen, on the logit of its place in the support: nearly a line."""
    level = log_weight + theta[:, None] * away
    weight = np.exp(level - level.max(axis=1, keepdims=True))
    total = weight.sum(axis=1)
    # Never 0 or the whole support, which rounding may give far from the root.
    place = np.maximum((weight * (away + left[:, None])).sum(axis=1) / total, 1e-200)
    rest = np.maximum((weight * (right[:, None] - away)).sum(axis=1) / total, 1e-200)
    return np.log(left) - np.log(right) - (np.log(place) - np.log(rest))


def _p_value(log_weight: Any, away: Any, above: Any, below: Any, alternative: Alternative, half: bool) -> Any:
    weight = np.exp(log_weight)
    total = weight.sum(axis=1)
    if alternative == "two-sided" and not half:
        seen = np.where(away == 0, log_weight, -np.inf).max(axis=1, keepdims=True)
        return np.minimum((weight * (log_weight <= seen + np.log(TIE))).sum(axis=1) / total, 1.0)
    upper, lower = (weight * above).sum(axis=1) / total, (weight * below).sum(axis=1) / total
    chosen = {"greater": upper, "less": lower, "two-sided": 2.0 * np.minimum(upper, lower)}[alternative]
    return np.minimum(chosen, 1.0)
