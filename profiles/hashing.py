"""Evenly spread bits for numbers and texts, many at once; the same on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

SHORT = 128  # bytes of a text that is taken word by word, together with others
_THREE, _THIRTY_THREE = np.uint64(3), np.uint64(33)
_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_LENGTH = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Texts, or bytes, where they lie.

    Attributes
    ----------
    data : uint8 [bytes]
        With eight zeros after the last text.
    words : uint64 [bytes]
        The eight bytes from each byte on, the first the lowest.
    start, lengths : int [n]
        Of each text, in bytes.
    """

    data: npt.NDArray[np.uint8]
    words: Words
    start: Ints
    lengths: Ints

    @classmethod
    def of(cls, column: pa.Array) -> Self:
        """Take a column of strings or binaries."""
        _, ends, values = column.buffers()
        every = np.frombuffer(ends or bytes(4), np.int32)
        bounds: Ints = every[column.offset : column.offset + len(column) + 1].astype(np.int64)
        first, last = (int(bounds[0]), int(bounds[-1])) if len(bounds) else (0, 0)
        data = np.zeros(last - first + 8, np.uint8)
        if last > first:
            data[:-8] = np.frombuffer(values, np.uint8)[first:last]
        return cls(
            data=data,
            words=np.ndarray((len(data) - 7,), "<u8", data, strides=(1,)),
            start=bounds[:-1] - first,
            lengths=bounds[1:] - bounds[:-1],
        )

    def hashed(self, seeds: Sequence[np.uint64], *, but: Ints | None = None) -> list[Words]:
        """Return for each seed the bits of every text [n]; of the rows `but`, any."""
        left = self.lengths
        if but is not None and len(but):
            left = left.copy()
            left[but] = 0
        lanes = [self.lengths.astype(np.uint64) * _LENGTH ^ seed for seed in seeds]
        least, most = int(left.min(initial=SHORT)), int(left.max(initial=0))
        for at in range(0, min(most, SHORT), 8):
            if least >= at + 8 and most <= SHORT:
                word = self.words[self.start + at]
                lanes = [_step(bits ^ word) for bits in lanes]
                continue
            rows = np.flatnonzero((left > at) & (left <= SHORT))
            lacking = np.maximum(at + 8 - left[rows], 0).astype(np.uint64)
            word = self.words[self.start[rows] + at] << (lacking << _THREE)
            for bits in lanes:
                bits[rows] = _step(bits[rows] ^ word)
        for row in np.flatnonzero(left > SHORT).tolist():
            for bits, seed in zip(lanes, seeds, strict=True):
                bits[row] = self._long(row, seed)
        return [spread(bits) for bits in lanes]

    def _long(self, row: int, seed: np.uint64) -> int:
        start, end = self.start[row], self.start[row] + self.lengths[row]
        text = self.data[start:end].tobytes()
        digest = hashlib.blake2b(text, digest_size=8, key=int(seed).to_bytes(8, "little"))
        return int.from_bytes(digest.digest(), "little")


def _step(bits: Words) -> Words:
    """Take in a word: quick, and no two become one."""
    bits *= _FIRST
    bits ^= bits >> _THIRTY_THREE
    return bits


def spread(bits: Words) -> Words:
    """Let every bit depend on all; no two become one."""
    bits = bits ^ (bits >> _THIRTY_THREE)
    bits *= _FIRST
    bits ^= bits >> _THIRTY_THREE
    bits *= _SECOND
    bits ^= bits >> _THIRTY_THREE
    return bits
