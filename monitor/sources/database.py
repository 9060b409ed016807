"""One read-only connection to somebody else's database, and its errors in one line."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import exc

from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.sources import times
from monitor.sources.arrays import Far
from monitor.sources.payload import loads

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

STATEMENT_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10
_ENGINES = 256
CANCEL_TIMEOUT_S = 2


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or view as it was found: its names are the database's own, never somebody's text."""

    name: str
    schema: str | None
    types: Mapping[str, sa.types.TypeEngine[Any]]  # by column, in the table's order
    rows: sa.TableClause
    nested: Mapping[str, Sequence[str]] = field(default_factory=dict)  # columns made of a column

    def names(self, *, apart: str | None = None) -> frozenset[str]:
        """Return the columns that rows have, those of a payload aside."""
        return frozenset(
            name
            for column in self.types
            for name in (self.nested.get(column, (column,)) if column != apart else (column,))
        )


class Database:
    """A database that is only read, over one connection that is kept and made again when lost.

    Not for several threads at once.
    """

    moments = times.FIRST, times.LAST  # that a bound may be

    def __init__(self, url: SecretStr, *, row_bytes: int | None = None) -> None:
        self._row_bytes = row_bytes
        self._url = _parse(url.get_secret_value())
        self.name = self._url.render_as_string(hide_password=True)
        self._engine = self._make_engine()
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._connection: sa.Connection | None = None
        self._own: Any = None  # the driver's connection beneath it

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    @property
    def driver(self) -> str:
        return self._engine.dialect.driver

    def file(self) -> tuple[str, float]:
        """Return the URI of a SQLite file, and the seconds to wait for whoever locks it."""
        (uri,), options = self._engine.dialect.create_connect_args(self._engine.url)
        return uri, float(options.get("timeout", 5.0))

    def compiled(self, statement: sa.Select[Any]) -> SQLCompiler:
        """Return a statement in the database's own words."""
        return statement.compile(self._engine)

    def close(self) -> None:
        self.drop()
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
                self._own = self._connection.connection.driver_connection
            try:
                yield self._connection
            finally:  # also where whoever was reading stops in the middle of the rows
                if self._connection is not None:
                    self._connection.rollback()
        except (exc.SQLAlchemyError, self._driver_error) as error:
            self.drop()
            raise SourceError(f"cannot read {self.name}: {in_short(error)}") from None

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

    def types(self, name: str, schema: str | None) -> Mapping[str, sa.types.TypeEngine[Any]]:
        """Look up the columns of a table or a view alone, which costs a tenth of `table`.

        Raises
        ------
        SourceError
            If there is none of that name any more.
        """
        with self.reading() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", exc.SAWarning)
            try:
                found = sa.inspect(connection).get_columns(name, schema)
            except exc.NoSuchTableError:
                found = []
        return {of["name"]: of["type"] for of in found} or self.table(name, schema).types

    def _exactly(self, found: sa.Table) -> Table:
        """Have every name quoted: no list of reserved words is complete (SQLite: `nothing`)."""
        # Elsewhere a quoted name would no longer be folded to the case that the database keeps.
        exact = self.dialect in {"sqlite", "postgresql", "mysql", "mariadb", "mssql"} or None
        types = {column.name: column.type for column in found.columns}
        return quoted_table(found.name, found.schema, types, exact=exact)

    def scalar(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Any:
        """Return the one value that a statement gives."""
        with self.reading() as connection:
            return connection.scalar(statement, bounds)

    def fetch(
        self, statement: sa.Select[Any], bounds: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Return all rows of a statement."""
        with self.reading() as connection:
            return connection.execute(statement, bounds).all()

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

    def cancel(self) -> None:
        """End the statement that runs, from another thread: whoever waits for it gets an error.

        Does nothing where no statement runs, or where a driver has no way to do it.
        """
        own = self._own
        with suppress(Exception):  # it may have been closed, or be closing
            if hasattr(own, "cancel_safe"):  # psycopg
                own.cancel_safe(timeout=CANCEL_TIMEOUT_S)
            elif hasattr(own, "interrupt"):  # sqlite3
                own.interrupt()
            elif hasattr(own, "cancel"):
                own.cancel()

    def drop(self) -> None:
        """Give the connection up, whatever runs on it."""
        self._own = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _make_engine(self) -> sa.Engine:
        try:
            backend = self._url.get_backend_name()
            if backend == "sqlite":
                return _sqlite(_existing(self._url))
            make = _postgresql if backend == "postgresql" else _other
            return make(self._url, self._row_bytes)
        except exc.NoSuchModuleError:
            return self._unknown_dialect()
        except ModuleNotFoundError as error:
            raise SourceError(
                f"{self.name} needs the Python package {error.name!r}, which is not installed"
            ) from None
        except (exc.ArgumentError, TypeError) as error:
            raise SourceError(f"{self.name} cannot be used: {in_short(error)}") from None

    def _unknown_dialect(self) -> sa.Engine:
        known = ["postgresql", "sqlite", "mysql", "mariadb", "mssql", "oracle"]
        driver = self._url.drivername
        raise SourceError(
            f"{self.name} begins with {driver!r}, which is no kind of database known here; "
            + did_you_mean(driver, known)
        )


def quoted_table(
    name: str,
    schema: str | None,
    types: Mapping[str, sa.types.TypeEngine[Any]],
    *,
    exact: bool | None = True,
) -> Table:
    """Describe a table whose names are quoted in every statement; None where that is not needed."""
    rows = sa.table(
        sa.quoted_name(name, exact),
        *(sa.column(sa.quoted_name(column, exact), of) for column, of in types.items()),
        schema=None if schema is None else sa.quoted_name(schema, exact),
    )
    return Table(name=name, schema=schema, types=types, rows=rows)


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


def _existing(url: sa.URL) -> sa.URL:
    """Return the URL that opens a SQLite file for reading, if there is one."""
    if url.host or url.username:
        raise SourceError("a SQLite URL has three slashes before its file: sqlite:///log.db")
    path = Path(url.database or ":memory:")
    if str(path) == ":memory:":
        raise SourceError("a SQLite database in memory holds no log; name a file: sqlite:///log.db")
    if not path.is_file():
        raise SourceError(f"there is no SQLite file {path}")
    return url.set(
        database=f"file:{quote(str(path.absolute()))}",
        query={**url.query, "mode": "ro", "uri": "true"},
    )


# SQLAlchemy keeps what it has made for a dialect when the engine is gone, half a megabyte for each
# of the last hundred; so a log that is opened time after time has one engine.


@lru_cache(maxsize=_ENGINES)
def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def take_text_as_it_is(connection: sqlite3.Connection, _record: object) -> None:
        connection.text_factory = text_of

    return engine


def text_of(raw: bytes) -> str:
    """Read what SQLite holds as text, which need not be UTF-8."""
    return raw.decode("utf-8", "backslashreplace")


@lru_cache(maxsize=_ENGINES)
def _other(url: sa.URL, row_bytes: int | None) -> sa.Engine:
    return sa.create_engine(url, json_deserializer=partial(loads, most=row_bytes))


@lru_cache(maxsize=_ENGINES)
def _postgresql(url: sa.URL, row_bytes: int | None) -> sa.Engine:
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
    engine = sa.create_engine(
        url, connect_args=options, json_deserializer=partial(loads, most=row_bytes)
    )
    if engine.dialect.driver == "psycopg":
        sa.event.listen(engine, "connect", _take_far_moments)
    return engine


def _take_far_moments(connection: Any, _record: object) -> None:
    """Read the times that Python has none for, infinity before all, where psycopg would fail."""
    from psycopg.errors import DataError
    from psycopg.pq import Format

    for name in ("timestamp", "timestamptz", "date"):
        of = connection.adapters.types[name]
        usual = connection.adapters.get_loader(of.oid, Format.TEXT)

        class FarLoader:
            format = Format.TEXT

            def __init__(self, oid: int, context: Any = None, usual: Any = usual) -> None:
                self._load = usual(oid, context).load

            def load(self, data: Any) -> Any:
                try:
                    return self._load(data)
                except DataError:
                    text = bytes(data)
                    back = text.startswith(b"-") or text.endswith(b"BC")
                    return Far.BACK if back else Far.AHEAD

        connection.adapters.register_loader(of.oid, FarLoader)


def in_short(error: Exception) -> str:
    """Say what a driver found wrong in one line, without a value of a row or a statement."""
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    is_drivers = cause is not error or not isinstance(error, exc.SQLAlchemyError)
    plain = {"OperationalError", "ProgrammingError"} & {of.__name__ for of in type(cause).__mro__}
    if is_drivers and not plain and not isinstance(cause, sqlite3.Error):
        # Others, DataError before all, quote the value that offended.
        return f"the database gave the error {type(cause).__name__}"
    lines = [line.strip(" \t-") for line in str(cause).splitlines() if line.strip()]
    if lines and lines[0].startswith("Multiple connection attempts failed"):
        lines = lines[1:]
    return lines[0].rstrip(".:") if lines else type(cause).__name__
