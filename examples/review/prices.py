"""Prices: which to change, by how much, and what that brings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops.core import InputError, decision_table
from ecomops.inventory import Gamma, Normal
from review.evidence import LEAST_WEEKS, elasticities
from review.inputs import Progress
from review.report import ACTS, Review, Section, price
from review.weekly import panel

RECENT = 8
"""Weeks of sales that stand for the sales to come."""
POINTS, LEVELS = 41, 11
"""Points of the grid of elasticities and of sales that a gain is averaged over."""


def analyse(review: Review, progress: Progress) -> None:
    """Add the section on prices and the price decisions."""
    section = Section("prices", "Prices")
    review.sections.append(section)
    weekly = panel(review.data.lines).dropna(subset=["price"])
    weekly = weekly[weekly.groupby("sku")["units"].transform("size") >= LEAST_WEEKS]
    progress(f"estimating the price elasticity of {weekly['sku'].nunique():,} SKUs")
    section.lead.append(
        "How weekly units went with the usual price of the week (Poisson pseudo-likelihood; drift and the sales of the rest of the "
        "shop held fixed). Single estimates are drawn towards the common mean as far as they are uncertain, and errors are widened "
        "where price courses moved to other weeks fit too well. Prices that follow demand, stock-outs or promotions can still "
        "bias these numbers: a price test settles it."
    )
    if weekly.empty:
        section.lead.append(f"No SKU has been on sale for {LEAST_WEEKS} weeks.")
        return
    try:
        table, common = elasticities(weekly)
    except InputError as problem:
        section.lead.append(f"No elasticity could be estimated: {problem}")
        return
    _show(section, _decide(review, table, weekly), common)


def _decide(review: Review, table: pd.DataFrame, weekly: pd.DataFrame) -> pd.DataFrame:
    recent = weekly[weekly["week"] > -RECENT]
    table = table.join(recent.groupby("sku").agg(units=("units", "mean"), price=("price", "last")), how="left")
    cost = review.unit_cost
    table["scatter"] = _scatter(weekly).reindex(table.index)
    table["cost"] = np.nan if cost is None else cost.reindex(table.index)
    step, days = review.options.max_price_change, review.options.horizon_days
    review.assume("largest change of a price", f"{step:.0%}", "--max-price-change")
    review.assume("days that a changed price is valued over", f"{days:g}", "--horizon-days")
    rows = _rows(table, recent, step, days / 7.0)
    review.tables.append(
        decision_table(
            table.index.to_numpy(object),
            topic="price",
            action=rows["action"].to_numpy(object),
            gain=rows["gain"].to_numpy(float),
            lower=rows["lower"].to_numpy(float),
            upper=rows["upper"].to_numpy(float),
            p_better=rows["better"].to_numpy(float),
            reason=rows["reason"].to_numpy(object),
            period=f"next {days:g} days",
            baseline="today's price",
        )
    )
    return table.join(rows)


def _scatter(weekly: pd.DataFrame) -> pd.Series:
    """Return the variance of weekly units over their mean, over half a year."""
    units = weekly[weekly["week"] > -26].groupby("sku")["units"]
    return units.var() / units.mean().clip(lower=1e-9)


def _rows(table: pd.DataFrame, recent: pd.DataFrame, step: float, weeks: float) -> pd.DataFrame:
    """Decide on every price."""
    rows = pd.DataFrame(
        {"action": "keep", "gain": 0.0, "lower": 0.0, "upper": 0.0, "better": 0.5, "reason": ""},
        index=table.index, dtype=object,
    )  # fmt: skip
    rows["reason"] = [
        str(row.why) if not row.feasible
        else f"no sales in the last {RECENT} weeks" if not row.units > 0
        else f"elasticity {row.shrunken:.2f}: sales do not seem to fall with the price; test one"
        for row in table.itertuples()
    ]  # fmt: skip
    chosen = table[table["feasible"] & (table["units"] > 0) & (table["shrunken"] < 0)]
    if chosen.empty:
        return rows
    gains, factors = _gains(chosen, recent, step, weeks)
    mean = np.where(np.isfinite(gains).all(axis=2), gains.mean(axis=2), -np.inf)
    best = mean.argmax(axis=1)
    for place, row in enumerate(chosen.itertuples()):
        for name, value in _verdict(row, gains[place, best[place]], factors[best[place]]).items():
            rows.loc[row.Index, name] = value
    return rows.infer_objects()


def _gains(chosen: pd.DataFrame, recent: pd.DataFrame, step: float, weeks: float) -> tuple[Any, Any]:
    """Return the gain of a step up and of a step down on a grid of elasticities and sales, shape (SKUs, 2, grid).

    Sales at today's price are those of the last weeks, each put to today's price by the elasticity of the grid point.
    """
    part = recent[recent["sku"].isin(chosen.index)]
    now = part["sku"].map(chosen["price"])
    moved = part.assign(ratio=np.log(part["price"] / now)).pivot_table(index="sku", columns="week", values="ratio")
    ratio = moved.loc[chosen.index].to_numpy()
    units = part.groupby("sku")["units"].sum().loc[chosen.index].to_numpy()
    scatter = np.maximum(chosen["scatter"].to_numpy(), 1.0) / units
    points, levels = (np.arange(POINTS) + 0.5) / POINTS, (np.arange(LEVELS) + 0.5) / LEVELS
    law = Normal(mean=chosen["shrunken"].to_numpy()[:, None], sd=chosen["shrunken_error"].to_numpy()[:, None])
    elasticity = np.asarray(law.quantile(points))
    level = np.asarray(Gamma(mean=np.ones((len(chosen), 1)), sd=np.sqrt(scatter)[:, None]).quantile(levels))
    base = units[:, None] / np.nansum(np.exp(elasticity[:, :, None] * ratio[:, None, :]), axis=2)
    price, cost = chosen["price"].to_numpy()[:, None], chosen["cost"].fillna(0.0).to_numpy()[:, None]
    answer = []
    factors = np.array([1.0 + step, 1.0 - step])
    for factor in factors:
        more = (price * factor - cost) * factor**elasticity - (price - cost)
        gain = weeks * (base * more)[:, :, None] * level[:, None, :]
        # Without a cost only revenue is known, and more revenue is more profit only if fewer units are sold: a raise.
        barred = (price * factor <= cost) | (chosen["cost"].isna().to_numpy()[:, None] & (factor < 1.0))
        answer.append(np.where(barred[:, :, None], np.nan, gain).reshape(len(chosen), -1))
    return np.stack(answer, axis=1), factors


def _verdict(row: Any, gains: Any, factor: float) -> dict[str, Any]:
    """Act where a gain is all but certain."""
    known = bool(np.isfinite(row.cost))
    if not np.isfinite(gains).all():
        return {"reason": "the price does not cover the cost: check both"}
    gain, better = float(gains.mean()), float((gains > 0).mean())
    lower, upper = np.quantile(gains, [0.025, 0.975])
    answer = {"gain": gain, "lower": min(lower, gain), "upper": max(upper, gain), "better": better}
    units = factor**row.shrunken - 1.0
    what = (
        f"{abs(factor - 1.0):.0%} {'dearer' if factor > 1 else 'cheaper'} sells {abs(units):.0%} {'more' if units > 0 else 'less'} "
        f"(elasticity {row.shrunken:.2f}, error {row.shrunken_error:.2f})"
    )
    if not row.proven:
        return {
            **answer,
            "reason": f"{what} is not proven: test {price(row.price * factor)} in place of {price(row.price)}",
        }
    if gain <= 0 or better < ACTS:
        hint = "today's price is about right" if known else "give --costs to judge a lower price"
        return {**answer, "reason": f"{what}: {hint}"}
    verb = "raise" if factor > 1 else "lower"
    return {
        **answer,
        "action": f"{verb} {price(row.price)} to {price(row.price * factor)}",
        "reason": f"{what}, cost {price(row.cost)}" if known else what,
    }


def _show(section: Section, table: pd.DataFrame, common: tuple[float, float]) -> None:
    known = table[table["feasible"]]
    section.lead.append(
        f"{len(known):,} of {len(table):,} SKUs have prices enough to tell; {int(table['proven'].sum()):,} are proven to answer to "
        "price."
    )
    if known.empty:
        return
    section.lead[-1] += f" Common mean {common[0]:.2f}, spread between SKUs {common[1]:.2f}."
    shown = (
        known.assign(acts=known["action"] != "keep")
        .sort_values(["acts", "proven", "gain"], ascending=False)
        .reset_index()
    )
    shown = shown[["sku", "action", "gain", "price", "units", "shrunken", "elasticity", "error", "prices"]]
    shown.columns = [
        "SKU", "action", "gain", "price", "units a week", "elasticity, shrunken", "alone", "its error", "prices seen",
    ]  # fmt: skip
    section.tables.append(("Elasticities, first those with most to gain", shown.head(30)))
