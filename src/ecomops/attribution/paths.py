"""Paths: which channels touched a customer, in which order, and what came of it."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ecomops.core import (
    Array,
    Duration,
    Flag,
    Floats,
    Frame,
    InputError,
    Labels,
    Model,
    Num,
    Text,
    check,
    frames,
    validated,
)

Codes = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Column = Annotated[Array | Any, Floats(core=1)]
Weights = Annotated[Array | Any, Floats(core=1, ge=0)]

MICROSECONDS = 86_400e6
"""Microseconds of a day."""
CODE = np.dtype(">u4")
"""How the channels of a path are written into its key."""


class PathTable(Model):
    """Paths with their conversions, their value and how often they led to nothing.

    Paths lie one behind the other in ``codes``; path i is ``codes[offsets[i]:offsets[i + 1]]``. ``a + b`` adds tables of
    different users that were cut by the same rules; a user whose touches are split between two tables is two users.

    Examples
    --------
    >>> table = PathTable.from_strings(["C1 > C2 > C3", "C1", "C2 > C3"], conversions=[1, 0, 0], nulls=[0, 1, 1])
    >>> table.channels.tolist(), table.offsets.tolist()
    (['C1', 'C2', 'C3'], [0.0, 1.0, 4.0, 6.0])
    """

    __labelled__ = False

    channels: Labels
    """Names of the channels, all different, shape (K,)."""
    codes: Codes
    """Channel numbers of all touches, path behind path, shape (touches,)."""
    offsets: Codes
    """Where each path starts, and the end of the last, shape (paths + 1,)."""
    conversions: Column
    """Conversions at the end of each path, shape (paths,); fractions and returns (negative) are allowed."""
    value: Column
    """Value of these conversions, money, shape (paths,)."""
    nulls: Weights
    """Customers whose path ended without a conversion, shape (paths,)."""
    ages: Weights | None = None
    """Days from each touch to the end of its path, shape (touches,), where the times are known."""
    lookback: Duration | None = None
    """How far before a conversion its touches reach; None where nothing was left out."""
    restart: Flag = True
    """Whether a path begins anew after a conversion."""
    conversion_is_touch: Flag = True
    """Whether the channel of a conversion is the last touch of its path."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_channels(self.channels)
        check(self.codes.ndim == 1 == self.offsets.ndim, "codes and offsets must have one dimension")
        size = self.offsets.size - 1
        shapes = (self.conversions.shape, self.value.shape, self.nulls.shape)
        check(shapes == ((size,),) * 3, f"conversions, value and nulls must have {size} paths, got shapes {shapes}")
        check(np.diff(self.offsets) > 0, "offsets must ascend: a path has at least one touch")
        check(
            self.offsets[0] == 0 and self.offsets[-1] == self.codes.size,
            "offsets must go from 0 to the number of touches",
        )
        check(self.codes < self.channels.size, f"codes must be below {self.channels.size}", self.codes)
        check(self.ages is None or self.ages.shape == self.codes.shape, "ages must have one value a touch")
        return self

    @classmethod
    @validated
    def from_strings(
        cls,
        paths: Labels,
        *,
        conversions: Num,
        nulls: Num = 0.0,
        value: Num = 0.0,
        separator: Text = ">",
    ) -> PathTable:
        """Return the table of paths written as text, such as ``"search > mail > direct"``.

        Parameters
        ----------
        paths : array of str, shape (n,)
            Channel names between separators; blanks around names do not count. Repeated paths are added up.
        conversions : float or array, shape (n,)
            Conversions of each row.
        nulls : float or array, shape (n,)
            Customers of each row who did not convert.
        value : float or array, shape (n,)
            Value of the conversions, money.
        separator : str
            What stands between two names.

        Returns
        -------
        PathTable
            Distinct paths, sorted.

        Raises
        ------
        InputError
            When there are no paths, a path or a name in it is empty, or nulls are negative.

        Examples
        --------
        >>> PathTable.from_strings(["a > b", "a>b"], conversions=[3, 1], nulls=[1, 0]).conversions.tolist()
        [4.0]
        """
        if not separator.strip():
            raise InputError(f"separator must not be blank, got {separator!r}")
        if not paths.size:
            raise InputError("paths must hold at least one path, got none")
        if paths.dtype.kind != "O":
            raise InputError(f"paths must be text, got the number {paths[0]} at index 0")
        columns = [
            _column(part, paths.size, name)
            for part, name in ((conversions, "conversions"), (value, "value"), (nulls, "nulls"))
        ]
        if np.any(columns[2] < 0):
            raise InputError(f"nulls must be >= 0, got {float(columns[2].min())} at index {int(columns[2].argmin())}")
        rows, distinct = frames.factorize(paths)
        sums = [np.bincount(rows, weights=column, minlength=distinct.size) for column in columns]
        pieces = [text.split(separator) for text in distinct.tolist()]
        lengths = np.fromiter(map(len, pieces), dtype=np.intp, count=len(pieces))
        names = np.array([name for path in pieces for name in path], dtype=object)
        codes, channels = frames.factorize(names)
        stripped = np.array([name.strip() for name in channels.tolist()], dtype=object)
        merged, channels = frames.factorize(stripped)
        if "" in channels.tolist():
            place = int(np.argmax((stripped == "")[codes]))
            path = int(np.searchsorted(np.cumsum(lengths), place, side="right"))
            row = int(np.argmax(rows == path))
            raise InputError(
                f"paths must not hold an empty name, got {paths[row]!r} at index {row}; drop it or name the channel"
            )
        return cls(**_merged(channels, merged[codes], np.concatenate([[0], np.cumsum(lengths)]), *sums))

    @classmethod
    @validated
    def from_touches(
        cls,
        frame: Frame,
        *,
        user: Text,
        time: Text,
        channel: Text,
        conversion: Text,
        value: Text | None = None,
        lookback: Duration | None = None,
        restart: Flag = True,
        conversion_is_touch: Flag = True,
    ) -> PathTable:
        """Return the table of paths in a log of touches.

        Parameters
        ----------
        frame : data frame
            One row a touch or conversion, in any order. Of one user's rows at one time, touches come before conversions,
            and then channels by name: give times as fine as they are known.
        user, time, channel : str
            Columns of users, times (those with a zone are compared in UTC), and channels.
        conversion : str
            Column that is 1 (or true) where the row is a conversion.
        value : str, optional
            Column of the value of conversions, money; negative for a return.
        lookback : Duration, optional
            Touches older than this before a conversion (inclusive) are left out; all count by default.
        restart : bool
            Whether a path begins anew after a conversion; if not, earlier touches count again.
        conversion_is_touch : bool
            Whether the channel of a conversion row is the last touch of its path; if not the row only ends the path.

        Returns
        -------
        PathTable
            One row a journey, with the age of each touch in days, and the channels that are in one. What follows the last
            conversion of a user, and users who never converted, are null paths. A conversion without a touch in its
            lookback is left out.

        Raises
        ------
        InputError
            When a column is missing or of the wrong type, or no touch is left.

        Examples
        --------
        >>> import pandas as pd
        >>> log = pd.DataFrame(
        ...     {
        ...         "who": [1, 1, 2],
        ...         "when": pd.to_datetime(["2026-01-01", "2026-01-03", "2026-01-02"]),
        ...         "where": ["mail", "search", "mail"],
        ...         "bought": [0, 1, 0],
        ...     }
        ... )
        >>> table = PathTable.from_touches(log, user="who", time="when", channel="where", conversion="bought")
        >>> table.conversions.tolist(), table.nulls.tolist(), table.ages.tolist()
        ([1.0, 0.0], [0.0, 1.0], [2.0, 0.0, 0.0])
        """
        names = {"user": user, "time": time, "channel": channel, "conversion": conversion}
        if value is not None:
            names["value"] = value
        # The wall clock of a zone runs backwards once a year.
        data = frames.read(frame, names, times=("time",), numbers=("value",), zone="UTC")
        if not data["time"].size:
            raise InputError("frame has no rows")
        parts = _journeys(
            _sorted_log(data, conversion), lookback, restart=restart, conversion_is_touch=conversion_is_touch
        )
        return cls(**parts, lookback=lookback, restart=restart, conversion_is_touch=conversion_is_touch)

    def __add__(self, other: PathTable) -> PathTable:
        """Add two tables; equal paths without ages are merged."""
        if not isinstance(other, PathTable):
            return NotImplemented
        if (self.ages is None) != (other.ages is None):
            raise InputError("PathTable: ages must be in both tables to add them, or in none")
        rules = {name: getattr(self, name) for name in ("lookback", "restart", "conversion_is_touch")}
        for name, rule in rules.items():
            if rule != getattr(other, name):
                raise InputError(
                    f"PathTable: {name} must be equal to add tables, got {rule} and {getattr(other, name)}"
                )
        channels = np.array(sorted({*self.channels.tolist(), *other.channels.tolist()}), dtype=object)
        codes = np.concatenate(
            [np.searchsorted(channels, part.channels)[part.codes.astype(np.intp)] for part in (self, other)]
        )
        offsets = np.concatenate([self.offsets, self.codes.size + other.offsets[1:]]).astype(np.intp)
        sums = [np.concatenate([getattr(self, n), getattr(other, n)]) for n in ("conversions", "value", "nulls")]
        if self.ages is None or other.ages is None:
            return PathTable(**_merged(channels, codes, offsets, *sums), **rules)
        ages = np.concatenate([self.ages, other.ages])
        conversions, money, nulls = sums
        return PathTable(
            channels=channels,
            codes=codes,
            offsets=offsets,
            conversions=conversions,
            value=money,
            nulls=nulls,
            ages=ages,
            **rules,
        )

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Touches in each path, shape (paths,)."""
        return np.diff(self.offsets).astype(np.intp)


def check_channels(channels: NDArray[Any]) -> None:
    """Refuse names that are no text or that stand for two channels."""
    check(channels.dtype.kind == "O" or not channels.size, "channels must be text, got whole numbers")
    names = channels.tolist()
    check(len(set(names)) == len(names), "channels must be different from each other")


def _column(value: Any, size: int, name: str) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim and array.shape != (size,):
        raise InputError(f"{name} must have one value a path, got shape {array.shape} for {size} paths")
    return np.broadcast_to(array, (size,))


def _merged(channels: Any, codes: Any, offsets: Any, conversions: Any, value: Any, nulls: Any) -> dict[str, Any]:
    """Add up equal paths, the fields of a table; a path is one key of bytes."""
    # Big-endian numbers sort as bytes.
    flat = np.ascontiguousarray(codes, dtype=CODE).tobytes()
    bounds = (CODE.itemsize * np.asarray(offsets)).tolist()
    keys = [flat[start:stop] for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
    order = sorted(set(keys))
    place = {key: number for number, key in enumerate(order)}
    group = np.fromiter(map(place.__getitem__, keys), dtype=np.intp, count=len(keys))
    lengths = np.fromiter(map(len, order), dtype=np.intp, count=len(order)) // CODE.itemsize
    return {
        "channels": channels,
        "codes": np.frombuffer(b"".join(order), dtype=CODE),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "conversions": np.bincount(group, weights=conversions, minlength=len(order)),
        "value": np.bincount(group, weights=value, minlength=len(order)),
        "nulls": np.bincount(group, weights=nulls, minlength=len(order)),
    }


def _sorted_log(data: dict[str, NDArray[Any]], conversion: str) -> dict[str, NDArray[Any]]:
    """Sort by user and time; rows at one time in an order that does not depend on the frame's."""
    flag = _flags(data["conversion"], conversion)
    users, _ = frames.factorize(data["user"])
    names = data["channel"] if data["channel"].dtype.kind == "O" else data["channel"].astype(str).astype(object)
    channel, channels = frames.factorize(names)
    if any(not name.strip() for name in channels.tolist()):
        raise InputError("channel must not be blank; drop those rows or name the channel")
    time, money = data["time"].astype(np.int64), data.get("value")
    keys = (channels.size * flag + channel, time, users)
    order = np.lexsort(keys if money is None else (money, *keys))
    return {
        "user": users[order],
        "time": time[order],
        "channel": channel[order],
        "conversion": flag[order],
        "value": np.zeros(flag.size) if money is None else money[order],
        "channels": channels,
    }


def _flags(flag: NDArray[Any], column: str) -> NDArray[np.bool_]:
    if flag.dtype.kind == "O":
        raise InputError(f"conversion must be 0 or 1 in every row, got text in column {column!r}")
    bad = ~np.isin(flag, (0, 1))
    if bad.any():
        raise InputError(f"conversion must be 0 or 1 in every row, got {flag[bad][0]:g} in column {column!r}")
    return flag.astype(bool)


def _journeys(
    log: dict[str, NDArray[Any]], lookback: Duration | None, *, restart: bool, conversion_is_touch: bool
) -> dict[str, Any]:
    """Cut the sorted log into journeys: one an end (conversion, or the last row of what did not convert)."""
    user, time, bought = log["user"], log["time"], log["conversion"]
    first_of_user = np.searchsorted(user, user, side="left")
    last_row = np.append(user[1:] != user[:-1], True)
    ends = np.flatnonzero(bought | last_row)
    converted = bought[ends]
    fresh = np.maximum(first_of_user[ends], np.concatenate([[0], ends[:-1] + 1]))
    # A null path never takes up touches that a conversion has used.
    starts = np.where(converted & (not restart), first_of_user[ends], fresh)
    if lookback is not None:
        reach = round(min(lookback.to("day") * MICROSECONDS, 2.0**62))
        starts = _first_since(time, np.where(converted, time[ends] - reach, time[starts]), starts, ends)
    is_touch = np.ones(user.size, dtype=bool) if conversion_is_touch else ~bought
    lengths = ends + 1 - starts
    rows = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
    journey = np.repeat(np.arange(ends.size), lengths)
    kept = is_touch[rows]
    rows, journey = rows[kept], journey[kept]
    touches = np.bincount(journey, minlength=ends.size)
    there = touches > 0
    if not there.any():
        raise InputError("frame has no touch inside the lookback of any conversion")
    met, codes = np.unique(log["channel"][rows], return_inverse=True)
    return {
        "channels": log["channels"][met],
        "codes": codes,
        "offsets": np.concatenate([[0], np.cumsum(touches[there])]),
        "conversions": converted[there].astype(np.float64),
        "value": np.where(converted, log["value"][ends], 0.0)[there],
        "nulls": (~converted)[there].astype(np.float64),
        "ages": (time[ends][journey] - time[rows]) / MICROSECONDS,
    }


def _first_since(time: Any, oldest: Any, low: Any, high: Any) -> Any:
    """Return the first row of each span [low, high] that is not before ``oldest``; the row ``high`` is not."""
    while (wide := low < high).any():
        middle = (low + high) // 2
        late = time[middle] >= oldest
        low, high = np.where(wide & ~late, middle + 1, low), np.where(wide & late, middle, high)
    return low
