"""Several treatments against one control: Dunnett's simultaneous tests and intervals, from aggregates."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from pydantic_core import PydanticCustomError

from ecomops.core import (
    Array,
    Floats,
    InputError,
    Model,
    Num,
    NumOrNan,
    Positive,
    PositiveWhole,
    ProbabilityReal,
    Text,
    Texts,
    Unbounded,
    check,
    validated,
)
from ecomops.core.model import set_labels
from ecomops.experiments.means import Arm, Ratio, VarianceMethod, difference
from ecomops.experiments.union_tail import Taken, union_critical, union_tail
from ecomops.stats.estimate import NO_ERROR, Alternative, Estimate, Freedom, log_sf
from ecomops.stats.moments import MomentsByArm

CLOSEST = 0.9996  # the correlation with the control beyond which the nodes would be too many
SAME = 1e-9
MAX_ARMS = 1000

FractionOrNan = Annotated[float | Array | Any, Floats(ge=0, le=1, nan=True)]


class DunnettComparison(Model):
    """Several treatments compared with one control, all at once.

    Examples
    --------
    >>> import numpy as np
    >>> from ecomops.experiments import Estimate, dunnett
    >>> two = Estimate(value=[1.0, 2.0], standard_error=1.0, baseline_error=np.sqrt(0.5), covariance=-0.5)
    >>> dunnett(two).p_adjusted.round(4)
    array([0.502 , 0.0829])
    """

    value: Num
    """Treatment minus control."""
    statistic: NumOrNan
    """(value - margin) / standard error; NaN where the error is 0."""
    p_value: FractionOrNan
    """p-value of the comparison alone; NaN where the error is 0."""
    p_adjusted: FractionOrNan
    """Probability that any comparison of the family looks as extreme; the intervals are its dual."""
    p_step_down: FractionOrNan
    """Step-down p-value: never larger, and still right for the family; it has no intervals of its own."""
    critical_value: Num
    """What a statistic must exceed."""
    lower: Unbounded
    """Lower end of the simultaneous interval of the difference."""
    upper: Unbounded
    """Upper end of the simultaneous interval of the difference."""
    confidence: ProbabilityReal
    """Probability that all intervals of a family hold their differences."""
    method: Text
    """How the family was treated, and how the estimates were made."""
    reason: Texts
    """Why there is no test or an end is infinite; empty where neither is so."""


@validated
def differences_from_control(
    moments: MomentsByArm, *, control: Arm, metric: Text | Ratio, variance: VarianceMethod = "pooled"
) -> Estimate:
    """Return the difference of every treatment from one control.

    Parameters
    ----------
    moments : MomentsByArm
        Moments of the arms over units of randomisation.
    control : str or int
        Name of the control; every other arm is a treatment.
    metric : str or Ratio
        A column, or a ratio of two (by the delta method).
    variance : {"pooled", "welch", "normal"}
        One variance from all arms (Dunnett's test), or one an arm with Welch's degrees of freedom or a normal reference.

    Returns
    -------
    Estimate
        Shape (k,), treatments in the order of ``moments.arms``; ``to_frame`` shows their names.

    Raises
    ------
    InputError
        When the control does not exist, there is no other arm, or `difference` refuses an arm.

    Examples
    --------
    >>> from ecomops.experiments import Moments, MomentsByArm
    >>> samples = {"a": [1.0, 2.0, 3.0], "b": [2.0, 4.0, 6.0], "c": [5.0, 6.0, 7.0]}
    >>> moments = MomentsByArm(
    ...     arms=list(samples), moments=tuple(Moments.from_arrays(x, columns=("spend",)) for x in samples.values())
    ... )
    >>> found = differences_from_control(moments, control="a", metric="spend")
    >>> found.value, found.degrees_of_freedom
    (array([2., 4.]), 6.0)
    """
    names = moments.arms.tolist()
    if control not in names:
        raise InputError(f"control must be one of {names}, got {control!r}")
    others = [name for name in names if name != control]
    if not others:
        raise InputError(f"moments must have a treatment beside the control, got only {names}")
    shown = [_alone(moments, arm, others[0] if arm == control else control, metric) for arm in (control, *others)]
    level, error, n = np.array([(arm.baseline, arm.baseline_error, arm.n_control) for arm in shown]).T
    each = np.square(error)
    freedom: Any = np.inf
    if variance == "pooled":
        freedom = float((n - 1.0).sum())
        each = (each * n * (n - 1.0)).sum() / freedom / n
    total = each[1:] + each[0]
    if variance == "welch":
        share = np.where(total > 0, each[1:] / np.where(total > 0, total, 1.0), 0.5)
        freedom = 1.0 / (np.square(share) / (n[1:] - 1.0) + np.square(1.0 - share) / (n[0] - 1.0))
    answer = Estimate(
        value=level[1:] - level[0],
        standard_error=np.sqrt(total),
        degrees_of_freedom=freedom,
        baseline=level[0],
        baseline_error=np.sqrt(each[0]),
        covariance=-each[0],
        n_treatment=n[1:],
        n_control=n[0],
        method=f"difference of {'ratios, delta method' if isinstance(metric, Ratio) else 'means'}, {variance}",
    )
    import pandas as pd  # noqa: PLC0415 - only here are names needed as an index

    set_labels(answer, pd.Index(others, name="arm"))
    return answer


@validated
def dunnett(
    estimate: Estimate,
    *,
    margin: Num = 0.0,
    confidence: ProbabilityReal = 0.95,
    alternative: Alternative = "two-sided",
) -> DunnettComparison:
    """Compare several treatments with one control, with p-values and intervals that hold for all of them together.

    Parameters
    ----------
    estimate : Estimate
        Differences from one control, shape (k,), such as `differences_from_control` makes; (m, k) are m families of k
        (segments, metrics).
    margin : float or array
        Value under the null hypotheses.
    confidence : float
        Simultaneous confidence level, in (0, 1).
    alternative : {"two-sided", "greater", "less"}
        What is to be shown; one-sided alternatives leave the other end of the intervals open.

    Returns
    -------
    DunnettComparison
        Tests and simultaneous intervals, in the shape of the estimate.

    Raises
    ------
    InputError
        When the differences of a family have different baselines (they share no control), a covariance is > 0 or exceeds
        the variance of the difference, or degrees of freedom are < 1.

    Notes
    -----
    Given the error z of the control and the pooled standard deviation s the treatments are independent, so the probability
    that any of the absolute T_j exceeds c is ``E[1 - prod_j (1 - q_j(z, s))]`` with q_j normal tails: two nested trapezoidal sums, which
    converge geometrically, over positive terms, so that small p-values keep their digits. ``-covariance`` is the variance
    that the differences share. Sizes of the arms may differ. Where degrees of freedom differ (Welch), each comparison uses
    its own (Hasler & Hothorn 2008). An estimate with covariance 0 is taken as independent of the others, and a correlation
    with the control above 0.9996 as 0.9996; both err on the safe side. The step-down test (Dunnett & Tamhane 1991) compares
    each statistic with the family of those that are no larger.

    References
    ----------
    .. [1] Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control, JASA 50, 1096-1121.
    .. [2] Dunnett & Tamhane (1991), Step-down multiple tests for comparing treatments with a control in unbalanced one-way
       layouts, Statistics in Medicine 10, 939-947.
    .. [3] Hasler & Hothorn (2008), Multiple contrast tests in the presence of heteroscedasticity, Biometrical Journal 50, 793-800.

    Examples
    --------
    Dunnett's blood counts: two drugs against a control of six animals.

    >>> from ecomops.experiments import Moments, MomentsByArm
    >>> samples = {
    ...     "control": [7.40, 8.50, 7.20, 8.24, 9.84, 8.32],
    ...     "A": [9.76, 8.80, 7.68, 9.36],
    ...     "B": [12.80, 9.68, 12.16, 9.20, 10.55],
    ... }
    >>> moments = MomentsByArm(
    ...     arms=list(samples), moments=tuple(Moments.from_arrays(x, columns=("count",)) for x in samples.values())
    ... )
    >>> result = dunnett(differences_from_control(moments, control="control", metric="count"))
    >>> result.statistic.round(3), result.p_adjusted.round(4)
    (array([0.857, 3.694]), array([0.6201, 0.0058]))
    >>> result.lower.round(3), result.upper.round(3)
    (array([-1.256,  0.84 ]), array([2.556, 4.416]))
    """
    shape = np.broadcast_shapes(estimate.batch_shape, np.shape(margin))
    parts = np.broadcast_arrays(
        *(np.atleast_1d(part) for part in (np.broadcast_to(margin, shape), estimate.value, estimate.standard_error)),
        *(np.atleast_1d(part) for part in (estimate.covariance, estimate.baseline, estimate.degrees_of_freedom)),
    )
    _check_family(*parts[2:])
    rows = (math.prod(shape[:-1]), shape[-1] if shape else 1)
    margins, value, error, covariance, _, freedom = (part.reshape(rows) for part in parts)
    known = error > 0
    safe = np.where(known, error, 1.0)
    loading = np.sqrt(np.minimum(np.where(known, -covariance / np.square(safe), 0.0), CLOSEST))
    statistic = (value - margins) / safe
    two_sided = alternative == "two-sided"
    toward = {"two-sided": np.abs(statistic), "greater": statistic, "less": -statistic}[alternative]
    critical, p_value, p_adjusted, p_step_down = _family(toward, freedom, loading, known, 1.0 - confidence, two_sided)
    width = critical * error
    lower = np.full(value.shape, -np.inf) if alternative == "less" else value - width
    upper = np.full(value.shape, np.inf) if alternative == "greater" else value + width
    open_end = "" if two_sided else "a one-sided interval is open at its other end"
    reason = np.where(known, open_end, NO_ERROR)
    return DunnettComparison(
        value=value.reshape(shape),
        **{
            name: np.where(known, part, np.nan).reshape(shape)
            for name, part in (
                ("statistic", statistic),
                ("p_value", p_value),
                ("p_adjusted", p_adjusted),
                ("p_step_down", p_step_down),
            )
        },
        critical_value=critical.reshape(shape),
        lower=lower.reshape(shape),
        upper=upper.reshape(shape),
        confidence=confidence,
        method=f"Dunnett, {alternative}; {estimate.method}",
        reason=reason.astype(object).reshape(shape) if shape else str(reason[0, 0]),
    )


@validated
def dunnett_critical_value(
    treatments: PositiveWhole,
    *,
    degrees_of_freedom: Freedom = float("inf"),
    control_ratio: Positive = 1.0,
    confidence: ProbabilityReal = 0.95,
    alternative: Alternative = "two-sided",
) -> Num:
    """Return the critical value of Dunnett's test for treatments of equal size.

    Parameters
    ----------
    treatments : int
        Number of treatments, at most 1000.
    degrees_of_freedom : float or array
        Degrees of freedom of the error, >= 1; infinite for large samples.
    control_ratio : float or array
        Units of the control over units of one treatment; the square root of the number of treatments is the best.
    confidence : float
        Simultaneous confidence level, in (0, 1).
    alternative : {"two-sided", "greater", "less"}
        Sides of the test; both one-sided alternatives have one value.

    Returns
    -------
    float or array
        What the absolute value of t (or t) must exceed, in the broadcast shape of the arguments.

    Raises
    ------
    InputError
        When degrees of freedom are < 1, or treatments are more than 1000.

    References
    ----------
    .. [1] Dunnett (1964), New tables for multiple comparisons with a control, Biometrics 20, 482-491, table II.

    Examples
    --------
    >>> round(dunnett_critical_value(2, degrees_of_freedom=10), 2), round(dunnett_critical_value(5), 2)
    (2.57, 2.51)
    """
    if treatments > MAX_ARMS:
        raise InputError(f"treatments must be <= {MAX_ARMS}, got {treatments}")
    freedom, ratio = np.broadcast_arrays(
        np.asarray(degrees_of_freedom, dtype=np.float64), np.asarray(control_ratio, dtype=np.float64)
    )
    _require(freedom >= 1, "degrees_of_freedom must be >= 1", freedom)
    loading = np.sqrt(np.minimum(1.0 / (1.0 + ratio.ravel()), CLOSEST))[:, None]
    found = union_critical(
        1.0 - confidence, freedom.ravel(), np.repeat(loading, treatments, axis=1), alternative == "two-sided"
    )
    return found.reshape(freedom.shape)


def _alone(moments: MomentsByArm, arm: str | int, other: str | int, metric: str | Ratio) -> Estimate:
    """Return a difference whose baseline is the arm: it shows the arm's level, error and units."""
    try:
        return difference(moments, treatment=other, control=arm, metric=metric, variance="normal")
    except InputError as error:
        # There is no control among arms that are looked at one by one.
        text = str(error).removeprefix("difference: ")
        text = text.replace("in the control", f"in arm {arm!r}").replace("in the treatment", f"in arm {other!r}")
        raise InputError(text.replace("control must", "an arm must").replace("treatment must", "an arm must")) from None


def _check_family(error: Array, covariance: Array, baseline: Array, freedom: Array) -> None:
    """Refuse what is no family of differences from one control."""
    if error.shape[-1] > MAX_ARMS:
        raise InputError(f"estimate must have at most {MAX_ARMS} treatments in a family, got {error.shape[-1]}")
    first = baseline[..., :1]
    one = "for differences from one control"
    _require(np.abs(baseline - first) <= SAME * np.abs(first), f"estimate.baseline must be the same {one}", baseline)
    _require(covariance <= 0, f"estimate.covariance must be <= 0 {one}", covariance)
    most = np.square(error)
    rule = f"estimate.covariance must be within standard_error ** 2 {one}"
    _require(-covariance <= most * (1.0 + SAME) + 1e-300, rule, covariance, most)
    _require(freedom >= 1, "estimate.degrees_of_freedom must be >= 1", freedom)


def _require(holds: Any, rule: str, *values: Any) -> None:
    try:
        check(holds, rule, *values)
    except PydanticCustomError as error:
        raise InputError(error.message()) from None


def _family(
    toward: Array, freedom: Array, loading: Array, known: Taken, alpha: float, two_sided: bool
) -> tuple[Array, Array, Array, Array]:
    """Return critical values and the single, adjusted and step-down p-values of families of k, all of shape (m, k)."""
    m, k = toward.shape
    if not toward.size:
        return toward, toward, toward, toward
    own = np.eye(k, dtype=bool)
    family = own | known[:, None, :]
    smaller = own | (known[:, None, :] & (toward[:, None, :] <= toward[:, :, None]))
    rows = toward.ravel(), freedom.ravel(), np.repeat(loading, k, axis=0)
    adjusted, nested = (
        union_tail(*rows, two_sided, part.reshape((m * k, k)), sloped=False)[0].reshape((m, k))
        for part in (family, smaller)
    )
    with np.errstate(under="ignore"):
        single = np.minimum((2.0 if two_sided else 1.0) * np.exp(log_sf(toward, freedom)), 1.0)
    # A hypothesis falls only after those with larger statistics.
    order = np.argsort(-np.where(known, toward, -np.inf), axis=1, kind="stable")
    falling = np.maximum.accumulate(np.take_along_axis(nested, order, axis=1), axis=1)
    stepped = np.empty_like(nested)
    np.put_along_axis(stepped, order, falling, axis=1)
    critical = union_critical(alpha, rows[1], rows[2], two_sided, family.reshape((m * k, k))).reshape((m, k))
    return critical, single, np.maximum(adjusted, single), np.clip(stepped, single, np.maximum(adjusted, single))
