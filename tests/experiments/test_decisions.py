"""The decision rule: how its errors are spent, its tests against plain formulas, and how often it errs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import (
    AbsoluteMargin,
    DeteriorationMetric,
    Estimate,
    GuardrailMetric,
    RelativeMargin,
    SuccessMetric,
    decision_levels,
    sample_ratio_mismatch,
    scorecard,
)

NO_ERROR = "the standard error is 0: the units show no variation to judge it by"


def estimate(value: float, error: float = 1.0, baseline: float = 100.0, freedom: float = math.inf) -> Estimate:
    """Two arms of equal size, so that half of the variance is the control's."""
    half = error * error / 2
    return Estimate(
        value=value,
        standard_error=error,
        degrees_of_freedom=freedom,
        baseline=baseline,
        baseline_error=math.sqrt(half),
        covariance=-half,
        n_treatment=500,
        n_control=400,
    )


def success(value: float, name: str = "orders", **options: Any) -> SuccessMetric:
    return SuccessMetric(name=name, estimate=estimate(value, **options))


def guardrail(value: float, margin: float = 3.0, name: str = "margin", **options: Any) -> GuardrailMetric:
    return GuardrailMetric(name=name, estimate=estimate(value, **options), margin=AbsoluteMargin(value=margin))


# --- how the errors are spent ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("success", "guardrails", "power"),
    [(1, 0, 0.8), (1, 1, 0.9), (2, 3, 0.95), (0, 4, 0.95), (5, 0, 0.8)],
)
def test_levels_are_those_of_spotify(success: int, guardrails: int, power: float) -> None:
    """Their package: alpha over the success metrics, and 1 - (1 - power) / (guardrails + 1), or / guardrails without success."""
    levels = decision_levels(success, guardrails=guardrails, alpha_deterioration=0, alpha_quality=0)
    assert levels.alpha_success == 0.05 / max(success, 1)
    assert levels.alpha_guardrail == 0.05
    assert levels.power == pytest.approx(power, rel=1e-12)


def test_levels_with_harm_and_quality() -> None:
    levels = decision_levels(2, guardrails=3, deterioration=4, treatments=2)
    assert levels.alpha_success == pytest.approx(0.05 / 4)
    assert levels.alpha_guardrail == pytest.approx(0.025)
    assert levels.alpha_deterioration == pytest.approx(0.05 / 9)
    assert levels.power == pytest.approx(1 - (0.2 - 0.051) / 4)
    many = decision_levels([1, 2, 0], guardrails=[0, 3, 1], alpha=0.1)
    np.testing.assert_allclose(many.alpha_success, [0.1, 0.05, 0.1])
    np.testing.assert_allclose(many.power, 1 - 0.149 / np.array([1, 4, 1]))


# --- the tests ----------------------------------------------------------------------------------------------------------------


@given(st.floats(-5, 5), st.floats(-5, 5), st.sampled_from([5.0, math.inf]), st.sampled_from(["increase", "decrease"]))
def test_verdicts_are_plain_one_sided_tests(first: float, second: float, freedom: float, desired: Any) -> None:
    sign = 1 if desired == "increase" else -1
    law = stats.norm if math.isinf(freedom) else stats.t(freedom)
    metrics = (
        SuccessMetric(name="a", estimate=estimate(sign * first, freedom=freedom), desired=desired),
        SuccessMetric(name="b", estimate=estimate(sign * second, freedom=freedom), desired=desired),
        GuardrailMetric(
            name="c", estimate=estimate(sign * first, freedom=freedom), margin=AbsoluteMargin(value=2), desired=desired
        ),
        DeteriorationMetric(name="d", estimate=estimate(sign * second, freedom=freedom), desired=desired),
    )
    card = scorecard(metrics)
    p = [2 * law.sf(first), 2 * law.sf(second), law.sf(first + 2), 4 * law.cdf(second)]
    np.testing.assert_allclose(card.p_adjusted, np.minimum(p, 1), rtol=1e-8)
    harm = np.minimum(4 * law.cdf([first, second, first, second]), 1)
    np.testing.assert_allclose(card.p_deterioration, harm, rtol=1e-8)
    shown = ["better", "better", "within margin", ""]
    for verdict, word, own, bad in zip(card.verdict, shown, p, harm, strict=True):
        assert (verdict == "worse") == (bad <= 0.05)
        assert (verdict == word) == (bool(word) and own <= 0.05 and bad > 0.05)
    ship = max(first, second) >= law.isf(0.025) and law.sf(first + 2) <= 0.05 and harm.min() > 0.05
    assert (card.decision == "ship") == ship


@given(st.floats(-30, 30), st.floats(0.01, 0.3), st.sampled_from(["increase", "decrease"]), st.floats(0.1, 5))
def test_a_relative_margin_is_the_dual_of_the_interval(
    value: float, fraction: float, desired: Any, error: float
) -> None:
    metric = GuardrailMetric(
        name="spend",
        estimate=estimate(value, error=error, freedom=30.0),
        margin=RelativeMargin(fraction=fraction),
        desired=desired,
    )
    card = scorecard((metric,))
    inside = card.lower[0] > -fraction if desired == "increase" else card.upper[0] < fraction
    if abs(card.p_adjusted[0] - 0.05) > 1e-9:
        assert inside == (card.p_adjusted[0] < 0.05)


def test_levels_of_the_table_and_what_it_shows() -> None:
    card = scorecard((success(3.0), guardrail(0.5), DeteriorationMetric(name="crashes", estimate=estimate(0.0))))
    frame = card.to_frame()
    assert frame["metric"].tolist() == ["orders", "margin", "crashes"]
    assert frame["role"].tolist() == ["success", "guardrail", "deterioration"]
    assert frame["verdict"].tolist() == ["better", "within margin", "not shown worse"]
    assert (card.decision, card.decision_reason) == ("ship", "better: orders")
    np.testing.assert_allclose(card.lift, [0.03, 0.005, 0.0])
    np.testing.assert_allclose(card.treatment, [103.0, 100.5, 100.0])
    assert card.n_control.tolist() == [400] * 3
    assert card.n_treatment.tolist() == [500] * 3
    assert card.srm_p_value is None
    # beta .2 less .05 for harm, over one guardrail and the success metric.
    reach = stats.norm.isf(0.05) + stats.norm.isf(0.15 / 2)
    np.testing.assert_allclose(card.mde[:2], reach / 100, rtol=1e-12)
    interval = estimate(3.0).lift(confidence=0.9)
    np.testing.assert_allclose([card.lower[0], card.upper[0]], [interval.lower, interval.upper], rtol=1e-12)


def test_reasons_to_keep() -> None:
    card = scorecard((success(0.5), guardrail(-1.5)))
    assert card.decision == "keep"
    assert card.decision_reason == "not shown within margin: margin; no success metric is shown better"
    assert card.reason[0] == "this many units settle a lift of 3.08%; a smaller one needs more"
    assert card.reason[1] == "this many units settle a margin of 3.08%; a smaller one needs more"
    harmed = scorecard(
        (success(3.0), guardrail(-2.5, margin=9.0), DeteriorationMetric(name="speed", estimate=estimate(-4.0)))
    )
    assert harmed.decision_reason == "worse: margin, speed"
    assert harmed.reason.tolist() == ["", "within its margin, yet worse than the control", "worse than the control"]
    assert scorecard((guardrail(0.0, margin=4.0),)).decision_reason == "all guardrails are within their margins"
    off = scorecard((success(3.0),), sample_ratio=sample_ratio_mismatch([9000, 10000]))
    assert off.decision == "keep"
    assert off.decision_reason.startswith("the units were not split as planned (p = ")
    assert off.srm_p_value is not None
    fine = scorecard((success(3.0),), sample_ratio=sample_ratio_mismatch([10010, 10000]))
    assert fine.decision == "ship"
    assert fine.levels.power == pytest.approx(1 - (0.2 - 0.05 - 0.001))


def test_metrics_without_an_answer() -> None:
    card = scorecard((success(3.0), guardrail(0.0, error=0.0), success(5.0, name="net", baseline=-2.0)))
    assert card.verdict.tolist() == ["better", "undecided", "better"]
    assert card.reason.tolist() == ["", NO_ERROR, "the control's level is not > 0: there is no lift"]
    assert np.isnan(card.p_adjusted).tolist() == [False, True, False]
    assert np.isnan(card.lift).tolist() == np.isnan(card.lower).tolist() == [False, False, True]
    assert np.isnan(card.mde).tolist() == [False, True, True]
    assert card.decision_reason == "not shown within margin: margin"
    wide = scorecard((success(3.0, baseline=0.5),))
    assert (wide.lower[0], wide.upper[0]) == (-math.inf, math.inf)
    assert "any lift is possible" in wide.reason[0]
    assert type(card).model_validate_json(card.model_dump_json()) == card


# --- how often the decision errs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_the_error_rates_of_the_decision(correlation: float) -> None:
    """The rule on normal statistics by its levels, as `test_verdicts_are_plain_one_sided_tests` shows that it works."""
    runs, rng = 40_000, np.random.default_rng(11)
    levels = decision_levels(2, guardrails=3, deterioration=1)
    common = math.sqrt(correlation) * rng.normal(size=(runs, 1))
    noise = math.sqrt(1 - correlation) * rng.normal(size=(runs, 6)) + common
    good, guard, harm = (
        float(stats.norm.isf(a)) for a in (levels.alpha_success, levels.alpha_guardrail, levels.alpha_deterioration)
    )
    planned = float(stats.norm.isf(1 - float(levels.power)))

    def shipped(effect: float, safety: float) -> float:
        z = noise + np.array([effect, effect, 0, 0, 0, 0])
        ship = (z[:, :2] >= good).any(axis=1) & (z[:, 2:5] + safety >= guard).all(axis=1) & (z > -harm).all(axis=1)
        return float(ship.mean())

    slack = 3.29 * math.sqrt(0.05 * 0.95 / runs)
    assert shipped(0.0, 50.0) <= 0.05 + slack  # nothing is better
    assert shipped(50.0, 0.0) <= 0.05 + slack  # the guardrails stand at their margins
    assert shipped(good + planned, guard + planned) >= 0.8 - 3.29 * math.sqrt(0.16 / runs)


@pytest.mark.parametrize(
    ("metrics", "options", "text"),
    [
        ((), {}, "metrics must hold a SuccessMetric or a GuardrailMetric: nothing could be decided"),
        (
            (DeteriorationMetric(name="a", estimate=estimate(0.0)),),
            {},
            "metrics must hold a SuccessMetric or a GuardrailMetric: nothing could be decided",
        ),
        ((success(1.0), success(2.0)), {}, "metrics must have names that do not repeat, got ['orders', 'orders']"),
        (
            (SuccessMetric(name="a", estimate=Estimate(value=[1.0, 2.0], standard_error=1.0)),),
            {},
            "metrics[0] estimate must be one number, got shape (2,)",
        ),
        (
            (GuardrailMetric(name="a", estimate=estimate(0, baseline=-1.0), margin=RelativeMargin(fraction=0.1)),),
            {},
            "metrics[0] margin needs a baseline > 0, got -1.0; use AbsoluteMargin",
        ),
        ((success(1.0),), {"alpha": 0.5}, "alpha must be < 0.5, got 0.5"),
        (
            (success(1.0),),
            {"power": 0.96},
            "power must be < 1 - alpha_deterioration - alpha_quality: tests of harm and quality hold back good treatments too",
        ),
    ],
)
def test_refusals(metrics: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        scorecard(metrics, **options)
    assert str(caught.value) == f"scorecard: {text}"


def test_refusals_of_levels() -> None:
    with pytest.raises(InputError) as caught:
        decision_levels(0, deterioration=3)
    assert str(caught.value) == (
        "decision_levels: success must be >= 1 where there are no guardrails: nothing could be decided"
    )
    with pytest.raises(InputError, match="^decision_levels: power must be < 1 - alpha_deterioration - alpha_quality"):
        decision_levels(1, power=[0.8, 0.95])
    with pytest.raises(InputError, match="^decision_levels: success must be whole numbers"):
        decision_levels([1.5])
