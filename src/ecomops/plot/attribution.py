"""Credit of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.attribution import ChannelCredit, RemovalEffects
from ecomops.core import validated
from ecomops.plot.canvas import BLUE, axes_or_new, row_height


@validated
def credit_plot(credit: RemovalEffects | ChannelCredit, *, ax: Any = None) -> Any:
    """Draw the conversions that each channel is credited with, the largest on top.

    Parameters
    ----------
    credit : RemovalEffects or ChannelCredit
        Credit by removal effects, then with 95 % intervals, or by a rule.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; conversions per channel.

    Examples
    --------
    >>> from ecomops.attribution import Linear, PathTable, rule_credit
    >>> paths = PathTable.from_strings(["mail > search", "search"], conversions=[2, 3])
    >>> ax = credit_plot(rule_credit(paths, rule=Linear()))
    >>> [f"{label.get_text()} {bar.get_width():g}" for label, bar in zip(ax.get_yticklabels(), ax.patches)]
    ['search 4', 'mail 1']
    """
    order = np.argsort(-credit.conversions, kind="stable")
    place = np.arange(order.size)
    ax = axes_or_new(ax, height=row_height(order.size))
    ax.barh(place, credit.conversions[order], color=BLUE, height=0.65)
    if isinstance(credit, RemovalEffects):
        spread = 1.959963984540054 * credit.conversions_error[order]
        ax.errorbar(credit.conversions[order], place, xerr=spread, fmt="none", ecolor="0.2", capsize=3)
    ax.set_yticks(place, credit.channel[order].astype(str).tolist())
    ax.set_ylim(order.size - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.set_xlabel("conversions" + (", with 95 % intervals" if isinstance(credit, RemovalEffects) else ""))
    return ax
