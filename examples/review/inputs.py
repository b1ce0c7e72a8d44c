"""Read the files, guess their columns, and clean order lines with a report of what was found."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from review.problem import Problem

Progress = Callable[[str], None]

COLUMNS: dict[str, tuple[str, ...]] = {
    role: tuple(names.split())
    for role, names in {
        "order_id": "order_id orderid order invoiceno invoice transaction_id transaction 订单号 订单编号 订单",
        "customer": "customer_id customer user_id user client_id buyer_id 客户 客户编号 用户 用户id 买家",
        "time": "invoicedate order_date date time timestamp created_at datetime order_time 下单时间 付款时间 日期 时间",
        "sku": "sku stockcode product_id item_id item product asin 商品编码 商品id 货号 商品",
        "quantity": "quantity qty units count cds 数量 件数",
        "price": "unitprice price item_price 单价 价格",
        "description": "description product_name name title 商品名称 名称 标题",
    }.items()
}
REQUIRED = ("order_id", "time", "sku", "quantity", "price")
NOT_PRODUCTS = {
    "POST", "DOT", "M", "D", "S", "B", "C2", "PADS", "CRUK", "BANK CHARGES", "AMAZONFEE", "ADJUST", "SHIPPING", "DISCOUNT",
    "FEE", "POSTAGE", "CARRIAGE", "SAMPLE", "SAMPLES", "TEST", "GIFT WRAP", "TIP",
}  # fmt: skip


@dataclass
class Data:
    """Everything that a review was given."""

    lines: pd.DataFrame
    """Kept sale lines: order, customer ("" where unknown), day, time, sku, quantity, price, description."""
    raw: dict[str, float]
    """Totals before anything was left out."""
    report: list[tuple[str, int, str]]
    """What was found in the lines: (what, how many, what was done)."""
    source: str
    stock: pd.DataFrame | None = None
    costs: pd.DataFrame | None = None
    touches: pd.DataFrame | None = None
    spend: pd.DataFrame | None = None
    experiment: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)


def read(options: argparse.Namespace, progress: Progress) -> Data:
    """Read all files that the options name."""
    progress(f"reading {options.orders}")
    data = clean(load(options.orders, "--orders"), options, progress)
    data.stock = _table(
        options.stock, "--stock", {"sku": "text", "on_hand": "number"}, {"on_order": "number", "lead_time": "number"}
    )
    data.costs = _table(options.costs, "--costs", {"sku": "text", "cost": "number"}, {})
    data.touches = _table(
        options.touches,
        "--touches",
        {"user": "text", "time": "time", "channel": "text", "conversion": "flag"},
        {"value": "number"},
    )
    data.spend = _table(options.spend, "--spend", {"channel": "text", "spend": "number"}, {})
    if options.experiment:
        data.experiment = load(options.experiment, "--experiment")
    return data


def load(name: str, option: str) -> pd.DataFrame:
    """Read a CSV or Parquet file as it is: ids as text."""
    path = Path(name)
    if not path.exists():
        raise Problem(f"{option}: there is no file {name}; check the path")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            frame = pd.read_parquet(path)
        else:
            try:
                frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            except UnicodeDecodeError:
                frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="gb18030")
    except Exception as error:  # noqa: BLE001 - readers of many formats fail in many ways; the reader is told which
        first = (str(error).split("\n") or [""])[0]
        raise Problem(f"{option}: {name} cannot be read as CSV or Parquet ({first}); save it as one of them") from None
    frame.columns = [str(column).strip() for column in frame.columns]
    repeated = frame.columns[frame.columns.duplicated()].tolist()
    if repeated:
        raise Problem(f"{option}: the column {repeated[0]!r} is there twice; rename one of them")
    if frame.empty:
        raise Problem(f"{option}: {name} has no rows")
    return frame


def guess(frame: pd.DataFrame, options: argparse.Namespace) -> dict[str, str]:
    """Find the column for each role: by option, else by its usual names."""
    plain = {"".join(c for c in column.lower() if c.isalnum() or ord(c) > 127): column for column in frame.columns}
    found: dict[str, str] = {}
    for role, names in COLUMNS.items():
        given = getattr(options, f"column_{role}")
        if given is not None:
            if given not in frame.columns:
                raise Problem(
                    f"--{role.replace('_', '-')}: there is no column {given!r}; the file has {', '.join(frame.columns)}"
                )
            found[role] = given
            continue
        for name in names:
            column = plain.get(name.replace("_", ""))
            if column is not None and column not in found.values():
                found[role] = column
                break
    missing = [role for role in REQUIRED if role not in found]
    if missing:
        wanted = ", ".join(f"--{role.replace('_', '-')}" for role in missing)
        raise Problem(f"cannot tell which columns are meant by {wanted}; the file has {', '.join(frame.columns)}")
    return found


def clean(frame: pd.DataFrame, options: argparse.Namespace, progress: Progress) -> Data:
    """Keep the lines that are sales of products, and report everything else."""
    columns = guess(frame, options)
    notes = [f"columns read: {', '.join(f'{role} = {column}' for role, column in columns.items())}"]
    report: list[tuple[str, int, str]] = []
    order = _text(frame[columns["order_id"]])
    lines = pd.DataFrame({"order": order, "sku": _text(frame[columns["sku"]]).str.upper()})
    lines["customer"] = _customer(frame[columns["customer"]]) if "customer" in columns else ""
    lines["description"] = _text(frame[columns["description"]]) if "description" in columns else ""
    lines["quantity"] = pd.to_numeric(frame[columns["quantity"]], errors="coerce")
    lines["price"] = pd.to_numeric(frame[columns["price"]], errors="coerce")
    lines["time"] = _times(frame[columns["time"]])
    duplicated = frame.duplicated()
    progress(f"cleaning {len(frame):,} lines")

    unreadable = (
        lines["quantity"].isna()
        | lines["price"].isna()
        | lines["time"].isna()
        | ~np.isfinite(lines["quantity"].fillna(0) * lines["price"].fillna(0))
    )
    money = (lines["quantity"] * lines["price"]).where(~unreadable, 0.0)
    raw = {
        "lines": float(len(lines)),
        "orders": float(order.nunique()),
        "customers": float(lines.loc[lines["customer"] != "", "customer"].nunique()),
        "skus": float(_text(frame[columns["sku"]]).nunique()),
        "revenue": float(money.sum()),
    }
    cancelled = order.str.upper().str.startswith("C") & (lines["quantity"] < 0)
    bad_debt = (
        order.str.upper().str.startswith("A") & ~order.str.upper().str.startswith("AB") & lines["sku"].isin({"B"})
    )
    service = lines["sku"].isin(NOT_PRODUCTS) | lines["sku"].str.startswith("GIFT_") | (lines["sku"] == "")
    undone = _undone(lines, cancelled, unreadable | duplicated)
    steps = (
        ("lines whose time, quantity or price cannot be read", unreadable, "left out"),
        ("exact repeats of a line", duplicated, "one is kept"),
        ("cancellation lines (order starts with C, negative quantity)", cancelled, "left out"),
        ("bad-debt lines", bad_debt, "left out"),
        (
            "other lines with a negative or zero quantity (returns, write-offs)",
            (lines["quantity"] <= 0) & ~cancelled,
            "left out",
        ),
        ("lines with a price of 0", lines["price"] == 0, "left out"),
        ("lines with a negative price", lines["price"] < 0, "left out"),
        ("lines with a code that is no product (postage, fees, discounts, ...)", service, "left out"),
        ("sales that were cancelled in full later (same customer, code and quantity)", undone, "left out"),
        ("lines without a customer", lines["customer"] == "", "kept for sales and stock, not for customers"),
    )
    keep = pd.Series(data=True, index=lines.index)
    for what, where, done in steps:
        report.append((what, int(where.sum()), done))
        if done in {"left out", "one is kept"}:
            keep &= ~where
    if options.end is not None:
        end = pd.to_datetime(options.end, errors="coerce")
        if pd.isna(end):
            raise Problem(f"--end must be a date such as 2026-03-31, got {options.end!r}")
        late = keep & (lines["time"] >= end + pd.Timedelta(days=1))
        report.append((f"lines after {end.date()}", int(late.sum()), "left out"))
        keep &= ~late
    kept = lines[keep].reset_index(drop=True)
    if kept.empty:
        raise Problem("no line is left after cleaning; check the columns for quantity, price and time")
    kept["day"] = kept["time"].dt.normalize()
    report.append(("lines kept", len(kept), "reviewed"))
    return Data(lines=kept, raw=raw, report=report, source=str(options.orders), notes=notes)


def _undone(lines: pd.DataFrame, cancelled: pd.Series, skip: pd.Series) -> pd.Series:
    """Mark sales that a later cancellation of the same customer, code and quantity takes back, one for one."""
    key = ["customer", "sku", "quantity"]
    sales = lines[~skip & (lines["quantity"] > 0)]
    back = lines[cancelled & ~skip].assign(quantity=lambda rows: -rows["quantity"])
    sales = sales[sales["customer"] != ""]
    sales = sales.assign(row=sales.index, turn=sales.sort_values("time").groupby(key).cumcount())
    back = back.assign(turn=back.sort_values("time").groupby(key).cumcount())
    pairs = sales.merge(back[[*key, "turn", "time"]], on=[*key, "turn"], suffixes=("", "_back"))
    pairs = pairs[pairs["time"] <= pairs["time_back"]]
    marked = pd.Series(data=False, index=lines.index)
    marked.loc[pairs["row"]] = True
    return marked


def _text(column: pd.Series) -> pd.Series:
    return column.astype("string").fillna("").str.strip().astype(object)


def _customer(column: pd.Series) -> pd.Series:
    """Read customer ids: 17850.0 and 17850 are one; blanks and NULL are nobody."""
    text = _text(column).astype("string").str.replace(r"\.0+$", "", regex=True)
    return text.where(~text.str.lower().isin(["", "nan", "null", "none", "na", "n/a", "0"]), "").astype(object)


def _times(column: pd.Series) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(column):
        times = column
    else:
        text = column.astype("string")
        times = pd.to_datetime(text, errors="coerce", format="ISO8601")
        if times.isna().mean() > 0.5:
            times = pd.to_datetime(text, errors="coerce")
    if getattr(times.dt, "tz", None) is not None:
        times = times.dt.tz_localize(None)
    return times


def _table(name: str | None, option: str, required: dict[str, str], optional: dict[str, str]) -> pd.DataFrame | None:
    """Read a side file with fixed column names (case and blanks do not count)."""
    if name is None:
        return None
    frame = load(name, option)
    frame.columns = [column.lower().replace(" ", "_") for column in frame.columns]
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise Problem(f"{option}: the column {missing[0]!r} is missing; the file has {', '.join(frame.columns)}")
    answer = pd.DataFrame(index=frame.index)
    for column, kind in {**required, **{c: k for c, k in optional.items() if c in frame.columns}}.items():
        answer[column] = _typed(frame[column], kind, column, option)
    return answer


def _typed(values: pd.Series, kind: str, column: str, option: str) -> pd.Series:
    if kind == "text":
        text = _text(values)
        return text.str.upper() if column == "sku" else text
    if kind == "time":
        read_times = _times(values)
        wrong = read_times.isna()
    else:
        read_times = pd.to_numeric(
            values.replace("", "0") if values.dtype == object else values, errors="coerce"
        ).astype(float)
        wrong = read_times.isna() | ((read_times < 0) & (column != "value"))
        if kind == "flag":
            wrong |= ~read_times.isin([0.0, 1.0])
    if wrong.any():
        row = int(np.argmax(wrong.to_numpy()))
        raise Problem(
            f"{option}: {column} of data row {row + 1} cannot be used, got {values.iloc[row]!r}; it must be a {kind} >= 0"
        )
    return read_times
