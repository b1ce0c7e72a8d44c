"""When to stop an experiment early: shapes of bounds, ways to spend the error, and bounds at given looks."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator
from scipy import special

from ecomops.core import Array, Flag, Floats, Model, check
from ecomops.experiments.sequential import crossings

Sides: TypeAlias = Literal["two-sided", "one-sided"]
Fractions: TypeAlias = Annotated[Array | Any, Floats(core=1, gt=0)]
Bounds: TypeAlias = Annotated[Array | Any, Floats(core=1, inf=True)]
Drift: TypeAlias = Annotated[float | Array | Any, Floats(ge=-100, le=100)]
MAX_LOOKS = 1000


class ObrienFleming(Model):
    """Bounds proportional to 1 / sqrt(information fraction): hard to cross early, nearly free at the end.

    Examples
    --------
    >>> ObrienFleming()
    ObrienFleming()
    """

    kind: Literal["ObrienFleming"] = "ObrienFleming"


class Pocock(Model):
    """The same bound at each look.

    Examples
    --------
    >>> Pocock()
    Pocock()
    """

    kind: Literal["Pocock"] = "Pocock"


class WangTsiatis(Model):
    """Bounds proportional to (information fraction)**(exponent - 1/2).

    Examples
    --------
    >>> WangTsiatis(exponent=0.25)
    WangTsiatis(exponent=0.25)
    """

    kind: Literal["WangTsiatis"] = "WangTsiatis"
    exponent: Annotated[float, Floats(scalar=True, ge=0, le=0.5)]
    """0 gives O'Brien-Fleming, 1/2 gives Pocock."""


class LanDeMets(Model):
    """Error spent so that the bounds come near O'Brien-Fleming's or Pocock's, for looks at any time.

    Examples
    --------
    >>> LanDeMets()
    LanDeMets(like='obrien-fleming')
    """

    kind: Literal["LanDeMets"] = "LanDeMets"
    like: Literal["obrien-fleming", "pocock"] = "obrien-fleming"
    """Whose bounds: 2 - 2 Phi(z / sqrt(t)) with z the quantile of half the error, or error * log(1 + (e - 1) t)."""


class HwangShihDeCani(Model):
    """Error spent as (1 - exp(-gamma t)) / (1 - exp(-gamma)).

    Examples
    --------
    >>> HwangShihDeCani(gamma=-4)
    HwangShihDeCani(gamma=-4)
    """

    kind: Literal["HwangShihDeCani"] = "HwangShihDeCani"
    gamma: Annotated[float, Floats(scalar=True, ge=-40, le=40)]
    """-4 is near O'Brien-Fleming, 1 near Pocock, 0 spends in proportion to the information."""


class PowerSpending(Model):
    """Error spent as (information fraction)**exponent.

    Examples
    --------
    >>> PowerSpending(exponent=3)
    PowerSpending(exponent=3)
    """

    kind: Literal["PowerSpending"] = "PowerSpending"
    exponent: Annotated[float, Floats(scalar=True, gt=0, le=50)]
    """> 0; the larger, the less is spent early."""


Spending: TypeAlias = Annotated[LanDeMets | HwangShihDeCani | PowerSpending, Field(discriminator="kind")]
Boundary: TypeAlias = Annotated[
    ObrienFleming | Pocock | WangTsiatis | LanDeMets | HwangShihDeCani | PowerSpending, Field(discriminator="kind")
]


class FutilityRule(Model):
    """When to give up: the error of the second kind is spent over the looks.

    Examples
    --------
    >>> FutilityRule(spending=HwangShihDeCani(gamma=-2)).binding
    False
    """

    spending: Spending
    """How the error of the second kind (1 - power) is spent."""
    binding: Flag = False
    """Whether one must stop: binding rules lower the other bounds, and going on regardless then breaks the level."""


class StoppingBounds(Model):
    """Looks, and the statistics at which to stop there.

    Examples
    --------
    >>> peeking = StoppingBounds(fractions=[0.2, 0.4, 0.6, 0.8, 1.0], efficacy=[1.96] * 5)
    >>> peeking.alternative
    'two-sided'
    """

    fractions: Fractions
    """Information fractions of the looks, shape (k,), increasing; 1 is the planned end."""
    efficacy: Bounds
    """Stop where z (abs(z) where two-sided) is at least this, shape (k,); infinite at a look without a stop."""
    futility: Bounds | None = None
    """Stop where z (abs(z) where two-sided) is at most this, shape (k,); minus infinity at a look without a stop."""
    alternative: Sides = "two-sided"
    """Whether effects in both directions stop the experiment, or increases only."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        looks = f"bound a look, of which there are {self.fractions.size}"
        shape, least = self.fractions.shape, -np.inf if self.alternative == "one-sided" else 0.0
        check(len(shape) == 1, "fractions must be a list of numbers")
        check(self.fractions.size <= MAX_LOOKS, f"fractions must be at most {MAX_LOOKS} looks", self.fractions.size)
        check(np.diff(self.fractions) > 0, "fractions must increase without repeats", np.diff(self.fractions))
        check(self.efficacy.shape == shape, f"efficacy must have one {looks}")
        usable = (self.efficacy >= least) & ~np.isneginf(self.efficacy)
        check(usable, "efficacy must be >= 0 where two-sided, and not minus infinity", self.efficacy)
        if self.futility is not None:
            check(self.futility.shape == shape, f"futility must have one {looks}")
            ordered = (self.futility <= self.efficacy) & ~np.isposinf(self.futility)
            check(ordered, "futility must be finite and <= efficacy", self.futility, self.efficacy)
        return self


def looks_of(bounds: StoppingBounds) -> crossings.Looks:
    """Return the bounds as the kernel has them: a region to go on in at each look."""
    none = np.full(bounds.fractions.size, -np.inf)
    futility = none if bounds.futility is None else bounds.futility
    if bounds.alternative == "two-sided":
        return crossings.Looks(bounds.fractions, bounds.efficacy, -bounds.efficacy, futility)
    return crossings.Looks(bounds.fractions, bounds.efficacy, futility, none)


def firm_looks(bounds: StoppingBounds, *, binding: bool) -> crossings.Looks:
    """Return the looks without the futility bounds that one may go on in spite of."""
    looks = looks_of(bounds)
    if binding:
        return looks
    none = np.full(looks.times.size, -np.inf)
    return looks._replace(lower=looks.lower if bounds.alternative == "two-sided" else none, inner=none)


def cumulative(spending: Any, fractions: Array, error: float) -> Array:
    """Return the error spent up to each look; all of it from fraction 1 on."""
    t = np.minimum(fractions, 1.0)
    if isinstance(spending, PowerSpending):
        spent = error * t**spending.exponent
    elif isinstance(spending, HwangShihDeCani):
        gamma = spending.gamma
        spent = error * (np.expm1(-gamma * t) / np.expm1(-gamma) if gamma else t)
    elif spending.like == "pocock":
        spent = error * np.log1p((np.e - 1.0) * t)
    else:
        spent = 2.0 * special.ndtr(special.ndtri(error / 2.0) / np.sqrt(t))
    return np.where(t == 1.0, error, spent)


def exponent_of(boundary: Any) -> float | None:
    """Return the exponent of Wang and Tsiatis of a boundary with a fixed shape, and nothing for a spending function."""
    if isinstance(boundary, WangTsiatis):
        return boundary.exponent
    return {"ObrienFleming": 0.0, "Pocock": 0.5}.get(boundary.kind)
