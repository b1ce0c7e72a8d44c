"""Funnels compared: against single comparisons, sums of contributions, swapped arms, level by simulation, edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from ecomops.core import InputError
from ecomops.experiments import (
    FunnelComparison,
    FunnelTotals,
    adjust_p_values,
    compare_funnels,
    compare_proportions,
    risk_ratio,
)
from ecomops.experiments.funnels.comparison import contributions
from ecomops.experiments.multiplicity import holm
from ecomops.experiments.proportions import pooled_statistic

STEPS = ("浏览", "加购", "下单", "支付")
funnels = st.integers(1, 5).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 60), min_size=size + 1, max_size=size + 1).map(lambda row: sorted(row, reverse=True)),
        min_size=2,
        max_size=4,
    ).filter(lambda arms: all(row[0] for row in arms))
)


def totals_of(rows: Any, *, known: bool = True) -> FunnelTotals:
    """Make the totals of rows of exposed units and users of each step."""
    table = np.array(rows, dtype=float)
    steps = [f"step {place}" for place in range(table.shape[1] - 1)]
    arms = [f"arm {place}" for place in range(len(rows))]
    return FunnelTotals(arm=arms, step=steps, users=table[:, 1:], exposed=table[:, 0] if known else None)


@given(funnels, st.sampled_from([0.8, 0.95]))
def test_rows_are_single_comparisons(rows: Any, confidence: float) -> None:
    found = compare_funnels(totals_of(rows), control="arm 0", confidence=confidence)
    size, place = len(rows[0]) - 1, 0
    for arm in range(1, len(rows)):
        for step in range(1, size + 1):
            table = {"treatment_trials": rows[arm][0], "control_successes": rows[0][step], "control_trials": rows[0][0]}
            one = compare_proportions(rows[arm][step], **table, confidence=confidence)
            ratio = risk_ratio(rows[arm][step], **table, confidence=confidence)
            assert (found.arm[place], found.step[place]) == (f"arm {arm}", f"step {step - 1}")
            for name, value in (
                ("exposed", rows[arm][0]), ("control", one.control), ("treatment", one.treatment),
                ("difference", one.difference), ("lower", one.lower), ("upper", one.upper), ("p_value", one.p_value),
                ("lift", ratio.ratio - 1), ("lift_lower", ratio.lower - 1), ("lift_upper", ratio.upper - 1),
                ("control_step", _rate(rows[0], step)), ("treatment_step", _rate(rows[arm], step)),
            ):  # fmt: skip
                np.testing.assert_allclose(getattr(found, name)[place], value, rtol=1e-9, atol=1e-12, err_msg=name)
            undefined = math.isnan(found.control_step[place] + found.treatment_step[place])
            untold = "nobody, or everybody, reached it in both arms" if one.reason else ""
            assert found.reason[place] == untold or undefined
            place += 1
    np.testing.assert_allclose(found.p_adjusted, adjust_p_values(found.p_value).p_adjusted, rtol=1e-12)


def _rate(row: list[int], step: int) -> float:
    return row[step] / row[step - 1] if row[step - 1] else math.nan


@given(funnels)
def test_contributions_sum_to_the_difference_at_the_last_step(rows: Any) -> None:
    found = compare_funnels(totals_of(rows), control="arm 0")
    size = len(rows[0]) - 1
    for arm in range(1, len(rows)):
        own = slice((arm - 1) * size, arm * size)
        overall = rows[arm][-1] / rows[arm][0] - rows[0][-1] / rows[0][0]
        assert abs(found.contribution[own].sum() - overall) < 1e-12
        # A step that nobody could take in one arm has no part in the difference.
        undefined = np.isnan(found.control_step[own] + found.treatment_step[own])
        assert not found.contribution[own][undefined].any()


@given(funnels)
def test_swapping_the_arms_changes_the_signs(rows: Any) -> None:
    pair = totals_of(rows[:2])
    one, other = (compare_funnels(pair, control=f"arm {place}") for place in (0, 1))
    for name in ("difference", "contribution"):
        np.testing.assert_allclose(getattr(one, name), -getattr(other, name), rtol=0, atol=1e-14)
    np.testing.assert_allclose(one.lower, -other.upper, rtol=0, atol=1e-9)
    for name in ("p_value", "p_adjusted", "contribution_error"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-14)


def test_one_step_is_one_comparison_and_only_it_has_the_whole_difference() -> None:
    found = compare_funnels(totals_of([[80, 48], [70, 56]]), control="arm 0")
    assert found.contribution[0] == pytest.approx(0.2)
    assert found.contribution_error[0] == pytest.approx(math.sqrt(0.6 * 0.4 / 80 + 0.8 * 0.2 / 70), rel=1e-12)
    assert [round(float(end[0]), 4) for end in (found.lower, found.upper)] == [0.0528, 0.3382]  # Newcombe's case (a)
    assert found.p_adjusted[0] == found.p_value[0]


def test_a_change_of_one_step_is_put_down_to_it() -> None:
    totals = FunnelTotals(
        arm=["old", "new"], step=STEPS, users=[[800, 400, 100, 80], [800, 400, 200, 160]], exposed=[1000, 1000]
    )
    found = compare_funnels(totals, control="old")
    np.testing.assert_allclose(found.contribution, [0, 0, 0.08, 0], atol=1e-15)
    assert found.treatment_step.tolist() == [0.8, 0.5, 0.5, 0.8]
    assert "selected after the assignment" in found.note


def simulated(rng: Any, runs: int, exposed: int, rates: tuple[float, ...]) -> Any:
    users = [np.full(runs, exposed)]
    for rate in rates:
        users.append(rng.binomial(users[-1], rate))
    return np.stack(users[1:], axis=1).astype(float)


@pytest.mark.parametrize("exposed", [500, 3000])
@pytest.mark.parametrize("treatments", [1, 3])
def test_the_family_keeps_its_level(exposed: int, treatments: int) -> None:
    """20,000 experiments without an effect: any rejection in the family, at most nominal plus 99.9 % simulation error."""
    rng, runs, rates = np.random.default_rng(11), 20_000, (0.6, 0.5, 0.4, 0.7)
    control = simulated(rng, runs, exposed, rates)
    p_values = []
    for _ in range(treatments):
        statistic, varies = pooled_statistic(simulated(rng, runs, exposed, rates), exposed, control, exposed)
        p_values.append(np.where(varies, 2 * special.ndtr(-np.abs(statistic)), 1.0))
    least = holm(np.concatenate(p_values, axis=1)).min(axis=1)
    for alpha in (0.05, 0.01):
        assert np.mean(least <= alpha) <= alpha + 3.09 * math.sqrt(alpha * (1 - alpha) / runs)


def test_the_error_of_a_contribution_is_its_spread() -> None:
    """10,000 experiments: the mean of the stated variances is that of the contributions, to within 4 %."""
    rng, runs, exposed = np.random.default_rng(12), 10_000, 2000
    users = simulated(rng, runs, exposed, (0.6, 0.5, 0.4)), simulated(rng, runs, exposed, (0.6, 0.6, 0.35))
    units = (np.full((runs, 3), float(exposed)),) * 2
    _, found, error = contributions(users, units)
    np.testing.assert_allclose(np.square(error).mean(axis=0), found.var(axis=0), rtol=0.04)
    share = np.mean(np.abs(found - [0, 0.0225, -0.0165]) <= 1.96 * error, axis=0)
    assert (np.abs(share[1:] - 0.95) < 0.02).all()


# --- edges ------------------------------------------------------------------------------------------------------------


def test_without_exposure_the_first_step_is_not_tested() -> None:
    rows = [[0, 50, 10, 5], [0, 60, 30, 12]]
    found = compare_funnels(totals_of(rows, known=False), control="arm 0")
    assert found.exposed.tolist() == [60.0] * 3
    assert found.reason.tolist() == [
        "not tested: nobody told who was exposed, and all users of the first step did it", "", "",
    ]  # fmt: skip
    assert found.p_adjusted[0] == 1.0
    np.testing.assert_allclose(found.p_adjusted[1:], adjust_p_values(found.p_value[1:]).p_adjusted, rtol=1e-12)
    assert found.note.endswith("exposed are the users of the first step, which is not tested")
    # Where there is only that step, there is no test at all.
    assert compare_funnels(totals_of([[0, 5], [0, 6]], known=False), control="arm 0").p_adjusted.tolist() == [1.0]


def test_steps_that_nobody_reached() -> None:
    found = compare_funnels(totals_of([[10, 5, 0, 0], [10, 0, 0, 0]]), control="arm 0")
    assert found.reason.tolist() == ["", *["nobody, or everybody, reached it in both arms"] * 2]
    assert np.isnan(found.treatment_step).tolist() == [False, True, True]
    assert found.contribution.tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(found.lift).tolist() == [False, True, True]
    gone = compare_funnels(totals_of([[10, 5, 2], [10, 0, 0]]), control="arm 0")
    assert gone.reason.tolist() == ["", "NaN: nobody reached the step before"]
    assert gone.contribution.tolist() == [-0.2, 0.0]


def test_totals_add_up_and_make_a_frame() -> None:
    one = totals_of([[10, 5, 2], [12, 6, 3]])
    assert one + one == totals_of([[20, 10, 4], [24, 12, 6]])
    bare = totals_of([[0, 5, 2], [0, 6, 3]], known=False)
    assert bare + bare == totals_of([[0, 10, 4], [0, 12, 6]], known=False)
    found = compare_funnels(one, control="arm 0")
    assert isinstance(found, FunnelComparison)
    table = found.to_frame()
    assert table["step"].tolist() == ["step 0", "step 1"]
    assert table["contribution"].tolist() == found.contribution.tolist()
    with pytest.raises(TypeError):
        one + 1


GOOD: dict[str, Any] = {"arm": ["a", "b"], "step": ["x", "y"], "users": [[5, 2], [6, 3]], "exposed": [10, 12]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"users": [[5, 2]]}, "users must have shape (2, 2), got (1, 2)"),
        ({"arm": ["a", "a"]}, "arm must not repeat, got ['a', 'a']"),
        ({"users": [[5, 2], [6, 7]]}, "users must not grow from step to step, got 7.0 at index (1, 0)"),
        ({"exposed": [10]}, "exposed must have 2 arms, got shape (1,)"),
        ({"exposed": [10, 5]}, "users must be at most the exposed, got 6.0 and 5.0 at index 1"),
    ],
)
def test_refusals_of_totals(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        FunnelTotals(**{**GOOD, **changes})
    assert str(caught.value) == f"FunnelTotals: {text}"


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (
            lambda: compare_funnels(FunnelTotals(**GOOD), control="c"),
            "compare_funnels: control must be one of ['a', 'b'], got 'c'",
        ),
        (
            lambda: compare_funnels(
                FunnelTotals(**{**GOOD, "arm": ["a"], "users": [[5, 2]], "exposed": [9]}), control="a"
            ),
            "compare_funnels: totals must have at least 2 arms, got only 'a'",
        ),
        (
            lambda: compare_funnels(
                FunnelTotals(**{**GOOD, "users": [[5, 2], [0, 0]], "exposed": [9, 0]}), control="a"
            ),
            "compare_funnels: totals must have exposed units in every arm, got 0 in 'b'",
        ),
        (
            lambda: compare_funnels(FunnelTotals(**{**GOOD, "users": [[5, 2], [0, 0]], "exposed": None}), control="a"),
            "compare_funnels: totals must have users of the first step in every arm, got 0 in 'b'",
        ),
        (
            lambda: FunnelTotals(**GOOD) + FunnelTotals(**{**GOOD, "step": ["x", "z"]}),
            "FunnelTotals: step must be the same to add, got ['x', 'y'] and ['x', 'z']",
        ),
        (
            lambda: FunnelTotals(**GOOD) + FunnelTotals(**{**GOOD, "exposed": None}),
            "FunnelTotals: exposed must be known in both parts or in none",
        ),
    ],
)
def test_refusals(ask: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value) == text
