"""Adjusted p-values: published families, closed testing by brute force, scipy, and what theory says of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import adjust_p_values

METHODS = ("bonferroni", "holm", "hochberg", "hommel", "benjamini-hochberg", "benjamini-yekutieli")
THROMBOLYSIS = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528,
                0.759, 1.0]  # fmt: skip
# Ties, zeros and ones are where procedures go wrong.
p_value = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1e-300, 0.01, 0.02, 0.025, 0.05, 0.5, 1.0]))
families = st.lists(p_value, min_size=1, max_size=7)


def closed(p: NDArray[np.float64], local: Callable[[NDArray[np.float64]], float]) -> list[float]:
    """Closed testing by its definition: the largest local p-value over all sets that hold the hypothesis."""
    places = range(p.size)
    tested = {s: local(p[list(s)]) for size in range(1, p.size + 1) for s in itertools.combinations(places, size)}
    return [max(value for s, value in tested.items() if place in s) for place in places]


def simes(p: NDArray[np.float64]) -> float:
    return min(float((np.sort(p) * p.size / np.arange(1, p.size + 1)).min()), 1.0)


def bonferroni(p: NDArray[np.float64]) -> float:
    return min(p.size * float(p.min()), 1.0)


def hochberg_by_steps(p: NDArray[np.float64], level: float) -> set[int]:
    """Hochberg by its definition: reject down from the largest p-value that meets its limit."""
    order = np.argsort(-p, kind="stable")
    for place, i in enumerate(order):
        if p[i] <= level / (place + 1):
            return set(order[place:].tolist())
    return set()


def test_the_thrombolysis_family_of_benjamini_and_hochberg() -> None:
    found = {method: adjust_p_values(THROMBOLYSIS, method=method) for method in METHODS}
    rejected = {method: int(one.reject.sum()) for method, one in found.items()}
    assert rejected["benjamini-hochberg"] == 4
    assert [rejected[name] for name in ("bonferroni", "holm", "hochberg")] == [3, 3, 3]
    np.testing.assert_allclose(
        found["benjamini-hochberg"].p_adjusted[:9],
        [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0638571, 0.0638571, 0.0645, 0.0765],
        atol=5.1e-8,
    )
    np.testing.assert_allclose(
        found["holm"].p_adjusted,
        [0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, *[1.0] * 6],
        atol=5.1e-5,
    )
    np.testing.assert_allclose(found["hochberg"].p_adjusted[6:9], [0.2682, 0.2752, 0.3213], atol=5.1e-5)


@given(families)
def test_holm_is_closed_bonferroni_and_hommel_closed_simes(values: list[float]) -> None:
    p = np.array(values)
    np.testing.assert_allclose(adjust_p_values(p, method="holm").p_adjusted, closed(p, bonferroni), rtol=1e-13)
    np.testing.assert_allclose(adjust_p_values(p, method="hommel").p_adjusted, closed(p, simes), rtol=1e-13)


@given(families, st.sampled_from([0.001, 0.01, 0.05, 0.2, 0.6]))
def test_hochberg_by_its_steps(values: list[float], level: float) -> None:
    p = np.array(values)
    found = adjust_p_values(p, method="hochberg", level=level)
    if np.min(np.abs(np.asarray(found.p_adjusted) - level)) > 1e-12:
        assert set(np.flatnonzero(found.reject).tolist()) == hochberg_by_steps(p, level)


@given(st.lists(p_value, min_size=1, max_size=40))
def test_false_discovery_rates_are_those_of_scipy(values: list[float]) -> None:
    for method, name in (("benjamini-hochberg", "bh"), ("benjamini-yekutieli", "by")):
        expected = stats.false_discovery_control(values, method=name)
        np.testing.assert_allclose(adjust_p_values(values, method=method).p_adjusted, expected, rtol=1e-13)


@pytest.mark.parametrize("k", [1, 2, 3, 31, 32, 33, 100])
def test_hommel_is_simes_over_the_worst_set_of_each_size(k: int) -> None:
    for shape in (1, 5):
        p = np.sort(np.random.default_rng(k).random(k) ** shape)
        expected = [
            max(simes(np.concatenate([p[[i]], np.delete(p, i)[k - size :]])) for size in range(1, k + 1))
            for i in range(k)
        ]
        np.testing.assert_allclose(adjust_p_values(p, method="hommel").p_adjusted, expected, rtol=1e-13)


@given(st.lists(p_value, min_size=1, max_size=30), st.randoms())
def test_what_theory_says(values: list[float], random: Any) -> None:
    found = {method: np.asarray(adjust_p_values(values, method=method).p_adjusted) for method in METHODS}
    slack = 1e-13
    for one, other in itertools.pairwise(("hommel", "hochberg", "holm", "bonferroni")):
        assert np.all(found[one] <= found[other] + slack)
    assert np.all(found["benjamini-hochberg"] <= found["hommel"] + slack)
    assert np.all(found["benjamini-hochberg"] <= found["benjamini-yekutieli"] + slack)
    order = list(range(len(values)))
    random.shuffle(order)
    for method, adjusted in found.items():
        assert np.all(adjusted >= np.array(values) - slack)
        assert np.all(np.diff(adjusted[np.argsort(values)]) >= 0)
        again = adjust_p_values([values[place] for place in order], method=method)
        np.testing.assert_array_equal(again.p_adjusted, adjusted[order])
        assert np.array_equal(again.reject, np.asarray(again.p_adjusted) <= 0.05)


@pytest.mark.parametrize("method", METHODS)
def test_families_stand_in_rows(method: Any) -> None:
    p = np.random.default_rng(0).random((4, 9)) ** 3
    found = adjust_p_values(p, method=method)
    np.testing.assert_array_equal(found.p_adjusted, [adjust_p_values(row, method=method).p_adjusted for row in p])
    assert found.reject.shape == (4, 9)
    assert adjust_p_values(0.03, method=method).p_adjusted == 0.03
    assert adjust_p_values(0.03, method=method).reject is True
    assert adjust_p_values([], method=method).p_adjusted.shape == (0,)
    assert adjust_p_values(np.zeros((3, 0)), method=method).reject.shape == (3, 0)
    np.testing.assert_array_equal(adjust_p_values([0.0, 0.0, 1.0], method=method).p_adjusted, [0, 0, 1])


def test_names_and_what_is_controlled() -> None:
    found = adjust_p_values(pd.Series([0.01, 0.2], index=["revenue", "orders"]))
    assert found.to_frame()["p_adjusted"].to_dict() == {"revenue": 0.02, "orders": 0.2}
    assert (found.method, found.error_rate, found.assumption) == ("holm", "family-wise error rate", "none")
    rate = adjust_p_values([0.01], method="benjamini-hochberg")
    assert (rate.error_rate, rate.assumption) == (
        "false discovery rate",
        "independent or positively dependent tests",
    )


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_error_rates_by_simulation(correlation: float) -> None:
    """6 of 10 one-sided hypotheses are true, the others 2.5 errors away."""
    runs, level, rng = 20_000, 0.05, np.random.default_rng(5)
    shift = np.where(np.arange(10) < 6, 0.0, 2.5)
    z = np.sqrt(1 - correlation) * rng.normal(size=(runs, 10)) + np.sqrt(correlation) * rng.normal(size=(runs, 1))
    p = stats.norm.sf(z + shift)
    limit = level + 3.29 * np.sqrt(level * (1 - level) / runs)
    powers = {}
    for method in METHODS:
        reject = np.asarray(adjust_p_values(p, method=method, level=level).reject)
        wrong = reject[:, :6].sum(axis=1)
        powers[method] = reject[:, 6:].mean()
        if method.startswith("benjamini"):
            assert np.mean(wrong / np.maximum(reject.sum(axis=1), 1)) <= 0.6 * level + (limit - level)
        else:
            assert np.mean(wrong > 0) <= limit
    assert powers["bonferroni"] < powers["holm"] < powers["hochberg"] < powers["hommel"] < powers["benjamini-hochberg"]


@pytest.mark.parametrize(
    ("values", "options", "text"),
    [
        ([0.1, 1.5], {}, "p_values must be <= 1, got 1.5 at index 1"),
        ([-0.1], {}, "p_values must be >= 0, got -0.1 at index 0"),
        ([0.1, float("nan")], {}, "p_values must be finite, got nan at index 1"),
        (["0.1"], {}, "p_values must be numbers, got str '0.1' at index 0"),
        ([0.1], {"level": 1.0}, "level must be < 1, got 1.0"),
    ],
)
def test_refusals(values: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        adjust_p_values(values, **options)
    assert str(caught.value) == f"adjust_p_values: {text}"
    with pytest.raises(InputError, match="^adjust_p_values: method must be 'bonferroni', 'holm'"):
        adjust_p_values([0.1], method="sidak")  # type: ignore[arg-type]
