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


# --- the same laws where sums and series are too long ------------------------------------------------------------------

# From here on incomplete gamma and beta functions are integrated numerically.
LONG_GAMMA, LONG_BETA = 10**5, 3000


def tail_integral(logarithm: Callable[[Any], Any], scale: Any) -> Any:
    """Return the integral over [0, inf) of exp(logarithm(t)): 1 at 0, falling about once in ``scale``, log-concave."""
    least = -mp.dps * mpf("2.31")
    far = scale
    while logarithm(far) > least:
        far *= 2
    near = far / 2
    for _ in range(4):
        middle = (near + far) / 2
        near, far = (middle, far) if logarithm(middle) > least else (near, middle)
    edges = mpmath.linspace(0, far, int(far / scale / 6) + 2)
    return mpmath.quadgl(lambda t: mpmath.exp(logarithm(t)), edges, maxdegree=5)


def gamma_tails(a: Any, x: Any) -> tuple[Any, Any]:
    """Return P(G <= x) and P(G > x) of a unit gamma G."""
    if a <= 0:
        return mpf(1), mpf(0)
    if a < LONG_GAMMA:
        return mpmath.gammainc(a, 0, x, regularized=True), mpmath.gammainc(a, x, regularized=True)
    density = mpmath.exp((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a))
    scale = 1 / (abs((a - 1) / x - 1) + mpmath.sqrt(a - 1) / x)
    if x > a - 1:
        above = density * tail_integral(lambda t: (a - 1) * mpmath.log1p(t / x) - t, scale)
        return 1 - above, above
    below = density * tail_integral(lambda t: (a - 1) * mpmath.log1p(-t / x) + t if t < x else -mpmath.inf, scale)
    return below, 1 - below


def beta_tails(k: Any, size: Any, p: Any, q: Any) -> tuple[Any, Any]:
    """Return P(N >= k) and P(N < k) of a negative binomial N."""
    if k <= 0:
        return mpf(1), mpf(0)
    if min(k, size) < LONG_BETA:
        above = mpmath.betainc(k, size, 0, q, regularized=True)
        return above, mpmath.betainc(size, k, 0, p, regularized=True)
    ways = mpmath.loggamma(k) + mpmath.loggamma(size) - mpmath.loggamma(k + size)
    density = mpmath.exp((k - 1) * mpmath.log(q) + (size - 1) * mpmath.log(p) - ways)
    if (k - 1) * p > (size - 1) * q:
        return _beta_side(k, size, p, q, density)
    return _beta_side(size, k, q, p, density)[::-1]


def _beta_side(k: Any, size: Any, p: Any, q: Any, density: Any) -> tuple[Any, Any]:
    def logarithm(u: Any) -> Any:
        return (k - 1) * mpmath.log1p(-u) + (size - 1) * mpmath.log1p(q * u / p) if u < 1 else -mpmath.inf

    slope = (k - 1) - (size - 1) * q / p
    scale = 1 / (slope + mpmath.sqrt(k - 1 + (size - 1) * (q / p) ** 2))
    above = q * density * tail_integral(logarithm, scale)
    return above, 1 - above


def _from_moments(x: Any, above: list[Any], below: list[Any], unit: int) -> dict[str, float]:
    """Turn E[D (D - unit) ... ; D > x] of orders 0, 1 and 2, and the same for D <= x, into the five answers."""
    square = above[2] + unit * above[1]
    return {
        "cdf": float(below[0]),
        "sf": float(above[0]),
        "loss": float(above[1] - x * above[0]),
        "complementary_loss": float(x * below[0] - below[1]),
        "second_loss": float((square - 2 * x * above[1] + x * x * above[0]) / 2),
    }


def gamma_answers(x: float, mean: float, sd: float) -> dict[str, float]:
    with mp.workdps(DIGITS + 10):
        level, (a, scale) = mpf(x), _shape(mpf(mean), mpf(sd))
        tails = [gamma_tails(a + order, level / scale) for order in range(3)]
        factor = [mpf(1), a * scale, a * (a + 1) * scale**2]
        above, below = ([f * pair[side] for f, pair in zip(factor, tails, strict=True)] for side in (1, 0))
        return _from_moments(level, above, below, 0)


def poisson_answers(x: float, mean: float) -> dict[str, float]:
    with mp.workdps(DIGITS + 10):
        level, m = mpf(x), mpf(mean)
        k = mpmath.floor(level) + 1
        tails = [gamma_tails(k - order, m) for order in range(3)]
        above, below = ([m**order * pair[side] for order, pair in enumerate(tails)] for side in (0, 1))
        return _from_moments(level, above, below, 1)


def binomial_answers(x: float, mean: float, variance: float) -> dict[str, float]:
    with mp.workdps(DIGITS + 30):
        level, m, v = mpf(x), mpf(mean), mpf(variance)
        k, size, p = mpmath.floor(level) + 1, m * m / (v - m), m / v
        odds = (1 - p) / p
        tails = [beta_tails(k - order, size + order, p, 1 - p) for order in range(3)]
        factor = [mpf(1), size * odds, size * (size + 1) * odds**2]
        above, below = ([f * pair[side] for f, pair in zip(factor, tails, strict=True)] for side in (0, 1))
        return _from_moments(level, above, below, 1)


ANSWERS: dict[str, Callable[..., dict[str, float]]] = {
    "Gamma": gamma_answers,
    "Poisson": poisson_answers,
    "NegativeBinomial": binomial_answers,
}


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
