"""The arithmetic under `Moments`, and how the arms and units of a frame are found."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.making import frame_of, on_sure_engines

from ecomops.core import InputError
from ecomops.experiments import Moments
from ecomops.stats.comoments import by_arm, centred, from_raw, grouped


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=12), st.sampled_from([0, 10**6, 10**9]), st.integers(1, 64))
def test_centred_rows_are_exact_for_dyadic_numbers(values: list[int], shift: int, parts: int) -> None:
    rows = [Fraction(shift) + Fraction(value, 64) * parts for value in values]
    mean = sum(rows) / len(rows)
    n, means, comoments = centred(np.array([[float(row)] for row in rows]))
    truth = float(sum((row - mean) ** 2 for row in rows))
    assert n == len(values)
    assert math.isclose(means[0], float(mean), rel_tol=1e-15, abs_tol=1e-12)
    assert math.isclose(comoments[0, 0], truth, rel_tol=1e-12, abs_tol=1e-12)
    assert comoments[0, 0] >= 0


def test_a_constant_column_has_no_spread_not_a_negative_one() -> None:
    for value in (0.1, 1 / 3, 1e9 + 0.1, -7e-9):
        _, means, comoments = centred(np.full((1001, 1), value))
        assert means[0] == value
        assert 0.0 <= comoments[0, 0] <= 1e-25 * max(1.0, value * value)


def test_whole_and_fractional_columns_together() -> None:
    """A pair of columns is exact where both are whole, whatever stands beside them."""
    rows = np.array([[10_000_001, 0.1], [10_000_002, 0.7], [10_000_004, 0.4]])
    comoments, rounding = from_raw(3.0, rows.sum(axis=0), rows.T @ rows)
    truth = centred(rows)[2]
    assert comoments[0, 0] == 14 / 3
    assert rounding.tolist()[0] == 0.0
    assert rounding[1] > 0
    assert math.isclose(comoments[1, 1], truth[1, 1], rel_tol=1e-12)
    with np.errstate(all="raise"):
        assert from_raw(1.0, np.array([3.0]), np.array([[10.0]]))[0].tolist() == [[0.0]]


ROWS: dict[str, Any] = {
    "unit": [1, 1, 2, 3, 3, 3],
    "arm": ["b", "b", "a", "b", "b", "b"],
    "x": [1.0, 2.0, 5.0, 0.0, 1.0, 1.0],
}


@on_sure_engines
def test_arms_come_sorted_and_rows_become_units(engine: str) -> None:
    frame = frame_of(engine, ROWS)
    arms, parts = by_arm(frame, "arm", ("x",), None)
    assert arms.tolist() == ["a", "b"]
    assert [(n, float(means[0])) for n, means, _ in parts] == [(1.0, 5.0), (5.0, 1.0)]
    arms, parts = by_arm(frame, "arm", ("x",), "unit")
    assert [(n, float(means[0])) for n, means, _ in parts] == [(1.0, 5.0), (2.0, 2.5)]
    assert parts[1][2].tolist() == [[0.5]]


@on_sure_engines
def test_a_unit_in_two_arms_is_reported_not_dropped(engine: str) -> None:
    torn = {**ROWS, "arm": ["b", "a", "a", "b", "b", "a"]}
    with pytest.raises(InputError) as caught:
        Moments.from_frame(frame_of(engine, torn), by="arm", columns=("x",), unit="unit")
    assert str(caught.value) == (
        "Moments.from_frame: unit must be in one arm, got 2 unit(s) seen in two or more of 3;"
        " drop them and check the assignment"
    )


@on_sure_engines
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"columns": ()}, "columns must name at least one column, got none"),
        ({"columns": ("x", "x")}, "columns must not repeat, got ('x', 'x')"),
        ({"by": "x"}, "by must be text or whole numbers, got numbers with decimals in column 'x'"),
        ({"columns": ("x", "arm")}, "columns[1] must be numbers, got "),
    ],
)
def test_what_is_asked_for_wrongly(engine: str, changes: dict[str, Any], text: str) -> None:
    for unit in (None, "unit"):
        with pytest.raises(InputError) as caught:
            Moments.from_frame(frame_of(engine, ROWS), **{"by": "arm", "columns": ("x",), "unit": unit, **changes})
        assert str(caught.value).startswith(f"Moments.from_frame: {text}")


@on_sure_engines
def test_sums_too_large_for_floats_are_one_line(engine: str) -> None:
    huge = {**ROWS, "x": [1e308, 1e308, 1.0, 1e308, 1e308, 1e308]}
    for unit in (None, "unit"):
        with pytest.raises(InputError, match=r"^Moments.from_frame: .*finite"):
            Moments.from_frame(frame_of(engine, huge), by="arm", columns=("x",), unit=unit)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-99, 99)), min_size=1, max_size=30))
def test_arms_of_a_frame_are_those_of_its_parts(rows: list[tuple[str, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["arm", "x"])
    found = Moments.from_frame(frame, by="arm", columns=("x",))
    assert found.arms.tolist() == sorted(set(frame["arm"]))
    for arm in found.arms.tolist():
        alone = Moments.from_arrays(frame["x"][frame["arm"] == arm].to_numpy(), columns=("x",))
        assert found[arm].n == alone.n
        assert found[arm].mean("x") == pytest.approx(alone.mean("x"), rel=1e-12, abs=1e-12)
        assert found[arm].comoments == pytest.approx(alone.comoments, rel=1e-12, abs=1e-300)


def test_arms_far_from_each_other_keep_their_digits() -> None:
    rng = np.random.default_rng(3)
    near, far = rng.normal(0, 1, 50_000), 1e12 + rng.integers(0, 9, 50_000)
    values, codes = np.concatenate([near, far]), np.repeat([0, 1], 50_000)
    for order in (np.arange(100_000), rng.permutation(100_000)):
        found = grouped([values[order], values[order] * 2.0], codes[order], 2)
        for (n, means, comoments), part in zip(found, (near, far), strict=True):
            alone = centred(np.column_stack([part, part * 2.0]))
            assert n == 50_000
            assert means == pytest.approx(alone[1], rel=1e-14)
            assert comoments == pytest.approx(alone[2], rel=1e-12)


def test_many_groups_are_as_few_are() -> None:
    rng = np.random.default_rng(4)
    codes, columns = rng.integers(0, 50, 5_000), [rng.normal(9, 2, 5_000), rng.integers(0, 5, 5_000)]
    for group, (n, means, comoments) in enumerate(grouped(columns, codes, 50)):
        alone = centred(np.column_stack(columns)[codes == group])
        assert n == alone[0]
        assert means == pytest.approx(alone[1], rel=1e-13)
        assert comoments == pytest.approx(alone[2], rel=1e-12, abs=1e-10)


@pytest.mark.parametrize("level", [0.1, 1e9 + 0.1, -3e-7])
def test_an_arm_without_variation_has_none(level: float) -> None:
    rng = np.random.default_rng(5)
    codes = rng.integers(0, 2, 9_999)
    values = np.where(codes == 0, level, rng.normal(0, 1e4, 9_999))
    assert grouped([values], codes, 2)[0][2][0, 0] == 0
    assert grouped([np.full(9_999, level)], codes, 2)[1][2][0, 0] == 0
