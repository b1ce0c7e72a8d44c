"""What fields are typed as, and what the checkers refuse: an unused ignore is an error, so every refusal is proven."""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
import pandas as pd

from ecomops import arguments, plot
from ecomops.attribution import Linear, PathTable, RemovalEffects, removal_effects, rule_credit, simulate_touches
from ecomops.core import Array
from ecomops.experiments import Estimate, Interval
from ecomops.inventory import LotSize, Normal, abc_classes, economic_order_quantity, newsvendor
from ecomops.segmentation import BgNbd, MbgNbd, PurchaseCounts, PurchaseLog, fit_bg_nbd, simulate_purchases


def use(*_values: object) -> None:
    """Take values whose expressions are what is checked."""


def numbers_take_part_in_arithmetic() -> None:
    """A field of a scalar call works as a float, and one of a batch as an array, without a cast."""
    plan = newsvendor(Normal(mean=50, sd=8), overage=0.18, underage=0.70)
    quantity = float(plan.quantity)
    assert_type(round(quantity, 2), float)
    many = newsvendor(Normal(mean=[50, 60], sd=8), overage=0.18, underage=0.70)
    ordered = np.asarray(many.quantity)
    assert_type(plan.cost, float | Array | Any)
    assert_type(plan.method, str)
    use(plan.quantity + 1, ordered.sum(), np.ceil(many.quantity), max(plan.quantity, 0))
    lot = economic_order_quantity(pd.Series([100, 200]), order_cost=8, holding_cost=[0.2, 0.3])
    assert_type(lot, LotSize)
    use(lot.quantity / 2, abc_classes(pd.Series([5.0, 80.0])).share)


def fits_and_logs() -> None:
    """A fit carries a model of its own kind; simulated rows are arrays."""
    counts = PurchaseCounts(frequency=[0, 1], age_at_last_purchase=[0, 5], age=[9, 9], customers=[10, 4])
    assert_type(counts + counts, PurchaseCounts)
    fit = fit_bg_nbd(counts)
    assert_type(fit.model, BgNbd)
    assert_type(fit.log_likelihood, float)
    assert_type(fit.parameters, tuple[str, ...])
    log = simulate_purchases(fit.model, customers=5, horizon={"value": 9, "unit": "week"}, rng=1)  # type: ignore[arg-type]
    assert_type(log, PurchaseLog)
    touches = simulate_touches(["mail", "search"], users=10, effect=[0.0, 1.0], rng=np.random.default_rng(1))
    use(log.time.max(), touches.day.max())


def paths_are_read_from_lists_and_series() -> None:
    """Text columns come as lists, Series or arrays."""
    for text in (["a > b", "b"], pd.Series(["a > b", "b"]), np.array(["a > b", "b"])):
        table = PathTable.from_strings(text, conversions=[1, 2], nulls=pd.Series([3, 4]))
        assert_type(table, PathTable)
        assert_type(removal_effects(table), RemovalEffects)
        use(rule_credit(table, rule=Linear()).conversions.tolist())


def results_are_models() -> None:
    """What every model can do is typed too."""
    effect = Estimate(value=0.4, standard_error=0.1)
    assert_type(effect.interval(confidence=0.9), Interval)
    assert_type(effect.model_dump_json(), str)
    assert_type(Estimate.model_validate_json("{}"), Estimate)
    assert_type(effect.to_frame(), pd.DataFrame)
    use(arguments(newsvendor).model_json_schema(), plot.interval_plot(effect).get_xlabel())


def wrong_calls_are_refused() -> None:
    """Misspelt and missing keywords, other models, and text are errors for the checkers too."""
    demand = Normal(mean=50, sd=8)
    newsvendor(demand, overage=0.18)  # type: ignore[call-arg]
    newsvendor(demand, overage=0.18, underage=0.70, undarage=1)  # type: ignore[call-arg]
    newsvendor(demand, 0.18, 0.70)  # type: ignore[call-arg]
    newsvendor(MbgNbd(r=1, alpha=1, a=1, b=1), overage=0.18, underage=0.70)  # type: ignore[arg-type]
    fit_bg_nbd([1, 2, 3])  # type: ignore[arg-type]
    BgNbd(r="1", alpha=1, a=1, b=1)  # type: ignore[arg-type]
