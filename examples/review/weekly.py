"""The panel that stock and prices are decided on: units and usual price of each SKU in each whole week on sale."""

from __future__ import annotations

import numpy as np
import pandas as pd

LEAST_WEEKS = 8


def panel(lines: pd.DataFrame) -> pd.DataFrame:
    """Return one row per SKU and whole week from its first sale on: week, sku, units, price (NaN before the first)."""
    last = lines["day"].max()
    # Weeks are counted back from the last day, so that the last one is whole.
    week = -((last - lines["day"]).dt.days // 7)
    begin = int(week.min())
    if (last - lines["day"].min()).days % 7 != 6:
        begin += 1
    rows = lines.assign(week=week)
    inside = rows[rows["week"] >= begin]
    units = inside.groupby(["sku", "week"])["quantity"].sum().rename("units")
    sold = pd.concat([units, _usual_price(inside)], axis=1)
    first = rows.groupby("sku")["week"].min().clip(lower=begin)
    size = 1 - first.to_numpy()
    frame = pd.DataFrame(
        {
            "sku": np.repeat(first.index.to_numpy(), size),
            "week": np.concatenate([np.arange(start, 1) for start in first.to_numpy()]) if len(first) else [],
        }
    )
    full = frame.merge(sold.reset_index(), on=["sku", "week"], how="left")
    full["units"] = full["units"].fillna(0.0)
    # A week without a sale had a price too: the last one seen.
    full["price"] = full.groupby("sku")["price"].ffill()
    return full


def _usual_price(rows: pd.DataFrame) -> pd.Series:
    """Return the mean (of logarithms) of the prices of small lines by SKU and week.

    Lines of more than the SKU's median quantity count only in weeks that have no other, and of these the smallest, since a
    bulk rebate would tie the price to the units. And it is a mean, for the median of a few lines depends on how many there
    are, and so on the units, where prices are skewed.
    """
    usual = rows.groupby("sku")["quantity"].transform("median")
    least = rows.groupby(["sku", "week"])["quantity"].transform("min")
    small = rows[rows["quantity"] <= np.maximum(usual, least)]
    by_week = small.assign(log=np.log(small["price"])).groupby(["sku", "week"])
    found = by_week.agg(low=("price", "min"), high=("price", "max"), log=("log", "mean"))
    return np.exp(found["log"]).where(found["low"] < found["high"], found["low"]).rename("price")
