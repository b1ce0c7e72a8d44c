"""Cumulative incidence: how many units had each of several events, where one of them rules the others out."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeAlias

import numpy as np
from pydantic import model_validator
from scipy import special

from ecomops.core import (
    Array,
    CountColumn,
    Floats,
    Frame,
    InputError,
    Labels,
    Model,
    NonNegativeColumn,
    ProbabilityReal,
    Text,
    TimeUnit,
    Whole,
    check,
    frames,
    validated,
)
from ecomops.stats.durations import read_durations
from ecomops.stats.survival import Durations, Shares

UnitTable: TypeAlias = Annotated[Array | Any, Floats(core=2, ge=0, whole=True)]
Name: TypeAlias = Text | Whole
NO_EVENT_YET = "before the first event of its kind an interval has no width"


class CompetingDurations(Model):
    """How many units had which event first after each duration, and how many were last seen without any.

    ``a + b`` joins disjoint sets of units.

    Examples
    --------
    >>> counts = CompetingDurations.from_arrays([2, 3, 3], event=["购买", "退订", ""], none="")
    >>> counts.event.tolist(), counts.events.tolist(), counts.censored.tolist()
    (['购买', '退订'], [[1.0, 0.0], [0.0, 1.0]], [0.0, 1.0])
    """

    __labelled__ = False

    event: Labels
    """Names of the events, sorted, shape (c,)."""
    duration: NonNegativeColumn
    """Distinct durations in ascending order, ``unit``, shape (k,)."""
    events: UnitTable
    """Units whose first event was each one, after each duration, shape (c, k)."""
    censored: CountColumn
    """Units that were last seen, without any event, after each duration, shape (k,)."""
    unit: TimeUnit = "day"
    """Unit of ``duration``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        shape = (len(self.event), self.duration.size)
        check(self.events.shape == shape, f"events must have shape {shape}, got {self.events.shape}")
        check(self.censored.size == shape[1], f"censored must have {shape[1]} durations, got {self.censored.size}")
        check(len(set(self.event.tolist())) == shape[0], f"event must not repeat, got {self.event.tolist()}")
        check(self.duration[1:] > self.duration[:-1], "duration must ascend without repeats", self.duration[1:])
        return self

    @classmethod
    @validated
    def from_arrays(
        cls, durations: NonNegativeColumn, *, event: Labels, none: Name, unit: TimeUnit = "day"
    ) -> CompetingDurations:
        """Count the durations of an array.

        Parameters
        ----------
        durations : array, shape (n,)
            How long each unit was followed, >= 0: until its first event, or until it was last seen without one.
        event : array of str or int, shape (n,)
            Which event came then.
        none : str or int
            What stands in ``event`` where none came.
        unit : {"day", "week", "month", "year"}
            Unit of the durations.

        Returns
        -------
        CompetingDurations
            The statistic.

        Raises
        ------
        InputError
            When the two are not equally long, or no unit had an event.

        Examples
        --------
        >>> CompetingDurations.from_arrays([2, 2, 5], event=[1, 2, 0], none=0).events.tolist()
        [[1.0, 0.0], [1.0, 0.0]]
        """
        if event.shape != durations.shape:
            raise InputError(f"event must have one value a duration, got {event.size} for {durations.size}")
        return _grouped(durations, event, np.ones(event.size), none, unit)

    @classmethod
    @validated
    def from_frame(
        cls, frame: Frame, *, duration: Text, event: Text, none: Name, unit: TimeUnit = "day"
    ) -> CompetingDurations:
        """Count the durations in a frame with one row a unit.

        Parameters
        ----------
        frame : data frame
            One row a unit, in any order; engines other than pandas and PyArrow count by themselves.
        duration : str
            Column of how long the unit was followed, >= 0.
        event : str
            Column of which event came then (text or whole numbers).
        none : str or int
            What stands in that column where none came.
        unit : {"day", "week", "month", "year"}
            Unit of the durations.

        Returns
        -------
        CompetingDurations
            The statistic.

        Raises
        ------
        InputError
            When a column is missing, holds nulls, or is of the wrong type, or no unit had an event.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"days": [2, 5, 5], "end": ["购买", "无", "退订"]})
        >>> CompetingDurations.from_frame(frame, duration="days", event="end", none="无").censored.tolist()
        [0.0, 1.0]
        """
        data = read_durations(frame, {"duration": duration, "event": event})
        if data["event"].dtype.kind not in "iO":
            raise InputError(f"event must be text or whole numbers, got column {event!r} of {data['event'].dtype}")
        return _grouped(data["duration"], data["event"], data["rows"], none, unit)

    def __add__(self, other: object) -> CompetingDurations:
        """Join two disjoint sets of units."""
        if not isinstance(other, CompetingDurations):
            return NotImplemented
        if self.unit != other.unit:
            raise InputError(f"CompetingDurations: unit must be the same to add, got {self.unit!r} and {other.unit!r}")
        mine, theirs = self.event.tolist(), other.event.tolist()
        if len({type(name) for name in (*mine, *theirs)}) > 1:
            raise InputError("CompetingDurations: event must be text in both parts or whole numbers in both")
        names = sorted({*mine, *theirs})
        grid = np.unique(np.concatenate([self.duration, other.duration]))
        events, censored = np.zeros((len(names), grid.size)), np.zeros(grid.size)
        for part, own in ((self, mine), (other, theirs)):
            place = np.searchsorted(grid, part.duration)
            events[np.ix_(np.array([names.index(name) for name in own], dtype=np.intp), place)] += part.events
            censored[place] += part.censored
        return CompetingDurations(event=names, duration=grid, events=events, censored=censored, unit=self.unit)


class CumulativeIncidence(Model):
    """The share of units that had each event first, within each duration; one row an event and duration.

    Examples
    --------
    >>> from ecomops.experiments import CompetingDurations, cumulative_incidence
    >>> counts = CompetingDurations.from_arrays([1, 2, 3, 4], event=["buy", "leave", "buy", "none"], none="none")
    >>> cumulative_incidence(counts).incidence.round(2).tolist()
    [0.25, 0.25, 0.5, 0.5, 0.0, 0.25, 0.25, 0.25]
    """

    __labelled__ = False

    event: Labels
    """Event of each row, shape (n,)."""
    duration: Durations
    """Duration of each row, ascending within an event, shape (n,)."""
    incidence: Shares
    """Share of the units that had this event, and no other before it, within the duration, shape (n,)."""
    standard_error: Shares
    """Its standard error, shape (n,)."""
    lower: Shares
    """Lower end of its interval, shape (n,)."""
    upper: Shares
    """Upper end, shape (n,)."""
    event_free: Shares
    """Share of the units that had no event within the duration, shape (n,)."""
    confidence: ProbabilityReal
    """Confidence level of each interval by itself."""
    unit: TimeUnit
    """Unit of the durations."""
    method: Text
    """Estimator and interval."""
    reason: Text
    """Which intervals have no width; empty where all have one."""


@validated
def cumulative_incidence(durations: CompetingDurations, *, confidence: ProbabilityReal = 0.95) -> CumulativeIncidence:
    """Return how many units had each event within each duration, when one event rules out the others.

    Parameters
    ----------
    durations : CompetingDurations
        Durations until the first event, of whatever kind, or until a unit was last seen without any.
    confidence : float
        Confidence level of each interval by itself, in (0, 1).

    Returns
    -------
    CumulativeIncidence
        The Aalen-Johansen estimate; the incidences of all events and the event-free share sum to 1 at each duration.

    Notes
    -----
    F_j(t) is the sum over durations u up to t of S(u-) d_j / n, with S the Kaplan-Meier share without any event and d_j
    events of kind j among n units at risk. One minus Kaplan-Meier of one event with the others taken as censored would be
    too large: it counts on purchases of customers who have left. The variance is that of the delta method with multinomial
    events at each duration, and the interval is symmetric on the scale log(-log F).

    References
    ----------
    .. [1] Aalen & Johansen (1978), An empirical transition matrix for non-homogeneous Markov chains, Scand. J. Statist. 5.
    .. [2] Marubini & Valsecchi (1995), Analysing Survival Data from Clinical Trials and Observational Studies, section 10.3.

    Examples
    --------
    >>> from ecomops.experiments import CompetingDurations, cumulative_incidence
    >>> counts = CompetingDurations.from_arrays(
    ...     [1, 2, 2, 3, 4], event=["购买", "退订", "", "购买", "购买"], none="", unit="week"
    ... )
    >>> table = cumulative_incidence(counts).to_frame()
    >>> table[table["event"] == "退订"]["incidence"].round(3).tolist()
    [0.0, 0.2, 0.2, 0.2]
    """
    followed = durations.events.sum(axis=0) + durations.censored
    at_risk = np.cumsum(followed[::-1])[::-1]
    incidence, error, free = incidence_of(durations.events, np.where(at_risk > 0, at_risk, 1.0))
    z = -float(special.ndtri((1.0 - confidence) / 2))
    inside = (incidence > 0) & (incidence < 1)
    safe = np.where(inside, incidence, 0.5)
    log_incidence = np.log(safe)
    shift = np.minimum(z * error / (safe * -log_incidence), 700.0)
    lower = np.where(inside, np.exp(log_incidence * np.exp(shift)), incidence)
    upper = np.where(inside, np.exp(log_incidence * np.exp(-shift)), incidence)
    count = len(durations.event)
    return CumulativeIncidence(
        event=np.repeat(durations.event, durations.duration.size),
        duration=np.tile(durations.duration, count),
        incidence=incidence.ravel(),
        standard_error=error.ravel(),
        lower=lower.ravel(),
        upper=upper.ravel(),
        event_free=np.tile(free, count),
        confidence=confidence,
        unit=durations.unit,
        method="Aalen-Johansen, log-log",
        reason="" if np.all(incidence > 0) else NO_EVENT_YET,
    )


def incidence_of(events: Array, at_risk: Array) -> tuple[Array, Array, Array]:
    """Return incidences (c, k), their standard errors, and the event-free share (k,), from events and units at risk.

    With g = d / (n (n - d)) and q = S d_j / n^2 the variance at t is the sum over u of (F(t) - F(u))^2 g(u)
    - 2 (F(t) - F(u)) q(u) + S^2 d_j (n - d_j) / n^3. The first two sums grow with each step of F by terms that need only the
    sums so far, so that none is a small difference of large ones.
    """
    total = events.sum(axis=0)
    free = np.cumprod(1.0 - total / at_risk)
    before = np.concatenate([[1.0], free[:-1]])
    step = before * events / at_risk
    incidence = np.minimum(np.cumsum(step, axis=1), 1.0)
    spread = total / at_risk / np.where(at_risk > total, at_risk - total, np.inf)
    own = np.cumsum(np.square(before) * events / at_risk * (1.0 - events / at_risk) / at_risk, axis=1)
    sum_g, sum_q = _so_far(spread[None, :]), _so_far(step / at_risk)
    first = _so_far(step * sum_g)
    quadratic = np.cumsum(step * (2.0 * first + step * sum_g), axis=1)
    cross = np.cumsum(step * sum_q, axis=1)
    error: Array = np.sqrt(np.maximum(quadratic - 2.0 * cross + own, 0.0))
    return incidence, error, free


def _so_far(values: Array) -> Array:
    """Return the sums of all earlier values along the rows."""
    sums: Array = np.concatenate([np.zeros((values.shape[0], 1)), np.cumsum(values, axis=1)[:, :-1]], axis=1)
    return sums


def _grouped(durations: Any, event: Any, rows: Any, none: str | int, unit: TimeUnit) -> CompetingDurations:
    """Add up the units by event and duration."""
    grid, place = np.unique(np.asarray(durations, dtype=np.float64), return_inverse=True)
    codes, names = frames.factorize(event)
    if isinstance(none, str) != (names.dtype.kind == "O"):
        raise InputError(f"none must be of the kind of the events, {names.tolist()[:3]}, got {none!r}")
    kept = names != none
    if not kept.any():
        raise InputError(f"event must name an event of at least one unit, got {none!r} throughout")
    table = np.bincount(codes * grid.size + place, weights=rows, minlength=names.size * grid.size)
    table = table.reshape(names.size, grid.size)
    return CompetingDurations(
        event=names[kept], duration=grid, events=table[kept], censored=table[~kept].sum(axis=0), unit=unit
    )
