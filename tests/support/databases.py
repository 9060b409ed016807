"""Databases for whoever needs many: new ones, copies of one, and none left behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from sqlalchemy.engine import make_url

from tests.support.postgres import Postgres, running_postgres


class Databases(Protocol):
    """One kind of database."""

    @property
    def name(self) -> str: ...

    def fresh(self) -> str:
        """Return the URL of a new and empty database."""
        ...

    def copy(self, url: str) -> str:
        """Copy a database that nobody has open; return the URL of the copy."""
        ...

    def drop(self, url: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class SqliteFiles:
    folder: Path
    names: Iterator[int] = field(default_factory=count)
    name: str = "sqlite"

    def fresh(self) -> str:
        return f"sqlite:///{self.folder / f'{next(self.names)}.db'}"

    def copy(self, url: str) -> str:
        made = self.fresh()
        for old, new in zip(_files(url), _files(made), strict=True):
            if old.exists():  # the log of writes is there while somebody writes, or after a crash
                shutil.copyfile(old, new)
        return made

    def drop(self, url: str) -> None:
        for file in _files(url):
            file.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class PostgresDatabases:
    server: Postgres
    name: str = "postgresql"

    def fresh(self) -> str:
        return self.server.create()

    def copy(self, url: str) -> str:
        return self.server.create(like=url)

    def drop(self, url: str) -> None:
        self.server.drop(url)


@contextmanager
def databases(kind: str, *, server: Postgres | None = None) -> Iterator[Databases]:
    """Lend databases of a kind; on a PostgreSQL of its own where no server is given."""
    with ExitStack() as stack:
        if kind == "postgresql":
            yield PostgresDatabases(server=server or stack.enter_context(running_postgres()))
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="driftline-"))
            yield SqliteFiles(folder=Path(folder))


def _files(url: str) -> list[Path]:
    database = make_url(url).database
    assert database is not None
    return [Path(database + end) for end in ("", "-wal", "-shm")]
