"""The demo's tables: what the model learnt from, what it predicted, what then happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from monitor.demo.flights import FEATURES
from monitor.errors import SourceError

# Bump it when what is written changes: an older demo log is then replaced.
LOADER = 1

# SQLite has no type for an instant: ISO text in UTC sorts as time does.
Instant = sa.String(20).with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
Payload = sa.Text().with_variant(postgresql.JSONB, "postgresql")

_TEXT = ("carrier", "origin", "dest", "weekday")
_COUNT = ("distance", "hour")

metadata = sa.MetaData()


def _feature(name: str) -> sa.Column[Any]:
    if name in _TEXT:
        return sa.Column(name, sa.String(8))
    return sa.Column(name, sa.Integer if name in _COUNT else sa.Float)


training_rows = sa.Table(
    "training_rows",
    metadata,
    sa.Column("event_time", Instant, nullable=False),
    *(_feature(name) for name in FEATURES),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("late", sa.Boolean),
)

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("prediction_id", sa.String(32), primary_key=True),
    sa.Column("event_time", Instant, nullable=False),
    sa.Column("model_version", sa.String(8), nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("features", Payload, nullable=False),
    sa.Index("predictions_by_time", "event_time"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("prediction_id", sa.String(32), primary_key=True),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("observed_at", Instant, nullable=False),
    sa.Index("outcomes_by_time", "observed_at"),
)

# Says that the tables beside it are ours to replace, and once it has a row, that they are complete.
loads = sa.Table(
    "driftline_demo",
    metadata,
    sa.Column("loader", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("training_rows", sa.Integer, nullable=False),
    sa.Column("predictions", sa.Integer, nullable=False),
    sa.Column("outcomes", sa.Integer, nullable=False),
    sa.Column("threshold", sa.Float, nullable=False),
    sa.Column("auc_out_of_fold", sa.Float, nullable=False),
    sa.Column("auc_in_sample", sa.Float, nullable=False),
)


def finished_load(connection: sa.Connection) -> sa.Row[Any] | None:
    """Return the row that an earlier, complete load of this version left, or None."""
    if not sa.inspect(connection).has_table(loads.name):
        return None
    return connection.execute(sa.select(loads).where(loads.c.loader == LOADER)).one_or_none()


def start_over(connection: sa.Connection) -> None:
    """Replace what an earlier load left by empty tables.

    Raises
    ------
    SourceError
        If a table of the same name is there that the demo did not make.
    """
    there = set(sa.inspect(connection).get_table_names())
    ours = {table.name for table in metadata.sorted_tables}
    if loads.name not in there and there & ours:
        raise SourceError(
            f"table {min(there & ours)!r} is there already and is not the demo's; "
            "give --source a database of its own"
        )
    metadata.drop_all(connection)
    metadata.create_all(connection)


def insert(connection: sa.Connection, table: sa.Table, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows, given in the order of the table's columns, past SQLAlchemy's work on each."""
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        connection.exec_driver_sql(str(table.insert().compile(connection)), list(rows))


def _copy(connection: sa.Connection, table: sa.Table, rows: Iterable[Sequence[Any]]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quote(column.name) for column in table.columns)
    driver: Any = connection.connection.driver_connection
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {quote(table.name)} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)
