"""Listed and sampled demand: a table of quantities, and demand as it was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ecomops.core import Array, Floats, Vector, check
from ecomops.stats.continuous import Gamma, Normal
from ecomops.stats.distribution import Distribution, compound_variance
from ecomops.stats.special import FRACTILE_GUARD

if TYPE_CHECKING:
    from ecomops.stats.distributions import Demand

MAX_EXACT_SUPPORT = 100_000
MAX_EXACT_TABLE = 20_000_000
BLOCK = 1 << 20


class _Listed(Distribution):
    """What a table and a sample share: every expectation is a finite sum."""

    if TYPE_CHECKING:

        @property
        def _support(self) -> Any:
            """Quantities, shape (..., k)."""

        def _average(self, values: Any) -> Any:
            """Return the expectation of values of shape (..., k)."""

    @property
    def mean(self) -> Any:
        """Mean demand per period."""
        return _single(self._average(self._support))

    @property
    def variance(self) -> Any:
        """Variance of demand per period (divided by the number of samples)."""
        return _single(self._average(np.square(self._support - np.asarray(self.mean)[..., None])))

    def _expect(self, function: Callable[[Any], Any], x: Any) -> Any:
        """Return E[function(D - x)], in blocks where one item meets many levels."""
        levels = np.asarray(x, dtype=np.float64)
        width = self._support.shape[-1]
        if self.batch_shape or levels.size * width <= BLOCK:
            return self._average(function(self._support - levels[..., None]))
        flat, rows = levels.reshape(-1, 1), max(1, BLOCK // width)
        parts = [self._average(function(self._support - flat[i : i + rows])) for i in range(0, len(flat), rows)]
        return np.concatenate(parts).reshape(levels.shape)

    def _cdf(self, x: Any) -> Any:
        return np.clip(self._expect(lambda gap: (gap <= 0).astype(np.float64), x), 0.0, 1.0)

    def _sf(self, x: Any) -> Any:
        return np.clip(self._expect(lambda gap: (gap > 0).astype(np.float64), x), 0.0, 1.0)

    def _losses(self, level: Any) -> tuple[Any, Any]:
        lost = self._expect(lambda gap: np.maximum(gap, 0.0), level)
        return lost, self._expect(lambda gap: np.maximum(-gap, 0.0), level)

    def _second_loss(self, level: Any) -> Any:
        return self._expect(lambda gap: np.square(np.maximum(gap, 0.0)), level) / 2.0


class Discrete(_Listed):
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
    """Their probabilities, shape (..., k); they sum to 1 (within 1e-9)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given, chances = self.values.shape[-1], self.probabilities.shape[-1]
        check(given == chances, f"values and probabilities must be equally long, got {given} and {chances}")
        check(np.diff(self.values) > 0, "values must be in ascending order without repeats")
        total = self.probabilities.sum(axis=-1)
        check(np.abs(total - 1.0) <= 1e-9, "probabilities must sum to 1", total)
        return self

    @property
    def _support(self) -> Any:
        return self.values

    def _average(self, values: Any) -> Any:
        return (self.probabilities * values).sum(axis=-1)

    def _quantile(self, probability: Any, rest: Any) -> Any:  # noqa: ARG002 - the tail as a number helps laws with one
        cumulated = self.probabilities.cumsum(axis=-1)
        level = np.asarray(probability) * (1.0 - FRACTILE_GUARD)
        if self.probabilities.ndim == 1:
            place = np.searchsorted(cumulated, np.minimum(level, cumulated[-1]), side="left")
        else:
            place = (cumulated < np.minimum(level[..., None], cumulated[..., -1:])).sum(axis=-1)
        shape = np.broadcast_shapes(place.shape, self.batch_shape)
        return _pick(self.values, np.broadcast_to(place, shape))

    def _over(self, periods: Any, variance: Any) -> Demand:
        if _one_period(periods, variance):
            return self
        return _sum_of(self.values, self.probabilities, periods, variance) or _matched(self, periods, variance)


class Empirical(_Listed):
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
    def _support(self) -> Any:
        return self.samples

    def _average(self, values: Any) -> Any:
        return values.mean(axis=-1)

    def _quantile(self, probability: Any, rest: Any) -> Any:  # noqa: ARG002 - the tail as a number helps laws with one
        ordered = np.sort(self.samples, axis=-1)
        size = ordered.shape[-1]
        place = np.ceil(np.asarray(probability) * size * (1.0 - FRACTILE_GUARD)).astype(np.intp) - 1
        shape = np.broadcast_shapes(place.shape, self.batch_shape)
        return _pick(ordered, np.broadcast_to(np.clip(place, 0, size - 1), shape))

    def _over(self, periods: Any, variance: Any) -> Demand:
        if _one_period(periods, variance):
            return self
        values, chances = _tabulated(self.samples)
        exact = _sum_of(values, chances, periods, variance) if values.size else None
        return exact or _matched(self, periods, variance)


def _one_period(periods: Any, variance: Any) -> bool:
    return bool(np.all(np.asarray(periods) == 1) and not np.any(variance))


def _pick(values: Any, place: NDArray[np.intp]) -> Any:
    if values.ndim == 1:
        return values[place]
    values = np.broadcast_to(values, (*place.shape, values.shape[-1]))
    return np.take_along_axis(values, place[..., None], axis=-1)[..., 0]


def _tabulated(samples: Any) -> tuple[Any, Any]:
    """Return whole samples as (values, probabilities) on one lattice; empty values where they are not whole or too wide."""
    nothing = np.empty(0), np.empty(0)
    if not samples.size or np.any(samples != np.floor(samples)):
        return nothing
    least, most = samples.min(), samples.max()
    width, rows = int(min(most - least, MAX_EXACT_SUPPORT)) + 1, samples.size // samples.shape[-1]
    if width > MAX_EXACT_SUPPORT or width * rows > MAX_EXACT_TABLE:
        return nothing
    cells = (samples - least).astype(np.intp).reshape(rows, -1) + width * np.arange(rows)[:, None]
    counts = np.bincount(cells.ravel(), minlength=width * rows).reshape(*samples.shape[:-1], width)
    return least + np.arange(width), counts / samples.shape[-1]


def _sum_of(values: Any, chances: Any, periods: Any, variance: Any) -> Discrete | None:
    """Convolve exactly over a fixed whole number of periods, the same for all items; None where that is not so."""
    counts = np.unique(np.asarray(periods))
    whole = counts.size == 1 and float(counts[0]).is_integer() and not np.any(variance)
    if not whole or values.ndim > 1 or np.any(values != np.floor(values)):
        return None
    span, times = float(values[-1] - values[0]), int(counts[0])
    rows = chances.size // chances.shape[-1]
    if span * times > MAX_EXACT_SUPPORT or span * times * rows > MAX_EXACT_TABLE:
        return None
    place = (values - values[0]).astype(np.intp)
    shape = np.broadcast_shapes(chances.shape[:-1], np.shape(periods))
    pmf = np.zeros((*chances.shape[:-1], int(span) + 1))
    pmf[..., place] = chances
    total = np.ones((*chances.shape[:-1], 1))
    for _ in range(times):
        total = _convolved(total, pmf)
    kept = (total > 0).reshape(-1, total.shape[-1]).any(axis=0)
    support = values[0] * times + np.flatnonzero(kept).astype(np.float64)
    total = total[..., kept] / total[..., kept].sum(axis=-1, keepdims=True)
    return Discrete(values=support, probabilities=np.broadcast_to(total, (*shape, support.size)))


def _convolved(left: Any, right: Any) -> Any:
    """Convolve the last axes: a loop over the shorter, arrays over the rest."""
    short, long = (left, right) if left.shape[-1] <= right.shape[-1] else (right, left)
    width = long.shape[-1]
    total = np.zeros((*long.shape[:-1], short.shape[-1] + width - 1))
    for shift in range(short.shape[-1]):
        total[..., shift : shift + width] += short[..., shift : shift + 1] * long
    return total


def _matched(one: Discrete | Empirical, periods: Any, variance: Any) -> Demand:
    """Match gamma to mean and variance; normal where demand can be negative."""
    mean = one.mean * periods
    total = compound_variance(one.mean, one.variance, periods, variance)
    lowest = one.values if isinstance(one, Discrete) else one.samples
    sd = np.sqrt(total)
    if np.any(lowest < 0):
        return Normal(mean=mean, sd=sd)
    return Gamma(mean=mean, sd=np.where(np.asarray(mean) > 0, sd, 0.0))


def _single(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value
