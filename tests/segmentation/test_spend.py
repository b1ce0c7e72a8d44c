"""The gamma-gamma model: individual customers, simulation with errors that cover, scale of money, data that allow no fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats  # noqa: TID251 - the oracle
from tests.reference.recipes_segmentation import MINI_SPEND, table
from tests.segmentation.individual import summary

from ecomops.core import InputError
from ecomops.segmentation import (
    GammaGamma,
    SpendCounts,
    customer_summary,
    expected_spend,
    fit_gamma_gamma,
    simulate_spend,
)

shapes = st.floats(min_value=0.1, max_value=30)
models = st.builds(GammaGamma, p=shapes, q=shapes, v=st.floats(min_value=0.01, max_value=1e4))


def mini(scale: float = 1.0, times: float = 1.0) -> SpendCounts:
    x, mean, customers = table(MINI_SPEND)
    return SpendCounts(frequency=x, mean_spend=mean * scale, customers=customers * times)


def natural(model: GammaGamma) -> Any:
    return np.array([model.p, model.q, model.v])


def on_a_grid(model: GammaGamma, x: float, mean: float) -> tuple[float, float]:
    """Return the density of a mean of x purchases and the posterior mean spend, over customers of every rate nu.

    A purchase is gamma(p, nu), so a mean of x is gamma(p x, nu x) and is expected to be p / nu.
    """
    logs = np.arange(-50.0 / model.q - 5, np.log(model.q + model.p * x + 80), 0.004)
    nu = np.exp(logs) / model.v
    share = stats.gamma(model.q, scale=1 / model.v).pdf(nu) * nu * 0.004
    density = share * stats.gamma(model.p * x, scale=1 / (nu * x)).pdf(mean)
    return float(density.sum()), float((density * model.p / nu).sum() / density.sum())


CASES = [
    (6.25, 3.74, 15.44, 1, 60.0),
    (6.25, 3.74, 15.44, 12, 22.0),
    (0.7, 2.5, 8.0, 3, 4.0),
    (2.0, 0.8, 30.0, 5, 11.0),
]


@pytest.mark.parametrize(("p", "q", "v", "x", "mean"), CASES)
def test_expected_spend_is_an_average_over_individual_customers(
    p: float, q: float, v: float, x: int, mean: float
) -> None:
    model = GammaGamma(p=p, q=q, v=v)
    found = expected_spend(model, summary([(x, 1.0, 2.0)], mean_spend=[mean]))
    assert found[0] == pytest.approx(on_a_grid(model, x, mean)[1], rel=1e-9)


def log_likelihood(model: GammaGamma, data: SpendCounts) -> float:
    rows = zip(data.frequency, data.mean_spend, data.customers, strict=True)
    return sum(n * np.log(on_a_grid(model, x, mean)[0]) for x, mean, n in rows)


def test_the_fit_has_the_likelihood_of_individual_customers_and_no_step_is_better() -> None:
    data = mini()
    found = fit_gamma_gamma(data)
    assert found.status == "ok"
    assert found.gradient < 1e-8
    assert found.log_likelihood == pytest.approx(log_likelihood(found.model, data), rel=1e-10)
    for place in range(3):
        for factor in (0.98, 1.02):
            step = np.ones(3)
            step[place] = factor
            p, q, v = natural(found.model) * step
            assert log_likelihood(GammaGamma(p=p, q=q, v=v), data) < found.log_likelihood


def test_a_search_without_gradients_finds_the_same_maximum() -> None:
    """Against scipy's beta prime: a mean m of x purchases has x m / v ~ beta prime(p x, q)."""
    data = mini()

    def lost(logs: Any) -> float:
        p, q, v = np.exp(logs)
        size = data.frequency / v
        return -float(
            data.customers @ (stats.betaprime(p * data.frequency, q).logpdf(data.mean_spend * size) + np.log(size))
        )

    options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 2000, "maxfev": 2000}
    peak = optimize.minimize(lost, np.log([2.0, 8.0, 80.0]), method="Nelder-Mead", options=options)
    found = fit_gamma_gamma(data)
    np.testing.assert_allclose(natural(found.model), np.exp(peak.x), rtol=1e-4)
    assert found.log_likelihood == pytest.approx(-peak.fun, rel=1e-10)


def drawn(model: GammaGamma, customers: int, rng: Any) -> SpendCounts:
    x = rng.geometric(0.4, customers)
    spend = simulate_spend(model, customer=np.repeat(np.arange(customers), x), rng=rng)
    mean = np.add.reduceat(spend, np.cumsum(x) - x) / x
    return SpendCounts(frequency=x, mean_spend=mean, customers=np.ones(customers))


def test_standard_errors_cover_the_truth() -> None:
    truth, rng, rounds = GammaGamma(p=6.0, q=4.0, v=15.0), np.random.default_rng(8), 60
    inside = np.zeros(3)
    for _ in range(rounds):
        found = fit_gamma_gamma(drawn(truth, 1_500, rng))
        gap = np.abs(np.log(natural(found.model) / natural(truth))) / (found.standard_errors / natural(found.model))
        inside += gap < stats.norm.ppf(0.95)
    assert np.all(inside >= stats.binom.ppf(0.002, rounds, 0.9))
    assert inside.sum() < 3 * rounds


@pytest.mark.parametrize("factor", [0.01, 7.8, 1e9])
def test_another_currency_changes_v_alone(factor: float) -> None:
    one, other = fit_gamma_gamma(mini()), fit_gamma_gamma(mini(scale=factor))
    np.testing.assert_allclose(natural(other.model), natural(one.model) * [1, 1, factor], rtol=1e-5)
    np.testing.assert_allclose(other.standard_errors, one.standard_errors * [1, 1, factor], rtol=1e-4)
    assert other.log_likelihood == pytest.approx(one.log_likelihood - one.n * np.log(factor), rel=1e-11)


def test_four_times_the_customers_halve_the_errors() -> None:
    one, four = fit_gamma_gamma(mini()), fit_gamma_gamma(mini(times=4))
    np.testing.assert_allclose(natural(four.model), natural(one.model), rtol=1e-5)
    np.testing.assert_allclose(four.standard_errors, one.standard_errors / 2, rtol=1e-4)


@given(models, st.integers(1, 50), st.floats(min_value=0.01, max_value=1e4), st.floats(min_value=1e-3, max_value=1e3))
def test_expected_spend_lies_between_the_customer_and_the_population(
    model: GammaGamma, x: int, mean: float, factor: float
) -> None:
    found = expected_spend(model, summary([(x, 1.0, 2.0), (0, 0.0, 2.0)], mean_spend=[mean, 0.0]))
    scaled = GammaGamma(p=model.p, q=model.q, v=model.v * factor)
    again = expected_spend(scaled, summary([(x, 1.0, 2.0), (0, 0.0, 2.0)], mean_spend=[mean * factor, 0.0]))
    np.testing.assert_allclose(again, found * factor, rtol=1e-9)
    if model.q > 1:
        low, high = sorted([mean, model.mean])
        assert low * (1 - 1e-9) <= found[0] <= high * (1 + 1e-9)
        assert found[1] == pytest.approx(model.p * model.v / (model.q - 1), rel=1e-12)
    else:
        assert np.isnan(found[1])
        assert np.isnan(model.mean)
        assert np.isnan(found[0]) == (model.p * x + model.q <= 1)


def test_more_purchases_trust_the_customer_more() -> None:
    model = GammaGamma(p=6.25, q=3.74, v=15.44)
    found = expected_spend(model, summary([(x, 1.0, 2.0) for x in (1, 2, 5, 50, 10**6)], mean_spend=[90.0] * 5))
    assert np.all(np.diff(found) > 0)
    assert found[-1] == pytest.approx(90.0, rel=1e-5)


def test_customers_without_positive_spend_get_the_mean_of_all() -> None:
    model = GammaGamma(p=6.25, q=3.74, v=15.44)
    found = expected_spend(model, summary([(0, 0.0, 2.0), (3, 1.0, 2.0), (3, 1.0, 2.0)], mean_spend=[0.0, 0.0, -4.0]))
    np.testing.assert_allclose(found, [model.mean] * 3)


def test_simulated_spend_is_gamma_within_and_between_customers() -> None:
    model, size = GammaGamma(p=3.0, q=6.0, v=20.0), 40_000
    once = simulate_spend(model, customer=np.arange(size), rng=1)
    assert stats.kstest(once / model.v, stats.betaprime(model.p, model.q).cdf).pvalue > 1e-4
    one = simulate_spend(model, customer=["a"] * size, rng=2)
    assert stats.kstest(one, stats.gamma(model.p, scale=one.mean() / model.p).cdf).statistic < 0.01
    again = simulate_spend(model, customer=["a"] * size, rng=2)
    assert again.tolist() == one.tolist()


def test_nothing_is_simulated_for_nobody_and_tiny_money_stays_tiny() -> None:
    tiny = simulate_spend(GammaGamma(p=2, q=5, v=1e-12), customer=["a", "b"] * 50, rng=3)
    usual = simulate_spend(GammaGamma(p=2, q=5, v=1.0), customer=["a", "b"] * 50, rng=3)
    np.testing.assert_allclose(tiny, usual * 1e-12, rtol=1e-9)
    assert simulate_spend(GammaGamma(p=2, q=5, v=1.0), customer=[], rng=3).shape == (0,)


def test_a_heavy_tail_is_flagged() -> None:
    rng = np.random.default_rng(4)
    heavy = fit_gamma_gamma(drawn(GammaGamma(p=5, q=0.7, v=10), 3_000, rng))
    assert (heavy.finite_mean, heavy.finite_variance) == (False, False)
    middle = fit_gamma_gamma(drawn(GammaGamma(p=5, q=1.5, v=10), 3_000, rng))
    assert (middle.finite_mean, middle.finite_variance) == (True, False)
    light = fit_gamma_gamma(mini())
    assert (light.finite_mean, light.finite_variance) == (True, True)


def test_alike_customers_lie_on_a_ridge() -> None:
    """Means that vary less than those of one gamma would: more heterogeneity only hurts, so q and v go up together."""
    x = np.repeat(np.arange(1.0, 6.0), 2)
    mean = 30 * (1 + np.array([-0.5, 0.5] * 5) / x)
    found = fit_gamma_gamma(SpendCounts(frequency=x, mean_spend=mean, customers=[40] * 10))
    assert found.status == "ridge"
    assert found.reason.startswith("the likelihood is flat along q, v:")
    assert found.model.q > 1e4
    assert found.model.mean == pytest.approx(30, rel=0.05)


def test_days_that_do_not_pay_say_nothing_of_what_a_purchase_costs() -> None:
    """One paying day of 60 among five tells as much of a customer as one of one; none at all, as no day."""
    model = GammaGamma(p=6.25, q=3.74, v=15.44)
    given_rows = [(5, 4.0, 9.0), (1, 1.0, 9.0), (3, 3.0, 9.0), (0, 0.0, 9.0)]
    rows = summary(given_rows, mean_spend=[60.0, 60.0, 0.0, 0.0], paying_frequency=[1.0, 1.0, 0.0, 0.0])
    one, same, never, new = expected_spend(model, rows)
    assert one == same == pytest.approx(6.25 * (15.44 + 60) / (6.25 + 3.74 - 1), rel=1e-12)
    assert never == new == pytest.approx(model.mean, rel=1e-12)


@pytest.mark.parametrize(
    ("x", "mean", "customers"),
    [
        ([2, 50], [15.0, 10.0], [1000, 1000]),
        ([1000, 50, 1000, 1000, 1, 1], [1e8, 1.5, 2e8, 1.001e8, 2e8, 10.01], [1000, 1, 10, 1, 1, 1000]),
    ],
)
def test_a_slow_climb_starts_again_and_ends_near_the_limit_of_alike_customers(
    x: Any, mean: Any, customers: Any
) -> None:
    """For q, v without end a mean of x purchases is gamma(p x) round one mean for all: the supremum, by scipy."""
    found = fit_gamma_gamma(SpendCounts(frequency=x, mean_spend=mean, customers=customers))
    assert found.status == "ridge"
    number, spend, weight = (np.array(column, dtype=float) for column in (x, mean, customers))

    def lost(logs: Any) -> float:
        p, centre = np.exp(logs)
        return -float(weight @ stats.gamma(p * number, scale=centre / (p * number)).logpdf(spend))

    start = np.log([found.model.p, found.model.mean])
    peak = optimize.minimize(lost, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    assert -peak.fun - 0.02 < found.log_likelihood <= -peak.fun + 1e-6


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"customers": [0, 0]}, "counts has no customers"),
        ({"mean_spend": [5.0, 5.0]}, "counts.mean_spend must differ between customers; the model cannot be fitted"),
        ({"customers": [7, 0]}, "counts.mean_spend must differ between customers; the model cannot be fitted"),
    ],
)
def test_data_that_allow_no_fit_say_why(columns: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_gamma_gamma(SpendCounts(**{"frequency": [1, 2], "mean_spend": [5.0, 9.0], "customers": [1, 1], **columns}))
    assert str(caught.value) == f"fit_gamma_gamma: {text}"


def test_cdnow_spend_of_39_weeks_foretells_the_spend_that_follows(shared_data: Any) -> None:
    orders = pd.read_csv(shared_data("cdnow/cdnow_sample.csv.gz"), dtype={"id": str, "date": str})
    orders["date"] = pd.to_datetime(orders["date"])
    rows = customer_summary(orders, customer="id", time="date", spend="spend", end="1997-09-30")
    model = fit_gamma_gamma(SpendCounts.from_summary(rows)).model
    later = orders[orders["date"] > "1997-09-30"].groupby(["id", "date"])["spend"].sum()
    later = later[later > 0].groupby("id").mean()
    bought = np.isin(rows.customer, later.index)
    truth = later.loc[rows.customer[bought]].to_numpy()
    repeat = rows.frequency[bought] > 0
    expected = expected_spend(model, rows)[bought]
    shrunk = ((expected - truth)[repeat] ** 2).mean()
    own = ((rows.mean_spend[bought] - truth)[repeat] ** 2).mean()
    everyone = ((model.mean - truth)[repeat] ** 2).mean()
    assert shrunk < own
    assert shrunk < everyone
    assert expected[repeat].mean() == pytest.approx(truth[repeat].mean(), rel=0.1)
