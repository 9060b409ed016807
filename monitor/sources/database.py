"""One read-only connection to somebody else's database, and its errors in one line."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import exc

from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.sources.payload import loads

STATEMENT_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or view as it was found: its names are the database's own, never somebody's text."""

    name: str
    schema: str | None
    types: Mapping[str, sa.types.TypeEngine[Any]]  # by column, in the table's order
    rows: sa.TableClause


class Database:
    """A database that is only read, over one connection that is kept and made again when lost.

    Not for several threads at once.
    """

    def __init__(self, url: SecretStr) -> None:
        self._url = _parse(url.get_secret_value())
        self.name = self._url.render_as_string(hide_password=True)
        self._engine = self._make_engine()
        self._connection: sa.Connection | None = None

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    def close(self) -> None:
        self._drop_connection()
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Lend the connection; what was begun on it ends with the block.

        Raises
        ------
        SourceError
            If the database cannot be reached or refuses. The connection is given up then, and the
            next call makes a new one.
        """
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            try:
                yield self._connection
            finally:  # also where whoever was reading stops in the middle of the rows
                self._connection.rollback()
        except exc.SQLAlchemyError as error:
            self._drop_connection()
            raise SourceError(f"cannot read {self.name}: {_in_short(error)}") from None

    def table(self, name: str, schema: str | None) -> Table:
        """Look up a table or a view, and its columns.

        Raises
        ------
        SourceError
            If there is none of that name; the nearest right one is named.
        """
        with self.reading() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", exc.SAWarning)  # a type that SQLAlchemy does not know
            try:
                found = sa.Table(
                    name, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False
                )
            except exc.NoSuchTableError:
                known = self._table_names(connection, schema)
            else:
                return self._exactly(found)
        where = f" in schema {schema!r}" if schema else ""
        raise SourceError(
            f"{self.name} has no table {name!r}{where}; {did_you_mean(name, known)}"
        ) from None

    def _exactly(self, found: sa.Table) -> Table:
        """Have every name quoted: no list of reserved words is complete (SQLite: `nothing`)."""
        # Elsewhere a quoted name would no longer be folded to the case that the database keeps.
        exact = self.dialect in {"sqlite", "postgresql", "mysql", "mariadb", "mssql"} or None
        rows = sa.table(
            sa.quoted_name(found.name, exact),
            *(sa.column(sa.quoted_name(c.name, exact), c.type) for c in found.columns),
            schema=None if found.schema is None else sa.quoted_name(found.schema, exact),
        )
        return Table(
            name=found.name,
            schema=found.schema,
            types={column.name: column.type for column in found.columns},
            rows=rows,
        )

    def has_index_on(self, table: Table, column: str) -> bool | None:
        """Tell whether an index begins with a column; None where a view hides it."""
        with self.reading() as connection:
            inspector = sa.inspect(connection)
            if table.name not in inspector.get_table_names(table.schema):
                return None
            key = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
            indexes = inspector.get_indexes(table.name, table.schema)
            leading = [index["column_names"][:1] for index in indexes]
        return [column] in [key[:1], *leading]

    @staticmethod
    def _table_names(connection: sa.Connection, schema: str | None) -> list[str]:
        inspector = sa.inspect(connection)
        try:
            return [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        except (exc.SQLAlchemyError, NotImplementedError):
            return []

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _make_engine(self) -> sa.Engine:
        try:
            backend = self._url.get_backend_name()
            if backend == "sqlite":
                return _sqlite(self._url)
            if backend == "postgresql":
                return _postgresql(self._url)
            return sa.create_engine(self._url, json_deserializer=loads)
        except exc.NoSuchModuleError:
            return self._unknown_dialect()
        except ModuleNotFoundError as error:
            raise SourceError(
                f"{self.name} needs the Python package {error.name!r}, which is not installed"
            ) from None
        except (exc.ArgumentError, TypeError) as error:
            raise SourceError(f"{self.name} cannot be used: {_in_short(error)}") from None

    def _unknown_dialect(self) -> sa.Engine:
        known = ["postgresql", "sqlite", "mysql", "mariadb", "mssql", "oracle"]
        driver = self._url.drivername
        raise SourceError(
            f"{self.name} begins with {driver!r}, which is no kind of database known here; "
            + did_you_mean(driver, known)
        )


def _parse(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        # The text is not shown: it may well hold a password.
        raise SourceError(
            "source is no database URL; write it like postgresql://user:password@host/name "
            "or sqlite:///file.db"
        ) from None
    if url.host and "@" in url.host:
        raise SourceError("the password in source holds an @; write that as %40")
    return url


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.host or url.username:
        raise SourceError("a SQLite URL has three slashes before its file: sqlite:///log.db")
    path = Path(url.database or ":memory:")
    if str(path) == ":memory:":
        raise SourceError("a SQLite database in memory holds no log; name a file: sqlite:///log.db")
    if not path.is_file():
        raise SourceError(f"there is no SQLite file {path}")
    read_only = url.set(
        database=f"file:{quote(str(path.absolute()))}",
        query={**url.query, "mode": "ro", "uri": "true"},
    )
    engine = sa.create_engine(read_only)

    @sa.event.listens_for(engine, "connect")
    def take_text_as_it_is(connection: sqlite3.Connection, _record: object) -> None:
        connection.text_factory = _text

    return engine


def _text(raw: bytes) -> str:
    """Read what SQLite holds as text, which need not be UTF-8."""
    return raw.decode("utf-8", "backslashreplace")


def _postgresql(url: sa.URL) -> sa.Engine:
    settings = (
        f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT_TIMEOUT_S * 1000}"
    )
    asked = url.query.get("options", "")
    options: dict[str, Any] = {
        "options": f"{asked if isinstance(asked, str) else ' '.join(asked)} {settings}".strip()
    }
    if "connect_timeout" not in url.query:
        options["connect_timeout"] = CONNECT_TIMEOUT_S
    if "application_name" not in url.query:
        options["application_name"] = "driftline"
    return sa.create_engine(url, connect_args=options, json_deserializer=loads)


def _in_short(error: Exception) -> str:
    """Say what went wrong in one line, without a value of a row or a statement."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    plain = exc.OperationalError | exc.ProgrammingError
    tells_no_value = isinstance(error, plain) or isinstance(cause, sqlite3.Error)
    if isinstance(error, exc.DBAPIError) and not tells_no_value:
        # Others, DataError before all, quote the value that offended.
        return f"the database gave the error {type(cause).__name__}"
    lines = [line.strip(" \t-") for line in str(cause).splitlines() if line.strip()]
    if lines and lines[0].startswith("Multiple connection attempts failed"):
        lines = lines[1:]
    return lines[0].rstrip(".:") if lines else type(cause).__name__
