"""Two Bernoulli streams: e-values against brute force, their mean under the null, and their level under any looks."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import two_sample_bernoulli_test


def test_published_form_by_brute_force() -> None:
    # Turner, Ly & Grunwald, blocks of one trial an arm, estimates from beta(0.18, 0.18) posteriors.
    treated, control = [1, 0, 1, 1, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0, 1, 0]
    expected, e = [], 1.0
    for place, (a, b) in enumerate(zip(treated, control, strict=True)):
        p_a = (sum(treated[:place]) + 0.18) / (place + 0.36)
        p_b = (sum(control[:place]) + 0.18) / (place + 0.36)
        p = (p_a + p_b) / 2
        e *= (p_a if a else 1 - p_a) * (p_b if b else 1 - p_b)
        e /= (p if a else 1 - p) * (p if b else 1 - p)
        expected.append(e)
    trials = np.arange(1, 9)
    found = two_sample_bernoulli_test(
        np.cumsum(treated), treatment_trials=trials, control_successes=np.cumsum(control), control_trials=trials
    )
    assert np.allclose(found.e_value, expected, rtol=1e-13)
    assert np.allclose(found.p_value, np.minimum(1.0 / np.array(expected), 1.0), rtol=1e-13)
    together = two_sample_bernoulli_test(
        np.cumsum(treated),
        treatment_trials=trials,
        control_successes=np.cumsum(control),
        control_trials=trials,
        running=True,
    )
    assert np.allclose(together.p_value, np.minimum(1.0 / np.maximum.accumulate(expected), 1.0), rtol=1e-13)
    assert found.reason.tolist() == ["the first block only sets the estimates that later ones bet on", *[""] * 7]


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("rates", [(0.1, 0.1), (0.5, 0.5), (0.93, 0.93), (0.2, 0.4), (0.4, 0.2)])
def test_mean_is_at_most_one_under_the_null(alternative: str, rates: tuple[float, float]) -> None:
    # Three blocks of unequal sizes, every outcome enumerated.
    sizes_t, sizes_c = np.array([2, 3, 1]), np.array([3, 1, 2])
    outcomes = np.array(list(product(*(range(n + 1) for n in (*sizes_t, *sizes_c)))))
    blocks_t, blocks_c = outcomes[:, :3], outcomes[:, 3:]
    weight = stats.binom.pmf(blocks_t, sizes_t, rates[0]).prod(axis=1)
    weight = weight * stats.binom.pmf(blocks_c, sizes_c, rates[1]).prod(axis=1)
    found = two_sample_bernoulli_test(
        np.cumsum(blocks_t, axis=1),
        treatment_trials=np.cumsum(sizes_t),
        control_successes=np.cumsum(blocks_c, axis=1),
        control_trials=np.cumsum(sizes_c),
        alternative=alternative,
    )
    means = weight @ found.e_value
    null = {"two-sided": rates[0] == rates[1], "greater": rates[0] <= rates[1], "less": rates[0] >= rates[1]}
    if null[alternative]:
        assert np.all(means <= 1.0 + 1e-12)
    elif alternative != "two-sided":
        assert means[-1] > 1.0


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_level_under_continuous_monitoring(share: float) -> None:
    draw, runs, looks = np.random.default_rng(5), 20_000, 150
    counts = [np.cumsum(draw.binomial(n, share, (runs, looks)), axis=1) for n in (2, 3)]
    trials = [n * np.arange(1, looks + 1) for n in (2, 3)]
    found = two_sample_bernoulli_test(
        counts[0], treatment_trials=trials[0], control_successes=counts[1], control_trials=trials[1], running=True
    )
    for alpha in (0.05, 0.01):
        assert np.mean(found.p_value[:, -1] <= alpha) <= alpha + 3.29 * np.sqrt(alpha * (1 - alpha) / runs)


def test_power_grows_to_one() -> None:
    draw = np.random.default_rng(5)
    counts = [np.cumsum(draw.binomial(50, p, (500, 60)), axis=1) for p in (0.15, 0.1)]
    trials = 50 * np.arange(1, 61)
    found = two_sample_bernoulli_test(
        counts[0], treatment_trials=trials, control_successes=counts[1], control_trials=trials, running=True
    )
    rejected = (found.p_value <= 0.05).mean(axis=0)
    assert np.all(np.diff(rejected) >= 0)
    assert rejected[-1] > 0.9


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)),
        min_size=1,
        max_size=8,
    )
)
def test_symmetries(blocks: list[tuple[int, int, int, int]]) -> None:
    x_t, miss_t, x_c, miss_c = np.cumsum(np.array(blocks, dtype=float), axis=0).T
    n_t, n_c = x_t + miss_t, x_c + miss_c
    one = two_sample_bernoulli_test(x_t, treatment_trials=n_t, control_successes=x_c, control_trials=n_c)
    swapped = two_sample_bernoulli_test(x_c, treatment_trials=n_c, control_successes=x_t, control_trials=n_t)
    mirrored = two_sample_bernoulli_test(miss_t, treatment_trials=n_t, control_successes=miss_c, control_trials=n_c)
    for other in (swapped, mirrored):
        assert np.allclose(one.log_e_value, other.log_e_value, rtol=1e-9, atol=1e-9)
    sides = [
        two_sample_bernoulli_test(
            x_t, treatment_trials=n_t, control_successes=x_c, control_trials=n_c, alternative=side
        ).log_e_value
        for side in ("greater", "less")
    ]
    # Each block bets on one side, or on none.
    assert np.allclose(sides[0] + sides[1], one.log_e_value, rtol=1e-9, atol=1e-9)


def test_no_evidence_is_explained() -> None:
    found = two_sample_bernoulli_test(
        [0, 5, 5], treatment_trials=[0, 10, 10], control_successes=[0, 2, 4], control_trials=[0, 10, 20]
    )
    assert found.e_value.tolist()[:2] == [1.0, 1.0]
    # A block of one arm alone says nothing about a difference.
    assert found.e_value.tolist()[2] == 1.0
    assert found.reason.tolist() == [
        "no estimates to bet on yet",
        "the first block only sets the estimates that later ones bet on",
        "",
    ]


def test_far_beyond_floats() -> None:
    trials = 100_000 * np.arange(1, 4)
    found = two_sample_bernoulli_test(
        0.9 * trials, treatment_trials=trials, control_successes=0.1 * trials, control_trials=trials
    )
    # Two blocks of 100,000 an arm at the true rates: 2 n KL(0.9 : 0.5) each.
    each = 2e5 * (0.9 * np.log(1.8) + 0.1 * np.log(0.2))
    assert found.log_e_value[-1] == pytest.approx(2 * each, rel=1e-4)
    assert np.isinf(found.e_value[-1])
    assert found.p_value[-1] == 0.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"control_trials": [20, 10]},
            "two_sample_bernoulli_test: control_trials must be cumulative counts that never fall, got a fall at index 1",
        ),
        (
            {"treatment_successes": [3, 15]},
            "two_sample_bernoulli_test: treatment_successes must grow by at most treatment_trials, got 12 of 10 at index 1",
        ),
        (
            {"control_successes": [[3, 4], [3, 15]]},
            "two_sample_bernoulli_test: control_successes must grow by at most control_trials, got 12 of 10 at index (1, 1)",
        ),
        (
            {"control_trials": [10]},
            "two_sample_bernoulli_test: counts must be lists of one number of looks, got 2, 2, 2, 1",
        ),
        ({"prior": 0.0}, "two_sample_bernoulli_test: prior must be > 0, got 0.0"),
    ],
)
def test_refusals(changed: dict[str, object], message: str) -> None:
    given_: dict[str, object] = {
        "treatment_successes": [3, 4],
        "treatment_trials": [10, 20],
        "control_successes": [3, 4],
        "control_trials": [10, 20],
        **changed,
    }
    with pytest.raises(InputError) as error:
        two_sample_bernoulli_test(given_.pop("treatment_successes"), **given_)
    assert str(error.value) == message
