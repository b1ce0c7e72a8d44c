"""The maximiser and what a fit reports: known maxima, saddles, flat directions, steps that fail, points without a value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats  # noqa: TID251 - the oracle

from ecomops.core import ConvergenceError
from ecomops.stats.likelihood import CONDITION_LIMIT, Maximum, describe, hessian, maximise

NAMES = ("first", "second")
LEFT = (
    "the gradient per customer is {}: this is no maximum, do not use it; "
    "look at the data for duplicated, constant or extreme values"
)


def bowl(centre: Any, curve: Any) -> Any:
    """A concave quadratic with its top at centre."""
    middle, matrix = np.asarray(centre, dtype=float), np.asarray(curve, dtype=float)

    def function(point: Any) -> Any:
        away = point - middle
        return -0.5 * float(away @ matrix @ away), -matrix @ away

    return function


def gamma_sample(sample: Any) -> Any:
    """The log-likelihood of a gamma sample in the logarithms of shape and rate."""
    n, total, logs = sample.size, sample.sum(), np.log(sample).sum()

    def function(point: Any) -> Any:
        with np.errstate(all="ignore"):
            shape, rate = np.exp(point)
            value = n * (shape * np.log(rate) - special.gammaln(shape)) + (shape - 1) * logs - rate * total
            slope = np.array([n * (np.log(rate) - special.psi(shape)) + logs, n * shape / rate - total])
            return float(value), slope * np.exp(point)

    return function


@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.lists(st.floats(-1, 1), min_size=9, max_size=9),
)
def test_the_top_of_a_quadratic_is_found(start: list[float], centre: list[float], entries: list[float]) -> None:
    root = np.array(entries).reshape(3, 3)
    matrix = root @ root.T + 0.1 * np.eye(3)
    found = maximise(bowl(centre, matrix), np.array(start), 1.0)
    np.testing.assert_allclose(found.log_parameters, centre, atol=1e-6)
    assert found.log_likelihood == pytest.approx(0.0, abs=1e-9)
    assert found.gradient < 1e-6
    np.testing.assert_allclose(found.hessian, -matrix, atol=1e-5)


@pytest.mark.parametrize("start", [(0.0, 0.0), (6.0, -6.0), (-6.0, 6.0), (9.0, 9.0), (-9.0, -9.0)])
def test_a_gamma_sample_has_the_maximum_of_scipy_from_anywhere(start: tuple[float, float]) -> None:
    sample = stats.gamma(2.3, scale=1 / 0.7).rvs(400, random_state=np.random.default_rng(1))
    found = maximise(gamma_sample(sample), np.array(start), 400.0)
    shape, _, scale = stats.gamma.fit(sample, floc=0)
    np.testing.assert_allclose(np.exp(found.log_parameters), [shape, 1 / scale], rtol=1e-5)
    assert found.log_likelihood == pytest.approx(stats.gamma(shape, scale=scale).logpdf(sample).sum(), rel=1e-10)
    assert found.gradient < 1e-8
    assert found.iterations < 60


def test_a_banana_is_climbed_like_scipy_does() -> None:
    def banana(point: Any) -> Any:
        return -float(optimize.rosen(point)), -optimize.rosen_der(point)

    found = maximise(banana, np.array([-1.2, 1.0]), 1.0)
    np.testing.assert_allclose(found.log_parameters, [1.0, 1.0], rtol=1e-6)


def test_a_saddle_is_left_uphill() -> None:
    """From beside the saddle of x^2 / 2 - x^4 / 4 - y^2 / 2, where the curvature is positive, to one of the tops."""

    def saddle(point: Any) -> Any:
        x, y = point
        return float(x**2 / 2 - x**4 / 4 - y**2 / 2), np.array([x - x**3, -y])

    found = maximise(saddle, np.array([1e-3, 2.0]), 1.0)
    np.testing.assert_allclose(found.log_parameters, [1.0, 0.0], atol=1e-6)


def test_a_step_into_the_undefined_is_shortened() -> None:
    """log(1 - x) + 5 x has its top at 0.8, and no value from 1 on."""

    def cliff(point: Any) -> Any:
        x = point[0]
        if x >= 1:
            return float("-inf"), np.array([np.nan])
        return float(np.log(1 - x) + 5 * x), np.array([-1 / (1 - x) + 5])

    found = maximise(cliff, np.array([-3.0]), 1.0)
    assert found.log_parameters[0] == pytest.approx(0.8, abs=1e-8)


def test_it_stops_where_no_step_helps() -> None:
    """A gradient that points the wrong way: every step loses, so the damping grows until it gives up at the start."""

    def liar(point: Any) -> Any:
        return -float(point @ point), 2 * point

    found = maximise(liar, np.array([1.0, 2.0]), 1.0)
    np.testing.assert_allclose(found.log_parameters, [1.0, 2.0], rtol=1e-6)
    assert found.gradient == pytest.approx(4.0, rel=1e-6)


def test_it_stops_when_the_steps_are_used_up() -> None:
    found = maximise(bowl([50.0, -50.0], np.eye(2)), np.zeros(2), 1.0, steps=3)
    assert found.iterations == 3
    # Two in log a step at most, so that one bad Hessian does not lead out of the world.
    assert np.abs(found.log_parameters).max() <= 6.0 + 1e-9
    assert found.gradient > 40


def test_no_finite_start_is_an_error_with_the_point() -> None:
    with pytest.raises(ConvergenceError, match="the log-likelihood is not finite at the start") as caught:
        maximise(lambda point: (float("nan"), point), np.array([1.0, 2.0]), 1.0)
    assert caught.value.last.tolist() == [1.0, 2.0]


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_the_hessian_is_symmetric_and_right(x: float, y: float) -> None:
    def function(point: Any) -> Any:
        u, v = point
        return float(-np.exp(u + 2 * v) - u**2), np.array([-np.exp(u + 2 * v) - 2 * u, -2 * np.exp(u + 2 * v)])

    e = np.exp(x + 2 * y)
    found = hessian(function, np.array([x, y]))
    assert found[0, 1] == found[1, 0]
    np.testing.assert_allclose(found, [[-e - 2, -2 * e], [-2 * e, -4 * e]], rtol=1e-6, atol=1e-8)


def maximum(values: Any, curve: Any, gradient: float = 1e-12) -> Maximum:
    return Maximum(np.array(values, dtype=float), -10.0, gradient, -np.array(curve, dtype=float), 7)


def test_errors_go_to_the_natural_scale_by_the_delta_method() -> None:
    information = np.array([[40.0, 12.0], [12.0, 9.0]])
    shown = describe(maximum([0.5, -1.0], information), NAMES, 30.0, np.array([1.0, 7.0]))
    natural = np.array([np.exp(0.5), 7 * np.exp(-1.0)])
    expected = np.linalg.inv(information) * np.outer(natural, natural)
    np.testing.assert_allclose(shown["covariance"], expected, rtol=1e-12)
    np.testing.assert_allclose(shown["standard_errors"], np.sqrt(np.diagonal(expected)), rtol=1e-12)
    assert (shown["status"], shown["reason"]) == ("ok", "")
    assert (shown["n"], shown["iterations"], shown["log_likelihood"]) == (30.0, 7.0, -10.0)
    assert shown["parameters"] == NAMES


def test_simulated_estimates_scatter_as_the_errors_say() -> None:
    rng = np.random.default_rng(2)
    gaps = []
    for _ in range(200):
        sample = rng.gamma(2.0, 1 / 3.0, 300)
        found = maximise(gamma_sample(sample), np.zeros(2), 300.0)
        shown = describe(found, NAMES, 300.0, np.ones(2))
        gaps.append((np.exp(found.log_parameters) - [2.0, 3.0]) / shown["standard_errors"])
    spread = np.std(gaps, axis=0)
    # A standard deviation from 200 has an error of 5 %.
    assert np.all(np.abs(spread - 1) < 0.2)


def test_a_ridge_names_the_parameters_along_it() -> None:
    along = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    information = 5 * np.eye(3) - (5 - 5 / CONDITION_LIMIT / 2) * np.outer(along, along)
    shown = describe(maximum([0, 0, 0], information), ("r", "alpha", "a"), 9.0, np.ones(3))
    assert shown["status"] == "ridge"
    assert shown["reason"] == (
        "the likelihood is flat along r, alpha: their single values are not identified, only their ratio is; "
        "predictions inside the data range hold"
    )
    assert np.all(np.isfinite(shown["standard_errors"]))
    assert shown["standard_errors"][0] > 1e3


def test_a_parameter_far_out_is_a_ridge_too() -> None:
    shown = describe(maximum([10.5, 0.0], np.eye(2) * 5), NAMES, 9.0, np.ones(2))
    assert shown["status"] == "ridge"
    assert "flat along first" in shown["reason"]


def test_no_maximum_has_no_errors() -> None:
    shown = describe(maximum([0.0, 0.0], [[1.0, 0.0], [0.0, -1.0]]), NAMES, 9.0, np.ones(2))
    assert shown["status"] == "ridge"
    assert np.isnan(shown["covariance"]).all()
    assert np.isnan(shown["standard_errors"]).all()


def test_a_gradient_that_is_left_says_not_converged() -> None:
    shown = describe(maximum([0.0, 0.0], np.eye(2), gradient=3e-4), NAMES, 9.0, np.ones(2))
    assert shown["status"] == "not converged"
    assert shown["reason"] == LEFT.format("3.0e-04")


@pytest.mark.parametrize("gradient", [1.01e-6, 3e-4, 3452.0])
@pytest.mark.parametrize(
    ("values", "curve"),
    [([0.0, 0.0], [[5.0, 0.0], [0.0, 5e-9]]), ([0.0, 0.0], [[1.0, 0.0], [0.0, -1.0]]), ([10.5, 0.0], np.eye(2))],
    ids=["flat", "no maximum", "far"],
)
def test_a_gradient_that_is_left_is_never_called_a_ridge(values: Any, curve: Any, gradient: float) -> None:
    """Where it has not arrived, the curvature says nothing of the maximum; at the same place, arrived, it does."""
    shown = describe(maximum(values, curve, gradient=gradient), NAMES, 9.0, np.ones(2))
    assert (shown["status"], shown["reason"]) == ("not converged", LEFT.format(f"{gradient:.1e}"))
    arrived = describe(maximum(values, curve, gradient=0.99e-6), NAMES, 9.0, np.ones(2))
    assert arrived["status"] == "ridge"


@pytest.mark.parametrize(
    ("log_parameter", "limit"), [(10.5, 1e-6), (np.log(1e10), 1.42e-4), (40.0, 1e-3), (690.0, 1e-3)]
)
def test_far_along_a_ridge_a_gradient_of_rounding_is_none(log_parameter: float, limit: float) -> None:
    """A parameter of 1e10 times a digamma of 16 digits: 64 units in the last place, and a thousandth at the most."""
    for gradient, status in ((limit * 0.99, "ridge"), (limit * 1.01, "not converged")):
        shown = describe(maximum([log_parameter, 0.0], np.eye(2), gradient=gradient), NAMES, 9.0, np.full(2, 1e-300))
        assert shown["status"] == status
