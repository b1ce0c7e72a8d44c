"""Bounds that hold at all times: published values, the optimum by search, and the walks that they must hold."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, special

from ecomops.core import InputError
from ecomops.experiments import (
    bernoulli_confidence_sequence,
    log_mixture_e_value,
    mixture_boundary,
    stitched_boundary,
)
from ecomops.experiments.sequential.bernoulli_sequences import bernoulli_log_mixture
from ecomops.experiments.sequential.time_uniform import best_growth

levels = st.floats(1e-12, 0.999)


def test_published_mixtures_of_confseq() -> None:
    closed: Any = {"planned_time": 100, "tuning": "closed-form"}
    assert mixture_boundary(100, **closed) == pytest.approx(30.35209, abs=5.1e-6)
    assert 100 / best_growth(0.05, "closed-form", one_sided=False) == pytest.approx(12.60056, abs=5.1e-6)
    assert log_mixture_e_value(10, intrinsic_time=100, **closed) == pytest.approx(-0.6510052, abs=5.1e-8)
    one: Any = {**closed, "alternative": "one-sided"}
    assert mixture_boundary(100, **one) == pytest.approx(27.66071, abs=5.1e-6)
    assert log_mixture_e_value(10, intrinsic_time=100, **one) == pytest.approx(-0.06502391, abs=5.1e-9)
    assert mixture_boundary(100, planned_time=100) == pytest.approx(30.351224, abs=5.1e-7)
    assert 100 / best_growth(0.05, "exact", one_sided=False) == pytest.approx(12.177349, abs=5.1e-7)


def test_published_stitching_of_confseq() -> None:
    assert stitched_boundary(100, least_time=10, scale=3) == pytest.approx(64.48755, abs=5.1e-6)
    assert stitched_boundary(100, least_time=10, scale=-1) == pytest.approx(28.99389, abs=5.1e-6)
    assert stitched_boundary(3, least_time=10) == stitched_boundary(10, least_time=10)


@given(levels)
def test_the_best_two_sided_mixture_is_lamberts(alpha: float) -> None:
    found = best_growth(alpha, "exact", one_sided=False)
    with mpmath.workdps(50):
        exact = -mpmath.lambertw(-(mpmath.mpf(alpha) ** 2) / mpmath.e, -1).real - 1
        assert found == pytest.approx(float(exact), rel=1e-11)


@pytest.mark.parametrize("alpha", [0.3, 0.05, 1e-3, 1e-9])
@pytest.mark.parametrize("alternative", ["two-sided", "one-sided"])
def test_no_other_mixture_is_narrower(alpha: float, alternative: Any) -> None:
    def bound(log_planned: float) -> float:
        planned = math.exp(log_planned)
        return float(mixture_boundary(1.0, planned_time=planned, alpha=alpha, alternative=alternative))

    found = optimize.minimize_scalar(bound, bounds=(-4, 4), method="bounded", options={"xatol": 1e-10})
    assert bound(0.0) <= found.fun * (1 + 1e-12)
    assert abs(found.x) < 1e-5


@given(st.floats(-30, 30), st.floats(0.01, 1e4), st.floats(0.01, 1e4))
def test_the_mixture_is_the_integral_over_effects(deviation: float, time: float, planned: float) -> None:
    deviation = deviation * math.sqrt(time) / 5
    rho = planned / best_growth(0.05, "exact", one_sided=False)
    half = planned / best_growth(0.05, "exact", one_sided=True)
    two = log_mixture_e_value(deviation, intrinsic_time=time, planned_time=planned)
    one = log_mixture_e_value(deviation, intrinsic_time=time, planned_time=planned, alternative="one-sided")

    def mixed(x: float, scale: float) -> float:
        shift = x / math.sqrt(scale)
        return math.exp(shift * deviation - shift * shift * time / 2 - x * x / 2) / math.sqrt(2 * math.pi)

    options: Any = {"epsabs": 0, "epsrel": 1e-11, "limit": 500}
    peak, wide = (
        [deviation / (time + s) * math.sqrt(s) for s in (rho, half)],
        [math.sqrt(s / (time + s)) for s in (rho, half)],
    )
    whole = integrate.quad(mixed, peak[0] - 12 * wide[0], peak[0] + 12 * wide[0], args=(rho,), **options)[0]
    assert two == pytest.approx(math.log(whole), abs=1e-9)
    upper = integrate.quad(
        mixed, max(0.0, peak[1] - 12 * wide[1]), max(0.0, peak[1]) + 12 * wide[1], args=(half,), **options
    )[0]
    assert one == pytest.approx(math.log(2 * upper), abs=1e-8)


@given(levels, st.floats(0, 1e6), st.sampled_from(["two-sided", "one-sided"]))
def test_the_bound_is_where_the_e_value_reaches_one_over_alpha(alpha: float, time: float, alternative: Any) -> None:
    bound = mixture_boundary(time, planned_time=50, alpha=alpha, alternative=alternative)
    reached = log_mixture_e_value(bound, intrinsic_time=time, planned_time=50, alpha=alpha, alternative=alternative)
    assert reached == pytest.approx(-math.log(alpha), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("kind", ["two-sided", "one-sided", "stitched"])
def test_walks_cross_no_more_often_than_alpha(kind: Any) -> None:
    runs, looks, alpha = 4000, 2000, 0.05
    walks = np.random.default_rng(11).standard_normal((runs, looks)).cumsum(axis=1)
    time = np.arange(1.0, looks + 1)
    if kind == "stitched":
        crossed = (walks >= stitched_boundary(time, least_time=10, alpha=alpha)).any(axis=1)
    else:
        bound = mixture_boundary(time, planned_time=300, alpha=alpha, alternative=kind)
        crossed = ((np.abs(walks) if kind == "two-sided" else walks) >= bound).any(axis=1)
    assert crossed.mean() <= alpha + 3.29 * math.sqrt(alpha * (1 - alpha) / runs)
    assert crossed.mean() > 0.002


def test_e_values_are_one_on_average() -> None:
    for alternative in ("two-sided", "one-sided"):
        sums = np.random.default_rng(12).standard_normal(400_000) * 5
        e = np.exp(
            log_mixture_e_value(sums, intrinsic_time=25, planned_time=200, alternative=alternative)  # type: ignore[arg-type]
        )
        assert e.mean() == pytest.approx(1.0, abs=5 * e.std() / math.sqrt(e.size))


def test_published_bernoulli_sequences_of_confseq() -> None:
    # confseq prints its roots cut, not rounded.
    found = bernoulli_confidence_sequence([700, 100], trials=[1000, 200], planned_trials=[100, 1], tuning="closed-form")
    np.testing.assert_allclose(found.lower, [0.651629, 0.328923], atol=1.1e-6)
    np.testing.assert_allclose(found.upper, [0.745949, 0.671076], atol=1.1e-6)


@given(st.integers(0, 400), st.integers(0, 400), st.floats(1, 5000))
def test_the_bernoulli_sequence_is_what_a_grid_keeps(successes: int, failures: int, planned: float) -> None:
    trials = successes + failures
    found = bernoulli_confidence_sequence(successes, trials=trials, planned_trials=planned)
    prior = max(planned / best_growth(0.05, "exact", one_sided=False) - 1, 1e-3)
    p = special.expit(np.linspace(-12, 12, 4001))
    log_e = special.betaln(successes + prior * p, failures + prior * (1 - p)) - special.betaln(
        prior * p, prior * (1 - p)
    )
    log_e = log_e - special.xlogy(successes, p) - special.xlog1py(failures, -p)
    kept = log_e < -math.log(0.05)
    inside = (p > found.lower) & (p < found.upper)
    near = np.minimum(np.abs(p - found.lower), np.abs(p - found.upper)) < 1e-9
    np.testing.assert_array_equal(kept[~near], inside[~near])
    value, slope = bernoulli_log_mixture(successes, trials, prior, p)
    np.testing.assert_allclose(value, log_e, atol=1e-8, rtol=1e-8)
    step = 1e-6
    shifted = bernoulli_log_mixture(successes, trials, prior, np.minimum(p * (1 + step), 1 - 1e-9))[0]
    middle = (p > 1e-4) & (p < 0.99)
    np.testing.assert_allclose(
        ((shifted - value) / math.log1p(step))[middle], slope[middle], rtol=1e-2, atol=1e-2 * (trials + 1)
    )


def test_many_trials_keep_their_digits() -> None:
    k, n = 5e8, 1e9
    found = bernoulli_confidence_sequence(k, trials=n, planned_trials=1e9)
    with mpmath.workdps(60):
        prior = mpmath.mpf(1e9) / mpmath.mpf(best_growth(0.05, "exact", one_sided=False)) - 1
        p = mpmath.mpf(found.lower)
        log_e = mpmath.mpf(0)
        for a, sign in ((k + prior * p, 1), (n - k + prior * (1 - p), 1), (n + prior, -1)):
            log_e += sign * mpmath.loggamma(a)
        for a, sign in ((prior * p, -1), (prior * (1 - p), -1), (prior, 1)):
            log_e += sign * mpmath.loggamma(a)
        log_e -= k * mpmath.log(p) + (n - k) * mpmath.log(1 - p)
        assert float(log_e) == pytest.approx(-math.log(0.05), abs=1e-8)
    assert found.lower + found.upper == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("p", [0.02, 0.5])
def test_bernoulli_sequences_cover_at_all_looks(p: float) -> None:
    runs, looks = 2000, 2000
    successes = (np.random.default_rng(13).random((runs, looks)) < p).cumsum(axis=1)
    trials = np.arange(1.0, looks + 1)
    prior = 500 / best_growth(0.05, "exact", one_sided=False) - 1
    # p is left out just where its martingale is above 1 / alpha, as the test of the grid shows.
    out = bernoulli_log_mixture(successes, trials, prior, p)[0] >= -math.log(0.05)
    assert out.any(axis=1).mean() <= 0.05 + 3.29 * math.sqrt(0.05 * 0.95 / runs)
    assert out.any(axis=1).mean() > 0.02
    some = slice(0, 4)
    found = bernoulli_confidence_sequence(successes[some], trials=trials, planned_trials=500)
    np.testing.assert_array_equal((found.lower > p) | (found.upper < p), out[some])
    # It contains the fixed interval of each look.
    lower = special.betaincinv(successes[some] + 1e-300, trials - successes[some] + 1, 0.025)
    assert (found.lower <= lower + 1e-12).all()


def test_edges_of_bernoulli_sequences() -> None:
    found = bernoulli_confidence_sequence(
        [0, 0, 1, 7, 7, 10**9], trials=[0, 7, 7, 7, 10**12, 10**9], planned_trials=100
    )
    assert found.value.tolist()[:4] == [0.0, 0.0, 1 / 7, 1.0]
    assert (found.lower[:3] == 0).all()
    assert found.upper[0] == found.upper[3] == found.upper[5] == 1.0
    assert found.lower[3] == pytest.approx(1 - found.upper[1], rel=1e-12)
    assert 0 < found.lower[4] < 7e-12 < found.upper[4]
    assert 1 - 1e-6 < found.lower[5] < 1
    assert bernoulli_confidence_sequence([], trials=[], planned_trials=10).lower.shape == (0,)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: mixture_boundary(5, planned_time=5, alpha=0.5, alternative="one-sided", tuning="closed-form"),
            "mixture_boundary: alpha must be < 0.5 for a one-sided mixture in closed form, got 0.5; use tuning='exact'",
        ),
        (lambda: mixture_boundary(-1, planned_time=5), "mixture_boundary: intrinsic_time must be >= 0, got -1.0"),
        (lambda: stitched_boundary(5, least_time=0), "stitched_boundary: least_time must be > 0, got 0.0"),
        (lambda: stitched_boundary(5, least_time=1, growth=1.0), "stitched_boundary: growth must be > 1, got 1.0"),
        (
            lambda: bernoulli_confidence_sequence([3, 8], trials=7, planned_trials=10),
            "bernoulli_confidence_sequence: successes must be <= trials, got 8 of 7 at index 1",
        ),
        (
            lambda: bernoulli_confidence_sequence(3, trials=7, planned_trials=0),
            "bernoulli_confidence_sequence: planned_trials must be > 0, got 0.0",
        ),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert text in str(caught.value)
