"""The steps behind the attribution cases: paths, then rules, then the chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecomops.attribution import (
    FirstTouch,
    LastTouch,
    Linear,
    PathTable,
    Position,
    TimeDecay,
    TransitionCounts,
    removal_effects,
    rule_credit,
)
from ecomops.core import Duration

Data = Callable[[str], Path]
Inputs = dict[str, Any]

RULES = {"first": FirstTouch(), "last": LastTouch(), "linear": Linear(), "position": Position(first=0.4, last=0.4)}
GREEK = ["eta", "iota", "alpha", "beta", "theta", "lambda", "kappa", "zeta", "epsilon", "gamma", "delta", "mi"]


def paths_of(inputs: Inputs) -> PathTable:
    return PathTable.from_strings(**inputs)


def path_data(data: Data) -> PathTable:
    rows = pd.read_csv(data("pathdata/path_data.csv.gz"))
    return PathTable.from_strings(
        rows["path"],
        conversions=rows["total_conversions"],
        nulls=rows["total_null"],
        value=rows["total_conversion_value"],
    )


def by_rule(paths: PathTable, column: str, order: Any = slice(None)) -> dict[str, Any]:
    return {name: getattr(rule_credit(paths, rule=rule), column)[order] for name, rule in RULES.items()}


def by_chain(paths: PathTable, order: Any = slice(None)) -> dict[str, Any]:
    result = removal_effects(paths)
    columns = (
        "channel",
        "effect",
        "share",
        "conversions",
        "value_effect",
        "value",
        "effect_error",
        "conversions_error",
    )
    return {**{name: getattr(result, name)[order] for name in columns}, "p_convert": result.p_convert}


def greek(paths: PathTable) -> Any:
    return np.array([paths.channels.tolist().index(name) for name in GREEK])


def rules(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Divide the conversions by every rule."""
    return by_rule(paths_of(inputs), "conversions")


def rules_value(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Divide the value by every rule."""
    return by_rule(paths_of(inputs), "value")


def chain(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Remove every channel from the chain of the paths."""
    return by_chain(paths_of(inputs))


def probabilities(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Turn the counts of the transitions into probabilities."""
    counts = TransitionCounts.from_paths(paths_of(inputs))
    leaving = counts.moves.sum(axis=1) + counts.converted + counts.nulls
    return {"move": counts.moves / leaving[:, None], "convert": counts.converted / leaving}


def path_data_rules(inputs: Inputs, data: Data) -> dict[str, Any]:
    paths = path_data(data)
    return by_rule(paths, inputs["column"], greek(paths))


def path_data_chain(inputs: Inputs, data: Data) -> dict[str, Any]:
    paths = path_data(data)
    return by_chain(paths, greek(paths))


def path_data_totals(inputs: Inputs, data: Data) -> dict[str, float]:
    """The chance to convert is that of the paths, whatever the order of the chain."""
    paths = path_data(data)
    result = removal_effects(paths)
    walked = float(paths.conversions.sum() + paths.nulls.sum())
    return {
        "conversions": result.total_conversions,
        "value": result.total_value,
        "nulls": float(paths.nulls.sum()),
        "distinct": float(paths.lengths.size),
        "p_convert": result.p_convert,
        "observed": result.total_conversions / walked,
        "value_a_path": result.total_value / walked,
    }


def jump_chain(inputs: Inputs, data: Data) -> float:
    """Drop the steps from a channel to itself: no effect changes."""
    counts = TransitionCounts.from_paths(path_data(data))
    moves = counts.moves - np.diag(np.diagonal(counts.moves))
    jumps = TransitionCounts.model_validate({**counts.__dict__, "moves": moves})
    one, two = removal_effects(counts), removal_effects(jumps)
    return float(np.abs([one.effect - two.effect, one.value_effect - two.value_effect]).max())


def decay(inputs: Inputs, data: Data) -> Any:
    """Weigh the touches of one path by their ages, in hours."""
    ages = np.array(inputs["hours"]) / 24.0
    table = PathTable(
        channels=[f"c{place}" for place in range(ages.size)],
        codes=np.arange(ages.size),
        offsets=[0, ages.size],
        conversions=[1.0],
        value=[0.0],
        nulls=[0.0],
        ages=ages,
    )
    rule = TimeDecay(half_life=Duration(value=inputs["half_life_hours"] / 24.0, unit="day"))
    return rule_credit(table, rule=rule).conversions


def built(inputs: Inputs, data: Data) -> dict[str, Any]:
    """Build paths from touches; a conversion row is no touch here."""
    rows = pd.DataFrame(inputs["rows"], columns=["user", "hour", "channel", "bought", "value"])
    rows["time"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(rows["hour"], unit="h")
    hours = inputs["lookback_hours"]
    paths = PathTable.from_touches(
        rows,
        user="user",
        time="time",
        channel="channel",
        conversion="bought",
        value="value",
        lookback=Duration(value=hours / 24.0, unit="day"),
        restart=inputs["restart"],
        conversion_is_touch=False,
    )
    names = paths.channels[paths.codes.astype(int)]
    bought = np.flatnonzero(paths.conversions)
    bounds = paths.offsets.astype(int)
    texts = [" > ".join(names[bounds[place] : bounds[place + 1]]) for place in bought]
    weights = rule_credit(only(paths, int(bought[0])), rule=TimeDecay(half_life=Duration(value=7, unit="day")))
    return {
        "paths": texts,
        "value": paths.value[bought],
        "nulls": float(paths.nulls.sum()),
        "first_path": dict(zip(weights.channel.tolist(), weights.conversions.tolist(), strict=True)),
    }


def only(paths: PathTable, place: int) -> PathTable:
    """Return the table of one path."""
    bounds = paths.offsets.astype(int)
    part = slice(bounds[place], bounds[place + 1])
    assert paths.ages is not None
    return PathTable(
        channels=paths.channels,
        codes=paths.codes[part],
        offsets=[0, bounds[place + 1] - bounds[place]],
        conversions=[1.0],
        value=[0.0],
        nulls=[0.0],
        ages=paths.ages[part],
    )
