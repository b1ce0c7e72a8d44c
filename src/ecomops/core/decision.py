"""Decisions of every package in one language: what to do, what it gains, how sure we are, and why."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.core.arrays import (
    Array,
    Column,
    FractionColumn,
    Labels,
    NonNegative,
    NonNegativeColumn,
    NonNegativeReal,
    Text,
    Texts,
)
from ecomops.core.checks import check
from ecomops.core.errors import InputError
from ecomops.core.model import Model
from ecomops.core.validation import validated

KEEP = "keep"


class DecisionTable(Model):
    """One row per thing decided.

    Examples
    --------
    >>> table = decision_table(
    ...     ["A1", "B2"],
    ...     topic="price",
    ...     action=["raise", "keep"],
    ...     gain=[120.0, 0.0],
    ...     lower=[40.0, -10.0],
    ...     upper=[200.0, 15.0],
    ...     p_better=[0.99, 0.6],
    ...     reason=["elasticity -0.7", "2 distinct prices: try a third"],
    ...     period="next 30 days",
    ...     baseline="today's price",
    ... )
    >>> table.action.tolist()
    ['raise', 'keep']
    """

    subject: Labels
    """What is decided on (SKU, customer, channel, test), shape (n,)."""
    topic: Texts
    """The kind of decision of each row, such as "reorder" or "price", shape (n,)."""
    action: Texts
    """What to do; "keep" where the evidence does not carry a change, shape (n,)."""
    gain: Column
    """Expected gain over the baseline, money per ``period``, shape (n,)."""
    lower: Column
    """Lower end of the interval of the gain, shape (n,)."""
    upper: Column
    """Upper end of the interval of the gain, shape (n,)."""
    p_better: FractionColumn
    """Probability that the action beats the baseline, shape (n,)."""
    reason: Texts
    """Why, or what would settle it, shape (n,)."""
    cost: NonNegativeColumn
    """Money that the action ties up, shape (n,)."""
    period: Texts
    """The period that the money is for, shape (n,)."""
    baseline: Texts
    """What the gain is measured against, shape (n,)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        sizes = {name: np.shape(value) for name, value in self.__dict__.items()}
        rule = f"columns must have one row per subject, got {sizes}"
        check(all(shape == self.subject.shape for shape in sizes.values()), rule)
        check(self.lower <= self.gain, "lower must be <= gain", self.lower, self.gain)
        check(self.gain <= self.upper, "gain must be <= upper", self.gain, self.upper)
        return self


@validated
def decision_table(
    subject: Labels,
    *,
    topic: Text,
    action: Texts,
    gain: Column,
    lower: Column,
    upper: Column,
    p_better: FractionColumn,
    reason: Texts,
    period: Text,
    baseline: Text,
    cost: NonNegative = 0.0,
) -> DecisionTable:
    """Put decisions of one topic into a table that can be ranked with others.

    Parameters
    ----------
    subject : array of str or int, shape (n,)
        What is decided on.
    topic : str
        The kind of decision, such as "reorder".
    action : array of str, shape (n,)
        What to do; "keep" for no change.
    gain, lower, upper : array, shape (n,)
        Expected gain and its interval, money per ``period``; lower <= gain <= upper.
    p_better : array, shape (n,)
        Probability that the action beats the baseline.
    reason : array of str, shape (n,)
        Why, or what would settle it.
    period : str
        The period that the money is for, such as "next 30 days".
    baseline : str
        What the gain is measured against.
    cost : float or array, shape (n,)
        Money that the action ties up.

    Returns
    -------
    DecisionTable
        The table.

    Examples
    --------
    >>> one = decision_table(
    ...     ["A1"],
    ...     topic="reorder",
    ...     action=["order 40"],
    ...     gain=[90],
    ...     lower=[20],
    ...     upper=[160],
    ...     p_better=[0.98],
    ...     reason=["8 days of supply"],
    ...     period="next 30 days",
    ...     baseline="no order",
    ... )
    >>> float(one.gain[0])
    90.0
    """
    rows = subject.shape[0]
    if np.shape(cost) not in ((), (rows,)):
        raise InputError(f"cost must be one number or have one value a subject, got shape {np.shape(cost)} for {rows}")
    return DecisionTable(
        subject=subject,
        topic=_repeated(topic, rows),
        action=action,
        gain=gain,
        lower=lower,
        upper=upper,
        p_better=p_better,
        reason=reason,
        cost=np.broadcast_to(cost, (rows,)),
        period=_repeated(period, rows),
        baseline=_repeated(baseline, rows),
    )


@validated
def rank_decisions(*tables: DecisionTable, budget: NonNegativeReal | None = None) -> DecisionTable:
    """Rank the decisions of several tables by expected gain, within a budget.

    Rows whose action is "keep", or whose gain is not above 0, are left out: they are not worth acting on. Within a
    budget the best gain per money is taken first (of equal ones the larger gain) and the rows that still fit follow; the
    answer is then sorted by gain. Gains are ranked as they stand, whatever their period: give tables of one period.

    Parameters
    ----------
    *tables : DecisionTable
        The decisions to rank, their gains and costs in one currency and over one period.
    budget : float, optional
        The most that the chosen actions may cost together (same money as ``cost``); no limit by default.

    Returns
    -------
    DecisionTable
        The rows to act on, largest gain first; equal gains in the order of the tables.

    Raises
    ------
    InputError
        When no table is given.

    Examples
    --------
    >>> price = decision_table(
    ...     ["A1", "B2"],
    ...     topic="price",
    ...     action=["raise", "keep"],
    ...     gain=[120, 0],
    ...     lower=[40, -10],
    ...     upper=[200, 15],
    ...     p_better=[0.99, 0.6],
    ...     reason=["elastic", "unsure"],
    ...     period="next 30 days",
    ...     baseline="today's price",
    ... )
    >>> rank_decisions(price).subject.tolist()
    ['A1']
    """
    if not tables:
        message = "rank_decisions: tables must hold at least one DecisionTable, got none"
        raise InputError(message)
    parts = [table for table in tables if table.subject.size] or tables[:1]
    columns = {
        name: np.concatenate([np.asarray(getattr(table, name)) for table in parts])
        for name in DecisionTable.model_fields
    }
    if len({table.subject.dtype.kind for table in parts}) > 1:
        columns["subject"] = np.array([str(item) for item in columns["subject"]], dtype=object)
    rows = np.flatnonzero((columns["action"] != KEEP) & (columns["gain"] > 0))
    if budget is not None:
        rows = _affordable(rows, columns["gain"], columns["cost"], budget)
    order = rows[np.argsort(-columns["gain"][rows], kind="stable")]
    return DecisionTable(**{name: column[order] for name, column in columns.items()})


def _affordable(
    rows: np.ndarray[Any, np.dtype[np.intp]], gain: Array, cost: Array, budget: float
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Take rows by gain per money while they fit."""
    # What costs nothing comes first; the quotient may run over, for a large gain at next to no cost.
    with np.errstate(over="ignore"):
        value = np.where(cost[rows] > 0, gain[rows] / np.where(cost[rows] > 0, cost[rows], 1.0), np.inf)
    chosen, left, rounding = [], budget, 1e-9 * budget
    for row in rows[np.lexsort((-gain[rows], -value))]:
        if cost[row] <= left + rounding:
            chosen.append(row)
            left -= float(cost[row])
    return np.array(chosen, dtype=np.intp)


def _repeated(text: str, rows: int) -> np.ndarray[Any, np.dtype[np.object_]]:
    column = np.empty(rows, dtype=object)
    column[:] = text
    return column
