"""SQLite's rows by its C functions, each cell with the type that it has."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from monitor.errors import SourceError
from monitor.sources.arrays import Column
from monitor.sources.batch import rows_at_once
from monitor.sources.cursor import truth
from monitor.sources.database import Database, text_of
from monitor.sources.libsqlite import FLAGS, bind, sqlite
from monitor.sources.rows import Rows, Wanted

if TYPE_CHECKING:
    from monitor.sources.native.cells import Cells


def can_step(database: Database) -> bool:
    """Tell whether a database's driver and this machine can do it."""
    if (database.dialect, database.driver) != ("sqlite", "pysqlite") or not find_spec("numba"):
        return False
    return sqlite() is not None


class StepReader:
    """Reads statements over a connection of its own, which is kept."""

    name = "sqlite"

    def __init__(self, database: Database, wanted: Wanted) -> None:
        self._database, self._names = database, wanted.names
        self._coded = [name not in wanted.written for name in wanted.names]
        self._truths = [name in wanted.truths for name in wanted.names]
        library = sqlite()
        assert library is not None  # as `can_step` has said
        self._library = library
        self._handle: ctypes.c_void_p | None = None
        self._closing = threading.Lock()  # what is closed must not be interrupted

    def fits(self, _statement: sa.Select[Any]) -> bool:
        return True

    def close(self) -> None:
        with self._closing:
            if self._handle is not None:
                self._library.sqlite3_close_v2(self._handle)
                self._handle = None

    def cancel(self) -> None:
        """End the statement that runs, from another thread."""
        with self._closing:
            if self._handle is not None:
                self._library.sqlite3_interrupt(self._handle)

    def rows(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Iterator[Rows]:
        """Read a statement.

        Raises
        ------
        SourceError
            If the file cannot be read, or is locked for too long.
        """
        from monitor.sources.native import stepped
        from monitor.sources.native.cells import Cells

        cells = Cells(len(self._names), rows_at_once(len(self._names)), coded=self._coded)
        prepared = self._prepared(statement, bounds)
        try:
            functions, address = stepped.functions(self._library), np.uint64(prepared.value or 0)
            standing = np.zeros(2, np.int64)
            why = stepped.FULL
            while why != stepped.ENDED:
                why, count = stepped.take(
                    functions, address, standing, cells.bits, cells.marks, cells.block
                )
                if why == stepped.FAILED:
                    raise self._error()
                if why == stepped.LARGE:
                    cells.widen(2 * int(standing[1]))
                elif count:
                    yield Rows(columns=self._columns(cells, count), count=count)
                    cells.renew()
        finally:
            self._library.sqlite3_finalize(prepared)

    def _columns(self, cells: Cells, rows: int) -> dict[str, Column]:
        return {
            name: _column(cells, at, rows, is_truth=self._truths[at], exact=not self._coded[at])
            for at, name in enumerate(self._names)
        }

    def _prepared(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> ctypes.c_void_p:
        library, handle = self._library, self._opened()
        compiled = self._database.compiled(statement)
        values = compiled.construct_params(dict(bounds))
        text, prepared = str(compiled).encode(), ctypes.c_void_p()
        if library.sqlite3_prepare_v2(handle, text, len(text), ctypes.byref(prepared), None):
            raise self._error()
        for at, name in enumerate(compiled.positiontup or (), 1):
            bind(library, prepared, at, values[name])
        return prepared

    def _opened(self) -> ctypes.c_void_p:
        if self._handle is None:
            name, timeout_s = self._database.file()
            self._handle = ctypes.c_void_p()
            if self._library.sqlite3_open_v2(
                name.encode(), ctypes.byref(self._handle), FLAGS, None
            ):
                raise self._error()
            self._library.sqlite3_busy_timeout(self._handle, int(timeout_s * 1_000))
        return self._handle

    def _error(self) -> SourceError:
        text = self._library.sqlite3_errmsg(self._handle).decode("utf-8", "replace")
        self.close()
        return SourceError(f"cannot read {self._database.name}: {text}")


def _column(cells: Cells, at: int, rows: int, *, is_truth: bool, exact: bool) -> Column:
    """Make a column of what its cells hold; where they differ, of Python values.

    Parameters
    ----------
    is_truth
        The column is declared as true or false: its 0 and 1 stand for that.
    exact
        Whole numbers beside others are not to become doubles yet.
    """
    from monitor.sources.native.stepped import BLOB, NONE, REAL, TEXT, WHOLE

    marks, bits = cells.marks[at, :rows], cells.bits[at, :rows]
    held = set(np.flatnonzero(np.bincount(marks, minlength=5)).tolist()) - {NONE}
    if is_truth and held == {WHOLE} and bool(((bits == 0) | (bits == 1)).all()):
        return cells.truth(at, rows)
    if not is_truth and not exact and held == {WHOLE, REAL}:
        whole = marks == WHOLE
        bits[whole] = bits[whole].astype(np.float64).view(np.int64)
        held = {REAL}
    if len(held) > 1 or (is_truth and held == {WHOLE}):
        values = [_value(cells, at, row, mark) for row, mark in enumerate(marks.tolist())]
        return [truth(value) for value in values] if is_truth else values
    if not held:
        return pa.nulls(rows)
    if held == {TEXT}:
        return _utf_8(cells.text(at, rows))
    if held == {BLOB}:
        return cells.written(at, rows, pa.binary())
    return cells.fixed(at, rows, pa.float64() if held == {REAL} else pa.int64())


def _value(cells: Cells, at: int, row: int, mark: int) -> Any:
    from monitor.sources.native.stepped import NONE, REAL, TEXT, WHOLE

    if mark == NONE:
        return None
    if mark == WHOLE:
        return int(cells.bits[at, row])
    if mark == REAL:
        return float(cells.bits[at, row : row + 1].view(np.float64)[0])
    raw = bytes(cells.raw(at, row))
    return text_of(raw) if mark == TEXT else raw


def _utf_8(array: pa.Array) -> pa.Array:
    """Spell out the bytes of texts that are no UTF-8, which SQLite does not check."""
    if isinstance(array, pa.DictionaryArray):
        raw = array.dictionary
        read = _utf_8(raw)
        return array if read is raw else pa.DictionaryArray.from_arrays(array.indices, read)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raw = array.cast(pa.binary()).to_pylist()
        return pa.array([None if v is None else text_of(v) for v in raw], pa.string())
    return array
