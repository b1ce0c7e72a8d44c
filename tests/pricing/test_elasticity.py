"""Elasticities of many SKUs: each is what a root of its own score gives, in any unit, order and engine; or has a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.pricing import ConstantElasticityDemand, ElasticityFit, fit_elasticity

COLUMNS = {"sku": "sku", "price": "price", "units": "units"}
PER_SKU = (
    "elasticity", "standard_error", "lower", "upper", "shrunken", "shrunken_error", "scale", "degrees_of_freedom", "rows",
    "distinct_prices", "price_variation", "zero_share",
)  # fmt: skip


def shop(seed: int, skus: int = 4, weeks: int = 30, spread: float = 0.3) -> pd.DataFrame:
    """Over-dispersed weekly sales with a promotion flag; true elasticities lie round -2."""
    rng = np.random.default_rng(seed)
    name = np.repeat([f"s{place}" for place in range(skus)], weeks)
    price = rng.choice([8.0, 9.0, 9.5, 11.0, 12.0], name.size)
    promo = (rng.random(name.size) < 0.3).astype(float)
    truth = np.repeat(rng.normal(-2.0, 0.5, skus), weeks)
    mean = 20 * (price / 10) ** truth * np.exp(0.4 * promo) * rng.gamma(1 / spread, spread, name.size)
    return pd.DataFrame(
        {"sku": name, "price": price, "promo": promo, "units": rng.poisson(mean).astype(float), "true": truth}
    )


def fit(frame: Any, **keywords: Any) -> ElasticityFit:
    return fit_elasticity(frame, **{**COLUMNS, **keywords})


def longhand(rows: pd.DataFrame, controls: tuple[str, ...]) -> dict[str, float]:
    """Find the root of one SKU's score, HC3 by its formula, Student's interval, and sales at a price of 1."""
    units = rows["units"].to_numpy()
    design = np.column_stack([np.ones(len(rows)), np.log(rows["price"]), *(rows[name] for name in controls)])
    start = np.zeros(design.shape[1])
    start[0] = np.log(units.mean())
    beta = optimize.root(lambda b: design.T @ (np.exp(design @ b) - units), start, tol=1e-13).x
    mean = np.exp(design @ beta)
    bread = np.linalg.inv(design.T * mean @ design)
    leverage = mean * np.einsum("ij,jk,ik->i", design, bread, design)
    influence = bread @ (design * ((units - mean) / (1 - leverage))[:, None]).T
    error = np.sqrt((influence @ influence.T)[1, 1])
    low, high = stats.t.interval(0.9, len(rows) - design.shape[1], beta[1], error)
    level = beta[0] + sum(beta[2 + place] * rows[name].mean() for place, name in enumerate(controls))
    return {
        "elasticity": beta[1], "standard_error": error, "lower": low, "upper": high, "scale": np.exp(level),
        "degrees_of_freedom": len(rows) - design.shape[1], "rows": len(rows), "distinct_prices": rows["price"].nunique(),
        "price_variation": rows["price"].std(ddof=0) / rows["price"].mean(), "zero_share": (units == 0).mean(),
    }  # fmt: skip


@pytest.mark.parametrize("controls", [(), ("promo",), ("promo", "week")])
def test_each_sku_is_what_longhand_gives(controls: tuple[str, ...]) -> None:
    frame = shop(3).assign(week=lambda rows: np.arange(len(rows)) % 30)
    frame = pd.concat([frame, frame[frame["sku"] == "s1"].tail(9).assign(sku="a short one")])
    found = fit(frame, controls=controls, confidence=0.9)
    assert found.sku.tolist() == ["a short one", "s0", "s1", "s2", "s3"]
    assert found.confidence == 0.9
    assert found.feasible.all()
    for place, name in enumerate(found.sku):
        for key, value in longhand(frame[frame["sku"] == name], controls).items():
            assert getattr(found, key)[place] == pytest.approx(value, rel=1e-7), key


def test_the_shrunken_values_are_normal_empirical_bayes() -> None:
    found = fit(shop(5, skus=40))
    value, variance = found.elasticity, found.standard_error**2

    def excess(between: float) -> float:
        weight = 1 / (variance + between)
        return float((weight * np.square(value - np.average(value, weights=weight))).sum() - 39)

    between = optimize.brentq(excess, 1e-9, 10.0, xtol=1e-14)
    weight = 1 / (variance + between)
    mean = np.average(value, weights=weight)
    assert found.common_sd == pytest.approx(np.sqrt(between), rel=1e-6)
    assert found.common_mean == pytest.approx(mean, rel=1e-9)
    np.testing.assert_allclose(found.shrunken, (value * between + mean * variance) / (variance + between), rtol=1e-7)


def test_the_fitted_curve_sells_what_was_sold() -> None:
    frame = shop(8)
    found = fit(frame)
    for place, name in enumerate(found.sku):
        rows = frame[frame["sku"] == name]
        curve = ConstantElasticityDemand(scale=found.scale[place], elasticity=found.elasticity[place])
        assert curve.demand(rows["price"].to_numpy()).sum() == pytest.approx(rows["units"].sum())


@settings(max_examples=30)
@given(
    st.floats(-6.0, -0.1),
    st.floats(1.0, 1e6),
    st.floats(0.5, 50.0),
    st.lists(st.floats(1.02, 1.4), min_size=3, max_size=8),
)
def test_sales_on_a_curve_give_the_curve(elasticity: float, scale: float, least: float, steps: list[float]) -> None:
    prices = least * np.cumprod([1.0, *steps])
    curve = ConstantElasticityDemand(scale=scale, elasticity=elasticity)
    found = fit(pd.DataFrame({"sku": "a", "price": prices, "units": curve.demand(prices)}))
    assert found.elasticity[0] == pytest.approx(elasticity, abs=1e-6)
    assert found.scale[0] == pytest.approx(scale, rel=1e-4)
    assert found.lower[0] <= elasticity <= found.upper[0]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([0.01, 7.8, 100.0]), st.sampled_from([1 / 12, 1000.0]))
def test_cents_dozens_and_percents_do_not_matter(seed: int, money: float, pack: float) -> None:
    frame = shop(seed, weeks=40)
    other = frame.assign(price=money * frame["price"], units=pack * frame["units"], promo=1e-4 * frame["promo"] + 55.0)
    one, two = fit(frame, controls=("promo",)), fit(other, controls=("promo",))
    for name in PER_SKU:
        expected = getattr(one, name) * (pack * money**-one.elasticity if name == "scale" else 1.0)
        np.testing.assert_allclose(getattr(two, name), expected, rtol=1e-6, atol=1e-9, err_msg=name)
    assert two.reason.tolist() == one.reason.tolist()


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_does_not_matter_and_each_sku_is_its_own(seed: int) -> None:
    frame = shop(seed)
    one, two = fit(frame), fit(frame.sample(frac=1.0, random_state=seed))
    alone = fit(frame[frame["sku"] == "s2"])
    for name in PER_SKU:
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-7, atol=1e-9, err_msg=name)
        if not name.startswith("shrunken"):
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(one, name)[2], rtol=1e-8, err_msg=name)
    assert alone.shrunken[0] == pytest.approx(alone.elasticity[0], rel=1e-12)
    assert alone.shrunken_error[0] == pytest.approx(alone.standard_error[0])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.5, 0.9), st.floats(0.01, 0.09))
def test_more_confidence_needs_a_wider_interval(seed: int, confidence: float, more: float) -> None:
    frame = shop(seed, skus=2)
    one, two = fit(frame, confidence=confidence), fit(frame, confidence=confidence + more)
    assert (two.lower < one.lower).all()
    assert (two.upper > one.upper).all()
    np.testing.assert_array_equal(one.elasticity, two.elasticity)


@pytest.mark.parametrize(
    "engine",
    [pl.from_pandas, lambda rows: pl.from_pandas(rows).lazy(), pa.Table.from_pandas, duckdb.from_df],
    ids=["polars", "lazy", "pyarrow", "duckdb"],
)
def test_every_engine_gives_the_same(engine: Callable[[pd.DataFrame], Any]) -> None:
    frame = shop(2)[["sku", "price", "units", "promo"]]
    one, two = fit(frame, controls=("promo",)), fit(engine(frame), controls=("promo",))
    for name in PER_SKU:
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-9, err_msg=name)


def test_whole_numbers_name_skus_and_flags_are_controls() -> None:
    frame = shop(2).assign(
        flag=lambda rows: rows["promo"] > 0, number=lambda rows: 30 - rows["sku"].str[1:].astype(int)
    )
    one, two = fit(frame, controls=("promo",)), fit(frame, sku="number", controls=("flag",))
    assert two.sku.tolist() == [27, 28, 29, 30]
    np.testing.assert_allclose(two.elasticity[::-1], one.elasticity, rtol=1e-10)


# --- where there is no answer -----------------------------------------------------------------------------------------

FEW = "fewer than 3 distinct prices: try another price"
UNSOLD = "nothing was sold"
STUCK = "the regression did not settle: price and controls do not vary apart, or sales stop at some of their values"
WILD = "elasticity beyond 40: prices vary too little, or sales stop above some price"
FAR = "units at a price of 1 are too far from the data: give prices in another unit"
SHORT = "no more rows than coefficients"


@pytest.mark.parametrize(
    ("prices", "units", "reason"),
    [
        ([5, 5, 5, 5, 5], [3, 4, 2, 6, 3], FEW),
        ([5, 5, 6, 6, 6], [30, 40, 20, 26, 23], FEW),
        ([5, 6, 7, 8], [0, 0, 0, 0], UNSOLD),
        ([5], [3], FEW),
        ([5], [0], UNSOLD),
        ([1, 1, 2, 2, 4, 4], [5, 4, 0, 0, 0, 0], STUCK),
        ([1, 2, 2, 4, 4], [0, 0, 0, 5, 7], STUCK),
        ([10, 10.05, 10.1, 10.1], [1000, 300, 100, 90], WILD),
        ([1e20, 1.1e20, 1.2e20, 1.3e20], [1000, 149, 26, 5.3], FAR),
    ],
)
def test_what_cannot_be_told_has_a_reason_and_takes_the_common_mean(
    prices: list[float], units: list[float], reason: str
) -> None:
    odd = pd.DataFrame({"sku": "odd", "price": np.array(prices, float), "units": np.array(units, float)})
    found = fit(pd.concat([odd, shop(1)]))
    assert found.feasible.tolist() == [False, True, True, True, True]
    assert found.reason.tolist() == [reason, "", "", "", ""]
    for name in ("elasticity", "standard_error", "lower", "upper", "scale"):
        assert np.isnan(getattr(found, name)).tolist() == [True, False, False, False, False]
    assert found.shrunken[0] == found.common_mean
    # It may lie anywhere among the others, whose mean is itself an estimate.
    assert found.shrunken_error[0] > found.common_sd
    np.testing.assert_allclose(found.shrunken[1:], fit(shop(1)).shrunken, rtol=1e-9)
    alone = fit(odd)
    assert (alone.common_mean, alone.common_sd) == (None, None)
    assert np.isnan([alone.shrunken[0], alone.shrunken_error[0]]).all()


def test_as_many_coefficients_as_rows_leave_nothing_to_judge_by() -> None:
    rows = pd.DataFrame({"sku": "a", "price": [5.0, 6, 7, 9], "units": [9.0, 7, 8, 3], "x": [0.0, 1, 4, 2]})
    rows["y"] = rows["x"] ** 2
    assert fit(rows, controls=("x", "y")).reason.tolist() == [SHORT]
    found = fit(rows, controls=("x",))
    assert found.reason.tolist() == [""]
    # One degree of freedom: Student's quantile is 12.7.
    assert found.upper[0] - found.elasticity[0] == pytest.approx(stats.t.ppf(0.975, 1) * found.standard_error[0])


@pytest.mark.parametrize("control", ["constant", "twice the price"])
def test_a_control_that_says_nothing_new_is_named(control: str) -> None:
    frame = shop(4)
    frame["control"] = 3.3 if control == "constant" else 2.0 * np.log(frame["price"]) + 1.0
    assert fit(frame, controls=("control",)).reason.tolist() == [STUCK] * 4


def test_how_many_prices_are_enough_is_for_the_caller_to_say() -> None:
    rows = pd.DataFrame({"sku": "a", "price": [5.0, 5, 6, 6, 6], "units": [30.0, 40, 20, 26, 23]})
    two = fit(rows, least_prices=2)
    assert two.feasible[0]
    assert two.elasticity[0] == pytest.approx(np.log(23 / 35) / np.log(6 / 5))
    assert fit(shop(1), least_prices=6).reason.tolist() == ["fewer than 6 distinct prices: try another price"] * 4


def test_returns_booked_as_negative_sales_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        fit(pd.DataFrame({"sku": "a", "price": [5.0, 6, 7], "units": [3.0, -1, 2]}))
    assert str(caught.value) == "fit_elasticity: units must be >= 0, got -1.0 in row 1; drop or fix those rows"


@pytest.mark.parametrize(
    ("changes", "keywords", "text"),
    [
        ({"price": [5.0, 0, 7]}, {}, "price must be > 0, got 0.0 in row 1; drop or fix those rows"),
        ({"price": ["a", "b", "c"]}, {}, "price must be numbers, got text in column 'price'"),
        ({"price": [True, True, False]}, {}, "price must be numbers, got booleans in column 'price'"),
        ({"units": [True, True, False]}, {}, "units must be numbers, got booleans in column 'units'"),
        (
            {"season": ["a", "b", "c"]},
            {"controls": ("season",)},
            "controls[0] must be numbers, got text in column 'season'",
        ),
        ({"sku": [1.5, 2.5, 1.5]}, {}, "sku must be text or whole numbers, got numbers with decimals in column 'sku'"),
        ({"sku": [True, False, True]}, {}, "sku must be text or whole numbers, got booleans in column 'sku'"),
        ({}, {"least_prices": 0}, "least_prices must be >= 1, got 0"),
        ({}, {"confidence": 1.0}, "confidence must be < 1, got 1.0"),
    ],
)
def test_bad_columns_are_refused_in_one_line(changes: dict[str, Any], keywords: dict[str, Any], text: str) -> None:
    rows = pd.DataFrame({"sku": ["a", "a", "b"], "price": [5.0, 6, 7], "units": [3.0, 1, 2], **changes})
    with pytest.raises(InputError) as caught:
        fit(rows, **keywords)
    assert str(caught.value) == f"fit_elasticity: {text}"


def test_no_rows_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        fit(shop(1).head(0))
    assert str(caught.value) == "fit_elasticity: frame has no rows"
