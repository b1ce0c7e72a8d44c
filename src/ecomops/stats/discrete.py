"""Poisson, negative binomial, listed and sampled demand: quantities that are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import model_validator
from scipy import special

from ecomops.core import Array, Floats, NonNegative, Vector, check
from ecomops.stats.continuous import Gamma, Normal
from ecomops.stats.distribution import Distribution, compound_variance
from ecomops.stats.special import FRACTILE_GUARD, poisson_pmf

if TYPE_CHECKING:
    from ecomops.stats.distributions import Demand

POISSON_LIMIT = 1e-9
MAX_EXACT_SUPPORT = 100_000
SERIES_TERMS = 200_000


class _Counted(Distribution):
    """What Poisson and negative binomial share; both give their tail and the tails of their factorial moments."""

    if TYPE_CHECKING:

        def _tail(self, k: Any, order: int) -> Any:
            """Return E[D (D-1) ... (D-order+1); D > k]."""

        def _head(self, k: Any, order: int) -> Any:
            """Return E[D (D-1) ... (D-order+1); D <= k]."""

    def _cdf(self, x: Any) -> Any:
        return np.clip(self._head(np.floor(x), 0), 0.0, 1.0)

    def _sf(self, x: Any) -> Any:
        return np.clip(self._tail(np.floor(x), 0), 0.0, 1.0)

    def _quantile(self, probability: Any) -> Any:
        start = cornish_fisher(self.mean, self.variance, probability)
        return smallest(lambda k: self._head(k, 0), lambda k: self._tail(k, 0), probability, start)

    def _loss(self, level: Any) -> Any:
        floor = np.floor(level)
        return np.maximum(self._tail(floor, 1) - level * self._tail(floor, 0), 0.0)

    def _lower_loss(self, level: Any) -> Any:
        floor = np.floor(level)
        return np.maximum(level * self._head(floor, 0) - self._head(floor, 1), 0.0)

    def _second_loss(self, level: Any) -> Any:
        floor = np.floor(level)
        once = self._tail(floor, 1)
        squares = self._tail(floor, 2) + once
        return np.maximum(squares - 2 * level * once + level * level * self._tail(floor, 0), 0.0) / 2


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
    """Mean demand per period, units."""

    @property
    def variance(self) -> Any:
        """Variance of demand per period: the mean."""
        return self.mean

    def _tail(self, k: Any, order: int) -> Any:
        shifted = k - order
        inside = special.gammainc(np.maximum(shifted, 0.0) + 1.0, self.mean)
        return self.mean**order * np.where(shifted < 0, 1.0, inside)

    def _head(self, k: Any, order: int) -> Any:
        shifted = k - order
        inside = special.gammaincc(np.maximum(shifted, 0.0) + 1.0, self.mean)
        return self.mean**order * np.where(shifted < 0, 0.0, inside)

    def _loss(self, level: Any) -> Any:
        """Sum the positive series above the mean, where the difference of two tails would cancel."""
        level, mean = np.broadcast_arrays(np.asarray(level, dtype=np.float64), np.asarray(self.mean))
        answer = np.array(super()._loss(level), dtype=np.float64)
        deep = (level > mean + 3.0 * np.sqrt(mean)) & (mean > 0)
        if deep.any():
            answer[deep] = _poisson_tail_loss(level[deep], mean[deep])
        return answer

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
    """Mean demand per period, units."""
    variance: NonNegative
    """Variance of demand per period, units squared; at least the mean."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        enough = np.asarray(self.variance >= self.mean * (1 - POISSON_LIMIT))
        rule = "variance must be >= mean (use Poisson, or Normal, for demand that is less variable)"
        check(enough, rule, self.variance, self.mean)
        return self

    def _split(self) -> tuple[Any, Any, Any, Any]:
        """Return where the demand is overdispersed, the size, p and q with safe values elsewhere."""
        excess = self.variance - self.mean
        over = np.asarray(excess > POISSON_LIMIT * self.mean)
        safe = np.where(over, excess, 1.0)
        mean = np.where(over, self.mean, 1.0)
        return over, mean * mean / safe, mean / (mean + safe), safe / (mean + safe)

    def _tail(self, k: Any, order: int) -> Any:
        over, size, p, q = self._split()
        shifted = k - order
        inside = special.betainc(np.maximum(shifted, 0.0) + 1.0, size + order, q)
        factor = special.poch(size, order) * (q / p) ** order if order else 1.0
        own = factor * np.where(shifted < 0, 1.0, inside)
        return np.where(over, own, Poisson(mean=self.mean)._tail(k, order))  # noqa: SLF001 - its limit

    def _head(self, k: Any, order: int) -> Any:
        over, size, p, q = self._split()
        shifted = k - order
        inside = special.betainc(size + order, np.maximum(shifted, 0.0) + 1.0, p)
        factor = special.poch(size, order) * (q / p) ** order if order else 1.0
        own = factor * np.where(shifted < 0, 0.0, inside)
        return np.where(over, own, Poisson(mean=self.mean)._head(k, order))  # noqa: SLF001 - its limit

    def _over(self, periods: Any, variance: Any) -> Demand:
        total = compound_variance(self.mean, self.variance, periods, variance)
        return NegativeBinomial(mean=self.mean * periods, variance=total)


class Discrete(Distribution):
    """Demand by a list of quantities and their probabilities.

    Examples
    --------
    >>> Discrete(values=[0, 1, 5], probabilities=[0.5, 0.3, 0.2]).loss(1)
    0.8
    >>> Discrete(values=[0, 1], probabilities=[0.5, 0.5])
    Discrete(values=[0, 1], probabilities=[0.5, 0.5])
    """

    kind: Literal["Discrete"] = "Discrete"
    values: Vector
    """Quantities in ascending order, shape (..., k)."""
    probabilities: Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
    """Their probabilities, shape (..., k); they sum to 1."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given, chances = self.values.shape[-1], self.probabilities.shape[-1]
        check(given == chances, f"values and probabilities must be equally long, got {given} and {chances}")
        check(np.diff(self.values) > 0, "values must be in ascending order without repeats")
        total = self.probabilities.sum(axis=-1)
        check(np.abs(total - 1.0) <= 1e-9, "probabilities must sum to 1", total)
        return self

    @property
    def mean(self) -> Any:
        """Mean demand per period."""
        return _single((self.values * self.probabilities).sum(axis=-1))

    @property
    def variance(self) -> Any:
        """Variance of demand per period."""
        centred = self.values - np.asarray(self.mean)[..., None]
        return _single((self.probabilities * centred * centred).sum(axis=-1))

    def _expect(self, function: Callable[[Any], Any], x: Any) -> Any:
        return (self.probabilities * function(self.values - np.asarray(x)[..., None])).sum(axis=-1)

    def _cdf(self, x: Any) -> Any:
        return np.clip(self._expect(lambda gap: gap <= 0, x), 0.0, 1.0)

    def _sf(self, x: Any) -> Any:
        return np.clip(self._expect(lambda gap: gap > 0, x), 0.0, 1.0)

    def _quantile(self, probability: Any) -> Any:
        cumulated = self.probabilities.cumsum(axis=-1)
        level = np.asarray(probability)[..., None] * (1 - FRACTILE_GUARD)
        place = np.minimum((cumulated < level).sum(axis=-1), self.values.shape[-1] - 1)
        values = np.broadcast_to(self.values, (*place.shape, self.values.shape[-1]))
        return np.take_along_axis(values, place[..., None], axis=-1)[..., 0]

    def _loss(self, level: Any) -> Any:
        return self._expect(lambda gap: np.maximum(gap, 0.0), level)

    def _lower_loss(self, level: Any) -> Any:
        return self._expect(lambda gap: np.maximum(-gap, 0.0), level)

    def _second_loss(self, level: Any) -> Any:
        return self._expect(lambda gap: np.square(np.maximum(gap, 0.0)), level) / 2

    def _over(self, periods: Any, variance: Any) -> Demand:
        return _sum_of(self, periods, variance)


class Empirical(Distribution):
    """Demand as it was seen: every sample is equally likely.

    Examples
    --------
    >>> Empirical(samples=[0, 2, 0, 5, 3]).quantile(0.8)
    3.0
    >>> Empirical(samples=[0, 2, 0, 5, 3])
    Empirical(samples=[0, 2, 0, 5, 3])
    """

    kind: Literal["Empirical"] = "Empirical"
    samples: Vector
    """Demand per period, shape (..., m)."""

    @property
    def mean(self) -> Any:
        """Mean demand per period."""
        return _single(self.samples.mean(axis=-1))

    @property
    def variance(self) -> Any:
        """Variance of demand per period, divided by the number of samples."""
        return _single(self.samples.var(axis=-1))

    def _cdf(self, x: Any) -> Any:
        return (self.samples <= np.asarray(x)[..., None]).mean(axis=-1)

    def _sf(self, x: Any) -> Any:
        return (self.samples > np.asarray(x)[..., None]).mean(axis=-1)

    def _quantile(self, probability: Any) -> Any:
        ordered = np.sort(self.samples, axis=-1)
        size = ordered.shape[-1]
        place = np.ceil(np.asarray(probability) * size * (1 - FRACTILE_GUARD)).astype(np.intp) - 1
        place = np.broadcast_to(place, np.broadcast_shapes(place.shape, ordered.shape[:-1]))
        ordered = np.broadcast_to(ordered, (*place.shape, size))
        return np.take_along_axis(ordered, np.clip(place, 0, size - 1)[..., None], axis=-1)[..., 0]

    def _loss(self, level: Any) -> Any:
        return np.maximum(self.samples - np.asarray(level)[..., None], 0.0).mean(axis=-1)

    def _lower_loss(self, level: Any) -> Any:
        return np.maximum(np.asarray(level)[..., None] - self.samples, 0.0).mean(axis=-1)

    def _second_loss(self, level: Any) -> Any:
        return np.square(np.maximum(self.samples - np.asarray(level)[..., None], 0.0)).mean(axis=-1) / 2

    def _over(self, periods: Any, variance: Any) -> Demand:
        if np.all(np.asarray(periods) == 1) and not np.any(variance) and np.ndim(periods) == 0:
            return self
        if self.samples.ndim > 1:
            return _matched(self, periods, variance)
        values, counts = np.unique(self.samples, return_counts=True)
        return _sum_of(Discrete(values=values, probabilities=counts / counts.sum()), periods, variance)


def cornish_fisher(mean: Any, variance: Any, probability: Any) -> Any:
    """Return a first guess of a quantile of a count from its first moments."""
    sd = np.sqrt(variance)
    safe = np.where(np.asarray(sd) > 0, sd, 1.0)
    skewness = (2 * variance / np.where(np.asarray(mean) > 0, mean, 1.0) - 1) / safe
    z = special.ndtri(probability)
    return np.maximum(np.floor(mean + sd * (z + skewness * (z * z - 1) / 6)), 0.0)


def smallest(cdf: Any, sf: Any, probability: Any, start: Any) -> Any:
    """Return the smallest integer k >= 0 with F(k) >= probability, stepping out from a guess in doubling strides.

    Ties within 1e-12 relative go to the smaller integer; the tail is compared where it has more digits.
    """
    level = np.asarray(probability * (1 - FRACTILE_GUARD))
    rest = np.asarray((1 - probability) * (1 + FRACTILE_GUARD))

    def reached(k: Any) -> Any:
        return np.where(level < 0.5, cdf(k) >= level, sf(k) <= rest) & (k >= 0)

    high = np.array(np.broadcast_arrays(start, level, cdf(start))[0], dtype=np.float64)
    stride = np.ones_like(high)
    while not (enough := reached(high)).all():
        high = np.where(enough, high, high + stride)
        stride = np.where(enough, stride, 2 * stride)
    low, stride = high - 1.0, np.ones_like(high)
    while (more := reached(low)).any():
        high = np.where(more, low, high)
        low = np.where(more, np.maximum(low - stride, -1.0), low)
        stride = 2 * stride
    while (wide := high - low > 1).any():
        middle = np.floor((high + low) / 2)
        fits = reached(middle)
        high = np.where(wide & fits, middle, high)
        low = np.where(wide & ~fits, middle, low)
    return high


def _poisson_tail_loss(level: Any, mean: Any) -> Any:
    """Return sum over j >= 1 of (j - level + floor) f(floor + j): all terms positive."""
    floor = np.floor(level)
    part = level - floor
    term = poisson_pmf(floor + 1.0, mean)
    total = (1.0 - part) * term
    for step in range(2, SERIES_TERMS):
        term = term * mean / (floor + step)
        added = (step - part) * term
        total = total + added
        if np.all(added <= 1e-17 * total):
            break
    return total


def _sum_of(one: Discrete, periods: Any, variance: Any) -> Demand:
    """Convolve exactly over a fixed whole number of periods on a lattice; match two moments otherwise."""
    fixed = np.ndim(periods) == 0 and not np.any(variance) and float(periods).is_integer()
    values, chances = one.values, one.probabilities
    if not fixed or values.ndim > 1 or chances.ndim > 1 or np.any(values != np.floor(values)):
        return _matched(one, periods, variance)
    least, most, times = int(values[0]), int(values[-1]), int(periods)
    if (most - least) * times > MAX_EXACT_SUPPORT:
        return _matched(one, periods, variance)
    pmf = np.bincount((values - least).astype(np.intp), weights=chances)
    total = np.ones(1)
    for _ in range(times):
        total = np.convolve(total, pmf)
    kept = total > 0
    support = least * times + np.flatnonzero(kept).astype(np.float64)
    return Discrete(values=support, probabilities=total[kept] / total[kept].sum())


def _matched(one: Discrete | Empirical, periods: Any, variance: Any) -> Demand:
    """Match gamma to mean and variance; normal where demand can be negative or does not vary."""
    mean = one.mean * periods
    total = compound_variance(one.mean, one.variance, periods, variance)
    lowest = one.values if isinstance(one, Discrete) else one.samples
    if np.any(lowest < 0) or np.any(np.asarray(total) <= 0) or np.any(np.asarray(mean) <= 0):
        return Normal(mean=mean, sd=np.sqrt(total))
    return Gamma(mean=mean, sd=np.sqrt(total))


def _single(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value
