"""The long proofs: all of what the tests beside this try a part of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, seed, settings

from tests.faults.chunks import Chunks, Log, chunks_of, differing, quiet
from tests.faults.hostile import ROWS, Row, log_of_one_window
from tests.faults.kills import kill_until_done
from tests.faults.progress import Progress
from tests.faults.soak import BEGINS, Life, Soak
from tests.faults.stage import LONG, staged
from tests.faults.sweep import Sweep
from tests.support.collector import Collector
from tests.support.databases import databases
from tests.support.postgres import running_postgres

KILLS = 200
CHUNKS = 40
EXAMPLES, AT_ONCE = 10_000, 500
SOAK, SPEED = timedelta(days=7), 1_200
MOST_MB_A_DAY = 2.0


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a proof came to: how often it was tried, what was broken, and what else was seen."""

    tried: int
    figures: str
    broken: Sequence[str] = field(default=())


def sweep(progress: Progress, kind: str) -> Found:
    """Die at every point of a cycle."""
    with databases(kind) as of_kind, Collector() as collector:
        whole = Sweep(of_kind, collector, progress.folder / "words")
        for tried in whole.at(range(progress["tried"] + 1, len(whole.points) + 1)):
            problems = [f"point {tried.point} ({tried.what}): {each}" for each in tried.broken]
            progress.save(
                tried=tried.point,
                repeats=progress["repeats"] + tried.repeats,
                broken=[*(progress["broken"] or ()), *problems],
            )
    a_second = progress["tried"] / progress["seconds"]
    return Found(
        tried=progress["tried"],
        broken=progress["broken"],
        figures=f"{progress['repeats']} messages came twice, {a_second:.1f} points a second",
    )


def kills(progress: Progress, kind: str) -> Found:
    """Kill programs at random moments, on one store after another."""
    with databases(kind) as of_kind, Collector() as collector:
        while progress["tried"] < KILLS:
            drawn = progress["tried"]
            with staged(of_kind, collector, progress.folder, size=LONG, name=f"{drawn}") as stage:
                killed = kill_until_done(stage, random.Random(drawn), most=KILLS - drawn)
            problems = [f"after {drawn} kills and {killed.kills} more: {p}" for p in killed.broken]
            progress.save(
                tried=drawn + killed.kills,
                stores=progress["stores"] + 1,
                in_work=progress["in_work"] + killed.in_work,
                broken=[*(progress["broken"] or ()), *problems],
            )
    return Found(
        tried=progress["tried"],
        broken=progress["broken"],
        figures=f"{progress['stores']} stores, windows were claimed at {progress['in_work']} kills",
    )


def chunks(progress: Progress, rows: int) -> Found:
    """Backfill many rows in random chunks by three processes, two of which are killed."""
    log = Log(folder=progress.folder, rows=rows, days=364, window="3h")
    log.write()
    rng = random.Random(rows)
    left = chunks_of(log.days, rng, number=CHUNKS)
    if progress["done_chunks"]:
        left = [chunk for chunk in left if list(chunk) not in progress["done_chunks"]]
    work = Chunks(log=log, left=left, rng=rng)

    def tell(chunk: tuple[int, int]) -> None:
        progress.save(
            done_chunks=[*(progress["done_chunks"] or ()), list(chunk)],
            kills=progress["kills"] + work.kills,
        )
        work.kills = 0

    work.work(tell)
    if not progress["rows"]:
        progress.save(rows=quiet(log))
    return Found(
        tried=rows,
        broken=differing(log),
        figures=f"{CHUNKS} chunks by 3 processes, {progress['kills']} killed, "
        f"{progress['rows']} rows profiled by the quiet run",
    )


def soak(progress: Progress) -> Found:
    """Live a week in which everything around the daemon fails at random."""
    end = BEGINS + SOAK
    with running_postgres(progress.folder / "server") as running, Collector() as collector:
        server = replace(running, names=count(10 * progress["sessions"]))
        progress.save(sessions=progress["sessions"] + 1)
        soaked = Soak(
            server, collector, progress.folder / "words",
            days=SOAK.days, seed=progress["sessions"], databases=progress["databases"] or None,
        )  # fmt: skip
        progress.save(databases=[soaked.log, soaked.store])
        reached = progress["reached"]

        def tell(life: Life) -> None:
            if len(life.samples) % 10 == 0:
                progress.save(reached=life.samples[-1].at.isoformat())

        life = soaked.live(
            datetime.fromisoformat(reached) if reached else BEGINS, end, speed=SPEED, tell=tell
        )
        broken = soaked.problems(end)
    slope, (fewest, most) = life.memory_slope(), life.handles()
    if slope > MOST_MB_A_DAY:
        broken.append(f"memory grows by {slope:.1f} MB a day")
    faults = ", ".join(f"{number} {name}" for name, number in sorted(life.faults.items()))
    return Found(
        tried=sum(life.faults.values()),
        broken=broken,
        figures=f"{SOAK.days} days at {SPEED}x in {progress['sessions']} sessions; memory "
        f"{slope:+.2f} MB a day, {fewest} to {most} handles; {faults}",
    )


def hostile(progress: Progress) -> Found:
    """Profile thousands of windows of payloads drawn by hypothesis."""
    with (
        TemporaryDirectory(prefix="driftline-") as folder,
        log_of_one_window(Path(folder)) as log,
    ):
        while progress["tried"] < EXAMPLES:
            seen = 0

            @seed(progress["tried"])
            @settings(
                max_examples=AT_ONCE, deadline=None, database=None,
                derandomize=False, suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(rows=ROWS)
            def holds(rows: list[Row]) -> None:
                nonlocal seen
                seen += 1
                problem = log.remainder(rows)
                assert problem is None, problem

            try:
                holds()
            except AssertionError as error:
                progress.save(broken=[*(progress["broken"] or ()), str(error)[:500]])
            progress.save(tried=progress["tried"] + seen)
    return Found(tried=progress["tried"], broken=progress["broken"] or (), figures="")
