"""CUPED: `difference` with covariates, against regressions on the rows and case 32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import Estimate, Moments, MomentsByArm, Ratio, difference

COLUMNS = ("y", "x", "z")
ANOREXIA = {
    "Cont": (26, 2120.5, 2108.8, 173757.35, 171602.6, 171879.6),
    "FT": (17, 1414.9, 1538.4, 118163.97, 140365.38, 128406.25),
}


def arms_of(treatment: Any, control: Any, columns: tuple[str, ...] = COLUMNS) -> MomentsByArm:
    parts = tuple(Moments.from_arrays(rows, columns=columns) for rows in (control, treatment))
    return MomentsByArm(arms=["a", "b"], moments=parts)


def compared(treatment: Any, control: Any, **settings: Any) -> Estimate:
    return difference(arms_of(treatment, control), **{"treatment": "b", "control": "a", "metric": "y", **settings})


def drawn(seed: int, n: int, effect: float = 0.0) -> np.ndarray:
    """Return rows of a metric that two correlated covariates foretell in part."""
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, n)
    z = 0.5 * x + rng.gamma(2.0, 1.0, n)
    return np.column_stack([10 + effect + 1.5 * x - 0.7 * z + rng.normal(0, 1 + 0.2 * np.abs(x)), x, z])


def least_squares(treatment: np.ndarray, control: np.ndarray, places: list[int]) -> tuple[float, float, float]:
    """Regress the metric on the arm and the covariates: coefficient of the arm, its classical error, degrees of freedom."""
    rows = np.vstack([treatment, control])
    arm = np.repeat([1.0, 0.0], [len(treatment), len(control)])
    design = np.column_stack([np.ones(len(rows)), arm, rows[:, places]])
    coefficient, *_ = np.linalg.lstsq(design, rows[:, 0], rcond=None)
    residual = rows[:, 0] - design @ coefficient
    freedom = len(rows) - design.shape[1]
    covariance = np.linalg.inv(design.T @ design) * (residual @ residual) / freedom
    return coefficient[1], np.sqrt(covariance[1, 1]), freedom


def within_slopes(treatment: np.ndarray, control: np.ndarray, places: list[int]) -> Any:
    apart = [rows - rows.mean(axis=0) for rows in (treatment, control)]
    both = np.vstack(apart)
    return np.linalg.lstsq(both[:, places], both[:, 0], rcond=None)[0]


# --- published --------------------------------------------------------------------------------------------------------


def anorexia() -> MomentsByArm:
    parts = [
        Moments.from_sums(columns=("before", "after"), n=n, sums=[x, y], products=[[xx, xy], [xy, yy]])
        for n, x, y, xx, yy, xy in ANOREXIA.values()
    ]
    return MomentsByArm(arms=list(ANOREXIA), moments=tuple(parts))


def test_the_analysis_of_covariance_of_the_anorexia_trial() -> None:
    names = {"treatment": "FT", "control": "Cont", "metric": "after"}
    plain = difference(anorexia(), **names)
    assert plain.value == pytest.approx(9.386425, abs=5e-7)
    assert plain.test().statistic == pytest.approx(4.1601338, abs=5e-8)
    pooled = difference(anorexia(), **names, variance="pooled", adjust=("before",))
    assert pooled.value == pytest.approx(9.0335725744, abs=5e-11)
    assert pooled.standard_error == pytest.approx(2.0314862495, abs=5e-11)
    assert pooled.test().statistic == pytest.approx(4.4467801, abs=5e-8)
    assert pooled.degrees_of_freedom == 40.0
    welch = difference(anorexia(), **names, adjust=("before",))
    assert welch.value == pytest.approx(9.0335725744, abs=5e-11)
    assert welch.standard_error == pytest.approx(2.1714743, abs=5e-8)
    assert welch.degrees_of_freedom == pytest.approx(24.551, abs=5e-4)
    before = [anorexia()[arm].mean("before") for arm in ("FT", "Cont")]
    assert (plain.value - welch.value) / (before[0] - before[1]) == pytest.approx(0.2110717581, abs=5e-11)


def test_the_rows_of_the_anorexia_trial_give_what_its_sums_give(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("reference/anorexia.csv.gz"))
    moments = Moments.from_frame(rows, by="Treat", columns=("Prewt", "Postwt"))
    names = {"treatment": "FT", "control": "Cont", "variance": "pooled"}
    one = difference(moments, metric="Postwt", adjust=("Prewt",), **names)
    other = difference(anorexia(), metric="after", adjust=("before",), **names)
    assert one.value == pytest.approx(other.value, rel=1e-11)
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-11)


# --- oracles on the rows ----------------------------------------------------------------------------------------------


@given(
    st.integers(0, 10_000),
    st.integers(5, 40),
    st.integers(5, 40),
    st.sampled_from([["x"], ["z"], ["x", "z"], ["z", "x"]]),
)
def test_pooled_is_ordinary_least_squares(seed: int, n: int, m: int, adjust: list[str]) -> None:
    treatment, control = drawn(seed, n, 1.0), drawn(seed + 1, m)
    found = compared(treatment, control, variance="pooled", adjust=tuple(adjust))
    value, error, freedom = least_squares(treatment, control, [COLUMNS.index(name) for name in adjust])
    assert found.value == pytest.approx(value, rel=1e-9, abs=1e-10)
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    assert found.degrees_of_freedom == freedom


@given(st.integers(0, 10_000), st.integers(5, 40), st.integers(5, 40), st.sampled_from(["welch", "normal"]))
def test_welch_compares_what_the_covariates_leave(seed: int, n: int, m: int, variance: Any) -> None:
    treatment, control = drawn(seed, n, 1.0), drawn(seed + 1, m)
    theta = within_slopes(treatment, control, [1, 2])
    left = [rows[:, 0] - rows[:, 1:] @ theta for rows in (treatment, control)]
    found = compared(treatment, control, variance=variance, adjust=("x", "z"))
    arms = arms_of(left[0], left[1], ("y",))
    expected = difference(arms, treatment="b", control="a", metric="y", variance=variance)
    for name in ("value", "standard_error", "degrees_of_freedom"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-10)


def test_the_lift_pairs_the_adjusted_value_with_the_control_as_it_is() -> None:
    treatment, control = drawn(1, 50, 1.0), drawn(2, 70)
    theta = within_slopes(treatment, control, [1, 2])
    found = compared(treatment, control, adjust=("x", "z"))
    left = control[:, 0] - control[:, 1:] @ theta
    assert found.baseline == pytest.approx(control[:, 0].mean(), rel=1e-14)
    assert found.baseline_error == pytest.approx(control[:, 0].std(ddof=1) / np.sqrt(70), rel=1e-12)
    assert found.covariance == pytest.approx(-np.cov(left, control[:, 0])[0, 1] / 70, rel=1e-12)


def test_a_ratio_is_made_linear_and_then_regressed() -> None:
    rng = np.random.default_rng(4)
    parts = []
    for users in (80, 120):
        sessions = rng.integers(1, 6, users).astype(float)
        before = rng.gamma(2.0, 5.0, users)
        parts.append(
            np.column_stack([sessions * (2 + 0.2 * before) + rng.normal(0, 1, users), sessions, before, sessions + 1])
        )
    columns = ("revenue", "sessions", "before", "sessions_before")
    linear = []
    for rows in parts:
        ratio = rows[:, 0].sum() / rows[:, 1].sum()
        linear.append(np.column_stack([ratio + (rows[:, 0] - ratio * rows[:, 1]) / rows[:, 1].mean(), rows[:, 2:]]))
    metric = Ratio(numerator="revenue", denominator="sessions")
    for variance in ("welch", "pooled", "normal"):
        settings = {"treatment": "b", "control": "a", "variance": variance, "adjust": columns[2:]}
        found = difference(arms_of(parts[1], parts[0], columns), metric=metric, **settings)
        expected = difference(arms_of(linear[1], linear[0], ("z", *columns[2:])), metric="z", **settings)
        for name in ("value", "standard_error", "degrees_of_freedom", "baseline", "baseline_error", "covariance"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9), (variance, name)
    assert found.method == "difference of ratios, delta method, adjusted for 2 covariate(s), normal"


# --- properties -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", ["welch", "pooled", "normal"])
@pytest.mark.parametrize("unit", [1e-60, 1e-9, 1e9, 1e60])
def test_units_do_not_matter(variance: Any, unit: float) -> None:
    treatment, control = drawn(5, 30, 1.0), drawn(6, 40)
    one = compared(treatment, control, variance=variance, adjust=("x", "z"))
    for scale in ([1.0, unit, 1.0], [1.0, 1.0, 1 / unit]):
        other = compared(treatment * scale, control * scale, variance=variance, adjust=("x", "z"))
        assert other.value == pytest.approx(one.value, rel=1e-9)
        assert other.standard_error == pytest.approx(one.standard_error, rel=1e-9)
    other = compared(treatment * unit, control * unit, variance=variance, adjust=("x", "z"))
    assert other.value == pytest.approx(one.value * unit, rel=1e-9)
    assert other.lift().upper == pytest.approx(one.lift().upper, rel=1e-8)


def test_the_order_of_the_covariates_and_their_origin_do_not_matter() -> None:
    treatment, control = drawn(7, 30, 1.0), drawn(8, 40)
    one = compared(treatment, control, adjust=("x", "z"))
    for other in (
        compared(treatment, control, adjust=("z", "x")),
        compared(treatment + 100, control + 100, adjust=("x", "z")),
    ):
        assert other.value == pytest.approx(one.value, rel=1e-9)
        assert other.standard_error == pytest.approx(one.standard_error, rel=1e-9)


def test_swapping_the_arms_turns_the_sign() -> None:
    treatment, control = drawn(9, 30, 1.0), drawn(10, 40)
    for variance in ("welch", "pooled"):
        one = compared(treatment, control, variance=variance, adjust=("x",))
        other = compared(control, treatment, variance=variance, adjust=("x",))
        assert other.value == pytest.approx(-one.value, rel=1e-12)
        assert other.standard_error == pytest.approx(one.standard_error, rel=1e-12)


def test_shards_give_what_the_whole_gives() -> None:
    treatment, control = drawn(11, 300, 1.0), drawn(12, 400)
    whole = compared(treatment, control, adjust=("x", "z"))
    shards = [arms_of(treatment[start::3], control[start::3]) for start in range(3)]
    found = difference(shards[2] + shards[0] + shards[1], treatment="b", control="a", metric="y", adjust=("x", "z"))
    for name in ("value", "standard_error", "degrees_of_freedom", "covariance"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name), rel=1e-11)


def test_an_unrelated_covariate_changes_little_and_the_gap_between_arms_does_not_make_a_slope() -> None:
    rng = np.random.default_rng(13)
    rows = [np.column_stack([rng.normal(level, 1, 40_000), rng.normal(level, 1, 40_000)]) for level in (0.0, 5.0)]
    moments = arms_of(rows[1], rows[0], ("y", "x"))
    plain = difference(moments, treatment="b", control="a", metric="y")
    found = difference(moments, treatment="b", control="a", metric="y", variance="pooled", adjust=("x",))
    # The slope is 0 up to 4 of its errors 1 / sqrt(n), although the arms lie 5 apart in both.
    assert abs(found.value - plain.value) < 5 * 4 / np.sqrt(80_000)
    level = difference(
        arms_of(rows[1] - [0, 5], rows[0], ("y", "x")), treatment="b", control="a", metric="y", adjust=("x",)
    )
    assert level.standard_error == pytest.approx(plain.standard_error, rel=1e-3)


def test_a_covariate_that_tells_all_leaves_no_error() -> None:
    rng = np.random.default_rng(14)
    x = [rng.normal(0, 1, n) for n in (30, 40)]
    rows = [np.column_stack([3.3 * part + 0.1 + effect, part]) for part, effect in zip(x, (0.0, 1.0), strict=True)]
    for variance in ("welch", "pooled", "normal"):
        found = difference(
            arms_of(rows[1], rows[0], ("y", "x")),
            treatment="b",
            control="a",
            metric="y",
            adjust=("x",),
            variance=variance,
        )
        assert found.value == pytest.approx(1.0, rel=1e-12)
        assert found.standard_error == 0.0
        assert found.test().reason == "the standard error is 0: the units show no variation to judge it by"


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("adjust", "text"),
    [
        (("y",), "difference: adjust must name other columns than the metric, got 'y'"),
        (("x", "x"), "difference: adjust must name each column once, got 'x' twice"),
        (("w",), "difference: adjust must be some of ('y', 'x', 'z', 'sum', 'one'), got 'w'"),
        (("one",), "difference: adjust must hold columns that vary, got a constant in column 'one'; leave it out"),
        (
            ("x", "z", "sum"),
            "difference: adjust must hold columns that the others do not determine, got 'sum', which they do; leave it out",
        ),
    ],
)
def test_covariates_that_cannot_serve(adjust: tuple[str, ...], text: str) -> None:
    rows = [
        np.column_stack([part, part[:, 1] - 2 * part[:, 2], np.full(30, 0.1)]) for part in (drawn(1, 30), drawn(2, 30))
    ]
    with pytest.raises(InputError) as caught:
        difference(
            arms_of(*rows, columns=(*COLUMNS, "sum", "one")), treatment="b", control="a", metric="y", adjust=adjust
        )
    assert str(caught.value) == text


def test_too_few_units_for_the_covariates() -> None:
    with pytest.raises(InputError) as caught:
        compared(drawn(1, 2), drawn(2, 2), variance="pooled", adjust=("x", "z"))
    assert str(caught.value) == "difference: adjust must leave degrees of freedom, got 2 column(s) for 4 units"


def test_parts_of_a_ratio_cannot_adjust_it_and_need_a_level() -> None:
    metric = Ratio(numerator="y", denominator="x")
    with pytest.raises(InputError, match="^difference: adjust must name other columns than the metric, got 'x'$"):
        compared(drawn(1, 9), drawn(2, 9), metric=metric, adjust=("x",))
    with pytest.raises(InputError) as caught:
        compared(drawn(1, 9), drawn(2, 9) * [1, 0, 1], metric=metric, adjust=("z",))
    assert str(caught.value) == "difference: metric.denominator must have a mean > 0, got 0.0 in the control"


# --- real data --------------------------------------------------------------------------------------------------------


def test_what_customers_bought_before_foretells_visits(shared_data: Any) -> None:
    """Hillstrom's e-mails: the value of the regression on 64,000 rows, with a smaller error than without covariates."""
    rows = pd.read_csv(shared_data("hillstrom/hillstrom.csv.gz"))
    adjust = ("recency", "history", "mens", "womens", "newbie")
    moments = Moments.from_frame(rows, by="segment", columns=("visit", *adjust))
    names: Any = {"treatment": "Mens E-Mail", "control": "No E-Mail", "metric": "visit"}
    plain, found = difference(moments, **names), difference(moments, **names, adjust=adjust)
    both = [
        rows.loc[rows["segment"] == arm, ["visit", *adjust]].to_numpy(float) for arm in ("Mens E-Mail", "No E-Mail")
    ]
    value, error, _ = least_squares(*both, [1, 2, 3, 4, 5])
    assert found.value == pytest.approx(value, rel=1e-9)
    assert found.standard_error == pytest.approx(error, rel=0.02)
    assert found.standard_error < 0.99 * plain.standard_error
    assert abs(found.value - plain.value) < plain.standard_error
