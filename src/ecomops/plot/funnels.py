"""Funnels, and the arms of a funnel compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import validated
from ecomops.experiments import Funnel, FunnelComparison
from ecomops.plot.canvas import BLUE, GREY, as_rows, axes_or_new, row_height, rows_with_intervals


@validated
def funnel_plot(funnel: Funnel, *, ax: Any = None) -> Any:
    """Draw how many users reach each step, with the rate from step to step.

    Parameters
    ----------
    funnel : Funnel
        Steps and users, such as `ecomops.experiments.funnel` returns them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; users per step.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import funnel
    >>> log = pd.DataFrame(
    ...     {
    ...         "who": [1, 1, 2],
    ...         "what": ["view", "buy", "view"],
    ...         "when": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-01"]),
    ...     }
    ... )
    >>> steps = funnel(log, user="who", event="what", time="when", steps=("view", "buy"))
    >>> [text.get_text() for text in funnel_plot(steps).texts]
    ['2', '1 (50%)']
    """
    users = as_rows(funnel.users)
    ax = axes_or_new(ax, height=row_height(users.size))
    place = np.arange(users.size)
    ax.barh(place, users, color=BLUE, height=0.65)
    ax.set_yticks(place, [str(step) for step in funnel.step])
    ax.set_ylim(users.size - 0.5, -0.5)
    ax.set_xlim(0, 1.2 * users.max(initial=1.0))
    ax.set_xlabel("users")
    for step, (count, before) in enumerate(zip(users, [0.0, *users[:-1]], strict=True)):
        rate = f" ({count / before:.0%})" if before > 0 else ""
        ax.annotate(f"{count:,.0f}{rate}", (count, step), xytext=(4, 0), textcoords="offset points", va="center")
    return ax


@validated
def funnel_comparison_plot(comparison: FunnelComparison, *, ax: Any = None) -> Any:
    """Draw by how much each step of a funnel differs from the control, with intervals.

    Parameters
    ----------
    comparison : FunnelComparison
        Such as `ecomops.experiments.compare_funnels` returns it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; differences of the shares of exposed units in percentage points, one row an arm and step, coloured where
        the adjusted p-value is at most 1 - confidence. Each interval stands by itself, so a grey one may leave out 0.

    Examples
    --------
    >>> from ecomops.experiments import FunnelTotals, compare_funnels
    >>> totals = FunnelTotals(arm=["a", "b"], step=["view", "buy"], users=[[50, 10], [50, 20]], exposed=[100, 100])
    >>> ax = funnel_comparison_plot(compare_funnels(totals, control="a"))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['view', 'buy']
    """
    several = len(set(comparison.arm.tolist())) > 1
    names = [
        f"{arm}: {step}" if several else str(step) for arm, step in zip(comparison.arm, comparison.step, strict=True)
    ]
    found = comparison.p_adjusted <= 1.0 - comparison.confidence
    ax = axes_or_new(ax, height=row_height(len(names)))
    points = (100.0 * part for part in (comparison.difference, comparison.lower, comparison.upper))
    rows_with_intervals(ax, names, *points, colors=[BLUE if shown else GREY for shown in found])
    ax.axvline(0.0, color="0.4", linewidth=0.8)
    ax.set_xlabel(f"difference from the control, percentage points, with {comparison.confidence:.0%} intervals")
    return ax
