"""The table of features says what is true: a test fails on every gap."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("inventory", "pricing", "segmentation", "attribution", "experiments", "plot")


def rows() -> list[tuple[str, str, str]]:
    text = (ROOT / "docs" / "reference" / "features.md").read_text(encoding="utf-8")
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return [(row[0], row[1], row[2]) for row in cells if row[0] != "Feature" and set(row[0]) != {"-"}]


def gaps(table: list[tuple[str, str, str]]) -> list[str]:
    """Return what is wrong with the table."""
    found, named = [], set()
    for feature, functions, test in table:
        names = re.findall(r"`([\w.]+)`", functions)
        if not names:
            found.append(f"{feature}: no function")
        if functions.startswith("planned"):
            arrived = [n for n in names for p in PACKAGES if n in importlib.import_module(f"ecomops.{p}").__all__]
            found += [f"{feature}: {name} is there now" for name in arrived]
            continue
        for name in names:
            package, _, public = name.partition(".")
            named.add(name)
            if public not in importlib.import_module(f"ecomops.{package}").__all__:
                found.append(f"{feature}: {name} is not public")
        path = ROOT / test.strip("`")
        if not test or not path.is_file():
            found.append(f"{feature}: there is no test {test}")
        elif not re.search(r"^\s*def test_", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.append(f"{feature}: {test} tests nothing")
    for package in PACKAGES:
        public = importlib.import_module(f"ecomops.{package}").__all__
        found += [f"{package}.{name} has no row" for name in public if f"{package}.{name}" not in named]
    return found


def test_every_row_is_true_and_every_public_name_has_one() -> None:
    pytest.importorskip("matplotlib")
    assert gaps(rows()) == []


def test_the_check_can_fail() -> None:
    pytest.importorskip("matplotlib")
    wrong = [
        ("a", "`inventory.nothing`", "`tests/test_features.py`"),
        ("b", "`inventory.newsvendor`", "`tests/nowhere.py`"),
        ("c", "planned: `newsvendor`", ""),
        ("d", "", ""),
        ("e", "`inventory.newsvendor`", "`tests/conftest.py`"),
    ]
    said = gaps(wrong)
    for expected in (
        "a: inventory.nothing is not public",
        "b: there is no test `tests/nowhere.py`",
        "c: newsvendor is there now",
        "d: no function",
        "e: `tests/conftest.py` tests nothing",
        "pricing.optimal_price has no row",
    ):
        assert expected in said
