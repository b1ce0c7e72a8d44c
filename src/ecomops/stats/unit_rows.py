"""The rows of a frame by arm, or one row a unit: what statistics other than moments are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecomops.core import Array, InputError, frames
from ecomops.stats.comoments import per_unit


def named_columns(columns: Sequence[str]) -> dict[str, str]:
    """Return the columns under the names that messages call them by, once there are some and none repeats."""
    if not columns:
        raise InputError("columns must name at least one column, got none")
    if len(set(columns)) < len(columns):
        raise InputError(f"columns must not repeat, got {columns}")
    return {f"columns[{place}]": column for place, column in enumerate(columns)}


def arm_names(keys: Any, by: str) -> Any:
    """Return the names of arms: text, or whole numbers."""
    if keys.dtype.kind == "f":
        raise InputError(f"by must be text or whole numbers, got numbers with decimals in column {by!r}")
    return keys.astype(np.int64) if keys.dtype.kind in "bi" else keys


def unit_rows(frame: Any, by: str, named: Mapping[str, str], unit: str | None) -> tuple[Any, Any, Array]:
    """Return the arms of a frame in sorted order, and of each row the place of its arm and its numbers, shape (n, k).

    With ``unit`` there is one row a unit: the sums of its rows, made on the engine that holds them.
    """
    keys = {"by": by} if unit is None else {"by": by, "unit": unit}
    if unit is None or frames.is_eager(frame):
        data = frames.read(frame, {**keys, **named}, numbers=tuple(named), flags=True)
    else:
        data = frames.counts(frame, keys, named, flags=True)
    codes, arms = frames.factorize(data["by"])
    if not codes.size:
        raise InputError("frame has no rows")
    arms, columns = arm_names(arms, by), [data[name] for name in named]
    if unit is not None:
        codes, columns = one_a_unit(codes, columns, frames.factorize(data["unit"])[0])
    return arms, codes, np.column_stack(columns)


def one_a_unit(codes: Any, columns: list[Any], units: Any) -> tuple[Any, list[Any]]:
    """Sum rows to one a unit, refusing units that were seen in two arms."""
    codes, columns, torn = per_unit(codes, columns, units)
    if torn:
        raise InputError(
            f"unit must be in one arm, got {torn} unit(s) seen in two or more of {codes.size}; drop them and check the assignment"
        )
    return codes, columns


def part_of_arm(owner: str, arms: Any, parts: Sequence[Any], arm: str | int) -> Any:
    """Return the part of one arm."""
    names = arms.tolist()
    if arm not in names:
        raise InputError(f"{owner}: arm must be one of {names}, got {arm!r}")
    return parts[names.index(arm)]


def joined_arms(owner: str, mine: Mapping[Any, Any], theirs: Mapping[Any, Any]) -> tuple[list[Any], tuple[Any, ...]]:
    """Add disjoint sets of units arm by arm; an arm that only one side has is kept."""
    if len({type(name) for name in (*mine, *theirs)}) > 1:
        raise InputError(f"{owner}: arms must be text in both parts or whole numbers in both")
    names = sorted({*mine, *theirs})
    return names, tuple(mine[n] + theirs[n] if n in mine and n in theirs else {**theirs, **mine}[n] for n in names)
