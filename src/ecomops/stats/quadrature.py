"""Nodes and weights of numerical integration."""

from __future__ import annotations

from typing import Any

import numpy as np


def unit_gauss_legendre(count: int) -> tuple[Any, Any]:
    """Return nodes and weights of Gauss-Legendre integration on [0, 1], exact for polynomials below degree 2 count."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1.0) / 2.0, weights / 2.0
