"""The example that puts functions behind HTTP."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from ecomops.inventory import Newsvendor, Normal, newsvendor

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BODY = {"demand": {"kind": "Normal", "mean": [50, 80], "sd": 8}, "overage": 0.18, "underage": 0.70}


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def client() -> Any:
    from fastapi.testclient import TestClient

    return TestClient(loaded("service").app, raise_server_exceptions=False)


def test_an_answer_reads_back_as_the_result(client: Any) -> None:
    answer = client.post("/newsvendor", json=BODY)
    assert answer.status_code == 200
    expected = newsvendor(Normal(mean=[50, 80], sd=8), overage=0.18, underage=0.70)
    assert Newsvendor.model_validate_json(answer.text) == expected


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({**BODY, "overage": -1}, "overage must be > 0, got -1.0"),
        ({**BODY, "demand": {"kind": "Normal", "mean": 1, "sd": -8}}, "sd must be >= 0, got -8.0"),
        ({**BODY, "demand": {"kind": "Cauchy"}}, "Cauchy"),
        ({**BODY, "underage": [1, 2, 3]}, "shapes must broadcast"),
        ({"demand": BODY["demand"]}, "overage"),
        ({**BODY, "colour": "red"}, "colour"),
        ([], ""),
    ],
)
def test_bad_input_gets_422_and_lines_to_read(client: Any, payload: Any, says: str) -> None:
    answer = client.post("/newsvendor", json=payload)
    assert answer.status_code == 422
    lines = answer.json()["detail"]
    assert lines
    assert any(says in line for line in lines)
    assert all(len(line) < 300 for line in lines)


def test_a_nan_in_the_body_is_refused_and_not_sent_back(client: Any) -> None:
    text = json.dumps(BODY).replace("0.18", "NaN")
    answer = client.post("/newsvendor", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "NaN" not in answer.text


def test_a_long_bad_array_gets_a_short_answer(client: Any) -> None:
    answer = client.post("/newsvendor", json={**BODY, "overage": [1.0] * 100_000 + [-1.0]})
    assert answer.status_code == 422
    assert len(answer.text) < 1000


def test_a_body_that_is_too_large_is_not_read(client: Any) -> None:
    answer = client.post("/newsvendor", content=b" " * 8_000_001, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_what_the_mathematics_refuses_is_422_too(client: Any) -> None:
    answer = client.post(
        "/newsvendor", json={"demand": {"kind": "Normal", "mean": 1e308, "sd": 1e308}, "overage": 1, "underage": 1e300}
    )
    assert answer.status_code == 422
    assert answer.json()["detail"][0].startswith("newsvendor: ")


def test_the_description_is_complete(client: Any) -> None:
    paths = client.get("/openapi.json").json()
    assert set(paths["paths"]) == {f"/{function.__name__}" for function in loaded("service").FUNCTIONS}
    fields = paths["components"]["schemas"]["NewsvendorArguments"]["properties"]
    assert fields["overage"]["description"] == "Cost of a unit left over, money."
