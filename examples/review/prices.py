"""Prices: how demand answers to price, and which prices to change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import pricing
from ecomops.core import InputError, decision_table
from ecomops.experiments import Estimate
from ecomops.inventory import Normal
from review.inputs import Progress
from review.report import ACTS, Review, Section, discoveries
from review.weekly import panel

LEAST_WEEKS = 12
GRID = (np.arange(200) + 0.5) / 200


def analyse(review: Review, progress: Progress) -> None:
    """Add the section on prices and the price decisions."""
    section = Section("prices", "Prices")
    review.sections.append(section)
    weekly = panel(review.data.lines).dropna(subset=["price"])
    weekly = weekly[weekly.groupby("sku")["units"].transform("size") >= LEAST_WEEKS]
    progress(f"estimating the price elasticity of {weekly['sku'].nunique():,} SKUs")
    section.lead.append(
        "Poisson pseudo-likelihood of weekly units on the logarithm of the usual (median) price of the week and of the sales of "
        "the rest of the shop; single estimates are drawn towards the common mean as far as they are uncertain. Prices that "
        "follow demand, stock-outs or promotions can bias these numbers: a price test settles it."
    )
    if weekly.empty:
        section.lead.append(f"No SKU has {LEAST_WEEKS} weeks of sales.")
        return
    shop = weekly.groupby("week")["units"].transform("sum") - weekly["units"]
    weekly = weekly.assign(rest=np.log1p(shop))
    controls = ("rest",) if weekly.groupby("sku")["rest"].std().min() > 0 else ()
    try:
        fit = pricing.fit_elasticity(weekly, sku="sku", price="price", units="units", controls=controls)
    except InputError as problem:
        section.lead.append(f"No elasticity could be estimated: {problem}")
        return
    _decide(review, section, fit, weekly)


def _decide(review: Review, section: Section, fit: Any, weekly: pd.DataFrame) -> None:
    table = _evidence(fit)
    recent = weekly[weekly["week"] > -8].groupby("sku").agg(units=("units", "mean"), price=("price", "last"))
    table = table.join(recent, how="left")
    table[["units", "price"]] = table[["units", "price"]].fillna({"units": 0.0, "price": 0.0})
    cost = review.unit_cost
    table["cost"] = np.nan if cost is None else cost.reindex(table.index)
    step = review.options.max_price_change
    review.assume("largest change of a price", f"{step:.0%}", "--max-price-change")
    weeks = review.options.horizon_days / 7.0
    rows = pd.DataFrame([_row(row, step, weeks) for _, row in table.iterrows()], index=table.index)
    review.tables.append(
        decision_table(
            table.index.to_numpy(object),
            topic="price",
            action=rows["action"].to_numpy(object),
            gain=rows["gain"].to_numpy(),
            lower=rows["lower"].to_numpy(),
            upper=rows["upper"].to_numpy(),
            p_better=rows["better"].to_numpy(),
            reason=rows["reason"].to_numpy(object),
            period=f"next {review.options.horizon_days:g} days",
            baseline="today's price",
        )
    )
    _show(section, fit, table.join(rows))


def _evidence(fit: Any) -> pd.DataFrame:
    """Return estimates by SKU, and mark those that are proven to be below 0."""
    feasible = np.asarray(fit.feasible, dtype=bool)
    table = pd.DataFrame(
        {
            "elasticity": fit.elasticity,
            "error": fit.standard_error,
            "shrunken": fit.shrunken,
            "shrunken_error": fit.shrunken_error,
            "prices": fit.distinct_prices,
            "why": fit.reason,
            "feasible": feasible,
        },
        index=pd.Index(np.asarray(fit.sku).astype(str), name="sku"),
    )
    p = np.ones(len(table))
    if feasible.any():
        freedom = np.asarray(fit.degrees_of_freedom)[feasible]
        known = Estimate(
            value=np.asarray(fit.elasticity)[feasible],
            standard_error=np.asarray(fit.standard_error)[feasible],
            degrees_of_freedom=freedom,
        )
        p[feasible] = np.asarray(known.test().p_value)
    table["proven"] = feasible & (table["elasticity"] < 0) & discoveries(p)
    return table


def _row(row: pd.Series, step: float, weeks: float) -> dict[str, Any]:
    """Decide on one price: the better of one step up and one step down, averaged over the uncertain elasticity."""
    keep = {"action": "keep", "gain": 0.0, "lower": 0.0, "upper": 0.0, "better": 0.5, "new_price": row["price"]}
    if not row["feasible"]:
        return {**keep, "reason": f"{row['why']}: try another price for a few weeks"}
    if not row["proven"]:
        return {**keep, "reason": f"elasticity {row['elasticity']:.2f} is not proven to differ from 0: test a price"}
    if row["units"] <= 0:
        return {**keep, "reason": "no sales in the last 8 weeks"}
    known = bool(np.isfinite(row["cost"]))
    # Without a cost only revenue is known, and more revenue is more profit only if fewer units are sold: a raise.
    steps = (1.0 + step, 1.0 - step) if known else (1.0 + step,)
    elasticity = np.asarray(Normal(mean=row["shrunken"], sd=row["shrunken_error"]).quantile(GRID))
    cost = row["cost"] if known else 0.0
    options = []
    for factor in steps:
        new = row["price"] * factor
        if new <= cost:
            continue
        gains = weeks * row["units"] * ((new - cost) * factor**elasticity - (row["price"] - cost))
        options.append((float(gains.mean()), factor, gains))
    if not options:
        return {**keep, "reason": "the price does not cover the cost: check both"}
    gain, factor, gains = max(options, key=lambda option: option[0])
    lower, upper = np.quantile(gains, [0.025, 0.975])
    better = float((gains > 0).mean())
    answer = {"gain": gain, "lower": min(lower, gain), "upper": max(upper, gain), "better": better}
    answer["new_price"] = row["price"] * factor
    what = f"elasticity {row['shrunken']:.2f} (error {row['shrunken_error']:.2f})"
    if gain <= 0 or better < ACTS:
        hint = "today's price is about right" if known else "give --costs to judge a lower price"
        return {**answer, "action": "keep", "reason": f"{what}: {hint}"}
    verb = "raise" if factor > 1 else "lower"
    return {
        **answer,
        "action": f"{verb} to {answer['new_price']:.2f}",
        "reason": f"{what}, cost {cost:.2f}" if known else what,
    }


def _show(section: Section, fit: Any, table: pd.DataFrame) -> None:
    known = table[table["feasible"]]
    section.lead.append(
        f"{len(known):,} of {len(table):,} SKUs have enough prices to estimate; {int(table['proven'].sum()):,} are proven to "
        "answer to price."
    )
    if fit.common_mean is not None:
        section.lead[-1] += f" Common mean {fit.common_mean:.2f}, spread between SKUs {fit.common_sd:.2f}."
    if known.empty:
        return
    shown = known.sort_values("gain", ascending=False).reset_index()
    shown = shown[["sku", "price", "units", "elasticity", "error", "shrunken", "prices", "action", "gain"]]
    shown.columns = ["SKU", "price", "units a week", "elasticity", "error", "shrunken", "prices seen", "action", "gain"]
    section.tables.append(("Elasticities, the 30 with most to gain", shown.head(30)))
