"""The prediction log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from monitor import config
from monitor.errors import SourceError
from monitor.sources.batch import Batch
from monitor.sources.database import Database, Table
from monitor.sources.table import TableReader, require_columns
from profiles.windows import Window

SAMPLE_ROWS = 5_000


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column as the database declares it."""

    name: str
    type: str


class LogSource:
    """The rows of one model's log. A context manager; not for several threads at once.

    A method that meets a lost connection raises `SourceError`; the next call connects anew.
    """

    def __init__(self, model: config.Model) -> None:
        self._model = model
        self._database = Database(model.source)
        self._opened: tuple[Table, TableReader] | None = None
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    def _open(self) -> tuple[Table, TableReader]:
        """Look up the table, unless that is done already."""
        if self._opened is not None:
            return self._opened
        log = self._model.log
        table = self._database.table(log.table, log.db_schema)
        wanted = {
            "log.time": log.time,
            "log.id": log.id,
            "log.payload": log.payload,
            "log.version": log.version,
        }
        require_columns(table, wanted)
        reader = TableReader(
            self._database, table, time=log.time, payload=log.payload, skip=_ignored(self._model)
        )
        self._opened = table, reader
        return self._opened

    @contextmanager
    def _reader(self) -> Iterator[TableReader]:
        """Lend the reader; after an error the table is looked up anew, for it may have changed."""
        try:
            yield self._open()[1]
        except SourceError:
            self._opened = None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def batches(self, window: Window) -> Iterator[Batch]:
        """Read the rows with ``window.start <= time < window.end``, in any order."""
        with self._reader() as reader:
            yield from reader.rows_within(window)

    def earliest(self) -> datetime | None:
        """Return the first event time in UTC, None where the log is empty."""
        with self._reader() as reader:
            return reader.earliest()

    def latest(self) -> datetime | None:
        """Return the last event time in UTC, None where the log is empty."""
        with self._reader() as reader:
            return reader.latest()

    def columns(self) -> frozenset[str]:
        """Return the columns that batches have, as far as some rows show the payload's keys.

        Empty where that cannot be told, as long as a log with a payload has no row.
        """
        plain = frozenset(self._open()[0].types)
        payload = self._model.log.payload
        if payload is None:
            return plain
        keys = frozenset(name for batch in self.sample() for name in batch.rows.schema.names)
        return (plain - {payload}) | keys if keys else keys

    def count_since(self, start: datetime) -> int | None:
        """Count the rows from a moment on; None where that takes too long."""
        try:
            with self._reader() as reader:
                return reader.count_since(start)
        except SourceError:
            return None

    def sample(self, rows: int = SAMPLE_ROWS) -> Iterator[Batch]:
        """Read some rows: any, and where an index makes that cheap, the newest as well."""
        with self._reader() as reader:
            yield from reader.some_rows(rows, newest=False)
            if self.time_indexed():
                yield from reader.some_rows(rows, newest=True)

    def time_indexed(self) -> bool | None:
        """Tell whether an index begins with the time; None where a view hides it."""
        return self._database.has_index_on(self._open()[0], self._model.log.time)

    def time_writing(self) -> str | None:
        """Say how event times are written, None where the log is empty."""
        with self._reader() as reader:
            writing = reader.writing()
        return None if writing is None else writing.name


def open_log(model: config.Model) -> LogSource:
    """Connect to a model's log, read-only.

    Raises
    ------
    SourceError
        If the database cannot be reached, or the table or one of the configured columns is missing.
    """
    return LogSource(model)


def declared(table: Table) -> tuple[SourceColumn, ...]:
    """Return a table's own columns in their order."""
    return tuple(SourceColumn(name=name, type=_type(of)) for name, of in table.types.items())


def _ignored(model: config.Model) -> frozenset[str]:
    """Return the plain columns that nobody asks for, which need not be read."""
    used = {model.log.time, model.log.id, model.log.payload, model.log.version}
    if model.prediction is not None:
        used.add(model.prediction.score)
    for cohort in model.cohorts:
        used.update(cohort)
    ignored = {name for name, column in model.columns.items() if column.kind == "ignore"}
    return frozenset(ignored - used)


def _type(of: object) -> str:
    try:
        return str(of).lower()
    except Exception:  # noqa: BLE001 - a type that only its own dialect can spell
        return type(of).__name__.lower()
