"""Effects of single units whose means estimate mean effects: the arithmetic of uplift."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core import Array, InputError


def check_units(score: Any, treated: Any, outcome: Any, propensity: Any = None) -> None:
    """Refuse columns of different lengths and arms of fewer than 2 units."""
    for name, column in (("treated", treated), ("outcome", outcome), ("propensity", propensity)):
        if column is not None and np.ndim(column) and np.shape(column) != score.shape:
            raise InputError(f"{name} must have one entry a unit, got {np.shape(column)} for {score.size} units")
    for name, arm in (("treated", treated), ("control", ~treated)):
        if arm.sum() < 2:
            raise InputError(f"treated must leave at least 2 units in each arm, got {int(arm.sum())} {name}")


def steps_of(score: Any) -> tuple[NDArray[np.intp], Array]:
    """Return the step of each unit and the thresholds, highest score first."""
    distinct, place = np.unique(-score, return_inverse=True)
    return place, -distinct


def inverse_weights(treated: Any, propensity: Any) -> tuple[Array, Array]:
    """Return D / e and (1 - D) / (1 - e)."""
    share = float(np.mean(treated)) if propensity is None else propensity
    return treated / share, ~treated / (1.0 - share)


def unit_effects(treated: Any, outcome: Any, propensity: Any) -> Any:
    """Return a number a unit whose mean, over any set chosen by score, estimates the mean effect in it."""
    one, other = inverse_weights(treated, propensity)
    # Arm means with weights: the corrections then add to nothing over all units where the propensity is one for all.
    of_treated, of_control = (one @ outcome / one.sum()), (other @ outcome / other.sum())
    return of_treated - of_control + one * (outcome - of_treated) - other * (outcome - of_control)


def shared_error(first: Any, second: Any, arm: Any) -> float:
    """Return the covariance of two means over units, with the sizes of the arms given where ``arm`` tells them."""
    n = int(first.size)
    groups = (np.ones(n, dtype=bool),) if arm is None else (arm, ~arm)
    total = 0.0
    for group in groups:
        size = float(group.sum())
        apart = (first[group] - first[group].mean()) @ (second[group] - second[group].mean())
        total += float(apart) * size / (size - 1.0)
    return total / float(n) / float(n)


def assigned(propensity: Any) -> str:
    """Return in words where the probability of treatment comes from."""
    return "share treated" if propensity is None else "known propensity"
