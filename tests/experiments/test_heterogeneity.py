"""Effects by segment: case 28, the formulas on arrays, Welch's tests, properties and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import (
    Estimate,
    MomentsByStratum,
    Ratio,
    difference,
    effect_heterogeneity,
    interaction_test,
    segment_effects,
    shrunken_effects,
)

EFFECT = [61.00, 61.40, 62.21, 62.30, 62.34, 62.60, 62.70, 62.84, 65.90]
VARIANCE = [0.2025, 1.21, 0.09, 0.2025, 0.3844, 0.5625, 0.0676, 0.0225, 1.8225]
RUNS = 2000
several = st.lists(st.tuples(st.floats(-50, 50), st.floats(0.05, 20)), min_size=2, max_size=15)


def laboratories() -> Estimate:
    return Estimate(value=EFFECT, standard_error=np.sqrt(VARIANCE))


def estimate_of(pairs: Any, **fields: Any) -> Estimate:
    value, error = (np.array(column) for column in zip(*pairs, strict=True))
    return Estimate(value=value, standard_error=error, **fields)


# --- one number for all -----------------------------------------------------------------------------------------------


def test_nine_laboratories() -> None:
    found = effect_heterogeneity(laboratories(), method="dersimonian-laird")
    assert found.fixed.value == pytest.approx(62.583397, abs=5.1e-7)
    assert found.fixed.standard_error == pytest.approx(0.1078457, abs=5.1e-8)
    assert found.statistic == pytest.approx(24.801898, abs=5.1e-7)
    assert found.i_squared == pytest.approx(0.6774440, abs=5.1e-8)
    assert found.between**2 == pytest.approx(0.2880492, abs=5.1e-8)
    assert found.random.value == pytest.approx(62.390139, abs=5.1e-7)
    assert found.random.standard_error == pytest.approx(0.2457497, abs=5.1e-8)
    assert found.p_value == pytest.approx(stats.chi2.sf(24.801898, 8), rel=1e-6)
    assert found.degrees_of_freedom == 8.0


def test_paule_and_mandel_meet_the_expectation_of_the_squares() -> None:
    value, variance = np.array(EFFECT), np.array(VARIANCE)

    def excess(between: float) -> float:
        weight = 1 / (variance + between)
        return float((weight * (value - np.average(value, weights=weight)) ** 2).sum() - 8)

    between = optimize.brentq(excess, 0, 10, xtol=1e-14)
    found = effect_heterogeneity(laboratories())
    assert found.between**2 == pytest.approx(between, rel=1e-10)
    assert found.random.value == pytest.approx(np.average(value, weights=1 / (variance + between)), rel=1e-12)
    assert found.random.standard_error == pytest.approx((1 / (variance + between)).sum() ** -0.5, rel=1e-10)
    assert found.method == "paule-mandel, normal"


@given(several)
def test_the_formulas(pairs: list[tuple[float, float]]) -> None:
    value, error = (np.array(column) for column in zip(*pairs, strict=True))
    weight = error**-2.0
    mean = np.average(value, weights=weight)
    statistic = (weight * (value - mean) ** 2).sum()
    count = len(pairs) - 1
    between = max(0.0, (statistic - count) / (weight.sum() - (weight**2).sum() / weight.sum()))
    share = 1 / (error**2 + between)
    centre = np.average(value, weights=share)
    found = effect_heterogeneity(estimate_of(pairs), method="dersimonian-laird", errors="hartung-knapp")
    assert found.statistic == pytest.approx(statistic, rel=1e-9, abs=1e-12)
    assert found.i_squared == pytest.approx(max(0.0, 1 - count / statistic) if statistic > 0 else 0.0, abs=1e-9)
    assert found.between**2 == pytest.approx(between, rel=1e-7, abs=1e-9)
    assert found.random.value == pytest.approx(centre, rel=1e-9, abs=1e-9)
    spread = (share * (value - centre) ** 2).sum() / share.sum() / count
    assert found.random.standard_error == pytest.approx(np.sqrt(spread), rel=1e-6, abs=1e-9)
    assert found.random.degrees_of_freedom == count
    assert found.fixed.degrees_of_freedom == np.inf


def test_baselines_are_averaged_with_the_same_weights() -> None:
    effects = Estimate(
        value=[1.0, 3.0],
        standard_error=[1.0, 2.0],
        baseline=[10.0, 20.0],
        baseline_error=[0.5, 1.0],
        covariance=[-0.25, -1.0],
        n_treatment=[100.0, 50.0],
        n_control=[90.0, 40.0],
    )
    found = effect_heterogeneity(effects).fixed
    assert found.value == pytest.approx(0.8 * 1 + 0.2 * 3, rel=1e-15)
    assert found.baseline == pytest.approx(12.0, rel=1e-15)
    assert found.baseline_error**2 == pytest.approx(0.64 * 0.25 + 0.04 * 1.0, rel=1e-14)
    assert found.covariance == pytest.approx(-0.64 * 0.25 - 0.04 * 1.0, rel=1e-14)
    assert (found.n_treatment, found.n_control) == (150.0, 130.0)
    assert found.lift().value == pytest.approx(1.4 / 12, rel=1e-14)
    shared = effect_heterogeneity(Estimate(value=[1.0, 3.0], standard_error=1.0, baseline=10.0, n_control=7.0))
    assert (shared.fixed.baseline, shared.fixed.n_control) == (10.0, 14.0)
    same = effect_heterogeneity(Estimate(value=2.0, standard_error=[1.0, 2.0], baseline=10.0))
    assert (same.fixed.value, same.statistic, same.i_squared, same.p_value) == (2.0, 0.0, 0.0, 1.0)


@given(several, st.floats(-100, 100), st.sampled_from([1e-6, 0.01, 100.0]))
def test_order_origin_and_unit_pass_through(pairs: list[tuple[float, float]], shift: float, unit: float) -> None:
    one = effect_heterogeneity(estimate_of(pairs), method="dersimonian-laird")
    changed = [(shift + unit * value, unit * error) for value, error in pairs[::-1]]
    other = effect_heterogeneity(estimate_of(changed), method="dersimonian-laird")
    room = 1e-7 * (1 + abs(shift) / unit) * (1 + one.statistic)
    assert other.statistic == pytest.approx(one.statistic, rel=1e-6, abs=room)
    assert other.fixed.value == pytest.approx(shift + unit * one.fixed.value, rel=1e-9, abs=1e-9 * unit)
    assert other.fixed.standard_error == pytest.approx(unit * one.fixed.standard_error, rel=1e-12)


# --- interaction ------------------------------------------------------------------------------------------------------


@given(several)
def test_with_known_errors_it_is_cochran(pairs: list[tuple[float, float]]) -> None:
    found, q = interaction_test(estimate_of(pairs)), effect_heterogeneity(estimate_of(pairs))
    assert found.statistic * found.numerator_freedom == pytest.approx(q.statistic, rel=1e-9, abs=1e-12)
    assert found.p_value == pytest.approx(q.p_value, rel=1e-6, abs=1e-290)
    assert (found.denominator_freedom, found.method) == (np.inf, "Cochran's Q")


def test_two_segments_are_welch_and_several_are_his_f() -> None:
    rng = np.random.default_rng(1)
    samples = [
        rng.normal(level, spread, size) for level, spread, size in ((0, 1, 8), (1, 3, 15), (0.5, 2, 30), (2, 1, 5))
    ]
    effects = Estimate(
        value=[sample.mean() for sample in samples],
        standard_error=[sample.std(ddof=1) / np.sqrt(sample.size) for sample in samples],
        degrees_of_freedom=[sample.size - 1.0 for sample in samples],
    )
    first = Estimate(**{name: value[:2] if np.ndim(value) else value for name, value in effects.__dict__.items()})
    found, expected = interaction_test(first), stats.ttest_ind(samples[0], samples[1], equal_var=False)
    assert found.statistic == pytest.approx(expected.statistic**2, rel=1e-11)
    assert found.denominator_freedom == pytest.approx(expected.df, rel=1e-11)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    several_, welch = interaction_test(effects), stats.f_oneway(*samples, equal_var=False)
    assert several_.statistic == pytest.approx(welch.statistic, rel=1e-11)
    assert several_.p_value == pytest.approx(welch.pvalue, rel=1e-9)
    assert several_.method == "Welch's F"


def test_level_with_segments_of_few_units() -> None:
    """Six segments of 8 units an arm: Welch's F is near its level where Q, which takes errors as known, is far above."""
    rng = np.random.default_rng(2)
    y = rng.normal(0, [[[1.0], [3.0]]] * 6, (20_000, 6, 2, 8))
    part = y.var(axis=3, ddof=1) / 8
    freedom = part.sum(axis=2) ** 2 / (part**2 / 7).sum(axis=2)
    value, error = y[:, :, 1].mean(axis=2) - y[:, :, 0].mean(axis=2), np.sqrt(part.sum(axis=2))
    found = [
        (
            interaction_test(
                Estimate(value=value[run], standard_error=error[run], degrees_of_freedom=freedom[run])
            ).p_value,
            effect_heterogeneity(Estimate(value=value[run], standard_error=error[run])).p_value,
        )
        for run in range(RUNS)
    ]
    level, known = (np.array(found) < 0.05).mean(axis=0)
    assert level == pytest.approx(0.05, abs=3.29 * np.sqrt(0.05 * 0.95 / RUNS) + 0.01)
    assert known > 0.09


# --- shrinkage --------------------------------------------------------------------------------------------------------


def test_shrunken_effects_lie_between_and_keep_their_baselines() -> None:
    effects = Estimate(
        value=[-4.0, 0.0, 1.0, 7.0, 30.0],
        standard_error=[2.0, 2.0, 4.0, 1.0, 8.0],
        baseline=[10.0] * 5,
        baseline_error=[1.0] * 5,
        covariance=[-1.0] * 5,
        n_control=[5.0] * 5,
        method="difference of means",
    )
    common = effect_heterogeneity(effects)
    found = shrunken_effects(effects)
    kept = common.between**2 / (common.between**2 + np.square(effects.standard_error))
    np.testing.assert_allclose(
        found.value, common.random.value + kept * (effects.value - common.random.value), rtol=1e-12
    )
    assert (found.standard_error < effects.standard_error).all()
    weight = 1 / (common.between**2 + np.square(effects.standard_error))
    np.testing.assert_allclose(found.covariance, -(kept + (1 - kept) * weight / weight.sum()), rtol=1e-12)
    np.testing.assert_array_equal(found.baseline, effects.baseline)
    np.testing.assert_array_equal(found.n_control, effects.n_control)
    assert found.method == "shrunken, difference of means"
    assert found.lift().value[4] == pytest.approx(found.value[4] / 10, rel=1e-14)


@given(several)
def test_shrinkage_keeps_what_an_estimate_may_be(pairs: list[tuple[float, float]]) -> None:
    """Covariance and errors stay possible together, in every mixture of errors."""
    error = np.array([one for _, one in pairs])
    effects = estimate_of(pairs, baseline=50.0, baseline_error=error, covariance=-(error**2))
    found = shrunken_effects(effects)
    assert (np.abs(found.covariance) <= found.standard_error * found.baseline_error * (1 + 1e-9)).all()


def test_the_best_segment_is_no_longer_too_good() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(1, 1, (RUNS, 20))
    value = truth + rng.normal(0, 2, truth.shape)
    best = value.argmax(axis=1)
    runs = np.arange(RUNS)
    shrunk = np.array([shrunken_effects(Estimate(value=one, standard_error=[2.0] * 20)).value for one in value[:500]])
    raw = (value[runs, best] - truth[runs, best]).mean()
    left = (shrunk[runs[:500], best[:500]] - truth[runs[:500], best[:500]]).mean()
    assert raw > 2
    assert abs(left) < 0.3


# --- segments from moments --------------------------------------------------------------------------------------------


def strata_of(seed: int, per_cell: int = 10) -> MomentsByStratum:
    rng = np.random.default_rng(seed)
    stratum, arm = np.repeat(["app", "mail", "web"], 2 * per_cell), np.tile(["a", "b"], 3 * per_cell)
    x = rng.normal(0, 1, stratum.size)
    y = 5 + x + (arm == "b") * (stratum == "app") * 3 + rng.normal(0, 1, stratum.size)
    rows = pd.DataFrame({"arm": arm, "stratum": stratum, "y": y, "x": x, "d": rng.integers(1, 4, stratum.size)})
    return MomentsByStratum.from_frame(rows, by="arm", stratum="stratum", columns=("y", "x", "d"))


@pytest.mark.parametrize("metric", ["y", Ratio(numerator="y", denominator="d")])
@pytest.mark.parametrize("adjust", [(), ("x",)])
@pytest.mark.parametrize("variance", ["welch", "pooled", "normal"])
def test_each_segment_is_its_own_difference(metric: Any, adjust: Any, variance: Any) -> None:
    strata = strata_of(4)
    settings: Any = {"treatment": "b", "control": "a", "metric": metric, "adjust": adjust, "variance": variance}
    found = segment_effects(strata, **settings)
    assert found.batch_shape == (3,)
    for place, part in enumerate(strata.moments):
        one = difference(part, **settings)
        for name in ("value", "standard_error", "degrees_of_freedom", "baseline", "covariance", "n_control"):
            assert getattr(found, name)[place] == pytest.approx(getattr(one, name), rel=1e-11), name
    assert found.method.startswith("difference of ")


def test_an_effect_in_one_segment_is_found() -> None:
    effects = segment_effects(strata_of(5, 60), treatment="b", control="a", metric="y", adjust=("x",))
    assert interaction_test(effects).p_value < 1e-6
    assert effect_heterogeneity(effects).i_squared > 0.8
    assert shrunken_effects(effects).value.argmax() == 0


def test_refusals() -> None:
    strata = strata_of(6, 1)
    settings: Any = {"treatment": "b", "control": "a", "metric": "y"}
    with pytest.raises(InputError) as caught:
        segment_effects(strata, **settings)
    text = (
        "treatment must have at least 2 units, got 1 in arm 'b' in stratum 'app'; join small strata with merged() first"
    )
    assert str(caught.value) == f"segment_effects: {text}"
    with pytest.raises(InputError) as caught:
        segment_effects(strata_of(6, 2), **settings, adjust=("x", "d"), variance="pooled")
    text = "adjust must leave degrees of freedom, got 2 column(s) for 4 units, in segment 'app'"
    assert str(caught.value) == f"segment_effects: {text}"
    with pytest.raises(InputError) as caught:
        segment_effects(strata, **{**settings, "treatment": "a"})
    assert str(caught.value) == "segment_effects: treatment must be another arm than control, got 'a' for both"


@pytest.mark.parametrize("function", [effect_heterogeneity, interaction_test, shrunken_effects])
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"value": 1.0, "standard_error": 1.0},
            "estimate must hold at least 2 segments in one dimension, got shape ()",
        ),
        (
            {"value": [1.0], "standard_error": 1.0},
            "estimate must hold at least 2 segments in one dimension, got shape (1,)",
        ),
        (
            {"value": [[1.0, 2.0]], "standard_error": 1.0},
            "estimate must hold at least 2 segments in one dimension, got shape (1, 2)",
        ),
        (
            {"value": [1.0, 2.0], "standard_error": [1.0, 0.0]},
            "estimate.standard_error must be > 0, got 0.0 at index 1; leave that segment out",
        ),
    ],
)
def test_what_is_no_list_of_noisy_effects(function: Any, fields: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        function(Estimate(**fields))
    assert str(caught.value) == f"{function.__name__}: {text}"


# --- real data --------------------------------------------------------------------------------------------------------


def test_an_e_mail_for_men_in_three_kinds_of_places(shared_data: Any) -> None:
    """Hillstrom: visits by place. Half of the customers tell of the other half what chance allows."""
    rows = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))
    names: Any = {"treatment": "Mens E-Mail", "control": "No E-Mail", "metric": "visit"}
    halves = [
        segment_effects(
            MomentsByStratum.from_frame(part, by="segment", stratum="zip_code", columns=("visit",)), **names
        )
        for part in (rows[::2], rows[1::2])
    ]
    apart = Estimate(
        value=halves[0].value - halves[1].value,
        standard_error=np.hypot(halves[0].standard_error, halves[1].standard_error),
    )
    assert apart.batch_shape == (3,)
    assert (apart.test().p_value > 0.001).all()
    for half in halves:
        assert interaction_test(half).p_value == pytest.approx(effect_heterogeneity(half).p_value, rel=1e-2)
        assert effect_heterogeneity(half).fixed.test().p_value < 1e-10
