"""Risk and odds ratios: scores from likelihoods maximised by bisection, at 0 and at n; coverage by enumeration."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mpf
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import ConvergenceError, InputError
from ecomops.experiments import ProportionRatio, compare_proportions, fisher_test, odds_ratio, risk_ratio
from ecomops.experiments.exact.inversion import enclosed_root, falling_crossing

KINDS = {"risk": risk_ratio, "odds": odds_ratio}
METHODS = ("score", "miettinen-nurminen", "log")
Counts = tuple[int, int, int, int]


def shown(kind: str, counts: Any, **options: Any) -> ProportionRatio:
    x1, n1, x2, n2 = counts
    return KINDS[kind](x1, treatment_trials=n1, control_successes=x2, control_trials=n2, **options)


@st.composite
def tables(draw: Any, most: int = 60) -> Counts:
    n1, n2 = draw(st.integers(1, most)), draw(st.integers(1, most))
    return draw(st.integers(0, n1)), n1, draw(st.integers(0, n2)), n2


def likeliest(kind: str, counts: Counts, ratio: Any) -> tuple[Any, Any]:
    """Return the likeliest proportions with a ratio: the slope of the likelihood in p2 falls and is 0 there."""
    x1, n1, x2, n2 = map(mpf, counts)

    def first(p2: Any) -> Any:
        return ratio * p2 if kind == "risk" else ratio * p2 / (1 - p2 + ratio * p2)

    low, high = mpf(0), min(mpf(1), 1 / ratio) if kind == "risk" else mpf(1)
    for _ in range(130):
        p2 = (low + high) / 2
        p1 = first(p2)
        one = (x1 - n1 * p1) / (1 - p1) / p2 if kind == "risk" else (x1 - n1 * p1) / (p2 * (1 - p2))
        slope = one + (x2 - n2 * p2) / (p2 * (1 - p2))
        low, high = (p2, high) if slope > 0 else (low, p2)
    return first(low), low


def score_at(kind: str, counts: Counts, ratio: float, *, corrected: bool) -> float:
    with mpmath.workdps(45):
        x1, n1, x2, n2 = map(mpf, counts)
        r = mpf(ratio)
        p1, p2 = likeliest(kind, counts, r)
        factor = (n1 + n2) / (n1 + n2 - 1) if corrected else 1
        if kind == "risk":
            error = p1 * (1 - p1) / n1 + r * r * p2 * (1 - p2) / n2
            return float((x1 / n1 - r * x2 / n2) / mpmath.sqrt(factor * error))
        information = 1 / (n1 * p1 * (1 - p1)) + 1 / (n2 * p2 * (1 - p2))
        return float((x1 - n1 * p1) * mpmath.sqrt(information / factor))


def check_ends(kind: str, counts: Counts, method: Any, confidence: float) -> None:
    found = shown(kind, counts, method=method, confidence=confidence)
    z = stats.norm.isf((1 - confidence) / 2)
    for end, expected in ((found.lower, z), (found.upper, -z)):
        if 0 < end < math.inf:
            assert score_at(kind, counts, end, corrected=method != "score") == pytest.approx(expected, rel=2e-9)


# --- published values -------------------------------------------------------------------------------------------------


def test_published_values() -> None:
    """R's PropCIs, 7/34 against 1/34: Koopman's interval; its odds ratio stops in steps of 0.1 %. And statpsych."""
    risk = shown("risk", (7, 34, 1, 34))
    np.testing.assert_allclose([risk.lower, risk.upper], [1.220853, 42.575718], rtol=5e-7)
    odds = shown("odds", (7, 34, 1, 34), method="miettinen-nurminen")
    np.testing.assert_allclose([odds.lower, odds.upper], [1.246309, 56.486130], rtol=1.0e-3)
    bonett = shown("risk", (62, 100, 35, 100), method="log")
    np.testing.assert_allclose([bonett.ratio, bonett.lower, bonett.upper], [1.765957, 1.297164, 2.404172], atol=5e-7)


def test_logs_from_their_definitions() -> None:
    """Gart adds a half to each count; at many trials Price and Bonett's interval is Katz's."""
    a, b, c, d = 7.5, 27.5, 1.5, 33.5
    found = shown("odds", (7, 34, 1, 34), method="log")
    width = 1.959963984540054 * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    centre = math.log(a * d / b / c)
    np.testing.assert_allclose(
        [found.lower, found.ratio, found.upper], np.exp([centre - width, centre, centre + width]), rtol=1e-12
    )
    assert found.p_value == pytest.approx(2 * stats.norm.sf(centre / width * 1.959963984540054), rel=1e-10)
    counts = (300_000, 10**6, 250_000, 10**6)
    katz = stats.contingency.relative_risk(300_000, 10**6, 250_000, 10**6).confidence_interval(0.95)
    many = shown("risk", counts, method="log")
    np.testing.assert_allclose([many.lower, many.upper], [katz.low, katz.high], rtol=1e-5)


# --- the score, from a search of its own ------------------------------------------------------------------------------


@given(tables(), st.sampled_from(list(KINDS)), st.sampled_from(METHODS[:2]), st.sampled_from([0.5, 0.9, 0.999]))
@settings(max_examples=30)
def test_ends_are_the_roots_of_the_score(counts: Counts, kind: str, method: Any, confidence: float) -> None:
    check_ends(kind, counts, method, confidence)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    "counts",
    [
        (10**6, 10**6, 10**6, 10**6),
        (10**6, 10**6, 10**6 - 1, 10**6),
        (3, 10**9, 1, 10**9),
        (0, 10**7, 5, 100),
        (5, 100, 0, 10**7),
        (999_900, 10**6, 999_800, 10**6),
    ],
)
def test_ends_stay_exact_for_rare_events_and_many_trials(kind: str, counts: Counts) -> None:
    check_ends(kind, counts, "score", 0.95)


@given(tables(), st.sampled_from(list(KINDS)), st.sampled_from(METHODS[:2]))
def test_where_ends_are_open(counts: Counts, kind: str, method: Any) -> None:
    x1, n1, x2, n2 = counts
    found = shown(kind, counts, method=method)
    open_below = x1 == 0 or (kind == "odds" and x2 == n2)
    open_above = x2 == 0 or (kind == "odds" and x1 == n1)
    assert (found.lower == 0) == open_below
    assert (found.upper == math.inf) == open_above
    nothing = x1 + x2 == 0 or (kind == "odds" and x1 + x2 == n1 + n2)
    assert math.isnan(found.ratio) == bool(found.reason) == nothing
    if nothing:
        assert found.p_value == 1
    else:
        assert found.lower <= found.ratio * (1 + 1e-12)
        assert found.ratio <= found.upper * (1 + 1e-12)


@given(tables(), st.sampled_from(list(KINDS)))
def test_the_score_test_of_one_is_the_pooled_z_test(counts: Counts, kind: str) -> None:
    x1, n1, x2, n2 = counts
    pooled = compare_proportions(x1, treatment_trials=n1, control_successes=x2, control_trials=n2)
    assert shown(kind, counts).p_value == pytest.approx(pooled.p_value, rel=1e-8)


@given(tables(), st.sampled_from(list(KINDS)), st.sampled_from(METHODS), st.floats(0.05, 20))
def test_the_interval_excludes_a_margin_just_when_the_test_rejects(
    counts: Counts, kind: str, method: Any, margin: float
) -> None:
    found = shown(kind, counts, method=method, margin=margin, confidence=0.9)
    assume(abs(found.p_value - 0.1) > 1e-9)
    assert (found.lower > margin or found.upper < margin) == (found.p_value < 0.1)


@given(tables(), st.sampled_from(list(KINDS)), st.sampled_from(METHODS))
def test_swapping_arms_inverts_the_ratio(counts: Counts, kind: str, method: Any) -> None:
    x1, n1, x2, n2 = counts
    assume(0 < x1 < n1 and 0 < x2 < n2)
    one = shown(kind, counts, method=method)
    others = [shown(kind, (x2, n2, x1, n1), method=method)]
    if kind == "odds":
        others.append(shown(kind, (n1 - x1, n1, n2 - x2, n2), method=method))
    for other in others:
        np.testing.assert_allclose([one.lower * other.upper, one.upper * other.lower], 1, rtol=1e-9)
        assert other.p_value == pytest.approx(one.p_value, rel=1e-9)


def test_all_intervals_meet_for_many_trials() -> None:
    counts = (3 * 10**8, 10**9, 2 * 10**8, 10**9)
    for kind in KINDS:
        found = [shown(kind, counts, method=method) for method in METHODS]
        np.testing.assert_allclose([one.lower for one in found], found[0].lower, rtol=1e-8)
        np.testing.assert_allclose([one.upper for one in found], found[0].upper, rtol=1e-8)
    exact = fisher_test(300, treatment_trials=1000, control_successes=200, control_trials=1000, method="mid-p")
    score = shown("odds", (300, 1000, 200, 1000))
    np.testing.assert_allclose([score.lower, score.upper], [exact.lower, exact.upper], rtol=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", list(KINDS))
def test_rows_are_elements(kind: str, method: Any) -> None:
    counts = (np.array([0, 5, 30, 7]), np.array([10, 9, 30, 34]), np.array([0, 9, 0, 1]), 34)
    together = shown(kind, counts, method=method, margin=[1.0, 1.0, 2.0, 0.5])
    for row, margin in enumerate((1.0, 1.0, 2.0, 0.5)):
        alone = shown(kind, (*(int(part[row]) for part in counts[:3]), 34), method=method, margin=margin)
        np.testing.assert_allclose(
            [together.lower[row], together.upper[row], together.p_value[row]],
            [alone.lower, alone.upper, alone.p_value],
            rtol=1e-10,
        )
    assert bool(together.reason[0]) == (method != "log")
    assert shown(kind, (np.array([]), np.array([]), 1, 2), method=method).lower.shape == (0,)


@pytest.mark.parametrize("confidence", [1e-300, 1e-9, 1 - 1e-13, float(np.nextafter(1.0, 0.0))])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_confidence_and_size_has_an_interval(kind: str, method: Any, confidence: float) -> None:
    most = 2**53
    for counts in ((0, 5, 5, 5), (5, 5, 5, 5), (3, 5, 2, 7), (1, 1, 0, 1), (most, most, most - 1, most), (1, most) * 2):
        found = shown(kind, counts, method=method, confidence=confidence)
        assert 0 <= found.lower <= found.upper * (1 + 1e-12)
        assert shown(kind, counts, method=method, margin=[1e-300, 1e300]).p_value.max() <= 1


# --- coverage: every outcome of two binomials -------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(("p1", "p2"), [(0.3, 0.3), (0.05, 0.15), (0.6, 0.2), (0.95, 0.9)])
def test_intervals_cover_as_often_as_they_say(kind: str, method: Any, p1: float, p2: float) -> None:
    n1, n2 = 60, 90
    x1, x2 = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)
    weight = stats.binom.pmf(x1, n1, p1) * stats.binom.pmf(x2, n2, p2)
    ratio = p1 / p2 if kind == "risk" else p1 / (1 - p1) * (1 - p2) / p2
    found = shown(kind, (x1, n1, x2, n2), method=method)
    assert 0.93 < weight[(found.lower <= ratio) & (found.upper >= ratio)].sum() < 0.98


# --- the root finder, and refusals ------------------------------------------------------------------------------------


def test_roots() -> None:
    start = np.array([0.0, 40.0, -3e5])
    root = np.array([1.25, -7.0, 1e6])
    found = falling_crossing(lambda x: np.arctan(root - x) ** 3, start)
    np.testing.assert_allclose(found, root, rtol=1e-9)
    assert falling_crossing(lambda x: -x, np.array([])).size == 0
    with pytest.raises(ConvergenceError, match="crossing of a falling function: none within"):
        falling_crossing(np.ones_like, np.array([0.0]))
    with pytest.raises(ConvergenceError, match="root of a monotone function: 200 steps were not enough"):
        enclosed_root(lambda x: np.sign(0.3 - x), np.array([-1e300]), np.array([1e300]))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize(
    ("counts", "options", "text"),
    [
        ((1, 2, 0, [3, 0]), {}, "control_trials must be >= 1, got 0; leave out arms without units"),
        ((3, 2, 1, 2), {}, "treatment_successes must be <= treatment_trials, got 3 of 2"),
        ((1, 2, 1, 2), {"margin": 0}, "margin must be > 0, got 0.0"),
        ((1, 2, 1, 2), {"confidence": 1.0}, "confidence must be < 1, got 1.0"),
        ((1, 2, 1, 2), {"method": "wald"}, "method must be 'score', 'miettinen-nurminen' or 'log', got 'wald'"),
    ],
)
def test_refusals(kind: str, counts: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        shown(kind, counts, **options)
    assert str(caught.value) == f"{kind}_ratio: {text}"
