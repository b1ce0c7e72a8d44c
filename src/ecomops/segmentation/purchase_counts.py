"""`PurchaseCounts` and `SpendCounts`: customers who are alike, counted; what the lifetime models are fitted on."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ecomops.core import (
    Array,
    CountColumn,
    Floats,
    InputError,
    Model,
    NonNegativeColumn,
    Real,
    TimeUnit,
    check,
    validated,
)
from ecomops.core.units import DAYS
from ecomops.segmentation.purchases import CustomerSummary

Whole = NDArray[np.int64]


class PurchaseCounts(Model):
    """How many customers share each (frequency, age at last purchase, age): what the lifetime models are fitted on.

    ``a + b`` joins disjoint customers observed to the same end in the same unit, and refuses anything else.

    Examples
    --------
    >>> counts = PurchaseCounts(frequency=[0, 1], age_at_last_purchase=[0, 5], age=[9, 9], customers=[10, 4])
    >>> (counts + counts).customers.tolist()
    [20.0, 8.0]
    """

    __labelled__ = False

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
            One row a customer. Ages are taken to the nearest day; `customer_summary` makes no others.

        Returns
        -------
        PurchaseCounts
            One row for each distinct triple, sorted.

        Examples
        --------
        >>> from ecomops.segmentation import CustomerState, customer_summary
        >>> state = CustomerState.from_arrays(["a", "b", "c"], day=[0, 0, 7])
        >>> PurchaseCounts.from_summary(customer_summary(state)).customers.tolist()
        [1.0, 2.0]
        """
        days = DAYS[summary.unit]
        last, age = (np.rint(part * days).astype(np.int64) for part in (summary.age_at_last_purchase, summary.age))
        frequency, last, age, customers = _distinct(summary.frequency.astype(np.int64), last, age)
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
        columns = _joined(self, other, ("frequency", "age_at_last_purchase", "age"))
        return PurchaseCounts(**columns, unit=self.unit, end=self.end)


def _joined(one: Any, other: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the rows of two tables of counts, equal ones added up."""
    rows = np.column_stack([np.concatenate([getattr(one, name), getattr(other, name)]) for name in names])
    rows, place = np.unique(rows, axis=0, return_inverse=True)
    customers = np.concatenate([one.customers, other.customers])
    total = np.bincount(place.ravel(), weights=customers, minlength=len(rows))
    return {**{name: rows[:, column] for column, name in enumerate(names)}, "customers": total}


def _distinct(frequency: Whole, last: Whole, age: Whole) -> tuple[Whole, Whole, Whole, Whole]:
    """Return the distinct triples in order, and how often each occurs."""
    span = int(age.max(initial=0)) + 1
    if (int(frequency.max(initial=0)) + 1) * span * span > np.iinfo(np.int64).max:
        rows, times = np.unique(np.column_stack([frequency, last, age]), axis=0, return_counts=True)
        return rows[:, 0], rows[:, 1], rows[:, 2], times
    # One number a customer sorts several times faster than three.
    key, times = np.unique((frequency * span + last) * span + age, return_counts=True)
    rest, age = np.divmod(key, span)
    frequency, last = np.divmod(rest, span)
    return frequency, last, age, times


class SpendCounts(Model):
    """How many customers share each (frequency, mean spend): what the gamma-gamma model is fitted on.

    ``a + b`` joins disjoint customers.

    Examples
    --------
    >>> SpendCounts(frequency=[1, 2], mean_spend=[20.0, 35.0], customers=[3, 1]).customers.tolist()
    [3.0, 1.0]
    """

    __labelled__ = False

    frequency: Annotated[Array | Any, Floats(column=True, ge=1, whole=True)]
    """Repeat purchases that ``mean_spend`` is the mean of, >= 1, shape (m,)."""
    mean_spend: Annotated[Array | Any, Floats(column=True, gt=0)]
    """Mean spend of a repeat purchase, > 0, money, shape (m,)."""
    customers: CountColumn
    """Customers with these numbers, shape (m,)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = sorted({np.size(self.frequency), np.size(self.mean_spend), np.size(self.customers)})
        check(len(sizes) == 1, f"columns must be equally long, got lengths {sizes}")
        return self

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
            One row a distinct pair of paying repeat purchases and their mean; customers without a repeat purchase that
            pays, or with a mean spend of 0 or less, are left out.

        Examples
        --------
        >>> from ecomops.segmentation import CustomerState, customer_summary
        >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 7, 0], spend=[5, 9, 4])
        >>> SpendCounts.from_summary(customer_summary(state)).mean_spend.tolist()
        [9.0]
        """
        kept = (summary.paying_frequency > 0) & (summary.mean_spend > 0)
        if not kept.any():
            raise InputError("summary has no customer with a repeat purchase and positive spend")
        rows = np.column_stack([summary.paying_frequency[kept], summary.mean_spend[kept]])
        rows, customers = np.unique(rows, axis=0, return_counts=True)
        return cls(frequency=rows[:, 0], mean_spend=rows[:, 1], customers=customers)

    def __add__(self, other: SpendCounts) -> SpendCounts:
        """Join two disjoint sets of customers."""
        if not isinstance(other, SpendCounts):
            return NotImplemented
        return SpendCounts(**_joined(self, other, ("frequency", "mean_spend")))
