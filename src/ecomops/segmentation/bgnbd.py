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
from scipy import special

from ecomops.core import (
    Duration,
    Fraction,
    InputError,
    Labels,
    Model,
    NonNegative,
    NonNegativeColumn,
    Num,
    PositiveReal,
    PositiveWhole,
    Rng,
    TimeUnit,
    validated,
)
from ecomops.segmentation.purchases import CustomerSummary, PurchaseCounts
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

    Examples
    --------
    >>> from ecomops.segmentation import BgNbd, PurchaseCounts, log_likelihood
    >>> one = PurchaseCounts(frequency=[3], age_at_last_purchase=[4], age=[6], customers=[1])
    >>> round(log_likelihood(BgNbd(r=0.5, alpha=6, a=1.2, b=3.3), one), 6)
    -7.576382
    """
    if model.unit != counts.unit:
        raise InputError(f"counts must be in the unit of the model, {model.unit}, got {counts.unit}")
    kernel = _Kernel(counts, 1.0, modified=isinstance(model, MbgNbd))
    return float(kernel(np.log([model.r, model.alpha, model.a, model.b]))[0])


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
    mean = _beta_mean(model.r, model.alpha, model.a, b, horizon.to(model.unit))
    alive = model.b / (model.a + model.b) if isinstance(model, MbgNbd) else 1.0
    return alive * mean


class PurchaseLog(Model):
    """Simulated purchases.

    Examples
    --------
    >>> from ecomops.core import Duration
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
        wait = rng.standard_exponential(active.size) / np.maximum(rate[active], 1e-12)
        now[active] += wait
        active = active[now[active] <= span]
        people.append(active)
        times.append(now[active])
        active = active[rng.random(active.size) >= leave[active]]
    customer, time = np.concatenate(people), np.concatenate(times)
    order = np.lexsort((time, customer))
    return PurchaseLog(customer=customer[order], time=time[order], unit=model.unit)


class _Kernel:
    """Log-likelihood and gradient in log-parameters over weighted unique rows, ages in units of ``scale``.

    What depends on the frequency alone, a whole number, or on the age alone is tabulated once per evaluation; only the
    chance to have dropped out after the last purchase needs every row, and only those where that can have happened.
    """

    def __init__(self, counts: PurchaseCounts, scale: float, *, modified: bool) -> None:
        frequency, weight = counts.frequency.astype(np.intp), np.asarray(counts.customers)
        self.shift = 1.0 if modified else 0.0
        self.numbers = np.arange(int(frequency.max()) + 1, dtype=np.float64)
        self.per_number = np.bincount(frequency, weights=weight, minlength=self.numbers.size)
        ages, place = np.unique(counts.age / scale, return_inverse=True)
        self.ages = ages
        self.at_age = np.bincount(place, weights=weight)
        self.purchases_at_age = np.bincount(place, weights=weight * frequency)
        rows = frequency >= 0 if modified else frequency > 0
        self.x, self.weight = frequency[rows], weight[rows]
        self.x_real = self.x.astype(np.float64)
        self.last, self.age = counts.age_at_last_purchase[rows] / scale, counts.age[rows] / scale
        self.since = self.age - self.last
        self.offset = -float(weight @ frequency) * np.log(scale)

    def __call__(self, log_parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        with np.errstate(all="ignore"):
            return self._evaluate(np.exp(log_parameters))

    def _evaluate(self, p: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        r, alpha, a, b = p
        k, w, n = self.numbers, self.weight, self.per_number
        b_x = np.maximum(b + k - 1.0 + self.shift, 1e-300)
        a_b_k, b_k = a + b + k + self.shift, b + k + self.shift
        inverse = 1.0 / (alpha + self.last)
        gap = np.log1p(self.since * inverse)
        r_x = r + self.x_real
        odds = (np.log(a) - np.log(b_x))[self.x] + r_x * gap
        small = np.exp(-np.abs(odds))
        dead = np.where(odds > 0, 1.0, small) / (1.0 + small)
        either = w @ (np.log1p(small) + np.maximum(odds, 0.0))
        table = special.gammaln(r + k) + special.gammaln(b_k) - special.gammaln(a_b_k)
        whole = n.sum()
        constant = special.gammaln(a + b) - special.gammaln(b) - special.gammaln(r) + r * np.log(alpha)
        log_age, events = np.log(alpha + self.ages), r * self.at_age + self.purchases_at_age
        value = n @ table + whole * constant + either - events @ log_age + self.offset
        w_dead = w * dead
        psi_ab = whole * special.psi(a + b) - n @ special.psi(a_b_k)
        dead_at = np.bincount(self.x, weights=w_dead, minlength=k.size)
        dr = n @ special.psi(r + k) + whole * (np.log(alpha) - special.psi(r)) + w_dead @ gap - self.at_age @ log_age
        dalpha = whole * r / alpha - events @ (1.0 / (alpha + self.ages))
        dalpha -= w_dead @ (r_x * self.since * inverse / (alpha + self.age))
        da = psi_ab + dead_at.sum() / a
        db = psi_ab + n @ special.psi(b_k) - whole * special.psi(b) - dead_at @ (1.0 / b_x)
        return float(value), np.array([dr, dalpha, da, db]) * p


def _fitted(counts: PurchaseCounts, *, modified: bool) -> tuple[Maximum, float]:
    weight = float(np.sum(counts.customers))
    if not weight:
        raise InputError("counts has no customers")
    if not np.any(counts.frequency[counts.customers > 0] > 0):
        raise InputError("counts has no customer with a repeat purchase; the model cannot be fitted")
    scale = float(counts.customers @ counts.age) / weight
    if scale <= 0:
        raise InputError("counts has no time of observation: every age is 0; extend end")
    # Ages in units of a quarter of the mean age put alpha near the other parameters, whatever the unit of time.
    scale /= 4.0
    kernel = _Kernel(counts, scale, modified=modified)
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


def _rows(model: BgNbd | MbgNbd, summary: CustomerSummary) -> tuple[Any, Any, Any]:
    factor = Duration(value=1.0, unit=summary.unit).to(model.unit)
    return summary.frequency, summary.age_at_last_purchase * factor, summary.age * factor


def _alive(model: BgNbd | MbgNbd, x: Any, last: Any, age: Any) -> Any:
    modified = isinstance(model, MbgNbd)
    b_x = model.b + x if modified else model.b + np.maximum(x, 1.0) - 1.0
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
    mean = _beta_mean(model.r + x, model.alpha + age, model.a, b, horizon)
    return _alive(model, x, last, age) * mean


def _beta_mean(r: Any, alpha: Any, a: float, b: Any, t: float) -> Any:
    """Return E over p ~ beta(a, b) of (1 - (alpha / (alpha + p t))^r) / p, the expected purchases of one who is alive.

    Closed form (a + b - 1) / (a - 1) [1 - (alpha / (alpha + t))^r 2F1(r, b; a + b - 1; t / (alpha + t))], with Gauss-
    Jacobi quadrature where it loses its digits: a near 1, or a result that is not finite or not in its range.
    """
    r, alpha, b = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in (r, alpha, b)))
    upper = r * t / alpha
    with np.errstate(all="ignore"):
        if abs(a - 1.0) < 1e-6:
            closed = np.full(r.shape, np.nan)
        else:
            hyper = special.hyp2f1(r, b, a + b - 1.0, t / (alpha + t))
            closed = (a + b - 1.0) / (a - 1.0) * (1.0 - np.exp(r * np.log(alpha / (alpha + t))) * hyper)
        bad = ~(np.isfinite(closed) & (closed >= 0) & (closed <= upper * (1 + 1e-9)))
    if np.any(bad):
        closed = np.array(closed)
        closed[bad] = _beta_mean_quadrature(r[bad], alpha[bad], a, b[bad], t)
    return closed


def _beta_mean_quadrature(r: Any, alpha: Any, a: float, b: Any, t: float) -> Any:
    """Return the same mean by quadrature in the logit of p, which needs no symmetric weights and holds for any a, b."""
    u = np.linspace(-1.0, 1.0, 2001) * 6.5
    # tanh-sinh in the logit: v = sinh(u), dv = cosh(u) du; the density of logit p is exp(a v) / (1 + exp(v))^(a + b) / B.
    v, width = np.sinh(u), np.cosh(u) * (u[1] - u[0])
    p, log_p, log_q = special.expit(v), special.log_expit(v), special.log_expit(-v)
    answer = np.empty(np.shape(r))
    for place in np.ndindex(*np.shape(r)):
        density = np.exp(a * log_p + b[place] * log_q - special.betaln(a, b[place]))
        lost = -np.expm1(-r[place] * np.log1p(p * t / alpha[place]))
        value = np.where(p > 1e-290, lost / np.maximum(p, 1e-290), r[place] * t / alpha[place])
        answer[place] = float((density * value * width).sum())
    return answer
