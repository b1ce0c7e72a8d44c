"""Frames that are wrong in every way, through every public function that takes one, on every engine: one clear line."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests import contract
from tests.engines.making import frame_of, on_sure_engines

from ecomops.attribution import PathTable
from ecomops.core import InputError
from ecomops.experiments import (
    CompetingDurations,
    DurationCounts,
    DurationsByArm,
    JourneyCounts,
    Moments,
    MomentsByStratum,
    ValueCounts,
    funnel,
    simulate_aa_of_rows,
)
from ecomops.pricing import fit_elasticity
from ecomops.segmentation import CustomerState, customer_summary

DAYS = [dt.datetime(2026, 1, day) for day in (1, 3, 2, 5)]  # noqa: DTZ001 - wall clock
BASE: dict[str, Any] = {
    "who": ["ann", "ann", "bob", "cy"],
    "when": pa.array(DAYS, pa.timestamp("us")),
    "paid": [1.0, 2.0, 3.0, 4.0],
    "units": [3, 2, 0, 1],
    "arm": ["x", "x", "y", "y"],
    "step": ["A", "B", "A", "A"],
    "bought": [0, 1, 0, 0],
    "kind": ["s", "s", "s", "s"],
}

Call = Callable[[Any], Any]
FUNCTIONS: dict[str, tuple[Call, dict[str, str]]] = {
    "segmentation.CustomerState.from_frame": (
        lambda frame: CustomerState.from_frame(frame, customer="who", time="when", spend="paid"),
        {"customer": "who", "time": "when", "spend": "paid"},
    ),
    "segmentation.customer_summary": (
        lambda frame: customer_summary(frame, customer="who", time="when", spend="paid"),
        {"customer": "who", "time": "when", "spend": "paid"},
    ),
    "experiments.Moments.from_frame": (
        lambda frame: Moments.from_frame(frame, by="arm", columns=("paid", "units"), unit="who"),
        {"by": "arm", "columns[0]": "paid", "columns[1]": "units", "unit": "who"},
    ),
    "experiments.Moments.from_frame without units": (
        lambda frame: Moments.from_frame(frame, by="arm", columns=("paid", "units")),
        {"by": "arm", "columns[0]": "paid", "columns[1]": "units"},
    ),
    "experiments.MomentsByStratum.from_frame": (
        lambda frame: MomentsByStratum.from_frame(
            frame, by="arm", stratum="kind", columns=("paid", "units"), unit="who"
        ),
        {"by": "arm", "stratum": "kind", "columns[0]": "paid", "columns[1]": "units", "unit": "who"},
    ),
    "experiments.MomentsByStratum.from_frame without units": (
        lambda frame: MomentsByStratum.from_frame(frame, by="arm", stratum="kind", columns=("paid", "units")),
        {"by": "arm", "stratum": "kind", "columns[0]": "paid", "columns[1]": "units"},
    ),
    "experiments.ValueCounts.from_frame": (
        lambda frame: ValueCounts.from_frame(frame, by="arm", value="paid", unit="who"),
        {"by": "arm", "value": "paid", "unit": "who"},
    ),
    "experiments.ValueCounts.from_frame without units": (
        lambda frame: ValueCounts.from_frame(frame, by="arm", value="paid"),
        {"by": "arm", "value": "paid"},
    ),
    "experiments.simulate_aa_of_rows": (
        lambda frame: simulate_aa_of_rows(frame, metric="bought", splits=20, rng=1),
        {"metric": "bought"},
    ),
    "experiments.funnel": (
        lambda frame: funnel(frame, user="who", event="step", time="when", steps=("A", "B")),
        {"user": "who", "event": "step", "time": "when"},
    ),
    "experiments.JourneyCounts.from_frame": (
        lambda frame: JourneyCounts.from_frame(frame, user="who", page="step", time="when"),
        {"user": "who", "page": "step", "time": "when"},
    ),
    "experiments.DurationCounts.from_frame": (
        lambda frame: DurationCounts.from_frame(frame, duration="paid", event="bought"),
        {"duration": "paid", "event": "bought"},
    ),
    "experiments.DurationsByArm.from_frame": (
        lambda frame: DurationsByArm.from_frame(frame, by="arm", duration="paid", event="bought"),
        {"by": "arm", "duration": "paid", "event": "bought"},
    ),
    "experiments.CompetingDurations.from_frame": (
        lambda frame: CompetingDurations.from_frame(frame, duration="paid", event="step", none="B"),
        {"duration": "paid", "event": "step"},
    ),
    "attribution.PathTable.from_touches": (
        lambda frame: PathTable.from_touches(
            frame, user="who", time="when", channel="step", conversion="bought", value="paid"
        ),
        {"user": "who", "time": "when", "channel": "step", "conversion": "bought", "value": "paid"},
    ),
    "pricing.fit_elasticity": (
        lambda frame: fit_elasticity(frame, sku="who", price="paid", units="units"),
        {"sku": "who", "price": "paid", "units": "units"},
    ),
}
FLAGGED = ("experiments.Moments", "experiments.ValueCounts", "experiments.simulate_aa_of_rows")
NUMBERS, TEXTS = ("paid", "units", "bought"), ("who", "arm", "step", "kind")

# It needs more units than this frame has; tests/experiments/adjusted/test_covariates.py shows its refusals.
ELSEWHERE = {"experiments.interacted_difference_of_rows"}

each_function = pytest.mark.parametrize("name", list(FUNCTIONS))


def test_every_function_that_takes_a_frame_is_here() -> None:
    public = {item.path for item in contract.public_functions() if contract.takes_frame(item)}
    assert {name.removesuffix(" without units") for name in FUNCTIONS} == public - ELSEWHERE


def refusal(call: Call, frame: Any) -> str:
    """Return the text of the InputError, which is the only thing that may happen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            answer = call(frame)
        except InputError as error:
            text = str(error)
    if "answer" in locals():
        message = f"a silent answer: {answer!r:.200}"
        raise AssertionError(message)
    assert "\n" not in text, text
    assert len(text) < 400, text
    return text


def expect(name: str, argument: str, frame: Any, *words: str) -> None:
    call, _ = FUNCTIONS[name]
    text = refusal(call, frame)
    title = name.split(".", 1)[1].split(" ", maxsplit=1)[0]
    # A function that calls another puts its own name in front.
    assert text.startswith(f"{title}: "), text
    assert f" {argument} " in text, text
    for word in words:
        assert word in text, text


@each_function
@on_sure_engines
def test_a_good_frame_passes(name: str, engine: str) -> None:
    call, _ = FUNCTIONS[name]
    assert call(frame_of(engine, BASE)) == call(frame_of("pandas", BASE))


def used(name: str, columns: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the arguments of a function that read one of these columns."""
    return [(argument, column) for argument, column in FUNCTIONS[name][1].items() if column in columns]


@each_function
@on_sure_engines
def test_a_missing_column_comes_with_a_hint(name: str, engine: str) -> None:
    for argument, column in FUNCTIONS[name][1].items():
        renamed = {(key if key != column else f"{key}_"): values for key, values in BASE.items()}
        expect(name, argument, frame_of(engine, renamed), f"got '{column}'", f"did you mean '{column}_'?")


@each_function
@on_sure_engines
def test_nulls_nan_and_infinities_are_refused(name: str, engine: str) -> None:
    for argument, column in FUNCTIONS[name][1].items():
        values = pa.array(BASE[column])
        gap = pa.concat_arrays([values[:1], pa.nulls(1, values.type), values[2:]])
        expect(
            name, argument, frame_of(engine, {**BASE, column: gap}), "must not be missing", "drop or fill those rows"
        )
        expect(name, argument, frame_of(engine, {**BASE, column: pa.nulls(4)}), "must")
    for argument, column in used(name, NUMBERS):
        for special in (np.nan, np.inf, -np.inf):
            values = [float(value) for value in BASE[column]]
            values[1] = special
            expect(name, argument, frame_of(engine, {**BASE, column: values}), "must")


@each_function
@on_sure_engines
def test_text_is_no_number_and_no_time(name: str, engine: str) -> None:
    for argument, column in used(name, NUMBERS):
        words = [str(value) for value in BASE[column]]
        expect(name, argument, frame_of(engine, {**BASE, column: words}), "must be", column)
        expect(name, argument, frame_of(engine, {**BASE, column: BASE["when"]}), "must be")
    for argument, column in used(name, ("when",)):
        for bad in (["2026-01-01"] * 4, [20260101] * 4, [1.5] * 4, [True] * 4, [dt.time(1)] * 4):
            expect(name, argument, frame_of(engine, {**BASE, column: bad}), "must be dates or times")


@each_function
@on_sure_engines
def test_ids_are_text_or_whole_numbers(name: str, engine: str) -> None:
    bad = {
        "lists": [["a"], ["b"], ["c"], ["d"]],
        "records": [{"a": 1}] * 4,
        "bytes": [b"a", b"b", b"c", b"d"],
        "dates": BASE["when"],
        "large": pa.array([2**64 - 1] * 4, pa.uint64()),
    }
    for argument, column in used(name, TEXTS):
        for values in bad.values():
            expect(name, argument, frame_of(engine, {**BASE, column: values}), "must be")


@each_function
@on_sure_engines
def test_booleans_are_money_nowhere(name: str, engine: str) -> None:
    flags = frame_of(engine, {**BASE, "paid": [True, True, False, True]})
    if name.startswith(FLAGGED):  # a flag is a metric: the share of units that have it
        assert FUNCTIONS[name][0](flags)
    for argument, _ in used(name, ("paid",)):
        if not name.startswith(FLAGGED):
            expect(name, argument, flags, "must be numbers")


@each_function
@on_sure_engines
def test_times_out_of_reach_are_refused(name: str, engine: str) -> None:
    for argument, column in used(name, ("when",)):
        far = pa.array([np.iinfo(np.int64).max - 1, 0, 0, 0], pa.timestamp("us"))
        expect(name, argument, frame_of(engine, {**BASE, column: far}), "must lie in the years 1 to 9999")


@each_function
@on_sure_engines
def test_frames_without_rows(name: str, engine: str) -> None:
    frame = frame_of(engine, pa.table(BASE).slice(0, 0))
    if "CustomerState" in name:  # the state of nobody: what merges with every other
        state = CustomerState.from_frame(frame, customer="who", time="when", spend="paid")
        assert state.customer.size == 0
        assert state + FUNCTIONS[name][0](frame_of(engine, BASE)) == FUNCTIONS[name][0](frame_of(engine, BASE))
    else:
        assert refusal(FUNCTIONS[name][0], frame)


@each_function
def test_repeated_column_names_are_refused(name: str) -> None:
    table = pa.table(BASE)
    repeated = pa.Table.from_arrays([*table.columns, *table.columns], names=[*BASE, *BASE])
    frame = table.to_pandas()
    for bad in (repeated, pd.concat([frame, frame], axis=1)):
        expect(name, "frame", bad, "must have a name of its own for each column", "2 times")


@each_function
def test_columns_of_mixed_objects_are_refused(name: str) -> None:
    frame = pa.table(BASE).to_pandas()
    for argument, column in FUNCTIONS[name][1].items():
        mixed = frame.astype({column: object})
        for odd in (7 if column in TEXTS else "seven", object(), [1], b"x", 1j):
            mixed.at[2, column] = odd  # noqa: PD008 - a list goes into one cell
            expect(name, argument, mixed, "must be")
    for argument, column in used(name, ("when",)):
        zones = [pd.Timestamp("2026-01-01", tz=zone) for zone in ("UTC", "Asia/Tokyo", "UTC", "UTC")]
        expect(name, argument, frame.assign(**{column: zones}), "convert it to one zone first")
        periods = pd.Series(pd.period_range("2026-01", periods=4, freq="M"))
        expect(name, argument, frame.assign(**{column: periods}), "must be dates or times")


@each_function
def test_an_odd_row_behind_many_good_ones_is_found(name: str) -> None:
    long = pd.concat([pa.table(BASE).to_pandas()] * 600, ignore_index=True)
    for argument, column in used(name, TEXTS):
        odd = long.astype({column: object})
        odd.loc[2000, column] = 7
        expect(name, argument, odd, "got int 7 in row 2000")


@each_function
def test_objects_of_one_kind_are_what_they_hold(name: str) -> None:
    call, _ = FUNCTIONS[name]
    frame = pa.table(BASE).to_pandas()
    assert call(frame.astype(object).assign(when=frame["when"])) == call(frame)
    decimals = frame.assign(paid=[Decimal(f"{value}") for value in BASE["paid"]])
    assert call(decimals) == call(frame)
    assert call(frame.assign(when=frame["when"].dt.date)) == call(frame.assign(when=frame["when"]))


WRONG: list[Any] = [
    None, 5, "orders.csv", b"x", [], {}, set(), object(), np.zeros((4, 2)), np.zeros(4, dtype=[("who", float)]),
    pd.Series([1.0], name="who"), pl.Series("who", [1.0]), pa.array([1.0]), pa.chunked_array([[1.0]]), pd.DataFrame,
    BASE, [BASE], ["x"] * 10**6, iter([1]), pa.table(BASE).schema, pd.Index([1]),
]  # fmt: skip


@each_function
@pytest.mark.parametrize("wrong", WRONG, ids=[type(wrong).__name__ for wrong in WRONG])
def test_what_is_no_frame_is_refused(name: str, wrong: Any) -> None:
    text = refusal(FUNCTIONS[name][0], wrong)
    assert "must be a data frame" in text or "orders" in text, text


@each_function
@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame(), pl.DataFrame(), pd.DataFrame(np.zeros((2, 2))), pd.DataFrame({"a": [1], 3: [2], ("b", 1): [3]})],
)
def test_frames_without_the_columns_are_refused(name: str, frame: Any) -> None:
    assert "names no column of the frame" in refusal(FUNCTIONS[name][0], frame)


@each_function
def test_what_an_engine_cannot_compute_is_one_line(name: str) -> None:
    import duckdb

    lazy = pl.from_arrow(pa.table(BASE)).lazy()
    for column in FUNCTIONS[name][1].values():
        broken = lazy.with_columns(pl.lit("x").cast(pl.Int64).alias(column))
        assert "frame cannot be read: " in refusal(FUNCTIONS[name][0], broken)
        absent = lazy.with_columns(pl.col("nowhere").alias(column))
        assert 'unable to find column "nowhere"' in refusal(FUNCTIONS[name][0], absent)
    connection = duckdb.connect()
    relation = connection.from_arrow(pa.table(BASE))
    broken_ones = ", ".join(f"error('boom') as {column}" for column in ("who", "arm", "step", "bought"))
    failing = relation.project(f"{broken_ones}, * exclude (who, arm, step, bought)")
    assert "boom" in refusal(FUNCTIONS[name][0], failing)
    connection.close()
    assert "frame cannot be read: " in refusal(FUNCTIONS[name][0], relation)


def test_the_refusal_can_fail() -> None:
    with pytest.raises(AssertionError, match="a silent answer: 5"):
        refusal(lambda _: 5, None)
    for text in ("a\nb", "x" * 400):
        with pytest.raises(AssertionError):
            refusal(_raiser(text), None)
    with pytest.raises(KeyError):
        refusal(lambda frame: {}[frame], None)


def _raiser(text: str) -> Call:
    def call(frame: Any) -> Any:
        raise InputError(text)

    return call
