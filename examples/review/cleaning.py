"""Which order lines are sales of products, and what all the others are."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd

from review import columns, dates, values
from review.problem import Problem
from review.reading import Table

NOT_PRODUCTS = (
    "POST DOT M D S B C2 PADS CRUK BANK&CHARGES AMAZONFEE ADJUST ADJUST2 SHIPPING DISCOUNT FEE POSTAGE CARRIAGE SAMPLE SAMPLES "
    "TEST GIFT&WRAP TIP FREIGHT DELIVERY 运费 邮费 补差价"
)
"""Codes of postage, fees and the like, blanks between them (& for a blank inside)."""
LARGEST = 1e9
UNDONE = ("cancel", "refund", "return", "void", "fail", "取消", "退款", "退货", "关闭")


@dataclass
class Found:
    """One kind of line that was looked for."""

    what: str
    lines: int
    """How many there are; a line can be of several kinds."""
    left_out: int
    """How many were left out for this reason and none above; these add up."""
    done: str


@dataclass
class Cleaned:
    """Kept sale lines, totals of the file as it is, and the report."""

    lines: pd.DataFrame
    raw: dict[str, float]
    report: list[Found]
    notes: list[str]
    currency: str
    guessed_order: str | None
    codes: list[str]


def clean(table: Table, options: argparse.Namespace) -> Cleaned:
    """Keep the lines that are sales of products, and report everything else."""
    frame = table.frame
    roles = columns.of_orders(frame, options)
    lines, notes, currency, guessed = _typed(frame, roles, options, table.separator)
    notes = [f"columns read: {', '.join(f'{role} = {column}' for role, column in roles.items())}", *table.notes, *notes]
    unreadable = lines["quantity"].isna() | lines["price"].isna() | lines["time"].isna()
    with np.errstate(over="ignore"):
        money = (lines["quantity"] * lines["price"]).where(~unreadable, 0.0)
    raw = {
        "lines": float(len(lines)),
        "orders": float(lines.loc[lines["order"] != "", "order"].nunique()),
        "customers": float(lines.loc[lines["customer"] != "", "customer"].nunique()),
        "skus": float(values.text(frame[roles["sku"]]).nunique()),
        "revenue": float(money.clip(-(LARGEST**2), LARGEST**2).sum()),
    }
    steps, codes = _steps(frame, lines, unreadable, options)
    keep = pd.Series(data=True, index=lines.index)
    report = []
    for what, where, done in steps:
        out = keep & where if done != KEPT else keep & False
        report.append(Found(what, int(where.sum()), int(out.sum()), done))
        keep &= ~out
    kept = lines[keep].reset_index(drop=True)
    if kept.empty:
        most = max(report, key=lambda found: found.left_out)
        raise Problem(
            f"--orders: none of {len(lines):,} lines is left; {most.left_out:,} are left out as {most.what}: check the columns"
        )
    kept["day"] = kept["time"].dt.normalize()
    report.append(Found("lines kept", len(kept), 0, "reviewed"))
    return Cleaned(kept, raw, report, notes + _gap(kept), currency, guessed, codes)


KEPT = "kept for sales and stock, not for customers"


def _typed(
    frame: pd.DataFrame, roles: dict[str, str], options: argparse.Namespace, separator: str | None
) -> tuple[pd.DataFrame, list[str], str, str | None]:
    """Turn the columns that are read into text, numbers and times."""
    lines = pd.DataFrame(
        {
            "order": values.text(frame[roles["order_id"]]),
            "sku": values.by_value(values.text(frame[roles["sku"]]), lambda part: part.str.upper()),
        }
    )
    lines["customer"] = values.customers(frame[roles["customer"]]) if "customer" in roles else ""
    lines["description"] = values.text(frame[roles["description"]]) if "description" in roles else ""
    lines["status"] = values.text(frame[roles["status"]]).str.lower() if "status" in roles else ""
    read, notes, signs = values.numbers({name: frame[roles[name]] for name in ("quantity", "price")}, separator)
    if len(signs) > 1:
        raise Problem(f"--price: prices are in several currencies ({', '.join(sorted(signs))}); review each alone")
    lines["quantity"], lines["price"] = read["quantity"], read["price"]
    lines["time"], more, guessed = dates.times(frame[roles["time"]], options.dates)
    return lines, notes + more, next(iter(signs), ""), guessed


def _steps(
    frame: pd.DataFrame, lines: pd.DataFrame, unreadable: pd.Series, options: argparse.Namespace
) -> tuple[list[tuple[str, pd.Series, str]], list[str]]:
    """Return the kinds of lines that are no sales, in the order in which they are left out."""
    order = values.by_value(lines["order"], lambda part: part.str.upper())
    repeated = frame[[column for column in frame.columns if not _counts_rows(column)]].duplicated()
    cancelled = order.str.startswith("C") & (lines["quantity"] < 0)
    debt = order.str.startswith("A") & ~order.str.startswith("AB") & (lines["sku"] == "B")
    status = values.by_value(lines["status"], lambda part: part.str.contains("|".join(UNDONE))).astype(bool)
    large = (lines[["quantity", "price"]].abs() > LARGEST).any(axis=1)
    service, codes = _services(lines["sku"], options)
    undone = _undone(lines, (lines["quantity"] < 0) & (lines["price"] > 0), unreadable | repeated)
    steps = [
        ("lines whose time, quantity or price cannot be read", unreadable, "left out"),
        ("lines with a quantity or price beyond a billion", large, "left out"),
        ("lines without an order or a code", (lines["order"] == "") | (lines["sku"] == ""), "left out"),
        ("exact repeats of a line", repeated, "one is kept"),
        ("cancellation lines (order starts with C, negative quantity)", cancelled, "left out"),
        ("lines of cancelled or refunded orders (by their status)", status, "left out"),
        ("bad-debt lines", debt, "left out"),
        (
            "other lines with a negative or zero quantity (returns, write-offs)",
            (lines["quantity"] <= 0) & ~cancelled,
            "left out",
        ),
        ("lines with a price of 0", lines["price"] == 0, "left out"),
        ("lines with a negative price", lines["price"] < 0, "left out"),
        (f"lines with a code that is no product{_named(codes)}", service, "left out"),
        ("sales that were cancelled or returned in full later (same customer, code and quantity)", undone, "left out"),
    ]
    if options.end is not None:
        end = pd.to_datetime(options.end, errors="coerce")
        if pd.isna(end):
            raise Problem(f"--end must be a date such as 2026-03-31, got {options.end!r}")
        late = lines["time"] >= end.tz_localize(None).normalize() + pd.Timedelta(days=1)
        steps.append((f"lines after {end.date()}", late, "left out"))
    steps.append(("lines without a customer", lines["customer"] == "", KEPT))
    return steps, codes


def _counts_rows(column: str) -> bool:
    return column.startswith(("column ", "Unnamed")) or columns.plain(column) in {
        "index",
        "rowid",
        "lineid",
        "rownumber",
    }


def _services(sku: pd.Series, options: argparse.Namespace) -> tuple[pd.Series, list[str]]:
    """Mark the codes that are no products; codes of one or two signs only where codes are longer as a rule."""
    if options.not_products is not None:
        known = {code.strip().upper() for code in options.not_products.split(",")}
    else:
        known = {code.replace("&", " ") for code in NOT_PRODUCTS.split()}
        if sku.str.len().median() <= 2:
            known = {code for code in known if len(code) > 2}
    where = sku.isin(known) | (sku.str.startswith("GIFT_") & (options.not_products is None))
    return where, sku[where].value_counts().index.tolist()


def _named(codes: list[str]) -> str:
    if not codes:
        return ""
    return f" ({', '.join(codes[:8])}{', ...' if len(codes) > 8 else ''})"


def _undone(lines: pd.DataFrame, back: pd.Series, skip: pd.Series) -> pd.Series:
    """Mark sales that a later return of the same customer, code and quantity takes back, one for one."""
    key = ["customer", "sku", "quantity"]
    known = ~skip & (lines["customer"] != "")
    returns = lines.loc[back & known, [*key, "time"]].assign(quantity=lambda rows: -rows["quantity"])
    marked = pd.Series(data=False, index=lines.index)
    if returns.empty:
        return marked
    sales = lines.loc[known & (lines["quantity"] > 0) & lines["sku"].isin(returns["sku"].unique()), [*key, "time"]]
    sales = sales.assign(row=sales.index, turn=sales.sort_values("time", kind="stable").groupby(key).cumcount())
    returns = returns.assign(turn=returns.sort_values("time", kind="stable").groupby(key).cumcount())
    pairs = sales.merge(returns[[*key, "turn", "time"]], on=[*key, "turn"], suffixes=("", "_back"))
    marked.loc[pairs.loc[pairs["time"] <= pairs["time_back"], "row"]] = True
    return marked


def _gap(kept: pd.DataFrame) -> list[str]:
    """Warn of a last day that stands alone: a mistyped year shifts everything that counts back from it."""
    days = np.sort(kept["day"].unique())
    if len(days) < 2:
        return []
    gap = int((days[-1] - days[-2]) / np.timedelta64(1, "D"))
    if gap <= 60:
        return []
    return [f"the last day with a sale comes {gap:,} days after the one before; if it is a mistake give --end"]
