"""The day on which observation ends: one day however it is written, and nothing that is no day."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecomops.core import InputError
from ecomops.segmentation import CustomerState, CustomerSummary, customer_summary

STATE = CustomerState.from_arrays(["a", "a", "b"], day=[20_454, 20_461, 20_468])


def until(end: Any) -> CustomerSummary:
    return customer_summary(STATE, end=end, unit="day")


@pytest.mark.parametrize(
    "end", ["now", "today", "NaT", "", "2026-13-01", "2026-02-30", "2026-01", "2026-01-15T12:00", "15.01.2026"]
)
def test_an_end_that_is_no_date_is_refused_and_no_clock_is_read(end: str) -> None:
    with pytest.raises(InputError) as caught:
        until(end)
    assert str(caught.value) == f"customer_summary: end must be a date such as '2026-03-31', got {end!r}"


NOON = datetime.datetime(2026, 1, 15, 12)  # noqa: DTZ001 - a time without a zone is what is tried
RANGE = (
    "must be at most 2932896 days since 1970-01-01 (the year 9999) and at least -719162 (the year 1), got {};"
    " write a date as text, such as '2026-03-31'"
)


@pytest.mark.parametrize(
    "end",
    [
        datetime.date(2026, 1, 15), datetime.datetime(2026, 1, 15), pd.Timestamp("2026-01-15"), "20260115", 20468, 20468.0,  # noqa: DTZ001
        np.int64(20468),
    ],
    ids=repr,
)  # fmt: skip
def test_a_day_is_a_date_however_it_is_written(end: Any) -> None:
    assert until(end) == until("2026-01-15")
    assert until(end).end == 20468.0


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (20260201, RANGE.format(20260201)),
        (2932897, RANGE.format(2932897)),
        (-719163, RANGE.format(-719163)),
        (10**400, "must be at most 2**53, got"),
        (1.5, "must be a whole number, got 1.5"),
        (True, "must be a date such as '2026-03-31' or days since 1970-01-01, got bool True"),
        (pd.NaT, "must be a date such as '2026-03-31' or days since 1970-01-01, got NaTType NaT"),
        (pd.Timestamp(NOON), "must be a day without a time or zone, got 2026-01-15T12:00:00; use its date"),
        (NOON, "must be a day without a time or zone, got 2026-01-15T12:00:00; use its date"),
        (
            pd.Timestamp("2026-01-15", tz="Europe/Paris"),
            "must be a day without a time or zone, got 2026-01-15T00:00:00+01:00; use its date",
        ),
    ],
    ids=str,
)
def test_an_end_that_is_no_day_is_refused_on_one_line(end: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        until(end)
    assert str(caught.value).startswith(f"customer_summary: end {text}")
    assert "\n" not in str(caught.value)


def test_the_first_and_the_last_day_of_the_calendar_are_days() -> None:
    state = CustomerState.from_arrays(["a", "a"], day=[-719_162, 0])
    assert customer_summary(state, end=2_932_896).end == customer_summary(state, end="9999-12-31").end == 2_932_896.0
    assert customer_summary(state, end=-719_162) == customer_summary(state, end="0001-01-01")
