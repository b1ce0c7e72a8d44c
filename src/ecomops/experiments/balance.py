"""Sample-ratio mismatch: whether the arms got the units that they were meant to get, over all and in every segment."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.core import (
    Array,
    Flag,
    Flags,
    Floats,
    FractionColumn,
    FractionReal,
    InputError,
    Labels,
    Matrix,
    Model,
    NonNegativeColumn,
    NonNegativeReal,
    ProbabilityReal,
    Text,
    Texts,
    Vector,
    validated,
)
from ecomops.experiments.exact.splits import binomial_p_values, has_few_splits, multinomial_p_values
from ecomops.experiments.multiplicity import holm

LEAST_EXPECTED = 10.0
"""Expected units of an arm below which the normal law of its count is too rough."""
FEW_UNITS = 40
CHI_SQUARE, BINOMIAL, MULTINOMIAL = "chi-square", "exact binomial", "exact multinomial"
BONFERRONI = "exact binomial of each arm, Bonferroni"
NOBODY = "no units in this segment"
Table = Annotated[Array | Any, Floats(core=2, ge=0, whole=True)]
PValues = Annotated[Array | Any, Floats(core=2, ge=0, le=1)]
Units = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Ratios = Annotated[Array | Any, Floats(core=1, gt=0)]


class SampleRatioMismatch(Model):
    """A test of the split of units over arms.

    Examples
    --------
    >>> from ecomops.experiments import sample_ratio_mismatch
    >>> sample_ratio_mismatch([821588, 815482]).mismatch
    True
    """

    statistic: NonNegativeReal
    """Chi-square statistic."""
    p_value: FractionReal
    """Probability of a split at least as uneven if the ratios hold."""
    mismatch: Flag
    """Whether the p-value is below the threshold: do not read the test's results."""
    expected: Vector
    """Units expected in each arm, shape (k,)."""
    residual: Vector
    """Standardised residual of each arm, shape (k,)."""
    arm_p_value: Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
    """Holm-adjusted p-value of each arm against the rest, shape (k,): which arm is off."""
    threshold: ProbabilityReal
    """Threshold of the verdict."""
    method: Text
    """"chi-square"; "exact binomial" (two arms), "exact multinomial" or "exact binomial of each arm, Bonferroni" where an
    arm expects few units."""


class SegmentSampleRatioMismatch(Model):
    """Tests of the split of units over arms in every segment.

    Examples
    --------
    >>> from ecomops.experiments import sample_ratio_mismatch_by_segment
    >>> found = sample_ratio_mismatch_by_segment([[500, 505], [800, 640]], segments=["web", "app"])
    >>> found.mismatch.tolist()
    [False, True]
    """

    segments: Labels
    """Names of the segments, shape (s,)."""
    statistic: NonNegativeColumn
    """Chi-square statistic of each segment, shape (s,)."""
    p_value: FractionColumn
    """p-value of each segment by itself, shape (s,)."""
    p_adjusted: FractionColumn
    """Adjusted by Holm over the segments, shape (s,)."""
    mismatch: Flags
    """Whether the adjusted p-value is below the threshold, shape (s,)."""
    expected: Matrix
    """Units expected in each arm of each segment, shape (s, k)."""
    residual: Matrix
    """Standardised residuals, shape (s, k)."""
    arm_p_value: PValues
    """p-value of each arm against the rest, adjusted by Holm over all arms of all segments, shape (s, k)."""
    threshold: ProbabilityReal
    """Threshold of the verdicts."""
    method: Texts
    """Test of each segment, shape (s,)."""
    reason: Texts
    """Why a segment cannot be tested (its p-value is 1), shape (s,); empty elsewhere."""


@validated
def sample_ratio_mismatch(
    units: Units, *, ratios: Ratios | None = None, threshold: ProbabilityReal = 0.001
) -> SampleRatioMismatch:
    """Test whether units were split over arms as planned.

    Parameters
    ----------
    units : array, shape (k,)
        Units in each arm, k >= 2.
    ratios : array, shape (k,), optional
        Planned ratios, in any scale; equal by default.
    threshold : float
        p-value below which the split is called a mismatch.

    Returns
    -------
    SampleRatioMismatch
        The test over all arms, and which arm is off.

    Raises
    ------
    InputError
        When there are fewer than 2 arms, no units, or not one ratio an arm.

    Notes
    -----
    The chi-square law is too rough where an arm expects fewer than 10 units (a hold-out of 0.1 %, say), or where there are
    at most 40 in all. The p-value is then exact: of all splits, the sum of those that are no more likely than the one seen
    (binomial for two arms; multinomial for more, up to 20,000 splits). Beyond, it is the smallest exact p-value of an arm
    against the rest, times the number of arms, which never cries wolf too often.

    References
    ----------
    .. [1] Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD.

    Examples
    --------
    >>> from ecomops.experiments import sample_ratio_mismatch
    >>> result = sample_ratio_mismatch([821588, 815482])
    >>> round(result.statistic, 4), round(result.p_value * 1e6, 3)
    (22.7744, 1.822)
    """
    if units.ndim != 1 or units.size < 2:
        raise InputError(f"units must be a list of at least 2 arms, got shape {units.shape}")
    shares = _shares(ratios, units)
    if units.sum() <= 0:
        raise InputError("units must have a positive sum: nobody was assigned")
    statistic, p_value, expected, residual, arm, method = _tested(units[None, :], shares)
    return SampleRatioMismatch(
        statistic=statistic[0],
        p_value=p_value[0],
        mismatch=bool(p_value[0] < threshold),
        expected=expected[0],
        residual=residual[0],
        arm_p_value=holm(arm)[0],
        threshold=threshold,
        method=method[0],
    )


@validated
def sample_ratio_mismatch_by_segment(
    units: Table,
    *,
    ratios: Ratios | None = None,
    segments: Labels | None = None,
    threshold: ProbabilityReal = 0.001,
) -> SegmentSampleRatioMismatch:
    """Test whether units were split over arms as planned in every segment, and find the segment and arm that are off.

    Parameters
    ----------
    units : array, shape (s, k)
        Units of each segment (rows) in each arm, k >= 2. A segment is what a unit was before the test: browser, country, day.
    ratios : array, shape (k,), optional
        Planned ratios, in any scale and the same in all segments; equal by default.
    segments : sequence of str or int, shape (s,), optional
        Names of the segments; their numbers from 0 by default.
    threshold : float
        Adjusted p-value below which the split of a segment is called a mismatch.

    Returns
    -------
    SegmentSampleRatioMismatch
        One row a segment. A segment without units has p-value 1 and a reason.

    Raises
    ------
    InputError
        When there are fewer than 2 arms, or not one ratio an arm and one name a segment.

    Notes
    -----
    Each segment has the test of `sample_ratio_mismatch`; Holm holds the threshold over all segments, and over all arms of
    all segments for the arms.

    References
    ----------
    .. [1] Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD, section 5.

    Examples
    --------
    The third browser loses units of the second arm.

    >>> from ecomops.experiments import sample_ratio_mismatch_by_segment
    >>> found = sample_ratio_mismatch_by_segment([[5021, 4987], [811, 792], [1204, 1003]])
    >>> found.p_adjusted.round(5).tolist(), found.mismatch.tolist()
    ([1.0, 1.0, 6e-05], [False, False, True])
    """
    if units.ndim != 2 or units.shape[1] < 2:
        raise InputError(f"units must be a table of segments and at least 2 arms, got shape {units.shape}")
    shares = _shares(ratios, units)
    names = np.arange(len(units)) if segments is None else segments
    if len(names) != len(units):
        raise InputError(f"segments must have one name a row of units, got {len(names)} names for {len(units)} rows")
    statistic, p_value, expected, residual, arm, method = _tested(units, shares)
    adjusted = holm(p_value[None, :])[0]
    return SegmentSampleRatioMismatch(
        segments=names,
        statistic=statistic,
        p_value=p_value,
        p_adjusted=adjusted,
        mismatch=adjusted < threshold,
        expected=expected,
        residual=residual,
        arm_p_value=holm(arm.reshape(1, -1)).reshape(arm.shape),
        threshold=threshold,
        method=method,
        reason=np.where(units.sum(axis=1) > 0, "", NOBODY).astype(object),
    )


def _shares(ratios: Any, units: Array) -> Array:
    arms = units.shape[-1]
    shares = np.ones(arms) if ratios is None else np.asarray(ratios)
    if shares.shape != (arms,):
        raise InputError(f"ratios must have one value an arm, got shape {shares.shape} for {arms} arms")
    found: Array = shares / shares.sum()
    return found


def _tested(units: Array, shares: Array) -> tuple[Array, Array, Array, Array, Array, NDArray[np.object_]]:
    """Return statistic, p-value, expected units, residuals, p-values of arms, and method of each row."""
    total = units.sum(axis=1, keepdims=True)
    expected = total * shares
    safe = np.where(total > 0, expected, 1.0)
    statistic = (np.square(units - expected) / safe).sum(axis=1)
    residual = (units - expected) / np.sqrt(safe * (1.0 - shares))
    arm = 2.0 * special.ndtr(-np.abs(residual))
    few = (np.minimum(expected, total - expected) < LEAST_EXPECTED) | (total <= FEW_UNITS)
    rows, places = np.nonzero(few)
    arm[rows, places] = binomial_p_values(units[rows, places], total[rows, 0], shares[places])
    p_value = special.chdtrc(units.shape[1] - 1, statistic)
    method = np.full(len(units), CHI_SQUARE, dtype=object)
    rare = few.any(axis=1)
    if units.shape[1] == 2:
        p_value, method[rare] = np.where(rare, arm[:, 0], p_value), BINOMIAL
    else:
        summed = rare & has_few_splits(total[:, 0], units.shape[1])
        bounded = rare & ~summed
        p_value[bounded], method[bounded] = np.minimum(units.shape[1] * arm[bounded].min(axis=1), 1.0), BONFERRONI
        p_value[summed], method[summed] = multinomial_p_values(units[summed], shares), MULTINOMIAL
    return statistic, p_value, expected, residual, arm, method
