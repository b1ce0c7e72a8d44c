"""ABC by a ranking written out, XYZ by another standard deviation, and both on a real shop's list."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.inventory import abc_classes, xyz_classes

VALUES = st.lists(st.integers(0, 50), min_size=1, max_size=40)


def ranked(values: list[int], a: float, b: float) -> list[str]:
    """Walk down the ranking, group by group of equal values, and close a class once its share is full."""
    total, before, label = sum(values), 0, {}
    for worth in sorted(set(values), reverse=True):
        share = before / total if total else 1.0
        label[worth] = "A" if share < a - 1e-12 else "B" if share < b - 1e-12 else "C"
        before += worth * values.count(worth)
    return [label[worth] for worth in values]


@given(VALUES, st.floats(0.05, 0.9), st.floats(0.01, 0.09))
def test_labels_follow_the_ranking(values: list[int], a: float, more: float) -> None:
    found = abc_classes(values, a_share=a, b_share=a + more)
    assert found.label.tolist() == ranked(values, a, a + more)


@given(VALUES.filter(any))
def test_shares_are_of_the_whole(values: list[int]) -> None:
    found, total = abc_classes(values), sum(values)
    np.testing.assert_allclose(found.share, np.array(values) / total, rtol=1e-14)
    through = [sum(other for other in values if other >= worth) / total for worth in values]
    np.testing.assert_allclose(found.cumulative_share, through, rtol=1e-13)


@given(VALUES, st.randoms())
def test_the_order_of_items_does_not_matter(values: list[int], random: object) -> None:
    places = list(range(len(values)))
    random.shuffle(places)  # type: ignore[attr-defined]
    one, other = abc_classes(values), abc_classes([values[place] for place in places])
    assert other.label.tolist() == [one.label[place] for place in places]
    assert other.cumulative_share.tolist() == [one.cumulative_share[place] for place in places]


@given(VALUES, st.integers(-10, 10))
def test_the_currency_does_not_matter(values: list[int], power: int) -> None:
    one, other = abc_classes(values), abc_classes(np.array(values) * 2.0**power)
    assert one == other


def test_the_item_that_crosses_the_cut_is_still_in() -> None:
    assert abc_classes([79, 2, 19]).label.tolist() == ["A", "C", "A"]
    # 80 and 95 are reached exactly: what starts on a cut belongs below it.
    assert abc_classes([80, 15, 5]).label.tolist() == ["A", "B", "C"]
    # Added up in floats, six tenths are a little less than 0.6, and still the cut.
    assert abc_classes([1, 3, 6], a_share=0.6).label.tolist() == ["B", "B", "A"]
    assert abc_classes([1, 3, 6], a_share=0.5, b_share=0.9).label.tolist() == ["C", "B", "A"]


def test_one_item_and_no_value_and_no_items() -> None:
    assert abc_classes(7.0).label.tolist() == ["A"]
    nothing = abc_classes([0, 0])
    assert nothing.label.tolist() == ["C", "C"]
    assert nothing.share.tolist() == nothing.cumulative_share.tolist() == [0.0, 0.0]
    assert abc_classes(np.zeros(0)).label.shape == (0,)


def test_a_series_keeps_its_index() -> None:
    value = pd.Series([5.0, 80.0, 15.0], index=["mug", "lamp", "rug"])
    frame = abc_classes(value).to_frame()
    assert frame.index.tolist() == ["mug", "lamp", "rug"]
    assert frame["label"].tolist() == ["C", "A", "B"]


def test_values_and_cuts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        abc_classes([[1, 2], [3, 4]])
    assert str(caught.value) == "abc_classes: value must be one-dimensional, got shape (2, 2)"
    with pytest.raises(InputError) as caught:
        abc_classes([1, 2], a_share=0.9, b_share=0.9)
    assert "a_share must be < b_share, got 0.9 and 0.9" in str(caught.value)
    assert str(caught.value).startswith("abc_classes: ")
    with pytest.raises(InputError) as caught:
        abc_classes([1, -2])
    assert str(caught.value) == "abc_classes: value must be >= 0, got -2.0 at index 1"


@given(st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=1, max_size=10))
def test_xyz_follows_the_coefficient_of_variation(rows: list[list[int]]) -> None:
    found = xyz_classes(rows)
    for row, label, variation, reason in zip(
        rows, found.label, np.atleast_1d(found.coefficient_of_variation), found.reason, strict=True
    ):
        if not any(row):
            assert (label, reason) == ("", "no demand in any period")
            assert np.isnan(variation)
            continue
        expected = statistics.pstdev(row) / statistics.fmean(row)
        assert variation == pytest.approx(expected, rel=1e-12, abs=1e-15)
        assert reason == ""
        if abs(expected - 0.5) > 1e-9 and abs(expected - 1) > 1e-9:
            assert label == ("X" if expected < 0.5 else "Y" if expected < 1 else "Z")


def test_a_value_on_a_limit_belongs_to_the_lower_class() -> None:
    """0 and 2 vary by exactly their mean; 1 and 3 by exactly half of it."""
    assert xyz_classes([[0, 2], [1, 3]]).label.tolist() == ["Y", "X"]
    assert xyz_classes([[0, 2], [1, 3]], x_limit=0.49, y_limit=0.99).label.tolist() == ["Z", "Y"]


def test_rounding_does_not_move_a_value_off_its_limit() -> None:
    """All have a coefficient of variation of 1/2, and of 1 where one of two periods is empty."""
    rows = [[0.7, 2.1], [5, 15], [0.1, 0.3], [1.1, 3.3]]
    assert xyz_classes(rows).label.tolist() == ["X"] * 4
    assert xyz_classes([[0.7, 2.1 + 1e-9]]).label.tolist() == ["Y"]
    assert xyz_classes(rows, x_limit=0.4, y_limit=0.5).label.tolist() == ["Y"] * 4
    assert xyz_classes([[0.7, 2.1 + 1e-9]], x_limit=0.4, y_limit=0.5).label.tolist() == ["Z"]


def test_rounding_does_not_move_a_share_off_its_cut() -> None:
    """.7 + .1 is a little less than .8, and the item after them starts exactly on the cut."""
    assert abc_classes([0.7, 0.1, 0.08, 0.07, 0.05], a_share=0.8, b_share=0.95).label.tolist() == list("AABBC")
    assert abc_classes([70, 10, 8, 7, 5], a_share=0.8 + 1e-13, b_share=0.95 + 1e-13).label.tolist() == list("AABBC")
    assert abc_classes([70, 10, 8, 7, 5], a_share=0.8 + 1e-9, b_share=0.95 + 1e-9).label.tolist() == list("AAABB")


def test_one_period_has_no_variation() -> None:
    found = xyz_classes([[5], [0]])
    assert found.label.tolist() == ["", ""]
    assert np.isnan(found.coefficient_of_variation).all()
    assert found.reason.tolist() == ["one period has no variation", "no demand in any period"]


def test_one_item_is_a_row_of_one() -> None:
    one = xyz_classes([9, 10, 11])
    assert one.label.tolist() == ["X"]
    assert one.coefficient_of_variation.tolist() == pytest.approx([(2 / 3) ** 0.5 / 10])


def test_limits_out_of_order_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        xyz_classes([[1, 2]], x_limit=1.0, y_limit=0.5)
    assert str(caught.value) == "xyz_classes: x_limit must be < y_limit, got 1.0 and 0.5"


def test_a_real_shop_lives_on_few_articles(shared_data: Callable[[str], Path]) -> None:
    """Online Retail: about a fifth of the articles make four fifths of the revenue, and most of those are steadier."""
    name = next(iter(shared_data("online_retail").glob("*.csv.gz")))
    lines = pd.read_csv(name, usecols=["StockCode", "Quantity", "UnitPrice", "InvoiceDate"], dtype={"StockCode": str})
    lines = lines[(lines.Quantity > 0) & (lines.UnitPrice > 0)]
    revenue = (lines.Quantity * lines.UnitPrice).groupby(lines.StockCode).sum()
    found = abc_classes(revenue)
    first = found.label == "A"
    assert 0.15 < first.mean() < 0.25
    assert 0.79 < found.share[first].sum() < 0.81
    month = pd.to_datetime(lines.InvoiceDate).dt.to_period("M")
    table = lines.pivot_table(
        index="StockCode", columns=month, values="Quantity", aggfunc="sum", fill_value=0, observed=True
    ).loc[revenue.index]
    variation = xyz_classes(table.to_numpy()).coefficient_of_variation
    assert np.median(variation[first]) < np.median(variation[~first])
