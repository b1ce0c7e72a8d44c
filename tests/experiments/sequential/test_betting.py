"""Betting on bounded means: capitals against brute force, coverage under any looks, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import betting_confidence_sequence, betting_difference_sequence, betting_test
from ecomops.experiments.sequential.betting import _bets, _log_capital


def capitals(values: np.ndarray, mean: float, alpha: float) -> tuple[float, float]:
    """Hedged capital process of Waudby-Smith & Ramdas, one value at a time."""
    high = low = 1.0
    total, squares, before = 0.0, 0.0, 0.25
    for i, x in enumerate(values.tolist(), start=1):
        bet = math.sqrt(2.0 * math.log(2.0 / alpha) / (before * i * math.log(1.0 + i)))
        high *= 1.0 + min(bet, 0.5 / mean) * (x - mean)
        low *= 1.0 - min(bet, 0.5 / (1.0 - mean)) * (x - mean)
        total += x
        squares += (x - (0.5 + total) / (i + 1)) ** 2
        before = (0.25 + squares) / (i + 1)
    return high, low


@pytest.mark.parametrize("mean", [0.05, 0.3, 0.5, 0.9])
def test_capital_by_brute_force(mean: float) -> None:
    values = np.random.default_rng(2).beta(1.0, 3.0, 300)
    at = np.array([1, 7, 300])
    high, low = _log_capital(values, at, np.array([mean]), 0.05)
    for place, look in enumerate(at):
        expected = capitals(values[:look], mean, 0.05)
        assert np.exp(high[place, 0]) == pytest.approx(expected[0], rel=1e-10)
        assert np.exp(low[place, 0]) == pytest.approx(expected[1], rel=1e-10)
        found = betting_test(values, mean=mean, least=0.0, most=1.0, looks=at)
        assert found.e_value[place] == pytest.approx(max(expected) / 2.0, rel=1e-10)
        assert found.p_value[place] == pytest.approx(min(2.0 / max(expected), 1.0), rel=1e-10)


def test_blocks_do_not_show() -> None:
    values = np.random.default_rng(3).random(5000)
    at = np.array([1, 2047, 2048, 2049, 4999])
    high, low = _log_capital(values, at, np.array([0.2, 0.7]), 0.01)
    bets = _bets(values, 0.01)
    for place, look in enumerate(at):
        for column, mean in enumerate((0.2, 0.7)):
            terms = np.log1p(np.minimum(bets[:look], 0.5 / mean) * (values[:look] - mean)).sum()
            assert high[place, column] == pytest.approx(terms, rel=1e-9, abs=1e-9)
            terms = np.log1p(-np.minimum(bets[:look], 0.5 / (1 - mean)) * (values[:look] - mean)).sum()
            assert low[place, column] == pytest.approx(terms, rel=1e-9, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60), st.floats(0.01, 0.99), st.floats(0.01, 0.5))
def test_interval_is_dual_to_the_test(values: list[float], mean: float, alpha: float) -> None:
    sequence = betting_confidence_sequence(values, least=0.0, most=1.0, confidence=1.0 - alpha, grid=200)
    p = float(betting_test(values, mean=mean, least=0.0, most=1.0, alpha=alpha).p_value[0])
    assert sequence.lower[0] <= sequence.upper[0]
    if mean < sequence.lower[0] or mean > sequence.upper[0]:
        assert p <= alpha * (1 + 1e-9)
    elif sequence.lower[0] + 1 / 200 < mean < sequence.upper[0] - 1 / 200:
        assert p >= alpha * (1 - 1e-9)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=40), st.integers(-3, 3), st.sampled_from([1.0, 0.25, 40.0]))
def test_units_do_not_matter(eighths: list[int], offset: int, scale: float) -> None:
    values = np.array(eighths) / 8.0
    plain = betting_confidence_sequence(values, least=0.0, most=1.0)
    moved = betting_confidence_sequence(
        offset * scale + scale * values, least=offset * scale, most=(offset + 1) * scale
    )
    for one, other in ((plain.lower, moved.lower), (plain.upper, moved.upper), (plain.value, moved.value)):
        assert np.allclose(offset * scale + scale * one, other, rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (1.0, 9.0), (0.05, 0.2)])
def test_coverage_at_all_looks_together(a: float, b: float) -> None:
    # The mean is covered just when the capital against it stays below 2 / alpha: look after every value.
    draw, runs, missed = np.random.default_rng(7), 600, 0
    for _ in range(runs):
        p = betting_test(
            draw.beta(a, b, 250), mean=a / (a + b), least=0.0, most=1.0, looks=np.arange(1, 251), running=True
        ).p_value
        missed += bool(p[-1] <= 0.05)
    assert missed / runs <= 0.05 + 3.29 * np.sqrt(0.05 * 0.95 / runs)


def test_narrows_with_the_variance_and_runs_together() -> None:
    draw = np.random.default_rng(1)
    calm, wild = draw.beta(50.0, 50.0, 3000), draw.integers(0, 2, 3000).astype(float)
    looks = [100, 300, 1000, 3000]
    narrow = betting_confidence_sequence(calm, least=0.0, most=1.0, looks=looks)
    wide = betting_confidence_sequence(wild, least=0.0, most=1.0, looks=looks)
    assert np.all(narrow.upper - narrow.lower < wide.upper - wide.lower)
    # Of a fixed sample: 2 * 1.96 * 0.5 / sqrt(3000) = 0.036; the price of looking is a factor below 3.
    assert 0.036 < wide.upper[-1] - wide.lower[-1] < 3 * 0.036
    together = betting_confidence_sequence(wild, least=0.0, most=1.0, looks=looks, running=True)
    assert np.array_equal(together.lower, np.maximum.accumulate(wide.lower))
    assert np.array_equal(together.upper, np.minimum.accumulate(wide.upper))
    assert together.method == "running intersection of hedged betting"


def test_an_empty_intersection_says_so() -> None:
    moved = np.concatenate([np.zeros(400), np.ones(4000)])
    found = betting_confidence_sequence(moved, least=0.0, most=1.0, looks=[400, 4400], running=True)
    assert np.isnan(found.lower).tolist() == np.isnan(found.upper).tolist() == [False, True]
    assert found.reason.tolist() == [
        "",
        "the looks have no value in common: the effect moved, or the errors are too small",
    ]


def test_one_number_of_dimensions() -> None:
    with pytest.raises(InputError, match="^betting_confidence_sequence: values must be one list in order of time"):
        betting_confidence_sequence([[0.2]], least=0.0, most=1.0)


def test_values_at_the_bounds() -> None:
    zeros = betting_confidence_sequence(np.zeros(500), least=0.0, most=1.0)
    assert zeros.lower.tolist() == [0.0]
    assert 0.0 < zeros.upper[0] < 0.03
    certain = betting_test(np.zeros(500), mean=1.0, least=0.0, most=1.0)
    assert certain.p_value[0] < 1e-100
    held = betting_test(np.zeros(500), mean=0.0, least=0.0, most=1.0)
    assert held.p_value[0] == 1.0
    assert betting_confidence_sequence([0.3], least=0.0, most=1.0).upper.tolist() == [1.0]


def test_difference_of_two_arms() -> None:
    draw = np.random.default_rng(4)
    treated, control = draw.beta(4.0, 4.0, 1500), draw.beta(3.0, 5.0, 1200)
    found = betting_difference_sequence(treated, control=control, least=0.0, most=1.0, confidence=0.9)
    one = betting_confidence_sequence(treated, least=0.0, most=1.0, confidence=0.95)
    other = betting_confidence_sequence(control, least=0.0, most=1.0, confidence=0.95)
    assert found.lower[0] == pytest.approx(one.lower[0] - other.upper[0], rel=1e-12)
    assert found.upper[0] == pytest.approx(one.upper[0] - other.lower[0], rel=1e-12)
    assert found.lower[0] < 0.125 < found.upper[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"most": 0.0}, "betting_confidence_sequence: most must be > least, got 0 and 0"),
        ({"most": 0.5}, "betting_confidence_sequence: values must lie in [0, 0.5], got 0.7 at index 1"),
        ({"looks": [2, 1]}, "betting_confidence_sequence: looks must rise and be at most 3, got [2, 1]"),
        ({"looks": [1, 4]}, "betting_confidence_sequence: looks must rise and be at most 3, got [1, 4]"),
        ({"grid": 0}, "betting_confidence_sequence: grid must be >= 1, got 0"),
    ],
)
def test_refusals(changed: dict[str, object], message: str) -> None:
    kwargs: dict[str, object] = {"least": 0.0, "most": 1.0, **changed}
    with pytest.raises(InputError) as error:
        betting_confidence_sequence([0.2, 0.7, 0.1], **kwargs)
    assert str(error.value) == message


def test_other_refusals() -> None:
    with pytest.raises(InputError, match=r"^betting_test: mean must lie in \[0, 1\], got 2$"):
        betting_test([0.2], mean=2, least=0.0, most=1.0)
    with pytest.raises(InputError, match="^betting_test: values must be one list in order of time"):
        betting_test([[0.2]], mean=0.5, least=0.0, most=1.0)
    with pytest.raises(
        InputError, match=r"^betting_difference_sequence: control must lie in \[0, 1\], got 3 at index 0$"
    ):
        betting_difference_sequence([0.2], control=[3.0], least=0.0, most=1.0)
