"""What the type checkers see: these lines are checked by mypy, not run."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import pandas as pd

import ecomops
from ecomops.core import Array, DecisionTable, DiscountRate, Duration
from ecomops.experiments import (
    Design,
    Estimate,
    Interval,
    Moments,
    MomentsByArm,
    ProportionMetric,
    difference,
    sample_size,
)
from ecomops.inventory import (
    CycleService,
    LeadTime,
    Newsvendor,
    Normal,
    Poisson,
    SafetyStock,
    newsvendor,
    safety_stock,
)
from ecomops.pricing import ConstantElasticityDemand, OptimalPrice, optimal_price
from ecomops.segmentation import CustomerSummary, MbgNbdFit, PurchaseCounts, customer_summary, fit_mbg_nbd


def numbers_of_every_kind() -> None:
    """Ints, floats, lists, arrays and Series need no cast."""
    index = pd.Series([1.0, 2.0])
    for mean in (50, 50.0, [50, 60], np.array([50.0]), index):
        assert_type(newsvendor(Normal(mean=mean, sd=8), overage=0.18, underage=0.70), Newsvendor)
    plan = newsvendor(Poisson(mean=index), overage=[1, 2], underage=index)
    assert_type(plan.quantity, float | Array | Any)


def functions_return_models(frame: pd.DataFrame) -> None:
    """Every function says which model it returns."""
    demand = Normal(mean=50, sd=8)
    assert_type(safety_stock(demand, lead_time=LeadTime(mean=2), service=CycleService(probability=0.95)), SafetyStock)
    assert_type(optimal_price(ConstantElasticityDemand(scale=10, elasticity=-2), cost=1), OptimalPrice)
    summary = customer_summary(frame, customer="c", time="t")
    assert_type(summary, CustomerSummary)
    assert_type(fit_mbg_nbd(PurchaseCounts.from_summary(summary)), MbgNbdFit)
    moments = Moments.from_frame(frame, by="arm", columns=("spend",))
    assert_type(moments, MomentsByArm)
    effect = difference(moments, treatment="b", control="a", metric="spend")
    assert_type(effect, Estimate)
    assert_type(effect.interval(), Interval)
    assert_type(sample_size(ProportionMetric(baseline=0.1), effect=0.01), Design)


def the_root_is_typed(table: DecisionTable) -> None:
    """Names of the root are typed although they load late."""
    assert_type(ecomops.rank_decisions(table), DecisionTable)
    assert_type(ecomops.Duration(value=1, unit="week"), Duration)
    assert_type(DiscountRate(rate=0.1, per="year").per_unit("month"), float)
    assert_type(ecomops.__version__, str)
