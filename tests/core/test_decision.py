"""Decisions of several kinds in one list: the order, the budget, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ecomops.core import DecisionTable, InputError, decision_table, rank_decisions

rows = st.lists(
    st.tuples(
        st.integers(-100, 1000),  # gain
        st.integers(0, 50),  # cost
        st.sampled_from(["keep", "raise", "order"]),
    ),
    max_size=8,
)


def table(given_rows: list[tuple[float, float, str]], subject: Any = None, **changes: Any) -> DecisionTable:
    gain = np.array([row[0] for row in given_rows], dtype=float)
    names = [f"s{place}" for place in range(gain.size)] if subject is None else subject
    return decision_table(
        names,
        **{
            "topic": "price",
            "action": np.array([row[2] for row in given_rows], dtype=object),
            "gain": gain,
            "lower": gain - 1,
            "upper": gain + 1,
            "p_better": np.full(gain.size, 0.9),
            "reason": np.array(["because"] * gain.size, dtype=object),
            "period": "next 30 days",
            "baseline": "today",
            "cost": np.array([row[1] for row in given_rows], dtype=float),
            **changes,
        },
    )


def lines(ranked: DecisionTable) -> list[tuple[Any, ...]]:
    return list(zip(*(getattr(ranked, name).tolist() for name in DecisionTable.model_fields), strict=True))


@given(rows, rows)
def test_without_a_budget_every_change_is_there_once_largest_gain_first(one: list[Any], two: list[Any]) -> None:
    parts = table(one), table(two, topic="reorder")
    ranked = rank_decisions(*parts)
    changes = [line for part in parts for line in lines(part) if line[2] != "keep" and line[3] > 0]
    assert sorted(lines(ranked)) == sorted(changes)
    assert ranked.gain.tolist() == sorted(ranked.gain.tolist(), reverse=True)


@given(rows, st.integers(0, 120))
def test_a_budget_is_kept_and_what_is_left_out_would_not_fit(given_rows: list[Any], budget: int) -> None:
    ranked = rank_decisions(table(given_rows), budget=budget)
    spent = ranked.cost.sum()
    assert spent <= budget
    chosen = set(ranked.subject.tolist())
    out = [row for place, row in enumerate(given_rows) if f"s{place}" not in chosen and row[2] != "keep" and row[0] > 0]
    # Rows are offered while money goes down only, so what did not fit then does not fit at the end.
    assert all(cost > budget - spent for _, cost, _ in out)


@given(rows, st.integers(1, 120))
def test_greedy_misses_the_best_set_by_at_most_one_decision(given_rows: list[Any], budget: int) -> None:
    """The bound of the fractional knapsack (Dantzig 1957), against every subset by brute force."""
    changes = [(gain, cost) for gain, cost, action in given_rows if action != "keep" and gain > 0]
    assume(changes)
    best = max(
        sum(gain for gain, _ in part)
        for size in range(len(changes) + 1)
        for part in combinations(changes, size)
        if sum(cost for _, cost in part) <= budget
    )
    positive = [(gain, cost, "raise") for gain, cost in changes]
    reached = rank_decisions(table(positive), budget=budget).gain.sum()
    affordable = [gain for gain, cost in changes if cost <= budget]
    assert reached >= best - max(affordable, default=0)


@given(rows, st.integers(0, 120), st.integers(1, 9))
def test_the_unit_of_money_does_not_matter(given_rows: list[Any], budget: int, scale: int) -> None:
    scaled = [(gain * scale, cost * scale, action) for gain, cost, action in given_rows]
    one, other = rank_decisions(table(given_rows), budget=budget), rank_decisions(table(scaled), budget=budget * scale)
    assert one.subject.tolist() == other.subject.tolist()


def test_equal_gains_keep_the_order_of_the_tables() -> None:
    one, two = table([(5, 1, "raise"), (5, 1, "order")]), table([(5, 1, "raise")], subject=["t"])
    assert rank_decisions(one, two).subject.tolist() == ["s0", "s1", "t"]
    assert rank_decisions(one, two, budget=2).subject.tolist() == ["s0", "s1"]


def test_a_budget_that_is_met_to_the_cent_is_enough() -> None:
    ten = table([(1.0, 0.1, "raise")] * 10)
    assert sum([0.1] * 10) != 1.0  # what adding floats would spend
    assert float(Fraction(1, 10) * 10) == 1.0
    for size in range(1, 11):
        assert rank_decisions(ten, budget=size / 10).gain.sum() == size


def test_what_is_free_comes_first_and_the_larger_gain_before_the_smaller() -> None:
    given_rows = [(1.0, 5.0, "raise"), (2.0, 0.0, "raise"), (-3.0, 0.0, "raise"), (9.0, 5.0, "raise")]
    # The loss of 3 costs nothing and would fit, but nobody should act on it.
    assert rank_decisions(table(given_rows), budget=0).gain.tolist() == [2.0]
    assert rank_decisions(table(given_rows), budget=5).gain.tolist() == [9.0, 2.0]


@given(rows, st.none() | st.integers(0, 120))
def test_what_gains_nothing_is_never_among_the_rows_to_act_on(given_rows: list[Any], budget: int | None) -> None:
    assert (rank_decisions(table(given_rows), budget=budget).gain > 0).all()


def test_of_equal_gains_per_money_the_larger_comes_first() -> None:
    """Both give 2 a unit of money and only one fits; free rows are tied too, and all of them fit."""
    for given_rows in ([(2.0, 1.0, "raise"), (8.0, 4.0, "raise")], [(8.0, 4.0, "raise"), (2.0, 1.0, "raise")]):
        assert rank_decisions(table(given_rows), budget=4).gain.tolist() == [8.0]
        assert rank_decisions(table([*given_rows, (1.0, 0.0, "raise")]), budget=4).gain.tolist() == [8.0, 1.0]


def test_gains_at_next_to_no_cost_do_not_overflow() -> None:
    given_rows = [(1e300, 1e-300, "raise"), (1.0, 1.0, "raise")]
    assert rank_decisions(table(given_rows, lower=[0, 0], upper=[1e301, 2]), budget=0.5).gain.tolist() == [1e300]


def test_numbers_stay_numbers_beside_a_table_without_rows() -> None:
    numbered, named, none = table([(1, 0, "raise")], subject=[7]), table([(2, 0, "raise")]), table([])
    assert rank_decisions(numbered, none).subject.tolist() == [7]
    assert rank_decisions(none, none).subject.tolist() == []
    assert rank_decisions(numbered, named).subject.tolist() == ["s0", "7"]


def test_one_cost_is_that_of_every_row() -> None:
    assert table([(1, 0, "raise"), (2, 0, "raise")], cost=3.0).cost.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"cost": [1.0, 2.0]}, "cost must be one number or have one value a subject, got shape (2,) for 1"),
        ({"cost": -1.0}, "cost must be >= 0, got -1.0"),
        ({"gain": 5.0}, "gain must be a list with one value a row, got 5.0"),
        ({"gain": [[5.0]]}, "gain must have one dimension, got shape (1, 1)"),
        ({"lower": [9.0]}, "lower must be <= gain, got 9.0 and 5.0 at index 0"),
        ({"upper": [1.0]}, "gain must be <= upper, got 5.0 and 1.0 at index 0"),
        ({"p_better": [1.5]}, "p_better must be <= 1, got 1.5 at index 0"),
        ({"action": [5]}, "action must be text or a list of texts, got [5]"),
        ({"topic": 5}, "topic must be text, got int 5"),
        ({"subject": [1.5]}, "subject must be names (str), got float 1.5 at index 0"),
    ],
)
def test_tables_are_checked(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        table([(5.0, 1.0, "raise")], **changes)
    assert str(caught.value) == f"decision_table: {text}"


def test_ranking_takes_tables_only() -> None:
    for wrong in (None, 5, "x", [table([])], {"subject": []}):
        with pytest.raises(InputError, match=r"^rank_decisions: "):
            rank_decisions(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^rank_decisions: tables must hold at least one DecisionTable, got none$"):
        rank_decisions(budget=5)
    with pytest.raises(InputError, match=r"^rank_decisions: budget must be >= 0, got -1.0$"):
        rank_decisions(table([]), budget=-1)
