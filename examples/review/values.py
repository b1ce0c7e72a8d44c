"""Text to values: ids, and numbers as people and spreadsheets write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

NOBODY = {"", "nan", "null", "none", "na", "n/a", "<na>", "nat", "-", "guest", "anonymous", "unknown", "游客", "匿名"}
SIGNS = {"¥": "¥", "￥": "¥", "元": "¥", "円": "¥", "$": "$", "€": "€", "£": "£", "₹": "₹", "₩": "₩"}
CODE = re.compile(
    r"^[A-Za-z]{2,3}\.?\s+(?=[\d.,(+-])|(?<=[\d.,)])\s*(USD|EUR|GBP|CNY|RMB|JPY|CHF|SEK|NOK|DKK|PLN|INR)$"
)
PLAIN = re.compile(r"^[+-]?\d+([.]\d+)?$")
GROUPS = {",": re.compile(r"^[+-]?[1-9]\d{0,2}(,\d{3})+$"), ".": re.compile(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$")}


def by_value(column: pd.Series, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """Apply a function of text to the distinct values of a column only."""
    codes, distinct = pd.factorize(column)
    answer = function(pd.Series(distinct, dtype=object))
    return pd.Series(answer.to_numpy()[codes], index=column.index)


def text(column: pd.Series) -> pd.Series:
    """Return ids and names as text without blanks round them; missing is "" and 17850.0 of a numeric column is 17850."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype if column.cat.categories.dtype.kind == "O" else object)
    if pd.api.types.is_float_dtype(column.dtype):
        number = column.to_numpy(dtype=np.float64, na_value=np.nan)
        whole = np.isfinite(number) & (number == np.floor(number)) & (np.abs(number) < 1e15)
        if (whole | np.isnan(number)).all():
            column = pd.Series(number, index=column.index).astype("Int64")
    return by_value(
        column.astype(object).where(column.notna(), ""), lambda part: part.map(lambda value: str(value).strip())
    )


def customers(column: pd.Series) -> pd.Series:
    """Return customer ids: 17850.0 and 17850 are one; blanks and NULL are nobody, and so is a 0 that is no first number."""
    names = by_value(text(column), lambda part: part.map(lambda value: re.sub(r"\.0+$", "", value)))
    nobody = NOBODY if (names == "1").any() else NOBODY | {"0"}
    return by_value(names, lambda part: part.map(lambda value: "" if value.lower() in nobody else value))


def numbers(
    columns: dict[str, pd.Series], separator: str | None = None
) -> tuple[dict[str, pd.Series], list[str], set[str]]:
    """Return the columns of one file as floats (NaN where they cannot be read), notes, and the currency signs found.

    Whether a comma is a decimal sign is decided once for all of them: by values that can be read in one way only, else
    (1,234) as thousands, unless semicolons separate the values.
    """
    distinct = {name: _texts(column) for name, column in columns.items() if not _numeric(column)}
    signs: set[str] = set()
    bare = {name: part.map(lambda value: _bare(value, signs)) for name, part in distinct.items()}
    every = [value for part in bare.values() for value in part]
    comma = _decimal_comma(every, separator)
    answer: dict[str, pd.Series] = {}
    for name, column in columns.items():
        if name in distinct:
            codes, _ = pd.factorize(column.astype(object).where(column.notna(), ""))
            answer[name] = pd.Series(
                np.array([_number(value, comma) for value in bare[name]])[codes], index=column.index
            )
        else:
            answer[name] = pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), index=column.index)
    notes = []
    if comma:
        notes.append("a comma is read as the decimal sign, as in 12,50")
    elif any("," in value for value in every):
        notes.append("a comma between digits is read as thousands, as in 1,234.50")
    return answer, notes, signs


def _numeric(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def _texts(column: pd.Series) -> pd.Series:
    _, distinct = pd.factorize(column.astype(object).where(column.notna(), ""))
    return pd.Series(["" if isinstance(value, bool) else str(value).strip() for value in distinct], dtype=object)


def _bare(value: str, signs: set[str]) -> str:
    """Take currency, blanks and brackets from a number: ($1 234.50) is -1234.50."""
    if PLAIN.match(value) or not any(char.isdigit() for char in value):
        return value
    for char in value:
        if char in SIGNS:
            signs.add(SIGNS[char])
            value = value.replace(char, "")
    value = CODE.sub("", value.strip().replace("\u2212", "-"))
    value = re.sub(r"[\s\u00a0\u202f'\u2019]", "", value).removeprefix("R").removeprefix("+")
    if value.startswith("(") and value.endswith(")"):
        return "-" + value[1:-1]
    return "-" + value[:-1] if value.endswith("-") else value


def _decimal_comma(values: list[str], separator: str | None) -> bool:
    """Say whether the comma is the decimal sign, by the values that can be read in one way only."""
    votes = {",": 0, ".": 0}
    commas = False
    for value in values:
        comma, dot = value.count(","), value.count(".")
        commas = commas or comma > 0
        if comma and dot:
            votes["," if value.rfind(",") > value.rfind(".") else "."] += 1
        elif comma > 1 or dot > 1:
            votes["." if comma > 1 else ","] += 1
        elif comma or dot:
            sign = "," if comma else "."
            votes[sign] += not GROUPS[sign].match(value)
    if votes[","] or votes["."]:
        return votes[","] > votes["."]
    return commas and separator == ";"


def _number(value: str, comma: bool) -> float:
    """Read one number; the last of two different signs is the decimal sign whatever the file does."""
    if "," in value and "." in value:
        comma = value.rfind(",") > value.rfind(".")
    elif comma and "," not in value and GROUPS["."].match(value):
        value = value.replace(".", "")
    elif not comma and "," in value and not GROUPS[","].match(value):
        comma = value.count(",") == 1
    if "," in value or "." in value:
        value = value.replace(".", "").replace(",", ".") if comma and "," in value else value.replace(",", "")
    try:
        number = float(value) if "_" not in value else np.nan
    except ValueError:
        return np.nan
    return number if np.isfinite(number) else np.nan


def flags(column: pd.Series) -> pd.Series:
    """Return 0 and 1 for the ways to write no and yes, NaN for anything else."""
    known: dict[Any, float] = dict.fromkeys(("0", "0.0", "false", "no", "n", "f", "否", ""), 0.0)
    known |= dict.fromkeys(("1", "1.0", "true", "yes", "y", "t", "是"), 1.0)
    return by_value(text(column), lambda part: part.str.lower().map(known)).astype(float)
