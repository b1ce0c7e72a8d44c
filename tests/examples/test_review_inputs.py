"""Exports as people have them: each is read right or refused in one line, and nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from tests.examples.running import orders, read, review, store_review

REVENUE = 12_120.0
LAST_DAY = pd.Timestamp("2025-12-17")
DAY = pd.Timedelta(days=1)


def written(folder: Path, frame: pd.DataFrame, **how: Any) -> str:
    path = folder / "orders.csv"
    frame.to_csv(path, index=False, **how)
    return str(path)


def clock(frame: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(frame["date"]).astype("datetime64[ns]")


def with_dates(form: str) -> pd.DataFrame:
    return orders(dates=form)


def epoch(nanoseconds: int) -> pd.DataFrame:
    return orders().assign(date=lambda rows: clock(rows).astype("int64") // nanoseconds)


def prices(form: Callable[[float], str]) -> pd.DataFrame:
    return orders().assign(price=lambda rows: rows["price"].map(form))


CHINESE = {
    "order_id": "订单号", "customer_id": "买家", "date": "付款时间", "sku": "商品编码", "quantity": "数量", "price": "单价",
}  # fmt: skip
EXPORTS: dict[str, tuple[pd.DataFrame, dict[str, Any], str]] = {
    "tabs": (orders(), {"sep": "\t"}, "separated by tabs"),
    "semicolons and decimal commas": (
        prices(lambda x: f"{x:.2f}".replace(".", ",")),
        {"sep": ";"},
        "a comma is read as the decimal sign",
    ),
    "day first": (with_dates("%d/%m/%Y"), {}, "read day first"),
    "dots": (with_dates("%d.%m.%Y %H:%M:%S"), {}, "read day first"),
    "month first": (with_dates("%m/%d/%Y %I:%M %p"), {}, "read month first"),
    "two-digit years": (with_dates("%m/%d/%y"), {}, "read month first"),
    "Chinese dates": (with_dates("%Y年%m月%d日 %H:%M"), {}, ""),
    "words": (with_dates("%b %d, %Y"), {}, ""),
    "compact": (with_dates("%Y%m%d"), {}, "year, month, day"),
    "slashes, year first": (with_dates("%Y/%m/%d %H:%M"), {}, ""),
    "seconds": (epoch(10**9), {}, "s since 1970"),
    "milliseconds": (epoch(10**6), {}, "ms since 1970"),
    "spreadsheet days": (
        orders().assign(date=lambda rows: (clock(rows) - pd.Timestamp("1899-12-30")) / DAY),
        {},
        "days of a spreadsheet",
    ),
    "zones": (with_dates("%Y-%m-%dT%H:%M:%S+08:00"), {}, "without their zone (+08:00)"),
    "yen": (prices(lambda x: f"¥{x:.2f}"), {}, ""),
    "code of a currency": (prices(lambda x: f"{x:.2f} EUR"), {}, ""),
    "GB 18030": (orders().rename(columns=CHINESE).assign(标题="红色杯子"), {"encoding": "gb18030"}, "gb18030"),
    "Latin 1": (orders().assign(title="Café crème brûlée"), {"encoding": "latin-1"}, "cp1252"),
    "UTF-16": (orders(), {"encoding": "utf-16"}, "utf-16"),
    "a mark of byte order": (orders(), {"encoding": "utf-8-sig"}, ""),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_read_as_it_was_meant(name: str, tmp_path: Path) -> None:
    frame, how, says = EXPORTS[name]
    data = read("--orders", written(tmp_path, frame, **how))
    lines = data.lines
    assert len(lines) == 600
    assert (lines["quantity"] * lines["price"]).sum() == pytest.approx(REVENUE)
    assert lines["day"].max() == LAST_DAY
    assert lines["day"].min() == pd.Timestamp("2025-06-01")
    assert lines["customer"].nunique() == 80
    assert sorted(lines["sku"].unique()) == [f"000{i}" for i in range(7)]
    assert says in " ".join(data.notes)


def test_thousands_are_no_decimals(tmp_path: Path) -> None:
    dollars = prices(lambda x: f"${1000 * x:,.2f}")
    data = read("--orders", written(tmp_path, dollars))
    assert data.lines["price"].max() == 10_250.0
    german = orders().assign(quantity="1.234", price="2,50")
    data = read("--orders", written(tmp_path, german, sep=";"))
    assert data.lines["quantity"].eq(1234.0).all()
    assert data.lines["price"].eq(2.5).all()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1,234.50", 1234.5), ("1.234,50", 1234.5), ("(5.00)", -5.0), ("5-", -5.0), ("1 234,50", 1234.5), ("1'234.5", 1234.5),
        ("\u221212", -12.0), ("1e3", 1000.0), ("USD 3", 3.0), ("0,5", 0.5), ("1.234.567", 1234567.0), ("", np.nan),
        ("many", np.nan), ("A12", np.nan), ("inf", np.nan), ("1_000", np.nan), ("12/5", np.nan),
    ],
)  # fmt: skip
def test_a_number_as_people_write_it(value: str, number: float) -> None:
    from review import values

    read_as, _, _ = values.numbers({"x": pd.Series([value])})
    np.testing.assert_equal(read_as["x"].iloc[0], number)


def test_the_sign_of_the_currency_is_shown(tmp_path: Path) -> None:
    answer = review(tmp_path, "--orders", written(tmp_path, prices(lambda x: f"€{x:.2f}")))
    assert answer["totals"]["revenue"] == pytest.approx(REVENUE)
    options = store_review.parse(["--orders", str(tmp_path / "orders.csv")])
    store_review.build(options, lambda _: None)
    assert options.currency == "€"


def test_where_day_and_month_cannot_be_told_the_page_says_what_was_taken(tmp_path: Path) -> None:
    frame = orders().assign(date="01/02/2026")
    data = read("--orders", written(tmp_path, frame))
    assert data.lines["day"].max() == pd.Timestamp("2026-02-01")
    assert ("order of day and month (both can be read)", "day-first", "--dates") in data.assumed
    data = read("--orders", str(tmp_path / "orders.csv"), "--dates", "month-first")
    assert data.lines["day"].max() == pd.Timestamp("2026-01-02")
    assert not [row for row in data.assumed if row[2] == "--dates"]


def test_the_order_of_a_file_tells_day_from_month(tmp_path: Path) -> None:
    """1 to 12 March in American figures: read day first the file would jump from month to month, and still be in order."""
    frame = orders(12).assign(date=[f"{1 + i // 6:02d}/{1 + i % 6:02d}/2026" for i in range(12)])
    data = read("--orders", written(tmp_path, frame))
    assert data.lines["day"].max() == pd.Timestamp("2026-02-06")


def test_typed_columns_of_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = orders()
    frame["date"] = pd.to_datetime(frame["date"]).dt.tz_localize("Asia/Shanghai")
    frame["price"] = frame["price"].map(lambda x: Decimal(str(x)))
    frame["sku"] = frame["sku"].astype("category")
    frame["customer_id"] = frame["customer_id"].astype("int64").astype("Int64")
    frame["quantity"] = frame["quantity"].astype("Int64")
    frame.loc[3, "quantity"] = pd.NA
    frame.loc[5, "customer_id"] = pd.NA
    frame.to_parquet(tmp_path / "orders.parquet")
    data = read("--orders", str(tmp_path / "orders.parquet"))
    found = {row.what: row.lines for row in data.report}
    assert found["lines whose time, quantity or price cannot be read"] == 1
    assert found["lines without a customer"] == 1
    assert data.lines["day"].max() == LAST_DAY
    assert set(data.lines["customer"]) == {"", *map(str, range(1, 81))}
    frame["date"] = frame["date"].dt.date
    frame["order_id"] = frame["order_id"].astype(float)
    frame.to_parquet(tmp_path / "orders.parquet")
    data = read("--orders", str(tmp_path / "orders.parquet"))
    assert data.lines["order"].iloc[0] == "100000"
    assert data.lines["day"].max() == LAST_DAY


def test_everything_left_out_is_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frame = orders().astype(object)
    for column in frame.columns:
        frame.loc[rng.random(len(frame)) < 0.2, column] = np.nan
    frame.loc[rng.random(len(frame)) < 0.1, "quantity"] = -1
    frame.loc[7, ["order_id", "sku", "quantity", "price", "date"]] = ["1", "0001", "1e12", "1", "2025-07-01"]
    data = read("--orders", written(tmp_path, frame))
    kept = next(row.lines for row in data.report if row.what == "lines kept")
    assert kept == len(data.lines)
    assert kept + sum(row.left_out for row in data.report) == len(frame)
    assert all(row.left_out <= row.lines for row in data.report)
    assert next(row.lines for row in data.report if "beyond a billion" in row.what) == 1


def test_ids_stay_what_they_are(tmp_path: Path) -> None:
    frame = orders().assign(customer_id=["123", "123A"] * 300, sku=["0012", "12"] * 300)
    data = read("--orders", written(tmp_path, frame))
    assert sorted(data.lines["customer"].unique()) == ["123", "123A"]
    assert sorted(data.lines["sku"].unique()) == ["0012", "12"]


def test_a_customer_0_is_nobody_unless_customers_are_counted_from_0(tmp_path: Path) -> None:
    frame = orders().assign(customer_id=[str(i % 5) for i in range(600)])
    assert read("--orders", written(tmp_path, frame)).lines["customer"].nunique() == 5
    frame = orders().assign(customer_id=[str(i % 2 * 17850) for i in range(600)])
    assert read("--orders", written(tmp_path, frame)).lines["customer"].unique().tolist() == ["", "17850"]


def test_short_codes_are_products_where_all_are_short(tmp_path: Path) -> None:
    frame = orders().assign(sku=list("ABCDMS") * 100)
    assert read("--orders", written(tmp_path, frame)).lines["sku"].nunique() == 6
    frame = orders().assign(sku=["85123A", "M", "POST"] * 200)
    data = read("--orders", written(tmp_path, frame))
    assert data.lines["sku"].unique().tolist() == ["85123A"]
    assert ("codes that are no products", "M, POST", "--not-products") in data.assumed
    data = read("--orders", str(tmp_path / "orders.csv"), "--not-products", "POST")
    assert sorted(data.lines["sku"].unique()) == ["85123A", "M"]


def test_cancelled_orders_are_known_by_their_status(tmp_path: Path) -> None:
    frame = orders().assign(status=["paid", "Cancelled", "已退款"] * 200)
    data = read("--orders", written(tmp_path, frame))
    assert len(data.lines) == 200
    assert next(row.lines for row in data.report if "by their status" in row.what) == 400


def test_a_column_that_is_there_twice_is_told(tmp_path: Path) -> None:
    text = orders().to_csv(index=False)
    (tmp_path / "orders.csv").write_text(text.replace("quantity", "price", 1), encoding="utf-8")
    data = read("--orders", str(tmp_path / "orders.csv"), "--quantity", "price", "--price", "price (2)")
    assert data.lines["price"].max() == 10.25
    assert "the first is read, number 2 is called 'price (2)'" in " ".join(data.notes)


def test_marks_of_spreadsheets_do_no_harm(tmp_path: Path) -> None:
    lines = orders().to_csv(index=False).splitlines()
    text = "\n".join(["sep=,", lines[0], *(f"{line}," for line in lines[1:]), ",,,,,,"])
    (tmp_path / "orders.csv").write_text(text, encoding="utf-8")
    data = read("--orders", str(tmp_path / "orders.csv"))
    assert len(data.lines) == 600
    assert "1 rows without any value are left out" in " ".join(data.notes)


def test_a_last_day_that_stands_alone_is_told(tmp_path: Path) -> None:
    frame = orders()
    frame.loc[599, "date"] = "2062-01-01"
    frame.loc[598, "date"] = "9999-12-31"
    data = read("--orders", written(tmp_path, frame))
    assert "if it is a mistake give --end" in " ".join(data.notes)
    assert data.report[0].lines == 1
    assert read("--orders", str(tmp_path / "orders.csv"), "--end", "2025-12-31").lines["day"].max() == LAST_DAY


THIN: dict[str, pd.DataFrame] = {
    "one line": orders(1),
    "one customer": orders().assign(customer_id="x"),
    "one SKU": orders().assign(sku="x"),
    "one day": orders().assign(date="2026-01-01"),
    "no customers": orders().drop(columns="customer_id"),
    "huge quantities": orders().assign(quantity=lambda rows: rows["quantity"] * 3e8),
    "tiny prices": orders().assign(price=1e-6),
}


@pytest.mark.parametrize("name", THIN)
def test_a_thin_file_still_gives_a_page(name: str, tmp_path: Path) -> None:
    answer = review(tmp_path, "--orders", written(tmp_path, THIN[name]))
    assert answer["totals"]["lines"] == len(THIN[name])
    page = (tmp_path / "store_review.html").read_text(encoding="utf-8")
    for nonsense in (">nan", " nan", ">inf", "NaT", ">None<", "$"):
        assert nonsense not in page
