"""Tail probabilities and partial moments of the gamma (and so the Poisson) and the negative binomial law.

One gamma kernel serves two families: a Poisson count with mean m is at least k exactly when a gamma time of shape k is
at most m, so the Poisson's upper tail is the gamma's lower tail and the other way round. Plain kernels on flat arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.stats.special import (
    LOG_SQRT_TWO_PI,
    deviance,
    negative_binomial_pmf,
    poisson_pmf,
    signed_ndtri,
)

LEVELS = 60
GAUSS_LEVELS = 100
# From this shape on gamma tails come from their uniform expansion: the series behind `gammainc` stops too early there.
LARGE_SHAPE = 1e5
# Its first two coefficients as Taylor series in eta, highest power first.
TEMME = (
    (-571 / 261273600, 1 / 25515, -139 / 777600, 1 / 2835, 1 / 864, -2 / 135, 1 / 12, -1 / 3),
    (1 / 4860, -77 / 77760, 1 / 378, -1 / 288, -1 / 540),
)
# The forward recurrence loses a digit for each standard deviation or so; beyond this many the backward one is used.
FAR_SDS = 2.5

Flat = NDArray[np.float64]


def lower_gamma(shape: Any, x: Any, order: int, gap: Any = None) -> Any:
    """Return E[((x - G)+)^order] / order! of a unit gamma G with this shape > 0; order 0 is P(G <= x).

    Order 1 with shape k and x = m is the Poisson loss E[(N - k)+] at mean m. A caller who knows x - shape with more digits
    than the two numbers hold passes it as ``gap``.

    Notes
    -----
    W_n obeys (n + 1) W_{n+1} = (x - a - n) W_n + x W_{n-1}, with W_{-1} the density: forward near the middle, and by
    positive continued fractions W_n / W_{n-1} = x / (a + n - x + (n + 1) W_{n+1} / W_n) far below it.
    """
    a, x, gap = _flat(shape, x, gap)
    answer = _gamma_tail(a, x, gap, lower=True)
    if not order:
        return answer
    before, density = answer, a * poisson_pmf(a, x, -gap)
    answer = np.maximum(gap * before + density, 0.0)
    if order > 1:
        answer = np.maximum((gap - 1.0) * answer + x * before, 0.0) / 2.0
    far = (-gap > FAR_SDS * np.sqrt(x)) & (x > 0)
    if far.any():
        answer[far] = _lower_far(a[far], x[far], gap[far], order)
    return answer


def _flat(shape: Any, x: Any, gap: Any) -> tuple[Any, ...]:
    a, x = np.asarray(shape, dtype=np.float64), np.maximum(x, 0.0)
    return np.broadcast_arrays(a, x, x - a if gap is None else gap)


def _lower_far(a: Flat, x: Flat, gap: Flat, order: int) -> Any:
    offset = LEVELS - gap
    ratio = 2.0 * x / (offset + np.hypot(offset, np.sqrt(4.0 * (LEVELS + 1) * x)))
    # The density is a / x pmf; its 1 / x and the x of the last ratio cancel, and need not overflow.
    product = a * poisson_pmf(a, x, -gap)
    for level in range(LEVELS - 1, -1, -1):
        below = level - gap + (level + 1) * ratio
        ratio = x / below
        if level <= order:
            product = product * ratio if level else product / below
    return product


def upper_gamma(shape: Any, x: Any, order: int, gap: Any = None) -> Any:
    """Return E[((G - x)+)^order] / order! of a unit gamma G with this shape > 0, x >= 0; order 0 is P(G > x).

    Order 1 with shape k and x = m is E[(k - N)+] of a Poisson N with mean m. ``gap`` is as in `lower_gamma`.

    Notes
    -----
    Forward: (n + 1) V_{n+1} = (a + n - x) V_n + x V_{n-1}. Far above the mean V_n = x^{a+n} e^{-x} U(n + 1, a + n + 1, x)
    / gamma(a), and Legendre's continued fraction gives the ratios of Tricomi's U in its first parameter.

    References
    ----------
    .. [1] Gautschi, Computational aspects of three-term recurrence relations, SIAM Review 9 (1967).
    .. [2] NIST Digital Library of Mathematical Functions, 13.3.7.
    """
    a, x, gap = _flat(shape, x, gap)
    answer = _gamma_tail(a, x, gap, lower=False)
    if not order:
        return answer
    before, density = answer, a * poisson_pmf(a, x, -gap)
    answer = np.maximum(density - gap * before, 0.0)
    if order > 1:
        answer = np.maximum((1.0 - gap) * answer + x * before, 0.0) / 2.0
    far = (gap > FAR_SDS * np.sqrt(a)) & (x > 3.0)
    if far.any():
        answer[far] = _upper_far(a[far], x[far], gap[far], order)
    return answer


def _upper_far(a: Flat, x: Flat, gap: Flat, order: int) -> Any:
    raised, offset = a + order, gap - (order + 1.0)
    ratio = 2.0 / (offset + 2.0 * (LEVELS + 1) + np.hypot(offset, np.sqrt(4.0 * (LEVELS + 1) * (x - 1.0))))
    product = a / x * poisson_pmf(a, x, -gap)
    for level in range(LEVELS - 1, -1, -1):
        ratio = 1.0 / (gap + (2 * level + 1 - order) - (level + 1) * (level + 1 - raised) * ratio)
        if level <= order:
            product = product * ratio * x
    return product


def _gamma_tail(a: Flat, x: Flat, gap: Flat, *, lower: bool) -> Any:
    """Return P(G <= x) or P(G > x) of a unit gamma G.

    Notes
    -----
    For large shapes Q = Phi(-z) + pdf(z) / sqrt(a) (c_0(eta) + c_1(eta) / a) with z^2 / 2 the deviance of a at x and
    eta = z / sqrt(a) (NIST Digital Library of Mathematical Functions, 8.12.3 to 8.12.11).
    """
    large = a >= LARGE_SHAPE
    answer = np.empty(a.shape)
    answer[~large] = (special.gammainc if lower else special.gammaincc)(a[~large], x[~large])
    if large.any():
        a, x, gap = a[large], x[large], gap[large]
        half = deviance(a, np.maximum(x, 1e-12 * a), -gap)
        z = np.copysign(np.sqrt(2.0 * half), gap)
        # Beyond |z| = 40 nothing is left of the tail, and the series need not hold.
        eta = np.clip(z, -40.0, 40.0) / np.sqrt(a)
        first, second = (np.polyval(coefficients, eta) for coefficients in TEMME)
        skew = np.exp(-half - LOG_SQRT_TWO_PI) * (first + second / a) / np.sqrt(a)
        answer[large] = special.ndtr(z) - skew if lower else special.ndtr(-z) + skew
    return answer


def large_gamma_quantile(shape: Any, probability: Any, rest: Any) -> Any:
    """Return q - shape for the quantile q of a unit gamma of large shape: Newton on the logarithm of the smaller tail."""
    a, p, rest = np.broadcast_arrays(shape, probability, rest)
    low = p <= rest
    tail = np.minimum(p, rest)
    z = signed_ndtri(p, rest)
    eta = z / np.sqrt(a)
    gap = a * eta * (1.0 + eta * (1 / 3 + eta / 36))
    for _ in range(4):
        x = a + gap
        found = np.where(low, _gamma_tail(a, x, gap, lower=True), _gamma_tail(a, x, gap, lower=False))
        density = a / x * poisson_pmf(a, x, -gap)
        gap = gap + np.where(low, 1.0, -1.0) * np.log(tail / found) * found / density
    return gap


def upper_negative_binomial(k: Any, size: Any, p: Any, q: Any, order: int, gap: Any = None) -> Any:
    """Return E[C(N - k, order); N >= k] of a negative binomial N, k > 0; order 0 is P(N >= k), 1 is E[(N - k)+].

    A caller who knows k - mean with more digits than size q / p holds passes it as ``gap``.

    Notes
    -----
    With f the probabilities and mean m: T_1 = (m - k) T_0 + k f(k) / p and
    2 p T_2 = (p (m - k) + 2 q - 1) T_1 + q (size + k) T_0. Far above the mean T_n = f(k + n) F(n + 1, size + k + n;
    k + n + 1; q), and Gauss's continued fraction gives the ratios.

    References
    ----------
    .. [1] NIST Digital Library of Mathematical Functions, 15.7.5 and 15.8.1.
    """
    gap = k - size * q / p if gap is None else gap
    k, size, p, q, gap = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (k, size, p, q, gap)))
    answer = _binomial_tail(k, size, p, q)
    if not order:
        return answer
    before = answer
    answer = np.maximum(k * negative_binomial_pmf(k, size, p, q, gap) / p - gap * before, 0.0)
    if order > 1:
        once = (2.0 * q - 1.0 - p * gap) * answer
        answer = np.maximum(once + q * (size + k) * before, 0.0) / (2.0 * p)
    far = (gap > FAR_SDS * np.sqrt(size * q) / p) & ((k * p > 1.0) | (q < 0.5))
    if far.any():
        answer[far] = _binomial_far(k[far], size[far], p[far], q[far], order)
    return answer


def _binomial_far(k: Flat, size: Flat, p: Flat, q: Flat, order: int) -> Any:
    """Climb from T_0 by T_{n+1} / T_n = f(k+n+1) / f(k+n) / p * F(n+2, b; c+1; w) / F(n+1, b; c; w), w = -q / p.

    The ratio of hypergeometric functions, b = 1 - size and c = k + n + 1, is Gauss's continued fraction.
    """
    answer = _binomial_tail(k, size, p, q)
    odds = q / p
    for step in range(order):
        c = k + step + 1.0
        tail = np.ones_like(k)
        for level in range(GAUSS_LEVELS, -1, -1):
            even = (
                odds
                * (step + 2.0 + level)
                * (k + step + size + 1.0 + level)
                / ((c + 2 * level + 1) * (c + 2 * level + 2))
            )
            odd = odds * (1.0 - size + level) * (k + level) / ((c + 2 * level) * (c + 2 * level + 1))
            tail = 1.0 + odd / (1.0 + even / tail)
        answer = answer * odds * (size + k + step) / ((k + step + 1.0) * tail)
    return answer


def _binomial_tail(k: Flat, size: Flat, p: Flat, q: Flat) -> Any:
    """Return P(N >= k) by the smaller of p and q: it holds the digits."""
    return np.where(q < p, special.betainc(k, size, np.minimum(q, 0.5)), special.betaincc(size, k, np.minimum(p, 0.5)))


def lower_negative_binomial(k: Any, size: Any, p: Any, q: Any, order: int, gap: Any = None) -> Any:
    """Return P(N < k) (order 0) or E[(k - N)+] (order 1) of a negative binomial N, k > 0, with ``gap`` as above.

    Notes
    -----
    With B a beta variable of parameters k and size, T_1 = (k + size) / p E[(q - B)+] and E[(k - N)+] = (k + size) / p
    E[(B - q)+]. So the lower side is the upper one with k and size, p and q exchanged, times q / p.
    """
    gap = k - size * q / p if gap is None else gap
    mirrored = upper_negative_binomial(size, k, q, p, order, -gap * (p / q))
    return mirrored * (q / p) if order else mirrored
