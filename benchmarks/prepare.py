"""What jobs start from besides the data: stored baselines, results databases, tables of SQL.

    python -m benchmarks.prepare WHAT FOLDER ORDERS

makes WHAT in a new FOLDER; ORDERS is a JSON object: where the data is, the first and last instant.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import columns

SETTINGS = """\
# A backfill of the 40 features, together and by cohort. What is no feature is not read.
store: sqlite:///driftline.db
models:
  bench:
    source: file://{log}/*.parquet
    log: {{time: event_time}}
    baseline: {{file: {baseline}/part-0000.parquet}}
    cohorts: {cohorts}
    columns:
      id: {{kind: ignore}}
      score: {{kind: ignore}}
      label: {{kind: ignore}}
      version: {{kind: ignore}}
    window: {window}
alerts:
  budget: off
  rules: {rules}
"""
DAILY = {
    "window": "1d",
    "cohorts": f"[{columns.COHORT}]",
    "rules": "[{name: body, statistic: js, threshold: 0.1, windows: 3, cohorts: true}]",
}
HOURLY = {"window": "1h", "cohorts": "[]", "rules": "[]"}


def stored(folder: Path, orders: dict[str, Any]) -> None:
    """Accept the baseline and keep it by the codec."""
    sys.path.insert(0, str(Path(__file__).parent / "systems"))
    import stored as kept

    from profiles.baseline import accept

    wanted = [*columns.FEATURES, columns.SCORE, columns.LABEL]
    batches = kept.batches(orders["baseline"], wanted, list(columns.CATEGORICAL))
    kept.write(folder, accept(batches))


def daily(folder: Path, orders: dict[str, Any]) -> None:
    """Make a results database that holds an accepted baseline and no window yet, for the log."""
    _configure(folder, orders["baseline"], orders["log"], DAILY)
    _monitor(folder, "backfill", "--dry-run")


def daily_few(folder: Path, orders: dict[str, Any]) -> None:
    """Do the same for the window's rows in place of the log's."""
    _configure(folder, orders["baseline"], orders["window"], DAILY)
    _monitor(folder, "backfill", "--dry-run")


def hourly(folder: Path, orders: dict[str, Any]) -> None:
    """Do the same for windows of an hour, everybody together."""
    _configure(folder, orders["baseline"], orders["log"], HOURLY)
    _monitor(folder, "backfill", "--dry-run")


def rolled(folder: Path, orders: dict[str, Any]) -> None:
    """Make a results database that holds every hour of the log."""
    hourly(folder, orders)
    _monitor(folder, "backfill")


def sqlite(folder: Path, orders: dict[str, Any]) -> None:
    """Put the window's rows into a SQLite table, times as ISO text, with an index on them."""
    with contextlib.closing(sqlite3.connect(folder / "log.db")) as database:
        types = ", ".join(f"{name} {_sqlite_type(name)}" for name in columns.EVERY)
        marks = ", ".join("?" * len(columns.EVERY))
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("PRAGMA synchronous=OFF")
        database.execute(f"CREATE TABLE predictions ({types})")
        for batch in _batches(orders["window"]):
            written = batch.set_column(0, columns.TIME, _iso(batch.column(columns.TIME)))
            rows = zip(*(column.to_pylist() for column in written.columns), strict=True)
            database.executemany(f"INSERT INTO predictions VALUES ({marks})", rows)
        database.execute(f"CREATE INDEX by_time ON predictions ({columns.TIME})")
        database.execute("ANALYZE")
        database.commit()


def load_postgres(url: str, window: str) -> None:
    """Put the window's rows into a PostgreSQL table, with an index on the time."""
    import io

    import psycopg
    import pyarrow as pa
    import pyarrow.csv

    types = ", ".join(f"{name} {_postgres_type(name)}" for name in columns.EVERY)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE predictions ({types})")
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY predictions FROM STDIN (FORMAT csv)") as copy,
        ):
            for batch in _batches(window):
                text = io.BytesIO()
                options = pa.csv.WriteOptions(include_header=False)
                pa.csv.write_csv(pa.Table.from_batches([batch]), text, options)
                copy.write(text.getvalue())
        connection.execute(f"CREATE INDEX ON predictions ({columns.TIME})")
        connection.execute("VACUUM (FREEZE, ANALYZE) predictions")
        connection.execute("CHECKPOINT")


def _batches(table: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    for path in sorted(Path(table).glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(50_000, columns=list(columns.EVERY))


def _iso(times: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.strftime(times.cast(pa.timestamp("us")), "%Y-%m-%dT%H:%M:%S")


def _sqlite_type(name: str) -> str:
    if name in columns.CATEGORICAL or name in {columns.TIME, columns.VERSION}:
        return "TEXT"
    whole = name in columns.WHOLE or name in {columns.ID, columns.LABEL}
    return "INTEGER" if whole else "REAL"


def _postgres_type(name: str) -> str:
    if name == columns.TIME:
        return "timestamptz NOT NULL"
    if name == columns.LABEL:
        return "smallint"
    return {"TEXT": "text", "INTEGER": "bigint", "REAL": "double precision"}[_sqlite_type(name)]


def _configure(folder: Path, baseline: str, log: str, of: dict[str, str]) -> None:
    text = SETTINGS.format(baseline=baseline, log=log, **of)
    (folder / "monitor.yaml").write_text(text, encoding="utf-8")


def _monitor(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "monitor", *arguments, "-c", "monitor.yaml"],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"monitor {' '.join(arguments)}: {done.stderr.strip()[-2_000:]}")


MAKERS: dict[str, Callable[[Path, dict[str, Any]], None]] = {
    "stored": stored,
    "daily": daily,
    "daily-few": daily_few,
    "hourly": hourly,
    "rolled": rolled,
    "sqlite": sqlite,
}


def prepare(what: str, folder: Path, orders: dict[str, Any]) -> None:
    """Make it, unless it is there; what was cut off is made anew."""
    started = datetime.now().astimezone()
    if (folder / "made").exists():
        return
    print(f"Preparing {what}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    MAKERS[what](folder, orders)
    took = datetime.now().astimezone() - started
    (folder / "made").write_text(f"in {took}\n", encoding="utf-8")


if __name__ == "__main__":
    _, _what, _folder, _orders = sys.argv
    prepare(_what, Path(_folder), json.loads(_orders))
