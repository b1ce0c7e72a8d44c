"""The index of a pandas Series: what it labels, and which ones go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from pydantic import BaseModel

from ecomops.core.arrays import Floats
from ecomops.core.errors import named_error
from ecomops.core.markers import is_batched, is_named

if TYPE_CHECKING:
    from collections.abc import Iterable


def index_of(value: Any) -> Any:
    """Return the index of a pandas Series, else None."""
    index = getattr(value, "index", None)
    if index is None or callable(index) or not type(value).__module__.startswith("pandas"):
        return None
    return index


def is_default(index: Any) -> bool:
    """Tell whether an index is the one that a Series has when nobody gave it any: 0, 1, 2, ..."""
    return type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1)


def is_shuffled(index: Any) -> bool:
    """Tell whether an index is what sorting or slicing makes of the default one, so that its rows do not match by position."""
    if type(index).__name__ == "RangeIndex":
        return not is_default(index)
    if getattr(index.dtype, "kind", "O") not in "iu":
        return False
    places = np.asarray(index)
    ordered = np.arange(places.size)
    return not np.array_equal(places, ordered) and np.array_equal(np.sort(places), ordered)


PLAIN = frozenset({float, int, str, bool, type(None), tuple, list})
"""What has no index of its own."""


def core_of(metadata: Iterable[Any]) -> int | None:
    """Return how many axes of a marked value belong to one item; None where the value does not broadcast."""
    for marker in metadata:
        if isinstance(marker, Floats):
            return None if marker.scalar else marker.core
        if is_batched(marker):
            return 0
    return None


def markers_of(annotation: Any) -> list[Any]:
    """Return the markers of an annotation and of the parts of a union."""
    parts = [annotation, *get_args(annotation)]
    return [marker for part in parts for marker in getattr(part, "__metadata__", ())]


def axes_of(markers: dict[str, list[Any]]) -> dict[str, int | None]:
    """Return what the entries of a Series are, by field: rows (0), parts of one item (1), or names of either (None)."""
    found: dict[str, int | None] = {}
    for name, marks in markers.items():
        if (core := core_of(marks)) is not None:
            found[name] = min(core, 1)
        elif any(map(is_named, marks)):
            found[name] = None
    return found


def common_labels(given: Iterable[tuple[str, Any]], axes: dict[str, int | None], name: str) -> Any:
    """Return the one index that the rows of the given Series and models share, or None; refuse two different ones.

    Series along another axis (samples, shares of arms) and names are compared with those they are as long as.
    """
    rows: list[Any] = []
    items: list[Any] = []
    names: list[Any] = []
    for key, value in given:
        if type(value) in PLAIN or isinstance(value, float):  # most arguments, at no cost
            continue
        if isinstance(value, BaseModel):
            if (index := getattr(value, "_labels", None)) is not None:
                rows.append(index)
        elif key in axes and (index := index_of(value)) is not None:
            {0: rows, 1: items, None: names}[axes[key]].append(index)
    if not (rows or items or names):
        return None
    labels = shared_index(rows, name)
    if items or names:
        for matched in ([labels] if labels is not None else [], items):
            indexes = [*matched, *names]
            for size in set(map(len, indexes)):
                shared_index([index for index in indexes if len(index) == size], name)
    return labels


def shared_index(indexes: list[Any], name: str) -> Any:
    """Return the one index behind all, the default one only where there is no other; refuse two that differ."""
    if not indexes:
        return None
    first = next((index for index in indexes if not is_default(index)), indexes[0])
    for index in indexes:
        if index is first:
            continue
        if is_default(index):
            differs = not is_default(first) and len(first) == len(index) and is_shuffled(first)
        else:
            differs = not first.equals(index)
        if differs:
            message = f"{name}: two Series have different indexes; align them first (Series.reindex)"
            raise named_error(name, message)
    return first
