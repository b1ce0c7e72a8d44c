"""Group-sequential monitoring: stop or go on at each look, and what is still to hope for."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import model_validator
from scipy import special

from ecomops.core import (
    Array,
    Flag,
    Floats,
    InputError,
    Model,
    NumOrNan,
    ProbabilityReal,
    Real,
    Text,
    Texts,
    Vector,
    Whole,
    check,
    validated,
)
from ecomops.experiments.sequential import boundaries, crossings
from ecomops.experiments.sequential.group_sequential import GroupSequentialDesign
from ecomops.experiments.sequential.stopping_rules import (
    Bounds,
    Fractions,
    StoppingBounds,
    cumulative,
    exponent_of,
    firm_looks,
)
from ecomops.stats.estimate import Estimate, log_sf

Errors = Annotated[Array | Any, Floats(core=1, gt=0)]
NEAR = 1e-4  # a planned look this little ahead was taken
SAME = 1e-9  # fractions nearer than this are the same look
STOPPED = "the experiment has stopped"
NO_LOOK_LEFT = "no look of the plan is left"


class SequentialMonitoring(Model):
    """The looks so far, each with its bounds and what they say.

    Examples
    --------
    >>> from ecomops.experiments import LanDeMets, group_sequential_design, monitor_looks
    >>> design = group_sequential_design([0.5, 1.0], boundary=LanDeMets())
    >>> monitor_looks(design, Estimate(value=3.1, standard_error=1.0), fractions=[0.5]).verdict
    'efficacy'
    """

    bounds: StoppingBounds
    """Looks that were taken, with the bounds that hold there."""
    statistic: Vector
    """Statistic z of each look, shape (k,): with degrees of freedom, the normal quantile of the same tail."""
    value: Vector
    """Estimate at each look, shape (k,)."""
    standard_error: Errors
    """Its standard error, shape (k,)."""
    margin: Real
    """Value under the null hypothesis."""
    lower: Bounds
    """Lower ends of the repeated confidence intervals, shape (k,): they hold at all looks at once, whatever is done there."""
    upper: Bounds
    """Upper ends of the repeated confidence intervals, shape (k,); infinite where one-sided or where no stop is planned."""
    action: Texts
    """"continue", "efficacy", "harm", "futility", "not shown" (at the end) or "after the stop", shape (k,)."""
    stopped_at: Whole
    """Number of the look that ends the experiment, from 1; 0 where it goes on."""
    verdict: Text
    """Action of the look that ends the experiment, or "continue"."""
    conditional_power: NumOrNan
    """Probability to stop for efficacy at a later look of the plan under the effect planned for; NaN where none is left."""
    conditional_power_trend: NumOrNan
    """The same if the trend so far goes on: its drift is statistic / sqrt(fraction)."""
    reason: Text
    """Why there is no conditional power; empty where there is one."""
    alpha: ProbabilityReal
    """Level over all looks."""
    binding: Flag
    """Whether the bounds count on stopping for futility."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        shape = self.bounds.fractions.shape
        for name in ("statistic", "value", "standard_error"):
            check(getattr(self, name).shape == shape, f"{name} must have one value a look")
        check(0 <= self.stopped_at <= shape[0], "stopped_at must be the number of a look, or 0", self.stopped_at)
        return self


@validated
def monitor_looks(
    design: GroupSequentialDesign,
    estimates: Estimate,
    *,
    fractions: Fractions,
    margin: Real = 0.0,
    final: Flag = False,
) -> SequentialMonitoring:
    """Judge an experiment at its looks so far: go on, or stop for efficacy, harm or futility.

    Parameters
    ----------
    design : GroupSequentialDesign
        The plan.
    estimates : Estimate
        The estimate at each look, from all data up to then: value and standard error of shape (k,); scalars for one look.
    fractions : array, shape (k,)
        Information fractions that the looks had in fact (units, or 1 / standard_error**2, over what was planned),
        increasing; only the last may be 1 or more.
    margin : float
        Value under the null hypothesis.
    final : bool
        Whether the last look ends the experiment although less was gathered than planned: what error is left is spent.

    Returns
    -------
    SequentialMonitoring
        Statistic, bounds, repeated intervals and action of each look.

    Raises
    ------
    InputError
        When fractions and estimates do not match, a standard error is 0, or a design without a spending function is
        looked at elsewhere than planned.

    Notes
    -----
    Bounds are made anew for the fractions in fact: what an earlier look has spent stays spent, and a last look that comes
    early or late has the rest. A futility bound that is not binding stops only the last of the looks given.

    References
    ----------
    .. [1] Lan & DeMets (1983), Discrete Sequential Boundaries for Clinical Trials, Biometrika 70, 659-663.
    .. [2] Jennison & Turnbull (2000), Group Sequential Methods, ch. 7 (spending) and 9 (repeated intervals).

    Examples
    --------
    >>> from ecomops.experiments import Estimate, LanDeMets, group_sequential_design, monitor_looks
    >>> design = group_sequential_design([0.25, 0.5, 0.75, 1.0], boundary=LanDeMets())
    >>> looks = monitor_looks(design, Estimate(value=[0.9, 1.3], standard_error=[0.5, 0.4]), fractions=[0.3, 0.55])
    >>> looks.bounds.efficacy.round(3).tolist(), looks.statistic.round(2).tolist(), looks.action.tolist()
    ([3.929, 2.808], [1.8, 3.25], ['continue', 'efficacy'])
    """
    _check_looks(design, estimates, fractions)
    final = bool(final or fractions[-1] >= 1.0)
    bounds = _bounds_at(design, fractions, final=final)
    shape = fractions.shape
    value, error, freedom = (
        np.broadcast_to(part, shape).astype(np.float64)
        for part in (estimates.value, estimates.standard_error, estimates.degrees_of_freedom)
    )
    statistic = _normal_statistic((value - margin) / error, freedom)
    action, stopped = _actions(design, bounds, statistic, final=final)
    width = _quantile(bounds.efficacy, freedom) * error
    hope: dict[str, Any] = {
        "conditional_power": np.nan,
        "conditional_power_trend": np.nan,
        "reason": STOPPED if stopped else NO_LOOK_LEFT,
    }
    ahead = design.bounds.fractions[design.bounds.fractions > fractions[-1] + NEAR]
    if not stopped and ahead.size:
        hope = _conditional_powers(design, fractions, ahead, float(statistic[-1]))
    two_sided = bounds.alternative == "two-sided"
    return SequentialMonitoring(
        bounds=bounds,
        statistic=statistic,
        value=value,
        standard_error=error,
        margin=margin,
        lower=value - width,
        upper=value + width if two_sided else np.full(shape, np.inf),
        action=action,
        stopped_at=stopped,
        **hope,
        verdict=str(action[stopped - 1]) if stopped else "continue",
        alpha=design.alpha,
        binding=_binding(design),
    )


def _bounds_at(design: GroupSequentialDesign, fractions: Array, *, final: bool) -> StoppingBounds:
    """Return the bounds for looks at these fractions, which need not be the planned ones where errors are spent."""
    plan, count = design.bounds, fractions.size
    planned = count <= plan.fractions.size and bool(np.allclose(fractions, plan.fractions[:count], rtol=0.0, atol=SAME))
    if planned and final == (count == plan.fractions.size):
        futility = None if plan.futility is None else plan.futility[:count]
        return StoppingBounds(
            fractions=fractions, efficacy=plan.efficacy[:count], futility=futility, alternative=plan.alternative
        )
    if exponent_of(design.boundary) is not None:
        raise InputError(
            f"fractions must be those of the design, {plan.fractions.round(4).tolist()[:8]}, for "
            f"{design.boundary.kind} bounds; use a spending function for looks at other times"
        )
    two_sided = plan.alternative == "two-sided"
    spend = _increments(design.boundary, fractions, design.alpha / (2.0 if two_sided else 1.0), final=final)
    rule = None
    if design.futility_rule is not None:
        beta = _increments(design.futility_rule.spending, fractions, 1.0 - design.power, final=final)
        rule = boundaries.Futility(beta, design.drift, design.futility_rule.binding)
    efficacy, stop, excess = boundaries.spending_bounds(fractions, spend, rule, two_sided=two_sided, last=final)
    if excess == boundaries.OVERDONE:
        raise InputError("design stops so often for futility that its alpha cannot be spent at these fractions")
    return StoppingBounds(
        fractions=fractions, efficacy=efficacy, futility=None if rule is None else stop, alternative=plan.alternative
    )


def _conditional_powers(
    design: GroupSequentialDesign, fractions: Array, left: Array, statistic: float
) -> dict[str, Any]:
    """Return the conditional powers over the looks of the plan that are left, by the same recursion from where z is now."""
    now = float(fractions[-1])
    bounds = _bounds_at(design, np.concatenate([fractions, left]), final=True)
    none = np.full(left.size, -np.inf)
    looks = firm_looks(bounds, binding=_binding(design))
    times, start = left - now, statistic * now**0.5
    upper, lower = ((bound[fractions.size :] * np.sqrt(left) - start) / np.sqrt(times) for bound in looks[1:3])
    ahead = crossings.Looks(times, upper, lower, none)
    power = crossings.power_at(ahead, crossings.recursion(ahead))
    return {
        "conditional_power": min(power(design.drift), 1.0),
        "conditional_power_trend": min(power(statistic / now**0.5), 1.0),
        "reason": "",
    }


def _increments(spending: Any, fractions: Array, error: float, *, final: bool) -> Array:
    spent = cumulative(spending, fractions, error)
    if final:
        spent[-1] = error
    return np.diff(spent, prepend=0.0)


def _normal_statistic(statistic: Array, freedom: Array) -> Array:
    """Return the normal quantile with the tail of a t statistic, from the logarithm of the tail."""
    tail = special.ndtri_exp(np.minimum(log_sf(np.abs(statistic), freedom), np.log(0.5)))
    return np.where(np.isfinite(freedom), -np.sign(statistic) * tail, statistic)


def _quantile(bound: Array, freedom: Array) -> Array:
    """Return the quantile of t with the tail of a normal bound; infinite bounds stay so."""
    finite = np.isfinite(freedom)
    tail = special.ndtr(-bound)
    usable = finite & (tail > 0.0)
    quantile = -special.stdtrit(np.where(usable, freedom, 1.0), np.where(usable, tail, 0.5))
    return np.where(usable, quantile, np.where(finite, np.inf, bound))


def _binding(design: GroupSequentialDesign) -> bool:
    return design.futility_rule is not None and design.futility_rule.binding


def _actions(
    design: GroupSequentialDesign, bounds: StoppingBounds, statistic: Array, *, final: bool
) -> tuple[Any, int]:
    """Return what each look says, and the number of the one that ends the experiment (0 for none)."""
    two_sided, last = bounds.alternative == "two-sided", statistic.size - 1
    action = np.full(statistic.size, "continue", dtype=object)
    if bounds.futility is not None:
        action[(np.abs(statistic) if two_sided else statistic) <= bounds.futility] = "futility"
    if final and action[last] == "continue":
        action[last] = "not shown"
    action[statistic >= bounds.efficacy] = "efficacy"
    if two_sided:
        action[-statistic >= bounds.efficacy] = "harm"
    ends = np.isin(action.astype(str), ["efficacy", "harm"] + ["futility"] * _binding(design))
    ends[last] |= action[last] != "continue"
    if not ends.any():
        return action, 0
    stopped = int(np.argmax(ends)) + 1
    action[stopped:] = "after the stop"
    return action, stopped


def _check_looks(design: GroupSequentialDesign, estimates: Estimate, fractions: Array) -> None:
    if fractions.ndim != 1 or np.any(np.diff(fractions) <= 0):
        raise InputError(f"fractions must be a list that increases without repeats, got {fractions.tolist()!s:.60}")
    if np.any(fractions[:-1] >= 1.0):
        raise InputError("fractions must be below 1 before the last look: at 1 the experiment is over")
    shape = estimates.batch_shape
    if shape != fractions.shape and (shape or fractions.size != 1):
        raise InputError(f"estimates must have one row a look, got shape {shape} for {fractions.size} look(s)")
    error = np.broadcast_to(estimates.standard_error, fractions.shape)
    if np.any(error == 0):
        raise InputError(f"estimates must have a standard_error > 0, got 0 at look {int(np.argmax(error == 0)) + 1}")
    if design.bounds.fractions.size and design.bounds.fractions[-1] != 1.0:
        raise InputError("design must end at fraction 1; make it with group_sequential_design")
