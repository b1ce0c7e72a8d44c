"""Moments of the arms of many random splits of one set of units, and the difference of each: the arithmetic of A/A tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import Array
from ecomops.experiments.adjusted.regression import LEAST_PIVOT, ROUNDING

SPLITS_AT_ONCE = 128
UNITS_AT_ONCE = 4096
"""Block of the mask: 4 MB of floats, which stays in the cache of one core."""
LEVELS = 65536


def split_moments(rows: Array, splits: int, share: float, rng: Any) -> tuple[Array, Array, Array]:
    """Return units, means and centred co-moments of both arms of random splits, treatment first.

    Parameters
    ----------
    rows : array, shape (n, k)
        Columns of the units.
    splits : int
        Number of splits s.
    share : float
        Probability that a unit falls to the treatment, each by itself.
    rng : numpy.random.Generator
        Generator.

    Returns
    -------
    tuple of array
        Shapes (s, 2), (s, 2, k) and (s, 2, k, k). An arm without units has zeros.

    Notes
    -----
    Sums of 1, x_i and x_i x_j over the treatment are one product of a 0/1 mask (splits x units) with a matrix of these
    products (units x moments); the control has the rest of the totals. Columns are centred and scaled first, so that
    neither the products nor the rest lose digits.
    """
    # One layout, so that equal rows give equal bits.
    rows = np.ascontiguousarray(rows)
    centre = rows.mean(axis=0)
    apart = rows - centre
    most = np.abs(apart).max(axis=0)
    scale = np.where(most > 0, most, 1.0)
    apart = apart / scale
    # The mean of what is left is rounding; it moves into the centre.
    rest = apart.mean(axis=0)
    apart -= rest
    centre = centre + scale * rest
    size = rows.shape[1]
    one, two = np.triu_indices(size)
    features = np.concatenate([np.ones((1, len(rows))), apart.T, apart.T[one] * apart.T[two]])
    of_treatment = _masked_sums(features, splits, share, rng)
    both = np.stack([of_treatment, features.sum(axis=1) - of_treatment], axis=1)
    n = np.round(both[..., 0])
    safe = np.maximum(n, 1.0)
    sums = both[..., 1 : size + 1]
    products = np.empty((splits, 2, size, size))
    products[..., one, two] = products[..., two, one] = both[..., size + 1 :]
    comoments = products - sums[..., :, None] * sums[..., None, :] / safe[..., None, None]
    diagonal = np.einsum("saii->sai", comoments)
    diagonal[...] = np.maximum(diagonal, 0.0)
    means = centre + scale * sums / safe[..., None]
    return n, means, comoments * np.outer(scale, scale)


def _masked_sums(features: Array, splits: int, share: float, rng: Any) -> Array:
    """Return the sums of features (m, n) over the units of the treatment, shape (splits, m), in blocks."""
    found = np.zeros((splits, len(features)))
    mask = np.empty((UNITS_AT_ONCE, SPLITS_AT_ONCE))
    for start in range(0, splits, SPLITS_AT_ONCE):
        for first in range(0, features.shape[1], UNITS_AT_ONCE):
            part = features[:, first : first + UNITS_AT_ONCE]
            block = mask[: part.shape[1]]
            block[...] = _coins(part.shape[1], share, rng)
            stop = min(start + SPLITS_AT_ONCE, splits)
            found[start:stop] += (part @ block).T[: stop - start]
    return found


def _coins(units: int, share: float, rng: Any) -> Any:
    """Return independent 0s and 1s, 1 with probability ``share``, shape (units, SPLITS_AT_ONCE)."""
    if share == 0.5:
        bits = np.frombuffer(rng.bytes(units * SPLITS_AT_ONCE // 8), dtype=np.uint8)
        return np.unpackbits(bits.reshape(units, -1), axis=1)
    # Sixteen bits decide nearly always; where they tie with those of the share, a float decides by what is left of it.
    whole, rest = divmod(share * LEVELS, 1.0)
    draws = rng.integers(0, LEVELS, (units, SPLITS_AT_ONCE), dtype=np.uint16)
    heads = draws < whole
    tie = draws == whole
    heads[tie] = rng.random(int(tie.sum())) < rest
    return heads


def split_differences(
    n: Array, means: Array, comoments: Array, *, covariates: int, variance: str
) -> tuple[Any, Any, Any, Any]:
    """Return value, standard error and degrees of freedom of the difference of each split, and where there is one.

    Parameters
    ----------
    n, means, comoments : array, shapes (s, 2), (s, 2, k) and (s, 2, k, k)
        As from `split_moments`: a column or the two of a ratio, then the covariates.
    covariates : int
        How many of the last columns are covariates.
    variance : {"welch", "pooled", "normal"}
        As for `difference`, whose arithmetic this is, one split a row.

    Returns
    -------
    tuple of array
        Each of shape (s,). A split has an answer where both arms have 2 units, denominators > 0, and covariates that vary.
    """
    size = means.shape[-1] - covariates
    form, level, known = _linear(n, means, size)
    spread = np.einsum("saij,sai,saj->sa", comoments[..., :size, :size], form, form)
    apart = np.einsum("saii,sai->sa", comoments[..., :size, :size], np.square(form))
    left = np.where(spread > ROUNDING * apart, spread, 0.0)
    value, leverage = level[:, 0] - level[:, 1], np.zeros(len(n))
    if covariates:
        shared = np.einsum("saik,sai->sak", comoments[..., :size, size:], form)
        slopes, inverse, regular = _slopes(comoments[..., size:, size:], shared)
        known &= regular
        gap = means[:, 0, size:] - means[:, 1, size:]
        explained = np.einsum("sakl,sk,sl->sa", comoments[..., size:, size:], slopes, slopes)
        rest = spread - 2.0 * np.einsum("sak,sk->sa", shared, slopes) + explained
        left = np.where(rest > ROUNDING * (spread + explained), rest, 0.0)
        value = value - np.einsum("sk,sk->s", slopes, gap)
        leverage = np.einsum("sk,skl,sl->s", gap, inverse, gap)
    total, freedom = _errors(n, left, leverage, covariates, variance)
    known &= freedom > 0
    freedom = np.where(known, freedom, 1.0)
    return np.where(known, value, 0.0), np.sqrt(np.where(known, total, 0.0)), freedom, known


def _errors(n: Array, left: Array, leverage: Array, covariates: int, variance: str) -> tuple[Array, Array]:
    """Return the variance of each difference and its degrees of freedom."""
    inner = np.maximum(n - 1.0, 1.0)
    if variance == "pooled":
        freedom = n.sum(axis=1) - 2.0 - covariates
        common = left.sum(axis=1) / np.maximum(freedom, 1.0)
        return common * ((1.0 / np.maximum(n, 1.0)).sum(axis=1) + leverage), freedom
    errors = left / inner / np.maximum(n, 1.0)
    total = errors.sum(axis=1)
    if variance == "normal":
        return total, np.full(len(n), np.inf)
    share = np.where(total > 0, errors[:, 0] / np.where(total > 0, total, 1.0), 0.5)
    return total, 1.0 / (share * share / inner[:, 0] + np.square(1.0 - share) / inner[:, 1])


def _linear(n: Array, means: Array, size: int) -> tuple[Any, Any, Any]:
    """Return the linear form of the metric in its columns, its level, and where it exists."""
    known: Any = (n >= 2).all(axis=1)
    if size == 1:
        return np.ones((*n.shape, 1)), means[..., 0], known
    bottom = means[..., 1]
    known &= (bottom > 0).all(axis=1)
    bottom = np.where(known[:, None], bottom, 1.0)
    ratio = means[..., 0] / bottom
    return np.stack([1.0 / bottom, -ratio / bottom], axis=-1), ratio, known


def _slopes(own: Array, shared: Array) -> tuple[Any, Any, Any]:
    """Return the slopes pooled within the arms, the inverse of the covariates' squares, and where they can be told apart."""
    squares = own.sum(axis=1)
    diagonal = np.einsum("skk->sk", squares)
    varies = (diagonal > 0).all(axis=1)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    correlation = squares / (scale[:, :, None] * scale[:, None, :])
    regular = varies & (np.linalg.eigvalsh(correlation)[:, 0] > LEAST_PIVOT)
    correlation = np.where(regular[:, None, None], correlation, np.eye(scale.shape[1]))
    inverse = np.linalg.inv(correlation) / (scale[:, :, None] * scale[:, None, :])
    return np.einsum("skl,sl->sk", inverse, shared.sum(axis=1)), inverse, regular
