"""What every source hands on: Arrow rows, and how many were read and turned away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ROWS = 16_384  # rows of a batch at most, so that memory does not grow with a window
BYTES = 32 << 20  # of a batch at most, as far as the rows before let expect
_CELLS = 1 << 21  # cells of a batch at most, so that it does not grow with the columns either


def rows_at_once(columns: int) -> int:
    """Return how many rows of so many columns a batch has at most.

    >>> rows_at_once(45), rows_at_once(2_000)
    (16384, 1048)
    """
    return max(1, min(ROWS, _CELLS // max(1, columns)))


def rows_of_size(row: float, most: int) -> int:
    """Return how many rows of so many bytes a batch has, at most `most`.

    >>> rows_of_size(100, 16_384), rows_of_size(1 << 20, 16_384)
    (16384, 32)
    """
    return max(1, min(most, int(BYTES / max(row, 1))))


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some of the rows that were asked for.

    Attributes
    ----------
    rows : RecordBatch
        The plain columns and the payload's keys, flattened with dots. Column types are null, bool,
        int64, double, string, a dictionary of strings, timestamp[us, UTC], binary, a list of
        anything, or a dense union of double, string and bool where the values of this batch are of
        several types. Batches of one source may differ in their columns and types. A dictionary
        may hold values that no row of the batch has, and a moment may lie beyond the years 1 to
        9999. Without columns and rows where a source takes its time.
    read : int
        Rows fetched: ``rows.num_rows + sum(rejected.values())``.
    rejected : mapping from reason to count
        Rows that could not be understood; the reasons are the constants of `monitor.sources`.
    rejected_at : mapping from reason to int [count]
        When those were, in microseconds since 1970; without the reasons that are about the time.
    absent : mapping from column to bool [n]
        Which rows lack a key of the payload, where some do; a key that is null is there.
    cut_at : mapping from limit to int [count]
        When the rows were that are among `rows` with less than they came with.
    """

    rows: pa.RecordBatch
    read: int
    rejected: Mapping[str, int]
    rejected_at: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    absent: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    cut_at: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
