"""Two by two tables read from counts, and roots of many monotone functions at once: what intervals by inversion need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ecomops.core import Array, ConvergenceError, InputError

STEPS = 200
TOLERANCE = 4e-15


def read_table(
    treatment_successes: Any, treatment_trials: Any, control_successes: Any, control_trials: Any, *others: Any
) -> tuple[tuple[Array, ...], tuple[int, ...]]:
    """Return successes and trials of both arms, and what goes with them, as flat float arrays, and the shape of the batch."""
    given = (treatment_successes, treatment_trials, control_successes, control_trials, *others)
    counts = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in given))
    x1, n1, x2, n2, *rest = (np.array(part).reshape(-1) for part in counts)
    for name, x, n in (("treatment", x1, n1), ("control", x2, n2)):
        if np.any(n < 1):
            raise InputError(f"{name}_trials must be >= 1, got 0; leave out arms without units")
        if np.any(x > n):
            bad = int(np.argmax(x > n))
            raise InputError(f"{name}_successes must be <= {name}_trials, got {x[bad]:g} of {n[bad]:g}")
    return (x1, n1, x2, n2, *rest), counts[0].shape


def falling_crossing(evaluate: Callable[[Array], Any], start: Array, *, stride: float = 1.0) -> Array:
    """Return, per row, where a falling function crosses 0.

    Parameters
    ----------
    evaluate : callable
        From an array of the shape of ``start`` to finite values, falling from above 0 to below it.
    start : array, shape (n,)
        First guess.
    stride : float
        First step when looking for the bracket; it doubles.

    Returns
    -------
    array, shape (n,)
        The roots, to about 14 digits.
    """
    if not start.size:
        return start
    return enclosed_root(evaluate, *_bracket(evaluate, start, stride))


def _bracket(evaluate: Callable[[Array], Any], start: Array, stride: float) -> tuple[Array, Array]:
    low = high = start
    for _ in range(STEPS):
        late, early = evaluate(low) < 0, evaluate(high) > 0
        if not (np.any(late) or np.any(early)):
            return low, high
        low, high = np.where(late, low - stride, low), np.where(early, high + stride, high)
        stride *= 2.0
    raise ConvergenceError(f"crossing of a falling function: none within 2**{STEPS} strides", last=high)


def enclosed_root(evaluate: Callable[[Array], Any], low: Array, high: Array) -> Array:
    """Return the root between two ends of opposite sign by Chandrupatla's method (1997): inverse parabolas, or halving."""
    a, b = low, high
    at_a, at_b = np.asarray(evaluate(a)), np.asarray(evaluate(b))
    share = np.full(a.shape, 0.5)
    for _ in range(STEPS):
        x = a + share * (b - a)
        at_x = np.asarray(evaluate(x))
        same = np.sign(at_x) == np.sign(at_a)
        c, at_c = np.where(same, a, b), np.where(same, at_a, at_b)
        b, at_b = np.where(same, b, a), np.where(same, at_b, at_a)
        a, at_a = x, at_x
        best = np.where(np.abs(at_a) < np.abs(at_b), a, b)
        width = np.abs(b - a)
        least = TOLERANCE * (0.1 + np.abs(best))
        if np.all((width <= 2.0 * least) | (at_a == 0) | (at_b == 0)):
            return best
        share = _next_share(a, b, c, at_a, at_b, at_c)
        limit = np.minimum(least / np.maximum(width, least), 0.5)
        share = np.clip(share, limit, 1.0 - limit)
    raise ConvergenceError(f"root of a monotone function: {STEPS} steps were not enough", last=a)


def _next_share(a: Array, b: Array, c: Array, at_a: Any, at_b: Any, at_c: Any) -> Any:
    # Where two values meet the inverse parabola does not exist, and its quotients are not used.
    with np.errstate(all="ignore"):
        place, level = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
        curved = (level * level < place) & ((1.0 - level) ** 2 < 1.0 - place)
        inverse = at_a / (at_b - at_a) * at_c / (at_b - at_c)
        inverse = inverse + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
        return np.where(curved & np.isfinite(inverse), inverse, 0.5)
