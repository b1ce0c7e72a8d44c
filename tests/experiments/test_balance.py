"""Sample-ratio mismatch: the chi-square and exact tests, which arm it was, and how often it cries wolf."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import sample_ratio_mismatch, sample_ratio_mismatch_by_segment

# Ratios of at most 1 to 100 of at least 6,000 units: no arm expects fewer than 10.
units = st.lists(st.integers(0, 10**6), min_size=2, max_size=6).filter(lambda counts: sum(counts) > 6000)


@given(units, st.lists(st.floats(0.1, 10), min_size=6, max_size=6))
def test_the_test_is_the_chi_square_of_scipy(counts: list[int], weights: list[float]) -> None:
    shares = np.array(weights[: len(counts)]) / sum(weights[: len(counts)])
    found = sample_ratio_mismatch(counts, ratios=weights[: len(counts)])
    expected = stats.chisquare(counts, shares * sum(counts))
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-300)
    assert found.mismatch == (found.p_value < 0.001)
    assert found.method == "chi-square"
    np.testing.assert_allclose(found.expected, shares * sum(counts), rtol=1e-12)


@given(units)
def test_each_arm_is_tested_against_the_rest_and_corrected_by_holm(counts: list[int]) -> None:
    found = sample_ratio_mismatch(counts)
    total, k = sum(counts), len(counts)
    single = [stats.chisquare([c, total - c], [total / k, total * (k - 1) / k]) for c in counts]
    np.testing.assert_allclose(np.square(found.residual), [one.statistic for one in single], rtol=1e-9, atol=1e-9)
    p = [one.pvalue for one in single]
    # Holm by its definition: the largest, over those that are no larger, of p times how many are left.
    for place, own in enumerate(p):
        steps = [min((k - sum(q < other for q in p)) * other, 1.0) for other in p if other <= own]
        assert found.arm_p_value[place] == pytest.approx(max(steps), rel=1e-7, abs=1e-300)


@given(units, st.randoms())
def test_the_order_of_the_arms_does_not_matter(counts: list[int], random: Any) -> None:
    order = list(range(len(counts)))
    random.shuffle(order)
    one = sample_ratio_mismatch(counts)
    other = sample_ratio_mismatch([counts[place] for place in order])
    assert other.p_value == pytest.approx(one.p_value, rel=1e-9, abs=1e-300)
    np.testing.assert_allclose(other.arm_p_value, one.arm_p_value[order], rtol=1e-9, atol=1e-300)


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.1, 1 / 3, 0.5, 0.8]))
def test_few_units_in_two_arms_are_tested_exactly(first: int, second: int, share: float) -> None:
    if not 0 < first + second <= 40:
        return
    found = sample_ratio_mismatch([first, second], ratios=[share, 1 - share])
    assert found.p_value == pytest.approx(stats.binomtest(first, first + second, share).pvalue, rel=1e-9)
    assert found.method == "exact binomial"


@given(st.integers(0, 30), st.integers(1, 10**6), st.floats(1e-6, 0.5))
def test_an_arm_that_expects_few_units_is_tested_exactly(first: int, total: int, share: float) -> None:
    share = min(share, 9.9 / total)
    first = min(first, total)
    found = sample_ratio_mismatch([first, total - first], ratios=[share, 1 - share])
    expected = stats.binomtest(first, total, share / (share + (1 - share))).pvalue
    assert found.p_value == pytest.approx(expected, rel=1e-6, abs=1e-300)
    assert found.method == "exact binomial"
    swapped = sample_ratio_mismatch([total - first, first], ratios=[1 - share, share])
    assert swapped.p_value == pytest.approx(found.p_value, rel=1e-6, abs=1e-300)


def test_a_count_far_beyond_what_is_looked_through_is_the_upper_tail() -> None:
    found = sample_ratio_mismatch([600, 10**6 - 600], ratios=[9, 10**6 - 9])
    assert found.p_value == pytest.approx(stats.binom.sf(599, 10**6, 9e-6), rel=1e-6)
    assert sample_ratio_mismatch([500, 10**6 - 500], ratios=[9, 10**6 - 9]).mismatch


def test_a_small_hold_out_does_not_cry_wolf() -> None:
    # The chi-square p-value of this split is 7e-5; the binomial law says .0037.
    found = sample_ratio_mismatch([1000, 5], ratios=[999, 1])
    assert found.p_value == pytest.approx(stats.binomtest(5, 1005, 0.001).pvalue, rel=1e-9)
    assert not found.mismatch


def test_few_units_in_many_arms_are_tested_exactly() -> None:
    found = sample_ratio_mismatch([5, 0, 0])
    # All five in one arm, whichever: 3 (1/3)^5.
    assert found.p_value == pytest.approx(3 * (1 / 3) ** 5, rel=1e-12)
    assert found.method == "exact multinomial"


@given(st.lists(st.integers(0, 4), min_size=3, max_size=4), st.lists(st.floats(0.1, 10), min_size=4, max_size=4))
def test_the_exact_multinomial_is_the_sum_of_all_splits(counts: list[int], weights: list[float]) -> None:
    total, k = sum(counts), len(counts)
    if not total:
        return
    shares = np.array(weights[:k]) / sum(weights[:k])
    every = [split for split in product(range(total + 1), repeat=k) if sum(split) == total]
    law = stats.multinomial.pmf(every, total, shares)
    own = stats.multinomial.pmf(counts, total, shares)
    found = sample_ratio_mismatch(counts, ratios=weights[:k])
    assert found.p_value == pytest.approx(law[law <= own * (1 + 1e-7)].sum(), rel=1e-7)
    assert found.method == "exact multinomial"


def test_too_many_splits_are_tested_arm_by_arm() -> None:
    found = sample_ratio_mismatch([100_000, 3, 99_900], ratios=[1, 1e-4, 1])
    assert found.p_value == pytest.approx(3 * stats.binomtest(3, 199_903, 1e-4 / 2.0001).pvalue, rel=1e-6)
    assert found.method == "exact binomial of each arm, Bonferroni"


def test_few_units_cry_wolf_no_more_often_than_the_threshold() -> None:
    shares, total, alpha = np.array([0.6, 0.3, 0.1]), 12, 0.05
    wrong = 0.0
    for first, second in product(range(total + 1), repeat=2):
        if first + second <= total:
            counts = [first, second, total - first - second]
            if sample_ratio_mismatch(counts, ratios=shares, threshold=alpha).mismatch:
                wrong += stats.multinomial.pmf(counts, total, shares)
    assert 0 < wrong <= alpha


def test_the_scale_of_the_ratios_does_not_matter() -> None:
    one = sample_ratio_mismatch([700, 310], ratios=[0.7, 0.3])
    other = sample_ratio_mismatch([700, 310], ratios=[70, 30])
    assert other.p_value == pytest.approx(one.p_value, rel=1e-12)
    assert sample_ratio_mismatch([700, 700]).p_value == 1.0


def test_the_arm_that_lost_units_is_found() -> None:
    found = sample_ratio_mismatch([10_000, 10_050, 9_300, 9_980])
    assert found.mismatch
    assert int(np.argmin(found.arm_p_value)) == 2
    assert (found.arm_p_value < 0.001).tolist() == [False, False, True, False]
    assert found.residual[2] < -5
    assert not sample_ratio_mismatch([10_000, 10_050, 9_300, 9_980], threshold=1e-12).mismatch


@pytest.mark.parametrize("ratios", [[1, 1], [8, 1, 1]])
def test_it_cries_wolf_as_often_as_the_threshold_says(ratios: list[int]) -> None:
    runs, alpha, rng = 3000, 0.05, np.random.default_rng(3)
    draws = rng.multinomial(50_000, np.array(ratios) / sum(ratios), runs)
    hits = [sample_ratio_mismatch(counts, ratios=ratios, threshold=alpha).mismatch for counts in draws]
    assert np.mean(hits) == pytest.approx(alpha, abs=3.29 * math.sqrt(alpha * (1 - alpha) / runs))


@pytest.mark.parametrize(
    ("counts", "options", "text"),
    [
        ([5], {}, "units must be a list of at least 2 arms, got shape (1,)"),
        ([[5, 6], [7, 8]], {}, "units must be a list of at least 2 arms, got shape (2, 2)"),
        ([5, 6], {"ratios": [1, 1, 1]}, "ratios must have one value an arm, got shape (3,) for 2 arms"),
        ([0, 0], {}, "units must have a positive sum: nobody was assigned"),
        ([5, 6], {"ratios": [1, 0]}, "ratios must be > 0, got 0.0 at index 1"),
        ([5, 6.5], {}, "units must be whole numbers of at most 2**53, got 6.5 at index 1"),
        ([5, -6], {}, "units must be >= 0, got -6.0 at index 1"),
        ([5, 6], {"threshold": 0.0}, "threshold must be > 0, got 0.0"),
    ],
)
def test_refusals(counts: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        sample_ratio_mismatch(counts, **options)
    assert str(caught.value) == f"sample_ratio_mismatch: {text}"


tables = st.integers(2, 4).flatmap(
    lambda arms: st.lists(st.lists(st.integers(0, 300), min_size=arms, max_size=arms), min_size=1, max_size=5)
)


@given(tables)
def test_a_segment_is_tested_as_a_split_by_itself(table: list[list[int]]) -> None:
    found = sample_ratio_mismatch_by_segment(table, ratios=range(1, len(table[0]) + 1))
    for place, row in enumerate(table):
        if not sum(row):
            assert found.p_value[place] == 1.0
            assert found.reason[place] == "no units in this segment"
            continue
        one = sample_ratio_mismatch(row, ratios=range(1, len(row) + 1))
        assert found.p_value[place] == pytest.approx(one.p_value, rel=1e-12)
        assert found.statistic[place] == pytest.approx(one.statistic, rel=1e-12)
        np.testing.assert_allclose(found.residual[place], one.residual, rtol=1e-12)
        assert (found.method[place], found.reason[place]) == (one.method, "")
        # The family is larger than that of one segment.
        assert np.all(found.arm_p_value[place] >= one.arm_p_value * (1 - 1e-12))
    assert np.array_equal(found.mismatch, found.p_adjusted < 0.001)
    assert np.all(found.p_adjusted >= found.p_value)


def test_the_segment_and_the_arm_that_are_off_are_found() -> None:
    table = [[5000, 5010, 4990], [800, 830, 620], [2010, 1990, 2020]]
    found = sample_ratio_mismatch_by_segment(table, segments=["chrome", "safari", "other"])
    assert found.mismatch.tolist() == [False, True, False]
    segment, arm = np.unravel_index(np.argmin(found.arm_p_value), found.arm_p_value.shape)
    assert (found.segments[segment], arm) == ("safari", 2)
    assert found.arm_p_value[1, 2] < 0.001
    assert sample_ratio_mismatch_by_segment(table).segments.tolist() == [0, 1, 2]


def test_many_segments_cry_wolf_no_more_often_than_the_threshold() -> None:
    rng, runs, alpha = np.random.default_rng(11), 600, 0.05
    sizes = np.array([7, 35, 90, 400, 3000])
    hits = 0
    for _ in range(runs):
        table = [rng.multinomial(size, [0.5, 0.3, 0.2]) for size in sizes]
        hits += bool(sample_ratio_mismatch_by_segment(table, ratios=[5, 3, 2], threshold=alpha).mismatch.any())
    assert 0 < hits / runs <= alpha + 3.29 * math.sqrt(alpha * (1 - alpha) / runs)


@pytest.mark.parametrize(
    ("table", "options", "text"),
    [
        ([[5], [6]], {}, "units must be a table of segments and at least 2 arms, got shape (2, 1)"),
        ([[5, 6]], {"ratios": [1]}, "ratios must have one value an arm, got shape (1,) for 2 arms"),
        ([[5, 6]], {"segments": ["a", "b"]}, "segments must have one name a row of units, got 2 names for 1 rows"),
        ([5, 6], {}, "units must have at least 2 dimension(s), got shape (2,)"),
    ],
)
def test_refusals_by_segment(table: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        sample_ratio_mismatch_by_segment(table, **options)
    assert str(caught.value) == f"sample_ratio_mismatch_by_segment: {text}"


def test_the_split_of_hillstrom_and_of_the_free_trial(shared_data: Any) -> None:
    arms = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))["segment"].value_counts()
    assert sorted(arms) == [21_306, 21_307, 21_387]
    assert sample_ratio_mismatch(arms.to_numpy()).p_value == pytest.approx(
        stats.chisquare(arms.to_numpy()).pvalue, rel=1e-9
    )
    assert not sample_ratio_mismatch(arms.to_numpy()).mismatch
    trial = pd.read_csv(shared_data("udacity_free_trial/udacity_free_trial.csv")).groupby("group")
    assert trial["Pageviews"].sum().tolist() == [345_543, 344_660]
    for column in ("Pageviews", "Clicks"):
        assert not sample_ratio_mismatch(trial[column].sum().to_numpy()).mismatch
    # What the experiment changes must not be used as a check: enrolments do differ.
    assert sample_ratio_mismatch(trial["Enrollments"].sum().to_numpy()).mismatch
