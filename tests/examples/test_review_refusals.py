"""What cannot be reviewed is refused in one clear line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from tests.examples.running import orders, read, review, store_review

UNITS = pd.DataFrame({"unit": range(100), "arm": ["control", "b"] * 50, "spend": np.arange(100) % 7, "same": 1})
TOUCHES = pd.DataFrame({"user": range(50), "time": "2025-06-01", "channel": ["a", "b"] * 25, "conversion": 1})
FILES: dict[str, bytes | pd.DataFrame] = {
    "orders.csv": orders(100),
    "header.csv": orders(0),
    "empty.csv": b"",
    "blank.csv": b"\n\n",
    "cancelled.csv": orders(100).assign(order_id=[f"C{i}" for i in range(100)], quantity=-1),
    "currencies.csv": orders(100).assign(price=["$1", "€2"] * 50),
    "wide.csv": b"order,date,sku,qty,price\n1,2026-01-01,a,1,2\n2,2026-01-01,a,1,2,3,4\n",
    "wider.csv": b"order,date,sku,qty,price\n1,2026-01-01,a,1,2,x\n",
    "book.csv": b"PK\x03\x04 a spreadsheet",
    "bytes.csv": bytes(range(256)),
    "bad.parquet": b"hello",
    "other_skus.csv": pd.DataFrame({"sku": ["x"], "on_hand": [1], "cost": [1]}),
    "no_stock.csv": pd.DataFrame({"sku": ["0001"], "on_hand": [""]}),
    "words.csv": pd.DataFrame({"sku": ["0001"], "on_hand": ["some"]}),
    "touches.csv": TOUCHES,
    "twice.csv": TOUCHES.assign(conversion=2),
    "undated.csv": TOUCHES.assign(time="soon"),
    "unknown.csv": pd.DataFrame({"channel": ["q"], "spend": [1]}),
    "one_arm.csv": UNITS.assign(arm="control"),
    "same_unit.csv": UNITS.assign(unit=1),
    "no_metric.csv": UNITS[["unit", "arm"]],
    "hole.csv": UNITS.assign(spend=[""] + ["1"] * 99),
}
HERE = ("--orders", "{dir}/orders.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("files")
    for name, content in FILES.items():
        if isinstance(content, bytes):
            (target / name).write_bytes(content)
        else:
            content.to_csv(target / name, index=False)
    return target


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--orders", "{dir}"), "is a folder; name a file in it"),
        (("--orders", "{dir}/header.csv"), "has a header but no rows"),
        (("--orders", "{dir}/empty.csv"), "empty.csv is empty"),
        (("--orders", "{dir}/blank.csv"), "blank.csv is empty"),
        (("--orders", "{dir}/cancelled.csv"), "none of 100 lines is left; 100 are left out as cancellation lines"),
        (("--orders", "{dir}/currencies.csv"), "prices are in several currencies ($, €); review each alone"),
        (("--orders", "{dir}/wide.csv"), "line 3 of"),
        (("--orders", "{dir}/wider.csv"), "data row 1 of"),
        (("--orders", "{dir}/book.csv"), "it is an Excel or ZIP file"),
        (("--orders", "{dir}/bytes.csv"), "it is no text"),
        (("--orders", "{dir}/bad.parquet"), "cannot be read as CSV or Parquet"),
        ((*HERE, "--stock", "{dir}/other_skus.csv"), "which have '0000' where it has 'X'; give the same codes in both"),
        ((*HERE, "--costs", "{dir}/other_skus.csv"), "--costs: none of its SKUs is in the order lines"),
        ((*HERE, "--stock", "{dir}/no_stock.csv"), "has no row with sku, on_hand"),
        (
            (*HERE, "--stock", "{dir}/words.csv"),
            "on_hand of data row 1 cannot be used, got 'some'; it must be a number",
        ),
        (
            (*HERE, "--touches", "{dir}/twice.csv"),
            "conversion of data row 1 cannot be used, got '2'; it must be 0 or 1",
        ),
        ((*HERE, "--touches", "{dir}/undated.csv"), "time of data row 1 cannot be used, got 'soon'"),
        (
            (*HERE, "--touches", "{dir}/touches.csv", "--spend", "{dir}/unknown.csv"),
            "none of its channels has a touch; it has 'q' where --touches has 'a'",
        ),
        (
            (*HERE, "--experiment", "{dir}/one_arm.csv"),
            "a comparison needs two arms of 10 units or more; it has control 100",
        ),
        ((*HERE, "--experiment", "{dir}/same_unit.csv"), "the unit '1' is there twice"),
        ((*HERE, "--experiment", "{dir}/no_metric.csv"), "no column holds numbers"),
        (
            (*HERE, "--experiment", "{dir}/hole.csv"),
            "spend of data row 1 is no number, got ''; give 0 where there was none",
        ),
        ((*HERE, "--service", "2"), "--service must be from 0.5 to 0.9999, got 2.0"),
        ((*HERE, "--lead-time", "nan"), "--lead-time must be from 0 to 1000, got nan"),
        ((*HERE, "--lead-time", "soon"), "argument --lead-time: invalid float value: 'soon'"),
        ((*HERE, "--seed", "-1"), "--seed must be from 0"),
        ((*HERE, "--wrong"), "unrecognized arguments: --wrong"),
        ((*HERE, "--end", "2020-01-01"), "100 are left out as lines after 2020-01-01"),
        ((*HERE, "--price", "quantity", "--quantity", "quantity"), "two options name the same column"),
        ((*HERE, "--out", "{dir}/orders.csv"), "--out: cannot write to"),
    ],
)
def test_it_is_refused_in_one_line(
    options: tuple[str, ...], says: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [option.format(dir=folder) for option in options]
    out = [] if "--out" in given else ["--out", str(tmp_path)]
    assert store_review.main([*given, *out]) == 2
    said = [line for line in capsys.readouterr().err.strip().splitlines() if not line.startswith("[")]
    assert len(said) == 1
    assert said[0].startswith("store_review: ")
    assert says in said[0]


def test_what_is_left_of_the_other_files_is_told(tmp_path: Path) -> None:
    orders(100).to_csv(tmp_path / "orders.csv", index=False)
    pd.DataFrame(
        {
            "SKU": ["0000", "0001", "0001", "0002", "x"],
            "On Hand": ["1,000", "-5", "3", "", "2"],
            "lead_time": ["7", "", "", "", ""],
        }
    ).to_csv(tmp_path / "stock.csv", index=False)
    pd.DataFrame({"sku": ["0000", "0001"], "unit_cost": ["$4.00", ""]}).to_csv(tmp_path / "costs.csv", index=False)
    TOUCHES.assign(channel=["a", ""] * 25).to_csv(tmp_path / "touches.csv", index=False)
    pd.DataFrame({"channel": ["a", "q"], "spend": [9, 50]}).to_csv(tmp_path / "spend.csv", index=False)
    options = [
        part
        for name in ("orders", "stock", "costs", "touches", "spend")
        for part in (f"--{name}", str(tmp_path / f"{name}.csv"))
    ]
    data = read(*options)
    told = " ".join(data.notes)
    for text in (
        "--stock: 1 rows with a blank in sku, on_hand are left out",
        "--stock: 5 of 7 SKUs that were sold are not in it",
        "--stock: 1 of its 3 SKUs have no sale in the order lines",
        "--stock: 1 rows repeat a SKU; stock is added up",
        "--costs: 1 rows with a blank in sku, cost are left out",
        "--touches: 25 rows with a blank in user, time, channel, conversion are left out",
        "--spend: no touch of q; 50.00 of spend is not judged",
    ):
        assert text in told
    assert data.stock["on_hand"].tolist() == [1000.0, -5.0, 3.0, 2.0]
    assert data.costs["cost"].tolist() == [4.0]
    answer = review(tmp_path, *options)
    assert told == " ".join(answer["notes"])
    page = (tmp_path / "store_review.html").read_text(encoding="utf-8")
    assert "5 of 7 SKUs that were sold are not in it" in page


def test_a_metric_that_never_varies_and_a_broken_split_call_for_nothing(tmp_path: Path) -> None:
    orders(100).to_csv(tmp_path / "orders.csv", index=False)
    arm = ["control"] * 90 + ["b"] * 10
    UNITS.assign(arm=arm, spend=[1.0] * 90 + [50.0 + i for i in range(10)]).to_csv(tmp_path / "test.csv", index=False)
    answer = review(tmp_path, "--orders", str(tmp_path / "orders.csv"), "--experiment", str(tmp_path / "test.csv"))
    rows = [row for row in answer["decisions"] if row["topic"] == "experiment"]
    assert [row["action"] for row in rows] == ["keep", "keep"]
    assert all("the split is broken" in row["reason"] for row in rows)
