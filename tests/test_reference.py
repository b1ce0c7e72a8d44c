"""Published values: every row of ``tests/reference/<package>.json`` is one test.

A row names a public function (``call``) or a recipe of several steps (``recipe``, a function of
``tests/reference/recipes_<package>*.py``), its inputs, the expected values by attribute path, and a tolerance.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecomops.core import arguments

REFERENCE = Path(__file__).parent / "reference"


def _rows() -> list[Any]:
    rows = []
    for path in sorted(REFERENCE.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            rows.append(pytest.param(path.stem, case, id=f"{path.stem}-{case['id']}"))
    return rows


def _recipe(package: str, name: str) -> Any:
    for path in sorted(REFERENCE.glob(f"recipes_{package}*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if hasattr(module, name):
            return getattr(module, name)
    message = f"no file recipes_{package}*.py has a recipe {name}"
    raise AssertionError(message)


def _called(path: str, inputs: dict[str, Any]) -> Any:
    module, name = path.rsplit(".", 1)
    function = getattr(importlib.import_module(f"ecomops.{module}"), name)
    if isinstance(function, type):
        return function.model_validate(inputs)
    return arguments(function).model_validate(inputs).call()


def _at(result: Any, path: str) -> Any:
    for part in filter(None, path.split(".")):
        if isinstance(result, dict):
            result = result[part]
        else:
            result = result[int(part)] if part.isdigit() else getattr(result, part)
    return result


def _agrees(actual: Any, expected: Any, tolerance: dict[str, float]) -> None:
    if isinstance(expected, str | bool) or expected is None:
        assert actual == expected
    elif isinstance(expected, list) and any(isinstance(item, str) for item in expected):
        assert list(actual) == expected
    else:
        rtol, atol = tolerance.get("rtol", 0.0), tolerance.get("atol", 0.0)
        np.testing.assert_allclose(np.asarray(actual, dtype=float), np.asarray(expected, dtype=float), rtol, atol)


@pytest.mark.parametrize(("package", "case"), _rows())
def test_published_value(package: str, case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    assert case["source"], "a published value names its source"
    assert case["expected"], "a published value expects something"
    if "recipe" in case:
        data = request.getfixturevalue("shared_data")
        result = _recipe(package, case["recipe"])(case.get("inputs", {}), data)
    else:
        result = _called(case["call"], case["inputs"])
    for path, expected in case["expected"].items():
        _agrees(_at(result, path), expected, case.get("tolerance", {"rtol": 1e-9}))


def test_a_wrong_value_fails() -> None:
    with pytest.raises(AssertionError):
        _agrees(1.01, 1.0, {"rtol": 1e-3})
    with pytest.raises(AssertionError):
        _agrees("lumpy", "smooth", {})


def test_identifiers_are_unique() -> None:
    names = [row.id for row in _rows()]
    assert len(names) == len(set(names))
