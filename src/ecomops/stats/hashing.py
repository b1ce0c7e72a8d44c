"""Hashes of text: MurmurHash3 (x86, 32 bits) and FNV-1a (32 bits) of UTF-8 bytes, many texts at a time.

The texts stand one behind the other in one buffer. The loops go over the places of bytes in a text, longest texts last,
with all texts that are that long in arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecomops.core import InputError

Hashes = NDArray[np.uint32]
CHUNK = 1 << 15
FNV_START, FNV_PRIME = np.uint32(0x811C9DC5), np.uint32(0x01000193)
C1, C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
ADDED, MIX1, MIX2 = np.uint32(0xE6546B64), np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
TAIL_MASKS = np.array([0, 0xFF, 0xFFFF, 0xFFFFFF], dtype=np.uint32)


def murmur3(texts: Any, *, seed: int = 0, prefix: str = "", suffix: str = "") -> Hashes:
    """Return MurmurHash3_x86_32 of the UTF-8 bytes of prefix + text + suffix.

    Parameters
    ----------
    texts : sequence of str, or array of str or int
        Texts; whole numbers stand for their decimal digits.
    seed : int
        Seed, taken modulo 2**32.
    prefix, suffix : str
        What stands before and behind each text.

    Returns
    -------
    array of uint32, shape (n,)
        The hashes.

    Raises
    ------
    InputError
        When a text has no UTF-8 form (a lone surrogate).

    References
    ----------
    .. [1] Appleby (2011), MurmurHash3, MurmurHash3_x86_32.

    Examples
    --------
    >>> hex(murmur3(["hello", "hello, world"])[0])
    '0x248bfa47'
    """
    start = np.uint32(seed & 0xFFFFFFFF)
    return _hashed(texts, prefix, suffix, lambda held, begin, lengths: _murmur3(held, begin, lengths, start))


def fnv1a(texts: Any, *, prefix: str = "", suffix: str = "") -> Hashes:
    """Return the 32-bit FNV-1a hash of the UTF-8 bytes of prefix + text + suffix.

    Parameters
    ----------
    texts : sequence of str, or array of str or int
        Texts; whole numbers stand for their decimal digits.
    prefix, suffix : str
        What stands before and behind each text.

    Returns
    -------
    array of uint32, shape (n,)
        The hashes.

    Raises
    ------
    InputError
        When a text has no UTF-8 form (a lone surrogate).

    References
    ----------
    .. [1] Fowler, Noll & Vo, The FNV Non-Cryptographic Hash Algorithm, IETF draft-eastlake-fnv, section 2.

    Examples
    --------
    >>> hex(fnv1a(["a"])[0])
    '0xe40c292c'
    """
    return _hashed(texts, prefix, suffix, _fnv1a)


def _hashed(texts: Any, prefix: str, suffix: str, kernel: Any) -> Hashes:
    items = _as_texts(texts)
    found = np.empty(len(items), dtype=np.uint32)
    for begin in range(0, len(items), CHUNK):
        part = items[begin : begin + CHUNK]
        try:
            found[begin : begin + CHUNK] = kernel(*_bytes(part, prefix, suffix))
        except UnicodeEncodeError as error:
            raise InputError(
                f"ids and names must have a UTF-8 form, got {error.object[error.start : error.end]!a}"
            ) from None
    return found


def _as_texts(texts: Any) -> Sequence[str]:
    items: list[Any] = texts.tolist() if isinstance(texts, np.ndarray) else list(texts)
    return items if not items or isinstance(items[0], str) else list(map(str, items))


def _bytes(texts: Sequence[str], prefix: str, suffix: str) -> tuple[NDArray[np.uint8], Any, Any]:
    """Return the bytes of all texts in one buffer with four spare ones, and where each text begins and how long it is."""
    # Glue between the texts is the suffix of one and the prefix of the next.
    joined = prefix + (suffix + prefix).join(texts) + suffix
    held = joined.encode()
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    if len(held) != len(joined):
        lengths = np.fromiter((len(text.encode()) for text in texts), dtype=np.int64, count=len(texts))
    lengths += len(prefix.encode()) + len(suffix.encode())
    return np.frombuffer(held + bytes(4), dtype=np.uint8), np.cumsum(lengths) - lengths, lengths


def _fnv1a(held: NDArray[np.uint8], begin: Any, lengths: Any) -> Hashes:
    state = np.full(lengths.size, FNV_START)
    for place, live in _places(lengths):
        state[live] = (state[live] ^ held[begin[live] + place]) * FNV_PRIME
    return state


def _murmur3(held: NDArray[np.uint8], begin: Any, lengths: Any, seed: np.uint32) -> Hashes:
    words: NDArray[np.uint32] = np.ndarray((held.size - 3,), dtype="<u4", buffer=held, strides=(1,))
    state = np.full(lengths.size, seed)
    blocks = lengths >> 2
    for place, live in _places(blocks):
        block = words[begin[live] + 4 * place].astype(np.uint32)
        state[live] = _turned(state[live] ^ _scrambled(block), 13) * np.uint32(5) + ADDED
    state ^= _scrambled(words[begin + 4 * blocks] & TAIL_MASKS[lengths & 3])
    state ^= lengths.astype(np.uint32)
    state = (state ^ (state >> np.uint32(16))) * MIX1
    state = (state ^ (state >> np.uint32(13))) * MIX2
    mixed: Hashes = state ^ (state >> np.uint32(16))
    return mixed


def _scrambled(block: Hashes) -> Hashes:
    return _turned(block * C1, 15) * C2


def _turned(word: Hashes, by: int) -> Hashes:
    return (word << np.uint32(by)) | (word >> np.uint32(32 - by))


def _places(lengths: Any) -> Any:
    """Yield each place, with the texts that have it: all of them as a slice, which costs no copy, or their numbers."""
    least, most = int(lengths.min()), int(lengths.max())
    for place in range(least):
        yield place, slice(None)
    live = np.arange(lengths.size)
    for place in range(least, most):
        live = live[lengths[live] > place]
        yield place, live
