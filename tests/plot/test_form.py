"""The form of the figures: the part of the contract that holds for functions that return axes."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from tests.contract import check_annotated, check_documented, check_validated

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from ecomops import plot
from ecomops.core import InputError

FUNCTIONS = [getattr(plot, name) for name in plot.__all__]
every = pytest.mark.parametrize("function", FUNCTIONS, ids=plot.__all__)


def test_names_are_listed_in_order() -> None:
    assert plot.__all__ == sorted(plot.__all__)


@every
def test_form(function: Callable[..., Any]) -> None:
    check_documented(function)
    check_annotated(function)
    check_validated(function)
    parameters = inspect.signature(function).parameters
    subject, *others = parameters.values()
    assert subject.default is inspect.Parameter.empty, "the result to draw comes first"
    assert all(part.kind is inspect.Parameter.KEYWORD_ONLY for part in others), "everything else by keyword"
    assert parameters["ax"].default is None


@every
@pytest.mark.parametrize("value", [None, 5, "x", [], {}, object()], ids=lambda value: type(value).__name__)
def test_what_is_no_result_is_refused_in_one_line(function: Callable[..., Any], value: Any) -> None:
    needed = {
        name: {"age_at_last_purchase": 1, "horizon": {"value": 1, "unit": "week"}}.get(name, 1.0)
        for name, part in inspect.signature(function).parameters.items()
        if part.kind is inspect.Parameter.KEYWORD_ONLY and part.default is inspect.Parameter.empty
    }
    with pytest.raises(InputError, match=f"^{function.__name__}: "):
        function(value, **needed)


NO_AXES = [5, "x", [], object(), Figure, Figure()]


@every
def test_what_are_no_axes_is_refused_in_one_line(function: Callable[..., Any]) -> None:
    name, calls = function.__name__, 0

    def drawn(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        for wrong in NO_AXES:
            with pytest.raises(InputError) as caught:
                function(*args, **{**kwargs, "ax": wrong})
            kind = type(wrong).__name__
            assert str(caught.value) == f"{name}: ax must be one matplotlib Axes with plain x and y, got {kind}"
        polar = Figure().add_subplot(projection="polar")
        with pytest.raises(InputError, match="plain x and y, got polar axes"):
            function(*args, **{**kwargs, "ax": polar})
        given = Figure().add_subplot()
        assert function(*args, **{**kwargs, "ax": given}) is given
        return function(*args, **kwargs)

    names = {**vars(inspect.getmodule(function)), name: drawn}
    for example in doctest.DocTestParser().get_examples(inspect.getdoc(function) or ""):
        exec(compile(example.source, name, "single"), names)  # noqa: S102 - the example in the docstring
    assert calls, "the docstring draws a figure"
