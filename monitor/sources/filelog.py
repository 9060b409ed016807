"""A log in files, of which new ones may appear at any time."""

from __future__ import annotations

import glob
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from monitor import config
from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.late import Mark
from monitor.sources import notes, times
from monitor.sources.arrays import Column, keep, record_batch
from monitor.sources.batch import Batch
from monitor.sources.fileingest import FileIngest
from monitor.sources.files import missing_file, open_part, reading, rows_of
from monitor.sources.ingest import Ingest
from monitor.sources.moments import Extent, extent, fetched, microseconds
from monitor.sources.normal import names, normal
from monitor.sources.parts import ENDINGS, PARQUET, Chunk, Part, Unfinished
from monitor.sources.rows import Rows, Shape, batch_of
from monitor.sources.times import EPOCH, MICROSECOND, Writing
from profiles.windows import Window

_Identity = tuple[int, int, int]  # a file that was replaced or has grown has another


class FileLog:
    """The files that a pattern names, looked up anew at each call.

    Of each file is kept what its footer or a first reading tells, and nothing more.

    Raises
    ------
    SourceError
        If the file or the folder is not there, or a configured column is in none of the files.
    """

    def __init__(self, pattern: str, log: config.Log, *, skip: frozenset[str]) -> None:
        self._pattern, self._log, self._skip = pattern, log, skip
        self._parts: dict[Path, tuple[_Identity, Part]] = {}
        self._unfinished: dict[Path, str] = {}
        self._ingest = FileIngest(log.ingested or "")
        _require_place(pattern)
        self._require_columns()

    def path(self) -> str:
        """Name the way that rows are read."""
        kinds = {"parquet" if of.suffix in PARQUET else "csv" for of in _matching(self._pattern)}
        return kinds.pop() if len(kinds) == 1 else "files"

    def notes(self) -> list[str]:
        """Say which files are left out so far."""
        self._found()
        return [f"{path.name} {why}" for path, why in sorted(self._unfinished.items())]

    def close(self) -> None:
        """Nothing stays open between two readings."""

    def cancel(self) -> None:
        """No reading of a file takes long by itself."""

    def names(self) -> frozenset[str]:
        """Return the columns of all files; of a payload's keys nothing is known."""
        schemas = [part.schema for part in self._found()]
        return frozenset[str]().union(*(names(of, apart=self._log.payload) for of in schemas))

    def time_indexed(self) -> bool:
        """Tell whether every part of a file that lies outside a window can be left out."""
        parts = self._found()
        return all(
            part.pruned and chunk.first is not None for part in parts for chunk in part.chunks
        )

    def writing(self) -> Writing | None:
        """Tell how the times are written, by the first file that has any."""
        return next((part.writing for part in self._found() if part.writing is not None), None)

    def rows_within(self, window: Window) -> Iterator[Batch]:
        """Read the rows whose time lies in a window."""
        start, end = microseconds(window.start), microseconds(window.end)
        for part in self._found():
            chunks = [
                chunk
                for chunk in part.chunks
                if chunk.first is None or chunk.last is None
                or (chunk.first < end and chunk.last >= start)
            ]  # fmt: skip
            with reading(part.path):
                for rows in part.batches(chunks):
                    yield self._batch(part, rows, window)

    def some_rows(self, rows: int, *, newest: bool) -> Iterator[Batch]:
        """Read a number of rows with a time: the first, or the last of the newest chunks."""
        chunks = [(part, chunk) for part in self._found() for chunk in part.chunks]
        if newest:
            chunks.sort(key=lambda of: of[1].last or -(2**63), reverse=True)
        for part, chunk in chunks:
            with reading(part.path):
                found = part.batches([chunk])
                for batch in _last(found, rows) if newest else _first(found, rows):
                    yield self._batch(part, batch, times.ALL_TIME)
                    rows -= batch.num_rows
            if rows <= 0:
                return

    def earliest(self) -> datetime | None:
        return _moment(min((of.first for of in self._extents()), default=None))

    def latest(self) -> datetime | None:
        return _moment(max((of.last for of in self._extents()), default=None))

    def count_since(self, start: datetime) -> int:
        """Count the rows from a moment on."""
        first, since = microseconds(start), Window(start=start, end=times.LAST)
        return sum(
            self._count(part, chunk, first, since)
            for part in self._found()
            for chunk in part.chunks
        )

    def ingest(self) -> Ingest | None:
        """Tell what the column holds that says when rows were written, where a file has any."""
        return self._ingest.ingest(self._found())

    def newest_ingested(self, *, until: datetime) -> Mark | None:
        """Return the largest value of that column; of times none that lies in the future."""
        return self._ingest.newest(self._found(), until=until)

    def ingested_since(self, mark: Mark) -> Iterator[Batch]:
        """Read the rows with a time that were written at a mark or after it."""
        for part, rows in self._ingest.since(self._found(), mark):
            yield self._batch(part, rows, times.ALL_TIME)

    def ingest_indexed(self) -> None:
        """Tell nothing: files that have not changed are not read again."""

    def _count(self, part: Part, chunk: Chunk, first: int, since: Window) -> int:
        if chunk.last is not None and chunk.last < first:
            return 0
        if chunk.first is not None and chunk.first >= first and chunk.timed is not None:
            return chunk.timed
        writing = part.writing
        if writing is None:  # no row has a time
            return 0
        return sum(int(fetched(of, writing, since).sum()) for of in self._times(part, chunk))

    def _extents(self) -> Iterator[Extent]:
        """Yield the first and the last time of every chunk that has one."""
        for part in self._found():
            for at, chunk in enumerate(part.chunks):
                if chunk.first is not None and chunk.last is not None:
                    yield Extent(first=chunk.first, last=chunk.last, clean=True)
                elif part.writing is not None:
                    found = extent(self._times(part, chunk), part.writing)
                    if found is None:
                        continue
                    if found.clean:  # it need not be read for this again
                        part.chunks[at] = replace(chunk, first=found.first, last=found.last)
                    yield found

    def _times(self, part: Part, chunk: Chunk) -> Iterator[pa.Array]:
        name = self._log.time
        with reading(part.path):
            for batch in part.batches([chunk], only=name):
                yield _plain(normal({name: batch.column(0)})[name])

    def _batch(self, part: Part, batch: pa.RecordBatch, window: Window) -> Batch:
        rows = rows_of(batch, self._log.payload, ids=self._log.id)
        writing, time = part.writing, self._log.time
        if writing is not None:
            columns = {**rows.columns, time: _plain(rows.columns[time])}
            kept = fetched(columns[time], writing, window)
            if not kept.all():
                columns = keep(columns, kept)
            rows = Rows(columns=columns, count=int(kept.sum()))
        else:  # no row has a time
            rows = Rows(columns={}, count=0)
        taken = names(part.schema, apart=self._log.payload)
        shape = Shape(time=time, payload=self._log.payload, taken=taken, id=self._log.id)
        return batch_of(rows, shape, writing=writing, window=window)

    def _found(self) -> list[Part]:
        """Return the files that there are now, those without a footer left out."""
        parts: dict[Path, tuple[_Identity, Part]] = {}
        unfinished: dict[Path, str] = {}
        for path in _matching(self._pattern):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # it was there a moment ago
            identity = (status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._parts.get(path)
            if known is not None and known[0] == identity:
                parts[path] = known
                continue
            try:
                parts[path] = identity, self._opened(path)
            except Unfinished as why:
                unfinished[path] = str(why)
                if path not in self._unfinished:
                    notes.info(
                        "a file is left out until it is written", action="source.unfinished",
                        file=path.name, why=str(why),
                    )  # fmt: skip
        self._parts, self._unfinished = parts, unfinished
        return [part for _, part in parts.values()]

    def _opened(self, path: Path) -> Part:
        part = open_part(path, time=self._log.time, ids=self._log.id, skip=self._skip)
        for key in ("time", "payload"):
            name = getattr(self._log, key)
            if name is not None and name not in part.schema.names:
                raise SourceError(_lacks(f"file {path}", name, key, part.schema.names))
        return part

    def _require_columns(self) -> None:
        found = self.names()
        problems = [
            _lacks(f"{self._pattern}", name, key, sorted(found))
            for key in ("id", "version", "ingested")
            if (name := getattr(self._log, key)) is not None and found and name not in found
        ]
        if problems:
            raise SourceError("\n".join(problems))


def _plain(column: Column) -> Column:
    """Write a column of codes out."""
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def sample_of(pattern: str, rows: int) -> pa.RecordBatch:
    """Return some rows of the last file that has any; none where there is no file with rows.

    Raises
    ------
    SourceError
        If the file or the folder is not there, or cannot be read.
    """
    _require_place(pattern)
    for path in reversed(_matching(pattern)):
        with suppress(Unfinished), reading(path):
            part = open_part(path)
            for batch in part.batches(part.chunks):
                if batch.num_rows:
                    columns = rows_of(batch.slice(0, rows), None).columns
                    return record_batch(columns, min(rows, batch.num_rows))
    return record_batch({}, 0)


def _lacks(what: str, name: str, key: str, known: Iterable[str]) -> str:
    return f"{what} has no column {name!r} (log.{key}); {did_you_mean(name, known)}"


def _require_place(pattern: str) -> None:
    """Refuse a file or a folder that is not there, or what is none of the kinds that are read."""
    path = Path(pattern)
    if path.is_dir():
        raise SourceError(f"{path} is a folder; name the files in it: file:{path}/*.parquet")
    if not glob.has_magic(path.suffix or path.name) and not pattern.endswith(ENDINGS):
        raise SourceError(f"files of a log end in {', '.join(ENDINGS)}; {pattern} does not")
    if not glob.has_magic(pattern):
        if not path.is_file():
            raise missing_file(path)
        return
    fixed = next(of for of in path.parents if not glob.has_magic(str(of)))
    if not fixed.is_dir():
        raise SourceError(f"there is no folder {fixed} to look for {path.name} in")


def _matching(pattern: str) -> list[Path]:
    """Return the files that a pattern names, sorted by name; a file's own name is no pattern."""
    path = Path(pattern)
    if path.is_file():
        return [path]
    if not glob.has_magic(pattern):
        raise missing_file(path)
    found = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207 - an absolute pattern
    return sorted(of for of in found if of.name.endswith(ENDINGS) and of.is_file())


def _first(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return


def _last(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    held: deque[pa.RecordBatch] = deque()
    for batch in batches:
        held.append(batch)
        while sum(of.num_rows for of in held) - held[0].num_rows >= rows:
            held.popleft()
    for batch in reversed(held):
        yield batch.slice(max(0, batch.num_rows - rows))
        rows -= batch.num_rows


def _moment(us: int | None) -> datetime | None:
    return None if us is None else EPOCH + us * MICROSECOND
