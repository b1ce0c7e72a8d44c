"""The funnel is the same from every engine that holds the events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecomops.core import Duration, InputError
from ecomops.experiments import Funnel, funnel

ENGINES = ("pandas", "pandas-arrow", "polars", "polars-lazy", "pyarrow", "duckdb")
STEPS = ("浏览", "加购", "下单")


def events(size: int = 3000, seed: int = 1) -> pd.DataFrame:
    """Random events, many at one instant."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "user": rng.integers(0, 400, size),
            "name": rng.choice([*STEPS, "other"], size).astype(object),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 2000, size), unit="h"),
        }
    )


def on(engine: str, frame: pd.DataFrame) -> Any:
    if engine == "pandas":
        return frame
    if engine == "pandas-arrow":
        pytest.importorskip("pyarrow")
        return frame.convert_dtypes(dtype_backend="pyarrow")
    if engine.startswith("polars"):
        polars = pytest.importorskip("polars").from_pandas(frame)
        return polars.lazy() if engine == "polars-lazy" else polars
    table = pytest.importorskip("pyarrow").Table.from_pandas(frame, preserve_index=False)
    return table if engine == "pyarrow" else pytest.importorskip("duckdb").from_arrow(table)


def funnel_of(frame: Any, window: Duration | None = None) -> Funnel:
    return funnel(frame, user="user", event="name", time="at", steps=STEPS, window=window)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("users", ["whole", "text"])
@pytest.mark.parametrize("days", [None, 7.0])
def test_every_engine_gives_the_same_funnel(engine: str, users: str, days: float | None) -> None:
    frame = events()
    if users == "text":
        frame["user"] = frame["user"].astype(str)
    window = None if days is None else Duration(value=days, unit="day")
    expected, found = funnel_of(frame, window), funnel_of(on(engine, frame), window)
    assert found == expected
    assert 0 < found.users[2] < found.users[1] < found.users[0] < 400


@pytest.mark.parametrize("engine", ENGINES)
def test_ties_follow_the_rows_on_every_engine(engine: str) -> None:
    frame = events(300).assign(at=pd.Timestamp("2026-01-01"))
    expected = [0, 0, 0]
    for _, own in frame.groupby("user"):
        level = 0
        for name in own["name"]:
            level += level < 3 and name == STEPS[level]
        for step in range(level):
            expected[step] += 1
    assert funnel_of(on(engine, frame)).users.tolist() == expected


@pytest.mark.parametrize("engine", ENGINES[1:])  # pandas alone has no dates of its own
def test_dates_are_times_on_every_engine(engine: str) -> None:
    frame = events()
    days = frame.assign(at=frame["at"].dt.floor("D"))
    expected = funnel_of(days, Duration(value=30, unit="day"))
    dated = days.assign(at=days["at"].dt.date)
    assert funnel_of(on(engine, dated), Duration(value=30, unit="day")) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_values_are_refused_on_every_engine(engine: str) -> None:
    for column in ("name", "at"):
        frame = events(50)
        frame.loc[7, column] = None
        argument = {"name": "event", "at": "time"}[column]
        with pytest.raises(InputError, match=rf"^funnel: {argument} must not be missing, got 1 missing value"):
            funnel_of(on(engine, frame))
