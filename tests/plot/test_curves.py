"""Curves over a model: what an order costs, and who is still a customer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from scipy import integrate, stats  # noqa: TID251 - the oracle

from ecomops import Duration, plot
from ecomops.core import InputError
from ecomops.inventory import Normal, Poisson
from ecomops.segmentation import BgNbd, MbgNbd

WEEKS = Duration(value=52, unit="week")


def test_newsvendor_curve_is_the_cost_and_its_lowest_point_is_marked() -> None:
    ax = plot.newsvendor_plot(Normal(mean=50, sd=8), overage=0.18, underage=0.70)
    cost, leftovers, shortages = ax.lines
    quantity = cost.get_xdata()
    law = stats.norm(50, 8)
    for place in (0, 60, 130, 200):
        left = integrate.quad(lambda d, q=quantity[place]: (q - d) * law.pdf(d), -50, quantity[place])[0]
        short = integrate.quad(lambda d, q=quantity[place]: (d - q) * law.pdf(d), quantity[place], 150)[0]
        assert leftovers.get_ydata()[place] == pytest.approx(0.18 * left, abs=1e-9)
        assert shortages.get_ydata()[place] == pytest.approx(0.70 * short, abs=1e-9)
    np.testing.assert_allclose(cost.get_ydata(), leftovers.get_ydata() + shortages.get_ydata(), rtol=1e-12)
    ((best, lowest),) = ax.collections[0].get_offsets()
    assert best == pytest.approx(law.ppf(0.70 / 0.88), abs=1e-9)
    assert lowest <= cost.get_ydata().min()
    assert ax.get_xlabel() == "quantity, units"
    assert ax.get_ylabel() == "expected cost, money per period"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["cost", "of leftovers", "of shortages"]


@pytest.mark.parametrize(("overage", "underage"), [(1.0, 9.0), (1e-4, 1.0), (1.0, 1e-4)])
def test_the_best_quantity_is_always_in_sight(overage: float, underage: float) -> None:
    ax = plot.newsvendor_plot(Poisson(mean=2), overage=overage, underage=underage)
    low, high = ax.get_xlim()
    ((best, _),) = ax.collections[0].get_offsets()
    assert low <= best <= high
    assert best == stats.poisson(2).ppf(underage / (underage + overage))


def test_demand_without_spread_costs_nothing_at_its_mean() -> None:
    ax = plot.newsvendor_plot(Normal(mean=5, sd=0), overage=1, underage=9)
    assert ax.get_title() == "best quantity 5, cost 0.00"
    assert ax.get_xlim() == (2.5, 7.5)
    assert ax.lines[0].get_ydata()[0] == pytest.approx(9 * 2.5)


def test_newsvendor_curve_is_of_one_item() -> None:
    with pytest.raises(InputError, match=r"demand must be of one item, got a batch of shape \(2,\)"):
        plot.newsvendor_plot(Normal(mean=[50, 60], sd=8), overage=1, underage=2)


def bg_alive(model: BgNbd, x: float, last: float, age: float) -> float:
    """P(alive) of Fader, Hardie & Lee (2008), eq. (2)."""
    odds = model.a / (model.b + x - 1) * ((model.alpha + age) / (model.alpha + last)) ** (model.r + x)
    return 1 / (1 + odds)


def test_alive_curves_are_those_of_the_paper() -> None:
    model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    ax = plot.alive_plot(model, age_at_last_purchase=26, horizon=WEEKS, frequency=(1, 2, 12))
    assert len(ax.lines) == 3
    for line, x in zip(ax.lines, (1, 2, 12), strict=True):
        since, alive = line.get_data()
        assert (since[0], since[-1]) == (0, pytest.approx(52))
        expected = [bg_alive(model, x, 26, 26 + time) for time in since]
        np.testing.assert_allclose(alive, expected, rtol=1e-10)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["1 repeat purchase", "2 repeat purchases", "12 repeat purchases"]
    assert len({line.get_linestyle() for line in ax.lines}) == 3, "curves stay apart without colour"


def test_alive_curves_are_in_the_unit_of_the_model() -> None:
    weekly = MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week")
    daily = MbgNbd(r=0.525, alpha=7 * 6.183, a=0.891, b=1.614, unit="day")
    first = plot.alive_plot(weekly, age_at_last_purchase=26, horizon=WEEKS)
    second = plot.alive_plot(daily, age_at_last_purchase=7 * 26, horizon=WEEKS)
    assert second.get_xlabel() == "time since the last purchase, days"
    assert second.get_xlim()[1] == pytest.approx(7 * 52)
    for one, other in zip(first.lines, second.lines, strict=True):
        np.testing.assert_allclose(one.get_ydata(), other.get_ydata(), rtol=1e-10)


@pytest.mark.parametrize("frequency", [(), (1, 2, 3, 4, 5)])
def test_alive_curves_are_few(frequency: tuple[int, ...]) -> None:
    model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    with pytest.raises(InputError, match=f"frequency must hold 1 to 4 numbers, got {len(frequency)}"):
        plot.alive_plot(model, age_at_last_purchase=26, horizon=WEEKS, frequency=frequency)


def test_importing_the_library_and_its_figures_does_not_load_matplotlib() -> None:
    code = "import sys, ecomops, ecomops.plot; assert ecomops.plot.alive_plot; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "False"
