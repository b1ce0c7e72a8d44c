"""Cumulative sums (CUSUM): how long they run before an alarm, and the threshold for a stated run length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import Array, Floats, InputError, Num, validated
from ecomops.stats.quadrature import unit_gauss_legendre

Alternative: TypeAlias = Literal["two-sided", "greater", "less"]
Threshold: TypeAlias = Annotated[float | Array | Any, Floats(gt=0, le=100)]
Reference: TypeAlias = Annotated[float | Array | Any, Floats(ge=0, le=10)]
Shift: TypeAlias = Annotated[float | Array | Any, Floats(ge=-20, le=20)]
RunLength: TypeAlias = Annotated[float | Array | Any, Floats(gt=1, le=1e9)]
LONGEST = 1e10
HIGHEST = 100.0
OVERSHOOT = 1.166
"""What a sum passes a threshold by, on average, twice over: Siegmund's correction 2 * 0.583."""
BLOCK, LEAST_NODES, STEPS = 64, 16, 60


@validated
def cusum_run_length(
    threshold: Threshold, *, reference: Reference = 0.5, shift: Shift = 0.0, alternative: Alternative = "two-sided"
) -> Num:
    """Return the average run length of a CUSUM: periods until its first alarm.

    Parameters
    ----------
    threshold : float or array
        Decision interval h in standard deviations, in (0, 100].
    reference : float or array
        Reference value k in standard deviations, in [0, 10]: half of the shift that is to be found.
    shift : float or array
        Shift of the mean in standard deviations, in [-20, 20]; 0 gives the run length to a false alarm.
    alternative : {"two-sided", "greater", "less"}
        Whether both sums are watched, or only that of rises or of falls.

    Returns
    -------
    float or array
        Average run length in periods, from sums that begin at 0.

    Raises
    ------
    InputError
        When a run length is beyond 1e10 periods.

    Notes
    -----
    The upper sum is S_t = max(0, S_{t-1} + x_t - k) with an alarm at S_t > h, for independent normal x_t of variance 1. Its
    run length L(u) from S = u solves L(u) = 1 + Phi(k - u - shift) L(0) + int_0^h phi(x + k - u - shift) L(x) dx, which is
    solved at Gauss-Legendre nodes (Brook and Evans's Markov chain with nodes in place of cells). The rates of the two sums
    add: 1 / L = 1 / L_upper + 1 / L_lower.

    References
    ----------
    .. [1] Brook & Evans (1972), An approach to the probability distribution of CUSUM run length, Biometrika 59, 539-549.
    .. [2] Goel & Wu (1971), Determination of A.R.L. and a contour nomogram for CUSUM charts, Technometrics 13, 221-230.
    .. [3] Montgomery (2013), Introduction to Statistical Quality Control, 7th ed., table 9.3 and eq. (9.7).

    Examples
    --------
    Montgomery's table: h = 4 and 5 with k = 1/2, without a shift and with one of 1 standard deviation.

    >>> from ecomops.experiments import cusum_run_length
    >>> cusum_run_length([4, 5]).round(1).tolist(), cusum_run_length([4, 5], shift=1).round(2).tolist()
    ([167.7, 465.4], [8.38, 10.38])
    """
    rate = alarm_rates(threshold, reference, shift, alternative)
    if np.any(rate < 1.0 / LONGEST):
        raise InputError(f"threshold must give a run length of at most {LONGEST:g} periods; lower it")
    return 1.0 / rate


@validated
def cusum_threshold(
    run_length: RunLength, *, reference: Reference = 0.5, alternative: Alternative = "two-sided"
) -> Num:
    """Return the threshold of a CUSUM for a stated average run length to a false alarm.

    Parameters
    ----------
    run_length : float or array
        Average number of periods to a false alarm, in (1, 1e9].
    reference : float or array
        Reference value k in standard deviations, in [0, 10]: half of the shift that is to be found.
    alternative : {"two-sided", "greater", "less"}
        Whether both sums are watched, or only that of rises or of falls.

    Returns
    -------
    float or array
        Decision interval h in standard deviations.

    Raises
    ------
    InputError
        When even a threshold of 0 runs longer, or one of 100 shorter.

    Notes
    -----
    The inverse of `cusum_run_length`.

    References
    ----------
    .. [1] Hawkins (1993), Cumulative sum control charting: an underutilized SPC tool, Quality Engineering 5, 463-477, table 1.

    Examples
    --------
    Hawkins's thresholds for a run length of 370 periods (he prints 1.61 for the last).

    >>> from ecomops.experiments import cusum_threshold
    >>> cusum_threshold(370, reference=[0.25, 0.5, 0.75, 1.0, 1.25, 1.5]).round(2).tolist()
    [8.01, 4.77, 3.34, 2.52, 1.99, 1.6]
    """
    lengths, k = np.broadcast_arrays(np.asarray(run_length, dtype=float), np.asarray(reference, dtype=float))
    sides = 2.0 if alternative == "two-sided" else 1.0
    least = 1.0 / (sides * special.ndtr(-k))
    if np.any(lengths <= least):
        bad = np.unravel_index(int(np.argmin(lengths - least)), least.shape)
        raise InputError(
            f"run_length must be above {least[bad]:.6g}, that of a threshold of 0 with reference {k[bad]:g}, got {lengths[bad]:g}"
        )
    return threshold_of(lengths, lambda h: alarm_rates(h, k, 0.0, alternative))


def threshold_of(run_length: Array, rates: Callable[[Array], Array], tolerance: float = 1e-12) -> Any:
    """Return the threshold at which a rate of alarms, which falls with it, is 1 / run_length (false position on its logarithm)."""
    target = np.log(run_length)
    low, high = np.zeros(target.shape), np.full(target.shape, 1.0)
    while True:
        short = _log_length(rates, high) < target
        if not short.any():
            break
        if np.any(short & (high >= HIGHEST)):
            raise InputError(
                f"run_length must be one that a threshold of at most {HIGHEST:g} can give: find a larger shift, or rest on more periods"
            )
        low = np.where(short, high, low)
        high = np.where(short, np.minimum(high * 1.5 + 1.0, HIGHEST), high)
    under, over = _log_length(rates, low) - target, _log_length(rates, high) - target
    guess = low
    for _ in range(STEPS):
        guess = low - under * (high - low) / (over - under)
        gap = _log_length(rates, guess) - target
        if np.all(np.abs(gap) < tolerance):
            break
        rising = gap < 0
        # Illinois: the end that stays for the second time counts half.
        over, under = np.where(rising, over / 2.0, gap), np.where(rising, gap, under / 2.0)
        low, high = np.where(rising, guess, low), np.where(rising, high, guess)
    return guess


def _log_length(rates: Callable[[Array], Array], threshold: Array) -> Any:
    return -np.log(np.maximum(rates(np.maximum(threshold, 1e-9)), 1.0 / LONGEST))


def alarm_rates(threshold: Any, reference: Any, shift: Any, alternative: Alternative) -> Any:
    """Return alarms per period; 0 where they are rarer than 1e-11."""
    h, k, d = np.broadcast_arrays(*(np.asarray(part, dtype=float) for part in (threshold, reference, shift)))
    rate: Array = np.zeros(h.shape)
    if alternative != "less":
        rate += _upper_rates(h.ravel(), (k - d).ravel()).reshape(h.shape)
    if alternative != "greater":
        rate += _upper_rates(h.ravel(), (k + d).ravel()).reshape(h.shape)
    return rate


def _upper_rates(h: Array, drift: Array) -> Array:
    """Return 1 / L(0) of the upper sum whose steps have mean -drift, in blocks of a bounded size."""
    rate = np.zeros(h.size)
    rows = np.flatnonzero(_log_siegmund(h, drift) < np.log(10.0 * LONGEST))
    rows = rows[np.argsort(h[rows], kind="stable")]
    for begin in range(0, rows.size, BLOCK):
        part = rows[begin : begin + BLOCK]
        # Two nodes a standard deviation integrate a normal density to its last digit.
        nodes = LEAST_NODES + 2 * int(np.ceil(h[part[-1]]))
        rate[part] = 1.0 / _from_zero(h[part, None], drift[part, None], nodes)
    return rate


def _from_zero(h: Array, drift: Array, count: int) -> Array:
    """Return L(0), from the linear equations of L at 0 and at the nodes."""
    points, weights = unit_gauss_legendre(count)
    at = np.concatenate([np.zeros_like(h), h * points], axis=1)
    matrix = np.empty((h.shape[0], count + 1, count + 1))
    away = at[:, None, 1:] + drift[..., None] - at[:, :, None]
    matrix[..., 1:] = -h[..., None] * weights * np.exp(-np.square(away) / 2.0) / np.sqrt(2.0 * np.pi)
    matrix[..., 0] = -special.ndtr(drift - at)
    matrix += np.eye(count + 1)
    found = np.linalg.solve(matrix, np.ones((*at.shape, 1)))[:, 0, 0]
    return np.asarray(found, dtype=np.float64)


def _log_siegmund(h: Array, drift: Array) -> Array:
    """Return the logarithm of Siegmund's run length, near enough to tell which are beyond reach."""
    b = h + OVERSHOOT
    exponent = 2.0 * drift * b
    steep = np.abs(exponent) > 1e-3
    safe = np.where(steep, drift, 1.0)
    near = np.clip(exponent, -700.0, 700.0)
    shallow = np.square(b)
    length = np.where(steep, (np.expm1(near) - near) / (2.0 * np.square(safe)), shallow)
    found: Array = np.log(np.maximum(length, 1.0))
    return found
