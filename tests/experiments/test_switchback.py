"""Switchback experiments: against the sandwich, lists of all assignments and simulation with a carry-over."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import switchback_difference, switchback_test


def by_hand(outcome: Any, treated: Any, block: Any, weight: Any, burn_in: int) -> dict[int, list[tuple[float, float]]]:
    """Sums of outcome and weight of each block, arm by arm, by a loop over periods."""
    seen: dict[Any, int] = {}
    sums: dict[Any, list[float]] = {}
    arm: dict[Any, int] = {}
    for y, t, b, w in zip(outcome, treated, block, weight, strict=True):
        arm[b] = int(t)
        seen[b] = seen.get(b, 0) + 1
        one = sums.setdefault(b, [0.0, 0.0])
        if seen[b] > burn_in:
            one[0] += w * y
            one[1] += w
    return {side: [(s[0], s[1]) for b, s in sums.items() if arm[b] == side] for side in (0, 1)}


def test_value_and_error_by_hand() -> None:
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(12), rng.integers(2, 6, 12))
    treated = rng.permutation(np.arange(12) % 2)[block]
    outcome, weight = rng.normal(5, 2, block.size), rng.uniform(1, 3, block.size)
    found = switchback_difference(outcome, treated=treated, block=block, weight=weight, burn_in=1)
    level, variance = {}, 0.0
    for side, sums in by_hand(outcome, treated, block, weight, 1).items():
        y, w = np.array(sums).T
        level[side] = y.sum() / w.sum()
        variance += len(sums) / (len(sums) - 1) * np.square(y - level[side] * w).sum() / w.sum() ** 2
    assert found.value == pytest.approx(level[1] - level[0], rel=1e-12)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-12)
    assert found.baseline == pytest.approx(level[0], rel=1e-12)
    assert (found.degrees_of_freedom, found.method) == (10.0, "switchback, 12 blocks, burn-in of 1")


def test_periods_as_blocks_are_a_pooled_t_test() -> None:
    rng = np.random.default_rng(2)
    outcome, treated = rng.normal(size=16), np.arange(16) % 2
    found = switchback_difference(outcome, treated=treated).test()
    expected = stats.ttest_ind(outcome[1::2], outcome[::2])
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)


def test_text_blocks_of_two_regions_keep_their_time() -> None:
    """Regions alternate row by row; the burn-in takes the first hour of each block of each region."""
    block = ["n1", "s1", "n1", "s1", "n2", "s2", "n2", "s2"]
    found = switchback_difference(
        [9.0, 0.0, 2.0, 1.0, 9.0, 9.0, 1.0, 4.0], treated=[1, 0, 1, 0, 0, 1, 0, 1], block=block, burn_in=1
    )
    assert found.value == 3.0 - 1.0


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
def test_p_values_by_listing_all_assignments(alternative: Any) -> None:
    rng = np.random.default_rng(3)
    block = np.repeat(np.arange(9), 2)
    on = np.array([1, 0, 0, 1, 0, 1, 1, 0, 0])
    outcome = rng.normal(size=18) + 0.8 * on[block]
    found = switchback_test(outcome, treated=on[block], block=block, alternative=alternative)
    statistics = []
    for chosen in itertools.combinations(range(9), 4):
        other = np.isin(np.arange(9), chosen)
        estimate = switchback_difference(outcome, treated=other[block], block=block)
        statistics.append(estimate.value / estimate.standard_error)
    seen = switchback_difference(outcome, treated=on[block], block=block)
    signed = {"two-sided": np.abs(statistics), "greater": np.array(statistics), "less": -np.array(statistics)}
    t = seen.value / seen.standard_error
    bound = {"two-sided": abs(t), "greater": t, "less": -t}[alternative]
    assert found.statistic == pytest.approx(t, rel=1e-10)
    assert found.p_value == pytest.approx((signed[alternative] >= bound - 1e-9).mean(), rel=1e-12)
    assert (found.assignments, found.exact) == (126.0, True)
    assert found.method == f"all 126 assignments of 4 of 9 blocks, {alternative}"


def test_many_blocks_are_drawn() -> None:
    rng = np.random.default_rng(4)
    outcome, treated = rng.normal(size=40), np.arange(40) % 2
    found = switchback_test(outcome, treated=treated, rng=1, draws=4999)
    assert (found.assignments, found.exact) == (5000.0, False)
    assert found == switchback_test(outcome, treated=treated, rng=1, draws=4999)
    expected = switchback_difference(outcome, treated=treated).test().p_value
    assert found.p_value == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 4999) + 0.01)


def test_blocks_of_one_level_and_arms_of_one_level() -> None:
    same = switchback_test([2.0] * 6, treated=[1, 0, 1, 0, 1, 0])
    assert np.isnan(same.statistic)
    assert (same.p_value, same.reason) == (1.0, "every block has the same level, so no assignment stands out")
    flat = switchback_difference([2.0] * 6, treated=[1, 0, 1, 0, 1, 0]).test()
    assert flat.reason.startswith("the standard error is 0")
    # No spread within the arms, and a gap: the most extreme assignment and its mirror image.
    apart = switchback_test([3.0, 1.0] * 3, treated=[1, 0] * 3)
    assert apart.p_value == pytest.approx(0.1)


def test_shift_and_scale_change_no_p_value() -> None:
    rng = np.random.default_rng(5)
    outcome, treated = rng.normal(size=10), np.arange(10) % 2
    base = switchback_test(outcome, treated=treated)
    other = switchback_test(1e6 + 50 * outcome, treated=treated)
    assert other.p_value == base.p_value
    assert other.statistic == pytest.approx(base.statistic, rel=1e-6)
    assert switchback_test(outcome, treated=1 - treated).p_value == base.p_value


@pytest.mark.parametrize(("blocks", "alpha"), [(6, 0.05), (6, 0.01), (14, 0.05), (14, 0.01), (60, 0.05), (60, 0.01)])
def test_no_effect_is_found_as_often_as_alpha_says(blocks: int, alpha: float) -> None:
    """20,000 experiments with a daily cycle; arms at random, half of the blocks: t on m - 2 keeps its level."""
    rng = np.random.default_rng(6)
    runs = 20_000
    order = rng.permuted(np.tile(np.arange(blocks) % 2, (runs, 1)), axis=1)
    level = np.sin(np.arange(blocks)) + rng.normal(size=(runs, blocks))
    one, other = level[order == 1].reshape(runs, -1), level[order == 0].reshape(runs, -1)
    t = (one.mean(axis=1) - other.mean(axis=1)) / np.sqrt(
        (one.var(axis=1, ddof=1) + other.var(axis=1, ddof=1)) * 2 / blocks
    )
    p_value = 2 * stats.t.sf(np.abs(t), blocks - 2)
    for run in range(3):
        alone = switchback_difference(level[run], treated=order[run])
        assert alone.test().p_value == pytest.approx(p_value[run], rel=1e-9)
    noise = 3.29 * np.sqrt(alpha * (1 - alpha) / runs)
    assert (p_value <= alpha).mean() == pytest.approx(alpha, abs=noise + 0.001)


def test_the_randomisation_test_never_exceeds_its_level() -> None:
    """Outcomes fixed, with a trend: over all assignments the share of p-values up to alpha is at most alpha."""
    outcome = np.square(np.arange(8.0))
    p_values = np.array(
        [
            switchback_test(outcome, treated=np.isin(np.arange(8), chosen)).p_value
            for chosen in itertools.combinations(range(8), 4)
        ]
    )
    for alpha in (0.01, 0.05, 0.1, 0.2, 0.5):
        assert (p_values <= alpha + 1e-12).mean() <= alpha + 1e-12


def test_a_burn_in_takes_out_what_carries_over() -> None:
    """Effect 1, of which half is there in the first period of a block and half of the last one's stays on."""
    rng = np.random.default_rng(7)
    found = []
    for _ in range(400):
        on = rng.permutation(np.arange(20) % 2)
        treated = np.repeat(on, 4)
        before = np.append(0, treated[:-1])
        outcome = 0.5 * treated + 0.5 * before + rng.normal(size=80)
        block = np.repeat(np.arange(20), 4)
        found.append([switchback_difference(outcome, treated=treated, block=block, burn_in=k).value for k in (0, 1)])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / 20
    assert abs(mean[1] - 1.0) < 4 * error[1]
    assert mean[0] < 1.0 - 4 * error[0]


def test_coverage_with_blocks_of_correlated_periods() -> None:
    """4,000 experiments of 16 blocks of 6 hours with their own levels: error of a share .0034."""
    rng = np.random.default_rng(8)
    runs, inside = 4000, 0
    block = np.repeat(np.arange(16), 6)
    for _ in range(runs):
        treated = rng.permutation(np.arange(16) % 2)[block]
        outcome = 0.7 * treated + rng.normal(size=16)[block] + rng.normal(size=96)
        interval = switchback_difference(outcome, treated=treated, block=block, burn_in=1).interval()
        inside += interval.lower <= 0.7 <= interval.upper
    assert inside / runs == pytest.approx(0.95, abs=3.29 * np.sqrt(0.05 * 0.95 / runs))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"treated": [1]}, "treated must have one entry a period, got 1 for 6"),
        ({"block": [1, 2]}, "block must have one entry a period, got 2 for 6"),
        ({"weight": [1.0]}, "weight must have one entry a period, got 1 for 6"),
        ({"weight": [1, 1, 1, 0, 1, 1]}, "weight must be > 0, got 0.0 at index 3"),
        ({"block": ["a", "a", "b", "b", "c", "c"]}, "block must have one arm, got both in block 'a'"),
        ({"burn_in": 1}, "burn_in must leave a period in each block, got 1 of 1 in 0"),
        ({"treated": [1, 0, 0, 0, 0, 0]}, "treated must leave at least 2 blocks in each arm, got 1 treated"),
        ({"treated": [1, 1, 1, 1, 1, 0]}, "treated must leave at least 2 blocks in each arm, got 1 control"),
    ],
)
def test_refusals(changes: dict[str, Any], text: str) -> None:
    arguments: Any = {"outcome": [1, 2, 3, 4, 5, 6], "treated": [1, 0, 1, 0, 1, 0], **changes}
    for function in (switchback_difference, switchback_test):
        with pytest.raises(InputError) as caught:
            function(**arguments)
        assert str(caught.value) == f"{function.__name__}: {text}"
