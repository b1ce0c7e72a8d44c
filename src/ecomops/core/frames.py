"""The only file that knows data frames: columns in, numpy out, or sums made by the engine that holds the rows.

pandas and PyArrow frames are read into numpy, where grouping is fastest. Every other engine (Polars eager and lazy,
DuckDB, ...) groups by itself and only its answer is collected. Inside ``.agg()`` stand only ``col(name).sum()``,
``.min()``, ``.max()`` and ``len()``: narwhals drops conditions and orders in richer expressions on some engines.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core.errors import InputError
from ecomops.core.messages import clipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBERS = ("i", "u", "f")


def read(
    frame: Any, columns: Mapping[str, str], *, times: Sequence[str] = (), zone: str | None = None
) -> dict[str, NDArray[Any]]:
    """Read columns of any frame into numpy arrays, refusing nulls.

    Parameters
    ----------
    frame : frame of any engine that narwhals supports
        The rows.
    columns : mapping of str to str
        Argument name to column name.
    times : sequence of str
        Arguments that hold dates or times; they come back as datetime64[us] of the wall clock.
    zone : str, optional
        Time zone for the wall clock of zoned times; their own zone by default.

    Returns
    -------
    dict of str to array
        One array an argument: float64 or int64 for numbers, bool, datetime64[us] for times, object of str for text.
    """
    lazy = select(frame, columns)
    return _arrays(collect(lazy), columns, times, zone)


def select(frame: Any, columns: Mapping[str, str]) -> Any:
    """Return a narwhals lazy or eager frame of just these columns, after checking that they exist."""
    rows = wrap(frame)
    names = _names(rows)
    repeated = sorted({name for name in names if names.count(name) > 1})
    wanted = [column for column in columns.values() if column in repeated]
    if wanted:
        raise InputError(f"frame has the column {wanted[0]!r} more than once; rename one of them")
    for argument, column in columns.items():
        if column not in names:
            near = difflib.get_close_matches(column, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{argument} names no column of the frame, got {column!r}, it has {clipped(names)}{hint}")
    return rows.select(*dict.fromkeys(columns.values()))


def wrap(frame: Any) -> Any:
    """Return a narwhals frame, or refuse what is no frame."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    try:
        return nw.from_native(frame)
    except TypeError:
        raise InputError(
            f"frame must be a data frame (pandas, Polars, PyArrow, DuckDB, ...), got {type(frame).__name__} {clipped(frame)}"
        ) from None
    except Exception as error:  # noqa: BLE001 - narwhals' own errors have no common base that is public
        raise InputError(f"frame cannot be read: {_first_line(error)}") from None


def is_eager(frame: Any) -> bool:
    """Tell whether the rows are in memory in a form that numpy reads cheaply (pandas and PyArrow)."""
    rows = wrap(frame)
    return str(getattr(rows, "implementation", "")).rsplit(".", 1)[-1].lower() in {"pandas", "pyarrow"}


def collect(rows: Any) -> Any:
    """Bring the rows of a lazy frame into memory."""
    return rows.collect() if hasattr(rows, "collect") else rows


def counts(
    frame: Any, keys: Mapping[str, str], sums: Mapping[str, str], *, day: str, zone: str | None
) -> dict[str, NDArray[Any]]:
    """Group on the engine by keys and calendar day: the number of rows and the sums of columns.

    Nulls are counted first and refused, since engines skip them in sums and count them in lengths.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    columns = {**keys, **sums}
    rows = select(frame, columns)
    _refuse_nulls(rows, columns)
    schema = rows.collect_schema()
    _check_types(schema, columns, sums, keys[day])
    time = nw.col(keys[day])
    kind = schema[keys[day]]
    if kind != nw.Date:
        if getattr(kind, "time_zone", None) is not None and zone is not None:
            time = time.dt.convert_time_zone(zone)
        if getattr(kind, "time_zone", None) is not None:
            time = time.dt.replace_time_zone(None)
        time = time.dt.truncate("1d")
    others = [column for argument, column in keys.items() if argument != day]
    grouped = (
        rows.with_columns(time.alias("__day"))
        .group_by(*others, "__day")
        .agg(nw.len().alias("__rows"), *(nw.col(column).sum().alias(f"__sum_{name}") for name, column in sums.items()))
    )
    table = collect(grouped)
    answer = {
        argument: _array(table.get_column(column), argument) for argument, column in keys.items() if argument != day
    }
    answer[day] = _times(table.get_column("__day"), day, None)
    answer["rows"] = table.get_column("__rows").to_numpy().astype(np.int64)
    answer.update({name: table.get_column(f"__sum_{name}").to_numpy().astype(np.float64) for name in sums})
    return answer


def moment_sums(frame: Any, key: str | None, columns: Sequence[str]) -> dict[str, Any]:
    """Return per group the count, the means and the centred co-moments, in two passes on the engine."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    names = {f"columns[{place}]": column for place, column in enumerate(columns)}
    if key is not None:
        names["by"] = key
    rows = select(frame, names)
    _refuse_nulls(rows, names)
    schema = rows.collect_schema()
    for argument, column in names.items():
        if argument != "by" and not (schema[column].is_numeric() or schema[column] == nw.Boolean):
            raise InputError(f"{argument} must be numbers, got column {column!r} of {schema[column]}")
    rows = rows.with_columns(
        *(nw.col(column).cast(nw.Float64).alias(f"__{place}") for place, column in enumerate(columns))
    )
    rows = rows.with_columns((nw.col(key) if key is not None else nw.lit(0)).alias("__key"))
    first = collect(
        rows.group_by("__key").agg(
            nw.len().alias("__n"), *(nw.col(f"__{i}").sum().alias(f"__s{i}") for i in range(len(columns)))
        )
    )
    group = _array(first.get_column("__key"), "by")
    size = first.get_column("__n").to_numpy().astype(np.float64)
    sums = np.column_stack([first.get_column(f"__s{i}").to_numpy().astype(np.float64) for i in range(len(columns))])
    if not size.size:
        raise InputError("frame has no rows")
    centre = sums.sum(axis=0) / size.sum()
    pairs = [(i, j) for i in range(len(columns)) for j in range(i, len(columns))]
    rows = rows.with_columns(*(nw.col(f"__{i}") - float(centre[i]) for i in range(len(columns))))
    rows = rows.with_columns(*((nw.col(f"__{i}") * nw.col(f"__{j}")).alias(f"__p{i}_{j}") for i, j in pairs))
    second = collect(
        rows.group_by("__key").agg(
            *(nw.col(f"__{i}").sum().alias(f"__c{i}") for i in range(len(columns))),
            *(nw.col(f"__p{i}_{j}").sum().alias(f"__q{i}_{j}") for i, j in pairs),
        )
    )
    order = _matching(group, _array(second.get_column("__key"), "by"))
    centred = np.column_stack(
        [second.get_column(f"__c{i}").to_numpy().astype(np.float64) for i in range(len(columns))]
    )[order]
    products = {
        pair: second.get_column(f"__q{pair[0]}_{pair[1]}").to_numpy().astype(np.float64)[order] for pair in pairs
    }
    shift = centred / size[:, None]
    comoments = np.zeros((size.size, len(columns), len(columns)))
    for (i, j), product in products.items():
        comoments[:, i, j] = comoments[:, j, i] = product - size * shift[:, i] * shift[:, j]
    return {"key": group, "n": size, "means": centre + shift, "comoments": comoments}


def _matching(wanted: NDArray[Any], found: NDArray[Any]) -> NDArray[np.intp]:
    """Return where each wanted key stands among the keys that were found."""
    place = {key: index for index, key in enumerate(found.tolist())}
    return np.array([place[key] for key in wanted.tolist()], dtype=np.intp)


def _names(rows: Any) -> list[str]:
    try:
        return list(rows.collect_schema().names())
    except Exception as error:  # noqa: BLE001 - engines differ in what they raise
        raise InputError(f"frame cannot be read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n") or [""])[0]


def _refuse_nulls(rows: Any, columns: Mapping[str, str]) -> None:
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    schema = rows.collect_schema()
    flags = []
    for argument, column in columns.items():
        missing = nw.col(column).is_null()
        if schema[column].is_float():
            missing = missing | nw.col(column).is_nan() | (nw.col(column).abs() == float("inf"))
        flags.append(missing.cast(nw.Int64).alias(f"__null_{argument}"))
    table = collect(rows.with_columns(*flags).select(*(nw.col(f"__null_{argument}").sum() for argument in columns)))
    for argument, column in columns.items():
        number = table.get_column(f"__null_{argument}").to_list()[0]
        if number:
            raise InputError(
                f"{argument} must not be missing or infinite, got {int(number)} such value(s) in column {column!r}; drop or fill those rows"
            )


def _check_types(schema: Any, columns: Mapping[str, str], sums: Mapping[str, str], time: str) -> None:
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    kind = schema[time]
    if kind not in (nw.Date, nw.Datetime):
        raise InputError(f"time must be dates or times, got column {time!r} of {kind}; parse it first")
    for name, column in sums.items():
        if not schema[column].is_numeric():
            raise InputError(f"{name} must be numbers, got column {column!r} of {schema[column]}")
    del columns


def _arrays(table: Any, columns: Mapping[str, str], times: Sequence[str], zone: str | None) -> dict[str, NDArray[Any]]:
    return {
        argument: _times(table.get_column(column), argument, zone)
        if argument in times
        else _array(table.get_column(column), argument)
        for argument, column in columns.items()
    }


def _array(series: Any, argument: str) -> Any:
    """Return a column as float64, int64, bool or an object array of str."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    kind = series.dtype
    missing = series.is_null()
    if kind.is_float():
        missing = missing | series.is_nan()
    bad = np.asarray(missing.to_numpy(), dtype=bool)
    if bad.any():
        raise InputError(
            f"{argument} must not be missing, got {int(bad.sum())} missing value(s), the first in row {int(bad.argmax())};"
            " drop or fill those rows"
        )
    if kind.is_float():
        values = series.to_numpy().astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError(
                f"{argument} must be finite, got {float(values[~np.isfinite(values)][0])} in row {int((~np.isfinite(values)).argmax())}"
            )
        return values
    if kind.is_integer():
        return series.to_numpy().astype(np.int64)
    if kind == nw.Boolean:
        return series.to_numpy().astype(bool)
    if kind.is_decimal():
        return series.cast(nw.Float64).to_numpy().astype(np.float64)
    if kind in (nw.Date, nw.Datetime):
        raise InputError(f"{argument} must be names or numbers, got a column of {kind}")
    if kind in (nw.Categorical, nw.Enum):
        series = series.cast(nw.String)
    values = np.asarray(series.to_numpy(), dtype=object)
    for row, item in enumerate(values[:1000].tolist() if kind == nw.String else values.tolist()):
        if not isinstance(item, str):
            raise InputError(
                f"{argument} must be text or numbers throughout, got {type(item).__name__} {clipped(item)} in row {row}"
            )
    return values


def _times(series: Any, argument: str, zone: str | None) -> Any:
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    kind = series.dtype
    if kind not in (nw.Date, nw.Datetime):
        hint = "; is the column mixed? convert it to one zone first" if kind == nw.Object else "; parse it first"
        raise InputError(f"{argument} must be dates or times, got a column of {kind}{hint}")
    missing = np.asarray(series.is_null().to_numpy(), dtype=bool)
    if missing.any():
        raise InputError(
            f"{argument} must not be missing, got {int(missing.sum())} missing value(s), the first in row {int(missing.argmax())};"
            " drop or fill those rows"
        )
    if isinstance(kind, nw.Datetime) and kind.time_zone is not None:
        series = series.dt.convert_time_zone(zone) if zone is not None else series
        series = series.dt.replace_time_zone(None)
    if kind == nw.Date:
        series = series.cast(nw.Datetime("us"))
    return series.to_numpy().astype("datetime64[us]")


def factorize(values: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return codes and sorted distinct values; strings go through a hash table and only the distinct ones are sorted."""
    if values.dtype.kind != "O":
        distinct, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.intp, copy=False), distinct
    import pandas as pd  # noqa: PLC0415 - the fastest hash table for strings that is here anyway

    codes, distinct = pd.factorize(values)
    distinct = np.asarray(distinct, dtype=object)
    order = np.argsort(distinct, kind="stable")
    rank = np.empty(order.size, dtype=np.intp)
    rank[order] = np.arange(order.size)
    return rank[codes], distinct[order]
