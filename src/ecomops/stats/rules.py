"""Rules between arguments in the body of a function, with the first row that breaks them."""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticCustomError

from ecomops.core import check
from ecomops.core.errors import InputError


def require(holds: Any, rule: str, *values: Any) -> None:
    """Raise an InputError with the rule, the first bad values and their index where ``holds`` is False."""
    try:
        check(holds, rule, *values)
    except PydanticCustomError as error:
        raise InputError(error.message()) from None
