"""Functions that keep their digits where the textbook form loses them. Plain kernels on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

SQRT_TWO = np.sqrt(2.0)
LOG_SQRT_TWO_PI = 0.5 * np.log(2.0 * np.pi)
CHUNK = 1 << 15
FRACTILE_GUARD = 1e-12


def normal_pdf(z: Any) -> Any:
    """Return the standard normal density."""
    return np.exp(-0.5 * np.square(z) - LOG_SQRT_TWO_PI)


def normal_loss(z: Any) -> Any:
    """Return E[(Z - z)+] of a standard normal, to 1e-12 relative out to z = 37.

    With the Mills ratio m(z) = sf(z) / pdf(z) from ``erfcx`` the loss for z >= 0 is pdf(z) (1 - z m(z)); for z < 0 it is
    the loss of -z, minus z. The difference 1 - z m(z) is taken from a series where z is large, since it tends to 1 / z^2.
    """
    z = np.asarray(z, dtype=np.float64)
    size = np.abs(z)
    loss = normal_pdf(size) * _one_minus_z_mills(size)
    return np.where(z < 0, loss + size, loss)


def normal_second_loss(z: Any) -> Any:
    """Return E[((Z - z)+)^2] / 2 of a standard normal."""
    z = np.asarray(z, dtype=np.float64)
    size = np.abs(z)
    mills = special.erfcx(size / SQRT_TWO) * np.sqrt(np.pi / 2)
    # (1 + z^2) m - z cancels; with r = 1 - z m it is m - z r.
    near = normal_pdf(size) * (mills - size * _one_minus_z_mills(size)) / 2
    large = np.maximum(size, 8.0)
    inverse = 1.0 / np.square(large)
    series = 2.0 * inverse**1.5 * (1 - 6 * inverse * (1 - 7.5 * inverse * (1 - 28 / 3 * inverse * (1 - 11.25 * inverse))))
    far = normal_pdf(size) * series / 2
    upper = np.where(size > 30.0, far, near)
    return np.where(z < 0, (1 + np.square(size)) / 2 - upper, upper)


def _one_minus_z_mills(z: NDArray[np.float64]) -> Any:
    """Return 1 - z sf(z) / pdf(z) for z >= 0: direct below 10, by its continued fraction above."""
    near = 1.0 - z * (np.sqrt(np.pi / 2) * special.erfcx(z / SQRT_TWO))
    if np.ndim(z) == 0 and z <= 10.0:
        return near
    # Mills: m = 1 / (z + t), t = 1 / (z + 2 / (z + 3 / (z + ...))), so 1 - z m = t / (z + t) without cancellation.
    large = np.maximum(z, 10.0)
    tail = large
    for level in range(16, 1, -1):
        tail = large + level / tail
    tail = 1.0 / tail
    return np.where(z > 10.0, tail / (large + tail), near)


def inverse_normal_loss(target: Any) -> Any:
    """Return z with E[(Z - z)+] = target, by Newton on the logarithm (log-concave, so it cannot overshoot twice)."""
    target = np.asarray(target, dtype=np.float64)
    flat = np.ascontiguousarray(target).ravel()
    answer = np.empty_like(flat)
    for start in range(0, flat.size, CHUNK):
        answer[start : start + CHUNK] = _inverse_normal_loss(flat[start : start + CHUNK])
    return answer.reshape(target.shape) if target.ndim else answer[0]


def _inverse_normal_loss(target: NDArray[np.float64]) -> NDArray[np.float64]:
    log_target = np.log(target)
    small = np.sqrt(np.maximum(-2.0 * log_target, 0.0))
    z = np.where(target < 0.1, np.maximum(small - np.log1p(small * small) / np.maximum(small, 1.0) * 0.9, 0.3), 0.4 - target)
    for _ in range(30):
        loss = normal_loss(z)
        step = loss / special.ndtr(-z) * (np.log(loss) - log_target)
        z = z + step
        if np.all(np.abs(step) <= 1e-14 * (1.0 + np.abs(z))):
            break
    return z


def poisson_log_pmf(k: Any, mean: Any) -> Any:
    """Return log P(X = k) by the saddle-point form (Loader 2000), which does not cancel at large means."""
    k, mean = np.broadcast_arrays(np.asarray(k, dtype=np.float64), np.asarray(mean, dtype=np.float64))
    safe = np.maximum(k, 1.0)
    body = -_stirling_error(safe) - _deviance(safe, mean) - 0.5 * np.log(2 * np.pi * safe)
    return np.where(k < 0.5, -mean, body)


def _stirling_error(n: NDArray[np.float64]) -> Any:
    """Return log n! - log(sqrt(2 pi n) (n / e)^n)."""
    m = np.maximum(n, 16.0)
    square = 1.0 / (m * m)
    series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))) / m
    direct = special.gammaln(n + 1.0) - (n + 0.5) * np.log(n) + n - LOG_SQRT_TWO_PI
    return np.where(n < 16.0, direct, series)


def _deviance(x: NDArray[np.float64], mean: NDArray[np.float64]) -> Any:
    """Return x log(x / mean) + mean - x without cancellation near x = mean."""
    mean = np.maximum(mean, 1e-300)
    ratio = (x - mean) / mean
    near = np.abs(ratio) < 0.1
    # x log(x/m) + m - x = m [(1+r) log1p(r) - r]; for small r the bracket is r^2/2 - r^3/6 + ...
    r = np.where(near, ratio, 0.0)
    power, total = r * r, np.zeros_like(r)
    for order in range(2, 18):
        total = total + (-1.0) ** order * power / (order * (order - 1))
        power = power * r
    far = x * (np.log(x) - np.log(mean)) + mean - x
    return np.where(near, mean * total, far)
