"""Exact laws of how units split over arms: binomial for one arm against the rest, multinomial for all arms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.core import Array

TIE = 1e-7
SCANNED = 400
"""Counts beyond the expected one that are looked through; those after them have no weight."""
MOST_SPLITS = 20_000
"""Splits of the units over the arms up to which the multinomial law is summed."""
BLOCK = 1 << 12


def binomial_p_values(seen: Array, total: Array, share: Array) -> Array:
    """Return two-sided exact p-values, shape (m,): all counts that are no more likely than the one seen."""
    swapped = share > 0.5
    seen, share = np.where(swapped, total - seen, seen), np.where(swapped, 1.0 - share, share)
    found = np.empty(seen.size)
    for begin in range(0, seen.size, BLOCK):
        part = slice(begin, begin + BLOCK)
        found[part] = _binomial(seen[part, None], total[part, None], share[part, None])
    return found


def _binomial(seen: Array, total: Array, share: Array) -> Array:
    last = np.minimum(total, np.ceil(total * share) + SCANNED)
    k = np.arange(last.max(initial=0.0) + 1.0)
    inside = k <= last
    safe = np.minimum(k, last)
    log_pmf = _log_pmf(safe, total, share)
    unlikely = inside & (log_pmf <= _log_pmf(np.minimum(seen, last), total, share) + TIE)
    beyond = np.where(last < total, special.betainc(last + 1.0, np.maximum(total - last, 0.5), share), 0.0)
    answer = (np.exp(log_pmf) * unlikely).sum(axis=1) + beyond[:, 0]
    far = special.betainc(np.maximum(seen, 0.5), total - seen + 1.0, share)[:, 0]
    found: Array = np.minimum(np.where((seen > last)[:, 0], far, answer), 1.0)
    return found


def _log_pmf(k: Array, total: Array, share: Array) -> Array:
    found: Array = (
        special.xlogy(k, share)
        + special.xlog1py(total - k, -share)
        - np.log(total + 1.0)
        - special.betaln(total - k + 1.0, k + 1.0)
    )
    return found


def has_few_splits(total: Array, arms: int) -> NDArray[np.bool_]:
    """Tell whether there are few enough splits of units over arms to sum them all."""
    count = special.gammaln(total + arms) - special.gammaln(total + 1.0) - special.gammaln(arms)
    return np.asarray(count <= np.log(MOST_SPLITS))


def multinomial_p_values(units: Array, shares: Array) -> Array:
    """Return exact p-values of splits, shape (m, k): all splits of as many units that are no more likely.

    The law is made once for each number of units.
    """
    totals = units.sum(axis=1)
    constants = special.gammaln(totals + 1.0)
    own = constants + (special.xlogy(units, shares) - special.gammaln(units + 1.0)).sum(axis=1)
    found = np.empty(totals.size)
    for total in np.unique(totals):
        rows = np.flatnonzero(totals == total)
        law = np.sort(_all_splits(int(total), shares) + special.gammaln(total + 1.0))
        cumulated = np.cumsum(np.exp(law))
        found[rows] = cumulated[np.searchsorted(law, own[rows] + TIE, side="right") - 1]
    return np.minimum(found, 1.0)


def _all_splits(total: int, shares: Array) -> NDArray[np.float64]:
    """Return the log probability of each split, less that of the factorial of the total; arms are added one by one."""
    left, log_pmf = np.array([total]), np.zeros(1)
    for share in shares[:-1]:
        choices = left + 1
        place = np.repeat(np.arange(left.size), choices)
        taken = np.arange(place.size) - np.repeat(np.cumsum(choices) - choices, choices)
        log_pmf = log_pmf[place] + special.xlogy(taken, share) - special.gammaln(taken + 1.0)
        left = left[place] - taken
    found: Any = log_pmf + special.xlogy(left, shares[-1]) - special.gammaln(left + 1.0)
    return np.asarray(found)
