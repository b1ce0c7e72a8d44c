"""Quadrature nodes against the integrals of powers."""

from __future__ import annotations

import numpy as np
import pytest

from ecomops.stats.quadrature import unit_gauss_legendre


@pytest.mark.parametrize("count", [1, 8, 10])
def test_powers_below_twice_the_number_of_nodes_are_exact(count: int) -> None:
    nodes, weights = unit_gauss_legendre(count)
    for power in range(2 * count):
        assert np.sum(weights * nodes**power) == pytest.approx(1 / (power + 1), rel=1e-13)
    assert np.sum(weights * nodes ** (2 * count)) != pytest.approx(1 / (2 * count + 1), rel=1e-13)
