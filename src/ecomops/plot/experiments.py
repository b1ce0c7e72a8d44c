"""Effects with their intervals, and funnels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError, ProbabilityReal, validated
from ecomops.experiments import Estimate, Funnel
from ecomops.plot.canvas import BLUE, GREY, as_rows, axes_or_new, row_height, rows_with_intervals


@validated
def interval_plot(
    estimate: Estimate, *, names: tuple[str, ...] | None = None, confidence: ProbabilityReal = 0.95, ax: Any = None
) -> Any:
    """Draw effects with their confidence intervals; those whose interval holds 0 are grey.

    Parameters
    ----------
    estimate : Estimate
        One effect or a batch of n.
    names : tuple of str, optional
        Name of each effect, n of them; numbers by default.
    confidence : float
        Level of the intervals.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; effects in the unit of the metric.

    Raises
    ------
    InputError
        When there is not one name an effect.

    Examples
    --------
    >>> from ecomops.experiments import Estimate
    >>> effects = Estimate(value=[0.4, 0.1], standard_error=[0.1, 0.1])
    >>> [label.get_text() for label in interval_plot(effects, names=("blue", "green")).get_yticklabels()]
    ['blue', 'green']
    """
    interval = estimate.interval(confidence=confidence)
    value, lower, upper = (as_rows(part) for part in (interval.value, interval.lower, interval.upper))
    shown = [str(place + 1) for place in range(value.size)] if names is None else list(names)
    if len(shown) != value.size:
        raise InputError(f"names must be one per effect, got {len(shown)} for {value.size} effect(s)")
    ax = axes_or_new(ax, height=row_height(value.size))
    colors = [BLUE if low > 0 or high < 0 else GREY for low, high in zip(lower, upper, strict=True)]
    rows_with_intervals(ax, shown, value, lower, upper, colors=colors)
    ax.axvline(0.0, color="0.4", linewidth=0.8)
    ax.set_xlabel(f"effect, with {confidence:.0%} intervals")
    return ax


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
