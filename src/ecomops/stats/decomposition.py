"""What each factor of a product contributed to its change."""

from __future__ import annotations

import numpy as np

from ecomops.core import Array
from ecomops.stats.quadrature import unit_gauss_legendre


def shapley_of_product(before: Array, after: Array) -> Array:
    """Return the Shapley contribution of each factor to the change of their product; the last axis holds the factors.

    The Shapley value is the integral of the gradient along the straight line from before to after (Owen 1972, Multilinear
    extensions of games, Management Science 18, P64-P79, theorem 5), here of a polynomial: half as many Gauss-Legendre nodes
    as factors make it exact. Zeros need no care, and the contributions add up to the change.
    """
    gap = after - before
    mean_of_rest, _ = _means_of_rest(before, after)
    contribution: Array = gap * mean_of_rest
    return contribution


def shapley_variances(before: Array, after: Array, before_variance: Array, after_variance: Array) -> Array:
    """Return the variances of the contributions to first order, for factors that are estimated independently."""
    gap = after - before
    mean_of_rest, (by_after, by_before) = _means_of_rest(before, after)
    own = np.square(mean_of_rest) * (before_variance + after_variance)
    cross = np.square(gap)[..., :, None] * (
        np.square(by_after) * after_variance[..., None, :] + np.square(by_before) * before_variance[..., None, :]
    )
    variance: Array = own + cross.sum(axis=-1)
    return variance


def _means_of_rest(before: Array, after: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return the mean of the product of all other factors along the line, and its slopes in the ends of each of those."""
    size = before.shape[-1]
    nodes, weights = unit_gauss_legendre(size // 2 + 1)
    other = ~np.eye(size, dtype=bool)
    both = other[:, None, :] & other[None, :, :]
    rest = np.zeros(before.shape)
    by_after, by_before = np.zeros((*before.shape, size)), np.zeros((*before.shape, size))
    for node, weight in zip(nodes, weights, strict=True):
        point = before + node * (after - before)
        rest += weight * np.where(other, point[..., None, :], 1.0).prod(axis=-1)
        slope = np.where(both, point[..., None, None, :], 1.0).prod(axis=-1) * other
        by_after += weight * node * slope
        by_before += weight * (1.0 - node) * slope
    return rest, (by_after, by_before)
