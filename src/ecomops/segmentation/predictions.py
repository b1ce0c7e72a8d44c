"""What a fitted purchase model says of each customer: whether they are still there, and how often they will buy."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ecomops.core import Duration, Fraction, NonNegative, validated
from ecomops.segmentation.bgnbd import BgNbd, MbgNbd, PurchaseModel
from ecomops.segmentation.purchases import CustomerSummary
from ecomops.segmentation.repeat_purchases import mean_repeat_purchases


@validated
def probability_alive(model: PurchaseModel, summary: CustomerSummary) -> Fraction:
    """Return the probability that each customer is still a customer at the end of observation.

    Parameters
    ----------
    model : BgNbd or MbgNbd
        The fitted model.
    summary : CustomerSummary
        One row a customer, in any unit.

    Returns
    -------
    array, shape (n,)
        Probabilities. Under BG/NBD a customer without a repeat purchase is alive with probability 1 by construction.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2008), Computing P(alive) Using the BG/NBD Model, eq. (2).

    Examples
    --------
    >>> from ecomops.segmentation import BgNbd, CustomerState, customer_summary, probability_alive
    >>> summary = customer_summary(CustomerState.from_arrays(["a", "a", "b"], day=[0, 70, 0]), end=140)
    >>> [round(p, 3) for p in probability_alive(BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426), summary).tolist()]
    [0.614, 1.0]
    """
    x, last, age = _rows(model, summary)
    return _alive(model, x, last, age)


@validated
def expected_purchases(model: PurchaseModel, summary: CustomerSummary, *, horizon: Duration) -> NonNegative:
    """Return how many purchases each customer is expected to make over a horizon.

    Parameters
    ----------
    model : BgNbd or MbgNbd
        The fitted model.
    summary : CustomerSummary
        One row a customer, in any unit.
    horizon : Duration
        Time from the end of observation.

    Returns
    -------
    array, shape (n,)
        Expected purchases (customer days with a purchase).

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), eq. (10).

    Examples
    --------
    >>> from ecomops.core import Duration
    >>> from ecomops.segmentation import BgNbd, CustomerState, customer_summary, expected_purchases
    >>> summary = customer_summary(CustomerState.from_arrays(["a", "a", "b"], day=[0, 70, 0]), end=140)
    >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> [round(x, 3) for x in expected_purchases(model, summary, horizon=Duration(value=39, unit="week")).tolist()]
    [0.951, 0.323]
    """
    x, last, age = _rows(model, summary)
    return conditional_expectation(model, x, last, age, horizon.to(model.unit))


@validated
def expected_purchases_new(model: PurchaseModel, *, horizon: Duration) -> NonNegative:
    """Return how many repeat purchases a new customer is expected to make over a horizon.

    Parameters
    ----------
    model : BgNbd or MbgNbd
        The fitted model.
    horizon : Duration
        Time from the first purchase.

    Returns
    -------
    float
        Expected repeat purchases.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), eq. (9).

    Examples
    --------
    >>> from ecomops.core import Duration
    >>> from ecomops.segmentation import BgNbd, expected_purchases_new
    >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> round(expected_purchases_new(model, horizon=Duration(value=78, unit="week")), 4)
    1.8605
    """
    b = model.b + 1.0 if isinstance(model, MbgNbd) else model.b
    mean = mean_repeat_purchases(model.r, model.alpha, model.a, b, horizon.to(model.unit))
    alive = model.b / (model.a + model.b) if isinstance(model, MbgNbd) else 1.0
    return alive * mean


def _rows(model: BgNbd | MbgNbd, summary: CustomerSummary) -> tuple[Any, Any, Any]:
    factor = Duration(value=1.0, unit=summary.unit).to(model.unit)
    return summary.frequency, summary.age_at_last_purchase * factor, summary.age * factor


def _alive(model: BgNbd | MbgNbd, x: Any, last: Any, age: Any) -> Any:
    modified = isinstance(model, MbgNbd)
    b_x = model.b + x if modified else model.b + (np.maximum(x, 1.0) - 1.0)
    gap = np.log((model.alpha + age) / (model.alpha + last))
    odds = np.log(model.a) - np.log(b_x) + (model.r + x) * gap
    alive = special.expit(-odds)
    return alive if modified else np.where(x > 0, alive, 1.0)


def conditional_expectation(model: BgNbd | MbgNbd, x: Any, last: Any, age: Any, horizon: float) -> Any:
    """Return E[purchases in (T, T + t] | x, t_x, T] from arrays in the unit of the model.

    Notes
    -----
    Given alive at T, the rate is gamma(r + x, alpha + T) and the dropout probability beta(a, b + x); the expectation is
    that of a new customer with these parameters.
    """
    b = model.b + x + (1.0 if isinstance(model, MbgNbd) else 0.0)
    mean = mean_repeat_purchases(model.r + x, model.alpha + age, model.a, b, horizon)
    return _alive(model, x, last, age) * mean
