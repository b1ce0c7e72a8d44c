"""A/A tests on one's own data: each split is what `difference` says, and the level is what it must be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import Moments, MomentsByArm, Ratio, difference, simulate_aa, simulate_aa_of_rows
from ecomops.experiments.aa import clopper_pearson, kolmogorov_smirnov
from ecomops.experiments.random_splits import _coins, split_differences, split_moments

COLUMNS = ("orders", "sessions", "before", "age")
ORDERS_PER_SESSION = Ratio(numerator="orders", denominator="sessions")


def shop(n: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    sessions = 1 + draw.poisson(1.5, n)
    before = draw.poisson(1.0, n) + draw.binomial(sessions, 0.3)
    orders = draw.binomial(sessions, 0.3) + draw.binomial(before, 0.5)
    return np.column_stack([orders, sessions, before, draw.normal(40.0, 10.0, n)]).astype(float)


CASES = [
    (("orders",), 0),
    (("orders", "sessions"), 0),
    (("orders", "before"), 1),
    (("orders", "before", "age"), 2),
    (("orders", "sessions", "before"), 1),
    (("orders", "sessions", "before", "age"), 2),
]


@pytest.mark.parametrize("variance", ["welch", "pooled", "normal"])
@pytest.mark.parametrize(("chosen", "covariates"), CASES)
@pytest.mark.parametrize("share", [0.5, 0.3])
def test_each_split_is_a_difference(chosen: tuple[str, ...], covariates: int, variance: str, share: float) -> None:
    rows = shop(301)[:, [COLUMNS.index(name) for name in chosen]]
    n, means, comoments = split_moments(rows, 9, share, np.random.default_rng(4))
    value, error, freedom, known = split_differences(n, means, comoments, covariates=covariates, variance=variance)
    mask = _coins(len(rows), share, np.random.default_rng(4)).astype(bool)
    metric = chosen[0] if len(chosen) - covariates == 1 else ORDERS_PER_SESSION
    for split in range(9):
        arms = MomentsByArm(
            arms=["c", "t"],
            moments=tuple(
                Moments.from_arrays(rows[part], columns=chosen) for part in (~mask[:, split], mask[:, split])
            ),
        )
        expected = difference(
            arms,
            treatment="t",
            control="c",
            metric=metric,
            variance=variance,
            adjust=chosen[len(chosen) - covariates :],
        )
        assert known[split]
        assert value[split] == pytest.approx(expected.value, rel=1e-9, abs=1e-12)
        assert error[split] == pytest.approx(expected.standard_error, rel=1e-9)
        assert freedom[split] == pytest.approx(expected.degrees_of_freedom, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    offset=st.sampled_from([0.0, 1e3, 1e9, -1e12]),
    scale=st.sampled_from([1e-9, 1.0, 1e6, 1e100]),
    units=st.integers(4, 9000),
)
def test_moments_of_splits_keep_their_digits(offset: float, scale: float, units: int) -> None:
    small = np.random.default_rng(units).normal(size=(units, 2))
    n, means, comoments = split_moments(small * scale + offset, 3, 0.5, np.random.default_rng(1))
    # The same coins on the same units: only the scale and the offset differ.
    n_small, means_small, comoments_small = split_moments(small, 3, 0.5, np.random.default_rng(1))
    assert np.array_equal(n, n_small)
    assert np.array_equal(n.sum(axis=1), np.full(3, units))
    lost = 1e-15 * (1.0 + abs(offset) / scale)
    if lost < 1e-6:
        assert np.allclose(means, means_small * scale + offset, rtol=1e-12, atol=1e-9 * scale)
        size = np.sqrt(np.einsum("saii->sai", comoments_small))
        room = (1e-9 + 10 * lost) * size[..., :, None] * size[..., None, :]
        assert np.all(np.abs(comoments / scale / scale - comoments_small) <= room + 1e-12)


def test_blocks_do_not_show() -> None:
    rows = shop(9001)[:, :2]
    n, means, comoments = split_moments(rows, 300, 0.5, np.random.default_rng(2))
    draws = np.random.default_rng(2)
    masks = []
    for _ in range(3):
        masks.append(np.concatenate([_coins(units, 0.5, draws) for units in (4096, 4096, 809)]))
    mask = np.concatenate(masks, axis=1)[:, :300].astype(bool)
    for split in (0, 127, 128, 299):
        for arm, part in enumerate((mask[:, split], ~mask[:, split])):
            expected = Moments.from_arrays(rows[part], columns=("a", "b"))
            assert n[split, arm] == expected.n
            assert np.allclose(means[split, arm], expected.means, rtol=1e-12)
            assert np.allclose(comoments[split, arm], expected.comoments, rtol=1e-10)


def test_coins_are_fair_at_any_share() -> None:
    draw = np.random.default_rng(0)
    for share in (0.5, 0.3, 1e-5, 1.0 - 2.0**-20, 0.25):
        heads = sum(float(_coins(4096, share, draw).sum()) for _ in range(8))
        trials = 8 * 4096 * 128
        assert abs(heads - trials * share) < 5 * np.sqrt(trials * share * (1 - share)) + 5


def test_level_and_uniformity_on_normal_data() -> None:
    rows = np.random.default_rng(3).normal(5.0, 2.0, (2000, 1))
    found = simulate_aa(rows, columns=("x",), metric="x", splits=20_000, rng=5)
    assert found.verdict == "holds"
    assert abs(found.rejection_rate - 0.05) < 3.29 * np.sqrt(0.05 * 0.95 / 20_000)
    assert found.error_ratio == pytest.approx(1.0, abs=0.02)
    assert found.splits == 20_000
    assert found.unanswered == 0
    assert found.p_values.shape == (20_000,)
    expected = stats.kstest(found.p_values, "uniform")
    assert found.uniformity == pytest.approx(expected.statistic, rel=1e-12)
    assert found.uniformity_p_value == pytest.approx(expected.pvalue, abs=0.02)


def test_rate_is_the_power_at_a_lift() -> None:
    rows = np.random.default_rng(3).normal(5.0, 2.0, (2000, 1))
    found = simulate_aa(rows, columns=("x",), metric="x", splits=20_000, lift=0.05, rng=5)
    mean, sd = rows.mean(), rows.std(ddof=1)
    # The treatment spreads more, by the lift.
    error = np.sqrt((sd**2 + (1.05 * sd) ** 2) / 1000)
    expected = stats.norm.sf(stats.norm.isf(0.025) - 0.05 * mean / error)
    assert found.verdict == "power"
    assert found.reason.endswith("at a lift of 0.05")
    assert found.rejection_rate == pytest.approx(expected, abs=0.012)


def test_lift_multiplies_the_treatment() -> None:
    rows = shop(400)
    found = simulate_aa(
        rows, columns=COLUMNS, metric=ORDERS_PER_SESSION, adjust=("before",), splits=50, lift=0.3, rng=5
    )
    mask = _coins(400, 0.5, np.random.default_rng(5)).astype(bool)
    for split in range(50):
        changed = rows.copy()
        changed[mask[:, split], 0] *= 1.3
        arms = MomentsByArm(
            arms=["c", "t"],
            moments=tuple(
                Moments.from_arrays(changed[part], columns=COLUMNS) for part in (~mask[:, split], mask[:, split])
            ),
        )
        expected = difference(arms, treatment="t", control="c", metric=ORDERS_PER_SESSION, adjust=("before",))
        assert found.p_values[split] == pytest.approx(expected.test().p_value, rel=1e-8)


def test_covariates_that_do_not_help_small_arms_show() -> None:
    # Twelve units and theta taken as known: the error is understated, which this is made to find.
    rows = np.random.default_rng(8).normal(size=(12, 4))
    found = simulate_aa(rows, columns=("y", "a", "b", "c"), metric="y", adjust=("a", "b", "c"), splits=4000, rng=1)
    assert found.verdict == "rejects too often"
    assert found.reason.endswith("above alpha = 0.05")
    assert found.error_ratio > 1.1


def test_rare_events_make_it_too_seldom_or_uneven() -> None:
    rare = np.zeros((400, 1))
    rare[:3] = 1.0
    found = simulate_aa(rare, columns=("x",), metric="x", splits=4000, rng=1)
    assert found.verdict == "rejects too seldom"
    rare[:40] = 1.0
    uneven = simulate_aa(rare, columns=("x",), metric="x", splits=20_000, rng=1)
    assert uneven.verdict == "p-values are not uniform"


def test_splits_without_an_answer_are_counted() -> None:
    found = simulate_aa([[1.0], [2.0], [4.0], [3.5], [0.0]], columns=("x",), metric="x", splits=1000, rng=1)
    # Arms of 0, 1, 4 or 5 units: 12 of 32 splits.
    assert found.unanswered == pytest.approx(375, abs=60)
    assert found.splits + found.unanswered == 1000
    few = simulate_aa([[1.0], [2.0], [4.0], [3.5], [0.0]], columns=("x",), metric="x", splits=10, rng=1)
    assert few.verdict == "too few splits"


def test_denominators_and_covariates_without_an_answer() -> None:
    rows = np.array([[1.0, 1.0], [2.0, -1.5], [1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    found = simulate_aa(rows, columns=("a", "b"), metric=Ratio(numerator="a", denominator="b"), splits=200, rng=1)
    assert found.unanswered > 0
    repeated = np.column_stack([shop(50)[:, 0], np.arange(50.0), 2 * np.arange(50.0)])
    with pytest.raises(InputError, match="got none that has 2 units an arm"):
        simulate_aa(repeated, columns=("y", "a", "b"), metric="y", adjust=("a", "b"), splits=50, rng=1)
    with pytest.raises(InputError, match="got none that has 2 units an arm"):
        simulate_aa(np.ones((50, 2)), columns=("y", "a"), metric="y", adjust=("a",), splits=50, rng=1)


def test_frame_is_the_array() -> None:
    rows = shop(500)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    of_array = simulate_aa(
        rows, columns=COLUMNS, metric=ORDERS_PER_SESSION, adjust=("before", "age"), splits=300, share=0.4, rng=9
    )
    of_frame = simulate_aa_of_rows(
        frame, metric=ORDERS_PER_SESSION, adjust=("before", "age"), splits=300, share=0.4, rng=9
    )
    assert of_array == of_frame
    assert of_frame.method == "difference of ratios, delta method, 2 covariate(s), welch, share 0.4"


def test_parts() -> None:
    for successes, trials in ((0, 10), (10, 10), (3, 50), (1000, 20_000)):
        expected = stats.binomtest(successes, trials).proportion_ci(0.99, method="exact")
        assert clopper_pearson(successes, trials, 0.99) == pytest.approx((expected.low, expected.high), rel=1e-10)
    sample = np.random.default_rng(1).random(200) ** 1.1
    assert kolmogorov_smirnov(sample)[0] == pytest.approx(stats.kstest(sample, "uniform").statistic, rel=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"metric": "z"}, "simulate_aa: metric must be one of ('x', 'y'), got 'z'"),
        ({"adjust": ("z",)}, "simulate_aa: adjust[0] must be one of ('x', 'y'), got 'z'"),
        ({"adjust": ("x",)}, "simulate_aa: adjust must name other columns than the metric, got 'x'"),
        (
            {"metric": {"kind": "Ratio", "numerator": "x", "denominator": "w"}},
            "simulate_aa: metric.denominator must be one of ('x', 'y'), got 'w'",
        ),
        ({"lift": -1}, "simulate_aa: lift must be > -1, got -1.0"),
        ({"share": 1.0}, "simulate_aa: share must be < 1, got 1.0"),
        ({"splits": 0}, "simulate_aa: splits must be >= 1, got 0"),
        ({"columns": ("x",)}, "simulate_aa: columns must name the columns of values, got 1 for shape (5, 2)"),
    ],
)
def test_refusals(changed: dict[str, object], message: str) -> None:
    kwargs: dict[str, object] = {"columns": ("x", "y"), "metric": "x", "splits": 10, "rng": 1, **changed}
    with pytest.raises(InputError) as error:
        simulate_aa(np.arange(10.0).reshape(5, 2), **kwargs)
    assert str(error.value) == message


def test_few_units_are_refused() -> None:
    with pytest.raises(InputError, match="^simulate_aa: values must have at least 4 units, got 3$"):
        simulate_aa([[1.0], [2.0], [3.0]], columns=("x",), metric="x", rng=1)
