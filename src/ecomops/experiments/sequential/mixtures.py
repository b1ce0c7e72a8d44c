"""Bounds for an `Estimate`, fixed before its first look: mixtures and stitching, in units or in effects."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field

from ecomops.core import InputError, Model, Positive
from ecomops.experiments.sequential.time_uniform import AboveOne, Tuning, best_growth, scaled_bound, stitched_level
from ecomops.stats.estimate import Estimate


class PlannedMixture(Model):
    """A normal mixture that is narrowest at a planned number of units.

    Examples
    --------
    >>> PlannedMixture(units=5000)
    PlannedMixture(units=5000, tuning='exact')
    """

    kind: Literal["PlannedMixture"] = "PlannedMixture"
    units: Positive
    """Units of both arms together at which the interval is to be narrowest, fixed before the first look."""
    tuning: Tuning = "exact"
    """The best variance of the mixture, or its approximation in closed form (as in gbstats and confseq)."""


class EffectMixture(Model):
    """A normal mixture over effects, as of the mixture sequential probability ratio test.

    Examples
    --------
    >>> EffectMixture(sd=0.1)
    EffectMixture(sd=0.1)
    """

    kind: Literal["EffectMixture"] = "EffectMixture"
    sd: Positive
    """Standard deviation of the effects that one expects (tau), in units of the estimate, fixed before the first look."""


class StitchedBound(Model):
    """The polynomial stitched bound, which narrows like the law of the iterated logarithm.

    Examples
    --------
    >>> StitchedBound(least_units=500).growth
    2.0
    """

    kind: Literal["StitchedBound"] = "StitchedBound"
    least_units: Positive
    """Units of both arms together from which the interval is meant to be narrow."""
    exponent: AboveOne = 1.4
    """Power with which the levels of the epochs fall, > 1."""
    growth: AboveOne = 2.0
    """Ratio of the ends of an epoch, > 1."""


Mixture: TypeAlias = Annotated[PlannedMixture | EffectMixture, Field(discriminator="kind")]
UnitBound: TypeAlias = Annotated[PlannedMixture | StitchedBound, Field(discriminator="kind")]
Bound: TypeAlias = Annotated[PlannedMixture | EffectMixture | StitchedBound, Field(discriminator="kind")]


def named(bound: PlannedMixture | EffectMixture | StitchedBound) -> str:
    """Return what a result calls the bound."""
    return {
        "PlannedMixture": "normal mixture at planned units",
        "EffectMixture": "normal mixture over effects (mSPRT)",
        "StitchedBound": "polynomial stitching",
    }[bound.kind]


def _units(estimate: Estimate) -> Any:
    units = np.asarray(estimate.n_treatment) + estimate.n_control
    if np.any(units <= 0):
        raise InputError(
            "estimate.n_treatment + n_control must be > 0 for a bound in units, got 0; or use EffectMixture"
        )
    return units


def growth_of(mixture: PlannedMixture | EffectMixture, estimate: Estimate, alpha: float, *, one_sided: bool) -> Any:
    """Return intrinsic time over the mixing parameter."""
    if isinstance(mixture, EffectMixture):
        error = np.asarray(estimate.standard_error)
        return np.square(mixture.sd / np.where(error > 0, error, mixture.sd))
    return _units(estimate) / np.asarray(mixture.units) * best_growth(alpha, mixture.tuning, one_sided=one_sided)


def critical_of(
    bound: PlannedMixture | EffectMixture | StitchedBound, estimate: Estimate, alpha: float, *, two_sided: bool
) -> Any:
    """Return the bound in standard errors."""
    if isinstance(bound, StitchedBound):
        units = _units(estimate)
        ratio = np.maximum(units / np.asarray(bound.least_units), 1.0)
        level, factor = stitched_level(ratio, alpha / 2.0 if two_sided else alpha, bound.exponent, bound.growth)
        # Below the least units the bound of the sum stays, and the sum is measured in fewer units.
        return factor * np.sqrt(level * np.maximum(bound.least_units / units, 1.0))
    growth = growth_of(bound, estimate, alpha, one_sided=not two_sided)
    return np.sqrt(1.0 + 1.0 / growth) * scaled_bound(growth, alpha, one_sided=not two_sided)
