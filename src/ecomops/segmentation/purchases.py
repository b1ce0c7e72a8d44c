"""`CustomerSummary`: one row a customer, from order rows or from the state made of them."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import (
    Column,
    CountColumn,
    Frame,
    InputError,
    Labels,
    Model,
    NonNegativeColumn,
    Real,
    Text,
    TimeUnit,
    check,
    validated,
)
from ecomops.core.units import DAYS
from ecomops.segmentation.customer_state import CustomerState
from ecomops.segmentation.days import Day

Nonpositive = Literal["count", "drop", "refuse"]


class CustomerSummary(Model):
    """One row per customer: the numbers that RFM and the lifetime models read.

    Two words for two things: ``age_at_last_purchase`` grows with the time a customer stayed active (the "recency" of the
    lifetime models), ``days_since_last_purchase`` with the time since (the recency of RFM).

    Examples
    --------
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 7, 7], spend=[10, 20, 5])
    >>> customer_summary(state, unit="week").age.tolist()
    [1.0, 0.0]
    """

    __labelled__ = False

    customer: Labels
    """Customer ids, shape (n,), sorted."""
    frequency: CountColumn
    """Repeat purchase days x: days with a purchase after the first, shape (n,)."""
    age_at_last_purchase: NonNegativeColumn
    """Time from the first to the last purchase t_x, in ``unit``, shape (n,)."""
    age: NonNegativeColumn
    """Time from the first purchase to ``end`` T, in ``unit``, shape (n,)."""
    mean_spend: Column
    """Mean spend of a repeat purchase day whose spend is above 0 (0 without one), money, shape (n,)."""
    orders: CountColumn
    """Orders in all, shape (n,)."""
    spend: Column
    """Spend in all, money, shape (n,)."""
    unit: TimeUnit
    """Unit of the ages."""
    end: Real
    """Last day of observation, days since 1970-01-01."""
    paying_frequency: CountColumn = None
    """Repeat purchase days whose spend is above 0, which ``mean_spend`` is the mean of, shape (n,); ``frequency`` where
    it is not given."""

    @model_validator(mode="before")
    @classmethod
    def _all_pay(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("paying_frequency") is None:
            return {**data, "paying_frequency": data.get("frequency", ())}
        return data

    @model_validator(mode="after")
    def _check(self) -> Self:
        lengths = {np.size(value) for name, value in self.__dict__.items() if name not in {"unit", "end"}}
        check(len(lengths) == 1, f"columns must be equally long, got lengths {sorted(lengths)}")
        check(
            self.age_at_last_purchase <= self.age + 1e-9,
            "age_at_last_purchase must be <= age",
            self.age_at_last_purchase,
            self.age,
        )
        idle = (self.frequency > 0) | (self.age_at_last_purchase == 0)
        check(idle, "age_at_last_purchase must be 0 where frequency is 0", self.age_at_last_purchase)
        paying = self.paying_frequency
        check(paying <= self.frequency, "paying_frequency must be <= frequency", paying, self.frequency)
        return self

    @property
    def days_since_last_purchase(self) -> Any:
        """Days from the last purchase to ``end``, shape (n,)."""
        return (self.age - self.age_at_last_purchase) * DAYS[self.unit]


@validated
def customer_summary(
    orders: Frame | CustomerState,
    *,
    customer: Text | None = None,
    time: Text | None = None,
    spend: Text | None = None,
    end: Day | None = None,
    unit: TimeUnit = "week",
    nonpositive: Nonpositive = "count",
    timezone: Text | None = None,
) -> CustomerSummary:
    """Return one row per customer: repeat purchases, ages and spend.

    Parameters
    ----------
    orders : data frame or CustomerState
        Orders, one a row, or the state made from them.
    customer, time, spend : str, optional
        Columns of the frame (see `CustomerState.from_frame`); not used with a state.
    end : str, date or int, optional
        Last day of observation, as "2026-03-31", a date, a pandas Timestamp at midnight, or days since 1970-01-01; later
        purchases are left out. The last day with an order by default.
    unit : {"day", "week", "month", "year"}
        Unit of the ages. Purchases are always merged by day: two orders on one day are one purchase.
    nonpositive : {"count", "drop", "refuse"}
        What a day whose spend sums to 0 or less is, where spend is given: a purchase that counts in ``frequency`` but
        not in ``paying_frequency`` and the mean spend ("count"), no purchase ("drop"), or an error ("refuse").
    timezone : str, optional
        The shop's time zone for zoned times (see `CustomerState.from_frame`); not used with a state.

    Returns
    -------
    CustomerSummary
        One row a customer, sorted by id.

    Raises
    ------
    InputError
        When there is no order up to ``end``, or a column is missing or of the wrong type.

    Notes
    -----
    The first purchase day is not counted in ``frequency`` nor in ``mean_spend``: x repeat days, the last at age t_x, over
    an age of T.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), section 2.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame(
    ...     {
    ...         "who": ["a", "a", "b"],
    ...         "when": pd.to_datetime(["2026-01-01", "2026-01-15", "2026-01-08"]),
    ...         "paid": [10.0, 20.0, 5.0],
    ...     }
    ... )
    >>> summary = customer_summary(orders, customer="who", time="when", spend="paid", end="2026-01-22")
    >>> summary.frequency.tolist(), summary.age_at_last_purchase.tolist(), summary.age.tolist()
    ([1.0, 0.0], [2.0, 0.0], [3.0, 2.0])
    """
    if isinstance(orders, CustomerState):
        state = orders
    else:
        if customer is None or time is None:
            raise InputError("customer and time must name columns of the frame")
        state = CustomerState.from_frame(orders, customer=customer, time=time, spend=spend, timezone=timezone)
    if end is None and not np.size(state.day):
        raise InputError("orders has no rows; nothing to summarise")
    last = int(np.max(state.day)) if end is None else end
    kept = state.day <= last
    if state.priced and nonpositive != "count":
        kept = kept & _positive(state, kept, refuse=nonpositive == "refuse")
    if not kept.any():
        raise InputError("orders has no rows up to end; nothing to summarise")
    return _summarised(state, kept, last, unit)


def _positive(state: CustomerState, kept: Any, *, refuse: bool) -> Any:
    positive = state.spend > 0
    if refuse and not np.all(positive | ~kept):
        row = int(np.argmin(positive | ~kept))
        raise InputError(
            f"spend of a day must be > 0, got {float(state.spend[row])} for customer {state.customer[row]!r};"
            " use nonpositive='count' or 'drop'"
        )
    return positive


def _summarised(state: CustomerState, kept: Any, last: int, unit: TimeUnit) -> CustomerSummary:
    customer, day = state.customer[kept], state.day[kept]
    spend, orders = state.spend[kept], state.orders[kept]
    starts = np.flatnonzero(np.concatenate([[True], customer[1:] != customer[:-1]]))
    stops = np.append(starts[1:], customer.size) - 1
    days = DAYS[unit]
    repeat = np.ones(customer.size, dtype=bool)
    repeat[starts] = False
    paying = (repeat & (spend > 0)).astype(np.float64)
    times = np.add.reduceat(paying, starts)
    total = np.add.reduceat(np.where(paying > 0, spend, 0.0), starts)
    return CustomerSummary(
        customer=customer[starts],
        frequency=(stops - starts).astype(np.float64),
        age_at_last_purchase=(day[stops] - day[starts]) / days,
        age=(last - day[starts]) / days,
        mean_spend=np.where(times > 0, total / np.maximum(times, 1.0), 0.0),
        orders=np.add.reduceat(orders, starts),
        spend=np.add.reduceat(spend, starts),
        unit=unit,
        end=float(last),
        paying_frequency=times,
    )
