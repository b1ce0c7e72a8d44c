"""The steps behind the inventory cases that need more than one call: profits, base stock, losses and rounded lots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ecomops.inventory import (
    Demand,
    FillRate,
    Gamma,
    LeadTime,
    LogNormal,
    NegativeBinomial,
    Normal,
    economic_order_quantity,
    newsvendor,
    newsvendor_cost,
    safety_stock,
    service_achieved,
)

Data = Callable[[str], Path]
Inputs = dict[str, Any]

DEMAND: TypeAdapter[Any] = TypeAdapter(Demand)


def demand_of(inputs: Inputs) -> Any:
    return DEMAND.validate_python(inputs["demand"])


def total_cost(inputs: Inputs, data: Data) -> dict[str, float]:
    """Add what the units cost to the cost of ordering and holding them."""
    rate = inputs["demand_rate"]
    lot = economic_order_quantity(rate, order_cost=inputs["order_cost"], holding_cost=inputs["holding_cost"])
    return {"quantity": lot.quantity, "total": lot.cost + inputs["unit_cost"] * rate}


def base_stock(inputs: Inputs, data: Data) -> dict[str, float]:
    """Cover the lead time and the review period with one order-up-to level."""
    exposed = demand_of(inputs).over(LeadTime.model_validate(inputs["lead_time"]))
    costs = {"overage": inputs["overage"], "underage": inputs["underage"]}
    plan = newsvendor(exposed, **costs)
    given = newsvendor_cost(inputs["given"], demand=exposed, **costs)
    return {"level": plan.quantity, "cost": plan.cost, "cost_given": given.cost}


def _explicit(inputs: Inputs) -> dict[str, float]:
    price, cost, salvage = inputs["price"], inputs["unit_cost"], inputs.get("salvage", 0.0)
    return {"overage": cost - salvage, "underage": price - cost}


def _outcome(plan: Any, demand: Any, costs: dict[str, float]) -> dict[str, float]:
    return {
        "quantity": plan.quantity,
        "cost": plan.cost,
        "profit": costs["underage"] * demand.mean - plan.cost,
        "sales": plan.expected_sales,
        "lost": plan.expected_lost,
        "leftover": plan.expected_leftover,
        "fill": plan.expected_sales / demand.mean,
    }


def profit(inputs: Inputs, data: Data) -> dict[str, float]:
    """Turn price, unit cost and salvage value into overage and underage, and the best cost into profit."""
    demand, costs = demand_of(inputs), _explicit(inputs)
    return _outcome(newsvendor(demand, **costs), demand, costs)


def profit_at(inputs: Inputs, data: Data) -> dict[str, float]:
    """Do the same at a quantity that is given."""
    demand, costs = demand_of(inputs), _explicit(inputs)
    return _outcome(newsvendor_cost(inputs["given"], demand=demand, **costs), demand, costs)


def lognormal_newsvendor(inputs: Inputs, data: Data) -> dict[str, float]:
    demand = LogNormal.from_log(inputs["log_mean"], log_sd=inputs["log_sd"])
    costs = {"overage": inputs["overage"], "underage": inputs["underage"]}
    plan = newsvendor(demand, **costs)
    given = newsvendor_cost(inputs["given"], demand=demand, **costs)
    return {"quantity": plan.quantity, "cost": plan.cost, "cost_given": given.cost}


def whole_newsvendor(inputs: Inputs, data: Data) -> dict[str, float]:
    """Order whole copies although demand was taken as normal: the better of the two neighbours."""
    demand = demand_of(inputs)
    costs = {"overage": inputs["overage"], "underage": inputs["underage"]}
    best = newsvendor(demand, **costs).quantity
    floor = float(int(best))
    near = [newsvendor_cost(lot, demand=demand, **costs).cost for lot in (floor, floor + 1.0)]
    return {"quantity": best, "order": floor + float(near[1] < near[0])}


def fill_rate_level(inputs: Inputs, data: Data) -> dict[str, float]:
    """Find the level of a fill rate and read the expected shortage at it."""
    demand, lead_time = demand_of(inputs), LeadTime.model_validate(inputs["lead_time"])
    service = FillRate.model_validate(inputs["service"])
    plan = safety_stock(demand, lead_time=lead_time, service=service)
    got = service_achieved(demand, lead_time=lead_time, level=plan.level, order_quantity=service.order_quantity)
    return {
        "level": plan.level,
        "factor": plan.factor,
        "shortage": got.shortage,
        "unit_loss": got.shortage / plan.demand_sd,
    }


def demand_over(inputs: Inputs, data: Data) -> dict[str, float]:
    exposed = demand_of(inputs).over(LeadTime.model_validate(inputs["lead_time"]))
    return {"mean": exposed.mean, "sd": exposed.sd}


def gamma_loss(inputs: Inputs, data: Data) -> float:
    shape, scale = inputs["shape"], inputs["scale"]
    return Gamma(mean=shape * scale, sd=shape**0.5 * scale).loss(inputs["level"])


def lognormal_loss(inputs: Inputs, data: Data) -> float:
    return LogNormal.from_log(inputs["log_mean"], log_sd=inputs["log_sd"]).loss(inputs["level"])


def negative_binomial_loss(inputs: Inputs, data: Data) -> float:
    """Take the size with the probability of a success, or with the mean."""
    size = inputs["size"]
    mean = inputs["mean"] if "mean" in inputs else size * (1.0 - inputs["p"]) / inputs["p"]
    return NegativeBinomial(mean=mean, variance=mean + mean * mean / size).loss(inputs["level"])


def fill_rate_factors(inputs: Inputs, data: Data) -> Any:
    """Solve for k at several ratios of order quantity to sd in one call."""
    service = FillRate(fraction=inputs["fraction"], order_quantity=inputs["ratio"], ends=inputs["ends"])
    return safety_stock(Normal(mean=0.0, sd=1.0), lead_time=LeadTime(mean=1.0), service=service).factor
