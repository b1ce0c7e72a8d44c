"""The customer summary: the same as going through each customer's days, under every policy, and equal to published tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.segmentation.individual import summary as by_hand

from ecomops.core import InputError
from ecomops.segmentation import CustomerState, CustomerSummary, customer_summary

DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
orders_of = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.integers(-5, 20)), min_size=1, max_size=40
)


def state_of(orders: Any) -> CustomerState:
    who, day, spend = zip(*orders, strict=True)
    return CustomerState.from_arrays(list(who), day=list(day), spend=np.array(spend, dtype=float))


def brute_force(orders: Any, end: int, policy: str) -> dict[str, tuple[float, ...]]:
    """Frequency, days to the last and to the end, mean spend, orders and spend of each customer, by lists."""
    spent: dict[str, dict[int, list[int]]] = {}
    for who, day, paid in orders:
        spent.setdefault(who, {}).setdefault(day, []).append(paid)
    found = {}
    for who, days in spent.items():
        kept = sorted(day for day in days if day <= end and (policy == "count" or sum(days[day]) > 0))
        if kept:
            paying = [sum(days[day]) for day in kept[1:] if sum(days[day]) > 0]
            found[who] = (
                len(kept) - 1,
                kept[-1] - kept[0],
                end - kept[0],
                sum(paying) / len(paying) if paying else 0.0,
                len(paying),
                sum(len(days[day]) for day in kept),
                sum(sum(days[day]) for day in kept),
            )
    return found


@given(orders_of, st.integers(0, 40), st.sampled_from(["count", "drop"]), st.sampled_from(list(DAYS)))
def test_each_customer_is_what_their_days_say(orders: Any, end: int, policy: Any, unit: Any) -> None:
    state = state_of(orders)
    expected = brute_force(orders, end, policy)
    if not expected:
        with pytest.raises(InputError, match="no rows up to end"):
            customer_summary(state, end=end, nonpositive=policy)
        return
    found = customer_summary(state, end=end, unit=unit, nonpositive=policy)
    assert found.customer.tolist() == sorted(expected)
    x, last, age, mean, paying, rows, spend = np.array([expected[who] for who in sorted(expected)], dtype=float).T
    assert found.frequency.tolist() == x.tolist()
    np.testing.assert_allclose(found.age_at_last_purchase, last / DAYS[unit], rtol=1e-12)
    np.testing.assert_allclose(found.age, age / DAYS[unit], rtol=1e-12)
    np.testing.assert_allclose(found.mean_spend, mean, rtol=1e-12)
    assert found.paying_frequency.tolist() == paying.tolist()
    assert found.orders.tolist() == rows.tolist()
    assert found.spend.tolist() == spend.tolist()
    np.testing.assert_allclose(found.days_since_last_purchase, age - last, atol=1e-9)
    assert (found.unit, found.end) == (unit, float(end))


@given(orders_of, st.randoms())
def test_the_order_of_rows_does_not_matter(orders: Any, random: Any) -> None:
    mixed = list(orders)
    random.shuffle(mixed)
    assert customer_summary(state_of(mixed)) == customer_summary(state_of(orders))


@given(orders_of, st.integers(-20_000, 20_000))
def test_only_the_end_knows_the_calendar(orders: Any, shift: int) -> None:
    moved = [(who, day + shift, spend) for who, day, spend in orders]
    here, there = customer_summary(state_of(orders), end=35), customer_summary(state_of(moved), end=35 + shift)
    assert there.end == here.end + shift
    for name in ("frequency", "age_at_last_purchase", "age", "mean_spend", "orders", "spend", "paying_frequency"):
        assert getattr(there, name).tolist() == getattr(here, name).tolist()


@given(orders_of, st.integers(0, 30))
def test_purchases_after_the_end_are_as_if_they_were_not(orders: Any, end: int) -> None:
    before = [row for row in orders if row[1] <= end]
    if before:
        assert customer_summary(state_of(orders), end=end) == customer_summary(state_of(before), end=end)


def test_the_last_day_is_the_end_unless_one_is_given() -> None:
    state = state_of([("a", 0, 1), ("b", 21, 1)])
    assert customer_summary(state).age.tolist() == [3.0, 0.0]
    assert customer_summary(state, end=28).age.tolist() == [4.0, 1.0]
    assert customer_summary(state, end="1970-01-29") == customer_summary(state, end=28)


FRAME = pd.DataFrame(
    {
        "who": ["a", "a", "a", "b", "b"],
        "when": pd.to_datetime(["2026-01-01", "2026-01-08", "2026-01-15", "2026-01-01", "2026-01-10"]),
        "paid": [0.0, 30.0, -5.0, 10.0, 20.0],
    }
)


def shaped(policy: Any, end: Any = "2026-01-15", spend: str | None = "paid") -> Any:
    return customer_summary(FRAME, customer="who", time="when", spend=spend, end=end, nonpositive=policy, unit="day")


def test_a_day_without_money_counts_but_has_no_part_in_the_mean() -> None:
    found = shaped("count")
    assert found.frequency.tolist() == [2, 1]
    assert found.mean_spend.tolist() == [30, 20]
    assert found.spend.tolist() == [25, 30]


def test_a_free_repeat_day_is_a_purchase_that_does_not_pay() -> None:
    """Exactly 0 is not positive: counted, it has no part in the mean; dropped, it is no purchase; refused, an error."""
    state = CustomerState.from_arrays(["a"] * 4, day=[0, 1, 2, 3], spend=[5.0, 0.0, 8.0, 0.0])
    counted = customer_summary(state, end=9, unit="day")
    assert (counted.frequency.tolist(), counted.paying_frequency.tolist()) == ([3], [1])
    assert (counted.mean_spend.tolist(), counted.age_at_last_purchase.tolist()) == ([8], [3])
    dropped = customer_summary(state, end=9, unit="day", nonpositive="drop")
    assert (dropped.frequency.tolist(), dropped.paying_frequency.tolist()) == ([1], [1])
    assert (dropped.mean_spend.tolist(), dropped.age_at_last_purchase.tolist()) == ([8], [2])
    with pytest.raises(InputError, match=r"spend of a day must be > 0, got 0\.0 for customer 'a'"):
        customer_summary(state, nonpositive="refuse")


def test_spend_that_is_all_free_is_spend_nevertheless() -> None:
    """A frame with a column of zeros and the state made of it say the same."""
    free = FRAME.assign(paid=0.0)
    columns = {"customer": "who", "time": "when", "spend": "paid"}
    for orders in (free, CustomerState.from_frame(free, **columns)):
        named = {} if isinstance(orders, CustomerState) else columns
        assert customer_summary(orders, **named).paying_frequency.tolist() == [0, 0]
        with pytest.raises(InputError, match="no rows up to end"):
            customer_summary(orders, **named, nonpositive="drop")


def test_by_hand_every_repeat_day_pays_unless_said_otherwise() -> None:
    rows = [(0, 0.0, 9.0), (3, 2.0, 9.0)]
    assert by_hand(rows).paying_frequency.tolist() == [0, 3]
    assert by_hand(rows, paying_frequency=None).paying_frequency.tolist() == [0, 3]
    some = by_hand(rows, paying_frequency=[0.0, 1.0])
    assert some.paying_frequency.tolist() == [0, 1]
    assert CustomerSummary.model_validate_json(some.model_dump_json()) == some
    stored = by_hand(rows).model_dump()
    del stored["paying_frequency"]
    assert CustomerSummary(**stored) == by_hand(rows)


def test_a_dropped_first_day_makes_the_next_one_the_first() -> None:
    found = shaped("drop")
    assert found.frequency.tolist() == [0, 1]
    assert found.age.tolist() == [7, 14]
    assert found.mean_spend.tolist() == [0, 20]
    assert found.orders.tolist() == [1, 2]


def test_refused_money_names_the_customer() -> None:
    with pytest.raises(InputError) as caught:
        shaped("refuse")
    assert str(caught.value) == (
        "customer_summary: spend of a day must be > 0, got 0.0 for customer 'a'; use nonpositive='count' or 'drop'"
    )


def test_a_refund_after_the_end_is_not_refused() -> None:
    later = FRAME.iloc[[1, 2, 3, 4]]
    columns = {"customer": "who", "time": "when", "spend": "paid", "nonpositive": "refuse"}
    assert customer_summary(later, end="2026-01-10", **columns).frequency.tolist() == [0, 1]
    with pytest.raises(InputError, match=r"got -5\.0 for customer 'a'"):
        customer_summary(later, end="2026-01-15", **columns)


def test_policies_need_money_to_judge() -> None:
    for policy in ("drop", "refuse"):
        assert shaped(policy, spend=None) == shaped("count", spend=None)
    unpaid = CustomerState.from_arrays(["a", "a"], day=[0, 9])
    assert customer_summary(unpaid, nonpositive="drop").frequency.tolist() == [1]


def test_nothing_left_to_summarise_is_said() -> None:
    lost = FRAME.assign(paid=-1.0)
    with pytest.raises(InputError) as caught:
        customer_summary(lost, customer="who", time="when", spend="paid", nonpositive="drop")
    assert str(caught.value) == "customer_summary: orders has no rows up to end; nothing to summarise"
    with pytest.raises(InputError) as caught:
        customer_summary(CustomerState.from_arrays([], day=[]))
    assert str(caught.value) == "customer_summary: orders has no rows; nothing to summarise"


def test_a_frame_needs_its_columns_named() -> None:
    for columns in ({}, {"customer": "who"}, {"time": "when"}):
        with pytest.raises(InputError) as caught:
            customer_summary(FRAME, **columns)
        assert str(caught.value) == "customer_summary: customer and time must name columns of the frame"


def test_the_zone_of_the_shop_decides_which_purchases_are_one() -> None:
    when = pd.to_datetime(["2026-03-01T15:00:00Z", "2026-03-01T17:00:00Z"])
    frame = pd.DataFrame({"who": ["a", "a"], "when": when})
    here = customer_summary(frame, customer="who", time="when", timezone="UTC")
    there = customer_summary(frame, customer="who", time="when", timezone="Asia/Shanghai")
    assert (here.frequency.tolist(), there.frequency.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    ("rows", "columns", "text"),
    [
        ([(1, 5.0, 4.0)], {}, "age_at_last_purchase must be <= age, got 5.0 and 4.0 at index 0"),
        (
            [(1, 2.0, 4.0), (0, 2.0, 4.0)],
            {},
            "age_at_last_purchase must be 0 where frequency is 0, got 2.0 at index 1",
        ),
        ([(1, 2.0, 4.0)] * 3, {"orders": [1.0]}, "columns must be equally long, got lengths [1, 3]"),
        (
            [(1, 2.0, 4.0)],
            {"paying_frequency": [2.0]},
            "paying_frequency must be <= frequency, got 2.0 and 1.0 at index 0",
        ),
    ],
)
def test_a_summary_made_by_hand_must_make_sense(rows: Any, columns: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        by_hand(rows, **columns)
    assert str(caught.value) == f"CustomerSummary: {text}"


def cdnow(shared_data: Any, file: str) -> pd.DataFrame:
    orders = pd.read_csv(shared_data(f"cdnow/{file}"), dtype={"id": str, "date": str})
    return orders.assign(date=pd.to_datetime(orders["date"]))


def test_cdnow_is_the_published_table_row_by_row(shared_data: Any) -> None:
    table = pd.read_csv(shared_data("cdnow/cdnow_sample_cbs.csv"))
    orders = cdnow(shared_data, "cdnow_sample.csv.gz")
    found = customer_summary(orders, customer="id", time="date", spend="spend", end="1997-09-30", unit="week")
    assert found.frequency.tolist() == table["x"].tolist()
    np.testing.assert_allclose(found.age_at_last_purchase, table["t_x"], rtol=1e-12)
    np.testing.assert_allclose(found.age, table["T_cal"], rtol=1e-12)
    np.testing.assert_allclose(found.mean_spend, table["m_x"], rtol=1e-9)
    whole = customer_summary(orders, customer="id", time="date", end="1998-06-30")
    assert (whole.frequency - found.frequency).tolist() == table["x_star"].tolist()


def test_cdnow_master_is_what_pandas_makes_of_it(shared_data: Any) -> None:
    orders = cdnow(shared_data, "cdnow_master.csv.gz")
    found = customer_summary(orders, customer="id", time="date", spend="spend", unit="day")
    days = orders.groupby(["id", "date"])["spend"].sum().reset_index()
    by = days.groupby("id")["date"]
    assert found.customer.tolist() == sorted(orders["id"].unique())
    assert found.frequency.tolist() == (by.size() - 1).tolist()
    assert found.age_at_last_purchase.tolist() == (by.max() - by.min()).dt.days.tolist()
    assert found.age.tolist() == (days["date"].max() - by.min()).dt.days.tolist()
    repeat = days[(days["date"] > days["id"].map(by.min())) & (days["spend"] > 0)]
    mean = repeat.groupby("id")["spend"].mean().reindex(found.customer).fillna(0.0)
    np.testing.assert_allclose(found.mean_spend, mean, rtol=1e-9)
    assert found.spend.sum() == pytest.approx(2_500_315.63, abs=1e-3)
    assert found.orders.sum() == 69_659
