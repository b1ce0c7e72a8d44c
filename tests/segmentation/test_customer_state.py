"""The keyed state: the same as a dictionary of customer and day, merged over any split, from any frame, in the shop's days."""

from __future__ import annotations

import datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.segmentation import CustomerState
from ecomops.segmentation.customer_state import day_numbers

rows = st.lists(
    st.tuples(st.sampled_from("abcdé"), st.integers(-400, 400), st.integers(-1000, 1000)), min_size=0, max_size=40
)


def state_of(orders: list[tuple[Any, int, int]]) -> CustomerState:
    who, day, spend = zip(*orders, strict=True) if orders else ((), (), ())
    return CustomerState.from_arrays(list(who), day=list(day), spend=np.array(spend, dtype=float))


def dictionary(orders: list[tuple[Any, int, int]]) -> list[tuple[Any, int, int, int]]:
    """Go through the rows one by one."""
    found: dict[tuple[Any, int], list[int]] = {}
    for who, day, spend in orders:
        entry = found.setdefault((who, day), [0, 0])
        entry[0] += 1
        entry[1] += spend
    return [(who, day, *found[who, day]) for who, day in sorted(found)]


def entries(state: CustomerState) -> list[tuple[Any, ...]]:
    return list(zip(state.customer.tolist(), state.day, state.orders, state.spend, strict=True))


@given(rows)
def test_it_is_a_dictionary_of_customer_and_day(orders: Any) -> None:
    assert entries(state_of(orders)) == dictionary(orders)


@given(rows, st.randoms())
def test_the_order_of_rows_does_not_matter(orders: Any, random: Any) -> None:
    mixed = list(orders)
    random.shuffle(mixed)
    assert state_of(mixed) == state_of(orders)


@given(rows, st.data())
def test_parts_of_any_split_add_up_to_the_whole(orders: Any, data: Any) -> None:
    places = data.draw(st.lists(st.integers(0, 2), min_size=len(orders), max_size=len(orders)))
    shards = [state_of([row for row, at in zip(orders, places, strict=True) if at == part]) for part in range(3)]
    days = [state_of([row for row in orders if row[1] % 3 == part]) for part in range(3)]
    whole = state_of(orders)
    for first, second, third in (shards, days):
        assert (first + second) + third == whole
        assert first + (second + third) == whole
        assert third + first + second == whole


@given(rows)
def test_nothing_added_changes_nothing(orders: Any) -> None:
    state = state_of(orders)
    assert state + state_of([]) == state
    assert state_of([]) + state == state
    by_number = CustomerState.from_arrays([3, 3, 9], day=[1, 2, 1])
    assert by_number + state_of([]) == by_number
    assert state_of([]) + by_number == by_number


def test_whole_numbers_as_customers_stay_numbers_and_sort_as_numbers() -> None:
    state = CustomerState.from_arrays([10, 9, 10], day=[5, 1, 2])
    assert entries(state) == [(9, 1, 1, 0), (10, 2, 1, 0), (10, 5, 1, 0)]
    assert CustomerState.model_validate_json(state.model_dump_json()) == state
    with pytest.raises(InputError) as caught:
        state + state_of([("a", 1, 1)])
    assert str(caught.value) == "CustomerState: customer must be text in both parts or whole numbers in both"


def test_states_of_different_zones_are_not_added() -> None:
    when = pd.to_datetime(["2026-03-01T20:00:00Z"])
    naive = pd.DataFrame({"who": ["a"], "when": when.tz_localize(None)})
    zoned, new_york = naive.assign(when=when), naive.assign(when=when.tz_convert("America/New_York"))

    def cut(frame: Any, timezone: str | None = None) -> CustomerState:
        return CustomerState.from_frame(frame, customer="who", time="when", timezone=timezone)

    zones = [cut(naive), cut(zoned), cut(new_york), cut(zoned, "Asia/Tokyo"), cut(naive, "Europe/Paris")]
    assert [state.timezone for state in zones] == [None, "UTC", "America/New_York", "Asia/Tokyo", "Europe/Paris"]
    for one in zones:
        for other in zones:
            if one is other:
                assert (one + other).timezone == one.timezone
                continue
            with pytest.raises(InputError) as caught:
                one + other
            assert str(caught.value) == (
                f"CustomerState: timezone must be the same to add, got {one.timezone!r} and {other.timezone!r};"
                " cut both parts into days in the shop's zone"
            )
    # The same cut is the same, whether the zone was asked for or is that of the column.
    assert cut(zoned) == cut(zoned, "UTC") == cut(new_york, "UTC")
    assert cut(pl.from_pandas(zoned)).timezone == "UTC"
    assert cut(pa.Table.from_pandas(new_york)).timezone == "America/New_York"
    by_hand = CustomerState.from_arrays(["a"], day=[MARCH + 1], timezone="Asia/Tokyo")
    assert by_hand == zones[3]
    assert CustomerState.model_validate_json(by_hand.model_dump_json()) == by_hand


def test_times_without_a_zone_are_on_the_clock_of_the_shop() -> None:
    late = pd.DataFrame({"who": ["a"], "when": pd.to_datetime(["2026-03-01 23:30"])})
    for zone in ("Asia/Tokyo", "America/New_York"):
        state = CustomerState.from_frame(late, customer="who", time="when", timezone=zone)
        assert (state.day.tolist(), state.timezone) == ([MARCH], zone)


def test_a_state_with_spend_and_one_without_are_not_added() -> None:
    priced, unpriced = (CustomerState.from_arrays(["a"], day=[1], **spend) for spend in ({"spend": [2]}, {}))
    assert (priced.priced, unpriced.priced) == (True, False)
    for one, other in ((priced, unpriced), (unpriced, priced)):
        with pytest.raises(InputError) as caught:
            one + other
        assert str(caught.value) == (
            "CustomerState: spend must be given in both parts or in neither, got it in one only"
        )
    assert (priced + priced).priced
    assert not (unpriced + unpriced).priced
    # A column of zeros is spend.
    assert CustomerState.from_arrays(["a"], day=[1], spend=0.0).priced
    assert not CustomerState.from_frame(ORDERS, customer="who", time="when").priced
    assert CustomerState.from_frame(ORDERS, customer="who", time="when", spend="paid").priced
    # A part without rows has nothing to differ in.
    empty = CustomerState.from_arrays([], day=[], timezone="Asia/Tokyo")
    for state in (priced, unpriced):
        assert empty + state == state + empty == state


def test_two_columns_of_different_rows_are_refused() -> None:
    with pytest.raises(InputError, match="two Series have different indexes"):
        CustomerState.from_arrays(
            ["a", "b"], day=pd.Series([1.0, 2.0], index=[3, 4]), spend=pd.Series([1.0, 2.0], index=[5, 6])
        )


def test_only_states_add_to_a_state() -> None:
    with pytest.raises(TypeError):
        state_of([("a", 1, 1)]) + 1  # type: ignore[operator]


def test_one_spend_is_that_of_every_order() -> None:
    state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 0, 1], spend=2.5)
    assert state.spend.tolist() == [5.0, 2.5]


ORDERS = pd.DataFrame(
    {
        "who": ["b", "a", "b", "a", "c"],
        "when": pd.to_datetime(
            ["2026-03-01 23:59:59", "2026-03-01", "2026-03-01 00:00:01", "2026-03-02", "1969-12-31 23:00"],
            format="ISO8601",
        ),
        "paid": [1.5, 2.0, -0.5, 4.0, 8.0],
    }
)
MARCH = (datetime.date(2026, 3, 1) - datetime.date(1970, 1, 1)).days
EXPECTED = [("a", MARCH, 1, 2.0), ("a", MARCH + 1, 1, 4.0), ("b", MARCH, 2, 1.0), ("c", -1, 1, 8.0)]


def frames() -> dict[str, Any]:
    polars = pl.from_pandas(ORDERS)
    connection = duckdb.connect()
    connection.register("orders", ORDERS)
    return {
        "pandas": ORDERS,
        "pandas with its own index": ORDERS.set_axis([7, 7, 3, 1, 0]),
        "polars": polars,
        "polars lazy": polars.lazy(),
        "polars dates": polars.with_columns(pl.col("when").dt.date()),
        "arrow": pa.Table.from_pandas(ORDERS),
        "duckdb": connection.table("orders"),
    }


@pytest.mark.parametrize("engine", frames())
def test_every_frame_gives_the_same_state(engine: str) -> None:
    state = CustomerState.from_frame(frames()[engine], customer="who", time="when", spend="paid")
    assert entries(state) == EXPECTED
    unpaid = CustomerState.from_frame(frames()[engine], customer="who", time="when")
    assert unpaid.orders.tolist() == state.orders.tolist()
    assert unpaid.spend.tolist() == [0.0] * 4


@pytest.mark.parametrize("lazy", [False, True])
def test_zoned_times_are_cut_into_the_days_of_the_shop(lazy: bool) -> None:
    late = pl.DataFrame({"who": [1, 1], "when": ["2026-03-01T20:00:00", "2026-03-02T01:00:00"]}).with_columns(
        pl.col("when").str.to_datetime(time_unit="us").dt.replace_time_zone("UTC")
    )
    frame: Any = late.lazy() if lazy else late.to_pandas()

    def days(zone: str | None) -> list[float]:
        state = CustomerState.from_frame(frame, customer="who", time="when", timezone=zone)
        return (state.day - MARCH).tolist()

    assert days(None) == [0, 1]
    assert days("Asia/Shanghai") == [1]
    assert days("America/New_York") == [0]


def test_days_before_1970_are_cut_downwards() -> None:
    times = np.array(["1969-12-31T23:59:59.999999", "1970-01-01T00:00", "1900-03-01T12:00"], dtype="datetime64[us]")
    expected = [(datetime.date(*day) - datetime.date(1970, 1, 1)).days for day in ((1969, 12, 31), (1970, 1, 1), (1900, 3, 1))]  # fmt: skip
    assert day_numbers(times).tolist() == expected


@pytest.mark.parametrize("rows_of", [lambda frame: frame, pl.from_pandas], ids=["pandas", "polars"])
def test_no_rows_give_an_empty_state(rows_of: Any) -> None:
    state = CustomerState.from_frame(rows_of(ORDERS.iloc[:0]), customer="who", time="when", spend="paid")
    assert entries(state) == []
    assert state + state_of([("a", 1, 1)]) == state_of([("a", 1, 1)])


def test_wrong_columns_are_named() -> None:
    frame = ORDERS.assign(text="x", flag=True, share=0.5, gap=[1.0, None, 1, 1, 1])
    for column, text in (
        ("text", "spend must be numbers, got text in column 'text'"),
        ("flag", "spend must be numbers, got true or false in column 'flag'"),
        ("gap", "spend must not be missing, got 1 missing value(s), the first in row 1; drop or fill those rows"),
    ):
        with pytest.raises(InputError) as caught:
            CustomerState.from_frame(frame, customer="who", time="when", spend=column)
        assert str(caught.value) == f"CustomerState.from_frame: {text}"
    for column in ("share", "flag"):
        kind = {"share": "float64", "flag": "bool"}[column]
        with pytest.raises(InputError) as caught:
            CustomerState.from_frame(frame, customer=column, time="when")
        assert str(caught.value) == (
            f"CustomerState.from_frame: customer must be text or whole numbers, got column '{column}' of {kind}"
        )


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"customer": ["a"], "day": [1, 2]}, "from_arrays: day must have one value a customer, got shape (2,) for 1"),
        (
            {"customer": ["a"], "day": [1], "spend": [1, 2]},
            "from_arrays: spend must have one value a customer, got shape (2,) for 1",
        ),
        (
            {"customer": ["a"] * 3, "day": [1] * 3, "spend": [[1], [2], [3]]},
            "from_arrays: spend must have one value a customer, got shape (3, 1) for 3",
        ),
        (
            {"customer": ["a", "b"], "day": [1, 1.5]},
            "from_arrays: day must be whole numbers of at most 2**53, got 1.5 at index 1",
        ),
        (
            {"customer": list(range(3000)), "day": [2**53, 0] * 1500},
            "from_arrays: day must be whole days, got a span of 9007199254740993 for 3000 customers; is it seconds?",
        ),
    ],
)
def test_wrong_arrays_are_named(columns: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        CustomerState.from_arrays(**columns)
    assert str(caught.value) == f"CustomerState.{text}"


@pytest.mark.parametrize(
    ("customer", "day", "text"),
    [
        (["b", "a"], [1, 2], "customer must be sorted; use from_arrays for raw rows"),
        (["a", "a"], [2, 1], "day must go up within a customer; use from_arrays for raw rows"),
        (["a", "a"], [1, 1], "day must go up within a customer; use from_arrays for raw rows"),
        (["a"], [1, 1], "customer, day, orders and spend must be equally long, got lengths [1, 2]"),
    ],
)
def test_a_state_made_by_hand_must_be_sorted(customer: Any, day: Any, text: str) -> None:
    size = [1.0] * len(day)
    with pytest.raises(InputError) as caught:
        CustomerState(customer=customer, day=day, orders=size, spend=size)
    assert str(caught.value) == f"CustomerState: {text}"


def test_a_real_shop_groups_as_pandas_groups(shared_data: Any) -> None:
    lines = pd.read_csv(
        shared_data("online_retail/online_retail.csv.gz"),
        usecols=["InvoiceDate", "CustomerID", "Quantity", "UnitPrice"],
        parse_dates=["InvoiceDate"],
    ).dropna()
    lines = lines.assign(who=lines["CustomerID"].astype(int), paid=lines["Quantity"] * lines["UnitPrice"])
    state = CustomerState.from_frame(lines, customer="who", time="InvoiceDate", spend="paid")
    grouped = lines.groupby(["who", lines["InvoiceDate"].dt.normalize()])["paid"].agg(["size", "sum"])
    assert state.customer.tolist() == grouped.index.get_level_values(0).tolist()
    days = (grouped.index.get_level_values(1) - pd.Timestamp("1970-01-01")).days
    assert state.day.tolist() == days.tolist()
    assert state.orders.tolist() == grouped["size"].tolist()
    np.testing.assert_allclose(state.spend, grouped["sum"], rtol=1e-9, atol=1e-9)
    assert np.unique(state.customer).size == 4372
    months = lines["InvoiceDate"].dt.month
    parts = [CustomerState.from_frame(part, customer="who", time="InvoiceDate", spend="paid") for _, part in lines.groupby(months)]  # fmt: skip
    joined = parts[0]
    for part in parts[1:]:
        joined = joined + part
    assert joined.customer.tolist() == state.customer.tolist()
    assert joined.orders.tolist() == state.orders.tolist()
    np.testing.assert_allclose(joined.spend, state.spend, rtol=1e-9, atol=1e-9)
