"""Two proportions: intervals that never fail, at 0 and at n too."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Count,
    Fraction,
    InputError,
    Model,
    Num,
    NumOrNan,
    ProbabilityReal,
    Text,
    Texts,
    validated,
)

ProportionMethod = Literal["miettinen-nurminen", "score", "newcombe", "agresti-caffo", "wald"]


class ProportionComparison(Model):
    """Two proportions compared.

    Examples
    --------
    >>> from ecomops.experiments import compare_proportions
    >>> round(compare_proportions(56, treatment_trials=70, control_successes=48, control_trials=80).difference, 4)
    0.2
    """

    treatment: Fraction
    """Proportion in the treatment."""
    control: Fraction
    """Proportion in the control."""
    difference: Num
    """Treatment minus control."""
    lower: Num
    """Lower end of its interval."""
    upper: Num
    """Upper end of its interval."""
    statistic: NumOrNan
    """Pooled z statistic of no difference; NaN where no trial or every trial succeeded."""
    p_value: Fraction
    """Two-sided p-value of no difference, dual to the interval of method "score"; 1 where no trial or every trial succeeded."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    method: Text
    """Method of the interval; the test is the pooled z (chi-square) test."""
    reason: Texts
    """Why there is no statistic; empty where there is one."""


@validated
def compare_proportions(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    confidence: ProbabilityReal = 0.95,
    method: ProportionMethod = "miettinen-nurminen",
) -> ProportionComparison:
    """Compare two proportions: difference, interval and test.

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, >= 1.
    confidence : float
        Confidence level, in (0, 1).
    method : {"miettinen-nurminen", "score", "newcombe", "agresti-caffo", "wald"}
        Method of the interval: Miettinen-Nurminen's score with its factor n / (n - 1), Mee's without it, Newcombe's
        hybrid of Wilson intervals, Agresti-Caffo's two added successes and failures, or Wald's.

    Returns
    -------
    ProportionComparison
        In the broadcast shape of the counts.

    Raises
    ------
    InputError
        When an arm has no trials or more successes than trials.

    Notes
    -----
    The test is the pooled z test (chi-square without continuity correction). It rejects just when Mee's interval ("score")
    leaves out 0; Miettinen & Nurminen's factor n / (n - 1) makes theirs a trifle wider, and the other intervals are not dual
    to any test, so in small samples interval and p-value can disagree near the limit.

    References
    ----------
    .. [1] Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4, 213-226.
    .. [2] Farrington & Manning (1990), Test statistics and sample size formulae, Statistics in Medicine 9, 1447-1454.
    .. [3] Newcombe (1998), Interval estimation for the difference, Statistics in Medicine 17, 873-890, Table II.

    Examples
    --------
    Newcombe's case (a): 56 of 70 against 48 of 80.

    >>> from ecomops.experiments import compare_proportions
    >>> result = compare_proportions(56, treatment_trials=70, control_successes=48, control_trials=80)
    >>> round(result.lower, 4), round(result.upper, 4)
    (0.0528, 0.3382)
    """
    counts = np.broadcast_arrays(
        *(
            np.asarray(part, dtype=np.float64)
            for part in (treatment_successes, treatment_trials, control_successes, control_trials)
        )
    )
    x1, n1, x2, n2 = counts
    for name, x, n in (("treatment", x1, n1), ("control", x2, n2)):
        if np.any(n < 1):
            raise InputError(f"{name}_trials must be >= 1, got 0; leave out arms without units")
        if np.any(x > n):
            bad = int(np.argmax(x > n))
            raise InputError(f"{name}_successes must be <= {name}_trials, got {x.ravel()[bad]:g} of {n.ravel()[bad]:g}")
    z = -float(special.ndtri((1.0 - confidence) / 2))
    lower, upper = _METHODS[method](x1, n1, x2, n2, z)
    statistic, varies = pooled_statistic(x1, n1, x2, n2)
    gap = x1 / n1 - x2 / n2
    reason = np.where(varies, "", "no trial, or every trial, succeeded in both arms")
    return ProportionComparison(
        treatment=x1 / n1,
        control=x2 / n2,
        difference=gap,
        lower=lower,
        upper=upper,
        statistic=np.where(varies, statistic, np.nan),
        p_value=np.where(varies, np.minimum(2 * special.ndtr(-np.abs(statistic)), 1.0), 1.0),
        confidence=confidence,
        method=method,
        reason=reason.astype(object) if reason.ndim else str(reason),
    )


def pooled_statistic(x1: Array, n1: Array, x2: Array, n2: Array) -> tuple[Any, Any]:
    """Return the pooled z statistic and where it exists."""
    pooled = (x1 + x2) / (n1 + n2)
    variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)
    varies = variance > 0
    return (x1 / n1 - x2 / n2) / np.sqrt(np.where(varies, variance, 1.0)), varies


def _wald(x1: Any, n1: Any, x2: Any, n2: Any, z: float) -> tuple[Any, Any]:
    p1, p2 = x1 / n1, x2 / n2
    width = z * np.sqrt(p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2)
    return np.maximum(p1 - p2 - width, -1.0), np.minimum(p1 - p2 + width, 1.0)


def _agresti_caffo(x1: Any, n1: Any, x2: Any, n2: Any, z: float) -> tuple[Any, Any]:
    return _wald(x1 + 1.0, n1 + 2.0, x2 + 1.0, n2 + 2.0, z)


def wilson(x: Any, n: Any, z: float) -> tuple[Any, Any]:
    """Return the Wilson score interval of a proportion."""
    p = x / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    width = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    lower = np.where(x == 0, 0.0, np.maximum(centre - width, 0.0))
    return lower, np.where(x == n, 1.0, np.minimum(centre + width, 1.0))


def _newcombe(x1: Any, n1: Any, x2: Any, n2: Any, z: float) -> tuple[Any, Any]:
    p1, p2 = x1 / n1, x2 / n2
    (l1, u1), (l2, u2) = wilson(x1, n1, z), wilson(x2, n2, z)
    lower = p1 - p2 - np.sqrt(np.square(p1 - l1) + np.square(u2 - p2))
    return lower, p1 - p2 + np.sqrt(np.square(u1 - p1) + np.square(p2 - l2))


def null_variance(x1: Any, n1: Any, x2: Any, n2: Any, gap: Any) -> Any:
    """Return the variance of the difference at the likeliest proportions with p1 - p2 = gap.

    They are the middle root of the cubic of Miettinen & Nurminen (1985), appendix 1, which Farrington & Manning write with
    an arc cosine. That loses half of the digits where two roots meet (rare successes, many trials), so only the root that
    stands apart is taken from it, and the other two from the quadratic that is left.
    """
    # The four ways to name arms and successes have one variance: take the one with 0 <= gap and the lone root above.
    back = gap < 0
    x1, n1, x2, n2 = np.where(back, x2, x1), np.where(back, n2, n1), np.where(back, x1, x2), np.where(back, n1, n2)
    gap = np.abs(gap)
    upside = _cubic(x1, n1, x2, n2, gap)[3] > 0
    x1, n1, x2, n2 = (
        np.where(upside, n2 - x2, x1),
        np.where(upside, n2, n1),
        np.where(upside, n1 - x1, x2),
        np.where(upside, n1, n2),
    )
    l2, l1, l0, v = _cubic(x1, n1, x2, n2, gap)
    u = np.sqrt(np.maximum(l2 * l2 / 9.0 - l1 / 3.0, 0.0))
    ratio = np.clip(np.where(u > 0, v / np.where(u > 0, u, 1.0) ** 3, 0.0), -1.0, 1.0)
    lone = np.maximum(2.0 * u * np.cos(np.arccos(-ratio) / 3.0) - l2 / 3.0, 1.0 - gap)
    safe = np.where(lone > 0, lone, 1.0)
    last = -l0 / safe
    middle = (last - l1) / safe
    root = np.sqrt(np.maximum(middle * middle - 4.0 * last, 0.0))
    down = np.where(middle + root > 0, middle + root, 1.0)
    p2 = np.clip(np.where(middle > 0, -2.0 * last / down, (root - middle) / 2.0), 0.0, 1.0 - gap)
    return (p2 + gap) * (1.0 - gap - p2) / n1 + p2 * (1.0 - p2) / n2


def _cubic(x1: Any, n1: Any, x2: Any, n2: Any, gap: Any) -> tuple[Any, Any, Any, Any]:
    """Return the coefficients of the cubic in p2, below the cube, and half of its value at its inflection."""
    n, x = n1 + n2, x1 + x2
    l2 = ((n1 + 2.0 * n2) * gap - n - x) / n
    l1 = ((n2 * gap - n - 2.0 * x2) * gap + x) / n
    l0 = x2 * gap * (1.0 - gap) / n
    return l2, l1, l0, l2**3 / 27.0 - l1 * l2 / 6.0 + l0 / 2.0


def _score(x1: Any, n1: Any, x2: Any, n2: Any, z: float, factor: Any) -> tuple[Any, Any]:
    """Invert the score statistic, which falls as the gap grows: both ends at once, by regula falsi (Illinois) and halving."""
    estimate = x1 / n1 - x2 / n2
    reach = z * np.sqrt(factor)

    def excess(gap: Any) -> Any:
        return np.abs(estimate - gap) - reach * np.sqrt(null_variance(x1, n1, x2, n2, gap))

    far = np.stack([np.full(estimate.shape, -1.0), np.full(estimate.shape, 1.0)])
    near = np.stack([estimate, estimate])
    over, under, side, count = excess(far), excess(near), np.zeros(near.shape), 0
    while True:
        # To 14 digits of the distance from the estimate, or to the last digit of the end itself.
        enough = np.maximum(1e-14 * np.abs(near - estimate), 4e-16 * np.abs(near) + 1e-300)
        width = np.abs(far - near)
        if not np.any(width > enough):
            return near[0], near[1]
        count += 1
        span = over - under
        share = np.where(span > 0, -under / np.where(span > 0, span, 1.0), 0.5) if count % 4 else 0.5
        # Never closer to an end than the tolerance: a step past the root closes the bracket.
        least = np.minimum(0.7 * enough / np.maximum(width, enough), 0.5)
        gap = near + (far - near) * np.clip(share, least, 1.0 - least)
        value = excess(gap)
        out = value > 0
        # An end that stays twice counts half, so that the next guess falls on its side.
        over = np.where(out, value, np.where(side < 0, over / 2, over))
        under = np.where(out, np.where(side > 0, under / 2, under), value)
        far, near, side = np.where(out, gap, far), np.where(out, near, gap), np.where(out, 1.0, -1.0)


def _miettinen_nurminen(x1: Any, n1: Any, x2: Any, n2: Any, z: float) -> tuple[Any, Any]:
    return _score(x1, n1, x2, n2, z, (n1 + n2) / (n1 + n2 - 1.0))


def _mee(x1: Any, n1: Any, x2: Any, n2: Any, z: float) -> tuple[Any, Any]:
    return _score(x1, n1, x2, n2, z, 1.0)


_METHODS = {
    "miettinen-nurminen": _miettinen_nurminen,
    "score": _mee,
    "newcombe": _newcombe,
    "agresti-caffo": _agresti_caffo,
    "wald": _wald,
}
