"""How two ways to one answer are compared: equal answers first, then time in turns, then memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SHORTEST_SAMPLE = 0.02
"""Seconds that one timed sample lasts at least, by repeating a short call."""

Call = Callable[[], Any]


@dataclass(frozen=True)
class Side:
    """One way to the answer."""

    name: str
    """The library."""
    module: str
    """What a user imports for it."""
    ready: Callable[[Any], Call]
    """From the plain input to the call that is timed; what happens in here is not timed."""
    items: int = 1
    """Things that one call answers, such as SKUs; times are compared per item."""


@dataclass(frozen=True)
class Entry:
    """One comparison."""

    name: str
    """Package and workload."""
    size: str
    """How large the input is, in words."""
    data: Callable[[], Any]
    """Make the input: plain frames and arrays that both sides read."""
    peer: Side
    ours: Side
    agree: Callable[[Any, Any], None]
    """Assert that two answers, the peer's and ours, are equal."""
    tolerance: str
    """What counts as equal, in words."""
    bar: float
    """How many times as fast as the peer a warm call has to be."""
    checked: Callable[[Any], Call] | None = None
    """The peer at a setting where its answer has to be equal, if it is only roughly so at the one that is timed."""
    repeats: int = 5
    large: bool = False
    """Only run when asked for: it takes minutes."""
    first: bool = False
    """Whether the first call in a new process is timed too."""
    forks: bool = True
    """Whether memory can be measured: an engine with threads of its own does not survive the fork that this takes."""


@dataclass
class Outcome:
    """What was found; times in seconds per item, memory in MB per call."""

    name: str
    size: str
    peer: str
    bar: float
    tolerance: str
    repeats: int
    peer_warm: float = 0.0
    ours_warm: float = 0.0
    ratio: float = 0.0
    ratio_low: float = 0.0
    ratio_high: float = 0.0
    peer_import: float | None = None
    ours_import: float | None = None
    peer_first: float | None = None
    ours_first: float | None = None
    peer_memory: float | None = None
    ours_memory: float | None = None
    met: bool = False
    error: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)


def compare(entry: Entry, data: Any) -> Outcome:
    """Check that the answers are equal, then time both sides in turns."""
    outcome = Outcome(entry.name, entry.size, entry.peer.name, entry.bar, entry.tolerance, entry.repeats)
    sides = {"peer": entry.peer, "ours": entry.ours}
    with silence():
        calls = {who: side.ready(data) for who, side in sides.items()}
        checked = entry.checked(data) if entry.checked else calls["peer"]
        try:
            entry.agree(checked(), calls["ours"]())
        except AssertionError as error:
            outcome.error = str(error).strip() or "answers differ"
            return outcome
        # What is timed once takes minutes: no trial before.
        loops = {who: _loops(call) if entry.repeats > 1 else 1 for who, call in calls.items()}
        samples: dict[str, list[float]] = {"peer": [], "ours": []}
        for turn in range(entry.repeats):
            # Who goes first changes, so that a drift of the machine favours nobody.
            for who in ("peer", "ours") if turn % 2 == 0 else ("ours", "peer"):
                samples[who].append(_sample(calls[who], loops[who]) / sides[who].items)
        memory = {who: peak_memory(call) if entry.forks else None for who, call in calls.items()}
    ratios = [theirs / ours for theirs, ours in zip(samples["peer"], samples["ours"], strict=True)]
    outcome.samples = samples
    outcome.peer_warm, outcome.ours_warm = (statistics.median(samples[who]) for who in ("peer", "ours"))
    outcome.ratio, outcome.ratio_low, outcome.ratio_high = statistics.median(ratios), min(ratios), max(ratios)
    outcome.peer_memory, outcome.ours_memory = memory["peer"], memory["ours"]
    outcome.met = outcome.ratio >= entry.bar
    return outcome


def first_call(side: Side, data: Any) -> tuple[float, float]:
    """Return the seconds of import and of the first call; only a new process gives a true answer."""
    started = time.perf_counter()
    with silence():
        importlib.import_module(side.module)
        imported = time.perf_counter()
        call = side.ready(data)
        ready = time.perf_counter()
        call()
    return imported - started, time.perf_counter() - ready


def peak_memory(call: Call) -> float | None:
    """Return by how many MB one call raises the peak of a process of its own, or nothing where that cannot be measured.

    A child sees all memory, also what a peer takes outside Python, and its peak starts from what it holds when it is born.
    """
    if not hasattr(os, "fork"):
        return None
    import resource

    gc.collect()
    _give_back()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        with contextlib.suppress(BaseException):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            call()
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os.write(writing, str(grown).encode())
            status = 0
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(text) * unit / 1e6 if text else None


def _give_back() -> None:
    """Give freed memory back to the system; what the allocator keeps would hide what a call takes."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def silence() -> Any:
    """Keep what a peer prints out of the table."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _loops(call: Call) -> int:
    loops, spent = 1, 0.0
    while spent < SHORTEST_SAMPLE:
        spent = _timed(call, loops)
        if spent < SHORTEST_SAMPLE:
            loops = max(2 * loops, int(loops * SHORTEST_SAMPLE / max(spent, 1e-9)) + 1)
    return loops


def _sample(call: Call, loops: int) -> float:
    gc.collect()
    return _timed(call, loops) / loops


def _timed(call: Call, loops: int) -> float:
    started = time.perf_counter()
    for _ in range(loops):
        call()
    return time.perf_counter() - started


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as text, one line each."""
    head = ("workload", "size", "peer", "peer warm", "ours warm", "ratio", "(range)", "bar", "")
    rows = [head, *(_warm_row(one) for one in outcomes)]
    text = _aligned(rows)
    cold = [one for one in outcomes if one.peer_first is not None]
    more = _aligned([("workload", "peer MB", "ours MB"), *(_memory_row(one) for one in outcomes if not one.error)])
    text += "\n\nPeak memory that one call adds\n" + more
    if cold:
        head = ("workload", "peer import", "ours import", "peer first call", "ours first call")
        text += "\n\nIn a new process, numpy and pandas already there\n"
        text += _aligned([head, *(_cold_row(one) for one in cold)])
    return text


def _warm_row(one: Outcome) -> tuple[str, ...]:
    if one.error:
        return (
            one.name,
            one.size,
            one.peer,
            "",
            "",
            "",
            "",
            f"{one.bar:g}x",
            f"WRONG: {' '.join(one.error.split())[:80]}",
        )
    spread = f"({one.ratio_low:.3g}-{one.ratio_high:.3g})"
    verdict = "met" if one.met else "missed"
    warm = (seconds(one.peer_warm), seconds(one.ours_warm))
    return (one.name, one.size, one.peer, *warm, f"{one.ratio:.3g}x", spread, f"{one.bar:g}x", verdict)


def _memory_row(one: Outcome) -> tuple[str, ...]:
    both = (one.peer_memory, one.ours_memory)
    return (f"{one.name}, {one.size}", *("-" if value is None else f"{value:.1f}" for value in both))


def _cold_row(one: Outcome) -> tuple[str, ...]:
    values = (one.peer_import, one.ours_import, one.peer_first, one.ours_first)
    return (f"{one.name}, {one.size}", *("-" if value is None else seconds(value) for value in values))


def seconds(value: float) -> str:
    """Return a time with three digits and a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
