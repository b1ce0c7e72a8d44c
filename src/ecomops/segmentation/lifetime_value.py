"""What a customer is worth: expected purchases times expected spend, discounted."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import (
    DiscountRate,
    Duration,
    Fraction,
    FractionReal,
    InputError,
    Labels,
    Model,
    NonNegative,
    NumOrNan,
    Text,
    validated,
)
from ecomops.segmentation.bgnbd import PurchaseModel
from ecomops.segmentation.predictions import conditional_expectation, expected_purchases, probability_alive
from ecomops.segmentation.purchases import CustomerSummary
from ecomops.segmentation.spend import GammaGamma, expected_spend


class LifetimeValue(Model):
    """The expected value of each customer over a horizon.

    Examples
    --------
    >>> from ecomops.core import DiscountRate, Duration
    >>> from ecomops.segmentation import BgNbd, CustomerState, GammaGamma, customer_lifetime_value, customer_summary
    >>> summary = customer_summary(CustomerState.from_arrays(["a", "a"], day=[0, 70], spend=[30, 40]), end=140)
    >>> value = customer_lifetime_value(
    ...     BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426),
    ...     GammaGamma(p=6.25, q=3.74, v=15.44),
    ...     summary,
    ...     horizon=Duration(value=1, unit="year"),
    ...     discount=DiscountRate(rate=0.15, per="year"),
    ... )
    >>> value.customer.tolist()
    ['a']
    """

    customer: Labels
    """Customer ids, shape (n,)."""
    value: NumOrNan
    """Discounted value over the horizon, money, shape (n,); NaN where spend has no mean."""
    purchases: NonNegative
    """Expected purchases over the horizon, shape (n,)."""
    spend: NumOrNan
    """Expected spend of a purchase that pays, money, shape (n,); NaN where it has no mean."""
    alive: Fraction
    """Probability of being a customer still, shape (n,)."""
    horizon: Duration
    """The horizon."""
    paying_share: FractionReal
    """Share of the purchases that pay, which the value counts."""
    reason: Text
    """What NaN means here; empty where there is none."""


@validated
def customer_lifetime_value(
    purchases: PurchaseModel,
    spend: GammaGamma,
    summary: CustomerSummary,
    *,
    horizon: Duration,
    discount: DiscountRate,
    step: Duration = Duration(value=1, unit="month"),  # noqa: B008 - frozen
    margin: FractionReal = 1.0,
    paying_share: FractionReal | None = None,
) -> LifetimeValue:
    """Return what each customer is expected to be worth over a horizon, in today's money.

    Parameters
    ----------
    purchases : BgNbd or MbgNbd
        The fitted model of purchases.
    spend : GammaGamma
        The fitted model of spend.
    summary : CustomerSummary
        One row a customer, in any unit.
    horizon : Duration
        How far to look; 3 to 24 months are usual.
    discount : DiscountRate
        Effective rate with its time, such as 0.15 per year.
    step : Duration
        Purchases are valued at the end of each step; the last step may be shorter.
    margin : float
        Contribution as a fraction of spend; 1 gives value in revenue.
    paying_share : float, optional
        Share of purchase days whose spend is above 0, since the spend model speaks of these alone. By default that of
        the repeat days of all customers in the summary together, 1 where none of them pays (no spend was given); give
        the share of the whole where the summary is a part of it.

    Returns
    -------
    LifetimeValue
        Value, purchases, spend and probability alive, in the order of the summary.

    Raises
    ------
    InputError
        When the horizon has more than 10,000 steps.

    Notes
    -----
    V = margin s E[M] sum over steps i of (E[X(t_i)] - E[X(t_{i-1})]) / (1 + d)^{t_i}, with s the paying share. Every
    length carries its unit: weekly models with a monthly rate need no factor by hand.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), RFM and CLV: Using Iso-Value Curves for Customer Base Analysis, JMR 42(4).

    Examples
    --------
    >>> from ecomops.core import DiscountRate, Duration
    >>> from ecomops.segmentation import BgNbd, CustomerState, GammaGamma, customer_lifetime_value, customer_summary
    >>> summary = customer_summary(CustomerState.from_arrays(["a", "a"], day=[0, 70], spend=[30, 40]), end=140)
    >>> value = customer_lifetime_value(
    ...     BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426),
    ...     GammaGamma(p=6.25, q=3.74, v=15.44),
    ...     summary,
    ...     horizon=Duration(value=1, unit="year"),
    ...     discount=DiscountRate(rate=0.15, per="year"),
    ... )
    >>> round(float(value.value[0]), 2)
    43.1
    """
    span, width = horizon.to(purchases.unit), step.to(purchases.unit)
    steps = max(int(np.ceil(span / width - 1e-9)), 1)
    if steps > 10_000:
        raise InputError(
            f"step must be at least a 10,000th of the horizon, got {step.value} {step.unit}; use a longer step"
        )
    factor = Duration(value=1.0, unit=summary.unit).to(purchases.unit)
    x, last, age = summary.frequency, summary.age_at_last_purchase * factor, summary.age * factor
    discounted: Any = np.zeros(np.shape(x))
    before: Any = np.zeros(np.shape(x))
    for number in range(1, steps + 1):
        until = min(number * width, span)
        after = conditional_expectation(purchases, x, last, age, until)
        discounted = discounted + (after - before) * discount.factor(Duration(value=until, unit=purchases.unit))
        before = after
    money = expected_spend(spend, summary)
    missing = bool(np.isnan(money).any())
    share = _paying_share(summary) if paying_share is None else paying_share
    return LifetimeValue(
        customer=summary.customer,
        value=margin * share * money * discounted,
        purchases=expected_purchases(purchases, summary, horizon=horizon),
        spend=money,
        alive=probability_alive(purchases, summary),
        horizon=horizon,
        paying_share=share,
        reason="NaN: p x + q <= 1 in the spend model, so these customers have no expected spend" if missing else "",
    )


def _paying_share(summary: CustomerSummary) -> float:
    paying = float(np.sum(summary.paying_frequency[summary.mean_spend > 0]))
    return paying / float(np.sum(summary.frequency)) if paying else 1.0
