"""Simulated demand: the right law, one seed one path, and the shapes that the docstring promises."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.inventory import (
    Demand,
    Discrete,
    Empirical,
    Gamma,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    simulate_demand,
)

LAWS = [
    Normal(mean=50, sd=8),
    Gamma(mean=50, sd=60),
    LogNormal(mean=50, sd=30),
    Poisson(mean=3),
    NegativeBinomial(mean=4, variance=24),
    Discrete(values=[0, 2.5, 9], probabilities=[0.5, 0.3, 0.2]),
    Empirical(samples=[0, 0, 4, 1]),
]


@pytest.mark.parametrize("demand", LAWS)
def test_draws_follow_the_law(demand: Demand) -> None:
    """Mean, variance and every step of the distribution within five standard errors."""
    draws, n = simulate_demand(demand, periods=20_000, rng=11), 20_000
    assert abs(draws.mean() - demand.mean) < 5 * math.sqrt(demand.variance / n)
    fourth = ((draws - demand.mean) ** 4).mean()
    assert abs(draws.var() - demand.variance) < 5 * math.sqrt(fourth / n)
    for level in np.quantile(draws, [0.05, 0.3, 0.5, 0.8, 0.99]):
        covered = demand.cdf(level)
        assert abs((draws <= level).mean() - covered) < 5 * 0.5 / math.sqrt(n)


def test_draws_agree_with_another_library_as_a_sample() -> None:
    """Kolmogorov-Smirnov against the law of scipy, which took no part in drawing."""
    draws = simulate_demand(Gamma(mean=6, sd=18**0.5), periods=5000, rng=2)
    assert stats.kstest(draws, stats.gamma(2, scale=3).cdf).pvalue > 1e-4
    assert stats.kstest(draws, stats.gamma(2.2, scale=3).cdf).pvalue < 1e-4


def test_periods_are_independent() -> None:
    draws = simulate_demand(Poisson(mean=3), periods=20_000, rng=5)
    centred = draws - draws.mean()
    for lag in (1, 2, 7):
        correlation = (centred[lag:] * centred[:-lag]).mean() / draws.var()
        assert abs(correlation) < 5 / math.sqrt(20_000)


@pytest.mark.parametrize("demand", LAWS)
def test_one_seed_is_one_path(demand: Demand) -> None:
    again = [simulate_demand(demand, periods=30, rng=7).tolist() for _ in range(2)]
    assert again[0] == again[1]
    assert simulate_demand(demand, periods=30, rng=8).tolist() != again[0]
    assert simulate_demand(demand, periods=30, rng=np.random.default_rng(7)).tolist() == again[0]


def test_one_seed_gives_comparable_paths() -> None:
    """Drawn by inversion: a larger mean gives a larger demand in each single period."""
    low, high = (simulate_demand(Poisson(mean=mean), periods=200, rng=1) for mean in (3, 5))
    assert np.all(high >= low)
    assert np.any(high > low)


def test_items_are_columns() -> None:
    batch = simulate_demand(Normal(mean=[0.0, 1000.0], sd=[1.0, 2.0]), periods=500, rng=1)
    assert batch.shape == (500, 2)
    assert batch.mean(axis=0) == pytest.approx([0.0, 1000.0], abs=0.5)
    assert abs(np.corrcoef(batch.T)[0, 1]) < 0.2
    chances = [[0.5, 0.5], [0.1, 0.9]]
    table = simulate_demand(Discrete(values=[[0, 1], [5, 6]], probabilities=chances), periods=400, rng=1)
    assert table.shape == (400, 2)
    assert set(table[:, 0]) == {0.0, 1.0}
    assert table[:, 1].mean() == pytest.approx(5.9, abs=0.1)
    seen = simulate_demand(Empirical(samples=[[1, 1], [2, 3]]), periods=9, rng=1)
    assert set(seen[:, 0]) == {1.0}


def test_no_items_draw_nothing() -> None:
    assert simulate_demand(Normal(mean=np.zeros(0), sd=1.0), periods=3, rng=1).shape == (3, 0)


class Edge:
    """A generator that returns the end of its range."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self, shape: Any) -> Any:
        return np.full(shape, self.value)


@pytest.mark.parametrize("value", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_the_range_give_a_finite_demand(value: float) -> None:
    """A uniform draw may be exactly 0; no demand is infinite for that."""
    kernel = simulate_demand.__wrapped__
    for demand in LAWS:
        assert np.all(np.isfinite(kernel(demand, periods=2, rng=Edge(value))))


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        simulate_demand(Poisson(mean=1), periods=0, rng=1)
    assert str(caught.value) == "simulate_demand: periods must be >= 1, got 0"
    with pytest.raises(InputError) as caught:
        simulate_demand(Poisson(mean=1), periods=3, rng=-1)
    assert str(caught.value).startswith("simulate_demand: rng ")
