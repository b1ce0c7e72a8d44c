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
    sold = (
        rows[rows["week"] >= begin].groupby(["sku", "week"]).agg(units=("quantity", "sum"), price=("price", "median"))
    )
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
