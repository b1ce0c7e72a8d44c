"""The same numbers on every engine, beside an oracle of plain Python loops and exact fractions."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.engines.making import close, frame_of, on_each_engine

from ecomops.attribution import PathTable
from ecomops.core import InputError
from ecomops.experiments import Moments, MomentsByArm, funnel
from ecomops.segmentation import CustomerState, customer_summary, retention_table

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - wall clock
TOKYO = dt.timedelta(hours=9)


def orders(size: int = 400, seed: int = 5) -> dict[str, list[Any]]:
    """Return orders in no order: cents as whole numbers, times to the microsecond."""
    rng = np.random.default_rng(seed)
    seconds = rng.integers(0, 60 * 86_400, size) + 1_767_225_600
    return {
        "who": [int(number) for number in rng.integers(0, 50, size)],
        "when": [EPOCH + dt.timedelta(seconds=int(s), microseconds=int(s) % 999_983) for s in seconds],
        "cents": [int(number) for number in rng.integers(-500, 10_000, size)],
    }


def oracle(who: list[Any], days: list[int], spend: list[Any]) -> dict[tuple[Any, int], tuple[int, Any]]:
    """Return rows and spend per customer and day."""
    found: dict[tuple[Any, int], tuple[int, Any]] = defaultdict(lambda: (0, 0))
    for key, day, money in zip(who, days, spend, strict=True):
        count, total = found[key, day]
        found[key, day] = (count + 1, total + money)
    return dict(sorted(found.items()))


def day_of(time: dt.datetime, shift: dt.timedelta = dt.timedelta(0)) -> int:
    return (time + shift - EPOCH).days


def entries(state: CustomerState) -> dict[tuple[Any, int], tuple[int, float]]:
    keys = zip(state.customer.tolist(), state.day.astype(int).tolist(), strict=True)
    return dict(zip(keys, zip(state.orders.astype(int).tolist(), state.spend.tolist(), strict=True), strict=True))


IDS = {
    "whole numbers": lambda ids: pa.array(ids, pa.int32()),
    "unsigned": lambda ids: pa.array(ids, pa.uint64()),
    "text": lambda ids: pa.array([f"customer {number}" for number in ids]),
    "categories": lambda ids: pa.array([f"customer {number}" for number in ids]).dictionary_encode(),
}


@on_each_engine
@pytest.mark.parametrize("kind", list(IDS))
def test_states_equal_the_loop_for_every_kind_of_id(engine: str, kind: str) -> None:
    rows = orders()
    ids = IDS[kind](rows["who"])
    frame = frame_of(engine, {"who": ids, "when": rows["when"], "cents": rows["cents"]})
    state = CustomerState.from_frame(frame, customer="who", time="when", spend="cents")
    expected = oracle(ids.to_pylist(), [day_of(time) for time in rows["when"]], rows["cents"])
    # Whole numbers of cents are exact on every engine.
    assert entries(state) == expected
    assert list(entries(state)) == list(expected)


TIMES = {
    "dates": (pa.date32(), dt.timedelta(0)),
    "seconds": (pa.timestamp("s"), dt.timedelta(0)),
    "milliseconds": (pa.timestamp("ms"), dt.timedelta(0)),
    "microseconds": (pa.timestamp("us"), dt.timedelta(0)),
    "nanoseconds": (pa.timestamp("ns"), dt.timedelta(0)),
    "zoned": (pa.timestamp("us", "Asia/Tokyo"), TOKYO),
    "zoned nanoseconds": (pa.timestamp("ns", "Asia/Tokyo"), TOKYO),
}


@on_each_engine
@pytest.mark.parametrize("kind", list(TIMES))
def test_days_are_the_same_for_every_kind_of_time(engine: str, kind: str) -> None:
    rows = orders()
    wanted, shift = TIMES[kind]
    if engine in {"duckdb", "ibis", "pyspark"} and shift:
        pytest.skip("the zone is that of the session there; the next test shows it")
    # Wall clock to an instant of UTC, and from there to the unit and zone that are wanted.
    times = pa.array(rows["when"], pa.timestamp("us")).cast(wanted, safe=False)
    frame = frame_of(engine, {"who": rows["who"], "when": times, "cents": rows["cents"]})
    state = CustomerState.from_frame(frame, customer="who", time="when", spend="cents")
    assert entries(state) == oracle(rows["who"], [day_of(time, shift) for time in rows["when"]], rows["cents"])


@pytest.mark.parametrize("engine", ["pandas", "pandas on pyarrow", "polars", "polars lazy", "pyarrow"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("own", ["Europe/Paris", "America/Port-au-Prince", "America/Los_Angeles"])
def test_the_shop_chooses_the_zone_of_its_days(engine: str, zone: str, own: str) -> None:
    from zoneinfo import ZoneInfo

    # Both nights of the clock change of New York in 2026, and the quarter hour of Nepal.
    instants = [
        dt.datetime(2026, month, day, hour, 30, tzinfo=dt.UTC) for month, day in ((3, 8), (11, 1)) for hour in range(24)
    ]

    def days_in(name: str) -> list[int]:
        return [(time.astimezone(ZoneInfo(name)).replace(tzinfo=None) - EPOCH).days for time in instants]

    frame = frame_of(engine, {"who": list(range(48)), "when": pa.array(instants, pa.timestamp("us", own))})
    state = CustomerState.from_frame(frame, customer="who", time="when", timezone=zone)
    assert state.day.tolist() == days_in(zone)
    assert CustomerState.from_frame(frame, customer="who", time="when").day.tolist() == days_in(own)


def test_duckdb_cuts_days_in_the_zone_of_its_connection() -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    rows = connection.sql("select 1 as who, timestamptz '2026-01-01 20:00:00+00' as \"when\"")
    assert CustomerState.from_frame(rows, customer="who", time="when").day.tolist() == [20455.0]
    assert CustomerState.from_frame(rows, customer="who", time="when", timezone="Asia/Tokyo").day.tolist() == [20455.0]


@on_each_engine
def test_summaries_and_retention_agree_with_those_of_arrays(engine: str) -> None:
    rows = orders()
    days = [day_of(time) for time in rows["when"]]
    by_hand = CustomerState.from_arrays(rows["who"], day=days, spend=rows["cents"])
    frame = frame_of(engine, rows)
    summary = customer_summary(frame, customer="who", time="when", spend="cents", end="2026-02-10", unit="day")
    assert summary == customer_summary(by_hand, end="2026-02-10", unit="day")
    state = CustomerState.from_frame(frame, customer="who", time="when", spend="cents")
    assert state == by_hand
    assert retention_table(state, ages=(1, 7, 30), cohort_days=7) == retention_table(
        by_hand, ages=(1, 7, 30), cohort_days=7
    )


@on_each_engine
def test_float_spend_agrees_to_twelve_digits(engine: str) -> None:
    rows = orders()
    money = [cents / 100 for cents in rows["cents"]]
    state = CustomerState.from_frame(
        frame_of(engine, {**rows, "money": money}), customer="who", time="when", spend="money"
    )
    exact = oracle(rows["who"], [day_of(time) for time in rows["when"]], [Fraction(value) for value in money])
    assert [count for count, _ in entries(state).values()] == [count for count, _ in exact.values()]
    assert close(state.spend.tolist(), [float(total) for _, total in exact.values()], scale=1e4)


@on_each_engine
@pytest.mark.parametrize(
    ("kind", "top"),
    [
        (pa.int8(), 127),
        (pa.int32(), 2**31 - 1),
        (pa.uint32(), 2**32 - 1),
        (pa.float32(), 16_777_215),
        (pa.decimal128(12, 2), Decimal("16777215.25")),
    ],
)
def test_narrow_numbers_do_not_overflow_and_decimals_count(engine: str, kind: pa.DataType, top: Any) -> None:
    frame = frame_of(engine, {"who": [1] * 9, "when": [EPOCH] * 9, "paid": pa.array([top] * 9, kind)})
    state = CustomerState.from_frame(frame, customer="who", time="when", spend="paid")
    assert state.spend.tolist() == [9.0 * float(top)]
    moments = Moments.from_frame(frame, by="who", columns=("paid",))[1]
    assert (moments.mean("paid"), moments.variance("paid")) == (float(top), 0.0)


def exact_moments(rows: list[tuple[float, ...]]) -> tuple[list[float], list[list[float]]]:
    """Return means and co-moments of rows, in fractions."""
    columns = [[Fraction(value) for value in column] for column in zip(*rows, strict=True)]
    means = [sum(column) / len(column) for column in columns]
    gaps = [[value - mean for value in column] for column, mean in zip(columns, means, strict=True)]
    products = [[float(sum(a * b for a, b in zip(one, two, strict=True))) for two in gaps] for one in gaps]
    return [float(mean) for mean in means], products


def experiment(size: int = 300, seed: int = 3) -> dict[str, list[Any]]:
    """Return units of three arms whose means lie far apart: what one common centre would lose."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 3, size)
    spend = rng.gamma(2.0, 20.0, size) + 1e7 * arm
    return {
        "unit": list(range(size)),
        "arm": [("control", "b", "c")[code] for code in arm],
        "spend": spend.tolist(),
        "visits": [int(number) for number in rng.poisson(3.0, size)],
        "bought": [bool(flag) for flag in rng.random(size) < 0.3],
    }


def check_moments(found: MomentsByArm, rows: dict[str, list[Any]], columns: tuple[str, ...]) -> None:
    arms = sorted(set(rows["arm"]))
    assert found.arms.tolist() == arms
    for arm in arms:
        values = [
            tuple(float(rows[column][row]) for column in columns)
            for row in range(len(rows["arm"]))
            if rows["arm"][row] == arm
        ]
        means, products = exact_moments(values)
        part = found[arm]
        assert part.n == len(values)
        assert close(part.means.tolist(), means)
        for i in range(len(columns)):
            scale = [math.sqrt(products[i][i] * products[j][j]) for j in range(len(columns))]
            # A centred product carries the rounding of a value that is 1e7 times its spread.
            for j in range(len(columns)):
                assert math.isclose(part.comoments[i, j], products[i][j], rel_tol=1e-12, abs_tol=1e-11 * scale[j])


@on_each_engine
def test_moments_equal_exact_fractions_where_the_arms_lie_far_apart(engine: str) -> None:
    rows, columns = experiment(), ("spend", "visits", "bought")
    found = Moments.from_frame(frame_of(engine, rows), by="arm", columns=columns)
    check_moments(found, rows, columns)


@on_each_engine
def test_rows_are_summed_to_units_first(engine: str) -> None:
    rows, columns = experiment(), ("spend", "visits", "bought")
    # Each unit in two rows, halves that are exact in binary, and the rows out of order.
    order = np.random.default_rng(0).permutation(600)
    twice = {name: [(values * 2)[place] for place in order] for name, values in rows.items()}
    twice["spend"] = [value / 2 for value in twice["spend"]]
    totals = {**rows, "visits": [2 * v for v in rows["visits"]], "bought": [2 * v for v in rows["bought"]]}
    found = Moments.from_frame(frame_of(engine, twice), by="arm", columns=columns, unit="unit")
    check_moments(found, totals, columns)


@on_each_engine
@pytest.mark.parametrize("kind", ["int64", "bool", "categories"])
def test_arms_may_be_numbers_flags_or_categories(engine: str, kind: str) -> None:
    arms = {"int64": pa.array([4, 2, 4]), "bool": pa.array([True, False, True])}.get(
        kind, pa.array(["x", "w", "x"]).dictionary_encode()
    )
    found = Moments.from_frame(frame_of(engine, {"arm": arms, "x": [1.0, 5.0, 3.0]}), by="arm", columns=("x",))
    names = {"int64": [2, 4], "bool": [0, 1]}.get(kind, ["w", "x"])
    assert found.arms.tolist() == names
    assert (found[names[1]].n, found[names[1]].variance("x"), found[names[0]].mean("x")) == (2.0, 2.0, 5.0)


def events(size: int = 500, seed: int = 1) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    instants = rng.permutation(10 * size)[:size]  # no two events at one instant
    return {
        "who": [int(number) for number in rng.integers(0, 60, size)],
        "event": [("view", "cart", "buy", "other")[code] for code in rng.integers(0, 4, size)],
        "when": [EPOCH + dt.timedelta(minutes=int(minute)) for minute in instants],
    }


@on_each_engine
def test_funnels_and_paths_agree(engine: str) -> None:
    rows = events()
    rows["bought"] = [int(event == "buy") for event in rows["event"]]
    steps = ("view", "cart", "buy")

    def both(frame: Any) -> tuple[Any, PathTable]:
        return (
            funnel(frame, user="who", event="event", time="when", steps=steps),
            PathTable.from_touches(frame, user="who", time="when", channel="event", conversion="bought"),
        )

    assert both(frame_of(engine, rows)) == both(frame_of("pandas", rows))
    assert both(frame_of(engine, rows))[0].users.tolist() == [float(count) for count in walked(rows, steps)]


def walked(rows: dict[str, list[Any]], steps: tuple[str, ...]) -> list[int]:
    """Walk each user's events in order, taking the next step whenever it comes."""
    levels: dict[int, int] = defaultdict(int)
    for _, who, event in sorted(zip(rows["when"], rows["who"], rows["event"], strict=True)):
        if levels[who] < len(steps) and event == steps[levels[who]]:
            levels[who] += 1
    return [sum(level >= step for level in levels.values()) for step in range(1, len(steps) + 1)]


def test_duckdb_says_how_to_set_another_zone() -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    rows = connection.sql("select 1 as who, timestamptz '2026-01-01 20:00:00+00' as \"when\"")
    with pytest.raises(InputError) as caught:
        CustomerState.from_frame(rows, customer="who", time="when", timezone="Europe/Paris")
    assert str(caught.value) == (
        "CustomerState.from_frame: timezone must be that of the connection on DuckDB, got 'Europe/Paris',"
        " the connection has 'Asia/Tokyo'; run SET TimeZone = 'Europe/Paris' on it first"
    )
