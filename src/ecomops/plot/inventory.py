"""How value is spread over items."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import validated
from ecomops.inventory import AbcClasses
from ecomops.plot.canvas import BLUE, GREY, ORANGE, axes_or_new


@validated
def pareto_plot(classes: AbcClasses, *, ax: Any = None) -> Any:
    """Draw the cumulative share of value over items, the most valuable first, with the ABC classes.

    Parameters
    ----------
    classes : AbcClasses
        Such as `ecomops.inventory.abc_classes` returns them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; both in fractions.

    Examples
    --------
    >>> from ecomops.inventory import abc_classes
    >>> ax = pareto_plot(abc_classes([80, 15, 5]))
    >>> ax.lines[0].get_ydata().round(2).tolist()
    [0.0, 0.8, 0.95, 1.0]
    """
    ax = axes_or_new(ax)
    share, label = np.asarray(classes.share), np.asarray(classes.label)
    cumulated = np.concatenate([[0.0], np.cumsum(np.sort(share)[::-1])])
    items = np.arange(cumulated.size) / max(cumulated.size - 1, 1)
    ax.plot(items, cumulated, color="0.2", linewidth=1.4)
    start = 0.0
    for name, color in zip("ABC", (BLUE, ORANGE, GREY), strict=True):
        inside = label == name
        width = float(np.mean(inside)) if label.size else 0.0
        if width > 0:
            text = f"{name}: {width:.0%} of items, {share[inside].sum():.0%} of value"
            ax.axvspan(start, start + width, color=color, alpha=0.25, linewidth=0, label=text)
        start += width
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share of items", ylabel="share of value")
    if label.size:
        ax.legend(loc="lower right", frameon=False)
    return ax
