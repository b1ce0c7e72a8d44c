"""The decisions worth most, with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import DecisionTable, PositiveWhole, validated
from ecomops.plot.canvas import axes_or_new, row_height, rows_with_intervals


@validated
def decision_plot(decisions: DecisionTable, *, rows: PositiveWhole = 10, ax: Any = None) -> Any:
    """Draw the gain of the first decisions of a table, with intervals.

    Parameters
    ----------
    decisions : DecisionTable
        The decisions, such as `ecomops.rank_decisions` returns them.
    rows : int
        How many to draw, from the top of the table.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; gains in money per the period of the decisions.

    Examples
    --------
    >>> from ecomops.core import decision_table
    >>> table = decision_table(
    ...     ["tea"], topic="price", action=["raise"], gain=[120], lower=[40], upper=[200], p_better=[0.99],
    ...     reason=["elasticity -0.7"], period="next 30 days", baseline="today's price",
    ... )  # fmt: skip
    >>> decision_plot(table).get_xlabel()
    'gain, money (next 30 days)'
    """
    count = min(rows, decisions.subject.shape[0])
    ax = axes_or_new(ax, height=row_height(count))
    names = [
        f"{topic}: {subject}: {action}"
        for topic, subject, action in zip(
            decisions.topic[:count], decisions.subject[:count], decisions.action[:count], strict=True
        )
    ]
    rows_with_intervals(ax, names, decisions.gain[:count], decisions.lower[:count], decisions.upper[:count])
    ax.axvline(0.0, color="0.4", linewidth=0.8)
    periods = np.unique(np.asarray(decisions.period[:count], dtype=str))
    ax.set_xlabel(f"gain, money ({periods[0]})" if len(periods) == 1 else "gain, money (each over its own period)")
    return ax
