"""Monitoring at looks, and what to report after the stop: duality, coverage and level by simulation, and the fixed test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError, replace
from ecomops.experiments import (
    Estimate,
    FutilityRule,
    HwangShihDeCani,
    LanDeMets,
    Pocock,
    PowerSpending,
    StoppingBounds,
    conditional_power,
    crossing_probabilities,
    group_sequential_design,
    monitor_looks,
    stagewise_estimate,
)

QUARTERS = np.array([0.25, 0.5, 0.75, 1.0])
SHIFTED = np.array([0.25 + 1e-6, 0.5, 0.75, 1.0])
TWO = group_sequential_design(QUARTERS, boundary=LanDeMets())
RULE = FutilityRule(spending=HwangShihDeCani(gamma=-2))
ONE = {"boundary": LanDeMets(like="pocock"), "alpha": 0.025, "power": 0.9, "alternative": "one-sided"}
LOOSE = group_sequential_design(QUARTERS, futility=RULE, **ONE)
BINDING = group_sequential_design(QUARTERS, futility=replace(RULE, binding=True), **ONE)
WEDGE = group_sequential_design(QUARTERS, boundary=LanDeMets(), futility=RULE)


def estimates(z: Any, fractions: Any, margin: float = 0.0) -> Estimate:
    """Return estimates with given statistics, whose standard error is 2 at full information."""
    error = 2.0 / np.sqrt(fractions)
    return Estimate(value=np.asarray(z) * error + margin, standard_error=error)


def looked(design: Any, z: Any, fractions: Any = QUARTERS, **options: Any) -> Any:
    fractions = np.asarray(fractions)[: len(z)]
    return monitor_looks(design, estimates(z, fractions, options.get("margin", 0.0)), fractions=fractions, **options)


# --- actions --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("design", "z", "action", "stopped"),
    [
        (TWO, [1.0], ["continue"], 0),
        (TWO, [1.0, 3.5], ["continue", "efficacy"], 2),
        (TWO, [1.0, -3.5], ["continue", "harm"], 2),
        (TWO, [5.0, 0.0, 0.0], ["efficacy", "after the stop", "after the stop"], 1),
        (TWO, [1.0, 1.0, 1.0, 1.0], ["continue", "continue", "continue", "not shown"], 4),
        (TWO, [1.0, 1.0, 1.0, 2.1], ["continue", "continue", "continue", "efficacy"], 4),
        (LOOSE, [-2.0], ["futility"], 1),
        (LOOSE, [-2.0, 1.5], ["futility", "continue"], 0),
        (LOOSE, [-2.0, 1.5, 2.6], ["futility", "continue", "efficacy"], 3),
        (LOOSE, [1.0, 1.5, 2.0, 1.0], ["continue", "continue", "continue", "futility"], 4),
        (BINDING, [-2.0, 1.5], ["futility", "after the stop"], 1),
        (WEDGE, [1.0, 0.01], ["continue", "futility"], 2),
        (WEDGE, [1.0, -3.5], ["continue", "harm"], 2),
    ],
)
def test_actions(design: Any, z: list[float], action: list[str], stopped: int) -> None:
    found = looked(design, z)
    assert found.action.tolist() == action
    assert found.stopped_at == stopped
    assert found.verdict == (action[stopped - 1] if stopped else "continue")
    assert np.isnan(found.conditional_power) == bool(stopped)
    assert found.reason == ("the experiment has stopped" if stopped else "")
    np.testing.assert_allclose(found.statistic, z, rtol=1e-12)
    np.testing.assert_allclose(found.bounds.efficacy, design.bounds.efficacy[: len(z)], rtol=1e-12)


def test_one_look_takes_a_scalar_estimate_and_a_margin() -> None:
    found = monitor_looks(TWO, Estimate(value=-1.0, standard_error=2.0), fractions=[0.5], margin=-4.0)
    assert found.statistic.tolist() == [1.5]
    assert found.verdict == "continue"
    np.testing.assert_allclose(
        [found.lower[0], found.upper[0]], -1.0 + 2.0 * found.bounds.efficacy[0] * np.array([-1, 1])
    )


def test_bounds_follow_the_fractions_in_fact() -> None:
    actual = np.array([0.31, 0.48, 0.8, 1.07])
    found = looked(TWO, [0.0] * 4, actual)
    spent = TWO.boundary
    planned = group_sequential_design([0.31, 0.48, 0.8, 1.0], boundary=spent).bounds.efficacy
    np.testing.assert_allclose(found.bounds.efficacy[:3], planned[:3], rtol=1e-10)
    assert crossing_probabilities(found.bounds).reject == pytest.approx(0.05, rel=1e-9)
    early = looked(TWO, [0.0] * 3, actual, final=True)
    assert crossing_probabilities(early.bounds).reject == pytest.approx(0.05, rel=1e-9)
    assert early.verdict == "not shown"
    running = looked(TWO, [0.0] * 3, actual)
    assert running.bounds.efficacy[2] > early.bounds.efficacy[2]
    assert running.verdict == "continue"


@pytest.mark.parametrize("design", [LOOSE, BINDING, WEDGE])
def test_futility_bounds_follow_the_fractions_too(design: Any) -> None:
    planned = looked(design, [1.2, 1.3, 1.4, 1.5])
    nearly = looked(design, [1.2, 1.3, 1.4, 1.5], SHIFTED)
    np.testing.assert_allclose(nearly.bounds.futility, planned.bounds.futility, atol=1e-4)
    np.testing.assert_allclose(nearly.bounds.efficacy, planned.bounds.efficacy, atol=1e-4)
    assert nearly.bounds.futility[-1] == nearly.bounds.efficacy[-1]
    running = looked(design, [1.2, 1.3], SHIFTED)
    assert running.bounds.futility[-1] < running.bounds.efficacy[-1]


def test_degrees_of_freedom_become_the_normal_statistic_with_the_same_tail() -> None:
    t, freedom = np.array([2.5, -3.0]), 11.0
    given = Estimate(value=t, standard_error=1.0, degrees_of_freedom=[freedom, freedom])
    found = monitor_looks(TWO, given, fractions=[0.25, 0.5])
    expected = -stats.norm.ppf(stats.t.sf(np.abs(t), freedom)) * np.sign(t)
    np.testing.assert_allclose(found.statistic, expected, rtol=1e-12)
    width = stats.t.isf(stats.norm.sf(found.bounds.efficacy), freedom)
    np.testing.assert_allclose(found.upper - t, width, rtol=1e-10)
    never = monitor_looks(TWO, replace(given, value=[0.0, 0.0]), fractions=[1e-4, 0.5])
    assert (never.statistic[0], never.lower[0], never.upper[0]) == (0.0, -np.inf, np.inf)


def test_repeated_intervals_exclude_the_margin_just_when_a_bound_is_crossed() -> None:
    for z in (-3.1, -2.9, 0.0, 2.9, 3.1):
        found = looked(TWO, [0.0, z])
        outside = (found.lower[1] > 0) | (found.upper[1] < 0)
        assert outside == (abs(z) >= found.bounds.efficacy[1])
    one_sided = looked(LOOSE, [0.0, 1.0])
    assert np.isposinf(one_sided.upper).all()


# --- conditional power ----------------------------------------------------------------------------------------------------


def test_published_conditional_power() -> None:
    """T = 0.5, z = 1, last bound 1.959964: gsDesign's figures under the null, the trend and the design drift."""
    options = {"fraction": 0.5, "critical_value": 1.959963984540054}
    assert conditional_power(1.0, drift=0.0, **options) == pytest.approx(0.0382132, abs=5.1e-8)
    assert conditional_power(1.0, **options) == pytest.approx(0.2201142, abs=5.1e-8)
    assert conditional_power(1.0, drift=3.241516, **options) == pytest.approx(0.6985693, abs=1.1e-7)


def test_conditional_power_over_one_look_left_is_the_formula() -> None:
    design = group_sequential_design([0.5, 1.0], boundary=LanDeMets(), alternative="one-sided")
    found = looked(design, [1.1], [0.5])
    options = {"fraction": 0.5, "critical_value": design.bounds.efficacy[1]}
    trend = conditional_power(1.1, **options)
    assert found.conditional_power == pytest.approx(conditional_power(1.1, drift=design.drift, **options), rel=1e-12)
    assert found.conditional_power_trend == pytest.approx(trend, rel=1e-12)


@pytest.mark.parametrize("design", [TWO, LOOSE, BINDING], ids=["two-sided", "loose", "binding"])
def test_conditional_power_is_how_often_later_looks_cross(design: Any) -> None:
    runs, rng, start = 200_000, np.random.default_rng(11), 1.0
    left = QUARTERS[1:]
    steps = np.diff(left, prepend=0.25)
    score = 0.5 * start + np.cumsum(rng.normal(design.drift * steps, np.sqrt(steps), (runs, 3)), axis=1)
    z = score / np.sqrt(left)
    up = z >= design.bounds.efficacy[1:]
    down = -z >= design.bounds.efficacy[1:] if design is TWO else np.zeros_like(up)
    if design is BINDING:
        down = z <= design.bounds.futility[1:]
    first = np.argmax(up | down, axis=1)
    share = up[np.arange(runs), first].mean()
    found = looked(design, [start])
    assert found.conditional_power == pytest.approx(share, abs=4 * 0.5 / np.sqrt(runs))


def test_a_planned_look_just_ahead_was_taken() -> None:
    ahead, taken = looked(TWO, [1.0], [0.25 - 1e-6]), looked(TWO, [1.0], [0.25])
    assert ahead.conditional_power == pytest.approx(taken.conditional_power, abs=1e-4)
    none = looked(TWO, [1.0], [1.0 - 1e-6])
    assert np.isnan([none.conditional_power, none.conditional_power_trend]).all()
    assert none.reason == "no look of the plan is left"


# --- refusals -------------------------------------------------------------------------------------------------------------

FIXED = group_sequential_design([0.5, 1.0], boundary=Pocock())


def watch(z: Any, fractions: Any, design: Any = TWO, error: Any = 1.0, **options: Any) -> Any:
    given = Estimate(value=z, standard_error=error)
    return lambda: monitor_looks(design, given, fractions=fractions, **options)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            watch([1.0, 2.0], [0.5, 0.5]),
            "monitor_looks: fractions must be a list that increases without repeats, got [0.5, 0.5]",
        ),
        (
            watch([1.0, 2.0], [1.0, 1.1]),
            "monitor_looks: fractions must be below 1 before the last look: at 1 the experiment is over",
        ),
        (
            watch([1.0, 2.0, 3.0], [0.5, 0.6]),
            "monitor_looks: estimates must have one row a look, got shape (3,) for 2 look(s)",
        ),
        (watch(1.0, [0.5, 0.6]), "monitor_looks: estimates must have one row a look, got shape () for 2 look(s)"),
        (
            watch([1.0, 2.0], [0.5, 0.6], error=[1.0, 0.0]),
            "monitor_looks: estimates must have a standard_error > 0, got 0 at look 2",
        ),
        (
            watch(1.0, [0.4], design=FIXED),
            "monitor_looks: fractions must be those of the design, [0.5, 1.0], for Pocock bounds; use a spending function for looks at other times",
        ),
        (
            watch(1.0, [0.5], design=replace(TWO, bounds=StoppingBounds(fractions=[0.5], efficacy=[2.0]))),
            "monitor_looks: design must end at fraction 1; make it with group_sequential_design",
        ),
        (
            watch([1.0, 1.0], [0.3, 0.8], design=replace(BINDING, drift=20.0)),
            "monitor_looks: design stops so often for futility that its alpha cannot be spent at these fractions",
        ),
        (
            lambda: stagewise_estimate(replace(looked(LOOSE, [1.0]), alpha=0.6)),
            "stagewise_estimate: confidence must be given: there is no interval that agrees with alpha 0.6",
        ),
        (
            lambda: replace(looked(TWO, [1.0]), stopped_at=2),
            "SequentialMonitoring: stopped_at must be the number of a look, or 0, got 2",
        ),
        (
            lambda: replace(looked(TWO, [1.0]), value=[1.0, 2.0]),
            "SequentialMonitoring: value must have one value a look",
        ),
        (lambda: conditional_power(1.0, fraction=1.0), "conditional_power: fraction must be < 1, got 1.0"),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text


def test_power_spending_is_spent_in_proportion_to_its_power() -> None:
    design = group_sequential_design(QUARTERS, boundary=PowerSpending(exponent=3))
    np.testing.assert_allclose(design.alpha_spent, 0.05 * QUARTERS**3, rtol=1e-12)
