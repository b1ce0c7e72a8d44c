"""Channels: what each one contributed, what it cost, and what to stop paying for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import attribution
from ecomops.core import decision_table
from ecomops.inventory import Normal
from review.added import added_conversions
from review.inputs import Progress
from review.report import ACTS, Review, Section, discoveries, money


def analyse(review: Review, progress: Progress) -> None:
    """Add the section on channels and the decisions on their spend."""
    section = Section("channels", "Channels")
    review.sections.append(section)
    review.answers["What do I stop?"] = "Nothing is proven to lose money."
    if review.data.touches is None:
        section.lead.append(
            "Give --touches FILE (user, time, channel, conversion, value) and --spend FILE to judge channels."
        )
        return
    touches = review.data.touches
    progress(f"crediting {touches['channel'].nunique()} channels with {len(touches):,} touches")
    if not touches["conversion"].any():
        section.lead.append("None of the touches led to a conversion, so there is nothing to divide among channels.")
        return
    value = "value" if "value" in touches else None
    paths = attribution.PathTable.from_touches(
        touches, user="user", time="time", channel="channel", conversion="conversion", value=value
    )
    effects = attribution.removal_effects(paths)
    table = _table(review, paths, effects, value is not None)
    section.lead.append(
        "Credit (removal effects of an order-1 Markov chain, and even shares) is a rule of division: it adds up to all conversions "
        "even where a channel does nothing. Decisions rest on what a channel adds: the conversions that paths with it have beyond "
        "paths of as many touches without it, all channels compared at once. Who meets a channel is not drawn by lot, so a hold-out "
        "settles it."
    )
    if review.data.spend is not None:
        _decide(review, table, touches)
        table["credited value over spend"] = table["value"] / table["spend"].where(table["spend"] > 0)
        table["added value over spend"] = table["added value"] / table["spend"].where(table["spend"] > 0)
    first = ["channel", "spend", "added conversions", "error", "p", "added value over spend"]
    shown = table[[*(name for name in first if name in table), *table.columns.drop(first, errors="ignore")]]
    shown = shown.drop(columns=["added value", "added value error", "proven"]).rename(
        columns={"p": "p of adding nothing"}
    )
    section.tables.append(("Credit and return", shown.replace([np.inf], np.nan)))


def _table(review: Review, paths: Any, effects: Any, valued: bool) -> pd.DataFrame:
    channel = np.asarray(effects.channel)
    conversions = np.asarray(effects.conversions)
    if valued:
        worth = np.asarray(effects.value)
    else:
        worth = conversions * review.totals["revenue_per_order"]
        review.assume(
            "revenue of a conversion", money(review.totals["revenue_per_order"]), "a column `value` in --touches"
        )
    linear = attribution.rule_credit(paths, rule=attribution.Linear())
    by_linear = dict(zip(np.asarray(linear.channel).tolist(), np.asarray(linear.conversions).tolist(), strict=True))
    table = pd.DataFrame(
        {
            "channel": channel,
            "conversions, removal": conversions,
            "conversions, linear": [by_linear.get(name, 0.0) for name in channel.tolist()],
            "value": worth,
        }
    )
    found = added_conversions(paths, channel)
    each = float(worth.sum() / max(conversions.sum(), 1e-12))
    table["added conversions"], table["error"] = found.conversions, found.error
    table["added value"], table["added value error"] = found.conversions * each, found.error * each
    spend = review.data.spend
    if spend is not None:
        table["spend"] = table["channel"].map(spend.groupby("channel")["spend"].sum()).fillna(0.0)
    table["p"] = found.p_value
    table["proven"] = discoveries(table["p"])
    return table


def _decide(review: Review, table: pd.DataFrame, touches: pd.DataFrame) -> None:
    """Cut what is proven to matter and to cost more than it brings; everything else needs a hold-out."""
    margin = review.margin()
    days = max((touches["time"].max() - touches["time"].min()).total_seconds() / 86400.0, 1.0)
    scale = review.options.horizon_days / days
    paid = table[table["spend"] > 0]
    gain = (paid["spend"] - margin * paid["added value"]).to_numpy() * scale
    # What cannot be told is shown as wide as all that the channel costs.
    error = np.where(np.isfinite(paid["added value error"]), margin * paid["added value error"], paid["spend"]).astype(
        float
    )
    error = np.maximum(error * scale, 1e-12)
    better = np.asarray(Normal(mean=0.0, sd=1.0).cdf(gain / error))
    acts = paid["proven"].to_numpy() & (better >= ACTS)
    reason = []
    for row, act in zip(paid.to_dict("records"), acts, strict=True):
        back = f"adds {money(margin * row['added value'])} of margin for {money(row['spend'])} spent"
        if not row["proven"]:
            reason.append(
                f"it is not proven to add anything (p {row['p']:.2f}): run a hold-out; if it adds nothing, stop it"
            )
        elif act:
            reason.append(f"{back} (p {row['p']:.2g} of adding nothing)")
        else:
            reason.append(f"{back}: keep, and test a larger budget")
    review.tables.append(
        decision_table(
            paid["channel"].to_numpy(object),
            topic="channel",
            action=np.where(acts, "stop paying", "keep").astype(object),
            gain=gain,
            lower=gain - 1.96 * error,
            upper=gain + 1.96 * error,
            p_better=better,
            reason=np.array(reason, object),
            period=f"next {review.options.horizon_days:g} days",
            baseline="today's spend",
        )
    )
    stopped = paid["channel"][acts].tolist()
    if stopped:
        saved = money(float(gain[acts].sum()), review.options.currency)
        review.answers["What do I stop?"] = (
            f"Paying for {', '.join(map(str, stopped))}: {saved} in the next {review.options.horizon_days:g} days."
        )
