"""`monitor run` as a real process: it catches up, tells, stops, and comes back from the dead."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks import Webhook

from monitor.backfill import backfill
from monitor.clock import system_clock
from monitor.config import Config, load
from monitor.daemon import ModelWorker
from monitor.pipeline import LEASE
from monitor.store.queries import ModelStatus, status
from monitor.store.tables import models, outbox, windows
from tests.support.collector import Collector
from tests.support.log import FlightLog, append, write_log
from tests.support.logs import run_sql
from tests.support.store import (
    MODEL,
    Backend,
    contents,
    merged,
    small_log,
    small_values,
    write_config,
)

PROGRAM = [sys.executable, "-c", "from monitor.cli import main; main()", "run", "--config"]
SECRET = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PATIENCE_S = 120.0
STOP_S = 10.0

Opened = Callable[..., sa.Engine]


@dataclass
class Running:
    """A daemon in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def until(self, condition: Callable[[], object], *, what: str) -> None:
        """Wait until a condition holds; fail with the daemon's own words if it never does."""
        deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
        while not condition():
            ended = self.process.poll()
            assert ended is None, f"the daemon ended with {ended}: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"never {what}: {self.log.read_text()[-2000:]}"
            pause.wait(0.02)

    def stop(self) -> int:
        """Ask it to stop; return its exit code, having waited as long as is promised."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@contextmanager
def daemon(
    folder: Path,
    values: Mapping[str, Any],
    *,
    name: str = "daemon",
    first: Callable[[], object] | None = None,
) -> Iterator[Running]:
    port = _free_port()
    settings = merged(values, {"daemon": {"port": port, "poll": "1s"}})
    path = write_config(folder / f"{name}.yaml", settings)
    log = folder / f"{name}.log"
    with log.open("ab") as words:
        process = subprocess.Popen(
            [*PROGRAM, str(path)],
            stdout=subprocess.DEVNULL,
            stderr=words,
            env=dict(os.environ),
            preexec_fn=first,  # noqa: PLW1509 - it makes one system call
        )
        try:
            yield Running(process, port, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def values_of(log_url: str, store: str, **changes: Any) -> dict[str, Any]:
    return merged(small_values(source=log_url, store=store), changes)


def from_the_first_row(engine: sa.Engine, config: Config, log: FlightLog) -> None:
    """Look once while the log has one row: live windows begin there. Then log the rest."""
    worker = ModelWorker(engine, config, MODEL, clock=system_clock, stop=threading.Event())
    worker.look()
    worker.close()
    append(log.url, log.logged[1:])


def counts(engine: sa.Engine) -> Counter[str]:
    with engine.connect() as connection:
        return Counter(connection.scalars(sa.select(windows.c.state)))


def all_done(engine: sa.Engine, total: int) -> Callable[[], bool]:
    def holds() -> bool:
        with engine.connect() as connection:
            left = sa.select(sa.func.count()).where(~windows.c.decided)
            return counts(engine) == {"done": total} and connection.scalar(left) == 0

    return holds


def fences(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(windows.c.fence).order_by(windows.c.start)))


def begun(engine: sa.Engine) -> object:
    with engine.connect() as connection:
        return connection.scalar(sa.select(models.c.starts_at))


def told(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(outbox.c.state)))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> FlightLog:
    return small_log(f"sqlite:///{tmp_path_factory.mktemp('log') / 'log.db'}")


@pytest.fixture
def started_log(log: FlightLog, tmp_path: Path) -> FlightLog:
    """A log of its own, with one row so far; `logged` are those that it will have."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    write_log(url, logged=log.logged[:1], trained=log.trained)
    return FlightLog(url=url, logged=log.logged, trained=log.trained)


def oracle(log: FlightLog, folder: Path, opened: Opened, **changes: Any) -> sa.Engine:
    """The store of a quiet run over the same log."""
    path = write_config(
        folder / "oracle.yaml", values_of(log.url, f"sqlite:///{folder / 'oracle.db'}", **changes)
    )
    config = load(path, environ={})
    engine = opened(config.store)
    backfill(engine, config, MODEL, notify=True)
    return engine


def configured(folder: Path, values: Mapping[str, Any]) -> Config:
    return load(write_config(folder / "monitor.yaml", values), environ={})


UNLIKE = ["outbox", "deliveries", "models"]  # a running daemon sends, and sees the log later


def test_a_live_incident_is_told_once_to_each_route_and_the_daemon_stops_when_asked(
    started_log: FlightLog, tmp_path: Path, opened: Opened
) -> None:
    with Collector() as collector:
        routes = [
            {"kind": "webhook", "name": "ops", "url": collector.url, "secret": SECRET},
            {"kind": "slack", "name": "chat", "url": f"http://127.0.0.1:{collector.port}/slack"},
        ]
        store = f"sqlite:///{tmp_path / 'store.db'}"
        values = values_of(started_log.url, store, alerts={"routes": routes})
        config = configured(tmp_path, values)
        engine = opened(config.store)
        from_the_first_row(engine, config, started_log)
        with daemon(tmp_path, values) as running:
            running.until(all_done(engine, 30), what="caught up")
            running.until(lambda: set(told(engine)) == {"sent"}, what="told everybody")
            for path in ("/healthz", "/readyz"):
                status, body = running.get(path)
                said = json.loads(body)
                assert (status, said["status"], said["why"]) == (200, "ok", None)
                assert said["models"][MODEL]["readable"]
                assert said["models"][MODEL]["look_age_s"] < PATIENCE_S
                assert said["models"][MODEL]["watermark_age_s"] > 0
            assert running.get("/nothing")[0] == 404
            assert _metric(running.get("/metrics")[1], "driftline_windows", state="done") == 30
            assert _metric(running.get("/metrics")[1], "driftline_open_incidents") == 0
            assert running.stop() == 0
        got, wanted = (
            contents(engine, but=UNLIKE),
            contents(oracle(started_log, tmp_path, opened, alerts={"routes": routes}), but=UNLIKE),
        )
        assert got == wanted
        assert len(collector.received) == len(told(engine))
        signed = [request for request in collector.received if request.path == "/hook"]
        bodies = [Webhook(SECRET).verify(r.body, _lower(r.headers)) for r in signed]
        assert {body["type"] for body in bodies} >= {"incident.firing", "incident.resolved"}
        assert len({_lower(r.headers)["webhook-id"] for r in signed}) == len(signed)
        chat = [request for request in collector.received if request.path == "/slack"]
        assert len(chat) == len(signed)
        assert all(b'"blocks"' in request.body for request in chat)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _metric(text: str, name: str, **labels: str) -> float | None:
    wanted = {"model": MODEL} | labels
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == wanted:
                return float(sample.value)
    return None


def test_killed_in_mid_catch_up_it_goes_on_to_the_same_bytes(
    started_log: FlightLog, tmp_path: Path, opened: Opened
) -> None:
    # so many windows that several are claimed together, several times
    narrow, four_days = {"model": {"window": "10m"}}, started_log.logged[:900]
    values = values_of(started_log.url, f"sqlite:///{tmp_path / 'store.db'}", **narrow)
    config = configured(tmp_path, values)
    engine = opened(config.store)
    from_the_first_row(engine, config, replace(started_log, logged=four_days))
    quiet = oracle(started_log, tmp_path, opened, **narrow)
    total = counts(quiet)["done"]
    with daemon(tmp_path, values) as running:
        running.until(lambda: counts(engine)["done"] >= 20, what="begun")
        running.process.kill()
        running.process.wait()
    assert counts(engine)["done"] < total, "it was not killed in the middle"
    with engine.begin() as connection:  # as if the lease had run out meanwhile
        gone = windows.c.state == "running"
        earlier = system_clock() - LEASE
        connection.execute(sa.update(windows).where(gone).values(lease_until=earlier))
    with daemon(tmp_path, values) as running:
        running.until(all_done(engine, total), what="caught up")
        assert running.stop() == 0
    assert contents(engine, but=["models"]) == contents(quiet, but=["models"])
    assert sum(fence - 1 for fence in fences(engine)) <= 1  # the one in work when it was killed


def test_stopped_in_mid_catch_up_it_ends_in_time_and_leaves_no_window_running(
    started_log: FlightLog, tmp_path: Path, opened: Opened
) -> None:
    narrow = {"model": {"window": "10m"}}
    values = values_of(started_log.url, f"sqlite:///{tmp_path / 'store.db'}", **narrow)
    config = configured(tmp_path, values)
    engine = opened(config.store)
    from_the_first_row(engine, config, started_log)
    with daemon(tmp_path, values) as running:
        running.until(lambda: counts(engine)["done"] >= 5, what="begun")
        assert running.get("/healthz")[0] == 200  # busy for long is not dead
        assert running.stop() == 0
    left = counts(engine)
    assert left["running"] == 0
    assert left["pending"] > 0


def test_without_a_source_it_stays_up_says_so_and_begins_when_there_is_one(
    log: FlightLog, tmp_path: Path, opened: Opened
) -> None:
    late = tmp_path / "late.db"
    values = values_of(f"sqlite:///{late}", f"sqlite:///{tmp_path / 'store.db'}")
    config = configured(tmp_path, values)
    engine = opened(config.store)

    def now() -> ModelStatus:
        return status(engine, config, MODEL, now=system_clock())

    with daemon(tmp_path, values) as running:
        running.until(lambda: now().last_error, what="said why")
        assert now().state == "failed"
        assert "there is no SQLite file" in str(now().last_error)
        running.until(lambda: running.get("/healthz")[0] == 200, what="healthy")
        elsewhere = tmp_path / "made.db"
        write_log(f"sqlite:///{elsewhere}", logged=log.logged[:1], trained=log.trained)
        elsewhere.rename(late)
        running.until(lambda: now().last_error is None, what="recovered")
        assert now().state == "starting"
        running.until(lambda: begun(engine), what="begun")
        append(f"sqlite:///{late}", log.logged[1:400])
        running.until(lambda: counts(engine)["done"] >= 4, what="caught up")
        assert running.stop() == 0


def test_a_query_that_never_ends_holds_no_sigterm_up(
    backend: Backend, tmp_path: Path, opened: Opened
) -> None:
    rows, url = backend.log.logged, backend.fresh_url()
    write_log(url, logged=rows[:1], trained=backend.log.trained)
    values = values_of(url, backend.fresh_url())
    config = configured(tmp_path, values)
    engine = opened(config.store)
    from_the_first_row(engine, config, FlightLog(url=url, logged=rows[:400], trained=()))
    endless = {
        "sqlite": "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
        "SELECT count(*) FROM c)",
        "postgresql": "(SELECT count(*)::float FROM generate_series(1, 1000000000000))",
    }[backend.name]
    run_sql(
        url,
        "ALTER TABLE predictions RENAME TO hidden",
        f"CREATE VIEW predictions AS SELECT event_time, prediction_id, model_version, "
        f"{endless} AS score, features FROM hidden",
    )
    with daemon(tmp_path, values) as running:
        running.until(lambda: counts(engine)["running"], what="begun")
        assert running.get("/healthz")[0] == 200
        assert running.stop() == 0
    assert counts(engine).keys() <= {"pending", "done"}  # given back, and not counted as a failure
    run_sql(url, "DROP VIEW predictions", "ALTER TABLE hidden RENAME TO predictions")
    with daemon(tmp_path, values) as running:  # at once: no lease is to be waited for
        running.until(lambda: counts(engine).keys() == {"done"}, what="caught up")
        assert running.stop() == 0


def test_a_read_only_file_of_results_is_waited_for(
    started_log: FlightLog, tmp_path: Path, opened: Opened
) -> None:
    store = tmp_path / "store.db"
    values = values_of(started_log.url, f"sqlite:///{store}")
    config = configured(tmp_path, values)
    engine = opened(config.store)
    from_the_first_row(engine, config, started_log)
    engine.dispose()
    store.chmod(0o444)
    with daemon(tmp_path, values, first=_bound_by_permissions) as running:
        running.until(lambda: "store.failed" in running.log.read_text(), what="said so")
        running.until(lambda: running.get("/healthz")[0] == 503, what="unhealthy")
        assert running.get("/readyz")[0] == 503
        assert "cannot be written" in running.get("/healthz")[1]
        for file in (store, *tmp_path.glob("store.db-*")):  # those beside it were made as it was
            file.chmod(0o644)
        running.until(all_done(engine, 30), what="caught up")
        running.until(lambda: running.get("/readyz")[0] == 200, what="ready")
        assert running.stop() == 0
    assert running.log.read_text().count("store.failed") == 1
    got = contents(engine, but=UNLIKE)
    assert got == contents(oracle(started_log, tmp_path, opened), but=UNLIKE)


def _bound_by_permissions() -> None:
    """Let what root starts be refused by a file's mode, as anybody else is."""
    drop_from_bounding_set, override_mode = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, override_mode, 0, 0, 0)


def test_two_daemons_on_one_store_do_each_window_once(
    backend: Backend, tmp_path: Path, opened: Opened
) -> None:
    rows = backend.log.logged
    url = backend.fresh_url()
    write_log(url, logged=rows[:1], trained=backend.log.trained)
    grown = FlightLog(url=url, logged=rows, trained=backend.log.trained)
    with Collector() as collector:
        routes = [{"kind": "webhook", "name": "ops", "url": collector.url, "secret": SECRET}]
        values = values_of(url, backend.fresh_url(), alerts={"routes": routes})
        config = configured(tmp_path, values)
        engine = opened(config.store)
        from_the_first_row(engine, config, grown)
        with (
            daemon(tmp_path, values, name="one") as one,
            daemon(tmp_path, values, name="two") as two,
        ):
            two.until(all_done(engine, 30), what="caught up")
            two.until(lambda: set(told(engine)) == {"sent"}, what="told")
            for running in (one, two):
                running.until(lambda: running.get("/healthz")[0] == 200, what="healthy")  # noqa: B023
            assert (one.stop(), two.stop()) == (0, 0)
        assert set(fences(engine)) == {1}
        quiet = oracle(grown, tmp_path, opened, alerts={"routes": routes})
        assert contents(engine, but=UNLIKE) == contents(quiet, but=UNLIKE)
        ids = {_lower(request.headers)["webhook-id"] for request in collector.received}
        assert len(ids) == len(told(engine))


def test_a_taken_port_is_one_clear_line(log: FlightLog, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = values_of(log.url, f"sqlite:///{tmp_path / 'store.db'}")
        port = {"daemon": {"port": taken.getsockname()[1]}}
        path = write_config(tmp_path / "monitor.yaml", merged(values, port))
        done = subprocess.run(
            [*PROGRAM, str(path)], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert "cannot be listened on" in done.stderr
    assert "set daemon.port to a free one" in done.stderr
    assert "Traceback" not in done.stderr
