"""Codes of values: the first step of every grouping in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SPARSE = 4
"""Whole numbers may span this many times their number and still be counted rather than sorted."""

GLANCE = 4096
"""Rows that are looked at first: they hold all of a few distinct values."""


def factorize(values: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return codes and sorted distinct values: whole numbers are counted, text is hashed, the rest is sorted."""
    if values.dtype.kind == "O":
        import pandas as pd  # noqa: PLC0415 - the fastest hash table for strings that is here anyway

        codes, distinct = pd.factorize(values)
        return in_order(codes, np.asarray(distinct, dtype=object))
    if values.dtype.kind in "biu" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < SPARSE * values.size:
            return _counted(values, low, high - low + 1)
    distinct, codes = np.unique(values, return_inverse=True)
    return codes.astype(np.intp, copy=False), distinct


def in_order(codes: NDArray[Any], distinct: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Sort distinct texts or numbers, and let the codes follow."""
    # A list of Python strings sorts several times as fast as an array of them.
    names = distinct.tolist()
    order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.intp)
    rank = np.empty(order.size, dtype=np.intp)
    rank[order] = np.arange(order.size)
    return rank[codes], distinct[order]


def _counted(values: NDArray[Any], low: int, span: int) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return codes and distinct values of whole numbers that lie close together."""
    wide = values if values.dtype.itemsize == 8 else values.astype(np.int64)
    codes = (wide - wide.dtype.type(low) if low else wide).astype(np.intp, copy=False)
    seen = np.bincount(codes[:GLANCE], minlength=span) > 0
    if not seen.all():
        seen = np.bincount(codes, minlength=span) > 0
    distinct = (np.flatnonzero(seen).astype(wide.dtype) + wide.dtype.type(low)).astype(values.dtype)
    return codes if distinct.size == span else (np.cumsum(seen) - 1)[codes], distinct
