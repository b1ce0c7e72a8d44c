"""A simulated A/B test with a known effect."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from ecomops.core import (
    Array,
    Floats,
    Labels,
    Model,
    NonNegativeReal,
    PositiveReal,
    PositiveWhole,
    ProbabilityReal,
    Real,
    Rng,
    validated,
)
from ecomops.core.errors import InputError


class ExperimentRows(Model):
    """Units of a simulated test.

    Examples
    --------
    >>> from ecomops.experiments import simulate_experiment
    >>> simulate_experiment(4, conversion=0.5, mean_spend=20, rng=1).unit.tolist()
    [0, 1, 2, 3]
    """

    __labelled__ = False

    unit: Labels
    """Number of each unit, shape (n,)."""
    arm: Labels
    """"control" or "treatment", shape (n,)."""
    converted: Annotated[Array | Any, Floats(core=1, ge=0, le=1, whole=True)]
    """1 where the unit converted, shape (n,)."""
    spend: Annotated[Array | Any, Floats(core=1, ge=0)]
    """Spend of the unit, money, shape (n,)."""


@validated
def simulate_experiment(
    units: PositiveWhole,
    *,
    conversion: ProbabilityReal,
    lift: Real = 0.0,
    mean_spend: PositiveReal = 30.0,
    spend_variation: NonNegativeReal = 0.8,
    share: ProbabilityReal = 0.5,
    rng: Rng = None,
) -> ExperimentRows:
    """Draw the units of a test in which the treatment converts better by a given lift.

    Parameters
    ----------
    units : int
        Number of units, >= 1.
    conversion : float
        Conversion rate of the control, in (0, 1).
    lift : float
        Relative lift of the conversion rate; 0 makes an A/A test.
    mean_spend : float
        Mean spend of one who converted, money.
    spend_variation : float
        Standard deviation of the logarithm of spend.
    share : float
        Share of units in the treatment.
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    ExperimentRows
        One row a unit.

    Raises
    ------
    InputError
        When the lift leads to a rate outside [0, 1], or the variation is too large to draw.

    Examples
    --------
    >>> from ecomops.experiments import simulate_experiment
    >>> rows = simulate_experiment(1000, conversion=0.1, lift=0.2, rng=1)
    >>> sorted(set(rows.arm.tolist()))
    ['control', 'treatment']
    """
    rate = conversion * (1.0 + lift)
    if not 0.0 <= rate <= 1.0:
        raise InputError(f"lift must leave the conversion rate in [0, 1], got {rate:g}")
    if spend_variation > 5:
        raise InputError(f"spend_variation must be at most 5, got {spend_variation:g}")
    treated = rng.random(units) < share
    converted = rng.random(units) < np.where(treated, rate, conversion)
    spend = rng.lognormal(-(spend_variation**2) / 2, spend_variation, units) * mean_spend
    arm = np.where(treated, "treatment", "control").astype(object)
    return ExperimentRows(
        unit=np.arange(units), arm=arm, converted=converted.astype(np.float64), spend=np.where(converted, spend, 0.0)
    )
