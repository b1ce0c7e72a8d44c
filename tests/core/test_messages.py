"""One short line a problem, whatever was passed."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from ecomops.core import (
    Count,
    Flag,
    Flags,
    InputError,
    Labels,
    Model,
    Num,
    Positive,
    Text,
    Texts,
    Vector,
    check,
    validated,
)
from ecomops.core.messages import clipped, position


class Small(Model):
    """Small."""

    kind: Literal["Small"] = "Small"
    width: Positive
    """Width."""


class Large(Model):
    """Large."""

    kind: Literal["Large"] = "Large"
    note: Text = ""
    """Note."""


class Holder(Model):
    """Holds everything that can go wrong."""

    box: Annotated[Small | Large, Field(discriminator="kind")] = Small(width=1)
    """A union."""
    boxes: tuple[Small, ...] = ()
    """Several."""
    small: Small | None = None
    """A model."""
    number: Num = 0.0
    """A number."""
    names: Labels = ()
    """Names."""
    flag: Flag = True
    """A flag."""
    flags: Flags = True
    """Flags."""
    texts: Texts = ""
    """Texts."""
    color: Literal["red", "blue"] = "red"
    """A choice."""
    sample: Vector = (1.0,)
    """A sample."""
    count: Count = 0.0
    """A count."""


def text_of(**given: Any) -> str:
    with pytest.raises(InputError) as caught:
        Holder(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"color": "green"}, "color must be 'red' or 'blue', got 'green'"),
        ({"small": 5}, "small must be a Small, got int 5"),
        ({"small": {"width": 1, "Depth": 2}}, "small.Depth is not one of its fields; remove it"),
        ({"Number": 2}, "Number is not one of its fields; remove it"),
        ({"two words": 2}, "'two words' is not one of its fields; remove it"),
        ({"a\nb": 2}, "'a\\nb' is not one of its fields; remove it"),
        ({"f(x)[0]": 2}, "'f(x)[0]' is not one of its fields; remove it"),
        ({"boxes": [Small(width=1), {"width": -1}]}, "boxes[1].width must be > 0, got -1.0"),
        ({"boxes": 5}, "boxes: input should be a valid tuple, got 5"),
        ({"box": {"kind": "Small", "width": -1}}, "box.width must be > 0, got -1.0"),
        ({"box": {"kind": "Large", "note": 5}}, "box.note must be text, got int 5"),
        ({"box": {"kind": 5}}, "box has kind '5', must be one of 'Small', 'Large'"),
        ({"flag": "yes"}, "flag must be true or false, got str 'yes'"),
        ({"names": [["a"], ["b", "c"]]}, "names must be rectangular, got [['a'], ['b', 'c']]"),
        ({"names": 5}, "names must be a one-dimensional list of names, got 5"),
        ({"flags": [[True], [True, False]]}, "flags must be rectangular, got [[True], [True, False]]"),
        ({"texts": None}, "texts must be text or a list of texts, got None"),
    ],
)
def test_the_path_and_the_rule_are_named(given: dict[str, Any], text: str) -> None:
    assert text_of(**given) == f"Holder: {text}"


MILLION = 10**6
HUGE: list[tuple[str, Any]] = [
    ("number", ["x"] * MILLION),
    ("number", "x" * MILLION),
    ("number", b"x" * MILLION),
    ("number", dict.fromkeys(range(MILLION))),
    ("number", np.full(MILLION, np.nan)),
    ("number", pd.Series(["x"] * MILLION)),
    ("count", np.full(MILLION, 0.5)),
    ("names", [1.5] * MILLION),
    ("names", "x" * MILLION),
    ("flags", ["yes"] * MILLION),
    ("texts", [1] * MILLION),
    ("sample", [[1.0]] * (MILLION // 10) + [[1.0, 2.0]]),
    ("box", {"kind": "x" * MILLION}),
    ("color", "x" * MILLION),
    ("x" * MILLION, 1),
]


@pytest.mark.parametrize(("field", "value"), HUGE, ids=range(len(HUGE)))
def test_a_million_bad_rows_make_one_short_line_at_once(field: str, value: Any) -> None:
    started = time.process_time()
    text = text_of(**{field: value})
    assert time.process_time() - started < 5.0
    assert "\n" not in text
    assert len(text) < 300


def test_several_problems_are_several_lines_and_no_more_than_twenty() -> None:
    lines = text_of(number="x", color="green", **{f"field_{index}": 1 for index in range(100)}).split("\n")
    assert len(lines) == 21
    assert all(line.startswith("Holder: ") for line in lines)
    assert lines[-1] == "Holder: and 82 more problems"


@given(
    st.recursive(
        st.one_of(st.none(), st.text(), st.binary(), st.integers(), st.floats(), st.dates()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.sets(st.integers())),
        max_leaves=8,
    )
)
def test_whatever_is_shown_is_one_line_of_sixty_characters(value: Any) -> None:
    shown = clipped(value)
    assert len(shown) <= 60
    assert len(shown.splitlines()) <= 1


def test_short_forms() -> None:
    assert clipped([1] * 61) == clipped([1] * 10**5)
    assert clipped({1: 2}) == "{1: 2}"
    assert clipped(10**5000) == "<int>"
    assert clipped(np.array(2.5)) == "2.5"
    assert position((np.int64(3),)) == "3"
    assert position((1, 2)) == "(1, 2)"


class Plain(Model):
    """Rules that are written as plain exceptions keep their words, on one line."""

    value: Num
    """Value."""

    @model_validator(mode="after")
    def _check(self) -> Plain:
        if self.value > 1:
            message = f"too\nlarge {'x' * 1000}"
            raise ValueError(message)
        check(self.value >= 0, "value must be >= 0")
        return self


def test_words_of_plain_exceptions_are_cut_to_one_line() -> None:
    with pytest.raises(InputError) as caught:
        Plain(value=2)
    text = str(caught.value)
    assert text.startswith("Plain: too large xxx")
    assert "\n" not in text
    assert len(text) < 300
    with pytest.raises(InputError, match=r"^Plain: value must be >= 0$"):
        Plain(value=-1)


@validated
def area(box: Small, *, times: Positive = 1.0) -> Num:
    """Return an area."""
    return box.width * times


def _failure(width: float) -> InputError:
    """Return the error itself: what a pool sends back from another process."""
    try:
        area(Small(width=1), times=width)
    except InputError as error:
        return error
    raise AssertionError


def _area(box: Small) -> float:
    return float(area(box))


def _back(box: Small) -> Small:
    return box


def test_errors_and_models_cross_a_spawned_process() -> None:
    series = pd.Series([1.0, 2.0], index=["a", "b"])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        error = pool.apply(_failure, (-1.0,))
        assert pool.apply(_area, (Small(width=3),)) == 3.0
        again = pool.apply(_back, (Small(width=series),))
        with pytest.raises(InputError, match=r"^area: times must be > 0, got -2.0$"):
            pool.apply(area, (Small(width=1),), {"times": -2})
    assert type(error) is InputError
    assert str(error) == "area: times must be > 0, got -1.0"
    assert again == Small(width=series)
    assert again.to_frame().index.tolist() == ["a", "b"]
    assert not again.width.flags.writeable
    assert pickle.loads(pickle.dumps(InputError("x"))).args == ("x",)
