"""The index of a Series: what it labels, which two go together, and where it comes back."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import Column, InputError, Labels, Model, Num, Vector, replace, validated
from ecomops.core.labels import is_default, is_shuffled


class Rows(Model):
    """Two numbers a row."""

    one: Num
    """One."""
    two: Num = 0.0
    """Two."""


class Holder(Model):
    """A model and a number a row."""

    rows: Rows
    """Rows."""
    three: Num = 0.0
    """Three."""


class Mixed(Model):
    """A number a row, samples and names."""

    value: Num = 0.0
    """Value."""
    sample: Vector = (1.0,)
    """Sample."""
    weight: Vector | None = None
    """Weight."""
    names: Labels | None = None
    """Names."""


class Sorted(Model):
    """Rows of its own."""

    __labelled__: ClassVar[bool] = False

    value: Column
    """Values in order."""


@validated
def added(one: Num, *, two: Num = 0.0, rows: Rows | None = None) -> Rows:
    """Add."""
    return Rows(one=one + two + (0.0 if rows is None else rows.one))


@validated
def ordered(value: Column) -> Sorted:
    """Sort."""
    return Sorted(value=np.sort(value))


@validated
def weighted(sample: Vector, *, weight: Vector | None = None, cost: Num = 1.0, names: Labels = ()) -> Rows:
    """Weigh."""
    return Rows(one=np.sum(sample * (1.0 if weight is None else weight)) * cost)


def series(values: list[float], index: Any = None) -> Any:
    return pd.Series(values, index=index, dtype=float)


def refused(call: Any) -> None:
    with pytest.raises(InputError, match=r": two Series have different indexes; align them first \(Series.reindex\)$"):
        call()


PLAIN = series([1, 2, 3])
MISMATCHED = {
    "sorted the other way": (series([3, 2, 1], [2, 1, 0]), PLAIN),
    "turned round": (PLAIN[::-1], PLAIN),
    "shifted by a slice": (series([1, 2, 3, 4]).iloc[1:], PLAIN),
    "every second row": (series([1, 2, 3, 4, 5]).iloc[::2], PLAIN),
    "nullable integers": (series([3, 2, 1], pd.Index([2, 1, 0], dtype="Int64")), PLAIN),
    "other names": (series([1, 2, 3], list("abc")), series([1, 2, 3], list("abd"))),
    "names in another order": (series([1, 2, 3], list("abc")), series([1, 2, 3], list("cba"))),
}


@pytest.mark.parametrize("name", list(MISMATCHED))
def test_series_whose_rows_do_not_match_are_refused(name: str) -> None:
    one, two = MISMATCHED[name]
    for first, second in ((one, two), (two, one)):
        refused(lambda first=first, second=second: Rows(one=first, two=second))
        refused(lambda first=first, second=second: Holder(rows=Rows(one=first), three=second))
        refused(lambda first=first, second=second: added(first, two=second))
        refused(lambda first=first, second=second: added(first, rows=Rows(one=second)))
        refused(lambda first=first, second=second: Mixed(sample=first, weight=second))
        refused(lambda first=first, second=second: weighted(first, weight=second))
        refused(lambda first=first, second=second: weighted([1.0], cost=first, names=second.astype(str)))
        refused(lambda first=first, second=second: Mixed(names=first.astype(str), sample=second))
        refused(lambda first=first, second=second: replace(Rows(one=first, two=first), two=second))


@given(st.permutations(range(5)))
def test_a_frame_that_was_sorted_matches_one_that_was_not_only_where_nothing_moved(order: list[int]) -> None:
    frame = pd.DataFrame({"mean": [10.0, 100.0, 1000.0, 1.0, 2.0], "sd": [1.0, 10.0, 100.0, 3.0, 4.0]})
    moved = frame.iloc[order]
    assert Rows(one=moved["mean"], two=moved["sd"]).to_frame().index.tolist() == order
    if order == sorted(order):
        assert Rows(one=moved["mean"], two=frame["sd"]).two.tolist() == frame["sd"].tolist()
    else:
        refused(lambda: Rows(one=moved["mean"], two=frame["sd"]))


def test_the_default_index_goes_with_names() -> None:
    named = series([1, 2, 3], list("abc"))
    for one, two in ((named, PLAIN), (PLAIN, named)):
        assert Rows(one=one, two=two).to_frame().index.tolist() == ["a", "b", "c"]
        assert added(one, two=two).to_frame().index.tolist() == ["a", "b", "c"]
    # SKU numbers are names too: they are no reordering of 0, 1, 2.
    numbered = series([1, 2, 3], [1001, 17, 5])
    assert Rows(one=numbered, two=PLAIN).to_frame().index.tolist() == [1001, 17, 5]
    assert Rows(one=PLAIN, two=PLAIN.copy()).to_frame().index.tolist() == [0, 1, 2]


def test_kinds_of_indexes() -> None:
    assert is_default(PLAIN.index)
    assert not is_default(PLAIN[::-1].index)
    assert not is_default(pd.Index([0, 1, 2]))
    assert not is_shuffled(pd.Index([0, 1, 2]))
    assert not is_shuffled(pd.Index([0.0, 2.0, 1.0]))
    assert not is_shuffled(pd.date_range("2026-01-01", periods=3))
    assert not is_shuffled(PLAIN.index)
    assert is_shuffled(pd.Index([0, 2, 1]))


def test_axes_that_do_not_meet_may_differ() -> None:
    weekday, sku = series([5, 7, 9], ["mon", "tue", "wed"]), series([1, 2, 3], ["A1", "B2", "C3"])
    frame = Mixed(value=sku, sample=weekday).to_frame()
    assert frame.index.tolist() == ["A1", "B2", "C3"]
    assert weighted(weekday, cost=sku).to_frame().index.tolist() == ["A1", "B2", "C3"]
    assert Mixed(sample=weekday).to_frame().index.tolist() == [0, 1, 2]
    assert Mixed(sample=weekday, names=["a", "b"], weight=series([1, 2], ["x", "y"])).weight.tolist() == [1.0, 2.0]


def test_rows_that_are_sorted_take_no_labels() -> None:
    named = series([3, 1], ["x", "y"])
    assert ordered(named).to_frame().index.tolist() == [0, 1]
    assert Sorted(value=named).to_frame().index.tolist() == [0, 1]


def test_labels_need_rows_of_their_number() -> None:
    one = series([1.0], ["a"])
    made = Rows(one=one, two=[1, 2, 3])
    assert made.to_frame().index.tolist() == [0, 1, 2]
    assert added(made.two, two=series([1, 2, 3], list("xyz"))).to_frame().index.tolist() == ["x", "y", "z"]
    grid = Rows(one=series([1, 2], ["a", "b"]), two=[[1.0], [2.0]])
    assert grid.batch_shape == (2, 2)
    assert grid.to_frame().index.tolist() == [0, 1, 2, 3]
    refused(lambda: Holder(rows=grid, three=series([1, 2], ["b", "a"])))


def test_replacing_keeps_the_labels_that_still_hold() -> None:
    named = series([1, 2], ["a", "b"])
    made = Rows(one=named, two=named)
    for change in ([5, 6], series([5, 6]), 5.0, named):
        assert replace(made, two=change).to_frame().index.tolist() == ["a", "b"]
    other = series([5, 6], ["c", "d"])
    refused(lambda: replace(made, two=other))
    refused(lambda: replace(Holder(rows=made, three=1.0), three=other))
    assert replace(made, one=other, two=other).to_frame().index.tolist() == ["c", "d"]
    assert replace(Rows(one=named), one=other).to_frame().index.tolist() == ["c", "d"]
    assert replace(Rows(one=named), one=[1, 2, 3]).to_frame().index.tolist() == [0, 1, 2]
