"""Rows through SQLAlchemy, value by value: the ways that every database has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from monitor.sources.batch import rows_at_once
from monitor.sources.database import Database
from monitor.sources.rows import Rows, Wanted


class CursorReader:
    """Reads a statement by one cursor, which the database moves along where it can."""

    name = "cursor"

    def __init__(self, database: Database, wanted: Wanted) -> None:
        self._database, self._wanted = database, wanted

    def fits(self, _statement: sa.Select[Any]) -> bool:
        return True

    def close(self) -> None:
        """Nothing stays open but the database's own connection."""

    def cancel(self) -> None:
        """Every statement runs on the database's own connection."""

    def rows(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Iterator[Rows]:
        with self._database.reading() as connection:
            most = rows_at_once(len(self._wanted.names))
            options = {"stream_results": True, "max_row_buffer": most}
            with connection.execute(statement, bounds, execution_options=options) as result:
                for rows in result.partitions(most):
                    yield rows_of(rows, self._wanted)


class PageReader:
    """Reads a window page by page, each a statement of its own that begins where the last ended.

    No statement takes long, no transaction stays open, and a driver that fetches a result whole has
    a page in memory. It needs an index that begins with the time: without one, each page reads and
    sorts the whole table. Rows of a page's last moment are left to the next page, so that no row is
    read twice or missed, though times are not unique. Rows that are written meanwhile and lie
    before the page are late rows.
    """

    name = "pages"

    def __init__(self, database: Database, wanted: Wanted, *, rows: int | None = None) -> None:
        self._database, self._wanted = database, wanted
        self._most = rows or rows_at_once(len(wanted.names))
        self._cursor = CursorReader(database, wanted)
        self._at = wanted.names.index(wanted.time or "")

    def fits(self, _statement: sa.Select[Any]) -> bool:
        return True

    def close(self) -> None:
        """Nothing stays open but the database's own connection."""

    def cancel(self) -> None:
        """Every statement runs on the database's own connection."""

    def rows(self, statement: sa.Select[Any], bounds: Mapping[str, Any]) -> Iterator[Rows]:
        if "start" not in bounds:  # not a window
            yield from self._cursor.rows(statement, bounds)
            return
        page = statement.order_by(statement.selected_columns[self._at]).limit(self._most)
        rest = dict(bounds)
        while True:
            rows = self._database.fetch(page, rest)
            if len(rows) < self._most:
                if rows:
                    yield rows_of(rows, self._wanted)
                return
            rest["start"] = rows[-1][self._at]
            ending = _of_the_last_moment([row[self._at] for row in rows])
            if ending == len(rows):  # more rows of one moment than a page holds
                yield from self._cursor.rows(statement, rest)
                return
            yield rows_of(rows[:-ending], self._wanted)


def _of_the_last_moment(times: Sequence[Any]) -> int:
    return sum(1 for _ in takewhile(lambda time: time == times[-1], reversed(times)))


def rows_of(rows: Sequence[Sequence[Any]], wanted: Wanted) -> Rows:
    """Turn rows of values into columns of them."""
    columns = dict(zip(wanted.names, zip(*rows, strict=True), strict=True))
    for name in wanted.truths:
        columns[name] = tuple(map(truth, columns[name]))
    return Rows(columns=columns, count=len(rows))


def truth(value: Any) -> Any:
    """Take the 0 and 1 of a column that is declared as true or false for that."""
    return bool(value) if type(value) is int and value in (0, 1) else value
