"""Turnover, days of supply, active SKUs and sell-through: definitions, identities and limits."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.inventory import active_sku_rate, days_of_supply, inventory_turnover, sell_through

SIZES = st.floats(1e-3, 1e9)


@given(SIZES, SIZES)
def test_turnover_and_cover_are_two_views_of_one_stock(cost: float, stock: float) -> None:
    """A stock that turns n times a year lasts 365 / n days at the year's demand."""
    turns = inventory_turnover(cost, average_inventory=stock)
    assert days_of_supply(stock, daily_demand=cost / 365) == pytest.approx(365 / turns, rel=1e-12)


@given(SIZES, SIZES, st.integers(-20, 20))
def test_units_do_not_matter(amount: float, base: float, power: int) -> None:
    unit = 2.0**power
    assert inventory_turnover(amount * unit, average_inventory=base * unit) == inventory_turnover(
        amount, average_inventory=base
    )
    assert days_of_supply(amount * unit, daily_demand=base * unit) == days_of_supply(amount, daily_demand=base)
    assert sell_through(amount * unit, units_received=base * unit) == sell_through(amount, units_received=base)


def test_cover_runs_down_day_by_day() -> None:
    """Selling the daily demand until nothing is left takes that many days."""
    left, days = 37.0, 0
    while left > 0:
        left -= 4.0
        days += 1
    assert days == math.ceil(days_of_supply(37, daily_demand=4))


def test_stock_without_demand_lasts_for_ever_and_no_stock_no_day() -> None:
    cover = days_of_supply([60, 60, 0, 0], daily_demand=[4, 0, 0, 3])
    assert cover.tolist() == [15.0, math.inf, 0.0, 0.0]
    assert days_of_supply(5, daily_demand=0) == math.inf


def test_a_stock_that_is_not_sold_does_not_turn() -> None:
    assert inventory_turnover(0, average_inventory=[5, 10]).tolist() == [0.0, 0.0]


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_the_active_rate_is_a_share(sold: int, idle: int) -> None:
    assert active_sku_rate(sold, skus_listed=sold + idle) == sold / (sold + idle)


def test_the_active_rate_of_a_catalogue_is_that_of_its_parts() -> None:
    """Counts add up over categories; rates do not."""
    sold, listed = np.array([3, 40, 0]), np.array([10, 50, 40])
    rates = active_sku_rate(sold, skus_listed=listed)
    assert rates.tolist() == [0.3, 0.8, 0.0]
    assert active_sku_rate(sold.sum(), skus_listed=listed.sum()) == pytest.approx((rates * listed).sum() / listed.sum())


def test_sell_through_shows_returns_and_older_stock() -> None:
    assert sell_through([340, -3, 500], units_received=400).tolist() == [0.85, -0.0075, 1.25]


def test_a_series_keeps_its_index() -> None:
    stock = pd.Series([10.0, 30.0], index=["mug", "lamp"])
    cover = days_of_supply(stock, daily_demand=2.0)
    assert cover.tolist() == [5.0, 15.0]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: inventory_turnover(1, average_inventory=[1, 0]),
            "inventory_turnover: average_inventory must be > 0, got 0.0 at index 1",
        ),
        (lambda: days_of_supply(-1, daily_demand=1), "days_of_supply: on_hand must be >= 0, got -1.0"),
        (
            lambda: active_sku_rate(0, skus_listed=0),
            "active_sku_rate: skus_listed must be >= 1 (the number of SKUs listed in the period), got 0.0",
        ),
        (
            lambda: active_sku_rate([1, 5], skus_listed=4),
            (
                "active_sku_rate: skus_with_sales must be <= skus_listed (both counted over the same period), got 5.0 and 4.0 at "
                "index 1"
            ),
        ),
        (
            lambda: active_sku_rate(1.5, skus_listed=4),
            "active_sku_rate: skus_with_sales must be a whole number of at most 2**53, got 1.5",
        ),
        (lambda: sell_through(1, units_received=0), "sell_through: units_received must be > 0, got 0.0"),
    ],
)
def test_figures_that_have_no_meaning_are_refused(call: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert str(caught.value) == text
