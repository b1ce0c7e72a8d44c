"""Is the treatment not worse than a margin allows, or neither worse nor better: tests of any `Estimate` against margins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import numpy as np

from ecomops.core import (
    Array,
    Floats,
    InputError,
    Model,
    Num,
    NumOrNan,
    ProbabilityReal,
    Text,
    Texts,
    UnboundedOrNan,
    validated,
)
from ecomops.experiments.metric_roles import AbsoluteMargin, Desired, Margin
from ecomops.stats.estimate import NO_ERROR, Estimate

Level: TypeAlias = Annotated[float, Floats(scalar=True, gt=0, lt=1)]
FractionOrNan: TypeAlias = Annotated[float | Array | Any, Floats(ge=0, le=1, nan=True)]
INCONCLUSIVE = "inconclusive"


class NonInferiorityTest(Model):
    """A treatment against the loss that is accepted.

    Examples
    --------
    >>> from ecomops.experiments import AbsoluteMargin, Estimate
    >>> from ecomops.experiments.noninferiority import noninferiority_test
    >>> estimate = Estimate(value=-0.1, standard_error=0.15, baseline=4.0)
    >>> noninferiority_test(estimate, margin=AbsoluteMargin(value=0.5)).verdict
    'non-inferior'
    """

    value: Num
    """Treatment minus control."""
    margin: Num
    """The worst difference that is accepted: minus the margin where an increase is desired."""
    statistic: NumOrNan
    """Distance from the margin in standard errors, > 0 on the good side; NaN where the error is 0."""
    p_value: FractionOrNan
    """One-sided p-value of a loss as large as the margin; compare with (1 - confidence) / 2."""
    log_p_value: UnboundedOrNan
    """Its natural logarithm."""
    p_superiority: FractionOrNan
    """One-sided p-value of no improvement; tested at the same level, without a price, after non-inferiority is shown."""
    lower: UnboundedOrNan
    """Lower end of the interval of the difference; of the lift where the margin is relative."""
    upper: UnboundedOrNan
    """Its upper end."""
    confidence: ProbabilityReal
    """Confidence level of the interval, two-sided."""
    verdict: Texts
    """"superior", "non-inferior", "inferior" (worse than the margin) or "inconclusive"; empty where there is no answer."""
    method: Text
    """Which interval, and how the estimate was made."""
    reason: Texts
    """Why there is no answer, or an end is infinite; empty where neither is so."""


class EquivalenceTest(Model):
    """A treatment against margins on both sides.

    Examples
    --------
    >>> from ecomops.experiments import AbsoluteMargin, Estimate
    >>> from ecomops.experiments.noninferiority import equivalence_test
    >>> half = AbsoluteMargin(value=0.5)
    >>> equivalence_test(Estimate(value=-0.1, standard_error=0.15), lower_margin=half, upper_margin=half).verdict
    'equivalent'
    """

    value: Num
    """Treatment minus control."""
    statistic_lower: NumOrNan
    """Distance above the lower margin in standard errors; NaN where the error is 0."""
    statistic_upper: NumOrNan
    """Distance below the upper margin in standard errors; NaN where the error is 0."""
    p_lower: FractionOrNan
    """One-sided p-value of a difference as low as the lower margin."""
    p_upper: FractionOrNan
    """One-sided p-value of a difference as high as the upper margin."""
    p_value: FractionOrNan
    """The larger of both; compare with (1 - confidence) / 2."""
    lower: UnboundedOrNan
    """Lower end of the interval of the difference; of the lift where both margins are relative."""
    upper: UnboundedOrNan
    """Its upper end."""
    confidence: ProbabilityReal
    """Confidence level of the interval, two-sided."""
    verdict: Texts
    """"equivalent", "not equivalent" (beyond a margin) or "inconclusive"; empty where there is no answer."""
    method: Text
    """Which interval, and how the estimate was made."""
    reason: Texts
    """Why there is no answer, or an end is infinite; empty where neither is so."""


@validated
def noninferiority_test(
    estimate: Estimate, *, margin: Margin, desired: Desired = "increase", confidence: Level = 0.95
) -> NonInferiorityTest:
    """Test whether a treatment is worse than the control by less than a margin, and whether it is better.

    Parameters
    ----------
    estimate : Estimate
        Treatment minus control: of means, ratios, CUPED, strata, clusters.
    margin : AbsoluteMargin or RelativeMargin
        The loss that is accepted, in the metric's unit or as a fraction of the control's level.
    desired : {"increase", "decrease"}
        The good direction.
    confidence : float
        Two-sided confidence level; each one-sided test has the level (1 - confidence) / 2.

    Returns
    -------
    NonInferiorityTest
        In the broadcast shape of the estimate. Non-inferior just when the interval lies on the good side of the margin,
        superior when it lies on the good side of 0.

    Raises
    ------
    InputError
        When a margin is relative to a level that is not > 0.

    Notes
    -----
    A relative margin m is tested by (value + m baseline) over its own standard error, the square root of
    SE^2 + 2 m cov(value, baseline) + m^2 SE_baseline^2, which counts the error of the baseline. Fieller's interval of the
    lift is the set of margins that this test does not reject, so both agree.

    References
    ----------
    .. [1] Piaggio, Elbourne, Pocock, Evans & Altman (2012), Reporting of noninferiority and equivalence randomized trials,
       JAMA 308, 2594-2604, figure 1.

    Examples
    --------
    Checkout time may rise by 2 %, and has risen by 0.5 %:

    >>> from ecomops.experiments import Estimate, RelativeMargin
    >>> from ecomops.experiments.noninferiority import noninferiority_test
    >>> seconds = Estimate(value=0.15, standard_error=0.2, baseline=30.0, baseline_error=0.14, covariance=-0.0196)
    >>> test = noninferiority_test(seconds, margin=RelativeMargin(fraction=0.02), desired="decrease")
    >>> round(test.p_value, 4), round(test.upper, 4), test.verdict
    (0.0129, 0.0182, 'non-inferior')
    """
    sign = 1.0 if desired == "increase" else -1.0
    from_margin, superior = _toward(estimate, margin, sign), _Side.of(estimate, sign)
    worse = _Side.of(_contrast(estimate, margin, sign), -sign)
    interval, scale = _interval(estimate, isinstance(margin, AbsoluteMargin), confidence)
    level = (1.0 - confidence) / 2.0
    verdict = noninferiority_verdict(from_margin.p, superior.p, worse.p, level)
    known = ~np.isnan(from_margin.p) & ~np.isnan(superior.p)
    zero = np.zeros(np.shape(known))
    return NonInferiorityTest(
        value=estimate.value + zero,
        margin=-sign * margin_of(margin, estimate.baseline) + zero,
        statistic=from_margin.statistic,
        p_value=from_margin.p,
        log_p_value=from_margin.log_p,
        p_superiority=superior.p,
        lower=interval.lower,
        upper=interval.upper,
        confidence=confidence,
        verdict=texts_of(np.where(known, verdict, "")),
        method=f"non-inferiority, {scale}; {estimate.method}",
        reason=texts_of(np.where(known, interval.reason, NO_ERROR)),
    )


@validated
def equivalence_test(
    estimate: Estimate, *, lower_margin: Margin, upper_margin: Margin, confidence: Level = 0.95
) -> EquivalenceTest:
    """Test whether a treatment differs from the control by less than margins (two one-sided tests).

    Parameters
    ----------
    estimate : Estimate
        Treatment minus control: of means, ratios, CUPED, strata, clusters.
    lower_margin, upper_margin : AbsoluteMargin or RelativeMargin
        How much lower, and how much higher, than the control the treatment may be.
    confidence : float
        Two-sided confidence level; each one-sided test has the level (1 - confidence) / 2. For 5 % a side give 0.90.

    Returns
    -------
    EquivalenceTest
        In the broadcast shape of the estimate. Equivalent just when the interval lies within the margins.

    Raises
    ------
    InputError
        When a margin is relative to a level that is not > 0.

    References
    ----------
    .. [1] Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach, Journal of
       Pharmacokinetics and Biopharmaceutics 15, 657-680.

    Examples
    --------
    Yields of two treatments that may differ by 110 (NCSS, equivalence tests):

    >>> from ecomops.experiments import AbsoluteMargin, Estimate
    >>> from ecomops.experiments.noninferiority import equivalence_test
    >>> yields = Estimate(value=-8.1153846, standard_error=51.114285, degrees_of_freedom=27)
    >>> limit = AbsoluteMargin(value=110)
    >>> test = equivalence_test(yields, lower_margin=limit, upper_margin=limit)
    >>> round(test.p_lower, 5), round(test.p_upper, 5), test.verdict
    (0.02821, 0.01436, 'inconclusive')
    """
    low, high = _toward(estimate, lower_margin, 1.0), _toward(estimate, upper_margin, -1.0)
    below = _Side.of(_contrast(estimate, lower_margin, 1.0), -1.0)
    above = _Side.of(_contrast(estimate, upper_margin, -1.0), 1.0)
    relative = not (isinstance(lower_margin, AbsoluteMargin) or isinstance(upper_margin, AbsoluteMargin))
    interval, scale = _interval(estimate, not relative, confidence)
    level = (1.0 - confidence) / 2.0
    p_value = np.maximum(low.p, high.p)
    verdict = equivalence_verdict(p_value, np.minimum(below.p, above.p), level)
    known = ~np.isnan(p_value)
    return EquivalenceTest(
        value=estimate.value + np.zeros(np.shape(known)),
        statistic_lower=low.statistic,
        statistic_upper=high.statistic,
        p_lower=low.p,
        p_upper=high.p,
        p_value=p_value,
        lower=interval.lower,
        upper=interval.upper,
        confidence=confidence,
        verdict=texts_of(np.where(known, verdict, "")),
        method=f"two one-sided tests, {scale}; {estimate.method}",
        reason=texts_of(np.where(known, interval.reason, NO_ERROR)),
    )


def noninferiority_verdict(p_margin: Any, p_superior: Any, p_worse: Any, level: float) -> Any:
    """Return what is shown: better than the control, better than the margin, or worse than the margin."""
    within = p_margin <= level
    better = within & (p_superior <= level)
    return np.select([better, within, p_worse <= level], ["superior", "non-inferior", "inferior"], INCONCLUSIVE)


def equivalence_verdict(p_within: Any, p_beyond: Any, level: float) -> Any:
    """Return what is shown: between the margins, or beyond one."""
    return np.select([p_within <= level, p_beyond <= level], ["equivalent", "not equivalent"], INCONCLUSIVE)


def margin_of(margin: Any, level: Any) -> Any:
    """Return a margin in the metric's unit; where it is relative, the level has to be > 0."""
    if isinstance(margin, AbsoluteMargin):
        return margin.value
    if np.any(np.asarray(level) <= 0):
        least = float(np.min(level))
        raise InputError(f"margin needs a baseline > 0, got {least}; use AbsoluteMargin")
    return margin.fraction * level


def against_margin(estimate: Estimate, margin: Any, sign: float) -> Estimate:
    """Return the difference from the worst level that is accepted, which lies below the control for a sign of 1."""
    if isinstance(margin, AbsoluteMargin):
        value, error = estimate.value + sign * margin.value, estimate.standard_error
    else:
        m = sign * margin.fraction
        value = estimate.value + m * estimate.baseline
        spread = (
            np.square(estimate.standard_error) + 2.0 * m * estimate.covariance + np.square(m * estimate.baseline_error)
        )
        error = np.sqrt(np.maximum(spread, 0.0))
    return Estimate(value=value, standard_error=error, degrees_of_freedom=estimate.degrees_of_freedom)


@dataclass(frozen=True)
class _Side:
    """One side of a test of an estimate against 0: > 0 on the side of the sign."""

    statistic: Any
    p: Any
    log_p: Any

    @classmethod
    def of(cls, estimate: Estimate, sign: float) -> _Side:
        test = estimate.test(alternative="greater" if sign > 0 else "less")
        return cls(sign * np.asarray(test.statistic), np.asarray(test.p_value), test.log_p_value)


def _contrast(estimate: Estimate, margin: Any, sign: float) -> Estimate:
    margin_of(margin, estimate.baseline)
    return against_margin(estimate, margin, sign)


def _toward(estimate: Estimate, margin: Any, sign: float) -> _Side:
    return _Side.of(_contrast(estimate, margin, sign), sign)


def _interval(estimate: Estimate, absolute: bool, confidence: float) -> tuple[Any, str]:
    if absolute:
        return estimate.interval(confidence=confidence), "interval of the difference"
    return estimate.lift(confidence=confidence), "Fieller's interval of the lift"


def texts_of(values: Any) -> Any:
    """Return one text, or an array of them, as a result holds it."""
    return str(values) if np.ndim(values) == 0 else values.astype(object)
