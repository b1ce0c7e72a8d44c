"""From pydantic's list of errors to one line a problem."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError

MAX_PROBLEMS = 20
MAX_VALUE_LENGTH = 60
MAX_TEXT_LENGTH = 200


def clipped(value: Any) -> str:
    """Show a value on one line, without memory addresses and never longer than 60 characters."""
    try:
        text = repr(_part(value))
    except Exception:  # noqa: BLE001 - a repr that fails must not hide the error that is being reported
        text = f"<{type(value).__name__}>"
    text = re.sub(r" at 0x[0-9a-f]+", "", " ".join(text.split()))
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 3] + "..."


def _part(value: Any) -> Any:
    """Return as much of a value as its short form can show, so that a million items are not written out."""
    if isinstance(value, list | tuple | str | bytes | bytearray):
        return value[: MAX_VALUE_LENGTH + 1]
    if isinstance(value, dict):
        return dict(itertools.islice(value.items(), MAX_VALUE_LENGTH))
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def position(index: Sequence[Any]) -> str:
    """Write an array index as a reader would: 3, or (1, 2)."""
    numbers = [int(part) for part in index]
    return str(numbers[0]) if len(numbers) == 1 else f"({', '.join(map(str, numbers))})"


def explain(error: ValidationError, name: str, annotations: Mapping[str, Any], *, positional: bool = False) -> str:
    """Write a ValidationError as lines of the form ``name: path rule, got value``.

    ``annotations`` are those of the fields or arguments by name; arguments may be given by position too.
    """
    problems = error.errors(include_url=False, include_context=True)
    parameters = list(annotations) if positional else []
    lines = [f"{name}: {_problem(problem, parameters, annotations)}" for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"{name}: and {len(problems) - MAX_PROBLEMS} more problems")
    return "\n".join(dict.fromkeys(lines))


def _problem(problem: Any, parameters: Sequence[str], annotations: Mapping[str, Any]) -> str:
    path = _path(problem["loc"], parameters)
    kind, context, value = problem["type"], problem.get("ctx") or {}, problem["input"]
    if kind == "missing":
        return f"{path} is missing"
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"{_path(problem['loc'][:-1], parameters, str(problem['loc'][-1]))} is not one of its fields; remove it"
    if kind == "union_tag_invalid":
        return f"{path} has kind {clipped(context['tag'])}, must be one of {context['expected_tags']}".strip()
    if kind == "union_tag_not_found":
        return f"{path} must be a model with a kind, got {clipped(value)}".strip()
    if kind == "literal_error":
        return f"{path} must be {context['expected']}, got {clipped(value)}".strip()
    if kind in {"model_type", "model_attributes_type", "dataclass_type"}:
        *several, last = _models(annotations.get(path)) or ["model"]
        wanted = context.get("class_name") or (f"{', '.join(several)} or {last}" if several else last)
        return f"{path} must be a {wanted}, got {type(value).__name__} {clipped(value)}".strip()
    if kind == "ecomops":
        return f"{path} {problem['msg']}".strip()
    if kind == "json_invalid":
        return f"is not valid JSON: {context.get('error', problem['msg'])}"
    if kind == "string_type":
        return f"{path} must be text, got {type(value).__name__} {clipped(value)}".strip()
    text = " ".join(str(context["error"] if kind == "value_error" else problem["msg"]).split())[:MAX_TEXT_LENGTH]
    return f"{path}: {text[:1].lower()}{text[1:]}, got {clipped(value)}".removeprefix(": ")


def _models(annotation: Any) -> list[str]:
    """Return the names of the models of a union."""
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return [annotation.__name__]
    return [name for part in get_args(annotation) for name in _models(part)]


def _path(loc: Sequence[int | str], parameters: Sequence[str], last: str = "") -> str:
    """Join a location and the last name in it; tags of unions are class names (upper case) and are left out."""
    text = ""
    for place, part in enumerate(loc):
        if isinstance(part, int):
            if place == 0 and part < len(parameters):
                text += parameters[part]
            else:
                text += f"[{part}]"
        elif not part[:1].isupper() and "(" not in part and "[" not in part:
            text += f".{part}" if text else part
    if last:
        shown = last if last.isidentifier() and len(last) <= MAX_VALUE_LENGTH else clipped(last)
        text += f".{shown}" if text else shown
    return text
