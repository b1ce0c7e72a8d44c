"""Confidence sequences of a proportion, exact for Bernoulli trials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from ecomops.core import Array, Count, Fraction, InputError, Model, Positive, ProbabilityReal, Text, validated
from ecomops.experiments.sequential.time_uniform import Tuning, best_growth
from ecomops.stats.special import deviance, stirling_error

NEWTON_STEPS = 50


class BernoulliSequence(Model):
    """A confidence sequence for a proportion.

    Examples
    --------
    >>> from ecomops.experiments import bernoulli_confidence_sequence
    >>> sequence = bernoulli_confidence_sequence(700, trials=1000, planned_trials=1000)
    >>> round(sequence.lower, 4), round(sequence.upper, 4)
    (0.655, 0.7428)
    """

    value: Fraction
    """Successes over trials; 0 where there are no trials."""
    lower: Fraction
    """Lower end."""
    upper: Fraction
    """Upper end."""
    confidence: ProbabilityReal
    """Probability that all looks together cover the proportion, at least."""
    method: Text
    """How it was found."""


@validated
def bernoulli_confidence_sequence(
    successes: Count,
    *,
    trials: Count,
    planned_trials: Positive,
    confidence: ProbabilityReal = 0.95,
    tuning: Tuning = "exact",
) -> BernoulliSequence:
    """Return the exact confidence sequence of a proportion, good at every number of trials at once.

    Parameters
    ----------
    successes : float or array
        Whole number of successes so far.
    trials : float or array
        Whole number of trials so far.
    planned_trials : float or array
        Number of trials at which it is to be narrowest.
    confidence : float
        Probability of covering the proportion at all looks together, in (0, 1).
    tuning : {"exact", "closed-form"}
        How the mixture is tuned: by the best variance of a normal mixture, or by its approximation in closed form.

    Returns
    -------
    BernoulliSequence
        In the broadcast shape of the counts.

    Raises
    ------
    InputError
        When there are more successes than trials.

    Notes
    -----
    For each p the likelihood ratio of a beta mixture with mean p and k = planned_trials / d - 1 prior trials
    (0.001 at least) against p itself is a martingale; p stays in where it is below 1 / (1 - confidence).

    References
    ----------
    .. [1] Howard, Ramdas, McAuliffe & Sekhon (2021), Annals of Statistics 49(2), 1055-1080, proposition 7.

    Examples
    --------
    >>> from ecomops.experiments import bernoulli_confidence_sequence
    >>> sequence = bernoulli_confidence_sequence(700, trials=1000, planned_trials=100, tuning="closed-form")
    >>> round(sequence.lower, 5), round(sequence.upper, 5)
    (0.65163, 0.74595)
    """
    refuse_excess(successes, trials)
    alpha = 1.0 - confidence
    prior = np.maximum(np.asarray(planned_trials) / best_growth(alpha, tuning, one_sided=False) - 1.0, 1e-3)
    k, n, prior = np.broadcast_arrays(np.asarray(successes), np.asarray(trials), prior)
    sides = np.stack([k, n - k]).reshape(2, -1)
    trials_of, prior_of = (np.broadcast_to(part.reshape(1, -1), sides.shape) for part in (n, prior))
    lower, beyond = bernoulli_lower(sides, trials_of, prior_of, -math.log(alpha)).reshape(2, *k.shape)
    return BernoulliSequence(
        value=k / np.maximum(n, 1.0),
        lower=lower,
        upper=1.0 - beyond,
        confidence=confidence,
        method=f"beta-binomial mixture, {tuning} tuning",
    )


def refuse_excess(successes: Any, trials: Any) -> None:
    """Refuse more successes than trials, with the first such place."""
    x, n = np.broadcast_arrays(successes, trials)
    if np.any(x > n):
        place = int(np.argmax(x > n))
        where = f" at index {place}" if x.ndim == 1 else ""
        raise InputError(f"successes must be <= trials, got {x.ravel()[place]:g} of {n.ravel()[place]:g}{where}")


def bernoulli_log_mixture(k: Any, n: Any, prior: Any, p: Any) -> tuple[Any, Any]:
    """Return log of the beta mixture with mean p over the likelihood at p, and its slope in log p; 0 < p < 1.

    The beta functions are written by Stirling's errors and deviances, so that nothing of the size of n cancels.
    """
    q = 1.0 - p
    a, b, total = k + prior * p, n - k + prior * q, n + prior
    gap = k - n * p
    data = deviance(a, total * p, gap) + deviance(b, total * q, -gap)
    data = data + stirling_error(a) + stirling_error(b) - stirling_error(total) - 0.5 * np.log(a / total * b)
    before = stirling_error(prior * p) + stirling_error(prior * q) - stirling_error(prior)
    before = before - 0.5 * np.log(prior * p * q)
    weights = special.digamma(a) - special.digamma(b) - special.digamma(prior * p) + special.digamma(prior * q)
    return data - before, -k + (n - k) * p / q + prior * p * weights


def bernoulli_lower(k: Array, n: Array, prior: Array, threshold: float) -> Array:
    """Return the least p whose log mixture is below the threshold; 0 for fewer than two successes.

    Newton in log p, kept inside a bracket: below k / n the mixture falls as p grows, and above 0 it is 0 at least there.
    """
    found = np.zeros_like(k)
    rows = k >= 2
    if not rows.any():
        return found
    k, n, prior = k[rows], n[rows], prior[rows]
    # At k = n the estimate is 1, where the mixture has no logarithm: the root lies below.
    high = np.log(np.minimum(k / n, 1.0 - 2.0**-53))
    low, stride = high - 1.0, 1.0
    short = bernoulli_log_mixture(k, n, prior, np.exp(low))[0] < threshold
    while short.any():
        stride *= 2.0
        low = np.where(short, low - stride, low)
        short = bernoulli_log_mixture(k, n, prior, np.exp(low))[0] < threshold
    middle, moved, count = low, high - low, 0
    while np.any(moved > 1e-15 * (1.0 + np.abs(middle))):
        value, slope = bernoulli_log_mixture(k, n, prior, np.exp(middle))
        over = value >= threshold
        low, high = np.where(over, middle, low), np.where(over, high, middle)
        guess = middle - (value - threshold) / np.where(slope < 0, slope, -1.0)
        inside = (slope < 0) & (guess > low) & (guess < high) & (count < NEWTON_STEPS)
        following = np.where(inside, guess, 0.5 * (low + high))
        middle, moved, count = following, np.abs(following - middle), count + 1
    found[rows] = np.exp(middle)
    return found
