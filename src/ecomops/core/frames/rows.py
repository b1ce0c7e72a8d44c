"""Rows of any frame: read into numpy, or grouped and summed by the engine that holds them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core.errors import InputError
from ecomops.core.frames.columns import array_of, coded_of, floats_of, numbers_of, times_of, whole_of
from ecomops.core.frames.engines import check_zone, collect, engine, shown, wrap
from ecomops.core.messages import clipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def read(
    frame: Any,
    columns: Mapping[str, str],
    *,
    times: Sequence[str] = (),
    numbers: Sequence[str] = (),
    coded: Sequence[str] = (),
    flags: bool = False,
    zone: str | None = None,
) -> dict[str, Any]:
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
    coded : sequence of str
        Arguments that are only grouped by; each comes back as two arrays, codes and sorted distinct values.
    zone : str, optional
        Time zone for the wall clock of zoned times; their own zone by default.

    Returns
    -------
    dict of str to array
        One array an argument, which may be a read-only view of the frame: float64 or int64 for numbers, bool, datetime64[us] for times, object of str for text.
    """
    check_zone(zone)
    table = collect(_select(frame, columns))
    found: dict[str, Any] = {}
    for place, (name, column) in enumerate(columns.items()):
        series = table.get_column(f"c{place}")
        if name in times:
            found[name] = times_of(series, name, zone)
        elif name in coded:
            found[name] = coded_of(series, name, column)
        else:
            values = array_of(series, name)
            found[name] = numbers_of(values, name, column, flags) if name in numbers else whole_of(values, name, column)
    return found


def is_eager(frame: Any) -> bool:
    """Tell whether the rows are in memory in a form that numpy reads cheaply (pandas and PyArrow)."""
    return engine(wrap(frame)) in {"pandas", "pyarrow"}


def in_memory(frame: Any) -> bool:
    """Tell whether the rows are in memory, also in a form that only numbers leave cheaply (Polars)."""
    rows = wrap(frame)
    return engine(rows) in {"pandas", "pyarrow", "polars"} and hasattr(rows, "get_column")


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

    check_zone(zone)
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
        answer[key] = times_of(series, key, None) if key == day else whole_of(array_of(series, key), key, column)
    answer["rows"] = table.get_column("rows").to_numpy().astype(np.int64)
    return {**answer, **{name: floats_of(table, f"s_{place[name]}") for name in sums}}


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
    size = floats_of(table, "n")
    if not size.size:
        raise InputError("frame has no rows")
    # The mean of the gaps is rounding; taking it out again keeps the last digits.
    rest = np.column_stack([floats_of(table, f"d_{name}") for name in names]) / size[:, None]
    comoments = np.zeros((size.size, len(names), len(names)))
    for i, j in pairs:
        product = floats_of(table, f"p_{i}_{j}") - size * rest[:, i] * rest[:, j]
        comoments[:, i, j] = comoments[:, j, i] = product
    centre = np.column_stack([floats_of(table, f"m_{name}") for name in names])
    group = whole_of(array_of(table.get_column("c0"), "by"), "by", key)
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
            raise InputError(f"{argument} must be numbers, got column {clipped(column)} of {shown(kind)}")
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
        raise InputError(f"time must be dates or times, got column {clipped(column)} of {shown(kind)}; parse it first")
    time, own = nw.col(name), getattr(kind, "time_zone", None)
    if kind == nw.Date:
        return time
    if own is not None:
        if zone is not None and zone != own:
            if engine(rows) == "duckdb":
                raise InputError(
                    f"timezone must be that of the connection on DuckDB, got {zone!r}, the connection has {own!r};"
                    f" run SET TimeZone = '{zone}' on it first"
                )
            time = time.dt.convert_time_zone(zone)
        time = time.dt.replace_time_zone(None)
    return time.dt.truncate("1d")
