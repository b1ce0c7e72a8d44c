"""How columns of every engine become arrays, and sums that engines make themselves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.making import ENGINES, frame_of, on_sure_engines

from ecomops.core import InputError, frames
from ecomops.core.frames import rows as engines_rows


def column(engine: str, values: Any, **options: Any) -> np.ndarray[Any, Any]:
    return frames.read(frame_of(engine, {"x": values}), {"value": "x"}, **options)["value"]


def refused(engine: str, values: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        column(engine, values, **options)
    return str(caught.value)


INTEGERS = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]


@on_sure_engines
def test_numbers_keep_their_kind(engine: str) -> None:
    for kind in INTEGERS:
        found = column(engine, pa.array([3, 1, 2], kind))
        assert (found.dtype, found.tolist()) == (np.int64, [3, 1, 2])
    for kind in (pa.float32(), pa.float64()):
        found = column(engine, pa.array([0.5, -1.0], kind))
        assert (found.dtype, found.tolist()) == (np.float64, [0.5, -1.0])
    assert column(engine, [True, False]).dtype == np.bool_
    assert column(engine, pa.array(["b", "", "a\x00", "a"])).tolist() == ["b", "", "a\x00", "a"]
    assert column(engine, pa.array(["b", "a", "b"]).dictionary_encode()).tolist() == ["b", "a", "b"]
    assert column(engine, pa.array([7, 5, 7]).dictionary_encode()).tolist() == [7, 5, 7]


@on_sure_engines
def test_arguments_that_are_numbers_become_floats(engine: str) -> None:
    for values in (pa.array([2**64 - 1, 0], pa.uint64()), [1, 2], [1.5, 2.5], [True, False]):
        found = column(engine, values, numbers=("value",), flags=True)
        assert found.dtype == np.float64
        assert found.tolist() == [float(value) for value in pa.array(values).to_pylist()]
    assert refused(engine, ["1", "2"], numbers=("value",)) == "value must be numbers, got text in column 'x'"
    assert refused(engine, [True, False], numbers=("value",)) == "value must be numbers, got booleans in column 'x'"
    text = refused(engine, pa.array([2**63, 0], pa.uint64()))
    assert text == "value must be numbers below 2**63, got 9223372036854775808 in column 'x'; make them text"


@on_sure_engines
def test_times_become_microseconds_of_the_wall_clock(engine: str) -> None:
    moment = dt.datetime(2026, 3, 1, 22, 15, 0, 123456)  # noqa: DTZ001 - wall clock
    for kind in (pa.timestamp("us"), pa.timestamp("ns")):
        found = column(engine, pa.array([moment], kind), times=("value",))
        assert found.dtype == "datetime64[us]"
        assert found.tolist() == [moment]
    day = column(engine, pa.array([moment.date()]), times=("value",))
    assert day.tolist() == [dt.datetime(2026, 3, 1)]  # noqa: DTZ001
    zoned = pa.array([moment], pa.timestamp("us", "UTC"))
    found = column(engine, zoned, times=("value",), zone="Asia/Tokyo")
    assert found.tolist() == [moment + dt.timedelta(hours=9)]


@on_sure_engines
def test_the_first_and_the_last_day_that_can_be(engine: str) -> None:
    ends = [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)]  # noqa: DTZ001
    assert column(engine, pa.array(ends, pa.timestamp("us")), times=("value",)).tolist() == ends
    beyond = pa.array([np.datetime64("10000-01-01", "us").astype(int)]).cast(pa.timestamp("us"))
    text = refused(engine, beyond, times=("value",))
    assert text == "value must lie in the years 1 to 9999, got the year 10000"


@pytest.mark.parametrize("zone", ["Nowhere/X", "", "UTC+3", "../etc", "Europe", "x" * 10**6])
@on_sure_engines
def test_a_zone_that_does_not_exist_is_refused(engine: str, zone: str) -> None:
    text = refused(engine, pa.array([0], pa.timestamp("us", "UTC")), times=("value",), zone=zone)
    assert text.startswith("timezone must be a name such as 'Europe/Paris', got ")
    assert len(text) < 150


PANDAS = {
    "Int64": [3, 1], "UInt8": [3, 1], "int64[pyarrow]": [3, 1], "Float64": [0.5, 1.0], "float[pyarrow]": [0.5, 1.0],
    "boolean": [True, False], "bool[pyarrow]": [True, False], "string": ["b", "a"], "string[pyarrow]": ["b", "a"],
    "category": ["b", "a"], "Sparse[int]": [3, 1], "object": ["b", "a"],
}  # fmt: skip


@pytest.mark.parametrize("dtype", list(PANDAS))
def test_pandas_dtypes(dtype: str) -> None:
    frame = pd.DataFrame({"x": pd.Series(PANDAS[dtype]).astype(dtype)})
    assert frames.read(frame, {"value": "x"})["value"].tolist() == PANDAS[dtype]
    if "Sparse" not in dtype:
        gap = pd.DataFrame({"x": pd.Series([*PANDAS[dtype], None], dtype=dtype)})
        with pytest.raises(
            InputError, match=r"value must not be missing, got 1 missing value\(s\), the first in row 2"
        ):
            frames.read(gap, {"value": "x"})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], [1, 2]),
        ([1, 2.5], [1.0, 2.5]),
        ([1.0, 2.5], [1.0, 2.5]),
        ([True, False], [True, False]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_objects_of_one_kind(values: list[Any], expected: list[Any]) -> None:
    frame = pd.DataFrame({"x": pd.Series(values, dtype=object)})
    assert frames.read(frame, {"value": "x"})["value"].tolist() == expected


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1, "a"], "value must be text or numbers throughout, got int 1 in row 0"),
        (["a", 1], "value must be text or numbers throughout, got int 1 in row 1"),
        ([True, 2], "value must be text or numbers throughout, got bool True in row 0"),
        ([2**70, 1], "value must be numbers below 2**63, got larger ones; make them text"),
        ([1j, 2j], "value must be names or numbers, got a column of Unknown"),
        (
            np.array([1, 2], dtype="timedelta64[us]"),
            "value must be names or numbers, got a column of Duration(time_unit='us')",
        ),
    ],
)
def test_what_is_neither_text_nor_numbers(values: list[Any], text: str) -> None:
    kind = object if not isinstance(values[0], complex | np.timedelta64) else None
    with pytest.raises(InputError) as caught:
        frames.read(pd.DataFrame({"x": pd.Series(values, dtype=kind)}), {"value": "x"})
    assert str(caught.value) == text


def test_kinds_with_long_names_are_cut() -> None:
    wide = pl.DataFrame({"x": [{f"field_{place}": 1 for place in range(1000)}]})
    for call in (
        lambda: frames.read(wide, {"value": "x"}),
        lambda: frames.read(wide, {"value": "x"}, times=("value",)),
        lambda: frames.counts(wide, {}, {"value": "x"}),
        lambda: frames.counts(wide, {"time": "x"}, {}, day="time"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert len(str(caught.value)) < 150


def test_a_long_text_does_not_widen_the_column() -> None:
    """One text of a million letters among a thousand short ones: a fixed-width array would take 4 GB."""
    values = ["a"] * 1000 + ["x" * 10**6]
    for engine in ENGINES:
        assert column(engine, values).tolist() == values


def test_names_of_the_caller_do_not_meet_ours() -> None:
    ours = ("c0", "c1", "c2", "rows", "s_c1", "m_c1", "d_c1", "p_0_0", "n")
    for engine in ENGINES:
        for who, spend in zip(ours, ours[1:] + ours[:1], strict=True):
            rows = {who: ["a", "b", "a"], spend: [1.0, 2.0, 5.0], "other": [9, 9, 9]}
            sums = frames.counts(frame_of(engine, rows), {"who": who}, {"spend": spend})
            assert dict(zip(sums["who"], sums["spend"], strict=True)) == {"a": 6.0, "b": 2.0}
            moments = frames.moment_sums(frame_of(engine, rows), who, {"spend": spend})
            order = np.argsort(moments["key"])
            assert moments["means"][order].tolist() == [[3.0], [2.0]]
            assert moments["comoments"][order].tolist() == [[[8.0]], [[0.0]]]


@on_sure_engines
def test_columns_may_serve_twice(engine: str) -> None:
    rows = frame_of(engine, {"x": [1, 1, 2]})
    assert frames.read(rows, {"one": "x", "two": "x"})["two"].tolist() == [1, 1, 2]
    sums = frames.counts(rows, {"who": "x"}, {"spend": "x"})
    assert dict(zip(sums["who"].tolist(), sums["spend"].tolist(), strict=True)) == {1: 2.0, 2: 2.0}


@given(st.one_of(st.lists(st.text(max_size=3)), st.lists(st.integers(-9, 9)), st.lists(st.booleans())))
def test_codes_point_at_sorted_distinct_values(values: list[Any]) -> None:
    array = np.array(values, dtype=object if values and isinstance(values[0], str) else None)
    codes, distinct = frames.factorize(array)
    assert distinct[codes].tolist() == values
    assert distinct.tolist() == sorted(set(values))


def test_only_frames_in_memory_are_read_whole() -> None:
    eager = {engine: frames.is_eager(frame_of(engine, {"x": [1]})) for engine in ENGINES}
    assert eager == {
        "pandas": True, "pandas on pyarrow": True, "pyarrow": True, "polars": False, "polars lazy": False, "duckdb": False,
    }  # fmt: skip


def test_an_engine_collects_one_row_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of any size is reduced where it lies: what comes back is as long as the answer."""
    sizes: list[int] = []
    original = engines_rows.collect

    def noting(rows: Any) -> Any:
        table = original(rows)
        sizes.append(len(table))
        return table

    monkeypatch.setattr(engines_rows, "collect", noting)
    from ecomops.stats.moments import Moments

    rows = {"unit": list(range(50)) * 20, "arm": ["a", "b"] * 500, "x": np.arange(1000.0)}
    for engine in ("polars", "polars lazy", "duckdb"):
        sizes.clear()
        Moments.from_frame(frame_of(engine, rows), by="arm", columns=("x",))
        # Numbers that lie in memory already are read, not copied.
        assert sizes == ([1000] if engine == "polars" else [1, 2])
        sizes.clear()
        Moments.from_frame(frame_of(engine, rows), by="arm", columns=("x",), unit="unit")
        assert sizes == [1, 50]
