"""`Estimate`: the hub. A metric turns two arms into one, and every method consumes it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Floats,
    InputError,
    Model,
    NonNegative,
    Num,
    NumOrNan,
    ProbabilityReal,
    Text,
    Texts,
    UnboundedOrNan,
    check,
    validated,
)

Alternative: TypeAlias = Literal["two-sided", "greater", "less"]
LiftMethod: TypeAlias = Literal["fieller", "delta", "log"]
Freedom: TypeAlias = Annotated[float | Array | Any, Floats(gt=0, inf=True)]
LOG_2 = float(np.log(2.0))
FAR = 1e-280  # below it a tail is found by its logarithm
NO_ERROR = "the standard error is 0: the units show no variation to judge it by"
FRACTIONS = 12  # 8 give 15 digits where the tail is used


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
    """Why an end is infinite, or why the interval has no width; empty where neither is so."""


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
    degrees_of_freedom: Freedom = float("inf")
    """Degrees of freedom of the error, > 0; infinite for a normal reference."""
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

    def _check_fields(self) -> None:
        """Check the rules between the fields."""
        error, baseline = self.standard_error, self.baseline_error
        if isinstance(error, float) and isinstance(baseline, float):
            most: Any = error * baseline  # Python's own floats overflow in silence
        else:
            with np.errstate(over="ignore"):
                most = error * baseline
        check(
            abs(self.covariance) <= most * (1.0 + 1e-9) + 1e-300,
            "covariance must be within standard_error * baseline_error",
            self.covariance,
            most,
        )

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
        known = self.standard_error > 0
        statistic = (self.value - margin) / _filled(self.standard_error, known)
        signed = abs(statistic) if alternative == "two-sided" else statistic if alternative == "greater" else -statistic
        log_p = log_sf(signed, self.degrees_of_freedom)
        if alternative == "two-sided":
            log_p = np.minimum(log_p + LOG_2, 0.0) if isinstance(log_p, np.ndarray) else min(log_p + LOG_2, 0.0)
        return TestResult(
            statistic=_where(known, statistic),
            p_value=_where(known, np.exp(log_p)),
            log_p_value=_where(known, log_p),
            reason=_reason(known, ""),
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
            The values that the test at 1 - confidence does not reject. With a standard error of 0 it has no width, and the
            reason says so.

        Examples
        --------
        >>> interval = Estimate(value=-1.58, standard_error=0.849091, degrees_of_freedom=17.7765).interval()
        >>> round(interval.lower, 4), round(interval.upper, 4)
        (-3.3655, 0.2055)
        """
        width = (
            critical(confidence, self.degrees_of_freedom, two_sided=alternative == "two-sided") * self.standard_error
        )
        lower, upper = self.value - width, self.value + width
        # A one-sided interval is open at its other end.
        if alternative == "less":
            lower = lower - np.inf
        elif alternative == "greater":
            upper = upper + np.inf
        open_end = "" if alternative == "two-sided" else "a one-sided interval is open at its other end"
        return Interval(
            value=self.value + 0.0 * width,
            lower=lower,
            upper=upper,
            confidence=confidence,
            method=self.method,
            reason=_reason(self.standard_error > 0, open_end),
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
        lower, upper, reason = LIFTS[method](self, critical_value)
        reason = np.where(np.asarray(self.standard_error) > 0, reason, NO_ERROR)
        return Interval(
            value=self.value / self.baseline + np.zeros_like(lower),
            lower=lower,
            upper=upper,
            confidence=confidence,
            method=f"{method}, {self.method}",
            reason=_texts(reason),
        )


def critical(confidence: float, freedom: Any, *, two_sided: bool) -> Any:
    """Return the quantile of the reference distribution for an interval, from its upper tail."""
    tail = (1.0 - confidence) / 2 if two_sided else 1.0 - confidence
    if isinstance(freedom, float):
        return -float(special.stdtrit(freedom, tail) if freedom < np.inf else special.ndtri(tail))
    finite = np.isfinite(freedom)
    return -np.where(finite, special.stdtrit(np.where(finite, freedom, 1.0), tail), special.ndtri(tail))


def log_sf(statistic: Any, freedom: Any) -> Any:
    """Return the log of the upper tail of Student's t (normal where the degrees of freedom are infinite)."""
    if isinstance(statistic, float) and isinstance(freedom, float):
        # One number, the most common case: the branches below, without arrays.
        if freedom == np.inf:
            return float(special.log_ndtr(-statistic))
        direct = special.stdtr(freedom, -statistic)
        if direct >= FAR or statistic <= 0:
            return float(np.log(direct))
    statistic = np.asarray(statistic, dtype=np.float64)
    finite = np.isfinite(freedom)
    safe = np.where(finite, freedom, 1.0)
    with np.errstate(under="ignore"):
        direct = special.stdtr(safe, -statistic)
        log_direct = np.log(np.maximum(direct, 1e-300))
    log_p = np.where(finite, log_direct, special.log_ndtr(-statistic))
    far = finite & (direct < FAR) & (statistic > 0)
    if not far.any():
        return log_p
    return np.where(far, _log_t_tail(np.where(far, statistic, 1.0), np.where(far, safe, 1.0)), log_p)


def _log_t_tail(t: Any, v: Any) -> Any:
    """Return log P(T > t) for t > 0 from I_x(v/2, 1/2) / 2 with x = v / (v + t^2), by its continued fraction (DLMF 8.17.22)."""
    a, b = v / 2.0, 0.5
    ratio = t / np.sqrt(v)
    square = np.square(np.minimum(ratio, 1e8))
    # log(1 + t^2 / v), without squaring a huge t.
    log_inverse = np.where(ratio < 1e8, np.log1p(square), 2.0 * np.log(ratio))
    x, y = 1.0 / (1.0 + square), square / (1.0 + square)
    # Lentz: every denominator stays positive left of the mean of the beta law, and t > 1 lies left of it.
    c = np.ones_like(x)
    d = (a + 1.0) / (0.5 + (a + b) * y)
    fraction = d
    for m in range(1, FRACTIONS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1.0 / (1.0 + even * d), 1.0 + even / c
        fraction = fraction * d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1.0 / (1.0 + odd * d), 1.0 + odd / c
        fraction = fraction * d * c
    return -a * log_inverse + b * np.log(y) - np.log(a) - special.betaln(a, b) + np.log(fraction) - np.log(2.0)


def _fieller(estimate: Estimate, z: Any) -> tuple[Any, Any, Any]:
    """Solve (D - rho B)^2 = z^2 (V_D - 2 rho C + rho^2 V_B) for the lift rho = D / B, all in units of B."""
    baseline = np.asarray(estimate.baseline)
    ratio, covariance = estimate.value / baseline, estimate.covariance / np.square(baseline)
    of_value = np.square(estimate.standard_error / baseline)
    of_baseline = np.square(estimate.baseline_error / baseline)
    square = np.square(z)
    lead = 1.0 - square * of_baseline
    middle = ratio - square * covariance
    bounded = np.asarray(lead > 0)
    # The discriminant, multiplied out: its two squares would cancel where the effect is many errors large.
    spread = of_value - 2.0 * ratio * covariance + ratio * ratio * of_baseline
    root = z * np.sqrt(np.maximum(spread - square * (of_value * of_baseline - covariance * covariance), 0.0))
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


def _filled(error: Any, known: Any) -> Any:
    """Return the errors, with 1 where there is none."""
    return error if known is True else np.where(known, error, 1.0)


def _where(known: Any, value: Any) -> Any:
    return value if known is True else np.where(known, value, np.nan)


def _reason(known: Any, text: str) -> Any:
    return text if known is True else _texts(np.where(known, np.array(text, object), np.array(NO_ERROR, object)))


def _texts(reason: Any) -> Any:
    return str(reason) if np.ndim(reason) == 0 else np.asarray(reason, dtype=object)


# Each gives lower end, upper end and reason of a lift, from an estimate and its critical value.
LIFTS = {"fieller": _fieller, "delta": _delta, "log": _log}
