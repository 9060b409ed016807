"""A backfill gives what a live run gives, in any chunking, order and number of interruptions."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from monitor.backfill import Progress, backfill
from monitor.config import Config
from monitor.daemon import ModelWorker
from monitor.errors import ConfigError, SourceError
from monitor.pipeline import LEASE
from monitor.store import baselines, runs
from monitor.store.engine import open_store
from monitor.store.tables import models, scores, windows
from tests.support.log import START, FlightLog, append, write_log
from tests.support.logs import run_sql
from tests.support.store import MODEL, Backend, contents

NOW = datetime(2025, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ROUTE = {
    "kind": "webhook",
    "name": "ops",
    "url": "http://127.0.0.1:9/",
    "secret": "whsec_" + "A" * 32,
}

Opened = Callable[..., sa.Engine]


class Crash(BaseException):
    """The process ends here, as far as the code under test can tell."""


@pytest.fixture(scope="module")
def quiet(backend: Backend) -> Iterator[sa.Engine]:
    """One run over the whole log, nobody paged."""
    config = backend.config(alerts={"routes": [ROUTE]})
    engine = open_store(config.store)
    backfill(engine, config, MODEL)
    yield engine
    engine.dispose()


@pytest.fixture
def config(backend: Backend) -> Config:
    return backend.config(alerts={"routes": [ROUTE]})


@pytest.fixture
def engine(config: Config, opened: Opened) -> sa.Engine:
    return opened(config.store)


def test_spans_in_any_order_give_the_bytes_of_one_run(
    config: Config, engine: sa.Engine, quiet: sa.Engine
) -> None:
    for first, last in ((4, 6), (6, None), (None, 4)):
        start = None if first is None else START + first * DAY
        end = None if last is None else START + last * DAY
        backfill(engine, config, MODEL, start=start, end=end)
    assert contents(engine) == contents(quiet)


def test_spans_that_overlap_do_no_window_twice(config: Config, engine: sa.Engine) -> None:
    first = backfill(engine, config, MODEL, end=START + 3 * DAY)
    second = backfill(engine, config, MODEL, start=START + DAY, end=START + 4 * DAY)
    assert (first.windows, first.skipped) == (11, 0)
    assert (second.windows, second.skipped) == (4, 8)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.max(windows.c.fence))) == 1


def test_two_backfills_at_once_give_the_bytes_of_one(
    config: Config, engine: sa.Engine, quiet: sa.Engine
) -> None:
    done, failed = [], []

    def work() -> None:
        try:
            done.append(backfill(engine, config, MODEL).windows)
        except Exception as error:  # noqa: BLE001 - told by the assertion
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sum(done) == 30
    backfill(engine, config, MODEL)  # decides what the one was reading while the other ended
    assert contents(engine) == contents(quiet)


def test_several_processes_give_the_bytes_of_one(
    config: Config, engine: sa.Engine, quiet: sa.Engine
) -> None:
    steps: list[Progress] = []
    done = backfill(engine, config, MODEL, jobs=2, progress=steps.append)
    assert (done.windows, done.failed, done.left, done.stopped) == (30, 0, 0, False)
    assert done.rows == steps[-1].rows
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert contents(engine) == contents(quiet)


def test_several_processes_keep_the_limits_that_one_keeps(backend: Backend, opened: Opened) -> None:
    log = backend.copy_of_log()
    if backend.name == "postgresql":
        run_sql(log.url, "ALTER TABLE predictions ALTER COLUMN model_version TYPE text")
    run_sql(log.url, f"UPDATE predictions SET model_version = '{'x' * 3000}' WHERE score > 0.5")
    rejected = []
    for jobs in (1, 2):
        config = backend.config(model={"source": log.url}, limits={"row_bytes": "1 kB"})
        engine = opened(config.store)
        backfill(engine, config, MODEL, jobs=jobs)
        with engine.connect() as connection:
            kept = sa.select(windows.c.rejected).order_by(windows.c.start)
            rejected.append(list(connection.scalars(kept)))
    assert rejected[0] == rejected[1]
    assert any(of.get("row_too_large") for of in rejected[0])


def test_what_a_killed_process_had_claimed_is_said_and_done_by_the_next_call(
    config: Config, engine: sa.Engine, quiet: sa.Engine
) -> None:
    killed: list[int | None] = []

    def kill_one(step: Progress) -> None:
        if step.done and not killed:
            member = multiprocessing.active_children()[0]
            member.kill()
            killed.append(member.pid)

    backfill(engine, config, MODEL, jobs=2, progress=kill_one)
    assert len(killed) == 1
    later = backfill(engine, config, MODEL, clock=lambda: datetime.now(UTC) + 2 * LEASE)
    assert later.left == 0
    assert contents(engine) == contents(quiet)


def test_a_crew_that_is_told_to_stop_gives_back_what_it_had_claimed(
    config: Config, engine: sa.Engine
) -> None:
    steps: list[Progress] = []

    def stopping() -> bool:
        return bool(steps and steps[-1].done)

    done = backfill(engine, config, MODEL, jobs=2, progress=steps.append, stopping=stopping)
    assert done.stopped == (done.windows < 30)
    with engine.connect() as connection:
        states = set(connection.scalars(sa.select(windows.c.state)))
    assert "running" not in states
    assert backfill(engine, config, MODEL).left == 0


def test_a_live_run_gives_the_bytes_of_a_backfill(
    backend: Backend, opened: Opened, quiet: sa.Engine
) -> None:
    rows = backend.log.logged
    log = write_log(backend.fresh_url(), logged=rows[:1], trained=backend.log.trained)
    config = backend.config(model={"source": log.url}, alerts={"routes": [ROUTE]})
    engine, stop, at = opened(config.store), threading.Event(), START
    worker = ModelWorker(engine, config, MODEL, clock=lambda: NOW, stop=stop)
    worker.look()
    written = 1
    while written < len(rows):
        at += timedelta(hours=5)  # now one window closes, now none, now two
        come = [row for row in rows[written:] if row.at < at]
        if come:
            append(log.url, come)
            written += len(come)
        worker.look()
    worker.close()
    live, backfilled = contents(engine, but=["outbox"]), contents(quiet, but=["outbox"])
    assert [row[:4] for row in live["windows"]] == [row[:4] for row in backfilled["windows"]]
    for table in live.keys() - {"windows"}:
        assert live[table] == backfilled[table], table
    live_told, told = contents(engine)["outbox"], contents(quiet)["outbox"]
    assert [row[:4] for row in live_told] == [row[:4] for row in told]


def test_live_windows_begin_with_the_moment_and_history_is_left_to_backfill(
    config: Config, engine: sa.Engine
) -> None:
    worker = ModelWorker(engine, config, MODEL, clock=lambda: NOW, stop=threading.Event())
    worker.look()
    worker.close()
    assert contents(engine)["windows"] == []
    assert backfill(engine, config, MODEL).windows == 30


def test_a_daemon_goes_back_for_what_a_later_backfill_jumped_over(
    backend: Backend, opened: Opened
) -> None:
    rows = backend.log.logged
    early = [row for row in rows if row.at < START + DAY]
    log = write_log(backend.fresh_url(), logged=early, trained=backend.log.trained)
    config = backend.config(model={"source": log.url})
    engine = opened(config.store)
    _look(engine, config)
    append(log.url, rows[len(early) :])
    backfill(engine, config, MODEL, start=START + 6 * DAY)
    _look(engine, config)
    known = [row[1] for row in contents(engine, but=["profiles"])["windows"]]
    assert len(known) == 28
    assert min(known) == START + timedelta(hours=18)


def _look(engine: sa.Engine, config: Config) -> None:
    worker = ModelWorker(engine, config, MODEL, clock=lambda: NOW, stop=threading.Event())
    worker.look()
    worker.close()


def test_what_cannot_be_read_in_the_store_is_told_and_stops_nothing(
    backend: Backend, opened: Opened
) -> None:
    log = backend.copy_of_log()
    config = backend.config(model={"source": log.url})
    engine = opened(config.store)
    backfill(engine, config, MODEL, end=START + 7.5 * DAY)
    with engine.begin() as connection:
        kept = connection.scalar(sa.select(sa.func.max(scores.c.start)))
        newest = sa.update(scores).where(scores.c.start == kept)
        connection.execute(newest.values(state='{"version": 99}'))
    _look(engine, config)
    with engine.connect() as connection:
        error = connection.scalar(sa.select(models.c.source_error))
    assert error is not None
    assert "written by a newer program" in error


# Interruptions


def _two_days(engine: sa.Engine, config: Config, *, now: datetime = NOW) -> None:
    backfill(engine, config, MODEL, end=START + 2 * DAY, clock=lambda: now)


def _count_statements(engine: sa.Engine, *, crash_at: int | None = None) -> list[str]:
    seen: list[str] = []

    def look(_c: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)
        if len(seen) == crash_at:
            raise Crash

    sa.event.listen(engine, "before_cursor_execute", look)
    return seen


@pytest.fixture(scope="module")
def two_days(backend: Backend) -> Iterator[tuple[sa.Engine, int]]:
    """A quiet run over two days, and how many statements it took."""
    config = backend.config(alerts={"routes": [ROUTE]})
    engine = open_store(config.store)
    seen = _count_statements(engine)
    _two_days(engine, config)
    yield engine, len(seen)
    engine.dispose()


@pytest.mark.filterwarnings("ignore:Exception ignored in.*ServerCursor")  # a crash closes nothing
@pytest.mark.parametrize("share", [0.02, 0.34, 0.58, 0.83, 0.99])
def test_a_backfill_that_crashed_at_any_statement_goes_on_to_the_same_bytes(
    config: Config, engine: sa.Engine, two_days: tuple[sa.Engine, int], share: float, opened: Opened
) -> None:
    oracle, statements = two_days
    _count_statements(engine, crash_at=max(1, int(share * statements)))
    with pytest.raises(Crash):
        _two_days(engine, config)
    engine.dispose()
    again = opened(config.store)
    _two_days(again, config, now=NOW + LEASE + timedelta(seconds=1))
    assert contents(again) == contents(oracle)


@pytest.mark.filterwarnings("ignore:Exception ignored in.*ServerCursor")
def test_a_backfill_that_crashed_many_times_over_still_ends_and_is_the_same(
    config: Config, engine: sa.Engine, two_days: tuple[sa.Engine, int], opened: Opened
) -> None:
    oracle, statements = two_days
    now, crashes, finished = NOW, 0, False
    while not finished:
        attempt = opened(config.store)
        _count_statements(attempt, crash_at=8 + 3 * crashes)
        try:
            _two_days(attempt, config, now=now)
            finished = True
        except Crash:
            crashes += 1
        now += LEASE + timedelta(seconds=1)
        assert crashes < statements
    assert crashes > 2
    assert contents(engine) == contents(oracle)


# What it says


def test_progress_counts_up_to_the_total(config: Config, engine: sa.Engine) -> None:
    steps: list[Progress] = []
    done = backfill(engine, config, MODEL, end=START + 2 * DAY, progress=steps.append)
    assert [step.done for step in steps] == list(range(8))
    assert {step.total for step in steps} == {7}
    assert steps[-1].rows == done.rows
    assert steps[-1].at == START + 2 * DAY


def test_a_dry_run_counts_and_does_nothing(config: Config, engine: sa.Engine) -> None:
    planned = backfill(engine, config, MODEL, dry_run=True)
    assert (planned.windows, planned.skipped) == (30, 0)
    assert contents(engine)["windows"] == []
    backfill(engine, config, MODEL, end=START + DAY)
    planned = backfill(engine, config, MODEL, dry_run=True)
    assert (planned.windows, planned.skipped) == (27, 3)


def test_failed_windows_are_done_again_when_asked(config: Config, engine: sa.Engine) -> None:
    backfill(engine, config, MODEL, end=START + DAY)
    with engine.begin() as connection:
        connection.execute(sa.update(windows).values(state="failed", attempts=runs.MAX_ATTEMPTS))
    assert backfill(engine, config, MODEL, end=START + DAY).windows == 0
    again = backfill(engine, config, MODEL, end=START + DAY, reprocess="failed")
    assert (again.windows, again.failed) == (3, 0)


def test_a_span_without_a_whole_window_is_refused(config: Config, engine: sa.Engine) -> None:
    with pytest.raises(ConfigError, match="no whole window lies between"):
        backfill(engine, config, MODEL, start=START, end=START + timedelta(hours=5))


def test_a_span_after_the_log_does_nothing(config: Config, engine: sa.Engine) -> None:
    assert backfill(engine, config, MODEL, start=START + 99 * DAY).windows == 0


def test_an_empty_log_does_nothing(backend: Backend, opened: Opened) -> None:
    log: FlightLog = backend.copy_of_log()
    run_sql(log.url, "DELETE FROM predictions")
    config = backend.config(model={"source": log.url})
    engine = opened(config.store)
    assert backfill(engine, config, MODEL).windows == 0
    assert baselines.current(engine, MODEL) is None


def test_a_missing_table_and_an_empty_baseline_are_one_clear_line(
    backend: Backend, opened: Opened
) -> None:
    wrong = backend.config(model={"log": {"table": "prediction"}})
    engine = opened(wrong.store)
    with pytest.raises(SourceError, match="did you mean 'predictions'") as caught:
        backfill(engine, wrong, MODEL)
    assert len(str(caught.value).splitlines()) == 1
    log = backend.copy_of_log()
    run_sql(log.url, "DELETE FROM training_rows")
    with pytest.raises(SourceError, match=f"models.{MODEL}.baseline: the baseline has no rows"):
        backfill(engine, backend.config(model={"source": log.url}), MODEL)
