"""Safety stock for a service target, and the service that a stock level gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field
from scipy import special

from ecomops.core import (
    Fraction,
    InputError,
    Model,
    NonNegative,
    Num,
    Positive,
    Probability,
    Text,
    validated,
)
from ecomops.stats.distributions import Demand, LeadTime, Normal, is_counted
from ecomops.stats.special import inverse_normal_loss, normal_loss

STEPS = 200


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
    """Units ordered per cycle."""
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
    """Share of demand met from stock, counting both ends of the cycle."""
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
    shortage carried over from the cycle before, is left out (Silver-Pyke, Nahmias, Chopra).

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
    mean, sd = exposed.mean, np.sqrt(exposed.variance)
    if isinstance(service, CycleService):
        level = exposed.quantile(service.probability)
    else:
        level = _fill_rate_level(exposed, service)
    safety = level - mean
    factor = np.where(np.asarray(sd) > 0, safety / np.where(np.asarray(sd) > 0, sd, 1.0), 0.0)
    how = "exact" if type(exposed) is type(demand) else "two moments"
    return SafetyStock(
        quantity=safety,
        level=level,
        factor=factor,
        demand_mean=mean + np.zeros_like(level),
        demand_sd=sd + np.zeros_like(level),
        method=f"{how}: {type(exposed).__name__} demand over the protection time, {type(service).__name__}",
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

    Examples
    --------
    >>> from ecomops.inventory import LeadTime, Normal, service_achieved
    >>> got = service_achieved(Normal(mean=2500, sd=500), lead_time=LeadTime(mean=2), level=6000, order_quantity=10000)
    >>> round(got.cycle_service, 4), round(got.shortage, 2)
    (0.9214, 25.13)
    """
    exposed = demand.over(lead_time)
    shortage = exposed.loss(level)
    carried = exposed.loss(level + order_quantity)
    return ServiceAchieved(
        cycle_service=exposed.cdf(level),
        fill_rate=1.0 - (shortage - carried) / order_quantity,
        shortage=shortage,
        safety_stock=level - exposed.mean,
    )


def _fill_rate_level(exposed: Demand, service: FillRate) -> Any:
    target = (1.0 - service.fraction) * service.order_quantity
    if isinstance(exposed, Normal):
        return _normal_fill_rate_level(exposed, service, target)
    shape = np.broadcast_shapes(np.shape(target), exposed.batch_shape)
    target = np.broadcast_to(target, shape)
    both = service.ends == "both"

    def short(level: Any) -> Any:
        carried = exposed.loss(level + service.order_quantity) if both else 0.0
        return exposed.loss(level) - carried

    high = np.broadcast_to(exposed.mean + np.sqrt(exposed.variance) + 1.0, shape).astype(np.float64)
    low = high - service.order_quantity - 4 * (np.sqrt(exposed.variance) + 1.0)
    high, low = _bracket(short, target, low, high)
    for _ in range(STEPS):
        middle = (low + high) / 2
        enough = short(middle) <= target
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        if np.all(high - low <= 1e-13 * (1.0 + np.abs(high))):
            break
    return np.ceil(high - 1e-9) if is_counted(exposed) else high


def _bracket(short: Any, target: Any, low: Any, high: Any) -> tuple[Any, Any]:
    span = 1.0 + np.abs(high)
    for _ in range(STEPS):
        if np.all(enough := short(high) <= target):
            break
        high, span = np.where(enough, high, high + span), 2 * span
    span = 1.0 + np.abs(low)
    for _ in range(STEPS):
        if np.all(more := short(low) > target):
            return high, low
        low, span = np.where(more, low, low - span), 2 * span
    raise InputError("service.fraction is met at any level for this order quantity; check fraction and order_quantity")


def _normal_fill_rate_level(exposed: Normal, service: FillRate, target: Any) -> Any:
    """Solve L(k) - L(k + Q/s) = (1 - b) Q/s: the one-end answer, then Newton on the logarithm of the difference."""
    random = np.asarray(exposed.sd) > 0
    sd = np.where(random, exposed.sd, 1.0)
    goal, width = target / sd, service.order_quantity / sd
    factor = inverse_normal_loss(goal)
    if service.ends == "both":
        for _ in range(60):
            value = normal_loss(factor) - normal_loss(factor + width)
            slope = special.ndtr(-factor) - special.ndtr(-factor - width)
            step = value / np.maximum(slope, 1e-300) * np.log(np.maximum(value, 1e-300) / goal)
            step = np.clip(step, -2.0 - width, 2.0 + width)
            factor = factor + step
            if np.all(np.abs(step) <= 1e-13 * (1.0 + np.abs(factor))):
                break
    return np.where(random, exposed.mean + factor * sd, exposed.mean - target)
