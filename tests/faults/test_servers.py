"""A PostgreSQL that is restarted, that hangs up, that has no room left, and a full SQLite file."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import sql

from tests.faults.seeds import seed
from tests.faults.stage import Stage, staged
from tests.support.collector import Collector
from tests.support.databases import PostgresDatabases, databases
from tests.support.forks import ended
from tests.support.postgres import Postgres, running_postgres

STOP_S = 10.0
LEASE = timedelta(seconds=3)
ROOM = 24 << 20  # bytes: an empty store takes 8 MB
LEFT = 64 << 10


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of these tests alone, which they may stop; it keeps what it says it has written."""
    with running_postgres() as server:
        server.run(sql.SQL("ALTER SYSTEM RESET synchronous_commit"))
        server.run(sql.SQL("SELECT pg_reload_conf()"))
        yield server


@pytest.fixture
def stage(server: Postgres, tmp_path: Path) -> Iterator[Stage]:
    kind = PostgresDatabases(server=server)
    with Collector() as collector, staged(kind, collector, tmp_path) as stage:
        yield stage


def test_a_server_that_is_restarted_in_mid_window_is_survived(
    stage: Stage, server: Postgres
) -> None:
    daemon = stage.monitor("run", lease=LEASE)
    stage.until(lambda: stage.states()["running"], daemon, what="in work")
    server.restart()
    stage.until(lambda: stage.expire() >= 0 and stage.over(), daemon, what="done")
    assert said_why(stage)
    daemon.terminate()
    assert ended(daemon, within_s=STOP_S) == 0
    assert stage.finish() == []


def test_connections_that_are_dropped_in_the_middle_of_transactions_are_survived(
    stage: Stage, server: Postgres
) -> None:
    rng, dropped = random.Random(seed()), 0
    daemon = stage.monitor("run", lease=LEASE)
    stage.until(lambda: stage.states()["running"], daemon, what="in work")
    while not stage.over() and dropped < 40:
        dropped += server.hang_up(stage.store) + server.hang_up(stage.log)
        stage.until(lambda: stage.expire() >= 0, daemon, what="there again")
        time.sleep(rng.random() * 0.3)
    stage.until(lambda: stage.expire() >= 0 and stage.over(), daemon, what="done")
    assert dropped > 1
    daemon.terminate()
    assert ended(daemon, within_s=STOP_S) == 0
    assert stage.finish() == []


def test_a_full_disk_under_postgresql_is_said_and_when_there_is_room_again_it_goes_on(
    server: Postgres, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        room = stack.enter_context(small_file_system(server))
        store = stack.enter_context(database_within(server, room))
        collector, kind = stack.enter_context(Collector()), PostgresDatabases(server=server)
        stage = stack.enter_context(staged(kind, collector, tmp_path, store=store))
        fill(room / "ballast")
        daemon = stage.monitor("run", lease=LEASE)
        stage.until(lambda: said_why(stage), daemon, what="said")
        assert not stage.over()
        assert "No space left on device" in stage.words.read_text()
        (room / "ballast").unlink()
        stage.until(lambda: stage.expire() >= 0 and stage.over(), daemon, what="done")
        daemon.terminate()
        assert ended(daemon, within_s=STOP_S) == 0
        assert stage.finish() == []


def test_a_full_sqlite_file_is_said_and_when_it_may_grow_again_the_daemon_goes_on(
    tmp_path: Path,
) -> None:
    most = tmp_path / "most-pages"
    most.write_text("1")  # SQLite takes this as: no more than there are
    with (
        databases("sqlite") as kind,
        Collector() as collector,
        staged(kind, collector, tmp_path) as stage,
    ):
        daemon = stage.monitor("run", lease=LEASE, most_pages=most)
        stage.until(lambda: said_why(stage), daemon, what="said")
        assert not stage.over()
        assert "database or disk is full" in stage.words.read_text()
        most.write_text(str(1 << 30))
        stage.until(lambda: stage.expire() >= 0 and stage.over(), daemon, what="done")
        daemon.terminate()
        assert ended(daemon, within_s=STOP_S) == 0
        assert stage.finish() == []


@contextmanager
def small_file_system(server: Postgres) -> Iterator[Path]:
    """Mount a file system of little room, of which the server may use all. Wants to be root."""
    room = Path(tempfile.mkdtemp(prefix="driftline-room-"))
    try:
        options = ("-t", "tmpfs", "-o", f"size={ROOM},mode=0777", "tmpfs")
        if not run("mount", *options, str(room), permitted=False):
            pytest.skip("no file system may be mounted here")
        try:
            yield room
        finally:
            run("umount", str(room))
    finally:
        room.rmdir()


@contextmanager
def database_within(server: Postgres, room: Path) -> Iterator[str]:
    """Lend an empty database whose files lie in a folder."""
    place = room / "data"
    place.mkdir(mode=0o700)
    if server.server.system_user is not None:
        shutil.chown(place, server.server.system_user)
    server.run(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(place))))
    try:
        yield server.create(tablespace="small")  # dropped by the stage
    finally:
        server.run(sql.SQL("DROP TABLESPACE small"))


def said_why(stage: Stage) -> bool:
    return any(stage.says(action) for action in ("look.failed", "store.failed", "window.failed"))


def fill(ballast: Path) -> None:
    """Leave no room but for a few pages."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - LEFT))


def run(*words: str, permitted: bool = True) -> bool:
    """Run a program; return whether it was allowed to, where that may not be."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    refused = ("permi", "superuser", "must be root")
    if not permitted and any(word in done.stderr for word in refused):
        return False
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return True
