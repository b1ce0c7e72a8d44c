"""Price elasticities of many SKUs in one call."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Flags,
    Floats,
    Frame,
    InputError,
    Labels,
    Model,
    PositiveWhole,
    ProbabilityReal,
    Real,
    Text,
    Texts,
    frames,
    validated,
)
from ecomops.stats.glm import PoissonFits, poisson_regressions
from ecomops.stats.shrinkage import shrink_normal

Estimates = Annotated[Array | Any, Floats(core=1, nan=True)]

LARGEST_ELASTICITY = 40.0
LARGEST_LOG_SCALE = 700.0


class ElasticityFit(Model):
    """The price elasticity of each SKU, alone and drawn towards what the SKUs have in common.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.pricing import fit_elasticity
    >>> sales = pd.DataFrame({"sku": ["a"] * 4, "price": [1.0, 2.0, 4.0, 8.0], "units": [64.0, 16.0, 4.0, 1.0]})
    >>> round(float(fit_elasticity(sales, sku="sku", price="price", units="units").elasticity[0]), 6)
    -2.0
    """

    sku: Labels
    """SKUs, shape (n,), sorted."""
    elasticity: Estimates
    """Own-price elasticity, shape (n,); NaN where it cannot be told."""
    standard_error: Estimates
    """Robust standard error, shape (n,); where sales lie on the curve exactly, that of Poisson counts."""
    lower: Estimates
    """Lower end of the interval, shape (n,)."""
    upper: Estimates
    """Upper end of the interval, shape (n,)."""
    shrunken: Estimates
    """Elasticity drawn towards the common mean by how noisy it is, shape (n,); the common mean where it cannot be told."""
    shrunken_error: Estimates
    """Standard deviation of the true elasticity round ``shrunken``, shape (n,)."""
    scale: Estimates
    """Expected units at a price of 1 with controls at their mean, shape (n,)."""
    degrees_of_freedom: Annotated[Array | Any, Floats(core=1, ge=0)]
    """Rows minus coefficients, shape (n,)."""
    rows: Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
    """Rows, shape (n,)."""
    distinct_prices: Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
    """Distinct prices, shape (n,)."""
    price_variation: Annotated[Array | Any, Floats(core=1, ge=0)]
    """Standard deviation over mean of the price, shape (n,)."""
    zero_share: Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
    """Share of rows without a sale, shape (n,)."""
    feasible: Flags
    """Whether the elasticity can be told, shape (n,)."""
    reason: Texts
    """Why not; empty where it can, shape (n,)."""
    common_mean: Real | None
    """Mean elasticity of the SKUs that can be told; none where there is none."""
    common_sd: Real | None
    """Standard deviation of true elasticities between SKUs."""
    confidence: Real
    """Confidence level of the intervals."""
    method: Text
    """How the elasticities were found."""


@validated
def fit_elasticity(
    frame: Frame,
    *,
    sku: Text,
    price: Text,
    units: Text,
    controls: tuple[Text, ...] = (),
    least_prices: PositiveWhole = 3,
    confidence: ProbabilityReal = 0.95,
) -> ElasticityFit:
    """Fit the price elasticity of every SKU by Poisson pseudo-maximum likelihood.

    Parameters
    ----------
    frame : data frame
        One row a SKU and period: price, units sold (0 where nothing sold) and controls.
    sku, price, units : str
        Columns of the SKU (text or whole numbers), the price (> 0) and the units (>= 0).
    controls : tuple of str
        Columns of numbers to hold fixed, such as a promotion flag or a season.
    least_prices : int
        SKUs with fewer distinct prices get no estimate.
    confidence : float
        Confidence level of the intervals, in (0, 1).

    Returns
    -------
    ElasticityFit
        One row a SKU, sorted; NaN and a reason where data do not tell.

    Raises
    ------
    InputError
        When a column is missing or of the wrong type, prices are not positive, units are negative or there are no rows.

    Notes
    -----
    E[units] = exp(a + e log(price) + controls b) by SKU; zeros stay in (a log(units + 1) regression is biased towards 0).
    Standard errors are of the sandwich form HC3 with Student quantiles on rows minus coefficients. Neither the units of
    price and controls nor those of the sales change an elasticity. No estimate is given beyond an elasticity of 40 in
    size: there prices vary too little, or sales stop altogether above some price. The estimates say how
    sales moved with the price: where the shop cut prices because demand fell, they are not causal.

    References
    ----------
    .. [1] Santos Silva & Tenreyro (2006), The Log of Gravity, Review of Economics and Statistics 88(4), 641-658.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.pricing import fit_elasticity
    >>> sales = pd.DataFrame({"sku": ["a"] * 4, "price": [1.0, 2.0, 4.0, 8.0], "units": [64.0, 16.0, 4.0, 1.0]})
    >>> fit = fit_elasticity(sales, sku="sku", price="price", units="units")
    >>> fit.distinct_prices.tolist()
    [4.0]
    """
    columns = {
        "sku": sku,
        "price": price,
        "units": units,
        **{f"controls[{i}]": name for i, name in enumerate(controls)},
    }
    data = frames.read(frame, columns)
    names = [name for name in columns if name != "sku"]
    for name in names:
        found = {"O": "text", "b": "booleans"}.get(data[name].dtype.kind, "numbers")
        if found == "text" or (found == "booleans" and name in {"price", "units"}):
            raise InputError(f"{name} must be numbers, got {found} in column {columns[name]!r}")
    if not data["sku"].size:
        raise InputError("frame has no rows")
    if data["sku"].dtype.kind in "fb":
        found = "numbers with decimals" if data["sku"].dtype.kind == "f" else "booleans"
        raise InputError(f"sku must be text or whole numbers, got {found} in column {sku!r}")
    values = {name: data[name].astype(np.float64) for name in names}
    for name, bad, rule in (("price", values["price"] <= 0, "> 0"), ("units", values["units"] < 0, ">= 0")):
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(
                f"{name} must be {rule}, got {float(values[name][row])} in row {row}; drop or fix those rows"
            )
    group, skus = frames.factorize(data["sku"])
    order = np.argsort(group, kind="stable")
    group = group[order]
    log_price = np.log(values["price"][order])
    extra = [values[name][order] for name in names[2:]]
    design = np.column_stack([np.ones(group.size), log_price, *extra])
    fits = poisson_regressions(group, skus.size, design, values["units"][order])
    return _result(skus, group, values["price"][order], values["units"][order], design, fits, least_prices, confidence)


def _result(
    skus: Any, group: Any, price: Any, units: Any, design: Any, fits: PoissonFits, least_prices: int, confidence: float
) -> ElasticityFit:
    size, rows = skus.size, fits.n
    distinct = np.bincount(group[_new_pairs(group, price)], minlength=size).astype(np.float64)
    mean = np.bincount(group, weights=price, minlength=size) / rows
    spread = np.sqrt(
        np.maximum(np.bincount(group, weights=np.square(price / mean[group] - 1.0), minlength=size) / rows, 0.0)
    )
    total = np.bincount(group, weights=units, minlength=size)
    freedom = np.maximum(rows - design.shape[1], 0.0)
    level = _level(fits, design, group, size)
    reason = np.full(size, "", dtype=object)
    for text, where in (
        (
            "units at a price of 1 are too far from the data: give prices in another unit",
            np.abs(level) > LARGEST_LOG_SCALE,
        ),
        (
            "elasticity beyond 40: prices vary too little, or sales stop above some price",
            np.abs(fits.coefficients[:, 1]) > LARGEST_ELASTICITY,
        ),
        (
            "the regression did not settle: price and controls do not vary apart, or sales stop at some of their values",
            ~fits.converged,
        ),
        ("no more rows than coefficients", freedom < 1),
        (f"fewer than {least_prices} distinct prices: try another price", distinct < least_prices),
        ("nothing was sold", total <= 0),
    ):
        reason[where] = text
    told = reason == ""
    elasticity = np.where(told, fits.coefficients[:, 1], np.nan)
    error = np.where(told, np.sqrt(np.where(told, fits.covariance[:, 1, 1], 0.0)), np.nan)
    width = special.stdtrit(np.maximum(freedom, 1.0), 0.5 + confidence / 2) * error
    shrunken, shrunken_error, common = _shrunken(elasticity, error, told)
    return ElasticityFit(
        sku=skus,
        elasticity=elasticity,
        standard_error=error,
        lower=elasticity - width,
        upper=elasticity + width,
        shrunken=shrunken,
        shrunken_error=shrunken_error,
        scale=np.where(told, np.exp(np.where(told, level, 0.0)), np.nan),
        degrees_of_freedom=freedom,
        rows=rows,
        distinct_prices=distinct,
        price_variation=spread,
        zero_share=np.bincount(group, weights=units == 0, minlength=size) / rows,
        feasible=told,
        reason=reason,
        common_mean=common[0],
        common_sd=common[1],
        confidence=confidence,
        method="Poisson pseudo-maximum likelihood, HC3 errors, normal empirical Bayes",
    )


def _new_pairs(group: Any, price: Any) -> Any:
    """Return one row for each distinct pair of SKU and price."""
    order = np.lexsort((price, group))
    new = np.ones(group.size, dtype=bool)
    new[1:] = (group[order][1:] != group[order][:-1]) | (price[order][1:] != price[order][:-1])
    return order[new]


def _shrunken(elasticity: Any, error: Any, told: Any) -> tuple[Any, Any, tuple[float | None, float | None]]:
    if not told.any():
        return np.full(told.size, np.nan), np.full(told.size, np.nan), (None, None)
    common = shrink_normal(elasticity[told], error[told])
    value = np.full(told.size, common.mean)
    # Without data of its own an SKU may lie anywhere among the others, and their mean is not known exactly either.
    spread = np.full(told.size, np.hypot(common.sd, common.mean_error))
    value[told], spread[told] = common.value, common.standard_error
    return value, spread, (common.mean, common.sd)


def _level(fits: PoissonFits, design: Any, group: Any, size: int) -> Any:
    """Return the logarithm of expected units at a price of 1 with controls at their mean; NaN where not settled."""
    means = [np.bincount(group, weights=column, minlength=size) / fits.n for column in design[:, 2:].T]
    level = fits.coefficients[:, 0].copy()
    for place, mean in enumerate(means, start=2):
        level += fits.coefficients[:, place] * mean
    return level
