"""The same rows as a frame of each engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

_ROOT = duckdb.connect()


def _duckdb(table: pa.Table) -> Any:
    return _ROOT.cursor().from_arrow(table)


def _dask(table: pa.Table) -> Any:
    dask = pytest.importorskip("dask.dataframe")
    # Dask turns pandas objects, such as dates and decimals, into text.
    kinds = lambda kind: None if pa.types.is_dictionary(kind) else pd.ArrowDtype(kind)  # noqa: E731
    return dask.from_pandas(table.to_pandas(types_mapper=kinds), npartitions=2)


def _ibis(table: pa.Table) -> Any:
    ibis = pytest.importorskip("ibis")
    return ibis.memtable(table)


def _pyspark(table: pa.Table) -> Any:
    sql = pytest.importorskip("pyspark.sql")
    session = sql.SparkSession.builder.master("local[2]").getOrCreate()
    return session.createDataFrame(table.to_pandas())


ENGINES: dict[str, Callable[[pa.Table], Any]] = {
    "pandas": lambda table: table.to_pandas(),
    "pandas on pyarrow": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.from_arrow,
    "polars lazy": lambda table: pl.from_arrow(table).lazy(),
    "pyarrow": lambda table: table,
    "duckdb": _duckdb,
}
OPTIONAL: dict[str, Callable[[pa.Table], Any]] = {"dask": _dask, "ibis": _ibis, "pyspark": _pyspark}

on_each_engine = pytest.mark.parametrize("engine", [*ENGINES, *OPTIONAL])
on_sure_engines = pytest.mark.parametrize("engine", list(ENGINES))


def frame_of(engine: str, rows: pa.Table | dict[str, Any]) -> Any:
    """Return rows as a frame of an engine; skip where an optional one is not installed."""
    table = rows if isinstance(rows, pa.Table) else pa.table(rows)
    return {**ENGINES, **OPTIONAL}[engine](table)


def close(left: Any, right: Any, scale: float = 0.0) -> bool:
    """Tell whether two sequences of numbers agree to 1e-12, relative to themselves or to a scale."""
    pairs = list(zip(left, right, strict=True))
    return all(math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12 * scale) for a, b in pairs)
