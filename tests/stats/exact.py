"""The same quantities as `ecomops.stats`, slowly and to 50 digits: the oracle of the tests beside it.

Normal, gamma and lognormal go through their textbook forms in so many digits that their cancellation does not matter;
the two counted laws are added up term by term. Every function takes and returns numbers of mpmath.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mpmath
from mpmath import mp, mpf

DIGITS = 50
TERMS = 10**6


def to_float(function: Callable[..., Any]) -> Callable[..., float]:
    """Run a function of mpmath numbers on the exact values of floats, in `DIGITS` digits and more."""

    def run(*values: float) -> float:
        with mp.workdps(DIGITS + 70):
            return float(function(*(mpf(value) for value in values)))

    return run


def relative_gap(actual: float, expected: float) -> float:
    """Return the relative error; below the smallest normal float only the absolute one counts."""
    if abs(expected) < 1e-290:
        return 0.0 if abs(actual - expected) < 1e-290 else float("inf")
    return abs(actual / expected - 1.0)


# --- normal -----------------------------------------------------------------------------------------------------------


def upper(z: Any) -> Any:
    """Return P(Z > z)."""
    return mpmath.erfc(z / mpmath.sqrt(2)) / 2


def density(z: Any) -> Any:
    return mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi)


def normal_cdf(x: Any, mean: Any, sd: Any) -> Any:
    return upper((mean - x) / sd)


def normal_sf(x: Any, mean: Any, sd: Any) -> Any:
    return upper((x - mean) / sd)


def normal_loss(x: Any, mean: Any, sd: Any) -> Any:
    z = (x - mean) / sd
    return sd * (density(z) - z * upper(z))


def normal_leftover(x: Any, mean: Any, sd: Any) -> Any:
    return normal_loss(-x, -mean, sd)


def normal_second(x: Any, mean: Any, sd: Any) -> Any:
    z = (x - mean) / sd
    return sd * sd * ((1 + z * z) * upper(z) - z * density(z)) / 2


# --- gamma, by mean and sd --------------------------------------------------------------------------------------------


def _shape(mean: Any, sd: Any) -> tuple[Any, Any]:
    return (mean / sd) ** 2, sd * sd / mean


def gamma_cdf(x: Any, mean: Any, sd: Any) -> Any:
    a, scale = _shape(mean, sd)
    return mpmath.gammainc(a, 0, x / scale, regularized=True)


def gamma_sf(x: Any, mean: Any, sd: Any) -> Any:
    a, scale = _shape(mean, sd)
    return mpmath.gammainc(a, x / scale, mpmath.inf, regularized=True)


def gamma_loss(x: Any, mean: Any, sd: Any) -> Any:
    a, scale = _shape(mean, sd)
    above = [mpmath.gammainc(a + k, x / scale, mpmath.inf, regularized=True) for k in range(2)]
    return mean * above[1] - x * above[0]


def gamma_leftover(x: Any, mean: Any, sd: Any) -> Any:
    a, scale = _shape(mean, sd)
    below = [mpmath.gammainc(a + k, 0, x / scale, regularized=True) for k in range(2)]
    return x * below[0] - mean * below[1]


def gamma_second(x: Any, mean: Any, sd: Any) -> Any:
    a, scale = _shape(mean, sd)
    above = [mpmath.gammainc(a + k, x / scale, mpmath.inf, regularized=True) for k in range(3)]
    return (a * (a + 1) * scale**2 * above[2] - 2 * x * mean * above[1] + x * x * above[0]) / 2


# --- lognormal, by mean and sd ----------------------------------------------------------------------------------------


def _log(x: Any, mean: Any, sd: Any) -> tuple[Any, Any]:
    spread = mpmath.sqrt(mpmath.log(1 + (sd / mean) ** 2))
    return mpmath.log(x / mean) / spread + spread / 2, spread


def lognormal_cdf(x: Any, mean: Any, sd: Any) -> Any:
    return upper(-_log(x, mean, sd)[0])


def lognormal_sf(x: Any, mean: Any, sd: Any) -> Any:
    return upper(_log(x, mean, sd)[0])


def lognormal_loss(x: Any, mean: Any, sd: Any) -> Any:
    z, spread = _log(x, mean, sd)
    return mean * upper(z - spread) - x * upper(z)


def lognormal_leftover(x: Any, mean: Any, sd: Any) -> Any:
    z, spread = _log(x, mean, sd)
    return x * upper(-z) - mean * upper(spread - z)


def lognormal_second(x: Any, mean: Any, sd: Any) -> Any:
    z, spread = _log(x, mean, sd)
    square = mean * mean * mpmath.exp(spread**2)
    return (square * upper(z - 2 * spread) - 2 * x * mean * upper(z - spread) + x * x * upper(z)) / 2


# --- counted laws, term by term ---------------------------------------------------------------------------------------


def poisson_terms(start: int, mean: Any) -> Iterator[Any]:
    """Yield P(D = k) for k = start, start + 1, ..."""
    term, k = mpmath.exp(start * mpmath.log(mean) - mean - mpmath.loggamma(start + 1)), start
    while True:
        yield term
        k += 1
        term *= mean / k


def binomial_terms(start: int, mean: Any, variance: Any) -> Iterator[Any]:
    size, p = mean * mean / (variance - mean), mean / variance
    ways = mpmath.loggamma(size + start) - mpmath.loggamma(size) - mpmath.loggamma(start + 1)
    term, k = mpmath.exp(ways + size * mpmath.log(p) + start * mpmath.log(1 - p)), start
    while True:
        yield term
        term *= (1 - p) * (size + k) / (k + 1)
        k += 1


def above(terms: Callable[..., Iterator[Any]], weight: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the function x, ... -> E[weight(D - x); D > x]."""

    def total(x: Any, *parameters: Any) -> Any:
        start = max(int(mpmath.floor(x)) + 1, 0)
        found, peak = mpf(0), mpf(0)
        for step, chance in enumerate(terms(start, *parameters)):
            part = weight(start + step - x) * chance
            found, peak = found + part, max(peak, part)
            if part < peak and part < found * mpf(10) ** -DIGITS / 100:
                return found
            if step == TERMS:
                raise AssertionError("the sum does not end")
        return found

    return total


def below(terms: Callable[..., Iterator[Any]], weight: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the function x, ... -> E[weight(x - D); D <= x]."""

    def total(x: Any, *parameters: Any) -> Any:
        last = int(mpmath.floor(x))
        chances = terms(0, *parameters)
        return mpmath.fsum(weight(x - k) * next(chances) for k in range(last + 1))

    return total


def one(gap: Any) -> Any:
    return mpf(1)


def same(gap: Any) -> Any:
    return gap


def half_square(gap: Any) -> Any:
    return gap * gap / 2


KERNELS: dict[str, dict[str, Callable[..., float]]] = {
    "Normal": {
        "cdf": to_float(normal_cdf),
        "sf": to_float(normal_sf),
        "loss": to_float(normal_loss),
        "complementary_loss": to_float(normal_leftover),
        "second_loss": to_float(normal_second),
    },
    "Gamma": {
        "cdf": to_float(gamma_cdf),
        "sf": to_float(gamma_sf),
        "loss": to_float(gamma_loss),
        "complementary_loss": to_float(gamma_leftover),
        "second_loss": to_float(gamma_second),
    },
    "LogNormal": {
        "cdf": to_float(lognormal_cdf),
        "sf": to_float(lognormal_sf),
        "loss": to_float(lognormal_loss),
        "complementary_loss": to_float(lognormal_leftover),
        "second_loss": to_float(lognormal_second),
    },
    **{
        name: {
            "cdf": to_float(below(terms, one)),
            "sf": to_float(above(terms, one)),
            "loss": to_float(above(terms, same)),
            "complementary_loss": to_float(below(terms, same)),
            "second_loss": to_float(above(terms, half_square)),
        }
        for name, terms in (("Poisson", poisson_terms), ("NegativeBinomial", binomial_terms))
    },
}
