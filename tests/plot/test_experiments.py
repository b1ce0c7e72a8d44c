"""Power over size, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from ecomops import plot
from ecomops.core import InputError
from ecomops.experiments import (
    AbsoluteMargin,
    Clusters,
    Looks,
    ManyToOne,
    MeanMetric,
    NonInferiority,
    ObrienFleming,
    ProportionMetric,
    power,
    sample_size,
)


def test_curves_are_the_power_and_dots_the_size() -> None:
    metric = ProportionMetric(baseline=0.1)
    ax = plot.power_plot(metric, effect=[0.02, -0.01], power=0.9, alpha=0.01, ratio=2.0)
    design = sample_size(metric, effect=[0.02, -0.01], power=0.9, alpha=0.01, ratio=2.0)
    for line, effect in zip(ax.lines, (0.02, -0.01), strict=False):
        units, drawn = line.get_data()
        np.testing.assert_allclose(
            drawn, power(metric, effect=effect, n_control=units, n_treatment=2 * units, alpha=0.01), rtol=1e-12
        )
        assert np.all(np.diff(drawn) >= 0)
    np.testing.assert_allclose(ax.collections[0].get_offsets(), np.column_stack([design.n_control, design.power]))
    assert ax.lines[2].get_ydata()[0] == 0.9
    low, high = ax.get_xlim()
    assert low < design.n_control.min()
    assert design.n_control.max() < high
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize(
    ("metric", "effect", "rule"),
    [
        (MeanMetric(sd=1), 0.0, {"goal": NonInferiority(margin=AbsoluteMargin(value=0.1))}),
        (MeanMetric(sd=40, baseline=25), [0.02, 0.05], {"lift": "delta"}),
        (MeanMetric(sd=1), 0.2, {"comparisons": ManyToOne(treatments=3)}),
        (MeanMetric(sd=1), 0.2, {"looks": Looks(fractions=[0.5, 1.0], boundary=ObrienFleming())}),
        (MeanMetric(sd=1, clusters=Clusters(size=30, intracluster_correlation=0.05)), 0.3, {"ratio": 0.5}),
        (MeanMetric(sd=1), 5.0, {"alternative": "one-sided"}),
    ],
)
def test_every_rule_of_a_design_can_be_drawn(metric: Any, effect: Any, rule: dict[str, Any]) -> None:
    ax = plot.power_plot(metric, effect=effect, **rule)
    assert len(ax.lines) == np.size(effect) + 1
    assert ax.get_legend().get_title().get_text() == ("lift" if "lift" in rule else "effect")


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="^power_plot: effect must hold 1 to 4 numbers, got 5$"):
        plot.power_plot(MeanMetric(sd=1), effect=[1, 2, 3, 4, 5])
    with pytest.raises(InputError, match="^power_plot: effect must hold 1 to 4 numbers, got 0$"):
        plot.power_plot(MeanMetric(sd=1), effect=[])
    with pytest.raises(InputError, match=r"^power_plot: metric must be one, got a batch of shape \(2,\)$"):
        plot.power_plot(MeanMetric(sd=[1, 2]), effect=1)
    with pytest.raises(
        InputError, match="^power_plot: effect must not be 0; give the smallest difference that matters$"
    ):
        plot.power_plot(MeanMetric(sd=1), effect=0)
