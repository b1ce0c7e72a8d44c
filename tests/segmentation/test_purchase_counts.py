"""Counted customers: the same as writing them out, adding up over disjoint customers only."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.segmentation.individual import counts, summary

from ecomops.core import InputError
from ecomops.segmentation import CustomerState, PurchaseCounts, SpendCounts, customer_summary

UNITS = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
purchases = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=60)


def summarised(rows: Any, unit: Any, end: int = 25) -> Any:
    who, day = zip(*rows, strict=True)
    return customer_summary(CustomerState.from_arrays(list(who), day=list(day)), unit=unit, end=end)


def triples(found: PurchaseCounts, unit: str) -> list[tuple[int, ...]]:
    """Frequency, days to the last purchase, days of age, customers."""
    days = UNITS[unit]
    columns = (found.frequency, found.age_at_last_purchase * days, found.age * days, found.customers)
    return list(zip(*(np.rint(column).astype(int).tolist() for column in columns), strict=True))


@given(purchases, st.sampled_from(list(UNITS)))
def test_customers_are_counted_by_what_they_share(rows: Any, unit: Any) -> None:
    per: dict[int, set[int]] = {}
    for who, day in rows:
        per.setdefault(who, set()).add(day)
    expected = Counter((len(days) - 1, max(days) - min(days), 25 - min(days)) for days in per.values())
    found = PurchaseCounts.from_summary(summarised(rows, unit))
    assert triples(found, unit) == [(*key, expected[key]) for key in sorted(expected)]
    assert (found.unit, found.end) == (unit, 25.0)


@given(purchases, st.sampled_from(list(UNITS)), st.data())
def test_disjoint_customers_add_up_to_all(rows: Any, unit: Any, data: Any) -> None:
    parts = data.draw(st.lists(st.integers(0, 2), min_size=31, max_size=31))
    found = [
        PurchaseCounts.from_summary(summarised(some, unit))
        for part in range(3)
        if (some := [row for row in rows if parts[row[0]] == part])
    ]
    total = found[0]
    for part in found[1:]:
        total = total + part
    assert total == PurchaseCounts.from_summary(summarised(rows, unit))
    backwards = found[-1]
    for part in found[-2::-1]:
        backwards = part + backwards
    assert backwards == total


def test_counts_of_other_ends_or_units_are_refused() -> None:
    rows = [(1, 0), (1, 4)]
    here = PurchaseCounts.from_summary(summarised(rows, "week"))
    for other in (summarised(rows, "day"), summarised(rows, "week", end=26)):
        with pytest.raises(InputError) as caught:
            here + PurchaseCounts.from_summary(other)
        assert str(caught.value) == (
            f"PurchaseCounts: unit and end must be the same to add, got week, 25.0 and {other.unit}, {other.end}"
        )
    with pytest.raises(TypeError):
        here + 1  # type: ignore[operator]


@given(st.lists(st.sampled_from([(0, 0.0), (3, 2.0), (3, 5.0), (9, 5.0)]), min_size=1, max_size=9))
def test_numbers_too_large_for_one_key_are_counted_all_the_same(rows: Any) -> None:
    """Ages of billions of days, which can only be a mistake of units, must not run into each other."""
    far = 3e9
    found = PurchaseCounts.from_summary(summary([(x, last * far, 9 * far) for x, last in rows], unit="day"))
    near = PurchaseCounts.from_summary(summary([(x, last, 9.0) for x, last in rows], unit="day"))
    assert found.frequency.tolist() == near.frequency.tolist()
    assert found.age_at_last_purchase.tolist() == (near.age_at_last_purchase * far).tolist()
    assert found.customers.tolist() == near.customers.tolist()
    assert found.age.tolist() == [9 * far] * found.age.size


def test_nobody_is_counted_as_nobody() -> None:
    found = PurchaseCounts.from_summary(summary([]))
    assert found.customers.size == 0
    some = PurchaseCounts.from_summary(summary([(1, 2.0, 4.0)]))
    assert found + some == some


@pytest.mark.parametrize(
    ("rows", "customers", "text"),
    [
        ([(1, 2.0, 4.0), (2, 5.0, 4.0)], None, "age_at_last_purchase must be <= age, got 5.0 and 4.0 at index 1"),
        ([(0, 2.0, 4.0)], None, "age_at_last_purchase must be 0 where frequency is 0, got 2.0 at index 0"),
        ([(1, 2.0, 4.0)] * 2, [1.0], "columns must be one-dimensional and equally long"),
        ([(1.5, 2.0, 4.0)], None, "frequency must be whole numbers of at most 2**53, got 1.5 at index 0"),
        ([(1, 2.0, 4.0)], [-1.0], "customers must be >= 0, got -1.0 at index 0"),
    ],
)
def test_counts_that_cannot_be_are_refused(rows: Any, customers: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        counts(rows, customers=customers)
    assert str(caught.value) == f"PurchaseCounts: {text}"


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-2.0, 0.0, 1.5, 20.0])), min_size=1, max_size=30))
def test_spenders_are_counted_by_frequency_and_mean(rows: Any) -> None:
    given_rows = [(x, float(x > 0), 4.0) for x, _ in rows]
    found_of = summary(given_rows, mean_spend=[mean if x else 0.0 for x, mean in rows])
    expected = Counter((x, mean) for x, mean in rows if x and mean > 0)
    if not expected:
        with pytest.raises(InputError) as caught:
            SpendCounts.from_summary(found_of)
        assert str(caught.value) == (
            "SpendCounts.from_summary: summary has no customer with a repeat purchase and positive spend"
        )
        return
    found = SpendCounts.from_summary(found_of)
    shown = list(zip(found.frequency, found.mean_spend, found.customers, strict=True))
    assert shown == [(*key, expected[key]) for key in sorted(expected)]


def test_only_days_that_pay_are_counted_with_their_mean() -> None:
    """One came back on three days, of which one paid 30 and two nothing; one twice for 20; one once, for nothing."""
    state = CustomerState.from_arrays(
        [*"aaaa", *"bbb", *"cc"], day=[0, 1, 2, 3, 0, 1, 2, 0, 1], spend=[9, 0, 30, -4, 9, 20, 20, 9, 0]
    )
    found = SpendCounts.from_summary(customer_summary(state))
    assert found.frequency.tolist() == [1, 2]
    assert found.mean_spend.tolist() == [30, 20]
    assert found == SpendCounts.from_summary(customer_summary(state, nonpositive="drop"))


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"frequency": [0]}, "frequency must be >= 1, got 0.0 at index 0"),
        ({"mean_spend": [0.0]}, "mean_spend must be > 0, got 0.0 at index 0"),
        ({"frequency": [1, 2], "mean_spend": [1.0, 2.0]}, "columns must be equally long, got lengths [1, 2]"),
    ],
)
def test_spend_that_cannot_be_is_refused(columns: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        SpendCounts(**{"frequency": [1], "mean_spend": [9.0], "customers": [1], **columns})
    assert str(caught.value) == f"SpendCounts: {text}"


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=2, max_size=40), st.integers(1, 39))
def test_spend_of_disjoint_customers_adds_up(rows: Any, cut: int) -> None:
    def counted(some: Any) -> SpendCounts:
        expected = Counter(some)
        frequency, spend = zip(*sorted(expected), strict=True)
        return SpendCounts(frequency=frequency, mean_spend=spend, customers=[expected[key] for key in sorted(expected)])

    cut = min(cut, len(rows) - 1)
    assert counted(rows[:cut]) + counted(rows[cut:]) == counted(rows)


def test_spend_adds_to_spend_only() -> None:
    with pytest.raises(TypeError):
        SpendCounts(frequency=[1], mean_spend=[2.0], customers=[3]) + 1
