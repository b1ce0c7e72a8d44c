"""Give public functions of ecomops to an agent, as tools of a Model Context Protocol server.

    pip install ecomops mcp
    python examples/agent_tools.py        speaks on standard input and output

The names, the schemas of input and output and the descriptions all come from the functions themselves.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from ecomops import InputError
from ecomops.experiments import compare_proportions, sample_size
from ecomops.inventory import economic_order_quantity, newsvendor, safety_stock
from ecomops.pricing import break_even_price, optimal_price

FUNCTIONS: tuple[Callable[..., Any], ...] = (
    newsvendor,
    safety_stock,
    economic_order_quantity,
    optimal_price,
    break_even_price,
    compare_proportions,
    sample_size,
)


def create(functions: Sequence[Callable[..., Any]] = FUNCTIONS) -> MCPServer:
    """Return a server with one tool a function."""
    server = MCPServer("ecomops")
    for function in functions:
        first_line = (inspect.getdoc(function) or "").split("\n")[0]
        server.tool(name=function.__name__, description=first_line)(_told(function))
    return server


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let the agent read what was wrong with its input: the server hides the text of every other exception."""

    @functools.wraps(function)
    def tool(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            raise ToolError(str(error)) from None

    return tool


if __name__ == "__main__":
    create().run()
