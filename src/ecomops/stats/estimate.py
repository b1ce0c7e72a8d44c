"""`Estimate`: the hub. A metric turns two arms into one, and every method consumes it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    InputError,
    Model,
    NonNegative,
    Num,
    NumOrNan,
    ProbabilityReal,
    Text,
    Texts,
    Unbounded,
    UnboundedOrNan,
    validated,
)

Alternative: TypeAlias = Literal["two-sided", "greater", "less"]
LiftMethod: TypeAlias = Literal["fieller", "delta", "log"]


class TestResult(Model):
    """A test of an estimate against a margin.

    Examples
    --------
    >>> Estimate(value=1.0, standard_error=0.5, degrees_of_freedom=np.inf, baseline=10.0).test().statistic
    2.0
    """

    __test__ = False  # the name is the field's; pytest must not collect it

    statistic: NumOrNan
    """(value - margin) / standard error; NaN where the error is 0."""
    p_value: NumOrNan
    """Probability of a statistic at least as extreme where the true value is the margin."""
    log_p_value: UnboundedOrNan
    """Its natural logarithm, which keeps its digits where the p-value is 0 in floating point."""
    reason: Texts
    """Why there is no answer; empty where there is one."""


class Interval(Model):
    """A confidence interval.

    Examples
    --------
    >>> Estimate(value=1.0, standard_error=0.5, degrees_of_freedom=np.inf, baseline=10.0).interval(
    ...     confidence=0.95
    ... ).value
    1.0
    """

    value: NumOrNan
    """The estimate."""
    lower: UnboundedOrNan
    """Lower end."""
    upper: UnboundedOrNan
    """Upper end."""
    confidence: ProbabilityReal
    """Confidence level."""
    method: Text
    """How it was found."""
    reason: Texts
    """Why an end is infinite or missing; empty where neither is."""


class Estimate(Model):
    """A difference between a treatment and a control, with all that tests, intervals and lifts need.

    Examples
    --------
    >>> estimate = Estimate(
    ...     value=1.0, standard_error=0.5, degrees_of_freedom=30.0, baseline=10.0, baseline_error=0.3, covariance=-0.09
    ... )
    >>> round(estimate.test().p_value, 4)
    0.0546
    """

    value: Num
    """Treatment minus control."""
    standard_error: NonNegative
    """Standard error of ``value``."""
    degrees_of_freedom: Unbounded = float("inf")
    """Degrees of freedom of the error; infinite for a normal reference."""
    baseline: Num = 0.0
    """Level of the control, which a lift is relative to."""
    baseline_error: NonNegative = 0.0
    """Standard error of ``baseline``."""
    covariance: Num = 0.0
    """Covariance of ``value`` and ``baseline``: minus the variance of the baseline for independent arms."""
    n_treatment: NonNegative = 0.0
    """Units in the treatment."""
    n_control: NonNegative = 0.0
    """Units in the control."""
    method: Text = "given"
    """How the estimate was made."""

    @validated
    def test(self, *, margin: Num = 0.0, alternative: Alternative = "two-sided") -> TestResult:
        """Test the estimate against a margin.

        Parameters
        ----------
        margin : float or array
            Value under the null hypothesis; 0 for no difference, a negative margin for non-inferiority.
        alternative : {"two-sided", "greater", "less"}
            What is to be shown.

        Returns
        -------
        TestResult
            Statistic, p-value and its logarithm. With a standard error of 0 there is no answer: NaN and a reason.

        Examples
        --------
        >>> round(Estimate(value=-1.58, standard_error=0.849091, degrees_of_freedom=17.7765).test().p_value, 4)
        0.0794
        """
        error = np.asarray(self.standard_error)
        known = error > 0
        statistic = (self.value - margin) / np.where(known, error, 1.0)
        signed = {"two-sided": np.abs(statistic), "greater": statistic, "less": -np.asarray(statistic)}[alternative]
        log_p = log_sf(signed, self.degrees_of_freedom)
        if alternative == "two-sided":
            log_p = np.minimum(log_p + np.log(2.0), 0.0)
        with np.errstate(under="ignore"):
            p_value = np.exp(log_p)
        reason = np.where(known, "", "the standard error is 0: every unit of an arm has the same value")
        return TestResult(
            statistic=np.where(known, statistic, np.nan),
            p_value=np.where(known, p_value, np.nan),
            log_p_value=np.where(known, log_p, np.nan),
            reason=_texts(reason),
        )

    @validated
    def interval(self, *, confidence: ProbabilityReal = 0.95, alternative: Alternative = "two-sided") -> Interval:
        """Return the confidence interval of the difference.

        Parameters
        ----------
        confidence : float
            Confidence level, in (0, 1).
        alternative : {"two-sided", "greater", "less"}
            One-sided alternatives leave the other end open.

        Returns
        -------
        Interval
            The values that the test at 1 - confidence does not reject.

        Examples
        --------
        >>> interval = Estimate(value=-1.58, standard_error=0.849091, degrees_of_freedom=17.7765).interval()
        >>> round(interval.lower, 4), round(interval.upper, 4)
        (-3.3655, 0.2055)
        """
        width = (
            critical(confidence, self.degrees_of_freedom, two_sided=alternative == "two-sided") * self.standard_error
        )
        lower = self.value - width if alternative != "less" else np.full(np.shape(self.value - width), -np.inf)
        upper = self.value + width if alternative != "greater" else np.full(np.shape(self.value + width), np.inf)
        open_end = "" if alternative == "two-sided" else "a one-sided interval is open at its other end"
        return Interval(
            value=self.value + np.zeros_like(width),
            lower=lower,
            upper=upper,
            confidence=confidence,
            method=self.method,
            reason=open_end,
        )

    @validated
    def lift(self, *, confidence: ProbabilityReal = 0.95, method: LiftMethod = "fieller") -> Interval:
        """Return the relative lift over the baseline with its interval.

        Parameters
        ----------
        confidence : float
            Confidence level, in (0, 1).
        method : {"fieller", "delta", "log"}
            "fieller" (exact, and excludes 0 just when the test rejects), "delta" (symmetric) or "log" (of the ratio).

        Returns
        -------
        Interval
            Lift as a fraction of the baseline. Where the baseline itself cannot be told from 0 the Fieller set is not an
            interval: the ends are infinite and the reason says so.

        Raises
        ------
        InputError
            When a baseline is not > 0 (use the absolute difference), or "log" meets a treatment level that is not.

        References
        ----------
        .. [1] Fieller (1954), Some Problems in Interval Estimation, JRSS B 16(2), 175-185.

        Examples
        --------
        >>> estimate = Estimate(value=1.0, standard_error=0.5, baseline=10.0, baseline_error=0.3, covariance=-0.09)
        >>> lift = estimate.lift()
        >>> round(lift.value, 3), round(lift.lower, 4), round(lift.upper, 4)
        (0.1, 0.0019, 0.2057)
        """
        if np.any(np.asarray(self.baseline) <= 0):
            least = float(np.min(self.baseline))
            raise InputError(f"baseline must be > 0 for a lift, got {least}; use the absolute difference")
        critical_value = critical(confidence, self.degrees_of_freedom, two_sided=True)
        lower, upper, reason = {"fieller": _fieller, "delta": _delta, "log": _log}[method](self, critical_value)
        return Interval(
            value=self.value / self.baseline + np.zeros_like(lower),
            lower=lower,
            upper=upper,
            confidence=confidence,
            method=f"{method}, {self.method}",
            reason=_texts(reason),
        )


def critical(confidence: float, freedom: Any, *, two_sided: bool) -> Any:
    """Return the quantile of the reference distribution for an interval."""
    level = 0.5 + confidence / 2 if two_sided else confidence
    finite = np.isfinite(freedom)
    return np.where(finite, special.stdtrit(np.where(finite, freedom, 1.0), level), special.ndtri(level))


def log_sf(statistic: Any, freedom: Any) -> Any:
    """Return the log of the upper tail of Student's t (normal where the degrees of freedom are infinite)."""
    statistic = np.asarray(statistic, dtype=np.float64)
    finite = np.isfinite(freedom)
    safe = np.where(finite, freedom, 1.0)
    with np.errstate(under="ignore", divide="ignore"):
        direct = special.stdtr(safe, -statistic)
        log_direct = np.log(np.maximum(direct, 1e-300))
    # Far out the tail of t is its leading term: density * t / v, summed as a hypergeometric series.
    far = finite & (direct < 1e-280) & (statistic > 0)
    with_series = _log_t_tail(np.where(far, statistic, 1.0), np.where(far, safe, 1.0))
    return np.where(finite, np.where(far, with_series, log_direct), special.log_ndtr(-statistic))


def _log_t_tail(t: Any, v: Any) -> Any:
    """Return log P(T > t) from I_x(v/2, 1/2) / 2 with x = v / (v + t^2), by its power series in x."""
    x = v / (v + t * t)
    a = v / 2.0
    term, total = np.ones_like(x), np.ones_like(x)
    for k in range(1, 400):
        term = term * (k - 0.5) / k * x * (a + k - 1.0) / (a + k)
        total = total + term
    # I_x(a, b) = x^a / (a B(a, b)) sum_k (1 - b)_k x^k a / (k! (a + k))
    return a * np.log(x) - np.log(a) - special.betaln(a, 0.5) + np.log(total) - np.log(2.0)


def _fieller(estimate: Estimate, z: Any) -> tuple[Any, Any, Any]:
    """Solve (D - rho B)^2 = z^2 (V_D - 2 rho C + rho^2 V_B) for the lift rho = D / B."""
    d, b, c = estimate.value, estimate.baseline, estimate.covariance
    square = np.square(z)
    lead = b * b - square * np.square(estimate.baseline_error)
    middle = d * b - square * c
    last = d * d - square * np.square(estimate.standard_error)
    bounded = np.asarray(lead > 0)
    root = np.sqrt(np.maximum(middle * middle - lead * last, 0.0))
    safe = np.where(bounded, lead, 1.0)
    lower = np.where(bounded, (middle - root) / safe, -np.inf)
    upper = np.where(bounded, (middle + root) / safe, np.inf)
    reason = np.where(bounded, "", "the baseline cannot be told from 0 at this confidence, so any lift is possible")
    return lower, upper, reason


def _relative_error(estimate: Estimate) -> Any:
    """Return the standard error of value / baseline by the delta method."""
    ratio = estimate.value / estimate.baseline
    variance = (
        np.square(estimate.standard_error)
        - 2 * ratio * estimate.covariance
        + np.square(ratio * estimate.baseline_error)
    )
    return np.sqrt(np.maximum(variance, 0.0)) / estimate.baseline


def _delta(estimate: Estimate, z: Any) -> tuple[Any, Any, Any]:
    ratio, error = estimate.value / estimate.baseline, _relative_error(estimate)
    return ratio - z * error, ratio + z * error, np.full(np.shape(ratio * z), "", dtype=object)


def _log(estimate: Estimate, z: Any) -> tuple[Any, Any, Any]:
    ratio = 1.0 + estimate.value / estimate.baseline
    if np.any(np.asarray(ratio) <= 0):
        raise InputError("value must leave a treatment level > 0 for a log lift; use method='fieller'")
    error = _relative_error(estimate) / ratio
    return (
        ratio * np.exp(-z * error) - 1.0,
        ratio * np.exp(z * error) - 1.0,
        np.full(np.shape(ratio * z), "", dtype=object),
    )


def _texts(reason: Any) -> Any:
    return str(reason) if np.ndim(reason) == 0 else np.asarray(reason, dtype=object)
