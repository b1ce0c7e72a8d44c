"""Arms of whole clusters: against the sandwich on the rows (case 31) and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecomops.core import InputError
from ecomops.experiments import Estimate, Moments, MomentsByArm, Ratio, clustered_difference, difference

NAMES: Any = {"treatment": "b", "control": "a", "metric": "y"}


def clusters(seed: int, stores: int, most: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = rng.integers(1, most, stores)
    store = np.repeat(np.arange(stores), size)
    level = rng.normal(10, 2, stores)
    return pd.DataFrame(
        {"arm": np.where(store % 2 == 0, "a", "b"), "store": store, "y": rng.normal(level[store], 3), "one": 1.0}
    )


def test_clusters_are_the_sandwich_of_the_rows() -> None:
    """Case 31: per arm HC0 by cluster times G / (G - 1), without a further factor."""
    frame = clusters(12, 14, 9)
    moments = Moments.from_frame(frame, by="arm", unit="store", columns=("y", "one"))
    found = clustered_difference(moments, treatment="b", control="a", metric=Ratio(numerator="y", denominator="one"))
    arm = (frame["arm"] == "b").to_numpy(float)
    design = np.column_stack([1 - arm, arm])
    bread = np.linalg.inv(design.T @ design)
    level = bread @ design.T @ frame["y"].to_numpy()
    residual = frame["y"].to_numpy() - design @ level
    scores = np.array([design[frame["store"] == store].T @ residual[frame["store"] == store] for store in range(14)])
    variance = np.diagonal(bread @ (scores.T @ scores) @ bread) * 7 / 6
    assert found.value == pytest.approx(level[1] - level[0], rel=1e-12)
    assert found.standard_error**2 == pytest.approx(variance.sum(), rel=1e-12)
    assert found.baseline_error**2 == pytest.approx(variance[0], rel=1e-12)
    assert (found.degrees_of_freedom, found.n_treatment, found.n_control) == (12.0, 7.0, 7.0)
    assert found.method == "difference of ratios, delta method, clusters"


def test_a_column_is_compared_by_the_means_of_clusters() -> None:
    frame = clusters(13, 12, 5).groupby(["arm", "store"], as_index=False)["y"].mean()
    moments = Moments.from_frame(frame, by="arm", columns=("y",))
    found = clustered_difference(moments, **NAMES)
    pooled = difference(moments, **NAMES, variance="pooled")
    assert found.value == pooled.value
    # Six clusters in each arm: the pooled and the separate variances agree.
    assert found.standard_error == pytest.approx(pooled.standard_error, rel=1e-12)
    assert found.degrees_of_freedom == pooled.degrees_of_freedom == 10.0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"control": "b"}, "treatment must be another arm than control, got 'b' for both"),
        ({"treatment": "c"}, "treatment must be one of ['a', 'b'], got 'c'"),
        ({"metric": "w"}, "metric must be one of ('y', 'one'), got 'w'"),
        ({}, "treatment must have at least 2 units, got 1 in arm 'b'"),
    ],
)
def test_refusals_of_clusters(changes: dict[str, Any], text: str) -> None:
    moments = Moments.from_frame(clusters(14, 3, 4), by="arm", unit="store", columns=("y", "one"))
    arguments: Any = {**NAMES, **changes}
    with pytest.raises(InputError) as caught:
        clustered_difference(moments, **arguments)
    assert str(caught.value) == f"clustered_difference: {text}"


@pytest.mark.parametrize(("stores", "most", "limit"), [(8, 2, 0.05), (10, 2, 0.05), (60, 6, 0.062)])
def test_no_effect_is_found_as_often_as_alpha_says(stores: int, most: int, limit: float) -> None:
    """Clusters of one size keep the level however few; of sizes 1 to 5, sixty of them come near it."""
    rng = np.random.default_rng(15)
    runs = 20_000
    size = rng.integers(1, most, (runs, 2, stores // 2)).astype(float)
    total = size * rng.normal(10, 2, size.shape) + np.sqrt(size) * rng.normal(0, 3, size.shape)
    level = total.sum(axis=2) / size.sum(axis=2)
    half = stores / 2
    variance = np.square(total - level[..., None] * size).sum(axis=2) / size.sum(axis=2) ** 2 * half / (half - 1)
    found = Estimate(
        value=level[:, 1] - level[:, 0], standard_error=np.sqrt(variance.sum(axis=1)), degrees_of_freedom=stores - 2.0
    )
    for run in range(5):
        parts = tuple(
            Moments.from_arrays(np.column_stack([total[run, arm], size[run, arm]]), columns=("y", "one"))
            for arm in (0, 1)
        )
        alone = clustered_difference(
            MomentsByArm(arms=["a", "b"], moments=parts),
            treatment="b",
            control="a",
            metric=Ratio(numerator="y", denominator="one"),
        )
        assert alone.test().p_value == pytest.approx(found.test().p_value[run], rel=1e-9)
    rate = (found.test().p_value < 0.05).mean()
    assert 0.05 - 3.29 * np.sqrt(0.05 * 0.95 / runs) <= rate <= limit + 3.29 * np.sqrt(0.05 * 0.95 / runs)
