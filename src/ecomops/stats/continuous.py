"""Normal, gamma and lognormal demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import model_validator
from scipy import special

from ecomops.core import NonNegative, Num, Positive, check, validated
from ecomops.stats.distribution import Distribution, compound_variance
from ecomops.stats.partial_moments import LARGE_SHAPE, large_gamma_quantile, lower_gamma, upper_gamma
from ecomops.stats.quadrature import unit_gauss_legendre
from ecomops.stats.special import (
    MILLS_LIMIT,
    SECOND_LIMIT,
    SQRT_HALF_PI,
    SQRT_TWO,
    in_chunks,
    mills_product,
    normal_losses,
    normal_pdf,
    normal_second_losses,
    signed_ndtri,
)

if TYPE_CHECKING:
    from ecomops.stats.distributions import Demand

# Gauss-Legendre nodes and weights on [0, 1], for the lognormal loss at small spreads.
NODES, WEIGHTS = unit_gauss_legendre(10)
# Skewed demand whose sd is less than this part of its mean is taken as known: the square of the ratio would overflow.
KNOWN_SPREAD = 1e-100


class Normal(Distribution):
    """Normal demand; a standard deviation of 0 is demand that is known.

    Examples
    --------
    >>> Normal(mean=50, sd=8).quantile(0.5)
    50.0
    >>> Normal(mean=[10, 20], sd=3)
    Normal(mean=[10, 20], sd=3)
    """

    kind: Literal["Normal"] = "Normal"
    mean: Num
    """Mean demand per period, units."""
    sd: NonNegative
    """Standard deviation of demand per period, units; 0 is a point mass at the mean."""

    @property
    def variance(self) -> Any:
        """Variance of demand per period."""
        return self.sd * self.sd

    def _cdf(self, x: Any) -> Any:
        return special.ndtr(_z(x, self.mean, self.sd))

    def _sf(self, x: Any) -> Any:
        return special.ndtr(-_z(x, self.mean, self.sd))

    def _quantile(self, probability: Any, rest: Any) -> Any:
        return in_chunks(lambda p, q, mean, sd: mean + sd * signed_ndtri(p, q), probability, rest, self.mean, self.sd)

    def _losses(self, level: Any) -> tuple[Any, Any]:
        lost, left = in_chunks(normal_losses, level, self.mean, self.sd)
        return lost, left

    def _second_loss(self, level: Any) -> Any:
        return in_chunks(normal_second_losses, level, self.mean, self.sd)

    def _over(self, periods: Any, variance: Any) -> Demand:
        total = compound_variance(self.mean, self.variance, periods, variance)
        return Normal(mean=self.mean * periods, sd=np.sqrt(total))


class _Skewed(Distribution):
    """What gamma and lognormal demand share: mean and sd as parameters, a point mass where the sd is 0."""

    mean: NonNegative
    """Mean demand per period, units."""
    sd: NonNegative
    """Standard deviation of demand per period, units; 0 is a point mass at the mean."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        held = np.asarray(self.mean) > 0
        check(held | (np.asarray(self.sd) == 0), "sd must be 0 where mean is 0", self.sd)
        return self

    @property
    def variance(self) -> Any:
        """Variance of demand per period."""
        return self.sd * self.sd

    def _split(self, level: Any) -> tuple[Any, Any, Any, Any]:
        """Return the level, where demand is random, and mean and sd with safe values elsewhere."""
        random = np.asarray(self.sd) > KNOWN_SPREAD * np.asarray(self.mean)
        arrays = np.broadcast_arrays(level, random, np.where(random, self.mean, 1.0), np.where(random, self.sd, 1.0))
        return np.asarray(arrays[0], dtype=np.float64), arrays[1], arrays[2], arrays[3]

    def _known(self, level: Any) -> Any:
        return np.asarray(level >= np.asarray(self.mean))

    def _losses(self, level: Any) -> tuple[Any, Any]:
        """Take the smaller of the two losses by its kernel and the other by E[(D-S)+] - E[(S-D)+] = mean - S."""
        x, random, mean, sd = self._split(level)
        gap = x - np.where(random, mean, self.mean)
        above = gap >= 0
        tail = np.where(random & (x > 0), in_chunks(self._tail, np.maximum(x, 0.0), mean, sd), 0.0)
        return tail + np.where(above, 0.0, -gap), tail + np.where(above, gap, 0.0)

    if TYPE_CHECKING:

        def _tail(self, x: Any, mean: Any, sd: Any) -> Any:
            """Return E[(D - x)+] where x >= mean and E[(x - D)+] elsewhere, on flat arrays."""


class Gamma(_Skewed):
    """Gamma demand by mean and standard deviation: skewed and never negative.

    Examples
    --------
    >>> round(Gamma(mean=6, sd=18**0.5).loss(10), 6)
    0.570784
    >>> Gamma(mean=6, sd=3)
    Gamma(mean=6, sd=3)
    """

    kind: Literal["Gamma"] = "Gamma"

    def _cdf(self, x: Any) -> Any:
        level, random, mean, sd = self._split(x)
        inside = in_chunks(lambda a, unit, gap: lower_gamma(a, unit, 0, gap), *_unit(level, mean, sd))
        return np.where(random, inside, np.where(self._known(level), 1.0, 0.0))

    def _sf(self, x: Any) -> Any:
        level, random, mean, sd = self._split(x)
        inside = in_chunks(lambda a, unit, gap: upper_gamma(a, unit, 0, gap), *_unit(level, mean, sd))
        return np.where(random, inside, np.where(self._known(level), 0.0, 1.0))

    def _quantile(self, probability: Any, rest: Any) -> Any:
        p, random, mean, sd = self._split(probability)
        rest = np.broadcast_to(rest, p.shape)
        shape, scale = np.square(mean / sd), sd / mean * sd
        low = p <= 0.5
        unit = np.where(
            low,
            special.gammaincinv(shape, np.where(low, p, 0.5)),
            special.gammainccinv(shape, np.where(low, 0.5, rest)),
        )
        answer = np.asarray(unit * scale)
        large = shape >= LARGE_SHAPE
        if large.any():
            answer[large] = (mean + scale * large_gamma_quantile(shape, p, rest))[large]
        return np.where(random, answer, self.mean)

    def _tail(self, x: Any, mean: Any, sd: Any) -> Any:
        shape, unit, gap = np.broadcast_arrays(*_unit(x, mean, sd))
        answer = np.empty_like(x)
        above = x >= mean
        for here, kernel in ((above, upper_gamma), (~above, lower_gamma)):
            answer[here] = kernel(shape[here], unit[here], 1, gap[here])
        return answer * (sd / mean * sd)

    def _second_loss(self, level: Any) -> Any:
        x, random, mean, sd = self._split(level)
        scale = sd / mean * sd
        inside = scale * scale * in_chunks(lambda a, unit, gap: upper_gamma(a, unit, 2, gap), *_unit(x, mean, sd))
        whole = (self.variance + np.square(x - self.mean)) / 2.0
        known = np.square(np.maximum(self.mean - x, 0.0)) / 2.0
        return np.where(random, np.where(x > 0, inside, whole), known)

    def _over(self, periods: Any, variance: Any) -> Demand:
        total = compound_variance(self.mean, self.variance, periods, variance)
        return Gamma(mean=self.mean * periods, sd=np.sqrt(total))


class LogNormal(_Skewed):
    """Lognormal demand by mean and standard deviation: its logarithm is normal.

    Examples
    --------
    >>> round(LogNormal(mean=100, sd=30).quantile(0.5), 4)
    95.7826
    >>> LogNormal(mean=100, sd=30)
    LogNormal(mean=100, sd=30)
    """

    kind: Literal["LogNormal"] = "LogNormal"

    @classmethod
    @validated
    def from_log(cls, log_mean: Num, *, log_sd: Positive) -> LogNormal:
        """Return the lognormal whose logarithm has this mean and standard deviation.

        Parameters
        ----------
        log_mean : float or array
            Mean of the logarithm of demand per period.
        log_sd : float or array
            Standard deviation of the logarithm of demand per period.

        Returns
        -------
        LogNormal
            With mean exp(log_mean + log_sd^2 / 2).

        Examples
        --------
        >>> round(LogNormal.from_log(6, log_sd=0.3).loss(600), 6)
        8.879999
        """
        square = np.square(log_sd)
        mean = np.exp(log_mean + square / 2.0)
        return LogNormal(mean=mean, sd=mean * np.sqrt(np.expm1(square)))

    def _cdf(self, x: Any) -> Any:
        level, random, mean, sd = self._split(x)
        inside = np.where(level > 0, special.ndtr(_log_z(level, mean, sd)[0]), 0.0)
        return np.where(random, inside, np.where(self._known(level), 1.0, 0.0))

    def _sf(self, x: Any) -> Any:
        level, random, mean, sd = self._split(x)
        inside = np.where(level > 0, special.ndtr(-_log_z(level, mean, sd)[0]), 1.0)
        return np.where(random, inside, np.where(self._known(level), 0.0, 1.0))

    def _quantile(self, probability: Any, rest: Any) -> Any:
        p, random, mean, sd = self._split(probability)
        spread = np.sqrt(np.log1p(np.square(sd / mean)))
        inside = mean * np.exp(spread * (signed_ndtri(p, rest) - spread / 2.0))
        return np.where(random, inside, self.mean)

    def _tail(self, x: Any, mean: Any, sd: Any) -> Any:
        """Use level * pdf(z) = mean * pdf(z - s), so that the loss is level * pdf(z) * (m(z - s) - m(z)), m Mills' ratio."""
        z, spread = _log_z(x, mean, sd)
        above = x >= mean
        # E[(x - D)+] = x Phi(z) - mean Phi(z - s) is the same formula with -z in the place of z - s.
        near = np.where(above, z - spread, -z)
        return np.where(x > 0, x * normal_pdf(z) * _mills_drop(near, np.broadcast_to(spread, near.shape)), 0.0)

    def _second_loss(self, level: Any) -> Any:
        """Return level^2 pdf(z) / 2 times the second difference m(z - 2 s) - 2 m(z - s) + m(z).

        Where the other half, E[((level - D)+)^2], is the smaller one (z <= s), it is the same formula with -z for z - 2 s,
        and the rest of the whole is the answer.
        """
        x, random, mean, sd = self._split(level)
        z, spread = _log_z(x, mean, sd)
        above = z > spread
        tail = x * x * normal_pdf(z) * in_chunks(_mills_bend, np.where(above, z, 2.0 * spread - z), spread)
        whole = self.variance + np.square(x - self.mean)
        known = np.square(np.maximum(self.mean - x, 0.0))
        inside = np.where(above, tail, whole - np.where(x > 0, tail, 0.0))
        return np.where(random, inside, known) / 2.0

    def _over(self, periods: Any, variance: Any) -> Demand:
        total = compound_variance(self.mean, self.variance, periods, variance)
        return LogNormal(mean=self.mean * periods, sd=np.sqrt(total))


def _unit(x: Any, mean: Any, sd: Any) -> tuple[Any, Any, Any]:
    """Return shape, level and level - shape in units of the scale; the last from x - mean, which has all its digits."""
    scale, level = sd / mean * sd, np.maximum(x, 0.0)
    return np.square(mean / sd), level / scale, (level - mean) / scale


def _z(x: Any, mean: Any, sd: Any) -> Any:
    """Return (x - mean) / sd, infinite where sd is 0; x = mean counts as reached."""
    random = np.asarray(sd) > 0
    with np.errstate(over="ignore"):
        z = (x - mean) / np.where(random, sd, 1.0)
    return np.where(random, z, np.where(np.asarray(x >= np.asarray(mean)), np.inf, -np.inf))


def _log_z(x: Any, mean: Any, sd: Any) -> tuple[Any, Any]:
    """Return the standardised logarithm of x and the standard deviation of the logarithm."""
    spread = np.sqrt(np.log1p(np.square(sd / mean)))
    level = np.where(x > 0, x, mean)
    # Near the mean x / mean rounds away what x - mean still holds.
    gap = (level - mean) / mean
    near = np.abs(gap) < 0.5
    logarithm = np.where(near, np.log1p(np.where(near, gap, 0.0)), np.log(level / mean))
    return logarithm / spread + spread / 2.0, spread


def _mills_drop(near: Any, gap: Any) -> Any:
    """Return m(near) - m(near + gap), m the Mills ratio: by its derivative 1 - z m(z) where the gap is small."""
    wide = SQRT_HALF_PI * (_erfcx(near) - _erfcx(near + gap))
    small = (gap < 0.3) & (near > -5.0)
    if small.any():
        start, width = near[small], gap[small]
        total = np.zeros_like(start)
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            total += weight * _mills_fall(start + node * width)
        wide[small] = total * width
    return wide


def _erfcx(z: Any) -> Any:
    return special.erfcx(np.maximum(z, -35.0) / SQRT_TWO)


def _mills_fall(z: Any) -> Any:
    """Return -m'(z) = 1 - z m(z)."""
    answer = 1.0 - z * (SQRT_HALF_PI * special.erfcx(z / SQRT_TWO))
    far = z > MILLS_LIMIT
    if far.any():
        answer[far] = mills_product(z[far], 1)
    return answer


def _mills_bend(z: Any, spread: Any) -> Any:
    """Return m(z - 2 s) - 2 m(z - s) + m(z) for z >= s: by the integral of m'' against a tent where s is small."""
    z, spread = np.broadcast_arrays(z, spread)
    wide = SQRT_HALF_PI * (_erfcx(z - 2.0 * spread) - 2.0 * _erfcx(z - spread) + _erfcx(z))
    small = spread < 0.3
    if small.any():
        start, width = z[small], spread[small]
        total = np.zeros_like(start)
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            total += weight * node * (_mills_curve(start - node * width) + _mills_curve(start - (2.0 - node) * width))
        wide[small] = total * width * width
    return wide


def _mills_curve(z: Any) -> Any:
    """Return m''(z) = (1 + z^2) m(z) - z."""
    mills = SQRT_HALF_PI * special.erfcx(z / SQRT_TWO)
    answer = mills - z * (1.0 - z * mills)
    far = z > SECOND_LIMIT
    if far.any():
        answer[far] = 2.0 * mills_product(z[far], 2)
    return answer
