"""Arms compared by survival: published tests, scipy, a loop over durations, level by simulation; differences as estimates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import (
    DurationCounts,
    DurationsByArm,
    compare_proportions,
    event_share_difference,
    kaplan_meier,
    log_rank_test,
    restricted_mean_difference,
)
from ecomops.stats.survival_comparison import log_rank_sums, quadratic_form

WEIGHTS = ("log-rank", "gehan", "tarone-ware", "peto")
units = st.tuples(st.integers(1, 8), st.booleans())


def rows_of(names: str) -> st.SearchStrategy[Any]:
    """Draw units of the arms, of each of the first two at least one."""
    rest = st.lists(st.tuples(st.sampled_from(names), units), max_size=28)
    return st.tuples(units, units, rest).map(
        lambda drawn: [(arm, *unit) for arm, unit in (("a", drawn[0]), ("b", drawn[1]), *drawn[2])]
    )


samples, pairs = rows_of("abc"), rows_of("ab")


def arms_of(rows: Any) -> DurationsByArm:
    frame = pd.DataFrame(list(rows), columns=["arm", "days", "event"])
    return DurationsByArm.from_frame(frame, by="arm", duration="days", event="event")


def looped(rows: Any, weights: str, names: list[str]) -> tuple[Any, Any, Any]:
    """Go through the durations: observed minus expected, its covariance, and expected events."""
    gap, covariance, expected = np.zeros(len(names)), np.zeros((len(names),) * 2), np.zeros(len(names))
    survival = 1.0
    for t in sorted({t for _, t, _ in rows}):
        n = np.array([sum(arm == name and u >= t for arm, u, _ in rows) for name in names], dtype=float)
        d = np.array([sum(arm == name and u == t and e for arm, u, e in rows) for name in names], dtype=float)
        total, events = n.sum(), d.sum()
        weight = {"log-rank": 1.0, "gehan": total, "tarone-ware": math.sqrt(total), "peto": survival}[weights]
        mean = events * n / total
        gap += weight * (d - mean)
        expected += mean
        if total > 1:
            shares = n / total
            law = events * (total - events) / (total - 1) * (np.diag(shares) - np.outer(shares, shares))
            covariance += weight**2 * law
        survival *= 1 - events / total
    return gap, covariance, expected


@given(samples, st.sampled_from(WEIGHTS))
def test_the_statistic_is_that_of_a_loop(rows: Any, weights: Any) -> None:
    arms = arms_of(rows)
    found = log_rank_test(arms, weights=weights)
    gap, covariance, expected = looped(rows, weights, arms.arms.tolist())
    np.testing.assert_allclose(found.expected, expected, rtol=1e-12)
    assert found.observed.sum() == pytest.approx(found.expected.sum(), rel=1e-12)
    rank = np.linalg.matrix_rank(covariance, tol=1e-9 * max(np.abs(covariance).max(), 1e-30))
    assert found.degrees_of_freedom == rank
    if rank:
        statistic = gap @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ gap
        assert found.statistic == pytest.approx(statistic, rel=1e-8, abs=1e-12)
        assert found.p_value == pytest.approx(stats.chi2.sf(statistic, rank), rel=1e-7)
    else:
        assert math.isnan(found.statistic)
        assert (found.p_value, found.reason) == (1.0, "no event came while two arms were followed together")


@given(pairs)
def test_two_arms_are_those_of_scipy(rows: Any) -> None:
    parts = []
    for name in "ab":
        days, event = zip(*((t, e) for arm, t, e in rows if arm == name), strict=True)
        mask = np.array(event)
        parts.append(stats.CensoredData(uncensored=np.array(days)[mask], right=np.array(days)[~mask]))
    found = log_rank_test(arms_of(rows))
    assume(found.degrees_of_freedom > 0)
    oracle = stats.logrank(*parts)
    assert found.statistic == pytest.approx(oracle.statistic**2, rel=1e-9, abs=1e-14)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)


@given(samples, st.sampled_from(WEIGHTS), st.permutations("abc"))
def test_names_and_order_of_arms_do_not_matter(rows: Any, weights: Any, names: Any) -> None:
    new = dict(zip("abc", names, strict=True))
    one = log_rank_test(arms_of(rows), weights=weights)
    other = log_rank_test(arms_of((new[arm], *rest) for arm, *rest in rows), weights=weights)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-9)


@given(samples)
def test_strata_add_up_and_an_empty_arm_takes_no_part(rows: Any) -> None:
    arms = arms_of(rows)
    nobody = DurationsByArm(
        arms=arms.arms, durations=tuple(DurationCounts.from_arrays([], event=True) for _ in arms.arms)
    )
    one, other = log_rank_test(arms), log_rank_test(arms, more_strata=(nobody,))
    assert other.method == "log-rank, 2 strata"
    assert (other.observed.tolist(), other.p_value) == (one.observed.tolist(), one.p_value)
    more = DurationsByArm(arms=[*arms.arms, "none"], durations=(*arms.durations, nobody.durations[0]))
    found = log_rank_test(more)
    assert found.degrees_of_freedom == one.degrees_of_freedom
    assert found.p_value == pytest.approx(one.p_value, rel=1e-9)
    # Two equal strata: twice the statistic, and not that of the units pooled.
    twice = log_rank_test(arms, more_strata=(arms,))
    if one.degrees_of_freedom:
        assert twice.statistic == pytest.approx(2 * one.statistic, rel=1e-9, abs=1e-13)


def test_published_value(shared_data: Any) -> None:
    """R's survdiff of survival::aml."""
    frame = pd.read_csv(shared_data("reference/aml.csv.gz"))
    found = log_rank_test(DurationsByArm.from_frame(frame, by="group", duration="time", event="cens"))
    assert found.statistic == pytest.approx(3.396389, abs=5e-7)
    assert found.p_value == pytest.approx(0.0653393, abs=5e-8)
    assert found.observed.tolist() == [7.0, 11.0]
    np.testing.assert_allclose(found.expected, [10.69, 7.31], atol=5e-3)


def dialysis() -> DurationsByArm:
    """Return months to infection of kidney dialysis patients by placement of the catheter (Klein & Moeschberger, 1.4)."""
    surgical = {
        True: [1.5, 3.5, 4.5, 4.5, 5.5, 8.5, 8.5, 9.5, 10.5, 11.5, 15.5, 16.5, 18.5, 23.5, 26.5],
        False: [2.5] * 2 + [3.5] * 3 + [4.5, 5.5] + [6.5] * 2 + [7.5] * 4 + [8.5, 9.5, 10.5, 11.5, 12.5, 12.5, 13.5]
        + [14.5] * 2 + [21.5] * 2 + [22.5] * 2 + [25.5, 27.5],
    }  # fmt: skip
    percutaneous = {
        True: [0.5] * 6 + [2.5, 2.5, 3.5, 6.5, 15.5],
        False: [0.5] * 10 + [1.5] * 4 + [2.5] * 5 + [3.5] * 5 + [4.5] * 3 + [5.5] * 5 + [6.5] + [7.5] * 3 + [8.5] * 3
        + [9.5] * 2 + [10.5] * 3 + [11.5] * 2 + [12.5] * 4 + [14.5] * 2 + [16.5] * 2 + [18.5] + [19.5] * 3
        + [20.5, 22.5, 24.5, 25.5, 26.5, 26.5, 28.5],
    }  # fmt: skip
    arms = tuple(
        DurationCounts.from_arrays(
            part[True] + part[False], event=np.repeat([True, False], [len(part[True]), len(part[False])])
        )
        for part in (surgical, percutaneous)
    )
    return DurationsByArm(arms=["surgical", "percutaneous"], durations=arms)


@pytest.mark.parametrize(
    ("weights", "statistic", "p_value"),
    [("log-rank", 2.53, 0.112), ("gehan", 0.002, 0.964), ("tarone-ware", 0.40, 0.526), ("peto", 1.39, 0.239)],
)
def test_published_weights(weights: Any, statistic: float, p_value: float) -> None:
    """Klein & Moeschberger (2003), table 7.3: how much the weights matter where the curves cross."""
    found = log_rank_test(dialysis(), weights=weights)
    assert found.statistic == pytest.approx(statistic, abs=0.005)
    assert found.p_value == pytest.approx(p_value, abs=6e-4)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("shares", [(60, 60), (40, 60, 120)])
def test_level(weights: Any, shares: tuple[int, ...]) -> None:
    """20,000 experiments without an effect, a fifth to a half censored: the level is kept up to 99.9 % simulation error."""
    rng, runs, size = np.random.default_rng(3), 20_000, 15
    events, total = np.zeros((runs, len(shares), size)), np.zeros((runs, len(shares), size))
    row = np.arange(runs)[:, None] * size
    for arm, n in enumerate(shares):
        latent, dropped = rng.geometric(0.12, (runs, n)), rng.geometric(0.04 + 0.02 * arm, (runs, n))
        last = np.minimum(np.minimum(latent, dropped), size)
        event = (latent <= dropped) & (latent <= size)
        place = row + last - 1
        events[:, arm] = np.bincount(place[event], minlength=runs * size).reshape(runs, size)
        total[:, arm] = np.bincount(place.ravel(), minlength=runs * size).reshape(runs, size)
    gap, covariance, _ = log_rank_sums(events, np.cumsum(total[..., ::-1], axis=-1)[..., ::-1], weights)
    statistic, freedom = quadratic_form(gap, covariance)
    p_value = special.chdtrc(freedom, statistic)
    for alpha in (0.05, 0.01):
        assert abs(np.mean(p_value <= alpha) - alpha) < 3.29 * math.sqrt(alpha * (1 - alpha) / runs)


# --- differences ------------------------------------------------------------------------------------------------------


@given(samples, st.integers(1, 8))
def test_differences_are_those_of_two_curves(rows: Any, reach: int) -> None:
    # Somebody of each arm is followed to the end.
    arms = arms_of([*rows, ("a", 8, False), ("b", 8, False)])
    curves = {name: kaplan_meier(arms[name], interval="plain") for name in "ab"}
    found = event_share_difference(arms, treatment="b", control="a", duration=reach)
    assert found.value == pytest.approx(curves["a"].at(reach) - curves["b"].at(reach), rel=1e-12, abs=1e-15)
    errors = []
    for name in "ba":
        place = int(np.searchsorted(curves[name].duration, reach, side="right")) - 1
        errors.append(0.0 if place < 0 else float(np.nan_to_num(curves[name].standard_error[place])))
    assert found.standard_error == pytest.approx(math.hypot(*errors), rel=1e-12)
    assert (found.n_treatment, found.n_control) == (arms["b"].n, arms["a"].n)
    area = restricted_mean_difference(arms, treatment="b", control="a", horizon=reach)
    means = {name: curves[name].restricted_mean(horizon=reach) for name in "ab"}
    assert area.value == pytest.approx(means["b"].value - means["a"].value, rel=1e-12, abs=1e-14)
    assert area.standard_error == pytest.approx(
        math.hypot(means["a"].standard_error, means["b"].standard_error), rel=1e-12
    )
    swapped = restricted_mean_difference(arms, treatment="a", control="b", horizon=reach)
    assert (swapped.value, swapped.standard_error) == (-area.value, area.standard_error)


def test_without_censoring_the_share_is_that_of_a_proportion() -> None:
    day = {"a": [1, 2, 3, 9, 9, 9, 9], "b": [1, 1, 2, 3, 3, 9, 9]}
    arms = DurationsByArm(
        arms=["a", "b"],
        durations=tuple(DurationCounts.from_arrays(days, event=np.array(days) < 9) for days in day.values()),
    )
    found = event_share_difference(arms, treatment="b", control="a", duration=5)
    plain = compare_proportions(5, treatment_trials=7, control_successes=3, control_trials=7, method="wald")
    interval = found.interval()
    np.testing.assert_allclose([interval.lower, interval.upper], [plain.lower, plain.upper], rtol=1e-12)
    assert event_share_difference(arms, treatment="b", control="a", duration=0.5).value == 0.0


ONE = DurationCounts.from_arrays([1, 5], event=[True, False])
TWO = DurationsByArm(arms=["a", "b"], durations=(ONE, ONE))
NONE = DurationCounts.from_arrays([], event=True)


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (
            lambda: log_rank_test(DurationsByArm(arms=["a"], durations=(ONE,))),
            "log_rank_test: durations must have at least 2 arms, got 1",
        ),
        (
            lambda: log_rank_test(TWO, more_strata=(DurationsByArm(arms=["a", "c"], durations=(ONE, ONE)),)),
            "log_rank_test: more_strata[0] must have the arms ['a', 'b'], got ['a', 'c']",
        ),
        (
            lambda: log_rank_test(
                TWO,
                more_strata=(
                    DurationsByArm(
                        arms=["b", "a"], durations=(DurationCounts.from_arrays([1], event=True, unit="week"),) * 2
                    ),
                ),
            ),
            "log_rank_test: more_strata[0] must have the unit 'day', got 'week'",
        ),
        (
            lambda: log_rank_test(DurationsByArm(arms=["a", "b"], durations=(NONE, NONE))),
            "log_rank_test: durations has no units",
        ),
        (
            lambda: restricted_mean_difference(TWO, treatment="c", control="a", horizon=1),
            "restricted_mean_difference: treatment must be one of ['a', 'b'], got 'c'",
        ),
        (
            lambda: restricted_mean_difference(TWO, treatment="a", control="a", horizon=1),
            "restricted_mean_difference: treatment and control must be two arms, got 'a' twice",
        ),
        (
            lambda: event_share_difference(TWO, treatment="b", control="a", duration=6),
            "event_share_difference: duration must be at most the longest of the treatment, 5, where units were left, got 6",
        ),
        (
            lambda: event_share_difference(
                DurationsByArm(arms=["a", "b"], durations=(NONE, ONE)), treatment="b", control="a", duration=1
            ),
            "event_share_difference: control has no units",
        ),
    ],
)
def test_refusals(ask: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        ask()
    assert str(caught.value) == text
