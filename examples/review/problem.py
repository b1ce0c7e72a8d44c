"""What stops a review: one clear line for the person who ran it."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - it is told to a person, not caught as an error
    """The input cannot be used; the text says which and what to do."""
