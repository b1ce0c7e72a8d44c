"""Horizons and discounts that carry their unit, so that weeks are never read as days."""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias

from ecomops.core.arrays import Floats, NonNegativeReal, PositiveReal
from ecomops.core.model import Model
from ecomops.core.validation import validated

TimeUnit: TypeAlias = Literal["day", "week", "month", "year"]

DiscountFactor: TypeAlias = Annotated[float, Floats(scalar=True, gt=0, le=1)]

DAYS: dict[str, float] = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}


class Duration(Model):
    """A length of time with its unit.

    A month is 365.25 / 12 = 30.4375 days and a year 365.25 days, always.

    Examples
    --------
    >>> Duration(value=39, unit="week").to("day")
    273.0
    """

    value: PositiveReal
    """How many units, > 0."""
    unit: TimeUnit
    """The unit of ``value``."""

    @validated
    def to(self, unit: TimeUnit) -> PositiveReal:
        """Return the length in another unit.

        Parameters
        ----------
        unit : {"day", "week", "month", "year"}
            The unit to convert to.

        Returns
        -------
        float
            The number of those units.

        Examples
        --------
        >>> Duration(value=1, unit="year").to("month")
        12.0
        """
        return self.value * DAYS[self.unit] / DAYS[unit]


class DiscountRate(Model):
    """An effective discount rate with the time it is for: 0.15 per year means money in a year is divided by 1.15.

    Examples
    --------
    >>> round(DiscountRate(rate=0.15, per="year").per_unit("month"), 6)
    0.011715
    """

    rate: NonNegativeReal
    """Effective (compound) rate as a fraction, >= 0."""
    per: TimeUnit
    """The time over which it accrues."""

    @validated
    def per_unit(self, unit: TimeUnit) -> NonNegativeReal:
        """Return the effective rate over another unit of time.

        Parameters
        ----------
        unit : {"day", "week", "month", "year"}
            The unit to convert to.

        Returns
        -------
        float
            The rate that compounds to the same discount.

        Examples
        --------
        >>> round(DiscountRate(rate=0.10, per="year").per_unit("year"), 12)
        0.1
        """
        return math.expm1(math.log1p(self.rate) * DAYS[unit] / DAYS[self.per])

    @validated
    def factor(self, duration: Duration) -> DiscountFactor:
        """Return what one unit of money after ``duration`` is worth today.

        Parameters
        ----------
        duration : Duration
            How far away the money is.

        Returns
        -------
        float
            The discount factor, in (0, 1].

        Examples
        --------
        >>> round(DiscountRate(rate=0.25, per="year").factor(Duration(value=1, unit="year")), 10)
        0.8
        """
        return math.exp(-math.log1p(self.rate) * duration.to(self.per))
