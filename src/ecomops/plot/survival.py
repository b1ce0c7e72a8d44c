"""How long units go without an event."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import Flag, InputError, validated
from ecomops.experiments import SurvivalCurve
from ecomops.plot.canvas import BLUE, DASHES, GREY, ORANGE, axes_or_new

CROWDED = 40
"""More durations with censored units than this are not marked: a curve of ticks shows nothing."""


@validated
def survival_plot(
    curves: SurvivalCurve | tuple[SurvivalCurve, ...],
    *,
    names: tuple[str, ...] | None = None,
    converted: Flag = False,
    ax: Any = None,
) -> Any:
    """Draw the share of units without the event over time, with bands, one curve a group.

    Parameters
    ----------
    curves : SurvivalCurve or tuple of them
        One to four curves in one unit, such as `ecomops.experiments.kaplan_meier` returns them.
    names : tuple of str, optional
        Name of each curve; none by default.
    converted : bool
        Whether to draw the share that had the event, which rises, in place of the share that did not.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; shares over durations. Ticks on a curve are units that were last seen without the event.

    Raises
    ------
    InputError
        When there are no curves or more than four, their units differ, or there is not one name a curve.

    Examples
    --------
    >>> from ecomops.experiments import DurationCounts, kaplan_meier
    >>> curve = kaplan_meier(DurationCounts.from_arrays([1, 2, 2, 4], event=[True, True, False, False]))
    >>> survival_plot(curve).lines[0].get_ydata().tolist()
    [1.0, 0.75, 0.5, 0.5]
    """
    group = curves if isinstance(curves, tuple) else (curves,)
    if not 1 <= len(group) <= len(DASHES):
        raise InputError(f"curves must be 1 to {len(DASHES)}, got {len(group)}")
    units = {curve.unit for curve in group}
    if len(units) > 1:
        raise InputError(f"curves must have one unit, got {sorted(units)}")
    if names is not None and len(names) != len(group):
        raise InputError(f"names must be one per curve, got {len(names)} for {len(group)} curve(s)")
    ax = axes_or_new(ax)
    labels = [None] * len(group) if names is None else names
    for curve, label, color, dash in zip(group, labels, (BLUE, ORANGE, "0.2", GREY), DASHES, strict=False):
        _draw(ax, curve, {"color": color, "linestyle": dash}, label, rising=converted)
    shown = "with" if converted else "without"
    unit = group[0].unit
    ax.set(xlabel=f"time, {unit}s", ylabel=f"share {shown} the event", xlim=(0, None), ylim=(0, 1.02))
    if converted:
        ax.set_ylim(0, None)
    if names is not None:
        ax.legend(frameon=False, loc="best")
    return ax


def _draw(ax: Any, curve: SurvivalCurve, style: dict[str, Any], label: str | None, *, rising: bool) -> None:
    """Draw one curve as steps, with its band where that is known."""
    time = np.append(0.0, curve.duration)
    parts = [np.append(1.0, part) for part in (curve.survival, curve.lower, curve.upper)]
    share, low, high = (1.0 - part for part in parts) if rising else parts
    ax.step(time, share, where="post", linewidth=1.8, label=label, **style)
    ax.fill_between(time, low, high, step="post", color=style["color"], alpha=0.15, linewidth=0)
    seen = np.append(False, curve.censored > 0)
    if seen.sum() <= CROWDED:
        ax.plot(time[seen], share[seen], linestyle="none", marker="|", color=style["color"], markersize=7)
