"""`ValueCounts`: how many units took each value, for what moments cannot feed."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import model_validator

from ecomops.core import Column, CountColumn, Model, check, validated


class ValueCounts(Model):
    """How many units took each value: what moments cannot feed (quantiles, ranks, empirical demand).

    Examples
    --------
    >>> counts = ValueCounts.from_arrays([3, 1, 3, 0])
    >>> counts.value.tolist(), counts.count.tolist()
    ([0.0, 1.0, 3.0], [1.0, 1.0, 2.0])
    """

    __labelled__ = False

    value: Column
    """Distinct values in ascending order, shape (k,)."""
    count: CountColumn
    """Units with each value, shape (k,)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = (self.value.size, self.count.size)
        check(sizes[0] == sizes[1], f"value and count must be equally long, got lengths {sizes[0]} and {sizes[1]}")
        check(self.value[1:] > self.value[:-1], "value must ascend without repeats", self.value[1:])
        return self

    @classmethod
    @validated
    def from_arrays(cls, values: Column) -> ValueCounts:
        """Count the values of an array.

        Parameters
        ----------
        values : array, shape (n,)
            One value a unit.

        Returns
        -------
        ValueCounts
            The statistic.

        Examples
        --------
        >>> ValueCounts.from_arrays([2, 2]).count.tolist()
        [2.0]
        """
        value, count = np.unique(values, return_counts=True)
        return cls(value=value, count=count)

    def __add__(self, other: ValueCounts) -> ValueCounts:
        """Join two disjoint sets of units."""
        if not isinstance(other, ValueCounts):
            return NotImplemented
        value, place = np.unique(np.concatenate([self.value, other.value]), return_inverse=True)
        return ValueCounts(value=value, count=np.bincount(place, weights=np.concatenate([self.count, other.count])))
