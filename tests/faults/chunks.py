"""A log backfilled in random chunks by three processes, of which two are killed now and then.

What they leave is compared with what one process leaves that nobody disturbs. The log is Parquet
files of rows like the demo's, drawn from a seed; all of it stays in a folder, so that a run that is
stopped goes on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.backfill import backfill
from monitor.config import Config
from monitor.store.engine import open_store
from tests.faults.stage import program
from tests.support.forks import ended, fork
from tests.support.log import CARRIERS, DAY, DISTANCES, ORIGINS, START
from tests.support.store import MODEL, contents, write_config

ROWS_A_FILE = 500_000
WORKERS, UNLUCKY = 3, 2
LEASE = timedelta(seconds=3)
PATIENCE_S = 600
UNLIKE = ("outbox",)  # when a message was put there is another matter; these are of history, held


@dataclass(frozen=True, kw_only=True)
class Log:
    """How many rows, over how many days, and in which folder."""

    folder: Path
    rows: int
    days: int
    window: str

    def write(self) -> None:
        """Write the files that are not there; the same rows each time."""
        logs = self.folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        files = -(-self.rows // ROWS_A_FILE)
        for number in range(files):
            rows = min(ROWS_A_FILE, self.rows - number * ROWS_A_FILE)
            begin, end = (self.days * DAY.total_seconds() * (number + i) / files for i in (0, 1))
            _write(logs / f"{number:03}.parquet", _drawn(number, rows, begin, end))
        _write(self.folder / "training.parquet", _drawn(files, 20_000, 0, 20 * DAY.total_seconds()))

    def values(self, store: str) -> dict[str, Any]:
        rule = {"name": "day", "statistic": "js", "threshold": 0.2, "over": "1d", "windows": 2,
                "min_rows": 75, "cohorts": True}  # fmt: skip
        return {
            "store": f"sqlite:///{self.folder / store}",
            "models": {
                MODEL: {
                    "source": f"file:{self.folder / 'logs'}/*.parquet",
                    "log": {"time": "event_time", "id": "prediction_id"},
                    "baseline": {"file": str(self.folder / "training.parquet")},
                    "prediction": {"kind": "binary", "score": "score", "threshold": 0.5},
                    "cohorts": ["origin"],
                    "window": self.window,
                    "lateness": "1h",
                }
            },
            "alerts": {"budget": "1 per month", "rules": [rule], "routes": []},
        }


@dataclass(kw_only=True)
class Chunks:
    """The chunks that are left, and what has happened so far."""

    log: Log
    left: list[tuple[int, int]]  # days
    rng: random.Random
    kills: int = 0
    at_work: dict[int, tuple[ForkServerProcess, tuple[int, int], float]] = field(
        default_factory=dict
    )

    def work(self, tell: Callable[[tuple[int, int]], None] = lambda _: None) -> None:
        """Keep three processes at work until every chunk has been done to its end."""
        while self.left or self.at_work:
            for worker in range(WORKERS):
                if worker in self.at_work:
                    done = self._look(worker)
                    if done is not None:
                        tell(done)
                elif self.left:
                    self._begin(worker)
            time.sleep(0.01)

    def _begin(self, worker: int) -> None:
        chunk = self.left.pop(self.rng.randrange(len(self.left)))
        first, last = (START + day * DAY for day in chunk)
        file = write_config(self.log.folder / f"{worker}.yaml", self.log.values("chunks.db"))
        words = ["backfill", "--config", str(file), "--from", first.isoformat()]
        words += ["--to", last.isoformat()]
        process = fork(program, words, LEASE, None, words=self.log.folder / "words")
        doomed = worker < UNLUCKY and self.rng.random() < 0.6
        ends = time.monotonic() + (self.rng.uniform(0.1, 3) if doomed else PATIENCE_S)
        self.at_work[worker] = (process, chunk, ends)

    def _look(self, worker: int) -> tuple[int, int] | None:
        """Return the chunk that a process has done to its end; kill it if that is its lot."""
        process, chunk, ends = self.at_work[worker]
        if process.is_alive() and time.monotonic() < ends:
            return None
        killed = process.is_alive()
        if killed:
            process.kill()
        code = ended(process, within_s=PATIENCE_S)
        assert killed or code == 0, f"a backfill ended with {code}"
        del self.at_work[worker]
        self.kills += code != 0
        if code != 0:
            self.left.append(chunk)
            return None
        return chunk


def chunks_of(days: int, rng: random.Random, *, number: int) -> list[tuple[int, int]]:
    """Cut days at random; neighbours overlap by a day."""
    edges = [0, *sorted(rng.sample(range(1, days), number - 1)), days]
    return [(max(0, a - 1), b) for a, b in pairwise(edges)]


def quiet(log: Log) -> int:
    """Backfill everything in one go; return the rows."""
    config = Config.model_validate(log.values("quiet.db"))
    engine = open_store(config.store)
    done = backfill(engine, config, MODEL)
    engine.dispose()
    return done.rows


def differing(log: Log) -> list[str]:
    """Finish what the chunks left by a plain run, and name the tables that differ."""
    time.sleep(LEASE.total_seconds())  # of whoever was killed last
    found = []
    for store in ("chunks.db", "quiet.db"):
        config = Config.model_validate(log.values(store))
        engine = open_store(config.store)
        backfill(engine, config, MODEL)
        found.append(contents(engine, but=UNLIKE))
        engine.dispose()
    mine, theirs = found
    assert theirs["windows"], "the quiet run did nothing"
    return [f"I2: {table} differs" for table in mine if mine[table] != theirs[table]]


def _write(path: Path, columns: dict[str, Any]) -> None:
    if not path.exists():
        beside = path.with_suffix(".new")
        pq.write_table(pa.table(columns), beside)
        beside.rename(path)


def _drawn(seed: int, rows: int, begin: float, end: float) -> dict[str, Any]:
    """Draw rows of a span of seconds; in each tenth week score and temperature shift."""
    rng = np.random.default_rng([7, seed])
    second = np.sort(rng.uniform(begin, end, rows))
    hour, week = second / 3600 % 24, second // (7 * 86_400)
    moved = week % 10 == 2
    temp = 10 + 2 * np.sin((hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 4, rows) + 6 * moved
    ids = np.arange(rows)
    ids[rng.integers(1, rows, rows // 200)] -= 1  # some come twice, altered
    start = np.datetime64(START.replace(tzinfo=None), "us")
    return {
        "event_time": pa.array(start + (second * 1e6).astype("timedelta64[us]")).cast(
            pa.timestamp("us", "UTC")
        ),
        "prediction_id": pa.array([f"{seed}-{each}" for each in ids.tolist()]),
        "origin": pa.array(rng.choice(ORIGINS, rows, p=(0.45, 0.4, 0.15))),
        "carrier": pa.array(rng.choice(CARRIERS, rows)),
        "distance": pa.array(rng.choice(DISTANCES, rows)),
        "temp": pa.array(np.round(temp, 2), mask=rng.random(rows) < 0.03),
        "score": pa.array(np.round(np.minimum(rng.beta(2, 5, rows) + 0.25 * moved, 1), 4)),
    }
