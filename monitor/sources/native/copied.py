"""Rows of a binary COPY, taken from libpq and decoded as they come.

The layout is PostgreSQL's: a header, then for each row the number of its fields, and for each
field its length in bytes, −1 for NULL, and its value as the type's `send` function writes it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from monitor.sources.native.memory import (
    address,
    as_bits,
    big_i16,
    big_i32,
    big_i64,
    big_u16,
    byte,
    compiled,
    copy,
    foreign,
)
from monitor.sources.native.texts import SHORT, SLACK

# How a field is decoded. Those from BYTES on are written to the block.
BOOL, INT2, INT4, INT8, UINT4, FLOAT8, TIME, DAY, NUMERIC, BYTES, UUID = range(11)
_SIZES = np.array([1, 2, 4, 8, 4, 8, 8, 4])

# What became of a cell.
MISSING, PRESENT, WRITTEN = range(3)  # WRITTEN: a number of too many digits, left as it came

# Why `take` came back.
WAIT, FULL, LARGE, ENDED, FAILED, BROKEN, _GOT = range(7)

FAR_BACK, FAR_AHEAD = -(2**63), 2**63 - 1  # a moment before year 1, one after year 9999
_EPOCH = 946_684_800_000_000  # 2000, where PostgreSQL's times begin, in microseconds since 1970
_FIRST = -62_135_596_800_000_000 - _EPOCH  # year 1, and
_LAST = 253_402_300_799_999_999 - _EPOCH  # the end of year 9999, in microseconds since 2000
_DAY_US = 86_400_000_000

_NOT_A_NUMBER, _BELOW_ALL = 0xC000, 0xF000  # signs of numbers that are none
_EXACT = 2**53
_TENS = 10.0 ** np.arange(23)

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_DASH = ord("-")
_WIDEST = 3  # bytes written for one that was read, at most: 16 of a UUID become 36
_HEADER = 19  # bytes before the first row, whose last four tell how many more there are
_MOST = 1 << 30  # bytes of the block that are filled, so that none of its texts is out of reach

_ASKED = 4  # times that more is asked for: what came encrypted may be handed on in parts

_get = foreign(types.int32, types.uintp, types.uintp, types.int32)
_free = foreign(types.void, types.uintp)
_more = foreign(types.int32, types.uintp)

FUNCTIONS = ("PQgetCopyData", "PQfreemem", "PQconsumeInput")


def functions(library: ctypes.CDLL) -> npt.NDArray[np.uint64]:
    """Return the addresses that `take` needs; AttributeError where one is missing."""
    return np.array([address(library, name) for name in FUNCTIONS], np.uint64)


@compiled
def take(functions, connection, message, kinds, bits, marks, large, most, block, row, used) -> Any:  # type: ignore[no-untyped-def]
    """Decode rows until there is no room, no data, or no more.

    Parameters
    ----------
    functions : uint64 [3]
        The addresses of FUNCTIONS.
    connection : uint64
        The address of the connection, on which a COPY runs.
    message : uint64 [3]
        A row that was taken and not decoded yet: its address or 0, its length, and the number of
        messages so far. Kept between calls.
    kinds : int8 [columns]
    bits : int64 [columns, rows], marks : uint8 [columns, rows]
        Written: the values, doubles as their bits; of bytes, where they begin in the block, times
        2³², plus their length.
    large : bool [rows]
        Set where a row has texts of more than `most` bytes; what is beyond is left out as a NULL.
    block : uint8 [size]
        Texts are read eight bytes at a time, so SLACK bytes at its end stay free.
    row, used : int
        How many rows and bytes of the block are written.

    Returns
    -------
    tuple of int
        Why it came back, and `row` and `used` now. LARGE: the block has no room for the next row
        though it is empty; it takes ``message[1]`` bytes of it, or what may be taken in.
    """
    place = np.uint64(message.ctypes.data)
    while row < bits.shape[1]:
        why = _next(functions, connection, message, place)
        if why != _GOT:
            return why, row, used
        size = min(np.int64(message[1]), np.int64(most + SHORT * len(kinds)))  # that is taken in
        if used > _MOST or used + _WIDEST * size + SLACK > len(block):
            return (LARGE if used == 0 else FULL), row, used
        at = message[0]
        end = at + np.uint64(message[1])
        if message[2] == 1:
            at += np.uint64(_HEADER + big_i32(at + np.uint64(_HEADER - 4)))
        if big_i16(at) >= 0:  # else it is no row but the end of the rows
            used = _row(at, end, kinds, bits, marks, large, most, block, row, used)
            row += 1
        release(functions, message)
        if used < 0:
            return BROKEN, row, used
    return FULL, row, used


@compiled
def release(functions, message) -> None:  # type: ignore[no-untyped-def]
    """Free the row that was taken last."""
    if message[0] != 0:
        _free(functions[1], (message[0],))
        message[0] = 0


def room(size: int, most: int, columns: int) -> int:
    """Return the bytes of a block that has room for what is taken in of a row of `size` bytes."""
    return _WIDEST * min(size, most + SHORT * columns) + SLACK


@compiled
def _next(functions, connection, message, place) -> Any:  # type: ignore[no-untyped-def]
    """Take the next row, unless one is waiting; returns _GOT, or why there is none."""
    asked = 0
    while message[0] == 0:
        size = _get(functions[0], (connection, place, np.int32(1)))
        if size > 0:
            message[1] = size
            message[2] += np.uint64(1)
        elif size < 0:
            return ENDED if size == -1 else FAILED
        elif asked == _ASKED:
            return WAIT
        elif _more(functions[2], (connection,)) == 0:
            return FAILED
        else:
            asked += 1
    return _GOT


@compiled
def _row(at, end, kinds, bits, marks, large, most, block, row, used) -> Any:  # type: ignore[no-untyped-def]
    """Decode one row; returns the bytes of the block that are used, −1 where it is malformed."""
    if big_i16(at) != len(kinds):
        return -1
    at += np.uint64(2)
    texts = np.int64(0)
    for column in range(len(kinds)):
        if at + np.uint64(4) > end:
            return -1
        size = np.int64(big_i32(at))
        at += np.uint64(4)
        if size < 0:
            bits[column, row] = 0
            marks[column, row] = MISSING
            continue
        kind = kinds[column]
        if at + np.uint64(size) > end or (kind < NUMERIC and size != _SIZES[kind]):
            return -1
        if kind < NUMERIC:
            bits[column, row] = _fixed(kind, at)
            marks[column, row] = PRESENT
        else:
            texts += size
            if texts > most and size > SHORT:
                bits[column, row], marks[column, row], large[row] = 0, MISSING, True
            else:
                bits[column, row], marks[column, row], used = _other(kind, at, size, block, used)
        at += np.uint64(size)
    return used


@compiled
def _fixed(kind, at) -> Any:  # type: ignore[no-untyped-def]
    """Read a value of a fixed size."""
    if kind in (FLOAT8, INT8):
        return big_i64(at)
    if kind == TIME:
        moment = big_i64(at)
        return _moment(moment, _FIRST, _LAST, 1)
    if kind == DAY:
        return _moment(np.int64(big_i32(at)), _FIRST // _DAY_US, _LAST // _DAY_US, _DAY_US)
    return _small(kind, at)


@compiled
def _small(kind, at) -> Any:  # type: ignore[no-untyped-def]
    if kind == INT4:
        return np.int64(big_i32(at))
    if kind == INT2:
        return np.int64(big_i16(at))
    if kind == UINT4:
        return np.int64(big_i32(at)) & 0xFFFFFFFF
    return np.int64(byte(at))


@compiled
def _moment(value, first, last, unit) -> Any:  # type: ignore[no-untyped-def]
    """Return a number of units since 2000 as microseconds since 1970."""
    if value > last:
        return FAR_AHEAD
    return FAR_BACK if value < first else value * unit + _EPOCH


@compiled
def _other(kind, at, size, block, used) -> Any:  # type: ignore[no-untyped-def]
    """Read a value of any size; returns its bits, its mark, and the bytes used of the block."""
    if kind == NUMERIC:
        value, exact = _numeric(at, size)
        if exact:
            return as_bits(value), PRESENT, used
        length, mark = _bytes(BYTES, at, size, block, used), WRITTEN
    else:
        length, mark = _bytes(kind, at, size, block, used), PRESENT
    return used << 32 | length, mark, used + length


@compiled
def _numeric(at, size) -> Any:  # type: ignore[no-untyped-def]
    """Read a decimal number; returns it, and whether that is the nearest double for certain.

    A whole number below 2⁵³ and a power of ten up to 10²² are doubles, so that one multiplication
    or division rounds once. What has more digits is left to Python.
    """
    digits, weight = big_i16(at), np.int64(big_i16(at + np.uint64(2)))
    sign = big_u16(at + np.uint64(4))
    if sign >= _NOT_A_NUMBER:
        if sign == _NOT_A_NUMBER:
            return np.nan, True
        return (-np.inf if sign == _BELOW_ALL else np.inf), True
    whole, exponent = np.int64(0), 4 * (weight - digits + 1)
    for i in range(min(digits, (size - 8) // 2)):
        if whole > _EXACT // 10_000:
            return 0.0, False
        whole = whole * 10_000 + np.int64(big_i16(at + np.uint64(8 + 2 * i)))
    if whole > _EXACT or (whole != 0 and not -22 <= exponent <= 22):
        return 0.0, False
    exponent = min(max(exponent, -22), 22)  # of a zero it is any
    value = np.float64(whole)
    value = value * _TENS[exponent] if exponent >= 0 else value / _TENS[-exponent]
    return (-value if sign != 0 else value), True


@compiled
def _bytes(kind, at, size, block, used) -> Any:  # type: ignore[no-untyped-def]
    """Write a value of bytes to the block; returns how many that are."""
    if kind == UUID and size == 16:
        put = used
        for i in range(16):
            one = byte(at + np.uint64(i))
            block[put] = _DIGITS[one >> 4]
            block[put + 1] = _DIGITS[one & 15]
            put += 2
            if i in (3, 5, 7, 9):
                block[put] = _DASH
                put += 1
        return 36
    copy(np.uint64(block.ctypes.data) + np.uint64(used), at, size)
    return size
