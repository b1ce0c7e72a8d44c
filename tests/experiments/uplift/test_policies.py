"""What a targeting rule is worth: against strata, hand-written loops, a known population and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from ecomops.core import InputError
from ecomops.experiments import MomentsByStratum, best_targeting, policy_value, poststratified_difference, uplift_curve

NAMES: Any = {"treatment": "t", "control": "c", "metric": "y"}


def units(seed: int, n: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    treated = rng.random(n) < 0.4
    return {
        "score": score,
        "treated": treated,
        "outcome": 3 + score + treated * (1 + 0.5 * score) + rng.normal(size=n),
    }


def split(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("treated", "outcome")}


def test_values_are_arm_means_within_the_picked_and_the_others() -> None:
    data = units(1, 120)
    picked = data["score"] > 0.2
    found = policy_value(picked, **split(data), cost=0.5)
    mean = {
        (side, arm): data["outcome"][(picked == side) & (data["treated"] == arm)].mean()
        for side in (True, False)
        for arm in (True, False)
    }
    share = picked.mean()
    expected = [
        share * (mean[True, True] - 0.5) + (1 - share) * mean[False, False],
        share * mean[True, True] + (1 - share) * mean[False, True] - 0.5,
        share * mean[True, False] + (1 - share) * mean[False, False],
    ]
    assert np.allclose(found.value, expected, rtol=1e-13)
    assert np.allclose(found.rule_gain.value, expected[0] - np.array(expected), rtol=1e-10, atol=1e-13)
    assert found.share.tolist() == [share, 1.0, 0.0]
    assert found.rule_gain.standard_error[0] == 0.0
    assert np.allclose((found.upper - found.value) / found.standard_error, 1.959963984540054)


def test_all_against_none_is_the_poststratified_difference() -> None:
    """Treat all less treat none, with the picked as strata: the same value and, for one n in a hundred, the same error."""
    data = units(2, 400)
    picked = data["score"] > 0
    rows = pd.DataFrame(
        {"arm": np.where(data["treated"], "t", "c"), "stratum": picked.astype(int), "y": data["outcome"]}
    )
    strata = MomentsByStratum.from_frame(rows, by="arm", stratum="stratum", columns=("y",))
    expected = poststratified_difference(strata, **NAMES)
    found = policy_value(np.ones(400, bool), **split(data))
    assert found.rule_gain.value[1] == 0.0
    assert found.rule_gain.value[2] == pytest.approx(
        data["outcome"][data["treated"]].mean() - data["outcome"][~data["treated"]].mean(), rel=1e-12
    )
    half = policy_value(picked, **split(data))
    gap = half.value[1] - half.value[2]
    assert gap == pytest.approx(expected.value, rel=1e-12)
    nobody = policy_value(np.zeros(400, bool), **split(data))
    welch = [data["outcome"][arm].var(ddof=1) / arm.sum() for arm in (data["treated"], ~data["treated"])]
    assert nobody.rule_gain.standard_error[1] == pytest.approx(np.sqrt(sum(welch)), rel=1e-12)


@pytest.mark.parametrize("chance", [0.4, "each"])
def test_known_propensities_by_hand(chance: Any) -> None:
    data = units(3, 80)
    picked = data["score"] > 0.1
    e = np.random.default_rng(4).uniform(0.2, 0.7, 80) if chance == "each" else np.full(80, chance)
    found = policy_value(picked, **split(data), propensity=e if chance == "each" else chance, cost=data["score"] ** 2)
    total = 0.0
    for side in (True, False):
        at = picked == side
        arm = data["treated"] if side else ~data["treated"]
        p = e if side else 1 - e
        level = np.average(data["outcome"][at & arm], weights=1 / p[at & arm])
        for i in np.flatnonzero(at):
            total += level + (data["outcome"][i] - level) / p[i] * arm[i] - (data["score"][i] ** 2 if side else 0.0)
    assert found.value[0] == pytest.approx(total / 80, rel=1e-12)
    assert found.method == "augmented inverse-propensity weights, known propensity"


@pytest.mark.parametrize("runs", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("chance", [None, 0.4])
def test_coverage_of_values_and_gains(runs: int, chance: Any) -> None:
    """Experiments of 300 units; with 10,000 the error of a share is .0022."""
    rng = np.random.default_rng(5)
    n = 300
    above, mean = float(special.ndtr(-0.3)), float(np.exp(-0.045) / np.sqrt(2 * np.pi))
    rule = 3 + 0.3 * above + 0.5 * mean
    truth = np.array([rule, 3.3, 3.0, rule - 3.3, rule - 3.0])
    inside = np.zeros(5)
    for _ in range(runs):
        data = units(int(rng.integers(2**40)), n)
        found = policy_value(data["score"] > 0.3, **split(data), propensity=chance, cost=0.7)
        value = np.append(found.value, found.rule_gain.value[1:])
        error = np.append(found.standard_error, found.rule_gain.standard_error[1:])
        inside += np.abs(value - truth) < 1.96 * error
    assert (np.abs(inside / runs - 0.95) < 0.01 + 3.29 * np.sqrt(0.05 * 0.95 / runs)).all(), inside / runs


@pytest.mark.parametrize("runs", [1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_rule_that_does_nothing_is_found_as_often_as_alpha_says(runs: int) -> None:
    """Treatment without effect or cost, on 400 units."""
    rng = np.random.default_rng(6)
    n = 400
    found = []
    treated = np.arange(n) % 2 == 0
    picked = np.arange(n) % 5 < 2
    for _ in range(runs):
        gain = policy_value(picked, treated=treated, outcome=rng.normal(size=n)).rule_gain
        found.append(gain.value[1:] / gain.standard_error[1:])
    rate = (np.abs(np.array(found)) > 1.959964).mean(axis=0)
    assert (np.abs(rate - 0.05) < 0.005 + 3.29 * np.sqrt(0.05 * 0.95 / runs)).all(), rate


def test_the_best_share_by_hand() -> None:
    data = units(7, 90)
    found = best_targeting(**data, cost=0.9, folds=3, rng=1)
    curve = uplift_curve(**data)
    net = np.append(0.0, curve.gain - 0.9 * curve.share)
    best = int(net.argmax())
    assert found.gain == pytest.approx(net[best], rel=1e-12)
    assert found.share == curve.share[best - 1]
    assert found.threshold == curve.threshold[best - 1]
    # Thresholds chosen without a fold, by a loop over folds and thresholds.
    fold = np.random.default_rng(1).permutation(90) % 3
    one, other = (data["outcome"][arm].mean() for arm in (data["treated"], ~data["treated"]))
    e = data["treated"].mean()
    effects = one - other + np.where(data["treated"], (data["outcome"] - one) / e, -(data["outcome"] - other) / (1 - e))
    total = {"none": 0.0, "all": 0.0}
    for part in range(3):
        rest = fold != part
        options = [(0.0, np.inf)] + [
            ((effects - 0.9)[rest & (data["score"] >= level)].sum(), level) for level in data["score"]
        ]
        level = max(options)[1]
        mine = fold == part
        total["none"] += (effects - 0.9)[mine & (data["score"] >= level)].sum()
        total["all"] -= (effects - 0.9)[mine & (data["score"] < level)].sum()
    assert found.honest.value == pytest.approx(total["none"] / 90, rel=1e-11)
    assert found.over_all.value == pytest.approx(total["all"] / 90, rel=1e-11)


def test_the_honest_value_is_not_too_good() -> None:
    """The best threshold gains .3 Phi(.6) + .5 phi(.6) = .3843; the curve's top promises more, the folds do not."""
    truth = 0.3 * float(special.ndtr(0.6)) + 0.5 * float(np.exp(-0.18) / np.sqrt(2 * np.pi))
    found = [best_targeting(**units(seed, 300), cost=0.7, propensity=0.4, rng=seed) for seed in range(800)]
    honest = np.array([one.honest.value for one in found])
    error = honest.std() / np.sqrt(800)
    assert np.mean([one.gain for one in found]) > truth + 5 * error
    assert honest.mean() < truth + 2 * error
    assert honest.mean() > 0.85 * truth
    spread = np.mean([one.honest.standard_error for one in found])
    assert spread == pytest.approx(honest.std(), rel=0.15)


def test_where_nothing_pays_nobody_is_treated() -> None:
    found = best_targeting(**units(8, 60), cost=50.0, folds=2)
    assert (found.share, found.gain, found.honest.value) == (0.0, 0.0, 0.0)
    assert np.isnan(found.threshold)
    assert found.reason == "no share of units is worth its cost: treat nobody"
    assert found.over_all.value > 45


def test_hillstrom_mail_at_a_cost(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))
    rows = rows[rows["segment"].isin(["Womens E-Mail", "No E-Mail"])]
    treated = (rows["segment"] == "Womens E-Mail").to_numpy()
    found = policy_value(rows["womens"], treated=treated, outcome=rows["visit"], cost=0.03)
    # At 3 visits in a hundred mails, mail those who bought women's goods: better than all and than none.
    assert (found.rule_gain.interval().lower[1:] > 0).all()
    best = best_targeting(rows["womens"], treated=treated, outcome=rows["visit"], cost=0.03)
    assert best.threshold == 1.0
    assert best.honest.interval().lower > 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"picked": [1, 1, 0]}, "shapes must broadcast, got picked (3,), treated (8,), outcome (8,)"),
        ({"cost": [1.0]}, "cost must be one number or one a unit, got (1,) for 8 units"),
        (
            {"picked": [1, 1, 1, 0, 0, 0, 0, 0]},
            "picked must leave at least 2 units of each arm, got 1 control among the picked units",
        ),
        (
            {"picked": [1, 1, 1, 1, 1, 0, 0, 0]},
            "picked must leave at least 2 units of each arm, got 1 treated among the other units",
        ),
    ],
)
def test_refusals_of_values(changes: dict[str, Any], text: str) -> None:
    arguments: Any = {"picked": [1, 1, 1, 1, 0, 0, 0, 0], "treated": [1, 1, 0, 0] * 2, "outcome": range(8), **changes}
    with pytest.raises(InputError) as caught:
        policy_value(**arguments)
    assert str(caught.value) == f"policy_value: {text}"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"folds": 1}, "folds must be from 2 to the number of units, 8, got 1"),
        ({"folds": 9}, "folds must be from 2 to the number of units, 8, got 9"),
        ({"cost": [[1.0]]}, "cost must be one number or one a unit, got (1, 1) for 8 units"),
    ],
)
def test_refusals_of_targeting(changes: dict[str, Any], text: str) -> None:
    arguments: Any = {"score": range(8), "treated": [1, 1, 0, 0] * 2, "outcome": range(8), "cost": 1.0, **changes}
    with pytest.raises(InputError) as caught:
        best_targeting(**arguments)
    assert str(caught.value) == f"best_targeting: {text}"
