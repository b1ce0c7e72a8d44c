"""Demand as a function of price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field

from ecomops.core import (
    Array,
    Floats,
    InputError,
    Model,
    NonNegative,
    Num,
    Positive,
    PositiveWhole,
    Rng,
    validated,
)

Negative = Annotated[float | Array | Any, Floats(lt=0)]


class Curve(Model):
    """The methods that every demand curve has; subclasses are final."""

    @validated
    def demand(self, price: Positive) -> NonNegative:
        """Return the expected demand at a price.

        Parameters
        ----------
        price : float or array
            Money per unit, > 0.

        Returns
        -------
        float or array
            Units per period.

        Examples
        --------
        >>> from ecomops.pricing import LinearDemand
        >>> LinearDemand(intercept=100, slope=2).demand(30)
        40.0
        """
        return self._demand(price)

    @validated
    def elasticity_at(self, price: Positive) -> Num:
        """Return the price elasticity at a price: the relative change of demand for a relative change of price.

        Parameters
        ----------
        price : float or array
            Money per unit, > 0.

        Returns
        -------
        float or array
            Elasticity, negative.

        Raises
        ------
        InputError
            When there is no demand at the price.

        Examples
        --------
        >>> from ecomops.pricing import LinearDemand
        >>> LinearDemand(intercept=100, slope=2).elasticity_at(30)
        -1.5
        """
        return self._elasticity(price)

    @validated
    def inverse(self, quantity: Positive) -> Num:
        """Return the price at which a quantity is demanded.

        Parameters
        ----------
        quantity : float or array
            Units per period, > 0.

        Returns
        -------
        float or array
            Money per unit.

        Examples
        --------
        >>> from ecomops.pricing import LinearDemand
        >>> LinearDemand(intercept=100, slope=2).inverse(40)
        30.0
        """
        return self._inverse(quantity)

    if TYPE_CHECKING:

        def _demand(self, price: Any) -> Any: ...
        def _elasticity(self, price: Any) -> Any: ...
        def _inverse(self, quantity: Any) -> Any: ...


class ConstantElasticityDemand(Curve):
    """Demand scale * price^elasticity.

    Examples
    --------
    >>> round(ConstantElasticityDemand(scale=10_000, elasticity=-2).demand(40), 6)
    6.25
    >>> ConstantElasticityDemand(scale=10_000, elasticity=-2)
    ConstantElasticityDemand(scale=10000, elasticity=-2)
    """

    kind: Literal["ConstantElasticityDemand"] = "ConstantElasticityDemand"
    scale: Positive
    """Units per period at a price of 1."""
    elasticity: Negative
    """Price elasticity, < 0."""

    def _demand(self, price: Any) -> Any:
        return self.scale * np.power(price, self.elasticity)

    def _elasticity(self, price: Any) -> Any:
        return self.elasticity + np.zeros(np.broadcast_shapes(np.shape(price), self.batch_shape))

    def _inverse(self, quantity: Any) -> Any:
        return np.power(quantity / self.scale, 1.0 / self.elasticity)


class LinearDemand(Curve):
    """Demand intercept - slope * price, and none above the choke price intercept / slope.

    Examples
    --------
    >>> LinearDemand(intercept=100, slope=2)
    LinearDemand(intercept=100, slope=2)
    """

    kind: Literal["LinearDemand"] = "LinearDemand"
    intercept: Positive
    """Units per period at a price of 0."""
    slope: Positive
    """Units lost per unit of money, > 0."""

    @property
    def choke_price(self) -> Any:
        """Price at which demand ends."""
        return self.intercept / self.slope

    def _demand(self, price: Any) -> Any:
        return np.maximum(self.intercept - self.slope * price, 0.0)

    def _elasticity(self, price: Any) -> Any:
        demand = self._demand(price)
        if np.any(demand <= 0):
            raise InputError("price must be below the choke price intercept / slope: there is no demand above it")
        return -self.slope * price / demand

    def _inverse(self, quantity: Any) -> Any:
        if np.any(quantity > self.intercept):
            raise InputError("quantity must be at most the intercept: not even a price of 0 sells more")
        return (self.intercept - quantity) / self.slope


DemandCurve: TypeAlias = Annotated[ConstantElasticityDemand | LinearDemand, Field(discriminator="kind")]


@validated
def arc_elasticity(
    price_before: Positive, *, price_after: Positive, quantity_before: Positive, quantity_after: Positive
) -> Num:
    """Return the elasticity between two points by the midpoint formula.

    Parameters
    ----------
    price_before, price_after : float or array
        Money per unit; they must differ.
    quantity_before, quantity_after : float or array
        Units per period.

    Returns
    -------
    float or array
        Elasticity; negative where a higher price sells less.

    Raises
    ------
    InputError
        When a price did not change.

    References
    ----------
    .. [1] Mankiw, Principles of Economics, ch. 5, the midpoint method.

    Examples
    --------
    >>> from ecomops.pricing import arc_elasticity
    >>> arc_elasticity(4, price_after=6, quantity_before=120, quantity_after=80)
    -1.0
    """
    if np.any(np.asarray(price_before) == price_after):
        raise InputError("price_after must differ from price_before; an elasticity needs a change of price")
    quantity = (quantity_after - quantity_before) / (quantity_after + quantity_before)
    return quantity / ((price_after - price_before) / (price_after + price_before))


@validated
def simulate_sales(demand: DemandCurve, *, price: Positive, periods: PositiveWhole = 1, rng: Rng = None) -> Array:
    """Draw sales that are Poisson round a demand curve.

    Parameters
    ----------
    demand : ConstantElasticityDemand or LinearDemand
        The curve.
    price : float or array, shape (n,)
        Money per unit.
    periods : int
        Number of draws T at each price.
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    array, shape (T,) or (T, n)
        Units per period; the prices and the curve broadcast to (n,).

    Raises
    ------
    InputError
        When the expected demand is too large to draw (above 1e15).

    Examples
    --------
    >>> from ecomops.pricing import LinearDemand, simulate_sales
    >>> simulate_sales(LinearDemand(intercept=100, slope=2), price=[30, 49], rng=1).shape
    (1, 2)
    """
    mean = np.asarray(demand._demand(price))  # noqa: SLF001 - the kernel of the same room
    if np.any(mean > 1e15):
        raise InputError(
            f"demand must be at most 1e15 units to be drawn, got {float(mean.max())}; check scale and price"
        )
    drawn: Array = rng.poisson(mean, (periods, *mean.shape)).astype(np.float64)
    return drawn
