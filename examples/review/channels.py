"""Channels: what each one contributed, what it cost, and what to stop paying for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import attribution
from ecomops.core import decision_table
from ecomops.inventory import Normal
from review.inputs import Progress
from review.report import ACTS, Review, Section, discoveries, money

LONGEST = 12
"""Paths of more touches than this are one stratum."""


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
    value = "value" if "value" in touches else None
    paths = attribution.PathTable.from_touches(
        touches, user="user", time="time", channel="channel", conversion="conversion", value=value
    )
    effects = attribution.removal_effects(paths)
    table = _table(review, paths, effects, value is not None)
    section.lead.append(
        "Credit by removal effects of an order-1 Markov chain, which is a rule of division and no proof of cause. Whether a "
        "channel matters at all is tested first: do paths with it convert more often than equally long paths without it?"
    )
    if review.data.spend is not None:
        _decide(review, table, touches)
        table["net revenue over spend"] = table["value"] / table["spend"].where(table["spend"] > 0)
    shown = table.drop(columns=["value error", "proven"]).rename(columns={"p": "p of no association"})
    section.tables.append(("Credit and return", shown))


def _table(review: Review, paths: Any, effects: Any, valued: bool) -> pd.DataFrame:
    channel = np.asarray(effects.channel)
    conversions = np.asarray(effects.conversions)
    share_error = np.asarray(effects.conversions_error) / np.maximum(conversions, 1e-12)
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
            "value error": worth * share_error,
        }
    )
    spend = review.data.spend
    if spend is not None:
        table["spend"] = table["channel"].map(spend.groupby("channel")["spend"].sum()).fillna(0.0)
    table["association"], table["p"] = association(paths, channel)
    table["proven"] = discoveries(table["p"])
    return table


def association(paths: Any, channel: Any) -> tuple[Any, Any]:
    """Compare conversion with and without each channel among paths of equal length (Mantel-Haenszel test)."""
    size = len(channel)
    lengths = np.diff(np.asarray(paths.offsets, dtype=int))
    converted, total = np.asarray(paths.conversions), np.asarray(paths.conversions) + np.asarray(paths.nulls)
    path = np.repeat(np.arange(lengths.size), lengths)
    names = np.asarray(paths.channels)
    code = pd.Index(channel).get_indexer(pd.Index(names))[np.asarray(paths.codes, dtype=int)]
    met = np.unique(path * size + code)
    stratum = np.minimum(lengths, LONGEST)
    score, spread = np.zeros(size), np.zeros(size)
    for length in np.unique(stratum):
        inside = stratum == length
        n, k = total[inside].sum(), converted[inside].sum()
        if n < 2:
            continue
        here = met[inside[met // size]]
        exposed = np.bincount(here % size, total[here // size], size)
        score += np.bincount(here % size, converted[here // size], size) - exposed * k / n
        spread += exposed * (n - exposed) * k * (n - k) / (n**2 * (n - 1.0))
    z = np.divide(score, np.sqrt(spread), out=np.zeros(size), where=spread > 0)
    return z, np.asarray(2.0 * Normal(mean=0.0, sd=1.0).sf(np.abs(z)))


def _decide(review: Review, table: pd.DataFrame, touches: pd.DataFrame) -> None:
    """Cut what is proven to matter and to cost more than it brings; everything else needs a hold-out."""
    margin = review.margin()
    days = max((touches["time"].max() - touches["time"].min()).total_seconds() / 86400.0, 1.0)
    scale = review.options.horizon_days / days
    paid = table[table["spend"] > 0]
    gain = (paid["spend"] - margin * paid["value"]).to_numpy() * scale
    error = np.maximum(margin * paid["value error"].to_numpy() * scale, 1e-12)
    better = np.asarray(Normal(mean=0.0, sd=1.0).cdf(gain / error))
    acts = paid["proven"].to_numpy() & (better >= ACTS)
    reason = []
    for row, act in zip(paid.to_dict("records"), acts, strict=True):
        back = f"brings {money(margin * row['value'])} of margin for {money(row['spend'])} spent"
        if not row["proven"]:
            reason.append(f"paths with it do not convert differently (p {row['p']:.2f}): run a hold-out")
        elif act:
            reason.append(f"{back}; association with conversion z {row['association']:.1f}")
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
