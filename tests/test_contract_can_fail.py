"""Each check of the contract fails on something that breaks it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from tests import contract
from tests.contract import Public

from ecomops.core import Count, Frame, InputError, Model, Num, NumOrNan, Positive, Real, Rng, validated


def good(value: Num) -> Num:
    """Return the value.

    Parameters
    ----------
    value : float
        A number.

    Returns
    -------
    float
        The same number.

    Examples
    --------
    >>> 1 + 1
    2
    """
    return value


class Forgetful(Model):
    """Loses its value."""

    value: Num
    """Value."""

    def model_dump_json(self, **_: Any) -> str:
        return '{"value": 2.0}'


class Box(Model):
    """A box."""

    width: Positive
    """Width."""
    height: Positive = 1.0
    """Height."""

    @validated
    def area(self) -> Num:
        """Return the area."""
        return self.width * self.height

    @validated
    def leaky_area(self) -> Num:
        """Look at the neighbours."""
        return np.min(self.width) * self.height + 0.0 * self.width


def public(function: Any) -> Public:
    return Public(f"core.{function.__name__}", validated(function), None)


def test_the_good_one_passes() -> None:
    contract.check_documented(good)
    contract.check_annotated(good)
    contract.check_validated(validated(good))
    one = public(good)
    contract.check_deterministic(one, (1.0,), {})
    contract.check_does_not_mutate(one, ([1.0],), {})
    contract.check_scalar_is_vector(one, (1.0,), {})
    contract.check_arguments(one, (1.0,), {})
    for name, value, args, kwargs in contract.hostile_calls(one, (1.0,), {}):
        contract.check_hostile(one, name, value, args, kwargs)


@pytest.mark.parametrize(
    "missing", ["Return the value.", "Parameters\n    ----------", "value : float", "Returns\n    -------", ">>> 1 + 1"]
)
def test_documentation_can_fail(missing: str) -> None:
    def bad(value: Num) -> Num:
        return value

    bad.__doc__ = (good.__doc__ or "").replace(missing, "")
    with pytest.raises(AssertionError):
        contract.check_documented(bad)


def test_annotations_can_fail() -> None:
    def bare(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return value

    def lax(value: float) -> Num:
        return value

    for function in (bare, lax):
        with pytest.raises(AssertionError):
            contract.check_annotated(function)
    with pytest.raises(AssertionError):
        contract.check_validated(good)


def test_determinism_can_fail() -> None:
    state = [0.0]

    def counting(value: Num) -> Num:
        state[0] += 1.0
        return value + state[0]

    with pytest.raises(AssertionError):
        contract.check_deterministic(public(counting), (1.0,), {})


def test_seeded_randomness_is_deterministic() -> None:
    def drawn(value: Num, rng: Rng = None) -> Num:
        return value + rng.random()

    contract.check_deterministic(public(drawn), (1.0,), {})


def test_mutation_can_fail() -> None:
    def writing(value: Num) -> Num:
        value.flags.writeable = True
        value[0] = 5.0
        return value

    with pytest.raises(AssertionError):
        contract.check_does_not_mutate(public(writing), (np.array([1.0, 2.0]),), {})


def test_scalar_and_vector_can_differ() -> None:
    def total(value: Num) -> Num:
        return np.asarray(value) / np.sum(value)

    with pytest.raises(AssertionError):
        contract.check_scalar_is_vector(public(total), (2.0,), {})


def test_rows_that_look_at_their_neighbours_are_seen() -> None:
    """Each gives the right answer to two equal rows, so only unequal ones tell."""

    def least(value: Num) -> Num:
        return np.min(value) + 0.0 * np.asarray(value)

    def fewest(value: Count) -> Num:
        return np.min(value) + 0.0 * np.asarray(value)

    def at_most(value: Num) -> Num:
        if np.any(np.asarray(value) < 2.0):
            raise InputError("value must be >= 2")
        return np.max(value) + 0.0 * np.asarray(value)

    def narrowest(box: Box, *, factor: Num = 1.0) -> Num:
        return np.min(box.width) * factor * box.height + 0.0 * box.width

    for function, args in ((least, (2.0,)), (fewest, (1,)), (at_most, (2.0,)), (narrowest, (Box(width=2.0),))):
        with pytest.raises(AssertionError, match="an element of the vector answer"):
            contract.check_scalar_is_vector(public(function), args, {})
    method = Public("core.Box.leaky_area", Box.leaky_area, Box)
    with pytest.raises(AssertionError, match="an element of the vector answer"):
        contract.check_scalar_is_vector(method, (Box(width=2.0),), {})
    contract.check_scalar_is_vector(Public("core.Box.area", Box.area, Box), (Box(width=2.0),), {})


def test_a_function_of_one_model_may_refuse_several() -> None:
    def one(box: Box, *, factor: Num) -> Num:
        if box.batch_shape:
            raise InputError("box must be one box")
        return box.width * factor

    contract.check_scalar_is_vector(public(one), (Box(width=2.0),), {"factor": 3.0})


def test_figures_are_compared_by_what_they_show() -> None:
    figure = pytest.importorskip("matplotlib.figure")
    one, again, other = (figure.Figure(figsize=(1, 1)).add_subplot() for _ in range(3))
    other.plot([0, 1], [0, 1])
    assert contract.same(one, again)
    assert not contract.same(one, other)


def test_results_can_fail() -> None:
    with pytest.raises(AssertionError):
        contract.check_result(Forgetful(value=1.0))


def test_bad_answers_are_seen() -> None:
    class Loose(Model):
        """May be NaN without a reason."""

        value: NumOrNan
        """Value."""

    for answer in (Loose(value=np.nan), Loose(value=[1.0, np.nan]), np.nan, np.array([1.0, np.inf])):
        with pytest.raises(AssertionError):
            contract.check_sound(answer, "planted")


def test_foreign_exceptions_warnings_and_nameless_lines_are_seen() -> None:
    def foreign(value: Num) -> Num:
        return [value][int(value)]

    def warning(value: Num) -> Num:
        warnings.warn("look out", UserWarning, stacklevel=1)
        return value

    def nameless(value: Num) -> Num:
        raise InputError(str(value))

    for function in (foreign, warning):
        with pytest.raises(AssertionError, match="a foreign exception"):
            contract.check_hostile(public(function), "value", 5.0, (5.0,), {})
    one = Public("core.nameless", nameless, None)
    with pytest.raises(AssertionError, match="each line names the function"):
        contract.check_hostile(one, "value", 5.0, (5.0,), {})


def test_arguments_can_fail() -> None:
    calls = [0.0]

    def counting(value: Num) -> Num:
        """Count."""
        calls[0] += 1.0
        return value + calls[0]

    with pytest.raises(AssertionError):
        contract.check_arguments(public(counting), (1.0,), {})


def test_what_has_no_json_form_must_be_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def several(*values: Num) -> Num:
        return sum(values)

    def framed(frame: Frame) -> Real:
        return float(len(frame))

    method = Public("core.Box.area", Box.area, Box)
    for one in (public(several), public(framed), method):
        contract.check_arguments(one, (), {})

    def silent(function: Any) -> Any:
        return Box

    def vague(function: Any) -> Any:
        raise InputError("arguments: no")

    def nameless(function: Any) -> Any:
        raise InputError("this has no JSON form")

    def long(function: Any) -> Any:
        raise InputError("arguments: it has no JSON form\narguments: at all")

    for planted, text in ((silent, "has no model"), (vague, "says why"), (nameless, "names"), (long, "one line")):
        monkeypatch.setattr(contract, "arguments", planted)
        for one in (public(several), public(framed), method):
            with pytest.raises(AssertionError, match=text):
                contract.check_arguments(one, (), {})
