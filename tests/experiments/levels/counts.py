"""Cases of proportions, rates and sample ratios: every outcome enumerated, so that the figures are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats  # noqa: TID251 - the laws of the outcomes
from tests.experiments.levels.case import NOMINAL, RUNS, Case, Figures, covers, rejections

from ecomops.experiments import (
    barnard_test,
    beta_posterior,
    boschloo_test,
    cochran_mantel_haenszel,
    compare_proportions,
    compare_rates,
    credible_interval,
    fisher_test,
    gamma_posterior,
    odds_ratio,
    proportions_homogeneity_test,
    risk_ratio,
    sample_ratio_mismatch,
)

Law = tuple[Any, Any, Any]
GRID = np.linspace(0.02, 0.98, 49)


def outcomes(n: tuple[int, int], p: tuple[float, float]) -> Law:
    """Return the successes of both arms and their probability; what has less than 1e-12 in all is left out."""
    kept = [_likely(stats.binom(size, share), size) for size, share in zip(n, p, strict=True)]
    (x, wx), (y, wy) = kept
    grid = np.meshgrid(x, y, indexing="ij")
    return grid[0].ravel(), grid[1].ravel(), np.outer(wx, wy).ravel()


def _likely(law: Any, most: int) -> tuple[Any, Any]:
    low, high = int(law.ppf(1e-12)), min(int(law.isf(1e-12)), most)
    values = np.arange(low, high + 1.0)
    return values, law.pmf(values)


def proportions(n: tuple[int, int], p: tuple[float, float], method: str) -> Any:
    """Measure the pooled z test (with equal p) and an interval of the difference."""

    def measure(rng: np.random.Generator) -> Figures:
        x, y, weight = outcomes(n, p)
        found = {
            alpha: compare_proportions(
                x,
                treatment_trials=n[0],
                control_successes=y,
                control_trials=n[1],
                confidence=1.0 - alpha,
                method=method,
            )
            for alpha in NOMINAL
        }
        covered = {alpha: covers(one.lower, one.upper, p[0] - p[1], weight) for alpha, one in found.items()}
        return Figures(rejections(found[0.05].p_value, weight) if p[0] == p[1] else {}, covered, np.inf)

    return measure


def worst_of_exact(n: tuple[int, int], p_value: Callable[..., Any]) -> Any:
    """Measure a test of equal proportions at the worst of 49 proportions."""

    def measure(rng: np.random.Generator) -> Figures:
        x, y = (part.ravel() for part in np.meshgrid(np.arange(n[0] + 1.0), np.arange(n[1] + 1.0), indexing="ij"))
        p = np.asarray(p_value(x, treatment_trials=n[0], control_successes=y, control_trials=n[1]).p_value)
        shares = [rejections(p, stats.binom.pmf(x, n[0], share) * stats.binom.pmf(y, n[1], share)) for share in GRID]
        return Figures({alpha: max(share[alpha] for share in shares) for alpha in NOMINAL}, {}, np.inf)

    return measure


def ratios(function: Any, n: tuple[int, int], p: tuple[float, float], **kwargs: Any) -> Any:
    """Measure the test and the interval of a risk or odds ratio."""

    def measure(rng: np.random.Generator) -> Figures:
        x, y, weight = outcomes(n, p)
        odds = [share / (1.0 - share) for share in p]
        truth = odds[0] / odds[1] if function in (odds_ratio, fisher_test) else p[0] / p[1]
        found = {
            alpha: function(
                x,
                treatment_trials=n[0],
                control_successes=y,
                control_trials=n[1],
                confidence=1.0 - alpha,
                **kwargs,
            )
            for alpha in NOMINAL
        }
        covered = {alpha: covers(one.lower, one.upper, truth, weight) for alpha, one in found.items()}
        return Figures(rejections(found[0.05].p_value, weight) if p[0] == p[1] else {}, covered, np.inf)

    return measure


def rates(means: tuple[float, float], exposure: tuple[float, float], method: str) -> Any:
    """Measure the test and the interval of a ratio of Poisson rates."""

    def measure(rng: np.random.Generator) -> Figures:
        (x, wx), (y, wy) = (_likely(stats.poisson(mean), 10**9) for mean in means)
        grid, weight = np.meshgrid(x, y, indexing="ij"), np.outer(wx, wy).ravel()
        rate = [mean / time for mean, time in zip(means, exposure, strict=True)]
        rejected, covered = {}, {}
        for alpha in NOMINAL:
            found = compare_rates(
                grid[0].ravel(),
                treatment_exposure=exposure[0],
                control_events=grid[1].ravel(),
                control_exposure=exposure[1],
                confidence=1.0 - alpha,
                method=method,
            )
            covered[alpha] = covers(found.lower, found.upper, rate[0] / rate[1], weight)
            if rate[0] == rate[1]:
                rejected[alpha] = rejections(found.p_value, weight)[alpha]
        return Figures(rejected, covered, np.inf)

    return measure


def mantel_haenszel(rng: np.random.Generator) -> Figures:
    p, n = np.array([0.1, 0.2, 0.4]), np.array([150.0, 80.0, 60.0])
    found = [
        cochran_mantel_haenszel(
            rng.binomial(n.astype(int), p), treatment_trials=n, control_successes=rng.binomial(120, p),
            control_trials=np.full(3, 120.0),
        )
        for _ in range(RUNS)
    ]  # fmt: skip
    inside = covers([one.lower for one in found], [one.upper for one in found], 1.0)
    return Figures(rejections([one.p_value for one in found]), {0.05: inside})


def sample_ratio(n: int, ratios: tuple[float, ...]) -> Any:
    """Measure the sample-ratio test over all splits of n units between two or three arms."""

    def measure(rng: np.random.Generator) -> Figures:
        shares = np.array(ratios) / sum(ratios)
        first = np.arange(n + 1.0)
        if len(ratios) == 2:
            splits = np.stack([first, n - first], axis=1)
        else:
            one, two = (part.ravel() for part in np.meshgrid(first, first, indexing="ij"))
            splits = np.stack([one, two, n - one - two], axis=1)
            splits = splits[splits[:, 2] >= 0]
        weight = stats.multinomial.pmf(splits, n, shares)
        likely = weight > 1e-9
        p = [sample_ratio_mismatch(split, ratios=ratios).p_value for split in splits[likely]]
        return Figures(rejections(p, weight[likely]), {}, np.inf)

    return measure


def homogeneity(rng: np.random.Generator) -> Figures:
    successes = rng.binomial(400, 0.2, (RUNS, 4))
    return Figures(rejections(proportions_homogeneity_test(successes, trials=np.full(4, 400.0)).p_value))


def credible(rng: np.random.Generator) -> Figures:
    x, y, weight = outcomes((50, 50), (0.12, 0.1))
    likely = weight > 1e-7
    x, y, weight = x[likely], y[likely], weight[likely]
    covered = {}
    for alpha in NOMINAL:
        posterior = beta_posterior(np.stack([y, x], axis=1), trials=np.full(2, 50.0))
        found = credible_interval(posterior, credibility=1.0 - alpha)
        covered[alpha] = covers(found.lower, found.upper, 0.02, weight)
    return Figures({}, covered, np.inf)


def credible_rates(rng: np.random.Generator) -> Figures:
    events = rng.poisson([30.0, 36.0], (2000, 2))
    found = credible_interval(gamma_posterior(events, exposure=np.full(2, 100.0)))
    return Figures({}, {0.05: covers(found.lower, found.upper, 0.06)}, 2000)


METHODS = ("miettinen-nurminen", "score", "newcombe", "agresti-caffo", "wald")
CASES = [
    *(Case(f"proportions, z test, {method} interval", "2000 + 2000, p 0.1", proportions((2000, 2000), (0.1, 0.1), method), method in METHODS[:2]) for method in METHODS),
    *(Case(f"proportions, {method} interval", "60 + 90, p 0.3 and 0.2", proportions((60, 90), (0.3, 0.2), method), informative=method == "wald") for method in METHODS),
    *(Case(f"proportions, {method} interval", "20 + 20, p 0.1 and 0.02", proportions((20, 20), (0.1, 0.02), method), informative=True) for method in METHODS),
    Case("Fisher's exact test", "20 + 25, the worst p", worst_of_exact((20, 25), fisher_test)),
    Case("Fisher's mid-p test", "20 + 25, the worst p", worst_of_exact((20, 25), lambda x, **k: fisher_test(x, method="mid-p", **k))),
    Case("Barnard's test", "20 + 25, the worst p", worst_of_exact((20, 25), barnard_test)),
    Case("Boschloo's test", "20 + 25, the worst p", worst_of_exact((20, 25), boschloo_test)),
    Case("pooled z test of proportions", "20 + 25, the worst p", worst_of_exact((20, 25), compare_proportions)),
    Case("Fisher's interval of the odds ratio", "40 + 40, p 0.3 and 0.2", ratios(fisher_test, (40, 40), (0.3, 0.2))),
    Case("risk ratio, score", "300 + 300, p 0.1", ratios(risk_ratio, (300, 300), (0.1, 0.1))),
    Case("risk ratio, Miettinen-Nurminen", "300 + 300, p 0.12 and 0.1", ratios(risk_ratio, (300, 300), (0.12, 0.1), method="miettinen-nurminen")),
    Case("risk ratio, log", "300 + 300, p 0.12 and 0.1", ratios(risk_ratio, (300, 300), (0.12, 0.1), method="log")),
    Case("odds ratio, score", "300 + 300, p 0.1", ratios(odds_ratio, (300, 300), (0.1, 0.1))),
    Case("odds ratio, Miettinen-Nurminen", "300 + 300, p 0.12 and 0.1", ratios(odds_ratio, (300, 300), (0.12, 0.1), method="miettinen-nurminen")),
    Case("odds ratio, log", "300 + 300, p 0.12 and 0.1", ratios(odds_ratio, (300, 300), (0.12, 0.1), method="log")),
    Case("Poisson rates, exact", "20 and 30 events, equal rates", rates((20.0, 30.0), (100.0, 150.0), "exact")),
    Case("Poisson rates, mid-p", "20 and 30 events, equal rates", rates((20.0, 30.0), (100.0, 150.0), "mid-p")),
    Case("Poisson rates, score", "100 and 150 events, equal rates", rates((100.0, 150.0), (100.0, 150.0), "score")),
    Case("Poisson rates, exact", "15 and 8 events, rate ratio 1.875", rates((15.0, 8.0), (100.0, 100.0), "exact")),
    Case("Cochran-Mantel-Haenszel", "3 strata of 180 to 270", mantel_haenszel, slow=True),
    Case("several proportions", "4 arms of 400, p 0.2", homogeneity),
    Case("sample-ratio test", "1000 units, 50 : 50", sample_ratio(1000, (1.0, 1.0))),
    Case("sample-ratio test", "36 units, 2 : 1", sample_ratio(36, (2.0, 1.0))),
    Case("sample-ratio test", "60 units, 3 arms, 1 : 1 : 1", sample_ratio(60, (1.0, 1.0, 1.0))),
    Case("sample-ratio test", "50 units, 3 arms, 8 : 1 : 1", sample_ratio(50, (8.0, 1.0, 1.0))),
    Case("credible interval, beta, uniform prior", "50 + 50, p 0.12 and 0.1", credible, informative=True, slow=True),
    Case("credible interval, gamma", "30 and 36 events", credible_rates, informative=True, slow=True),
]  # fmt: skip
