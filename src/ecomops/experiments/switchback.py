"""Switchback experiments: one market that changes between treatment and control from block to block of time."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core import (
    Array,
    Column,
    Count,
    Flag,
    Floats,
    FractionReal,
    InputError,
    Labels,
    Model,
    NumOrNan,
    PositiveWhole,
    Rng,
    Text,
    frames,
    replace,
    validated,
)
from ecomops.experiments.adjusted.covariates import clustered_difference
from ecomops.experiments.flagged import UnitFlags
from ecomops.experiments.means import Ratio
from ecomops.stats.estimate import Alternative, Estimate
from ecomops.stats.moments import Moments, MomentsByArm

Periods = Annotated[float, Floats(scalar=True, ge=0, whole=True)]
MOST_EXACT = 200_000
CHUNK = 2**22
TIE = 1e-9
SAME = "every block has the same level, so no assignment stands out"


class RandomizationTest(Model):
    """A test by all the ways in which the blocks could have been assigned.

    Examples
    --------
    >>> from ecomops.experiments import switchback_test
    >>> switchback_test([5, 1, 6, 2, 7, 3], treated=[1, 0, 1, 0, 1, 0]).p_value
    0.1
    """

    statistic: NumOrNan
    """Difference of the arms over its error; NaN where no block differs."""
    p_value: FractionReal
    """Share of assignments with a statistic at least as extreme; 1 where no block differs."""
    assignments: Count
    """Assignments compared, the one that was made included."""
    exact: Flag
    """Whether these are all that there are."""
    method: Text
    """Which assignments were compared."""
    reason: Text
    """Why there is no statistic; empty where there is one."""


@dataclass(frozen=True)
class Blocks:
    """Sums of each block over the periods that count."""

    total: Array
    """Sum of the outcome (times the weight), shape (m,)."""
    size: Array
    """Number of periods, or sum of their weights, shape (m,)."""
    treated: NDArray[np.bool_]
    """Whether the block was treated, shape (m,)."""


@validated
def switchback_difference(
    outcome: Column,
    *,
    treated: UnitFlags,
    block: Labels | None = None,
    weight: Column | None = None,
    burn_in: Periods = 0,
) -> Estimate:
    """Return the difference of period means in a switchback experiment, with an error by blocks.

    Parameters
    ----------
    outcome : array, shape (n,)
        Mean of each period, such as an hour, in the order of time.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether the treatment was on in each period.
    block : array of str or int, shape (n,), optional
        The unit that was assigned at random as a whole: a stretch of periods, of one region where there are several. By
        default each period is a block of its own.
    weight : array, shape (n,), optional
        Weights > 0, such as orders in each period; by default each period counts alike.
    burn_in : int
        Periods left out at the start of each block, in which the one before may carry over.

    Returns
    -------
    Estimate
        Treatment minus control per period, with the error of block sums and m - 2 degrees of freedom for m blocks.

    Raises
    ------
    InputError
        When lengths differ, a block changes its arm, a burn-in leaves a block without periods, or an arm has fewer than 2
        blocks.

    Notes
    -----
    It is `clustered_difference` with blocks as clusters: the difference of ``sum y / sum w`` with the variance of the block
    residuals, ``m_a / (m_a - 1) sum (y_b - R w_b)^2 / W^2`` in each arm. Blocks assigned independently make it safe under
    any course of time, which only widens it; a block shorter than the effect carries over is biased whatever the burn-in.
    In the terms of Bojinov, Simchi-Levi and Zhao a burn-in of as many periods as effects carry over leaves the
    periods whose outcome depends on the block's own arm alone. With very unequal blocks and few of them use
    `switchback_test`.

    References
    ----------
    .. [1] Bojinov, Simchi-Levi & Zhao (2023), Design and analysis of switchback experiments, Management Science 69,
       3759-3777, section 3.
    .. [2] Hu & Wager (2022), Switchback experiments under geometric mixing, arXiv:2209.00197.

    Examples
    --------
    Two periods a block; the first after each change is left out.

    >>> from ecomops.experiments import switchback_difference
    >>> found = switchback_difference(
    ...     [1, 5, 3, 1, 1, 7, 3, 3], treated=[1, 1, 0, 0, 1, 1, 0, 0], block=[1, 1, 2, 2, 3, 3, 4, 4], burn_in=1
    ... )
    >>> found.value, round(found.standard_error, 4), found.degrees_of_freedom
    (4.0, 1.4142, 2.0)
    """
    blocks = _blocks(outcome, treated, block, weight, burn_in)
    parts = tuple(
        Moments.from_arrays(np.column_stack([blocks.total[arm], blocks.size[arm]]), columns=("outcome", "weight"))
        for arm in (~blocks.treated, blocks.treated)
    )
    found = clustered_difference(
        MomentsByArm(arms=["control", "treatment"], moments=parts),
        treatment="treatment",
        control="control",
        metric=Ratio(numerator="outcome", denominator="weight"),
    )
    return replace(found, method=f"switchback, {blocks.size.size} blocks, burn-in of {burn_in:g}")


@validated
def switchback_test(
    outcome: Column,
    *,
    treated: UnitFlags,
    block: Labels | None = None,
    weight: Column | None = None,
    burn_in: Periods = 0,
    alternative: Alternative = "two-sided",
    draws: PositiveWhole = 19_999,
    rng: Rng = None,
) -> RandomizationTest:
    """Test a switchback experiment by re-assigning its blocks: exact however few they are.

    Parameters
    ----------
    outcome : array, shape (n,)
        Mean of each period, in the order of time.
    treated : array of bool (or 0 and 1), shape (n,)
        Whether the treatment was on in each period.
    block : array of str or int, shape (n,), optional
        The unit that was assigned at random as a whole. By default each period is a block of its own.
    weight : array, shape (n,), optional
        Weights > 0, such as orders in each period; by default each period counts alike.
    burn_in : int
        Periods left out at the start of each block.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown of the treatment.
    draws : int
        Assignments drawn where there are more than 200,000.
    rng : int, Generator or None
        Randomness of these draws; not used otherwise.

    Returns
    -------
    RandomizationTest
        Statistic and p-value. Drawn assignments count the one that was made, so that the p-value is never too small.

    Raises
    ------
    InputError
        As `switchback_difference`.

    Notes
    -----
    The assignments are those with as many treated blocks: valid where just so many were treated at random, and, given
    their number, where a fair coin was tossed for each block. The hypothesis is that the treatment changes no outcome, so
    burn-in periods stay the same under each. The statistic is the difference over its error, which makes the test hold
    its level in large samples for a mean effect of zero too.

    References
    ----------
    .. [1] Bojinov, Simchi-Levi & Zhao (2023), Design and analysis of switchback experiments, Management Science 69,
       3759-3777, section 4.
    .. [2] Wu & Ding (2021), Randomization tests for weak null hypotheses in randomized experiments, JASA 116, 1898-1913.

    Examples
    --------
    Three of six days treated, the three best of them: one of twenty assignments, and its mirror image.

    >>> from ecomops.experiments import switchback_test
    >>> found = switchback_test([5, 1, 6, 2, 7, 3], treated=[1, 0, 1, 0, 1, 0])
    >>> found.p_value, found.assignments, found.exact
    (0.1, 20.0, True)
    """
    blocks = _blocks(outcome, treated, block, weight, burn_in)
    many, taken = blocks.size.size, int(blocks.treated.sum())
    level = blocks.total.sum() / blocks.size.sum()
    apart = blocks.total - level * blocks.size
    if not np.square(apart).sum() > 1e-24 * np.square(blocks.total).sum():
        return RandomizationTest(
            statistic=np.nan, p_value=1.0, assignments=1, exact=True, method="none compared", reason=SAME
        )
    seen = float(_statistics(blocks.treated[None, :], apart, blocks.size)[0])
    total = math.comb(many, taken)
    exact = total <= MOST_EXACT
    extreme, compared = 0, 0
    for assigned in _all_assignments(many, taken) if exact else _drawn(blocks.treated, draws, rng):
        statistics = _statistics(assigned, apart, blocks.size)
        extreme += int(_as_extreme(statistics, seen, alternative).sum())
        compared += statistics.size
    if not exact:
        extreme, compared = extreme + 1, compared + 1
    which = f"all {total} assignments" if exact else f"{draws} assignments drawn"
    return RandomizationTest(
        statistic=seen,
        p_value=extreme / compared,
        assignments=compared,
        exact=exact,
        method=f"{which} of {taken} of {many} blocks, {alternative}",
        reason="",
    )


def _blocks(outcome: Any, treated: Any, block: Any, weight: Any, burn_in: float) -> Blocks:
    """Return the sums of blocks without their first periods, once each has one arm and something is left of it."""
    n = outcome.size
    for name, column in (("treated", treated), ("block", block), ("weight", weight)):
        if column is not None and column.shape != (n,):
            raise InputError(f"{name} must have one entry a period, got {column.size} for {n}")
    if weight is not None and n and not weight.min() > 0:
        raise InputError(f"weight must be > 0, got {float(weight.min())} at index {int(weight.argmin())}")
    code, names = (np.arange(n), np.arange(n)) if block is None else frames.factorize(block)
    size = names.size
    periods = np.bincount(code, minlength=size)
    on = np.bincount(code, weights=treated, minlength=size)
    torn = (on > 0) & (on < periods)
    if torn.any():
        raise InputError(f"block must have one arm, got both in block {names.tolist()[int(torn.argmax())]!r}")
    short = periods <= burn_in
    if short.any():
        place = int(short.argmax())
        raise InputError(
            f"burn_in must leave a period in each block, got {burn_in:g} of {periods[place]} in {names.tolist()[place]!r}"
        )
    order = np.argsort(code, kind="stable")
    since = np.empty(n)
    since[order] = np.arange(n) - np.repeat(np.cumsum(periods) - periods, periods)
    counts = since >= burn_in
    weights = np.where(counts, 1.0 if weight is None else weight, 0.0)
    found = Blocks(
        total=np.bincount(code, weights * outcome, size).astype(np.float64),
        size=np.bincount(code, weights, size).astype(np.float64),
        treated=on > 0,
    )
    for name, arm in (("treated", found.treated), ("control", ~found.treated)):
        if arm.sum() < 2:
            raise InputError(f"treated must leave at least 2 blocks in each arm, got {int(arm.sum())} {name}")
    return found


def _statistics(assigned: Any, apart: Any, size: Any) -> Any:
    """Return difference over error for assignments of blocks, shape (r, m), from sums less the common level."""
    difference, variance = 0.0, 0.0
    for sign, arm in ((1.0, assigned.astype(np.float64)), (-1.0, 1.0 - assigned)):
        blocks, weight = arm.sum(axis=1), arm @ size
        level = arm @ apart / weight
        # Sum of (y - R w)^2 over the blocks of the arm.
        spread = (
            arm @ np.square(apart) - 2.0 * level * (arm @ (apart * size)) + np.square(level) * (arm @ np.square(size))
        )
        difference = difference + sign * level
        variance = variance + np.maximum(spread, 0.0) * blocks / (blocks - 1.0) / np.square(weight)
    least = 1e-20 * np.square(apart).sum() / size.sum() ** 2
    return difference / np.sqrt(np.maximum(variance, least))


def _as_extreme(statistics: Any, seen: float, alternative: Alternative) -> Any:
    signed, bound = {
        "greater": (statistics, seen),
        "less": (-statistics, -seen),
        "two-sided": (np.abs(statistics), abs(seen)),
    }[alternative]
    return signed >= bound - TIE * (1.0 + abs(bound))


def _all_assignments(many: int, taken: int) -> Any:
    """Yield every choice of the treated blocks, in parts."""
    step = max(CHUNK // many, 1)
    choices = itertools.combinations(range(many), taken)
    while True:
        part = np.fromiter(itertools.chain.from_iterable(itertools.islice(choices, step)), dtype=np.intp)
        if not part.size:
            return
        rows = part.reshape(-1, taken)
        assigned = np.zeros((rows.shape[0], many), dtype=bool)
        np.put_along_axis(assigned, rows, values=True, axis=1)
        yield assigned


def _drawn(treated: Any, draws: int, rng: np.random.Generator) -> Any:
    """Yield random orders of the arms of the blocks, in parts."""
    step = max(CHUNK // treated.size, 1)
    for start in range(0, draws, step):
        yield rng.permuted(np.tile(treated, (min(step, draws - start), 1)), axis=1)
