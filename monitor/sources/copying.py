"""PostgreSQL's rows by a binary COPY, decoded by compiled code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa

from monitor.sources.arrays import TIMESTAMP, Column
from monitor.sources.batch import rows_at_once
from monitor.sources.copystream import COPY_TIMEOUT_S, Copy, libpq
from monitor.sources.database import Database
from monitor.sources.rows import NOTHING, Rows, Unfit, Wanted

if TYPE_CHECKING:
    from psycopg import Connection

    from monitor.sources.native.cells import Cells

# The types of columns by their numbers in every PostgreSQL.
_FIXED = {16: "BOOL", 21: "INT2", 23: "INT4", 20: "INT8", 26: "UINT4", 701: "FLOAT8",
          1114: "TIME", 1184: "TIME", 1082: "DAY"}  # fmt: skip
_ARROW = {16: pa.bool_(), 701: pa.float64(), 1700: pa.float64(), 1114: TIMESTAMP, 1184: TIMESTAMP,
          1082: TIMESTAMP, **dict.fromkeys((20, 21, 23, 26), pa.int64())}  # fmt: skip
_TEXTS = {25, 1043, 1042, 19}  # text, varchar, char, name
_NUMERIC, _UUID, _BYTEA = 1700, 2950, 17
# JSON, interval, time and lists: psycopg reads each value, as it would for a cursor.
_BY_PSYCOPG = {114, 3802, 1186, 1083, 1000, 1005, 1007, 1016, 1009, 1015, 1022}


def can_copy(database: Database) -> bool:
    """Tell whether a database's driver and this machine can do it."""
    if (database.dialect, database.driver) != ("postgresql", "psycopg") or not find_spec("numba"):
        return False
    return libpq() is not None


class CopyReader:
    """Reads statements by COPY, if all columns are of types that are known here."""

    name = "copy"

    def __init__(self, database: Database, wanted: Wanted) -> None:
        self._database, self._names = database, wanted.names
        self._coded = [name not in wanted.written for name in wanted.names]

    def fits(self, statement: sa.Select[Any]) -> bool:
        """Tell whether a statement can be read so."""
        with self._database.reading() as connection, suppress(Unfit):
            self._types(connection, statement, {})
            return True
        return False

    def close(self) -> None:
        """Nothing stays open but the database's own connection."""

    def cancel(self) -> None:
        """Every statement runs on the database's own connection."""

    def rows(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Iterator[Rows]:
        """Read a statement.

        Raises
        ------
        Unfit
            Before anything is read, where it cannot be read so.
        SourceError
            If the database refuses, or no row comes for too long.
        """
        with self._database.reading() as connection:
            # Its first look at the table keeps the columns as they are until the transaction ends,
            # so the types are still these when the rows come.
            types = self._types(connection, statement, bounds)
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{COPY_TIMEOUT_S}s'")
            own = _own(connection)
            copy = Copy(own, _in_full(own, self._database.compiled(statement), bounds))
            try:
                yield from copy.begun()
                yield from self._batches(own, copy, types)
            finally:
                if not copy.ended:
                    copy.abandon()
                    self._database.drop()

    def _types(
        self, connection: sa.Connection, statement: sa.Select[Any], bounds: Mapping[str, Any]
    ) -> list[int]:
        """Return the number of every column's type."""
        with connection.execute(statement.limit(0), bounds) as result:
            described: Any = result.cursor.description
            types: list[int] = [column.type_code for column in described]
        known = {*_FIXED, *_TEXTS, _NUMERIC, _UUID, _BYTEA, *_BY_PSYCOPG}
        if not known.issuperset(types) or not _is_utf_8(_own(connection)):
            raise Unfit
        return types

    def _batches(self, own: Connection, copy: Copy, types: Sequence[int]) -> Iterator[Rows]:
        from monitor.sources.native import copied
        from monitor.sources.native.cells import Cells

        cells = Cells(len(types), rows_at_once(len(types)), coded=self._coded)
        kinds = np.array([getattr(copied, _kind(of)) for of in types], np.int8)
        row = used = 0
        while not copy.ended:
            why, row, used = copy.take(kinds, cells, row, used)
            if why == copied.WAIT:
                if not copy.waited():
                    yield NOTHING
            elif why == copied.LARGE and row == 0:
                cells.widen(copy.needed)
            elif row:
                columns = [_column(own, of, cells, at, row) for at, of in enumerate(types)]
                yield Rows(columns=dict(zip(self._names, columns, strict=True)), count=row)
                cells.renew()
                row = used = 0


def _own(connection: sa.Connection) -> Connection:
    """Return psycopg's connection beneath SQLAlchemy's."""
    return connection.connection.driver_connection  # type: ignore[return-value]


def _in_full(own: Connection, compiled: sa.Compiled, bounds: Mapping[str, Any]) -> bytes:
    """Write out a COPY with its values: it takes none that are bound."""
    from psycopg import ClientCursor

    values = compiled.construct_params(dict(bounds))
    with ClientCursor(own) as cursor:
        select_rows = cursor.mogrify(str(compiled), values)
    return f"COPY ({select_rows}) TO STDOUT (FORMAT BINARY)".encode()


def _is_utf_8(own: Connection) -> bool:
    """Tell whether texts come as UTF-8, and have been checked."""
    sent, kept = (own.pgconn.parameter_status(b"%s_encoding" % of) for of in (b"client", b"server"))
    return sent == b"UTF8" and kept != b"SQL_ASCII"


def _kind(of: int) -> str:
    """Name how a type is decoded."""
    own = {_NUMERIC: "NUMERIC", _UUID: "UUID"}
    return _FIXED.get(of) or own.get(of, "BYTES")


def _column(own: Connection, of: int, cells: Cells, at: int, rows: int) -> Column:
    marks = cells.marks[at, :rows]
    if not marks.any():
        return pa.nulls(rows)
    if of in _BY_PSYCOPG:
        load = _loader(own, of)
        return [load(cells.raw(at, row)) if mark else None for row, mark in enumerate(marks)]
    if of == _NUMERIC:
        _finish_numbers(own, cells, at, marks)
    if of in _TEXTS or of == _UUID:
        return cells.text(at, rows)
    if of == _BYTEA:
        return cells.written(at, rows, pa.binary())
    arrow = _ARROW[of]
    return cells.truth(at, rows) if arrow == pa.bool_() else cells.fixed(at, rows, arrow)


def _finish_numbers(own: Connection, cells: Cells, at: int, marks: npt.NDArray[np.uint8]) -> None:
    """Read the numbers of too many digits for the loop."""
    from monitor.sources.native.copied import WRITTEN

    late = np.flatnonzero(marks == WRITTEN).tolist()
    if late:
        load = _loader(own, _NUMERIC)
        values = [float(load(cells.raw(at, row))) for row in late]
        cells.bits[at, late] = np.array(values, np.float64).view(np.int64)


def _loader(own: Connection, of: int) -> Any:
    from psycopg.adapt import Transformer
    from psycopg.pq import Format

    return Transformer(own).get_loader(of, Format.BINARY).load
