"""Counts of transitions: from paths, from SQL, and what is no chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from tests.attribution import brute
from tests.attribution.brute import Journey
from tests.attribution.strategies import journeys

from ecomops.attribution import PathTable, TransitionCounts, removal_effects
from ecomops.core import InputError


def table_of(found: list[Journey], **names: str) -> PathTable:
    return PathTable.from_strings(
        [" > ".join(names.get(name, name) for name in journey.channels) for journey in found],
        conversions=[journey.conversions for journey in found],
        nulls=[journey.nulls for journey in found],
        value=[journey.value for journey in found],
    )


def counts_of(**changes: Any) -> TransitionCounts:
    fields: dict[str, Any] = {
        "channels": ["a", "b"],
        "starts": [4, 0],
        "moves": [[0, 3], [0, 0]],
        "converted": [0, 2],
        "nulls": [1, 1],
        "value": [0, 8],
    }
    return TransitionCounts(**{**fields, **changes})


@given(found=journeys(channels=5))
def test_counts_are_those_of_a_walk_along_the_paths(found: list[Journey]) -> None:
    counts = TransitionCounts.from_paths(table_of(found))
    names, moves, exits, starts, visits = brute.counted(found)
    assert counts.channels.tolist() == names
    np.testing.assert_array_equal(counts.starts, starts)
    np.testing.assert_array_equal(counts.moves, moves)
    np.testing.assert_array_equal(counts.converted, exits)
    np.testing.assert_array_equal(counts.nulls, visits - exits - moves.sum(axis=1))
    np.testing.assert_allclose(counts.value, brute.counted(found, by_value=True)[2], rtol=1e-12)


def test_counts_written_in_sql_are_enough() -> None:
    log = pd.DataFrame({"here": ["a", "a", "b"], "there": ["b", None, None], "n": [3, 1, 3]})
    moves = log.dropna().pivot_table(index="here", columns="there", values="n").reindex(["a", "b"], columns=["a", "b"])
    counts = counts_of(moves=moves.fillna(0).to_numpy())
    assert removal_effects(counts).effect.tolist() == [1.0, 1.0]
    paths = PathTable.from_strings(["a > b", "a"], conversions=[2, 0], nulls=[1, 1], value=[8, 0])
    assert counts == TransitionCounts.from_paths(paths)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"converted": [0, 0], "nulls": [1, 3], "value": [0, 0]}, "paths must hold at least one conversion, got none"),
        ({"starts": [0, 0]}, "starts must have a positive sum: no path begins anywhere"),
        (
            {"converted": [2, 0], "nulls": [0, 1], "starts": [0, 1]},
            "paths must hold at least one conversion, got none",
        ),
        (
            {"converted": [2, 0], "nulls": [0, 0]},
            "no path ever ends once it has reached channel 'b'; count its exits too",
        ),
        (
            {"moves": [[1e17, 1], [0, 0]]},
            "moves must not outweigh the exits by more than 1e15: paths would hardly ever end",
        ),
    ],
)
def test_counts_that_are_no_chain_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        removal_effects(counts_of(**changes))
    assert str(caught.value) == f"removal_effects: {text}"


def test_a_trap_of_several_channels_is_found_though_rounding_hides_it() -> None:
    trap = np.zeros((4, 4))
    trap[:3, :3] = [[0, 0.1, 0.2], [0.3, 0, 0.6], [0.7, 0.1, 0]]
    fields = {"starts": [1, 0, 0, 5], "converted": [0, 0, 0, 3], "nulls": [0, 0, 0, 2], "value": [0.0] * 4}
    with pytest.raises(InputError, match="no path ever ends once it has reached channel 'a'; count its exits too"):
        removal_effects(TransitionCounts(channels=list("abcd"), moves=trap, **fields))


def test_a_trap_that_no_path_reaches_does_no_harm() -> None:
    counts = counts_of(
        channels=["a", "b", "idle"],
        starts=[4, 0, 0],
        moves=[[0, 3, 0], [0, 0, 0], [0, 0, 0]],
        converted=[0, 2, 0],
        nulls=[1, 1, 0],
        value=[0, 8, 0],
    )
    assert removal_effects(counts).effect.tolist() == [1.0, 1.0, 0.0]


def test_net_returns_first() -> None:
    with pytest.raises(InputError) as caught:
        removal_effects(PathTable.from_strings(["a", "b"], conversions=[3, -1]))
    assert str(caught.value).endswith("paths.conversions must be >= 0 for a chain, got -1.0; net returns first")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"channels": ["a", "a"]}, "channels must be different from each other"),
        ({"channels": [1, 2]}, "channels must be text, got whole numbers"),
        (
            {"starts": [1]},
            "starts, converted, nulls and value must have 2 channels, got shapes ((1,), (2,), (2,), (2,))",
        ),
        ({"moves": [[1]]}, "moves must be 2 x 2, got shape (1, 1)"),
        ({"moves": [[0, 1], [-2, 0]]}, "moves must be >= 0, got -2.0 at index (1, 0)"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        counts_of(**changes)
    assert str(caught.value) == f"TransitionCounts: {text}"
