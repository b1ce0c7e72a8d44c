"""The simulated test: the rates, lift and spend that were asked for, within the error of a simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import Moments, compare_proportions, difference, simulate_experiment

UNITS = 200_000


def test_rates_share_and_spend_are_those_asked_for() -> None:
    rows = simulate_experiment(UNITS, conversion=0.1, lift=0.3, mean_spend=40.0, spend_variation=0.5, share=0.3, rng=1)
    treated = rows.arm == "treatment"
    assert treated.mean() == pytest.approx(0.3, abs=3.29 * math.sqrt(0.21 / UNITS))
    for chosen, rate in ((treated, 0.13), (~treated, 0.1)):
        assert rows.converted[chosen].mean() == pytest.approx(
            rate, abs=3.29 * math.sqrt(rate * (1 - rate) / chosen.sum())
        )
    spend = rows.spend[rows.converted == 1]
    sd = 40.0 * math.sqrt(math.expm1(0.25))
    assert spend.mean() == pytest.approx(40.0, abs=3.29 * sd / math.sqrt(spend.size))
    logs = np.log(spend)
    assert stats.kstest((logs - math.log(40.0) + 0.125) / 0.5, "norm").pvalue > 0.001
    assert (rows.spend[rows.converted == 0] == 0).all()
    assert rows.unit.tolist() == list(range(UNITS))


def test_no_lift_is_an_a_a_test() -> None:
    """Over many of them the p-values of the library's own tests are uniform."""
    p_rates, p_spend = [], []
    rng = np.random.default_rng(2)
    for _ in range(300):
        rows = simulate_experiment(2000, conversion=0.2, rng=rng)
        moments = Moments.from_frame(rows.to_frame(), by="arm", columns=("spend",))
        treated = rows.arm == "treatment"
        p_rates.append(
            compare_proportions(
                rows.converted[treated].sum(),
                treatment_trials=treated.sum(),
                control_successes=rows.converted[~treated].sum(),
                control_trials=(~treated).sum(),
                method="wald",
            ).p_value
        )
        p_spend.append(difference(moments, treatment="treatment", control="control", metric="spend").test().p_value)
    assert stats.kstest(p_rates, "uniform").pvalue > 0.001
    assert stats.kstest(p_spend, "uniform").pvalue > 0.001


def test_the_lift_is_found_again() -> None:
    rows = simulate_experiment(UNITS, conversion=0.1, lift=0.2, rng=5)
    moments = Moments.from_frame(rows.to_frame(), by="arm", columns=("converted", "spend"))
    for metric in ("converted", "spend"):
        lift = difference(moments, treatment="treatment", control="control", metric=metric).lift(confidence=0.999)
        assert lift.lower < 0.2 < lift.upper
        assert lift.lower > 0.05


def test_a_seed_makes_it_repeatable() -> None:
    one, other = (simulate_experiment(50, conversion=0.4, rng=7) for _ in range(2))
    assert one == other
    assert one != simulate_experiment(50, conversion=0.4, rng=8)


def test_edges() -> None:
    flat = simulate_experiment(500, conversion=0.5, mean_spend=12.0, spend_variation=0.0, rng=1)
    np.testing.assert_allclose(flat.spend[flat.converted == 1], 12.0, rtol=1e-14)
    all_of_them = simulate_experiment(500, conversion=0.5, lift=1.0, rng=1)
    assert all_of_them.converted[all_of_them.arm == "treatment"].all()
    none_of_them = simulate_experiment(500, conversion=0.5, lift=-1.0, rng=1)
    assert not none_of_them.converted[none_of_them.arm == "treatment"].any()
    assert simulate_experiment(1, conversion=0.5, rng=1).unit.tolist() == [0]


@pytest.mark.parametrize(
    ("units", "options", "text"),
    [
        (5, {"conversion": 0.6, "lift": 1.0}, "lift must leave the conversion rate in [0, 1], got 1.2"),
        (5, {"conversion": 0.6, "lift": -1.5}, "lift must leave the conversion rate in [0, 1], got -0.3"),
        (5, {"conversion": 0.6, "spend_variation": 6}, "spend_variation must be at most 5, got 6"),
        (0, {"conversion": 0.6}, "units must be >= 1, got 0"),
        (5, {"conversion": 1.0}, "conversion must be < 1, got 1.0"),
        (5, {"conversion": 0.5, "rng": -1}, "rng must be >= 0, got -1"),
    ],
)
def test_refusals(units: int, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate_experiment(units, **options)
    assert str(caught.value) == f"simulate_experiment: {text}"
