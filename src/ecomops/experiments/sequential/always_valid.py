"""Tests and intervals of an `Estimate` that may be looked at any time and as often as one likes."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np

from ecomops.core import (
    Flag,
    Floats,
    Fraction,
    InputError,
    Model,
    NonNegativeReal,
    Num,
    ProbabilityReal,
    Text,
    Texts,
    Unbounded,
    UnboundedOrNan,
    validated,
)
from ecomops.experiments.sequential.mixtures import Bound, Mixture, UnitBound, critical_of, growth_of, named
from ecomops.experiments.sequential.time_uniform import log_mixture
from ecomops.stats.estimate import LIFTS, NO_ERROR, Alternative, Estimate, LiftMethod

NonPositive: TypeAlias = Annotated[Any, Floats(le=0)]
EMPTY = "the looks have no value in common: the effect moved, or the errors are too small"
OPEN = "a one-sided interval is open at its other end"


class ConfidenceSequence(Model):
    """Intervals that cover the truth at all looks together.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, PlannedMixture, confidence_sequence
    >>> estimate = Estimate(value=0.1, standard_error=0.04, n_treatment=1000, n_control=1000)
    >>> confidence_sequence(estimate, bound=PlannedMixture(units=2000)).value
    0.1
    """

    value: Num
    """The estimate."""
    lower: UnboundedOrNan
    """Lower end."""
    upper: UnboundedOrNan
    """Upper end."""
    confidence: ProbabilityReal
    """Probability that all looks together cover the truth."""
    method: Text
    """How it was found."""
    note: Texts
    """Says where the look is too early for the normal approximation; empty elsewhere."""
    reason: Texts
    """Why an end is infinite or NaN; empty where neither is so."""


class AlwaysValidTest(Model):
    """A test that may be looked at any time.

    Examples
    --------
    >>> from ecomops.experiments import EffectMixture, Estimate, always_valid_test
    >>> estimate = Estimate(value=0.1, standard_error=0.04, n_treatment=1000, n_control=1000)
    >>> round(always_valid_test(estimate, mixture=EffectMixture(sd=0.1)).e_value, 3)
    5.493
    """

    log_e_value: Num
    """Natural logarithm of the e-value, which keeps its digits where the e-value is infinite in floating point."""
    e_value: Unbounded
    """Evidence against the margin: under the null hypothesis it ever reaches x with probability 1 / x at most."""
    p_value: Fraction
    """min(1, 1 / e), of the largest e-value so far where the looks are taken together."""
    log_p_value: NonPositive
    """Its natural logarithm."""
    method: Text
    """How it was found."""
    note: Texts
    """Says where the look is too early for the normal approximation; empty elsewhere."""
    reason: Texts
    """Why there is no evidence (e-value 1, p-value 1); empty where there is an answer."""


@validated
def confidence_sequence(
    estimate: Estimate,
    *,
    bound: Bound,
    confidence: ProbabilityReal = 0.95,
    alternative: Alternative = "two-sided",
    burn_in: NonNegativeReal = 200.0,
    running: Flag = False,
) -> ConfidenceSequence:
    """Return intervals of an estimate that are good at every look at once.

    Parameters
    ----------
    estimate : Estimate
        One look, or looks along the last axis in order of time, all of one growing sample.
    bound : PlannedMixture, EffectMixture or StitchedBound
        The bound, fixed before the first look.
    confidence : float
        Probability of covering the truth at all looks together, in (0, 1).
    alternative : {"two-sided", "greater", "less"}
        One-sided alternatives leave the other end open.
    burn_in : float
        Units of both arms together below which a look is noted as early.
    running : bool
        Whether each interval is the intersection of all so far (early looks excepted).

    Returns
    -------
    ConfidenceSequence
        In the shape of the estimate. With a standard error of 0 nothing is known yet: both ends are infinite. A running
        intersection that is empty has NaN ends and a reason.

    Raises
    ------
    InputError
        When a bound in units meets an estimate without units.

    Notes
    -----
    value -+ standard_error sqrt((1 + r) (log(1 + 1 / r) + 2 log(1 / alpha))), with r = rho / units for a planned mixture
    and r = (standard_error / sd)^2 for a mixture over effects. The standard error is estimated and the sum only nearly
    normal, so that the guarantee is asymptotic in the units at the first look: hence the note.

    References
    ----------
    .. [1] Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and asymptotic confidence
       sequences, Annals of Statistics 52(6), 2613-2640, theorem 2.2.
    .. [2] Johari, Koomen, Pekelis & Walsh (2022), Always Valid Inference, Operations Research 70(3), 1806-1821.

    Examples
    --------
    Johari's interval for a difference of 0.1 after 1000 pairs with variance 2 each and tau^2 = 0.01.

    >>> from ecomops.experiments import EffectMixture, Estimate, confidence_sequence
    >>> estimate = Estimate(value=0.1, standard_error=0.002**0.5, n_treatment=1000, n_control=1000)
    >>> sequence = confidence_sequence(estimate, bound=EffectMixture(sd=0.1))
    >>> round(sequence.upper - sequence.value, 7)
    0.1366738
    """
    two_sided = alternative == "two-sided"
    known = np.asarray(estimate.standard_error) > 0
    z = critical_of(bound, estimate, 1.0 - confidence, two_sided=two_sided)
    width = z * estimate.standard_error
    lower = np.where(known & (alternative != "less"), estimate.value - width, -np.inf)
    upper = np.where(known & (alternative != "greater"), estimate.value + width, np.inf)
    reason = np.where(known, "" if two_sided else OPEN, NO_ERROR)
    label = f"{alternative} {named(bound)}, {estimate.method}"
    return _sequence(estimate, estimate.value, (lower, upper, reason), confidence, label, burn_in, running)


@validated
def lift_confidence_sequence(
    estimate: Estimate,
    *,
    bound: UnitBound,
    confidence: ProbabilityReal = 0.95,
    method: LiftMethod = "fieller",
    burn_in: NonNegativeReal = 200.0,
    running: Flag = False,
) -> ConfidenceSequence:
    """Return intervals of the relative lift that are good at every look at once.

    Parameters
    ----------
    estimate : Estimate
        One look, or looks along the last axis in order of time, all of one growing sample.
    bound : PlannedMixture or StitchedBound
        The bound, fixed before the first look.
    confidence : float
        Probability of covering the lift at all looks together, in (0, 1).
    method : {"fieller", "delta", "log"}
        How the lift is found, as in ``Estimate.lift``.
    burn_in : float
        Units of both arms together below which a look is noted as early.
    running : bool
        Whether each interval is the intersection of all so far (early looks excepted).

    Returns
    -------
    ConfidenceSequence
        Lift as a fraction of the baseline. Ends are infinite where the baseline cannot be told from 0 yet.

    Raises
    ------
    InputError
        When the estimate has no units or a baseline is not > 0, or "log" meets a treatment level that is not.

    References
    ----------
    .. [1] Waudby-Smith et al. (2024), Annals of Statistics 52(6), 2613-2640, theorem 2.2.
    .. [2] Fieller (1954), Some Problems in Interval Estimation, JRSS B 16(2), 175-185.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, PlannedMixture, lift_confidence_sequence
    >>> estimate = Estimate(
    ...     value=1.0,
    ...     standard_error=0.2,
    ...     baseline=10.0,
    ...     baseline_error=0.1,
    ...     covariance=-0.01,
    ...     n_treatment=900,
    ...     n_control=900,
    ... )
    >>> sequence = lift_confidence_sequence(estimate, bound=PlannedMixture(units=1800))
    >>> round(sequence.lower, 4), round(sequence.upper, 4)
    (0.0387, 0.1633)
    """
    if np.any(np.asarray(estimate.baseline) <= 0):
        least = float(np.min(estimate.baseline))
        raise InputError(f"estimate.baseline must be > 0 for a lift, got {least}; use confidence_sequence")
    z = critical_of(bound, estimate, 1.0 - confidence, two_sided=True)
    lower, upper, reason = LIFTS[method](estimate, z)
    known = np.asarray(estimate.standard_error) > 0
    ends = np.where(known, lower, -np.inf), np.where(known, upper, np.inf), np.where(known, reason, NO_ERROR)
    value = estimate.value / np.asarray(estimate.baseline)
    return _sequence(
        estimate, value, ends, confidence, f"{method}, {named(bound)}, {estimate.method}", burn_in, running
    )


@validated
def always_valid_test(
    estimate: Estimate,
    *,
    mixture: Mixture,
    margin: Num = 0.0,
    alternative: Alternative = "two-sided",
    alpha: ProbabilityReal = 0.05,
    burn_in: NonNegativeReal = 200.0,
    running: Flag = False,
) -> AlwaysValidTest:
    """Test an estimate against a margin at any look: e-value and always-valid p-value.

    Parameters
    ----------
    estimate : Estimate
        One look, or looks along the last axis in order of time, all of one growing sample.
    mixture : PlannedMixture or EffectMixture
        The mixture, fixed before the first look.
    margin : float or array
        Value under the null hypothesis; 0 for no difference, a negative margin for non-inferiority.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown.
    alpha : float
        Level that a planned mixture is tuned for, in (0, 1).
    burn_in : float
        Units of both arms together below which a look is noted as early.
    running : bool
        Whether each p-value is that of the largest e-value so far (early looks excepted).

    Returns
    -------
    AlwaysValidTest
        In the shape of the estimate. With a standard error of 0 there is no evidence yet: e-value 1, p-value 1, a reason.

    Raises
    ------
    InputError
        When a planned mixture meets an estimate without units.

    Notes
    -----
    log e = z^2 g / (2 (1 + g)) - log(1 + g) / 2 with z = (value - margin) / standard_error and g = units / rho, or
    g = (sd / standard_error)^2 for a mixture over effects; one-sided log(2 Phi(z sqrt(g / (1 + g)))) more.
    The p-value is at most ``alpha`` just when the confidence sequence of the same mixture leaves the margin out.

    References
    ----------
    .. [1] Johari, Koomen, Pekelis & Walsh (2022), Always Valid Inference, Operations Research 70(3), 1806-1821.
    .. [2] Howard, Ramdas, McAuliffe & Sekhon (2021), Annals of Statistics 49(2), 1055-1080, propositions 3 and 5.

    Examples
    --------
    >>> from ecomops.experiments import EffectMixture, Estimate, always_valid_test
    >>> estimate = Estimate(value=0.1, standard_error=0.002**0.5, n_treatment=1000, n_control=1000)
    >>> result = always_valid_test(estimate, mixture=EffectMixture(sd=0.1))
    >>> round(result.e_value, 7), round(result.p_value, 7)
    (3.2787216, 0.3049969)
    """
    one_sided = alternative != "two-sided"
    error = np.asarray(estimate.standard_error)
    known = error > 0
    growth = growth_of(mixture, estimate, alpha, one_sided=one_sided)
    z = (estimate.value - margin) / np.where(known, error, 1.0) * (-1.0 if alternative == "less" else 1.0)
    log_e = np.where(known, log_mixture(z * np.sqrt(growth / (1.0 + growth)), growth, one_sided=one_sided), 0.0)
    best = log_e
    if running and np.ndim(log_e):
        counted = np.broadcast_to(~_early(estimate, burn_in)[0], log_e.shape)
        best = np.maximum.accumulate(np.where(counted, log_e, -np.inf), axis=-1)
    log_p = np.minimum(-best, 0.0)
    with np.errstate(over="ignore", under="ignore"):
        e_value, p_value = np.exp(log_e), np.exp(log_p)
    return AlwaysValidTest(
        log_e_value=log_e,
        e_value=e_value,
        p_value=p_value,
        log_p_value=log_p,
        method=f"{alternative} {named(mixture)}, {estimate.method}",
        note=_texts(_early(estimate, burn_in)[1]),
        reason=_texts(np.where(known, "", NO_ERROR)),
    )


def _early(estimate: Estimate, burn_in: float) -> tuple[Any, Any]:
    """Return which looks do not count yet, and the notes; a look without units counts, with a note."""
    units = np.asarray(estimate.n_treatment) + estimate.n_control
    given = units > 0
    early = given & (units < burn_in)
    known = np.where(early, f"fewer than {burn_in:g} units: the normal approximation may not hold yet", "")
    return early, np.where(given, known, "units are not given: the normal approximation may not hold at early looks")


def _sequence(
    estimate: Estimate, value: Any, ends: Any, confidence: float, method: str, burn_in: float, running: bool
) -> ConfidenceSequence:
    early, note = _early(estimate, burn_in)
    value, lower, upper, reason = np.broadcast_arrays(value, *ends)
    if running and value.ndim:
        counted = np.broadcast_to(~early, value.shape)
        lower = np.maximum.accumulate(np.where(counted, lower, -np.inf), axis=-1)
        upper = np.minimum.accumulate(np.where(counted, upper, np.inf), axis=-1)
        empty = lower > upper
        lower, upper = np.where(empty, np.nan, lower), np.where(empty, np.nan, upper)
        closed = np.isfinite(lower) & np.isfinite(upper)
        reason = np.where(empty, EMPTY, np.where(closed, "", np.where(reason == "", "no look counts yet", reason)))
        method = f"running intersection, {method}"
    return ConfidenceSequence(
        value=value,
        lower=lower,
        upper=upper,
        confidence=confidence,
        method=method,
        note=_texts(note),
        reason=_texts(reason),
    )


def _texts(text: Any) -> Any:
    return str(text) if np.ndim(text) == 0 else np.asarray(text, dtype=object)
