"""Durations counted: from arrays, frames and parts, with what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.making import frame_of, on_each_engine

from ecomops.core import InputError
from ecomops.experiments import DurationCounts, DurationsByArm

rows = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from("ab")), min_size=1, max_size=30)


def of(pairs: Any) -> DurationCounts:
    pairs = list(pairs)
    return DurationCounts.from_arrays([d for d, *_ in pairs], event=np.array([e for _, e, *_ in pairs], dtype=bool))


@given(rows)
def test_counts_are_those_of_a_loop(pairs: Any) -> None:
    counts = of(pairs)
    assert counts.duration.tolist() == sorted({d for d, *_ in pairs})
    for place, duration in enumerate(counts.duration):
        assert counts.events[place] == sum(d == duration and e for d, e, _ in pairs)
        assert counts.censored[place] == sum(d == duration and not e for d, e, _ in pairs)
        assert counts.at_risk[place] == sum(d >= duration for d, *_ in pairs)
    assert counts.n == len(pairs)


@given(rows, st.integers(0, 30), st.randoms())
def test_parts_add_up_in_any_order(pairs: Any, cut: int, random: Any) -> None:
    mixed = list(pairs)
    random.shuffle(mixed)
    assert of(mixed[:cut]) + of(mixed[cut:]) == of(pairs)
    frame = pd.DataFrame(mixed, columns=["days", "bought", "arm"])
    parts = [part for part in (frame[:cut], frame[cut:]) if len(part)]
    by = [DurationsByArm.from_frame(part, by="arm", duration="days", event="bought") for part in parts]
    joined = by[0] + by[1] if len(by) == 2 else by[0]
    assert joined == DurationsByArm.from_frame(frame, by="arm", duration="days", event="bought")
    for arm in joined.arms.tolist():
        assert joined[arm] == of(row for row in pairs if row[2] == arm)


@on_each_engine
@pytest.mark.parametrize("kind", ["whole", "decimal", "flags"])
def test_every_engine_counts_alike(engine: str, kind: str) -> None:
    rng = np.random.default_rng(2)
    days = rng.integers(0, 40, 300) / (1 if kind == "whole" else 4)
    event = rng.random(300) < 0.4
    arm = np.array(["a", "b", "c"])[rng.integers(0, 3, 300)]
    table = pa.table(
        {
            "arm": arm,
            "days": days,
            "bought": event if kind == "flags" else event.astype(int if kind == "whole" else float),
        }
    )
    found = DurationsByArm.from_frame(frame_of(engine, table), by="arm", duration="days", event="bought", unit="week")
    for name in "abc":
        assert found[name] == DurationCounts.from_arrays(days[arm == name], event=event[arm == name], unit="week")
    alone = DurationCounts.from_frame(frame_of(engine, table), duration="days", event="bought", unit="week")
    assert alone == DurationCounts.from_arrays(days, event=event, unit="week")


def test_arms_may_be_flags_and_an_arm_of_one_side_is_kept() -> None:
    frame = pd.DataFrame({"arm": [True, False], "days": [1, 2], "bought": [1, 0]})
    one = DurationsByArm.from_frame(frame, by="arm", duration="days", event="bought")
    other = DurationsByArm.from_frame(frame[:1], by="arm", duration="days", event="bought")
    assert (one + other).arms.tolist() == [0, 1]
    assert ((one + other)[0].n, (one + other)[1].n) == (1.0, 2.0)
    assert DurationCounts.from_arrays([], event=True).n == 0


def test_only_durations_are_added() -> None:
    one = DurationCounts.from_arrays([1], event=True)
    arms = DurationsByArm(arms=["a"], durations=(one,))
    for part in (one, arms):
        with pytest.raises(TypeError):
            part + 1
    with pytest.raises(InputError) as caught:
        one + DurationCounts.from_arrays([1], event=True, unit="week")
    assert str(caught.value) == "DurationCounts: unit must be the same to add, got 'day' and 'week'"
    with pytest.raises(InputError) as caught:
        arms + DurationsByArm(arms=[1], durations=(one,))
    assert str(caught.value) == "DurationsByArm: arms must be text in both parts or whole numbers in both"
    with pytest.raises(InputError) as caught:
        arms["b"]
    assert str(caught.value) == "DurationsByArm: arm must be one of ['a'], got 'b'"


GOOD: dict[str, Any] = {"duration": [1, 2], "events": [1, 0], "censored": [0, 1]}
ONE = DurationCounts(duration=[1], events=[1], censored=[0])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"events": [1]}, "duration, events and censored must be equally long, got lengths [1, 2]"),
        ({"duration": [2, 2]}, "duration must ascend without repeats, got 2.0 at index 0"),
        ({"events": [0, 0]}, "every duration must have a unit, in events or in censored at index 0"),
        ({"duration": [-1, 2]}, "duration must be >= 0, got -1.0 at index 0"),
    ],
)
def test_refusals_of_counts(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        DurationCounts(**{**GOOD, **changes})
    assert str(caught.value) == f"DurationCounts: {text}"


@pytest.mark.parametrize(
    ("arms", "durations", "text"),
    [
        (["a"], (ONE, ONE), "arms and durations must be equally many, got 1 and 2"),
        (["a", "a"], (ONE, ONE), "arms must not repeat, got ['a', 'a']"),
        (
            ["a", "b"],
            (ONE, DurationCounts.from_arrays([1], event=True, unit="week")),
            "durations must have one unit, got ['day', 'week']",
        ),
    ],
)
def test_refusals_of_arms(arms: Any, durations: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        DurationsByArm(arms=arms, durations=durations)
    assert str(caught.value) == f"DurationsByArm: {text}"


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ({"days": [1], "bought": [2]}, "event must be 0 or 1 in every row, got 2 in column 'bought'"),
        ({"days": [1], "bought": ["yes"]}, "event must be 0 or 1 in every row, got text in column 'bought'"),
        ({"days": ["1"], "bought": [1]}, "duration must be numbers, got text in column 'days'"),
        ({"days": [True], "bought": [1]}, "duration must be numbers, got booleans in column 'days'"),
        ({"days": [-0.5], "bought": [1]}, "duration must be >= 0, got -0.5 in column 'days'"),
        ({"days": [], "bought": []}, "frame has no rows"),
    ],
)
def test_refusals_of_frames(frame: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        DurationCounts.from_frame(pd.DataFrame(frame), duration="days", event="bought")
    assert str(caught.value) == f"DurationCounts.from_frame: {text}"


def test_arms_with_decimals_are_refused() -> None:
    frame = pd.DataFrame({"arm": [0.5], "days": [1], "bought": [1]})
    with pytest.raises(InputError) as caught:
        DurationsByArm.from_frame(frame, by="arm", duration="days", event="bought")
    assert (
        str(caught.value)
        == "DurationsByArm.from_frame: by must be text or whole numbers, got numbers with decimals in column 'arm'"
    )
