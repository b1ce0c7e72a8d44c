"""Risk ratio and odds ratio of two proportions, with intervals that exist at 0 and at n too."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Count,
    Fraction,
    Model,
    Positive,
    ProbabilityReal,
    Text,
    Texts,
    Unbounded,
    UnboundedOrNan,
    validated,
)
from ecomops.experiments.exact.inversion import falling_crossing, read_table

RatioMethod = Literal["score", "miettinen-nurminen", "log"]
LEAST_REACH = 1e-8
# Beyond this log ratio every statistic of up to 2**53 trials is as good as at its limit.
FARTHEST = 150.0
NO_SUCCESS = "no trial succeeded in either arm"
NO_MARGIN = "no trial, or every trial, succeeded in both arms"
Kind = Literal["risk ratio", "odds ratio"]
Table = tuple[Array, ...]
Statistic = Callable[..., Any]


class ProportionRatio(Model):
    """A ratio of two proportions, or of their odds.

    Examples
    --------
    >>> from ecomops.experiments import risk_ratio
    >>> risk_ratio(7, treatment_trials=34, control_successes=1, control_trials=34).ratio
    7.0
    """

    treatment: Fraction
    """Proportion in the treatment."""
    control: Fraction
    """Proportion in the control."""
    ratio: UnboundedOrNan
    """Treatment over control; infinite where only the control is 0, NaN where the counts say nothing."""
    lower: Unbounded
    """Lower end of its interval; 0 where no small ratio is excluded."""
    upper: Unbounded
    """Upper end of its interval; infinite where no large ratio is excluded."""
    p_value: Fraction
    """Two-sided p-value of the margin, the dual of the interval; 1 where the counts say nothing."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    method: Text
    """What the ratio is of, and the method."""
    reason: Texts
    """Why there is no ratio; empty where there is one."""


@validated
def risk_ratio(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    margin: Positive = 1.0,
    confidence: ProbabilityReal = 0.95,
    method: RatioMethod = "score",
) -> ProportionRatio:
    """Return the ratio of two proportions (relative risk) with its interval and test.

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, >= 1.
    margin : float or array
        Ratio under the null hypothesis; 1 for no difference.
    confidence : float
        Confidence level, in (0, 1).
    method : {"score", "miettinen-nurminen", "log"}
        Koopman's score, Miettinen and Nurminen's with its factor n / (n - 1), or Price and Bonett's normal interval of the
        log ratio, whose estimate is shrunken by a quarter of a success.

    Returns
    -------
    ProportionRatio
        In the broadcast shape of the counts. Without successes in the treatment the interval begins at 0, without
        successes in the control it is open above.

    Raises
    ------
    InputError
        When an arm has no trials or more successes than trials.

    Notes
    -----
    The score interval holds the ratios r with abs(p1 - r p2) <= z se(r), where the variance q1 (1 - q1) / n1 +
    r^2 q2 (1 - q2) / n2 is taken at the likeliest proportions with q1 = r q2, the root of a quadratic.

    References
    ----------
    .. [1] Koopman (1984), Confidence intervals for the ratio of two binomial proportions, Biometrics 40, 513-517.
    .. [2] Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4, 213-226.
    .. [3] Nam (1995), Confidence limits for the ratio of two binomial proportions, Biometrical Journal 37, 375-379.
    .. [4] Price & Bonett (2008), Confidence intervals for a ratio of two independent binomial proportions, Statistics in
       Medicine 27, 5497-5508.

    Examples
    --------
    7 of 34 against 1 of 34, as R's PropCIs has it.

    >>> from ecomops.experiments import risk_ratio
    >>> result = risk_ratio(7, treatment_trials=34, control_successes=1, control_trials=34)
    >>> round(result.lower, 6), round(result.upper, 6)
    (1.220853, 42.575718)
    """
    given = (treatment_successes, treatment_trials, control_successes, control_trials)
    return _compared(given, margin, confidence, method, "risk ratio")


@validated
def odds_ratio(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    margin: Positive = 1.0,
    confidence: ProbabilityReal = 0.95,
    method: RatioMethod = "score",
) -> ProportionRatio:
    """Return the ratio of the odds of two proportions with its interval and test.

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, >= 1.
    margin : float or array
        Odds ratio under the null hypothesis; 1 for no difference.
    confidence : float
        Confidence level, in (0, 1).
    method : {"score", "miettinen-nurminen", "log"}
        Cornfield's score without continuity correction, Miettinen and Nurminen's with its factor n / (n - 1), or Gart's
        normal interval of the log odds ratio, with half a unit added to each of the four counts.

    Returns
    -------
    ProportionRatio
        In the broadcast shape of the counts. Where a larger (smaller) ratio always fits as well, the interval is open
        above (begins at 0). `fisher_test` has the exact interval.

    Raises
    ------
    InputError
        When an arm has no trials or more successes than trials.

    Notes
    -----
    With a(r) the number of successes in the treatment at which the four counts of the table with the same margins have
    the odds ratio r, the statistic is (x1 - a) sqrt(1/a + 1/(n1 - a) + 1/(m - a) + 1/(n2 - m + a)).

    References
    ----------
    .. [1] Cornfield (1956), A statistical problem arising from retrospective studies, 3rd Berkeley Symposium 4, 135-148.
    .. [2] Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4, 213-226.
    .. [3] Gart (1966), Alternative analyses of contingency tables, JRSS B 28, 164-179.

    Examples
    --------
    7 of 34 against 1 of 34, where R's PropCIs, in steps of 0.1 %, stops at 1.2463 and 56.486.

    >>> from ecomops.experiments import odds_ratio
    >>> result = odds_ratio(7, treatment_trials=34, control_successes=1, control_trials=34, method="miettinen-nurminen")
    >>> round(result.lower, 4), round(result.upper, 3)
    (1.2466, 56.462)
    """
    given = (treatment_successes, treatment_trials, control_successes, control_trials)
    return _compared(given, margin, confidence, method, "odds ratio")


def _compared(given: Any, margin: Any, confidence: float, method: RatioMethod, kind: Kind) -> ProportionRatio:
    (x1, n1, x2, n2, log_margin), shape = read_table(*given, np.log(margin))
    top, bottom = (x1 * n2, x2 * n1) if kind == "risk ratio" else (x1 * (n2 - x2), x2 * (n1 - x1))
    z = max(-float(special.ndtri((1.0 - confidence) / 2)), LEAST_REACH)
    if method == "log":
        answer = _by_log((x1, n1, x2, n2), log_margin, z, kind)
    else:
        inflation = np.sqrt((n1 + n2) / (n1 + n2 - 1.0)) if method == "miettinen-nurminen" else np.ones(x1.size)
        answer = _by_score((x1, n1, x2, n2), log_margin, z, inflation, top, bottom, _STATISTICS[kind])
    ratio, lower, upper, p_value = (part.reshape(shape) for part in answer)
    missing = NO_SUCCESS if kind == "risk ratio" else NO_MARGIN
    reason = np.where(np.isnan(ratio), missing, "")
    return ProportionRatio(
        treatment=(x1 / n1).reshape(shape),
        control=(x2 / n2).reshape(shape),
        ratio=ratio,
        lower=lower,
        upper=upper,
        p_value=p_value,
        confidence=confidence,
        method=f"{kind}, {method}",
        reason=reason.astype(object) if reason.ndim else str(reason),
    )


def _by_log(table: Table, log_margin: Array, z: float, kind: Kind) -> tuple[Any, ...]:
    """Return ratio, ends and p-value from a normal log ratio."""
    centre, error = (_price_bonett if kind == "risk ratio" else _gart)(*table)
    p_value = 2.0 * special.ndtr(-np.abs(centre - log_margin) / error)
    return np.exp(centre), np.exp(centre - z * error), np.exp(centre + z * error), p_value


def _price_bonett(x1: Array, n1: Array, x2: Array, n2: Array) -> tuple[Any, Any]:
    """Return the log risk ratio and its error, with 1/4 success and 3/2 failures added to each arm (Price & Bonett 2008)."""
    a, m, b, n = x1 + 0.25, n1 + 1.75, x2 + 0.25, n2 + 1.75
    variance = 1.0 / (a + a * a / (m - a)) + 1.0 / (b + b * b / (n - b))
    return np.log(a / m / (b / n)), np.sqrt(variance)


def _gart(x1: Array, n1: Array, x2: Array, n2: Array) -> tuple[Any, Any]:
    """Return the log odds ratio and its error, with 1/2 added to each of the four counts (Gart 1966)."""
    a, b, c, d = x1 + 0.5, n1 - x1 + 0.5, x2 + 0.5, n2 - x2 + 0.5
    return np.log(a / b / (c / d)), np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)


def _by_score(
    table: Table, log_margin: Array, z: float, inflation: Array, top: Array, bottom: Array, statistic: Statistic
) -> tuple[Any, ...]:
    """Return ratio, ends and p-value from a score statistic that falls as the log ratio grows."""
    known = (top > 0) | (bottom > 0)
    guess = np.log((top + 0.5) / (bottom + 0.5))
    lower, upper, p_value = np.zeros(top.size), np.full(top.size, np.inf), np.ones(top.size)
    for ends, rows, reach in ((lower, top > 0, z), (upper, bottom > 0, -z)):
        part = tuple(value[rows] for value in table)
        beyond = partial(_beyond, statistic, part, reach * inflation[rows])
        ends[rows] = np.exp(falling_crossing(beyond, guess[rows]))
    part = tuple(value[known] for value in table)
    score = statistic(log_margin[known], *part) / inflation[known]
    p_value[known] = np.minimum(2.0 * special.ndtr(-np.abs(score)), 1.0)
    whole = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.inf)
    return np.where(known, whole, np.nan), lower, upper, p_value


def _beyond(statistic: Statistic, table: Table, goal: Array, log_ratio: Array) -> Any:
    return statistic(log_ratio, *table) - goal


def risk_statistic(log_ratio: Array, x1: Array, n1: Array, x2: Array, n2: Array) -> Any:
    """Return the score statistic of a risk ratio at its likeliest proportions.

    Their quadratic is solved so that nothing cancels, with a ratio near 1 and with few failures or successes.
    """
    log_ratio = np.clip(log_ratio, -FARTHEST, FARTHEST)
    y1, y2, ratio, beyond = n1 - x1, n2 - x2, np.exp(log_ratio), np.expm1(log_ratio)
    gap = beyond * (n1 + x2) + (y1 - y2)
    product = 4.0 * ratio * y1 * y2
    root = np.sqrt(gap * gap + product)
    # root + gap and root - gap, whose product is known: the one that cancels comes from the other.
    larger = np.maximum(root + np.abs(gap), 1e-300)
    plus, minus = np.where(gap > 0, larger, product / larger), np.where(gap > 0, product / larger, larger)
    whole = ratio * (n1 + x2) + (x1 + n2) + root
    p2 = 2.0 * (x1 + x2) / whole
    p1 = ratio * p2
    variance = p1 * (minus + 2.0 * ratio * y1) / whole / n1 + ratio * ratio * p2 * (plus + 2.0 * y2) / whole / n2
    few = x1 + x2 < y1 + y2
    # x1 / n1 - ratio x2 / n2, from whichever is rare.
    away = np.where(few, x1 / n1 - ratio * x2 / n2, y2 / n2 - y1 / n1 - beyond * x2 / n2)
    return away / np.sqrt(np.maximum(variance, 1e-300))


def _odds_statistic(log_ratio: Array, x1: Array, n1: Array, x2: Array, n2: Array) -> Any:
    """Return the score statistic of an odds ratio at the counts with the same margins that have it."""
    log_ratio = np.clip(log_ratio, -FARTHEST, FARTHEST)
    m, ratio, inverse = x1 + x2, np.exp(log_ratio), np.exp(-log_ratio)
    rest = (n1 - x1) + (n2 - x2)
    cells = ((n1, n2, m, rest, ratio), (n1, n2, rest, m, inverse), (n2, n1, m, rest, inverse), (n2, n1, rest, m, ratio))
    fitted = np.stack([_cell(*cell) for cell in cells])
    # The four counts are off by the same number: the smallest knows it with the most digits.
    counts = np.stack([x1, n1 - x1, x2, n2 - x2])
    smallest = counts.argmin(axis=0)[None]
    away = np.take_along_axis(counts - fitted, smallest, axis=0)[0] * np.array([1.0, -1.0, -1.0, 1.0])[smallest[0]]
    return away * np.sqrt((1.0 / np.maximum(fitted, 1e-300)).sum(axis=0))


def _cell(n1: Array, n2: Array, m: Array, rest: Array, ratio: Any) -> Any:
    """Return the count a in a table with rows n1, n2 and columns m, rest where a (n2 - m + a) = ratio (n1 - a) (m - a)."""
    middle = ratio * (n1 + m) + (n2 - m)
    root = np.sqrt(np.square(ratio * (n1 - m)) + np.square(n2 - m) + 2.0 * ratio * (n1 * n2 + m * rest))
    # A negative middle means a ratio well below 1, so the other form of the root divides by no small number.
    direct = 2.0 * ratio * n1 * m / np.where(middle >= 0, middle + root, 1.0)
    return np.where(middle >= 0, direct, (root - middle) / (2.0 * np.where(middle >= 0, 1.0, 1.0 - ratio)))


_STATISTICS: dict[Kind, Statistic] = {"risk ratio": risk_statistic, "odds ratio": _odds_statistic}
