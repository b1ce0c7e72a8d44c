"""The mean over dropout, each of its three ways against many digits and against the others."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ecomops.segmentation import repeat_purchases
from ecomops.segmentation.repeat_purchases import mean_repeat_purchases


def exact(r: float, s: float, a: float, b: float) -> float:
    """The hypergeometric form in so many digits that its cancellation does not matter."""
    with mpmath.workdps(60):
        r, s, a, b = (mpmath.mpf(value) for value in (r, s, a, b))
        lost = (1 + s) ** -r * mpmath.hyp2f1(r, b, a + b - 1, s / (1 + s))
        return float((a + b - 1) / (a - 1) * (1 - lost))


POINTS = [
    (0.243, 8.8, 0.793, 2.426),
    (5.2, 0.01, 0.793, 3.4),
    (0.5, 3.0, 0.05, 1.2),
    (30.0, 2.0, 0.15, 40.0),
    (2.0, 50.0, 3.0, 0.4),
    (12.0, 1.5, 1.0 + 1e-7, 6.0),
    (0.9, 0.3, 60.0, 900.0),
]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_quadrature_has_twelve_digits_everywhere(point: tuple[float, float, float, float]) -> None:
    r, s, a, b = point
    found = repeat_purchases._by_quadrature(np.array([r]), np.array([s]), a, np.array([b]))
    assert found[0] == pytest.approx(exact(*point), rel=1e-12)


@given(
    st.floats(0.05, 50),
    st.floats(1e-4, 10),
    st.floats(0.01, 20),
    st.floats(0.05, 1e4),
)
def test_the_power_series_agrees_with_quadrature_where_it_is_used(r: float, s: float, a: float, b: float) -> None:
    one, span, other = np.array([r]), np.array([s]), np.array([b])
    fall = [repeat_purchases._fall(k, one, span, a, other)[0] for k in (0, repeat_purchases.TERMS)]
    assume(max(fall) <= repeat_purchases.FALL)
    series = repeat_purchases._series(one, span, a, other)
    np.testing.assert_allclose(series, repeat_purchases._by_quadrature(one, span, a, other), rtol=1e-12)


@given(st.floats(0.05, 50), st.floats(1e-3, 1e3), st.floats(0.01, 20), st.floats(0.05, 1e4))
def test_the_closed_form_is_as_good_as_it_says(r: float, s: float, a: float, b: float) -> None:
    assume(a != 1.0)
    one, span, other = np.array([r]), np.array([s]), np.array([b])
    closed, error = repeat_purchases._closed(one, span, a, other)
    truth = repeat_purchases._by_quadrature(one, span, a, other)
    assume(0 < closed[0] <= r * s)
    assume(error[0] <= repeat_purchases.WANTED * closed[0])
    np.testing.assert_allclose(closed, truth, rtol=2e-10)


def test_dropout_that_never_happens_leaves_a_poisson_process() -> None:
    assert mean_repeat_purchases(2.0, 4.0, 1e-18, 1e3, 500.0) == pytest.approx(250.0, rel=1e-12)


def test_rows_of_all_kinds_go_together_in_any_shape() -> None:
    r, alpha, b = np.array([[0.2, 3.0, 40.0]]), np.array([[1.0], [10.0], [1e3]]), 2.4
    found = mean_repeat_purchases(r, alpha, 0.8, b, 30.0)
    assert found.shape == (3, 3)
    apart = [[mean_repeat_purchases(one, other, 0.8, b, 30.0) for one in r[0]] for other in alpha[:, 0]]
    np.testing.assert_allclose(found, apart, rtol=1e-12)


def test_many_rows_are_done_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    r, s, b = np.linspace(0.1, 9, 40), np.linspace(0.01, 20, 40), np.full(40, 3.0)
    whole = repeat_purchases._by_quadrature(r, s, 1.0, b)
    monkeypatch.setattr(repeat_purchases, "BLOCK", 1500)
    np.testing.assert_allclose(repeat_purchases._by_quadrature(r, s, 1.0, b), whole, rtol=1e-13)


def test_no_rows_give_no_answers() -> None:
    assert mean_repeat_purchases(np.empty(0), np.empty(0), 0.5, 2.0, 3.0).shape == (0,)
