"""Customers: `ecomops.segmentation` against `lifetimes`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import Entry, Side

START = pd.Timestamp("2025-01-06")
WEEKS = 39
COHORT_DAYS = 84
END = START + pd.Timedelta(days=7 * WEEKS)


def entries(folder: Path | None) -> list[Entry]:
    """Return the comparisons; the ones on real orders only where these are."""
    found = [
        _summary("10k customers", partial(simulated_orders, 10_000), first=True),
        _summary("200k customers", partial(simulated_orders, 200_000), repeats=3),
        _summary("2M customers", partial(simulated_orders, 2_000_000), repeats=3, large=True),
        _fit("2,357 customers", partial(simulated_summary, 2_357), 15.0, first=True),
        _fit("100k customers", partial(simulated_summary, 100_000), 25.0),
        _fit("1M customers", partial(simulated_summary, 1_000_000), 25.0, repeats=3, large=True),
    ]
    cdnow = folder / "cdnow" if folder else None
    if cdnow and cdnow.is_dir():
        found.insert(0, _summary("CDNOW, all", partial(cdnow_orders, cdnow / "cdnow_master.csv.gz")))
        found.insert(4, _fit("CDNOW, sample", partial(cdnow_summary, cdnow / "cdnow_sample.csv.gz"), 15.0))
    return found


def simulated_orders(customers: int) -> dict[str, Any]:
    """Return an order log as a shop exports it: text ids, times in any order, 12 weeks of newcomers."""
    from ecomops import Duration
    from ecomops.segmentation import BgNbd, GammaGamma, simulate_purchases, simulate_spend

    model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)  # CDNOW
    log = simulate_purchases(model, customers=customers, horizon=Duration(value=WEEKS, unit="week"), rng=7)
    rng = np.random.default_rng(7)
    start = rng.integers(0, COHORT_DAYS, customers)
    days = start[log.customer] + np.floor(7 * log.time)
    spend = np.round(simulate_spend(GammaGamma(p=6.25, q=3.74, v=15.44), customer=log.customer, rng=8), 2) + 0.01
    names = np.char.add("C", np.char.zfill(log.customer.astype(str), 8))
    frame = pd.DataFrame({"customer": names, "time": START + pd.to_timedelta(days, unit="D"), "spend": spend})
    frame = frame[frame["time"] <= END].sample(frac=1, random_state=7, ignore_index=True)
    return {"frame": frame, "end": END.strftime("%Y-%m-%d")}


def cdnow_orders(file: Path, *, free: bool = False) -> dict[str, Any]:
    """Return the orders of CDNOW; free ones are left out where the mean spend counts, as the libraries differ there."""
    frame = pd.read_csv(file, dtype={"id": str, "master_id": str}, parse_dates=["date"])
    frame = frame.drop(columns="id").rename(columns={"master_id": "id"}) if "master_id" in frame else frame
    frame = frame.rename(columns={"id": "customer", "date": "time"})[["customer", "time", "spend"]]
    frame = frame if free else frame[frame["spend"] > 0].reset_index(drop=True)
    return {"frame": frame, "end": frame["time"].max().strftime("%Y-%m-%d")}


def simulated_summary(customers: int) -> pd.DataFrame:
    """Return one row a customer, ages in weeks, as both libraries are fitted on it."""
    return _weekly(simulated_orders(customers))


def cdnow_summary(file: Path) -> pd.DataFrame:
    """Return the 39 weeks on which the published parameters rest."""
    return _weekly({**cdnow_orders(file, free=True), "end": "1997-09-30"})


def _weekly(orders: dict[str, Any]) -> pd.DataFrame:
    from ecomops.segmentation import customer_summary

    return customer_summary(
        orders["frame"], customer="customer", time="time", spend="spend", end=orders["end"], unit="week"
    ).to_frame()


def _summary(size: str, data: Any, **options: Any) -> Entry:
    return Entry(
        name="customer summary",
        size=size,
        data=data,
        peer=Side("lifetimes", "lifetimes.utils", _their_summary),
        ours=Side("ecomops", "ecomops.segmentation", _our_summary),
        agree=_same_summary,
        tolerance="frequency and ages exact, mean spend to 1e-9 relative",
        bar=6.0,
        **options,
    )


def _their_summary(data: dict[str, Any]) -> Any:
    from lifetimes.utils import summary_data_from_transaction_data

    return partial(
        summary_data_from_transaction_data,
        data["frame"],
        "customer",
        "time",
        monetary_value_col="spend",
        observation_period_end=data["end"],
    )


def _our_summary(data: dict[str, Any]) -> Any:
    from ecomops.segmentation import customer_summary

    return partial(
        customer_summary,
        data["frame"],
        customer="customer",
        time="time",
        spend="spend",
        end=data["end"],
        unit="day",
    )


def _same_summary(theirs: pd.DataFrame, ours: Any) -> None:
    theirs = theirs.sort_index()
    assert theirs.index.tolist() == ours.customer.tolist(), "customers differ"
    for their, our in (("frequency", "frequency"), ("recency", "age_at_last_purchase"), ("T", "age")):
        np.testing.assert_array_equal(theirs[their], getattr(ours, our), err_msg=our)
    np.testing.assert_allclose(theirs["monetary_value"], ours.mean_spend, rtol=1e-9, err_msg="mean_spend")


def _fit(size: str, data: Any, bar: float, **options: Any) -> Entry:
    return Entry(
        name="BG/NBD fit",
        size=size,
        data=data,
        peer=Side("lifetimes", "lifetimes", _their_fit),
        ours=Side("ecomops", "ecomops.segmentation", _our_fit),
        agree=_same_fit,
        tolerance="parameters to 1e-5 relative",
        bar=bar,
        **options,
    )


def _their_fit(summary: pd.DataFrame) -> Any:
    from lifetimes import BetaGeoFitter

    def fit() -> Any:
        model = BetaGeoFitter(penalizer_coef=0.0)
        return model.fit(summary["frequency"], summary["age_at_last_purchase"], summary["age"])

    return fit


def _our_fit(summary: pd.DataFrame) -> Any:
    from ecomops.segmentation import CustomerSummary, PurchaseCounts, fit_bg_nbd

    columns = {name: summary[name].to_numpy() for name in summary.columns if name in CustomerSummary.model_fields}
    columns["unit"], columns["end"] = "week", 0.0
    ready = CustomerSummary(**columns)
    return lambda: fit_bg_nbd(PurchaseCounts.from_summary(ready))


def _same_fit(theirs: Any, ours: Any) -> None:
    model, names = ours.model, ("r", "alpha", "a", "b")
    found = [getattr(model, name) for name in names]
    np.testing.assert_allclose(theirs.params_[list(names)].to_numpy(), found, rtol=1e-5)
    assert ours.status == "ok", f"our fit is {ours.status}: {ours.reason}"
