"""Profit over price."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError, NonNegativeReal, validated
from ecomops.plot.canvas import BLUE, ORANGE, axes_or_new
from ecomops.pricing import DemandCurve, optimal_price, price_profit

POINTS = 201


@validated
def profit_plot(demand: DemandCurve, *, cost: NonNegativeReal, ax: Any = None) -> Any:
    """Draw profit over price round the price that earns most.

    Parameters
    ----------
    demand : ConstantElasticityDemand or LinearDemand
        One demand curve.
    cost : float
        Cost of a unit, money.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; profit in money per period over price in money per unit.

    Raises
    ------
    InputError
        When the curve is a batch, or no price is best (elasticity of -1 or nearer to 0).

    Examples
    --------
    >>> from ecomops.pricing import LinearDemand
    >>> ax = profit_plot(LinearDemand(intercept=100, slope=2), cost=10)
    >>> ax.get_title()
    'best price 30.00, profit 800'
    """
    if demand.batch_shape:
        raise InputError(f"demand must be one curve, got a batch of shape {demand.batch_shape}")
    best = optimal_price(demand, cost=cost)
    if not best.feasible:
        raise InputError(f"demand has no best price: {best.reason}")
    ax = axes_or_new(ax)
    price = np.linspace(max(cost, 0.5 * best.price) or 0.01 * best.price, 1.6 * best.price, POINTS)
    curve = price_profit(price, demand=demand, cost=cost)
    ax.plot(price, curve.profit, color=BLUE, linewidth=1.8)
    ax.scatter([best.price], [best.profit], color=ORANGE, zorder=3)
    ax.set(xlabel="price, money per unit", ylabel="profit, money per period", xlim=(price[0], price[-1]))
    ax.set_title(f"best price {best.price:.2f}, profit {best.profit:,.0f}")
    return ax
