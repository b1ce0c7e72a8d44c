"""How the tests run the review: in this process, from files, with what it wrote and what it said."""

from __future__ import annotations

import importlib.util
import json
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def loaded() -> ModuleType:
    """Return the module of the review; its parts can be imported as ``review.*`` from then on."""
    if "store_review" in sys.modules:
        return sys.modules["store_review"]
    spec = importlib.util.spec_from_file_location("store_review", EXAMPLES / "store_review.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["store_review"] = module
    spec.loader.exec_module(module)
    return module


store_review = loaded()


def review(target: Path, *options: str) -> dict[str, Any]:
    """Run the review and return its JSON file."""
    assert store_review.main([*options, "--out", str(target)]) == 0
    answer: dict[str, Any] = json.loads((target / "store_review.json").read_text(encoding="utf-8"))
    return answer


def read(*options: str) -> Any:
    """Read the files only."""
    from review import inputs

    return inputs.read(store_review.parse(list(options)), lambda _: None)


def orders(lines: int = 600, days: float = 200.0, dates: str = "%Y-%m-%d %H:%M") -> pd.DataFrame:
    """Return plain order lines from 1 June 2025 on: two lines an order, 80 customers, 7 SKUs, revenue 20.2 a line."""
    row = np.arange(lines)
    time = pd.Timestamp("2025-06-01") + pd.to_timedelta(np.floor(row / lines * days * 1440), unit="min")
    return pd.DataFrame(
        {
            "order_id": [f"{100000 + i // 2}" for i in row],
            "customer_id": [f"{i // 2 % 80 + 1:05d}" for i in row],
            "date": time.strftime(dates),
            "sku": [f"0{i % 7:03d}" for i in row],
            "quantity": 1 + row % 3,
            "price": np.where(row % 5 == 0, 9.5, 10.25),
        }
    )


def plain(**options: Any) -> Namespace:
    """Return the options of a run without any."""
    return Namespace(**{**vars(store_review.parse([])), **options})


def empty_review(**tables: pd.DataFrame) -> Any:
    """Return a review of a shop with one sale, and the other tables that are given."""
    from review.inputs import Data
    from review.report import Review

    day = pd.Timestamp("2026-01-01")
    row = {
        "order": "1",
        "sku": "A",
        "customer": "c",
        "description": "",
        "quantity": 1.0,
        "price": 10.0,
        "time": day,
        "day": day,
    }
    answer = Review(options=plain(), data=Data(pd.DataFrame([row]), {}, [], "test", **tables))
    answer.totals = {"revenue_per_order": 10.0}
    return answer
