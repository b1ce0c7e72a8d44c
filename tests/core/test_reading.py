"""Columns and scalars of every library as numbers, names, flags and texts: what passes and what only looks like it."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ecomops.core import (
    Column,
    Flags,
    InputError,
    Labels,
    Matrix,
    Model,
    NonNegative,
    Num,
    NumOrNan,
    Real,
    Texts,
    Unbounded,
    Vector,
    Whole,
    check,
    validated,
)
from ecomops.core.reading import column_array


class Numbers(Model):
    """Numbers of several kinds."""

    number: Num = 0.0
    gaps: NumOrNan = 0.0
    unbounded: Unbounded = 0.0
    scalar: Real = 0.0
    whole: Whole = 1
    matrix: Matrix = ((0.0,),)
    column: Column | None = None


class Words(Model):
    """Names, flags and texts, each on its own."""

    names: Labels | None = None
    flags: Flags = True
    texts: Texts = ""


def text_of(call: Any) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value).split(": ", 1)[1]


SCALARS = [np.int8(3), np.uint64(3), np.float16(3), np.float32(3), np.longdouble(3), np.intp(3), np.array(3.0), 3]


@pytest.mark.parametrize("value", SCALARS, ids=[type(value).__name__ for value in SCALARS])
def test_numpy_scalars_are_plain_floats(value: Any) -> None:
    for field in ("number", "scalar", "gaps", "unbounded"):
        stored = getattr(Numbers(**{field: value}), field)
        assert (type(stored), stored) == (float, 3.0)
    if not isinstance(value, np.ndarray):
        stored_whole = Numbers(whole=value).whole
        assert (type(stored_whole), stored_whole) == (int, 3)


NULLABLE = ["Int8", "UInt64", "Float32", "Float64", "int64[pyarrow]", "double[pyarrow]", "object"]


@pytest.mark.parametrize("dtype", NULLABLE)
def test_nullable_columns_hold_numbers_and_gaps(dtype: str) -> None:
    assert Numbers(number=pd.Series([1, 2], dtype=dtype)).number.tolist() == [1.0, 2.0]
    gap = pd.Series([1, None, 3], dtype=dtype)
    assert text_of(lambda: Numbers(number=gap)) == "number must be finite, got nan at index 1"
    found = Numbers(gaps=gap).gaps
    assert (found[0], math.isnan(found[1]), found[2]) == (1.0, True, 3.0)


def test_columns_pass_where_numbers_may_be_unbounded() -> None:
    for column in (pd.Series([1.0, math.inf]), pl.Series([1.0, math.inf]), pa.array([1.0, math.inf])):
        assert Numbers(unbounded=column).unbounded.tolist() == [1.0, math.inf]


LOOKS = {
    "text of digits": (pd.Series(["5", "6"], dtype=object), "must be numbers, got str '5' at index 0"),
    "pandas text": (pd.Series(["5", "6"]), "must be numbers, got str '5' at index 0"),
    "categories of text": (pd.Series(["5"], dtype="category"), "must be numbers, got str '5' at index 0"),
    "polars text": (pl.Series(["5"]), "must be numbers, got str '5' at index 0"),
    "arrow text": (pa.array(["5"]), "must be numbers, got str '5' at index 0"),
    "index of text": (pd.Index(["5"]), "must be numbers, got str '5' at index 0"),
    "booleans among objects": (pd.Series([2, True], dtype=object), "must be numbers, got bool True at index 1"),
    "pandas booleans": (pd.Series([True, None], dtype="boolean"), "must be numbers, got a column of booleans"),
    "arrow booleans in pandas": (pd.Series([True, None], dtype="bool[pyarrow]"), "must be numbers, got a column of booleans"),
    "decimals among objects": (pd.Series([Decimal(1)]), "must be numbers, got Decimal Decimal('1') at index 0"),
    "polars decimals": (pl.Series([Decimal(1)]), "must be numbers, got Decimal Decimal('1') at index 0"),
    "arrow decimals": (pa.array([Decimal(1)]), "must be numbers, got Decimal Decimal('1') at index 0"),
    "zoned times": (
        pd.Series(pd.to_datetime(["2026-01-01"]).tz_localize("UTC")),
        "must be numbers, got Timestamp Timestamp('2026-01-01 00:00:00+0000', tz='UTC') at index 0",
    ),
    "times": (pl.Series([dt.time(1)]), "must be numbers, got time datetime.time(1, 0) at index 0"),
    "pairs": (pd.MultiIndex.from_tuples([(1, 2)]), "must be one number a row, got (1, 2) at index 0"),
    "lists in polars": (pl.Series([[1, 2], [3, 4]]), "must be one number a row, got array([1, 2]) at index 0"),
    "large integers": (pd.Series([1, 10**400], dtype=object), "must be finite, got an integer too large for a float"),
    "lists in an array": (np.array([[1, 2], [3]], dtype=object), "must be rectangular, got rows of different lengths"),
    "complex": (pd.Series([1j]), "must be numbers, got an array of complex128"),
    "long doubles": (np.array(["1", "1e4000"], dtype=np.longdouble), "must be finite, got inf at index 1"),
    "one long double": (np.longdouble("1e4000"), "must be finite, got inf"),
    "missing": (pd.NA, "must be a number or an array of numbers, got NAType <NA>"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(LOOKS))
def test_columns_that_only_look_like_numbers_are_refused(name: str) -> None:
    value, text = LOOKS[name]
    for field in ("number", "gaps", "unbounded"):
        if "double" not in name or field != "unbounded":
            assert text_of(lambda field=field: Numbers(**{field: value})) == f"{field} {text}"


def test_a_frame_is_told_what_fits_the_argument() -> None:
    """Where a table would do, its array; where one column or one number is wanted, a column."""
    for frame in (pd.DataFrame({"a": [1.0]}), pl.DataFrame({"a": [1.0]})):
        for field in ("matrix", "number", "gaps"):
            text = "must be an array of numbers, got a data frame; select a column, or pass its .to_numpy()"
            assert text_of(lambda frame=frame, field=field: Numbers(**{field: frame})) == f"{field} {text}"
        for field in ("column", "scalar"):
            text = "must be one column of numbers, got a data frame; select a column"
            assert text_of(lambda frame=frame, field=field: Numbers(**{field: frame})) == f"{field} {text}"


def test_an_array_of_equal_lists_is_refused() -> None:
    lists = np.empty(2, dtype=object)
    lists[0], lists[1] = [1, 2], [3, 4]
    assert text_of(lambda: Numbers(number=lists)) == "number must be numbers, got an array of lists"


class Broken:
    """A column whose library fails."""

    def to_numpy(self, **_: Any) -> Any:
        message = "the disk\nis full"
        raise OSError(message)


def test_a_column_that_cannot_be_read_is_one_line() -> None:
    expected = "cannot be read as an array ('the disk\\nis full'), got Broken"
    for model, field in ((Numbers, "number"), (Words, "names"), (Words, "flags"), (Words, "texts")):
        assert text_of(lambda model=model, field=field: model(**{field: Broken()})) == f"{field} {expected}"
    wide = pl.Series([2**100], dtype=pl.Int128)
    assert text_of(lambda: Numbers(number=wide)).startswith("number cannot be read as an array (")
    assert column_array(pa.array([1, 2])).tolist() == [1, 2]


@pytest.mark.parametrize(
    "values", [pd.Series(["a", "b"]), pl.Series(["a", "b"]), pa.array(["a", "b"]), np.array(["a", "b"]), ["a", "b"]]
)
def test_names_of_every_library(values: Any) -> None:
    found = Words(names=values).names
    assert (found.dtype, found.tolist()) == (object, ["a", "b"])


WRONG_WORDS = [
    ("names", np.array([2**63], dtype=np.uint64), "must be whole numbers below 2**63, got 9223372036854775808; make them text"),
    ("names", pl.Series([2**63], dtype=pl.UInt64), "must be whole numbers below 2**63, got 9223372036854775808; make them text"),
    ("names", [1, True], "must be names (str) or whole numbers, got a boolean in [1, True]"),
    ("names", np.array([True]), "must be names (str) or whole numbers, got an array of bool"),
    ("names", np.array([1.5]), "must be names (str) or whole numbers, got an array of float64"),
    ("names", ["a", object()], "must be names (str), got object <object object> at index 1"),
    ("names", pd.Series(["a", np.nan], dtype=object), "must be names (str), got float nan at index 1"),
    ("names", pd.DataFrame({"a": ["x"]}), "must be one column, got a data frame; select a column"),
    ("names", pl.DataFrame({"a": ["x"]}), "must be one column, got a data frame; select a column"),
    ("names", np.ma.masked_array([1, 2], mask=[0, 1]), "must be a plain array, got a masked array; fill or drop the masked entries"),
    ("flags", pd.DataFrame({"a": [True]}), "must be one column, got a data frame; select a column"),
    ("flags", np.ma.masked_array([True], mask=[1]), "must be a plain array, got a masked array; fill or drop the masked entries"),
    ("flags", pd.Series([True, None], dtype="boolean"), "must be true or false, got 0 True 1 <NA> dtype: boolean"),
    ("flags", np.ones((1, 1, 1), dtype=bool), "must be true or false, got array([[[ True]]])"),
    ("texts", pl.Series(["a", None]), "must be text or a list of texts, got shape: (2,) Series: '' [str] [ \"a\" null ]"),
    ("texts", np.full((1, 1, 1), "a"), "must be text or a list of texts, got array([[['a']]], dtype='<U1')"),
    ("whole", 2**53 + 1, "must be at most 2**53, got 9007199254740993"),
    ("whole", 1e300, f"must be at most 2**53, got {str(int(1e300))[:57]}..."),
    ("whole", math.inf, "must be a whole number, got inf"),
    ("matrix", [1.0, 2.0], "must have at least 2 dimension(s), got shape (2,)"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "text"), WRONG_WORDS, ids=range(len(WRONG_WORDS)))
def test_words_that_are_refused(field: str, value: Any, text: str) -> None:
    model = Numbers if field in Numbers.model_fields else Words
    assert text_of(lambda: model(**{field: value})) == f"{field} {text}"


def test_schemas_of_gaps_and_scalars() -> None:
    schema = Numbers.model_json_schema()["properties"]
    assert schema["gaps"]["anyOf"][0] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert schema["column"]["anyOf"][0] == {"type": "array", "items": {"type": "number"}}
    assert schema["scalar"] == {"default": 0.0, "title": "Scalar", "type": "number"}
    assert schema["matrix"]["anyOf"][0] == {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}


@pytest.mark.parametrize(
    ("condition", "values", "text"),
    [
        (False, (2.0,), "rule, got 2.0"),
        (False, (), "rule"),
        ([True, False], ([1.0, 2.0], 3.0), "rule, got 2.0 and 3.0 at index 1"),
        ([[True, True], [True, False]], ([1.0, 2.0], [[3.0], [4.0]]), "rule, got 2.0 and 4.0 at index (1, 1)"),
        ([True, False], ([[1.0, 2.0], [3.0, 4.0]],), "rule, got array([[1., 2.], [3., 4.]]) at index 1"),
    ],
)
def test_the_first_row_that_breaks_a_rule_is_shown(condition: Any, values: tuple[Any, ...], text: str) -> None:
    with pytest.raises(ValueError, match="rule") as caught:
        check(np.asarray(condition), "rule", *map(np.asarray, values))
    assert str(caught.value) == text
    check(np.ones(2, dtype=bool), "rule", 1.0)
    check(np.ones(0, dtype=bool), "rule")


@validated
def product(one: Num, *, two: Num = 1.0, sample: Vector = (1.0,), flags: Flags = True) -> Num:
    """Return a product."""
    return np.asarray(one) * two * np.sum(sample, axis=-1) * np.asarray(flags)


def test_rows_beside_a_column_are_refused_before_they_fill_the_memory() -> None:
    """A megabyte of JSON that asks for 1e10 numbers."""
    many = np.ones(100_000)
    for given in ({"two": many}, {"flags": many > 0}, {"sample": np.ones((100_000, 1))}):
        text = text_of(lambda given=given: product(many[:, None], **given))
        assert text.startswith("shapes broadcast to more than 100000000 elements, got one (100000, 1), ")
    assert product(np.ones((3, 1)), two=np.ones(3)).shape == (3, 3)
    assert product(np.ones((2, 1)), two=many).shape == (2, 100_000)
    assert text_of(lambda: product(np.ones((3, 1, 1)), two=np.ones(3))).startswith("one must have at most 2 dimensions")


def test_series_with_different_indexes_are_refused_everywhere() -> None:
    one, two = pd.Series([1.0, 2.0], index=["a", "b"]), pd.Series([1.0, 2.0], index=["b", "c"])
    expected = "two Series have different indexes; align them first (Series.reindex)"
    assert text_of(lambda: product(one, two=two)) == expected
    assert text_of(lambda: Numbers(number=one, gaps=two)) == expected
    assert text_of(lambda: product(one, two=two.sort_index(ascending=False))) == expected
    assert product(one, two=two.set_axis(one.index)).tolist() == [1.0, 4.0]
    assert product(one, two=two.to_numpy()).tolist() == [1.0, 4.0]


class Treacherous:
    """An object whose attributes raise what is no AttributeError."""

    @property
    def to_numpy(self) -> Any:
        message = "deep"
        raise RecursionError(message)


def test_an_argument_that_raises_when_looked_at_is_one_line() -> None:
    assert text_of(lambda: product(Treacherous())) == "an argument cannot be read (deep)"


@validated
def bare(value: NonNegative) -> Num:
    return value


@validated
def briefly(value: NonNegative) -> Num:
    """Return the value.

    Parameters
    ----------
    value : float
        A number.
    """
    return value


def test_a_function_without_a_docstring_has_arguments_all_the_same() -> None:
    from ecomops.core import Frame, arguments

    assert arguments(bare)(value=2).call() == 2.0
    model = arguments(briefly)
    assert model.model_json_schema()["properties"]["value"]["description"] == "A number."
    assert "frame" in repr(Frame)
