"""CSV files: the types of their columns, and their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from monitor.errors import SourceError
from monitor.sources import times
from monitor.sources.batch import ROWS
from monitor.sources.moments import extent
from monitor.sources.normal import normal
from monitor.sources.parts import Chunk, Unfinished
from monitor.sources.times import Writing

_BLOCK = 4 << 20  # bytes that are read at once, more where a row is longer
_LARGEST_BLOCK = 64 << 20
_TOO_LONG = "straddling object"  # what Arrow says of a row that is longer than a block
_PROBED = 200
# What Arrow takes a column for: the first of these that all of its values can be.
_LADDER = (
    pa.null(), pa.int64(), pa.bool_(), pa.date32(), pa.time32("s"), pa.timestamp("s"),
    pa.timestamp("s", "UTC"), pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.float64(),
    pa.string(), pa.binary(),
)  # fmt: skip
_FAILED = re.compile(r"In CSV column #(\d+):")


class CsvPart:
    """One CSV file, which is never in memory whole.

    Types are told from all rows, as a column may begin with whole numbers and go on with fractions:
    the file is read through once before the first batch. An id is a text: 007 is not 7.

    Raises
    ------
    Unfinished
        If nothing is written yet.
    pyarrow.ArrowException, OSError
        If it cannot be read.
    """

    pruned = False  # of a window of it all of it is read

    def __init__(
        self,
        path: Path,
        *,
        time: str | None = None,
        ids: str | None = None,
        skip: frozenset[str] = frozenset(),
        block: int = _BLOCK,
    ) -> None:
        self.path = path
        if not path.stat().st_size:
            raise Unfinished("is empty so far; it is read when it has rows")
        self._types, self._block = _types_and_block(path, block, ids)
        self.schema = pa.schema(list(self._types.items()))
        self._columns = [name for name in self._types if name not in skip]
        self.writing: Writing | None = None
        self.chunks = [Chunk(at=0, first=None, last=None, timed=None)]
        if time in self._types:
            self.writing = self._writing(time)
            self.chunks = [self._chunk(time)]

    def batches(
        self, chunks: Iterable[Chunk], *, only: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        if any(True for _ in chunks):
            columns = self._columns if only is None else [only]
            for batch in _read(self.path, self._types, columns, self._block):
                for at in range(0, batch.num_rows, ROWS):
                    yield batch.slice(at, ROWS)

    def _writing(self, time: str) -> Writing | None:
        of = self._types[time]
        if pa.types.is_timestamp(of) or pa.types.is_date(of):
            return times.native(aware=bool(getattr(of, "tz", None)))
        for batch in _read(self.path, self._types, [time], self._block):
            values = batch.column(0).drop_null().slice(0, _PROBED).to_pylist()
            if values:
                return times.recognise(values, column=time)
        return None

    def _chunk(self, time: str) -> Chunk:
        counts: list[int] = []

        def columns() -> Iterator[pa.Array]:
            for batch in _read(self.path, self._types, [time], self._block):
                counts.append(batch.num_rows - batch.column(0).null_count)
                yield normal({time: batch.column(0)})[time]

        found = None if self.writing is None else extent(columns(), self.writing)
        if found is None or not found.clean:  # what is no time may lie anywhere
            return Chunk(at=0, first=None, last=None, timed=None)
        return Chunk(at=0, first=found.first, last=found.last, timed=sum(counts))


def _types_and_block(path: Path, block: int, ids: str | None) -> tuple[dict[str, pa.DataType], int]:
    """Return the types, and the bytes to be read at once, which have to hold the longest row."""
    while True:
        try:
            return _types(path, block, ids), block
        except pa.ArrowInvalid as error:
            if _TOO_LONG not in str(error) or block >= _LARGEST_BLOCK:
                raise
        block *= 4


def _types(path: Path, block: int, ids: str | None) -> dict[str, pa.DataType]:
    """Return the type of every column by name, told from all rows.

    The first block gives a guess. Where a later value does not fit, its column goes on to the next
    type that may, and the file is read again.
    """
    with _opened(path, {}, None, block) as reader:
        types = dict(zip(reader.schema.names, reader.schema.types, strict=True))
        twice = len(reader.schema.names) > len(types)
    if twice:
        raise SourceError(f"{path} has two columns of one name; give each a name of its own")
    if ids in types:
        types[ids] = pa.string()
    while True:
        try:
            for _ in _read(path, types, None, block):
                pass
        except pa.ArrowInvalid as error:
            failed = _FAILED.search(str(error))
            if failed is None:
                raise
            name = list(types)[int(failed[1])]
            types[name] = _LADDER[_LADDER.index(types[name]) + 1]
        else:
            return types


def _read(
    path: Path, types: dict[str, pa.DataType], columns: list[str] | None, block: int
) -> Iterator[pa.RecordBatch]:
    with _opened(path, types, columns, block) as reader:
        yield from reader


def _opened(
    path: Path, types: dict[str, pa.DataType], columns: list[str] | None, block: int
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=block),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            include_columns=columns,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
