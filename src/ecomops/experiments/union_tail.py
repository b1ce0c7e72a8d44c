"""The tail of the largest of several statistics that share one control and one estimate of the standard deviation.

Plain kernels. A row is one question: T_j = (a_j Z + sqrt(1 - a_j^2) E_j) / S for j = 1, ..., k with independent normal Z and
E_j and S^2 a chi-square over its degrees of freedom. Both integrals, over Z and over log S, are trapezoidal sums: the
integrands are analytic and die out at both ends, so the sums converge geometrically.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.core import Array
from ecomops.stats.roots import falling_root
from ecomops.stats.special import LOG_SQRT_TWO_PI, stirling_error

REACH = 7.8  # normal deviates beyond which nothing is left
FARTHEST = 39.0  # where a normal tail is 0 in floating point
DEPTH = 32.0  # how far, in logarithms, the density of log S is followed
COARSE, FINE = 0.6, 0.45  # steps of log S in standard deviations, from 30 degrees of freedom on and below
BLOCK = 1 << 18
ALMOST_ONE = 1.0 - 2.0**-53
SURE = 1.0 - 1e-10

Taken = NDArray[np.bool_]


def union_tail(
    level: Array, freedom: Array, loading: Array, two_sided: bool, included: Taken | None = None, *, sloped: bool = True
) -> tuple[Array, Array]:
    """Return P(max_j T_j >= level), or of max |T_j|, and its slope.

    Parameters
    ----------
    level, freedom : array, shape (n,)
        Level of each row, and degrees of freedom >= 1, which may be infinite.
    loading : array, shape (n, k)
        a_j, in [0, 1).
    two_sided : bool
        Whether absolute values count.
    included : array of bool, shape (n, k), optional
        Which statistics take part; all by default.
    sloped : bool
        Whether slopes are wanted; they are 0 where not.

    Returns
    -------
    tuple of array, shape (n,)
        Probabilities and their derivatives by the level.
    """
    value, slope = np.empty(level.shape), np.empty(level.shape)
    finite = np.isfinite(freedom)
    for rows in (np.flatnonzero(finite), np.flatnonzero(~finite)):
        for block in _blocks(rows, level, freedom):
            part = None if included is None else included[block]
            value[block], slope[block] = _tails(level[block], freedom[block], loading[block], two_sided, part, sloped)
    return np.minimum(value, 1.0), slope


def union_critical(
    alpha: float, freedom: Array, loading: Array, two_sided: bool, included: Taken | None = None
) -> Array:
    """Return the level that the largest statistic exceeds with probability alpha, for each row.

    It lies between the critical value of one statistic and that of Bonferroni.
    """
    # Where alpha is 1 any level would do.
    alpha = min(alpha, SURE)
    k = loading.shape[1]
    taken = np.ones(loading.shape, dtype=bool) if included is None else included
    # Families of one design have one answer.
    design, back = np.unique(np.column_stack([freedom, loading, taken]), axis=0, return_inverse=True)
    freedom, loading, taken = design[:, 0], design[:, 1 : k + 1], np.asarray(design[:, k + 1 :] > 0)
    tail = min(alpha / (2.0 if two_sided else 1.0) / k, 0.5)
    finite = np.isfinite(freedom)
    start = -np.where(finite, special.stdtrit(np.where(finite, freedom, 1.0), tail), special.ndtri(tail))
    scale = 0.05 + 0.05 * np.abs(start)
    found = falling_root(lambda x: union_tail(x, freedom, loading, two_sided, taken), alpha, start, scale)
    return found[back.ravel()]


def _blocks(rows: Any, level: Array, freedom: Array) -> list[Any]:
    """Split rows so that the nodes of a block stay within memory."""
    if not rows.size:
        return []
    most = max(int(np.max(_steps(level[rows], freedom[rows])[2])), 1) if np.isfinite(freedom[rows[0]]) else 1
    size = max(BLOCK // (most * 64), 1)
    return [rows[start : start + size] for start in range(0, rows.size, size)]


def _tails(
    level: Array, freedom: Array, loading: Array, two_sided: bool, included: Taken | None, sloped: bool
) -> tuple[Array, Array]:
    if not np.isfinite(freedom[0]):
        value, slope = _given_s(level[:, None], loading, two_sided, included, sloped)
        return value[:, 0], slope[:, 0]
    level, low, count, step = _nodes(level, freedom)
    log_s = low[:, None] + step[:, None] * np.arange(int(count.max()))
    weight = np.exp(_log_density(log_s, freedom[:, None] / 2.0)) * step[:, None]
    s = np.exp(log_s)
    value, slope = _given_s(level[:, None] * s, loading, two_sided, included, sloped)
    return (weight * value).sum(axis=1), (weight * slope * s).sum(axis=1)


def _steps(level: Array, freedom: Array) -> tuple[Array, Array, Array]:
    """Return both ends of log S that matter, and how many steps lie between them.

    Where the level is far out the mass moves to small S: by log hypot(1, level / sqrt(freedom)), at most.
    """
    up = np.maximum(level, 0.0)
    root = np.sqrt(DEPTH / freedom)
    below = np.where(root < 1.0, root + root * root / 2.0, root * root + 0.5)
    above = np.minimum(root, 0.5 * np.log1p(root * (2.0 * root + 3.0)))
    centre = -np.log(np.hypot(1.0, up / np.sqrt(freedom)))
    last = np.minimum(above, np.maximum(np.log(12.0 / np.maximum(up, 1e-3)), centre + above))
    first = centre - below
    spread = np.minimum(np.sqrt(special.zeta(2.0, freedom / 2.0)) / 2.0, 0.3)
    return first, last, np.ceil((last - first) / (np.where(freedom < 30.0, FINE, COARSE) * spread)) + 1.0


def _nodes(level: Array, freedom: Array) -> tuple[Array, Array, Array, Array]:
    """Return the level, cut where nothing is left, with the first node, number of nodes and step of each row."""
    farthest = np.sqrt(freedom) * np.exp(np.minimum(750.0 / freedom, 690.0))
    level = np.clip(level, -farthest, np.maximum(farthest, FARTHEST))
    first, last, count = _steps(level, freedom)
    most = count.max()
    return level, first, np.full(level.shape, most), (last - first) / (most - 1.0)


def _log_density(log_s: Array, half: Any) -> Array:
    """Return the log density of log S, where 2 half S^2 is chi-square with 2 half degrees of freedom."""
    t = 2.0 * log_s
    near = np.abs(t) < 1e-2
    small = np.where(near, t, 0.0)
    series = -0.5 * small * small * (1 + small / 3 * (1 + small / 4 * (1 + small / 5 * (1 + small / 6))))
    with np.errstate(over="ignore"):
        bend = np.where(near, series, t - np.expm1(np.minimum(t, 50.0)))
    found: Array = np.log(2.0) + 0.5 * np.log(half) - LOG_SQRT_TWO_PI - stirling_error(half) + half * bend
    return found


def _given_s(x: Array, loading: Array, two_sided: bool, included: Taken | None, sloped: bool) -> tuple[Array, Array]:
    """Return the probability that any statistic reaches x where the standard deviation is known, x of shape (n, s)."""
    x = np.clip(x, -FARTHEST, FARTHEST)
    z, weight = _control_nodes(float(x.max()), loading, two_sided)
    log_none = np.zeros((*x.shape, z.size))
    rate = np.zeros_like(log_none)
    level = x[:, :, None]
    for j in range(loading.shape[1]):
        a = loading[:, j, None, None]
        own = np.sqrt(1.0 - a * a)
        ends = [(a * z - level) / own, (-a * z - level) / own] if two_sided else [(a * z - level) / own]
        takes_part: Any = True if included is None else included[:, j, None, None]
        q = np.where(takes_part, np.minimum(sum(special.ndtr(end) for end in ends), ALMOST_ONE), 0.0)
        log_none += np.log1p(-q)
        if sloped:
            density = sum(np.exp(-0.5 * end * end - LOG_SQRT_TWO_PI) for end in ends)
            rate += np.where(takes_part, density / (own * (1.0 - q)), 0.0)
    return -np.expm1(log_none) @ weight, -(np.exp(log_none) * rate) @ weight


def _control_nodes(farthest: float, loading: Array, two_sided: bool) -> tuple[Array, Array]:
    """Return nodes of the control's error and their weights; the two-sided integrand is even, so half of it will do."""
    k = loading.shape[1]
    steepest = float(loading.max(initial=0.0))
    narrow = min(1.0, np.sqrt(1.0 - steepest * steepest) / max(steepest, 1e-9))
    # The more statistics, the sharper the corner of the integrand: this keeps 12 digits from 1 to 200 of them.
    step = 0.5 * narrow / (1.0 + 0.35 * np.log(k))
    reach = REACH + max(farthest, 0.0)
    z = np.arange(0.0 if two_sided else -REACH, reach + step, step)
    weight = np.full(z.size, 2.0 * step if two_sided else step)
    if two_sided:
        weight[0] = step
    return z, weight * np.exp(-0.5 * z * z - LOG_SQRT_TWO_PI)
