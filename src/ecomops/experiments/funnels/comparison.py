"""Arms of a funnel compared: every step over all who were exposed, and what each step adds to the overall difference."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeAlias

import numpy as np
from pydantic import model_validator

from ecomops.core import (
    Array,
    Column,
    CountColumn,
    Floats,
    FractionColumn,
    FractionColumnOrNan,
    InputError,
    Labels,
    Model,
    NonNegativeColumn,
    ProbabilityReal,
    Text,
    Texts,
    UnboundedOrNan,
    check,
    validated,
)
from ecomops.experiments.exact.ratios_of_proportions import risk_ratio
from ecomops.experiments.means import Arm
from ecomops.experiments.multiplicity import AdjustmentMethod, adjust_p_values
from ecomops.experiments.proportions import ProportionMethod, compare_proportions
from ecomops.stats.decomposition import shapley_of_product, shapley_variances

UnitTable: TypeAlias = Annotated[Array | Any, Floats(core=2, ge=0, whole=True)]
Units: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
DESCRIPTIVE = (
    "step rates and contributions describe: who reached the step before was selected after the assignment,"
    " so they are no effects on the same users"
)
UNKNOWN = "; exposed are the users of the first step, which is not tested"
NOT_TESTED = "not tested: nobody told who was exposed, and all users of the first step did it"
NO_VARIATION = "nobody, or everybody, reached it in both arms"
NO_STEP_RATE = "NaN: nobody reached the step before"


class FunnelTotals(Model):
    """Users who reached each step of a funnel, and exposed units, by arm: all that a comparison needs, as SQL gives it.

    Examples
    --------
    >>> totals = FunnelTotals(arm=["a", "b"], step=["浏览", "下单"], users=[[50, 10], [50, 20]], exposed=[100, 100])
    >>> (totals + totals).users.tolist()
    [[100.0, 20.0], [100.0, 40.0]]
    """

    __labelled__ = False

    arm: Labels
    """Names of the arms, shape (a,)."""
    step: Labels
    """Names of the steps, shape (k,)."""
    users: UnitTable
    """Users who reached each step, shape (a, k); they do not grow from step to step."""
    exposed: Units | None = None
    """Units exposed to each arm, those who never did the first step included, shape (a,); None where it is not known."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        shape = (len(self.arm), len(self.step))
        check(self.users.shape == shape, f"users must have shape {shape}, got {self.users.shape}")
        check(len(set(self.arm.tolist())) == len(self.arm), f"arm must not repeat, got {self.arm.tolist()}")
        check(self.users[:, 1:] <= self.users[:, :-1], "users must not grow from step to step", self.users[:, 1:])
        if self.exposed is not None:
            check(self.exposed.shape == shape[:1], f"exposed must have {shape[0]} arms, got shape {self.exposed.shape}")
            check(self.users[:, 0] <= self.exposed, "users must be at most the exposed", self.users[:, 0], self.exposed)
        return self

    def __add__(self, other: object) -> FunnelTotals:
        """Join two disjoint sets of units."""
        if not isinstance(other, FunnelTotals):
            return NotImplemented
        for name in ("arm", "step"):
            mine, theirs = getattr(self, name).tolist(), getattr(other, name).tolist()
            if mine != theirs:
                raise InputError(f"FunnelTotals: {name} must be the same to add, got {mine} and {theirs}")
        if self.exposed is None or other.exposed is None:
            if self.exposed is not other.exposed:
                raise InputError("FunnelTotals: exposed must be known in both parts or in none")
            return FunnelTotals(arm=self.arm, step=self.step, users=self.users + other.users)
        exposed = self.exposed + other.exposed
        return FunnelTotals(arm=self.arm, step=self.step, users=self.users + other.users, exposed=exposed)


class FunnelComparison(Model):
    """The steps of a funnel in each arm against the control; one row a treatment arm and step.

    Examples
    --------
    >>> from ecomops.experiments import FunnelTotals, compare_funnels
    >>> totals = FunnelTotals(arm=["a", "b"], step=["浏览", "下单"], users=[[50, 10], [50, 20]], exposed=[100, 100])
    >>> compare_funnels(totals, control="a").difference.tolist()
    [0.0, 0.1]
    """

    __labelled__ = False

    arm: Labels
    """Treatment arm of each row, shape (n,)."""
    step: Labels
    """Step of each row, shape (n,)."""
    exposed: CountColumn
    """Units exposed to the arm, shape (n,)."""
    control: FractionColumn
    """Share of the exposed units of the control that reached the step, shape (n,)."""
    treatment: FractionColumn
    """Share of the exposed units of the arm that reached it, shape (n,)."""
    difference: Column
    """Treatment minus control, shape (n,)."""
    lower: Column
    """Lower end of its interval, shape (n,)."""
    upper: Column
    """Upper end, shape (n,)."""
    lift: UnboundedOrNan
    """Difference over the control, shape (n,); infinite where only the control is 0, NaN where both are."""
    lift_lower: UnboundedOrNan
    """Lower end of its score interval, shape (n,); -1 where no fall is excluded."""
    lift_upper: UnboundedOrNan
    """Upper end, shape (n,); infinite where no rise is excluded."""
    p_value: FractionColumn
    """Two-sided p-value of no difference, shape (n,)."""
    p_adjusted: FractionColumn
    """p-value adjusted for all arms and steps that are tested, shape (n,)."""
    control_step: FractionColumnOrNan
    """Share of the control's users of the step before that reached this one, shape (n,); descriptive."""
    treatment_step: FractionColumnOrNan
    """The same of the arm, shape (n,); descriptive."""
    contribution: Column
    """What the change of this step's rate adds to the difference at the last step, shape (n,); they sum to it by arm."""
    contribution_error: NonNegativeColumn
    """Standard error of the contribution, shape (n,)."""
    confidence: ProbabilityReal
    """Confidence level of each interval."""
    method: Text
    """Methods of the intervals and of the adjustment."""
    note: Text
    """What step rates and contributions are."""
    reason: Texts
    """Why a row has no test or no step rate; empty where it has both."""


@validated
def compare_funnels(
    totals: FunnelTotals,
    *,
    control: Arm,
    confidence: ProbabilityReal = 0.95,
    interval: ProportionMethod = "miettinen-nurminen",
    adjustment: AdjustmentMethod = "holm",
) -> FunnelComparison:
    """Compare the arms of a funnel step by step, over all units that were exposed.

    Parameters
    ----------
    totals : FunnelTotals
        Users of each step by arm, and the exposed units; without these the users of the first step stand for them, and
        the first step is not tested.
    control : str or int
        The arm that the others are compared with.
    confidence : float
        Confidence level of each interval by itself, in (0, 1).
    interval : {"miettinen-nurminen", "score", "newcombe", "agresti-caffo", "wald"}
        Method of the interval of the difference, as in `compare_proportions`.
    adjustment : {"holm", "bonferroni", "hochberg", "hommel", "benjamini-hochberg", "benjamini-yekutieli"}
        How the p-values are adjusted; all arms and steps that are tested are one family.

    Returns
    -------
    FunnelComparison
        One row an arm and step, in the order of ``totals``.

    Raises
    ------
    InputError
        When the control is no arm, there is no other, or an arm has no exposed units.

    Notes
    -----
    The assignment makes the exposed units of two arms alike, not those who came as far as some step: rates from step to
    step say where users are lost, but only shares of the exposed are effects. With step rates r_1, ..., r_k the last share
    is their product, and the contribution of a step is its Shapley value, the integral over u in [0, 1] of
    (r'_j - r_j) times the product over the other steps of r_i + u (r'_i - r_i). It exists where rates are 0, does not
    depend on an order, changes its sign when the arms are swapped, and sums to the difference. A rate that one arm does
    not have is taken to be that of the other.

    References
    ----------
    .. [1] Miettinen & Nurminen (1985), Comparative analysis of two rates, Statistics in Medicine 4, 213-226.
    .. [2] Owen (1972), Multilinear extensions of games, Management Science 18, P64-P79.

    Examples
    --------
    >>> from ecomops.experiments import FunnelTotals, compare_funnels
    >>> totals = FunnelTotals(arm=["a", "b"], step=["浏览", "下单"], users=[[50, 10], [50, 20]], exposed=[100, 100])
    >>> result = compare_funnels(totals, control="a")
    >>> result.contribution.round(3).tolist(), round(float(result.contribution.sum()), 3)
    ([0.0, 0.1], 0.1)
    """
    names, steps = totals.arm.tolist(), totals.step.tolist()
    if control not in names:
        raise InputError(f"control must be one of {names}, got {control!r}")
    if len(names) < 2:
        raise InputError(f"totals must have at least 2 arms, got only {control!r}")
    known = totals.exposed is not None
    units = np.asarray(totals.exposed if known else totals.users[:, 0])
    if np.min(units) < 1:
        missing = "exposed units" if known else "users of the first step"
        raise InputError(f"totals must have {missing} in every arm, got 0 in {names[int(np.argmin(units))]!r}")
    base = names.index(control)
    others = [place for place in range(len(names)) if place != base]
    users = np.repeat(totals.users[base][None, :], len(others), axis=0), totals.users[others]
    exposed = np.full(users[0].shape, units[base]), np.repeat(units[others, None], len(steps), axis=1)
    table: dict[str, Any] = {
        "treatment_trials": exposed[1].ravel(),
        "control_successes": users[0].ravel(),
        "control_trials": exposed[0].ravel(),
        "confidence": confidence,
    }
    found = compare_proportions(users[1].ravel(), **table, method=interval)
    lift = risk_ratio(users[1].ravel(), **table)
    tested = np.ones(users[0].shape, dtype=bool)
    tested[:, 0] = known
    adjusted = np.ones(tested.size)
    adjusted[tested.ravel()] = adjust_p_values(np.asarray(found.p_value)[tested.ravel()], method=adjustment).p_adjusted
    rates, contribution, error = contributions(users, exposed)
    reason = np.where(np.isnan(rates).any(axis=0), NO_STEP_RATE, "").ravel()
    reason = np.where(np.isnan(found.statistic), NO_VARIATION, reason)
    return FunnelComparison(
        arm=np.repeat(totals.arm[others], len(steps)),
        step=np.tile(totals.step, len(others)),
        exposed=exposed[1].ravel(),
        control=found.control,
        treatment=found.treatment,
        difference=found.difference,
        lower=found.lower,
        upper=found.upper,
        lift=lift.ratio - 1.0,
        lift_lower=lift.lower - 1.0,
        lift_upper=lift.upper - 1.0,
        p_value=found.p_value,
        p_adjusted=adjusted,
        control_step=rates[0].ravel(),
        treatment_step=rates[1].ravel(),
        contribution=contribution.ravel(),
        contribution_error=error.ravel(),
        confidence=confidence,
        method=f"{interval}, {adjustment}",
        note=DESCRIPTIVE if known else DESCRIPTIVE + UNKNOWN,
        reason=np.where(tested.ravel(), reason, NOT_TESTED).astype(object),
    )


def contributions(users: tuple[Array, Array], exposed: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """Return step rates of control and treatment, and each step's contribution to the last difference with its error."""
    before = [
        np.concatenate([out[:, :1], reached[:, :-1]], axis=1) for reached, out in zip(users, exposed, strict=True)
    ]
    there = [part > 0 for part in before]
    safe = [np.where(known, part, 1.0) for known, part in zip(there, before, strict=True)]
    rates = [reached / part for reached, part in zip(users, safe, strict=True)]
    # A step that nobody could take in one arm is given the rate of the other: it has no part in the difference.
    filled = [np.where(known, rate, other) for known, rate, other in zip(there, rates, rates[::-1], strict=True)]
    variances = [
        np.where(known, rate * (1.0 - rate) / part, 0.0) for known, rate, part in zip(there, rates, safe, strict=True)
    ]
    found = shapley_of_product(filled[0], filled[1])
    error = np.sqrt(shapley_variances(filled[0], filled[1], variances[0], variances[1]))
    shown: Any = np.stack([np.where(known, rate, np.nan) for known, rate in zip(there, rates, strict=True)])
    return shown, found, error
