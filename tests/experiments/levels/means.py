"""Cases of means, ratios, adjusted differences and lifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tests.experiments.levels.case import RUNS, Case, Figures, coverage, rejections

from ecomops.core import replace
from ecomops.experiments import (
    Estimate,
    Moments,
    MomentsByArm,
    MomentsByStratum,
    Ratio,
    clustered_difference,
    compare_means,
    difference,
    interacted_difference,
    interacted_difference_of_rows,
    poststratified_difference,
    segment_effects,
)
from ecomops.experiments.random_splits import split_differences

Draw = Callable[[np.random.Generator, int], Any]
SPEND = Ratio(numerator="spend", denominator="sessions")


def of_estimate(estimate: Estimate, truth: float, runs: float) -> Figures:
    """Test the truth and look whether the interval holds it."""
    interval = {}

    def ends(confidence: float) -> tuple[Any, Any]:
        interval[confidence] = found = estimate.interval(confidence=confidence)
        return found.lower, found.upper

    return Figures(rejections(estimate.test(margin=truth).p_value), coverage(ends, truth), runs)


def two_samples(n: tuple[int, int], variance: str, draws: tuple[Draw, Draw], truth: float) -> Any:
    """Measure `compare_means`, which is `difference` of a column for many tests at once."""

    def measure(rng: np.random.Generator) -> Figures:
        return of_estimate(means_of(n, variance, draws, rng), truth, RUNS)

    return measure


def means_of(n: tuple[int, int], variance: str, draws: tuple[Draw, Draw], rng: np.random.Generator) -> Estimate:
    sums = [([], []), ([], [])]
    block = max(1, 2_000_000 // max(n))
    for start in range(0, RUNS, block):
        for draw, size, (mean, sd) in zip(draws, n, sums, strict=True):
            rows = draw(rng, min(block, RUNS - start) * size).reshape(-1, size)
            mean.append(rows.mean(axis=1))
            sd.append(rows.std(axis=1, ddof=1))
    (mean_t, sd_t), (mean_c, sd_c) = [tuple(map(np.concatenate, part)) for part in sums]
    return compare_means(
        mean_t,
        treatment_sd=sd_t,
        n_treatment=n[0],
        control_mean=mean_c,
        control_sd=sd_c,
        n_control=n[1],
        variance=variance,
    )


def lifts(n: int, method: str, variation: float, lift: float) -> Any:
    """Measure the interval of a lift where the control's mean has a given coefficient of variation."""

    def measure(rng: np.random.Generator) -> Figures:
        sd = variation * np.sqrt(n)
        draws = (lambda r, k: r.normal(1.0 + lift, sd, k), lambda r, k: r.normal(1.0, sd, k))
        estimate = means_of((n, n), "welch", draws, rng)
        # A control that came out at or below 0 has no lift; such runs are told to use the difference.
        kept = np.asarray(estimate.baseline) > 0
        fields = ("value", "standard_error", "degrees_of_freedom", "baseline", "baseline_error", "covariance")
        estimate = Estimate(**{name: np.broadcast_to(getattr(estimate, name), kept.shape)[kept] for name in fields})

        def ends(confidence: float) -> tuple[Any, Any]:
            found = estimate.lift(confidence=confidence, method=method)
            return found.lower, found.upper

        return Figures({}, coverage(ends, lift), RUNS)

    return measure


def normal(mean: float, sd: float) -> Draw:
    return lambda rng, size: rng.normal(mean, sd, size)


def many(rows: Any) -> tuple[Any, Any, Any]:
    """Return units, means and co-moments of many samples, rows of shape (runs, n, k)."""
    means = rows.mean(axis=1)
    apart = rows - means[:, None]
    return np.full(len(rows), float(rows.shape[1])), means, np.einsum("rni,rnj->rij", apart, apart)


def by_kernel(n: tuple[int, int], variance: str, columns: Callable[..., Any], covariates: int, truth: float) -> Any:
    """Measure ratios and covariates by the arithmetic that `simulate_aa` uses, which test_aa proves to be `difference`."""

    def measure(rng: np.random.Generator) -> Figures:
        parts = []
        block = max(1, 400_000 // max(n))
        for start in range(0, RUNS, block):
            runs = min(block, RUNS - start)
            arms = [many(columns(rng, runs, size, 1 - place)) for place, size in enumerate(n)]
            joined = [np.stack(pair, axis=1) for pair in zip(*arms, strict=True)]
            parts.append(split_differences(*joined, covariates=covariates, variance=variance)[:3])
        value, error, freedom = (np.concatenate(part) for part in zip(*parts, strict=True))
        estimate = Estimate(value=value, standard_error=error, degrees_of_freedom=freedom)
        return of_estimate(estimate, truth, RUNS)

    return measure


def one_by_one(runs: int, make: Callable[[np.random.Generator], Estimate], truth: float) -> Any:
    """Measure a function that takes one pair of arms at a time."""

    def measure(rng: np.random.Generator) -> Figures:
        return of_estimate(stack([make(rng) for _ in range(runs)]), truth, runs)

    return measure


def stack(estimates: list[Estimate]) -> Estimate:
    names = (
        "value", "standard_error", "degrees_of_freedom", "baseline", "baseline_error", "covariance", "n_treatment",
        "n_control",
    )  # fmt: skip
    return Estimate(**{name: np.array([getattr(one, name) for one in estimates]) for name in names})


def visits(rng: np.random.Generator, runs: int, n: int, arm: int) -> Any:
    """Spend and sessions of users: spend per session is 2 in both arms, though the treatment has more sessions."""
    sessions = 1.0 + rng.poisson(1.0 + arm, (runs, n))
    return np.stack([sessions * rng.gamma(2.0, 1.0, (runs, n)), sessions], axis=-1)


def visits_and_before(rng: np.random.Generator, runs: int, n: int, arm: int) -> Any:
    sessions = 1.0 + rng.poisson(1.0, (runs, n))
    taste = rng.gamma(2.0, 1.0, (runs, n))
    before = taste + rng.normal(0.0, 0.5, (runs, n))
    return np.stack([sessions * (0.5 * taste + rng.gamma(1.0, 1.0, (runs, n))), sessions, before], axis=-1)


def before_and_after(rng: np.random.Generator, runs: int, n: int, arm: int) -> Any:
    before = rng.normal(0.0, 1.0, (runs, n))
    return np.stack([before * 0.8 + rng.normal(0.3 * arm, 0.6, (runs, n)), before], axis=-1)


def _pair(rows: list[Any], columns: tuple[str, ...]) -> MomentsByArm:
    return MomentsByArm(arms=["c", "t"], moments=tuple(Moments.from_arrays(part, columns=columns) for part in rows))


def interacted(rng: np.random.Generator) -> Estimate:
    arms = [before_and_after(rng, 1, size, arm)[0] * [1.0 + arm, 1.0] for arm, size in ((0, 150), (1, 60))]
    return interacted_difference(
        _pair(arms, ("after", "before")), treatment="t", control="c", metric="after", adjust=("before",)
    )


def interacted_rows(rng: np.random.Generator) -> Estimate:
    import pandas as pd

    arms = [before_and_after(rng, 1, size, arm)[0] * [1.0 + arm, 1.0] for arm, size in ((0, 60), (1, 40))]
    frame = pd.DataFrame(np.concatenate(arms), columns=["after", "before"])
    frame["arm"] = ["c"] * 60 + ["t"] * 40
    return interacted_difference_of_rows(
        frame, by="arm", treatment="t", control="c", metric="after", adjust=("before",)
    )


def strata_of(rng: np.random.Generator, n: int) -> list[tuple[list[Any], Any]]:
    """Draw three strata with unequal levels, and arms that get them by chance."""
    stratum, arm = rng.choice(3, n, p=[0.5, 0.3, 0.2]), rng.random(n) < 0.5
    sessions = 1.0 + rng.poisson(1.0, n)
    before = rng.normal(0.0, 1.0, n)
    spend = sessions * (2.0 + 1.5 * stratum + 0.5 * before + rng.normal(0.0, 1.0, n))
    rows = np.column_stack([spend, sessions, before])
    return [[rows[(stratum == s) & (arm == a)] for a in (False, True)] for s in range(3)]


def stratified(rng: np.random.Generator, n: int = 600) -> MomentsByStratum:
    parts = strata_of(rng, n)
    columns = ("spend", "sessions", "before")
    return MomentsByStratum(strata=["low", "middle", "high"], moments=tuple(_pair(part, columns) for part in parts))


def poststratified(rng: np.random.Generator) -> Estimate:
    return poststratified_difference(stratified(rng), treatment="t", control="c", metric="spend")


def poststratified_ratio(rng: np.random.Generator) -> Estimate:
    return poststratified_difference(stratified(rng), treatment="t", control="c", metric=SPEND, adjust=("before",))


def of_one_segment(rng: np.random.Generator) -> Estimate:
    found = segment_effects(stratified(rng), treatment="t", control="c", metric="spend")
    return Estimate(
        **{
            name: np.broadcast_to(getattr(found, name), 3)[2]
            for name in ("value", "standard_error", "degrees_of_freedom")
        }
    )


def clustered(rng: np.random.Generator) -> Estimate:
    arms = []
    for _ in range(2):
        size = 5.0 + rng.poisson(15.0, 40)
        arms.append(np.column_stack([size * (1.0 + rng.normal(0.0, 0.3, 40)) + rng.normal(0.0, np.sqrt(size)), size]))
    metric = Ratio(numerator="spend", denominator="one")
    return clustered_difference(_pair(arms, ("spend", "one")), treatment="t", control="c", metric=metric)


def public_difference(rng: np.random.Generator) -> Estimate:
    arms = [visits_and_before(rng, 1, 300, arm)[0] for arm in range(2)]
    moments = _pair(arms, ("spend", "sessions", "before"))
    return replace(difference(moments, treatment="t", control="c", metric=SPEND, adjust=("before",)))


EXPONENTIAL: Draw = lambda rng, size: rng.exponential(1.0, size)  # noqa: E731 - one line says what it is
CASES = [
    Case("difference, z", "normal, 500 + 500", two_samples((500, 500), "normal", (normal(0.1, 1), normal(0, 1)), 0.1), True),
    Case("difference, Student's t", "normal, 5 + 8", two_samples((5, 8), "pooled", (normal(0, 1), normal(0, 1)), 0.0), True),
    Case("difference, Welch", "normal, 10 + 15, sd 1 and 3", two_samples((10, 15), "welch", (normal(1, 1), normal(0, 3)), 1.0), True),
    Case("difference, Welch", "normal, 40 + 20, sd 1 and 2", two_samples((40, 20), "welch", (normal(0, 1), normal(0, 2)), 0.0), True),
    Case("difference, Welch", "exponential, 1000 + 1000", two_samples((1000, 1000), "welch", (EXPONENTIAL, EXPONENTIAL), 0.0), True),
    Case("ratio of means, delta method", "spend per session, 500 + 500 users", by_kernel((500, 500), "welch", visits, 0, 0.0), True, slow=True),
    Case("CUPED, pooled", "normal, 8 + 8, one covariate", by_kernel((8, 8), "pooled", before_and_after, 1, 0.3), True),
    Case("CUPED, Welch", "normal, 200 + 200, one covariate", by_kernel((200, 200), "welch", before_and_after, 1, 0.3), True, slow=True),
    Case("ratio of means with CUPED", "300 + 300 users", by_kernel((300, 300), "welch", visits_and_before, 1, 0.0), True, slow=True),
    Case("ratio of means with CUPED, `difference` itself", "300 + 300 users", one_by_one(RUNS, public_difference, 0.0), True, slow=True),
    Case("Lin's interacted difference", "normal, 60 + 150, unequal slopes", one_by_one(RUNS, interacted, 0.3 * 2.0), slow=True),
    Case("Lin's interacted difference of rows, HC2", "normal, 40 + 60, unequal slopes", one_by_one(RUNS, interacted_rows, 0.6), slow=True),
    Case("post-stratified difference", "3 strata, 600 units", one_by_one(RUNS, poststratified, 0.0), slow=True),
    Case("post-stratified ratio with CUPED", "3 strata, 600 units", one_by_one(RUNS, poststratified_ratio, 0.0), slow=True),
    Case("effect in one segment", "a fifth of 600 units", one_by_one(RUNS, of_one_segment, 0.0), slow=True),
    Case("clustered difference", "40 + 40 clusters of 5 to 35", one_by_one(RUNS, clustered, 0.0), slow=True),
    *(
        Case("lift, Fieller", f"normal, 50 + 50, variation of the control's mean {v}", lifts(50, "fieller", v, 0.1), True)
        for v in (0.05, 0.1, 0.2)
    ),
    Case("lift, delta method", "normal, 50 + 50, variation 0.05", lifts(50, "delta", 0.05, 0.0)),
    Case("lift, log", "normal, 50 + 50, variation 0.05", lifts(50, "log", 0.05, 0.0)),
    Case("lift, delta method", "normal, 50 + 50, variation 0.2, lift 0.5", lifts(50, "delta", 0.2, 0.5), informative=True),
]  # fmt: skip
