"""Probability alive and expected purchases: individual customers, many digits, simulation and the held-out half of CDNOW."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.segmentation import individual
from tests.segmentation.individual import HISTORIES, MODELS, summary

from ecomops.core import Duration, InputError
from ecomops.segmentation import (
    BgNbd,
    MbgNbd,
    customer_summary,
    expected_purchases,
    expected_purchases_new,
    fit_bg_nbd,
    fit_mbg_nbd,
    probability_alive,
    simulate_purchases,
)
from ecomops.segmentation.purchase_counts import PurchaseCounts

shapes = st.floats(min_value=0.05, max_value=20)
models = st.builds(
    lambda modified, r, alpha, a, b: (MbgNbd if modified else BgNbd)(r=r, alpha=alpha, a=a, b=b),
    st.booleans(),
    shapes,
    st.floats(min_value=0.1, max_value=100),
    st.one_of(shapes, st.just(1.0)),
    shapes,
)


def weeks(value: float) -> Duration:
    return Duration(value=value, unit="week")


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_each_customer_is_an_average_over_individual_customers(model: Any) -> None:
    rows = summary(HISTORIES)
    alive = [individual.alive(model, *history) for history in HISTORIES]
    np.testing.assert_allclose(probability_alive(model, rows), alive, rtol=1e-9)
    for horizon in (0.2, 39.0, 1000.0):
        coming = [individual.purchases(model, *history, horizon) for history in HISTORIES]
        np.testing.assert_allclose(expected_purchases(model, rows, horizon=weeks(horizon)), coming, rtol=1e-9)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_new_customer_is_an_average_over_individual_customers(model: Any) -> None:
    for horizon in (0.01, 4.0, 78.0, 5000.0):
        expected = individual.purchases_of_the_new(model, horizon)
        assert expected_purchases_new(model, horizon=weeks(horizon)) == pytest.approx(expected, rel=1e-9)


def exact_new(r: float, alpha: float, a: float, b: float, t: float) -> float:
    """E (1 - (1 + p s)^-r) / p over p ~ beta(a, b) to many digits, integrated in the logit of p."""
    with mpmath.workdps(30):
        r, a, b, s = (mpmath.mpf(value) for value in (r, a, b, t / alpha))
        centre, width = mpmath.log(a / b), mpmath.sqrt(1 / a + 1 / b)
        scale = mpmath.log(mpmath.beta(a, b))

        def term(v: Any) -> Any:
            p = 1 / (1 + mpmath.exp(-v))
            density = mpmath.exp(a * mpmath.log(p) - b * mpmath.log(1 + mpmath.exp(v)) - scale)
            return density * -mpmath.expm1(-r * mpmath.log1p(p * s)) / p

        bend = -mpmath.log(r * s + 1)
        inner = sorted({centre, centre - 6 * width, centre + 6 * width, bend, bend - 8, bend + 8, mpmath.mpf(0)})
        ends = [inner[0] - 75 / a - 10, *inner, inner[-1] + 75 / b + 10]
        return float(mpmath.quad(term, ends))


WILD = [
    (0.06, 181.0, 0.0111, 279.0, 1e-3),
    (0.033, 44.0, 0.0118, 434.0, 2e5),
    (7.3, 0.22, 1.0, 0.016, 3e-7),
    (1.4, 0.056, 1.0, 0.027, 1.3),
    (101.0, 129.0, 1.000002, 2.5, 0.03),
    (13.0, 876.0, 1.00001, 32.0, 1e6),
    (247.0, 1.0, 0.999, 6.2, 6e-4),
    (0.3, 38.0, 0.5, 2.6, 3.8e5),
    (26.5, 1.0, 575.0, 651.0, 5.45),
    (280.0, 1.0, 3.76, 6.94, 26.0),
    (0.12, 1.0, 0.046, 267.0, 520.0),
    (5.0, 1.0, 4000.0, 30000.0, 1.0),
    (1e-3, 1.0, 0.7, 2.0, 1e4),
]


WILD += [
    (177.8, 0.24, 0.00094, 0.0217, 13.7),
    (0.3, 21.0, 0.00031, 18788.0, 234.0),
    (0.62, 0.35, 1.6e-9, 47321.0, 188.0),
    (3.8, 30.0, 71.9, 2.6e7, 13.0),
]


@pytest.mark.parametrize("point", WILD, ids=str)
def test_ten_digits_hold_where_the_closed_form_has_none(point: tuple[float, float, float, float, float]) -> None:
    r, alpha, a, b, t = point
    actual = expected_purchases_new(BgNbd(r=r, alpha=alpha, a=a, b=b), horizon=weeks(t))
    assert actual == pytest.approx(exact_new(*point), rel=1e-11)


@given(models, st.floats(min_value=1e-6, max_value=1e4), st.floats(min_value=1.01, max_value=50))
def test_a_longer_horizon_brings_more_but_less_than_in_proportion(model: Any, horizon: float, times: float) -> None:
    rows = summary(HISTORIES)
    short = expected_purchases(model, rows, horizon=weeks(horizon))
    long = expected_purchases(model, rows, horizon=weeks(horizon * times))
    assert np.all(long >= short * (1 - 1e-9))
    assert np.all(long <= short * times * (1 + 1e-9))


@given(models, st.floats(min_value=1e-3, max_value=1e3))
def test_expected_purchases_never_exceed_those_of_a_customer_who_cannot_leave(model: Any, horizon: float) -> None:
    x, _, age = np.array(HISTORIES).T
    most = probability_alive(model, summary(HISTORIES)) * (model.r + x) / (model.alpha + age) * horizon
    assert np.all(expected_purchases(model, summary(HISTORIES), horizon=weeks(horizon)) <= most * (1 + 1e-9))


@given(models, st.floats(min_value=0.1, max_value=100))
def test_a_week_is_seven_days(model: Any, horizon: float) -> None:
    daily = type(model)(**{**model.model_dump(), "alpha": model.alpha * 7, "unit": "day"})
    rows = summary(HISTORIES)
    in_days = summary([(x, last * 7, age * 7) for x, last, age in HISTORIES], unit="day")
    for shown in (rows, in_days):
        np.testing.assert_allclose(probability_alive(daily, shown), probability_alive(model, rows), rtol=1e-10)
        np.testing.assert_allclose(
            expected_purchases(daily, shown, horizon=Duration(value=7 * horizon, unit="day")),
            expected_purchases(model, rows, horizon=weeks(horizon)),
            rtol=1e-9,
        )


@given(models)
def test_a_vector_of_customers_is_its_customers(model: Any) -> None:
    rows = [(x, last, age) for x in (1, 4) for last, age in ((2.0, 9.0), (8.0, 8.5))]
    together = expected_purchases(model, summary(rows), horizon=weeks(26))
    apart = [expected_purchases(model, summary([row]), horizon=weeks(26))[0] for row in rows]
    np.testing.assert_allclose(together, apart, rtol=1e-12)


@given(models, st.integers(min_value=1, max_value=30), st.floats(min_value=0.1, max_value=50))
def test_a_longer_silence_makes_a_customer_less_likely_to_be_there(model: Any, x: int, last: float) -> None:
    rows = [(x, last, last + gap) for gap in (0.0, 1.0, 5.0, 40.0, 1000.0)]
    alive = probability_alive(model, summary(rows))
    assert np.all(np.diff(alive) < 0)


@given(shapes, st.floats(min_value=0.1, max_value=100), shapes, shapes)
def test_one_time_buyers_stay_for_ever_in_bg_and_not_in_mbg(r: float, alpha: float, a: float, b: float) -> None:
    rows = summary([(0, 0.0, 1.0), (0, 0.0, 300.0)])
    assert probability_alive(BgNbd(r=r, alpha=alpha, a=a, b=b), rows).tolist() == [1.0, 1.0]
    modified = probability_alive(MbgNbd(r=r, alpha=alpha, a=a, b=b), rows)
    assert modified[1] < modified[0] < 1.0


def test_the_expectation_does_not_jump_at_a_equal_to_1() -> None:
    values = [
        expected_purchases_new(BgNbd(r=0.4, alpha=5, a=a, b=2.5), horizon=weeks(52))
        for a in (1 - 1e-3, 1 - 1e-9, 1.0, 1 + 1e-9, 1 + 1e-3)
    ]
    assert np.all(np.diff(values) < 0)
    assert values[1] == pytest.approx(values[2], rel=1e-8)
    assert values[3] == pytest.approx(values[2], rel=1e-8)
    # The slope is the same on both sides of 1.
    assert values[0] - values[2] == pytest.approx(values[2] - values[4], rel=1e-2)


def test_no_time_brings_nothing_and_endless_time_is_bounded_where_leaving_is() -> None:
    model = BgNbd(r=2, alpha=1, a=3, b=1)
    assert expected_purchases_new(model, horizon=weeks(1e-12)) == pytest.approx(2e-12, rel=1e-10)
    # One who can buy for ever makes 1 / p purchases: E 1 / p = (a + b - 1) / (a - 1).
    assert expected_purchases_new(model, horizon=weeks(1e9)) == pytest.approx(1.5, rel=1e-9)
    with pytest.raises(InputError, match=r"^Duration: value must be > 0, got 0\.0$"):
        weeks(0)


def test_hundreds_of_rows_at_the_singular_point_come_in_order() -> None:
    rows = [(x, 10.0 + x / 100, 39.0) for x in range(1, 601)]
    together = expected_purchases(BgNbd(r=0.4, alpha=5, a=1.0, b=2.5), summary(rows), horizon=weeks(39))
    assert np.all(together > 0)
    picked = [0, 255, 256, 599]
    near = expected_purchases(BgNbd(r=0.4, alpha=5, a=1.002, b=2.5), summary(rows), horizon=weeks(39))
    np.testing.assert_allclose(together[picked], near[picked], rtol=1e-2)


def test_an_empty_batch_gives_an_empty_answer() -> None:
    for model in (MODELS[0], MODELS[1], MODELS[3]):
        assert probability_alive(model, summary([])).shape == (0,)
        assert expected_purchases(model, summary([]), horizon=weeks(9)).shape == (0,)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=repr)
def test_simulated_customers_buy_and_stay_as_often_as_expected(model: Any) -> None:
    log = simulate_purchases(model, customers=60_000, horizon=weeks(104), rng=5)
    early, late = log.time <= 39, log.time > 39
    size = 60_000
    x = np.bincount(log.customer[early], minlength=size) - 1
    last = np.zeros(size)
    np.maximum.at(last, log.customer[early], log.time[early])
    coming = np.bincount(log.customer[late], minlength=size)
    rows = summary(list(zip(x, last, np.full(size, 39.0), strict=True)))
    expected = expected_purchases(model, rows, horizon=weeks(65))
    alive = probability_alive(model, rows)
    for group in (x == 0, x == 1, x >= 2, alive < 0.3, last > 30):
        gap, error = (coming - expected)[group].mean(), (coming - expected)[group].std() / np.sqrt(group.sum())
        assert abs(gap) < 4 * error
    # Whoever buys again was alive: never more often than the probability says.
    for low in (0.0, 0.25, 0.5, 0.75):
        group = (alive >= low) & (alive < low + 0.25)
        bought = (coming[group] > 0).mean()
        assert bought < alive[group].mean() + 4 * np.sqrt(0.25 / group.sum())


@pytest.mark.parametrize("fit", [fit_bg_nbd, fit_mbg_nbd])
def test_cdnow_of_39_weeks_foretells_the_39_weeks_that_follow(fit: Any, shared_data: Any) -> None:
    orders = pd.read_csv(shared_data("cdnow/cdnow_sample.csv.gz"), dtype={"id": str, "date": str})
    orders["date"] = pd.to_datetime(orders["date"])
    rows = customer_summary(orders, customer="id", time="date", end="1997-09-30")
    truth = pd.read_csv(shared_data("cdnow/cdnow_sample_cbs.csv"))["x_star"].to_numpy()
    model = fit(PurchaseCounts.from_summary(rows)).model
    expected = expected_purchases(model, rows, horizon=weeks(39))
    # The published picture: some percent below the 4,339 purchases to week 78, and close for every frequency.
    actual = rows.frequency.sum() + truth.sum()
    assert 0.92 * actual < rows.frequency.sum() + expected.sum() < actual
    assert np.corrcoef(expected, truth)[0, 1] > 0.6
    for x in range(4):
        group = rows.frequency == x
        assert expected[group].mean() == pytest.approx(truth[group].mean(), abs=0.4)
    # Better than saying that everyone will do as much again.
    assert ((expected - truth) ** 2).mean() < ((rows.frequency - truth) ** 2).mean()


def test_units_of_time_do_not_show_in_an_alpha_of_any_size() -> None:
    for factor in (1e-9, 1e9):
        model = BgNbd(r=0.243, alpha=4.414 * factor, a=0.793, b=2.426)
        rows = summary([(2, 30.43 * factor, 38.86 * factor)])
        coming = expected_purchases(model, rows, horizon=weeks(39 * factor))
        assert coming[0] == pytest.approx(1.226028, rel=1e-6)
