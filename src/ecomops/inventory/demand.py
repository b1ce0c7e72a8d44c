"""Demand drawn from a distribution."""

from __future__ import annotations

import numpy as np

from ecomops.core import Array, PositiveWhole, Rng, validated
from ecomops.stats.distributions import Demand, Discrete


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

    References
    ----------
    .. [1] Devroye, Non-Uniform Random Variate Generation (1986), section II.2.

    Examples
    --------
    >>> from ecomops.inventory import Poisson, simulate_demand
    >>> simulate_demand(Poisson(mean=3), periods=4, rng=1).tolist()
    [3.0, 6.0, 1.0, 6.0]
    """
    # 2**-53 keeps the smallest and the largest draw off 0 and 1.
    uniform = np.clip(rng.random((periods, *demand.batch_shape)), 2.0**-53, 1.0 - 2.0**-53)
    rest = 1.0 - uniform
    if isinstance(demand, Discrete):
        return np.stack([demand._quantile(row, one) for row, one in zip(uniform, rest, strict=True)])  # noqa: SLF001
    return np.asarray(demand._quantile(uniform, rest), dtype=np.float64)  # noqa: SLF001
