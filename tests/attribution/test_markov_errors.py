"""Standard errors of removal effects: against differences, the bootstrap, the jackknife, samples, and halves of real paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from tests.attribution.brute import Journey
from tests.attribution.strategies import journeys

from ecomops.attribution import PathTable, TransitionCounts, markov, removal_effects

NAMES = ["a", "b", "c"]
STEPS = np.array([[0.1, 0.5, 0.1, 0.05, 0.25], [0.05, 0.1, 0.5, 0.3, 0.05], [0.3, 0.05, 0.05, 0.05, 0.55]])
"""A chain of three channels, a conversion and a null exit, in which the first steps already tell much."""
FIRST = np.array([0.7, 0.1, 0.2])


def table_of(found: list[Journey]) -> PathTable:
    return PathTable.from_strings(
        [" > ".join(journey.channels) for journey in found],
        conversions=[journey.conversions for journey in found],
        nulls=[journey.nulls for journey in found],
    )


def weighed(paths: PathTable, conversions: Any, nulls: Any) -> PathTable:
    return PathTable(**{**paths.__dict__, "conversions": conversions, "nulls": nulls})


def outputs(paths: PathTable | TransitionCounts) -> Any:
    result = removal_effects(paths)
    return np.array([result.effect, result.conversions])


def errors(paths: PathTable | TransitionCounts) -> Any:
    result = removal_effects(paths)
    return np.array([result.effect_error, result.conversions_error])


def differences(weights: Any, at: Any) -> Any:
    """Return sqrt(sum w (df/dw)^2): the delta method with central differences."""
    variance = 0.0
    for place in np.flatnonzero(weights):
        step = np.zeros(weights.size)
        step[place] = 1e-5 * max(weights.max(), 1.0)
        slope = (at(weights + step) - at(weights - step)) / (2 * step[place])
        variance = variance + weights[place] * slope**2
    return np.sqrt(variance)


@given(found=journeys(channels=5))
@settings(max_examples=40)
def test_errors_are_those_of_differences_by_path(found: list[Journey]) -> None:
    paths = table_of(found)
    size = paths.conversions.size
    weights = np.concatenate([paths.conversions, paths.nulls])
    expected = differences(weights, lambda w: outputs(weighed(paths, w[:size], w[size:])))
    np.testing.assert_allclose(errors(paths), expected, rtol=1e-5, atol=2e-6)


@given(found=journeys(channels=4))
@settings(max_examples=40)
def test_errors_of_counts_are_those_of_differences_by_step(found: list[Journey]) -> None:
    counts = TransitionCounts.from_paths(table_of(found))
    size = counts.channels.size
    weights = np.concatenate([counts.starts, counts.moves.ravel(), counts.converted, counts.nulls])

    def credited(w: Any) -> Any:
        starts, moves, converted, nulls = np.split(w, [size, size + size**2, 2 * size + size**2])
        moved = {"starts": starts, "moves": moves.reshape(size, size), "converted": converted, "nulls": nulls}
        result = removal_effects(TransitionCounts(**{**counts.__dict__, **moved}))
        # Conversions as the chain has them: paths that begin, times the chance to convert.
        return np.array([result.effect, result.share * starts.sum() * result.p_convert])

    np.testing.assert_allclose(errors(counts), differences(weights, credited), rtol=1e-5, atol=2e-6)


@pytest.fixture(scope="module")
def some_paths() -> PathTable:
    """Return some hundred paths of a few kinds, which are no Markov chain."""
    rng = np.random.default_rng(4)
    texts = ["a > b > c", "a", "c > a", "b > b > a", "b", "c", "a > c > b > a", "c > b"]
    return PathTable.from_strings(texts, conversions=rng.integers(5, 40, 8), nulls=rng.integers(10, 90, 8))


def test_errors_are_those_of_a_bootstrap_of_the_paths(some_paths: PathTable) -> None:
    rng, rounds = np.random.default_rng(1), 800
    drawn = [
        outputs(weighed(some_paths, rng.poisson(some_paths.conversions), rng.poisson(some_paths.nulls)))
        for _ in range(rounds)
    ]
    # The bootstrap itself is uncertain by 1 / sqrt(2 rounds), 2.5 %, and the delta method by the curvature.
    np.testing.assert_allclose(np.std(drawn, axis=0), errors(some_paths), rtol=0.08)


def test_errors_of_effects_are_those_of_a_jackknife_of_the_paths(some_paths: PathTable) -> None:
    size = some_paths.conversions.size
    weights = np.concatenate([some_paths.conversions, some_paths.nulls])
    left_out = np.array([outputs(weighed(some_paths, *np.split(weights - one, [size])))[0] for one in np.eye(2 * size)])
    number = weights.sum()
    middle = weights @ left_out / number
    jackknife = np.sqrt((number - 1) / number * (weights @ (left_out - middle) ** 2))
    np.testing.assert_allclose(errors(some_paths)[0], jackknife, rtol=0.01)


def test_four_times_the_paths_halve_the_error(some_paths: PathTable) -> None:
    more = weighed(some_paths, 4 * some_paths.conversions, 4 * some_paths.nulls)
    np.testing.assert_allclose(outputs(more)[0], outputs(some_paths)[0], rtol=1e-13)
    np.testing.assert_allclose(errors(more)[0], errors(some_paths)[0] / 2, rtol=1e-11)
    np.testing.assert_allclose(errors(more)[1], errors(some_paths)[1] * 2, rtol=1e-11)


def sampled(number: int, rng: np.random.Generator) -> tuple[Any, Any, list[list[int]]]:
    """Draw paths of the chain; return starts, steps, and the paths themselves with their exits."""
    here = rng.choice(3, size=number, p=FIRST)
    starts, steps = np.bincount(here, minlength=3).astype(float), np.zeros((3, 5))
    walker, told = np.arange(number), [[state] for state in here.tolist()]
    while walker.size:
        there = (rng.random(walker.size)[:, None] > STEPS.cumsum(axis=1)[here]).sum(axis=1)
        np.add.at(steps, (here, there), 1.0)
        for one, state in zip(walker.tolist(), there.tolist(), strict=True):
            told[one].append(state)
        walker, here = walker[there < 3], there[there < 3]
    return starts, steps, told


def counts_of(starts: Any, steps: Any) -> TransitionCounts:
    fields = {"moves": steps[:, :3], "converted": steps[:, 3], "nulls": steps[:, 4], "value": np.zeros(3)}
    return TransitionCounts(channels=NAMES, starts=starts, **fields)


def test_errors_of_counts_and_of_paths_agree_where_the_paths_are_a_chain() -> None:
    starts, steps, told = sampled(40_000, np.random.default_rng(8))
    texts = [" > ".join(NAMES[state] for state in path[:-1]) for path in told]
    converted = np.array([path[-1] == 3 for path in told], dtype=float)
    paths = PathTable.from_strings(texts, conversions=converted, nulls=1.0 - converted)
    counts = TransitionCounts.from_paths(paths)
    assert counts == counts_of(starts, steps)
    np.testing.assert_allclose(errors(counts), errors(paths), rtol=0.015)


def test_errors_are_the_spread_over_samples() -> None:
    rng, rounds = np.random.default_rng(3), 500
    found, said = [], []
    for _ in range(rounds):
        counts = counts_of(*sampled(rng.poisson(400), rng)[:2])
        found.append(outputs(counts))
        said.append(errors(counts))
    # Four standard errors of a standard deviation.
    np.testing.assert_allclose(np.mean(said, axis=0), np.std(found, axis=0), rtol=4 / np.sqrt(2 * rounds))


@pytest.mark.parametrize("elements", [1, 7, 50])
def test_a_table_in_many_pieces_has_the_same_errors(
    elements: int, some_paths: PathTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = errors(some_paths)
    monkeypatch.setattr(markov, "ELEMENTS", elements)
    np.testing.assert_allclose(errors(some_paths), whole, rtol=1e-13)


def test_halves_of_real_paths_differ_as_much_as_their_errors_say(shared_data: Any) -> None:
    rows = pd.read_csv(shared_data("pathdata/path_data.csv.gz"))
    paths = PathTable.from_strings(rows["path"], conversions=rows["total_conversions"], nulls=rows["total_null"])
    rng = np.random.default_rng(2)
    squares = []
    for _ in range(10):
        bought, not_ = (rng.binomial(column.astype(int), 0.5) for column in (paths.conversions, paths.nulls))
        one, two = weighed(paths, bought, not_), weighed(paths, paths.conversions - bought, paths.nulls - not_)
        z = (outputs(one)[0] - outputs(two)[0]) / np.hypot(errors(one)[0], errors(two)[0])
        squares.append(z**2)
    # 120 squares, those of rare channels not quite normal.
    assert 0.6 < np.mean(squares) < 1.6
    assert np.max(squares) < 4.5**2
