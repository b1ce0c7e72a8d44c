"""The only file that knows data frames: columns in, numpy out, or sums made by the engine that holds the rows.

pandas and PyArrow frames are read into numpy, where grouping is fastest. Every other engine (Polars eager and lazy,
DuckDB, ...) groups by itself and only its answer is collected. Inside ``.agg()`` stand only ``col(name).sum()``,
``.min()``, ``.max()`` and ``len()``: narwhals drops conditions and orders in richer expressions on some engines.
Columns are renamed to ``c0``, ``c1``, ... at the door, so that no name of the caller's meets one of ours.
"""

from __future__ import annotations

from ecomops.core.frames.engines import collect, wrap
from ecomops.core.frames.rows import counts, in_memory, is_eager, moment_sums, read
from ecomops.core.grouping import factorize

__all__ = ["collect", "counts", "factorize", "in_memory", "is_eager", "moment_sums", "read", "wrap"]
