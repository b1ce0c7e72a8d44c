"""Always-valid tests and intervals of an estimate: published values, duality, and coverage over two thousand looks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import (
    EffectMixture,
    Estimate,
    Moments,
    MomentsByArm,
    PlannedMixture,
    StitchedBound,
    always_valid_test,
    confidence_sequence,
    difference,
    lift_confidence_sequence,
    mixture_boundary,
    stitched_boundary,
)
from ecomops.experiments.sequential.mixtures import critical_of
from ecomops.stats.estimate import NO_ERROR

ALTERNATIVES: Any = st.sampled_from(["two-sided", "greater", "less"])


@pytest.mark.parametrize(
    ("value", "n", "variance", "tau2", "e", "p", "half"),
    [(0.1, 1000, 2, 0.01, 3.2787216, 0.3049969, 0.1366738), (0.05, 5000, 2, 0.0025, 5.4929463, 0.1820517, 0.0608212)],
)
def test_msprt_of_johari(value: float, n: int, variance: float, tau2: float, e: float, p: float, half: float) -> None:
    estimate = Estimate(value=value, standard_error=math.sqrt(variance / n), n_treatment=n, n_control=n)
    mixture = EffectMixture(sd=math.sqrt(tau2))
    test = always_valid_test(estimate, mixture=mixture)
    assert test.e_value == pytest.approx(e, abs=5.1e-8)
    assert test.p_value == pytest.approx(p, abs=5.1e-8)
    sequence = confidence_sequence(estimate, bound=mixture)
    assert sequence.upper - value == pytest.approx(half, abs=5.1e-8)
    assert value - sequence.lower == pytest.approx(half, abs=5.1e-8)


def _arms(control: tuple[float, float, int], treatment: tuple[float, float, int]) -> Estimate:
    arms = []
    for total, squares, n in (control, treatment):
        arms.append(Moments(columns=("y",), n=n, means=[total / n], comoments=[[squares - total * total / n]]))
    moments = MomentsByArm(arms=["a", "b"], moments=tuple(arms))
    return difference(moments, treatment="b", control="a", metric="y")


def test_asymptotic_sequences_of_gbstats() -> None:
    estimate = _arms((1396.87, 52377.9767, 3000), (2422.7, 134698.29, 3461))
    found = lift_confidence_sequence(estimate, bound=PlannedMixture(units=1000, tuning="closed-form"), method="delta")
    assert found.value == pytest.approx(0.5033611, abs=5.1e-8)
    assert found.lower == pytest.approx(-0.5584405, abs=5.1e-8)
    assert found.upper == pytest.approx(1.5651627, abs=5.1e-8)
    # Proportions with the variance p (1 - p) / n.
    p, q, n, m = 1396 / 3000, 2422 / 3461, 3000, 3461
    of_p, of_q = p * (1 - p) / n, q * (1 - q) / m
    estimate = Estimate(
        value=q - p, standard_error=math.sqrt(of_p + of_q), baseline=p, baseline_error=math.sqrt(of_p), covariance=-of_p,
        n_treatment=m, n_control=n,
    )  # fmt: skip
    found = lift_confidence_sequence(estimate, bound=PlannedMixture(units=5000, tuning="closed-form"), method="delta")
    assert found.value == pytest.approx(0.5038634, abs=5.1e-8)
    assert found.lower == pytest.approx(0.4009785, abs=5.1e-8)
    assert found.upper == pytest.approx(0.6067482, abs=5.1e-8)


@given(st.floats(-5, 5), st.floats(0.01, 10), st.floats(1, 1e5), ALTERNATIVES, st.floats(0.5, 0.999))
def test_interval_and_test_agree(
    value: float, error: float, planned: float, alternative: Any, confidence: float
) -> None:
    estimate = Estimate(value=value, standard_error=error, n_treatment=700, n_control=300)
    for mixture in (PlannedMixture(units=planned), EffectMixture(sd=planned / 1e4)):
        sequence = confidence_sequence(estimate, bound=mixture, alternative=alternative, confidence=confidence)
        for end in (sequence.lower, sequence.upper):
            if math.isfinite(end):
                at = always_valid_test(
                    estimate, mixture=mixture, margin=end, alternative=alternative, alpha=1 - confidence
                )
                assert at.p_value == pytest.approx(1 - confidence, rel=1e-6)
                assert at.log_p_value == pytest.approx(-max(at.log_e_value, 0.0))


@given(st.floats(0.01, 10), st.floats(10, 1e5), st.floats(10, 1e5))
def test_the_bounds_are_those_of_a_sum_of_the_units(error: float, units: float, planned: float) -> None:
    estimate = Estimate(value=1.0, standard_error=error, n_treatment=units / 4, n_control=units * 3 / 4)
    found = confidence_sequence(estimate, bound=PlannedMixture(units=planned))
    scale = error / math.sqrt(units)
    assert found.upper - 1 == pytest.approx(mixture_boundary(units, planned_time=planned) * scale, rel=1e-9)
    found = confidence_sequence(estimate, bound=StitchedBound(least_units=planned))
    half = stitched_boundary(units, least_time=planned, alpha=0.025) * scale
    assert found.upper - 1 == pytest.approx(half, rel=1e-9)
    one = confidence_sequence(estimate, bound=StitchedBound(least_units=planned), alternative="less")
    assert one.upper - 1 == pytest.approx(stitched_boundary(units, least_time=planned) * scale, rel=1e-9)
    assert one.lower == -math.inf


@given(st.floats(-3, 3), st.floats(0.05, 2), ALTERNATIVES)
def test_swapping_the_arms_mirrors_the_answer(value: float, error: float, alternative: Any) -> None:
    mirrored: Any = {"two-sided": "two-sided", "greater": "less", "less": "greater"}[alternative]
    one = Estimate(value=value, standard_error=error, n_treatment=500, n_control=500)
    other = Estimate(value=-value, standard_error=error, n_treatment=500, n_control=500)
    bound = PlannedMixture(units=900)
    left = confidence_sequence(one, bound=bound, alternative=alternative)
    right = confidence_sequence(other, bound=bound, alternative=mirrored)
    assert left.lower == -right.upper
    assert left.upper == -right.lower
    assert (
        always_valid_test(one, mixture=bound, alternative=alternative).log_e_value
        == always_valid_test(other, mixture=bound, alternative=mirrored).log_e_value
    )


def _looks(rng: np.random.Generator, runs: int, looks: int, batch: int, draw: Any) -> Estimate:
    """Two arms without a difference, looked at after each batch; errors from the data seen so far."""
    n = batch * np.arange(1, looks + 1)
    means, errors = [], []
    for _ in range(2):
        sums, squares = np.zeros((runs, looks)), np.zeros((runs, looks))
        for _ in range(batch):
            x = draw(rng, (runs, looks))
            sums += x
            squares += x * x
        mean = sums.cumsum(axis=1) / n
        means.append(mean)
        errors.append(np.maximum(squares.cumsum(axis=1) / n - mean * mean, 0.0) / (n - 1))
    return Estimate(
        value=means[1] - means[0], standard_error=np.sqrt(errors[0] + errors[1]), baseline=means[0],
        baseline_error=np.sqrt(errors[0]), covariance=-errors[0], n_treatment=n, n_control=n,
    )  # fmt: skip


DRAWS: dict[str, Any] = {
    "normal": lambda rng, shape: 5 + rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(1.0, shape),
    "rare": lambda rng, shape: (rng.random(shape) < 0.05).astype(float),
}


@pytest.mark.parametrize("kind", list(DRAWS))
def test_no_more_false_alarms_than_alpha_over_two_thousand_looks(kind: str) -> None:
    runs, looks, alpha = 1000, 2000, 0.05
    limit = alpha + 3.29 * math.sqrt(alpha * (1 - alpha) / runs)
    estimate = _looks(np.random.default_rng(21), runs, looks, 2, DRAWS[kind])
    counted = np.asarray(estimate.n_treatment) >= 200
    error = np.asarray(estimate.standard_error)
    z = np.where(error > 0, estimate.value / np.where(error > 0, error, 1.0), 0.0)
    few = {name: np.asarray(value)[..., :] for name, value in estimate.__dict__.items() if name.startswith("n_")}
    first = {name: getattr(estimate, name)[:20] for name in ("value", "standard_error", "baseline", "baseline_error")}
    some = Estimate(**first, **few, covariance=estimate.covariance[:20])
    bounds: list[Any] = [PlannedMixture(units=4000), EffectMixture(sd=0.05), StitchedBound(least_units=400)]
    for bound in bounds:
        for sides, alternative in ((np.abs(z), "two-sided"), (z, "greater")):
            level = critical_of(bound, estimate, alpha, two_sided=alternative == "two-sided")
            crossed = (sides > level) & counted
            assert crossed.any(axis=1).mean() <= limit, (bound, alternative)
            found = confidence_sequence(some, bound=bound, alternative=alternative)  # type: ignore[arg-type]
            np.testing.assert_array_equal(((found.lower > 0) | (found.upper < 0)) & counted, crossed[:20])
            if not isinstance(bound, StitchedBound):
                test = always_valid_test(
                    some,
                    mixture=bound,
                    alternative=alternative,
                    burn_in=400,
                    running=True,  # type: ignore[arg-type]
                )
                np.testing.assert_array_equal(test.p_value[:, -1] < alpha, crossed[:20].any(axis=1))
                assert (np.diff(test.p_value, axis=1) <= 0).all()
    # A lift by Fieller leaves 0 out just when the difference does.
    lift = lift_confidence_sequence(some, bound=bounds[0]) if kind != "rare" else None
    if lift is not None:
        left_out = ((lift.lower > 0) | (lift.upper < 0)) & counted
        np.testing.assert_array_equal(
            left_out, (np.abs(z) > critical_of(bounds[0], estimate, alpha, two_sided=True))[:20] & counted
        )


def test_running_looks() -> None:
    estimate = Estimate(
        value=[9.0, 1.0, 0.6, 0.9, 0.0], standard_error=[0.1, 0.3, 0.2, 0.2, 0.05],
        n_treatment=[50, 100, 200, 300, 5000], n_control=[50, 100, 200, 300, 5000],
    )  # fmt: skip
    mixture = PlannedMixture(units=800)
    each = confidence_sequence(estimate, bound=mixture)
    both = confidence_sequence(estimate, bound=mixture, running=True)
    assert [bool(note) for note in both.note] == [True, False, False, False, False]
    assert both.lower[0] == -math.inf
    assert both.reason[0] == "no look counts yet"
    assert both.lower[1] == each.lower[1]
    assert both.lower[3] == max(each.lower[1:4])
    assert both.upper[3] == min(each.upper[1:4])
    # The last look is far from the others: nothing is left in common.
    assert math.isnan(both.lower[4]) == (max(each.lower[1:]) > min(each.upper[1:]))
    assert math.isnan(both.upper[4])
    assert "no value in common" in both.reason[4]
    assert both.method.startswith("running intersection")
    test = always_valid_test(estimate, mixture=mixture, running=True)
    alone = always_valid_test(estimate, mixture=mixture)
    assert test.p_value[0] == 1.0 > alone.p_value[0]
    np.testing.assert_allclose(test.log_p_value[1:], -np.maximum.accumulate(np.maximum(alone.log_e_value[1:], 0)))
    assert test.e_value.tolist() == alone.e_value.tolist()
    single = Estimate(value=1.0, standard_error=0.3, n_treatment=100, n_control=100)
    assert confidence_sequence(single, bound=mixture, running=True).lower == each.lower[1]
    assert always_valid_test(single, mixture=mixture, running=True).p_value == alone.p_value[1]
    one = confidence_sequence(estimate, bound=mixture, running=True, alternative="greater")
    assert (one.upper == math.inf).all()
    assert one.reason[2] == "a one-sided interval is open at its other end"


def test_nothing_is_known_without_an_error() -> None:
    estimate = Estimate(value=[0.0, 1.0], standard_error=[0.0, 0.2], baseline=2.0, n_treatment=300, n_control=300)
    for bound in (PlannedMixture(units=500), EffectMixture(sd=0.3), StitchedBound(least_units=100)):
        found = confidence_sequence(estimate, bound=bound)
        assert found.lower[0] == -math.inf
        assert found.upper[0] == math.inf
        assert found.reason.tolist() == [NO_ERROR, ""]
    lift = lift_confidence_sequence(estimate, bound=PlannedMixture(units=500))
    assert lift.reason.tolist() == [NO_ERROR, ""]
    assert lift.upper[0] == math.inf
    test = always_valid_test(estimate, mixture=EffectMixture(sd=0.3))
    assert test.e_value[0] == test.p_value[0] == 1.0
    assert test.reason.tolist() == [NO_ERROR, ""]


def test_far_evidence_keeps_its_digits() -> None:
    estimate = Estimate(value=100.0, standard_error=1.0, n_treatment=500, n_control=500)
    test = always_valid_test(estimate, mixture=EffectMixture(sd=1.0))
    assert test.log_e_value == pytest.approx(2500 - 0.5 * math.log(2))
    assert test.log_p_value == -test.log_e_value
    assert test.p_value == 0.0
    assert test.e_value == math.inf
    against = always_valid_test(estimate, mixture=EffectMixture(sd=1.0), alternative="less")
    assert against.p_value == 1.0
    assert math.isfinite(against.log_e_value)


def test_notes_and_refusals() -> None:
    bare = Estimate(value=1.0, standard_error=0.5)
    found = confidence_sequence(bare, bound=EffectMixture(sd=1.0))
    assert found.note == "units are not given: the normal approximation may not hold at early looks"
    early = Estimate(value=1.0, standard_error=0.5, n_treatment=20, n_control=20)
    note = confidence_sequence(early, bound=EffectMixture(sd=1.0)).note
    assert note == "fewer than 200 units: the normal approximation may not hold yet"
    for call, text in (
        (
            lambda: confidence_sequence(bare, bound=PlannedMixture(units=10)),
            (
                "confidence_sequence: estimate.n_treatment + n_control must be > 0 for a bound in units, got 0; "
                "or use EffectMixture"
            ),
        ),
        (
            lambda: lift_confidence_sequence(early, bound=PlannedMixture(units=10)),
            "lift_confidence_sequence: estimate.baseline must be > 0 for a lift, got 0.0; use confidence_sequence",
        ),
        (
            lambda: always_valid_test(early, mixture={"kind": "EffectMixture", "sd": 0.0}),  # type: ignore[arg-type]
            "always_valid_test: mixture.sd must be > 0, got 0.0",
        ),
        (
            lambda: confidence_sequence(early, bound={"kind": "Peeking"}),  # type: ignore[arg-type]
            "confidence_sequence: bound has kind 'Peeking', must be one of",
        ),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value).startswith(text)
