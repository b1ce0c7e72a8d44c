"""What holds for every demand distribution: one law seen from seven sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import integrate

from ecomops.core import InputError, Model
from ecomops.inventory import (
    Demand,
    Discrete,
    Distribution,
    Empirical,
    Gamma,
    LeadTime,
    LogNormal,
    NegativeBinomial,
    Normal,
    Poisson,
)
from ecomops.stats.distributions import is_counted

MEANS, SPREADS = st.floats(0.01, 1e6), st.floats(0.0, 5.0)
FAMILIES = (Normal, Gamma, LogNormal, Poisson, NegativeBinomial, Discrete, Empirical)
METHODS = ("cdf", "sf", "loss", "complementary_loss", "second_loss")


@st.composite
def demands(draw: Any) -> Any:
    """Draw any family with one item."""
    family = draw(st.sampled_from(FAMILIES))
    mean = draw(MEANS)
    if family in {Normal, Gamma, LogNormal}:
        return family(mean=mean, sd=mean * draw(SPREADS))
    if family is Poisson:
        return Poisson(mean=mean)
    if family is NegativeBinomial:
        return NegativeBinomial(mean=mean, variance=mean * (1 + draw(st.floats(0, 1e3))))
    samples = draw(st.lists(st.integers(0, 50), min_size=1, max_size=8))
    if family is Empirical:
        return Empirical(samples=samples)
    values, counts = np.unique(samples, return_counts=True)
    return Discrete(values=values, probabilities=counts / counts.sum())


def spread(demand: Any) -> float:
    return float(np.sqrt(demand.variance))


@st.composite
def demands_and_levels(draw: Any) -> tuple[Any, float]:
    demand = draw(demands())
    z = draw(st.floats(-4, 8) | st.integers(-3, 3).map(float))
    return demand, float(demand.mean) + z * max(spread(demand), 0.1)


@given(demands_and_levels())
def test_shortage_less_leftover_is_mean_less_level(case: tuple[Any, float]) -> None:
    demand, level = case
    gap = demand.loss(level) - demand.complementary_loss(level)
    assert gap == pytest.approx(demand.mean - level, rel=1e-9, abs=1e-9 * (abs(level) + demand.mean))


@given(demands_and_levels())
def test_covered_and_not_covered_add_up_to_one(case: tuple[Any, float]) -> None:
    demand, level = case
    assert demand.cdf(level) + demand.sf(level) == pytest.approx(1.0, abs=1e-12)


@given(demands_and_levels())
def test_stock_never_hurts(case: tuple[Any, float]) -> None:
    """Tails and losses fall with the level, and the loss falls ever more slowly."""
    demand, level = case
    step = 0.37 * max(spread(demand), 0.1)
    levels = level + step * np.arange(4)
    slack = 1e-12 * (abs(level) + demand.mean + spread(demand))
    assert np.all(np.diff(demand.cdf(levels)) >= -1e-13)
    for name, sign in (("sf", -1), ("loss", -1), ("complementary_loss", 1)):
        assert np.all(sign * np.diff(getattr(demand, name)(levels)) >= -slack)
    assert np.all(np.diff(demand.loss(levels), 2) >= -4 * slack)
    assert np.all(np.diff(demand.second_loss(levels)) <= slack * (abs(level) + demand.mean + spread(demand)))


@given(demands(), st.floats(1e-6, 1 - 1e-6))
def test_a_quantile_covers_and_nothing_smaller_does(demand: Any, probability: float) -> None:
    q = demand.quantile(probability)
    step = 1e-9 * (abs(q) + spread(demand)) + 1e-300
    assert demand.cdf(q + step) >= probability * (1 - 1e-9)
    assert demand.cdf(q - step) <= probability * (1 + 1e-9) or spread(demand) == 0


@pytest.mark.parametrize(
    "demand",
    [
        Normal(mean=3.0, sd=1.2),
        Gamma(mean=3.0, sd=1.2),
        Gamma(mean=3.0, sd=9.0),
        LogNormal(mean=3.0, sd=1.2),
        LogNormal(mean=3.0, sd=0.2),
        Poisson(mean=3.0),
        NegativeBinomial(mean=3.0, variance=9.0),
        Discrete(values=[0, 2.5, 4], probabilities=[0.2, 0.5, 0.3]),
        Empirical(samples=[0, 1, 1, 7]),
    ],
)
def test_each_loss_is_the_integral_of_the_one_before(demand: Any) -> None:
    """Loss is the integral of the tail, second loss that of the loss, between any two levels."""
    edges = np.sort([0.3, 6.7, *np.arange(1.0, 7.0), 2.5])
    for below, above in zip(edges[:-1], edges[1:], strict=True):
        for name, integral in (("sf", "loss"), ("loss", "second_loss"), ("cdf", "complementary_loss")):
            # Within an interval without a step the nodes of the quadrature see a smooth function.
            area = integrate.quad(getattr(demand, name), below, above, epsabs=1e-13)[0]
            change = getattr(demand, integral)(above) - getattr(demand, integral)(below)
            assert abs(change) == pytest.approx(area, rel=1e-10, abs=1e-12)


ITEMS = st.lists(st.tuples(MEANS, st.floats(0.0, 3.0), st.floats(-3, 6)), min_size=1, max_size=3)


@settings(max_examples=40)
@given(st.sampled_from([Normal, Gamma, LogNormal, NegativeBinomial]), ITEMS)
def test_one_item_is_an_element_of_the_batch(family: Any, items: list[tuple[float, float, float]]) -> None:
    mean, ratio, z = (np.array(column) for column in zip(*items, strict=True))
    second = {"variance": mean * (1 + ratio)} if family is NegativeBinomial else {"sd": mean * ratio}
    batch, level = family(mean=mean, **second), mean * (1 + z * ratio)
    for row in range(mean.size):
        single = family(mean=float(mean[row]), **{name: float(value[row]) for name, value in second.items()})
        for name in METHODS:
            assert getattr(batch, name)(level)[row] == getattr(single, name)(float(level[row]))
        assert batch.quantile(0.9)[row] == single.quantile(0.9)


@given(
    st.sampled_from([Normal, Gamma, LogNormal]), MEANS, st.floats(0.001, 3.0), st.floats(-2, 5), st.integers(-20, 20)
)
def test_units_do_not_matter(family: Any, mean: float, ratio: float, z: float, power: int) -> None:
    """Pieces or dozens: a power of two changes no digit at all."""
    unit = 2.0**power
    one, other = family(mean=mean, sd=mean * ratio), family(mean=mean * unit, sd=mean * ratio * unit)
    level = mean * (1 + z * ratio)
    assert other.cdf(level * unit) == one.cdf(level)
    assert other.loss(level * unit) == one.loss(level) * unit
    assert other.second_loss(level * unit) == one.second_loss(level) * unit**2
    assert other.quantile(0.9) == one.quantile(0.9) * unit


@given(demands(), st.integers(1, 4), st.integers(1, 3))
def test_periods_add_up(demand: Any, first: int, second: int) -> None:
    """Two lead times one after the other are one of both."""
    stepwise = demand.over(LeadTime(mean=first)).over(LeadTime(mean=second))
    at_once = demand.over(LeadTime(mean=first * second))
    assert stepwise.mean == pytest.approx(at_once.mean, rel=1e-12, abs=1e-12)
    assert stepwise.variance == pytest.approx(at_once.variance, rel=1e-9, abs=1e-9)
    level = at_once.mean + spread(at_once) / 3
    assert stepwise.loss(level) == pytest.approx(at_once.loss(level), rel=1e-8, abs=1e-8)


@given(demands(), st.floats(0.5, 20), st.floats(0, 5), st.floats(0, 3))
def test_demand_over_a_lead_time_has_two_moments(demand: Any, mean: float, sd: float, review: float) -> None:
    exposed = demand.over(LeadTime(mean=mean, sd=sd, review_period=review))
    total = (mean + review) * demand.variance + demand.mean**2 * sd**2
    assert exposed.mean == pytest.approx(demand.mean * (mean + review), rel=1e-12)
    assert exposed.variance == pytest.approx(total, rel=1e-9, abs=1e-9)


@given(demands())
def test_a_law_survives_json_within_the_union(demand: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Demand)
    assert adapter.validate_json(demand.model_dump_json()) == demand


def test_only_counted_demand_is_counted() -> None:
    samples: list[Any] = [
        Normal(mean=1, sd=1),
        Gamma(mean=1, sd=1),
        LogNormal(mean=1, sd=1),
        Poisson(mean=1),
        NegativeBinomial(mean=1, variance=2),
        Discrete(values=[1], probabilities=[1]),
        Empirical(samples=[1]),
    ]
    assert [is_counted(demand) for demand in samples] == [False, False, False, True, True, True, True]
    assert [type(demand) for demand in samples] == list(FAMILIES)
    assert all(isinstance(demand, Distribution) for demand in samples)


def test_an_empty_batch_gives_an_empty_answer() -> None:
    nothing = np.zeros(0)
    for demand in (Normal(mean=nothing, sd=1), Gamma(mean=nothing, sd=nothing), Poisson(mean=nothing)):
        for name in METHODS:
            assert getattr(demand, name)(1.0).shape == (0,)
        assert demand.quantile(0.5).shape == (0,)


def test_what_a_law_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        Normal(mean=1, sd=1).quantile([0.5, 1.0])
    assert str(caught.value) == "Distribution.quantile: probability must be < 1, got 1.0 at index 1"
    with pytest.raises(InputError) as caught:
        Poisson(mean=[1, 2]).loss([1, 2, 3])
    assert str(caught.value).startswith("Distribution.loss: shapes must broadcast")

    class Holder(Model):
        demand: Demand

    with pytest.raises(InputError) as caught:
        Holder.model_validate({"demand": {"kind": "Weibull", "mean": 1}})
    assert str(caught.value).startswith("Holder: demand has kind 'Weibull', must be one of 'Normal', 'Gamma'")
