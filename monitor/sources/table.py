"""A table or view: what to select of it, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from monitor.config import Limits
from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.late import Mark
from monitor.sources import notes, times
from monitor.sources.batch import Batch
from monitor.sources.database import Table
from monitor.sources.ingest import Ingest, ingest_of
from monitor.sources.rows import Rows, Shape, Unfit, Wanted, batches_of
from monitor.sources.times import Writing
from monitor.sources.ways import StatementReader, Tables, quickest, usual
from profiles.windows import Window

_PROBED_ROWS = 200
USUAL = Limits()


class TableReader:
    """Reads a table; its columns are looked up once, its statements made once."""

    def __init__(
        self,
        database: Tables,
        table: Table,
        *,
        time: str | None = None,
        payload: str | None = None,
        skip: frozenset[str] = frozenset(),
        ids: str | None = None,
        ingested: str | None = None,
        expected: frozenset[str] = frozenset(),
        limits: Limits = USUAL,
        choose: Callable[[Tables, Table, Wanted], StatementReader] = quickest,
    ) -> None:
        self._database = database
        self._raw = database.dialect == "sqlite"
        self._columns = [column for column in table.rows.columns if column.name not in skip]
        self._names = [str(column.name) for column in self._columns]
        parsed = payload is not None and not self._raw and isinstance(table.types[payload], sa.JSON)
        self._ids = ids
        is_number = ids is not None and not self._raw and isinstance(table.types[ids], sa.Numeric)
        self._shape = Shape(
            time=time,
            payload=payload,
            parsed=parsed,
            taken=frozenset(table.types),
            id=ids,
            limits=limits,
            expected=expected,
            id_is_number=is_number and database.dialect == "postgresql",
        )
        self._wanted = Wanted(
            names=tuple(self._names),
            written=frozenset(name for name in (time, payload, ids) if name is not None),
            truths=frozenset(
                name
                for name in self._names
                if self._raw and isinstance(table.types[name], sa.Boolean)
            ),
            time=time,
            payload=payload,
            id=ids,
            row_bytes=limits.row_bytes,
        )
        self._found = table
        self._reader = choose(database, table, self._wanted)
        self._time = None if time is None else table.rows.columns[time]
        self._writing: Writing | None = None
        self._ingested = None if ingested is None else table.rows.columns[ingested]
        self._ingest: Ingest | None = None
        self._statements: dict[str, sa.Select[Any]] = {}
        self._table = table.rows
        self._everything = sa.select(*self._selected()).select_from(table.rows)

    def names(self) -> frozenset[str]:
        """Return the table's columns; of a payload's keys nothing is known."""
        return self._found.names(apart=self._shape.payload)

    def notes(self) -> list[str]:
        return []

    def time_indexed(self) -> bool | None:
        """Tell whether an index begins with the time; None where a view hides it."""
        assert self._time is not None
        return self._database.has_index_on(self._found, self._time.name)

    def all_rows(self) -> Iterator[Batch]:
        """Read the whole table."""
        yield from self._stream(self._everything, {}, None)

    def any_rows(self, rows: int) -> Iterator[Batch]:
        """Read a number of rows, with a time or without."""
        yield from self._stream(self._everything.limit(rows), {}, None)

    def some_rows(self, rows: int, *, newest: bool) -> Iterator[Batch]:
        """Read a number of rows with a time, the newest or any."""
        if self.writing() is None or self._time is None:
            return
        statement = self._everything.where(self._time.is_not(None)).limit(rows)
        if newest:
            statement = statement.order_by(self._time.desc())
        yield from self._stream(statement, {}, times.ALL_TIME)

    def raw_rows(self, rows: int) -> list[tuple[Any, ...]]:
        """Read some rows as the driver gives them: a tuple a column."""
        found = self._database.fetch(self._everything.limit(rows), {})
        return list(zip(*found, strict=True))

    def count_since(self, start: datetime) -> int:
        """Count the rows from a moment on."""
        writing = self.writing()
        if writing is None:
            return 0
        bounds = {"start": writing.bound(start), "end": writing.span()[1]}
        return int(self._database.scalar(self._statement("count"), bounds) or 0)

    def rows_within(self, window: Window) -> Iterator[Batch]:
        """Read the rows whose time lies in a window."""
        writing = self.writing()
        if writing is None:
            return
        low, high = times.bounds(writing, window)
        yield from self._stream(self._statement("rows"), {"start": low, "end": high}, window)

    def ingest(self) -> Ingest | None:
        """Tell what the column holds that says when rows were written; None where it is empty.

        Raises
        ------
        SourceError
            If it holds neither times nor numbers.
        """
        if self._ingest is None and self._ingested is not None:
            name, writing = self._ingested.name, self._declared(self._ingested)
            self._ingest = (
                ingest_of(self._some_values(self._ingested), name)
                if writing is None
                else Ingest(column=name, writing=writing)
            )
        return self._ingest

    def newest_ingested(self, *, until: datetime) -> Mark | None:
        """Return the largest value of that column; of times none that lies in the future."""
        ingest = self.ingest()
        if ingest is None or self._ingested is None:
            return None
        stored = self._as_stored(self._ingested)
        largest = sa.select(sa.type_coerce(sa.func.max(stored), stored.type))
        bounds = {}
        if ingest.writing is not None:
            time, of = self._compared(self._ingested)
            largest = largest.where(time < sa.bindparam("until", type_=of))
            bounds["until"] = ingest.bound(until)
        value = self._database.scalar(largest, bounds)
        return None if value is None else ingest.read(value)

    def ingested_since(self, mark: Mark) -> Iterator[Batch]:
        """Read the rows with a time that were written at a mark or after it."""
        ingest = self.ingest()
        if ingest is None or self._ingested is None or not ingest.fits(mark):
            return
        if self.writing() is None:  # no row has a time
            return
        column, of = self._compared(self._ingested)
        assert self._time is not None
        statement = self._everything.where(
            column >= sa.bindparam("mark", type_=of), self._time.is_not(None)
        )
        yield from self._stream(statement, {"mark": ingest.bound(mark)}, times.ALL_TIME)

    def ingest_indexed(self) -> bool | None:
        """Tell whether an index begins with that column; None where there is none, or in a view."""
        if self._ingested is None:
            return None
        return self._database.has_index_on(self._found, self._ingested.name)

    def earliest(self) -> datetime | None:
        return self._extreme("earliest")

    def latest(self) -> datetime | None:
        return self._extreme("latest")

    def writing(self) -> Writing | None:
        """Tell how the times are written; None as long as there is no row to tell by."""
        if self._writing is None:
            assert self._time is not None
            self._writing = self._declared(self._time) or self._probed()
        return self._writing

    def _declared(self, column: sa.ColumnElement[Any]) -> Writing | None:
        if self._raw:  # what SQLite's columns are declared as says little about what is in them
            return None
        of = column.type
        if isinstance(of, sa.DateTime):
            aware = of.timezone or (isinstance(of, sa.TIMESTAMP) and bool(of.timezone))
            return times.native(aware=aware, within=self._database.moments)
        return times.days() if isinstance(of, sa.Date) else None

    def _probed(self) -> Writing | None:
        assert self._time is not None
        values = self._some_values(self._time)
        return times.recognise(values, column=self._time.name) if values else None

    def _some_values(self, column: sa.ColumnElement[Any]) -> list[Any]:
        statement = sa.select(self._as_stored(column)).where(column.is_not(None))
        return [value for (value,) in self._database.fetch(statement.limit(_PROBED_ROWS), {})]

    def _extreme(self, which: str) -> datetime | None:
        writing = self.writing()
        if writing is None:
            return None
        first, last = writing.span()
        value = self._database.scalar(self._statement(which), {"start": first, "end": last})
        if value is None:
            return None
        moment = writing.read(value)
        if not isinstance(moment, datetime):
            assert self._time is not None
            raise SourceError(
                f"the {which} value of column {self._time.name!r} is no time in UTC ({moment})"
            )
        return moment

    def _statement(self, which: str) -> sa.Select[Any]:
        """Return a statement on the rows from :start to before :end, made at its first use."""
        made = self._statements.get(which)
        if made is not None:
            return made
        assert self._time is not None
        time, of = self._compared(self._time)
        inside = sa.and_(
            time >= sa.bindparam("start", type_=of), time < sa.bindparam("end", type_=of)
        )
        stored = self._as_stored(self._time)
        made = {
            "rows": self._everything,
            "earliest": sa.select(sa.type_coerce(sa.func.min(stored), stored.type)),
            "count": sa.select(sa.func.count()).select_from(self._table),
            "latest": sa.select(sa.type_coerce(sa.func.max(stored), stored.type)),
        }[which].where(inside)
        self._statements[which] = made
        return made

    def _compared(self, column: sa.ColumnElement[Any]) -> tuple[sa.ColumnElement[Any], Any]:
        """Return a column as it is compared with a bound, and the type of that.

        Native times are bound as the column's own type, all others as they are: a cast of an
        integer to the column's width would fail on bounds beyond it.
        """
        if not self._raw and isinstance(column.type, sa.DateTime | sa.Date):
            return column, column.type
        plain = sa.types.NullType()
        return sa.type_coerce(column, plain), plain

    def _selected(self) -> list[Any]:
        # Names are given by position: a label of our own cannot be mistaken for syntax.
        return [self._as_stored(column).label(f"c{at}") for at, column in enumerate(self._columns)]

    def _as_stored(self, column: sa.ColumnElement[Any]) -> Any:
        """Take values as they are, where SQLAlchemy or a driver would make something else of them.

        SQLite's are taken raw: an odd date in a DATE column would raise. A value that was added to
        an enumeration is none that SQLAlchemy knows. A PostgreSQL driver reads a single float from
        its shortest text, which is another double than the float.
        """
        if self._raw:
            return sa.type_coerce(column, sa.types.NullType())
        if isinstance(column.type, sa.Enum):
            return sa.cast(column, sa.Text)
        if column.name == self._ids and self._shape.id_is_number:  # a double is not exact enough
            return sa.cast(column, sa.Text)
        if self._database.dialect == "postgresql" and isinstance(column.type, sa.REAL):
            return sa.cast(column, sa.Double)
        return column

    def path(self) -> str:
        """Name the way that rows are read."""
        if not self._reader.fits(self._everything):
            self._fall_back()
        return self._reader.name

    def close(self) -> None:
        """Give up what the reader holds beside the database's own connection."""
        self._reader.close()

    def cancel(self) -> None:
        """End what the reader runs beside the database's own connection, from another thread."""
        self._reader.cancel()

    def _fall_back(self) -> None:
        self._reader.close()
        self._reader = usual(self._database, self._wanted)

    def _stream(
        self, statement: sa.Select[Any], bounds: dict[str, Any], window: Window | None
    ) -> Iterator[Batch]:
        for rows in self._rows(statement, bounds):
            yield from batches_of(rows, self._shape, writing=self._writing, window=window)

    def _rows(self, statement: sa.Select[Any], bounds: dict[str, Any]) -> Iterator[Rows]:
        try:
            yield from self._reader.rows(statement, bounds)
        except Unfit:
            notes.debug("the table is read value by value", action="source.path", path="cursor")
            self._fall_back()
            yield from self._reader.rows(statement, bounds)


def require_columns(table: Table, wanted: dict[str, str | None]) -> None:
    """Refuse a table that lacks a column, with the nearest right name of each that it lacks.

    Raises
    ------
    SourceError
        With a line for every missing column.
    """
    known = list(table.types)
    problems = [
        f"table {table.name!r} has no column {name!r} ({key}); {did_you_mean(name, known)}"
        for key, name in wanted.items()
        if name is not None and name not in known
    ]
    if problems:
        raise SourceError("\n".join(problems))
