"""Two rates of events per exposure (orders per visitor-day, returns per thousand parcels): Poisson counts compared."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Count,
    Fraction,
    InputError,
    Model,
    NonNegative,
    Positive,
    ProbabilityReal,
    Text,
    Texts,
    Unbounded,
    UnboundedOrNan,
    validated,
)
from ecomops.experiments.exact.inversion import enclosed_root
from ecomops.stats.estimate import Alternative
from ecomops.stats.roots import smallest_integer
from ecomops.stats.special import deviance, stirling_error

RateMethod = Literal["exact", "mid-p", "score"]
LOG_TIE = float(np.log1p(1e-7))
NEARLY_ONE = 1.0 - 1e-9
EVENTS_LIMIT = 2.0**52
NO_EVENTS = "there were no events"


class RateComparison(Model):
    """Two rates compared.

    Examples
    --------
    >>> from ecomops.experiments import compare_rates
    >>> compare_rates(20, treatment_exposure=100, control_events=10, control_exposure=100).ratio
    2.0
    """

    treatment: NonNegative
    """Events per unit of exposure in the treatment."""
    control: NonNegative
    """Events per unit of exposure in the control."""
    ratio: UnboundedOrNan
    """Treatment over control; infinite where only the control has no events, NaN without any."""
    lower: Unbounded
    """Lower end of its interval; 0 where no small ratio is excluded."""
    upper: Unbounded
    """Upper end of its interval; infinite where no large ratio is excluded."""
    p_value: Fraction
    """p-value of the margin; 1 without events."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    method: Text
    """Method of interval and test, and the alternative."""
    reason: Texts
    """Why there is no ratio; empty where there is one."""


@validated
def compare_rates(
    treatment_events: Count,
    *,
    treatment_exposure: Positive,
    control_events: Count,
    control_exposure: Positive,
    margin: Positive = 1.0,
    alternative: Alternative = "two-sided",
    confidence: ProbabilityReal = 0.95,
    method: RateMethod = "exact",
) -> RateComparison:
    """Compare two Poisson rates: their ratio with interval and test.

    Parameters
    ----------
    treatment_events, control_events : float or array
        Whole numbers of events.
    treatment_exposure, control_exposure : float or array
        What the events are counted over (users, days, visits), > 0, in one unit.
    margin : float or array
        Ratio under the null hypothesis; 1 for no difference.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown of the treatment; a one-sided interval is open at its other end.
    confidence : float
        Confidence level, in (0, 1).
    method : {"exact", "mid-p", "score"}
        The exact conditional test, which never rejects more often than its level; its mid-p form, which counts half of
        what was seen; or the score test, for many events.

    Returns
    -------
    RateComparison
        In the broadcast shape of the arguments.

    Raises
    ------
    InputError
        When there are more than 2**52 events.

    Notes
    -----
    Given all m events those of the treatment are Binomial(m, r t1 / (r t1 + t2)) at a ratio r. The two-sided p-value of
    "exact" sums the outcomes that are no more likely than the one seen, that of "mid-p" is twice the smaller tail, and the
    intervals leave (1 - confidence) / 2 at each end (Clopper-Pearson for "exact", Wilson for "score"). A metric whose
    events come in bursts varies more than Poisson: use `difference` on units there.

    References
    ----------
    .. [1] Przyborowski & Wilenski (1940), Homogeneity of results in testing samples from Poisson series, Biometrika 31.
    .. [2] Gu, Ng, Tang & Schucany (2008), Testing the ratio of two Poisson rates, Biometrical Journal 50, 283-298.

    Examples
    --------
    Breast cancer after fluoroscopy, of R's help of ``poisson.test``.

    >>> from ecomops.experiments import compare_rates
    >>> result = compare_rates(11, treatment_exposure=800, control_events=21, control_exposure=3011)
    >>> round(result.p_value, 7), round(result.lower, 7), round(result.upper, 7)
    (0.0796686, 0.8584264, 4.2772659)
    """
    given = (treatment_events, treatment_exposure, control_events, control_exposure, margin)
    parts = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in given))
    shape = parts[0].shape
    x1, t1, x2, t2, null = (np.array(part).reshape(-1) for part in parts)
    if np.any(x1 + x2 > EVENTS_LIMIT):
        raise InputError(f"treatment_events must be at most 2**52 with control_events, got {np.max(x1 + x2):g}")
    known = x1 + x2 > 0
    events = x1[known], x2[known]
    exposure = t2 / t1
    odds = np.exp(np.clip(np.log(null) - np.log(exposure), -700.0, 700.0))[known]
    tail = (1.0 - confidence) / (2.0 if alternative == "two-sided" else 1.0)
    lower, upper, p_value = np.zeros(x1.size), np.full(x1.size, np.inf), np.ones(x1.size)
    p_value[known] = (_score_p if method == "score" else _conditional_p)(*events, odds, alternative, method == "mid-p")
    lower[known], upper[known] = _ENDS[method](*events, min(tail, NEARLY_ONE))
    lower = np.zeros(x1.size) if alternative == "less" else lower * exposure
    upper = np.full(x1.size, np.inf) if alternative == "greater" else upper * exposure
    ratio = np.where(x2 > 0, x1 / np.where(x2 > 0, x2, 1.0) * exposure, np.where(known, np.inf, np.nan))
    reason = np.where(known.reshape(shape), "", NO_EVENTS)
    return RateComparison(
        treatment=(x1 / t1).reshape(shape),
        control=(x2 / t2).reshape(shape),
        ratio=ratio.reshape(shape),
        lower=lower.reshape(shape),
        upper=upper.reshape(shape),
        p_value=p_value.reshape(shape),
        confidence=confidence,
        method=f"{method}, {alternative}",
        reason=reason.astype(object) if reason.ndim else str(reason),
    )


# --- p-values: of x1 out of m events at odds p : q --------------------------------------------------------------------


def _conditional_p(x1: Array, x2: Array, odds: Array, alternative: Alternative, half: bool) -> Any:
    p, q = odds / (1.0 + odds), 1.0 / (1.0 + odds)
    if alternative == "two-sided" and not half:
        return _no_likelier(x1, x2, p, q)
    greater, less = at_least(x1, x2, p, q), at_least(x2, x1, q, p)
    if half:
        greater = (greater + at_least(x1 + 1.0, x2 - 1.0, p, q)) / 2
        less = (less + at_least(x2 + 1.0, x1 - 1.0, q, p)) / 2
    return {"greater": greater, "less": less, "two-sided": np.minimum(2.0 * np.minimum(greater, less), 1.0)}[
        alternative
    ]


def at_least(x1: Array, x2: Array, p: Any, q: Any) -> Any:
    """Return P(X >= x1) for X Binomial(x1 + x2, p), with q = 1 - p; x2 = -1 asks for more than there are."""
    inside = (x1 > 0) & (x2 >= 0)
    a, b = np.where(inside, x1, 1.0), np.where(inside, x2 + 1.0, 1.0)
    # From the smaller of p and q, which has its digits.
    tail = np.where(p <= q, special.betainc(a, b, np.minimum(p, 0.5)), special.betaincc(b, a, np.minimum(q, 0.5)))
    return np.where(inside, tail, np.where(x1 <= 0, 1.0, 0.0))


def _no_likelier(x1: Array, x2: Array, p: Array, q: Array) -> Any:
    """Return the probability of all outcomes that are no more likely than the one seen."""
    # Name the outcomes so that the one seen lies below the mean; those above are no likelier from some number on.
    above = x1 * q > x2 * p
    x, rest, p, q = np.where(above, x2, x1), np.where(above, x1, x2), np.where(above, q, p), np.where(above, p, q)
    m = x + rest
    seen = _log_chance(x, m, p, q)

    def no_likelier(k: Array, m: Array, p: Array, q: Array, seen: Array, x: Array) -> Any:
        beyond = k > m
        mean = m * p
        inside = np.where(beyond | (k < mean), m, k)
        return beyond | ((k >= mean) & (k > x) & (_log_chance(inside, m, p, q) <= seen + LOG_TIE))

    first = smallest_integer(no_likelier, np.minimum(np.ceil(2.0 * m * p - x), m), m, p, q, seen, x)
    return np.minimum(at_least(rest, x, q, p) + at_least(first, m - first, p, q), 1.0)


def _log_chance(k: Array, m: Array, p: Array, q: Array) -> Any:
    """Return the log of a binomial probability by the saddle point (Loader 2000), to the last digits for any counts."""
    inner = (k > 0) & (k < m)
    one, other = np.where(inner, k, 1.0), np.where(inner, m - k, 1.0)
    # k - m p and its negative, which the two deviances share.
    gap = np.where(inner, one * q - other * p, 0.0)
    size, mean, rest = one + other, (one + other) * p, (one + other) * q
    body = stirling_error(size) - stirling_error(one) - stirling_error(other)
    body = body - deviance(one, np.where(inner, mean, 1.0), gap) - deviance(other, np.where(inner, rest, 1.0), -gap)
    body = body - 0.5 * np.log(2.0 * np.pi * (one / size) * other)
    return np.where(inner, body, np.where(k <= 0, m * _log_of(q, p), m * _log_of(p, q)))


def _log_of(part: Array, rest: Array) -> Any:
    """Return log(part) for part + rest = 1, from the smaller of the two."""
    return np.where(part <= rest, np.log(part), np.log1p(-np.minimum(rest, 0.5)))


def _score_p(x1: Array, x2: Array, odds: Array, alternative: Alternative, half: bool) -> Any:
    # (x1 - m p) / sqrt(m p q) in terms of the odds.
    root = np.sqrt(odds)
    statistic = (x1 / root - x2 * root) / np.sqrt(x1 + x2)
    signed = {"greater": statistic, "less": -statistic, "two-sided": np.abs(statistic)}[alternative]
    return np.minimum(special.ndtr(-signed) * (2.0 if alternative == "two-sided" else 1.0), 1.0)


# --- ends of the interval of the odds ---------------------------------------------------------------------------------


def _exact_ends(x1: Array, x2: Array, tail: float) -> tuple[Any, Any]:
    lower = _exact_lower(x1, x2, tail)
    other = _exact_lower(x2, x1, tail)
    return lower, np.where(x2 > 0, 1.0 / np.where(other > 0, other, 1.0), np.inf)


def _exact_lower(x1: Array, x2: Array, tail: float) -> Any:
    """Return the odds at which x1 or more of x1 + x2 events have the probability of the tail; 0 for x1 = 0."""
    a, b = np.maximum(x1, 1.0), x2 + 1.0
    p, q = special.betaincinv(a, b, tail), special.betainccinv(b, a, tail)
    return np.where(x1 > 0, p / np.maximum(q, 1e-300), 0.0)


def _mid_ends(x1: Array, x2: Array, tail: float) -> tuple[Any, Any]:
    lower = _mid_lower(x1, x2, tail)
    other = _mid_lower(x2, x1, tail)
    return lower, np.where(x2 > 0, 1.0 / np.where(other > 0, other, 1.0), np.inf)


def _mid_lower(x1: Array, x2: Array, tail: float) -> Any:
    """Return the odds at which half of P(x1) and what is above it have the probability of the tail; 0 where all do."""
    rows = x1 > 0
    answer = np.zeros(x1.size)
    a, b = x1[rows], x2[rows]
    # Between the exact ends of the outcome seen and of the next.
    low = np.log(np.maximum(_exact_lower(a, b, tail), 1e-300))
    far = np.where(b > 0, _exact_lower(a + 1.0, np.maximum(b - 1.0, 0.0), tail), 1e300)
    high = np.maximum(np.log(np.clip(far, 1e-300, 1e300)), low)
    # Half of p^m is all that is left of the tail where every event is in this arm.
    goal = np.log(np.where(b > 0, tail, min(tail, 0.5 * NEARLY_ONE)))

    def short(log_odds: Array) -> Any:
        odds = np.exp(log_odds)
        p, q = odds / (1.0 + odds), 1.0 / (1.0 + odds)
        share = (at_least(a, b, p, q) + at_least(a + 1.0, b - 1.0, p, q)) / 2
        return goal - np.log(np.maximum(share, 1e-300))

    answer[rows] = np.exp(enclosed_root(short, low, high))
    return answer


def _score_ends(x1: Array, x2: Array, tail: float) -> tuple[Any, Any]:
    """Solve (x1 - x2 odds)^2 = z^2 m odds, Wilson's interval in terms of the odds."""
    m, z = x1 + x2, -float(special.ndtri(tail))
    spread = z * np.sqrt(m) * np.sqrt(z * z * m + 4.0 * x1 * x2)
    larger = 2.0 * x1 * x2 + z * z * m + spread
    safe = np.where(x2 > 0, x2, 1.0)
    # A one-sided level below one half has its end on the other side of the estimate.
    lower = np.where(larger > 0, 2.0 * x1 * x1 / np.where(larger > 0, larger, 1.0), 0.0)
    return lower, np.where(x2 > 0, larger / 2.0 / safe / safe, np.inf)


_ENDS = {"exact": _exact_ends, "mid-p": _mid_ends, "score": _score_ends}
