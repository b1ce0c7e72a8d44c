"""Demand drawn from a distribution."""

from __future__ import annotations

import numpy as np

from ecomops.core import Array, PositiveWhole, Rng, validated
from ecomops.stats.distributions import Demand, is_counted


@validated
def simulate_demand(demand: Demand, *, periods: PositiveWhole, rng: Rng = None) -> Array:
    """Draw demand for a number of periods, independent from period to period.

    Parameters
    ----------
    demand : Demand
        The distribution per period, scalar or batch shape (n,).
    periods : int
        Number of periods T, >= 1.
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    array, shape (T,) or (T, n)
        Units per period. Negative draws of a normal demand stay as they are.

    Notes
    -----
    Draws by inversion, D = F^{-1}(U), so that one seed gives comparable paths for different distributions.

    Examples
    --------
    >>> from ecomops.inventory import Poisson, simulate_demand
    >>> simulate_demand(Poisson(mean=3), periods=4, rng=1).tolist()
    [3.0, 6.0, 1.0, 6.0]
    """
    shape = (periods, *demand.batch_shape)
    uniform = np.clip(rng.random(shape), 1e-16, 1 - 1e-16)
    if is_counted(demand) and demand.batch_shape and hasattr(demand, "samples"):
        return np.stack([demand.quantile(row) for row in uniform])
    return np.asarray(demand.quantile(uniform), dtype=np.float64)
