"""The level that reaches a fill rate: against roots in 50 digits, enumeration and simulated stock-outs."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from tests.stats import exact

from ecomops.core import InputError
from ecomops.inventory import (
    Demand,
    Discrete,
    Empirical,
    FillRate,
    Gamma,
    LeadTime,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
    safety_stock,
    service_achieved,
)
from ecomops.inventory import fill_rate as fill_rate_room

ONE = LeadTime(mean=1)
SEEN = [0, 0, 0, 1, 5, 5, 9, 12]


def level_for(demand: Demand, fraction: Any, quantity: Any, ends: Any = "both", lead_time: LeadTime = ONE) -> Any:
    service = FillRate(fraction=fraction, order_quantity=quantity, ends=ends)
    return safety_stock(demand, lead_time=lead_time, service=service).level


def loss(z: Any) -> Any:
    return exact.density(z) - z * exact.upper(z)


@given(
    st.floats(-15, -0.3).map(lambda power: 10.0**power) | st.floats(0.5, 0.99999),
    st.floats(-9, 3).map(lambda power: 10.0**power),
    st.sampled_from(["one", "both"]),
)
def test_the_normal_factor_solves_its_equation_in_50_digits(fraction: float, width: float, ends: str) -> None:
    """One Newton step in 50 digits from our answer is the distance to the exact root."""
    k = level_for(Normal(mean=0.0, sd=1.0), fraction, width, ends)
    with mpmath.workdps(60):
        z, w = mpf(k), mpf(width)
        carried, fall = (loss(z + w), exact.upper(z + w)) if ends == "both" else (mpf(0), mpf(0))
        slope = exact.upper(z) - fall
        step = (loss(z) - carried - (1 - mpf(fraction)) * w) / slope
        # The step is in standard deviations; k and k + w themselves are only known to 1e-16 of their size.
        bound = mpf("1e-10") + (mpf("1e-15") * w / slope if ends == "one" or fraction > 0.5 else 0)
    assert abs(step) <= bound * (1 + abs(z))


def test_one_step_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search stops after so many steps at the latest, and takes several."""
    answer = level_for(Normal(mean=0.0, sd=1.0), 0.9, 0.1)
    monkeypatch.setattr(fill_rate_room, "STEPS", 1)
    assert abs(level_for(Normal(mean=0.0, sd=1.0), 0.9, 0.1) - answer) > 1e-3


@given(st.floats(0.05, 0.9999), st.floats(0.05, 50), st.floats(1, 1e4), st.floats(0.01, 2), st.integers(-10, 10))
def test_units_do_not_matter(fraction: float, ratio: float, mean: float, cv: float, power: int) -> None:
    unit, sd = 2.0**power, mean * cv
    one = level_for(Normal(mean=mean, sd=sd), fraction, ratio * sd)
    other = level_for(Normal(mean=mean * unit, sd=sd * unit), fraction, ratio * sd * unit)
    assert other == pytest.approx(one * unit, rel=1e-12)


@settings(max_examples=40)
@given(
    st.sampled_from(
        [
            Gamma(mean=20, sd=9),
            Gamma(mean=20, sd=60),
            LogNormal(mean=20, sd=9),
            Discrete(values=[0, 2.5, 7], probabilities=[0.3, 0.5, 0.2]),
            Normal(mean=20, sd=9),
        ]
    ),
    st.floats(0.2, 0.9999),
    st.floats(1, 200),
    st.sampled_from([LeadTime(mean=3), LeadTime(mean=2, sd=1), LeadTime(mean=2, review_period=1)]),
)
def test_the_service_achieved_is_the_service_asked_for(
    demand: Demand, fraction: float, quantity: float, lead_time: LeadTime
) -> None:
    if lead_time.review_period:
        quantity = demand.mean * lead_time.review_period
    level = level_for(demand, fraction, quantity, lead_time=lead_time)
    got = service_achieved(demand, lead_time=lead_time, level=level, order_quantity=quantity)
    assert got.fill_rate == pytest.approx(fraction, abs=1e-10)


@given(
    st.one_of(
        st.floats(0.05, 300).map(lambda mean: Poisson(mean=mean)),
        st.tuples(st.floats(0.05, 100), st.floats(0.01, 100)).map(
            lambda pair: NegativeBinomial(mean=pair[0], variance=pair[0] * (1 + pair[1]))
        ),
        st.lists(st.integers(0, 30), min_size=1, max_size=6).filter(any).map(lambda seen: Empirical(samples=seen)),
    ),
    st.floats(0.05, 0.9999),
    st.integers(1, 60),
    st.sampled_from(["one", "both"]),
)
def test_counted_demand_gets_the_smallest_whole_level(demand: Any, fraction: float, quantity: int, ends: str) -> None:
    level = level_for(demand, fraction, quantity, ends)
    target = (1 - fraction) * quantity

    def short(s: float) -> float:
        return float(demand.loss(s) - (demand.loss(s + quantity) if ends == "both" else 0.0))

    assert level == math.floor(level)
    assert short(level) <= target * (1 + 1e-11)
    assert short(level - 1) > target * (1 - 1e-11)


def test_a_tie_takes_the_smallest_level() -> None:
    """With demand of 0 or 10, half is served from 2 units whatever the level below 8: no stock will do."""
    assert level_for(Empirical(samples=[0, 10]), 0.5, 2.0) == 0.0
    assert level_for(Discrete(values=[0, 10], probabilities=[0.5, 0.5]), 0.5, 2.0) == 0.0
    # The fill rate of each level, with the rounding that it comes with, leads back to the level.
    demand, levels = Poisson(mean=6.0), np.arange(2.0, 16.0)
    for quantity in (3.0, 7.0, 11.0):
        fractions = 1 - (demand.loss(levels) - demand.loss(levels + quantity)) / quantity
        assert level_for(demand, fractions, quantity).tolist() == levels.tolist()


def test_rows_that_mix_whole_and_broken_quantities() -> None:
    """Each row follows its own support: whole levels here, any level there."""
    chances = [0.2, 0.5, 0.3]
    batch = Discrete(values=[[0, 2, 7], [0, 2.5, 7]], probabilities=[chances, chances])
    levels = level_for(batch, 0.93, 3.0)
    singles = [level_for(Discrete(values=v, probabilities=chances), 0.93, 3.0) for v in ([0, 2, 7], [0, 2.5, 7])]
    assert levels == pytest.approx(singles, rel=1e-12)
    assert levels[0] == math.floor(levels[0])
    assert levels[1] != math.floor(levels[1])
    # 2 + 7 with a target that a whole level reaches exactly: the root just below it is not rounded past it.
    exact_level = 5.0
    table = Discrete(values=[0, 2, 7], probabilities=chances)
    fraction = 1 - (table.loss(exact_level) - table.loss(exact_level + 3.0)) / 3.0
    assert level_for(batch, fraction, 3.0)[0] == exact_level


@pytest.mark.parametrize("ends", ["one", "both"])
def test_known_demand_is_short_by_what_may_be_missing(ends: str) -> None:
    """Without spread the level is the mean less (1 - b) Q."""
    for demand in (Normal(mean=[50.0, 50.0], sd=[0.0, 1e-9]), Gamma(mean=[50.0, 50.0], sd=[0.0, 1e-7])):
        levels = level_for(demand, 0.9, 20.0, ends)
        assert levels == pytest.approx([48.0, 48.0], abs=1e-6)


def test_no_demand_needs_no_stock() -> None:
    """Rows without demand stand beside rows with it, in continuous and in periodic review."""
    weekly = LeadTime(mean=2, review_period=1)
    for demand in (Poisson(mean=[0.0, 5.0]), Normal(mean=[0.0, 5.0], sd=[0.0, 2.0]), Gamma(mean=[0, 5], sd=[0, 2])):
        levels = level_for(demand, 0.95, 5.0, lead_time=weekly)
        assert levels[0] == 0.0
        assert levels[1] > 15.0
    assert level_for(Poisson(mean=[0.0, 5.0]), 0.95, 5.0)[0] == 0.0
    assert level_for(Normal(mean=[0.0, 5.0], sd=[0.0, 2.0]), 0.95, 5.0)[0] == pytest.approx(-0.25)


def test_continuous_and_periodic_rows_mix() -> None:
    mixed = LeadTime(mean=2, review_period=[0, 1])
    for demand in (
        Normal(mean=20, sd=6),
        Gamma(mean=20, sd=6),
        Poisson(mean=20),
        NegativeBinomial(mean=20, variance=50),
    ):
        levels = level_for(demand, 0.97, 20.0, lead_time=mixed)
        singles = [level_for(demand, 0.97, 20.0, lead_time=LeadTime(mean=2, review_period=r)) for r in (0, 1)]
        assert levels == pytest.approx(singles, rel=1e-11)
        got = service_achieved(demand, lead_time=mixed, level=levels, order_quantity=20.0)
        assert got.fill_rate[0] == pytest.approx(
            service_achieved(demand, lead_time=LeadTime(mean=2), level=levels[0], order_quantity=20.0).fill_rate
        )


def test_a_period_ordered_without_delay_carries_nothing_over() -> None:
    """Lead time 0: what is short just after an order is nothing, and the fill rate is 1 - n(S) / mean."""
    demand = Normal(mean=20.0, sd=6.0)
    daily = LeadTime(mean=0, review_period=1)
    both = level_for(demand, 0.95, 20.0, lead_time=daily)
    assert both == pytest.approx(level_for(demand, 0.95, 20.0, "one"), rel=1e-10)


def test_a_larger_fill_rate_needs_more_stock_and_a_larger_order_less() -> None:
    fractions, quantities = np.linspace(0.5, 0.999, 20), np.linspace(5, 100, 20)
    for demand in (Normal(mean=20, sd=6), Gamma(mean=20, sd=6), LogNormal(mean=20, sd=6)):
        assert np.all(np.diff(level_for(demand, fractions, 30.0)) > 0)
        assert np.all(np.diff(level_for(demand, 0.95, quantities)) < 0)
    assert np.all(np.diff(level_for(Poisson(mean=20), fractions, 30.0)) >= 0)


def test_the_textbook_form_is_on_the_safe_side() -> None:
    """Leaving out what is carried over asks for more, and for as much where an order is many deviations."""
    demand = Normal(mean=100.0, sd=30.0)
    one, both = (level_for(demand, 0.95, [10.0, 60.0, 900.0], ends) for ends in ("one", "both"))
    assert np.all(one >= both)
    assert one[0] - both[0] > 1.0
    assert one[2] == pytest.approx(both[2], rel=1e-12)


def test_simulated_orders_of_a_fixed_quantity_have_the_fill_rate() -> None:
    """A reorder point and lots of 20 against 400,000 single Poisson demands, one unit at a time, without rounding."""
    rng = np.random.default_rng(8)
    rate, lead, quantity, units = 5.0, 2.0, 20, 400_000
    level = int(level_for(Poisson(mean=rate), 0.9, float(quantity), lead_time=LeadTime(mean=lead)))
    times = np.cumsum(rng.exponential(1 / rate, units))
    # The position starts at level + Q and every Qth unit orders Q: unit n finds the orders of units before it.
    arrivals = times[quantity - 1 :: quantity] + lead
    supply = level + quantity + quantity * np.searchsorted(arrivals, times)
    served = np.arange(1, units + 1) <= supply
    batches = served[: units // 100 * 100].reshape(100, -1).mean(axis=1)
    got = service_achieved(Poisson(mean=rate), lead_time=LeadTime(mean=lead), level=level, order_quantity=quantity)
    assert abs(served.mean() - got.fill_rate) < 5 * batches.std() / 10
    assert got.fill_rate >= 0.9


@pytest.mark.parametrize("demand", [Gamma(mean=10.0, sd=7.0), NegativeBinomial(mean=10.0, variance=40.0)])
def test_simulated_reviews_have_the_fill_rate(demand: Any) -> None:
    """An order-up-to level reviewed every second period, two periods of delay: backorders of 40,000 periods."""
    rng = np.random.default_rng(9)
    lead_time, cycle = LeadTime(mean=2, review_period=2), 20.0
    level = level_for(demand, 0.92, cycle, lead_time=lead_time)
    draws = np.asarray(demand._quantile(u := rng.random((10_000, 4)), 1 - u))
    # A cycle: what is short at the end of four periods after a review less what was short after two of them.
    short = np.maximum(draws.sum(axis=1) - level, 0) - np.maximum(draws[:, :2].sum(axis=1) - level, 0)
    got = service_achieved(demand, lead_time=lead_time, level=level, order_quantity=cycle)
    error = short.std() / math.sqrt(len(short)) / cycle
    assert abs(1 - short.mean() / cycle - got.fill_rate) < 5 * error


def test_a_review_that_no_level_can_fail_is_refused() -> None:
    """An order quantity far above the demand of a review period: any level meets the target."""
    for demand in (Gamma(mean=10.0, sd=3.0), Poisson(mean=10.0), Normal(mean=10.0, sd=3.0)):
        with pytest.raises(InputError) as caught:
            level_for(demand, 0.9, [10.0, 101.0], lead_time=LeadTime(mean=2, review_period=1))
        assert str(caught.value) == (
            "safety_stock: service.order_quantity must leave something to serve: with a review period it is the mean "
            "demand of a review period, and this one is so large that any level meets the fill rate, got 101.0 at index 1"
        )


def test_scalars_are_elements_of_the_vector() -> None:
    rng = np.random.default_rng(3)
    mean, quantity, fraction = rng.uniform(1, 80, 60), rng.uniform(1, 200, 60), rng.uniform(0.5, 0.999, 60)
    batches: list[Any] = [Normal(mean=mean, sd=0.4 * mean), Gamma(mean=mean, sd=0.4 * mean), Poisson(mean=mean)]
    for batch in batches:
        levels = level_for(batch, fraction, quantity)
        for row in range(0, 60, 7):
            item = {name: value[row] for name, value in batch.model_dump().items() if name != "kind"}
            single = level_for(type(batch)(**item), fraction[row], quantity[row])
            assert levels[row] == pytest.approx(single, rel=1e-12)


def test_two_axes_keep_their_shape() -> None:
    service: dict[str, Any] = {"fraction": [0.9, 0.99], "quantity": 12.0}
    for demand in (Poisson(mean=[[3.0], [9.0], [20.0]]), Gamma(mean=[[3.0], [9.0], [20.0]], sd=2.0)):
        levels = level_for(demand, **service)
        assert levels.shape == (3, 2)
        assert np.all(np.diff(levels, axis=0) > 0)
    assert level_for(Empirical(samples=[SEEN, SEEN]), [[0.9], [0.99]], 4.0).shape == (2, 2)
    assert level_for(Poisson(mean=np.zeros(0)), 0.9, 1.0).shape == (0,)
