"""How many units a test needs, what power they give, and what they can detect: three inverses of one curve."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field
from scipy import special

from ecomops.core import (
    Array,
    Count,
    Floats,
    Fraction,
    InputError,
    Model,
    Num,
    Positive,
    PositiveReal,
    Probability,
    ProbabilityReal,
    Text,
    validated,
)

Alternative: TypeAlias = Literal["two-sided", "one-sided"]
Effect: TypeAlias = Annotated[float | Array | Any, Floats()]


class MeanMetric(Model):
    """A mean with a standard deviation.

    Examples
    --------
    >>> MeanMetric(sd=1.0)
    MeanMetric(sd=1, reference='t')
    """

    kind: Literal["MeanMetric"] = "MeanMetric"
    sd: Positive
    """Standard deviation within an arm."""
    reference: Literal["t", "normal"] = "t"
    """Student's t (exact, noncentral) or its normal limit."""


class ProportionMetric(Model):
    """A proportion with its level in the control.

    Examples
    --------
    >>> ProportionMetric(baseline=0.20)
    ProportionMetric(baseline=0.2, variance='pooled')
    """

    kind: Literal["ProportionMetric"] = "ProportionMetric"
    baseline: Probability
    """Proportion in the control, in (0, 1)."""
    variance: Literal["pooled", "baseline"] = "pooled"
    """Variance under no effect: of the mean of both proportions, or of the baseline alone."""


Metric: TypeAlias = Annotated[MeanMetric | ProportionMetric, Field(discriminator="kind")]


class Design(Model):
    """A test with its size, effect and power.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric, sample_size
    >>> sample_size(ProportionMetric(baseline=0.5), effect=0.25, power=0.9).n_control
    77.0
    """

    n_control: Count
    """Units in the control, whole."""
    n_treatment: Count
    """Units in the treatment, whole."""
    effect: Num
    """Treatment minus control that the design is for."""
    power: Fraction
    """Probability to find the effect with these units."""
    exact_n_control: Positive
    """Units in the control before rounding up."""
    alpha: ProbabilityReal
    """Probability to find an effect where there is none."""
    method: Text
    """What the power rests on."""


@validated
def sample_size(
    metric: Metric,
    *,
    effect: Effect,
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    ratio: PositiveReal = 1.0,
    alternative: Alternative = "two-sided",
) -> Design:
    """Return how many units each arm needs to find an effect.

    Parameters
    ----------
    metric : MeanMetric or ProportionMetric
        What is measured.
    effect : float or array
        Treatment minus control, not 0.
    power : float
        Probability to find it, in (0, 1), above ``alpha``.
    alpha : float
        Level of the test, in (0, 1).
    ratio : float
        Units in the treatment over units in the control.
    alternative : {"two-sided", "one-sided"}
        Sides of the test.

    Returns
    -------
    Design
        Whole units in each arm and the power that they give.

    Raises
    ------
    InputError
        When the effect is 0, leads to a proportion outside (0, 1), or the power is not above alpha.

    References
    ----------
    .. [1] Cohen (1988), Statistical Power Analysis for the Behavioral Sciences, ch. 2 and 6; R's ``power.t.test`` and
       ``power.prop.test``.

    Examples
    --------
    >>> from ecomops.experiments import MeanMetric, sample_size
    >>> design = sample_size(MeanMetric(sd=1), effect=1, power=0.90)
    >>> round(design.exact_n_control, 3), design.n_control
    (22.021, 23.0)
    """
    _check_design(metric, effect, power, alpha)
    sides = 2.0 if alternative == "two-sided" else 1.0
    shape = np.broadcast_shapes(np.shape(effect), metric.batch_shape)

    def reached(n: Any) -> Any:
        return _power(metric, np.asarray(effect, dtype=np.float64), n, n * ratio, alpha, sides) >= power

    exact = _least(reached, shape, start=2.0 if ratio >= 1 else 2.0 / ratio)
    control, treatment = np.ceil(exact - 1e-9), np.ceil(exact * ratio - 1e-9)
    got = _power(metric, np.asarray(effect, dtype=np.float64), control, treatment, alpha, sides)
    # Rounding up one arm alone can cost power: it moves the pooled proportion towards that arm.
    while np.any(short := got < power - 1e-9):
        control = control + short
        treatment = np.maximum(treatment, np.ceil(control * ratio - 1e-9))
        got = _power(metric, np.asarray(effect, dtype=np.float64), control, treatment, alpha, sides)
    return _design(control, treatment, effect + np.zeros(shape), got, exact, alpha, metric)


@validated
def power(
    metric: Metric,
    *,
    effect: Effect,
    n_control: Annotated[float | Array | Any, Floats(ge=2)],
    n_treatment: Annotated[float | Array | Any, Floats(ge=2)],
    alpha: ProbabilityReal = 0.05,
    alternative: Alternative = "two-sided",
) -> Fraction:
    """Return the probability to find an effect with given units.

    Parameters
    ----------
    metric : MeanMetric or ProportionMetric
        What is measured.
    effect : float or array
        Treatment minus control.
    n_control, n_treatment : float or array
        Units in each arm, >= 2.
    alpha : float
        Level of the test, in (0, 1).
    alternative : {"two-sided", "one-sided"}
        Sides of the test; two-sided power counts only findings in the direction of the effect, as R does.

    Returns
    -------
    float or array
        Power.

    Examples
    --------
    >>> from ecomops.experiments import MeanMetric, power
    >>> round(power(MeanMetric(sd=1), effect=1, n_control=20, n_treatment=20), 6)
    0.868953
    """
    _check_proportion(metric, effect)
    sides = 2.0 if alternative == "two-sided" else 1.0
    return np.clip(_power(metric, np.asarray(effect, dtype=np.float64), n_control, n_treatment, alpha, sides), 0.0, 1.0)


@validated
def minimum_detectable_effect(
    metric: Metric,
    *,
    n_control: Annotated[float | Array | Any, Floats(ge=2)],
    n_treatment: Annotated[float | Array | Any, Floats(ge=2)],
    power: ProbabilityReal = 0.80,
    alpha: ProbabilityReal = 0.05,
    alternative: Alternative = "two-sided",
) -> Num:
    """Return the smallest increase that given units find with a given power.

    Parameters
    ----------
    metric : MeanMetric or ProportionMetric
        What is measured.
    n_control, n_treatment : float or array
        Units in each arm, >= 2.
    power : float
        Probability to find it, in (0, 1), above ``alpha``.
    alpha : float
        Level of the test, in (0, 1).
    alternative : {"two-sided", "one-sided"}
        Sides of the test.

    Returns
    -------
    float or array
        Treatment minus control, > 0.

    Raises
    ------
    InputError
        When not even a treatment proportion of 1 reaches the power.

    Examples
    --------
    >>> from ecomops.experiments import ProportionMetric, minimum_detectable_effect
    >>> round(minimum_detectable_effect(ProportionMetric(baseline=0.5), n_control=50, n_treatment=50, power=0.9), 6)
    0.302631
    """
    _check_power(power, alpha)
    sides = 2.0 if alternative == "two-sided" else 1.0
    shape = np.broadcast_shapes(np.shape(n_control), np.shape(n_treatment), metric.batch_shape)
    if isinstance(metric, ProportionMetric):
        high = np.broadcast_to(1.0 - np.asarray(metric.baseline), shape) * (1 - 1e-12)
        if np.any(_power(metric, high, n_control, n_treatment, alpha, sides) < power):
            raise InputError(
                "n_control and n_treatment are too few: not even a treatment proportion of 1 reaches the power"
            )
    else:
        high = np.broadcast_to(np.asarray(metric.sd, dtype=np.float64), shape)
        while np.any(short := _power(metric, high, n_control, n_treatment, alpha, sides) < power):
            high = np.where(short, 2.0 * high, high)
    low = np.zeros(shape)
    while np.any(high - low > 1e-14 * high):
        middle = (low + high) / 2
        enough = _power(metric, middle, n_control, n_treatment, alpha, sides) >= power
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _power(metric: Any, effect: Any, n_control: Any, n_treatment: Any, alpha: float, sides: float) -> Any:
    size = np.abs(effect)
    if isinstance(metric, ProportionMetric):
        p1 = np.asarray(metric.baseline)
        p2 = np.clip(p1 + effect, 0.0, 1.0)
        mean = (n_control * p1 + n_treatment * p2) / (n_control + n_treatment) if metric.variance == "pooled" else p1
        null = np.sqrt(mean * (1 - mean) * (1 / n_control + 1 / n_treatment))
        own = np.sqrt(p1 * (1 - p1) / n_control + p2 * (1 - p2) / n_treatment)
        return special.ndtr((size + special.ndtri(alpha / sides) * null) / own)
    shift = size / (metric.sd * np.sqrt(1 / n_control + 1 / n_treatment))
    if metric.reference == "normal":
        return special.ndtr(shift + special.ndtri(alpha / sides))
    freedom = n_control + n_treatment - 2.0
    limit = -special.stdtrit(freedom, alpha / sides)
    # sd / sigma is below `most` but for a chance of e**-40 (Laurent & Massart 2000, lemma 1): beyond it lies certainty.
    most = np.sqrt(1.0 + 2.0 * np.sqrt(40.0 / freedom) + 80.0 / freedom)
    certain = shift > limit * most + 9.0
    # The lower tail of the mirror image keeps the digits of a power near 0.
    return np.where(certain, 1.0, special.nctdtr(freedom, -np.where(certain, 0.0, shift), -limit))


def _least(reached: Any, shape: tuple[int, ...], start: float) -> Any:
    low, high = np.full(shape, start), np.full(shape, start)
    while not np.all(enough := reached(high)):
        low, high = np.where(enough, low, high), np.where(enough, high, 2.0 * high)
        if np.any(high > 1e15):
            raise InputError("effect is too small for any sample: more than 1e15 units would be needed")
    while np.any(high - low > 1e-13 * high):
        middle = (low + high) / 2
        enough = reached(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _design(control: Any, treatment: Any, effect: Any, got: Any, exact: Any, alpha: float, metric: Any) -> Design:
    how = (
        "z test of two proportions" if isinstance(metric, ProportionMetric) else f"{metric.reference} test of two means"
    )
    return Design(
        n_control=control,
        n_treatment=treatment,
        effect=effect,
        power=np.clip(got, 0.0, 1.0),
        exact_n_control=exact,
        alpha=alpha,
        method=how,
    )


def _check_power(power: float, alpha: float) -> None:
    if power <= alpha:
        raise InputError(f"power must be above alpha, got {power} and {alpha}")


def _check_proportion(metric: Any, effect: Any) -> None:
    if isinstance(metric, ProportionMetric):
        after = np.asarray(metric.baseline + effect)
        if np.any((after <= 0) | (after >= 1)):
            raise InputError(
                "effect must leave the treatment proportion in (0, 1); give the absolute difference, 0.02 for 2 points"
            )


def _check_design(metric: Any, effect: Any, power: float, alpha: float) -> None:
    if np.any(np.asarray(effect) == 0):
        raise InputError("effect must not be 0; give the smallest difference that matters")
    _check_power(power, alpha)
    _check_proportion(metric, effect)
