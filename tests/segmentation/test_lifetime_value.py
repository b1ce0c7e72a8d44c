"""Lifetime value: its parts, its limits, units of time and discount, and money that came on held-out days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.segmentation import individual
from tests.segmentation.individual import HISTORIES, summary

from ecomops.core import DiscountRate, Duration, InputError
from ecomops.segmentation import (
    BgNbd,
    CustomerState,
    GammaGamma,
    MbgNbd,
    PurchaseCounts,
    SpendCounts,
    customer_lifetime_value,
    customer_summary,
    expected_purchases,
    expected_spend,
    fit_bg_nbd,
    fit_gamma_gamma,
    fit_mbg_nbd,
    probability_alive,
)

MODELS = (BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426), MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614))
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
ROWS = summary(HISTORIES, mean_spend=[0.0, 20.0, 35.0, 50.0, 90.0])
FREE = DiscountRate(rate=0, per="year")

lengths = st.builds(
    Duration,
    value=st.floats(min_value=0.2, max_value=30),
    unit=st.sampled_from(["week", "month"]),
)
rates = st.floats(min_value=0, max_value=1)


def value_of(model: Any = MODELS[0], rows: Any = ROWS, **changes: Any) -> Any:
    given_values = {"horizon": Duration(value=1, unit="year"), "discount": DiscountRate(rate=0.15, per="year")}
    return customer_lifetime_value(model, SPEND, rows, **{**given_values, **changes})


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_each_part_is_what_the_other_functions_say(model: Any) -> None:
    found = value_of(model)
    horizon = Duration(value=1, unit="year")
    np.testing.assert_allclose(found.purchases, expected_purchases(model, ROWS, horizon=horizon), rtol=1e-12)
    np.testing.assert_allclose(found.spend, expected_spend(SPEND, ROWS), rtol=1e-12)
    np.testing.assert_allclose(found.alive, probability_alive(model, ROWS), rtol=1e-12)
    assert found.customer.tolist() == ROWS.customer.tolist()
    assert (found.horizon, found.reason) == (horizon, "")


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_it_is_the_sum_over_months_of_individual_customers(model: Any) -> None:
    """Purchases of each month from customers one by one, each worth 1.15^-(month / 12)."""
    month = 365.25 / 12 / 7
    for place, history in enumerate(HISTORIES):
        bought = [individual.purchases(model, *history, month * number) for number in (1, 2, 3)]
        worth = sum(np.diff([0.0, *bought]) * 1.15 ** (-np.array([1, 2, 3]) / 12))
        expected = worth * expected_spend(SPEND, ROWS)[place]
        found = value_of(model, horizon=Duration(value=3, unit="month"))
        assert found.value[place] == pytest.approx(expected, rel=1e-8)


@given(lengths, st.sampled_from(MODELS))
@settings(max_examples=25)
def test_without_a_discount_steps_do_not_matter(horizon: Duration, model: Any) -> None:
    plain = expected_purchases(model, ROWS, horizon=horizon) * expected_spend(SPEND, ROWS)
    for step in (Duration(value=1, unit="week"), Duration(value=1, unit="month"), Duration(value=9, unit="year")):
        found = value_of(model, horizon=horizon, discount=FREE, step=step)
        np.testing.assert_allclose(found.value, plain, rtol=1e-8)


@given(lengths, rates, rates, st.sampled_from(MODELS))
@settings(max_examples=25)
def test_more_discount_is_worth_less(horizon: Duration, low: float, more: float, model: Any) -> None:
    cheap = value_of(model, horizon=horizon, discount=DiscountRate(rate=low, per="year"))
    dear = value_of(model, horizon=horizon, discount=DiscountRate(rate=low + more, per="year"))
    assert np.all(dear.value <= cheap.value * (1 + 1e-9))
    assert np.all(dear.value >= 0)
    assert dear.purchases.tolist() == cheap.purchases.tolist()


@given(lengths, rates)
@settings(max_examples=25)
def test_the_value_lies_between_all_money_last_and_all_money_now(horizon: Duration, rate: float) -> None:
    discount = DiscountRate(rate=rate, per="year")
    found = value_of(horizon=horizon, discount=discount)
    now = found.purchases * found.spend
    assert np.all(found.value <= now * (1 + 1e-9))
    assert np.all(found.value >= now * discount.factor(horizon) * (1 - 1e-9))


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_a_longer_horizon_is_worth_more(rate: float) -> None:
    discount = DiscountRate(rate=rate, per="year")
    values = [
        value_of(horizon=Duration(value=months, unit="month"), discount=discount).value for months in (1, 2, 12, 36)
    ]
    assert np.all(np.diff(values, axis=0) > 0)


@given(st.floats(min_value=1e-6, max_value=1))
@settings(max_examples=20)
def test_the_margin_takes_its_share(margin: float) -> None:
    np.testing.assert_allclose(value_of(margin=margin).value, value_of().value * margin, rtol=1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_every_unit_gives_the_same_money(model: Any, rate: float) -> None:
    """Weekly or daily model and summary, a yearly or monthly or weekly rate: one number."""
    daily = type(model)(**{**model.model_dump(), "alpha": model.alpha * 7, "unit": "day"})
    days = summary([(x, last * 7, age * 7) for x, last, age in HISTORIES], mean_spend=ROWS.mean_spend, unit="day")
    yearly = DiscountRate(rate=rate, per="year")
    expected = value_of(model, discount=yearly).value
    for chosen in (model, daily):
        for rows in (ROWS, days):
            for unit in ("year", "month", "week"):
                rate_of = DiscountRate(rate=yearly.per_unit(unit), per=unit)
                found = value_of(chosen, rows, horizon=Duration(value=12, unit="month"), discount=rate_of)
                np.testing.assert_allclose(found.value, expected, rtol=1e-8)


def test_purchases_are_valued_at_the_end_of_each_step() -> None:
    """A step longer than the horizon puts all money at its end, a fine one nearly where it comes."""
    half = DiscountRate(rate=1.0, per="year")
    once = value_of(discount=half, step=Duration(value=10, unit="year"))
    np.testing.assert_allclose(once.value, once.purchases * once.spend / 2, rtol=1e-12)
    monthly, weekly, daily = (
        value_of(discount=half, step=Duration(value=1, unit=unit)).value for unit in ("month", "week", "day")
    )
    assert np.all(once.value < monthly)
    assert np.all(monthly < weekly)
    assert np.all(weekly < daily)
    np.testing.assert_allclose(weekly, daily, rtol=0.01)


def test_a_short_last_step_is_counted() -> None:
    found = value_of(horizon=Duration(value=1.5, unit="month"), discount=FREE)
    whole = value_of(horizon=Duration(value=1, unit="month"), discount=FREE)
    assert np.all(found.value > whole.value * 1.3)


def test_a_horizon_of_a_moment_is_worth_its_moment() -> None:
    """It is shorter than a billionth of a step, and still a step."""
    moment = Duration(value=1e-10, unit="week")
    found = value_of(horizon=moment, discount=FREE, step=Duration(value=1, unit="year"))
    np.testing.assert_allclose(found.value, found.purchases * found.spend, rtol=1e-9)
    assert np.all(found.value > 0)


def test_a_horizon_of_centuries_levels_off() -> None:
    model = BgNbd(r=0.5, alpha=4, a=2.5, b=2.0)
    century, ten = (
        value_of(model, horizon=Duration(value=years, unit="year"), step=Duration(value=1, unit="year")).value
        for years in (100, 1000)
    )
    np.testing.assert_allclose(ten, century, rtol=1e-5)


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        value_of(horizon=Duration(value=100, unit="year"), step=Duration(value=1, unit="day"))
    assert str(caught.value) == (
        "customer_lifetime_value: step must be at least a 10,000th of the horizon, got 1.0 day; use a longer step"
    )


def test_days_that_do_not_pay_bring_nothing() -> None:
    """Of 30 repeat days of all customers 12 paid: four purchases in ten of each customer are worth the expected spend."""
    rows = summary(HISTORIES, mean_spend=ROWS.mean_spend, paying_frequency=[0.0, 1.0, 1.0, 4.0, 6.0])
    found = value_of(rows=rows, discount=FREE)
    assert found.paying_share == 0.4
    np.testing.assert_allclose(found.spend, expected_spend(SPEND, rows), rtol=1e-12)
    np.testing.assert_allclose(found.value, 0.4 * found.purchases * found.spend, rtol=1e-8)


def test_the_paying_share_of_the_whole_can_be_given_for_a_part() -> None:
    half = value_of(paying_share=0.5)
    assert half.paying_share == 0.5
    np.testing.assert_allclose(half.value, value_of().value / 2, rtol=1e-12)
    assert value_of(paying_share=0).value.tolist() == [0.0] * 5


def test_where_no_spend_is_known_every_purchase_pays() -> None:
    unpriced = summary(HISTORIES)
    assert value_of(rows=unpriced).paying_share == 1.0
    np.testing.assert_allclose(value_of(rows=unpriced).spend, SPEND.mean, rtol=1e-12)


def test_simulated_days_without_money_do_not_raise_the_value() -> None:
    """What a shop earns per repeat day does not depend on whether its free days are counted as purchases."""
    rng = np.random.default_rng(5)
    who, day = np.repeat(np.arange(800), 6), np.tile(np.arange(6) * 7, 800)
    paid = np.where(rng.random(4800) < 0.3, 0.0, rng.gamma(3.0, 10.0, 4800))
    rows = customer_summary(CustomerState.from_arrays(who, day=day, spend=paid), end=42)
    spend = fit_gamma_gamma(SpendCounts.from_summary(rows)).model
    found = customer_lifetime_value(MODELS[0], spend, rows, horizon=Duration(value=1, unit="year"), discount=FREE)
    a_day = paid.reshape(800, 6)[:, 1:].mean()
    assert found.value.sum() == pytest.approx(found.purchases.sum() * a_day, rel=0.02)


def test_spend_without_a_mean_gives_no_value_and_says_so() -> None:
    heavy = GammaGamma(p=0.2, q=0.7, v=10)
    found = customer_lifetime_value(
        MODELS[0], heavy, ROWS, horizon=Duration(value=1, unit="year"), discount=DiscountRate(rate=0.1, per="year")
    )
    # p x + q is 0.7, 0.9, 1.1, ...: the first two have no mean.
    assert np.isnan(found.value).tolist() == [True, True, False, False, False]
    assert np.isnan(found.spend).tolist() == np.isnan(found.value).tolist()
    assert np.all(np.isfinite(found.purchases))
    assert found.reason == "NaN: p x + q <= 1 in the spend model, so these customers have no expected spend"


def test_an_empty_batch_gives_an_empty_answer() -> None:
    found = value_of(rows=summary([]))
    assert found.value.shape == (0,)
    assert found.reason == ""


@pytest.mark.parametrize("fit", [fit_bg_nbd, fit_mbg_nbd])
def test_cdnow_money_of_the_next_39_weeks_is_foretold(fit: Any, shared_data: Any) -> None:
    orders = pd.read_csv(shared_data("cdnow/cdnow_sample.csv.gz"), dtype={"id": str, "date": str})
    orders["date"] = pd.to_datetime(orders["date"])
    rows = customer_summary(orders, customer="id", time="date", spend="spend", end="1997-09-30")
    value = customer_lifetime_value(
        fit(PurchaseCounts.from_summary(rows)).model,
        fit_gamma_gamma(SpendCounts.from_summary(rows)).model,
        rows,
        horizon=Duration(value=39, unit="week"),
        discount=FREE,
    ).value
    later = orders[orders["date"] > "1997-09-30"].groupby("id")["spend"].sum()
    truth = later.reindex(rows.customer).fillna(0.0).to_numpy()
    assert value.sum() == pytest.approx(truth.sum(), rel=0.2)
    # The tenth of customers with the highest value brings most of the money that comes, six times its share.
    best = np.argsort(-value)[: value.size // 10]
    most = np.sort(truth)[::-1][: value.size // 10].sum()
    assert truth[best].sum() > 0.4 * truth.sum()
    assert truth[best].sum() > 0.5 * most
    # Better than the spend so far at telling who will spend.
    by_spend = np.argsort(-rows.spend)[: value.size // 10]
    assert truth[best].sum() > truth[by_spend].sum()
