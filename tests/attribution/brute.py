"""Attribution written again in plain loops: the oracles of these tests."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = np.datetime64("2026-01-01", "us")


@dataclass(frozen=True)
class Row:
    """One row of a log; the time is in microseconds."""

    user: Any
    time: int
    channel: str
    bought: bool
    value: float = 0.0


@dataclass(frozen=True)
class Journey:
    """One path: its channels, its ages in microseconds, and what came of it."""

    channels: tuple[str, ...]
    ages: tuple[int, ...]
    conversions: float
    value: float
    nulls: float


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    times = START + np.array([row.time for row in rows], dtype="timedelta64[us]")
    return pd.DataFrame(
        {
            "who": [row.user for row in rows],
            "when": times,
            "where": [row.channel for row in rows],
            "bought": [int(row.bought) for row in rows],
            "paid": [row.value for row in rows],
        }
    )


COLUMNS = {"user": "who", "time": "when", "channel": "where", "conversion": "bought", "value": "paid"}


def journeys(
    rows: Iterable[Row], *, lookback: int | None = None, restart: bool = True, conversion_is_touch: bool = True
) -> list[Journey]:
    """Walk through every user's rows one by one."""
    by_user = defaultdict(list)
    for row in rows:
        by_user[row.user].append(row)
    found = []
    for own in by_user.values():
        own.sort(key=lambda row: (row.time, row.bought, row.channel, row.value))
        begin = 0
        for place, row in enumerate(own):
            if row.bought:
                before = own[begin if restart else 0 : place + 1]
                near = [one for one in before if lookback is None or row.time - one.time <= lookback]
                found.append(_journey(near, row, conversion_is_touch))
                begin = place + 1
        if own[begin:]:
            found.append(_journey(own[begin:], own[-1], True))
    return [journey for journey in found if journey.channels]


def _journey(rows: Sequence[Row], end: Row, conversion_is_touch: bool) -> Journey:
    touches = [row for row in rows if conversion_is_touch or not row.bought]
    return Journey(
        tuple(row.channel for row in touches),
        tuple(end.time - row.time for row in touches),
        float(end.bought),
        end.value if end.bought else 0.0,
        float(not end.bought),
    )


def listed(table: Any) -> list[Journey]:
    """Read a PathTable back into journeys."""
    found = []
    names, codes, bounds = table.channels.tolist(), table.codes.astype(int).tolist(), table.offsets.astype(int).tolist()
    ages = [0] * len(codes) if table.ages is None else [round(age * DAY) for age in table.ages.tolist()]
    for place, (low, high) in enumerate(itertools.pairwise(bounds)):
        found.append(
            Journey(
                tuple(names[code] for code in codes[low:high]),
                tuple(ages[low:high]),
                float(table.conversions[place]),
                float(table.value[place]),
                float(table.nulls[place]),
            )
        )
    return found


def summed(found: Iterable[Journey]) -> dict[tuple[str, ...], tuple[float, float, float]]:
    """Add up equal paths."""
    sums: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for journey in found:
        for place, number in enumerate((journey.conversions, journey.value, journey.nulls)):
            sums[journey.channels][place] += number
    return {path: (three[0], three[1], three[2]) for path, three in sums.items()}


def same(one: Iterable[Journey], two: Iterable[Journey]) -> bool:
    return Counter(one) == Counter(two)


def share_of_touches(journey: Journey, rule: str, **options: Any) -> list[float]:
    """Return what each touch of a path gets of its credit."""
    size = len(journey.channels)
    if rule == "FirstTouch":
        return [1.0] + [0.0] * (size - 1)
    if rule == "LastTouch":
        kept = [place for place, name in enumerate(journey.channels) if name not in options.get("ignore", ())]
        chosen = kept[-1] if kept else size - 1
        return [float(place == chosen) for place in range(size)]
    if rule == "Linear":
        return [1.0 / size] * size
    if rule == "Position":
        first, last = options["first"], options["last"]
        if size == 1:
            return [1.0]
        if size == 2:
            return [first / (first + last), last / (first + last)]
        return [first, *[(1.0 - first - last) / (size - 2)] * (size - 2), last]
    weights = [2.0 ** (-age / options["half_life"]) for age in journey.ages]
    return [weight / math.fsum(weights) for weight in weights]


def credit(found: Iterable[Journey], rule: str, **options: Any) -> dict[str, tuple[float, float]]:
    """Divide conversions and value, one touch at a time, without rounding the sums."""
    parts: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for journey in found:
        for name, share in zip(journey.channels, share_of_touches(journey, rule, **options), strict=True):
            parts[name][0].append(share * journey.conversions)
            parts[name][1].append(share * journey.value)
    return {name: (math.fsum(one), math.fsum(two)) for name, (one, two) in parts.items()}


def counted(found: Iterable[Journey], *, by_value: bool = False) -> tuple[list[str], Any, Any, Any, Any]:
    """Walk along the paths; return names, steps between channels, exits to a conversion (or its value), starts, visits."""
    held = list(found)
    names = sorted({name for journey in held for name in journey.channels})
    place = {name: index for index, name in enumerate(names)}
    moves, (exits, starts, visits) = np.zeros((len(names),) * 2), np.zeros((3, len(names)))
    for journey in held:
        weight = journey.conversions + journey.nulls
        steps = [place[name] for name in journey.channels]
        starts[steps[0]] += weight
        for here, there in itertools.pairwise(steps):
            moves[here, there] += weight
        for here in steps:
            visits[here] += weight
        exits[steps[-1]] += journey.value if by_value else journey.conversions
    return names, moves, exits, starts, visits


def chain_of(found: Iterable[Journey], *, by_value: bool = False) -> tuple[list[str], Any, Any, Any]:
    """Return names and, as probabilities, steps, exits and starts."""
    names, moves, exits, starts, visits = counted(found, by_value=by_value)
    left = np.where(visits > 0, visits, 1.0)
    return names, moves / left[:, None], exits / left, starts / starts.sum()


def chance(moves: Any, exits: Any, starts: Any, *, without: int | None = None) -> float:
    """Solve the chain by plain elimination; a channel that is removed leads to nothing."""
    size = len(exits)
    table = [[float(i == j) - float(moves[i][j]) for j in range(size)] + [float(exits[i])] for i in range(size)]
    if without is not None:
        table[without] = [float(j == without) for j in range(size)] + [0.0]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(table[row][column]))
        table[column], table[pivot] = table[pivot], table[column]
        for row in range(size):
            if row != column and table[row][column]:
                factor = table[row][column] / table[column][column]
                table[row] = [one - factor * two for one, two in zip(table[row], table[column], strict=True)]
    return math.fsum(float(starts[i]) * table[i][size] / table[i][i] for i in range(size))


def removal(found: Iterable[Journey], *, by_value: bool = False) -> dict[str, float]:
    """Take every channel out of the chain in turn and solve it again."""
    names, moves, exits, starts = chain_of(found, by_value=by_value)
    whole = chance(moves, exits, starts)
    return {name: 1.0 - chance(moves, exits, starts, without=place) / whole for place, name in enumerate(names)}
