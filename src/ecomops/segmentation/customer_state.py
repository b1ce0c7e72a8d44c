"""`CustomerState`: what each customer did on each day, which merges over any split of the rows."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ecomops.core import (
    Array,
    Column,
    CountColumn,
    Flag,
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
from ecomops.core.markers import Plain, listed

EPOCH = np.datetime64("1970-01-01", "D")


def _money(value: Any) -> Any:
    return None if value is None else Floats().check(value)


Days = Annotated[Array | Any, Floats(column=True, whole=True)]
MoneyOrNone = Annotated[
    Any,
    Plain(
        _money,
        {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}, {"type": "null"}]},
        listed,
        batched=True,
    ),
]


class CustomerState(Model):
    """What each customer did on each day: the keyed state that every customer statistic comes from.

    ``a + b`` joins any split of the rows: one entry a customer and day, so a day whose rows lie in two parts still counts
    as one day. Customers and days are sorted. Parts that were cut into days in different time zones, or of which one has
    spend and the other none, are refused; a part without entries adds to any.

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

    __labelled__ = False

    customer: Labels
    """Customer of each entry, shape (m,), sorted."""
    day: Days
    """Days since 1970-01-01 of each entry, shape (m,), ascending within a customer."""
    orders: CountColumn
    """Rows of the customer on that day, shape (m,)."""
    spend: Column
    """Sum of spend on that day, money, shape (m,); 0 where no spend was given."""
    timezone: Text | None = None
    """Time zone that the days were cut in; none for dates and for times without a zone."""
    priced: Flag = True
    """Whether spend was given."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = {np.size(self.customer), np.size(self.day), np.size(self.orders), np.size(self.spend)}
        check(len(sizes) == 1, f"customer, day, orders and spend must be equally long, got lengths {sorted(sizes)}")
        # Where the day does not go up, the customer must.
        check(
            bool(np.all(self.customer[1:] >= self.customer[:-1])),
            "customer must be sorted; use from_arrays for raw rows",
        )
        turn = np.flatnonzero(self.day[1:] <= self.day[:-1])
        once = bool(np.all(self.customer[turn + 1] != self.customer[turn]))
        check(once, "day must go up within a customer; use from_arrays for raw rows")
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
            Dates and times without a zone are taken to be on the shop's clock already and are not moved.

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
            kind = "text" if data["spend"].dtype.kind == "O" else "true or false"
            raise InputError(f"spend must be numbers, got {kind} in column {spend!r}")
        if data["customer"].dtype.kind not in "iO":
            raise InputError(
                f"customer must be text or whole numbers, got column {customer!r} of {data['customer'].dtype}"
            )
        rows = data.get("rows", np.ones(data["time"].size, dtype=np.int64))
        money = data["spend"].astype(np.float64) if "spend" in data else np.zeros(rows.size)
        return _grouped(
            data["customer"],
            day_numbers(data["time"]),
            rows.astype(np.float64),
            money,
            timezone=timezone or _own_zone(frame, time),
            priced=spend is not None,
        )

    @classmethod
    @validated
    def from_arrays(
        cls, customer: Labels, *, day: Days, spend: MoneyOrNone = None, timezone: Text | None = None
    ) -> CustomerState:
        """Return the state of the customers in arrays of orders.

        Parameters
        ----------
        customer : array of str or int, shape (n,)
            Customer of each order.
        day : array, shape (n,)
            Whole days since any origin, such as 1970-01-01.
        spend : float or array, shape (n,), optional
            Money per order.
        timezone : str, optional
            Zone that the days were cut in, which is kept so that states of different zones are not added.

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
        if spend is not None and np.shape(spend) not in ((), (1,), customer.shape):
            raise InputError(f"spend must have one value a customer, got shape {np.shape(spend)} for {customer.size}")
        money = np.broadcast_to(np.asarray(0.0 if spend is None else spend, dtype=np.float64), customer.shape)
        return _grouped(
            customer,
            np.asarray(day).astype(np.int64),
            np.ones(customer.size),
            money,
            timezone=timezone,
            priced=spend is not None,
        )

    def __add__(self, other: CustomerState) -> CustomerState:
        """Join two parts of the rows, split in any way."""
        if not isinstance(other, CustomerState):
            return NotImplemented
        if self.customer.size and other.customer.size:
            if self.customer.dtype.kind != other.customer.dtype.kind:
                raise InputError("CustomerState: customer must be text in both parts or whole numbers in both")
            if self.timezone != other.timezone:
                raise InputError(
                    f"CustomerState: timezone must be the same to add, got {self.timezone!r} and {other.timezone!r};"
                    " cut both parts into days in the shop's zone"
                )
            if self.priced != other.priced:
                raise InputError("CustomerState: spend must be given in both parts or in neither, got it in one only")
        first, second = (self, other) if self.customer.size else (other, self)
        return _grouped(
            np.concatenate([first.customer, second.customer.astype(first.customer.dtype)]),
            np.concatenate([first.day, second.day]).astype(np.int64),
            np.concatenate([first.orders, second.orders]),
            np.concatenate([first.spend, second.spend]),
            timezone=first.timezone,
            priced=first.priced,
        )


def _own_zone(frame: Any, time: str) -> str | None:
    """Return the time zone of a column of times, none for dates and for times without one."""
    # In pandas, narwhals knows no zone with an underscore or a dash in its name; the column itself does.
    rows = frames.wrap(frame)
    zone = getattr(rows.collect_schema()[time], "time_zone", None)
    if zone is None and frames.is_eager(frame):
        zone = getattr(getattr(rows.get_column(time).to_native(), "dtype", None), "tz", None)
    return None if zone is None else str(zone)


def _grouped(
    customer: NDArray[Any],
    day: NDArray[Any],
    rows: NDArray[Any],
    spend: NDArray[Any],
    *,
    timezone: str | None,
    priced: bool,
) -> CustomerState:
    """Sum rows to one entry a customer and day, sorted."""
    if not customer.size:
        empty = np.zeros(0)
        return CustomerState(customer=customer, day=empty, orders=empty, spend=empty, timezone=timezone, priced=priced)
    codes, names = frames.factorize(customer)
    first = int(day.min())
    span = int(day.max()) - first + 1
    if names.size * span > np.iinfo(np.int64).max:
        raise InputError(f"day must be whole days, got a span of {span} for {names.size} customers; is it seconds?")
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
        timezone=timezone,
        priced=priced,
    )


def day_numbers(times: NDArray[Any]) -> NDArray[np.int64]:
    """Return whole days since 1970-01-01."""
    return np.asarray((times.astype("datetime64[D]") - EPOCH).astype(np.int64))
