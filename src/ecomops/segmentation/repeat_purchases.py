"""How often one who is active buys over a horizon: the mean over the dropout probability, to ten digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Flat = NDArray[np.float64]

ROUNDING = 1e-12
"""Relative error that 2F1 may have."""
WANTED = 1e-10
"""Relative error from which on quadrature takes over."""
SMALL_A = 0.2
"""Below this the mass at p = 0 is taken out before quadrature: p^(a - 1) is too long a tail in the logit."""
TAIL = 45.0
"""Natural logs of the density at which the quadrature ends."""
NODES = 2000
BLOCK = 1 << 20
TERMS, FALL = 22, 0.2
"""The power series takes this many terms where each is at most this share of the one before."""


def mean_repeat_purchases(r: Any, alpha: Any, a: float, b: Any, t: float) -> Any:
    """Return the expected purchases over a time t of a customer with gamma(r, alpha) rate and beta(a, b) dropout.

    Parameters
    ----------
    r, alpha, b : float or array
        They broadcast; > 0.
    a : float
        > 0.
    t : float
        Time, in the unit of ``alpha``.

    Notes
    -----
    E over p ~ beta(a, b) of g(p) = (1 - (1 + p t / alpha)^-r) / p. Closed form (Fader, Hardie & Lee 2005, eq. 9):
    (a + b - 1) / (a - 1) [1 - (alpha / (alpha + t))^r 2F1(r, b; a + b - 1; t / (alpha + t))]. It cancels near a = 1, over
    short horizons and where dropout is rare, and 2F1 overflows far out: a power series or quadrature does those rows.
    """
    rows = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (r, t / np.asarray(alpha), b)))
    shape = rows[0].shape
    r, s, b = (np.ravel(row) for row in rows)
    answer = np.empty_like(r)
    quick = np.maximum(_fall(0, r, s, a, b), _fall(TERMS, r, s, a, b)) <= FALL
    answer[quick] = _series(r[quick], s[quick], a, b[quick])
    rest = np.flatnonzero(~quick)
    closed, error = _closed(r[rest], s[rest], a, b[rest])
    good = (closed > 0) & (closed <= r[rest] * s[rest]) & (error <= WANTED * closed)
    answer[rest[good]] = closed[good]
    poor = rest[~good]
    if poor.size:
        answer[poor] = _by_quadrature(r[poor], s[poor], a, b[poor])
    return answer.reshape(shape)[()]


def _fall(k: int, r: Flat, s: Flat, a: float, b: Flat) -> Any:
    """Return by how much term k + 1 of the power series is smaller than term k."""
    return s * (r + 1.0 + k) * (a + k) / ((a + b + k) * (k + 2.0))


def _series(r: Flat, s: Flat, a: float, b: Flat) -> Any:
    """Return r s 3F2(r + 1, a, 1; a + b, 2; -s): g is completely monotone in p, so the error is below the first term left out."""
    term = r * s
    total = term.copy()
    for k in range(TERMS):
        term = -term * _fall(k, r, s, a, b)
        total += term
    return total


def _closed(r: Flat, s: Flat, a: float, b: Flat) -> tuple[Flat, Flat]:
    """Return the closed form and a bound on its rounding; nothing is good enough for a = 1."""
    if a == 1.0:
        return np.zeros_like(r), np.ones_like(r)
    with np.errstate(all="ignore"):
        factor = (a + b - 1.0) / (a - 1.0)
        lost = np.exp(-r * np.log1p(s)) * special.hyp2f1(r, b, a + b - 1.0, s / (1.0 + s))
        return factor * (1.0 - lost), ROUNDING * np.abs(factor) * (1.0 + np.abs(lost))


def _by_quadrature(r: Flat, s: Flat, a: float, b: Flat) -> Flat:
    """Integrate over the logit of p. With a small a: E g = g(0) + a / (a + b) E' (g(p) - g(0)) / p, E' under beta(a + 1, b)."""
    shifted = a < SMALL_A
    whole = r * s
    if not shifted:
        return _logit_mean(_g, r, s, a, b)
    answer, weight = whole.copy(), a / (a + b)
    # |g(p) - g(0)| / p <= r (r + 1) s^2 / 2: often the second term does not count.
    counts = weight * (r + 1.0) * s > 1e-15
    if counts.any():
        fall = _logit_mean(_slope, r[counts], s[counts], a + 1.0, b[counts])
        answer[counts] += weight[counts] * fall
    return answer


def _g(p: Flat, r: Flat, s: Flat) -> Any:
    """Return (1 - (1 + p s)^-r) / p."""
    return -np.expm1(-r * np.log1p(p * s)) / p


def _slope(p: Flat, r: Flat, s: Flat) -> Any:
    """Return (g(p) - g(0)) / p, by its series in p s where that is small."""
    x = p * s
    near = (r + 3.0) * x < 1e-3
    series = 1.0 - (r + 2.0) / 3.0 * x * (1.0 - (r + 3.0) / 4.0 * x * (1.0 - (r + 4.0) / 5.0 * x))
    series = series * (-0.5 * r * (r + 1.0) * s * s)
    return np.where(near, series, (_g(p, r, s) - r * s) / p)


def _logit_mean(function: Any, r: Flat, s: Flat, a: float, b: Flat) -> Flat:
    """Return the mean of a function of p ~ beta(a, b) by the trapezoidal rule in u, logit p = centre + sd sinh(u)."""
    centre, sd = np.log(a / b), np.sqrt(1.0 / a + 1.0 / b)
    reach = np.arcsinh(np.maximum(TAIL / (sd * np.minimum(a, b)), 12.0))
    # The function bends where r p s = 1; there the nodes must be 1/4 apart in the logit, and elsewhere 1/4 sd.
    bend = np.minimum(np.abs(np.log(np.maximum(r * s, 1.0)) + centre), sd * np.sinh(reach))
    step = np.minimum(0.06, 0.25 / np.hypot(sd, bend))
    order = np.argsort(reach / step, kind="stable")
    answer = np.empty_like(r)
    start = 0
    while start < order.size:
        # Rows that need about as many nodes go together.
        count = int(min(np.ceil(2.0 * (reach / step)[order[start]] * 1.5), NODES)) | 1
        fits = 2.0 * (reach / step)[order] <= count
        stop = max(int(fits.sum()), start + 1) if count < NODES else order.size
        stop = min(stop, start + max(BLOCK // count, 1))
        rows = order[start:stop]
        answer[rows] = _trapezoid(function, r[rows], s[rows], a, b[rows], centre[rows], sd[rows], reach[rows], count)
        start = stop
    return answer


def _trapezoid(
    function: Any, r: Flat, s: Flat, a: float, b: Flat, centre: Flat, sd: Flat, reach: Flat, count: int
) -> Any:
    u = reach[:, None] * np.linspace(-1.0, 1.0, count)
    logit = centre[:, None] + sd[:, None] * np.sinh(u)
    with np.errstate(under="ignore"):
        log_p = special.log_expit(logit)
        log_density = a * log_p + b[:, None] * special.log_expit(-logit)
        # Divided by its own sum: the logarithm of the beta function has eight digits where b is huge.
        density = np.exp(log_density - log_density.max(axis=1, keepdims=True)) * np.cosh(u)
        p = np.maximum(np.exp(log_p), np.finfo(float).tiny)
        return (density * function(p, r[:, None], s[:, None])).sum(axis=1) / density.sum(axis=1)
