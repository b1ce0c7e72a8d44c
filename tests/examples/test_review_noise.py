"""Where nothing has an effect the review leaves things alone, whatever else moves; where something has, it is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from tests.examples.running import empty_review

WEEKS = 52
DEMANDS = ("poisson", "erratic", "seasonal", "wandering", "growing")
PRICES = ("steps", "shuffled", "drift", "wandering", "promotions")


def demand(kind: str, skus: int, rng: np.random.Generator) -> Any:
    """Return mean units by week and SKU for demand that follows anything but prices."""
    week = np.arange(WEEKS)[:, None]
    level = np.tile(np.exp(rng.normal(1.8, 0.9, skus)), (WEEKS, 1))
    if kind == "seasonal":
        level = level * (1 + 0.7 * np.sin(2 * np.pi * (week / 52 + rng.random(skus))))
    elif kind == "wandering":
        level = level * np.exp(np.cumsum(rng.normal(0, 0.15, (WEEKS, skus)), axis=0))
    elif kind == "growing":
        level = level * np.exp(rng.normal(0, 1, skus) * week / WEEKS)
    return level * rng.gamma(0.7, 1 / 0.7, level.shape) if kind in {"erratic", "seasonal", "wandering"} else level


def course(kind: str, skus: int, rng: np.random.Generator) -> Any:
    """Return relative prices by week and SKU."""
    week = np.arange(WEEKS)[:, None]
    held = np.maximum.accumulate(np.where(rng.random((WEEKS, skus)) < 0.3, week, 0), axis=0)
    if kind == "drift":
        return np.take_along_axis(np.exp(rng.normal(0, 0.3, skus) * week / WEEKS), held, axis=0)
    if kind == "wandering":
        return np.exp(np.cumsum(rng.normal(0, 0.04, (WEEKS, skus)), axis=0))
    if kind == "promotions":
        return np.where(rng.random((WEEKS, 1)) < 0.15, 0.7, 1) * np.where(rng.random((WEEKS, skus)) < 0.08, 0.8, 1)
    if kind == "shuffled":
        return np.ones((WEEKS, skus))
    return np.take_along_axis(rng.choice([1, 1, 0.9, 0.8, 1.1], size=(WEEKS, skus)), held, axis=0)


def lines_of(units: Any, price: Any, rng: np.random.Generator, shuffled: bool = False) -> pd.DataFrame:
    """Return order lines of one unit each, on random days of their week."""
    week, sku = np.nonzero(units)
    row = np.repeat(np.arange(week.size), units[week, sku])
    week, sku = week[row], sku[row]
    day = pd.Timestamp("2025-01-06") + pd.to_timedelta(week * 7 + rng.integers(0, 7, week.size), unit="D")
    paid = np.round(10 * price[week, sku], 2)
    if shuffled:
        # As skewed as two price lists: few lines at twice the price.
        paid = rng.choice([10.0, 10.0, 10.0, 10.0, 20.0], week.size)
    names = np.char.add("S", (100 + sku).astype(str)).astype(object)
    return pd.DataFrame({"day": day, "sku": names, "quantity": 1.0, "price": paid})


def judged(lines: pd.DataFrame) -> pd.DataFrame:
    from review import evidence
    from review.weekly import panel

    weekly = panel(lines).dropna(subset=["price"])
    return evidence.elasticities(weekly[weekly.groupby("sku")["units"].transform("size") >= evidence.LEAST_WEEKS])[0]


@pytest.mark.parametrize("kind", DEMANDS)
@pytest.mark.parametrize("prices", PRICES)
def test_no_price_is_proven_to_matter_where_none_does(kind: str, prices: str) -> None:
    proven = rows = 0
    for seed in range(2):
        rng = np.random.default_rng([seed, DEMANDS.index(kind), PRICES.index(prices)])
        units = rng.poisson(demand(kind, 20, rng))
        table = judged(lines_of(units, course(prices, 20, rng), rng, shuffled=prices == "shuffled"))
        proven, rows = proven + int(table["proven"].sum()), rows + len(table)
    assert rows > 25
    assert proven <= 0.05 * rows


def test_drifts_that_go_together_widen_the_errors() -> None:
    rng = np.random.default_rng(5)
    table = judged(lines_of(rng.poisson(demand("wandering", 30, rng) * 3), course("wandering", 30, rng), rng))
    assert table["widening"].max() > 1.2
    assert (table["widening"] >= 1.0).all()


@pytest.mark.parametrize("prices", ["steps", "promotions", "wandering"])
def test_an_answer_to_price_is_found_and_measured(prices: str) -> None:
    rng = np.random.default_rng([7, PRICES.index(prices)])
    true = -rng.uniform(0.5, 3.5, 40)
    price = np.round(10 * course(prices, 40, rng), 2) / 10
    units = rng.poisson(np.exp(rng.normal(3.0, 0.5, 40)) * price**true)
    table = judged(lines_of(units, price, rng))
    true = true[[int(sku[1:]) - 100 for sku in table.index]]
    inside = np.abs(table["shrunken"] - true) < 1.96 * table["shrunken_error"]
    assert table["proven"].mean() >= 0.6
    assert inside.mean() >= 0.85
    assert (true[table["proven"]] < 0).all()


def test_bulk_rebates_are_no_answer_to_price() -> None:
    """Half of the lines are of ten units at 20 % less; the price list itself moves a little, and nobody minds."""
    rng = np.random.default_rng(11)
    lines = lines_of(rng.poisson(demand("poisson", 30, rng) * 2), course("steps", 30, rng), rng)
    bulk = rng.random(len(lines)) < 0.3
    lines["quantity"] = np.where(bulk, 10.0, 1.0)
    lines["price"] = np.round(lines["price"] * np.where(bulk, 0.8, 1.0), 2)
    assert judged(lines)["proven"].sum() <= 1


def test_random_touches_stop_no_channel() -> None:
    from review import channels, report

    acts = rows = 0
    for seed in range(15):
        rng = np.random.default_rng(seed)
        count = 1 + rng.poisson(1.5, 1500)
        user = np.repeat(np.arange(1500), count)
        conversion = np.zeros(user.size)
        # Longer paths convert more often; which channels are on them does not matter.
        conversion[np.cumsum(count) - 1] = rng.random(1500) < 0.04 * (1 + 0.5 * count)
        touches = pd.DataFrame(
            {
                "user": user.astype(str),
                "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(user.size), unit="h"),
                "channel": rng.choice(list("abcdef"), user.size, p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05]),
                "conversion": conversion,
            }
        )
        spend = pd.DataFrame({"channel": list("abcdef"), "spend": np.exp(rng.normal(6, 2, 6))})
        answer: report.Review = empty_review(touches=touches, spend=spend)
        channels.analyse(answer, lambda _: None)
        table = answer.ranked()
        acts, rows = acts + int((table["action"] != "keep").sum()), rows + len(table)
    assert rows == 90
    assert acts <= 0.05 * rows


@pytest.mark.parametrize("arms", [2, 3, 4])
def test_equal_arms_are_left_alone(arms: int) -> None:
    from review import trial

    acts = rows = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, arms])
        bought = rng.random(2000) < 0.08
        units = pd.DataFrame(
            {
                "unit": np.arange(2000),
                "arm": rng.choice(["control", "b", "c", "d"][:arms], 2000),
                "converted": bought.astype(float),
                "spend": np.where(bought, rng.lognormal(3, 1.2, 2000), 0.0),
                "margin": np.where(bought, rng.lognormal(2, 1.5, 2000), 0.0),
                "pages": rng.lognormal(1, 1.5, 2000),
            }
        )
        answer = empty_review(experiment=units)
        trial.analyse(answer, lambda _: None)
        table = answer.ranked()
        acts, rows = acts + int((table["action"] != "keep").sum()), rows + len(table)
    assert rows == 20 * 4 * (arms - 1)
    assert acts <= 0.05 * rows


def test_a_page_without_any_effect_says_so() -> None:
    from review import page, trial

    rng = np.random.default_rng(1)
    units = pd.DataFrame({"unit": range(400), "arm": ["control", "b"] * 200, "spend": rng.normal(5, 1, 400)})
    answer = empty_review(experiment=units)
    trial.analyse(answer, lambda _: None)
    assert answer.counts() == {"rows": 1, "act": 0, "effect_rows": 1, "effect_act": 0}
    assert "No effect of a price, a channel or a test is proven" in page.render(answer)
