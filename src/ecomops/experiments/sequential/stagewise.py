"""After a group-sequential experiment has stopped: p-value, interval and estimate; before it has: conditional power."""

from __future__ import annotations

import numpy as np
from scipy import special

from ecomops.core import (
    Fraction,
    InputError,
    Model,
    Num,
    NumOrNan,
    Probability,
    ProbabilityReal,
    Text,
    Whole,
    validated,
)
from ecomops.experiments.sequential import crossings
from ecomops.experiments.sequential.looks import SequentialMonitoring
from ecomops.experiments.sequential.stopping_rules import Drift, firm_looks

NOT_STOPPED = "the experiment has not stopped: there is no final estimate yet"


class StagewiseEstimate(Model):
    """What to report after an early stop: the plain estimate is too far from the margin there.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, LanDeMets, group_sequential_design, monitor_looks, stagewise_estimate
    >>> design = group_sequential_design([0.5, 1.0], boundary=LanDeMets())
    >>> looks = monitor_looks(design, Estimate(value=3.1, standard_error=1.0), fractions=[0.5])
    >>> round(stagewise_estimate(looks).p_value, 5)
    0.00194
    """

    value: NumOrNan
    """Median-unbiased estimate: as often too high as too low."""
    lower: NumOrNan
    """Lower end of the interval."""
    upper: NumOrNan
    """Upper end of the interval."""
    p_value: NumOrNan
    """Probability of an outcome at least as extreme, in the stage-wise order, where the true value is the margin."""
    naive_value: NumOrNan
    """The plain estimate at the stop."""
    confidence: ProbabilityReal
    """Confidence level of the interval, which is two-sided with equal tails."""
    stopped_at: Whole
    """Number of the look that ended the experiment."""
    method: Text
    """How the outcomes are ordered."""
    reason: Text
    """Why there is no answer; empty where there is one."""


@validated
def stagewise_estimate(
    monitoring: SequentialMonitoring, *, confidence: ProbabilityReal | None = None
) -> StagewiseEstimate:
    """Return the p-value, the interval and the median-unbiased estimate after an experiment has stopped.

    Parameters
    ----------
    monitoring : SequentialMonitoring
        The looks, the last of which (or an earlier one) ended the experiment.
    confidence : float, optional
        Confidence level of the two-sided interval, in (0, 1); by default the one that agrees with the test: 1 - alpha
        where two-sided, 1 - 2 alpha where one-sided.

    Returns
    -------
    StagewiseEstimate
        In the units of the estimate. NaN and a reason where the experiment goes on.

    Notes
    -----
    Outcomes are ordered by stage: an earlier crossing of the upper bound is higher than a later one, at the same look the
    higher statistic is. The interval holds the drifts under which an outcome as high has a probability between both
    tails, and the estimate is where it has 1/2. Futility bounds count only where they are binding.

    References
    ----------
    .. [1] Tsiatis, Rosner & Mehta (1984), Exact Confidence Intervals Following a Group Sequential Test, Biometrics 40.
    .. [2] Jennison & Turnbull (2000), Group Sequential Methods, section 8.2 to 8.5.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, LanDeMets, group_sequential_design, monitor_looks, stagewise_estimate
    >>> design = group_sequential_design([0.25, 0.5, 0.75, 1.0], boundary=LanDeMets())
    >>> looks = monitor_looks(design, Estimate(value=[0.9, 1.3], standard_error=[0.5, 0.4]), fractions=[0.3, 0.55])
    >>> report = stagewise_estimate(looks)
    >>> round(report.value, 3), round(report.lower, 3), round(report.upper, 3), report.naive_value
    (1.299, 0.513, 2.083, 1.3)
    """
    two_sided = monitoring.bounds.alternative == "two-sided"
    level = confidence if confidence is not None else 1.0 - monitoring.alpha * (1.0 if two_sided else 2.0)
    stop = monitoring.stopped_at
    if not 0.0 < level < 1.0:
        raise InputError(f"confidence must be given: there is no interval that agrees with alpha {monitoring.alpha}")
    answer = {"value": np.nan, "lower": np.nan, "upper": np.nan, "p_value": np.nan, "naive_value": np.nan}
    if stop:
        answer = _after_stop(monitoring, stop, (1.0 - level) / 2.0, two_sided=two_sided)
    return StagewiseEstimate(
        **answer,
        confidence=level,
        stopped_at=stop,
        method="stage-wise order" if monitoring.binding else "stage-wise order, without futility bounds",
        reason="" if stop else NOT_STOPPED,
    )


@validated
def conditional_power(
    statistic: Num,
    *,
    fraction: Probability,
    critical_value: Num = 1.959963984540054,
    drift: Drift | None = None,
) -> Fraction:
    """Return how probable it is to be above a critical value at the end, given the statistic so far.

    Parameters
    ----------
    statistic : float or array
        Statistic z so far.
    fraction : float or array
        Information fraction so far, in (0, 1).
    critical_value : float or array
        What z has to exceed at information fraction 1; for a design, its last bound.
    drift : float or array, optional
        Mean of z at information fraction 1 for what is still to come: 0 for no effect, ``design.drift`` for the effect
        planned for; by default the trend so far, statistic / sqrt(fraction).

    Returns
    -------
    float or array
        Conditional power; looks between now and the end are left out.

    Notes
    -----
    Phi((z sqrt(t) + drift (1 - t) - c) / sqrt(1 - t)).

    References
    ----------
    .. [1] Jennison & Turnbull (2000), Group Sequential Methods, section 10.2.

    Examples
    --------
    >>> from ecomops.experiments import conditional_power
    >>> round(conditional_power(1.0, fraction=0.5), 7), round(conditional_power(1.0, fraction=0.5, drift=0.0), 7)
    (0.2201142, 0.0382132)
    """
    left, root = 1.0 - np.asarray(fraction), np.sqrt(fraction)
    trend = statistic / root if drift is None else drift
    return special.ndtr((statistic * root + trend * left - critical_value) / np.sqrt(left))


def _after_stop(monitoring: SequentialMonitoring, stop: int, tail: float, *, two_sided: bool) -> dict[str, float]:
    looks = crossings.Looks(*(part[:stop] for part in firm_looks(monitoring.bounds, binding=monitoring.binding)))
    z, root = float(monitoring.statistic[stop - 1]), float(np.sqrt(looks.times[-1]))
    probability = crossings.outcome_above(looks, z)
    p_value = probability(0.0)
    if two_sided:
        p_value = 2.0 * min(p_value, crossings.outcome_above(looks, -z)(0.0))
    # z has mean drift * sqrt(t), so one unit of drift is sqrt(t) standard errors at the stop.
    unit = root * float(monitoring.standard_error[stop - 1])
    lower, value, upper = (
        monitoring.margin + unit * crossings.drift_at(probability, target, z / root, 2.0 / root)
        for target in (tail, 0.5, 1.0 - tail)
    )
    return {
        "value": value,
        "lower": lower,
        "upper": upper,
        "p_value": min(p_value, 1.0),
        "naive_value": float(monitoring.value[stop - 1]),
    }
