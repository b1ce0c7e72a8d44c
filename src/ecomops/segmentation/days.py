"""`Day`: a calendar day however it is written, as days since 1970-01-01."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import numpy as np

from ecomops.core.markers import Plain, whole
from ecomops.core.messages import clipped
from ecomops.core.reading import refuse

ORIGIN = datetime.date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = datetime.date.min.toordinal() - ORIGIN, datetime.date.max.toordinal() - ORIGIN


def _day(value: Any) -> int:
    """Read a day: a date, a time at midnight without a zone, ISO text, or days since 1970-01-01."""
    if isinstance(value, str):
        try:
            value = datetime.date.fromisoformat(value)
        except ValueError:
            raise refuse(f"must be a date such as '2026-03-31', got {clipped(value)}") from None
    # The missing time of pandas is the one time that differs from itself.
    if isinstance(value, datetime.date) and value == value:  # noqa: PLR0124
        if isinstance(value, datetime.datetime) and (value.tzinfo is not None or value.time() != datetime.time()):
            raise refuse(f"must be a day without a time or zone, got {value.isoformat()}; use its date")
        return value.toordinal() - ORIGIN
    if not isinstance(value, int | np.integer | float | np.floating) or isinstance(value, bool):
        raise refuse(
            f"must be a date such as '2026-03-31' or days since 1970-01-01, got {type(value).__name__} {clipped(value)}"
        )
    number = whole(None)(value)
    if not FIRST_DAY <= number <= LAST_DAY:
        raise refuse(
            f"must be at most {LAST_DAY} days since 1970-01-01 (the year 9999) and at least {FIRST_DAY} (the year 1),"
            f" got {number}; write a date as text, such as '2026-03-31'"
        )
    return number


Day = Annotated[Any, Plain(_day, {"anyOf": [{"type": "string", "format": "date"}, {"type": "integer"}]})]
