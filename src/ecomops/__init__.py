"""The mathematics of running an online shop, as pure functions over typed models.

============================ ==============================================================================
`ecomops.inventory`          how much to order, when: demand, safety stock, lot sizes, newsvendor, stock health
`ecomops.pricing`            what to charge: demand curves, elasticity, optimal price, unit economics
`ecomops.segmentation`       who the customers are and what they are worth: RFM, lifetime value, retention
`ecomops.attribution`        what drove the sales: paths, rule and Markov credit
`ecomops.experiments`        did the change work: A/B tests, sample-ratio mismatch, sample size, funnels
`ecomops.plot`               functions of a result that return matplotlib axes (extra ``plot``)
============================ ==============================================================================

``import ecomops`` loads none of them; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecomops import attribution, core, experiments, inventory, plot, pricing, segmentation, stats
    from ecomops.core import ConvergenceError, DiscountRate, Duration, InputError, arguments, rank_decisions

__version__ = "0.1.0"

_PACKAGES = ("attribution", "core", "experiments", "inventory", "plot", "pricing", "segmentation", "stats")
_FROM_CORE = ("ConvergenceError", "DiscountRate", "Duration", "InputError", "arguments", "rank_decisions")

__all__ = [
    "ConvergenceError",
    "DiscountRate",
    "Duration",
    "InputError",
    "__version__",
    "arguments",
    "attribution",
    "core",
    "experiments",
    "inventory",
    "plot",
    "pricing",
    "rank_decisions",
    "segmentation",
    "stats",
]


def __getattr__(name: str) -> Any:
    """Import a sub-package, or a name of `ecomops.core`, at its first use."""
    if name in _PACKAGES:
        return importlib.import_module(f"ecomops.{name}")
    if name in _FROM_CORE:
        return getattr(importlib.import_module("ecomops.core"), name)
    message = f"module 'ecomops' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
