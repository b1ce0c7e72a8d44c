"""Normal losses, their inverses and saddle-point densities, to the last digits that floats hold."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from scipy import stats  # noqa: TID251 - the oracle
from tests.stats import exact

from ecomops.stats import special

POINTS = np.concatenate([np.linspace(-40, 37, 78), np.array([1e-12, 5 - 1e-9, 5, 10 - 1e-9, 10, 10 + 1e-9])])


@exact.to_float
def loss(z: Any) -> Any:
    return exact.density(z) - z * exact.upper(z)


@exact.to_float
def second_loss(z: Any) -> Any:
    return ((1 + z * z) * exact.upper(z) - z * exact.density(z)) / 2


def test_the_normal_loss_holds_to_z_of_37() -> None:
    expected = [loss(float(z)) for z in POINTS]
    np.testing.assert_allclose(special.normal_loss(POINTS), expected, rtol=4e-13)


def test_the_second_normal_loss_holds_to_z_of_37() -> None:
    expected = [second_loss(float(z)) for z in POINTS]
    np.testing.assert_allclose(special.normal_second_loss(POINTS), expected, rtol=4e-13)


def test_losses_with_spread_and_without() -> None:
    lost, left = special.normal_losses(np.array([3.0, 3.0]), np.array([5.0, 1.0]), np.array([0.0, 0.0]))
    assert lost.tolist() == [2.0, 0.0]
    assert left.tolist() == [0.0, 2.0]
    assert special.normal_second_losses(np.array([3.0, 3.0]), np.array([5.0, 1.0]), np.array([0.0])).tolist() == [
        2.0,
        0.0,
    ]


@given(st.floats(-300, 2).map(lambda power: 10.0**power))
def test_the_inverse_loss_is_the_inverse_in_50_digits(target: float) -> None:
    """The root of L(z) = t by mpmath, with L in 50 digits, agrees with ours to 1e-12."""
    z = float(special.inverse_normal_loss(target))
    with mpmath.workdps(60):
        x = mpf(z)
        value = exact.density(x) - x * exact.upper(x)
        # One Newton step from ours gives the exact root to twice as many digits.
        step = value / exact.upper(x) * mpmath.log(value / mpf(target))
    assert abs(float(step)) <= 1e-12 * max(abs(z), 0.1)


def test_the_inverse_loss_takes_both_halves_at_once() -> None:
    targets = np.array([0.1, 3.0, special.LOSS_AT_ZERO, 1e-9])
    found = special.inverse_normal_loss(targets)
    assert found.tolist() == [float(special.inverse_normal_loss(t)) for t in targets]
    np.testing.assert_allclose(special.normal_loss(found), targets, rtol=1e-13)
    assert found[2] == pytest.approx(0.0, abs=1e-15)


@given(st.floats(1e-12, 50), st.floats(1.0001, 10))
def test_a_smaller_loss_needs_a_larger_factor(target: float, ratio: float) -> None:
    assert special.inverse_normal_loss(target) > special.inverse_normal_loss(target * ratio)


@pytest.mark.parametrize("size", [0, 1, 7, 2 * special.CHUNK, 2 * special.CHUNK + 1, 5 * special.CHUNK])
def test_chunks_change_nothing(size: int) -> None:
    x = np.linspace(-5, 40, size)
    whole = special.upper_normal_loss(np.abs(x)) + np.maximum(-x, 0.0)
    assert special.normal_loss(x).tolist() == whole.tolist()
    lost, left = special.in_chunks(special.normal_losses, x, 1.0, 2.0)
    both = special.normal_losses(x, np.array([1.0]), np.array([2.0]))
    assert (lost.tolist(), left.tolist()) == (both[0].tolist(), both[1].tolist())


def test_chunks_keep_shapes() -> None:
    def add(a: Any, b: Any) -> Any:
        return a + b

    assert special.in_chunks(add, [[1.0], [2.0]], [10.0, 20.0, 30.0]).tolist() == [[11, 21, 31], [12, 22, 32]]
    assert special.in_chunks(add, 1.0, 2.0) == 3.0
    assert np.ndim(special.in_chunks(add, 1.0, 2.0)) == 0
    # A kernel that ignores the long argument still fills the shape.
    assert special.in_chunks(lambda _, b: b, np.zeros(4), 2.0).tolist() == [2.0] * 4


@pytest.mark.parametrize("mean", [0.0, 1e-300, 1e-3, 0.7, 15.9, 16.1, 1e3, 1e8, 1e15])
def test_the_poisson_density_holds(mean: float) -> None:
    for k in {0.0, 0.3, 1.0, 15.5, 16.0, 17.0, mean, 0.95 * mean, 1.3 * mean, math.floor(mean + 5 * math.sqrt(mean))}:
        with mpmath.workdps(60):
            if mean:
                expected = float(mpmath.exp(k * mpmath.log(mpf(mean)) - mpf(mean) - mpmath.loggamma(mpf(k) + 1)))
            else:
                expected = float(k == 0)
        assert exact.relative_gap(float(special.poisson_pmf(k, mean)), expected) < 2e-12


@pytest.mark.parametrize(("size", "p"), [(0.01, 0.3), (2.0, 0.3), (2.0, 0.7), (50.0, 0.01), (1e6, 0.999)])
def test_the_negative_binomial_density_agrees_with_another_library(size: float, p: float) -> None:
    k = np.unique(np.floor(np.linspace(0, 5 * size * (1 - p) / p + 10, 40)))
    other = stats.nbinom(size, p).pmf(k)
    seen = other > 1e-290
    found = special.negative_binomial_pmf(k, size, p, 1 - p)
    np.testing.assert_allclose(found[seen], other[seen], rtol=2e-9)


@given(st.floats(1e-3, 1e6), st.floats(1e-6, 1 - 1e-6), st.integers(0, 10**6))
def test_the_negative_binomial_density_holds(size: float, q: float, k: int) -> None:
    p = 1.0 - q
    with mpmath.workdps(60):
        r, a, b = mpf(size), mpf(p), 1 - mpf(p)
        ways = mpmath.loggamma(r + k) - mpmath.loggamma(r) - mpmath.loggamma(k + 1)
        expected = float(mpmath.exp(ways + r * mpmath.log(a) + k * mpmath.log(b)))
    found = float(special.negative_binomial_pmf(float(k), size, p, 1.0 - p))
    # The saddle point is as exact as its exponent: a digit is lost for each ten standard deviations or so.
    assert exact.relative_gap(found, expected) < 1e-11 * (1 + abs(math.log(max(expected, 1e-300))) / 20)


@given(st.floats(1e-8, 1e12))
def test_the_stirling_error_holds(n: float) -> None:
    with mpmath.workdps(60):
        x = mpf(n)
        expected = mpmath.loggamma(x + 1) - mpmath.log(mpmath.sqrt(2 * mpmath.pi * x)) - x * (mpmath.log(x) - 1)
    assert float(special.stirling_error(n)) == pytest.approx(float(expected), rel=1e-11, abs=1e-14)


@given(st.floats(1e-6, 1e12), st.floats(-12, 2), st.booleans())
def test_the_deviance_does_not_cancel(mean: float, power: float, below: bool) -> None:
    x = mean * (1 - min(10.0**power, 0.999) if below else 1 + 10.0**power)
    with mpmath.workdps(60):
        a, b = mpf(x), mpf(mean)
        expected = float(a * mpmath.log(a / b) + b - a)
    assert float(special.deviance(x, mean)) == pytest.approx(expected, rel=1e-12)
    assert float(special.deviance(x, mean, x - mean)) == float(special.deviance(x, mean))


@pytest.mark.parametrize("order", [1, 2])
def test_the_continued_fraction_of_the_mills_ratio_holds(order: int) -> None:
    for z in (5.0, 10.0, 37.0, 1e3, 1e8):
        with mpmath.workdps(60):
            x = mpf(z)
            mills = mpmath.exp(x * x / 2) * mpmath.sqrt(mpmath.pi / 2) * mpmath.erfc(x / mpmath.sqrt(2))
            expected = 1 - x * mills if order == 1 else ((1 + x * x) * mills - x) / 2
        assert float(special.mills_product(np.array([z]), order)[0]) == pytest.approx(float(expected), rel=1e-13)


def test_the_inverse_loss_takes_any_size() -> None:
    """Far down the level is the target itself; squares of it need not exist."""
    assert special.inverse_normal_loss(np.array([1e9, 1e200])).tolist() == [-1e9, -1e200]
    assert float(special.normal_loss(special.inverse_normal_loss(5e-324))) < 1e-320
    assert special.inverse_normal_loss(np.zeros(0)).shape == (0,)
