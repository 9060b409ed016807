"""A log whose rows come when a test says, in whatever a log may lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import sqlalchemy as sa

from monitor.config import Config
from tests.support.log import Flight
from tests.support.store import MODEL

Kind = Literal["sqlite", "postgresql", "duckdb", "parquet", "csv"]
Written = datetime | int | None  # what stands in the column that says when a row was written

_TYPES: dict[type, tuple[Any, pa.DataType, str]] = {
    datetime: (sa.DateTime(), pa.timestamp("us"), "TIMESTAMP"),
    int: (sa.BigInteger(), pa.int64(), "BIGINT"),
}


class Arrivals:
    """A log of plain columns that begins without a row.

    Parameters
    ----------
    url : str
        Of a new database; of files and DuckDB none is needed.
    written : type
        Of the column `written`: datetime or int.
    """

    def __init__(
        self, kind: Kind, folder: Path, *, url: str = "", written: type[Any] = datetime
    ) -> None:
        self.kind, self.folder, self._files = kind, folder, 0
        self._of_sql, of_arrow, of_duck = _TYPES[written]
        self._schema = pa.schema(
            {
                "event_time": pa.timestamp("us"),
                "prediction_id": pa.string(),
                "origin": pa.string(),
                "distance": pa.int64(),
                "temp": pa.float64(),
                "score": pa.float64(),
                "written": of_arrow,
            }
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.source = {
            "sqlite": url, "postgresql": url,
            "duckdb": f"duckdb:///{folder / 'log.duckdb'}",
            "parquet": f"file:{folder}/*.parquet",
            "csv": f"file:{folder}/*.csv",
        }[kind]  # fmt: skip
        self.add: Callable[..., None] = {
            "duckdb": self._add_to_duckdb, "parquet": self._add_file, "csv": self._add_file,
        }.get(kind, self._add_to_table)  # fmt: skip
        if kind == "duckdb":
            columns = (
                "event_time TIMESTAMP, prediction_id VARCHAR, origin VARCHAR, distance BIGINT, "
                f"temp DOUBLE, score DOUBLE, written {of_duck}"
            )
            with duckdb.connect(str(folder / "log.duckdb")) as connection:
                connection.execute(f"CREATE TABLE predictions ({columns})")
        elif url:
            engine = sa.create_engine(url)
            self._table().metadata.create_all(engine)
            engine.dispose()

    def values(self, store: str, trained: Sequence[Flight], **keys: Any) -> dict[str, Any]:
        """Describe a model over it, with what it was trained on in a file."""
        path = self.folder / "trained.pq"
        pq.write_table(self._rows(trained, None), path)
        table = {} if self.kind in {"parquet", "csv"} else {"table": "predictions"}
        log = {"time": "event_time", "id": "prediction_id", **table, **keys.pop("log", {})}
        model = {
            "source": self.source,
            "log": log,
            "baseline": {"file": str(path)},
            "prediction": {"kind": "binary", "score": "score"},
            "cohorts": ["origin"],
            "columns": {"written": {"kind": "ignore"}},
            "window": "6h",
            "noun": "flights",
            **keys,
        }
        rule = {"name": "day", "statistic": "js", "threshold": 0.25, "over": "12h", "windows": 2,
                "min_rows": 15}  # fmt: skip
        return {
            "store": store,
            "models": {MODEL: model},
            "alerts": {"budget": "off", "rules": [rule]},
        }

    def config(self, store: str, trained: Sequence[Flight], **keys: Any) -> Config:
        return Config.model_validate(self.values(store, trained, **keys))

    def _rows(self, rows: Sequence[Flight], written: Written) -> pa.Table:
        values = [
            (of.at.replace(tzinfo=None), of.id, of.origin, of.distance, of.temp, of.score)
            for of in rows
        ]
        stamp = written.replace(tzinfo=None) if isinstance(written, datetime) else written
        columns = [*zip(*values, strict=True), [stamp] * len(rows)]
        return pa.table(list(map(list, columns)), schema=self._schema)

    def _add_to_table(self, rows: Sequence[Flight], written: Written = None) -> None:
        engine = sa.create_engine(self.source)
        with engine.begin() as connection:
            connection.execute(self._table().insert(), self._rows(rows, written).to_pylist())
        engine.dispose()

    def _add_to_duckdb(self, rows: Sequence[Flight], written: Written = None) -> None:
        with duckdb.connect(str(self.folder / "log.duckdb")) as connection:
            connection.register("come", self._rows(rows, written))
            connection.execute("INSERT INTO predictions SELECT * FROM come")

    def _add_file(self, rows: Sequence[Flight], written: Written = None) -> None:
        self._files += 1
        path = self.folder / f"{self._files:04}.{self.kind}"
        table = self._rows(rows, written)
        if self.kind == "csv":
            pyarrow.csv.write_csv(table, path)
        else:
            pq.write_table(table, path)

    def _table(self) -> sa.Table:
        return sa.Table(
            "predictions",
            sa.MetaData(),
            sa.Column("event_time", sa.DateTime(), index=True),
            sa.Column("prediction_id", sa.String(40)),
            sa.Column("origin", sa.String(3)),
            sa.Column("distance", sa.Integer),
            sa.Column("temp", sa.Float),
            sa.Column("score", sa.Float),
            sa.Column("written", self._of_sql, index=True),
        )
