"""Stock: how much each SKU needs until the next order arrives, and what to order now."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import inventory
from ecomops.core import decision_table
from review.inputs import Progress
from review.report import ACTS, Review, Section, money
from review.weekly import LEAST_WEEKS, panel

RECENT = 26
"""Weeks of sales that stand for the demand to come."""
MEANS = 15
"""Points of the grid of mean demand that the gain is averaged over."""


def analyse(review: Review, progress: Progress) -> None:
    """Add the section on stock and the reorder decisions."""
    lines = review.data.lines
    section = Section("stock", "Stock")
    review.sections.append(section)
    progress(f"sizing stock for {lines['sku'].nunique():,} SKUs")
    weekly = panel(lines)
    recent = weekly[weekly["week"] > -RECENT]
    demand = recent.groupby("sku")["units"].agg(["mean", "var", "size"])
    demand = demand[(demand["size"] >= LEAST_WEEKS) & (demand["mean"] > 0)]
    plan = _levels(review, demand)
    review.answers["What do I order?"] = "No SKU has eight weeks of sales yet."
    if plan.empty:
        section.lead.append(f"No SKU has {LEAST_WEEKS} weeks of sales; there is nothing to size stock from.")
        return
    section.lead.append(
        f"Weekly demand of the last {RECENT} weeks (negative binomial, or Poisson where it varies less); the order-up-to "
        f"level lasts through lead time and review period with probability {review.options.service:.0%}."
    )
    if review.data.stock is None:
        _without_stock(review, section, plan)
        return
    _reorder(review, section, plan)
    _idle(review, section, weekly)


def _levels(review: Review, demand: pd.DataFrame) -> pd.DataFrame:
    """Return the order-up-to level of each SKU."""
    options = review.options
    plan = demand.rename(columns={"mean": "weekly", "size": "weeks"}).copy()
    plan["lead_time"] = options.lead_time
    stock = review.data.stock
    if stock is not None:
        by_sku = stock.groupby("sku")
        plan = plan[plan.index.isin(stock["sku"])].copy()
        plan["on_hand"] = by_sku["on_hand"].sum().reindex(plan.index)
        plan["on_order"] = by_sku["on_order"].sum().reindex(plan.index) if "on_order" in stock else 0.0
        if "lead_time" in stock:
            plan["lead_time"] = by_sku["lead_time"].mean().reindex(plan.index).fillna(options.lead_time)
    if stock is None or "lead_time" not in stock or stock["lead_time"].isna().any():
        review.assume(
            "days from order to arrival", f"{options.lead_time:g}", "--stock FILE with lead_time, or --lead-time"
        )
    review.assume("days between two orders", f"{options.review_days:g}", "--review-days")
    review.assume("probability of no stock-out until the next order arrives", f"{options.service:.0%}", "--service")
    lead = inventory.LeadTime(mean=plan["lead_time"].to_numpy() / 7.0, review_period=options.review_days / 7.0)
    plan["protection"] = np.asarray(lead.protection)
    plan["level"] = _by_family(plan, lambda law, part: inventory.safety_stock(
        law, lead_time=_lead(part, options), service=inventory.CycleService(probability=options.service)
    ).level)  # fmt: skip
    return plan


def _lead(part: pd.DataFrame, options: Any) -> inventory.LeadTime:
    return inventory.LeadTime(mean=part["lead_time"].to_numpy() / 7.0, review_period=options.review_days / 7.0)


def _by_family(plan: pd.DataFrame, compute: Any) -> Any:
    """Compute with negative binomial demand where it varies more than its mean, with Poisson demand elsewhere."""
    answer = np.zeros(len(plan))
    wide = (plan["var"] > plan["weekly"] * 1.0001).to_numpy()
    for here, make in (
        (
            wide,
            lambda part: inventory.NegativeBinomial(mean=part["weekly"].to_numpy(), variance=part["var"].to_numpy()),
        ),
        (~wide, lambda part: inventory.Poisson(mean=part["weekly"].to_numpy())),
    ):
        if here.any():
            part = plan[here]
            answer[here] = np.asarray(compute(make(part), part))
    return answer


def _without_stock(review: Review, section: Section, plan: pd.DataFrame) -> None:
    rows = len(plan)
    review.tables.append(
        decision_table(
            plan.index.to_numpy(object),
            topic="reorder",
            action=np.full(rows, "keep", dtype=object),
            gain=np.zeros(rows),
            lower=np.zeros(rows),
            upper=np.zeros(rows),
            p_better=np.full(rows, 0.5),
            reason=np.array(
                [f"order up to {level:,.0f}; give --stock for a quantity" for level in plan["level"]], object
            ),
            period="until the next order arrives",
            baseline="no order",
        )
    )
    table = plan.sort_values("weekly", ascending=False)[["weekly", "var", "lead_time", "level"]].reset_index()
    first = ", ".join(f"{row.sku} up to {row.level:,.0f}" for row in table.head(3).itertuples())
    review.answers["What do I order?"] = (
        f"Fill up to the levels of {rows:,} SKUs; fastest {first}. Give --stock FILE to turn them into quantities."
    )
    table.columns = ["SKU", "units a week", "variance", "lead time, days", "order up to"]
    section.tables.append(("Order-up-to levels, the 30 fastest SKUs", table.head(30)))


def _lost(plan: pd.DataFrame, position: Any, scale: Any, options: Any) -> Any:
    """Return expected units short over the protection time, had mean demand been ``scale`` times the estimate."""
    scaled = plan.assign(weekly=plan["weekly"] * scale, var=plan["var"] * scale)
    stocked = scaled.assign(position=position)
    return _by_family(stocked, lambda law, part: law.over(_lead(part, options)).loss(part["position"].to_numpy()))


def _reorder(review: Review, section: Section, plan: pd.DataFrame) -> None:
    """Order up to the level; the gain is the margin of the sales saved, less what the extra stock costs to hold."""
    options = review.options
    last = review.data.lines.sort_values("time").groupby("sku")["price"].last().reindex(plan.index)
    cost = review.unit_cost
    unit_cost = (
        last * (1.0 - review.margin())
        if cost is None
        else cost.reindex(plan.index).fillna(last * (1.0 - review.margin()))
    )
    plan = plan.assign(price=last, cost=unit_cost, margin=(last - unit_cost).clip(lower=0.0))
    position = plan["on_hand"] + plan["on_order"]
    plan["order"] = np.ceil((plan["level"] - position).clip(lower=0.0))
    review.assume("cost of holding stock, share of its value per year", f"{options.holding_rate:.0%}", "--holding-rate")
    hold = plan["order"] * plan["cost"] * options.holding_rate * plan["protection"] / 52.0
    error = np.sqrt(plan["var"] / plan["weeks"]) / plan["weekly"]
    # The gain on a grid of mean demands, weighted evenly: the points are quantiles of the estimate, and the ends of its interval.
    shares = np.append((np.arange(MEANS) + 0.5) / MEANS, [0.025, 0.975])
    points = inventory.Normal(mean=0.0, sd=1.0).quantile(shares)
    gains = np.array(
        [
            (
                _lost(plan, position.to_numpy(), scale, options)
                - _lost(plan, (position + plan["order"]).to_numpy(), scale, options)
            )
            * plan["margin"]
            - hold
            for scale in (np.maximum(1.0 + error * point, 0.05) for point in np.asarray(points))
        ]
    )
    gain, better = gains[:MEANS].mean(axis=0), (gains[:MEANS] > 0).mean(axis=0)
    acts = (plan["order"].to_numpy() > 0) & (better >= ACTS)
    cover = position / plan["weekly"] * 7.0
    reason = [
        f"{days:,.0f} days of supply for {weeks * 7:,.0f} days until the next order arrives"
        + ("" if act or not units else f"; {units:,.0f} more would not pay for their holding for certain")
        for days, weeks, act, units in zip(cover, plan["protection"], acts, plan["order"], strict=True)
    ]
    review.tables.append(
        decision_table(
            plan.index.to_numpy(object),
            topic="reorder",
            action=np.array(
                [f"order {u:,.0f}" if a else "keep" for u, a in zip(plan["order"], acts, strict=True)], object
            ),
            gain=gain,
            lower=np.minimum(gains.min(axis=0), gain),
            upper=np.maximum(gains.max(axis=0), gain),
            p_better=better,
            reason=np.array(reason, object),
            period="until the next order arrives",
            baseline="no order",
            cost=np.where(acts, plan["order"] * plan["cost"], 0.0),
        )
    )
    table = plan.assign(gain=gain, days=cover, buy=np.where(acts, plan["order"], 0.0))
    table = table[acts].sort_values("gain", ascending=False).reset_index()
    _answer(review, section, table)


def _answer(review: Review, section: Section, table: pd.DataFrame) -> None:
    shown = table[["sku", "buy", "gain", "on_hand", "on_order", "days", "weekly", "level"]]
    shown = shown.rename(columns={
        "sku": "SKU", "weekly": "units a week", "on_hand": "on hand", "on_order": "on order", "days": "days of supply",
        "level": "order up to", "buy": "order",
    })  # fmt: skip
    section.tables.append(("What to order (the first 30)", shown.head(30)))
    sign = review.options.currency
    if len(table):
        first = ", ".join(f"{row.sku} ({row.buy:,.0f})" for row in table.head(3).itertuples())
        review.answers["What do I order?"] = (
            f"{len(table):,} SKUs for {money(float((table['buy'] * table['cost']).sum()), sign)}, which saves "
            f"{money(float(table['gain'].sum()), sign)} of margin; first {first}."
        )
    else:
        review.answers["What do I order?"] = "Nothing: stock lasts until the next order everywhere."


def _idle(review: Review, section: Section, weekly: pd.DataFrame) -> None:
    """Show stock that does not move."""
    stock = review.data.stock
    if stock is None:
        return
    held = stock.groupby("sku")["on_hand"].sum()
    rate = weekly[weekly["week"] > -13].groupby("sku")["units"].mean().reindex(held.index).fillna(0.0)
    supply = np.asarray(inventory.days_of_supply(held.clip(lower=0.0).to_numpy(), daily_demand=rate.to_numpy() / 7.0))
    table = pd.DataFrame({"SKU": held.index, "on hand": held.to_numpy(), "days of supply": supply})
    table = table[(table["on hand"] > 0) & (table["days of supply"] > 365)]
    if len(table):
        section.tables.append(("Stock for more than a year at the pace of the last 13 weeks", table.head(30)))
    active = inventory.active_sku_rate(int((rate[held > 0] > 0).sum()), skus_listed=max(int((held > 0).sum()), 1))
    section.lead.append(f"{active:.0%} of the SKUs in stock sold in the last 13 weeks.")
