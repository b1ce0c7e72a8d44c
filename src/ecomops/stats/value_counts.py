"""`ValueCounts`: how many units took each value, for what moments cannot feed."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import Column, CountColumn, Frame, InputError, Labels, Model, Text, check, frames, validated
from ecomops.stats.unit_rows import arm_names, joined_arms, part_of_arm, unit_rows


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

    @classmethod
    @validated
    def from_frame(cls, frame: Frame, *, by: Text, value: Text, unit: Text | None = None) -> ValueCountsByArm:
        """Count the values of a column in each arm of a frame.

        Parameters
        ----------
        frame : data frame
            pandas, Polars (eager or lazy), PyArrow, DuckDB or another frame that narwhals reads. Engines other than pandas
            and PyArrow count by themselves.
        by : str
            Column of arms (text or whole numbers).
        value : str
            Column of numbers.
        unit : str, optional
            Column of the randomisation unit: rows are summed to one a unit first.

        Returns
        -------
        ValueCountsByArm
            One `ValueCounts` an arm, arms in sorted order.

        Raises
        ------
        InputError
            When a column is missing, is not numeric, holds nulls, there are no rows, or a unit was seen in two arms.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], "orders": [1, 1, 0, 2]})
        >>> ValueCounts.from_frame(frame, by="arm", value="orders")["a"].count.tolist()
        [2.0]
        """
        arms, parts = _by_arm(frame, by, value, unit)
        return ValueCountsByArm(arms=arms, counts=tuple(cls(value=v, count=c) for v, c in parts))

    def __add__(self, other: ValueCounts) -> ValueCounts:
        """Join two disjoint sets of units."""
        if not isinstance(other, ValueCounts):
            return NotImplemented
        value, place = np.unique(np.concatenate([self.value, other.value]), return_inverse=True)
        return ValueCounts(value=value, count=np.bincount(place, weights=np.concatenate([self.count, other.count])))


class ValueCountsByArm(Model):
    """How many units took each value, in each arm of an experiment; ``a + b`` joins disjoint sets of units.

    Examples
    --------
    >>> one = ValueCounts.from_arrays([3, 1, 3])
    >>> ValueCountsByArm(arms=["control"], counts=(one,))["control"].count.tolist()
    [1.0, 2.0]
    """

    __labelled__ = False

    arms: Labels
    """Names of the arms."""
    counts: tuple[ValueCounts, ...]
    """The counts of each arm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = (len(self.arms), len(self.counts))
        check(sizes[0] == sizes[1], f"arms and counts must be equally many, got {sizes[0]} and {sizes[1]}")
        check(len(set(self.arms.tolist())) == sizes[0], f"arms must not repeat, got {self.arms.tolist()}")
        return self

    def __getitem__(self, arm: str | int) -> ValueCounts:
        """Return the counts of one arm."""
        found: ValueCounts = part_of_arm("ValueCountsByArm", self.arms, self.counts, arm)
        return found

    def __add__(self, other: object) -> ValueCountsByArm:
        """Join disjoint sets of units arm by arm; an arm that only one side has is kept."""
        if not isinstance(other, ValueCountsByArm):
            return NotImplemented
        mine, theirs = (dict(zip(side.arms.tolist(), side.counts, strict=True)) for side in (self, other))
        names, joined = joined_arms("ValueCountsByArm", mine, theirs)
        return ValueCountsByArm(arms=names, counts=joined)


def _by_arm(frame: Any, by: str, value: str, unit: str | None) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return the arms of a frame in sorted order, and the distinct values of each with their counts."""
    if unit is not None or frames.is_eager(frame):
        arms, codes, rows = unit_rows(frame, by, {"value": value}, unit)
        return arms, [np.unique(rows[codes == arm, 0], return_counts=True) for arm in range(arms.size)]
    data = frames.counts(frame, {"by": by, "value": value}, {})
    if data["value"].dtype.kind == "O":
        raise InputError(f"value must be numbers, got text in column {value!r}")
    codes, arms = frames.factorize(data["by"])
    if not codes.size:
        raise InputError("frame has no rows")
    parts = []
    for arm in range(arms.size):
        here = codes == arm
        # Engines keep 0.0 and -0.0 apart.
        distinct, place = np.unique(data["value"][here].astype(np.float64), return_inverse=True)
        parts.append((distinct, np.bincount(place, weights=data["rows"][here])))
    return arm_names(arms, by), parts
