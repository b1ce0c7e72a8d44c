"""Purchase histories drawn from a BG/NBD or MBG/NBD model."""

from __future__ import annotations

import numpy as np

from ecomops.core import Duration, Labels, Model, NonNegativeColumn, PositiveWhole, Rng, TimeUnit, validated
from ecomops.segmentation.bgnbd import MbgNbd, PurchaseModel


class PurchaseLog(Model):
    """Simulated purchases.

    Examples
    --------
    >>> from ecomops.core import Duration
    >>> from ecomops.segmentation import BgNbd, simulate_purchases
    >>> log = simulate_purchases(
    ...     BgNbd(r=1, alpha=4, a=1, b=3), customers=3, horizon=Duration(value=9, unit="week"), rng=1
    ... )
    >>> sorted(set(log.customer.tolist()))
    [0, 1, 2]
    """

    customer: Labels
    """Number of the customer of each purchase, 0 to n - 1, shape (m,)."""
    time: NonNegativeColumn
    """Time since the customer's first purchase, in ``unit``; the first purchase itself is 0, shape (m,)."""
    unit: TimeUnit
    """Unit of the times."""


@validated
def simulate_purchases(
    model: PurchaseModel, *, customers: PositiveWhole, horizon: Duration, rng: Rng = None
) -> PurchaseLog:
    """Draw purchase histories from a model.

    Parameters
    ----------
    model : BgNbd or MbgNbd
        The model.
    customers : int
        Number of customers, >= 1.
    horizon : Duration
        Time observed after each customer's first purchase.
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    PurchaseLog
        Customer and time of each purchase, first purchases included, sorted by customer and time.

    Examples
    --------
    >>> from ecomops.core import Duration
    >>> from ecomops.segmentation import MbgNbd, simulate_purchases
    >>> model = MbgNbd(r=0.5, alpha=6, a=0.9, b=1.6)
    >>> log = simulate_purchases(model, customers=1000, horizon=Duration(value=39, unit="week"), rng=1)
    >>> int((log.time == 0).sum())
    1000
    """
    span = horizon.to(model.unit)
    rate = rng.gamma(model.r, 1.0 / model.alpha, customers)
    leave = rng.beta(model.a, model.b, customers)
    who, now = np.arange(customers), np.zeros(customers)
    people, times = [who], [np.zeros(customers)]
    active = who
    if isinstance(model, MbgNbd):
        active = active[rng.random(active.size) >= leave[active]]
    while active.size:
        # A rate that is drawn as 0 means a wait beyond any horizon.
        wait = rng.standard_exponential(active.size) / np.maximum(rate[active], 1e-290)
        now[active] += wait
        active = active[now[active] <= span]
        people.append(active)
        times.append(now[active])
        active = active[rng.random(active.size) >= leave[active]]
    customer, time = np.concatenate(people), np.concatenate(times)
    order = np.lexsort((time, customer))
    return PurchaseLog(customer=customer[order], time=time[order], unit=model.unit)
