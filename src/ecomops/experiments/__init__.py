"""Did the change work.

Rooms: means (`difference` of means and ratios, an `Estimate` with ``test``, ``interval`` and ``lift``), proportions
(`compare_proportions`), balance (`sample_ratio_mismatch`), design (`sample_size`, `power`, `minimum_detectable_effect`),
funnels (`funnel`) and simulation (`simulate_experiment`).
"""

from __future__ import annotations

from ecomops.experiments.balance import SampleRatioMismatch, sample_ratio_mismatch
from ecomops.experiments.design import (
    Design,
    MeanMetric,
    ProportionMetric,
    minimum_detectable_effect,
    power,
    sample_size,
)
from ecomops.experiments.funnels import Funnel, funnel
from ecomops.experiments.means import Ratio, difference
from ecomops.experiments.proportions import ProportionComparison, compare_proportions
from ecomops.experiments.simulation import ExperimentRows, simulate_experiment
from ecomops.stats.estimate import Estimate, Interval, TestResult
from ecomops.stats.moments import Moments, MomentsByArm
from ecomops.stats.value_counts import ValueCounts

__all__ = [
    "Design",
    "Estimate",
    "ExperimentRows",
    "Funnel",
    "Interval",
    "MeanMetric",
    "Moments",
    "MomentsByArm",
    "ProportionComparison",
    "ProportionMetric",
    "Ratio",
    "SampleRatioMismatch",
    "TestResult",
    "ValueCounts",
    "compare_proportions",
    "difference",
    "funnel",
    "minimum_detectable_effect",
    "power",
    "sample_ratio_mismatch",
    "sample_size",
    "simulate_experiment",
]
