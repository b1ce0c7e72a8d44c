"""Curves of uplift: what treating only units with high scores brings, for every threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ecomops.core import (
    Column,
    ColumnOrNan,
    CountColumn,
    FractionColumn,
    Model,
    NonNegativeColumn,
    Probability,
    ProbabilityReal,
    Real,
    Text,
    Texts,
    validated,
)
from ecomops.experiments.flagged import UnitFlags
from ecomops.experiments.uplift.effects import assigned, check_units, inverse_weights, steps_of, unit_effects

NO_CONTROL = "no control unit has so high a score"
NO_TREATED = "no treated unit has so high a score"


class QiniCurve(Model):
    """What a treatment brought in as more units are targeted, best scores first (Radcliffe's Qini curve).

    Examples
    --------
    >>> from ecomops.experiments import qini_curve
    >>> qini_curve([3, 3, 2, 2], treated=[1, 0, 1, 0], outcome=[5, 1, 2, 2]).gain
    array([4., 4.])
    """

    __labelled__ = False

    threshold: Column
    """Distinct scores from the highest down, shape (k,); a row is what it is to target all units at or above."""
    share: FractionColumn
    """Share of all units targeted."""
    n_treatment: CountColumn
    """Treated units targeted."""
    n_control: CountColumn
    """Control units targeted."""
    gain: ColumnOrNan
    """Incremental outcome of the treated units targeted; NaN before the first control unit."""
    random: Column
    """What targeting the same share at random would have brought: the straight line to the last row."""
    area: Real
    """Area between curve and line over the share, per treated unit."""
    method: Text
    """Which curve it is."""
    reason: Texts
    """Why there is no gain; empty where there is one."""


class UpliftCurve(Model):
    """Gain a unit from treating all units with at least some score, for each score.

    Examples
    --------
    >>> from ecomops.experiments import uplift_curve
    >>> uplift_curve([3, 3, 2, 2], treated=[1, 0, 1, 0], outcome=[5, 1, 2, 2]).gain
    array([2., 2.])
    """

    __labelled__ = False

    threshold: Column
    """Distinct scores from the highest down, shape (k,); a row is what it is to treat all units at or above."""
    share: FractionColumn
    """Share of all units treated so."""
    n_treatment: CountColumn
    """Treated units among them."""
    n_control: CountColumn
    """Control units among them."""
    uplift: ColumnOrNan
    """Difference of (weighted) means between treated and control units among them; NaN where one arm is missing."""
    gain: Column
    """Outcome gained per unit of the population, over treating nobody."""
    standard_error: NonNegativeColumn
    """Standard error of ``gain``, for a threshold set beforehand."""
    lower: Column
    """Lower end of the interval of ``gain`` at this threshold."""
    upper: Column
    """Upper end."""
    random: Column
    """Gain from treating the same share at random."""
    confidence: ProbabilityReal
    """Confidence level of each interval."""
    method: Text
    """How the gain was estimated."""
    reason: Texts
    """Why there is no uplift; empty where there is one."""


@validated
def qini_curve(score: Column, *, treated: UnitFlags, outcome: Column) -> QiniCurve:
    """Return the Qini curve: incremental outcome of the treated as more units are targeted, best scores first.

    Parameters
    ----------
    score : array, shape (n,)
        What units are ranked by; high scores are targeted first. Units with equal scores are one step.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether each unit was treated, in a randomised experiment with one probability for all.
    outcome : array, shape (n,)
        Money, visits, or 0 and 1.

    Returns
    -------
    QiniCurve
        One row a distinct score. `qini_coefficient` has the area with its standard error.

    Raises
    ------
    InputError
        When lengths differ or an arm has fewer than 2 units.

    Notes
    -----
    With Y and n the sums of outcomes and the numbers of units at or above a score in each arm, the gain is
    ``Y_t - Y_c n_t / n_c``. The area is by the trapezoid rule from the origin, over the rows that have a gain.

    References
    ----------
    .. [1] Radcliffe (2007), Using control groups to target on predicted lift: building and assessing uplift models, Direct
       Marketing Analytics Journal, 14-21.

    Examples
    --------
    >>> from ecomops.experiments import qini_curve
    >>> curve = qini_curve([9, 8, 7, 6], treated=[1, 0, 1, 0], outcome=[1, 0, 1, 1])
    >>> curve.gain.tolist(), curve.random.tolist()
    ([nan, 1.0, 2.0, 1.0], [0.25, 0.5, 0.75, 1.0])
    """
    check_units(score, treated, outcome)
    step, threshold = steps_of(score)
    counts = [_running(step, threshold.size, arm) for arm in (treated, ~treated)]
    sums = [_running(step, threshold.size, np.where(arm, outcome, 0.0)) for arm in (treated, ~treated)]
    share = (counts[0] + counts[1]) / score.size
    known = counts[1] > 0
    gain = sums[0] - sums[1] * (counts[0] / np.where(known, counts[1], 1.0))
    random = share * gain[-1]
    over, left = np.append(0.0, share[known]), np.append(0.0, (gain - random)[known])
    area = float(np.sum(np.diff(over) * (left[1:] + left[:-1]) / 2.0))
    return QiniCurve(
        threshold=threshold,
        share=share,
        n_treatment=counts[0],
        n_control=counts[1],
        gain=np.where(known, gain, np.nan),
        random=random,
        area=area / float(counts[0][-1]),
        method="Qini curve (Radcliffe 2007)",
        reason=np.where(known, "", NO_CONTROL).astype(object),
    )


@validated
def uplift_curve(
    score: Column,
    *,
    treated: UnitFlags,
    outcome: Column,
    propensity: Probability | None = None,
    confidence: ProbabilityReal = 0.95,
) -> UpliftCurve:
    """Return the gain from treating only units with high scores, for every threshold, with intervals.

    Parameters
    ----------
    score : array, shape (n,)
        What units are ranked by, such as a predicted uplift; it must not have been fitted on these units. Units with equal
        scores are one step.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether each unit was treated, at random.
    outcome : array, shape (n,)
        Money, visits, or 0 and 1.
    propensity : float or array, shape (n,), optional
        Known probability of treatment; by default it is one for all and the share treated stands for it.
    confidence : float
        Confidence level of each interval, in (0, 1).

    Returns
    -------
    UpliftCurve
        One row a distinct score, gains in units of the outcome per unit of the population.

    Raises
    ------
    InputError
        When lengths differ or an arm has fewer than 2 units.

    Notes
    -----
    The gain is the mean over all units of g_i where the score reaches the threshold and 0 elsewhere, with
    ``g = m_t - m_c + D (y - m_t) / e - (1 - D) (y - m_c) / (1 - e)`` for the means m of the two arms: inverse-propensity
    weights on outcomes less the mean of their arm, which takes out the noise of how the arms happen to fall above the
    threshold. In large samples it is the share times ``uplift``, the cumulative gain of Gutierrez and Gerardy. The
    intervals are for one threshold chosen beforehand: the best of many is too good (`best_targeting` values it honestly).

    References
    ----------
    .. [1] Jaskowski & Jaroszewicz (2012), Uplift modeling for clinical trial data, ICML workshop on clinical data analysis.
    .. [2] Gutierrez & Gerardy (2017), Causal inference and uplift modelling: a review of the literature, PMLR 67, 1-13.
    .. [3] Robins, Rotnitzky & Zhao (1994), Estimation of regression coefficients when some regressors are not always
       observed, JASA 89, 846-866.

    Examples
    --------
    >>> from ecomops.experiments import uplift_curve
    >>> curve = uplift_curve([2, 2, 2, 2, 1, 1, 1, 1], treated=[1, 1, 0, 0] * 2, outcome=[5, 7, 1, 3, 2, 2, 1, 3])
    >>> curve.share.tolist(), curve.uplift.tolist(), curve.gain.tolist()
    ([0.5, 1.0], [4.0, 2.0], [2.0, 2.0])
    """
    check_units(score, treated, outcome, propensity)
    step, threshold = steps_of(score)
    effects = unit_effects(treated, outcome, propensity)
    weights = inverse_weights(treated, propensity)
    counts = [_running(step, threshold.size, arm) for arm in (treated, ~treated)]
    means = []
    for weight in weights:
        total = _running(step, threshold.size, weight)
        sums = _running(step, threshold.size, weight * outcome)
        means.append(np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan))
    share = (counts[0] + counts[1]) / score.size
    gain = _running(step, threshold.size, effects) / score.size
    error = _running_error(step, threshold.size, effects, None if propensity is not None else treated)
    z = -float(special.ndtri((1.0 - confidence) / 2))
    return UpliftCurve(
        threshold=threshold,
        share=share,
        n_treatment=counts[0],
        n_control=counts[1],
        uplift=means[0] - means[1],
        gain=gain,
        standard_error=error,
        lower=gain - z * error,
        upper=gain + z * error,
        random=share * gain[-1],
        confidence=confidence,
        method=f"inverse-propensity weights on centred outcomes, {assigned(propensity)}",
        reason=np.where(counts[1] == 0, NO_CONTROL, np.where(counts[0] == 0, NO_TREATED, "")).astype(object),
    )


def _running(step: Any, size: int, values: Any) -> Any:
    return np.cumsum(np.bincount(step, weights=values, minlength=size))


def _running_error(step: Any, size: int, effects: Any, arm: Any) -> Any:
    """Return the standard error of the mean over all units of the effects up to each step, 0 beyond it."""
    n = effects.size
    total = np.zeros(size)
    for group in (np.ones(n, dtype=bool),) if arm is None else (arm, ~arm):
        units = float(group.sum())
        centre = float(effects[group].mean())
        apart = np.where(group, effects - centre, 0.0)
        taken = _running(step, size, group) / units
        first, second = _running(step, size, apart), _running(step, size, np.square(apart))
        # The squares of (apart + centre) up to the step about their mean, without the square of a large centre.
        spread = second - np.square(first) / units + (2.0 * centre * first + units * centre**2 * taken) * (1.0 - taken)
        total += np.maximum(spread, 0.0) * units / (units - 1.0)
    return np.sqrt(total) / n
