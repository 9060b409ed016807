"""The prediction log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from monitor import config
from monitor.errors import SourceError
from monitor.late import Mark
from monitor.sources import notes
from monitor.sources.batch import Batch
from monitor.sources.database import Database
from monitor.sources.filelog import FileLog
from monitor.sources.ingest import Ingest
from monitor.sources.origin import Files, Origin, connect
from monitor.sources.table import TableReader, require_columns
from monitor.sources.times import Writing
from profiles.windows import Window

SAMPLE_ROWS = 5_000
CANCEL_EVERY_S = 0.25
USUAL = config.Limits()


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column as the database declares it."""

    name: str
    type: str


class Reader(Protocol):
    """The rows of a log, wherever it lies."""

    def rows_within(self, window: Window) -> Iterator[Batch]: ...

    def some_rows(self, rows: int, *, newest: bool) -> Iterator[Batch]: ...

    def earliest(self) -> datetime | None: ...

    def latest(self) -> datetime | None: ...

    def count_since(self, start: datetime) -> int: ...

    def ingest(self) -> Ingest | None: ...

    def newest_ingested(self, *, until: datetime) -> Mark | None: ...

    def ingested_since(self, mark: Mark) -> Iterator[Batch]: ...

    def ingest_indexed(self) -> bool | None: ...

    def names(self) -> frozenset[str]: ...

    def writing(self) -> Writing | None: ...

    def time_indexed(self) -> bool | None: ...

    def path(self) -> str: ...

    def notes(self) -> list[str]: ...

    def close(self) -> None: ...

    def cancel(self) -> None: ...


class Cancelled(Protocol):
    """What reads, and can be ended from another thread."""

    def cancel(self) -> None: ...


class LogSource:
    """The rows of one model's log. A context manager; not for several threads, but for `cancel`.

    A method that meets a lost connection raises `SourceError`; the next call connects anew.
    """

    def __init__(self, model: config.Model, limits: config.Limits = USUAL) -> None:
        self._model, self._limits = model, limits
        self._expected = model.named
        self._origin = connect(model.source, limits)
        self._opened: Reader | None = None
        self._narrow: Reader | None = None
        self._beside: Cancelled | None = None
        self._times: Reader | None = None
        self._columns: tuple[SourceColumn, ...] = ()  # of the table, as the readers know it
        try:
            self._open()
            if model.log.ingested is not None:  # a column of another type is told at once
                self._open_times().ingest()
        except BaseException:
            self._origin.close()
            raise

    def _open(self) -> Reader:
        """Look up the table or the files, unless that is done already."""
        if self._opened is None:
            reader = self._reader_of(self._origin, self._model.log, self._model.unread)
            notes.debug("the log is open", action="source.opened", path=reader.path())
            self._opened = reader
        return self._opened

    def _open_narrow(self) -> Reader:
        """Look the log up as if it had its times and its ids only, unless that is done already."""
        if self._narrow is None:
            log, every = self._model.log, self._open().names()
            only = log.model_copy(update={"payload": None, "version": None})
            skip = (every | {log.payload or ""}) - {log.time, log.id}
            self._narrow = self._reader_of(self._origin, only, skip)
        return self._narrow

    def _open_times(self) -> Reader:
        """Look the log up as if it had nothing but its times, unless that is done already."""
        if self._times is None:
            log, every = self._model.log, self._open().names()
            only = log.model_copy(update={"id": None, "payload": None, "version": None})
            needed = {log.time}
            if isinstance(self._origin, Files) and log.ingested is not None:
                needed.add(log.ingested)  # a database compares it by itself
            skip = (every | {log.payload or ""}) - needed
            self._times = self._reader_of(self._origin, only, skip)
        return self._times

    def _reader_of(self, origin: Origin, columns: config.Log, skip: frozenset[str]) -> Reader:
        if isinstance(origin, Files):
            return FileLog(
                origin.pattern, columns, skip=skip, expected=self._expected, limits=self._limits
            )
        assert columns.table is not None
        table = origin.table(columns.table, columns.db_schema)
        self._columns = declared(table.types)
        wanted = {
            "log.time": columns.time,
            "log.id": columns.id,
            "log.payload": columns.payload,
            "log.version": columns.version,
            "log.ingested": columns.ingested,
        }
        require_columns(table, wanted)
        return TableReader(
            origin,
            table,
            time=columns.time,
            payload=columns.payload,
            skip=skip,
            ids=columns.id,
            ingested=columns.ingested,
            expected=self._expected,
            limits=self._limits,
        )

    def expect(self, names: Iterable[str]) -> None:
        """Say which columns are watched, so that no number of other keys crowds them out."""
        self._expected |= frozenset(names)
        self._forget()

    @contextmanager
    def _reading(self, opened: Callable[[], Reader] | None = None) -> Iterator[Reader]:
        """Lend a reader of the table as it is now; after an error all is looked up anew."""
        try:
            self._look_again()
            yield (opened or self._open)()
        except SourceError:
            self._forget()
            raise

    def _look_again(self) -> None:
        """Forget the readers of a table whose columns have changed since they were made.

        A statement that was made before would lack a new column, ask for one that is gone, or
        read one as what it was; so would one that the connection has prepared.
        """
        origin, log = self._origin, self._model.log
        if self._opened is None or isinstance(origin, Files):  # files are looked up each time
            return
        assert log.table is not None
        if declared(origin.types(log.table, log.db_schema)) != self._columns:
            notes.info("the columns of the log have changed", action="source.changed")
            self._forget()
            if isinstance(origin, Database):
                origin.drop()

    def _forget(self) -> None:
        for reader in (self._opened, self._narrow, self._times):
            if reader is not None:
                reader.close()
        self._opened = self._narrow = self._times = None

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
        self._forget()
        self._origin.close()

    def cancel(self) -> None:
        """End what is being read, from another thread: whoever reads gets a `SourceError`.

        What begins afterwards is not ended by it.
        """
        self._origin.cancel()
        for reader in (self._opened, self._narrow, self._times, self._beside):
            if reader is not None:
                reader.cancel()

    @contextmanager
    def beside(self, other: Cancelled) -> Iterator[None]:
        """Have `cancel` end what another source reads, too, while the block runs."""
        self._beside = other
        try:
            yield
        finally:
            self._beside = None

    def batches(self, window: Window) -> Iterator[Batch]:
        """Read the rows with ``window.start <= time < window.end``, in any order.

        Where a database takes its time, batches without rows come in between.
        """
        with self._reading() as reader:
            yield from reader.rows_within(window)

    def ids(self, window: Window) -> Iterator[Batch]:
        """Read the times and the ids alone of the rows in a window, which costs little.

        Rows are among them that `batches` rejects for what else they hold.
        """
        with self._reading(self._open_narrow) as reader:
            yield from reader.rows_within(window)

    def times(self, window: Window) -> Iterator[Batch]:
        """Read the times alone of the rows in a window: as many rows with a time as in `batches`.

        Rows are among them that `batches` rejects for what else they hold.
        """
        with self._reading(self._open_times) as reader:
            yield from reader.rows_within(window)

    def newest_ingested(self, *, until: datetime) -> Mark | None:
        """Return the largest value of the column that says when rows were written.

        None where no row has one. Of times those after `until` do not count: a mark that a clock
        which runs ahead has set would hide the rows that come until then.
        """
        with self._reading(self._open_times) as reader:
            return reader.newest_ingested(until=until)

    def ingested_since(self, mark: Mark) -> Iterator[Batch]:
        """Read the times of the rows that were written at a mark or after it, whenever they are of.

        Nothing where the column holds something else than the mark is.
        """
        with self._reading(self._open_times) as reader:
            yield from reader.ingested_since(mark)

    def ingest_indexed(self) -> bool | None:
        """Tell whether what was written lately is found without reading all.

        None where no column says when rows were written, or it cannot be told.
        """
        with self._reading(self._open_times) as reader:
            return reader.ingest_indexed()

    def earliest(self) -> datetime | None:
        """Return the first event time in UTC, None where the log is empty."""
        with self._reading() as reader:
            return reader.earliest()

    def latest(self) -> datetime | None:
        """Return the last event time in UTC, None where the log is empty."""
        with self._reading() as reader:
            return reader.latest()

    @property
    def is_certain(self) -> bool:
        """Whether every row has every column: a table without a payload."""
        return not isinstance(self._origin, Files) and self._model.log.payload is None

    def columns(self) -> frozenset[str]:
        """Return the columns that batches have, as far as some rows show the payload's keys.

        Empty where that cannot be told, as long as a log with a payload has no row.
        """
        plain = self._open().names()
        payload = self._model.log.payload
        if payload is None:
            return plain
        keys = frozenset(name for batch in self.sample() for name in batch.rows.schema.names)
        return (plain - {payload}) | keys if keys else keys

    def count_since(self, start: datetime) -> int | None:
        """Count the rows from a moment on; None where that takes too long."""
        try:
            with self._reading() as reader:
                return reader.count_since(start)
        except SourceError:
            return None

    def sample(self, rows: int = SAMPLE_ROWS, *, newest: bool | None = None) -> Iterator[Batch]:
        """Read some rows, any or the newest.

        If neither is asked for, any, and then the newest as well where an index makes that cheap; a
        row may be among both.
        """
        with self._reading() as reader:
            if not newest:
                yield from reader.some_rows(rows, newest=False)
            if newest or (newest is None and reader.time_indexed()):
                yield from reader.some_rows(rows, newest=True)

    def time_indexed(self) -> bool | None:
        """Tell whether a window is found without reading all; None where a view hides it."""
        with self._reading() as reader:
            return reader.time_indexed()

    def time_writing(self) -> str | None:
        """Say how event times are written, None where the log is empty."""
        with self._reading() as reader:
            writing = reader.writing()
        return None if writing is None else writing.name

    def path(self) -> str:
        """Name the way that rows are read, in the one word that docs/sources.md explains."""
        with self._reading() as reader:
            return reader.path()

    def notes(self) -> list[str]:
        """Say what is left out of the log for now, such as a file that is still written."""
        with self._reading() as reader:
            return reader.notes()


def open_log(model: config.Model, limits: config.Limits = USUAL) -> LogSource:
    """Connect to a model's log, read-only.

    Raises
    ------
    SourceError
        If the database cannot be reached, or the table or one of the configured columns is missing.
    """
    return LogSource(model, limits)


@contextmanager
def ended_by(stopping: Callable[[], bool], source: Cancelled) -> Iterator[None]:
    """End what is being read once somebody wants to stop, while the block runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(CANCEL_EVERY_S):
            if stopping():
                source.cancel()

    thread = threading.Thread(target=watch, name="cancel", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def declared(types: Mapping[str, object]) -> tuple[SourceColumn, ...]:
    """Return a table's own columns in their order."""
    return tuple(SourceColumn(name=name, type=_type(of)) for name, of in types.items())


def _type(of: object) -> str:
    try:
        return str(of).lower()
    except Exception:  # noqa: BLE001 - a type that only its own dialect can spell
        return type(of).__name__.lower()
