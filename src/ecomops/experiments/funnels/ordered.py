"""The ordered funnel: how far users came, step by step."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Duration,
    Floats,
    Frame,
    InputError,
    Labels,
    Model,
    ProbabilityReal,
    Text,
    frames,
    validated,
)
from ecomops.experiments.proportions import wilson

Units = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Shares = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
Steps = Annotated[Array | Any, Floats(core=1, ge=0, le=1, nan=True)]


class Funnel(Model):
    """Users at each step of an ordered funnel.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import funnel
    >>> log = pd.DataFrame(
    ...     {
    ...         "user": [1, 1, 2],
    ...         "event": ["浏览", "下单", "浏览"],
    ...         "time": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-01"]),
    ...     }
    ... )
    >>> funnel(log, user="user", event="event", time="time", steps=("浏览", "下单")).users.tolist()
    [2.0, 1.0]
    """

    __labelled__ = False

    step: Labels
    """Names of the steps, shape (k,)."""
    users: Units
    """Users who reached each step in order, shape (k,)."""
    overall: Shares
    """Users over those of the first step, shape (k,)."""
    overall_lower: Shares
    """Lower end of the Wilson interval of ``overall``, shape (k,)."""
    overall_upper: Shares
    """Upper end, shape (k,)."""
    conversion: Steps
    """Users over those of the step before, shape (k,); 1 for the first, NaN where nobody reached the step before."""
    lower: Steps
    """Lower end of the Wilson interval of ``conversion``, shape (k,)."""
    upper: Steps
    """Upper end, shape (k,)."""
    drop_off: Units
    """Users lost before the next step, shape (k,); 0 for the last."""
    reason: Text
    """What NaN means here."""


@validated
def funnel(
    frame: Frame,
    *,
    user: Text,
    event: Text,
    time: Text,
    steps: tuple[Text, ...],
    window: Duration | None = None,
    confidence: ProbabilityReal = 0.95,
) -> Funnel:
    """Count how many users went through steps in order.

    Parameters
    ----------
    frame : data frame
        One row an event, in any order.
    user, event, time : str
        Columns of the user, the name of the event and its time.
    steps : tuple of str
        Events in order, at least one; a name may come twice.
    window : Duration, optional
        All steps must happen within this time from a first step, any of the user's; no limit by default.
    confidence : float
        Confidence level of the intervals.

    Returns
    -------
    Funnel
        Users, step and overall conversion with Wilson intervals, and drop-off.

    Raises
    ------
    InputError
        When a column is missing or of the wrong type, there are no steps, or nobody did the first.

    Notes
    -----
    Other events may lie between two steps. Events at one instant count in the order of the rows. A user may start again:
    each start is followed greedily, and the best level counts.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import funnel
    >>> log = pd.DataFrame(
    ...     {
    ...         "user": [1, 1, 1, 2, 2, 3, 4],
    ...         "event": list("ABCABAB"),
    ...         "time": pd.to_datetime(["2026-01-01"] * 7),
    ...     }
    ... )
    >>> result = funnel(log, user="user", event="event", time="time", steps=("A", "B", "C"))
    >>> result.users.tolist()
    [3.0, 2.0, 1.0]
    """
    if not steps:
        raise InputError("steps must name at least one event, got none")
    # The wall clock of a zone runs backwards once a year.
    data = frames.read(frame, {"user": user, "event": event, "time": time}, times=("time",), zone="UTC")
    if data["event"].dtype.kind != "O":
        raise InputError(f"event must be text, got column {event!r} of {data['event'].dtype}")
    wanted = np.isin(data["event"], np.array(steps, dtype=object))
    if not wanted.any():
        raise InputError(f"steps name no event of column {event!r}, got {steps}")
    users, _ = frames.factorize(data["user"][wanted])
    levels = _reached(users, data["event"][wanted], data["time"][wanted].astype(np.int64), steps, window)
    counts = np.array([(levels >= level).sum() for level in range(1, len(steps) + 1)], dtype=np.float64)
    if not counts[0]:
        raise InputError(f"steps: nobody did the first step {steps[0]!r}")
    return _table(steps, counts, confidence)


def _reached(users: Any, events: Any, times: Any, steps: tuple[str, ...], window: Duration | None) -> Any:
    """Return the best level of each user: each start is followed greedily through the events of each step."""
    order = np.lexsort((times, users))
    users, times = users[order], times[order]
    names = {name: code for code, name in enumerate(dict.fromkeys(steps))}
    codes = np.array([names[name] for name in events[order].tolist()], dtype=np.intp)
    # Whole microseconds: 13 minutes, given as 13 / 1440 of a day, must not lose the last event to rounding.
    limit = None if window is None else np.round(window.to("day") * 86_400e6)
    where = [np.flatnonzero(codes == names[name]) for name in dict.fromkeys(steps)]
    now = where[names[steps[0]]]
    start_time, who = times[now], users[now]
    best = np.zeros(int(users.max()) + 1, dtype=np.intp)
    best[who] = 1
    for level, name in enumerate(steps[1:], start=2):
        spots = where[names[name]]
        if not spots.size:
            break
        follow = np.searchsorted(spots, now, side="right")
        there = follow < spots.size
        later = spots[np.minimum(follow, spots.size - 1)]
        there &= users[later] == who
        if limit is not None:
            there &= times[later] - start_time <= limit
        now, start_time, who = later[there], start_time[there], who[there]
        np.maximum.at(best, who, level)
    return best


def _table(steps: tuple[str, ...], counts: Any, confidence: float) -> Funnel:
    z = -float(special.ndtri((1.0 - confidence) / 2))
    before = np.concatenate([[counts[0]], counts[:-1]])
    there = before > 0
    safe = np.where(there, before, 1.0)
    low, high = wilson(counts, safe, z)
    overall_low, overall_high = wilson(counts, np.full(counts.size, counts[0]), z)
    return Funnel(
        step=np.array(steps, dtype=object),
        users=counts,
        overall=counts / counts[0],
        overall_lower=overall_low,
        overall_upper=overall_high,
        conversion=np.where(there, counts / safe, np.nan),
        lower=np.where(there, low, np.nan),
        upper=np.where(there, high, np.nan),
        drop_off=np.append(counts[:-1] - counts[1:], 0.0),
        reason="" if there.all() else "NaN: nobody reached the step before",
    )
