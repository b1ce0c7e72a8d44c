"""Safety stock and the service of a level: published forms, other derivations, duality and sales that were held back."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.inventory import (
    CycleService,
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

LEAD = LeadTime(mean=4, sd=1, review_period=1)


def stock(demand: Demand, probability: Any, lead_time: LeadTime = LEAD) -> Any:
    return safety_stock(demand, lead_time=lead_time, service=CycleService(probability=probability))


@given(st.floats(1, 1e4), st.floats(0, 2), st.floats(0.1, 30), st.floats(0, 10), st.floats(0.5, 0.9999))
def test_normal_safety_stock_is_z_times_sigma(mean: float, cv: float, lead: float, sd: float, p: float) -> None:
    """The textbook's k sqrt(L sigma^2 + mean^2 sigma_L^2), with k from another library."""
    plan = stock(Normal(mean=mean, sd=mean * cv), p, LeadTime(mean=lead, sd=sd))
    spread = math.sqrt(lead * (mean * cv) ** 2 + (mean * sd) ** 2)
    assert plan.demand_sd == pytest.approx(spread, rel=1e-12)
    assert plan.demand_mean == pytest.approx(mean * lead, rel=1e-14)
    assert plan.quantity == pytest.approx(stats.norm.ppf(p) * spread, rel=1e-9, abs=1e-12 * (spread + mean * lead))
    assert plan.factor == pytest.approx(
        stats.norm.ppf(p) if spread else 0.0, rel=1e-9, abs=1e-9 * (1 + lead / (cv + sd + 1e-9))
    )


@pytest.mark.parametrize(
    "demand",
    [
        Normal(mean=20, sd=6),
        Gamma(mean=20, sd=15),
        LogNormal(mean=20, sd=15),
        Poisson(mean=3),
        NegativeBinomial(mean=3, variance=9),
        Discrete(values=[0, 4, 9], probabilities=[0.5, 0.3, 0.2]),
        Empirical(samples=[0, 0, 1, 7, 2]),
    ],
)
@pytest.mark.parametrize("lead_time", [LeadTime(mean=3), LEAD])
def test_a_level_gives_the_cycle_service_it_was_made_for(demand: Demand, lead_time: LeadTime) -> None:
    for probability in (0.5, 0.9, 0.99):
        plan = stock(demand, probability, lead_time)
        got = service_achieved(demand, lead_time=lead_time, level=plan.level, order_quantity=50)
        assert got.cycle_service >= probability - 1e-12
        assert got.safety_stock == pytest.approx(plan.quantity, rel=1e-12, abs=1e-12)
        less = service_achieved(demand, lead_time=lead_time, level=plan.level - 1e-6, order_quantity=50)
        assert less.cycle_service < probability
        assert plan.level == pytest.approx(plan.demand_mean + plan.factor * plan.demand_sd, rel=1e-12)


@given(st.floats(0.01, 0.98), st.floats(0.001, 0.019))
def test_more_service_needs_more_stock(probability: float, more: float) -> None:
    for demand in (Normal(mean=20, sd=6), Gamma(mean=20, sd=6), LogNormal(mean=20, sd=6)):
        assert stock(demand, probability + more).level > stock(demand, probability).level
    assert stock(Poisson(mean=20), probability + more).level >= stock(Poisson(mean=20), probability).level


def test_a_low_target_gives_negative_safety_stock() -> None:
    assert stock(Normal(mean=20, sd=6), 0.2).quantity < 0


@pytest.mark.parametrize("family", [Normal, Gamma, LogNormal])
def test_known_demand_needs_its_mean(family: Any) -> None:
    plan = stock(family(mean=20, sd=0), 0.99, LeadTime(mean=3))
    assert (plan.level, plan.quantity, plan.factor, plan.demand_sd) == (60.0, 0.0, 0.0, 0.0)


def test_the_result_has_the_broadcast_shape() -> None:
    plan = stock(Normal(mean=[[10.0], [20.0]], sd=3.0), [0.9, 0.95, 0.99])
    for field in (plan.quantity, plan.level, plan.factor, plan.demand_mean, plan.demand_sd):
        assert field.shape == (2, 3)
    single = stock(Normal(mean=10.0, sd=3.0), 0.9)
    assert isinstance(single.level, float)
    assert single.level == plan.level[0, 0]


@pytest.mark.parametrize(
    ("demand", "lead_time", "method"),
    [
        (Normal(mean=5, sd=1), LeadTime(mean=3), "exact: Normal demand over the protection time, CycleService"),
        (Normal(mean=5, sd=1), LEAD, "two moments: Normal demand over the protection time, CycleService"),
        (Gamma(mean=5, sd=1), LeadTime(mean=3), "exact: Gamma demand over the protection time, CycleService"),
        (LogNormal(mean=5, sd=1), LeadTime(mean=1), "exact: LogNormal demand over the protection time, CycleService"),
        (
            LogNormal(mean=5, sd=1),
            LeadTime(mean=3),
            "two moments: LogNormal demand over the protection time, CycleService",
        ),
        (Poisson(mean=5), LeadTime(mean=3), "exact: Poisson demand over the protection time, CycleService"),
        (Poisson(mean=5), LEAD, "two moments: NegativeBinomial demand over the protection time, CycleService"),
        (Empirical(samples=[1, 2]), LeadTime(mean=3), "exact: Discrete demand over the protection time, CycleService"),
        (
            Empirical(samples=[1, 2]),
            LeadTime(mean=2.5),
            "two moments: Gamma demand over the protection time, CycleService",
        ),
    ],
)
def test_the_method_says_what_was_done(demand: Demand, lead_time: LeadTime, method: str) -> None:
    assert stock(demand, 0.9, lead_time).method == method
    service = FillRate(fraction=0.9, order_quantity=demand.mean * (lead_time.review_period or 5))
    plan = safety_stock(demand, lead_time=lead_time, service=service)
    assert plan.method == method.replace("CycleService", "FillRate")


@pytest.mark.parametrize(
    ("demand", "lead_time"),
    [(Normal(mean=5, sd=1), LeadTime(mean=3, sd=[0, 1])), (LogNormal(mean=5, sd=1), LeadTime(mean=[1, 3]))],
)
def test_the_method_of_a_mixed_batch_does_not_claim_one_for_all(demand: Demand, lead_time: LeadTime) -> None:
    assert stock(demand, 0.9, lead_time).method.startswith("exact for some items, two moments for the others: ")


def test_a_fill_rate_can_be_far_above_the_cycle_service() -> None:
    """Chopra & Meindl's point: large lots serve nearly everyone although every other cycle runs out."""
    got = service_achieved(Normal(mean=2500, sd=500), lead_time=LeadTime(mean=2), level=5000, order_quantity=10_000)
    assert got.cycle_service == 0.5
    assert got.fill_rate == pytest.approx(1 - 500 * math.sqrt(2) / math.sqrt(2 * math.pi) / 10_000, rel=1e-6)


def test_service_with_hardly_any_stock_can_be_worse_than_none() -> None:
    """More may be short in a cycle than was ordered for it: the figure says so instead of stopping at 0."""
    got = service_achieved(
        Normal(mean=100, sd=10), lead_time=LeadTime(mean=1, review_period=1), level=-50, order_quantity=60
    )
    assert got.fill_rate < 0
    assert got.shortage == pytest.approx(250.0)


@given(
    st.floats(-50, 400),
    st.floats(1, 50),
    st.sampled_from([Normal(mean=20, sd=6), Poisson(mean=20), Gamma(mean=20, sd=30)]),
)
def test_more_stock_serves_more(level: float, more: float, demand: Demand) -> None:
    low, high = (service_achieved(demand, lead_time=LEAD, level=s, order_quantity=20) for s in (level, level + more))
    assert high.cycle_service >= low.cycle_service
    assert high.fill_rate >= low.fill_rate - 1e-12
    assert high.shortage <= low.shortage + 1e-12


def test_batches_of_both_kinds_of_target() -> None:
    """A hundred items in one call are a hundred calls."""
    rng = np.random.default_rng(5)
    mean, cv = rng.uniform(1, 90, 100), rng.uniform(0.1, 1.5, 100)
    lead = LeadTime(mean=rng.uniform(1, 9, 100), sd=rng.uniform(0, 2, 100))
    quantity = rng.uniform(1, 5, 100) * mean
    for service in (CycleService(probability=0.95), FillRate(fraction=0.97, order_quantity=quantity)):
        plan = safety_stock(Normal(mean=mean, sd=cv * mean), lead_time=lead, service=service)
        for row in range(0, 100, 9):
            item = (
                service.model_copy(update={"order_quantity": quantity[row]})
                if isinstance(service, FillRate)
                else service
            )
            one = safety_stock(
                Normal(mean=mean[row], sd=(cv * mean)[row]),
                lead_time=LeadTime(mean=lead.mean[row], sd=lead.sd[row]),
                service=item,
            )
            assert plan.level[row] == pytest.approx(one.level, rel=1e-12)
            assert plan.quantity[row] == pytest.approx(one.quantity, rel=1e-10)


@pytest.mark.parametrize(
    ("service", "text"),
    [
        ({"kind": "CycleService", "probability": 1.0}, "safety_stock: service.probability must be < 1, got 1.0"),
        (
            {"kind": "FillRate", "fraction": 0.9, "order_quantity": 0},
            "safety_stock: service.order_quantity must be > 0, got 0.0",
        ),
        (
            {"kind": "FillRate", "fraction": 0.9, "order_quantity": 5, "ends": "none"},
            "safety_stock: service.ends must be 'both' or 'one', got 'none'",
        ),
        (
            {"kind": "ReadyRate"},
            "safety_stock: service has kind 'ReadyRate', must be one of 'CycleService', 'FillRate'",
        ),
    ],
)
def test_targets_that_are_none_are_refused(service: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        safety_stock(Normal(mean=1, sd=1), lead_time=LEAD, service=service)
    assert str(caught.value) == text


def test_spare_parts_held_back_are_covered_as_promised(shared_data: Callable[[str], Path]) -> None:
    """RAF parts, 84 months: levels over three months from the first five years, seen over the last two.

    Most parts sell in one month of ten. Negative binomial demand keeps its promise within a few points on months that it
    has not seen; z times sigma sqrt(L), the rule that shops use, promises 99 % and misses it by three points.
    """
    table = pd.read_csv(shared_data("raf/raf_wide.csv.gz"), index_col=0).to_numpy(dtype=float)
    past, future = table[:, :60], table[:, 60:]
    known = (past > 0).sum(axis=1) >= 4
    past, ahead = past[known], future[known].reshape(known.sum(), -1, 3).sum(axis=2)
    mean, variance = past.mean(axis=1), past.var(axis=1)
    counted = NegativeBinomial(mean=mean, variance=np.maximum(variance, mean))
    rule = Normal(mean=mean, sd=np.sqrt(variance))

    def covered(demand: Demand, probability: float) -> float:
        level = stock(demand, probability, LeadTime(mean=3)).level
        return float((ahead <= level[:, None]).mean())

    assert len(past) == 4431
    assert [covered(counted, p) for p in (0.9, 0.95, 0.99)] == pytest.approx([0.9, 0.95, 0.99], abs=0.025)
    assert covered(rule, 0.99) < 0.96
