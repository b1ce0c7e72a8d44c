"""The log-likelihood and its gradient: individual customers, finite differences, total probability, compression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special
from tests.segmentation import individual
from tests.segmentation.individual import HISTORIES, MODELS, counts

from ecomops.core import InputError
from ecomops.segmentation import BgNbd, MbgNbd, log_likelihood
from ecomops.segmentation.purchase_likelihood import PurchaseLikelihood

logs = st.lists(st.floats(min_value=-3, max_value=3), min_size=4, max_size=4)
histories = st.lists(
    st.tuples(st.integers(0, 40), st.floats(0.0, 1.0), st.floats(0.01, 200.0)).map(
        lambda row: (row[0], row[1] * row[2] if row[0] else 0.0, row[2])
    ),
    min_size=1,
    max_size=8,
)


def parameters(model: Any) -> Any:
    return np.log([model.r, model.alpha, model.a, model.b])


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_it_is_an_average_over_individual_customers(model: Any) -> None:
    for history in HISTORIES:
        expected = np.log(individual.likelihood(model, *history))
        assert log_likelihood(model, counts([history])) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("model", [MODELS[0], MODELS[3]], ids=repr)
def test_all_histories_together_are_certain(model: Any) -> None:
    """The chance of x purchases is the density of the last one, times the room for the others before it, integrated."""

    def chance(x: int) -> float:
        if not x:
            return float(np.exp(log_likelihood(model, counts([(0, 0.0, 10.0)]))))
        room = special.gammaln(x)
        at = lambda last: np.exp(  # noqa: E731
            log_likelihood(model, counts([(x, last, 10.0)])) + (x - 1) * np.log(last) - room
        )
        return float(integrate.quad(at, 1e-12, 10.0, epsrel=1e-9)[0])

    # The rest is the tail beyond 60 purchases in ten weeks.
    assert sum(chance(x) for x in range(61)) == pytest.approx(1.0, abs=2e-6)


@given(histories, logs, st.booleans())
def test_the_gradient_is_that_of_finite_differences(rows: Any, point: list[float], modified: bool) -> None:
    kernel = PurchaseLikelihood(counts(rows), 3.0, modified=modified)
    where = np.array(point)
    value, gradient = kernel(where)
    for place in range(4):
        step = np.zeros(4)
        step[place] = 1e-5
        slope = (kernel(where + step)[0] - kernel(where - step)[0]) / 2e-5
        # The rounding of a value v shows as v / step in a difference.
        assert gradient[place] == pytest.approx(slope, rel=1e-6, abs=1e-9 * (abs(value) + 1e3))


@given(histories, logs, st.booleans(), st.floats(min_value=1e-6, max_value=1e6))
def test_the_scale_of_time_shifts_it_by_the_purchases(
    rows: Any, point: list[float], modified: bool, scale: float
) -> None:
    one = PurchaseLikelihood(counts(rows), 1.0, modified=modified)
    scaled = PurchaseLikelihood(counts(rows), scale, modified=modified)
    where = np.array(point)
    shifted = where - np.array([0.0, np.log(scale), 0.0, 0.0])
    value, gradient = one(where)
    again, same = scaled(shifted)
    assert again == pytest.approx(value, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(same, gradient, rtol=1e-6, atol=1e-8 * (1 + abs(value)))


@given(histories, st.lists(st.integers(0, 5), min_size=8, max_size=8), st.sampled_from(MODELS))
def test_counted_customers_are_customers_one_by_one(rows: Any, times: list[int], model: Any) -> None:
    number = times[: len(rows)]
    written_out = [row for row, n in zip(rows, number, strict=True) for _ in range(n)]
    together = log_likelihood(model, counts(rows, customers=number))
    assert together == pytest.approx(
        sum(log_likelihood(model, counts([row])) for row in written_out), rel=1e-9, abs=1e-8
    )


@given(histories, st.sampled_from(MODELS), st.randoms())
def test_the_order_of_rows_does_not_matter(rows: Any, model: Any, random: Any) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    assert log_likelihood(model, counts(mixed)) == pytest.approx(log_likelihood(model, counts(rows)), rel=1e-11)


@given(histories)
def test_without_leaving_the_two_models_are_one(rows: Any) -> None:
    bg, mbg = (kind(r=0.8, alpha=4, a=1e-200, b=2) for kind in (BgNbd, MbgNbd))
    first, second = log_likelihood(bg, counts(rows)), log_likelihood(mbg, counts(rows))
    assert first == pytest.approx(second, rel=1e-10, abs=1e-10)


def test_b_below_1_and_one_repeat_purchase_hold() -> None:
    for b in (1e-6, 0.3, 0.999999):
        model = BgNbd(r=0.5, alpha=3.0, a=0.9, b=b)
        expected = np.log(individual_by_beta(model))
        assert log_likelihood(model, counts([(1, 2.0, 5.0)])) == pytest.approx(expected, rel=1e-11)


def individual_by_beta(model: BgNbd) -> float:
    """X = 1 by the moments of beta and gamma: E[l e^(-l t)] = r alpha^r / (alpha + t)^(r + 1)."""
    left, right = (model.r * model.alpha**model.r / (model.alpha + time) ** (model.r + 1.0) for time in (2.0, 5.0))
    total = model.a + model.b
    return model.a / total * left + model.b / total * right


def test_a_billion_purchases_need_no_table_of_a_billion_rows() -> None:
    model = MODELS[0]
    value = log_likelihood(model, counts([(10**9, 5.0, 6.0), (0, 0.0, 6.0)]))
    x = 1e9
    expected = (
        special.gammaln(model.r + x) - special.gammaln(model.r) + model.r * np.log(model.alpha)
        + special.betaln(model.a + 1, model.b + x - 1) - special.betaln(model.a, model.b)
        - (model.r + x) * np.log(model.alpha + 5.0) + model.r * np.log(model.alpha / (model.alpha + 6.0))
    )  # fmt: skip
    assert value == pytest.approx(expected, rel=1e-12)


def test_nobody_has_a_likelihood_of_1() -> None:
    for model in (MODELS[0], MODELS[3]):
        assert log_likelihood(model, counts([])) == 0.0


def test_units_that_differ_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        log_likelihood(MODELS[0], counts([(0, 0.0, 5.0)], unit="day"))
    assert str(caught.value) == "log_likelihood: counts must be in the unit of the model, week, got day"
