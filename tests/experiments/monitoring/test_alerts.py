"""Alerts on a metric: the stated rates of false alarms by simulation, and what is found when something is there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import cusum_threshold, metric_alerts

THOUSANDTH = 3.29  # normal quantile of a simulation error of .1 %
WEEK = 30.0 * np.array([1.0, 0.8, 0.7, 0.9, 1.1, 1.6, 1.5])


def correlated(rng: Any, size: int, r: float) -> Any:
    noise = rng.normal(size=size + 50)
    for place in range(1, noise.size):
        noise[place] = r * noise[place - 1] + math.sqrt(1 - r * r) * noise[place]
    return noise[50:]


def series(rng: Any, kind: str, weeks: int) -> Any:
    mean = np.tile(WEEK, weeks)
    if kind == "poisson":
        return rng.poisson(mean)
    if kind == "negative binomial":
        return rng.poisson(mean * rng.gamma(5, 1 / 5, mean.size))
    noise = correlated(rng, mean.size, 0.5) if kind == "autocorrelated" else rng.normal(size=mean.size)
    return mean + 4 * noise


def alarm_shares(kind: str, runs: int, baseline: int, watched: int, **options: Any) -> tuple[Any, Any]:
    """Return the shares of periods with a false alarm of each sort, one a run."""
    rng = np.random.default_rng(1)
    noise: Any = "counts" if kind in {"poisson", "negative binomial"} else "normal"
    points, shifts = np.zeros(runs), np.zeros(runs)
    for run in range(runs):
        found = metric_alerts(
            series(rng, kind, baseline + watched), season=7, baseline=7 * baseline, noise=noise, **options
        )
        points[run], shifts[run] = (found.point != "").mean(), (found.shift != "").mean()
    return points, shifts


@pytest.mark.parametrize("kind", ["normal", "poisson", "negative binomial", "autocorrelated"])
def test_false_alarms_are_as_rare_as_stated(kind: str) -> None:
    runs, rate, length = 60, 0.005, 200.0
    points, shifts = alarm_shares(kind, runs, 20, 100, point_rate=rate, run_length=length)
    error = THOUSANDTH / math.sqrt(runs)
    assert points.mean() <= rate + error * points.std()
    assert shifts.mean() <= 1 / length + error * shifts.std()
    # Counts are discrete and their variance is never below that of Poisson: rarer than stated, but not without alarms.
    least = 0.2 if kind == "poisson" else 0.5
    assert points.mean() + error * points.std() >= least * rate
    assert shifts.mean() + error * shifts.std() >= least / length


def test_a_short_baseline_costs_sensitivity_and_not_false_alarms() -> None:
    points, shifts = alarm_shares("normal", 80, 6, 60, point_rate=0.005, run_length=200.0)
    error = THOUSANDTH / math.sqrt(80)
    assert points.mean() <= 0.005 + error * points.std()
    assert shifts.mean() <= 0.005 + error * shifts.std()
    rng = np.random.default_rng(0)
    long, short = (metric_alerts(series(rng, "normal", weeks + 1), season=7, baseline=7 * weeks) for weeks in (100, 6))
    assert short.threshold > long.threshold
    assert long.threshold == pytest.approx(cusum_threshold(1000.0), rel=0.05)


@pytest.mark.parametrize("noise", ["normal", "counts"])
def test_a_trend_does_not_ring(noise: Any) -> None:
    rng, runs, points, shifts = np.random.default_rng(4), 40, 0.0, 0.0
    for _ in range(runs):
        time = np.arange(7 * 24)
        mean = np.tile(WEEK, 24) * (np.exp(0.004 * time) if noise == "counts" else 1.0)
        values = rng.poisson(mean) if noise == "counts" else mean + 0.2 * time + 4 * rng.normal(size=time.size)
        found = metric_alerts(
            values, season=7, baseline=7 * 16, noise=noise, trend="linear", point_rate=0.01, run_length=100.0
        )
        points += (found.point != "").mean() / runs
        shifts += (found.shift != "").mean() / runs
        if noise == "normal":
            assert np.diff(found.expected[::7]).mean() == pytest.approx(1.4, abs=0.5)
    assert points <= 0.01 + THOUSANDTH * math.sqrt(0.01 / (runs * 56))
    assert shifts <= 0.01 + THOUSANDTH * math.sqrt(0.01 / (runs * 56))


@pytest.mark.parametrize("kind", ["normal", "poisson", "negative binomial"])
def test_a_shift_is_found_with_its_start_and_its_size(kind: str) -> None:
    rng, starts, sizes, found_in_time = np.random.default_rng(6), [], [], 0
    for _ in range(40):
        values = np.array(series(rng, kind, 24), dtype=float)
        values[7 * 20 :] += 20 if kind == "negative binomial" else 8
        found = metric_alerts(
            values, season=7, baseline=7 * 18, noise="normal" if kind == "normal" else "counts", run_length=1000.0
        )
        called = np.flatnonzero((found.shift == "above") & (found.period >= 140))
        found_in_time += bool(called.size)
        if called.size:
            starts.append(found.shift_start[called[0]])
            sizes.append(found.shift_size[called[0]])
    assert found_in_time / 40 > 0.9
    assert np.median(starts) == pytest.approx(140, abs=2)
    assert np.median(sizes) == pytest.approx(20 if kind == "negative binomial" else 8, rel=0.5)


def test_one_odd_value_is_a_point_and_no_shift() -> None:
    rng = np.random.default_rng(8)
    values = series(rng, "normal", 24)
    values[150] -= 60
    found = metric_alerts(values, season=7, baseline=7 * 20)
    assert found.point[10] == "below"
    assert found.value[10] < found.lower[10]
    assert set(found.shift) == {""}
    assert set(found.shift_start) == {-1.0}
    assert set(found.shift_size) == {0.0}


def test_odd_values_of_the_baseline_are_left_out() -> None:
    rng = np.random.default_rng(9)
    clean = series(rng, "normal", 24)
    spoiled = clean.copy()
    spoiled[[5, 40, 41, 90]] = [500.0, -300.0, 400.0, 900.0]
    one, other = (metric_alerts(values, season=7, baseline=7 * 20) for values in (clean, spoiled))
    assert (one.left_out, other.left_out) == (0, 4)
    np.testing.assert_allclose(other.expected, one.expected, atol=2.0)
    np.testing.assert_allclose(other.threshold, one.threshold, rtol=0.05)


def test_limits_are_the_prediction_interval_of_student() -> None:
    rng = np.random.default_rng(10)
    values = rng.normal(100, 5, 41)
    found = metric_alerts(values, season=1, baseline=40, point_rate=0.05, autocorrelation=0.0)
    mean, sd = values[:40].mean(), values[:40].std(ddof=1)
    half = stats.t.ppf(0.975, 39) * sd * math.sqrt(1 + 1 / 40)
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [mean - half, mean + half], rtol=1e-9)
    assert found.score[0] == pytest.approx((values[40] - mean) / sd / math.sqrt(1 + 1 / 40), rel=1e-9)
    assert found.autocorrelation == 0.0
    assert found.reference == 0.5


def test_limits_of_a_trend_are_those_of_a_straight_line() -> None:
    rng = np.random.default_rng(11)
    time = np.arange(45.0)
    values = 3 * time + rng.normal(0, 5, 45)
    found = metric_alerts(values, season=1, baseline=40, trend="linear", point_rate=0.05, autocorrelation=0.0)
    design = np.column_stack([np.ones(40), time[:40]])
    coefficients, squares, *_ = np.linalg.lstsq(design, values[:40], rcond=None)
    ahead = np.column_stack([np.ones(5), time[40:]])
    error = 1 + np.einsum("ij,jk,ik->i", ahead, np.linalg.inv(design.T @ design), ahead)
    half = stats.t.ppf(0.975, 38) * np.sqrt(squares[0] / 38 * error)
    np.testing.assert_allclose(found.expected, ahead @ coefficients, rtol=1e-9)
    np.testing.assert_allclose(found.upper, ahead @ coefficients + half, rtol=1e-9)


def test_counts_of_a_steady_rate_have_the_limits_of_jeffreys() -> None:
    # Underdispersed counts: a = 0, and the next count is negative binomial with size 80.5 and mean 80.5 / 40.
    values = [2] * 20 + [1, 3] * 10 + [2, 9]
    found = metric_alerts(values, season=1, baseline=40, noise="counts", point_rate=0.02, autocorrelation=0.0)
    law = stats.nbinom(80.5, 40 / 41)
    q = stats.norm.cdf(-abs(stats.t.ppf(0.01, 39)))
    assert found.upper.tolist() == [law.isf(q)] * 2
    assert found.lower.tolist() == [law.ppf(q)] * 2
    assert found.point.tolist() == ["", "above"]
    middle = law.cdf(1) + law.pmf(2) / 2
    assert found.score[0] == pytest.approx(stats.norm.ppf(middle), rel=1e-9)


def test_hours_without_events_ring_at_many() -> None:
    day = [0] * 8 + [20] * 16
    rng = np.random.default_rng(12)
    values = [float(rng.poisson(mean)) for mean in day * 14] + [0, 3, 1, 0, 0, 0, 0, 0]
    found = metric_alerts(values, season=24, baseline=24 * 14, noise="counts", autocorrelation=0.0)
    assert found.point.tolist()[:4] == ["", "above", "", ""]
    assert found.upper[0] < 3


def test_autocorrelation_is_estimated_and_taken_out() -> None:
    rng = np.random.default_rng(13)
    values = series(rng, "autocorrelated", 100)
    found = metric_alerts(values, season=7, baseline=7 * 80)
    assert found.autocorrelation == pytest.approx(0.5, abs=0.12)
    left = np.corrcoef(found.score[1:], found.score[:-1])[0, 1]
    assert abs(left) < THOUSANDTH / math.sqrt(140) + 0.1
    assert found.reference < 0.5


@given(st.floats(0.01, 100), st.floats(-1000, 1000))
def test_units_and_origin_do_not_matter(scale: float, move: float) -> None:
    values = series(np.random.default_rng(14), "normal", 14)
    values[-5:] += 25
    one = metric_alerts(values, season=7, baseline=77)
    other = metric_alerts(values * scale + move, season=7, baseline=77)
    np.testing.assert_allclose(other.score, one.score, rtol=1e-5, atol=1e-6)
    assert other.point.tolist() == one.point.tolist()
    assert other.shift.tolist() == one.shift.tolist()
    np.testing.assert_allclose(other.shift_size, one.shift_size * scale, rtol=1e-5, atol=1e-6)


def test_falls_are_the_mirror_of_rises() -> None:
    values = series(np.random.default_rng(15), "normal", 20)
    values[-30:] += 9
    up, down = metric_alerts(values, season=7, baseline=105), metric_alerts(-values, season=7, baseline=105)
    turned = {"above": "below", "below": "above", "": ""}
    assert [turned[text] for text in up.shift] == down.shift.tolist()
    np.testing.assert_allclose(up.upper_sum, down.lower_sum, atol=1e-9)
    np.testing.assert_allclose(up.shift_size, -down.shift_size, atol=1e-9)
    assert "above" in set(up.shift)
    assert len(up.to_frame()) == 35


def test_pageviews_of_the_free_trial(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("udacity_free_trial/udacity_free_trial.csv"))
    views = rows.groupby("Date", sort=False)["Pageviews"].sum().to_numpy()
    found = metric_alerts(views, season=7, baseline=28, noise="counts")
    assert len(found.period) == 9
    assert set(found.point) == {""}


@pytest.mark.parametrize(
    ("values", "options", "text"),
    [
        ([1.0, 2.0] * 10, {"baseline": 20}, "baseline must leave a period to watch, got 20 of 20 values"),
        ([1.0, 2.0] * 10, {"baseline": 12}, "baseline must have at least 13 periods for a season of 1, got 12"),
        (
            [1.0, 2.0] * 20,
            {"baseline": 20, "season": 7},
            "baseline must have at least 21 periods for a season of 7, got 20",
        ),
        (
            [1.0] * 20,
            {"baseline": 15},
            "values must vary within the seasons of the baseline: their noise is what alerts are measured by",
        ),
        (
            [1.0, 2.5] * 10,
            {"baseline": 15, "noise": "counts"},
            "values must be whole numbers >= 0 for counts, got 2.5 at index 1",
        ),
        ([1.0, 2.0] * 10, {"baseline": 15, "autocorrelation": 1.0}, "autocorrelation must be < 1, got 1.0"),
        ([1.0, 2.0] * 10, {"baseline": 15, "run_length": 5}, "run_length must be >= 10, got 5.0"),
    ],
)
def test_refusals(values: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        metric_alerts(values, **{"season": 1, **options})
    assert str(caught.value) == f"metric_alerts: {text}"
