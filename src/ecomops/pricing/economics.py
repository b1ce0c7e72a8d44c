"""What a unit earns after tax, fees, shipping and returns, and the price that it needs."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from ecomops.core import (
    Array,
    Flag,
    Flags,
    Floats,
    Fraction,
    InputError,
    Model,
    NonNegative,
    Num,
    NumOrNan,
    Positive,
    Texts,
    validated,
)

Rate = Annotated[float | Array | Any, Floats(ge=0, lt=1)]
Change = Annotated[float | Array | Any, Floats(gt=-1)]


class UnitEconomics(Model):
    """Costs and deductions of one unit sold; prices include tax.

    Examples
    --------
    >>> economics = UnitEconomics(
    ...     cost=40, outbound=6, commission=0.05, payment_fee=0.006, tax=0.13, return_rate=0.08, return_loss=10
    ... )
    >>> round(economics.contribution(72.689996), 4)
    11.8362
    """

    cost: NonNegative
    """Cost of the goods, money per unit."""
    inbound: NonNegative = 0.0
    """Inbound shipping, money per unit."""
    outbound: NonNegative = 0.0
    """Outbound shipping, money per order, lost on returns too."""
    commission: Rate = 0.0
    """Platform commission as a fraction of the price with tax."""
    payment_fee: Rate = 0.0
    """Payment fee as a fraction of the price with tax."""
    tax: Fraction = 0.0
    """Value-added tax as a fraction of the price without tax; it is included in the price."""
    return_rate: Rate = 0.0
    """Share of orders that come back; the price is refunded and the goods are sold again."""
    return_loss: NonNegative = 0.0
    """Handling and value lost with each return, money."""
    advertising: NonNegative = 0.0
    """Advertising, money per order shipped."""
    fees_refunded: Flag = True
    """Whether commission and payment fee come back with a return."""

    @validated
    def contribution(self, price: Positive) -> Num:
        """Return what an order earns on average, per order shipped, after returns.

        Parameters
        ----------
        price : float or array
            Price with tax, money per unit.

        Returns
        -------
        float or array
            Money per order shipped.

        Examples
        --------
        >>> from ecomops.pricing import UnitEconomics
        >>> UnitEconomics(cost=40, outbound=6, tax=0.25).contribution(100)
        34.0
        """
        return price * self._earned() - self._spent()

    def _kept(self) -> Any:
        return 1.0 - self.return_rate

    def _net(self) -> Any:
        """Net revenue kept per order shipped and unit of price."""
        return self._kept() / (1.0 + self.tax)

    def _earned(self) -> Any:
        charged = self._kept() if self.fees_refunded else 1.0
        return self._net() - charged * (self.commission + self.payment_fee)

    def _spent(self) -> Any:
        goods = self._kept() * (self.cost + self.inbound)
        return goods + self.outbound + self.advertising + self.return_rate * self.return_loss


class UnitPrice(Model):
    """A price with what it earns; NaN, with a reason, where no price reaches the goal.

    Examples
    --------
    >>> from ecomops.pricing import UnitEconomics, break_even_price
    >>> break_even_price(UnitEconomics(cost=40, commission=0.2)).price
    50.0
    """

    price: NumOrNan
    """Price with tax, money per unit."""
    contribution: NumOrNan
    """Contribution, money per order shipped."""
    margin: NumOrNan
    """Contribution over kept net revenue, a fraction."""
    feasible: Flags
    """Whether a price reaches the goal."""
    reason: Texts
    """Why none does; empty where one does."""


@validated
def break_even_price(economics: UnitEconomics) -> UnitPrice:
    """Return the price at which an order earns nothing and loses nothing.

    Parameters
    ----------
    economics : UnitEconomics
        Costs and deductions, scalar or batch.

    Returns
    -------
    UnitPrice
        Price with tax; NaN and a reason where fees and tax take the whole price.

    Examples
    --------
    >>> from ecomops.pricing import UnitEconomics, break_even_price
    >>> round(break_even_price(UnitEconomics(cost=40, outbound=6, commission=0.05, tax=0.13)).price, 4)
    55.0927
    """
    return _priced(economics, np.zeros(()))


@validated
def target_margin_price(economics: UnitEconomics, *, margin: Rate) -> UnitPrice:
    """Return the price that earns a target margin on kept net revenue.

    Parameters
    ----------
    economics : UnitEconomics
        Costs and deductions, scalar or batch.
    margin : float or array
        Contribution as a fraction of net revenue that is not refunded, in [0, 1).

    Returns
    -------
    UnitPrice
        Price with tax; NaN and a reason, with the arithmetic, where fees, tax and margin take the whole price. Without any
        cost every price does, and the answer is 0.

    Notes
    -----
    Contribution is linear in the price, p E - S, and kept net revenue is p R, so p = S / (E - m R).

    Examples
    --------
    >>> from ecomops.pricing import UnitEconomics, target_margin_price
    >>> economics = UnitEconomics(
    ...     cost=40, outbound=6, commission=0.05, payment_fee=0.006, tax=0.13, return_rate=0.08, return_loss=10
    ... )
    >>> round(target_margin_price(economics, margin=0.20).price, 4)
    72.69
    """
    return _priced(economics, np.asarray(margin))


@validated
def break_even_volume(
    price_change: Change,
    *,
    margin: Annotated[float | Array | Any, Floats(gt=0, le=1)],
    cost_change: Num = 0.0,
    fixed_cost: Num = 0.0,
) -> Num:
    """Return the relative change of volume that makes up for a change of price.

    Parameters
    ----------
    price_change : float or array
        Relative change of price, -0.05 for 5 % off.
    margin : float or array
        Contribution over price before the change, in (0, 1].
    cost_change : float or array
        Change of unit cost as a fraction of the old price; negative where cost falls.
    fixed_cost : float or array
        Added fixed cost as a fraction of old revenue.

    Returns
    -------
    float or array
        Relative change of units that keeps profit, 0.125 for 12.5 % more; -1 where a fall of fixed cost keeps it without
        a single sale.

    Raises
    ------
    InputError
        When the new price leaves no margin, so that no volume makes up for it.

    References
    ----------
    .. [1] Nagle, Hogan & Zale, The Strategy and Tactics of Pricing, ch. 9.

    Examples
    --------
    >>> from ecomops.pricing import break_even_volume
    >>> round(break_even_volume(-0.05, margin=0.45), 4)
    0.125
    """
    after = margin + price_change - cost_change
    if np.any(np.asarray(after) <= 0):
        raise InputError(
            "price_change leaves no margin per unit, so no volume makes up for it; change the price by less than the margin"
        )
    return np.maximum((margin + fixed_cost) / after, 0.0) - 1.0


def _priced(economics: UnitEconomics, margin: Any) -> UnitPrice:
    earned, net, spent = economics._earned(), economics._net(), economics._spent()  # noqa: SLF001 - kernels of this room
    left = np.asarray(earned - margin * net + np.zeros(economics.batch_shape))
    feasible = left > 1e-12
    price = spent / np.where(feasible, left, 1.0)
    contribution = price * earned - spent
    paid = np.broadcast_to(np.asarray(price * net), np.shape(left))
    text = "of each unit of price {:.4f} is left after fees, tax, returns and margin; lower them"
    reason = np.full(np.shape(left), "", dtype=object)
    reason[~feasible] = [text.format(part) for part in left[~feasible]]

    def known(value: Any) -> Any:
        return np.where(feasible, value, np.nan)

    return UnitPrice(
        price=known(price),
        contribution=known(contribution),
        margin=known(np.where(paid > 0, contribution / np.where(paid > 0, paid, 1.0), earned / net)),
        feasible=feasible if np.ndim(feasible) else bool(feasible),
        reason=reason if np.ndim(reason) else str(reason),
    )
