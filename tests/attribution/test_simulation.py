"""Simulated touches: their law, and that what was put in is found again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.attribution import PathTable, TouchLog, removal_effects, simulate_touches
from ecomops.core import InputError

USERS = 40_000


@pytest.fixture(scope="module")
def log() -> TouchLog:
    return simulate_touches(["a", "b", "c"], users=USERS, effect=[1.5, 0.0, -1.0], base=-1.0, mean_touches=2.5, rng=1)


def met(log: TouchLog, names: list[str]) -> tuple[Any, Any]:
    """Return which channels each user met, and who bought."""
    frame = pd.DataFrame({"user": log.user, "channel": log.channel, "bought": log.conversion})
    table = frame.assign(one=True).pivot_table(index="user", columns="channel", values="one", aggfunc="any")
    seen = table.reindex(columns=names).notna().to_numpy(bool)
    return seen, frame.groupby("user")["bought"].max().to_numpy()


@given(users=st.integers(1, 30), channels=st.integers(1, 4), mean=st.floats(0.1, 6.0), seed=st.integers(0, 2**32))
def test_a_log_is_in_order_and_the_last_touch_tells(users: int, channels: int, mean: float, seed: int) -> None:
    names = [f"c{place}" for place in range(channels)]
    drawn = simulate_touches(names, users=users, effect=[0.5] * channels, mean_touches=mean, days=30, rng=seed)
    assert sorted(set(drawn.user.tolist())) == list(range(users))
    assert np.array_equal(np.lexsort((drawn.day, drawn.user)), np.arange(drawn.user.size))
    assert drawn.day.max() < 30
    assert set(drawn.channel.tolist()) <= set(names)
    last = np.append(drawn.user[1:] != drawn.user[:-1], True)
    assert not drawn.conversion[~last].any()


def test_the_seed_decides() -> None:
    one, two, other = (simulate_touches(["a", "b"], users=50, effect=[0, 1], rng=seed) for seed in (7, 7, 8))
    assert one == two != other
    generator = np.random.default_rng(7)
    first, second = (simulate_touches(["a", "b"], users=50, effect=[0, 1], rng=generator) for _ in range(2))
    assert first == one != second


def test_touches_are_one_and_a_poisson_number_more(log: TouchLog) -> None:
    number = np.bincount(log.user)
    highest = 8
    seen = np.bincount(np.minimum(number - 1, highest), minlength=highest + 1)
    expected = USERS * np.append(stats.poisson.pmf(np.arange(highest), 1.5), stats.poisson.sf(highest - 1, 1.5))
    assert stats.chisquare(seen, expected).pvalue > 1e-4


def test_channels_and_times_are_even(log: TouchLog) -> None:
    counts = np.unique_counts(log.channel.astype(str)).counts
    assert stats.chisquare(counts).pvalue > 1e-4
    # Within users days are sorted, over all they are even.
    assert stats.kstest(log.day / 90.0, "uniform").pvalue > 1e-4


def test_users_convert_by_the_log_odds_of_what_they_met(log: TouchLog) -> None:
    seen, bought = met(log, ["a", "b", "c"])
    chance = 1.0 / (1.0 + np.exp(1.0 - seen @ np.array([1.5, 0.0, -1.0])))
    assert abs(bought.sum() - chance.sum()) < 3.0 * np.sqrt((chance * (1 - chance)).sum())
    for pattern in np.unique(seen, axis=0):
        inside = (seen == pattern).all(axis=1)
        p = chance[inside][0]
        z = (bought[inside].sum() - inside.sum() * p) / np.sqrt(inside.sum() * p * (1 - p))
        assert abs(z) < 4.5, pattern


def test_fewer_touches_than_one_are_one() -> None:
    drawn = simulate_touches(["a"], users=20, effect=[0.0], mean_touches=0.2, rng=3)
    assert drawn.user.tolist() == list(range(20))


@pytest.mark.parametrize(("base", "rate"), [(-700.0, 0.0), (700.0, 1.0)])
def test_at_the_ends_of_the_log_odds_nobody_or_everybody_buys(base: float, rate: float) -> None:
    drawn = simulate_touches(["a"], users=100, effect=[0.0], base=base, rng=3)
    assert drawn.conversion.sum() == 100 * rate


def test_removal_effects_rank_the_channels_by_what_was_put_in(log: TouchLog) -> None:
    frame = pd.DataFrame(
        {
            "user": log.user,
            "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(log.day, unit="D"),
            "channel": log.channel,
            "bought": log.conversion,
        }
    )
    paths = PathTable.from_touches(frame, user="user", time="time", channel="channel", conversion="bought")
    assert paths.conversions.sum() == log.conversion.sum()
    assert paths.nulls.sum() == USERS - log.conversion.sum()
    result = removal_effects(paths)
    assert result.channel[np.argsort(-result.effect)].tolist() == ["a", "b", "c"]
    gaps = -np.diff(result.effect)
    assert (gaps > 5 * np.hypot(result.effect_error[1:], result.effect_error[:-1])).all()


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ({"channels": [], "effect": [0.0]}, "effect must have one value a channel, got shape (1,) for 0 channel(s)"),
        ({"effect": [0.0, 1.0]}, "effect must have one value a channel, got shape (2,) for 1 channel(s)"),
        ({"effect": [[0.0]]}, "effect must have one value a channel, got shape (1, 1) for 1 channel(s)"),
        ({"mean_touches": 1e9}, "mean_touches must leave at most 1e9 touches in all, got 1e+09 for 5 users"),
        (
            {"users": 10**12, "mean_touches": 1e-4},
            "mean_touches must leave at most 1e9 touches in all, got 0.0001 for 1000000000000 users",
        ),
        (
            {"channels": [str(place) for place in range(200)], "effect": [0.0] * 200, "users": 10**7},
            "users must be at most 1e9 over the 200 channels, got 10000000",
        ),
        ({"users": 0}, "users must be >= 1, got 0"),
        ({"days": 0}, "days must be > 0, got 0.0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given_: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate_touches(**{"channels": ["a"], "users": 5, "effect": [0.0], "rng": 1, **given_})
    assert str(caught.value) == f"simulate_touches: {text}"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"day": [0.0]}, "columns must be equally long, got shapes [(1,), (2,)]"),
        ({"day": [[0.0, 1.0]]}, "columns must be equally long, got shapes [(1, 2), (2,)]"),
        ({"conversion": [0, 2]}, "conversion must be <= 1, got 2.0 at index 1"),
        ({"conversion": [0, 0.5]}, "conversion must be whole numbers of at most 2**53, got 0.5 at index 1"),
        ({"day": [0, -1]}, "day must be >= 0, got -1.0 at index 1"),
    ],
)
def test_columns_that_do_not_fit_are_refused(changes: dict[str, Any], text: str) -> None:
    fields = {"user": [1, 1], "day": [0.0, 1.0], "channel": ["a", "a"], "conversion": [0, 1]}
    with pytest.raises(InputError) as caught:
        TouchLog(**{**fields, **changes})
    assert str(caught.value) == f"TouchLog: {text}"
