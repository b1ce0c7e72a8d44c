"""From many metrics to one decision: the table to take to the meeting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from ecomops.core import (
    Array,
    Column,
    ColumnOrNan,
    Floats,
    FractionColumnOrNan,
    FractionReal,
    InputError,
    Labels,
    Model,
    PositiveWhole,
    ProbabilityReal,
    Text,
    Texts,
    validated,
)
from ecomops.experiments.balance import SampleRatioMismatch
from ecomops.experiments.design.observed import errors_to_find
from ecomops.experiments.metric_roles import (
    DecisionLevels,
    DeteriorationMetric,
    GuardrailMetric,
    RelativeMargin,
    ScorecardMetric,
    SuccessMetric,
    levels_of,
)
from ecomops.experiments.noninferiority import against_margin
from ecomops.stats.estimate import NO_ERROR, Alternative, Estimate

OneSidedLevel: TypeAlias = Annotated[float, Floats(scalar=True, gt=0, lt=0.5)]
ColumnOrOpen: TypeAlias = Annotated[Array | Any, Floats(column=True, inf=True, nan=True)]
BETTER, WORSE, WITHIN, UNDECIDED = "better", "worse", "within margin", "undecided"
NO_LIFT = "the control's level is not > 0: there is no lift"


class Scorecard(Model):
    """The metrics of one treatment, and whether to ship it.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, SuccessMetric, scorecard
    >>> orders = SuccessMetric(name="orders", estimate=Estimate(value=0.2, standard_error=0.05, baseline=4.0))
    >>> scorecard((orders,)).decision
    'ship'
    """

    metric: Labels
    """Names, shape (n,)."""
    role: Texts
    """"success", "guardrail" or "deterioration", shape (n,)."""
    n_control: Column
    """Units in the control, shape (n,)."""
    n_treatment: Column
    """Units in the treatment, shape (n,)."""
    control: Column
    """Level of the control, shape (n,)."""
    treatment: Column
    """Level of the treatment: control plus difference, shape (n,)."""
    lift: ColumnOrNan
    """Difference over the control's level, shape (n,); NaN where that level is not > 0."""
    lower: ColumnOrOpen
    """Lower end of Fieller's interval of the lift at the level of the metric's own one-sided test, shape (n,)."""
    upper: ColumnOrOpen
    """Its upper end, shape (n,)."""
    p_adjusted: FractionColumnOrNan
    """p-value of the test of the metric's role (better, within margin, worse), adjusted; compare with alpha, shape (n,)."""
    p_deterioration: FractionColumnOrNan
    """p-value of harm, adjusted for how many metrics are watched; compare with alpha_deterioration, shape (n,)."""
    mde: ColumnOrNan
    """Lift (for a guardrail: margin without an effect) that the test finds with the power per metric, shape (n,)."""
    verdict: Texts
    """What was shown of each metric, shape (n,)."""
    reason: Texts
    """Why, or what would settle it, shape (n,)."""
    srm_p_value: FractionReal | None
    """p-value of the split of the units; None where it was not given."""
    levels: DecisionLevels
    """Level and power of the single tests."""
    decision: Literal["ship", "keep"]
    """"ship" the treatment or "keep" the control."""
    decision_reason: Text
    """Why."""


@validated
def scorecard(
    metrics: tuple[ScorecardMetric, ...],
    *,
    alpha: OneSidedLevel = 0.05,
    power: ProbabilityReal = 0.8,
    alpha_deterioration: OneSidedLevel = 0.05,
    treatments: PositiveWhole = 1,
    sample_ratio: SampleRatioMismatch | None = None,
) -> Scorecard:
    """Put the metrics of one treatment into one table, with a verdict on each and one decision.

    Parameters
    ----------
    metrics : tuple of SuccessMetric, GuardrailMetric or DeteriorationMetric
        The metrics, each with its `Estimate` (CUPED, ratio, clustered: whatever made it).
    alpha : float
        Probability of shipping a treatment that should not be, in (0, 0.5); the tests are one-sided.
    power : float
        Power of the decision, for ``mde``.
    alpha_deterioration : float
        Probability that the tests for harm stop a treatment that harms nothing, in (0, 0.5).
    treatments : int
        Treatments that are compared with the control in the experiment; alpha is divided by them.
    sample_ratio : SampleRatioMismatch, optional
        The test of the split of the units.

    Returns
    -------
    Scorecard
        One row a metric, and the decision: ship when at least one success metric is better (if there are any), all
        guardrails are within their margins, no metric is worse, and the units were split as planned. Else keep.

    Raises
    ------
    InputError
        When there is no success metric and no guardrail, names repeat, an estimate is not one number, or a margin is relative
        to a level that is not > 0.

    Notes
    -----
    The levels are those of `decision_levels`. A relative margin m is tested exactly, by (value + m baseline) over its own
    standard error, so that it agrees with Fieller's interval of the lift.

    References
    ----------
    .. [1] Schultzberg, Ankargren & Franberg (2024), Risk-aware product decisions in A/B tests with multiple metrics,
       arXiv:2402.11609, section 4.

    Examples
    --------
    >>> orders = SuccessMetric(name="orders", estimate=Estimate(value=0.2, standard_error=0.05, baseline=4.0))
    >>> returns = GuardrailMetric(
    ...     name="returns",
    ...     estimate=Estimate(value=0.01, standard_error=0.05, baseline=1.0),
    ...     margin=RelativeMargin(fraction=0.05),
    ...     desired="decrease",
    ... )
    >>> card = scorecard((orders, returns))
    >>> card.verdict.tolist(), card.decision
    (['better', 'not shown within margin'], 'keep')
    >>> card.decision_reason
    'not shown within margin: returns'
    """
    _check_metrics(metrics)
    success, guardrails, deterioration = (
        np.float64(sum(isinstance(metric, kind) for metric in metrics)) for kind in _ROLES
    )
    quality = 0.0 if sample_ratio is None else sample_ratio.threshold
    levels = levels_of((success, guardrails, deterioration), treatments, (alpha, power, alpha_deterioration, quality))
    rows = [_row(metric, levels, (alpha, alpha_deterioration)) for metric in metrics]
    decision, why = _decide(metrics, [row.verdict for row in rows], sample_ratio)
    return Scorecard(
        metric=[metric.name for metric in metrics],
        role=[_ROLES[type(metric)] for metric in metrics],
        n_control=[metric.estimate.n_control for metric in metrics],
        n_treatment=[metric.estimate.n_treatment for metric in metrics],
        control=[metric.estimate.baseline for metric in metrics],
        treatment=[metric.estimate.baseline + metric.estimate.value for metric in metrics],
        **{name: [getattr(row, name) for row in rows] for name in _Row.__dataclass_fields__},
        srm_p_value=None if sample_ratio is None else sample_ratio.p_value,
        levels=levels,
        decision=decision,
        decision_reason=why,
    )


_ROLES: dict[type[Model], str] = {
    SuccessMetric: "success",
    GuardrailMetric: "guardrail",
    DeteriorationMetric: "deterioration",
}


@dataclass(frozen=True)
class _Row:
    """What is found of one metric."""

    lift: float
    lower: float
    upper: float
    p_adjusted: float
    p_deterioration: float
    mde: float
    verdict: str
    reason: str


def _check_metrics(metrics: tuple[Any, ...]) -> None:
    names = [metric.name for metric in metrics]
    if len(set(names)) < len(names):
        raise InputError(f"metrics must have names that do not repeat, got {names}"[:200])
    if not any(isinstance(metric, SuccessMetric | GuardrailMetric) for metric in metrics):
        raise InputError("metrics must hold a SuccessMetric or a GuardrailMetric: nothing could be decided")
    for place, metric in enumerate(metrics):
        if metric.estimate.batch_shape:
            raise InputError(f"metrics[{place}] estimate must be one number, got shape {metric.estimate.batch_shape}")
        relative = isinstance(metric, GuardrailMetric) and isinstance(metric.margin, RelativeMargin)
        if relative and metric.estimate.baseline <= 0:
            level = metric.estimate.baseline
            raise InputError(f"metrics[{place}] margin needs a baseline > 0, got {level}; use AbsoluteMargin")


def _row(metric: Any, levels: DecisionLevels, alphas: tuple[float, float]) -> _Row:
    estimate: Estimate = metric.estimate
    level, p, whole = _own_test(metric, levels, alphas)
    # A test at level a / w is one of a p-value w times as large at level a.
    harm = _p_value(estimate, _opposite(metric)) * alphas[1] / float(levels.alpha_deterioration)
    known = bool(estimate.standard_error > 0)
    shown = p <= level
    lift, lower, upper, mde, note = np.nan, np.nan, np.nan, np.nan, NO_LIFT
    if estimate.baseline > 0:
        interval = estimate.lift(confidence=1.0 - 2.0 * level)
        lift, lower, upper = float(interval.value), float(interval.lower), float(interval.upper)
        note = str(interval.reason)
        reach = errors_to_find(estimate.degrees_of_freedom, level, float(levels.power))
        mde = float(reach * estimate.standard_error / estimate.baseline)
    if not known:
        return _Row(lift, lower, upper, np.nan, np.nan, np.nan, UNDECIDED, NO_ERROR)
    verdict = _verdict(metric, shown, harm <= alphas[1])
    reason = "; ".join(part for part in (_wanted(metric, verdict, shown, mde), note) if part)
    return _Row(lift, lower, upper, min(p * whole / level, 1.0), min(harm, 1.0), mde, verdict, reason)


def _own_test(metric: Any, levels: DecisionLevels, alphas: tuple[float, float]) -> tuple[float, float, float]:
    """Return the level of the test of a metric's role, its p-value, and the level that all tests of the role share."""
    good: Alternative = "greater" if metric.desired == "increase" else "less"
    if isinstance(metric, SuccessMetric):
        return float(levels.alpha_success), _p_value(metric.estimate, good), alphas[0]
    if isinstance(metric, GuardrailMetric):
        return float(levels.alpha_guardrail), _p_value(_against_margin(metric), good), alphas[0]
    return float(levels.alpha_deterioration), _p_value(metric.estimate, _opposite(metric)), alphas[1]


def _opposite(metric: Any) -> Alternative:
    return "less" if metric.desired == "increase" else "greater"


def _p_value(estimate: Estimate, alternative: Alternative) -> float:
    return float(estimate.test(alternative=alternative).p_value)


def _against_margin(metric: GuardrailMetric) -> Estimate:
    """Return the difference from the worst level that is accepted."""
    return against_margin(metric.estimate, metric.margin, 1.0 if metric.desired == "increase" else -1.0)


def _verdict(metric: Any, shown: bool, harmed: bool) -> str:
    if harmed:
        return WORSE
    if isinstance(metric, SuccessMetric):
        return BETTER if shown else "not shown better"
    if isinstance(metric, GuardrailMetric):
        return WITHIN if shown else "not shown within margin"
    return "not shown worse"


def _wanted(metric: Any, verdict: str, shown: bool, mde: float) -> str:
    """Say what would settle a metric that is not."""
    if verdict == WORSE:
        inside = isinstance(metric, GuardrailMetric) and shown
        return "within its margin, yet worse than the control" if inside else "worse than the control"
    if shown or np.isnan(mde) or isinstance(metric, DeteriorationMetric):
        return ""
    what = "a lift" if isinstance(metric, SuccessMetric) else "a margin"
    return f"this many units settle {what} of {mde:.2%}; a smaller one needs more"


def _decide(
    metrics: tuple[Any, ...], verdicts: list[str], sample_ratio: SampleRatioMismatch | None
) -> tuple[Literal["ship", "keep"], str]:
    pairs = list(zip(metrics, verdicts, strict=True))
    worse = [metric.name for metric, verdict in pairs if verdict == WORSE]
    open_guards = [m.name for m, verdict in pairs if isinstance(m, GuardrailMetric) and verdict not in (WITHIN, WORSE)]
    successes = [(m.name, verdict == BETTER) for m, verdict in pairs if isinstance(m, SuccessMetric)]
    better = [name for name, shown in successes if shown]
    against = []
    if sample_ratio is not None and sample_ratio.mismatch:
        against.append(f"the units were not split as planned (p = {sample_ratio.p_value:.2g}): do not read the results")
    if worse:
        against.append(f"worse: {', '.join(worse)}")
    if open_guards:
        against.append(f"not shown within margin: {', '.join(open_guards)}")
    if successes and not better:
        against.append("no success metric is shown better")
    if against:
        return "keep", "; ".join(against)
    return "ship", f"better: {', '.join(better)}" if better else "all guardrails are within their margins"
