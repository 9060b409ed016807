"""The long proofs, one after another: `python -m tests.faults`, or `make test-long`.

Each goes on where it was stopped, and appends what came of it to `benchmarks/results/faults.csv`
when it ends; that a proof is done is forgotten with `--fresh` or at another commit.
"""

from __future__ import annotations

import argparse
import csv
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tests.faults import long
from tests.faults.progress import Progress

ROOT = Path(__file__).parents[2]
STATE = ROOT / "build" / "faults"
FIGURES = ROOT / "benchmarks" / "results" / "faults.csv"
HEAD = ("finished", "commit", "proof", "tried", "broken", "seconds", "figures")

ROWS = 10_000_000

PROOFS: dict[str, Callable[[Progress], long.Found]] = {
    "sweep-sqlite": lambda progress: long.sweep(progress, "sqlite"),
    "sweep-postgresql": lambda progress: long.sweep(progress, "postgresql"),
    "kills-sqlite": lambda progress: long.kills(progress, "sqlite"),
    "kills-postgresql": lambda progress: long.kills(progress, "postgresql"),
    "chunks": lambda progress: long.chunks(progress, ROWS),
    "hostile": long.hostile,
    "soak": long.soak,
}


def main(words: Sequence[str]) -> int:
    asked, commit = _asked(words), _commit()
    proofs = {**PROOFS, "chunks": lambda progress: long.chunks(progress, asked.rows)}
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    failed = []
    for name in asked.only or PROOFS:
        progress = Progress(STATE / commit / f"{name}.json", fresh=asked.fresh)
        if progress["done"]:
            print(f"{name}: done already at this commit (--fresh does it again)")
            continue
        print(f"{name} …", flush=True)
        found = proofs[name](progress)
        progress.save(done=1)
        _append(name, found, commit=commit, seconds=progress["seconds"])
        print(f"{name}: {found.tried} tried, {len(found.broken)} broken; {found.figures}")
        for line in found.broken[:20]:
            print(f"  {line}")
        failed += [name] if found.broken else []
    return 1 if failed else 0


def _asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="begin anew")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), help=f"some of {', '.join(PROOFS)}"
    )
    parser.add_argument("--rows", type=int, default=ROWS, help="of the log of 'chunks'")
    asked = parser.parse_args(words)
    unknown = set(asked.only or ()) - PROOFS.keys()
    if unknown:
        parser.error(
            f"there is no proof {', '.join(sorted(unknown))}; there are {', '.join(PROOFS)}"
        )
    return asked


def _append(name: str, found: long.Found, *, commit: str, seconds: float) -> None:
    new = not FIGURES.exists()
    with FIGURES.open("a", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if new:
            rows.writerow(HEAD)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows.writerow(
            (now, commit, name, found.tried, len(found.broken), round(seconds), found.figures)
        )


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
