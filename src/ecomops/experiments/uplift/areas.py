"""Areas of the uplift curve: how well a score ranks units by the effect on them, in one number with its error."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecomops.core import Column, Probability, validated
from ecomops.experiments.adjusted.regression import within
from ecomops.experiments.flagged import UnitFlags
from ecomops.experiments.uplift.effects import assigned, check_units, shared_error, steps_of, unit_effects
from ecomops.stats.estimate import Estimate


@validated
def qini_coefficient(
    score: Column, *, treated: UnitFlags, outcome: Column, propensity: Probability | None = None
) -> Estimate:
    """Return the Qini coefficient: the area between the uplift curve and targeting at random, with its standard error.

    Parameters
    ----------
    score : array, shape (n,)
        What units are ranked by; it must not have been fitted on these units.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether each unit was treated, at random.
    outcome : array, shape (n,)
        Money, visits, or 0 and 1.
    propensity : float or array, shape (n,), optional
        Known probability of treatment; by default it is one for all and the share treated stands for it.

    Returns
    -------
    Estimate
        The area in units of the outcome per unit, on a normal reference: its ``test()`` is that of a score which says
        nothing about the effect. ``baseline`` is the area under targeting at random, half the average effect, so that
        ``lift()`` is free of units.

    Raises
    ------
    InputError
        When lengths differ or an arm has fewer than 2 units.

    Notes
    -----
    With g of `uplift_curve`, G its curve and q the share of units ranked above a unit (ties halved) the coefficient is the
    mean of ``g (1/2 - q)``, which is the area to the last digit. It is a U-statistic: its error is that of the mean of
    ``g (1/2 - q) + G(q)``, the second term being what the place of a unit does to the ranks of the others.

    References
    ----------
    .. [1] Radcliffe (2007), Using control groups to target on predicted lift, Direct Marketing Analytics Journal, 14-21.
    .. [2] Yadlowsky, Fleming, Shah, Brunskill & Wager (2025), Evaluating treatment prioritization rules via rank-weighted
       average treatment effects, JASA 120, 38-51, section 2.

    Examples
    --------
    >>> from ecomops.experiments import qini_coefficient
    >>> found = qini_coefficient([2, 2, 2, 2, 1, 1, 1, 1], treated=[1, 1, 0, 0] * 2, outcome=[5, 7, 1, 3, 2, 2, 1, 3])
    >>> found.value, found.baseline, round(found.lift().value, 6)
    (0.5, 1.0, 0.5)
    """
    check_units(score, treated, outcome, propensity)
    effects, rank, curve = _ranked(score, treated, outcome, propensity)
    arm = None if propensity is not None else treated
    psi, flat = effects * (0.5 - rank) + curve, effects / 2.0
    error, baseline_error = (np.sqrt(shared_error(part, part, arm)) for part in (psi, flat))
    return Estimate(
        value=float(np.mean(effects * (0.5 - rank))),
        standard_error=error,
        baseline=float(np.mean(flat)),
        baseline_error=baseline_error,
        covariance=within(shared_error(psi, flat, arm), error, baseline_error),
        n_treatment=float(treated.sum()),
        n_control=float((~treated).sum()),
        method=f"Qini coefficient, {assigned(propensity)}",
    )


@validated
def area_under_uplift_curve(
    score: Column, *, treated: UnitFlags, outcome: Column, propensity: Probability | None = None
) -> Estimate:
    """Return the area under the uplift curve (AUUC) with its standard error.

    Parameters
    ----------
    score : array, shape (n,)
        What units are ranked by; it must not have been fitted on these units.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether each unit was treated, at random.
    outcome : array, shape (n,)
        Money, visits, or 0 and 1.
    propensity : float or array, shape (n,), optional
        Known probability of treatment; by default it is one for all and the share treated stands for it.

    Returns
    -------
    Estimate
        The area in units of the outcome per unit, on a normal reference: the mean gain over all shares to treat.

    Raises
    ------
    InputError
        When lengths differ or an arm has fewer than 2 units.

    Notes
    -----
    The curve is that of `uplift_curve`, from the origin and straight between its rows. The area is the Qini coefficient
    plus half the average effect.

    References
    ----------
    .. [1] Gutierrez & Gerardy (2017), Causal inference and uplift modelling: a review of the literature, PMLR 67, 1-13.

    Examples
    --------
    >>> from ecomops.experiments import area_under_uplift_curve
    >>> units = {"treated": [1, 1, 0, 0] * 2, "outcome": [5, 7, 1, 3, 2, 2, 1, 3]}
    >>> area_under_uplift_curve([2, 2, 2, 2, 1, 1, 1, 1], **units).value
    1.5
    """
    check_units(score, treated, outcome, propensity)
    effects, rank, curve = _ranked(score, treated, outcome, propensity)
    psi = effects * (1.0 - rank) + curve
    return Estimate(
        value=float(np.mean(effects * (1.0 - rank))),
        standard_error=np.sqrt(shared_error(psi, psi, None if propensity is not None else treated)),
        n_treatment=float(treated.sum()),
        n_control=float((~treated).sum()),
        method=f"area under the uplift curve, {assigned(propensity)}",
    )


def _ranked(score: Any, treated: Any, outcome: Any, propensity: Any) -> tuple[Any, Any, Any]:
    """Return the effect of each unit, the share of units ranked above it, and the curve at that share; ties halved."""
    step, threshold = steps_of(score)
    effects = unit_effects(treated, outcome, propensity)
    at = np.bincount(step, minlength=threshold.size) / score.size
    gained = np.bincount(step, weights=effects, minlength=threshold.size) / score.size
    return effects, (np.cumsum(at) - at / 2.0)[step], (np.cumsum(gained) - gained / 2.0)[step]
