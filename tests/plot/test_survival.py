"""Survival curves, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from ecomops import plot
from ecomops.core import InputError
from ecomops.experiments import DurationCounts, SurvivalCurve, kaplan_meier


def curve(durations: Any = (1, 2, 2, 4, 6), event: Any = (True, True, False, False, True), **how: Any) -> SurvivalCurve:
    return kaplan_meier(DurationCounts.from_arrays(durations, event=event, **how))


def test_steps_and_marks_are_those_of_the_curve() -> None:
    found = curve()
    ax = plot.survival_plot(found)
    line, marks = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), [0, *found.duration])
    np.testing.assert_array_equal(line.get_ydata(), [1, *found.survival])
    np.testing.assert_array_equal(marks.get_xdata(), [2, 4])
    assert ax.get_legend() is None
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time, days", "share without the event")


def test_converted_shares_rise() -> None:
    ax = plot.survival_plot((curve(), curve()), names=("new", "old"), converted=True)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0, *(1 - curve().survival)])
    assert ax.get_ylabel() == "share with the event"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["new", "old"]
    assert ax.lines[0].get_linestyle() != ax.lines[2].get_linestyle()


def test_too_many_marks_are_none() -> None:
    ax = plot.survival_plot(curve(np.arange(1, 100), False))
    assert len(ax.lines) == 1


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="^survival_plot: curves must be 1 to 4, got 0$"):
        plot.survival_plot(())
    with pytest.raises(InputError, match=r"^survival_plot: curves must have one unit, got \['day', 'week'\]$"):
        plot.survival_plot((curve(), curve(unit="week")))
    with pytest.raises(InputError, match=r"^survival_plot: names must be one per curve, got 2 for 1 curve\(s\)$"):
        plot.survival_plot(curve(), names=("a", "b"))
