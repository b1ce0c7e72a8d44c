"""The price that earns most on a demand curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import Flags, Model, NonNegative, NumOrNan, Positive, Texts, validated
from ecomops.pricing.curves import ConstantElasticityDemand, DemandCurve


class OptimalPrice(Model):
    """A price with what to expect of it; NaN, with a reason, where no price is best.

    Examples
    --------
    >>> from ecomops.pricing import LinearDemand, optimal_price
    >>> optimal_price(LinearDemand(intercept=100, slope=2), cost=10).price
    30.0
    """

    price: NumOrNan
    """Money per unit."""
    quantity: NumOrNan
    """Units per period."""
    revenue: NumOrNan
    """Money per period."""
    profit: NumOrNan
    """Revenue minus cost, money per period."""
    margin: NumOrNan
    """Profit over revenue, a fraction."""
    elasticity: NumOrNan
    """Price elasticity at the price."""
    feasible: Flags
    """Whether there is an answer."""
    reason: Texts
    """Why there is none; empty where there is one."""


@validated
def optimal_price(demand: DemandCurve, *, cost: NonNegative) -> OptimalPrice:
    """Return the price that maximises profit on a demand curve.

    Parameters
    ----------
    demand : ConstantElasticityDemand or LinearDemand
        The curve, scalar or batch.
    cost : float or array
        Variable cost of a unit, money.

    Returns
    -------
    OptimalPrice
        Price, quantity, profit and margin in the broadcast shape. Where elasticity is -1 or nearer to 0 (a higher price
        always earns more), cost is 0 under constant elasticity, cost is at or above the choke price, or demand at the best
        price is below the least positive number: NaN, ``feasible=False`` and the reason.

    Notes
    -----
    Linear demand a - b p: p = (a / b + c) / 2. Constant elasticity e < -1: p = c e / (1 + e).

    References
    ----------
    .. [1] Phillips, Pricing and Revenue Optimization, 2nd ed., section 5.2.

    Examples
    --------
    >>> from ecomops.pricing import ConstantElasticityDemand, optimal_price
    >>> best = optimal_price(ConstantElasticityDemand(scale=10_000, elasticity=[-2, -0.8]), cost=20)
    >>> best.price.tolist(), best.feasible.tolist()
    ([40.0, nan], [True, False])
    """
    cost = np.asarray(cost + np.zeros(demand.batch_shape))
    if isinstance(demand, ConstantElasticityDemand):
        elastic = np.asarray(demand.elasticity) < -1.0
        solved = elastic & (cost > 0)
        safe = np.where(elastic, demand.elasticity, -2.0)
        price = np.where(solved, cost * safe / (1.0 + safe), 1.0)
        reason = np.where(
            ~elastic,
            "elasticity is -1 or nearer to 0: profit rises with the price without end",
            np.where(
                cost > 0,
                "no measurable demand is left at the best price",
                "cost is 0: profit rises as the price falls to 0",
            ),
        )
    else:
        choke = np.divide(demand.intercept, demand.slope)
        solved = cost < choke
        price = np.where(solved, (choke + cost) / 2, 1.0)
        reason = np.asarray("cost is at or above the choke price: no price sells at a profit")
    solved = np.asarray(solved & (demand._demand(price) > 0))  # noqa: SLF001 - the kernel of the room below
    return _outcome(demand, price, cost, solved, np.where(solved, "", reason).astype(object))


@validated
def price_profit(price: Positive, *, demand: DemandCurve, cost: NonNegative) -> OptimalPrice:
    """Return what a given price earns on a demand curve.

    Parameters
    ----------
    price : float or array
        Money per unit, > 0.
    demand : ConstantElasticityDemand or LinearDemand
        The curve.
    cost : float or array
        Variable cost of a unit, money.

    Returns
    -------
    OptimalPrice
        The same price with quantity, profit and margin; NaN and a reason where nothing is sold.

    Examples
    --------
    >>> from ecomops.pricing import LinearDemand, price_profit
    >>> price_profit(30, demand=LinearDemand(intercept=100, slope=2), cost=10).profit
    800.0
    """
    price = price + np.zeros(np.broadcast_shapes(np.shape(price), np.shape(cost), demand.batch_shape))
    sold = np.asarray(demand._demand(price) > 0)  # noqa: SLF001 - the kernel of the room below
    reason = np.where(sold, "", "price is at or above the choke price: nothing is sold").astype(object)
    return _outcome(demand, price, cost, sold, reason)


def _outcome(demand: Any, price: Any, cost: Any, solved: Any, reason: Any) -> OptimalPrice:
    quantity = demand._demand(price)  # noqa: SLF001 - the kernel of the room below
    safe = np.where(quantity > 0, quantity, 1.0)
    revenue = price * safe
    profit = (price - cost) * safe
    if isinstance(demand, ConstantElasticityDemand):
        elasticity = demand.elasticity + np.zeros_like(safe)
    else:
        elasticity = -demand.slope * price / safe

    def known(value: Any) -> Any:
        return np.where(solved, value, np.nan)

    return OptimalPrice(
        price=known(price),
        quantity=known(safe),
        revenue=known(revenue),
        profit=known(profit),
        margin=known(1.0 - cost / price),
        elasticity=known(elasticity),
        feasible=solved if np.ndim(solved) else bool(solved),
        reason=reason if np.ndim(reason) else str(reason),
    )
