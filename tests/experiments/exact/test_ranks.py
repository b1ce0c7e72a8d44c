"""Ranks: against scipy, every permutation, and all differences listed; samples and counts; level by simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError, arguments
from ecomops.experiments import ValueCounts, brunner_munzel, hodges_lehmann, mann_whitney_test

ALTERNATIVES = ("two-sided", "greater", "less")
LATE = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
TERM = [1.15, 0.88, 0.90, 0.74, 1.21]
MALES, FEMALES = [19, 22, 16, 29, 24], [20, 11, 17, 12]

tied = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=25)
untied = st.lists(st.integers(-10_000, 10_000), min_size=4, max_size=24, unique=True)


# --- published values -------------------------------------------------------------------------------------------------


def test_hollander_and_wolfe() -> None:
    """R: wilcox.test(x, y, conf.int = TRUE), W = 35."""
    assert mann_whitney_test(LATE, control=TERM).statistic == 35
    assert mann_whitney_test(LATE, control=TERM, alternative="greater").p_value == pytest.approx(0.127206127, abs=5e-10)
    assert mann_whitney_test(LATE, control=TERM).p_value == pytest.approx(0.254412254, abs=5e-10)
    shift = hodges_lehmann(LATE, control=TERM)
    np.testing.assert_allclose([shift.value, shift.lower, shift.upper], [0.305, -0.15, 0.76], atol=1e-14)


def test_diagnosis_ages_of_scipy() -> None:
    found = mann_whitney_test(MALES, control=FEMALES)
    assert (found.statistic, found.superiority) == (17, 0.85)
    assert found.p_value == pytest.approx(0.1111111, abs=5e-8)
    corrected = mann_whitney_test(MALES, control=FEMALES, method="asymptotic")
    assert corrected.p_value == pytest.approx(0.1113469, abs=5e-8)
    plain = mann_whitney_test(MALES, control=FEMALES, method="asymptotic", continuity=False)
    assert plain.p_value == pytest.approx(0.0864107, abs=5e-8)


# --- Mann and Whitney's test ------------------------------------------------------------------------------------------


@given(untied, st.integers(1, 23), st.sampled_from(ALTERNATIVES))
def test_without_ties_it_is_scipys(values: list[int], cut: int, alternative: Any) -> None:
    cut = min(cut, len(values) - 1)
    one, other = values[:cut], values[cut:]
    for method in ("exact", "asymptotic"):
        found = mann_whitney_test(one, control=other, alternative=alternative, method=method)
        expected = stats.mannwhitneyu(one, other, alternative=alternative, method=method)
        assert found.statistic == expected.statistic
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-10)


@given(tied, tied, st.sampled_from(ALTERNATIVES), st.booleans())
def test_with_ties_the_asymptotic_test_is_scipys(
    one: list[float], other: list[float], alternative: Any, continuity: bool
) -> None:
    assume(len({*one, *other}) > 1)
    found = mann_whitney_test(one, control=other, alternative=alternative, method="asymptotic", continuity=continuity)
    expected = stats.mannwhitneyu(one, other, alternative=alternative, method="asymptotic", use_continuity=continuity)
    assert found.statistic == expected.statistic
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


@given(st.lists(st.integers(0, 3).map(float), min_size=2, max_size=9), st.integers(1, 8), st.sampled_from(ALTERNATIVES))
@settings(max_examples=40)
def test_with_ties_the_exact_test_deals_the_values_in_every_way(
    values: list[float], cut: int, alternative: Any
) -> None:
    cut = min(cut, len(values) - 1)
    pairs = cut * (len(values) - cut)

    def statistic(chosen: tuple[int, ...]) -> float:
        rest = [v for i, v in enumerate(values) if i not in chosen]
        return sum((values[i] > v) + (values[i] == v) / 2 for i in chosen for v in rest)

    seen = statistic(tuple(range(cut)))
    every = np.array([statistic(chosen) for chosen in itertools.combinations(range(len(values)), cut)])
    extreme = {
        "greater": every >= seen,
        "less": every <= seen,
        "two-sided": np.abs(every - pairs / 2) >= abs(seen - pairs / 2),
    }[alternative]
    found = mann_whitney_test(values[:cut], control=values[cut:], alternative=alternative)
    assert found.p_value == pytest.approx(extreme.mean(), rel=1e-12)
    assert found.method == f"exact, {alternative}"


def test_far_tails_and_the_largest_exact_sizes() -> None:
    found = mann_whitney_test(np.arange(100) + 1000.0, control=np.arange(100), method="exact", alternative="greater")
    assert found.p_value == pytest.approx(1 / math.comb(200, 100), rel=1e-12)
    assert mann_whitney_test([1.0], control=np.arange(2, 10_002), method="exact").p_value == pytest.approx(
        2 / 10_001, rel=1e-12
    )
    assert mann_whitney_test(np.arange(51), control=np.arange(50)).method.startswith("asymptotic with continuity")


def test_equal_values() -> None:
    for method in ("exact", "asymptotic"):
        found = mann_whitney_test([2, 2], control=[2], method=method)
        assert (found.p_value, found.reason) == (1, "every unit of both arms has the same value")
        assert found.superiority == 0.5


# --- Brunner and Munzel's -----------------------------------------------------------------------------------------------


@given(tied, tied, st.sampled_from(ALTERNATIVES))
def test_brunner_munzel_is_scipys(one: list[float], other: list[float], alternative: Any) -> None:
    assume(min(len(one), len(other)) >= 2)
    found = brunner_munzel(one, control=other)
    superiority = np.mean([(a > b) + (a == b) / 2 for a in one for b in other])
    assert found.value == pytest.approx(superiority - 0.5, abs=1e-12)
    assume(found.standard_error > 1e-6)
    expected = stats.brunnermunzel(other, one)
    test = found.test(alternative=alternative)
    tails = {"greater": stats.t.sf, "less": stats.t.cdf, "two-sided": lambda t, v: 2 * stats.t.sf(abs(t), v)}
    assert test.p_value == pytest.approx(tails[alternative](test.statistic, found.degrees_of_freedom), rel=1e-8)
    if alternative == "two-sided":
        assert test.p_value == pytest.approx(expected.pvalue, rel=1e-8)


def test_arms_that_do_not_overlap_have_no_error() -> None:
    apart = brunner_munzel([3, 4], control=[1, 2])
    assert (apart.value, apart.standard_error, apart.method) == (0.5, 0, "Brunner-Munzel; the arms do not overlap")
    same = brunner_munzel([1, 1], control=[1, 1])
    assert (same.value, same.method) == (0, "Brunner-Munzel; every unit of both arms has the same value")
    assert apart.test().reason


# --- the shift --------------------------------------------------------------------------------------------------------


@given(tied | untied.map(lambda v: [x / 7 for x in v]), tied)
def test_the_shift_is_the_median_of_all_differences(one: list[float], other: list[float]) -> None:
    differences = np.sort(np.subtract.outer(one, other).ravel())
    found = hodges_lehmann(one, control=other, confidence=0.8)
    assert found.value == pytest.approx(np.median(differences), abs=1e-10)
    if not found.reason:
        assert np.abs(differences - found.lower).min() < 1e-10
        assert found.lower <= found.value <= found.upper
    back = hodges_lehmann(other, control=one, confidence=0.8)
    np.testing.assert_allclose(
        [back.value, back.lower, back.upper], [-found.value, -found.upper, -found.lower], atol=1e-10
    )


@given(untied, st.integers(2, 22), st.sampled_from([0.8, 0.95]))
@settings(max_examples=40)
def test_the_interval_holds_the_shifts_that_the_exact_test_does_not_reject(
    values: list[int], cut: int, confidence: float
) -> None:
    cut = min(cut, len(values) - 2)
    one, other = np.array(values[:cut], dtype=float), np.array(values[cut:], dtype=float)
    found = hodges_lehmann(one, control=other, confidence=confidence, method="exact")
    assume(not found.reason)
    for end, step in ((found.lower, 1), (found.upper, -1)):
        inside = mann_whitney_test(one - end - step * 0.25, control=other, method="exact").p_value
        outside = mann_whitney_test(one - end + step * 0.25, control=other, method="exact").p_value
        assert outside <= 1 - confidence + 1e-12
        assert (
            inside > 1 - confidence - 1e-12 or len(set(np.subtract.outer(one, other).ravel())) < one.size * other.size
        )


def test_ranks_of_the_asymptotic_interval() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=80), rng.normal(size=60)
    found = hodges_lehmann(one, control=other)
    differences = np.sort(np.subtract.outer(one, other).ravel())
    rank = math.floor(2400 - 1.959963984540054 * math.sqrt(4800 * 141 / 12))
    assert found.lower == pytest.approx(differences[rank - 1], abs=1e-12)
    assert found.upper == pytest.approx(differences[4800 - rank], abs=1e-12)
    exact = hodges_lehmann(one, control=other, method="exact")
    assert exact.lower == pytest.approx(found.lower, abs=0.01)
    few = hodges_lehmann([1, 2], control=[3], method="asymptotic")
    assert (few.lower, few.upper, few.value) == (-math.inf, math.inf, -1.5)
    assert few.reason == "too few units: no interval of this confidence is bounded"
    big = hodges_lehmann(np.array([1e9 + 1, 1e9 + 2]), control=[1e9])
    assert big.value == 1.5


# --- samples and counts -----------------------------------------------------------------------------------------------


@given(tied, tied)
def test_counts_are_samples(one: list[float], other: list[float]) -> None:
    counted = [ValueCounts.from_arrays(np.asarray(arm)) for arm in (one, other)]
    padded = counted[0] + ValueCounts(value=[9.0], count=[0.0])
    assert mann_whitney_test(padded, control=counted[1]) == mann_whitney_test(one, control=other)
    assert hodges_lehmann(padded, control=other) == hodges_lehmann(one, control=counted[1])
    if min(len(one), len(other)) > 1:
        assert brunner_munzel(one[::-1], control=counted[1]) == brunner_munzel(padded, control=other)


def test_a_billion_units_as_counts() -> None:
    one = ValueCounts(value=[0, 1, 2, 3], count=[6e8, 2e8, 1.5e8, 0.5e8])
    other = ValueCounts(value=[0, 1, 2, 3], count=[6.0004e8, 2e8, 1.5e8, 0.4996e8])
    estimate = brunner_munzel(one, control=other)
    found = mann_whitney_test(one, control=other)
    assert estimate.value == pytest.approx(found.superiority - 0.5, rel=1e-6)
    assert estimate.test().p_value == pytest.approx(found.p_value, rel=1e-3)
    assert hodges_lehmann(one, control=other).value == 0
    tiny = ValueCounts(value=[0, 1], count=[1e9 - 1, 1])  # ties of nearly all units
    assert 0.3 < mann_whitney_test(tiny, control=ValueCounts(value=[0], count=[1e9])).p_value <= 1


def test_json_and_series() -> None:
    body = '{"treatment": [19, 22, 16, 29, 24], "control": {"value": [11, 12, 17, 20], "count": [1, 1, 1, 1]}}'
    assert arguments(mann_whitney_test).model_validate_json(body).call().statistic == 17
    given_ = arguments(mann_whitney_test)(treatment=MALES, control=FEMALES)
    assert arguments(mann_whitney_test).model_validate_json(given_.model_dump_json()).call().statistic == 17
    series = pd.Series(MALES, index=list("abcde"))
    assert mann_whitney_test(series, control=pd.Series(FEMALES)).statistic == 17


# --- level and coverage -----------------------------------------------------------------------------------------------


def test_level_and_coverage_by_simulation() -> None:
    """500 experiments of 9 and 7 units: the exact test and its interval hold their level, Brunner-Munzel nearly."""
    rng, runs, alpha = np.random.default_rng(3), 500, 0.1
    rejected, missed, other = 0, 0, 0
    for one, control in zip(rng.exponential(size=(runs, 9)), rng.exponential(size=(runs, 7)), strict=True):
        rejected += mann_whitney_test(one, control=control).p_value <= alpha
        shift = hodges_lehmann(one, control=control, confidence=1 - alpha)
        missed += not shift.lower <= 0 <= shift.upper
        other += brunner_munzel(one, control=control).test().p_value <= alpha
    limit = 3.29 * math.sqrt(alpha * (1 - alpha) / runs)
    assert rejected / runs <= alpha + limit
    assert missed / runs <= alpha + limit
    assert other / runs == pytest.approx(alpha, abs=limit + 0.015)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mann_whitney_test([], control=[1]), "mann_whitney_test: treatment must have at least one unit"),
        (
            lambda: hodges_lehmann([1], control=ValueCounts(value=[1], count=[0])),
            "hodges_lehmann: control must have at least one unit",
        ),
        (lambda: brunner_munzel([1], control=[1, 2]), "brunner_munzel: treatment must have at least 2 units, got 1"),
        (
            lambda: mann_whitney_test(np.arange(101), control=np.arange(100), method="exact"),
            "mann_whitney_test: method 'exact' takes at most 10000 pairs of units, got 10100; use 'asymptotic'",
        ),
        (
            lambda: hodges_lehmann(np.arange(101), control=np.arange(100), method="exact"),
            "hodges_lehmann: method 'exact' takes at most 10000 pairs of units, got 10100; use 'asymptotic'",
        ),
        (
            lambda: mann_whitney_test([1.0, math.nan], control=[1]),
            "mann_whitney_test: treatment must be finite, got nan at index 1",
        ),
        (
            lambda: mann_whitney_test([1.0], control={"value": [2, 1], "count": [1, 1]}),
            (
                "mann_whitney_test: control must be one value a unit, or value counts: "
                "ValueCounts: value must ascend without repeats, got 1.0 at index 0"
            ),
        ),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text
