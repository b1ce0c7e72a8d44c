"""Two shares compared over strata: the Cochran-Mantel-Haenszel test, odds ratio and difference."""

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
    NumOrNan,
    ProbabilityReal,
    Text,
    UnboundedOrNan,
    validated,
)
from ecomops.experiments.adjusted.regression import within
from ecomops.stats.estimate import Estimate

Counts = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]


class CochranMantelHaenszel(Model):
    """A comparison of two shares over strata.

    Examples
    --------
    >>> from ecomops.experiments import cochran_mantel_haenszel
    >>> found = cochran_mantel_haenszel(
    ...     [30, 8], treatment_trials=[100, 20], control_successes=[20, 6], control_trials=[100, 20]
    ... )
    >>> round(found.odds_ratio, 3)
    1.682
    """

    statistic: NumOrNan
    """Chi-square statistic with 1 degree of freedom; NaN where no stratum tells the arms apart."""
    p_value: FractionReal
    """Probability of a statistic at least as large if the odds are equal in every stratum; 1 where there is none."""
    odds_ratio: UnboundedOrNan
    """Mantel-Haenszel odds ratio, treatment over control; infinite, or NaN, where cells are empty in every stratum."""
    lower: UnboundedOrNan
    """Lower end of its interval, by the variance of Robins, Breslow and Greenland."""
    upper: UnboundedOrNan
    """Upper end of its interval."""
    difference: Estimate
    """Mantel-Haenszel difference of the shares, with the control's share so weighted as baseline."""
    homogeneity: NumOrNan
    """Cochran's Q of the differences of the strata that have an error, chi-square with one degree less than they are."""
    homogeneity_p_value: FractionReal
    """Probability of a Q at least as large if the difference is the same in every stratum."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    method: Text
    """Whether the statistic is corrected for continuity."""
    reason: Text
    """Why something has no answer; empty where everything has one."""


@validated
def cochran_mantel_haenszel(
    treatment_successes: Counts,
    *,
    treatment_trials: Counts,
    control_successes: Counts,
    control_trials: Counts,
    confidence: ProbabilityReal = 0.95,
    correction: Flag = False,
) -> CochranMantelHaenszel:
    """Compare two proportions over strata: one test, one odds ratio and one difference.

    Parameters
    ----------
    treatment_successes, control_successes : array, shape (m,)
        Successes of each arm in each stratum.
    treatment_trials, control_trials : array, shape (m,)
        Units of each arm in each stratum; a stratum with units in one arm only tells nothing and is left out.
    confidence : float
        Confidence level, in (0, 1).
    correction : bool
        Whether to take 1/2 from the gap between successes and their expectation, down to 0 (R leaves gaps below 1/2 as they are).

    Returns
    -------
    CochranMantelHaenszel
        The test, the odds ratio with its interval, and the difference as an `Estimate`.

    Raises
    ------
    InputError
        When the arrays differ in length, there are more successes than trials, or no stratum has both arms.

    Notes
    -----
    The statistic is ``(sum (a_k - n1_k m1_k / N_k))^2 / sum n1_k n2_k m1_k m2_k / (N_k^2 (N_k - 1))`` with m the successes
    and failures. The difference weighs the strata by ``n1_k n2_k / N_k`` and has Sato's variance. The error of its baseline is
    that of the control's shares, which strata of a few units tell too low: do not make lifts from matched pairs.

    References
    ----------
    .. [1] Mantel & Haenszel (1959), Statistical aspects of the analysis of data from retrospective studies, JNCI 22, 719-748.
    .. [2] Robins, Breslow & Greenland (1986), Estimators of the Mantel-Haenszel variance, Biometrics 42, 311-323, eq. (8).
    .. [3] Sato (1989), On the variance estimator for the Mantel-Haenszel risk difference, Biometrics 45, 1323-1324.
    .. [4] Agresti (2013), Categorical Data Analysis, 3rd ed., Wiley, section 6.4.

    Examples
    --------
    Admissions to six departments of Berkeley, men against women (R's help of ``mantelhaen.test``).

    >>> from ecomops.experiments import cochran_mantel_haenszel
    >>> found = cochran_mantel_haenszel(
    ...     [512, 353, 120, 138, 53, 22],
    ...     treatment_trials=[825, 560, 325, 417, 191, 373],
    ...     control_successes=[89, 17, 202, 131, 94, 24],
    ...     control_trials=[108, 25, 593, 375, 393, 341],
    ...     correction=True,
    ... )
    >>> round(found.statistic, 4), round(found.p_value, 4), round(found.odds_ratio, 7)
    (1.4269, 0.2323, 0.9046968)
    """
    a, n1, c, n2 = _tables(treatment_successes, treatment_trials, control_successes, control_trials)
    total, won = n1 + n2, a + c
    reasons = []
    gap = a - n1 * won / total
    variance = (n1 / total * n2 * (won / total) * (total - won) / (total - 1.0)).sum()
    excess = max(abs(float(gap.sum())) - 0.5 * correction, 0.0)
    known = variance > 0
    statistic = excess * excess / variance if known else np.nan
    if not known:
        reasons.append("no stratum has both successes and failures")
    odds, lower, upper, missing = _odds_ratio(a, n1 - a, c, n2 - c, confidence)
    reasons += [missing] if missing else []
    difference, homogeneity, strata = _difference(a, n1, c, n2)
    if strata < 2:
        reasons.append("fewer than 2 strata have an error, so homogeneity cannot be tested")
    return CochranMantelHaenszel(
        statistic=statistic,
        p_value=float(special.chdtrc(1.0, statistic)) if known else 1.0,
        odds_ratio=odds,
        lower=lower,
        upper=upper,
        difference=difference,
        homogeneity=homogeneity,
        homogeneity_p_value=float(special.chdtrc(strata - 1.0, homogeneity)) if strata > 1 else 1.0,
        confidence=confidence,
        method="continuity corrected" if correction else "not corrected",
        reason="; ".join(reasons),
    )


def _tables(*given: Any) -> tuple[Any, ...]:
    """Return the tables of the strata that have units in both arms."""
    if any(part.ndim != 1 or part.shape != given[0].shape for part in given):
        raise InputError(
            f"counts must be lists of one length, got shapes {', '.join(str(part.shape) for part in given)}"
        )
    a, n1, c, n2 = given
    for role, successes, trials in (("treatment", a, n1), ("control", c, n2)):
        bad = successes > trials
        if bad.any():
            place = int(bad.argmax())
            raise InputError(
                f"{role}_successes must be <= {role}_trials, got {successes[place]:g} of {trials[place]:g} at index {place}"
            )
    both = (n1 > 0) & (n2 > 0)
    if not both.any():
        raise InputError("trials must be > 0 in both arms of a stratum, got no such stratum")
    return a[both], n1[both], c[both], n2[both]


def _odds_ratio(a: Array, b: Array, c: Array, d: Array, confidence: float) -> tuple[float, float, float, str]:
    """Return the Mantel-Haenszel odds ratio of successes a against failures b over c against d, and its interval."""
    total = a + b + c + d
    right, wrong = a * d / total, b * c / total
    up, down = right.sum(), wrong.sum()
    if not up > 0 and not down > 0:
        return (
            np.nan,
            np.nan,
            np.nan,
            "no stratum has both successes and failures in different arms, so odds have no ratio",
        )
    if not up > 0 or not down > 0:
        end = np.inf if up > 0 else 0.0
        return (
            end,
            0.0,
            np.inf,
            "one arm has no failures, or the other no successes, in any stratum, so the odds ratio has no end",
        )
    same, apart = (a + d) / total, (b + c) / total
    variance = (same * right).sum() / (2.0 * up * up) + (apart * wrong).sum() / (2.0 * down * down)
    variance += (same * wrong + apart * right).sum() / (2.0 * up * down)
    reach = -float(special.ndtri((1.0 - confidence) / 2.0)) * np.sqrt(variance)
    ratio = up / down
    return ratio, ratio * np.exp(-reach), ratio * np.exp(reach), ""


def _difference(a: Array, n1: Array, c: Array, n2: Array) -> tuple[Estimate, float, int]:
    """Return the Mantel-Haenszel difference, Cochran's Q of the strata's differences, and how many strata it takes in."""
    n = n1 + n2
    weight = n1 / n * n2
    scale = weight.sum()
    p1, p2 = a / n1, c / n2
    var1, var2 = p1 * (1.0 - p1) / n1, p2 * (1.0 - p2) / n2
    value = (weight * (p1 - p2)).sum() / scale
    # Sato (1989): right for many small strata and for a few large ones alike.
    first = (np.square(n1 / n) * c - np.square(n2 / n) * a + weight / n * (n2 - n1) / 2.0).sum()
    second = ((a * (n2 - c) + c * (n1 - a)) / n).sum() / 2.0
    error = np.sqrt(max(value * first + second, 0.0)) / scale
    of_control = (np.square(weight / scale) * var2).sum()
    estimate = Estimate(
        value=value,
        standard_error=error,
        baseline=(weight * p2).sum() / scale,
        baseline_error=np.sqrt(of_control),
        covariance=within(-of_control, error, np.sqrt(of_control)),
        n_treatment=n1.sum(),
        n_control=n2.sum(),
        method="Mantel-Haenszel difference of proportions",
    )
    told = var1 + var2 > 0
    if told.sum() < 2:
        return estimate, np.nan, int(told.sum())
    effect, precision = (p1 - p2)[told], 1.0 / (var1 + var2)[told]
    return (
        estimate,
        float((precision * np.square(effect - np.average(effect, weights=precision))).sum()),
        int(told.sum()),
    )
