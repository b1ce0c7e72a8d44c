"""Credible intervals of differences and lifts: closed forms, quadrature of scipy, and simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import (
    integrate,
    special,
    stats,  # noqa: TID251 - the oracle
)

from ecomops.core import InputError
from ecomops.experiments import BetaPosterior, GammaPosterior, compare_bayes, credible_interval

LEVELS = (0.025, 0.5, 0.975)


def ends(found: Any) -> list[float]:
    return [found.lower, found.median, found.upper]


def chance(treatment: tuple[float, float], control: tuple[float, float], contrast: float, scale: str) -> float:
    """P(contrast of two betas <= a value) by adaptive quadrature over the treatment."""

    def integrand(x: float) -> Any:
        point = x - contrast if scale == "difference" else x / (1 + contrast)
        return stats.beta.pdf(x, *treatment) * stats.beta.sf(point, *control)

    mean, sd = stats.beta.mean(*treatment), stats.beta.std(*treatment)
    kinks = [contrast, 1 + contrast]
    cuts = np.unique(np.clip([0, 1, *kinks, *(mean + sd * np.array([-10, -5, -2, 0, 2, 5, 10]))], 0, 1))
    return math.fsum(
        integrate.quad(integrand, a, b, epsabs=1e-13, epsrel=1e-11, limit=300)[0]
        for a, b in zip(cuts[:-1], cuts[1:], strict=True)
    )


@pytest.mark.parametrize("scale", ["difference", "lift"])
@pytest.mark.parametrize(
    ("control", "treatment"),
    [
        ((101, 901), (121, 881)), ((2, 10), (5, 7)), ((8001, 72001), (20, 300)), ((20, 300), (8001, 72001)),
        ((1.5, 2.5), (3.5, 1.5)), ((1, 1), (1, 1)), ((40, 2), (30, 3)),
    ],
)  # fmt: skip
def test_betas_agree_with_adaptive_quadrature(control: Any, treatment: Any, scale: Any) -> None:
    law = BetaPosterior(successes=[control[0], treatment[0]], failures=[control[1], treatment[1]])
    found = credible_interval(law, scale=scale)
    for end, level in zip(ends(found), LEVELS, strict=True):
        assert chance(treatment, control, end, scale) == pytest.approx(level, abs=1e-9)
    swapped = credible_interval(law, treatment=0, control=1, scale=scale)
    turned = ends(swapped)[::-1]
    mirrored = [-end if scale == "difference" else 1 / (1 + end) - 1 for end in turned]
    np.testing.assert_allclose(ends(found), mirrored, rtol=1e-8, atol=1e-10)


@given(st.floats(0.5, 3000), st.floats(0.5, 3000), st.floats(0.01, 100), st.floats(0.5, 0.999))
@settings(max_examples=25)
def test_the_lift_of_gammas_is_a_ratio_of_beta_parts(a: float, b: float, ratio: float, credibility: float) -> None:
    law = GammaPosterior(events=[a, b], exposure=[3.0, 3.0 * ratio])
    found = credible_interval(law, scale="lift", credibility=credibility)
    tail = (1 - credibility) / 2
    for end, level in zip(ends(found), (tail, 0.5, 1 - tail), strict=True):
        odds = (1 + end) * ratio
        assert special.betainc(b, a, odds / (1 + odds)) == pytest.approx(level, abs=1e-9)


def test_the_difference_of_gammas_agrees_with_simulation() -> None:
    rng, draws = np.random.default_rng(41), 1_000_000
    law = GammaPosterior(events=[[31, 46], [3, 400]], exposure=[[1000, 1010], [20, 2000]])
    found = credible_interval(law)
    x = rng.gamma(law.events, 1 / np.asarray(law.exposure), (draws, 2, 2))
    for row in range(2):
        gap = x[:, row, 1] - x[:, row, 0]
        for end, level in zip(ends(found), LEVELS, strict=True):
            assert (gap <= end[row]).mean() == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / draws))


def test_an_interval_that_ends_at_zero_leaves_the_tail_that_p_best_says() -> None:
    law = BetaPosterior(successes=[101, 121], failures=[901, 881])
    worse = compare_bayes(law).probability_best[0]
    assert credible_interval(law, credibility=1 - 2 * worse).lower == pytest.approx(0.0, abs=1e-11)
    assert credible_interval(law, credibility=1 - 2 * worse, scale="lift").lower == pytest.approx(0.0, abs=1e-10)


def test_rows_and_arms() -> None:
    rng = np.random.default_rng(42)
    law = BetaPosterior(successes=rng.uniform(1, 90, (7, 3)), failures=rng.uniform(1, 900, (7, 3)))
    found = credible_interval(law, treatment=2, control=1)
    assert found.lower.shape == (7,)
    one = credible_interval(BetaPosterior(successes=law.successes[4, 1:], failures=law.failures[4, 1:]))
    np.testing.assert_allclose([found.lower[4], found.upper[4]], [one.lower, one.upper], rtol=1e-9)
    assert found.method == "BetaPosterior, difference, Gauss-Legendre quadrature"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"treatment": 2}, "treatment must be in [0, 1], got 2"),
        ({"control": -1}, "control must be in [0, 1], got -1"),
        ({"control": 1}, "treatment must be another arm than control, got 1 for both"),
        ({"credibility": 1.0}, "credibility must be < 1, got 1.0"),
    ],
)
def test_refusals(options: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        credible_interval(BetaPosterior(successes=[1, 2], failures=[3, 4]), **options)
    assert str(caught.value) == f"credible_interval: {text}"
