"""Differences of means and ratios averaged over strata."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ecomops.core import InputError, Text, Vector, validated
from ecomops.experiments.adjusted.regression import cells_of, pooled_slopes, satterthwaite, within
from ecomops.experiments.adjusted.strata import MomentsByStratum
from ecomops.experiments.means import Arm, Ratio, check_arms, columns_of, named, pair_of
from ecomops.stats.estimate import Estimate
from ecomops.stats.moments import Moments

Target = Literal["population", "sample"]


@validated
def poststratified_difference(
    strata: MomentsByStratum,
    *,
    treatment: Arm,
    control: Arm,
    metric: Text | Ratio,
    adjust: tuple[Text, ...] = (),
    shares: Vector | None = None,
    target: Target = "population",
) -> Estimate:
    """Return the difference of a metric averaged over strata, so that a chance imbalance between them does not count.

    Parameters
    ----------
    strata : MomentsByStratum
        Moments of the arms in each of m strata that were known before the treatment.
    treatment, control : str or int
        Names of the two arms.
    metric : str or Ratio
        A column, or a ratio of two, each averaged over the strata.
    adjust : tuple of str
        Covariates within the strata, with one slope for all of them (CUPED).
    shares : array, shape (m,), optional
        Known shares of the strata in the population, >= 0, in any scale; by default those of the units of both arms.
    target : {"population", "sample"}
        Whether the units are a sample of those to come, so that their shares are uncertain, or all that matter. Known shares
        are not uncertain.

    Returns
    -------
    Estimate
        Treatment minus control, averaged over the strata, with the control's level so averaged as baseline.

    Raises
    ------
    InputError
        When a stratum has fewer than 2 units in an arm: `MomentsByStratum.merged` joins such strata, and says which.

    Notes
    -----
    The value is ``sum w_k (y_tk - y_ck)`` and its variance ``sum w_k^2 (s_tk^2 / n_tk + s_ck^2 / n_ck)``, given how many
    units each arm has in each stratum; "population" adds ``sum w_k (d_k - d)^2 / n`` for the effects d_k of the strata.

    References
    ----------
    .. [1] Miratrix, Sekhon & Yu (2013), Adjusting treatment effect estimates by post-stratification in randomized experiments,
       JRSS B 75(2), 369-396, section 3.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import MomentsByStratum, poststratified_difference
    >>> rows = pd.DataFrame(
    ...     {
    ...         "arm": list("aaaabbaabbbb"),
    ...         "device": ["app"] * 6 + ["web"] * 6,
    ...         "spend": [1.0, 2, 3, 2, 4, 2, 10, 12, 13, 11, 12, 12],
    ...     }
    ... )
    >>> strata = MomentsByStratum.from_frame(rows, by="arm", stratum="device", columns=("spend",))
    >>> found = poststratified_difference(strata, treatment="b", control="a", metric="spend")
    >>> found.value, round(found.standard_error, 4)
    (1.0, 0.7638)
    """
    pairs = stratum_pairs(strata, (treatment, control), metric, adjust)
    n = np.array([[part.n for part in pair] for pair in pairs])
    weight, known = n.sum(axis=1) / n.sum(), shares is not None
    if shares is not None:
        if shares.shape != weight.shape or shares.min() < 0 or not shares.max() > 0:
            raise InputError(
                f"shares must be >= 0, one a stratum of {weight.size}, and not all 0, got {shares.tolist()}"
            )
        weight = shares / shares.max()
        weight = weight / weight.sum()
    cells = cells_of(pairs, columns_of(metric), adjust, weight)
    slopes = pooled_slopes(cells, adjust)
    gap, left = cells.centre[:, 0] - cells.centre[:, 1], slopes.residual(cells)
    effect = cells.level[:, 0] - cells.level[:, 1] - slopes.fitted(gap)
    value, baseline = weight @ effect, weight @ cells.level[:, 1]
    per_unit = np.square(weight)[:, None] / (n - 1.0) / n
    errors = per_unit * left
    of_baseline = (per_unit * cells.spread)[:, 1].sum()
    common = -(per_unit * (cells.spread - slopes.fitted(cells.shared)))[:, 1].sum()
    of_shares = 0.0
    if target == "population" and not known:
        apart, levels = effect - value, cells.level[:, 1] - baseline
        of_shares = weight @ np.square(apart) / n.sum()
        of_baseline, common = (
            of_baseline + weight @ np.square(levels) / n.sum(),
            common + weight @ (apart * levels) / n.sum(),
        )
    error, baseline_error = np.sqrt(errors.sum() + of_shares), np.sqrt(of_baseline)
    covariates = f", adjusted for {len(adjust)} covariate(s)" if adjust else ""
    scope = "known shares" if known else target
    return Estimate(
        value=value,
        standard_error=error,
        degrees_of_freedom=satterthwaite([*errors.ravel(), of_shares], [*(n - 1.0).ravel(), n.sum() - 1.0]),
        baseline=baseline,
        baseline_error=baseline_error,
        covariance=within(common, error, baseline_error),
        n_treatment=n[:, 0].sum(),
        n_control=n[:, 1].sum(),
        method=f"difference of {named(metric)}, post-stratified over {weight.size} strata{covariates}, {scope}",
    )


def stratum_pairs(
    strata: MomentsByStratum, arms: tuple[str | int, str | int], metric: str | Ratio, adjust: tuple[str, ...]
) -> list[tuple[Moments, Moments]]:
    """Return treatment and control of each stratum once they hold the columns and at least 2 units."""
    check_arms(arms, metric, adjust)
    return [
        pair_of(part, arms, metric, adjust, f" in stratum {name!r}; join small strata with merged() first")
        for name, part in zip(strata.strata.tolist(), strata.moments, strict=True)
    ]
