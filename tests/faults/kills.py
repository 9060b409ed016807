"""kill -9 at random moments, of `monitor run` and `monitor backfill` by turns, on one store."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess

from tests.faults.stage import Stage
from tests.support.forks import ended

PROGRAMS = (("run",), ("run", "--verbose"), ("backfill", "--notify"))
AFTER_S = 0.3
PATIENCE_S = 60


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What a round of kills came to."""

    kills: int
    in_work: int  # of these, with windows claimed
    broken: list[str]


def kill_until_done(stage: Stage, rng: random.Random, *, most: int) -> Killed:
    """Start programs and kill them, until the work is done or there were enough; then look."""
    kills, in_work = 0, 0
    while kills < most and not stage.over():
        process = stage.monitor(*rng.choice(PROGRAMS))
        _wait(stage, process, steps=rng.choice((0, 1, 1, rng.randrange(stage.windows))))
        time.sleep(rng.random() * rng.random() * AFTER_S)
        process.kill()
        ended(process, within_s=PATIENCE_S)
        kills += 1
        in_work += stage.expire() > 0
    return Killed(kills=kills, in_work=in_work, broken=stage.finish())


def _wait(stage: Stage, process: ForkServerProcess, *, steps: int) -> None:
    """Wait until so much more of the work is done than before, or all of it, or it has ended."""
    begun = stage.steps()
    stage.until(
        lambda: not process.is_alive() or stage.over() or stage.steps() >= begun + steps,
        what="went on",
    )
