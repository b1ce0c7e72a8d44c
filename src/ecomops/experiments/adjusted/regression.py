"""A metric and its covariates in cells of stratum and arm, and the slopes between them: the arithmetic of adjustment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecomops.core import Array, InputError
from ecomops.stats.moments import Moments

LEAST_PIVOT = 1e-10
ROUNDING = 1e-14
CONSTANT = 1e-26


@dataclass(frozen=True)
class Cells:
    """A metric made linear and k covariates in m strata; the second axis holds the treatment, then the control."""

    n: Array
    """Units, shape (m, 2)."""
    level: Array
    """Means of the metric, shape (m, 2); of a ratio, the means of its linear form, which average to the ratio."""
    spread: Array
    """Centred sums of squares of the metric, shape (m, 2)."""
    shared: Array
    """Co-moments of the metric with the covariates, shape (m, 2, k)."""
    centre: Array
    """Means of the covariates, shape (m, 2, k)."""
    own: Array
    """Co-moments of the covariates, shape (m, 2, k, k)."""


@dataclass(frozen=True)
class Slopes:
    """Slopes of the metric on the covariates, in units of the covariates' spread so that no scale of theirs matters."""

    scale: Array
    """Root of the sum of squares of each covariate, shape (k,)."""
    value: Array
    """Slopes on the covariates over their scales, shape (k,)."""
    inverse: Array
    """Inverse of the matrix of correlations of the covariates, shape (k, k)."""

    def fitted(self, shared: Any) -> Any:
        """Return the co-moment of the metric with its fitted value, from its co-moments with the covariates."""
        return (shared / self.scale) @ self.value

    def explained(self, own: Any) -> Any:
        """Return the sum of squares of the fitted value."""
        return np.einsum("...ij,i,j->...", own / np.outer(self.scale, self.scale), self.value, self.value)

    def leverage(self, gap: Any) -> float:
        """Return gap' (sum of squares and products)^-1 gap."""
        far = gap / self.scale
        return float(far @ self.inverse @ far)

    def residual(self, cells: Cells) -> Any:
        """Return the sums of squares of the metric less its fitted value; what is only rounding counts as 0."""
        explained = self.explained(cells.own)
        left = cells.spread - 2.0 * self.fitted(cells.shared) + explained
        return np.where(left > ROUNDING * (cells.spread + explained), left, 0.0)


def cells_of(
    parts: Sequence[tuple[Moments, Moments]], metric: tuple[str, ...], adjust: tuple[str, ...], weight: Any
) -> Cells:
    """Return the cells of a metric: one column, or the numerator and the denominator of a ratio.

    Parameters
    ----------
    parts : sequence of (Moments, Moments)
        Treatment and control of each stratum.
    metric, adjust : tuple of str
        Columns of the metric and of the covariates.
    weight : array, shape (m,)
        Shares of the strata, which make the level of a ratio.

    Returns
    -------
    Cells
        The cells.

    Notes
    -----
    A ratio R = Y / D of an arm is linear in its units up to a remainder of order 1 / n: R + (y - R d) / D (Deng, Knoblich &
    Lu 2018), so the co-moments of that form are those of the columns, contracted with (1, -R) / D.
    """
    wanted = (*metric, *adjust)
    places = [[[part.columns.index(name) for name in wanted] for part in pair] for pair in parts]
    n = np.array([[part.n for part in pair] for pair in parts])
    means = np.array(
        [[p.means[at] for p, at in zip(pair, ats, strict=True)] for pair, ats in zip(parts, places, strict=True)]
    )
    moments = np.array(
        [
            [p.comoments[np.ix_(at, at)] for p, at in zip(pair, ats, strict=True)]
            for pair, ats in zip(parts, places, strict=True)
        ]
    )
    size = len(metric)
    form = np.ones((2, 1))
    level = means[..., 0]
    if size == 2:
        top, bottom = np.einsum("m,mas->sa", weight, means[..., :2])
        for role, mean in zip(("treatment", "control"), bottom.tolist(), strict=True):
            if mean <= 0:
                raise InputError(f"metric.denominator must have a mean > 0, got {mean} in the {role}")
        ratio = top / bottom
        form = np.column_stack([1.0 / bottom, -ratio / bottom])
        level = ratio + np.einsum("mas,as->ma", means[..., :2], form)
    spread = np.einsum("maij,ai,aj->ma", moments[..., :size, :size], form, form)
    apart = np.einsum("maii,ai->ma", moments[..., :size, :size], form**2)
    return Cells(
        n=n,
        level=level,
        spread=np.where(spread > ROUNDING * apart, spread, 0.0),
        shared=np.einsum("mask,as->mak", moments[..., :size, size:], form),
        centre=means[..., size:],
        own=moments[..., size:, size:],
    )


def slopes_of(own: Array, shared: Array, size: Array, names: tuple[str, ...], where: str = "") -> Slopes:
    """Solve the normal equations of centred covariates, refusing covariates that the others determine.

    Parameters
    ----------
    own, shared : array, shape (k, k) and (k,)
        Co-moments of the covariates among themselves and with the metric.
    size : array, shape (k,)
        Sums of squares of the means of the covariates, against which a constant is told from rounding.
    names : tuple of str
        Names of the covariates.
    where : str
        What to add to a refusal, such as the arm.

    Returns
    -------
    Slopes
        The slopes.
    """
    diagonal = np.diagonal(own)
    for name, found, least in zip(names, diagonal, CONSTANT * size, strict=True):
        if found <= least:
            raise InputError(
                f"adjust must hold columns that vary{where}, got a constant in column {name!r}; leave it out"
            )
    scale = np.sqrt(diagonal)
    correlation = own / np.outer(scale, scale)
    lower = np.zeros_like(correlation)
    for place, name in enumerate(names):
        # Cholesky by rows: the pivot is the share of a covariate's variance that those before it leave.
        for earlier in range(place):
            inner = lower[place, :earlier] @ lower[earlier, :earlier]
            lower[place, earlier] = (correlation[place, earlier] - inner) / lower[earlier, earlier]
        pivot = 1.0 - np.square(lower[place, :place]).sum()
        if pivot < LEAST_PIVOT:
            raise InputError(
                f"adjust must hold columns that the others do not determine{where}, got {name!r}, which they do; leave it out"
            )
        lower[place, place] = np.sqrt(pivot)
    root = np.linalg.inv(lower)
    inverse = root.T @ root
    return Slopes(scale=scale, value=inverse @ (shared / scale), inverse=inverse)


def pooled_slopes(cells: Cells, names: tuple[str, ...]) -> Slopes:
    """Return the slopes within cells: the co-moments of all strata and arms added, so that no gap between them counts."""
    size = np.einsum("ma,mak->k", cells.n, np.square(cells.centre))
    return slopes_of(cells.own.sum(axis=(0, 1)), cells.shared.sum(axis=(0, 1)), size, names)


def satterthwaite(parts: Any, freedom: Any) -> float:
    """Return the degrees of freedom of a sum of independent variances; with no variance at all, their harmonic mean."""
    parts, freedom = np.ravel(parts), np.ravel(freedom)
    total = parts.sum()
    # Shares of the error, not its squares, which leave the range of floats for odd units of money.
    share = parts / total if total > 0 else np.full(parts.shape, 1.0 / parts.size)
    return float(1.0 / (np.square(share) / freedom).sum())


def within(covariance: Any, error: Any, baseline_error: Any) -> Any:
    """Keep a covariance within what its two standard errors allow, where rounding has carried it beyond."""
    most = error * baseline_error
    return np.clip(covariance, -most, most)
