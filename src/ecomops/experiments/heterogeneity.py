"""Effects by segment: do they differ, what do they have in common, and which to believe."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    FractionReal,
    InputError,
    Model,
    NonNegativeReal,
    PositiveReal,
    Text,
    Unbounded,
    validated,
)
from ecomops.experiments.adjusted.strata import MomentsByStratum
from ecomops.experiments.adjusted.stratification import stratum_pairs
from ecomops.experiments.means import Arm, Ratio, VarianceMethod, adjusted, named
from ecomops.stats.estimate import Estimate
from ecomops.stats.shrinkage import shrink_normal

BetweenMethod = Literal["paule-mandel", "dersimonian-laird"]
RandomError = Literal["normal", "hartung-knapp"]
FIELDS = (
    "value",
    "standard_error",
    "degrees_of_freedom",
    "baseline",
    "baseline_error",
    "covariance",
    "n_treatment",
    "n_control",
)


class Heterogeneity(Model):
    """How much the effects of m segments differ, and what they have in common.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, effect_heterogeneity
    >>> effect_heterogeneity(Estimate(value=[1.0, 2.0, 6.0], standard_error=[1.0, 1.0, 1.0])).statistic
    14.0
    """

    fixed: Estimate
    """The one effect, if all segments share it: the mean weighted by precision."""
    random: Estimate
    """The mean of the effects that segments like these have."""
    between: NonNegativeReal
    """Standard deviation of the true effects between segments (tau)."""
    statistic: NonNegativeReal
    """Cochran's Q: squared distances from ``fixed`` over squared errors."""
    degrees_of_freedom: PositiveReal
    """m - 1."""
    p_value: FractionReal
    """Probability of a Q at least as large if all segments share one effect and their errors are known."""
    i_squared: FractionReal
    """Share of the variation between estimates that their errors do not explain (I^2)."""
    method: Text
    """How ``between`` and the error of ``random`` were found."""


class InteractionTest(Model):
    """A test of equal effects in m segments.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, interaction_test
    >>> interaction_test(Estimate(value=[1.0, 2.0, 6.0], standard_error=[1.0, 1.0, 1.0])).statistic
    7.0
    """

    statistic: NonNegativeReal
    """F statistic."""
    numerator_freedom: PositiveReal
    """m - 1."""
    denominator_freedom: Unbounded
    """Degrees of freedom of the errors; infinite where they are known."""
    p_value: FractionReal
    """Probability of a statistic at least as large if all segments share one effect."""
    method: Text
    """Which test it is."""


@validated
def segment_effects(
    strata: MomentsByStratum,
    *,
    treatment: Arm,
    control: Arm,
    metric: Text | Ratio,
    variance: VarianceMethod = "welch",
    adjust: tuple[Text, ...] = (),
) -> Estimate:
    """Return the difference of a metric between two arms in each segment.

    Parameters
    ----------
    strata : MomentsByStratum
        Moments of the arms in each of m segments that were known before the treatment.
    treatment, control : str or int
        Names of the two arms.
    metric : str or Ratio
        A column, or a ratio of two (by the delta method).
    variance : {"welch", "pooled", "normal"}
        As for `difference`.
    adjust : tuple of str
        Covariates, with slopes of their own in each segment.

    Returns
    -------
    Estimate
        Treatment minus control, shape (m,), in the order of ``strata.strata``.

    Raises
    ------
    InputError
        As `difference`, naming the segment: one without an arm, or with a single unit in one, has no estimate.
        `MomentsByStratum.merged` joins such segments.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import MomentsByStratum, segment_effects
    >>> rows = pd.DataFrame(
    ...     {"arm": list("aabbaabb"), "device": ["app"] * 4 + ["web"] * 4, "spend": [1.0, 3, 2, 4, 5, 7, 8, 10]}
    ... )
    >>> strata = MomentsByStratum.from_frame(rows, by="arm", stratum="device", columns=("spend",))
    >>> segment_effects(strata, treatment="b", control="a", metric="spend").value
    array([1., 3.])
    """
    stratum_pairs(strata, (treatment, control), metric, adjust)
    found = []
    for name, part in zip(strata.strata.tolist(), strata.moments, strict=True):
        try:
            found.append(adjusted(part, (treatment, control), metric, adjust, variance))
        except InputError as error:
            raise InputError(f"{error}, in segment {name!r}") from None
    covariates = f", adjusted for {len(adjust)} covariate(s)" if adjust else ""
    return Estimate(
        **{field: np.array([getattr(one, field) for one in found]) for field in FIELDS},
        method=f"difference of {named(metric)} by segment{covariates}, {variance}",
    )


@validated
def effect_heterogeneity(
    estimate: Estimate, *, method: BetweenMethod = "paule-mandel", errors: RandomError = "normal"
) -> Heterogeneity:
    """Tell how much effects differ between segments beyond their errors, and what they have in common.

    Parameters
    ----------
    estimate : Estimate
        Effects of m >= 2 segments that share no units, shape (m,), with standard errors > 0.
    method : {"paule-mandel", "dersimonian-laird"}
        How to find the variance between segments: the one that makes the weighted squares meet their expectation, or the
        first step towards it.
    errors : {"normal", "hartung-knapp"}
        Error of the mean of the segments from the variances, or from the spread of the estimates round it with Student's t
        on m - 1 degrees of freedom, which holds its level with few segments.

    Returns
    -------
    Heterogeneity
        Cochran's Q, I squared, the spread between segments, and the fixed and random mean effects with baselines weighted
        alike.

    Raises
    ------
    InputError
        When there are fewer than 2 segments, or an error is 0.

    References
    ----------
    .. [1] DerSimonian & Laird (1986), Meta-analysis in clinical trials, Controlled Clinical Trials 7, 177-188.
    .. [2] Paule & Mandel (1982), Consensus values and weighting factors, J. Res. Natl. Bur. Stand. 87, 377-385.
    .. [3] Higgins & Thompson (2002), Quantifying heterogeneity in a meta-analysis, Statistics in Medicine 21, 1539-1558.
    .. [4] Hartung & Knapp (2001), A refined method for the meta-analysis of controlled clinical trials with binary outcome,
       Statistics in Medicine 20, 3875-3889.

    Examples
    --------
    Nine laboratories that measured one thing (statsmodels' documentation of ``combine_effects``).

    >>> from ecomops.experiments import Estimate, effect_heterogeneity
    >>> found = effect_heterogeneity(
    ...     Estimate(
    ...         value=[61.00, 61.40, 62.21, 62.30, 62.34, 62.60, 62.70, 62.84, 65.90],
    ...         standard_error=[0.45, 1.1, 0.3, 0.45, 0.62, 0.75, 0.26, 0.15, 1.35],
    ...     ),
    ...     method="dersimonian-laird",
    ... )
    >>> round(found.statistic, 4), round(found.i_squared, 4), round(found.random.value, 4)
    (24.8019, 0.6774, 62.3901)
    """
    value, variance = _segments(estimate)
    weight = 1.0 / variance
    total, count = weight.sum(), value.size - 1.0
    mean = (weight * value).sum() / total
    statistic = float((weight * np.square(value - mean)).sum())
    if method == "paule-mandel":
        between = shrink_normal(value, np.sqrt(variance)).sd ** 2
    else:
        between = max(statistic - count, 0.0) / (total - np.square(weight).sum() / total)
    return Heterogeneity(
        fixed=_averaged(estimate, weight, "normal", "fixed effect"),
        random=_averaged(estimate, 1.0 / (variance + between), errors, f"random effects, {method}, {errors}"),
        between=np.sqrt(between),
        statistic=statistic,
        degrees_of_freedom=count,
        p_value=float(special.chdtrc(count, statistic)),
        i_squared=max(statistic - count, 0.0) / statistic if statistic > 0 else 0.0,
        method=f"{method}, {errors}",
    )


@validated
def interaction_test(estimate: Estimate) -> InteractionTest:
    """Test whether effects are the same in all segments, with the degrees of freedom of their errors.

    Parameters
    ----------
    estimate : Estimate
        Effects of m >= 2 segments that share no units, shape (m,), with standard errors > 0.

    Returns
    -------
    InteractionTest
        Welch's F; with known errors it is Cochran's Q over m - 1, with two segments the square of Welch's t.

    Raises
    ------
    InputError
        When there are fewer than 2 segments, or an error is 0.

    References
    ----------
    .. [1] Welch (1951), On the comparison of several mean values: an alternative approach, Biometrika 38, 330-336.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, interaction_test
    >>> effects = Estimate(value=[1.0, 4.0], standard_error=[1.0, 1.0], degrees_of_freedom=[10.0, 10.0])
    >>> found = interaction_test(effects)
    >>> found.statistic, round(found.denominator_freedom, 6), round(found.p_value, 4)
    (4.5, 20.0, 0.0466)
    """
    value, variance = _segments(estimate)
    weight = 1.0 / variance
    share = weight / weight.sum()
    count = value.size - 1.0
    raw = float((weight * np.square(value - share @ value)).sum()) / count
    doubt = float((np.square(1.0 - share) / estimate.degrees_of_freedom).sum())
    square = (count + 1.0) ** 2 - 1.0
    statistic = raw / (1.0 + 2.0 * (count - 1.0) / square * doubt)
    known = not doubt > 0
    freedom = np.inf if known else square / (3.0 * doubt)
    p_value = special.chdtrc(count, statistic * count) if known else special.fdtrc(count, freedom, statistic)
    return InteractionTest(
        statistic=statistic,
        numerator_freedom=count,
        denominator_freedom=freedom,
        p_value=float(p_value),
        method="Cochran's Q" if known else "Welch's F",
    )


@validated
def shrunken_effects(estimate: Estimate) -> Estimate:
    """Draw the effect of each segment towards the mean of all by how noisy it is (empirical Bayes).

    Parameters
    ----------
    estimate : Estimate
        Effects of m >= 2 segments that share no units, shape (m,), with standard errors > 0.

    Returns
    -------
    Estimate
        Posterior means and standard deviations, shape (m,), on a normal reference, with the baselines as they were. The best
        of many segments is no longer too good.

    Raises
    ------
    InputError
        When there are fewer than 2 segments, or an error is 0.

    Notes
    -----
    ``mean + k (value - mean)`` with ``k = tau^2 / (tau^2 + error^2)`` and tau by Paule and Mandel. The error counts that of
    the mean, but takes tau as known: with a dozen segments that differ about as much as their errors, 95 % intervals hold the
    truth in about 85 % of cases.

    References
    ----------
    .. [1] Morris (1983), Parametric empirical Bayes inference, JASA 78, 47-55.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, shrunken_effects
    >>> effects = Estimate(value=[-4.0, 0.0, 1.0, 7.0], standard_error=[2.0, 2.0, 2.0, 2.0])
    >>> shrunken_effects(effects).value.round(3)
    array([-3.032,  0.194,  1.   ,  5.839])
    """
    value, variance = _segments(estimate)
    found = shrink_normal(value, np.sqrt(variance))
    kept = found.sd**2 / (found.sd**2 + variance)
    own = kept + (1.0 - kept) / (found.sd**2 + variance) * found.mean_error**2
    return Estimate(
        value=found.value,
        standard_error=found.standard_error,
        baseline=estimate.baseline,
        baseline_error=estimate.baseline_error,
        covariance=own * estimate.covariance,
        n_treatment=estimate.n_treatment,
        n_control=estimate.n_control,
        method=f"shrunken, {estimate.method}",
    )


def _segments(estimate: Estimate) -> tuple[Array, Array]:
    """Return effects and their variances, one a segment, or refuse what is no list of noisy effects."""
    shape = estimate.batch_shape
    if len(shape) != 1 or shape[0] < 2:
        raise InputError(f"estimate must hold at least 2 segments in one dimension, got shape {shape}")
    error = np.broadcast_to(estimate.standard_error, shape)
    if not error.min() > 0:
        raise InputError(
            f"estimate.standard_error must be > 0, got 0.0 at index {int(error.argmin())}; leave that segment out"
        )
    return np.array(np.broadcast_to(estimate.value, shape)), np.square(error)


def _averaged(estimate: Estimate, weight: Any, errors: str, method: str) -> Estimate:
    """Return the weighted mean of effects and, with the same weights, of their baselines."""
    share = weight / weight.sum()
    value = share @ estimate.value if np.ndim(estimate.value) else estimate.value
    squared = np.square(share)
    variance, freedom = 1.0 / weight.sum(), np.inf
    if errors == "hartung-knapp":
        freedom = share.size - 1.0
        variance = (share * np.square(estimate.value - value)).sum() / freedom
    error = np.sqrt(variance)
    baseline_error = np.sqrt((squared * np.square(estimate.baseline_error)).sum())
    most = error * baseline_error
    return Estimate(
        value=value,
        standard_error=error,
        degrees_of_freedom=freedom,
        baseline=(share * estimate.baseline).sum(),
        baseline_error=baseline_error,
        covariance=np.clip((squared * estimate.covariance).sum(), -most, most),
        n_treatment=(share * 0.0 + estimate.n_treatment).sum(),
        n_control=(share * 0.0 + estimate.n_control).sum(),
        method=method,
    )
