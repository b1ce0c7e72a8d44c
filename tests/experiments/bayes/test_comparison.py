"""Posteriors compared: exact sums, closed forms, simulation, and small losses that keep their digits."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from ecomops.core import InputError
from ecomops.experiments import (
    BetaPosterior,
    Estimate,
    GammaPosterior,
    NormalPosterior,
    bayes_effect,
    beta_posterior,
    compare_bayes,
    gamma_posterior,
    normal_posterior,
)
from ecomops.stats.estimate import NO_ERROR
from ecomops.stats.special import normal_loss

sizes = st.integers(1, 100)


def beats(a: tuple[int, int], b: tuple[int, int]) -> Any:
    """P(B > A) by Miller's sum over the whole first parameter of B, in 40 digits."""
    with mpmath.workdps(40):
        (one, other), (first, second) = a, b
        total = mpmath.mpf(0)
        for i in range(first):
            total += mpmath.beta(one + i, other + second) / ((second + i) * mpmath.beta(1 + i, second))
        return total / mpmath.beta(one, other)


def losing(a: tuple[int, int], b: tuple[int, int]) -> Any:
    """E max(B - A, 0) from P(B > A) with one success more: E[B; B > A] - E[A; B > A]."""
    with mpmath.workdps(60):
        mean_a, mean_b = (mpmath.mpf(one) / (one + other) for one, other in (a, b))
        return mean_b * beats(a, (b[0] + 1, b[1])) - mean_a * beats((a[0] + 1, a[1]), b)


def beta(a: tuple[float, float], b: tuple[float, float]) -> BetaPosterior:
    return BetaPosterior(successes=[a[0], b[0]], failures=[a[1], b[1]])


@pytest.mark.parametrize(
    ("successes", "trials", "best", "losses"),
    [
        ([100, 120], 1000, 0.92318343897, [0.02044469377, 0.00048461393]),
        ([1, 4], 10, 0.92569659443, [0.25610221205, 0.00610221205]),
    ],
)
def test_published_beta_cases(successes: Any, trials: int, best: float, losses: list[float]) -> None:
    found = compare_bayes(beta_posterior(successes, trials=[trials, trials]))
    assert found.probability_best[1] == pytest.approx(best, abs=5.1e-12)
    np.testing.assert_allclose(found.expected_loss, losses, atol=5.1e-12)


def test_published_normal_cases_of_gbstats() -> None:
    found = bayes_effect(Estimate(value=0.1, standard_error=0.05))
    assert found.loss_control == pytest.approx(0.1004245351308, abs=5.1e-14)
    assert found.loss_treatment == pytest.approx(0.0004245351308, abs=5.1e-14)
    p, q, n = 0.49, 0.51, 100
    of_p, of_q = p * (1 - p) / n, q * (1 - q) / n
    estimate = Estimate(
        value=q - p, standard_error=math.sqrt(of_p + of_q), baseline=p, baseline_error=math.sqrt(of_p), covariance=-of_p
    )
    found = bayes_effect(estimate, scale="lift")
    assert found.mean == pytest.approx(0.0408163, abs=5.1e-8)
    assert found.sd == pytest.approx(0.1472525, abs=5.1e-8)
    assert found.probability_better == pytest.approx(0.6091813, abs=5.1e-8)
    assert found.loss_control == pytest.approx(0.0813958, abs=5.1e-8)
    assert found.loss_treatment == pytest.approx(0.0405795, abs=5.1e-8)


@given(sizes, sizes, sizes, sizes)
@settings(max_examples=15)
def test_betas_agree_with_exact_sums(a: int, b: int, c: int, d: int) -> None:
    found = compare_bayes(beta((a, b), (c, d)))
    assert found.probability_best[1] == pytest.approx(float(beats((a, b), (c, d))), abs=1e-13)
    assert found.probability_best[0] == pytest.approx(float(beats((c, d), (a, b))), abs=1e-13)
    assert found.probability_best.sum() == pytest.approx(1.0, abs=1e-12)
    assert found.expected_loss[0] == pytest.approx(float(losing((a, b), (c, d))), rel=1e-9, abs=1e-30)
    assert found.expected_loss[1] == pytest.approx(float(losing((c, d), (a, b))), rel=1e-9, abs=1e-30)


@pytest.mark.parametrize(
    ("a", "b"),
    [((101, 901), (161, 841)), ((100, 1000), (220, 1000)), ((3, 4000), (40, 4100)), ((30, 3000), (260, 2900))],
)
def test_small_losses_keep_their_digits(a: Any, b: Any) -> None:
    found = compare_bayes(beta(a, b))
    loss, chance = float(losing(b, a)), float(beats(b, a))
    assert loss < 1e-6
    assert found.expected_loss[1] == pytest.approx(loss, rel=1e-8)
    assert found.probability_best[0] == pytest.approx(chance, rel=1e-8)
    # The difference of two expectations has no digit left where the loss is below their rounding.
    assert found.expected_loss[1] > 0


def beats_by_inversion(a: tuple[float, float], b: tuple[float, float]) -> float:
    """P(B > A) from the characteristic function of the log odds of B minus those of A (Gil-Pelaez), by the midpoint rule."""
    least = min(*a, *b)
    sd = math.sqrt(sum(float(special.zeta(2.0, part)) for part in (*a, *b)))
    with mpmath.workdps(40):
        step = mpmath.pi / max(20 * sd, 40 / least)
        base = sum(mpmath.loggamma(part) for part in (*a, *b))
        total, place = mpmath.mpf(0), 0
        while True:
            w = step * (place + mpmath.mpf(1) / 2) * mpmath.j
            logs = [mpmath.loggamma(part) for part in (b[0] + w, b[1] - w, a[0] - w, a[1] + w)]
            value = mpmath.exp(mpmath.fsum(logs) - base)
            total += value.imag / w.imag
            place += 1
            if abs(value) < 1e-22:
                return float(mpmath.mpf(1) / 2 + step * total / mpmath.pi)


@given(st.floats(0.3, 60), st.floats(0.3, 60), st.floats(0.3, 60), st.floats(0.3, 60))
@settings(max_examples=8)
def test_fractional_betas_agree_with_the_inversion(a: float, b: float, c: float, d: float) -> None:
    found = compare_bayes(beta((a, b), (c, d))).probability_best[1]
    assert found == pytest.approx(beats_by_inversion((a, b), (c, d)), abs=1e-12)


@pytest.mark.parametrize(("scale", "tolerance"), [(1e3, 1e-13), (2e4, 1e-12), (1e6, 1e-12), (1e9, 2e-11)])
def test_many_conversions_keep_their_digits(scale: float, tolerance: float) -> None:
    # At 1e9 the log odds themselves have that many digits.
    a, b = (0.5 * scale, 4.5 * scale), (0.5 * scale + math.floor(0.4 * math.sqrt(scale)), 4.5 * scale)
    exact = beats_by_inversion(a, b)
    assert 0.6 < exact < 0.9
    assert compare_bayes(beta(a, b)).probability_best[1] == pytest.approx(exact, abs=tolerance)
    turned = compare_bayes(beta(a[::-1], b[::-1])).probability_best[0]
    assert turned == pytest.approx(exact, abs=tolerance)


def test_vague_arms_at_both_ends_agree_with_the_inversion() -> None:
    a, b = (0.1, 3.0), (3.0, 0.1)
    found = compare_bayes(beta(a, b)).probability_best
    assert found[1] == pytest.approx(beats_by_inversion(a, b), abs=1e-12)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)


@given(st.floats(-3, 3), st.floats(0.01, 100), st.floats(0.01, 100))
def test_normals_agree_with_the_closed_form(gap: float, one: float, other: float) -> None:
    both = math.hypot(one, other)
    for scale in (1.0, 2.5):
        z = gap * scale
        found = compare_bayes(NormalPosterior(mean=[5.0, 5.0 + z * both], sd=[one, other]))
        assert found.probability_best[1] == pytest.approx(special.ndtr(z), abs=1e-12)
        assert found.probability_best[0] == pytest.approx(special.ndtr(-z), rel=1e-8)
        np.testing.assert_allclose(found.expected_loss, both * normal_loss(np.array([-z, z])), rtol=1e-7)


@given(st.integers(1, 120), st.integers(1, 120), st.floats(0.01, 100))
def test_gammas_agree_with_the_incomplete_beta(a: int, b: int, ratio: float) -> None:
    found = compare_bayes(GammaPosterior(events=[a, b], exposure=[7.0, 7.0 * ratio]))
    # A / (A + B r) is beta distributed.
    assert found.probability_best[1] == pytest.approx(special.betainc(a, b, 1 / (1 + ratio)), abs=1e-12)
    chance_a, chance_b = special.betainc(a + 1, b, 1 / (1 + ratio)), special.betainc(a, b + 1, 1 / (1 + ratio))
    gain = b / (7 * ratio) * chance_b - a / 7 * chance_a
    assert found.expected_loss[0] == pytest.approx(gain, rel=1e-9, abs=1e-13 * (a + b / ratio))
    scaled = compare_bayes(GammaPosterior(events=[a, b], exposure=[7e6, 7e6 * ratio]))
    np.testing.assert_allclose(scaled.expected_loss * 1e6, found.expected_loss, rtol=1e-9, atol=1e-30)


def test_many_events_take_the_series() -> None:
    found = compare_bayes(GammaPosterior(events=[1e8, 1.0001e8], exposure=[1e6, 1e6]))
    chance = special.ndtr((math.sqrt(1.0001e8) - math.sqrt(1e8)) / math.sqrt(0.5))
    assert found.probability_best[1] == pytest.approx(chance, abs=1e-5)
    assert found.probability_best.sum() == pytest.approx(1.0, abs=1e-12)
    swapped = compare_bayes(BetaPosterior(successes=[9e7, 9.0001e7], failures=[1e5, 1e5]))
    mirror = compare_bayes(BetaPosterior(successes=[1e5, 1e5], failures=[9e7, 9.0001e7]))
    np.testing.assert_allclose(swapped.probability_best, mirror.probability_best[::-1], rtol=1e-9)


@pytest.mark.parametrize("kind", ["beta", "gamma", "normal"])
def test_several_arms_agree_with_simulation(kind: str) -> None:
    rng, draws = np.random.default_rng(31), 400_000
    law: Any
    if kind == "beta":
        law = BetaPosterior(successes=[101, 121, 12, 0.5], failures=[901, 881, 90, 4.0])
        x = rng.beta(law.successes, law.failures, (draws, 4))
    elif kind == "gamma":
        law = GammaPosterior(events=[31, 46, 3], exposure=[1000, 1010, 70])
        x = rng.gamma(law.events, 1 / np.asarray(law.exposure), (draws, 3))
    else:
        law = NormalPosterior(mean=[1.0, 1.1, 0.7, 1.05, 1.0], sd=[0.1, 0.2, 0.5, 0.01, 0.1])
        x = rng.normal(law.mean, law.sd, (draws, 5))
    found = compare_bayes(law)
    best = x.max(axis=1)
    chance = (x == best[:, None]).mean(axis=0)
    np.testing.assert_allclose(found.probability_best, chance, atol=5 * 0.5 / math.sqrt(draws))
    cost = best[:, None] - x
    np.testing.assert_allclose(found.expected_loss, cost.mean(axis=0), atol=5 * float(cost.std()) / math.sqrt(draws))
    assert found.probability_best.sum() == pytest.approx(1.0, abs=1e-12)
    # All losses tell the same expectation of the best arm.
    np.testing.assert_allclose(np.ptp(found.expected_loss + found.mean), 0.0, atol=1e-11)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), atol=5 * float(x.std()) / math.sqrt(draws))
    np.testing.assert_allclose(found.sd, x.std(axis=0), rtol=0.02)


def test_batches_and_the_order_of_the_arms() -> None:
    rng = np.random.default_rng(32)
    law = BetaPosterior(successes=rng.uniform(1, 500, (2, 1200, 3)), failures=rng.uniform(1, 5000, (1200, 3)))
    whole = compare_bayes(law)
    assert whole.probability_best.shape == (2, 1200, 3)
    one = compare_bayes(BetaPosterior(successes=law.successes[1, 700], failures=law.failures[700]))
    np.testing.assert_allclose(whole.probability_best[1, 700], one.probability_best, rtol=1e-12)
    np.testing.assert_allclose(whole.expected_loss[1, 700], one.expected_loss, rtol=1e-12)
    turned = compare_bayes(BetaPosterior(successes=law.successes[1, 700, ::-1], failures=law.failures[700, ::-1]))
    np.testing.assert_allclose(turned.probability_best[::-1], one.probability_best, rtol=1e-10)
    same = compare_bayes(BetaPosterior(successes=[5, 5, 5, 5], failures=[50, 50, 50, 50]))
    np.testing.assert_allclose(same.probability_best, 0.25, rtol=1e-12)
    far = compare_bayes(NormalPosterior(mean=[0.0, 1e9], sd=[1.0, 1e-3]))
    np.testing.assert_allclose(far.probability_best, [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(far.expected_loss, [1e9, 0.0], rtol=1e-12, atol=1e-12)


def test_posteriors_add_their_priors() -> None:
    assert beta_posterior([3, 4], trials=[10, 12], prior_successes=0.5, prior_failures=2).failures.tolist() == [9, 10]
    assert gamma_posterior([0, 4], exposure=[2, 3], prior_events=0.5, prior_exposure=1).events.tolist() == [0.5, 4.5]
    flat = normal_posterior([1.0, 2.0], standard_error=[0.1, 0.2])
    assert flat.mean.tolist() == [1.0, 2.0]
    assert flat.sd.tolist() == [0.1, 0.2]
    tight = normal_posterior([1.0, 2.0], standard_error=[0.1, 0.2], prior_mean=0.5, prior_sd=0.1)
    np.testing.assert_allclose(tight.mean, [0.75, 0.5 + 1.5 / 5])
    np.testing.assert_allclose(tight.sd, [math.sqrt(0.005), 0.2 * math.sqrt(0.2)])


def test_effects() -> None:
    flat = Estimate(value=[0.3, -0.2, 0.0, 5.0, -5.0], standard_error=[0.1, 0.1, 0.0, 0.0, 0.0], baseline=2.0)
    found = bayes_effect(flat)
    np.testing.assert_allclose(found.probability_better, [special.ndtr(3), special.ndtr(-2), 0.5, 1.0, 0.0])
    assert found.reason.tolist() == ["", "", NO_ERROR, NO_ERROR, NO_ERROR]
    assert found.loss_treatment.tolist()[2:] == [0.0, 0.0, 5.0]
    assert found.loss_control.tolist()[2:] == [0.0, 5.0, 0.0]
    np.testing.assert_allclose(found.mean, found.loss_control - found.loss_treatment, atol=1e-15)
    assert found.upper[0] - 0.3 == pytest.approx(1.959963985 * 0.1)
    assert found.method == "flat prior of the difference, given"
    shrunk = bayes_effect(flat, prior_mean=0.1, prior_sd=0.1)
    assert shrunk.mean[0] == pytest.approx(0.2)
    assert shrunk.sd[0] == pytest.approx(0.1 / math.sqrt(2))
    assert shrunk.mean[3] == 5.0
    assert shrunk.method == "normal prior of the difference, given"
    far = bayes_effect(Estimate(value=3.0, standard_error=0.1))
    with mpmath.workdps(40):
        loss = (mpmath.npdf(30) - 30 * mpmath.ncdf(-30)) / 10
    assert far.loss_treatment == pytest.approx(float(loss), rel=1e-10)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: compare_bayes(NormalPosterior(mean=[1.0], sd=[1.0])),
            "compare_bayes: posterior must have at least 2 arms along its last axis, got 1",
        ),
        (
            lambda: BetaPosterior(successes=[1, 2, 3], failures=[1, 2]),
            "BetaPosterior: successes and failures must have the same arms along their last axis, got 3 and 2",
        ),
        (
            lambda: GammaPosterior(events=[1, 0], exposure=[1, 2]),
            "GammaPosterior: events must be > 0, got 0.0 at index 1",
        ),
        (
            lambda: beta_posterior([3, 8], trials=[7, 7]),
            "beta_posterior: successes must be <= trials, got 8 of 7 at index 1",
        ),
        (
            lambda: beta_posterior([[3, 8]], trials=[[7, 7]]),
            "beta_posterior: successes must be <= trials, got 8 of 7",
        ),
        (lambda: beta_posterior([3, 0.5], trials=[7, 7]), "beta_posterior: successes must be whole numbers"),
        (
            lambda: normal_posterior([1.0, 2.0], standard_error=[1.0]),
            "normal_posterior: mean and standard_error must have the same arms along their last axis, got 2 and 1",
        ),
        (
            lambda: bayes_effect(Estimate(value=1.0, standard_error=1.0), scale="lift"),
            "bayes_effect: estimate.baseline must be > 0 for a lift, got 0.0; use scale='difference'",
        ),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value).startswith(text)
