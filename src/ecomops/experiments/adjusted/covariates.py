"""Differences with less noise or with dependent rows: interacted regression and clusters.

CUPED, with one slope for both arms, is `difference(..., adjust=...)`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ecomops.core import Array, Frame, InputError, Text, frames, replace, validated
from ecomops.experiments.adjusted.regression import Cells, Slopes, cells_of, satterthwaite, slopes_of, within
from ecomops.experiments.means import ROLES, Arm, Ratio, adjusted, check_arms, columns_of, named, pair_of
from ecomops.stats.comoments import centred
from ecomops.stats.estimate import Estimate
from ecomops.stats.moments import Moments, MomentsByArm

Target = Literal["population", "sample"]
RobustError = Literal["hc0", "hc2", "hc3"]
EXPONENT = {"hc0": 0.0, "hc2": 1.0, "hc3": 2.0}


@validated
def interacted_difference(
    moments: MomentsByArm,
    *,
    treatment: Arm,
    control: Arm,
    metric: Text | Ratio,
    adjust: tuple[Text, ...],
    target: Target = "population",
) -> Estimate:
    """Return the difference of a metric, adjusted by a regression of its own in each arm (Lin's estimator).

    Parameters
    ----------
    moments : MomentsByArm
        Moments of the arms over units of randomisation.
    treatment, control : str or int
        Names of the two arms.
    metric : str or Ratio
        A column, or a ratio of two (made linear first).
    adjust : tuple of str
        Columns known before the treatment, at least one.
    target : {"population", "sample"}
        Whether the units are a sample of those to come, so that the mean of the covariates is itself uncertain, or are all
        that matter.

    Returns
    -------
    Estimate
        Treatment minus control at the mean of the covariates over both arms, with the level of the control, not adjusted, as
        baseline.

    Raises
    ------
    InputError
        As `difference`, and when an arm has no more units than covariates and one.

    Notes
    -----
    It is never less precise than the plain difference in large samples, with an unequal split and effects that vary with the
    covariates too, where CUPED's one slope can be. The variance here is that of two regressions with a constant variance in
    each arm, which moments hold; one that is robust to a variance that varies with the covariates (HC0, HC2) needs products
    of residuals with covariates, hence rows: `interacted_difference_of_rows`. For "population" the variance of
    ``(theta_t - theta_c)' x`` over all units is added.

    References
    ----------
    .. [1] Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied Statistics 7, 295-318.

    Examples
    --------
    Weights of girls before and after family treatment, and of a control (Hand et al. 1994), by their sums.

    >>> from ecomops.experiments import Moments, MomentsByArm, interacted_difference
    >>> columns = ("before", "after")
    >>> control = Moments.from_sums(
    ...     columns=columns, n=26, sums=[2120.5, 2108.8], products=[[173757.35, 171879.6], [171879.6, 171602.6]]
    ... )
    >>> treated = Moments.from_sums(
    ...     columns=columns, n=17, sums=[1414.9, 1538.4], products=[[118163.97, 128406.25], [128406.25, 140365.38]]
    ... )
    >>> moments = MomentsByArm(arms=["control", "family"], moments=(control, treated))
    >>> found = interacted_difference(
    ...     moments, treatment="family", control="control", metric="after", adjust=("before",)
    ... )
    >>> round(found.value, 6), round(found.standard_error, 4)
    (8.556057, 2.2318)
    """
    pair = _pair(moments, (treatment, control), metric, adjust)
    cells = cells_of([pair], columns_of(metric), adjust, np.ones(1))
    slopes, freedom = _two_slopes(cells, adjust)
    n, centre = cells.n[0], cells.centre[0]
    grand = n @ centre / n.sum()
    errors = []
    for arm in (0, 1):
        variance = slopes[arm].residual(cells)[0, arm] / freedom[arm]
        errors.append(variance * (1.0 / n[arm] + slopes[arm].leverage(grand - centre[arm])))
    return _interacted(cells, slopes, errors, freedom, target, f"{named(metric)}, interacted regression, {target}")


@validated
def interacted_difference_of_rows(
    frame: Frame,
    *,
    by: Text,
    treatment: Arm,
    control: Arm,
    metric: Text,
    adjust: tuple[Text, ...],
    errors: RobustError = "hc2",
    target: Target = "population",
) -> Estimate:
    """Return Lin's interacted difference with an error that is robust to unequal variances, from one row a unit.

    Parameters
    ----------
    frame : data frame
        One row a unit of randomisation; any frame that narwhals reads.
    by : str
        Column of arms (text or whole numbers).
    treatment, control : str or int
        Names of the two arms.
    metric : str
        Column of the metric.
    adjust : tuple of str
        Columns known before the treatment, at least one.
    errors : {"hc0", "hc2", "hc3"}
        Squared residuals as they are, over 1 - leverage, or over its square.
    target : {"population", "sample"}
        As for `interacted_difference`; a regression program prints "sample".

    Returns
    -------
    Estimate
        Treatment minus control at the mean of the covariates over both arms; degrees of freedom n - 2 - 2k.

    Raises
    ------
    InputError
        As `interacted_difference`, and when the covariates of one unit determine its own fit.

    References
    ----------
    .. [1] Lin (2013), Agnostic notes on regression adjustments to experimental data, Annals of Applied Statistics 7, 295-318.
    .. [2] MacKinnon & White (1985), Some heteroskedasticity-consistent covariance matrix estimators, Journal of Econometrics 29.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import interacted_difference_of_rows
    >>> rows = pd.DataFrame(
    ...     {"arm": list("aaaabbbb"), "before": [1, 2, 3, 4, 2, 3, 4, 5], "after": [1, 3, 3, 5, 4, 4, 7, 7]}
    ... )
    >>> found = interacted_difference_of_rows(
    ...     rows, by="arm", treatment="b", control="a", metric="after", adjust=("before",)
    ... )
    >>> round(found.value, 4), found.degrees_of_freedom
    (1.3, 4.0)
    """
    check_arms((treatment, control), metric, adjust)
    parts = {"metric": metric, **{f"adjust[{place}]": column for place, column in enumerate(adjust)}}
    data = frames.read(frame, {"by": by, **parts}, coded=("by",), numbers=tuple(parts), flags=True)
    rows = np.column_stack([data[name] for name in parts])
    arm, names = data["by"]
    if names.dtype.kind == "f" and names.size:
        raise InputError(f"by must be text or whole numbers, got numbers with decimals in column {by!r}")
    names = names.astype(np.int64) if names.dtype.kind in "bif" else names
    sums = [centred(rows[arm == code]) for code in range(names.size)]
    made = tuple(Moments(columns=(metric, *adjust), n=n, means=means, comoments=c) for n, means, c in sums)
    pair = _pair(MomentsByArm(arms=names, moments=made), (treatment, control), metric, adjust)
    cells = cells_of([pair], (metric,), adjust, np.ones(1))
    slopes, _ = _two_slopes(cells, adjust)
    grand = cells.n[0] @ cells.centre[0] / cells.n.sum()
    taken = [rows[arm == names.tolist().index(one)] for one in (treatment, control)]
    found = [_robust(part, cells, slopes[place], place, grand, EXPONENT[errors]) for place, part in enumerate(taken)]
    freedom = np.full(2, cells.n.sum() - 2.0 - 2.0 * len(adjust))
    answer = _interacted(cells, slopes, found, freedom, target, f"means, interacted regression, {errors}, {target}")
    return replace(answer, degrees_of_freedom=freedom[0])


@validated
def clustered_difference(moments: MomentsByArm, *, treatment: Arm, control: Arm, metric: Text | Ratio) -> Estimate:
    """Return the difference of a metric between arms of whole clusters, such as stores, regions or days.

    Parameters
    ----------
    moments : MomentsByArm
        Moments over clusters of their sums: `Moments.from_frame` with the cluster as ``unit``.
    treatment, control : str or int
        Names of the two arms.
    metric : str or Ratio
        A ratio of sums, such as spend per row with a column of ones as denominator; or a column, for its mean per cluster.

    Returns
    -------
    Estimate
        Treatment minus control with the cluster-robust error and G - 2 degrees of freedom for G clusters.

    Raises
    ------
    InputError
        As `difference`, with clusters as units.

    Notes
    -----
    The variance of each arm is that of the sums of residuals of its clusters, ``G / (G - 1) sum_g (y_g - R d_g)^2 / D^2``
    for ``R = sum y_g / D`` and ``D = sum d_g``: the sandwich of a regression of the rows on a constant (HC0) times
    G / (G - 1). With a few clusters of very unequal sizes it is still too small; compare means of clusters instead.

    References
    ----------
    .. [1] Deng, Knoblich & Lu (2018), Applying the Delta Method in Metric Analytics, KDD, section 3.
    .. [2] Donner & Klar (2000), Design and Analysis of Cluster Randomization Trials, Arnold, section 7.3.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import Moments, Ratio, clustered_difference
    >>> rows = pd.DataFrame(
    ...     {
    ...         "arm": list("aaaabbbb"),
    ...         "store": [1, 1, 2, 2, 3, 3, 4, 4],
    ...         "spend": [1.0, 3, 3, 5, 5, 7, 7, 9],
    ...         "one": [1] * 8,
    ...     }
    ... )
    >>> moments = Moments.from_frame(rows, by="arm", unit="store", columns=("spend", "one"))
    >>> found = clustered_difference(
    ...     moments, treatment="b", control="a", metric=Ratio(numerator="spend", denominator="one")
    ... )
    >>> found.value, round(found.standard_error, 4), found.degrees_of_freedom
    (4.0, 1.4142, 2.0)
    """
    check_arms((treatment, control), metric, ())
    found = adjusted(moments, (treatment, control), metric, (), "welch")
    freedom = found.n_treatment + found.n_control - 2.0
    return replace(found, degrees_of_freedom=freedom, method=f"difference of {named(metric)}, clusters")


def _pair(
    moments: MomentsByArm, arms: tuple[str | int, str | int], metric: str | Ratio, adjust: tuple[str, ...]
) -> tuple[Moments, Moments]:
    check_arms(arms, metric, adjust)
    if not adjust:
        raise InputError("adjust must name at least one column, got none; use difference() without covariates")
    return pair_of(moments, arms, metric, adjust)


def _two_slopes(cells: Cells, names: tuple[str, ...]) -> tuple[list[Slopes], Array]:
    """Regress in each arm alone; return the slopes and the degrees of freedom that are left."""
    n = cells.n[0]
    freedom = n - 1.0 - len(names)
    for role, left, size in zip(ROLES, freedom, n, strict=True):
        if left <= 0:
            raise InputError(
                f"adjust must leave degrees of freedom, got {len(names)} column(s) for {size:g} units in the {role}"
            )
    found = [
        slopes_of(
            cells.own[0, arm], cells.shared[0, arm], n[arm] * np.square(cells.centre[0, arm]), names, f" in the {role}"
        )
        for arm, role in enumerate(ROLES)
    ]
    return found, freedom


def _robust(rows: Any, cells: Cells, slopes: Slopes, arm: int, grand: Array, exponent: float) -> float:
    """Return the variance of one arm's level at the grand mean: sum of w^2 e^2 / (1 - h)^exponent."""
    n, centre = cells.n[0, arm], cells.centre[0, arm]
    apart = (rows[:, 1:] - centre) / slopes.scale
    residual = rows[:, 0] - cells.level[0, arm] - apart @ slopes.value
    leverage = 1.0 / n + np.einsum("ij,jk,ik->i", apart, slopes.inverse, apart)
    if leverage.max() > 1.0 - 1e-10 and exponent:
        raise InputError(
            f"adjust must leave no unit that determines its own fit, got one in the {ROLES[arm]}; use errors='hc0'"
        )
    weight = 1.0 / n + apart @ slopes.inverse @ ((grand - centre) / slopes.scale)
    return float((np.square(weight * residual) / (1.0 - leverage) ** exponent).sum())


def _interacted(
    cells: Cells, slopes: list[Slopes], errors: list[float], freedom: Array, target: str, method: str
) -> Estimate:
    """Compare the arms at the grand mean of the covariates, given the variance of each arm's level there."""
    n, (level_t, level_c), centre = cells.n[0], cells.level[0], cells.centre[0]
    total = n.sum()
    gap = centre[0] - centre[1]
    theta = np.array([one.value / one.scale for one in slopes])
    # One slope does the same: that of each arm counts by the share of the other (Lin 2013, section 3).
    both = (n[1] * theta[0] + n[0] * theta[1]) / total
    apart = theta[0] - theta[1]
    squares = cells.own[0].sum(axis=0) + np.outer(gap, gap) * n[0] * n[1] / total
    varying = float(apart @ squares @ apart) / (total - 1.0) / total if target == "population" else 0.0
    error = np.sqrt(sum(errors) + varying)
    baseline_error = np.sqrt(cells.spread[0, 1] / (n[1] - 1.0) / n[1])
    common = -(cells.spread[0, 1] - both @ cells.shared[0, 1]) / (n[1] - 1.0) / n[1]
    return Estimate(
        value=level_t - level_c - both @ gap,
        standard_error=error,
        degrees_of_freedom=satterthwaite([*errors, varying], [*freedom, total - 1.0]),
        baseline=level_c,
        baseline_error=baseline_error,
        covariance=within(common, error, baseline_error),
        n_treatment=n[0],
        n_control=n[1],
        method=f"difference of {method}",
    )
