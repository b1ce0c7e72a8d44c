"""Means and centred co-moments, of an array or of each arm of a frame: the arithmetic under `Moments`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError, frames

EXACT_LIMIT = 2.0**53
FEW_ARMS = 16
BLOCK = 2**15
SAMPLE = 4096
"""Rows that tell roughly where a column lies."""
SHIFTED = 100.0
"""How many times its variance the square of an arm's distance from that level may be before digits are lost."""


def centred(rows: Any) -> tuple[float, Any, Any]:
    """Return the number of rows, their means and their centred co-moments, in two passes."""
    means = rows.mean(axis=0)
    gaps = rows - means
    # The mean of the gaps is rounding; taking it out again keeps the last digits.
    rest = gaps.mean(axis=0)
    comoments = gaps.T @ gaps - len(rows) * np.outer(rest, rest)
    return float(len(rows)), means + rest, _psd(comoments)


def from_raw(n: float, sums: Any, products: Any) -> tuple[Any, Any]:
    """Return the centred co-moments of raw sums, and how much rounding may have taken from each variance.

    Where sums and products are whole numbers that floats hold exactly, the difference is made in integers.
    """
    if n == 1:
        return np.zeros_like(products), np.zeros_like(sums)
    means = sums / n
    comoments = products - n * np.outer(means, means)
    rounding = n * means * means * np.finfo(float).eps * 16
    held = [np.abs(part) < EXACT_LIMIT for part in (sums, products)]
    whole = [np.floor(part) == part for part in (sums, products)]
    one, two = held[0] & whole[0], held[1] & whole[1]
    for i, j in zip(*np.nonzero(two & one & one[:, None]), strict=True):
        comoments[i, j] = (int(n) * int(products[i, j]) - int(sums[i]) * int(sums[j])) / int(n)
    return comoments, np.where(one & np.diagonal(two), 0.0, rounding)


def by_arm(frame: Any, by: str, columns: tuple[str, ...], unit: str | None) -> tuple[Any, list[tuple[float, Any, Any]]]:
    """Return the arms of a frame in sorted order, and what `centred` returns for each."""
    if not columns:
        raise InputError("columns must name at least one column, got none")
    if len(set(columns)) < len(columns):
        raise InputError(f"columns must not repeat, got {columns}")
    named = {f"columns[{place}]": column for place, column in enumerate(columns)}
    if frames.is_eager(frame) or (unit is None and frames.in_memory(frame)):
        keys = {"by": by} if unit is None else {"by": by, "unit": unit}
        return _from_rows(
            frames.read(frame, {**keys, **named}, coded=tuple(keys), numbers=tuple(named), flags=True), by, named
        )
    if unit is not None:
        summed = frames.counts(frame, {"by": by, "unit": unit}, named, flags=True)
        return _from_rows({**summed, **{key: frames.factorize(summed[key]) for key in ("by", "unit")}}, by, named)
    sums = frames.moment_sums(frame, by, named)
    order = np.argsort(sums["key"], kind="stable")
    parts = [(float(sums["n"][place]), sums["means"][place], _psd(sums["comoments"][place])) for place in order]
    return _arm_names(sums["key"][order], by), parts


def _psd(comoments: Any) -> Any:
    """Keep the diagonal from falling below zero by rounding."""
    answer = np.array(comoments)
    np.fill_diagonal(answer, np.maximum(np.diagonal(answer), 0.0))
    return answer


def _arm_names(keys: Any, by: str) -> Any:
    if keys.dtype.kind == "f":
        raise InputError(f"by must be text or whole numbers, got numbers with decimals in column {by!r}")
    return keys.astype(np.int64) if keys.dtype.kind in "bi" else keys


def _from_rows(data: dict[str, Any], by: str, columns: Any) -> tuple[Any, list[tuple[float, Any, Any]]]:
    codes, arms = data["by"]
    if not codes.size:
        raise InputError("frame has no rows")
    names_of_arms = _arm_names(arms, by)
    rows = [data[column] for column in columns]
    if "unit" in data:
        codes, rows, torn = per_unit(codes, rows, data["unit"][0])
        if torn:
            raise InputError(
                f"unit must be in one arm, got {torn} unit(s) seen in two or more of {codes.size}; drop them and check the assignment"
            )
    return names_of_arms, grouped(rows, codes, arms.size)


def grouped(columns: list[Any], codes: Any, size: int) -> list[tuple[float, Any, Any]]:
    """Return what `centred` returns for each group of rows: one pass round a common level, a second where that is far off."""
    shift = np.tile([column[:: codes.size // SAMPLE + 1].mean() for column in columns], (size, 1))
    n, sums, products = _sums(columns, codes, shift)
    gaps = sums / n[:, None]
    comoments = products - gaps[:, :, None] * sums[:, None, :]
    spread = np.diagonal(comoments, axis1=1, axis2=2)
    if np.any(n[:, None] * np.square(gaps) > SHIFTED * np.maximum(spread, 0.0)):
        shift = shift + gaps
        n, sums, products = _sums(columns, codes, shift)
        gaps = sums / n[:, None]
        comoments = products - gaps[:, :, None] * sums[:, None, :]
    return [(float(count), *part) for count, *part in zip(n, shift + gaps, map(_psd, comoments), strict=True)]


def _sums(columns: list[Any], codes: Any, shift: Any) -> tuple[Any, Any, Any]:
    """Return the number of rows of each group, and the sums and products of their distances from its shift.

    Blocks of rows stay in the cache; where groups are many, all rows are one block.
    """
    size, width = shift.shape
    block = BLOCK if size <= FEW_ARMS else codes.size
    n, sums, products = np.zeros(size), np.zeros((size, width)), np.zeros((size, width, width))
    for start in range(0, codes.size, block):
        here = slice(start, start + block)
        for group, rows in enumerate(_places(codes[here], size)):
            gaps = np.empty((width, rows.size))
            for place, column in enumerate(columns):
                np.subtract(column[here].take(rows), shift[group, place], out=gaps[place])
            n[group] += rows.size
            sums[group] += gaps.sum(axis=1)
            products[group] += gaps @ gaps.T
    return n, sums, products


def _places(codes: Any, size: int) -> list[Any]:
    """Return the rows of each group."""
    if size <= FEW_ARMS:
        return [np.flatnonzero(codes == group) for group in range(size)]
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=size))[:-1])


def per_unit(codes: Any, rows: list[Any], units: Any) -> tuple[Any, list[Any], int]:
    """Sum rows to one a unit; return the group and the sums of each unit, and how many units were seen in two groups."""
    size = int(units.max()) + 1
    group = np.empty(size, dtype=codes.dtype)
    group[units] = codes
    torn = np.unique(units[group[units] != codes]).size
    return group, [np.bincount(units, weights=column, minlength=size) for column in rows], torn
