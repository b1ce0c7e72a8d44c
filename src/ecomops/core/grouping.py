"""Codes of values: the first step of every grouping in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def factorize(values: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return codes and sorted distinct values; strings go through a hash table and only the distinct ones are sorted."""
    if values.dtype.kind != "O":
        distinct, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.intp, copy=False), distinct
    import pandas as pd  # noqa: PLC0415 - the fastest hash table for strings that is here anyway

    codes, distinct = pd.factorize(values)
    distinct = np.asarray(distinct, dtype=object)
    order = np.argsort(distinct, kind="stable")
    rank = np.empty(order.size, dtype=np.intp)
    rank[order] = np.arange(order.size)
    return rank[codes], distinct[order]
