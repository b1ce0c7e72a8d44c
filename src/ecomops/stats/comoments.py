"""Means and centred co-moments, of an array or of each arm of a frame: the arithmetic under `Moments`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import InputError, frames

EXACT_LIMIT = 2.0**53


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
    if frames.is_eager(frame):
        keys = {"by": by} if unit is None else {"by": by, "unit": unit}
        return _from_rows(frames.read(frame, {**keys, **named}, numbers=tuple(named), flags=True), by, tuple(named))
    if unit is not None:
        return _from_rows(frames.counts(frame, {"by": by, "unit": unit}, named, flags=True), by, tuple(named))
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


def _from_rows(data: dict[str, Any], by: str, columns: tuple[str, ...]) -> tuple[Any, list[tuple[float, Any, Any]]]:
    if not data["by"].size:
        raise InputError("frame has no rows")
    codes, arms = frames.factorize(data["by"])
    names_of_arms = _arm_names(arms, by)
    rows = np.column_stack([data[column] for column in columns])
    if "unit" in data:
        codes, rows = _per_unit(codes, rows, frames.factorize(data["unit"])[0])
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(arms.size + 1))
    parts = [centred(rows[order[start:stop]]) for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]
    return names_of_arms, parts


def _per_unit(codes: Any, rows: Any, units: Any) -> tuple[Any, Any]:
    """Sum rows to one a unit, refusing units that were seen in two arms."""
    size = int(units.max()) + 1
    least = np.full(size, codes.max() + 1)
    most = np.full(size, -1)
    np.minimum.at(least, units, codes)
    np.maximum.at(most, units, codes)
    torn = int((least != most).sum())
    if torn:
        raise InputError(
            f"unit must be in one arm, got {torn} unit(s) seen in two or more of {size}; drop them and check the assignment"
        )
    summed = np.column_stack(
        [np.bincount(units, weights=rows[:, column], minlength=size) for column in range(rows.shape[1])]
    )
    return least, summed
