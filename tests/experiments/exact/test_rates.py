"""Poisson rates: against sums of binomial probabilities, mpmath and Wilson's interval; level and coverage by enumeration."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import RateComparison, compare_rates

ALTERNATIVES = ("two-sided", "greater", "less")
METHODS = ("exact", "mid-p", "score")
counts = st.integers(0, 80)
exposures = st.floats(0.05, 20)


def compared(x1: Any, t1: Any, x2: Any, t2: Any, **options: Any) -> RateComparison:
    return compare_rates(x1, treatment_exposure=t1, control_events=x2, control_exposure=t2, **options)


def test_published_value() -> None:
    """R's poisson.test(c(11, 21), c(800, 3011))."""
    found = compared(11, 800, 21, 3011)
    assert found.p_value == pytest.approx(0.0796686, abs=5e-8)
    np.testing.assert_allclose([found.ratio, found.lower, found.upper], [1.9714881, 0.8584264, 4.2772659], rtol=5e-8)


@given(counts, exposures, counts, exposures, st.sampled_from(ALTERNATIVES), st.floats(0.2, 5))
def test_p_values_are_sums_of_binomial_probabilities(
    x1: int, t1: float, x2: int, t2: float, alternative: Any, margin: float
) -> None:
    assume(x1 + x2 > 0)
    m, p = x1 + x2, margin * t1 / (margin * t1 + t2)
    chance = stats.binom.pmf(np.arange(m + 1), m, p)
    # Ties at the edge of the allowance may fall on either side of it.
    assume(not np.any(np.abs(chance / chance[x1] / (1 + 1e-7) - 1) < 1e-9))
    tails = {"greater": chance[x1:].sum(), "less": chance[: x1 + 1].sum()}
    expected = {**tails, "two-sided": chance[chance <= chance[x1] * (1 + 1e-7)].sum()}
    found = compared(x1, t1, x2, t2, alternative=alternative, margin=margin)
    assert found.p_value == pytest.approx(min(expected[alternative], 1), rel=1e-8, abs=1e-300)
    halves = {name: tail - chance[x1] / 2 for name, tail in tails.items()}
    halves["two-sided"] = min(2 * min(halves.values()), 1)
    middle = compared(x1, t1, x2, t2, alternative=alternative, margin=margin, method="mid-p")
    assert middle.p_value == pytest.approx(halves[alternative], rel=1e-6, abs=1e-15)
    z = (x1 - m * p) / math.sqrt(m * p * (1 - p))
    of = {"greater": stats.norm.sf(z), "less": stats.norm.cdf(z), "two-sided": 2 * stats.norm.sf(abs(z))}
    assert compared(x1, t1, x2, t2, alternative=alternative, margin=margin, method="score").p_value == pytest.approx(
        of[alternative], rel=1e-8
    )


@given(counts, exposures, counts, exposures, st.sampled_from([0.5, 0.9, 0.999]))
def test_ends_leave_their_share_of_the_tail(x1: int, t1: float, x2: int, t2: float, confidence: float) -> None:
    assume(x1 + x2 > 0)
    m, alpha = x1 + x2, (1 - confidence) / 2
    for method, weight in (("exact", 1.0), ("mid-p", 0.5)):
        found = compared(x1, t1, x2, t2, confidence=confidence, method=method)
        for end, sign in ((found.lower, 1), (found.upper, -1)):
            if 0 < end < math.inf:
                p = end * t1 / (end * t1 + t2)
                beyond = stats.binom.sf(x1, m, p) if sign > 0 else stats.binom.cdf(x1 - 1, m, p)
                assert beyond + weight * stats.binom.pmf(x1, m, p) == pytest.approx(alpha, rel=1e-8)
        assert (found.lower == 0) == (x1 == 0)
        assert (found.upper == math.inf) == (x2 == 0)
    found = compared(x1, t1, x2, t2, confidence=confidence, method="score")
    wilson = stats._binomtest.BinomTestResult(k=x1, n=m, alternative="two-sided", statistic=0, pvalue=0).proportion_ci(
        confidence, method="wilson"
    )
    assert found.lower == pytest.approx(wilson.low / (1 - wilson.low) * t2 / t1, rel=1e-7, abs=1e-9)
    if x2 > 0:
        assert found.upper == pytest.approx(wilson.high / (1 - wilson.high) * t2 / t1, rel=1e-7)


@pytest.mark.parametrize(("x1", "x2"), [(10**6, 10**6 + 5000), (300, 100), (2 * 10**9, 2 * 10**9 + 10**5)])
def test_many_events_keep_their_digits(x1: int, x2: int) -> None:
    """Against the incomplete beta to 40 digits (one-sided) and, two-sided at equal exposure, twice that."""
    with mpmath.workdps(40):
        if x1 + x2 < 10**4:
            tail = mpmath.betainc(x2, x1 + 1, 0, mpmath.mpf(1) / 2, regularized=True)
            tail = tail if x1 < x2 else mpmath.betainc(x1, x2 + 1, 0, mpmath.mpf(1) / 2, regularized=True)
        else:
            m = x1 + x2
            tail = mpmath.ncdf((min(x1, x2) + mpmath.mpf(1) / 2 - mpmath.mpf(m) / 2) / mpmath.sqrt(mpmath.mpf(m) / 4))
    found = compared(x1, 1, x2, 1, alternative="greater" if x1 > x2 else "less")
    assert found.p_value == pytest.approx(float(tail), rel=1e-10 if x1 < 10**4 else 1e-4)
    assert compared(x1, 1, x2, 1).p_value == pytest.approx(2 * found.p_value, rel=1e-7)


@given(counts, exposures, counts, exposures, st.sampled_from(METHODS))
def test_swapping_arms_inverts_the_ratio(x1: int, t1: float, x2: int, t2: float, method: Any) -> None:
    assume(x1 > 0 and x2 > 0)
    one, other = compared(x1, t1, x2, t2, method=method), compared(x2, t2, x1, t1, method=method)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
    np.testing.assert_allclose([one.ratio * other.ratio, one.lower * other.upper], 1, rtol=1e-8)
    assert one.lower < one.ratio < one.upper


@given(counts, exposures, counts, exposures, st.sampled_from(METHODS), st.sampled_from(["greater", "less"]))
def test_a_one_sided_interval_excludes_the_margin_just_when_the_test_rejects(
    x1: int, t1: float, x2: int, t2: float, method: Any, alternative: Any
) -> None:
    found = compared(x1, t1, x2, t2, method=method, alternative=alternative, confidence=0.9, margin=1.5)
    assume(abs(found.p_value - 0.1) > 1e-8)
    assert (found.lower > 1.5 or found.upper < 1.5) == (found.p_value < 0.1)


@pytest.mark.parametrize("confidence", [1e-300, 1e-9, 1 - 1e-13, float(np.nextafter(1.0, 0.0))])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_every_confidence_has_an_interval(method: Any, alternative: Any, confidence: float) -> None:
    for x1, x2 in ((0, 0), (0, 5), (5, 0), (1, 1), (3, 8), (10**6, 7), (2**51, 3)):
        found = compared(x1, 1, x2, 1, method=method, alternative=alternative, confidence=confidence)
        assert 0 <= found.lower <= found.upper * (1 + 1e-10)


def test_no_events_and_rows() -> None:
    for method in METHODS:
        found = compared([0, 3, 40, 0], 100, [0, 0, 91, 5], [50, 50, 300, 10], method=method)
        assert found.reason.tolist() == ["there were no events", "", "", ""]
        assert math.isnan(found.ratio[0])
        assert (found.lower[0], found.upper[0], found.p_value[0]) == (0, math.inf, 1)
        assert (found.ratio[1], found.upper[1], found.lower[3]) == (math.inf, math.inf, 0)
        for row, (x1, x2, t2) in enumerate(((0, 0, 50), (3, 0, 50), (40, 91, 300), (0, 5, 10))):
            alone = compared(x1, 100, x2, t2, method=method)
            np.testing.assert_allclose(
                [found.lower[row], found.upper[row], found.p_value[row]],
                [alone.lower, alone.upper, alone.p_value],
                rtol=1e-12,
            )
        assert compared([], 100, 1, 2, method=method).lower.shape == (0,)


# --- level and coverage: every outcome of two Poisson counts ----------------------------------------------------------


@pytest.mark.parametrize("mean", [3.0, 8.0])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_level_and_coverage(mean: float, alternative: Any) -> None:
    """The exact test never passes its level, its interval never misses more; mid-p and score come near on both sides."""
    ratio, exposure = 1.0, 1.7
    x1, x2 = np.arange(stats.poisson.isf(1e-9, mean))[:, None], np.arange(stats.poisson.isf(1e-9, mean * exposure))
    weight = stats.poisson.pmf(x1, mean) * stats.poisson.pmf(x2, mean * exposure / ratio)
    for alpha in (0.01, 0.05):
        size = {}
        for method in METHODS:
            found = compared(x1, 1.0, x2, exposure, alternative=alternative, confidence=1 - alpha, method=method)
            missed = (found.lower > ratio * (1 + 1e-9)) | (found.upper < ratio * (1 - 1e-9))
            size[method] = (weight * (found.p_value <= alpha)).sum(), (weight * missed).sum()
        assert max(size["exact"]) <= alpha
        assert max(size["mid-p"]) <= 1.3 * alpha
        assert max(size["score"]) <= 2.5 * alpha
        assert size["exact"][0] <= size["mid-p"][0] + alpha / 4


@pytest.mark.parametrize(
    ("given_", "options", "text"),
    [
        ((1, 0, 1, 2), {}, "treatment_exposure must be > 0, got 0.0"),
        ((1.5, 1, 1, 2), {}, "treatment_events must be a whole number of at most 2**53, got 1.5"),
        ((-1, 1, 1, 2), {}, "treatment_events must be >= 0, got -1.0"),
        ((1, 1, 1, 2), {"margin": 0}, "margin must be > 0, got 0.0"),
        ((2**52, 1, 1, 2), {}, "treatment_events must be at most 2**52 with control_events, got 4.5036e+15"),
        ((1, 1, 1, 2), {"method": "wald"}, "method must be 'exact', 'mid-p' or 'score', got 'wald'"),
    ],
)
def test_refusals(given_: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        compared(*given_, **options)
    assert str(caught.value) == f"compare_rates: {text}"
