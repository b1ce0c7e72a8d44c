"""Bounds and the path of an experiment, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from ecomops import plot
from ecomops.experiments import (
    Estimate,
    FutilityRule,
    GroupSequentialDesign,
    HwangShihDeCani,
    LanDeMets,
    ObrienFleming,
    StoppingBounds,
    group_sequential_design,
    monitor_looks,
)

GIVE_UP = FutilityRule(spending=HwangShihDeCani(gamma=-2))


def design(**rule: Any) -> GroupSequentialDesign:
    return group_sequential_design([0.25, 0.5, 0.75, 1.0], **{"boundary": LanDeMets(), **rule})


def labels(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_two_sided_bounds_are_drawn_on_both_sides() -> None:
    plan = design(boundary=ObrienFleming())
    ax = plot.boundary_plot(plan)
    upper, lower = ax.lines[:2]
    np.testing.assert_array_equal(upper.get_ydata(), plan.bounds.efficacy)
    np.testing.assert_array_equal(lower.get_ydata(), -plan.bounds.efficacy)
    assert labels(ax) == ["efficacy or harm"]
    bottom, top = ax.get_ylim()
    assert bottom == -top


def test_path_and_what_is_still_planned() -> None:
    plan = design(alternative="one-sided", alpha=0.025, futility=GIVE_UP)
    looks = monitor_looks(plan, Estimate(value=[0.6, 1.1], standard_error=[1.0, 0.7]), fractions=[0.3, 0.55])
    ax = plot.boundary_plot(looks, plan=plan)
    assert labels(ax) == ["planned efficacy", "planned futility", "efficacy", "futility", "z so far"]
    future, give_up, past, stop = ax.lines[:4]
    np.testing.assert_array_equal(future.get_xdata(), [0.75, 1.0])
    np.testing.assert_array_equal(future.get_ydata(), plan.bounds.efficacy[2:])
    np.testing.assert_array_equal(give_up.get_ydata(), plan.bounds.futility[2:])
    np.testing.assert_array_equal(past.get_xdata(), [0.3, 0.55])
    np.testing.assert_array_equal(past.get_ydata(), looks.bounds.efficacy)
    np.testing.assert_array_equal(stop.get_ydata(), looks.bounds.futility)
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), looks.statistic)
    assert ax.get_title() == "look 2: continue"
    assert ax.get_ylim()[0] <= min(looks.bounds.futility)


def test_the_path_is_always_in_sight() -> None:
    plan = design()
    looks = monitor_looks(plan, Estimate(value=[-9.0], standard_error=[1.0]), fractions=[0.25])
    ax = plot.boundary_plot(looks, plan=plan)
    assert ax.get_ylim()[0] < -9
    assert ax.get_title() == "look 1: harm"


def test_at_the_end_nothing_is_planned() -> None:
    plan = design()
    looks = monitor_looks(plan, Estimate(value=np.ones(4), standard_error=np.ones(4)), fractions=[0.25, 0.5, 0.75, 1.2])
    ax = plot.boundary_plot(looks, plan=plan)
    assert labels(ax) == ["efficacy or harm", "z so far"]
    assert ax.get_xlim()[1] > 1.2
    assert ax.get_title() == "look 4: not shown"


def test_looks_without_a_stop_leave_a_gap() -> None:
    bounds = StoppingBounds(
        fractions=[0.5, 1.0], efficacy=[np.inf, 1.96], futility=[-np.inf, 1.0], alternative="one-sided"
    )
    ax = plot.boundary_plot(bounds)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [np.nan, 1.96])
    never = StoppingBounds(fractions=[1.0], efficacy=[np.inf], futility=[-np.inf], alternative="one-sided")
    assert plot.boundary_plot(never).get_ylim()[1] > 3
