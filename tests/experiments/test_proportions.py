"""Two proportions: the intervals against other derivations and simulation, at 0 and at n, for rare events and many trials."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mpf
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import ProportionComparison, compare_proportions

METHODS = ("miettinen-nurminen", "score", "newcombe", "agresti-caffo", "wald")
Counts = tuple[int, int, int, int]


def compared(counts: Counts | tuple[Any, ...], **options: Any) -> ProportionComparison:
    x1, n1, x2, n2 = counts
    return compare_proportions(x1, treatment_trials=n1, control_successes=x2, control_trials=n2, **options)


@st.composite
def tables(draw: Any, most: int = 400) -> Counts:
    n1, n2 = draw(st.integers(1, most)), draw(st.integers(1, most))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


# --- the score intervals against a search of their own ----------------------------------------------------------------


def score_at(counts: Counts, gap: float, *, corrected: bool) -> float:
    """Return the score statistic at a gap, to 30 digits, at the proportions of the largest likelihood with that gap.

    The slope of the likelihood falls, and is 0 there: found by bisection, not by a formula.
    """
    with mpmath.workdps(40):
        x1, n1, x2, n2 = map(mpf, counts)
        between = mpf(gap)
        low, high = max(mpf(0), -between), min(mpf(1), 1 - between)
        if x1 + x2 in {0, n1 + n2}:
            low = high = low if x1 + x2 == 0 else high
        for _ in range(100):
            p2 = (low + high) / 2
            p1 = p2 + between
            if low == high or not 0 < p1 < 1:
                break
            slope = x1 / p1 - (n1 - x1) / (1 - p1) + x2 / p2 - (n2 - x2) / (1 - p2)
            low, high = (p2, high) if slope > 0 else (low, p2)
        p1, p2 = low + between, low
        factor = (n1 + n2) / (n1 + n2 - 1) if corrected else 1
        variance = factor * (p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
        return float((x1 / n1 - x2 / n2 - between) / mpmath.sqrt(variance))


def check_score_interval(counts: Counts, method: Any, confidence: float) -> None:
    """The statistic is just the quantile at each end; an end at -1 or 1 is the estimate itself."""
    found = compared(counts, method=method, confidence=confidence)
    z = stats.norm.isf((1 - confidence) / 2)
    for end, expected in ((found.lower, z), (found.upper, -z)):
        if abs(found.difference) == 1 and end == found.difference:
            continue
        assert score_at(counts, end, corrected=method != "score") == pytest.approx(expected, rel=2e-10)


@pytest.mark.parametrize(
    "counts",
    [
        (0, 10, 0, 10),
        (10, 10, 10, 10),
        (10, 10, 0, 10),
        (0, 1, 1, 1),
        (1, 2, 10**6, 10**8),
        (5, 100, 0, 10**7),
        (120, 10**6, 100, 10**6),
        (999_900, 10**6, 999_800, 10**6),
        (3, 10**9, 1, 10**9),
        (0, 10**7, 0, 10**7),
        (10**6, 10**6, 1, 10**6),
    ],
)
def test_score_intervals_stay_exact_for_rare_events_and_many_trials(counts: Counts) -> None:
    check_score_interval(counts, "miettinen-nurminen", 0.95)


@given(tables(60), st.sampled_from(["miettinen-nurminen", "score"]), st.sampled_from([0.5, 0.9, 0.999]))
def test_score_intervals_are_the_roots_of_the_score(counts: Counts, method: Any, confidence: float) -> None:
    check_score_interval(counts, method, confidence)


# --- the closed forms -------------------------------------------------------------------------------------------------


@given(tables(), st.floats(0.5, 0.999))
def test_wilson_newcombe_and_agresti_caffo_from_their_definitions(counts: Counts, confidence: float) -> None:
    x1, n1, x2, n2 = counts
    z = stats.norm.ppf(0.5 + confidence / 2)
    # Newcombe's method 10 joins two Wilson intervals; scipy has those.
    (l1, u1), (l2, u2) = (
        stats.binomtest(x, n).proportion_ci(confidence, method="wilson") for x, n in ((x1, n1), (x2, n2))
    )
    p1, p2 = x1 / n1, x2 / n2
    newcombe = [p1 - p2 - math.hypot(p1 - l1, u2 - p2), p1 - p2 + math.hypot(u1 - p1, p2 - l2)]
    found = compared(counts, confidence=confidence, method="newcombe")
    np.testing.assert_allclose([found.lower, found.upper], newcombe, rtol=1e-7, atol=1e-9)
    q1, q2 = (x1 + 1) / (n1 + 2), (x2 + 1) / (n2 + 2)
    error = math.sqrt(q1 * (1 - q1) / (n1 + 2) + q2 * (1 - q2) / (n2 + 2))
    found = compared(counts, confidence=confidence, method="agresti-caffo")
    np.testing.assert_allclose(
        [found.lower, found.upper], np.clip([q1 - q2 - z * error, q1 - q2 + z * error], -1, 1), rtol=1e-9, atol=1e-12
    )


@given(tables())
def test_the_test_is_the_chi_square_of_the_table(counts: Counts) -> None:
    x1, n1, x2, n2 = counts
    found = compared(counts)
    if x1 + x2 in {0, n1 + n2}:
        assert (found.p_value, found.reason) == (1.0, "no trial, or every trial, succeeded in both arms")
        assert math.isnan(found.statistic)
        return
    expected = stats.chi2_contingency([[x1, n1 - x1], [x2, n2 - x2]], correction=False)
    assert found.statistic**2 == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-8)
    assert np.sign(found.statistic) == np.sign(found.difference)
    assert found.reason == ""


# --- properties -------------------------------------------------------------------------------------------------------


@given(tables(), st.sampled_from([0.8, 0.95, 0.99]))
def test_the_score_interval_excludes_zero_just_when_the_test_rejects(counts: Counts, confidence: float) -> None:
    """At a gap of 0 the likeliest proportions are the pooled one, so Mee's interval is the dual of the z test."""
    found = compared(counts, confidence=confidence, method="score")
    assume(abs(found.p_value - (1 - confidence)) > 1e-9)
    assert (found.lower > 0 or found.upper < 0) == (found.p_value < 1 - confidence)


@given(tables(), st.sampled_from(METHODS), st.floats(0.5, 0.999))
def test_swapping_arms_or_successes_mirrors_the_interval(counts: Counts, method: Any, confidence: float) -> None:
    x1, n1, x2, n2 = counts
    one = compared(counts, method=method, confidence=confidence)
    arms = compared((x2, n2, x1, n1), method=method, confidence=confidence)
    failures = compared((n1 - x1, n1, n2 - x2, n2), method=method, confidence=confidence)
    for other in (arms, failures):
        np.testing.assert_allclose([other.lower, other.upper], [-one.upper, -one.lower], rtol=1e-9, atol=1e-12)
        assert other.p_value == pytest.approx(one.p_value, rel=1e-9)


@given(tables(), st.sampled_from(METHODS))
def test_intervals_lie_in_range_and_widen_with_confidence(counts: Counts, method: Any) -> None:
    found = [compared(counts, method=method, confidence=level) for level in (0.9, 0.95, 0.99)]
    for narrow, wide in zip(found[:-1], found[1:], strict=True):
        assert -1 - 1e-12 <= wide.lower <= narrow.lower + 1e-12
        assert narrow.upper - 1e-12 <= wide.upper <= 1 + 1e-12
    if method != "agresti-caffo":  # whose centre is shrunken
        assert found[0].lower - 1e-12 <= found[0].difference <= found[0].upper + 1e-12


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_all_intervals_meet_for_many_trials(p1: float, p2: float) -> None:
    n = 10**9
    found = [compared((round(p1 * n), n, round(p2 * n), n), method=method) for method in METHODS]
    np.testing.assert_allclose([one.lower for one in found], found[-1].lower, atol=1e-8)
    np.testing.assert_allclose([one.upper for one in found], found[-1].upper, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_rows_are_elements(method: Any) -> None:
    counts = (np.array([0, 5, 30, 7]), np.array([10, 9, 30, 34]), np.array([0, 9, 0, 1]), 34)
    together = compared(counts, method=method)
    for row in range(4):
        alone = compared((*(int(part[row]) for part in counts[:3]), 34), method=method)
        np.testing.assert_allclose(
            [together.lower[row], together.upper[row], together.p_value[row]],
            [alone.lower, alone.upper, alone.p_value],
            rtol=1e-12,
        )
    assert together.reason.tolist() == ["no trial, or every trial, succeeded in both arms", "", "", ""]
    assert compared((np.array([]), np.array([]), 1, 2), method=method).lower.shape == (0,)


@pytest.mark.parametrize("confidence", [1e-300, 1e-9, 1 - 1e-13, float(np.nextafter(1.0, 0.0))])
@pytest.mark.parametrize("method", METHODS)
def test_every_confidence_has_an_interval(method: Any, confidence: float) -> None:
    for counts in ((0, 5, 0, 5), (5, 5, 0, 5), (3, 5, 2, 7)):
        found = compared(counts, method=method, confidence=confidence)
        assert -1 - 1e-12 <= found.lower <= found.upper <= 1 + 1e-12


# --- simulation: every outcome of two binomials, so without noise -----------------------------------------------------


def chances(p1: float, n1: int, p2: float, n2: int) -> tuple[Any, Any]:
    """Return all tables of two binomials, and their probabilities."""
    x1, x2 = (part.ravel() for part in np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1), indexing="ij"))
    return (x1, n1, x2, n2), stats.binom.pmf(x1, n1, p1) * stats.binom.pmf(x2, n2, p2)


@pytest.mark.parametrize(
    ("method", "least"), [("miettinen-nurminen", 0.935), ("newcombe", 0.93), ("agresti-caffo", 0.93)]
)
@pytest.mark.parametrize(("p1", "p2"), [(0.3, 0.3), (0.05, 0.15), (0.6, 0.2), (0.98, 0.9)])
def test_intervals_cover_as_often_as_they_say(method: Any, least: float, p1: float, p2: float) -> None:
    """Exact coverage at 60 and 90 trials lies near the level; Wald's does not at the edge."""
    counts, weight = chances(p1, 60, p2, 90)
    found = compared(counts, method=method)
    covered = weight[(found.lower <= p1 - p2) & (found.upper >= p1 - p2)].sum()
    assert least < covered < 0.975


def test_wald_covers_less_than_it_says_at_the_edge() -> None:
    counts, weight = chances(0.02, 60, 0.08, 20)
    found = compared(counts, method="wald")
    assert 0.79 < weight[(found.lower <= -0.06) & (found.upper >= -0.06)].sum() < 0.82


@pytest.mark.parametrize("rate", [0.02, 0.3])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_no_effect_is_found_as_often_as_alpha_says(rate: float, alpha: float) -> None:
    """Both the z test and the interval of Miettinen and Nurminen, over 20,000 experiments of 4,000 and 6,000 users."""
    runs, rng = 20_000, np.random.default_rng(8)
    counts = (rng.binomial(4000, rate, runs), 4000, rng.binomial(6000, rate, runs), 6000)
    found = compared(counts, confidence=1 - alpha)
    limit = 3.29 * math.sqrt(alpha * (1 - alpha) / runs)
    assert (found.p_value < alpha).mean() == pytest.approx(alpha, abs=limit)
    assert ((found.lower > 0) | (found.upper < 0)).mean() == pytest.approx(alpha, abs=limit)


# --- refusals and data ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "options", "text"),
    [
        ((1, 0, 1, 2), {}, "treatment_trials must be >= 1, got 0; leave out arms without units"),
        ((1, 2, 0, [3, 0]), {}, "control_trials must be >= 1, got 0; leave out arms without units"),
        ((3, 2, 1, 2), {}, "treatment_successes must be <= treatment_trials, got 3 of 2"),
        ((1, 2, [1, 9], 4), {}, "control_successes must be <= control_trials, got 9 of 4"),
        ((1.5, 2, 1, 2), {}, "treatment_successes must be a whole number of at most 2**53, got 1.5"),
        ((-1, 2, 1, 2), {}, "treatment_successes must be >= 0, got -1.0"),
        ((1, 2, 1, 2), {"confidence": 1.0}, "confidence must be < 1, got 1.0"),
        (
            (1, 2, 1, 2),
            {"method": "exact"},
            "method must be 'miettinen-nurminen', 'score', 'newcombe', 'agresti-caffo' or 'wald', got 'exact'",
        ),
        (([1, 2], 3, [1, 2, 3], 4), {}, "shapes must broadcast, got treatment_successes (2,), control_successes (3,)"),
    ],
)
def test_refusals(counts: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        compared(counts, **options)
    assert str(caught.value) == f"compare_proportions: {text}"


def test_visits_of_hillstrom(shared_data: Any) -> None:
    """Every e-mail brought visits; on halves of the customers each interval holds the other half's difference or nearly."""
    rows = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))
    halves = []
    for start in (0, 1):
        arms = rows[start::2].groupby("segment")["visit"].agg(["sum", "count"])
        control = arms.loc["No E-Mail"]
        mails = arms.drop(index="No E-Mail")
        halves.append(compared((mails["sum"], mails["count"], control["sum"], control["count"])))
    for one, other in (halves, halves[::-1]):
        assert one.to_frame().index.tolist() == ["Mens E-Mail", "Womens E-Mail"]
        assert (one.lower > 0.03).all()
        wide = 1.5 * (one.upper - one.lower) / 2  # a difference of two halves: more than sqrt(2) of one half-width
        assert (np.abs(one.difference - other.difference) < wide).all()


def test_payments_of_the_free_trial(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("udacity_free_trial/udacity_free_trial.csv"))
    arms = rows.dropna().groupby("group")[["Clicks", "Enrollments", "Payments"]].sum()
    treated, control = arms.loc["experiment"], arms.loc["control"]
    enrolled = compared((treated["Enrollments"], treated["Clicks"], control["Enrollments"], control["Clicks"]))
    assert enrolled.difference == pytest.approx(-0.02055, abs=5e-6)
    assert enrolled.upper < -0.01
    kept = compared((treated["Payments"], treated["Enrollments"], control["Payments"], control["Enrollments"]))
    assert kept.lower > 0
