"""Tail probabilities and partial moments of the gamma (and so the Poisson) and the negative binomial law.

One gamma kernel serves two families: a Poisson count with mean m is at least k exactly when a gamma time of shape k is
at most m, so the Poisson's upper tail is the gamma's lower tail and the other way round. Plain kernels on flat arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.stats.special import negative_binomial_pmf, poisson_pmf

LEVELS = 60
GAUSS_LEVELS = 100
# The forward recurrence loses a digit for each standard deviation or so; beyond this many the backward one is used.
FAR_SDS = 2.5

Flat = NDArray[np.float64]


def lower_gamma(shape: Any, x: Any, order: int) -> Any:
    """Return E[((x - G)+)^order] / order! of a unit gamma G with this shape > 0; order 0 is P(G <= x).

    Order 1 with shape k and x = m is the Poisson loss E[(N - k)+] at mean m.

    Notes
    -----
    W_n obeys (n + 1) W_{n+1} = (x - a - n) W_n + x W_{n-1}, with W_{-1} the density: forward near the middle, and by
    positive continued fractions W_n / W_{n-1} = x / (a + n - x + (n + 1) W_{n+1} / W_n) far below it.
    """
    a, x = np.broadcast_arrays(np.asarray(shape, dtype=np.float64), np.asarray(x, dtype=np.float64))
    x = np.maximum(x, 0.0)
    answer = special.gammainc(a, x)
    if order:
        before, density = answer, a * poisson_pmf(a, x)
        answer = np.maximum((x - a) * before + density, 0.0)
        if order > 1:
            answer = np.maximum((x - a - 1.0) * answer + x * before, 0.0) / 2.0
    far = (a > x + FAR_SDS * np.sqrt(x)) & (x > 0)
    if order and far.any():
        answer[far] = _lower_far(a[far], x[far], order)
    return answer


def _lower_far(a: Flat, x: Flat, order: int) -> Any:
    offset = a + LEVELS - x
    ratio = 2.0 * x / (offset + np.sqrt(offset * offset + 4.0 * (LEVELS + 1) * x))
    product = a / x * poisson_pmf(a, x)
    for level in range(LEVELS - 1, -1, -1):
        ratio = x / (a + level - x + (level + 1) * ratio)
        if level <= order:
            product = product * ratio
    return product


def upper_gamma(shape: Any, x: Any, order: int) -> Any:
    """Return E[((G - x)+)^order] / order! of a unit gamma G with this shape > 0, x >= 0; order 0 is P(G > x).

    Order 1 with shape k and x = m is E[(k - N)+] of a Poisson N with mean m.

    Notes
    -----
    Forward: (n + 1) V_{n+1} = (a + n - x) V_n + x V_{n-1}. Far above the mean V_n = x^{a+n} e^{-x} U(n + 1, a + n + 1, x)
    / gamma(a), and Legendre's continued fraction gives the ratios of Tricomi's U in its first parameter.

    References
    ----------
    .. [1] Gautschi, Computational aspects of three-term recurrence relations, SIAM Review 9 (1967).
    .. [2] NIST Digital Library of Mathematical Functions, 13.3.7.
    """
    a, x = np.broadcast_arrays(np.asarray(shape, dtype=np.float64), np.asarray(x, dtype=np.float64))
    answer = special.gammaincc(a, x)
    if order:
        before, density = answer, a * poisson_pmf(a, x)
        answer = np.maximum((a - x) * before + density, 0.0)
        if order > 1:
            answer = np.maximum((a + 1.0 - x) * answer + x * before, 0.0) / 2.0
    far = (x > a + FAR_SDS * np.sqrt(a)) & (x > 3.0)
    if order and far.any():
        answer[far] = _upper_far(a[far], x[far], order)
    return answer


def _upper_far(a: Flat, x: Flat, order: int) -> Any:
    raised = a + order
    offset = x - raised - 1.0
    ratio = 2.0 / (offset + 2.0 * (LEVELS + 1) + np.sqrt(offset * offset + 4.0 * (LEVELS + 1) * (x - 1.0)))
    product = a / x * poisson_pmf(a, x)
    for level in range(LEVELS - 1, -1, -1):
        ratio = 1.0 / (x + 2 * level + 1 - raised - (level + 1) * (level + 1 - raised) * ratio)
        if level <= order:
            product = product * ratio * x
    return product


def upper_negative_binomial(k: Any, size: Any, p: Any, q: Any, order: int) -> Any:
    """Return E[C(N - k, order); N >= k] of a negative binomial N, k >= 1; order 0 is P(N >= k), 1 is E[(N - k)+].

    Notes
    -----
    With f the probabilities and mean m: T_1 = (m - k) T_0 + k f(k) / p and
    2 p T_2 = (p (m - k) + 2 q - 1) T_1 + q (size + k) T_0. Far above the mean T_n = f(k + n) F(n + 1, size + k + n;
    k + n + 1; q), and Gauss's continued fraction gives the ratios.

    References
    ----------
    .. [1] NIST Digital Library of Mathematical Functions, 15.7.5 and 15.8.1.
    """
    k, size, p, q = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (k, size, p, q)))
    answer = special.betainc(k, size, q)
    if not order:
        return answer
    mean = size * q / p
    before = answer
    answer = np.maximum((mean - k) * before + k * negative_binomial_pmf(k, size, p, q) / p, 0.0)
    if order > 1:
        once = (p * (mean - k) + 2.0 * q - 1.0) * answer
        answer = np.maximum(once + q * (size + k) * before, 0.0) / (2.0 * p)
    far = (k > mean + FAR_SDS * np.sqrt(mean / p)) & (k * p > 1.0)
    if far.any():
        answer[far] = _binomial_far(k[far], size[far], p[far], q[far], order)
    return answer


def _binomial_far(k: Flat, size: Flat, p: Flat, q: Flat, order: int) -> Any:
    """Climb from T_0 by T_{n+1} / T_n = f(k+n+1) / f(k+n) / p * F(n+2, b; c+1; w) / F(n+1, b; c; w), w = -q / p.

    The ratio of hypergeometric functions, b = 1 - size and c = k + n + 1, is Gauss's continued fraction.
    """
    answer = special.betainc(k, size, q)
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


def lower_negative_binomial(k: Any, size: Any, p: Any, q: Any, order: int) -> Any:
    """Return P(N < k) (order 0) or E[(k - N)+] (order 1) of a negative binomial N, k >= 1."""
    k, size, p, q = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (k, size, p, q)))
    below = special.betainc(size, k, p)
    if not order:
        return below
    return np.maximum((k - size * q / p) * below + k * negative_binomial_pmf(k, size, p, q) / p, 0.0)
