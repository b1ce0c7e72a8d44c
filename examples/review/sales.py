"""Sales: totals, the weekly course, and which SKUs carry the shop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import inventory
from review.drawing import axes
from review.inputs import Progress
from review.report import Review, Section

FOUND = "What was found in the order lines (a line can be of several kinds; it is left out once)"


def analyse(review: Review, progress: Progress) -> None:
    """Add the section on sales."""
    progress("adding up sales")
    lines = review.data.lines.assign(revenue=lambda rows: rows["quantity"] * rows["price"])
    orders = lines.groupby("order")["revenue"].sum()
    known = lines.loc[lines["customer"] != "", "customer"].nunique()
    raw = review.data.raw
    review.totals = {
        **{f"raw_{name}": value for name, value in raw.items()},
        "lines": float(len(lines)),
        "orders": float(lines["order"].nunique()),
        "customers": float(known),
        "skus": float(lines["sku"].nunique()),
        "units": float(lines["quantity"].sum()),
        "revenue": float(lines["revenue"].sum()),
        "revenue_per_order": float(orders.mean()),
    }
    section = Section("sales", "Sales")
    section.tables.append(("Totals", _totals(review)))
    section.tables.append((FOUND, _cleaning(review)))
    weekly = lines.groupby(lines["day"] - pd.to_timedelta(lines["day"].dt.day_of_week, unit="D"))["revenue"].sum()
    if len(weekly) > 1:
        section.figures.append(("Revenue by week", lambda: _course(weekly)))
    section.tables.append(("SKUs by class of revenue (A: the first 80 %, B: to 95 %)", _classes(lines)))
    review.sections.append(section)


def _totals(review: Review) -> pd.DataFrame:
    names = {"lines": "order lines", "orders": "orders", "customers": "customers", "skus": "SKUs", "revenue": "revenue"}
    rows = (("in the file", review.data.raw), ("reviewed", review.totals))
    return pd.DataFrame([{"": row, **{label: total[name] for name, label in names.items()}} for row, total in rows])


def _cleaning(review: Review) -> pd.DataFrame:
    rows = [(found.what, found.lines, found.left_out, found.done) for found in review.data.report if found.lines]
    return pd.DataFrame(rows, columns=["what", "lines", "left out", "done"])


def _classes(lines: pd.DataFrame) -> pd.DataFrame:
    by_sku = lines.groupby("sku").agg(revenue=("revenue", "sum"), units=("quantity", "sum"))
    classes = inventory.abc_classes(by_sku["revenue"].to_numpy())
    table = (
        by_sku.assign(label=classes.label)
        .groupby("label")
        .agg(SKUs=("revenue", "size"), units=("units", "sum"), revenue=("revenue", "sum"))
    )
    table["share of revenue"] = table["revenue"] / table["revenue"].sum()
    return table.reset_index().rename(columns={"label": "class"})


def _course(weekly: pd.Series) -> Any:
    ax = axes(height=2.2)
    ax.plot(weekly.index.to_numpy(), weekly.to_numpy(), color="C0", linewidth=1.6)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("revenue a week")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.margins(x=0.01)
    marked = weekly.index[:: max(1, -(-len(weekly) // 8))]
    ax.set_xticks(marked.to_numpy(), [f"{day.day} {day:%b %y}" for day in marked])
    whole = weekly.iloc[:-1]
    if len(whole):
        ax.axhline(float(np.mean(whole)), color="0.6", linewidth=0.8, linestyle="--")
    return ax
