"""The economic order quantity: order cost against holding cost."""

from __future__ import annotations

import numpy as np

from ecomops.core import Model, NonNegative, Positive, validated


class LotSize(Model):
    """An order quantity with its cost.

    Examples
    --------
    >>> from ecomops.inventory import economic_order_quantity
    >>> economic_order_quantity(2400, order_cost=3.20, holding_cost=0.096).quantity
    400.0
    """

    quantity: NonNegative
    """Units per order."""
    cost: NonNegative
    """Ordering plus holding cost, money per period."""
    orders_per_period: NonNegative
    """Orders per period."""
    cycle_time: NonNegative
    """Periods between two orders; 0 where there is no demand."""


@validated
def economic_order_quantity(demand_rate: NonNegative, *, order_cost: Positive, holding_cost: Positive) -> LotSize:
    """Return the order quantity that minimises ordering plus holding cost.

    Parameters
    ----------
    demand_rate : float or array
        Units per period; 0 gives a quantity of 0.
    order_cost : float or array
        Money per order.
    holding_cost : float or array
        Money per unit held for one period.

    Returns
    -------
    LotSize
        Quantity, cost per period, orders per period and cycle time, in the broadcast shape.

    Notes
    -----
    Q = sqrt(2 K D / h) with cost sqrt(2 K D h) per period.

    References
    ----------
    .. [1] Snyder & Shen, Fundamentals of Supply Chain Theory, 2nd ed., eq. (3.4)-(3.5), Example 3.1.

    Examples
    --------
    >>> from ecomops.inventory import economic_order_quantity
    >>> lot = economic_order_quantity(1300, order_cost=8, holding_cost=0.225)
    >>> round(lot.quantity, 4), round(lot.cost, 4)
    (304.0468, 68.4105)
    """
    quantity = np.sqrt(2.0 * order_cost * demand_rate / holding_cost)
    cost = np.sqrt(2.0 * order_cost * demand_rate * holding_cost)
    moving = np.asarray(demand_rate) > 0
    return LotSize(
        quantity=quantity,
        cost=cost,
        orders_per_period=np.where(moving, demand_rate / np.where(moving, quantity, 1.0), 0.0),
        cycle_time=np.where(moving, quantity / np.where(moving, demand_rate, 1.0), 0.0),
    )


@validated
def economic_order_quantity_cost(
    quantity: Positive, *, demand_rate: NonNegative, order_cost: Positive, holding_cost: Positive
) -> LotSize:
    """Return the ordering plus holding cost of a given order quantity.

    Parameters
    ----------
    quantity : float or array
        Units per order.
    demand_rate : float or array
        Units per period.
    order_cost : float or array
        Money per order.
    holding_cost : float or array
        Money per unit held for one period.

    Returns
    -------
    LotSize
        The same quantity with its cost, in the broadcast shape.

    Notes
    -----
    g(Q) = K D / Q + h Q / 2.

    References
    ----------
    .. [1] Snyder & Shen, Fundamentals of Supply Chain Theory, 2nd ed., eq. (3.3).

    Examples
    --------
    >>> from ecomops.inventory import economic_order_quantity_cost
    >>> round(economic_order_quantity_cost(250, demand_rate=1300, order_cost=8, holding_cost=0.225).cost, 3)
    69.725
    """
    orders = demand_rate / quantity
    moving = np.asarray(demand_rate) > 0
    return LotSize(
        quantity=quantity + np.zeros_like(orders),
        cost=order_cost * orders + holding_cost * quantity / 2,
        orders_per_period=orders,
        cycle_time=np.where(moving, quantity / np.where(moving, demand_rate, 1.0), 0.0),
    )
