"""Read a file as it is: which encoding, which separator, which columns, every value as text."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from review.problem import Problem

SEPARATORS = ",;\t|"
SAMPLE = 1 << 20
"""Bytes that the encoding is told from."""


@dataclass
class Table:
    """What a file holds, and what had to be decided to read it."""

    frame: pd.DataFrame
    separator: str | None = None
    notes: list[str] = field(default_factory=list)


def load(name: str, option: str) -> Table:
    """Read a CSV or Parquet file; values of a CSV file stay text."""
    path = Path(name)
    if path.is_dir():
        raise Problem(f"{option}: {name} is a folder; name a file in it")
    if not path.is_file():
        raise Problem(f"{option}: there is no file {name}; check the path")
    try:
        table = _parquet(path) if path.suffix.lower() in {".parquet", ".pq"} else _csv(path, option)
    except Problem:
        raise
    except pd.errors.ParserError as error:
        found = re.search(r"Expected \d+ fields in line (\d+), saw \d+", str(error))
        if found is None:
            raise Problem(f"{option}: {name} cannot be read as CSV ({' '.join(str(error).split())})") from None
        raise Problem(f"{option}: line {found[1]} of {name} has more values than the header has names") from None
    except Exception as error:  # noqa: BLE001 - readers of many formats fail in many ways; the reader is told which
        first = " ".join(str(error).split())[:200]
        raise Problem(f"{option}: {name} cannot be read as CSV or Parquet ({first}); save it as one of them") from None
    table.notes = [f"{option}: {note}" for note in table.notes]
    if table.frame.shape[1] == 0:
        raise Problem(f"{option}: {name} has no columns")
    if table.frame.empty:
        raise Problem(f"{option}: {name} has a header but no rows")
    return table


def _parquet(path: Path) -> Table:
    table = Table(pd.read_parquet(path).reset_index(drop=True))
    table.frame.columns = _names([str(column) for column in table.frame.columns], table)
    return table


def _csv(path: Path, option: str) -> Table:
    text, encoding = _decoded(_bytes(path))
    text = text.lstrip("\ufeff")
    if not text.strip():
        raise Problem(f"{option}: {path} is empty")
    separator = None
    first, _, rest = text.lstrip("\r\n").partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == 5:
        separator, text = first.strip()[4], rest
        first = rest.partition("\n")[0]
    if separator is None:
        plain = re.sub(r'"[^"]*"', "", first)
        separator = max(SEPARATORS, key=plain.count)
    head = next(csv.reader(io.StringIO(text.lstrip("\r\n")), delimiter=separator))
    try:
        frame = _rows(text, separator, len(head))
    except pd.errors.ParserWarning:
        # A separator that ends every row makes one column more, which has to be blank.
        frame = _rows(text, separator, len(head) + 1)
        more = (frame.pop(len(head)) != "").to_numpy()
        if more.any():
            row = int(np.argmax(more)) + 1
            raise Problem(f"{option}: data row {row} of {path} has more values than the header has names") from None
    table = Table(frame, separator)
    frame = table.frame
    frame.columns = _names(head, table)
    # A line of separators only is no row.
    blank = (frame == "").all(axis=1)
    if blank.any():
        table.frame = frame[~blank].reset_index(drop=True)
        table.notes.append(f"{int(blank.sum()):,} rows without any value are left out")
    if encoding != "utf-8":
        table.notes.append(f"read as {encoding}")
    if separator != ",":
        table.notes.append(f"values are separated by {'tabs' if separator == chr(9) else repr(separator)}")
    return table


def _rows(text: str, separator: str, width: int) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            io.StringIO(text), dtype=str, keep_default_na=False, sep=separator, header=0, index_col=False, names=list(range(width))
        ).fillna("")  # fmt: skip


def _bytes(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        return gzip.decompress(raw)
    if raw[:4] == b"PK\x03\x04":
        raise ValueError("it is an Excel or ZIP file")
    return raw


def _decoded(raw: bytes) -> tuple[str, str]:
    """Return the text and its encoding: by its mark, else UTF-8, else Chinese or western by how high bytes go together."""
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return raw.decode("utf-16"), "utf-16"
    try:
        return raw.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError:
        pass
    if b"\x00" in raw[:SAMPLE]:
        raise ValueError("it is no text")
    # The bytes of a Chinese letter come in pairs; an accented western letter stands alone.
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", raw[:SAMPLE])]
    order = ("cp1252", "gb18030") if sum(run == 1 for run in runs) > len(runs) / 2 else ("gb18030", "cp1252")
    for encoding in order:
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "latin-1"


def _names(names: list[str], table: Table) -> list[str]:
    """Return names that differ: of two equal columns the first is read, and the page says so."""
    answer: list[str] = []
    for position, name in enumerate(names):
        plain = " ".join(name.replace("\ufeff", "").split()) or f"column {position + 1}"
        other, count = plain, 1
        while other in answer:
            count += 1
            other = f"{plain} ({count})"
        if count > 1:
            table.notes.append(
                f"the column {plain!r} is there {count} times; the first is read, number {count} is called {other!r}"
            )
        answer.append(other)
    return answer
