"""Page paths against a loop over users: sessions, paths, tables of pages, transitions, merging, engines."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle
from tests.engines.making import frame_of, on_each_engine

from ecomops.core import Duration, InputError
from ecomops.experiments import JourneyCounts, page_table, page_transitions, top_paths

START = pd.Timestamp("2026-03-01")
COLUMNS = {"user": "user", "page": "page", "time": "time"}
PAGES = ("首页", "商品页", "加购", "支付")
logs = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ABC"), st.integers(0, 40)), min_size=1, max_size=40)
gaps = st.sampled_from([None, 1, 5, 13])
TEN = Duration(value=10 / 1440, unit="day")


def frame_from(rows: Any) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user", "page", "minute"])
    return frame.assign(time=START + pd.to_timedelta(frame["minute"], unit="min")).drop(columns="minute")


def minutes(value: float | None) -> Duration | None:
    return None if value is None else Duration(value=value / 1440, unit="day")


def looped(rows: Any, gap: float | None, repeats: str) -> Counter[tuple[str, ...]]:
    """Walk through the views of each user."""
    found: Counter[tuple[str, ...]] = Counter()
    for user in {row[0] for row in rows}:
        path: list[str] = []
        before = 0
        for minute, page in sorted((minute, page) for who, page, minute in rows if who == user):
            if path and gap is not None and minute - before > gap:
                found[tuple(path)] += 1
                path = []
            if not path or repeats == "keep" or path[-1] != page:
                path.append(page)
            before = minute
        found[tuple(path)] += 1
    return found


def paths_of(journeys: JourneyCounts) -> dict[tuple[str, ...], float]:
    bounds, codes = journeys.offsets.astype(int), journeys.codes.astype(int)
    paths = [tuple(journeys.page[codes[a:b]].tolist()) for a, b in pairwise(bounds)]
    assert len(set(paths)) == len(paths)
    assert paths == sorted(paths, key=lambda path: (len(path), path))
    return dict(zip(paths, journeys.sessions.tolist(), strict=True))


@given(logs, gaps, st.sampled_from(["keep", "merge"]))
def test_paths_are_those_of_a_loop(rows: Any, gap: float | None, repeats: Any) -> None:
    journeys = JourneyCounts.from_frame(frame_from(rows), **COLUMNS, session_gap=minutes(gap), repeats=repeats)
    assert paths_of(journeys) == looped(rows, gap, repeats)


@given(logs, gaps, st.sampled_from(["keep", "merge"]))
def test_tables_are_those_of_a_loop(rows: Any, gap: float | None, repeats: Any) -> None:
    journeys = JourneyCounts.from_frame(frame_from(rows), **COLUMNS, session_gap=minutes(gap), repeats=repeats)
    paths = list(looped(rows, gap, repeats).elements())
    views = Counter(page for path in paths for page in path)
    pages = page_table(journeys, confidence=0.9)
    assert pages.page.tolist() == sorted(views, key=lambda page: (-views[page], page))
    for place, page in enumerate(pages.page.tolist()):
        assert pages.views[place] == views[page]
        assert pages.sessions[place] == sum(page in path for path in paths)
        assert pages.entries[place] == sum(path[0] == page for path in paths)
        assert pages.exits[place] == sum(path[-1] == page for path in paths)
        assert pages.bounces[place] == sum(path == (page,) for path in paths)
        exits, n = int(pages.exits[place]), views[page]
        wilson = stats.binomtest(exits, n).proportion_ci(0.9, method="wilson")
        assert pages.drop_off[place] == exits / n
        assert pages.drop_off_lower[place] == pytest.approx(wilson.low, abs=1e-12)
        assert pages.drop_off_upper[place] == pytest.approx(wilson.high, abs=1e-12)
        assert np.isnan(pages.bounce_rate[place]) == (pages.entries[place] == 0)
    assert pages.entry_share.sum() == pytest.approx(1.0)
    assert (pages.reason == "") == (pages.entries > 0).all()
    moves = Counter(pair for path in paths for pair in pairwise(path))
    found = page_transitions(journeys)
    rows_found = list(zip(found.page.tolist(), found.next_page.tolist(), strict=True))
    assert rows_found == sorted(moves, key=lambda pair: (-moves[pair], pair))
    assert found.transitions.tolist() == [moves[pair] for pair in rows_found]
    for place, page in enumerate(pages.page.tolist()):  # what follows and what does not are all there is
        assert found.share[found.page == page].sum() + pages.drop_off[place] == pytest.approx(1.0, rel=1e-12)


@given(logs, st.integers(1, 8))
def test_top_paths_are_those_of_a_loop(rows: Any, top: int) -> None:
    paths = looped(rows, 10, "keep")
    order = sorted(paths, key=lambda path: (-paths[path], len(path), path))[:top]
    found = top_paths(JourneyCounts.from_frame(frame_from(rows), **COLUMNS, session_gap=TEN), top=top, separator=" > ")
    assert found.path.tolist() == [" > ".join(path) for path in order]
    assert found.sessions.tolist() == [paths[path] for path in order]
    assert found.length.tolist() == [len(path) for path in order]
    np.testing.assert_allclose(found.share, found.sessions / paths.total(), rtol=1e-15)


@given(logs, st.integers(0, 4), st.randoms())
def test_parts_of_users_add_up_and_rows_come_in_any_order(rows: Any, cut: int, random: Any) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    parts = [[row for row in mixed if (row[0] < cut) == first] for first in (True, False)]
    found = [JourneyCounts.from_frame(frame_from(part), **COLUMNS, session_gap=TEN) for part in parts if part]
    joined = found[0] if len(found) == 1 else found[0] + found[1]
    assert joined == JourneyCounts.from_frame(frame_from(rows), **COLUMNS, session_gap=TEN)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 1000])
def test_long_paths_are_told_apart_by_their_last_view(length: int) -> None:
    rows = [(user, "A", minute) for user in range(5) for minute in range(length)]
    rows += [(user, "B" if user < 2 else "C", length) for user in range(5)]
    found = paths_of(JourneyCounts.from_frame(frame_from(rows), **COLUMNS))
    assert found == {(*("A",) * length, "B"): 2, (*("A",) * length, "C"): 3}


def test_a_shop_reads_naturally() -> None:
    rows = [(user, page, 10 * user + step) for user in range(3) for step, page in enumerate(PAGES[: 4 - user])]
    found = top_paths(JourneyCounts.from_frame(frame_from(rows), **COLUMNS))
    assert found.path.tolist() == ["首页→商品页", "首页→商品页→加购", "首页→商品页→加购→支付"]
    assert page_table(JourneyCounts.from_frame(frame_from(rows), **COLUMNS)).to_frame().shape == (4, 13)
    assert page_transitions(JourneyCounts.from_frame(frame_from(rows[-1:]), **COLUMNS)).share.size == 0


@pytest.mark.parametrize("gap", [13, 30, 49])
def test_a_view_at_just_the_gap_is_of_the_same_session(gap: int) -> None:
    rows = [(1, "A", 0), (1, "B", gap)]
    assert len(paths_of(JourneyCounts.from_frame(frame_from(rows), **COLUMNS, session_gap=minutes(gap)))) == 1
    late = [(1, "A", 0), (1, "B", gap + 1e-4)]
    assert len(paths_of(JourneyCounts.from_frame(frame_from(late), **COLUMNS, session_gap=minutes(gap)))) == 2


@on_each_engine
@pytest.mark.parametrize("users", ["whole", "text"])
def test_every_engine_gives_the_same_journeys(engine: str, users: str) -> None:
    rng = np.random.default_rng(6)
    who = rng.integers(0, 60, 800)
    at = np.datetime64("2026-01-01", "us") + rng.integers(0, 500, 800) * np.timedelta64(60_000_000, "us")
    page = np.array(PAGES)[rng.integers(0, 4, 800)]
    table = pa.table({"user": who.astype(str) if users == "text" else who, "page": page, "time": at})
    rows = zip(who.tolist(), page.tolist(), ((at - at.min()).astype(int) / 60e6).tolist(), strict=True)
    found = JourneyCounts.from_frame(frame_of(engine, table), **COLUMNS, session_gap=TEN)
    assert paths_of(found) == looped(list(rows), 10, "keep")


def test_the_hour_that_comes_twice_in_autumn_keeps_its_order() -> None:
    instants = pd.to_datetime(["2026-11-01 05:50", "2026-11-01 06:10"], utc=True).tz_convert("America/New_York")
    log = pd.DataFrame({"user": [1, 1], "page": ["B", "A"], "time": instants})
    assert list(paths_of(JourneyCounts.from_frame(log, **COLUMNS))) == [("B", "A")]


def test_a_clickstream(shared_data: Any) -> None:
    clicks = pd.read_csv(shared_data("clickstream_sim/clickstream_sim.csv.gz"), parse_dates=["timestamp"])
    journeys = JourneyCounts.from_frame(clicks, user="user_id", page="event", time="timestamp")
    views = page_table(journeys)
    assert views.views.sum() == len(clicks)
    assert dict(zip(views.page.tolist(), views.views.tolist(), strict=True)) == clicks["event"].value_counts().to_dict()
    ordered = clicks.sort_values(["user_id", "timestamp", "event"], kind="stable")
    gap = ordered.groupby("user_id")["timestamp"].diff()
    assert journeys.sessions.sum() == (gap.isna() | (gap > pd.Timedelta(minutes=30))).sum()


# --- what is refused --------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "page": ["a", "b"], "codes": [0, 1, 1], "offsets": [0, 2, 3], "sessions": [1, 4], "session_gap": None, "repeats": "keep",
}  # fmt: skip


def test_a_page_that_nobody_viewed_is_no_row() -> None:
    journeys = JourneyCounts(**{**GOOD, "page": ["a", "b", "never"]})
    found = page_table(journeys)
    assert (found.page.tolist(), found.views.tolist()) == (["b", "a"], [5.0, 1.0])
    assert (found.reason, np.isnan(found.bounce_rate).tolist()) == ("", [False, False])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"page": [1, 2]}, "page must be text, got whole numbers"),
        ({"page": ["a", "a"]}, "pages must be different from each other"),
        ({"codes": [[0, 1, 1]]}, "codes and offsets must have one dimension"),
        ({"sessions": [1]}, "offsets must be one more than sessions, got 3"),
        ({"offsets": [0, 0, 3]}, "offsets must ascend: a path has at least one view at index 0"),
        ({"offsets": [0, 2, 4]}, "offsets must go from 0 to the number of codes"),
        ({"codes": [0, 2, 1]}, "codes must be below 2, got 2.0 at index 1"),
    ],
)
def test_refusals_of_the_statistic(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        JourneyCounts(**{**GOOD, **changes})
    assert str(caught.value) == f"JourneyCounts: {text}"


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ({"user": [1], "page": [7], "time": [START]}, "page must be text, got column 'page' of int64"),
        (frame_from([(1, "A", 0)])[:0], "frame has no rows"),
    ],
)
def test_refusals_of_frames(frame: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        JourneyCounts.from_frame(pd.DataFrame(frame), **COLUMNS)
    assert str(caught.value) == f"JourneyCounts.from_frame: {text}"


def test_only_journeys_cut_alike_are_added() -> None:
    one = JourneyCounts(**GOOD)
    assert (one + one).sessions.tolist() == [8.0, 2.0]  # short paths first
    with pytest.raises(TypeError):
        one + 1
    for name, value, shown in (("repeats", "merge", "keep and merge"), ("session_gap", TEN, f"None and {TEN}")):
        with pytest.raises(InputError) as caught:
            one + JourneyCounts(**{**GOOD, name: value})
        assert str(caught.value) == f"JourneyCounts: {name} must be the same to add, got {shown}"
