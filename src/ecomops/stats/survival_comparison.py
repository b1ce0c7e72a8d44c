"""Survival of several arms compared: the log-rank test, and differences that are an `Estimate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Floats,
    Fraction,
    InputError,
    Labels,
    Model,
    NonNegativeReal,
    NumOrNan,
    PositiveReal,
    Text,
    Whole,
    validated,
)
from ecomops.stats.durations import DurationCounts, DurationsByArm
from ecomops.stats.estimate import Estimate
from ecomops.stats.survival import product_limit, restricted_mean_of

Arm: TypeAlias = Text | Whole
LogRankWeights: TypeAlias = Literal["log-rank", "gehan", "tarone-ware", "peto"]
PerArm: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0)]
NO_CONTRAST = "no event came while two arms were followed together"
SAME_RANK = 1e-10


class LogRankTest(Model):
    """A test that the event comes as soon in every arm.

    Examples
    --------
    >>> from ecomops.experiments import DurationCounts, DurationsByArm, log_rank_test
    >>> fast, slow = (DurationCounts.from_arrays(days, event=True) for days in ([1, 2, 3, 4], [5, 6, 7, 8]))
    >>> log_rank_test(DurationsByArm(arms=["fast", "slow"], durations=(fast, slow))).observed.tolist()
    [4.0, 4.0]
    """

    __labelled__ = False

    arm: Labels
    """Names of the arms, shape (a,)."""
    units: PerArm
    """Units of each arm, shape (a,)."""
    observed: PerArm
    """Events of each arm, shape (a,)."""
    expected: PerArm
    """Events that each arm would have had at the common pace, shape (a,)."""
    statistic: NumOrNan
    """The quadratic form of observed minus expected, chi-square under the null hypothesis; NaN without a contrast."""
    degrees_of_freedom: NonNegativeReal
    """Its degrees of freedom: arms less one, or fewer where some were never followed together."""
    p_value: Fraction
    """Probability of a statistic at least as large where all arms have one pace; 1 without a contrast."""
    method: Text
    """The weights, and the number of strata."""
    reason: Text
    """Why there is no statistic; empty where there is one."""


@validated
def log_rank_test(
    durations: DurationsByArm,
    *,
    weights: LogRankWeights = "log-rank",
    more_strata: tuple[DurationsByArm, ...] = (),
) -> LogRankTest:
    """Test whether the event comes as soon in every arm, with units included that never had it.

    Parameters
    ----------
    durations : DurationsByArm
        Two arms or more; arms without units take no part.
    weights : {"log-rank", "gehan", "tarone-ware", "peto"}
        How much a duration counts: 1 (best where one arm is faster by a factor throughout), the units at risk n
        (Gehan-Wilcoxon), their root, or the pooled survival just before (Fleming & Harrington's G^1, which weighs early
        differences and, unlike Gehan's, does not depend on the censoring).
    more_strata : tuple of DurationsByArm
        The same arms in further strata (``durations`` is the first): units are compared within strata only.

    Returns
    -------
    LogRankTest
        Observed and expected events by arm, statistic and p-value.

    Raises
    ------
    InputError
        When there are fewer than two arms, the strata have different arms or units, or there are no units.

    Notes
    -----
    At each distinct duration the d events fall on the arms in proportion to their units at risk; observed minus expected
    has the covariance of the multivariate hypergeometric law, d (n - d) / (n - 1) n_i / n (1{i = j} - n_j / n). Weighted
    sums over durations and strata give the vector z and its covariance V; the statistic is z' V^- z.

    References
    ----------
    .. [1] Mantel (1966), Evaluation of survival data and two new rank order statistics, Cancer Chemotherapy Reports 50.
    .. [2] Klein & Moeschberger (2003), Survival Analysis, 2nd ed., sections 7.3 and 7.5.

    Examples
    --------
    Maintained and not maintained chemotherapy (Miller 1997), in weeks to relapse.

    >>> from ecomops.experiments import DurationCounts, DurationsByArm, log_rank_test
    >>> maintained = DurationCounts.from_arrays(
    ...     [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161],
    ...     event=[True, True, False, True, True, False, True, True, False, True, False],
    ... )
    >>> not_maintained = DurationCounts.from_arrays(
    ...     [5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45],
    ...     event=[True, True, True, True, True, False, True, True, True, True, True, True],
    ... )
    >>> arms = DurationsByArm(arms=["maintained", "not"], durations=(maintained, not_maintained))
    >>> test = log_rank_test(arms)
    >>> round(test.statistic, 6), round(test.p_value, 6)
    (3.396389, 0.065339)
    """
    strata = (durations, *more_strata)
    names = durations.arms.tolist()
    _check_strata(strata, names)
    size = len(names)
    gap, covariance, observed, expected = np.zeros(size), np.zeros((size, size)), np.zeros(size), np.zeros(size)
    for stratum in strata:
        parts = [stratum[name] for name in names]
        events, at_risk = _common_table(parts)
        more_gap, more_covariance, more_expected = log_rank_sums(events, at_risk, weights)
        gap, covariance = gap + more_gap, covariance + more_covariance
        observed, expected = observed + events.sum(axis=1), expected + more_expected
    statistic, freedom = quadratic_form(gap, covariance)
    known = freedom > 0
    units = np.sum([[stratum[name].n for name in names] for stratum in strata], axis=0)
    return LogRankTest(
        arm=durations.arms,
        units=units,
        observed=observed,
        expected=expected,
        statistic=float(statistic) if known else np.nan,
        degrees_of_freedom=float(freedom),
        p_value=float(special.chdtrc(freedom, statistic)) if known else 1.0,
        method=weights if len(strata) == 1 else f"{weights}, {len(strata)} strata",
        reason="" if known else NO_CONTRAST,
    )


@validated
def event_share_difference(
    durations: DurationsByArm, *, treatment: Arm, control: Arm, duration: NonNegativeReal
) -> Estimate:
    """Return the difference between two arms in the share of units that had the event within a duration.

    Parameters
    ----------
    durations : DurationsByArm
        The arms.
    treatment, control : str or int
        Names of two arms.
    duration : float
        How long units are followed, >= 0; at most the longest duration of each arm, or beyond where nobody was left.

    Returns
    -------
    Estimate
        Treatment minus control, of 1 minus Kaplan-Meier, with Greenwood's errors and the control as its baseline. Units
        that were followed for less time count for as long as they were.

    Raises
    ------
    InputError
        When an arm does not exist, is empty, or was not followed for so long.

    Examples
    --------
    >>> from ecomops.experiments import DurationCounts, DurationsByArm, event_share_difference
    >>> control = DurationCounts.from_arrays([1, 4, 7, 7], event=[True, True, False, False])
    >>> treatment = DurationCounts.from_arrays([1, 2, 3, 7], event=[True, True, True, False])
    >>> arms = DurationsByArm(arms=["control", "treatment"], durations=(control, treatment))
    >>> event_share_difference(arms, treatment="treatment", control="control", duration=7).value
    0.25
    """

    def share(counts: DurationCounts, at_risk: Any) -> tuple[float, float]:
        survival, log_error = product_limit(counts.events, at_risk)
        place = int(np.searchsorted(counts.duration, duration, side="right"))
        if not place:
            return 0.0, 0.0
        return 1.0 - float(survival[place - 1]), float(survival[place - 1] * log_error[place - 1])

    return _contrast(durations, treatment, control, duration, "duration", share, "event share by Kaplan-Meier")


@validated
def restricted_mean_difference(
    durations: DurationsByArm, *, treatment: Arm, control: Arm, horizon: PositiveReal
) -> Estimate:
    """Return the difference between two arms in the mean duration up to a horizon.

    Parameters
    ----------
    durations : DurationsByArm
        The arms.
    treatment, control : str or int
        Names of two arms.
    horizon : float
        Where durations are cut, > 0; at most the longest duration of each arm, or beyond where nobody was left.

    Returns
    -------
    Estimate
        Treatment minus control in the unit of the durations: negative where the treatment is faster.

    Raises
    ------
    InputError
        When an arm does not exist, is empty, or was not followed up to the horizon.

    References
    ----------
    .. [1] Royston & Parmar (2013), Restricted mean survival time, BMC Medical Research Methodology 13, 152.

    Examples
    --------
    >>> from ecomops.experiments import DurationCounts, DurationsByArm, restricted_mean_difference
    >>> control = DurationCounts.from_arrays([1, 4, 7, 7], event=[True, True, False, False])
    >>> treatment = DurationCounts.from_arrays([1, 2, 3, 7], event=[True, True, True, False])
    >>> arms = DurationsByArm(arms=["control", "treatment"], durations=(control, treatment))
    >>> restricted_mean_difference(arms, treatment="treatment", control="control", horizon=7).value
    -1.5
    """

    def mean(counts: DurationCounts, at_risk: Any) -> tuple[float, float]:
        survival, _ = product_limit(counts.events, at_risk)
        return restricted_mean_of(counts.duration, survival, counts.events, at_risk, horizon)

    return _contrast(durations, treatment, control, horizon, "horizon", mean, "restricted mean by Kaplan-Meier")


def log_rank_sums(events: Array, at_risk: Array, weights: LogRankWeights) -> tuple[Array, Array, Array]:
    """Return weighted observed minus expected, its covariance, and expected events, of arrays (..., arms, durations)."""
    n, d = at_risk.sum(axis=-2), events.sum(axis=-2)
    safe = np.where(n > 0, n, 1.0)
    share = at_risk / safe[..., None, :]
    expected = share * d[..., None, :]
    weight = _weight(weights, n, d)
    spread = np.square(weight) * d * (n - d) / np.where(n > 1, n - 1.0, 1.0)
    gap = ((events - expected) * weight[..., None, :]).sum(axis=-1)
    own = (share * spread[..., None, :]).sum(axis=-1)
    cross = np.einsum("...it,...jt,...t->...ij", share, share, spread)
    covariance = own[..., None] * np.eye(share.shape[-2]) - cross
    return gap, covariance, expected.sum(axis=-1)


def quadratic_form(gap: Array, covariance: Array) -> tuple[Any, Any]:
    """Return z' V^- z and the rank of V, of arrays (..., k) and (..., k, k)."""
    values, vectors = np.linalg.eigh(covariance)
    largest = np.abs(values).max(axis=-1, keepdims=True)
    kept = values > SAME_RANK * largest
    along = np.einsum("...ji,...j->...i", vectors, gap)
    return (np.square(along) / np.where(kept, values, np.inf)).sum(axis=-1), kept.sum(axis=-1)


def _weight(weights: LogRankWeights, n: Array, d: Array) -> Array:
    if weights == "peto":
        survival = np.asarray(np.cumprod(1.0 - d / np.where(n > 0, n, 1.0), axis=-1), dtype=np.float64)
        return np.concatenate([np.ones((*survival.shape[:-1], 1)), survival[..., :-1]], axis=-1)
    return {"log-rank": np.ones_like(n), "gehan": n, "tarone-ware": np.sqrt(n)}[weights]


def _common_table(parts: list[DurationCounts]) -> tuple[Array, Array]:
    """Return events and units at risk of each arm at the durations of all, shape (arms, durations)."""
    grid = np.unique(np.concatenate([part.duration for part in parts]))
    events, followed = np.zeros((len(parts), grid.size)), np.zeros((len(parts), grid.size))
    for row, part in enumerate(parts):
        place = np.searchsorted(grid, part.duration)
        events[row, place] = part.events
        followed[row, place] = part.events + part.censored
    return events, np.cumsum(followed[:, ::-1], axis=1)[:, ::-1]


def _check_strata(strata: tuple[DurationsByArm, ...], names: list[Any]) -> None:
    if len(names) < 2:
        raise InputError(f"durations must have at least 2 arms, got {len(names)}")
    for place, stratum in enumerate(strata[1:]):
        if sorted(stratum.arms.tolist(), key=str) != sorted(names, key=str):
            raise InputError(f"more_strata[{place}] must have the arms {names}, got {stratum.arms.tolist()}")
        if stratum.durations[0].unit != strata[0].durations[0].unit:
            raise InputError(
                f"more_strata[{place}] must have the unit {strata[0].durations[0].unit!r},"
                f" got {stratum.durations[0].unit!r}"
            )
    if not any(part.duration.size for stratum in strata for part in stratum.durations):
        raise InputError("durations has no units")


def _contrast(
    durations: DurationsByArm, treatment: Any, control: Any, reach: float, name: str, level: Any, method: str
) -> Estimate:
    """Return the difference of a level of two independent arms as an estimate."""
    found = []
    for role, arm in (("treatment", treatment), ("control", control)):
        names = durations.arms.tolist()
        if arm not in names:
            raise InputError(f"{role} must be one of {names}, got {arm!r}")
        counts = durations[arm]
        if not counts.duration.size:
            raise InputError(f"{role} has no units")
        at_risk = counts.at_risk
        if reach > counts.duration[-1] and counts.events[-1] < at_risk[-1]:
            raise InputError(
                f"{name} must be at most the longest of the {role}, {counts.duration[-1]:g}, where units were left,"
                f" got {reach:g}"
            )
        found.append((*level(counts, at_risk), counts.n))
    if treatment == control:
        raise InputError(f"treatment and control must be two arms, got {treatment!r} twice")
    (value, error, n), (baseline, baseline_error, base_n) = found
    return Estimate(
        value=value - baseline,
        standard_error=float(np.hypot(error, baseline_error)),
        baseline=baseline,
        baseline_error=baseline_error,
        covariance=-(baseline_error**2),
        n_treatment=n,
        n_control=base_n,
        method=method,
    )
