"""What is tested and how: put together, checked and put into words."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError
from ecomops.experiments.design.curves import Plan
from ecomops.experiments.design.goals import Equivalence, NonInferiority
from ecomops.experiments.design.metrics import MeanMetric, ProportionMetric, QuantileMetric, level_of, require_level
from ecomops.experiments.metric_roles import RelativeMargin


def plan_of(metric: Any, level: tuple[float, str], goal: Any, lift: Any, comparisons: Any, looks: Any) -> Plan:
    """Put together what is tested and how, and refuse what does not fit together."""
    if lift is not None:
        require_level(metric, "a lift")
    margins = () if goal is None else (goal.margin,) if isinstance(goal, NonInferiority) else (goal.lower, goal.upper)
    if any(isinstance(margin, RelativeMargin) for margin in margins):
        require_level(metric, "a relative margin")
    if lift in {"delta", "log"} and goal is not None:
        raise InputError(f"lift must be 'fieller' with a goal, got {lift!r}: a relative margin is tested exactly")
    dunnett = comparisons is not None and comparisons.treatments > 1 and comparisons.adjustment == "dunnett"
    if looks is not None and isinstance(goal, Equivalence):
        raise InputError("looks must be left out for equivalence: two tests have no one drift")
    if looks is not None and dunnett:
        raise InputError("comparisons.adjustment must be 'bonferroni' or 'none' with looks")
    alpha, alternative = level
    return Plan(metric, goal, lift, comparisons, alpha, 2.0 if alternative == "two-sided" else 1.0, looks)


def absolute_effect(plan: Plan, effect: Any) -> Any:
    """Return the effect in the metric's unit."""
    level = level_of(plan.metric)
    # Not by the operator: Python's own floats overflow in silence.
    absolute = effect if plan.lift is None else np.multiply(effect, level)
    if plan.lift == "log" and np.any(np.asarray(absolute <= -level)):
        raise InputError("effect must be > -1 for a log lift; use lift='fieller'")
    if isinstance(plan.metric, ProportionMetric):
        after = np.asarray(level + absolute)
        if np.any((after <= 0) | (after >= 1)):
            raise InputError(
                "effect must leave the treatment proportion in (0, 1); give the absolute difference, 0.02 for 2 points"
                if plan.lift is None
                else "effect must leave the treatment proportion in (0, 1)"
            )
    return absolute


def check_power(power: float, alpha: float) -> None:
    """Refuse a power that chance alone has."""
    if power <= alpha:
        raise InputError(f"power must be above alpha, got {power} and {alpha}")


def method_of(plan: Plan) -> str:
    """Say what the power rests on."""
    metric = plan.metric
    if isinstance(metric, ProportionMetric):
        how = "z test of two proportions"
    elif isinstance(metric, MeanMetric):
        how = f"{metric.reference} test of two means"
    else:
        how = f"normal test of two {'quantiles' if isinstance(metric, QuantileMetric) else 'rank sums'}"
    if plan.goal is not None:
        how += ", two one-sided tests of equivalence" if isinstance(plan.goal, Equivalence) else ", non-inferiority"
    if plan.lift is not None:
        how += f", {plan.lift} lift"
    if plan.treatments > 1:
        how += f", {plan.treatments} treatments against one control ({plan.comparisons.adjustment})"
    if plan.looks is not None:
        how += f", {plan.looks.fractions.size} looks"
    return how
