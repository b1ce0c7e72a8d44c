"""What all figures share: empty axes without global state, colours, and rows with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"
"""Colours that stay apart for colour-blind readers (Okabe and Ito 2008)."""
DASHES = ("-", "--", ":", "-.")
"""Lines that stay apart without colour."""


def axes_or_new(ax: Any, *, width: float = 6.4, height: float = 3.6) -> Any:
    """Return the given axes, or new ones on a figure of their own that pyplot does not know."""
    try:
        from matplotlib.axes import Axes  # noqa: PLC0415 - an extra that only a drawing needs
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        message = "ecomops.plot needs matplotlib: pip install 'ecomops[plot]'"
        raise ImportError(message) from error
    if ax is None:
        ax = Figure(figsize=(width, height), layout="constrained").add_subplot()
    elif not isinstance(ax, Axes) or ax.name != "rectilinear":
        kind = f"{ax.name} axes" if isinstance(ax, Axes) else type(ax).__name__
        raise InputError(f"ax must be one matplotlib Axes with plain x and y, got {kind}")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def as_rows(value: Any) -> Any:
    """Return a number or an array as one flat array."""
    return np.atleast_1d(np.asarray(value, dtype=float)).ravel()


def rows_with_intervals(ax: Any, names: list[str], value: Any, lower: Any, upper: Any, *, colors: Any = BLUE) -> None:
    """Draw one row a name, the first on top: a dot with its interval."""
    place = np.arange(len(names))
    ax.hlines(place, lower, upper, colors=colors, linewidth=2)
    ax.scatter(value, place, color=colors, s=28, zorder=3)
    ax.set_yticks(place, names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)


def row_height(rows: int) -> float:
    """Return a height in inches that leaves room for every row."""
    return 1.1 + 0.32 * max(rows, 1)
