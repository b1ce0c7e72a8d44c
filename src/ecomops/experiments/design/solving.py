"""The curve solved for units and for effects. Plain kernels on arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from ecomops.core import ConvergenceError, InputError
from ecomops.experiments.design.curves import (
    Plan,
    Test,
    freedom_of,
    limit_of,
    margin_size,
    near_shift,
    noncentral_power,
    score_of,
    t_score,
    tail_of,
    tests_of,
)
from ecomops.experiments.design.goals import NonInferiority
from ecomops.experiments.design.metrics import ONE, ProportionMetric, has_t, level_of, step_of
from ecomops.experiments.sequential.group_sequential import (
    GroupSequentialDesign,
    crossing_probabilities,
    group_sequential_design,
)

STEPS = 200
SECANTS = 60
QUICK = 6
CLOSE = 1e-13  # of the normal deviate
MOST_UNITS = 1e15
FAR = 1e6  # effects in units of the level, beyond which nothing new comes
ROUNDING = 1e-9


@dataclass(frozen=True)
class Target:
    """Normal deviate that the power of a test with one look has to reach, and the looks at which it may stop."""

    score: float
    design: GroupSequentialDesign | None


def target_of(plan: Plan, power: float) -> Target:
    """Return what a test with one look must reach, so that the planned looks reach the power.

    With looks the mean of z at the last one, the drift, has to be what the bounds need; a test with one look and that drift
    has a power of Phi(drift - z).
    """
    if plan.looks is None:
        return Target(float(special.ndtri(power)), None)
    tail = float(tail_of(plan, np.inf, 1.0))
    both = plan.goal is None and plan.sides == 2.0
    design = group_sequential_design(
        plan.looks.fractions,
        boundary=plan.looks.boundary,
        alpha=2.0 * tail if both else tail,
        power=power,
        alternative="two-sided" if both else "one-sided",
    )
    return Target(design.drift + float(special.ndtri(tail)), design)


def with_looks(score: Any, power: Any, tail: Any, design: GroupSequentialDesign | None) -> tuple[Any, Any]:
    """Return the power, and the share of the units that is expected to be used, from those of one look."""
    if design is None:
        return power, 1.0
    drift = np.clip(score - special.ndtri(tail), -99.0, 99.0)
    found = crossing_probabilities(design.bounds, drift=drift)
    return np.clip(np.sum(found.upper, axis=-1), 0.0, 1.0), np.asarray(found.expected_fraction)


def required_units(plan: Plan, effect: Any, target: float, ratio: float) -> Any:
    """Return the units of the control, not rounded, at which the score reaches the target."""
    least = 2.0 * step_of(plan.metric) / min(ratio, 1.0)
    tail = tail_of(plan, np.inf, ratio)
    if not moves(plan):
        return _units_at(plan, effect, target, ratio, tail, least)
    n = _units_at(plan, effect, target, ratio, tail, least)
    for _ in range(STEPS):
        again = tail_of(plan, freedom_of(plan, n, n * ratio), ratio)
        # Dunnett's critical value moves with the degrees of freedom, but little.
        if np.all(np.abs(again - tail) <= 1e-13 * np.abs(tail)):
            return n
        tail = again
        n = _units_at(plan, effect, target, ratio, tail, least)
    raise ConvergenceError(f"units for Dunnett's test: {STEPS} rounds were not enough", last=n)


def moves(plan: Plan) -> bool:
    """Tell whether the level of a comparison depends on the degrees of freedom."""
    return plan.treatments > 1 and plan.comparisons.adjustment == "dunnett" and has_t(plan.metric)


def _units_at(plan: Plan, effect: Any, target: float, ratio: Any, tail: Any, least: Any) -> Any:
    """Solve for the root of n, in which a normal score is a straight line."""
    tests = tests_of(plan, effect, 1.0, 1.0 * ratio)
    if any(np.any(mean <= 0) for mean, _, _ in tests):
        raise InputError("effect must be on the good side of the margin: no number of units shows what is not so")
    wanted = target if len(tests) == 1 else float(special.ndtri((1.0 + special.ndtr(target)) / 2.0))
    # With two tests this is enough for both: each then fails with half of what may fail.
    root = least**0.5
    for mean, null, own in tests:
        root = np.maximum(root, (wanted * own - special.ndtri(tail) * null) / mean)
    if (root * root > MOST_UNITS).any():
        raise InputError("effect is too small for any sample: more than 1e15 units would be needed")
    if len(tests) == 1:
        return _units_of_one(plan, tests[0], (target, ratio, tail), root, least)
    slope = min((mean / own for mean, _, own in tests), key=lambda part: float(np.min(part)))

    def miss(x: Any) -> Any:
        return score_of(plan, effect, x * x, x * x * ratio, tail) - target

    found = rising_root(miss, root, slope, np.sqrt(least) + np.zeros(np.shape(root)))
    return np.where(found <= np.sqrt(least) * (1.0 + 4e-16), least, np.square(found))


def _units_of_one(plan: Plan, test: Test, asked: tuple[float, Any, Any], root: Any, least: Any) -> Any:
    """Return the units for one test: with a normal reference the root that is known, else that of the noncentral t."""
    if not has_t(plan.metric):
        return root * root
    target, ratio, tail = asked
    shift = test[0] / test[2]  # at one unit in the control; it grows with the root of n

    def freedom(x: Any) -> Any:
        return freedom_of(plan, x * x, x * x * ratio)

    def miss(x: Any) -> Any:
        return t_score(shift * x, freedom(x), tail) - target

    floor = least**0.5
    slope: Any = 1.0
    for _ in range(2):
        near, slope = near_shift(freedom(root), tail, target)
        root = np.maximum(near / shift, floor)
    found = _quick_root(miss, root, slope * shift, floor)
    if found is None:

        def sure(x: Any) -> Any:
            degrees = freedom(x)
            power = noncentral_power(shift * x, degrees, limit_of(degrees, tail))
            return special.ndtri(np.clip(power, 1e-300, 1.0 - 1e-16)) - target

        found = rising_root(sure, root, slope * shift, floor + np.zeros(np.shape(root)))
    return np.where(found <= floor * (1.0 + 4e-16), least, found * found)


def shift_of(freedom: Any, tail: Any, target: Any) -> Any:
    """Return how many standard errors an effect must measure, so that its test has a power of Phi(target)."""
    if freedom is np.inf:
        return target - special.ndtri(tail)
    near, slope = near_shift(freedom, tail, target)
    found = _quick_root(lambda shift: t_score(shift, freedom, tail) - target, near, slope, 0.0)
    if found is None:
        limit = limit_of(freedom, tail)

        def sure(shift: Any) -> Any:
            power = noncentral_power(shift, freedom, limit)
            return special.ndtri(np.clip(power, 1e-300, 1.0 - 1e-16)) - target

        found = rising_root(sure, np.maximum(near, 1e-3), slope, np.zeros(np.shape(near)))
    return found


def _quick_root(miss: Callable[[Any], Any], start: Any, slope: Any, floor: Any) -> Any:
    """Return the root above the floor by a few secants from a good start, or nothing where they do not settle."""
    x, value = start, miss(start)
    for _ in range(QUICK):
        settled = np.abs(value) <= CLOSE
        if settled.all():
            return x if (x >= floor).all() else None
        following = x - np.where(settled, 0.0, value / slope)
        again = miss(following)
        moved = np.where(settled, 1.0, following - x)
        with np.errstate(all="ignore"):
            slope = np.where(settled, slope, (again - value) / moved)
        x, value = following, again
    return None


def rising_root(miss: Callable[[Any], Any], start: Any, slope: Any, low: Any, high: Any = np.inf) -> Any:
    """Return where a rising function is 0: secants inside a bracket that they narrow, else halving.

    Where it is positive from ``low`` on, that is ``low``; where it stays negative up to a finite ``high``, that is ``high``.
    """
    x = np.clip(np.asarray(start, dtype=np.float64), low, high)
    low, high, slope = (np.broadcast_to(part, x.shape) for part in (low, high, slope))
    value = miss(x)
    settled = np.abs(value) <= CLOSE
    for count in range(STEPS):
        above = value >= 0
        high, low = np.where(above, x, high), np.where(above, low, x)
        guess = x - value / slope
        inside = (guess > low) & (guess < high) & (count < SECANTS)
        middle = np.where(np.isfinite(high), (low + np.where(np.isfinite(high), high, 0.0)) / 2.0, 2.0 * x)
        following = np.where(settled, x, np.where(inside, guess, middle))
        narrow = np.where(np.isfinite(high), high, 2.0 * low + 1.0) - low <= 4e-16 * np.abs(low)
        settled = settled | narrow | (np.abs(following - x) <= 2e-16 * np.abs(x))
        if settled.all():
            return np.where(narrow, high, following)
        if not np.all(np.abs(following) < 1e200):
            raise FloatingPointError("no such number of units, or effect")
        before, seen, x = x, value, following
        value = miss(x)
        moved = x != before
        rise = (value - seen) / np.where(moved, x - before, 1.0)
        slope = np.where(moved & (rise > 0), rise, slope)
        settled = settled | (np.abs(value) <= CLOSE)
    raise ConvergenceError(f"root of a rising function: {STEPS} steps were not enough", last=x)


def whole_units(plan: Plan, effect: Any, target: float, ratio: float, exact: Any) -> tuple[tuple[Any, Any], Any, Any]:
    """Return whole units (whole clusters) of both arms that reach the target, with the level and score of a comparison."""
    step = step_of(plan.metric)

    def up(n: Any) -> Any:
        return np.ceil(n - ROUNDING) if step is ONE else np.ceil(np.ceil(n / step - ROUNDING) * step - ROUNDING)

    control, treatment = up(exact), up(exact * ratio)
    while True:
        tail = tail_of(plan, freedom_of(plan, control, treatment), treatment / control)
        # Rounding up one arm alone can cost power: it moves the pooled proportion towards that arm.
        score = score_of(plan, effect, control, treatment, tail)
        short = score < target - ROUNDING
        if not short.any():
            return (control, treatment), tail, score
        control = np.where(short, up(control + step), control)
        treatment = np.maximum(treatment, up(control * ratio))


def detectable(plan: Plan, units: tuple[Any, Any], target: float, tail: Any, shape: tuple[int, ...]) -> Any:
    """Return the smallest effect, in the metric's unit, that reaches the target; NaN where none does."""
    sign, margin = _direction(plan)
    if not isinstance(plan.metric, ProportionMetric) and plan.lift not in {"delta", "log"}:
        own = tests_of(plan, 0.0, *units)[0][2]
        return sign * (shift_of(freedom_of(plan, *units), tail, target) * own - margin) + np.zeros(shape)
    low, high = _range(plan, sign, margin, shape)

    def effect_at(size: Any) -> Any:
        return sign * (size - margin)

    def miss(size: Any) -> Any:
        return score_of(plan, effect_at(size), *units, tail) - target

    null, own = (part + np.zeros(shape) for part in tests_of(plan, effect_at(low), *units)[0][1:])
    finite = np.isfinite(high)
    known = np.where(finite, miss(np.where(finite, high, low + own)) >= 0, True)
    start = low + (np.maximum(limit_of(freedom_of(plan, *units), tail), 0.0) * null + target * own)
    start = np.where(known, np.maximum(start, low + own * 1e-3), low)
    size = rising_root(lambda x: np.where(known, miss(x), 0.0), start, 1.0 / own, low, high)
    return np.where(known, effect_at(size), np.nan)


def _direction(plan: Plan) -> tuple[float, Any]:
    """Return the good direction and the margin, in the metric's unit, from which effects are counted."""
    if isinstance(plan.goal, NonInferiority):
        return (1.0 if plan.goal.desired == "increase" else -1.0), margin_size(plan.goal.margin, level_of(plan.metric))
    return 1.0, 0.0


def _range(plan: Plan, sign: float, margin: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return between which sizes, counted from the margin, effects are possible."""
    level = level_of(plan.metric)
    low, high = np.zeros(shape), np.full(shape, np.inf)
    if isinstance(plan.metric, ProportionMetric):
        room, below = (1.0 - level, level) if sign > 0 else (level, 1.0 - level)
        low = np.maximum(low, margin - below * (1.0 - 1e-12))
        high = np.broadcast_to(margin + room * (1.0 - 1e-12), shape)
    elif plan.lift == "delta":
        high = np.broadcast_to(FAR * level, shape)
    return low, high
