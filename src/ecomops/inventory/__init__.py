"""How much to order, when, and how healthy the stock is.

Rooms: demand (`Normal`, `Poisson`, `Empirical`, ... and `LeadTime`; `simulate_demand`), service (`safety_stock`),
lot sizing (`economic_order_quantity`), single period (`newsvendor`), classification (`abc_classes`, `xyz_classes`) and
health (`inventory_turnover`, `days_of_supply`, `active_sku_rate`, `sell_through`).
"""

from __future__ import annotations

from ecomops.inventory.classification import AbcClasses, XyzClasses, abc_classes, xyz_classes
from ecomops.inventory.demand import simulate_demand
from ecomops.inventory.health import active_sku_rate, days_of_supply, inventory_turnover, sell_through
from ecomops.inventory.lot_sizing import LotSize, economic_order_quantity, economic_order_quantity_cost
from ecomops.inventory.service import (
    CycleService,
    FillRate,
    SafetyStock,
    ServiceAchieved,
    ServiceTarget,
    safety_stock,
    service_achieved,
)
from ecomops.inventory.single_period import Newsvendor, newsvendor, newsvendor_cost
from ecomops.stats.distributions import (
    Demand,
    Discrete,
    Distribution,
    Empirical,
    Gamma,
    LeadTime,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
)

__all__ = [
    "AbcClasses",
    "CycleService",
    "Demand",
    "Discrete",
    "Distribution",
    "Empirical",
    "FillRate",
    "Gamma",
    "LeadTime",
    "LogNormal",
    "LotSize",
    "NegativeBinomial",
    "Newsvendor",
    "Normal",
    "Poisson",
    "SafetyStock",
    "ServiceAchieved",
    "ServiceTarget",
    "XyzClasses",
    "abc_classes",
    "active_sku_rate",
    "days_of_supply",
    "economic_order_quantity",
    "economic_order_quantity_cost",
    "inventory_turnover",
    "newsvendor",
    "newsvendor_cost",
    "safety_stock",
    "sell_through",
    "service_achieved",
    "simulate_demand",
    "xyz_classes",
]
