"""Effects with their intervals, and the power of a test over its size."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError, Num, PositiveReal, ProbabilityReal, validated
from ecomops.experiments import Equivalence, Estimate, Looks, ManyToOne, NonInferiority, sample_size
from ecomops.experiments.design.metrics import Metric, step_of
from ecomops.experiments.design.sizing import Alternative
from ecomops.experiments.design.sizing import power as power_at
from ecomops.plot.canvas import BLUE, DASHES, GREY, ORANGE, as_rows, axes_or_new, row_height, rows_with_intervals
from ecomops.stats.estimate import LiftMethod

POINTS = 121


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
def power_plot(
    metric: Metric,
    *,
    effect: Num,
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    ratio: PositiveReal = 1.0,
    alternative: Alternative = "two-sided",
    goal: NonInferiority | Equivalence | None = None,
    lift: LiftMethod | None = None,
    comparisons: ManyToOne | None = None,
    looks: Looks | None = None,
    ax: Any = None,
) -> Any:
    """Draw the power of a test over its number of units, one curve an effect, and the size that each effect needs.

    Parameters
    ----------
    metric : MeanMetric, ProportionMetric, QuantileMetric or RankMetric
        What is measured, one metric.
    effect : float or array
        One to four effects, as `ecomops.experiments.sample_size` takes them.
    power : float
        Power that is asked for, in (0, 1): a line, and a dot where a curve reaches it.
    alpha : float
        Level of the test, in (0, 1).
    ratio : float
        Units in a treatment over units in the control.
    alternative : {"two-sided", "one-sided"}
        Sides over which alpha is divided.
    goal : NonInferiority or Equivalence, optional
        What is to be shown; a difference by default.
    lift : {"fieller", "delta", "log"}, optional
        Effects are lifts, tested by this interval.
    comparisons : ManyToOne, optional
        Several treatments against the control.
    looks : Looks, optional
        Looks at which the test may stop.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; power over units in the control, on a logarithmic scale.

    Raises
    ------
    InputError
        When there is no effect, or more than four, the metric is a batch, or `sample_size` has no answer.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric
    >>> ax = power_plot(ProportionMetric(baseline=0.20), effect=[0.05, 0.02])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['0.05: 1,094 units', '0.02: 6,510 units']
    """
    effects = as_rows(effect)
    if not 1 <= effects.size <= len(DASHES):
        raise InputError(f"effect must hold 1 to {len(DASHES)} numbers, got {effects.size}")
    if metric.batch_shape:
        raise InputError(f"metric must be one, got a batch of shape {metric.batch_shape}")
    rule: dict[str, Any] = {"alpha": alpha, "alternative": alternative, "goal": goal, "lift": lift}
    rule |= {"comparisons": comparisons, "looks": looks}
    design = sample_size(metric, effect=effects, power=power, ratio=ratio, **rule)
    needed = as_rows(design.n_control)
    least = 2.0 * float(step_of(metric)) * max(1.0, 1.0 / ratio)
    low = max(least, 0.05 * needed.min())
    units = np.geomspace(low, max(3.0 * needed.max(), 2.0 * low), POINTS)
    ax = axes_or_new(ax, width=7.4)
    for size, n, color, dash in zip(effects, needed, (BLUE, ORANGE, "0.2", GREY), DASHES, strict=False):
        curve = power_at(metric, effect=size, n_control=units, n_treatment=ratio * units, **rule)
        label = f"{size:.4g}: {n:,.0f} units"
        ax.plot(units, curve, color=color, linestyle=dash, linewidth=1.8, label=label)
    ax.scatter(needed, as_rows(design.power), color="0.2", s=24, zorder=3)
    ax.axhline(power, color="0.4", linewidth=0.8)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set(xlabel="units in the control", ylabel="power", xlim=(units[0], units[-1]), ylim=(0, 1.02))
    ax.legend(frameon=False, title="lift" if lift else "effect", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
