"""Listed and sampled demand over a lead time: an item of a batch is answered as it would be alone."""

from __future__ import annotations

import itertools
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.inventory import CycleService, Discrete, Empirical, FillRate, LeadTime, safety_stock, service_achieved
from ecomops.stats import discrete

RARE = [0.0] * 27 + [20.0]
ROWS = st.lists(st.lists(st.integers(-4, 9), min_size=3, max_size=3), min_size=1, max_size=4)
MIXED = (
    "items need different families over the lead time (an exact table, or two moments as gamma, or as normal where demand "
    "can be negative); split the batch"
)


def enumerated(samples: list[int], periods: int) -> dict[Fraction, Fraction]:
    """Every sequence of demands, one by one."""
    sums = Counter(sum(parts) for parts in itertools.product(samples, repeat=periods))
    return {Fraction(total): Fraction(count, len(samples) ** periods) for total, count in sums.items()}


@pytest.mark.parametrize(
    ("samples", "periods"),
    [
        ([RARE, RARE], [3, 4]),
        ([RARE, [0.5] * 14 + [1.0] * 14], [3, 3]),
        ([RARE, [-1.0] * 14 + [1.0] * 14], [3, 2]),
        ([RARE, [0.1] * 14 + [0.3] * 14], [3, 1]),
        ([RARE, [1e6] * 14 + [1e6 + 3] * 14], [3, 5]),
    ],
)
def test_neighbours_do_not_change_an_answer(samples: list[list[float]], periods: list[int]) -> None:
    for service in (CycleService(probability=0.95), FillRate(fraction=0.9, order_quantity=30)):
        both = safety_stock(Empirical(samples=samples), lead_time=LeadTime(mean=periods), service=service)
        alone = [
            safety_stock(Empirical(samples=row), lead_time=LeadTime(mean=count), service=service)
            for row, count in zip(samples, periods, strict=True)
        ]
        assert both.level == pytest.approx([one.level for one in alone], rel=1e-12)
        assert all(plan.method.startswith("exact: ") for plan in (both, *alone))
    cycle = safety_stock(Empirical(samples=RARE), lead_time=LeadTime(mean=3), service=CycleService(probability=0.95))
    assert cycle.level == 20.0


@given(ROWS, st.data(), st.sampled_from([1, 2, 4, 10]))
def test_every_item_is_enumerated(rows: list[list[int]], data: Any, parts: int) -> None:
    periods = data.draw(st.lists(st.integers(1, 3), min_size=len(rows), max_size=len(rows)))
    exposed = Empirical(samples=np.array(rows) / parts).over(LeadTime(mean=periods))
    for level in (-3.0, 0.0, 2.5):
        shortage, covered = exposed.loss(level), exposed.cdf(level)
        for place, (row, count) in enumerate(zip(rows, periods, strict=True)):
            law = enumerated(row, count)
            lost = sum(chance * max(total / parts - Fraction(level), Fraction(0)) for total, chance in law.items())
            assert shortage[place] == pytest.approx(float(lost), rel=1e-12, abs=1e-13)
            inside = sum(chance for total, chance in law.items() if total <= Fraction(level) * parts)
            assert covered[place] == pytest.approx(float(inside), rel=1e-12, abs=1e-13)
    for place, (row, count) in enumerate(zip(rows, periods, strict=True)):
        alone = Empirical(samples=np.array(row) / parts).over(LeadTime(mean=count))
        assert [exposed.quantile(p)[place] for p in (0.01, 0.5, 0.99)] == [alone.quantile(p) for p in (0.01, 0.5, 0.99)]


def test_a_table_by_row_is_summed_by_row() -> None:
    values, chances = [[0, 1, 9], [1, 2.5, 3]], [[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]
    both = Discrete(values=values, probabilities=chances).over(LeadTime(mean=[[1], [3]]))
    assert both.batch_shape == (2, 2)
    for (i, count), (j, row) in itertools.product(enumerate([1, 3]), enumerate(zip(values, chances, strict=True))):
        alone = Discrete(values=row[0], probabilities=row[1]).over(LeadTime(mean=count))
        assert both.loss(2.0)[i, j] == pytest.approx(alone.loss(2.0), rel=1e-14)
        assert both.quantile(0.8)[i, j] == alone.quantile(0.8)


def test_no_period_is_no_demand() -> None:
    """The demand that a review period leaves to a lead time of 0."""
    got = service_achieved(
        Empirical(samples=[[0, 4], [0, 4]]), lead_time=LeadTime(mean=[0, 1], review_period=1), level=3, order_quantity=2
    )
    assert got.fill_rate.tolist() == [1 - 0.5 / 2, 1 - (0.25 * 5 + 0.5 * 1 - 0.5) / 2]


def test_one_period_of_any_quantities_takes_the_shape_of_the_lead_times() -> None:
    for demand in (Discrete(values=[1 / 3, 2], probabilities=[0.5, 0.5]), Empirical(samples=[1 / 3, 2])):
        exposed = demand.over(LeadTime(mean=[1, 1, 1]))
        assert exposed.kind == demand.kind
        assert exposed.loss(1.0).tolist() == [demand.loss(1.0)] * 3


@pytest.mark.parametrize(
    ("samples", "lead_time"),
    [
        ([[0, 1], [0, 1]], LeadTime(mean=[2, 2.5])),
        ([[0, 1], [0, 1]], LeadTime(mean=2, sd=[0, 1])),
        ([[0, 1], [0, 1 / 3]], LeadTime(mean=2)),
        ([[0, 1], [0, 1e5]], LeadTime(mean=2)),
        ([[0, 1], [-1, 1]], LeadTime(mean=2.5)),
        ([[0, 1 / 3], [0, 1 / 3]], LeadTime(mean=[1, 2])),
        ([[0, 1], [0, 2.0**41]], LeadTime(mean=2)),
    ],
)
def test_a_batch_that_needs_two_families_is_refused(samples: Any, lead_time: LeadTime) -> None:
    with pytest.raises(InputError) as caught:
        safety_stock(Empirical(samples=samples), lead_time=lead_time, service=CycleService(probability=0.9))
    assert str(caught.value).endswith(f"{MIXED} at index 1")


@pytest.mark.parametrize(("limit", "fits"), [(202, True), (201, False)])
def test_the_tables_of_a_batch_are_bounded_together(monkeypatch: pytest.MonkeyPatch, limit: int, *, fits: bool) -> None:
    """Two items of 101 steps each: refused rather than answered otherwise than alone."""
    batch = Empirical(samples=[[0, 50], [3, 9]])
    monkeypatch.setattr(discrete, "MAX_EXACT_TABLE", limit)
    if fits:
        assert batch.over(LeadTime(mean=2)).kind == "Discrete"
        return
    with pytest.raises(InputError, match="too large together; pass fewer items at a time"):
        batch.over(LeadTime(mean=2))
