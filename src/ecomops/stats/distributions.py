"""The `Demand` union: every policy takes any of these."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from ecomops.stats.continuous import Gamma, LogNormal, Normal
from ecomops.stats.counts import NegativeBinomial, Poisson
from ecomops.stats.discrete import Discrete, Empirical
from ecomops.stats.distribution import Distribution
from ecomops.stats.lead_time import LeadTime
from ecomops.stats.special import signed_ndtri

__all__ = [
    "Demand",
    "Discrete",
    "Distribution",
    "Empirical",
    "Gamma",
    "LeadTime",
    "LogNormal",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "is_counted",
    "signed_ndtri",
]

Demand: TypeAlias = Annotated[
    Normal | Gamma | LogNormal | Poisson | NegativeBinomial | Discrete | Empirical, Field(discriminator="kind")
]


def is_counted(demand: Distribution) -> bool:
    """Tell whether demand takes only listed or whole quantities, so that orders are quantities of that kind."""
    return isinstance(demand, Poisson | NegativeBinomial | Discrete | Empirical)
