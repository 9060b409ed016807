"""How many bytes the texts of each row are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitor.sources.arrays import Column
from monitor.sources.payload import TooLarge
from profiles.buffers import values_of

Ints = npt.NDArray[np.int64]

_WIDEST = 4  # bytes of a character, at most


def too_large(columns: Iterable[Column], rows: int, most: int) -> npt.NDArray[np.bool_] | None:
    """Tell which rows have more bytes of text than `most`, None where none has."""
    listed = list(columns)
    if sum(map(_most_of, listed)) <= most:  # nearly always
        return None
    sizes = np.zeros(rows, np.int64)
    for column in listed:
        if _most_of(column):
            sizes += _of_array(column) if isinstance(column, pa.Array) else _of_values(column)
    large = sizes > most
    return large if large.any() else None


def _most_of(column: Column) -> int:
    """Return a bound of the bytes of the longest text, quickly."""
    if not isinstance(column, pa.Array):
        return max(map(_upper, column), default=0)
    if pa.types.is_dictionary(column.type):
        return _most_of(column.dictionary)
    if _is_text(column.type):
        return int(pc.max(pc.binary_length(column)).as_py() or 0)
    return int(column.nbytes) if pa.types.is_nested(column.type) else 0


def _upper(value: Any) -> int:
    if type(value) is str:
        return _WIDEST * len(value)
    return _size(value)


def _size(value: Any) -> int:
    if type(value) is str:
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bytes | bytearray | memoryview):
        return len(value)
    return value.size if isinstance(value, TooLarge) else 0


def _of_values(column: Sequence[Any]) -> Ints:
    return np.fromiter(map(_size, column), np.int64, len(column))


def _of_array(column: pa.Array) -> Ints:
    """Return the bytes of text in each value [n]."""
    of = column.type
    if pa.types.is_dictionary(of):
        sizes = np.append(_of_array(column.dictionary), 0)
        index = column.indices.cast(pa.int64()).fill_null(len(sizes) - 1)
        return np.asarray(sizes[values_of(index, np.int64)], np.int64)
    if _is_text(of):
        lengths = pc.binary_length(column).fill_null(0).cast(pa.int64())
        return np.array(values_of(lengths, np.int64))
    if pa.types.is_union(of):
        return _of_values(column.to_pylist())
    if pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of):
        inner = np.append(0, np.cumsum(_of_array(column.flatten())))
        many = values_of(pc.list_value_length(column).fill_null(0).cast(pa.int64()), np.int64)
        ends = np.cumsum(many)
        return np.asarray(inner[ends] - inner[ends - many] + 8 * many, np.int64)
    return np.zeros(len(column), np.int64)


def _is_text(of: pa.DataType) -> bool:
    return any(
        is_(of)
        for is_ in (
            pa.types.is_string, pa.types.is_large_string, pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )  # fmt: skip
