"""Anything that holds numbers, read into float64; what only looks like numbers is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import PydanticCustomError

from ecomops.core.messages import clipped

MAX_LIST_DEPTH = 4


def refuse(text: str) -> PydanticCustomError:
    """Build the error that pydantic passes on word for word."""
    return PydanticCustomError("ecomops", "{text}", {"text": text})


def as_float_array(
    value: Any, *, nan: bool = False, inf: bool = False, dimensions: int | None = 1
) -> NDArray[np.float64]:
    """Read anything that holds numbers into float64, and refuse what only looks like numbers.

    ``dimensions`` only words the refusal of a data frame: 1 where one column is wanted, None where a table would do too.
    """
    if isinstance(value, np.ndarray | np.generic):
        return _from_numpy(value)
    if isinstance(value, list | tuple | range):
        return _from_sequence(value, special=nan or inf)
    if nan and value is None:
        return np.asarray(np.nan)
    if inf and isinstance(value, str) and value in {"Infinity", "-Infinity"}:
        return np.asarray(math.inf if value == "Infinity" else -math.inf)
    if isinstance(value, bool) or not hasattr(value, "to_numpy"):
        raise refuse(f"must be a number or an array of numbers, got {type(value).__name__} {clipped(value)}")
    if hasattr(value, "columns") or hasattr(value, "schema"):
        if dimensions == 1:
            raise refuse("must be one column of numbers, got a data frame; select a column")
        raise refuse("must be an array of numbers, got a data frame; select a column, or pass its .to_numpy()")
    return _from_column(value)


def float_of(value: float) -> float:
    """Turn a Python number into a float, refusing what is too large."""
    try:
        return float(value)
    except OverflowError:
        raise refuse("must be finite, got an integer too large for a float") from None


def column_array(value: Any) -> NDArray[Any]:
    """Return a pandas, Polars or PyArrow column as numpy sees it."""
    try:
        try:
            return np.asarray(value.to_numpy())
        except ValueError:
            return np.asarray(value.to_numpy(zero_copy_only=False))  # PyArrow copies where there are nulls
    except Exception as error:  # noqa: BLE001 - the errors of the engines have no common base
        raise refuse(f"cannot be read as an array ({clipped(str(error))}), got {type(value).__name__}") from None


def _from_numpy(value: NDArray[Any] | np.generic) -> NDArray[np.float64]:
    array = np.asanyarray(value)
    if isinstance(array, np.ma.MaskedArray):
        raise refuse("must be a plain array, got a masked array; fill or drop the masked entries")
    if array.dtype == np.longdouble:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
            return np.asarray(array, dtype=np.float64)
    if array.dtype.kind in "fiu":
        return np.asarray(array, dtype=np.float64)
    if array.dtype.kind == "O":
        numbers = _from_sequence(array.tolist() if array.ndim else [array.item()])
        if numbers.size != array.size:
            raise refuse("must be numbers, got an array of lists")
        return numbers.reshape(array.shape)
    raise refuse(f"must be numbers, got an array of {array.dtype}")


def _from_column(value: Any) -> NDArray[np.float64]:
    """Read a pandas, Polars or PyArrow column; its nulls arrive as NaN and are refused as such."""
    kind = getattr(value, "dtype", getattr(value, "type", None))
    if str(kind).lower() in {"bool", "boolean", "bool[pyarrow]"}:
        raise refuse("must be numbers, got a column of booleans")
    array = column_array(value)
    if array.dtype.kind != "O":
        return _from_numpy(array)
    items = array.tolist()
    kinds = set(map(type, items))
    gaps = {kind for kind in kinds if kind.__name__ in {"NoneType", "NAType"}}
    if gaps:
        items = [math.nan if type(item) in gaps else item for item in items]
    if kinds & {list, tuple, np.ndarray}:
        index = next(place for place, item in enumerate(items) if isinstance(item, list | tuple | np.ndarray))
        raise refuse(f"must be one number a row, got {clipped(items[index])} at index {index}")
    return _from_sequence(items)


def _from_sequence(value: Any, *, special: bool = False, depth: int = 1) -> NDArray[np.float64]:
    if depth > MAX_LIST_DEPTH:
        raise refuse(f"must be nested at most {MAX_LIST_DEPTH} deep")
    kinds = set(map(type, value))
    if kinds <= {float, int}:
        try:
            return np.asarray(value, dtype=np.float64)
        except OverflowError:
            raise refuse("must be finite, got an integer too large for a float") from None
    rows = []
    for index, item in enumerate(value):
        if special and item is None:
            rows.append(np.asarray(np.nan))
        elif special and isinstance(item, str) and item in ("Infinity", "-Infinity"):
            rows.append(np.asarray(math.inf if item == "Infinity" else -math.inf))
        elif isinstance(item, list | tuple | range):
            rows.append(_from_sequence(item, special=special, depth=depth + 1))
        elif isinstance(item, np.ndarray | np.generic):
            rows.append(_from_numpy(item))
        elif isinstance(item, float | int) and not isinstance(item, bool):
            rows.append(np.asarray(float_of(item)))
        else:
            raise refuse(f"must be numbers, got {type(item).__name__} {clipped(item)} at index {index}")
    if len({row.shape for row in rows}) > 1:
        raise refuse("must be rectangular, got rows of different lengths")
    return np.stack(rows) if rows else np.empty(0)
