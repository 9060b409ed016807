"""Small prediction logs, written into whatever database a test has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from monitor.config import Model


def write_table(
    url: str,
    name: str,
    columns: Mapping[str, Any],
    rows: Iterable[Sequence[Any]] = (),
    *,
    index: str | None = None,
) -> None:
    """Create a table of columns of the given types, with rows of values in their order."""
    table = sa.Table(name, sa.MetaData(), *(sa.Column(c, of) for c, of in columns.items()))
    if index is not None:
        sa.Index(f"ix_{index}", table.c[index])
    with _begin(url) as connection:
        table.create(connection)
        values = [dict(zip(columns, row, strict=True)) for row in rows]
        if values:
            connection.execute(table.insert(), values)


def run_sql(url: str, *statements: str) -> None:
    """Run statements as they are written, past SQLAlchemy's own reading of them."""
    with _begin(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def _begin(url: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def a_model(url: str, /, **keys: Any) -> Model:
    """Describe a model over the table `predictions`; keys of `log` and of the model alike."""
    log = {"table": "predictions", "time": "event_time"}
    for key in ("table", "time", "id", "payload", "version", "schema"):
        if key in keys:
            log[key] = keys.pop(key)
    keys.setdefault("baseline", {"table": log["table"]})
    return Model.model_validate({"source": url, "log": log, **keys})


def column(batches: Iterable[pa.RecordBatch], name: str) -> list[Any]:
    """Return a column's values over all batches, None where a batch lacks it."""
    values: list[Any] = []
    for rows in batches:
        at = rows.schema.get_field_index(name)
        values += [None] * rows.num_rows if at < 0 else rows.column(at).to_pylist()
    return values
