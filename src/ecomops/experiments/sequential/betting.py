"""Means of bounded values at any look, without a model: tests and confidence sequences by betting."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeAlias

import numpy as np

from ecomops.core import (
    Array,
    Flag,
    Floats,
    InputError,
    PositiveWhole,
    ProbabilityReal,
    Real,
    validated,
)
from ecomops.experiments.sequential.always_valid import EMPTY, AlwaysValidTest, ConfidenceSequence

Sample: TypeAlias = Annotated[Array | Any, Floats(core=1)]
Looks: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=1, whole=True)]
MOST = 0.5
"""Share of the capital that one value may lose at most."""
ROWS_AT_ONCE = 2048


@validated
def betting_confidence_sequence(
    values: Sample,
    *,
    least: Real,
    most: Real,
    looks: Looks | None = None,
    confidence: ProbabilityReal = 0.95,
    grid: PositiveWhole = 1000,
    running: Flag = False,
) -> ConfidenceSequence:
    """Return intervals of the mean of bounded values that are good at every look at once, in samples of any size.

    Parameters
    ----------
    values : array, shape (n,)
        Values in order of time, each between ``least`` and ``most``.
    least, most : float
        Bounds that no value can leave, fixed before the first.
    looks : array, shape (k,), optional
        Numbers of values, rising, at which to look; by default only at the end.
    confidence : float
        Probability of covering the mean at all looks together, in (0, 1).
    grid : int
        Number of steps between the bounds; ends are rounded outwards to them.
    running : bool
        Whether each interval is the intersection of all looks so far.

    Returns
    -------
    ConfidenceSequence
        One interval a look. A running intersection that is empty has NaN ends and a reason.

    Raises
    ------
    InputError
        When a value lies outside the bounds, or the looks do not rise or go beyond the sample.

    Notes
    -----
    Against each mean m one bets that it is too low and, with the other half of the capital, that it is too high:
    ``K+ = prod (1 + min(b_i, 1 / (2 m)) (x_i - m))`` and K- alike, where b_i = sqrt(2 log(2 / alpha) / (s_{i-1} i log(1 + i)))
    foresees with the variance s so far. If m is the mean neither grows beyond 2 / alpha with probability more than alpha / 2.
    K+ falls as m grows and K- rises, so the means that stay in are an interval.

    References
    ----------
    .. [1] Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86(1), 1-27,
       theorem 3 and eq. (26).

    Examples
    --------
    >>> import numpy as np
    >>> from ecomops.experiments import betting_confidence_sequence
    >>> ratings = np.random.default_rng(1).beta(10.0, 30.0, 2000)
    >>> sequence = betting_confidence_sequence(ratings, least=0.0, most=1.0, looks=[100, 2000])
    >>> np.round(sequence.lower, 3).tolist(), np.round(sequence.upper, 3).tolist()
    ([0.221, 0.242], [0.299, 0.252])
    """
    unit, at = _unit_values(values, least, most, looks, "values")
    lower, upper = _ends(unit, at, 1.0 - confidence, grid)
    if running:
        lower, upper = np.maximum.accumulate(lower), np.minimum.accumulate(upper)
    means = np.cumsum(unit)[at - 1] / at
    span, empty = most - least, lower > upper
    return ConfidenceSequence(
        value=least + span * means,
        lower=np.where(empty, np.nan, least + span * lower),
        upper=np.where(empty, np.nan, least + span * upper),
        confidence=confidence,
        method=f"{'running intersection of ' if running else ''}hedged betting",
        note=np.full(at.shape, "", dtype=object),
        reason=np.where(empty, EMPTY, "").astype(object),
    )


@validated
def betting_difference_sequence(
    treatment: Sample,
    *,
    control: Sample,
    least: Real,
    most: Real,
    confidence: ProbabilityReal = 0.95,
    grid: PositiveWhole = 1000,
) -> ConfidenceSequence:
    """Return the interval of a difference of two bounded means, good at any time one looks.

    Parameters
    ----------
    treatment, control : array, shape (n,) and (m,)
        Values of each arm so far, in order of time.
    least, most : float
        Bounds that no value can leave, fixed before the first.
    confidence : float
        Probability of covering the difference at all times together, in (0, 1).
    grid : int
        Number of steps between the bounds.

    Returns
    -------
    ConfidenceSequence
        One look: treatment minus control, from the two arms' sequences at half the error each.

    Raises
    ------
    InputError
        When a value lies outside the bounds.

    References
    ----------
    .. [1] Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86(1), 1-27.

    Examples
    --------
    >>> from ecomops.experiments import betting_difference_sequence
    >>> found = betting_difference_sequence([1.0, 1.0, 0.0, 1.0] * 200, control=[0.0, 1.0] * 400, least=0.0, most=1.0)
    >>> found.value.tolist(), np.round(found.lower, 3).tolist(), np.round(found.upper, 3).tolist()
    ([0.25], [0.113], [0.392])
    """
    ends = []
    means = []
    for name, sample in (("treatment", treatment), ("control", control)):
        unit, at = _unit_values(sample, least, most, None, name)
        ends.append(_ends(unit, at, (1.0 - confidence) / 2.0, grid))
        means.append(unit.mean())
    (low_t, high_t), (low_c, high_c) = ends
    span = most - least
    return ConfidenceSequence(
        value=[span * (means[0] - means[1])],
        lower=span * (low_t - high_c),
        upper=span * (high_t - low_c),
        confidence=confidence,
        method="difference of two hedged betting sequences",
        note=[""],
        reason=[""],
    )


@validated
def betting_test(
    values: Sample,
    *,
    mean: Real,
    least: Real,
    most: Real,
    looks: Looks | None = None,
    alpha: ProbabilityReal = 0.05,
    running: Flag = False,
) -> AlwaysValidTest:
    """Test the mean of bounded values at any look, without a model: e-value and always-valid p-value.

    Parameters
    ----------
    values : array, shape (n,)
        Values in order of time, each between ``least`` and ``most``.
    mean : float
        Mean under the null hypothesis, between the bounds.
    least, most : float
        Bounds that no value can leave, fixed before the first.
    looks : array, shape (k,), optional
        Numbers of values, rising, at which to look; by default only at the end.
    alpha : float
        Level that the bets are tuned for, in (0, 1).
    running : bool
        Whether each p-value is that of the largest e-value so far.

    Returns
    -------
    AlwaysValidTest
        One a look. The p-value is at most ``alpha`` just when `betting_confidence_sequence` leaves the mean out (up to its grid).

    Raises
    ------
    InputError
        When a value or the mean lies outside the bounds, or the looks do not rise or go beyond the sample.

    References
    ----------
    .. [1] Waudby-Smith & Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86(1), 1-27.

    Examples
    --------
    >>> from ecomops.experiments import betting_test
    >>> found = betting_test([1.0, 1.0, 0.0, 1.0] * 100, mean=0.5, least=0.0, most=1.0)
    >>> bool(found.p_value[0] < 1e-6)
    True
    """
    unit, at = _unit_values(values, least, most, looks, "values")
    null = (mean - least) / (most - least)
    if not 0.0 <= null <= 1.0:
        raise InputError(f"mean must lie in [{least:g}, {most:g}], got {mean:g}")
    high, low = _log_capital(unit, at, np.array([null]), alpha)
    log_e = np.maximum(high, low)[:, 0] - math.log(2.0)
    best = np.maximum.accumulate(log_e) if running else log_e
    log_p = np.minimum(-best, 0.0)
    with np.errstate(over="ignore", under="ignore"):
        e_value, p_value = np.exp(log_e), np.exp(log_p)
    return AlwaysValidTest(
        log_e_value=log_e,
        e_value=e_value,
        p_value=p_value,
        log_p_value=log_p,
        method="two-sided hedged betting",
        note=np.full(log_e.shape, "", dtype=object),
        reason=np.full(log_e.shape, "", dtype=object),
    )


def _unit_values(values: Any, least: float, most: float, looks: Any, name: str) -> tuple[Array, Any]:
    """Return the values on [0, 1] and the looks as whole numbers."""
    if values.ndim != 1:
        raise InputError(f"{name} must be one list in order of time, got shape {values.shape}")
    if not most > least:
        raise InputError(f"most must be > least, got {most:g} and {least:g}")
    outside = (values < least) | (values > most)
    if outside.any():
        place = int(outside.argmax())
        raise InputError(f"{name} must lie in [{least:g}, {most:g}], got {values[place]:g} at index {place}")
    at = np.array([values.size]) if looks is None else np.asarray(looks).astype(np.int64)
    if at.ndim != 1 or np.any(np.diff(at) <= 0) or at[-1] > values.size:
        raise InputError(f"looks must rise and be at most {values.size}, got {at.ravel()[:5].tolist()}")
    return np.clip((values - least) / (most - least), 0.0, 1.0), at


def _bets(unit: Array, alpha: float) -> Any:
    """Return what to bet on each value, from those before it (predictable plug-in, eq. 26)."""
    i = np.arange(1.0, unit.size + 1.0)
    mean = (0.5 + np.cumsum(unit)) / (i + 1.0)
    variance = (0.25 + np.cumsum(np.square(unit - mean))) / (i + 1.0)
    before = np.concatenate([[0.25], variance[:-1]])
    return np.sqrt(2.0 * math.log(2.0 / alpha) / (before * i * np.log1p(i)))


def _log_capital(unit: Array, at: Any, means: Array, alpha: float) -> tuple[Array, Array]:
    """Return the log of both capitals at each look against each mean, shape (looks, means), in blocks of rows."""
    bets = _bets(unit, alpha)
    with np.errstate(divide="ignore"):
        caps = MOST / means, MOST / (1.0 - means)
    found = np.zeros((2, at.size, means.size))
    total = np.zeros((2, means.size))
    edges = np.unique(np.concatenate([np.arange(0, int(at[-1]), ROWS_AT_ONCE), at]))
    starts = np.concatenate([[0], edges[edges > 0][:-1]])
    for start, stop in zip(starts, edges[edges > 0], strict=True):
        gap = unit[start:stop, None] - means
        bet = bets[start:stop, None]
        total[0] += np.log1p(np.minimum(bet, caps[0]) * gap).sum(axis=0)
        total[1] += np.log1p(-np.minimum(bet, caps[1]) * gap).sum(axis=0)
        found[:, at == stop] = total[:, None]
    return found[0], found[1]


def _ends(unit: Array, at: Any, alpha: float, grid: int) -> tuple[Array, Array]:
    """Return the ends at each look: the outermost grid points that are out, or the bounds."""
    means = np.arange(grid + 1.0) / grid
    limit = math.log(2.0 / alpha)
    high, low = _log_capital(unit, at, means, alpha)
    too_low, too_high = high >= limit, low >= limit
    below = np.where(too_low.any(axis=1), grid - np.argmax(too_low[:, ::-1], axis=1), 0)
    above = np.where(too_high.any(axis=1), np.argmax(too_high, axis=1), grid)
    return means[below], means[above]
