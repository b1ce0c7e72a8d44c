"""The exact law of Mann and Whitney's statistic, and ranks among differences that are counted instead of listed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecomops.core import Array

HALVINGS = 64


def rank_sum_law(ties: Array, n1: int, *, step: int) -> Any:
    """Return the probabilities of Mann and Whitney's statistic, given how many units tie at each value.

    Parameters
    ----------
    ties : array, shape (k,)
        Units of both arms at each value, in ascending order.
    n1 : int
        Units in the treatment.
    step : int
        1 to count whole pairs (no ties), 2 to count halves of pairs.

    Returns
    -------
    array, shape (step * n1 * n2 + 1,)
        Probability of each number of (halves of) pairs.

    Notes
    -----
    ways[a, u] counts the ways to deal the values so far with a of them to the treatment and a statistic of u. A value
    with t units that gives j of them to the treatment can do so in C(t, j) ways and adds j times the controls below and
    j (t - j) / 2. Nothing is subtracted, so the tails keep their digits.
    """
    n2 = int(ties.sum()) - n1
    size = step * n1 * n2 + 1
    ways = np.zeros((n1 + 1, size))
    ways[0, 0] = 1.0
    dealt = 0
    for t in ties.astype(int).tolist():
        following = np.zeros_like(ways)
        choices = [float(math.comb(t, j)) for j in range(min(t, n1) + 1)]
        for a in range(max(dealt - n2, 0), min(dealt, n1) + 1):
            below = dealt - a
            for j in range(max(t - (n2 - below), 0), min(t, n1 - a) + 1):
                shift = step * j * below + (step * j * (t - j)) // 2
                following[a + j, shift:] += choices[j] * ways[a, : size - shift]
        ways, dealt = following, dealt + t
    return ways[n1] / ways[n1].sum()


def kth_difference(treatment: Any, control: Any, ranks: Array) -> Any:
    """Return the differences treatment - control of given ranks, 1 to n1 n2, by halving on their number below a level."""
    x, y = treatment.value, control.value
    below = np.concatenate([[0.0], np.cumsum(control.count)])
    total = below[-1]

    def up_to(level: Array) -> Any:
        # x - y <= level holds for the y from x - level on.
        return ((total - below[np.searchsorted(y, x - level[:, None])]) * treatment.count).sum(axis=1)

    # Differences of values that share their leading digits are known no better than this.
    wide = 1e-14 * max(abs(float(x[0])), abs(float(x[-1])), abs(float(y[0])), abs(float(y[-1])))
    low = np.full(ranks.shape, np.nextafter(x[0] - y[-1] - wide, -np.inf))
    high = np.full(ranks.shape, x[-1] - y[0] + wide)
    for _ in range(HALVINGS):
        if not np.any(high - low > wide):
            break
        middle = low + (high - low) / 2
        reached = up_to(middle) >= ranks
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return _next_above(x, y, low)


def _next_above(x: Array, y: Array, low: Array) -> Any:
    """Return the least difference above a level, so that the answer is one of the differences."""
    place = np.searchsorted(y, x - low[:, None]) - 1
    differences = np.where(place >= 0, x - y[np.maximum(place, 0)], np.inf)
    return differences.min(axis=1)
