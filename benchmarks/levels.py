"""Measure how often each test is wrong and how often each interval misses, and print the table of docs/explanation/levels.md.

python benchmarks/levels.py > table.md     from the root of the repository; takes some minutes
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.experiments.levels import counts, looks, means, ranks_and_families
from tests.experiments.levels.case import NOMINAL, Case, Figures, room

PARTS = {
    "Means, ratios and adjusted differences": means.CASES,
    "Proportions, rates and sample ratios": counts.CASES,
    "Ranks, families of tests and segments": ranks_and_families.CASES,
    "Looked at many times": looks.CASES,
}
HEAD = "| test or interval | data | runs | rejects at .05 | at .01 | 95 % misses | 99 % misses | |\n|---|---|---|---|---|---|---|---|"


def main() -> None:
    """Print one table a part, then the powers."""
    for title, cases in PARTS.items():
        sys.stdout.write(f"## {title}\n\n{HEAD}\n")
        for case in cases:
            found = case.measure(np.random.default_rng(zlib.crc32(case.label.encode())))
            sys.stdout.write(f"{row(case, found)}\n")
            sys.stdout.flush()
        sys.stdout.write("\n")
    sys.stdout.write("## Power\n\n| design | promised | found |\n|---|---|---|\n")
    for name, measure in ranks_and_families.POWERS.items():
        promised, power = measure(np.random.default_rng(1))
        sys.stdout.write(f"| {name} | {promised:.4f} | {power:.4f} |\n")


def row(case: Case, found: Figures) -> str:
    """Return a row of the table."""
    missed = {alpha: 1.0 - share for alpha, share in found.covered.items()}
    cells = [f"{part[alpha]:.4f}" if alpha in part else "" for part in (found.rejected, missed) for alpha in NOMINAL]
    runs = "all outcomes" if np.isinf(found.runs) else f"{found.runs:,.0f}"
    return f"| {case.name} | {case.law} | {runs} | {' | '.join(cells)} | {verdict(found, missed)} |"


def verdict(found: Figures, missed: dict[float, float]) -> str:
    """Return whether the errors are as stated, within 99.9 % of the simulation's own error."""
    apart = [
        (error - alpha) / room(alpha, found.runs) for part in (found.rejected, missed) for alpha, error in part.items()
    ]
    if max(apart) > 1.0:
        return "**too often**"
    return "conservative" if min(apart) < -1.0 else "as stated"


if __name__ == "__main__":
    main()
