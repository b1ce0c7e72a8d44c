"""Roots of many monotone functions at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core import ConvergenceError

Flat = NDArray[np.float64]
STEPS = 200
RELATIVE = 1e-13
NEWTON_STEPS = 40


def smallest_integer(reached: Callable[..., Any], start: Flat, *parameters: Any, least: float = -np.inf) -> Flat:
    """Return, per row, the smallest integer k >= least with ``reached(k, ...)``, for conditions that hold from some k on.

    Parameters
    ----------
    reached : callable
        ``reached(k, *parameters)`` on flat arrays of equal length; it is only asked about the rows still open.
    start : array, shape (n,)
        A first guess, best within 1 of the answer.
    *parameters : array
        Shape (n,) or (1,), or with rows along the first axis.
    least : float
        No answer lies below this.

    Returns
    -------
    array, shape (n,)
        The integers.
    """

    def ask(k: Flat, rows: NDArray[np.intp]) -> Any:
        return reached(k, *(value if len(value) == 1 else value[rows] for value in parameters)) & (k >= least)

    low = np.floor(np.maximum(start, least))
    high = low.copy()
    met = np.asarray(ask(low, np.arange(low.size)))
    _stride(ask, np.flatnonzero(~met), low, high, 1.0)
    _stride(ask, np.flatnonzero(met), high, low, -1.0)
    rows = np.flatnonzero(high - low > 1.0)
    while rows.size:
        middle = np.floor((low[rows] + high[rows]) / 2.0)
        fits = np.asarray(ask(middle, rows))
        high[rows[fits]] = middle[fits]
        low[rows[~fits]] = middle[~fits]
        rows = rows[high[rows] - low[rows] > 1.0]
    return high


def _stride(ask: Any, rows: NDArray[np.intp], near: Flat, beyond: Flat, sign: float) -> None:
    """Move ``beyond`` away in doubling strides until the condition turns, keeping ``near`` on the side it turned from."""
    stride = 1.0
    for _ in range(STEPS):
        if not rows.size:
            return
        beyond[rows] = near[rows] + sign * stride
        turned = np.asarray(ask(beyond[rows], rows)) == (sign > 0)
        rows = rows[~turned]
        near[rows] = beyond[rows]
        stride *= 2.0
    message = f"no integer meets the condition within 2**{STEPS} of the guess"
    raise ConvergenceError(message, last=beyond)


def falling_root(evaluate: Callable[[Flat], tuple[Any, Any]], target: Any, start: Flat, scale: Any) -> Flat:
    """Return, per row, where a positive falling function comes down to its target; on a stretch at the target, any point.

    Newton on the logarithm (one-sided and quick for log-concave functions), kept inside a bracket that it narrows, and
    bisection where Newton would leave it.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(x)`` returns the values and the slopes (<= 0), on flat arrays.
    target : array
        Positive.
    start, scale : array, shape (n,)
        A first guess, and a length to stride by when looking for the bracket.

    Returns
    -------
    array, shape (n,)
        The roots, to about 1e-13 relative.
    """
    low, high = _bracket(evaluate, target, start, scale)
    x = np.clip(start, low, high)
    for count in range(STEPS):
        value, slope = evaluate(x)
        under = value <= target
        high, low = np.where(under, x, high), np.where(under, low, x)
        usable = (value > 0) & (slope < 0)
        step = np.where(
            usable,
            np.log(np.where(usable, value, 1.0) / target) * value / np.where(usable, -slope, 1.0),
            np.inf,
        )
        guess = x + np.where(usable, step, 0.0)
        inside = usable & (guess > low) & (guess < high) & (count < NEWTON_STEPS)
        following = np.where(inside, guess, low + (high - low) / 2.0)
        tolerance = RELATIVE * (np.abs(x) + scale)
        done = (high - low <= tolerance) | (usable & (np.abs(step) <= tolerance))
        if done.all():
            return np.where(usable & (np.abs(step) <= tolerance), np.clip(guess, low, high), high)
        x = np.where(done, x, following)
    message = f"root of a falling function: {STEPS} steps were not enough"
    raise ConvergenceError(message, last=x)


def _bracket(evaluate: Callable[[Flat], tuple[Any, Any]], target: Any, start: Flat, scale: Any) -> tuple[Flat, Flat]:
    low = high = start
    span = scale + np.zeros_like(start)
    for _ in range(STEPS):
        over = evaluate(high)[0] > target
        short = evaluate(low)[0] <= target
        if not (over.any() or short.any()):
            return low, high
        low, high = np.where(short, low - span, low), np.where(over, high + span, high)
        span = span * 2.0
    message = f"root of a falling function: no sign change within 2**{STEPS} scales of the guess"
    raise ConvergenceError(message, last=high)
