"""What a log in files is made of: files, and in them chunks that are read each by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from monitor.sources.times import Writing

PARQUET = frozenset({".parquet", ".pq"})
CSV = frozenset({".csv", ".gz"})
ENDINGS = (".parquet", ".pq", ".csv", ".csv.gz")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Rows that are read together: a row group of a Parquet file, or a CSV file.

    Attributes
    ----------
    at : int
        Its place in the file.
    first, last : int or None
        No event time in it lies outside of these, in microseconds since 1970; None where that is
        not known.
    timed : int or None
        The rows that have a time, where that is known.
    """

    at: int
    first: int | None
    last: int | None
    timed: int | None


class Part(Protocol):
    """One file."""

    path: Path
    schema: pa.Schema
    writing: Writing | None  # of its times; None where it has no row to tell by
    chunks: list[Chunk]
    pruned: bool  # whether chunks are small beside the file

    def batches(
        self, chunks: Iterable[Chunk], *, only: str | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Read chunks, all wanted columns of them or one."""


class Unfinished(Exception):
    """A file that somebody is still writing; the text says what it lacks."""
