"""Differences of means and of ratios of means, from moments."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ecomops.core import InputError, Model, Text, Whole, validated
from ecomops.stats.estimate import Estimate
from ecomops.stats.moments import Moments, MomentsByArm

Arm = Text | Whole
VarianceMethod = Literal["welch", "pooled", "normal"]
ROUNDING = 1e-14


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
        # Shares of the error, not its squares, which leave the range of floats for odd units of money.
        share = error_t / total if total > 0 else 0.5
        freedom = 1.0 / (share * share / (n_t - 1.0) + (1.0 - share) ** 2 / (n_c - 1.0))
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
    wanted = (
        {"metric.numerator": metric.numerator, "metric.denominator": metric.denominator}
        if isinstance(metric, Ratio)
        else {"metric": metric}
    )
    for argument, column in wanted.items():
        if column not in part.columns:
            raise InputError(f"{argument} must be one of {part.columns}, got {column!r}")
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
    apart = float(part.variance(metric.numerator) + ratio * ratio * part.variance(metric.denominator))
    spread = apart - 2.0 * ratio * float(part.covariance(metric.numerator, metric.denominator))
    # A ratio that is the same for every unit leaves only rounding, which must not pass for a tiny error.
    spread = spread if spread > ROUNDING * apart else 0.0
    return ratio, spread / (bottom * bottom), part.n
