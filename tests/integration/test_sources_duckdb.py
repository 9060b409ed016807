"""What is DuckDB's own: its file, its types, and that a reader keeps nobody from writing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import SecretStr

from monitor.errors import SourceError
from monitor.sources import look_at, open_baseline, open_log
from monitor.sources.batch import ROWS
from profiles.windows import Window
from tests.support.logs import a_model, column

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOON = Window(start=START + 12 * HOUR, end=START + 13 * HOUR)
CANARY = "hunter2-canary"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.duckdb"


def run(path: Path, *statements: str) -> str:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return f"duckdb:///{path}"


def hourly(path: Path, of: str = "TIMESTAMP", write: str = "t") -> str:
    """Write one row an hour of a day, its time as an expression of `t`."""
    return run(
        path,
        f"CREATE TABLE predictions (n INTEGER, event_time {of})",
        f"""INSERT INTO predictions SELECT n, {write} FROM (SELECT n,
            TIMESTAMP '2013-03-01' + to_hours(n::INTEGER) AS t FROM range(24) r(n))""",
    )


@pytest.mark.parametrize(
    ("of", "write"),
    [
        ("TIMESTAMP", "t"),
        ("TIMESTAMP_S", "t"),
        ("TIMESTAMP_MS", "t"),
        ("TIMESTAMP_NS", "t"),
        ("TIMESTAMPTZ", "t AT TIME ZONE 'UTC'"),
        ("VARCHAR", "strftime(t, '%Y-%m-%dT%H:%M:%SZ')"),
        ("VARCHAR", "strftime(t, '%Y-%m-%d %H:%M')"),
        ("BIGINT", "epoch(t)"),
        ("BIGINT", "epoch_us(t)"),
        ("DOUBLE", "epoch(t)"),
        ("DECIMAL(20, 3)", "epoch(t)"),
    ],
)
def test_times_are_found_however_they_are_written(of: str, write: str, path: Path) -> None:
    with open_log(a_model(hourly(path, of, write))) as log:
        (batch,) = log.batches(NOON)
        assert column([batch.rows], "n") == [12]
        assert column([batch.rows], "event_time") == [NOON.start]
        assert (log.earliest(), log.latest()) == (START, START + 23 * HOUR)
        assert log.count_since(START + 20 * HOUR) == 4
        assert (log.path(), log.time_indexed()) == ("duckdb", True)
        assert log.columns() == {"n", "event_time"}
        assert sum(batch.read for batch in log.sample(10)) == 20


def test_days_are_found_at_their_midnight(path: Path) -> None:
    url = run(path, "CREATE TABLE predictions AS SELECT 1 AS n, DATE '2013-03-01' AS event_time")
    with open_log(a_model(url)) as log:
        assert column((b.rows for b in log.batches(Window(start=START, end=NOON.end))), "n") == [1]
        assert list(log.batches(NOON)) == []
        assert log.latest() == START


def test_types_of_its_own_are_read(path: Path) -> None:
    url = run(
        path,
        "CREATE TYPE mood AS ENUM ('calm', 'wild')",
        """CREATE TABLE predictions AS SELECT TIMESTAMPTZ '2013-03-01 12:00:00+00' AS event_time,
           1::HUGEINT AS huge, 1.25::DECIMAL(10, 2) AS exact, 'calm'::mood AS mood, true AS truth,
           '00000000-0000-0000-0000-000000000001'::UUID AS key, [1, 2] AS tags, 'x'::BLOB AS raw,
           {'temp': 1.5, 'wind': {'dir': 3}} AS weather, DATE '2013-03-01' AS day, NULL AS nothing,
           'infinity'::TIMESTAMP AS never, 0.5::FLOAT AS single, INTERVAL 1 DAY AS took""",
    )
    with open_log(a_model(url)) as log:
        (batch,) = log.batches(NOON)
        assert log.columns() >= {"huge", "weather.temp", "weather.wind.dir"}
    read = {
        name: column([batch.rows], name)[0] for name in batch.rows.schema.names if name != "never"
    }
    took = read.pop("took")
    assert "1" in took
    assert read == {
        "event_time": NOON.start, "huge": 1.0, "exact": 1.25, "mood": "calm", "truth": True,
        "key": "00000000-0000-0000-0000-000000000001", "tags": [1, 2], "raw": b"x",
        "weather.temp": 1.5, "weather.wind.dir": 3, "day": START, "nothing": None, "single": 0.5,
    }  # fmt: skip


def test_a_payload_is_flattened(path: Path) -> None:
    url = run(
        path,
        "CREATE TABLE predictions (event_time TIMESTAMP, doc JSON)",
        """INSERT INTO predictions VALUES ('2013-03-01 12:00', '{"a": 1, "b": {"c": 2}}'),
           ('2013-03-01 12:00', '[1]'), ('2013-03-01 12:00', NULL)""",
    )
    with open_log(a_model(url, payload="doc")) as log:
        (batch,) = log.batches(NOON)
        assert log.columns() == {"event_time", "a", "b.c"}
    assert batch.rejected == {"payload_not_object": 1, "payload_missing": 1}


def test_hostile_names_are_only_names(path: Path) -> None:
    names = ['a";DROP TABLE x;--', "%s", ":p", "?", "select", "a b", "ünï", "x" * 80, "$1"]
    quoted = ", ".join('"' + name.replace('"', '""') + '" INTEGER' for name in names)
    url = run(
        path,
        f"""CREATE TABLE "x""; --" ({quoted}, "'t"";--" TIMESTAMP)""",
        f"""INSERT INTO "x""; --" VALUES ({", ".join("1" for _ in names)}, '2013-03-01 12:00')""",
    )
    with open_log(a_model(url, table='x"; --', time="'t\";--")) as log:
        (batch,) = log.batches(NOON)
        assert log.latest() == NOON.start
    assert [column([batch.rows], name) for name in names] == [[1]] * len(names)


def test_a_large_window_is_streamed_in_batches(path: Path) -> None:
    url = run(
        path,
        f"""CREATE TABLE predictions AS SELECT n, TIMESTAMP '2013-03-01 12:00' AS event_time
            FROM range({2 * ROWS + 5}) r(n)""",
    )
    with open_log(a_model(url)) as log:
        stopped = log.batches(NOON)
        next(stopped)
        stopped.close()
        batches = list(log.batches(NOON))
    assert max(batch.rows.num_rows for batch in batches) <= ROWS
    assert sorted(column((b.rows for b in batches), "n")) == list(range(2 * ROWS + 5))


def test_another_process_may_write_between_two_readings(path: Path) -> None:
    url = hourly(path)
    with open_log(a_model(url)) as log:
        assert log.latest() == START + 23 * HOUR
        write = f"""import duckdb; duckdb.connect({str(path)!r}).execute(
            "INSERT INTO predictions VALUES (24, '2013-03-02 00:00:00')")"""
        subprocess.run([sys.executable, "-c", write], check=True)
        assert log.latest() == START + 24 * HOUR


def test_a_file_that_is_written_to_is_one_line(path: Path) -> None:
    url = hourly(path)
    hold = f"""import duckdb, sys; c = duckdb.connect({str(path)!r}); c.execute("SELECT 1")
print("open", flush=True); sys.stdin.read()"""
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline()
        with pytest.raises(SourceError, match="lock") as caught:
            open_log(a_model(url))
        assert "\n" not in str(caught.value)
        writer.communicate()
    with open_log(a_model(url)) as log:
        assert log.latest() == START + 23 * HOUR


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"table": "predictoins"}, "has no table 'predictoins'; did you mean 'predictions'"),
        ({"time": "event_tiem"}, r"no column 'event_tiem' \(log.time\); did you mean"),
        ({"schema": "ml"}, "has no table 'predictions' in schema 'ml'; there is none"),
    ],
)
def test_mistyped_names_get_the_nearest_right_one(
    change: dict[str, Any], told: str, path: Path
) -> None:
    with pytest.raises(SourceError, match=told):
        open_log(a_model(hourly(path), **change))


def test_what_is_no_file_of_duckdb_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(CANARY * 1_000)
    for url, told in (
        (f"duckdb:///{tmp_path}/log.txt", "not a valid DuckDB"),
        (f"duckdb:///{tmp_path}/nowhere.db", "there is no file"),
        ("duckdb:///:memory:", "three slashes"),
        (f"duckdb://{CANARY}/x.db", "three slashes"),
    ):
        with pytest.raises(SourceError, match=told) as caught:
            open_log(a_model(url))
        assert "\n" not in str(caught.value)
        assert CANARY not in str(caught.value)


def test_a_value_that_a_view_cannot_convert_is_not_told(path: Path) -> None:
    url = run(
        path,
        f"CREATE TABLE raw AS SELECT TIMESTAMP '2013-03-01 12:00' AS event_time, '{CANARY}' AS a",
        "CREATE VIEW predictions AS SELECT event_time, a::INTEGER AS a FROM raw",
    )
    with open_log(a_model(url)) as log:
        with pytest.raises(SourceError) as caught:
            list(log.batches(NOON))
        assert CANARY not in str(caught.value)
        assert log.latest() == NOON.start


def test_nothing_is_written_to_the_file(path: Path) -> None:
    url = hourly(path)
    before = path.read_bytes()
    with open_log(a_model(url)) as log:
        list(log.batches(NOON))
        list(log.sample())
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_baseline_is_a_table_or_a_range_of_the_log(path: Path) -> None:
    url = hourly(path)
    run(path, "CREATE TABLE training_rows AS SELECT n FROM range(5) r(n)")
    with open_baseline(a_model(url, baseline={"table": "training_rows"})) as baseline:
        assert column((b.rows for b in baseline.batches()), "n") == list(range(5))
    bounds = {"range": ["2013-03-01T03:00Z", "2013-03-01T06:00Z"]}
    with open_baseline(a_model(url, baseline=bounds)) as baseline:
        assert sorted(column((b.rows for b in baseline.batches()), "n")) == [3, 4, 5]


def test_a_first_look_shows_what_there_is(path: Path) -> None:
    run(path, "CREATE TABLE predictions AS SELECT 1 AS n, DATE '2013-03-01' AS event_time")
    look = look_at(SecretStr(f"duckdb:///{path}"), "predictions")
    assert [(c.name, c.type) for c in look.columns] == [("n", "integer"), ("event_time", "date")]
    assert [list(values) for values in look.values] == [[1], [date(2013, 3, 1)]]


def test_a_query_that_never_ends_is_ended_from_another_thread(path: Path) -> None:
    hourly(path)
    url = run(
        path,
        "ALTER TABLE predictions RENAME TO hidden",
        "CREATE VIEW predictions AS SELECT event_time, n + (SELECT count(*) "
        "FROM range(10000000) a, range(10000000) b WHERE a.range + b.range > hidden.n) AS n "
        "FROM hidden",
    )
    told: list[SourceError] = []
    with open_log(a_model(url)) as log:

        def read() -> None:
            try:
                list(log.batches(NOON))
            except SourceError as error:
                told.append(error)

        reading = threading.Thread(target=read)
        reading.start()
        deadline = time.monotonic() + 60
        while reading.is_alive() and time.monotonic() < deadline:
            log.cancel()
            reading.join(0.1)
    assert len(told) == 1
    assert "INTERRUPT" in str(told[0]).upper()
