"""Kaplan-Meier against fractions, scipy's ecdf and published medians; quantiles, restricted means, coverage by simulation."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import DurationCounts, DurationsByArm, SurvivalCurve, kaplan_meier
from ecomops.stats.survival import _ENDS, product_limit, restricted_mean_of

INTERVALS = ("log-log", "log", "plain")
samples = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=25)


def of(pairs: Any, **options: Any) -> SurvivalCurve:
    durations, events = zip(*pairs, strict=True)
    return kaplan_meier(DurationCounts.from_arrays(durations, event=np.array(events)), **options)


def looped(pairs: Any, t: float) -> tuple[Fraction, float]:
    """Multiply 1 - d / n over the durations up to t, and add up Greenwood's terms."""
    survival, spread = Fraction(1), 0.0
    for duration in sorted({d for d, _ in pairs if d <= t}):
        n, d = sum(u >= duration for u, _ in pairs), sum(u == duration and e for u, e in pairs)
        survival *= 1 - Fraction(d, n)
        spread += d / n / (n - d) if n > d else 0.0
    return survival, spread


@given(samples)
def test_the_curve_is_the_product_limit(pairs: Any) -> None:
    found = of(pairs)
    for place, t in enumerate(found.duration):
        survival, spread = looped(pairs, t)
        assert found.survival[place] == pytest.approx(float(survival), rel=1e-13, abs=1e-15)
        if survival:
            assert found.standard_error[place] == pytest.approx(float(survival) * math.sqrt(spread), rel=1e-12)
        else:
            assert np.isnan([found.standard_error[place], found.lower[place], found.upper[place]]).all()
        assert found.at(float(t)) == found.survival[place]
    assert found.at(0.0) == (found.survival[0] if found.duration[0] == 0 else 1.0)
    assert ("nobody is left" in found.reason) == (found.survival[-1] == 0)
    assert ("before the first event" in found.reason) == (found.survival[0] == 1)


@given(samples.filter(lambda pairs: any(event for _, event in pairs)), st.sampled_from([0.5, 0.95]))
def test_intervals_are_those_of_scipy(pairs: Any, confidence: float) -> None:
    event = np.array([e for _, e in pairs])
    durations = np.array([float(d) for d, _ in pairs])
    oracle = stats.ecdf(stats.CensoredData(uncensored=durations[event], right=durations[~event])).sf
    for ours, theirs in (("log-log", "log-log"), ("plain", "linear")):
        found = of(pairs, confidence=confidence, interval=ours)
        np.testing.assert_allclose(found.survival, oracle.probabilities, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(found.duration, oracle.quantiles)
        low, high = limits(oracle, confidence, theirs)
        inside = (found.survival > 0) & (found.survival < 1)
        np.testing.assert_allclose(found.lower[inside], low[inside], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(found.upper[inside], high[inside], rtol=1e-10)


def limits(oracle: Any, confidence: float, method: str) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ends = oracle.confidence_interval(confidence, method=method)
    return ends.low.probabilities, ends.high.probabilities


@given(samples, st.sampled_from(INTERVALS))
def test_intervals_hold_the_survival_and_grow_with_confidence(pairs: Any, interval: Any) -> None:
    narrow, wide = (of(pairs, confidence=confidence, interval=interval) for confidence in (0.5, 0.99))
    known = narrow.survival > 0
    for part in (narrow, wide):
        assert (part.lower[known] <= part.survival[known] + 1e-15).all()
        assert (part.survival[known] <= part.upper[known] + 1e-15).all()
    assert (wide.lower[known] <= narrow.lower[known] + 1e-15).all()
    assert (wide.upper[known] >= narrow.upper[known] - 1e-15).all()


@given(samples, st.floats(0.05, 0.95))
def test_quantiles_are_read_off_the_curve(pairs: Any, probability: float) -> None:
    curve = of(pairs)
    found = curve.quantile(probability)
    reached = [t for t in curve.duration if 1 - float(looped(pairs, t)[0]) >= probability]
    if not reached:
        assert math.isnan(found.value)
        assert found.upper == math.inf
        assert found.reason.startswith("NaN: the share is not reached")
    else:
        assert found.value >= reached[0]
        assert found.lower <= reached[0] <= found.upper
        assert found.reason == ("" if math.isfinite(found.upper) else "no upper limit")
    assert math.isnan(found.lower) == found.reason.endswith("nor its lower limit")


def test_where_the_curve_is_flat_at_the_share_its_middle_counts() -> None:
    curve = of([(1, True), (2, True), (3, False), (6, True), (9, True)])
    assert curve.quantile(0.4).value == 4.0
    assert curve.quantile([0.4, 0.41]).value.tolist() == [4.0, 6.0]
    # At the end of the curve there is no next fall.
    assert of([(1, True), (2, False)]).quantile(0.5).value == 1.0


@pytest.mark.parametrize(
    ("arm", "median", "lower", "mean", "error"), [(1, 31, 18, 52.6455, 19.8286), (2, 23, 8, 22.7083, 4.1809)]
)
def test_published_medians(shared_data: Any, arm: int, median: float, lower: float, mean: float, error: float) -> None:
    """R's survfit of survival::aml, log intervals, with the restricted mean of its print method (52.6 and 19.83)."""
    frame = pd.read_csv(shared_data("reference/aml.csv.gz"))
    arms = DurationsByArm.from_frame(frame, by="group", duration="time", event="cens", unit="week")
    curve = kaplan_meier(arms[arm], interval="log")
    found = curve.quantile()
    assert (found.value, found.lower, found.upper, found.unit) == (median, lower, math.inf, "week")
    area = curve.restricted_mean(horizon=161)
    np.testing.assert_allclose([area.value, area.standard_error], [mean, error], atol=6e-5)


# --- restricted means -------------------------------------------------------------------------------------------------


@given(samples, st.floats(0.1, 8))
def test_the_restricted_mean_is_the_area(pairs: Any, horizon: float) -> None:
    curve = of([*pairs, (8, False)])
    steps = np.concatenate([[1.0], curve.survival])
    grid = np.unique(np.concatenate([[0.0], curve.duration[curve.duration < horizon], [horizon]]))
    heights = np.array([steps[np.searchsorted(curve.duration, t, side="right")] for t in grid[:-1]])
    area = float((np.diff(grid) * heights).sum())
    found = curve.restricted_mean(horizon=horizon)
    assert found.value == pytest.approx(area, rel=1e-12)
    variance = 0.0
    for t, d, n in zip(curve.duration, curve.events, curve.at_risk, strict=True):
        if t < horizon and n > d:
            rest = sum(w * h for a, w, h in zip(grid, np.diff(grid), heights, strict=False) if a >= t)
            variance += rest**2 * d / n / (n - d)
    assert found.standard_error == pytest.approx(math.sqrt(variance), rel=1e-10, abs=1e-14)
    assert 0 <= found.lower <= found.value <= found.upper <= horizon


@given(st.lists(st.floats(0.1, 9), min_size=2, max_size=20, unique=True))
def test_without_censoring_it_is_the_mean_and_its_error_that_of_a_sample(days: list[float]) -> None:
    counts = DurationCounts.from_arrays(days, event=True)
    found = kaplan_meier(counts).restricted_mean(horizon=10)
    assert found.value == pytest.approx(np.mean(days), rel=1e-12)
    assert found.standard_error == pytest.approx(np.std(days) / math.sqrt(len(days)), rel=1e-8)
    assert kaplan_meier(counts).at(99.0) == 0.0


def test_coverage_of_survival_and_restricted_mean() -> None:
    """20,000 samples of 60 with a third censored: log-log and the area keep 95 % to within 1.5 points, the others to 3."""
    rng, runs, n, size = np.random.default_rng(8), 20_000, 60, 12
    latent, dropped = rng.geometric(0.15, (runs, n)), rng.geometric(0.06, (runs, n))
    last = np.minimum(np.minimum(latent, dropped), size)
    event = (latent <= dropped) & (latent <= size)
    place = np.arange(runs)[:, None] * size + last - 1
    events = np.bincount(place[event], minlength=runs * size).reshape(runs, size).astype(float)
    total = np.bincount(place.ravel(), minlength=runs * size).reshape(runs, size).astype(float)
    at_risk = np.cumsum(total[:, ::-1], axis=1)[:, ::-1]
    survival, error = product_limit(events, at_risk)
    truth = 0.85 ** np.arange(1, size + 1)
    z = stats.norm.isf(0.025)
    for interval, most in (("log-log", 0.015), ("log", 0.03), ("plain", 0.03)):
        for day in (2, 6):
            inside = np.clip(survival[:, day], 1e-9, 1 - 1e-9)
            lower, upper = _ENDS[interval](inside, error[:, day], z)
            assert abs(np.mean((lower <= truth[day]) & (truth[day] <= upper)) - 0.95) < most
    days = np.arange(1.0, size + 1)
    area = np.array([restricted_mean_of(days, survival[run], events[run], at_risk[run], 10.0) for run in range(4000)])
    mean = 1 + truth[:9].sum()
    assert abs(np.mean(np.abs(area[:, 0] - mean) <= z * area[:, 1]) - 0.95) < 0.015


# --- edges ------------------------------------------------------------------------------------------------------------


def test_everything_censored() -> None:
    curve = of([(3, False), (5, False)])
    assert curve.survival.tolist() == [1.0, 1.0]
    assert (curve.lower.tolist(), curve.upper.tolist()) == ([1.0, 1.0], [1.0, 1.0])
    assert curve.reason == "before the first event the interval has no width"
    median = curve.quantile()
    assert math.isnan(median.value)
    assert math.isnan(median.lower)
    assert (median.upper, median.reason) == (math.inf, "NaN: the share is not reached, nor its lower limit")
    area = curve.restricted_mean(horizon=4)
    assert (area.value, area.standard_error, area.lower, area.upper) == (4.0, 0.0, 4.0, 4.0)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("confidence", [1e-12, 1 - 1e-15])
def test_any_confidence_and_many_units_give_numbers(interval: Any, confidence: float) -> None:
    few = DurationCounts(duration=[1, 2], events=[1, 2**51], censored=[2**51, 1])
    for counts in (few, DurationCounts(duration=[1], events=[1], censored=[0])):
        found = kaplan_meier(counts, interval=interval, confidence=confidence)
        known = found.survival > 0
        assert (found.lower[known] <= found.survival[known]).all()
        assert (found.survival[known] <= found.upper[known]).all()


def test_the_table_is_one_row_a_duration() -> None:
    table = of([(1, True), (2, False)]).to_frame()
    assert table["survival"].tolist() == [0.5, 0.5]
    assert table["at_risk"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda _: kaplan_meier(DurationCounts.from_arrays([], event=True)), "kaplan_meier: counts has no units"),
        (
            lambda curve: curve.at([1, 9]),
            "SurvivalCurve.at: duration must be at most the longest, 5, where units were left, got 9",
        ),
        (
            lambda curve: curve.restricted_mean(horizon=6),
            "SurvivalCurve.restricted_mean: horizon must be at most the longest, 5, where units were left, got 6",
        ),
        (lambda curve: curve.quantile(1), "SurvivalCurve.quantile: probability must be < 1, got 1.0"),
    ],
)
def test_refusals(ask: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        ask(of([(1, True), (5, False)]))
    assert str(caught.value) == text
