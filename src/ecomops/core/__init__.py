"""Plumbing: how values look, come in and go out.

`Model` is the base of every spec and result; the markers (`Num`, `Positive`, ...) say which numbers are legal;
`validated` checks a function's arguments and `arguments` turns them into a model; `InputError` and `ConvergenceError`
are the two exceptions; `Duration` and `DiscountRate` carry their unit; `DecisionTable` is the language of decisions.
"""

from __future__ import annotations

from ecomops.core.arrays import (
    Array,
    Column,
    ColumnOrNan,
    Count,
    CountColumn,
    Flag,
    Flags,
    Floats,
    Fraction,
    FractionColumn,
    FractionColumnOrNan,
    FractionReal,
    Labels,
    Matrix,
    NonNegative,
    NonNegativeColumn,
    NonNegativeReal,
    Num,
    NumOrNan,
    Positive,
    PositiveReal,
    PositiveWhole,
    Probability,
    ProbabilityReal,
    Real,
    Rng,
    Text,
    Texts,
    Unbounded,
    UnboundedOrNan,
    Vector,
    Whole,
)
from ecomops.core.checks import check
from ecomops.core.decision import DecisionTable, decision_table, rank_decisions
from ecomops.core.errors import ConvergenceError, InputError
from ecomops.core.model import Model, replace
from ecomops.core.units import DiscountRate, Duration, TimeUnit
from ecomops.core.validation import Frame, arguments, validated

__all__ = [
    "Array",
    "Column",
    "ColumnOrNan",
    "ConvergenceError",
    "Count",
    "CountColumn",
    "DecisionTable",
    "DiscountRate",
    "Duration",
    "Flag",
    "Flags",
    "Floats",
    "Fraction",
    "FractionColumn",
    "FractionColumnOrNan",
    "FractionReal",
    "Frame",
    "InputError",
    "Labels",
    "Matrix",
    "Model",
    "NonNegative",
    "NonNegativeColumn",
    "NonNegativeReal",
    "Num",
    "NumOrNan",
    "Positive",
    "PositiveReal",
    "PositiveWhole",
    "Probability",
    "ProbabilityReal",
    "Real",
    "Rng",
    "Text",
    "Texts",
    "TimeUnit",
    "Unbounded",
    "UnboundedOrNan",
    "Vector",
    "Whole",
    "arguments",
    "check",
    "decision_table",
    "rank_decisions",
    "replace",
    "validated",
]
