"""Bounds of group-sequential tests: where the probability to leave is the error to spend.

Plain functions on arrays over the recursion of `sequential_crossings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from ecomops.core import Array, ConvergenceError
from ecomops.experiments.sequential.crossings import (
    MOST,
    ROOT,
    START,
    STEPS,
    Looks,
    Stage,
    advance,
    bracketed_root,
    exits,
)
from ecomops.stats.roots import falling_root
from ecomops.stats.special import normal_pdf

TINY = 1e-290  # a smaller number has lost its digits
LEAST = 1e-200  # a smaller probability than this is not spent: the bound is infinite
OVERDONE = -1.0  # an excess that no plan has: it says that there is none
QUICK = 25  # steps of Newton before the search falls back on a bracket
TOLERANCE = 1e-7  # of Newton's last step: the error is its square
NEAR = 1e-5  # of Halley's last step: the error is its cube


def mass_under(stage: Stage, drift: float, centre: float) -> Array:
    """Return the masses of a stage under another drift than its own: the likelihood ratio of the score is all they need."""
    if drift == centre:
        return stage.mass
    return stage.mass * np.exp(np.minimum((drift - centre) * (stage.nodes - (drift + centre) * stage.time / 2.0), MOST))


def below(stage: Stage, time: float, score: float, drift: float, centre: float) -> float:
    """Return the probability to go on to ``time`` and find a score below ``score`` there."""
    step = time - stage.time
    reached = special.ndtr((score - stage.nodes - drift * step) / np.sqrt(step))
    return float(mass_under(stage, drift, centre) @ reached)


def _mirror(stage: Stage) -> Stage:
    return Stage(stage.time, -stage.nodes, stage.mass)


def score_above(stage: Stage, time: float, target: float, drift: float, centre: float) -> float:
    """Return the score that is exceeded at ``time`` with probability ``target``; infinite for a target of nearly 0."""
    if target < LEAST:
        return np.inf
    mass, step = mass_under(stage, drift, centre), time - stage.time
    left = float(np.add.reduce(mass))
    if left <= target:
        return -np.inf
    sd = step**0.5
    position, slopes = (stage.nodes + drift * step) / sd, mass * ROOT
    log_target = math.log(target)
    # Both these starts lie above the root. The logarithm of the probability is concave, so steps of Newton come down to it;
    # Halley's, which also know the curvature, come in two or three.
    alone = (drift * time - special.ndtri(target) * time**0.5) / sd
    score = float(min(alone, np.maximum.reduce(position) - special.ndtri(target / left)))
    for _ in range(STEPS):
        gap = position - score
        value = float(special.ndtr(gap) @ mass)
        if value < TINY:
            score -= 1.0
            continue
        density = np.exp(-0.5 * gap * gap) * slopes
        slope, bend = float(np.add.reduce(density)) / value, float(density @ gap) / value
        newton = (log_target - math.log(value)) / slope
        change = newton / max(1.0 - newton * (bend / slope + slope) / 2.0, 0.5)
        score -= change
        if abs(change) <= NEAR * (1.0 + abs(score)):
            return float(score * sd)
    message = f"a bound at {time:g}: {STEPS} steps were not enough"
    raise ConvergenceError(message, last=np.array([score * sd]))


def score_below(stage: Stage, time: float, target: float, drift: float, centre: float) -> float:
    """Return the score that is not reached at ``time`` with probability ``target``; minus infinity for nearly 0."""
    return -score_above(_mirror(stage), time, target, -drift, -centre)


def score_within(stage: Stage, time: float, target: float, drift: float, centre: float, guess: float) -> float:
    """Return the score whose absolute value is not reached at ``time`` with probability ``target``; 0 for nearly 0."""
    if target < LEAST:
        return 0.0
    mass, step = mass_under(stage, drift, centre), time - stage.time
    sd, position = step**0.5, np.abs(stage.nodes + drift * step)
    if mass.sum() <= target:
        return np.inf

    def evaluate(score: float) -> tuple[float, float]:
        high, low = (score - position) / sd, (-score - position) / sd
        value = float((special.ndtr(high) - special.ndtr(low)) @ mass)
        return value, float((normal_pdf(high) + normal_pdf(low)) @ mass) / sd

    # The logarithm of the probability is nearly linear in that of the score, so Newton's steps are few.
    score = guess
    for _ in range(QUICK):
        value, slope = evaluate(score)
        if min(value, slope * score) < TINY:
            break
        change = float(np.clip(np.log(target / value) * value / (slope * score), -3.0, 3.0))
        score *= float(np.exp(change))
        if abs(change) <= TOLERANCE:
            return score
    # A gap that an earlier look has left in the middle can send Newton to and fro; this cannot be.
    return -float(falling_root(lambda x: _reflected(evaluate, x), target, np.array([-guess]), sd)[0])


def _reflected(evaluate: Callable[[float], tuple[float, float]], score: Array) -> tuple[Array, Array]:
    """Return value and slope as functions of minus the score, which fall."""
    value, slope = evaluate(-float(score[0]))
    return np.array([value]), np.array([-slope])


class Futility(NamedTuple):
    """The error of the second kind to spend at each look, under a drift; whether the other bounds count on it.

    Where they do not, they are known from a run without futility and need not be found again.
    """

    spend: Array
    drift: float
    binding: bool
    efficacy: Array | None = None


def spending_bounds(
    times: Array, spend: Array, futility: Futility | None, *, two_sided: bool, last: bool = True
) -> tuple[Array, Array, float]:
    """Return the bounds that spend the errors, in units of z, and how much more of the second error there is than planned.

    ``spend`` is the error of the first kind on one side at each look. The bound for futility is a lower bound of z (of
    abs(z) where two-sided) and meets the other one at the last look, if ``last`` says that this look ends the experiment.
    Where a binding rule leaves too few experiments to spend the error of the first kind on, the excess is `OVERDONE`.
    """
    looks = Looks(times, *(np.full(times.size, value) for value in (np.inf, -np.inf, -np.inf)))
    if futility is not None and not futility.binding and futility.efficacy is None:
        futility = futility._replace(efficacy=spending_bounds(times, spend, None, two_sided=two_sided)[0])
    stop, excess, stage = np.full(times.size, -np.inf), 0.0, START
    known = None if futility is None else futility.efficacy
    drift = 0.0 if futility is None else futility.drift
    window = (drift, 0.0) if known is not None else (drift / 2.0, drift / 2.0)
    for k, time in enumerate(times.tolist()):
        root = time**0.5
        score = score_above(stage, time, spend[k], 0.0, window[0]) if known is None else float(known[k]) * root
        if np.isneginf(score):
            return looks.upper, stop, OVERDONE
        looks.upper[k] = score / root
        if two_sided:
            looks.lower[k] = -looks.upper[k]
        if futility is not None:
            arguments = (stage, time, futility.spend[k], drift, window[0])
            met = (
                score_within(*arguments, max(float(stop[k - 1]), 0.1) * root) if two_sided else score_below(*arguments)
            )
            ends = last and k == times.size - 1
            stop[k] = looks.upper[k] if ends else min(met / root, looks.upper[k])
            wrong = below(stage, time, -score, drift, window[0]) if two_sided else 0.0
            if ends or stop[k] == looks.upper[k]:  # all that is left is missed, be it more or less than was to be spent
                excess += below(stage, time, score, drift, window[0]) - wrong - futility.spend[k]
            excess += wrong  # the wrong direction is no success
        if k < times.size - 1:
            lower, inner = (looks.lower[k], stop[k]) if two_sided else (stop[k], -np.inf)
            stage = advance(stage, time, times[k + 1], (lower, inner, looks.upper[k]), window)
    return looks.upper, stop, excess


def scaled_bounds(times: Array, shape: Array, alpha: float, *, two_sided: bool) -> Array:
    """Return the multiple of a shape of bounds whose error of the first kind on one side is ``alpha``."""

    def excess(multiple: float) -> float:
        upper = multiple * shape
        lower = -upper if two_sided else np.full(shape.size, -np.inf)
        spent = exits(Looks(times, upper, lower, np.full(shape.size, -np.inf)), np.zeros(1)).upper.sum()
        return float(np.log(spent / alpha))

    low = -special.ndtri(alpha)
    high = -special.ndtri(alpha / times.size)
    return shape * (bracketed_root(excess, low - 1e-6, high + 1e-6) if times.size > 1 else low)
