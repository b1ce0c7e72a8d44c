"""How value is spread over items, and what an order quantity costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError, PositiveReal, validated
from ecomops.inventory import AbcClasses, Demand, newsvendor, newsvendor_cost
from ecomops.plot.canvas import BLUE, GREY, ORANGE, axes_or_new

POINTS = 201
RARE = 0.002
"""Share of demand beyond each end of the quantities that are drawn."""


@validated
def pareto_plot(classes: AbcClasses, *, ax: Any = None) -> Any:
    """Draw the cumulative share of value over items, the most valuable first, with the ABC classes.

    Parameters
    ----------
    classes : AbcClasses
        Such as `ecomops.inventory.abc_classes` returns them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; both in fractions.

    Examples
    --------
    >>> from ecomops.inventory import abc_classes
    >>> ax = pareto_plot(abc_classes([80, 15, 5]))
    >>> ax.lines[0].get_ydata().round(2).tolist()
    [0.0, 0.8, 0.95, 1.0]
    """
    ax = axes_or_new(ax)
    share, label = np.asarray(classes.share), np.asarray(classes.label)
    cumulated = np.concatenate([[0.0], np.cumsum(np.sort(share)[::-1])])
    items = np.arange(cumulated.size) / max(cumulated.size - 1, 1)
    ax.plot(items, cumulated, color="0.2", linewidth=1.4)
    start = 0.0
    for name, color in zip("ABC", (BLUE, ORANGE, GREY), strict=True):
        inside = label == name
        width = float(np.mean(inside)) if label.size else 0.0
        if width > 0:
            text = f"{name}: {width:.0%} of items, {share[inside].sum():.0%} of value"
            ax.axvspan(start, start + width, color=color, alpha=0.25, linewidth=0, label=text)
        start += width
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share of items", ylabel="share of value")
    if label.size:
        ax.legend(loc="lower right", frameon=False)
    return ax


@validated
def newsvendor_plot(demand: Demand, *, overage: PositiveReal, underage: PositiveReal, ax: Any = None) -> Any:
    """Draw the expected cost of an order for one period over its quantity, and the cheapest.

    Parameters
    ----------
    demand : Demand
        Demand of the period of one item.
    overage : float
        Cost of a unit left over, money.
    underage : float
        Cost of a unit short, money.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; expected cost in money per period over units ordered, and what of it leftovers and shortages make.

    Raises
    ------
    InputError
        When the demand is a batch.

    Examples
    --------
    >>> from ecomops.inventory import Normal
    >>> ax = newsvendor_plot(Normal(mean=50, sd=8), overage=0.18, underage=0.70)
    >>> ax.get_title()
    'best quantity 56.6, cost 2.00'
    """
    if demand.batch_shape:
        raise InputError(f"demand must be of one item, got a batch of shape {demand.batch_shape}")
    best = newsvendor(demand, overage=overage, underage=underage)
    # A newsvendor whose costs are the two tails orders just that quantile.
    low = min(newsvendor(demand, overage=1 - RARE, underage=RARE).quantity, best.quantity)
    high = max(newsvendor(demand, overage=RARE, underage=1 - RARE).quantity, best.quantity)
    margin = 0.0 if high > low else max(0.5 * abs(high), 1.0)
    quantity = np.linspace(low - margin, high + margin, POINTS)
    curve = newsvendor_cost(quantity, demand=demand, overage=overage, underage=underage)
    ax = axes_or_new(ax)
    ax.plot(quantity, curve.cost, color="0.2", linewidth=1.8, label="cost")
    ax.plot(quantity, overage * curve.expected_leftover, color=BLUE, linestyle="--", label="of leftovers")
    ax.plot(quantity, underage * curve.expected_lost, color=ORANGE, linestyle=":", linewidth=1.8, label="of shortages")
    ax.scatter([best.quantity], [best.cost], color="0.2", zorder=3, clip_on=False)
    ax.set(xlabel="quantity, units", ylabel="expected cost, money per period", xlim=(quantity[0], quantity[-1]))
    ax.set_ylim(bottom=0)
    ax.set_title(f"best quantity {best.quantity:,.4g}, cost {best.cost:,.2f}")
    ax.legend(frameon=False)
    return ax
