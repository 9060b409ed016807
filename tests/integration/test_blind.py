"""What cannot be read or written: told once, waited for, and then worked through as if it had been.

The faults are real: tables that are gone, columns that fail or never end, stores that are locked.
"""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
import structlog

from alerts.notification import Notification
from monitor import daemon as daemons
from monitor import health, pipeline, vitals
from monitor.backfill import backfill
from monitor.clock import system_clock
from monitor.config import Config, Model
from monitor.daemon import TURN, Daemon, ModelWorker
from monitor.heartbeat import Heartbeat
from monitor.pipeline import IN_A_ROW
from monitor.store import engine as stores
from monitor.store import queries, runs
from monitor.store.tables import incidents, models, outbox, transitions, windows
from profiles.windows import Window
from tests.support.collector import Collector, Scripted
from tests.support.log import START, FlightLog, append, write_log
from tests.support.logs import run_sql
from tests.support.store import MODEL, Backend, contents

NOW = datetime(2025, 6, 1, tzinfo=UTC)
AFTER = timedelta(minutes=30)
SECRET = "whsec_" + "A" * 32
ROUTES = [
    {"kind": "webhook", "name": name, "url": "http://127.0.0.1:9/", "secret": SECRET}
    for name in ("ops", "night")
]
PATIENCE_S = 60.0
LATER = ["models", "outbox", "incidents", "transitions"]  # that hold when something was noticed

FAILING = {
    "sqlite": "json('{' || prediction_id)",
    "postgresql": "0.5 / (length(prediction_id) - length(prediction_id))",
}
ENDLESS = {
    "sqlite": "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
    "SELECT count(*) FROM c)",
    "postgresql": "(SELECT count(*)::float FROM generate_series(1, 1000000000000))",
}

Opened = Callable[..., sa.Engine]


class Time:
    """A clock that a test moves."""

    def __init__(self, at: datetime = NOW, *, step: timedelta = timedelta(0)) -> None:
        self.at, self.step = at, step

    def __call__(self) -> datetime:
        self.at += self.step
        return self.at


def until(condition: Callable[[], object], what: str) -> None:
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"never {what}"
        pause.wait(0.02)


@pytest.fixture(autouse=True)
def every_line() -> None:
    """Lines of all levels are written, whatever ran before."""
    structlog.reset_defaults()


@pytest.fixture
def log(backend: Backend) -> FlightLog:
    """A log of its own, with the first two days so far."""
    first = [row for row in backend.log.logged if row.at < START + timedelta(days=2)]
    return write_log(backend.fresh_url(), logged=first, trained=backend.log.trained)


@pytest.fixture
def config(backend: Backend, log: FlightLog) -> Config:
    return backend.config(model={"source": log.url}, alerts={"routes": ROUTES})


@pytest.fixture
def engine(config: Config, opened: Opened) -> sa.Engine:
    """A store in which the first day is done, and the live windows begin there."""
    engine = opened(config.store)
    runs.register(engine, MODEL, timedelta(hours=6))
    runs.starts_at(engine, MODEL, START + timedelta(hours=6))
    backfill(engine, config, MODEL, end=START + timedelta(days=1), notify=True)
    return engine


@contextmanager
def working(
    engine: sa.Engine, config: Config, clock: Callable[[], datetime], **more: Any
) -> Iterator[ModelWorker]:
    more.setdefault("stop", threading.Event())
    worker = ModelWorker(engine, config, MODEL, clock=clock, chance=lambda: 0.0, **more)
    try:
        yield worker
    finally:
        worker.close()


def spoil(log: FlightLog, backend: Backend, column: str, what: dict[str, str]) -> None:
    """Put a view in the place of the table, one column of which cannot be had."""
    columns = ["event_time", "prediction_id", "model_version", "score", "features"]
    asked = ", ".join(f"{what[backend.name]} AS {c}" if c == column else c for c in columns)
    run_sql(
        log.url,
        "ALTER TABLE predictions RENAME TO hidden",
        f"CREATE VIEW predictions AS SELECT {asked} FROM hidden",
    )


def mend(log: FlightLog) -> None:
    run_sql(log.url, "DROP VIEW predictions", "ALTER TABLE hidden RENAME TO predictions")


def rows(engine: sa.Engine, table: sa.Table) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(*table.primary_key.columns)))


def told(engine: sa.Engine) -> list[Notification]:
    """What waits for one of the routes, of the monitor's own kind, oldest first."""
    mine = [row.notification for row in rows(engine, outbox) if row.route == "ops"]
    found = map(Notification.from_json, mine)
    return sorted((n for n in found if n.kind == "monitor"), key=lambda n: n.timestamp)


def trouble(engine: sa.Engine) -> tuple[str | None, datetime | None]:
    with engine.connect() as connection:
        wanted = sa.select(models.c.source_error, models.c.source_error_since)
        error, since = connection.execute(wanted).one()
    return error, since


def own(engine: sa.Engine) -> list[Any]:
    return [row for row in rows(engine, incidents) if row.kind == "monitor"]


def unlike_a_quiet_run(
    engine: sa.Engine, backend: Backend, log: FlightLog, opened: Opened
) -> list[str]:
    """Name the tables that differ from those of a run in which nothing went wrong."""
    quiet_config = backend.config(model={"source": log.url}, alerts={"routes": ROUTES})
    quiet = opened(quiet_config.store)
    backfill(quiet, quiet_config, MODEL, notify=True)
    got, wanted = contents(engine, but=LATER), contents(quiet, but=LATER)
    return [table for table in wanted if got[table] != wanted[table]]


# Blind


def test_a_log_that_cannot_be_read_for_long_is_one_incident_that_ends_when_it_can(
    backend: Backend, log: FlightLog, config: Config, engine: sa.Engine, opened: Opened
) -> None:
    clock = Time()
    run_sql(log.url, "ALTER TABLE predictions RENAME TO gone")
    while clock.at < NOW + AFTER:
        # every time another daemon, as after a restart: only the store remembers
        with working(engine, config, clock) as worker:
            worker.look()
        Daemon(engine, config, clock=clock).watch()
        assert own(engine) == []
        clock.at += timedelta(minutes=10)
    for _ in range(3):
        Daemon(engine, config, clock=clock).watch()
        clock.at += timedelta(minutes=1)
    (incident,) = own(engine)
    assert (incident.state, incident.since) == ("firing", NOW)
    assert "no table 'predictions'" in incident.reason
    assert len([row for row in rows(engine, outbox) if row.incident == incident.id]) == len(ROUTES)
    (firing,) = told(engine)
    assert (firing.type, firing.title) == ("incident.firing", "The monitor is blind")
    assert incident.id in str(firing.link)

    run_sql(log.url, "ALTER TABLE gone RENAME TO predictions")
    with working(engine, config, clock) as worker:
        worker.look()
    Daemon(engine, config, clock=clock).watch()
    Daemon(engine, config, clock=clock).watch()
    assert [n.type for n in told(engine)] == ["incident.firing", "incident.resolved"]
    assert own(engine)[0].state == "resolved"
    assert unlike_a_quiet_run(engine, backend, log, opened) == []


def test_several_daemons_open_one(log: FlightLog, config: Config, engine: sa.Engine) -> None:
    run_sql(log.url, "ALTER TABLE predictions RENAME TO gone")
    clock = Time()
    with working(engine, config, clock) as worker:
        worker.look()
    clock.at += AFTER
    daemons = [Daemon(engine, config, clock=clock) for _ in range(4)]
    gate = threading.Barrier(len(daemons))

    def watch(daemon: Daemon) -> None:
        gate.wait()
        daemon.watch()

    threads = [threading.Thread(target=watch, args=(daemon,)) for daemon in daemons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(own(engine)) == 1
    assert len(told(engine)) == 1


def test_it_is_no_part_of_what_is_decided_on_rows_and_no_replay_touches_it(
    backend: Backend, log: FlightLog, config: Config, engine: sa.Engine, opened: Opened
) -> None:
    clock = Time()
    run_sql(log.url, "ALTER TABLE predictions RENAME TO gone")
    with working(engine, config, clock) as worker:
        worker.look()
    clock.at += AFTER
    Daemon(engine, config, clock=clock).watch()
    run_sql(log.url, "ALTER TABLE gone RENAME TO predictions")
    before = own(engine), told(engine)
    steps = [row for row in rows(engine, transitions) if row.incident == before[0][0].id]
    late = [row for row in backend.log.logged if START < row.at < START + timedelta(hours=12)]
    append(log.url, [type(row)(**{**vars(row), "id": f"late-{row.id}"}) for row in late])
    runs.reopen(engine, MODEL, Window(start=START, end=START + timedelta(days=1)), ("done",))
    backfill(engine, config, MODEL, notify=True)
    assert (own(engine), told(engine)) == before
    assert [r for r in rows(engine, transitions) if r.incident == before[0][0].id] == steps
    status = queries.status(engine, config, MODEL, now=clock.at)
    assert (status.state == "firing", status.blind) == (False, True)


def test_windows_that_fail_time_after_time_make_it_blind_though_the_log_answers(
    backend: Backend, log: FlightLog, config: Config, engine: sa.Engine, opened: Opened
) -> None:
    clock = Time()
    spoil(log, backend, "score", FAILING)
    with working(engine, config, clock) as worker:
        waits = []
        while clock.at < NOW + timedelta(hours=6):  # long enough to give windows up
            worker.look()
            waits.append(worker.wait)
            clock.at += max(worker.wait, timedelta(minutes=1))
            Daemon(engine, config, clock=clock).watch()
        assert waits[:3] == [config.daemon.poll * n for n in (1, 2, 4)]
        (incident,) = own(engine)
        assert incident.since == NOW
        assert "the window from 2025-03-04 12:00 UTC could not be read" in incident.reason
        status = queries.status(engine, config, MODEL, now=clock.at)
        assert (status.state, status.blind) == ("failed", True)
        assert status.given_up > 0
        assert "hidden" not in str(trouble(engine))

        mend(log)
        for _ in range(3):  # reads, and then tries again what was given up
            worker.look()
            Daemon(engine, config, clock=clock).watch()
            clock.at += timedelta(hours=2)
        assert worker.wait == config.daemon.poll
    assert [n.type for n in told(engine)] == ["incident.firing", "incident.resolved"]
    assert unlike_a_quiet_run(engine, backend, log, opened) == []


def test_a_look_that_hangs_is_trouble_since_its_last_sign(
    config: Config, engine: sa.Engine
) -> None:
    ticks = iter([0.0, AFTER.total_seconds() - 1, AFTER.total_seconds()])
    signs, clock = vitals.Vitals([MODEL], ticks=lambda: next(ticks)), Time()
    with working(engine, config, clock, vitals=signs) as worker:
        worker.hangs(AFTER)  # nothing is under way
        signs.looks(MODEL)
        worker.hangs(AFTER)
        assert trouble(engine) == (None, None)
        worker.hangs(AFTER)
    why, since = trouble(engine)
    assert since == NOW - AFTER
    assert why == "the log has not answered since it was last asked"


# Turns


def test_a_look_ends_after_its_turn_and_the_next_goes_on(
    backend: Backend, log: FlightLog, config: Config, engine: sa.Engine, opened: Opened
) -> None:
    with working(engine, config, Time(step=TURN)) as worker:
        looks = 0
        while worker.look() or looks == 0:
            looks += 1
            assert looks < 20
            if worker.wait:
                break
            assert worker.wait == timedelta(0)
    assert looks > 1
    assert unlike_a_quiet_run(engine, backend, log, opened) == []


def test_windows_that_fail_in_a_row_end_the_look_and_the_rest_is_given_back(
    backend: Backend, log: FlightLog, config: Config, engine: sa.Engine
) -> None:
    append(log.url, [r for r in backend.log.logged if r.at >= START + timedelta(days=2)])
    spoil(log, backend, "score", FAILING)
    with working(engine, config, Time()) as worker:
        assert worker.look() == 1  # of the night, without a row that could fail
    states = [row.state for row in rows(engine, windows)]
    assert states.count("failed") == IN_A_ROW
    assert "running" not in states
    assert states.count("pending") > IN_A_ROW


def test_a_model_with_much_to_catch_up_with_lets_another_have_its_turn(
    backend: Backend, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "TURN", timedelta(0))  # so many windows as are read together
    monkeypatch.setattr(pipeline, "WINDOWS_AT_ONCE", 3)
    few = backend.config(daemon={"workers": 1, "poll": "1s"})
    of = few.models[MODEL].model_dump() | {"window": timedelta(hours=2)}
    many = Model.model_validate(of)
    config = few.model_copy(update={"models": {"many": many, "few": few.models[MODEL]}})
    engine = opened(config.store)
    for name, model in config.models.items():
        runs.register(engine, name, model.window)
        runs.starts_at(engine, name, START if name == "many" else START + timedelta(days=7))
        backfill(engine, config, name, end=START + timedelta(days=1))
    daemon = Daemon(engine, config)
    running = threading.Thread(target=daemon.run)
    running.start()
    try:
        until(lambda: _left(engine, "few", since=START + timedelta(days=7)) == 0, "had its turn")
        assert _left(engine, "many", since=START) > 0
        until(lambda: _left(engine, "many", since=START) == 0, "done")
    finally:
        daemon.stop()
        running.join(PATIENCE_S)


def _left(engine: sa.Engine, model: str, *, since: datetime) -> int | None:
    """Return how many windows are not done yet; None before they are known."""
    mine = [row for row in rows(engine, windows) if row.model == model and row.start >= since]
    late = [row for row in mine if row.start > START + timedelta(days=2)]
    return sum(row.state != "done" for row in mine) if late else None


# Stopping


@pytest.mark.parametrize("column", ["score", "event_time"])
def test_a_select_that_never_ends_does_not_hold_a_stop_up(
    backend: Backend, log: FlightLog, config: Config, engine: sa.Engine, column: str
) -> None:
    append(log.url, [r for r in backend.log.logged if r.at >= START + timedelta(days=2)][:200])
    daemon = Daemon(engine, config)
    if column == "score":
        spoil(log, backend, column, ENDLESS)
    else:  # its newest time is asked for, which is another way to read
        endless = {name: f"CASE WHEN {of} > 0 THEN event_time END" for name, of in ENDLESS.items()}
        spoil(log, backend, column, endless)
    running = threading.Thread(target=daemon.run)
    running.start()
    try:
        if column == "score":
            until(lambda: "running" in {r.state for r in rows(engine, windows)}, "begun")
        else:
            until(lambda: daemon.busy, "begun")
            threading.Event().wait(0.3)  # so that the statement runs, most likely
    finally:
        start = time.monotonic()
        daemon.stop()
        running.join(PATIENCE_S)
    assert not running.is_alive()
    assert time.monotonic() - start < 10
    assert "running" not in {row.state for row in rows(engine, windows)}
    assert "failed" not in {row.state for row in rows(engine, windows)}
    assert trouble(engine) == (None, None)


# The store


@contextmanager
def unwritable(backend: Backend, config: Config) -> Iterator[None]:
    """Have a store that nobody can write: locked, or read-only."""
    url = sa.make_url(config.store.get_secret_value())
    if backend.name == "sqlite":
        connection = sqlite3.connect(str(url.database), isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.rollback()
            connection.close()
        return
    with psycopg.connect(
        host=url.query["host"], user="postgres", dbname="postgres", autocommit=True
    ) as server:
        for setting in ("on", "off"):
            server.execute(
                f"ALTER DATABASE {url.database} SET default_transaction_read_only = {setting}"
            )
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [url.database],
            )
            if setting == "on":
                yield


def test_a_store_that_cannot_be_written_is_said_once_and_waited_for(
    backend: Backend, log: FlightLog, opened: Opened, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(stores, "BUSY_TIMEOUT_MS", 200)
    with Collector() as collector:
        config = backend.config(
            model={"source": log.url},
            alerts={"routes": ROUTES[:1]},
            daemon={"poll": "1s", "heartbeat": collector.url},
        )
        engine = opened(config.store)
        runs.register(engine, MODEL, timedelta(hours=6))
        runs.starts_at(engine, MODEL, START + timedelta(hours=6))
        daemon = Daemon(engine, config, channels={})
        running = threading.Thread(target=daemon.run)
        running.start()
        try:
            until(lambda: collector.received, "a first heartbeat")
            with unwritable(backend, config):
                until(lambda: not daemon.health().alive, "noticed")
                beats = len(collector.received)
                append(log.url, _third_day(backend))
                threading.Event().wait(2.5)  # looks, each of which cannot be written down
                assert daemon.health().why == "the results database cannot be written"
                assert not daemon.health().ready
                assert len(collector.received) <= beats + 1  # one may have been on its way
                assert running.is_alive()
            until(lambda: daemon.health().alive, "recovered")
            until(lambda: len(collector.received) > beats + 1, "another heartbeat")
            until(lambda: _all_decided(engine, 11), "caught up")
        finally:
            daemon.stop()
            running.join(PATIENCE_S)
        said = capsys.readouterr()
    assert (said.out + said.err).count("store.failed") == 1
    assert (said.out + said.err).count("store.recovered") == 1
    assert unlike_a_quiet_run(engine, backend, log, opened) == []


def _third_day(backend: Backend) -> Sequence[Any]:
    first, last = START + timedelta(days=2), START + timedelta(days=3)
    return [row for row in backend.log.logged if first <= row.at < last + timedelta(hours=8)]


def _all_decided(engine: sa.Engine, least: int) -> bool:
    found = rows(engine, windows)
    return len(found) >= least and all(row.decided and row.state == "done" for row in found)


# Its own death


def test_the_end_of_the_schedulers_thread_is_noticed_from_outside(
    backend: Backend, config: Config, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vitals, "SHORTEST", timedelta(seconds=2))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Collector() as collector:
        config = backend.config(daemon={"poll": "1s", "heartbeat": collector.url, "port": port})
        engine = opened(config.store)
        daemon = Daemon(engine, config)
        running = threading.Thread(target=daemon.run)
        running.start()
        try:
            with health.served(engine, config, health=daemon.health, clock=system_clock):
                until(lambda: len(collector.received) > 1, "heartbeats")
                assert _asked(port, "/healthz")[0] == 200
                assert _asked(port, "/readyz")[0] == 200
                (thread,) = [t for t in threading.enumerate() if t.name == "APScheduler"]
                daemon.scheduler.shutdown(wait=False)
                thread.join(PATIENCE_S)
                start = time.monotonic()
                until(lambda: _asked(port, "/healthz")[0] == 503, "noticed")
                assert time.monotonic() - start < 8  # two cycles, and a slow machine
                assert "the scheduler has stopped" in _asked(port, "/healthz")[1]
                beats = len(collector.received)
                threading.Event().wait(2)
                assert len(collector.received) == beats
        finally:
            daemon.stop()
            running.join(PATIENCE_S)


def _asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_heartbeat_that_is_not_taken_is_one_line_without_its_address(
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused = Scripted(status=503)
    with Collector(refused, refused, Scripted(), refused) as collector:
        heartbeat = Heartbeat(f"{collector.url}/canary-uuid", clock=lambda: NOW)
        for _ in range(4):
            heartbeat.send()
    said = capsys.readouterr()
    assert (said.out + said.err).count("heartbeat.failed") == 2  # an outage each
    assert (said.out + said.err).count("heartbeat.recovered") == 1
    assert "canary-uuid" not in said.out + said.err
    assert "HTTP 503" in said.out + said.err
