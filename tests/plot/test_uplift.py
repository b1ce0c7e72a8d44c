"""Curves of targeting, drawn."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from ecomops import plot
from ecomops.experiments import qini_curve, uplift_curve

SCORE, TREATED, OUTCOME = [9, 8, 7, 6, 5, 4], [1, 0, 1, 0, 1, 0], [1.0, 0, 1, 1, 0, 0]


def test_qini_starts_at_nothing_and_leaves_out_what_is_not_known() -> None:
    curve = qini_curve(SCORE, treated=TREATED, outcome=OUTCOME)
    ax = plot.qini_plot(curve)
    by_chance, by_score = ax.lines[:2]
    known = np.isfinite(curve.gain)
    assert not known.all()
    np.testing.assert_array_equal(by_score.get_xdata(), [0, *curve.share[known]])
    np.testing.assert_array_equal(by_score.get_ydata(), [0, *curve.gain[known]])
    np.testing.assert_array_equal(by_chance.get_ydata(), [0, *curve.random[known]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["at random", "by score"]


def test_uplift_has_a_band() -> None:
    curve = uplift_curve(SCORE, treated=TREATED, outcome=OUTCOME, confidence=0.9)
    ax = plot.qini_plot(curve)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0, *curve.gain])
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[-1] == "90% interval at each share"
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (min(0, *curve.lower), max(0, *curve.upper))
    assert ax.get_ylabel() == "gain per unit of the population"
