"""The ways to read a statement's rows, and which one a database gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from monitor.sources.copying import CopyReader, can_copy
from monitor.sources.cursor import CursorReader, PageReader
from monitor.sources.database import Database, Table
from monitor.sources.duck import DuckDatabase, DuckReader
from monitor.sources.rows import Rows, Wanted
from monitor.sources.stepping import StepReader, can_step

Tables = Database | DuckDatabase


class StatementReader(Protocol):
    """One way to read the rows of a statement."""

    @property
    def name(self) -> str:
        """Name the way in one word."""

    def fits(self, statement: sa.Select[Any], /) -> bool:
        """Tell whether a statement can be read so."""

    def rows(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Iterator[Rows]:
        """Read a statement; `Unfit` before anything is read, where it cannot be read so."""

    def close(self) -> None:
        """Give up what is held beside the database's own connection."""

    def cancel(self) -> None:
        """End what runs beside the database's own connection, from another thread."""


def quickest(database: Tables, table: Table, wanted: Wanted) -> StatementReader:
    """Choose the way that costs least on this machine; docs/decisions/0010 has the figures."""
    if isinstance(database, DuckDatabase):
        return DuckReader(database, wanted)
    if can_copy(database):
        return CopyReader(database, wanted)
    if can_step(database):
        return StepReader(database, wanted)
    if _is_paged(database, table, wanted):
        return PageReader(database, wanted)
    return CursorReader(database, wanted)


def _is_paged(database: Database, table: Table, wanted: Wanted) -> bool:
    """Tell whether a window is to be read page by page.

    PostgreSQL and SQLite hand rows out one by one; what other drivers do is not known.
    """
    if database.dialect in {"postgresql", "sqlite"} or wanted.time is None:
        return False
    try:
        return bool(database.has_index_on(table, wanted.time))
    except NotImplementedError:  # a dialect that cannot tell
        return False


def usual(database: Tables, wanted: Wanted) -> StatementReader:
    """Return the way that every statement can be read."""
    if isinstance(database, DuckDatabase):
        return DuckReader(database, wanted)
    return CursorReader(database, wanted)
