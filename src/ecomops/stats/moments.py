"""`Moments`: rows become means and co-moments that merge exactly and feed every test of means."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from ecomops.core import (
    Array,
    Floats,
    Frame,
    InputError,
    Labels,
    Matrix,
    Model,
    Num,
    Text,
    Vector,
    check,
    validated,
)
from ecomops.stats.comoments import by_arm, centred, from_raw

CONDITION_LIMIT = 1e-6

Units = Annotated[float, Floats(scalar=True, ge=1, whole=True)]


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
    n: Units
    """Number of units."""
    means: Vector
    """Means, shape (k,)."""
    comoments: Matrix
    """Sums of centred products, shape (k, k)."""

    def _check_fields(self) -> None:
        """Check the rules between the fields."""
        size = len(self.columns)
        shapes = (self.means.shape, self.comoments.shape)
        check(shapes == ((size,), (size, size)), f"means and comoments must fit {size} column(s), got shapes {shapes}")
        check(len(set(self.columns)) == size, f"columns must not repeat, got {self.columns}")
        diagonal = np.diagonal(self.comoments)
        check(diagonal >= 0, "comoments must have a diagonal >= 0", diagonal)
        check(_is_symmetric(self.comoments, diagonal), "comoments must be symmetric", self.comoments, self.comoments.T)

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
        if values.ndim > 2 or not values.shape[0]:
            raise InputError(f"values must have at least one row and one or two dimensions, got shape {values.shape}")
        rows = values[:, None] if values.ndim == 1 else values
        if rows.shape[1] != len(columns):
            raise InputError(f"columns must name {rows.shape[1]} column(s), got {len(columns)}")
        n, means, comoments = centred(rows)
        return cls(columns=columns, n=n, means=means, comoments=comoments)

    @classmethod
    @validated
    def from_sums(cls, *, columns: tuple[Text, ...], n: Units, sums: Vector, products: Matrix) -> Moments:
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
            the query and try again. Sums and products that are whole numbers below 2**53 are exact, and lose nothing.

        Examples
        --------
        >>> Moments.from_sums(columns=("x",), n=4, sums=[40.0], products=[[490.0]]).variance("x")
        30.0
        """
        if products.shape != (len(columns),) * 2 or sums.shape != (len(columns),):
            raise InputError(
                f"sums and products must fit {len(columns)} column(s), got shapes {sums.shape}, {products.shape}"
            )
        comoments, rounding = from_raw(n, sums, products)
        for name, diagonal, lost in zip(columns, np.diagonal(comoments), rounding, strict=True):
            if diagonal < -lost:
                raise InputError(f"products must be at least sums ** 2 / n, got less in column {name!r}")
            if lost > CONDITION_LIMIT * diagonal:
                raise InputError(
                    f"products have lost the variance of {name!r} to rounding; sum (x - c) with a constant c near its mean"
                )
        return cls(columns=columns, n=n, means=sums / n, comoments=comoments)

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
        arms, sums = by_arm(frame, by, columns, unit)
        return MomentsByArm(
            arms=arms,
            moments=tuple(cls(columns=columns, n=n, means=means, comoments=comoments) for n, means, comoments in sums),
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


def _is_symmetric(comoments: Any, diagonal: Any) -> Any:
    """Tell which co-moments equal their mirror image, up to rounding."""
    scale = np.sqrt(np.outer(diagonal, diagonal))
    return np.abs(comoments - comoments.T) <= 1e-9 * scale + 1e-12 * np.abs(comoments)


class MomentsByArm(Model):
    """The moments of each arm of an experiment.

    Examples
    --------
    >>> one = Moments.from_arrays([1.0, 3.0], columns=("x",))
    >>> MomentsByArm(arms=["control"], moments=(one,))["control"].n
    2.0
    """

    __labelled__ = False

    arms: Labels
    """Names of the arms."""
    moments: tuple[Moments, ...]
    """The moments of each arm."""

    def _check_fields(self) -> None:
        """Check the rules between the fields."""
        check(
            len(self.arms) == len(self.moments),
            f"arms and moments must be equally many, got {len(self.arms)} and {len(self.moments)}",
        )
        check(len(set(self.arms.tolist())) == len(self.arms), f"arms must not repeat, got {self.arms.tolist()}")

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
        if len({type(name) for name in (*mine, *theirs)}) > 1:
            raise InputError("MomentsByArm: arms must be text in both parts or whole numbers in both")
        names = sorted({*mine, *theirs})
        joined = tuple(mine[n] + theirs[n] if n in mine and n in theirs else {**theirs, **mine}[n] for n in names)
        return MomentsByArm(arms=names, moments=joined)
