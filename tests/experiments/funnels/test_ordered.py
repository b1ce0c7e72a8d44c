"""The ordered funnel against a loop over users: windows, ties, repeated steps, re-entry, and two data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import Duration, InputError
from ecomops.experiments import Funnel, funnel

START = pd.Timestamp("2026-03-01")
COLUMNS = {"user": "user", "event": "event", "time": "time"}
logs = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ABCDx"), st.integers(0, 12)), min_size=1, max_size=40)
paths = st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4).map(tuple)


def frame_of(rows: list[tuple[Any, str, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user", "event", "minute"])
    return frame.assign(time=START + pd.to_timedelta(frame["minute"], unit="min")).drop(columns="minute")


def deepest(events: list[tuple[int, str]], steps: tuple[str, ...], window: float | None) -> int:
    """Try every way to pick events in order, and return how many steps the best one has."""
    best = 0

    def follow(place: int, level: int, start: int) -> None:
        nonlocal best
        best = max(best, level)
        if level == len(steps):
            return
        for later in range(place + 1, len(events)):
            when, name = events[later]
            if name == steps[level] and (level == 0 or window is None or when - start <= window):
                follow(later, level + 1, when if level == 0 else start)

    follow(-1, 0, 0)
    return best


def looped(rows: list[tuple[int, str, int]], steps: tuple[str, ...], window: float | None) -> list[int]:
    """Count users at each step, one after the other; events at one instant stay in the order of the rows."""
    levels = []
    for user in {row[0] for row in rows}:
        own = [(minute, name) for who, name, minute in rows if who == user]
        levels.append(deepest(sorted(own, key=lambda pair: pair[0]), steps, window))
    return [sum(level >= step for level in levels) for step in range(1, len(steps) + 1)]


@given(logs, paths, st.sampled_from([None, 1, 3, 6, 13]))
def test_the_funnel_is_that_of_a_loop_over_users(rows: Any, steps: tuple[str, ...], minutes: int | None) -> None:
    expected = looped(rows, steps, minutes)
    window = None if minutes is None else Duration(value=minutes / 1440, unit="day")
    if not expected[0]:
        with pytest.raises(InputError, match=r"^funnel: steps"):
            funnel(frame_of(rows), **COLUMNS, steps=steps, window=window)
        return
    assert funnel(frame_of(rows), **COLUMNS, steps=steps, window=window).users.tolist() == expected


@given(logs.filter(lambda rows: any(name == "A" for _, name, _ in rows)), st.randoms())
def test_the_order_of_rows_matters_only_within_an_instant(rows: Any, random: Any) -> None:
    apart = [(who, name, 100 * minute + place) for place, (who, name, minute) in enumerate(rows)]
    mixed = list(apart)
    random.shuffle(mixed)
    one, other = (funnel(frame_of(part), **COLUMNS, steps=("A", "B", "C")) for part in (apart, mixed))
    assert one == other


@given(logs.filter(lambda rows: any(name == "A" for _, name, _ in rows)))
def test_users_fall_with_the_steps_and_grow_with_the_window(rows: Any) -> None:
    found = [
        funnel(frame_of(rows), **COLUMNS, steps=("A", "B", "C"), window=window)
        for window in (Duration(value=2 / 1440, unit="day"), Duration(value=5 / 1440, unit="day"), None)
    ]
    for one in found:
        assert (np.diff(one.users) <= 0).all()
        assert one.drop_off.tolist() == [*(-np.diff(one.users)).tolist(), 0.0]
    for short, long in zip(found[:-1], found[1:], strict=True):
        assert (short.users <= long.users).all()


@pytest.mark.parametrize("minutes", [13, 26, 33, 49, 369])
def test_an_event_at_the_end_of_the_window_counts(minutes: int) -> None:
    """13 / 1440 of a day is a hair short of 13 minutes in floating point."""
    steps, window = ("A", "B"), Duration(value=minutes / 1440, unit="day")
    assert funnel(frame_of([(1, "A", 0), (1, "B", minutes)]), **COLUMNS, steps=steps, window=window).users[1] == 1
    late = frame_of([(1, "A", 0), (1, "B", minutes + 1e-4)])
    assert funnel(late, **COLUMNS, steps=steps, window=window).users[1] == 0


@pytest.mark.parametrize(
    ("rows", "steps", "users"),
    [
        ([(1, "A", 0), (1, "B", 0)], ("A", "B"), [1, 1]),  # one instant: the order of the rows
        ([(1, "B", 0), (1, "A", 0)], ("A", "B"), [1, 0]),
        ([(1, "A", 0), (1, "A", 0)], ("A", "A"), [1, 1]),  # a repeated step needs a second event
        ([(1, "A", 0)], ("A", "A"), [1, 0]),
        ([(1, "A", 0), (1, "B", 9), (1, "A", 10), (1, "B", 11)], ("A", "B"), [1, 1]),  # a second start counts
        ([(1, "A", 0), (2, "B", 1)], ("A", "B"), [1, 0]),  # of another user
        ([(1, "A", 0)], ("A", "never", "B"), [1, 0, 0]),
    ],
)
def test_small_logs(rows: Any, steps: tuple[str, ...], users: list[int]) -> None:
    window = Duration(value=2 / 1440, unit="day")
    assert funnel(frame_of(rows), **COLUMNS, steps=steps, window=window).users.tolist() == users


def test_text_and_number_users_are_alike() -> None:
    rows = [(3, "A", 0), (3, "B", 1), (1, "A", 2), (2, "x", 1)]
    named = [(f"u{who}", name, minute) for who, name, minute in rows]
    assert funnel(frame_of(rows), **COLUMNS, steps=("A", "B")) == funnel(frame_of(named), **COLUMNS, steps=("A", "B"))


# --- the table --------------------------------------------------------------------------------------------------------


def table(counts: list[int], confidence: float = 0.95) -> Funnel:
    """Return the funnel of users who stop after each step."""
    rows = [
        (f"{level}-{who}", name, minute)
        for level, (here, after) in enumerate(zip(counts, [*counts[1:], 0], strict=True), start=1)
        for who in range(here - after)
        for minute, name in enumerate("ABCD"[:level])
    ]
    return funnel(frame_of(rows), **COLUMNS, steps=tuple("ABCD"[: len(counts)]), confidence=confidence)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 1 - 1e-12])
def test_rates_have_wilson_intervals(confidence: float) -> None:
    counts = [40, 25, 24, 3]
    found = table(counts, confidence)
    assert found.step.tolist() == list("ABCD")
    assert found.users.tolist() == counts
    square = stats.norm.isf((1 - confidence) / 2) ** 2
    for trials, rate, low, high in (
        (np.array([40, *counts[:-1]]), found.conversion, found.lower, found.upper),
        (np.full(4, 40), found.overall, found.overall_lower, found.overall_upper),
    ):
        np.testing.assert_allclose(rate, np.array(counts) / trials, rtol=1e-15)
        for end in (low, high):  # where the score statistic of the rate is just the quantile
            np.testing.assert_allclose(trials * (rate - end) ** 2, square * end * (1 - end), rtol=1e-9, atol=1e-13)
        assert ((low < rate) & (rate <= high)).all()
    assert found.drop_off.tolist() == [15, 1, 21, 0]
    assert found.reason == ""


def test_the_hour_that_comes_twice_in_autumn_keeps_its_order() -> None:
    instants = pd.to_datetime(["2026-11-01 05:50", "2026-11-01 06:10"], utc=True).tz_convert("America/New_York")
    log = pd.DataFrame({"user": [1, 1], "event": ["A", "B"], "time": instants})
    assert log["time"].dt.hour.tolist() == [1, 1]
    found = funnel(log, user="user", event="event", time="time", steps=("A", "B"))
    assert found.users.tolist() == [1.0, 1.0]


def test_a_step_that_nobody_could_take_has_no_rate() -> None:
    found = table([5, 0, 0])
    assert found.conversion[:2].tolist() == [1.0, 0.0]
    assert np.isnan([found.conversion[2], found.lower[2], found.upper[2]]).all()
    assert found.reason == "NaN: nobody reached the step before"
    assert found.overall.tolist() == [1.0, 0.0, 0.0]
    assert found.overall_lower[1] == 0.0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"steps": ()}, "funnel: steps must name at least one event, got none"),
        ({"steps": ("Q",)}, "funnel: steps name no event of column 'event', got ('Q',)"),
        ({"steps": ("Q", "A")}, "funnel: steps: nobody did the first step 'Q'"),
        ({"event": "user", "steps": ("A",)}, "funnel: event must be text, got column 'user' of int64"),
        (
            {"user": "usr"},
            "funnel: user names no column of the frame, got 'usr', it has ['user', 'event', 'time']; did you mean 'user'?",
        ),
        ({"window": 3}, "funnel: window must be a Duration, got int 3"),
        ({"confidence": 95}, "funnel: confidence must be < 1, got 95.0"),
    ],
)
def test_refusals(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        funnel(frame_of([(1, "A", 0)]), **{**COLUMNS, "steps": ("A",), **changes})
    assert str(caught.value) == text


def test_a_missing_user_or_time_is_refused() -> None:
    rows = frame_of([(1, "A", 0), (2, "B", 1)])
    for column in ("user", "event", "time"):
        broken = rows.astype({"user": float}) if column == "user" else rows.copy()
        broken.loc[1, column] = None
        with pytest.raises(InputError, match=rf"^funnel: {column} must not be missing, got 1 missing value"):
            funnel(broken, **COLUMNS, steps=("A",))


# --- data -------------------------------------------------------------------------------------------------------------


def test_pages_of_a_shop(shared_data: Any) -> None:
    pages = pd.read_csv(shared_data("page_funnel/page_funnel.csv.gz"))
    steps = ("home", "search", "payment", "confirmation")
    rows = pages.melt(id_vars=["user_id", "device", "date"], value_vars=list(steps), var_name="page")
    rows = rows[rows["value"] == 1].assign(time=lambda frame: pd.to_datetime(frame["date"]))
    found = funnel(rows, user="user_id", event="page", time="time", steps=steps)
    assert found.users.tolist() == [90_400, 45_200, 6_030, 452]
    for device, users in (("Desktop", [60_200, 30_100, 3_010, 150]), ("Mobile", [30_200, 15_100, 3_020, 302])):
        part = funnel(rows[rows["device"] == device], user="user_id", event="page", time="time", steps=steps)
        assert part.users.tolist() == users


@pytest.mark.parametrize("days", [None, 1 / 24, 1, 7])
def test_a_clickstream(shared_data: Any, days: float | None) -> None:
    clicks = pd.read_csv(shared_data("clickstream_sim/clickstream_sim.csv.gz"), parse_dates=["timestamp"])
    steps = ("home", "product_view", "add_to_cart", "purchase")
    steps = tuple(step for step in steps if (clicks["event"] == step).any())
    assert len(steps) >= 3
    found = funnel(
        clicks,
        user="user_id",
        event="event",
        time="timestamp",
        steps=steps,
        window=None if days is None else Duration(value=days, unit="day"),
    )
    levels = []
    for _, own in clicks[clicks["event"].isin(steps)].groupby("user_id"):
        ordered = own.sort_values("timestamp", kind="stable")
        levels.append(greedy(ordered["timestamp"].to_numpy(), ordered["event"].tolist(), steps, days))
    assert found.users.tolist() == [sum(level >= step for level in levels) for step in range(1, len(steps) + 1)]


def greedy(times: Any, names: list[str], steps: tuple[str, ...], days: float | None) -> int:
    """Follow each start of one user to the next event of each step; the best start counts."""
    best = 0
    for start, name in enumerate(names):
        if name == steps[0]:
            level = 1
            for later in range(start + 1, len(names)):
                if days is not None and times[later] - times[start] > np.timedelta64(round(days * 86_400), "s"):
                    break
                if level < len(steps) and names[later] == steps[level]:
                    level += 1
            best = max(best, level)
    return best
