"""The base model: equality, labels, frames, pickles, JSON and messages."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import Field, model_validator

from ecomops.core import (
    Flags,
    InputError,
    Labels,
    Matrix,
    Model,
    NonNegative,
    Num,
    NumOrNan,
    Positive,
    Texts,
    Vector,
    check,
    replace,
)
from ecomops.core.messages import clipped


class Round(Model):
    """A round thing."""

    kind: Literal["Round"] = "Round"
    radius: Positive
    """Radius."""


class Square(Model):
    """A square thing."""

    kind: Literal["Square"] = "Square"
    side: Positive
    """Side."""


Shape = Annotated[Round | Square, Field(discriminator="kind")]


class Plan(Model):
    """A plan."""

    shape: Shape
    """Which shape."""
    low: NonNegative = 0.0
    """Least."""
    high: NonNegative = 1.0
    """Most."""
    tiers: tuple[Round, ...] = ()
    """Several."""

    @model_validator(mode="after")
    def _check(self) -> Plan:
        check(self.low <= self.high, "low must be <= high", self.low, self.high)
        return self


class Table(Model):
    """A result."""

    value: Num
    """Values."""
    good: Flags = True
    """Flags."""
    reason: Texts = ""
    """Reasons."""


class Curve(Model):
    """A curve."""

    time: Vector
    """Times."""
    level: Vector
    """Levels."""
    grid: Matrix
    """A grid."""


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "Plan: shape is missing"),
        ({"shape": {"kind": "Round", "radius": -1}}, "Plan: shape.radius must be > 0, got -1.0"),
        ({"shape": {"kind": "Oval"}}, "Plan: shape has kind 'Oval', must be one of 'Round', 'Square'"),
        ({"shape": {"radius": 1}}, "Plan: shape must be a model with a kind, got {'radius': 1}"),
        ({"shape": 3}, "Plan: shape must be a Round or Square, got int 3"),
        ({"shape": Round(radius=1), "size": 2}, "Plan: size is not one of its fields; remove it"),
        ({"shape": Round(radius=1), "low": [0, 3], "high": 2}, "Plan: low must be <= high, got 3.0 and 2.0 at index 1"),
        (
            {"shape": Round(radius=1), "low": [0, 3, 4], "high": [2, 1]},
            "Plan: shapes must broadcast, got low (3,), high (2,)",
        ),
        (
            {"shape": Round(radius=1), "tiers": [{"kind": "Round", "radius": 1}, {"kind": "Round", "radius": 0}]},
            "Plan: tiers[1].radius must be > 0, got 0.0",
        ),
    ],
)
def test_one_line_a_problem(given: dict[str, Any], text: str) -> None:
    for build in (lambda: Plan(**given), lambda: Plan.model_validate(given)):
        with pytest.raises(InputError) as caught:
            build()
        assert str(caught.value) == text


def test_several_problems_give_several_lines_and_no_flood() -> None:
    with pytest.raises(InputError) as caught:
        Plan.model_validate({f"field_{index}": 1 for index in range(1000)})
    lines = str(caught.value).split("\n")
    assert len(lines) == 21
    assert lines[-1] == "Plan: and 981 more problems"


@pytest.mark.parametrize("text", ["{", "[1]", "null", '{"value": NaN}', '{"value": 1e999}', '{"value": "1"}'])
def test_bad_json_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError, match=r"^Table: "):
        Table.model_validate_json(text)


def test_models_compare_by_value() -> None:
    assert Table(value=[1.0, 2.0]) == Table(value=[1.0, 2.0])
    assert Table(value=[1.0, 2.0]) != Table(value=[1.0, 3.0])
    assert Table(value=1.0) != Round(radius=1.0)
    assert Round(radius=1.0) != 1.0
    assert hash(Round(radius=1.0)) == hash(Round(radius=1))
    assert {Round(radius=1.0): 1}[Round(radius=1)] == 1
    with pytest.raises(TypeError):
        hash(Table(value=[1.0, 2.0]))


def test_models_are_frozen_and_copies_are_themselves() -> None:
    made = Table(value=[1.0, 2.0])
    with pytest.raises(ValueError, match="frozen"):
        made.value = 3.0
    assert copy.copy(made) is made
    assert copy.deepcopy(made) is made


def test_pickles_keep_labels_and_read_only_arrays() -> None:
    made = Table(value=pd.Series([1.0, 2.0], index=["a", "b"]))
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.to_frame().index.tolist() == ["a", "b"]
    assert not again.value.flags.writeable


def test_labels_come_back_in_the_frame() -> None:
    series = pd.Series([1.0, 2.0], index=["a", "b"])
    frame = Plan(shape=Round(radius=series), high=5).to_frame()
    assert frame.index.tolist() == ["a", "b"]
    assert frame["shape.radius"].tolist() == [1.0, 2.0]
    assert frame["shape.kind"].tolist() == ["Round", "Round"]
    assert replace(Table(value=series), reason="x").to_frame().index.tolist() == ["a", "b"]
    assert Table(value=pd.Series([1.0, 2.0])).to_frame().index.tolist() == [0, 1]


def test_different_indexes_are_refused() -> None:
    one, two = pd.Series([1.0, 2.0], index=["a", "b"]), pd.Series([1.0, 2.0], index=["b", "a"])
    with pytest.raises(InputError, match="Plan: two Series have different indexes; align them first"):
        Plan(shape=Round(radius=one), low=two, high=5)
    assert Plan(shape=Round(radius=one), low=one.copy(), high=5).batch_shape == (2,)


def test_frames_broadcast_and_spread_curves() -> None:
    frame = Table(value=[[1.0, 2.0], [3.0, 4.0]], reason="r").to_frame()
    assert frame["value"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert frame["reason"].tolist() == ["r"] * 4
    curve = Curve(time=[0, 1], level=[5, 6], grid=[[1, 2], [3, 4]])
    assert curve.to_frame()["level"].tolist() == [5.0, 6.0]
    assert [row.tolist() for row in curve.to_frame()["grid"]] == [[1.0, 2.0], [3.0, 4.0]]
    assert len(Table(value=1.0).to_frame()) == 1


def test_short_reprs() -> None:
    assert repr(Round(radius=1.23456789)) == "Round(radius=1.23457)"
    assert (
        repr(Table(value=np.arange(100.0)))
        == "Table(value=array(n=100, min=0, median=49.5, max=99), good=True, reason='')"
    )
    assert "tiers=(Round(radius=1), ... 9 in all)" in repr(Plan(shape=Round(radius=1), tiers=(Round(radius=1),) * 9))
    assert "array(shape=(7,))" in repr(Table(value=1.0, reason=["x"] * 7))
    assert "<th>value</th><td>1</td>" in Table(value=1.0)._repr_html_()


def test_a_huge_broadcast_is_refused() -> None:
    with pytest.raises(InputError, match="shapes broadcast to more than 100000000 elements"):
        Plan(shape=Round(radius=1), low=np.zeros((20000, 1)), high=np.ones(20000))


def test_replace_checks_again() -> None:
    with pytest.raises(InputError, match="Round: radius must be > 0, got -1.0"):
        replace(Round(radius=1), radius=-1)


def test_values_in_messages_are_short() -> None:
    class Awkward:
        def __repr__(self) -> str:
            raise RuntimeError

    assert clipped(Awkward()) == "<Awkward>"
    assert len(clipped("x" * 1000)) == 60
    assert clipped(pd.Series([1, 2])).count("\n") == 0
    assert "0x" not in clipped(object())
    assert clipped(np.float64(1.5)) == "1.5"


def test_nan_equals_nan() -> None:
    class Loose(Model):
        """Loose."""

        value: NumOrNan
        """Value."""

    assert Loose(value=math.nan) == Loose(value=math.nan)
    assert Loose(value=[math.nan, 1]) == Loose(value=[math.nan, 1])
    assert "all NaN" in repr(Loose(value=[math.nan] * 9))


class Sampled(Model):
    """A number and a sample a row."""

    value: Num
    """Values."""
    sample: Vector
    """Samples."""
    names: Labels = ()
    """Names."""


@pytest.mark.parametrize("sample", [[5.0, 6.0], [5.0, 6.0, 7.0]])
def test_a_sample_is_one_thing_a_row_however_long(sample: list[float]) -> None:
    frame = Sampled(value=[1, 2], sample=sample, names=["a", "b"]).to_frame()
    assert frame["value"].tolist() == [1.0, 2.0]
    assert [row.tolist() for row in frame["sample"]] == [sample, sample]
    assert frame["names"].tolist() == ["a", "b"]
    grid = Sampled(value=[[1, 2], [3, 4]], sample=[sample, sample]).to_frame()
    assert [row.tolist() for row in grid["sample"]] == [sample] * 4
    assert grid["value"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_curves_of_one_length_are_points_and_of_several_are_one_row() -> None:
    assert Sampled(value=1, sample=[5, 6], names=["a", "b"]).to_frame()["sample"].tolist() == [5.0, 6.0]
    one = Sampled(value=1, sample=[5, 6, 7], names=["a", "b"]).to_frame()
    assert len(one) == 1
    assert one["names"][0].tolist() == ["a", "b"]


def test_equal_models_hash_alike_even_where_a_number_is_undefined() -> None:
    class Undefined(Model):
        """May be undefined."""

        value: NumOrNan
        """Value."""

    one, other = (Undefined(value=float(text)) for text in ("nan", "-nan"))
    assert one == other
    assert len({one, other, Undefined(value=1.0)}) == 2
