"""Sample size, power and detectable effect: against the noncentral t, simulation, and each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import MeanMetric, ProportionMetric, minimum_detectable_effect, power, sample_size

alphas = st.sampled_from([0.001, 0.01, 0.05, 0.2])
sides = st.sampled_from(["two-sided", "one-sided"])
ratios = st.sampled_from([0.1, 0.5, 1.0, 3.0])
powers = st.sampled_from([0.5, 0.8, 0.95])


@st.composite
def metrics(draw: Any) -> Any:
    if draw(st.booleans()):
        return MeanMetric(sd=draw(st.floats(0.1, 50)), reference=draw(st.sampled_from(["t", "normal"])))
    return ProportionMetric(baseline=draw(st.floats(0.01, 0.6)), variance=draw(st.sampled_from(["pooled", "baseline"])))


def size_of(metric: Any, share: float) -> float:
    """Return an effect that suits the metric: a share of the sd, or of what is left to 1."""
    return share * (metric.sd if isinstance(metric, MeanMetric) else 1.0 - metric.baseline)


# --- power ------------------------------------------------------------------------------------------------------------


@given(st.integers(2, 60), st.integers(2, 60), st.floats(0.0, 3.0), alphas, sides)
def test_power_of_t_is_the_noncentral_one(n_c: int, n_t: int, effect: float, alpha: float, side: Any) -> None:
    found = power(MeanMetric(sd=1.0), effect=effect, n_control=n_c, n_treatment=n_t, alpha=alpha, alternative=side)
    freedom, shift = n_c + n_t - 2, effect / math.sqrt(1 / n_c + 1 / n_t)
    limit = stats.t.isf(alpha / (2 if side == "two-sided" else 1), freedom)
    assert found == pytest.approx(stats.nct.sf(limit, freedom, shift), rel=1e-9)


@pytest.mark.parametrize(("n", "alpha"), [(2, 0.05), (2, 0.001), (2, 1e-6), (3, 1e-5), (5, 1e-8), (40, 1e-20)])
@pytest.mark.parametrize("effect", [5.0, 36.0, 50.0, 100.0, 1000.0])
def test_power_of_tiny_samples_at_strict_levels(n: int, alpha: float, effect: float) -> None:
    """P(Z + shift > limit S) averaged over S = sqrt(chi2 / df): the definition, by quadrature."""
    freedom = 2 * n - 2
    shift, limit = effect / math.sqrt(2 / n), float(stats.t.isf(alpha / 2, freedom))
    chi = stats.chi(freedom, scale=1 / math.sqrt(freedom))
    centre = shift / limit  # the probability falls from 1 to 0 within a few 1 / limit of it
    marks = sorted({0.0, 10.0, *(min(max(centre + k / limit, 0.0), 10.0) for k in (-9, -3, 0, 3, 9)), 0.5, 1.0, 2.0})
    pieces = [
        integrate.quad(lambda s: stats.norm.cdf(shift - limit * s) * chi.pdf(s), low, high, epsabs=1e-14, epsrel=1e-12)[
            0
        ]
        for low, high in zip(marks[:-1], marks[1:], strict=True)
    ]
    found = power(MeanMetric(sd=1.0), effect=effect, n_control=n, n_treatment=n, alpha=alpha)
    assert found == pytest.approx(sum(pieces), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(("n_c", "n_t", "effect"), [(6, 6, 1.5), (10, 25, 0.9), (200, 200, 0.25)])
def test_power_of_t_is_how_often_the_effect_is_found(n_c: int, n_t: int, effect: float) -> None:
    runs, rng = 20_000, np.random.default_rng(21)
    control, treatment = rng.normal(0, 2, (runs, n_c)), rng.normal(2 * effect, 2, (runs, n_t))
    found = stats.ttest_ind(treatment, control, axis=1)
    hits = ((found.pvalue < 0.05) & (found.statistic > 0)).mean()
    expected = power(MeanMetric(sd=2.0), effect=2 * effect, n_control=n_c, n_treatment=n_t)
    assert hits == pytest.approx(expected, abs=3.29 * math.sqrt(expected * (1 - expected) / runs))


@pytest.mark.parametrize(("n_c", "n_t"), [(4000, 4000), (3000, 6000)])
@pytest.mark.parametrize("effect", [0.02, -0.02])
def test_power_of_proportions_is_how_often_the_effect_is_found(n_c: int, n_t: int, effect: float) -> None:
    """Exactly, over the two binomials; the formula is a normal approximation, good to half a point here."""
    x_c, x_t = np.arange(n_c + 1), np.arange(n_t + 1)
    p_c, p_t = stats.binom.pmf(x_c, n_c, 0.1), stats.binom.pmf(x_t, n_t, 0.1 + effect)
    x_c, p_c, x_t, p_t = x_c[p_c > 1e-9], p_c[p_c > 1e-9], x_t[p_t > 1e-9], p_t[p_t > 1e-9]
    pooled = (x_c[:, None] + x_t) / (n_c + n_t)
    z = (x_t / n_t - x_c[:, None] / n_c) / np.sqrt(pooled * (1 - pooled) * (1 / n_c + 1 / n_t))
    exact = (p_c[:, None] * p_t)[np.sign(effect) * z > stats.norm.ppf(0.975)].sum()
    metric = ProportionMetric(baseline=0.1)
    assert power(metric, effect=effect, n_control=n_c, n_treatment=n_t) == pytest.approx(exact, abs=0.005)


@given(metrics(), st.floats(0.02, 0.9), st.integers(2, 10**6), alphas, sides)
def test_power_grows_with_units_and_with_alpha(metric: Any, share: float, n: int, alpha: float, side: Any) -> None:
    effect = size_of(metric, share)
    options = {"effect": effect, "alternative": side}
    found = power(metric, n_control=n, n_treatment=n, alpha=alpha, **options)
    assert 0.0 <= found <= 1.0
    assert power(metric, n_control=2 * n, n_treatment=2 * n, alpha=alpha, **options) >= found - 1e-12
    assert power(metric, n_control=n, n_treatment=n, alpha=2 * alpha, **options) >= found - 1e-12
    if isinstance(metric, MeanMetric):
        assert power(metric, n_control=n, n_treatment=2 * n, alpha=alpha, **options) >= found - 1e-12
        assert power(metric, n_control=n, n_treatment=n, alpha=alpha, **{**options, "effect": -effect}) == found


@given(st.sampled_from(["t", "normal"]), st.floats(1e-6, 1e6))
def test_the_unit_of_the_mean_does_not_matter(reference: Any, unit: float) -> None:
    one, other = MeanMetric(sd=3.0, reference=reference), MeanMetric(sd=3.0 * unit, reference=reference)
    found = power(one, effect=1.0, n_control=90, n_treatment=70)
    assert power(other, effect=unit, n_control=90, n_treatment=70) == pytest.approx(found, rel=1e-9)


def test_without_an_effect_power_is_the_half_of_alpha_on_that_side() -> None:
    for metric in (MeanMetric(sd=1.0), MeanMetric(sd=1.0, reference="normal"), ProportionMetric(baseline=0.3)):
        assert power(metric, effect=0.0, n_control=50, n_treatment=50) == pytest.approx(0.025, rel=1e-9)


def test_t_is_normal_for_many_units() -> None:
    options = {"effect": 0.003, "n_control": 10**6, "n_treatment": 10**6}
    exact = stats.norm.cdf(0.003 / math.sqrt(2e-6) - stats.norm.ppf(0.975))
    assert power(MeanMetric(sd=1.0, reference="normal"), **options) == pytest.approx(exact, rel=1e-12)
    assert power(MeanMetric(sd=1.0), **options) == pytest.approx(exact, rel=1e-6)
    assert power(MeanMetric(sd=1.0), effect=1e3, n_control=10**9, n_treatment=10**9) == 1.0


# --- inverses ---------------------------------------------------------------------------------------------------------


@given(metrics(), st.floats(0.02, 0.9), powers, alphas, ratios, sides)
def test_sample_size_is_the_inverse_of_power(
    metric: Any, share: float, wanted: float, alpha: float, ratio: float, side: Any
) -> None:
    effect = size_of(metric, share)
    assume(wanted > alpha)
    design = sample_size(metric, effect=effect, power=wanted, alpha=alpha, ratio=ratio, alternative=side)
    options = {"effect": effect, "alpha": alpha, "alternative": side}
    exact = design.exact_n_control
    if exact > max(2.0, 2.0 / ratio) * 1.001:  # fewer than two an arm are never planned
        assert power(metric, n_control=exact, n_treatment=exact * ratio, **options) == pytest.approx(wanted, rel=1e-8)
    got = power(metric, n_control=design.n_control, n_treatment=design.n_treatment, **options)
    assert design.power == pytest.approx(got, rel=1e-12)
    assert design.power >= wanted - 1e-9
    assert design.n_control >= exact - 1e-9
    assert design.n_treatment >= exact * ratio - 1e-9


@given(metrics(), st.integers(60, 10**6), powers, alphas, ratios, sides)
def test_the_detectable_effect_is_the_inverse_of_power(
    metric: Any, n: int, wanted: float, alpha: float, ratio: float, side: Any
) -> None:
    assume(wanted > alpha)
    units = {"n_control": n, "n_treatment": max(round(n * ratio), 30)}
    effect = minimum_detectable_effect(metric, power=wanted, alpha=alpha, alternative=side, **units)
    assert effect > 0
    if isinstance(metric, ProportionMetric) and effect + metric.baseline > 1 - 1e-6:
        return
    found = power(metric, effect=effect, alpha=alpha, alternative=side, **units)
    assert found == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_detectable_effect_of_tiny_samples_at_a_strict_level(n: int) -> None:
    metric = MeanMetric(sd=2.0)
    effect = minimum_detectable_effect(metric, n_control=n, n_treatment=n, power=0.9, alpha=1e-4)
    assert power(metric, effect=effect, n_control=n, n_treatment=n, alpha=1e-4) == pytest.approx(0.9, rel=1e-9)


def test_a_strict_level_needs_more_units_and_not_infinitely_many() -> None:
    sizes = [sample_size(MeanMetric(sd=1.0), effect=0.1, alpha=alpha).exact_n_control for alpha in (1e-8, 1e-15, 1e-17)]
    for size, alpha in zip(sizes, (1e-8, 1e-15, 1e-17), strict=True):
        normal = 2 * ((stats.norm.isf(alpha / 2) + stats.norm.ppf(0.8)) / 0.1) ** 2
        assert normal < size < normal * 1.002


def test_rounding_up_one_arm_does_not_cost_the_power() -> None:
    """4 and 3 units would have 0.294: the rounded treatment moves the pooled proportion."""
    metric = ProportionMetric(baseline=0.0138134)
    design = sample_size(metric, effect=0.13779940315129321, power=0.3, alpha=0.2, ratio=0.6669439752470998)
    assert (design.n_control, design.n_treatment) == (5.0, 4.0)
    assert design.power >= 0.3


def test_the_smallest_design_has_two_units_an_arm() -> None:
    design = sample_size(MeanMetric(sd=1.0), effect=1000.0)
    assert (design.n_control, design.n_treatment, design.exact_n_control) == (2.0, 2.0, 2.0)
    uneven = sample_size(MeanMetric(sd=1.0), effect=1000.0, ratio=0.1)
    assert (uneven.n_control, uneven.n_treatment) == (20.0, 2.0)


def test_rows_are_elements() -> None:
    metric = ProportionMetric(baseline=[0.1, 0.2, 0.05])
    together = sample_size(metric, effect=[[0.02], [0.05]])
    assert together.n_control.shape == (2, 3)
    alone = sample_size(ProportionMetric(baseline=0.2), effect=0.05)
    assert together.exact_n_control[1, 1] == pytest.approx(alone.exact_n_control, rel=1e-12)
    effects = minimum_detectable_effect(metric, n_control=[500, 5000, 1e5], n_treatment=400)
    for row in range(3):
        one = ProportionMetric(baseline=[0.1, 0.2, 0.05][row])
        single = minimum_detectable_effect(one, n_control=[500, 5000, 1e5][row], n_treatment=400)
        assert effects[row] == pytest.approx(single, rel=1e-12)


def test_designs_say_what_they_rest_on() -> None:
    assert sample_size(MeanMetric(sd=1.0), effect=1.0).method == "t test of two means"
    assert sample_size(MeanMetric(sd=1.0, reference="normal"), effect=1.0).method == "normal test of two means"
    assert sample_size(ProportionMetric(baseline=0.1), effect=0.1).method == "z test of two proportions"


# --- refusals ---------------------------------------------------------------------------------------------------------

MEAN, SHARE = MeanMetric(sd=1.0), ProportionMetric(baseline=0.1)
OUTSIDE = "effect must leave the treatment proportion in (0, 1); give the absolute difference, 0.02 for 2 points"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: sample_size(MEAN, effect=[1.0, 0.0]),
            "sample_size: effect must not be 0; give the smallest difference that matters",
        ),
        (
            lambda: sample_size(MEAN, effect=1.0, power=0.05),
            "sample_size: power must be above alpha, got 0.05 and 0.05",
        ),
        (lambda: sample_size(SHARE, effect=-0.1), f"sample_size: {OUTSIDE}"),
        (
            lambda: sample_size(MEAN, effect=1e-9),
            "sample_size: effect is too small for any sample: more than 1e15 units would be needed",
        ),
        (lambda: sample_size(MEAN, effect=1.0, power=1.0), "sample_size: power must be < 1, got 1.0"),
        (lambda: sample_size(MEAN, effect=1.0, ratio=0.0), "sample_size: ratio must be > 0, got 0.0"),
        (lambda: power(SHARE, effect=2.0, n_control=9, n_treatment=9), f"power: {OUTSIDE}"),
        (lambda: power(MEAN, effect=1.0, n_control=1, n_treatment=9), "power: n_control must be >= 2, got 1.0"),
        (
            lambda: minimum_detectable_effect(SHARE, n_control=2, n_treatment=2, alpha=0.001),
            "minimum_detectable_effect: n_control and n_treatment are too few: not even a treatment proportion of 1 reaches the power",
        ),
        (
            lambda: minimum_detectable_effect(MEAN, n_control=9, n_treatment=9, power=0.04),
            "minimum_detectable_effect: power must be above alpha, got 0.04 and 0.05",
        ),
        (lambda: ProportionMetric(baseline=1.0), "ProportionMetric: baseline must be < 1, got 1.0"),
        (lambda: MeanMetric(sd=0.0), "MeanMetric: sd must be > 0, got 0.0"),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text
