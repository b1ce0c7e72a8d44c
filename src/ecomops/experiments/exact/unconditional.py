"""Barnard's and Boschloo's exact tests of two proportions: the largest chance over the common rate, so no conditioning."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy import special

from ecomops.core import Array, Count, Fraction, InputError, Model, NumOrNan, Text, Texts, validated
from ecomops.experiments.exact.fisher import NO_MARGIN, TIE
from ecomops.experiments.exact.inversion import read_table
from ecomops.stats.estimate import Alternative

Ordering = Literal["barnard", "boschloo"]
TRIALS_LIMIT = 1000
CELLS = 1 << 22
EQUAL = 1e-10
# Nodes in the angle asin(sqrt(rate)) per standard deviation of the share of successes, which is the scale of every wave.
NODES = 10
HALVINGS = 24


class UnconditionalTest(Model):
    """An exact test of two proportions that holds its level whatever their common value.

    Examples
    --------
    >>> from ecomops.experiments import barnard_test
    >>> round(barnard_test(7, treatment_trials=15, control_successes=12, control_trials=15).p_value, 5)
    0.06822
    """

    statistic: NumOrNan
    """What orders the tables: the pooled z statistic (Barnard) or Fisher's p-value (Boschloo)."""
    p_value: Fraction
    """Largest probability, over the common rate, of a table at least as extreme."""
    rate: Fraction
    """The common rate where it is largest."""
    method: Text
    """"barnard" or "boschloo", and the alternative."""
    reason: Texts
    """Why there is no statistic; empty where there is one."""


@validated
def barnard_test(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    alternative: Alternative = "two-sided",
) -> UnconditionalTest:
    """Test two proportions by Barnard's exact test, which orders the tables by the pooled z statistic.

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, 1 to 1,000: all tables are enumerated.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown of the treatment.

    Returns
    -------
    UnconditionalTest
        In the broadcast shape of the counts.

    Raises
    ------
    InputError
        When an arm has no trials, more than 1,000 trials, or more successes than trials.

    Notes
    -----
    With a_s the share of the tables with s successes in all that are at least as extreme, the probability of those tables
    at a common rate is sum of a_s Binomial(s; n, rate), so one row of n + 1 numbers serves every rate. Its maximum is
    looked for on a grid ten times finer than its waves and then by halving the bracket of its slope. Tables with the same
    trials share one enumeration. Tables whose statistic is equal in exact arithmetic count as tied (scipy's test leaves out
    those that rounding puts below, and gives 0.0681534 here).

    References
    ----------
    .. [1] Barnard (1947), Significance tests for 2 x 2 tables, Biometrika 34, 123-138.
    .. [2] Suissa & Shuster (1985), Exact unconditional sample sizes for the 2 x 2 binomial trial, JRSS A 148, 317-327.

    Examples
    --------
    The vaccine of scipy's documentation.

    >>> from ecomops.experiments import barnard_test
    >>> result = barnard_test(7, treatment_trials=15, control_successes=12, control_trials=15)
    >>> round(result.statistic, 3), round(result.p_value, 7)
    (-1.894, 0.0682183)
    """
    table = (treatment_successes, treatment_trials, control_successes, control_trials)
    return _tested(table, "barnard", alternative)


@validated
def boschloo_test(
    treatment_successes: Count,
    *,
    treatment_trials: Count,
    control_successes: Count,
    control_trials: Count,
    alternative: Alternative = "two-sided",
) -> UnconditionalTest:
    """Test two proportions by Boschloo's exact test, which rejects whenever Fisher's does and more often.

    Parameters
    ----------
    treatment_successes, control_successes : float or array
        Whole numbers of successes.
    treatment_trials, control_trials : float or array
        Whole numbers of trials, 1 to 1,000: all tables are enumerated.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown of the treatment.

    Returns
    -------
    UnconditionalTest
        In the broadcast shape of the counts; the statistic is Fisher's p-value of the same alternative.

    Raises
    ------
    InputError
        When an arm has no trials, more than 1,000 trials, or more successes than trials.

    Notes
    -----
    The two-sided test orders the tables by Fisher's two-sided p-value, so that it is never weaker than Fisher's test
    (scipy doubles the smaller of the two one-sided p-values instead). The maximum is found as in `barnard_test`.

    References
    ----------
    .. [1] Boschloo (1970), Raised conditional level of significance for the 2 x 2 table, Statistica Neerlandica 24, 1-9.

    Examples
    --------
    The questionnaire of scipy's documentation.

    >>> from ecomops.experiments import boschloo_test
    >>> result = boschloo_test(74, treatment_trials=117, control_successes=31, control_trials=63, alternative="greater")
    >>> round(result.statistic, 7), round(result.p_value, 7)
    (0.0483122, 0.0355641)
    """
    table = (treatment_successes, treatment_trials, control_successes, control_trials)
    return _tested(table, "boschloo", alternative)


def _tested(table: tuple[Any, Any, Any, Any], ordering: Ordering, alternative: Alternative) -> UnconditionalTest:
    (x1, n1, x2, n2), shape = read_table(*table)
    for name, n in (("treatment", n1), ("control", n2)):
        if np.any(n > TRIALS_LIMIT):
            raise InputError(
                f"{name}_trials must be <= {TRIALS_LIMIT} to enumerate all tables, got {n.max():g}; "
                "use compare_proportions"
            )
    answer = np.empty((3, x1.size))
    designs, which = np.unique(np.stack([n1, n2], axis=1), axis=0, return_inverse=True)
    for number, (trials, others) in enumerate(designs.astype(int).tolist()):
        rows = np.flatnonzero(which.reshape(-1) == number)
        answer[:, rows] = _in_design(x1[rows], x2[rows], trials, others, ordering, alternative)
    statistic, p_value, rate = (part.reshape(shape) for part in answer)
    varies = ((x1 + x2 > 0) & (x1 + x2 < n1 + n2)).reshape(shape) | (ordering == "boschloo")
    reason = np.where(varies, "", NO_MARGIN)
    return UnconditionalTest(
        statistic=np.where(varies, statistic, np.nan),
        p_value=p_value,
        rate=rate,
        method=f"{ordering}, {alternative}",
        reason=reason.astype(object) if reason.ndim else str(reason),
    )


def _in_design(x1: Array, x2: Array, n1: int, n2: int, ordering: Ordering, alternative: Alternative) -> Any:
    """Return statistic, p-value and worst rate of tables with the same trials."""
    chance = hypergeometric(n1, n2)
    values = pooled_z(n1, n2) if ordering == "barnard" else fisher_p_values(chance, alternative)
    sign = {"greater": 1.0, "less": -1.0}.get(alternative, 0.0)
    # How extreme a table is: what is more extreme is larger.
    extreme = -values if ordering == "boschloo" else np.abs(values) if sign == 0 else sign * values
    place = (x1 + x2).astype(int), x1.astype(int)
    seen, back = np.unique(extreme[place], return_inverse=True)
    found = np.empty((2, seen.size))
    likelihood = _Likelihood(n1 + n2)
    block = max(CELLS // chance.size, 1)
    for start in range(0, seen.size, block):
        least = seen[start : start + block] - EQUAL * np.abs(seen[start : start + block])
        shares = np.where(extreme >= least[:, None, None], chance, 0.0).sum(axis=2)
        found[:, start : start + block] = likelihood.largest(shares)
    return np.stack([values[place], *found[:, back.reshape(-1)]])


def hypergeometric(n1: int, n2: int) -> Array:
    """Return P(x1 = i | s successes in all) for s = 0..n1 + n2 (rows) and i = 0..n1, at equal rates."""
    s, i = np.arange(n1 + n2 + 1)[:, None], np.arange(n1 + 1)
    j = s - i
    inside = (j >= 0) & (j <= n2)
    one, two, both = (_log_choose(n) for n in (n1, n2, n1 + n2))
    log_chance = one[i] + two[np.clip(j, 0, n2)] - both[s]
    return np.where(inside, np.exp(np.where(inside, log_chance, -np.inf)), 0.0)


def _log_choose(n: int) -> Array:
    k = np.arange(n + 1.0)
    return special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0)


def pooled_z(n1: int, n2: int) -> Array:
    """Return the pooled z statistic of every table, by successes in all (rows) and in the treatment."""
    s, i = np.arange(n1 + n2 + 1.0)[:, None], np.arange(n1 + 1.0)
    # Whole numbers, so that no difference is exactly 0.
    gap = i * n2 - (s - i) * n1
    spread = np.sqrt(n1 * n2 * s * (n1 + n2 - s) / (n1 + n2))
    return np.where(spread > 0, gap / np.where(spread > 0, spread, 1.0), 0.0)


def fisher_p_values(chance: Array, alternative: Alternative) -> Array:
    """Return Fisher's p-value of every table, by successes in all (rows) and in the treatment."""
    if alternative == "greater":
        return np.cumsum(chance[:, ::-1], axis=1)[:, ::-1]
    if alternative == "less":
        return np.cumsum(chance, axis=1)
    order = np.argsort(chance, axis=1, kind="stable")
    ascending = np.take_along_axis(chance, order, axis=1)
    summed = np.cumsum(ascending, axis=1)
    # Tables of one probability all count: each takes the sum at the last of its equals.
    last = np.ones(chance.shape, dtype=bool)
    last[:, :-1] = ascending[:, 1:] > ascending[:, :-1] * TIE
    at_last = np.minimum.accumulate(np.where(last, summed, np.inf)[:, ::-1], axis=1)[:, ::-1]
    p_values = np.empty_like(chance)
    np.put_along_axis(p_values, order, at_last, axis=1)
    return p_values


class _Likelihood:
    """The probability of a set of tables as a function of the common rate, for one number of trials in all."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.angles = np.linspace(0.0, np.pi / 2, int(np.pi * NODES * np.sqrt(n)) + 3)
        self.on_grid = self._binomial(self.angles[1:-1], n)

    @staticmethod
    def _binomial(angle: Array, n: int) -> Array:
        log_rate, log_rest = 2.0 * np.log(np.sin(angle))[:, None], 2.0 * np.log(np.cos(angle))[:, None]
        s = np.arange(n + 1.0)
        return np.exp(_log_choose(n) + s * log_rate + (n - s) * log_rest)

    def largest(self, shares: Array) -> Array:
        """Return the largest probability and its rate, for rows of shares of extreme tables by successes in all."""
        values = np.concatenate([shares[:, :1], shares @ self.on_grid.T, shares[:, -1:]], axis=1)
        best = values.argmax(axis=1)
        top = values[np.arange(best.size), best]
        rate = np.square(np.sin(self.angles[best]))
        peak = (values[:, 1:-1] >= values[:, :-2]) & (values[:, 1:-1] >= values[:, 2:])
        # Within 1 %: far more than what a peak can rise between two nodes. A level stretch at 1 has nothing to rise to.
        peak &= (values[:, 1:-1] >= 0.99 * top[:, None]) & (top[:, None] < 1.0 - 1e-12)
        rows, nodes = np.nonzero(peak)
        low, high = self.angles[nodes], self.angles[nodes + 2]
        slopes = np.diff(shares[rows], axis=1)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            rises = np.einsum("rs,rs->r", slopes, self._binomial(middle, self.n - 1)) > 0
            low, high = np.where(rises, middle, low), np.where(rises, high, middle)
        angle = (low + high) / 2
        refined = np.einsum("rs,rs->r", shares[rows], self._binomial(angle, self.n))
        for row, value, at in zip(rows, refined, angle, strict=True):
            if value > top[row]:
                top[row], rate[row] = value, np.sin(at) ** 2
        return np.stack([np.minimum(top, 1.0), rate])
