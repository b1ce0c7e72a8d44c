"""MurmurHash3 and FNV-1a: published values, a second implementation byte by byte, and the glue around texts."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecomops.core import InputError
from ecomops.stats import hashing
from ecomops.stats.hashing import fnv1a, murmur3

WORD = 0xFFFFFFFF


def _turned(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & WORD


def _murmur3_of_one(text: bytes, seed: int) -> int:
    state = seed
    for place in range(0, len(text), 4):
        block = int.from_bytes(text[place : place + 4], "little") * 0xCC9E2D51 & WORD
        state ^= _turned(block, 15) * 0x1B873593 & WORD
        if place + 4 <= len(text):
            state = _turned(state, 13) * 5 + 0xE6546B64 & WORD
    state ^= len(text)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        state = (state ^ state >> shift) * factor & WORD
    return state


def _fnv1a_of_one(text: bytes) -> int:
    state = 0x811C9DC5
    for byte in text:
        state = (state ^ byte) * 0x01000193 & WORD
    return state


@pytest.mark.parametrize(
    ("text", "seed", "expected"),
    [
        ("", 0, 0),
        ("", 1, 0x514E28B7),
        ("", 0xFFFFFFFF, 0x81F16F39),
        ("hello", 0, 0x248BFA47),
        ("hello, world", 0, 0x149BBB7F),
        ("The quick brown fox jumps over the lazy dog", 0, 0x2E4FF723),
    ],
)
def test_published_values_of_murmur3(text: str, seed: int, expected: int) -> None:
    assert murmur3([text], seed=seed).tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "expected"), [("", 0x811C9DC5), ("a", 0xE40C292C), ("ab", 0x4D2505CA), ("foobar", 0xBF9CF968)]
)
def test_published_values_of_fnv1a(text: str, expected: int) -> None:
    assert fnv1a([text]).tolist() == [expected]


texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(texts, max_size=30), st.integers(0, 2**32 - 1), texts, texts)
def test_many_texts_are_hashed_as_one_by_one(items: list[str], seed: int, prefix: str, suffix: str) -> None:
    held = [(prefix + item + suffix).encode() for item in items]
    found = murmur3(items, seed=seed, prefix=prefix, suffix=suffix)
    assert found.tolist() == [_murmur3_of_one(one, seed) for one in held]
    assert fnv1a(items, prefix=prefix, suffix=suffix).tolist() == [_fnv1a_of_one(one) for one in held]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_whole_numbers_are_their_digits(numbers: list[int]) -> None:
    array = np.array(numbers, dtype=np.int64)
    assert murmur3(array, seed=5).tolist() == murmur3([str(number) for number in numbers], seed=5).tolist()
    assert fnv1a(numbers).tolist() == fnv1a(list(map(str, numbers))).tolist()


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    items = np.array([f"user {place}" * (place % 5) for place in range(1000)], dtype=object)
    whole = murmur3(items), fnv1a(items)
    monkeypatch.setattr(hashing, "CHUNK", 7)
    assert murmur3(items).tolist() == whole[0].tolist()
    assert fnv1a(items).tolist() == whole[1].tolist()


def test_one_long_text_among_short_ones() -> None:
    items = ["a", "b" * 100_000, "", "cc"]
    assert murmur3(items).tolist() == [_murmur3_of_one(item.encode(), 0) for item in items]


def test_a_lone_surrogate_has_no_bytes() -> None:
    with pytest.raises(InputError) as caught:
        fnv1a(["fine", "\ud800"])
    assert str(caught.value) == r"ids and names must have a UTF-8 form, got '\ud800'"


@pytest.mark.slow
def test_a_million_ids_take_less_than_a_second() -> None:
    ids = np.array([f"user-{place}" for place in range(1_000_000)], dtype=object)
    begin = time.perf_counter()
    murmur3(ids, seed=1, suffix="1886780721")
    assert time.perf_counter() - begin < 1.0
