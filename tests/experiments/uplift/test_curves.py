"""Uplift curves and their areas: against hand-written loops, a population with known uplift, and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import area_under_uplift_curve, qini_coefficient, qini_curve, uplift_curve

SCORE = [4.0, 4.0, 3.0, 3.0, 2.0, 2.0, 2.0, 1.0]
TREATED = [1, 1, 0, 1, 0, 1, 0, 0]
OUTCOME = [3.0, 1.0, 2.0, 5.0, 0.0, 1.0, 4.0, 2.0]


def units(seed: int, n: int, levels: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    score = rng.integers(0, levels, n).astype(float)
    treated = rng.permutation(np.arange(n) % 3 == 0)
    return {"score": score, "treated": treated, "outcome": rng.normal(5, 2, n) + treated * score}


def effects_by_hand(treated: Any, outcome: Any, chance: Any) -> list[float]:
    """One number a unit, by a loop over units."""
    w1 = [t / e for t, e in zip(treated, chance, strict=True)]
    w0 = [(1 - t) / (1 - e) for t, e in zip(treated, chance, strict=True)]
    m1 = sum(w * y for w, y in zip(w1, outcome, strict=True)) / sum(w1)
    m0 = sum(w * y for w, y in zip(w0, outcome, strict=True)) / sum(w0)
    return [m1 - m0 + a * (y - m1) - b * (y - m0) for a, b, y in zip(w1, w0, outcome, strict=True)]


def test_qini_by_hand() -> None:
    curve = qini_curve(SCORE, treated=TREATED, outcome=OUTCOME)
    rows = []
    for threshold in (4.0, 3.0, 2.0, 1.0):
        taken = [i for i in range(8) if SCORE[i] >= threshold]
        n_t, n_c = sum(TREATED[i] for i in taken), sum(1 - TREATED[i] for i in taken)
        y_t, y_c = sum(OUTCOME[i] for i in taken if TREATED[i]), sum(OUTCOME[i] for i in taken if not TREATED[i])
        rows.append((threshold, len(taken) / 8, n_t, n_c, y_t - y_c * n_t / n_c if n_c else np.nan))
    frame = curve.to_frame()[["threshold", "share", "n_treatment", "n_control", "gain"]]
    assert np.allclose(frame.to_numpy(float), rows, rtol=1e-15, equal_nan=True)
    assert curve.reason.tolist() == ["no control unit has so high a score", "", "", ""]
    # The last gain is the effect on all the treated: 10 - 8 = 2.
    assert curve.random.tolist() == [0.5, 1.0, 1.75, 2.0]
    left = [0.0, 3.0 - 1.0, rows[2][4] - 1.75, 0.0]
    widths = [0.5, 0.375, 0.125]
    area = sum(w * (a + b) / 2 for w, a, b in zip(widths, left[:-1], left[1:], strict=True))
    assert curve.area == pytest.approx(area / 4, rel=1e-14)


@pytest.mark.parametrize("chance", [None, 0.4, "each"])
def test_gains_and_errors_by_hand(chance: Any) -> None:
    data = units(1, 60, 7)
    rng = np.random.default_rng(2)
    given_chance = rng.uniform(0.2, 0.7, 60) if chance == "each" else chance
    curve = uplift_curve(**data, propensity=given_chance)
    known = np.full(60, data["treated"].mean()) if chance is None else np.broadcast_to(given_chance, 60)
    effects = np.array(effects_by_hand(data["treated"].tolist(), data["outcome"].tolist(), known.tolist()))
    for place, threshold in enumerate(curve.threshold):
        at = data["score"] >= threshold
        part = np.where(at, effects, 0.0)
        assert curve.gain[place] == pytest.approx(part.mean(), rel=1e-12)
        arms = [data["treated"], ~data["treated"]] if chance is None else [np.ones(60, bool)]
        variance = sum(arm.sum() * part[arm].var(ddof=1) for arm in arms) / 60**2
        assert curve.standard_error[place] == pytest.approx(np.sqrt(variance), rel=1e-12)
        one, other = at & data["treated"], at & ~data["treated"]
        left = np.average(data["outcome"][one], weights=1 / known[one])
        right = np.average(data["outcome"][other], weights=1 / (1 - known[other]))
        assert curve.uplift[place] == pytest.approx(left - right, rel=1e-12)
    assert np.allclose((curve.upper - curve.gain) / curve.standard_error, 1.959963984540054, rtol=1e-12)
    assert curve.method.endswith("share treated" if chance is None else "known propensity")


def test_the_last_step_is_the_plain_difference() -> None:
    data = units(3, 90, 90)
    curve = uplift_curve(**data)
    one, other = data["outcome"][data["treated"]], data["outcome"][~data["treated"]]
    welch = np.sqrt(one.var(ddof=1) / one.size + other.var(ddof=1) / other.size)
    assert curve.gain[-1] == pytest.approx(one.mean() - other.mean(), rel=1e-12)
    assert curve.uplift[-1] == pytest.approx(curve.gain[-1], rel=1e-12)
    assert curve.standard_error[-1] == pytest.approx(welch, rel=1e-12)
    assert curve.random[-1] == curve.gain[-1]


def test_missing_arms_among_the_best_are_told() -> None:
    curve = uplift_curve([3, 2, 2, 1], treated=[0, 1, 0, 1], outcome=[1, 2, 3, 4])
    assert curve.reason.tolist() == ["no treated unit has so high a score", "", ""]
    assert np.isnan(curve.uplift[0])
    curve = uplift_curve([3, 2, 2, 1], treated=[1, 1, 0, 0], outcome=[1, 2, 3, 4])
    assert curve.reason.tolist() == ["no control unit has so high a score", "", ""]


@pytest.mark.parametrize("chance", [None, 0.35])
def test_areas_are_those_of_the_curve(chance: Any) -> None:
    data = units(4, 200, 12)
    curve = uplift_curve(**data, propensity=chance)
    over, gain = np.append(0.0, curve.share), np.append(0.0, curve.gain)
    area = np.sum(np.diff(over) * (gain[1:] + gain[:-1]) / 2)
    found, qini = area_under_uplift_curve(**data, propensity=chance), qini_coefficient(**data, propensity=chance)
    assert found.value == pytest.approx(area, rel=1e-12)
    assert qini.value == pytest.approx(area - gain[-1] / 2, rel=1e-11)
    assert qini.baseline == pytest.approx(gain[-1] / 2, rel=1e-12)
    assert qini.value + qini.baseline == pytest.approx(found.value, rel=1e-12)
    both = qini.standard_error**2 + qini.baseline_error**2 + 2 * qini.covariance
    assert np.sqrt(both) == pytest.approx(found.standard_error, rel=1e-12)


def test_errors_are_those_of_a_jackknife() -> None:
    """The jackknife counts the arm means too, which matter by one in the root of n, and more for the whole area."""
    data = units(5, 1500, 9)
    for function, apart in ((qini_coefficient, 0.01), (area_under_uplift_curve, 0.05)):
        values = [
            function(**{name: np.delete(column, left) for name, column in data.items()}, propensity=1 / 3).value
            for left in range(1500)
        ]
        jackknife = np.sqrt(1499 / 1500 * np.square(values - np.mean(values)).sum())
        assert function(**data, propensity=1 / 3).standard_error == pytest.approx(jackknife, rel=apart)


@given(st.integers(0, 10**6), st.floats(-100, 100), st.floats(0.1, 10))
def test_units_of_money_ranks_and_order_of_rows(seed: int, shift: float, scale: float) -> None:
    data = units(seed, 30, 5)
    base, order = qini_coefficient(**data), np.random.default_rng(seed).permutation(30)
    moved = {**data, "outcome": data["outcome"] * scale + shift, "score": np.exp(data["score"])}
    other = qini_coefficient(**{name: column[order] for name, column in moved.items()})
    assert other.value == pytest.approx(base.value * scale, rel=1e-7, abs=1e-9)
    assert other.standard_error == pytest.approx(base.standard_error * scale, rel=1e-7)
    reverse = qini_coefficient(-data["score"], treated=data["treated"], outcome=data["outcome"])
    assert reverse.value == pytest.approx(-base.value, abs=1e-12)


def test_a_score_without_ranks_is_random() -> None:
    data = units(6, 40, 1)
    assert qini_coefficient(**data).value == pytest.approx(0.0, abs=1e-13)
    assert uplift_curve(**data).share.tolist() == [1.0]


@pytest.mark.parametrize("runs", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("chance", [None, 0.4])
def test_coverage_in_a_population_with_known_uplift(runs: int, chance: Any) -> None:
    """Experiments of 300 units with effect 1 + score / 2 for a normal score; with 10,000 the error of a share is .0022."""
    rng = np.random.default_rng(7)
    n = 300
    truth = 0.5 / (2 * np.sqrt(np.pi))
    inside = np.zeros(2)
    for _ in range(runs):
        score = rng.normal(size=n)
        treated = rng.random(n) < 0.4
        outcome = 3 + score + treated * (1 + 0.5 * score) + rng.normal(size=n)
        data = {"score": score, "treated": treated, "outcome": outcome, "propensity": chance}
        qini, area = qini_coefficient(**data), area_under_uplift_curve(**data)
        inside[0] += abs(qini.value - truth) < 1.96 * qini.standard_error
        inside[1] += abs(area.value - truth - 0.5) < 1.96 * area.standard_error
    rate = inside / runs
    assert (np.abs(rate - 0.95) < 0.01 + 3.29 * np.sqrt(0.05 * 0.95 / runs)).all(), rate


def test_a_score_of_noise_is_found_as_often_as_alpha_says() -> None:
    """20,000 experiments of 200 units, 10 scores: the slope of the curve is 0, the test of the coefficient normal."""
    rng = np.random.default_rng(9)
    runs, n = 20_000, 200
    treated = np.arange(n) % 2 == 0
    outcome = rng.exponential(size=(runs, n)) + treated
    score = rng.permuted(np.tile(np.arange(n) % 10.0, (runs, 1)), axis=1)
    mean = [outcome[:, arm].mean(axis=1, keepdims=True) for arm in (treated, ~treated)]
    effects = mean[0] - mean[1] + np.where(treated, 2 * (outcome - mean[0]), -2 * (outcome - mean[1]))
    rank = (9.5 - score) / 10
    steps = np.stack([np.where(score == level, effects, 0.0).sum(axis=1) for level in range(9, -1, -1)], axis=1) / n
    middle = np.cumsum(steps, axis=1) - steps / 2
    psi = effects * (0.5 - rank) + np.take_along_axis(middle, (9 - score).astype(int), axis=1)
    variance = sum(100 * psi[:, arm].var(axis=1, ddof=1) for arm in (treated, ~treated)) / n**2
    z = (effects * (0.5 - rank)).mean(axis=1) / np.sqrt(variance)
    for run in range(3):
        alone = qini_coefficient(score[run], treated=treated, outcome=outcome[run])
        assert alone.test().statistic == pytest.approx(z[run], rel=1e-9)
    for bound, alpha in ((1.959964, 0.05), (2.575829, 0.01)):
        rate = (np.abs(z) > bound).mean()
        assert rate == pytest.approx(alpha, abs=0.004 + 3.29 * np.sqrt(alpha * (1 - alpha) / runs)), rate


def test_hillstrom_history_does_not_tell_whom_to_mail(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))
    rows = rows[rows["segment"].isin(["Womens E-Mail", "No E-Mail"])]
    treated = (rows["segment"] == "Womens E-Mail").to_numpy()
    found = {
        name: qini_coefficient(rows[name].to_numpy(float), treated=treated, outcome=rows["visit"].to_numpy(float))
        for name in ("womens", "history")
    }
    # Who bought women's goods before visits because of the mail on women's goods; money spent says much less.
    assert found["womens"].test().p_value < 1e-6
    assert found["womens"].value > 3 * abs(found["history"].value)
    curve = uplift_curve(rows["womens"], treated=treated, outcome=rows["visit"])
    assert curve.gain[-1] == pytest.approx(0.1514 - 0.1062, abs=1e-4)
    assert curve.gain[0] > 0.8 * curve.gain[-1]
    assert curve.share[0] < 0.56


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"treated": [1, 0]}, "shapes must broadcast, got score (4,), treated (2,), outcome (4,)"),
        ({"treated": [1]}, "treated must have one entry a unit, got (1,) for 4 units"),
        ({"outcome": [1.0]}, "outcome must have one entry a unit, got (1,) for 4 units"),
        ({"treated": [1, 0, 0, 0]}, "treated must leave at least 2 units in each arm, got 1 treated"),
        ({"treated": [1, 1, 1, 1]}, "treated must leave at least 2 units in each arm, got 0 control"),
        ({"treated": [1, 2, 0, 0]}, "treated must be true or false, or 0 or 1, got 2.0 at index 1"),
        ({"treated": [True, 1, 0, 0]}, "treated must be true or false, got [True, 1, 0, 0]"),
        ({"treated": [[1, 0], [1, 0]]}, "treated must be a list with one flag a unit, got [[1, 0], [1, 0]]"),
        ({"treated": True}, "treated must be a number or an array of numbers, got bool True"),
        ({"propensity": [0.5]}, "propensity must have one entry a unit, got (1,) for 4 units"),
        ({"propensity": 1.0}, "propensity must be < 1, got 1.0"),
    ],
)
def test_refusals(changes: dict[str, Any], text: str) -> None:
    arguments: Any = {"score": [1, 2, 3, 4], "treated": [1, 0, 1, 0], "outcome": [1, 2, 3, 4], **changes}
    functions = [uplift_curve, qini_coefficient, area_under_uplift_curve]
    if "propensity" not in changes:
        functions.append(qini_curve)
    for function in functions:
        with pytest.raises(InputError) as caught:
            function(**arguments)
        assert str(caught.value) == f"{function.__name__}: {text}"


def test_flags_of_every_kind_are_read() -> None:
    base = uplift_curve(SCORE, treated=TREATED, outcome=OUTCOME)
    kinds = [
        np.array(TREATED),
        np.array(TREATED, bool),
        [bool(one) for one in TREATED],
        tuple(TREATED),
        pd.Series(TREATED),
        pd.Series(TREATED, dtype=bool),
        pd.Series(TREATED, dtype="boolean"),
        pd.Series(TREATED, dtype="Int64"),
    ]
    for kind in kinds:
        assert uplift_curve(SCORE, treated=kind, outcome=OUTCOME) == base
