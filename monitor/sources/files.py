"""Files: how one is opened, and a baseline that lies in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from monitor.config import Limits
from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.sources.batch import Batch
from monitor.sources.csvs import CsvPart
from monitor.sources.normal import names, normal
from monitor.sources.parquet import ParquetPart
from monitor.sources.parts import CSV, PARQUET, Part, Unfinished
from monitor.sources.rows import Rows, Shape, batches_of

USUAL = Limits()


def open_part(
    path: Path,
    *,
    time: str | None = None,
    ids: str | None = None,
    skip: frozenset[str] = frozenset(),
) -> Part:
    """Look into a file.

    Raises
    ------
    Unfinished
        If it is a Parquet file without a footer.
    SourceError
        If it cannot be read, or is of another kind.
    """
    with reading(path):
        if path.suffix in PARQUET:
            return ParquetPart(path, time=time, skip=skip)
        if path.suffix in CSV:
            return CsvPart(path, time=time, ids=ids, skip=skip)
    raise SourceError(f"file {path} must be .parquet, .csv or .csv.gz")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say of a file that cannot be read that it cannot.

    Arrow quotes the value that it could not read; the kind of error says enough.
    """
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"file {path} cannot be read as {'Parquet' if path.suffix in PARQUET else 'CSV'} "
            f"({type(error).__name__})"
        ) from None


def missing_file(path: Path, *, what: str = "file") -> SourceError:
    """Say that there is no such file, with the nearest right name."""
    near = did_you_mean(path.name, [p.name for p in path.parent.glob("*") if p.is_file()])
    return SourceError(f"there is no {what} {path}; {near}")


def rows_of(batch: pa.RecordBatch, payload: str | None, *, ids: str | None = None) -> Rows:
    """Bring a file's rows to the types of a batch."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return Rows(columns=normal(columns, apart=payload, ids=ids), count=batch.num_rows)


class FileReader:
    """Reads a baseline's file in batches, without the columns to skip."""

    def __init__(
        self,
        path: Path,
        *,
        payload: str | None = None,
        skip: frozenset[str] = frozenset(),
        expected: frozenset[str] = frozenset(),
        limits: Limits = USUAL,
    ) -> None:
        if not path.is_file():
            raise missing_file(path, what="baseline file")
        self._path = path
        self._payload = payload
        self._skip = skip
        self._expected, self._limits = expected, limits

    def batches(self) -> Iterator[Batch]:
        try:
            part = open_part(self._path, skip=self._skip)
        except Unfinished as why:
            kind = "Parquet" if self._path.suffix in PARQUET else "CSV"
            raise SourceError(f"file {self._path} cannot be read as {kind}: it {why}") from None
        if self._payload is not None and self._payload not in part.schema.names:
            near = did_you_mean(self._payload, part.schema.names)
            raise SourceError(
                f"file {self._path} has no column {self._payload!r} (baseline.payload); {near}"
            )
        shape = Shape(
            payload=self._payload, taken=names(part.schema, apart=self._payload),
            limits=self._limits, expected=self._expected,
        )  # fmt: skip
        with reading(self._path):
            for batch in part.batches(part.chunks):
                yield from batches_of(rows_of(batch, self._payload), shape)

    def names(self) -> Iterable[str]:
        """Return the columns that its first rows have."""
        for batch in self.batches():
            return list(batch.rows.schema.names)
        return ()

    def cancel(self) -> None:
        """No reading of a file takes long by itself."""

    def close(self) -> None:
        """Nothing stays open between two readings."""
