"""ABC by value and XYZ by variability."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import (
    Array,
    Floats,
    Fraction,
    Model,
    NonNegative,
    NumOrNan,
    PositiveReal,
    ProbabilityReal,
    Texts,
    check,
    validated,
)
from ecomops.core.errors import InputError

# What lies this close to a cut or limit lies on it: shares and variations are sums that have been rounded.
GUARD = 1e-12


class AbcClasses(Model):
    """The class of each item by its share of value.

    Examples
    --------
    >>> from ecomops.inventory import abc_classes
    >>> abc_classes([50, 30, 15, 5]).label.tolist()
    ['A', 'A', 'B', 'C']
    """

    label: Texts
    """"A", "B" or "C", shape (n,), in the order of the input."""
    share: Fraction
    """Share of total value, shape (n,)."""
    cumulative_share: Fraction
    """Share of the item and all that are worth more, shape (n,); items of equal value share one figure."""


class XyzClasses(Model):
    """The class of each item by the variability of its demand.

    Examples
    --------
    >>> from ecomops.inventory import xyz_classes
    >>> xyz_classes([[9, 10, 11], [0, 0, 30]]).label.tolist()
    ['X', 'Z']
    """

    label: Texts
    """"X", "Y" or "Z", or "" where there was no demand or only one period, shape (n,)."""
    coefficient_of_variation: NumOrNan
    """Standard deviation over mean (divided by the number of periods), shape (n,); NaN without a class."""
    reason: Texts
    """Why an item has no class, shape (n,)."""


class _Cuts(Model):
    first: ProbabilityReal
    """First cut."""
    second: ProbabilityReal
    """Second cut."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check(self.first < self.second, "a_share must be < b_share", self.first, self.second)
        return self


@validated
def abc_classes(value: NonNegative, *, a_share: ProbabilityReal = 0.80, b_share: ProbabilityReal = 0.95) -> AbcClasses:
    """Classify items by cumulative share of value: the few that make most of it are A.

    Parameters
    ----------
    value : array, shape (n,)
        Value of each item (revenue, margin, or units times cost), money.
    a_share : float
        An item is A while the items worth more than it hold less than this share of value; so the item that crosses the
        cut is still A, and one that starts exactly on it (within 1e-12) is B.
    b_share : float
        The same for B; the rest is C.

    Returns
    -------
    AbcClasses
        Label and shares, shape (n,), in input order. Items of equal value get the same label, whatever their order.
        Without any value (all zeros) every item is C with a share of 0.

    Raises
    ------
    InputError
        When the values are not one-dimensional, or the cuts are not in order.

    References
    ----------
    .. [1] Silver, Pyke & Thomas, Inventory and Production Management in Supply Chains, 4th ed., section 2.5.

    Examples
    --------
    >>> from ecomops.inventory import abc_classes
    >>> abc_classes([5, 50, 15, 30]).label.tolist()
    ['C', 'A', 'B', 'A']
    """
    _Cuts(first=a_share, second=b_share)
    value = np.atleast_1d(value)
    if value.ndim != 1:
        raise InputError(f"value must be one-dimensional, got shape {value.shape}")
    total = value.sum()
    if total <= 0:
        nothing = np.zeros(value.shape)
        return AbcClasses(label=np.full(value.shape, "C", dtype=object), share=nothing, cumulative_share=nothing)
    worth, place, counts = np.unique(value, return_inverse=True, return_counts=True)
    group = worth * counts / total
    above = (np.cumsum(group[::-1])[::-1] - group)[place]
    label = np.where(above < a_share - GUARD, "A", np.where(above < b_share - GUARD, "B", "C")).astype(object)
    through = np.minimum(np.cumsum(group[::-1])[::-1][place], 1.0)
    return AbcClasses(label=label, share=value / total, cumulative_share=through)


@validated
def xyz_classes(
    demand: Annotated[Array | Any, Floats(core=1, ge=0)], *, x_limit: PositiveReal = 0.5, y_limit: PositiveReal = 1.0
) -> XyzClasses:
    """Classify items by the coefficient of variation of their demand: X is steady, Z erratic.

    Parameters
    ----------
    demand : array, shape (n, periods)
        Units per item and period; periods without a sale are zeros and must be there.
    x_limit : float
        Items with a coefficient of variation up to this are X.
    y_limit : float
        Items up to this are Y, the rest Z.

    Returns
    -------
    XyzClasses
        Label, coefficient of variation and reason, shape (n,).

    Raises
    ------
    InputError
        When the limits are not in order.

    Notes
    -----
    CV = sd / mean with the sd divided by the number of periods (not by one less). A value on a limit, up
    to 1e-12 relative, belongs to the lower class. One period says nothing about variation: its items have no class.

    References
    ----------
    .. [1] Scholz-Reiter et al., Integration of demand forecasts in ABC-XYZ analysis, Int. J. Productivity and Performance
       Management 61 (2012).

    Examples
    --------
    >>> from ecomops.inventory import xyz_classes
    >>> xyz_classes([[9, 10, 11], [2, 10, 18], [0, 0, 0]]).label.tolist()
    ['X', 'Y', '']
    """
    if x_limit >= y_limit:
        raise InputError(f"x_limit must be < y_limit, got {x_limit} and {y_limit}")
    rows = np.asarray(demand)
    mean = np.atleast_1d(rows.mean(axis=-1))
    spread = np.atleast_1d(rows.std(axis=-1))
    known = (mean > 0) & (rows.shape[-1] > 1)
    variation = np.where(known, spread / np.where(known, mean, 1.0), np.nan)
    size = np.where(known, variation, 0.0) * (1.0 - GUARD)
    label = np.where(size <= x_limit, "X", np.where(size <= y_limit, "Y", "Z")).astype(object)
    label[~known] = ""
    reason = np.where(known, "", np.where(mean > 0, "one period has no variation", "no demand in any period"))
    return XyzClasses(label=label, coefficient_of_variation=variation, reason=reason.astype(object))
