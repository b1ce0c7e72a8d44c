"""Poisson regression for many groups at once: one Newton step serves all SKUs, whatever their number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_STEPS = 60
STEP_LIMIT = 1.5
TOLERANCE = 1e-9
# A regressor that moves log demand by more than this separates rows with sales from rows without.
LARGEST_EFFECT = 40.0
# Squared residuals over squared fits below which nothing scatters.
EXACT = 1e-16
# Robust over model variance below which the rows that scatter have no say in the coefficient.
MUTE = 1e-9
SINGULAR = 1e-10


Grid = NDArray[np.float64]


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
        (1 - leverage)^2 (HC3), which keeps intervals honest at a few dozen rows. Where the robust variance of a coefficient
        vanishes, because only rows without leverage scatter, it is the information's inverse times the dispersion; where
        nothing scatters (one unit in each of four weeks, say) it is that of Poisson counts.

    Notes
    -----
    Each group is fitted in its own units: regressors centred and within [-1, 1], counts over their mean. So neither the
    units of a regressor nor those of the counts decide what is found.
    """
    blocks = _Blocks(group, groups)
    units = _own_units(blocks, design, counts)
    coefficients, active, step = _newton(blocks, units)
    covariance, regular = _robust(blocks, units, coefficients)
    settled = (
        active
        & regular
        & (np.abs(step).max(axis=1, initial=0.0) < 1e-6)
        & (np.abs(coefficients[:, 1:]).max(axis=1, initial=0.0) < LARGEST_EFFECT)
    )
    size = design.shape[1]
    back = np.eye(size) / units.reach[:, None, :]
    back[:, 0, 1:] = -units.centre[:, 1:] / units.reach[:, 1:]
    coefficients = np.einsum("gij,gj->gi", back, coefficients)
    coefficients[:, 0] += np.log(units.level)
    covariance = back @ covariance @ np.swapaxes(back, 1, 2)
    coefficients[~settled] = np.nan
    covariance[~settled] = np.nan
    return PoissonFits(coefficients, covariance, blocks.present, settled)


class _Blocks:
    """The rows of each group, one block behind the other; values lie along the last axis."""

    def __init__(self, group: NDArray[np.intp], groups: int) -> None:
        rows = np.bincount(group, minlength=groups)
        self.rows = rows
        self.present = rows.astype(np.float64)
        # ``reduceat`` would give an empty group its neighbour's first row.
        self.filled = rows > 0
        self.starts = (np.cumsum(rows) - rows)[self.filled]

    def reduce(self, values: Grid, how: np.ufunc = np.add) -> Any:
        """Return the sum, or another reduction, of each group."""
        answer = np.zeros((*values.shape[:-1], self.rows.size))
        if self.starts.size:
            answer[..., self.filled] = how.reduceat(values, self.starts, axis=-1)
        return answer

    def spread(self, values: Grid) -> Any:
        """Return the value of its group for each row."""
        return np.repeat(values, self.rows, axis=-1)


@dataclass(frozen=True)
class _Units:
    """Regressors and counts in the units of each group, and the way back."""

    columns: Grid
    """Regressors, shape (k, n)."""
    products: Grid
    """Products of two regressors, shape (k (k + 1) / 2, n)."""
    counts: Grid
    centre: Grid
    """Shape (groups, k), as are reach and level."""
    reach: Grid
    level: Grid
    usable: NDArray[np.bool_]


def _own_units(blocks: _Blocks, design: Grid, counts: Grid) -> _Units:
    columns = np.ascontiguousarray(design.T)
    centre = blocks.reduce(columns) / np.maximum(blocks.present, 1.0)
    centre[0] = 0.0
    columns = columns - blocks.spread(centre)
    reach = blocks.reduce(np.abs(columns), np.maximum)
    reach[reach < 1e-300] = 1.0
    columns /= blocks.spread(reach)
    total = blocks.reduce(counts)
    usable = total > 0
    level = np.where(usable, total / np.maximum(blocks.present, 1.0), 1.0)
    first, second = np.triu_indices(len(columns))
    return _Units(
        columns=columns,
        products=columns[first] * columns[second],
        counts=counts / blocks.spread(level),
        centre=centre.T,
        reach=reach.T,
        level=level,
        usable=usable,
    )


def _means(blocks: _Blocks, units: _Units, coefficients: Grid) -> Any:
    linear = (units.columns * blocks.spread(coefficients.T)).sum(axis=0)
    return np.exp(np.clip(linear, -700.0, 50.0))


def _matrices(blocks: _Blocks, units: _Units, weight: Grid) -> Any:
    """Return the weighted sums of products of each group as matrices, shape (groups, k, k)."""
    size = len(units.columns)
    first, second = np.triu_indices(size)
    answer = np.empty((blocks.rows.size, size, size))
    answer[:, first, second] = answer[:, second, first] = blocks.reduce(units.products * weight).T
    return answer


def _newton(blocks: _Blocks, units: _Units) -> tuple[Grid, NDArray[np.bool_], Grid]:
    """Return coefficients, which groups are still regular, and the last step."""
    coefficients = np.zeros((blocks.rows.size, len(units.columns)))
    active = units.usable.copy()
    step = np.zeros_like(coefficients)
    for _ in range(MAX_STEPS):
        mean = _means(blocks, units, coefficients)
        gradient = blocks.reduce(units.columns * (units.counts - mean)).T
        step, regular = _solve(_matrices(blocks, units, mean), gradient)
        active &= regular
        step = np.where(active[:, None], step, 0.0)
        step *= np.minimum(1.0, STEP_LIMIT / np.maximum(np.abs(step).max(axis=1, initial=0.0), 1e-300))[:, None]
        coefficients = coefficients + step
        if not active.any() or np.abs(step).max() < TOLERANCE:
            break
    return coefficients, active, step


def _robust(blocks: _Blocks, units: _Units, coefficients: Grid) -> tuple[Grid, NDArray[np.bool_]]:
    """Return HC3 covariances, or those of the model where the scatter says nothing, and which groups are regular."""
    mean = _means(blocks, units, coefficients)
    inverse, regular = _inverse(_matrices(blocks, units, mean))
    first, second = np.triu_indices(len(units.columns))
    doubled = inverse[:, first, second] * np.where(first == second, 1.0, 2.0)
    reached = (units.products * blocks.spread(np.ascontiguousarray(doubled.T))).sum(axis=0)
    leverage = np.clip(mean * reached, 0.0, 1.0 - 1e-9)
    gap = units.counts - mean
    meat = _matrices(blocks, units, np.square(gap / (1.0 - leverage)))
    scatter = blocks.reduce(np.square(gap))
    exact = scatter <= EXACT * blocks.reduce(np.square(mean))
    noise = np.where(exact, 1.0 / units.level, scatter / np.maximum(blocks.present - len(units.columns), 1.0))
    covariance, model = inverse @ meat @ inverse, inverse * noise[:, None, None]
    robust, expected = (np.diagonal(part, axis1=1, axis2=2) for part in (covariance, model))
    mute = exact | (robust < MUTE * expected).any(axis=1)
    covariance[mute] = model[mute]
    return covariance, regular


def _scaled(information: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Scale to unit diagonal, and replace what is singular by the identity."""
    diagonal = np.diagonal(information, axis1=1, axis2=2)
    scale = 1.0 / np.sqrt(np.where(diagonal > 1e-300, diagonal, 1.0))
    scaled = information * scale[:, :, None] * scale[:, None, :]
    regular = (diagonal > 1e-300).all(axis=1)
    smallest = np.zeros(len(information))
    smallest[regular] = np.linalg.det(scaled[regular])
    # A determinant is at most the smallest eigenvalue times e, and far less with many regressors: look closer if small.
    doubtful = regular & (smallest < 1e-3)
    smallest[doubtful] = np.linalg.eigvalsh(scaled[doubtful])[:, 0]
    regular = regular & (smallest > SINGULAR)
    scaled[~regular] = np.eye(information.shape[1])
    return scaled, scale, regular


def _solve(information: NDArray[np.float64], gradient: NDArray[np.float64]) -> tuple[Any, NDArray[np.bool_]]:
    scaled, scale, regular = _scaled(information)
    step = np.linalg.solve(scaled, (gradient * scale)[:, :, None])[:, :, 0] * scale
    return step, regular


def _inverse(information: NDArray[np.float64]) -> tuple[Any, NDArray[np.bool_]]:
    scaled, scale, regular = _scaled(information)
    return np.linalg.inv(scaled) * scale[:, :, None] * scale[:, None, :], regular
