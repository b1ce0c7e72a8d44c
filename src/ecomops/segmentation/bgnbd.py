"""BG/NBD and MBG/NBD: how often customers buy, and whether they are still there.

While alive a customer buys at a Poisson rate that is gamma(r, alpha) over customers; after each purchase (BG), or after
each purchase and at the start (MBG), the customer leaves with a probability that is beta(a, b) over customers. The two
share one kernel with a shift of one in b.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ecomops.core import InputError, Model, Num, PositiveReal, TimeUnit, validated
from ecomops.segmentation.purchase_counts import PurchaseCounts
from ecomops.segmentation.purchase_likelihood import PurchaseLikelihood
from ecomops.stats.likelihood import GRADIENT_LIMIT, Fit, Maximum, describe, maximise

NAMES = ("r", "alpha", "a", "b")
STARTS = ((1.0, 1.0, 1.0, 1.0), (0.3, 0.5, 0.8, 2.5), (2.0, 2.0, 0.5, 5.0))


class BgNbd(Model):
    """The BG/NBD model: one-time buyers are alive for ever (use `MbgNbd` for win-back decisions).

    Examples
    --------
    >>> BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
    BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426, unit='week')
    """

    kind: Literal["BgNbd"] = "BgNbd"
    r: PositiveReal
    """Shape of the gamma distribution of purchase rates."""
    alpha: PositiveReal
    """Its rate, in ``unit``."""
    a: PositiveReal
    """First parameter of the beta distribution of the dropout probability."""
    b: PositiveReal
    """Second parameter."""
    unit: TimeUnit = "week"
    """Unit of time of ``alpha``."""


class MbgNbd(Model):
    """The MBG/NBD model: a customer may leave right after the first purchase.

    Examples
    --------
    >>> MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614, unit="week")
    MbgNbd(r=0.525, alpha=6.183, a=0.891, b=1.614, unit='week')
    """

    kind: Literal["MbgNbd"] = "MbgNbd"
    r: PositiveReal
    """Shape of the gamma distribution of purchase rates."""
    alpha: PositiveReal
    """Its rate, in ``unit``."""
    a: PositiveReal
    """First parameter of the beta distribution of the dropout probability."""
    b: PositiveReal
    """Second parameter."""
    unit: TimeUnit = "week"
    """Unit of time of ``alpha``."""


PurchaseModel = Annotated[BgNbd | MbgNbd, Field(discriminator="kind")]


class BgNbdFit(Fit):
    """A fitted BG/NBD model.

    Examples
    --------
    >>> from ecomops.segmentation import PurchaseCounts, fit_bg_nbd
    >>> fit = fit_bg_nbd(
    ...     PurchaseCounts(frequency=[0, 1, 4], age_at_last_purchase=[0, 9, 33], age=[36] * 3, customers=[60, 20, 8])
    ... )
    >>> type(fit.model).__name__
    'BgNbd'
    """

    model: BgNbd
    """The model."""


class MbgNbdFit(Fit):
    """A fitted MBG/NBD model.

    Examples
    --------
    >>> from ecomops.segmentation import PurchaseCounts, fit_mbg_nbd
    >>> fit = fit_mbg_nbd(
    ...     PurchaseCounts(frequency=[0, 1, 4], age_at_last_purchase=[0, 9, 33], age=[36] * 3, customers=[60, 20, 8])
    ... )
    >>> type(fit.model).__name__
    'MbgNbd'
    """

    model: MbgNbd
    """The model."""


@validated
def fit_bg_nbd(counts: PurchaseCounts) -> BgNbdFit:
    """Fit the BG/NBD model by maximum likelihood.

    Parameters
    ----------
    counts : PurchaseCounts
        Customers by frequency, age at last purchase and age.

    Returns
    -------
    BgNbdFit
        The model with standard errors, log-likelihood and diagnosis.

    Raises
    ------
    InputError
        When there is no customer, nobody came back, or nobody has been observed for any time.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), eq. (6); and their
       note "Overcoming the BG/NBD Model's #NUM! Error Problem" (2013) for the form that does not overflow.

    Examples
    --------
    >>> from ecomops.segmentation import PurchaseCounts, fit_bg_nbd
    >>> counts = PurchaseCounts(
    ...     frequency=[0, 1, 2, 4], age_at_last_purchase=[0, 9, 20, 33], age=[36] * 4, customers=[60, 20, 12, 8]
    ... )
    >>> fit_bg_nbd(counts).n
    100.0
    """
    found, scale = _fitted(counts, modified=False)
    scales = np.array([1.0, scale, 1.0, 1.0])
    model = BgNbd(**_named(found, scales), unit=counts.unit)
    return BgNbdFit(model=model, **describe(found, NAMES, float(np.sum(counts.customers)), scales))


@validated
def fit_mbg_nbd(counts: PurchaseCounts) -> MbgNbdFit:
    """Fit the MBG/NBD model by maximum likelihood: the default for every win-back, churn or lifecycle decision.

    Parameters
    ----------
    counts : PurchaseCounts
        Customers by frequency, age at last purchase and age.

    Returns
    -------
    MbgNbdFit
        The model with standard errors, log-likelihood and diagnosis.

    Raises
    ------
    InputError
        When there is no customer, nobody came back, or nobody has been observed for any time.

    References
    ----------
    .. [1] Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base
       analysis, International Journal of Research in Marketing 24(3).

    Examples
    --------
    >>> from ecomops.segmentation import PurchaseCounts, fit_mbg_nbd
    >>> counts = PurchaseCounts(
    ...     frequency=[0, 1, 2, 4], age_at_last_purchase=[0, 9, 20, 33], age=[36] * 4, customers=[60, 20, 12, 8]
    ... )
    >>> fit_mbg_nbd(counts).n
    100.0
    """
    found, scale = _fitted(counts, modified=True)
    scales = np.array([1.0, scale, 1.0, 1.0])
    model = MbgNbd(**_named(found, scales), unit=counts.unit)
    return MbgNbdFit(model=model, **describe(found, NAMES, float(np.sum(counts.customers)), scales))


@validated
def log_likelihood(model: PurchaseModel, counts: PurchaseCounts) -> Num:
    """Return the log-likelihood of a purchase model at given parameters.

    Parameters
    ----------
    model : BgNbd or MbgNbd
        The parameters.
    counts : PurchaseCounts
        Customers by frequency, age at last purchase and age, in the unit of the model.

    Returns
    -------
    float
        Sum over customers.

    Raises
    ------
    InputError
        When the units differ.

    Notes
    -----
    A customer with x repeat purchases, the last at t_x, over an age of T adds ln(A (B + C)) with
    A = Gamma(r + x) Gamma(a + b) Gamma(b_x + 1) alpha^r / (Gamma(r) Gamma(b) Gamma(a + b_x + 1)),
    B = (alpha + T)^-(r + x), C = a / b_x (alpha + t_x)^-(r + x), and b_x = b + x - 1 for BG/NBD (C = 0 where x = 0),
    b_x = b + x for MBG/NBD. That is the likelihood of the times of purchase, without the factor that is free of parameters.

    References
    ----------
    .. [1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), eq. (6).
    .. [2] Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base
       analysis, International Journal of Research in Marketing 24(3).

    Examples
    --------
    >>> from ecomops.segmentation import BgNbd, PurchaseCounts, log_likelihood
    >>> one = PurchaseCounts(frequency=[3], age_at_last_purchase=[4], age=[6], customers=[1])
    >>> round(log_likelihood(BgNbd(r=0.5, alpha=6, a=1.2, b=3.3), one), 6)
    -7.576382
    """
    if model.unit != counts.unit:
        raise InputError(f"counts must be in the unit of the model, {model.unit}, got {counts.unit}")
    kernel = PurchaseLikelihood(counts, 1.0, modified=isinstance(model, MbgNbd))
    return float(kernel(np.log([model.r, model.alpha, model.a, model.b]))[0])


def _fitted(counts: PurchaseCounts, *, modified: bool) -> tuple[Maximum, float]:
    weight = float(np.sum(counts.customers))
    if not weight:
        raise InputError("counts has no customers")
    if not np.any(counts.frequency[counts.customers > 0] > 0):
        raise InputError("counts has no customer with a repeat purchase; the model cannot be fitted")
    scale = float(np.sum(counts.customers * counts.age)) / weight
    if scale <= 0:
        raise InputError("counts has no time of observation: every age is 0; extend end")
    # Ages in units of a quarter of the mean age put alpha near the other parameters, whatever the unit of time.
    scale /= 4.0
    kernel = PurchaseLikelihood(counts, scale, modified=modified)
    best: Maximum | None = None
    for start in STARTS:
        found = maximise(kernel, np.log(start), weight)
        if best is None or found.log_likelihood > best.log_likelihood + 1e-9:
            best = found
        if best.gradient <= GRADIENT_LIMIT:
            break
    assert best is not None  # noqa: S101 - the loop runs at least once
    return best, scale


def _named(found: Maximum, scales: NDArray[np.float64]) -> dict[str, Any]:
    return dict(zip(NAMES, (np.exp(found.log_parameters) * scales).tolist(), strict=True))
