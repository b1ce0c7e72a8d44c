"""The experiment: was it run cleanly, did the change work, and is it worth shipping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ecomops import experiments as ex
from ecomops.core import decision_table
from review import values
from review.inputs import Progress
from review.problem import Problem
from review.report import ACTS, Review, Section, discoveries, money

CONTROLS = ("control", "a", "baseline", "0", "old", "off", "false", "对照", "对照组")
MONEY = ("spend", "revenue", "value", "gmv", "amount", "sales", "margin", "profit")


LEAST_UNITS = 10
"""An arm of fewer has no mean to speak of."""


def analyse(review: Review, progress: Progress) -> None:
    """Add the section on the experiment and its verdicts."""
    section = Section("experiment", "Experiment")
    review.sections.append(section)
    if review.data.experiment is None:
        section.lead.append("Give --experiment FILE (unit, arm, one column a metric) to get verdicts.")
        return
    frame, metrics, notes = _read(review.data.experiment)
    section.lead += notes
    control = _control(frame, review.options.control)
    arms = sorted(arm for arm in frame["arm"].unique() if arm != control)
    progress(f"comparing {len(arms)} arm(s) with {control} on {len(metrics)} metric(s)")
    units = frame.groupby("arm")["arm"].size()
    wanted = _split(review, [str(arm) for arm in units.index])
    split = ex.sample_ratio_mismatch(units.to_numpy(), ratios=wanted)
    clean = not bool(split.mismatch)
    section.lead.append(
        f"Split {_counts(units)}: "
        + ("as intended" if clean else "not the intended split: find out why before you believe anything below")
        + f" (p {float(split.p_value):.3g})."
    )
    moments = ex.Moments.from_frame(frame, by="arm", columns=tuple(metrics))
    rows = [_compare(review, moments, arm, control, metric, len(frame)) for arm in arms for metric in metrics]
    proven = discoveries([row["p"] for row in rows])
    for row, known in zip(rows, proven, strict=True):
        _verdict(row, bool(known), clean)
    _once(rows)
    _conclude(review, section, pd.DataFrame(rows), len(frame))


def _read(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return arms and metrics of the units, the metrics, and what was left out."""
    arm, unit = values.text(frame["arm"]), values.text(frame["unit"])
    blank = (arm == "") | (unit == "")
    notes = [f"{int(blank.sum()):,} rows without a unit or an arm are left out."] if blank.any() else []
    frame, arm, unit = frame[~blank], arm[~blank], unit[~blank]
    if unit.duplicated().any():
        twice = unit[unit.duplicated()].iloc[0]
        raise Problem(f"--experiment: the unit {twice!r} is there twice; give one row a unit, summed over its time")
    given = {column: frame[column] for column in frame.columns if column not in {"unit", "arm"}}
    numbers, _, _ = values.numbers({column: _plain(part) for column, part in given.items()})
    metrics = [column for column, part in numbers.items() if part.notna().mean() > 0.5]
    for column in metrics:
        wrong = numbers[column].isna().to_numpy()
        if wrong.any():
            row = int(np.argmax(wrong))
            raise Problem(
                f"--experiment: {column} of data row {given[column].index[row] + 1} is no number, got "
                f"{given[column].iloc[row]!r}; give 0 where there was none"
            )
    if not metrics:
        raise Problem("--experiment: no column holds numbers; give at least one number a unit, such as spend")
    unused = [column for column in given if column not in metrics]
    if unused:
        notes.append(f"Columns that hold no numbers are not compared: {', '.join(unused)}.")
    units = arm.value_counts()
    few = sorted(units.index[units < LEAST_UNITS])
    if few:
        notes.append(f"Arms of fewer than {LEAST_UNITS} units are not compared: {', '.join(few)}.")
    answer = pd.DataFrame({metric.lower(): numbers[metric] for metric in metrics}).assign(arm=arm)
    answer = answer[~answer["arm"].isin(few)]
    if answer["arm"].nunique() < 2:
        raise Problem(
            f"--experiment: a comparison needs two arms of {LEAST_UNITS} units or more; it has {_counts(units)}"
        )
    return answer, [metric.lower() for metric in metrics], notes


def _plain(column: pd.Series) -> pd.Series:
    """Return yes and no as numbers, anything else as it is."""
    read = values.flags(column)
    return column if read.isna().any() or values.text(column).eq("").any() else read


def _counts(units: pd.Series) -> str:
    return ", ".join(f"{arm} {count:,}" for arm, count in units.items())


def _control(frame: pd.DataFrame, given: str | None) -> str:
    arms = frame["arm"].unique().tolist()
    if given is not None:
        if given not in arms:
            raise Problem(f"--control: there is no arm {given!r}; the file has {', '.join(arms)}")
        return given
    for arm in arms:
        if arm.lower() in CONTROLS:
            return str(arm)
    raise Problem(f"--control: cannot tell which arm is the control; name one of {', '.join(arms)}")


def _split(review: Review, arms: list[str]) -> list[float]:
    """Return the intended share of each arm: even unless it was given."""
    given = review.options.split
    if given is None:
        review.assume("intended split of the experiment", "even", "--split")
        return [1.0 / len(arms)] * len(arms)
    parts = dict(part.split("=", 1) for part in given.split(",") if "=" in part)
    try:
        weights = np.array([float(parts[arm]) for arm in arms])
    except (KeyError, ValueError):
        weights = np.zeros(1)
    if not np.all(weights > 0):
        wanted = ",".join(f"{arm}=1" for arm in arms)
        raise Problem(f"--split must give a share > 0 for every arm, such as {wanted}, got {given!r}") from None
    return list(weights / weights.sum())


def _compare(review: Review, moments: Any, arm: str, control: str, metric: str, units: int) -> dict[str, Any]:
    """Compare one metric; money is for as many units as the test had."""
    estimate = ex.difference(moments, treatment=arm, control=control, metric=metric)
    interval, test = estimate.interval(), estimate.test()
    worth = _worth(review, metric)
    p = float(test.p_value)
    return {
        "arm": arm,
        "metric": metric,
        "subject": f"{arm} ({metric})",
        "direct": metric in MONEY,
        "control": float(estimate.baseline),
        "difference": float(estimate.value),
        "lower": float(interval.lower),
        "upper": float(interval.upper),
        "p": p if np.isfinite(p) else 1.0,
        "worth": worth,
        "money": float(estimate.value) * worth * units,
        "low": float(interval.lower) * worth * units,
        "high": float(interval.upper) * worth * units,
        "better": float(estimate.test(alternative="less").p_value) if worth else 0.5,
    }


def _worth(review: Review, metric: str) -> float:
    """Return money per unit of a metric; 0 where that is not known."""
    if metric in {"margin", "profit"}:
        return 1.0
    if metric in MONEY:
        return review.margin()
    if metric in {"converted", "conversion", "conversions", "orders", "order", "bought", "purchase", "purchased"}:
        review.assume(
            "revenue of a conversion in the experiment",
            money(review.totals["revenue_per_order"]),
            "a column `spend` in --experiment",
        )
        return review.margin() * review.totals["revenue_per_order"]
    return 0.0


def _verdict(row: dict[str, Any], known: bool, clean: bool) -> None:
    span = (
        f"{row['metric']} a unit {row['control']:.4g} in the control, {row['difference']:+.4g} here "
        f"({row['lower']:+.4g} to {row['upper']:+.4g})"
    )
    row["action"] = "keep"
    if not clean:
        row["reason"] = f"{span}, but the split is broken: repair the assignment and repeat"
    elif not known:
        row["reason"] = f"{span} is not proven: run it longer, or drop it"
    elif not row["worth"]:
        row["reason"] = f"{span} is proven; its worth in money is not known"
    elif row["difference"] > 0 and row["better"] >= ACTS:
        row["action"], row["reason"] = "ship", span
    else:
        row["action"], row["reason"] = "stop", f"{span}: it does harm"
        row["money"], row["low"], row["high"] = -row["money"], -row["high"], -row["low"]
        row["better"] = 1.0 - row["better"]


def _once(rows: list[dict[str, Any]]) -> None:
    """Ship an arm once, on the metric nearest to money; its other metrics say the same thing again."""
    for arm in {row["arm"] for row in rows}:
        acting = [row for row in rows if row["arm"] == arm and row["action"] != "keep"]
        for row in sorted(acting, key=lambda row: not row["direct"])[1:]:
            row["action"], row["reason"] = "keep", f"{row['reason']}; decided on the row of this arm that is in money"


def _conclude(review: Review, section: Section, table: pd.DataFrame, units: int) -> None:
    review.tables.append(
        decision_table(
            table["subject"].to_numpy(object),
            topic="experiment",
            action=table["action"].to_numpy(object),
            gain=table["money"].to_numpy(),
            lower=np.minimum(table["low"], table["money"]).to_numpy(),
            upper=np.maximum(table["high"], table["money"]).to_numpy(),
            p_better=table["better"].to_numpy(),
            reason=table["reason"].to_numpy(object),
            period=f"for {units:,} units, as in the test",
            baseline="the control for everyone",
        )
    )
    shown = table[["subject", "control", "difference", "lower", "upper", "p", "action"]]
    shown = shown.rename(columns={"control": "mean of the control", "lower": "from", "upper": "to"})
    section.tables.append(("Treatment less control, 95 % intervals", shown))
    stopped = table.loc[table["action"] == "stop", "subject"].tolist()
    if stopped:
        before = review.answers.get("What do I stop?", "Nothing")
        more = f"The test arm that does harm: {', '.join(stopped)}."
        review.answers["What do I stop?"] = more if before.startswith("Nothing") else f"{before} {more}"
