"""From order rows to one small statistic: `CustomerState`, `CustomerSummary`, `PurchaseCounts`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ecomops.core import (
    Array,
    Column,
    CountColumn,
    Floats,
    Frame,
    InputError,
    Labels,
    Model,
    NonNegativeColumn,
    Num,
    Real,
    Text,
    TimeUnit,
    Whole,
    check,
    frames,
    validated,
)
from ecomops.core.units import DAYS

Nonpositive = Literal["count", "drop", "refuse"]
Days = Annotated[Array | Any, Floats(column=True, whole=True)]
EPOCH = np.datetime64("1970-01-01", "D")


class CustomerState(Model):
    """What each customer did on each day: the keyed state that every customer statistic comes from.

    ``a + b`` joins any split of the rows: one entry a customer and day, so a day whose rows lie in two parts still counts
    as one day. Customers and days are sorted.

    Examples
    --------
    >>> import pandas as pd
    >>> orders = pd.DataFrame(
    ...     {
    ...         "who": ["a", "a", "b"],
    ...         "when": pd.to_datetime(["2026-01-01", "2026-01-09", "2026-01-03"]),
    ...         "paid": [10.0, 20.0, 5.0],
    ...     }
    ... )
    >>> state = CustomerState.from_frame(orders, customer="who", time="when", spend="paid")
    >>> (state + state).spend.tolist()
    [20.0, 40.0, 10.0]
    """

    customer: Labels
    """Customer of each entry, shape (m,), sorted."""
    day: Days
    """Days since 1970-01-01 of each entry, shape (m,), ascending within a customer."""
    orders: CountColumn
    """Rows of the customer on that day, shape (m,)."""
    spend: Column
    """Sum of spend on that day, money, shape (m,); 0 where no spend was given."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = {np.size(self.customer), np.size(self.day), np.size(self.orders), np.size(self.spend)}
        check(len(sizes) == 1, f"customer, day, orders and spend must be equally long, got lengths {sorted(sizes)}")
        return self

    @classmethod
    @validated
    def from_frame(
        cls, frame: Frame, *, customer: Text, time: Text, spend: Text | None = None, timezone: Text | None = None
    ) -> CustomerState:
        """Return the state of the customers in a frame of orders.

        Parameters
        ----------
        frame : data frame
            One row an order: pandas, Polars (eager or lazy), PyArrow, DuckDB or another frame that narwhals reads.
            Engines other than pandas and PyArrow group by customer and day themselves.
        customer : str
            Column of customer ids (text or whole numbers).
        time : str
            Column of dates or times.
        spend : str, optional
            Column of money per order.
        timezone : str, optional
            The shop's zone, such as "Europe/Paris": zoned times are cut into days there. Their own zone by default.

        Returns
        -------
        CustomerState
            One entry a customer and day.

        Raises
        ------
        InputError
            When a column is missing, holds nulls, or is of the wrong type.

        Examples
        --------
        >>> import pandas as pd
        >>> orders = pd.DataFrame({"who": [7, 7], "when": pd.to_datetime(["2026-01-01", "2026-01-01"])})
        >>> CustomerState.from_frame(orders, customer="who", time="when").orders.tolist()
        [2.0]
        """
        keys = {"customer": customer, "time": time}
        sums = {"spend": spend} if spend is not None else {}
        if frames.is_eager(frame):
            data = frames.read(frame, {**keys, **sums}, times=("time",), zone=timezone)
        else:
            data = frames.counts(frame, keys, sums, day="time", zone=timezone)
        if "spend" in data and data["spend"].dtype.kind not in "iuf":
            raise InputError(f"spend must be numbers, got text in column {spend!r}")
        if data["customer"].dtype.kind not in "iO":
            raise InputError(
                f"customer must be text or whole numbers, got column {customer!r} of {data['customer'].dtype}"
            )
        rows = data.get("rows", np.ones(data["time"].size, dtype=np.int64))
        money = data["spend"].astype(np.float64) if "spend" in data else np.zeros(rows.size)
        return _grouped(data["customer"], _day_numbers(data["time"]), rows.astype(np.float64), money)

    @classmethod
    @validated
    def from_arrays(cls, customer: Labels, *, day: Days, spend: Num = 0.0) -> CustomerState:
        """Return the state of the customers in arrays of orders.

        Parameters
        ----------
        customer : array of str or int, shape (n,)
            Customer of each order.
        day : array, shape (n,)
            Whole days since any origin, such as 1970-01-01.
        spend : float or array, shape (n,)
            Money per order.

        Returns
        -------
        CustomerState
            One entry a customer and day.

        Examples
        --------
        >>> CustomerState.from_arrays(["a", "b", "a"], day=[0, 1, 3], spend=[1, 2, 3]).day.tolist()
        [0.0, 3.0, 1.0]
        """
        if np.shape(day) != customer.shape:
            raise InputError(f"day must have one value a customer, got shape {np.shape(day)} for {customer.size}")
        if np.size(spend) not in (1, customer.size):
            raise InputError(f"spend must have one value a customer, got {np.size(spend)} for {customer.size}")
        money = np.broadcast_to(np.asarray(spend, dtype=np.float64), customer.shape)
        return _grouped(customer, np.asarray(day).astype(np.int64), np.ones(customer.size), money)

    def __add__(self, other: CustomerState) -> CustomerState:
        """Join two parts of the rows, split in any way."""
        if not isinstance(other, CustomerState):
            return NotImplemented
        kinds = {self.customer.dtype.kind, other.customer.dtype.kind}
        if len(kinds) > 1 and self.customer.size and other.customer.size:
            raise InputError("CustomerState: customer must be text in both parts or whole numbers in both")
        first, second = (self, other) if self.customer.size else (other, self)
        return _grouped(
            np.concatenate([first.customer, second.customer.astype(first.customer.dtype)]),
            np.concatenate([first.day, second.day]).astype(np.int64),
            np.concatenate([first.orders, second.orders]),
            np.concatenate([first.spend, second.spend]),
        )


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

    customer: Labels
    """Customer ids, shape (n,), sorted."""
    frequency: CountColumn
    """Repeat purchase days x: days with a purchase after the first, shape (n,)."""
    age_at_last_purchase: NonNegativeColumn
    """Time from the first to the last purchase t_x, in ``unit``, shape (n,)."""
    age: NonNegativeColumn
    """Time from the first purchase to ``end`` T, in ``unit``, shape (n,)."""
    mean_spend: Column
    """Mean spend of a repeat purchase day (0 without one), money, shape (n,)."""
    orders: CountColumn
    """Orders in all, shape (n,)."""
    spend: Column
    """Spend in all, money, shape (n,)."""
    unit: TimeUnit
    """Unit of the ages."""
    end: Real
    """Last day of observation, days since 1970-01-01."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check(
            self.age_at_last_purchase <= self.age + 1e-9,
            "age_at_last_purchase must be <= age",
            self.age_at_last_purchase,
            self.age,
        )
        return self

    @property
    def days_since_last_purchase(self) -> Any:
        """Days from the last purchase to ``end``, shape (n,)."""
        return (self.age - self.age_at_last_purchase) * DAYS[self.unit]


class PurchaseCounts(Model):
    """How many customers share each (frequency, age at last purchase, age): what the lifetime models are fitted on.

    ``a + b`` joins disjoint customers observed to the same end in the same unit, and refuses anything else.

    Examples
    --------
    >>> counts = PurchaseCounts(frequency=[0, 1], age_at_last_purchase=[0, 5], age=[9, 9], customers=[10, 4])
    >>> (counts + counts).customers.tolist()
    [20.0, 8.0]
    """

    frequency: CountColumn
    """Repeat purchases x, shape (m,)."""
    age_at_last_purchase: NonNegativeColumn
    """Age at the last purchase t_x, in ``unit``, shape (m,)."""
    age: NonNegativeColumn
    """Age T at the end of observation, in ``unit``, shape (m,)."""
    customers: CountColumn
    """Customers with these three numbers, shape (m,)."""
    unit: TimeUnit = "week"
    """Unit of the ages."""
    end: Real | None = None
    """Last day of observation, days since 1970-01-01, where it is known."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = {
            np.shape(self.frequency),
            np.shape(self.age_at_last_purchase),
            np.shape(self.age),
            np.shape(self.customers),
        }
        check(len(sizes) == 1 and len(next(iter(sizes))) == 1, "columns must be one-dimensional and equally long")
        rule = "age_at_last_purchase must be <= age"
        check(self.age_at_last_purchase <= self.age, rule, self.age_at_last_purchase, self.age)
        idle = (self.frequency > 0) | (self.age_at_last_purchase == 0)
        check(idle, "age_at_last_purchase must be 0 where frequency is 0", self.age_at_last_purchase)
        return self

    @classmethod
    @validated
    def from_summary(cls, summary: CustomerSummary) -> PurchaseCounts:
        """Count the customers of a summary.

        Parameters
        ----------
        summary : CustomerSummary
            One row a customer.

        Returns
        -------
        PurchaseCounts
            One row for each distinct triple.

        Examples
        --------
        >>> state = CustomerState.from_arrays(["a", "b", "c"], day=[0, 0, 7])
        >>> PurchaseCounts.from_summary(customer_summary(state)).customers.tolist()
        [1.0, 2.0]
        """
        days = DAYS[summary.unit]
        last, age = (np.rint(part * days).astype(np.int64) for part in (summary.age_at_last_purchase, summary.age))
        span = int(age.max(initial=0)) + 1
        key = (summary.frequency.astype(np.int64) * span + last) * span + age
        key, customers = np.unique(key, return_counts=True)
        rest, age = np.divmod(key, span)
        frequency, last = np.divmod(rest, span)
        return cls(
            frequency=frequency,
            age_at_last_purchase=last / days,
            age=age / days,
            customers=customers,
            unit=summary.unit,
            end=summary.end,
        )

    def __add__(self, other: PurchaseCounts) -> PurchaseCounts:
        """Join two disjoint sets of customers."""
        if not isinstance(other, PurchaseCounts):
            return NotImplemented
        if (self.unit, self.end) != (other.unit, other.end):
            raise InputError(
                f"PurchaseCounts: unit and end must be the same to add, got {self.unit}, {self.end} and {other.unit}, {other.end}"
            )
        columns = ("frequency", "age_at_last_purchase", "age")
        rows = np.column_stack([np.concatenate([getattr(self, name), getattr(other, name)]) for name in columns])
        rows, place = np.unique(rows, axis=0, return_inverse=True)
        customers = np.bincount(
            place.ravel(), weights=np.concatenate([self.customers, other.customers]), minlength=len(rows)
        )
        return PurchaseCounts(
            **{name: rows[:, column] for column, name in enumerate(columns)},
            customers=customers,
            unit=self.unit,
            end=self.end,
        )


class SpendCounts(Model):
    """How many customers share each (frequency, mean spend): what the gamma-gamma model is fitted on.

    Examples
    --------
    >>> SpendCounts(frequency=[1, 2], mean_spend=[20.0, 35.0], customers=[3, 1]).customers.tolist()
    [3.0, 1.0]
    """

    frequency: Annotated[Array | Any, Floats(column=True, ge=1, whole=True)]
    """Repeat purchases, >= 1, shape (m,)."""
    mean_spend: Annotated[Array | Any, Floats(column=True, gt=0)]
    """Mean spend of a repeat purchase, > 0, money, shape (m,)."""
    customers: CountColumn
    """Customers with these numbers, shape (m,)."""

    @classmethod
    @validated
    def from_summary(cls, summary: CustomerSummary) -> SpendCounts:
        """Count the repeat customers of a summary whose mean spend is positive.

        Parameters
        ----------
        summary : CustomerSummary
            One row a customer.

        Returns
        -------
        SpendCounts
            One row a distinct pair; customers without a repeat purchase, or with a mean spend of 0 or less, are left out.

        Examples
        --------
        >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 7, 0], spend=[5, 9, 4])
        >>> SpendCounts.from_summary(customer_summary(state)).mean_spend.tolist()
        [9.0]
        """
        kept = (summary.frequency > 0) & (summary.mean_spend > 0)
        if not kept.any():
            raise InputError("summary has no customer with a repeat purchase and positive spend")
        rows = np.column_stack([summary.frequency[kept], summary.mean_spend[kept]])
        rows, customers = np.unique(rows, axis=0, return_counts=True)
        return cls(frequency=rows[:, 0], mean_spend=rows[:, 1], customers=customers)


@validated
def customer_summary(
    orders: Frame | CustomerState,
    *,
    customer: Text | None = None,
    time: Text | None = None,
    spend: Text | None = None,
    end: Text | Whole | None = None,
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
    end : str or int, optional
        Last day of observation, as "2026-03-31" or days since 1970-01-01; later purchases are left out. The last day
        with an order by default.
    unit : {"day", "week", "month", "year"}
        Unit of the ages. Purchases are always merged by day: two orders on one day are one purchase.
    nonpositive : {"count", "drop", "refuse"}
        What a day whose spend sums to 0 or less is, where spend is given: a purchase that does not enter the mean spend
        ("count"), no purchase ("drop"), or an error ("refuse").
    timezone : str, optional
        The shop's time zone for zoned times.

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
        state, priced = orders, bool(np.any(orders.spend))
    else:
        if customer is None or time is None:
            raise InputError("customer and time must name columns of the frame")
        state, priced = (
            CustomerState.from_frame(orders, customer=customer, time=time, spend=spend, timezone=timezone),
            spend is not None,
        )
    last = _end_day(end, state)
    kept = state.day <= last
    if priced and nonpositive != "count":
        kept = kept & _positive(state, refuse=nonpositive == "refuse")
    if not kept.any():
        raise InputError("orders has no rows up to end; nothing to summarise")
    return _summarised(state, kept, last, unit)


def _grouped(customer: NDArray[Any], day: NDArray[Any], rows: NDArray[Any], spend: NDArray[Any]) -> CustomerState:
    """Sum rows to one entry a customer and day, sorted."""
    if not customer.size:
        empty = np.zeros(0)
        return CustomerState(customer=customer, day=empty, orders=empty, spend=empty)
    codes, names = frames.factorize(customer)
    first = int(day.min())
    span = int(day.max()) - first + 1
    key = codes * span + (day - first)
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    who, when = np.divmod(key[starts], span)
    return CustomerState(
        customer=names[who],
        day=when + first,
        orders=np.add.reduceat(rows[order], starts),
        spend=np.add.reduceat(spend[order], starts),
    )


def _day_numbers(times: NDArray[Any]) -> NDArray[np.int64]:
    return np.asarray((times.astype("datetime64[D]") - EPOCH).astype(np.int64))


def _end_day(end: str | int | None, state: CustomerState) -> int:
    if end is None:
        if not np.size(state.day):
            raise InputError("orders has no rows; nothing to summarise")
        return int(np.max(state.day))
    if isinstance(end, int):
        return end
    try:
        return int(_day_numbers(np.array([np.datetime64(end)]))[0])
    except ValueError:
        raise InputError(f"end must be a date such as '2026-03-31', got {end!r}") from None


def _positive(state: CustomerState, *, refuse: bool) -> Any:
    positive = state.spend > 0
    if refuse and not np.all(positive):
        row = int(np.argmin(positive))
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
    )
