"""Group-sequential designs: when to look, and how large an effect has to be to stop there."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Floats,
    Fraction,
    InputError,
    Model,
    Num,
    Positive,
    PositiveReal,
    ProbabilityReal,
    Text,
    validated,
)
from ecomops.experiments.sequential import boundaries, crossings
from ecomops.experiments.sequential.stopping_rules import (
    MAX_LOOKS,
    Boundary,
    Drift,
    Fractions,
    FutilityRule,
    Sides,
    StoppingBounds,
    cumulative,
    exponent_of,
    looks_of,
)

Shares: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
Level: TypeAlias = Annotated[float, Floats(scalar=True, ge=1e-12, lt=1)]


class CrossingProbabilities(Model):
    """How probable it is to stop at each look, and why.

    Examples
    --------
    >>> peeking = StoppingBounds(fractions=[0.5, 1.0], efficacy=[1.96, 1.96])
    >>> round(crossing_probabilities(peeking).reject, 4)
    0.0831
    """

    drift: Num
    """Mean of z at information fraction 1, shape (...)."""
    upper: Shares
    """Probability to stop for an increase at each look, shape (..., k)."""
    lower: Shares
    """Probability to stop for a decrease at each look, shape (..., k); 0 where one-sided."""
    futility: Shares
    """Probability to stop for futility at each look, shape (..., k)."""
    reject: Fraction
    """Probability to stop for an increase or a decrease at any look, shape (...)."""
    expected_fraction: Positive
    """Expected information fraction at the end, shape (...)."""


class GroupSequentialDesign(Model):
    """Bounds for looks at an experiment that keep its level and reach a power.

    Examples
    --------
    >>> from ecomops.experiments import LanDeMets, group_sequential_design
    >>> group_sequential_design([0.5, 1.0], boundary=LanDeMets()).bounds.efficacy.round(3).tolist()
    [2.963, 1.969]
    """

    bounds: StoppingBounds
    """The looks and their bounds."""
    boundary: Boundary
    """How the bounds for efficacy were made."""
    futility_rule: FutilityRule | None
    """How the bounds for futility were made."""
    alpha: ProbabilityReal
    """Probability to reject where there is no effect."""
    power: ProbabilityReal
    """Probability to reject where the effect is the one planned for."""
    alpha_spent: Shares
    """Error of the first kind spent up to each look, shape (k,)."""
    beta_spent: Shares
    """Error of the second kind spent on futility up to each look, shape (k,); all at the last one without a rule."""
    drift: PositiveReal
    """Mean of z at information fraction 1 under the effect planned for."""
    inflation: PositiveReal
    """Largest sample size over that of a test with one look at the same level and power."""
    expected_size_null: PositiveReal
    """Expected sample size where there is no effect, over that of a test with one look."""
    expected_size: PositiveReal
    """Expected sample size under the effect planned for, over that of a test with one look."""
    method: Text
    """How the bounds were found."""


@validated
def group_sequential_design(
    fractions: Fractions,
    *,
    boundary: Boundary,
    alpha: Level = 0.05,
    power: ProbabilityReal = 0.80,
    alternative: Sides = "two-sided",
    futility: FutilityRule | None = None,
) -> GroupSequentialDesign:
    """Return the bounds with which an experiment may be stopped early at given looks, and what they cost.

    Parameters
    ----------
    fractions : array, shape (k,)
        Information fractions of the looks (part of the planned sample), increasing, the last one 1; up to 1000.
    boundary : ObrienFleming, Pocock, WangTsiatis, LanDeMets, HwangShihDeCani or PowerSpending
        Shape of the bounds, or how the error is spent (each side has its half).
    alpha : float
        Probability to reject where there is no effect, over all looks, in [1e-12, 1).
    power : float
        Probability to find the effect planned for, in its direction, in (0, 1), above ``alpha``.
    alternative : {"two-sided", "one-sided"}
        Sides of the test; one-sided looks for increases.
    futility : FutilityRule, optional
        When to give up. A binding rule needs a one-sided test and a spending function.

    Returns
    -------
    GroupSequentialDesign
        Bounds in units of z, the error spent, and the largest and expected sample sizes over that of one look.

    Raises
    ------
    InputError
        When fractions repeat, decrease, do not end at 1 or are too near each other, or the rule does not fit the test.

    Notes
    -----
    The score has independent increments, so its sub-density is carried from look to look by quadrature [1]_; a bound is
    where the probability to leave is the error to spend. Multiply the sample size of a fixed test by ``inflation``.

    References
    ----------
    .. [1] Armitage, McPherson & Rowe (1969), Repeated Significance Tests on Accumulating Data, JRSS A 132, 235-244.
    .. [2] Jennison & Turnbull (2000), Group Sequential Methods, ch. 2, 7 and 19; tables 2.1 and 2.3.
    .. [3] Lan & DeMets (1983), Biometrika 70, 659-663; Hwang, Shih & De Cani (1990), Statistics in Medicine 9, 1439-1445.

    Examples
    --------
    O'Brien and Fleming with five looks (Jennison & Turnbull, table 2.3: 2.040):

    >>> from ecomops.experiments import ObrienFleming, group_sequential_design
    >>> design = group_sequential_design([0.2, 0.4, 0.6, 0.8, 1.0], boundary=ObrienFleming(), alpha=0.05, power=0.80)
    >>> design.bounds.efficacy.round(3).tolist()
    [4.562, 3.226, 2.634, 2.281, 2.04]
    >>> round(design.inflation, 4)
    1.0284
    """
    _check_design(fractions, boundary, alpha, power, alternative, futility)
    two_sided = alternative == "two-sided"
    side = alpha / 2.0 if two_sided else alpha
    efficacy, spent = _efficacy(fractions, boundary, side, two_sided=two_sided)
    fixed = float(special.ndtri(power) - special.ndtri(side))
    drift, stop, beta = fixed, None, np.append(np.zeros(fractions.size - 1), 1.0 - power)
    if futility is not None:
        beta = cumulative(futility.spending, fractions, 1.0 - power)
        known = None if futility.binding else efficacy
        efficacy, stop, drift = _with_futility(fractions, (spent, beta), fixed, known, two_sided=two_sided)
    bounds = StoppingBounds(fractions=fractions, efficacy=efficacy, futility=stop, alternative=alternative)
    under = crossings.recursion(looks_of(bounds))
    if futility is None:
        drift = crossings.drift_at(crossings.power_at(looks_of(bounds), under), power, fixed, 0.1)
    inflation = (drift / fixed) ** 2
    expected = inflation * np.asarray(_crossings(bounds, np.array([0.0, drift]), under).expected_fraction)
    return GroupSequentialDesign(
        bounds=bounds,
        boundary=boundary,
        futility_rule=futility,
        alpha=alpha,
        power=power,
        alpha_spent=np.minimum(spent * (2.0 if two_sided else 1.0), 1.0),
        beta_spent=beta,
        drift=drift,
        inflation=inflation,
        expected_size_null=expected[0],
        expected_size=expected[1],
        method="recursive quadrature of the score's sub-density",
    )


@validated
def stopping_bounds(
    fractions: Fractions, *, boundary: Boundary, alpha: Level = 0.05, alternative: Sides = "two-sided"
) -> StoppingBounds:
    """Return the bounds of a group-sequential test alone: what has to be crossed at each look.

    Parameters
    ----------
    fractions : array, shape (k,)
        Information fractions of the looks (part of the planned sample), increasing, the last one 1; up to 1000.
    boundary : ObrienFleming, Pocock, WangTsiatis, LanDeMets, HwangShihDeCani or PowerSpending
        Shape of the bounds, or how the error is spent (each side has its half).
    alpha : float
        Probability to reject where there is no effect, over all looks, in [1e-12, 1).
    alternative : {"two-sided", "one-sided"}
        Sides of the test; one-sided looks for increases.

    Returns
    -------
    StoppingBounds
        Bounds in units of z, of shape (k,).

    Raises
    ------
    InputError
        When fractions repeat, decrease, do not end at 1 or are too near each other.

    References
    ----------
    .. [1] Lan & DeMets (1983), Discrete Sequential Boundaries for Clinical Trials, Biometrika 70, 659-663.

    Examples
    --------
    >>> from ecomops.experiments import LanDeMets, stopping_bounds
    >>> stopping_bounds([0.2, 0.4, 0.6, 0.8, 1.0], boundary=LanDeMets()).efficacy.round(3).tolist()
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    _check_fractions(fractions)
    two_sided = alternative == "two-sided"
    efficacy, _ = _efficacy(fractions, boundary, alpha / 2.0 if two_sided else alpha, two_sided=two_sided)
    return StoppingBounds(fractions=fractions, efficacy=efficacy, alternative=alternative)


@validated
def crossing_probabilities(bounds: StoppingBounds, *, drift: Drift = 0.0) -> CrossingProbabilities:
    """Return how probable it is to stop at each look, for given effects.

    Parameters
    ----------
    bounds : StoppingBounds
        Looks and bounds, of a design or any others.
    drift : float or array
        Effect as the mean of z at information fraction 1, in [-100, 100]; 0 for none, ``design.drift`` for the one
        planned for, and in proportion to the effect between.

    Returns
    -------
    CrossingProbabilities
        Probabilities at each look, in all, and the expected information fraction.

    Notes
    -----
    Futility bounds are taken to be obeyed. At the last look all that is neither above nor below is not counted as a stop,
    unless there is a bound for futility.

    References
    ----------
    .. [1] Armitage, McPherson & Rowe (1969), JRSS A 132, 235-244, table 2: five looks at 1.96 reject 14.2 %.

    Examples
    --------
    >>> from ecomops.experiments import StoppingBounds, crossing_probabilities
    >>> peeking = StoppingBounds(fractions=[0.2, 0.4, 0.6, 0.8, 1.0], efficacy=[1.959964] * 5)
    >>> round(crossing_probabilities(peeking, drift=0.0).reject, 4)
    0.1417
    """
    return _crossings(bounds, np.asarray(drift, dtype=np.float64))


def _efficacy(fractions: Array, boundary: Any, side: float, *, two_sided: bool) -> tuple[Array, Array]:
    """Return the bounds for efficacy without a rule for futility, and the error of one side that they spend."""
    exponent = exponent_of(boundary)
    if exponent is None:
        spent = cumulative(boundary, fractions, side)
        return boundaries.spending_bounds(fractions, np.diff(spent, prepend=0.0), None, two_sided=two_sided)[0], spent
    efficacy = boundaries.scaled_bounds(fractions, fractions ** (exponent - 0.5), side, two_sided=two_sided)
    bounds = StoppingBounds(
        fractions=fractions, efficacy=efficacy, alternative="two-sided" if two_sided else "one-sided"
    )
    return efficacy, np.cumsum(crossings.exits(looks_of(bounds), np.zeros(1)).upper[0])


def _with_futility(
    fractions: Array, spent: tuple[Array, Array], fixed: float, known: Array | None, *, two_sided: bool
) -> tuple[Array, Array, float]:
    """Return both bounds and the drift at which they meet at the last look with no error left."""
    alpha, beta = (np.diff(error, prepend=0.0) for error in spent)

    def solved(drift: float) -> tuple[Array, Array, float]:
        rule = boundaries.Futility(beta, drift, known is None, known)
        return boundaries.spending_bounds(fractions, alpha, rule, two_sided=two_sided)

    high = fixed * 1.1
    while solved(high)[2] > 0.0:
        high *= 1.2
    drift = crossings.bracketed_root(lambda point: solved(point)[2], fixed * 0.99, high)
    efficacy, stop, _ = solved(drift)
    return efficacy, stop, drift


def _crossings(bounds: StoppingBounds, drift: Array, under: Any = None) -> CrossingProbabilities:
    looks = looks_of(bounds)
    found = crossings.exits(looks, drift.ravel(), under)
    two_sided = bounds.alternative == "two-sided"
    upper, lower, futility = (
        np.clip(part, 0.0, 1.0).reshape(*drift.shape, looks.times.size)
        for part in (found.upper, *((found.lower, found.inner) if two_sided else (found.inner, found.lower)))
    )
    stopped = (upper + lower + futility)[..., :-1]
    left = np.maximum(1.0 - stopped.sum(axis=-1), 0.0)
    return CrossingProbabilities(
        drift=drift,
        upper=upper,
        lower=lower,
        futility=futility,
        reject=np.clip((upper + lower).sum(axis=-1), 0.0, 1.0),
        expected_fraction=(stopped * bounds.fractions[:-1]).sum(axis=-1) + left * bounds.fractions[-1],
    )


def _check_fractions(fractions: Array) -> None:
    if fractions.ndim != 1 or fractions.size > MAX_LOOKS:
        raise InputError(f"fractions must be a list of at most {MAX_LOOKS} looks, got shape {fractions.shape}")
    steps = np.diff(fractions, prepend=0.0)
    if np.any(steps <= 0):
        index = int(np.argmax(steps <= 0))
        raise InputError(
            f"fractions must increase without repeats, got {fractions[index]} after {fractions[index - 1]} at index {index}"
        )
    if fractions[-1] != 1.0:
        raise InputError(f"fractions must end at 1, the planned sample, got {fractions[-1]}")


def _check_design(fractions: Array, boundary: Any, alpha: float, power: float, sides: str, futility: Any) -> None:
    _check_fractions(fractions)
    if power <= alpha:
        raise InputError(f"power must be above alpha, got {power} and {alpha}")
    if futility is not None and futility.binding and (sides == "two-sided" or exponent_of(boundary) is not None):
        raise InputError("futility can be binding in a one-sided test with a spending function only; use binding=False")
