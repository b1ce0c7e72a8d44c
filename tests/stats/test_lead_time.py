"""The protection time, and demand over it against the literature's formula and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.inventory import Gamma, LeadTime, Normal, Poisson


def test_the_review_period_is_part_of_the_protection_time() -> None:
    lead_time = LeadTime(mean=[4, 0], sd=2, review_period=[0, 1])
    assert lead_time.protection.tolist() == [4.0, 1.0]
    assert lead_time.variance == 4.0
    assert lead_time.batch_shape == (2,)


def test_continuous_review_of_a_known_lead_time_is_the_default() -> None:
    lead_time = LeadTime(mean=3)
    assert (lead_time.sd, lead_time.review_period, lead_time.protection) == (0.0, 0.0, 3.0)


@given(st.floats(0.1, 50), st.floats(0, 20), st.floats(0, 10), st.floats(-50, 500), st.floats(0, 100))
def test_variance_is_that_of_a_random_sum(mean: float, sd: float, review: float, demand: float, spread: float) -> None:
    """E[P] var(D) + E[D]^2 var(L), and the review period adds none of its own."""
    exposed = Normal(mean=demand, sd=spread).over(LeadTime(mean=mean, sd=sd, review_period=review))
    assert exposed.mean == pytest.approx(demand * (mean + review), rel=1e-14)
    total = (mean + review) * spread**2 + demand**2 * sd**2
    assert exposed.variance == pytest.approx(total, rel=1e-12, abs=1e-250)


def test_a_simulated_lead_time_gives_the_same_moments() -> None:
    """Whole lead times of 2 to 6 periods and Poisson demand (the spec's case C7: mean 12, variance 30)."""
    rng = np.random.default_rng(4)
    total = rng.poisson(3.0 * rng.integers(2, 7, size=400_000)).astype(float)
    exposed = Poisson(mean=3.0).over(LeadTime(mean=4, sd=math.sqrt(2)))
    assert (exposed.mean, exposed.variance) == pytest.approx((12.0, 30.0), rel=1e-14)
    error = total.std() / math.sqrt(total.size)
    assert abs(total.mean() - exposed.mean) < 5 * error
    assert total.var() == pytest.approx(exposed.variance, rel=0.02)


def test_uncertainty_in_the_lead_time_only_adds() -> None:
    demand = Gamma(mean=20.0, sd=8.0)
    spreads = [demand.over(LeadTime(mean=6, sd=sd)).sd for sd in (0, 0.5, 1, 4)]
    assert spreads == sorted(spreads)
    assert spreads[0] == pytest.approx(8.0 * math.sqrt(6), rel=1e-15)


def test_a_batch_of_lead_times_gives_a_batch_of_demands() -> None:
    exposed = Normal(mean=[[10.0], [20.0]], sd=2.0).over(LeadTime(mean=[1, 4, 9]))
    assert exposed.mean.tolist() == [[10.0, 40.0, 90.0], [20.0, 80.0, 180.0]]
    assert exposed.sd.tolist() == [[2.0, 4.0, 6.0], [2.0, 4.0, 6.0]]


def test_a_decision_without_any_exposure_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        LeadTime(mean=[1, 0], review_period=0)
    assert str(caught.value) == (
        "LeadTime: mean + review_period must be > 0 (use review_period=1 for one period without delay), "
        "got 0.0 and 0.0 at index 1"
    )


@pytest.mark.parametrize("field", ["mean", "sd", "review_period"])
def test_negative_times_are_refused(field: str) -> None:
    with pytest.raises(InputError) as caught:
        LeadTime.model_validate({"mean": 1, field: -1})
    assert str(caught.value) == f"LeadTime: {field} must be >= 0, got -1.0"
