"""How often each test is wrong: never more often than it says, and as often as it says where it must be exact."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from tests.experiments.levels import counts, looks, means, ranks_and_families
from tests.experiments.levels.case import Case, Figures, faults, room

CASES = [*means.CASES, *counts.CASES, *ranks_and_families.CASES, *looks.CASES]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.label, marks=pytest.mark.slow if case.slow else ()) for case in CASES]
)
def test_level_and_coverage(case: Case) -> None:
    found = case.measure(np.random.default_rng(zlib.crc32(case.label.encode())))
    assert found.rejected or found.covered
    assert not faults(case, found)


@pytest.mark.parametrize("name", ranks_and_families.POWERS)
def test_power_is_that_of_the_design(name: str) -> None:
    promised, found = ranks_and_families.POWERS[name](np.random.default_rng(1))
    assert found == pytest.approx(promised, abs=0.01)


def test_labels_are_unique() -> None:
    assert len({case.label for case in CASES}) == len(CASES)


def test_faults_can_be_found() -> None:
    exact = Case("x", "y", lambda _: Figures(), exact=True)
    bounded = Case("x", "y", lambda _: Figures())
    above, below = 0.05 + 1.01 * room(0.05, 20_000), 0.05 - 1.01 * room(0.05, 20_000)
    assert len(faults(bounded, Figures({0.05: above}, {0.05: 1 - above}))) == 2
    assert not faults(bounded, Figures({0.05: below}, {0.05: 1 - below}))
    assert len(faults(exact, Figures({0.05: below}, {0.05: 1 - below}))) == 2
    assert not faults(Case("x", "y", exact.measure, informative=True), Figures({0.05: above}))
    assert room(0.05, 20_000) == pytest.approx(0.00507, abs=1e-5)
