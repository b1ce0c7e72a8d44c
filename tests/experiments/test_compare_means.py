"""Differences of means from summaries: against scipy, against moments, and against published summaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import Moments, MomentsByArm, compare_means, difference


@pytest.mark.parametrize(("variance", "equal"), [("welch", False), ("pooled", True)])
def test_many_tests_at_once_are_scipys(variance: str, equal: bool) -> None:
    rng = np.random.default_rng(3)
    size = 500
    means, sds = rng.normal(10, 1, (2, size)), rng.uniform(0.1, 5, (2, size))
    units = rng.integers(2, 90, (2, size))
    found = compare_means(
        means[0],
        treatment_sd=sds[0],
        n_treatment=units[0],
        control_mean=means[1],
        control_sd=sds[1],
        n_control=units[1],
        variance=variance,  # type: ignore[arg-type]
    ).test()
    expected = stats.ttest_ind_from_stats(means[0], sds[0], units[0], means[1], sds[1], units[1], equal_var=equal)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)


def test_published_summaries_of_cars() -> None:
    # NIST/SEMATECH e-Handbook, AUTO83B: miles per gallon of 249 American and 79 Japanese cars.
    found = compare_means(
        20.14458,
        treatment_sd=6.414700,
        n_treatment=249,
        control_mean=30.48101,
        control_sd=6.107710,
        n_control=79,
        variance="pooled",
    )
    assert found.test().statistic == pytest.approx(-12.62059, abs=5e-6)


@given(
    st.lists(st.integers(-50, 50), min_size=2, max_size=9),
    st.lists(st.integers(-50, 50), min_size=2, max_size=9),
    st.sampled_from(["welch", "pooled", "normal"]),
)
def test_summaries_say_what_moments_say(one: list[int], other: list[int], variance: str) -> None:
    parts = tuple(Moments.from_arrays(np.array(rows, dtype=float), columns=("x",)) for rows in (one, other))
    moments = MomentsByArm(arms=["t", "c"], moments=parts)
    whole = difference(moments, treatment="t", control="c", metric="x", variance=variance)  # type: ignore[arg-type]
    found = compare_means(
        parts[0].mean("x"),
        treatment_sd=parts[0].variance("x") ** 0.5,
        n_treatment=len(one),
        control_mean=parts[1].mean("x"),
        control_sd=parts[1].variance("x") ** 0.5,
        n_control=len(other),
        variance=variance,  # type: ignore[arg-type]
    )
    for name in ("value", "standard_error", "degrees_of_freedom", "baseline", "baseline_error", "covariance"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-12, abs=1e-12)


def test_no_variation_in_either_arm_is_explained() -> None:
    found = compare_means(
        [1.0, 2.0], treatment_sd=[0.0, 1.0], n_treatment=9, control_mean=1.0, control_sd=[0.0, 1.0], n_control=9
    ).test()
    assert np.isnan(found.p_value[0])
    assert "standard error is 0" in found.reason[0]
    assert found.p_value[1] == pytest.approx(stats.ttest_ind_from_stats(2, 1, 9, 1, 1, 9).pvalue, rel=1e-12)


def test_one_unit_is_refused() -> None:
    with pytest.raises(InputError, match="compare_means: n_control must be >= 2, got 1"):
        compare_means(1.0, treatment_sd=1.0, n_treatment=2, control_mean=0.0, control_sd=1.0, n_control=1)
