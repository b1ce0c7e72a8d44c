"""RFM scores and segments: by going through the customers, whatever their order, with cut points that reproduce the scores."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.segmentation import (
    CustomerState,
    CustomerSummary,
    Quantiles,
    RfmScores,
    SegmentRule,
    Thresholds,
    customer_summary,
    rfm_scores,
    rfm_segments,
)
from ecomops.segmentation.rfm import DEFAULT_RULES

PARTS = ("recency", "frequency", "monetary")
people = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 6), st.sampled_from([-3.5, 0.0, 0.1, 7.0, 7.25, 1e6])),
    min_size=1,
    max_size=40,
)
bins_of = st.integers(2, 12)


def summary_of(rows: list[tuple[int, int, float]]) -> CustomerSummary:
    """Customers with these days since the last purchase, orders and spend."""
    days, orders, spend = np.array(rows, dtype=float).reshape(-1, 3).T
    size = days.size
    return CustomerSummary(
        customer=[f"c{i:04d}" for i in range(size)], frequency=np.ones(size), age_at_last_purchase=20.0 - days,
        age=np.full(size, 20.0), mean_spend=np.zeros(size), orders=orders, spend=spend, unit="day", end=20.0,
    )  # fmt: skip


def figures(rows: Any) -> dict[str, list[float]]:
    """The three figures, each so that more is better."""
    return {
        "recency": [-row[0] for row in rows],
        "frequency": [row[1] for row in rows],
        "monetary": [row[2] for row in rows],
    }


def by_rank(values: list[float], bins: int) -> list[int]:
    scores = []
    for value in values:
        below = sum(other < value for other in values)
        equal = sum(other == value for other in values)
        scores.append(1 + math.floor(Fraction(bins) * (Fraction(below) + Fraction(equal, 2)) / len(values)))
    return scores


def by_edges(values: list[float], bins: int) -> list[int]:
    """Type-7 quantiles in whole numbers: the place (n - 1) j / k in the sorted list, linearly between its neighbours."""
    ordered, edges = sorted(Fraction(value) for value in values), []
    for j in range(1, bins):
        place = Fraction((len(values) - 1) * j, bins)
        low = math.floor(place)
        high = min(low + 1, len(values) - 1)
        edges.append(ordered[low] + (ordered[high] - ordered[low]) * (place - low))
    return [1 + sum(edge <= Fraction(value) for edge in edges) for value in values]


@given(people, bins_of)
def test_a_rank_score_is_the_share_of_customers_below(rows: Any, bins: int) -> None:
    found = rfm_scores(summary_of(rows), rule=Quantiles(bins=bins))
    for part, values in figures(rows).items():
        assert getattr(found, part).tolist() == by_rank(values, bins)
    assert found.bins == bins


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.integers(-9, 99)), min_size=1, max_size=60), bins_of
)
def test_an_edge_score_is_the_number_of_quantiles_reached(rows: Any, bins: int) -> None:
    found = rfm_scores(summary_of(rows), rule=Quantiles(bins=bins, method="edges"))
    for part, values in figures(rows).items():
        expected = by_edges(values, bins)
        actual = getattr(found, part).tolist()
        # An edge between two values is a float; where it falls on a value up to rounding, either side is right.
        assert sum(a != b for a, b in zip(actual, expected, strict=True)) == 0


def test_a_share_on_a_boundary_goes_up_in_whole_numbers() -> None:
    """28 below and a pair: 100 x 29 / 100 is 29 exactly, though 0.29 x 100 is less than 29 in floats."""
    rows = [(0, 1, float(value)) for value in [*range(28), 28, 28, *range(30, 100)]]
    found = rfm_scores(summary_of(rows), rule=Quantiles(bins=100))
    assert found.monetary[28] == 30


def test_a_quantile_that_is_a_value_is_reached_by_it() -> None:
    """The ninth of eleven parts of 78 values is the 64th, which float arithmetic puts a little above itself."""
    rows = [(0, 1, float(value)) for value in range(78)]
    found = rfm_scores(summary_of(rows), rule=Quantiles(bins=11, method="edges"))
    assert found.monetary_edges[8] == 63.0
    assert found.monetary[63] == 10


@given(people, bins_of, st.sampled_from(["rank", "edges"]), st.randoms())
def test_the_order_of_customers_does_not_matter(rows: Any, bins: int, method: Any, random: Any) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    rule = Quantiles(bins=bins, method=method)
    found, mixed = rfm_scores(summary_of(rows), rule=rule), rfm_scores(summary_of([rows[i] for i in order]), rule=rule)
    for part in PARTS:
        assert getattr(mixed, part).tolist() == getattr(found, part)[order].tolist()
        assert getattr(mixed, f"{part}_edges").tolist() == getattr(found, f"{part}_edges").tolist()


@given(people, bins_of, st.sampled_from(["rank", "edges"]))
def test_better_figures_never_score_less_and_equal_ones_the_same(rows: Any, bins: int, method: Any) -> None:
    found = rfm_scores(summary_of(rows), rule=Quantiles(bins=bins, method=method))
    for part, values in figures(rows).items():
        score = getattr(found, part)
        assert np.all((score >= 1) & (score <= bins))
        order = np.argsort(values, kind="stable")
        assert np.all(np.diff(score[order]) >= 0)
        same = np.diff(np.array(values)[order]) == 0
        assert np.all(np.diff(score[order])[same] == 0)


@given(people, bins_of, st.sampled_from(["rank", "edges"]))
def test_the_cut_points_that_come_back_give_the_scores_again(rows: Any, bins: int, method: Any) -> None:
    """One more than the cuts reached; a cut that nobody reaches is infinite."""
    found = rfm_scores(summary_of(rows), rule=Quantiles(bins=bins, method=method))
    assert all(getattr(found, f"{part}_edges").size == bins - 1 for part in PARTS)
    days, orders, spend = np.array(rows, dtype=float).T
    assert np.all(np.diff(found.monetary_edges[np.isfinite(found.monetary_edges)]) >= 0)
    assert (1 + (days[:, None] <= found.recency_edges).sum(axis=1)).tolist() == found.recency.tolist()
    assert (1 + (orders[:, None] >= found.frequency_edges).sum(axis=1)).tolist() == found.frequency.tolist()
    assert (1 + (spend[:, None] >= found.monetary_edges).sum(axis=1)).tolist() == found.monetary.tolist()


@given(people)
def test_scores_do_not_depend_on_the_currency(rows: Any) -> None:
    dollars, cents = summary_of(rows), summary_of([(d, o, s * 128) for d, o, s in rows])
    for method in ("rank", "edges"):
        rule = Quantiles(method=method)
        assert rfm_scores(cents, rule=rule).monetary.tolist() == rfm_scores(dollars, rule=rule).monetary.tolist()


def test_half_one_time_buyers_keep_the_range_of_scores() -> None:
    rows = [(5, 1, 1.0)] * 50 + [(5, orders, 1.0) for orders in range(2, 52)]
    found = rfm_scores(summary_of(rows))
    assert sorted(set(found.frequency.tolist())) == [2, 3, 4, 5]
    assert found.frequency[:50].tolist() == [2.0] * 50
    assert found.recency.tolist() == [3.0] * 100
    assert found.recency_edges.tolist() == [-math.inf, -math.inf, 5.0, 5.0]
    assert RfmScores.model_validate_json(found.model_dump_json()) == found


@given(people)
def test_thresholds_count_the_cuts_reached(rows: Any) -> None:
    rule = Thresholds(recency=[2, 6, 9], frequency=[2, 4], monetary=[0, 7, 8, 100])
    found = rfm_scores(summary_of(rows), rule=rule)
    for place, (days, orders, spend) in enumerate(rows):
        assert found.recency[place] == 1 + sum(days <= cut for cut in (2, 6, 9))
        assert found.frequency[place] == 1 + sum(orders >= cut for cut in (2, 4))
        assert found.monetary[place] == 1 + sum(spend >= cut for cut in (0, 7, 8, 100))
    assert found.bins == 5
    assert found.recency_edges.tolist() == [2, 6, 9]


def test_the_code_keeps_scores_apart() -> None:
    rows = [(day, 1, float(day)) for day in range(13)]
    nine, twelve = (rfm_scores(summary_of(rows), rule=Quantiles(bins=bins)) for bins in (9, 12))
    assert nine.code.tolist() == (100 * nine.recency + 10 * nine.frequency + nine.monetary).tolist()
    assert twelve.code.tolist() == (10_000 * twelve.recency + 100 * twelve.frequency + twelve.monetary).tolist()


def scores_of(codes: list[int], bins: int = 5, purchase_days: int = 2) -> RfmScores:
    size = len(codes)
    digits = np.array([[code // 100, code // 10 % 10, code % 10] for code in codes], dtype=float).reshape(-1, 3)
    return RfmScores(
        customer=[f"c{i:04d}" for i in range(size)], recency=digits[:, 0], frequency=digits[:, 1], monetary=digits[:, 2],
        days_since_last_purchase=np.zeros(size), orders=np.arange(size) + 1.0, spend=np.arange(size) * 10.0 - 20.0,
        purchase_days=np.full(size, float(purchase_days)),
        recency_edges=[1], frequency_edges=[1], monetary_edges=[1], bins=bins,
    )  # fmt: skip


ALL = [100 * r + 10 * f + m for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]


def first_that_fits(code: int, rules: Any, purchase_days: int) -> str:
    for rule in rules:
        fewest, most = rule.purchase_days
        if purchase_days < fewest or (most is not None and purchase_days > most):
            continue
        low_high = zip(
            (code // 100, code // 10 % 10, code % 10), (rule.recency, rule.frequency, rule.monetary), strict=True
        )
        if all(low <= score <= high for score, (low, high) in low_high):
            return str(rule.name)
    return "other"


def test_the_first_rule_that_fits_names_the_segment() -> None:
    crossed = (
        SegmentRule(name="b", recency=(2, 4)),
        SegmentRule(name="a", recency=(3, 5), frequency=(2, 2)),
        SegmentRule(name="c", monetary=(5, 5)),
        SegmentRule(name="d", purchase_days=(1, 2)),
        SegmentRule(name="e", purchase_days=(3, 4)),
    )
    kinds = [(rules, days) for rules in (DEFAULT_RULES, crossed, crossed[::-1]) for days in range(1, 6)]
    for rules, days in kinds:
        found = rfm_segments(scores_of(ALL, purchase_days=days), rules=rules)
        expected = [first_that_fits(code, rules, days) for code in ALL]
        assert found.segment.tolist() == expected
        assert found.names.tolist() == [*(rule.name for rule in rules), "other"]
        for place, name in enumerate(found.names):
            inside = np.array(expected) == name
            assert found.customers[place] == inside.sum()
            assert found.orders[place] == (np.arange(125) + 1)[inside].sum()
            assert found.spend[place] == (np.arange(125) * 10.0 - 20.0)[inside].sum()


def test_the_default_rules_leave_few_without_a_name() -> None:
    once, twice = (rfm_segments(scores_of(ALL, purchase_days=days)) for days in (1, 2))
    assert set(twice.segment) == {rule.name for rule in DEFAULT_RULES} - {"new"}
    assert set(once.segment) == {"new", "promising", "hibernating", "lost"}
    for found in (once, twice):
        assert found.customers.sum() == 125
        assert found.customers[-1] == 0


def test_who_bought_once_is_neither_loyal_nor_missed_however_the_others_buy() -> None:
    """Nobody came back: the frequency score of all is the middle one, and says nothing."""
    state = CustomerState.from_arrays([f"c{i}" for i in range(10)], day=list(range(10)), spend=range(10, 20))
    segments = rfm_segments(rfm_scores(customer_summary(state, end=30)))
    assert dict(zip(segments.names, segments.customers, strict=True)) == {
        "champions": 0, "loyal": 0, "new": 4, "promising": 2, "cannot lose": 0, "at risk": 0, "hibernating": 2, "lost": 2,
        "other": 0,
    }  # fmt: skip


@given(
    st.lists(st.tuples(st.integers(0, 15), st.integers(0, 30), st.integers(1, 99)), min_size=1, max_size=60),
)
def test_a_segment_of_those_who_came_back_has_nobody_else(orders: Any) -> None:
    who, day, spend = zip(*orders, strict=True)
    summary = customer_summary(CustomerState.from_arrays(who, day=day, spend=spend), end=40)
    found = rfm_segments(rfm_scores(summary)).segment
    came_back = np.isin(found, ["champions", "loyal", "cannot lose", "at risk"])
    assert np.all(summary.frequency[came_back] >= 1)
    assert np.all(summary.frequency[found == "new"] == 0)
    assert "other" not in found


def test_two_orders_on_one_day_are_no_return() -> None:
    state = CustomerState.from_arrays(["a", "a", "a", "b"], day=[9, 9, 9, 1], spend=[5, 5, 5, 1])
    scores = rfm_scores(customer_summary(state))
    assert scores.purchase_days.tolist() == [1, 1]
    assert scores.orders.tolist() == [3, 1]
    assert rfm_segments(scores).segment[0] == "new"


def test_the_rest_may_be_one_of_the_rules() -> None:
    rules = (SegmentRule(name="best", recency=(5, 5)), SegmentRule(name="rest", recency=(1, 1)))
    found = rfm_segments(scores_of([511, 111, 311]), rules=rules, other="rest")
    assert found.segment.tolist() == ["best", "rest", "rest"]
    assert found.names.tolist() == ["best", "rest"]


def test_no_customers_have_no_scores() -> None:
    for rule in (Quantiles(), Quantiles(method="edges"), Thresholds(recency=[1], frequency=[1], monetary=[1])):
        found = rfm_scores(summary_of([]), rule=rule)
        assert found.code.shape == (0,)
    segments = rfm_segments(rfm_scores(summary_of([])))
    assert segments.customers.tolist() == [0.0] * (len(DEFAULT_RULES) + 1)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: Quantiles(bins=1), "Quantiles: bins must be from 2 to 100, got 1"),
        (lambda: Quantiles(bins=101), "Quantiles: bins must be from 2 to 100, got 101"),
        (
            lambda: Thresholds(recency=[1, 1], frequency=[1], monetary=[1]),
            "Thresholds: recency must be one ascending list of cuts",
        ),
        (
            lambda: Thresholds(recency=[1], frequency=[[1, 2]], monetary=[1]),
            "Thresholds: frequency must be one ascending list of cuts",
        ),
        (
            lambda: rfm_segments(scores_of(ALL), rules=(SegmentRule(name="a"), SegmentRule(name="a"))),
            "rfm_segments: rules must have different names, got ['a', 'a']",
        ),
        (
            lambda: rfm_segments(scores_of(ALL, bins=6)),
            "rfm_segments: rules: the default rules are for scores 1 to 5, got 1 to 6; pass rules for these scores",
        ),
    ],
)
def test_rules_that_cannot_be_are_refused(build: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        build()
    assert str(caught.value) == text


def test_a_real_shop_scores_as_pandas_ranks(shared_data: Any) -> None:
    lines = pd.read_csv(
        shared_data("online_retail/online_retail.csv.gz"),
        usecols=["InvoiceNo", "InvoiceDate", "CustomerID", "Quantity", "UnitPrice"],
        parse_dates=["InvoiceDate"],
        dtype={"InvoiceNo": str},
    ).dropna()
    lines = lines.assign(who=lines["CustomerID"].astype(int), paid=lines["Quantity"] * lines["UnitPrice"])
    invoices = lines.groupby(["who", "InvoiceNo"]).agg(time=("InvoiceDate", "min"), paid=("paid", "sum")).reset_index()
    state = CustomerState.from_frame(invoices, customer="who", time="time", spend="paid")
    summary = customer_summary(state, end="2011-12-09")
    found = rfm_scores(summary)
    by = invoices.groupby("who")
    days = (pd.Timestamp("2011-12-09") - by["time"].max().dt.normalize()).dt.days
    table = pd.DataFrame({"recency": -days, "frequency": by.size(), "monetary": summary.spend})
    for part in PARTS:
        # The rank average of pandas, less a half, is the number below and half of those equal.
        middle = table[part].rank(method="average") - 0.5
        expected = 1 + np.floor(5 * middle / len(table) + 1e-12)
        assert getattr(found, part).tolist() == expected.tolist()
    segments = rfm_segments(found)
    assert segments.customers.sum() == 4372
    assert segments.spend.sum() == pytest.approx(lines["paid"].sum(), rel=1e-9)
    best = segments.names.tolist().index("champions")
    assert segments.spend[best] / segments.customers[best] > 3 * segments.spend.sum() / 4372
