"""Metrics to plan with: what a unit's value varies by, from what is known before the experiment."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field

from ecomops.core import Array, Floats, Fraction, InputError, Model, NonNegative, Num, Positive, Probability, validated

Correlation: TypeAlias = Annotated[float | Array | Any, Floats(gt=-1, lt=1)]
Reference: TypeAlias = Literal["t", "normal"]
ONE = 1.0
OneOrMore: TypeAlias = Annotated[float | Array | Any, Floats(ge=1)]


class Clusters(Model):
    """Units that come in groups, and whole groups go to one arm: shops, cities, days.

    Examples
    --------
    >>> Clusters(size=50, intracluster_correlation=0.02).design_effect()
    1.98
    """

    size: OneOrMore
    """Mean number of units in a cluster."""
    intracluster_correlation: Fraction
    """Share of the metric's variance that lies between clusters."""
    size_variation: NonNegative = 0.0
    """Standard deviation of the cluster sizes over their mean."""

    @validated
    def design_effect(self) -> Positive:
        """Return how many times as many units are needed as without clusters.

        Returns
        -------
        float or array
            Variance of a mean over that of the same number of units drawn one by one.

        Notes
        -----
        ``1 + ((1 + v^2) m - 1) rho`` with mean size m, its coefficient of variation v and correlation rho.

        References
        ----------
        .. [1] Eldridge, Ashby & Kerry (2006), Sample size for cluster randomized trials: effect of coefficient of variation
           of cluster size, International Journal of Epidemiology 35, 1292-1300.

        Examples
        --------
        >>> round(Clusters(size=50, intracluster_correlation=0.02, size_variation=0.6).design_effect(), 2)
        2.34
        """
        return inflation_of(self)


class MeanMetric(Model):
    """A mean, or a ratio of means, with the standard deviation of a unit's value.

    Examples
    --------
    >>> MeanMetric(sd=12.0, baseline=30.0).reference
    't'
    """

    kind: Literal["MeanMetric"] = "MeanMetric"
    sd: Positive
    """Standard deviation within an arm; of a ratio, that of the linearised units (see `metric_from_moments`)."""
    baseline: Num = 0.0
    """Level in the control, which lifts and relative margins are relative to; 0 where it is not needed."""
    correlation: Correlation = 0.0
    """Correlation with what the metric is adjusted for (CUPED); of several covariates, the multiple correlation."""
    clusters: Clusters | None = None
    """Clusters that are randomised as a whole; None where units are."""
    reference: Reference = "t"
    """Student's t (exact, noncentral) or its normal limit."""


class ProportionMetric(Model):
    """A proportion with its level in the control.

    Examples
    --------
    >>> ProportionMetric(baseline=0.20).variance
    'pooled'
    """

    kind: Literal["ProportionMetric"] = "ProportionMetric"
    baseline: Probability
    """Proportion in the control, in (0, 1)."""
    variance: Literal["pooled", "unpooled", "baseline"] = "pooled"
    """Variance where the null hypothesis holds: of the likeliest proportions there (score test), of both arms (Wald), or of
    the baseline alone."""
    correlation: Correlation = 0.0
    """Correlation with what the metric is adjusted for (CUPED)."""
    clusters: Clusters | None = None
    """Clusters that are randomised as a whole; None where units are."""


class QuantileMetric(Model):
    """A quantile, such as the median or the 90th percentile, with the density of values there.

    Examples
    --------
    The median of a standard normal: its error is sqrt(pi / 2) times that of the mean.

    >>> QuantileMetric(probability=0.5, density=0.3989422804).density
    0.3989422804
    """

    kind: Literal["QuantileMetric"] = "QuantileMetric"
    probability: Probability
    """Which quantile, in (0, 1)."""
    density: Positive
    """Probability density of the metric at the quantile, per unit of the metric."""
    baseline: Num = 0.0
    """Quantile in the control, which lifts and relative margins are relative to; 0 where it is not needed."""
    clusters: Clusters | None = None
    """Clusters that are randomised as a whole; None where units are."""


class RankMetric(Model):
    """The probability that a unit of the treatment exceeds one of the control (Mann-Whitney); an effect is that minus 1/2.

    Examples
    --------
    >>> from ecomops.experiments import sample_size
    >>> design = sample_size(RankMetric(), effect=0.1)
    >>> round(2 * design.exact_n_control, 2)
    261.63
    """

    kind: Literal["RankMetric"] = "RankMetric"


Metric: TypeAlias = Annotated[MeanMetric | ProportionMetric | QuantileMetric | RankMetric, Field(discriminator="kind")]


def inflation_of(clusters: Clusters | None) -> Any:
    """Return the design effect, 1 without clusters."""
    if clusters is None:
        return 1.0
    variation = clusters.size_variation * clusters.size_variation
    return 1.0 + ((1.0 + variation) * clusters.size - 1.0) * clusters.intracluster_correlation


def clusters_of(metric: Any) -> Clusters | None:
    """Return the clusters of a metric, if it has any."""
    return None if isinstance(metric, RankMetric) else metric.clusters


def step_of(metric: Any) -> Any:
    """Return how many units come at once: ``ONE``, or a cluster."""
    clusters = clusters_of(metric)
    return ONE if clusters is None else clusters.size


def kept_of(metric: Any) -> Any:
    """Return the share of the variance that an adjustment leaves."""
    if isinstance(metric, MeanMetric | ProportionMetric):
        return 1.0 - metric.correlation * metric.correlation
    return 1.0


def level_of(metric: Any) -> Any:
    """Return the level in the control: 1/2 for ranks."""
    return 0.5 if isinstance(metric, RankMetric) else metric.baseline


def has_t(metric: Any) -> bool:
    """Tell whether the test of a metric has Student's t for a reference."""
    return isinstance(metric, MeanMetric) and metric.reference == "t"


def variances_of(metric: Any, effect: Any) -> tuple[Any, Any]:
    """Return the variance of a unit in the control and in the treatment, clusters included and not adjusted."""
    inflation = inflation_of(clusters_of(metric))
    if isinstance(metric, ProportionMetric):
        before = metric.baseline
        after = np.clip(before + effect, 0.0, 1.0)
        return inflation * before * (1.0 - before), inflation * after * (1.0 - after)
    if isinstance(metric, MeanMetric):
        own = inflation * metric.sd * metric.sd
    elif isinstance(metric, QuantileMetric):
        p = metric.probability
        own = inflation * p * (1.0 - p) / metric.density / metric.density
    else:
        own = 1.0 / 12.0
    return own, own


def require_level(metric: Any, what: str) -> Any:
    """Return the level in the control, which has to be > 0 for what is relative to it."""
    level = level_of(metric)
    if np.any(np.asarray(level) <= 0):
        least = float(np.min(level))
        raise InputError(f"metric.baseline must be > 0 for {what}, got {least}; use the absolute difference")
    return level
