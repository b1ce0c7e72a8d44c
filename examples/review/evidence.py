"""Price elasticities, and how much of each is more than two courses that happen to go together.

A regression of sales on prices over time takes any common drift for an answer to price. So the price course of a SKU is also
put where it does not belong, moved round by some weeks: were its errors right, the coefficient of the moved course would be
as far from 0 as its standard error says. Where it is farther, the errors are widened by as much.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import pricing
from ecomops.experiments import Estimate
from review.report import discoveries

LEAST_WEEKS = 16
"""Weeks on sale below which a course of prices cannot be told from a drift."""
LEAST_UNITS, LEAST_SELLING = 20.0, 8
TURNS, LEAST_TURNS, MOST_ROWS = 24, 8, 400_000
SPREADS = 60
SAMPLED = 150
"""SKUs that the widening of the others is learned from."""


def elasticities(weekly: pd.DataFrame) -> tuple[pd.DataFrame, tuple[float, float]]:
    """Return one row a SKU (elasticity, error, shrunken, shrunken_error, prices, why, feasible, proven), and mean and spread.

    ``weekly`` has sku, week, units and price; drift and the sales of the rest of the shop are held fixed.
    """
    weekly = _with_controls(weekly)
    controls = tuple(name for name in ("rest", "drift") if weekly.groupby("sku")[name].std().min() > 0)
    fit = pricing.fit_elasticity(weekly, sku="sku", price="price", units="units", controls=controls)
    table = pd.DataFrame(
        {
            "elasticity": np.asarray(fit.elasticity),
            "error": np.asarray(fit.standard_error),
            "freedom": np.asarray(fit.degrees_of_freedom),
            "prices": np.asarray(fit.distinct_prices),
            "why": np.asarray(fit.reason, dtype=object),
            "feasible": np.asarray(fit.feasible, dtype=bool),
        },
        index=pd.Index(np.asarray(fit.sku).astype(str), name="sku"),
    )
    sold = (
        weekly.assign(selling=weekly["units"] > 0).groupby("sku").agg(units=("units", "sum"), weeks=("selling", "sum"))
    )
    scarce = (sold["units"] < LEAST_UNITS) | (sold["weeks"] < LEAST_SELLING)
    scarce = scarce.reindex(table.index) & table["feasible"]
    table.loc[scarce, "feasible"] = False
    table.loc[scarce, "why"] = f"fewer than {LEAST_SELLING} weeks with a sale, or than {LEAST_UNITS:.0f} units"
    first = _p_values(table)
    table["widening"] = _widening(weekly, table, first, controls)
    table["error"] *= table["widening"]
    table["proven"] = (table["elasticity"] < 0) & discoveries(_p_values(table))
    return table, _shrink(table)


def _with_controls(weekly: pd.DataFrame) -> pd.DataFrame:
    rest = weekly.groupby("week")["units"].transform("sum") - weekly["units"]
    return weekly.assign(rest=np.log1p(rest), drift=weekly["week"].astype(float))


def _p_values(table: pd.DataFrame) -> Any:
    """Return the p-value of each elasticity; 1 where there is none."""
    known = table["feasible"].to_numpy()
    p = np.ones(len(table))
    if known.any():
        part = table[known]
        estimate = Estimate(
            value=part["elasticity"].to_numpy(),
            standard_error=part["error"].to_numpy(),
            degrees_of_freedom=part["freedom"].to_numpy(),
        )
        p[known] = np.asarray(estimate.test().p_value)
    return p


def _widening(weekly: pd.DataFrame, table: pd.DataFrame, p: Any, controls: tuple[str, ...]) -> Any:
    """Return by how much the errors are too small, at least 1: of its own for a SKU that could be proven, else the usual."""
    candidates = table.index[discoveries(p)]
    others = table.index[table["feasible"]].difference(candidates)
    step = max(len(others) // SAMPLED, 1)
    looked = candidates.union(others[::step])
    answer = pd.Series(1.0, index=table.index)
    if looked.empty:
        return answer.to_numpy()
    squares = _moved(weekly[weekly["sku"].isin(looked)], controls)
    usual = float(np.sqrt(squares["square"].median() / 0.455)) if len(squares) else 1.0
    answer[:] = max(usual, 1.0)
    own = np.sqrt(squares.groupby("sku")["square"].mean())
    answer[own.index] = np.maximum(own, 1.0)
    return answer.to_numpy()


def _moved(weekly: pd.DataFrame, controls: tuple[str, ...]) -> pd.DataFrame:
    """Return the squared t-values of price courses moved round, with the true price held fixed."""
    code, names = pd.factorize(weekly["sku"])
    size = weekly.groupby(code)["week"].transform("size").to_numpy()
    place = weekly.groupby(code).cumcount().to_numpy()
    start = np.arange(len(weekly)) - place
    price = weekly["price"].to_numpy()
    turns = int(np.clip(MOST_ROWS / max(len(weekly), 1), LEAST_TURNS, TURNS))
    shifts = [np.maximum(np.round(size * turn / (turns + 1)), 1).astype(int) for turn in range(1, turns + 1)]
    columns = {
        "price": np.concatenate([price[start + (place + shift) % size] for shift in shifts]),
        "sku": np.concatenate([code + len(names) * turn for turn in range(turns)]),
        "units": np.tile(weekly["units"].to_numpy(), turns),
        "true": np.tile(np.log(price), turns),
        **{name: np.tile(weekly[name].to_numpy(), turns) for name in controls},
    }
    fit = pricing.fit_elasticity(
        pd.DataFrame(columns), sku="sku", price="price", units="units", controls=(*controls, "true")
    )
    good = np.asarray(fit.feasible, dtype=bool)
    t = np.asarray(fit.elasticity)[good] / np.asarray(fit.standard_error)[good]
    moved = names[np.asarray(fit.sku)[good].astype(int) % len(names)]
    return pd.DataFrame({"sku": moved, "square": np.minimum(np.square(t), 100.0)})


def _shrink(table: pd.DataFrame) -> tuple[float, float]:
    """Draw the elasticities towards their common mean, with the widened errors; return mean and spread."""
    table["shrunken"], table["shrunken_error"] = np.nan, np.nan
    known = table["feasible"].to_numpy()
    if not known.any():
        return np.nan, np.nan
    value, error = table["elasticity"].to_numpy()[known], table["error"].to_numpy()[known]
    mean, spread, common = _posterior(value, error)
    table.loc[known, "shrunken"], table.loc[known, "shrunken_error"] = mean, spread
    return common


def _posterior(value: Any, error: Any) -> tuple[Any, Any, tuple[float, float]]:
    """Return posterior means, their standard deviations, and the mean and spread between items, all averaged over the spread.

    The spread between items is uncertain where there are few of them, and an interval that takes the best guess for the truth
    is too short; so it is averaged over a grid with a flat prior (Gelman et al., Bayesian Data Analysis, 5.4).
    """
    top = 2.0 * max(float(np.std(value)), float(np.median(error)))
    spread = (np.arange(SPREADS)[:, None] + 0.5) / SPREADS * top
    weight = 1.0 / (np.square(error) + np.square(spread))
    total = weight.sum(axis=1, keepdims=True)
    centre = (weight * value).sum(axis=1, keepdims=True) / total
    log = 0.5 * (np.log(weight) - weight * np.square(value - centre)).sum(axis=1) - 0.5 * np.log(total[:, 0])
    chance = np.exp(log - log.max())[:, None]
    chance /= chance.sum()
    kept = np.square(spread) * weight
    mean = centre + kept * (value - centre)
    variance = kept * np.square(error) + np.square(1.0 - kept) / total
    answer = (chance * mean).sum(axis=0)
    deviation = np.sqrt((chance * (variance + np.square(mean - answer))).sum(axis=0))
    return answer, deviation, (float((chance * centre).sum()), float((chance * spread).sum()))
