"""What is PostgreSQL's own: its types, its refusals, a server that goes away."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa

from monitor.config import Limits
from monitor.errors import SourceError
from monitor.sources import open_log
from profiles.windows import Window
from tests.support.logs import a_model, column, run_sql, write_table

CANARY = "hunter2-canary"
DAY = Window(start=datetime(2013, 3, 1, tzinfo=UTC), end=datetime(2013, 3, 2, tzinfo=UTC))


def test_types_of_its_own_are_read(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        """CREATE TABLE predictions (event_time timestamptz, id uuid, tags text[], took interval,
           day date, price money, at inet, extra json, doc jsonb)""",
        """INSERT INTO predictions VALUES ('2013-03-01 12:00+01',
           '00000000-0000-0000-0000-000000000001', '{a,b}', '90 seconds', '2013-03-01', 5,
           '10.0.0.1', '[1]', '{"a": 1}')""",
        "INSERT INTO predictions (event_time) VALUES ('infinity'), ('-infinity'), (NULL)",
    )
    with open_log(a_model(postgres_url, payload="doc")) as log:
        (batch,) = log.batches(DAY)
        assert log.latest() == datetime(2013, 3, 1, 11, tzinfo=UTC)
    read = {name: column([batch.rows], name)[0] for name in batch.rows.schema.names}
    assert read == {
        "event_time": datetime(2013, 3, 1, 11, tzinfo=UTC),
        "id": "00000000-0000-0000-0000-000000000001",
        "tags": '["a", "b"]',
        "took": 90.0,
        "day": datetime(2013, 3, 1, tzinfo=UTC),
        "price": "$5.00",
        "at": "10.0.0.1",
        "extra": "[1]",
        "a": 1,
    }


def test_json_that_python_cannot_read_at_once_is_read_all_the_same(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (event_time timestamptz, doc json)",
        f"""INSERT INTO predictions VALUES ('2013-03-01', '{{"a": {"9" * 5_000}}}'),
            ('2013-03-01', '"{{}}"'), ('2013-03-01', '{{"a": "\\ud83d"}}')""",
    )
    with open_log(a_model(postgres_url, payload="doc")) as log:
        (batch,) = log.batches(DAY)
    assert column([batch.rows], "a") == [float("inf"), "\\ud83d"]
    assert batch.rejected == {"payload_not_object": 1}


def test_a_table_in_another_schema_is_found(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE SCHEMA ml",
        "CREATE TABLE ml.predictions (event_time timestamp)",
        "INSERT INTO ml.predictions VALUES ('2013-03-01 12:00')",
    )
    with open_log(a_model(postgres_url, schema="ml")) as log:
        assert [batch.read for batch in log.batches(DAY)] == [1]
    with pytest.raises(SourceError, match="has no table 'prediction' in schema 'ml'; did you mean"):
        open_log(a_model(postgres_url, schema="ml", table="prediction"))


# SQLAlchemy lets go of a cursor whose connection is gone without closing it.
@pytest.mark.filterwarnings("ignore:.*ServerCursor:ResourceWarning")
def test_a_lost_connection_fails_one_call_and_is_made_again(postgres_url: str) -> None:
    write_table(postgres_url, "predictions", {"event_time": sa.DateTime}, [(datetime(2013, 3, 1),)])  # noqa: DTZ001
    with open_log(a_model(postgres_url)) as log:
        assert [batch.read for batch in log.batches(DAY)] == [1]
        run_sql(
            postgres_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'driftline'",
        )
        with pytest.raises(SourceError) as caught:
            list(log.batches(DAY))
        assert "\n" not in str(caught.value)
        assert [batch.read for batch in log.batches(DAY)] == [1]
    del caught
    gc.collect()


def test_nothing_stays_open_between_two_windows(postgres_url: str) -> None:
    write_table(postgres_url, "predictions", {"event_time": sa.DateTime}, [(datetime(2013, 3, 1),)])  # noqa: DTZ001
    with open_log(a_model(postgres_url)) as log:
        list(log.batches(DAY))
        engine = sa.create_engine(postgres_url)
        with engine.connect() as connection:
            states = connection.exec_driver_sql(
                "SELECT state FROM pg_stat_activity WHERE application_name = 'driftline'"
            ).scalars()
            assert list(states) == ["idle"]
        engine.dispose()


def test_a_statement_that_takes_too_long_is_one_line(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sources.database.STATEMENT_TIMEOUT_S", 0.1)
    run_sql(
        postgres_url,
        "CREATE VIEW predictions AS SELECT now() AS event_time, pg_sleep(30) IS NULL AS slow",
    )
    with (
        open_log(a_model(postgres_url)) as log,
        pytest.raises(SourceError, match="statement timeout"),
    ):
        list(log.batches(Window(start=DAY.start, end=datetime(9000, 1, 1, tzinfo=UTC))))


def test_a_value_that_a_view_cannot_convert_is_not_told(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE raw (event_time timestamp, a text)",
        f"INSERT INTO raw VALUES ('2013-03-01', '{CANARY}')",
        "CREATE VIEW predictions AS SELECT event_time, a::integer AS a FROM raw",
    )
    with (
        open_log(a_model(postgres_url)) as log,
        pytest.raises(SourceError, match="InvalidTextRepresentation") as caught,
    ):
        list(log.batches(DAY))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"postgresql://u:{CANARY}@127.0.0.1:1/db", "onnection refused"),
        (f"postgresql://u:{CANARY}@localhost:1/db", "onnection refused"),
        (f"postgres://u:{CANARY}@127.0.0.1/db", "did you mean 'postgresql'"),
        (f"postgresql+nodriver://u:{CANARY}@127.0.0.1/db", "no kind of database"),
        (f"oracle://u:{CANARY}@127.0.0.1/db", "which is not installed"),
        (f"no url {CANARY}", "no database URL"),
        (f"postgresql://u:p@{CANARY}@127.0.0.1:1/db", "%40"),
        (f"postgresql://u:{CANARY}@127.0.0.1:port/db", "no database URL"),
        (f"sqlite://u:{CANARY}@host/x.db", "three slashes"),
        (f"postgresql://u:{CANARY}@127.0.0.1:1/db?nonsense=1", "nonsense"),
    ],
)
def test_a_url_that_leads_nowhere_is_one_line_without_its_password(url: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_log(a_model(url))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_columns_of_types_that_copy_does_not_know_are_read_by_a_cursor(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (event_time timestamptz, price money)",
        "INSERT INTO predictions VALUES ('2013-03-01', 5)",
    )
    with open_log(a_model(postgres_url)) as log:
        assert log.path() == "cursor"
        (batch,) = log.batches(DAY)
        assert column([batch.rows], "price") == ["$5.00"]
        run_sql(postgres_url, "ALTER TABLE predictions DROP COLUMN price")
        (batch,) = log.batches(DAY)
        assert batch.rows.schema.names == ["event_time"]
        assert log.path() == "copy"


def test_a_column_that_changes_its_type_is_read_as_what_it_is(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (event_time timestamp, n bigint)",
        "INSERT INTO predictions VALUES ('2013-03-01', 3)",
    )
    with open_log(a_model(postgres_url)) as log:
        for to, value in (("double precision", 3.0), ("text", "3"), ("money", "$3.00")):
            run_sql(postgres_url, f"ALTER TABLE predictions ALTER n TYPE {to} USING n::text::{to}")
            (batch,) = log.batches(DAY)
            assert column([batch.rows], "n") == [value]


def test_a_label_that_is_added_to_an_enumeration_is_read(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TYPE mood AS ENUM ('calm')",
        "CREATE TABLE predictions (event_time timestamp, m mood)",
        "INSERT INTO predictions VALUES ('2013-03-01', 'calm')",
    )
    with open_log(a_model(postgres_url)) as log:
        assert log.path() == "copy"
        run_sql(postgres_url, "ALTER TYPE mood ADD VALUE 'wild'")
        run_sql(postgres_url, "INSERT INTO predictions VALUES ('2013-03-01', 'wild')")
        assert column((b.rows for b in log.batches(DAY)), "m") == ["calm", "wild"]


def test_a_row_of_many_megabytes_is_read_between_small_ones(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (event_time timestamp, n integer, t text)",
        """INSERT INTO predictions SELECT '2013-03-01', n,
           repeat('é', CASE WHEN mod(n, 400) = 0 THEN 5000000 ELSE n END)
           FROM generate_series(1, 1200) AS n""",
    )
    with open_log(a_model(postgres_url), Limits(row_bytes=16 << 20)) as log:
        read = [batch.rows for batch in log.batches(DAY)]
    lengths = {n: len(t) for n, t in zip(column(read, "n"), column(read, "t"), strict=True)}
    assert lengths == {n: 5_000_000 if n % 400 == 0 else n for n in range(1, 1_201)}
    assert sum(rows.num_rows for rows in read) == 1_200


def test_more_values_than_codes_are_written_out(postgres_url: str) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (event_time timestamp, few text, many text)",
        """INSERT INTO predictions SELECT '2013-03-01', 'v' || mod(n, 7), nullif('w' || n, 'w9')
           FROM generate_series(1, 40000) AS n""",
    )
    with open_log(a_model(postgres_url)) as log:
        read = [batch.rows for batch in log.batches(DAY)]
    assert {str(rows.schema.field("many").type) for rows in read} == {"string"}
    assert all(pa.types.is_dictionary(rows.schema.field("few").type) for rows in read)
    assert column(read, "few") == [f"v{n % 7}" for n in range(1, 40_001)]
    expected = [None if n == 9 else f"w{n}" for n in range(1, 40_001)]
    assert column(read, "many") == expected


@pytest.fixture
def slow(postgres_url: str) -> str:
    """A log of which every row takes a while, and says so in a notice."""
    run_sql(
        postgres_url,
        """CREATE FUNCTION slow(n integer) RETURNS integer LANGUAGE plpgsql AS $$
           BEGIN RAISE NOTICE 'a row'; PERFORM pg_sleep(0.2); RETURN n; END $$""",
        """CREATE VIEW predictions AS SELECT timestamp '2013-03-01' AS event_time, slow(n) AS n
           FROM generate_series(1, 4) AS n""",
    )
    return postgres_url


def test_who_waits_for_slow_rows_is_asked_whether_to_go_on(
    slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sources.copystream._HEARTBEAT_S", 0.02)
    with open_log(a_model(slow)) as log:
        batches = list(log.batches(DAY))
    assert column((batch.rows for batch in batches if batch.read), "n") == [1, 2, 3, 4]
    waits = [batch for batch in batches if not batch.read]
    assert len(waits) > 4
    assert all(batch.rows.num_rows == 0 and not batch.rejected for batch in waits)


def test_reading_that_is_given_up_ends_on_the_server_too(
    slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sources.copystream._HEARTBEAT_S", 0.02)
    with open_log(a_model(slow)) as log:
        reading = log.batches(DAY)
        next(reading)
        reading.close()
        engine = sa.create_engine(slow)
        with engine.connect() as connection:
            active = sa.text(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE application_name = 'driftline' AND state = 'active'"
            )
            while connection.scalar(active):
                connection.rollback()
        engine.dispose()
        assert log.latest() == DAY.start


def test_a_connection_that_is_lost_between_two_rows_is_one_line(
    slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sources.copystream._HEARTBEAT_S", 0.02)
    with open_log(a_model(slow)) as log:
        reading = log.batches(DAY)
        next(reading)
        run_sql(
            slow,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'driftline'",
        )
        with pytest.raises(SourceError) as caught:
            list(reading)
        assert "\n" not in str(caught.value)
        assert log.latest() == DAY.start


def test_a_long_silence_ends_a_copy_and_a_slow_one_does_not(
    slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.sources.database.STATEMENT_TIMEOUT_S", 0.5)
    with open_log(a_model(slow)) as log:
        log.path()
        assert sum(batch.read for batch in log.batches(DAY)) == 4  # 0.8 s in all


def test_a_wrong_database_is_named_by_the_server(postgres_url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(postgres_url.replace("+psycopg", ""))["dbname"]
    with pytest.raises(SourceError, match='database "nowhere" does not exist'):
        open_log(a_model(postgres_url.replace(f"/{name}?", "/nowhere?")))
