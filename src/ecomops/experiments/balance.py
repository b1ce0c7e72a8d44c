"""Sample-ratio mismatch: whether the arms got the units that they were meant to get."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Flag,
    Floats,
    FractionReal,
    InputError,
    Model,
    NonNegativeReal,
    ProbabilityReal,
    Text,
    Vector,
    validated,
)
from ecomops.experiments.multiplicity import holm

LEAST_EXPECTED = 10.0
"""Expected units of an arm below which the normal law of its count is too rough."""
FEW_UNITS = 40
TIE = 1e-7
SCANNED = 400
"""Counts beyond the expected one that are looked through; those after them have no weight."""
Units = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Ratios = Annotated[Array | Any, Floats(core=1, gt=0)]


class SampleRatioMismatch(Model):
    """A test of the split of units over arms.

    Examples
    --------
    >>> from ecomops.experiments import sample_ratio_mismatch
    >>> sample_ratio_mismatch([821588, 815482]).mismatch
    True
    """

    statistic: NonNegativeReal
    """Chi-square statistic."""
    p_value: FractionReal
    """Probability of a split at least as uneven if the ratios hold."""
    mismatch: Flag
    """Whether the p-value is below the threshold: do not read the test's results."""
    expected: Vector
    """Units expected in each arm, shape (k,)."""
    residual: Vector
    """Standardised residual of each arm, shape (k,)."""
    arm_p_value: Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
    """Holm-adjusted p-value of each arm against the rest, shape (k,): which arm is off."""
    threshold: ProbabilityReal
    """Threshold of the verdict."""
    method: Text
    """"chi-square", "exact binomial" (two arms) or "exact binomial of each arm, Bonferroni" where an arm expects few units."""


@validated
def sample_ratio_mismatch(
    units: Units, *, ratios: Ratios | None = None, threshold: ProbabilityReal = 0.001
) -> SampleRatioMismatch:
    """Test whether units were split over arms as planned.

    Parameters
    ----------
    units : array, shape (k,)
        Units in each arm, k >= 2.
    ratios : array, shape (k,), optional
        Planned ratios, in any scale; equal by default.
    threshold : float
        p-value below which the split is called a mismatch.

    Returns
    -------
    SampleRatioMismatch
        The test over all arms, and which arm is off.

    Raises
    ------
    InputError
        When there are fewer than 2 arms, no units, or not one ratio an arm.

    Notes
    -----
    The chi-square law is too rough where an arm expects fewer than 10 units (a hold-out of 0.1 %, say). With two arms the
    p-value is then exact (binomial, summing all splits that are no more likely), as it is up to 40 units in all; with more
    arms it is the smallest exact p-value of an arm against the rest, times the number of arms, which never cries wolf too often.

    References
    ----------
    .. [1] Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD.

    Examples
    --------
    >>> from ecomops.experiments import sample_ratio_mismatch
    >>> result = sample_ratio_mismatch([821588, 815482])
    >>> round(result.statistic, 4), round(result.p_value * 1e6, 3)
    (22.7744, 1.822)
    """
    if units.ndim != 1 or units.size < 2:
        raise InputError(f"units must be a list of at least 2 arms, got shape {units.shape}")
    shares = np.ones(units.size) if ratios is None else np.asarray(ratios)
    if shares.shape != units.shape:
        raise InputError(f"ratios must have one value an arm, got shape {shares.shape} for {units.size} arms")
    total = units.sum()
    if total <= 0:
        raise InputError("units must have a positive sum: nobody was assigned")
    shares = shares / shares.sum()
    expected = total * shares
    statistic = float((np.square(units - expected) / expected).sum())
    residual = (units - expected) / np.sqrt(expected * (1.0 - shares))
    arm = 2.0 * special.ndtr(-np.abs(residual))
    few = np.flatnonzero((np.minimum(expected, total - expected) < LEAST_EXPECTED) | (total <= FEW_UNITS))
    for place in few:
        arm[place] = _binomial(units[place], total, shares[place])
    if not few.size:
        method, p_value = "chi-square", float(special.chdtrc(units.size - 1, statistic))
    elif units.size == 2:
        method, p_value = "exact binomial", float(arm[0])
    else:
        method, p_value = "exact binomial of each arm, Bonferroni", min(float(units.size * arm.min()), 1.0)
    return SampleRatioMismatch(
        statistic=statistic,
        p_value=p_value,
        mismatch=p_value < threshold,
        expected=expected,
        residual=residual,
        arm_p_value=holm(arm[None, :])[0],
        threshold=threshold,
        method=method,
    )


def _binomial(seen: float, total: float, share: float) -> float:
    """Return the two-sided exact p-value: all counts that are no more likely than the one seen."""
    if share > 0.5:
        seen, share = total - seen, 1.0 - share
    k = np.arange(min(total, np.ceil(total * share) + SCANNED) + 1.0)
    log_pmf = special.xlogy(k, share) + special.xlog1py(total - k, -share)
    log_pmf -= np.log(total + 1.0) + special.betaln(total - k + 1.0, k + 1.0)
    if seen >= k.size:
        return float(special.betainc(seen, total - seen + 1.0, share))
    unlikely = log_pmf <= log_pmf[int(seen)] + TIE
    beyond = special.betainc(k[-1] + 1.0, total - k[-1], share) if k[-1] < total else 0.0
    return float(min(np.exp(log_pmf[unlikely]).sum() + beyond, 1.0))
