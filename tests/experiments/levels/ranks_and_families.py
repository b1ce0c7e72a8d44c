"""Cases of ranks, of many tests at once, of segments and of the power that a design promises."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from scipy import special, stats  # noqa: TID251 - the laws of the outcomes
from tests.experiments.levels.case import NOMINAL, RUNS, Case, Figures, coverage, rejections
from tests.experiments.levels.means import means_of, normal, of_estimate, stack

from ecomops.experiments import (
    Estimate,
    MeanMetric,
    ProportionMetric,
    adjust_p_values,
    brunner_munzel,
    compare_proportions,
    dunnett,
    dunnett_critical_value,
    effect_heterogeneity,
    hodges_lehmann,
    interaction_test,
    mann_whitney_test,
    sample_size,
)


def arrangements(n: int, m: int) -> list[tuple[Any, Any, float]]:
    """Return an arrangement of ranks for each value of U, and the probability of that value when the arms are alike."""
    kept, count = {}, 0
    for chosen in combinations(range(n + m), n):
        u = sum(chosen) - n * (n - 1) // 2
        first, seen = kept.get(u, (chosen, 0))
        kept[u] = (first, seen + 1)
        count += 1
    pairs = []
    for chosen, seen in kept.values():
        treatment = np.array(chosen, dtype=float)
        control = np.setdiff1d(np.arange(n + m, dtype=float), treatment)
        pairs.append((treatment, control, seen / count))
    return pairs


def rank_sum(method: str) -> Any:
    """Enumerate the law of the rank sum of 7 + 8 units: the p-value and the shift's interval depend on U alone."""

    def measure(rng: np.random.Generator) -> Figures:
        found = arrangements(7, 8)
        weight = np.array([share for _, _, share in found])
        p = [mann_whitney_test(t, control=c, method=method).p_value for t, c, _ in found]

        def ends(confidence: float) -> tuple[Any, Any]:
            shifts = [hodges_lehmann(t, control=c, confidence=confidence, method=method) for t, c, _ in found]
            return np.array([one.lower for one in shifts]), np.array([one.upper for one in shifts])

        return Figures(rejections(p, weight), coverage(ends, 0.0, weight), np.inf)

    return measure


def ties(rng: np.random.Generator) -> Figures:
    p = [
        mann_whitney_test(rng.poisson(0.7, 60), control=rng.poisson(0.7, 80), method="asymptotic").p_value
        for _ in range(RUNS)
    ]
    return Figures(rejections(p))


def superiority(rng: np.random.Generator) -> Figures:
    # Equal medians, unequal spreads: P(treatment > control) is a half.
    found = [brunner_munzel(rng.normal(0.0, 1.0, 30), control=rng.normal(0.0, 3.0, 50)) for _ in range(RUNS)]
    return of_estimate(stack(found), 0.0, RUNS)


def families(method: str, *, dependent: bool = False) -> Any:
    """Measure the chance of any false rejection, or the share of false ones, where 4 of 10 hypotheses are true."""

    def measure(rng: np.random.Generator) -> Figures:
        shared = rng.normal(size=(RUNS, 1)) if dependent else 0.0
        z = (rng.normal(size=(RUNS, 10)) + shared) / (np.sqrt(2.0) if dependent else 1.0)
        z[:, 4:] += 3.0
        p = 2.0 * special.ndtr(-np.abs(z))
        false = {}
        for alpha in NOMINAL:
            rejected = np.asarray(adjust_p_values(p, method=method, level=alpha).reject)
            wrong = rejected[:, :4].sum(axis=1)
            share = wrong / np.maximum(rejected.sum(axis=1), 1) if method.startswith("benjamini") else wrong > 0
            false[alpha] = float(np.mean(share))
        return Figures(false, {})

    return measure


def many_to_one(rng: np.random.Generator) -> Figures:
    """Three treatments and a control of 15 units each, one pooled variance; the step from t to p is that of `dunnett`."""
    rows = rng.normal(size=(RUNS, 4, 15))
    means = rows.mean(axis=2)
    error = np.sqrt(rows.var(axis=2, ddof=1).mean(axis=1) * 2.0 / 15.0)
    value = means[:, 1:] - means[:, :1]
    most = np.abs(value / error[:, None]).max(axis=1)
    rejected, covered = {}, {}
    for alpha in NOMINAL:
        limit = dunnett_critical_value(3, degrees_of_freedom=56.0, confidence=1.0 - alpha)
        rejected[alpha] = float((most > limit).mean())
    for run in range(40):
        shared = float(error[run] / np.sqrt(2.0))
        found = dunnett(
            Estimate(
                value=value[run], standard_error=np.full(3, error[run]), degrees_of_freedom=56.0, baseline=means[run, 0],
                baseline_error=shared, covariance=-(shared**2),
            )
        )  # fmt: skip
        limit = dunnett_critical_value(3, degrees_of_freedom=56.0)
        outside = (np.asarray(found.lower) > 0) | (np.asarray(found.upper) < 0)
        assert bool(outside.any()) == bool(most[run] > limit) == bool(np.min(found.p_adjusted) < 0.05)
    covered = {alpha: 1.0 - share for alpha, share in rejected.items()}
    return Figures(rejected, covered)


def segments(rng: np.random.Generator) -> Figures:
    error = np.array([0.5, 0.7, 1.0, 0.6, 1.5])
    values = 2.0 + error * rng.normal(size=(RUNS, 5))
    p = [interaction_test(Estimate(value=row, standard_error=error)).p_value for row in values]
    return Figures(rejections(p))


def small_segments(rng: np.random.Generator) -> Figures:
    p = []
    for _ in range(RUNS):
        rows = rng.normal(size=(2, 4, 20)) * [[[1.0]], [[2.0]]]
        variance = rows.var(axis=2, ddof=1) / 20.0
        total = variance.sum(axis=0)
        freedom = total**2 / (variance**2 / 19.0).sum(axis=0)
        gap = rows[1].mean(axis=1) - rows[0].mean(axis=1)
        p.append(
            interaction_test(Estimate(value=gap, standard_error=np.sqrt(total), degrees_of_freedom=freedom)).p_value
        )
    return Figures(rejections(p))


def between(errors: str, tau: float) -> Any:
    """Measure the interval of the mean effect over eight segments that differ by ``tau``."""

    def measure(rng: np.random.Generator) -> Figures:
        error = np.full(8, 0.5)
        values = 1.0 + tau * rng.normal(size=(RUNS, 8)) + error * rng.normal(size=(RUNS, 8))
        found = stack(
            [effect_heterogeneity(Estimate(value=row, standard_error=error), errors=errors).random for row in values]
        )
        return of_estimate(found, 1.0, RUNS)

    return measure


def power_of_means(rng: np.random.Generator) -> tuple[float, float]:
    """Return the power that the design promises and the share of experiments that reject."""
    design = sample_size(MeanMetric(sd=1.0), effect=0.5, power=0.8)
    n = int(design.n_treatment), int(design.n_control)
    estimate = means_of(n, "pooled", (normal(0.5, 1.0), normal(0.0, 1.0)), rng)
    return float(design.power), rejections(estimate.test().p_value)[0.05]


def power_of_proportions(rng: np.random.Generator) -> tuple[float, float]:
    design = sample_size(ProportionMetric(baseline=0.2), effect=0.05, power=0.8)
    n = int(design.n_treatment), int(design.n_control)
    x, y = (
        np.arange(stats.binom.ppf(1e-9, k, p), stats.binom.isf(1e-9, k, p)) for k, p in zip(n, (0.25, 0.2), strict=True)
    )
    grid = np.meshgrid(x, y, indexing="ij")
    weight = np.outer(stats.binom.pmf(x, n[0], 0.25), stats.binom.pmf(y, n[1], 0.2))
    found = compare_proportions(
        grid[0], treatment_trials=n[0], control_successes=grid[1], control_trials=n[1], method="wald"
    )
    return float(design.power), rejections(found.p_value, weight)[0.05]


POWERS = {"means, t": power_of_means, "proportions, z": power_of_proportions}
FAMILY = ("holm", "bonferroni", "hochberg", "hommel", "benjamini-hochberg", "benjamini-yekutieli")
CASES = [
    Case("Mann-Whitney and Hodges-Lehmann, exact", "7 + 8 without ties", rank_sum("exact")),
    Case("Mann-Whitney and Hodges-Lehmann, asymptotic", "7 + 8 without ties", rank_sum("asymptotic")),
    Case("Mann-Whitney, asymptotic with ties", "counts, 60 + 80", ties, slow=True),
    Case("Brunner-Munzel", "normal, 30 + 50, sd 1 and 3", superiority, slow=True),
    *(Case(f"several tests, {method}", "10 independent tests, 4 true nulls", families(method)) for method in FAMILY),
    *(Case(f"several tests, {method}", "10 tests correlated by 1/2, 4 true nulls", families(method, dependent=True)) for method in FAMILY),
    Case("Dunnett", "3 treatments and a control, 15 each", many_to_one),
    Case("interaction of effect and segment", "5 segments, known errors", segments, slow=True),
    Case("interaction of effect and segment", "4 segments of 20 + 20, sd 1 and 2", small_segments, slow=True),
    Case("mean effect over segments, normal", "8 segments, no spread", between("normal", 0.0), slow=True, informative=True),
    Case("mean effect over segments, normal", "8 segments, spread 0.5", between("normal", 0.5), slow=True, informative=True),
    Case("mean effect over segments, Hartung-Knapp", "8 segments, no spread", between("hartung-knapp", 0.0), slow=True),
    Case("mean effect over segments, Hartung-Knapp", "8 segments, spread 0.5", between("hartung-knapp", 0.5), slow=True),
]  # fmt: skip
