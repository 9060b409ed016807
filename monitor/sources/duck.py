"""DuckDB files, read by DuckDB's own library: no dialect of SQLAlchemy's for it works.

The statements are SQLAlchemy's all the same, in plain SQL, with every name quoted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.sources.batch import rows_at_once
from monitor.sources.database import Table, in_short, quoted_table
from monitor.sources.files import missing_file
from monitor.sources.normal import names, normal
from monitor.sources.rows import Rows, Wanted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BEGINS = "duckdb:"
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",  # nothing is fetched from anywhere
    "memory_limit": "256MB",
    "temp_directory": "",  # nothing is written beside somebody else's file
    "threads": "1",
}
_PLAIN = DefaultDialect(paramstyle="qmark")


class DuckDatabase:
    """A DuckDB file that is only read.

    It is open only while something is read: while one process has it open, no other can write.
    """

    dialect = "duckdb"
    moments = datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)  # in nanoseconds

    def __init__(self, url: str) -> None:
        self.name = url
        _, slashes, path = url.partition(":///")
        if not slashes or not path or path == ":memory:":
            raise SourceError("a DuckDB source names a file after three slashes: duckdb:///log.db")
        self._path = Path(path)
        self._running_on: DuckDBPyConnection | None = None
        if not self._path.is_file():
            raise missing_file(self._path)

    def close(self) -> None:
        """Nothing stays open between two readings."""

    def cancel(self) -> None:
        """End the statement that runs, from another thread: whoever waits for it gets an error."""
        connection = self._running_on
        if connection is not None:
            with suppress(Exception):  # it may have been closed
                connection.interrupt()

    def table(self, name: str, schema: str | None) -> Table:
        """Look up a table or a view, and its columns.

        Raises
        ------
        SourceError
            If there is none of that name; the nearest right one is named.
        """
        with self._reading() as connection:
            found = connection.execute(
                "SELECT schema_name, column_name, data_type FROM duckdb_columns() "
                "WHERE database_name = current_database() AND table_name = $1 "
                "AND schema_name = coalesce($2, current_schema()) ORDER BY column_index",
                [name, schema],
            ).fetchall()
            known = connection.execute(
                "SELECT DISTINCT table_name FROM duckdb_columns() "
                "WHERE database_name = current_database() AND NOT internal "
                "AND schema_name = coalesce($1, current_schema()) ORDER BY ALL",
                [schema],
            ).fetchall()
        if not found:
            where = f" in schema {schema!r}" if schema else ""
            hint = did_you_mean(name, [table for (table,) in known])
            raise SourceError(f"{self.name} has no table {name!r}{where}; {hint}")
        types = {column: _type(of.upper()) for _, column, of in found}
        table = quoted_table(name, found[0][0], types)
        with self._running(sa.select(*table.rows.columns).limit(0), {}) as nothing:
            nested = {of.name: sorted(names(pa.schema([of]))) for of in nothing.schema}
        return replace(table, nested=nested)

    def types(self, name: str, schema: str | None) -> Mapping[str, sa.types.TypeEngine[Any]]:
        """Look up the columns of a table or a view."""
        return self.table(name, schema).types

    def has_index_on(self, _table: Table, _column: str) -> bool | None:
        """Tell that DuckDB knows the bounds of every column in every part of a table."""
        return True

    def scalar(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Any:
        """Return the one value that a statement gives."""
        ((value,),) = self.fetch(statement, bounds)
        return value

    def fetch(
        self, statement: sa.Select[Any], bounds: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Return all rows of a statement."""
        batches = list(self.stream(statement, bounds))
        return [
            row
            for batch in batches
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        ]

    def stream(
        self, statement: sa.Select[Any], bounds: Mapping[str, Any]
    ) -> Iterator[pa.RecordBatch]:
        """Read a statement in batches."""
        with self._running(statement, bounds) as reader:
            yield from reader

    @contextmanager
    def _running(
        self, statement: sa.Select[Any], bounds: Mapping[str, Any]
    ) -> Iterator[pa.RecordBatchReader]:
        compiled = statement.compile(dialect=_PLAIN)
        values = compiled.construct_params(dict(bounds))
        ordered = [values[name] for name in compiled.positiontup or ()]
        with self._reading() as connection:
            rows = rows_at_once(len(statement.selected_columns))
            yield connection.sql(str(compiled), params=ordered).to_arrow_reader(rows)

    @contextmanager
    def _reading(self) -> Iterator[DuckDBPyConnection]:
        """Open the file for as long as the block lasts.

        Raises
        ------
        SourceError
            If it cannot be read, or another process is writing to it.
        """
        try:
            import duckdb
        except ModuleNotFoundError:
            raise SourceError(
                f"{self.name} needs the Python package 'duckdb', which is not installed; "
                "run: pip install 'driftline[duckdb]'"
            ) from None
        try:
            with duckdb.connect(str(self._path), read_only=True, config=_SETTINGS) as connection:
                self._running_on = connection
                yield connection
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise SourceError(f"cannot read {self.name}: {in_short(error)}") from None
        finally:
            self._running_on = None


class DuckReader:
    """Reads statements by DuckDB's own Arrow reader."""

    name = "duckdb"

    def __init__(self, database: DuckDatabase, wanted: Wanted) -> None:
        self._database, self._wanted = database, wanted

    def fits(self, _statement: sa.Select[Any]) -> bool:
        return True

    def close(self) -> None:
        """Nothing stays open between two readings."""

    def cancel(self) -> None:
        """Every statement runs on the database's own."""

    def rows(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Iterator[Rows]:
        for batch in self._database.stream(statement, bounds):
            columns = dict(zip(self._wanted.names, batch.columns, strict=True))
            wanted = self._wanted
            found = normal(columns, apart=wanted.payload, ids=wanted.id)
            yield Rows(columns=found, count=batch.num_rows)


class _Named(sa.types.UserDefinedType[Any]):
    """A type that only DuckDB knows."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_given: Any) -> str:
        return self.name


def _type(name: str) -> sa.types.TypeEngine[Any]:
    if name.startswith("TIMESTAMP"):
        return sa.TIMESTAMP(timezone=name.endswith("TIME ZONE"))
    return sa.Date() if name == "DATE" else _Named(name)
