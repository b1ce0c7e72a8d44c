"""Counts of values: against collections.Counter, and what is refused."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import ValueCounts

numbers = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e9, 1e9)), max_size=30)


def pairs(counts: ValueCounts) -> list[tuple[float, float]]:
    return list(zip(counts.value.tolist(), counts.count.tolist(), strict=True))


@given(numbers)
def test_every_value_is_counted_once(values: list[float]) -> None:
    counts = ValueCounts.from_arrays(np.array(values))
    assert pairs(counts) == sorted(Counter(values).items())
    assert ValueCounts.from_arrays(np.array(values[::-1])) == counts
    assert np.repeat(counts.value, counts.count.astype(int)).tolist() == sorted(values)


@given(numbers, numbers, numbers)
def test_adding_is_associative_commutative_and_has_a_zero(one: Any, two: Any, three: Any) -> None:
    a, b, c = (ValueCounts.from_arrays(np.array(part)) for part in (one, two, three))
    nobody = ValueCounts.from_arrays([])
    assert (a + b) + c == a + (b + c) == ValueCounts.from_arrays(np.array([*one, *two, *three]))
    assert a + nobody == a == nobody + a


def test_minus_zero_is_zero() -> None:
    assert pairs(ValueCounts.from_arrays([0.0, -0.0])) == [(0.0, 2.0)]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ValueCounts.from_arrays(3.0), "ValueCounts.from_arrays: values must be a list with one value a row, got 3.0"),
        (lambda: ValueCounts.from_arrays([[1.0]]), "ValueCounts.from_arrays: values must have one dimension, got shape (1, 1)"),
        (lambda: ValueCounts.from_arrays([np.nan]), "ValueCounts.from_arrays: values must be finite, got nan at index 0"),
        (
            lambda: ValueCounts(value=[1, 2], count=[1]),
            "ValueCounts: value and count must be equally long, got lengths 2 and 1",
        ),
        (lambda: ValueCounts(value=[1, 1], count=[1, 2]), "ValueCounts: value must ascend without repeats, got 1.0 at index 0"),
        (lambda: ValueCounts(value=[1, 2], count=[1, -2]), "ValueCounts: count must be >= 0, got -2.0 at index 1"),
        (lambda: ValueCounts(value=[1, 2], count=[1, 0.5]), "ValueCounts: count must be whole numbers of at most 2**53, got 0.5 at index 1"),
    ],
)  # fmt: skip
def test_what_cannot_be(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text
