"""Posterior laws of several arms: beta for proportions, gamma for rates, normal for means."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from ecomops.core import (
    Array,
    Floats,
    InputError,
    Model,
    NonNegativeReal,
    PositiveReal,
    Real,
    Vector,
    validated,
)
from ecomops.experiments.sequential.bernoulli_sequences import refuse_excess

CountVector: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
PositiveVector: TypeAlias = Annotated[Array | Any, Floats(core=1, gt=0)]
Spread: TypeAlias = Annotated[float, Floats(scalar=True, gt=0, inf=True)]


class BetaPosterior(Model):
    """Beta laws of the proportions of several arms.

    Examples
    --------
    >>> BetaPosterior(successes=[101, 121], failures=[901, 881])
    BetaPosterior(successes=[101, 121], failures=[901, 881])
    """

    kind: Literal["BetaPosterior"] = "BetaPosterior"
    successes: PositiveVector
    """First parameter of each arm, shape (..., k): successes and prior successes."""
    failures: PositiveVector
    """Second parameter of each arm, shape (..., k): failures and prior failures."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _same_arms("successes", self.successes, "failures", self.failures)
        return self


class GammaPosterior(Model):
    """Gamma laws of the rates of several arms.

    Examples
    --------
    >>> GammaPosterior(events=[31, 46], exposure=[1000, 1010])
    GammaPosterior(events=[31, 46], exposure=[1000, 1010])
    """

    kind: Literal["GammaPosterior"] = "GammaPosterior"
    events: PositiveVector
    """Shape of each arm, shape (..., k): events and prior events."""
    exposure: PositiveVector
    """Rate parameter of each arm, shape (..., k): exposure and prior exposure."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _same_arms("events", self.events, "exposure", self.exposure)
        return self


class NormalPosterior(Model):
    """Normal laws of the means of several arms.

    Examples
    --------
    >>> NormalPosterior(mean=[10.0, 10.4], sd=[0.2, 0.2])
    NormalPosterior(mean=[10, 10.4], sd=[0.2, 0.2])
    """

    kind: Literal["NormalPosterior"] = "NormalPosterior"
    mean: Vector
    """Mean of each arm, shape (..., k)."""
    sd: PositiveVector
    """Standard deviation of each arm, shape (..., k)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        _same_arms("mean", self.mean, "sd", self.sd)
        return self


Posterior: TypeAlias = Annotated[BetaPosterior | GammaPosterior | NormalPosterior, Field(discriminator="kind")]


@validated
def beta_posterior(
    successes: CountVector,
    *,
    trials: CountVector,
    prior_successes: PositiveReal = 1.0,
    prior_failures: PositiveReal = 1.0,
) -> BetaPosterior:
    """Return the beta posteriors of proportions.

    Parameters
    ----------
    successes : array, shape (..., k)
        Whole numbers of successes in each arm.
    trials : array, shape (..., k)
        Whole numbers of trials in each arm.
    prior_successes, prior_failures : float
        Parameters of the beta prior of every arm; 1 and 1 is uniform.

    Returns
    -------
    BetaPosterior
        One law an arm.

    Raises
    ------
    InputError
        When an arm has more successes than trials, or the arms do not match.

    References
    ----------
    .. [1] Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 2.4.

    Examples
    --------
    >>> from ecomops.experiments import beta_posterior
    >>> beta_posterior([100, 120], trials=[1000, 1000])
    BetaPosterior(successes=[101, 121], failures=[901, 881])
    """
    _same_arms("successes", successes, "trials", trials)
    refuse_excess(successes, trials)
    return BetaPosterior(successes=successes + prior_successes, failures=trials - successes + prior_failures)


@validated
def gamma_posterior(
    events: CountVector,
    *,
    exposure: PositiveVector,
    prior_events: PositiveReal = 1.0,
    prior_exposure: NonNegativeReal = 0.0,
) -> GammaPosterior:
    """Return the gamma posteriors of Poisson rates.

    Parameters
    ----------
    events : array, shape (..., k)
        Whole numbers of events in each arm.
    exposure : array, shape (..., k)
        Units or time that the events come from.
    prior_events, prior_exposure : float
        Shape and rate of the gamma prior of every arm; 1 and 0 is flat.

    Returns
    -------
    GammaPosterior
        One law an arm.

    Raises
    ------
    InputError
        When the arms do not match.

    References
    ----------
    .. [1] Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 2.6.

    Examples
    --------
    >>> from ecomops.experiments import gamma_posterior
    >>> gamma_posterior([30, 45], exposure=[1000, 1010])
    GammaPosterior(events=[31, 46], exposure=[1000, 1010])
    """
    _same_arms("events", events, "exposure", exposure)
    return GammaPosterior(events=events + prior_events, exposure=exposure + prior_exposure)


@validated
def normal_posterior(
    mean: Vector, *, standard_error: PositiveVector, prior_mean: Real = 0.0, prior_sd: Spread = np.inf
) -> NormalPosterior:
    """Return the normal posteriors of means with known standard errors.

    Parameters
    ----------
    mean : array, shape (..., k)
        Mean of each arm.
    standard_error : array, shape (..., k)
        Its standard error.
    prior_mean, prior_sd : float
        Normal prior of every arm; infinite for a flat one.

    Returns
    -------
    NormalPosterior
        One law an arm.

    Raises
    ------
    InputError
        When the arms do not match.

    References
    ----------
    .. [1] Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 2.5, eq. (2.11)-(2.12).

    Examples
    --------
    >>> from ecomops.experiments import normal_posterior
    >>> normal_posterior([10.0, 10.4], standard_error=[0.2, 0.2], prior_mean=10, prior_sd=0.2).mean
    array([10. , 10.2])
    """
    _same_arms("mean", mean, "standard_error", standard_error)
    centre, sd = shrunk(mean, standard_error, prior_mean, prior_sd)
    return NormalPosterior(mean=centre, sd=sd)


def shrunk(mean: Any, error: Any, prior_mean: float, prior_sd: float) -> tuple[Any, Any]:
    """Return mean and sd of the normal posterior."""
    # In ratios: the squares of odd units leave the range of floats.
    share = 1.0 / (1.0 + np.square(error / prior_sd))
    return prior_mean + share * (mean - prior_mean) if np.isfinite(prior_sd) else mean, error * np.sqrt(share)


def _same_arms(name: str, one: Any, other_name: str, other: Any) -> None:
    if np.shape(one)[-1] != np.shape(other)[-1]:
        shapes = f"{np.shape(one)[-1]} and {np.shape(other)[-1]}"
        raise InputError(f"{name} and {other_name} must have the same arms along their last axis, got {shapes}")
