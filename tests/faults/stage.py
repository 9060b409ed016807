"""A log, a store, a receiver, and real programs that work on them, which can be killed.

A plain run finishes what they leave; the invariants are looked at beside a quiet run's store.
"""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog

from alerts.channels import channels_of
from alerts.deliver import deliver_due
from monitor import pipeline
from monitor.backfill import backfill
from monitor.clock import system_clock
from monitor.config import Config
from monitor.daemon import ModelWorker
from monitor.pipeline import LEASE
from monitor.store.engine import connect, open_store, writing
from monitor.store.outbox import StoredOutbox
from monitor.store.tables import windows
from tests.faults.cycle import CANARIES, SECRET_CANARY, URL_CANARY
from tests.faults.invariants import Contents, broken, compared, told_secrets
from tests.support.collector import Collector
from tests.support.databases import Databases
from tests.support.forks import fork
from tests.support.log import DAY, START, append, flights, write_log
from tests.support.logs import run_sql
from tests.support.store import MODEL, merged, small_values, write_config

PATIENCE_S = 60
AGAIN = (
    "INSERT INTO predictions SELECT event_time, prediction_id, model_version, score, features "
    "FROM predictions WHERE prediction_id LIKE '%7'"
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How long the log is, and how narrow the windows; the shift is in all but the outer days."""

    days: int
    window: str


SHORT, LONG = Size(days=3, window="30m"), Size(days=4, window="15m")


class Stage:
    """One round: a fresh log and store; windows are narrow, so that there are many to die in."""

    def __init__(
        self, kind: Databases, collector: Collector, folder: Path, *,
        size: Size = SHORT, name: str = "0", store: str | None = None,
    ) -> None:  # fmt: skip
        self.kind, self.folder, self.words = kind, folder, folder / f"words-{name}"
        self._collector, self._receiver = collector, f"{collector.url}/{URL_CANARY}/{name}"
        self._begun: list[ForkServerProcess] = []
        self.log, self.store = kind.fresh(), store or kind.fresh()
        route = {"kind": "webhook", "name": "ops", "url": self._receiver, "secret": SECRET_CANARY}
        self.values: dict[str, Any] = merged(
            small_values(source=self.log, store=self.store),
            {
                "model": {"window": size.window},
                "alerts": {"routes": [route]},
                "daemon": {"poll": "1s"},
            },
        )
        self.config = Config.model_validate(self.values)
        self._file = folder / f"monitor-{name}.yaml"
        self._write(size.days)
        quiet = merged(self.values, {"store": kind.fresh()})
        self.oracle = _oracle(Config.model_validate(quiet))
        kind.drop(quiet["store"])
        self.windows = len(self.oracle["windows"])
        self.engine = connect(self.config.store)

    def _write(self, days: int) -> None:
        """Log one row, at which live windows begin, and then the rest."""
        logged = flights(days=days, a_day=240, seed=11, shifted=[(1, days - 1)])
        trained = flights(days=12, a_day=240, seed=12, start=START - 30 * DAY)
        write_log(self.log, logged=logged[:1], trained=trained)
        engine = open_store(self.config.store)
        worker = ModelWorker(
            engine, self.config, MODEL, clock=system_clock, stop=threading.Event()
        )  # fmt: skip
        worker.look()
        worker.close()
        engine.dispose()
        append(self.log, logged[1:])
        run_sql(self.log, AGAIN.replace("%", "%%") if self.kind.name != "sqlite" else AGAIN)

    def monitor(
        self, *words: str, lease: timedelta = LEASE, most_pages: Path | None = None
    ) -> ForkServerProcess:
        """Begin the program as the command line does, in a process of its own."""
        port = _free_port()
        file = self._file.with_suffix(f".{port}.yaml")
        write_config(file, merged(self.values, {"daemon": {"port": port}}))
        process = fork(
            program, [*words, "--config", str(file)], lease, most_pages, words=self.words
        )
        self._begun.append(process)
        return process

    def expire(self) -> int:
        """Let leases and waits have run out, as if time had passed; return how many leases."""
        running, past = windows.c.state == "running", system_clock() - LEASE
        waiting = windows.c.state == "failed"
        with writing(self.engine) as connection:
            connection.execute(sa.update(windows).where(waiting).values(next_attempt=past))
            leases = sa.update(windows).where(running).values(lease_until=past)
            return connection.execute(leases).rowcount

    def states(self) -> Counter[str]:
        with self.engine.connect() as connection:
            return Counter(connection.scalars(sa.select(windows.c.state)))

    def steps(self) -> int:
        """Count what has been done: windows claimed, profiled and decided."""
        with self.engine.connect() as connection:
            counted = (windows.c.fence, windows.c.revision, sa.cast(windows.c.decided, sa.Integer))
            found = connection.execute(sa.select(*(sa.func.sum(of) for of in counted))).one()
        return sum(int(of or 0) for of in found)

    def over(self) -> bool:
        """Whether every window is done and decided."""
        with self.engine.connect() as connection:
            left = connection.scalar(
                sa.select(sa.func.count()).where(
                    sa.or_(windows.c.state != "done", ~windows.c.decided)
                )
            )
        return left == 0 and self.states().total() == self.windows

    def until(
        self, condition: Callable[[], object], *processes: ForkServerProcess, what: str
    ) -> None:
        """Wait until a condition holds, while all these processes live.

        Asking may fail: the store is away in some tests.
        """
        give_up, pause = time.monotonic() + PATIENCE_S, threading.Event()
        while not _holds(condition):
            for process in processes:
                alive = process.is_alive()
                assert alive, f"a program ended with {process.exitcode}: {self._last_words()}"
            assert time.monotonic() < give_up, f"never {what}: {self._last_words()}"
            pause.wait(0.005)

    def _last_words(self) -> str:
        return self.words.read_text()[-2000:] if self.words.exists() else "nothing said"

    def says(self, action: str) -> bool:
        said = self.words.read_text() if self.words.exists() else ""
        return f'"action": "{action}"' in said

    def finish(self) -> list[str]:
        """Finish the work by a plain run, and name the invariants that are broken."""
        self.expire()
        backfill(self.engine, self.config, MODEL, notify=True)
        channels = channels_of(self.config.alerts.routes)
        outbox = StoredOutbox(self.engine, channels)
        while deliver_due(outbox, channels, now=system_clock() + timedelta(minutes=1)).sent:
            pass
        return self.problems()

    def problems(self) -> list[str]:
        mine = [
            request
            for request in self._collector.received
            if self._receiver.endswith(request.path)
        ]  # fmt: skip
        return [
            *broken(self.engine, oracle=self.oracle, received=mine, now=system_clock()),
            *told_secrets(self.engine, self.words, CANARIES),
        ]

    def close(self) -> None:
        for process in self._begun:
            with contextlib.suppress(ValueError):  # closed by whoever saw it end
                process.kill()
                process.join()
        self.engine.dispose()
        for url in (self.log, self.store):
            self.kind.drop(url)


@contextmanager
def staged(kind: Databases, collector: Collector, folder: Path, **more: Any) -> Iterator[Stage]:
    """Lend a stage; whatever still runs on it is killed at the end."""
    stage = Stage(kind, collector, folder, **more)
    try:
        yield stage
    finally:
        stage.close()


def program(words: list[str], lease: timedelta, most_pages: Path | None) -> None:
    """Be `monitor` with these words; SQLite files may have so many pages as the file says."""
    from monitor.cli import main

    def limit(connection: Any, *_: Any) -> None:
        if most_pages is not None and isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA max_page_count={int(most_pages.read_text())}")

    sa.event.listen(sa.Pool, "checkout", limit)
    structlog.reset_defaults()
    pipeline.LEASE = lease
    sys.argv = ["monitor", *words]
    main()


def _holds(condition: Callable[[], object]) -> bool:
    try:
        return bool(condition())
    except sa.exc.OperationalError:
        return False


def _oracle(config: Config) -> Contents:
    engine = open_store(config.store)
    backfill(engine, config, MODEL, notify=True)
    found = compared(engine)
    engine.dispose()
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
