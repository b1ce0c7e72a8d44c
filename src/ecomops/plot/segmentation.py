"""Retention by cohort, the weight of segments, and who is still a customer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import Duration, InputError, PositiveReal, PositiveWhole, validated
from ecomops.plot.canvas import BLUE, DASHES, GREY, ORANGE, axes_or_new, row_height
from ecomops.segmentation import CustomerSummary, PurchaseModel, RetentionTable, RfmSegments, probability_alive

POINTS = 201


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


@validated
def alive_plot(
    model: PurchaseModel,
    *,
    age_at_last_purchase: PositiveReal,
    horizon: Duration,
    frequency: tuple[PositiveWhole, ...] = (1, 3, 8),
    ax: Any = None,
) -> Any:
    """Draw how the probability that a customer is still one falls with the time since the last purchase.

    Parameters
    ----------
    model : BgNbd or MbgNbd
        The fitted model, such as ``fit_mbg_nbd(counts).model``.
    age_at_last_purchase : float
        Time from the first to the last purchase of the customers that are drawn, in the unit of the model.
    horizon : Duration
        How far to draw beyond the last purchase.
    frequency : tuple of int
        Repeat purchases in that time, a curve each; at most four.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; probability over time in the unit of the model.

    Raises
    ------
    InputError
        When there is no frequency, or more than four.

    Examples
    --------
    >>> from ecomops.core import Duration
    >>> from ecomops.segmentation import MbgNbd
    >>> model = MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week")
    >>> ax = alive_plot(model, age_at_last_purchase=26, horizon=Duration(value=52, unit="week"))
    >>> ax.get_xlabel()
    'time since the last purchase, weeks'
    """
    if not 1 <= len(frequency) <= len(DASHES):
        raise InputError(f"frequency must hold 1 to {len(DASHES)} numbers, got {len(frequency)}")
    since = np.linspace(0.0, horizon.to(model.unit), POINTS)
    ax = axes_or_new(ax)
    for count, color, dash in zip(frequency, (BLUE, ORANGE, "0.2", GREY), DASHES, strict=False):
        alike = np.full(POINTS, float(count))
        history = CustomerSummary(
            customer=np.arange(POINTS),
            frequency=alike,
            age_at_last_purchase=np.full(POINTS, age_at_last_purchase),
            age=age_at_last_purchase + since,
            mean_spend=0.0 * alike,
            orders=alike + 1,
            spend=0.0 * alike,
            unit=model.unit,
            end=0.0,
        )
        label = f"{count} repeat purchase" + ("s" if count > 1 else "")
        ax.plot(since, probability_alive(model, history), color=color, linestyle=dash, linewidth=1.8, label=label)
    ax.set(xlabel=f"time since the last purchase, {model.unit}s", ylabel="probability of being alive")
    ax.set(xlim=(0, since[-1]), ylim=(0, 1.02))
    ax.legend(frameon=False, title=f"in {age_at_last_purchase:g} {model.unit}s")
    return ax
