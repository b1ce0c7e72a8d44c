"""Binding, messages, floating-point errors, broadcasting and the model of a function's arguments."""

from __future__ import annotations

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest
from pydantic import Field

from ecomops.core import (
    ConvergenceError,
    Frame,
    InputError,
    Model,
    NonNegative,
    Num,
    Positive,
    PositiveWhole,
    Rng,
    Text,
    arguments,
    validated,
)


class Flat(Model):
    """Flat rate."""

    kind: Literal["Flat"] = "Flat"
    rate: Positive
    """Rate."""

    @validated
    def times(self, amount: Num) -> Num:
        """Multiply."""
        return self.rate * amount

    @classmethod
    @validated
    def unit(cls, rate: Positive) -> Flat:
        """Make one."""
        return cls(rate=rate)


class Steep(Model):
    """Steep rate."""

    kind: Literal["Steep"] = "Steep"
    slope: Positive
    """Slope."""


class Answer(Model):
    """An answer."""

    value: Num
    """Value."""


class Round(Model):
    """Round rate."""

    kind: Literal["Round"] = "Round"


Rate = Annotated[Flat | Steep, Field(discriminator="kind")]
AnyRate = Annotated[Flat | Steep | Round, Field(discriminator="kind")]


@validated
def priced(rate: AnyRate | None) -> Text:
    """Name the kind."""
    return "" if rate is None else rate.kind


@validated
def price(rate: Rate, *, units: NonNegative, divisor: Num = 2, note: Text = "", rng: Rng = None) -> Answer:
    """Return a price.

    Parameters
    ----------
    rate : Flat or Steep
        The rate.
    units, divisor : float
        Numbers, over
        two lines.
    note : str
        A note.
    rng : int, optional
        Seed.

    Returns
    -------
    Answer
        The answer.
    """
    factor = rate.rate if isinstance(rate, Flat) else rate.slope
    return Answer(value=factor * units / divisor)


@validated
def count_rows(frame: Frame, *, column: Text) -> Num:
    """Count rows."""
    return float(len(frame[column]))


@validated
def outer(units: Num, *, factor: Positive = 2.0) -> Answer:
    """Call another public function."""
    return price(Flat(rate=1), units=units, divisor=factor)


@validated
def total(*rates: Flat) -> Num:
    """Add up."""
    return sum(rate.rate for rate in rates)


@validated
def outermost(units: Num) -> Answer:
    """Call one that calls another."""
    return outer(units)


@validated
def planned(units: Num) -> Answer:
    """Refuse in its own words."""
    raise InputError("price is too high" if units else "")


@validated
def several(units: Num) -> Answer:
    """Make a result with two mistakes."""
    return Answer(size=units)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"units": -1}, "price: units must be >= 0, got -1.0"),
        ({"units": [1, -1]}, "price: units must be >= 0, got -1.0 at index 1"),
        ({"units": "1"}, "price: units must be a number or an array of numbers, got str '1'"),
        ({"units": 1, "note": b"x"}, "price: note must be text, got bytes b'x'"),
        ({"units": [1, 2], "divisor": [1, 2, 3]}, "price: shapes must broadcast, got units (2,), divisor (3,)"),
        (
            {"units": 1, "divisor": 0},
            "price: has no finite answer for these values (float division by zero); check their size and units",
        ),
        (
            {"units": [1, 2], "divisor": 0},
            "price: has no finite answer for these values (divide by zero encountered in divide); check their size and units",
        ),
        ({"units": 1e308, "divisor": 1e-10}, "price: value must be finite, got inf"),
    ],
)
def test_one_line_naming_function_and_argument(given: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        price(Flat(rate=1), **given)
    assert str(caught.value) == text


def test_paths_into_unions_and_positions() -> None:
    with pytest.raises(InputError, match=r"^price: rate\.rate must be > 0, got -1.0$"):
        price({"kind": "Flat", "rate": -1}, units=1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^price: rate has kind 'Round', must be one of 'Flat', 'Steep'$"):
        price({"kind": "Round"}, units=1)  # type: ignore[arg-type]
    assert price({"kind": "Steep", "slope": 4}, units=1).value == 2.0  # type: ignore[arg-type]


def test_wrong_or_missing_keywords_stay_type_errors() -> None:
    with pytest.raises(TypeError, match=r"price\(\) missing a required argument: 'units'"):
        price(Flat(rate=1))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"price\(\) got an unexpected keyword argument 'unit'"):
        price(Flat(rate=1), units=1, unit=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"price\(\) too many positional arguments"):
        price(Flat(rate=1), 1)  # type: ignore[misc]
    with pytest.raises(TypeError, match=r"^Steep\(\) takes its fields by name, such as Steep\(slope=\.\.\.\)$"):
        Steep(50)  # type: ignore[call-arg]


def test_what_is_no_model_of_a_union_is_told_which_there_are() -> None:
    for build in (price, arguments(price)):
        with pytest.raises(InputError, match=r"^price: rate must be a Flat or Steep, got float 0.1$"):
            build(rate=0.1, units=1)
    with pytest.raises(InputError, match=r"^price: rate must be a Flat or Steep, got float 0.1$"):
        price(0.1, units=1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^priced: rate must be a Flat, Steep or Round, got int 5$"):
        priced(5)  # type: ignore[arg-type]


def test_methods_name_their_class_and_broadcast_with_it() -> None:
    assert Flat(rate=2).times(3) == 6.0
    assert isinstance(Flat(rate=2).times(3), float)
    assert Flat(rate=[1, 2]).times(3).tolist() == [3.0, 6.0]
    assert Flat.unit(3).rate == 3.0
    with pytest.raises(InputError, match=r"^Flat\.times: shapes must broadcast, got amount \(3,\), Flat \(2,\)$"):
        Flat(rate=[1, 2]).times([1, 2, 3])
    with pytest.raises(InputError, match=r"^Flat\.unit: rate must be > 0, got 0.0$"):
        Flat.unit(0)


def test_floating_point_trouble_never_leaves_as_a_warning_or_nan() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rate, amount in ((1e308, 1e308), ([1e308], 1e308), ([1e308], [[1e308]])):
            with pytest.raises(InputError, match=r"^Flat\.times: has no finite answer"):
                Flat(rate=rate).times(amount)


def test_every_line_begins_with_the_function_that_was_called_and_no_other() -> None:
    with pytest.raises(InputError, match=r"^outer: units must be >= 0, got -1.0$"):
        outer(-1)
    with pytest.raises(InputError, match=r"^outer: value must be finite, got inf$"):
        outer(1e308, factor=1e-10)
    with pytest.raises(InputError, match=r"^planned: price is too high$"):
        planned(1)
    with pytest.raises(InputError) as caught:
        outermost(-1)
    assert str(caught.value) == "outermost: units must be >= 0, got -1.0"
    with pytest.raises(InputError) as lines:
        several(1)
    assert str(lines.value) == "several: value is missing\nseveral: size is not one of its fields; remove it"


def test_labels_travel_through_functions() -> None:
    series = pd.Series([1.0, 2.0], index=["a", "b"])
    assert price(Flat(rate=1), units=series).to_frame().index.tolist() == ["a", "b"]
    assert price(Flat(rate=series), units=1).to_frame().index.tolist() == ["a", "b"]
    with pytest.raises(InputError, match="price: two Series have different indexes"):
        price(Flat(rate=series), units=series[::-1])


def test_arguments_are_a_model_with_descriptions() -> None:
    model = arguments(price)
    assert arguments(price) is model
    schema = model.model_json_schema()
    assert schema["title"] == "PriceArguments"
    assert schema["description"] == "Return a price."
    assert schema["properties"]["units"]["description"] == "Numbers, over two lines."
    assert schema["properties"]["note"]["description"] == "A note."
    assert schema["required"] == ["rate", "units"]
    body = model.model_validate_json('{"rate": {"kind": "Flat", "rate": 4}, "units": [1, 2], "rng": 3}')
    assert body.call() == price(Flat(rate=4), units=[1, 2])
    assert model.model_validate_json(body.model_dump_json()) == body
    assert pickle.loads(pickle.dumps(body)) == body
    with pytest.raises(InputError, match="price: rate.rate must be > 0, got -4.0"):
        model.model_validate_json('{"rate": {"kind": "Flat", "rate": -4}, "units": 1}')


def test_arguments_say_what_has_no_json_form() -> None:
    with pytest.raises(
        InputError, match="arguments: count_rows takes a frame or callable as 'frame', which has no JSON form"
    ):
        arguments(count_rows)
    with pytest.raises(InputError, match="arguments: function must be a public function of ecomops"):
        arguments(len)
    for method, name in ((Flat.times, "times"), (Flat(rate=1).times, "times"), (Flat.unit, "unit")):
        text = f"arguments: Flat.{name} is a method, which has no JSON form; read its model from JSON and call it"
        with pytest.raises(InputError) as caught:
            arguments(method)
        assert str(caught.value) == text
    with pytest.raises(InputError) as caught:
        arguments(total)
    assert str(caught.value) == (
        "arguments: total takes any number of 'rates', which has no JSON form; read each from JSON as its model and call "
        "total with them"
    )
    with pytest.raises(InputError, match="rng must be an integer seed here: a random generator has no JSON form"):
        arguments(price)(rate=Flat(rate=1), units=1, rng=np.random.default_rng(1))


def test_first_calls_from_many_threads_agree() -> None:
    @validated
    def double(value: PositiveWhole) -> Num:
        """Double."""
        return 2.0 * value

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(double, range(1, 65))) == [2.0 * value for value in range(1, 65)]


def test_frames_pass_untouched() -> None:
    assert count_rows(pd.DataFrame({"a": [1, 2]}), column="a") == 2.0


def test_convergence_errors_keep_their_last_iterate() -> None:
    error = pickle.loads(pickle.dumps(ConvergenceError("no root", last=0.5)))
    assert error.last == 0.5
    assert str(error) == "no root"
