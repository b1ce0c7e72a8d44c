"""What numbers pass, what is refused and in which words, and what JSON holds."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from typing import Any

import hypothesis.extra.numpy as npst
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import (
    Count,
    Flags,
    Fraction,
    InputError,
    Labels,
    Model,
    NonNegative,
    Num,
    NumOrNan,
    Positive,
    PositiveWhole,
    Probability,
    Real,
    Rng,
    Texts,
    Unbounded,
    Vector,
    Whole,
    validated,
)


class Sample(Model):
    """A model with one field of each kind."""

    number: Num = 0.0
    positive: Positive = 1.0
    fraction: Fraction = 0.5
    count: Count = 1.0
    undefined: NumOrNan = 0.0
    unbounded: Unbounded = 0.0
    vector: Vector = (1.0,)
    whole: Whole = 1
    labels: Labels = ()
    flags: Flags = True
    texts: Texts = ""


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        (1.0, 2.0),
        range(1, 3),
        np.array([1, 2], dtype=np.int8),
        np.array([1, 2], dtype=">f4"),
        np.array([1.0, 9.0, 2.0])[::2],
        np.array([1, 2], dtype=object),
        pd.Series([1, 2]),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, 2], dtype="float64[pyarrow]"),
        pd.Index([1, 2]),
        pl.Series([1, 2]),
        pa.array([1, 2]),
        pa.chunked_array([[1], [2]]),
        [np.float64(1), np.int64(2)],
        [np.array(1.0), 2],
    ],
)
def test_what_holds_numbers_passes(value: Any) -> None:
    stored = Sample(number=value).number
    assert stored.dtype == np.float64
    assert stored.tolist() == [1.0, 2.0]
    assert not stored.flags.writeable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "must be a number or an array of numbers, got NoneType None"),
        ("5", "must be a number or an array of numbers, got str '5'"),
        (True, "must be a number or an array of numbers, got bool True"),
        ([True, 2], "must be numbers, got bool True at index 0"),
        ([1, "2"], "must be numbers, got str '2' at index 1"),
        (Decimal(1), "must be a number or an array of numbers, got Decimal Decimal('1')"),
        ([Decimal(1)], "must be numbers, got Decimal Decimal('1') at index 0"),
        (1j, "must be a number or an array of numbers, got complex 1j"),
        (datetime.date(2026, 1, 1), "must be a number or an array of numbers, got date datetime.date(2026, 1, 1)"),
        ([[1], [2, 3]], "must be rectangular, got rows of different lengths"),
        (10**400, "must be finite, got an integer too large for a float"),
        ([10**400], "must be finite, got an integer too large for a float"),
        (math.nan, "must be finite, got nan"),
        ([1.0, math.inf], "must be finite, got inf at index 1"),
        ([[1.0, 2.0], [3.0, math.nan]], "must be finite, got nan at index (1, 1)"),
        (pd.Series([1, None]), "must be finite, got nan at index 1"),
        (pl.Series([1, None]), "must be finite, got nan at index 1"),
        (pa.array([1, None]), "must be finite, got nan at index 1"),
        (pd.Series([True, False]), "must be numbers, got a column of booleans"),
        (
            pd.DataFrame({"a": [1]}),
            "must be an array of numbers, got a data frame; select a column, or pass its .to_numpy()",
        ),
        (
            pl.DataFrame({"a": [1]}),
            "must be an array of numbers, got a data frame; select a column, or pass its .to_numpy()",
        ),
        (np.ma.masked_array([1.0]), "must be a plain array, got a masked array; fill or drop the masked entries"),
        (np.array([True]), "must be numbers, got an array of bool"),
        (np.zeros((1, 1, 1)), "must have at most 2 dimensions, got shape (1, 1, 1)"),
        ([[[[[1]]]]], "must be nested at most 4 deep"),
    ],
)
def test_what_only_looks_like_numbers_is_refused(value: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Sample(number=value)
    assert str(caught.value) == f"Sample: number {text}"


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InputError, match="must be nested at most 4 deep"):
        Sample(number=endless)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("positive", 0, "must be > 0, got 0.0"),
        ("positive", [1, 0], "must be > 0, got 0.0 at index 1"),
        ("fraction", 1.5, "must be <= 1, got 1.5"),
        ("fraction", [[0.5, 0.2], [0.1, -0.1]], "must be >= 0, got -0.1 at index (1, 1)"),
        ("count", 1.5, "must be a whole number of at most 2**53, got 1.5"),
        ("count", [1, 2.5], "must be whole numbers of at most 2**53, got 2.5 at index 1"),
        ("count", 2.0**54, "must be a whole number of at most 2**53, got 1.8014398509481984e+16"),
        ("undefined", [math.nan, math.inf], "must be finite, got inf at index 1"),
        ("unbounded", [math.nan, math.inf], "must be finite, got nan at index 0"),
        ("vector", 3.0, "must be an array of at least 1 dimension(s), got 3.0"),
        ("vector", [], "must not be an empty sample, got shape (0,)"),
        ("whole", 1.5, "must be a whole number, got 1.5"),
        ("whole", True, "must be a whole number, got bool True"),
        ("whole", "1", "must be a whole number, got str '1'"),
        ("labels", [1, "a"], "must be names (str), got int 1 at index 0"),
        ("labels", [1.5], "must be names (str), got float 1.5 at index 0"),
        ("labels", "abc", "must be a one-dimensional list of names, got 'abc'"),
        ("flags", 1, "must be true or false, got 1"),
        ("texts", [1], "must be text or a list of texts, got [1]"),
    ],
)
def test_bounds_name_the_first_bad_value(field: str, value: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        Sample(**{field: value})
    assert str(caught.value) == f"Sample: {field} {text}"


def test_undefined_and_unbounded_where_a_field_says_so() -> None:
    made = Sample(undefined=[1.0, math.nan], unbounded=[math.inf, -math.inf])
    assert np.isnan(made.undefined[1])
    assert '"undefined":[1.0,null]' in made.model_dump_json()
    assert '"unbounded":["Infinity","-Infinity"]' in made.model_dump_json()
    assert Sample.model_validate_json(made.model_dump_json()) == made
    single = Sample(undefined=math.nan, unbounded=math.inf)
    assert Sample.model_validate_json(single.model_dump_json()) == single


@given(
    npst.arrays(
        np.float64, npst.array_shapes(max_dims=2, min_side=0), elements=st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_json_round_trip_is_exact(array: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    made = Sample(number=array)
    again = Sample.model_validate_json(made.model_dump_json())
    assert np.array_equal(again.number.ravel(), array.ravel())


def test_counts_are_integers_in_json() -> None:
    assert '"count":[1,2]' in Sample(count=[1.0, 2.0]).model_dump_json()


def test_stored_arrays_are_views_not_copies() -> None:
    source = np.array([1.0, 2.0])
    made = Sample(number=source)
    source[0] = 5.0
    assert made.number[0] == 5.0
    with pytest.raises(ValueError, match="read-only"):
        made.number[0] = 1.0


def test_schema_says_what_is_legal() -> None:
    schema = Sample.model_json_schema()["properties"]
    assert schema["positive"]["anyOf"][0] == {"type": "number", "exclusiveMinimum": 0}
    assert schema["fraction"]["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 1}
    assert schema["count"]["anyOf"][0] == {"type": "integer", "minimum": 0}
    assert {"enum": ["Infinity", "-Infinity"]} in schema["unbounded"]["anyOf"][0]["anyOf"]
    assert schema["whole"]["type"] == "integer"


@validated
def _draw(
    count: PositiveWhole, *, rng: Rng = None, scale: Real = 1.0, p: Probability = 0.5, q: NonNegative = 0.0
) -> Num:
    """Draw and use every scalar marker."""
    return scale * rng.random(count) + p + q


def test_generators_come_from_seeds() -> None:
    assert np.array_equal(_draw(3, rng=1), _draw(3, rng=1))
    assert np.array_equal(_draw(3, rng=np.random.default_rng(1)), _draw(3, rng=1))
    assert _draw(3).shape == (3,)
    with pytest.raises(InputError, match="_draw: rng must be a whole number, got str 'x'"):
        _draw(3, rng="x")
    with pytest.raises(InputError, match="_draw: rng must be >= 0, got -1"):
        _draw(3, rng=-1)
    with pytest.raises(InputError, match=r"_draw: scale must be one number, got \[1, 2\]"):
        _draw(3, scale=[1, 2])
    with pytest.raises(InputError, match=r"_draw: scale must be one number, got an array of shape \(2,\)"):
        _draw(3, scale=np.ones(2))
