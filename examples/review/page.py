"""The page: one HTML file with everything in it, for a wide screen, a phone, paper, and the dark."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from review.drawing import svg
from review.report import KEEP, Review, Section, money

STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
PLACES = {
    "reorder": "stock",
    "price": "prices",
    "win back": "customers",
    "channel": "channels",
    "experiment": "experiment",
}
ANSWERS = {"What do I order?": "stock", "Whom do I call?": "customers", "What do I stop?": "channels"}
PRICES = {"price", "cost"}
PRECISE = {"mean of the control", "difference", "from", "to"}
SHORT = 24
"""Text of no more signs stays in one line."""
SHOWN = 100
FIRST = 5


def render(review: Review) -> str:
    """Return the page."""
    decisions = review.ranked()
    parts = [
        f"<header><h1>Store review</h1><p>{escape(review.data.source)} · to {review.end.date()}</p></header>",
        _answers(review),
        _first_five(decisions, review),
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
        f'<div><dt><a href="#{ANSWERS.get(question, "decisions")}">{escape(question)}</a></dt><dd>{escape(answer)}</dd></div>'
        for question, answer in review.answers.items()
    )
    return f'<dl class="answers">{boxes}</dl>'


def _first_five(decisions: pd.DataFrame, review: Review) -> str:
    """Show the decisions worth most; where there are fewer than five, also what is worth a test."""
    acts = decisions[decisions["action"] != KEEP].head(FIRST)
    open_ones = decisions[(decisions["action"] == KEEP) & (decisions["gain"] > 0)]
    tests = open_ones.sort_values("gain", ascending=False, kind="stable").head(FIRST - len(acts))
    title = "The five decisions worth most" if len(acts) == FIRST else "The decisions worth most"
    text = f"<section><h2>{title if len(acts) else 'Nothing to change'}</h2>{_cards(acts, review)}<p>{escape(_count(review))}</p>"
    if len(tests):
        lead = "Not proven, so the answer today is keep; this is what the change would bring if the estimate is right."
        text += f"<h3>Worth a test first</h3><p>{lead}</p>{_cards(tests, review)}"
    return text + "</section>"


def _cards(rows: pd.DataFrame, review: Review) -> str:
    cards = []
    for _, row in rows.iterrows():
        span = f"{money(row['lower'], review.options.currency)} to {money(row['upper'], review.options.currency)}"
        cards.append(
            f'<li><a href="#{PLACES[row["topic"]]}"><span class="topic">{escape(row["topic"])}</span>'
            f"<strong>{escape(str(row['subject']))}: {escape(row['action'])}</strong>"
            f'<span class="gain">{money(row["gain"], review.options.currency)}</span>'
            f'<span class="span">95 %: {span} · {escape(row["period"])}</span>'
            f'<span class="why">{escape(row["reason"])}</span></a></li>'
        )
    return f'<ol class="cards">{"".join(cards)}</ol>' if cards else ""


def _count(review: Review) -> str:
    """Say how many rows call for action, and whether any effect is proven at all."""
    counts = review.counts()
    if not counts["rows"]:
        return "There is nothing to decide on yet: too few sales."
    share = counts["act"] / counts["rows"]
    text = f"{counts['act']:,} of {counts['rows']:,} rows call for action ({share:.1%}); everywhere else the evidence says keep."
    if counts["effect_rows"] and not counts["effect_act"]:
        text += " No effect of a price, a channel or a test is proven: what moves here looks like chance."
    elif counts["effect_rows"]:
        text += (
            f" Of the {counts['effect_rows']:,} rows on prices, channels and tests {counts['effect_act']:,} rest on a proven "
            "effect; about one in twenty of these may be chance."
        )
    return text


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
    cells = {str(name): _column(table.iloc[:, i], str(name)) for i, name in enumerate(table.columns)}
    kinds = [_kind(table.iloc[:, i], part) for i, part in enumerate(cells.values())]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(cells, kinds, strict=True))
    rows = "".join(
        f"<tr>{''.join(f'<td{kind}>{escape(cell)}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>"
        for row in zip(*cells.values(), strict=True)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _kind(column: pd.Series, cells: list[str]) -> str:
    """Return the class of the cells: numbers to the right, short text in one line."""
    if pd.api.types.is_numeric_dtype(column):
        return " class=n"
    return " class=s" if max(map(len, cells)) <= SHORT else ""


def _column(column: pd.Series, name: str) -> list[str]:
    """Write the values of a column with as many digits as tell something, the same for all."""
    if not pd.api.types.is_numeric_dtype(column):
        return [str(value) for value in column]
    values = column.to_numpy(dtype=float)
    known = np.abs(values[np.isfinite(values)])
    middle = float(np.median(known[known > 0])) if (known > 0).any() else 0.0
    if name.startswith(("share", "probability", "mean probability", "P(")):
        form = "{:.1%}"
    elif (known == np.floor(known)).all():
        form = "{:,.0f}"
    elif name == "p" or name.startswith("p of"):
        return ["<0.0001" if value < 1e-4 else _number(value, "{:.3g}") for value in values]
    elif middle < 0.1:
        form = "{:.3g}"
    elif name in PRECISE:
        form = "{:.4g}"
    elif name in PRICES:
        form = "{:,.2f}"
    else:
        form = "{:,.0f}" if middle >= 100 else "{:,.1f}" if middle >= 10 else "{:,.2f}"
    return [_number(value, form) for value in values]


def _number(value: float, form: str) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞"
    text = form.format(value)
    return text.removeprefix("-") if not text.strip("-0.,%") else text


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
