"""Shrinkage: the moment identity that defines the spread, the posterior that quadrature finds, and a smaller error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.stats.shrinkage import NormalShrinkage, shrink_normal

estimates = st.lists(st.tuples(st.floats(-50, 50), st.floats(0.05, 20)), min_size=1, max_size=30)


def shrink(value: Any, error: Any) -> NormalShrinkage:
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        return shrink_normal(value, error)


def excess(value: Any, error: Any, between: float) -> float:
    """Return how much more the estimates differ than their errors and the spread between them say."""
    weight = 1 / (np.square(error) + between)
    mean = np.average(value, weights=weight)
    return float((weight * np.square(value - mean)).sum() - (len(value) - 1))


@given(estimates)
def test_the_spread_makes_the_estimates_differ_as_they_should(pairs: list[tuple[float, float]]) -> None:
    value, error = (np.array(column) for column in zip(*pairs, strict=True))
    found = shrink(value, error)
    if found.sd > 0:
        assert excess(value, error, found.sd**2) == pytest.approx(0.0, abs=1e-6 * value.size)
    else:
        assert value.size == 1 or excess(value, error, 0.0) <= 0


@given(estimates)
def test_the_posterior_is_what_quadrature_finds(pairs: list[tuple[float, float]]) -> None:
    # A flat prior on the common mean: integrate it out on a grid, together with the normal law of each true value.
    value, error = (np.array(column) for column in zip(*pairs, strict=True))
    found = shrink(value, error)
    total = np.sqrt(np.square(error) + found.sd**2)
    grid = found.mean + found.mean_error * np.linspace(-12, 12, 4001)
    log_weight = -0.5 * np.square((value - grid[:, None]) / total).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = weight @ grid
    assert found.mean == pytest.approx(mean, abs=1e-8 * (1 + found.mean_error))
    assert found.mean_error == pytest.approx(np.sqrt(weight @ np.square(grid - mean)), rel=1e-6)
    kept = found.sd**2 / np.square(total)
    inside = grid[:, None] + kept * (value - grid[:, None])
    centre = weight @ inside
    variance = weight @ np.square(inside - centre) + kept * np.square(error)
    np.testing.assert_allclose(found.value, centre, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found.standard_error, np.sqrt(variance), rtol=1e-5)


@given(estimates)
def test_shrunken_values_lie_between_the_estimate_and_the_mean(pairs: list[tuple[float, float]]) -> None:
    value, error = (np.array(column) for column in zip(*pairs, strict=True))
    found = shrink(value, error)
    low, high = np.minimum(value, found.mean), np.maximum(value, found.mean)
    assert (found.value >= low - 1e-9).all()
    assert (found.value <= high + 1e-9).all()
    assert value.min() - 1e-9 <= found.mean <= value.max() + 1e-9


@given(estimates, st.floats(-100, 100), st.sampled_from([-3.0, 0.01, 100.0]))
def test_a_change_of_origin_and_of_unit_passes_through(
    pairs: list[tuple[float, float]], shift: float, unit: float
) -> None:
    value, error = (np.array(column) for column in zip(*pairs, strict=True))
    one, two = shrink(value, error), shrink(shift + unit * value, abs(unit) * error)
    # Near a spread of 0 its square root magnifies rounding.
    assert two.sd == pytest.approx(abs(unit) * one.sd, rel=1e-6, abs=1e-4 * abs(unit))
    np.testing.assert_allclose(two.value, shift + unit * one.value, rtol=1e-6, atol=1e-5 * (1 + abs(unit)))


@given(estimates)
def test_the_order_of_the_items_does_not_matter(pairs: list[tuple[float, float]]) -> None:
    value, error = (np.array(column) for column in zip(*pairs, strict=True))
    one, two = shrink(value, error), shrink(value[::-1], error[::-1])
    np.testing.assert_allclose(two.value[::-1], one.value, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(two.standard_error[::-1], one.standard_error, rtol=1e-5, atol=1e-7)


def test_the_noisier_an_estimate_the_closer_it_comes_to_the_mean() -> None:
    value = np.array([-4.0, 0.0, 4.0, 8.0, 8.0, 8.0])
    found = shrink(value, np.array([1.0, 1.0, 1.0, 0.1, 2.0, 1e4]))
    kept = (found.value - found.mean)[3:] / (value - found.mean)[3:]
    assert (np.diff(kept) < 0).all()
    assert kept[2] < 1e-5
    # An item that says nothing is a new draw round a mean that is not known exactly.
    assert found.standard_error[5] == pytest.approx(np.hypot(found.sd, found.mean_error), rel=1e-6)


def test_one_item_is_left_as_it_is() -> None:
    found = shrink([2.5], [0.7])
    assert (found.mean, found.sd, found.value[0]) == (2.5, 0.0, 2.5)
    assert [found.mean_error, found.standard_error[0]] == pytest.approx([0.7, 0.7])


def test_items_that_differ_no_more_than_noise_share_one_value() -> None:
    found = shrink([1.0, 1.1, 0.9], [1.0, 2.0, 2.0])
    assert found.sd == 0.0
    assert found.mean == pytest.approx((1.0 + (1.1 + 0.9) / 4) / 1.5)
    np.testing.assert_allclose(found.value, found.mean)
    np.testing.assert_allclose(found.standard_error, np.sqrt(1 / 1.5))


def test_exact_items_keep_their_values() -> None:
    value = np.array([-3.0, -2.0, -1.0, 5.0])
    found = shrink(value, np.full(4, 1e-9))
    assert found.sd == pytest.approx(value.std(ddof=1))
    np.testing.assert_allclose(found.value, value, rtol=1e-12)


def test_equal_errors_give_the_variance_less_the_noise() -> None:
    # The textbook case: spread squared = sample variance - error squared, and James-Stein's kept share.
    value = np.array([2.0, 5.0, 9.0, -1.0, 4.0])
    found = shrink(value, np.full(5, 1.5))
    between = value.var(ddof=1) - 1.5**2
    assert found.sd == pytest.approx(np.sqrt(between), rel=1e-10)
    assert found.mean == pytest.approx(value.mean())
    np.testing.assert_allclose(found.value, value.mean() + between / value.var(ddof=1) * (value - value.mean()))


def test_a_spread_wider_than_the_first_bracket_is_found() -> None:
    # One exact item far from many noisy ones: the spread between exceeds the plain variance of the estimates.
    value, error = np.array([0.0, 1.0, 10.0]), np.array([0.01, 0.01, 20.0])
    found = shrink(value, error)
    assert excess(value, error, found.sd**2) == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 3.0])
def test_shrunken_estimates_miss_by_less_and_their_errors_are_true(spread: float) -> None:
    rng = np.random.default_rng(17)
    truth = rng.normal(-2, spread, 4000)
    error = rng.uniform(0.2, 2.0, 4000)
    value = rng.normal(truth, error)
    found = shrink(value, error)
    raw, less = np.square(value - truth).mean(), np.square(found.value - truth).mean()
    best = (spread**2 * error**2 / (spread**2 + error**2)).mean()
    assert less < raw
    # No rule that knows the law of the true values does better than ``best``.
    assert less == pytest.approx(best, rel=0.08, abs=0.01)
    assert found.mean == pytest.approx(-2, abs=4 * found.mean_error)
    if spread:
        assert found.sd == pytest.approx(spread, rel=0.15)
        inside = np.abs(found.value - truth) <= 1.96 * found.standard_error
        assert inside.mean() == pytest.approx(0.95, abs=0.02)
