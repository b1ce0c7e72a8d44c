"""Paths from text and from touches, against a builder that walks through the rows one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.attribution import brute
from tests.attribution.brute import COLUMNS, DAY, HOUR, Row, frame_of
from tests.attribution.strategies import CHANNELS, rows

from ecomops.attribution import PathTable
from ecomops.core import Duration, InputError

ONE = {"codes": [0, 0], "offsets": [0, 2], "conversions": [1], "value": [1], "nulls": [0]}


def hours(number: float) -> Duration:
    return Duration(value=number / 24.0, unit="day")


def touches(frame: Any, **options: Any) -> PathTable:
    return PathTable.from_touches(frame, **{**COLUMNS, **options})


def refused(**fields: Any) -> str:
    with pytest.raises(InputError) as caught:
        PathTable(**{"channels": ["a"], **ONE, **fields})
    return str(caught.value)


@given(
    log=rows(),
    lookback=st.none() | st.integers(1, 13),
    restart=st.booleans(),
    is_touch=st.booleans(),
)
def test_paths_are_those_of_a_walk_through_the_rows(
    log: list[Row], lookback: int | None, restart: bool, is_touch: bool
) -> None:
    expected = brute.journeys(
        log,
        lookback=None if lookback is None else lookback * HOUR,
        restart=restart,
        conversion_is_touch=is_touch,
    )
    options = {
        "lookback": None if lookback is None else hours(lookback),
        "restart": restart,
        "conversion_is_touch": is_touch,
    }
    if not expected:
        with pytest.raises(InputError, match="has no touch inside the lookback of any conversion"):
            touches(frame_of(log), **options)
        return
    table = touches(frame_of(log), **options)
    assert brute.same(brute.listed(table), expected)
    assert table.channels.tolist() == sorted({name for journey in expected for name in journey.channels})


@given(logs=rows(most=10).flatmap(lambda log: st.tuples(st.just(log), st.permutations(log))))
def test_the_order_of_the_rows_does_not_count(logs: tuple[list[Row], list[Row]]) -> None:
    assert touches(frame_of(logs[0])) == touches(frame_of(logs[1]))


@given(log=rows(), shift=st.integers(-400, 400))
@settings(max_examples=40)
def test_only_differences_of_times_count(log: list[Row], shift: int) -> None:
    frame = frame_of(log)
    moved = frame.assign(when=frame["when"] + pd.Timedelta(days=shift))
    assert touches(frame, lookback=hours(5)) == touches(moved, lookback=hours(5))


@given(log=rows())
def test_paths_as_text_equal_paths_from_touches(log: list[Row]) -> None:
    table = touches(frame_of(log))
    found = brute.journeys(log)
    text = PathTable.from_strings(
        [" > ".join(journey.channels) for journey in found],
        conversions=[journey.conversions for journey in found],
        nulls=[journey.nulls for journey in found],
        value=[journey.value for journey in found],
    )
    assert text.channels.tolist() == table.channels.tolist()
    assert brute.summed(brute.listed(text)) == brute.summed(brute.listed(table))
    distinct = [journey.channels for journey in brute.listed(text)]
    assert distinct == sorted(set(distinct)), "paths of text are distinct and sorted"


@given(log=rows())
@settings(max_examples=50)
def test_every_conversion_and_every_touch_is_in_one_path(log: list[Row]) -> None:
    table = touches(frame_of(log))
    assert table.conversions.sum() == sum(row.bought for row in log)
    assert table.value.sum() == sum(row.value for row in log if row.bought)
    assert table.lengths.sum() == len(log)
    named = table.channels[table.codes.astype(int)].tolist()
    assert sorted(named) == sorted(row.channel for row in log)


def test_names_of_users_may_be_text_or_numbers() -> None:
    log = [Row(2, HOUR, "a", False), Row(10, 0, "b", True), Row(2, 0, "c", False)]
    frame = frame_of(log)
    text = frame.assign(who=["two", "ten", "two"])
    assert brute.same(brute.listed(touches(frame)), brute.listed(touches(text)))


def test_the_edge_of_the_lookback_is_inside_to_the_microsecond() -> None:
    # Many users far apart in time: a key of user and time in one float would lose the microsecond.
    late = 20 * 365 * DAY
    log = [Row(user, late + user, "sale", True) for user in range(3000)]
    log += [Row(user, late + user - 30 * DAY, "inside", False) for user in range(3000)]
    log += [Row(user, late + user - 30 * DAY - 1, "outside", False) for user in range(3000)]
    log += [Row(0, 0, "oldest", False)]
    table = touches(frame_of(log), lookback=Duration(value=30, unit="day"))
    assert table.channels.tolist() == ["inside", "sale"]
    assert table.ages.tolist() == [30.0, 0.0] * 3000


def test_ages_are_exact_for_seconds_too() -> None:
    log = [Row(1, 0, "a", False), Row(1, 1_000_000, "b", True)]
    assert touches(frame_of(log)).ages.tolist() == [1.0 / 86_400.0, 0.0]


def test_a_lookback_longer_than_any_time_leaves_nothing_out() -> None:
    log = [Row(1, 0, "a", False), Row(1, 9 * DAY, "b", True)]
    table = touches(frame_of(log), lookback=Duration(value=1e300, unit="year"))
    assert table.ages.tolist() == [9.0, 0.0]


def test_the_hour_that_a_zone_repeats_is_told_apart() -> None:
    utc = pd.to_datetime(["2025-10-26T00:30Z", "2025-10-26T01:10Z"], utc=True)
    frame = pd.DataFrame({"who": 1, "when": utc, "where": ["first", "second"], "bought": [0, 1], "paid": 0.0})
    berlin = frame.assign(when=frame["when"].dt.tz_convert("Europe/Berlin"))
    assert berlin["when"].dt.hour.tolist() == [2, 2], "the clock was put back in between"
    for table in (touches(frame), touches(berlin)):
        assert table.channels[table.codes.astype(int)].tolist() == ["first", "second"]
        assert table.ages.tolist() == [40.0 / 1440.0, 0.0]


def test_at_one_time_touches_come_before_conversions_and_then_by_name() -> None:
    log = [Row(1, 0, "sale", True, 3.0), Row(1, 0, "z", False), Row(1, 0, "b", False), Row(1, 0, "sale", True, 1.0)]
    table = touches(frame_of(log))
    assert [journey.channels for journey in brute.listed(table)] == [("b", "z", "sale"), ("sale",)]
    assert table.value.tolist() == [1.0, 3.0]


def test_dates_are_times_and_numbers_are_channels() -> None:
    frame = frame_of([Row(1, 0, "a", False), Row(1, 2 * DAY, "b", True)])
    dated = frame.assign(when=[stamp.date() for stamp in frame["when"]], where=[7, 8])
    dated["when"] = dated["when"].astype("date32[pyarrow]")
    table = touches(dated)
    assert table.channels.tolist() == ["7", "8"]
    assert table.ages.tolist() == [2.0, 0.0]


def test_a_return_has_negative_value() -> None:
    log = [Row(1, 0, "a", True, 20.0), Row(2, 0, "a", True, -5.0)]
    assert touches(frame_of(log)).value.sum() == 15.0


def test_value_is_zero_where_no_column_is_named() -> None:
    frame = frame_of([Row(1, 0, "a", True, 20.0)])
    assert touches(frame, value=None).value.tolist() == [0.0]


def test_blanks_around_names_do_not_count_and_inside_they_do() -> None:
    table = PathTable.from_strings(
        [" paid search>mail ", "paid search > mail", "paid  search>mail"], conversions=[1, 2, 4]
    )
    assert table.channels.tolist() == ["mail", "paid  search", "paid search"]
    assert sorted(table.conversions.tolist()) == [3.0, 4.0]


@given(
    paths=st.lists(st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=4), min_size=1, max_size=6),
    separator=st.sampled_from([">", "|", "->", " > ", ",", "::"]),
)
def test_the_separator_is_only_a_way_to_write(paths: list[list[str]], separator: str) -> None:
    weights = np.arange(1.0, len(paths) + 1.0)
    written = PathTable.from_strings([separator.join(path) for path in paths], conversions=weights, separator=separator)
    usual = PathTable.from_strings([">".join(path) for path in paths], conversions=weights)
    assert written == usual


def test_a_name_may_hold_the_separator_of_text_in_a_log() -> None:
    table = touches(frame_of([Row(1, 0, "a > b", False), Row(1, HOUR, "c", True)]))
    assert table.lengths.tolist() == [2]


def test_fractions_and_returns_are_counted() -> None:
    table = PathTable.from_strings(["a", "a", "b"], conversions=[2.5, -1.0, 0.0], nulls=[0.5, 0.25, 1.0])
    assert table.conversions.tolist() == [1.5, 0.0]
    assert table.nulls.tolist() == [0.75, 1.0]


def test_a_series_and_one_number_for_all_rows_are_read() -> None:
    paths = pd.Series(["a>b", "b"], index=[5, 3])
    table = PathTable.from_strings(paths, conversions=pd.Series([1, 2], index=[5, 3]), nulls=4)
    assert table.conversions.tolist() == [1.0, 2.0]
    assert table.nulls.tolist() == [4.0, 4.0]


def test_long_paths_are_kept_whole() -> None:
    table = PathTable.from_strings([">".join(["x", "y"] * 5000)], conversions=1)
    assert table.lengths.tolist() == [10_000]


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ({"paths": []}, "paths must hold at least one path, got none"),
        ({"paths": [7, 8]}, "paths must be text, got the number 7 at index 0"),
        ({"paths": ["a", None]}, "paths must be names (str), got NoneType None at index 1"),
        ({"separator": "  "}, "separator must not be blank, got '  '"),
        ({"conversions": [1, 2, 3]}, "conversions must have one value a path, got shape (3,) for 2 paths"),
        ({"value": [[1, 2]]}, "value must have one value a path, got shape (1, 2) for 2 paths"),
        ({"nulls": [1, -2]}, "nulls must be >= 0, got -2.0 at index 1"),
        ({"conversions": [1, float("nan")]}, "conversions must be finite, got nan at index 1"),
        (
            {"paths": ["a", ""]},
            "paths must not hold an empty name, got '' at index 1; drop it or name the channel",
        ),
        (
            {"paths": ["a > b", "a >  > b"]},
            "paths must not hold an empty name, got 'a >  > b' at index 1; drop it or name the channel",
        ),
        (
            {"paths": ["b", "> a"]},
            "paths must not hold an empty name, got '> a' at index 1; drop it or name the channel",
        ),
    ],
)
def test_bad_text_is_refused_in_one_line(given_: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        PathTable.from_strings(**{"paths": ["a", "b > a"], "conversions": 1, **given_})
    assert str(caught.value) == f"PathTable.from_strings: {text}"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"channels": ["a", "a"]}, "channels must be different from each other"),
        ({"channels": [1]}, "channels must be text, got whole numbers"),
        ({"channels": []}, "codes must be below 0, got 0.0 at index 0"),
        ({"codes": [0, 1]}, "codes must be below 1, got 1.0 at index 1"),
        ({"codes": [[0, 0]]}, "codes and offsets must have one dimension"),
        ({"offsets": [[0, 2]]}, "codes and offsets must have one dimension"),
        ({"offsets": [0, 1]}, "offsets must go from 0 to the number of touches"),
        ({"offsets": [1, 2]}, "offsets must go from 0 to the number of touches"),
        ({"offsets": [0, 0, 2]}, "conversions, value and nulls must have 2 paths, got shapes ((1,), (1,), (1,))"),
        ({"offsets": [2, 0]}, "offsets must ascend: a path has at least one touch at index 0"),
        (
            {"conversions": [[1]]},
            "conversions, value and nulls must have 1 paths, got shapes ((1, 1), (1,), (1,))",
        ),
        ({"ages": [1]}, "ages must have one value a touch"),
        ({"ages": [1, -1]}, "ages must be >= 0, got -1.0 at index 1"),
        ({"nulls": [-1]}, "nulls must be >= 0, got -1.0 at index 0"),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], text: str) -> None:
    assert refused(**fields) == f"PathTable: {text}"
