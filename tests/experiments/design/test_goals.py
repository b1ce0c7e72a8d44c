"""Margins, several arms, looks and lifts in designs: published values, brute force, and inverses of one another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import (
    AbsoluteMargin,
    Clusters,
    Equivalence,
    Looks,
    ManyToOne,
    MeanMetric,
    NonInferiority,
    ObrienFleming,
    Pocock,
    ProportionMetric,
    QuantileMetric,
    RankMetric,
    RelativeMargin,
    dunnett_critical_value,
    group_sequential_design,
    minimum_detectable_effect,
    power,
    sample_size,
)

NORMAL = MeanMetric(sd=1.0, reference="normal")
HALF = AbsoluteMargin(value=0.5)
FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]


# --- published --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cv", "n", "expected"), [(0.3, 40, 0.815845), (0.2, 20, 0.834680), (0.25, 28, 0.807439)])
def test_equivalence_is_that_of_powertost(cv: float, n: int, expected: float) -> None:
    """R's PowerTOST, sampleN.TOST: ratio 0.95, limits 0.8 to 1.25; the 2 x 2 crossover has the error of two arms."""
    limit = AbsoluteMargin(value=math.log(1.25))
    metric = MeanMetric(sd=math.sqrt(math.log1p(cv * cv) / 2))
    options: Any = {"goal": Equivalence(lower=limit, upper=limit), "alternative": "one-sided"}
    found = power(metric, effect=math.log(0.95), n_control=n / 2, n_treatment=n / 2, **options)
    assert found == pytest.approx(expected, abs=6e-7)
    assert sample_size(metric, effect=math.log(0.95), **options).n_total == n


def test_relative_effects_of_case_43() -> None:
    metric = MeanMetric(sd=[10.0, 0.3, 5.0], baseline=[10.0, 0.1, 1.0], reference="normal")
    n = np.array([1e3, 1e4, 1e5])
    found = minimum_detectable_effect(metric, n_control=n, n_treatment=n, lift="delta")
    np.testing.assert_allclose(found, [0.1339448067, 0.1266094600, 0.0647037944], rtol=4e-10)
    naive = minimum_detectable_effect(metric, n_control=n, n_treatment=n, lift="fieller")
    np.testing.assert_allclose(naive, [0.1252907, 0.1188612, 0.0626453], atol=5.1e-8)


def test_design_effects_and_ranks_of_case_44() -> None:
    assert Clusters(size=50, intracluster_correlation=0.02).design_effect() == pytest.approx(1.98, rel=1e-12)
    uneven = Clusters(size=50, intracluster_correlation=0.02, size_variation=0.6)
    assert uneven.design_effect() == pytest.approx(2.34, rel=1e-12)
    totals = 2 * sample_size(RankMetric(), effect=[0.1, 0.2]).exact_n_control
    np.testing.assert_allclose(totals, [261.63, 65.41], atol=5e-3)


def test_unpooled_powers_of_case_42() -> None:
    metric, n = ProportionMetric(baseline=0.6, variance="unpooled"), np.arange(50, 651, 100)
    found = power(metric, effect=0.05, n_control=n, n_treatment=n)
    error = np.sqrt((0.6 * 0.4 + 0.65 * 0.35) / n)
    wrong = stats.norm.cdf(-stats.norm.isf(0.025) - 0.05 / error)
    expected = [0.08115, 0.14573, 0.21170, 0.27740, 0.34160, 0.40336, 0.46199]
    np.testing.assert_allclose(found + wrong, expected, atol=5.1e-6)


@pytest.mark.parametrize(("boundary", "inflation"), [(Pocock(), 1.2286), (ObrienFleming(), 1.0284)])
def test_looks_inflate_as_in_jennison_and_turnbull(boundary: Any, inflation: float) -> None:
    looks = Looks(fractions=FIVE, boundary=boundary)
    one, many = sample_size(NORMAL, effect=0.1), sample_size(NORMAL, effect=0.1, looks=looks)
    assert many.exact_n_control / one.exact_n_control == pytest.approx(inflation, abs=5.1e-5)
    design = group_sequential_design(FIVE, boundary=boundary)
    share = many.expected_n_total / (2 * one.exact_n_control)
    assert share == pytest.approx(design.expected_size, rel=1e-3)
    assert many.method == "normal test of two means, 5 looks"


# --- oracles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "effect", "alpha"), [(3, 0.0, 0.05), (8, 0.4, 0.05), (40, -0.3, 0.01), (500, 0.1, 1e-6)])
def test_equivalence_by_quadrature(n: int, effect: float, alpha: float) -> None:
    goal = Equivalence(lower=AbsoluteMargin(value=1.2), upper=AbsoluteMargin(value=0.9))
    found = power(MeanMetric(sd=1.0), effect=effect, n_control=n, n_treatment=n, alpha=2 * alpha, goal=goal)
    freedom, error = 2 * n - 2, math.sqrt(2 / n)
    limit = stats.t.isf(alpha, freedom)
    low, high = (effect + 1.2) / error, (0.9 - effect) / error
    top = (low + high) / (2 * limit)
    chi = stats.chi(freedom, scale=1 / math.sqrt(freedom))

    def both(s: float) -> float:
        return float(chi.pdf(s) * (stats.norm.cdf(low - limit * s) - stats.norm.cdf(limit * s - high)))

    marks = np.linspace(0.0, min(top, 8.0), 40)
    pieces = [integrate.quad(both, a, b, epsabs=1e-15)[0] for a, b in zip(marks[:-1], marks[1:], strict=True)]
    assert found == pytest.approx(sum(pieces), rel=1e-8, abs=1e-13)


def test_dunnett_power_is_that_of_its_critical_value() -> None:
    arms = ManyToOne(treatments=3)
    found = power(MeanMetric(sd=1.0), effect=0.5, n_control=60, n_treatment=40, comparisons=arms)
    limit = dunnett_critical_value(3, degrees_of_freedom=176, control_ratio=1.5)
    assert found == pytest.approx(stats.nct.sf(limit, 176, 0.5 / math.sqrt(1 / 60 + 1 / 40)), rel=1e-8)
    one_sided = power(NORMAL, effect=0.5, n_control=60, n_treatment=40, comparisons=arms, alternative="one-sided")
    limit = dunnett_critical_value(3, control_ratio=1.5, alternative="greater")
    assert one_sided == pytest.approx(stats.norm.sf(limit - 0.5 / math.sqrt(1 / 60 + 1 / 40)), rel=1e-8)


def test_shared_levels() -> None:
    plain = {"effect": 0.5, "n_control": 60, "n_treatment": 60}
    bonferroni = power(NORMAL, comparisons=ManyToOne(treatments=4, adjustment="bonferroni"), **plain)
    assert bonferroni == pytest.approx(power(NORMAL, alpha=0.0125, **plain), rel=1e-12)
    none = power(NORMAL, comparisons=ManyToOne(treatments=4, adjustment="none"), **plain)
    assert none == power(NORMAL, **plain) == power(NORMAL, comparisons=ManyToOne(treatments=1), **plain)
    dunnett = power(NORMAL, comparisons=ManyToOne(treatments=4), **plain)
    assert bonferroni < dunnett < none


@pytest.mark.parametrize("desired", ["increase", "decrease"])
@pytest.mark.parametrize("n", [(900, 900), (600, 1500)])
def test_noninferiority_of_proportions_is_how_often_the_score_test_finds_it(n: tuple[int, int], desired: Any) -> None:
    """Exactly, over the two binomials, by the test itself."""
    from ecomops.experiments.proportions import null_variance

    n_c, n_t, p_c, p_t = *n, 0.15, 0.155 if desired == "increase" else 0.145
    sign = 1.0 if desired == "increase" else -1.0
    x_c, x_t = np.arange(n_c + 1.0), np.arange(n_t + 1.0)
    w_c, w_t = stats.binom.pmf(x_c, n_c, p_c), stats.binom.pmf(x_t, n_t, p_t)
    (x_c, w_c), (x_t, w_t) = ((x[w > 1e-8], w[w > 1e-8]) for x, w in ((x_c, w_c), (x_t, w_t)))
    a, b = np.broadcast_arrays(x_t[None, :], x_c[:, None])
    error = np.sqrt(null_variance(a, np.full(a.shape, n_t), b, np.full(a.shape, n_c), -sign * 0.04))
    z = (sign * (a / n_t - b / n_c) + 0.04) / error
    exact = (w_c[:, None] * w_t)[z > stats.norm.isf(0.025)].sum()
    goal = NonInferiority(margin=AbsoluteMargin(value=0.04), desired=desired)
    found = power(ProportionMetric(baseline=p_c), effect=p_t - p_c, n_control=n_c, n_treatment=n_t, goal=goal)
    assert found == pytest.approx(exact, abs=0.01)


def test_quantiles_have_the_error_of_their_density() -> None:
    metric = QuantileMetric(probability=0.9, density=0.2)
    same = MeanMetric(sd=0.3 / 0.2, reference="normal")
    assert sample_size(metric, effect=0.1).exact_n_control == sample_size(same, effect=0.1).exact_n_control
    assert sample_size(metric, effect=0.1).method == "normal test of two quantiles"


@pytest.mark.parametrize(
    "metric", [MeanMetric(sd=2.0, correlation=0.6), ProportionMetric(baseline=0.3, correlation=0.6)]
)
def test_covariates_save_the_share_of_the_variance_that_they_explain(metric: Any) -> None:
    bare = type(metric)(**{**metric.model_dump(), "correlation": 0.0})
    saved = sample_size(metric, effect=0.02).exact_n_control / sample_size(bare, effect=0.02).exact_n_control
    assert saved == pytest.approx(0.64, rel=1e-4)


def test_clusters_come_whole_and_count_as_units() -> None:
    clusters = Clusters(size=25, intracluster_correlation=0.04)
    metric = MeanMetric(sd=1.0, clusters=clusters)
    design = sample_size(metric, effect=0.4)
    assert design.n_control % 25 == 0
    n = design.n_control
    freedom, error = 2 * n / 25 - 2, math.sqrt(2 / n * 1.96)
    assert design.power == pytest.approx(stats.nct.sf(stats.t.isf(0.025, freedom), freedom, 0.4 / error), rel=1e-8)
    alike = sample_size(MeanMetric(sd=1.0, clusters=Clusters(size=1, intracluster_correlation=0)), effect=0.4)
    assert alike.exact_n_control == pytest.approx(
        sample_size(MeanMetric(sd=1.0), effect=0.4).exact_n_control, rel=1e-12
    )


def test_a_relative_margin_counts_the_error_of_the_baseline() -> None:
    metric = MeanMetric(sd=3.0, baseline=10.0, correlation=0.5, reference="normal")
    goal = NonInferiority(margin=RelativeMargin(fraction=0.1))
    found = power(metric, effect=0.0, n_control=150, n_treatment=100, goal=goal)
    left = 0.75 * 9.0
    spread = left / 100 + left / 150 - 2 * 0.1 * left / 150 + 0.01 * 9.0 / 150
    assert found == pytest.approx(stats.norm.cdf(1.0 / math.sqrt(spread) - stats.norm.isf(0.025)), rel=1e-12)


def test_lifts_are_tested_by_their_own_intervals() -> None:
    metric, m, n = MeanMetric(sd=8.0, baseline=10.0, reference="normal"), 0.15, 700
    z, error = stats.norm.isf(0.025), math.sqrt(0.64 / n * (1.0 + 1.15**2))
    units = {"n_control": n, "n_treatment": n}
    assert power(metric, effect=m, lift="delta", **units) == pytest.approx(stats.norm.cdf(m / error - z), rel=1e-12)
    log = stats.norm.cdf(math.log(1.15) * 1.15 / error - z)
    assert power(metric, effect=m, lift="log", **units) == pytest.approx(log, rel=1e-12)
    assert power(metric, effect=m, lift="fieller", **units) == pytest.approx(
        power(metric, effect=1.5, **units), rel=1e-12
    )


# --- inverses ---------------------------------------------------------------------------------------------------------

CHOICES: list[dict[str, Any]] = [
    {"goal": NonInferiority(margin=HALF)},
    {"goal": NonInferiority(margin=AbsoluteMargin(value=0.08), desired="decrease")},
    {"goal": NonInferiority(margin=RelativeMargin(fraction=0.1), desired="decrease")},
    {"lift": "fieller"},
    {"lift": "delta"},
    {"lift": "log"},
    {"comparisons": ManyToOne(treatments=3, adjustment="bonferroni")},
]
METRICS = [
    MeanMetric(sd=2.0, baseline=3.0, correlation=0.4),
    MeanMetric(sd=2.0, baseline=3.0, reference="normal", clusters=Clusters(size=4, intracluster_correlation=0.1)),
    ProportionMetric(baseline=0.3),
    ProportionMetric(baseline=0.3, variance="baseline"),
    QuantileMetric(probability=0.5, density=0.2, baseline=3.0),
]


@pytest.mark.parametrize("choice", range(len(CHOICES)))
@given(
    st.sampled_from(METRICS),
    st.integers(150, 10**6),
    st.sampled_from([0.5, 0.8, 0.95]),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_size_power_and_effect_are_inverses(choice: int, metric: Any, n: int, wanted: float, ratio: float) -> None:
    options = CHOICES[choice]
    if isinstance(metric, ProportionMetric) and options.get("goal") == CHOICES[0]["goal"]:
        return
    units = {"n_control": n, "n_treatment": n * ratio}
    effect = minimum_detectable_effect(metric, power=wanted, **units, **options)
    assert power(metric, effect=effect, **units, **options) == pytest.approx(wanted, rel=1e-8)
    if abs(effect) < 1e-9:
        return
    design = sample_size(metric, effect=effect, power=wanted, ratio=ratio, **options)
    assert design.exact_n_control == pytest.approx(n, rel=1e-5)
    assert design.power >= wanted - 1e-9


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("goal", [("absolute", 0.05), ("relative", 0.1)])
def test_equivalence_sizes_have_their_power(metric: Any, goal: tuple[str, float]) -> None:
    kind, size = goal
    margin: Any = AbsoluteMargin(value=size) if kind == "absolute" else RelativeMargin(fraction=size)
    options: Any = {"goal": Equivalence(lower=margin, upper=margin), "effect": [0.0, 0.01, -0.01]}
    design = sample_size(metric, power=0.9, ratio=2.0, **options)
    n = design.exact_n_control
    np.testing.assert_allclose(power(metric, n_control=n, n_treatment=2 * n, **options), 0.9, rtol=1e-8)
    assert (np.asarray(design.power) >= 0.9 - 1e-9).all()


@pytest.mark.parametrize("metric", [MeanMetric(sd=1.0), ProportionMetric(baseline=0.2)])
@pytest.mark.parametrize(
    "options",
    [
        {"looks": Looks(fractions=[0.5, 1.0], boundary=Pocock())},
        {
            "looks": Looks(fractions=[0.3, 1.0], boundary=ObrienFleming()),
            "goal": NonInferiority(margin=AbsoluteMargin(value=0.05)),
        },
        {
            "looks": Looks(fractions=[0.5, 1.0], boundary=Pocock()),
            "comparisons": ManyToOne(treatments=2, adjustment="bonferroni"),
            "alternative": "one-sided",
        },
        {"comparisons": ManyToOne(treatments=2)},
    ],
)
def test_looks_and_arms_are_inverses(metric: Any, options: dict[str, Any]) -> None:
    design = sample_size(metric, effect=0.1, power=0.85, **options)
    n = design.exact_n_control
    units = {"n_control": n, "n_treatment": n}
    assert power(metric, effect=0.1, **units, **options) == pytest.approx(0.85, rel=1e-7)
    assert minimum_detectable_effect(metric, power=0.85, **units, **options) == pytest.approx(0.1, rel=1e-7)
    assert design.power >= 0.85 - 1e-9
    arms = options["comparisons"].treatments if "comparisons" in options else 1
    assert design.n_total == design.n_control + arms * design.n_treatment


def test_many_designs_are_each_one_of_them() -> None:
    metric = MeanMetric(sd=[1.0, 2.0, 40.0], baseline=10.0)
    for options in ({"comparisons": ManyToOne(treatments=3)}, {"lift": "delta"}, {}):
        together: Any = sample_size(metric, effect=0.4, **options)
        for row, sd in enumerate((1.0, 2.0, 40.0)):
            alone = sample_size(MeanMetric(sd=sd, baseline=10.0), effect=0.4, **options)
            assert together.exact_n_control[row] == pytest.approx(alone.exact_n_control, rel=1e-11)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: sample_size(NORMAL, effect=0.1, lift="delta"),
            "metric.baseline must be > 0 for a lift, got 0.0; use the absolute difference",
        ),
        (
            lambda: sample_size(NORMAL, effect=0.0, goal=NonInferiority(margin=RelativeMargin(fraction=0.1))),
            "metric.baseline must be > 0 for a relative margin, got 0.0; use the absolute difference",
        ),
        (
            lambda: sample_size(METRICS[0], effect=0.1, lift="log", goal=NonInferiority(margin=HALF)),
            "lift must be 'fieller' with a goal, got 'log': a relative margin is tested exactly",
        ),
        (
            lambda: sample_size(
                NORMAL,
                effect=0.0,
                goal=Equivalence(lower=HALF, upper=HALF),
                looks=Looks(fractions=[0.5, 1.0], boundary=Pocock()),
            ),
            "looks must be left out for equivalence: two tests have no one drift",
        ),
        (
            lambda: sample_size(
                NORMAL,
                effect=0.1,
                comparisons=ManyToOne(treatments=2),
                looks=Looks(fractions=[0.5, 1.0], boundary=Pocock()),
            ),
            "comparisons.adjustment must be 'bonferroni' or 'none' with looks",
        ),
        (
            lambda: sample_size(NORMAL, effect=[0.0, -0.5], goal=NonInferiority(margin=HALF)),
            "effect must be on the good side of the margin: no number of units shows what is not so",
        ),
        (
            lambda: sample_size(METRICS[0], effect=-1.0, lift="log"),
            "effect must be > -1 for a log lift; use lift='fieller'",
        ),
        (
            lambda: sample_size(ProportionMetric(baseline=0.3), effect=3.0, lift="fieller"),
            "effect must leave the treatment proportion in (0, 1)",
        ),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == f"sample_size: {text}"


def test_what_no_effect_reaches() -> None:
    clustered = MeanMetric(sd=1.0, clusters=Clusters(size=30, intracluster_correlation=0.1))
    with pytest.raises(InputError, match="^power: n_treatment must hold at least two clusters, got 50.0$"):
        power(clustered, effect=1.0, n_control=60, n_treatment=50)
    with pytest.raises(InputError, match="too few: not even an endless lift reaches the power$"):
        minimum_detectable_effect(MeanMetric(sd=9.0, baseline=1.0), n_control=4, n_treatment=4, lift="delta")
    goal = NonInferiority(margin=AbsoluteMargin(value=0.01), desired="decrease")
    with pytest.raises(InputError, match="too few: not even a treatment proportion of 0 reaches the power$"):
        minimum_detectable_effect(ProportionMetric(baseline=0.1), n_control=9, n_treatment=9, goal=goal)
