"""The bounds of an experiment that is looked at more than once, and the path of its statistic."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import validated
from ecomops.experiments import GroupSequentialDesign, SequentialMonitoring, StoppingBounds
from ecomops.plot.canvas import BLUE, GREY, ORANGE, axes_or_new

HIGHEST = 5.0
"""Bounds beyond this, which only a first look has, are cut off."""


@validated
def boundary_plot(
    looks: SequentialMonitoring | GroupSequentialDesign | StoppingBounds,
    *,
    plan: GroupSequentialDesign | None = None,
    ax: Any = None,
) -> Any:
    """Draw the bounds at which an experiment stops, with the path of its statistic so far.

    Parameters
    ----------
    looks : SequentialMonitoring, GroupSequentialDesign or StoppingBounds
        Looks that were taken, such as `ecomops.experiments.monitor_looks` returns them, or bounds without a path.
    plan : GroupSequentialDesign, optional
        The design; its looks that are still to come are drawn in grey.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; z over the information fraction.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, LanDeMets, group_sequential_design, monitor_looks
    >>> design = group_sequential_design([0.5, 1.0], boundary=LanDeMets())
    >>> so_far = monitor_looks(design, Estimate(value=1.2, standard_error=1.0), fractions=[0.5])
    >>> ax = boundary_plot(so_far, plan=design)
    >>> ax.get_title(), ax.lines[-1].get_ydata().tolist()
    ('look 1: continue', [1.2])
    """
    bounds = looks if isinstance(looks, StoppingBounds) else looks.bounds
    ax = axes_or_new(ax)
    if plan is not None:
        _draw(ax, plan.bounds, (GREY, GREY), after=float(bounds.fractions[-1]))
    _draw(ax, bounds, (BLUE, ORANGE), after=-np.inf)
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    top = _top(bounds if plan is None else plan.bounds, bounds)
    bottom = -top if bounds.alternative == "two-sided" else -1.0
    if isinstance(looks, SequentialMonitoring):
        z = looks.statistic
        ax.plot(bounds.fractions, z, color="0.2", marker="o", markersize=5, linewidth=1.2, label="z so far")
        top, bottom = max(top, 1.1 * float(z.max())), min(bottom, 1.1 * float(z.min()))
        number = looks.stopped_at or z.size
        ax.set_title(f"look {number}: {looks.verdict}")
    if bounds.futility is not None and bounds.alternative == "one-sided":
        bottom = min(bottom, 1.1 * float(np.min(bounds.futility, initial=0.0, where=np.isfinite(bounds.futility))))
    last = max(float(bounds.fractions[-1]), 1.0 if plan is None else float(plan.bounds.fractions[-1]))
    ax.set(xlabel="information fraction", ylabel="statistic z", xlim=(0, 1.02 * last), ylim=(bottom, top))
    ax.legend(frameon=False, loc="upper right")
    return ax


def _draw(ax: Any, bounds: StoppingBounds, colors: tuple[str, str], *, after: float) -> None:
    """Draw the bounds at looks that come after a fraction."""
    ahead = bounds.fractions > after
    if not ahead.any():
        return
    times = bounds.fractions[ahead]
    future = "planned " if np.isfinite(after) else ""
    two_sided = bounds.alternative == "two-sided"
    kinds = [(bounds.efficacy, colors[0], "-", f"{future}efficacy" + (" or harm" if two_sided else ""))]
    if bounds.futility is not None:
        kinds.append((bounds.futility, colors[1], "--", f"{future}futility"))
    for bound, color, dash, label in kinds:
        height = np.where(np.isfinite(bound[ahead]), bound[ahead], np.nan)
        style = {"color": color, "linestyle": dash, "marker": "s", "markersize": 3, "linewidth": 1.5}
        ax.plot(times, height, label=label, **style)
        if two_sided:
            ax.plot(times, -height, **style)


def _top(*bounds: StoppingBounds) -> float:
    efficacy = np.concatenate([part.efficacy for part in bounds])
    finite = efficacy[np.isfinite(efficacy)]
    return 1.15 * min(float(finite.max(initial=3.0)), HIGHEST)
