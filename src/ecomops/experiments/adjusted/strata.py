"""Moments in strata: the statistic of post-stratification and of effects by segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import Frame, InputError, Labels, Model, PositiveWhole, Text, check, frames, validated
from ecomops.stats.comoments import grouped, per_unit
from ecomops.stats.moments import Moments, MomentsByArm


class MomentsByStratum(Model):
    """The moments of each arm within each stratum, such as country, platform or past spending.

    Strata must be known before the treatment. ``a + b`` joins disjoint sets of units stratum by stratum.

    Examples
    --------
    >>> from ecomops.experiments import Moments, MomentsByArm
    >>> arms = [Moments.from_arrays(sample, columns=("spend",)) for sample in ([1.0, 3.0], [2.0, 6.0])]
    >>> new = MomentsByArm(arms=["a", "b"], moments=tuple(arms))
    >>> MomentsByStratum(strata=["new", "old"], moments=(new, new))["old"]["b"].mean("spend")
    4.0
    """

    strata: Labels
    """Names of the strata."""
    moments: tuple[MomentsByArm, ...]
    """The moments of each stratum by arm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = len(self.strata), len(self.moments)
        check(given[0] == given[1], f"strata and moments must be equally many, got {given[0]} and {given[1]}")
        check(given[0] > 0, "strata must not be empty")
        check(len(set(self.strata.tolist())) == given[0], f"strata must not repeat, got {self.strata.tolist()}")
        return self

    @classmethod
    @validated
    def from_frame(
        cls, frame: Frame, *, by: Text, stratum: Text, columns: tuple[Text, ...], unit: Text | None = None
    ) -> MomentsByStratum:
        """Return the moments of columns in each arm and stratum of a frame.

        Parameters
        ----------
        frame : data frame
            pandas, Polars (eager or lazy), PyArrow, DuckDB or another frame that narwhals reads. With ``unit`` a lazy
            engine sums to units itself.
        by : str
            Column of arms (text or whole numbers).
        stratum : str
            Column of strata (text or whole numbers), known before the treatment.
        columns : tuple of str
            Columns of numbers.
        unit : str, optional
            Column of the randomisation unit: rows are summed to one a unit first.

        Returns
        -------
        MomentsByStratum
            Strata and their arms in sorted order; an arm without units in a stratum is left out there.

        Raises
        ------
        InputError
            When a column is missing, is not numeric, holds nulls, there are no rows, or a unit was seen in two arms or two
            strata.

        Examples
        --------
        >>> import pandas as pd
        >>> from ecomops.experiments import MomentsByStratum
        >>> frame = pd.DataFrame(
        ...     {"arm": ["a", "b", "a", "b"], "device": ["app", "app", "web", "web"], "spend": [1.0, 3.0, 2.0, 6.0]}
        ... )
        >>> strata = MomentsByStratum.from_frame(frame, by="arm", stratum="device", columns=("spend",))
        >>> strata["web"]["b"].mean("spend")
        6.0
        """
        if not columns:
            raise InputError("columns must name at least one column, got none")
        if len(set(columns)) < len(columns):
            raise InputError(f"columns must not repeat, got {columns}")
        parts = {f"columns[{place}]": column for place, column in enumerate(columns)}
        keys = {"by": by, "stratum": stratum} | ({} if unit is None else {"unit": unit})
        if unit is None or frames.is_eager(frame):
            data = frames.read(frame, {**keys, **parts}, coded=tuple(keys), numbers=tuple(parts), flags=True)
        else:
            data = frames.counts(frame, keys, parts, flags=True)
            data = {**data, **{key: frames.factorize(data[key]) for key in keys}}
        return _from_rows(data, by, stratum, tuple(parts), columns)

    @validated
    def joined(self) -> MomentsByArm:
        """Return the moments of each arm over all strata.

        Returns
        -------
        MomentsByArm
            What the rows give without a stratum.

        Examples
        --------
        >>> from ecomops.experiments import Moments, MomentsByArm
        >>> one = MomentsByArm(arms=["a"], moments=(Moments.from_arrays([1.0, 3.0], columns=("x",)),))
        >>> MomentsByStratum(strata=["new", "old"], moments=(one, one)).joined()["a"].n
        4.0
        """
        return _sum(self.moments)

    @validated
    def merged(self, *, least: PositiveWhole = 2) -> MomentsByStratum:
        """Join the strata in which an arm has too few units, to one that has enough.

        Parameters
        ----------
        least : int
            Units that each arm needs in each stratum.

        Returns
        -------
        MomentsByStratum
            The strata with enough units, and the others as one, whose name lists them joined by " + ". Where these are too
            few together as well, the smallest of the others join them.

        Examples
        --------
        >>> from ecomops.experiments import Moments, MomentsByArm
        >>> few, many = (
        ...     MomentsByArm(arms=["a"], moments=(Moments.from_arrays(sample, columns=("x",)),))
        ...     for sample in ([1.0], [1.0, 3.0])
        ... )
        >>> strata = MomentsByStratum(strata=["old", "lost", "new"], moments=(many, few, few))
        >>> strata.merged().strata.tolist()
        ['old', 'lost + new']
        """
        arms = {arm for part in self.moments for arm in part.arms.tolist()}
        few = [place for place, part in enumerate(self.moments) if _fewest(part, arms) < least]
        if not few:
            return self
        rest = [place for place in range(len(self.moments)) if place not in few]
        rest.sort(key=lambda place: -sum(part.n for part in self.moments[place].moments))
        while rest and _fewest(_sum([self.moments[place] for place in few]), arms) < least:
            few.append(rest.pop())
        few, rest = sorted(few), sorted(rest)
        names = [str(name) for name in self.strata.tolist()]
        return MomentsByStratum(
            strata=[*(names[place] for place in rest), " + ".join(names[place] for place in few)],
            moments=(*(self.moments[place] for place in rest), _sum([self.moments[place] for place in few])),
        )

    def __getitem__(self, stratum: str | int) -> MomentsByArm:
        """Return the moments of one stratum by arm."""
        names = self.strata.tolist()
        if stratum not in names:
            raise InputError(f"MomentsByStratum: stratum must be one of {names}, got {stratum!r}")
        found: MomentsByArm = self.moments[names.index(stratum)]
        return found

    def __add__(self, other: object) -> MomentsByStratum:
        """Join disjoint sets of units stratum by stratum; a stratum that only one side has is kept."""
        if not isinstance(other, MomentsByStratum):
            return NotImplemented
        found: dict[Any, list[MomentsByArm]] = {}
        for side in (self, other):
            for name, part in zip(side.strata.tolist(), side.moments, strict=True):
                found.setdefault(name, []).append(part)
        if len({type(name) for name in found}) > 1:
            raise InputError("MomentsByStratum: strata must be text in both parts or whole numbers in both")
        return MomentsByStratum(strata=sorted(found), moments=tuple(_sum(found[name]) for name in sorted(found)))


def _sum(parts: Sequence[MomentsByArm]) -> MomentsByArm:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _fewest(part: MomentsByArm, arms: set[Any]) -> float:
    """Return the units of the smallest arm, 0 for one that is not there."""
    found = dict(zip(part.arms.tolist(), (one.n for one in part.moments), strict=True))
    return min((found.get(arm, 0.0) for arm in arms), default=np.inf)


def _from_rows(
    data: dict[str, Any], by: str, stratum: str, numbers: tuple[str, ...], columns: tuple[str, ...]
) -> MomentsByStratum:
    """Reduce rows to cells of stratum and arm."""
    (arm, arms), (place, strata) = data["by"], data["stratum"]
    if not arm.size:
        raise InputError("frame has no rows")
    for argument, column, keys in (("by", by, arms), ("stratum", stratum, strata)):
        if keys.dtype.kind == "f":
            raise InputError(
                f"{argument} must be text or whole numbers, got numbers with decimals in column {column!r}"
            )
    code, rows = place * arms.size + arm, [data[name] for name in numbers]
    if "unit" in data:
        code, rows, torn = per_unit(code, rows, data["unit"][0])
        if torn:
            raise InputError(
                f"unit must be in one arm and one stratum, got {torn} unit(s) of {code.size} seen in two or more;"
                " take the stratum from before the treatment"
            )
    cells, found = frames.factorize(code)
    made = [Moments(columns=columns, n=n, means=m, comoments=c) for n, m, c in grouped(rows, cells, found.size)]
    names = [keys.astype(np.int64) if keys.dtype.kind in "bi" else keys for keys in (arms, strata)]
    bounds = np.searchsorted(found, np.arange(strata.size + 1) * arms.size)
    parts = [
        MomentsByArm(arms=names[0][found[start:stop] % arms.size], moments=tuple(made[start:stop]))
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    return MomentsByStratum(strata=names[1], moments=tuple(parts))
