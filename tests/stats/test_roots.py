"""Roots and smallest integers of many rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from ecomops.core import ConvergenceError
from ecomops.stats.roots import falling_root, smallest_integer


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_the_smallest_integer_is_found_from_any_guess(rows: list[tuple[int, float]]) -> None:
    answer = np.array([float(row[0]) for row in rows])
    guess = np.array([row[1] for row in rows])
    found = smallest_integer(lambda k, goal: k >= goal, guess, answer)
    assert found.tolist() == answer.tolist()


@given(st.integers(-50, 50), st.floats(-1e3, 1e3), st.integers(-20, 20))
def test_no_answer_lies_below_the_least(answer: int, guess: float, least: int) -> None:
    found = smallest_integer(
        lambda k, goal: k >= goal, np.array([guess]), np.array([float(answer)]), least=float(least)
    )
    assert found.tolist() == [float(max(answer, least))]


def test_only_open_rows_are_asked_again() -> None:
    """A guess within one of the answer costs two questions, and one far off does not make the others pay."""
    asked: list[int] = []

    def reached(k: Any, goal: Any) -> Any:
        asked.append(k.size)
        return k >= goal

    goal = np.zeros(1000)
    guess = np.zeros(1000)
    guess[0] = 1e6
    assert smallest_integer(reached, guess, goal).tolist() == goal.tolist()
    assert asked[:2] == [1000, 1000]
    assert max(asked[2:]) == 1


def test_parameters_are_shared_or_go_by_row() -> None:
    found = smallest_integer(lambda k, a, b: k * b >= a, np.zeros(3), np.array([5.0, 9.0, -4.0]), np.array([2.0]))
    assert found.tolist() == [3.0, 5.0, -2.0]
    table = np.array([[1.0, 4.0], [2.0, 2.0]])
    assert smallest_integer(lambda k, t: k >= t.max(axis=1), np.zeros(2), table).tolist() == [4.0, 2.0]
    assert smallest_integer(lambda k: k >= 0, np.zeros(0)).shape == (0,)


def test_a_condition_that_never_holds_is_reported() -> None:
    with pytest.raises(ConvergenceError, match="no integer meets the condition within"):
        smallest_integer(lambda k: np.zeros(k.shape, dtype=bool), np.zeros(2))


def logistic(x: Any) -> tuple[Any, Any]:
    return special.expit(-x), -special.expit(-x) * special.expit(x)


@given(st.lists(st.tuples(st.floats(1e-12, 0.999), st.floats(-50, 50)), min_size=1, max_size=10), st.floats(0.01, 100))
def test_the_root_of_a_falling_function_is_found(rows: list[tuple[float, float]], scale: float) -> None:
    target, start = (np.array(column) for column in zip(*rows, strict=True))
    found = falling_root(logistic, target, start, np.full(target.shape, scale))
    np.testing.assert_allclose(found, -special.logit(target), rtol=1e-10, atol=1e-10 * max(scale, 1.0))


def test_a_flat_stretch_at_the_target_is_a_root() -> None:
    """The function comes down to 1 at 2 and stays there until 5."""

    def stairs(x: Any) -> tuple[Any, Any]:
        value = np.where(x < 2, 3.0 - x, np.where(x < 5, 1.0, np.exp(5.0 - x)))
        slope = np.where(x < 2, -1.0, np.where(x < 5, 0.0, -np.exp(5.0 - x)))
        return value, slope

    starts = np.array([-10.0, 0.0, 3.0, 9.0])
    found = falling_root(stairs, 1.0, starts, np.ones(4))
    assert found[0] == pytest.approx(2.0, rel=1e-12)
    assert np.all((found >= 2.0 - 1e-12) & (found <= 5.0 + 1e-12))


def test_a_step_is_found_by_halving() -> None:
    """No slope to follow: Newton has nothing to say, and the bracket still closes on the step."""

    def step(x: Any) -> tuple[Any, Any]:
        return np.where(x < np.pi, 2.0, 0.0), np.zeros_like(x)

    np.testing.assert_allclose(falling_root(step, 1.0, np.array([0.0, 50.0]), np.ones(2)), np.pi, rtol=1e-12)


def test_a_kink_does_not_trap_newton() -> None:
    """A loss in pieces: slopes that change by a thousand at each whole number."""
    corner = np.arange(60.0)
    weight = 1000.0 ** -np.arange(60.0)

    def pieces(x: Any) -> tuple[Any, Any]:
        gap = corner - x[:, None]
        return (weight * np.maximum(gap, 0)).sum(axis=1), -(weight * (gap > 0)).sum(axis=1)

    truth = np.array([0.5, 3.25, 17.75])
    found = falling_root(pieces, pieces(truth)[0], np.array([40.0, -5.0, 17.0]), np.ones(3))
    np.testing.assert_allclose(found, truth, rtol=1e-10)


def test_a_target_out_of_reach_is_reported() -> None:
    with pytest.raises(ConvergenceError, match="no sign change within 2\\*\\*200 scales of the guess"):
        falling_root(lambda x: (np.full(x.shape, 2.0), np.zeros(x.shape)), 1.0, np.zeros(1), np.ones(1))


def test_a_root_that_does_not_settle_is_reported() -> None:
    """A step at zero and a scale of 1e-60: no bracket around it is ever narrow enough."""
    with pytest.raises(ConvergenceError, match="200 steps were not enough"):
        falling_root(lambda x: (np.where(x < 0, 2.0, 0.5), np.zeros(x.shape)), 1.0, np.array([0.3]), np.array([1e-60]))
