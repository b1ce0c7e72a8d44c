"""Rules between fields, with the first row that breaks them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core.messages import clipped, position
from ecomops.core.reading import refuse

__all__ = ["check"]


def check(condition: Any, rule: str, *values: Any) -> None:
    """Refuse a model whose fields break a rule, naming the first bad row.

    Parameters
    ----------
    condition : bool or array of bool
        Where the rule holds.
    rule : str
        The rule in words, such as ``"moq must be <= max_stock"``.
    *values : float or array
        The values to show for the first bad row; they broadcast against the condition.

    Raises
    ------
    PydanticCustomError
        Turned into an `InputError` by the model or function that is being checked.
    """
    if condition is True or condition is np.True_:
        return
    holds = np.asarray(condition)
    if holds.all():
        return
    index = np.unravel_index(int(np.argmin(holds)), holds.shape)
    shown = []
    for value in values:
        array = np.asarray(value)
        if array.ndim and array.shape != holds.shape:
            array = np.broadcast_to(array, holds.shape) if array.ndim <= holds.ndim else array
        item = array[index] if array.shape == holds.shape and array.ndim else array
        shown.append(clipped(item))
    got = f", got {' and '.join(shown)}" if shown else ""
    where = f" at index {position(index)}" if holds.ndim else ""
    raise refuse(f"{rule}{got}{where}")
