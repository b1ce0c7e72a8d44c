"""The purchase models seen from one customer with a known rate and dropout probability: the oracle of the tests beside it.

Nothing here knows a closed form: what a customer of rate l and dropout probability p does is written down, and is then
averaged over a fine grid of customers (trapezoidal in log l and logit p, where it converges exponentially).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from ecomops.segmentation import BgNbd, CustomerSummary, MbgNbd, PurchaseCounts

REACH = 40.0
MODELS = (
    BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426),
    BgNbd(r=1.6, alpha=9.0, a=1.0, b=0.7),
    BgNbd(r=0.9, alpha=2.0, a=2.5, b=6.0),
    MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614),
    MbgNbd(r=0.8, alpha=20.0, a=1.0, b=2.0),
    MbgNbd(r=2.2, alpha=5.0, a=3.0, b=0.6),
)
HISTORIES = ((0, 0.0, 39.0), (1, 0.4, 39.0), (2, 30.43, 38.86), (7, 20.0, 20.0), (20, 30.0, 39.0))


@dataclass(frozen=True)
class People:
    """Customers on a grid and how frequent each is."""

    rate: Any
    leave: Any
    stay: Any
    share: Any


def people(model: BgNbd | MbgNbd) -> People:
    u = np.arange(-REACH / model.r - 2.0, np.log(model.r + 80.0), 0.06)
    v = np.arange(-REACH / model.a - 2.0, REACH / model.b + 2.0, 0.12)
    of_rate = np.exp(model.r * u - np.exp(u) - special.gammaln(model.r)) * 0.06
    log_leave, log_stay = special.log_expit(v), special.log_expit(-v)
    of_leave = np.exp(model.a * log_leave + model.b * log_stay - special.betaln(model.a, model.b)) * 0.12
    return People((np.exp(u) / model.alpha)[:, None], np.exp(log_leave), np.exp(log_stay), of_rate[:, None] * of_leave)


def left_and_stayed(model: BgNbd | MbgNbd, someone: People, x: int, last: float, age: float) -> tuple[Any, Any]:
    """Return how likely this history is for each customer, having left after the last purchase and being there still."""
    chances = x + 1 if isinstance(model, MbgNbd) else x
    buying = someone.rate**x
    stayed = buying * np.exp(-someone.rate * age) * someone.stay**chances
    if not chances:
        return np.zeros_like(stayed), stayed
    left = buying * np.exp(-someone.rate * last) * someone.leave * someone.stay ** (chances - 1)
    return left, stayed


def likelihood(model: BgNbd | MbgNbd, x: int, last: float, age: float) -> float:
    someone = people(model)
    left, stayed = left_and_stayed(model, someone, x, last, age)
    return float((someone.share * (left + stayed)).sum())


def alive(model: BgNbd | MbgNbd, x: int, last: float, age: float) -> float:
    someone = people(model)
    left, stayed = left_and_stayed(model, someone, x, last, age)
    return float((someone.share * stayed).sum() / (someone.share * (left + stayed)).sum())


def purchases_of_the_alive(someone: People, horizon: float) -> Any:
    """Return E purchases in a horizon: those who leave with p at each purchase are gone at rate l p."""
    return -np.expm1(-someone.rate * someone.leave * horizon) / someone.leave


def purchases(model: BgNbd | MbgNbd, x: int, last: float, age: float, horizon: float) -> float:
    someone = people(model)
    left, stayed = left_and_stayed(model, someone, x, last, age)
    coming = stayed * purchases_of_the_alive(someone, horizon)
    return float((someone.share * coming).sum() / (someone.share * (left + stayed)).sum())


def purchases_of_the_new(model: BgNbd | MbgNbd, horizon: float) -> float:
    someone = people(model)
    start = someone.stay if isinstance(model, MbgNbd) else 1.0
    return float((someone.share * start * purchases_of_the_alive(someone, horizon)).sum())


def summary(histories: Sequence[tuple[float, float, float]], **columns: Any) -> CustomerSummary:
    """Return customers with these (frequency, age at last purchase, age)."""
    x, last, age = np.array(histories, dtype=float).reshape(-1, 3).T
    size = x.size
    given = {
        "mean_spend": np.zeros(size),
        "orders": x + 1,
        "spend": np.zeros(size),
        "unit": "week",
        "end": 0.0,
        **columns,
    }
    names = [f"c{number:05d}" for number in range(size)]
    return CustomerSummary(customer=names, frequency=x, age_at_last_purchase=last, age=age, **given)


def counts(
    histories: Sequence[tuple[float, float, float]], customers: Any = None, unit: Any = "week"
) -> PurchaseCounts:
    x, last, age = np.array(histories, dtype=float).reshape(-1, 3).T
    number = np.ones(x.size) if customers is None else customers
    return PurchaseCounts(frequency=x, age_at_last_purchase=last, age=age, customers=number, unit=unit)
