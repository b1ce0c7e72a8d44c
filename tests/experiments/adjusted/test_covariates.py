"""Lin's interacted estimator: against regressions and sandwiches on the rows, case 32 and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import (
    Moments,
    MomentsByArm,
    Ratio,
    difference,
    interacted_difference,
    interacted_difference_of_rows,
)

NAMES = {"treatment": "b", "control": "a", "metric": "y"}
RUNS = 20_000


def frame_of(seed: int, n: int, m: int) -> pd.DataFrame:
    """Return rows whose effect and whose noise vary with two covariates."""
    rng = np.random.default_rng(seed)
    arm = np.repeat(["a", "b"], [m, n])
    x = rng.normal(3, 2, n + m)
    z = 0.5 * x + rng.gamma(2.0, 1.0, n + m)
    y = 10 + x - 0.5 * z + (arm == "b") * (1 + 0.8 * x) + rng.normal(0, 0.5 + 0.3 * np.abs(x))
    return pd.DataFrame({"arm": arm, "y": y, "x": x, "z": z})


def moments_of(frame: pd.DataFrame) -> MomentsByArm:
    return Moments.from_frame(frame, by="arm", columns=("y", "x", "z"))


def interacted(frame: pd.DataFrame, adjust: list[str]) -> tuple[Any, Any, Any]:
    """Fit y on arm, centred covariates and their products: coefficients, design and residuals."""
    arm = (frame["arm"] == "b").to_numpy(float)
    apart = frame[adjust].to_numpy() - frame[adjust].to_numpy().mean(axis=0)
    design = np.column_stack([np.ones(len(frame)), arm, apart, arm[:, None] * apart])
    coefficient, *_ = np.linalg.lstsq(design, frame["y"].to_numpy(), rcond=None)
    return coefficient, design, frame["y"].to_numpy() - design @ coefficient


def sandwich(design: Any, residual: Any, exponent: float) -> float:
    """Return the robust error of the second coefficient, by the full matrices."""
    bread = np.linalg.inv(design.T @ design)
    leverage = np.diagonal(design @ bread @ design.T)
    meat = design.T @ (design * (residual**2 / (1 - leverage) ** exponent)[:, None])
    return float(np.sqrt((bread @ meat @ bread)[1, 1]))


# --- the interacted regression ----------------------------------------------------------------------------------------


def test_the_anorexia_trial(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("reference/anorexia.csv.gz"))
    names: Any = {"treatment": "FT", "control": "Cont", "metric": "Postwt", "adjust": ("Prewt",)}
    found = interacted_difference(Moments.from_frame(rows, by="Treat", columns=("Prewt", "Postwt")), **names)
    # In exact fractions of the rows 8.55605718906; the specification prints ...1898.
    assert found.value == pytest.approx(8.55605718906, abs=5e-12)
    for errors, expected in (("hc2", 2.3634978), ("hc0", 2.1725100)):
        robust = interacted_difference_of_rows(rows, by="Treat", errors=errors, target="sample", **names)
        assert robust.value == pytest.approx(8.55605718906, abs=5e-12)
        assert robust.standard_error == pytest.approx(expected, abs=5e-8)
        assert robust.degrees_of_freedom == 39.0


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(6, 40), st.integers(6, 40), st.sampled_from([["x"], ["z", "x"]]))
def test_value_and_robust_errors_are_those_of_the_interacted_regression(
    seed: int, n: int, m: int, adjust: list[str]
) -> None:
    frame = frame_of(seed, n, m)
    coefficient, design, residual = interacted(frame, adjust)
    found = interacted_difference(moments_of(frame), **NAMES, adjust=tuple(adjust), target="sample")
    assert found.value == pytest.approx(coefficient[1], rel=1e-8, abs=1e-9)
    # Two regressions, each with its own constant variance: the sandwich with the variances of the arms as its meat.
    arm = design[:, 1]
    freedom = {0.0: m - 1 - len(adjust), 1.0: n - 1 - len(adjust)}
    variance = {side: (residual[arm == side] ** 2).sum() / left for side, left in freedom.items()}
    bread = np.linalg.inv(design.T @ design)
    meat = design.T @ (design * np.where(arm > 0, variance[1.0], variance[0.0])[:, None])
    assert found.standard_error == pytest.approx(np.sqrt((bread @ meat @ bread)[1, 1]), rel=1e-7)
    for errors, exponent in (("hc0", 0.0), ("hc2", 1.0), ("hc3", 2.0)):
        robust = interacted_difference_of_rows(
            frame, by="arm", **NAMES, adjust=tuple(adjust), errors=errors, target="sample"
        )
        assert robust.value == pytest.approx(coefficient[1], rel=1e-8, abs=1e-9)
        assert robust.standard_error == pytest.approx(sandwich(design, residual, exponent), rel=1e-6)


def test_a_population_adds_the_doubt_about_the_mean_of_the_covariates() -> None:
    frame = frame_of(3, 60, 40)
    coefficient, _, _ = interacted(frame, ["x", "z"])
    covariance = np.cov(frame[["x", "z"]].to_numpy().T)
    doubt = coefficient[4:] @ covariance @ coefficient[4:] / len(frame)
    for call in (
        lambda target: interacted_difference(moments_of(frame), **NAMES, adjust=("x", "z"), target=target),
        lambda target: interacted_difference_of_rows(frame, by="arm", **NAMES, adjust=("x", "z"), target=target),
    ):
        sample, population = call("sample"), call("population")
        assert population.value == sample.value
        assert population.standard_error**2 - sample.standard_error**2 == pytest.approx(doubt, rel=1e-9)


def test_equal_slopes_make_it_cuped() -> None:
    """With the same covariates in both arms and no noise but one, the two slopes are one."""
    frame = frame_of(4, 50, 50)
    x = frame["x"][:50].to_numpy()
    noise = np.random.default_rng(5).normal(0, 1, 50)
    frame["x"] = np.concatenate([x, x])
    frame["y"] = np.concatenate([2 * x + noise, 2 * x + noise + 3])
    lin = interacted_difference(moments_of(frame), **NAMES, adjust=("x",))
    cuped = difference(moments_of(frame), **NAMES, adjust=("x",))
    assert lin.value == pytest.approx(cuped.value, rel=1e-12)
    assert lin.value == pytest.approx(3.0, rel=1e-12)
    assert lin.covariance == pytest.approx(cuped.covariance, rel=1e-9)
    assert lin.baseline_error == pytest.approx(cuped.baseline_error, rel=1e-12)


def test_units_origins_orders_and_shards_do_not_matter() -> None:
    frame = frame_of(6, 60, 40)
    one = interacted_difference(moments_of(frame), **NAMES, adjust=("x", "z"))
    shifted = frame.assign(x=frame["x"] * 1e6 + 50, z=frame["z"] * 1e-6)
    parts = [moments_of(frame[start::3]) for start in range(3)]
    for other in (
        interacted_difference(moments_of(shifted), **NAMES, adjust=("z", "x")),
        interacted_difference(parts[1] + parts[0] + parts[2], **NAMES, adjust=("x", "z")),
    ):
        for name in ("value", "standard_error", "degrees_of_freedom", "covariance"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-8)


def test_a_ratio_is_made_linear_first() -> None:
    frame = frame_of(7, 60, 40).assign(d=lambda rows: np.abs(rows["z"]) + 1)
    moments = Moments.from_frame(frame, by="arm", columns=("y", "x", "d"))
    found = interacted_difference(
        moments,
        treatment="b",
        control="a",
        metric=Ratio(numerator="y", denominator="d"),
        adjust=("x",),
        target="sample",
    )
    sums = frame.groupby("arm")[["y", "d"]].transform("mean")
    ratio = sums["y"] / sums["d"]
    linear = frame.assign(y=ratio + (frame["y"] - ratio * frame["d"]) / sums["d"])
    expected = interacted_difference(moments_of(linear), **NAMES, adjust=("x",), target="sample")
    assert found.value == pytest.approx(expected.value, rel=1e-9)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-9)
    assert found.method == "difference of ratios, delta method, interacted regression, sample"


@pytest.mark.parametrize("make", [pl.from_pandas, lambda frame: pl.from_pandas(frame).lazy()])
def test_rows_of_other_engines(make: Any) -> None:
    frame = frame_of(8, 30, 20)
    one = interacted_difference_of_rows(frame, by="arm", **NAMES, adjust=("x",))
    assert interacted_difference_of_rows(make(frame), by="arm", **NAMES, adjust=("x",)).value == pytest.approx(
        one.value
    )
    coded = frame.assign(arm=frame["arm"] == "b")
    found = interacted_difference_of_rows(coded, by="arm", treatment=1, control=0, metric="y", adjust=("x",))
    assert found.standard_error == pytest.approx(one.standard_error, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"adjust": ()}, "adjust must name at least one column, got none; use difference() without covariates"),
        ({"treatment": "a"}, "treatment must be another arm than control, got 'a' for both"),
        ({"adjust": ("x", "x")}, "adjust must name each column once, got 'x' twice"),
        ({"adjust": ("y",)}, "adjust must name other columns than the metric, got 'y'"),
        ({"treatment": "c"}, "treatment must be one of ['a', 'b', 'few'], got 'c'"),
        ({"control": "few"}, "adjust must leave degrees of freedom, got 1 column(s) for 2 units in the control"),
        (
            {"adjust": ("z",)},
            "adjust must hold columns that vary in the control, got a constant in column 'z'; leave it out",
        ),
    ],
)
def test_refusals(changes: dict[str, Any], text: str) -> None:
    frame = frame_of(9, 6, 6)
    frame.loc[frame["arm"] == "a", "z"] = 4.0
    frame = pd.concat([frame, frame[:2].assign(arm="few")])
    given_: Any = {**NAMES, "adjust": ("x",), **changes}
    with pytest.raises(InputError) as caught:
        interacted_difference(moments_of(frame), **given_)
    assert str(caught.value) == f"interacted_difference: {text}"
    with pytest.raises(InputError) as caught:
        interacted_difference_of_rows(frame, by="arm", **given_)
    assert str(caught.value) == f"interacted_difference_of_rows: {text}"


def test_a_unit_that_fits_itself_and_arms_that_are_no_names() -> None:
    frame = frame_of(10, 6, 6)
    frame.loc[frame["arm"] == "b", "x"] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    with pytest.raises(InputError) as caught:
        interacted_difference_of_rows(frame, by="arm", **NAMES, adjust=("x",))
    text = "adjust must leave no unit that determines its own fit, got one in the treatment; use errors='hc0'"
    assert str(caught.value) == f"interacted_difference_of_rows: {text}"
    assert interacted_difference_of_rows(frame, by="arm", **NAMES, adjust=("x",), errors="hc0").standard_error > 0
    with pytest.raises(InputError) as caught:
        interacted_difference_of_rows(frame, by="z", **NAMES, adjust=("x",))
    text = "by must be text or whole numbers, got numbers with decimals in column 'z'"
    assert str(caught.value) == f"interacted_difference_of_rows: {text}"


def test_coverage_where_effects_vary_and_the_split_is_uneven() -> None:
    """Effects 1 + 2 x with x unknown in mean: "population" covers at its level, "sample" too seldom."""
    rng = np.random.default_rng(11)
    n = np.array([90, 30])
    x = [rng.normal(0, 1, (RUNS, size)) for size in n]
    y = [5 + part + arm * (1 + 2 * part) + rng.normal(0, 1, part.shape) for arm, part in enumerate(x)]
    centre, level = (np.array([part.mean(axis=1) for part in rows]) for rows in (x, y))
    apart = [(part - part.mean(axis=1, keepdims=True)) for part in x]
    squares = np.array([np.square(part).sum(axis=1) for part in apart])
    slope = np.array([(part * rows).sum(axis=1) for part, rows in zip(apart, y, strict=True)]) / squares
    left = [
        rows - rows.mean(1, keepdims=True) - t[:, None] * part for rows, t, part in zip(y, slope, apart, strict=True)
    ]
    noise = np.array([np.square(part).sum(axis=1) for part in left]) / (n[:, None] - 2)
    far = n @ centre / n.sum() - centre
    errors = noise * (1 / n[:, None] + np.square(far) / squares)
    of_all = squares.sum(axis=0) + np.square(centre[0] - centre[1]) * n.prod() / n.sum()
    doubt = np.square(slope[1] - slope[0]) * of_all / (n.sum() - 1) / n.sum()
    value = (level + slope * far)[1] - (level + slope * far)[0]
    found = {"sample": errors.sum(axis=0), "population": errors.sum(axis=0) + doubt}
    theta = (n[0] * slope[1] + n[1] * slope[0]) / n.sum()
    of_level = y[0] - level[0][:, None]
    common = -(of_level * (of_level - theta[:, None] * apart[0])).sum(axis=1) / (n[0] - 1) / n[0]
    # Without the covariate it would be -0.022.
    assert common.mean() == pytest.approx(
        np.cov(value, level[0])[0, 1], abs=4 * value.std() * level[0].std() / np.sqrt(RUNS)
    )
    for run in range(5):
        parts = tuple(Moments.from_arrays(np.column_stack([y[a][run], x[a][run]]), columns=("y", "x")) for a in (0, 1))
        for target in ("sample", "population"):
            alone = interacted_difference(
                MomentsByArm(arms=["a", "b"], moments=parts), **NAMES, adjust=("x",), target=target
            )
            assert alone.value == pytest.approx(value[run], rel=1e-9)
            assert alone.standard_error**2 == pytest.approx(found[target][run], rel=1e-9)
            assert alone.covariance == pytest.approx(common[run], rel=1e-9)
    hits = {target: np.abs(value - 1) / np.sqrt(variance) < 1.985 for target, variance in found.items()}
    assert hits["population"].mean() == pytest.approx(0.95, abs=3.29 * np.sqrt(0.05 * 0.95 / RUNS))
    assert hits["sample"].mean() < 0.92
    assert value.mean() == pytest.approx(1.0, abs=4 * value.std() / np.sqrt(RUNS))
