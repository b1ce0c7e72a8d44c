"""Tests: `ecomops.experiments` against tea-tasting, gbstats, scipy, spotify-confidence and a million draws."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import Entry, Side

ROWS = 1_000_000
LOOKS = 20
TESTS = 100_000
METRICS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mean": (("revenue",), ()),
    "mean, CUPED": (("revenue",), ("revenue_before",)),
    "ratio, CUPED": (("orders", "sessions"), ("orders_before", "sessions_before")),
}
BARS = {
    ("mean", "pandas"): 4.0,
    ("mean", "polars"): 2.0,
    # No bar is stated for these; plain numpy was so much faster than the peer when they were planned.
    ("mean, CUPED", "pandas"): 4.0,
    ("mean, CUPED", "polars"): 2.0,
    ("ratio, CUPED", "pandas"): 3.9,
    ("ratio, CUPED", "polars"): 1.0,
}


def entries(_folder: Path | None) -> list[Entry]:
    """Return the comparisons."""
    return [
        *(_rows(metric, engine) for metric in METRICS for engine in ("pandas", "polars")),
        _aggregates("tea-tasting", "tea_tasting", _tea_aggregates, 15.0),
        _aggregates("gbstats", "gbstats", _gb_aggregates, 3.0),
        _many_tests(),
        _probability_to_be_best(),
        _looks(),
    ]


def shop_users(rows: int = ROWS) -> pd.DataFrame:
    """Return one row a user: sessions, orders and revenue, and the same of an earlier period."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {"variant": rng.integers(0, 2, rows)}
    for suffix in ("", "_before"):
        sessions = 1 + rng.poisson(1, rows)
        orders = rng.binomial(sessions, 0.25)
        names = (f"sessions{suffix}", f"orders{suffix}", f"revenue{suffix}")
        columns.update(zip(names, (sessions, orders, orders * rng.lognormal(2, 0.5, rows)), strict=True))
    return pd.DataFrame(columns)


def _rows(metric: str, engine: str) -> Entry:
    return Entry(
        name=f"{metric}, rows to p-value, {engine}",
        size="1M rows",
        data=shop_users,
        peer=Side("tea-tasting", "tea_tasting", partial(_tea_rows, metric, engine)),
        ours=Side("ecomops", "ecomops.experiments", partial(_our_rows, metric, engine)),
        agree=partial(_same_difference, 1e-9 if metric == "mean" else 1e-2),
        tolerance="difference and p to 1e-9" if metric == "mean" else "to 1e-2: the peer's theta mixes the arms",
        bar=BARS[metric, engine],
        first=metric == "mean" and engine == "pandas",
        forks=engine != "polars",
    )


def _on(engine: str, frame: pd.DataFrame) -> Any:
    if engine == "pandas":
        return frame
    import polars as pl

    return pl.from_pandas(frame)


def _tea_rows(metric: str, engine: str, frame: pd.DataFrame) -> Any:
    import tea_tasting as tt

    columns, before = METRICS[metric]
    made = tt.RatioOfMeans(*columns, *before) if len(columns) == 2 else tt.Mean(columns[0], *before)
    experiment, rows = tt.Experiment({"metric": made}, variant="variant"), _on(engine, frame)

    def call() -> tuple[float, float]:
        answer = experiment.analyze(rows)["metric"]
        return answer.effect_size, answer.pvalue

    return call


def _our_rows(metric: str, engine: str, frame: pd.DataFrame) -> Any:
    from ecomops.experiments import Moments, Ratio, difference

    columns, before = METRICS[metric]
    made = Ratio(numerator=columns[0], denominator=columns[1]) if len(columns) == 2 else columns[0]
    rows = _on(engine, frame)

    def call() -> tuple[float, float]:
        moments = Moments.from_frame(rows, by="variant", columns=columns + before)
        estimate = difference(moments, treatment=1, control=0, metric=made, adjust=before)
        return estimate.value, estimate.test().p_value

    return call


def _same_difference(tolerance: float, theirs: tuple[float, float], ours: tuple[float, float]) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)


def _aggregates(peer: str, module: str, ready: Any, bar: float) -> Entry:
    return Entry(
        name=f"Welch test from ready aggregates, {peer}",
        size="1 test",
        data=partial(shop_users, 20_000),
        peer=Side(peer, module, ready),
        ours=Side("ecomops", "ecomops.experiments", _our_aggregates),
        agree=partial(_same_p, 1e-9),
        tolerance="p to 1e-9",
        bar=bar,
    )


def _arms(frame: pd.DataFrame) -> list[pd.Series]:
    return [frame.loc[frame["variant"] == arm, "revenue"] for arm in (0, 1)]


def _tea_aggregates(frame: pd.DataFrame) -> Any:
    import tea_tasting as tt
    from tea_tasting.aggr import Aggregates

    control, treatment = (
        Aggregates(count_=len(one), mean_={"revenue": one.mean()}, var_={"revenue": one.var()}, cov_={})
        for one in _arms(frame)
    )
    metric = tt.Mean("revenue")
    return lambda: metric.analyze_aggregates(control, treatment).pvalue


def _gb_aggregates(frame: pd.DataFrame) -> Any:
    from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
    from gbstats.models.statistics import SampleMeanStatistic

    # An absolute difference: the peer's relative one has another p-value by the delta method.
    config = FrequentistConfig(difference_type="absolute")
    arms = [SampleMeanStatistic(n=len(one), sum=one.sum(), sum_squares=(one**2).sum()) for one in _arms(frame)]
    return lambda: TwoSidedTTest(*arms, config).compute_result().p_value


def _our_aggregates(frame: pd.DataFrame) -> Any:
    from ecomops.experiments import Moments, difference

    moments = Moments.from_frame(frame, by="variant", columns=("revenue",))
    return lambda: difference(moments, treatment=1, control=0, metric="revenue").test().p_value


def _same_p(tolerance: float, theirs: Any, ours: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=tolerance)


def _many_tests() -> Entry:
    return Entry(
        name="Welch tests in one call",
        size="100,000 tests",
        data=summaries,
        peer=Side("scipy", "scipy.stats", _scipy_tests),
        ours=Side("ecomops", "ecomops.experiments", _our_tests),
        agree=partial(_same_p, 1e-9),
        tolerance="p to 1e-9",
        bar=0.4,  # 60 ms, where scipy's unchecked call takes 23
    )


def summaries(tests: int = TESTS) -> dict[str, Any]:
    """Return means, standard deviations and sizes of the arms of many tests."""
    rng = np.random.default_rng(3)
    control = rng.normal(10, 1, tests)
    sds, sizes = rng.uniform(1, 5, (2, tests)), rng.integers(50, 5_000, (2, tests))
    return {
        "treatment_mean": control + rng.normal(0, 0.1, tests),
        "treatment_sd": sds[0],
        "n_treatment": sizes[0],
        "control_mean": control,
        "control_sd": sds[1],
        "n_control": sizes[1],
    }


def _scipy_tests(data: dict[str, Any]) -> Any:
    from scipy import stats  # noqa: TID251 - the peer

    return lambda: stats.ttest_ind_from_stats(*data.values(), equal_var=False).pvalue


def _our_tests(data: dict[str, Any]) -> Any:
    from ecomops.experiments import compare_means

    return lambda: compare_means(**data).test().p_value


def _probability_to_be_best() -> Entry:
    return Entry(
        name="P(B > A), conversions",
        size="8,000 conversions",
        data=lambda: ((3_900, 40_000), (4_050, 40_000)),
        peer=Side("a million draws", "numpy", _drawn),
        ours=Side("ecomops", "ecomops.experiments", _our_probability),
        agree=_within_draws,
        tolerance="within 5 Monte-Carlo errors",
        bar=300.0,
    )


def _drawn(data: Any) -> Any:
    (wins_a, n_a), (wins_b, n_b) = data
    rng = np.random.default_rng(5)

    def call() -> float:
        # Both start from the parameters of the posteriors.
        one, other = (rng.beta(1 + wins, 1 + n - wins, 1_000_000) for wins, n in ((wins_a, n_a), (wins_b, n_b)))
        return float(np.mean(other > one))

    return call


def _our_probability(data: Any) -> Any:
    from ecomops.experiments import beta_posterior, compare_bayes

    (wins_a, n_a), (wins_b, n_b) = data
    posterior = beta_posterior([wins_a, wins_b], trials=[n_a, n_b])
    return lambda: compare_bayes(posterior).probability_best[1]


def _within_draws(theirs: float, ours: float) -> None:
    error = np.sqrt(ours * (1 - ours) / 1e6)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=5 * error)


def _looks() -> Entry:
    return Entry(
        name="group-sequential bounds",
        size="20 looks",
        data=lambda: np.arange(1, LOOKS + 1) / LOOKS,
        peer=Side("spotify-confidence", "spotify_confidence", _spotify_bounds),
        ours=Side("ecomops", "ecomops.experiments", _our_bounds),
        agree=_same_bounds,
        tolerance="bounds to 1e-2 (the peer integrates on a grid)",
        bar=150.0,
        repeats=3,
    )


def _spotify_bounds(information: Any) -> Any:
    from spotify_confidence.analysis.frequentist.sequential_bound_solver import bounds

    def call() -> Any:
        return bounds(information, alpha=0.05, rho=2.0, ztrun=8.0, sides=2).df["zb"].to_numpy()

    return call


def _our_bounds(information: Any) -> Any:
    from ecomops.experiments import PowerSpending, stopping_bounds

    rule = PowerSpending(exponent=2.0)
    return lambda: stopping_bounds(information, boundary=rule, alpha=0.05).efficacy


def _same_bounds(theirs: Any, ours: Any) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-2)
