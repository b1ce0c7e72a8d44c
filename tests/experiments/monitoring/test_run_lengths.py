"""Run lengths of CUSUMs: Montgomery's and Hawkins's tables, Brook and Evans's Markov chain, simulation, and the inverse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import cusum_run_length, cusum_threshold

MONTGOMERY = [
    (0.0, 168, 465),
    (0.25, 74.2, 139),
    (0.5, 26.6, 38.0),
    (0.75, 13.3, 17.0),
    (1.0, 8.38, 10.4),
    (1.5, 4.75, 5.75),
    (2.0, 3.34, 4.01),
    (2.5, 2.62, 3.11),
    (3.0, 2.19, 2.57),
    (4.0, 1.71, 2.01),
]


@pytest.mark.parametrize(("shift", "four", "five"), MONTGOMERY)
def test_the_table_of_montgomery(shift: float, four: float, five: float) -> None:
    found = cusum_run_length([4.0, 5.0], shift=shift)
    np.testing.assert_allclose(found, [four, five], rtol=5.1e-3)


def test_the_table_of_hawkins() -> None:
    found = cusum_threshold(370, reference=[0.25, 0.5, 0.75, 1.0, 1.25, 1.5])
    np.testing.assert_allclose(found, [8.01, 4.77, 3.34, 2.52, 1.99, 1.61], atol=0.0061)


def brook_and_evans(h: float, k: float, cells: int) -> float:
    """Return the run length of the upper sum from 0 by their Markov chain of cells."""
    width = 2 * h / (2 * cells - 1)
    steps = np.arange(cells)
    ends = (steps[None, :] - steps[:, None] + 0.5) * width + k
    chain = np.diff(stats.norm.cdf(np.column_stack([np.full(cells, -np.inf), ends])), axis=1)
    return float(np.linalg.solve(np.eye(cells) - chain, np.ones(cells))[0])


@pytest.mark.parametrize(("h", "k"), [(4.0, 0.5), (2.0, 1.0), (8.0, 0.25), (0.5, 0.1)])
def test_the_markov_chain_of_brook_and_evans(h: float, k: float) -> None:
    # Its error falls with the square of the cells: extrapolated from 100 and 200 of them.
    coarse, fine = brook_and_evans(h, k, 100), brook_and_evans(h, k, 200)
    expected = fine + (fine - coarse) / 3
    assert cusum_run_length(h, reference=k, alternative="greater") == pytest.approx(expected, rel=2e-4)


def test_a_simulation() -> None:
    rng, runs = np.random.default_rng(2), 4000
    up, down, length = np.zeros(runs), np.zeros(runs), np.zeros(runs)
    going = np.arange(runs)
    while going.size:
        x = rng.normal(0.3, 1, going.size)
        up[going], down[going] = np.maximum(up[going] + x - 0.5, 0), np.maximum(down[going] - x - 0.5, 0)
        length[going] += 1
        going = going[np.maximum(up[going], down[going]) <= 4]
    expected = cusum_run_length(4.0, shift=0.3)
    assert length.mean() == pytest.approx(expected, abs=3.29 * length.std() / math.sqrt(runs))


@given(st.floats(2, 1e6), st.floats(0.1, 2), st.sampled_from(["two-sided", "greater", "less"]))
def test_threshold_and_run_length_are_inverse(length: float, k: float, alternative: Any) -> None:
    try:
        h = cusum_threshold(length, reference=k, alternative=alternative)
    except InputError as error:
        assert "run_length must be above" in str(error)
        return
    assert cusum_run_length(h, reference=k, alternative=alternative) == pytest.approx(length, rel=1e-9)


@given(st.floats(0.1, 4), st.floats(0, 1), st.floats(-1, 1))
def test_the_rates_of_the_two_sums_add(h: float, k: float, shift: float) -> None:
    both = cusum_run_length(h, reference=k, shift=shift)
    one = [cusum_run_length(h, reference=k, shift=sign * abs(shift), alternative="greater") for sign in (1, -1)]
    assert 1 / both == pytest.approx(1 / one[0] + 1 / one[1], rel=1e-9)
    assert cusum_run_length(h, reference=k, shift=-shift) == pytest.approx(both, rel=1e-9)
    less = cusum_run_length(h, reference=k, shift=-abs(shift), alternative="less")
    assert less == pytest.approx(one[0], rel=1e-9)


def test_arrays_are_their_elements() -> None:
    h, k = np.linspace(0.5, 9, 150), np.array([[0.25], [0.5]])
    found = cusum_run_length(h, reference=k)
    assert found.shape == (2, 150)
    for row, place in ((0, 3), (1, 149), (1, 70)):
        assert found[row, place] == pytest.approx(cusum_run_length(h[place], reference=k[row, 0]), rel=1e-10)


def test_siegmund_is_near() -> None:
    b = 5 + 1.166
    assert cusum_run_length(5.0, alternative="greater") == pytest.approx(2 * (math.exp(b) - b - 1), rel=0.03)
    assert cusum_run_length(5.0, reference=0.0, alternative="greater") == pytest.approx(b * b, rel=0.03)


@pytest.mark.parametrize(
    ("function", "given_value", "options", "text"),
    [
        (cusum_run_length, 60.0, {}, "threshold must give a run length of at most 1e+10 periods; lower it"),
        (cusum_run_length, 0.0, {}, "threshold must be > 0, got 0.0"),
        (cusum_run_length, 101.0, {}, "threshold must be <= 100, got 101.0"),
        (
            cusum_threshold,
            3.0,
            {"reference": 1.0},
            "run_length must be above 3.15149, that of a threshold of 0 with reference 1, got 3",
        ),
        (
            cusum_threshold,
            1e9,
            {"reference": 0.0},
            "run_length must be one that a threshold of at most 100 can give: find a larger shift, or rest on more periods",
        ),
    ],
)
def test_refusals(function: Any, given_value: float, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        function(given_value, **options)
    assert str(caught.value) == f"{function.__name__}: {text}"
