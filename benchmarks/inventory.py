"""Stock: `ecomops.inventory` against `stockpyl`, which answers one SKU a call."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import Entry, Side

PEER_SKUS = 500
"""SKUs that the peer is timed on, one call each; the time per SKU does not depend on how many there are."""
BARS = {
    ("normal", 1): 1.0,  # not slower, although every number is checked
    ("normal", 1_000): 100.0,
    ("normal", 1_000_000): 2_000.0,  # 60 ms, where the peer takes 120 us a SKU
    ("poisson", 1): 1.0,
    ("poisson", 1_000): 50.0,
    ("poisson", 1_000_000): 120.0,  # .94 s
}


def entries(_folder: Path | None) -> list[Entry]:
    """Return the comparisons."""
    return [
        _entry(family, size, skus, first=skus == 1)
        for family in ("normal", "poisson")
        for size, skus in (("1 SKU", 1), ("1,000 SKUs", 1_000), ("1M SKUs", 1_000_000))
    ]


def assortment(family: str, skus: int) -> pd.DataFrame:
    """Return one row a SKU: costs, and mean and spread of the demand that its simulated history shows."""
    from ecomops.inventory import NegativeBinomial, simulate_demand

    rng = np.random.default_rng(7)
    mean = rng.uniform(5, 80, skus)
    demand = NegativeBinomial(mean=mean, variance=mean + mean**2 / 6.0)
    history = np.asarray(simulate_demand(demand, periods=12, rng=7)).reshape(12, skus)
    frame = pd.DataFrame(
        {
            "sku": [f"SKU-{number:07d}" for number in range(skus)],
            "overage": np.round(rng.uniform(0.1, 1.0, skus), 3),
            "underage": np.round(rng.uniform(0.5, 5.0, skus), 3),
            "mean": np.maximum(history.mean(axis=0), 0.5),
        }
    )
    return frame.assign(sd=np.maximum(history.std(axis=0, ddof=1), 0.5)) if family == "normal" else frame


def _entry(family: str, size: str, skus: int, *, first: bool) -> Entry:
    asked = min(skus, PEER_SKUS)
    return Entry(
        name=f"newsvendor {family}, per SKU",
        size=size,
        data=partial(assortment, family, skus),
        peer=Side("stockpyl", "stockpyl.newsvendor", partial(_theirs, family), asked),
        ours=Side("ecomops", "ecomops.inventory", partial(_ours, family), skus),
        agree=partial(_same_plan, family),
        tolerance="quantities " + ("to 1e-9" if family == "normal" else "exact") + ", costs to 1e-7 relative",
        bar=BARS[family, skus],
        first=first,
    )


def _theirs(family: str, frame: pd.DataFrame) -> Any:
    from stockpyl.newsvendor import newsvendor_normal, newsvendor_poisson

    one = newsvendor_normal if family == "normal" else newsvendor_poisson
    columns = ["overage", "underage", "mean", *(["sd"] if family == "normal" else [])]
    rows = frame[columns].head(PEER_SKUS).to_numpy().tolist()
    if len(rows) == 1:
        return partial(one, *rows[0])
    return lambda: [one(*row) for row in rows]


def _ours(family: str, frame: pd.DataFrame) -> Any:
    from ecomops.inventory import Normal, Poisson, newsvendor

    shape: Any = Normal if family == "normal" else Poisson
    names = ("mean", "sd") if family == "normal" else ("mean",)
    if len(frame) == 1:
        row = {name: float(frame[name].iloc[0]) for name in ("overage", "underage", *names)}
        spec = {name: row[name] for name in names}
        return lambda: newsvendor(shape(**spec), overage=row["overage"], underage=row["underage"])
    return lambda: newsvendor(
        shape(**{name: frame[name] for name in names}), overage=frame["overage"], underage=frame["underage"]
    )


def _same_plan(family: str, theirs: Any, ours: Any) -> None:
    answers = np.array([theirs] if isinstance(theirs, tuple) else theirs, dtype=float)
    quantity, cost = (
        np.atleast_1d(np.asarray(part, dtype=float))[: len(answers)] for part in (ours.quantity, ours.cost)
    )
    np.testing.assert_allclose(answers[:, 0], quantity, rtol=1e-9 if family == "normal" else 0, err_msg="quantity")
    np.testing.assert_allclose(answers[:, 1], cost, rtol=1e-7, err_msg="cost")
