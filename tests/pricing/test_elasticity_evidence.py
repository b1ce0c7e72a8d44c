"""Elasticities against the truth: simulated shops whose elasticity is known, and weeks that the fit has not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecomops.pricing import ElasticityFit, fit_elasticity

COLUMNS = {"sku": "sku", "price": "price", "units": "units"}
PRICES = np.array([7.0, 8.0, 9.0, 10.0, 11.0, 12.0])


def shop(
    rng: np.random.Generator, truth: Any, *, weeks: int, units: float, spread: float, seasonal: float = 0.0
) -> pd.DataFrame:
    """Sales with gamma noise of squared coefficient of variation ``spread``; the season also moves the price."""
    skus = len(truth)
    season = np.tile(np.sin(np.arange(weeks) / 4.0), skus)
    place = np.clip(rng.integers(0, 6, season.size) + np.round(2 * seasonal * season), 0, 5).astype(int)
    mean = units * (PRICES[place] / 10) ** np.repeat(truth, weeks) * np.exp(seasonal * season)
    noise = rng.gamma(1 / spread, spread, season.size) if spread else 1.0
    return pd.DataFrame(
        {
            "sku": np.repeat(np.arange(skus), weeks),
            "price": PRICES[place],
            "season": season,
            "units": rng.poisson(mean * noise),
        }
    )


@pytest.mark.parametrize("mean", [0.5, 2.0])
def test_zeros_do_not_bias_the_elasticity_as_they_bias_logs(mean: float) -> None:
    # True -2 at few units: ours, and the two habits of the field, which lose a quarter of it and more.
    rng = np.random.default_rng(0)
    log_price = rng.normal(0.0, 0.3, 20_000)
    units = rng.poisson(mean * np.exp(-2 * log_price - 2 * 0.3**2)).astype(float)
    rows = pd.DataFrame({"sku": "a", "price": np.exp(log_price), "units": units})
    found = fit_elasticity(rows, **COLUMNS)
    assert found.elasticity[0] == pytest.approx(-2.0, abs=4 * found.standard_error[0])
    assert found.standard_error[0] < 0.04
    some = units > 0
    assert np.polyfit(log_price, np.log1p(units), 1)[0] > -1.5
    assert np.polyfit(log_price[some], np.log(units[some]), 1)[0] > -1.6


@pytest.mark.parametrize(
    ("weeks", "units", "spread", "seasonal", "confidence"),
    [(60, 20.0, 0.3, 0.0, 0.95), (60, 2.0, 0.3, 0.5, 0.8), (25, 100.0, 0.3, 0.0, 0.95), (52, 30.0, 0.0, 0.5, 0.95)],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(
    weeks: int, units: float, spread: float, seasonal: float, confidence: float
) -> None:
    rng = np.random.default_rng(11)
    truth = rng.normal(-2.0, 0.7, 1500)
    rows = shop(rng, truth, weeks=weeks, units=units, spread=spread, seasonal=seasonal)
    controls = ("season",) if seasonal else ()
    found = fit_elasticity(rows, **COLUMNS, controls=controls, confidence=confidence)
    assert found.feasible.all()
    covered = ((found.lower <= truth) & (truth <= found.upper)).mean()
    # Three standard errors of a share of 1500 draws, and a point for heavy tails.
    assert abs(covered - confidence) < 3 * np.sqrt(confidence * (1 - confidence) / 1500) + 0.01
    bias = (found.elasticity - truth).mean() / (found.elasticity - truth).std()
    assert abs(bias) < 0.1


def test_a_season_that_moves_price_and_sales_misleads_unless_it_is_held_fixed() -> None:
    rows = shop(np.random.default_rng(2), np.full(300, -2.0), weeks=100, units=50, spread=0.1, seasonal=0.8)
    naive, fixed = (fit_elasticity(rows, **COLUMNS, controls=controls) for controls in ((), ("season",)))
    assert fixed.elasticity.mean() == pytest.approx(-2.0, abs=0.03)
    assert naive.elasticity.mean() > -1.0


@pytest.mark.parametrize(
    ("weeks", "units", "spread"), [(8, 5.0, 0.0), (15, 3.0, 0.3), (30, 20.0, 0.5), (100, 100.0, 0.3)]
)
def test_shrunken_elasticities_miss_by_less(weeks: int, units: float, spread: float) -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(-2.0, 0.5, 800)
    found = fit_elasticity(shop(rng, truth, weeks=weeks, units=units, spread=spread), **COLUMNS)
    told = found.feasible
    raw = np.square(found.elasticity - truth)[told].mean()
    assert np.square(found.shrunken - truth)[told].mean() < 0.9 * raw
    assert found.common_mean == pytest.approx(-2.0, abs=0.25)


# --- no false precision -----------------------------------------------------------------------------------------------


def test_where_price_does_nothing_few_intervals_say_otherwise() -> None:
    rng = np.random.default_rng(3)
    found = fit_elasticity(shop(rng, np.zeros(1500), weeks=40, units=20.0, spread=0.4), **COLUMNS)
    wrong = ((found.lower > 0) | (found.upper < 0)).mean()
    assert 0.03 < wrong < 0.075
    # All together show that there is nothing: neither a common elasticity nor SKUs that have one.
    assert abs(found.common_mean) < 0.08
    assert found.common_sd < found.elasticity.std() / 3
    assert found.shrunken.std() < found.elasticity.std() / 6


def test_few_units_give_wide_intervals_never_points() -> None:
    # Two units a week over four weeks: chance lays many SKUs on a curve exactly, and none is known.
    rng = np.random.default_rng(4)
    truth = np.full(3000, -1.0)
    found = fit_elasticity(shop(rng, truth, weeks=4, units=2.0, spread=0.0), **COLUMNS)
    told = found.feasible
    assert told.sum() > 1000
    assert (found.upper - found.lower)[told].min() > 0.1
    assert ((found.lower <= -1) & (found.upper >= -1))[told].mean() > 0.95


def test_a_price_that_never_moves_tells_nothing_and_is_as_uncertain_as_a_new_sku() -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(-2.0, 0.6, 600)
    rows = shop(rng, truth, weeks=50, units=50.0, spread=0.2)
    still = rows["sku"] % 3 == 0
    rows.loc[still, "price"] = 9.0
    two = rows["sku"] % 3 == 1
    rows.loc[two, "price"] = np.where(rows.loc[two, "price"] > 9, 9.0, 8.0)
    found = fit_elasticity(rows, **COLUMNS)
    assert found.feasible.tolist() == [place % 3 == 2 for place in range(600)]
    assert set(found.reason[~found.feasible]) == {"fewer than 3 distinct prices: try another price"}
    guess = found.shrunken[~found.feasible]
    assert (guess == found.common_mean).all()
    inside = np.abs(guess - truth[~found.feasible]) < 1.96 * found.shrunken_error[~found.feasible]
    assert inside.mean() == pytest.approx(0.95, abs=0.035)


# --- real sales -------------------------------------------------------------------------------------------------------


def deviance(mean: Any, units: Any) -> float:
    return float(
        2 * (np.where(units > 0, units * np.log(np.where(units > 0, units, 1) / mean), 0.0) - units + mean).sum()
    )


def held_out(rows: pd.DataFrame, unseen: Any) -> tuple[ElasticityFit, float, float]:
    """Fit on the seen weeks; return the loss on the unseen ones, over that of each SKU's mean: raw and shrunken."""
    seen, later = rows[~unseen], rows[unseen]
    mean = seen.groupby("sku")["units"].mean()
    later = later[later["sku"].isin(mean.index[mean > 0])]
    found = fit_elasticity(seen, **COLUMNS)
    flat = later["sku"].map(mean).to_numpy()
    ratios = []
    for values in (found.elasticity, found.shrunken):
        slope = pd.Series(np.where(np.isnan(values), 0.0, values), index=found.sku)
        moved = seen["price"] ** seen["sku"].map(slope)
        level = mean / moved.groupby(seen["sku"]).mean()
        expected = later["sku"].map(level) * later["price"] ** later["sku"].map(slope)
        ratios.append(
            deviance(expected.to_numpy(), later["units"].to_numpy()) / deviance(flat, later["units"].to_numpy())
        )
    return found, ratios[0], ratios[1]


def juice(path: Path) -> pd.DataFrame:
    rows = pd.read_csv(path)
    prices = rows[[f"price{brand}" for brand in range(1, 12)]].to_numpy()
    return pd.DataFrame(
        {
            "sku": rows["store"].astype(str) + "/" + rows["brand"].astype(str),
            "price": prices[np.arange(len(rows)), rows["brand"] - 1],
            "units": np.exp(rows["logmove"]) / 64,
            "week": rows["week"],
            "deal": rows["deal"],
            "feat": rows["feat"],
        }
    )


def test_orange_juice_of_later_weeks_sells_as_its_price_says(shared_data: Callable[[str], Path]) -> None:
    rows = juice(shared_data("oj_dominicks/oj_sales.csv.gz"))
    found, raw, shrunken = held_out(rows, rows["week"] > 124)
    assert found.sku.size == 83 * 11
    assert found.feasible.all()
    assert (found.elasticity < 0).mean() > 0.99
    assert raw < 0.7
    assert shrunken < raw
    # Montgomery (1997) and all who used these data since find elasticities between -1 and -4, promotions included.
    assert -4 < found.common_mean < -1
    promoted = fit_elasticity(rows, **COLUMNS, controls=("deal", "feat"))
    assert promoted.common_mean > found.common_mean
    assert (promoted.upper < 0).mean() > 0.9


def test_avocados_of_every_other_week_sell_as_their_price_says(shared_data: Callable[[str], Path]) -> None:
    data = pd.read_csv(shared_data("avocado/avocado.csv.gz"), parse_dates=["Date"])
    rows = pd.DataFrame(
        {
            "sku": data["region"] + "/" + data["type"],
            "price": data["AveragePrice"],
            "units": data["Total Volume"],
            "week": (data["Date"] - data["Date"].min()).dt.days // 7,
        }
    )
    # Every other week: over the years demand drifts more than any price explains.
    found, raw, shrunken = held_out(rows, rows["week"] % 2 == 1)
    assert found.feasible.all()
    assert (found.elasticity < 0).mean() > 0.9
    assert max(raw, shrunken) < 0.75


@pytest.mark.parametrize("odd", [0, 1])
def test_a_small_shop_sells_as_its_shrunken_elasticities_say(odd: int, shared_data: Callable[[str], Path]) -> None:
    data = pd.read_csv(shared_data("retail_price/retail_price.csv"))
    rows = pd.DataFrame(
        {
            "sku": data["product_id"],
            "price": data["unit_price"],
            "units": data["qty"].astype(float),
            "month": 12 * data["year"] + data["month"],
        }
    )
    found, raw, shrunken = held_out(rows, rows["month"] % 2 == odd)
    assert 0.6 < found.feasible.mean() < 0.9
    assert set(found.reason) <= {"", "fewer than 3 distinct prices: try another price"}
    assert (found.elasticity[found.feasible] < 0).mean() > 0.6
    # A handful of months a product: raw estimates may be absurd, shrunken ones still beat a constant.
    assert shrunken < 0.95
    assert shrunken < raw
