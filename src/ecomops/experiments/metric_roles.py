"""Metrics and their roles in a decision (success, guardrail, deterioration), and what each test may err."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field

from ecomops.core import (
    Count,
    Fraction,
    InputError,
    Model,
    PositiveReal,
    PositiveWhole,
    Probability,
    ProbabilityReal,
    Text,
    validated,
)
from ecomops.stats.estimate import Estimate

Desired: TypeAlias = Literal["increase", "decrease"]


class AbsoluteMargin(Model):
    """How much worse a guardrail may get, in the metric's own unit.

    Examples
    --------
    >>> AbsoluteMargin(value=0.5)
    AbsoluteMargin(value=0.5)
    """

    kind: Literal["AbsoluteMargin"] = "AbsoluteMargin"
    value: PositiveReal
    """The largest loss that is accepted, unit of the metric."""


class RelativeMargin(Model):
    """How much worse a guardrail may get, as a fraction of the control's level.

    Examples
    --------
    >>> RelativeMargin(fraction=0.02)
    RelativeMargin(fraction=0.02)
    """

    kind: Literal["RelativeMargin"] = "RelativeMargin"
    fraction: ProbabilityReal
    """The largest loss that is accepted, as a fraction of the control."""


Margin: TypeAlias = Annotated[AbsoluteMargin | RelativeMargin, Field(discriminator="kind")]


class SuccessMetric(Model):
    """A metric that the change is meant to improve.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, SuccessMetric
    >>> SuccessMetric(name="orders", estimate=Estimate(value=0.2, standard_error=0.05, baseline=4.0)).desired
    'increase'
    """

    kind: Literal["SuccessMetric"] = "SuccessMetric"
    name: Text
    """Name of the metric."""
    estimate: Estimate
    """Treatment minus control, one number."""
    desired: Desired = "increase"
    """The good direction."""


class GuardrailMetric(Model):
    """A metric that may not get worse by more than a margin.

    Examples
    --------
    >>> GuardrailMetric(
    ...     name="returns",
    ...     estimate=Estimate(value=0.01, standard_error=0.05, baseline=1.0),
    ...     margin=RelativeMargin(fraction=0.1),
    ...     desired="decrease",
    ... ).margin.fraction
    0.1
    """

    kind: Literal["GuardrailMetric"] = "GuardrailMetric"
    name: Text
    """Name of the metric."""
    estimate: Estimate
    """Treatment minus control, one number."""
    margin: Margin
    """Non-inferiority margin: the loss that is accepted."""
    desired: Desired = "increase"
    """The good direction."""


class DeteriorationMetric(Model):
    """A metric that is watched for harm only.

    Examples
    --------
    >>> DeteriorationMetric(name="crashes", estimate=Estimate(value=0.0, standard_error=1.0), desired="decrease").name
    'crashes'
    """

    kind: Literal["DeteriorationMetric"] = "DeteriorationMetric"
    name: Text
    """Name of the metric."""
    estimate: Estimate
    """Treatment minus control, one number."""
    desired: Desired = "increase"
    """The good direction."""


ScorecardMetric: TypeAlias = Annotated[
    SuccessMetric | GuardrailMetric | DeteriorationMetric, Field(discriminator="kind")
]


class DecisionLevels(Model):
    """What each test may err so that the decision errs no more than was asked.

    Examples
    --------
    >>> from ecomops.experiments import decision_levels
    >>> round(decision_levels(2, guardrails=3).alpha_success, 4)
    0.025
    """

    alpha_success: Fraction
    """One-sided level of the superiority test of each success metric."""
    alpha_guardrail: Fraction
    """One-sided level of the non-inferiority test of each guardrail."""
    alpha_deterioration: Fraction
    """One-sided level of the test for harm of each metric."""
    power: Fraction
    """Power that each success metric and guardrail must be planned for."""


@validated
def decision_levels(
    success: Count,
    *,
    guardrails: Count = 0,
    deterioration: Count = 0,
    treatments: PositiveWhole = 1,
    alpha: Probability = 0.05,
    power: Probability = 0.8,
    alpha_deterioration: Fraction = 0.05,
    alpha_quality: Fraction = 0.001,
) -> DecisionLevels:
    """Return the level and power of each test, so that shipping errs no more than was asked.

    Parameters
    ----------
    success, guardrails, deterioration : float or array
        Numbers of metrics in each role.
    treatments : int
        Treatments that are compared with the control in the experiment.
    alpha : float or array
        Probability of shipping any treatment that improves no success metric, or breaks a guardrail.
    power : float or array
        Probability of shipping a treatment that improves the success metrics as planned and harms nothing.
    alpha_deterioration : float or array
        Probability that the tests for harm stop a treatment that harms nothing.
    alpha_quality : float or array
        The same for tests of quality, such as sample-ratio mismatch.

    Returns
    -------
    DecisionLevels
        In the broadcast shape of the arguments.

    Raises
    ------
    InputError
        When there is neither a success metric nor a guardrail, or 1 - power leaves nothing after what harm and quality spend.

    Notes
    -----
    Shipping needs one success metric (a union, so alpha is divided by their number) *and* every guardrail (an intersection,
    so it is not). A good treatment is held back when the success metric, or any guardrail, or a test of harm or quality
    fails it, so ``1 - power`` is divided: (beta - alpha_deterioration - alpha_quality) / (guardrails + 1). All by Bonferroni's
    inequality, whatever the dependence of the metrics.

    References
    ----------
    .. [1] Schultzberg, Ankargren & Franberg (2024), Risk-aware product decisions in A/B tests with multiple metrics,
       arXiv:2402.11609, sections 3 and 4.

    Examples
    --------
    One success metric and four guardrails, without tests of harm: each is planned for a power of 1 - .2 / 5.

    >>> levels = decision_levels(1, guardrails=4, alpha_deterioration=0, alpha_quality=0)
    >>> levels.alpha_success, levels.alpha_guardrail, round(levels.power, 4)
    (0.05, 0.05, 0.96)
    """
    return levels_of(
        (np.asarray(success), np.asarray(guardrails), np.asarray(deterioration)),
        treatments,
        (np.asarray(alpha), np.asarray(power), np.asarray(alpha_deterioration), np.asarray(alpha_quality)),
    )


def levels_of(counts: tuple[Any, Any, Any], treatments: int, spent: tuple[Any, Any, Any, Any]) -> DecisionLevels:
    """Divide alpha, beta and what tests of harm and quality spend; see `decision_levels`."""
    (success, guardrails, deterioration), (alpha, power, harm, quality) = counts, spent
    metrics = success + guardrails
    if np.any(metrics < 1):
        raise InputError("success must be >= 1 where there are no guardrails: nothing could be decided")
    beta = 1.0 - power - harm - quality
    if np.any(beta <= 0):
        raise InputError(
            "power must be < 1 - alpha_deterioration - alpha_quality: tests of harm and quality hold back good treatments too"
        )
    return DecisionLevels(
        alpha_success=alpha / (np.maximum(success, 1.0) * treatments),
        alpha_guardrail=alpha / treatments,
        alpha_deterioration=harm / (metrics + deterioration),
        power=1.0 - beta / (guardrails + (success > 0)),
    )
