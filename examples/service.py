r"""Put public functions of ecomops behind HTTP: one POST a function, with a complete OpenAPI description.

    pip install ecomops fastapi uvicorn
    uvicorn service:app --app-dir examples

    curl -X POST localhost:8000/newsvendor -H 'content-type: application/json' \
        -d '{"demand": {"kind": "Normal", "mean": [50, 80], "sd": 8}, "overage": 0.18, "underage": 0.70}'

A wrong body gets status 422 and one line a problem.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ecomops import InputError, __version__, arguments
from ecomops.experiments import compare_proportions, sample_ratio_mismatch, sample_size
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
    sample_ratio_mismatch,
)
MOST_BYTES = 8_000_000
"""Largest body that is read: about a million numbers."""


def create(functions: Sequence[Callable[..., Any]] = FUNCTIONS) -> FastAPI:
    """Return an application with one route a function."""
    app = FastAPI(title="ecomops", version=__version__)
    for function in functions:
        _route(app, function)
    app.add_exception_handler(InputError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.middleware("http")(_limited)
    return app


def _route(app: FastAPI, function: Callable[..., Any]) -> None:
    def call(body: Any) -> Any:
        return body.call()

    # FastAPI reads the annotations: the body is the model of the function's arguments, the answer its result.
    call.__name__ = function.__name__
    answer = inspect.get_annotations(function, eval_str=True)["return"]
    call.__annotations__ = {"body": arguments(function), "return": answer}
    app.post(f"/{function.__name__}", description=inspect.getdoc(function))(call)


async def _limited(request: Request, proceed: Callable[[Request], Any]) -> Any:
    """Refuse what is too large before it is read."""
    size = request.headers.get("content-length", "")
    if not size.isdigit() and request.method == "POST":
        return JSONResponse({"detail": ["the request must say its content-length"]}, status_code=411)
    if size.isdigit() and int(size) > MOST_BYTES:
        return JSONResponse({"detail": [f"the body must be at most {MOST_BYTES:,} bytes, got {size}"]}, status_code=413)
    return await proceed(request)


def _refused(_: Request, error: Exception) -> JSONResponse:
    """Answer 422 with one line a problem."""
    return JSONResponse({"detail": str(error).split("\n")}, status_code=422)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Do the same for what FastAPI checks itself; its own answer would send the whole input back, NaN included."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    lines = [f"{'.'.join(map(str, one['loc'][1:]))} {one['msg']}".strip() for one in problems[:20]]
    return JSONResponse({"detail": lines}, status_code=422)


app = create()
