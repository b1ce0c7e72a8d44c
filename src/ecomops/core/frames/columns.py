"""One column of a frame as an array: text, whole numbers, numbers, times; what is missing is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core.errors import InputError
from ecomops.core.frames.engines import asked, engine, shown
from ecomops.core.grouping import factorize, in_order
from ecomops.core.messages import clipped

YEARS = (1, 9999)
FLOATS = dict.fromkeys(("floating", "mixed-integer-float", "decimal"), np.float64)
FEW_TEXTS = 8
"""Polars looks texts up in a table when rows are at least this many times as many."""
KINDS_OF_OBJECTS: dict[str, Any] = {"integer": np.int64, "boolean": np.bool_, **FLOATS}


def array_of(series: Any, argument: str) -> Any:
    """Return a column as an array of floats, whole numbers, booleans or text, without nulls."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    kind = series.dtype
    plain = _plain_numbers(series, kind)
    if plain is not None:
        return plain
    _refuse_missing(series, argument)
    if kind in (nw.Date, nw.Datetime):
        raise InputError(f"{argument} must be names or numbers, got a column of {shown(kind)}")
    if kind.is_decimal():
        series = series.cast(nw.Float64)
    if kind in (nw.String, nw.Categorical, nw.Enum) and engine(series) == "polars":
        # to_numpy would make an array of the width of the longest text.
        values = np.array(series.to_list(), dtype=object)
    else:
        values = np.asarray(asked(series.to_numpy))
    if values.dtype.kind == "O" and values.size:
        values = _inferred(values, argument)
    if values.dtype.kind == "f" and values.ndim == 1:
        values = values.astype(np.float64)
        bad = ~np.isfinite(values)
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"{argument} must be finite, got {float(values[row])} in row {row}")
    elif values.dtype.kind not in "iubO" or values.ndim != 1:
        raise InputError(f"{argument} must be names or numbers, got a column of {shown(kind)}")
    return values


def coded_of(series: Any, argument: str, column: str) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return codes and sorted distinct values of a column, found by its engine where that saves making every text."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    if series.dtype in (nw.String, nw.Categorical, nw.Enum, nw.Object) and len(series):
        _refuse_missing(series, argument)
        found = CODERS.get(engine(series), _uncoded)(series)
        if found is not None and all(isinstance(text, str) for text in found[1].tolist()):
            return in_order(*found)
    return factorize(whole_of(array_of(series, argument), argument, column))


def _coded_by_pandas(series: Any) -> Any:
    import pandas as pd  # noqa: PLC0415

    try:
        codes, distinct = pd.factorize(series.to_native())
    except TypeError:  # lists and the like are refused where the column is looked at closely
        return None
    return codes, np.array(distinct.tolist(), dtype=object)


def _coded_by_polars(series: Any) -> Any:
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    distinct = series.unique().to_list()
    if FEW_TEXTS * len(distinct) > len(series):
        return None
    texts = series if series.dtype == nw.String else series.cast(nw.String)
    codes = texts.replace_strict(distinct, list(range(len(distinct))), return_dtype=nw.Int64)
    return codes.to_numpy(), np.array(distinct, dtype=object)


def _coded_by_pyarrow(series: Any) -> Any:
    encoded = series.to_native().combine_chunks().dictionary_encode()
    if not hasattr(encoded, "indices"):
        return None
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    used = np.unique(indices)
    names = np.array(encoded.dictionary.to_pylist(), dtype=object)
    return np.searchsorted(used, indices), names[used]


def _uncoded(series: Any) -> None:
    """Leave the column to be made into an array first."""


CODERS: dict[str, Any] = {"pandas": _coded_by_pandas, "polars": _coded_by_polars, "pyarrow": _coded_by_pyarrow}


def _plain_numbers(series: Any, kind: Any) -> Any:
    """Return a read-only view of numbers that lie in memory as numpy has them, or nothing where a closer look is needed."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415

    if not (kind.is_integer() or kind.is_float() or kind == nw.Boolean):
        return None
    if engine(series) == "pandas":
        native = series.to_native()
        values = native.to_numpy() if isinstance(native.dtype, np.dtype) else None
    else:
        values = asked(series.to_numpy) if series.null_count() == 0 else None
    if values is None or values.dtype.kind not in "biuf":
        return None
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)
        if not np.isfinite(values).all():
            return None
    view = values.view()
    view.flags.writeable = False
    return view


def whole_of(values: Any, argument: str, column: str) -> Any:
    """Return unsigned and narrow whole numbers as int64, where they fit."""
    if values.dtype.kind not in "iu":
        return values
    if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise InputError(
            f"{argument} must be numbers below 2**63, got {int(values.max())} in column {clipped(column)}; make them text"
        )
    return values.astype(np.int64, copy=False)


def numbers_of(values: Any, argument: str, column: str, flags: bool) -> Any:
    """Return numbers as float64, or refuse text and booleans."""
    wrong = {"O": "text", "b": "" if flags else "booleans"}.get(values.dtype.kind, "")
    if wrong and values.size:
        raise InputError(f"{argument} must be numbers, got {wrong} in column {clipped(column)}")
    return values.astype(np.float64, copy=False)


def floats_of(table: Any, name: str) -> NDArray[np.float64]:
    """Return a column of sums as floats."""
    return np.asarray(table.get_column(name).to_numpy(), dtype=np.float64)


def times_of(series: Any, argument: str, zone: str | None) -> Any:
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
            series = series if zone is None else asked(lambda: series.dt.convert_time_zone(zone))
            series = series.dt.replace_time_zone(None)
        values = np.asarray(asked(series.to_numpy))
    elif kind == nw.Object:
        values = np.asarray(series.to_numpy(), dtype=object)
    else:
        raise InputError(f"{argument} must be dates or times, got a column of {shown(kind)}; parse it first")
    if values.dtype.kind == "O":
        values = _days_of_objects(values, argument)
    for end in (values.min(), values.max()) if values.size else ():
        year = int(end.astype("datetime64[Y]").astype(np.int64)) + 1970
        if not YEARS[0] <= year <= YEARS[1]:
            raise InputError(f"{argument} must lie in the years {YEARS[0]} to {YEARS[1]}, got the year {year}")
    return values.astype("datetime64[us]")


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


def _numpy_backed(native: Any) -> Any:
    """Take zoned times that pandas holds in Arrow out of it: before version 3 its wall clock was that of UTC."""
    own = getattr(getattr(getattr(native, "dtype", None), "pyarrow_dtype", None), "tz", None)
    return native if own is None else native.astype(f"datetime64[us, {own}]")


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
