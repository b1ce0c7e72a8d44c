"""What a review collects while it runs: sections of the page, decisions, and every number that was assumed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ecomops.core import DecisionTable, rank_decisions
from review.inputs import Data

KEEP = "keep"
EFFECTS = ("price", "channel", "experiment")
"""Topics whose decisions rest on an effect that has to be proven; what to order and whom to call follow from sales."""
ACTS = 0.95
"""Probability of a gain from which on a change is recommended."""
FALSE_DISCOVERIES = 0.05
"""Share of false alarms allowed among the effects that count as proven."""


@dataclass
class Section:
    """One part of the page."""

    name: str
    title: str
    lead: list[str] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    figures: list[tuple[str, Callable[[], Any]]] = field(default_factory=list)


@dataclass
class Review:
    """The state of one review."""

    options: argparse.Namespace
    data: Data
    sections: list[Section] = field(default_factory=list)
    tables: list[DecisionTable] = field(default_factory=list)
    assumptions: list[tuple[str, str, str]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    call_list: pd.DataFrame | None = None

    @property
    def end(self) -> pd.Timestamp:
        """The last day with a sale."""
        return self.data.lines["day"].max()

    @property
    def unit_cost(self) -> pd.Series | None:
        """Cost of a unit by SKU, where costs were given."""
        if self.data.costs is None:
            return None
        return self.data.costs.groupby("sku")["cost"].mean()

    def assume(self, what: str, value: str, option: str) -> None:
        """Put a number that nobody gave on the page, with the option that replaces it."""
        if (what, value, option) not in self.assumptions:
            self.assumptions.append((what, value, option))

    def margin(self) -> float:
        """Return margin over revenue: from the costs where they are given, else assumed."""
        cost = self.unit_cost
        if cost is not None:
            lines = self.data.lines
            known = lines[lines["sku"].isin(cost.index)]
            revenue = float((known["quantity"] * known["price"]).sum())
            if revenue > 0:
                spent = float((known["quantity"] * known["sku"].map(cost)).sum())
                return float(np.clip(1.0 - spent / revenue, 0.01, 1.0))
        self.assume("margin on revenue", f"{self.options.margin:.0%}", "--costs FILE, or --margin")
        return float(self.options.margin)

    def ranked(self) -> pd.DataFrame:
        """Return all decisions, the one worth most first; "keep" rows last."""
        if not self.tables:
            return pd.DataFrame(columns=list(DecisionTable.model_fields))
        every = pd.concat([table.to_frame() for table in self.tables], ignore_index=True)
        return pd.concat([rank_decisions(*self.tables).to_frame(), every[every["action"] == KEEP]], ignore_index=True)

    def counts(self) -> dict[str, int]:
        """Return how many rows there are, how many call for action, and the same of the rows that rest on a measured effect."""
        rows = self.ranked()
        acts, effect = rows["action"] != KEEP, rows["topic"].isin(EFFECTS)
        return {
            "rows": len(rows),
            "act": int(acts.sum()),
            "effect_rows": int(effect.sum()),
            "effect_act": int((acts & effect).sum()),
        }

    def as_json(self) -> dict[str, Any]:
        """Return everything decided as plain values."""
        rows = self.ranked()
        return {
            "source": self.data.source,
            "last_day": str(self.end.date()),
            "totals": self.totals,
            "cleaning": [vars(found) for found in self.data.report],
            "notes": self.data.notes,
            "assumptions": [{"what": w, "value": v, "replace_with": o} for w, v, o in self.assumptions],
            "answers": self.answers,
            "counts": self.counts(),
            "decisions": [{str(key): _plain(value) for key, value in row.items()} for row in rows.to_dict("records")],
            "call_list": [] if self.call_list is None else self.call_list.to_dict("records"),
        }

    def headline(self) -> list[str]:
        """Return the answers and the five decisions worth most as lines of text."""
        rows = self.ranked()
        acts = rows[rows["action"] != "keep"]
        lines = [f"{question} {answer}" for question, answer in self.answers.items()]
        lines.append(f"{len(acts):,} of {len(rows):,} rows call for action")
        for _, row in acts.head(5).iterrows():
            span = f"{money(row['lower'])} to {money(row['upper'])}"
            lines.append(f"  {row['topic']}: {row['subject']}: {row['action']}: gain {money(row['gain'])} ({span})")
        return lines


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def money(value: float, sign: str = "") -> str:
    """Write money so that it can be read at a glance."""
    digits = 0 if abs(value) >= 100 else 2
    return f"{'-' if value < 0 else ''}{sign}{abs(value):,.{digits}f}"


def price(value: float) -> str:
    """Write a price: cents, and more digits where cents would hide it."""
    return f"{value:,.2f}" if value >= 0.1 else f"{value:.3g}"


def discoveries(p_value: Any, share: float = FALSE_DISCOVERIES) -> Any:
    """Mark the effects that are proven with at most this share of false ones (Benjamini and Hochberg 1995)."""
    p = np.asarray(p_value, dtype=float)
    order = np.argsort(p)
    passes = p[order] <= share * np.arange(1, p.size + 1) / max(p.size, 1)
    count = np.flatnonzero(passes)[-1] + 1 if passes.any() else 0
    proven = np.zeros(p.size, dtype=bool)
    proven[order[:count]] = True
    return proven
