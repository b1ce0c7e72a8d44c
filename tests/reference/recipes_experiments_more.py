"""The steps behind the experiments cases of survival, hashing and design."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats  # noqa: TID251 - what the library does not count as power

from ecomops.experiments import (
    Clusters,
    DurationsByArm,
    MeanMetric,
    ProportionMetric,
    RankMetric,
    kaplan_meier,
    log_rank_test,
    minimum_detectable_effect,
    power,
    sample_size,
)
from ecomops.stats.hashing import murmur3

Data = Callable[[str], Path]
Inputs = dict[str, Any]


def leukaemia(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Return the log-rank test and the medians of R's survival::aml."""
    frame = pd.read_csv(data("reference/aml.csv.gz"))
    arms = DurationsByArm.from_frame(frame, by="group", duration="time", event="cens", unit="week")
    test = log_rank_test(arms)
    medians = [kaplan_meier(arms[arm], interval="log").quantile() for arm in (1, 2)]
    return {
        "statistic": test.statistic,
        "p_value": test.p_value,
        "medians": [median.value for median in medians],
        "lower": [median.lower for median in medians],
        "open": all(math.isinf(median.upper) for median in medians),
    }


def murmur3_hashes(inputs: Inputs, data: Data) -> dict[str, list[int]]:
    """Hash texts, which have no public function of their own."""
    return {"hashes": [int(murmur3([text], seed=seed)[0]) for text, seed in inputs["texts"]]}


def detectable_lift(inputs: Inputs, data: Data) -> Any:
    """Give the detectable lift, which counts the error of the baseline too."""
    metric = MeanMetric(sd=np.sqrt(inputs["variance"]), baseline=inputs["mean"], reference="normal")
    return minimum_detectable_effect(metric, n_control=inputs["n"], n_treatment=inputs["n"], lift="delta")


def both_tails(inputs: Inputs, data: Data) -> Any:
    """Add the chance of a finding in the wrong direction to the power of an unpooled test of proportions."""
    metric = ProportionMetric.model_validate(inputs["metric"])
    n, effect = np.asarray(inputs["n_control"], dtype=float), inputs["effect"]
    right = power(metric, effect=effect, n_control=n, n_treatment=n)
    before, after = metric.baseline, metric.baseline + effect
    error = np.sqrt((before * (1 - before) + after * (1 - after)) / n)
    return right + stats.norm.cdf(-effect / error - stats.norm.ppf(0.975))


def design_effects(inputs: Inputs, data: Data) -> list[float]:
    """Give the design effect of even and of uneven clusters."""
    return [
        Clusters(size=50, intracluster_correlation=0.02, size_variation=spread).design_effect()
        for spread in inputs["size_variation"]
    ]


def noether(inputs: Inputs, data: Data) -> Any:
    """Give the units of both arms for a rank test, by the probability that a treated unit is the larger one."""
    return 2 * sample_size(RankMetric(), effect=np.asarray(inputs["larger"]) - 0.5).exact_n_control
