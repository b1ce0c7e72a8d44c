"""Non-inferiority and equivalence of two proportions, by score tests that hold at 0 and at n too."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import Array, Count, InputError, validated
from ecomops.experiments.exact.ratios_of_proportions import risk_ratio, risk_statistic
from ecomops.experiments.metric_roles import AbsoluteMargin, Desired, Margin
from ecomops.experiments.noninferiority import (
    EquivalenceTest,
    Level,
    NonInferiorityTest,
    equivalence_verdict,
    noninferiority_verdict,
    texts_of,
)
from ecomops.experiments.proportions import compare_proportions, null_variance

ScoreMethod: TypeAlias = Literal["miettinen-nurminen", "score"]
Table: TypeAlias = tuple[Array, Array, Array, Array]


@validated
def proportions_noninferiority_test(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    margin: Margin,
    desired: Desired = "increase",
    confidence: Level = 0.95,
    method: ScoreMethod = "miettinen-nurminen",
) -> NonInferiorityTest:
    """Test whether a proportion is worse than that of the control by less than a margin, and whether it is better.

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, >= 1.
    margin : AbsoluteMargin or RelativeMargin
        The loss that is accepted: of the difference, below 1, or as a fraction of the control's proportion.
    desired : {"increase", "decrease"}
        The good direction.
    confidence : float
        Two-sided confidence level; each one-sided test has the level (1 - confidence) / 2.
    method : {"miettinen-nurminen", "score"}
        Score test and interval with the factor n / (n - 1), or without it (Farrington-Manning, Mee, Koopman).

    Returns
    -------
    NonInferiorityTest
        In the broadcast shape of the counts. The interval is that of the difference, or of the risk ratio minus 1.

    Raises
    ------
    InputError
        When an arm has no trials or more successes than trials, or the margin leaves nothing to test.

    Notes
    -----
    The variance is that of the likeliest proportions that differ by just the margin, so that test and interval agree.

    References
    ----------
    .. [1] Farrington & Manning (1990), Test statistics and sample size formulae, Statistics in Medicine 9, 1447-1454.
    .. [2] Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4, 213-226.

    Examples
    --------
    A cheaper checkout may cost a point of conversion; it cost a fifth of a point:

    >>> from ecomops.experiments import AbsoluteMargin
    >>> from ecomops.experiments.proportion_margins import proportions_noninferiority_test
    >>> test = proportions_noninferiority_test(
    ...     1180,
    ...     treatment_trials=20_000,
    ...     control_successes=1220,
    ...     control_trials=20_000,
    ...     margin=AbsoluteMargin(value=0.01),
    ... )
    >>> round(test.p_value, 5), round(test.lower, 5), test.verdict
    (0.00039, -0.00666, 'non-inferior')
    """
    table = treatment_successes, treatment_trials, control_successes, control_trials
    interval = _interval(table, margin, confidence, method)
    counts = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in table))
    sign = 1.0 if desired == "increase" else -1.0
    statistic = sign * _statistic(counts, margin, sign, method)
    superior = sign * _statistic(counts, None, sign, method)
    verdict = noninferiority_verdict(
        special.ndtr(-statistic), special.ndtr(-superior), special.ndtr(statistic), (1.0 - confidence) / 2.0
    )
    treated, control = counts[0] / counts[1], counts[2] / counts[3]
    size = margin.value if isinstance(margin, AbsoluteMargin) else margin.fraction * control
    return NonInferiorityTest(
        value=treated - control,
        margin=np.zeros(treated.shape) - sign * size,
        statistic=statistic,
        p_value=special.ndtr(-statistic),
        log_p_value=special.log_ndtr(-statistic),
        p_superiority=special.ndtr(-superior),
        lower=interval[0],
        upper=interval[1],
        confidence=confidence,
        verdict=texts_of(verdict),
        method=f"non-inferiority, {method}, {interval[2]}",
        reason=interval[3],
    )


@validated
def proportions_equivalence_test(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    lower_margin: Margin,
    upper_margin: Margin,
    confidence: Level = 0.95,
    method: ScoreMethod = "miettinen-nurminen",
) -> EquivalenceTest:
    """Test whether two proportions differ by less than margins (two one-sided score tests).

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, >= 1.
    lower_margin, upper_margin : AbsoluteMargin or RelativeMargin
        How much lower, and how much higher, than in the control the proportion may be; both of one kind.
    confidence : float
        Two-sided confidence level; each one-sided test has the level (1 - confidence) / 2. For 5 % a side give 0.90.
    method : {"miettinen-nurminen", "score"}
        Score tests and interval with the factor n / (n - 1), or without it.

    Returns
    -------
    EquivalenceTest
        In the broadcast shape of the counts. The interval is that of the difference, or of the risk ratio minus 1.

    Raises
    ------
    InputError
        When an arm has no trials or more successes than trials, margins are of two kinds, or one leaves nothing to test.

    References
    ----------
    .. [1] Farrington & Manning (1990), Test statistics and sample size formulae, Statistics in Medicine 9, 1447-1454.

    Examples
    --------
    >>> from ecomops.experiments import AbsoluteMargin
    >>> from ecomops.experiments.proportion_margins import proportions_equivalence_test
    >>> point = AbsoluteMargin(value=0.01)
    >>> proportions_equivalence_test(
    ...     1180,
    ...     treatment_trials=20_000,
    ...     control_successes=1220,
    ...     control_trials=20_000,
    ...     lower_margin=point,
    ...     upper_margin=point,
    ... ).verdict
    'equivalent'
    """
    if type(lower_margin) is not type(upper_margin):
        raise InputError("lower_margin and upper_margin must be of one kind, both absolute or both relative")
    table = treatment_successes, treatment_trials, control_successes, control_trials
    _require_room(lower_margin, "lower_margin")
    interval = _interval(table, upper_margin, confidence, method, "upper_margin")
    counts = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in table))
    low, high = _statistic(counts, lower_margin, 1.0, method), -_statistic(counts, upper_margin, -1.0, method)
    p_lower, p_upper = special.ndtr(-low), special.ndtr(-high)
    beyond = special.ndtr(np.minimum(low, high))
    p_value = np.maximum(p_lower, p_upper)
    return EquivalenceTest(
        value=counts[0] / counts[1] - counts[2] / counts[3],
        statistic_lower=low,
        statistic_upper=high,
        p_lower=p_lower,
        p_upper=p_upper,
        p_value=p_value,
        lower=interval[0],
        upper=interval[1],
        confidence=confidence,
        verdict=texts_of(equivalence_verdict(p_value, beyond, (1.0 - confidence) / 2.0)),
        method=f"two one-sided tests, {method}, {interval[2]}",
        reason=interval[3],
    )


def _require_room(margin: Any, name: str) -> None:
    if isinstance(margin, AbsoluteMargin) and margin.value >= 1.0:
        raise InputError(
            f"{name}.value must be < 1 for a difference of proportions, got {margin.value}; 0.02 is 2 points"
        )


def _interval(table: Any, margin: Any, confidence: float, method: Any, name: str = "margin") -> tuple[Any, ...]:
    """Return the ends of the interval that is dual to the test, what it is of, and the reason why an end is infinite."""
    _require_room(margin, name)
    given = dict(zip(("treatment_trials", "control_successes", "control_trials"), table[1:], strict=True))
    if isinstance(margin, AbsoluteMargin):
        difference = compare_proportions(table[0], **given, confidence=confidence, method=method)
        return (
            difference.lower,
            difference.upper,
            "difference of proportions",
            texts_of(np.full(np.shape(difference.lower), "")),
        )
    ratio = risk_ratio(table[0], **given, confidence=confidence, method=method)
    return ratio.lower - 1.0, ratio.upper - 1.0, "risk ratio minus 1", ratio.reason


def _statistic(counts: Any, margin: Any, sign: float, method: str) -> Any:
    """Return the score statistic of the difference over the margin on one side of 0, or over 0 where there is none."""
    x1, n1, x2, n2 = counts
    factor = (n1 + n2) / (n1 + n2 - 1.0) if method == "miettinen-nurminen" else np.ones(x1.shape)
    if margin is None or isinstance(margin, AbsoluteMargin):
        gap = 0.0 if margin is None else -sign * margin.value
        variance = factor * null_variance(x1, n1, x2, n2, np.full(x1.shape, gap))
        away = x1 / n1 - x2 / n2 - gap
        return away / np.sqrt(np.where(variance > 0, variance, 1.0))
    log_ratio = np.full(x1.shape, np.log1p(-sign * margin.fraction))
    return risk_statistic(log_ratio, x1, n1, x2, n2) / np.sqrt(factor)
