"""Fisher's test: against enumeration in whole numbers, scipy and exact polynomials; its level by enumeration."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import FisherTest, fisher_test

ALTERNATIVES = ("two-sided", "greater", "less")
Counts = tuple[int, int, int, int]


def fisher(counts: Any, **options: Any) -> FisherTest:
    x1, n1, x2, n2 = counts
    return fisher_test(x1, treatment_trials=n1, control_successes=x2, control_trials=n2, **options)


@st.composite
def tables(draw: Any, most: int = 60) -> Counts:
    n1, n2 = draw(st.integers(1, most)), draw(st.integers(1, most))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


def law(counts: Counts) -> tuple[list[int], list[int]]:
    """Return the tables with these margins and the whole number of ways to each."""
    x1, n1, x2, n2 = counts
    m = x1 + x2
    support = list(range(max(0, m - n2), min(n1, m) + 1))
    return support, [math.comb(n1, k) * math.comb(n2, m - k) for k in support]


# --- published values -------------------------------------------------------------------------------------------------


def test_the_lady_tasting_tea() -> None:
    """R's ends are to the 1e-4 of its root finder (6.408308867, 0.211732915 to 621.933750545); these are the roots."""
    tea = fisher((3, 4, 1, 4))
    assert tea.p_value == pytest.approx(34 / 70, rel=1e-13)
    assert tea.odds_ratio == pytest.approx(6.408308867, rel=2e-6)
    assert tea.lower == pytest.approx(0.211732915, rel=2e-5)
    assert tea.upper == pytest.approx(621.933750545, rel=0.01)
    r = tea.odds_ratio  # E[k] = 3 at weights 1, 16, 36, 16, 1
    assert sum((k - 3) * w * r**k for k, w in enumerate((1, 16, 36, 16, 1))) == pytest.approx(0, abs=1e-9)
    r = tea.upper
    assert r**4 / (1 + 16 * r + 36 * r**2 + 16 * r**3 + r**4) == pytest.approx(0.975, rel=1e-13)
    one_sided = fisher((3, 4, 1, 4), alternative="greater")
    assert one_sided.p_value == pytest.approx(17 / 70, rel=1e-13)
    assert one_sided.lower == pytest.approx(0.313569264, rel=2e-5)
    assert one_sided.upper == math.inf


# --- oracles ----------------------------------------------------------------------------------------------------------


@given(tables(), st.sampled_from(ALTERNATIVES))
def test_p_values_are_those_of_enumeration(counts: Counts, alternative: Any) -> None:
    support, ways = law(counts)
    x, total = counts[0], sum(ways)
    seen = ways[support.index(x)]
    chosen = {
        "greater": sum(w for k, w in zip(support, ways, strict=True) if k >= x),
        "less": sum(w for k, w in zip(support, ways, strict=True) if k <= x),
        "two-sided": sum(w for w in ways if w <= seen * (1 + 1e-7)),
    }
    assert fisher(counts, alternative=alternative).p_value == pytest.approx(
        float(Fraction(chosen[alternative], total)), rel=1e-12
    )
    halves = {
        "greater": Fraction(2 * chosen["greater"] - seen, 2 * total),
        "less": Fraction(2 * chosen["less"] - seen, 2 * total),
    }
    halves["two-sided"] = min(2 * min(halves.values()), Fraction(1))
    middle = fisher(counts, alternative=alternative, method="mid-p")
    assert middle.p_value == pytest.approx(float(halves[alternative]), rel=1e-12)


@given(tables(), st.sampled_from(ALTERNATIVES), st.sampled_from([0.5, 0.95, 0.999]))
def test_odds_ratio_and_interval_are_those_of_scipy(counts: Counts, alternative: Any, confidence: float) -> None:
    x1, n1, x2, n2 = counts
    found = fisher(counts, alternative=alternative, confidence=confidence)
    oracle = stats.contingency.odds_ratio([[x1, n1 - x1], [x2, n2 - x2]])
    ends = oracle.confidence_interval(confidence, alternative=alternative)
    np.testing.assert_allclose(
        [found.odds_ratio, found.lower, found.upper], [oracle.statistic, ends.low, ends.high], rtol=1e-7
    )
    assert bool(found.reason) == math.isnan(found.odds_ratio)


@given(tables(40), st.sampled_from([0.8, 0.95]))
def test_the_mid_p_interval_leaves_half_of_the_table_seen(counts: Counts, confidence: float) -> None:
    found = fisher(counts, confidence=confidence, method="mid-p")
    support, ways = law(counts)
    for end, sign in ((found.lower, 1), (found.upper, -1)):
        if 0 < end < math.inf:
            weight = [w * end ** (k - counts[0]) for k, w in zip(support, ways, strict=True)]
            share = [0.5 if k == counts[0] else float(sign * (k - counts[0]) > 0) for k in support]
            tail = sum(w * s for w, s in zip(weight, share, strict=True)) / sum(weight)
            assert tail == pytest.approx((1 - confidence) / 2, rel=1e-9)
    wide = fisher(counts, confidence=confidence)
    assert wide.lower <= found.lower * (1 + 1e-12)
    assert found.upper <= wide.upper * (1 + 1e-12)


def test_large_tables_keep_their_digits() -> None:
    """Cookie Cats, 20,034 of 44,700 against 20,119 of 45,489; and a tail that a sum of log gammas would lose."""
    found = fisher((20034, 44700, 20119, 45489))
    law_ = stats.nchypergeom_fisher(90189, 44700, 40153, found.odds_ratio)
    assert law_.mean() == pytest.approx(20034, rel=1e-9)
    n, x = 400_000, 300
    exact = fisher((x, n, 100, n), alternative="greater").p_value
    # sum over k of C(n, k) C(n, m - k) / C(2n, m), with whole numbers
    ways = math.comb(n, x) * math.comb(n, 100)
    total, k = 0, x
    while ways and k <= 400:
        total += ways
        ways = ways * (n - k) * (400 - k) // ((k + 1) * (n - 400 + k + 1))
        k += 1
    assert exact == pytest.approx(float(Fraction(total, math.comb(2 * n, 400))), rel=1e-10)


# --- properties -------------------------------------------------------------------------------------------------------


@given(tables(), st.sampled_from(["exact", "mid-p"]))
@settings(max_examples=40)
def test_swapping_arms_or_successes_inverts_the_ratio(counts: Counts, method: Any) -> None:
    x1, n1, x2, n2 = counts
    one = fisher(counts, method=method)
    assume(not one.reason and 0 < one.odds_ratio < math.inf)
    for other in (fisher((x2, n2, x1, n1), method=method), fisher((n1 - x1, n1, n2 - x2, n2), method=method)):
        assert other.p_value == pytest.approx(one.p_value, rel=1e-9)
        assert other.odds_ratio == pytest.approx(1 / one.odds_ratio, rel=1e-9)
        assert other.lower * one.upper == pytest.approx(1, rel=1e-9)


@given(tables(), st.sampled_from(["greater", "less"]), st.sampled_from(["exact", "mid-p"]))
def test_a_one_sided_interval_excludes_one_just_when_the_test_rejects(
    counts: Counts, alternative: Any, method: Any
) -> None:
    found = fisher(counts, alternative=alternative, method=method, confidence=0.9)
    assume(abs(found.p_value - 0.1) > 1e-9)
    assert (found.lower > 1 or found.upper < 1) == (found.p_value < 0.1)


@pytest.mark.parametrize("confidence", [1e-300, 1e-9, 1 - 1e-13, float(np.nextafter(1.0, 0.0))])
@pytest.mark.parametrize("method", ["exact", "mid-p"])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_every_confidence_has_an_interval(method: Any, alternative: Any, confidence: float) -> None:
    for counts in ((0, 5, 0, 5), (5, 5, 0, 5), (3, 5, 2, 7), (1, 1, 0, 1), (400, 900, 3, 1000)):
        found = fisher(counts, method=method, alternative=alternative, confidence=confidence)
        assert 0 <= found.lower <= found.upper * (1 + 1e-12)


def test_rows_are_elements() -> None:
    counts = (np.array([0, 5, 30, 7, 700]), np.array([10, 9, 30, 34, 1000]), np.array([0, 9, 0, 1, 3]), 2000)
    together = fisher(counts)
    for row in range(5):
        alone = fisher((*(int(part[row]) for part in counts[:3]), 2000))
        np.testing.assert_allclose(
            [together.p_value[row], together.odds_ratio[row], together.lower[row], together.upper[row]],
            [alone.p_value, alone.odds_ratio, alone.lower, alone.upper],
            rtol=1e-12,
        )
    assert together.reason.tolist() == ["no trial, or every trial, succeeded in both arms", "", "", "", ""]
    assert fisher((np.array([]), np.array([]), 1, 2)).lower.shape == (0,)
    many = fisher((np.full(30_000, 8), 20, np.full(30_000, 3), 20))  # several blocks
    assert np.unique(many.p_value).size == 1


# --- the level, by enumeration of every table -------------------------------------------------------------------------


def size_of(reject: Any, n1: int, n2: int) -> float:
    """Return the largest chance to reject over the common rate."""
    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)

    def chance(rate: float) -> float:
        return float((reject * stats.binom.pmf(x1, n1, rate) * stats.binom.pmf(x2, n2, rate)).sum())

    rates = np.linspace(0.001, 0.999, 201)
    best = rates[int(np.argmax([chance(rate) for rate in rates]))]
    bounds = (max(best - 0.02, 0), min(best + 0.02, 1))
    return -float(optimize.minimize_scalar(lambda r: -chance(r), bounds=bounds, method="bounded").fun)


@pytest.mark.parametrize(("n1", "n2"), [(10, 10), (12, 25)])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_the_level_holds_at_every_rate(n1: int, n2: int, alternative: Any) -> None:
    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)
    found = fisher((x1, n1, x2, n2), alternative=alternative)
    middle = fisher((x1, n1, x2, n2), alternative=alternative, method="mid-p")
    for alpha in (0.01, 0.05):
        exact, half = size_of(found.p_value <= alpha, n1, n2), size_of(middle.p_value <= alpha, n1, n2)
        assert exact <= alpha + 1e-12
        assert exact <= half <= 1.5 * alpha  # mid-p comes nearer, and may pass it a little


@pytest.mark.parametrize("ratio", [0.3, 1.0, 4.0])
def test_the_interval_covers_at_least_as_often_as_it_says(ratio: float) -> None:
    n1, n2 = 15, 22
    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)
    found = fisher((x1, n1, x2, n2), confidence=0.9)
    covered = (found.lower <= ratio * (1 + 1e-9)) & (found.upper >= ratio * (1 - 1e-9))
    for p2 in np.linspace(0.02, 0.98, 49):
        p1 = ratio * p2 / (1 - p2 + ratio * p2)
        weight = stats.binom.pmf(x1, n1, p1) * stats.binom.pmf(x2, n2, p2)
        assert (weight * covered).sum() >= 0.9 - 1e-12


@pytest.mark.parametrize(
    ("counts", "options", "text"),
    [
        ((1, 0, 1, 2), {}, "treatment_trials must be >= 1, got 0; leave out arms without units"),
        ((3, 2, 1, 2), {}, "treatment_successes must be <= treatment_trials, got 3 of 2"),
        ((1, 2, [1, 9], 4), {}, "control_successes must be <= control_trials, got 9 of 4"),
        (
            (10**6, 10**7, 10**6, 10**7),
            {},
            (
                "treatment_successes must leave at most 1000000 tables with the same margins, got 2e+06; "
                "use compare_proportions"
            ),
        ),
        ((1, 2, 1, 2), {"method": "score"}, "method must be 'exact' or 'mid-p', got 'score'"),
    ],
)
def test_refusals(counts: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        fisher(counts, **options)
    assert str(caught.value) == f"fisher_test: {text}"
