"""Policies: what treating those whom a rule picks is worth, and how many to pick."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Column,
    Fraction,
    FractionReal,
    InputError,
    Labels,
    Model,
    NonNegative,
    Num,
    NumOrNan,
    PositiveWhole,
    Probability,
    ProbabilityReal,
    Real,
    Rng,
    Text,
    validated,
)
from ecomops.experiments.flagged import UnitFlags
from ecomops.experiments.uplift.effects import assigned, check_units, shared_error, steps_of, unit_effects
from ecomops.stats.estimate import Estimate

NOBODY = "no share of units is worth its cost: treat nobody"
ROWS = ("rule", "treat all", "treat none")


class PolicyValues(Model):
    """What a rule, treating everybody and treating nobody are worth.

    Examples
    --------
    >>> from ecomops.experiments import policy_value
    >>> units = {"treated": [1, 1, 0, 0] * 2, "outcome": [5, 7, 1, 3, 2, 2, 1, 3]}
    >>> policy_value([1, 1, 1, 1, 0, 0, 0, 0], **units, cost=1.0).value
    array([3.5, 3. , 2. ])
    """

    __labelled__ = False

    policy: Labels
    """"rule", "treat all" and "treat none", shape (3,)."""
    share: Fraction
    """Share of units that each treats."""
    value: Num
    """Mean outcome less cost, per unit of the population."""
    standard_error: NonNegative
    """Standard error of ``value``."""
    lower: Num
    """Lower end of its interval."""
    upper: Num
    """Upper end."""
    rule_gain: Estimate
    """Value of the rule less that of each policy, shape (3,); the first is 0 by itself."""
    confidence: ProbabilityReal
    """Confidence level of the intervals."""
    method: Text
    """How values were estimated."""


class BestTargeting(Model):
    """How many of the best-scored units to treat, and what that is worth.

    Examples
    --------
    >>> from ecomops.experiments import best_targeting
    >>> units = {"treated": [1, 1, 0, 0] * 2, "outcome": [5, 7, 1, 3, 2, 2, 1, 3]}
    >>> best_targeting([2, 2, 2, 2, 1, 1, 1, 1], **units, cost=1.0, folds=2).share
    0.5
    """

    __labelled__ = False

    share: FractionReal
    """Share of units to treat, best scores first; 0 where treating does not pay at all."""
    threshold: NumOrNan
    """Lowest score to treat; NaN where nobody is to be."""
    gain: Real
    """Gain per unit over treating nobody, less cost, on the units that chose the threshold: too good on average."""
    honest: Estimate
    """The same for thresholds chosen on the other folds: what such a choice brings on new units."""
    over_all: Estimate
    """Gain per unit of thresholds so chosen over treating everybody."""
    method: Text
    """How values were estimated."""
    reason: Text
    """Why there is no threshold; empty where there is one."""


@validated
def policy_value(
    picked: UnitFlags,
    *,
    treated: UnitFlags,
    outcome: Column,
    propensity: Probability | None = None,
    cost: Num = 0.0,
    confidence: ProbabilityReal = 0.95,
) -> PolicyValues:
    """Return the value of treating just the units that a rule picks, beside treating all and treating none.

    Parameters
    ----------
    picked : array of bool (or 0 and 1), shape (n,)
        Whether the rule would treat each unit, by what was known before the treatment; it must not have been chosen on these
        units.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether each unit was treated, at random.
    outcome : array, shape (n,)
        Value of each unit, such as margin.
    propensity : float or array, shape (n,), optional
        Known probability of treatment; by default one for all the picked and one for all the others, for which the shares
        treated stand.
    cost : float or array, shape (n,)
        Cost of treating a unit, in the unit of the outcome.
    confidence : float
        Confidence level of the intervals, in (0, 1).

    Returns
    -------
    PolicyValues
        One row a policy, per unit of the population. ``rule_gain`` compares the rule with each.

    Raises
    ------
    InputError
        When lengths differ, or the picked or the others have fewer than 2 units of an arm.

    Notes
    -----
    With the share treated the value is that of arm means among the picked and among the others, weighted by their shares;
    with a known propensity the means are weighted by its inverse and corrected for what that leaves (augmented
    inverse-propensity weights). Errors count the shares of the picked as a sample's; the reference is normal.

    References
    ----------
    .. [1] Dudik, Langford & Li (2011), Doubly robust policy evaluation and learning, ICML, section 3.
    .. [2] Athey & Wager (2021), Policy learning with observational data, Econometrica 89, 133-161.

    Examples
    --------
    >>> from ecomops.experiments import policy_value
    >>> units = {"treated": [1, 1, 0, 0] * 2, "outcome": [5, 7, 1, 3, 2, 2, 1, 3]}
    >>> found = policy_value([1, 1, 1, 1, 0, 0, 0, 0], **units, cost=1.0)
    >>> found.policy.tolist(), found.value.tolist(), found.rule_gain.value.tolist()
    (['rule', 'treat all', 'treat none'], [3.5, 3.0, 2.0], [0.0, 0.5, 1.5])
    """
    check_units(picked, treated, outcome, propensity)
    _check_cost(cost, picked)
    levels, errors = np.empty((2, picked.size)), np.empty((2, picked.size))
    for name, part in (("picked", picked), ("other", ~picked)):
        if part.any():
            levels[:, part], errors[:, part] = _levels(part, treated, outcome, propensity, name)
    if_treated, if_not = levels[0] - cost, levels[1]
    worth = np.array([np.where(picked, if_treated, if_not), if_treated, if_not])
    scores = np.array(
        [np.where(picked, errors[0] - cost, errors[1]), errors[0] - cost, errors[1]]
    )  # the same, with residuals a trifle larger for the means that were fitted
    value = worth.mean(axis=1)
    error = np.array([_error(part) for part in scores])
    z = -float(special.ndtri((1.0 - confidence) / 2))
    return PolicyValues(
        policy=list(ROWS),
        share=[float(picked.mean()), 1.0, 0.0],
        value=value,
        standard_error=error,
        lower=value - z * error,
        upper=value + z * error,
        rule_gain=Estimate(
            value=(worth[0] - worth).mean(axis=1),
            standard_error=[_error(scores[0] - part) for part in scores],
            n_treatment=float(treated.sum()),
            n_control=float((~treated).sum()),
            method="value of the rule less another's",
        ),
        confidence=confidence,
        method=f"augmented inverse-propensity weights, {assigned(propensity)}",
    )


@validated
def best_targeting(
    score: Column,
    *,
    treated: UnitFlags,
    outcome: Column,
    cost: Num,
    propensity: Probability | None = None,
    folds: PositiveWhole = 5,
    rng: Rng = 0,
) -> BestTargeting:
    """Return the share of units to treat, best scores first, where each treatment has a cost.

    Parameters
    ----------
    score : array, shape (n,)
        What units are ranked by, such as a predicted uplift; it must not have been fitted on these units.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether each unit was treated, at random.
    outcome : array, shape (n,)
        Value of each unit, such as margin.
    cost : float or array, shape (n,)
        Cost of treating a unit, in the unit of the outcome.
    propensity : float or array, shape (n,), optional
        Known probability of treatment; by default it is one for all and the share treated stands for it.
    folds : int
        Parts of the units, at least 2, each valued at the threshold that the others choose.
    rng : int, Generator or None
        Deals the units to the folds.

    Returns
    -------
    BestTargeting
        Share and threshold with the largest gain less cost, its gain on these units, and its honest value.

    Raises
    ------
    InputError
        When lengths differ, an arm has fewer than 2 units, or there are more folds than units.

    Notes
    -----
    The top of a noisy curve is higher than what lies under it, so ``gain`` is too good; ``honest`` is not, since no unit
    helps to choose the threshold it is valued at.

    References
    ----------
    .. [1] Athey & Wager (2021), Policy learning with observational data, Econometrica 89, 133-161.
    .. [2] Gutierrez & Gerardy (2017), Causal inference and uplift modelling: a review of the literature, PMLR 67, 1-13.

    Examples
    --------
    >>> from ecomops.experiments import best_targeting
    >>> units = {"treated": [1, 1, 0, 0] * 2, "outcome": [5, 7, 1, 3, 2, 2, 1, 3]}
    >>> found = best_targeting([2, 2, 2, 2, 1, 1, 1, 1], **units, cost=1.0, folds=2)
    >>> found.share, found.threshold, found.gain, found.honest.value
    (0.5, 2.0, 1.5, 1.5)
    """
    check_units(score, treated, outcome, propensity)
    _check_cost(cost, score)
    if not 2 <= folds <= score.size:
        raise InputError(f"folds must be from 2 to the number of units, {score.size}, got {folds}")
    step, threshold = steps_of(score)
    net = unit_effects(treated, outcome, propensity) - cost
    # At random: folds dealt in turn by score would share the chance imbalance of the arms along it, and leak.
    fold = rng.permutation(score.size) % folds
    kept = np.bincount(fold * threshold.size + step, weights=net, minlength=folds * threshold.size)
    kept = kept.reshape(folds, threshold.size)
    total = kept.sum(axis=0)
    best = _best(total)
    taken = step < _best(total - kept)[fold]
    arm = None if propensity is not None else treated
    name = f"inverse-propensity weights, {folds} folds, {assigned(propensity)}"
    honest, over_all = (
        Estimate(
            value=float(part.mean()),
            standard_error=np.sqrt(shared_error(part, part, arm)),
            n_treatment=float(treated.sum()),
            n_control=float((~treated).sum()),
            method=f"gain over treating {over}, {name}",
        )
        for over, part in (("none", np.where(taken, net, 0.0)), ("all", np.where(taken, 0.0, -net)))
    )
    return BestTargeting(
        share=float((step < best).mean()),
        threshold=float(threshold[best - 1]) if best else np.nan,
        gain=float(total[:best].sum()) / score.size,
        honest=honest,
        over_all=over_all,
        method=name,
        reason="" if best else NOBODY,
    )


def _check_cost(cost: Any, units: Any) -> None:
    if np.ndim(cost) and np.shape(cost) != units.shape:
        raise InputError(f"cost must be one number or one a unit, got {np.shape(cost)} for {units.size} units")


def _levels(part: Any, treated: Any, outcome: Any, propensity: Any, name: str) -> tuple[Array, Array]:
    """Return for some units a number each whose mean estimates the level if treated and if not, and its form for errors."""
    arm, value = treated[part], outcome[part]
    share = arm.mean() if propensity is None else np.broadcast_to(propensity, part.shape)[part]
    found, spread = [], []
    for role, units, chance in (("treated", arm, share), ("control", ~arm, 1.0 - share)):
        size = int(units.sum())
        if size < 2:
            raise InputError(
                f"picked must leave at least 2 units of each arm, got {size} {role} among the {name} units"
            )
        weight = units / chance
        mean = weight @ value / weight.sum()
        found.append(mean + weight * (value - mean))
        spread.append(mean + weight * (value - mean) * np.sqrt(size / (size - 1.0)))
    return np.array(found), np.array(spread)


def _error(scores: Any) -> float:
    return float(np.sqrt(np.mean(np.square(scores - scores.mean())) / scores.size))


def _best(steps: Any) -> Any:
    """Return how many steps, from none on, have the largest sum; the fewest where several do."""
    sums = np.cumsum(steps, axis=-1)
    return np.argmax(np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1), axis=-1)
