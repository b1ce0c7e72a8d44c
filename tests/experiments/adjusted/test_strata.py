"""Moments in strata: cells, merging, engines and small strata."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import (
    Estimate,
    Moments,
    MomentsByArm,
    MomentsByStratum,
    poststratified_difference,
)

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


# --- the statistic ----------------------------------------------------------------------------------------------------


def test_each_cell_holds_the_moments_of_its_rows() -> None:
    rows = rows_of(1, 60)
    strata = strata_of(rows)
    assert strata.strata.tolist() == ["new", "old", "vip"]
    for (stratum, arm), cell in rows.groupby(["stratum", "arm"]):
        found, expected = strata[stratum][arm], Moments.from_arrays(cell[list(COLUMNS)].to_numpy(), columns=COLUMNS)
        assert found.n == expected.n
        np.testing.assert_allclose(found.means, expected.means, rtol=1e-13)
        np.testing.assert_allclose(found.comoments, expected.comoments, rtol=1e-11, atol=1e-11)


def test_joined_strata_are_the_rows_without_strata() -> None:
    rows = rows_of(2, 60)
    found, expected = strata_of(rows).joined(), Moments.from_frame(rows, by="arm", columns=COLUMNS)
    for arm in ("a", "b"):
        assert found[arm].n == expected[arm].n
        np.testing.assert_allclose(found[arm].comoments, expected[arm].comoments, rtol=1e-11)


@settings(max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 4))
def test_shards_add_up(seed: int, shards: int) -> None:
    rows = rows_of(seed, 40)
    whole = poststratified_difference(strata_of(rows), **NAMES, adjust=("x",))
    total = strata_of(rows[::shards])
    for start in range(1, shards):
        total = strata_of(rows[start::shards]) + total
    assert total.strata.tolist() == ["new", "old", "vip"]
    alike(poststratified_difference(total, **NAMES, adjust=("x",)), whole, 1e-9)


def test_a_stratum_that_only_one_part_has_is_kept() -> None:
    rows = rows_of(3, 60)
    here, there = rows[rows["stratum"] == "vip"], rows[rows["stratum"] != "vip"]
    found = strata_of(here) + strata_of(there)
    assert found.strata.tolist() == ["new", "old", "vip"]
    assert found["vip"]["a"].n == strata_of(rows)["vip"]["a"].n
    numbered = strata_of(rows.assign(stratum=rows["stratum"].map({"new": 1, "old": 2, "vip": 3})))
    assert numbered[3]["a"].n == found["vip"]["a"].n
    with pytest.raises(
        InputError, match="^MomentsByStratum: strata must be text in both parts or whole numbers in both$"
    ):
        _ = found + numbered
    with pytest.raises(TypeError):
        _ = found + 1
    with pytest.raises(
        InputError, match=r"^MomentsByStratum: stratum must be one of \['new', 'old', 'vip'\], got 'web'$"
    ):
        _ = found["web"]


@pytest.mark.parametrize(
    "make",
    [pl.from_pandas, lambda rows: pl.from_pandas(rows).lazy(), pa.Table.from_pandas, duckdb.from_df],
)
def test_engines_and_units(make: Any) -> None:
    rows = rows_of(4, 50)
    expected = poststratified_difference(strata_of(rows), **NAMES)
    alike(poststratified_difference(strata_of(make(rows)), **NAMES), expected)
    twice = pd.concat([rows.assign(user=range(len(rows)))] * 2)
    twice[["y", "x", "d"]] /= 2
    found = MomentsByStratum.from_frame(make(twice), by="arm", stratum="stratum", columns=COLUMNS, unit="user")
    alike(poststratified_difference(found, **NAMES), expected)


def test_small_strata_are_joined_by_name() -> None:
    rows = pd.concat(
        [rows_of(5, 60), pd.DataFrame({"arm": list("abab"), "stratum": list("pqrr"), "y": 1.0, "x": 1.0, "d": 1.0})]
    )
    strata = strata_of(rows)
    assert strata.merged().strata.tolist() == ["new", "old", "vip", "p + q + r"]
    assert strata.merged()["p + q + r"]["a"].n == 2
    assert strata.merged(least=1)["p + q"]["b"].n == 1
    lone = strata_of(rows[~rows["stratum"].isin(["q", "r"])])
    smallest = min(("new", "old", "vip"), key=lambda name: sum(part.n for part in lone[name].moments))
    assert lone.merged().strata.tolist()[-1] == f"{smallest} + p"
    assert lone.merged(least=10**6).strata.tolist() == ["new + old + p + vip"]
    enough = strata_of(rows_of(5, 60))
    assert enough.merged() is enough
    assert lone.merged().joined()["a"].mean("y") == pytest.approx(lone.joined()["a"].mean("y"), rel=1e-12)
    nothing = MomentsByStratum(strata=["new"], moments=(MomentsByArm(arms=[], moments=()),))
    assert nothing.merged() is nothing


def test_what_a_frame_cannot_be() -> None:
    rows, advice = rows_of(6, 20), "take the stratum from before the treatment"
    for changes, text in (
        ({"columns": ()}, "columns must name at least one column, got none"),
        ({"columns": ("y", "y")}, "columns must not repeat, got ('y', 'y')"),
        ({"frame": rows[:0]}, "frame has no rows"),
        ({"stratum": "x"}, "stratum must be text or whole numbers, got numbers with decimals in column 'x'"),
        ({"by": "x"}, "by must be text or whole numbers, got numbers with decimals in column 'x'"),
        (
            {"frame": rows.assign(user=[0, 0, *range(1, len(rows) - 1)]), "unit": "user"},
            f"unit must be in one arm and one stratum, got 1 unit(s) of {len(rows) - 1} seen in two or more; {advice}",
        ),
    ):
        settings: Any = {"frame": rows, "by": "arm", "stratum": "stratum", "columns": ("y",), **changes}
        with pytest.raises(InputError) as caught:
            MomentsByStratum.from_frame(settings.pop("frame"), **settings)
        assert str(caught.value) == f"MomentsByStratum.from_frame: {text}"
    one = strata_of(rows).moments[0]
    for strata, moments, text in (
        (["a", "b"], (one,), "strata and moments must be equally many, got 2 and 1"),
        ([], (), "strata must not be empty"),
        (["a", "a"], (one, one), "strata must not repeat, got ['a', 'a']"),
    ):
        with pytest.raises(InputError, match="^MomentsByStratum: ") as caught:
            MomentsByStratum(strata=strata, moments=moments)
        assert str(caught.value) == f"MomentsByStratum: {text}"


def test_flags_as_arms_and_strata() -> None:
    rows = rows_of(7, 40).assign(arm=lambda frame: frame["arm"] == "b", stratum=lambda frame: frame["stratum"] == "new")
    found = poststratified_difference(strata_of(rows), treatment=1, control=0, metric="y")
    assert found.n_treatment + found.n_control == len(rows)
