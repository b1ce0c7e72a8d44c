"""Markers for what is not a number array: whole numbers, flags, names, texts and random generators, all strict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import core_schema

from ecomops.core.messages import clipped
from ecomops.core.reading import column_array, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

WHOLE_LIMIT = 2.0**53
MAX_DIMENSIONS = 2


class Plain:
    """A marker whose check is one function: the strict forms of int, bool, str arrays and generators."""

    def __init__(
        self,
        check: Callable[[Any], Any],
        schema: dict[str, Any],
        dump: Callable[[Any], Any] | None = None,
        *,
        batched: bool = False,
    ) -> None:
        self.check, self.schema, self.dump, self.batched = check, schema, dump, batched

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        serialization = self.dump and core_schema.plain_serializer_function_ser_schema(self.dump, when_used="json")
        return core_schema.no_info_plain_validator_function(self.check, serialization=serialization or None)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return dict(self.schema)


def is_batched(marker: Any) -> bool:
    """Tell whether a marker other than `Floats` takes part in broadcasting (flags and texts do, names do not)."""
    return isinstance(marker, Plain) and marker.batched


def is_named(marker: Any) -> bool:
    """Tell whether a marker is that of names, one a row."""
    return isinstance(marker, Plain) and marker.check is names


def whole(least: int | None) -> Callable[[Any], int]:
    """Return a strict check of whole numbers with a least value."""

    def check(value: Any) -> int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer | float | np.floating):
            raise refuse(f"must be a whole number, got {type(value).__name__} {clipped(value)}")
        if isinstance(value, float | np.floating) and not float(value).is_integer():
            raise refuse(f"must be a whole number, got {float(value)}")
        number = int(value)
        if least is not None and number < least:
            raise refuse(f"must be >= {least}, got {number}")
        if abs(number) > WHOLE_LIMIT:
            raise refuse(f"must be at most 2**53, got {clipped(number)}")
        return number

    return check


def flag(value: Any) -> bool:
    """Check a true or false value."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise refuse(f"must be true or false, got {type(value).__name__} {clipped(value)}")


def generator(value: Any) -> np.random.Generator:
    """Turn a seed, or nothing, into a generator."""
    if isinstance(value, np.random.Generator):
        return value
    if value is None:
        return np.random.default_rng()
    return np.random.default_rng(whole(0)(value))


def seed(value: Any) -> int | None:
    """Keep the seed itself, for the model of a function's arguments."""
    if isinstance(value, np.random.Generator):
        raise refuse("must be an integer seed here: a random generator has no JSON form")
    return None if value is None else whole(0)(value)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view."""
    view = array.view()
    view.flags.writeable = False
    return view


def names(value: Any) -> NDArray[Any]:
    """Read ids or names: strings, or whole numbers kept as int64."""
    array = _plain(value)
    if array.ndim != 1:
        raise refuse(f"must be a one-dimensional list of names, got {clipped(value)}")
    if array.dtype.kind in "iu":
        return frozen(_whole_names(value, array))
    # A list that mixes strings with numbers becomes a numpy string array: look at the items themselves.
    items = array.tolist() if array.dtype.kind in "OT" else value if isinstance(value, list | tuple) else None
    if items is not None:
        odd = {kind for kind in set(map(type, items)) if not issubclass(kind, str)}
        if odd:
            index, item = next((place, item) for place, item in enumerate(items) if type(item) in odd)
            raise refuse(f"must be names (str), got {type(item).__name__} {clipped(item)} at index {index}")
    elif array.dtype.kind != "U" and array.size:
        raise refuse(f"must be names (str) or whole numbers, got an array of {array.dtype}")
    return frozen(np.asarray(array, dtype=object))


def flags(value: Any) -> bool | NDArray[np.bool_]:
    """Check one truth value or an array of them."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    array = _plain(value)
    if (array.dtype.kind != "b" and array.size) or array.ndim > MAX_DIMENSIONS:
        raise refuse(f"must be true or false, got {clipped(value)}")
    return bool(array) if array.ndim == 0 else frozen(array.astype(bool, copy=False))


def texts(value: Any) -> str | NDArray[Any]:
    """Check one text or an array of them."""
    if isinstance(value, str):
        return str(value)
    array = _plain(value, dtype=object)
    kinds = set(map(type, array.ravel().tolist()))
    if array.ndim not in (1, MAX_DIMENSIONS) or not all(issubclass(kind, str) for kind in kinds):
        raise refuse(f"must be text or a list of texts, got {clipped(value)}")
    return frozen(array)


def _plain(value: Any, dtype: Any = None) -> NDArray[Any]:
    """Read a list, an array or a column of what are no numbers; frames, masked and ragged arrays are refused."""
    if hasattr(value, "columns") or hasattr(value, "schema"):
        raise refuse("must be one column, got a data frame; select a column")
    if isinstance(value, np.ma.MaskedArray):
        raise refuse("must be a plain array, got a masked array; fill or drop the masked entries")
    if hasattr(value, "to_numpy"):
        return np.asarray(column_array(value), dtype=dtype)
    try:
        return np.asarray(value, dtype=dtype)
    except ValueError:
        raise refuse(f"must be rectangular, got {clipped(value)}") from None


def _whole_names(value: Any, array: NDArray[Any]) -> NDArray[np.int64]:
    """Return whole numbers as int64, where they fit and where no boolean stands among them."""
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise refuse(f"must be whole numbers below 2**63, got {int(array.max())}; make them text")
    if isinstance(value, list | tuple) and any(isinstance(item, bool | np.bool_) for item in value):
        raise refuse(f"must be names (str) or whole numbers, got a boolean in {clipped(value)}")
    return array.astype(np.int64, copy=False)


def listed(value: Any) -> Any:
    """Write an array as a list."""
    return value.tolist() if isinstance(value, np.ndarray) else value
