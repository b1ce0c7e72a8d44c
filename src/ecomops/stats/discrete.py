"""Listed and sampled demand: a table of quantities, and demand as it was seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ecomops.core import Array, Floats, Vector, check
from ecomops.stats.continuous import Gamma, Normal
from ecomops.stats.distribution import Distribution, compound_variance
from ecomops.stats.rules import require
from ecomops.stats.special import FRACTILE_GUARD

if TYPE_CHECKING:
    from ecomops.stats.distributions import Demand

MAX_EXACT_SUPPORT = 100_000
MAX_EXACT_TABLE = 20_000_000
BLOCK = 1 << 20
# Parts of a unit whose multiples are summed exactly, coarsest first, and how far from a multiple a float may be.
LATTICES = (1.0, 2.0, 4.0, 10.0)
ROUNDING = 2.0**-50
FARTHEST_STEP = 2.0**40
TABLE, ITSELF, NORMAL, GAMMA = range(4)
MIXED = (
    "items need different families over the lead time (an exact table, or two moments as gamma, or as normal where demand "
    "can be negative); split the batch"
)


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
        return _total(self, self.probabilities, periods, variance)


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
        return _total(self, np.ones(1), periods, variance)


def _pick(values: Any, place: NDArray[np.intp]) -> Any:
    if values.ndim == 1:
        return values[place]
    values = np.broadcast_to(values, (*place.shape, values.shape[-1]))
    return np.take_along_axis(values, place[..., None], axis=-1)[..., 0]


def _total(one: Discrete | Empirical, weights: Any, periods: Any, variance: Any) -> Demand:
    """Return demand over the periods, each item as it would be alone; a batch is one family, so mixed ones are refused."""
    shape = np.broadcast_shapes(one.batch_shape, np.shape(periods), np.shape(variance))
    times, uncertain = (np.broadcast_to(value, shape).reshape(-1) for value in (periods, variance))
    single = (times == 1) & (uncertain == 0)
    if single.all() and shape == one.batch_shape:
        return one
    support, weights = np.broadcast_arrays(one._support, weights)  # noqa: SLF001 - of the two laws of this module
    width = support.shape[-1]
    support, weights = support.reshape(-1, width), weights.reshape(-1, width)
    rows = np.broadcast_to(np.arange(len(support)).reshape(one.batch_shape), shape).reshape(-1)
    items = _on_lattices(support, weights)
    reach = np.maximum(items.steps, 1.0)[rows] * times
    exact = (times == np.floor(times)) & (uncertain == 0) & (items.unit[rows] > 0) & (reach <= MAX_EXACT_SUPPORT)
    negative = ((support < 0) & (weights > 0)).any(axis=-1)[rows]
    family = np.select([exact, single, negative], [TABLE, ITSELF, NORMAL], GAMMA).reshape(shape)
    first = family.reshape(-1)[0] if family.size else GAMMA
    require(family == first, MIXED)
    if first == TABLE:
        return _summed(items, support, weights, times, rows, shape)
    if first == ITSELF:
        return _repeated(one, shape)
    mean, total = one.mean * periods, compound_variance(one.mean, one.variance, periods, variance)
    if first == NORMAL:
        return Normal(mean=mean, sd=np.sqrt(total))
    return Gamma(mean=mean, sd=np.where(np.asarray(mean) > 0, np.sqrt(total), 0.0))


class _Lattices(NamedTuple):
    """Where each row's quantities lie: (start + 0, 1, ..., steps) / unit; unit is 0 where they are on no lattice."""

    unit: Any
    start: Any
    steps: Any


def _on_lattices(support: Any, weights: Any) -> _Lattices:
    """Find the coarsest lattice of each row; quantities without probability do not count."""
    held = weights > 0
    near = np.clip(support, -FARTHEST_STEP, FARTHEST_STEP)
    unit = np.zeros(len(support))
    for parts in LATTICES[::-1]:
        scaled = near * parts
        fits = (np.abs(scaled - np.rint(scaled)) <= ROUNDING * np.abs(scaled)) & (np.abs(scaled) < FARTHEST_STEP)
        unit[(fits | ~held).all(axis=-1)] = parts
    place = np.rint(near * unit[:, None])
    start, end = np.where(held, place, np.inf).min(axis=-1), np.where(held, place, -np.inf).max(axis=-1)
    return _Lattices(unit, start, end - start)


def _summed(items: _Lattices, support: Any, weights: Any, times: Any, rows: Any, shape: tuple[int, ...]) -> Discrete:
    """Convolve the rows over whole numbers of periods: the sums of all counts come from one chain of convolutions."""
    width = int((items.steps[rows] * times).max()) + 1
    room = max(width * rows.size, (int(items.steps.max()) + 1) * len(support))
    require(room <= MAX_EXACT_TABLE, "items have exact tables that are too large together; pass fewer items at a time")
    single = _tabulated(items, support, weights)
    sums = np.zeros((rows.size, width))
    sums[times == 0, 0] = 1.0
    needed = np.zeros(len(support))
    np.maximum.at(needed, rows, times)
    active, total = np.arange(len(support)), np.ones((len(support), 1))
    for count in range(1, int(times.max()) + 1):
        open_ = needed[active] >= count
        active = active[open_]
        total = _convolved(total[open_], single[active])[:, : int(items.steps[active].max()) * count + 1]
        here = np.flatnonzero(times == count)
        reached = min(width, total.shape[-1])
        sums[here, :reached] = total[np.searchsorted(active, rows[here]), :reached]
    kept = np.flatnonzero((sums > 0).any(axis=0))
    sums = sums[:, kept]
    sums /= sums.sum(axis=-1, keepdims=True)
    start, unit = items.start[rows] * times, items.unit[rows]
    if np.all(start == start[0]) and np.all(unit == unit[0]):
        values = (start[0] + kept) / unit[0]
    else:
        values = ((start[:, None] + kept) / unit[:, None]).reshape(*shape, kept.size)
    return Discrete(values=values, probabilities=sums.reshape(*shape, kept.size))


def _tabulated(items: _Lattices, support: Any, weights: Any) -> Any:
    """Return the probability of each step of the lattice, shape (rows, steps)."""
    width, held = int(items.steps.max()) + 1, weights > 0
    place = np.rint(np.where(held, support, 0.0) * items.unit[:, None]) - items.start[:, None]
    cells = np.where(held, place, 0.0).astype(np.intp) + width * np.arange(len(support))[:, None]
    table = np.bincount(cells.ravel(), np.where(held, weights, 0.0).ravel(), width * len(support))
    table = table.reshape(-1, width)
    return table / table.sum(axis=-1, keepdims=True)


def _convolved(left: Any, right: Any) -> Any:
    """Convolve the last axes: a loop over what the right one holds, arrays over the rest."""
    width = left.shape[-1]
    total = np.zeros((len(left), right.shape[-1] + width - 1))
    for shift in np.flatnonzero((right > 0).any(axis=0)):
        total[:, shift : shift + width] += right[:, shift : shift + 1] * left
    return total


def _repeated(one: Discrete | Empirical, shape: tuple[int, ...]) -> Discrete | Empirical:
    def full(values: Any) -> Any:
        return np.broadcast_to(values, (*shape, values.shape[-1]))

    if isinstance(one, Empirical):
        return Empirical(samples=full(one.samples))
    return Discrete(values=full(one.values), probabilities=full(one.probabilities))


def _single(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else value
