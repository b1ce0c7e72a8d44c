"""Poisson and negative binomial demand against sums and 50 digits, with means from a millionth to a hundred million."""

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
from ecomops.inventory import LeadTime, NegativeBinomial, Normal, Poisson

BAR = 1e-10
# Variance over mean, less 1: from just above the Poisson limit to a few buyers who take thousands.
EXCESS = (1e-8, 1e-3, 0.1, 1.0, 30.0, 1e4, 1e10)


def gaps(demand: Any, x: float, expected: dict[str, float]) -> float:
    return max(exact.relative_gap(getattr(demand, name)(x), value) for name, value in expected.items())


def levels(mean: float, variance: float) -> list[float]:
    """Whole and broken levels, from zero to far beyond the mean."""
    near = [mean + z * math.sqrt(variance) for z in (-30, -2.5, -0.1, 0.4, 2.4, 6, 30)]
    return sorted({x for x in (0.0, 0.5, 1.0, 3.0, *near, *map(math.floor, near)) if x >= 0})


@pytest.mark.parametrize("mean", [1e-9, 1e-3, 0.3, 5.5, 100, 999, 2500])
def test_poisson_keeps_its_digits(mean: float) -> None:
    demand = Poisson(mean=mean)
    for x in levels(mean, mean):
        assert gaps(demand, x, exact.poisson_answers(x, mean)) < 2e-11


@pytest.mark.parametrize("z", [-37, -9, 10])
def test_poisson_of_a_huge_mean_keeps_its_digits(z: float) -> None:
    mean = 1e8
    x = mean + z * math.sqrt(mean)
    assert gaps(Poisson(mean=mean), x, exact.poisson_answers(x, mean)) < 1e-11


@pytest.mark.parametrize("excess", EXCESS)
@pytest.mark.parametrize("mean", [1e-6, 0.7, 30.0])
def test_negative_binomial_keeps_its_digits(mean: float, excess: float) -> None:
    variance = mean * (1 + excess)
    demand = NegativeBinomial(mean=mean, variance=variance)
    for x in levels(mean, variance)[::2]:
        assert gaps(demand, x, exact.binomial_answers(x, mean, variance)) < BAR


@pytest.mark.parametrize(("mean", "excess"), [(400.0, 1.0), (1e4, 100.0), (1e6, 0.5)])
def test_negative_binomial_of_a_large_mean_keeps_its_digits(mean: float, excess: float) -> None:
    variance = mean * (1 + excess)
    demand = NegativeBinomial(mean=mean, variance=variance)
    for z in (-30, 2.4):
        x = max(mean + z * math.sqrt(variance), 1.0)
        assert gaps(demand, x, exact.binomial_answers(x, mean, variance)) < BAR


@pytest.mark.parametrize(("x", "mean", "variance"), [(0, 0.4, 0.5), (3.5, 4, 24), (12, 4, 4.01), (40, 30, 60)])
def test_sums_and_closed_forms_agree(x: float, mean: float, variance: float) -> None:
    """The oracle of the grids against adding up term by term."""
    for kind, given_, answers in (
        ("Poisson", (mean,), exact.poisson_answers(x, mean)),
        ("NegativeBinomial", (mean, variance), exact.binomial_answers(x, mean, variance)),
    ):
        for name, value in answers.items():
            assert exact.relative_gap(value, exact.KERNELS[kind][name](x, *given_)) < 1e-14


def test_numerical_and_closed_beta_tails_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = exact.binomial_answers(80.0, 60.0, 90.0)
    monkeypatch.setattr(exact, "LONG_BETA", 3)
    for name, value in exact.binomial_answers(80.0, 60.0, 90.0).items():
        assert exact.relative_gap(value, closed[name]) < 1e-14


@pytest.mark.parametrize("mean", [0.01, 0.9, 3.0, 17.5, 250.0])
def test_every_poisson_quantile_agrees_with_another_library(mean: float) -> None:
    probability = np.concatenate(
        [np.linspace(0.001, 0.999, 999), 10.0 ** -np.arange(4, 15), 1 - 10.0 ** -np.arange(4, 11)]
    )
    found = Poisson(mean=mean).quantile(probability)
    assert found.tolist() == stats.poisson(mean).ppf(probability).tolist()


@pytest.mark.parametrize(("mean", "variance"), [(0.01, 5.0), (0.9, 1.0), (3.0, 30.0), (17.5, 20.0), (250.0, 1e5)])
def test_every_negative_binomial_quantile_agrees_with_another_library(mean: float, variance: float) -> None:
    probability = np.concatenate([np.linspace(0.001, 0.999, 999), 1 - 10.0 ** -np.arange(4, 11)])
    found = NegativeBinomial(mean=mean, variance=variance).quantile(probability)
    other = stats.nbinom(mean * mean / (variance - mean), mean / variance)
    assert found.tolist() == other.ppf(probability).tolist()


@given(st.floats(1e-6, 1e9), st.floats(1e-12, 1e3), st.floats(1e-250, 0.5), st.booleans())
def test_a_quantile_is_the_smallest_whole_level_that_covers(
    mean: float, excess: float, tail: float, high: bool
) -> None:
    demand = NegativeBinomial(mean=mean, variance=mean * (1 + excess))
    p, rest = (1.0 - tail, tail) if high else (tail, 1.0 - tail)
    k = float(demand._quantile(p, rest))
    assert k >= 0
    assert k == math.floor(k)
    if high:
        assert demand.sf(k) <= tail * (1 + 1e-11)
        assert k == 0 or demand.sf(k - 1) > tail
    else:
        assert demand.cdf(k) >= tail * (1 - 1e-11)
        assert k == 0 or demand.cdf(k - 1) < tail


def test_a_tie_takes_the_smaller_quantity() -> None:
    """A fractile that is F(k) but for the rounding asks for k, and one visibly above it for k + 1."""
    k = np.arange(60.0)
    for demand in (Poisson(mean=6.0), NegativeBinomial(mean=6.0, variance=20.0)):
        step = demand.cdf(k)
        apart = step < 1 - 1e-13
        for near in (step, np.nextafter(step, 0.0)):
            assert demand.quantile(near[apart]).tolist() == k[apart].tolist()
        low = step < 1 - 1e-3
        assert demand.quantile(step[low] * (1 + 1e-15)).tolist() == k[low].tolist()
        assert demand.quantile(step[low] * (1 + 1e-9)).tolist() == (k[low] + 1).tolist()


@given(st.floats(0.01, 1e5), st.floats(0.0, 60.0))
def test_the_negative_binomial_ends_in_the_poisson_law(mean: float, ratio: float) -> None:
    """Within the stated 1e-9 the two are one; further off they differ by about as much as their variances do."""
    level = mean * ratio
    near = NegativeBinomial(mean=mean, variance=mean * (1 + 5e-10))
    assert near.loss(level) == Poisson(mean=mean).loss(level)
    other = NegativeBinomial(mean=mean, variance=mean * (1 + 1e-7))
    assert other.complementary_loss(mean) == pytest.approx(Poisson(mean=mean).complementary_loss(mean), rel=1e-7)


def test_no_demand_needs_nothing() -> None:
    for demand in (Poisson(mean=[0.0, 2.0]), NegativeBinomial(mean=[0.0, 2.0], variance=[0.0, 3.0])):
        assert demand.quantile(0.99)[0] == 0.0
        assert demand.loss(0.0)[0] == 0.0
        assert demand.complementary_loss(3.0)[0] == 3.0
        assert demand.second_loss(-2.0)[0] == 2.0
        assert demand.second_loss(1.0)[0] == 0.0
        assert demand.cdf(0.0)[0] == 1.0
        assert demand.sf(0.0)[0] == 0.0


def test_negative_stock_is_short_by_itself_and_demand() -> None:
    for demand in (Poisson(mean=2.0), NegativeBinomial(mean=2.0, variance=3.0)):
        assert demand.loss(-1.5) == 3.5
        assert demand.complementary_loss(-1.5) == 0.0
        assert demand.cdf(-0.5) == 0.0
        assert demand.sf(-0.5) == 1.0
        assert demand.second_loss(-1.5) == pytest.approx((demand.variance + 3.5**2) / 2, rel=1e-15)


def test_poisson_demand_stays_poisson_over_a_fixed_time() -> None:
    assert Poisson(mean=[1.0, 6.0]).over(LeadTime(mean=2, review_period=1)) == Poisson(mean=[3.0, 18.0])


def test_poisson_demand_over_an_uncertain_time_is_negative_binomial() -> None:
    """A gamma lead time makes it exactly that: mean 12, variance 12 + 9 var(L)."""
    exposed = Poisson(mean=3.0).over(LeadTime(mean=4, sd=math.sqrt(2)))
    assert exposed.kind == "NegativeBinomial"
    assert exposed.mean == 12.0
    assert exposed.variance == pytest.approx(30.0, rel=1e-15)
    times = stats.gamma(8, scale=0.5).ppf((np.arange(100_000) + 0.5) / 100_000)
    assert exposed.sf(17) == pytest.approx(stats.poisson.sf(17, 3.0 * times).mean(), rel=1e-4)


def test_negative_binomial_demand_adds_up() -> None:
    """Its convolution, term by term, is the law of twice the mean and variance."""
    one = NegativeBinomial(mean=2.0, variance=5.0)
    two = one.over(LeadTime(mean=2))
    pmf = np.diff(one.cdf(np.arange(-1.0, 200.0)))
    np.testing.assert_allclose(np.convolve(pmf, pmf)[:60].cumsum(), two.cdf(np.arange(60.0)), rtol=1e-12)


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        (
            {"mean": 5.0, "variance": [6.0, 4.0]},
            "NegativeBinomial: variance must be >= mean (use Poisson, or Normal, for demand that is less variable), got 4.0 and 5.0 at index 1",
        ),
        ({"mean": 0.0, "variance": 1.0}, "NegativeBinomial: variance must be 0 where mean is 0, got 1.0"),
        ({"mean": -1.0, "variance": 1.0}, "NegativeBinomial: mean must be >= 0, got -1.0"),
    ],
)
def test_moments_that_no_count_has_are_refused(given_: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        NegativeBinomial(**given_)
    assert str(caught.value) == text


def test_large_counts_are_nearly_normal() -> None:
    """The central limit: at a mean of 1e8 loss at z = 1 differs by the skewness term only (1e-4 / 6 and less)."""
    count, limit = Poisson(mean=1e8), Normal(mean=1e8, sd=1e4)
    assert count.loss(1e8 + 1e4) == pytest.approx(limit.loss(1e8 + 1e4), rel=1e-3)
    assert count.loss(1e8 + 1e4) > limit.loss(1e8 + 1e4)
