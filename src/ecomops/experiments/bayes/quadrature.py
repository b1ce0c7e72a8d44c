"""Quadrature over independent posteriors: the distributions of all arms on one set of Gauss-Legendre panels.

Every law is taken in the coordinate in which it is smooth on the whole line (log-odds, logarithm, the mean itself), where
its density has one mode and falls at least exponentially. The panels begin and end at fixed depths below the mode of each
arm, so that no arm is ever coarse. Distribution functions are integrals of the density over the panels, from the left and
from the right, so that both tails keep their digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy import special

from ecomops.experiments.bayes.posteriors import BetaPosterior, GammaPosterior, NormalPosterior

Flat = NDArray[np.float64]
Law = BetaPosterior | GammaPosterior | NormalPosterior
NODES = 20
# Depths z^2 / 2 below the mode at which panels end.
DEPTHS = np.array([1.4, 3.0, 5.0, 7.5, 10.5])
FILLING = 4
FAR = 500.0
SHORT, MANY = 0.05, 1e4
BETWEEN = np.arange(1, FILLING + 1) / (FILLING + 1.0)
BLOCK = 1 << 21


def _rule() -> tuple[Flat, Flat, Flat]:
    """Return nodes, weights and the matrix that integrates from -1 to each node."""
    nodes, weights = legendre.leggauss(NODES)
    values = legendre.legvander(nodes, NODES)
    order = np.arange(1, NODES)
    rising = np.empty((NODES, NODES))
    rising[:, 0] = nodes + 1.0
    rising[:, 1:] = (values[:, 2:] - values[:, :-2]) / (2.0 * order + 1.0)
    scale = (2.0 * np.arange(NODES) + 1.0) / 2.0
    return nodes, weights, rising @ (scale[:, None] * values[:, :NODES].T * weights)


POINTS, WEIGHTS, RISING = _rule()
FROM_LEFT = 1.0 + POINTS
INTEGRALS = np.concatenate([RISING, WEIGHTS - RISING, WEIGHTS[None]]).T.copy()


class Panels:
    """The densities and distributions of the arms at the nodes; arrays of shape (rows, arms, panels, nodes).

    The densities integrate to ``total``, the distributions are proper ones.
    """

    def __init__(self, law: Law, parts: tuple[Flat, Flat]) -> None:
        mode, left, right = reach(law, parts)
        ends = _ends(mode, left, right)
        half = (ends[:, 1:, None] - ends[:, :-1, None]) * 0.5
        self.node = ends[:, :-1, None] + half * FROM_LEFT
        self.weight = half * WEIGHTS
        depth = depth_of(law, parts, self.node[:, None] - mode[:, :, None, None])
        self.density = np.exp(np.negative(depth, out=depth), out=depth)
        # One product gives, in each panel, the integrals up to each node, from each node, and over it all.
        inside = (self.density.reshape(-1, NODES) @ INTEGRALS).reshape(*depth.shape[:3], 2 * NODES + 1)
        inside *= half[:, None]
        mass = inside[..., -1]
        cumulated = mass.cumsum(axis=-1)
        total = cumulated[..., -1:]
        inside[..., :NODES] += (cumulated - mass)[..., None]
        inside[..., NODES:-1] += (mass[..., ::-1].cumsum(axis=-1)[..., ::-1] - mass)[..., None]
        inside /= total[..., None]
        # Interpolation may leave the last digit of a vanishing tail below 0.
        np.maximum(inside, 0.0, out=inside)
        self.below, self.above, self.total = inside[..., :NODES], inside[..., NODES:-1], total[..., 0]


def _ends(mode: Flat, left: Flat, right: Flat) -> Any:
    """Return the ends of all panels, sorted, shape (rows, ends)."""
    rows, arms = mode.shape
    depths = left.shape[-1]
    ends = np.empty((rows, arms * (2 * depths + 1) + FILLING))
    own = ends[:, FILLING:].reshape(rows, arms, 2 * depths + 1)
    own[..., :depths] = mode[..., None] - left
    own[..., depths] = mode
    own[..., depths + 1 :] = mode[..., None] + right
    ends[:, FILLING:] = own.reshape(rows, -1)
    # Between modes that lie far apart, where no arm is deep enough to have ends of its own.
    low, high = mode.min(axis=1)[:, None], mode.max(axis=1)[:, None]
    ends[:, :FILLING] = low + (high - low) * BETWEEN
    ends.sort(axis=1)
    return ends


def parameters(law: Law) -> tuple[Flat, Flat]:
    """Return the two parameters of every arm, each of shape (..., arms)."""
    if isinstance(law, NormalPosterior):
        one, other = law.mean, law.sd
    elif isinstance(law, GammaPosterior):
        one, other = law.events, law.exposure
    else:
        one, other = law.successes, law.failures
    if one.shape != other.shape:
        one, other = np.broadcast_arrays(one, other)
    return one, other


def reach(law: Law, parts: tuple[Flat, Flat]) -> tuple[Flat, Flat, Flat]:
    """Return the mode in the smooth coordinate, and how far left and right of it the panels end.

    In log-odds and logarithms a law is a bell of width s = sqrt(1 / a + 1 / b) with exponential tails of rates a and b: the
    bell's ends are those of Wilson's interval, 2 asinh(z s / 2), and the tails add z^2 / 2 over their rate.
    """
    one, other = parts[0][..., None], parts[1][..., None]
    if isinstance(law, NormalPosterior):
        return parts[0], DEPTHS * other, DEPTHS * other
    if isinstance(law, GammaPosterior):
        bell = 2.0 * np.arcsinh(DEPTHS / np.sqrt(one) / 2.0)
        return np.log(parts[0]) - np.log(parts[1]), bell + DEPTHS * DEPTHS / 2.0 / one, bell
    bell = 2.0 * np.arcsinh(DEPTHS * np.sqrt(1.0 / one + 1.0 / other) / 2.0)
    tail = DEPTHS * DEPTHS / 2.0
    return np.log(parts[0]) - np.log(parts[1]), bell + tail / one, bell + tail / other


def depth_of(law: Law, parts: tuple[Flat, Flat], away: Flat) -> Any:
    """Return how far the log density lies below its mode, at a distance from the mode in the smooth coordinate."""
    one, other = parts[0][..., None, None], parts[1][..., None, None]
    if isinstance(law, NormalPosterior):
        return np.square(np.clip(away / other, -1e100, 1e100)) / 2.0
    if isinstance(law, GammaPosterior):
        near = np.minimum(away, FAR)
        depth = one * (np.expm1(near) - near)
        return _short(depth, away, one, np.zeros_like(one))
    total, least = one + other, np.minimum(one, other)
    share = least / total
    away = away * np.where(one <= other, 1.0, -1.0)
    far = bool(away.max(initial=0.0) > FAR)
    near = np.minimum(away, FAR) if far else away
    depth = np.expm1(near)
    depth *= share
    np.log1p(depth, out=depth)
    depth *= total
    depth -= least * near
    if far:
        depth += (total - least) * (away - near)
    return _short(depth, away, least * (1.0 - share), share)


def _short(depth: Flat, away: Flat, information: Flat, share: Flat) -> Flat:
    """Where many events make the law narrow, take the depth from its series (the cumulants of a Bernoulli trial)."""
    if not np.any(information > MANY):
        return depth
    rest = 1.0 - share
    w, skew = share * rest, rest - share
    cumulants = (
        1.0,
        skew,
        1.0 - 6.0 * w,
        skew * (1.0 - 12.0 * w),
        1.0 - w * (30.0 - 120.0 * w),
        skew * (1.0 - w * (60.0 - 360.0 * w)),
        1.0 - w * (126.0 - w * (1680.0 - 5040.0 * w)),
    )
    near = np.where(np.abs(away) < SHORT, away, 0.0)
    series = np.zeros_like(near)
    for order in range(len(cumulants) - 1, -1, -1):
        series = cumulants[order] + series * near / (order + 3.0)
    return np.where((information > MANY) & (np.abs(away) < SHORT), information * near * near / 2.0 * series, depth)


def stretch(law: Law, node: Flat) -> Any:
    """Return the derivative of the quantity itself with respect to the smooth coordinate."""
    if isinstance(law, NormalPosterior):
        return 1.0
    return np.exp(node) if isinstance(law, GammaPosterior) else special.expit(node) * special.expit(-node)


def quantity(law: BetaPosterior | GammaPosterior, node: Flat) -> Any:
    """Return the quantity itself at a smooth coordinate."""
    return np.exp(node) if isinstance(law, GammaPosterior) else special.expit(node)


def moments_of(law: Law, parts: tuple[Flat, Flat]) -> tuple[Flat, Flat]:
    """Return mean and standard deviation of each arm, shape (..., k)."""
    one, other = parts
    if isinstance(law, NormalPosterior):
        return one, other
    if isinstance(law, GammaPosterior):
        return one / other, np.sqrt(one) / other
    total = one + other
    return one / total, np.sqrt(one / total * (other / total) / (total + 1.0))


def best_and_loss(law: Law, parts: tuple[Flat, Flat]) -> tuple[Flat, Flat]:
    """Return P(best) and expected loss of each arm, shape (..., arms)."""
    shape = parts[0].shape
    arms = shape[-1]
    one, other = (part.reshape(-1, arms) for part in parts)
    best, loss = np.empty(one.shape), np.empty(one.shape)
    ends = arms * (2 * len(DEPTHS) + 1) + FILLING
    size = max(BLOCK // (ends * NODES * arms), 1)
    for start in range(0, len(one), size):
        block = slice(start, start + size)
        panels = Panels(law, (one[block], other[block]))
        below, above = _others(panels.below, panels.above)
        chance = panels.density * below
        cost = panels.below * above
        best[block] = np.einsum("rapn,rpn->ra", chance, panels.weight) / panels.total
        loss[block] = np.einsum("rapn,rpn->ra", cost, panels.weight * stretch(law, panels.node))
    return np.minimum(best, 1.0).reshape(shape), loss.reshape(shape)


def _others(below: Flat, above: Flat) -> tuple[Flat, Flat]:
    """Return, for each arm, the probability that all others lie below a node, and that one lies above; no differences."""
    arms = below.shape[1]
    if arms == 2:
        return below[:, ::-1], above[:, ::-1]
    all_below, some_above = np.ones_like(below), np.zeros_like(above)
    for order in (range(arms), range(arms - 1, -1, -1)):
        under, over = np.ones_like(below[:, 0]), np.zeros_like(above[:, 0])
        for arm in order:
            some_above[:, arm] = some_above[:, arm] + all_below[:, arm] * over
            all_below[:, arm] = all_below[:, arm] * under
            over = over + under * above[:, arm]
            under = under * below[:, arm]
    return all_below, some_above
