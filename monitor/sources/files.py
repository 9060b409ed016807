"""A baseline in a Parquet or CSV file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.sources.arrays import TIMESTAMP, array_of
from monitor.sources.batch import ROWS, Batch
from monitor.sources.payload import flatten, read_payloads

_PARQUET = {".parquet", ".pq"}
_CSV = {".csv", ".gz"}


class FileReader:
    """Reads a file in batches. A CSV file is held in memory whole, a Parquet file is not."""

    def __init__(self, path: Path, *, payload: str | None = None) -> None:
        if not path.is_file():
            near = did_you_mean(path.name, [p.name for p in path.parent.glob("*") if p.is_file()])
            raise SourceError(f"there is no baseline file {path}; {near}")
        if path.suffix not in _PARQUET | _CSV:
            raise SourceError(f"baseline file {path} must be .parquet, .csv or .csv.gz")
        self._path = path
        self._payload = payload

    def batches(self) -> Iterator[Batch]:
        try:
            for batch in self._record_batches():
                yield self._batch(batch)
        except (pa.ArrowException, OSError) as error:
            # Arrow quotes the value that it could not read; the kind of error says enough.
            raise SourceError(
                f"baseline file {self._path} cannot be read as "
                f"{'Parquet' if self._path.suffix in _PARQUET else 'CSV'} ({type(error).__name__})"
            ) from None

    def close(self) -> None:
        """Nothing stays open between two readings."""

    def _record_batches(self) -> Iterator[pa.RecordBatch]:
        if self._path.suffix in _PARQUET:
            with pyarrow.parquet.ParquetFile(self._path) as file:
                yield from file.iter_batches(ROWS)
        else:
            # Types are told from all rows: a column may begin with whole numbers and go on with
            # fractions, which a streaming reader fails on.
            options = pyarrow.csv.ConvertOptions(
                strings_can_be_null=True, quoted_strings_can_be_null=False
            )
            table = pyarrow.csv.read_csv(self._path, convert_options=options)
            yield from table.to_batches(ROWS)

    def _batch(self, batch: pa.RecordBatch) -> Batch:
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        read, rejected, inner = batch.num_rows, Counter[str](), dict[str, list[Any]]()
        if self._payload is not None:
            if self._payload not in columns:
                near = did_you_mean(self._payload, columns)
                raise SourceError(
                    f"baseline file {self._path} has no column {self._payload!r} "
                    f"(baseline.payload); {near}"
                )
            taken = frozenset(columns)
            values = columns.pop(self._payload).to_pylist()
            payloads = read_payloads(values, parsed=False)
            if payloads.kept is not None:
                kept = pa.array(payloads.kept)
                columns = {name: column.filter(kept) for name, column in columns.items()}
                rejected = payloads.rejected
            inner = flatten(payloads.objects, taken=taken, payload=self._payload)
        arrays: dict[str, pa.Array] = {}
        for name, column in columns.items():
            _add(arrays, name, column)
        arrays |= {name: array_of(values) for name, values in inner.items()}
        rows = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
        return Batch(rows=rows, read=read, rejected=dict(rejected))


def _add(arrays: dict[str, pa.Array], name: str, column: pa.Array) -> None:
    """Add a column, or those of its fields, in one of the types a batch may have."""
    if pa.types.is_struct(column.type):
        for field, part in zip(column.type, column.flatten(), strict=True):
            _add(arrays, f"{name}.{field.name}", part)
        return
    arrays[name] = _normal(column)


def _normal(column: pa.Array) -> pa.Array:
    of = column.type
    if pa.types.is_dictionary(of):
        return _normal(column.dictionary_decode())
    target = _target(of)
    if target is None:
        values: Sequence[Any] = column.to_pylist()
        return array_of(values)
    return column if of == target else column.cast(target, safe=False)


def _target(of: pa.DataType) -> pa.DataType | None:
    """Return the type that a batch has for a file's type, None where Python has to convert."""
    is_ = pa.types
    if is_.is_null(of) or is_.is_boolean(of):
        return of
    if is_.is_integer(of) and of != pa.uint64():
        return pa.int64()
    if is_.is_floating(of) or is_.is_decimal(of) or of == pa.uint64():
        return pa.float64()
    if is_.is_string(of) or is_.is_large_string(of) or is_.is_string_view(of):
        return pa.string()
    if is_.is_timestamp(of) or is_.is_date(of):
        return TIMESTAMP
    return None
