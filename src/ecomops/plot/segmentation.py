"""Retention by cohort, and the weight of segments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import validated
from ecomops.plot.canvas import BLUE, ORANGE, axes_or_new, row_height
from ecomops.segmentation import RetentionTable, RfmSegments


@validated
def retention_plot(table: RetentionTable, *, ax: Any = None) -> Any:
    """Draw the share of each cohort that came back at each age.

    Parameters
    ----------
    table : RetentionTable
        Such as `ecomops.segmentation.retention_table` returns it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; a cell is a share of the customers observed long enough, blank where there are none.

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, retention_table
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 1, 0])
    >>> [text.get_text() for text in retention_plot(retention_table(state, ages=(1,), end=7)).texts]
    ['50%']
    """
    rate = np.asarray(table.rate, dtype=float)
    rows, columns = rate.shape
    ax = axes_or_new(ax, width=2.2 + 0.7 * columns, height=row_height(rows) + 0.4)
    ax.imshow(np.ma.masked_invalid(rate), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for row, column in zip(*np.nonzero(np.isfinite(rate)), strict=True):
        share = rate[row, column]
        ink = "white" if share > 0.55 else "black"
        ax.text(column, row, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=9)
    ax.set_xticks(np.arange(columns), [f"{age:g}" for age in np.atleast_1d(table.age)])
    ax.set_yticks(np.arange(rows), [str(start) for start in table.cohort])
    ax.set_xlabel("age, steps since the first purchase")
    ax.set_ylabel("cohort begins")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax


@validated
def segment_plot(segments: RfmSegments, *, ax: Any = None) -> Any:
    """Draw the share of customers and of spend of each segment.

    Parameters
    ----------
    segments : RfmSegments
        Such as `ecomops.segmentation.rfm_segments` returns them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; two bars a segment, in fractions.

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, customer_summary, rfm_scores, rfm_segments
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 9, 5], spend=[20, 30, 10])
    >>> ax = segment_plot(rfm_segments(rfm_scores(customer_summary(state))))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['customers', 'spend']
    """
    present = np.flatnonzero(segments.customers > 0)
    order = present[np.argsort(-segments.spend[present], kind="stable")]
    ax = axes_or_new(ax, height=row_height(order.size) + 0.4)
    place = np.arange(order.size)
    for shift, values, color, name in (
        (-0.2, segments.customers, BLUE, "customers"),
        (0.2, segments.spend, ORANGE, "spend"),
    ):
        total = max(float(values.sum()), np.finfo(float).tiny)
        ax.barh(place + shift, values[order] / total, height=0.38, color=color, label=name)
    ax.set_yticks(place, segments.names[order].astype(str).tolist())
    ax.set_ylim(order.size - 0.5, -0.5)
    ax.set_xlabel("share")
    ax.legend(frameon=False, loc="lower right")
    return ax
