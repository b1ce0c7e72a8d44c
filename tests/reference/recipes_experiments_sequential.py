"""The steps behind the experiments cases of sequential."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ecomops.core import arguments
from ecomops.experiments import crossing_probabilities, group_sequential_design

Data = Callable[[str], Path]
Inputs = dict[str, Any]


def group_sequential_sizes(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Return 100 x the expected sample size over the fixed one, at multiples of the planned effect."""
    given = {"fractions": inputs["fractions"], "boundary": inputs["boundary"]}
    design = arguments(group_sequential_design).model_validate(given).call()
    drifts = design.drift * np.array(inputs["multiples"])
    return {"size": 100.0 * design.inflation * crossing_probabilities(design.bounds, drift=drifts).expected_fraction}
