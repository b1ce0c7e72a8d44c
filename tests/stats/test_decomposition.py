"""The Shapley value of a product against its definition over all orders, and its variance against finite differences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.stats.decomposition import shapley_of_product, shapley_variances

rates = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5)


def by_orders(before: list[float], after: list[float]) -> list[float]:
    """Change the factors one after the other, in every order, and average what each adds."""
    size = len(before)
    found = [0.0] * size
    for order in itertools.permutations(range(size)):
        point = list(before)
        for factor in order:
            old = math.prod(point)
            point[factor] = after[factor]
            found[factor] += (math.prod(point) - old) / math.factorial(size)
    return found


@given(rates)
def test_it_is_the_mean_over_all_orders(pairs: Any) -> None:
    before, after = (list(part) for part in zip(*pairs, strict=True))
    found = shapley_of_product(np.array(before), np.array(after))
    np.testing.assert_allclose(found, by_orders(before, after), rtol=0, atol=1e-14)
    assert found.sum() == pytest.approx(math.prod(after) - math.prod(before), abs=1e-14)
    np.testing.assert_allclose(shapley_of_product(np.array(after), np.array(before)), -found, rtol=0, atol=1e-15)


@pytest.mark.parametrize("size", [1, 2, 3, 12, 40])
def test_many_factors_still_add_up(size: int) -> None:
    rng = np.random.default_rng(size)
    before, after = rng.random((2, 7, size))
    found = shapley_of_product(before, after)
    np.testing.assert_allclose(found.sum(axis=1), after.prod(axis=1) - before.prod(axis=1), rtol=0, atol=1e-15)


@given(rates.filter(lambda pairs: len(pairs) > 1))
def test_the_variance_is_that_of_the_slopes(pairs: Any) -> None:
    before, after = (np.array(part) for part in zip(*pairs, strict=True))
    size, step = before.size, 1e-4
    variances = np.linspace(1, 2, size), np.linspace(3, 1, size)
    expected = np.zeros(size)
    for side, variance in enumerate(variances):
        for factor in range(size):
            up, down = [before.copy(), after.copy()], [before.copy(), after.copy()]
            up[side][factor] += step
            down[side][factor] -= step
            slope = (shapley_of_product(*up) - shapley_of_product(*down)) / (2 * step)
            expected += slope**2 * variance[factor]
    np.testing.assert_allclose(shapley_variances(before, after, *variances), expected, rtol=1e-6, atol=1e-9)
