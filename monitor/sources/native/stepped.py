"""Rows of a SQLite statement, taken by its C functions cell by cell, each with its own type."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from monitor.sources.native.memory import address, as_bits, compiled, copy, foreign
from monitor.sources.native.texts import SHORT, SLACK

NONE, WHOLE, REAL, TEXT, BLOB = range(5)  # what a cell holds; SQLite's own codes but for NULL

# Why `take` came back.
FULL, LARGE, ENDED, FAILED = range(4)

_ROW, _DONE = 100, 101

FUNCTIONS = (
    "step", "column_value", "value_type", "value_int64", "value_double", "value_text",
    "value_blob", "value_bytes",
)  # fmt: skip

_step = foreign(types.int32, types.uintp)
_value = foreign(types.uintp, types.uintp, types.int32)
_int = foreign(types.int32, types.uintp)
_whole = foreign(types.int64, types.uintp)
_real = foreign(types.float64, types.uintp)
_pointer = foreign(types.uintp, types.uintp)


def functions(library: ctypes.CDLL) -> npt.NDArray[np.uint64]:
    """Return the addresses that `take` needs; AttributeError where one is missing."""
    return np.array([address(library, f"sqlite3_{name}") for name in FUNCTIONS], np.uint64)


@compiled
def take(functions, statement, standing, bits, marks, large, most, block) -> Any:  # type: ignore[no-untyped-def]
    """Take rows until there is no room or no more.

    Parameters
    ----------
    functions : uint64 [8]
        The addresses of FUNCTIONS.
    statement : uint64
        The address of the prepared statement.
    standing : int64 [2]
        Whether the statement stands on a row that is not taken yet, and the bytes that its cell
        without room needs. Kept between calls.
    bits : int64 [columns, rows], marks : uint8 [columns, rows]
        Written: the values, doubles as their bits; of texts and blobs, where they begin in the
        block, times 2³², plus their length.
    large : bool [rows]
        Set where a row has texts of more than `most` bytes; what is beyond is left out as a NULL.
    block : uint8 [size]

    Returns
    -------
    tuple of int
        Why it came back, and the rows written. LARGE: the block has no room for a first row, which
        needs ``standing[1]`` bytes or more.
    """
    start = np.uint64(block.ctypes.data)
    used = np.int64(0)
    for row in range(bits.shape[1]):
        if standing[0] == 0:
            answer = _step(functions[0], (statement,))
            if answer != _ROW:
                return (ENDED if answer == _DONE else FAILED), row
            standing[0] = 1
        texts = np.int64(0)
        for column in range(bits.shape[0]):
            value = _value(functions[1], (statement, np.int32(column)))
            kind = _int(functions[2], (value,))
            if kind == REAL:
                bits[column, row] = as_bits(_real(functions[4], (value,)))
            elif kind == WHOLE:
                bits[column, row] = _whole(functions[3], (value,))
            elif kind in (TEXT, BLOB):
                at = _pointer(functions[5 if kind == TEXT else 6], (value,))
                size = np.int64(_int(functions[7], (value,)))
                texts += size
                if texts > most and size > SHORT:
                    bits[column, row], marks[column, row], large[row] = 0, NONE, True
                    continue
                if used + size + SLACK > len(block):
                    standing[1] = used + size + SLACK
                    return (LARGE if row == 0 else FULL), row
                copy(start + np.uint64(used), at, size)
                bits[column, row] = used << 32 | size
                used += size
            else:
                kind = NONE
                bits[column, row] = 0
            marks[column, row] = kind
        standing[0] = 0
    return FULL, bits.shape[1]
