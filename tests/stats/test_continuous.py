"""Normal, gamma and lognormal demand against 50 digits, from tiny to huge spreads and out to where floats end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle
from tests.stats import exact

from ecomops.core import InputError
from ecomops.inventory import Gamma, LeadTime, LogNormal, Normal
from ecomops.stats.distributions import signed_ndtri

BAR = 1e-10
Z = (-37, -20, -9, -5.1, -4.9, -2.6, -2.4, -1, -0.1, 0, 1e-6, 0.3, 1, 2.4, 2.6, 4.9, 5.1, 9.9, 10.1, 20, 37)
SPREADS = (1e-8, 1e-5, 1e-3, 0.01, 0.1, 0.29, 0.31, 1.0, 3.0, 30.0, 1e4, 1e30, 1e70)
SKEWED = {"Gamma": Gamma, "LogNormal": LogNormal}


def gaps(demand: Any, x: float, expected: dict[str, float]) -> dict[str, float]:
    return {name: exact.relative_gap(getattr(demand, name)(x), value) for name, value in expected.items()}


def levels(mean: float, sd: float) -> list[float]:
    """Levels around the mean in standard deviations, and far above and below it in ratios."""
    near = [mean + z * sd for z in Z]
    ratios = [mean * 10.0**power for power in (-12, -3, -1, 0.3, 1, 3, 12)]
    # Further out there is nothing left: 0 for us, and 50 digits of nearly nothing for the oracle.
    return sorted(x for x in near + ratios if x > 0 and (sd > 0.05 * mean or abs(x - mean) < 45 * sd))


@pytest.mark.parametrize(
    ("mean", "sd"), [(0.0, 1.0), (50.0, 8.0), (1e6, 1.0), (1e-6, 1e3), (-3.0, 1e-8), (1e12, 1e5), (1.0, 1e-3)]
)
def test_normal_keeps_its_digits_to_z_of_37(mean: float, sd: float) -> None:
    for z in Z:
        x = mean + z * sd
        expected = {name: kernel(x, mean, sd) for name, kernel in exact.KERNELS["Normal"].items()}
        assert max(gaps(Normal(mean=mean, sd=sd), x, expected).values()) < 1e-12


@pytest.mark.parametrize("spread", SPREADS)
def test_lognormal_keeps_its_digits(spread: float) -> None:
    for mean in (1.0, 3.7e-5):
        for x in levels(mean, mean * spread):
            expected = {name: kernel(x, mean, mean * spread) for name, kernel in exact.KERNELS["LogNormal"].items()}
            assert max(gaps(LogNormal(mean=mean, sd=mean * spread), x, expected).values()) < BAR


@pytest.mark.parametrize("spread", [spread for spread in SPREADS if 0.01 <= spread <= 30])
def test_gamma_keeps_its_digits(spread: float) -> None:
    mean = 3.7
    for x in levels(mean, mean * spread)[::3]:
        expected = exact.gamma_answers(x, mean, mean * spread)
        assert max(gaps(Gamma(mean=mean, sd=mean * spread), x, expected).values()) < BAR


@pytest.mark.parametrize("spread", [3.3e-3, 3.1e-3, 1e-6])
def test_gamma_of_a_tiny_spread_keeps_its_digits(spread: float) -> None:
    """Around the shape of 1e5 where the uniform expansion begins, and far above it."""
    mean = 3.7
    for z in (-9, 30) if spread == 3.1e-3 else (-37, 2.4):
        x = mean * (1 + z * spread)
        expected = exact.gamma_answers(x, mean, mean * spread)
        assert max(gaps(Gamma(mean=mean, sd=mean * spread), x, expected).values()) < 1e-11


@pytest.mark.parametrize(("x", "mean", "sd"), [(10, 6, 4), (2, 6, 4), (0.1, 6, 40)])
def test_two_oracles_agree_on_gamma(x: float, mean: float, sd: float) -> None:
    for name, value in exact.gamma_answers(x, mean, sd).items():
        assert exact.relative_gap(value, exact.KERNELS["Gamma"][name](x, mean, sd)) < 1e-14


def test_numerical_and_closed_gamma_tails_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = exact.gamma_answers(4.7, 5, 0.05)
    monkeypatch.setattr(exact, "LONG_GAMMA", 1)
    for name, value in exact.gamma_answers(4.7, 5, 0.05).items():
        assert exact.relative_gap(value, closed[name]) < 1e-14


@pytest.mark.parametrize("spread", [1e-6, 1e-4, 3e-3, 0.01, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("kind", ["Normal", "Gamma", "LogNormal"])
def test_a_quantile_has_its_probability_in_50_digits(kind: str, spread: float) -> None:
    mean = 7.0
    demand = {**SKEWED, "Normal": Normal}[kind](mean=mean, sd=mean * spread)
    for tail in (1e-250, 1e-30, 1e-10, 1e-3, 0.2, 0.5):
        low, high = float(demand._quantile(tail, 1.0 - tail)), float(demand._quantile(1.0 - tail, tail))
        if low > 1e-290:
            assert demand.cdf(low * (1 + 1e-10)) >= tail >= demand.cdf(low * (1 - 1e-10))
        assert demand.sf(high * (1 - 1e-10)) >= tail >= demand.sf(high * (1 + 1e-10))


@pytest.mark.parametrize("probability", [1e-9, 0.01, 0.3, 0.5, 0.8, 0.999])
def test_quantiles_agree_with_another_library(probability: float) -> None:
    mean, sd = 20.0, 9.0
    spread = math.sqrt(math.log1p((sd / mean) ** 2))
    others = {
        Normal: stats.norm(mean, sd),
        Gamma: stats.gamma((mean / sd) ** 2, scale=sd * sd / mean),
        LogNormal: stats.lognorm(spread, scale=mean * math.exp(-spread * spread / 2)),
    }
    for family, other in others.items():
        assert family(mean=mean, sd=sd).quantile(probability) == pytest.approx(other.ppf(probability), rel=1e-11)


@given(st.floats(1e-300, 0.5))
def test_the_normal_quantile_is_odd(tail: float) -> None:
    assert signed_ndtri(tail, 1.0) == -signed_ndtri(1.0, tail)


@pytest.mark.parametrize("family", [Normal, Gamma, LogNormal])
def test_demand_without_spread_is_a_point(family: Any) -> None:
    known = family(mean=[5.0, 0.0], sd=[0.0, 0.0])
    assert known.cdf([5.0, 0.0]).tolist() == [1.0, 1.0]
    assert known.sf([5.0, 0.0]).tolist() == [0.0, 0.0]
    assert known.cdf([4.9, -0.1]).tolist() == [0.0, 0.0]
    assert known.sf([4.9, -0.1]).tolist() == [1.0, 1.0]
    assert known.quantile(0.01).tolist() == [5.0, 0.0]
    assert known.loss([3.0, -2.0]).tolist() == [2.0, 2.0]
    assert known.complementary_loss([7.0, 2.0]).tolist() == [2.0, 2.0]
    assert known.second_loss([3.0, 1.0]).tolist() == [2.0, 0.0]


@pytest.mark.parametrize("family", [Gamma, LogNormal])
def test_skewed_demand_is_never_negative(family: Any) -> None:
    demand = family(mean=6.0, sd=4.0)
    assert demand.cdf([-1.0, 0.0]).tolist() == [0.0, 0.0]
    assert demand.sf([-1.0, 0.0]).tolist() == [1.0, 1.0]
    assert demand.loss(-1.0) == 7.0
    assert demand.complementary_loss(-1.0) == 0.0
    assert demand.second_loss(-1.0) == pytest.approx((16.0 + 49.0) / 2, rel=1e-15)
    assert demand.second_loss(0.0) == pytest.approx((16.0 + 36.0) / 2, rel=1e-15)


def test_levels_far_outside_leave_no_trace() -> None:
    """Where z would overflow the tails are exactly 0 and 1."""
    demand = Normal(mean=0.0, sd=1e-300)
    assert demand.loss([-1e300, 1e300]).tolist() == [1e300, 0.0]
    assert demand.cdf([-1e300, 1e300]).tolist() == [0.0, 1.0]


def test_from_log_inverts_the_moments() -> None:
    demand = LogNormal.from_log([6.0, -2.0], log_sd=[0.3, 2.0])
    spread = np.sqrt(np.log1p(np.square(demand.sd / demand.mean)))
    np.testing.assert_allclose(spread, [0.3, 2.0], rtol=1e-14)
    np.testing.assert_allclose(np.log(demand.mean) - spread**2 / 2, [6.0, -2.0], rtol=1e-14)


@pytest.mark.parametrize("family", [Normal, Gamma, LogNormal])
def test_demand_over_a_lead_time_has_the_moments_of_a_random_sum(family: Any) -> None:
    """E[N] var(D) + mean^2 var(N) for a number of periods N that is 2 or 6 with equal chances."""
    exposed = family(mean=10.0, sd=3.0).over(LeadTime(mean=4, sd=2, review_period=1))
    assert exposed.kind == family.__name__
    assert exposed.mean == 50.0
    assert exposed.variance == pytest.approx(5 * 9 + 100 * 4, rel=1e-15)


@pytest.mark.parametrize("family", [Gamma, LogNormal])
def test_spread_without_a_mean_is_refused(family: Any) -> None:
    with pytest.raises(InputError) as caught:
        family(mean=[1.0, 0.0], sd=[1.0, 2.0])
    assert str(caught.value) == f"{family.__name__}: sd must be 0 where mean is 0, got 2.0 at index 1"


def test_negative_moments_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        Normal(mean=1.0, sd=[1.0, -1.0])
    assert str(caught.value) == "Normal: sd must be >= 0, got -1.0 at index 1"
    with pytest.raises(InputError) as caught:
        Gamma(mean=-1.0, sd=0.0)
    assert str(caught.value) == "Gamma: mean must be >= 0, got -1.0"


@pytest.mark.parametrize("family", [Gamma, LogNormal])
def test_a_spread_below_all_digits_is_none(family: Any) -> None:
    """Nor do levels and spreads far from any use overflow on the way to an answer that exists."""
    for sd in (1e-250, 1e-130, 1e-90):
        demand = family(mean=1.0, sd=sd)
        assert demand.loss([0.25, 1.0, 4.0]) == pytest.approx([0.75, 0.0, 0.0], abs=1e-80)
        assert demand.complementary_loss([0.25, 1.0, 4.0]) == pytest.approx([0.0, 0.0, 3.0], abs=1e-80)
        assert demand.quantile(0.9) == pytest.approx(1.0, rel=1e-15)
    assert family(mean=1.0, sd=0.1).loss(1e250) == 0.0
    assert family(mean=1.0, sd=0.1).cdf(1e-250) == 0.0
    for level in (5e-324, 1e-310, 1e-290):
        for sd in (0.3, 1.0, 20.0):
            demand = family(mean=1.0, sd=sd)
            assert demand.loss(level) == 1.0
            assert 0.0 <= demand.complementary_loss(level) <= level
            assert demand.second_loss(level) == pytest.approx((1 + sd * sd) / 2)
