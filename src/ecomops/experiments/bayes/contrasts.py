"""Quantiles of the difference and of the ratio of two independent beta or gamma laws."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.experiments.bayes.posteriors import BetaPosterior, GammaPosterior
from ecomops.experiments.bayes.quadrature import (
    POINTS,
    WEIGHTS,
    depth_of,
    moments_of,
    parameters,
    quantity,
    reach,
)

Flat = NDArray[np.float64]
Law = BetaPosterior | GammaPosterior
Scale = Literal["difference", "lift"]
ROUNDING = 3e-14
TINY, ALMOST_ONE = 1e-300, 1.0 - 2.0**-53
ROWS = 512


def contrast_quantiles(law: Law, treatment: int, control: int, scale: Scale, levels: list[float]) -> Any:
    """Return the quantiles of treatment - control or treatment / control - 1, levels along the first axis."""
    one, other = parameters(law)
    shape = one.shape[:-1]
    pair = [(one[..., arm].reshape(-1), other[..., arm].reshape(-1)) for arm in (treatment, control)]
    found = np.empty((len(levels), pair[0][0].size))
    for start in range(0, found.shape[1], ROWS):
        block = slice(start, start + ROWS)
        rows = [(first[block], second[block]) for first, second in pair]
        found[:, block] = _quantiles(law, rows[0], rows[1], scale, levels)
    return np.expm1(found).reshape(-1, *shape) if scale == "lift" else found.reshape(-1, *shape)


def _quantiles(law: Law, upper: Any, lower: Any, scale: Scale, levels: list[float]) -> Any:
    """Regula falsi (Illinois) between the bounds of Cantelli's inequality, in the difference or in the log of the ratio."""
    goal = np.repeat(np.asarray(levels), upper[0].size)
    upper, lower = (tuple(np.tile(one, len(levels)) for one in part) for part in (upper, lower))
    (mean_u, sd_u), (mean_l, sd_l) = (_moments(law, part, scale) for part in (upper, lower))
    centre, spread = mean_u - mean_l, np.hypot(sd_u, sd_l)
    distribution = _distribution(law, upper, lower, scale, np.asarray(sd_u <= sd_l)[:, None])
    low = centre - spread * np.sqrt((1.0 - goal) / goal)
    high = centre + spread * np.sqrt(goal / (1.0 - goal))
    under, over = distribution(low) - goal, distribution(high) - goal
    side = np.zeros_like(low)
    count = 0
    while np.any(high - low > 1e-13 * (np.abs(low) + spread)):
        width, count = high - low, count + 1
        share = np.where(over > under, -under / np.where(over > under, over - under, 1.0), 0.5) if count % 4 else 0.5
        # A little off the ends: a step past the root closes the bracket.
        guess = low + width * np.clip(share, 1e-13, 1.0 - 1e-13)
        value = distribution(guess) - goal
        reached = value >= 0
        # An end that stays twice counts half, so that the next guess falls on its side.
        under, over = (
            np.where(reached, np.where(side > 0, under / 2.0, under), value),
            np.where(reached, value, np.where(side < 0, over / 2.0, over)),
        )
        met = np.abs(value) <= ROUNDING
        low, high = np.where(reached & ~met, low, guess), np.where(reached | met, guess, high)
        side = np.where(reached, 1.0, -1.0)
    return (low + (high - low) / 2.0).reshape(len(levels), -1)


def _moments(law: Law, part: Any, scale: Scale) -> tuple[Any, Any]:
    """Return mean and standard deviation of one arm, of its logarithm for a lift."""
    one, other = part
    if scale == "difference":
        return moments_of(law, part)
    if isinstance(law, GammaPosterior):
        return special.digamma(one) - np.log(other), np.sqrt(special.zeta(2.0, one))
    total = one + other
    variance = np.maximum(special.zeta(2.0, one) - special.zeta(2.0, total), 0.0)
    return special.digamma(one) - special.digamma(total), np.sqrt(variance)


def _distribution(law: Law, upper: Any, lower: Any, scale: Scale, narrow: NDArray[np.bool_]) -> Any:
    """Return the distribution function of the contrast, by integration over the narrower arm.

    The panels are its own and those of the other arm, moved by the contrast: they crowd where the other's law begins or
    ends, which is where the integrand is not smooth.
    """
    own = tuple(np.where(narrow[:, 0], one, other)[:, None] for one, other in zip(upper, lower, strict=True))
    wide = tuple(np.where(narrow[:, 0], other, one)[:, None] for one, other in zip(upper, lower, strict=True))
    mode, ends = _panel_ends(law, own)
    far = quantity(law, _panel_ends(law, wide)[1])

    def moved(value: Flat, by: Flat) -> Any:
        return value + by if scale == "difference" else value * np.exp(by)

    def distribution(contrast: Flat) -> Any:
        # treatment - control <= d: over the treatment the control is above x - d; over the control it is below x + d.
        by = np.where(narrow, contrast[:, None], -contrast[:, None])
        theirs = np.clip(_smooth(law, moved(far, by)), ends[:, :1], ends[:, -1:])
        cuts = np.sort(np.concatenate([ends, theirs], axis=1), axis=1)
        half = (cuts[:, 1:, None] - cuts[:, :-1, None]) / 2.0
        node = cuts[:, :-1, None] + half * (1.0 + POINTS)
        density = np.exp(-depth_of(law, own, (node - mode[:, :, None])[:, None]))[:, 0] * (half * WEIGHTS)
        tail = _tail(law, wide, moved(quantity(law, node), -by[:, :, None]), narrow)
        return (density * tail).sum(axis=(-1, -2)) / density.sum(axis=(-1, -2))

    return distribution


def _panel_ends(law: Law, part: Any) -> tuple[Flat, Flat]:
    mode, left, right = reach(law, part)
    return mode, np.concatenate([mode - left[:, 0, ::-1], mode, mode + right[:, 0]], axis=1)


def _smooth(law: Law, value: Flat) -> Any:
    """Return the smooth coordinate of a quantity, of its nearest possible one outside its range."""
    inside = np.maximum(value, TINY)
    if isinstance(law, GammaPosterior):
        return np.log(inside)
    return special.logit(np.minimum(inside, ALMOST_ONE))


def _tail(law: Law, part: Any, point: Flat, above: NDArray[np.bool_]) -> Any:
    """Return the probability above a point, or below it."""
    one, other = (np.broadcast_to(value[..., None], point.shape) for value in part)
    up = np.broadcast_to(above[..., None], point.shape)
    if isinstance(law, GammaPosterior):
        point = other * np.maximum(point, 0.0)
        return np.where(up, special.gammaincc(one, point), special.gammainc(one, point))
    point = np.clip(point, 0.0, 1.0)
    # The probability above x is that of failures below 1 - x.
    return special.betainc(np.where(up, other, one), np.where(up, one, other), np.where(up, 1.0 - point, point))
