"""Credit by rule, against loops over the touches of every path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.attribution import brute
from tests.attribution.brute import COLUMNS, DAY, HOUR, Journey, Row, frame_of
from tests.attribution.strategies import CHANNELS, journeys, rows

from ecomops.attribution import (
    ChannelCredit,
    FirstTouch,
    LastTouch,
    Linear,
    PathTable,
    Position,
    TimeDecay,
    rule_credit,
    simulate_touches,
)
from ecomops.core import Duration, InputError

UNTIMED = [FirstTouch(), LastTouch(), Linear(), Position(first=0.3, last=0.5), Position(first=1.0, last=0.0)]


def table_of(found: list[Journey], **names: str) -> PathTable:
    return PathTable.from_strings(
        [" > ".join(names.get(name, name) for name in journey.channels) for journey in found],
        conversions=[journey.conversions for journey in found],
        nulls=[journey.nulls for journey in found],
        value=[journey.value for journey in found],
    )


def touches(log: list[Row]) -> PathTable:
    return PathTable.from_touches(frame_of(log), **COLUMNS)


def by_name(credit: ChannelCredit) -> dict[str, tuple[float, float]]:
    columns = (credit.channel.tolist(), credit.conversions.tolist(), credit.value.tolist())
    return {name: (one, two) for name, one, two in zip(*columns, strict=True)}


def assert_is(credit: ChannelCredit, expected: dict[str, tuple[float, float]], gross: float) -> None:
    found = by_name(credit)
    assert found.keys() == expected.keys()
    for name, pair in expected.items():
        np.testing.assert_allclose(found[name], pair, rtol=1e-12, atol=1e-13 * gross)


@given(found=journeys(negative=True), first=st.floats(0.01, 1.0), part=st.floats(0.0, 1.0))
def test_credit_is_that_of_a_loop_over_touches(found: list[Journey], first: float, part: float) -> None:
    table, gross = table_of(found), sum(abs(journey.value) + abs(journey.conversions) for journey in found)
    last = part * (1.0 - first)
    assert_is(rule_credit(table, rule=FirstTouch()), brute.credit(found, "FirstTouch"), gross)
    assert_is(rule_credit(table, rule=LastTouch()), brute.credit(found, "LastTouch"), gross)
    assert_is(rule_credit(table, rule=Linear()), brute.credit(found, "Linear"), gross)
    expected = brute.credit(found, "Position", first=first, last=last)
    assert_is(rule_credit(table, rule=Position(first=first, last=last)), expected, gross)


@given(log=rows(), half_life=st.sampled_from([0.01, 0.5, 3.0, 400.0]))
def test_credit_decays_to_the_time_of_the_conversion(log: list[Row], half_life: float) -> None:
    credit = rule_credit(touches(log), rule=TimeDecay(half_life=Duration(value=half_life / 24.0, unit="day")))
    expected = brute.credit(brute.journeys(log), "TimeDecay", half_life=half_life * HOUR)
    assert_is(credit, expected, sum(abs(row.value) + 1.0 for row in log))


@given(found=journeys(), ignore=st.sets(st.sampled_from(CHANNELS[:4]), min_size=1))
def test_the_last_touch_looks_past_what_it_ignores(found: list[Journey], ignore: set[str]) -> None:
    table = table_of(found)
    known = tuple(sorted(ignore & set(table.channels.tolist())))
    assume(known)
    expected = brute.credit(found, "LastTouch", ignore=known)
    assert_is(rule_credit(table, rule=LastTouch(ignore=known)), expected, 1000.0)


@given(found=journeys(negative=True), rule=st.sampled_from(UNTIMED))
def test_credit_sums_to_the_conversions_and_the_value(found: list[Journey], rule: Any) -> None:
    credit = rule_credit(table_of(found), rule=rule)
    assert credit.total_conversions == sum(journey.conversions for journey in found)
    for column, total in ((credit.conversions, credit.total_conversions), (credit.value, credit.total_value)):
        np.testing.assert_allclose(column.sum(), total, rtol=0, atol=4e-16 * np.abs(column).sum())
    if credit.total_conversions:
        np.testing.assert_allclose(credit.share.sum(), 1.0, rtol=1e-12, atol=1e-15 * np.abs(credit.share).sum())


@given(found=journeys(), rule=st.sampled_from(UNTIMED), order=st.permutations(CHANNELS[:4]))
def test_names_are_only_names(found: list[Journey], rule: Any, order: list[str]) -> None:
    renamed = dict(zip(CHANNELS[:4], order, strict=True))
    one, two = by_name(rule_credit(table_of(found), rule=rule)), rule_credit(table_of(found, **renamed), rule=rule)
    for name, pair in one.items():
        np.testing.assert_allclose(by_name(two)[renamed[name]], pair, rtol=1e-12, atol=1e-12)


@given(pair=journeys().flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
@settings(max_examples=40)
def test_the_order_of_the_paths_does_not_count(pair: tuple[list[Journey], list[Journey]]) -> None:
    for rule in UNTIMED:
        one, two = (rule_credit(table_of(found), rule=rule) for found in pair)
        np.testing.assert_allclose(one.conversions, two.conversions, rtol=1e-12)
        np.testing.assert_allclose(one.value, two.value, rtol=1e-12)


@given(found=journeys(), more=st.integers(2, 9))
@settings(max_examples=50)
def test_credit_grows_with_the_counts(found: list[Journey], more: int) -> None:
    table = table_of(found)
    larger = table_of([Journey(j.channels, j.ages, more * j.conversions, more * j.value, j.nulls) for j in found])
    for rule in UNTIMED:
        one, two = rule_credit(table, rule=rule), rule_credit(larger, rule=rule)
        np.testing.assert_allclose(two.conversions, more * one.conversions, rtol=1e-12)
        np.testing.assert_allclose(two.share, one.share, rtol=1e-12)


@given(log=rows())
@settings(max_examples=50)
def test_rules_meet_at_their_limits(log: list[Row]) -> None:
    table = touches(log)

    def credited(rule: Any) -> Any:
        return rule_credit(table, rule=rule).conversions

    np.testing.assert_allclose(credited(Position(first=1.0, last=0.0)), credited(FirstTouch()), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(credited(Position(first=0.0, last=1.0)), credited(LastTouch()), rtol=1e-12, atol=1e-12)
    slow = TimeDecay(half_life=Duration(value=1e9, unit="year"))
    np.testing.assert_allclose(credited(slow), credited(Linear()), rtol=1e-9, atol=1e-9)
    if len({(row.user, row.time) for row in log}) == len(log):
        quick = TimeDecay(half_life=Duration(value=1e-6, unit="day"))
        np.testing.assert_allclose(credited(quick), credited(LastTouch()), rtol=1e-12, atol=1e-12)


def test_decay_is_relative_so_that_old_paths_keep_their_credit() -> None:
    log = [Row(1, 0, "a", False), Row(1, 7 * DAY, "b", False), Row(1, 90_000 * DAY, "order", True)]
    table = PathTable.from_touches(frame_of(log), **COLUMNS, conversion_is_touch=False)
    credit = rule_credit(table, rule=TimeDecay(half_life=Duration(value=1, unit="week")))
    np.testing.assert_allclose(credit.conversions, [1 / 3, 2 / 3], rtol=1e-12)


def test_sales_and_returns_that_cancel_have_credit() -> None:
    table = PathTable.from_strings(["A>B>C", "B>C>A", "C>A>B"], conversions=1, value=[0.1, 0.2, -0.3])
    credit = rule_credit(table, rule=Linear())
    np.testing.assert_allclose(credit.value, 0.0, atol=1e-16)
    table = PathTable.from_strings(["A>B>C", "C>B>A"], conversions=1, value=[1e6, 0.01 - 1e6])
    credit = rule_credit(table, rule=Linear())
    np.testing.assert_allclose(credit.value, 0.01 / 3, rtol=0, atol=1e-9)
    assert abs(credit.value.sum() - credit.total_value) < 1e-17


def test_nothing_sold_is_no_credit() -> None:
    credit = rule_credit(PathTable.from_strings(["a > b"], conversions=0, nulls=3), rule=Linear())
    assert credit.conversions.tolist() == credit.share.tolist() == credit.value.tolist() == [0.0, 0.0]
    assert credit.total_conversions == 0.0


def test_the_rule_is_named() -> None:
    table = PathTable.from_strings(["a > b"], conversions=1)
    assert [rule_credit(table, rule=rule).method for rule in UNTIMED[:4]] == [
        "FirstTouch",
        "LastTouch",
        "Linear",
        "Position",
    ]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            TimeDecay(half_life=Duration(value=7, unit="day")),
            "paths must have ages for TimeDecay; build them with PathTable.from_touches",
        ),
        (
            LastTouch(ignore=("a", "direct")),
            "rule.ignore names no channel of the paths, got 'direct', they have ['a', 'b']",
        ),
        ({"kind": "Position", "first": 0.7, "last": 0.6}, "rule first + last must be > 0 and <= 1, got 0.7 and 0.6"),
        ({"kind": "Position", "first": 0, "last": 0}, "rule first + last must be > 0 and <= 1, got 0.0 and 0.0"),
        (
            {"kind": "Middle"},
            "rule has kind 'Middle', must be one of 'FirstTouch', 'LastTouch', 'Linear', 'Position', 'TimeDecay'",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        rule_credit(PathTable.from_strings(["a > b"], conversions=1), rule=rule)
    assert str(caught.value) == f"rule_credit: {text}"


def test_a_result_whose_credit_is_not_the_total_is_refused() -> None:
    credit = rule_credit(PathTable.from_strings(["a > b"], conversions=4), rule=Linear())
    with pytest.raises(InputError) as caught:
        ChannelCredit(**{**credit.__dict__, "total_conversions": 5.0})
    assert str(caught.value) == "ChannelCredit: credit must sum to the total, got 1.0"


def shuffled_z(log: pd.DataFrame, rng: np.random.Generator, rounds: int = 80) -> Any:
    """Compare linear credit with what it is when channels are dealt anew within day and row type."""
    row = np.arange(len(log)).astype(str)
    paths = PathTable.from_touches(
        log.assign(row=row), user="user", time="time", channel="row", conversion="conversion", lookback=None
    )
    # Every row is a channel of its own here, so that codes say where each touch of a path comes from.
    place = paths.channels[paths.codes.astype(int)].astype(int)
    channel, names = pd.factorize(log["channel"], sort=True)
    block = pd.factorize(log["time"].dt.floor("D").astype(str) + log["conversion"].astype(str))[0]
    sorted_by_block = np.lexsort((np.arange(len(log)), block))

    def credit(dealt: Any) -> Any:
        fields = {name: getattr(paths, name) for name in ("offsets", "conversions", "value", "nulls", "ages")}
        table = PathTable(channels=names.tolist(), codes=dealt[place], **fields)
        return rule_credit(table, rule=Linear()).conversions

    drawn = []
    for _ in range(rounds):
        mixed = np.empty_like(channel)
        mixed[sorted_by_block] = channel[np.lexsort((rng.random(len(log)), block))]
        drawn.append(credit(mixed))
    return (credit(channel) - np.mean(drawn, axis=0)) / np.std(drawn, axis=0)


def test_on_scrambled_touches_no_channel_stands_out(shared_data: Any) -> None:
    log = pd.read_csv(shared_data("touchpoints/touchpoints.csv.gz")).rename(columns={"customer_id": "user"})
    log["time"] = pd.to_datetime(log["time"])
    z = shuffled_z(log, np.random.default_rng(5))
    assert z.size == 5
    assert np.abs(z).max() < 3.5


def test_on_touches_that_work_the_same_test_stands_out() -> None:
    drawn = simulate_touches(["a", "b", "c"], users=6000, effect=[2.0, 0.0, 0.0], rng=3)
    log = pd.DataFrame({"user": drawn.user, "channel": drawn.channel, "conversion": drawn.conversion.astype(int)})
    log["time"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(drawn.day, unit="D")
    z = shuffled_z(log, np.random.default_rng(5), rounds=40)
    assert z[0] > 5.0
    assert z[1:].max() < 0.0
