"""Logs and paths for hypothesis: many ties in time, repeats in a row, and names that a chain might reserve."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from tests.attribution.brute import HOUR, Journey, Row

CHANNELS = ("a", "b", "c", "(start)", "(conversion)", "null")


def rows(*, users: int = 4, most: int = 14) -> st.SearchStrategy[list[Row]]:
    """Few users, whole hours, whole money."""
    row = st.builds(
        Row,
        user=st.integers(0, users - 1),
        time=st.integers(0, 12).map(lambda hours: hours * HOUR),
        channel=st.sampled_from(CHANNELS),
        bought=st.booleans(),
        value=st.integers(-5, 40).map(float),
    )
    return st.lists(row, min_size=1, max_size=most)


@st.composite
def journeys(draw: Any, *, channels: int = 4, most: int = 6, negative: bool = False) -> list[Journey]:
    """Paths with counts, some of which convert."""
    names = CHANNELS[:channels]
    count = st.integers(-3 if negative else 0, 5).map(float)
    found = []
    for _ in range(draw(st.integers(1, most))):
        path = tuple(draw(st.lists(st.sampled_from(names), min_size=1, max_size=5)))
        conversions = draw(count)
        value = float(draw(st.integers(1, 90))) * conversions / 3.0
        found.append(Journey(path, (0,) * len(path), conversions, value, float(draw(st.integers(0, 4)))))
    last = found[-1]
    return [*found[:-1], Journey(last.channels, last.ages, 1.0 + abs(last.conversions), 7.0, last.nulls)]
