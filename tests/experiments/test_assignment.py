"""Assignment by hashing: the published buckets of Optimizely and GrowthBook, ramps, layers, evenness and independence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.experiments import (
    GrowthBookBuckets,
    Layer,
    NativeBuckets,
    OptimizelyBuckets,
    assign,
    bucket_quality,
    sample_ratio_mismatch,
)
from ecomops.stats.hashing import fnv1a, murmur3

METHODS = [NativeBuckets(), OptimizelyBuckets(), GrowthBookBuckets(version=1), GrowthBookBuckets(version=2)]
IDS = np.array([f"user-{place}" for place in range(20_000)], dtype=object)
methods = pytest.mark.parametrize("method", METHODS, ids=["native", "optimizely", "growthbook 1", "growthbook 2"])


@pytest.mark.parametrize(
    ("unit", "experiment", "bucket"),
    [
        ("ppid1", "1886780721", 5254),
        ("ppid2", "1886780721", 4299),
        ("ppid2", "1886780722", 2434),
        ("ppid3", "1886780721", 5439),
    ],
)
def test_published_buckets_of_optimizely(unit: str, experiment: str, bucket: int) -> None:
    assert assign([unit], experiment=experiment, method=OptimizelyBuckets()).bucket.tolist() == [bucket]


@pytest.mark.parametrize(
    ("seed", "value", "version", "expected"),
    [
        ("", "a", 1, 0.22),
        ("", "b", 1, 0.077),
        ("b", "a", 1, 0.946),
        ("ef", "d", 1, 0.652),
        ("asdf", "8952klfjas09ujk", 1, 0.549),
        ("", "123", 1, 0.011),
        ("", '___)((*":&', 1, 0.563),
        ("seed", "a", 2, 0.0505),
        ("seed", "b", 2, 0.2696),
        ("foo", "ab", 2, 0.2575),
        ("foo", "def", 2, 0.2019),
        ("89123klj", "8952klfjas09ujkasdf", 2, 0.124),
        ("90850943850283058242805", "123", 2, 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 2, 0.0128),
        ("feature-exp", "d123", 2, 0.6468),
        ("feature-exp", "i123", 2, 0.9943),
    ],
)
def test_published_buckets_of_growthbook(seed: str, value: str, version: Any, expected: float) -> None:
    found = assign([value], experiment=seed, method=GrowthBookBuckets(version=version))
    assert found.bucket[0] / found.buckets == expected


@pytest.mark.parametrize(
    ("options", "variations"),
    [
        ({}, "100111010"),
        ({"shares": [0.1, 0.9]}, "110111011"),
        ({"exposure": 0.4}, "-00-1-01-"),
        ({"arms": ["0", "1", "2"]}, "200212010"),
    ],
)
def test_published_variations_of_growthbook(options: dict[str, Any], variations: str) -> None:
    arms = {"arms": ["0", "1"], **options}
    found = assign(range(1, 10), experiment="my-test", method=GrowthBookBuckets(version=1), **arms)
    assert "".join(arm or "-" for arm in found.arm) == variations
    assert found.reason.tolist() == ["not exposed" if variation == "-" else "" for variation in variations]


def test_growthbook_compares_fractions_as_floats() -> None:
    # .1 + .1 + .1 is a little more than .3, so that its bucket 300 of 1000 is of the third arm and not of the fourth.
    units = [str(unit) for unit in range(20_000) if fnv1a([str(unit)], suffix="k")[0] % 1000 == 300][:3]
    found = assign(
        units,
        experiment="k",
        arms=["a", "b", "c", "d"],
        shares=[0.1, 0.1, 0.1, 0.7],
        method=GrowthBookBuckets(version=1),
    )
    assert found.bucket.tolist() == [300] * len(units)
    assert set(found.arm) == {"c"}


def test_growthbook_uses_weights_that_nearly_sum_to_one_as_they_are() -> None:
    short = assign(IDS, experiment="k", shares=[0.4, 0.595], method=GrowthBookBuckets())
    assert short.exposed.tolist() == (short.bucket < 9950).tolist()
    scaled = assign(IDS, experiment="k", shares=[0.4, 0.5], method=GrowthBookBuckets())
    assert scaled.exposed.all()


def test_native_buckets_are_the_documented_bytes() -> None:
    found = assign(["müller", "17"], experiment="é")
    assert found.bucket.tolist() == murmur3(["experiment:é:müller", "experiment:é:17"]).tolist()
    assert assign([17], experiment="é").bucket.tolist() == found.bucket[1:].tolist()


@methods
def test_arms_get_their_shares(method: Any) -> None:
    shares = [0.5, 0.3, 0.2]
    found = assign(IDS, experiment="shares", arms=["a", "b", "c"], shares=shares, method=method)
    counts = [int((found.arm == arm).sum()) for arm in "abc"]
    assert sum(counts) == len(IDS)
    assert sample_ratio_mismatch(counts, ratios=shares).p_value > 0.001
    ends = np.rint(np.cumsum(shares) * found.buckets)
    assert np.array_equal(found.arm == "a", found.bucket < ends[0])
    assert np.array_equal(found.arm == "c", found.bucket >= ends[1])


@methods
@given(st.floats(0, 1), st.floats(0, 1))
def test_to_raise_the_exposure_moves_no_unit(method: Any, low: float, high: float) -> None:
    low, high = sorted((low, high))
    few = assign(IDS[:500], experiment="ramp", shares=[2, 1], exposure=low, method=method)
    more = assign(IDS[:500], experiment="ramp", shares=[2, 1], exposure=high, method=method)
    assert not np.any(few.exposed & ~more.exposed)
    assert np.array_equal(few.arm[few.exposed], more.arm[few.exposed])
    assert np.array_equal(few.arm == "", ~few.exposed)
    if high == 1.0:
        assert more.exposed.all()


@methods
def test_exposure_lets_its_share_of_each_arm_in(method: Any) -> None:
    found = assign(IDS, experiment="exposure", exposure=0.2, method=method)
    for arm in ("control", "treatment"):
        share = float((found.arm == arm).mean())
        assert share == pytest.approx(0.1, abs=3.29 * math.sqrt(0.1 * 0.9 / len(IDS)) + 0.001)
    assert not assign(IDS, experiment="exposure", exposure=0.0, method=method).exposed.any()


@methods
def test_experiments_of_one_layer_share_no_unit_and_layers_are_independent(method: Any) -> None:
    def inside(experiment: str, layer: Layer) -> Any:
        return assign(IDS, experiment=experiment, layer=layer, method=method).exposed

    one = inside("one", Layer(name="page", start=0.0, end=0.4))
    two = inside("two", Layer(name="page", start=0.4, end=1.0))
    other = inside("two", Layer(name="basket", start=0.4, end=1.0))
    assert np.array_equal(one, ~two)
    assert one.mean() == pytest.approx(0.4, abs=3.29 * math.sqrt(0.24 / len(IDS)))
    assert (one & other).mean() == pytest.approx(0.24, abs=3.29 * math.sqrt(0.24 * 0.76 / len(IDS)))
    # Inside its part of the layer, an experiment deals its arms as without a layer.
    found = assign(IDS, experiment="one", layer=Layer(name="page", end=0.4), method=method)
    free = assign(IDS, experiment="one", method=method)
    assert np.array_equal(found.arm[one], free.arm[one])
    assert set(found.reason[~one]) == {"outside the layer's range"}


def test_a_namespace_of_growthbook() -> None:
    # Its own cases: unit "1" lies in [.1, 1) of "namespace" and not in [0, .1).
    for layer, expected in (
        (Layer(name="namespace", start=0.1, end=1.0), True),
        (Layer(name="namespace", end=0.1), False),
    ):
        assert (
            assign(["1"], experiment="my-test", layer=layer, method=GrowthBookBuckets(version=1)).exposed[0] == expected
        )


@pytest.mark.parametrize("method", [NativeBuckets(), OptimizelyBuckets(), GrowthBookBuckets()])
def test_buckets_are_even_and_independent(method: Any) -> None:
    found = bucket_quality(IDS, experiments=["a", "b", "c"], method=method)
    assert found.sound
    assert found.uniformity_p_value.shape == (3,)
    assert np.array_equal(found.independence_p_value, found.independence_p_value.T)
    assert np.all(np.diag(found.independence_p_value) == 1.0)


def test_p_values_of_sound_buckets_are_uniform() -> None:
    names = [f"experiment {place}" for place in range(40)]
    found = bucket_quality(IDS, experiments=names)
    # Kolmogorov-Smirnov at the level .001 for 40 and 780 p-values.
    for values, limit in (
        (found.uniformity_p_value, 1.95 / math.sqrt(40)),
        (found.independence_p_value[np.triu_indices(40, 1)], 1.95 / math.sqrt(780)),
    ):
        steps = np.arange(1, values.size + 1) / values.size
        assert np.abs(np.sort(values) - steps + 0.5 / values.size).max() < limit
    assert found.sound


def test_dependent_buckets_are_found() -> None:
    # What GrowthBook's version 2 was made for: in version 1 seeds that differ in their last letter are dependent.
    found = bucket_quality(IDS, experiments=["a", "b", "c"], method=GrowthBookBuckets(version=1))
    assert not found.sound
    assert found.independence_p_value[0, 1] < 1e-20


def test_uneven_buckets_are_found() -> None:
    # Ids that were chosen by their bucket are not even in that experiment, and are in all others.
    kept = IDS[assign(IDS, experiment="old").arm == "treatment"]
    assert not bucket_quality(kept, experiments=["old", "new"]).sound
    assert bucket_quality(kept, experiments=["new", "newer"]).sound


def test_no_units_no_arms() -> None:
    assert assign([], experiment="x").arm.tolist() == []


@pytest.mark.parametrize(
    ("function", "options", "text"),
    [
        (assign, {"units": ["a", ""]}, "units must not be empty text, got '' at index 1: an id is missing"),
        (assign, {"arms": ["a", "a"]}, "arms must be names of which none repeats or is empty, got ['a', 'a']"),
        (assign, {"arms": ["a", ""]}, "arms must be names of which none repeats or is empty, got ['a', '']"),
        (assign, {"arms": []}, "arms must be names of which none repeats or is empty, got []"),
        (assign, {"shares": [1, 2, 3]}, "shares must have one value an arm, got shape (3,) for 2 arms"),
        (assign, {"shares": [1, 0]}, "shares must be > 0, got 0.0 at index 1"),
        (assign, {"exposure": 1.5}, "exposure must be <= 1, got 1.5"),
        (assign, {"units": ["\ud800"]}, r"ids and names must have a UTF-8 form, got '\ud800'"),
        (bucket_quality, {"units": ["a", "a"]}, "units must not repeat, got 1 repeated ones"),
        (bucket_quality, {"units": ["a", "b"]}, "groups must be at least 2 and need 500 units (5 a cell), got 2"),
        (bucket_quality, {"groups": 1}, "groups must be at least 2 and need 5 units (5 a cell), got 2"),
        (
            bucket_quality,
            {"experiments": ["a", "a"]},
            "experiments must be 1 to 100 names of which none repeats, got 2",
        ),
    ],
)
def test_refusals(function: Any, options: dict[str, Any], text: str) -> None:
    extra = {"experiment": "e"} if function is assign else {"experiments": ["e"]}
    given_options = {**extra, **options}
    with pytest.raises(InputError) as caught:
        function(given_options.pop("units", ["a", "b"]), **given_options)
    assert str(caught.value) == f"{function.__name__}: {text}"


def test_an_empty_part_of_a_layer_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        Layer(name="page", start=0.5, end=0.5)
    assert str(caught.value) == "Layer: start must be < end, got 0.5 and 0.5"
