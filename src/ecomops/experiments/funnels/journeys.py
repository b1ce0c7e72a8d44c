"""`JourneyCounts`: the paths of pages that sessions took, from a log of views."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ecomops.core import (
    Array,
    CountColumn,
    Duration,
    Floats,
    Frame,
    InputError,
    Labels,
    Model,
    Text,
    check,
    frames,
    validated,
)

Codes: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Repeats: TypeAlias = Literal["keep", "merge"]
MICROSECONDS = 86_400e6
"""Microseconds of a day."""
HALF_HOUR = Duration(value=1 / 48, unit="day")


class JourneyCounts(Model):
    """Distinct paths of pages and how many sessions took each.

    Paths lie one behind the other in ``codes``; path i is ``codes[offsets[i]:offsets[i + 1]]``. ``a + b`` joins sessions
    that were cut by the same rules; a user whose views are split between two parts has her sessions split too.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import JourneyCounts
    >>> log = pd.DataFrame(
    ...     {
    ...         "user": [1, 1, 2],
    ...         "page": ["首页", "商品页", "首页"],
    ...         "time": pd.to_datetime(["2026-01-01 10:00", "2026-01-01 10:05", "2026-01-01 11:00"]),
    ...     }
    ... )
    >>> journeys = JourneyCounts.from_frame(log, user="user", page="page", time="time")
    >>> journeys.sessions.tolist(), (journeys + journeys).sessions.tolist()
    ([1.0, 1.0], [2.0, 2.0])
    """

    __labelled__ = False

    page: Labels
    """Names of the pages, sorted, shape (p,)."""
    codes: Codes
    """Page numbers of all paths, path behind path, shape (views,)."""
    offsets: Codes
    """Where each path starts, and the end of the last, shape (paths + 1,)."""
    sessions: CountColumn
    """Sessions that took each path, shape (paths,)."""
    session_gap: Duration | None
    """Time without a view after which a new session begins; None where a user is one session."""
    repeats: Repeats
    """Whether views of one page in a row count each ("keep") or as one ("merge")."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = self.page.tolist()
        check(self.page.dtype.kind == "O", "page must be text, got whole numbers")
        check(len(set(names)) == len(names), "pages must be different from each other")
        check(self.codes.ndim == 1 == self.offsets.ndim, "codes and offsets must have one dimension")
        size = self.sessions.size
        check(self.offsets.size == size + 1, f"offsets must be one more than sessions, got {self.offsets.size}")
        check(np.diff(self.offsets) > 0, "offsets must ascend: a path has at least one view")
        ends = self.offsets[0] == 0 and self.offsets[-1] == self.codes.size
        check(ends, "offsets must go from 0 to the number of codes")
        check(self.codes < len(names), f"codes must be below {len(names)}", self.codes)
        return self

    @classmethod
    @validated
    def from_frame(
        cls,
        frame: Frame,
        *,
        user: Text,
        page: Text,
        time: Text,
        session_gap: Duration | None = HALF_HOUR,
        repeats: Repeats = "keep",
    ) -> JourneyCounts:
        """Count the paths in a log of page views.

        Parameters
        ----------
        frame : data frame
            One row a view, in any order. Of one user's views at one time the page that is first by name comes first: give
            times as fine as they are known.
        user, page, time : str
            Columns of users, names of pages, and times (those with a zone are compared in UTC).
        session_gap : Duration or None
            A view later than this after the one before begins a new session; half an hour by default. None makes a user
            one session.
        repeats : {"keep", "merge"}
            Whether views of one page in a row (reloads) count each or as one.

        Returns
        -------
        JourneyCounts
            Distinct paths, short ones first, then by the names of their pages.

        Raises
        ------
        InputError
            When a column is missing or of the wrong type, or there are no rows.

        Examples
        --------
        >>> import pandas as pd
        >>> log = pd.DataFrame(
        ...     {"user": [1, 1, 1], "page": ["首页", "首页", "支付"], "time": pd.to_datetime(["2026-01-01"] * 3)}
        ... )
        >>> log["time"] += pd.to_timedelta([0, 1, 2], unit="min")
        >>> JourneyCounts.from_frame(log, user="user", page="page", time="time", repeats="merge").offsets.tolist()
        [0.0, 2.0]
        """
        # The wall clock of a zone runs backwards once a year.
        data = frames.read(frame, {"user": user, "page": page, "time": time}, times=("time",), zone="UTC")
        if data["page"].dtype.kind != "O":
            raise InputError(f"page must be text, got column {page!r} of {data['page'].dtype}")
        if not data["page"].size:
            raise InputError("frame has no rows")
        codes, pages = frames.factorize(data["page"])
        users, _ = frames.factorize(data["user"])
        moments = data["time"].astype(np.int64)
        order = np.lexsort((codes, moments, users))
        codes, users, moments = codes[order], users[order], moments[order]
        starts = np.append(True, users[1:] != users[:-1])
        if session_gap is not None:
            # Whole microseconds: half an hour, given as 1 / 48 of a day, must not cut at just half an hour.
            starts[1:] |= np.diff(moments) > np.round(session_gap.to("day") * MICROSECONDS)
        if repeats == "merge":
            kept = starts | np.append(True, codes[1:] != codes[:-1])
            codes, starts = codes[kept], starts[kept]
        offsets = np.append(np.flatnonzero(starts), codes.size)
        found = _distinct(codes, offsets, np.ones(offsets.size - 1))
        return cls(page=pages, **found, session_gap=session_gap, repeats=repeats)

    def __add__(self, other: object) -> JourneyCounts:
        """Join the sessions of two parts."""
        if not isinstance(other, JourneyCounts):
            return NotImplemented
        for name in ("session_gap", "repeats"):
            rules = getattr(self, name), getattr(other, name)
            if rules[0] != rules[1]:
                raise InputError(f"JourneyCounts: {name} must be the same to add, got {rules[0]} and {rules[1]}")
        page = np.array(sorted({*self.page.tolist(), *other.page.tolist()}), dtype=object)
        codes = [np.searchsorted(page, part.page)[part.codes.astype(np.intp)] for part in (self, other)]
        offsets = np.concatenate([self.offsets, self.codes.size + other.offsets[1:]]).astype(np.intp)
        found = _distinct(np.concatenate(codes), offsets, np.concatenate([self.sessions, other.sessions]))
        return JourneyCounts(page=page, **found, session_gap=self.session_gap, repeats=self.repeats)

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Views of each path, shape (paths,)."""
        return np.diff(self.offsets).astype(np.intp)

    @property
    def views(self) -> tuple[NDArray[np.intp], Array]:
        """Page number of each view of the distinct paths, and how many sessions had it."""
        return self.codes.astype(np.intp), np.repeat(self.sessions, self.lengths)


def _distinct(codes: Any, offsets: Any, sessions: Any) -> dict[str, Any]:
    """Add up equal paths, and put them in the order of their lengths, then of their pages.

    Blocks of 2^j views, counted from the start of their path, are numbered in order: those of 2^(j+1) by their two halves.
    A path is then read as its blocks for the bits of its length, the longest first.
    """
    lengths = np.diff(offsets)
    levels = int(lengths.max()).bit_length()
    blocks, starts, numbers = [codes], [offsets[:-1]], lengths
    for _ in range(1, levels):
        halves, begin = blocks[-1], starts[-1]
        numbers = numbers // 2
        behind = np.cumsum(numbers) - numbers
        left = np.repeat(begin - 2 * behind, numbers) + 2 * np.arange(int(numbers.sum()))
        key = halves[left] * (int(halves.max()) + 1) + halves[left + 1]
        blocks.append(np.unique(key, return_inverse=True)[1])
        starts.append(behind)
    group = np.unique(lengths, return_inverse=True)[1]
    for level in range(levels - 1, -1, -1):
        odd = (lengths >> level) & 1 == 1
        last = np.zeros(lengths.size, dtype=np.int64)
        last[odd] = 1 + blocks[level][starts[level][odd] + (lengths[odd] >> level) - 1]
        group = np.unique(group * (int(last.max()) + 1) + last, return_inverse=True)[1]
    count = int(group.max()) + 1
    model = np.empty(count, dtype=np.intp)
    model[group] = np.arange(group.size)
    size = lengths[model]
    ends = np.cumsum(size)
    place = np.arange(int(ends[-1])) + np.repeat(offsets[:-1][model] - (ends - size), size)
    return {
        "codes": codes[place],
        "offsets": np.concatenate([[0], ends]),
        "sessions": np.bincount(group, weights=sessions, minlength=count),
    }
