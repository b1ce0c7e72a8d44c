"""Listed and sampled demand against plain sums, and sums over periods against enumeration."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.inventory import Discrete, Empirical, LeadTime
from ecomops.stats import discrete

SAMPLES = st.lists(st.integers(-20, 60), min_size=1, max_size=12)


def expected(values: Any, chances: Any, function: Any) -> float:
    return float(sum(Fraction(float(c)) * Fraction(function(float(v))) for v, c in zip(values, chances, strict=True)))


@given(SAMPLES, st.integers(-30, 70))
def test_expectations_are_the_plain_sums(samples: list[int], level: int) -> None:
    n = len(samples)
    demand = Empirical(samples=samples)
    assert demand.mean == pytest.approx(sum(samples) / n, rel=1e-14, abs=1e-14)
    centre = Fraction(sum(samples), n)
    assert demand.variance == pytest.approx(float(sum((x - centre) ** 2 for x in samples) / n), rel=1e-12, abs=1e-12)
    assert demand.cdf(level) == pytest.approx(sum(x <= level for x in samples) / n, abs=1e-15)
    assert demand.sf(level) == pytest.approx(sum(x > level for x in samples) / n, abs=1e-15)
    assert demand.loss(level) == pytest.approx(sum(max(x - level, 0) for x in samples) / n, rel=1e-14)
    assert demand.complementary_loss(level) == pytest.approx(sum(max(level - x, 0) for x in samples) / n, rel=1e-14)
    assert demand.second_loss(level) == pytest.approx(sum(max(x - level, 0) ** 2 for x in samples) / n / 2, rel=1e-14)


@given(SAMPLES)
def test_a_sample_and_its_table_are_one_law(samples: list[int]) -> None:
    values, counts = np.unique(samples, return_counts=True)
    table, seen = Discrete(values=values, probabilities=counts / counts.sum()), Empirical(samples=samples)
    levels = np.arange(-25.0, 65.0, 0.5)
    for name in ("cdf", "sf", "loss", "complementary_loss", "second_loss"):
        np.testing.assert_allclose(getattr(table, name)(levels), getattr(seen, name)(levels), rtol=1e-12, atol=1e-13)
    probability = (np.arange(50) + 0.5) / 50
    assert table.quantile(probability).tolist() == seen.quantile(probability).tolist()


@given(SAMPLES, st.floats(0.001, 0.999))
def test_a_quantile_is_the_smallest_seen_quantity_that_covers(samples: list[int], probability: float) -> None:
    q = Empirical(samples=samples).quantile(probability)
    enough = [x for x in sorted(samples) if sum(y <= x for y in samples) >= probability * len(samples) * (1 - 1e-12)]
    assert q == enough[0]


@given(SAMPLES, st.randoms())
def test_the_order_of_the_samples_does_not_matter(samples: list[int], random: Any) -> None:
    mixed = list(samples)
    random.shuffle(mixed)
    one, other = Empirical(samples=samples), Empirical(samples=mixed)
    assert one.mean == pytest.approx(other.mean, rel=1e-12, abs=1e-12)
    assert one.quantile([0.2, 0.9]).tolist() == other.quantile([0.2, 0.9]).tolist()
    assert one.over(LeadTime(mean=2)).loss(3) == pytest.approx(other.over(LeadTime(mean=2)).loss(3), rel=1e-12)


def test_a_tie_takes_the_smaller_quantity() -> None:
    """.1 + .2 is a little more than .3, and three tenths a little less: both are the step."""
    table = Discrete(values=[0, 1, 2], probabilities=[0.1, 0.2, 0.7])
    assert table.quantile([0.1, 0.3, 0.1 + 0.2, 0.3 + 1e-9]).tolist() == [0.0, 1.0, 1.0, 2.0]
    seen = Empirical(samples=np.arange(10))
    assert seen.quantile((np.arange(9) + 1) / 10).tolist() == list(range(9))


def test_the_last_quantity_covers_everything() -> None:
    """Probabilities that add up to a bit less than 1 leave no fractile without an answer."""
    table = Discrete(values=[1, 2], probabilities=[0.5, 0.5 - 4e-10])
    assert table.quantile(1 - 1e-15) == 2.0


def test_rows_of_a_batch_are_independent() -> None:
    values, chances = [[0.0, 1.0], [5.0, 9.0]], [[0.5, 0.5], [0.25, 0.75]]
    both = Discrete(values=values, probabilities=chances)
    singles = [Discrete(values=v, probabilities=c) for v, c in zip(values, chances, strict=True)]
    for name, level in (("loss", 0.5), ("cdf", 1.0), ("sf", 5.0), ("second_loss", 0.0), ("quantile", 0.4)):
        assert getattr(both, name)(level).tolist() == [getattr(one, name)(level) for one in singles]
    assert both.quantile([[0.1], [0.6]]).tolist() == [[0.0, 5.0], [1.0, 9.0]]
    assert both.mean.tolist() == [one.mean for one in singles]
    shared = Discrete(values=[0.0, 1.0], probabilities=chances)
    assert shared.quantile(0.4).tolist() == [0.0, 1.0]
    samples = Empirical(samples=[[3.0, 1.0], [4.0, 4.0]])
    assert samples.quantile([0.5, 0.9]).tolist() == [1.0, 4.0]
    assert samples.loss([0.0, 5.0]).tolist() == [2.0, 0.0]


def test_many_levels_are_taken_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    demand, levels = Empirical(samples=[0.0, 2.0, 7.0]), np.linspace(-1, 9, 24).reshape(4, 6)
    whole = demand.loss(levels)
    monkeypatch.setattr(discrete, "BLOCK", 10)
    assert demand.loss(levels).tolist() == whole.tolist()
    assert whole.shape == (4, 6)


@pytest.mark.parametrize("periods", [2, 3, 4])
def test_demand_over_periods_is_enumerated(periods: int) -> None:
    """Every sequence of demands, one by one, against the convolution."""
    values, chances = [-1, 0, 3, 7], [0.1, 0.4, 0.3, 0.2]
    exposed: Any = Discrete(values=values, probabilities=chances).over(LeadTime(mean=periods))
    found: dict[float, float] = {}
    for sequence in itertools.product(range(4), repeat=periods):
        total = float(sum(values[i] for i in sequence))
        found[total] = found.get(total, 0.0) + math.prod(chances[i] for i in sequence)
    assert exposed.values.tolist() == sorted(found)
    np.testing.assert_allclose(exposed.probabilities, [found[key] for key in sorted(found)], rtol=1e-13)


def test_a_table_that_nearly_adds_up_to_one_does_so_over_periods() -> None:
    """What is missing in one period, within the allowed 1e-9, does not pile up in ten."""
    exposed: Any = Discrete(values=[0, 1], probabilities=[0.5, 0.5 - 9e-10]).over(LeadTime(mean=10))
    assert exposed.probabilities.sum() == pytest.approx(1.0, rel=1e-15)


def test_samples_over_periods_are_enumerated() -> None:
    samples = [0, 0, 4, 1]
    exposed: Any = Empirical(samples=samples).over(LeadTime(mean=1, review_period=1))
    sums = [a + b for a in samples for b in samples]
    values, counts = np.unique(sums, return_counts=True)
    assert exposed.values.tolist() == values.tolist()
    np.testing.assert_allclose(exposed.probabilities, counts / 16, rtol=1e-14)


def test_one_period_changes_nothing() -> None:
    for demand in (Discrete(values=[0.5, 2], probabilities=[0.5, 0.5]), Empirical(samples=[0.5, 2])):
        assert demand.over(LeadTime(mean=1)) == demand


def test_a_batch_over_periods_shares_its_support() -> None:
    batch: Any = Empirical(samples=[[0, 1, 1, 0], [3, 3, 5, 5]]).over(LeadTime(mean=2))
    for row, samples in enumerate(([0, 1, 1, 0], [3, 3, 5, 5])):
        one = Empirical(samples=samples).over(LeadTime(mean=2))
        assert batch.loss(4)[row] == pytest.approx(one.loss(4), rel=1e-14)
    several: Any = Discrete(values=[0, 1], probabilities=[0.5, 0.5]).over(LeadTime(mean=[2, 2, 2]))
    assert several.batch_shape == (3,)
    assert several.mean.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("demand", "lead_time", "kind"),
    [
        (Empirical(samples=[0, 1]), LeadTime(mean=2, sd=1), "Gamma"),
        (Empirical(samples=[0, 1]), LeadTime(mean=2.5), "Gamma"),
        (Empirical(samples=[0, 1]), LeadTime(mean=[2, 3], sd=1), "Gamma"),
        (Empirical(samples=[1 / 3, 1]), LeadTime(mean=2), "Gamma"),
        (Empirical(samples=[-1, 1]), LeadTime(mean=2.5), "Normal"),
        (Empirical(samples=[0, 0]), LeadTime(mean=2.5), "Gamma"),
        (Empirical(samples=[0, 10**6]), LeadTime(mean=2), "Gamma"),
        (Discrete(values=[0, 60_000], probabilities=[0.5, 0.5]), LeadTime(mean=2), "Gamma"),
        (Discrete(values=[1 / 3, 1], probabilities=[0.5, 0.5]), LeadTime(mean=2), "Gamma"),
        (Empirical(samples=[5, 5]), LeadTime(mean=10**6), "Gamma"),
        (Discrete(values=[-1, 1], probabilities=[0, 1]), LeadTime(mean=1, sd=1), "Gamma"),
        (Discrete(values=[-2, 1], probabilities=[0.5, 0.5]), LeadTime(mean=1, sd=1), "Normal"),
    ],
)
def test_where_no_exact_sum_is_to_be_had_two_moments_are_kept(demand: Any, lead_time: LeadTime, kind: str) -> None:
    exposed = demand.over(lead_time)
    assert exposed.kind == kind
    periods, uncertain = np.asarray(lead_time.protection), np.asarray(lead_time.variance)
    np.testing.assert_allclose(exposed.mean, demand.mean * periods, rtol=1e-14)
    total = periods * demand.variance + np.square(demand.mean) * uncertain
    np.testing.assert_allclose(exposed.variance, total, rtol=1e-14)


def test_an_empty_batch_stays_empty() -> None:
    nothing = Empirical(samples=np.zeros((0, 4)))
    assert nothing.mean.shape == (0,)
    assert nothing.quantile(0.5).shape == (0,)
    assert nothing.over(LeadTime(mean=2)).loss(1.0).shape == (0,)


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        (
            {"values": [0, 1], "probabilities": [1.0]},
            "Discrete: values and probabilities must be equally long, got 2 and 1",
        ),
        (
            {"values": [0, 0], "probabilities": [0.5, 0.5]},
            "Discrete: values must be in ascending order without repeats at index 0",
        ),
        (
            {"values": [0, 1], "probabilities": [[0.5, 0.5], [0.5, 0.4]]},
            "Discrete: probabilities must sum to 1, got 0.9 at index 1",
        ),
        ({"values": [0, 1], "probabilities": [1.5, -0.5]}, "Discrete: probabilities must be >= 0, got -0.5 at index 1"),
        ({"values": [], "probabilities": []}, "Discrete: values must not be an empty sample, got shape (0,)"),
    ],
)
def test_tables_that_are_no_law_are_refused(given_: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        Discrete(**given_)
    assert str(caught.value).split("\n")[0] == text
