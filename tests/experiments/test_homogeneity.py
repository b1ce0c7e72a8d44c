"""Whether k proportions are alike: R's prop.test, scipy, two arms as before, and the level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import compare_proportions, proportions_homogeneity_test


def test_smokers_of_four_studies() -> None:
    # R, help(prop.test): Fleiss (1981), Statistical Methods for Rates and Proportions, p. 139.
    found = proportions_homogeneity_test([83, 90, 129, 70], trials=[86, 93, 136, 82])
    assert found.statistic == pytest.approx(12.6004113, abs=5e-8)
    assert found.degrees_of_freedom == 3
    assert found.p_value == pytest.approx(0.005585477, abs=5e-10)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 60)), min_size=2, max_size=6))
def test_it_is_the_chi_square_test_of_the_table(arms: list[tuple[int, int]]) -> None:
    wins, losses = np.array([arm[0] for arm in arms]), np.array([arm[1] for arm in arms])
    if not wins.sum():
        wins[0] = 1
    found = proportions_homogeneity_test(wins, trials=wins + losses)
    expected = stats.chi2_contingency(np.array([wins, losses]), correction=False)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_two_arms_are_the_z_test_squared() -> None:
    found = proportions_homogeneity_test([5, 12], trials=[83, 99])
    pair = compare_proportions(5, treatment_trials=83, control_successes=12, control_trials=99)
    assert found.p_value == pytest.approx(pair.p_value, rel=1e-10)


@pytest.mark.parametrize("wins", [[0, 0, 0], [9, 9, 9]])
def test_no_variation_has_no_answer_but_a_reason(wins: list[int]) -> None:
    found = proportions_homogeneity_test(wins, trials=[9, 9, 9])
    assert np.isnan(found.statistic)
    assert found.p_value == 1.0
    assert found.reason == "no trial, or every trial, succeeded in all arms"


def test_a_batch_is_its_rows() -> None:
    wins = np.array([[3, 5, 9], [0, 0, 0], [4, 4, 4]])
    found = proportions_homogeneity_test(wins, trials=[10, 12, 15])
    for row, part in enumerate(wins):
        alone = proportions_homogeneity_test(part, trials=[10, 12, 15])
        np.testing.assert_equal(found.p_value[row], alone.p_value)


def test_wrong_calls() -> None:
    with pytest.raises(InputError, match="successes"):
        proportions_homogeneity_test([5, 12], trials=[4, 99])
    with pytest.raises(InputError, match="2"):
        proportions_homogeneity_test([5], trials=[9])
