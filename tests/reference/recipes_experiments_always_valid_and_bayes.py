"""The steps behind the experiments cases of always-valid tests and of Bayes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecomops.experiments import (
    EffectMixture,
    Estimate,
    Moments,
    MomentsByArm,
    PlannedMixture,
    always_valid_test,
    beta_posterior,
    compare_bayes,
    confidence_sequence,
    difference,
    lift_confidence_sequence,
)

Data = Callable[[str], Path]
Inputs = dict[str, Any]


def msprt(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Johari's test and half width for n pairs with the variance of a pair."""
    estimate = Estimate(value=inputs["value"], standard_error=math.sqrt(inputs["variance"] / inputs["n"]))
    mixture = EffectMixture(sd=math.sqrt(inputs["mixing_variance"]))
    test, sequence = always_valid_test(estimate, mixture=mixture), confidence_sequence(estimate, bound=mixture)
    return {"e_value": test.e_value, "p_value": test.p_value, "half": sequence.upper - sequence.value}


def asymptotic_sequence(inputs: Inputs, data: Data) -> Any:
    """The relative sequence of two arms given by sum, sum of squares and n."""
    arms = tuple(
        Moments(columns=("y",), n=n, means=[total / n], comoments=[[squares - total * total / n]])
        for total, squares, n in (inputs["control"], inputs["treatment"])
    )
    estimate = difference(MomentsByArm(arms=["a", "b"], moments=arms), treatment="b", control="a", metric="y")
    bound = PlannedMixture(units=inputs["planned"], tuning="closed-form")
    return lift_confidence_sequence(estimate, bound=bound, method="delta")


def bayes_proportions(inputs: Inputs, data: Data) -> dict[str, Any]:
    """P(B > A) and both losses with uniform priors."""
    found = compare_bayes(beta_posterior(inputs["successes"], trials=inputs["trials"]))
    loss_a, loss_b = found.expected_loss
    return {"p": found.probability_best[1], "loss_a": loss_a, "loss_b": loss_b}
