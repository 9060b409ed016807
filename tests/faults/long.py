"""The long proofs: all of what the tests beside this try a part of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.kills import kill_until_done
from tests.faults.progress import Progress
from tests.faults.stage import LONG, staged
from tests.faults.sweep import Sweep
from tests.support.collector import Collector
from tests.support.databases import databases

KILLS = 200


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
            with staged(
                of_kind, collector, progress.folder, size=LONG, name=f"{drawn}"
            ) as stage:
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
