"""Fits of BG/NBD and MBG/NBD: maxima, standard errors that cover, units of time, ridges, data that allow no fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats  # noqa: TID251 - the oracle
from tests.reference.recipes_segmentation import mini_counts
from tests.segmentation.individual import counts

from ecomops.core import Duration, InputError
from ecomops.segmentation import (
    BgNbd,
    BgNbdFit,
    MbgNbd,
    PurchaseCounts,
    expected_purchases_new,
    fit_bg_nbd,
    fit_mbg_nbd,
    log_likelihood,
    simulate_purchases,
)

FITS = [fit_bg_nbd, fit_mbg_nbd]


def natural(model: Any) -> Any:
    return np.array([model.r, model.alpha, model.a, model.b])


def moved(model: Any, values: Any) -> Any:
    return type(model)(**dict(zip(("r", "alpha", "a", "b"), values, strict=True)), unit=model.unit)


def simulated(model: Any, customers: int, rng: Any) -> PurchaseCounts:
    """Customers observed for 52 weeks, in days, as a shop would have them."""
    log = simulate_purchases(model, customers=customers, horizon=Duration(value=52, unit="week"), rng=rng)
    x = np.bincount(log.customer) - 1
    last = np.zeros(customers)
    np.maximum.at(last, log.customer, log.time)
    rows = np.column_stack([x, last])
    rows, number = np.unique(rows, axis=0, return_counts=True)
    return counts([(x, last, 52.0) for x, last in rows], customers=number)


@pytest.mark.parametrize("fit", FITS)
def test_no_step_away_from_the_fit_is_better(fit: Any) -> None:
    data = mini_counts()
    found = fit(data)
    best = log_likelihood(found.model, data)
    assert best == pytest.approx(found.log_likelihood, rel=1e-13)
    assert found.status == "ok"
    assert found.reason == ""
    assert found.gradient < 1e-8
    rng = np.random.default_rng(0)
    for size in (1e-3, 0.1, 1.0):
        for step in rng.normal(size=(25, 4)) * size:
            assert log_likelihood(moved(found.model, natural(found.model) * np.exp(step)), data) < best


@pytest.mark.parametrize("fit", FITS)
def test_a_search_without_gradients_finds_the_same_maximum(fit: Any) -> None:
    data = mini_counts()
    found = fit(data)

    def lost(logs: Any) -> float:
        return -float(log_likelihood(moved(found.model, np.exp(logs)), data))

    options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000, "maxfev": 4000}
    peak = optimize.minimize(lost, np.zeros(4), method="Nelder-Mead", options=options)
    np.testing.assert_allclose(np.exp(peak.x), natural(found.model), rtol=1e-4)


@pytest.mark.parametrize("fit", FITS)
def test_standard_errors_are_the_curvature_of_the_likelihood(fit: Any) -> None:
    """The Hessian by second differences of values alone, on the natural scale."""
    data = mini_counts()
    found = fit(data)
    at, size = natural(found.model), natural(found.model) * 1e-3

    def value(shift: Any) -> float:
        return float(log_likelihood(moved(found.model, at + shift * size), data))

    unit = np.eye(4)
    curve = np.array(
        [
            [
                (value(one + two) - value(one - two) - value(two - one) + value(-one - two)) / 4 / (one @ size) / (two @ size)
                for two in unit
            ]
            for one in unit
        ]
    )  # fmt: skip
    errors = found.standard_errors
    np.testing.assert_allclose(
        found.covariance / np.outer(errors, errors), np.linalg.inv(-curve) / np.outer(errors, errors), atol=1e-3
    )
    np.testing.assert_allclose(errors, np.sqrt(np.diagonal(found.covariance)), rtol=1e-12)


@pytest.mark.parametrize(
    ("truth", "fit"),
    [(BgNbd(r=0.7, alpha=4.0, a=0.8, b=2.5), fit_bg_nbd), (MbgNbd(r=0.9, alpha=6.0, a=0.9, b=1.8), fit_mbg_nbd)],
    ids=["BG", "MBG"],
)
def test_standard_errors_cover_the_truth(truth: Any, fit: Any) -> None:
    rng, rounds = np.random.default_rng(20), 40
    inside = np.zeros(4)
    for _ in range(rounds):
        found = fit(simulated(truth, 2_000, rng))
        assert found.status == "ok"
        # Errors of the logarithms: parameters are positive and skewed.
        gap = np.abs(np.log(natural(found.model) / natural(truth))) / (found.standard_errors / natural(found.model))
        inside += gap < stats.norm.ppf(0.95)
    # Each is right in nine of ten fits; fewer than 29 or none missed of 40 happen once in two hundred.
    assert np.all(inside >= stats.binom.ppf(0.002, rounds, 0.9))
    assert inside.sum() < 4 * rounds


@pytest.mark.parametrize("fit", FITS)
def test_the_unit_of_time_does_not_change_the_fit(fit: Any) -> None:
    weekly = mini_counts()
    found = fit(weekly)
    for factor in (7.0, 1e-7, 1e9):
        columns = {
            "age_at_last_purchase": weekly.age_at_last_purchase * factor,
            "age": weekly.age * factor,
            "unit": "day",
        }
        again = fit(PurchaseCounts(**{**dict(weekly), **columns}))
        assert again.model.unit == "day"
        np.testing.assert_allclose(natural(again.model), natural(found.model) * [1, factor, 1, 1], rtol=1e-5)
        np.testing.assert_allclose(again.standard_errors, found.standard_errors * [1, factor, 1, 1], rtol=1e-4)
        purchases = (weekly.customers * weekly.frequency).sum()
        shifted = found.log_likelihood - purchases * np.log(factor)
        assert again.log_likelihood == pytest.approx(shifted, rel=1e-11)


@pytest.mark.parametrize("fit", FITS)
def test_four_times_the_customers_halve_the_errors(fit: Any) -> None:
    data = mini_counts()
    one, four = fit(data), fit(PurchaseCounts(**{**dict(data), "customers": data.customers * 4}))
    np.testing.assert_allclose(natural(four.model), natural(one.model), rtol=1e-5)
    np.testing.assert_allclose(four.standard_errors, one.standard_errors / 2, rtol=1e-3)
    assert four.n == 4 * one.n


@given(st.randoms())
@settings(max_examples=15)
def test_the_order_of_rows_and_rows_of_nobody_do_not_matter(random: Any) -> None:
    data = mini_counts()
    order = list(range(data.age.size))
    random.shuffle(order)
    shown = {name: getattr(data, name)[order] for name in ("frequency", "age_at_last_purchase", "age", "customers")}
    nobody = {"frequency": 500.0, "age_at_last_purchase": 900.0, "age": 1000.0, "customers": 0.0}
    mixed = PurchaseCounts(**{name: np.append(values, nobody[name]) for name, values in shown.items()})
    np.testing.assert_allclose(natural(fit_bg_nbd(mixed).model), natural(fit_bg_nbd(data).model), rtol=1e-5)


def test_customers_who_never_leave_lie_on_a_ridge() -> None:
    data = counts([(x, 51.9, 52.0) for x in range(1, 12)] + [(0, 0.0, 52.0)], customers=[30] * 11 + [4])
    for fit in FITS:
        found = fit(data)
        assert found.status == "ridge"
        assert found.reason.startswith("the likelihood is flat along ")
        assert found.reason.endswith("only their ratio is; predictions inside the data range hold")
        # What is identified is: hardly anyone leaves, so a week brings what it brought so far.
        seen = (data.customers * data.frequency).sum() / data.customers.sum()
        expected = expected_purchases_new(found.model, horizon=Duration(value=52, unit="week"))
        assert expected == pytest.approx(seen, rel=0.05)


def test_alike_customers_have_no_single_r_and_alpha() -> None:
    rng = np.random.default_rng(1)
    data = simulated(BgNbd(r=1e6, alpha=4e6, a=1.0, b=4.0), 1_500, rng)
    found = fit_bg_nbd(data)
    relative = found.covariance / np.outer(natural(found.model), natural(found.model))
    assert np.sqrt(relative[0, 0]) > 1
    assert np.sqrt(relative[1, 1]) > 1
    # Their ratio, the mean rate, is known well.
    error = np.sqrt(relative[0, 0] + relative[1, 1] - 2 * relative[0, 1])
    assert error < 0.05
    assert found.model.r / found.model.alpha == pytest.approx(0.25, rel=3 * error)


def test_a_table_of_one_row_has_errors_or_says_that_it_has_none() -> None:
    for x, last in ((1, 3.0), (40, 39.0), (3, 39.0)):
        for fit in FITS:
            found = fit(counts([(x, last, 39.0)], customers=[10]))
            assert found.status == "ridge"
            assert np.all(natural(found.model) > 0)
            assert np.all(np.isnan(found.standard_errors) | (found.standard_errors > 0))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("rows", [[(1, 1e-9, 1e200), (4, 1.0, 2.0), (0, 0.0, 9.0)], [(1, 1.0, 1e300), (2, 5.0, 10.0)]])
def test_ages_beyond_all_measure_do_not_pass_for_a_ridge(fit: Any, rows: Any) -> None:
    found = fit(counts(rows))
    assert found.gradient > 1
    assert found.status == "not converged"
    assert found.reason.startswith("the gradient per customer is 1.")


def test_one_with_a_million_purchases_among_others_is_fitted() -> None:
    data = mini_counts()
    rows = [*zip(data.frequency, data.age_at_last_purchase, data.age, strict=True), (10**6, 36.0, 36.0)]
    found = fit_bg_nbd(counts(rows, customers=[*data.customers, 1.0]))
    assert np.all(np.isfinite(natural(found.model)))
    assert found.model.r < fit_bg_nbd(data).model.r


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("rows", "customers", "text"),
    [
        ([], [], "counts has no customers"),
        ([(1, 2.0, 5.0)], [0], "counts has no customers"),
        ([(0, 0.0, 5.0)], [9], "counts has no customer with a repeat purchase; the model cannot be fitted"),
        (
            [(0, 0.0, 5.0), (2, 1.0, 5.0)],
            [9, 0],
            "counts has no customer with a repeat purchase; the model cannot be fitted",
        ),
        ([(3, 0.0, 0.0)], [4], "counts has no time of observation: every age is 0; extend end"),
    ],
)
def test_data_that_allow_no_fit_say_why(fit: Any, rows: Any, customers: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        fit(counts(rows, customers=customers))
    assert str(caught.value) == f"{fit.__name__}: {text}"


def test_a_fit_is_stored_and_used_elsewhere() -> None:
    found = fit_bg_nbd(mini_counts())
    loaded = BgNbdFit.model_validate_json(found.model_dump_json())
    assert loaded == found
    horizon = Duration(value=1, unit="year")
    assert expected_purchases_new(loaded.model, horizon=horizon) == expected_purchases_new(found.model, horizon=horizon)


def test_a_model_of_nothing_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        BgNbd(r=0, alpha=1, a=1, b=-1)
    assert str(caught.value) == "BgNbd: r must be > 0, got 0.0\nBgNbd: b must be > 0, got -1.0"
