"""The level that reaches a fill rate, for any demand and for continuous and periodic review."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.stats.distributions import Demand, Discrete, Empirical, LeadTime, NegativeBinomial, Normal, Poisson
from ecomops.stats.quadrature import unit_gauss_legendre
from ecomops.stats.roots import falling_root, smallest_integer
from ecomops.stats.rules import require
from ecomops.stats.special import in_chunks, inverse_normal_losses, normal_pdf, upper_normal_loss

GUARD = 1e-12
STEPS = 60
NARROW = 0.5
NODES, WEIGHTS = unit_gauss_legendre(8)


def carried_shortage(demand: Demand, exposed: Demand, lead_time: LeadTime, level: Any, order_quantity: Any) -> Any:
    """Return the expected shortage just after an order has arrived, which is not this cycle's.

    With continuous review the position is level + order quantity when the cycle before ends; with periodic review the
    order that raised the position to the level has arrived after the lead time alone.
    """
    periodic = np.asarray(lead_time.review_period) > 0
    if not periodic.any():
        return exposed.loss(level + order_quantity)
    arrived = demand._over(lead_time.mean, lead_time.variance)  # noqa: SLF001 - a lead time of 0 is no protection time
    after = arrived.loss(level)
    return after if periodic.all() else np.where(periodic, after, exposed.loss(level + order_quantity))


def fill_rate_level(
    demand: Demand, exposed: Demand, lead_time: LeadTime, *, fraction: Any, order_quantity: Any, both: bool
) -> Any:
    """Return the smallest level whose shortage per cycle is at most (1 - fraction) order_quantity."""
    target = (1.0 - fraction) * order_quantity
    periodic = np.asarray(lead_time.review_period) > 0
    if isinstance(exposed, Normal) and not (both and periodic.any()):
        kernel = _normal_both if both else _normal_one
        return in_chunks(kernel, fraction, order_quantity, exposed.mean, exposed.sd)
    shape = np.broadcast_shapes(np.shape(target), exposed.batch_shape)
    idle = np.broadcast_to(periodic & both & (np.asarray(demand.mean) == 0), shape)
    cycle = np.where(periodic, np.asarray(demand.mean) * lead_time.review_period, np.inf)
    if both:
        rule = (
            "service.order_quantity must leave something to serve: with a review period it is the mean demand of a review "
            "period, and this one is so large that any level meets the fill rate"
        )
        require(idle | np.asarray(target < cycle), rule, order_quantity)
    target = np.broadcast_to(target, shape)
    if np.all(_whole(exposed)):
        level = _smallest_whole(
            demand, exposed, lead_time, target, fraction=fraction, order_quantity=order_quantity, both=both, idle=idle
        )
    else:
        level = _general(demand, exposed, lead_time, target, order_quantity, both=both, idle=idle)
    return np.where(idle, 0.0, level)


def _smallest_whole(
    demand: Demand,
    exposed: Demand,
    lead_time: LeadTime,
    target: Any,
    *,
    fraction: Any,
    order_quantity: Any,
    both: bool,
    idle: Any,
) -> Any:
    """Search the whole levels, from what normal demand would need: only rows that are still open are looked at again."""
    shape = target.shape
    goal, share, ahead, periodic, idle, mean, sd = (
        np.broadcast_to(value, shape).reshape(-1)
        for value in (
            target,
            fraction,
            order_quantity,
            np.asarray(lead_time.review_period) > 0,
            idle,
            exposed.mean,
            np.sqrt(exposed.variance),
        )
    )
    arrived = demand._over(lead_time.mean, lead_time.variance) if periodic.any() else exposed  # noqa: SLF001
    short, held = _shortage_by_row(exposed, shape), _shortage_by_row(arrived, shape)

    def reached(k: Any, rows: Any) -> Any:
        value = short(k, rows)
        if both:
            cycle = periodic[rows]
            carried = np.empty_like(value)
            for here, shortage, level in ((cycle, held, k), (~cycle, short, k + ahead[rows])):
                if here.any():
                    carried[here] = shortage(level[here], rows[here])
            value = value - carried
        return np.where(idle[rows], k >= 0, value <= goal[rows] * (1.0 + GUARD))

    kernel = _normal_one if periodic.any() or not both else _normal_both
    guess = np.ceil(in_chunks(kernel, share, ahead, mean, sd))
    return smallest_integer(reached, guess, np.arange(goal.size)).reshape(shape)


def _shortage_by_row(law: Demand, shape: tuple[int, ...]) -> Any:
    """Return the function of levels and rows that gives the expected shortage of these rows."""
    mean, variance = (np.broadcast_to(value, shape).reshape(-1) for value in (law.mean, law.variance))
    if isinstance(law, Poisson):
        return lambda level, rows: Poisson(mean=mean[rows])._losses(level)[0]  # noqa: SLF001
    if isinstance(law, NegativeBinomial):
        return lambda level, rows: NegativeBinomial(mean=mean[rows], variance=variance[rows])._losses(level)[0]  # noqa: SLF001
    everywhere = mean.copy()

    def shortage(level: Any, rows: Any) -> Any:
        everywhere[rows] = level
        return np.asarray(law._losses(everywhere.reshape(shape))[0]).reshape(-1)[rows]  # noqa: SLF001

    return shortage


def _general(
    demand: Demand, exposed: Demand, lead_time: LeadTime, target: Any, order_quantity: Any, *, both: bool, idle: Any
) -> Any:
    shape = target.shape
    periodic = np.asarray(lead_time.review_period) > 0
    arrived = demand._over(lead_time.mean, lead_time.variance) if periodic.any() else exposed  # noqa: SLF001

    def evaluate(level: Any) -> tuple[Any, Any]:
        value, slope = exposed._losses(level)[0], exposed._sf(level)  # noqa: SLF001
        if both:
            ahead = level + order_quantity
            left, fall = exposed._losses(ahead)[0], exposed._sf(ahead)  # noqa: SLF001
            if periodic.any():
                left = np.where(periodic, arrived._losses(level)[0], left)  # noqa: SLF001
                fall = np.where(periodic, arrived._sf(level), fall)  # noqa: SLF001
            value, slope = value - left, slope - fall
        # Rows without demand have no root: a line stands in for them.
        return np.where(idle, np.maximum(1.0 - level, 0.0) * target, value), np.where(idle, -target, -slope)

    spread = np.sqrt(np.broadcast_to(exposed.variance, shape))
    start = np.broadcast_to(exposed.mean, shape) + spread
    level = falling_root(evaluate, target, start, np.maximum(spread, 1e-3 + 1e-3 * np.abs(start)))
    whole = _whole(exposed)
    if not np.any(whole):
        return level
    up = np.ceil(level)
    up = np.where(evaluate(up)[0] <= target * (1.0 + GUARD), up, up + 1.0)
    down = up - 1.0
    return np.where(whole, np.where(evaluate(down)[0] <= target * (1.0 + GUARD), down, up), level)


def _whole(exposed: Demand) -> Any:
    """Tell where demand comes in whole units, so that the level does too."""
    if isinstance(exposed, Poisson | NegativeBinomial):
        return True
    if isinstance(exposed, Discrete | Empirical):
        support = exposed.values if isinstance(exposed, Discrete) else exposed.samples
        return np.all(support == np.floor(support), axis=-1)
    return False


def _normal_one(fraction: Any, order_quantity: Any, mean: Any, sd: Any) -> Any:
    target, mean, sd = np.broadcast_arrays((1.0 - fraction) * order_quantity, mean, sd)
    random = sd > 0
    factor = inverse_normal_losses(target / np.where(random, sd, 1.0))
    return np.where(random, mean + factor * sd, mean - target)


def _normal_both(fraction: Any, order_quantity: Any, mean: Any, sd: Any) -> Any:
    """Solve L(k) - L(k + w) = (1 - b) w, w = Q / sd: the one-end answer, then Newton on the logarithm.

    The left side is the integral of a log-concave tail over a window, so it is log-concave in k, and the one-end answer
    lies to the right of the root: Newton comes down to it without overshooting. It equals w less the same at -(k + w),
    so a fill rate b below a half is solved as 1 - b, where its digits are.
    """
    fraction, order_quantity, mean, sd = np.broadcast_arrays(fraction, order_quantity, mean, sd)
    random, low = sd > 0, fraction < 0.5
    width = order_quantity / np.where(random, sd, 1.0)
    goal = np.where(low, fraction, 1.0 - fraction) * width
    factor = inverse_normal_losses(goal)
    carried = _loss(factor + width)
    rows = np.flatnonzero(random & (carried > 1e-17 * goal))
    value = np.maximum(goal - carried, 0.0)[rows]
    narrow = width[rows] < NARROW
    value[narrow] = _window(factor[rows[narrow]], width[rows[narrow]])[0]
    for _ in range(STEPS):
        if not rows.size:
            break
        k, w, aim = factor[rows], width[rows], goal[rows]
        step = value / _slope(k, w) * np.log(value / aim)
        factor[rows] = k + step
        # Quadratic: after a step of 1e-8 the next one is below the rounding.
        rows = rows[np.abs(step) > 1e-8 * (1.0 + np.abs(k))]
        value = _value(factor[rows], width[rows])
    factor = np.where(low, -(factor + width), factor)
    return np.where(random, mean + factor * sd, mean - (1.0 - fraction) * order_quantity)


def _loss(z: NDArray[np.float64]) -> Any:
    return upper_normal_loss(np.abs(z)) + np.maximum(-z, 0.0)


def _value(k: NDArray[np.float64], width: NDArray[np.float64]) -> Any:
    """Return L(k) - L(k + w), by quadrature where the two are close."""
    value = _loss(k) - _loss(k + width)
    narrow = width < NARROW
    if narrow.any():
        value[narrow] = _window(k[narrow], width[narrow])[0]
    return value


def _slope(k: NDArray[np.float64], width: NDArray[np.float64]) -> Any:
    """Return Phi(k + w) - Phi(k), from the tail that has more digits."""
    sign = np.where(k + width / 2.0 > 0, -1.0, 1.0)
    slope = np.abs(special.ndtr(sign * (k + width)) - special.ndtr(sign * k))
    narrow = width < NARROW
    if narrow.any():
        slope[narrow] = _window(k[narrow], width[narrow])[1]
    return slope


def _window(k: NDArray[np.float64], width: NDArray[np.float64]) -> tuple[Any, Any]:
    """Return the integrals of the tail and of the density over [k, k + width]."""
    value, slope = np.zeros_like(k), np.zeros_like(k)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        z = k + node * width
        value += weight * special.ndtr(-z)
        slope += weight * normal_pdf(z)
    return value * width, slope * width
