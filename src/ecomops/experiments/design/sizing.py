"""How many units a test needs, what power they give, and what they can detect: three inverses of one curve."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Count,
    Floats,
    Fraction,
    InputError,
    Model,
    Num,
    Positive,
    PositiveReal,
    ProbabilityReal,
    Text,
    validated,
)
from ecomops.experiments.design.curves import Plan, freedom_of, power_of, score_of, tail_of
from ecomops.experiments.design.goals import Goal, Looks, ManyToOne, NonInferiority
from ecomops.experiments.design.metrics import (
    Metric,
    ProportionMetric,
    level_of,
    step_of,
)
from ecomops.experiments.design.plans import absolute_effect, check_power, method_of, plan_of
from ecomops.experiments.design.solving import Target, detectable, required_units, target_of, whole_units, with_looks
from ecomops.stats.estimate import LiftMethod

Alternative: TypeAlias = Literal["two-sided", "one-sided"]
Effect: TypeAlias = Annotated[float | Array | Any, Floats()]
Units: TypeAlias = Annotated[float | Array | Any, Floats(ge=2)]


class Design(Model):
    """A test with its size, effect and power.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric, sample_size
    >>> sample_size(ProportionMetric(baseline=0.5), effect=0.25, power=0.9).n_control
    77.0
    """

    n_control: Count
    """Units in the control, whole."""
    n_treatment: Count
    """Units in each treatment, whole."""
    n_total: Count
    """Units in all arms."""
    effect: Num
    """Effect that the design is for, as it was given."""
    power: Fraction
    """Probability to show what is to be shown with these units, in each comparison."""
    exact_n_control: Positive
    """Units in the control before rounding up."""
    expected_n_total: Positive
    """Units in all arms that are expected to be used under the effect; fewer than ``n_total`` where looks may stop the test."""
    alpha: ProbabilityReal
    """Probability of an error of the first kind."""
    method: Text
    """What the power rests on."""


@validated
def sample_size(
    metric: Metric,
    *,
    effect: Effect,
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    ratio: PositiveReal = 1.0,
    alternative: Alternative = "two-sided",
    goal: Goal | None = None,
    lift: LiftMethod | None = None,
    comparisons: ManyToOne | None = None,
    looks: Looks | None = None,
) -> Design:
    """Return how many units each arm needs to find an effect, or to show that there is none that matters.

    Parameters
    ----------
    metric : MeanMetric, ProportionMetric, QuantileMetric or RankMetric
        What is measured, with covariates (CUPED) and clusters; `metric_from_moments` makes one from data.
    effect : float or array
        Treatment minus control, or a lift where ``lift`` is given; not 0, unless there is a goal.
    power : float
        Probability to find it, in (0, 1), above ``alpha``.
    alpha : float
        Level of the test, in (0, 1).
    ratio : float
        Units in a treatment over units in the control.
    alternative : {"two-sided", "one-sided"}
        Sides over which alpha is divided; a margin is tested on one side at alpha / 2 ("two-sided") or alpha.
    goal : NonInferiority or Equivalence, optional
        What is to be shown; a difference by default. The effect is then the true one that is expected, often 0.
    lift : {"fieller", "delta", "log"}, optional
        Effects are lifts, fractions of the baseline, tested by this interval of the lift; by default they are absolute.
        Fieller's is the test of the difference itself.
    comparisons : ManyToOne, optional
        Several treatments against the control; power is that of each comparison.
    looks : Looks, optional
        Looks at which the test may stop.

    Returns
    -------
    Design
        Whole units (whole clusters) in each arm and the power that they give.

    Raises
    ------
    InputError
        When the effect is 0 without a goal, leads to a proportion outside (0, 1), or lies beyond the margin; when the power
        is not above alpha; when a lift or a relative margin has no baseline > 0.

    Notes
    -----
    With mean d of the estimate over what it is tested against, error s of the estimate and s0 of the test, the power is
    Phi((d - z s0) / s), or that of the noncentral t. Equivalence has two such tests, passed together with probability
    E[Phi(d1 / s - c S) + Phi(d2 / s - c S) - 1] over S, the chi of the estimated deviation. A lift m has the variance
    SE(m)^2 = SE0^2 + v m^2 - 2 c m by the delta method. Looks need the drift that their bounds need.

    References
    ----------
    .. [1] Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, ch. 2 and 6; R's ``power.t.test`` and
       ``power.prop.test``.
    .. [2] Farrington & Manning (1990), Statistics in Medicine 9, 1447-1454: proportions with a margin.
    .. [3] Owen (1965), Biometrika 52, 437-446: two one-sided t tests. Noether (1987), JASA 82, 645-647: ranks.
    .. [4] Jennison & Turnbull (2000), Group Sequential Methods, ch. 2.

    Examples
    --------
    >>> from ecomops.experiments import MeanMetric, sample_size
    >>> design = sample_size(MeanMetric(sd=1), effect=1, power=0.90)
    >>> round(design.exact_n_control, 3), design.n_control
    (22.021, 23.0)

    Half of the variance is known from the month before, and shops of 30 customers are randomised:

    >>> from ecomops.experiments import Clusters
    >>> spend = MeanMetric(
    ...     sd=40, baseline=25, correlation=0.7, clusters=Clusters(size=30, intracluster_correlation=0.01)
    ... )
    >>> sample_size(spend, effect=0.10, lift="delta").n_total
    5940.0
    """
    plan = plan_of(metric, (alpha, alternative), goal, lift, comparisons, looks)
    absolute = absolute_effect(plan, effect)
    if goal is None and np.any(np.asarray(effect) == 0):
        raise InputError("effect must not be 0; give the smallest difference that matters")
    check_power(power, alpha)
    target = target_of(plan, power)
    exact = required_units(plan, absolute, target.score, ratio)
    (control, treatment), tail, score = whole_units(plan, absolute, target.score, ratio, exact)
    got, share = with_looks(score, special.ndtr(score), tail, target.design)
    total = control + plan.treatments * treatment
    shape = np.shape(exact)
    return Design(
        n_control=control,
        n_treatment=treatment,
        n_total=total,
        effect=effect + np.zeros(shape),
        power=got,
        exact_n_control=exact,
        expected_n_total=total * share,
        alpha=alpha,
        method=method_of(plan),
    )


@validated
def power(
    metric: Metric,
    *,
    effect: Effect,
    n_control: Units,
    n_treatment: Units,
    alpha: ProbabilityReal = 0.05,
    alternative: Alternative = "two-sided",
    goal: Goal | None = None,
    lift: LiftMethod | None = None,
    comparisons: ManyToOne | None = None,
    looks: Looks | None = None,
) -> Fraction:
    """Return the probability to find an effect with given units, or to show that there is none that matters.

    Parameters
    ----------
    metric : MeanMetric, ProportionMetric, QuantileMetric or RankMetric
        What is measured.
    effect : float or array
        Treatment minus control, or a lift where ``lift`` is given.
    n_control, n_treatment : float or array
        Units in the control and in each treatment, >= 2 and at least two clusters.
    alpha : float
        Level of the test, in (0, 1).
    alternative : {"two-sided", "one-sided"}
        Sides over which alpha is divided; two-sided power counts only findings in the direction of the effect, as R does.
    goal : NonInferiority or Equivalence, optional
        What is to be shown; a difference by default.
    lift : {"fieller", "delta", "log"}, optional
        Effects are lifts, tested by this interval; see `sample_size`.
    comparisons : ManyToOne, optional
        Several treatments against the control; power is that of each comparison.
    looks : Looks, optional
        Looks at which the test may stop.

    Returns
    -------
    float or array
        Power.

    Raises
    ------
    InputError
        When the effect leads to a proportion outside (0, 1), or a lift or a relative margin has no baseline > 0.

    Examples
    --------
    >>> import math
    >>> from ecomops.experiments import MeanMetric, power
    >>> round(power(MeanMetric(sd=1), effect=1, n_control=20, n_treatment=20), 6)
    0.868953

    Bioequivalence on the log scale (R's PowerTOST: CV 0.3, ratio 0.95, 40 subjects in all, 0.815845):

    >>> from ecomops.experiments import AbsoluteMargin, Equivalence
    >>> limit = AbsoluteMargin(value=math.log(1.25))
    >>> within = Equivalence(lower=limit, upper=limit)
    >>> logs = MeanMetric(sd=math.sqrt(math.log(1.09) / 2))
    >>> found = power(logs, effect=math.log(0.95), n_control=20, n_treatment=20, goal=within, alternative="one-sided")
    >>> round(found, 6)
    0.815845
    """
    plan = plan_of(metric, (alpha, alternative), goal, lift, comparisons, looks)
    absolute = absolute_effect(plan, effect)
    _check_units(metric, n_control, n_treatment)
    tail = tail_of(plan, freedom_of(plan, n_control, n_treatment), n_treatment / n_control)
    # The bounds do not depend on the power that a design is for.
    design = None if looks is None else target_of(plan, 0.5 + alpha / 2.0).design
    return power_with_looks(plan, absolute, (n_control, n_treatment), tail, design)


@validated
def minimum_detectable_effect(
    metric: Metric,
    *,
    n_control: Units,
    n_treatment: Units,
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    alternative: Alternative = "two-sided",
    goal: NonInferiority | None = None,
    lift: LiftMethod | None = None,
    comparisons: ManyToOne | None = None,
    looks: Looks | None = None,
) -> Num:
    """Return the smallest increase that given units find with a given power.

    Parameters
    ----------
    metric : MeanMetric, ProportionMetric, QuantileMetric or RankMetric
        What is measured.
    n_control, n_treatment : float or array
        Units in the control and in each treatment, >= 2 and at least two clusters.
    power : float
        Probability to find it, in (0, 1), above ``alpha``.
    alpha : float
        Level of the test, in (0, 1).
    alternative : {"two-sided", "one-sided"}
        Sides over which alpha is divided.
    goal : NonInferiority, optional
        What is to be shown. The answer is then the worst true effect with which it is shown; it may be a loss.
    lift : {"fieller", "delta", "log"}, optional
        The answer is a lift, tested by this interval; see `sample_size`.
    comparisons : ManyToOne, optional
        Several treatments against the control.
    looks : Looks, optional
        Looks at which the test may stop.

    Returns
    -------
    float or array
        Treatment minus control, > 0 without a goal; a fraction of the baseline where ``lift`` is given.

    Raises
    ------
    InputError
        When not even a treatment proportion of 1, or no lift, reaches the power.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric, minimum_detectable_effect
    >>> round(minimum_detectable_effect(ProportionMetric(baseline=0.5), n_control=50, n_treatment=50, power=0.9), 6)
    0.302631

    The lift of a mean of 10 whose own error counts too, where the absolute answer over 10 is 0.1253:

    >>> from ecomops.experiments import MeanMetric
    >>> spend = MeanMetric(sd=10, baseline=10, reference="normal")
    >>> round(minimum_detectable_effect(spend, n_control=1000, n_treatment=1000, lift="delta"), 6)
    0.133945
    """
    check_power(power, alpha)
    plan = plan_of(metric, (alpha, alternative), goal, lift, comparisons, looks)
    _check_units(metric, n_control, n_treatment)
    found = smallest_effect(plan, n_control, n_treatment, target_of(plan, power))
    if np.any(np.isnan(found)):
        limit = "a treatment proportion of 1" if isinstance(metric, ProportionMetric) else "an endless lift"
        if isinstance(goal, NonInferiority) and goal.desired == "decrease":
            limit = "a treatment proportion of 0"
        raise InputError(f"n_control and n_treatment are too few: not even {limit} reaches the power")
    return found


def smallest_effect(plan: Plan, n_control: Any, n_treatment: Any, target: Target) -> Any:
    """Return the smallest effect on the scale of the plan, NaN where there is none."""
    shape = np.broadcast_shapes(np.shape(n_control), np.shape(n_treatment), plan.metric.batch_shape)
    tail = tail_of(plan, freedom_of(plan, n_control, n_treatment), n_treatment / n_control)
    found = detectable(plan, (n_control, n_treatment), target.score, tail, shape)
    return found if plan.lift is None else found / level_of(plan.metric)


def power_with_looks(plan: Plan, effect: Any, units: tuple[Any, Any], tail: Any, design: Any) -> Any:
    """Return the power with the planned looks, if there are any."""
    fixed = np.clip(power_of(plan, effect, *units, tail), 0.0, 1.0)
    return fixed if design is None else with_looks(score_of(plan, effect, *units, tail), fixed, tail, design)[0]


def _check_units(metric: Any, n_control: Any, n_treatment: Any) -> None:
    least = 2.0 * step_of(metric)
    for name, n in (("n_control", n_control), ("n_treatment", n_treatment)):
        if np.any(np.asarray(n) < least):
            raise InputError(f"{name} must hold at least two clusters, got {float(np.min(n))}")
