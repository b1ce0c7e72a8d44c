"""The gamma-gamma model: what a customer spends on a purchase day."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.core import Column, Flag, InputError, Labels, Model, NumOrNan, PositiveReal, Rng, validated
from ecomops.segmentation.purchase_counts import SpendCounts
from ecomops.segmentation.purchases import CustomerSummary
from ecomops.stats.likelihood import GRADIENT_LIMIT, Fit, describe, maximise

NAMES = ("p", "q", "v")
STARTS = ((1.0, 1.0, 1.0), (5.0, 4.0, 4.0), (2.0, 10.0, 5.0))


class GammaGamma(Model):
    """Spend per purchase is gamma(p, nu) with nu gamma(q, v) over customers.

    Examples
    --------
    >>> round(GammaGamma(p=6.25, q=3.74, v=15.44).mean, 2)
    35.22
    """

    kind: Literal["GammaGamma"] = "GammaGamma"
    p: PositiveReal
    """Shape of spend within a customer."""
    q: PositiveReal
    """Shape of the heterogeneity between customers; the population mean exists for q > 1."""
    v: PositiveReal
    """Scale of the heterogeneity, money."""

    @property
    def mean(self) -> float:
        """Population mean p v / (q - 1), money; NaN where q <= 1."""
        return self.p * self.v / (self.q - 1.0) if self.q > 1 else float("nan")


class GammaGammaFit(Fit):
    """A fitted gamma-gamma model.

    Examples
    --------
    >>> from ecomops.segmentation import SpendCounts, fit_gamma_gamma
    >>> counts = SpendCounts(frequency=[1, 1, 2, 3, 5], mean_spend=[10, 60, 25, 40, 30], customers=[9, 3, 6, 4, 2])
    >>> type(fit_gamma_gamma(counts).model).__name__
    'GammaGamma'
    """

    model: GammaGamma
    """The model."""
    finite_mean: Flag
    """Whether q > 1, so that the population has a mean."""
    finite_variance: Flag
    """Whether q > 2, so that the population has a variance."""


@validated
def fit_gamma_gamma(counts: SpendCounts) -> GammaGammaFit:
    """Fit the gamma-gamma model of spend by maximum likelihood.

    Parameters
    ----------
    counts : SpendCounts
        Repeat customers by frequency and mean spend; customers without a repeat purchase must not be in it.

    Returns
    -------
    GammaGammaFit
        The model with standard errors, log-likelihood and diagnosis.

    Raises
    ------
    InputError
        When there are no customers, or all have the same mean spend.

    References
    ----------
    .. [1] Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, eq. (1a).

    Examples
    --------
    >>> from ecomops.segmentation import SpendCounts, fit_gamma_gamma
    >>> counts = SpendCounts(frequency=[1, 1, 2, 3, 5], mean_spend=[10, 60, 25, 40, 30], customers=[9, 3, 6, 4, 2])
    >>> fit_gamma_gamma(counts).n
    24.0
    """
    weight = float(np.sum(counts.customers))
    if not weight:
        raise InputError("counts has no customers")
    kept = counts.customers > 0
    spend = counts.mean_spend[kept]
    if np.ptp(spend) <= 1e-12 * spend.max():
        raise InputError("counts.mean_spend must differ between customers; the model cannot be fitted")
    scale = float(np.sum(counts.customers * counts.mean_spend)) / weight
    kernel = _Kernel(counts.frequency[kept], spend / scale, counts.customers[kept], scale)
    best = maximise(kernel, np.log(STARTS[0]), weight)
    for start in STARTS[1:]:
        if best.gradient <= GRADIENT_LIMIT:
            break
        found = maximise(kernel, np.log(start), weight)
        best = found if found.log_likelihood > best.log_likelihood else best
    scales = np.array([1.0, 1.0, scale])
    p, q, v = np.exp(best.log_parameters) * scales
    return GammaGammaFit(
        model=GammaGamma(p=p, q=q, v=v),
        finite_mean=q > 1,
        finite_variance=q > 2,
        **describe(best, NAMES, weight, scales),
    )


@validated
def expected_spend(model: GammaGamma, summary: CustomerSummary) -> NumOrNan:
    """Return what each customer is expected to spend on a purchase day that pays.

    Parameters
    ----------
    model : GammaGamma
        The fitted model.
    summary : CustomerSummary
        One row a customer.

    Returns
    -------
    array, shape (n,)
        Money. Customers without a paying repeat purchase get the population mean, NaN where q <= 1 (it does not exist).

    Notes
    -----
    E[M | x, m] = p (v + x m) / (p x + q - 1), with x the paying repeat days and m their mean.

    References
    ----------
    .. [1] Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, eq. (5).

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, GammaGamma, customer_summary, expected_spend
    >>> summary = customer_summary(CustomerState.from_arrays(["a", "a", "b"], day=[0, 7, 0], spend=[5, 60, 4]))
    >>> [round(m, 2) for m in expected_spend(GammaGamma(p=6.25, q=3.74, v=15.44), summary).tolist()]
    [52.45, 35.22]
    """
    x = np.where(summary.mean_spend > 0, summary.paying_frequency, 0.0)
    return _posterior_mean(model, x, np.maximum(summary.mean_spend, 0.0))


@validated
def simulate_spend(model: GammaGamma, *, customer: Labels, rng: Rng = None) -> Column:
    """Draw the spend of each purchase: a mean for each customer, purchases round it.

    Parameters
    ----------
    model : GammaGamma
        The model.
    customer : array of str or int, shape (m,)
        Customer of each purchase.
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    array, shape (m,)
        Money, > 0.

    Examples
    --------
    >>> from ecomops.segmentation import GammaGamma, simulate_spend
    >>> simulate_spend(GammaGamma(p=6, q=4, v=15), customer=["a", "a", "b"], rng=1).shape
    (3,)
    """
    _, place = np.unique(customer.astype(str), return_inverse=True)
    rate = rng.gamma(model.q, 1.0 / model.v, int(place.max(initial=-1)) + 1)
    return np.maximum(rng.gamma(model.p, 1.0, place.size) / rate[place], 1e-290)


class _Kernel:
    """Log-likelihood and gradient in log-parameters; what depends on the frequency alone is tabulated by frequency."""

    def __init__(self, x: Any, spend: Any, weight: Any, scale: float) -> None:
        self.weight, self.total, self.spend = weight, x * spend, spend
        self.x, self.place = np.unique(x, return_inverse=True)
        self.per_x = np.bincount(self.place, weights=weight)
        self.log_spend = np.bincount(self.place, weights=weight * np.log(spend))
        self.offset = -float(self.per_x.sum() * np.log(scale))

    def __call__(self, log_parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        with np.errstate(all="ignore"):
            return self._evaluate(np.exp(log_parameters))

    def _evaluate(self, natural: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p, q, v = natural
        x, n, s1 = self.x, self.per_x, self.log_spend
        # ln(v + x m) as ln v + log1p: along a ridge q and v are huge, and what they share cancels here without rounding.
        s2 = np.bincount(self.place, weights=self.weight * np.log1p(self.total / v))
        s3 = np.bincount(self.place, weights=self.weight / (v + self.total))
        value = n @ (p * x * (np.log(x) - np.log(v)) - special.betaln(p * x, q)) + (p * x - 1.0) @ s1 - (p * x + q) @ s2
        value += self.offset
        both = special.psi(p * x + q)
        dp = n @ (x * (both - special.psi(p * x) + np.log(x) - np.log(v))) + x @ s1 - x @ s2
        dq = n @ (both - special.psi(q)) - s2.sum()
        dv = n.sum() * q / v - (p * x + q) @ s3
        return float(value), np.array([dp, dq, dv]) * natural


def _posterior_mean(model: GammaGamma, x: Any, spend: Any) -> Any:
    below = model.p * x + model.q - 1.0
    exists = below > 0
    return np.where(exists, model.p * (model.v + x * spend) / np.where(exists, below, 1.0), np.nan)
