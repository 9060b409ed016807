"""A backfill in random chunks, by three processes of which two are killed, is one quiet run."""

from __future__ import annotations

import random
from pathlib import Path

from tests.faults.chunks import Chunks, Log, chunks_of, differing, quiet
from tests.faults.seeds import seed

ROWS, DAYS = 10_000, 10


def test_random_chunks_by_processes_that_are_killed_give_the_bytes_of_one_quiet_run(
    tmp_path: Path,
) -> None:
    rng = random.Random(seed())
    log = Log(folder=tmp_path, rows=ROWS, days=DAYS, window="3h")
    log.write()
    chunks = Chunks(log=log, left=chunks_of(DAYS, rng, number=4), rng=rng)
    chunks.work()
    assert quiet(log) > 0.99 * ROWS - ROWS / DAYS
    assert differing(log) == []
