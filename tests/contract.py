"""The checks of the contract, as functions that raise AssertionError; ``test_contract.py`` sweeps them over every name.

The calls to check come from the docstrings: each example is run while the documented function records how it was
called, so whatever is public and documented is swept without a list to keep.
"""

from __future__ import annotations

import contextlib
import datetime
import doctest
import importlib
import importlib.util
import inspect
import io
import math
import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from ecomops.core import InputError, Model, arguments, replace
from ecomops.core.arrays import Floats
from ecomops.core.labels import core_of
from ecomops.core.validation import _evaluated, is_frame

# Figures need an extra; where it is not installed, nothing of theirs can be drawn.
DRAWN = ("plot",) if importlib.util.find_spec("matplotlib") else ()
PACKAGES = ("core", "inventory", "pricing", "segmentation", "attribution", "experiments", *DRAWN)

# These four take functions, classes or open keywords; tests/core shows their contract.
ABOUT_FUNCTIONS = {"validated", "check", "replace", "arguments"}

HOSTILE_NUMBERS: list[Any] = [
    None, "5", b"5", True, math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 1e-300, 1e308, -1e308, 10**400, 1j,
    Decimal(1), datetime.date(2026, 1, 1), object(), {}, {1}, [], [math.nan], ["a"], [True, 2], [[1, 2], [3]], [None],
    np.array(["a"]), np.array([True]), np.ma.masked_array([1.0, 2.0], mask=[0, 1]), np.zeros((2, 2, 2, 2, 2)),
    np.array([1 + 1j]), np.array(["2026-01-01"], dtype="datetime64[D]"), pd.DataFrame({"a": [1.0]}),
    pd.Series([1.0, None]), pd.Series(["a"]), pd.Series([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), iter([1.0]),
]  # fmt: skip
HOSTILE_OTHERS: list[Any] = [
    None,
    5,
    -1,
    math.nan,
    "no such thing",
    b"x",
    True,
    [],
    [1, 2],
    {},
    {"kind": "Nothing"},
    object(),
]
HOSTILE_FRAMES: list[Any] = [
    None, 5, "x", [], {}, object(), pd.DataFrame(), pd.DataFrame({"a": [1]}), pd.Series([1.0]), np.zeros((2, 2)),
]  # fmt: skip


@dataclass(frozen=True)
class Public:
    """One public function or method and the calls that its docstring makes."""

    path: str
    function: Callable[..., Any]
    owner: type | None

    @property
    def documented(self) -> Any:
        return self.function


def public_names(package: str) -> dict[str, Any]:
    module = importlib.import_module(f"ecomops.{package}")
    return {name: getattr(module, name) for name in module.__all__}


def public_functions() -> list[Public]:
    """Every function of every package, and every public method of every public model; one that two packages show, once."""
    found: dict[int, Public] = {}
    for package in PACKAGES:
        for name, item in public_names(package).items():
            if inspect.isfunction(item) and name not in ABOUT_FUNCTIONS:
                found.setdefault(id(item), Public(f"{package}.{name}", item, None))
            if inspect.isclass(item) and issubclass(item, Model):
                for part, raw in vars(item).items():
                    method = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
                    special = part.startswith(("_", "model_")) or part in {"to_frame"}
                    if inspect.isfunction(method) and not special:
                        found.setdefault(id(method), Public(f"{package}.{name}.{part}", method, item))
    return list(found.values())


def public_models() -> list[type[Model]]:
    found: dict[type[Model], None] = {}
    for package in PACKAGES:
        for item in public_names(package).values():
            if inspect.isclass(item) and issubclass(item, Model) and item is not Model and not item.__subclasses__():
                found[item] = None
    return list(found)


def check_documented(function: Callable[..., Any]) -> None:
    """A first line that stands alone, every parameter, the return value and an example."""
    text = inspect.cleandoc(function.__doc__ or "")
    lines = text.split("\n")
    assert lines[0].endswith("."), "the first line of the docstring is one sentence"
    assert len(lines) == 1 or not lines[1], "the first line stands alone"
    names = [name for name in inspect.signature(function).parameters if name not in {"self", "cls"}]
    if names:
        section = re.search(r"\nParameters\n-+\n(.*?)(?=\n\w+\n-{3,}|\Z)", text, re.DOTALL)
        assert section, "there is a section Parameters"
        for name in names:
            assert re.search(rf"^[\w*, ]*\b{name}\b[\w*, ]* :|^\*+{name}\b", section[1], re.MULTILINE), (
                f"{name} is documented"
            )
    assert re.search(r"\nReturns\n-+\n", text), "there is a section Returns"
    assert re.search(r"\nExamples\n-+\n(.*\n)*.*>>> ", text), "there is an example"


def check_annotated(function: Callable[..., Any]) -> None:
    signature = inspect.signature(function)
    for name, parameter in signature.parameters.items():
        if name not in {"self", "cls"}:
            assert parameter.annotation is not inspect.Parameter.empty, f"{name} is annotated"
            assert str(parameter.annotation) not in {"int", "float", "bool"}, (
                f"{name} is a strict marker, not a builtin"
            )
    assert signature.return_annotation is not inspect.Signature.empty, "the return value is annotated"


def check_validated(function: Callable[..., Any]) -> None:
    assert hasattr(function, "__wrapped__"), "a public function is validated"


@dataclass
class Recording:
    """What the examples of one docstring did."""

    calls: list[tuple[tuple[Any, ...], dict[str, Any]]]
    models: list[Model]


def record(public: Public) -> Recording:
    """Run the examples of a docstring and note how the documented function was called and which models were made."""
    seen = Recording([], [])
    original = public.function

    def recorder(*args: Any, **kwargs: Any) -> Any:
        seen.calls.append((args, kwargs))
        return original(*args, **kwargs)

    with contextlib.ExitStack() as stack:
        name = public.path.rsplit(".", 1)[1]
        if public.owner is None:
            homes = [
                importlib.import_module(f"ecomops.{public.path.split('.')[0]}"),
                importlib.import_module(original.__module__),
            ]
            for home in homes:
                stack.enter_context(mock.patch.object(home, name, recorder))
        else:
            raw = vars(public.owner)[name]
            wrapped = type(raw)(recorder) if isinstance(raw, classmethod | staticmethod) else recorder
            setattr(public.owner, name, wrapped)
            stack.callback(setattr, public.owner, name, raw)
        seen.models = run_examples(original, original.__doc__ or "")
    return seen


def run_examples(item: Any, text: str) -> list[Model]:
    """Run the examples of a docstring in the namespace of its module and return the models that they made."""
    scope = {**vars(importlib.import_module(item.__module__))}
    found: list[Model] = []
    original = Model.model_post_init

    def noting(self: Model, context: Any, /) -> None:
        original(self, context)
        found.append(self)

    with mock.patch.object(Model, "model_post_init", noting):
        for example in doctest.DocTestParser().get_examples(text):
            if example.exc_msg is None:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(example.source, "<example>", "single"), scope)  # noqa: S102 - our own docstrings
    return found


def call(public: Public, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call with a fixed seed and with every warning an error."""
    signature = inspect.signature(public.function)
    fixed = {**kwargs, "rng": 0} if "rng" in signature.parameters else kwargs
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return public.function(*args, **fixed)


def drawn(axes: Any) -> bytes:
    """Return the pixels of a figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(axes.get_figure())
    canvas.draw()
    return bytes(canvas.buffer_rgba())


def same(left: Any, right: Any, rtol: float = 0.0) -> bool:
    """Compare two results; with ``rtol`` their numbers may differ by rounding."""
    if isinstance(left, Model) and isinstance(right, Model):
        return type(left) is type(right) and all(
            same(value, right.__dict__[name], rtol) for name, value in left.__dict__.items()
        )
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(same(a, b, rtol) for a, b in zip(left, right, strict=True))
    if hasattr(left, "get_figure") and hasattr(right, "get_figure"):
        return drawn(left) == drawn(right)
    if isinstance(left, pd.DataFrame):
        return isinstance(right, pd.DataFrame) and left.equals(right)
    one, two = np.asarray(left), np.asarray(right)
    if one.dtype.kind in "fiu" and two.dtype.kind in "fiu":
        return one.shape == two.shape and bool(np.allclose(one, two, rtol=rtol, atol=0.0, equal_nan=True))
    return bool(np.array_equal(one, two)) if one.dtype.kind != "O" or one.ndim else bool(left == right)


def check_deterministic(public: Public, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert same(call(public, args, kwargs), call(public, args, kwargs)), "equal inputs give equal outputs"


def check_does_not_mutate(public: Public, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    before = [pickle.dumps(value) for value in (*args, *kwargs.values()) if not inspect.isclass(value)]
    call(public, args, kwargs)
    after = [pickle.dumps(value) for value in (*args, *kwargs.values()) if not inspect.isclass(value)]
    assert before == after, "the inputs are left as they were"


def _element(value: Any, index: int, shape: tuple[int, ...]) -> Any:
    if isinstance(value, Model):
        return {name: _element(part, index, shape) for name, part in value.__dict__.items()}
    array = np.asarray(value)
    return array[index] if array.ndim and array.shape[:1] == shape else value


def batched_parameters(public: Public) -> list[str]:
    signature, _ = _evaluated(public.function.__wrapped__)
    return [
        name
        for name, parameter in signature.parameters.items()
        if core_of(getattr(parameter.annotation, "__metadata__", ())) == 0
        and any(isinstance(marker, Floats) for marker in parameter.annotation.__metadata__)
    ]


Spot = tuple[str, str | None]
"""An argument, or an argument that is a model and one of its fields."""


def value_at(given: dict[str, Any], spot: Spot) -> Any:
    return given[spot[0]] if spot[1] is None else getattr(given[spot[0]], spot[1])


def with_value(given: dict[str, Any], spot: Spot, value: Any) -> dict[str, Any]:
    name, field = spot
    return {**given, name: value if field is None else replace(given[name], **{field: value})}


def call_by_name(public: Public, given: dict[str, Any], positional: int) -> Any:
    names = list(given)
    first = tuple(given[name] for name in names[:positional])
    return call(public, first, {name: given[name] for name in names[positional:]})


def with_another(public: Public, given: dict[str, Any], spot: Spot, positional: int) -> dict[str, Any]:
    """Return the arguments with another legal number at a spot: a tenth less or more, whole where it must be."""
    value = value_at(given, spot)
    others = (value * 0.9, value * 1.1, math.floor(value * 0.9), math.ceil(value * 1.1)) if math.isfinite(value) else ()
    for other in others:
        with contextlib.suppress(InputError):
            changed = with_value(given, spot, other)
            call_by_name(public, changed, positional)
            return changed
    return given


def check_scalar_is_vector(public: Public, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """An element of the answer to arrays is the answer to the elements, whatever its neighbour is."""
    signature = inspect.signature(public.function)
    bound = signature.bind(*args, **kwargs).arguments
    batched, count = batched_parameters(public), len(args)
    if "rng" in signature.parameters or any(np.ndim(bound[name]) for name in batched if name in bound):
        return
    names: list[Spot] = [(name, None) for name in batched if isinstance(bound.get(name), int | float)]
    fields: list[Spot] = [
        (name, field)
        for name, value in bound.items()
        if isinstance(value, Model)
        for field, core in value.__cores__.items()
        if core == 0 and isinstance(getattr(value, field), float)
    ]
    if not names and not fields:
        return
    scalar = call_by_name(public, bound, count)
    if isinstance(scalar, Model) and scalar.batch_shape:
        return
    other = vector = bound
    for spot in names:
        other = with_another(public, other, spot, count)
        vector = with_value(vector, spot, [value_at(other, spot), value_at(bound, spot)])
    for spot in fields:
        # A function may ask for one model; it says so, and that is no matter of scalars and vectors.
        with contextlib.suppress(InputError):
            changed = with_another(public, other, spot, count)
            pair = with_value(vector, spot, [value_at(changed, spot), value_at(bound, spot)])
            call_by_name(public, pair, count)
            other, vector = changed, pair
    expected = _element(scalar, 0, ())
    actual = _element(call_by_name(public, vector, count), 1, (2,))
    flat_expected = list(expected.values()) if isinstance(expected, dict) else [expected]
    flat_actual = list(actual.values()) if isinstance(actual, dict) else [actual]
    for one, two in zip(flat_expected, flat_actual, strict=True):
        left, right = (tuple(part.values()) if isinstance(part, dict) else part for part in (one, two))
        if not isinstance(left, tuple):
            assert same(left, right, 1e-12), f"an element of the vector answer equals the scalar answer: {left} {right}"


def check_result(result: Any) -> None:
    """A result pickles, makes a JSON round trip and builds its schema."""
    if not isinstance(result, Model):
        return
    assert pickle.loads(pickle.dumps(result)) == result, "the result pickles"
    text = result.model_dump_json()
    assert type(result).model_validate_json(text) == result, "the result survives JSON"
    assert not re.search(r"[\[:,](NaN|-?Infinity)", text), "JSON holds no NaN"
    schema = type(result).model_json_schema(mode="validation")
    assert schema["type"] == "object", "the schema builds"
    assert repr(result).startswith(type(result).__name__), "the repr names the class"
    assert result._repr_html_().startswith("<table"), "the notebook form is a table"
    assert isinstance(result.to_frame(), pd.DataFrame), "the result becomes a frame"


def takes_frame(public: Public) -> bool:
    signature, _ = _evaluated(public.function.__wrapped__)
    return any(is_frame(parameter.annotation) for parameter in signature.parameters.values())


def without_json(public: Public) -> bool:
    """Tell whether a function takes what JSON cannot hold: itself as a method, frames, or any number of arguments."""
    kinds = {parameter.kind for parameter in inspect.signature(public.function).parameters.values()}
    open_ended = kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return public.owner is not None or bool(open_ended) or takes_frame(public)


def check_arguments(public: Public, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The arguments make a JSON round trip to the same answer, or one line says what has no JSON form."""
    if without_json(public):
        try:
            arguments(public.function)
        except InputError as error:
            text = str(error)
            assert text.startswith("arguments: "), f"the line names the function: {text}"
            assert "has no JSON form" in text, f"the line says why: {text}"
            assert "\n" not in text, f"it is one line: {text}"
        else:
            message = "a method or a function of frames or of any number of arguments has no model of its arguments"
            raise AssertionError(message)
        return
    bound = inspect.signature(public.function).bind(*args, **kwargs).arguments
    model = arguments(public.function)
    if "rng" in inspect.signature(public.function).parameters:
        bound["rng"] = 0
    given = model(**bound)
    again = model.model_validate_json(given.model_dump_json())
    assert same(given.call(), again.call(), 1e-15), "JSON arguments give the same answer"
    assert model.model_json_schema()["type"] == "object", "the schema of the arguments builds"


def hostile_calls(
    public: Public, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[tuple[str, Any, tuple[Any, ...], dict[str, Any]]]:
    """Yield the recorded call with one argument at a time replaced by something hostile."""
    signature, bound_method = _evaluated(public.function.__wrapped__)
    shift = int(bound_method)
    names = list(signature.parameters)
    for name, parameter in signature.parameters.items():
        # A generator and axes are objects of other libraries.
        if parameter.kind in {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} or name in {"rng", "ax"}:
            continue
        numeric = any(isinstance(marker, Floats) for marker in getattr(parameter.annotation, "__metadata__", ()))
        values = HOSTILE_NUMBERS if numeric else HOSTILE_FRAMES if is_frame(parameter.annotation) else HOSTILE_OTHERS
        place = names.index(name) + shift
        for value in values:
            if place < len(args):
                yield name, value, (*args[:place], value, *args[place + 1 :]), kwargs
            else:
                yield name, value, args, {**kwargs, name: value}


def check_hostile(public: Public, name: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Bad input gives InputError, line by line with the function's name, or an answer that is sound."""
    title = public.function.__qualname__ if public.owner is not None else public.function.__name__
    shown = f"{public.path}({name}={str(value)[:40]!r})"
    try:
        result = call(public, args, kwargs)
    except InputError as error:
        lines = str(error).split("\n")
        assert all(line.startswith(title) for line in lines), f"{shown}: each line names the function: {error}"
        assert all(len(line) < 400 for line in lines), f"{shown}: one short line a problem"
    except Exception as error:
        message = f"{shown}: a foreign exception: {type(error).__name__}: {error}"
        raise AssertionError(message) from error
    else:
        check_sound(result, shown, _evaluated(public.function.__wrapped__)[0].return_annotation)


def check_sound(result: Any, shown: str, annotation: Any = None) -> None:
    """No NaN or infinity outside the fields that declare them, and NaN only with a reason."""
    if isinstance(result, Model):
        for field, information in type(result).model_fields.items():
            value = getattr(result, field)
            marker = next((m for m in information.metadata if isinstance(m, Floats)), None)
            if isinstance(value, Model):
                check_sound(value, shown)
            elif marker is not None and not marker.nan:
                assert not np.isnan(value).any(), f"{shown}: {field} is NaN"
                assert marker.inf or np.isfinite(value).all(), f"{shown}: {field} is infinite"
            elif marker is not None and np.isnan(value).any():
                fields = type(result).model_fields
                assert any(word in fields for word in ("reason", "status", "feasible", "ridge")), (
                    f"{shown}: {field} is NaN without a reason"
                )
    elif isinstance(result, float | np.ndarray) and np.asarray(result).dtype.kind == "f":
        declared = next((m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Floats)), Floats())
        assert declared.nan or not np.isnan(result).any(), f"{shown}: the answer is NaN: {result}"
        assert declared.inf or not np.isinf(result).any(), f"{shown}: the answer is infinite: {result}"
