"""Differences of means and of ratios of means, from moments."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np

from ecomops.core import Array, Floats, InputError, Model, NonNegative, Num, Text, Whole, validated
from ecomops.experiments.adjusted.regression import ROUNDING, cells_of, pooled_slopes, satterthwaite, within
from ecomops.stats.estimate import Estimate
from ecomops.stats.moments import Moments, MomentsByArm

Arm = Text | Whole
VarianceMethod = Literal["welch", "pooled", "normal"]
Units = Annotated[float | Array | Any, Floats(ge=2, whole=True)]
ROLES = ("treatment", "control")


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
    adjust: tuple[Text, ...] = (),
) -> Estimate:
    """Return the difference of a metric between two arms, adjusted for covariates where some are named (CUPED).

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
    adjust : tuple of str
        Columns known before the treatment that foretell the metric, such as the same metric of an earlier period. For a
        ratio name both columns of the earlier ratio; for units without a past add a column that says so.

    Returns
    -------
    Estimate
        Treatment minus control with standard error, degrees of freedom and baseline: the level of the control, not
        adjusted, with its covariance with the adjusted difference, so that lifts are right.

    Raises
    ------
    InputError
        When an arm or column does not exist, an arm has fewer than 2 units, a denominator is not > 0, or a covariate is
        constant, repeats the metric, or is determined by the others.

    Notes
    -----
    Adjusted, the difference is ``y_t - y_c - theta' (x_t - x_c)`` with theta = Sxx^-1 Sxy from the co-moments within the two
    arms, added. "pooled" is the analysis of covariance: exact for normal errors, with n - 2 - k degrees of freedom and the
    error of theta. "welch" and "normal" take theta as known, as CUPED does; that understates the error by about k / n of
    it, so use "pooled" or `interacted_difference` below a hundred units an arm.

    References
    ----------
    .. [1] Welch (1947), The generalization of Student's problem, Biometrika 34, 28-35.
    .. [2] Deng, Knoblich & Lu (2018), Applying the Delta Method in Metric Analytics, KDD, eq. (3).
    .. [3] Deng, Xu, Kohavi & Walker (2013), Improving the Sensitivity of Online Controlled Experiments by Utilizing
       Pre-Experiment Data, WSDM, section 3.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import Moments, difference
    >>> rows = pd.DataFrame({"arm": ["a"] * 3 + ["b"] * 3, "spend": [1.0, 2.0, 3.0, 2.0, 4.0, 6.0]})
    >>> moments = Moments.from_frame(rows, by="arm", columns=("spend",))
    >>> difference(moments, treatment="b", control="a", metric="spend").value
    2.0

    Weights of girls before and after family treatment, and of a control (Hand et al. 1994), by their sums: the difference of
    9.386 pounds is 9.034 once they are compared at one weight before.

    >>> from ecomops.experiments import MomentsByArm
    >>> columns = ("before", "after")
    >>> control = Moments.from_sums(
    ...     columns=columns, n=26, sums=[2120.5, 2108.8], products=[[173757.35, 171879.6], [171879.6, 171602.6]]
    ... )
    >>> treated = Moments.from_sums(
    ...     columns=columns, n=17, sums=[1414.9, 1538.4], products=[[118163.97, 128406.25], [128406.25, 140365.38]]
    ... )
    >>> moments = MomentsByArm(arms=["control", "family"], moments=(control, treated))
    >>> adjusted = difference(
    ...     moments, treatment="family", control="control", metric="after", variance="pooled", adjust=("before",)
    ... )
    >>> round(adjusted.value, 6), round(adjusted.standard_error, 6), adjusted.degrees_of_freedom
    (9.033573, 2.031486, 40.0)
    """
    check_arms((treatment, control), metric, adjust)
    if adjust:
        return adjusted(moments, (treatment, control), metric, adjust, variance)
    one, other = _level(moments, treatment, metric, "treatment"), _level(moments, control, metric, "control")
    (mean_t, _, n_t), (mean_c, _, n_c) = one, other
    total, error_c, freedom = _errors(one, other, variance)
    return Estimate(
        value=mean_t - mean_c,
        standard_error=math.sqrt(total),
        degrees_of_freedom=freedom,
        baseline=mean_c,
        baseline_error=math.sqrt(error_c),
        covariance=-error_c,
        n_treatment=n_t,
        n_control=n_c,
        method=f"difference of {named(metric)}, {variance}",
    )


@validated
def compare_means(
    treatment_mean: Num,
    *,
    treatment_sd: NonNegative,
    n_treatment: Units,
    control_mean: Num,
    control_sd: NonNegative,
    n_control: Units,
    variance: VarianceMethod = "welch",
) -> Estimate:
    """Return the difference of two means from means, standard deviations and numbers of units, one test or many.

    Parameters
    ----------
    treatment_mean, control_mean : float or array
        Means of the two arms, in the metric's unit.
    treatment_sd, control_sd : float or array
        Sample standard deviations per unit (divided by n - 1), >= 0.
    n_treatment, n_control : float or array
        Units in the arms, whole, >= 2.
    variance : {"welch", "pooled", "normal"}
        Welch's degrees of freedom, one pooled variance with Student's, or the normal reference.

    Returns
    -------
    Estimate
        Treatment minus control, of the broadcast shape.

    Raises
    ------
    InputError
        When an arm has fewer than 2 units or a standard deviation is negative.

    References
    ----------
    .. [1] Welch (1947), The generalization of Student's problem, Biometrika 34, 28-35.

    Examples
    --------
    Two samples of 13 and 11 with variances 87.5 and 39 (an example of scipy's):

    >>> from ecomops.experiments import compare_means
    >>> estimate = compare_means(
    ...     15.0, treatment_sd=87.5**0.5, n_treatment=13, control_mean=12.0, control_sd=39.0**0.5, n_control=11
    ... )
    >>> round(estimate.test().statistic, 7), round(estimate.test().p_value, 7)
    (0.9358462, 0.3599982)
    """
    one, other = (
        (mean, np.square(sd), n)
        for mean, sd, n in ((treatment_mean, treatment_sd, n_treatment), (control_mean, control_sd, n_control))
    )
    total, error_c, freedom = _errors(one, other, variance)
    return Estimate(
        value=treatment_mean - control_mean,
        standard_error=np.sqrt(total),
        degrees_of_freedom=freedom,
        baseline=control_mean,
        baseline_error=np.sqrt(error_c),
        covariance=-error_c,
        n_treatment=n_treatment,
        n_control=n_control,
        method=f"difference of means, {variance}",
    )


def adjusted(
    moments: MomentsByArm,
    arms: tuple[str | int, str | int],
    metric: str | Ratio,
    adjust: tuple[str, ...],
    variance: str,
) -> Estimate:
    """Regress the metric on the covariates within the two arms, and compare what is left of it."""
    columns = columns_of(metric)
    parts = pair_of(moments, arms, metric, adjust)
    cells = cells_of([parts], columns, adjust, np.ones(1))
    slopes = pooled_slopes(cells, adjust)
    n, spread, (level_t, level_c) = cells.n[0], cells.spread[0], cells.level[0]
    gap, left = cells.centre[0, 0] - cells.centre[0, 1], slopes.residual(cells)[0]
    if variance == "pooled":
        freedom = n.sum() - 2.0 - len(adjust)
        if freedom <= 0:
            raise InputError(f"adjust must leave degrees of freedom, got {len(adjust)} column(s) for {n.sum():g} units")
        errors = left.sum() / freedom / n
        total = errors.sum() + left.sum() / freedom * slopes.leverage(gap)
        common, of_baseline = errors[1], spread.sum() / (n.sum() - 2.0) / n[1]
    else:
        errors = left / (n - 1.0) / n
        total = errors.sum()
        freedom = satterthwaite(errors, n - 1.0) if variance == "welch" else np.inf
        common = (spread[1] - slopes.fitted(cells.shared[0, 1])) / (n[1] - 1.0) / n[1]
        of_baseline = spread[1] / (n[1] - 1.0) / n[1]
    error, baseline_error = np.sqrt(total), np.sqrt(of_baseline)
    return Estimate(
        value=level_t - level_c - slopes.fitted(gap),
        standard_error=error,
        degrees_of_freedom=freedom,
        baseline=level_c,
        baseline_error=baseline_error,
        covariance=within(-common, error, baseline_error),
        n_treatment=n[0],
        n_control=n[1],
        method=f"difference of {named(metric)}, adjusted for {len(adjust)} covariate(s), {variance}",
    )


def check_arms(arms: tuple[str | int, str | int], metric: str | Ratio, adjust: tuple[str, ...]) -> None:
    """Refuse one arm on both sides, and covariates that repeat each other or the metric."""
    if arms[0] == arms[1]:
        raise InputError(f"treatment must be another arm than control, got {arms[0]!r} for both")
    for place, column in enumerate(adjust):
        if column in columns_of(metric):
            raise InputError(f"adjust must name other columns than the metric, got {column!r}")
        if column in adjust[:place]:
            raise InputError(f"adjust must name each column once, got {column!r} twice")


def columns_of(metric: str | Ratio) -> tuple[str, ...]:
    """Return the columns that a metric is made of."""
    return (metric.numerator, metric.denominator) if isinstance(metric, Ratio) else (metric,)


def named(metric: str | Ratio) -> str:
    """Return what is compared, in words."""
    return "ratios, delta method" if isinstance(metric, Ratio) else "means"


def pair_of(
    moments: MomentsByArm,
    arms: tuple[str | int, str | int],
    metric: str | Ratio,
    adjust: tuple[str, ...],
    where: str = "",
) -> tuple[Moments, Moments]:
    """Return the moments of treatment and control once they hold the columns and at least 2 units."""
    one, other = (part_of(moments, arm, metric, role, where) for arm, role in zip(arms, ROLES, strict=True))
    for part in (one, other):
        for column in adjust:
            if column not in part.columns:
                raise InputError(f"adjust must be some of {part.columns}, got {column!r}")
    return one, other


def part_of(moments: MomentsByArm, arm: str | int, metric: str | Ratio, role: str, where: str = "") -> Moments:
    """Return the moments of an arm once they hold the metric and at least 2 units."""
    names = moments.arms.tolist()
    if arm not in names:
        raise InputError(f"{role} must be one of {names}, got {arm!r}{where}")
    part: Moments = moments.moments[names.index(arm)]
    arguments = ("metric.numerator", "metric.denominator") if isinstance(metric, Ratio) else ("metric",)
    for argument, column in zip(arguments, columns_of(metric), strict=True):
        if column not in part.columns:
            raise InputError(f"{argument} must be one of {part.columns}, got {column!r}")
    if part.n < 2:
        raise InputError(f"{role} must have at least 2 units, got {part.n:g} in arm {arm!r}{where}")
    return part


def _errors(one: Any, other: Any, variance: str) -> tuple[Any, Any, Any]:
    """Return the squared error of a difference of levels and that of the control, and the degrees of freedom."""
    (_, var_t, n_t), (_, var_c, n_c) = one, other
    freedom = n_t + n_c - 2.0
    if variance == "pooled":
        var_t = var_c = ((n_t - 1.0) * var_t + (n_c - 1.0) * var_c) / freedom
    error_t, error_c = var_t / n_t, var_c / n_c
    total = error_t + error_c
    if variance == "welch":
        # Shares of the error, not its squares, which leave the range of floats for odd units of money.
        none = total == 0
        share = (error_t + 0.5 * none) / (total + none)
        freedom = 1.0 / (share * share / (n_t - 1.0) + (1.0 - share) ** 2 / (n_c - 1.0))
    elif variance == "normal":
        freedom = math.inf
    return total, error_c, freedom


def _level(moments: MomentsByArm, arm: str | int, metric: str | Ratio, role: str) -> tuple[float, float, float]:
    """Return the level of a metric in an arm, its variance per unit and the number of units."""
    part = part_of(moments, arm, metric, role)
    if isinstance(metric, Ratio):
        return _ratio(part, metric, role)
    place = part.columns.index(metric)
    return float(part.means[place]), float(part.comoments[place, place]) / (part.n - 1.0), part.n


def _ratio(part: Moments, metric: Ratio, role: str) -> tuple[float, float, float]:
    over, under = part.columns.index(metric.numerator), part.columns.index(metric.denominator)
    top, bottom = float(part.means[over]), float(part.means[under])
    if bottom <= 0:
        raise InputError(f"metric.denominator must have a mean > 0, got {bottom} in the {role}")
    ratio = top / bottom
    apart = float(part.comoments[over, over] + ratio * ratio * part.comoments[under, under])
    spread = apart - 2.0 * ratio * float(part.comoments[over, under])
    # A ratio that is the same for every unit leaves only rounding, which must not pass for a tiny error.
    spread = spread if spread > ROUNDING * apart else 0.0
    return ratio, spread / (part.n - 1.0) / (bottom * bottom), part.n
