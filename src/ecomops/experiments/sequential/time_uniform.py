"""Bounds that a sum stays within at all times at once: normal mixtures and stitching."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    Floats,
    InputError,
    NonNegative,
    Num,
    Positive,
    ProbabilityReal,
    Real,
    validated,
)

Sides: TypeAlias = Literal["two-sided", "one-sided"]
Tuning: TypeAlias = Literal["exact", "closed-form"]
AboveOne: TypeAlias = Annotated[float, Floats(scalar=True, gt=1)]


@validated
def mixture_boundary(
    intrinsic_time: NonNegative,
    *,
    planned_time: Positive,
    alpha: ProbabilityReal = 0.05,
    alternative: Sides = "two-sided",
    tuning: Tuning = "exact",
) -> Num:
    """Return the normal-mixture bound that a centred sum crosses at any time with probability alpha at most.

    Parameters
    ----------
    intrinsic_time : float or array
        Variance of the sum so far: its number of terms times their variance.
    planned_time : float or array
        Intrinsic time at which the bound is to be narrowest.
    alpha : float
        Probability of ever crossing, in (0, 1).
    alternative : {"two-sided", "one-sided"}
        Whether a crossing on either side counts, or on one side.
    tuning : {"exact", "closed-form"}
        The best variance of the mixture, or its approximation in closed form that the `confseq` and `gbstats` packages use.

    Returns
    -------
    float or array
        The bound, in units of the sum.

    Raises
    ------
    InputError
        When a one-sided bound in closed form is asked for alpha >= 0.5.

    Notes
    -----
    With v the intrinsic time and the mixing parameter rho the two-sided bound is
    sqrt((v + rho) (log(1 + v / rho) + 2 log(1 / alpha))). The best rho at v is v / d with d - log(1 + d) = 2 log(1 / alpha),
    which is d = -W(-alpha^2 / e) - 1 on the lower branch of Lambert's function.

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence sequences,
       Annals of Statistics 49(2), 1055-1080, propositions 3 and 5.
    .. [2] Robbins (1970), Statistical methods related to the law of the iterated logarithm, Ann. Math. Stat. 41, 1397-1409.

    Examples
    --------
    >>> from ecomops.experiments import mixture_boundary
    >>> round(mixture_boundary(100, planned_time=100, tuning="closed-form"), 5)
    30.35209
    """
    rho = planned_time / best_growth(alpha, tuning, one_sided=alternative == "one-sided")
    growth = intrinsic_time / rho
    return np.sqrt(intrinsic_time + rho) * scaled_bound(growth, alpha, one_sided=alternative == "one-sided")


@validated
def log_mixture_e_value(
    deviation: Num,
    *,
    intrinsic_time: NonNegative,
    planned_time: Positive,
    alpha: ProbabilityReal = 0.05,
    alternative: Sides = "two-sided",
    tuning: Tuning = "exact",
) -> Num:
    """Return the log of the normal-mixture e-value of a centred sum.

    Parameters
    ----------
    deviation : float or array
        The sum, minus its mean under the null hypothesis.
    intrinsic_time : float or array
        Variance of the sum so far.
    planned_time : float or array
        Intrinsic time at which the bound at ``alpha`` is narrowest.
    alpha : float
        Level that the mixture is tuned for, in (0, 1).
    alternative : {"two-sided", "one-sided"}
        Whether a deviation on either side is evidence, or a positive one.
    tuning : {"exact", "closed-form"}
        The best variance of the mixture, or its approximation in closed form.

    Returns
    -------
    float or array
        Natural logarithm; under the null hypothesis the e-value ever reaches x with probability 1 / x at most.

    Raises
    ------
    InputError
        When a one-sided mixture in closed form is asked for alpha >= 0.5.

    Notes
    -----
    log e = s^2 / (2 (v + rho)) - log(1 + v / rho) / 2, and one-sided log(2 Phi(s / sqrt(v + rho))) more.

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe & Sekhon (2021), Annals of Statistics 49(2), 1055-1080, propositions 3 and 5.

    Examples
    --------
    >>> from ecomops.experiments import log_mixture_e_value
    >>> round(log_mixture_e_value(10, intrinsic_time=100, planned_time=100, tuning="closed-form"), 7)
    -0.6510052
    """
    rho = planned_time / best_growth(alpha, tuning, one_sided=alternative == "one-sided")
    scaled = deviation / np.sqrt(intrinsic_time + rho)
    return log_mixture(scaled, intrinsic_time / rho, one_sided=alternative == "one-sided")


@validated
def stitched_boundary(
    intrinsic_time: NonNegative,
    *,
    least_time: Positive,
    alpha: ProbabilityReal = 0.05,
    scale: Real = 0.0,
    exponent: AboveOne = 1.4,
    growth: AboveOne = 2.0,
) -> Num:
    """Return the polynomial stitched bound, which grows like the law of the iterated logarithm.

    Parameters
    ----------
    intrinsic_time : float or array
        Variance of the sum so far; below ``least_time`` the bound stays as it is there.
    least_time : float or array
        Intrinsic time from which the bound is meant to be narrow.
    alpha : float
        Probability that the sum ever crosses from below, in (0, 1); half of it a side for two sides.
    scale : float
        Scale of a sub-gamma sum, in its units; 0 for a sub-Gaussian one.
    exponent : float
        Power with which the levels of the epochs fall, > 1.
    growth : float
        Ratio of the ends of an epoch, > 1.

    Returns
    -------
    float or array
        The one-sided bound, in units of the sum.

    Notes
    -----
    With l = s log(log(g v / m)) + log(zeta(s) / (alpha log(g)^s)), k = (g^(1/4) + g^(-1/4)) / sqrt(2) and
    h = c (1 + sqrt(g)) / 2 the bound is sqrt(k^2 v l + h^2 l^2) + h l.

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe & Sekhon (2021), Annals of Statistics 49(2), 1055-1080, theorem 1 and eq. (10).

    Examples
    --------
    >>> from ecomops.experiments import stitched_boundary
    >>> round(stitched_boundary(100, least_time=10, scale=3), 5)
    64.48755
    """
    time = np.maximum(intrinsic_time, least_time)
    level, factor = stitched_level(time / least_time, alpha, exponent, growth)
    drift = scale * (1.0 + math.sqrt(growth)) / 2.0 * level
    return np.sqrt(factor * factor * time * level + np.square(drift)) + drift


def best_growth(alpha: float, tuning: Tuning, *, one_sided: bool) -> float:
    """Return d = v / rho that makes the bound narrowest at v.

    With the bound sqrt((v + rho)) y, h(y) = log(1 / alpha) + log(1 + d) / 2 and h(y) = y^2 / 2 two-sided or
    log(2 Phi(y)) + y^2 / 2 one-sided, the minimum over rho is where d = y h'(y).
    """
    level = -math.log(2.0 * alpha if one_sided and tuning == "closed-form" else alpha)
    if tuning == "closed-form":
        if level <= 0:
            raise InputError(
                f"alpha must be < 0.5 for a one-sided mixture in closed form, got {alpha}; use tuning='exact'"
            )
        return 2.0 * level + math.log1p(2.0 * level)

    def surplus(y: float) -> float:
        d = y * (y + _hazard(y)) if one_sided else y * y
        tilt = math.log(2.0) + float(special.log_ndtr(y)) if one_sided else 0.0
        return tilt + y * y / 2.0 - 0.5 * math.log1p(d) - level

    low, high = 0.0, 1.0
    while surplus(high) < 0:
        low, high = high, 2.0 * high
    while high - low > 1e-15 * high:
        middle = low + (high - low) / 2.0
        low, high = (middle, high) if surplus(middle) < 0 else (low, middle)
    return high * (high + _hazard(high)) if one_sided else high * high


def _hazard(y: Any) -> Any:
    """Return pdf(y) / Phi(y) of a standard normal."""
    return np.exp(-0.5 * y * y - 0.5 * math.log(2.0 * math.pi) - special.log_ndtr(y))


def scaled_bound(growth: Any, alpha: float, *, one_sided: bool) -> Any:
    """Return the bound in units of sqrt(v + rho), with growth = v / rho."""
    gain = np.log1p(growth) - 2.0 * math.log(alpha)
    if not one_sided:
        return np.sqrt(gain)
    # Newton for log(2 Phi(y)) + y^2 / 2 = gain / 2: convex and rising, from the right.
    y = np.sqrt(gain)
    step = 1.0 + y
    while np.any(np.abs(step) > 1e-9 * (1.0 + y)):
        step = (math.log(2.0) + special.log_ndtr(y) + 0.5 * y * y - 0.5 * gain) / (y + _hazard(y))
        y = np.maximum(y - step, 0.0)
    return y


def log_mixture(scaled: Any, growth: Any, *, one_sided: bool) -> Any:
    """Return the log of the mixture for a deviation in units of sqrt(v + rho)."""
    two_sided = 0.5 * np.square(scaled) - 0.5 * np.log1p(growth)
    return two_sided + math.log(2.0) + special.log_ndtr(scaled) if one_sided else two_sided


def stitched_level(ratio: Any, alpha: float, exponent: float, growth: float) -> tuple[Any, float]:
    """Return the level l of the epoch at v = ratio * least, and the factor k of sqrt(v l)."""
    epoch = math.log(growth)
    level = exponent * np.log1p(np.log(ratio) / epoch) + math.log(float(special.zeta(exponent)) / alpha)
    return level, (growth**0.25 + growth**-0.25) / math.sqrt(2.0)
