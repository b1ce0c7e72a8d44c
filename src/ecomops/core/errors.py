"""The two exceptions of the library."""

from __future__ import annotations

from typing import Any

__all__ = ["ConvergenceError", "InputError"]


class InputError(ValueError):
    """What the caller passed cannot be used; the text says which argument, which value, and what to do.

    One line a problem. It is a ``ValueError``, so ``except ValueError`` catches it too.

    Examples
    --------
    >>> from ecomops.inventory import Normal
    >>> try:
    ...     Normal(mean=10, sd=-2)
    ... except InputError as error:
    ...     print(error)
    Normal: sd must be >= 0, got -2.0
    """

    prefix: str = ""
    """What every line begins with; a function that passes the error on puts its own name there instead."""


def named_error(name: str, text: str) -> InputError:
    """Return an error whose lines begin with the name of a function or class."""
    error = InputError(text)
    error.prefix = name
    return error


class ConvergenceError(RuntimeError):
    """A numerical method stopped before its answer was good enough.

    Parameters
    ----------
    message : str
        What was being solved and how far it came.
    last : object, optional
        The last iterate, so that the caller can look at it or start again from it.

    Examples
    --------
    >>> error = ConvergenceError("root of f: 50 steps were not enough", last=0.25)
    >>> error.last
    0.25
    """

    def __init__(self, message: str, last: Any = None) -> None:
        super().__init__(message)
        self.last = last

    def __reduce__(self) -> tuple[type[ConvergenceError], tuple[str, Any]]:
        """Keep the last iterate when the error crosses a process."""
        return type(self), (str(self), self.last)
