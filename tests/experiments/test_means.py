"""Differences of means and ratios: against scipy, the sandwich, simulation and two real tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import Estimate, Moments, MomentsByArm, Ratio, difference

RUNS = 20_000
SAME = "the standard error is 0: the units show no variation to judge it by"
samples = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=30)


def by_arm(treatment: Any, control: Any, columns: tuple[str, ...] = ("y",)) -> MomentsByArm:
    parts = tuple(Moments.from_arrays(np.asarray(rows, dtype=float), columns=columns) for rows in (control, treatment))
    return MomentsByArm(arms=["a", "b"], moments=parts)


def compared(treatment: Any, control: Any, variance: Any = "welch") -> Estimate:
    return difference(by_arm(treatment, control), treatment="b", control="a", metric="y", variance=variance)


# --- means ------------------------------------------------------------------------------------------------------------


@given(samples, samples)
def test_welch_and_pooled_are_those_of_scipy(treatment: list[float], control: list[float]) -> None:
    if np.ptp(treatment) == 0 or np.ptp(control) == 0:  # scipy warns; a constant arm has its own test below
        return
    for variance, equal in (("welch", False), ("pooled", True)):
        expected = stats.ttest_ind(treatment, control, equal_var=equal)
        found = compared(treatment, control, variance)
        interval = expected.confidence_interval(0.9)
        assert found.test().statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-12)
        assert found.degrees_of_freedom == pytest.approx(expected.df, rel=1e-9)
        assert found.test().p_value == pytest.approx(expected.pvalue, rel=1e-8, abs=1e-300)
        np.testing.assert_allclose(
            [found.interval(confidence=0.9).lower, found.interval(confidence=0.9).upper],
            interval,
            rtol=1e-8,
            atol=1e-10,
        )


@given(samples, samples)
def test_the_normal_reference_is_the_z_test(treatment: list[float], control: list[float]) -> None:
    found = compared(treatment, control, "normal")
    error = np.sqrt(np.var(treatment, ddof=1) / len(treatment) + np.var(control, ddof=1) / len(control))
    assert found.standard_error == pytest.approx(error, rel=1e-9, abs=1e-9)
    assert found.degrees_of_freedom == np.inf
    if error > 1e-3:
        z = (np.mean(treatment) - np.mean(control)) / error
        assert found.test().p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-6, abs=1e-300)


@given(samples, samples)
def test_swapping_the_arms_turns_the_sign(treatment: list[float], control: list[float]) -> None:
    one, other = compared(treatment, control), compared(control, treatment)
    assert one.value == -other.value
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-12)
    assert one.degrees_of_freedom == pytest.approx(other.degrees_of_freedom, rel=1e-12)


@pytest.mark.parametrize("unit", [1e-120, 1e-90, 1e-6, 1e6, 1e60])
def test_the_currency_does_not_matter(unit: float) -> None:
    treatment, control = np.array([1.0, 2.0, 4.0, 9.0]), np.array([2.0, 2.0, 3.0])
    one, other = compared(treatment, control), compared(treatment * unit, control * unit)
    assert other.degrees_of_freedom == pytest.approx(one.degrees_of_freedom, rel=1e-12)
    assert other.test().p_value == pytest.approx(one.test().p_value, rel=1e-12)
    assert other.lift().upper == pytest.approx(one.lift().upper, rel=1e-9)


def test_a_shift_moves_nothing_but_the_baseline() -> None:
    treatment, control = np.array([1.0, 2.0, 4.0, 9.0]), np.array([2.0, 2.0, 3.0])
    one, other = compared(treatment, control), compared(treatment + 1e9, control + 1e9)
    assert other.standard_error == pytest.approx(one.standard_error, rel=1e-12)
    assert other.baseline == pytest.approx(1e9 + one.baseline, rel=1e-15)


def test_what_the_estimate_carries() -> None:
    found = compared([1.0, 2.0, 4.0, 9.0], [2.0, 2.0, 3.0])
    variance = np.var([2.0, 2.0, 3.0], ddof=1) / 3
    assert (found.n_treatment, found.n_control) == (4.0, 3.0)
    assert found.baseline == pytest.approx(7 / 3, rel=1e-15)
    assert found.baseline_error == pytest.approx(np.sqrt(variance), rel=1e-14)
    assert found.covariance == pytest.approx(-variance, rel=1e-14)
    assert found.method == "difference of means, welch"


def test_shards_give_what_the_whole_gives() -> None:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame({"arm": rng.choice(["a", "b"], 500), "y": rng.lognormal(3, 1, 500)})
    whole = Moments.from_frame(rows, by="arm", columns=("y",))
    parts = [Moments.from_frame(rows[start::3], by="arm", columns=("y",)) for start in range(3)]
    one, other = (
        difference(moments, treatment="b", control="a", metric="y")
        for moments in (whole, parts[2] + parts[0] + parts[1])
    )
    for name in ("value", "standard_error", "degrees_of_freedom", "baseline"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-12)


# --- awkward arms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", ["welch", "pooled", "normal"])
@pytest.mark.parametrize("level", [0.0, 0.1, 3.3])
def test_two_constant_arms_have_no_answer_and_say_why(variance: Any, level: float) -> None:
    found = compared([level + 1] * 7, [level] * 5, variance)
    test = found.test()
    assert found.standard_error == 0.0
    assert np.isnan([test.statistic, test.p_value, test.log_p_value]).all()
    assert test.reason == found.interval().reason == SAME


def test_one_constant_arm_leaves_the_degrees_of_freedom_of_the_other() -> None:
    found = compared([1.0, 2.0, 4.0, 9.0], [2.0] * 30)
    assert found.degrees_of_freedom == pytest.approx(3.0, rel=1e-14)
    assert found.baseline_error == 0.0
    assert found.test().p_value == pytest.approx(stats.ttest_1samp([1.0, 2.0, 4.0, 9.0], 2.0).pvalue, rel=1e-12)


@pytest.mark.parametrize(("control", "least"), [([-1.0, 1.0, 0.0], 0.0), ([-2.0, -1.0, -3.0], -2.0)])
def test_a_lift_over_nothing_is_refused(control: list[float], least: float) -> None:
    with pytest.raises(InputError) as caught:
        compared([1.0, 2.0, 4.0], control).lift()
    assert (
        str(caught.value) == f"Estimate.lift: baseline must be > 0 for a lift, got {least}; use the absolute difference"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"treatment": "c"}, "difference: treatment must be one of ['a', 'b', 'one'], got 'c'"),
        ({"control": 1}, "difference: control must be one of ['a', 'b', 'one'], got 1"),
        ({"control": "b"}, "difference: treatment must be another arm than control, got 'b' for both"),
        ({"control": "one"}, "difference: control must have at least 2 units, got 1 in arm 'one'"),
        ({"metric": "x"}, "difference: metric must be one of ('y', 's'), got 'x'"),
        (
            {"metric": Ratio(numerator="x", denominator="s")},
            "difference: metric.numerator must be one of ('y', 's'), got 'x'",
        ),
        (
            {"metric": Ratio(numerator="y", denominator="x")},
            "difference: metric.denominator must be one of ('y', 's'), got 'x'",
        ),
        (
            {"metric": Ratio(numerator="y", denominator="s")},
            "difference: metric.denominator must have a mean > 0, got 0.0 in the control",
        ),
        ({"variance": "equal"}, "difference: variance must be 'welch', 'pooled' or 'normal', got 'equal'"),
    ],
)
def test_refusals(changes: dict[str, Any], text: str) -> None:
    parts = ([[1.0, 0.0], [2.0, 0.0]], [[1.0, 3.0], [2.0, 1.0]], [[1.0, 1.0]])
    moments = MomentsByArm(
        arms=["a", "b", "one"], moments=tuple(Moments.from_arrays(part, columns=("y", "s")) for part in parts)
    )
    with pytest.raises(InputError) as caught:
        difference(moments, **{"treatment": "b", "control": "a", "metric": "y", **changes})
    assert str(caught.value) == text


def test_a_unit_in_two_arms_is_refused() -> None:
    rows = pd.DataFrame({"arm": ["a", "b", "b"], "y": [1.0, 2.0, 3.0], "unit": [1, 1, 2]})
    with pytest.raises(InputError, match=r"^Moments.from_frame: unit must be in one arm, got 1 unit\(s\) seen in two"):
        Moments.from_frame(rows, by="arm", columns=("y",), unit="unit")


# --- ratios -----------------------------------------------------------------------------------------------------------


def test_the_delta_method_is_the_sandwich_of_the_sessions() -> None:
    """A regression of session revenue on a constant, clustered by user: HC0 times G / (G - 1), users as clusters."""
    rng = np.random.default_rng(5)
    arms, expected = [], []
    for users in (40, 60):
        sessions = rng.integers(1, 6, users)
        user = np.repeat(np.arange(users), sessions)
        revenue = rng.gamma(2.0, 10.0, user.size) * rng.uniform(0.5, 2.0, users)[user]
        level = revenue.mean()
        scores = np.bincount(user, weights=revenue - level)
        expected.append((level, (scores**2).sum() / user.size**2 * users / (users - 1)))
        arms.append(np.column_stack([np.bincount(user, weights=revenue), sessions]))
    moments = by_arm(arms[1], arms[0], ("revenue", "sessions"))
    found = difference(moments, treatment="b", control="a", metric=Ratio(numerator="revenue", denominator="sessions"))
    assert found.value == pytest.approx(expected[1][0] - expected[0][0], rel=1e-12)
    assert found.standard_error**2 == pytest.approx(expected[0][1] + expected[1][1], rel=1e-12)
    assert found.baseline_error**2 == pytest.approx(expected[0][1], rel=1e-12)
    assert found.method == "difference of ratios, delta method, welch"


def test_a_ratio_over_ones_is_the_mean() -> None:
    rng = np.random.default_rng(6)
    rows = [np.column_stack([rng.normal(5, 1, n), np.ones(n)]) for n in (20, 30)]
    moments = by_arm(*rows, columns=("y", "one"))
    ratio = difference(moments, treatment="b", control="a", metric=Ratio(numerator="y", denominator="one"))
    mean = difference(moments, treatment="b", control="a", metric="y")
    for name in ("value", "standard_error", "degrees_of_freedom"):
        assert getattr(ratio, name) == pytest.approx(getattr(mean, name), rel=1e-12)


@pytest.mark.parametrize("price", [0.1, 3.3, 19.99])
def test_a_ratio_that_is_the_same_for_all_has_no_answer(price: float) -> None:
    """Only rounding is left of its variance, which must not pass for a tiny error."""
    sessions = np.random.default_rng(7).integers(1, 9, 200).astype(float)
    rows = [np.column_stack([sessions * value, sessions]) for value in (price, 2 * price)]
    found = difference(
        by_arm(*rows, columns=("y", "s")), treatment="b", control="a", metric=Ratio(numerator="y", denominator="s")
    )
    assert found.standard_error == 0.0
    assert found.test().reason == SAME


# --- simulation -------------------------------------------------------------------------------------------------------


def simulated(draw: Any, sizes: tuple[int, int], variance: str, seed: int) -> tuple[Any, Any]:
    """Return the estimates and p-values of many experiments at once; the first ones also go through the library alone."""
    rng = np.random.default_rng(seed)
    parts, drawn = [], []
    for arm, size in enumerate(sizes):
        rows = draw(rng, arm, (RUNS, size))
        drawn.append(rows)
        parts.append((rows.mean(axis=1), rows.var(axis=1, ddof=1) / size, size))
    (mean_t, error_t, n_t), (mean_c, error_c, n_c) = parts
    if variance == "pooled":
        pooled = (error_t * n_t * (n_t - 1) + error_c * n_c * (n_c - 1)) / (n_t + n_c - 2)
        error_t, error_c = pooled / n_t, pooled / n_c
    freedom = {
        "welch": (error_t + error_c) ** 2 / (error_t**2 / (n_t - 1) + error_c**2 / (n_c - 1)),
        "pooled": n_t + n_c - 2.0,
        "normal": np.inf,
    }[variance]
    estimate = Estimate(
        value=mean_t - mean_c,
        standard_error=np.sqrt(error_t + error_c),
        degrees_of_freedom=freedom,
        baseline=np.maximum(mean_c, 1e-9),
        baseline_error=np.sqrt(error_c),
        covariance=-error_c,
    )
    p = estimate.test().p_value
    alone = [compared(drawn[0][run], drawn[1][run], variance).test().p_value for run in range(10)]
    np.testing.assert_allclose(alone, p[:10], rtol=1e-9)
    return estimate, p


@pytest.mark.parametrize(
    ("variance", "sizes", "spread"),
    [("pooled", (5, 8), (1.0, 1.0)), ("welch", (12, 20), (3.0, 1.0)), ("normal", (400, 400), (1.0, 2.0))],
)
def test_no_effect_is_found_as_often_as_alpha_says(variance: str, sizes: tuple[int, int], spread: Any) -> None:
    estimate, p = simulated(lambda rng, arm, shape: rng.normal(10, spread[arm], shape), sizes, variance, seed=11)
    for alpha in (0.05, 0.2):
        limit = 3.29 * np.sqrt(alpha * (1 - alpha) / RUNS)
        assert (p < alpha).mean() == pytest.approx(alpha, abs=limit)
        interval, lift = estimate.interval(confidence=1 - alpha), estimate.lift(confidence=1 - alpha)
        assert ((interval.lower <= 0) & (interval.upper >= 0)).mean() == pytest.approx(1 - alpha, abs=limit)
        assert ((lift.lower <= 0) & (lift.upper >= 0)).mean() == pytest.approx(1 - alpha, abs=limit)


# --- real data --------------------------------------------------------------------------------------------------------


def test_the_e_mail_test_of_hillstrom(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))
    moments = Moments.from_frame(rows, by="segment", columns=("visit", "spend"))
    for arm, visit, spend in (
        ("Mens E-Mail", 0.1828, 1.423),
        ("Womens E-Mail", 0.1514, 1.077),
        ("No E-Mail", 0.1062, 0.653),
    ):
        assert moments[arm].mean("visit") == pytest.approx(visit, abs=5e-5)
        assert moments[arm].mean("spend") == pytest.approx(spend, abs=5e-4)
    for arm in ("Mens E-Mail", "Womens E-Mail"):
        for metric in ("visit", "spend"):
            found = difference(moments, treatment=arm, control="No E-Mail", metric=metric)
            groups = [rows.loc[rows["segment"] == name, metric] for name in (arm, "No E-Mail")]
            expected = stats.ttest_ind(*groups, equal_var=False)
            assert found.test().statistic == pytest.approx(expected.statistic, rel=1e-9)
            assert found.lift().lower > 0


def test_half_of_the_customers_foretell_the_other_half(shared_data: Any) -> None:
    """The interval of two independent halves' difference covers 0, metric by metric."""
    rows = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))
    halves = [Moments.from_frame(rows[start::2], by="segment", columns=("visit", "spend")) for start in (0, 1)]
    for metric in ("visit", "spend"):
        one, two = (difference(half, treatment="Mens E-Mail", control="No E-Mail", metric=metric) for half in halves)
        apart = Estimate(value=one.value - two.value, standard_error=np.hypot(one.standard_error, two.standard_error))
        assert apart.test().p_value > 0.001


def test_days_of_the_free_trial_as_ratios(shared_data: Any) -> None:
    """Enrolments per click with days as units: the ratio of the totals, and close to the binomial error."""
    rows = pd.read_csv(shared_data("udacity_free_trial/udacity_free_trial.csv")).dropna()
    moments = Moments.from_frame(rows, by="group", columns=("Enrollments", "Clicks"))
    arms = rows.groupby("group")[["Enrollments", "Clicks"]].sum()
    rate = arms["Enrollments"] / arms["Clicks"]
    found = difference(
        moments, treatment="experiment", control="control", metric=Ratio(numerator="Enrollments", denominator="Clicks")
    )
    assert found.value == pytest.approx(rate["experiment"] - rate["control"], rel=1e-12)
    assert found.value == pytest.approx(-0.02055, abs=5e-6)
    binomial = np.sqrt((rate * (1 - rate) / arms["Clicks"]).sum())
    assert 1.0 < found.standard_error / binomial < 4.0  # days differ more than clicks do
