"""Codes of values: against numpy's own, over every kind of whole number, text and engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.making import ENGINES, frame_of

from ecomops.core import InputError, frames

KINDS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def same_as_numpy(values: Any) -> None:
    codes, distinct = frames.factorize(values)
    expected, places = np.unique(values, return_inverse=True)
    assert codes.dtype == np.intp
    assert codes.tolist() == places.tolist()
    assert distinct.tolist() == expected.tolist()
    assert distinct.dtype == values.dtype


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_whole_numbers_of_every_width(kind: str, data: st.DataObject) -> None:
    limits = np.iinfo(kind)
    near = st.integers(limits.min, limits.min + 40) | st.integers(limits.max - 40, limits.max)
    some = data.draw(st.sampled_from([near, st.integers(limits.min, limits.max), st.integers(0, 5)]))
    same_as_numpy(np.array(data.draw(st.lists(some, min_size=1, max_size=60)), dtype=kind))


@given(st.lists(st.booleans(), max_size=9) | st.lists(st.floats(-9, 9), max_size=9))
def test_flags_and_decimals(values: list[Any]) -> None:
    same_as_numpy(np.array(values, dtype=float if not values or isinstance(values[0], float) else bool))


@given(st.lists(st.text(max_size=3), min_size=1, max_size=40))
def test_text_is_sorted_as_python_sorts_it(values: list[str]) -> None:
    codes, distinct = frames.factorize(np.array(values, dtype=object))
    assert distinct.tolist() == sorted(set(values))
    assert distinct[codes].tolist() == values


def test_a_value_that_comes_late_and_one_that_never_comes() -> None:
    late = np.array([0, 2] * 4000 + [5], dtype=np.int64)
    same_as_numpy(late)
    same_as_numpy(late + 10**15)


@pytest.mark.parametrize("engine", [*ENGINES])
@pytest.mark.parametrize("repeats", [1, 30])
def test_engines_code_text_alike(engine: str, repeats: int) -> None:
    names = ["control", "实验", "b", "control", "ä"] * repeats
    frame = frame_of(engine, {"arm": names, "x": np.arange(len(names))})
    codes, distinct = frames.read(frame, {"by": "arm"}, coded=("by",))["by"]
    assert distinct.tolist() == ["b", "control", "ä", "实验"]
    assert distinct[codes].tolist() == names


@pytest.mark.parametrize("kind", ["category", "object", "string"])
def test_a_category_that_no_row_has_is_no_value(kind: str) -> None:
    frame = pd.DataFrame({"arm": pd.Series(["b", "a", "b"], dtype=kind)})
    if kind == "category":
        frame["arm"] = frame["arm"].cat.add_categories(["never"])
    codes, distinct = frames.read(frame, {"by": "arm"}, coded=("by",))["by"]
    assert (codes.tolist(), distinct.tolist()) == ([1, 0, 1], ["a", "b"])


def test_arrow_dictionaries_lose_what_no_row_has() -> None:
    pa = pytest.importorskip("pyarrow")
    array = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2]), pa.array(["b", "never", "a"]))
    codes, distinct = frames.read(pa.table({"arm": array}), {"by": "arm"}, coded=("by",))["by"]
    assert (codes.tolist(), distinct.tolist()) == ([0, 1, 0], ["a", "b"])


@pytest.mark.parametrize("values", [["a", None], ["a", 1], [1, True], ["a", ["b"]]])
def test_what_is_no_name_is_refused_when_it_is_coded(values: list[Any]) -> None:
    frame = pd.DataFrame({"arm": pd.Series(values, dtype=object)})
    with pytest.raises(InputError, match="by must"):
        frames.read(frame, {"by": "arm"}, coded=("by",))


def test_numbers_are_read_without_a_copy_and_cannot_be_written() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1, 2]})
    found = frames.read(frame, {"x": "x", "y": "y"})
    for values in found.values():
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 3
