"""Allocation: Thompson and top-two shares against their own random draws, floors, and what they do to traffic over days."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import (
    NormalPosterior,
    ThompsonSampling,
    TopTwoSampling,
    allocate,
    beta_posterior,
    compare_bayes,
    gamma_posterior,
    normal_posterior,
)

POSTERIORS = [
    beta_posterior([100, 120, 90], trials=[1000, 1000, 1000]),
    gamma_posterior([30, 45, 40], exposure=[1000, 1010, 990]),
    normal_posterior([1.0, 1.1, 0.7, 1.05], standard_error=[0.1, 0.2, 0.1, 0.1]),
]
normals = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3)), min_size=2, max_size=6)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_thompson_shares_are_the_probabilities_of_being_best(posterior: Any) -> None:
    found = allocate(posterior)
    np.testing.assert_allclose(found.share, compare_bayes(posterior).probability_best, rtol=1e-10)
    assert found.method == f"ThompsonSampling, {posterior.kind}"


def test_two_arms_of_a_published_case() -> None:
    # P(B > A) of 100 and 120 conversions of 1000.
    share = allocate(beta_posterior([100, 120], trials=[1000, 1000])).share
    assert share[1] == pytest.approx(0.92318343897, abs=1e-11)
    # With two arms the challenger is always the other one: one half each at beta = 1/2.
    for leader in (0.5, 0.8):
        top = allocate(beta_posterior([100, 120], trials=[1000, 1000]), rule=TopTwoSampling(leader=leader)).share
        assert top[1] == pytest.approx(leader * share[1] + (1 - leader) * share[0], rel=1e-12)


@pytest.mark.parametrize("leader", [0.5, 0.7])
def test_top_two_shares_are_those_of_its_random_draws(leader: float) -> None:
    mean, sd = np.array([0.0, 0.3, 0.5, -0.2]), np.array([0.4, 0.3, 0.2, 0.6])
    rng, runs = np.random.default_rng(1), 200_000
    chosen = rng.normal(mean, sd, (runs, 4)).argmax(axis=1)
    waiting = np.flatnonzero(rng.random(runs) > leader)
    first = chosen.copy()
    while waiting.size:
        chosen[waiting] = rng.normal(mean, sd, (waiting.size, 4)).argmax(axis=1)
        waiting = waiting[chosen[waiting] == first[waiting]]
    drawn = np.bincount(chosen, minlength=4) / runs
    found = allocate(NormalPosterior(mean=mean, sd=sd), rule=TopTwoSampling(leader=leader)).share
    np.testing.assert_allclose(found, drawn, atol=3.9 * math.sqrt(0.25 / runs))


@given(normals, st.floats(0, 1), st.sampled_from([ThompsonSampling(), TopTwoSampling(), TopTwoSampling(leader=0.9)]))
def test_floors_hold_and_shares_keep_their_order(arms: Any, part: float, rule: Any) -> None:
    posterior = NormalPosterior(mean=[mean for mean, _ in arms], sd=[sd for _, sd in arms])
    floor = part / len(arms)
    free, found = allocate(posterior, rule=rule).share, allocate(posterior, rule=rule, floor=floor).share
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    assert found.min() >= floor - 1e-15
    order = np.argsort(free, kind="stable")
    assert np.all(np.diff(found[order]) >= -1e-12)
    # Arms above the floor keep their ratios.
    above = np.flatnonzero(found > floor + 1e-9)
    if above.size > 1:
        ratio = found[above] / free[above]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_a_floor_of_an_equal_share_is_an_even_split() -> None:
    np.testing.assert_allclose(allocate(POSTERIORS[0], floor=1 / 3).share, 1 / 3, rtol=1e-12)


def test_an_arm_that_is_certainly_best_is_challenged_by_all() -> None:
    posterior = NormalPosterior(mean=[0.0, 0.0, 1e6], sd=[1.0, 1.0, 1.0])
    assert allocate(posterior).share.tolist() == [0.0, 0.0, 1.0]
    assert allocate(posterior, rule=TopTwoSampling()).share.tolist() == [0.25, 0.25, 0.5]


def test_rows_of_a_batch_are_as_by_themselves() -> None:
    successes, trials = [[10, 20, 15], [7, 5, 30]], [[100, 110, 90], [100, 100, 200]]
    both = allocate(beta_posterior(successes, trials=trials), rule=TopTwoSampling(), floor=0.05)
    for place in range(2):
        one = allocate(beta_posterior(successes[place], trials=trials[place]), rule=TopTwoSampling(), floor=0.05)
        np.testing.assert_allclose(both.share[place], one.share, rtol=1e-12)


def simulated(rule: Any, floor: float, days: int = 60) -> tuple[Any, Any]:
    """Return the shares of the last day and the traffic of each arm, over 200 runs of 1000 visitors a day."""
    rng, rates = np.random.default_rng(3), np.array([0.05, 0.055, 0.07])
    trials, successes = np.zeros((200, 3)), np.zeros((200, 3))
    share = np.full((200, 3), 1 / 3)
    for _ in range(days):
        today = rng.multinomial(1000, share)
        trials += today
        successes += rng.binomial(today, rates)
        share = allocate(beta_posterior(successes, trials=trials), rule=rule, floor=floor).share
        assert share.min() >= floor - 1e-15
    return share, trials / trials.sum(axis=1, keepdims=True)


def test_thompson_sampling_sends_the_traffic_to_the_best_arm() -> None:
    share, traffic = simulated(ThompsonSampling(), floor=0.05)
    assert np.mean(share.argmax(axis=1) == 2) > 0.97
    assert share[:, 2].mean() > 0.85
    assert traffic[:, 2].mean() > 0.7
    # Each arm keeps its floor of traffic, within 5 standard errors of 60,000 visitors.
    assert traffic.min() > 0.05 - 5 * math.sqrt(0.05 * 0.95 / 60_000)


def test_top_two_sampling_keeps_half_of_the_traffic_for_the_others() -> None:
    share, _ = simulated(TopTwoSampling(), floor=0.0)
    assert np.mean(share.argmax(axis=1) == 2) > 0.97
    assert share[:, 2].mean() == pytest.approx(0.5, abs=0.03)


def test_ten_advertisements(shared_data: Any) -> None:
    clicks = pd.read_csv(shared_data("ads_ctr_bandit/ads_ctr.csv.gz")).filter(like="Ad ").to_numpy()
    rng, seen = np.random.default_rng(0), np.zeros(10)
    won, share = np.zeros(10), np.full(10, 0.1)
    for rounds in np.array_split(clicks, 100):
        ad = rng.choice(10, size=len(rounds), p=share)
        seen += np.bincount(ad, minlength=10)
        won += np.bincount(ad, weights=rounds[np.arange(len(rounds)), ad], minlength=10)
        share = allocate(beta_posterior(won, trials=seen)).share
    assert int(seen.argmax()) == 4
    assert won.sum() / seen.sum() > 1.5 * clicks.mean()


@pytest.mark.parametrize(
    ("posterior", "options", "text"),
    [
        (NormalPosterior(mean=[1.0], sd=[1.0]), {}, "posterior must have at least 2 arms along its last axis, got 1"),
        (POSTERIORS[0], {"floor": 0.4}, "floor must be at most 1 / 3 for 3 arms, got 0.4"),
        (POSTERIORS[0], {"floor": -0.1}, "floor must be >= 0, got -0.1"),
    ],
)
def test_refusals(posterior: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        allocate(posterior, **options)
    assert str(caught.value) == f"allocate: {text}"
