"""Figures of results: every function takes a result and returns matplotlib axes (extra ``plot``)."""

from __future__ import annotations

from ecomops.plot.attribution import credit_plot
from ecomops.plot.decisions import decision_plot
from ecomops.plot.experiments import interval_plot, power_plot
from ecomops.plot.funnels import funnel_comparison_plot, funnel_plot
from ecomops.plot.inventory import newsvendor_plot, pareto_plot
from ecomops.plot.pricing import profit_plot
from ecomops.plot.segmentation import alive_plot, retention_plot, segment_plot
from ecomops.plot.sequential import boundary_plot
from ecomops.plot.survival import survival_plot
from ecomops.plot.uplift import qini_plot

__all__ = [
    "alive_plot",
    "boundary_plot",
    "credit_plot",
    "decision_plot",
    "funnel_comparison_plot",
    "funnel_plot",
    "interval_plot",
    "newsvendor_plot",
    "pareto_plot",
    "power_plot",
    "profit_plot",
    "qini_plot",
    "retention_plot",
    "segment_plot",
    "survival_plot",
]
