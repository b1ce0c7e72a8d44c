"""Poisson and negative binomial demand: quantities that are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import NonNegative, check
from ecomops.stats.distribution import Distribution, compound_variance
from ecomops.stats.partial_moments import (
    lower_gamma,
    lower_negative_binomial,
    upper_gamma,
    upper_negative_binomial,
)
from ecomops.stats.roots import smallest_integer
from ecomops.stats.special import FRACTILE_GUARD, in_chunks, signed_ndtri

if TYPE_CHECKING:
    from ecomops.stats.distributions import Demand

POISSON_LIMIT = 1e-9


class _Counted(Distribution):
    """What Poisson and negative binomial share: whole quantities, described by mean and variance.

    A kernel of partial moments is asked at whole k: above, E[C(D - k, order); D >= k]; below, P(D < k) or E[(k - D)+].
    """

    def _cdf(self: Any, x: Any) -> Any:
        def kernel(level: Any, mean: Any, variance: Any) -> Any:
            return _below(np.floor(level) + 1.0, mean, variance, 0)

        return in_chunks(kernel, x, self.mean, self.variance)

    def _sf(self: Any, x: Any) -> Any:
        def kernel(level: Any, mean: Any, variance: Any) -> Any:
            return _above(np.floor(level) + 1.0, mean, variance, 0)

        return in_chunks(kernel, x, self.mean, self.variance)

    def _quantile(self: Any, probability: Any, rest: Any) -> Any:
        return in_chunks(_quantiles, probability, rest, self.mean, self.variance)

    def _losses(self: Any, level: Any) -> tuple[Any, Any]:
        lost, left = in_chunks(_losses, level, self.mean, self.variance)
        return lost, left

    def _second_loss(self: Any, level: Any) -> Any:
        return in_chunks(_second_losses, level, self.mean, self.variance)


class Poisson(_Counted):
    """Poisson demand; a mean of 0 is no demand.

    Examples
    --------
    >>> round(Poisson(mean=6).sf(8), 6)
    0.152763
    >>> Poisson(mean=[1, 6])
    Poisson(mean=[1, 6])
    """

    kind: Literal["Poisson"] = "Poisson"
    mean: NonNegative
    """Mean demand per period, units; 0 is no demand."""

    @property
    def variance(self) -> Any:
        """Variance of demand per period: the mean."""
        return self.mean

    def _over(self, periods: Any, variance: Any) -> Demand:
        mean = self.mean * periods
        if not np.any(variance):
            return Poisson(mean=mean)
        return NegativeBinomial(mean=mean, variance=compound_variance(self.mean, self.mean, periods, variance))


class NegativeBinomial(_Counted):
    """Negative binomial demand by mean and variance; variance = mean is its Poisson limit.

    Examples
    --------
    >>> round(NegativeBinomial(mean=4, variance=24).loss(15), 6)
    0.209118
    >>> NegativeBinomial(mean=4, variance=24)
    NegativeBinomial(mean=4, variance=24)
    """

    kind: Literal["NegativeBinomial"] = "NegativeBinomial"
    mean: NonNegative
    """Mean demand per period, units; 0 (with variance 0) is no demand."""
    variance: NonNegative
    """Variance of demand per period, units squared; at least the mean, and within 1e-9 of it a Poisson law."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        enough = np.asarray(self.variance >= self.mean * (1 - POISSON_LIMIT))
        rule = "variance must be >= mean (use Poisson, or Normal, for demand that is less variable)"
        check(enough, rule, self.variance, self.mean)
        held = (np.asarray(self.mean) > 0) | (np.asarray(self.variance) == 0)
        check(held, "variance must be 0 where mean is 0", self.variance)
        return self

    def _over(self, periods: Any, variance: Any) -> Demand:
        total = compound_variance(self.mean, self.variance, periods, variance)
        return NegativeBinomial(mean=self.mean * periods, variance=total)


def _above(k: Any, mean: Any, variance: Any, order: int) -> Any:
    """Return E[C(D - k, order); D >= k] on flat arrays of whole k; order at most 1 where k <= 0."""
    k, mean, variance = np.broadcast_arrays(k, mean, variance)
    poisson, inside = _masks(k, mean, variance)
    answer = np.where(k <= 0, np.maximum(mean - k, 0.0) if order else 1.0, 0.0)
    here = inside & poisson
    if here.any():
        answer[here] = lower_gamma(k[here], mean[here], order)
    here = inside & ~poisson
    if here.any():
        gap = (k - mean)[here]
        answer[here] = upper_negative_binomial(k[here], *_shape(mean[here], variance[here]), order, gap)
    return answer


def _below(k: Any, mean: Any, variance: Any, order: int) -> Any:
    """Return P(D < k) or E[(k - D)+] on flat arrays of whole k."""
    k, mean, variance = np.broadcast_arrays(k, mean, variance)
    poisson, inside = _masks(k, mean, variance)
    answer = np.where(k <= 0, 0.0, k if order else 1.0)
    here = inside & poisson
    if here.any():
        answer[here] = upper_gamma(k[here], mean[here], order)
    here = inside & ~poisson
    if here.any():
        gap = (k - mean)[here]
        answer[here] = lower_negative_binomial(k[here], *_shape(mean[here], variance[here]), order, gap)
    return answer


def _masks(k: Any, mean: Any, variance: Any) -> tuple[Any, Any]:
    return variance - mean <= POISSON_LIMIT * mean, (k > 0) & (mean > 0)


def _shape(mean: Any, variance: Any) -> tuple[Any, Any, Any]:
    """Return size, p and q of the negative binomial with these moments."""
    excess = variance - mean
    return mean * (mean / excess), mean / variance, excess / variance


def _losses(level: Any, mean: Any, variance: Any) -> tuple[Any, Any]:
    """Take the smaller of the two losses by its kernel, the other by E[(D - S)+] - E[(S - D)+] = mean - S."""
    level, mean, variance = np.broadcast_arrays(level, mean, variance)
    gap = level - mean
    tail = np.empty_like(gap)
    up = gap >= 0
    for here, kernel in ((up, _shortage), (~up, _leftover)):
        if here.any():
            tail[here] = kernel(level[here], mean[here], variance[here])
    return tail + np.maximum(-gap, 0.0), tail + np.maximum(gap, 0.0)


def _shortage(level: Any, mean: Any, variance: Any) -> Any:
    """Return sum over i >= 0 of (i + w) P(D = K + i) with K = ceil(S), w = K - S: all terms positive."""
    k = np.ceil(level)
    answer = _above(k, mean, variance, 1)
    between = k > level
    if between.any():
        rest = _above(k[between], mean[between], variance[between], 0)
        answer[between] += (k - level)[between] * rest
    return answer


def _leftover(level: Any, mean: Any, variance: Any) -> Any:
    """Return E[(K - D)+] + w P(D <= K) with K = floor(S), w = S - K."""
    k = np.floor(level)
    answer = _below(k, mean, variance, 1)
    between = k < level
    if between.any():
        rest = _below(k[between] + 1.0, mean[between], variance[between], 0)
        answer[between] += (level - k)[between] * rest
    return answer


def _second_losses(level: Any, mean: Any, variance: Any) -> Any:
    """Return E[((D - S)+)^2] / 2 = T_2 + (1/2 + w) T_1 + w^2 T_0 / 2 at K = floor(S) + 1, w = K - S."""
    level, mean, variance = np.broadcast_arrays(level, mean, variance)
    k = np.floor(level) + 1.0
    w = k - level
    whole = (variance + np.square(mean - level)) / 2.0
    inside = k > 0
    safe = np.where(inside, k, 1.0)
    zero, once, twice = (_above(safe, mean, variance, order) for order in range(3))
    return np.where(inside, twice + (0.5 + w) * once + w * w * zero / 2.0, whole)


def _quantiles(probability: Any, rest: Any, mean: Any, variance: Any) -> Any:
    """Return the smallest k with F(k) >= probability up to 1e-12 relative, compared in the tail that has more digits."""
    probability, rest, mean, variance = np.broadcast_arrays(probability, rest, mean, variance)
    # A tail that was got from the probability is known to that one's last digit only.
    slack = np.where(rest == 1.0 - probability, 2.0**-52, 0.0)
    level, limit = probability * (1.0 - FRACTILE_GUARD), rest * (1.0 + FRACTILE_GUARD) + slack

    def reached(k: Any, level: Any, limit: Any, mean: Any, variance: Any) -> Any:
        low = level < 0.5
        answer = np.empty(k.shape, dtype=bool)
        answer[low] = _below(k[low] + 1.0, mean[low], variance[low], 0) >= level[low]
        high = ~low
        answer[high] = _above(k[high] + 1.0, mean[high], variance[high], 0) <= limit[high]
        return answer

    return smallest_integer(
        reached, _cornish_fisher(probability, rest, mean, variance), level, limit, mean, variance, least=0.0
    )


def _cornish_fisher(probability: Any, rest: Any, mean: Any, variance: Any) -> Any:
    """Return a first guess from mean, variance and the skewness (2 variance / mean - 1) / sd, with a half for rounding."""
    moving = mean > 0
    sd = np.sqrt(variance)
    skewness = (2.0 * variance / np.where(moving, mean, 1.0) - 1.0) / np.where(moving, sd, 1.0)
    z = signed_ndtri(probability, rest)
    guess = np.ceil(mean + sd * (z + skewness * (z * z - 1.0) / 6.0) - 0.5)
    # Far out the two-term expansion of a very skewed law turns round; the search starts from the body then.
    return np.clip(guess, 0.0, mean + 40.0 * (sd + 1.0))
