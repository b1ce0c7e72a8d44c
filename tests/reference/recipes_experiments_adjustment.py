"""The steps behind the experiments cases of adjustment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecomops.experiments import (
    Estimate,
    Moments,
    MomentsByArm,
    difference,
    effect_heterogeneity,
    interacted_difference,
    interacted_difference_of_rows,
)

Data = Callable[[str], Path]
Inputs = dict[str, Any]


def adjusted_by_sums(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Compare two arms that are known by the raw sums of a covariate and a metric, with and without adjustment."""
    columns = ("before", "after")
    arms = tuple(
        Moments.from_sums(columns=columns, n=n, sums=[x, y], products=[[xx, xy], [xy, yy]])
        for n, x, y, xx, yy, xy in (inputs["control"], inputs["treatment"])
    )
    names: Any = {"treatment": "treatment", "control": "control", "metric": "after"}
    moments = MomentsByArm(arms=["control", "treatment"], moments=arms)
    plain = difference(moments, **names)
    pooled = difference(moments, **names, variance="pooled", adjust=("before",))
    welch = difference(moments, **names, adjust=("before",))
    lin = interacted_difference(moments, **names, adjust=("before",))
    gap = arms[1].mean("before") - arms[0].mean("before")
    return {
        "plain": plain.value,
        "plain_t": plain.test().statistic,
        "plain_freedom": plain.degrees_of_freedom,
        "plain_p": plain.test().p_value,
        "theta": (plain.value - pooled.value) / gap,
        "adjusted": pooled.value,
        "ancova_error": pooled.standard_error,
        "ancova_t": pooled.test().statistic,
        "welch_error": welch.standard_error,
        "welch_freedom": welch.degrees_of_freedom,
        "interacted": lin.value,
    }


def interacted_of_rows(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Fit the interacted regression to the rows of the anorexia trial, with two robust errors."""
    rows = pd.read_csv(data("reference/anorexia.csv.gz"))
    names: Any = {"by": "Treat", "treatment": "FT", "control": "Cont", "metric": "Postwt", "adjust": ("Prewt",)}
    found = {
        errors: interacted_difference_of_rows(rows, **names, errors=errors, target="sample")
        for errors in ("hc0", "hc2")
    }
    return {"value": found["hc2"].value, "hc2": found["hc2"].standard_error, "hc0": found["hc0"].standard_error}


def heterogeneity_of(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Combine estimates that are known by their variances."""
    estimate = Estimate(value=inputs["value"], standard_error=np.sqrt(inputs["variance"]))
    found = effect_heterogeneity(estimate, method="dersimonian-laird")
    return {
        "fixed": [found.fixed.value, found.fixed.standard_error],
        "statistic": found.statistic,
        "i_squared": found.i_squared,
        "between": found.between**2,
        "random": [found.random.value, found.random.standard_error],
    }
