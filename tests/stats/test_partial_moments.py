"""The kernels behind gamma, Poisson and negative binomial losses, against their definitions as integrals and sums."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf
from tests.stats import exact

from ecomops.stats import partial_moments as pm

CASES = [(0.3, 2.0), (0.3, 9.0), (1.0, 0.2), (4.0, 3.9), (4.0, 30.0), (60.0, 30.0), (60.0, 61.0), (60.0, 140.0)]


def as_integral(shape: float, x: float, order: int, *, lower: bool) -> float:
    """Integrate the density against |x - g|^order / order!, as the definition says."""
    with mpmath.workdps(30):
        a, level = mpf(shape), mpf(x)

        def part(g: Any) -> Any:
            weight = abs(level - g) ** order / mpmath.factorial(order)
            return weight * mpmath.exp((a - 1) * mpmath.log(g) - g - mpmath.loggamma(a)) if g else mpf(0)

        edges = [0, level / 8, level / 2, level] if lower else [level + step for step in (0, 1, 4, 16, 64, 256, 1024)]
        return float(mpmath.quad(part, edges))


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize(("shape", "x"), CASES)
def test_gamma_moments_are_their_integrals(shape: float, x: float, order: int) -> None:
    a, level = np.array([shape]), np.array([x])
    above = as_integral(shape, x, order, lower=False)
    assert pm.upper_gamma(a, level, order)[0] == pytest.approx(above, rel=1e-12)
    if shape >= 1:  # the quadrature cannot see the pole of the density at 0
        below = as_integral(shape, x, order, lower=True)
        assert pm.lower_gamma(a, level, order)[0] == pytest.approx(below, rel=1e-12)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize(
    ("k", "size", "p"), [(1, 0.4, 0.3), (3, 2.5, 0.9), (9, 2.5, 0.9), (40, 7.0, 0.2), (150, 7.0, 0.2)]
)
def test_upper_moments_of_the_negative_binomial_are_their_sums(k: int, size: float, p: float, order: int) -> None:
    with mpmath.workdps(40):
        r, a, b = mpf(size), mpf(p), 1 - mpf(p)
        first = mpmath.gamma(r + k) / mpmath.gamma(r) / mpmath.factorial(k) * a**r * b**k
        total, term = mpf(0), first
        for step in range(1500):
            total += mpmath.binomial(step, order) * term
            term *= b * (r + k + step) / (k + step + 1)
    found = pm.upper_negative_binomial(*(np.array([value]) for value in (float(k), size, p, 1 - p)), order)
    assert found[0] == pytest.approx(float(total), rel=1e-12)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    ("k", "size", "p"), [(1, 0.4, 0.3), (3, 2.5, 0.9), (9, 2.5, 0.2), (40, 7.0, 0.05), (3, 60.0, 0.4)]
)
def test_lower_moments_of_the_negative_binomial_are_their_sums(k: int, size: float, p: float, order: int) -> None:
    with mpmath.workdps(40):
        r, a, b = mpf(size), mpf(p), 1 - mpf(p)
        total, term = mpf(0), a**r
        for j in range(k):
            total += (k - j) ** order * term
            term *= b * (r + j) / (j + 1)
    found = pm.lower_negative_binomial(*(np.array([value]) for value in (float(k), size, p, 1 - p)), order)
    assert found[0] == pytest.approx(float(total), rel=1e-12)


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4))
def test_both_sides_of_a_gamma_make_the_whole(shape: float, x: float) -> None:
    a, level = np.array([shape]), np.array([x])
    sides = [(pm.lower_gamma(a, level, n)[0], pm.upper_gamma(a, level, n)[0]) for n in range(3)]
    assert sum(sides[0]) == pytest.approx(1.0, rel=1e-13)
    assert sides[0 + 1][1] - sides[1][0] == pytest.approx(shape - x, rel=1e-11, abs=1e-12 * (shape + x))
    assert sum(sides[2]) == pytest.approx((shape + (shape - x) ** 2) / 2, rel=1e-11)


@given(st.floats(1e-3, 1e4), st.floats(1e-6, 0.999), st.floats(1e-3, 1e3))
def test_the_two_sides_of_a_negative_binomial_differ_by_the_gap(size: float, p: float, ratio: float) -> None:
    mean = size * (1 - p) / p
    k = math.floor(mean * ratio) + 1.0
    flat = [np.array([value]) for value in (k, size, p, 1 - p)]
    zero = pm.upper_negative_binomial(*flat, 0)[0] + pm.lower_negative_binomial(*flat, 0)[0]
    once = pm.upper_negative_binomial(*flat, 1)[0] - pm.lower_negative_binomial(*flat, 1)[0]
    assert zero == pytest.approx(1.0, rel=1e-12)
    assert once == pytest.approx(mean - k, rel=1e-9, abs=1e-11 * (mean + k))


def test_the_uniform_expansion_meets_the_series_where_it_takes_over() -> None:
    """Just below and just above the shape where the method changes, tails out to 37 sd move on smoothly."""
    z = np.linspace(-30, 37, 68)
    for kernel in (pm.lower_gamma, pm.upper_gamma):
        below, above = (
            kernel(np.full(z.shape, a), a + z * math.sqrt(a), 0)
            for a in (math.nextafter(pm.LARGE_SHAPE, 0.0), pm.LARGE_SHAPE)
        )
        np.testing.assert_allclose(above, below, rtol=2e-11)


@pytest.mark.parametrize(("shape", "z"), [(1e5, -20.0), (1e7, -9.0), (1e7, 30.0), (1e12, 1.5)])
def test_large_shapes_hold_in_50_digits(shape: float, z: float) -> None:
    x = shape + z * math.sqrt(shape)
    with mpmath.workdps(60):
        lower, upper = exact.gamma_tails(mpf(shape), mpf(x))
    a, level = np.array([shape]), np.array([x])
    assert exact.relative_gap(pm.lower_gamma(a, level, 0)[0], float(lower)) < 1e-12
    assert exact.relative_gap(pm.upper_gamma(a, level, 0)[0], float(upper)) < 1e-12


def test_a_gap_with_more_digits_is_used() -> None:
    """At a shape of 1e18 the numbers themselves no longer hold half a standard deviation's digits."""
    a = np.array([1e18])
    gap = np.array([5e8 + 0.25])
    tail = pm.upper_gamma(a, a + gap, 0, gap)[0]
    assert tail == pytest.approx(float(mpmath.erfc((mpf(5e8) + 0.25) / mpmath.sqrt(2 * mpf(1e18)))) / 2, rel=1e-8)


@given(st.floats(5, 15).map(lambda power: 10.0**power), st.floats(-290, -0.302).map(lambda power: 10.0**power))
def test_quantiles_of_large_shapes_invert_the_tails(shape: float, tail: float) -> None:
    a = np.array([shape])
    low = pm.large_gamma_quantile(a, np.array([tail]), np.array([1 - tail]))
    high = pm.large_gamma_quantile(a, np.array([1 - tail]), np.array([tail]))
    assert pm.lower_gamma(a, a + low, 0, low)[0] == pytest.approx(tail, rel=1e-9)
    assert pm.upper_gamma(a, a + high, 0, high)[0] == pytest.approx(tail, rel=1e-9)
    assert low[0] < high[0]


def test_nothing_lies_below_zero() -> None:
    a, zero = np.array([1e5, 2.0, 0.5]), np.zeros(3)
    for order in range(3):
        assert pm.lower_gamma(a, zero, order).tolist() == [0.0, 0.0, 0.0]
    assert pm.upper_gamma(a, zero, 0).tolist() == [1.0, 1.0, 1.0]
    np.testing.assert_allclose(pm.upper_gamma(a, zero, 1), a, rtol=1e-14)
    np.testing.assert_allclose(pm.upper_gamma(a, zero, 2), a * (a + 1) / 2, rtol=1e-14)
