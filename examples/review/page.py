"""The page: one HTML file with everything in it, for a wide screen, a phone, paper, and the dark."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from review.drawing import svg
from review.report import Review, Section, money

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
PLACES = {
    "reorder": "stock",
    "price": "prices",
    "win back": "customers",
    "channel": "channels",
    "experiment": "experiment",
}
SHOWN = 100
NUMBERS = {"gain", "lower", "upper", "p_better", "cost"}


def render(review: Review) -> str:
    """Return the page."""
    decisions = review.ranked()
    acts = decisions[decisions["action"] != "keep"]
    parts = [
        f"<header><h1>Store review</h1><p>{escape(review.data.source)} · to {review.end.date()}</p></header>",
        _answers(review),
        _first_five(acts, len(decisions), review),
        _contents(review),
        *(_section(section) for section in review.sections),
        _decisions(decisions),
        _assumptions(review),
    ]
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Store review</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><style>{STYLE}</style></head><body><main>'
    )
    return head + "\n".join(parts) + "</main></body></html>\n"


def _answers(review: Review) -> str:
    boxes = "".join(
        f"<div><dt>{escape(question)}</dt><dd>{escape(answer)}</dd></div>"
        for question, answer in review.answers.items()
    )
    return f'<dl class="answers">{boxes}</dl>'


def _first_five(acts: pd.DataFrame, rows: int, review: Review) -> str:
    share = len(acts) / rows if rows else 0.0
    count = f"{len(acts):,} of {rows:,} rows ({share:.1%}) call for action; everywhere else the evidence says keep."
    if acts.empty:
        return f"<section><h2>Nothing to change</h2><p>{count}</p></section>"
    cards = []
    for _, row in acts.head(5).iterrows():
        span = f"{money(row['lower'], review.options.currency)} to {money(row['upper'], review.options.currency)}"
        cards.append(
            f'<li><a href="#{PLACES[row["topic"]]}"><span class="topic">{escape(row["topic"])}</span>'
            f"<strong>{escape(str(row['subject']))}: {escape(row['action'])}</strong>"
            f'<span class="gain">{money(row["gain"], review.options.currency)}</span>'
            f'<span class="span">95 %: {span} · {escape(row["period"])}</span>'
            f'<span class="why">{escape(row["reason"])}</span></a></li>'
        )
    title = "The five decisions worth most" if len(acts) >= 5 else "The decisions worth most"
    return f'<section><h2>{title}</h2><ol class="cards">{"".join(cards)}</ol><p>{count}</p></section>'


def _contents(review: Review) -> str:
    links = [(section.name, section.title) for section in review.sections]
    links += [("decisions", "All decisions"), ("assumptions", "Assumptions")]
    return "<nav>" + "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title in links) + "</nav>"


def _section(section: Section) -> str:
    parts = [f'<section id="{section.name}"><h2>{escape(section.title)}</h2>']
    parts += [f"<p>{escape(text)}</p>" for text in section.lead]
    parts += [
        f"<figure>{svg(draw)}<figcaption>{escape(title)}</figcaption></figure>" for title, draw in section.figures
    ]
    parts += [f"<h3>{escape(title)}</h3>{_table(table)}" for title, table in section.tables]
    return "".join(parts) + "</section>"


def _table(table: pd.DataFrame) -> str:
    if table.empty:
        return "<p>None.</p>"
    right = [pd.api.types.is_numeric_dtype(table[column]) for column in table.columns]
    head = "".join(
        f"<th{' class=n' if number else ''}>{escape(str(column))}</th>"
        for column, number in zip(table.columns, right, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if number else ''}>{_cell(value, str(column))}</td>"
            for value, number, column in zip(row, right, table.columns, strict=True)
        )
        + "</tr>"
        for row in table.itertuples(index=False)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(value: Any, column: str) -> str:
    if not isinstance(value, float | int) or isinstance(value, bool):
        return escape(str(value))
    if pd.isna(value):
        return "–"
    if value in {float("inf"), float("-inf")}:
        return "∞"
    if column.startswith("share"):
        return f"{value:.1%}"
    if float(value).is_integer():
        return f"{value:,.0f}"
    if abs(value) >= 1000:
        return f"{value:,.2f}" if column in {"in the file", "reviewed"} else f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def _decisions(decisions: pd.DataFrame) -> str:
    columns = ["topic", "subject", "action", "gain", "lower", "upper", "p_better", "reason", "period"]
    shown = decisions[columns].head(SHOWN).rename(columns={"p_better": "P(better)"})
    note = "<p>In a row that says keep, the gain is that of the change that was looked at.</p>"
    more = f"<p>The first {SHOWN} of {len(decisions):,}; the JSON file has all.</p>" if len(decisions) > SHOWN else ""
    return f'<section id="decisions"><h2>All decisions</h2>{note}{more}{_table(shown)}</section>'


def _assumptions(review: Review) -> str:
    table = pd.DataFrame(review.assumptions, columns=["assumed", "value", "replace it with"])
    notes = "".join(f"<p>{escape(note)}</p>" for note in review.data.notes)
    return f'<section id="assumptions"><h2>Assumptions</h2><p>Numbers that nobody gave:</p>{_table(table)}{notes}</section>'
