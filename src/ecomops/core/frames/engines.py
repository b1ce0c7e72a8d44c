"""What any engine is asked: to be a frame, to compute, to say in one line why it cannot."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from typing import Any

from ecomops.core.errors import InputError
from ecomops.core.messages import clipped


def wrap(frame: Any) -> Any:
    """Return a narwhals frame, or refuse what is no frame."""
    import narwhals.stable.v2 as nw  # noqa: PLC0415
    from narwhals.exceptions import DuplicateError  # noqa: PLC0415

    try:
        rows = nw.from_native(frame)
        rows.collect_schema()
    except DuplicateError as error:
        raise InputError(
            f"frame must have a name of its own for each column, got a repeated one; rename it ({line_of(error)})"
        ) from None
    except TypeError:
        raise InputError(
            f"frame must be a data frame (pandas, Polars, PyArrow, DuckDB, ...), got {type(frame).__name__} {clipped(frame)}"
        ) from None
    except Exception as error:  # noqa: BLE001 - the errors of the engines have no common base
        raise InputError(f"frame cannot be read: {line_of(error)}") from None
    return rows


def collect(rows: Any) -> Any:
    """Bring the rows of a lazy frame into memory; what the engine cannot compute is the caller's to mend."""
    return asked(lambda: rows.collect() if hasattr(rows, "collect") else rows)


def check_zone(zone: str | None) -> None:
    """Refuse what is no name of a time zone."""
    if zone is None:
        return
    try:
        zoneinfo.ZoneInfo(zone)
    except (OSError, KeyError, ValueError):
        raise InputError(f"timezone must be a name such as 'Europe/Paris', got {clipped(zone)}") from None


def engine(rows: Any) -> str:
    """Return the name of the engine that holds rows or a column."""
    return str(rows.implementation).rsplit(".", 1)[-1].lower()


def asked(compute: Callable[[], Any]) -> Any:
    """Let an engine compute, and say in one line why it cannot."""
    try:
        return compute()
    except Exception as error:  # noqa: BLE001 - the errors of the engines have no common base
        raise InputError(f"frame cannot be read: {line_of(error)}") from None


def line_of(error: Exception) -> str:
    """Return the message of an error in one line."""
    return shown(" ".join(str(error).split()), 200)


def shown(text: Any, most: int = 60) -> str:
    """Return text, clipped."""
    return str(text) if len(str(text)) <= most else f"{str(text)[: most - 3]}..."
