"""CUPED by simulation: how often no effect is found, and how often intervals and lifts hold the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ecomops.experiments import Estimate, Moments, MomentsByArm, difference

RUNS = 20_000


def arms_of(treatment: Any, control: Any, columns: tuple[str, ...]) -> MomentsByArm:
    parts = tuple(Moments.from_arrays(rows, columns=columns) for rows in (control, treatment))
    return MomentsByArm(arms=["a", "b"], moments=parts)


def simulated(sizes: tuple[int, int], variance: Any, seed: int) -> tuple[Any, Any]:
    """Return many experiments without effect as one estimate, and their plain differences; ten also go through the library."""
    rng = np.random.default_rng(seed)
    x = [rng.normal(0, 1, (RUNS, n)) for n in sizes]
    y = [5 + 2 * part + rng.normal(0, 1, part.shape) for part in x]
    n = np.array(sizes, dtype=float)[:, None]
    (mx, my), apart = [np.array([v.mean(axis=1) for v in part]) for part in (x, y)], []
    for part, other in ((x, x), (x, y), (y, y)):
        apart.append(
            np.array(
                [((a - a.mean(1)[:, None]) * (b - b.mean(1)[:, None])).sum(1) for a, b in zip(part, other, strict=True)]
            )
        )
    xx, xy, yy = apart
    theta = xy.sum(0) / xx.sum(0)
    left = yy - 2 * theta * xy + theta**2 * xx
    if variance == "pooled":
        freedom = n.sum() - 3
        scale = left.sum(0) / freedom
        error = scale * ((1 / n).sum() + (mx[0] - mx[1]) ** 2 / xx.sum(0))
        of_baseline, common = yy.sum(0) / (n.sum() - 2) / n[1], scale / n[1]
    else:
        parts = left / (n - 1) / n
        error = parts.sum(0)
        freedom = error**2 / (parts**2 / (n - 1)).sum(0) if variance == "welch" else np.inf
        of_baseline, common = yy[1] / (n[1] - 1) / n[1], (yy - theta * xy)[1] / (n[1] - 1) / n[1]
    found = Estimate(
        value=my[0] - my[1] - theta * (mx[0] - mx[1]),
        standard_error=np.sqrt(error),
        degrees_of_freedom=freedom,
        baseline=my[1],
        baseline_error=np.sqrt(of_baseline),
        covariance=-common,
    )
    for run in range(10):
        rows = [np.column_stack([y[arm][run], x[arm][run]]) for arm in (0, 1)]
        moments = arms_of(*rows, columns=("y", "x"))
        alone = difference(moments, treatment="b", control="a", metric="y", variance=variance, adjust=("x",))
        for name in ("value", "standard_error", "baseline", "baseline_error", "covariance"):
            assert getattr(alone, name) == pytest.approx(getattr(found, name)[run], rel=1e-9)
        assert alone.test().p_value == pytest.approx(found.test().p_value[run], rel=1e-8)
    return found, my[0] - my[1]


@pytest.mark.parametrize(
    ("variance", "sizes"), [("pooled", (5, 8)), ("pooled", (30, 12)), ("welch", (300, 400)), ("normal", (500, 500))]
)
def test_no_effect_is_found_as_often_as_alpha_says(variance: Any, sizes: tuple[int, int]) -> None:
    found, plain = simulated(sizes, variance, 21)
    assert found.value.std() < 0.6 * plain.std(), "the covariate is worth it"
    assert found.value.mean() == pytest.approx(0.0, abs=4 * found.value.std() / np.sqrt(RUNS)), "the expectation stays"
    p = found.test().p_value
    for alpha in (0.01, 0.05, 0.2):
        limit = 3.29 * np.sqrt(alpha * (1 - alpha) / RUNS)
        lift = found.lift(confidence=1 - alpha)
        assert (p < alpha).mean() == pytest.approx(alpha, abs=limit)
        assert ((lift.lower <= 0) & (lift.upper >= 0)).mean() == pytest.approx(1 - alpha, abs=limit)


def test_lifts_hold_the_true_lift_as_often_as_they_say() -> None:
    """A lift of 20 %: here the covariance of the adjusted value with the control counts."""
    found, _ = simulated((300, 400), "normal", 24)
    apart = Estimate(**{**found.__dict__, "value": found.value + 1.0})
    for method in ("fieller", "delta"):
        lift = apart.lift(method=method)
        inside = ((lift.lower <= 0.2) & (lift.upper >= 0.2)).mean()
        assert inside == pytest.approx(0.95, abs=3.29 * np.sqrt(0.05 * 0.95 / RUNS) + 0.002), method


def test_taking_the_slope_as_known_is_too_sure_with_few_units() -> None:
    """The figure behind the advice in the notes: 12 against 20 units."""
    found, _ = simulated((12, 20), "welch", 23)
    assert (found.test().p_value < 0.05).mean() == pytest.approx(0.058, abs=0.005)
