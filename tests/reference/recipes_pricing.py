"""The steps behind the pricing cases that need more than one call: log-log least squares, margins and mark-ups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecomops.pricing import UnitEconomics, break_even_price, break_even_volume, fit_elasticity, target_margin_price
from ecomops.stats.glm import poisson_regressions

Data = Callable[[str], Path]
Inputs = dict[str, Any]

# With units 1 + TINY log(sales), exp(x b) is 1 + x b to first order: the Poisson fit is then TINY times least squares.
TINY = 1e-6


def _juice(data: Data) -> pd.DataFrame:
    rows = pd.read_csv(data("reference/oj.csv.gz"))
    logs = np.log(rows["sales"])
    return rows.assign(
        linear=1.0 + TINY * (logs - logs.mean()),
        everything="all",
        minute_maid=(rows["brand"] == "minute.maid").astype(float),
        tropicana=(rows["brand"] == "tropicana").astype(float),
    )


def log_log_slope(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Fit least squares of log sales on log price through the Poisson solver, by SKU."""
    controls = tuple(inputs.get("controls", ()))
    fit = fit_elasticity(_juice(data), sku=inputs["sku"], price="price", units="linear", controls=controls)
    slope = fit.elasticity / TINY
    return {"slope": slope, "over_first": slope - slope[0]}


def log_log_coefficients(inputs: Inputs, data: Data) -> dict[str, float]:
    """Return slope and brand effects of the least squares with brands as controls."""
    rows = _juice(data)
    design: NDArray[np.float64] = np.column_stack(
        [np.ones(len(rows)), np.log(rows["price"]), rows["minute_maid"], rows["tropicana"]]
    )
    group = np.zeros(len(rows), dtype=np.intp)
    found = poisson_regressions(group, 1, design, rows["linear"].to_numpy()).coefficients[0] / TINY
    return {"slope": found[1], "minute_maid": found[2], "tropicana": found[3]}


def target_margin(inputs: Inputs, data: Data) -> dict[str, float]:
    """Return the price of a target margin and what an order earns at it."""
    economics = UnitEconomics.model_validate(inputs["economics"])
    priced = target_margin_price(economics, margin=inputs["margin"])
    return {
        "price": priced.price,
        "contribution": economics.contribution(priced.price),
        "stated": priced.contribution,
        "markup": priced.price / economics.cost - 1.0,
    }


def markup(inputs: Inputs, data: Data) -> dict[str, float]:
    """Return the margin of a mark-up on cost."""
    economics = UnitEconomics(cost=inputs["cost"])
    price = inputs["cost"] * (1.0 + inputs["markup"])
    again = target_margin_price(economics, margin=economics.contribution(price) / price)
    return {"margin": again.margin, "price": again.price, "break_even": break_even_price(economics).price}


def volume_to_break_even(inputs: Inputs, data: Data) -> dict[str, float]:
    """Turn prices, costs and units in money into the fractions that the function takes."""
    price, units = inputs["price"], inputs.get("units", 1.0)
    change = break_even_volume(
        inputs["price_change"],
        margin=1.0 - inputs["cost"] / price,
        cost_change=inputs.get("cost_change", 0.0) / price,
        fixed_cost=inputs.get("fixed_cost", 0.0) / (price * units),
    )
    return {"change": change}
