"""Figures of results: every function takes a result and returns matplotlib axes (extra ``plot``)."""

from __future__ import annotations

from ecomops.plot.attribution import credit_plot
from ecomops.plot.decisions import decision_plot
from ecomops.plot.experiments import funnel_plot, interval_plot
from ecomops.plot.inventory import newsvendor_plot, pareto_plot
from ecomops.plot.pricing import profit_plot
from ecomops.plot.segmentation import alive_plot, retention_plot, segment_plot

__all__ = [
    "alive_plot",
    "credit_plot",
    "decision_plot",
    "funnel_plot",
    "interval_plot",
    "newsvendor_plot",
    "pareto_plot",
    "profit_plot",
    "retention_plot",
    "segment_plot",
]
