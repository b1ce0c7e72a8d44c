"""Differences of means and of ratios of means, from moments."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ecomops.core import InputError, Model, Text, Whole, validated
from ecomops.stats.estimate import Estimate
from ecomops.stats.moments import Moments, MomentsByArm

Arm = Text | Whole
VarianceMethod = Literal["welch", "pooled", "normal"]


class Ratio(Model):
    """A ratio of two means, such as revenue per session where users were randomised.

    Examples
    --------
    >>> Ratio(numerator="revenue", denominator="sessions")
    Ratio(numerator='revenue', denominator='sessions')
    """

    kind: Literal["Ratio"] = "Ratio"
    numerator: Text
    """Column of the numerator."""
    denominator: Text
    """Column of the denominator; its mean must be > 0."""


@validated
def difference(
    moments: MomentsByArm,
    *,
    treatment: Arm,
    control: Arm,
    metric: Text | Ratio,
    variance: VarianceMethod = "welch",
) -> Estimate:
    """Return the difference of a metric between two arms.

    Parameters
    ----------
    moments : MomentsByArm
        Moments of the arms over units of randomisation.
    treatment, control : str or int
        Names of the two arms.
    metric : str or Ratio
        A column, or a ratio of two (by the delta method).
    variance : {"welch", "pooled", "normal"}
        Welch's degrees of freedom, one pooled variance with Student's, or the normal reference.

    Returns
    -------
    Estimate
        Treatment minus control with standard error, degrees of freedom and baseline.

    Raises
    ------
    InputError
        When an arm or column does not exist, an arm has fewer than 2 units, or a denominator is not > 0.

    References
    ----------
    .. [1] Welch (1947), The generalization of Student's problem, Biometrika 34, 28-35.
    .. [2] Deng, Knoblich & Lu (2018), Applying the Delta Method in Metric Analytics, KDD, eq. (3).

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import Moments, difference
    >>> rows = pd.DataFrame({"arm": ["a"] * 3 + ["b"] * 3, "spend": [1.0, 2.0, 3.0, 2.0, 4.0, 6.0]})
    >>> moments = Moments.from_frame(rows, by="arm", columns=("spend",))
    >>> difference(moments, treatment="b", control="a", metric="spend").value
    2.0
    """
    if treatment == control:
        raise InputError(f"treatment must be another arm than control, got {treatment!r} for both")
    one, other = _level(moments, treatment, metric, "treatment"), _level(moments, control, metric, "control")
    (mean_t, var_t, n_t), (mean_c, var_c, n_c) = one, other
    freedom = n_t + n_c - 2.0
    if variance == "pooled":
        pooled = ((n_t - 1.0) * var_t + (n_c - 1.0) * var_c) / freedom
        var_t = var_c = pooled
    error_t, error_c = var_t / n_t, var_c / n_c
    total = error_t + error_c
    if variance == "welch":
        spread = error_t * error_t / (n_t - 1.0) + error_c * error_c / (n_c - 1.0)
        freedom = total * total / spread if spread > 0 else freedom
    elif variance == "normal":
        freedom = np.inf
    return Estimate(
        value=mean_t - mean_c,
        standard_error=np.sqrt(total),
        degrees_of_freedom=freedom,
        baseline=mean_c,
        baseline_error=np.sqrt(error_c),
        covariance=-error_c,
        n_treatment=n_t,
        n_control=n_c,
        method=f"difference of {'ratios, delta method' if isinstance(metric, Ratio) else 'means'}, {variance}",
    )


def _level(moments: MomentsByArm, arm: str | int, metric: str | Ratio, role: str) -> tuple[float, float, float]:
    """Return the level of a metric in an arm, its variance per unit and the number of units."""
    names = moments.arms.tolist()
    if arm not in names:
        raise InputError(f"{role} must be one of {names}, got {arm!r}")
    part = moments[arm]
    if part.n < 2:
        raise InputError(f"{role} must have at least 2 units, got {part.n:g} in arm {arm!r}")
    if isinstance(metric, Ratio):
        return _ratio(part, metric, role)
    return float(part.mean(metric)), float(part.variance(metric)), part.n


def _ratio(part: Moments, metric: Ratio, role: str) -> tuple[float, float, float]:
    bottom = float(part.mean(metric.denominator))
    if bottom <= 0:
        raise InputError(f"metric.denominator must have a mean > 0, got {bottom} in the {role}")
    ratio = float(part.mean(metric.numerator)) / bottom
    spread = (
        part.variance(metric.numerator)
        - 2.0 * ratio * part.covariance(metric.numerator, metric.denominator)
        + ratio * ratio * part.variance(metric.denominator)
    )
    return ratio, max(float(spread), 0.0) / (bottom * bottom), part.n
