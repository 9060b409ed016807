"""What has been measured so far: each run is on disk when it ends, so that the next call goes on.

A run counts as long as the program, the scripts and the pins are what they were, and for half a
day: ratios are between systems that took turns, not between one of today and one of last week.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.environments import PINS
from benchmarks.jobs import Job, System
from benchmarks.scale import Scale

HERE = Path(__file__).parent
ROOT = HERE.parent
SOURCES = ("profiles", "monitor", "alerts")
KEPT = {"ok", "not installed"}
HALF_A_DAY = 12 * 3_600

Record = dict[str, Any]


@cache
def prepared_key() -> str:
    """Name the source of what is prepared: the program's own, and that of the data."""
    paths = [path for package in SOURCES for path in sorted((ROOT / package).rglob("*.py"))]
    return _hash(*paths, HERE / "prepare.py", HERE / "data.py", HERE / "columns.py")


@cache
def _scripts_key() -> str:
    paths = sorted((HERE / "systems").glob("*.py"))
    return _hash(*(path for path in paths if not path.name.startswith("check_")))


def run_key(system: System) -> str:
    """Name what a run depends on, so that an earlier one of something else does not count."""
    pins = "" if system.ours else _hash(PINS / f"{system.environment}.txt")
    return f"{prepared_key()}-{_scripts_key()}-{pins}"


def _hash(*paths: Path) -> str:
    whole = hashlib.blake2b(digest_size=8)
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()


class Session:
    """The runs of one size, in a file of a line each."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"runs-{scale.key}.jsonl"
        self._records: list[Record] = []
        if self._path.exists() and time.time() - self._path.stat().st_mtime < HALF_A_DAY:
            self._records = list(_whole_lines(self._path))
        else:
            self._path.write_text("", encoding="utf-8")

    def add(self, record: Record) -> None:
        """Keep a run; it is on disk when this returns."""
        self._records.append(record)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def runs(self, job: Job, system: System) -> list[Record]:
        """Return the runs of a system that count, in the order of their number."""
        key = run_key(system)
        found = {
            record["run"]: record
            for record in self._records
            if (record["job"], record["system"], record["key"]) == (job.id, system.name, key)
        }
        return [found[run] for run in sorted(found)]

    def has(self, job: Job, system: System, run: int) -> bool:
        """Tell whether a run need not be done; one that failed is tried again."""
        done = {record["run"]: record["status"] for record in self.runs(job, system)}
        return done.get(run) in KEPT or done.get(0) == "not installed"

    def check(self, job: Job, *, held: bool, says: str) -> None:
        """Keep what looking at a job's results gave."""
        self.add({"job": job.id, "system": "", "run": 0, "key": "", "held": held, "note": says})

    def checked(self, job: Job) -> Record | None:
        """Return the last look at a job's results."""
        found = [r for r in self._records if r["job"] == job.id and r["system"] == ""]
        return found[-1] if found else None

    def forget(self, jobs: Sequence[Job]) -> None:
        """Begin anew the next time: what was measured is in the results."""
        gone = {(job.id, name) for job in jobs for name in ("", *(s.name for s in job.systems))}
        self._records = [r for r in self._records if (r["job"], r["system"]) not in gone]
        text = "".join(json.dumps(record) + "\n" for record in self._records)
        self._path.write_text(text, encoding="utf-8")


def _whole_lines(path: Path) -> Iterator[Record]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # cut off while it was written
            continue
