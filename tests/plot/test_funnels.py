"""Funnels and their comparison, drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from ecomops import experiments, plot
from ecomops.plot.canvas import BLUE, GREY


def test_funnel_counts_users() -> None:
    frame = pd.DataFrame(
        {"who": [1, 1, 2, 2, 3], "what": ["view", "buy", "view", "buy", "view"],
         "when": pd.date_range("2026-01-01", periods=5, freq="h")}
    )  # fmt: skip
    steps = experiments.funnel(frame, user="who", event="what", time="when", steps=("view", "buy"))
    ax = plot.funnel_plot(steps)
    assert [bar.get_width() for bar in ax.patches] == [3.0, 2.0]
    assert [text.get_text() for text in ax.texts] == ["3", "2 (67%)"]


def comparison(arms: str = "ab") -> experiments.FunnelComparison:
    """Three steps of a thousand exposed an arm; in arm b more users pay."""
    reached = {"a": (900, 400, 100), "b": (900, 420, 190), "c": (880, 300, 90)}
    totals = experiments.FunnelTotals(
        arm=list(arms),
        step=["浏览", "加购", "支付"],
        users=[reached[arm] for arm in arms],
        exposed=[1000] * len(arms),
    )
    return experiments.compare_funnels(totals, control="a")


def test_comparison_shows_each_step_in_points_with_its_interval() -> None:
    found = comparison()
    ax = plot.funnel_comparison_plot(found)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["浏览", "加购", "支付"]
    ends = np.array([segment[:, 0] for segment in ax.collections[0].get_segments()])
    np.testing.assert_allclose(ends, 100 * np.column_stack([found.lower, found.upper]), rtol=1e-12)
    np.testing.assert_allclose(ax.collections[1].get_offsets()[:, 0], [0.0, 2.0, 9.0], atol=1e-12)
    from matplotlib.colors import to_rgba

    colors = [tuple(color) for color in ax.collections[0].get_colors()]
    assert colors == [to_rgba(GREY), to_rgba(GREY), to_rgba(BLUE)]
    assert ax.get_xlabel() == "difference from the control, percentage points, with 95% intervals"


def test_several_arms_are_named() -> None:
    ax = plot.funnel_comparison_plot(comparison("abc"))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["b: 浏览", "b: 加购", "b: 支付", "c: 浏览", "c: 加购", "c: 支付"]
