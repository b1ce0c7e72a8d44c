"""Group-sequential designs: published tables, the multivariate normal, simulation, and finer quadrature."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
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
    stopping_bounds,
)

SPENDING = [LanDeMets(), LanDeMets(like="pocock"), HwangShihDeCani(gamma=-4), PowerSpending(exponent=2)]
BOUNDARIES = [ObrienFleming(), Pocock(), WangTsiatis(exponent=0.25), *SPENDING]


def equal(looks: int) -> Any:
    return np.arange(1, looks + 1) / looks


# --- published ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    [
        (2, 2.17827, 1.97743),
        (3, 2.28948, 2.00404),
        (4, 2.36130, 2.02430),
        (5, 2.41318, 2.04007),
        (10, 2.55501, 2.08650),
        (20, 2.67197, 2.12565),
    ],
)
def test_tables_of_jennison_and_turnbull(looks: int, pocock: float, obrien_fleming: float) -> None:
    """Tables 2.1 and 2.3, with the further digits of gsDesign."""
    flat = group_sequential_design(equal(looks), boundary=Pocock()).bounds.efficacy
    np.testing.assert_allclose(flat, pocock, rtol=0, atol=5.1e-6)
    steep = group_sequential_design(equal(looks), boundary=ObrienFleming()).bounds.efficacy
    np.testing.assert_allclose(steep, obrien_fleming / np.sqrt(equal(looks)), rtol=2.6e-6)


@pytest.mark.parametrize(
    ("boundary", "bounds"),
    [
        (ObrienFleming(), [4.561743, 3.225639, 2.633723, 2.280871, 2.040073]),
        (LanDeMets(), [4.876885, 3.357012, 2.680280, 2.289817, 2.031032]),
        (LanDeMets(like="pocock"), [2.437977, 2.426814, 2.410194, 2.396645, 2.385985]),
    ],
)
def test_five_looks_of_gsdesign(boundary: Any, bounds: list[float]) -> None:
    found = group_sequential_design(equal(5), boundary=boundary).bounds.efficacy
    np.testing.assert_allclose(found, bounds, rtol=0, atol=1.1e-6)


@pytest.mark.parametrize(
    ("boundary", "power", "inflation"),
    [(Pocock(), 0.8, 1.2286), (Pocock(), 0.9, 1.2066), (ObrienFleming(), 0.8, 1.0284), (ObrienFleming(), 0.9, 1.0265)],
)
def test_inflation_of_jennison_and_turnbull(boundary: Any, power: float, inflation: float) -> None:
    design = group_sequential_design(equal(5), boundary=boundary, power=power)
    assert design.inflation == pytest.approx(inflation, abs=5.1e-5)


def test_expected_sizes_of_jennison_and_turnbull() -> None:
    design = group_sequential_design(equal(4), boundary=Pocock(), power=0.8)
    drifts = design.drift * np.array([0, 0.5, 1, 1.5])
    expected = design.inflation * crossing_probabilities(design.bounds, drift=drifts).expected_fraction
    np.testing.assert_allclose(100 * expected, [117.5, 108.8, 80.5, 52.2], rtol=0, atol=0.051)
    np.testing.assert_allclose([design.expected_size_null, design.expected_size], expected[[0, 2]], rtol=1e-12)


def test_the_default_design_of_gsdesign() -> None:
    rule = FutilityRule(spending=HwangShihDeCani(gamma=-2))
    design = group_sequential_design(
        equal(3),
        boundary=HwangShihDeCani(gamma=-4),
        alpha=0.025,
        power=0.9,
        alternative="one-sided",
        futility=rule,
    )
    np.testing.assert_allclose(design.bounds.efficacy, [3.010739, 2.546531, 1.999226], rtol=0, atol=1.1e-6)
    np.testing.assert_allclose(design.bounds.futility, [-0.238724, 0.941067, 1.999226], rtol=0, atol=1.1e-6)
    np.testing.assert_allclose(design.inflation * equal(3), [0.356628, 0.713255, 1.069883], rtol=0, atol=1.1e-6)
    np.testing.assert_allclose(
        [design.expected_size_null, design.expected_size], [0.624859, 0.791277], rtol=0, atol=1.1e-6
    )


@pytest.mark.parametrize(
    ("looks", "level"),
    [(2, 0.083118), (3, 0.107256), (4, 0.126169), (5, 0.141689), (10, 0.193357), (20, 0.247911), (50, 0.320450)],
)
def test_peeking_of_armitage_mcpherson_and_rowe(looks: int, level: float) -> None:
    peeking = StoppingBounds(fractions=equal(looks), efficacy=[stats.norm.ppf(0.975)] * looks)
    assert crossing_probabilities(peeking).reject == pytest.approx(level, abs=6e-7)


def test_181_uneven_looks_in_half_a_second() -> None:
    """The first looks of a vector in the tests of spotify-confidence, whose own bounds are 5.754 and 8.0; see the spec."""
    first = [0.0016169976338740648, 0.0057857955498163615, 0.012200379088315757, 0.020199591701142824]
    fractions = np.concatenate([first, np.linspace(0.0295, 1.0, 177)])
    took = []
    for _ in range(3):
        start = time.process_time()
        found = stopping_bounds(
            fractions, boundary=PowerSpending(exponent=2), alpha=0.0016666665, alternative="one-sided"
        )
        took.append(time.process_time() - start)
    np.testing.assert_allclose(found.efficacy[:4], [5.75400023, 5.32150252, 5.07441040, 4.91157514], rtol=0, atol=6e-9)
    assert min(took) < 0.5


# --- properties -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=lambda b: b.kind)
@pytest.mark.parametrize("alternative", ["two-sided", "one-sided"])
def test_one_look_is_the_fixed_test(boundary: Any, alternative: Any) -> None:
    side = 0.05 if alternative == "one-sided" else 0.025
    for futility in (None, FutilityRule(spending=LanDeMets())):
        design = group_sequential_design([1.0], boundary=boundary, alternative=alternative, futility=futility)
        assert design.bounds.efficacy[0] == pytest.approx(stats.norm.isf(side), rel=1e-12)
        assert design.inflation == pytest.approx(1.0, rel=1e-10)
        assert design.drift == pytest.approx(stats.norm.isf(side) + stats.norm.ppf(0.8), rel=1e-10)
        assert design.expected_size == pytest.approx(design.inflation, rel=1e-12)


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 99), min_size=1, max_size=8, unique=True),
    st.sampled_from(BOUNDARIES),
    st.sampled_from([0.001, 0.05, 0.3]),
    st.sampled_from(["two-sided", "one-sided"]),
)
def test_designs_keep_level_and_power(parts: list[int], boundary: Any, alpha: float, alternative: Any) -> None:
    fractions = np.append(np.sort(parts) / 100.0, 1.0)
    design = group_sequential_design(fractions, boundary=boundary, alpha=alpha, power=0.8, alternative=alternative)
    found = crossing_probabilities(design.bounds, drift=[0.0, design.drift, -design.drift])
    assert found.reject[0] == pytest.approx(alpha, rel=1e-8)
    assert found.upper[1].sum() == pytest.approx(0.8, rel=1e-8)
    assert design.inflation >= 1.0 - 1e-12
    assert design.expected_size <= design.inflation + 1e-12
    assert np.all(np.diff(design.alpha_spent) >= 0)
    if alternative == "two-sided":
        np.testing.assert_allclose(found.lower[2], found.upper[1], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.9])
def test_binding_futility_at_a_loose_level(alpha: float) -> None:
    rule = FutilityRule(spending=HwangShihDeCani(gamma=5), binding=True)
    options = {"alpha": alpha, "power": 0.97, "alternative": "one-sided", "futility": rule}
    design = group_sequential_design(equal(4), boundary=LanDeMets(), **options)
    found = crossing_probabilities(design.bounds, drift=[0.0, design.drift])
    np.testing.assert_allclose(found.reject, [alpha, 0.97], rtol=1e-9)


@pytest.mark.parametrize("alternative", ["two-sided", "one-sided"])
@pytest.mark.parametrize("gamma", [20, 38])
def test_futility_spent_at_once_still_leaves_the_power(alternative: Any, gamma: float) -> None:
    """Nearly all of the second error goes at the first look, so the later bounds nearly meet."""
    rule = FutilityRule(spending=HwangShihDeCani(gamma=gamma))
    options = {"alternative": alternative, "power": 0.97, "futility": rule}
    design = group_sequential_design([0.64, 0.66, 0.71, 1.0], boundary=WangTsiatis(exponent=0.24), **options)
    found = crossing_probabilities(design.bounds, drift=design.drift)
    assert found.upper.sum() == pytest.approx(0.97, rel=1e-9)
    assert np.all(design.bounds.futility <= design.bounds.efficacy)


def test_drifts_are_elements_and_monotone() -> None:
    bounds = group_sequential_design(equal(4), boundary=LanDeMets(), alternative="one-sided").bounds
    drifts = np.linspace(-100, 100, 401)
    found = crossing_probabilities(bounds, drift=drifts)
    assert np.all(np.diff(found.reject) >= -1e-13)
    for row in (0, 150, 200, 208, 230, 400):
        one = crossing_probabilities(bounds, drift=drifts[row])
        np.testing.assert_allclose(one.upper, found.upper[row], rtol=1e-12)
        assert one.reject == pytest.approx(found.reject[row], rel=1e-12)
    assert crossing_probabilities(bounds, drift=drifts.reshape(1, -1)).upper.shape == (1, 401, 4)
    many = crossing_probabilities(bounds, drift=np.full(9000, 1.0))
    assert np.ptp(many.reject) == 0.0


def test_looks_that_spend_nothing_never_stop() -> None:
    design = group_sequential_design(
        [1e-4, 0.5, 1.0], boundary=LanDeMets(), futility=FutilityRule(spending=LanDeMets())
    )
    assert design.bounds.efficacy[0] == np.inf
    assert design.bounds.futility[0] == 0.0
    assert np.isfinite(design.bounds.efficacy[1:]).all()
    one_sided = group_sequential_design(
        [1e-4, 0.5, 1.0],
        boundary=LanDeMets(),
        alternative="one-sided",
        futility=FutilityRule(spending=LanDeMets()),
    )
    assert one_sided.bounds.futility[0] == -np.inf


def test_looks_close_together_after_a_tight_bound() -> None:
    design = group_sequential_design([0.5, 0.5001, 1.0], boundary=LanDeMets())
    without = group_sequential_design([0.5, 1.0], boundary=LanDeMets())
    assert design.bounds.efficacy[2] == pytest.approx(without.bounds.efficacy[1], abs=2e-3)
    assert crossing_probabilities(design.bounds).reject == pytest.approx(0.05, rel=1e-9)


def test_bounds_nobody_can_miss() -> None:
    certain = StoppingBounds(fractions=[0.5, 1.0], efficacy=[0.0, 0.0])
    found = crossing_probabilities(certain, drift=[0.0, 50.0, -50.0])
    np.testing.assert_allclose(found.reject, 1.0, rtol=1e-15)
    np.testing.assert_allclose(found.expected_fraction, 0.5, rtol=1e-15)
    closed = StoppingBounds(fractions=[0.5, 1.0], efficacy=[2.0, 2.0], futility=[2.0, 2.0])
    np.testing.assert_allclose(crossing_probabilities(closed).upper[1], 0.0)


# --- refusals -------------------------------------------------------------------------------------------------------------

BINDING = FutilityRule(spending=LanDeMets(), binding=True)
NOT_BINDING = "group_sequential_design: futility can be binding in a one-sided test with a spending function only; use binding=False"


def plan(fractions: Any = (0.5, 1.0), **options: Any) -> Any:
    return lambda: group_sequential_design(np.asarray(fractions), **{"boundary": LanDeMets(), **options})


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            plan([0.5, 0.5, 1.0]),
            "group_sequential_design: fractions must increase without repeats, got 0.5 after 0.5 at index 1",
        ),
        (
            plan([0.6, 0.5, 1.0]),
            "group_sequential_design: fractions must increase without repeats, got 0.5 after 0.6 at index 1",
        ),
        (
            lambda: stopping_bounds([0.5, 0.9], boundary=Pocock()),
            "stopping_bounds: fractions must end at 1, the planned sample, got 0.9",
        ),
        (plan([0.5, 0.9]), "group_sequential_design: fractions must end at 1, the planned sample, got 0.9"),
        (
            plan([[0.5, 1.0]]),
            "group_sequential_design: fractions must be a list of at most 1000 looks, got shape (1, 2)",
        ),
        (plan([0.0, 1.0]), "group_sequential_design: fractions must be > 0, got 0.0 at index 0"),
        (
            plan([0.5, 0.5 + 1e-9, 1.0]),
            "group_sequential_design: fractions must be further apart: two looks so close to each other are one look; leave one of them out",
        ),
        (plan(power=0.05), "group_sequential_design: power must be above alpha, got 0.05 and 0.05"),
        (plan(alpha=1e-13), "group_sequential_design: alpha must be >= 1e-12, got 1e-13"),
        (plan(futility=BINDING), NOT_BINDING),
        (plan(futility=BINDING, boundary=Pocock(), alternative="one-sided"), NOT_BINDING),
        (lambda: WangTsiatis(exponent=0.6), "WangTsiatis: exponent must be <= 0.5, got 0.6"),
        (lambda: PowerSpending(exponent=0.0), "PowerSpending: exponent must be > 0, got 0.0"),
        (lambda: HwangShihDeCani(gamma=41), "HwangShihDeCani: gamma must be <= 40, got 41.0"),
        (
            lambda: StoppingBounds(fractions=[0.5, 0.5], efficacy=[2, 2]),
            "StoppingBounds: fractions must increase without repeats, got 0.0 at index 0",
        ),
        (
            lambda: StoppingBounds(fractions=[0.5, 1.0], efficacy=[2.0]),
            "StoppingBounds: efficacy must have one bound a look, of which there are 2",
        ),
        (
            lambda: StoppingBounds(fractions=[0.5, 1.0], efficacy=[2.0, -1.0]),
            "StoppingBounds: efficacy must be >= 0 where two-sided, and not minus infinity, got -1.0 at index 1",
        ),
        (
            lambda: StoppingBounds(fractions=[0.5, 1.0], efficacy=[2.0, 2.0], futility=[1.0]),
            "StoppingBounds: futility must have one bound a look, of which there are 2",
        ),
        (
            lambda: StoppingBounds(fractions=[0.5, 1.0], efficacy=[2.0, 2.0], futility=[1.0, 2.5]),
            "StoppingBounds: futility must be finite and <= efficacy, got 2.5 and 2.0 at index 1",
        ),
        (
            lambda: crossing_probabilities(StoppingBounds(fractions=[1.0], efficacy=[2.0]), drift=101.0),
            "crossing_probabilities: drift must be <= 100, got 101.0",
        ),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text
