"""The main job: from order lines to one page of decisions."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from tests.examples.running import EXAMPLES, review, store_review


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    target = tmp_path_factory.mktemp("shop")
    return target, review(target)


class Links(html.parser.HTMLParser):
    """What a page links to, what it names, and what it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.names: set[str] = set()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.targets.add(str(given["href"]))
        if given.get("id"):
            self.names.add(f"#{given['id']}")
        if given.get("src") or tag in {"script", "link", "img", "iframe"}:
            self.loads.append(tag)


def test_the_page_stands_alone_and_its_links_lead_somewhere(shop: tuple[Path, dict[str, Any]]) -> None:
    text = (shop[0] / "store_review.html").read_text(encoding="utf-8")
    page = Links()
    page.feed(text)
    assert page.loads == []
    assert "@import" not in text
    assert "url(http" not in text
    assert page.targets
    assert page.targets <= page.names
    for question in ("What do I order?", "Whom do I call?", "What do I stop?"):
        assert question in text


def test_the_shop_is_told_what_was_built_into_it(shop: tuple[Path, dict[str, Any]]) -> None:
    decisions = pd.DataFrame(shop[1]["decisions"])
    acts = decisions[decisions["action"] != "keep"]
    assert set(acts["topic"]) == {"reorder", "price", "win back", "channel", "experiment"}
    assert acts.loc[acts["topic"] == "channel", "subject"].tolist() == ["display"]
    assert acts.loc[acts["topic"] == "experiment", "action"].tolist() == ["ship"]
    assert acts["gain"].is_monotonic_decreasing
    assert (decisions["lower"] <= decisions["gain"]).all()
    assert (decisions["gain"] <= decisions["upper"]).all()
    assert (acts["p_better"] >= 0.95).all()


def test_prices_move_towards_the_optimum(shop: tuple[Path, dict[str, Any]]) -> None:
    from argparse import Namespace

    from review.shop import simulated

    data = simulated(Namespace(seed=7, noise=False), lambda _: None)
    assert data.costs is not None
    cost = data.costs.set_index("sku")["cost"]
    price = data.lines.sort_values("time").groupby("sku")["price"].last()
    rng = np.random.default_rng(7)
    rng.normal(2.8, 0.5, 60)
    rng.uniform(0.35, 0.65, 60)
    true = dict(zip(cost.index, -rng.uniform(0.6, 3.5, 60), strict=True))
    right = wrong = 0
    for row in shop[1]["decisions"]:
        if row["topic"] == "price" and row["action"] != "keep":
            e, c, p = true[row["subject"]], cost[row["subject"]], price[row["subject"]]
            new = float(row["action"].split()[-1])
            better = (new - c) * (new / p) ** e > p - c
            right, wrong = right + better, wrong + (not better)
    assert right >= 10
    assert wrong <= 0.05 * (right + wrong)


def test_the_same_shop_from_files_gives_the_same_decisions(shop: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    from argparse import Namespace

    from review.shop import simulated

    data = simulated(Namespace(seed=7, noise=False), lambda _: None)
    data.lines.rename(columns={"order": "order_id"}).drop(columns="day").to_csv(tmp_path / "orders.csv", index=False)
    options = ["--orders", str(tmp_path / "orders.csv")]
    for name in ("stock", "costs", "touches", "spend", "experiment"):
        getattr(data, name).to_csv(tmp_path / f"{name}.csv", index=False)
        options += [f"--{name}", str(tmp_path / f"{name}.csv")]
    answer = review(tmp_path, *options)
    assert answer["answers"] == shop[1]["answers"]
    first, second = (pd.DataFrame(one["decisions"]) for one in (answer, shop[1]))
    assert first["action"].tolist() == second["action"].tolist()
    np.testing.assert_allclose(first["gain"], second["gain"], rtol=1e-9)


@pytest.mark.parametrize("seed", range(2))
def test_noise_is_left_alone(seed: int, tmp_path: Path) -> None:
    decisions = pd.DataFrame(review(tmp_path, "--noise", "--seed", str(seed))["decisions"])
    acts = decisions["action"] != "keep"
    assert acts.mean() <= 0.05
    assert decisions.loc[decisions["topic"].isin(["price", "channel", "experiment"]), "action"].ne("keep").sum() <= 1


def test_what_is_assumed_is_listed_with_its_option(tmp_path: Path, shop: tuple[Path, dict[str, Any]]) -> None:
    orders = pd.DataFrame(
        {
            "order_id": np.repeat(np.arange(600), 2),
            "customer_id": np.repeat(np.arange(600) % 150, 2),
            "date": np.repeat(pd.date_range("2026-01-01", periods=600, freq="6h"), 2),
            "sku": np.tile(["a", "b"], 600),
            "quantity": 1 + np.arange(1200) % 3,
            "price": np.where(np.arange(1200) % 2, 5.0, 7.0),
        }
    )
    orders.to_csv(tmp_path / "orders.csv", index=False)
    answer = review(tmp_path, "--orders", str(tmp_path / "orders.csv"))
    options = " ".join(row["replace_with"] for row in answer["assumptions"])
    for option in ("--lead-time", "--review-days", "--service", "--margin", "--winback-rate", "--contact-cost"):
        assert option in options
    # An option that is named has to exist.
    for option in re.findall(
        r"--[a-z-]+", options + " " + " ".join(row["replace_with"] for row in shop[1]["assumptions"])
    ):
        assert option in Path(EXAMPLES / "store_review.py").read_text(encoding="utf-8")


def test_messy_lines_are_handled_and_reported(tmp_path: Path) -> None:
    good = {
        "InvoiceNo": "536365",
        "StockCode": "85123A",
        "Quantity": 6,
        "InvoiceDate": "2026-01-01 08:26:00",
        "UnitPrice": 2.5,
        "CustomerID": "17850.0",
    }
    rows = [
        good,
        good,
        {**good, "InvoiceNo": "536366", "Quantity": 2},
        {**good, "InvoiceNo": "C536367", "Quantity": -2, "InvoiceDate": "2026-01-02 09:00:00"},
        {**good, "InvoiceNo": "536368", "StockCode": "POST", "Quantity": 1},
        {**good, "InvoiceNo": "536369", "UnitPrice": 0},
        {**good, "InvoiceNo": "536370", "UnitPrice": -5},
        {**good, "InvoiceNo": "536371", "CustomerID": ""},
        {**good, "InvoiceNo": "536372", "Quantity": "many"},
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "orders.csv", index=False)
    answer = review(tmp_path, "--orders", str(tmp_path / "orders.csv"))
    found = {row["what"].split(" (")[0]: row["lines"] for row in answer["cleaning"]}
    assert found["exact repeats of a line"] == 1
    assert found["cancellation lines"] == 1
    assert found["sales that were cancelled or returned in full later"] == 1
    assert found["lines with a price of 0"] == 1
    assert found["lines with a negative price"] == 1
    assert found["lines with a code that is no product"] == 1
    assert found["lines whose time, quantity or price cannot be read"] == 1
    assert found["lines without a customer"] == 1
    assert answer["totals"]["lines"] == 2
    assert answer["totals"]["revenue"] == 30.0
    assert answer["totals"]["customers"] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--orders", "nowhere.csv"], "there is no file nowhere.csv"),
        (["--orders", "{dir}/other.csv"], "cannot tell which columns are meant by --order-id"),
        (["--orders", "{dir}/orders.csv", "--sku", "nothing"], "there is no column 'nothing'"),
        (["--orders", "{dir}/orders.csv", "--stock", "{dir}/other.csv"], "--stock: the column 'sku' is missing"),
        (["--orders", "{dir}/orders.csv", "--end", "soon"], "--end must be a date"),
        (["--orders", "{dir}/orders.csv", "--experiment", "{dir}/test.csv"], "cannot tell which arm is the control"),
        (["--orders", "{dir}/orders.csv", "--costs", "{dir}/costs.csv"], "cost of data row 2 cannot be used, got '-1'"),
    ],
)
def test_a_wrong_call_gets_one_clear_line(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.DataFrame({"order": [1], "sku": ["a"], "date": ["2026-01-01"], "qty": [1], "price": [2.0]}).to_csv(
        tmp_path / "orders.csv", index=False
    )
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "other.csv", index=False)
    pd.DataFrame({"sku": ["a", "b"], "cost": [1, -1]}).to_csv(tmp_path / "costs.csv", index=False)
    pd.DataFrame({"unit": range(40), "arm": ["x", "y"] * 20, "spend": [1, 2] * 20}).to_csv(
        tmp_path / "test.csv", index=False
    )
    given = [option.format(dir=tmp_path) for option in options]
    assert store_review.main([*given, "--out", str(tmp_path)]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("store_review: ")
    assert says in last


def test_where_nothing_is_proven_the_first_screen_says_what_to_test(tmp_path: Path) -> None:
    assert review(tmp_path, "--noise")["counts"]["effect_act"] == 0
    text = (tmp_path / "store_review.html").read_text(encoding="utf-8")
    first = text[text.index("Worth a test first") : text.index("<nav>")]
    assert first.count("is not proven") == first.count('class="why"') > 0
    assert "no gain to look for" not in first
