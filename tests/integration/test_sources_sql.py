"""One battery that every SQL source passes, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from monitor import sources
from monitor.errors import SourceError
from monitor.sources import LogSource, open_baseline, open_log
from profiles.windows import Window
from tests.support.logs import a_model, column, run_sql, write_table

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOON = Window(start=START + 12 * HOUR, end=START + 13 * HOUR)
HOSTILE = (
    'a";DROP TABLE x;--', "%s", ":p", "%(a)s", "100%", "a'b", "a.b", "a b", "ünï", "x" * 60,
    "select", "nothing", "user", "Order",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Server:
    kind: str
    url: str

    @property
    def json(self) -> Any:
        """The type of a payload: SQLite keeps it as text."""
        return sa.Text if self.kind == "sqlite" else JSONB

    def payload(self, value: dict[str, Any]) -> Any:
        return json.dumps(value) if self.kind == "sqlite" else value


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    if request.param == "sqlite":
        yield Server(kind="sqlite", url=f"sqlite:///{tmp_path / 'log.db'}")
    else:
        yield Server(kind="postgresql", url=request.getfixturevalue("postgres_url"))


def rows_of(log: LogSource, window: Window) -> list[pa.RecordBatch]:
    return [batch.rows for batch in log.batches(window)]


def hourly(server: Server, count: int = 24, **columns: Any) -> None:
    """Write one row an hour: its number, and its time with the database's own type."""
    rows = [(at, START + at * HOUR) for at in range(count)]
    of = {"n": sa.Integer, "event_time": sa.DateTime(timezone=True)}
    write_table(server.url, "predictions", of, rows, index="event_time")


def test_a_window_is_half_open(server: Server) -> None:
    hourly(server)
    with open_log(a_model(server.url)) as log:
        window = Window(start=START + 3 * HOUR, end=START + 6 * HOUR)
        assert sorted(column(rows_of(log, window), "n")) == [3, 4, 5]
        assert (log.earliest(), log.latest()) == (START, START + 23 * HOUR)
        assert log.time_indexed() is True


def test_a_window_without_rows_has_no_batches(server: Server) -> None:
    hourly(server)
    with open_log(a_model(server.url)) as log:
        assert list(log.batches(Window(start=START - HOUR, end=START))) == []


def test_bounds_within_a_second_are_kept(server: Server) -> None:
    times = [START + timedelta(milliseconds=at) for at in (0, 250, 500, 999, 1000)]
    of = {"n": sa.Integer, "event_time": sa.DateTime(timezone=True)}
    write_table(server.url, "predictions", of, enumerate(times))
    window = Window(start=times[1], end=times[3])
    with open_log(a_model(server.url)) as log:
        (batch,) = log.batches(window)
        assert column([batch.rows], "n") == [1, 2]
        assert (batch.read, batch.rejected) == (2, {})


SECONDS = int(NOON.start.timestamp())


@pytest.mark.parametrize(
    ("of", "write"),
    [
        (sa.DateTime(timezone=True), lambda at: at),
        (sa.DateTime, lambda at: at.replace(tzinfo=None)),
        (sa.Text, lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ")),
        (sa.Text, lambda at: at.isoformat()),
        (sa.Text, lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f")),
        (sa.Text, lambda at: at.strftime("%Y-%m-%d %H:%M")),
        (sa.BigInteger, lambda at: int(at.timestamp())),
        (sa.Integer, lambda at: int(at.timestamp())),
        (sa.BigInteger, lambda at: int(at.timestamp() * 1_000)),
        (sa.BigInteger, lambda at: int(at.timestamp() * 1_000_000)),
        (sa.Double, lambda at: at.timestamp()),
        (sa.Numeric(20, 6), lambda at: at.timestamp()),
    ],
)
@pytest.mark.filterwarnings("ignore:Dialect sqlite")
def test_times_are_found_however_they_are_written(of: Any, write: Any, server: Server) -> None:
    rows = [(at, write(START + at * HOUR / 4)) for at in range(96)]
    of = {"n": sa.Integer, "event_time": of}
    write_table(server.url, "predictions", of, rows, index="event_time")
    with open_log(a_model(server.url)) as log:
        (rows_at_noon,) = rows_of(log, NOON)
        assert column([rows_at_noon], "n") == [48, 49, 50, 51]
        at = rows_at_noon.column("event_time")
        assert at.type == pa.timestamp("us", "UTC")
        assert at.to_pylist() == [NOON.start + HOUR * part / 4 for part in range(4)]
        assert (log.earliest(), log.latest()) == (START, START + 95 * HOUR / 4)


def test_days_are_found_at_their_midnight(server: Server) -> None:
    rows = [(at, date(2013, 3, 1 + at)) for at in range(3)]
    write_table(server.url, "predictions", {"n": sa.Integer, "event_time": sa.Date}, rows)
    with open_log(a_model(server.url)) as log:
        day = timedelta(days=1)
        assert column(rows_of(log, Window(start=START, end=START + day)), "n") == [0]
        assert column(rows_of(log, Window(start=START + HOUR, end=START + day + HOUR)), "n") == [1]
        assert log.latest() == START + 2 * day


def test_a_payload_is_flattened_with_dotted_names(server: Server) -> None:
    payloads: list[dict[str, Any]] = [
        {"carrier": "UA", "distance": 1_400, "weather": {"temp": 39.0, "gust": None}, "score": 9},
        {"carrier": None, "late": True, "tags": ["a", 1], "weather": {}},
    ]
    of = {"event_time": sa.DateTime(timezone=True), "score": sa.Double, "features": server.json}
    rows = [(NOON.start, 0.25, server.payload(payload)) for payload in payloads]
    write_table(server.url, "predictions", of, rows)
    with open_log(a_model(server.url, payload="features")) as log:
        (batch,) = log.batches(NOON)
        names = {
            "event_time", "score", "carrier", "distance", "weather.temp", "weather.gust",
            "features.score", "late", "tags",
        }  # fmt: skip
        assert set(batch.rows.schema.names) == names
        assert log.columns() == names
    assert column([batch.rows], "carrier") == ["UA", None]
    assert column([batch.rows], "distance") == [1_400, None]
    assert column([batch.rows], "weather.temp") == [39.0, None]
    assert column([batch.rows], "features.score") == [9, None]
    assert column([batch.rows], "late") == [None, True]
    assert column([batch.rows], "tags") == [None, '["a", 1]']
    assert pa.types.is_null(batch.rows.schema.field("weather.gust").type)


def test_a_json_payload_kept_as_text_is_read_too(server: Server) -> None:
    of = {"event_time": sa.DateTime(timezone=True), "features": sa.Text}
    write_table(server.url, "predictions", of, [(NOON.start, '{"a": 1}')])
    with open_log(a_model(server.url, payload="features")) as log:
        assert column(rows_of(log, NOON), "a") == [1]


def test_payloads_that_are_no_object_are_counted_by_reason(server: Server) -> None:
    texts = ['{"a": 1}', "[1]", '"canary"', "null", '{"a": 2}', *(["{canary"] * 2), None]
    of = {"event_time": sa.DateTime(timezone=True), "features": sa.Text}
    write_table(server.url, "predictions", of, [(NOON.start, text) for text in texts])
    with open_log(a_model(server.url, payload="features")) as log:
        (batch,) = log.batches(NOON)
    assert column([batch.rows], "a") == [1, 2]
    assert batch.rejected == {
        sources.PAYLOAD_NOT_OBJECT: 2,
        sources.PAYLOAD_NOT_JSON: 2,
        sources.PAYLOAD_MISSING: 2,
    }
    assert batch.read == batch.rows.num_rows + sum(batch.rejected.values()) == 8


def test_hostile_values_pass_through_unharmed(server: Server) -> None:
    values: list[Any] = [
        1, 2.5, "x", True, None, 2**63, -(2**70), 1e308, -0.0, "NaN", "<img onerror=1>", "🛫",
        "\u202e", "=1+1", {"deep": {"er": 1}}, [[]], "x" * 1_000_000,
    ]  # fmt: skip
    of = {"n": sa.Integer, "event_time": sa.DateTime(timezone=True), "features": server.json}
    rows = [(at, NOON.start, server.payload({"v": value})) for at, value in enumerate(values)]
    write_table(server.url, "predictions", of, rows)
    with open_log(a_model(server.url, payload="features")) as log:
        (batch,) = log.batches(NOON)
    batch.rows.validate(full=True)
    read = column([batch.rows], "v")
    assert read[:5] == [1.0, 2.5, "x", True, None]
    assert read[5:9] == [2.0**63, -(2.0**70), 1e308, 0.0]
    assert read[9:14] == values[9:14]
    assert read[14:] == [None, "[[]]", "x" * 1_000_000]
    assert column([batch.rows], "v.deep.er")[14] == 1


def test_plain_columns_keep_their_types(server: Server) -> None:
    of = {
        "event_time": sa.DateTime(timezone=True), "truth": sa.Boolean, "whole": sa.BigInteger,
        "part": sa.Double, "exact": sa.Numeric(30, 10), "text": sa.Text, "raw": sa.LargeBinary,
        "none": sa.Text,
    }  # fmt: skip
    row = (NOON.start, True, 2**63 - 1, math.nan, "12.5", "é", b"\x00\xff", None)
    if server.kind == "sqlite":  # which keeps a NaN as NULL
        row = (*row[:3], math.inf, *row[4:])
    write_table(server.url, "predictions", of, [row, (NOON.start, *[None] * 7)])
    with open_log(a_model(server.url)) as log:
        (rows,) = rows_of(log, NOON)
    assert [str(field.type) for field in rows.schema][1:] == [
        "bool", "int64", "double", "double",
        "dictionary<values=string, indices=int32, ordered=0>", "binary", "null",
    ]  # fmt: skip
    assert column([rows], "whole") == [2**63 - 1, None]
    assert column([rows], "exact") == [12.5, None]
    assert not math.isfinite(column([rows], "part")[0])
    assert column([rows], "raw") == [b"\x00\xff", None]


def test_hostile_names_are_only_names(server: Server) -> None:
    of = dict.fromkeys(HOSTILE, sa.Integer) | {"'t\";--": sa.DateTime(timezone=True)}
    name = 'x"; DROP TABLE "x'
    row = (*range(len(HOSTILE)), NOON.start)
    # SQLAlchemy itself is not asked to bind names with signs that bindings are made of.
    quote = sa.create_engine(server.url).dialect.identifier_preparer.quote_identifier
    types = ["INTEGER"] * len(HOSTILE) + ["TIMESTAMP"]
    columns = ", ".join(f"{quote(c)} {t}" for c, t in zip(of, types, strict=True))
    values = ", ".join([*map(str, row[:-1]), "'2013-03-01 12:00:00'"])
    statements = [
        f"CREATE TABLE {quote(name)} ({columns})",
        f"INSERT INTO {quote(name)} VALUES ({values})",
    ]
    run_sql(server.url, *statements)
    with open_log(a_model(server.url, table=name, time="'t\";--")) as log:
        (rows,) = rows_of(log, NOON)
        assert log.latest() == NOON.start
        assert log.time_indexed() is False
    assert [column([rows], name) for name in HOSTILE] == [[at] for at in range(len(HOSTILE))]
    with open_baseline(a_model(server.url, table=name, time="%s")) as baseline:
        assert sum(batch.read for batch in baseline.batches()) == 1


def test_a_view_is_as_good_as_a_table(server: Server) -> None:
    hourly(server)
    run_sql(server.url, "CREATE VIEW seen AS SELECT n * 2 AS twice, event_time FROM predictions")
    with open_log(a_model(server.url, table="seen")) as log:
        assert column(rows_of(log, NOON), "twice") == [24]
        assert log.time_indexed() is None


def test_a_large_window_is_streamed_in_batches(server: Server) -> None:
    of = {"n": sa.Integer, "event_time": sa.DateTime(timezone=True)}
    rows = [(at, NOON.start + timedelta(milliseconds=at)) for at in range(25_000)]
    write_table(server.url, "predictions", of, rows, index="event_time")
    with open_log(a_model(server.url)) as log:
        batches = list(log.batches(NOON))
    assert [batch.rows.num_rows for batch in batches] == [16_384, 8_616]
    assert sorted(column([batch.rows for batch in batches], "n")) == list(range(25_000))


def test_reading_may_stop_in_the_middle_and_go_on_elsewhere(server: Server) -> None:
    of = {"n": sa.Integer, "event_time": sa.DateTime(timezone=True)}
    rows = [(at, NOON.start + timedelta(milliseconds=at)) for at in range(25_000)]
    write_table(server.url, "predictions", of, rows)
    with open_log(a_model(server.url)) as log:
        stopped = log.batches(NOON)
        next(stopped)
        stopped.close()
        assert sum(batch.read for batch in log.batches(NOON)) == 25_000


def test_a_log_that_was_empty_is_read_once_it_has_rows(server: Server) -> None:
    of = {"event_time": sa.DateTime(timezone=True), "features": sa.Text}
    write_table(server.url, "predictions", of)
    with open_log(a_model(server.url, payload="features")) as log:
        assert (log.earliest(), log.latest(), log.columns()) == (None, None, frozenset())
        assert list(log.batches(NOON)) == []
        run_sql(server.url, "INSERT INTO predictions VALUES ('2013-03-01 12:00:00', '{\"a\": 1}')")
        assert column(rows_of(log, NOON), "a") == [1]
        assert log.columns() == {"event_time", "a"}


def test_a_column_that_is_dropped_or_added_is_read_so_at_once(server: Server) -> None:
    hourly(server)
    with open_log(a_model(server.url)) as log:
        for _ in range(7):  # a driver prepares what it is asked often
            list(log.batches(NOON))
        run_sql(server.url, "ALTER TABLE predictions DROP COLUMN n")
        (rows,) = rows_of(log, NOON)
        assert rows.schema.names == ["event_time"]
        run_sql(server.url, "ALTER TABLE predictions ADD COLUMN m integer DEFAULT 3")
        (rows,) = rows_of(log, NOON)
        assert rows.schema.names == ["event_time", "m"]


def test_a_column_dropped_between_the_look_and_the_reading_is_one_line(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly(server)
    with open_log(a_model(server.url)) as log:
        list(log.batches(NOON))
        run_sql(server.url, "ALTER TABLE predictions DROP COLUMN n")
        with monkeypatch.context() as before:
            before.setattr(log, "_look_again", lambda: None)
            with pytest.raises(SourceError, match="n") as caught:
                list(log.batches(NOON))
        assert "\n" not in str(caught.value)
        (rows,) = rows_of(log, NOON)
        assert rows.schema.names == ["event_time"]


def test_a_source_is_never_written_to(server: Server) -> None:
    hourly(server)
    with open_log(a_model(server.url)) as log, log._origin.reading() as connection:
        with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read-?only"):
            connection.exec_driver_sql("DELETE FROM predictions")
        connection.rollback()


def test_ignored_columns_are_not_read_unless_something_needs_them(server: Server) -> None:
    of = {"event_time": sa.DateTime(timezone=True), "a": sa.Integer, "b": sa.Integer}
    write_table(server.url, "predictions", of, [(NOON.start, 1, 2)])
    columns = {"a": {"kind": "ignore"}, "b": {"kind": "ignore"}}
    with open_log(a_model(server.url, columns=columns, cohorts=["b"])) as log:
        (rows,) = rows_of(log, NOON)
    assert rows.schema.names == ["event_time", "b"]


def test_a_baseline_is_a_table_or_a_range_of_the_log(server: Server) -> None:
    hourly(server)
    write_table(server.url, "training_rows", {"n": sa.Integer}, [(at,) for at in range(5)])
    with open_baseline(a_model(server.url, baseline={"table": "training_rows"})) as baseline:
        assert column((b.rows for b in baseline.batches()), "n") == list(range(5))
    bounds = {"range": ["2013-03-01T03:00Z", "2013-03-01T06:00Z"]}
    with open_baseline(a_model(server.url, baseline=bounds)) as baseline:
        assert sorted(column((b.rows for b in baseline.batches()), "n")) == [3, 4, 5]


def test_mistyped_names_get_the_nearest_right_one(server: Server) -> None:
    hourly(server)
    with pytest.raises(SourceError, match="has no table 'predictoins'; did you mean 'predictions'"):
        open_log(a_model(server.url, table="predictoins"))
    with pytest.raises(SourceError) as caught:
        open_log(a_model(server.url, time="event_tiem", id="m", payload="features"))
    assert str(caught.value).splitlines() == [
        ("table 'predictions' has no column 'event_tiem' (log.time); did you mean 'event_time'?"),
        "table 'predictions' has no column 'm' (log.id); there is 'n', 'event_time'",
        "table 'predictions' has no column 'features' (log.payload); there is 'n', 'event_time'",
    ]
    with pytest.raises(SourceError, match="did you mean 'predictions'"):
        open_baseline(a_model(server.url, baseline={"table": "prediction"}))


def test_a_source_may_be_read_by_one_thread_after_another(server: Server) -> None:
    hourly(server)
    with open_log(a_model(server.url)) as log, ThreadPoolExecutor(1) as elsewhere:
        assert column(rows_of(log, NOON), "n") == [12]
        assert column(elsewhere.submit(rows_of, log, NOON).result(), "n") == [12]
