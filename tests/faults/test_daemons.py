"""Several daemons on one store: one that is frozen and wakes late, one that is asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.store.engine import writing
from monitor.store.tables import windows
from tests.faults.stage import Stage, staged
from tests.support.collector import Collector
from tests.support.databases import databases
from tests.support.forks import ended
from tests.support.postgres import Postgres

STOP_S = 10.0
LEASE = timedelta(seconds=2)


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    kind = request.param
    server: Postgres | None = request.getfixturevalue("postgres") if kind != "sqlite" else None
    with (
        databases(kind, server=server) as of_kind,
        Collector() as collector,
        staged(of_kind, collector, tmp_path) as stage,
    ):
        yield stage


def test_a_daemon_that_was_frozen_past_its_lease_doubles_nothing_when_it_wakes(
    stage: Stage,
) -> None:
    sleeper = stage.monitor("run", lease=LEASE)
    held = freeze_in_work(stage, sleeper)
    others = [stage.monitor("run", lease=LEASE) for _ in range(2)]
    stage.until(stage.over, *others, what="done by the others")
    assert all(fence > was for fence, was in zip(fences(stage, held), held.values(), strict=True))
    os.kill(pid_of(sleeper), signal.SIGCONT)
    stage.until(lambda: stage.says("window.fenced"), sleeper, *others, what="let go")
    for process in (sleeper, *others):
        process.terminate()
    assert [ended(process, within_s=STOP_S) for process in (sleeper, *others)] == [0, 0, 0]
    assert stage.finish() == []


def test_asked_to_stop_in_mid_window_it_gives_it_back_and_the_next_goes_on_at_once(
    stage: Stage,
) -> None:
    first = stage.monitor("run")
    stage.until(lambda: stage.states()["running"], first, what="in work")
    first.terminate()
    assert ended(first, within_s=STOP_S) == 0
    assert stage.states()["running"] == 0
    second = stage.monitor("run")  # whose lease would keep it from what the first has not returned
    stage.until(stage.over, second, what="done")
    second.terminate()
    assert ended(second, within_s=STOP_S) == 0
    assert stage.finish() == []


def freeze_in_work(stage: Stage, process: ForkServerProcess) -> dict[object, int]:
    """Stop a process while it holds windows; return these with their fences.

    Not while it writes: SQLite would let nobody else write until it wakes.
    """
    while True:
        stage.until(lambda: stage.states()["running"], process, what="in work")
        os.kill(pid_of(process), signal.SIGSTOP)
        held = running(stage) if can_write(stage) else {}
        if held:
            return held
        os.kill(pid_of(process), signal.SIGCONT)


def pid_of(process: ForkServerProcess) -> int:
    assert process.pid is not None
    return process.pid


def can_write(stage: Stage) -> bool:
    if stage.kind.name != "sqlite":
        return True
    with stage.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=100")
    try:
        with writing(stage.engine):
            return True
    except sa.exc.OperationalError:
        return False


def running(stage: Stage) -> dict[object, int]:
    asked = sa.select(windows.c.start, windows.c.fence).where(windows.c.state == "running")
    with stage.engine.connect() as connection:
        return {row.start: row.fence for row in connection.execute(asked.order_by("start"))}


def fences(stage: Stage, held: dict[object, int]) -> list[int]:
    asked = sa.select(windows.c.fence).where(windows.c.start.in_(held)).order_by(windows.c.start)
    with stage.engine.connect() as connection:
        return list(connection.scalars(asked))
