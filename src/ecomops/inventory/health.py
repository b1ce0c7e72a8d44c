"""Figures that say whether stock moves."""

from __future__ import annotations

import numpy as np

from ecomops.core import Count, Fraction, NonNegative, Num, Positive, Unbounded, validated
from ecomops.stats.rules import require


@validated
def inventory_turnover(cost_of_goods_sold: NonNegative, *, average_inventory: Positive) -> NonNegative:
    """Return how often stock was sold and replaced in a period.

    Parameters
    ----------
    cost_of_goods_sold : float or array
        Cost of what was sold in the period, money.
    average_inventory : float or array
        Average stock over the same period at cost, money.

    Returns
    -------
    float or array
        Turns per period.

    Notes
    -----
    Turns = cost of goods sold / average inventory, both at cost.

    References
    ----------
    .. [1] Silver, Pyke & Thomas, Inventory and Production Management in Supply Chains, 4th ed., section 1.3.

    Examples
    --------
    >>> from ecomops.inventory import inventory_turnover
    >>> inventory_turnover(120_000, average_inventory=20_000)
    6.0
    """
    return cost_of_goods_sold / average_inventory


@validated
def days_of_supply(on_hand: NonNegative, *, daily_demand: NonNegative) -> Unbounded:
    """Return how many days the stock lasts at the given demand.

    Parameters
    ----------
    on_hand : float or array
        Units in stock.
    daily_demand : float or array
        Expected units per day.

    Returns
    -------
    float or array
        Days; infinite where there is stock and no demand, 0 where there is neither.

    Notes
    -----
    Days = on hand / daily demand.

    Examples
    --------
    >>> from ecomops.inventory import days_of_supply
    >>> days_of_supply([60, 60, 0], daily_demand=[4, 0, 0]).tolist()
    [15.0, inf, 0.0]
    """
    moving = np.asarray(daily_demand) > 0
    lasting = np.where(np.asarray(on_hand) > 0, np.inf, 0.0)
    return np.where(moving, on_hand / np.where(moving, daily_demand, 1.0), lasting)


@validated
def active_sku_rate(skus_with_sales: Count, *, skus_listed: Count) -> Fraction:
    """Return the share of listed SKUs that sold at least once in the period (动销率).

    Parameters
    ----------
    skus_with_sales : float or array
        Number of SKUs with a sale.
    skus_listed : float or array
        Number of SKUs listed for sale in the period, >= 1.

    Returns
    -------
    float or array
        Share in [0, 1].

    Raises
    ------
    InputError
        When nothing is listed, or more SKUs sold than were listed.

    Notes
    -----
    Rate = SKUs with a sale / SKUs listed. Counts add up over categories and rates do not: sum before dividing.

    Examples
    --------
    >>> from ecomops.inventory import active_sku_rate
    >>> active_sku_rate(180, skus_listed=240)
    0.75
    """
    listed = np.asarray(skus_listed)
    require(listed >= 1, "skus_listed must be >= 1 (the number of SKUs listed in the period)", listed)
    rule = "skus_with_sales must be <= skus_listed (both counted over the same period)"
    require(skus_with_sales <= listed, rule, skus_with_sales, listed)
    return skus_with_sales / skus_listed


@validated
def sell_through(units_sold: Num, *, units_received: Positive) -> Num:
    """Return the share of received units that were sold (售罄率).

    Parameters
    ----------
    units_sold : float or array
        Units sold since they were received, net of returns; negative where more came back than went out.
    units_received : float or array
        Units received.

    Returns
    -------
    float or array
        Sold over received; above 1 where older stock was sold too.

    Notes
    -----
    Sell-through = units sold / units received.

    Examples
    --------
    >>> from ecomops.inventory import sell_through
    >>> sell_through(340, units_received=400)
    0.85
    """
    return units_sold / units_received
