"""Safety stock for a service target, and the service that a stock level gives."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from ecomops.core import Fraction, Model, NonNegative, Num, Positive, Probability, Text, validated
from ecomops.inventory.fill_rate import carried_shortage, fill_rate_level
from ecomops.stats.distributions import Demand, Discrete, LeadTime, LogNormal


class CycleService(Model):
    """A target for the probability that a replenishment cycle ends without a stock-out (type 1 service).

    Examples
    --------
    >>> CycleService(probability=0.95)
    CycleService(probability=0.95)
    """

    kind: Literal["CycleService"] = "CycleService"
    probability: Probability
    """Probability of no stock-out in a cycle, in (0, 1)."""


class FillRate(Model):
    """A target for the share of demand served from stock (type 2 service).

    Examples
    --------
    >>> FillRate(fraction=0.98, order_quantity=100)
    FillRate(fraction=0.98, order_quantity=100, ends='both')
    """

    kind: Literal["FillRate"] = "FillRate"
    fraction: Probability
    """Share of demand met from stock, in (0, 1)."""
    order_quantity: Positive
    """Units ordered per cycle; with a review period, mean demand of a review period."""
    ends: Literal["both", "one"] = "both"
    """Count shortages at both ends of the cycle (exact) or only at its end (the textbook form)."""


ServiceTarget: TypeAlias = Annotated[CycleService | FillRate, Field(discriminator="kind")]


class SafetyStock(Model):
    """Safety stock and the level that it leads to.

    Examples
    --------
    >>> from ecomops.inventory import CycleService, LeadTime, Normal, safety_stock
    >>> plan = safety_stock(Normal(mean=100, sd=20), lead_time=LeadTime(mean=4), service=CycleService(probability=0.95))
    >>> round(plan.quantity, 3)
    65.794
    """

    quantity: Num
    """Safety stock in units: level minus expected demand over the protection time. May be negative."""
    level: Num
    """Reorder point (continuous review) or order-up-to level (periodic review), units."""
    factor: Num
    """Safety stock in standard deviations of demand over the protection time (0 where that is 0)."""
    demand_mean: Num
    """Expected demand over the protection time, units."""
    demand_sd: NonNegative
    """Standard deviation of demand over the protection time, units."""
    method: Text
    """How the level was found."""


class ServiceAchieved(Model):
    """The service that a stock level gives.

    Examples
    --------
    >>> from ecomops.inventory import LeadTime, Normal, service_achieved
    >>> got = service_achieved(Normal(mean=2500, sd=500), lead_time=LeadTime(mean=2), level=6000, order_quantity=10000)
    >>> round(got.fill_rate, 4)
    0.9975
    """

    cycle_service: Fraction
    """Probability that a cycle ends without a stock-out."""
    fill_rate: Num
    """Share of demand met from stock, counting both ends of the cycle; below 0 where more is short than is ordered."""
    shortage: NonNegative
    """Expected shortage at the end of a cycle, units."""
    safety_stock: Num
    """Level minus expected demand over the protection time, units."""


@validated
def safety_stock(demand: Demand, *, lead_time: LeadTime, service: ServiceTarget) -> SafetyStock:
    """Return the safety stock that reaches a service target over the lead time.

    Parameters
    ----------
    demand : Demand
        Demand per period; batch shape (n,) or scalar.
    lead_time : LeadTime
        Lead time and review period, in periods.
    service : CycleService or FillRate
        The target.

    Returns
    -------
    SafetyStock
        Quantity, level and the moments of demand over the protection time; the broadcast shape of the arguments.

    Notes
    -----
    With X the demand over the protection time, cycle service p asks for the smallest level s with F_X(s) >= p. A fill
    rate b asks for n(s) - n(s + Q) = (1 - b) Q with n the loss function of X; with ``ends="one"`` the second term, the
    shortage carried over from the cycle before, is left out (Silver-Pyke, Nahmias, Chopra). With a review period R the
    level is an order-up-to level, Q the mean demand of a review period, and the second term the loss of the demand over
    the lead time alone at the same level.

    Demand in whole units gives the smallest whole level. Demand that is known (sd = 0) gives level = its mean for cycle
    service, and (1 - b) Q less for a fill rate. A low target can give negative safety stock; it is not clipped.

    References
    ----------
    .. [1] Silver, Pyke & Thomas, Inventory and Production Management in Supply Chains, 4th ed., section 6.7.
    .. [2] Axsater, Inventory Control, 3rd ed., section 5.3 (fill rate with both ends).

    Examples
    --------
    Chopra & Meindl's Dell example: daily demand N(2500, 500), lead time N(7, 7), 90 % cycle service.

    >>> from ecomops.inventory import CycleService, LeadTime, Normal, safety_stock
    >>> plan = safety_stock(
    ...     Normal(mean=2500, sd=500), lead_time=LeadTime(mean=7, sd=7), service=CycleService(probability=0.90)
    ... )
    >>> round(plan.quantity)
    22491
    """
    exposed = demand.over(lead_time)
    mean, spread = np.asarray(exposed.mean), np.sqrt(exposed.variance)
    if isinstance(service, CycleService):
        level = exposed.quantile(service.probability)
    else:
        level = fill_rate_level(
            demand,
            exposed,
            lead_time,
            fraction=service.fraction,
            order_quantity=service.order_quantity,
            both=service.ends == "both",
        )
    # Adding zero turns -0 into 0.
    level, mean, spread = np.broadcast_arrays(np.asarray(level) + 0.0, mean, spread)
    quantity = level - mean
    factor = np.where(spread > 0, quantity / np.where(spread > 0, spread, 1.0), 0.0)
    return SafetyStock(
        quantity=quantity,
        level=level,
        factor=factor,
        demand_mean=mean,
        demand_sd=spread,
        method=f"{_how(demand, exposed, lead_time)}: {exposed.kind} demand over the protection time, {service.kind}",
    )


@validated
def service_achieved(demand: Demand, *, lead_time: LeadTime, level: Num, order_quantity: Positive) -> ServiceAchieved:
    """Return the cycle service and the fill rate that a stock level gives: the inverse of `safety_stock`.

    Parameters
    ----------
    demand : Demand
        Demand per period.
    lead_time : LeadTime
        Lead time and review period, in periods.
    level : float or array
        Reorder point or order-up-to level, units.
    order_quantity : float or array
        Units ordered per cycle, > 0.

    Returns
    -------
    ServiceAchieved
        Cycle service, fill rate (both ends), expected shortage and safety stock.

    Notes
    -----
    With X the demand over the protection time and n its loss function, a level s gives the cycle service F_X(s), the
    expected shortage n(s) and the fill rate 1 - (n(s) - n(s + Q)) / Q. With a review period the second loss is that of the
    demand over the lead time alone at s.

    References
    ----------
    .. [1] Axsater, Inventory Control, 3rd ed., section 5.3.

    Examples
    --------
    >>> from ecomops.inventory import LeadTime, Normal, service_achieved
    >>> got = service_achieved(Normal(mean=2500, sd=500), lead_time=LeadTime(mean=2), level=6000, order_quantity=10000)
    >>> round(got.cycle_service, 4), round(got.shortage, 2)
    (0.9214, 25.13)
    """
    exposed = demand.over(lead_time)
    shortage = exposed.loss(level)
    short = np.asarray(shortage - carried_shortage(demand, exposed, lead_time, level, order_quantity))
    return ServiceAchieved(
        cycle_service=exposed.cdf(level),
        fill_rate=1.0 - short / order_quantity,
        shortage=shortage,
        safety_stock=level - exposed.mean,
    )


def _how(demand: Demand, exposed: Demand, lead_time: LeadTime) -> str:
    """Say whether the demand over the protection time is exact or only has the right mean and variance."""
    if isinstance(demand, LogNormal):
        closed = np.asarray(lead_time.protection) == 1
    else:
        closed = np.asarray(exposed.kind == demand.kind or isinstance(exposed, Discrete))
    exact = closed & (np.asarray(lead_time.variance) == 0)
    if exact.all():
        return "exact"
    return "exact for some items, two moments for the others" if exact.any() else "two moments"
