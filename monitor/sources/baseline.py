"""The baseline's rows: a table beside the log, a file, or a range of the log itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa

from monitor import config
from monitor.errors import SourceError
from monitor.sources.batch import Batch
from monitor.sources.files import FileReader
from monitor.sources.log import SAMPLE_ROWS, open_log
from monitor.sources.origin import Files, connect
from monitor.sources.table import TableReader, require_columns
from profiles.windows import Window

NEWEST = timedelta(days=28)  # of the log, where the baseline names no rows
USUAL = config.Limits()


class _Rows(Protocol):
    def batches(self) -> Iterator[Batch]: ...

    def names(self) -> Iterable[str]: ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class BaselineSource:
    """The rows that windows are compared with. A context manager."""

    def __init__(self, rows: _Rows) -> None:
        self._rows = rows

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
        self._rows.close()

    def names(self) -> frozenset[str]:
        """Return the columns that its rows have, as far as some of them show a payload's keys.

        None of a range of the log: its columns are the log's.
        """
        return frozenset(self._rows.names())

    def cancel(self) -> None:
        """End what is being read, from another thread."""
        self._rows.cancel()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Read all rows that can be understood, in any order; can be done again."""
        for batch in self.batches():
            yield batch.rows

    def batches(self) -> Iterator[Batch]:
        """Read all rows, in any order."""
        return self._rows.batches()


def open_baseline(model: config.Model, limits: config.Limits = USUAL) -> BaselineSource:
    """Open what a model's windows are compared with.

    Raises
    ------
    SourceError
        If the table, the file or the log cannot be read.
    """
    baseline = model.baseline
    used = {model.log.time, baseline.payload}  # ages are counted against the time
    skip = model.unread.union(model.apart) - used
    if baseline.table is not None:
        return BaselineSource(_Table(model, baseline.table, skip, limits))
    if baseline.file is not None:
        reader = FileReader(
            baseline.file, payload=baseline.payload, skip=skip, expected=model.named, limits=limits
        )
        return BaselineSource(reader)
    return BaselineSource(_Range(model, baseline.range, limits))


class _Table:
    def __init__(
        self, model: config.Model, name: str, skip: frozenset[str], limits: config.Limits
    ) -> None:
        database = connect(model.source, limits)
        if isinstance(database, Files):
            raise SourceError("files have no table; give the baseline as a file or a range")
        self._database = database
        try:
            table = self._database.table(name, model.baseline.db_schema)
            require_columns(table, {"baseline.payload": model.baseline.payload})
        except BaseException:
            self._database.close()
            raise
        payload = model.baseline.payload
        if payload is None and model.log.payload is not None and model.log.payload in table.types:
            payload = model.log.payload
        self._reader = TableReader(
            self._database, table, payload=payload, skip=skip, expected=model.named, limits=limits
        )

    def batches(self) -> Iterator[Batch]:
        return self._reader.all_rows()

    def names(self) -> Iterable[str]:
        some = self._reader.any_rows(SAMPLE_ROWS)
        return {name for batch in some for name in batch.rows.schema.names}

    def cancel(self) -> None:
        self._database.cancel()
        self._reader.cancel()

    def close(self) -> None:
        self._reader.close()
        self._database.close()


class _Range:
    """A range of the log; where none is written, its newest weeks."""

    def __init__(
        self,
        model: config.Model,
        bounds: tuple[datetime, datetime] | None,
        limits: config.Limits,
    ) -> None:
        self._log = open_log(model, limits)
        try:
            start, end = bounds or self._newest()
        except BaseException:
            self._log.close()
            raise
        self._window = Window(start=start.astimezone(UTC), end=end.astimezone(UTC))

    def _newest(self) -> tuple[datetime, datetime]:
        last = self._log.latest()
        if last is None:
            raise SourceError("the log has no row yet to make a baseline of")
        return last - NEWEST, last + timedelta(microseconds=1)

    def batches(self) -> Iterator[Batch]:
        return self._log.batches(self._window)

    def names(self) -> Iterable[str]:
        return ()

    def cancel(self) -> None:
        self._log.cancel()

    def close(self) -> None:
        self._log.close()
