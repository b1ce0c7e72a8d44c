"""One entry of the table of levels: a test or an interval, a law of the data, and how often it is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

RUNS = 20_000
NORMAL_999 = 3.2905267314919255
"""Two-sided 99.9 % quantile of a normal law."""
NOMINAL = (0.05, 0.01)


@dataclass(frozen=True)
class Figures:
    """What was measured: share of rejections of a true null, or of intervals that cover, by nominal level."""

    rejected: dict[float, float] = field(default_factory=dict)
    covered: dict[float, float] = field(default_factory=dict)
    runs: float = RUNS
    """Number of runs; infinite where all outcomes were enumerated."""


@dataclass(frozen=True)
class Case:
    """A test or an interval under one law."""

    name: str
    law: str
    measure: Callable[[np.random.Generator], Figures]
    exact: bool = False
    """Whether the level must be met from both sides, within the error of the simulation."""
    informative: bool = False
    """Whether the figure is information only: credible intervals promise no coverage, and some intervals are known to fail."""
    slow: bool = False

    @property
    def label(self) -> str:
        return f"{self.name}; {self.law}"


def room(rate: float, runs: float) -> float:
    """Return the 99.9 % error of a simulated rate; what was enumerated is judged like 20,000 runs."""
    return NORMAL_999 * math.sqrt(rate * (1.0 - rate) / min(runs, RUNS))


def rejections(p_values: Any, weight: Any = None) -> dict[float, float]:
    """Return the share of p-values at or below each nominal level, weighed where outcomes were enumerated."""
    p = np.asarray(p_values, dtype=float)
    return {
        alpha: float((p <= alpha + 1e-12).mean() if weight is None else weight[p <= alpha + 1e-12].sum())
        for alpha in NOMINAL
    }


def covers(lower: Any, upper: Any, truth: Any, weight: Any = None) -> float:
    """Return the share of intervals that hold the truth; a rounding error outside is inside."""
    slack = 1e-9 * (1.0 + np.abs(truth))
    inside = (np.asarray(lower) <= truth + slack) & (np.asarray(upper) >= truth - slack)
    return float(inside.mean() if weight is None else weight[inside].sum())


def coverage(interval: Callable[[float], tuple[Any, Any]], truth: Any, weight: Any = None) -> dict[float, float]:
    """Return the coverage of an interval at each confidence level, by its nominal error."""
    return {alpha: covers(*interval(1.0 - alpha), truth, weight) for alpha in NOMINAL}


def faults(case: Case, found: Figures) -> list[str]:
    """Return what is wrong with the figures of a case: above the nominal error, or far below where it must be met."""
    wrong = []
    for what, errors in (
        ("rejects", found.rejected),
        ("misses", {alpha: 1.0 - share for alpha, share in found.covered.items()}),
    ):
        for alpha, error in errors.items():
            slack = room(alpha, found.runs)
            if error > alpha + slack and not case.informative:
                wrong.append(f"{what} {error:.4f} of the time, nominal {alpha} + {slack:.4f}")
            if case.exact and error < alpha - slack:
                wrong.append(f"{what} {error:.4f} of the time, nominal {alpha} - {slack:.4f}")
    return wrong
