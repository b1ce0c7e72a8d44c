"""Two arms compared by ranks: Mann-Whitney, Brunner-Munzel and the Hodges-Lehmann shift, on samples or on value counts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Flag,
    FractionReal,
    InputError,
    Model,
    NonNegativeReal,
    ProbabilityReal,
    Text,
    validated,
)
from ecomops.experiments.exact.rank_laws import kth_difference, rank_sum_law
from ecomops.stats.estimate import Alternative, Estimate, Interval
from ecomops.stats.samples import Sample

RankMethod = Literal["auto", "exact", "asymptotic"]
AUTO_PAIRS = 2500
EXACT_PAIRS = 10_000
TIES_ONLY = "every unit of both arms has the same value"


class MannWhitneyTest(Model):
    """A test of whether units of one arm tend to larger values.

    Examples
    --------
    >>> from ecomops.experiments import mann_whitney_test
    >>> mann_whitney_test([19, 22, 16, 29, 24], control=[20, 11, 17, 12]).statistic
    17.0
    """

    statistic: NonNegativeReal
    """Pairs of a treatment and a control unit in which the treatment is larger; ties count half."""
    superiority: FractionReal
    """Their share: the probability that a treatment unit is larger than a control unit, ties halved."""
    p_value: FractionReal
    """p-value of equal distributions; 1 where all values are equal."""
    method: Text
    """"exact" or "asymptotic" (with or without continuity correction), and the alternative."""
    reason: Text
    """What is odd about the arms; empty where nothing is."""


@validated
def mann_whitney_test(
    treatment: Sample,
    *,
    control: Sample,
    alternative: Alternative = "two-sided",
    method: RankMethod = "auto",
    continuity: Flag = True,
) -> MannWhitneyTest:
    """Test by ranks whether units of the treatment tend to larger (or smaller) values.

    Parameters
    ----------
    treatment, control : array, shape (n,), or ValueCounts
        One value a unit, or how many units took each value.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown of the treatment.
    method : {"auto", "exact", "asymptotic"}
        "exact" counts the ways to deal the values, ties included; "auto" is exact up to 2,500 pairs of units.
    continuity : bool
        Whether the asymptotic p-value allows half a pair for continuity.

    Returns
    -------
    MannWhitneyTest
        The statistic as a count of pairs and as a share, and the p-value.

    Raises
    ------
    InputError
        When an arm has no units, or "exact" meets more than 10,000 pairs.

    Notes
    -----
    The exact two-sided p-value sums the outcomes at least as far from half of the pairs; without ties it is twice the
    smaller tail. The asymptotic variance is n1 n2 / 12 (n + 1 - sum(t^3 - t) / (n (n - 1))) over ties of t units.

    References
    ----------
    .. [1] Mann & Whitney (1947), On a test of whether one of two random variables is stochastically larger than the other,
       Annals of Mathematical Statistics 18, 50-60.
    .. [2] Hollander & Wolfe (1999), Nonparametric Statistical Methods, 2nd ed., section 4.1.

    Examples
    --------
    The diagnosis ages of scipy's documentation.

    >>> from ecomops.experiments import mann_whitney_test
    >>> result = mann_whitney_test([19, 22, 16, 29, 24], control=[20, 11, 17, 12])
    >>> result.statistic, round(result.p_value, 7)
    (17.0, 0.1111111)
    """
    one, other = _on_one_scale(treatment, control)
    n1, n2 = float(one.sum()), float(other.sum())
    pairs = n1 * n2
    if method == "exact" and pairs > EXACT_PAIRS:
        raise InputError(f"method 'exact' takes at most {EXACT_PAIRS} pairs of units, got {pairs:g}; use 'asymptotic'")
    statistic = float((one * _placements(other)).sum())
    exact = method == "exact" or (method == "auto" and pairs <= AUTO_PAIRS)
    p_value = (
        _exact_p(statistic, one, other, alternative)
        if exact
        else _asymptotic_p(statistic, one, other, alternative, 0.5 if continuity else 0.0)
    )
    name = "exact" if exact else f"asymptotic with{'' if continuity else 'out'} continuity correction"
    return MannWhitneyTest(
        statistic=statistic,
        superiority=min(statistic / pairs, 1.0),
        p_value=p_value,
        method=f"{name}, {alternative}",
        reason=TIES_ONLY if one.size == 1 else "",
    )


@validated
def brunner_munzel(treatment: Sample, *, control: Sample) -> Estimate:
    """Estimate by how much the treatment tends to larger values, without equal variances (Brunner-Munzel).

    Parameters
    ----------
    treatment, control : array, shape (n,), or ValueCounts
        One value a unit, or how many units took each value; at least 2 units.

    Returns
    -------
    Estimate
        P(treatment > control) + P(equal) / 2, less 1/2, with its standard error and degrees of freedom: ``test()`` is the
        Brunner-Munzel test and ``interval()`` the interval of the probability less 1/2. Where the arms do not overlap, or
        all values are equal, the standard error is 0 and ``method`` says so.

    Raises
    ------
    InputError
        When an arm has fewer than 2 units.

    Notes
    -----
    The variance is that of the units' placements in the other arm, F2(x) for the treatment and F1(y) for the control (ties
    halved), each over its number of units; the degrees of freedom are Welch's.

    References
    ----------
    .. [1] Brunner & Munzel (2000), The nonparametric Behrens-Fisher problem, Biometrical Journal 42, 17-25.

    Examples
    --------
    The pain scores of Brunner and Munzel, as in scipy's documentation.

    >>> from ecomops.experiments import brunner_munzel
    >>> estimate = brunner_munzel([3, 3, 4, 3, 1, 2, 3, 1, 1, 5, 4], control=[1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 1, 1])
    >>> round(estimate.test().statistic, 5), round(estimate.test().p_value, 7)
    (3.13747, 0.0057862)
    """
    one, other = _on_one_scale(treatment, control)
    n1, n2 = float(one.sum()), float(other.sum())
    for name, n in (("treatment", n1), ("control", n2)):
        if n < 2:
            raise InputError(f"{name} must have at least 2 units, got {n:g}")
    level, first = _spread(_placements(other) / n2, one)
    _, second = _spread(_placements(one) / n1, other)
    total = first / n1 + second / n2
    share = first / n1 / total if total > 0 else 0.5
    oddity = "" if total > 0 else TIES_ONLY if one.size == 1 else "the arms do not overlap"
    return Estimate(
        value=level - 0.5,
        standard_error=np.sqrt(total),
        degrees_of_freedom=1.0 / (share * share / (n1 - 1.0) + (1.0 - share) ** 2 / (n2 - 1.0)),
        baseline=0.5,
        n_treatment=n1,
        n_control=n2,
        method="Brunner-Munzel" if not oddity else f"Brunner-Munzel; {oddity}",
    )


@validated
def hodges_lehmann(
    treatment: Sample, *, control: Sample, confidence: ProbabilityReal = 0.95, method: RankMethod = "auto"
) -> Interval:
    """Return the shift between two arms: the median of all differences of their units, with its interval.

    Parameters
    ----------
    treatment, control : array, shape (n,), or ValueCounts
        One value a unit, or how many units took each value.
    confidence : float
        Confidence level, in (0, 1).
    method : {"auto", "exact", "asymptotic"}
        How the ranks of the two ends among the differences are found: from the exact law of Mann and Whitney's statistic or
        from its normal approximation; "auto" is exact up to 2,500 pairs of units.

    Returns
    -------
    Interval
        In the unit of the values. With too few units for the confidence the ends are infinite and the reason says so.

    Raises
    ------
    InputError
        When an arm has no units, or "exact" meets more than 10,000 pairs.

    Notes
    -----
    It is the set of shifts that the Mann-Whitney test does not reject; with ties it is wider than it need be. Differences
    are counted on sorted values, not listed, so a million units an arm need no more memory than they take.

    References
    ----------
    .. [1] Hodges & Lehmann (1963), Estimates of location based on rank tests, Annals of Mathematical Statistics 34, 598-611.
    .. [2] Hollander & Wolfe (1999), Nonparametric Statistical Methods, 2nd ed., sections 4.2 and 4.3.

    Examples
    --------
    Water transfer in placental membranes, of Hollander and Wolfe.

    >>> from ecomops.experiments import hodges_lehmann
    >>> late = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    >>> shift = hodges_lehmann(late, control=[1.15, 0.88, 0.90, 0.74, 1.21])
    >>> round(shift.value, 3), round(shift.lower, 2), round(shift.upper, 2)
    (0.305, -0.15, 0.76)
    """
    one, other = _on_one_scale(treatment, control)
    n1, n2 = float(one.sum()), float(other.sum())
    pairs = n1 * n2
    if method == "exact" and pairs > EXACT_PAIRS:
        raise InputError(f"method 'exact' takes at most {EXACT_PAIRS} pairs of units, got {pairs:g}; use 'asymptotic'")
    exact = method == "exact" or (method == "auto" and pairs <= AUTO_PAIRS)
    tail = (1.0 - confidence) / 2
    if exact:
        below = np.cumsum(rank_sum_law(np.ones(int(n1 + n2)), int(n1), step=1))
        rank = float(np.searchsorted(below, tail, side="right"))
    else:
        rank = np.floor(pairs / 2 + float(special.ndtri(tail)) * np.sqrt(pairs * (n1 + n2 + 1.0) / 12.0))
    middle = np.floor((pairs + 1.0) / 2), np.floor(pairs / 2) + 1.0
    wanted = np.clip([*middle, rank, pairs + 1.0 - rank], 1.0, pairs)
    low, high, lower, upper = kth_difference(treatment, control, wanted).tolist()
    enough = rank >= 1
    return Interval(
        value=low + (high - low) / 2,
        lower=lower if enough else -np.inf,
        upper=upper if enough else np.inf,
        confidence=confidence,
        method=f"Hodges-Lehmann, {'exact' if exact else 'asymptotic'}",
        reason="" if enough else "too few units: no interval of this confidence is bounded",
    )


def _on_one_scale(treatment: Any, control: Any) -> tuple[Array, Array]:
    """Return the counts of both arms at each value that either has, in ascending order."""
    values, place = np.unique(np.concatenate([treatment.value, control.value]), return_inverse=True)
    size = treatment.value.size
    one = np.bincount(place[:size], treatment.count, values.size).astype(np.float64)
    return one, np.bincount(place[size:], control.count, values.size).astype(np.float64)


def _placements(counts: Array) -> Array:
    """Return the units below each value, and half of those at it."""
    return np.cumsum(counts) - counts / 2


def _spread(values: Array, counts: Array) -> tuple[float, float]:
    n = counts.sum()
    mean = float((counts * values).sum() / n)
    return mean, float((counts * np.square(values - mean)).sum() / (n - 1.0))


def _exact_p(statistic: float, one: Array, other: Array, alternative: Alternative) -> float:
    ties = one + other
    step = 1 if ties.max() == 1 else 2
    law = rank_sum_law(ties, int(one.sum()), step=step)
    # Whole numbers: steps of half a pair where values tie.
    outcome, seen = np.arange(law.size), round(step * statistic)
    centre = (law.size - 1) / 2
    extreme = {
        "greater": outcome >= seen,
        "less": outcome <= seen,
        "two-sided": np.abs(outcome - centre) >= abs(seen - centre),
    }[alternative]
    return min(float(law[extreme].sum()), 1.0)


def _asymptotic_p(statistic: float, one: Array, other: Array, alternative: Alternative, correction: float) -> float:
    n1, n2, ties = float(one.sum()), float(other.sum()), one + other
    n = n1 + n2
    # Without the difference of two numbers of nearly n that ties of nearly all units would leave.
    tied = float((ties / n * ((ties - 1.0) / (n - 1.0)) * (ties + 1.0)).sum())
    variance = n1 * n2 / 12.0 * max(n + 1.0 - tied, 0.0)
    if one.size == 1:
        return 1.0
    away = statistic - n1 * n2 / 2
    signed = {"greater": away, "less": -away, "two-sided": abs(away)}[alternative] - correction
    tail = float(special.ndtr(-signed / np.sqrt(variance)))
    return min(2.0 * tail, 1.0) if alternative == "two-sided" else tail
