"""Poisson regression for many groups at once: one Newton step serves all SKUs, whatever their number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 60
STEP_LIMIT = 1.5
TOLERANCE = 1e-9


@dataclass(frozen=True)
class PoissonFits:
    """Coefficients and robust covariances of many Poisson regressions."""

    coefficients: NDArray[np.float64]
    """Shape (groups, k); NaN where there is no estimate."""
    covariance: NDArray[np.float64]
    """Robust covariance, shape (groups, k, k)."""
    n: NDArray[np.float64]
    """Rows in each group."""
    converged: NDArray[np.bool_]
    """Whether the gradient vanished and the information is regular."""


def poisson_regressions(
    group: NDArray[np.intp], groups: int, design: NDArray[np.float64], counts: NDArray[np.float64]
) -> PoissonFits:
    """Fit E[y] = exp(x b) by Poisson pseudo-maximum likelihood in every group.

    Parameters
    ----------
    group : int array, shape (n,)
        Group of each row, ascending.
    groups : int
        Number of groups.
    design : array, shape (n, k)
        Regressors, the first column constant.
    counts : array, shape (n,)
        Quantities >= 0; they need not be whole (Santos Silva & Tenreyro 2006).

    Returns
    -------
    PoissonFits
        Coefficients with sandwich covariance, corrected for small samples: each squared residual is divided by
        (1 - leverage)^2 (HC3), which keeps intervals honest at a few dozen rows.
    """
    size = design.shape[1]
    starts = np.searchsorted(group, np.arange(groups))
    present = np.bincount(group, minlength=groups).astype(np.float64)
    filled = present > 0
    centre = _per_group(design, starts, filled) / np.maximum(present, 1.0)[:, None]
    centre[:, 0] = 0.0
    rows = design - centre[group]
    total = np.bincount(group, weights=counts, minlength=groups)
    usable = total > 0
    coefficients = np.zeros((groups, size))
    coefficients[:, 0] = np.log(np.where(usable, total / np.maximum(present, 1.0), 1.0))
    outer = rows[:, :, None] * rows[:, None, :]
    active = usable.copy()
    step = np.zeros((groups, size))
    for _ in range(MAX_STEPS):
        mean = np.exp(np.clip(np.einsum("ij,ij->i", rows, coefficients[group]), -700.0, 50.0))
        gradient = _per_group(rows * (counts - mean)[:, None], starts, filled)
        information = _per_group(outer * mean[:, None, None], starts, filled)
        step, regular = _solve(information, gradient)
        active &= regular
        step = np.where(active[:, None], step, 0.0)
        step *= np.minimum(1.0, STEP_LIMIT / np.maximum(np.abs(step).max(axis=1, initial=0.0), 1e-300))[:, None]
        coefficients = coefficients + step
        if not active.any() or np.abs(step).max() < TOLERANCE:
            break
    mean = np.exp(np.clip(np.einsum("ij,ij->i", rows, coefficients[group]), -700.0, 50.0))
    information = _per_group(outer * mean[:, None, None], starts, filled)
    inverse, regular = _inverse(information)
    settled = (
        active
        & regular
        & (np.abs(step).max(axis=1, initial=0.0) < 1e-6)
        & (np.abs(coefficients[:, 1:]).max(axis=1, initial=0.0) < 40)
    )
    leverage = np.clip(mean * np.einsum("ij,ijk,ik->i", rows, inverse[group], rows), 0.0, 1.0 - 1e-9)
    residual = (counts - mean) / (1.0 - leverage)
    meat = _per_group(outer * np.square(residual)[:, None, None], starts, filled)
    covariance = inverse @ meat @ inverse
    back = np.tile(np.eye(size), (groups, 1, 1))
    back[:, 0, :] -= centre
    back[:, 0, 0] = 1.0
    coefficients = np.einsum("gij,gj->gi", back, coefficients)
    covariance = back @ covariance @ np.swapaxes(back, 1, 2)
    coefficients[~settled] = np.nan
    covariance[~settled] = np.nan
    return PoissonFits(coefficients, covariance, present, settled)


def _per_group(values: NDArray[np.float64], starts: NDArray[np.intp], filled: NDArray[np.bool_]) -> Any:
    """Sum rows by group; ``reduceat`` would give an empty group its neighbour's first row."""
    answer = np.zeros((starts.size, *values.shape[1:]))
    if filled.any():
        answer[filled] = np.add.reduceat(values, starts[filled], axis=0)
    return answer


def _scaled(information: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Scale to unit diagonal, and replace what is singular by the identity."""
    diagonal = np.diagonal(information, axis1=1, axis2=2)
    scale = 1.0 / np.sqrt(np.where(diagonal > 1e-300, diagonal, 1.0))
    scaled = information * scale[:, :, None] * scale[:, None, :]
    regular = (diagonal > 1e-300).all(axis=1)
    determinant = np.zeros(len(information))
    determinant[regular] = np.linalg.det(scaled[regular])
    regular = regular & (determinant > 1e-10)
    scaled[~regular] = np.eye(information.shape[1])
    return scaled, scale, regular


def _solve(information: NDArray[np.float64], gradient: NDArray[np.float64]) -> tuple[Any, NDArray[np.bool_]]:
    scaled, scale, regular = _scaled(information)
    step = np.linalg.solve(scaled, (gradient * scale)[:, :, None])[:, :, 0] * scale
    return step, regular


def _inverse(information: NDArray[np.float64]) -> tuple[Any, NDArray[np.bool_]]:
    scaled, scale, regular = _scaled(information)
    return np.linalg.inv(scaled) * scale[:, :, None] * scale[:, None, :], regular
