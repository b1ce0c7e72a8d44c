"""The recursion behind group-sequential tests: sub-densities of a score with independent increments, one look after another.

At information fraction t the score B(t) is normal with mean drift * t and variance t, and Z = B / sqrt(t). A `Stage`
holds the sub-density of B over the region where the experiment goes on, as masses on Gauss-Legendre nodes; the next
exit probability is one dot product with the normal distribution function. Plain functions on arrays: bounds are found
with them in `sequential_boundaries`, and the public functions are in `group_sequential` and its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from ecomops.core import Array, ConvergenceError, InputError

POINTS = 24  # of Gauss-Legendre in a panel
PANEL = 12.0  # width of a panel, in units of the sd that has to be resolved
REACH = 8.0  # sd of a normal beyond which nothing is left (1e-15)
FAR = 32.0  # sd beyond which not even the smallest probability that is spent is found
BAND = 10.0  # increments further than this many sd do not happen (1e-23)
BLOCK = 64  # rows of a banded product at a time
MAX_PANELS = 1000
BIN = 8.0  # drifts this near share one recursion
CHUNK = 1_000_000  # numbers at a time
STEPS = 200
MOST = 700.0  # logarithm of a likelihood ratio; where it would be more, no mass is left
ROOT = float(1.0 / np.sqrt(2.0 * np.pi))
NODES, WEIGHTS = special.roots_legendre(POINTS)


class Stage(NamedTuple):
    """The experiments that go on after the look at ``time``: where their score is, and how probable that is."""

    time: float
    nodes: Array
    mass: Array


class Looks(NamedTuple):
    """The looks of an experiment in units of z: it goes on while lower < z < upper and abs(z) > inner."""

    times: Array
    upper: Array
    lower: Array
    inner: Array


class Exits(NamedTuple):
    """Probabilities to leave at each look, shape (drifts, looks)."""

    upper: Array
    lower: Array
    inner: Array


START = Stage(0.0, np.zeros(1), np.ones(1))


def advance(stage: Stage, time: float, following: float, region: tuple[float, float, float], window: Any) -> Stage:
    """Return the stage after the look at ``time``, on nodes that the step to ``following`` can be summed over.

    ``region`` is (lower, inner, upper) in units of z and ``window`` is (centre, spread): the stage is under the drift
    ``centre`` and serves all drifts within ``spread`` of it.
    """
    centre, spread = window
    # Python's own floats: their arithmetic takes a third of the time of numpy's.
    step, root, following = time - stage.time, time**0.5, float(following)
    lower, inner, upper = (root * float(bound) for bound in region)
    # A finite bound is followed far out: the next one may lie there. On the open side of a one-sided test nothing is.
    low = max(lower, (centre - spread) * time - (REACH if lower == -math.inf else FAR) * root)
    high = min(upper, (centre + spread) * time + FAR * root)
    pieces = [(low, min(-inner, high)), (max(inner, low), high)] if inner > 0.0 else [(low, high)]
    sd = (1.0 / step + 1.0 / (following - time)) ** -0.5
    grids = [_grid(start, end, PANEL * sd) for start, end in pieces if end > start]
    if not grids:
        return Stage(time, np.zeros(1), np.zeros(1))
    nodes, weights = grids[0] if len(grids) == 1 else map(np.concatenate, zip(*grids, strict=True))
    return Stage(time, nodes, weights * _density(stage, nodes, step, centre * step))


def _grid(low: float, high: float, panel: float) -> tuple[Array, Array]:
    count = math.ceil((high - low) / panel)
    if count > MAX_PANELS:
        raise InputError(
            "fractions must be further apart: two looks so close to each other are one look; leave one of them out"
        )
    half = (high - low) / count / 2.0
    centres = low + half * np.arange(1.0, 2.0 * count, 2.0)
    nodes = (centres[:, None] + half * NODES).ravel()
    return nodes, np.tile(half * WEIGHTS, count)


def _density(stage: Stage, scores: Array, step: float, shift: float) -> Array:
    """Return the sub-density of the score one step on; both node sets ascend, so only a band of the kernel is summed."""
    sd, count = step**0.5, stage.nodes.size
    sources, targets = stage.nodes / sd, (scores - shift) / sd
    mass = stage.mass * (ROOT / sd)
    if count <= 2 * BLOCK:
        whole: Array = _kernel(targets, sources) @ mass
        return whole
    back = stage.time / (stage.time + step)  # where a far score most probably came from, as a part of it
    answer = np.empty_like(scores)
    for start in range(0, scores.size, BLOCK):
        rows = targets[start : start + BLOCK]
        low, high = float(rows[0]), float(rows[-1])
        first, last = np.searchsorted(sources, (min(low, low * back) - BAND, max(high, high * back) + BAND))
        band = slice(min(int(first), count - BLOCK), max(int(last), BLOCK))
        answer[start : start + BLOCK] = _kernel(rows, sources[band]) @ mass[band]
    return answer


def _kernel(targets: Array, sources: Array) -> Array:
    """Return exp(-gap^2 / 2) of all pairs, without temporaries."""
    gap: Array = targets[:, None] - sources
    gap *= gap
    gap *= -0.5
    return np.exp(gap, out=gap)


class Steps(NamedTuple):
    """All nodes before all looks in one row, under the drift ``centre``: each stands for a step to its look."""

    centre: float
    starts: Any
    time: Array
    node: Array
    mass: Array
    step: Array
    root: Array


def recursion(looks: Looks, width: float = BIN) -> Callable[[float], Steps]:
    """Return a function of the drift that gives the steps to each look; drifts within ``width`` share one recursion."""
    times, count = looks.times.tolist(), looks.times.size
    regions = list(zip(looks.lower.tolist(), looks.inner.tolist(), looks.upper.tolist(), strict=True))
    kept: dict[float, Steps] = {}

    def under(drift: float) -> Steps:
        centre = float(np.round(drift / width)) * width
        if centre not in kept:
            stages = [START]
            for k in range(count - 1):
                stages.append(advance(stages[-1], times[k], times[k + 1], regions[k], (centre, width / 2.0)))
            kept[centre] = _steps(stages, looks.times, centre)
        return kept[centre]

    return under


def _steps(stages: list[Stage], times: Array, centre: float) -> Steps:
    sizes = np.array([stage.nodes.size for stage in stages])
    before = np.array([stage.time for stage in stages])
    step = np.repeat(times - before, sizes)
    return Steps(
        centre,
        np.append(0, np.cumsum(sizes)[:-1]),
        np.repeat(before, sizes),
        np.concatenate([stage.nodes for stage in stages]),
        np.concatenate([stage.mass for stage in stages]),
        step,
        np.sqrt(step),
    )


def _reached(steps: Steps, drift: Any) -> tuple[Array, Array]:
    """Return the mass of each node under a drift, by the likelihood ratio of its score, and the mean of the next score."""
    tilt = (drift - steps.centre) * (steps.node - (drift + steps.centre) * steps.time / 2.0)
    return steps.mass * np.exp(np.minimum(tilt, MOST)), steps.node + drift * steps.step


def exits(looks: Looks, drifts: Array, under: Callable[[float], Steps] | None = None) -> Exits:
    """Return the probabilities to leave at each look, for each drift."""
    answer = Exits(*(np.zeros((drifts.size, looks.times.size)) for _ in range(3)))
    under, groups = under or recursion(looks), np.round(drifts / BIN)
    for group in np.unique(groups):
        steps, members = under(float(group * BIN)), np.flatnonzero(groups == group)
        sizes = np.diff(np.append(steps.starts, steps.node.size))
        upper, lower, inner = (np.repeat(bound * np.sqrt(looks.times), sizes) for bound in (looks.upper, *looks[2:]))
        rows = max(1, CHUNK // steps.node.size)
        for start in range(0, members.size, rows):
            chosen = members[start : start + rows]
            mass, mean = _reached(steps, drifts[chosen, None])
            answer.upper[chosen] = np.add.reduceat(
                mass * special.ndtr((mean - upper) / steps.root), steps.starts, axis=1
            )
            answer.lower[chosen] = np.add.reduceat(
                mass * special.ndtr((lower - mean) / steps.root), steps.starts, axis=1
            )
            if (inner > 0.0).any():
                width = np.maximum(inner, 0.0)
                within = special.ndtr((width - mean) / steps.root) - special.ndtr((-width - mean) / steps.root)
                answer.inner[chosen] = np.add.reduceat(mass * within, steps.starts, axis=1)
    return answer


def power_at(looks: Looks, under: Callable[[float], Steps]) -> Callable[[float], float]:
    """Return, as a function of the drift, the probability to cross an upper bound at any look."""
    bounds = looks.upper * np.sqrt(looks.times)

    def probability(drift: float) -> float:
        steps = under(drift)
        upper = np.repeat(bounds, np.diff(np.append(steps.starts, steps.node.size)))
        mass, mean = _reached(steps, drift)
        return float(mass @ special.ndtr((mean - upper) / steps.root))

    return probability


def bracketed_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return a root of a function of opposite signs at two points (the Illinois variant of regula falsi)."""
    left, right = function(low), function(high)
    if left * right > 0.0:
        message = f"no sign change between {low:g} and {high:g}: {left:g} and {right:g}"
        raise ConvergenceError(message, last=np.array([low, high]))
    for count in range(STEPS):
        if left == right:
            return high
        # Every third step halves the bracket, which no shape of function can delay.
        middle = count % 3 == 2
        point = (low + high) / 2.0 if middle else high - right * (high - low) / (right - left)
        value = function(point)
        if min(abs(point - high), abs(high - low)) <= 1e-12 * (1.0 + abs(point)) or value == 0.0:
            return point
        if value * right < 0.0:
            low, left = high, right
        elif not middle:
            left /= 2.0
        high, right = point, value
    message = f"root in a bracket: {STEPS} steps were not enough"
    raise ConvergenceError(message, last=np.array([low, high]))


def outcome_above(looks: Looks, statistic: float) -> Callable[[float], float]:
    """Return, as a function of the drift, the probability of an outcome at least as high in the stage-wise order.

    The looks are those up to the stop, where ``statistic`` was found. Higher than it are all crossings of an earlier
    upper bound, and a higher statistic at the same look.
    """
    last = looks._replace(upper=np.append(looks.upper[:-1], statistic))
    return power_at(last, recursion(last, 4.0 / float(np.sqrt(looks.times[-1]))))


def drift_at(probability: Callable[[float], float], target: float, guess: float, width: float) -> float:
    """Return the drift under which a probability that grows with it is ``target``."""
    low = high = guess
    stride = width
    while probability(low) >= target:
        low, stride = low - stride, 2.0 * stride
    stride = width
    while probability(high) <= target:
        high, stride = high + stride, 2.0 * stride
    return bracketed_root(lambda drift: probability(drift) - target, low, high)
