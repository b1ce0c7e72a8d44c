"""Moments: against exact fractions, R's anorexia data, raw sums from a database, and every way to be wrong."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import Moments, MomentsByArm, difference

values = st.lists(
    st.tuples(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6)).map(lambda pair: (pair[0] / 64, pair[1])),
    min_size=2,
    max_size=20,
)


def exact(rows: list[tuple[float, ...]]) -> tuple[list[Fraction], list[list[Fraction]]]:
    columns = [[Fraction(value) for value in column] for column in zip(*rows, strict=True)]
    means = [sum(column, Fraction(0)) / len(column) for column in columns]
    gaps = [[value - mean for value in column] for column, mean in zip(columns, means, strict=True)]
    products = [[sum((a * b for a, b in zip(p, q, strict=True)), Fraction(0)) for q in gaps] for p in gaps]
    return means, products


@given(values, st.sampled_from([0.0, 1e3, -1e6, 1e9]))
def test_means_variances_and_covariances_are_exact_to_rounding(rows: list[Any], shift: float) -> None:
    shifted = [(one + shift, two) for one, two in rows]
    found = Moments.from_arrays(shifted, columns=("x", "y"))
    means, products = exact(shifted)
    freedom = len(rows) - 1
    assert found.n == len(rows)
    assert math.isclose(found.mean("x"), float(means[0]), rel_tol=1e-12, abs_tol=1e-9)
    for one, first in enumerate("xy"):
        for two, second in enumerate("xy"):
            scale = math.sqrt(products[one][one] * products[two][two]) / freedom
            expected = float(products[one][two] / freedom)
            assert math.isclose(found.covariance(first, second), expected, rel_tol=1e-12, abs_tol=1e-12 * scale)
    assert found.covariance("x", "y") == found.covariance("y", "x")
    assert found.variance("x") == found.covariance("x", "x")


@given(values, st.floats(0.01, 100), st.integers(-100, 100))
def test_units_and_origins(rows: list[Any], scale: float, shift: int) -> None:
    one = Moments.from_arrays(rows, columns=("x", "y"))
    other = Moments.from_arrays([(x * scale + shift, y) for x, y in rows], columns=("x", "y"))
    size = scale * (math.sqrt(one.variance("x")) + abs(one.mean("x"))) + abs(shift)
    assert math.isclose(other.mean("x"), one.mean("x") * scale + shift, abs_tol=1e-12 * size)
    assert math.isclose(other.variance("x"), one.variance("x") * scale**2, rel_tol=1e-9, abs_tol=1e-12 * size**2)


def test_large_offsets_lose_nothing() -> None:
    """The textbook failure of raw sums of squares: 1e9 + 4, 7, 13, 16 has variance 30 (Chan, Golub & LeVeque 1983)."""
    rows = [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]
    assert Moments.from_arrays(rows, columns=("x",)).variance("x") == 30.0
    parts = [Moments.from_arrays([row], columns=("x",)) for row in rows]
    assert ((parts[0] + parts[1]) + (parts[2] + parts[3])).variance("x") == 30.0


def test_published_anorexia_sums_give_welchs_test() -> None:
    """MASS anorexia, FT against Cont, from sums as a database gives them: 9.386425, t 4.1601338, df 22.620469, p .00038875."""
    control = Moments.from_sums(
        columns=("before", "after"), n=26, sums=[2120.5, 2108.8], products=[[173757.35, 171879.6], [171879.6, 171602.6]]
    )
    treated = Moments.from_sums(
        columns=("before", "after"),
        n=17,
        sums=[1414.9, 1538.4],
        products=[[118163.97, 128406.25], [128406.25, 140365.38]],
    )
    gap = difference(
        MomentsByArm(arms=["Cont", "FT"], moments=(control, treated)), treatment="FT", control="Cont", metric="after"
    )
    gain = difference(
        MomentsByArm(arms=["Cont", "FT"], moments=(control, treated)), treatment="FT", control="Cont", metric="before"
    )
    assert round(gap.value, 6) == 9.386425
    assert round(gap.value / gap.standard_error, 7) == 4.1601338
    assert round(gap.degrees_of_freedom, 6) == 22.620469
    # Hand arithmetic for the pooled slope of the ancova, .2110717581.
    pooled = control.comoments + treated.comoments
    assert round(pooled[0, 1] / pooled[0, 0], 10) == 0.2110717581
    assert abs(gain.value - (1414.9 / 17 - 2120.5 / 26)) < 1e-12


@given(st.lists(st.tuples(st.integers(-(10**4), 10**4), st.integers(0, 9)), min_size=1, max_size=30))
def test_sums_of_whole_numbers_are_exact(rows: list[Any]) -> None:
    array = np.array(rows, dtype=np.int64)
    found = Moments.from_sums(columns=("x", "y"), n=len(rows), sums=array.sum(axis=0), products=array.T @ array)
    _, products = exact(rows)
    assert found.comoments.tolist() == [[float(value) for value in row] for row in products]


@given(st.integers(-5, 12), st.integers(2, 2000), st.integers(0, 2**32))
def test_raw_sums_are_right_to_six_digits_or_refused(magnitude: int, size: int, seed: int) -> None:
    """Mean 10**magnitude times the spread: near it a variance survives, far from it there must be an error."""
    column = 10.0**magnitude + np.random.default_rng(seed).normal(size=size)
    mean = sum(map(Fraction, column.tolist())) / size
    truth = float(sum((Fraction(value) - mean) ** 2 for value in column.tolist()) / (size - 1))
    try:
        found = Moments.from_sums(columns=("x",), n=size, sums=[column.sum()], products=[[column @ column]])
    except InputError as error:
        assert magnitude >= 3, "there was no need to refuse"
        assert str(error).startswith(
            "Moments.from_sums: products have lost the variance of 'x' to rounding; sum (x - c)"
        )
    else:
        assert math.isclose(found.variance("x"), truth, rel_tol=2e-6)
        assert magnitude <= 4, "that far from zero a variance cannot be right"


def test_constants_and_single_units_from_sums() -> None:
    assert Moments.from_sums(columns=("x",), n=100, sums=[100], products=[[100]]).variance("x") == 0.0
    assert Moments.from_sums(columns=("x",), n=100, sums=[0], products=[[0]]).variance("x") == 0.0
    one = Moments.from_sums(columns=("x",), n=1, sums=[3.3], products=[[3.3 * 3.3]])
    assert (one.mean("x"), one.comoments.tolist()) == (3.3, [[0.0]])
    # 1e9 and 1e9 + 1 twice: the products are whole numbers, but too large to be exact.
    with pytest.raises(InputError, match="have lost the variance of 'x' to rounding"):
        Moments.from_sums(columns=("x",), n=4, sums=[4e9 + 2], products=[[4e18 + 4e9 + 2]])
    with pytest.raises(
        InputError, match=r"^Moments.from_sums: products must be at least sums \*\* 2 / n, got less in column 'x'$"
    ):
        Moments.from_sums(columns=("x",), n=4, sums=[10], products=[[5]])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"n": 0}, "n must be >= 1, got 0.0"),
        ({"n": 2.5}, "n must be a whole number of at most 2**53, got 2.5"),
        ({"sums": [1.0]}, "sums and products must fit 2 column(s), got shapes (1,), (2, 2)"),
        ({"products": [[1.0]]}, "sums and products must fit 2 column(s), got shapes (2,), (1, 1)"),
        ({"columns": ("x", "x")}, "columns must not repeat, got ('x', 'x')"),
        (
            {"products": [[30.0, 1.0], [2.0, 30.0]]},
            "comoments must be symmetric, got -1.5 and -0.5 at index (0, 1)",
        ),
    ],
)
def test_wrong_sums(changes: dict[str, Any], text: str) -> None:
    given_sums = {"columns": ("x", "y"), "n": 4, "sums": [2.0, 5.0], "products": [[30.0, 1.0], [1.0, 30.0]]}
    assert Moments.from_sums(**given_sums).covariance("x", "y") == -0.5
    with pytest.raises(InputError) as caught:
        Moments.from_sums(**{**given_sums, **changes})
    assert str(caught.value) == f"Moments.from_sums: {text}"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Moments.from_arrays([[1.0, 2.0]], columns=("x",)), "Moments.from_arrays: columns must name 2 column(s), got 1"),
        (
            lambda: Moments.from_arrays(np.ones((2, 1, 2)), columns=("x",)),
            "Moments.from_arrays: values must have at least one row and one or two dimensions, got shape (2, 1, 2)",
        ),
        (
            lambda: Moments.from_arrays(np.empty((0, 1)), columns=("x",)),
            "Moments.from_arrays: values must have at least one row and one or two dimensions, got shape (0, 1)",
        ),
        (lambda: Moments.from_arrays([], columns=("x",)), "Moments.from_arrays: values must not be an empty sample, got shape (0,)"),
        (lambda: Moments.from_arrays([1.0], columns=("x",)).variance("x"), "Moments.variance: a variance needs at least 2 units, got 1"),
        (lambda: Moments.from_arrays([1.0], columns=("x",)).mean("y"), "Moments.mean: column must be one of ('x',), got 'y'"),
        (
            lambda: Moments.from_arrays([1.0, 2.0], columns=("x",)).covariance("x", "y"),
            "Moments.covariance: column must be one of ('x',), got 'y'",
        ),
        (
            lambda: Moments.from_arrays([1e300, -1e300], columns=("x",)),
            "Moments.from_arrays: has no finite answer for these values (overflow encountered in matmul); check their size and units",
        ),
        (
            lambda: Moments.from_arrays([1.0], columns=("x",)) + Moments.from_arrays([1.0], columns=("y",)),
            "Moments: columns must be the same to add, got ('x',) and ('y',)",
        ),
        (lambda: Moments(columns=("x",), n=2, means=[1], comoments=[[-1]]), "Moments: comoments must have a diagonal >= 0, got -1.0 at index 0"),
        (
            lambda: Moments(columns=("x",), n=2, means=[1, 2], comoments=[[1]]),
            "Moments: means and comoments must fit 1 column(s), got shapes ((2,), (1, 1))",
        ),
        (lambda: two_arms()["c"], "MomentsByArm: arm must be one of ['a', 'b'], got 'c'"),
        (lambda: MomentsByArm(arms=["a"], moments=()), "MomentsByArm: arms and moments must be equally many, got 1 and 0"),
        (lambda: MomentsByArm(arms=["a", "a"], moments=two_arms().moments), "MomentsByArm: arms must not repeat, got ['a', 'a']"),
    ],
)  # fmt: skip
def test_what_cannot_be(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == text


def two_arms() -> MomentsByArm:
    one = Moments.from_arrays([1.0, 2.0, 6.0], columns=("x",))
    return MomentsByArm(arms=["a", "b"], moments=(one, one))


@given(values, st.integers(1, 19))
def test_joined_parts_are_the_whole(rows: list[Any], cut: int) -> None:
    assume(cut < len(rows))
    whole = Moments.from_arrays(rows, columns=("x", "y"))
    left, right = (Moments.from_arrays(part, columns=("x", "y")) for part in (rows[:cut], rows[cut:]))
    _, products = exact(rows)
    size = np.abs(np.array(rows, dtype=float)).max(axis=0) + 1
    for joined in (left + right, right + left):
        assert joined.n == whole.n
        assert np.all(np.abs(joined.means - whole.means) <= 1e-12 * size)
        truth = np.array(products, dtype=float)
        assert np.all(np.abs(joined.comoments - truth) <= 1e-12 * len(rows) * np.outer(size, size))


def test_an_arm_that_only_one_part_has_is_kept() -> None:
    arms = two_arms()
    third = MomentsByArm(arms=["c", "b"], moments=arms.moments)
    joined = arms + third
    assert joined.arms.tolist() == ["a", "b", "c"]
    assert [part.n for part in joined.moments] == [3.0, 6.0, 3.0]
    assert joined["b"].mean("x") == 3.0
    assert third + arms == joined


def test_moments_of_a_frame_feed_scipys_test() -> None:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"arm": np.repeat(["a", "b"], [40, 55]), "x": np.r_[rng.gamma(2, 3, 40), rng.gamma(2, 4, 55)]})
    arms = Moments.from_frame(frame, by="arm", columns=("x",))
    truth = stats.ttest_ind(frame.x[frame.arm == "b"], frame.x[frame.arm == "a"], equal_var=False)
    gap = difference(arms, treatment="b", control="a", metric="x")
    assert math.isclose(gap.value / gap.standard_error, truth.statistic, rel_tol=1e-12)
    assert math.isclose(gap.degrees_of_freedom, truth.df, rel_tol=1e-12)
