"""What a metric should be in each period: seasonal means and trend of a baseline, and the law of the next value.

A baseline is cleaned first (values far from the median of their season are left out), then fitted by means, so that what it
predicts has a known error. Plain kernels on arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.core import Array, InputError
from ecomops.stats.counts import NegativeBinomial

Noise: TypeAlias = Literal["normal", "counts"]
FAR = 5.0
"""Robust standard deviations from the median of its season beyond which a value of the baseline is left out."""
MAD_TO_SD = 1.4826
PRIOR = 0.5
"""Events that Jeffreys's prior adds to the count of a season, so that one without events is not impossible."""
ROUNDS = 20
LEAST_TAIL = 1e-15


@dataclass(frozen=True)
class Baseline:
    """Means and prediction variances of all periods, baseline included, and what they rest on."""

    noise: Noise
    expected: Array
    variance: Array
    kept: NDArray[np.bool_]
    freedom: float
    leverage: float
    """Mean share of the fit in the variance of a value that it predicts."""
    level_variance: float
    """Variance of the level of the periods to come, in units of the variance of one value."""

    def scores(self, values: Array) -> Array:
        """Return normal scores of values: mid-probabilities of counts, standardised values else."""
        if self.noise == "normal":
            found: Array = (values - self.expected) / np.sqrt(self.variance)
            return found
        size, p = self._counted()
        below = np.where(values > 0, special.betainc(size, np.maximum(values, 1.0), p), 0.0)
        above = special.betainc(values + 1.0, size, 1.0 - p)
        mass = np.maximum(1.0 - below - above, 0.0)
        low = special.ndtri(np.maximum(below + mass / 2.0, LEAST_TAIL**2))
        high = -special.ndtri(np.maximum(above + mass / 2.0, LEAST_TAIL**2))
        return np.where(below < above, low, high)

    def limits(self, low: Array, high: Array, rows: Any) -> tuple[Array, Array]:
        """Return the values between which nothing is odd, for limits on the scale of normal scores.

        The variance is estimated: tails are those of Student's law.
        """
        low, high = (
            -self._widened(-low),
            self._widened(high),
        )
        mean, variance = self.expected[rows], self.variance[rows]
        if self.noise == "normal":
            sd = np.sqrt(variance)
            return mean + low * sd, mean + high * sd
        law = NegativeBinomial(mean=mean, variance=variance)
        ends = [law.quantile(np.clip(special.ndtr(z), LEAST_TAIL, 1.0 - LEAST_TAIL)) for z in (low, high)]
        return np.asarray(ends[0]), np.asarray(ends[1])

    def _widened(self, z: Array) -> Array:
        tail = np.maximum(special.ndtr(-np.abs(z)), LEAST_TAIL)
        return np.asarray(-np.sign(z) * special.stdtrit(self.freedom, tail), dtype=np.float64)

    def _counted(self) -> tuple[Array, Array]:
        p = self.expected / self.variance
        return self.expected * p / (1.0 - p), p


def fit_baseline(values: Array, season: int, length: int, noise: Noise, *, trend: bool) -> Baseline:
    """Fit the first ``length`` values and predict all."""
    time = np.arange(values.size, dtype=float)
    slot = np.arange(values.size) % season
    kept = _kept(values[:length], slot[:length], season, noise, trend=trend)
    fit = _fit_normal if noise == "normal" else _fit_counts
    return fit(values, time, slot, kept, trend)


def _kept(values: Array, slot: Any, season: int, noise: Noise, *, trend: bool) -> NDArray[np.bool_]:
    """Tell which values are not far from the median of their season (Hampel's identifier, on roots for counts)."""
    scale_of = values if noise == "normal" else 2.0 * np.sqrt(values + 0.375)
    time = np.arange(values.size, dtype=float)
    if trend:
        apart = season * max(values.size // season // 2, 1)
        scale_of = scale_of - np.median(scale_of[apart:] - scale_of[:-apart]) / apart * time
    padded = np.full(-(-values.size // season) * season, np.nan)
    padded[: values.size] = scale_of
    away = np.abs(scale_of - np.nanmedian(padded.reshape(-1, season), axis=0)[slot])
    seasons = values.size / season
    scale = MAD_TO_SD * float(np.median(away)) / np.sqrt(1.0 - 1.0 / seasons)
    limit = FAR * (scale if noise == "normal" else max(scale, 1.0))
    kept: NDArray[np.bool_] = (away <= limit) | (limit == 0.0)
    # A season keeps two values at least.
    few = np.bincount(slot, weights=kept, minlength=season) < 2
    kept |= few[slot]
    return kept


def _fit_normal(values: Array, time: Array, slot: Any, kept: NDArray[np.bool_], trend: bool) -> Baseline:
    at = np.flatnonzero(kept)
    y, t, s = values[at], time[at], slot[at]
    count = np.bincount(s)
    mean_y, mean_t = np.bincount(s, weights=y) / count, np.bincount(s, weights=t) / count
    away, since = y - mean_y[s], t - mean_t[s]
    information = float(since @ since)
    slope = float(since @ away) / information if trend else 0.0
    freedom = float(at.size - count.size - trend)
    variance = float(np.square(away - slope * since).sum()) / freedom
    if variance <= 0:
        raise InputError(
            "values must vary within the seasons of the baseline: their noise is what alerts are measured by"
        )
    leverage = 1.0 / count[slot] + (np.square(time - mean_t[slot]) / information if trend else 0.0)
    # Residuals of the baseline itself vary less than values to come.
    used = np.zeros(values.size, dtype=bool)
    used[at] = True
    spread = variance * np.where(used, np.maximum(1.0 - leverage, 1e-3), 1.0 + leverage)
    ahead = slice(kept.size, None)
    drift = float(np.mean(np.square(time[ahead] - t.mean()))) / information if trend else 0.0
    return Baseline(
        noise="normal",
        expected=mean_y[slot] + slope * (time - mean_t[slot]),
        variance=spread,
        kept=kept,
        freedom=freedom,
        leverage=float(leverage[ahead].mean()),
        level_variance=1.0 / at.size + drift,
    )


def _fit_counts(values: Array, time: Array, slot: Any, kept: NDArray[np.bool_], trend: bool) -> Baseline:
    at = np.flatnonzero(kept)
    y, s = values[at], slot[at]
    middle = time[at].mean()
    growth, information = _growth(y, time[at] - middle, s) if trend else (0.0, np.inf)
    weight = np.exp(growth * (time - middle))
    events, exposure = np.bincount(s, weights=y), np.bincount(s, weights=weight[at])
    seasons = np.bincount(s, weights=weight[at] * (time[at] - middle)) / exposure
    mean = (events / exposure)[s] * weight[at]
    share = weight[at] / exposure[s]
    freedom = float(at.size - exposure.size - trend)
    extra = _overdispersion(y, mean, share)
    expected = ((events + PRIOR) / exposure)[slot] * weight
    own = expected * (1.0 + extra * expected)
    # Overdispersed counts know their growth less well than Poisson counts.
    inflated = float((mean * (1.0 + extra * mean)).sum() / max(mean.sum(), PRIOR)) / information
    leverage = weight / exposure[slot]
    drift = np.square(expected * (time - middle - seasons[slot])) * inflated
    ahead = slice(kept.size, None)
    return Baseline(
        noise="counts",
        expected=expected,
        variance=own * (1.0 + leverage) + drift,
        kept=kept,
        freedom=freedom,
        leverage=float((leverage[ahead] + drift[ahead] / own[ahead]).mean()),
        level_variance=1.0 / at.size + float((drift[ahead] / own[ahead]).mean()),
    )


def _growth(y: Array, time: Array, slot: Any) -> tuple[float, float]:
    """Return the rate of growth of Poisson counts with a mean for each season, and its information (Newton)."""
    events = np.bincount(slot, weights=y)
    unit = 1.0 / np.ptp(time)
    growth, information = 0.0, float(PRIOR / unit**2)
    for _ in range(ROUNDS):
        weight = np.exp(growth * time)
        total = np.bincount(slot, weights=weight)
        first = np.bincount(slot, weights=weight * time) / total
        second = np.bincount(slot, weights=weight * time * time) / total
        information = max(float((events * (second - first * first)).sum()), PRIOR / unit**2)
        step = float(y @ time - events @ first) / information
        growth += float(np.clip(step, -unit, unit))
    return growth, information


def _overdispersion(y: Array, mean: Array, share: Array) -> float:
    """Return a of the variance mean (1 + a mean), by moments weighted with what the last a says."""
    square = np.square(y - mean) / (1.0 - share)
    extra = 0.0
    for _ in range(ROUNDS):
        weight = np.square(1.0 / (1.0 + extra * mean))
        # The square of an estimated mean is too large by its variance.
        squared = np.maximum((np.square(mean) - mean * share) / (1.0 + extra * share), 0.0)
        excess, base = float(weight @ (square - mean)), float(weight @ squared)
        extra = max(excess / base, 0.0) if base > 0 else 0.0
    return extra
