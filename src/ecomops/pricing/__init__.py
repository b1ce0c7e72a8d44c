"""What to charge.

Rooms: curves (`ConstantElasticityDemand`, `LinearDemand`, `arc_elasticity`, `simulate_sales`), optimum (`optimal_price`,
`price_profit`), elasticity (`fit_elasticity`) and economics (`UnitEconomics`, `break_even_price`, `target_margin_price`,
`break_even_volume`).
"""

from __future__ import annotations

from ecomops.pricing.curves import (
    ConstantElasticityDemand,
    DemandCurve,
    LinearDemand,
    arc_elasticity,
    simulate_sales,
)
from ecomops.pricing.economics import (
    UnitEconomics,
    UnitPrice,
    break_even_price,
    break_even_volume,
    target_margin_price,
)
from ecomops.pricing.elasticity import ElasticityFit, fit_elasticity
from ecomops.pricing.optimum import OptimalPrice, optimal_price, price_profit

__all__ = [
    "ConstantElasticityDemand",
    "DemandCurve",
    "ElasticityFit",
    "LinearDemand",
    "OptimalPrice",
    "UnitEconomics",
    "UnitPrice",
    "arc_elasticity",
    "break_even_price",
    "break_even_volume",
    "fit_elasticity",
    "optimal_price",
    "price_profit",
    "simulate_sales",
    "target_margin_price",
]
