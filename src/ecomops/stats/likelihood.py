"""Maximum likelihood in log-parameters: a damped quasi-Newton on analytic gradients, with errors and a ridge diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecomops.core import Array, ConvergenceError, Floats, Model, NumOrNan, PositiveReal, Real, Text

Function = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]

FlatMatrix = Annotated[Array | Any, Floats(core=2, nan=True)]

DIFFERENCE = 1e-5
RIDGE_LIMIT = 10.0
CONDITION_LIMIT = 1e8
GRADIENT_LIMIT = 1e-6
ROUNDING = 64 * float(np.finfo(np.float64).eps)
ROUNDING_LIMIT = 1e-3
FRESH = 16
"""Steps after which the Hessian is differenced anew."""


class Fit(Model):
    """What every maximum-likelihood fit reports; subclasses add the fitted ``model``.

    Examples
    --------
    >>> from ecomops.segmentation import PurchaseCounts, fit_bg_nbd
    >>> counts = PurchaseCounts(
    ...     frequency=[0, 1, 2, 4], age_at_last_purchase=[0, 9, 20, 33], age=[36] * 4, customers=[60, 20, 12, 8]
    ... )
    >>> fit = fit_bg_nbd(counts)
    >>> isinstance(fit, Fit), fit.n
    (True, 100.0)
    """

    parameters: tuple[Text, ...]
    """Names of the parameters, in the order of ``standard_errors`` and ``covariance``."""
    log_likelihood: Real
    """Log-likelihood at the maximum."""
    standard_errors: NumOrNan
    """Standard errors on the natural scale, shape (k,); NaN where the likelihood is flat."""
    covariance: FlatMatrix
    """Covariance on the natural scale, shape (k, k); NaN where the likelihood is flat."""
    n: PositiveReal
    """Customers that the model was fitted to."""
    gradient: Real
    """Largest absolute gradient in log-parameters per customer at the end."""
    iterations: Real
    """Steps taken."""
    status: Literal["ok", "ridge", "not converged"]
    """"ridge": at the maximum the likelihood hardly changes along one direction, so single parameters are not
    identified; "not converged": a gradient is left, so it is no maximum."""
    reason: Text
    """What the status means for this fit; empty where it is "ok"."""


@dataclass(frozen=True)
class Maximum:
    """The maximum of a log-likelihood in log-parameters."""

    log_parameters: NDArray[np.float64]
    log_likelihood: float
    gradient: float
    hessian: NDArray[np.float64]
    iterations: int


def maximise(function: Function, start: NDArray[np.float64], weight: float, *, steps: int = 200) -> Maximum:
    """Maximise a log-likelihood that comes with its gradient, by quasi-Newton steps with a Levenberg damping.

    The Hessian is differenced at the start, kept up by symmetric rank-one updates, which cost no evaluation, and
    differenced anew where a step fails or after `FRESH` steps.

    Parameters
    ----------
    function : callable
        Log-parameters, shape (k,), to (log-likelihood, gradient).
    start : array, shape (k,)
        Log-parameters to start from.
    weight : float
        Number of units, which scales the gradient.
    steps : int
        The most steps.

    Returns
    -------
    Maximum
        Where it stopped; the caller judges ``gradient``.

    Raises
    ------
    ConvergenceError
        When the likelihood is not finite at the start.
    """
    point = np.array(start, dtype=np.float64)
    value, slope = function(point)
    if not np.isfinite(value):
        message = "the log-likelihood is not finite at the start"
        raise ConvergenceError(message, point)
    damping, taken = 1e-3, 0
    curve, since = _rough_hessian(function, point, slope), 0
    for taken in range(1, steps + 1):  # noqa: B007 - the count is reported
        if np.abs(slope).max() / weight < 1e-10:
            break
        step = _step(curve, slope, damping)
        new, new_slope = function(point + step)
        if np.isfinite(new) and new > value - 1e-12 * abs(value):
            gained, change, since = new - value, new_slope - slope, since + 1
            point, value, slope, damping = point + step, new, new_slope, damping * 0.1
            if gained <= 1e-13 * abs(value) and np.abs(slope).max() / weight < GRADIENT_LIMIT * 1e-2:
                break
            curve = _updated(curve, step, change)
            if since < FRESH:
                continue
        elif not since:
            damping = max(damping, 1e-8) * 10.0
            if damping > 1e12:
                break
            continue
        curve, since = _rough_hessian(function, point, slope), 0
    return Maximum(point, value, float(np.abs(slope).max() / weight), hessian(function, point), taken)


def hessian(function: Function, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Hessian by central differences of the analytic gradient."""
    size = point.size
    rows = np.empty((size, size))
    for place in range(size):
        shift = np.zeros(size)
        shift[place] = DIFFERENCE
        rows[place] = (function(point + shift)[1] - function(point - shift)[1]) / (2 * DIFFERENCE)
    return (rows + rows.T) / 2


def _rough_hessian(function: Function, point: NDArray[np.float64], slope: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Hessian by one-sided differences: half the evaluations, exact enough to step by."""
    shifts = np.eye(point.size) * DIFFERENCE
    rows: NDArray[np.float64] = np.array([(function(point + shift)[1] - slope) / DIFFERENCE for shift in shifts])
    return (rows + rows.T) / 2


def _updated(curve: NDArray[np.float64], step: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Hessian that explains the change of the gradient (symmetric rank one; Nocedal & Wright, 6.2)."""
    missed = change - curve @ step
    scale = float(missed @ step)
    if abs(scale) <= 1e-8 * float(np.linalg.norm(missed) * np.linalg.norm(step)):
        return curve
    better: NDArray[np.float64] = curve + np.outer(missed, missed) / scale
    return better


def _step(curve: NDArray[np.float64], slope: NDArray[np.float64], damping: float) -> Any:
    """Return the ascent step; directions of positive curvature are turned round, and a step is at most 2 in log."""
    values, vectors = np.linalg.eigh(curve)
    scale = np.abs(values).max() + 1e-300
    weights = np.maximum(np.abs(values), 1e-12 * scale) + damping * scale
    step = vectors @ ((vectors.T @ slope) / weights)
    longest = np.abs(step).max()
    return step if longest <= 2.0 else step * (2.0 / longest)


def describe(found: Maximum, names: tuple[str, ...], weight: float, scales: NDArray[np.float64]) -> dict[str, Any]:
    """Return the fields of a `Fit`: errors by the delta method and the diagnosis of a ridge.

    Parameters
    ----------
    found : Maximum
        The maximum, in log-parameters of rescaled data.
    names : tuple of str
        Names of the parameters.
    weight : float
        Number of units.
    scales : array, shape (k,)
        Natural value of each parameter over exp(log-parameter).
    """
    natural = np.exp(found.log_parameters) * scales
    size = natural.size
    information = -found.hessian
    values, vectors = np.linalg.eigh(information)
    flat = values[0] <= 0 or values[-1] / values[0] > CONDITION_LIMIT
    far = np.abs(found.log_parameters) > RIDGE_LIMIT
    status, reason = "ok", ""
    # Where it has not arrived, the curvature is not that of the maximum and says nothing of a ridge.
    if found.gradient > _gradient_limit(found):
        status = "not converged"
        reason = (
            f"the gradient per customer is {found.gradient:.1e}: this is no maximum, do not use it; "
            "look at the data for duplicated, constant or extreme values"
        )
    elif flat or far.any():
        status = "ridge"
        loose = [name for name, weak in zip(names, far | (np.abs(vectors[:, 0]) > 0.3), strict=True) if weak]
        reason = (
            f"the likelihood is flat along {', '.join(loose)}: their single values are not identified, "
            "only their ratio is; predictions inside the data range hold"
        )
    if values[0] <= 0:
        covariance = np.full((size, size), np.nan)
    else:
        covariance = (vectors / values) @ vectors.T * np.outer(natural, natural)
    return {
        "parameters": names,
        "log_likelihood": found.log_likelihood,
        "standard_errors": np.sqrt(np.diagonal(covariance)),
        "covariance": covariance,
        "n": float(weight),
        "gradient": found.gradient,
        "iterations": float(found.iterations),
        "status": status,
        "reason": reason,
    }


def _gradient_limit(found: Maximum) -> float:
    """Return the largest gradient of a maximum: far along a ridge it is a difference of digammas times the parameter."""
    return min(max(GRADIENT_LIMIT, ROUNDING * float(np.exp(found.log_parameters.max()))), ROUNDING_LIMIT)
