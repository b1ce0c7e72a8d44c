"""Tables of disjoint users add up to the table of all; what was cut by other rules does not add."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.attribution import brute
from tests.attribution.brute import COLUMNS, Journey, Row, frame_of
from tests.attribution.strategies import journeys, rows

from ecomops.attribution import PathTable, TransitionCounts, removal_effects
from ecomops.core import Duration, InputError

WEEK = Duration(value=1, unit="week")


def touches(log: list[Row], **options: Any) -> PathTable:
    return PathTable.from_touches(frame_of(log), **COLUMNS, **options)


def table_of(found: list[Journey]) -> PathTable:
    return PathTable.from_strings(
        [" > ".join(journey.channels) for journey in found],
        conversions=[journey.conversions for journey in found],
        nulls=[journey.nulls for journey in found],
        value=[journey.value for journey in found],
    )


@given(log=rows(users=6, most=20))
@settings(max_examples=40)
def test_users_in_shards_add_up_to_the_log(log: list[Row]) -> None:
    shards = [[row for row in log if row.user % 3 == part] for part in range(3)]
    parts = [touches(shard, lookback=WEEK) for shard in shards if shard]
    joined, whole = functools.reduce(operator.add, parts), touches(log, lookback=WEEK)
    assert brute.same(brute.listed(joined), brute.listed(whole))
    assert joined.channels.tolist() == whole.channels.tolist()
    assert joined.lookback == WEEK
    one, two = (TransitionCounts.from_paths(table) for table in (joined, whole))
    assert one == two, "counts of whole numbers are exact"


@given(found=journeys(negative=True, most=8), cut=st.integers(1, 7))
def test_rows_of_text_in_shards_add_up_to_the_text(found: list[Journey], cut: int) -> None:
    parts = [part for part in (found[:cut], found[cut:]) if part]
    joined, whole = functools.reduce(operator.add, map(table_of, parts)), table_of(found)
    for name in ("channels", "codes", "offsets", "conversions", "nulls"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name
    np.testing.assert_allclose(joined.value, whole.value, rtol=1e-12, atol=1e-10)


@given(one=journeys(), two=journeys(channels=6))
def test_it_does_not_count_which_table_comes_first(one: list[Journey], two: list[Journey]) -> None:
    left, right = table_of(one), table_of(two)
    assert left + right == right + left
    counts = TransitionCounts.from_paths(left), TransitionCounts.from_paths(right)
    assert counts[0] + counts[1] == counts[1] + counts[0]


@given(one=journeys(), two=journeys(channels=6))
@settings(max_examples=60)
def test_counts_of_added_paths_are_added_counts(one: list[Journey], two: list[Journey]) -> None:
    parts = [TransitionCounts.from_paths(table_of(part)) for part in (one, two)]
    whole, joined = TransitionCounts.from_paths(table_of(one) + table_of(two)), parts[0] + parts[1]
    for name in ("channels", "starts", "moves", "converted", "nulls"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name
    np.testing.assert_allclose(joined.value, whole.value, rtol=1e-12)
    effects = removal_effects(joined).effect
    np.testing.assert_allclose(effects, removal_effects(whole).effect, rtol=1e-12)


def test_channels_that_only_one_table_knows_keep_their_names() -> None:
    left = PathTable.from_strings(["b > d"], conversions=1)
    right = PathTable.from_strings(["a > c > d"], conversions=2)
    joined = left + right
    assert joined.channels.tolist() == ["a", "b", "c", "d"]
    assert brute.summed(brute.listed(joined)) == {("a", "c", "d"): (2.0, 0.0, 0.0), ("b", "d"): (1.0, 0.0, 0.0)}


def test_unsorted_channels_are_added_by_name() -> None:
    fields = {"codes": [0, 1], "offsets": [0, 2], "conversions": [1.0], "value": [0.0], "nulls": [0.0]}
    odd = PathTable(channels=["z", "a"], **fields)
    assert (odd + PathTable.from_strings(["z > a"], conversions=2)).conversions.tolist() == [3.0]
    counts = {"starts": [1, 0], "moves": [[0, 2], [0, 0]], "converted": [0, 1], "nulls": [0, 0], "value": [0, 5]}
    both = TransitionCounts(channels=["z", "a"], **counts) + TransitionCounts(channels=["a", "z"], **counts)
    assert both.channels.tolist() == ["a", "z"]
    assert both.moves.tolist() == [[0.0, 2.0], [2.0, 0.0]]
    assert both.value.tolist() == [5.0, 5.0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lookback": WEEK}, "lookback must be equal to add tables, got None and Duration(value=1, unit='week')"),
        ({"restart": False}, "restart must be equal to add tables, got True and False"),
        ({"conversion_is_touch": False}, "conversion_is_touch must be equal to add tables, got True and False"),
    ],
)
def test_tables_cut_by_other_rules_do_not_add(options: dict[str, Any], text: str) -> None:
    log = [Row(1, 0, "a", False), Row(1, 5, "b", True)]
    with pytest.raises(InputError) as caught:
        touches(log) + touches(log, **options)
    assert str(caught.value) == f"PathTable: {text}"


def test_paths_with_and_without_ages_do_not_add() -> None:
    with pytest.raises(InputError) as caught:
        PathTable.from_strings(["a"], conversions=1) + touches([Row(1, 0, "a", True)])
    assert str(caught.value) == "PathTable: ages must be in both tables to add them, or in none"


def test_only_like_adds_to_like() -> None:
    table = PathTable.from_strings(["a"], conversions=1)
    for one, two in ((table, 1), (TransitionCounts.from_paths(table), table)):
        with pytest.raises(TypeError, match="unsupported operand"):
            one + two
