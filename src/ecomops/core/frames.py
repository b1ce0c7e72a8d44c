"""The only file that knows data frames: columns in, numpy out, or sums made by the engine that holds the rows.

pandas and PyArrow frames are read into numpy, where grouping is fastest. Every other engine (Polars eager and lazy,
DuckDB, ...) groups by itself and only its answer is collected. Inside ``.agg()`` stand only ``col(name).sum()``,
``.min()``, ``.max()`` and ``len()``: narwhals drops conditions and orders in richer expressions on some engines.
Columns are renamed to ``c0``, ``c1``, ... at the door, so that no name of the caller's meets one of ours.
"""

from __future__ import annotations

import difflib
import zoneinfo
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core.errors import InputError
from ecomops.core.grouping import factorize
from ecomops.core.messages import clipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["collect", "counts", "factorize", "is_eager", "moment_sums", "read", "wrap"]

YEARS = (1, 9999)
FLOATS = dict.fromkeys(("floating", "mixed-integer-float", "decimal"), np.float64)
KINDS_OF_OBJECTS: dict[str, Any] = {"integer": np.int64, "boolean": np.bool_, **FLOATS}


def read(
    frame: Any,
    columns: Mapping[str, str],
    *,
    times: Sequence[str] = (),
    numbers: Sequence[str] = (),
    flags: bool = False,
    zone: str | None = None,
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
    numbers, flags : sequence of str, bool
        Arguments that hold numbers of any type, which come back as float64; with ``flags`` booleans are numbers too.
    zone : str, optional
        Time zone for the wall clock of zoned times; their own zone by default.

    Returns
    -------
    dict of str to array
        One array an argument: float64 or int64 for numbers, bool, datetime64[us] for times, object of str for text.
    """
    _check_zone(zone)
    table = collect(_select(frame, columns))
    found = {}
    for place, (name, column) in enumerate(columns.items()):
        series = table.get_column(f"c{place}")
        if name in times:
            found[name] = _times(series, name, zone)
        else:
            values = _array(series, name)
            found[name] = _numbers(values, name, column, flags) if name in numbers else _whole(values, name, column)
    return found


def is_eager(frame: Any) -> bool:
    """Tell whether the rows are in memory in a form that numpy reads cheaply (pandas and PyArrow)."""
    return _engine(wrap(frame)) in {"pandas", "pyarrow"}


def wrap(frame: Any) -> Any:
    """Return a narwhals frame, or refuse what is no frame."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415
    from narwhals.exceptions import DuplicateError  # noqa: PLC0415

    try:
        rows = nw.from_native(frame)
        rows.collect_schema()
    except DuplicateError as error:
        raise InputError(
            f"frame must have a name of its own for each column, got a repeated one; rename it ({_line(error)})"
        ) from None
    except TypeError:
        raise InputError(
            f"frame must be a data frame (pandas, Polars, PyArrow, DuckDB, ...), got {type(frame).__name__} {clipped(frame)}"
        ) from None
    except Exception as error:  # noqa: BLE001 - the errors of the engines have no common base
        raise InputError(f"frame cannot be read: {_line(error)}") from None
    return rows


def collect(rows: Any) -> Any:
    """Bring the rows of a lazy frame into memory; what the engine cannot compute is the caller's to mend."""
    return _asked(lambda: rows.collect() if hasattr(rows, "collect") else rows)


def counts(
    frame: Any,
    keys: Mapping[str, str],
    sums: Mapping[str, str],
    *,
    day: str | None = None,
    zone: str | None = None,
    flags: bool = False,
) -> dict[str, NDArray[Any]]:
    """Group on the engine by keys, one of them cut to calendar days: the number of rows and the sums of columns.

    Nulls are counted first and refused, since engines skip them in sums and count them in lengths. Sums are made in
    float64, since engines let narrow integers overflow. ``flags`` lets booleans be summed.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    _check_zone(zone)
    columns = {**keys, **sums}
    rows, schema = _checked(frame, columns, sums, flags=flags)
    place = {argument: f"c{index}" for index, argument in enumerate(columns)}
    if day is not None:
        rows = rows.with_columns(_day(rows, schema[place[day]], place[day], keys[day], zone).alias(place[day]))
    if sums:
        rows = rows.with_columns(*(nw.col(place[name]).cast(nw.Float64) for name in sums))
    grouped = rows.group_by(*(place[key] for key in keys)).agg(
        nw.len().alias("rows"), *(nw.col(place[name]).sum().alias(f"s_{place[name]}") for name in sums)
    )
    table = collect(grouped)
    answer = {}
    for key, column in keys.items():
        series = table.get_column(place[key])
        answer[key] = _times(series, key, None) if key == day else _whole(_array(series, key), key, column)
    answer["rows"] = table.get_column("rows").to_numpy().astype(np.int64)
    return {**answer, **{name: _floats(table, f"s_{place[name]}") for name in sums}}


def moment_sums(frame: Any, key: str, columns: Mapping[str, str]) -> dict[str, Any]:
    """Return per group the count, the means and the centred co-moments, in two passes on the engine.

    Each group is centred at its own mean, which the second pass joins to the rows.
    """
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    rows, _ = _checked(frame, {"by": key, **columns}, columns, flags=True)
    names = [f"c{place}" for place in range(1, len(columns) + 1)]
    pairs = [(i, j) for i in range(len(names)) for j in range(i, len(names))]
    rows = rows.with_columns(*(nw.col(name).cast(nw.Float64) for name in names))
    first = rows.group_by("c0").agg(nw.len().alias("n"), *(nw.col(name).sum().alias(f"s_{name}") for name in names))
    means = first.with_columns(*((nw.col(f"s_{name}") / nw.col("n")).alias(f"m_{name}") for name in names))
    rows = rows.join(means.select("c0", *(f"m_{name}" for name in names)), on="c0", how="inner")
    rows = rows.with_columns(*((nw.col(name) - nw.col(f"m_{name}")).alias(f"d_{name}") for name in names))
    rows = rows.with_columns(
        *((nw.col(f"d_{names[i]}") * nw.col(f"d_{names[j]}")).alias(f"p_{i}_{j}") for i, j in pairs)
    )
    table = collect(
        rows.group_by("c0").agg(
            nw.len().alias("n"),
            *(nw.col(f"m_{name}").max() for name in names),
            *(nw.col(f"d_{name}").sum() for name in names),
            *(nw.col(f"p_{i}_{j}").sum() for i, j in pairs),
        )
    )
    size = _floats(table, "n")
    if not size.size:
        raise InputError("frame has no rows")
    # The mean of the gaps is rounding; taking it out again keeps the last digits.
    rest = np.column_stack([_floats(table, f"d_{name}") for name in names]) / size[:, None]
    comoments = np.zeros((size.size, len(names), len(names)))
    for i, j in pairs:
        product = _floats(table, f"p_{i}_{j}") - size * rest[:, i] * rest[:, j]
        comoments[:, i, j] = comoments[:, j, i] = product
    centre = np.column_stack([_floats(table, f"m_{name}") for name in names])
    group = _whole(_array(table.get_column("c0"), "by"), "by", key)
    return {"key": group, "n": size, "means": centre + rest, "comoments": comoments}


def _select(frame: Any, columns: Mapping[str, str]) -> Any:
    """Return a narwhals frame of just these columns, renamed c0, c1, ..., after checking that they exist."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    rows = wrap(frame)
    names = list(rows.collect_schema().names())
    for argument, column in columns.items():
        if column not in names:
            near = difflib.get_close_matches(column[:100], [name for name in names if isinstance(name, str)], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"{argument} names no column of the frame, got {clipped(column)}, it has {clipped(names)}{hint}"
            )
    return rows.select(*(nw.col(column).alias(f"c{place}") for place, column in enumerate(columns.values())))


def _checked(frame: Any, columns: Mapping[str, str], sums: Mapping[str, str], *, flags: bool) -> tuple[Any, Any]:
    """Select the columns, and refuse sums of what are no numbers and rows with nulls."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    rows = _select(frame, columns)
    schema = rows.collect_schema()
    missing = []
    for place, (argument, column) in enumerate(columns.items()):
        kind = schema[f"c{place}"]
        if argument in sums and not (kind.is_numeric() or (flags and kind == nw.Boolean)):
            raise InputError(f"{argument} must be numbers, got column {clipped(column)} of {_shown(kind)}")
        bad = nw.col(f"c{place}").is_null()
        if kind.is_float():
            bad = bad | nw.col(f"c{place}").is_nan() | (nw.col(f"c{place}").abs() == float("inf"))
        missing.append(bad.cast(nw.Int64).alias(f"c{place}"))
    table = collect(rows.with_columns(*missing).select(*(nw.col(f"c{place}").sum() for place in range(len(columns)))))
    for place, (argument, column) in enumerate(columns.items()):
        number = table.get_column(f"c{place}").to_list()[0]
        if number:
            raise InputError(
                f"{argument} must not be missing or infinite, got {int(number)} such value(s) in column {clipped(column)};"
                " drop or fill those rows"
            )
    return rows, schema


def _day(rows: Any, kind: Any, name: str, column: str, zone: str | None) -> Any:
    """Return the expression of the calendar day of a column of times."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    if kind not in (nw.Date, nw.Datetime):
        raise InputError(f"time must be dates or times, got column {clipped(column)} of {_shown(kind)}; parse it first")
    time, own = nw.col(name), getattr(kind, "time_zone", None)
    if kind == nw.Date:
        return time
    if own is not None:
        if zone is not None and zone != own:
            if _engine(rows) == "duckdb":
                raise InputError(
                    f"timezone must be that of the connection on DuckDB, got {zone!r}, the connection has {own!r};"
                    f" run SET TimeZone = '{zone}' on it first"
                )
            time = time.dt.convert_time_zone(zone)
        time = time.dt.replace_time_zone(None)
    return time.dt.truncate("1d")


def _array(series: Any, argument: str) -> Any:
    """Return a column as an array of floats, whole numbers, booleans or text, without nulls."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    kind = series.dtype
    _refuse_missing(series, argument)
    if kind in (nw.Date, nw.Datetime):
        raise InputError(f"{argument} must be names or numbers, got a column of {_shown(kind)}")
    if kind.is_decimal():
        series = series.cast(nw.Float64)
    if kind in (nw.String, nw.Categorical, nw.Enum) and _engine(series) == "polars":
        # to_numpy would make an array of the width of the longest text.
        values = np.array(series.to_list(), dtype=object)
    else:
        values = np.asarray(_asked(series.to_numpy))
    if values.dtype.kind == "O" and values.size:
        values = _inferred(values, argument)
    if values.dtype.kind == "f" and values.ndim == 1:
        values = values.astype(np.float64)
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"{argument} must be finite, got {float(values[row])} in row {row}")
    elif values.dtype.kind not in "iubO" or values.ndim != 1:
        raise InputError(f"{argument} must be names or numbers, got a column of {_shown(kind)}")
    return values


def _inferred(values: NDArray[Any], argument: str) -> NDArray[Any]:
    """Look into an array of Python objects: text stays, numbers of one kind become an array of it."""
    import pandas as pd  # noqa: PLC0415 - looks at every object faster than a loop does

    found = pd.api.types.infer_dtype(values, skipna=False)
    if found == "string":
        return values
    if found in KINDS_OF_OBJECTS:
        try:
            return values.astype(KINDS_OF_OBJECTS[found])
        except OverflowError:
            raise InputError(f"{argument} must be numbers below 2**63, got larger ones; make them text") from None
    types = [type(item) for item in values.tolist()]
    row = next((place for place, kind in enumerate(types) if not issubclass(kind, str)), 0)
    raise InputError(
        f"{argument} must be text or numbers throughout, got {types[row].__name__} {clipped(values[row])} in row {row}"
    )


def _whole(values: Any, argument: str, column: str) -> Any:
    """Return unsigned and narrow whole numbers as int64, where they fit."""
    if values.dtype.kind not in "iu":
        return values
    if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise InputError(
            f"{argument} must be numbers below 2**63, got {int(values.max())} in column {clipped(column)}; make them text"
        )
    return values.astype(np.int64)


def _numbers(values: Any, argument: str, column: str, flags: bool) -> Any:
    """Return numbers as float64, or refuse text and booleans."""
    wrong = {"O": "text", "b": "" if flags else "booleans"}.get(values.dtype.kind, "")
    if wrong and values.size:
        raise InputError(f"{argument} must be numbers, got {wrong} in column {clipped(column)}")
    return values.astype(np.float64)


def _floats(table: Any, name: str) -> NDArray[np.float64]:
    return np.asarray(table.get_column(name).to_numpy(), dtype=np.float64)


def _numpy_backed(native: Any) -> Any:
    """Take zoned times that pandas holds in Arrow out of it: before version 3 its wall clock was that of UTC."""
    own = getattr(getattr(getattr(native, "dtype", None), "pyarrow_dtype", None), "tz", None)
    return native if own is None else native.astype(f"datetime64[us, {own}]")


def _times(series: Any, argument: str, zone: str | None) -> Any:
    """Return a column of dates or times as datetime64[us] of the wall clock."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    _refuse_missing(series, argument)
    native = _numpy_backed(series.to_native())
    own = getattr(getattr(native, "dtype", None), "tz", None)
    if own is not None:
        # In pandas, narwhals knows no zone with an underscore or a dash in its name, such as America/New_York.
        clock = native.dt.tz_convert(own if zone is None else zone).dt.tz_localize(None)
        series = nw.from_native(clock, series_only=True)
    kind = series.dtype
    if kind in (nw.Date, nw.Datetime):
        if getattr(kind, "time_zone", None) is not None:
            series = series if zone is None else _asked(lambda: series.dt.convert_time_zone(zone))
            series = series.dt.replace_time_zone(None)
        values = np.asarray(_asked(series.to_numpy))
    elif kind == nw.Object:
        values = np.asarray(series.to_numpy(), dtype=object)
    else:
        raise InputError(f"{argument} must be dates or times, got a column of {_shown(kind)}; parse it first")
    if values.dtype.kind == "O":
        values = _days_of_objects(values, argument)
    for end in (values.min(), values.max()) if values.size else ():
        year = int(end.astype("datetime64[Y]").astype(np.int64)) + 1970
        if not YEARS[0] <= year <= YEARS[1]:
            raise InputError(f"{argument} must lie in the years {YEARS[0]} to {YEARS[1]}, got the year {year}")
    return values.astype("datetime64[us]")


def _days_of_objects(values: NDArray[Any], argument: str) -> NDArray[Any]:
    """Read Python dates; other objects, such as times of several zones, are refused."""
    import pandas as pd  # noqa: PLC0415

    if values.size and pd.api.types.infer_dtype(values, skipna=False) != "date":
        raise InputError(
            f"{argument} must be dates or times of one zone, got {type(values[0]).__name__} {clipped(values[0])} in row 0"
            " of a column of objects; parse it, or convert it to one zone first"
        )
    return values.astype("datetime64[D]")


def _refuse_missing(series: Any, argument: str) -> None:
    missing = series.is_null()
    if series.dtype.is_float():
        missing = missing | series.is_nan()
    bad = np.asarray(missing.to_numpy(), dtype=bool)
    if bad.any():
        raise InputError(
            f"{argument} must not be missing, got {int(bad.sum())} missing value(s), the first in row {int(bad.argmax())};"
            " drop or fill those rows"
        )


def _check_zone(zone: str | None) -> None:
    if zone is None:
        return
    try:
        zoneinfo.ZoneInfo(zone)
    except (OSError, KeyError, ValueError):
        raise InputError(f"timezone must be a name such as 'Europe/Paris', got {clipped(zone)}") from None


def _engine(rows: Any) -> str:
    return str(rows.implementation).rsplit(".", 1)[-1].lower()


def _asked(compute: Callable[[], Any]) -> Any:
    """Let an engine compute, and say in one line why it cannot."""
    try:
        return compute()
    except Exception as error:  # noqa: BLE001 - the errors of the engines have no common base
        raise InputError(f"frame cannot be read: {_line(error)}") from None


def _line(error: Exception) -> str:
    return _shown(" ".join(str(error).split()), 200)


def _shown(text: Any, most: int = 60) -> str:
    return str(text) if len(str(text)) <= most else f"{str(text)[: most - 3]}..."
