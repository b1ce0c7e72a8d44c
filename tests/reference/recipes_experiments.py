"""The steps behind the experiments cases that need more than one call: arms from summaries or data, tests and intervals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import Duration, replace
from ecomops.experiments import (
    Estimate,
    MeanMetric,
    Moments,
    MomentsByArm,
    ProportionMetric,
    compare_proportions,
    difference,
    funnel,
    minimum_detectable_effect,
    power,
    sample_size,
)

Data = Callable[[str], Path]
Inputs = dict[str, Any]


def _from_samples(treatment: list[float], control: list[float]) -> MomentsByArm:
    arms = [Moments.from_arrays(sample, columns=("y",)) for sample in (control, treatment)]
    return MomentsByArm(arms=["control", "treatment"], moments=tuple(arms))


def _from_summary(summary: dict[str, Any]) -> MomentsByArm:
    """Build the moments of two arms from mean, variance and number of units."""
    arms = [
        Moments(
            columns=("y",),
            n=summary[arm]["n"],
            means=[summary[arm]["mean"]],
            comoments=[[summary[arm]["variance"] * (summary[arm]["n"] - 1)]],
        )
        for arm in ("control", "treatment")
    ]
    return MomentsByArm(arms=["control", "treatment"], moments=tuple(arms))


def _compared(moments: MomentsByArm, variance: str) -> Estimate:
    return difference(moments, treatment="treatment", control="control", metric="y", variance=variance)


def _told(estimate: Estimate) -> dict[str, Any]:
    test, interval = estimate.test(), estimate.interval()
    return {
        "value": estimate.value,
        "error": estimate.standard_error,
        "freedom": estimate.degrees_of_freedom,
        "t": test.statistic,
        "p": test.p_value,
        "log_p": test.log_p_value,
        "lower": interval.lower,
        "upper": interval.upper,
    }


def summary_test(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Compare two arms that are known by mean, variance and size."""
    return _told(_compared(_from_summary(inputs), inputs["variance"]))


def sleep(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Compare the extra hours of sleep after two drugs, as R's help of ``t.test`` does: group 1 minus group 2."""
    rows = pd.read_csv(data("reference/sleep.csv.gz"))
    moments = Moments.from_frame(rows, by="group", columns=("extra",))
    return _told(difference(moments, treatment=1, control=2, metric="extra"))


def equivalence(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Two one-sided tests against a lower and an upper margin, and the interval that goes with them."""
    estimate = _compared(_from_samples(inputs["treatment"], inputs["control"]), "pooled")
    return {
        "freedom": estimate.degrees_of_freedom,
        "value": estimate.value,
        "error": estimate.standard_error,
        "p_lower": estimate.test(margin=-inputs["margin"], alternative="greater").p_value,
        "p_upper": estimate.test(margin=inputs["margin"], alternative="less").p_value,
        "lower": estimate.interval().lower,
        "upper": estimate.interval().upper,
    }


def ratio_of_means(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Give the ratio of two means, by logarithms with given degrees of freedom and by Fieller with a pooled variance."""
    moments = _from_samples(inputs["treatment"], inputs["control"])
    log = replace(_compared(moments, "welch"), degrees_of_freedom=inputs["log_freedom"]).lift(method="log")
    pooled = _compared(moments, "pooled")
    fieller = pooled.lift()
    return {
        "ratio": 1.0 + fieller.value,
        "log": [1.0 + log.lower, 1.0 + log.upper],
        "freedom": pooled.degrees_of_freedom,
        "fieller": [1.0 + fieller.lower, 1.0 + fieller.upper],
    }


def from_sums(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Compare arms that are known by their raw sums, as a database gives them."""
    arms = tuple(
        Moments.from_sums(columns=("y",), n=arm["n"], sums=[arm["sum"]], products=[[arm["squares"]]])
        for arm in (inputs["control"], inputs["treatment"])
    )
    return _told(_compared(MomentsByArm(arms=["control", "treatment"], moments=arms), "welch"))


def evan_miller(inputs: Inputs, data: Data) -> list[float]:
    """Give the units an arm, before rounding, for several baselines and absolute differences."""
    metric = ProportionMetric(baseline=inputs["baseline"], variance="baseline")
    return sample_size(metric, effect=inputs["effect"]).exact_n_control


def detectable_share(inputs: Inputs, data: Data) -> list[float]:
    """Give the detectable difference over the mean; the true relative one also counts the error of the baseline."""
    metric = MeanMetric(sd=np.sqrt(inputs["variance"]), reference="normal")
    found = minimum_detectable_effect(metric, n_control=inputs["n"], n_treatment=inputs["n"])
    return found / np.asarray(inputs["mean"])


def chi_square(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Square the pooled z statistic and show the Wald interval, as R's ``prop.test`` does without correction."""
    found = compare_proportions(
        inputs["treatment"][0],
        treatment_trials=inputs["treatment"][1],
        control_successes=inputs["control"][0],
        control_trials=inputs["control"][1],
        method="wald",
    )
    return {"chi2": found.statistic**2, "p": found.p_value, "interval": [found.lower, found.upper]}


def funnel_of(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Run a funnel over (user, event, day) rows, once a window."""
    rows = pd.DataFrame(inputs["rows"], columns=["user", "event", "day"])
    rows["time"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rows["day"], unit="D")
    found = [
        funnel(
            rows,
            user="user",
            event="event",
            time="time",
            steps=tuple(inputs["steps"]),
            window=None if days is None else Duration(value=days, unit="day"),
        )
        for days in inputs.get("windows", [None])
    ]
    return {
        "users": found[0].users,
        "overall": found[0].overall,
        "conversion": found[0].conversion,
        "levels": [int((one.users > 0).sum()) for one in found],
    }


def both_directions(inputs: Inputs, data: Data) -> float:
    """Add the chance of a finding in the wrong direction, which Stata and statsmodels count as power and R does not."""
    metric = TypeAdapter(MeanMetric | ProportionMetric).validate_python(inputs["metric"])
    effect, n_control, n_treatment = inputs["effect"], inputs["n_control"], inputs["n_treatment"]
    right = power(metric, effect=effect, n_control=n_control, n_treatment=n_treatment)
    inverse = 1 / n_control + 1 / n_treatment
    if isinstance(metric, ProportionMetric):
        before, after = metric.baseline, metric.baseline + effect
        pooled = (n_control * before + n_treatment * after) / (n_control + n_treatment)
        limit = stats.norm.ppf(0.975) * np.sqrt(pooled * (1 - pooled) * inverse)
        error = np.sqrt(before * (1 - before) / n_control + after * (1 - after) / n_treatment)
        wrong = stats.norm.cdf((-effect - limit) / error)
    elif metric.reference == "normal":
        wrong = stats.norm.cdf(-effect / np.sqrt(inverse) - stats.norm.ppf(0.975))
    else:
        freedom = n_control + n_treatment - 2
        wrong = stats.nct.cdf(-stats.t.ppf(0.975, freedom), freedom, effect / np.sqrt(inverse))
    return float(right + wrong)
