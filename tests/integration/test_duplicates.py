"""A row that is logged again: one of its copies counts, wherever the log lies and however it came.

After every test of the pipeline rows read are rows profiled and rows rejected.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor import pipeline
from monitor.backfill import backfill
from monitor.config import Config
from monitor.contact import check
from monitor.pipeline import prepare
from monitor.sources import PAYLOAD_NOT_JSON, TIME_UNREADABLE, open_log
from monitor.store import runs
from monitor.store.engine import open_store
from monitor.store.tables import windows
from profiles import repeats
from profiles.repeats import CONFLICT, DUPLICATE
from profiles.windows import Window
from tests.support.log import append, flights
from tests.support.logs import run_sql
from tests.support.store import MODEL, Backend, contents

Opened = Callable[..., sa.Engine]

LAST_DIGIT = "substr(prediction_id, length(prediction_id), 1)"
AGAIN = "INSERT INTO predictions SELECT {} FROM predictions WHERE " + LAST_DIGIT + " = '{}'"
EVERY = "event_time, prediction_id, model_version, score, features"
OTHER_VERSION = "event_time, prediction_id, 'v2', score, features"  # which nobody watches
OTHER_SCORE = "event_time, prediction_id, model_version, 1 - score, features"


def rows_of(engine: sa.Engine) -> list[Any]:
    with engine.connect() as connection:
        found = list(connection.execute(sa.select(windows).order_by(windows.c.start)))
    for row in (row for row in found if row.state == "done"):
        assert row.rows_read == row.rows_profiled + sum(row.rejected.values())
    return found


def rejected_of(engine: sa.Engine) -> Counter[str]:
    return sum((Counter(row.rejected) for row in rows_of(engine)), Counter[str]())


def results(engine: sa.Engine) -> dict[str, Any]:
    """Return all that a store holds, but how many rows were read for it."""
    found: dict[str, Any] = contents(engine, but=["windows"])
    found["rows"] = [(row.start, row.rows_profiled, row.state) for row in rows_of(engine)]
    return found


def done(config: Config, opened: Opened) -> sa.Engine:
    engine = opened(config.store)
    backfill(engine, config, MODEL)
    return engine


def over(backend: Backend, *statements: str) -> Config:
    log = backend.copy_of_log()
    run_sql(log.url, *statements)
    return backend.config(model={"source": log.url})


def test_a_tenth_of_the_rows_logged_again_same_or_altered_changes_no_byte(
    backend: Backend, opened: Opened
) -> None:
    expected = done(backend.config(), opened)
    engine = done(over(backend, AGAIN.format(EVERY, 7), AGAIN.format(OTHER_VERSION, 3)), opened)
    assert results(engine) == results(expected)
    for row in rows_of(engine):
        within = [flight.id for flight in backend.log.within(row.start, row.end)]
        wanted = {
            DUPLICATE: sum(name.endswith("7") for name in within),
            CONFLICT: sum(name.endswith("3") for name in within),
        }
        assert +Counter(row.rejected) == +Counter(wanted)
    assert min(rejected_of(engine)[why] for why in (DUPLICATE, CONFLICT)) > 100


def test_which_copy_counts_does_not_depend_on_which_came_first(
    backend: Backend, opened: Opened
) -> None:
    later = over(backend, AGAIN.format(OTHER_SCORE, 7))
    first = over(
        backend,
        AGAIN.format(OTHER_SCORE, 7),
        f"CREATE TABLE turned AS SELECT {EVERY} FROM predictions ORDER BY score DESC",
        "DELETE FROM predictions",
        f"INSERT INTO predictions SELECT {EVERY} FROM turned",
    )
    one, other = done(later, opened), done(first, opened)
    assert results(one) == results(other)
    assert [row.rejected for row in rows_of(one)] == [row.rejected for row in rows_of(other)]
    assert set(rejected_of(one)) == {CONFLICT}
    assert results(one) != results(done(backend.config(), opened))  # some altered copies count


def test_copies_that_come_late_are_taken_in_by_a_second_backfill(
    backend: Backend, opened: Opened
) -> None:
    config = over(backend)
    engine = done(config, opened)
    before = results(engine)
    url = config.models[MODEL].source.get_secret_value()
    run_sql(url, AGAIN.format(EVERY, 7))
    append(url, flights(days=1, a_day=1, seed=99))  # another row of the first day
    backfill(engine, config, MODEL, reprocess="all")
    assert rejected_of(engine)[DUPLICATE] > 100
    assert sum(row.rows_profiled for row in rows_of(engine)) == 1 + sum(
        r[1] for r in before["rows"]
    )
    run_sql(url, "DELETE FROM predictions WHERE substr(prediction_id, 1, 3) = '99-'")
    backfill(engine, config, MODEL, reprocess="all")
    again = results(engine)
    assert (again["profiles"], again["rows"]) == (before["profiles"], before["rows"])


def test_windows_with_repeats_and_unreadable_payloads_are_read_many_at_once(
    backend: Backend, opened: Opened
) -> None:
    broken = AGAIN.format("event_time, 'x' || prediction_id, model_version, score, '{'", 5)
    config = over(backend, AGAIN.format(EVERY, 7), broken)
    engine, reads = opened(config.store), []
    with open_log(config.models[MODEL]) as source:
        run = prepare(engine, config, MODEL, source)
        days = [backend.log.logged[0].at.replace(hour=0, minute=0, second=0)]
        days = [days[0] + timedelta(hours=6 * at) for at in range(30)]
        planned = [Window(start=at, end=at + timedelta(hours=6)) for at in days]
        runs.plan(engine, MODEL, planned, notify=False)
        for each in pipeline.work(run):
            assert (each.ok, each.clean) == (True, True)
            reads.append(each.read)
    for row in rows_of(engine):
        within = [flight.id for flight in backend.log.within(row.start, row.end)]
        wanted = Counter({DUPLICATE: sum(name.endswith("7") for name in within)})
        wanted[PAYLOAD_NOT_JSON] = sum(name.endswith("5") for name in within)
        assert +Counter(row.rejected) == +wanted
    assert reads == [row.rows_read for row in rows_of(engine)]


def test_without_an_id_every_row_counts(backend: Backend, opened: Opened) -> None:
    config = over(backend, AGAIN.format(EVERY, 7))
    values = config.model_dump(mode="python", by_alias=True)
    values["models"][MODEL]["log"]["id"] = None
    values["models"][MODEL]["columns"]["prediction_id"] = {"kind": "ignore"}
    engine = done(Config.model_validate(values), opened)
    assert not rejected_of(engine)


def test_rows_that_share_their_ids_beyond_the_memory_given_fail_in_words(
    backend: Backend, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "OFTEN", 100)
    monkeypatch.setattr(repeats, "MOST_HELD", 100)
    engine = done(over(backend, AGAIN.format(EVERY, 7)), opened)
    failed = [row for row in rows_of(engine) if row.state == "failed"]
    assert len(failed) > 10
    assert all("share their 'prediction_id'" in row.error for row in failed)


START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
Row = tuple[datetime, Any, float | None, str | None]  # time, id, part, few


def model_of(url: str, store: str) -> Config:
    log: dict[str, Any] = {"time": "event_time", "id": "id"}
    if not url.startswith("file:"):
        log["table"] = "predictions"
    model = {
        "source": url,
        "log": log,
        "baseline": {"range": [START.isoformat(), (START + 4 * HOUR).isoformat()]},
        "cohorts": ["few"],
        "window": "1h",
    }
    return Config.model_validate(
        {"store": store, "models": {MODEL: model}, "alerts": {"budget": "off"}}
    )


def outcome(url: str) -> tuple[list[Any], Any]:
    """Work through a log; returns what each window profiled and rejected, and its profiles."""
    with tempfile.TemporaryDirectory() as folder:
        config = model_of(url, f"sqlite:///{folder}/store.db")
        engine = open_store(config.store)
        try:
            backfill(engine, config, MODEL)
            found = [(row.rows_profiled, +Counter(row.rejected)) for row in rows_of(engine)]
            return found, contents(engine)["profiles"]
        finally:
            engine.dispose()


def a_log(ids: Callable[[int], Any]) -> list[Row]:
    """Make six hours of rows; in each every tenth comes again, every twentieth altered as well."""
    rows: list[Row] = []
    for at in range(600):
        time, name = START + at * HOUR / 100, ids(at)
        part = None if at % 50 == 1 else at % 17 / 2
        rows.append((time, name, part, "abc"[at % 3]))
        if at % 10 == 0:
            rows.append(rows[-1])
        if at % 20 == 0:
            rows.append((time, name, part and part + 100, "abc"[at % 3]))
    rows += [(START + at * HOUR / 100 + HOUR / 4, None, 1.0, "a") for at in range(500)]
    return [*rows[::2], *rows[1::2], (START + 6 * HOUR, ids(10_000), 1.0, "a")]


def write_sqlite(folder: Path, rows: Sequence[Row], of: str) -> str:
    with closing(sqlite3.connect(folder / "log.db")) as connection, connection:
        connection.execute(f"CREATE TABLE predictions (event_time TEXT, id {of}, part REAL, few)")
        written = [(at.isoformat(), *rest) for at, *rest in rows]
        connection.executemany("INSERT INTO predictions VALUES (?, ?, ?, ?)", written)
    return f"sqlite:///{folder / 'log.db'}"


def write_postgres(url: str, rows: Iterable[Row], of: str, more: str = "") -> None:
    run_sql(
        url,
        f"CREATE TABLE predictions (event_time timestamptz, id {of}, part double precision, "
        f"few text{more})",
    )
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.cursor().executemany(
            "INSERT INTO predictions (event_time, id, part, few) VALUES (%s, %s, %s, %s)", rows
        )


def table_of(rows: Sequence[Row], of: pa.DataType) -> pa.Table:
    at, ids, part, few = zip(*rows, strict=True)
    return pa.table(
        {
            "event_time": pa.array(at, pa.timestamp("us", "UTC")),
            "id": pa.array(ids, of),
            "part": pa.array(part, pa.float64()),
            "few": pa.array(few, pa.string()),
        }
    )


def write_parquet(folder: Path, rows: Sequence[Row], of: pa.DataType) -> str:
    table = table_of(rows, of)
    for part in range(3):
        few = table.slice(
            part * len(rows) // 3, (part + 1) * len(rows) // 3 - part * len(rows) // 3
        )
        pq.write_table(few, folder / f"{part}.parquet", row_group_size=100)
    return f"file:{folder}/*.parquet"


def write_csv(folder: Path, rows: Sequence[Row]) -> str:
    table = table_of(rows, pa.string())
    pyarrow.csv.write_csv(table.slice(0, 300), folder / "0.csv")
    pyarrow.csv.write_csv(table.slice(300), folder / "1.csv")
    return f"file:{folder}/*.csv"


def write_duckdb(folder: Path, rows: Sequence[Row], of: str) -> str:
    table = table_of(rows, pa.string())
    with duckdb.connect(str(folder / "log.duckdb")) as connection:
        connection.register("given", table)
        connection.execute(
            f"CREATE TABLE predictions AS SELECT event_time::TIMESTAMP event_time, id::{of} id, "
            "part, few FROM given"
        )
    return f"duckdb:///{folder / 'log.duckdb'}"


BIG = 12_345_678_901_234_567_000  # so large that a double holds every 2,048th of them


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Any]:
    folder = tmp_path_factory.mktemp("log")
    found = outcome(write_sqlite(folder, a_log(lambda at: f"p{at}"), "TEXT"))
    assert [profiled for profiled, _ in found[0]] == [175, 200, 200, 200, 200, 125]
    for _, rejected in found[0]:
        assert rejected.total() == 15
        assert rejected[CONFLICT] >= 5
    return found


@pytest.mark.parametrize(
    ("of", "ids"),
    [
        ("INTEGER", lambda at: at),
        ("TEXT", lambda at: f"00{at}"),
        ("", lambda at: at if at % 3 else f"p{at}"),
        ("", lambda at: [at, f"{at}.5", at + 0.25, b"%d" % at, 2**53 + at][at % 5]),
    ],
    ids=["whole", "text", "either", "anything"],
)
def test_sqlite(of: str, ids: Callable[[int], Any], expected: Any, tmp_path: Path) -> None:
    assert outcome(write_sqlite(tmp_path, a_log(ids), of)) == expected


POSTGRES: dict[str, tuple[str, Callable[[int], Any]]] = {
    "bigint": ("bigint", lambda at: 2**62 + at),
    "text": ("text", lambda at: f"p{at}"),
    "uuid": ("uuid", lambda at: UUID(int=(at + 1) << 64)),
    "decimal": ("numeric(20, 0)", lambda at: Decimal(BIG + at)),
    "any scale": ("numeric", lambda at: Decimal(BIG + at) / 10),
}


@pytest.mark.parametrize("more", ["", ", net inet"], ids=["copy", "cursor"])
@pytest.mark.parametrize("kind", POSTGRES)
def test_postgresql(kind: str, more: str, expected: Any, postgres_url: str) -> None:
    of, ids = POSTGRES[kind]
    write_postgres(postgres_url, a_log(ids), of, more)
    with open_log(model_of(postgres_url, "sqlite:///").models[MODEL]) as log:
        assert log.path() == ("cursor" if more else "copy")
    assert outcome(postgres_url)[0] == expected[0]


def test_decimals_of_one_value_are_one_id_however_many_zeros_they_have(postgres_url: str) -> None:
    rows = [(START, Decimal(text), 1.0, "a") for text in ("7", "7.0", "7.00", "70", "7.01")]
    write_postgres(postgres_url, [*rows, (START + HOUR, None, 1.0, "a")], "numeric")
    assert outcome(postgres_url)[0] == [(3, Counter({DUPLICATE: 2}))]


ARROW: Mapping[str, tuple[pa.DataType, Callable[[int], Any]]] = {
    "whole": (pa.int64(), lambda at: at),
    "no sign": (pa.uint64(), lambda at: BIG + at),
    "decimal": (pa.decimal128(25, 2), lambda at: Decimal(BIG + at) / 4),
    "text": (pa.string(), lambda at: f"p{at}"),
    "few texts": (pa.large_string(), lambda at: f"p{at}"),
    "bytes": (pa.binary(16), lambda at: UUID(int=at + 1).bytes),
}


@pytest.mark.parametrize("kind", ARROW)
def test_parquet(kind: str, expected: Any, tmp_path: Path) -> None:
    of, ids = ARROW[kind]
    assert outcome(write_parquet(tmp_path, a_log(ids), of)) == expected


@pytest.mark.parametrize("ids", [str, lambda at: f"{at:05}", lambda at: f"p{at}"])
def test_csv(ids: Callable[[int], str], expected: Any, tmp_path: Path) -> None:
    assert outcome(write_csv(tmp_path, a_log(ids))) == expected


def test_ids_of_a_csv_file_are_what_is_written_there(tmp_path: Path) -> None:
    rows = [(START, name, 1.0, "a") for name in ("7", "07", "7.0", "7")]
    write_csv(tmp_path, [*rows, (START + HOUR, "x", 1.0, "a")])
    assert outcome(f"file:{tmp_path}/*.csv")[0] == [(3, Counter({DUPLICATE: 1}))]


@pytest.mark.parametrize(
    ("of", "ids"),
    [
        ("VARCHAR", lambda at: f"p{at}"),
        ("UBIGINT", lambda at: str(BIG + at)),
        ("HUGEINT", lambda at: str(BIG**2 + at)),
        ("DECIMAL(25, 3)", lambda at: f"{BIG + at}.250"),
        ("UUID", lambda at: str(UUID(int=at + 1))),
    ],
)
def test_duckdb(of: str, ids: Callable[[int], str], expected: Any, tmp_path: Path) -> None:
    assert outcome(write_duckdb(tmp_path, a_log(ids), of)) == expected


def test_times_and_ids_can_be_read_by_themselves(tmp_path: Path, postgres_url: str) -> None:
    rows = a_log(lambda at: f"p{at}")
    write_postgres(postgres_url, rows, "text")
    for name in ("csv", "parquet"):
        (tmp_path / name).mkdir()
    urls = [
        postgres_url,
        write_sqlite(tmp_path, rows, "TEXT"),
        write_duckdb(tmp_path, rows, "VARCHAR"),
        write_csv(tmp_path / "csv", rows),
        write_parquet(tmp_path / "parquet", rows, pa.string()),
    ]
    for url in urls:
        with open_log(model_of(url, "sqlite:///").models[MODEL]) as log:
            batches = [b.rows for b in log.ids(Window(start=START, end=START + HOUR))]
            assert {name for batch in batches for name in batch.schema.names} == {
                "event_time",
                "id",
            }
            assert sum(batch.num_rows for batch in batches) == 190
            assert log.columns() == {"event_time", "id", "part", "few"}


def test_files_that_lack_the_id_count_all_their_rows(tmp_path: Path) -> None:
    rows = a_log(lambda at: f"p{at}")
    write_parquet(tmp_path, rows, pa.string())
    pq.write_table(table_of(rows[:100], pa.string()).drop_columns("id"), tmp_path / "x.parquet")
    found, _ = outcome(f"file:{tmp_path}/*.parquet")
    assert sum(profiled for profiled, _ in found) == 1_100 + 100


payloads = st.sampled_from([json.dumps({"n": 1}), json.dumps({"n": 2, "m": None}), "{", "1"])
moments = st.sampled_from(
    [START + HOUR * part for part in (0, 0.5, 1, 2.5, 3)] + ["2013-03-01T01:61:00"]
)
logged = st.lists(
    st.tuples(moments, st.sampled_from([None, "", "a", "b", 1, 1.0, 2]), payloads), max_size=25
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logged, st.randoms(use_true_random=False))
def test_rows_read_are_rows_profiled_and_rejected_and_order_does_not_matter(
    rows: list[tuple[Any, Any, str]], random: Any
) -> None:
    found = []
    for _ in range(2):
        random.shuffle(rows)
        with tempfile.TemporaryDirectory() as folder:
            url = _written(Path(folder), rows)
            config = model_of(url, f"sqlite:///{folder}/store.db")
            values = config.model_dump(mode="python", by_alias=True)
            values["models"][MODEL]["log"]["payload"] = "features"
            values["models"][MODEL]["cohorts"] = []
            engine = open_store(config.store)
            backfill(engine, Config.model_validate(values), MODEL)
            stored = rows_of(engine)
            found.append((contents(engine)["profiles"], [row.rejected for row in stored]))
            engine.dispose()
        assert sum(row.rows_read for row in stored) == len(rows) + 4
        unreadable = sum(row.rejected.get(TIME_UNREADABLE, 0) for row in stored)
        assert unreadable == sum(isinstance(at, str) for at, *_ in rows)
    assert found[0] == found[1]


def _written(folder: Path, rows: Sequence[tuple[Any, Any, str]]) -> str:
    sure = [(START + at * HOUR, f"sure {at}", json.dumps({"n": at})) for at in range(4)]
    with closing(sqlite3.connect(folder / "log.db")) as connection, connection:
        connection.execute("CREATE TABLE predictions (event_time TEXT, id, features TEXT)")
        written = [
            (at if isinstance(at, str) else at.isoformat(), *rest)
            for at, *rest in [*rows, *sure, (START + 4 * HOUR, "last", "{}")]
        ]
        connection.executemany("INSERT INTO predictions VALUES (?, ?, ?)", written)
    return f"sqlite:///{folder / 'log.db'}"


def test_check_says_how_many_ids_come_again(tmp_path: Path) -> None:
    url = write_sqlite(tmp_path, a_log(lambda at: f"p{at}"), "TEXT")
    config = model_of(url, f"sqlite:///{tmp_path}/store.db")
    (model,) = check(config).models
    assert model.ids is not None
    assert (model.ids.column, model.ids.rows) == ("id", 1_191)
    assert (model.ids.missing, model.ids.repeated) == (500, 90)


def test_check_says_that_without_an_id_duplicates_are_not_judged(tmp_path: Path) -> None:
    url = write_sqlite(tmp_path, a_log(lambda at: f"p{at}"), "TEXT")
    values = model_of(url, f"sqlite:///{tmp_path}/store.db").model_dump(
        mode="python", by_alias=True
    )
    values["models"][MODEL]["log"]["id"] = None
    (model,) = check(Config.model_validate(values)).models
    assert model.ids is None
    assert "rows have no id (log.id), so duplicates are not judged" in model.notes
