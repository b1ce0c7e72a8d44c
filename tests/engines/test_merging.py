"""Parts add up to the whole: states over any split of the rows, counts over any split of the units, on any engine."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.making import ENGINES, close, frame_of

from ecomops.core import InputError
from ecomops.experiments import Moments, MomentsByArm, ValueCounts
from ecomops.segmentation import CustomerState, customer_summary

DAY = 86_400_000_000

order_rows = st.lists(
    st.tuples(st.integers(0, 5), st.integers(-40 * DAY, 40 * DAY), st.integers(-(10**6), 10**6), st.integers(0, 2)),
    min_size=1,
    max_size=25,
)
unit_rows = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(-(10**6), 10**6), st.integers(0, 9), st.integers(0, 2)),
    min_size=1,
    max_size=25,
)
engines = st.sampled_from(list(ENGINES))


def parts_of(rows: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """Split rows by their last column."""
    return [part for number in range(3) if (part := [row for row in rows if row[-1] == number])]


def state(rows: list[tuple[Any, ...]], engine: str) -> CustomerState:
    who, when, cents, _ = zip(*rows, strict=True)
    table = {"who": list(who), "when": pa.array(when, pa.timestamp("us")), "cents": list(cents)}
    return CustomerState.from_frame(frame_of(engine, table), customer="who", time="when", spend="cents")


@given(order_rows, st.lists(engines, min_size=4, max_size=4))
def test_states_add_up_over_any_split_of_the_rows_and_any_engine(rows: list[Any], chosen: list[str]) -> None:
    whole = state(rows, chosen[3])
    parts = [state(part, engine) for part, engine in zip(parts_of(rows), chosen, strict=False)]
    assert functools.reduce(operator.add, parts) == whole
    assert functools.reduce(operator.add, parts[::-1]) == whole
    assert customer_summary(functools.reduce(operator.add, parts)) == customer_summary(whole)


@given(order_rows, st.randoms(use_true_random=False), engines)
def test_the_order_of_the_rows_does_not_matter(rows: list[Any], random: Any, engine: str) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert state(shuffled, engine) == state(rows, engine)


def moments(rows: list[tuple[Any, ...]], engine: str) -> MomentsByArm:
    arm, cents, visits, _ = zip(*rows, strict=True)
    table = {"arm": list(arm), "cents": list(cents), "visits": list(visits)}
    return Moments.from_frame(frame_of(engine, table), by="arm", columns=("cents", "visits"))


def agree(left: MomentsByArm, right: MomentsByArm) -> bool:
    """Tell whether moments agree: counts exactly, sums to 1e-12 of the size of what was summed."""
    if left.arms.tolist() != right.arms.tolist():
        return False
    for one, two in zip(left.moments, right.moments, strict=True):
        size = np.sqrt(np.diagonal(two.comoments) / two.n) + np.abs(two.means)
        scale = np.outer(size, size) * two.n
        same = one.n == two.n and all(
            close([mean], [other], spread) for mean, other, spread in zip(one.means, two.means, size, strict=True)
        )
        if not same or not np.all(np.abs(one.comoments - two.comoments) <= 1e-12 * scale):
            return False
    return True


@given(unit_rows, st.lists(engines, min_size=4, max_size=4))
def test_moments_add_up_over_any_split_of_the_units_and_any_engine(rows: list[Any], chosen: list[str]) -> None:
    whole = moments(rows, chosen[3])
    parts = [moments(part, engine) for part, engine in zip(parts_of(rows), chosen, strict=False)]
    assert agree(functools.reduce(operator.add, parts), whole)
    assert agree(functools.reduce(operator.add, parts[::-1]), whole)


def test_the_comparison_of_moments_can_fail() -> None:
    one = moments([("a", 1, 2, 0), ("a", 2, 2, 0), ("a", 4, 3, 0)], "pandas")
    for other in (
        [("a", 1, 2, 0), ("a", 2, 2, 0), ("a", 5, 3, 0)],
        [("a", 1, 2, 0), ("a", 2, 2, 0)],
        [("b", 1, 2, 0), ("b", 2, 2, 0), ("b", 4, 3, 0)],
        [("a", 1, 3, 0), ("a", 2, 2, 0), ("a", 4, 2, 0)],
    ):
        assert not agree(one, moments(other, "pandas"))


@given(st.lists(st.integers(-5, 5), max_size=40), st.integers(0, 40))
def test_value_counts_add_up(values: list[int], cut: int) -> None:
    left, right = (ValueCounts.from_arrays(np.array(part, dtype=float)) for part in (values[:cut], values[cut:]))
    whole = ValueCounts.from_arrays(np.array(values, dtype=float))
    assert left + right == whole == right + left
    assert whole.count.sum() == len(values)


def test_what_does_not_fit_together_is_refused() -> None:
    named, numbered = (Moments.from_arrays([1.0, 2.0], columns=("x",)) for _ in range(2))
    with pytest.raises(InputError, match=r"^MomentsByArm: arms must be text in both parts or whole numbers in both$"):
        MomentsByArm(arms=["a"], moments=(named,)) + MomentsByArm(arms=[1], moments=(numbered,))
    with pytest.raises(InputError, match=r"^CustomerState: customer must be text in both parts or whole numbers"):
        CustomerState.from_arrays(["a"], day=[1]) + CustomerState.from_arrays([1], day=[1])
    for part in (named, MomentsByArm(arms=["a"], moments=(named,)), ValueCounts.from_arrays([1.0])):
        for other in (0, "x", None, math.nan):
            with pytest.raises(TypeError, match="unsupported operand"):
                part + other
