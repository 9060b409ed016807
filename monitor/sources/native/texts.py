"""Texts that lie in a block, as Arrow columns: codes of few values, or one text after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.sources.native.memory import compiled, copy, word

SLACK = 8  # bytes after the last text that may be read, for texts are read eight bytes at a time
MOST_VALUES = 4_096  # of a column as codes; one of more values is written out
_SLOTS = 4 * MOST_VALUES
_HELD = 1 << 18  # bytes of those values together
SHORT = 64  # bytes of a text that is taken in whatever else its row has, its time before all
_LENGTH = np.int64(0xFFFFFFFF)


class TextColumn:
    """One column of the batches that are read one after another; its values keep their codes."""

    def __init__(self, *, coded: bool) -> None:
        self._codes = _Codes() if coded else None

    def array(
        self,
        block: npt.NDArray[np.uint8],
        bits: npt.NDArray[np.int64],
        valid: pa.Buffer | None,
    ) -> pa.Array:
        """Return the texts of some rows; they may be no UTF-8, as the block has them.

        Parameters
        ----------
        block : uint8 [size]
            With SLACK bytes at its end that belong to no text.
        bits : int64 [rows]
            Where each text begins in the block, times 2³², plus its length; 0 where there is none.
        valid : Buffer or None
            The bits of the rows that have one, None where all do.
        """
        if self._codes is not None:
            coded = self._codes.array(block, bits, valid)
            if coded is not None:
                return coded
            self._codes = None
        return written_out(block, bits, valid, pa.string())


class _Codes:
    """The values of a column so far, each with its code: a table by hash, and their texts."""

    def __init__(self) -> None:
        self._dictionary: pa.Array | None = None

    def array(
        self,
        block: npt.NDArray[np.uint8],
        bits: npt.NDArray[np.int64],
        valid: pa.Buffer | None,
    ) -> pa.DictionaryArray | None:
        """Return texts as codes, None where there are too many values."""
        if self._dictionary is None:  # most columns have no texts, so there is no table before
            self._slots = np.zeros(_SLOTS, np.int32)
            self._hashes = np.empty(MOST_VALUES, np.uint64)
            self._ends = np.zeros(MOST_VALUES + 1, np.int32)
            self._held = np.zeros(_HELD + SLACK, np.uint8)
            self._dictionary = self._values(0)
        before = len(self._dictionary)
        codes = np.empty(len(bits), np.int32)
        known = _encode(
            block, bits, self._slots, self._hashes, self._ends, self._held, before, codes
        )
        if known < 0:
            return None
        if known > before:
            self._dictionary = self._values(known)
        indices = pa.Array.from_buffers(pa.int32(), len(codes), [valid, pa.py_buffer(codes)])
        return pa.DictionaryArray.from_arrays(indices, self._dictionary, safe=False)

    def _values(self, known: int) -> pa.Array:
        """Copy the values out: those that come later are written behind them."""
        ends = self._ends[: known + 1].copy()
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(self._held[: ends[-1]].copy())]
        return pa.Array.from_buffers(pa.string(), known, buffers)


def written_out(
    block: npt.NDArray[np.uint8],
    bits: npt.NDArray[np.int64],
    valid: pa.Buffer | None,
    of: pa.DataType,
) -> pa.Array:
    """Return texts or bytes one after another."""
    ends = np.zeros(len(bits) + 1, np.int32)
    lengths = bits & _LENGTH
    data = np.empty(int(lengths.sum()), np.uint8)
    np.cumsum(lengths, out=ends[1:])
    _gather(block, bits, ends, data)
    buffers = [valid, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.Array.from_buffers(of, len(bits), buffers)


@compiled
def _encode(block, bits, slots, hashes, ends, held, known, codes) -> Any:  # type: ignore[no-untyped-def]
    """Write the code of every text; returns how many values there are now, −1 for too many."""
    start, kept = np.uint64(block.ctypes.data), np.uint64(held.ctypes.data)
    mask = np.uint64(len(slots) - 1)
    for row in range(len(bits)):
        length = bits[row] & 0xFFFFFFFF
        at = start + np.uint64(bits[row] >> 32)
        key = _hash(at, length)
        slot = key & mask
        while True:
            code = np.int64(slots[slot]) - 1
            if code < 0:
                if known == len(hashes) or ends[known] + length + SLACK > len(held):
                    return -1
                code = known
                copy(kept + np.uint64(ends[code]), at, length)
                ends[code + 1] = ends[code] + length
                hashes[code] = key
                known += 1
                slots[slot] = known
                break
            if (
                hashes[code] == key
                and ends[code + 1] - ends[code] == length
                and _equal(kept + np.uint64(ends[code]), at, length)
            ):
                break
            slot = (slot + np.uint64(1)) & mask
        codes[row] = code
    return known


@compiled
def _hash(at, length) -> Any:  # type: ignore[no-untyped-def]
    key = np.uint64(length) * np.uint64(0x9E3779B97F4A7C15)
    for i in range(0, length, 8):
        part = word(at + np.uint64(i))
        if length - i < 8:
            part &= (np.uint64(1) << np.uint64(8 * (length - i))) - np.uint64(1)
        key = (key ^ part) * np.uint64(0xD6E8FEB86659FD93)
        key ^= key >> np.uint64(32)
    return key


@compiled
def _equal(one, other, length) -> Any:  # type: ignore[no-untyped-def]
    for i in range(0, length, 8):
        differ = word(one + np.uint64(i)) ^ word(other + np.uint64(i))
        if length - i < 8:
            differ &= (np.uint64(1) << np.uint64(8 * (length - i))) - np.uint64(1)
        if differ != 0:
            return False
    return True


@compiled
def _gather(block, bits, ends, data) -> Any:  # type: ignore[no-untyped-def]
    start, target = np.uint64(block.ctypes.data), np.uint64(data.ctypes.data)
    for row in range(len(bits)):
        length = bits[row] & 0xFFFFFFFF
        copy(target + np.uint64(ends[row]), start + np.uint64(bits[row] >> 32), length)
