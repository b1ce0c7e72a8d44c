"""Removal effects against elimination, walks, and a list of every path; and the counts that they come from."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attribution import brute
from tests.attribution.brute import Journey
from tests.attribution.strategies import CHANNELS, journeys

from ecomops.attribution import PathTable, RemovalEffects, TransitionCounts, removal_effects

TANGLED = [
    Journey(("A", "B", "A", "C"), (0,) * 4, 1.0, 10.0, 5.0),
    Journey(("A", "C"), (0,) * 2, 2.0, 50.0, 3.0),
    Journey(("B", "A", "B"), (0,) * 3, 1.0, 7.0, 9.0),
]


def table_of(found: list[Journey], **names: str) -> PathTable:
    return PathTable.from_strings(
        [" > ".join(names.get(name, name) for name in journey.channels) for journey in found],
        conversions=[journey.conversions for journey in found],
        nulls=[journey.nulls for journey in found],
        value=[journey.value for journey in found],
    )


def by_name(result: RemovalEffects, column: str) -> dict[str, float]:
    return dict(zip(result.channel.tolist(), getattr(result, column).tolist(), strict=True))


@given(found=journeys(channels=5, most=8))
def test_effects_are_those_of_solving_the_chain_without_each_channel(found: list[Journey]) -> None:
    result, expected = removal_effects(table_of(found)), brute.removal(found)
    for name, effect in by_name(result, "effect").items():
        assert effect == pytest.approx(expected[name], rel=1e-11, abs=1e-13)
    summed = sum(expected.values())
    for name, credit in by_name(result, "conversions").items():
        assert credit == pytest.approx(result.total_conversions * expected[name] / summed, rel=1e-11, abs=1e-12)


@given(found=journeys(channels=5, most=8))
def test_effects_on_value_are_those_of_solving_the_chain_of_money(found: list[Journey]) -> None:
    result, expected = removal_effects(table_of(found)), brute.removal(found, by_value=True)
    summed = sum(expected.values())
    for name, effect in by_name(result, "value_effect").items():
        assert effect == pytest.approx(expected[name], rel=1e-11, abs=1e-13)
    for name, credit in by_name(result, "value").items():
        assert credit == pytest.approx(result.total_value * expected[name] / summed, rel=1e-11, abs=1e-12)


@given(found=journeys(channels=5))
def test_the_chain_converts_as_often_as_the_paths(found: list[Journey]) -> None:
    result = removal_effects(table_of(found))
    walked = sum(journey.conversions + journey.nulls for journey in found)
    assert result.p_convert == pytest.approx(result.total_conversions / walked, rel=1e-12)
    assert result.total_conversions == sum(journey.conversions for journey in found)
    assert result.conversions.sum() == pytest.approx(result.total_conversions, rel=1e-12)
    assert result.value.sum() == pytest.approx(result.total_value, rel=1e-12)
    assert result.share.sum() == pytest.approx(1.0, rel=1e-12)


def walks(found: list[Journey], number: int, seed: int) -> tuple[list[str], Any, Any]:
    """Walk the chain; return names, which channels each walk met, and whether it converted."""
    names, moves, exits, starts = brute.chain_of(found)
    rng, size = np.random.default_rng(seed), len(names)
    ladder = np.cumsum(np.column_stack([moves, exits]), axis=1)
    here = rng.choice(size, size=number, p=starts)
    walker = np.arange(number)
    met, converted = np.zeros((number, size), dtype=bool), np.zeros(number, dtype=bool)
    while walker.size:
        met[walker, here] = True
        there = (rng.random(walker.size)[:, None] > ladder[here]).sum(axis=1)
        converted[walker[there == size]] = True
        walker, here = walker[there < size], there[there < size]
    return names, met, converted


def test_effects_are_the_share_of_converting_walks_that_meet_the_channel() -> None:
    number = 200_000
    names, met, converted = walks(TANGLED, number, seed=11)
    result = removal_effects(table_of(TANGLED))
    assert abs(converted.mean() - result.p_convert) < 4 * np.sqrt(result.p_convert / number)
    for place, name in enumerate(names):
        share = met[converted, place].mean()
        error = np.sqrt(share * (1 - share) / converted.sum())
        assert abs(share - by_name(result, "effect")[name]) < 4 * error, name


@st.composite
def forests(draw: Any) -> dict[str, Any]:
    """Counts of a chain that only goes forward, so that its paths can be listed."""
    size = draw(st.integers(2, 5))
    number = st.integers(0, 4).map(float)
    moves = [[draw(number) if j > i else 0.0 for j in range(size)] for i in range(size)]
    ended = [draw(number) for _ in range(size)]
    nulls = [draw(st.integers(1, 4).map(float)) for _ in range(size)]
    starts = [1.0, *(draw(number) for _ in range(size - 1))]
    ended[-1] = 1.0
    moves[0][-1] += 1.0
    return {"starts": starts, "moves": moves, "converted": ended, "nulls": nulls}


@given(chain=forests())
def test_effects_are_those_of_a_list_of_every_path(chain: dict[str, Any]) -> None:
    size = len(chain["starts"])
    names = list("abcde")[:size]
    result = removal_effects(TransitionCounts(channels=names, value=[0.0] * size, **chain))
    leaving = [sum(chain["moves"][i]) + chain["converted"][i] + chain["nulls"][i] for i in range(size)]
    whole, lost = 0.0, [0.0] * size
    for length in range(1, size + 1):
        for path in itertools.combinations(range(size), length):
            weight = chain["starts"][path[0]] / sum(chain["starts"])
            for here, there in itertools.pairwise(path):
                weight *= chain["moves"][here][there] / leaving[here]
            weight *= chain["converted"][path[-1]] / leaving[path[-1]]
            whole += weight
            for place in path:
                lost[place] += weight
    assert result.p_convert == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(result.effect, np.array(lost) / whole, rtol=1e-11, atol=1e-14)


@given(found=journeys(), order=st.permutations(CHANNELS[:4]))
def test_names_are_only_names(found: list[Journey], order: list[str]) -> None:
    renamed = dict(zip(CHANNELS[:4], order, strict=True))
    one, two = removal_effects(table_of(found)), removal_effects(table_of(found, **renamed))
    for column in ("effect", "effect_error", "conversions_error", "value"):
        for name, number in by_name(one, column).items():
            assert by_name(two, column)[renamed[name]] == pytest.approx(number, rel=1e-9, abs=1e-12)


@given(pair=journeys().flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_of_the_paths_does_not_count(pair: tuple[list[Journey], list[Journey]]) -> None:
    one, two = (TransitionCounts.from_paths(table_of(found)) for found in pair)
    for name in ("channels", "starts", "moves", "converted", "nulls"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    np.testing.assert_allclose(one.value, two.value, rtol=1e-12)


def test_dropping_steps_to_the_same_channel_changes_no_effect() -> None:
    table = PathTable.from_strings(
        ["a>a>b", "b>a>a>a", "a>c>c"], conversions=[3, 1, 2], nulls=[2, 5, 1], value=[9, 4, 6]
    )
    single = PathTable.from_strings(["a>b", "b>a", "a>c"], conversions=[3, 1, 2], nulls=[2, 5, 1], value=[9, 4, 6])
    one, two = removal_effects(table), removal_effects(single)
    np.testing.assert_allclose(one.effect, two.effect, rtol=1e-13)
    np.testing.assert_allclose(one.value_effect, two.value_effect, rtol=1e-13)


def test_a_channel_that_never_converts_has_no_credit() -> None:
    result = removal_effects(
        PathTable.from_strings(["a > b", "dead", "a > dead"], conversions=[2, 0, 0], nulls=[1, 3, 1])
    )
    place = result.channel.tolist().index("dead")
    for column in (result.effect, result.effect_error, result.share, result.conversions, result.conversions_error):
        assert column[place] == 0.0


def test_a_channel_on_every_path_is_needed_by_all() -> None:
    result = removal_effects(PathTable.from_strings(["a > b", "c > b"], conversions=[2, 1], nulls=[1, 3]))
    assert by_name(result, "effect")["b"] == pytest.approx(1.0, rel=1e-15)
    assert by_name(result, "effect_error")["b"] == pytest.approx(0.0, abs=1e-15)


def test_one_channel_takes_it_all() -> None:
    result = removal_effects(PathTable.from_strings(["a", "a > a"], conversions=[2, 1], nulls=[1, 0], value=[7, 2]))
    assert (result.effect.tolist(), result.conversions.tolist(), result.value.tolist()) == ([1.0], [3.0], [9.0])
    assert result.conversions_error[0] == pytest.approx(np.sqrt(3.0), rel=1e-12), "only the total is random"


def test_the_method_says_that_without_nulls_effects_are_visits() -> None:
    with_nulls = removal_effects(PathTable.from_strings(["a > b", "b"], conversions=1, nulls=1))
    without = removal_effects(PathTable.from_strings(["a > b", "b"], conversions=1))
    assert with_nulls.method == "exact, first-order Markov chain"
    assert without.method == (
        "exact, first-order Markov chain; no null paths, so an effect says only how often the chain visits the channel"
    )
    assert without.p_convert == 1.0


def test_value_that_cancels_has_no_effects_instead_of_wild_ones() -> None:
    result = removal_effects(
        PathTable.from_strings(["a", "b", "a > b"], conversions=1, nulls=1, value=[0.1, 0.2, -0.3])
    )
    assert result.value_effect.tolist() == result.value.tolist() == [0.0, 0.0]


def test_effects_on_value_that_cancel_give_no_shares() -> None:
    # Without a nothing is left; without b twice as much is.
    result = removal_effects(PathTable.from_strings(["a", "a > b"], conversions=1, value=[2.0, -1.0]))
    np.testing.assert_allclose(result.value_effect, [1.0, -1.0], rtol=1e-12)
    assert result.value.tolist() == [0.0, 0.0]
    assert result.total_value == 1.0


def test_returns_may_make_a_channel_cost_value() -> None:
    found = [
        Journey(("a", "c"), (0, 0), 1.0, 3.0, 1.0),
        Journey(("b", "c"), (0, 0), 1.0, -1.0, 1.0),
        Journey(("b",), (0,), 1.0, -1.5, 1.0),
    ]
    result = removal_effects(table_of(found))
    assert by_name(result, "value_effect")["b"] < 0
    for name, effect in brute.removal(found, by_value=True).items():
        assert by_name(result, "value_effect")[name] == pytest.approx(effect, rel=1e-12)
    assert result.value.sum() == pytest.approx(0.5, rel=1e-12)


def test_paths_without_value_have_no_value_effects() -> None:
    result = removal_effects(PathTable.from_strings(["a > b"], conversions=1, nulls=1))
    assert result.value_effect.tolist() == result.value.tolist() == [0.0, 0.0]
    assert result.total_value == 0.0
