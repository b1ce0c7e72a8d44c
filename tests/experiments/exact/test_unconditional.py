"""Barnard's and Boschloo's tests: against exact fractions, scipy and a fine grid; their level by enumeration."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import UnconditionalTest, barnard_test, boschloo_test, fisher_test

ALTERNATIVES = ("two-sided", "greater", "less")
TESTS = {"barnard": barnard_test, "boschloo": boschloo_test}
Counts = tuple[int, int, int, int]


def shown(name: str, counts: Any, alternative: Any = "two-sided") -> UnconditionalTest:
    x1, n1, x2, n2 = counts
    return TESTS[name](x1, treatment_trials=n1, control_successes=x2, control_trials=n2, alternative=alternative)


@st.composite
def tables(draw: Any, most: int = 14) -> Counts:
    n1, n2 = draw(st.integers(1, most)), draw(st.integers(1, most))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


def signed_square(i: int, n1: int, j: int, n2: int) -> Fraction:
    """Return the square of the pooled z statistic with its sign, without rounding."""
    s, n = i + j, n1 + n2
    gap = Fraction(i, n1) - Fraction(j, n2)
    if gap == 0:
        return Fraction(0)
    square = gap * gap / (Fraction(s * (n - s), n * n) * (Fraction(1, n1) + Fraction(1, n2)))
    return square if gap > 0 else -square


def fisher_p(i: int, n1: int, j: int, n2: int, alternative: str) -> Fraction:
    m = i + j
    support = range(max(0, m - n2), min(n1, m) + 1)
    ways = {k: math.comb(n1, k) * math.comb(n2, m - k) for k in support}
    kept = {
        "greater": [k for k in support if k >= i],
        "less": [k for k in support if k <= i],
        "two-sided": [k for k in support if ways[k] <= ways[i]],
    }[alternative]
    return Fraction(sum(ways[k] for k in kept), sum(ways.values()))


def from_fractions(name: str, counts: Counts, alternative: str) -> float:
    """Return the p-value from a region found in exact arithmetic and a fine grid of rates."""
    _, n1, _, n2 = counts
    cells = [(i, j) for i in range(n1 + 1) for j in range(n2 + 1)]
    if name == "boschloo":
        seen = fisher_p(*counts, alternative)
        region = [(i, j) for i, j in cells if fisher_p(i, n1, j, n2, alternative) <= seen]
    else:
        of = {"greater": lambda v: v, "less": lambda v: -v, "two-sided": abs}[alternative]
        least = of(signed_square(*counts))
        region = [(i, j) for i, j in cells if of(signed_square(i, n1, j, n2)) >= least]
    rate = np.sin(np.linspace(0, np.pi / 2, 4001)) ** 2
    n = n1 + n2
    ways = [0] * (n + 1)
    for i, j in region:
        ways[i + j] += math.comb(n1, i) * math.comb(n2, j)
    return float(max(sum(w * rate**s * (1 - rate) ** (n - s) for s, w in enumerate(ways))))


def test_published_values() -> None:
    """The examples of scipy. Its Barnard p-value, 0.0681534, leaves out a tied table that rounding puts below: see the next test."""
    barnard = shown("barnard", (7, 15, 12, 15))
    assert barnard.statistic == pytest.approx(-1.894, abs=5e-4)
    assert barnard.p_value == pytest.approx(0.0682183093, abs=1e-9)
    boschloo = shown("boschloo", (74, 117, 31, 63), "greater")
    assert boschloo.statistic == pytest.approx(0.0483122, abs=5e-8)
    assert boschloo.p_value == pytest.approx(0.0355641, abs=5e-8)


def test_tables_that_tie_in_exact_arithmetic_are_counted() -> None:
    """(7, 12) of 15 each ties with its mirror (3, 8), which counts as soon as the region is drawn in fractions."""
    assert signed_square(7, 15, 12, 15) == signed_square(3, 15, 8, 15)
    assert shown("barnard", (7, 15, 12, 15)).p_value == pytest.approx(
        from_fractions("barnard", (7, 15, 12, 15), "two-sided"), rel=1e-6
    )
    # 1 of 3 against 3 of 3: (0, 2), (0, 3) and (1, 3), so 7 of 64 at a rate of one half.
    assert shown("barnard", (1, 3, 3, 3), "less").p_value == pytest.approx(7 / 64, rel=1e-12)


@pytest.mark.parametrize("name", list(TESTS))
@given(counts=tables(), alternative=st.sampled_from(ALTERNATIVES))
@settings(max_examples=40)
def test_p_values_are_those_of_exact_fractions(name: str, counts: Counts, alternative: Any) -> None:
    found, expected = shown(name, counts, alternative), from_fractions(name, counts, alternative)
    assert expected * (1 - 1e-9) <= found.p_value <= expected * (1 + 1e-4)
    assert found.p_value == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("counts", [(15, 50, 20, 55), (60, 200, 76, 210), (3, 120, 12, 130), (144, 480, 182, 480)])
@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_larger_tables_agree_with_scipy(counts: Counts, alternative: Any) -> None:
    x1, n1, x2, n2 = counts
    table = [[x1, x2], [n1 - x1, n2 - x2]]
    assert shown("barnard", counts, alternative).p_value == pytest.approx(
        stats.barnard_exact(table, alternative=alternative, n=64).pvalue, rel=1e-7
    )
    if n1 < 480:
        assert shown("boschloo", counts, alternative).p_value == pytest.approx(
            stats.boschloo_exact(table, alternative=alternative, n=64).pvalue, rel=1e-7
        )


@given(tables(30), st.sampled_from(ALTERNATIVES))
def test_boschloo_rejects_whenever_fisher_does(counts: Counts, alternative: Any) -> None:
    x1, n1, x2, n2 = counts
    fisher = fisher_test(x1, treatment_trials=n1, control_successes=x2, control_trials=n2, alternative=alternative)
    found = shown("boschloo", counts, alternative)
    assert found.statistic == pytest.approx(fisher.p_value, rel=1e-9)
    assert found.p_value <= fisher.p_value * (1 + 1e-9)


@given(tables(30), st.sampled_from(list(TESTS)))
@settings(max_examples=30)
def test_swapping_arms_or_successes_mirrors_the_test(counts: Counts, name: str) -> None:
    x1, n1, x2, n2 = counts
    for one, other in (("greater", "less"), ("less", "greater"), ("two-sided", "two-sided")):
        expected = shown(name, counts, one).p_value
        assert shown(name, (x2, n2, x1, n1), other).p_value == pytest.approx(expected, rel=1e-8)
        assert shown(name, (n1 - x1, n1, n2 - x2, n2), other).p_value == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", list(TESTS))
@pytest.mark.parametrize(("n1", "n2"), [(10, 10), (12, 25), (30, 30)])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_the_level_holds_at_every_rate_and_is_nearly_used(name: str, n1: int, n2: int, alternative: Any) -> None:
    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)
    found = shown(name, (x1, n1, x2, n2), alternative).p_value
    rates = np.sin(np.linspace(0.01, np.pi / 2 - 0.01, 2001)) ** 2
    one, two = stats.binom.pmf(x1, n1, rates), stats.binom.pmf(x2[:, None], n2, rates)
    for alpha in (0.01, 0.05):
        size = np.einsum("ir,ij,jr->r", one, (found <= alpha).astype(float), two).max()
        assert alpha / 2 < size <= alpha + 1e-12


def test_the_rate_is_where_the_p_value_comes_from() -> None:
    n1, n2 = 30, 34
    found = shown("barnard", (9, n1, 18, n2))
    i, j = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)
    pooled = (i + j) / (n1 + n2)
    error = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / n1 + 1 / n2))
    extreme = np.abs(i / n1 - j / n2) / error >= abs(found.statistic) - 1e-9
    weight = stats.binom.pmf(i, n1, found.rate) * stats.binom.pmf(j, n2, found.rate)
    assert weight[extreme].sum() == pytest.approx(found.p_value, rel=1e-9)


def test_rows_are_elements() -> None:
    counts = (np.array([0, 5, 30, 7]), np.array([10, 9, 30, 34]), np.array([0, 9, 0, 1]), 34)
    for name in TESTS:
        together = shown(name, counts)
        for row in range(4):
            alone = shown(name, (*(int(part[row]) for part in counts[:3]), 34))
            assert together.p_value[row] == pytest.approx(alone.p_value, rel=1e-12)
    assert shown("barnard", counts).reason.tolist() == ["no trial, or every trial, succeeded in both arms", "", "", ""]
    assert math.isnan(shown("barnard", (0, 3, 0, 4)).statistic)
    assert shown("boschloo", (0, 3, 0, 4)).reason == ""
    for name in TESTS:
        assert shown(name, (0, 3, 0, 4)).p_value == pytest.approx(1, rel=1e-12)
        assert shown(name, (1, 1, 0, 1), "greater").p_value == pytest.approx(0.25, rel=1e-12)
        assert shown(name, (np.array([]), 1, 0, 1)).p_value.shape == (0,)


@pytest.mark.parametrize("name", list(TESTS))
@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((1, 0, 1, 2), "treatment_trials must be >= 1, got 0; leave out arms without units"),
        ((3, 2, 1, 2), "treatment_successes must be <= treatment_trials, got 3 of 2"),
        ((3, 5, 1, 1001), "control_trials must be <= 1000 to enumerate all tables, got 1001; use compare_proportions"),
        (
            (3, 2000, 1, 9),
            "treatment_trials must be <= 1000 to enumerate all tables, got 2000; use compare_proportions",
        ),
    ],
)
def test_refusals(name: str, counts: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        shown(name, counts)
    assert str(caught.value) == f"{name}_test: {text}"
