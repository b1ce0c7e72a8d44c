"""`Moments` and `ValueCounts`: rows become a small statistic that merges exactly and feeds every test."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import (
    Array,
    Column,
    CountColumn,
    Floats,
    Frame,
    InputError,
    Labels,
    Matrix,
    Model,
    Num,
    PositiveReal,
    Text,
    Vector,
    check,
    frames,
    validated,
)

CONDITION_LIMIT = 1e-6


class Moments(Model):
    """Number of units, means and centred co-moments of a declared set of columns.

    ``a + b`` joins disjoint sets of units exactly (Chan, Golub & LeVeque), whatever the split and the order.

    Examples
    --------
    >>> both = Moments.from_arrays([[1.0, 3.0], [2.0, 5.0], [6.0, 4.0]], columns=("orders", "sessions"))
    >>> both.n, both.mean("orders"), both.variance("sessions")
    (3.0, 3.0, 1.0)
    """

    columns: tuple[Text, ...]
    """Names of the k columns."""
    n: Annotated[float, Floats(scalar=True, ge=1, whole=True)]
    """Number of units."""
    means: Vector
    """Means, shape (k,)."""
    comoments: Matrix
    """Sums of centred products, shape (k, k)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        size = len(self.columns)
        shapes = (self.means.shape, self.comoments.shape)
        check(shapes == ((size,), (size, size)), f"means and comoments must fit {size} column(s), got shapes {shapes}")
        check(len(set(self.columns)) == size, f"columns must not repeat, got {self.columns}")
        check(np.diagonal(self.comoments) >= 0, "comoments must have a diagonal >= 0", np.diagonal(self.comoments))
        return self

    @classmethod
    @validated
    def from_arrays(cls, values: Annotated[Array | Any, Floats(core=1)], *, columns: tuple[Text, ...]) -> Moments:
        """Return the moments of the columns of an array.

        Parameters
        ----------
        values : array, shape (n, k) or (n,)
            One row a unit.
        columns : tuple of str
            Names of the k columns.

        Returns
        -------
        Moments
            The statistic.

        Examples
        --------
        >>> Moments.from_arrays([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16], columns=("x",)).variance("x")
        30.0
        """
        rows = values[:, None] if values.ndim == 1 else values
        if rows.shape[1] != len(columns):
            raise InputError(f"columns must name {rows.shape[1]} column(s), got {len(columns)}")
        means, comoments = centred(rows)
        return cls(columns=columns, n=float(len(rows)), means=means, comoments=comoments)

    @classmethod
    @validated
    def from_sums(cls, *, columns: tuple[Text, ...], n: PositiveReal, sums: Vector, products: Matrix) -> Moments:
        """Return the moments from raw sums, as a database gives them.

        Parameters
        ----------
        columns : tuple of str
            Names of the k columns.
        n : float
            Number of units.
        sums : array, shape (k,)
            Sum of each column.
        products : array, shape (k, k)
            Sums of x_i x_j.

        Returns
        -------
        Moments
            The statistic.

        Raises
        ------
        InputError
            When the raw sums have lost more than 1e-6 of a variance to rounding: subtract a constant near the mean in
            the query and try again.

        Examples
        --------
        >>> Moments.from_sums(columns=("x",), n=4, sums=[40.0], products=[[490.0]]).variance("x")
        30.0
        """
        if products.shape != (len(columns),) * 2 or sums.shape != (len(columns),):
            raise InputError(
                f"sums and products must fit {len(columns)} column(s), got shapes {sums.shape}, {products.shape}"
            )
        means = sums / n
        comoments = products - n * np.outer(means, means)
        lost = n * means * means * np.finfo(float).eps * 16
        for name, diagonal, rounding in zip(columns, np.diagonal(comoments), lost, strict=True):
            if diagonal < 0 or (rounding > CONDITION_LIMIT * diagonal and rounding > 0 and diagonal != 0):
                raise InputError(
                    f"products have lost the variance of {name!r} to rounding; sum (x - c) with a constant c near its mean"
                )
        return cls(columns=columns, n=n, means=means, comoments=comoments)

    @classmethod
    @validated
    def from_frame(cls, frame: Frame, *, by: Text, columns: tuple[Text, ...], unit: Text | None = None) -> MomentsByArm:
        """Return the moments of columns in each arm of a frame.

        Parameters
        ----------
        frame : data frame
            pandas, Polars (eager or lazy), PyArrow, DuckDB or another frame that narwhals reads. Engines other than
            pandas and PyArrow make the sums themselves, in two passes.
        by : str
            Column of arms (text or whole numbers).
        columns : tuple of str
            Columns of numbers.
        unit : str, optional
            Column of the randomisation unit: rows are summed to one a unit first.

        Returns
        -------
        MomentsByArm
            One `Moments` an arm, arms in sorted order.

        Raises
        ------
        InputError
            When a column is missing, is not numeric, holds nulls, there are no rows, or a unit was seen in two arms.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"arm": ["a", "a", "b", "b"], "spend": [1.0, 3.0, 2.0, 6.0]})
        >>> Moments.from_frame(frame, by="arm", columns=("spend",))["b"].mean("spend")
        4.0
        """
        _check_columns(columns)
        if unit is not None or frames.is_eager(frame):
            return _from_numpy(frame, by, columns, unit)
        sums = frames.moment_sums(frame, by, columns)
        order = np.argsort(sums["key"], kind="stable")
        return MomentsByArm(
            arms=_arm_names(sums["key"][order]),
            moments=tuple(
                cls(columns=columns, n=sums["n"][i], means=sums["means"][i], comoments=_psd(sums["comoments"][i]))
                for i in order
            ),
        )

    @validated
    def mean(self, column: Text) -> Num:
        """Return the mean of a column.

        Parameters
        ----------
        column : str
            One of ``columns``.

        Returns
        -------
        float
            The mean.

        Examples
        --------
        >>> Moments.from_arrays([1.0, 3.0], columns=("x",)).mean("x")
        2.0
        """
        return self.means[self._place(column)]

    @validated
    def variance(self, column: Text) -> Num:
        """Return the sample variance of a column, divided by n - 1.

        Parameters
        ----------
        column : str
            One of ``columns``.

        Returns
        -------
        float
            The variance.

        Raises
        ------
        InputError
            When there is only one unit.

        Examples
        --------
        >>> Moments.from_arrays([1.0, 3.0], columns=("x",)).variance("x")
        2.0
        """
        return self._covariance(column, column)

    @validated
    def covariance(self, first: Text, second: Text) -> Num:
        """Return the sample covariance of two columns, divided by n - 1.

        Parameters
        ----------
        first, second : str
            Two of ``columns``.

        Returns
        -------
        float
            The covariance.

        Examples
        --------
        >>> Moments.from_arrays([[1.0, 2.0], [3.0, 6.0]], columns=("x", "y")).covariance("x", "y")
        4.0
        """
        return self._covariance(first, second)

    def __add__(self, other: object) -> Moments:
        """Join two disjoint sets of units."""
        if not isinstance(other, Moments):
            return NotImplemented
        if self.columns != other.columns:
            raise InputError(f"Moments: columns must be the same to add, got {self.columns} and {other.columns}")
        total = self.n + other.n
        gap = other.means - self.means
        return Moments(
            columns=self.columns,
            n=total,
            means=self.means + gap * (other.n / total),
            comoments=self.comoments + other.comoments + np.outer(gap, gap) * (self.n * other.n / total),
        )

    def _place(self, column: str) -> int:
        if column not in self.columns:
            raise InputError(f"column must be one of {self.columns}, got {column!r}")
        return self.columns.index(column)

    def _covariance(self, first: str, second: str) -> Any:
        if self.n < 2:
            raise InputError("a variance needs at least 2 units, got 1")
        return self.comoments[self._place(first), self._place(second)] / (self.n - 1)


class MomentsByArm(Model):
    """The moments of each arm of an experiment.

    Examples
    --------
    >>> one = Moments.from_arrays([1.0, 3.0], columns=("x",))
    >>> MomentsByArm(arms=["control"], moments=(one,))["control"].n
    2.0
    """

    arms: Labels
    """Names of the arms."""
    moments: tuple[Moments, ...]
    """The moments of each arm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check(
            len(self.arms) == len(self.moments),
            f"arms and moments must be equally many, got {len(self.arms)} and {len(self.moments)}",
        )
        check(len(set(self.arms.tolist())) == len(self.arms), f"arms must not repeat, got {self.arms.tolist()}")
        return self

    def __getitem__(self, arm: str | int) -> Moments:
        """Return the moments of one arm."""
        names = self.arms.tolist()
        if arm not in names:
            raise InputError(f"MomentsByArm: arm must be one of {names}, got {arm!r}")
        found: Moments = self.moments[names.index(arm)]
        return found

    def __add__(self, other: object) -> MomentsByArm:
        """Join disjoint sets of units arm by arm; an arm that only one side has is kept."""
        if not isinstance(other, MomentsByArm):
            return NotImplemented
        mine, theirs = (
            dict(zip(self.arms.tolist(), self.moments, strict=True)),
            dict(zip(other.arms.tolist(), other.moments, strict=True)),
        )
        names = sorted({*mine, *theirs})
        joined = tuple(mine[n] + theirs[n] if n in mine and n in theirs else {**theirs, **mine}[n] for n in names)
        return MomentsByArm(arms=names, moments=joined)


class ValueCounts(Model):
    """How many units took each value: what moments cannot feed (quantiles, ranks, empirical demand).

    Examples
    --------
    >>> counts = ValueCounts.from_arrays([3, 1, 3, 0])
    >>> counts.value.tolist(), counts.count.tolist()
    ([0.0, 1.0, 3.0], [1.0, 1.0, 2.0])
    """

    value: Column
    """Distinct values in ascending order, shape (k,)."""
    count: CountColumn
    """Units with each value, shape (k,)."""

    @classmethod
    @validated
    def from_arrays(cls, values: Num) -> ValueCounts:
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


def centred(rows: Any) -> tuple[Any, Any]:
    """Return means and centred co-moments of the rows, in two passes."""
    means = rows.mean(axis=0)
    gaps = rows - means
    # The mean of the gaps is rounding; taking it out again keeps the last digits.
    rest = gaps.mean(axis=0)
    comoments = gaps.T @ gaps - len(rows) * np.outer(rest, rest)
    return means + rest, _psd(comoments)


def _psd(comoments: Any) -> Any:
    """Keep the diagonal from falling below zero by rounding."""
    answer = np.array(comoments)
    np.fill_diagonal(answer, np.maximum(np.diagonal(answer), 0.0))
    return answer


def _check_columns(columns: tuple[str, ...]) -> None:
    if not columns:
        raise InputError("columns must name at least one column, got none")
    if len(set(columns)) < len(columns):
        raise InputError(f"columns must not repeat, got {columns}")


def _arm_names(keys: Any) -> Any:
    return keys.astype(np.int64) if keys.dtype.kind in "bi" else keys


def _from_numpy(frame: Any, by: str, columns: tuple[str, ...], unit: str | None) -> MomentsByArm:
    names = {"by": by, **{f"columns[{place}]": column for place, column in enumerate(columns)}}
    if unit is not None:
        names["unit"] = unit
    data = frames.read(frame, names)
    for argument, values in data.items():
        if argument.startswith("columns") and values.dtype.kind not in "iufb":
            raise InputError(f"{argument} must be numbers, got text in column {names[argument]!r}")
    if not data["by"].size:
        raise InputError("frame has no rows")
    codes, arms = frames.factorize(data["by"])
    if arms.dtype.kind == "f":
        raise InputError(f"by must be text or whole numbers, got numbers with decimals in column {by!r}")
    rows = np.column_stack([data[f"columns[{place}]"].astype(np.float64) for place in range(len(columns))])
    if unit is not None:
        codes, rows = _per_unit(codes, rows, frames.factorize(data["unit"])[0])
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(arms.size + 1))
    parts = [rows[order[start:stop]] for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
    moments = []
    for part in parts:
        means, comoments = centred(part)
        moments.append(Moments(columns=columns, n=float(len(part)), means=means, comoments=comoments))
    return MomentsByArm(arms=_arm_names(arms), moments=tuple(moments))


def _per_unit(codes: Any, rows: Any, units: Any) -> tuple[Any, Any]:
    """Sum rows to one a unit, refusing units that were seen in two arms."""
    size = int(units.max()) + 1
    least = np.full(size, codes.max() + 1)
    most = np.full(size, -1)
    np.minimum.at(least, units, codes)
    np.maximum.at(most, units, codes)
    torn = int((least != most).sum())
    if torn:
        raise InputError(
            f"unit must be in one arm, got {torn} unit(s) seen in two or more of {size}; drop them and check the assignment"
        )
    summed = np.column_stack(
        [np.bincount(units, weights=rows[:, column], minlength=size) for column in range(rows.shape[1])]
    )
    return least, summed
