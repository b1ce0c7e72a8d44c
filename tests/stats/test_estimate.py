"""`Estimate`: tests to the far tail, intervals that are their dual, and lifts that are solved another way."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import Estimate

INF = float("inf")
ALTERNATIVES = ("two-sided", "greater", "less")
values = st.floats(-50, 50)
errors = st.floats(0.01, 20)
freedoms = st.one_of(st.just(INF), st.floats(1, 1e6))


def log_tail(t: float, freedom: float) -> float:
    """Return log P(T > t) to 25 digits: the integral of the density, relative to the density at t."""
    with mpmath.workdps(25):
        x, v = mpmath.mpf(t), mpmath.mpf(freedom)
        width = (v + x * x) / ((v + 1) * x)
        edges = [width * k for k in (0, 1, 2, 4, 8, 16, 32, 64, 128, 10**3, 10**5, 10**9)] + [mpmath.inf]
        fall = mpmath.quad(lambda u: mpmath.exp(-(v + 1) / 2 * mpmath.log1p((2 * x * u + u * u) / (v + x * x))), edges)
        peak = mpmath.loggamma((v + 1) / 2) - mpmath.loggamma(v / 2) - mpmath.log(v * mpmath.pi) / 2
        return float(peak - (v + 1) / 2 * mpmath.log1p(x * x / v) + mpmath.log(fall))


def arms(mean_t: float, mean_c: float, error_t: float, error_c: float, freedom: float = INF) -> Estimate:
    """An estimate from two independent arms."""
    return Estimate(
        value=mean_t - mean_c,
        standard_error=float(np.hypot(error_t, error_c)),
        degrees_of_freedom=freedom,
        baseline=mean_c,
        baseline_error=error_c,
        covariance=-(error_c**2),
    )


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [30.0, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("t", [12.62, 37.25, 100.0, 1e4])
def test_the_far_tail_keeps_its_digits_in_logarithms(freedom: float, t: float) -> None:
    found = Estimate(value=t, standard_error=1.0, degrees_of_freedom=freedom).test(alternative="greater")
    assert found.log_p_value == pytest.approx(log_tail(t, freedom), rel=2e-12)


@pytest.mark.parametrize("t", [1.0, 8.0, 37.0, 100.0])
def test_the_far_tail_of_the_normal(t: float) -> None:
    with mpmath.workdps(40):
        expected = float(mpmath.log(mpmath.erfc(mpmath.mpf(t) / mpmath.sqrt(2))))
    assert Estimate(value=-t, standard_error=1.0).test().log_p_value == pytest.approx(expected, rel=1e-13)


def test_a_statistic_too_large_to_square_has_a_tail() -> None:
    """For one degree of freedom the tail is 1 / (pi t)."""
    found = Estimate(value=1e200, standard_error=1.0, degrees_of_freedom=1.0).test(alternative="greater")
    assert found.p_value == pytest.approx(1 / (np.pi * 1e200), rel=1e-13)
    three = Estimate(value=1e200, standard_error=1.0, degrees_of_freedom=3.0).test(alternative="greater")
    # The density falls as 6 sqrt(3) / (pi t^4).
    assert three.log_p_value == pytest.approx(np.log(2 * np.sqrt(3) / np.pi) - 600 * np.log(10), rel=1e-14)
    assert three.p_value == 0.0


@given(values, errors, freedoms, st.floats(-5, 5), st.sampled_from(ALTERNATIVES))
def test_p_values_are_those_of_scipy(value: float, error: float, freedom: float, margin: float, side: Any) -> None:
    found = Estimate(value=value, standard_error=error, degrees_of_freedom=freedom).test(
        margin=margin, alternative=side
    )
    t = (value - margin) / error
    law = stats.norm if freedom == INF else stats.t(freedom)
    expected = {"greater": law.sf(t), "less": law.cdf(t), "two-sided": min(2 * law.sf(abs(t)), 1.0)}[side]
    assert found.statistic == t
    assert found.p_value == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert found.p_value == pytest.approx(np.exp(found.log_p_value), rel=1e-12)


@given(values, errors, freedoms)
def test_the_two_sides_make_one(value: float, error: float, freedom: float) -> None:
    estimate = Estimate(value=value, standard_error=error, degrees_of_freedom=freedom)
    greater, less = (estimate.test(alternative=side).p_value for side in ("greater", "less"))
    assert greater + less == pytest.approx(1.0, abs=1e-12)
    assert estimate.test().p_value == pytest.approx(min(2 * min(greater, less), 1.0), rel=1e-12)


def test_without_an_error_there_is_no_test() -> None:
    estimate = Estimate(value=[1.0, 1.0], standard_error=[0.0, 0.5])
    found = estimate.test()
    reason = "the standard error is 0: the units show no variation to judge it by"
    assert found.reason.tolist() == [reason, ""]
    assert np.isnan([found.statistic[0], found.p_value[0], found.log_p_value[0]]).all()
    assert found.p_value[1] == pytest.approx(0.0455002638963584, rel=1e-12)
    interval = estimate.interval()
    assert (interval.lower[0], interval.upper[0], interval.reason.tolist()) == (1.0, 1.0, [reason, ""])
    lift = Estimate(value=1.0, standard_error=0.0, baseline=4.0).lift()
    assert (lift.lower, lift.upper, lift.reason) == (0.25, 0.25, reason)


# --- intervals --------------------------------------------------------------------------------------------------------


@given(values, errors, freedoms, st.floats(0.5, 0.9999), st.sampled_from(ALTERNATIVES))
def test_an_interval_holds_the_margins_that_are_not_rejected(
    value: float, error: float, freedom: float, confidence: float, side: Any
) -> None:
    estimate = Estimate(value=value, standard_error=error, degrees_of_freedom=freedom)
    interval = estimate.interval(confidence=confidence, alternative=side)
    ends = [end for end in (interval.lower, interval.upper) if np.isfinite(end)]
    assert len(ends) == (2 if side == "two-sided" else 1)
    for end in ends:
        assert estimate.test(margin=end, alternative=side).p_value == pytest.approx(1 - confidence, rel=1e-7)
    assert interval.lower <= value <= interval.upper


def test_one_sided_intervals_are_open() -> None:
    estimate = Estimate(value=[1.0, 2.0], standard_error=0.5)
    above, below = estimate.interval(alternative="greater"), estimate.interval(alternative="less")
    assert above.upper.tolist() == [INF, INF]
    assert below.lower.tolist() == [-INF, -INF]
    np.testing.assert_allclose(
        above.lower, [1 - 0.5 * stats.norm.ppf(0.95), 2 - 0.5 * stats.norm.ppf(0.95)], rtol=1e-14
    )
    np.testing.assert_allclose(below.upper - below.value, above.value - above.lower, rtol=1e-14)
    assert above.reason == "a one-sided interval is open at its other end"


@pytest.mark.parametrize("missing", [1e-10, 1e-13])
def test_high_confidence_keeps_its_digits(missing: float) -> None:
    """The quantile comes from the tail: 0.5 + confidence / 2 would round it away."""
    confidence = 1.0 - missing
    width = Estimate(value=0.0, standard_error=1.0).interval(confidence=confidence).upper
    assert width == pytest.approx(stats.norm.isf((1.0 - confidence) / 2), rel=1e-14)
    assert np.isfinite(Estimate(value=0.0, standard_error=1.0).interval(confidence=np.nextafter(1.0, 0.0)).upper)


def test_rows_are_elements() -> None:
    frame = {"value": [1.0, -2.0, 40.0], "standard_error": [0.5, 1.0, 1.0], "degrees_of_freedom": [INF, 7.0, 1e6]}
    together = Estimate(**frame)
    for row in range(3):
        alone = Estimate(**{name: column[row] for name, column in frame.items()})
        assert together.test().log_p_value[row] == alone.test().log_p_value
        assert together.interval().lower[row] == alone.interval().lower


# --- lifts ------------------------------------------------------------------------------------------------------------


@given(st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0.01, 0.4), st.floats(0.01, 0.4), freedoms)
def test_fieller_ends_are_the_ratios_that_are_not_rejected(
    mean_t: float, mean_c: float, noise_t: float, noise_c: float, freedom: float
) -> None:
    """At an end r the difference of the treatment and (1 + r) times the control is just significant."""
    error_t, error_c = noise_t * mean_t, noise_c * mean_c
    lift = arms(mean_t, mean_c, error_t, error_c, freedom).lift(confidence=0.9)
    quantile = stats.norm.ppf(0.95) if freedom == INF else stats.t.ppf(0.95, freedom)
    if quantile * noise_c >= 1:
        assert (lift.lower, lift.upper) == (-INF, INF)
        return
    for end in (lift.lower, lift.upper):
        gap = mean_t - (1 + end) * mean_c
        assert abs(gap) == pytest.approx(quantile * np.hypot(error_t, (1 + end) * error_c), rel=1e-6)
    assert lift.lower < lift.value < lift.upper


@given(st.floats(1, 10), st.floats(1, 10), st.floats(0.01, 1), st.floats(0.01, 0.45), st.floats(1.5, 1e5))
def test_fieller_excludes_no_lift_just_when_the_test_rejects(
    mean_t: float, mean_c: float, error_t: float, error_c: float, freedom: float
) -> None:
    estimate = arms(mean_t, mean_c, error_t, error_c, freedom)
    lift, p = estimate.lift(), estimate.test().p_value
    if lift.reason == "" and abs(p - 0.05) > 1e-9:
        assert (lift.lower > 0 or lift.upper < 0) == (p < 0.05)


@pytest.mark.parametrize("size", [1e2, 1e5, 1e8])
def test_fieller_keeps_its_digits_where_the_effect_is_many_errors_large(size: float) -> None:
    estimate = arms(2 * size, size, 1.0, 1.0)
    with mpmath.workdps(60):
        z = mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf("0.95"))
        lead, middle, last = (size**2 - z**2, 2 * mpmath.mpf(size) ** 2, 4 * mpmath.mpf(size) ** 2 - z**2)
        half = float(mpmath.sqrt(middle**2 - lead * last) / lead)
        centre = float(middle / lead - 1)
    lift = estimate.lift()
    assert (lift.upper - lift.lower) / 2 == pytest.approx(half, rel=1e-15 * size + 1e-12)  # the ends are near 1
    assert (lift.upper + lift.lower) / 2 == pytest.approx(centre, rel=1e-12)


def test_a_baseline_lost_in_noise_allows_any_lift() -> None:
    lift = Estimate(
        value=[1.0, 1.0], standard_error=0.6, baseline=[0.5, 5.0], baseline_error=0.5, covariance=-0.25
    ).lift()
    assert (lift.lower[0], lift.upper[0]) == (-INF, INF)
    assert lift.reason.tolist() == [
        "the baseline cannot be told from 0 at this confidence, so any lift is possible",
        "",
    ]
    assert np.isfinite([lift.lower[1], lift.upper[1]]).all()


@given(st.floats(1, 100), st.floats(1, 100), st.floats(0.001, 0.2), st.floats(0.001, 0.2))
def test_delta_and_log_are_the_textbook_ones(mean_t: float, mean_c: float, noise_t: float, noise_c: float) -> None:
    """For independent arms the log of the ratio has variance cv_t^2 + cv_c^2; delta is its first-order twin."""
    estimate = arms(mean_t, mean_c, noise_t * mean_t, noise_c * mean_c)
    z, ratio, error = stats.norm.ppf(0.975), mean_t / mean_c, np.hypot(noise_t, noise_c)
    log, delta = estimate.lift(method="log"), estimate.lift(method="delta")
    np.testing.assert_allclose([1 + log.lower, 1 + log.upper], ratio * np.exp([-z * error, z * error]), rtol=1e-10)
    np.testing.assert_allclose(
        [1 + delta.lower, 1 + delta.upper], ratio * (1 + np.array([-z, z]) * error), rtol=1e-10, atol=1e-12
    )
    assert log.value == delta.value == estimate.lift().value == pytest.approx(ratio - 1, rel=1e-9, abs=1e-12)
    assert (log.reason, delta.reason, log.method) == ("", "", "log, given")


def test_the_three_lifts_meet_as_the_noise_goes() -> None:
    found = [arms(11.0, 10.0, 1e-5, 1e-5).lift(method=method) for method in ("fieller", "delta", "log")]
    np.testing.assert_allclose([one.lower for one in found], found[0].lower, atol=1e-11)
    np.testing.assert_allclose([one.upper for one in found], found[0].upper, atol=1e-11)


@given(st.floats(1e-6, 1e6))
def test_lifts_do_not_know_the_currency(rate: float) -> None:
    one, other = arms(11, 10, 0.5, 0.4), arms(11 * rate, 10 * rate, 0.5 * rate, 0.4 * rate)
    for method in ("fieller", "delta", "log"):
        np.testing.assert_allclose(one.lift(method=method).lower, other.lift(method=method).lower, rtol=1e-9)


# --- coverage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "noise"), [("fieller", 0.2), ("fieller", 0.05), ("delta", 0.03), ("log", 0.03)])
def test_lifts_cover_as_often_as_they_say(method: Any, noise: float) -> None:
    """Fieller is exact at any noise; the other two where the noise is small."""
    runs, rng = 40_000, np.random.default_rng(4)
    sd = 10.0 * noise
    treated, base = rng.normal(12.0, sd, runs), rng.normal(10.0, sd, runs)
    found = Estimate(
        value=treated - base,
        standard_error=sd * np.sqrt(2),
        baseline=np.maximum(base, 1e-9),
        baseline_error=sd,
        covariance=-(sd**2),
    ).lift(confidence=0.9, method=method)
    covered = ((found.lower <= 0.2) & (found.upper >= 0.2)).mean()
    assert covered == pytest.approx(0.9, abs=3.3 * np.sqrt(0.09 / runs))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: Estimate(value=1.0, standard_error=0.5).lift(),
            "Estimate.lift: baseline must be > 0 for a lift, got 0.0; use the absolute difference",
        ),
        (
            lambda: Estimate(value=[1.0, 1.0], standard_error=0.5, baseline=[3.0, -2.0]).lift(method="delta"),
            "Estimate.lift: baseline must be > 0 for a lift, got -2.0; use the absolute difference",
        ),
        (
            lambda: Estimate(value=-3.0, standard_error=0.5, baseline=2.0).lift(method="log"),
            "Estimate.lift: value must leave a treatment level > 0 for a log lift; use method='fieller'",
        ),
        (
            lambda: Estimate(value=1.0, standard_error=0.5, degrees_of_freedom=0.0),
            "Estimate: degrees_of_freedom must be > 0, got 0.0",
        ),
        (
            lambda: Estimate(value=1.0, standard_error=0.5, degrees_of_freedom=[5.0, -INF]),
            "Estimate: degrees_of_freedom must be > 0, got -inf at index 1",
        ),
        (
            lambda: Estimate(value=1.0, standard_error=0.5, baseline=1.0, baseline_error=0.1, covariance=-0.06),
            "Estimate: covariance must be within standard_error * baseline_error, got -0.06 and 0.05",
        ),
        (
            lambda: Estimate(value=1.0, standard_error=-0.5),
            "Estimate: standard_error must be >= 0, got -0.5",
        ),
    ],
)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text


def test_errors_whose_product_is_beyond_floats_are_no_warning() -> None:
    found = Estimate(value=1e200, standard_error=[1e200, 1.0], baseline=1e200, baseline_error=1e180)
    assert found.test().statistic[0] == 1.0
