"""The best price: the top of the profit that a search finds, and a reason where there is no top."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from ecomops.core import InputError
from ecomops.pricing import ConstantElasticityDemand, LinearDemand, optimal_price, price_profit

FOREVER = "elasticity is -1 or nearer to 0: profit rises with the price without end"
FREE = "cost is 0: profit rises as the price falls to 0"
TOO_DEAR = "cost is at or above the choke price: no price sells at a profit"
UNSOLD = "price is at or above the choke price: nothing is sold"
NUMBERS = ("price", "quantity", "revenue", "profit", "margin", "elasticity")

scales = st.floats(1e-2, 1e7)
elastic = st.floats(-12.0, -1.05)
costs = st.floats(0.01, 1e4)
chokes = st.floats(0.1, 1e4)
parts = st.floats(0.0, 0.99)


@given(scales, elastic, costs)
def test_a_search_over_prices_finds_the_same_top_of_constant_elasticity(
    scale: float, elasticity: float, cost: float
) -> None:
    def loss(log_price: float) -> float:
        price = math.exp(log_price)
        return -(price / cost - 1.0) * (price / cost) ** elasticity

    top = math.log(cost / (1.0 + 1.0 / elasticity))
    found = optimize.minimize_scalar(
        loss, bounds=(math.log(cost), top + 3.0), method="bounded", options={"xatol": 1e-9}
    )
    best = optimal_price(ConstantElasticityDemand(scale=scale, elasticity=elasticity), cost=cost)
    assert best.price == pytest.approx(math.exp(found.x), rel=1e-5)
    assert best.profit >= -found.fun * scale * cost ** (1.0 + elasticity) * (1.0 - 1e-9)


@given(scales, chokes, parts)
def test_a_search_over_prices_finds_the_same_top_of_a_line(intercept: float, choke: float, part: float) -> None:
    slope, cost = intercept / choke, part * choke
    found = optimize.minimize_scalar(
        lambda price: -(price - cost) * (intercept - slope * price) / intercept, bracket=(cost, choke)
    )
    best = optimal_price(LinearDemand(intercept=intercept, slope=slope), cost=cost)
    assert best.price == pytest.approx(found.x, rel=1e-6)
    assert best.profit == pytest.approx(-found.fun * intercept, rel=1e-9)


@given(scales, elastic, chokes, costs, st.floats(0.3, 3.0))
def test_no_other_price_earns_more(scale: float, elasticity: float, choke: float, cost: float, factor: float) -> None:
    for curve in (
        ConstantElasticityDemand(scale=scale, elasticity=elasticity),
        LinearDemand(intercept=scale, slope=scale / (choke + 1.01 * cost)),
    ):
        best = optimal_price(curve, cost=cost)
        other = price_profit(best.price * factor, demand=curve, cost=cost)
        assert not other.feasible or other.profit <= best.profit * (1 + 1e-12)


@given(scales, elastic, chokes, costs, parts)
def test_the_margin_at_the_top_is_the_inverse_of_the_elasticity(
    scale: float, elasticity: float, choke: float, cost: float, part: float
) -> None:
    # Lerner's rule holds on every curve.
    for curve, unit_cost in (
        (ConstantElasticityDemand(scale=scale, elasticity=elasticity), cost),
        (LinearDemand(intercept=scale, slope=scale / choke), part * choke),
    ):
        best = optimal_price(curve, cost=unit_cost)
        assert best.margin == pytest.approx(-1.0 / best.elasticity, rel=1e-9)
        assert best.elasticity == pytest.approx(curve.elasticity_at(best.price), rel=1e-9)


@given(scales, elastic, chokes, costs)
def test_a_dearer_unit_is_sold_dearer_and_earns_less(
    scale: float, elasticity: float, choke: float, cost: float
) -> None:
    for curve in (
        ConstantElasticityDemand(scale=scale, elasticity=elasticity),
        LinearDemand(intercept=scale, slope=scale / (choke + 3.0 * cost)),
    ):
        best = optimal_price(curve, cost=[cost, 1.5 * cost, 2.0 * cost])
        assert (np.diff(best.price) > 0).all()
        assert (np.diff(best.profit) < 0).all()
        assert (np.diff(best.quantity) < 0).all()


@given(scales, elastic, costs)
def test_cents_and_euros_and_twice_the_shoppers_give_the_same_price(
    scale: float, elasticity: float, cost: float
) -> None:
    euros = optimal_price(ConstantElasticityDemand(scale=scale, elasticity=elasticity), cost=cost)
    cents = optimal_price(
        ConstantElasticityDemand(scale=scale * 100**-elasticity, elasticity=elasticity), cost=100 * cost
    )
    twice = optimal_price(ConstantElasticityDemand(scale=2 * scale, elasticity=elasticity), cost=cost)
    assert cents.price == pytest.approx(100 * euros.price)
    assert cents.profit == pytest.approx(100 * euros.profit)
    assert cents.margin == pytest.approx(euros.margin)
    assert twice.price == euros.price
    assert twice.profit == pytest.approx(2 * euros.profit)


@given(st.lists(st.tuples(scales, st.floats(-5.0, -0.1), st.just(0.0) | costs), min_size=1, max_size=5))
def test_a_row_of_a_batch_is_its_own_answer(rows: list[tuple[float, float, float]]) -> None:
    scale, elasticity, cost = (list(column) for column in zip(*rows, strict=True))
    together = optimal_price(ConstantElasticityDemand(scale=scale, elasticity=elasticity), cost=cost)
    for place, (one, two, three) in enumerate(rows):
        alone = optimal_price(ConstantElasticityDemand(scale=one, elasticity=two), cost=three)
        assert together.reason[place] == alone.reason
        assert together.feasible[place] == alone.feasible
        for name in NUMBERS:
            np.testing.assert_allclose(getattr(together, name)[place], getattr(alone, name), rtol=1e-13)


@given(scales, st.floats(-1.0, -0.01), costs, st.floats(1.01, 100))
def test_inelastic_demand_has_no_best_price(scale: float, elasticity: float, cost: float, factor: float) -> None:
    curve = ConstantElasticityDemand(scale=scale, elasticity=elasticity)
    best = optimal_price(curve, cost=cost)
    assert (best.feasible, best.reason) == (False, FOREVER)
    assert all(math.isnan(getattr(best, name)) for name in NUMBERS)
    # The reason is true: a higher price earns more, wherever one starts.
    low, high = price_profit([2 * cost, 2 * cost * factor], demand=curve, cost=cost).profit
    assert high > low


def test_every_way_to_have_no_best_price_has_its_reason() -> None:
    curve = ConstantElasticityDemand(scale=10, elasticity=[-2, -2, -1, -0.5, -50])
    best = optimal_price(curve, cost=[3, 0, 0, 3, 1e10])
    assert best.feasible.tolist() == [True, False, False, False, False]
    assert best.reason.tolist() == ["", FREE, FOREVER, FOREVER, "no measurable demand is left at the best price"]
    assert best.price[0] == 6.0
    assert all(np.isnan(getattr(best, name)[1:]).all() for name in NUMBERS)
    line = optimal_price(LinearDemand(intercept=100, slope=2), cost=[49.9, np.nextafter(50, 0), 50, 1e9])
    assert line.feasible.tolist() == [True, False, False, False]
    assert line.reason.tolist() == ["", TOO_DEAR, TOO_DEAR, TOO_DEAR]


def test_free_goods_on_a_line_sell_at_half_the_choke_price() -> None:
    best = optimal_price(LinearDemand(intercept=100, slope=2), cost=0)
    assert (best.price, best.margin, best.elasticity) == (25.0, 1.0, -1.0)


@given(scales, elastic, st.floats(0.01, 1e3), st.floats(0.0, 1e3))
def test_a_given_price_earns_what_it_sells_times_what_each_earns(
    scale: float, elasticity: float, price: float, cost: float
) -> None:
    for curve in (
        ConstantElasticityDemand(scale=scale, elasticity=elasticity),
        LinearDemand(intercept=scale, slope=scale / (2 * price)),
    ):
        given_price = price_profit(price, demand=curve, cost=cost)
        assert given_price.price == price
        assert given_price.quantity == pytest.approx(curve.demand(price))
        assert given_price.revenue == pytest.approx(price * curve.demand(price))
        assert given_price.profit == pytest.approx(
            (price - cost) * curve.demand(price), abs=1e-12 * given_price.revenue
        )
        assert given_price.margin == pytest.approx(1 - cost / price)


def test_below_cost_every_unit_loses() -> None:
    loss = price_profit([5.0, 10.0, 15.0], demand=LinearDemand(intercept=100, slope=2), cost=10)
    assert loss.profit.tolist() == [-450.0, 0.0, 350.0]
    assert loss.margin[0] == -1.0


def test_nothing_is_sold_above_the_choke_price() -> None:
    result = price_profit([49.0, 50.0, 60.0], demand=LinearDemand(intercept=100, slope=2), cost=10)
    assert result.feasible.tolist() == [True, False, False]
    assert result.reason.tolist() == ["", UNSOLD, UNSOLD]
    assert np.isnan(result.profit).tolist() == [False, True, True]


def test_every_field_has_the_shape_that_all_arguments_broadcast_to() -> None:
    curve = LinearDemand(intercept=100, slope=2)
    for result in (
        price_profit(30, demand=curve, cost=[1, 2]),
        price_profit([30, 31], demand=curve, cost=1),
        price_profit(30, demand=LinearDemand(intercept=[100, 110], slope=2), cost=1),
        optimal_price(curve, cost=[1, 2]),
        optimal_price(ConstantElasticityDemand(scale=[1, 2], elasticity=-3), cost=1),
    ):
        assert {np.shape(getattr(result, name)) for name in (*NUMBERS, "feasible", "reason")} == {(2,)}
    grid = optimal_price(LinearDemand(intercept=100, slope=[[1], [2]]), cost=[3, 4, 5])
    assert grid.price.tolist() == [[51.5, 52.0, 52.5], [26.5, 27.0, 27.5]]
    assert optimal_price(curve, cost=[]).price.size == 0
    assert isinstance(price_profit(30, demand=curve, cost=1).price, float)


def test_labels_come_back() -> None:
    cost = pd.Series([1.0, 2.0], index=["a", "b"])
    frame = optimal_price(LinearDemand(intercept=100, slope=2), cost=cost).to_frame()
    assert frame["price"].to_dict() == {"a": 25.5, "b": 26.0}


def test_numbers_beyond_all_measure_are_refused_in_one_line() -> None:
    with pytest.raises(InputError) as caught:
        optimal_price(LinearDemand(intercept=1e308, slope=1e-10), cost=1)
    assert str(caught.value) == (
        "optimal_price: has no finite answer for these values (overflow encountered in divide); check their size and units"
    )
