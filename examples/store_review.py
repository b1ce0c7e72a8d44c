r"""Review a shop: from an order-lines file (and what else there is) to one page of decisions ranked by money.

    python3 dev.py demo                                a simulated shop
    python3 dev.py demo --orders orders.csv            your shop
    python3 dev.py demo --orders orders.csv --stock stock.csv --costs costs.csv \
        --touches touches.csv --spend spend.csv --experiment test.csv

Writes ``store_review.html`` (one page, no network) and ``store_review.json`` (the decisions).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ecomops.core import ConvergenceError, InputError
from review import channels, columns, customers, inputs, page, prices, sales, shop, stock, trial
from review.dates import ORDERS as DATE_ORDERS
from review.problem import Problem
from review.report import Review

PAGE, ROWS = "store_review.html", "store_review.json"
LIMITS = {
    "lead_time": (0.0, 1000.0), "review_days": (0.5, 366.0), "service": (0.5, 0.9999), "horizon_days": (1.0, 3660.0),
    "discount": (0.0, 10.0), "winback_rate": (0.0, 1.0), "contact_cost": (0.0, 1e9), "max_price_change": (0.001, 0.9),
    "margin": (0.01, 1.0), "holding_rate": (0.0, 10.0), "seed": (0, 2**32),
}  # fmt: skip


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        raise Problem(f"{message} (see --help)")


def main(arguments: list[str] | None = None) -> int:
    """Run the review; return 0, or 2 with one clear line where the input cannot be used."""
    try:
        options = parse(arguments)
        target = writable(options.out)
    except Problem as problem:
        print(f"store_review: {problem}", file=sys.stderr)
        return 2
    started = time.monotonic()

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - started:5.1f} s] {text}", file=sys.stderr, flush=True)

    try:
        review = build(options, progress)
    except (Problem, InputError, ConvergenceError) as problem:
        print(f"store_review: {' '.join(str(problem).split())}", file=sys.stderr)
        return 2
    (target / PAGE).write_text(page.render(review), encoding="utf-8")
    text = json.dumps(review.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    (target / ROWS).write_text(text, encoding="utf-8")
    progress(f"wrote {target / PAGE} and {target / ROWS}")
    for line in review.headline():
        print(line)
    return 0


def writable(out: str) -> Path:
    """Return the folder to write to, before an hour is spent on what cannot be written."""
    target = Path(out)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in (PAGE, ROWS):
            with (target / name).open("a", encoding="utf-8"):
                pass
    except OSError as error:
        raise Problem(f"--out: cannot write to {out} ({error.strerror}); name a folder of yours") from None
    return target


def build(options: argparse.Namespace, progress: inputs.Progress) -> Review:
    """Read, analyse and decide."""
    data = shop.simulated(options, progress) if options.orders is None else inputs.read(options, progress)
    review = Review(options=options, data=data, assumptions=list(data.assumed))
    for part in (sales, stock, customers, prices, channels, trial):
        part.analyse(review, progress)
    return review


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(prog="store_review", description="Review a shop and rank decisions by money.", allow_abbrev=False)
    files = parser.add_argument_group("files (CSV, gzipped CSV or Parquet)")
    files.add_argument("--orders", metavar="FILE", help="order lines; without it a simulated shop is reviewed")
    files.add_argument(
        "--stock", metavar="FILE", help="sku, on_hand, on_order (optional), lead_time in days (optional)"
    )
    files.add_argument("--costs", metavar="FILE", help="sku, cost (money per unit)")
    files.add_argument("--touches", metavar="FILE", help="user, time, channel, conversion (0/1), value (optional)")
    files.add_argument("--spend", metavar="FILE", help="channel, spend (money over the time of the touches)")
    files.add_argument("--experiment", metavar="FILE", help="unit, arm, then one column a metric")
    names = parser.add_argument_group("columns of the order lines (guessed where not given)")
    for name in columns.ORDERS:
        names.add_argument(f"--{name.replace('_', '-')}", dest=f"column_{name}", metavar="COLUMN")
    assumed = parser.add_argument_group("numbers that are assumed unless you give them")
    assumed.add_argument("--lead-time", type=float, default=14.0, help="days from order to arrival (default 14)")
    assumed.add_argument("--review-days", type=float, default=7.0, help="days between two orders (default 7)")
    assumed.add_argument("--service", type=float, default=0.95, help="probability of no stock-out (default 0.95)")
    assumed.add_argument(
        "--horizon-days", type=float, default=90.0, help="days that customers are valued over (default 90)"
    )
    assumed.add_argument("--discount", type=float, default=0.10, help="effective discount rate per year (default 0.10)")
    assumed.add_argument(
        "--winback-rate", type=float, default=0.05, help="share of lost customers a contact brings back (0.05)"
    )
    assumed.add_argument("--contact-cost", type=float, default=1.0, help="cost of one contact, money (default 1)")
    assumed.add_argument("--margin", type=float, default=0.30, help="margin on revenue without --costs (default 0.30)")
    assumed.add_argument("--holding-rate", type=float, default=0.25, help="cost of stock per year and value (0.25)")
    assumed.add_argument(
        "--max-price-change", type=float, default=0.10, help="largest change of a price (default 0.10)"
    )
    assumed.add_argument("--control", metavar="ARM", help="name of the control arm (guessed)")
    assumed.add_argument("--split", metavar="ARM=SHARE,...", help="intended split of the experiment (default even)")
    parser.add_argument(
        "--dates", choices=DATE_ORDERS, help="how to read 01/02/2026 (told from the file where it can be)"
    )
    parser.add_argument("--not-products", metavar="CODE,...", help="codes of postage, fees and the like (usual ones)")
    parser.add_argument("--end", metavar="DATE", help="last day to look at (default: the last in the data)")
    parser.add_argument("--currency", default="", help="sign to print before money")
    parser.add_argument("--out", default=".", metavar="DIR", help="where to write (default: here)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the simulated shop (default 7)")
    parser.add_argument("--noise", action="store_true", help="simulate a shop in which nothing has an effect")
    options = parser.parse_args(arguments)
    for name, (low, high) in LIMITS.items():
        if not low <= getattr(options, name) <= high:
            parser.error(f"--{name.replace('_', '-')} must be from {low:g} to {high:g}, got {getattr(options, name)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
