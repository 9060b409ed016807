"""Clocks that jump or stand, and days of 23 and 25 hours: no window skipped or doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from monitor.config import Config
from monitor.daemon import ModelWorker
from monitor.due import due
from monitor.pipeline import LEASE, prepare, run_windows, work
from monitor.sources import open_log
from monitor.store import runs
from monitor.store.engine import lease_clock
from monitor.store.tables import windows
from profiles.windows import Window
from tests.support.log import START, append, flights
from tests.support.logs import run_sql
from tests.support.store import MODEL, Backend, contents

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WIDTH = timedelta(hours=6)
Opened = Callable[..., sa.Engine]


class Hand:
    """A clock that is set by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def worker(engine: sa.Engine, config: Config, clock: Hand) -> ModelWorker:
    return ModelWorker(engine, config, MODEL, clock=clock, stop=threading.Event())


def lived(backend: Backend, opened: Opened, jumps: list[timedelta | None]) -> dict[str, object]:
    """Let the log grow by half days under a clock that jumps, and return what is stored."""
    log = backend.copy_of_log().url
    run_sql(log, "DELETE FROM predictions")
    config = backend.config(model={"source": log}, store=backend.fresh_url())
    engine = opened(config.store)
    coming = flights(days=5, a_day=240, seed=11, shifted=[(2, 3)])
    clock = Hand(START + DAY)
    looks = worker(engine, config, clock)
    append(log, [of for of in coming if of.at < START + DAY])
    looks.look()
    for half in range(2, 10):
        until = START + half * DAY / 2 + DAY / 2
        append(log, [of for of in coming if until - DAY / 2 <= of.at < until])
        jump = jumps[half % len(jumps)]
        clock.at = clock.at if jump is None else until + jump
        looks.look()
    clock.at = START + 30 * DAY
    looks.look()
    looks.close()
    # what a window was told of was told late where the clock stood, and no more
    return {name: found for name, found in contents(engine).items() if name != "baselines"}


def test_a_clock_that_jumps_or_stands_changes_no_result(backend: Backend, opened: Opened) -> None:
    quiet = lived(backend, opened, [timedelta(0)])
    assert len(quiet["windows"]) > 12  # type: ignore[arg-type]
    for jumps in ([timedelta(0), DAY], [timedelta(0), -HOUR], [timedelta(0), DAY, -HOUR, None]):
        assert lived(backend, opened, list(jumps)) == quiet


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2025-03-09", 23),
        ("America/New_York", "2025-11-02", 25),
        ("Australia/Lord_Howe", "2025-04-06", 24.5),
    ],
)
@pytest.mark.parametrize("width", [timedelta(minutes=15), HOUR, DAY])
def test_a_day_of_another_length_has_each_of_its_windows_once(
    zone: str, day: str, hours: float, width: timedelta
) -> None:
    local = ZoneInfo(zone)
    midnight = datetime.fromisoformat(day).replace(tzinfo=local)
    start, end = (of.astimezone(UTC) for of in (midnight, midnight + DAY))
    assert end - start == timedelta(hours=hours)
    done: list[Window] = []
    now = first = start - 2 * DAY
    while now < end + 2 * DAY:  # the log moves on by odd steps
        now += timedelta(minutes=37)
        begins = done[-1].end if done else first
        done += due(
            now=now, watermark=now, first=begins, done=(), width=width, lateness=timedelta(0)
        )
    assert all(one.end == other.start for one, other in pairwise(done))
    assert {window.width for window in done} == {width}
    inside = sum(start <= window.start < end for window in done)
    assert abs(inside - (end - start) / width) < 1


@pytest.fixture
def engine(backend: Backend, opened: Opened) -> sa.Engine:
    made = opened(backend.config().store)
    runs.register(made, "m", HOUR)
    runs.plan(made, "m", [Window(start=START, end=START + HOUR)], notify=True)
    return made


def claim(engine: sa.Engine, now: datetime) -> list[runs.Claim]:
    return runs.claim(engine, "m", now=now, lease=LEASE)


def test_a_lease_of_a_clock_that_was_ahead_does_not_hold_for_ever(engine: sa.Engine) -> None:
    (ahead,) = claim(engine, START + 2 * DAY)
    (taken,) = claim(engine, START + DAY)  # the clock was put right, and who was ahead is gone
    assert taken.fence == ahead.fence + 1
    assert claim(engine, START + DAY + LEASE / 2) == []


def test_a_retry_of_a_clock_that_was_ahead_is_not_put_off_for_a_day(engine: sa.Engine) -> None:
    (failed,) = claim(engine, START + 2 * DAY)
    runs.fail(engine, failed, error="?", now=START + 2 * DAY)
    assert len(claim(engine, START + DAY)) == 1


def test_who_lost_a_lease_to_a_clock_that_jumped_writes_nothing(
    backend: Backend, opened: Opened
) -> None:
    config = backend.config()
    engine, clock = opened(config.store), Hand(START + 30 * DAY)
    with open_log(config.models[MODEL], config.limits) as source:
        run = prepare(engine, config, MODEL, source, clock=clock)
        runs.plan(engine, MODEL, [Window(start=START, end=START + WIDTH)], notify=True)
        (slow,) = runs.claim(engine, MODEL, now=clock(), lease=LEASE)
        clock.at += DAY
        assert [done.ok for done in work(run)] == [True]
        before = contents(engine)
        assert not runs.renew(engine, [slow], until=clock() + LEASE)
        runs.fail(engine, slow, error="?", now=clock())
        runs.give_back(engine, [slow])
        assert contents(engine) == before


def test_a_lease_is_renewed_by_a_clock_that_was_set_back(backend: Backend, opened: Opened) -> None:
    config = backend.config()
    engine, clock = opened(config.store), Hand(START + 30 * DAY)
    renewed: list[datetime] = []

    def note(
        _connection: object, _cursor: object, statement: str, values: object, *_: object
    ) -> None:
        if statement.startswith("UPDATE windows SET lease_until") and "RETURNING" not in statement:
            renewed.append(clock())

    def back() -> bool:
        clock.at = START + 29 * DAY  # between the claim and the first rows
        return False

    with open_log(config.models[MODEL], config.limits) as source:
        run = prepare(engine, config, MODEL, source, clock=clock)
        runs.plan(engine, MODEL, [Window(start=START + WIDTH, end=START + 2 * WIDTH)], notify=True)
        sa.event.listen(engine, "before_cursor_execute", note)
        (claimed,) = runs.claim(engine, MODEL, now=clock(), lease=LEASE)
        assert all(done.ok for done in run_windows(replace(run, stopping=back), [claimed]))
    assert renewed


def test_postgresql_judges_leases_by_its_own_clock(backend: Backend, opened: Opened) -> None:
    engine = opened(backend.config().store)
    queries: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *given: queries.append(str(given[2])))
    now = lease_clock(engine)()
    assert now.tzinfo is not None
    assert abs(now - datetime.now(UTC)) < HOUR
    assert any("clock_timestamp" in of for of in queries) == (backend.name == "postgresql")


def test_a_daemon_with_the_systems_clock_leaves_leases_to_the_store(
    backend: Backend, opened: Opened
) -> None:
    config = backend.config()
    engine = opened(config.store)
    queries: list[str] = []
    with open_log(config.models[MODEL], config.limits) as source:
        run = prepare(engine, config, MODEL, source)
        sa.event.listen(
            engine, "before_cursor_execute", lambda *given: queries.append(str(given[2]))
        )
        runs.plan(engine, MODEL, [Window(start=START, end=START + WIDTH)], notify=True)
        assert [done.ok for done in work(run)] == [True]
    with engine.connect() as connection:
        assert connection.scalar(sa.select(windows.c.state)) == "done"
    assert any("clock_timestamp" in of for of in queries) == (backend.name == "postgresql")
