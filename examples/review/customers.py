"""Customers: who they are, who comes back, what they will be worth, and whom to call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import segmentation as sg
from ecomops.core import ConvergenceError, DiscountRate, Duration, InputError, decision_table
from review.inputs import Progress
from review.report import ACTS, Review, Section, money

LAPSED = ("cannot lose", "at risk", "hibernating", "lost")
DRAWS = 60
LEAST_CUSTOMERS = 50
NO_DROPOUT = 0.95
"""Mean probability of being active from which on the fit says nothing of who is gone."""


def analyse(review: Review, progress: Progress) -> None:
    """Add the section on customers and the win-back decisions."""
    lines = review.data.lines
    known = lines[lines["customer"] != ""]
    section = Section("customers", "Customers")
    review.sections.append(section)
    review.answers["Whom do I call?"] = "Nobody yet: the order lines name no customers."
    if known.empty:
        section.lead.append("The order lines name no customers; give the column with --customer.")
        return
    orders = (
        known.assign(spend=known["quantity"] * known["price"])
        .groupby(["order", "customer"], as_index=False)
        .agg(time=("time", "min"), spend=("spend", "sum"))
    )
    review.answers["Whom do I call?"] = (
        f"Nobody yet: {orders['customer'].nunique():,} customers are too few to tell who is gone."
    )
    progress(f"scoring {orders['customer'].nunique():,} customers")
    state = sg.CustomerState.from_frame(orders, customer="customer", time="time", spend="spend")
    summary = sg.customer_summary(state, end=str(review.end.date()), unit="week")
    segments = sg.rfm_segments(sg.rfm_scores(summary))
    section.tables.append(("Segments", _segment_table(segments)))
    section.lead.append(
        "Scores from 1 to 5 by quintile rank of days since the last purchase, number of orders, and spend; "
        "segments are boxes of these scores and of purchase days."
    )
    retention = sg.retention_table(state, ages=(1, 2, 3, 6, 12), step=30, method="rolling")
    section.tables.append(("Customers who came back in month N or later", _retention_frame(retention)))
    _worth(review, section, summary, np.asarray(segments.segment), progress)


def _segment_table(segments: sg.RfmSegments) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "segment": segments.names,
            "customers": segments.customers,
            "orders": segments.orders,
            "spend": segments.spend,
        }
    )
    table["share of spend"] = table["spend"] / max(table["spend"].sum(), 1e-9)
    return table[table["customers"] > 0].sort_values("spend", ascending=False)


def _retention_frame(table: sg.RetentionTable) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "month": [int(age) for age in np.asarray(table.age)],
            "customers observed": np.asarray(table.observed).sum(axis=0),
            "came back": np.asarray(table.retained).sum(axis=0),
            "share": np.asarray(table.overall),
        }
    )


def _worth(review: Review, section: Section, summary: Any, segment: Any, progress: Progress) -> None:
    """Fit purchases and spend, value every customer, and decide whom to contact."""
    if len(summary.customer) < LEAST_CUSTOMERS:
        section.lead.append(f"Fewer than {LEAST_CUSTOMERS} customers: too few to fit how they buy.")
        return
    progress("fitting how customers buy (MBG/NBD) and what they spend (gamma-gamma)")
    try:
        purchases = sg.fit_mbg_nbd(sg.PurchaseCounts.from_summary(summary))
        spend = sg.fit_gamma_gamma(sg.SpendCounts.from_summary(summary))
    except (InputError, ConvergenceError) as problem:
        section.lead.append(f"Customers could not be valued: {problem}")
        review.answers["Whom do I call?"] = "Nobody yet: customers could not be valued."
        return
    if not spend.finite_mean:
        section.lead.append("Spend per order has no finite mean under the gamma-gamma model; customers are not valued.")
        review.answers["Whom do I call?"] = "Nobody yet: customers could not be valued."
        return
    horizon = Duration(value=review.options.horizon_days, unit="day")
    review.assume("days that customers are valued over", f"{review.options.horizon_days:g}", "--horizon-days")
    review.assume("discount rate per year", f"{review.options.discount:.0%}", "--discount")
    value = sg.customer_lifetime_value(
        purchases.model,
        spend.model,
        summary,
        horizon=horizon,
        discount=DiscountRate(rate=review.options.discount, per="year"),
        margin=review.margin(),
    )
    alive = np.asarray(sg.probability_alive(purchases.model, summary))
    worth = pd.DataFrame({"segment": segment, "value": np.asarray(value.value), "alive": alive})
    table = worth.groupby("segment").agg(customers=("value", "size"), alive=("alive", "mean"), value=("value", "sum"))
    table.columns = ["customers", "mean probability of being active", f"margin in the next {horizon.value:g} days"]
    section.tables.append(
        ("What the segments will bring", table.sort_values(table.columns[2], ascending=False).reset_index())
    )
    section.lead.append(
        f"MBG/NBD on {purchases.n:,.0f} customers: {_parameters(purchases.model)}; status {purchases.status}. "
        f"Gamma-gamma: p {spend.model.p:.3g}, q {spend.model.q:.3g}, v {spend.model.v:.4g}."
    )
    if alive.mean() > NO_DROPOUT:
        section.lead.append(
            "The intervals between purchases look as if hardly anybody dropped out, so the data cannot tell who is gone: read "
            "“active” as “buys seldom”, and go by the days since the last purchase."
        )
    _win_back(review, summary, segment, purchases, spend.model, horizon)


def _parameters(model: Any) -> str:
    return f"r {model.r:.3g}, alpha {model.alpha:.4g}, a {model.a:.3g}, b {model.b:.3g}"


def _drawn(fit: Any, rng: np.random.Generator) -> list[Any]:
    """Draw models round the fit, lognormal so that parameters stay positive."""
    model = fit.model
    centre = np.array([model.r, model.alpha, model.a, model.b])
    covariance = np.asarray(fit.covariance)
    if not np.all(np.isfinite(covariance)):
        return [model]
    logs = covariance / np.outer(centre, centre)
    values, vectors = np.linalg.eigh((logs + logs.T) / 2)
    root = vectors * np.sqrt(np.clip(values, 0.0, 0.25))
    rows = centre * np.exp(rng.normal(size=(DRAWS, 4)) @ root.T)
    return [type(model)(r=r, alpha=alpha, a=a, b=b, unit=model.unit) for r, alpha, a, b in rows.tolist()]


def _only(summary: sg.CustomerSummary, rows: Any) -> sg.CustomerSummary:
    """Return the summary of some customers."""
    columns = {name: getattr(summary, name) for name in type(summary).model_fields}
    size = len(summary.customer)
    return sg.CustomerSummary(
        **{name: part[rows] if np.shape(part) == (size,) else part for name, part in columns.items()}
    )


def _return_value(model: Any, spend: Any, summary: Any, horizon: Duration, margin: float) -> tuple[Any, Any]:
    """Return the margin of each customer over the horizon if active, and the probability of being active."""
    alive = np.asarray(sg.probability_alive(model, summary))
    expected = np.asarray(sg.expected_purchases(model, summary, horizon=horizon))
    floor = float(sg.expected_purchases_new(model, horizon=horizon))
    if_alive = np.where(alive > 1e-6, expected / np.maximum(alive, 1e-6), floor)
    return if_alive * np.asarray(sg.expected_spend(spend, summary)) * margin, alive


def _win_back(review: Review, summary: Any, segment: Any, fit: Any, spend: Any, horizon: Duration) -> None:
    """Contact the lapsed customers whose expected return pays for the contact."""
    rate, cost, margin = review.options.winback_rate, review.options.contact_cost, review.margin()
    review.assume("share of lost customers that a contact brings back", f"{rate:.0%}", "--winback-rate")
    review.assume("cost of one contact", f"{cost:g}", "--contact-cost")
    lapsed = np.isin(segment, LAPSED)
    if not lapsed.any():
        review.answers["Whom do I call?"] = "Nobody: no segment has lapsed."
        return
    worth, alive = _return_value(fit.model, spend, summary, horizon, margin)
    expected = rate * (1.0 - alive) * worth - cost
    chosen = lapsed & (alive < 0.5) & (expected > 0)
    total, gains = float(expected[chosen].sum()), np.zeros(1)
    if chosen.any():
        few, rng = _only(summary, chosen), np.random.default_rng(review.options.seed)
        drawn = (_return_value(model, spend, few, horizon, margin) for model in _drawn(fit, rng))
        gains = np.array([float((rate * (1.0 - a) * w - cost).sum()) for w, a in drawn])
    better = float((gains > 0).mean())
    acts = bool(chosen.any()) and better >= ACTS
    why = f"{int(chosen.sum()):,} of {int(lapsed.sum()):,} are probably gone and worth more than a contact if {rate:.0%} come back"
    none = "none is probably gone and worth a contact" + (
        ": the fit sees hardly any dropout" if alive.mean() > 0.9 else ""
    )
    review.tables.append(
        decision_table(
            ["lapsed customers"],
            topic="win back",
            action=[f"contact {int(chosen.sum()):,}" if acts else "keep"],
            gain=[total],
            lower=[min(float(np.quantile(gains, 0.025)), total)],
            upper=[max(float(np.quantile(gains, 0.975)), total)],
            p_better=[better],
            reason=[f"{why}: hold some out to learn the rate" if chosen.any() else none],
            period=f"next {horizon.value:g} days",
            baseline="no contact",
            cost=cost * int(chosen.sum()),
        )
    )
    _name(review, summary, segment, alive, expected, worth, chosen if acts else lapsed, acts)


def _name(
    review: Review, summary: Any, segment: Any, alive: Any, expected: Any, worth: Any, listed: Any, acts: bool
) -> None:
    """List the customers by name: whom to call, or whom to watch where no call is proven to pay."""
    names = pd.DataFrame(
        {
            "customer": np.asarray(summary.customer)[listed].astype(str),
            "gain of a contact": np.round(expected[listed], 2),
            "margin if active": np.round(worth[listed], 2),
            "probability active": np.round(alive[listed], 4),
            "segment": segment[listed],
            "days since last purchase": np.round(np.asarray(summary.days_since_last_purchase)[listed], 1),
            "spend so far": np.round(np.asarray(summary.spend)[listed], 2),
        }
    )
    key = "gain of a contact" if acts else "margin if active"
    names = names.sort_values(key, ascending=False, ignore_index=True)
    first, section = ", ".join(names["customer"].head(3)), review.sections[-1]
    if acts:
        review.call_list = names
        sign = review.options.currency
        review.answers["Whom do I call?"] = (
            f"{len(names):,} lapsed customers, worth {money(float(names[key].sum()), sign)} after the cost of the calls if "
            f"{review.options.winback_rate:.0%} come back; first {first}."
        )
        section.tables.append(("Call list (the first 30; all are in the JSON file)", names.head(30)))
    else:
        review.answers["Whom do I call?"] = f"No call is proven to pay. The most valuable who went quiet: {first}."
        section.tables.append(("Lapsed customers, the 30 most valuable", names.head(30)))
