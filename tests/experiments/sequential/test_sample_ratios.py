"""Sequential sample-ratio mismatch: the Dirichlet-multinomial e-value, its level at every look, and which arm is off."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # noqa: TID251 - the oracle

from ecomops.core import InputError
from ecomops.experiments import sample_ratio_mismatch, sequential_sample_ratio_mismatch
from ecomops.experiments.sequential.sample_ratios import log_e_values

THOUSANDTH = 3.29  # normal quantile of a simulation error of .1 %


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=5),
    st.lists(st.floats(0.1, 10), min_size=5, max_size=5),
    st.floats(0.01, 1e6),
)
def test_the_e_value_is_the_ratio_of_marginal_likelihoods(counts: list[int], weights: list[float], c: float) -> None:
    shares = np.array(weights[: len(counts)]) / sum(weights[: len(counts)])
    with mpmath.workdps(40):
        total, prior = mpmath.mpf(sum(counts)), [mpmath.mpf(c) * mpmath.mpf(float(share)) for share in shares]
        whole = mpmath.fsum(prior)
        expected = mpmath.loggamma(whole) - mpmath.loggamma(whole + total)
        for n, a in zip(counts, prior, strict=True):
            expected += mpmath.loggamma(a + n) - mpmath.loggamma(a) - n * mpmath.log(a / whole)
    found = log_e_values(np.array([counts], dtype=float), shares, [c])[0]
    assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-8)


def test_two_arms_are_the_beta_binomial_of_scipy() -> None:
    found = sequential_sample_ratio_mismatch([[130, 70]], ratios=[3, 2], concentrations=[20])
    ratio = stats.betabinom.logpmf(130, 200, 12, 8) - stats.binom.logpmf(130, 200, 0.6)
    assert found.log_e_value[0] == pytest.approx(ratio, rel=1e-10)
    assert found.e_value[0] == pytest.approx(math.exp(ratio), rel=1e-10)
    np.testing.assert_allclose(found.arm_p_value, 1.0)


def test_the_mean_e_value_is_one_if_the_ratios_hold() -> None:
    # Summed over all splits of 12 units over three arms.
    shares = np.array([0.5, 0.3, 0.2])
    splits = np.array([(a, b, 12 - a - b) for a in range(13) for b in range(13 - a)], dtype=float)
    chance = stats.multinomial.pmf(splits, 12, shares)
    for concentrations in ([1.0], [100.0, 1e4, 1e6]):
        assert chance @ np.exp(log_e_values(splits, shares, concentrations)) == pytest.approx(1.0, rel=1e-10)


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.6, 0.3, 0.1]])
@pytest.mark.parametrize("concentrations", [[10.0], [100.0, 1e4, 1e6]])
def test_a_look_after_every_unit_keeps_the_level(shares: list[float], concentrations: list[float]) -> None:
    runs, units, alpha, rng = 2000, 1500, 0.05, np.random.default_rng(5)
    arms = rng.choice(len(shares), size=(runs, units), p=shares)
    counts = np.cumsum(arms[..., None] == np.arange(len(shares)), axis=1).astype(float)
    ever = (log_e_values(counts, np.array(shares), concentrations) >= -math.log(alpha)).any(axis=1).mean()
    assert ever <= alpha + THOUSANDTH * math.sqrt(alpha * (1 - alpha) / runs)


def test_the_arm_that_loses_units_is_found_first() -> None:
    rng, runs, first = np.random.default_rng(7), 100, 0
    for _ in range(runs):
        # The third of four arms loses 8 % of its units; the others gain a third of that share each.
        day = rng.multinomial(2000, np.array([1, 1, 0.92, 1]) / 3.92, size=40)
        found = sequential_sample_ratio_mismatch(np.cumsum(day, axis=0), threshold=0.01)
        others = found.arm_first_look[[0, 1, 3]]
        assert found.arm_first_look[2] > 0
        first += bool(np.all((others == 0) | (others >= found.arm_first_look[2])))
    assert first / runs > 0.95


def test_a_mismatch_is_found_at_a_look_and_stays_found() -> None:
    looks = np.cumsum(np.tile([1000, 900], (20, 1)), axis=0)
    found = sequential_sample_ratio_mismatch(looks)
    assert 0 < found.first_look < 20
    assert found.mismatch.tolist() == [look + 1 >= found.first_look for look in range(20)]
    assert np.all(np.diff(found.p_value) <= 0)
    # Either arm against the rest is the same test; Holm counts it twice.
    np.testing.assert_allclose(found.arm_p_value, np.minimum(2 * found.p_value, 1)[:, None] * [1, 1], rtol=1e-10)
    quiet = sequential_sample_ratio_mismatch(np.cumsum(np.tile([1000, 1001], (20, 1)), axis=0))
    assert quiet.first_look == 0
    assert quiet.arm_first_look.tolist() == [0, 0]


def test_the_split_of_microsoft() -> None:
    # Known to be a mismatch (p = 1.8e-6 at one look): the e-value pays for being allowed at any look.
    found = sequential_sample_ratio_mismatch([[821_588, 815_482]], concentrations=[10_000])
    assert found.p_value[0] == pytest.approx(1.5595e-4, rel=1e-4)
    assert found.p_value[0] > sample_ratio_mismatch([821_588, 815_482]).p_value
    assert found.first_look == 1


@given(st.permutations([0, 1, 2]), st.floats(1e-3, 1e3))
def test_the_order_of_the_arms_and_the_scale_of_the_ratios_do_not_matter(order: list[int], scale: float) -> None:
    looks, ratios = np.array([[10, 22, 30], [100, 250, 280]]), np.array([1.0, 2.0, 3.0])
    one = sequential_sample_ratio_mismatch(looks, ratios=ratios)
    other = sequential_sample_ratio_mismatch(looks[:, order], ratios=ratios[order] * scale)
    np.testing.assert_allclose(other.log_e_value, one.log_e_value, rtol=1e-10)
    np.testing.assert_allclose(other.arm_p_value, one.arm_p_value[:, order], rtol=1e-10)


def test_extremes_have_answers() -> None:
    nobody = sequential_sample_ratio_mismatch([[0, 0], [0, 0]])
    assert nobody.e_value.tolist() == [1.0, 1.0]
    assert nobody.p_value.tolist() == [1.0, 1.0]
    all_in_one = sequential_sample_ratio_mismatch([[10**6, 0]])
    assert all_in_one.e_value[0] == math.inf
    assert all_in_one.p_value[0] == 0.0
    assert math.isfinite(all_in_one.log_e_value[0])
    # 1e15 units with a deviation of 2 standard deviations: no digits are lost to large numbers.
    huge = sequential_sample_ratio_mismatch([[5e14 + 31_622_776, 5e14 - 31_622_776]], concentrations=[1e6])
    assert huge.log_e_value[0] == pytest.approx(2.0 - 0.5 * math.log(1e9), abs=1e-3)


@pytest.mark.parametrize(
    ("looks", "options", "text"),
    [
        ([[5], [6]], {}, "units must be a table of looks and at least 2 arms, got shape (2, 1)"),
        ([[5, 6]], {"ratios": [1, 2, 3]}, "ratios must have one value an arm, got shape (3,) for 2 arms"),
        ([[5, 6]], {"concentrations": [[1.0]]}, "concentrations must be a list, got shape (1, 1)"),
        ([[5, 6], [4, 7]], {}, "units must be cumulative, got fewer in arm 0 at look 2 than before"),
        ([[5, 6]], {"threshold": 1.0}, "threshold must be < 1, got 1.0"),
    ],
)
def test_refusals(looks: Any, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        sequential_sample_ratio_mismatch(looks, **options)
    assert str(caught.value) == f"sequential_sample_ratio_mismatch: {text}"
