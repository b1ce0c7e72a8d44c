"""Metrics to plan with from what was observed, and what an observed test could have found."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import InputError, Num, Positive, ProbabilityReal, Text, validated
from ecomops.experiments.adjusted.regression import cells_of, pooled_slopes
from ecomops.experiments.design.metrics import MeanMetric, Reference
from ecomops.experiments.design.plans import check_power
from ecomops.experiments.design.sizing import Alternative
from ecomops.experiments.design.solving import shift_of
from ecomops.experiments.means import Ratio, check_arms, columns_of
from ecomops.stats.estimate import NO_ERROR, Estimate
from ecomops.stats.moments import Moments

ExactLift: TypeAlias = Literal["fieller", "delta"]
LARGEST = 1.0 - 1e-12


@validated
def metric_from_moments(
    moments: Moments, *, metric: Text | Ratio, adjust: tuple[Text, ...] = (), reference: Reference = "t"
) -> MeanMetric:
    """Return a mean or a ratio of means to plan with, from the moments of units like those of the experiment.

    Parameters
    ----------
    moments : Moments
        Moments over units of randomisation, such as those of a past period as long as the test; at least 2 units.
    metric : str or Ratio
        A column, or a ratio of two.
    adjust : tuple of str
        Columns that the metric will be adjusted for (CUPED).
    reference : {"t", "normal"}
        Reference of the test.

    Returns
    -------
    MeanMetric
        Standard deviation of a unit (of a ratio R = Y / D, of R + (y - R d) / D), level, and the multiple correlation with
        the covariates.

    Raises
    ------
    InputError
        When a column does not exist, does not vary or is determined by the others, or a denominator's mean is not > 0.

    References
    ----------
    .. [1] Deng, Knoblich & Lu (2018), Applying the Delta Method in Metric Analytics, KDD, eq. (3).

    Examples
    --------
    >>> from ecomops.experiments import Moments, metric_from_moments
    >>> history = Moments.from_arrays([[9.0, 2.0], [5.0, 1.0], [7.0, 2.0], [3.0, 1.0]], columns=("spend", "visits"))
    >>> metric = metric_from_moments(history, metric="spend", adjust=("visits",))
    >>> metric.baseline, round(metric.sd, 4), round(metric.correlation, 4)
    (6.0, 2.582, 0.8944)
    """
    check_arms(("treatment", "control"), metric, adjust)
    columns = columns_of(metric)
    for name, wanted in (("metric", columns), ("adjust", adjust)):
        for column in wanted:
            if column not in moments.columns:
                raise InputError(f"{name} must be among {moments.columns}, got {column!r}")
    if moments.n < 2:
        raise InputError(f"moments must be of at least 2 units, got {moments.n:g}")
    if isinstance(metric, Ratio) and float(moments.mean(metric.denominator)) <= 0:
        raise InputError(f"metric.denominator must have a mean > 0, got {moments.mean(metric.denominator)}")
    cells = cells_of([(moments, moments)], columns, adjust, np.ones(1))
    spread = float(cells.spread[0, 1])
    if spread <= 0:
        raise InputError("metric must vary: there is nothing to plan with")
    left = float(pooled_slopes(cells, adjust).residual(cells)[0, 1]) if adjust else spread
    return MeanMetric(
        sd=np.sqrt(spread / (moments.n - 1.0)),
        baseline=cells.level[0, 1],
        correlation=min(np.sqrt(1.0 - min(left / spread, 1.0)), LARGEST),
        reference=reference,
    )


@validated
def metric_from_estimate(estimate: Estimate) -> MeanMetric:
    """Return a metric to plan with from an observed difference, however it was adjusted.

    Parameters
    ----------
    estimate : Estimate
        A difference with its units (ratio, CUPED, strata, clusters), from a test like the one that is planned.

    Returns
    -------
    MeanMetric
        A metric whose difference has the estimate's standard error at its units, with its level. What covariates explained
        is its correlation, as far as the error of the baseline shows it.

    Raises
    ------
    InputError
        When the estimate has no units or no error.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, sample_size
    >>> from ecomops.experiments.design.observed import metric_from_estimate
    >>> pilot = Estimate(value=0.4, standard_error=0.5, baseline=10.0, n_control=800, n_treatment=800)
    >>> metric_from_estimate(pilot).sd
    10.0
    """
    each = np.minimum(estimate.n_control, estimate.n_treatment)
    if np.any(each < 1):
        raise InputError("estimate must have n_control and n_treatment")
    if np.any(np.asarray(estimate.standard_error) <= 0):
        raise InputError(f"estimate.standard_error must be > 0: {NO_ERROR}")
    sd = estimate.standard_error / np.sqrt(1.0 / estimate.n_control + 1.0 / estimate.n_treatment)
    raw = np.maximum(estimate.baseline_error * np.sqrt(estimate.n_control), sd)
    normal = bool(np.all(np.isinf(estimate.degrees_of_freedom)))
    return MeanMetric(
        sd=raw,
        baseline=estimate.baseline,
        correlation=np.minimum(np.sqrt(1.0 - np.square(sd / raw)), LARGEST),
        reference="normal" if normal else "t",
    )


@validated
def detectable_effect(
    estimate: Estimate,
    *,
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    alternative: Alternative = "two-sided",
    lift: ExactLift | None = None,
) -> Positive:
    """Return the smallest increase that a test with the error of an estimate would have found.

    Parameters
    ----------
    estimate : Estimate
        The difference; only its error, degrees of freedom and baseline count, not its value.
    power : float
        Probability to find it, in (0, 1), above ``alpha``.
    alpha : float
        Level of the test, in (0, 1).
    alternative : {"two-sided", "one-sided"}
        Sides over which alpha is divided.
    lift : {"fieller", "delta"}, optional
        The answer is a lift: a fraction of the baseline found by the test of the difference, which Fieller's interval agrees
        with, or by the interval of the delta method.

    Returns
    -------
    float or array
        Treatment minus control, or a lift. It is also the margin that is shown where there is no effect.

    Raises
    ------
    InputError
        When the error is 0, a lift has no baseline > 0, or no lift can be told from 0.

    Notes
    -----
    The noncentrality that has the power, times the standard error. By the delta method a lift m has the variance
    ``SE0^2 + v m^2 - 2 c m``, and m = z SE(m) is a quadratic equation. Do not compute it for the value that was observed:
    such "observed power" is the p-value in other words [1]_.

    References
    ----------
    .. [1] Hoenig & Heisey (2001), The Abuse of Power, The American Statistician 55, 19-24.

    Examples
    --------
    >>> from ecomops.experiments import Estimate
    >>> from ecomops.experiments.design.observed import detectable_effect
    >>> estimate = Estimate(value=0.4, standard_error=0.2**0.5, baseline=10.0, baseline_error=0.1**0.5, covariance=-0.1)
    >>> round(detectable_effect(estimate), 5), round(detectable_effect(estimate, lift="delta"), 6)
    (1.25291, 0.133945)
    """
    check_power(power, alpha)
    error, level = np.asarray(estimate.standard_error), estimate.baseline
    if np.any(error <= 0):
        raise InputError(f"estimate.standard_error must be > 0: {NO_ERROR}")
    if lift is not None and np.any(np.asarray(level) <= 0):
        raise InputError(f"estimate.baseline must be > 0 for a lift, got {float(np.min(level))}; leave lift out")
    tail = alpha / (2.0 if alternative == "two-sided" else 1.0)
    z = errors_to_find(estimate.degrees_of_freedom, tail, power)
    if lift != "delta":
        return z * error if lift is None else z * error / level
    square, shared = z * z, estimate.covariance / level / level
    of_value, of_level = np.square(error / level), np.square(estimate.baseline_error / level)
    lead = 1.0 - square * of_level
    if np.any(lead <= 0):
        raise InputError("estimate.baseline cannot be told from 0 well enough: no lift reaches the power")
    middle = -square * shared
    return (middle + np.sqrt(np.square(middle) + lead * square * of_value)) / lead


def errors_to_find(freedom: Any, tail: float, power: Any) -> Num:
    """Return how many standard errors an effect must measure to be found by a one-sided test with a power."""
    freedom, target = np.asarray(freedom, dtype=np.float64), special.ndtri(power)
    finite = np.isfinite(freedom)
    normal = shift_of(np.inf, tail, target)
    if not finite.any():
        return normal + np.zeros(freedom.shape)
    return np.where(finite, shift_of(np.where(finite, freedom, 1e3), tail, target), normal)
