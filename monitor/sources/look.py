"""A look at a table of which nothing is known yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from monitor.errors import SourceError
from monitor.sources.database import Database, Table
from monitor.sources.log import SourceColumn, declared
from monitor.sources.table import TableReader

LOOKED_AT = 2_000


@dataclass(frozen=True, kw_only=True)
class RawLook:
    """Some rows of a table, column by column, as the driver gives them."""

    name: str
    schema: str | None
    columns: tuple[SourceColumn, ...]
    values: Sequence[Sequence[Any]]  # one sequence a column
    rows: int
    indexed: frozenset[str]  # columns that an index begins with


def look_at(url: SecretStr, table: str) -> RawLook:
    """Read some rows of a table, read-only.

    Parameters
    ----------
    table
        Its name, or ``schema.name`` where no table is called that as a whole.

    Raises
    ------
    SourceError
        If the database cannot be reached or has no such table.
    """
    database = Database(url)
    try:
        found = _find(database, table)
        values = TableReader(database, found).raw_rows(LOOKED_AT)
        return RawLook(
            name=found.name,
            schema=found.schema,
            columns=declared(found),
            values=values,
            rows=len(values[0]) if values else 0,
            indexed=frozenset(c for c in found.types if database.has_index_on(found, c)),
        )
    finally:
        database.close()


def _find(database: Database, name: str) -> Table:
    schema, _, table = name.rpartition(".")
    try:
        return database.table(name, None)
    except SourceError:
        if not schema:
            raise
    return database.table(table, schema)
