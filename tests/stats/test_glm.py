"""Many Poisson regressions at once: each is the top of its own likelihood, with a covariance written out longhand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from ecomops.stats.glm import PoissonFits, poisson_regressions


def sales(seed: int, groups: int = 6, rows: int = 25, size: int = 3, spread: float = 0.4) -> tuple[Any, Any, Any, Any]:
    """Over-dispersed counts with group sizes from ``rows`` up, and their coefficients."""
    rng = np.random.default_rng(seed)
    sizes = rows + rng.integers(0, 10, groups)
    group = np.repeat(np.arange(groups), sizes)
    design = np.column_stack([np.ones(group.size), rng.normal(2.0, 0.3, (group.size, size - 1))])
    truth = np.column_stack([np.full(groups, 2.0 * size), rng.normal(-1.0, 0.4, (groups, size - 1))])
    mean = np.exp((design * truth[group]).sum(axis=1))
    noise = rng.gamma(1 / spread, spread, group.size)
    return group, design, rng.poisson(mean * noise).astype(float), truth


def fit(group: Any, design: Any, counts: Any) -> PoissonFits:
    # The library raises on floating-point errors; so do its kernels here.
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        return poisson_regressions(group, int(group.max()) + 1, design, counts)


def search(design: Any, counts: Any) -> Any:
    """Climb the log-likelihood of one group with a general optimiser, in units in which it is round."""
    centre, scale = design[:, 1:].mean(axis=0), design[:, 1:].std(axis=0)
    plain = np.column_stack([np.ones(len(design)), (design[:, 1:] - centre) / scale])

    def loss(beta: Any) -> tuple[float, Any]:
        linear = plain @ beta
        mean = np.exp(linear)
        total = mean.sum() - (counts * linear).sum() + special.gammaln(counts + 1).sum()
        return float(total), plain.T @ (mean - counts)

    start = np.zeros(plain.shape[1])
    start[0] = np.log(counts.mean())
    found = optimize.minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    slope = found[1:] / scale
    return np.array([found[0] - centre @ slope, *slope])


def longhand_hc3(design: Any, counts: Any, beta: Any) -> Any:
    """Add up HC3 row by row, by the formula of MacKinnon & White (1985) with the hat matrix of weighted least squares."""
    mean = np.exp(design @ beta)
    bread = np.linalg.inv(design.T @ np.diag(mean) @ design)
    root = np.sqrt(mean)[:, None] * design
    hat = np.diag(root @ bread @ root.T)
    meat = np.zeros_like(bread)
    for row, count, expected, share in zip(design, counts, mean, hat, strict=True):
        meat += np.outer(row, row) * ((count - expected) / (1 - share)) ** 2
    return bread @ meat @ bread


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_each_group_is_the_top_of_its_own_likelihood(size: int) -> None:
    group, design, counts, _ = sales(size, size=size)
    found = fit(group, design, counts)
    assert found.converged.all()
    for place in range(6):
        own = group == place
        np.testing.assert_allclose(found.coefficients[place], search(design[own], counts[own]), rtol=1e-5, atol=1e-5)
        # The score is nothing: sales and each regressor times sales add up to what is expected of them.
        mean = np.exp(design[own] @ found.coefficients[place])
        np.testing.assert_allclose(design[own].T @ mean, design[own].T @ counts[own], rtol=1e-10)
    assert found.n.tolist() == np.bincount(group).tolist()


@pytest.mark.parametrize("size", [2, 4])
def test_the_covariance_is_hc3_written_out(size: int) -> None:
    group, design, counts, _ = sales(10 + size, size=size)
    found = fit(group, design, counts)
    for place in range(6):
        own = group == place
        expected = longhand_hc3(design[own], counts[own], found.coefficients[place])
        np.testing.assert_allclose(found.covariance[place], expected, rtol=1e-8)


def test_one_factor_of_two_levels_is_the_ratio_of_two_means() -> None:
    # Saturated: the intercept is the log mean without, the slope the log of the ratio.
    group = np.zeros(7, dtype=int)
    flag = np.array([0, 0, 0, 1, 1, 1, 1.0])
    counts = np.array([3, 5, 4, 10, 12, 8, 18.0])
    found = fit(group, np.column_stack([np.ones(7), flag]), counts)
    np.testing.assert_allclose(found.coefficients[0], [np.log(4), np.log(12 / 4)])
    # Robust variance of a log mean is the sum of squared residuals, each over (1 - 1/n)^2, over the squared total.
    low = np.square(counts[:3] - 4).sum() / (2 / 3) ** 2 / 12**2
    high = np.square(counts[3:] - 12).sum() / (3 / 4) ** 2 / 48**2
    np.testing.assert_allclose(found.covariance[0], [[low, -low], [-low, low + high]])


@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1e-3, 7.0, 1e9, 1e25]), st.sampled_from([1e-8, 0.01, 100.0, 1e8]))
def test_units_of_sales_and_of_regressors_do_not_matter(seed: int, dozen: float, unit: float) -> None:
    group, design, counts, _ = sales(seed, groups=2)
    one = fit(group, design, counts)
    two = fit(group, design * np.array([1.0, 1.0, unit]), counts * dozen)
    assert one.converged.tolist() == two.converged.tolist() == [True, True]
    scale = np.array([1.0, 1.0, 1.0 / unit])
    shift = [np.log(dozen), 0.0, 0.0]
    np.testing.assert_allclose(two.coefficients, one.coefficients * scale + shift, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(two.covariance, one.covariance * np.outer(scale, scale), rtol=1e-7)


@given(st.integers(0, 10_000), st.floats(-5, 5))
def test_moving_a_regressor_moves_only_the_intercept(seed: int, shift: float) -> None:
    group, design, counts, _ = sales(seed, groups=2)
    one, two = fit(group, design, counts), fit(group, design + np.array([0.0, shift, 0.0]), counts)
    np.testing.assert_allclose(two.coefficients[:, 1:], one.coefficients[:, 1:], rtol=1e-9, atol=1e-10)
    moved = one.coefficients[:, 0] - shift * one.coefficients[:, 1]
    np.testing.assert_allclose(two.coefficients[:, 0], moved, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(two.covariance[:, 1:, 1:], one.covariance[:, 1:, 1:], rtol=1e-7)


@given(st.integers(0, 10_000))
def test_a_group_is_fitted_as_if_it_were_alone_whatever_the_order_of_its_rows(seed: int) -> None:
    group, design, counts, _ = sales(seed, groups=3)
    together = fit(group, design, counts)
    rng = np.random.default_rng(seed)
    for place in range(3):
        own = rng.permutation(np.flatnonzero(group == place))
        alone = fit(np.zeros(own.size, dtype=int), design[own], counts[own])
        np.testing.assert_allclose(alone.coefficients[0], together.coefficients[place], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(alone.covariance[0], together.covariance[place], rtol=1e-8)


def test_many_regressors_that_move_together_are_told_apart() -> None:
    # The determinant of their correlations is 1e-14, yet each has a share of its own.
    rng = np.random.default_rng(4)
    common = rng.normal(size=(300, 1))
    design = np.column_stack([np.ones(300), np.sqrt(0.95) * common + np.sqrt(0.05) * rng.normal(size=(300, 12))])
    counts = rng.poisson(np.exp(3 + 0.2 * design[:, 1])).astype(float)
    found = fit(np.zeros(300, dtype=int), design, counts)
    assert found.converged[0]
    np.testing.assert_allclose(found.coefficients[0], search(design, counts), rtol=1e-5, atol=1e-5)


def test_a_group_without_an_answer_leaves_the_others_alone() -> None:
    ones = np.ones(6)
    x = np.arange(6.0)
    counts = np.array([4.0, 6, 3, 5, 2, 1])
    designs = {
        "good": np.column_stack([ones, x, x**2]),
        "constant regressor": np.column_stack([ones, 0.1 * ones, x]),
        "twice the same": np.column_stack([ones, x, 2 * x + 1]),
        "nothing sold": np.column_stack([ones, x, x**2]),
        "sold at one place only": np.column_stack([ones, x, x**2]),
        "sales stop with the flag": np.column_stack([ones, x, x > 3]),
    }
    sold = {
        "nothing sold": 0 * ones,
        "sold at one place only": ones * (x == 5),
        "sales stop with the flag": counts * (x <= 3),
    }
    group = np.repeat(np.arange(len(designs)), 6)
    found = fit(group, np.vstack(list(designs.values())), np.concatenate([sold.get(name, counts) for name in designs]))
    assert found.converged.tolist() == [True, False, False, False, False, False]
    assert np.isnan(found.coefficients[1:]).all()
    assert np.isnan(found.covariance[1:]).all()
    alone = fit(np.zeros(6, dtype=int), designs["good"], counts)
    np.testing.assert_allclose(found.coefficients[0], alone.coefficients[0], rtol=1e-11)


def test_groups_without_rows_have_no_answer() -> None:
    group, design, counts, _ = sales(1, groups=2)
    found = poisson_regressions(2 * group + 1, 5, design, counts)
    assert found.n.tolist()[::2] == [0, 0, 0]
    assert found.converged.tolist() == [False, True, False, True, False]
    np.testing.assert_allclose(found.coefficients[[1, 3]], fit(group, design, counts).coefficients, rtol=1e-12)
    none = poisson_regressions(np.zeros(0, dtype=int), 2, np.ones((0, 2)), np.zeros(0))
    assert none.converged.tolist() == [False, False]


def test_an_exact_fit_has_the_error_of_poisson_counts() -> None:
    # One unit at each of four prices: nothing scatters, and nothing is known either.
    x = np.log([9.0, 10, 11, 12])
    design = np.column_stack([np.ones(4), x])
    for counts, slope in ((np.ones(4), 0.0), (40 * np.exp(-1.5 * x), -1.5), (1e28 * np.exp(-1.5 * x), -1.5)):
        found = fit(np.zeros(4, dtype=int), design, counts)
        assert found.coefficients[0, 1] == pytest.approx(slope, abs=1e-12)
        np.testing.assert_allclose(found.covariance[0], np.linalg.inv(design.T * counts @ design), rtol=1e-7)


def test_scatter_without_a_say_in_the_slope_still_counts_as_noise() -> None:
    # Only the rows in the middle scatter, and they do not move the slope: HC3 alone would call it exact.
    x = np.array([-1.0, 0, 0, 1])
    counts = np.array([5.0, 4, 6, 5])
    design = np.column_stack([np.ones(4), x])
    found = fit(np.zeros(4, dtype=int), design, counts)
    assert longhand_hc3(design, counts, found.coefficients[0])[1, 1] < 1e-20
    dispersion = (2 / 5) / (4 - 2)
    np.testing.assert_allclose(found.covariance[0], dispersion * np.linalg.inv(design.T * 5.0 @ design), rtol=1e-9)


def test_a_row_with_a_regressor_of_its_own_is_as_good_as_left_out() -> None:
    group, design, counts, _ = sales(3, groups=1, size=2)
    flag = np.zeros((counts.size, 1))
    flag[7] = 1.0
    found = fit(group, np.hstack([design, flag]), counts)
    left = np.arange(counts.size) != 7
    without = fit(group[left], design[left], counts[left])
    np.testing.assert_allclose(found.coefficients[0, :2], without.coefficients[0], rtol=1e-9)
    np.testing.assert_allclose(found.covariance[0, :2, :2], without.covariance[0], rtol=1e-6)


def test_estimates_scatter_as_their_errors_say() -> None:
    group, design, counts, truth = sales(77, groups=1500, rows=60, size=2)
    found = fit(group, design, counts)
    score = (found.coefficients[:, 1] - truth[:, 1]) / np.sqrt(found.covariance[:, 1, 1])
    assert found.converged.all()
    # Standard errors of a mean and of a standard deviation of 1500 draws are 0.026 and 0.018.
    assert abs(score.mean()) < 0.11
    assert 0.9 < score.std() < 1.06


@pytest.mark.parametrize(("slope", "settled"), [(-30.0, True), (-60.0, False), (-150.0, False)])
def test_an_effect_beyond_all_measure_is_not_reported(slope: float, settled: bool) -> None:
    # Over the range of the regressor sales would fall by e^60 and more: that is a row without sales, not a slope.
    x = np.append(np.linspace(0, 0.05, 20), 1.0)
    found = fit(np.zeros(21, dtype=int), np.column_stack([np.ones(21), x]), np.exp(5 + slope * x))
    assert found.converged[0] == settled
    assert np.isnan(found.coefficients[0, 1]) == (not settled)
