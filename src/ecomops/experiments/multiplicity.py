"""Many p-values at once: what is left of each when the whole family counts."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecomops.core import Array, Flags, Fraction, Model, ProbabilityReal, Text, validated

AdjustmentMethod = Literal["bonferroni", "holm", "hochberg", "hommel", "benjamini-hochberg", "benjamini-yekutieli"]


class AdjustedPValues(Model):
    """The p-values of a family, adjusted for its size.

    Examples
    --------
    >>> from ecomops.experiments import adjust_p_values
    >>> adjust_p_values([0.01, 0.04, 0.03]).p_adjusted
    array([0.03, 0.06, 0.06])
    """

    p_value: Fraction
    """The p-values as they were given."""
    p_adjusted: Fraction
    """The smallest level at which the procedure rejects each hypothesis."""
    reject: Flags
    """Whether the adjusted p-value is at most ``level``."""
    level: ProbabilityReal
    """Level at which the error rate is controlled."""
    error_rate: Text
    """What is controlled: "family-wise error rate" or "false discovery rate"."""
    assumption: Text
    """What the p-values must fulfil for that."""
    method: Text
    """The procedure."""


@validated
def adjust_p_values(
    p_values: Fraction, *, method: AdjustmentMethod = "holm", level: ProbabilityReal = 0.05
) -> AdjustedPValues:
    """Adjust the p-values of a family of tests for how many there are.

    Parameters
    ----------
    p_values : array, shape (k,) or (m, k)
        p-values in [0, 1]. The last axis is one family, so (m, k) are m families of k tests each; one number is a family
        of one.
    method : {"holm", "bonferroni", "hochberg", "hommel", "benjamini-hochberg", "benjamini-yekutieli"}
        Holm (never worse than Bonferroni, any dependence); Hochberg and Hommel (more powerful, for independent or
        positively dependent tests); Benjamini-Hochberg (the share of false findings, same condition) and
        Benjamini-Yekutieli (the same under any dependence).
    level : float
        Level at which the error rate is controlled, in (0, 1).

    Returns
    -------
    AdjustedPValues
        Adjusted p-values and decisions, in the shape of ``p_values`` and in their order.

    Raises
    ------
    InputError
        When a p-value is not in [0, 1]; leave out tests that have no answer.

    Notes
    -----
    With p_(1) <= ... <= p_(k): Holm is max_{j<=i} (k - j + 1) p_(j), Hochberg min_{j>=i} (k - j + 1) p_(j),
    Benjamini-Hochberg min_{j>=i} (k / j) p_(j), and Benjamini-Yekutieli that times 1 + 1/2 + ... + 1/k, each at most 1.
    Hommel closes Simes' test: the adjusted p-value is the largest Simes p-value of the sets that hold the hypothesis. It
    costs k log(k)^2 here, the others one sort.

    References
    ----------
    .. [1] Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 65-70.
    .. [2] Hochberg (1988), A sharper Bonferroni procedure, Biometrika 75, 800-802.
    .. [3] Hommel (1988), A stagewise rejective multiple test procedure, Biometrika 75, 383-386.
    .. [4] Benjamini & Hochberg (1995), Controlling the false discovery rate, JRSS B 57, 289-300, section 4.1.
    .. [5] Benjamini & Yekutieli (2001), The control of the false discovery rate under dependency, Ann. Statist. 29, thm 1.3.
    .. [6] Meijer, Krebs & Goeman (2019), Hommel's procedure in linear time, Biometrical Journal 61, 73-82.

    Examples
    --------
    Fifteen tests of a thrombolysis trial: three survive Bonferroni, four Benjamini-Hochberg.

    >>> p_values = [
    ...     0.0001,
    ...     0.0004,
    ...     0.0019,
    ...     0.0095,
    ...     0.0201,
    ...     0.0278,
    ...     0.0298,
    ...     0.0344,
    ...     0.0459,
    ...     0.3240,
    ...     0.4262,
    ...     0.5719,
    ...     0.6528,
    ...     0.7590,
    ...     1.0,
    ... ]
    >>> int(adjust_p_values(p_values, method="bonferroni").reject.sum())
    3
    >>> adjusted = adjust_p_values(p_values, method="benjamini-hochberg")
    >>> int(adjusted.reject.sum()), round(float(adjusted.p_adjusted[3]), 6)
    (4, 0.035625)
    """
    raw = np.asarray(p_values, dtype=np.float64)
    kernel, error_rate, assumption = _PROCEDURES[method]
    adjusted = kernel(raw.reshape((-1, raw.shape[-1] if raw.ndim else 1))).reshape(raw.shape) if raw.size else raw
    return AdjustedPValues(
        p_value=p_values,
        p_adjusted=adjusted,
        reject=adjusted <= level,
        level=level,
        error_rate=error_rate,
        assumption=assumption,
        method=method,
    )


def holm(families: Array) -> Array:
    """Return Holm's adjusted p-values of each row."""
    left = np.arange(families.shape[1], 0, -1.0)
    return _stepped(families, lambda p: np.maximum.accumulate(p * left, axis=1))


def _bonferroni(families: Array) -> Array:
    found: Array = np.minimum(families * families.shape[1], 1.0)
    return found


def _hochberg(families: Array) -> Array:
    left = np.arange(families.shape[1], 0, -1.0)
    return _stepped(families, lambda p: _least_from_the_right(p * left))


def _benjamini_hochberg(families: Array) -> Array:
    k = families.shape[1]
    shares = k / np.arange(1.0, k + 1.0)
    return _stepped(families, lambda p: _least_from_the_right(p * shares))


def _benjamini_yekutieli(families: Array) -> Array:
    k = families.shape[1]
    # Summed from the smallest term, so that a long family keeps its digits.
    shares = k / np.arange(1.0, k + 1.0) * (1.0 / np.arange(k, 0.0, -1.0)).sum()
    return _stepped(families, lambda p: _least_from_the_right(p * shares))


def _hommel(families: Array) -> Array:
    return _stepped(families, _hommel_of_sorted)


def _stepped(families: Array, adjust: Any) -> Array:
    """Sort each row, adjust, and put the answers back in the order of the tests."""
    m, k = families.shape
    # Places in the flat array: take and put by them cost a fifth of their forms along an axis.
    order = np.argsort(families, axis=1) + k * np.arange(m)[:, None]
    answer = np.empty(m * k)
    answer[order.ravel()] = np.minimum(adjust(np.take(families, order)), 1.0).ravel()
    return answer.reshape((m, k))


def _least_from_the_right(values: Array) -> Array:
    found: Array = np.minimum.accumulate(values[:, ::-1], axis=1)[:, ::-1]
    return found


def _hommel_of_sorted(p: Array) -> Array:
    """Return Hommel's adjusted p-values of rows in ascending order.

    Let d_s be the largest Simes p-value of the top u p-values over u >= s: at levels below it some set of at least s true
    hypotheses stands. Then hypothesis i is rejected at a level when, with s the size of the largest such set, s p_i is at
    most the level: the adjusted p-value is the least over s of max(d_{s+1}, s p_i). The first falls and the second rises
    with s, so they cross once.
    """
    m, k = p.shape
    size = np.arange(k, 0, -1.0)  # of the top sets that begin at 0, 1, ...: all, all but the smallest, ...
    simes = size * _least_slopes(p)
    falling = np.maximum.accumulate(simes, axis=1)[:, ::-1]  # d_1, ..., d_k
    following = np.concatenate([falling[:, 1:], np.zeros((m, 1))], axis=1)  # d_{s+1} at s = 1, ..., k
    # The first s with s p_i >= d_{s+1}, by halving; s = k always meets it.
    low, high = np.zeros((m, k), dtype=np.intp), np.full((m, k), k, dtype=np.intp)
    while np.any(high - low > 1):
        middle = (low + high) // 2
        met = middle * p >= np.take_along_axis(following, np.maximum(middle - 1, 0), axis=1)
        low, high = np.where(met, low, middle), np.where(met, middle, high)
    found: Array = np.minimum(high * p, np.take_along_axis(falling, high - 1, axis=1))
    return found


def _least_slopes(p: Array) -> Array:
    """Return min over l > t of p_(l) / (l - t) for t = 0, ..., k - 1, in rows that ascend.

    The l of the minimum never falls as t grows, so every other t is solved between the answers of its neighbours, level by
    level: k log k steps in all, the whole batch at once.
    """
    m, k = p.shape
    best = np.full((m, k), k, dtype=np.intp)
    least = np.empty((m, k))
    stride = 1 << int(k - 1).bit_length()
    while stride:
        t = np.arange(stride - 1, k, 2 * stride)
        if t.size:
            before, after = t - stride, t + stride
            low = np.maximum(np.where(before >= 0, best[:, before], 1), t + 1)
            high = np.where(after < k, best[:, np.minimum(after, k - 1)], k)
            best[:, t], least[:, t] = _least_in_ranges(p, t, low, high)
        stride //= 2
    return least


def _least_in_ranges(
    p: Array, t: NDArray[np.intp], low: NDArray[np.intp], high: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Array]:
    """Return the first l of [low, high] with the least p_(l) / (l - t), and that value, for ranges of any lengths."""
    lengths = (high - low + 1).ravel()
    starts = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) + np.repeat(low.ravel() - starts, lengths)
    row = np.repeat(np.repeat(np.arange(p.shape[0]) * p.shape[1], t.size), lengths)
    slope = p.ravel()[row + place - 1] / (place - np.repeat(np.tile(t, p.shape[0]), lengths))
    least = np.minimum.reduceat(slope, starts)
    hits = np.flatnonzero(slope == np.repeat(least, lengths))
    first = hits[np.searchsorted(hits, starts)]
    return place[first].reshape(low.shape), least.reshape(low.shape)


_POSITIVE = "independent or positively dependent tests"
_PROCEDURES = {
    "bonferroni": (_bonferroni, "family-wise error rate", "none"),
    "holm": (holm, "family-wise error rate", "none"),
    "hochberg": (_hochberg, "family-wise error rate", _POSITIVE),
    "hommel": (_hommel, "family-wise error rate", _POSITIVE),
    "benjamini-hochberg": (_benjamini_hochberg, "false discovery rate", _POSITIVE),
    "benjamini-yekutieli": (_benjamini_yekutieli, "false discovery rate", "none"),
}
