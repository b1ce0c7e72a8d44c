"""One curve for power, sample size and detectable effect: how far the estimate stands from what it is tested against.

Plain kernels on arrays. An effect is treatment minus control in the metric's unit. A test is a triple: the mean of the
estimate over the margin, its error where the null hypothesis holds, and its own error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from ecomops.experiments.design.goals import Equivalence, NonInferiority
from ecomops.experiments.design.metrics import (
    ProportionMetric,
    clusters_of,
    has_t,
    inflation_of,
    kept_of,
    level_of,
    step_of,
    variances_of,
)
from ecomops.experiments.metric_roles import AbsoluteMargin
from ecomops.experiments.proportions import null_variance
from ecomops.experiments.union_tail import union_critical
from ecomops.stats.quadrature import unit_gauss_legendre
from ecomops.stats.special import LOG_SQRT_TWO_PI, stirling_error

NODES = 96
NORMAL_FROM = 1e9  # degrees of freedom beyond which t is normal to the last digit
CLOSEST = 0.9996  # the correlation of two comparisons' loadings that quadrature bears
DEPTH = 40.0  # a chance of e**-40 is none

Test = tuple[Any, Any, Any]


@dataclass(frozen=True)
class Plan:
    """What is tested, and how."""

    metric: Any
    goal: Any
    lift: str | None
    comparisons: Any
    alpha: float
    sides: float
    looks: Any

    @property
    def treatments(self) -> int:
        """Return the number of treatments."""
        return 1 if self.comparisons is None else int(self.comparisons.treatments)


def margin_size(margin: Any, level: Any) -> Any:
    """Return a margin in the metric's unit."""
    return margin.value if isinstance(margin, AbsoluteMargin) else margin.fraction * level


def tests_of(plan: Plan, effect: Any, n_control: Any, n_treatment: Any) -> list[Test]:
    """Return the tests that have to be passed: one, or two for equivalence."""
    units = n_control, n_treatment
    if plan.goal is None:
        return [_difference(plan, effect, units)]
    if isinstance(plan.goal, NonInferiority):
        return [_margin(plan, effect, units, plan.goal.margin, 1.0 if plan.goal.desired == "increase" else -1.0)]
    return [_margin(plan, effect, units, plan.goal.lower, 1.0), _margin(plan, effect, units, plan.goal.upper, -1.0)]


def _difference(plan: Plan, effect: Any, units: tuple[Any, Any]) -> Test:
    metric, size = plan.metric, np.abs(effect)
    if plan.lift in {"delta", "log"}:
        level = level_of(metric)
        ratio = 1.0 + effect / level
        own = _error(metric, effect, units, 1.0, -effect / level)
        return (size if plan.lift == "delta" else np.abs(np.log(ratio)) * ratio * level), own, own
    own = _error(metric, effect, units)
    return size, _null_error(metric, effect, units, 0.0, own), own


def _margin(plan: Plan, effect: Any, units: tuple[Any, Any], margin: Any, sign: float) -> Test:
    metric = plan.metric
    if isinstance(margin, AbsoluteMargin):
        own = _error(metric, effect, units)
        return sign * effect + margin.value, _null_error(metric, effect, units, -sign * margin.value, own), own
    own = _error(metric, effect, units, sign, margin.fraction)
    return sign * effect + margin.fraction * level_of(metric), own, own


def _error(metric: Any, effect: Any, units: tuple[Any, Any], sign: float = 1.0, multiple: Any = None) -> Any:
    """Return the error of sign x difference + multiple x level of the control."""
    kept = kept_of(metric)
    control, treated = (variance / n for variance, n in zip(variances_of(metric, effect), units, strict=True))
    if multiple is None:
        return np.sqrt(kept * (treated + control))
    shared = 2.0 * sign * multiple * kept * control
    return np.sqrt(kept * (treated + control) - shared + multiple * multiple * control)


def _null_error(metric: Any, effect: Any, units: tuple[Any, Any], gap: float, own: Any) -> Any:
    """Return the error of the difference that the test takes, where the true difference is the gap."""
    if not isinstance(metric, ProportionMetric) or metric.variance == "unpooled":
        return own
    n_c, n_t = units
    before = metric.baseline
    after = np.clip(before + effect, 0.0, 1.0)
    if metric.variance == "baseline":
        variance = before * (1.0 - before) * (1.0 / n_c + 1.0 / n_t)
    elif gap == 0.0:
        mean = (n_c * before + n_t * after) / (n_c + n_t)
        variance = mean * (1.0 - mean) * (1.0 / n_c + 1.0 / n_t)
    else:
        x_t, n_t, x_c, n_c = np.broadcast_arrays(n_t * after, n_t, n_c * before, n_c)
        variance = null_variance(x_t, n_t, x_c, n_c, gap)
    return np.sqrt(kept_of(metric) * inflation_of(clusters_of(metric)) * variance)


def freedom_of(plan: Plan, n_control: Any, n_treatment: Any) -> Any:
    """Return the degrees of freedom of the pooled variance (beyond 1e9 it makes no difference), infinite for a normal."""
    if not has_t(plan.metric):
        return np.inf
    k = plan.treatments
    return np.minimum((n_control + k * n_treatment) / step_of(plan.metric) - (k + 1.0), NORMAL_FROM)


def tail_of(plan: Plan, freedom: Any, ratio: Any) -> Any:
    """Return the one-sided level of one comparison; the ratio is units of a treatment over units of the control."""
    level = plan.alpha / plan.sides
    if plan.treatments == 1 or plan.comparisons.adjustment == "none":
        return level
    if plan.comparisons.adjustment == "bonferroni":
        return level / plan.treatments
    freedom, ratio = np.broadcast_arrays(np.asarray(freedom, dtype=np.float64), np.asarray(ratio, dtype=np.float64))
    flat = np.maximum(freedom.ravel(), 1.0)
    loading = np.sqrt(np.minimum(1.0 / (1.0 + 1.0 / ratio.ravel()), CLOSEST))[:, None]
    both = plan.goal is None and plan.sides == 2.0
    limit = union_critical(plan.alpha if both else level, flat, np.repeat(loading, plan.treatments, axis=1), both)
    return lower_tail(-limit, flat).reshape(freedom.shape)


def lower_tail(t: Any, freedom: Any) -> Any:
    """Return P(T < t) of Student's t, normal where the degrees of freedom are infinite."""
    finite = np.isfinite(freedom)
    return np.where(finite, special.stdtr(np.where(finite, freedom, 1.0), t), special.ndtr(t))


def limit_of(freedom: Any, tail: Any) -> Any:
    """Return what t, or z, must exceed."""
    return -special.ndtri(tail) if freedom is np.inf else -special.stdtrit(freedom, tail)


def power_of(plan: Plan, effect: Any, n_control: Any, n_treatment: Any, tail: Any) -> Any:
    """Return the power of the test with one look."""
    tests = tests_of(plan, effect, n_control, n_treatment)
    freedom = freedom_of(plan, n_control, n_treatment)
    limit = limit_of(freedom, tail)
    if len(tests) == 1:
        mean, null, own = tests[0]
        if freedom is np.inf:
            return special.ndtr((mean - limit * null) / own)
        return noncentral_power(mean / own, freedom, limit)
    if freedom is np.inf:
        low, high = ((mean - limit * null) / own for mean, null, own in tests)
        return np.maximum(special.ndtr(low) - special.ndtr(-high), 0.0)
    low, high = (mean / own for mean, _, own in tests)
    return _two_tests(low, high, freedom, limit)


def score_of(plan: Plan, effect: Any, n_control: Any, n_treatment: Any, tail: Any) -> Any:
    """Return the normal deviate of the power, which is all but linear in the root of n and in the effect."""
    if isinstance(plan.goal, Equivalence) or has_t(plan.metric):
        power = power_of(plan, effect, n_control, n_treatment, tail)
        return special.ndtri(np.clip(power, 1e-300, 1.0 - 1e-16))
    mean, null, own = tests_of(plan, effect, n_control, n_treatment)[0]
    return (mean + special.ndtri(tail) * null) / own


def noncentral_power(shift: Any, freedom: Any, limit: Any) -> Any:
    """Return P(T > limit) for a noncentral t, with the digits of a power near 0."""
    # sd / sigma is below `most` but for a chance of e**-40 (Laurent & Massart 2000, lemma 1): beyond it lies certainty.
    most = np.sqrt(1.0 + 2.0 * np.sqrt(DEPTH / freedom) + 2.0 * DEPTH / freedom)
    certain = shift > limit * most + 9.0
    # The lower tail of the mirror image keeps the digits of a power near 0.
    return np.where(certain, 1.0, special.nctdtr(freedom, -np.where(certain, 0.0, shift), -limit))


def near_shift(freedom: Any, tail: Any, score: Any) -> tuple[Any, Any]:
    """Return about how many errors an effect must measure for a t test to have a power of Phi(score), and d score / d shift.

    P(T < c) is about Phi((c (1 - 1 / 4 v) - shift) / sqrt(1 + c^2 / 2 v)) (Abramowitz & Stegun 26.7.10).
    """
    limit = -special.stdtrit(freedom, tail)
    spread = (1.0 + limit * limit / (2.0 * freedom)) ** 0.5
    return limit * (1.0 - 0.25 / freedom) + score * spread, 1.0 / spread


def t_score(shift: Any, freedom: Any, tail: Any) -> Any:
    """Return the normal deviate of the power of a t test; not for powers of 0 and 1 in floating point."""
    return special.ndtri(special.nctdtr(freedom, -shift, special.stdtrit(freedom, tail)))


@cache
def _nodes() -> tuple[Any, Any]:
    return unit_gauss_legendre(NODES)


def _two_tests(low: Any, high: Any, freedom: Any, limit: Any) -> Any:
    """Return the power of two one-sided t tests (Owen 1965): given S = sd / sigma both are normal, and S is a chi.

    Phi(low - limit S) + Phi(high - limit S) - 1 is integrated over the S for which there is room between both limits.
    """
    low, high, freedom, limit = (part[..., None] for part in np.broadcast_arrays(low, high, freedom, limit))
    spread = 2.0 * np.sqrt(DEPTH / freedom)
    first = np.sqrt(np.maximum(1.0 - spread, 0.0))
    last = np.minimum(np.sqrt(1.0 + spread + 2.0 * DEPTH / freedom), (low + high) / (2.0 * limit))
    width = np.maximum(last - first, 0.0)
    nodes, weights = _nodes()
    s = np.maximum(first + width * nodes, 1e-300)
    half = freedom / 2.0
    bend = half * (1.0 - s * s + 2.0 * np.log(s))
    density = np.exp(np.log(2.0 * half) - 0.5 * np.log(half) - LOG_SQRT_TWO_PI - stirling_error(half) + bend) / s
    both = np.maximum(special.ndtr(low - limit * s) - special.ndtr(limit * s - high), 0.0)
    return np.minimum((width * weights * density * both).sum(axis=-1), 1.0)
