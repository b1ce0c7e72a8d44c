"""Each check of the contract fails on something that breaks it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from tests import contract
from tests.contract import Public

from ecomops.core import InputError, Model, Num, NumOrNan, Rng, validated


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
