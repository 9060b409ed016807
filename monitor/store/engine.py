"""Opening the results database: SQLite or PostgreSQL, at the schema this program knows."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, event, false, func, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    InterfaceError,
    InternalError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from monitor.errors import StoreError, StoreTooNew
from monitor.store.tables import metadata, models

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 30_000
UNUSABLE = (OperationalError, InterfaceError, InternalError, NoConnection)  # locked, full, gone
MIGRATION_LOCK = 0x6472_6966_746C_696E  # any number, as long as it is ours


def open_store(url: SecretStr, *, upgrade: bool = True) -> Engine:
    """Open the results database and make sure its schema is the one this program knows.

    An empty database gets its tables. One of an older program is refused with the command that
    upgrades it, one of a newer program is refused outright. Nothing is written otherwise.

    Raises
    ------
    StoreError
        If it cannot be reached, or has to be upgraded first.
    StoreTooNew
        If a newer program wrote it.
    """
    engine = connect(url)
    try:
        with _clear_errors(engine):
            have, want = revision(engine), head()
            if have is None and upgrade:
                migrate(engine)
            elif have != want:
                _refuse(engine, have, want)
    except BaseException:
        engine.dispose()
        raise
    return engine


def connect(url: SecretStr) -> Engine:
    """Make an engine with what each database needs; touches nothing yet."""
    try:
        parsed = make_url(url.get_secret_value())
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise StoreError(
                f"store: {parsed.get_backend_name()} cannot hold the results; "
                "give sqlite:///file.db or postgresql://…"
            )
        if parsed.host and "@" in parsed.host:  # it would be shown as a part of the host
            raise StoreError("store: the password holds an @; write that as %40")
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(
                create_engine(parsed, poolclass=QueuePool, max_overflow=-1)
            )  # the threads are bounded
        return create_engine(
            parsed, pool_pre_ping=True, max_overflow=-1, connect_args={"connect_timeout": 10}
        )
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise StoreError(
            "store: this is no database URL; give sqlite:///file.db or postgresql://…"
        ) from error
    except ModuleNotFoundError as error:
        raise StoreError(
            f"store: it needs the Python package {error.name!r}, which is not installed; "
            "postgresql://… does without"
        ) from error


def migrate(engine: Engine) -> None:
    """Bring the schema to this program's version, in one transaction.

    Several processes may ask for it at once: one does it while the others wait, and then find it
    done.

    Raises
    ------
    StoreError
        If the database cannot be reached, or holds tables that are not ours.
    StoreTooNew
        If a newer program wrote it.
    """
    with _clear_errors(engine), writing(engine) as connection:
        if engine.dialect.name == "postgresql":  # on SQLite the write lock is held already
            connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        have, want = _revision(connection), head()
        ours = have in _known() if have is not None else not _has_tables(connection)
        if not ours:
            _refuse(connection, have, want)
        config = _alembic()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head")


def revision(engine: Engine) -> str | None:
    """Return the revision the database is at, None where it has none."""
    with _clear_errors(engine), engine.connect() as connection:
        return _revision(connection)


def head() -> str:
    """Return the revision this program knows."""
    revision = ScriptDirectory.from_config(_alembic()).get_current_head()
    assert revision is not None, "the program ships without migrations"
    return revision


def _known() -> set[str]:
    return {r.revision for r in ScriptDirectory.from_config(_alembic()).walk_revisions()}


def _alembic() -> alembic.config.Config:
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _has_tables(database: Engine | Connection) -> bool:
    return bool(set(inspect(database).get_table_names()) & set(metadata.tables))


def _refuse(database: Engine | Connection, have: str | None, want: str) -> None:
    if have is not None and have not in _known():
        raise StoreTooNew(
            f"store: it was written by a newer Driftline (schema {have}, this program knows "
            f"{want}); upgrade the program"
        )
    if have is None and _has_tables(database):
        raise StoreError("store: it holds tables of the same names that Driftline did not make")
    raise StoreError(f"store: its schema is {have or 'empty'}, not {want}; run: monitor db upgrade")


@contextmanager
def _clear_errors(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = in_short(error)
        where = engine.url.database if engine.dialect.name == "sqlite" else engine.url.host
        raise StoreError(
            f"store: {engine.dialect.name} at {where} cannot be used: {cause}"
        ) from error


def _sqlite(engine: Engine) -> Engine:
    database = engine.url.database
    if not database or database == ":memory:":
        raise StoreError(
            "store: a SQLite database in memory is gone with the process; "
            "name a file: sqlite:///driftline.db"
        )
    folder = Path(database).absolute().parent
    if not folder.is_dir():
        raise StoreError(f"store: there is no folder {folder} to put {Path(database).name} in")

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        # pysqlite would begin only before a write; transactions here begin where we say
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        _turn_to_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a reader that turns writer deadlocks with another; writers queue from the start
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _turn_to_wal(connection: sqlite3.Connection) -> None:
    """Write ahead from now on; wait here, for the busy timeout does not cover this one change.

    Two that turn the same new file at once would wait for each other, so SQLite refuses one.
    """
    give_up = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
            if not busy or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open one writing transaction; on SQLite it takes the write lock at once."""
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        yield connection


def try_writing(engine: Engine) -> None:
    """Change nothing, in a transaction that could: raises where the store cannot be written."""
    with writing(engine) as connection:
        connection.execute(models.update().where(false()).values(looked_at=None))


def in_short(error: Exception) -> str:
    """Say in one line why a store cannot be used; a driver's words on that hold no value."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]


def insert_missing(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows whose key is not there yet."""
    _insert(connection, table, rows, replace=False)


def upsert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    """Insert rows, or replace what stands under the same key."""
    _insert(connection, table, rows, replace=True)


def _insert(
    connection: Connection, table: Any, rows: list[dict[str, Any]], *, replace: bool
) -> None:
    if not rows:
        return
    given = tuple(rows[0]) if replace else ()
    connection.execute(_insertion(connection.dialect.name, table, given), rows)


@lru_cache(maxsize=256)
def _insertion(dialect: str, table: Any, replaced: tuple[str, ...]) -> Any:
    """Build an insert that replaces these columns where the key is there, or leaves the row."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    statement = insert(table)
    key = [column.name for column in table.primary_key.columns]
    if not replaced:
        return statement.on_conflict_do_nothing(index_elements=key)
    changed = {name: statement.excluded[name] for name in replaced if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)
