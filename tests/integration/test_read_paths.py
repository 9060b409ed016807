"""Whichever way a log is read, its rows and its profile are the same."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from monitor.config import Model
from monitor.sources import Batch, open_log
from monitor.sources.copying import CopyReader
from monitor.sources.cursor import CursorReader, PageReader
from monitor.sources.database import Database, Table
from monitor.sources.rows import Wanted
from monitor.sources.stepping import StepReader
from monitor.sources.table import TableReader
from monitor.sources.ways import StatementReader
from profiles.baseline import accept
from profiles.counting import profile
from profiles.windows import Window
from tests.support.logs import column, run_sql

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Window(start=START, end=START + 24 * HOUR)

Choose = Callable[[Database, Table, Wanted], StatementReader]
CURSOR: Choose = lambda database, _table, wanted: CursorReader(database, wanted)  # noqa: E731
COPY: Choose = lambda database, _table, wanted: CopyReader(database, wanted)  # noqa: E731
STEP: Choose = lambda database, _table, wanted: StepReader(database, wanted)  # noqa: E731
PAGES: Choose = lambda database, _table, wanted: PageReader(database, wanted, rows=7)  # noqa: E731


def read(
    url: str, choose: Choose, *, payload: str | None = None, window: Window = DAY
) -> tuple[str, list[Batch]]:
    """Read a window of `predictions` in a chosen way; returns the way that it was in the end."""
    database = Database(SecretStr(url))
    try:
        table = database.table("predictions", None)
        reader = TableReader(
            database,
            table,
            time="event_time",
            payload=payload,
            choose=choose,  # type: ignore[arg-type]
        )
        found = [batch for batch in reader.rows_within(window) if batch.read]
        path = reader.path()
        reader.close()
    finally:
        database.close()
    return path, found


def values_of(batches: list[Batch]) -> dict[str, list[Any]]:
    """Return all values by column; what is not equal to itself is written out."""
    names = sorted({name for batch in batches for name in batch.rows.schema.names})
    return {
        name: [_told(value) for value in column((b.rows for b in batches), name)] for name in names
    }


def _told(value: Any) -> Any:
    is_nan = isinstance(value, float) and math.isnan(value)
    return ("nan",) if is_nan else (type(value).__name__, value)


def profiles_of(batches: list[Batch], plan: Any) -> list[Any]:
    made = profile(plan, [batch.rows for batch in batches])
    return [{name: of.counts.tolist() for name, of in each.columns.items()} for each in made]


HOSTILE_SQLITE = [
    (1, 1.5, "a", "1", b"\x00\xff", 1, "x"),
    (2, float("inf"), "b", 1, None, 0, "y"),
    (None, 2**53 + 1, None, 1.5, b"", None, "x"),
    (2**63 - 1, -0.0, "é🛫\u202e", b"\xff", b"x", 2, "z"),
    (-(2**63), 1e308, "NaN", None, None, "maybe", "x" * 5_000),
    (0, 5e-324, "", "text", b"1", 1, "=1+1"),
]


def sqlite_log(path: Path, rows: list[tuple[Any, ...]]) -> str:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE predictions (event_time TEXT, whole INTEGER, part REAL, name TEXT, "
            "any, raw BLOB, truth BOOLEAN, code TEXT)"
        )
        connection.executemany(
            "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [((START + at * HOUR / 10).isoformat(), *row) for at, row in enumerate(rows)],
        )
    return f"sqlite:///{path}"


@pytest.mark.parametrize("rows", [HOSTILE_SQLITE, HOSTILE_SQLITE[:1] * 40 + HOSTILE_SQLITE * 5, []])
def test_sqlite_is_read_alike_by_its_functions_a_cursor_and_pages(
    rows: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    url = sqlite_log(tmp_path / "log.db", rows)
    _, expected = read(url, CURSOR)
    for name, choose in (("sqlite", STEP), ("pages", PAGES)):
        path, found = read(url, choose)
        assert path == name
        assert values_of(found) == values_of(expected)
    if rows:
        plan = accept([batch.rows for batch in expected], skip=["event_time"]).plan
        counted = [profiles_of(read(url, of)[1], plan) for of in (CURSOR, STEP, PAGES)]
        assert counted[0] == counted[1] == counted[2]


cells = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.binary(max_size=12)
    | st.sampled_from(["a", "b", "aa", 0, 1, 0.5])
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(*[cells] * 7), max_size=20))
def test_whatever_sqlite_holds_is_read_alike(rows: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = sqlite_log(Path(folder) / "log.db", rows)
        assert values_of(read(url, STEP)[1]) == values_of(read(url, CURSOR)[1])


POSTGRES = """CREATE TABLE predictions (event_time timestamptz, small smallint, whole integer,
    big bigint, single real, part double precision, exact numeric, truth boolean, name text,
    code varchar(20), padded char(4), key uuid, raw bytea, day date, at timestamp, extra jsonb,
    plain json, took interval, clock time, tags text[], counts integer[])"""

HOSTILE_POSTGRES: list[tuple[Any, ...]] = [
    (-(2**15), 2**31 - 1, -(2**63), 0.1, math.nan, Decimal("12.50"), True, "é🛫\u202e", "a", "ab",
     "00000000-0000-0000-0000-0000000000ff", b"\x00\xff", date(2013, 3, 1),
     "2013-03-01 05:00",   '{"a": [1]}', "[1]", "90 seconds", "05:30", ["a", None], [1]),
    (None,) * 20,
    (0, 0, 0, math.inf, -math.inf, Decimal("NaN"), False, "", "", "", None, b"", None, None,
     "null", '"x"', "1 mon 2 days", "23:59:59.999999", [], []),
    (1, 1, 2**53 + 1, -0.0, 5e-324, Decimal("0.12345678901234567"), None, "NaN", "x" * 20, "abcd",
     "ffffffff-ffff-4fff-bfff-ffffffffffff", b"x" * 300, "infinity", "-infinity", "1.5", "1",
     "-1 year", "00:00", ["é"], [2**31 - 1, None]),
    (1, 1, 1, 3.4e38, 1e308, Decimal("1e400"), True, "=1+1", "a", "a", None, b"a", "0044-03-15 BC",
     "12000-01-01", "true", "{}", "0", "12:00", ["a"] * 30, [0]),
    (1, 1, 1, 1e-45, -1e-308, Decimal("-1e-400"), True, "<b>", "b", "b", None, b"a", "9999-12-31",
     "9999-12-31 23:59:59.999999", '"x"', '"\\ud83d"', "5 hours", "12:00", ["b"], [0]),
    (1, 1, 1, 16777217.0, 0.1, Decimal(10) ** 22 + 1, True, "a", "b", "b", None, b"a", "0001-01-01",
     "0001-01-01", "[]", "null", "00:00:00.000001", "12:00", None, None),
    (1, 1, 1, 1.0, 0.1, Decimal("Infinity"), True, "a", "b", "b", None, b"a", None, None, "0",
     "1e400", None, None, None, None),
]  # fmt: skip


def postgres_log(url: str, rows: list[tuple[Any, ...]], *, times: bool = True) -> None:
    run_sql(url, POSTGRES)
    holders = ", ".join(["%s"] * 21)
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.cursor().executemany(
            f"INSERT INTO predictions VALUES ({holders})",
            [(START + at * HOUR / 100, *row) for at, row in enumerate(rows)],
        )


@pytest.mark.parametrize("again", [1, 30])
def test_postgresql_is_read_alike_by_copy_a_cursor_and_pages(again: int, postgres_url: str) -> None:
    postgres_log(postgres_url, HOSTILE_POSTGRES * again)
    _, expected = read(postgres_url, CURSOR)
    assert sum(batch.read for batch in expected) == len(HOSTILE_POSTGRES) * again
    plan = accept([batch.rows for batch in expected], skip=["event_time"]).plan
    counted = profiles_of(expected, plan)
    for name, choose in (("copy", COPY), ("pages", PAGES)):
        path, found = read(postgres_url, choose)
        assert path == name
        assert profiles_of(found, plan) == counted
        moments = {"at", "day"}  # those of no year that Python has are no values of its own
        assert _without(found, moments) == _without(expected, moments)


def _without(batches: list[Batch], names: set[str]) -> dict[str, list[Any]]:
    kept = [
        Batch(
            rows=batch.rows.select([n for n in batch.rows.schema.names if n not in names]),
            read=batch.read,
            rejected=batch.rejected,
        )
        for batch in batches
    ]
    return values_of(kept)


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=None) | st.decimals(
    -(10**9), 10**9, places=6
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(numbers, st.floats(), st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)),
    min_size=1, max_size=30))  # fmt: skip
def test_decimals_floats_and_texts_are_read_to_the_bit(
    postgres_url: str, rows: list[tuple[Decimal, float, str]]
) -> None:
    run_sql(postgres_url, "DROP TABLE IF EXISTS predictions")
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (event_time timestamp, n numeric, f double precision, t text)",
    )
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.cursor().executemany(
            "INSERT INTO predictions VALUES ('2013-03-01 12:00', %s, %s, %s)", rows
        )
    (batch,) = read(postgres_url, COPY)[1]
    assert [value.hex() for value in column([batch.rows], "n")] == [
        float(n).hex() for n, _, _ in rows
    ]
    assert values_of([batch]) == values_of(read(postgres_url, CURSOR)[1])


COUNT = 2_000


def rows_of_a_log() -> pa.Table:
    """Rows that every kind of source can hold: numbers, texts, truths and times, some missing."""
    at = range(COUNT)
    return pa.table(
        {
            "event_time": pa.array(
                [START + one * timedelta(seconds=40) for one in at], pa.timestamp("us")
            ),
            "id": [f"p{one}" for one in at],
            "whole": [None if one % 50 == 0 else one % 97 for one in at],
            "part": [None if one % 50 == 1 else math.sin(one) * 10 ** (one % 9) for one in at],
            "few": [None if one % 50 == 2 else "abcdé"[one % 5] for one in at],
            "many": [f"m{one * one % 1_500}" for one in at],
            "late": [one % 3 == 0 for one in at],
        }
    )


def write_sqlite(folder: Path, table: pa.Table) -> str:
    columns = (
        "event_time TEXT, id TEXT, whole INTEGER, part REAL, few TEXT, many TEXT, late BOOLEAN"
    )
    with closing(sqlite3.connect(folder / "log.db")) as connection, connection:
        connection.execute(f"CREATE TABLE predictions ({columns})")
        rows = [
            (at.isoformat(), *rest) for at, *rest in zip(*table.to_pydict().values(), strict=True)
        ]
        connection.executemany("INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return f"sqlite:///{folder / 'log.db'}"


def write_duckdb(folder: Path, table: pa.Table) -> str:
    with duckdb.connect(str(folder / "log.duckdb")) as connection:
        connection.register("rows_of_a_log", table)
        connection.execute("CREATE TABLE predictions AS SELECT * FROM rows_of_a_log")
    return f"duckdb:///{folder / 'log.duckdb'}"


def write_parquet(folder: Path, table: pa.Table) -> str:
    for part in range(4):
        path = folder / f"{part}.parquet"
        pq.write_table(table.slice(part * COUNT // 4, COUNT // 4), path, row_group_size=200)
    return f"file:{folder}/*.parquet"


def write_csv(folder: Path, table: pa.Table) -> str:
    pyarrow.csv.write_csv(table, folder / "log.csv")
    return f"file:{folder}/*.csv"


@pytest.fixture
def sources(tmp_path: Path, postgres_url: str) -> dict[str, str]:
    """The same log in every kind of source, by the name of the way that each is read."""
    table = rows_of_a_log()
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (event_time timestamp, id text, whole integer, "
        "part double precision, few varchar(9), many text, late boolean)",
    )
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.cursor().executemany(
            "INSERT INTO predictions VALUES (%s, %s, %s, %s, %s, %s, %s)",
            zip(*table.to_pydict().values(), strict=True),
        )
    return {
        "copy": postgres_url,
        "sqlite": write_sqlite(tmp_path, table),
        "duckdb": write_duckdb(tmp_path, table),
        "parquet": write_parquet(tmp_path, table),
        "csv": write_csv(tmp_path, table),
    }


def test_the_same_log_gives_the_same_profile_wherever_it_lies(sources: dict[str, str]) -> None:
    window = Window(start=START + 3 * HOUR, end=START + 17 * HOUR)
    expected, plan = None, None
    for name, url in sources.items():
        log = {"time": "event_time", "id": "id"}
        if not url.startswith("file:"):
            log["table"] = "predictions"
        baseline = {"range": [START.isoformat(), (START + 5 * HOUR).isoformat()]}
        model = Model.model_validate({"source": url, "log": log, "baseline": baseline})
        with open_log(model) as source:
            assert source.path() == name
            assert source.earliest() == START
            assert source.latest() == START + (COUNT - 1) * timedelta(seconds=40)
            assert source.count_since(window.end) == COUNT - 17 * 90
            found = list(source.batches(window))
            first = [batch.rows for batch in source.batches(window)]
        accepted = accept(first, skip=["event_time", "id"], dimensions=(("few",),)).plan
        plan = plan or accepted
        assert {c: grid.id for c, grid in accepted.grids.items()} == {
            c: grid.id for c, grid in plan.grids.items()
        }
        read = {key: sorted(map(repr, each)) for key, each in values_of(found).items()}
        made = profiles_of(found, plan)
        assert sum(batch.read for batch in found) == 14 * 90
        if expected is None:
            expected = read, made
        assert (read, made) == expected, name


READING = """
import sys
from datetime import UTC, datetime
from monitor.config import Model
from monitor.sources import open_log
from profiles.windows import Window

url = sys.argv[1]
log = {"time": "event_time"} | ({} if url.startswith("file:") else {"table": "predictions"})
baseline = {"range": ["2013-03-01", "2013-03-02"]}
day = Window(start=datetime(2013, 3, 1, tzinfo=UTC), end=datetime(2013, 3, 2, tzinfo=UTC))

def loaded():
    print(*(name for name in ("numba", "pandas", "duckdb") if name in sys.modules))

with open_log(Model.model_validate({"source": url, "log": log, "baseline": baseline})) as source:
    source.latest()
    loaded()
    assert sum(batch.read for batch in source.batches(day)) == 2_000
    loaded()
"""


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("copy", "", "numba"),
        ("parquet", "", ""),
    ],
)
def test_what_costs_seconds_to_import_is_imported_where_it_is_needed(
    name: str, before: str, after: str, sources: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READING, sources[name]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == [before, after]
