"""Retention: by going through the customers, young ones left out, cohorts by calendar, the same at any shift of time."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError, arguments
from ecomops.segmentation import CustomerState, RetentionTable, retention_table

METHODS = ("classic", "rolling", "cumulative")
rows_of = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40)), min_size=1, max_size=50)
ages_of = st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple)


def state_of(rows: Any) -> CustomerState:
    who, day = zip(*rows, strict=True)
    return CustomerState.from_arrays(list(who), day=list(day))


def brute_force(rows: Any, ages: Any, method: str, length: int | None, step: int, end: int) -> Any:
    """Go through the customers: the cohort, and for each age whether they are old enough and came back."""
    days: dict[int, set[int]] = {}
    for who, day in rows:
        if day <= end:
            days.setdefault(who, set()).add(day)
    first = min(min(found) for found in days.values())
    table: dict[int, list[list[int]]] = {}
    people: dict[int, int] = {}
    for found in days.values():
        born = min(found)
        cohort = (born - first) // length if length else 0
        people[cohort] = people.get(cohort, 0) + 1
        row = table.setdefault(cohort, [[0, 0] for _ in ages])
        for place, age in enumerate(ages):
            if born + (age + 1) * step - 1 > end:
                continue
            row[place][0] += 1
            steps = {(day - born) // step for day in found}
            back = {
                "classic": age in steps,
                "rolling": any(s >= age for s in steps),
                "cumulative": any(1 <= s <= age for s in steps),
            }[method]
            row[place][1] += back
    return people, table


@given(rows_of, ages_of, st.sampled_from(METHODS), st.one_of(st.none(), st.integers(1, 9)), st.integers(1, 7), st.integers(0, 60))  # fmt: skip
def test_it_is_a_count_of_customers_one_by_one(
    rows: Any, ages: Any, method: Any, length: Any, step: int, end: int
) -> None:
    if min(day for _, day in rows) > end:
        with pytest.raises(InputError, match=f"^retention_table: state has no orders up to end, got end {end}$"):
            retention_table(state_of(rows), ages=ages, end=end)
        return
    found = retention_table(state_of(rows), ages=ages, method=method, cohort_days=length, step=step, end=end)
    people, table = brute_force(rows, ages, method, length, step, end)
    size = max(people) + 1
    assert found.customers.tolist() == [people.get(cohort, 0) for cohort in range(size)]
    empty = [[0, 0]] * len(ages)
    expected = np.array([table.get(cohort, empty) for cohort in range(size)], dtype=float)
    assert found.observed.tolist() == expected[:, :, 0].tolist()
    assert found.retained.tolist() == expected[:, :, 1].tolist()
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found.rate, expected[:, :, 1] / expected[:, :, 0], rtol=1e-15)
        total = expected.sum(axis=0)
        np.testing.assert_allclose(found.overall, total[:, 1] / total[:, 0], rtol=1e-15)
    assert found.age.tolist() == list(ages)
    assert found.method == method


@given(rows_of, st.sampled_from(METHODS), st.integers(-20_000, 20_000), st.integers(1, 9))
def test_only_the_names_of_cohorts_know_the_calendar(rows: Any, method: Any, shift: int, length: int) -> None:
    here = retention_table(state_of(rows), method=method, cohort_days=length)
    there = retention_table(state_of([(who, day + shift) for who, day in rows]), method=method, cohort_days=length)
    assert there.retained.tolist() == here.retained.tolist()
    assert there.observed.tolist() == here.observed.tolist()
    gap = [datetime.date.fromisoformat(b) - datetime.date.fromisoformat(a) for a, b in zip(here.cohort, there.cohort, strict=True)]  # fmt: skip
    assert {days.days for days in gap} == {shift}


@given(rows_of, ages_of, st.integers(1, 4))
def test_the_definitions_are_ordered(rows: Any, ages: Any, step: int) -> None:
    """Where everyone is old enough for every age."""
    classic, rolling, cumulative = (
        retention_table(state_of(rows), ages=ages, method=method, step=step, end=300) for method in METHODS
    )
    assert np.all(classic.retained <= rolling.retained)
    assert np.all(classic.retained <= cumulative.retained)
    assert np.all(rolling.retained <= rolling.observed)
    order = np.argsort(ages)
    assert np.all(np.diff(cumulative.overall[order]) >= 0)
    assert np.all(np.diff(rolling.overall[order]) <= 0)


@given(rows_of, ages_of)
def test_weeks_are_days_by_seven(rows: Any, ages: Any) -> None:
    """Whoever came back in week N came back on one of the days 7 N to 7 N + 6, and the other way round."""
    weekly = retention_table(state_of(rows), ages=ages, method="classic", step=7, end=300)
    daily = [
        retention_table(state_of(rows), ages=tuple(range(7 * age, 7 * age + 7)), end=300).retained.sum() for age in ages
    ]
    assert np.all(weekly.retained.sum(axis=0) <= daily)
    assert ((weekly.retained.sum(axis=0) > 0) == (np.array(daily) > 0)).all()


@given(rows_of, st.randoms())
def test_the_order_of_rows_does_not_matter(rows: Any, random: Any) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    assert retention_table(state_of(mixed)) == retention_table(state_of(rows))


def test_a_young_cohort_is_not_counted_as_lost() -> None:
    """Two customers of day 0 of whom one came back; two of day 9, whose day 7 is not over on day 10."""
    rows = [(0, 0), (0, 7), (1, 0), (2, 9), (3, 9), (3, 10)]
    found = retention_table(state_of(rows), ages=(1, 7), cohort_days=9)
    assert found.observed.tolist() == [[2, 2], [2, 0]]
    assert found.rate[0].tolist() == [0.0, 0.5]
    assert found.rate[1, 0] == 0.5
    assert np.isnan(found.rate[1, 1])
    assert found.overall.tolist() == [0.25, 0.5]
    assert found.reason == "NaN: no customer of the cohort is old enough yet"
    assert found.cohort.tolist() == ["1970-01-01", "1970-01-10"]
    assert RetentionTable.model_validate_json(found.model_dump_json()) == found


def test_an_age_is_over_at_the_end_of_its_last_day() -> None:
    rows = [(0, 0), (1, 0), (1, 13)]
    for end, observed in ((12, 0), (13, 2)):
        assert retention_table(state_of(rows), ages=(1,), step=7, end=end).observed.tolist() == [[observed]]
    assert retention_table(state_of(rows), ages=(1,), step=7).rate.tolist() == [[0.5]]


def test_a_cohort_without_customers_has_no_rate() -> None:
    found = retention_table(state_of([(0, 0), (0, 1), (1, 20)]), ages=(1,), cohort_days=5, end=30)
    assert found.customers.tolist() == [1, 0, 0, 0, 1]
    assert np.isnan(found.rate[:, 0]).tolist() == [False, True, True, True, False]
    assert found.reason == "NaN: no customer of the cohort is old enough yet"
    whole = retention_table(state_of([(0, 0), (0, 1), (1, 20)]), ages=(1,), end=30)
    assert np.all(np.isfinite(whole.rate))
    assert whole.reason == ""


@pytest.mark.parametrize("end", ["1970-01-31", datetime.date(1970, 1, 31), pd.Timestamp("1970-01-31"), 30])
def test_the_end_is_a_date_or_a_number_of_days(end: Any) -> None:
    state = state_of([(0, 0), (0, 1), (1, 20), (1, 31)])
    assert retention_table(state, ages=(1, 29), end=end) == retention_table(state, ages=(1, 29), end=30.0)
    asked = arguments(retention_table)(state=state, ages=(1, 29), end=end)
    again = type(asked).model_validate_json(asked.model_dump_json())
    assert again.call() == asked.call() == retention_table(state, ages=(1, 29), end=30)


@pytest.mark.parametrize(
    ("rows", "options", "text"),
    [
        ([], {}, "state has no orders"),
        ([(0, 4)], {"ages": ()}, "ages must name at least one age, got none"),
        ([(0, 4)], {"end": 3}, "state has no orders up to end, got end 3"),
        ([(0, 4)], {"end": "31.01.1970"}, "end must be a date such as '2026-03-31', got '31.01.1970'"),
        ([(0, 4)], {"ages": (0,)}, "ages[0] must be >= 1, got 0"),
        ([(0, 4)], {"cohort_days": 0}, "cohort_days must be >= 1, got 0"),
        (
            [(0, 0), (1, 10**9)],
            {"cohort_days": 1},
            "cohort_days must give at most 100000 cohorts, got 1000000001; use longer cohorts",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused(rows: Any, options: Any, text: str) -> None:
    state = state_of(rows) if rows else CustomerState.from_arrays([], day=[])
    with pytest.raises(InputError) as caught:
        retention_table(state, **options)
    assert str(caught.value) == f"retention_table: {text}"


def test_an_age_beyond_all_time_is_nobodys() -> None:
    found = retention_table(state_of([(0, 0), (0, 5)]), ages=(10**9,), step=10**6)
    assert found.observed.tolist() == [[0]]


def test_a_real_shop_keeps_customers_as_pandas_counts_them(shared_data: Any) -> None:
    """Cohorts and returns by spans of 30 days, with a pivot table of distinct customers."""
    lines = pd.read_csv(
        shared_data("online_retail/online_retail.csv.gz"), usecols=["InvoiceDate", "CustomerID"], parse_dates=["InvoiceDate"]
    ).dropna()  # fmt: skip
    lines = lines.assign(who=lines["CustomerID"].astype(int), day=lines["InvoiceDate"].dt.normalize())
    state = CustomerState.from_frame(lines, customer="who", time="InvoiceDate")
    ages = tuple(range(1, 13))
    found = retention_table(state, ages=ages, cohort_days=30, step=30)
    born = lines["who"].map(lines.groupby("who")["day"].min())
    table = lines.assign(
        cohort=(born - born.min()).dt.days // 30, age=(lines["day"] - born).dt.days // 30, left=(lines["day"].max() - born).dt.days
    )  # fmt: skip
    for age in ages:
        old = table[table["left"] >= (age + 1) * 30 - 1]
        observed = old.groupby("cohort")["who"].nunique().reindex(range(found.customers.size), fill_value=0)
        back = old[old["age"] == age].groupby("cohort")["who"].nunique().reindex(observed.index, fill_value=0)
        assert found.observed[:, age - 1].tolist() == observed.tolist()
        assert found.retained[:, age - 1].tolist() == back.tolist()
    assert found.customers.sum() == 4372
    assert found.cohort[:2].tolist() == ["2010-12-01", "2010-12-31"]


def test_cdnow_repeaters_are_those_who_came_back(shared_data: Any) -> None:
    orders = pd.read_csv(shared_data("cdnow/cdnow_sample.csv.gz"), dtype={"id": str, "date": str})
    orders["date"] = pd.to_datetime(orders["date"])
    state = CustomerState.from_frame(orders, customer="id", time="date")
    weekly = retention_table(state, ages=(12, 26, 52), method="cumulative", step=7)
    first = orders.groupby("id")["date"].transform("min")
    gap = (orders["date"] - first).dt.days
    for place, weeks in enumerate((12, 26, 52)):
        inside = orders[(gap >= 7) & (gap < 7 * (weeks + 1))]
        assert weekly.overall[place] == pytest.approx(inside["id"].nunique() / 2357, rel=1e-12)
