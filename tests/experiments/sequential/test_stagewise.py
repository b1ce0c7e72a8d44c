"""What to report after a stop: the fixed test, the joint normal, duality, and level, coverage and median by simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats  # noqa: TID251 - the oracle

from ecomops.core import replace
from ecomops.experiments import (
    Estimate,
    FutilityRule,
    HwangShihDeCani,
    LanDeMets,
    Pocock,
    group_sequential_design,
    monitor_looks,
    stagewise_estimate,
)
from ecomops.experiments.sequential import crossings
from ecomops.experiments.sequential.stopping_rules import firm_looks

QUARTERS = np.array([0.25, 0.5, 0.75, 1.0])
TWO = group_sequential_design(QUARTERS, boundary=LanDeMets())
RULE = FutilityRule(spending=HwangShihDeCani(gamma=-2))
ONE = {"boundary": LanDeMets(like="pocock"), "alpha": 0.025, "power": 0.9, "alternative": "one-sided"}
LOOSE = group_sequential_design(QUARTERS, futility=RULE, **ONE)
BINDING = group_sequential_design(QUARTERS, futility=replace(RULE, binding=True), **ONE)
WEDGE = group_sequential_design(QUARTERS, boundary=LanDeMets(), futility=RULE)


def estimates(z: Any, fractions: Any, margin: float = 0.0) -> Estimate:
    """Return estimates with given statistics, whose standard error is 2 at full information."""
    error = 2.0 / np.sqrt(fractions)
    return Estimate(value=np.asarray(z) * error + margin, standard_error=error)


def looked(design: Any, z: Any, fractions: Any = QUARTERS, **options: Any) -> Any:
    fractions = np.asarray(fractions)[: len(z)]
    return monitor_looks(design, estimates(z, fractions, options.get("margin", 0.0)), fractions=fractions, **options)


# --- after the stop -------------------------------------------------------------------------------------------------------


def test_one_look_gives_the_plain_interval() -> None:
    design = group_sequential_design([1.0], boundary=LanDeMets())
    given = Estimate(value=1.4, standard_error=0.5)
    found = stagewise_estimate(monitor_looks(design, given, fractions=[1.0]))
    plain = given.interval(confidence=0.95)
    np.testing.assert_allclose([found.lower, found.value, found.upper], [plain.lower, 1.4, plain.upper], rtol=1e-9)
    assert found.p_value == pytest.approx(given.test().p_value, rel=1e-10)
    one_sided = group_sequential_design([1.0], boundary=LanDeMets(), alternative="one-sided")
    found = stagewise_estimate(monitor_looks(one_sided, given, fractions=[1.0], margin=0.2))
    assert found.confidence == pytest.approx(0.90)
    assert found.p_value == pytest.approx(given.test(margin=0.2, alternative="greater").p_value, rel=1e-10)
    assert found.lower == pytest.approx(given.interval(confidence=0.9).lower, rel=1e-9)


def test_a_second_look_by_the_joint_normal() -> None:
    """P(Z1 >= u1) + P(Z1 < u1, Z2 >= z), solved for the drift with scipy."""
    design = group_sequential_design([0.5, 1.0], boundary=Pocock(), alpha=0.025, alternative="one-sided")
    z, bound = 2.4, float(design.bounds.efficacy[0])
    law = stats.multivariate_normal([0, 0], [[1, np.sqrt(0.5)], [np.sqrt(0.5), 1]])

    def higher(drift: float) -> float:
        shift = drift * np.sqrt([0.5, 1.0])
        both = law.cdf([bound - shift[0], 40.0]) - law.cdf([bound - shift[0], z - shift[1]])
        return float(stats.norm.sf(bound - shift[0]) + both)

    found = stagewise_estimate(looked(design, [1.0, z], [0.5, 1.0]), confidence=0.9)
    assert found.p_value == pytest.approx(higher(0.0), abs=1e-8)
    for target, value in ((0.05, found.lower), (0.5, found.value), (0.95, found.upper)):
        drift = optimize.brentq(lambda point, target=target: higher(point) - target, -5, 10, xtol=1e-10)
        assert value == pytest.approx(2.0 * drift, abs=1e-6)  # the standard error at full information is 2


@pytest.mark.parametrize("design", [TWO, LOOSE, BINDING], ids=["two-sided", "loose", "binding"])
@pytest.mark.parametrize("z", [[5.0], [2.0, 3.4], [1.0, 1.2, 2.9], [1.0, 1.5, 1.7, 2.0], [1.0, 1.5, 1.7, 2.8]])
def test_the_interval_the_p_value_and_the_bounds_agree(design: Any, z: list[float]) -> None:
    looks = looked(design, z, margin=0.3)
    found = stagewise_estimate(looks)
    if not looks.stopped_at:
        assert np.isnan(found.value)
        return
    level = design.alpha
    assert (looks.verdict == "efficacy") == (found.p_value <= level) == (found.lower >= 0.3)
    assert found.lower < found.value < found.upper
    at_edge = stagewise_estimate(
        monitor_looks(
            design,
            estimates(z, QUARTERS[: len(z)], 0.3),
            fractions=QUARTERS[: len(z)],
            margin=found.lower,
            final=True,
        )
    )
    assert at_edge.method.startswith("stage-wise order")


def test_a_crossing_at_its_bound_has_the_error_spent_as_p_value() -> None:
    for design in (TWO, LOOSE, BINDING):
        for k in range(4):
            z = np.append(0.9 * design.bounds.efficacy[:k], design.bounds.efficacy[k] * (1 + 1e-14))
            found = stagewise_estimate(looked(design, z))
            assert found.p_value == pytest.approx(design.alpha_spent[k], rel=1e-8)
            assert found.naive_value > found.value or k == 0


def test_a_harm_mirrors_an_efficacy() -> None:
    up, down = (stagewise_estimate(looked(TWO, [sign * 1.0, sign * 3.2])) for sign in (1.0, -1.0))
    np.testing.assert_allclose([down.value, down.lower, down.upper], [-up.value, -up.upper, -up.lower], rtol=1e-9)
    assert down.p_value == pytest.approx(up.p_value, rel=1e-12)


@pytest.mark.parametrize("z", [[1e4], [-1e4], [2.0, 50.0], [1.0, 1.5, -1e3]])
def test_statistics_far_beyond_the_bounds(z: list[float]) -> None:
    found = stagewise_estimate(looked(TWO, z))
    assert found.lower <= found.value <= found.upper
    assert 0.0 <= found.p_value <= 0.05
    if len(z) == 1:
        assert found.value == pytest.approx(found.naive_value, rel=1e-12)


def test_an_experiment_that_goes_on_has_no_estimate() -> None:
    found = stagewise_estimate(looked(TWO, [1.0]))
    assert np.isnan([found.value, found.lower, found.upper, found.p_value, found.naive_value]).all()
    assert found.reason == "the experiment has not stopped: there is no final estimate yet"
    assert found.stopped_at == 0


@settings(max_examples=20)
@given(st.floats(-6, 6), st.floats(0.1, 50), st.sampled_from([0.5, 0.8, 0.99]))
def test_estimates_have_the_unit_of_the_data(z: float, unit: float, confidence: float) -> None:
    design = TWO if z > 0 else WEDGE
    looks = looked(design, [0.4, 1.1, z], final=True)
    scaled = Estimate(value=unit * np.asarray(looks.value), standard_error=unit * np.asarray(looks.standard_error))
    again = monitor_looks(design, scaled, fractions=QUARTERS[:3], final=True)
    one, two = (stagewise_estimate(part, confidence=confidence) for part in (looks, again))
    np.testing.assert_allclose(
        [two.lower, two.upper], [unit * one.lower, unit * one.upper], rtol=1e-7, atol=1e-9 * unit
    )
    assert two.p_value == pytest.approx(one.p_value, rel=1e-9)


@pytest.mark.parametrize(("design", "effect"), [(TWO, 0.0), (TWO, 3.0), (LOOSE, 0.0), (BINDING, 2.5)])
def test_level_coverage_and_median_by_simulation(design: Any, effect: float) -> None:
    """Stage-wise p-values are uniform (below the level as often as it says), intervals cover, half the estimates are high.

    The probability of an outcome as high, at the true drift, is uniform just when all of that holds, so each path needs
    that one number; its law is compared with the uniform one by Kolmogorov and Smirnov's statistic.
    """
    runs, rng = 20_000, np.random.default_rng(3)
    steps, roots = np.diff(QUARTERS, prepend=0.0), np.sqrt(QUARTERS)
    path = np.cumsum(rng.normal(effect * steps, np.sqrt(steps), (runs, 4)), axis=1) / roots
    looks = firm_looks(design.bounds, binding=design is BINDING)
    out = (path >= looks.upper) | (path <= looks.lower)
    out[:, -1] = True
    stop, tails, early = np.argmax(out, axis=1), np.empty(runs), 0.0
    under = crossings.recursion(looks, effect or 8.0)(effect)  # so that it is under this very drift
    assert under.centre == effect
    for k, part in enumerate(np.split(np.arange(under.node.size), under.starts[1:])):
        scores = np.append(path[stop == k, k], looks.upper[k])[:, None] * roots[k]
        mean = under.node[part] + effect * under.step[part]
        above = stats.norm.cdf((mean - scores) / under.root[part]) @ under.mass[part]
        tails[stop == k] = early + above[:-1]
        early += above[-1]
    assert stats.kstest(tails, "uniform").pvalue > 0.001
