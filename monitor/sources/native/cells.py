"""What the loops have written, cell by cell, as Arrow columns without another copy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.sources.native.texts import TextColumn, written_out

MOST_CODED = 256  # columns of a table whose texts become codes: each may need 400 kB for them
BLOCK = 4 << 20  # bytes of the texts of one batch

Bits = npt.NDArray[np.int64]
Marks = npt.NDArray[np.uint8]


class Cells:
    """Room for the rows of one batch after another.

    Attributes
    ----------
    bits : int64 [columns, rows], marks : uint8 [columns, rows]
        Made anew for each batch, for Arrow's columns lie in them. A mark of 0 is a NULL.
    large : bool [rows]
        Rows of which texts were left out.
    block : uint8 [size]
        The texts, used again.
    """

    def __init__(self, columns: int, rows: int, *, coded: Sequence[bool]) -> None:
        self._shape = columns, rows
        self._texts = [TextColumn(coded=each and columns <= MOST_CODED) for each in coded]
        self._usual = np.zeros(BLOCK, np.uint8)
        self.renew()

    def renew(self) -> None:
        """Make room for the next batch."""
        self.bits: Bits = np.empty(self._shape, np.int64)
        self.marks: Marks = np.empty(self._shape, np.uint8)
        self.large = np.zeros(self._shape[1], bool)
        self.block = self._usual

    def widen(self, size: int) -> None:
        """Have a block of at least so many bytes for this batch; what it held is lost."""
        self.block = np.zeros(size, np.uint8)

    def valid(self, column: int, rows: int) -> pa.Buffer | None:
        """Return the bits of the rows that are no NULL, None where there is no NULL."""
        marks = self.marks[column, :rows]
        return None if marks.all() else pa.py_buffer(np.packbits(marks, bitorder="little"))

    def fixed(self, column: int, rows: int, of: pa.DataType) -> pa.Array:
        """Return a column of values of eight bytes."""
        buffers = [self.valid(column, rows), pa.py_buffer(self.bits[column, :rows])]
        return pa.Array.from_buffers(of, rows, buffers)

    def truth(self, column: int, rows: int) -> pa.Array:
        """Return a column of truth values."""
        values = pa.py_buffer(np.packbits(self.bits[column, :rows] != 0, bitorder="little"))
        return pa.Array.from_buffers(pa.bool_(), rows, [self.valid(column, rows), values])

    def text(self, column: int, rows: int) -> pa.Array:
        """Return a column of texts, as codes or written out; they need not be UTF-8."""
        valid = self.valid(column, rows)
        return self._texts[column].array(self.block, self.bits[column, :rows], valid)

    def written(self, column: int, rows: int, of: pa.DataType) -> pa.Array:
        """Return a column of bytes, written out."""
        valid = self.valid(column, rows)
        return written_out(self.block, self.bits[column, :rows], valid, of)

    def raw(self, column: int, row: int) -> memoryview:
        """Return the bytes of one cell."""
        at, size = divmod(int(self.bits[column, row]), 1 << 32)
        return self.block[at : at + size].data
