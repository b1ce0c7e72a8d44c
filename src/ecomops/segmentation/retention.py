"""Retention: which share of customers came back, by day or by cohort."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

from ecomops.core import Array, Floats, InputError, Labels, Model, PositiveWhole, Text, Vector, validated
from ecomops.segmentation.customer_state import CustomerState
from ecomops.segmentation.days import Day

Kind = Literal["classic", "rolling", "cumulative"]
MOST_COHORTS = 100_000


class RetentionTable(Model):
    """Retention of each cohort at each age.

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, retention_table
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 1, 0])
    >>> retention_table(state, ages=(1,), cohort_days=1, end=5).rate.tolist()
    [[0.5]]
    """

    cohort: Labels
    """First day of each cohort as "YYYY-MM-DD", shape (c,)."""
    customers: Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
    """Customers of each cohort, shape (c,)."""
    age: Vector
    """Ages, in steps (days where ``step`` is 1), shape (a,)."""
    observed: Annotated[Array | Any, Floats(core=2, ge=0, whole=True)]
    """Customers old enough to be counted at each age, shape (c, a): the denominator."""
    retained: Annotated[Array | Any, Floats(core=2, ge=0, whole=True)]
    """Customers who came back, shape (c, a)."""
    rate: Annotated[Array | Any, Floats(core=2, nan=True)]
    """Retained over observed, shape (c, a); NaN where nobody is old enough yet."""
    overall: Annotated[Array | Any, Floats(core=1, nan=True)]
    """Rate over all cohorts, shape (a,); NaN where nobody is old enough yet."""
    method: Kind
    """Which definition."""
    reason: Text
    """What NaN means here; empty where there is none."""


@validated
def retention_table(
    state: CustomerState,
    *,
    ages: tuple[PositiveWhole, ...] = (1, 7, 30),
    method: Kind = "classic",
    cohort_days: PositiveWhole | None = None,
    step: PositiveWhole = 1,
    end: Day | None = None,
) -> RetentionTable:
    """Return which share of customers came back at each age, by cohort of first purchase.

    Parameters
    ----------
    state : CustomerState
        What each customer did on each day; the first day is a customer's birth.
    ages : tuple of int
        Ages N in steps after the first day, such as 1, 7, 30 for D1, D7, D30.
    method : {"classic", "rolling", "cumulative"}
        Came back exactly at age N, at N or later, or at any age from 1 to N.
    cohort_days : int, optional
        Length of a cohort in days, counted from the first day of all; one cohort by default.
    step : int
        Days in one step of age: 1 for days, 7 for weeks, 30 for 30-day months. Age N is days N step to (N+1) step - 1.
    end : str, date or int, optional
        Last day observed, as "2026-03-31", a date, a pandas Timestamp at midnight, or days since 1970-01-01; the last day
        with an order by default.

    Returns
    -------
    RetentionTable
        Counts and rates; only customers whose age N is over by ``end`` are counted.

    Raises
    ------
    InputError
        When there are no orders or no ages, or more than 100,000 cohorts.

    Notes
    -----
    Rate at age N = customers born on a day b with an order in the window / customers with b + (N + 1) step - 1 <= end.
    The window is the days b + N step to b + (N + 1) step - 1 ("classic"), b + N step and later ("rolling"), or b + step to
    b + (N + 1) step - 1 ("cumulative"). The window of "rolling" is open: who has not come back yet still may.

    References
    ----------
    .. [1] linkrunner documentation, retention: classic, rolling and cumulative, by an example of five users.

    Examples
    --------
    Five users, day 0 install: classic D1 60 %, D7 20 %.

    >>> from ecomops.segmentation import CustomerState, retention_table
    >>> returns = {"A": [1, 2, 3, 5, 7, 9], "B": [1, 4, 10], "C": [1, 2], "D": [3], "E": []}
    >>> who = [name for name, days in returns.items() for _ in [0, *days]]
    >>> when = [day for days in returns.values() for day in [0, *days]]
    >>> state = CustomerState.from_arrays(who, day=when)
    >>> retention_table(state, ages=(1, 7), end=30).overall.tolist()
    [0.6, 0.2]
    """
    if not np.size(state.day):
        raise InputError("state has no orders")
    if not ages:
        raise InputError("ages must name at least one age, got none")
    last = int(np.max(state.day)) if end is None else end
    kept = state.day <= last
    customer, day = state.customer[kept], state.day[kept].astype(np.int64)
    if not day.size:
        raise InputError(f"state has no orders up to end, got end {end}")
    starts = np.concatenate([[True], customer[1:] != customer[:-1]])
    who = np.cumsum(starts) - 1
    born = day[starts]
    length = cohort_days or int(born.max() - born.min()) + 1
    cohort = (born - born.min()) // length
    size = int(cohort.max()) + 1
    if size > MOST_COHORTS:
        raise InputError(f"cohort_days must give at most {MOST_COHORTS} cohorts, got {size}; use longer cohorts")
    age = (day - born[who]) // step
    observed, retained = np.zeros((size, len(ages))), np.zeros((size, len(ages)))
    for column, target in enumerate(ages):
        old_enough = born + (target + 1) * step - 1 <= last
        back = _came_back(age, target, method)
        hit = np.bincount(who[back], minlength=born.size) > 0
        observed[:, column] = np.bincount(cohort[old_enough], minlength=size)
        retained[:, column] = np.bincount(cohort[old_enough & hit], minlength=size)
    days = (np.datetime64("1970-01-01", "D") + born.min() + length * np.arange(size)).astype(str)
    return RetentionTable(
        cohort=days.astype(object),
        customers=np.bincount(cohort, minlength=size),
        age=np.asarray(ages, dtype=np.float64),
        observed=observed,
        retained=retained,
        rate=_ratio(retained, observed),
        overall=_ratio(retained.sum(axis=0), observed.sum(axis=0)),
        method=method,
        reason="" if observed.all() else "NaN: no customer of the cohort is old enough yet",
    )


def _came_back(age: Any, target: int, method: str) -> Any:
    if method == "classic":
        return age == target
    if method == "rolling":
        return age >= target
    return (age >= 1) & (age <= target)


def _ratio(part: Any, whole: Any) -> Any:
    return np.where(whole > 0, part / np.maximum(whole, 1.0), np.nan)
