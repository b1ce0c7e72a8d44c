"""The contract, swept over every public name with the calls of its own docstring."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tests import contract
from tests.contract import Public

from ecomops.core import InputError, Model

FUNCTIONS = contract.public_functions()
MODELS = contract.public_models()

by_path = pytest.mark.parametrize("public", FUNCTIONS, ids=[item.path for item in FUNCTIONS])


@by_path
def test_form(public: Public) -> None:
    contract.check_documented(public.function)
    contract.check_annotated(public.function)
    contract.check_validated(public.function)


@by_path
def test_calls_of_the_docstring(public: Public) -> None:
    recording = contract.record(public)
    assert recording.calls, "the example of a function calls it"
    for args, kwargs in recording.calls:
        contract.check_deterministic(public, args, kwargs)
        contract.check_does_not_mutate(public, args, kwargs)
        contract.check_result(contract.call(public, args, kwargs))
        contract.check_scalar_is_vector(public, args, kwargs)
        contract.check_arguments(public, args, kwargs)


@by_path
def test_bad_input(public: Public) -> None:
    args, kwargs = contract.record(public).calls[-1]
    for name, value, changed_args, changed_kwargs in contract.hostile_calls(public, args, kwargs):
        contract.check_hostile(public, name, value, changed_args, changed_kwargs)


@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
def test_models(model: type[Model]) -> None:
    text = model.__doc__ or ""
    assert text.strip().split("\n")[0].endswith("."), "a model has a first line"
    assert ">>> " in text, "a model has an example"
    for name, field in model.model_fields.items():
        assert field.description or name == "kind", f"{name} is described"
    made = [one for one in contract.run_examples(model, text) if type(one) is model]
    assert made, "the example of a model makes one"
    for one in made:
        contract.check_result(one)


@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
def test_models_refuse_what_they_do_not_know(model: type[Model]) -> None:
    for given in ({"no_such_field": 1}, {name: object() for name in model.model_fields}):
        with pytest.raises(InputError, match=f"^{model.__name__}: "):
            model(**given)
    with pytest.raises(InputError, match=f"^{model.__name__}: "):
        model.model_validate({"no_such_field": 1})
    for text in ('{"no_such_field": 1}', "[1]", "{", "null", "NaN"):
        with pytest.raises(InputError, match=f"^{model.__name__}: "):
            model.model_validate_json(text)


def test_every_package_is_swept() -> None:
    swept = {item.path.split(".")[0] for item in FUNCTIONS}
    assert swept == set(contract.PACKAGES)


def test_names_are_listed_in_order() -> None:
    for package in contract.PACKAGES:
        module: Any = __import__(f"ecomops.{package}", fromlist=["__all__"])
        assert list(module.__all__) == sorted(module.__all__, key=str.lower) or list(module.__all__) == sorted(
            module.__all__
        )
        assert not [name for name in module.__all__ if inspect.ismodule(getattr(module, name))]
