"""The steps behind the segmentation cases that need more than one call, or data."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecomops.core import DiscountRate, Duration
from ecomops.segmentation import (
    BgNbd,
    CustomerState,
    CustomerSummary,
    MbgNbd,
    PurchaseCounts,
    SegmentRule,
    SpendCounts,
    Thresholds,
    customer_lifetime_value,
    customer_summary,
    expected_purchases,
    expected_purchases_new,
    expected_spend,
    fit_bg_nbd,
    fit_gamma_gamma,
    fit_mbg_nbd,
    log_likelihood,
    probability_alive,
    retention_table,
    rfm_scores,
    rfm_segments,
)

Data = Callable[[str], Path]

MINI = """0,0,1411; 1,3,155; 1,9,86; 1,15,45; 1,21,60; 1,27,51; 1,33,42; 2,3,21; 2,9,36; 2,15,34; 2,21,38; 2,27,40; 2,33,45;
3,9,29; 3,24,45; 3,33,26; 4,9,13; 4,24,25; 4,33,24; 5,9,11; 5,24,22; 5,33,34; 7,9,5; 7,24,7; 7,33,23; 11,24,5; 11,33,16;
18,9,1; 18,24,2; 18,33,5"""
MINI_SPEND = """1,5,40; 1,15,90; 1,30,60; 1,80,20; 2,12,50; 2,28,45; 2,60,15; 3,14,30; 3,30,30; 3,55,10; 5,20,25; 5,35,20;
10,25,12; 10,45,6"""


def table(text: str) -> Any:
    return np.array([[float(part) for part in row.split(",")] for row in text.split(";")]).T


def mini_counts() -> PurchaseCounts:
    x, last, customers = table(MINI)
    return PurchaseCounts(frequency=x, age_at_last_purchase=last, age=np.full(x.size, 36.0), customers=customers)


def fitted(fit: Any) -> dict[str, Any]:
    values = [getattr(fit.model, name) for name in fit.parameters]
    published = np.round(values, 3)
    return {
        "parameters": values,
        "published": published,
        "two_digits": np.round(values, 2),
        "standard_errors": fit.standard_errors,
        "log_likelihood": fit.log_likelihood,
    }


def mini_bg(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    return fitted(fit_bg_nbd(mini_counts()))


def mini_mbg(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    return fitted(fit_mbg_nbd(mini_counts()))


def mini_spend(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    x, mean, customers = table(MINI_SPEND)
    fit = fit_gamma_gamma(SpendCounts(frequency=x, mean_spend=mean, customers=customers))
    one = rows([2.0], [0.0], [1.0], mean_spend=28.0)
    return {**fitted(fit), "posterior": float(expected_spend(fit.model, one)[0]), "population": fit.model.mean}


def rows(x: list[float], last: list[float], age: list[float], mean_spend: float = 0.0) -> CustomerSummary:
    size = len(x)
    return CustomerSummary(
        customer=[f"c{i}" for i in range(size)], frequency=x, age_at_last_purchase=last, age=age, mean_spend=[mean_spend] * size,
        orders=[1.0] * size, spend=[0.0] * size, unit="week", end=0.0,
    )  # fmt: skip


def model_of(inputs: dict[str, Any]) -> BgNbd | MbgNbd:
    r, alpha, a, b = inputs["parameters"]
    return {"BgNbd": BgNbd, "MbgNbd": MbgNbd}[inputs["model"]](r=r, alpha=alpha, a=a, b=b, unit="week")


def conditional(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    model, one = model_of(inputs), rows([inputs["x"]], [inputs["last"]], [inputs["age"]])
    horizon = Duration(value=inputs["weeks"], unit="week")
    return {
        "purchases": float(expected_purchases(model, one, horizon=horizon)[0]),
        "alive": float(probability_alive(model, one)[0]),
    }


def new_customer(inputs: dict[str, Any], data: Data) -> list[float]:
    return [expected_purchases_new(model_of(inputs), horizon=Duration(value=t, unit="week")) for t in inputs["weeks"]]


def chance_of_purchases(inputs: dict[str, Any], data: Data) -> float:
    """P(X(t) = x): the likelihood of the last purchase, times the room for those before it, added up over its time."""
    model, x, span = model_of(inputs), inputs["x"], float(inputs["weeks"])

    def density(last: float) -> float:
        one = PurchaseCounts(frequency=[x], age_at_last_purchase=[last], age=[span], customers=[1], unit="week")
        return math.exp(float(log_likelihood(model, one)))

    if not x:
        return density(0.0)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    times = span * (nodes + 1) / 2
    return float(
        sum(w * density(t) * t ** (x - 1) for t, w in zip(times, weights, strict=True)) * span / 2
    ) / math.factorial(x - 1)


def cdnow(data: Data) -> pd.DataFrame:
    orders = pd.read_csv(data("cdnow/cdnow_sample.csv.gz"), dtype={"id": str, "date": str})
    return orders.assign(date=pd.to_datetime(orders["date"]))


def cdnow_summary(data: Data, end: str = "1997-09-30") -> CustomerSummary:
    return customer_summary(cdnow(data), customer="id", time="date", spend="spend", end=end, unit="week")


def cdnow_bg(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    return fitted(fit_bg_nbd(PurchaseCounts.from_summary(cdnow_summary(data))))


def cdnow_mbg(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    return fitted(fit_mbg_nbd(PurchaseCounts.from_summary(cdnow_summary(data))))


def cdnow_likelihood(inputs: dict[str, Any], data: Data) -> float:
    counts = PurchaseCounts.from_summary(cdnow_summary(data))
    return log_likelihood(BgNbd(r=0.5, alpha=6, a=1.2, b=3.3, unit="week"), counts)


def cdnow_spend(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    summary = cdnow_summary(data)
    counts = SpendCounts.from_summary(summary)
    fit = fit_gamma_gamma(counts)
    spend = summary.mean_spend[summary.frequency > 0]
    moments = [spend.mean(), spend.std(ddof=1), spend.min(), np.median(spend), spend.max()]
    return {
        **fitted(fit),
        "customers": counts.customers.sum(),
        "moments": moments,
    }


def cdnow_counts(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    state = CustomerState.from_frame(cdnow(data), customer="id", time="date", spend="spend")
    until = customer_summary(state, end="1997-09-30")
    whole = customer_summary(state, end="1998-06-30")
    start = np.datetime64("1997-01-01").astype(int)
    weekly = [customer_summary(state, end=int(start + 7 * week - 1)).frequency.sum() for week in range(20, 26)]
    return {
        "customers": until.customer.size,
        "days": state.day.size,
        "repeats": until.frequency.sum(),
        "holdout": whole.frequency.sum() - until.frequency.sum(),
        "cumulative": weekly,
    }


def cdnow_rounded(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    """The data file that most codes were run on: weeks with two decimals, mean spend in cents."""
    file = pd.read_csv(data("cdnow/cdnow_sample_summary.csv"))
    counts = PurchaseCounts(
        frequency=file["x"], age_at_last_purchase=file["t_x"], age=file["T"], customers=np.ones(len(file))
    )
    repeat = file[file["x"] > 0]
    purchases = fit_bg_nbd(counts)
    spend = fit_gamma_gamma(
        SpendCounts(frequency=repeat["x"], mean_spend=repeat["zbar"], customers=np.ones(len(repeat)))
    )
    first = {
        "customer": [str(number) for number in file["ID"][:10]],
        "frequency": file["x"][:10].to_numpy(),
        "age_at_last_purchase": file["t_x"][:10].to_numpy(),
        "age": file["T"][:10].to_numpy(),
        "mean_spend": file["zbar"][:10].to_numpy(),
        "orders": file["x"][:10].to_numpy() + 1,
        "spend": np.zeros(10),
        "end": 0.0,
    }
    summary = CustomerSummary(**first, unit="week")
    month = 52 / 12
    value = customer_lifetime_value(
        purchases.model,
        spend.model,
        summary,
        horizon=Duration(value=52, unit="week"),
        discount=DiscountRate(rate=1.01 ** (1 / month) - 1, per="week"),
        step=Duration(value=month, unit="week"),
    )
    trap = customer_lifetime_value(
        BgNbd(**{**purchases.model.model_dump(), "unit": "day"}),
        spend.model,
        CustomerSummary(**first, unit="day"),
        horizon=Duration(value=360, unit="day"),
        discount=DiscountRate(rate=1.01 ** (1 / 30) - 1, per="day"),
        step=Duration(value=30, unit="day"),
    )
    return {
        "bg": purchases.log_likelihood,
        "spend": fitted(spend)["parameters"],
        "spend_likelihood": spend.log_likelihood,
        "first_ten": expected_spend(spend.model, summary),
        "value": float(value.value[0]),
        "weeks_as_days": float(trap.value[0]),
    }


def orders(events: list[tuple[int, str, float]]) -> pd.DataFrame:
    who, when, paid = zip(*events, strict=True)
    return pd.DataFrame({"who": who, "when": pd.to_datetime([f"2015-{day}" for day in when]), "paid": paid})


def small_summary(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    frame = orders(
        [(1, "02-01", 1), (1, "02-06", 1), (2, "01-01", 1), (3, "01-01", 1), (3, "01-02", 1), (3, "01-05", 1)]
    )
    summary = customer_summary(frame, customer="who", time="when", end="2015-02-07", unit="day")
    return {"frequency": summary.frequency, "last": summary.age_at_last_purchase, "age": summary.age}


def small_spend(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    events = [
        (1, "01-01", 1), (1, "02-06", 2), (2, "01-01", 2), (3, "01-01", 3), (3, "01-02", 1), (3, "01-05", 5), (4, "01-16", 6),
        (4, "02-02", 3), (4, "02-05", 3), (5, "01-16", 3), (5, "01-17", 1), (5, "01-18", 8), (6, "02-02", 5),
    ]  # fmt: skip
    columns = {"customer": "who", "time": "when", "spend": "paid", "end": "2015-02-07", "unit": "day"}
    summary = customer_summary(orders(events), **columns)
    again = customer_summary(orders([*events, (4, "02-05", 6)]), **columns)
    keep = [0, 2, 3, 4, 5]
    return {"mean": summary.mean_spend, "merged": again.mean_spend[3], "age": summary.age[keep]}


def rfm_orders(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    frame = pd.read_csv(data("reference/rfm_orders.csv.gz"), parse_dates=["order_date"])
    summary = customer_summary(
        frame, customer="customer_id", time="order_date", spend="revenue", end="2006-12-31", unit="day"
    )
    cuts = [0.2, 0.4, 0.6, 0.8]
    days = np.rint(summary.days_since_last_purchase)
    # The R package puts its edges one above the type-7 quantile and lets a value on an edge go up.
    edges = [np.quantile(values, cuts) + 1 for values in (days, summary.orders, summary.spend)]
    rule = Thresholds(recency=np.nextafter(edges[0], 0), frequency=edges[1], monetary=edges[2])
    scores = rfm_scores(summary, rule=rule)
    names = ["Abbey O'Reilly DVM", "Add Senger", "Aden Murphy"]
    found = [int(scores.code[[name.startswith(want[:14]) for name in summary.customer].index(True)]) for want in names]
    best = rfm_segments(
        scores, rules=(SegmentRule(name="Champions", recency=(4, 5), frequency=(4, 5), monetary=(4, 5)),)
    )
    return {
        "codes": found,
        "recency_edges": edges[0],
        "frequency_edges": edges[1],
        "monetary_edges": edges[2],
        "champions": [best.customers[0], best.orders[0], best.spend[0]],
    }


def five_users(inputs: dict[str, Any], data: Data) -> dict[str, Any]:
    returns = {"A": [1, 2, 3, 5, 7, 9], "B": [1, 4, 10], "C": [1, 2], "D": [3], "E": []}
    who = [name for name, days in returns.items() for _ in [0, *days]]
    when = [day for days in returns.values() for day in [0, *days]]
    state = CustomerState.from_arrays(who, day=when)
    kinds: tuple[Any, ...] = ("classic", "rolling", "cumulative")
    return {kind: retention_table(state, ages=(1, 7), method=kind, end=30).overall for kind in kinds}
