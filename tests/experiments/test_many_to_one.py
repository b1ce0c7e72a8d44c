"""Dunnett's test: published tables, Gauss-Legendre quadrature, exact orthants, closed testing and simulation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import (
    Estimate,
    Moments,
    MomentsByArm,
    Ratio,
    difference,
    differences_from_control,
    dunnett,
    dunnett_critical_value,
)
from ecomops.experiments.union_tail import union_critical, union_tail

INF = float("inf")
BLOOD = {
    "control": [7.40, 8.50, 7.20, 8.24, 9.84, 8.32],
    "A": [9.76, 8.80, 7.68, 9.36],
    "B": [12.80, 9.68, 12.16, 9.20, 10.55],
}
freedoms = st.sampled_from([1.0, 2.0, 3.7, 10.0, 29.0, 31.0, 500.0, 1e6, INF])


def arms(samples: dict[str, list[float]]) -> MomentsByArm:
    parts = tuple(Moments.from_arrays(sample, columns=("y",)) for sample in samples.values())
    return MomentsByArm(arms=list(samples), moments=parts)


def family(statistic: Any, *, share: Any = 0.5, freedom: Any = INF) -> Estimate:
    """Differences with error 1; ``share`` of their variance is the control's."""
    shared = np.broadcast_to(share, np.shape(statistic))
    return Estimate(
        value=statistic,
        standard_error=1.0,
        degrees_of_freedom=freedom,
        baseline=5.0,
        baseline_error=np.sqrt(shared),
        covariance=-shared,
    )


def legendre(low: float, high: float) -> tuple[Any, Any]:
    nodes, weights = np.polynomial.legendre.leggauss(120)
    return (low + high + (high - low) * nodes) / 2, (high - low) / 2 * weights


def exceeded(c: float, loading: list[float], freedom: float, *, two_sided: bool) -> float:
    """P(max >= c) by Gauss-Legendre quadrature of the probability that none does."""
    z, weight = legendre(-9, 9)
    s, mass = np.ones(1), np.ones(1)
    if math.isfinite(freedom):
        law = stats.chi(freedom, scale=1 / math.sqrt(freedom))
        s, mass = legendre(*law.ppf([1e-14, 1 - 1e-14]))
        mass = mass * law.pdf(s)
    none = np.ones((s.size, z.size))
    for a in loading:
        own = math.sqrt(1 - a * a)
        low = stats.norm.cdf((-c * s[:, None] - a * z) / own) if two_sided else 0.0
        none *= stats.norm.cdf((c * s[:, None] - a * z) / own) - low
    return float(1 - mass @ none @ (weight * stats.norm.pdf(z)))


@pytest.mark.parametrize(
    ("freedom", "table"),
    [
        (10, [2.568, 2.759, 2.890, 2.990, 3.244]),
        (20, [2.379, 2.540, 2.651, 2.735, 2.946]),
        (INF, [2.21213, 2.34897, 2.44177, 2.51146, 2.68622]),
    ],
)
def test_the_table_of_dunnett_1964(freedom: float, table: list[float]) -> None:
    found = [dunnett_critical_value(k, degrees_of_freedom=freedom) for k in (2, 3, 4, 5, 9)]
    np.testing.assert_allclose(found, table, rtol=0, atol=5.1e-4 if math.isfinite(freedom) else 5.1e-6)


def test_the_blood_counts_of_dunnett_1955() -> None:
    estimate = differences_from_control(arms(BLOOD), control="control", metric="y")
    found = dunnett(estimate)
    np.testing.assert_allclose(found.statistic, [0.857, 3.694], atol=5.1e-4)
    # The documentation of scipy prints .0059, from randomised quadrature; its error is 1e-4.
    np.testing.assert_allclose(found.p_adjusted, [0.620, 0.0058], atol=5.1e-4)
    samples = [np.array(BLOOD[name]) for name in "AB"]
    peer = stats.dunnett(*samples, control=np.array(BLOOD["control"]), rng=np.random.default_rng(1))
    np.testing.assert_allclose(found.p_adjusted, peer.pvalue, atol=3e-4)
    interval = peer.confidence_interval(0.95)
    np.testing.assert_allclose(found.lower, interval.low, atol=0.02)
    np.testing.assert_allclose(found.upper, interval.high, atol=0.02)
    assert found.to_frame().index.tolist() == ["A", "B"]
    assert found.method == "Dunnett, two-sided; difference of means, pooled"


@pytest.mark.parametrize("freedom", [4.0, 40.0, INF])
@pytest.mark.parametrize("two_sided", [True, False])
def test_unequal_arms_by_gauss_legendre_quadrature(freedom: float, two_sided: bool) -> None:
    loading = [0.9, 0.5, 0.2]
    for c in (0.5, 2.0, 3.0):
        found = union_tail(np.array([c]), np.array([freedom]), np.array([loading]), two_sided)[0]
        assert found[0] == pytest.approx(exceeded(c, loading, freedom, two_sided=two_sided), abs=1e-9)


@settings(max_examples=40)
@given(st.integers(1, 40), freedoms)
def test_the_control_is_the_best_once_in_so_many(k: int, freedom: float) -> None:
    """With equal arms and no effect each of k + 1 arms is as likely to be on top, whatever the error's distribution."""
    found = union_tail(np.zeros(1), np.array([freedom]), np.full((1, k), math.sqrt(0.5)), two_sided=False)[0]
    assert found[0] == pytest.approx(k / (k + 1), rel=1e-12)


@settings(max_examples=40)
@given(st.floats(-3, 30), freedoms, st.sampled_from([0.0, 0.3, 0.8]))
def test_one_treatment_is_students_t(t: float, freedom: float, share: float) -> None:
    law = stats.norm if math.isinf(freedom) else stats.t(freedom)
    for alternative, expected in (
        ("two-sided", 2 * law.sf(abs(t))),
        ("greater", law.sf(t)),
        ("less", law.cdf(t)),
    ):
        found = dunnett(family([t], share=share, freedom=freedom), alternative=alternative)  # type: ignore[arg-type]
        # scipy's own tail is no better at many degrees of freedom.
        assert found.p_adjusted[0] == pytest.approx(expected, rel=1e-9, abs=1e-250)
        assert found.p_step_down[0] == found.p_adjusted[0]
    assert dunnett(family([t], freedom=freedom)).critical_value[0] == pytest.approx(law.isf(0.025), rel=1e-11)


@settings(max_examples=30)
@given(st.floats(0.1, 12), st.integers(2, 40))
def test_treatments_without_a_common_error_are_independent(t: float, k: int) -> None:
    found = dunnett(family([t] * k, share=0.0))
    assert found.p_adjusted[0] == pytest.approx(-math.expm1(k * math.log1p(-2 * stats.norm.sf(t))), rel=1e-11)


@pytest.mark.parametrize("freedom", [5.0, 60.0, 1e5, INF])
def test_the_far_tail_keeps_its_digits(freedom: float) -> None:
    t = {5.0: 1e4, 60.0: 60.0}.get(freedom, 15.0)
    single = float((stats.norm if math.isinf(freedom) else stats.t(freedom)).sf(t))
    found = dunnett(family([t] * 3, freedom=freedom), alternative="greater").p_adjusted[0]
    assert single < 1e-17
    # Together they are rarer than apart, and where errors are normal never by more than rounding.
    assert single <= found <= 3 * single * (1 + 1e-12)
    if freedom > 1e4:
        assert found == pytest.approx(3 * single, rel=1e-9)
    extreme = dunnett(family([1e9, -1e9, 0.5], freedom=freedom))
    assert extreme.p_adjusted[0] == extreme.p_adjusted[1] < 1e-40
    assert union_tail(np.array([1e300]), np.array([1.0]), np.array([[0.7, 0.7]]), two_sided=True)[0][0] < 1e-250


@settings(max_examples=30)
@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=3),
    st.sampled_from([3.7, 31.0, 1e6, INF]),
    st.sampled_from([0.0, 0.1, 0.5, 0.8]),
    st.sampled_from(["two-sided", "greater", "less"]),
    st.sampled_from([0.5, 0.9, 0.999]),
)
def test_intervals_and_p_values_are_dual(
    statistic: list[float], freedom: float, share: float, alternative: Any, confidence: float
) -> None:
    found = dunnett(family(statistic, share=share, freedom=freedom), alternative=alternative, confidence=confidence)
    excludes = (found.lower > 0) | (found.upper < 0)
    clear = np.abs(found.p_adjusted - (1 - confidence)) > 1e-9
    assert np.array_equal(excludes[clear], (found.p_adjusted < 1 - confidence)[clear])
    k = len(statistic)
    assert np.all(found.p_value <= found.p_step_down)
    assert np.all(found.p_step_down <= found.p_adjusted)
    assert np.all(found.p_adjusted <= np.minimum(k * found.p_value, 1) * (1 + 1e-9))
    back = dunnett(family(statistic[::-1], share=share, freedom=freedom), alternative=alternative)
    np.testing.assert_allclose(back.p_adjusted[::-1], found.p_adjusted, rtol=1e-9)


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from([-3.0, -2.2, -0.4, 0.0, 1.1, 1.9, 2.2, 2.6]), min_size=2, max_size=3),
    st.sampled_from([8.0, INF]),
)
def test_the_step_down_test_closes_the_single_step_tests(statistic: list[float], freedom: float) -> None:
    share = np.array([0.3, 0.5, 0.6])[: len(statistic)]
    k = len(statistic)
    least = {}
    for size in range(1, k + 1):
        for s in itertools.combinations(range(k), size):
            part = family(np.array(statistic)[list(s)], share=share[list(s)], freedom=freedom)
            least[s] = float(np.min(dunnett(part).p_adjusted))
    closed = [max(value for s, value in least.items() if i in s) for i in range(k)]
    found = dunnett(family(statistic, share=share, freedom=freedom))
    np.testing.assert_allclose(found.p_step_down, closed, rtol=1e-9)


def test_families_stand_in_rows_and_margins_broadcast() -> None:
    t = np.random.default_rng(0).normal(size=(30, 3))
    shares = np.random.default_rng(1).uniform(0.2, 0.8, size=(30, 3))
    found = dunnett(family(t, share=shares, freedom=25.0), margin=[0.1, 0.2, 0.3])
    assert found.p_adjusted.shape == found.critical_value.shape == (30, 3)
    for row in (0, 17, 29):
        one = dunnett(family(t[row] - [0.1, 0.2, 0.3], share=shares[row], freedom=25.0))
        np.testing.assert_allclose(found.p_adjusted[row], one.p_adjusted, rtol=1e-11)
        np.testing.assert_allclose(found.critical_value[row], one.critical_value, rtol=1e-11)
    scalar = dunnett(Estimate(value=2.0, standard_error=1.0))
    assert scalar.p_adjusted == scalar.p_value == pytest.approx(2 * stats.norm.sf(2.0))
    assert dunnett(Estimate(value=np.zeros(0), standard_error=1.0)).p_adjusted.shape == (0,)
    assert dunnett(Estimate(value=np.zeros((0, 3)), standard_error=1.0)).lower.shape == (0, 3)


def test_an_arm_without_error_has_no_test_and_leaves_the_family() -> None:
    estimate = Estimate(value=[2.5, 1.0, 2.0], standard_error=[1.0, 0.0, 1.0], covariance=0.0)
    found = dunnett(estimate)
    assert np.isnan(found.p_adjusted).tolist() == [False, True, False]
    assert found.reason.tolist() == ["", "the standard error is 0: the units show no variation to judge it by", ""]
    assert found.lower[1] == found.upper[1] == 1.0
    np.testing.assert_allclose(found.p_adjusted[[0, 2]], dunnett(family([2.5, 2.0], share=0.0)).p_adjusted)
    one_sided = dunnett(estimate, alternative="greater")
    assert one_sided.upper.tolist() == [INF] * 3
    assert one_sided.reason[0] == "a one-sided interval is open at its other end"


def test_close_correlations_err_on_the_safe_side() -> None:
    exact = 2 * stats.norm.sf(2.0)  # all treatments are the control's error
    near = dunnett(family([2.0, 2.0, 2.0], share=1.0)).p_adjusted[0]
    assert exact < near < 1.06 * exact
    assert dunnett_critical_value(3, control_ratio=1e-12) == pytest.approx(stats.norm.isf(0.025), rel=0.02)
    assert dunnett_critical_value(3, control_ratio=1e12) == pytest.approx(stats.norm.isf((1 - 0.95 ** (1 / 3)) / 2))


@pytest.mark.parametrize("confidence", [1e-300, 1e-3, 0.5, 1 - 1e-12])
@pytest.mark.parametrize("freedom", [1.0, 7.0, INF])
def test_critical_values_invert_the_tail(confidence: float, freedom: float) -> None:
    for two_sided in (True, False):
        loading = np.full((2, 4), 0.6)
        c = union_critical(1 - confidence, np.full(2, freedom), loading, two_sided)
        assert c[0] == c[1]
        found = union_tail(c, np.full(2, freedom), loading, two_sided)[0]
        np.testing.assert_allclose(found, min(1 - confidence, 1 - 1e-10), rtol=1e-9)


def test_differences_from_control_are_those_of_pairs() -> None:
    rng = np.random.default_rng(2)
    parts = [Moments.from_arrays(rng.gamma(2.0, size=(n, 2)) + i, columns=("y", "x")) for i, n in enumerate((9, 5, 7))]
    moments = MomentsByArm(arms=[3, 1, 2], moments=tuple(parts))
    for metric, variance in itertools.product(("y", Ratio(numerator="y", denominator="x")), ("welch", "normal")):
        found = differences_from_control(moments, control=1, metric=metric, variance=variance)
        for place, arm in enumerate((3, 2)):
            pair = difference(moments, treatment=arm, control=1, metric=metric, variance=variance)
            for field in ("value", "standard_error", "degrees_of_freedom", "baseline", "baseline_error", "n_treatment"):
                given = np.broadcast_to(getattr(found, field), (2,))[place]
                assert given == pytest.approx(getattr(pair, field), rel=1e-12)
    pooled = differences_from_control(moments, control=1, metric="y")
    squares = sum(float(part.variance("y")) * (part.n - 1) for part in parts)
    np.testing.assert_allclose(
        pooled.standard_error, np.sqrt(squares / 18 * (1 / np.array([9, 7]) + 1 / 5)), rtol=1e-12
    )
    assert pooled.degrees_of_freedom == 18
    welch = dunnett(differences_from_control(moments, control=1, metric="y", variance="welch"))
    assert welch.critical_value[0] != welch.critical_value[1]


def test_an_arm_of_one_value_has_welch_degrees_of_its_own() -> None:
    moments = arms({"control": [1.0, 1.0], "a": [1.0, 1.0], "b": [1.0, 2.0]})
    found = differences_from_control(moments, control="control", metric="y", variance="welch")
    np.testing.assert_allclose(found.degrees_of_freedom, [2.0, 1.0])
    assert np.isnan(dunnett(found).p_adjusted[0])


@pytest.mark.parametrize("effect", [0.0, 0.8])
def test_familywise_error_and_coverage_by_simulation(effect: float) -> None:
    runs, rng, sizes = 20_000, np.random.default_rng(7), np.array([12, 6, 9, 4])
    means = rng.normal(size=(runs, 4)) / np.sqrt(sizes)
    means[:, 1] += effect
    freedom = sizes.sum() - 4.0
    s = np.sqrt(rng.chisquare(freedom, size=runs) / freedom)[:, None]
    error = s * np.sqrt(1 / sizes[1:] + 1 / sizes[0])
    statistic = (means[:, 1:] - means[:, :1] - [effect, 0, 0]) / error
    loading = np.sqrt((1 / sizes[0]) / (1 / sizes[1:] + 1 / sizes[0]))[None]
    for alpha, two_sided in itertools.product((0.05, 0.01), (True, False)):
        c = union_critical(alpha, np.array([freedom]), loading, two_sided)
        reached = (np.abs(statistic) if two_sided else statistic).max(axis=1) > c
        assert reached.mean() == pytest.approx(alpha, abs=3.29 * math.sqrt(alpha * (1 - alpha) / runs))


@pytest.mark.parametrize("unit", [1e-9, 1e7])
def test_the_unit_of_money_does_not_matter(unit: float) -> None:
    moments = arms({name: [unit * value for value in sample] for name, sample in BLOOD.items()})
    for variance in ("pooled", "welch", "normal"):
        found, plain = (
            dunnett(differences_from_control(one, control="control", metric="y", variance=variance))  # type: ignore[arg-type]
            for one in (moments, arms(BLOOD))
        )
        np.testing.assert_allclose(found.p_adjusted, plain.p_adjusted, rtol=1e-9)
        np.testing.assert_allclose(found.lower, unit * np.asarray(plain.lower), rtol=1e-9)


def test_adjusted_differences_of_pairs_make_a_family() -> None:
    """Estimates that were made one by one, here by CUPED, are put side by side: they share the control's level."""
    rng = np.random.default_rng(4)
    parts = []
    for n, effect in ((400, 0.0), (300, 0.1), (500, 0.2)):
        before = rng.normal(10, 2, n)
        after = before + rng.normal(effect, 1, n)
        parts.append(Moments.from_arrays(np.column_stack([before, after]), columns=("before", "after")))
    moments = MomentsByArm(arms=["control", "a", "b"], moments=tuple(parts))
    pairs = [
        difference(moments, treatment=name, control="control", metric="after", adjust=("before",))
        for name in ("a", "b")
    ]
    fields = ("value", "standard_error", "degrees_of_freedom", "baseline", "baseline_error", "covariance")
    stacked = Estimate(**{field: [getattr(pair, field) for pair in pairs] for field in fields})
    found = dunnett(stacked)
    single = np.array([pair.test().p_value for pair in pairs])
    assert np.all(single < found.p_adjusted)
    assert np.all(found.p_adjusted < 2 * single)
    loading = np.sqrt(-stacked.covariance) / stacked.standard_error
    for place, (t, freedom) in enumerate(zip(np.abs(found.statistic), stacked.degrees_of_freedom, strict=True)):
        expected = exceeded(float(t), loading.tolist(), float(freedom), two_sided=True)
        assert found.p_adjusted[place] == pytest.approx(expected, abs=1e-9)


def family_of(**changes: Any) -> Estimate:
    return Estimate(**{"value": [1.0, 2.0], "standard_error": 1.0, "baseline_error": 1.0, **changes})


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (
            family_of(baseline=[3.0, 4.0]),
            "estimate.baseline must be the same for differences from one control, got 4.0 at index 1",
        ),
        (
            family_of(covariance=0.5),
            "estimate.covariance must be <= 0 for differences from one control, got 0.5 at index 0",
        ),
        (
            family_of(covariance=-2.0, baseline_error=3.0),
            "estimate.covariance must be within standard_error ** 2 for differences from one control, got -2.0 and 1.0 at index 0",
        ),
        (family_of(degrees_of_freedom=0.5), "estimate.degrees_of_freedom must be >= 1, got 0.5 at index 0"),
        (
            Estimate(value=np.zeros(1001), standard_error=1.0),
            "estimate must have at most 1000 treatments in a family, got 1001",
        ),
    ],
)
def test_refusals(estimate: Estimate, text: str) -> None:
    with pytest.raises(InputError) as caught:
        dunnett(estimate)
    assert str(caught.value).endswith(text)
    assert str(caught.value).startswith("dunnett: ")


def test_more_refusals() -> None:
    with pytest.raises(
        InputError, match=r"^differences_from_control: control must be one of \['control', 'A', 'B'\], got 'C'"
    ):
        differences_from_control(arms(BLOOD), control="C", metric="y")
    alone = arms({"control": [1.0, 2.0]})
    with pytest.raises(InputError, match="^differences_from_control: moments must have a treatment beside the control"):
        differences_from_control(alone, control="control", metric="y")
    with pytest.raises(InputError, match="^dunnett_critical_value: treatments must be <= 1000, got 1001"):
        dunnett_critical_value(1001)
    with pytest.raises(InputError, match="^dunnett_critical_value: degrees_of_freedom must be >= 1, got 0.5"):
        dunnett_critical_value(2, degrees_of_freedom=0.5)
    for samples, metric, text in (
        ({"a": [1.0, 2.0], "b": [3.0]}, "y", "an arm must have at least 2 units, got 1 in arm 'b'"),
        ({"a": [1.0], "b": [3.0, 4.0]}, "y", "an arm must have at least 2 units, got 1 in arm 'a'"),
        (BLOOD, "x", "metric must be one of ('y',), got 'x'"),
        (
            {"a": [1.0, 2.0], "b": [-1.0, -3.0]},
            Ratio(numerator="y", denominator="y"),
            "metric.denominator must have a mean > 0, got -2.0 in arm 'b'",
        ),
    ):
        with pytest.raises(InputError) as caught:
            differences_from_control(arms(samples), control=next(iter(samples)), metric=metric)
        assert str(caught.value) == f"differences_from_control: {text}"
