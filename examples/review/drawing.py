"""Drawings for the page: matplotlib figures as SVG whose ink follows the colour of the text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

INK = "#123456"
"""Stands for the colour of the text until the drawing is part of the page."""


def axes(height: float = 2.6) -> Any:
    """Return empty axes in the style of the page."""
    figure = Figure(figsize=(7.2, height), layout="constrained")
    ax = figure.add_subplot()
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=INK)
    ax.yaxis.label.set_color(INK)
    ax.xaxis.label.set_color(INK)
    for spine in ax.spines.values():
        spine.set_color(INK)
    return ax


def svg(draw: Callable[[], Any]) -> str:
    """Return the figure of the axes that ``draw`` makes, ready to stand in HTML."""
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "review", "text.color": INK, "font.size": 9}):
        figure = draw().figure
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor").replace("<svg ", '<svg role="img" ', 1)
