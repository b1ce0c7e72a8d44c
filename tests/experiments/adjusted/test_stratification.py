"""The post-stratified difference: against sums over strata, a regression and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import Estimate, Moments, MomentsByStratum, Ratio, difference, poststratified_difference

NAMES: Any = {"treatment": "b", "control": "a", "metric": "y"}
COLUMNS = ("y", "x", "d")
FIELDS = ("value", "standard_error", "degrees_of_freedom", "baseline", "baseline_error", "covariance")
RUNS = 20_000


def rows_of(seed: int, n: int, kinds: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    stratum = np.concatenate([np.repeat(np.arange(kinds), 4), rng.integers(0, kinds, n)])
    arm = np.where(np.arange(stratum.size) % 2 == 0, "a", "b")
    x = rng.normal(3, 1, stratum.size) + stratum
    y = 5 + 3 * stratum + x + (arm == "b") * (1 + stratum) + rng.normal(0, 1 + stratum, stratum.size)
    d = rng.integers(1, 5, stratum.size) + stratum
    names = np.array(["new", "old", "vip", "web"])
    return pd.DataFrame({"arm": arm, "stratum": names[stratum], "y": y, "x": x, "d": d.astype(float)})


def strata_of(rows: pd.DataFrame) -> MomentsByStratum:
    return MomentsByStratum.from_frame(rows, by="arm", stratum="stratum", columns=COLUMNS)


def alike(one: Estimate, other: Estimate, rel: float = 1e-10) -> None:
    for name in FIELDS:
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=rel), name


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, 60), st.integers(1, 4))
def test_sums_over_strata(seed: int, n: int, kinds: int) -> None:
    rows = rows_of(seed, n, kinds)
    value = variance = between = baseline = of_baseline = of_levels = common = 0.0
    for _, part in rows.groupby("stratum"):
        t, c = (part.loc[part["arm"] == arm, "y"] for arm in ("b", "a"))
        share = len(part) / len(rows)
        value += share * (t.mean() - c.mean())
        baseline += share * c.mean()
        variance += share**2 * (t.var() / len(t) + c.var() / len(c))
        of_baseline += share**2 * c.var() / len(c)
    for _, part in rows.groupby("stratum"):
        means = part.groupby("arm")["y"].mean()
        share, apart, level = len(part) / len(rows), means["b"] - means["a"] - value, means["a"] - baseline
        between, of_levels, common = (
            between + share * apart**2,
            of_levels + share * level**2,
            common + share * apart * level,
        )
    found = poststratified_difference(strata_of(rows), **NAMES, target="sample")
    assert found.value == pytest.approx(value, rel=1e-9)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert found.baseline == pytest.approx(baseline, rel=1e-10)
    assert found.baseline_error == pytest.approx(np.sqrt(of_baseline), rel=1e-9)
    assert found.covariance == pytest.approx(-of_baseline, rel=1e-9)
    population = poststratified_difference(strata_of(rows), **NAMES)
    assert population.standard_error == pytest.approx(np.sqrt(variance + between / len(rows)), rel=1e-9)
    assert population.value == found.value
    assert population.baseline_error**2 == pytest.approx(of_baseline + of_levels / len(rows), rel=1e-9)
    assert population.covariance == pytest.approx(-of_baseline + common / len(rows), rel=1e-7, abs=1e-12)


def test_one_stratum_is_no_stratum() -> None:
    rows = rows_of(8, 50, 1)
    moments = Moments.from_frame(rows, by="arm", columns=COLUMNS)
    for metric in ("y", Ratio(numerator="y", denominator="d")):
        for adjust in ((), ("x",)):
            found = poststratified_difference(strata_of(rows), treatment="b", control="a", metric=metric, adjust=adjust)
            alike(found, difference(moments, treatment="b", control="a", metric=metric, adjust=adjust), 1e-9)


def test_known_shares_replace_those_of_the_sample() -> None:
    strata = strata_of(rows_of(9, 80))
    n = np.array([sum(part.n for part in arms.moments) for arms in strata.moments])
    one = poststratified_difference(strata, **NAMES, target="sample")
    alike(poststratified_difference(strata, **NAMES, shares=n * 1e-300), one)
    effects = [difference(part, **NAMES).value for part in strata.moments]
    found = poststratified_difference(strata, **NAMES, shares=[0.0, 3.0, 1.0])
    assert found.value == pytest.approx(0.75 * effects[1] + 0.25 * effects[2], rel=1e-12)
    assert found.method == "difference of means, post-stratified over 3 strata, known shares"
    for shares in ([1.0, 2.0], [1.0, -1.0, 1.0], [0.0, 0.0, 0.0]):
        with pytest.raises(InputError) as caught:
            poststratified_difference(strata, **NAMES, shares=shares)
        text = f"shares must be >= 0, one a stratum of 3, and not all 0, got {shares}"
        assert str(caught.value) == f"poststratified_difference: {text}"


def test_covariates_within_strata_have_one_slope() -> None:
    """Against the slope of a regression of the metric on the covariate and a level for each cell."""
    rows = rows_of(10, 90)
    apart = rows.groupby(["arm", "stratum"])[["y", "x"]].transform(lambda column: column - column.mean())
    slope = (apart["y"] * apart["x"]).sum() / np.square(apart["x"]).sum()
    expected = poststratified_difference(strata_of(rows.assign(y=rows["y"] - slope * rows["x"])), **NAMES)
    found = poststratified_difference(strata_of(rows), **NAMES, adjust=("x",))
    assert found.value == pytest.approx(expected.value, rel=1e-10)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-10)
    assert found.baseline == pytest.approx(poststratified_difference(strata_of(rows), **NAMES).baseline, rel=1e-12)
    assert found.method == "difference of means, post-stratified over 3 strata, adjusted for 1 covariate(s), population"


def test_a_ratio_of_averages_over_strata() -> None:
    rows = rows_of(11, 90)
    share = rows["stratum"].value_counts(normalize=True)
    means = rows.groupby(["arm", "stratum"])[["y", "d"]].mean()
    levels = {
        arm: share @ means.loc[arm]["y"].reindex(share.index) / (share @ means.loc[arm]["d"].reindex(share.index))
        for arm in "ab"
    }
    metric = Ratio(numerator="y", denominator="d")
    found = poststratified_difference(strata_of(rows), treatment="b", control="a", metric=metric, target="sample")
    assert found.value == pytest.approx(levels["b"] - levels["a"], rel=1e-11)
    assert found.baseline == pytest.approx(levels["a"], rel=1e-12)
    bottom = {arm: share @ means.loc[arm]["d"].reindex(share.index) for arm in "ab"}
    linear = rows.assign(
        y=[(y - levels[arm] * d) / bottom[arm] for arm, y, d in zip(rows["arm"], rows["y"], rows["d"], strict=True)]
    )
    expected = poststratified_difference(strata_of(linear), **NAMES, target="sample")
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-10)


def test_units_and_the_order_of_strata_do_not_matter() -> None:
    rows = rows_of(12, 60)
    one = poststratified_difference(strata_of(rows), **NAMES, adjust=("x",))
    other = poststratified_difference(strata_of(rows.assign(y=rows["y"] * 1e-30)), **NAMES, adjust=("x",))
    assert other.value == pytest.approx(one.value * 1e-30, rel=1e-9)
    assert other.test().p_value == pytest.approx(one.test().p_value, rel=1e-8)
    strata = strata_of(rows)
    turned = MomentsByStratum(strata=strata.strata[::-1], moments=strata.moments[::-1])
    alike(poststratified_difference(turned, **NAMES, adjust=("x",)), one)


@pytest.mark.parametrize(
    ("stratum", "text"),
    [
        ("p", "treatment must be one of ['a'], got 'b' in stratum 'p'; join small strata with merged() first"),
        (
            "q",
            "treatment must have at least 2 units, got 1 in arm 'b' in stratum 'q'; join small strata with merged() first",
        ),
    ],
)
def test_small_strata_are_refused(stratum: str, text: str) -> None:
    extra = {"p": "aaa", "q": "aaab"}[stratum]
    rows = pd.concat(
        [rows_of(13, 30), pd.DataFrame({"arm": list(extra), "stratum": stratum, "y": 1.0, "x": 1.0, "d": 1.0})]
    )
    with pytest.raises(InputError) as caught:
        poststratified_difference(strata_of(rows), **NAMES)
    assert str(caught.value) == f"poststratified_difference: {text}"
    assert poststratified_difference(strata_of(rows).merged(), **NAMES).n_control > 0


def test_constant_cells_have_no_error() -> None:
    rows = rows_of(14, 20).assign(y=lambda frame: np.where(frame["arm"] == "b", 2.3, 1.1))
    assert poststratified_difference(strata_of(rows), **NAMES).test().reason.startswith("the standard error is 0")


# --- simulation -------------------------------------------------------------------------------------------------------


def test_coverage_and_gain_where_shares_and_effects_vary() -> None:
    """Two strata drawn at random, effects 0 and 4, levels 0 and 6: 200 units, a third of them treated."""
    rng = np.random.default_rng(15)
    n = 200
    old = rng.random((RUNS, n)) < 0.4
    arm = np.arange(n) % 3 == 0
    y = 6.0 * old + 4.0 * old * arm + rng.normal(0, 1, old.shape)
    value, variance, between, parts = 0.0, 0.0, 0.0, []
    for stratum in (False, True):
        cell = []
        for side in (True, False):
            mask = (old == stratum) & (arm == side)
            size = mask.sum(axis=1)
            mean = (y * mask).sum(axis=1) / size
            cell.append((mean, (np.square(y - mean[:, None]) * mask).sum(axis=1) / (size - 1) / size))
        share = (old == stratum).mean(axis=1)
        parts.append((share, cell[0][0] - cell[1][0]))
        value = value + share * parts[-1][1]
        variance = variance + share**2 * (cell[0][1] + cell[1][1])
    for share, effect in parts:
        between = between + share * (effect - value) ** 2 / n
    for run in range(5):
        rows = pd.DataFrame({"arm": np.where(arm, "b", "a"), "stratum": old[run].astype(int), "y": y[run]})
        strata = MomentsByStratum.from_frame(rows, by="arm", stratum="stratum", columns=("y",))
        alone = poststratified_difference(strata, **NAMES)
        assert alone.value == pytest.approx(value[run], rel=1e-9)
        assert alone.standard_error**2 == pytest.approx((variance + between)[run], rel=1e-9)
    truth = 0.4 * 4
    plain = y[:, arm].mean(axis=1) - y[:, ~arm].mean(axis=1)
    assert value.std() < 0.5 * plain.std()
    assert value.mean() == pytest.approx(truth, abs=4 * value.std() / np.sqrt(RUNS))
    inside = np.abs(value - truth) <= 1.972 * np.sqrt(variance + between)
    assert inside.mean() == pytest.approx(0.95, abs=3.29 * np.sqrt(0.05 * 0.95 / RUNS) + 0.002)
    assert (np.abs(value - truth) <= 1.972 * np.sqrt(variance)).mean() < 0.9
