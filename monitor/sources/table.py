"""A table or view as Arrow batches: what to select, and how to read what comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from monitor.config.names import did_you_mean
from monitor.errors import SourceError
from monitor.sources import times
from monitor.sources.arrays import keep, record_batch
from monitor.sources.batch import ROWS, Batch
from monitor.sources.database import Database, Table
from monitor.sources.payload import flatten, read_payloads
from monitor.sources.times import Writing
from profiles.windows import Window

_PROBED_ROWS = 200
_SECOND = timedelta(seconds=1)
_ALL_TIME = Window(start=times.FIRST, end=times.LAST)


class TableReader:
    """Reads a table; its columns are looked up once, its statements made once."""

    def __init__(
        self,
        database: Database,
        table: Table,
        *,
        time: str | None = None,
        payload: str | None = None,
        skip: frozenset[str] = frozenset(),
    ) -> None:
        self._database = database
        self._raw = database.dialect == "sqlite"
        self._columns = [column for column in table.rows.columns if column.name not in skip]
        self._names = [str(column.name) for column in self._columns]
        self._taken = frozenset(table.types)
        self._booleans = [
            name for name in self._names if self._raw and isinstance(table.types[name], sa.Boolean)
        ]
        self._payload = payload
        self._parsed = (
            payload is not None and not self._raw and isinstance(table.types[payload], sa.JSON)
        )
        self._time = None if time is None else table.rows.columns[time]
        self._writing: Writing | None = None
        self._statements: dict[str, sa.Select[Any]] = {}
        self._rows = table.rows
        self._everything = sa.select(*self._selected()).select_from(table.rows)

    def all_rows(self) -> Iterator[Batch]:
        """Read the whole table."""
        yield from self._stream(self._everything, {}, None)

    def some_rows(self, rows: int, *, newest: bool) -> Iterator[Batch]:
        """Read a number of rows with a time, the newest or any."""
        if self.writing() is None or self._time is None:
            return
        statement = self._everything.where(self._time.is_not(None)).limit(rows)
        if newest:
            statement = statement.order_by(self._time.desc())
        yield from self._stream(statement, {}, _ALL_TIME)

    def raw_rows(self, rows: int) -> list[tuple[Any, ...]]:
        """Read some rows as the driver gives them: a tuple a column."""
        with self._database.reading() as connection:
            found = connection.execute(self._everything.limit(rows)).all()
        return list(zip(*found, strict=True))

    def count_since(self, start: datetime) -> int:
        """Count the rows from a moment on."""
        writing = self.writing()
        if writing is None:
            return 0
        bounds = {"start": writing.bound(start), "end": writing.span()[1]}
        with self._database.reading() as connection:
            return int(connection.scalar(self._statement("count"), bounds) or 0)

    def rows_within(self, window: Window) -> Iterator[Batch]:
        """Read the rows whose time lies in a window."""
        writing = self.writing()
        if writing is None:
            return
        start, end = window.start, window.end
        if end.microsecond:  # the bounds are whole seconds; what lies between is dropped on reading
            end = end.replace(microsecond=0) + _SECOND
        bounds = {
            "start": writing.bound(start.replace(microsecond=0)),
            "end": writing.bound(end),
        }
        yield from self._stream(self._statement("rows"), bounds, window)

    def earliest(self) -> datetime | None:
        return self._extreme("earliest")

    def latest(self) -> datetime | None:
        return self._extreme("latest")

    def writing(self) -> Writing | None:
        """Tell how the times are written; None as long as there is no row to tell by."""
        if self._writing is None:
            self._writing = self._declared() or self._probed()
        return self._writing

    def _declared(self) -> Writing | None:
        assert self._time is not None
        if self._raw:  # what SQLite's columns are declared as says little about what is in them
            return None
        of = self._time.type
        if isinstance(of, sa.DateTime):
            aware = of.timezone or (isinstance(of, sa.TIMESTAMP) and bool(of.timezone))
            return times.native(aware=aware)
        return times.days() if isinstance(of, sa.Date) else None

    def _probed(self) -> Writing | None:
        assert self._time is not None
        time = self._as_stored(self._time)
        statement = sa.select(time).where(self._time.is_not(None)).limit(_PROBED_ROWS)
        with self._database.reading() as connection:
            values = connection.scalars(statement).all()
        return times.recognise(values, column=self._time.name) if values else None

    def _extreme(self, which: str) -> datetime | None:
        writing = self.writing()
        if writing is None:
            return None
        first, last = writing.span()
        statement = self._statement(which)
        with self._database.reading() as connection:
            value = connection.scalar(statement, {"start": first, "end": last})
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
        # Native times are bound as the column's own type, all others as they are: a cast of an
        # integer to the column's width would fail on bounds beyond it.
        typed = not self._raw and isinstance(self._time.type, sa.DateTime | sa.Date)
        of: Any = self._time.type if typed else sa.types.NullType()
        time = self._time if typed else sa.type_coerce(self._time, of)
        inside = sa.and_(
            time >= sa.bindparam("start", type_=of), time < sa.bindparam("end", type_=of)
        )
        stored = self._as_stored(self._time)
        made = {
            "rows": self._everything,
            "earliest": sa.select(sa.type_coerce(sa.func.min(stored), stored.type)),
            "count": sa.select(sa.func.count()).select_from(self._rows),
            "latest": sa.select(sa.type_coerce(sa.func.max(stored), stored.type)),
        }[which].where(inside)
        self._statements[which] = made
        return made

    def _selected(self) -> list[Any]:
        # Names are given by position: a label of our own cannot be mistaken for syntax.
        return [self._as_stored(column).label(f"c{at}") for at, column in enumerate(self._columns)]

    def _as_stored(self, column: sa.ColumnElement[Any]) -> Any:
        """Take SQLite's values raw: an odd date in a DATE column would raise in SQLAlchemy."""
        return sa.type_coerce(column, sa.types.NullType()) if self._raw else column

    def _stream(
        self, statement: sa.Select[Any], bounds: dict[str, Any], window: Window | None
    ) -> Iterator[Batch]:
        with self._database.reading() as connection:
            options = {"stream_results": True, "max_row_buffer": ROWS}
            with connection.execute(statement, bounds, execution_options=options) as result:
                for rows in result.partitions(ROWS):
                    yield self._batch(rows, window)

    def _batch(self, rows: Sequence[sa.Row[Any]], window: Window | None) -> Batch:
        columns: dict[str, Sequence[Any]] = dict(
            zip(self._names, zip(*rows, strict=True), strict=True)
        )
        read, count = len(rows), len(rows)
        rejected: Counter[str] = Counter()
        for name in self._booleans:
            columns[name] = [_truth(value) for value in columns[name]]
        if window is not None:
            columns, read = self._timed(columns, window, rejected)
            count = read - rejected.total()
        if self._payload is not None:
            payloads = read_payloads(columns.pop(self._payload), parsed=self._parsed)
            if payloads.kept is not None:
                columns = {**keep(columns, payloads.kept)}
                rejected += payloads.rejected
                count = len(payloads.objects)
            columns |= flatten(payloads.objects, taken=self._taken, payload=self._payload)
        return Batch(rows=record_batch(columns, count), read=read, rejected=dict(rejected))

    def _timed(
        self, columns: dict[str, Sequence[Any]], window: Window, rejected: Counter[str]
    ) -> tuple[dict[str, Sequence[Any]], int]:
        """Put moments in place of the written times; returns the columns and the rows read."""
        assert self._time is not None
        assert self._writing is not None
        read, start, end = self._writing.read, window.start, window.end
        moments = [read(value) for value in columns[self._time.name]]
        inside = [isinstance(at, datetime) and start <= at < end for at in moments]
        columns[self._time.name] = moments
        if all(inside):
            return columns, len(moments)
        reasons = [at for at in moments if isinstance(at, str)]
        rejected.update(reasons)
        return {**keep(columns, inside)}, sum(inside) + len(reasons)


def _truth(value: Any) -> Any:
    return bool(value) if type(value) is int and value in (0, 1) else value


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
