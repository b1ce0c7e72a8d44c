"""Cochran-Mantel-Haenszel: R's help, the permutations themselves, one stratum's formulas and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import CochranMantelHaenszel, cochran_mantel_haenszel

BERKELEY = (
    [512, 353, 120, 138, 53, 22],
    [825, 560, 325, 417, 191, 373],
    [89, 17, 202, 131, 94, 24],
    [108, 25, 593, 375, 393, 341],
)
tables = st.lists(
    st.tuples(st.integers(1, 30), st.integers(1, 30), st.floats(0, 1), st.floats(0, 1)).map(
        lambda t: (round(t[2] * t[0]), t[0], round(t[3] * t[1]), t[1])
    ),
    min_size=1,
    max_size=8,
)


def compared(a: Any, n1: Any, c: Any, n2: Any, **settings: Any) -> CochranMantelHaenszel:
    return cochran_mantel_haenszel(a, treatment_trials=n1, control_successes=c, control_trials=n2, **settings)


def test_berkeley_as_r_tells_it() -> None:
    found = compared(*BERKELEY, correction=True)
    assert found.statistic == pytest.approx(1.4269, abs=5.1e-5)
    assert found.p_value == pytest.approx(0.2323, abs=5.1e-5)
    assert found.odds_ratio == pytest.approx(0.9046968, abs=5.1e-8)
    assert [found.lower, found.upper] == pytest.approx([0.7719074, 1.0603298], abs=5.1e-8)
    assert found.method == "continuity corrected"
    assert compared(*BERKELEY).statistic == pytest.approx(1.5246, abs=5.1e-5)
    assert found.homogeneity_p_value < 0.01, "department A differs"


@given(tables)
def test_the_statistic_is_that_of_the_hypergeometric_law(rows: list[tuple[int, int, int, int]]) -> None:
    a, n1, c, n2 = np.array(rows).T
    gap, variance = 0.0, 0.0
    for x, m, z, n in rows:
        k = np.arange(m + 1)
        law = stats.hypergeom.pmf(k, m + n, x + z, m)
        gap, variance = gap + x - law @ k, variance + law @ (k - law @ k) ** 2
    found = compared(a, n1, c, n2)
    if variance > 1e-9:
        assert found.statistic == pytest.approx(gap**2 / variance, rel=1e-8, abs=1e-9)
        assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 1), rel=1e-9)
    else:
        assert np.isnan(found.statistic)
        assert found.p_value == 1.0
        assert "no stratum has both successes and failures" in found.reason


@given(tables)
def test_swapping_arms_or_outcomes_turns_the_odds(rows: list[tuple[int, int, int, int]]) -> None:
    a, n1, c, n2 = np.array(rows).T
    one, arms, outcomes = compared(a, n1, c, n2), compared(c, n2, a, n1), compared(n1 - a, n1, n2 - c, n2)
    for other in (arms, outcomes):
        assert other.difference.value == pytest.approx(-one.difference.value, abs=1e-12)
        assert other.difference.standard_error == pytest.approx(one.difference.standard_error, rel=1e-7, abs=1e-9)
        assert other.p_value == pytest.approx(one.p_value, rel=1e-9)
        if one.reason == other.reason == "":
            assert other.odds_ratio == pytest.approx(1 / one.odds_ratio, rel=1e-9)
            assert other.lower == pytest.approx(1 / one.upper, rel=1e-9)


@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_strata_and_empty_ones_do_not_matter(rows: list[tuple[int, int, int, int]], random: Any) -> None:
    one = compared(*np.array(rows).T)
    mixed = [*rows, (0, 0, 3, 5), (2, 4, 0, 0), (0, 0, 0, 0)]
    random.shuffle(mixed)
    other = compared(*np.array(mixed).T)
    for name in ("statistic", "p_value", "odds_ratio", "lower", "upper", "homogeneity"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-8, abs=1e-10, nan_ok=True)
    assert other.difference.value == pytest.approx(one.difference.value, abs=1e-13)


def test_one_stratum() -> None:
    found = compared([30], [100], [20], [120])
    table = np.array([[30, 70], [20, 100]])
    pearson = stats.chi2_contingency(table, correction=False).statistic
    assert found.statistic == pytest.approx(pearson * 219 / 220, rel=1e-12)
    assert found.odds_ratio == pytest.approx(30 * 100 / (20 * 70), rel=1e-14)
    woolf = np.sqrt((1 / table).sum())
    assert np.log(found.upper / found.odds_ratio) == pytest.approx(stats.norm.ppf(0.975) * woolf, rel=1e-12)
    assert found.difference.value == pytest.approx(0.3 - 20 / 120, rel=1e-14)
    assert found.difference.baseline == pytest.approx(20 / 120, rel=1e-14)
    assert found.reason == "fewer than 2 strata have an error, so homogeneity cannot be tested"
    assert np.isnan(found.homogeneity)


def test_matched_pairs_are_mcnemar() -> None:
    """Strata of one unit an arm: the statistic is (b - c)^2 / (b + c), the odds ratio b / c."""
    pairs = [(1, 1, 0, 1)] * 25 + [(0, 1, 1, 1)] * 10 + [(1, 1, 1, 1)] * 30 + [(0, 1, 0, 1)] * 5
    found = compared(*np.array(pairs).T)
    assert found.statistic == pytest.approx(15**2 / 35, rel=1e-13)
    assert found.odds_ratio == pytest.approx(2.5, rel=1e-13)
    assert found.difference.value == pytest.approx(15 / 70, rel=1e-13)
    paired = np.array([1.0] * 25 + [-1.0] * 10 + [0.0] * 35)
    # Sato's variance keeps the two within-pair outcomes apart: b + c over n squared, less what it takes for the mean.
    assert found.difference.standard_error == pytest.approx(np.sqrt((paired**2).sum()) / 70, rel=0.1)


def test_the_gap_never_passes_the_correction() -> None:
    found = compared([10, 12], [20, 24], [10, 12], [20, 24], correction=True)
    assert (found.statistic, found.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("table", "odds", "ends"),
    [
        (([5, 6], [5, 6], [1, 2], [5, 6]), np.inf, (0.0, np.inf)),
        (([0, 0], [5, 6], [1, 2], [5, 6]), 0.0, (0.0, np.inf)),
        (([0, 0], [5, 6], [0, 0], [5, 6]), np.nan, (np.nan, np.nan)),
    ],
)
def test_empty_cells_give_reasons(table: Any, odds: float, ends: Any) -> None:
    found = compared(*table)
    np.testing.assert_equal(found.odds_ratio, odds)
    np.testing.assert_equal((found.lower, found.upper), ends)
    assert "odds" in found.reason


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (([3], [2], [1], [2]), "treatment_successes must be <= treatment_trials, got 3 of 2 at index 0"),
        (([1, 1], [2, 2], [1, 5], [2, 4]), "control_successes must be <= control_trials, got 5 of 4 at index 1"),
        (([0], [0], [1], [2]), "trials must be > 0 in both arms of a stratum, got no such stratum"),
        (([1], [2], [1, 1], [2, 2]), "counts must be lists of one length, got shapes (1,), (1,), (2,), (2,)"),
    ],
)
def test_refusals(table: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        compared(*table)
    assert str(caught.value) == f"cochran_mantel_haenszel: {text}"


@pytest.mark.parametrize(("strata", "units"), [(5, (80, 50)), (120, (2, 1)), (60, (4, 3))])
def test_level_and_coverage_with_few_large_and_many_small_strata(strata: int, units: tuple[int, int]) -> None:
    rng = np.random.default_rng(17)
    runs = 800
    base = rng.uniform(0.2, 0.5, strata)
    hits = []
    for _ in range(runs):
        null = compared(
            rng.binomial(units[0], base), [units[0]] * strata, rng.binomial(units[1], base), [units[1]] * strata
        )
        moved = compared(
            rng.binomial(units[0], base + 0.1), [units[0]] * strata, rng.binomial(units[1], base), [units[1]] * strata
        )
        interval = moved.difference.interval()
        hits.append((null.p_value < 0.05, interval.lower <= 0.1 <= interval.upper, null.lower <= 1 <= null.upper))
    level, inside, odds = np.mean(hits, axis=0)
    limit = 3.29 * np.sqrt(0.05 * 0.95 / runs)
    assert level == pytest.approx(0.05, abs=limit)
    assert inside == pytest.approx(0.95, abs=limit)
    assert odds == pytest.approx(0.95, abs=limit)
