"""Normal, gamma and lognormal demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import special

from ecomops.core import NonNegative, Num, Positive
from ecomops.stats.distribution import Distribution, compound_variance
from ecomops.stats.special import normal_loss, normal_second_loss

if TYPE_CHECKING:
    from ecomops.stats.distributions import Demand


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
    """Standard deviation of demand per period, units."""

    @property
    def variance(self) -> Any:
        """Variance of demand per period."""
        return self.sd * self.sd

    def _standard(self, x: Any) -> tuple[Any, Any, Any]:
        """Return z, the sd and where demand is random; z is clipped where every answer is at its limit anyway."""
        random = np.asarray(self.sd) > 0
        safe = np.where(random, self.sd, 1.0)
        return np.clip((x - self.mean) / safe, -1e150, 1e150), safe, random

    def _cdf(self, x: Any) -> Any:
        z, _, random = self._standard(x)
        return np.where(random, special.ndtr(z), np.where(z >= 0, 1.0, 0.0))

    def _sf(self, x: Any) -> Any:
        z, _, random = self._standard(x)
        return np.where(random, special.ndtr(-z), np.where(z >= 0, 0.0, 1.0))

    def _quantile(self, probability: Any) -> Any:
        return self.mean + self.sd * special.ndtri(probability)

    def _loss(self, level: Any) -> Any:
        z, sd, random = self._standard(level)
        return np.where(random, sd * normal_loss(z), np.maximum(self.mean - level, 0.0))

    def _lower_loss(self, level: Any) -> Any:
        z, sd, random = self._standard(level)
        return np.where(random, sd * normal_loss(-z), np.maximum(level - self.mean, 0.0))

    def _second_loss(self, level: Any) -> Any:
        z, sd, random = self._standard(level)
        known = np.square(np.maximum(self.mean - level, 0.0)) / 2
        return np.where(random, sd * sd * normal_second_loss(z), known)

    def _over(self, periods: Any, variance: Any) -> Demand:
        total = compound_variance(self.mean, self.variance, periods, variance)
        return Normal(mean=self.mean * periods, sd=np.sqrt(total))


class Gamma(Distribution):
    """Gamma demand by mean and standard deviation: skewed and never negative.

    Examples
    --------
    >>> round(Gamma(mean=6, sd=18**0.5).loss(10), 6)
    0.570784
    >>> Gamma(mean=6, sd=3)
    Gamma(mean=6, sd=3)
    """

    kind: Literal["Gamma"] = "Gamma"
    mean: Positive
    """Mean demand per period, units."""
    sd: Positive
    """Standard deviation of demand per period, units."""

    @property
    def variance(self) -> Any:
        """Variance of demand per period."""
        return self.sd * self.sd

    @property
    def _shape(self) -> Any:
        return np.square(self.mean / self.sd)

    @property
    def _scale(self) -> Any:
        return self.sd / self.mean * self.sd

    def _at(self, x: Any) -> Any:
        return np.maximum(x, 0.0) / self._scale

    def _cdf(self, x: Any) -> Any:
        return special.gammainc(self._shape, self._at(x))

    def _sf(self, x: Any) -> Any:
        return special.gammaincc(self._shape, self._at(x))

    def _quantile(self, probability: Any) -> Any:
        return special.gammaincinv(self._shape, probability) * self._scale

    def _loss(self, level: Any) -> Any:
        x = self._at(level)
        upper = self.mean * special.gammaincc(self._shape + 1, x)
        return np.maximum(upper - level * special.gammaincc(self._shape, x), 0.0)

    def _lower_loss(self, level: Any) -> Any:
        x = self._at(level)
        lower = self.mean * special.gammainc(self._shape + 1, x)
        return np.maximum(level * special.gammainc(self._shape, x) - lower, 0.0)

    def _second_loss(self, level: Any) -> Any:
        x, shape, scale = self._at(level), self._shape, self._scale
        squares = shape * (shape + 1) * scale * scale * special.gammaincc(shape + 2, x)
        cross = 2 * level * self.mean * special.gammaincc(shape + 1, x)
        return np.maximum(squares - cross + level * level * special.gammaincc(shape, x), 0.0) / 2

    def _over(self, periods: Any, variance: Any) -> Demand:
        total = compound_variance(self.mean, self.variance, periods, variance)
        return Gamma(mean=self.mean * periods, sd=np.sqrt(total))


class LogNormal(Distribution):
    """Lognormal demand: its logarithm is normal.

    Examples
    --------
    >>> round(LogNormal(log_mean=6, log_sd=0.3).loss(600), 6)
    8.879999
    >>> LogNormal(log_mean=6, log_sd=0.3)
    LogNormal(log_mean=6, log_sd=0.3)
    """

    kind: Literal["LogNormal"] = "LogNormal"
    log_mean: Num
    """Mean of the logarithm of demand per period."""
    log_sd: Positive
    """Standard deviation of the logarithm of demand per period."""

    @property
    def mean(self) -> Any:
        """Mean demand per period."""
        return np.exp(self.log_mean + np.square(self.log_sd) / 2)

    @property
    def variance(self) -> Any:
        """Variance of demand per period."""
        return np.square(self.mean) * np.expm1(np.square(self.log_sd))

    def _standard(self, x: Any) -> Any:
        return (np.log(np.maximum(x, 1e-300)) - self.log_mean) / self.log_sd

    def _cdf(self, x: Any) -> Any:
        return np.where(np.asarray(x) > 0, special.ndtr(self._standard(x)), 0.0)

    def _sf(self, x: Any) -> Any:
        return np.where(np.asarray(x) > 0, special.ndtr(-self._standard(x)), 1.0)

    def _quantile(self, probability: Any) -> Any:
        return np.exp(self.log_mean + self.log_sd * special.ndtri(probability))

    def _loss(self, level: Any) -> Any:
        z = self._standard(level)
        inside = self.mean * special.ndtr(self.log_sd - z) - level * special.ndtr(-z)
        return np.where(np.asarray(level) > 0, np.maximum(inside, 0.0), self.mean - level)

    def _lower_loss(self, level: Any) -> Any:
        z = self._standard(level)
        inside = level * special.ndtr(z) - self.mean * special.ndtr(z - self.log_sd)
        return np.where(np.asarray(level) > 0, np.maximum(inside, 0.0), 0.0)

    def _second_loss(self, level: Any) -> Any:
        z = self._standard(level)
        squares = (self.variance + np.square(self.mean)) * special.ndtr(2 * self.log_sd - z)
        inside = squares - 2 * level * self.mean * special.ndtr(self.log_sd - z) + level * level * special.ndtr(-z)
        whole = self.variance + np.square(self.mean - level)
        return np.where(np.asarray(level) > 0, np.maximum(inside, 0.0), whole) / 2

    def _over(self, periods: Any, variance: Any) -> Demand:
        mean = self.mean * periods
        total = compound_variance(self.mean, self.variance, periods, variance)
        log_variance = np.log1p(total / np.square(mean))
        return LogNormal(log_mean=np.log(mean) - log_variance / 2, log_sd=np.sqrt(log_variance))
