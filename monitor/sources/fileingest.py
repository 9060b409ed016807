"""The column that says when rows were written, in files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.errors import SourceError
from monitor.late import Mark
from monitor.sources import times
from monitor.sources.arrays import Column
from monitor.sources.files import reading
from monitor.sources.ingest import Ingest, ingest_of
from monitor.sources.moments import Truths, extent, fetched
from monitor.sources.normal import normal
from monitor.sources.parts import Part
from monitor.sources.times import EPOCH, MICROSECOND
from profiles.buffers import missing, truths_of
from profiles.windows import Window

_PROBED = 200


class FileIngest:
    """Follows one column over files, of which some may lack it.

    A file that has not changed is not read again for its largest value.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._largest: dict[Path, tuple[Part, Mark | None]] = {}

    def ingest(self, parts: Iterable[Part]) -> Ingest | None:
        """Tell what the column holds, by the first file that has any.

        Raises
        ------
        SourceError
            If it holds neither times nor numbers.
        """
        return next((of for of in map(self._of, parts) if of is not None), None)

    def newest(self, parts: Iterable[Part], *, until: datetime) -> Mark | None:
        """Return the largest value; of times none after `until`."""
        marks = [mark for _, mark in self._look(parts) if mark is not None]
        moments = [min(mark, until) for mark in marks if isinstance(mark, datetime)]
        numbers = [mark for mark in marks if isinstance(mark, int)]
        if moments and numbers:
            raise SourceError(
                f"log.ingested: column {self._name!r} holds times in some files and numbers in "
                "others; write one of them"
            )
        return max(moments) if moments else max(numbers, default=None)

    def since(self, parts: Iterable[Part], mark: Mark) -> Iterator[tuple[Part, pa.RecordBatch]]:
        """Read the rows that were written at a mark or after it, file by file."""
        for part, largest in self._look(parts):
            ingest = None if largest is None else self._of(part)
            if ingest is None or not ingest.fits(mark):
                continue
            with reading(part.path):
                for batch in part.batches(part.chunks):
                    new = _since(_plain(batch.column(self._name)), ingest, mark)
                    if new.any():
                        yield part, batch.filter(pa.array(new))

    def _look(self, parts: Iterable[Part]) -> list[tuple[Part, Mark | None]]:
        """Return the largest value of each file."""
        known, self._largest = self._largest, {}
        for part in parts:
            before = known.get(part.path)
            same = before is not None and before[0] is part  # else it is another or has grown
            self._largest[part.path] = (part, before[1] if before and same else self._last(part))
        return list(self._largest.values())

    def _last(self, part: Part) -> Mark | None:
        ingest = self._of(part)
        if ingest is None:
            return None
        with reading(part.path):
            columns = [
                _plain(batch.column(0)) for batch in part.batches(part.chunks, only=self._name)
            ]
        if ingest.writing is None:
            found = [pc.max(column).as_py() for column in columns]
            return max((ingest.read(value) for value in found if value is not None), default=None)
        last = extent(columns, ingest.writing)
        return None if last is None else EPOCH + last.last * MICROSECOND

    def _of(self, part: Part) -> Ingest | None:
        """Tell what one file has there; None where it lacks the column, or any value in it."""
        if self._name not in part.schema.names:
            return None
        of = part.schema.field(self._name).type
        if pa.types.is_timestamp(of) or pa.types.is_date(of):
            aware = bool(getattr(of, "tz", None))
            return Ingest(column=self._name, writing=times.native(aware=aware))
        with reading(part.path):
            for batch in part.batches(part.chunks, only=self._name):
                values = batch.column(0).drop_null().slice(0, _PROBED).to_pylist()
                if values:
                    return ingest_of(values, self._name)
        return None


def _since(column: pa.Array, ingest: Ingest, mark: Mark) -> Truths:
    if isinstance(mark, datetime):
        assert ingest.writing is not None
        return fetched(column, ingest.writing, Window(start=mark, end=times.LAST))
    if pa.types.is_null(column.type):
        return np.zeros(len(column), bool)
    new: Truths = truths_of(pc.greater_equal(column, mark)) & ~missing(column)
    return new


def _plain(array: pa.Array) -> pa.Array:
    """Bring times and numbers to the types of a batch, codes written out."""
    column: Column = normal({"": array})[""]
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
