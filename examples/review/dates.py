"""Text to times: ISO, day or month first, Chinese, counted seconds and days; what was taken is told."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

FIRST, LAST = pd.Timestamp("1990-01-01"), pd.Timestamp("2100-01-01")
"""Times outside are taken for mistakes."""
ZONE = re.compile(r"(?<=\d)\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})$")
PARTS = re.compile(r"^(\d{1,4})\s*[/.\-年]\s*(\d{1,2})\s*[/.\-月]\s*(\d{2,4}|\d)\s*[日号]?(?:[T,\s]+|$)(.*)$")
UNITS = (("s", 1e8, 1e10), ("ms", 1e11, 1e13), ("us", 1e14, 1e16), ("ns", 1e17, 4.2e18))
ORDERS = ("day-first", "month-first")


def times(column: pd.Series, order: str | None = None) -> tuple[pd.Series, list[str], str | None]:
    """Return clock times (NaT where they cannot be read), notes, and the order of day and month if it had to be guessed."""
    if pd.api.types.is_datetime64_any_dtype(column):
        zone = getattr(column.dt, "tz", None)
        plain = column.dt.tz_localize(None) if zone is not None else column
        notes = [f"times are clock times of the zone {zone}"] if zone is not None else []
        return _sane(plain.astype("datetime64[us]")), notes, None
    codes, distinct = pd.factorize(column.astype(object).where(column.notna(), ""))
    number = pd.to_numeric(pd.Series(distinct, dtype=object).map(_numeral), errors="coerce").to_numpy(dtype=np.float64)
    guessed = None
    if len(distinct) and np.isfinite(number).sum() > 0.5 * sum(value != "" for value in distinct):
        answer, notes = _counted(number)
    else:
        answer, notes, guessed = _written([str(value).strip() for value in distinct], codes, order)
    return _sane(pd.Series(answer.to_numpy()[codes], index=column.index)), notes, guessed


def _numeral(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value if isinstance(value, int | float | np.number) else None


def _sane(answer: pd.Series) -> pd.Series:
    return answer.where((answer >= FIRST) & (answer < LAST))


def _counted(number: Any) -> tuple[pd.Series, list[str]]:
    """Read seconds and their fractions since 1970, spreadsheet days, or 20251231, by their size."""
    size = float(np.nanmedian(np.abs(number)))
    days = pd.Series(number)
    if 19000101 <= size <= 21001231:
        written = days.map(lambda value: f"{value:.0f}" if np.isfinite(value) else "")
        return pd.to_datetime(written, format="%Y%m%d", errors="coerce"), ["times are read as year, month, day"]
    if 20000 <= size <= 80000:
        start = pd.Timestamp("1899-12-30")
        good = days.where((days > 0) & (days < 80000))
        return start + pd.to_timedelta((good * 86400).round(), unit="s"), ["times are read as days of a spreadsheet"]
    for unit, low, high in UNITS:
        if low <= size < high:
            good = days.where((days > 0) & (days < high))
            return pd.to_datetime(good, unit=unit, errors="coerce"), [f"times are read as {unit} since 1970 (UTC)"]
    return pd.Series(np.full(len(days), np.datetime64("NaT", "us"))), []


def _written(distinct: list[str], codes: Any, order: str | None) -> tuple[pd.Series, list[str], str | None]:
    """Read dates in words and figures; offsets from UTC are dropped, since a shop lives by its clock."""
    bare = [ZONE.sub("", value) if ":" in value else value for value in distinct]
    zones = {ZONE.search(value).group(1) for value, cut in zip(distinct, bare, strict=True) if value != cut}  # type: ignore[union-attr]
    notes = [f"times are taken as written, without their zone ({', '.join(sorted(zones)[:3])})"] if zones else []
    parts = [PARTS.match(value) for value in bare]
    year_first = [_iso(part, 1, 2, 3) if part and len(part.group(1)) == 4 else None for part in parts]
    open_rows = [i for i, part in enumerate(parts) if part and len(part.group(1)) < 3]
    texts = [iso if iso is not None else value for iso, value in zip(year_first, bare, strict=True)]
    guessed = None
    if open_rows:
        chosen, sure = _order(parts, open_rows, codes) if order is None else (order, True)
        guessed = None if sure else chosen
        day, month = (1, 2) if chosen == "day-first" else (2, 1)
        for i in open_rows:
            texts[i] = _iso(parts[i], 3, month, day)
        example = next((distinct[i] for i in open_rows if texts[i]), distinct[open_rows[0]])
        notes.append(f"dates such as {example} are read {chosen.replace('-', ' ')}")
    return _parsed(texts), notes, guessed


def _parsed(texts: list[str]) -> pd.Series:
    series = pd.Series(texts, dtype=object)
    answer = pd.to_datetime(series, format="ISO8601", errors="coerce").astype("datetime64[us]")
    # What begins with a letter or ends in a year is in words: 31 Dec 2025, Dec 31, 2025 8:26 PM.
    left = answer.isna() & series.str.contains(r"\d{1,2}.*\d", regex=True)
    left &= series.str.contains(r"[A-Za-z]{3}|^\d{4}-\d\d-\d\d .*(?:[AaPp]\.?[Mm])", regex=True)
    if left.any():
        more = [pd.to_datetime(value, errors="coerce") for value in series[left]]
        answer[left] = [value.tz_localize(None) if value is not pd.NaT and value.tzinfo else value for value in more]
    return answer


def _iso(part: Any, year: int, month: int, day: int) -> str:
    """Write the parts of a date as ISO 8601; "" where they are none."""
    y, m, d = int(part.group(year)), int(part.group(month)), int(part.group(day))
    if len(part.group(year)) <= 2:
        y += 2000
    if not (1 <= m <= 12 and 1 <= d <= 31 and 1000 <= y <= 9999):
        return ""
    clock = part.group(4).strip()
    if re.match(r"^\d:", clock):
        clock = "0" + clock
    return f"{y:04d}-{m:02d}-{d:02d} {clock}".strip()


def _order(parts: list[Any], rows: list[int], codes: Any) -> tuple[str, bool]:
    """Choose day or month first: what reads most; where both do, what leaves the file in the order of time."""
    first = np.array([int(parts[i].group(1)) for i in rows])
    second = np.array([int(parts[i].group(2)) for i in rows])
    readable = {
        "day-first": int(((first <= 31) & (second <= 12)).sum()),
        "month-first": int(((first <= 12) & (second <= 31)).sum()),
    }
    best = max(ORDERS, key=lambda name: readable[name])
    if readable["day-first"] != readable["month-first"] or (first == second).all():
        return best, True
    year = np.array([int(parts[i].group(3)) for i in rows])
    place = np.full(int(codes.max()) + 1, -1)
    place[rows] = np.arange(len(rows))
    row = place[codes]
    row = row[row >= 0]
    falls = {
        name: int((np.diff((year * 10000 + m * 100 + d)[row]) < 0).sum())
        for name, m, d in (("day-first", second, first), ("month-first", first, second))
    }
    return min(ORDERS, key=lambda name: falls[name]), False
