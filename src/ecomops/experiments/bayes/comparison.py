"""Bayes: the probability that an arm is best, the expected loss of choosing it, and credible intervals."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from pydantic import Field
from scipy import special

from ecomops.core import (
    Array,
    Floats,
    Fraction,
    InputError,
    Model,
    NonNegative,
    Num,
    ProbabilityReal,
    Real,
    Text,
    Texts,
    Vector,
    Whole,
    validated,
)
from ecomops.experiments.bayes.contrasts import contrast_quantiles
from ecomops.experiments.bayes.posteriors import BetaPosterior, GammaPosterior, Posterior, Spread, shrunk
from ecomops.experiments.bayes.quadrature import best_and_loss, moments_of, parameters
from ecomops.stats.estimate import LIFTS, NO_ERROR, Estimate
from ecomops.stats.special import normal_loss

Shares: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
Scale: TypeAlias = Literal["difference", "lift"]
RatePosterior: TypeAlias = Annotated[BetaPosterior | GammaPosterior, Field(discriminator="kind")]
Losses: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0)]


class BayesComparison(Model):
    """Several arms compared by their posteriors.

    Examples
    --------
    >>> from ecomops.experiments import BetaPosterior, compare_bayes
    >>> compare_bayes(BetaPosterior(successes=[101, 121], failures=[901, 881])).probability_best.round(4)
    array([0.0768, 0.9232])
    """

    probability_best: Shares
    """Probability that the arm is the best, shape (..., k)."""
    expected_loss: Losses
    """What choosing the arm costs on average against the best one, in units of the quantity, shape (..., k)."""
    mean: Vector
    """Posterior mean, shape (..., k)."""
    sd: Losses
    """Posterior standard deviation, shape (..., k)."""
    method: Text
    """How it was found."""


class CredibleInterval(Model):
    """The credible interval of a contrast of two arms.

    Examples
    --------
    >>> from ecomops.experiments import beta_posterior, credible_interval
    >>> round(credible_interval(beta_posterior([100, 120], trials=[1000, 1000]), scale="lift").median, 4)
    0.1986
    """

    median: Num
    """Posterior median of the contrast."""
    lower: Num
    """Lower end; below it and above the upper end lies equal probability."""
    upper: Num
    """Upper end."""
    credibility: ProbabilityReal
    """Posterior probability of the interval."""
    method: Text
    """How it was found."""


class BayesEffect(Model):
    """The posterior of an effect.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, bayes_effect
    >>> round(bayes_effect(Estimate(value=0.1, standard_error=0.05)).probability_better, 4)
    0.9772
    """

    mean: Num
    """Posterior mean of the effect."""
    sd: NonNegative
    """Posterior standard deviation."""
    lower: Num
    """Lower end of the credible interval with equal tails."""
    upper: Num
    """Upper end."""
    probability_better: Fraction
    """Probability that the effect is above 0; 1/2 where it is known to be 0."""
    loss_treatment: NonNegative
    """What choosing the treatment costs on average: E max(-effect, 0)."""
    loss_control: NonNegative
    """What keeping the control costs on average: E max(effect, 0)."""
    credibility: ProbabilityReal
    """Posterior probability of the interval."""
    method: Text
    """Prior, and how the estimate was made."""
    reason: Texts
    """Why the posterior has no width; empty elsewhere."""


@validated
def compare_bayes(posterior: Posterior) -> BayesComparison:
    """Compare independent arms by their posteriors: probability of being best and expected loss.

    Parameters
    ----------
    posterior : BetaPosterior, GammaPosterior or NormalPosterior
        The laws of two arms or more, along the last axis.

    Returns
    -------
    BayesComparison
        In the batch shape of the posterior, with the arms along the last axis.

    Raises
    ------
    InputError
        When there are fewer than 2 arms.

    Notes
    -----
    P(i best) is the integral of f_i times the product of the other distributions F_j; the expected loss
    E max(max_j X_j - X_i, 0) is that of F_i (1 - prod F_j), whose factors are sums of positive terms. Both are integrated by
    Gauss-Legendre panels: probabilities to 1e-12 (2e-11 at a billion conversions), and losses to 7 digits however small they
    are, down to 1e-20 of the quantity.

    References
    ----------
    .. [1] Stucchio (2015), Bayesian A/B Testing at VWO, sections 4 and 5.

    Examples
    --------
    100 and 120 conversions of 1000 with a uniform prior.

    >>> from ecomops.experiments import beta_posterior, compare_bayes
    >>> result = compare_bayes(beta_posterior([100, 120], trials=[1000, 1000]))
    >>> result.probability_best.round(11), result.expected_loss.round(11)
    (array([0.07681656, 0.92318344]), array([0.02044469, 0.00048461]))
    """
    parts = parameters(posterior)
    if parts[0].shape[-1] < 2:
        raise InputError(f"posterior must have at least 2 arms along its last axis, got {parts[0].shape[-1]}")
    best, loss = best_and_loss(posterior, parts)
    mean, sd = moments_of(posterior, parts)
    return BayesComparison(
        probability_best=best,
        expected_loss=loss,
        mean=mean,
        sd=sd,
        method=f"{posterior.kind}, Gauss-Legendre quadrature",
    )


@validated
def bayes_effect(
    estimate: Estimate,
    *,
    scale: Scale = "difference",
    prior_mean: Real = 0.0,
    prior_sd: Spread = np.inf,
    credibility: ProbabilityReal = 0.95,
) -> BayesEffect:
    """Return the normal posterior of an estimate: probability of being better, losses, credible interval.

    Parameters
    ----------
    estimate : Estimate
        Any difference.
    scale : {"difference", "lift"}
        The effect itself, or as a fraction of the baseline with its error by the delta method.
    prior_mean, prior_sd : float
        Normal prior of the effect on that scale; an infinite ``prior_sd`` is a flat one.
    credibility : float
        Posterior probability of the interval, in (0, 1).

    Returns
    -------
    BayesEffect
        In the shape of the estimate. With a standard error of 0 it has no width, and the reason says so.

    Raises
    ------
    InputError
        When a baseline is not > 0 and a lift is asked for.

    Notes
    -----
    With z = mean / sd the losses are sd (pdf(z) - z Phi(-z)) and sd (pdf(z) + z Phi(z)).

    References
    ----------
    .. [1] Gelman et al. (2013), Bayesian Data Analysis, 3rd ed., section 2.5.

    Examples
    --------
    >>> from ecomops.experiments import Estimate, bayes_effect
    >>> result = bayes_effect(Estimate(value=0.1, standard_error=0.05))
    >>> round(result.loss_control, 13), round(result.loss_treatment, 13)
    (0.1004245351308, 0.0004245351308)
    """
    value, error = effect_of(estimate, scale)
    known = error > 0
    mean, sd = shrunk(value, error, prior_mean, prior_sd)
    safe = np.where(known, sd, 1.0)
    z = mean / safe
    width = -special.ndtri((1.0 - credibility) / 2.0) * sd
    certain = np.where(mean > 0, 1.0, np.where(mean < 0, 0.0, 0.5))
    return BayesEffect(
        mean=mean,
        sd=sd,
        lower=mean - width,
        upper=mean + width,
        probability_better=np.where(known, special.ndtr(z), certain),
        loss_treatment=np.where(known, safe * normal_loss(z), np.maximum(-mean, 0.0)),
        loss_control=np.where(known, safe * normal_loss(-z), np.maximum(mean, 0.0)),
        credibility=credibility,
        method=f"{'flat' if math.isinf(prior_sd) else 'normal'} prior of the {scale}, {estimate.method}",
        reason=_texts(np.where(known, "", NO_ERROR)),
    )


@validated
def credible_interval(
    posterior: RatePosterior,
    *,
    treatment: Whole = 1,
    control: Whole = 0,
    scale: Scale = "difference",
    credibility: ProbabilityReal = 0.95,
) -> CredibleInterval:
    """Return the credible interval of the difference, or of the lift, between two arms.

    Parameters
    ----------
    posterior : BetaPosterior or GammaPosterior
        The laws of the arms, along the last axis.
    treatment, control : int
        Places of the two arms on the last axis, from 0.
    scale : {"difference", "lift"}
        Treatment minus control, or treatment / control - 1.
    credibility : float
        Posterior probability of the interval, in (0, 1); the tails are equal.

    Returns
    -------
    CredibleInterval
        In the batch shape of the posterior.

    Raises
    ------
    InputError
        When an arm does not exist, or the two are the same.

    Notes
    -----
    The distribution of the difference is the integral of one density times the distribution of the other, moved; its
    quantiles are found between the bounds of Cantelli's inequality. For normal arms use `bayes_effect`.

    References
    ----------
    .. [1] Stucchio (2015), Bayesian A/B Testing at VWO, section 5.

    Examples
    --------
    >>> from ecomops.experiments import beta_posterior, credible_interval
    >>> interval = credible_interval(beta_posterior([100, 120], trials=[1000, 1000]))
    >>> round(interval.lower, 5), round(interval.upper, 5)
    (-0.00747, 0.04747)
    """
    arms = parameters(posterior)[0].shape[-1]
    for name, place in (("treatment", treatment), ("control", control)):
        if not 0 <= place < arms:
            raise InputError(f"{name} must be in [0, {arms - 1}], got {place}")
    if treatment == control:
        raise InputError(f"treatment must be another arm than control, got {treatment} for both")
    tail = (1.0 - credibility) / 2.0
    lower, median, upper = contrast_quantiles(posterior, treatment, control, scale, [tail, 0.5, 1.0 - tail])
    return CredibleInterval(
        median=median,
        lower=lower,
        upper=upper,
        credibility=credibility,
        method=f"{posterior.kind}, {scale}, Gauss-Legendre quadrature",
    )


def effect_of(estimate: Estimate, scale: Scale) -> tuple[Any, Any]:
    """Return an effect and its standard error on a scale."""
    if scale == "difference":
        value, error = np.broadcast_arrays(np.asarray(estimate.value), np.asarray(estimate.standard_error))
        return value, error
    if np.any(np.asarray(estimate.baseline) <= 0):
        least = float(np.min(estimate.baseline))
        raise InputError(f"estimate.baseline must be > 0 for a lift, got {least}; use scale='difference'")
    lower, upper, _ = LIFTS["delta"](estimate, 1.0)
    return lower + (upper - lower) / 2.0, (upper - lower) / 2.0


def _texts(text: Any) -> Any:
    return str(text) if np.ndim(text) == 0 else np.asarray(text, dtype=object)
