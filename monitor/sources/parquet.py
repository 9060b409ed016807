"""Parquet files: what their footers tell, and their row groups."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitor.sources import times
from monitor.sources.batch import rows_at_once, rows_of_size
from monitor.sources.moments import microseconds
from monitor.sources.parts import Chunk, Unfinished
from monitor.sources.times import Writing

_MAGIC = (b"PAR1", b"PARE")
_PROBED = 200
_LARGEST_DICTIONARY = 1 << 17  # bytes of one that stands for few values
_MORE = 4  # times the rows of a batch: columns come ready, so what a batch itself costs counts
_BUFFER = 1 << 16  # bytes of a column that are read at once, in place of all of a row group
_PER_MICROSECOND = {"milliseconds": (1_000, 1), "microseconds": (1, 1), "nanoseconds": (1, 1_000)}
_DAY_US = 86_400_000_000


class ParquetPart:
    """One Parquet file.

    Parameters
    ----------
    time
        The column with the event time, None where nothing is asked about it.
    skip
        Columns that are not read.

    Raises
    ------
    Unfinished
        If the file has no footer yet.
    pyarrow.ArrowException, OSError
        If it cannot be read.
    """

    pruned = True

    def __init__(
        self, path: Path, *, time: str | None = None, skip: frozenset[str] = frozenset()
    ) -> None:
        self.path = path
        self._require_footer()
        with pq.ParquetFile(path) as file:
            self.schema, metadata = file.schema_arrow, file.metadata
            self._columns = [name for name in _leaves(metadata) if not _is_among(name, skip)]
            self._coded = [name for name in _coded(metadata) if name != time]
            self.writing = None
            if time is not None and time in self.schema.names:
                self.writing = _writing(file, time)
            self._sizes: list[float] = [
                metadata.row_group(at).total_byte_size / max(1, metadata.row_group(at).num_rows)
                for at in range(metadata.num_row_groups)
            ]
            self.chunks = [
                _chunk(metadata, at, time, self.writing) for at in range(metadata.num_row_groups)
            ]

    def batches(
        self, chunks: Iterable[Chunk], *, only: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        groups = [chunk.at for chunk in chunks]
        if not groups:
            return
        columns = self._columns if only is None else [only]
        with pq.ParquetFile(
            self.path,
            read_dictionary=self._coded,
            pre_buffer=False,  # else all wanted row groups are in memory at once
            buffer_size=_BUFFER,
            coerce_int96_timestamp_unit="us",
        ) as file:
            rows = rows_of_size(self._row_bytes(groups), _MORE * rows_at_once(len(columns)))
            yield from file.iter_batches(rows, groups, columns, use_threads=False)

    def _row_bytes(self, groups: Sequence[int]) -> float:
        """Return the bytes of a row where rows are longest, as the file holds them."""
        return max((self._sizes[at] for at in groups), default=0.0)

    def _require_footer(self) -> None:
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 4))
            if size < 12 or file.read(4) not in _MAGIC:
                raise Unfinished("has no footer yet; it is read when it has one")


def _leaves(metadata: pq.FileMetaData) -> list[str]:
    return [metadata.schema.column(at).path for at in range(metadata.num_columns)]


def _is_among(leaf: str, skip: frozenset[str]) -> bool:
    """Tell whether a leaf is a column to skip, or lies in one."""
    ends = [at for at, sign in enumerate(leaf) if sign == "."]
    return leaf in skip or any(leaf[:end] in skip for end in ends)


def _coded(metadata: pq.FileMetaData) -> list[str]:
    """Return the text columns whose values are few enough to be read as codes."""
    if not metadata.num_row_groups:
        return []
    first = metadata.row_group(0)
    columns = [
        first.column(at)
        for at in range(metadata.num_columns)
        if not metadata.schema.column(at).max_repetition_level  # lies in no list
    ]
    return [
        column.path_in_schema
        for column in columns
        if column.physical_type == "BYTE_ARRAY"
        and column.has_dictionary_page
        and 0 < column.data_page_offset - column.dictionary_page_offset < _LARGEST_DICTIONARY
    ]


def _writing(file: pq.ParquetFile, time: str) -> Writing | None:
    of = file.schema_arrow.field(time).type
    if pa.types.is_timestamp(of) or pa.types.is_date(of):
        return times.native(aware=bool(getattr(of, "tz", None)))
    values: list[Any] = []
    for batch in file.iter_batches(_PROBED, columns=[time], use_threads=False):
        values += [value for value in batch.column(0).to_pylist() if value is not None]
        if len(values) >= _PROBED:
            break
    return times.recognise(values, column=time) if values else None


def _chunk(
    metadata: pq.FileMetaData, group: int, time: str | None, writing: Writing | None
) -> Chunk:
    unknown = Chunk(at=group, first=None, last=None, timed=None)
    if writing is None or time is None:
        return unknown
    at = _leaves(metadata).index(time)
    found = metadata.row_group(group).column(at).statistics
    if found is None or not found.has_min_max:
        return unknown
    of = json.loads(metadata.schema.column(at).logical_type.to_json())
    first = _moment(found.min_raw, of, writing)
    last = _moment(found.max_raw, of, writing)
    if first is None or last is None:
        return unknown
    timed = None
    if found.has_null_count:
        timed = metadata.row_group(group).num_rows - found.null_count
    return Chunk(at=group, first=first, last=last, timed=timed)


def _moment(raw: Any, of: dict[str, Any], writing: Writing) -> int | None:
    """Return a bound of a column as microseconds, None where it is no time."""
    if of["Type"] == "Timestamp":
        times_, parts = _PER_MICROSECOND[of["timeUnit"]]
        return _within(raw * times_ // parts)
    if of["Type"] == "Date":
        return _within(raw * _DAY_US)
    value = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    moment = writing.read(value)
    return microseconds(moment) if isinstance(moment, datetime) else None


def _within(us: int) -> int | None:
    return us if microseconds(times.FIRST) <= us < microseconds(times.LAST) else None
