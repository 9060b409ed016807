"""A look at a table, or at files, of which nothing is known yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from monitor.errors import SourceError
from monitor.sources.arrays import plain_values
from monitor.sources.database import Table
from monitor.sources.filelog import sample_of
from monitor.sources.log import SourceColumn, declared
from monitor.sources.origin import Files, connect
from monitor.sources.table import TableReader
from monitor.sources.ways import Tables

LOOKED_AT = 2_000


@dataclass(frozen=True, kw_only=True)
class RawLook:
    """Some rows of a table or of files, column by column, as the driver gives them."""

    name: str
    schema: str | None
    columns: tuple[SourceColumn, ...]
    values: Sequence[Sequence[Any]]  # one sequence a column
    rows: int
    indexed: frozenset[str]  # columns that an index begins with
    in_files: bool = False


def look_at(url: SecretStr, table: str | None) -> RawLook:
    """Read some rows of a table, read-only.

    Parameters
    ----------
    table
        Its name, or ``schema.name`` where no table is called that as a whole; None where the URL
        names files.

    Raises
    ------
    SourceError
        If the database cannot be reached or has no such table, or there are no such files.
    """
    origin = connect(url)
    if isinstance(origin, Files):
        if table is not None:
            raise SourceError("files have no table; leave its name away")
        return _look_at_files(origin.pattern)
    if table is None:
        raise SourceError("a database needs the name of a table to look at")
    try:
        found = _find(origin, table)
        values = TableReader(origin, found).raw_rows(LOOKED_AT)
        return RawLook(
            name=found.name,
            schema=found.schema,
            columns=declared(found.types),
            values=values,
            rows=len(values[0]) if values else 0,
            indexed=frozenset(c for c in found.types if origin.has_index_on(found, c)),
        )
    finally:
        origin.close()


def _look_at_files(pattern: str) -> RawLook:
    batch = sample_of(pattern, LOOKED_AT)
    path = Path(pattern)
    return RawLook(
        name=path.name.split(".")[0] if path.is_file() else path.parent.name,
        schema=None,
        columns=tuple(
            SourceColumn(name=field.name, type=str(field.type)) for field in batch.schema
        ),
        values=[plain_values(column) for column in batch.columns],
        rows=batch.num_rows,
        indexed=frozenset(),
        in_files=True,
    )


def _find(database: Tables, name: str) -> Table:
    schema, _, table = name.rpartition(".")
    try:
        return database.table(name, None)
    except SourceError:
        if not schema:
            raise
    return database.table(table, schema)
