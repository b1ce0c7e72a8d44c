"""`validated`: check what a public function is given, run its mathematics, and speak one line when it cannot.

`arguments` turns the same signature into a model, for those who receive JSON.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, ParamSpec, TypeVar, cast, get_args, get_origin

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, create_model, validate_call
from pydantic_core import PydanticCustomError

from ecomops.core.arrays import Floats, Rng, Seed
from ecomops.core.errors import InputError, named_error
from ecomops.core.labels import PLAIN, axes_of, common_labels, core_of, markers_of
from ecomops.core.messages import explain
from ecomops.core.model import Model, batch_of, broadcast, label_rows

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


class _FrameMarker:
    """Marks an argument that has no JSON form."""

    def __repr__(self) -> str:
        return "frame"


Frame = Annotated[Any, _FrameMarker()]


class _Binding:
    """What is known about one validated function after its first call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.signature, self.bound = _evaluated(function)
        self.name = function.__qualname__ if self.bound else function.__name__
        self.names = list(self.signature.parameters)
        # The members of `*tables` are a list of things, not arguments that have to broadcast.
        self.several = any(p.kind is p.VAR_POSITIONAL for p in self.signature.parameters.values())
        self.cores = {
            name: core
            for name, parameter in self.signature.parameters.items()
            if (core := core_of(getattr(parameter.annotation, "__metadata__", ()))) is not None
        }
        self.annotations = {name: parameter.annotation for name, parameter in self.signature.parameters.items()}
        self.axes = axes_of({name: markers_of(annotation) for name, annotation in self.annotations.items()})
        markers = getattr(self.signature.return_annotation, "__metadata__", ())
        self.result = next((marker for marker in markers if isinstance(marker, Floats)), None)
        self.bind = validate_call(config=ConfigDict(validate_default=True))(_stub(self.signature))

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the checked arguments; a wrong or missing keyword stays a TypeError."""
        try:
            return self.bind(*args, **kwargs)  # type: ignore[no-any-return]
        except ValidationError as error:
            try:
                self.signature.bind(*args, **kwargs)
            except TypeError as misuse:
                message = f"{self.name}() {misuse}"
                raise TypeError(message) from None
            raise named_error(self.name, explain(error, self.name, self.annotations, positional=True)) from None
        except (OverflowError, RecursionError) as error:
            message = f"{self.name}: an argument cannot be read ({error})"
            raise named_error(self.name, message) from None

    def shapes(self, given: tuple[Any, ...], named: dict[str, Any], owner: Any) -> None:
        """Refuse arguments whose batches do not broadcast."""
        batched = self._telling(given, named)
        if len(batched) + isinstance(owner, Model) < 2:
            return  # one thing broadcasts with itself
        found = []
        for name, value in batched:
            if isinstance(value, np.ndarray):
                shape = batch_of(value, self.cores[name]) if name in self.cores else ()
            else:
                shape = value.batch_shape if isinstance(value, Model) else ()
            if shape:
                found.append((name, shape))
        if found and isinstance(owner, Model) and owner.batch_shape:
            found.append((type(owner).__name__, owner.batch_shape))
        if len(found) > 1:
            try:
                broadcast(found)
            except ValueError as error:
                message = f"{self.name}: {error}"
                raise named_error(self.name, message) from None

    def labels(self, owner: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Return the index shared by the Series among the raw arguments."""
        telling = self._telling(args, kwargs)
        if owner:
            telling.append(("self", owner[0]))
        return common_labels(telling, self.axes, self.name) if telling else None

    def _telling(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
        """Return the arguments that may have a batch or an index, by name; most are plain numbers and names."""
        several = () if self.several else self.names
        found = [(name, value) for name, value in zip(several, args, strict=False) if type(value) not in PLAIN]
        found += [item for item in kwargs.items() if type(item[1]) not in PLAIN]
        return found


def validated(function: Callable[P, R]) -> Callable[P, R]:
    """Check the arguments of a public function against its annotations, then run it.

    The validator is built at the first call. The body runs outside pydantic with numpy's floating-point errors raised,
    so that no NaN, infinity or warning leaves it unseen.

    Parameters
    ----------
    function : callable
        A function, method or (under ``classmethod``) class method annotated with the names of `ecomops.core`.

    Returns
    -------
    callable
        The same signature; what the caller got wrong comes as `InputError`, a wrong keyword as ``TypeError``.

    Examples
    --------
    >>> from ecomops.core import Positive, Num, validated
    >>> @validated
    ... def half(value: Positive) -> Num:
    ...     return value / 2
    >>> half([2, 4])
    array([1., 2.])
    """
    made: _Binding | None = None
    skip = next(iter(inspect.signature(function).parameters), "") in {"self", "cls"}

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal made
        binding = made = made or _Binding(function)
        owner, raw = (args[:1], args[1:]) if skip else ((), args)
        given, named = binding.check(raw, kwargs)
        binding.shapes(given, named, owner[0] if owner else None)
        labels = binding.labels(owner, raw, kwargs)
        try:
            with np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
                answer = cast("Callable[..., R]", function)(*owner, *given, **named)
            if binding.result is not None:
                return cast("R", binding.result.check(answer))
        except (ArithmeticError, PydanticCustomError) as error:
            message = f"{binding.name}: has no finite answer for these values ({error}); check their size and units"
            raise named_error(binding.name, message) from error
        except InputError as error:
            raise _named(error, binding.name) from error.__cause__
        if labels is not None and isinstance(answer, Model):
            label_rows(answer, labels)
        return answer

    return wrapper


def arguments(function: Callable[..., Any]) -> type[Arguments]:
    """Return the model of a function's arguments, to receive them as JSON.

    Parameters
    ----------
    function : callable
        A public function of the library that takes no data frame.

    Returns
    -------
    type
        A `Model` with one field an argument (descriptions from the docstring) and a method ``call()``.

    Raises
    ------
    InputError
        When the function is not a public function of the library, is a method, or takes a frame, a callable or any
        number of arguments; the text says which.

    Examples
    --------
    >>> from ecomops.core import arguments
    >>> from ecomops.inventory import newsvendor
    >>> body = '{"demand": {"kind": "Normal", "mean": 50, "sd": 8}, "overage": 0.18, "underage": 0.70}'
    >>> round(arguments(newsvendor).model_validate_json(body).call().quantity, 4)
    56.604
    """
    function = getattr(function, "__func__", function)  # a class method, or a method of a model at hand
    if not inspect.isfunction(function) or not hasattr(function, "__wrapped__"):
        message = f"arguments: function must be a public function of ecomops, got {function!r}"
        raise InputError(message)
    return _arguments(function)


class Arguments(Model):
    """The arguments of one function, checked."""

    __function__: ClassVar[Callable[..., Any]]

    def call(self) -> Any:
        """Call the function with these arguments and return its answer."""
        return type(self).__function__(**self.__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as (function, values): the class itself has no importable name."""
        return _rebuild, (type(self).__function__, dict(self.__dict__))


@functools.cache
def _arguments(function: Callable[..., Any]) -> type[Arguments]:
    signature, bound = _evaluated(inspect.unwrap(function))
    if bound:
        message = f"arguments: {function.__qualname__} is a method, which has no JSON form; read its model from JSON and call it"
        raise InputError(message)
    described = _described(function.__doc__ or "")
    fields: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        annotation = parameter.annotation
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            message = (
                f"arguments: {function.__name__} takes any number of {name!r}, which has no JSON form; read each from JSON"
                f" as its model and call {function.__name__} with them"
            )
            raise InputError(message)
        if is_frame(annotation) or _callable(annotation):
            message = f"arguments: {function.__name__} takes a frame or callable as {name!r}, which has no JSON form"
            raise InputError(message)
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        kind = Seed if annotation == Rng else annotation
        fields[name] = (kind, Field(default, description=described.get(name)))
    title = "".join(part.title() for part in function.__name__.split("_")) + "Arguments"
    first_line = (function.__doc__ or "").strip().split("\n")[0]
    made = create_model(title, __base__=Arguments, __doc__=first_line, __module__=function.__module__, **fields)
    made.__function__ = function
    # Its messages name the function, as a direct call does.
    made.__shown__ = function.__name__
    return made


def _rebuild(function: Callable[..., Any], values: dict[str, Any]) -> Arguments:
    return arguments(function)(**values)


def _evaluated(function: Callable[..., Any]) -> tuple[inspect.Signature, bool]:
    """Evaluate the annotations of the parameters, without self; a return type may stay a string."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    bound = bool(parameters) and parameters[0].name in {"self", "cls"}
    scope = getattr(function, "__globals__", {})
    kept = [
        parameter.replace(annotation=_evaluate(parameter.annotation, scope)) for parameter in parameters[int(bound) :]
    ]
    try:
        result = _evaluate(signature.return_annotation, scope)
    except NameError:
        result = signature.return_annotation
    return inspect.Signature(kept, return_annotation=result), bound


def _evaluate(annotation: Any, scope: dict[str, Any]) -> Any:
    return eval(annotation, scope) if isinstance(annotation, str) else annotation  # noqa: S307 - our own source


def _stub(signature: inspect.Signature) -> Callable[..., Any]:
    def stub(*args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return args, kwargs

    parameters = signature.parameters.values()
    stub.__signature__ = signature.replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    stub.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return stub


def _named(error: InputError, name: str) -> InputError:
    """Let every line begin with the function that the caller called, and with no other."""
    inner = f"{error.prefix or name}: "
    lines = [f"{name}: {line.removeprefix(inner)}" for line in str(error).split("\n")]
    return named_error(name, "\n".join(lines))


def is_frame(annotation: Any) -> bool:
    """Tell whether an argument is a frame, or a union with one."""
    parts = [annotation, *get_args(annotation)]
    return any(isinstance(marker, _FrameMarker) for part in parts for marker in getattr(part, "__metadata__", ()))


def _callable(annotation: Any) -> bool:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _callable(get_args(annotation)[0])
    return getattr(origin, "__name__", "") == "Callable"


def _described(docstring: str) -> dict[str, str]:
    """Read the descriptions of the parameters from a numpydoc docstring."""
    lines = inspect.cleandoc(docstring).split("\n")
    if "Parameters" not in lines:
        return {}
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line, following in zip(
        lines[lines.index("Parameters") + 2 :], [*lines[lines.index("Parameters") + 3 :], ""], strict=False
    ):
        if re.fullmatch(r"-{3,}", following):
            break
        head = re.match(r"^(\w[\w, ]*) : ", line)
        if head:
            current = []
            found.update({name.strip(): current for name in head.group(1).split(",")})
        elif line.startswith("    "):
            current.append(line.strip())
    return {name: " ".join(parts) for name, parts in found.items()}
