"""Flags of units as they come in: true and false, or 0 and 1."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecomops.core.markers import Plain, flags, frozen, listed
from ecomops.core.messages import clipped
from ecomops.core.reading import as_float_array, refuse

SCHEMA = {"type": "array", "items": {"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 1}]}}


def _flagged(value: Any) -> NDArray[np.bool_]:
    """Read one flag a unit from booleans or from the numbers 0 and 1."""
    dtype = getattr(value, "dtype", getattr(value, "type", None))
    boolean = "bool" in str(dtype).lower() or (
        isinstance(value, list | tuple) and any(isinstance(item, bool | np.bool_) for item in value)
    )
    array: Any = flags(value) if boolean else as_float_array(value)
    if np.ndim(array) != 1:
        raise refuse(f"must be a list with one flag a unit, got {clipped(value)}")
    if not boolean:
        odd = ~((array == 0) | (array == 1))
        if odd.any():
            place = int(odd.argmax())
            raise refuse(f"must be true or false, or 0 or 1, got {float(array[place])} at index {place}")
    return frozen(array.astype(bool))


UnitFlags: TypeAlias = Annotated[NDArray[np.bool_] | Any, Plain(_flagged, SCHEMA, listed, batched=True)]
