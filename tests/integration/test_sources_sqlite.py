"""What is SQLite's own: columns that hold anything, and a file that may not be there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.config import Limits
from monitor.errors import SourceError
from monitor.sources import open_log
from monitor.sources.batch import ROWS
from profiles.windows import Window
from tests.support.logs import a_model, column

DAY = Window(start=datetime(2013, 3, 1, tzinfo=UTC), end=datetime(2013, 3, 2, tzinfo=UTC))


def sqlite_log(path: Path, *statements: str) -> str:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return sa.URL.create("sqlite", database=str(path)).render_as_string()


def test_a_missing_file_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no SQLite file"):
        open_log(a_model(f"sqlite:///{tmp_path / 'nowhere.db'}"))
    assert not (tmp_path / "nowhere.db").exists()


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"canary" * 1_000)
    with pytest.raises(SourceError, match="file is not a database"):
        open_log(a_model(f"sqlite:///{path}"))


def test_a_path_with_odd_signs_is_only_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a b%20c#d&e=f.db"
    url = sqlite_log(
        path,
        "CREATE TABLE predictions (event_time TEXT, n INTEGER)",
        "INSERT INTO predictions VALUES ('2013-03-01 12:00:00', 1)",
    )
    with open_log(a_model(url)) as log:
        assert [batch.read for batch in log.batches(DAY)] == [1]


def test_odd_values_in_declared_columns_do_not_stop_a_window(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (event_time DATETIME, day DATE, late BOOLEAN, odd WHATEVER(1))",
        "INSERT INTO predictions VALUES ('2013-03-01T12:00:00Z', 'soon', 1, x'00')",
        "INSERT INTO predictions VALUES ('2013-03-01T13:00:00Z', 20130301, 0, 'text')",
        "INSERT INTO predictions VALUES ('2013-03-01T14:00:00Z', NULL, 'maybe', 1.5)",
        "INSERT INTO predictions VALUES (NULL, NULL, NULL, NULL)",
        "INSERT INTO predictions VALUES (17, NULL, NULL, NULL)",
    )
    with open_log(a_model(url)) as log, pytest.raises(SourceError, match="several ways"):
        log.latest()  # an integer among the texts is a second way of writing times
    sqlite_log(tmp_path / "log.db", "DELETE FROM predictions WHERE event_time = 17")
    with open_log(a_model(url)) as log:
        (batch,) = log.batches(DAY)
    assert column([batch.rows], "day") == ["soon", 20130301, None]
    assert column([batch.rows], "late") == [True, False, "maybe"]
    assert column([batch.rows], "odd") == ["\x00", "text", 1.5]


def test_times_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    times = ["2013-03-01 12:00:00"] * 300 + ["2013-03-01 25:99", "2013-03-01 12:00:00+02:00"]
    url = sqlite_log(tmp_path / "log.db", "CREATE TABLE predictions (event_time TEXT)")
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        connection.executemany("INSERT INTO predictions VALUES (?)", [(t,) for t in times])
    with open_log(a_model(url)) as log:
        (batch,) = log.batches(DAY)
        assert batch.rejected == {"time_unreadable": 1, "time_not_utc": 1}
        assert (batch.read, batch.rows.num_rows) == (302, 300)
        with pytest.raises(SourceError, match="latest value of column 'event_time' is no time"):
            log.latest()


def test_garbage_beside_the_times_does_not_become_the_latest(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (at INTEGER)",
        *(f"INSERT INTO predictions VALUES ({1362139200 + n})" for n in range(250)),
        "INSERT INTO predictions VALUES ('n/a')",
        "INSERT INTO predictions VALUES (NULL)",
    )
    with open_log(a_model(url, time="at")) as log:
        assert log.latest() == datetime(2013, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=249)


def test_text_that_is_not_utf_8_is_spelled_out(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (event_time TEXT, name TEXT)",
        "INSERT INTO predictions VALUES ('2013-03-01 12:00', CAST(x'ff41' AS TEXT))",
    )
    with open_log(a_model(url)) as log:
        assert column((b.rows for b in log.batches(DAY)), "name") == ["\\xffA"]


def test_text_that_is_not_utf_8_is_spelled_out_beside_what_is(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (event_time TEXT, prediction_id TEXT, name TEXT)",
        "INSERT INTO predictions VALUES ('2013-03-01 12:00', 'é', 'é')",
        "INSERT INTO predictions VALUES ('2013-03-01 12:00', CAST(x'ff41' AS TEXT), NULL)",
        "INSERT INTO predictions VALUES ('2013-03-01 12:00', 'a', CAST(x'c3' AS TEXT))",
    )
    with open_log(a_model(url, id="prediction_id")) as log:
        (batch,) = log.batches(DAY)
    batch.rows.validate(full=True)
    assert column([batch.rows], "prediction_id") == ["é", "\\xffA", "a"]
    assert column([batch.rows], "name") == ["é", None, "\\xc3"]


def test_a_value_of_many_megabytes_is_read_between_small_ones(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (event_time TEXT, n INTEGER, name TEXT, raw BLOB)",
        """WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers
           WHERE n < 900) INSERT INTO predictions SELECT '2013-03-01 12:00', n,
           printf('%.*c', iif(n % 300, n, 5000000), 'x'), zeroblob(iif(n % 300, n, 5000000))
           FROM numbers""",
    )
    with open_log(a_model(url), Limits(row_bytes=16 << 20)) as log:
        read = [batch.rows for batch in log.batches(DAY)]
    assert column(read, "n") == list(range(1, 901))
    for name in ("name", "raw"):
        lengths = [len(value) for value in column(read, name)]
        assert lengths == [n if n % 300 else 5_000_000 for n in range(1, 901)]


def test_a_file_that_stays_locked_is_one_line(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (event_time TEXT)",
        "INSERT INTO predictions VALUES ('2013-03-01 12:00')",
    )
    with open_log(a_model(f"{url}?timeout=0.01")) as log:
        assert [batch.read for batch in log.batches(DAY)] == [1]
        with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            with pytest.raises(SourceError, match="database is locked"):
                list(log.batches(DAY))
        assert [batch.read for batch in log.batches(DAY)] == [1]


def test_a_column_of_true_and_false_may_hold_other_values_in_some_batches(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (event_time TEXT, late BOOLEAN)",
        f"""WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers
            WHERE n < {2 * ROWS}) INSERT INTO predictions
            SELECT '2013-03-01 12:00', iif(n = {2 * ROWS}, 2, n % 2) FROM numbers""",
    )
    with open_log(a_model(url)) as log:
        first, second = (batch.rows for batch in log.batches(DAY))
    assert str(first.schema.field("late").type) == "bool"
    assert column([second], "late")[-2:] == [True, 2.0]


def test_a_window_is_found_by_the_index(tmp_path: Path) -> None:
    url = sqlite_log(
        tmp_path / "log.db",
        "CREATE TABLE predictions (event_time TIMESTAMP, n INTEGER)",
        "INSERT INTO predictions VALUES ('2013-03-01 12:00:00', 1)",
        "CREATE INDEX by_time ON predictions (event_time)",
    )
    with open_log(a_model(url)) as log:
        list(log.batches(DAY))
        statement = log._open()._statement("rows")
        text = str(statement.compile(dialect=log._origin._engine.dialect))
        with log._origin.reading() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("a", "b")).all()
    assert "USING INDEX by_time (event_time>? AND event_time<?)" in plan[0][-1]
