"""The example that gives functions to an agent."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server.mcpserver")

PATH = Path(__file__).resolve().parents[2] / "examples" / "agent_tools.py"


@pytest.fixture(scope="module")
def module() -> Any:
    spec = importlib.util.spec_from_file_location("agent_tools", PATH)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_each_function_is_a_tool_with_its_first_line(module: Any) -> None:
    tools = {tool.name: tool for tool in asyncio.run(module.create().list_tools())}
    assert set(tools) == {function.__name__ for function in module.FUNCTIONS}
    assert tools["newsvendor"].description == (
        "Return the order quantity that balances leftovers against shortages for one period."
    )
    assert set(tools["newsvendor"].input_schema["properties"]) == {"demand", "overage", "underage"}


def called(server: Any, **given: Any) -> Any:
    return asyncio.run(server.call_tool("newsvendor", given))


def test_a_tool_answers_with_numbers(module: Any) -> None:
    answer = called(module.create(), demand={"kind": "Normal", "mean": 50, "sd": 8}, overage=0.18, underage=0.70)
    assert round(answer.structured_content["quantity"], 3) == 56.604


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"underage": -1}, r"underage\s+must be > 0, got -1"),
        (
            {"underage": [1, 2], "overage": [1, 2, 3]},
            r"newsvendor: shapes must broadcast, got overage \(3,\), underage \(2,\)",
        ),
    ],
)
def test_a_mistake_is_told_in_words(module: Any, given: dict[str, Any], says: str) -> None:
    from mcp.server.mcpserver.exceptions import ToolError

    call = {"demand": {"kind": "Normal", "mean": 50, "sd": 8}, "overage": 0.18, "underage": 0.7, **given}
    with pytest.raises(ToolError, match=says):
        called(module.create(), **call)
