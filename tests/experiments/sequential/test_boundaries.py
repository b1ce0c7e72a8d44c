"""The bounds of group-sequential designs against the joint normal, simulated paths, and finer quadrature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats  # noqa: TID251 - the oracle

from ecomops.core import ConvergenceError
from ecomops.experiments import (
    FutilityRule,
    HwangShihDeCani,
    LanDeMets,
    ObrienFleming,
    Pocock,
    PowerSpending,
    StoppingBounds,
    WangTsiatis,
    crossing_probabilities,
    group_sequential_design,
)
from ecomops.experiments.sequential import boundaries as kernel
from ecomops.experiments.sequential import crossings

SPENDING = [LanDeMets(), LanDeMets(like="pocock"), HwangShihDeCani(gamma=-4), PowerSpending(exponent=2)]
BOUNDARIES = [ObrienFleming(), Pocock(), WangTsiatis(exponent=0.25), *SPENDING]


def equal(looks: int) -> Any:
    return np.arange(1, looks + 1) / looks


def rectangle(low: Any, high: Any, fractions: Any, drift: float) -> float:
    """Return P(low < Z < high) of up to three joint normal statistics: given the second score the others are independent."""
    t = np.asarray(fractions)
    low, high = np.sqrt(t) * np.clip(low, -40, 40), np.sqrt(t) * np.clip(high, -40, 40)
    first = stats.norm(drift * t[0], np.sqrt(t[0]))
    if t.size == 1:
        return float(first.cdf(high[0]) - first.cdf(low[0]))

    def density(b: Any) -> Any:
        mean, sd = b * t[0] / t[1], np.sqrt(t[0] * (1 - t[0] / t[1]))
        given = stats.norm.pdf(b, drift * t[1], np.sqrt(t[1])) * np.diff(stats.norm.cdf([low[0], high[0]], mean, sd))
        if t.size == 3:
            step = t[2] - t[1]
            given *= np.diff(stats.norm.cdf([low[2], high[2]], b + drift * step, np.sqrt(step)))
        return given[0]

    ends = np.clip([low[1], high[1]], drift * t[1] - 9 * np.sqrt(t[1]), drift * t[1] + 9 * np.sqrt(t[1]))
    marks = [m for m in (low[0], high[0]) if ends[0] < m < ends[1]]
    return float(integrate.quad(density, *ends, points=marks or None, epsabs=1e-12, epsrel=1e-12, limit=400)[0])


# --- oracles --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fractions", [[0.3, 1.0], [0.05, 0.9, 1.0], [0.5, 0.51, 1.0]])
@pytest.mark.parametrize("boundary", BOUNDARIES, ids=lambda b: b.kind)
@pytest.mark.parametrize("alternative", ["two-sided", "one-sided"])
def test_bounds_spend_the_error_of_the_joint_normal(fractions: list[float], boundary: Any, alternative: Any) -> None:
    design = group_sequential_design(fractions, boundary=boundary, alpha=0.04, alternative=alternative)
    upper = np.asarray(design.bounds.efficacy)
    lower = -upper if alternative == "two-sided" else np.full(upper.size, -np.inf)
    stays = [rectangle(lower[:k], upper[:k], fractions[:k], 0.0) for k in range(1, upper.size + 1)]
    np.testing.assert_allclose(1.0 - np.array(stays), design.alpha_spent, atol=1e-10)
    assert design.alpha_spent[-1] == pytest.approx(0.04, rel=1e-9)
    found = crossing_probabilities(design.bounds, drift=design.drift)
    assert found.upper.sum() == pytest.approx(0.80, rel=1e-10)
    assert found.reject == pytest.approx(1.0 - rectangle(lower, upper, fractions, design.drift), abs=1e-10)


@pytest.mark.parametrize("looks", [2, 3])
def test_scipys_multivariate_normal_agrees(looks: int) -> None:
    t = equal(looks)
    bounds = group_sequential_design(t, boundary=LanDeMets(like="pocock")).bounds
    law = stats.multivariate_normal(2.0 * np.sqrt(t), np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t)))
    stay = law.cdf(bounds.efficacy, lower_limit=-bounds.efficacy)
    assert crossing_probabilities(bounds, drift=2.0).reject == pytest.approx(1.0 - stay, abs=1e-4)


def test_binding_futility_against_the_joint_normal() -> None:
    fractions = [0.4, 0.7, 1.0]
    rule = FutilityRule(spending=PowerSpending(exponent=1.5), binding=True)
    design = group_sequential_design(
        fractions,
        boundary=LanDeMets(),
        alpha=0.025,
        power=0.85,
        alternative="one-sided",
        futility=rule,
    )
    upper, lower = np.asarray(design.bounds.efficacy), np.asarray(design.bounds.futility)
    for drift, total in ((0.0, 0.025), (design.drift, 0.85)):
        ups = [
            rectangle(np.append(lower[:k], upper[k]), np.append(upper[:k], np.inf), fractions[: k + 1], drift)
            for k in range(3)
        ]
        found = crossing_probabilities(design.bounds, drift=drift)
        np.testing.assert_allclose(found.upper, ups, atol=1e-10)
        assert found.reject == pytest.approx(total, rel=1e-9)
        assert found.upper.sum() + found.futility.sum() == pytest.approx(1.0, rel=1e-10)
    np.testing.assert_allclose(np.cumsum(found.futility), design.beta_spent, atol=1e-10)
    loose = group_sequential_design(
        fractions,
        boundary=LanDeMets(),
        alpha=0.025,
        power=0.85,
        alternative="one-sided",
        futility=FutilityRule(spending=PowerSpending(exponent=1.5)),
    )
    assert loose.inflation > design.inflation > 1.0
    assert loose.bounds.efficacy[-1] > upper[-1]


@pytest.mark.parametrize("boundary", [LanDeMets(), ObrienFleming()], ids=lambda b: b.kind)
def test_two_sided_futility_against_the_joint_normal(boundary: Any) -> None:
    fractions = [0.5, 1.0]
    rule = FutilityRule(spending=HwangShihDeCani(gamma=0))
    design = group_sequential_design(fractions, boundary=boundary, power=0.9, futility=rule)
    outer, inner = np.asarray(design.bounds.efficacy), np.asarray(design.bounds.futility)
    assert inner[-1] == outer[-1]
    plain = group_sequential_design(fractions, boundary=boundary).bounds.efficacy
    np.testing.assert_allclose(outer, plain, rtol=1e-10)
    shift = design.drift * np.sqrt(0.5)
    early = stats.norm.cdf(inner[0] - shift) - stats.norm.cdf(-inner[0] - shift)
    late = sum(
        rectangle([a, -outer[1]], [b, outer[1]], fractions, design.drift)
        for a, b in ((-outer[0], -inner[0]), (inner[0], outer[0]))
    )
    ups = [stats.norm.sf(outer[0] - shift)] + [
        rectangle([a, outer[1]], [b, 40], fractions, design.drift)
        for a, b in ((-outer[0], -inner[0]), (inner[0], outer[0]))
    ]
    np.testing.assert_allclose([early, sum(ups)], [0.05, 0.9], atol=1e-10)
    found = crossing_probabilities(design.bounds, drift=design.drift)
    np.testing.assert_allclose(found.futility, [early, late], atol=1e-10)


@pytest.mark.parametrize("drift", [-1.5, 0.0, 2.0, 6.0])
def test_crossings_are_how_often_paths_cross(drift: float) -> None:
    runs, rng = 400_000, np.random.default_rng(5)
    fractions, upper, lower = np.array([0.1, 0.35, 0.4, 1.0]), [2.6, 2.2, 2.3, 1.9], [-2.0, -0.5, 0.2, 1.9]
    steps = np.diff(fractions, prepend=0.0)
    path = np.cumsum(rng.normal(drift * steps, np.sqrt(steps), (runs, 4)), axis=1) / np.sqrt(fractions)
    out = np.stack([path >= upper, path <= lower], axis=-1)
    first = np.argmax(out.any(axis=2), axis=1)
    up = np.bincount(first[out[np.arange(runs), first, 0]], minlength=4) / runs
    bounds = StoppingBounds(fractions=fractions, efficacy=upper, futility=lower, alternative="one-sided")
    found = crossing_probabilities(bounds, drift=drift)
    np.testing.assert_allclose(found.upper, up, atol=4 * 0.5 / np.sqrt(runs))
    assert found.expected_fraction == pytest.approx(fractions[first].mean(), abs=4 * 0.5 / np.sqrt(runs))
    assert found.lower.sum() == 0.0


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("looks", [7, 60])
def test_finer_nodes_change_nothing(looks: int, two_sided: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fractions = np.sort(np.append(np.random.default_rng(looks).uniform(0.01, 1.0, looks - 1), 1.0))
    spend = np.diff(0.025 * fractions**1.5, prepend=0.0)
    found = kernel.spending_bounds(fractions, spend, None, two_sided=two_sided)[0]
    monkeypatch.setattr(crossings, "PANEL", 5.0)
    monkeypatch.setattr(crossings, "MAX_PANELS", 10_000)
    monkeypatch.setattr(crossings, "BAND", 16.0)
    monkeypatch.setattr(crossings, "REACH", 10.0)
    finer = kernel.spending_bounds(fractions, spend, None, two_sided=two_sided)[0]
    np.testing.assert_allclose(found, finer, rtol=1e-11)


def test_a_bound_far_out_keeps_its_digits() -> None:
    """O'Brien-Fleming spending at 1 % and 2 % of the information, by the joint normal in 60 digits' worth of logarithms."""
    fractions = np.array([0.01, 0.02, 1.0])
    design = group_sequential_design(fractions, boundary=LanDeMets(), alpha=0.05)
    z = stats.norm.isf(0.0125)
    first = stats.norm.isf(2 * stats.norm.sf(z / 0.1))
    assert design.bounds.efficacy[0] == pytest.approx(first, rel=1e-12)
    # P(Z1 < u1, Z2 > u2) by fine trapezoid over the first score.
    score = np.linspace(-1.0, first * 0.1, 400_001)
    law = stats.norm.pdf(score / 0.1) / 0.1 * stats.norm.sf((design.bounds.efficacy[1] * np.sqrt(0.02) - score) / 0.1)
    expected = 2 * (stats.norm.sf(z / np.sqrt(0.02)) - stats.norm.sf(z / 0.1))
    assert np.trapezoid(law, score) == pytest.approx(expected, rel=1e-8)


# --- the kernel by itself -------------------------------------------------------------------------------------------------


def test_newton_comes_down_from_where_nothing_is() -> None:
    """A node without mass far above the others must not hide them."""
    stage = crossings.Stage(9999.0, np.array([0.0, 50.0]), np.array([1.0, 0.0]))
    assert kernel.score_above(stage, 10_000.0, 0.025, 0.0, 0.0) == pytest.approx(stats.norm.isf(0.025), rel=1e-12)
    assert kernel.score_above(stage, 10_000.0, 1.0, 0.0, 0.0) == -np.inf


def test_the_score_within_by_bisection_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = crossings.advance(crossings.START, 0.4, 0.7, (-2.5, 0.6, 2.5), (1.0, 0.0))
    given = (stage, 0.7, 0.07, 2.0, 1.0)
    quick = kernel.score_within(*given, 0.3)
    assert kernel.score_within(*given, 1e-300) == pytest.approx(quick, rel=1e-9)
    monkeypatch.setattr(kernel, "QUICK", 0)
    assert kernel.score_within(*given, 0.3) == pytest.approx(quick, rel=1e-9)
    assert kernel.score_within(stage, 0.7, 1.0, 0.0, 1.0, 0.3) == np.inf
    missed = kernel.below(stage, 0.7, quick, 2.0, 1.0) - kernel.below(stage, 0.7, -quick, 2.0, 1.0)
    assert missed == pytest.approx(0.07, rel=1e-9)


def test_roots_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConvergenceError, match="no sign change between 1 and 2: 1 and 4"):
        crossings.bracketed_root(lambda x: x * x, 1.0, 2.0)
    assert crossings.bracketed_root(lambda x: 0.0 * x, 1.0, 2.0) == 2.0
    assert crossings.bracketed_root(lambda x: x**3 - 8.0, 0.0, 5.0) == pytest.approx(2.0, rel=1e-12)
    for room in (kernel, crossings):
        monkeypatch.setattr(room, "STEPS", 1)
    with pytest.raises(ConvergenceError, match="root in a bracket: 1 steps were not enough"):
        crossings.bracketed_root(lambda x: x**3 - 8.0, 0.0, 5.0)
    stage = crossings.advance(crossings.START, 0.5, 1.0, (-2.0, -np.inf, 2.0), (0.0, 0.0))
    with pytest.raises(ConvergenceError, match="a bound at 1: 1 steps were not enough"):
        kernel.score_above(stage, 1.0, 0.02, 0.0, 0.0)
