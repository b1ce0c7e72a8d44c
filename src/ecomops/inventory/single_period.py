"""The newsvendor: one order before demand is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import Fraction, Model, NonNegative, Num, Positive, Probability, Text, validated
from ecomops.stats.distributions import Demand, Distribution, Normal, is_counted
from ecomops.stats.special import normal_loss


class Newsvendor(Model):
    """An order quantity for one period, with what to expect of it.

    Examples
    --------
    >>> from ecomops.inventory import Poisson, newsvendor
    >>> plan = newsvendor(Poisson(mean=6), overage=1, underage=4)
    >>> plan.quantity, round(plan.cost, 4)
    (8.0, 3.5701)
    """

    quantity: Num
    """Units to order."""
    cost: NonNegative
    """Expected cost of leftovers and shortages, money."""
    fractile: Probability
    """Critical fractile underage / (underage + overage)."""
    cycle_service: Fraction
    """Probability that demand is covered."""
    expected_lost: NonNegative
    """Expected units short."""
    expected_leftover: NonNegative
    """Expected units left over."""
    expected_sales: Num
    """Expected units sold."""
    method: Text
    """How the quantity was found."""


@validated
def newsvendor(demand: Demand, *, overage: Positive, underage: Positive) -> Newsvendor:
    """Return the order quantity that balances leftovers against shortages for one period.

    Parameters
    ----------
    demand : Demand
        Demand of the period; scalar or batch shape (n,).
    overage : float or array
        Cost of a unit left over, money.
    underage : float or array
        Cost of a unit short (lost margin plus penalty), money.

    Returns
    -------
    Newsvendor
        Quantity, expected cost and its parts, in the broadcast shape. Demand that is counted gives the smallest
        optimal quantity on its support.

    Notes
    -----
    The optimum is F^{-1}(cu / (cu + co)). A fractile that ties with a step of F within 1e-12 relative takes the smaller
    quantity. Normal demand with a small fractile can give a negative quantity; it is not clipped.

    References
    ----------
    .. [1] Snyder & Shen, Fundamentals of Supply Chain Theory, 2nd ed., section 4.3, Examples 4.3 and 4.7.

    Examples
    --------
    >>> from ecomops.inventory import Normal, newsvendor
    >>> plan = newsvendor(Normal(mean=50, sd=8), overage=0.18, underage=0.70)
    >>> round(plan.quantity, 3), round(plan.cost, 3)
    (56.604, 1.998)
    """
    fractile = underage / (underage + overage)
    quantity = demand.quantile(fractile)
    how = "exact, smallest optimal quantity" if is_counted(demand) else "exact"
    return _evaluated(demand, quantity, overage, underage, how)


@validated
def newsvendor_cost(quantity: Num, *, demand: Demand, overage: Positive, underage: Positive) -> Newsvendor:
    """Return the expected cost of ordering a given quantity for one period.

    Parameters
    ----------
    quantity : float or array
        Units to order.
    demand : Demand
        Demand of the period.
    overage : float or array
        Cost of a unit left over, money.
    underage : float or array
        Cost of a unit short, money.

    Returns
    -------
    Newsvendor
        The same quantity with its expected cost and parts, in the broadcast shape.

    References
    ----------
    .. [1] Snyder & Shen, Fundamentals of Supply Chain Theory, 2nd ed., eq. (4.3).

    Examples
    --------
    >>> from ecomops.inventory import Normal, newsvendor_cost
    >>> round(newsvendor_cost(40, demand=Normal(mean=50, sd=8), overage=0.18, underage=0.70).cost, 4)
    7.3561
    """
    return _evaluated(demand, quantity, overage, underage, "given quantity")


def _evaluated(demand: Distribution, quantity: Any, overage: Any, underage: Any, method: str) -> Newsvendor:
    lost, leftover, covered = _parts(demand, quantity)
    return Newsvendor(
        quantity=quantity + np.zeros_like(lost),
        cost=overage * leftover + underage * lost,
        fractile=underage / (underage + overage) + np.zeros_like(lost),
        cycle_service=covered,
        expected_lost=lost,
        expected_leftover=leftover,
        expected_sales=demand.mean - lost,
        method=method,
    )


def _parts(demand: Distribution, quantity: Any) -> tuple[Any, Any, Any]:
    """Return expected shortage, leftover and coverage; a normal demand needs its loss only once."""
    if isinstance(demand, Normal) and np.all(np.asarray(demand.sd) > 0):
        z = (quantity - demand.mean) / demand.sd
        small = demand.sd * normal_loss(np.abs(z))
        gap = np.abs(quantity - demand.mean)
        short = np.asarray(z) < 0
        return np.where(short, small + gap, small), np.where(short, small, small + gap), demand.cdf(quantity)
    return demand.loss(quantity), demand.complementary_loss(quantity), demand.cdf(quantity)
