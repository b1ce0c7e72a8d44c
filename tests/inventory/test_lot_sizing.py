"""The economic order quantity against a search of its cost, and its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from ecomops.core import InputError
from ecomops.inventory import economic_order_quantity, economic_order_quantity_cost

SIZES = st.floats(1e-3, 1e6)


@given(SIZES, SIZES, SIZES)
def test_no_other_quantity_costs_less(demand: float, order: float, holding: float) -> None:
    """A numerical minimiser of K D / Q + h Q / 2, written here, finds nothing better."""
    lot = economic_order_quantity(demand, order_cost=order, holding_cost=holding)

    def cost(log_quantity: float) -> float:
        quantity = math.exp(log_quantity)
        return order * demand / quantity + holding * quantity / 2

    centre = 0.5 * math.log(order * demand / holding)
    found = optimize.minimize_scalar(cost, bounds=(centre - 5, centre + 6), method="bounded", options={"xatol": 1e-9})
    assert lot.cost == pytest.approx(found.fun, rel=1e-12)
    assert math.log(lot.quantity) == pytest.approx(found.x, abs=1e-6)


@given(SIZES, SIZES, SIZES)
def test_solving_and_evaluating_agree(demand: float, order: float, holding: float) -> None:
    lot = economic_order_quantity(demand, order_cost=order, holding_cost=holding)
    same = economic_order_quantity_cost(lot.quantity, demand_rate=demand, order_cost=order, holding_cost=holding)
    for field in ("quantity", "cost", "orders_per_period", "cycle_time"):
        assert getattr(same, field) == pytest.approx(getattr(lot, field), rel=1e-13)
    assert lot.orders_per_period * lot.cycle_time == pytest.approx(1.0, rel=1e-13)
    # At the optimum the two costs are equal.
    assert order * lot.orders_per_period == pytest.approx(holding * lot.quantity / 2, rel=1e-13)


@given(SIZES, SIZES, SIZES, st.floats(0.01, 100))
def test_a_wrong_quantity_costs_what_the_book_says(demand: float, order: float, holding: float, ratio: float) -> None:
    """Cost over least cost is (r + 1 / r) / 2 at r times the quantity, whatever the shop."""
    lot = economic_order_quantity(demand, order_cost=order, holding_cost=holding)
    off = economic_order_quantity_cost(lot.quantity * ratio, demand_rate=demand, order_cost=order, holding_cost=holding)
    assert off.cost / lot.cost == pytest.approx((ratio + 1 / ratio) / 2, rel=1e-12)


@given(SIZES, SIZES, SIZES, st.integers(-10, 10))
def test_units_do_not_matter(demand: float, order: float, holding: float, power: int) -> None:
    """Twice the demand in half-dozens, money in cents, and periods four times as long: the same orders."""
    unit = 4.0**power
    one = economic_order_quantity(demand, order_cost=order, holding_cost=holding)
    pieces = economic_order_quantity(demand * unit, order_cost=order, holding_cost=holding / unit)
    assert pieces.quantity == one.quantity * unit
    assert pieces.cost == one.cost
    money = economic_order_quantity(demand, order_cost=order * unit, holding_cost=holding * unit)
    assert (money.quantity, money.cost) == (one.quantity, one.cost * unit)
    time = economic_order_quantity(demand * unit, order_cost=order, holding_cost=holding * unit)
    assert (time.quantity, time.cycle_time) == (one.quantity, one.cycle_time / unit)


def test_no_demand_orders_nothing() -> None:
    lot = economic_order_quantity([0.0, 8.0], order_cost=1.0, holding_cost=1.0)
    assert lot.quantity.tolist() == [0.0, 4.0]
    assert lot.cost.tolist() == [0.0, 4.0]
    assert lot.orders_per_period.tolist() == [0.0, 2.0]
    assert lot.cycle_time.tolist() == [0.0, 0.5]
    held = economic_order_quantity_cost(6.0, demand_rate=[0.0, 3.0], order_cost=1.0, holding_cost=2.0)
    assert held.quantity.tolist() == [6.0, 6.0]
    assert held.cost.tolist() == [6.0, 6.5]
    assert held.cycle_time.tolist() == [0.0, 2.0]


def test_one_call_is_as_many_calls_as_there_are_items() -> None:
    rng = np.random.default_rng(1)
    demand, order, holding = rng.uniform(0, 1e4, 500), rng.uniform(1, 50, 500), rng.uniform(0.1, 3, 500)
    lots = economic_order_quantity(demand, order_cost=order, holding_cost=holding)
    for row in range(0, 500, 25):
        one = economic_order_quantity(demand[row], order_cost=order[row], holding_cost=holding[row])
        assert isinstance(one.quantity, float)
        for field in ("quantity", "cost", "orders_per_period", "cycle_time"):
            assert getattr(lots, field)[row] == getattr(one, field)
    assert economic_order_quantity([[1.0], [2.0]], order_cost=[1.0, 2.0, 3.0], holding_cost=1.0).cost.shape == (2, 3)


def test_what_cannot_be_ordered_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        economic_order_quantity([3.0, -1.0], order_cost=1, holding_cost=1)
    assert str(caught.value) == "economic_order_quantity: demand_rate must be >= 0, got -1.0 at index 1"
    with pytest.raises(InputError) as caught:
        economic_order_quantity(3.0, order_cost=1, holding_cost=0)
    assert str(caught.value) == "economic_order_quantity: holding_cost must be > 0, got 0.0"
    with pytest.raises(InputError) as caught:
        economic_order_quantity_cost(0.0, demand_rate=1, order_cost=1, holding_cost=1)
    assert str(caught.value) == "economic_order_quantity_cost: quantity must be > 0, got 0.0"
