"""The newsvendor: one order before demand is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import Fraction, Model, NonNegative, Num, Positive, Text, validated
from ecomops.stats.distributions import Demand, Normal, is_counted, signed_ndtri
from ecomops.stats.special import in_chunks, normal_pdf, upper_normal_loss

KNOWN_TAIL = 4.0


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
    fractile: Fraction
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
    quantity. Normal demand with a small fractile can give a negative quantity; it is not clipped. Demand without spread
    (sd = 0) is ordered as it is, at no cost. ``expected_sales`` is quantity minus leftover, that is mean minus lost.

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
    if isinstance(demand, Normal):
        plan = in_chunks(_normal_plan, overage, underage, demand.mean, demand.sd)
        return _result(*plan, method="exact")
    total = underage + overage
    quantity = demand._quantile(underage / total, overage / total)  # noqa: SLF001 - the tail keeps its digits as a number
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


def _evaluated(demand: Demand, quantity: Any, overage: Any, underage: Any, method: str) -> Newsvendor:
    lost, left = demand._losses(quantity)  # noqa: SLF001 - both losses at once
    lost, left, quantity, fractile, covered = np.broadcast_arrays(
        lost,
        left,
        quantity,
        underage / (underage + overage),
        demand._cdf(quantity),  # noqa: SLF001
    )
    return _result(quantity, overage * left + underage * lost, fractile, covered, lost, left, method=method)


def _result(quantity: Any, cost: Any, fractile: Any, covered: Any, lost: Any, left: Any, *, method: str) -> Newsvendor:
    return Newsvendor(
        quantity=quantity,
        cost=cost,
        fractile=fractile,
        cycle_service=covered,
        expected_lost=lost,
        expected_leftover=left,
        expected_sales=quantity - left,
        method=method,
    )


def _normal_plan(overage: Any, underage: Any, mean: Any, sd: Any) -> tuple[Any, ...]:
    """Return quantity, cost, fractile, coverage, shortage and leftover of normal demand on flat arrays."""
    total = underage + overage
    fractile = underage / total
    rest = overage / total
    z = signed_ndtri(fractile, rest)
    gap, size = sd * z, np.abs(z)
    # At the optimum the tail probability is known, which spares the error function; far out that form would cancel.
    part = normal_pdf(z) - size * np.minimum(fractile, rest)
    far = size > KNOWN_TAIL
    if far.any():
        part[far] = upper_normal_loss(size[far])
    tail = sd * part
    lost, left = tail + np.maximum(-gap, 0.0), tail + np.maximum(gap, 0.0)
    covered = np.where(sd > 0, fractile, 1.0)
    return mean + gap, overage * left + underage * lost, fractile, covered, lost, left
