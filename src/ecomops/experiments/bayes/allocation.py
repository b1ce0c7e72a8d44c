"""Allocation of traffic to arms by their posteriors: Thompson sampling and top-two sampling, with floors."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field

from ecomops.core import Array, Floats, FractionReal, InputError, Model, ProbabilityReal, Text, validated
from ecomops.experiments.bayes.posteriors import Posterior
from ecomops.experiments.bayes.quadrature import best_and_loss, parameters

Shares: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
ROUNDING = 1e-12


class ThompsonSampling(Model):
    """Each arm gets the probability that it is the best.

    Examples
    --------
    >>> ThompsonSampling()
    ThompsonSampling()
    """

    kind: Literal["ThompsonSampling"] = "ThompsonSampling"


class TopTwoSampling(Model):
    """The best arm of one draw gets a fixed part, and the best other arm of further draws the rest.

    Examples
    --------
    >>> TopTwoSampling(leader=0.5)
    TopTwoSampling(leader=0.5)
    """

    kind: Literal["TopTwoSampling"] = "TopTwoSampling"
    leader: ProbabilityReal = 0.5
    """Part of the traffic that goes to the leader of a draw (beta), in (0, 1)."""


AllocationRule: TypeAlias = Annotated[ThompsonSampling | TopTwoSampling, Field(discriminator="kind")]


class Allocation(Model):
    """The shares of traffic that arms get.

    Examples
    --------
    >>> from ecomops.experiments import allocate, beta_posterior
    >>> allocate(beta_posterior([100, 120], trials=[1000, 1000]), floor=0.1).share.round(3).tolist()
    [0.1, 0.9]
    """

    share: Shares
    """Share of traffic of each arm, shape (..., k); they sum to 1."""
    probability_best: Shares
    """Probability that the arm is the best, shape (..., k)."""
    floor: FractionReal
    """Least share of an arm."""
    method: Text
    """Rule and posterior."""


@validated
def allocate(
    posterior: Posterior,
    *,
    rule: AllocationRule = ThompsonSampling(),  # noqa: B008 - specs are frozen
    floor: FractionReal = 0.0,
) -> Allocation:
    """Share traffic between arms so that better ones get more, by their posteriors (a bandit).

    Parameters
    ----------
    posterior : BetaPosterior, GammaPosterior or NormalPosterior
        The laws of two arms or more, along the last axis; more is better.
    rule : ThompsonSampling or TopTwoSampling
        Thompson sampling earns the most while it learns; top-two sampling finds the best arm the soonest.
    floor : float
        Least share of every arm, at most 1 / k. An arm without traffic teaches nothing and cannot come back.

    Returns
    -------
    Allocation
        In the batch shape of the posterior, with the arms along the last axis. Nothing is random: shares are the
        probabilities with which the rule would choose an arm.

    Raises
    ------
    InputError
        When there are fewer than 2 arms, or the floors leave no traffic.

    Notes
    -----
    With a_i the probability that arm i is best, Thompson sampling gives a_i, and top-two sampling
    beta a_i + (1 - beta) sum_{j != i} a_j a_i / sum_{l != j} a_l. Shares below the floor are raised to it, and the others
    scaled down in proportion until all hold. If conversions come late or traffic changes by the hour, change shares at most
    daily and compare arms within days: a share that moves with the rate biases pooled rates.

    References
    ----------
    .. [1] Thompson (1933), On the likelihood that one unknown probability exceeds another, Biometrika 25, 285-294.
    .. [2] Russo (2020), Simple Bayesian Algorithms for Best-Arm Identification, Operations Research 68(6), section 3.3.

    Examples
    --------
    >>> from ecomops.experiments import TopTwoSampling, allocate, beta_posterior
    >>> posterior = beta_posterior([100, 120, 90], trials=[1000, 1000, 1000])
    >>> allocate(posterior).share.round(4).tolist()
    [0.0747, 0.9147, 0.0106]
    >>> allocate(posterior, rule=TopTwoSampling(), floor=0.15).share.round(4).tolist()
    [0.3975, 0.4525, 0.15]
    """
    parts = parameters(posterior)
    arms = parts[0].shape[-1]
    if arms < 2:
        raise InputError(f"posterior must have at least 2 arms along its last axis, got {arms}")
    if floor * arms > 1.0 + ROUNDING:
        raise InputError(f"floor must be at most 1 / {arms} for {arms} arms, got {floor}")
    best = best_and_loss(posterior, parts)[0]
    share = best / best.sum(axis=-1, keepdims=True)
    if isinstance(rule, TopTwoSampling):
        share = _top_two(share, rule.leader)
    return Allocation(
        share=np.minimum(_raised(share, floor), 1.0),
        probability_best=best,
        floor=floor,
        method=f"{rule.kind}, {posterior.kind}",
    )


def _top_two(best: Array, leader: float) -> Array:
    """Return the shares of leaders and challengers; where no other arm can be best, any is as good a challenger."""
    arms = best.shape[-1]
    others = 1.0 - np.eye(arms)
    rest = best @ others
    known = rest > 0
    # Challenger i of leader j, summed over the leaders.
    challenger = best * ((best / np.where(known, rest, 1.0) * known) @ others)
    challenger += (best * ~known) @ others / (arms - 1.0)
    share: Array = leader * best + (1.0 - leader) * challenger
    share /= share.sum(axis=-1, keepdims=True)
    return share


def _raised(share: Array, floor: float) -> Array:
    """Raise low shares to the floor and scale the others down; each round settles at least one arm more."""
    low = np.zeros(share.shape, dtype=bool)
    found = share
    for _ in range(share.shape[-1]):
        low |= found < floor
        free = np.where(low, 0.0, share).sum(axis=-1, keepdims=True)
        left = 1.0 - floor * low.sum(axis=-1, keepdims=True)
        found = np.where(low, floor, share * (left / np.where(free > 0, free, 1.0)))
    return found
