"""What a reader makes of a column: numbers, and a mark on the rows that have none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.buffers import missing
from profiles.values import MISMATCH, MISSING, NON_FINITE, PRESENT, union_arms

Marks = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Some numbers of every row.

    Attributes
    ----------
    values : float64 or int64 [P, n]
        One row for each part; 0 where `mark` is not PRESENT.
    mark : uint8 [n]
        PRESENT, MISSING (null), NON_FINITE (a time beyond the calendar) or MISMATCH (no value of
        the kind). It holds for all parts.
    """

    values: npt.NDArray[Any]
    mark: Marks

    def take(self, index: npt.NDArray[np.integer[Any]], null: npt.NDArray[np.bool_]) -> Measures:
        """Return one column for every index; those under `null` are missing."""
        if not len(self.mark):
            return Measures(
                values=np.zeros((len(self.values), len(index)), self.values.dtype),
                mark=np.full(len(index), MISSING, np.uint8),
            )
        return Measures(
            values=np.where(null, 0, self.values[:, index]),
            mark=np.where(null, MISSING, self.mark[index]).astype(np.uint8),
        )


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How columns of one kind are measured.

    Attributes
    ----------
    parts : tuple of str
        What is measured, in the order of `Measures.values`.
    takes : function
        Whether values of an Arrow type can be of the kind.
    measure : function
        Measures a plain array of such a type.
    whole : bool
        Whether the measures are integers.
    """

    parts: tuple[str, ...]
    takes: Callable[[pa.DataType], bool]
    measure: Callable[[pa.Array], Measures]
    whole: bool = False


def read(array: pa.Array, reader: Reader) -> Measures:
    """Measure a column of any type; what is of another kind is a mismatch, never missing."""
    of = array.type
    if pa.types.is_dictionary(of):
        if len(array.dictionary) > len(array):
            return read(array.dictionary_decode(), reader)
        entries = read(array.dictionary, reader)
        return entries.take(array.indices.fill_null(0).to_numpy(), missing(array))
    if pa.types.is_union(of):
        return _union(array, reader)
    if reader.takes(of):
        return reader.measure(array)
    mark = np.where(missing(array), MISSING, MISMATCH).astype(np.uint8)
    return Measures(values=_zeros(reader, len(array)), mark=mark)


def as_arrow(values: npt.NDArray[np.float64], mark: Marks) -> pa.Array:
    """Make a column of measures [n] that a numeric grid bins as they are marked."""
    absent = mark == MISSING
    numbers = np.where(mark == NON_FINITE, np.inf, values)
    column = pa.array(numbers, pa.float64(), mask=absent if absent.any() else None)
    mismatch = mark == MISMATCH
    if not mismatch.any():
        return column
    # Beside numbers a truth value is a mismatch, which a null or a NaN would not be.
    return pa.UnionArray.from_sparse(
        pa.array(mismatch.astype(np.int8)), [column, pa.array(np.ones(len(mark), bool))]
    )


def marks(array: pa.Array) -> Marks:
    """Mark an array whose values all are of the kind."""
    return np.where(missing(array), MISSING, PRESENT).astype(np.uint8)


def _union(array: pa.Array, reader: Reader) -> Measures:
    values, mark = _zeros(reader, len(array)), np.full(len(array), MISSING, np.uint8)
    for rows, arm in union_arms(array):
        found = read(arm, reader)
        values[:, rows], mark[rows] = found.values, found.mark
    return Measures(values=values, mark=mark)


def _zeros(reader: Reader, rows: int) -> npt.NDArray[Any]:
    return np.zeros((len(reader.parts), rows), np.int64 if reader.whole else np.float64)
