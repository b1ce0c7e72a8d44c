"""The money of the decisions against shops whose truth is known: intervals hold it about as often as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from tests.examples.running import empty_review


def sales(units: Any, price: Any, rng: np.random.Generator) -> pd.DataFrame:
    """Return one line for each SKU and week with a sale, in the columns of a review."""
    week, sku = np.nonzero(units)
    day = pd.Timestamp("2025-01-06") + pd.to_timedelta(week * 7 + rng.integers(0, 7, week.size), unit="D")
    day = day.where(
        np.arange(week.size) < week.size - 1, pd.Timestamp("2025-01-06") + pd.Timedelta(days=7 * len(units) - 1)
    )
    return pd.DataFrame(
        {
            "order": np.arange(week.size).astype(str).astype(object),
            "sku": np.char.add("S", (100 + sku).astype(str)).astype(object),
            "customer": "",
            "quantity": units[week, sku].astype(float),
            "price": price[week, sku],
            "time": day,
            "day": day,
        }
    )


def covered(found: list[tuple[float, float, float]]) -> float:
    return float(np.mean([low <= true <= high for low, true, high in found]))


def test_gains_of_prices() -> None:
    from review import prices

    found = []
    for seed in range(3):
        rng = np.random.default_rng([seed, 1])
        elasticity, level, cost = -rng.uniform(0.5, 3.5, 40), np.exp(rng.normal(3.2, 0.5, 40)), rng.uniform(3, 7, 40)
        week = np.arange(52)[:, None]
        held = np.maximum.accumulate(np.where(rng.random((52, 40)) < 0.3, week, 0), axis=0)
        price = np.round(np.take_along_axis(10 * rng.choice([1, 1, 0.9, 0.8, 1.1], size=(52, 40)), held, axis=0), 2)
        units = rng.poisson(level * (price / 10) ** elasticity)
        names = [f"S{100 + i}" for i in range(40)]
        answer = empty_review(costs=pd.DataFrame({"sku": names, "cost": cost}))
        answer.data.lines = sales(units, price, rng)
        prices.analyse(answer, lambda _: None)
        for row in answer.ranked().to_dict("records"):
            if row["action"] == "keep":
                continue
            i = names.index(row["subject"])
            factor = 1.1 if row["action"].startswith("raise") else 0.9
            now, e, c = price[-1, i], elasticity[i], cost[i]
            rate = level[i] * (now / 10) ** e * 90 / 7
            found.append((row["lower"], rate * ((now * factor - c) * factor**e - (now - c)), row["upper"]))
    assert len(found) >= 40
    assert covered(found) >= 0.85
    assert np.mean([true > 0 for _, true, _ in found]) >= 0.95


@pytest.mark.parametrize("erratic", [False, True])
def test_gains_of_orders(erratic: bool) -> None:
    from review import stock

    found = []
    for seed in range(3):
        rng = np.random.default_rng([seed, 2])
        level = np.exp(rng.normal(1.8, 0.9, 60))

        def weeks(count: int, rng: np.random.Generator = rng, level: Any = level) -> Any:
            luck = rng.gamma(0.7, 1 / 0.7, (count, 60)) if erratic else np.ones((count, 60))
            return rng.poisson(level * luck)

        names = [f"S{100 + i}" for i in range(60)]
        on_hand = np.round(level * rng.uniform(0, 5, 60))
        answer = empty_review(
            costs=pd.DataFrame({"sku": names, "cost": 6.0}), stock=pd.DataFrame({"sku": names, "on_hand": on_hand})
        )
        answer.data.lines = sales(weeks(40), np.full((40, 60), 10.0), rng)
        stock.analyse(answer, lambda _: None)
        # Two weeks of lead time and one of review, three weeks in all; a unit brings 4 and costs 6 at 25 % a year.
        need = weeks(3000) + weeks(3000) + weeks(3000)
        for row in answer.ranked().to_dict("records"):
            if row["action"] == "keep":
                continue
            i, order = names.index(row["subject"]), float(row["action"].split()[1].replace(",", ""))
            short = np.maximum(need[:, i] - on_hand[i], 0) - np.maximum(need[:, i] - on_hand[i] - order, 0)
            found.append((row["lower"], 4 * short.mean() - order * 6 * 0.25 * 3 / 52, row["upper"]))
    assert len(found) >= 100
    assert covered(found) >= 0.9
    assert np.mean([true > 0 for _, true, _ in found]) >= 0.98


def test_gains_of_channels() -> None:
    from ecomops.attribution import simulate_touches
    from review import channels

    effect, names = np.array([1.0, 0.8, 0.0, 0.8, 0.4]), list("abcde")
    found, stopped = [], []
    for seed in range(6):
        log = simulate_touches(
            names, users=6000, effect=effect, base=-3.0, mean_touches=2.5, rng=np.random.default_rng(seed)
        )
        converted = np.asarray(log.conversion) > 0
        time = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.asarray(log.day), unit="D")
        touches = pd.DataFrame(
            {"user": log.user, "time": time, "channel": log.channel, "conversion": converted.astype(float)}
        )
        touches["value"] = np.where(converted, 60.0, 0.0)
        met = pd.crosstab(touches["user"], touches["channel"]).to_numpy() > 0
        spend = pd.DataFrame({"channel": names, "spend": [3000.0, 450.0, 1250.0, 7000.0, 1000.0]})
        answer = empty_review(touches=touches, spend=spend)
        channels.analyse(answer, lambda _: None)
        scale = 90.0 / ((time.max() - time.min()).total_seconds() / 86400)
        chance = 1 / (1 + np.exp(3 - met @ effect))
        for row in answer.ranked().to_dict("records"):
            k = names.index(row["subject"])
            without = 1 / (1 + np.exp(3 - np.where(np.arange(5) == k, 0, met) @ effect))
            true = (spend["spend"][k] - 0.3 * 60 * (chance - without).sum()) * scale
            found.append((row["lower"], true, row["upper"]))
            stopped += [row["subject"]] if row["action"] != "keep" else []
    assert len(found) == 30
    assert covered(found) >= 0.85
    assert stopped.count("d") >= 5
    assert set(stopped) <= {"c", "d"}


def test_gains_of_tests() -> None:
    from review import trial

    found = []
    for seed in range(25):
        rng = np.random.default_rng([seed, 3])
        arm = rng.choice(["control", "b"], 3000)
        spend = np.where(rng.random(3000) < 0.2, rng.lognormal(3, 0.8, 3000), 0.0) + np.where(arm == "b", 0.8, 0.0)
        answer = empty_review(experiment=pd.DataFrame({"unit": range(3000), "arm": arm, "margin": spend}))
        trial.analyse(answer, lambda _: None)
        row = answer.ranked().iloc[0]
        assert row["action"] in {"ship", "keep"}
        found.append((row["lower"], 0.8 * 3000, row["upper"]))
    assert covered(found) >= 0.85
