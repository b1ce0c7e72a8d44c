"""What it brings to treat only the units with the highest scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import validated
from ecomops.experiments import QiniCurve, UpliftCurve
from ecomops.plot.canvas import BLUE, axes_or_new


@validated
def qini_plot(curve: QiniCurve | UpliftCurve, *, ax: Any = None) -> Any:
    """Draw what targeting the best-scored units brings over the share of units targeted, beside targeting at random.

    Parameters
    ----------
    curve : QiniCurve or UpliftCurve
        Such as `ecomops.experiments.qini_curve` returns it, or `ecomops.experiments.uplift_curve`, which has a band.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: incremental outcome of the treated units (Qini), or gain per unit of the population (uplift), over the
        share targeted. Shares at which no control unit is known are left out.

    Examples
    --------
    >>> from ecomops.experiments import qini_curve
    >>> ax = qini_plot(qini_curve([3, 3, 2, 2], treated=[1, 0, 1, 0], outcome=[5, 1, 2, 2]))
    >>> ax.lines[1].get_ydata().tolist()
    [0.0, 4.0, 4.0]
    """
    ax = axes_or_new(ax)
    known = np.isfinite(curve.gain)
    share, gain, random = (np.append(0.0, part[known]) for part in (curve.share, curve.gain, curve.random))
    ax.plot(share, random, color="0.4", linestyle="--", linewidth=1.2, label="at random")
    ax.plot(share, gain, color=BLUE, linewidth=1.8, label="by score")
    if isinstance(curve, UpliftCurve):
        low, high = (np.append(0.0, part) for part in (curve.lower, curve.upper))
        label = f"{curve.confidence:.0%} interval at each share"
        ax.fill_between(share, low, high, color=BLUE, alpha=0.15, linewidth=0, label=label)
        ax.set_ylabel("gain per unit of the population")
    else:
        ax.set_ylabel("incremental outcome of treated units")
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.set(xlabel="share of units targeted", xlim=(0, 1))
    ax.legend(frameon=False, loc="best")
    return ax
