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


class PathTable(Model):
    """Distinct paths with their conversions, value and paths that led to nothing.

    Paths lie one behind the other in ``codes``; path i is ``codes[offsets[i]:offsets[i + 1]]``. ``a + b`` adds tables of
    different days or shards.

    Examples
    --------
    >>> table = PathTable.from_strings(["C1 > C2 > C3", "C1", "C2 > C3"], conversions=[1, 0, 0], nulls=[0, 1, 1])
    >>> table.channels.tolist(), table.offsets.tolist()
    (['C1', 'C2', 'C3'], [0.0, 1.0, 4.0, 6.0])
    """

    channels: Labels
    """Names of the channels, shape (K,), sorted."""
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

    @model_validator(mode="after")
    def _check(self) -> Self:
        size = self.offsets.size - 1
        sizes = (self.conversions.size, self.value.size, self.nulls.size)
        check(sizes == (size,) * 3, f"conversions, value and nulls must have {size} paths, got {sizes}")
        check(np.diff(self.offsets) > 0, "offsets must ascend: a path has at least one touch")
        check(
            self.offsets[0] == 0 and self.offsets[-1] == self.codes.size,
            "offsets must go from 0 to the number of touches",
        )
        check(self.codes < max(self.channels.size, 1), f"codes must be below {self.channels.size}", self.codes)
        check(self.ages is None or self.ages.size == self.codes.size, "ages must have one value a touch")
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
        if not paths.size or paths.dtype.kind != "O":
            raise InputError("paths must hold at least one path as text, got none")
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
        return _merged(channels, merged[codes], np.concatenate([[0], np.cumsum(lengths)]), *sums)

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
            One row a touch or conversion, in any order.
        user, time, channel : str
            Columns of users, times, and channels.
        conversion : str
            Column that is 1 (or true) where the row is a conversion.
        value : str, optional
            Column of the value of conversions, money.
        lookback : Duration, optional
            Touches older than this before a conversion (inclusive) are left out; all count by default.
        restart : bool
            Whether a path begins anew after a conversion; if not, earlier touches count again.
        conversion_is_touch : bool
            Whether the channel of a conversion row is the last touch of its path; if not the row only ends the path.

        Returns
        -------
        PathTable
            One row a journey, with the age of each touch in days. What follows the last conversion of a user, and users
            who never converted, are null paths. A conversion without a touch in its lookback is left out.

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
        data = frames.read(frame, names, times=("time",))
        log = _sorted_log(data, conversion)
        if not log["user"].size:
            raise InputError("frame has no rows")
        span = None if lookback is None else lookback.to("day")
        return _journeys(log, span, restart=restart, conversion_is_touch=conversion_is_touch)

    def __add__(self, other: PathTable) -> PathTable:
        """Add two tables; equal paths without ages are merged."""
        if not isinstance(other, PathTable):
            return NotImplemented
        if (self.ages is None) != (other.ages is None):
            raise InputError("PathTable: ages must be in both tables to add them, or in none")
        channels = np.array(sorted({*self.channels.tolist(), *other.channels.tolist()}), dtype=object)
        codes = np.concatenate(
            [np.searchsorted(channels, part.channels)[part.codes.astype(np.intp)] for part in (self, other)]
        )
        offsets = np.concatenate([self.offsets, self.codes.size + other.offsets[1:]]).astype(np.intp)
        sums = [np.concatenate([getattr(self, n), getattr(other, n)]) for n in ("conversions", "value", "nulls")]
        if self.ages is None or other.ages is None:
            return _merged(channels, codes, offsets, *sums)
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
        )

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Touches in each path, shape (paths,)."""
        return np.diff(self.offsets).astype(np.intp)


def _column(value: Any, size: int, name: str) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim and array.shape != (size,):
        raise InputError(f"{name} must have one value a path, got shape {array.shape} for {size} paths")
    return np.broadcast_to(array, (size,))


def _merged(channels: Any, codes: Any, offsets: Any, conversions: Any, value: Any, nulls: Any) -> PathTable:
    """Add up equal paths; a path is one key of bytes."""
    flat = np.ascontiguousarray(codes, dtype=np.int32)
    bounds = offsets.tolist()
    view = flat.tobytes()
    keys = np.array(
        [view[4 * start : 4 * stop] for start, stop in zip(bounds[:-1], bounds[1:], strict=True)], dtype=object
    )
    place: dict[bytes, int] = {}
    group = np.array([place.setdefault(key, len(place)) for key in keys.tolist()], dtype=np.intp)
    order = sorted(place, key=lambda key: np.frombuffer(key, dtype=np.int32).tolist())
    rank = np.empty(len(order), dtype=np.intp)
    rank[[place[key] for key in order]] = np.arange(len(order))
    group = rank[group]
    lengths = np.array([len(key) // 4 for key in order], dtype=np.intp)
    return PathTable(
        channels=channels,
        codes=np.frombuffer(b"".join(order), dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        conversions=np.bincount(group, weights=conversions, minlength=len(order)),
        value=np.bincount(group, weights=value, minlength=len(order)),
        nulls=np.bincount(group, weights=nulls, minlength=len(order)),
    )


def _sorted_log(data: dict[str, NDArray[Any]], conversion: str) -> dict[str, NDArray[Any]]:
    """Sort by user and time; at one time touches come before conversions."""
    flag = data["conversion"]
    if flag.dtype.kind not in "iufb" or not np.isin(flag, (0, 1)).all():
        raise InputError(f"conversion must be 0 or 1 in every row, got something else in column {conversion!r}")
    users, _ = frames.factorize(data["user"])
    names = data["channel"] if data["channel"].dtype.kind == "O" else data["channel"].astype(str).astype(object)
    channel, channels = frames.factorize(names)
    if any(not name.strip() for name in channels.tolist()):
        raise InputError("channel must not be blank; drop those rows or name the channel")
    days = data["time"].astype("datetime64[us]").astype(np.int64) / 86_400e6
    order = np.lexsort((flag, days, users))
    money = data["value"].astype(np.float64) if "value" in data else np.zeros(flag.size)
    return {
        "user": users[order],
        "day": days[order],
        "channel": channel[order],
        "conversion": flag[order].astype(bool),
        "value": money[order],
        "channels": channels,
    }


def _journeys(
    log: dict[str, NDArray[Any]], lookback: float | None, *, restart: bool, conversion_is_touch: bool
) -> PathTable:
    """Cut the sorted log into journeys: one an end (conversion, or the last row of what did not convert)."""
    user, day, bought = log["user"], log["day"], log["conversion"]
    size = user.size
    first_of_user = np.searchsorted(user, user, side="left")
    last_row = np.append(user[1:] != user[:-1], True)
    is_end = bought | last_row
    ends = np.flatnonzero(is_end)
    converted = bought[ends]
    previous = np.concatenate([[-1], ends[:-1]])
    fresh = np.maximum(first_of_user[ends], previous + 1)
    # A null path never takes up touches that a conversion has used.
    starts = np.where(converted & (not restart), first_of_user[ends], fresh)
    if lookback is not None:
        oldest = day[ends] - lookback * (1 + 1e-12) - 1e-9
        key = user * (float(day.max() - day.min()) + 2.0) + (day - day.min())
        target = user[ends] * (float(day.max() - day.min()) + 2.0) + np.maximum(oldest - day.min(), 0.0)
        starts = np.where(converted, np.maximum(starts, np.searchsorted(key, target, side="left")), starts)
    is_touch = np.ones(size, dtype=bool) if conversion_is_touch else ~bought
    lengths = np.maximum(ends + 1 - starts, 0)
    rows = np.repeat(starts - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
    journey = np.repeat(np.arange(ends.size), lengths)
    kept = is_touch[rows]
    rows, journey = rows[kept], journey[kept]
    touches = np.bincount(journey, minlength=ends.size)
    there = touches > 0
    if not there.any():
        raise InputError("frame has no touch inside the lookback of any conversion")
    return PathTable(
        channels=log["channels"],
        codes=log["channel"][rows],
        offsets=np.concatenate([[0], np.cumsum(touches[there])]),
        conversions=converted[there].astype(np.float64),
        value=np.where(converted, log["value"][ends], 0.0)[there],
        nulls=(~converted)[there].astype(np.float64),
        ages=np.maximum(day[ends][journey] - day[rows], 0.0),
    )
