"""Everything that a review is given: order lines, and the files that stand beside them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from review import columns, dates, values
from review.cleaning import Found, clean
from review.problem import Problem
from review.reading import load

Progress = Callable[[str], None]


@dataclass
class Data:
    """Everything that a review was given."""

    lines: pd.DataFrame
    """Kept sale lines: order, customer ("" where unknown), day, time, sku, quantity, price, description."""
    raw: dict[str, float]
    """Totals before anything was left out."""
    report: list[Found]
    """What was found in the lines."""
    source: str
    stock: pd.DataFrame | None = None
    costs: pd.DataFrame | None = None
    touches: pd.DataFrame | None = None
    spend: pd.DataFrame | None = None
    experiment: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    """How the files were read, and what of them was left out."""
    assumed: list[tuple[str, str, str]] = field(default_factory=list)
    """What had to be assumed to read them: what, value, the option that replaces it."""


def read(options: argparse.Namespace, progress: Progress) -> Data:
    """Read all files that the options name."""
    progress(f"reading {options.orders}")
    table = load(options.orders, "--orders")
    progress(f"cleaning {len(table.frame):,} lines")
    cleaned = clean(table, options)
    data = Data(cleaned.lines, cleaned.raw, cleaned.report, source=str(options.orders), notes=cleaned.notes)
    if cleaned.guessed_order is not None:
        data.assumed.append(("order of day and month (both can be read)", cleaned.guessed_order, "--dates"))
    if cleaned.codes:
        data.assumed.append(("codes that are no products", ", ".join(cleaned.codes[:12]), "--not-products"))
    if cleaned.currency and not options.currency:
        options.currency = cleaned.currency
    _sides(data, options)
    return data


def _sides(data: Data, options: argparse.Namespace) -> None:
    """Read the files beside the order lines."""
    skus = set(data.lines["sku"])
    if options.stock is not None:
        data.stock = _side(data, options.stock, "--stock", columns.STOCK, ("sku", "on_hand"), options)
        data.stock = _matched(data, data.stock, skus, "--stock")
    if options.costs is not None:
        data.costs = _side(data, options.costs, "--costs", columns.COSTS, ("sku", "cost"), options)
        data.costs = _matched(data, data.costs, skus, "--costs")
    if options.touches is not None:
        needed = ("user", "time", "channel", "conversion")
        data.touches = _side(data, options.touches, "--touches", columns.TOUCHES, needed, options)
    if options.spend is not None:
        data.spend = _side(data, options.spend, "--spend", columns.SPEND, ("channel", "spend"), options)
        _spent(data)
    if options.experiment is not None:
        table = load(options.experiment, "--experiment")
        data.notes += table.notes
        found = columns.of_side(table.frame, columns.EXPERIMENT, ("unit", "arm"), "--experiment")
        data.experiment = table.frame.rename(columns={column: role for role, column in found.items()})


KINDS = {"sku": "text", "user": "text", "channel": "text", "time": "time", "conversion": "flag"}
"""What is in a column; a number where it is not listed."""
ANY_SIGN = {"value", "on_hand"}
"""Numbers that may be negative: refunds, and stock that was sold before it came."""
MAY_BE_BLANK = {"on_order", "lead_time", "value"}


def _side(
    data: Data, name: str, option: str, roles: columns.Roles, required: tuple[str, ...], options: argparse.Namespace
) -> pd.DataFrame:
    """Read a file beside the order lines; rows that lack what is needed are left out and counted on the page."""
    table = load(name, option)
    data.notes += table.notes
    found = columns.of_side(table.frame, roles, required, option)
    numeric = {role: table.frame[column] for role, column in found.items() if role not in KINDS}
    read, notes, _ = values.numbers(numeric, table.separator)
    answer = pd.DataFrame(index=table.frame.index)
    blank = pd.Series(data=False, index=table.frame.index)
    for role, column in found.items():
        given = table.frame[column]
        empty = values.text(given).str.lower().isin(values.NOBODY)
        answer[role], more = _typed(given, role, read, options)
        notes += more
        _refuse(given, answer[role], role, empty, option)
        if role not in MAY_BE_BLANK and role != "conversion":
            blank |= empty
    data.notes += [f"{option}: {note}" for note in notes]
    if blank.any():
        data.notes.append(f"{option}: {int(blank.sum()):,} rows with a blank in {', '.join(required)} are left out")
        answer = answer[~blank].reset_index(drop=True)
    if answer.empty:
        raise Problem(f"{option}: {name} has no row with {', '.join(required)}")
    return answer


def _typed(
    given: pd.Series, role: str, read: dict[str, pd.Series], options: argparse.Namespace
) -> tuple[pd.Series, list[str]]:
    kind = KINDS.get(role, "number")
    if kind == "text":
        text = values.text(given)
        return (text.str.upper() if role == "sku" else text), []
    if kind == "time":
        times, notes, _ = dates.times(given, options.dates)
        return times, notes
    return (values.flags(given) if kind == "flag" else read[role]), []


def _refuse(given: pd.Series, answer: pd.Series, role: str, empty: pd.Series, option: str) -> None:
    """Stop at the first value that cannot be used."""
    kind = KINDS.get(role, "number")
    if kind == "text":
        return
    wrong = answer.isna() & ~empty
    if kind == "number" and role not in ANY_SIGN:
        wrong |= answer < 0
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        rule = {"time": "a date or time", "flag": "0 or 1"}.get(
            kind, "a number" if role in ANY_SIGN else "a number >= 0"
        )
        raise Problem(
            f"{option}: {role} of data row {row + 1} cannot be used, got {given.iloc[row]!r}; it must be {rule}"
        )


def _matched(data: Data, table: pd.DataFrame, skus: set[str], option: str) -> pd.DataFrame:
    """Say how many SKUs of the two files meet; stop where none does."""
    there = set(table["sku"])
    if not there & skus:
        raise Problem(
            f"{option}: none of its SKUs is in the order lines, which have {min(skus)!r} where it has {min(there)!r}; "
            "give the same codes in both"
        )
    if skus - there:
        data.notes.append(f"{option}: {len(skus - there):,} of {len(skus):,} SKUs that were sold are not in it")
    if there - skus:
        data.notes.append(f"{option}: {len(there - skus):,} of its {len(there):,} SKUs have no sale in the order lines")
    twice = int(table["sku"].duplicated().sum())
    if twice:
        done = "costs are averaged" if option == "--costs" else "stock is added up"
        data.notes.append(f"{option}: {twice:,} rows repeat a SKU; {done}")
    return table


def _spent(data: Data) -> None:
    """Say which money has no touches to be judged by."""
    if data.spend is None:
        return
    if data.touches is None:
        data.notes.append("--spend: it is not used without --touches")
        return
    unknown = data.spend[~data.spend["channel"].isin(set(data.touches["channel"]))]
    if len(unknown) == len(data.spend):
        raise Problem(
            f"--spend: none of its channels has a touch; it has {data.spend['channel'].iloc[0]!r} where --touches has "
            f"{data.touches['channel'].iloc[0]!r}"
        )
    if len(unknown):
        names = ", ".join(unknown["channel"].unique()[:8])
        data.notes.append(f"--spend: no touch of {names}; {unknown['spend'].sum():,.2f} of spend is not judged")
