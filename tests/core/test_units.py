"""Durations, discounts and decision tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import DecisionTable, DiscountRate, Duration, InputError, decision_table, rank_decisions

UNITS = ("day", "week", "month", "year")


@given(st.floats(1e-6, 1e6), st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_there_and_back(value: float, one: Any, two: Any) -> None:
    there = Duration(value=value, unit=one).to(two)
    assert math.isclose(Duration(value=there, unit=two).to(one), value, rel_tol=1e-12)


@given(st.floats(0, 5), st.sampled_from(UNITS), st.sampled_from(UNITS))
def test_rates_compound_to_the_same_discount(rate: float, one: Any, two: Any) -> None:
    discount = DiscountRate(rate=rate, per=one)
    again = DiscountRate(rate=discount.per_unit(two), per=two)
    assert math.isclose(again.factor(Duration(value=1, unit=one)), 1 / (1 + rate), rel_tol=1e-9)


def test_units_are_fixed_numbers_of_days() -> None:
    assert Duration(value=1, unit="week").to("day") == 7.0
    assert Duration(value=1, unit="month").to("day") == 30.4375
    assert Duration(value=1, unit="year").to("day") == 365.25
    with pytest.raises(InputError, match="Duration: value must be > 0, got 0.0"):
        Duration(value=0, unit="day")
    with pytest.raises(InputError, match=r"Duration\.to: unit must be 'day', 'week', 'month' or 'year', got 'hour'"):
        Duration(value=1, unit="day").to("hour")  # type: ignore[arg-type]


def test_a_length_or_factor_that_no_float_holds_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^Duration\.to: has no finite answer for these values \(must be finite, got inf\)"
    ):
        Duration(value=1e308, unit="year").to("day")
    with pytest.raises(
        InputError, match=r"^Duration\.to: has no finite answer for these values \(must be > 0, got 0.0\)"
    ):
        Duration(value=5e-324, unit="day").to("year")
    far = Duration(value=1e6, unit="year")
    with pytest.raises(InputError, match=r"^DiscountRate\.factor: has no finite answer .*\(must be > 0, got 0.0\)"):
        DiscountRate(rate=0.1, per="day").factor(far)
    with pytest.raises(InputError, match=r"^DiscountRate\.per_unit: has no finite answer for these values"):
        DiscountRate(rate=1e300, per="day").per_unit("year")
    assert DiscountRate(rate=0, per="day").factor(far) == 1.0


def table(**changes: Any) -> DecisionTable:
    given: dict[str, Any] = {
        "subject": ["a", "b", "c"],
        "topic": "price",
        "action": ["raise", "keep", "cut"],
        "gain": [10.0, 0.0, 30.0],
        "lower": [5.0, -1.0, 1.0],
        "upper": [15.0, 1.0, 60.0],
        "p_better": [0.99, 0.5, 0.97],
        "reason": ["x", "y", "z"],
        "period": "next month",
        "baseline": "today",
        "cost": [1.0, 0.0, 100.0],
    }
    return decision_table(**{**given, **changes})


def test_ranking_is_by_gain_and_leaves_out_what_is_kept() -> None:
    other = table(subject=["d", "e", "f"], topic="reorder", gain=[20.0, 0.0, 1.0], upper=[25.0, 1.0, 60.0])
    ranked = rank_decisions(table(), other)
    assert ranked.subject.tolist() == ["c", "d", "a", "f"]
    assert ranked.topic.tolist() == ["price", "reorder", "price", "reorder"]
    assert ranked.to_frame()["gain"].tolist() == [30.0, 20.0, 10.0, 1.0]


def test_a_budget_buys_the_best_gain_per_money_first() -> None:
    assert rank_decisions(table(), budget=50).subject.tolist() == ["a"]
    assert rank_decisions(table(), budget=101).subject.tolist() == ["c", "a"]
    assert rank_decisions(table(), budget=0).subject.tolist() == []


def test_numbers_and_names_rank_together() -> None:
    assert rank_decisions(table(), table(subject=[1, 2, 3])).subject.tolist() == ["c", "3", "a", "1"]


def test_tables_are_checked() -> None:
    with pytest.raises(InputError, match="lower must be <= gain, got 11.0 and 10.0 at index 0"):
        table(lower=[11.0, 0, 0])
    with pytest.raises(InputError, match="gain must be <= upper, got 30.0 and 20.0 at index 2"):
        table(upper=[15.0, 1.0, 20.0])
    with pytest.raises(InputError, match="columns must have one row per subject"):
        table(gain=[1.0], lower=[0.0], upper=[2.0])
    with pytest.raises(InputError, match="p_better must be <= 1, got 1.5 at index 0"):
        table(p_better=[1.5, 0.5, 0.5])
    with pytest.raises(InputError, match="rank_decisions: tables must hold at least one DecisionTable, got none"):
        rank_decisions()


def test_an_empty_table_ranks_to_an_empty_table() -> None:
    empty = np.array([])
    none = decision_table(
        [], topic="price", action=np.array([], dtype=object), gain=np.zeros(0), lower=empty, upper=empty, p_better=empty,
        reason=np.array([], dtype=object), period="month", baseline="today",
    )  # fmt: skip
    assert rank_decisions(none).subject.tolist() == []
