"""The newsvendor: against enumeration, a numerical minimiser and simulation, for every family."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from scipy import integrate, optimize, stats  # noqa: TID251 - the oracle
from tests.stats import exact

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
    newsvendor,
    newsvendor_cost,
    simulate_demand,
)

COSTS = st.floats(1e-3, 1e3)
CONTINUOUS = [Normal(mean=50, sd=8), Gamma(mean=50, sd=8), Gamma(mean=50, sd=90), LogNormal(mean=50, sd=30)]
COUNTED = [
    Poisson(mean=0.3),
    Poisson(mean=17),
    NegativeBinomial(mean=4, variance=24),
    Discrete(values=[0, 2.5, 4, 9], probabilities=[0.1, 0.4, 0.3, 0.2]),
    Empirical(samples=[3, 3, 1, 0, 12, 7]),
]
FIELDS = ("quantity", "cost", "fractile", "cycle_service", "expected_lost", "expected_leftover", "expected_sales")


@given(st.sampled_from(COUNTED), COSTS, COSTS)
def test_counted_demand_is_enumerated(demand: Demand, overage: float, underage: float) -> None:
    """The cost of every quantity that can be best, from the probabilities alone."""
    support = {4: [0, 2.5, 4, 9], 6: [0, 1, 3, 7, 12]}.get(
        len(getattr(demand, "values", getattr(demand, "samples", ())))
    )
    stocks = np.arange(200.0) if support is None else np.array(support, dtype=float)
    steps = np.arange(600.0) if support is None else stocks
    chances = np.diff(demand.cdf(steps), prepend=0.0)
    gap = stocks[:, None] - steps
    costs = (overage * np.maximum(gap, 0) + underage * np.maximum(-gap, 0)) @ chances
    plan = newsvendor(demand, overage=overage, underage=underage)
    assert plan.cost == pytest.approx(costs.min(), rel=1e-9)
    best = stocks[costs <= costs.min() * (1 + 1e-12)]
    assert plan.quantity in best
    assert plan.method == "exact, smallest optimal quantity"


@settings(max_examples=40)
@given(st.sampled_from(CONTINUOUS), COSTS, COSTS)
def test_no_other_quantity_costs_less(demand: Demand, overage: float, underage: float) -> None:
    plan = newsvendor(demand, overage=overage, underage=underage)
    assert plan.method == "exact"
    others = plan.quantity + demand.variance**0.5 * np.array([-1.0, -0.1, -1e-3, 1e-3, 0.1, 1.0])
    assert np.all(
        newsvendor_cost(others, demand=demand, overage=overage, underage=underage).cost >= plan.cost * (1 - 1e-13)
    )
    found = optimize.minimize_scalar(
        lambda q: newsvendor_cost(q, demand=demand, overage=overage, underage=underage).cost,
        bracket=(others[1], others[4]),
        tol=1e-12,
    )
    assert plan.cost == pytest.approx(found.fun, rel=1e-9)


@pytest.mark.parametrize(
    ("demand", "density"),
    [
        (Normal(mean=50, sd=8), stats.norm(50, 8)),
        (Gamma(mean=50, sd=25), stats.gamma(4, scale=12.5)),
        (LogNormal(mean=50, sd=30), stats.lognorm(math.sqrt(math.log(1.36)), scale=50 / math.sqrt(1.36))),
    ],
)
def test_the_cost_is_the_integral_of_what_happens(demand: Demand, density: Any) -> None:
    plan = newsvendor_cost(61.0, demand=demand, overage=2.0, underage=5.0)
    left = integrate.quad(lambda d: (61 - d) * density.pdf(d), max(0, 50 - 400), 61, epsabs=1e-12)[0]
    lost = integrate.quad(lambda d: (d - 61) * density.pdf(d), 61, 3000, epsabs=1e-12, limit=500, points=[80, 150])[0]
    assert plan.expected_leftover == pytest.approx(left, rel=1e-8)
    assert plan.expected_lost == pytest.approx(lost, rel=1e-8)
    assert plan.cost == pytest.approx(2 * left + 5 * lost, rel=1e-8)
    assert plan.method == "given quantity"


@pytest.mark.parametrize("demand", [*CONTINUOUS, *COUNTED])
def test_a_simulated_season_costs_what_is_expected(demand: Demand) -> None:
    draws = simulate_demand(demand, periods=10_000, rng=6)
    plan = newsvendor(demand, overage=1.0, underage=3.0)
    sold, left = np.minimum(draws, plan.quantity), np.maximum(plan.quantity - draws, 0)
    cost = left + 3.0 * np.maximum(draws - plan.quantity, 0)
    for seen, told in ((sold, plan.expected_sales), (left, plan.expected_leftover), (cost, plan.cost)):
        assert abs(seen.mean() - told) <= 5 * seen.std() / 100 + 1e-12
    assert abs((draws <= plan.quantity).mean() - plan.cycle_service) <= 5 * 0.5 / 100


@given(st.sampled_from([*CONTINUOUS, *COUNTED]), COSTS, COSTS)
def test_the_parts_add_up(demand: Demand, overage: float, underage: float) -> None:
    plan = newsvendor(demand, overage=overage, underage=underage)
    assert plan.cost == pytest.approx(overage * plan.expected_leftover + underage * plan.expected_lost, rel=1e-13)
    assert plan.expected_sales + plan.expected_lost == pytest.approx(demand.mean, rel=1e-10)
    assert plan.expected_sales + plan.expected_leftover == pytest.approx(plan.quantity, rel=1e-12, abs=1e-12)
    assert plan.fractile == pytest.approx(underage / (underage + overage), rel=1e-14)
    assert plan.cycle_service >= plan.fractile * (1 - 1e-11)
    same = newsvendor_cost(plan.quantity, demand=demand, overage=overage, underage=underage)
    for field in FIELDS:
        assert getattr(same, field) == pytest.approx(getattr(plan, field), rel=1e-9, abs=1e-300)


@given(st.sampled_from([*CONTINUOUS, *COUNTED]), COSTS, COSTS, st.floats(1.01, 10))
def test_a_dearer_shortage_orders_more(demand: Demand, overage: float, underage: float, ratio: float) -> None:
    less = newsvendor(demand, overage=overage, underage=underage).quantity
    assert newsvendor(demand, overage=overage, underage=underage * ratio).quantity >= less
    assert newsvendor(demand, overage=overage * ratio, underage=underage).quantity <= less


@given(st.sampled_from([*CONTINUOUS, *COUNTED]), COSTS, COSTS, st.integers(-20, 20))
def test_the_currency_does_not_matter(demand: Demand, overage: float, underage: float, power: int) -> None:
    rate = 2.0**power
    one = newsvendor(demand, overage=overage, underage=underage)
    other = newsvendor(demand, overage=overage * rate, underage=underage * rate)
    assert (other.quantity, other.cost) == (one.quantity, one.cost * rate)


@given(st.floats(-300, 300).map(lambda power: 10.0**power))
def test_extreme_fractiles_keep_their_digits(ratio: float) -> None:
    """The cost of the normal newsvendor is (co + cu) sd pdf(z), in 50 digits, from a fractile of 1e-300 to its mirror."""
    plan = newsvendor(Normal(mean=0.0, sd=1.0), overage=1.0, underage=ratio)
    with mpmath.workdps(60):
        tail = 1 / (1 + mpf(ratio)) if ratio > 1 else mpf(ratio) / (1 + mpf(ratio))
        z = mpf(-abs(plan.quantity))
        for _ in range(3):
            z -= (exact.upper(-z) - tail) / exact.density(z)
        cost = (1 + mpf(ratio)) * exact.density(z)
    assert abs(plan.quantity) == pytest.approx(float(-z), rel=1e-12, abs=1e-14)
    assert plan.cost == pytest.approx(float(cost), rel=1e-11)


def test_a_tie_takes_the_smaller_quantity() -> None:
    """Overage 1 and underage F / (1 - F) at a step of F: k and k + 1 cost the same."""
    demand = Poisson(mean=6.0)
    for k in range(3, 12):
        covered, open_ = demand.cdf(k), demand.sf(k)
        plan = newsvendor(demand, overage=open_, underage=covered)
        more = newsvendor_cost(k + 1.0, demand=demand, overage=open_, underage=covered)
        assert plan.quantity == k
        assert plan.cost == pytest.approx(more.cost, rel=1e-12)


def test_known_demand_is_ordered_as_it_is() -> None:
    plan = newsvendor(Normal(mean=[50.0, 50.0], sd=[0.0, 8.0]), overage=1.0, underage=4.0)
    assert [getattr(plan, field)[0] for field in FIELDS] == [50.0, 0.0, 0.8, 1.0, 0.0, 0.0, 50.0]
    assert plan.cycle_service[1] == pytest.approx(0.8)
    for demand in (Gamma(mean=5, sd=0), LogNormal(mean=5, sd=0), Discrete(values=[5], probabilities=[1.0])):
        sure = newsvendor(demand, overage=1.0, underage=4.0)
        assert (sure.quantity, sure.cost, sure.cycle_service) == (5.0, 0.0, 1.0)
    assert newsvendor(Poisson(mean=0), overage=1.0, underage=9.0).quantity == 0.0


def test_hardly_any_margin_can_order_less_than_nothing() -> None:
    """Normal demand with a large spread: the quantity is not clipped, as the docstring says."""
    assert newsvendor(Normal(mean=10, sd=20), overage=9.0, underage=1.0).quantity < 0


@pytest.mark.parametrize("family", ["Normal", "Gamma", "LogNormal", "Poisson", "NegativeBinomial"])
def test_one_call_is_as_many_calls_as_there_are_items(family: str) -> None:
    rng = np.random.default_rng(2)
    mean, cv = rng.uniform(0.1, 300, 200), rng.uniform(0.05, 2, 200)
    overage, underage = rng.uniform(0.1, 2, 200), rng.uniform(0.1, 20, 200)
    build: dict[str, Any] = {
        "Normal": lambda rows: Normal(mean=mean[rows], sd=(cv * mean)[rows]),
        "Gamma": lambda rows: Gamma(mean=mean[rows], sd=(cv * mean)[rows]),
        "LogNormal": lambda rows: LogNormal(mean=mean[rows], sd=(cv * mean)[rows]),
        "Poisson": lambda rows: Poisson(mean=mean[rows]),
        "NegativeBinomial": lambda rows: NegativeBinomial(mean=mean[rows], variance=(mean * (1 + cv))[rows]),
    }
    plan = newsvendor(build[family](slice(None)), overage=overage, underage=underage)
    for row in range(0, 200, 9):
        one = newsvendor(build[family](row), overage=overage[row], underage=underage[row])
        for field in FIELDS:
            assert isinstance(getattr(one, field), float)
            assert getattr(plan, field)[row] == getattr(one, field)


def test_more_than_one_block_of_items_changes_nothing() -> None:
    """Normal plans are made in blocks: 50,000 items against the same items in ten calls."""
    rng = np.random.default_rng(3)
    mean, cost = rng.uniform(1, 9, 50_000), rng.uniform(1, 9, 50_000)
    whole = newsvendor(Normal(mean=mean, sd=2.0), overage=cost, underage=3.0)
    parts = [
        newsvendor(Normal(mean=m, sd=2.0), overage=c, underage=3.0)
        for m, c in zip(np.split(mean, 10), np.split(cost, 10), strict=True)
    ]
    for field in FIELDS:
        assert getattr(whole, field).tolist() == np.concatenate([getattr(part, field) for part in parts]).tolist()


def test_costs_of_nothing_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        newsvendor(Poisson(mean=6), overage=0, underage=4)
    assert str(caught.value) == "newsvendor: overage must be > 0, got 0.0"
    with pytest.raises(InputError) as caught:
        newsvendor_cost([1, 2], demand=Poisson(mean=6), overage=1, underage=[4, -1])
    assert str(caught.value) == "newsvendor_cost: underage must be > 0, got -1.0 at index 1"
    with pytest.raises(InputError) as caught:
        newsvendor(Normal(mean=[1, 2, 3], sd=1), overage=[1, 2], underage=1)
    assert str(caught.value).startswith("newsvendor: shapes must broadcast")
