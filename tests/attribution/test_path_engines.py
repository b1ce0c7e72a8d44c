"""The same log in the frames of every engine gives the same paths, and a bad frame of any gives one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from tests.attribution import brute
from tests.attribution.brute import COLUMNS, Row, frame_of
from tests.attribution.strategies import rows

from ecomops.attribution import PathTable
from ecomops.core import Duration, InputError

ENGINES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas-objects": lambda frame: frame.astype({"where": object}),
    "pandas-arrow": lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.from_pandas,
    "polars-lazy": lambda frame: pl.from_pandas(frame).lazy(),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "duckdb": lambda frame: duckdb.connect().from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
}
ALL = pytest.mark.parametrize("engine", ENGINES)
LOG = [Row("u1", 0, "mail", False), Row("u1", 5, "search", True, 9.5), Row("u2", 3, "mail", False)]


def built(frame: Any, **options: Any) -> PathTable:
    return PathTable.from_touches(frame, **{**COLUMNS, **options})


def refusal(frame: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        built(frame, **options)
    return str(caught.value).removeprefix("PathTable.from_touches: ")


@ALL
@given(log=rows())
@settings(max_examples=15)
def test_every_engine_gives_the_paths_of_the_walk(engine: str, log: list[Row]) -> None:
    options = {"lookback": Duration(value=0.25, unit="day"), "restart": False}
    expected = brute.journeys(log, lookback=6 * brute.HOUR, restart=False)
    table = built(ENGINES[engine](frame_of(log)), **options)
    assert brute.same(brute.listed(table), expected)
    assert table == built(frame_of(log), **options), "to the bit, with ages"


@ALL
def test_flags_may_be_booleans_and_users_text(engine: str) -> None:
    frame = frame_of(LOG)
    table = built(ENGINES[engine](frame.assign(bought=frame["bought"].astype(bool))))
    assert table == built(frame)
    assert table.value.tolist() == [9.5, 0.0]


@ALL
def test_zoned_times_are_compared_in_utc(engine: str) -> None:
    frame = frame_of(LOG)
    zoned = frame.assign(when=frame["when"].dt.tz_localize("UTC").dt.tz_convert("Asia/Shanghai"))
    assert built(ENGINES[engine](zoned)) == built(frame)


@ALL
def test_categories_are_names(engine: str) -> None:
    frame = frame_of(LOG)
    given_ = ENGINES[engine](frame.assign(where=frame["where"].astype("category")))
    assert built(given_) == built(frame)


@ALL
def test_a_missing_column_is_named_with_its_neighbour(engine: str) -> None:
    frame = ENGINES[engine](frame_of(LOG))
    assert refusal(frame, channel="wher") == (
        "channel names no column of the frame, got 'wher', it has ['who', 'when', 'where', 'bought', 'paid']; "
        "did you mean 'where'?"
    )


@ALL
@pytest.mark.parametrize(("argument", "column"), [("user", "who"), ("channel", "where"), ("value", "paid")])
def test_a_null_is_refused(engine: str, argument: str, column: str) -> None:
    frame = frame_of(LOG)
    frame[column] = [frame[column][0], None, frame[column][2]]
    assert refusal(ENGINES[engine](frame)) == (
        f"{argument} must not be missing, got 1 missing value(s), the first in row 1; drop or fill those rows"
    )


@ALL
def test_a_missing_time_is_refused(engine: str) -> None:
    frame = frame_of(LOG)
    frame.loc[2, "when"] = pd.NaT
    assert refusal(ENGINES[engine](frame)) == (
        "time must not be missing, got 1 missing value(s), the first in row 2; drop or fill those rows"
    )


@ALL
def test_no_rows_are_refused(engine: str) -> None:
    frame = frame_of(LOG)[:0]
    assert refusal(ENGINES[engine](frame)) == "frame has no rows"


@ALL
def test_times_as_text_are_refused(engine: str) -> None:
    frame = frame_of(LOG)
    text = ENGINES[engine](frame.assign(when=frame["when"].astype(str)))
    assert refusal(text).startswith("time must be dates or times, got a column of String; parse it first")


@ALL
@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("bought", ["no", "yes", "no"], "conversion must be 0 or 1 in every row, got text in column 'bought'"),
        ("bought", [0, 2, 1], "conversion must be 0 or 1 in every row, got 2 in column 'bought'"),
        ("bought", [0.0, 0.5, 1.0], "conversion must be 0 or 1 in every row, got 0.5 in column 'bought'"),
        ("paid", ["1", "2", "3"], "value must be numbers, got text in column 'paid'"),
        ("paid", [1.0, np.inf, 0.0], "value must be finite, got inf in row 1"),
        ("where", ["mail", " ", "mail"], "channel must not be blank; drop those rows or name the channel"),
        ("who", [0.5, -np.inf, 0.0], "user must be finite, got -inf in row 1"),
    ],
)
def test_a_column_of_the_wrong_kind_is_refused(engine: str, column: str, values: list[Any], text: str) -> None:
    assert refusal(ENGINES[engine](frame_of(LOG).assign(**{column: values}))) == text


def test_a_mixed_column_is_refused_where_it_is_mixed() -> None:
    mixed = np.array(["mail", 7, "mail"], dtype=object)
    assert refusal(frame_of(LOG).assign(where=mixed)) == (
        "channel must be text or numbers throughout, got int 7 in row 1"
    )
    assert refusal(frame_of(LOG).assign(who=mixed)) == "user must be text or numbers throughout, got int 7 in row 1"


def test_mixed_zones_are_refused() -> None:
    zones = ["UTC", "Asia/Shanghai", "UTC"]
    mixed = pd.Series([pd.Timestamp("2026-01-01", tz=zone) for zone in zones], dtype=object)
    assert refusal(frame_of(LOG).assign(when=mixed)) == (
        "time must be dates or times of one zone, got Timestamp Timestamp('2026-01-01 00:00:00+0000', tz='UTC') in row 0"
        " of a column of objects; parse it, or convert it to one zone first"
    )


def test_a_repeated_column_is_refused() -> None:
    frame = frame_of(LOG)
    assert refusal(pd.concat([frame, frame[["where"]]], axis=1)) == (
        "frame must have a name of its own for each column, got a repeated one; rename it"
        " (Expected unique column names, got: - 'where' 2 times)"
    )


def test_what_is_no_frame_is_refused() -> None:
    assert (
        refusal({"who": [1]})
        == "frame must be a data frame (pandas, Polars, PyArrow, DuckDB, ...), got dict {'who': [1]}"
    )


def test_a_log_of_conversions_alone_has_no_paths_where_they_are_no_touches() -> None:
    log = [Row(1, 0, "shop", True), Row(2, 0, "shop", True)]
    assert built(frame_of(log)).lengths.tolist() == [1, 1]
    assert refusal(frame_of(log), conversion_is_touch=False) == (
        "frame has no touch inside the lookback of any conversion"
    )
