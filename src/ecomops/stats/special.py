"""Normal losses and saddle-point densities that keep their digits where the textbook form loses them.

Plain kernels on arrays. The ones that are called with a million rows work in blocks that fit the cache (`in_chunks`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

SQRT_TWO = float(np.sqrt(2.0))
SQRT_HALF_PI = float(np.sqrt(np.pi / 2.0))
LOG_SQRT_TWO_PI = float(0.5 * np.log(2.0 * np.pi))
LOSS_AT_ZERO = float(1.0 / np.sqrt(2.0 * np.pi))
CHUNK = 1 << 14
FRACTILE_GUARD = 1e-12
FARTHEST = 1e150
MILLS_LEVELS = 30
# Where 1 - z m(z) (and m - z (1 - z m)) have lost two digits, the continued fraction takes over.
MILLS_LIMIT, SECOND_LIMIT = 10.0, 5.0

Flat = NDArray[np.float64]


def in_chunks(kernel: Callable[..., Any], *values: Any) -> Any:
    """Run an elementwise kernel on flat blocks that fit the cache, and give its answers the broadcast shape.

    The kernel takes one-dimensional arrays (of the block's length, or of length 1) and returns one array or a tuple.
    """
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    size = math.prod(shape)
    flat = [
        array.reshape(1) if array.size == 1 and size else np.broadcast_to(array, shape).reshape(size)
        for array in arrays
    ]
    if size <= 2 * CHUNK:
        return _shaped(kernel(*flat), shape)
    outputs: list[Flat] = []
    single = False
    for start in range(0, size, CHUNK):
        block = slice(start, start + CHUNK)
        answer = kernel(*(array if array.size == 1 else array[block] for array in flat))
        single = not isinstance(answer, tuple)
        parts = (answer,) if single else answer
        if not outputs:
            outputs = [np.empty(size) for _ in parts]
        for output, part in zip(outputs, parts, strict=True):
            output[block] = part
    return _shaped(outputs[0] if single else tuple(outputs), shape)


def _shaped(answer: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(answer, tuple):
        return tuple(_shaped(part, shape) for part in answer)
    size = math.prod(shape)
    full = answer if answer.size == size else np.broadcast_to(answer, (size,))
    return full.reshape(shape)[()]


def signed_ndtri(probability: Any, rest: Any) -> Any:
    """Return the standard normal quantile from a probability and its complement, by the smaller of the two."""
    z = special.ndtri(np.minimum(probability, rest))
    return np.where(probability <= rest, z, -z)


def normal_pdf(z: Any) -> Any:
    """Return the standard normal density."""
    return np.exp(-0.5 * np.square(z) - LOG_SQRT_TWO_PI)


def normal_loss(z: Any) -> Any:
    """Return E[(Z - z)+] of a standard normal, to 1e-13 relative out to z = 37.

    With the Mills ratio m(z) = sf(z) / pdf(z) from ``erfcx`` the loss for z >= 0 is pdf(z) (1 - z m(z)); for z < 0 it is
    the loss of -z, minus z.
    """
    return in_chunks(lambda level: normal_losses(level, 0.0, 1.0)[0], z)


def normal_second_loss(z: Any) -> Any:
    """Return E[((Z - z)+)^2] / 2 of a standard normal."""
    return in_chunks(lambda level: normal_second_losses(level, 0.0, 1.0), z)


def normal_losses(level: Any, mean: Any, sd: Any) -> tuple[Any, Any]:
    """Return E[(D - level)+] and E[(level - D)+] of N(mean, sd); sd = 0 is a point mass. Flat arrays."""
    gap = level - mean
    tail = sd * upper_normal_loss(_standardised(gap, sd))
    return tail + np.maximum(-gap, 0.0), tail + np.maximum(gap, 0.0)


def normal_second_losses(level: Any, mean: Any, sd: Any) -> Any:
    """Return E[((D - level)+)^2] / 2 of N(mean, sd); sd = 0 is a point mass. Flat arrays."""
    gap = level - mean
    size = _standardised(gap, sd)
    mills = SQRT_HALF_PI * special.erfcx(size / SQRT_TWO)
    # (1 + z^2) m - z cancels; with r = 1 - z m it is m - z r, which holds longer.
    part = mills - size * (1.0 - size * mills)
    far = size > SECOND_LIMIT
    if far.any():
        part[far] = mills_product(size[far], 2) * 2.0
    upper = sd * sd * (normal_pdf(size) * part / 2.0)
    return np.where(gap < 0, (sd * sd + np.square(gap)) / 2.0 - upper, upper)


def _standardised(gap: Any, sd: Any) -> Flat:
    """Return |gap| / sd, large where sd = 0: every tail is 0 there."""
    sd = np.asarray(sd)
    safe = np.where(sd > 0, sd, 1.0)
    with np.errstate(over="ignore"):
        size = np.minimum(np.abs(gap) / safe, FARTHEST)
    return np.where(sd > 0, size, FARTHEST)


def upper_normal_loss(size: Flat) -> Flat:
    """Return E[(Z - z)+] for a flat array of z >= 0."""
    mills = special.erfcx(size / SQRT_TWO)
    mills *= SQRT_HALF_PI
    mills *= size
    part = np.subtract(1.0, mills, out=mills)
    far = size > MILLS_LIMIT
    if far.any():
        part[far] = mills_product(size[far], 1)
    part *= normal_pdf(size)
    return part


def mills_product(z: Flat, order: int) -> Flat:
    """Return E[((Z - z)+)^order] / order! / pdf(z) for large z, by the continued fraction of the Mills ratio.

    N_n = E[((Z - z)+)^n] / n! / pdf(z) obeys n N_n = N_{n-2} - z N_{n-1} and is its minimal solution, so the ratios
    t_n = N_n / N_{n-1} = 1 / (z + (n + 1) t_{n+1}) are stable downwards.
    """
    ratio = 2.0 / (z + np.sqrt(z * z + 4.0 * (MILLS_LEVELS + 1)))
    product = np.ones_like(z)
    for level in range(MILLS_LEVELS - 1, -1, -1):
        ratio = 1.0 / (z + (level + 1) * ratio)
        if level <= order:
            product = product * ratio
    return product


def inverse_normal_loss(target: Any) -> Any:
    """Return z with E[(Z - z)+] = target > 0, to 1e-13."""
    return in_chunks(inverse_normal_losses, target)


def inverse_normal_losses(target: Flat) -> Flat:
    """Invert the loss on a flat array: in the upper half by its logarithm, in the lower directly."""
    answer = np.empty_like(target)
    upper = target < LOSS_AT_ZERO
    if upper.all():
        answer[:] = _inverse_upper(target)
        return answer
    answer[upper] = _inverse_upper(target[upper])
    answer[~upper] = -_inverse_lower(target[~upper])
    return answer


def _inverse_upper(target: Flat) -> Any:
    """Halley on log L for z >= 0: with m and a = 1 - z m, L'/L = -m / a and L''/L = 1 / a, so no density is needed."""
    goal = np.log(target)
    z = _schneider(goal)
    goal = goal + LOG_SQRT_TWO_PI
    step = np.ones_like(z)
    # Halley is cubic: after a step of 1e-5 the next one is below the rounding.
    while np.any(np.abs(step) > 1e-5):
        mills = SQRT_HALF_PI * special.erfcx(z / SQRT_TWO)
        part = 1.0 - z * mills
        far = z > MILLS_LIMIT
        if far.any():
            part[far] = mills_product(z[far], 1)
        slope = mills / part
        newton = (np.log(part) - 0.5 * z * z - goal) / slope
        step = newton / (1.0 - 0.5 * newton * (1.0 / (part * slope) - slope))
        z = np.maximum(z + step, 0.0)
    return z


def _schneider(log_target: Flat) -> Any:
    """Return a first guess of the inverse loss (Silver, Pyke & Thomas, 4th ed., appendix), and its limit far out."""
    square = np.log(25.0) - 2.0 * log_target
    s = np.sqrt(square)
    above = -5.3925569 + s * (5.6211054 + s * (-3.8836830 + s * 1.0897299))
    below = 1.0 + s * (-7.2496485e-1 + s * (5.07326622e-1 + s * (6.69136868e-2 - s * 3.29129114e-3)))
    near = np.maximum(above / below, 0.0)
    if square.max(initial=0.0) < 60.0:
        return near
    # L ~ pdf(z) / (z^2 + 3): two fixed-point steps.
    base = np.maximum(-2.0 * (log_target + LOG_SQRT_TWO_PI), 1.0)
    far = np.sqrt(np.maximum(base - 2.0 * np.log(base + 3.0), 1.0))
    far = np.sqrt(np.maximum(base - 2.0 * np.log(far * far + 3.0), 1.0))
    return np.where(square < 60.0, near, far)


def _inverse_lower(target: Flat) -> Flat:
    """Newton for L(-y) = y + L(y) = target, y >= 0: convex with a slope between 1/2 and 1."""
    y = np.sqrt(target - LOSS_AT_ZERO) * np.sqrt(target + LOSS_AT_ZERO)
    step = y + 1.0
    while np.any(np.abs(step) > 1e-8 * (1.0 + y)):
        size = np.minimum(y, FARTHEST)
        step = (upper_normal_loss(size) + y - target) / special.ndtr(size)
        y = np.maximum(y - step, 0.0)
    return y


def poisson_pmf(k: Any, mean: Any, gap: Any = None) -> Any:
    """Return exp(-mean) mean^k / gamma(k + 1) for real k >= 0 by the saddle point (Loader 2000), without cancellation.

    A caller who knows k - mean with more digits than the two numbers hold passes it as ``gap``.
    """
    k, mean = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(mean, dtype=np.float64))
    inside = (k > 0) & (mean > 0)
    size, centre = np.where(inside, k, 1.0), np.where(inside, mean, 1.0)
    away = np.where(inside, k - mean if gap is None else gap, 0.0)
    body = np.exp(-stirling_error(size) - deviance(size, centre, away)) / np.sqrt(2.0 * np.pi * size)
    return np.where(inside, body, np.where(k > 0, 0.0, np.exp(-mean)))


def negative_binomial_pmf(k: Any, size: Any, p: Any, q: Any, gap: Any = None) -> Any:
    """Return the probability of k for a negative binomial by the saddle point (Loader 2000), k >= 0, q = 1 - p.

    A caller who knows k - mean with more digits than size q / p holds passes it as ``gap``.
    """
    gap = k - size * q / p if gap is None else gap
    k, size, p, q, gap = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (k, size, p, q, gap)))
    inside = k > 0
    x = np.where(inside, k, 1.0)
    n = x + size
    # x - n q and n p - size are both p (x - mean).
    away = p * np.where(inside, gap, x - size * q / p)
    exponent = stirling_error(n) - stirling_error(x) - stirling_error(size)
    exponent = exponent - deviance(x, n * q, away) - deviance(size, n * p, -away)
    body = np.sqrt(size / (2.0 * np.pi * x * n)) * np.exp(exponent)
    return np.where(inside, body, np.exp(size * np.where(q < 0.5, np.log1p(-np.minimum(q, 0.5)), np.log(p))))


def stirling_error(n: Any) -> Any:
    """Return log gamma(n + 1) - log(sqrt(2 pi n) (n / e)^n) for n > 0."""
    m = np.maximum(n, 16.0)
    inverse = 1.0 / m
    square = inverse * inverse
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))) * inverse
    small = np.minimum(n, 16.0)
    direct = special.gammaln(small + 1.0) - (small + 0.5) * np.log(small) + small - LOG_SQRT_TWO_PI
    return np.where(n < 16.0, direct, series)


def deviance(x: Any, mean: Any, gap: Any = None) -> Any:
    """Return x log(x / mean) + mean - x for positive x and mean, without cancellation near x = mean.

    ``gap`` is x - mean, where the caller knows it with more digits than the two numbers hold.

    With v = (x - mean) / (x + mean) it is v (x - mean) + 2 x (v^3 / 3 + v^5 / 5 + ...).
    """
    gap, total = x - mean if gap is None else gap, x + mean
    v = gap / total
    near = np.abs(v) < 0.1
    square = np.where(near, v * v, 0.0)
    series = np.zeros_like(square)
    for order in range(19, 1, -2):
        series = square * (1.0 / order + series)
    # series = v^2/3 + v^4/5 + ...
    close = v * gap + 2.0 * x * v * series
    # The ratio of the roots is a float where that of the numbers is none.
    far = 2.0 * x * np.log(np.where(near, 1.0, np.sqrt(x) / np.sqrt(mean))) - gap
    return np.where(near, close, far)
