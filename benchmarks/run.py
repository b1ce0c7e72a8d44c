"""Compare with the peers and say which bars are met.

    python3 dev.py bench                       everything that takes seconds
    python3 dev.py bench --only newsvendor     the workloads whose name, size or peer holds a word
    python3 dev.py bench --large               the sizes that take minutes too
    python3 dev.py bench --data DIR            the folder with cdnow/ and pathdata/

It ends with 1 when an answer differs from the peer's, with 2 when a bar is missed and --strict is given.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import Entry, Outcome, compare, first_call, table

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
LIBRARIES = (
    "ecomops",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "lifetimes",
    "ChannelAttribution",
    "stockpyl",
    "tea-tasting",
    "gbstats",
    "spotify-confidence",
    "duckdb",
)


def main() -> None:
    """Run the comparisons that were asked for."""
    options = _options()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # one thread for everybody, before numpy loads
    warnings.simplefilter("ignore")  # peers warn when they are imported
    if options.first:
        _answer_first(*options.first)
        return
    folder = options.data if options.data.is_dir() else None
    entries = [one for one in _entries(folder) if (options.large or not one.large) and _wanted(one, options.only)]
    missing = sorted({one.peer.name for one in entries if not _installed(one)})
    outcomes = [_run(one) for one in entries if _installed(one)]
    print()
    if missing:
        print(f"left out, their peer is not in this environment: {', '.join(missing)}\n")
    print(table(outcomes))
    path = options.output or ROOT / "benchmarks" / "results" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    _write(path, outcomes)
    wrong, missed = sum(bool(one.error) for one in outcomes), sum(not one.met for one in outcomes)
    print(f"\n{len(outcomes) - missed} of {len(outcomes)} bars met; written to {_shown(path)}")
    sys.exit(1 if wrong else 2 if missed and options.strict else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="WORD", action="append", help="workloads whose name, size or peer holds this")
    parser.add_argument("--large", action="store_true", help="also what takes minutes")
    parser.add_argument("--data", type=Path, default=DATA, metavar="DIR", help="folder of public data sets")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the JSON goes")
    parser.add_argument("--strict", action="store_true", help="end with 2 when a bar is missed")
    parser.add_argument("--first", nargs=3, metavar=("NAME", "SIDE", "FILE"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _entries(folder: Path | None) -> list[Entry]:
    import attribution
    import experiments
    import inventory
    import segmentation

    packages = (segmentation, attribution, inventory, experiments)
    return [one for package in packages for one in package.entries(folder)]


def _wanted(entry: Entry, words: list[str] | None) -> bool:
    told = f"{entry.name} {entry.size} {entry.peer.name}".lower()
    return not words or any(word.lower() in told for word in words)


def _installed(entry: Entry) -> bool:
    """Tell whether the peer is in this environment: one of them needs another pandas, and an environment of its own."""
    return importlib.util.find_spec(entry.peer.module.split(".")[0]) is not None


def _run(entry: Entry) -> Outcome:
    print(f"{entry.name}, {entry.size} ...", end=" ", flush=True, file=sys.stderr)
    data = entry.data()
    outcome = compare(entry, data)
    if entry.first and not outcome.error:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "input.pickle"
            file.write_bytes(pickle.dumps(data))
            outcome.peer_import, outcome.peer_first = _ask_first(entry, "peer", file)
            outcome.ours_import, outcome.ours_first = _ask_first(entry, "ours", file)
    print("WRONG" if outcome.error else f"{outcome.ratio:.3g}x", flush=True, file=sys.stderr)
    return outcome


def _ask_first(entry: Entry, side: str, file: Path) -> tuple[float, float]:
    """Return import and first call of one side, the median of three new processes."""
    command = [sys.executable, __file__, "--first", _key(entry), side, str(file)]
    answers = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])  # noqa: S603
        for _ in range(3)
    ]
    imports, firsts = zip(*answers, strict=True)
    return sorted(imports)[1], sorted(firsts)[1]


def _answer_first(key: str, side: str, file: str) -> None:
    data: Any = pickle.loads(Path(file).read_bytes())  # noqa: S301 - the parent wrote it
    entry = next(one for one in _entries(None) if _key(one) == key)
    print(json.dumps(first_call(getattr(entry, side), data)))


def _key(entry: Entry) -> str:
    return f"{entry.name}, {entry.size}"


def _write(path: Path, outcomes: list[Outcome]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: _version(name) for name in LIBRARIES},
        "units": "seconds per item, MB per call",
        "entries": [asdict(one) for one in outcomes],
    }
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _shown(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


if __name__ == "__main__":
    main()
