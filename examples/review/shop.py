"""A shop that does not exist: a year of orders, stock, costs, touches, spend and a test, from the library's simulators."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from ecomops.attribution import simulate_touches
from ecomops.core import Duration
from ecomops.experiments import simulate_experiment
from ecomops.pricing import ConstantElasticityDemand, simulate_sales
from ecomops.segmentation import MbgNbd, simulate_purchases
from review.cleaning import Found
from review.inputs import Data, Progress

WEEKS = 52
SKUS = 60
CUSTOMERS = 4000
START = pd.Timestamp("2025-06-30")
CHANNELS = ("search", "email", "social", "display", "affiliate")
EFFECTS = (1.0, 0.8, 0.0, 0.8, 0.4)
SPEND = (6000.0, 900.0, 2500.0, 14000.0, 2000.0)
NO_ELASTICITY = -1e-6
"""Demand that does not answer to price; a curve has to fall, so this is as flat as it gets."""


def simulated(options: argparse.Namespace, progress: Progress) -> Data:
    """Return a simulated shop; with ``--noise`` one in which neither price, channel nor test has an effect."""
    progress(f"simulating a shop (seed {options.seed}{', nothing has an effect' if options.noise else ''})")
    rng = np.random.default_rng(options.seed)
    catalogue, panel = _sales(options, rng)
    lines = _lines(panel, _orders(rng), rng)
    touches, spend = _touches(options, rng)
    money = lines["quantity"] * lines["price"]
    raw = {
        "lines": float(len(lines)),
        "orders": float(lines["order"].nunique()),
        "customers": float(lines["customer"].nunique()),
        "skus": float(lines["sku"].nunique()),
        "revenue": float(money.sum()),
    }
    return Data(
        lines=lines,
        raw=raw,
        report=[Found("lines kept", len(lines), 0, "reviewed")],
        source=f"simulated shop, seed {options.seed}" + (", without any effect" if options.noise else ""),
        stock=_stock(options, catalogue, panel, rng),
        costs=catalogue[["sku", "cost"]],
        touches=touches,
        spend=spend,
        experiment=_experiment(options, rng),
        notes=["every number on this page comes from a simulation"],
    )


def _sales(options: argparse.Namespace, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw a catalogue and the units of each SKU in each week, at prices that change every few weeks."""
    base = np.round(np.exp(rng.normal(2.8, 0.5, SKUS)), 2)
    cost = np.round(base * rng.uniform(0.35, 0.65, SKUS), 2)
    elasticity = np.full(SKUS, NO_ELASTICITY) if options.noise else -rng.uniform(0.6, 3.5, SKUS)
    level = np.exp(rng.normal(2.6, 0.8, SKUS))
    steps = rng.choice([1.0, 1.0, 0.9, 0.8, 1.1], size=(WEEKS, SKUS))
    held = np.maximum.accumulate(np.where(rng.random((WEEKS, SKUS)) < 0.4, np.arange(WEEKS)[:, None], 0), axis=0)
    price = np.round(base * np.take_along_axis(steps, held, axis=0), 2)
    demand = ConstantElasticityDemand(
        scale=np.tile(level * base**-elasticity, WEEKS), elasticity=np.tile(elasticity, WEEKS)
    )
    units = np.asarray(simulate_sales(demand, price=price.ravel(), rng=rng)).reshape(WEEKS, SKUS)
    sku = np.array([f"SKU-{1 + i:03d}" for i in range(SKUS)], dtype=object)
    panel = pd.DataFrame(
        {
            "week": np.repeat(np.arange(WEEKS), SKUS),
            "sku": np.tile(sku, WEEKS),
            "price": price.ravel(),
            "units": units.ravel().astype(int),
        }
    )
    return pd.DataFrame({"sku": sku, "price": base, "cost": cost}), panel


def _orders(rng: np.random.Generator) -> pd.DataFrame:
    """Draw who orders when: customers come over the year, buy again for a while, and drop out."""
    model = MbgNbd(r=0.9, alpha=6.0, a=0.8, b=2.2)
    log = simulate_purchases(model, customers=CUSTOMERS, horizon=Duration(value=WEEKS, unit="week"), rng=rng)
    birth = rng.uniform(0.0, WEEKS, CUSTOMERS)
    time = birth[np.asarray(log.customer, dtype=int)] + log.time
    inside = time < WEEKS
    orders = pd.DataFrame({"customer": np.asarray(log.customer, dtype=int)[inside], "week_time": time[inside]})
    orders["customer"] = "C" + orders["customer"].astype(str).str.zfill(5)
    orders["time"] = START + pd.to_timedelta(np.floor(orders["week_time"] * 7 * 24 * 60), unit="min")
    orders = orders.sort_values("time", ignore_index=True)
    orders["order"] = "O" + (100000 + orders.index).astype(str)
    orders["week"] = orders["week_time"].astype(int)
    return orders


def _lines(panel: pd.DataFrame, orders: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Put the units of a week into the orders of that week; every order gets one first."""
    parts = []
    for week, sold in panel.groupby("week"):
        baskets = orders[orders["week"] == week]
        item = np.repeat(sold.index.to_numpy(), sold["units"].to_numpy())
        if not len(baskets) or not item.size:
            continue
        rng.shuffle(item)
        first = np.arange(len(baskets))[: item.size]
        rest = rng.integers(0, len(baskets), max(item.size - len(baskets), 0))
        basket = baskets.index.to_numpy()[np.concatenate([first, rest])]
        parts.append(pd.DataFrame({"basket": basket, "item": item}))
    units = pd.concat(parts).groupby(["basket", "item"], as_index=False).size()
    buyer, sold = orders.loc[units["basket"]], panel.loc[units["item"]]
    lines = pd.DataFrame(
        {
            "order": buyer["order"].to_numpy(),
            "customer": buyer["customer"].to_numpy(),
            "time": buyer["time"].to_numpy(),
            "sku": sold["sku"].to_numpy(),
            "description": "",
            "quantity": units["size"].to_numpy(dtype=float),
            "price": sold["price"].to_numpy(),
        }
    )
    lines["day"] = lines["time"].dt.normalize()
    return lines


def _stock(
    options: argparse.Namespace, catalogue: pd.DataFrame, panel: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    weekly = panel.groupby("sku")["units"].mean().loc[catalogue["sku"]].to_numpy()
    cover = rng.uniform(0.5, 8.0, SKUS) + (12.0 if options.noise else 0.0)
    return pd.DataFrame(
        {
            "sku": catalogue["sku"],
            "on_hand": np.round(weekly * cover),
            "on_order": np.round(weekly * 2.0 * (rng.random(SKUS) < 0.2)),
            "lead_time": rng.choice([7.0, 14.0, 21.0], SKUS),
        }
    )


def _touches(options: argparse.Namespace, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    effect = np.zeros(len(CHANNELS)) if options.noise else np.array(EFFECTS)
    log = simulate_touches(list(CHANNELS), users=12000, effect=effect, base=-3.0, mean_touches=2.5, rng=rng)
    converted = np.asarray(log.conversion) > 0
    value = np.where(converted, np.round(np.exp(rng.normal(3.9, 0.5, converted.size)), 2), 0.0)
    first = START + pd.Timedelta(weeks=WEEKS) - pd.Timedelta(days=90)
    touches = pd.DataFrame(
        {
            "user": np.asarray(log.user).astype(str),
            "time": first + pd.to_timedelta(np.floor(np.asarray(log.day) * 86400), unit="s"),
            "channel": log.channel,
            "conversion": converted.astype(float),
            "value": value,
        }
    )
    return touches, pd.DataFrame({"channel": CHANNELS, "spend": SPEND})


def _experiment(options: argparse.Namespace, rng: np.random.Generator) -> pd.DataFrame:
    rows = simulate_experiment(40000, conversion=0.06, lift=0.0 if options.noise else 0.2, mean_spend=48.0, rng=rng)
    return pd.DataFrame(
        {"unit": rows.unit, "arm": rows.arm, "converted": np.asarray(rows.converted, float), "spend": rows.spend}
    )
