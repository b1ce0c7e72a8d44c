"""The steps behind the experiments cases of multiplicity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecomops.experiments import (
    Moments,
    MomentsByArm,
    adjust_p_values,
    differences_from_control,
    dunnett,
    dunnett_critical_value,
)

Data = Callable[[str], Path]
Inputs = dict[str, Any]


def adjusted_range(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Adjust a family and show a range of its adjusted p-values, and how many are rejected at 5 %."""
    found = adjust_p_values(inputs["p_values"], method=inputs["method"])
    start, end = inputs.get("range", [0, len(inputs["p_values"])])
    return {"p_adjusted": found.p_adjusted[start:end], "rejected": int(found.reject.sum())}


def dunnett_table(inputs: Inputs, data: Data) -> list[float]:
    """Give the critical values for several numbers of treatments."""
    options = {key: inputs[key] for key in ("degrees_of_freedom",) if key in inputs}
    return [dunnett_critical_value(k, **options) for k in inputs["treatments"]]


def dunnett_of_samples(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Compare samples with the first of them, which is the control, with one pooled variance."""
    samples = inputs["samples"]
    moments = MomentsByArm(
        arms=list(samples), moments=tuple(Moments.from_arrays(sample, columns=("y",)) for sample in samples.values())
    )
    found = dunnett(differences_from_control(moments, control=next(iter(samples)), metric="y"))
    return {"t": found.statistic, "p": found.p_adjusted}
