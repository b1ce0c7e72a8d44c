"""Channels: `ecomops.attribution` against `ChannelAttribution`, whose Markov model is simulated, not solved."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import Entry, Side

SIMULATED = 0.01
"""By how much an effect simulated with four million walks may miss the exact one: its standard error is about .002."""

TOLERANCE = f"effects and credit shares to {SIMULATED}, the peer with 4e6 walks; timed at its default accuracy"


def entries(folder: Path | None) -> list[Entry]:
    """Return the comparisons; the ones on real paths only where these are."""
    found = [
        _markov("10k users, 12 channels", partial(simulated_paths, 10_000, 12), first=True),
        _markov("100k users, 12 channels", partial(simulated_paths, 100_000, 12), 5.0),
        _markov("100k users, 50 channels", partial(simulated_paths, 100_000, 50), repeats=3),
        _markov("1M users, 12 channels", partial(simulated_paths, 1_000_000, 12), repeats=3, large=True),
        _markov("100k users, 500 channels", partial(simulated_paths, 100_000, 500), 500.0, repeats=1, large=True),
        _parsed("100k users, 12 channels", partial(simulated_paths, 100_000, 12)),
    ]
    file = folder / "pathdata" / "path_data.csv.gz" if folder else None
    if file and file.exists():
        found.insert(0, _markov("PathData, 10k paths", partial(path_data, file)))
    return found


def simulated_paths(users: int, channels: int) -> pd.DataFrame:
    """Return one row a user: the path as text, whether it converted, and the value."""
    from ecomops.attribution import simulate_touches

    rng = np.random.default_rng(7)
    names = [f"channel {number:03d}" for number in range(channels)]
    effect = rng.normal(0.3, 0.6, channels)
    log = simulate_touches(names, users=users, effect=effect, mean_touches=3.3, rng=7)
    touches = pd.DataFrame({"user": log.user, "channel": log.channel, "bought": log.conversion})
    by_user = touches.groupby("user", sort=True)
    frame = by_user.agg(path=("channel", " > ".join), conversions=("bought", "max")).reset_index(drop=True)
    value = np.where(frame["conversions"] > 0, np.round(rng.lognormal(3.5, 0.8, users), 2), 0.0)
    return frame.assign(value=value, nulls=1.0 - frame["conversions"])


def path_data(file: Path) -> pd.DataFrame:
    """Return the paths that come with the peer."""
    names = {"total_conversions": "conversions", "total_conversion_value": "value", "total_null": "nulls"}
    return pd.read_csv(file).rename(columns=names)


def _markov(size: str, data: Any, bar: float = 10.0, **options: Any) -> Entry:
    return Entry(
        name="Markov, from text",
        size=size,
        data=data,
        peer=Side("ChannelAttribution", "ChannelAttribution", _theirs),
        ours=Side("ecomops", "ecomops.attribution", _ours_from_text),
        agree=_same_effects,
        checked=_theirs_checked,
        tolerance=TOLERANCE,
        bar=bar,
        **options,
    )


def _parsed(size: str, data: Any) -> Entry:
    """Compare where the paths are kept as codes; the peer has no such form and reads the text again."""
    return Entry(
        name="Markov, paths parsed before",
        size=size,
        data=data,
        peer=Side("ChannelAttribution", "ChannelAttribution", _theirs),
        ours=Side("ecomops", "ecomops.attribution", _ours_from_table),
        agree=_same_effects,
        checked=_theirs_checked,
        tolerance=TOLERANCE,
        bar=30.0,
    )


def _theirs(frame: pd.DataFrame) -> Any:
    from ChannelAttribution import markov_model

    return partial(
        markov_model,
        frame,
        "path",
        "conversions",
        var_value="value",
        var_null="nulls",
        order=1,
        out_more=True,
        verbose=False,
        flg_pro=False,
    )


def _theirs_checked(frame: pd.DataFrame) -> Any:
    """By default the peer also cuts walks at the longest path seen, which biases its effects downwards."""
    return partial(_theirs(frame), nsim_start=4e6, max_step=10_000)


def _ours_from_text(frame: pd.DataFrame) -> Any:
    from ecomops.attribution import PathTable, removal_effects

    def effects() -> Any:
        columns = {name: frame[name] for name in ("conversions", "value", "nulls")}
        return removal_effects(PathTable.from_strings(frame["path"], **columns))

    return effects


def _ours_from_table(frame: pd.DataFrame) -> Any:
    from ecomops.attribution import PathTable, removal_effects

    columns = {name: frame[name] for name in ("conversions", "value", "nulls")}
    return partial(removal_effects, PathTable.from_strings(frame["path"], **columns))


def _same_effects(theirs: dict[str, Any], ours: Any) -> None:
    removal = theirs["removal_effects"].set_index("channel_name").loc[ours.channel]
    np.testing.assert_allclose(removal["removal_effects_conversion"], ours.effect, rtol=0, atol=SIMULATED)
    np.testing.assert_allclose(removal["removal_effects_conversion_value"], ours.value_effect, rtol=0, atol=SIMULATED)
    credit = theirs["result"].set_index("channel_name").loc[ours.channel]
    for column, credited, total in (
        ("total_conversions", ours.conversions, ours.total_conversions),
        ("total_conversion_value", ours.value, ours.total_value),
    ):
        np.testing.assert_allclose(credit[column].sum(), total, rtol=1e-9)
        np.testing.assert_allclose(credit[column] / total, credited / total, rtol=0, atol=SIMULATED)
