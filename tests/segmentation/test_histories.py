"""Simulated histories: sorted, reproducible, in any unit of time, and distributed as the model says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats  # noqa: TID251 - the oracle
from tests.segmentation.individual import MODELS, counts

from ecomops.core import Duration, InputError
from ecomops.segmentation import BgNbd, MbgNbd, expected_purchases_new, log_likelihood, simulate_purchases

SIZE = 40_000


def weeks(value: float) -> Duration:
    return Duration(value=value, unit="week")


def repeats(model: Any, horizon: float, rng: int = 11) -> Any:
    log = simulate_purchases(model, customers=SIZE, horizon=weeks(horizon), rng=rng)
    return np.bincount(log.customer, minlength=SIZE) - 1


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_customers_buy_as_often_as_expected(model: Any) -> None:
    for horizon in (4.0, 52.0):
        x = repeats(model, horizon)
        gap = x.mean() - expected_purchases_new(model, horizon=weeks(horizon))
        assert abs(gap) < 4 * x.std() / np.sqrt(SIZE)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_as_many_never_come_back_as_the_likelihood_says(model: Any) -> None:
    x = repeats(model, 39.0)
    never = float(np.exp(log_likelihood(model, counts([(0, 0.0, 39.0)]))))
    assert stats.binomtest(int((x == 0).sum()), SIZE, never).pvalue > 1e-4


def test_the_first_dropout_of_mbg_comes_before_any_repeat_purchase() -> None:
    """With an endless horizon and everybody leaving half the time, repeat purchases are geometric: P(0) is 1/2 or 0."""
    sure = {"r": 1e6, "alpha": 1e3, "a": 1e6, "b": 1e6}
    mbg, bg = repeats(MbgNbd(**sure), 1.0), repeats(BgNbd(**sure), 1.0)
    assert stats.binomtest(int((mbg == 0).sum()), SIZE, 0.5).pvalue > 1e-4
    assert (bg == 0).sum() == 0
    assert stats.binomtest(int((bg == 1).sum()), SIZE, 0.5).pvalue > 1e-4


def test_without_heterogeneity_and_leaving_it_is_a_poisson_process() -> None:
    model = BgNbd(r=1e8, alpha=1e8, a=1e-9, b=1e3)
    log = simulate_purchases(model, customers=2_000, horizon=weeks(20), rng=3)
    edges = np.array([12, 15, 17, 19, 21, 23, 25, 28])
    total = np.bincount(np.searchsorted(edges, np.bincount(log.customer) - 1), minlength=edges.size + 1)
    chances = np.diff(stats.poisson(20).cdf(np.concatenate([[-1], edges, [1000]])))
    assert stats.chisquare(total, 2_000 * chances).pvalue > 1e-4
    # Gaps that start in the first half of the window nearly always end in it: they are exponential.
    inside = (log.time[1:] > 0) & (log.time[:-1] < 10)
    assert stats.kstest(np.diff(log.time)[inside], stats.expon.cdf).pvalue > 1e-4


def test_the_log_is_sorted_and_starts_at_each_first_purchase() -> None:
    log = simulate_purchases(MODELS[0], customers=500, horizon=weeks(39), rng=2)
    assert log.unit == "week"
    assert np.all(np.diff(log.customer) >= 0)
    assert np.all(np.diff(log.time)[np.diff(log.customer) == 0] > 0)
    first = np.concatenate([[True], np.diff(log.customer) > 0])
    assert np.all(log.time[first] == 0)
    assert log.customer[first].tolist() == list(range(500))
    assert log.time.max() <= 39


def test_a_seed_gives_the_same_log_and_a_generator_goes_on() -> None:
    again = [simulate_purchases(MODELS[0], customers=50, horizon=weeks(39), rng=4) for _ in range(2)]
    assert again[0] == again[1]
    rng = np.random.default_rng(4)
    on = [simulate_purchases(MODELS[0], customers=50, horizon=weeks(39), rng=rng) for _ in range(2)]
    assert on[0] == again[0]
    assert on[1] != again[0]


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**60])
def test_the_unit_of_time_only_stretches_the_log(factor: float) -> None:
    kept = simulate_purchases(MODELS[0], customers=300, horizon=weeks(39), rng=7)
    far = BgNbd(**{**MODELS[0].model_dump(), "alpha": MODELS[0].alpha * factor})
    stretched = simulate_purchases(far, customers=300, horizon=weeks(39 * factor), rng=7)
    assert stretched.customer.tolist() == kept.customer.tolist()
    np.testing.assert_allclose(stretched.time, kept.time * factor, rtol=1e-12)


def test_a_horizon_in_another_unit_is_converted() -> None:
    in_weeks = simulate_purchases(MODELS[0], customers=300, horizon=weeks(2), rng=7)
    in_days = simulate_purchases(MODELS[0], customers=300, horizon=Duration(value=14, unit="day"), rng=7)
    assert in_weeks == in_days


def test_rates_that_are_drawn_as_zero_mean_no_repeat_purchase() -> None:
    # Gamma(0.0005) is below the smallest float in most draws.
    log = simulate_purchases(BgNbd(r=5e-4, alpha=1, a=1, b=1), customers=2_000, horizon=weeks(1e6), rng=1)
    assert log.time.size < 2_200


def test_nobody_cannot_be_simulated() -> None:
    with pytest.raises(InputError) as caught:
        simulate_purchases(MODELS[0], customers=0, horizon=weeks(3), rng=1)
    assert str(caught.value) == "simulate_purchases: customers must be >= 1, got 0"
