"""A/A tests on one's own data: how often a test cries wolf where nothing was changed, and how often it sees what was."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Floats,
    FractionReal,
    Frame,
    InputError,
    Model,
    NonNegativeReal,
    PositiveWhole,
    ProbabilityReal,
    Real,
    Rng,
    Text,
    frames,
    validated,
)
from ecomops.experiments.means import Ratio, VarianceMethod, check_arms, columns_of, named
from ecomops.experiments.random_splits import split_differences, split_moments
from ecomops.stats.estimate import Estimate

FEWEST = 20
"""Splits with an answer below which nothing is said."""
Values = Annotated[Array | Any, Floats(core=2)]
PValues = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]


class AASimulation(Model):
    """What a test said about many random splits of the same units.

    Examples
    --------
    >>> import numpy as np
    >>> from ecomops.experiments import simulate_aa
    >>> orders = np.random.default_rng(1).poisson(0.3, (5000, 1))
    >>> simulate_aa(orders, columns=("orders",), metric="orders", splits=2000, rng=2).verdict
    'holds'
    """

    rejection_rate: FractionReal
    """Share of the splits that the test rejected: the type-I error without a lift, the power with one."""
    lower: FractionReal
    """Lower end of its exact interval (Clopper-Pearson)."""
    upper: FractionReal
    """Upper end of its exact interval."""
    alpha: ProbabilityReal
    """Level of the test."""
    confidence: ProbabilityReal
    """Confidence level of the interval."""
    rejections: NonNegativeReal
    """Number of splits that the test rejected."""
    splits: NonNegativeReal
    """Number of splits that had an answer."""
    unanswered: NonNegativeReal
    """Number of splits that had none: an arm of fewer than 2 units, no variation, or a denominator that is not > 0."""
    uniformity: FractionReal
    """Greatest distance of the law of the p-values from the uniform one (Kolmogorov-Smirnov)."""
    uniformity_p_value: FractionReal
    """Probability of one so great if the p-values are uniform."""
    error_ratio: NonNegativeReal
    """Standard deviation of the differences over the root mean square of their standard errors: 1 where the errors are right."""
    p_values: PValues
    """The p-values of the splits that had an answer."""
    verdict: Text
    """"holds", "rejects too often", "rejects too seldom", "p-values are not uniform", "too few splits", or "power" with a lift."""
    reason: Text
    """What the verdict rests on."""
    method: Text
    """The test."""


@validated
def simulate_aa(
    values: Values,
    *,
    columns: tuple[Text, ...],
    metric: Text | Ratio,
    adjust: tuple[Text, ...] = (),
    variance: VarianceMethod = "welch",
    splits: PositiveWhole = 10_000,
    share: ProbabilityReal = 0.5,
    lift: Real = 0.0,
    alpha: ProbabilityReal = 0.05,
    confidence: ProbabilityReal = 0.99,
    rng: Rng = None,
) -> AASimulation:
    """Split units at random many times, test each split, and say whether the test keeps its level on these data.

    Parameters
    ----------
    values : array, shape (n, k)
        One row a unit of randomisation, n >= 4.
    columns : tuple of str
        Names of the k columns.
    metric : str or Ratio
        A column, or a ratio of two.
    adjust : tuple of str
        Covariates, as for `difference`.
    variance : {"welch", "pooled", "normal"}
        As for `difference`.
    splits : int
        Number of splits.
    share : float
        Probability that a unit falls to the treatment, in (0, 1).
    lift : float
        Relative effect, > -1, put on the metric of the treatment: 0 for an A/A test, else the rate is the power at this lift.
    alpha : float
        Level of the two-sided test, in (0, 1).
    confidence : float
        Confidence level of the interval of the rate and of the verdict, in (0, 1).
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    AASimulation
        Rate of rejections with its interval, the p-values, how far from uniform they are, and a verdict.

    Raises
    ------
    InputError
        When there are fewer than 4 units, a column is unknown or does not vary, a lift is not > -1, or no split has an answer.

    Notes
    -----
    Each split is what `difference` makes of its two arms. The splits share one set of units, so the rate says how the test
    does on data like these, not on other data; with few units it also has few p-values to take, and they are not uniform.
    The verdict "holds" means that the interval holds ``alpha`` and that uniformity is not rejected at 1 - confidence.

    References
    ----------
    .. [1] Kohavi, Tang & Xu (2020), Trustworthy Online Controlled Experiments, Cambridge University Press, chapter 19.
    .. [2] Clopper & Pearson (1934), The use of confidence or fiducial limits, Biometrika 26, 404-413.

    Examples
    --------
    >>> import numpy as np
    >>> from ecomops.experiments import simulate_aa
    >>> draw = np.random.default_rng(7)
    >>> before = draw.gamma(2.0, 5.0, 2000)
    >>> spend = before + draw.normal(0.0, 3.0, 2000)
    >>> rows = np.column_stack([spend, before])
    >>> found = simulate_aa(rows, columns=("spend", "before"), metric="spend", adjust=("before",), splits=4000, rng=1)
    >>> found.verdict, bool(found.lower < 0.05 < found.upper)
    ('holds', True)
    """
    wanted = _wanted(metric, adjust)
    if values.ndim != 2 or values.shape[1] != len(columns):
        raise InputError(f"columns must name the columns of values, got {len(columns)} for shape {values.shape}")
    for argument, column in wanted.items():
        if column not in columns:
            raise InputError(f"{argument} must be one of {columns}, got {column!r}")
    rows = values[:, [columns.index(column) for column in wanted.values()]]
    return _simulated(rows, metric, adjust, variance, splits, share, lift, alpha, confidence, rng)


@validated
def simulate_aa_of_rows(
    frame: Frame,
    *,
    metric: Text | Ratio,
    adjust: tuple[Text, ...] = (),
    variance: VarianceMethod = "welch",
    splits: PositiveWhole = 10_000,
    share: ProbabilityReal = 0.5,
    lift: Real = 0.0,
    alpha: ProbabilityReal = 0.05,
    confidence: ProbabilityReal = 0.99,
    rng: Rng = None,
) -> AASimulation:
    """Split the units of a frame at random many times, test each split, and say whether the test keeps its level.

    Parameters
    ----------
    frame : data frame
        One row a unit of randomisation; any frame that narwhals reads.
    metric : str or Ratio
        A column, or a ratio of two.
    adjust : tuple of str
        Covariates, as for `difference`.
    variance : {"welch", "pooled", "normal"}
        As for `difference`.
    splits : int
        Number of splits.
    share : float
        Probability that a unit falls to the treatment, in (0, 1).
    lift : float
        Relative effect, > -1, put on the metric of the treatment: 0 for an A/A test.
    alpha : float
        Level of the two-sided test, in (0, 1).
    confidence : float
        Confidence level of the interval of the rate and of the verdict, in (0, 1).
    rng : int, numpy.random.Generator or None
        Seed or generator.

    Returns
    -------
    AASimulation
        As `simulate_aa`.

    Raises
    ------
    InputError
        As `simulate_aa`, and when a column is missing, is not numeric or holds nulls.

    References
    ----------
    .. [1] Kohavi, Tang & Xu (2020), Trustworthy Online Controlled Experiments, Cambridge University Press, chapter 19.

    Examples
    --------
    >>> import pandas as pd
    >>> from ecomops.experiments import simulate_aa_of_rows
    >>> frame = pd.DataFrame({"orders": [0, 1, 0, 2, 1, 0, 3, 1] * 50, "visits": [1, 2, 1, 4, 3, 2, 5, 2] * 50})
    >>> found = simulate_aa_of_rows(frame, metric=Ratio(numerator="orders", denominator="visits"), splits=2000, rng=1)
    >>> found.splits, found.verdict
    (2000.0, 'holds')
    """
    wanted = _wanted(metric, adjust)
    data = frames.read(frame, wanted, numbers=tuple(wanted), flags=True)
    rows = np.column_stack([data[argument] for argument in wanted])
    return _simulated(rows, metric, adjust, variance, splits, share, lift, alpha, confidence, rng)


def _wanted(metric: str | Ratio, adjust: tuple[str, ...]) -> dict[str, str]:
    """Return the arguments that name columns, and their columns, the metric first."""
    check_arms(("treatment", "control"), metric, adjust)
    arguments = ("metric.numerator", "metric.denominator") if isinstance(metric, Ratio) else ("metric",)
    named_by = dict(zip(arguments, columns_of(metric), strict=True))
    return {**named_by, **{f"adjust[{place}]": column for place, column in enumerate(adjust)}}


def _simulated(
    rows: Array,
    metric: str | Ratio,
    adjust: tuple[str, ...],
    variance: str,
    splits: int,
    share: float,
    lift: float,
    alpha: float,
    confidence: float,
    rng: Any,
) -> AASimulation:
    if len(rows) < 4:
        raise InputError(f"values must have at least 4 units, got {len(rows)}")
    if lift <= -1:
        raise InputError(f"lift must be > -1, got {lift}")
    n, means, comoments = split_moments(rows, splits, share, rng)
    # A relative effect on the treatment multiplies the first column of its units.
    means[:, 0, 0] *= 1.0 + lift
    comoments[:, 0, 0, :] *= 1.0 + lift
    comoments[:, 0, :, 0] *= 1.0 + lift
    value, error, freedom, known = split_differences(n, means, comoments, covariates=len(adjust), variance=variance)
    known &= error > 0
    if not known.any():
        raise InputError(
            "values must let some split be tested, got none that has 2 units an arm, denominators > 0 and columns that vary"
        )
    value, error, freedom = value[known], error[known], freedom[known]
    tested = Estimate(value=value, standard_error=error, degrees_of_freedom=freedom).test()
    p_values = np.asarray(tested.p_value)
    count, rejected = p_values.size, int((p_values <= alpha).sum())
    lower, upper = clopper_pearson(rejected, count, confidence)
    distance, uniform = kolmogorov_smirnov(p_values)
    verdict, reason = _verdict(count, lower, upper, alpha, uniform < 1.0 - confidence, lift)
    return AASimulation(
        rejection_rate=rejected / count,
        lower=lower,
        upper=upper,
        alpha=alpha,
        confidence=confidence,
        rejections=rejected,
        splits=count,
        unanswered=splits - count,
        uniformity=distance,
        uniformity_p_value=uniform,
        error_ratio=np.sqrt(np.square(value - value.mean()).mean() / np.square(error).mean()),
        p_values=p_values,
        verdict=verdict,
        reason=reason,
        method=f"difference of {named(metric)}, {len(adjust)} covariate(s), {variance}, share {share:g}",
    )


def _verdict(count: int, lower: float, upper: float, alpha: float, uneven: bool, lift: float) -> tuple[str, str]:
    """Return the verdict and what it rests on."""
    interval = f"the rate lies in [{lower:.4f}, {upper:.4f}]"
    if count < FEWEST:
        return "too few splits", f"{count} splits had an answer, {FEWEST} are needed"
    if lift:
        return "power", f"{interval} at a lift of {lift:g}"
    if lower > alpha:
        return "rejects too often", f"{interval}, above alpha = {alpha:g}"
    if upper < alpha:
        return "rejects too seldom", f"{interval}, below alpha = {alpha:g}"
    if uneven:
        return "p-values are not uniform", f"{interval}, but the p-values are not spread evenly over [0, 1]"
    return "holds", f"{interval}, which holds alpha = {alpha:g}"


def clopper_pearson(successes: float, trials: float, confidence: float) -> tuple[float, float]:
    """Return the exact interval of a proportion."""
    tail = (1.0 - confidence) / 2.0
    lower = float(special.betaincinv(successes, trials - successes + 1.0, tail)) if successes else 0.0
    upper = float(special.betainccinv(successes + 1.0, trials - successes, tail)) if successes < trials else 1.0
    return lower, upper


def kolmogorov_smirnov(sample: Array) -> tuple[float, float]:
    """Return the greatest distance of a sample's law from the uniform one and its p-value, by Stephens' correction (1970)."""
    ordered, n = np.sort(sample), sample.size
    distance = float(max((np.arange(1, n + 1) / n - ordered).max(), (ordered - np.arange(n) / n).max()))
    root = np.sqrt(n)
    return distance, float(special.kolmogorov((root + 0.12 + 0.11 / root) * distance))
