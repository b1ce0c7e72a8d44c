"""`DurationCounts`: how long units waited for an event, those included who are still waiting; the statistic of survival."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import (
    CountColumn,
    Flags,
    Frame,
    InputError,
    Labels,
    Model,
    NonNegativeColumn,
    Text,
    TimeUnit,
    check,
    frames,
    validated,
)


class DurationCounts(Model):
    """How many units had the event after each duration, and how many were last seen without it.

    ``a + b`` joins disjoint sets of units.

    Examples
    --------
    >>> counts = DurationCounts.from_arrays([3, 1, 3, 7], event=[True, True, False, False])
    >>> counts.duration.tolist(), counts.events.tolist(), counts.censored.tolist()
    ([1.0, 3.0, 7.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0])
    """

    __labelled__ = False

    duration: NonNegativeColumn
    """Distinct durations in ascending order, ``unit``, shape (k,)."""
    events: CountColumn
    """Units whose event came after each duration, shape (k,)."""
    censored: CountColumn
    """Units that were last seen, without the event, after each duration, shape (k,)."""
    unit: TimeUnit = "day"
    """Unit of ``duration``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = {self.duration.size, self.events.size, self.censored.size}
        check(len(sizes) == 1, f"duration, events and censored must be equally long, got lengths {sorted(sizes)}")
        check(self.duration[1:] > self.duration[:-1], "duration must ascend without repeats", self.duration[1:])
        check(self.events + self.censored > 0, "every duration must have a unit, in events or in censored")
        return self

    @classmethod
    @validated
    def from_arrays(cls, durations: NonNegativeColumn, *, event: Flags, unit: TimeUnit = "day") -> DurationCounts:
        """Count the durations of an array.

        Parameters
        ----------
        durations : array, shape (n,)
            How long each unit was followed, >= 0: until its event, or until it was last seen without one.
        event : bool or array of bool, shape (n,)
            Whether the event came then.
        unit : {"day", "week", "month", "year"}
            Unit of the durations.

        Returns
        -------
        DurationCounts
            The statistic.

        Examples
        --------
        >>> DurationCounts.from_arrays([2, 2], event=True).events.tolist()
        [2.0]
        """
        return _grouped(durations, np.broadcast_to(event, durations.shape).astype(np.float64), None, unit)

    @classmethod
    @validated
    def from_frame(cls, frame: Frame, *, duration: Text, event: Text, unit: TimeUnit = "day") -> DurationCounts:
        """Count the durations in a frame with one row a unit.

        Parameters
        ----------
        frame : data frame
            One row a unit, in any order; engines other than pandas and PyArrow count by themselves.
        duration : str
            Column of how long the unit was followed, >= 0.
        event : str
            Column that is 1 (or true) where the event came then, and 0 where the unit was last seen without it.
        unit : {"day", "week", "month", "year"}
            Unit of the durations.

        Returns
        -------
        DurationCounts
            The statistic.

        Raises
        ------
        InputError
            When a column is missing, holds nulls, or is of the wrong type, or there are no rows.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"days": [2, 5, 5], "bought": [1, 0, 1]})
        >>> DurationCounts.from_frame(frame, duration="days", event="bought").censored.tolist()
        [0.0, 1.0]
        """
        data = _read(frame, {"duration": duration, "event": event})
        return _grouped(data["duration"], data["event"], data["rows"], unit)

    def __add__(self, other: object) -> DurationCounts:
        """Join two disjoint sets of units."""
        if not isinstance(other, DurationCounts):
            return NotImplemented
        if self.unit != other.unit:
            raise InputError(f"DurationCounts: unit must be the same to add, got {self.unit!r} and {other.unit!r}")
        duration, place = np.unique(np.concatenate([self.duration, other.duration]), return_inverse=True)
        sums = [np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("events", "censored")]
        events, censored = (np.bincount(place, weights=part, minlength=duration.size) for part in sums)
        return DurationCounts(duration=duration, events=events, censored=censored, unit=self.unit)

    @property
    def n(self) -> float:
        """Units."""
        return float(self.events.sum() + self.censored.sum())

    @property
    def at_risk(self) -> Any:
        """Units that were followed for at least each duration, shape (k,)."""
        return np.cumsum((self.events + self.censored)[::-1])[::-1]


class DurationsByArm(Model):
    """The durations of each arm of an experiment, or of any other groups.

    Examples
    --------
    >>> one = DurationCounts.from_arrays([1, 2], event=[True, False])
    >>> DurationsByArm(arms=["control"], durations=(one,))["control"].n
    2.0
    """

    __labelled__ = False

    arms: Labels
    """Names of the arms."""
    durations: tuple[DurationCounts, ...]
    """The durations of each arm, all in one unit; an arm may be empty."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = self.arms.tolist()
        sizes = len(names), len(self.durations)
        check(sizes[0] == sizes[1], f"arms and durations must be equally many, got {sizes[0]} and {sizes[1]}")
        check(len(set(names)) == len(names), f"arms must not repeat, got {names}")
        units = sorted({part.unit for part in self.durations})
        check(len(units) <= 1, f"durations must have one unit, got {units}")
        return self

    @classmethod
    @validated
    def from_frame(
        cls, frame: Frame, *, by: Text, duration: Text, event: Text, unit: TimeUnit = "day"
    ) -> DurationsByArm:
        """Count the durations of each arm in a frame with one row a unit.

        Parameters
        ----------
        frame : data frame
            One row a unit, in any order; engines other than pandas and PyArrow count by themselves.
        by : str
            Column of arms (text, whole numbers or flags).
        duration : str
            Column of how long the unit was followed, >= 0.
        event : str
            Column that is 1 (or true) where the event came then, and 0 where the unit was last seen without it.
        unit : {"day", "week", "month", "year"}
            Unit of the durations.

        Returns
        -------
        DurationsByArm
            Arms in sorted order.

        Raises
        ------
        InputError
            When a column is missing, holds nulls, or is of the wrong type, or there are no rows.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"arm": ["a", "b", "b"], "days": [2, 5, 5], "bought": [1, 0, 1]})
        >>> DurationsByArm.from_frame(frame, by="arm", duration="days", event="bought")["b"].n
        2.0
        """
        data = _read(frame, {"by": by, "duration": duration, "event": event})
        if data["by"].dtype.kind == "f":
            raise InputError(f"by must be text or whole numbers, got numbers with decimals in column {by!r}")
        codes, names = frames.factorize(data["by"])
        parts = (
            _grouped(data["duration"][rows], data["event"][rows], data["rows"][rows], unit)
            for rows in (codes == code for code in range(names.size))
        )
        return cls(arms=names if names.dtype.kind == "O" else names.astype(np.int64), durations=tuple(parts))

    def __getitem__(self, arm: str | int) -> DurationCounts:
        """Return the durations of one arm."""
        names = self.arms.tolist()
        if arm not in names:
            raise InputError(f"DurationsByArm: arm must be one of {names}, got {arm!r}")
        found: DurationCounts = self.durations[names.index(arm)]
        return found

    def __add__(self, other: object) -> DurationsByArm:
        """Join disjoint sets of units arm by arm; an arm that only one side has is kept."""
        if not isinstance(other, DurationsByArm):
            return NotImplemented
        mine = dict(zip(self.arms.tolist(), self.durations, strict=True))
        theirs = dict(zip(other.arms.tolist(), other.durations, strict=True))
        if len({type(name) for name in (*mine, *theirs)}) > 1:
            raise InputError("DurationsByArm: arms must be text in both parts or whole numbers in both")
        names = sorted({*mine, *theirs})
        joined = tuple(mine[n] + theirs[n] if n in mine and n in theirs else {**theirs, **mine}[n] for n in names)
        return DurationsByArm(arms=names, durations=joined)


def read_durations(frame: Any, columns: dict[str, str]) -> dict[str, Any]:
    """Read rows, or let an engine count the rows of each kind, and check that durations are such."""
    if frames.is_eager(frame):
        data = frames.read(frame, columns)
        data["rows"] = np.ones(data["event"].size)
    else:
        data = frames.counts(frame, columns, {})
    if not data["rows"].size:
        raise InputError("frame has no rows")
    wrong = {"O": "text", "b": "booleans"}.get(data["duration"].dtype.kind, "")
    if wrong:
        raise InputError(f"duration must be numbers, got {wrong} in column {columns['duration']!r}")
    if np.min(data["duration"]) < 0:
        raise InputError(f"duration must be >= 0, got {np.min(data['duration']):g} in column {columns['duration']!r}")
    return {**data, "rows": data["rows"].astype(np.float64)}


def _read(frame: Any, columns: dict[str, str]) -> dict[str, Any]:
    """Read durations with flags of the event."""
    data = read_durations(frame, columns)
    flag = data["event"]
    if flag.dtype.kind == "O":
        raise InputError(f"event must be 0 or 1 in every row, got text in column {columns['event']!r}")
    bad = ~np.isin(flag, (0, 1))
    if bad.any():
        raise InputError(f"event must be 0 or 1 in every row, got {flag[bad][0]:g} in column {columns['event']!r}")
    return {**data, "event": flag.astype(np.float64)}


def _grouped(durations: Any, event: Any, rows: Any, unit: TimeUnit) -> DurationCounts:
    """Add up the rows with one duration."""
    duration, place = np.unique(np.asarray(durations, dtype=np.float64), return_inverse=True)
    weight = np.ones(event.size) if rows is None else rows
    return DurationCounts(
        duration=duration,
        events=np.bincount(place, weights=weight * event, minlength=duration.size),
        censored=np.bincount(place, weights=weight * (1.0 - event), minlength=duration.size),
        unit=unit,
    )
