"""Do k proportions differ at all: the chi-square test of homogeneity, and which of them stand out."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import Array, Count, Floats, Fraction, InputError, Model, NonNegative, NumOrNan, Texts, validated

Counts: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Shares: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
Residuals: TypeAlias = Annotated[Array | Any, Floats(core=1, nan=True)]


class ProportionsHomogeneity(Model):
    """Several proportions compared at once.

    Examples
    --------
    >>> from ecomops.experiments import proportions_homogeneity_test
    >>> proportions_homogeneity_test([10, 20], trials=[100, 100]).pooled
    0.15
    """

    proportions: Shares
    """Proportion of each arm, shape (..., k)."""
    pooled: Fraction
    """Proportion of all arms together."""
    statistic: NumOrNan
    """Pearson's chi-square; NaN where no trial or every trial succeeded."""
    degrees_of_freedom: Count
    """k - 1."""
    p_value: Fraction
    """Probability of proportions at least as far apart where all are equal; 1 where no trial or every trial succeeded."""
    residuals: Residuals
    """Distance of each arm from all arms in standard errors, shape (..., k); beyond 3 an arm stands out among a few."""
    smallest_expected: NonNegative
    """Smallest expected number of successes or failures; below 5 the p-value is rough."""
    reason: Texts
    """Why there is no statistic; empty where there is one."""


@validated
def proportions_homogeneity_test(successes: Counts, *, trials: Counts) -> ProportionsHomogeneity:
    """Test whether several proportions are equal.

    Parameters
    ----------
    successes : array, shape (..., k)
        Whole numbers of successes of k >= 2 arms.
    trials : array, shape (..., k)
        Whole numbers of trials, >= 1.

    Returns
    -------
    ProportionsHomogeneity
        One test a row.

    Raises
    ------
    InputError
        When there is one arm only, trials are of another number of arms, an arm has no trials, or more successes than trials.

    Notes
    -----
    ``sum (x - n p)^2 / (n p (1 - p))`` with the pooled proportion p, chi-square with k - 1 degrees of freedom, without
    continuity correction. With two arms it is the square of the z of `compare_proportions`.

    References
    ----------
    .. [1] Fleiss, Levin & Paik (2003), Statistical Methods for Rates and Proportions, 3rd ed., section 9.1; R's ``prop.test``.

    Examples
    --------
    Smokers among patients with lung cancer in four studies (Fleiss 1981; R's help of ``prop.test``):

    >>> from ecomops.experiments import proportions_homogeneity_test
    >>> test = proportions_homogeneity_test([83, 90, 129, 70], trials=[86, 93, 136, 82])
    >>> round(test.statistic, 4), test.degrees_of_freedom, round(test.p_value, 6)
    (12.6004, 3.0, 0.005585)
    >>> test.residuals.round(2).tolist()
    [1.21, 1.39, 0.68, -3.49]
    """
    k = successes.shape[-1]
    if trials.shape[-1] != k:
        raise InputError(f"trials must be of as many arms as successes, got {trials.shape[-1]} and {k}")
    x, n = np.broadcast_arrays(successes, trials)
    if k < 2:
        raise InputError("successes must be of at least 2 arms, got 1")
    if np.any(n < 1):
        raise InputError("trials must be >= 1, got 0; leave out arms without units")
    if np.any(x > n):
        bad = int(np.argmax(x > n))
        raise InputError(f"successes must be <= trials, got {x.ravel()[bad]:g} of {n.ravel()[bad]:g}")
    total = n.sum(axis=-1)
    pooled = x.sum(axis=-1) / total
    varies = (pooled > 0) & (pooled < 1)
    share = np.where(varies, pooled, 0.5)
    away = x - n * pooled[..., None]
    unit = away / np.sqrt(n * (share * (1.0 - share))[..., None])
    statistic = np.square(unit).sum(axis=-1)
    reason = np.where(varies, "", "no trial, or every trial, succeeded in all arms")
    return ProportionsHomogeneity(
        proportions=x / n,
        pooled=pooled,
        statistic=np.where(varies, statistic, np.nan),
        degrees_of_freedom=k - 1.0 + np.zeros(pooled.shape),
        p_value=np.where(varies, special.chdtrc(k - 1.0, statistic), 1.0),
        residuals=np.where(varies[..., None], unit / np.sqrt(1.0 - n / total[..., None]), np.nan),
        smallest_expected=n.min(axis=-1) * np.minimum(pooled, 1.0 - pooled),
        reason=reason.astype(object) if reason.ndim else str(reason),
    )
