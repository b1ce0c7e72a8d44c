"""Kaplan-Meier: how many units are still without the event after each duration, when not all were followed to the end."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Floats,
    Fraction,
    InputError,
    Model,
    NonNegative,
    NonNegativeReal,
    PositiveReal,
    Probability,
    ProbabilityReal,
    Text,
    Texts,
    TimeUnit,
    UnboundedOrNan,
    validated,
)
from ecomops.stats.durations import DurationCounts

Durations: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0)]
Units: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Shares: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
SharesOrNan: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, le=1, nan=True)]
SurvivalInterval: TypeAlias = Literal["log-log", "log", "plain"]
TIE = 1e-12
NOBODY_LEFT = "NaN: nobody is left, and no error is known of a survival of 0"
NO_EVENT_YET = "before the first event the interval has no width"


class SurvivalQuantile(Model):
    """The duration after which a share of the units has had the event.

    Examples
    --------
    >>> from ecomops.experiments import DurationCounts, kaplan_meier
    >>> counts = DurationCounts.from_arrays([1, 2, 3, 4, 5], event=True)
    >>> kaplan_meier(counts).quantile(0.5).value
    3.0
    """

    value: UnboundedOrNan
    """First duration at which the share is reached; NaN where it is not reached."""
    lower: UnboundedOrNan
    """Lower end of its interval; NaN where even the lower limit of survival does not fall so far."""
    upper: UnboundedOrNan
    """Upper end; infinite where the upper limit of survival does not fall so far."""
    probability: Probability
    """The share."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    unit: TimeUnit
    """Unit of the durations."""
    reason: Texts
    """Why there is no value or an end is open; empty where neither is so."""


class RestrictedMean(Model):
    """The mean duration up to a horizon: the area under the survival curve.

    Examples
    --------
    >>> from ecomops.experiments import DurationCounts, kaplan_meier
    >>> counts = DurationCounts.from_arrays([1, 2, 3, 6], event=True)
    >>> kaplan_meier(counts).restricted_mean(horizon=4).value
    2.5
    """

    value: NonNegativeReal
    """Mean of the duration or the horizon, whichever is less."""
    standard_error: NonNegativeReal
    """Its standard error."""
    lower: NonNegativeReal
    """Lower end of its interval, at least 0."""
    upper: NonNegativeReal
    """Upper end, at most the horizon."""
    horizon: PositiveReal
    """Where the mean is cut."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    unit: TimeUnit
    """Unit of the durations."""


class SurvivalCurve(Model):
    """The share of units without the event after each duration.

    Examples
    --------
    >>> from ecomops.experiments import DurationCounts, kaplan_meier
    >>> counts = DurationCounts.from_arrays([1, 2, 2, 4], event=[True, True, False, False])
    >>> kaplan_meier(counts).survival.tolist()
    [0.75, 0.5, 0.5]
    """

    __labelled__ = False

    duration: Durations
    """Distinct durations, ascending, shape (k,)."""
    at_risk: Units
    """Units that were followed for at least that long, shape (k,)."""
    events: Units
    """Units whose event came then, shape (k,)."""
    censored: Units
    """Units that were last seen then, shape (k,)."""
    survival: Shares
    """Share without the event just after each duration, shape (k,)."""
    standard_error: SharesOrNan
    """Greenwood's standard error of ``survival``, shape (k,); NaN where it is 0."""
    lower: SharesOrNan
    """Lower end of its interval, shape (k,); NaN where ``survival`` is 0."""
    upper: SharesOrNan
    """Upper end, shape (k,); NaN where ``survival`` is 0."""
    confidence: ProbabilityReal
    """Confidence level of the interval at each one duration."""
    unit: TimeUnit
    """Unit of the durations."""
    method: Text
    """Method of the interval."""
    reason: Text
    """What NaN and intervals without width mean here; empty where there are none."""

    @validated
    def at(self, duration: NonNegative) -> Fraction:
        """Return the share of units without the event after given durations.

        Parameters
        ----------
        duration : float or array
            Durations, in ``unit``, up to the longest that was seen, or beyond where nobody was left.

        Returns
        -------
        float or array
            The survival; events at just the duration have happened.

        Raises
        ------
        InputError
            When a duration is longer than any that was seen and some units were left.

        Examples
        --------
        >>> from ecomops.experiments import DurationCounts, kaplan_meier
        >>> kaplan_meier(DurationCounts.from_arrays([1, 2, 2, 4], event=True)).at([0.5, 2])
        array([1.  , 0.25])
        """
        _check_reach(self.duration, self.survival, float(np.max(duration, initial=0.0)), "duration")
        steps = np.concatenate([[1.0], self.survival])
        return steps[np.searchsorted(self.duration, duration, side="right")]

    @validated
    def quantile(self, probability: Probability = 0.5) -> SurvivalQuantile:
        """Return the duration after which a share of the units has had the event; the median by default.

        Parameters
        ----------
        probability : float or array
            The share, in (0, 1).

        Returns
        -------
        SurvivalQuantile
            First duration at which survival is at most 1 - probability; where survival is just that for a while, the
            middle of that while. The interval holds the durations at which the interval of survival holds 1 - probability.

        References
        ----------
        .. [1] Brookmeyer & Crowley (1982), A confidence interval for the median survival time, Biometrics 38, 29-41.

        Examples
        --------
        >>> from ecomops.experiments import DurationCounts, kaplan_meier
        >>> kaplan_meier(DurationCounts.from_arrays([1, 2, 3, 4], event=True)).quantile([0.5, 0.6]).value
        array([2.5, 3. ])
        """
        target = 1.0 - np.asarray(probability)
        value = _first_at_most(self.duration, self.survival, target + TIE)
        beyond = _first_at_most(self.duration, self.survival, target - TIE)
        flat = np.isfinite(value) & np.isfinite(beyond)
        value = np.where(flat, (np.where(flat, value, 0.0) + np.where(flat, beyond, 0.0)) / 2, value)
        lower = _first_at_most(self.duration, np.where(np.isnan(self.lower), 0.0, self.lower), target)
        upper = _first_at_most(self.duration, np.where(np.isnan(self.upper), 1.0, self.upper), target)
        reason = np.where(
            np.isinf(lower),
            "NaN: the share is not reached, nor its lower limit",
            np.where(np.isinf(value), "NaN: the share is not reached", np.where(np.isinf(upper), "no upper limit", "")),
        )
        return SurvivalQuantile(
            value=np.where(np.isinf(value), np.nan, value),
            lower=np.where(np.isinf(lower), np.nan, lower),
            upper=upper,
            probability=probability,
            confidence=self.confidence,
            unit=self.unit,
            reason=reason.astype(object) if reason.ndim else str(reason),
        )

    @validated
    def restricted_mean(self, *, horizon: PositiveReal) -> RestrictedMean:
        """Return the mean duration up to a horizon.

        Parameters
        ----------
        horizon : float
            Where durations are cut, in ``unit``, > 0; at most the longest duration, or beyond where nobody was left.

        Returns
        -------
        RestrictedMean
            The area under the curve with its standard error and normal interval.

        Raises
        ------
        InputError
            When the horizon is longer than any duration that was seen and some units were left.

        Notes
        -----
        The variance is the sum over events of A^2 d / (n (n - d)), with A the area between the event and the horizon.

        References
        ----------
        .. [1] Klein & Moeschberger (2003), Survival Analysis, 2nd ed., eqs. (4.5.1) and (4.5.2).

        Examples
        --------
        >>> from ecomops.experiments import DurationCounts, kaplan_meier
        >>> curve = kaplan_meier(DurationCounts.from_arrays([1, 2, 3, 6], event=True))
        >>> round(curve.restricted_mean(horizon=4).standard_error, 4)
        0.559
        """
        _check_reach(self.duration, self.survival, horizon, "horizon")
        value, error = restricted_mean_of(self.duration, self.survival, self.events, self.at_risk, horizon)
        width = -float(special.ndtri((1.0 - self.confidence) / 2)) * error
        return RestrictedMean(
            value=value,
            standard_error=error,
            lower=max(value - width, 0.0),
            upper=min(value + width, horizon),
            horizon=horizon,
            confidence=self.confidence,
            unit=self.unit,
        )


@validated
def kaplan_meier(
    counts: DurationCounts, *, confidence: ProbabilityReal = 0.95, interval: SurvivalInterval = "log-log"
) -> SurvivalCurve:
    """Return the Kaplan-Meier curve: the share of units still without the event after each duration.

    Parameters
    ----------
    counts : DurationCounts
        Durations until the event, or until a unit was last seen without it.
    confidence : float
        Confidence level of the intervals at each one duration, in (0, 1).
    interval : {"log-log", "log", "plain"}
        Scale on which the interval is symmetric: log(-log S) (stays within 0 and 1, best in small samples), log S (the
        default of R's survival package), or S itself. The last two are cut at 0 and 1.

    Returns
    -------
    SurvivalCurve
        One row a distinct duration, with methods ``at``, ``quantile`` and ``restricted_mean``.

    Raises
    ------
    InputError
        When there are no units.

    Notes
    -----
    S(t) is the product over durations up to t of 1 - d / n, with d events among n units at risk; units that are last seen
    at a duration count as at risk there. Greenwood's variance of log S(t) is the sum of d / (n (n - d)). Before the first
    event the variance is 0 and the interval has no width; after the last unit had its event there is none. The censoring
    must not depend on what would have come: a user who left because she will never buy is not censored but a case for
    `cumulative_incidence`.

    References
    ----------
    .. [1] Kaplan & Meier (1958), Nonparametric estimation from incomplete observations, JASA 53, 457-481.
    .. [2] Kalbfleisch & Prentice (2002), The Statistical Analysis of Failure Time Data, 2nd ed., section 1.4.

    Examples
    --------
    Remission of acute myelogenous leukaemia under maintained chemotherapy (Miller 1997), in weeks.

    >>> from ecomops.experiments import DurationCounts, kaplan_meier
    >>> counts = DurationCounts.from_arrays(
    ...     [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161],
    ...     event=[True, True, False, True, True, False, True, True, False, True, False],
    ...     unit="week",
    ... )
    >>> median = kaplan_meier(counts, interval="log").quantile(0.5)
    >>> median.value, median.lower, median.upper
    (31.0, 18.0, inf)
    """
    if not counts.duration.size:
        raise InputError("counts has no units")
    at_risk = counts.at_risk
    survival, log_error = product_limit(counts.events, at_risk)
    z = -float(special.ndtri((1.0 - confidence) / 2))
    left, started = survival > 0, survival < 1
    inside = np.where(left, survival, 0.5)
    lower, upper = _ENDS[interval](inside, log_error, z)
    reasons = [NO_EVENT_YET] * (not started.all()) + [NOBODY_LEFT] * (not left.all())
    return SurvivalCurve(
        duration=counts.duration,
        at_risk=at_risk,
        events=counts.events,
        censored=counts.censored,
        survival=survival,
        standard_error=np.where(left, survival * log_error, np.nan),
        lower=np.where(left, np.where(started, lower, 1.0), np.nan),
        upper=np.where(left, np.where(started, upper, 1.0), np.nan),
        confidence=confidence,
        unit=counts.unit,
        method=f"{interval}, Greenwood",
        reason="; ".join(reasons),
    )


def product_limit(events: Array, at_risk: Array) -> tuple[Array, Array]:
    """Return survival and the standard error of its logarithm, along the last axis; 0 where the last unit goes."""
    safe = np.where(at_risk > 0, at_risk, 1.0)
    left = np.where(at_risk > events, at_risk - events, np.inf)
    survival: Array = np.asarray(np.cumprod(1.0 - events / safe, axis=-1), dtype=np.float64)
    log_error: Array = np.sqrt(np.cumsum(events / safe / left, axis=-1))
    return survival, log_error


def restricted_mean_of(
    duration: Array, survival: Array, events: Array, at_risk: Array, horizon: float
) -> tuple[float, float]:
    """Return the area under a survival curve up to a horizon, and its standard error."""
    inside = duration < horizon
    edges = np.concatenate([[0.0], duration[inside], [horizon]])
    steps = np.diff(edges) * np.concatenate([[1.0], survival[inside]])
    after = np.cumsum(steps[::-1])[::-1][1:]
    d, n = events[inside], at_risk[inside]
    # Where all who were left had the event, no area is left either.
    spread = d / n / np.where(n > d, n - d, np.inf)
    return float(min(steps.sum(), horizon)), float(np.sqrt((np.square(after) * spread).sum()))


def _check_reach(duration: Array, survival: Array, reach: float, name: str) -> None:
    if reach > duration[-1] and survival[-1] > 0:
        raise InputError(f"{name} must be at most the longest, {duration[-1]:g}, where units were left, got {reach:g}")


def _first_at_most(duration: Array, curve: Array, target: Any) -> Any:
    """Return the first duration at which a curve is at most the target; infinite where it never is."""
    place = np.searchsorted(-np.minimum.accumulate(curve), -np.asarray(target), side="left")
    return np.append(duration, np.inf)[place]


def _log_log(survival: Array, log_error: Array, z: float) -> tuple[Array, Array]:
    log_survival = np.minimum(np.log(survival), -1e-300)
    shift = np.minimum(z * log_error / -log_survival, 700.0)
    return np.exp(log_survival * np.exp(shift)), np.exp(log_survival * np.exp(-shift))


def _log(survival: Array, log_error: Array, z: float) -> tuple[Array, Array]:
    return survival * np.exp(-z * log_error), np.minimum(survival * np.exp(np.minimum(z * log_error, 700.0)), 1.0)


def _plain(survival: Array, log_error: Array, z: float) -> tuple[Array, Array]:
    width = z * survival * log_error
    return np.maximum(survival - width, 0.0), np.minimum(survival + width, 1.0)


_ENDS = {"log-log": _log_log, "log": _log, "plain": _plain}
