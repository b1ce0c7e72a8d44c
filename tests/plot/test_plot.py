"""Figures draw the numbers of the result, and say what they need."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from ecomops import attribution, experiments, inventory, plot, pricing, segmentation
from ecomops.core import InputError, decision_table


def table(rows: int = 3, period: str = "next 30 days") -> Any:
    gain = np.arange(rows, 0, -1.0)
    return decision_table(
        [f"sku {row}" for row in range(rows)],
        topic="price",
        action=["raise"] * rows,
        gain=gain,
        lower=gain - 1,
        upper=gain + 2,
        p_better=np.full(rows, 0.99),
        reason=["because"] * rows,
        period=period,
        baseline="today",
    )


def dots(ax: Any) -> list[float]:
    return [float(x) for x in ax.collections[-1].get_offsets()[:, 0]]


def test_decisions_are_drawn_from_the_top() -> None:
    ax = plot.decision_plot(table(), rows=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["price: sku 0: raise", "price: sku 1: raise"]
    assert dots(ax) == [3.0, 2.0]
    ends = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert ends == [[2.0, 5.0], [1.0, 4.0]]
    bottom, top = ax.get_ylim()
    assert bottom > top, "the first row is on top"


def test_mixed_periods_are_said() -> None:
    from ecomops import rank_decisions

    mixed = rank_decisions(table(), table(2, period="this year"))
    assert "each over its own period" in plot.decision_plot(mixed).get_xlabel()


def test_intervals_are_those_of_the_estimate() -> None:
    effect = experiments.Estimate(value=[0.5, 0.1], standard_error=[0.1, 0.2])
    interval = effect.interval(confidence=0.9)
    ax = plot.interval_plot(effect, confidence=0.9)
    ends = np.array([segment[:, 0] for segment in ax.collections[0].get_segments()])
    np.testing.assert_allclose(ends, np.column_stack([interval.lower, interval.upper]))
    colors = ax.collections[0].get_colors()
    assert not np.array_equal(colors[0], colors[1]), "an interval over 0 looks different"
    one = plot.interval_plot(experiments.Estimate(value=0.5, standard_error=0.1))
    assert dots(one) == [0.5]
    with pytest.raises(InputError, match="names must be one per effect, got 1 for 2"):
        plot.interval_plot(effect, names=("only",))


def test_pareto_curve_reaches_one_and_names_its_classes() -> None:
    ax = plot.pareto_plot(inventory.abc_classes([5.0, 80.0, 15.0]))
    assert ax.lines[0].get_ydata().round(10).tolist() == [0.0, 0.8, 0.95, 1.0]
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[0] == "A: 33% of items, 80% of value"
    assert len(texts) == 3
    empty = plot.pareto_plot(inventory.abc_classes([]))
    assert empty.get_legend() is None


def test_profit_is_highest_at_the_marked_price() -> None:
    curve = pricing.ConstantElasticityDemand(scale=5000, elasticity=-2.2)
    ax = plot.profit_plot(curve, cost=10)
    price, profit = ax.lines[0].get_data()
    best = pricing.optimal_price(curve, cost=10)
    assert profit.max() <= best.profit * (1 + 1e-12)
    assert abs(price[profit.argmax()] - best.price) <= price[1] - price[0]
    with pytest.raises(InputError, match="demand has no best price"):
        plot.profit_plot(pricing.ConstantElasticityDemand(scale=5000, elasticity=-0.5), cost=10)
    with pytest.raises(InputError, match="demand must be one curve"):
        plot.profit_plot(pricing.ConstantElasticityDemand(scale=[1, 2], elasticity=-2), cost=10)
    free = plot.profit_plot(pricing.LinearDemand(intercept=100, slope=2), cost=0)
    assert free.lines[0].get_xdata()[0] > 0


def test_credit_is_sorted_and_removal_effects_carry_intervals() -> None:
    paths = attribution.PathTable.from_strings(
        ["mail > search", "search", "banner"], conversions=[2, 30, 1], nulls=[10, 20, 30]
    )
    effects = attribution.removal_effects(paths)
    ax = plot.credit_plot(effects)
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == sorted(widths, reverse=True)
    assert sum(widths) == pytest.approx(33)
    assert len(ax.containers) == 2
    rule = plot.credit_plot(attribution.rule_credit(paths, rule=attribution.FirstTouch()))
    assert len(rule.containers) == 1


def test_retention_shows_a_share_a_cell_and_blanks() -> None:
    state = segmentation.CustomerState.from_arrays(["a", "a", "b", "c"], day=[0, 1, 0, 9])
    ax = plot.retention_plot(segmentation.retention_table(state, ages=(1, 3), cohort_days=7, end=11))
    assert [text.get_text() for text in ax.texts] == ["50%", "0%", "0%"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1970-01-01", "1970-01-08"]


def test_segments_show_shares_of_customers_and_spend() -> None:
    frame = pd.DataFrame(
        {"who": list("aabbcd"), "when": pd.date_range("2026-01-01", periods=6, freq="9D"), "spend": [9, 9, 5, 5, 3, 1]}
    )
    summary = segmentation.customer_summary(frame, customer="who", time="when", spend="spend")
    ax = plot.segment_plot(segmentation.rfm_segments(segmentation.rfm_scores(summary)))
    rows = len(ax.get_yticklabels())
    widths = [bar.get_width() for bar in ax.patches]
    assert sum(widths[:rows]) == pytest.approx(1)
    assert sum(widths[rows:]) == pytest.approx(1)


def test_given_axes_are_used_and_pyplot_is_not_touched() -> None:
    ax = Figure().add_subplot()
    assert plot.decision_plot(table(), ax=ax) is ax
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"ecomops.plot needs matplotlib: pip install 'ecomops\[plot\]'"):
        plot.decision_plot(table())


def test_every_figure_can_be_written() -> None:
    import io

    for ax in (plot.decision_plot(table()), plot.pareto_plot(inventory.abc_classes([5.0, 80.0, 15.0]))):
        stream = io.BytesIO()
        ax.figure.savefig(stream, format="png")
        assert stream.getvalue().startswith(b"\x89PNG")
