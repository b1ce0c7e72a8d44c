"""Demand curves: the elasticity is the slope in logs, the inverse undoes demand, and draws are Poisson round the curve."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mp, mpf
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.pricing import ConstantElasticityDemand, LinearDemand, arc_elasticity, simulate_sales

prices = st.floats(0.01, 1e4)
quantities = st.floats(0.01, 1e6)
elasticities = st.floats(-8.0, -0.05)
scales = st.floats(1e-3, 1e9)
parts = st.floats(0.01, 0.99)


@given(scales, elasticities, prices)
def test_constant_elasticity_demand_to_thirty_digits(scale: float, elasticity: float, price: float) -> None:
    with mp.workdps(30):
        exact = float(mpf(scale) * mpf(price) ** mpf(elasticity))
    assert ConstantElasticityDemand(scale=scale, elasticity=elasticity).demand(price) == pytest.approx(exact, rel=1e-13)


@given(quantities, prices, parts)
def test_linear_demand_falls_in_proportion_to_nothing_at_the_choke_price(
    intercept: float, choke: float, part: float
) -> None:
    curve = LinearDemand(intercept=intercept, slope=intercept / choke)
    assert curve.choke_price == pytest.approx(choke)
    assert curve.demand(part * choke) == pytest.approx((1.0 - part) * intercept)
    assert curve.demand(1.0001 * choke) == 0.0
    assert curve.demand([2 * choke, 50 * choke]).tolist() == [0.0, 0.0]


@given(scales, elasticities, prices)
def test_the_elasticity_is_the_slope_of_demand_in_logs(scale: float, elasticity: float, price: float) -> None:
    curve = ConstantElasticityDemand(scale=scale, elasticity=elasticity)
    step = 1e-4
    slope = np.log(curve.demand(price * np.exp(step)) / curve.demand(price * np.exp(-step))) / (2 * step)
    assert curve.elasticity_at(price) == pytest.approx(slope, rel=1e-7)


@given(quantities, prices, parts)
def test_the_linear_elasticity_is_the_slope_in_logs(intercept: float, choke: float, part: float) -> None:
    curve, price = LinearDemand(intercept=intercept, slope=intercept / choke), part * choke
    step = 1e-5 * (1.0 - part)
    slope = np.log(curve.demand(price * np.exp(step)) / curve.demand(price * np.exp(-step))) / (2 * step)
    assert curve.elasticity_at(price) == pytest.approx(slope, rel=1e-5)
    assert curve.elasticity_at(price) == pytest.approx(-part / (1.0 - part))


@given(quantities, prices, elasticities, parts)
def test_the_inverse_undoes_demand(intercept: float, choke: float, elasticity: float, part: float) -> None:
    linear = LinearDemand(intercept=intercept, slope=intercept / choke)
    constant = ConstantElasticityDemand(scale=intercept, elasticity=elasticity)
    assert linear.inverse(linear.demand(part * choke)) == pytest.approx(part * choke)
    assert constant.inverse(constant.demand(choke)) == pytest.approx(choke)
    assert linear.inverse(intercept) == 0.0


@given(quantities, prices, elasticities, st.floats(1.0001, 10))
def test_a_higher_price_sells_no_more(intercept: float, price: float, elasticity: float, factor: float) -> None:
    for curve in (
        LinearDemand(intercept=intercept, slope=intercept / 100.0),
        ConstantElasticityDemand(scale=intercept, elasticity=elasticity),
    ):
        assert curve.demand(price * factor) <= curve.demand(price)
    assert ConstantElasticityDemand(scale=1, elasticity=elasticity).demand(price * factor) < price**elasticity


@given(scales, elasticities, quantities, prices)
def test_cents_and_euros_give_the_same_demand(scale: float, elasticity: float, intercept: float, price: float) -> None:
    euros = ConstantElasticityDemand(scale=scale, elasticity=elasticity)
    cents = ConstantElasticityDemand(scale=scale * 100**-elasticity, elasticity=elasticity)
    assert cents.demand(100 * price) == pytest.approx(euros.demand(price))
    line, minor = LinearDemand(intercept=intercept, slope=3.0), LinearDemand(intercept=intercept, slope=0.03)
    assert minor.demand(100 * price) == pytest.approx(line.demand(price), abs=1e-9 * intercept)


def test_answers_have_the_shape_that_curve_and_price_broadcast_to() -> None:
    many = ConstantElasticityDemand(scale=[10.0, 20.0], elasticity=-2.0)
    assert many.elasticity_at(3.0).tolist() == [-2.0, -2.0]
    assert many.demand([[1.0], [2.0], [4.0]]).shape == (3, 2)
    assert many.elasticity_at([[1.0], [2.0], [4.0]]).shape == (3, 2)
    assert isinstance(ConstantElasticityDemand(scale=10, elasticity=-2).elasticity_at(3), float)
    assert LinearDemand(intercept=[100, 200], slope=2).inverse([40, 40]).tolist() == [30.0, 80.0]
    assert LinearDemand(intercept=[], slope=2).demand(3).size == 0


def test_labels_of_a_batch_of_curves_stay() -> None:
    curve = LinearDemand(intercept=pd.Series([100.0, 200.0], index=["a", "b"]), slope=2)
    assert curve.to_frame().index.tolist() == ["a", "b"]


def test_no_elasticity_where_nothing_is_demanded() -> None:
    curve = LinearDemand(intercept=100, slope=2)
    for price in (50, [10, 60]):
        with pytest.raises(InputError) as caught:
            curve.elasticity_at(price)
        assert str(caught.value) == (
            "Curve.elasticity_at: price must be below the choke price intercept / slope: there is no demand above it"
        )


def test_no_price_sells_more_than_the_intercept() -> None:
    with pytest.raises(InputError) as caught:
        LinearDemand(intercept=100, slope=2).inverse([40, 101])
    assert str(caught.value) == (
        "Curve.inverse: quantity must be at most the intercept: not even a price of 0 sells more"
    )


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda: ConstantElasticityDemand(scale=1, elasticity=0),
            "ConstantElasticityDemand: elasticity must be < 0, got 0.0",
        ),
        (lambda: LinearDemand(intercept=1, slope=-2), "LinearDemand: slope must be > 0, got -2.0"),
        (
            lambda: LinearDemand(intercept=1, slope=2).demand([1, 0]),
            "Curve.demand: price must be > 0, got 0.0 at index 1",
        ),
    ],
)
def test_what_is_no_demand_curve_is_refused(build: Callable[[], object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value) == text


# --- arc elasticity ---------------------------------------------------------------------------------------------------


@given(prices, prices, quantities, quantities)
def test_arc_elasticity_is_the_same_there_and_back_and_in_any_unit(
    before: float, after: float, sold: float, then: float
) -> None:
    assume(abs(before / after - 1) > 1e-6)
    there = arc_elasticity(before, price_after=after, quantity_before=sold, quantity_after=then)
    back = arc_elasticity(after, price_after=before, quantity_before=then, quantity_after=sold)
    cents = arc_elasticity(100 * before, price_after=100 * after, quantity_before=12 * sold, quantity_after=12 * then)
    assert back == pytest.approx(there, rel=1e-9, abs=1e-12)
    assert cents == pytest.approx(there, rel=1e-7, abs=1e-9)


@given(elasticities, prices)
def test_a_small_arc_is_the_elasticity_of_the_curve(elasticity: float, price: float) -> None:
    curve = ConstantElasticityDemand(scale=50, elasticity=elasticity)
    found = arc_elasticity(
        price,
        price_after=1.0001 * price,
        quantity_before=curve.demand(price),
        quantity_after=curve.demand(1.0001 * price),
    )
    assert found == pytest.approx(elasticity, rel=1e-6)


@given(prices, st.floats(1.01, 10), quantities)
def test_constant_revenue_is_an_elasticity_of_minus_one(price: float, factor: float, quantity: float) -> None:
    found = arc_elasticity(
        price, price_after=factor * price, quantity_before=quantity, quantity_after=quantity / factor
    )
    assert found == pytest.approx(-1.0)


def test_an_arc_needs_a_change_of_price() -> None:
    with pytest.raises(InputError) as caught:
        arc_elasticity([4, 5], price_after=[6, 5], quantity_before=3, quantity_after=2)
    assert str(caught.value) == (
        "arc_elasticity: price_after must differ from price_before; an elasticity needs a change of price"
    )


# --- simulated sales --------------------------------------------------------------------------------------------------


def test_draws_are_poisson_round_the_curve() -> None:
    curve = LinearDemand(intercept=10, slope=1)
    draws = simulate_sales(curve, price=[2.0, 7.0, 12.0], periods=20_000, rng=5)
    assert draws.shape == (20_000, 3)
    for column, mean in ((0, 8.0), (1, 3.0)):
        top = int(stats.poisson.ppf(0.999, mean))
        seen = np.bincount(np.minimum(draws[:, column], top).astype(int), minlength=top + 1)
        expected = stats.poisson.pmf(np.arange(top + 1), mean)
        expected[top] += stats.poisson.sf(top, mean)
        assert stats.chisquare(seen, 20_000 * expected).pvalue > 1e-4
    assert draws[:, 2].max() == 0.0


def test_one_price_gives_one_series_and_a_seed_fixes_it() -> None:
    curve = ConstantElasticityDemand(scale=[100.0, 400.0], elasticity=-1.5)
    assert simulate_sales(LinearDemand(intercept=9, slope=1), price=4, periods=7, rng=1).shape == (7,)
    assert simulate_sales(curve, price=4, rng=1).shape == (1, 2)
    one, two = (simulate_sales(curve, price=4, periods=3, rng=8) for _ in range(2))
    assert one.tolist() == two.tolist()
    assert one.tolist() != simulate_sales(curve, price=4, periods=3, rng=9).tolist()


def test_no_prices_give_no_draws() -> None:
    assert simulate_sales(LinearDemand(intercept=9, slope=1), price=[], periods=2, rng=1).shape == (2, 0)


def test_demand_too_large_to_draw_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        simulate_sales(ConstantElasticityDemand(scale=1e16, elasticity=-1), price=[1.0, 1e6], rng=1)
    assert str(caught.value) == (
        "simulate_sales: demand must be at most 1e15 units to be drawn, got 1e+16; check scale and price"
    )
