"""How long a test has to run, in whole weeks, and what it can find week by week."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np

from ecomops.core import (
    Array,
    ColumnOrNan,
    Count,
    CountColumn,
    Floats,
    Fraction,
    InputError,
    Model,
    Positive,
    PositiveReal,
    PositiveWhole,
    ProbabilityReal,
    Text,
    Texts,
    validated,
)
from ecomops.experiments.design.curves import Plan, freedom_of, tail_of
from ecomops.experiments.design.goals import Goal, Looks, ManyToOne, NonInferiority
from ecomops.experiments.design.metrics import Metric, clusters_of, step_of
from ecomops.experiments.design.plans import absolute_effect, check_power, method_of, plan_of
from ecomops.experiments.design.sizing import Alternative, Effect, power_with_looks, smallest_effect
from ecomops.experiments.design.solving import ROUNDING, required_units, target_of, whole_units
from ecomops.stats.estimate import LiftMethod

Share: TypeAlias = Annotated[float | Array | Any, Floats(gt=0, le=1)]
ShareReal: TypeAlias = Annotated[float, Floats(scalar=True, gt=0, le=1)]
WEEK = 7.0
MOST_WEEKS = 520
TOO_FEW = "so few units find no effect that is possible"


class ExperimentDuration(Model):
    """How long a test runs.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric
    >>> from ecomops.experiments.design.schedule import experiment_duration
    >>> experiment_duration(ProportionMetric(baseline=0.06), effect=0.006, daily_units=2500).weeks
    3.0
    """

    weeks: Count
    """Whole weeks."""
    days: Count
    """Days: seven times the weeks."""
    n_control: Count
    """Units in the control after these weeks."""
    n_treatment: Count
    """Units in each treatment after these weeks."""
    power: Fraction
    """Probability to show what is to be shown, after these weeks."""
    exact_days: Positive
    """Days until the units that are needed have come, not rounded."""
    method: Text
    """What the power rests on."""


class DetectableEffectsByWeek(Model):
    """What a test can find after each week.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric
    >>> from ecomops.experiments.design.schedule import detectable_effects_by_week
    >>> detectable_effects_by_week(ProportionMetric(baseline=0.06), daily_units=2500, weeks=2).effect.round(4)
    array([0.0105, 0.0073])
    """

    week: CountColumn
    """Weeks that have passed, shape (w,)."""
    n_control: CountColumn
    """Units in the control, shape (w,)."""
    n_treatment: CountColumn
    """Units in each treatment, shape (w,)."""
    effect: ColumnOrNan
    """Smallest effect that is found with the power, shape (w,); NaN where there is none."""
    reason: Texts
    """Why there is none; empty where there is one, shape (w,)."""
    power: ProbabilityReal
    """Probability to find it."""
    method: Text
    """What the power rests on."""


@validated
def experiment_duration(
    metric: Metric,
    *,
    effect: Effect,
    daily_units: Positive,
    share: Share = 1.0,
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    ratio: PositiveReal = 1.0,
    alternative: Alternative = "two-sided",
    goal: Goal | None = None,
    lift: LiftMethod | None = None,
    comparisons: ManyToOne | None = None,
    looks: Looks | None = None,
) -> ExperimentDuration:
    """Return how many whole weeks a test needs to find an effect.

    Parameters
    ----------
    metric : MeanMetric, ProportionMetric, QuantileMetric or RankMetric
        What is measured.
    effect : float or array
        Treatment minus control, or a lift where ``lift`` is given.
    daily_units : float or array
        New units a day (those not in the test yet), the mean over a week. Weekdays differ; whole weeks hold each alike.
    share : float or array
        Share of the traffic that takes part, in (0, 1].
    power, alpha : float
        Probability to find it, and level of the test; see `sample_size`.
    ratio : float
        Units in a treatment over units in the control.
    alternative : {"two-sided", "one-sided"}
        Sides over which alpha is divided.
    goal : NonInferiority or Equivalence, optional
        What is to be shown; a difference by default.
    lift : {"fieller", "delta", "log"}, optional
        Effects are lifts, tested by this interval.
    comparisons : ManyToOne, optional
        Several treatments against the control.
    looks : Looks, optional
        Looks at which the test may stop; the duration is then the longest.

    Returns
    -------
    ExperimentDuration
        In the broadcast shape of metric, effect, units and share.

    Raises
    ------
    InputError
        As `sample_size`, and when more than 520 weeks would be needed.

    References
    ----------
    .. [1] Kohavi, Tang & Xu (2020), Trustworthy Online Controlled Experiments, ch. 2: run for whole weeks.

    Examples
    --------
    Evan Miller's calculator asks for 1,030 a branch at 20 % and 5 points:

    >>> from ecomops.experiments import ProportionMetric
    >>> from ecomops.experiments.design.schedule import experiment_duration
    >>> plan = experiment_duration(
    ...     ProportionMetric(baseline=0.20, variance="baseline"), effect=0.05, daily_units=600, share=0.2
    ... )
    >>> plan.weeks, plan.n_control, round(plan.exact_days, 2)
    (3.0, 1260.0, 17.17)
    """
    plan = plan_of(metric, (alpha, alternative), goal, lift, comparisons, looks)
    absolute = absolute_effect(plan, effect)
    if goal is None and np.any(np.asarray(effect) == 0):
        raise InputError("effect must not be 0; give the smallest difference that matters")
    check_power(power, alpha)
    target = target_of(plan, power)
    exact = required_units(plan, absolute, target.score, ratio)
    (control, treatment), _, _ = whole_units(plan, absolute, target.score, ratio, exact)
    arms = 1.0 + plan.treatments * ratio
    a_day = daily_units * share
    days = exact * arms / a_day
    weeks = np.maximum(np.ceil(np.maximum(control, treatment / ratio) * arms / a_day / WEEK - ROUNDING), 1.0)
    if np.any(weeks > MOST_WEEKS):
        raise InputError(
            f"daily_units are too few: {float(np.max(weeks)):.6g} weeks would be needed, and 520 are the most"
        )
    units = _arms(plan, weeks * WEEK * a_day, ratio)
    tail = tail_of(plan, freedom_of(plan, *units), ratio)
    return ExperimentDuration(
        weeks=weeks,
        days=WEEK * weeks,
        n_control=units[0],
        n_treatment=units[1],
        power=power_with_looks(plan, absolute, units, tail, target.design),
        exact_days=days,
        method=method_of(plan),
    )


@validated
def detectable_effects_by_week(
    metric: Metric,
    *,
    daily_units: PositiveReal,
    weeks: PositiveWhole = 8,
    share: ShareReal = 1.0,
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    ratio: PositiveReal = 1.0,
    alternative: Alternative = "two-sided",
    goal: NonInferiority | None = None,
    lift: LiftMethod | None = None,
    comparisons: ManyToOne | None = None,
    looks: Looks | None = None,
) -> DetectableEffectsByWeek:
    """Return the smallest effect that a test finds after one week, two weeks and so on.

    Parameters
    ----------
    metric : MeanMetric, ProportionMetric, QuantileMetric or RankMetric
        What is measured; one metric.
    daily_units : float
        New units a day, the mean over a week.
    weeks : int
        Number of weeks, at most 520.
    share : float
        Share of the traffic that takes part, in (0, 1].
    power, alpha : float
        Probability to find it, and level of the test.
    ratio : float
        Units in a treatment over units in the control.
    alternative : {"two-sided", "one-sided"}
        Sides over which alpha is divided.
    goal : NonInferiority, optional
        What is to be shown; effects are then the worst true ones with which it is shown.
    lift : {"fieller", "delta", "log"}, optional
        Effects are lifts, tested by this interval.
    comparisons : ManyToOne, optional
        Several treatments against the control.
    looks : Looks, optional
        Looks at which a test of that length may stop.

    Returns
    -------
    DetectableEffectsByWeek
        One row a week.

    Raises
    ------
    InputError
        When the metric is a batch, or weeks are more than 520.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric
    >>> from ecomops.experiments.design.schedule import detectable_effects_by_week
    >>> table = detectable_effects_by_week(ProportionMetric(baseline=0.06), daily_units=2500, weeks=4, lift="fieller")
    >>> table.effect.round(3).tolist()
    [0.174, 0.122, 0.099, 0.085]
    """
    if metric.batch_shape:
        raise InputError(f"metric must be one metric, got shape {metric.batch_shape}")
    if weeks > MOST_WEEKS:
        raise InputError(f"weeks must be <= {MOST_WEEKS}, got {weeks}")
    check_power(power, alpha)
    plan = plan_of(metric, (alpha, alternative), goal, lift, comparisons, looks)
    week = np.arange(1.0, weeks + 1.0)
    units = _arms(plan, week * WEEK * daily_units * share, ratio)
    least = 2.0 * step_of(metric)
    enough = np.minimum(*units) >= least
    control, treatment = (np.where(enough, n, least) for n in units)
    found = smallest_effect(plan, control, treatment, target_of(plan, power))
    known = enough & ~np.isnan(found)
    return DetectableEffectsByWeek(
        week=week,
        n_control=units[0],
        n_treatment=units[1],
        effect=np.where(known, found, np.nan),
        reason=np.where(known, "", TOO_FEW).astype(object),
        power=power,
        method=method_of(plan),
    )


def _arms(plan: Plan, total: Any, ratio: float) -> tuple[Any, Any]:
    """Return the whole units (whole clusters) of the control and of each treatment."""
    step = step_of(plan.metric)
    control = total / (1.0 + plan.treatments * ratio)
    if clusters_of(plan.metric) is None:
        return np.floor(control + ROUNDING), np.floor(control * ratio + ROUNDING)
    whole = (np.floor(n / step + ROUNDING) for n in (control, control * ratio))
    one, other = (np.floor(n * step + ROUNDING) for n in whole)
    return one, other
