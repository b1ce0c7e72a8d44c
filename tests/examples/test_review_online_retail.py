"""The review of half a million real order lines, against a recomputation in plain pandas."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from tests.examples.running import review

NAME = "online_retail/online_retail.csv.gz"
POSTAGE = {"POST", "DOT", "M", "D", "S", "B", "C2", "PADS", "CRUK", "BANK CHARGES", "AMAZONFEE"}


@pytest.fixture(scope="module")
def run(
    shared_data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], float, Path]:
    target = tmp_path_factory.mktemp("retail")
    started = time.process_time()
    answer = review(target, "--orders", str(shared_data(NAME)))
    return answer, time.process_time() - started, target


@pytest.fixture(scope="module")
def raw(shared_data: Callable[[str], Path]) -> pd.DataFrame:
    frame = pd.read_csv(shared_data(NAME), dtype={"InvoiceNo": str, "StockCode": str, "CustomerID": str})
    return frame.assign(time=pd.to_datetime(frame["InvoiceDate"]), code=frame["StockCode"].str.strip().str.upper())


@pytest.fixture(scope="module")
def kept(raw: pd.DataFrame) -> pd.DataFrame:
    """Sales of products, by the rules of the page and none of its code."""
    once = raw.drop_duplicates(
        ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]
    )
    back: dict[tuple[str, str, float], list[pd.Timestamp]] = {}
    returns = once[(once["Quantity"] < 0) & (once["UnitPrice"] > 0) & once["CustomerID"].notna()].sort_values(
        "time", kind="stable"
    )
    for row in returns.itertuples():
        back.setdefault((row.CustomerID, row.code, -row.Quantity), []).append(row.time)
    sales = once[(once["Quantity"] > 0) & once["CustomerID"].notna()].sort_values("time", kind="stable")
    undone, turn = [], {}
    for row in sales.itertuples():
        key = (row.CustomerID, row.code, row.Quantity)
        if key in back:
            place = turn.get(key, 0)
            turn[key] = place + 1
            if place < len(back[key]) and row.time <= back[key][place]:
                undone.append(row.Index)
    good = (once["Quantity"] > 0) & (once["UnitPrice"] > 0)
    good &= ~once["code"].isin(POSTAGE) & ~once["code"].str.startswith("GIFT_") & ~once.index.isin(undone)
    return once[good].assign(revenue=lambda rows: rows["Quantity"] * rows["UnitPrice"])


def table_of(page: Path, title: str) -> pd.DataFrame:
    """Read a table of the page by the heading over it."""
    text = (page / "store_review.html").read_text(encoding="utf-8")
    part = text[text.index(f"<h3>{title}") :]
    part = part[part.index("<table>") : part.index("</table>")]
    rows = [row.split("</tr>")[0] for row in part.split("<tr>")[1:]]
    cells = [
        [cell.split(">", 1)[1].split("</")[0] for cell in row.replace("<th", "<td").split("<td")[1:]] for row in rows
    ]
    return pd.DataFrame(cells[1:], columns=cells[0])


def numbers(column: pd.Series) -> list[float]:
    return [float(cell.replace(",", "").rstrip("%")) for cell in column]


def test_totals(run: tuple[dict[str, Any], float, Path], raw: pd.DataFrame, kept: pd.DataFrame) -> None:
    totals = run[0]["totals"]
    assert totals["raw_lines"] == len(raw) == 541_909
    assert totals["raw_orders"] == raw["InvoiceNo"].nunique() == 25_900
    assert totals["raw_customers"] == raw["CustomerID"].nunique() == 4_372
    assert totals["raw_revenue"] == pytest.approx((raw["Quantity"] * raw["UnitPrice"]).sum(), rel=1e-12)
    assert totals["lines"] == len(kept)
    assert totals["orders"] == kept["InvoiceNo"].nunique()
    assert totals["customers"] == kept["CustomerID"].nunique()
    assert totals["skus"] == kept["code"].nunique()
    assert totals["units"] == kept["Quantity"].sum()
    assert totals["revenue"] == pytest.approx(kept["revenue"].sum(), rel=1e-12)


def test_what_was_found_adds_up(run: tuple[dict[str, Any], float, Path], raw: pd.DataFrame) -> None:
    found = {row["what"].split(" (")[0]: row["lines"] for row in run[0]["cleaning"]}
    order = raw["InvoiceNo"].str.upper()
    cancelled = order.str.startswith("C") & (raw["Quantity"] < 0)
    assert found["exact repeats of a line"] == raw.drop(columns=["time", "code"]).duplicated().sum() == 5_268
    assert found["cancellation lines"] == cancelled.sum() == 9_288
    assert found["bad-debt lines"] == order.str.startswith("A").sum() == 3
    assert found["other lines with a negative or zero quantity"] == ((raw["Quantity"] <= 0) & ~cancelled).sum()
    assert found["lines with a price of 0"] == (raw["UnitPrice"] == 0).sum() == 2_515
    assert found["lines with a negative price"] == (raw["UnitPrice"] < 0).sum() == 2
    assert found["lines without a customer"] == raw["CustomerID"].isna().sum() == 135_080
    service = raw["code"].isin(POSTAGE) | raw["code"].str.startswith("GIFT_")
    assert found["lines with a code that is no product"] == service.sum()
    assert sum(row["left_out"] for row in run[0]["cleaning"]) + found["lines kept"] == len(raw)


def test_classes_of_skus(run: tuple[dict[str, Any], float, Path], kept: pd.DataFrame) -> None:
    revenue = kept.groupby("code")["revenue"].sum().sort_values(ascending=False)
    before = (revenue.cumsum() - revenue) / revenue.sum()
    label = np.where(before < 0.8, "A", np.where(before < 0.95, "B", "C"))
    table = table_of(run[2], "SKUs by class of revenue")
    assert table["class"].tolist() == ["A", "B", "C"]
    assert numbers(table["SKUs"]) == pd.Series(label).value_counts().sort_index().tolist()
    np.testing.assert_allclose(numbers(table["revenue"]), revenue.groupby(label).sum(), atol=0.51)


def fifth(values: pd.Series) -> Any:
    """Return 1 for the lowest fifth of the customers to 5; equal ones stand together in the middle of their ranks."""
    return np.floor(5 * (values.rank(method="average") - 0.5) / len(values)).astype(int) + 1


def named(r: int, f: int, m: int, days: int) -> str:
    """Name a customer by scores and purchase days: the boxes of the library, written out."""
    if days == 1:
        return "new" if r >= 4 else "promising" if r == 3 else "hibernating" if r == 2 else "lost"
    if r >= 4:
        return "champions" if f >= 4 and m >= 4 else "loyal" if f >= 3 else "promising"
    if r == 3:
        return "loyal" if f >= 3 else "promising"
    if r == 1 and f >= 4 and m >= 4:
        return "cannot lose"
    return "at risk" if f >= 3 else "hibernating" if r == 2 else "lost"


def test_segments_of_customers(run: tuple[dict[str, Any], float, Path], kept: pd.DataFrame) -> None:
    known = kept[kept["CustomerID"].notna()]
    by = known.assign(day=known["time"].dt.normalize()).groupby("CustomerID")
    customers = by.agg(
        last=("day", "max"), orders=("InvoiceNo", "nunique"), spend=("revenue", "sum"), days=("day", "nunique")
    )
    figures = [fifth(customers[name]) for name in ("last", "orders", "spend")]
    segment = [named(*three) for three in zip(*figures, customers["days"], strict=True)]
    expected = customers.groupby(segment).agg(
        customers=("orders", "size"), orders=("orders", "sum"), spend=("spend", "sum")
    )
    table = table_of(run[2], "Segments").set_index("segment").loc[expected.index]
    assert numbers(table["customers"]) == expected["customers"].tolist()
    assert numbers(table["orders"]) == expected["orders"].tolist()
    np.testing.assert_allclose(numbers(table["spend"]), expected["spend"], atol=0.51)
    assert sum(numbers(table["customers"])) == run[0]["totals"]["customers"]


def test_customers_who_came_back(run: tuple[dict[str, Any], float, Path], kept: pd.DataFrame) -> None:
    known = kept[kept["CustomerID"].notna()]
    days = known.assign(day=known["time"].dt.normalize()).groupby("CustomerID")["day"].agg(["min", "max"])
    table = table_of(run[2], "Customers who came back")
    end = kept["time"].max().normalize()
    for row, month in enumerate([1, 2, 3, 6, 12]):
        assert numbers(table["month"])[row] == month
        seen = days["min"] + pd.Timedelta(days=30 * (month + 1) - 1) <= end
        back = seen & (days["max"] - days["min"] >= pd.Timedelta(days=30 * month))
        assert numbers(table["customers observed"])[row] == seen.sum()
        assert numbers(table["came back"])[row] == back.sum()


def test_it_is_quick_and_small(run: tuple[dict[str, Any], float, Path]) -> None:
    assert run[1] < 60.0
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2 * 1024**2
