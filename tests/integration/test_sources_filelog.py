"""A log in Parquet and CSV files."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from monitor.config import Model, load
from monitor.contact import check, first_look, render
from monitor.errors import SourceError
from monitor.sources import LogSource, open_baseline, open_log
from monitor.sources.batch import ROWS
from monitor.sources.csvs import CsvPart
from profiles.windows import Window
from tests.support.logs import column

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOON = Window(start=START + 12 * HOUR, end=START + 13 * HOUR)
ALL = Window(start=START - 1_000 * HOUR, end=START + 1_000 * HOUR)


def a_model(source: Path | str, /, **keys: Any) -> Model:
    log = {"time": "event_time"}
    log |= {key: keys.pop(key) for key in ("time", "id", "payload", "version") if key in keys}
    keys.setdefault("baseline", {"range": ["2013-03-01", "2013-03-02"]})
    return Model.model_validate({"source": f"file:{source}", "log": log, **keys})


def hourly(first: int, last: int, **columns: Any) -> pa.Table:
    hours = range(first, last)
    return pa.table(
        {"n": list(hours), "event_time": [START + at * HOUR for at in hours], **columns}
    )


def numbers(log: LogSource, window: Window) -> list[int]:
    return sorted(column((batch.rows for batch in log.batches(window)), "n"))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three files of a day each, of which one has row groups of six hours."""
    folder = tmp_path / "logs"
    folder.mkdir()
    pq.write_table(hourly(0, 24), folder / "a.parquet", row_group_size=6)
    pq.write_table(hourly(24, 48), folder / "b.parquet")
    pq.write_table(hourly(48, 72), folder / "c.parquet")
    return folder


def test_a_window_is_half_open(logs: Path) -> None:
    with open_log(a_model(logs / "*.parquet")) as log:
        window = Window(start=START + 22 * HOUR, end=START + 26 * HOUR)
        assert numbers(log, window) == [22, 23, 24, 25]
        assert numbers(log, NOON) == [12]
        assert (log.earliest(), log.latest()) == (START, START + 71 * HOUR)
        assert [log.count_since(START + at * HOUR) for at in (0, 30, 71, 72)] == [72, 42, 1, 0]
        assert log.columns() == {"n", "event_time"}
        assert (log.time_indexed(), log.path()) == (True, "parquet")
        assert list(log.batches(Window(start=ALL.start, end=START))) == []


def test_row_groups_outside_a_window_are_not_read(logs: Path) -> None:
    damage(logs / "a.parquet", group=0)
    damage(logs / "b.parquet", group=0)
    with open_log(a_model(logs / "*.parquet")) as log:
        assert numbers(log, NOON) == [12]
        assert log.latest() == START + 71 * HOUR
        assert log.count_since(START) == 72
        with pytest.raises(SourceError, match=r"a\.parquet cannot be read as Parquet"):
            numbers(log, Window(start=START, end=START + HOUR))


def damage(path: Path, *, group: int) -> None:
    """Overwrite what a row group holds; its statistics stand in the footer."""
    metadata = pq.read_metadata(path).row_group(group)
    raw = bytearray(path.read_bytes())
    for at in range(metadata.num_columns):
        part = metadata.column(at)
        begin = part.dictionary_page_offset or part.data_page_offset
        raw[begin : begin + part.total_compressed_size] = b"\xff" * part.total_compressed_size
    path.write_bytes(raw)


def test_files_that_appear_grow_and_go_are_seen(logs: Path) -> None:
    with open_log(a_model(logs / "*.parquet")) as log:
        assert log.latest() == START + 71 * HOUR
        pq.write_table(hourly(72, 74), logs / "d.parquet")
        assert log.latest() == START + 73 * HOUR
        pq.write_table(hourly(72, 76), logs / "d.parquet")
        assert log.latest() == START + 75 * HOUR
        (logs / "a.parquet").unlink()
        assert log.earliest() == START + 24 * HOUR


def test_a_file_without_a_footer_is_left_out_until_it_has_one(logs: Path) -> None:
    whole = (logs / "c.parquet").read_bytes()
    (logs / "c.parquet").write_bytes(whole[:-4])
    (logs / "d.parquet").touch()
    (logs / "e.csv").touch()
    with open_log(a_model(logs / "*")) as log:
        pass
    with open_log(a_model(logs / "*.parquet")) as log:
        assert log.notes() == [
            "c.parquet has no footer yet; it is read when it has one",
            "d.parquet has no footer yet; it is read when it has one",
        ]
        assert log.latest() == START + 47 * HOUR
        (logs / "c.parquet").write_bytes(whole)
        (logs / "d.parquet").unlink()
        assert log.latest() == START + 71 * HOUR
        assert log.notes() == []


def test_one_file_is_a_log_too_and_its_name_is_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "a[1] é?.parquet"
    pq.write_table(hourly(0, 24), path)
    with open_log(a_model(path)) as log:
        assert numbers(log, NOON) == [12]
    path = path.rename(tmp_path / "a.parquet")
    with open_log(a_model(path)) as log:
        path.unlink()
        with pytest.raises(SourceError, match="there is no file"):
            log.latest()


def test_a_pattern_without_files_is_an_empty_log(tmp_path: Path) -> None:
    with open_log(a_model(tmp_path / "**/*.parquet")) as log:
        assert (log.earliest(), log.latest(), log.columns()) == (None, None, frozenset())
        assert list(log.batches(ALL)) == []
        (tmp_path / "2013" / "03").mkdir(parents=True)
        pq.write_table(hourly(0, 24), tmp_path / "2013" / "03" / "01.parquet")
        assert numbers(log, NOON) == [12]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("logs", "is a folder; name the files in it"),
        ("logs/d.parquet", "did you mean"),
        ("log/*.parquet", "there is no folder"),
        ("logs/*.xlsx", "files of a log end in .parquet, .pq, .csv, .csv.gz"),
    ],
)
def test_what_is_not_there_is_one_line(name: str, told: str, logs: Path) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        open_log(a_model(logs.parent / name))
    assert "\n" not in str(caught.value)


def test_a_column_that_is_missing_is_told_with_its_file(logs: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.parquet has no column 'at' \(log.time\)"):
        open_log(a_model(logs / "*.parquet", time="at"))
    with pytest.raises(SourceError, match=r"has no column 'key' \(log.id\); there is"):
        open_log(a_model(logs / "*.parquet", id="key"))
    with open_log(a_model(logs / "*.parquet")) as log:
        pq.write_table(pa.table({"n": [1]}), logs / "d.parquet")
        with pytest.raises(SourceError, match=r"d\.parquet has no column 'event_time'"):
            log.latest()
        (logs / "d.parquet").unlink()
        assert log.latest() == START + 71 * HOUR


SECONDS = int(START.timestamp())


@pytest.mark.parametrize(
    "write",
    [
        lambda at: pa.array(at, pa.timestamp("s")),
        lambda at: pa.array(at, pa.timestamp("ms", "UTC")),
        lambda at: pa.array(at, pa.timestamp("us", "Asia/Tokyo")),
        lambda at: pa.array(at, pa.timestamp("ns")),
        lambda at: pa.array([one.isoformat() for one in at]),
        lambda at: pa.array([one.strftime("%Y-%m-%d %H:%M") for one in at]).dictionary_encode(),
        lambda at: pa.array([one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in at], pa.large_string()),
        lambda at: pa.array([int(one.timestamp()) for one in at]),
        lambda at: pa.array([int(one.timestamp()) for one in at], pa.int32()),
        lambda at: pa.array([one.timestamp() for one in at]),
        lambda at: pa.array([int(one.timestamp() * 1e9) for one in at]),
    ],
)
@pytest.mark.parametrize("statistics", [True, False])
def test_times_are_found_however_they_are_written(
    write: Any, statistics: bool, tmp_path: Path
) -> None:
    at = [START + quarter * HOUR / 4 for quarter in range(96)]
    table = pa.table(
        {
            "n": range(97),
            "event_time": pa.concat_arrays([write(at), pa.nulls(1).cast(write(at).type)]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=10, write_statistics=statistics)
    with open_log(a_model(tmp_path / "a.parquet")) as log:
        assert log.time_indexed() is statistics
        batches = list(log.batches(NOON))
        assert column((b.rows for b in batches), "n") == [48, 49, 50, 51]
        assert column((b.rows for b in batches), "event_time") == at[48:52]
        assert [(b.read, b.rejected) for b in batches if b.read] in ([(4, {})], [(2, {})] * 2)
        assert (log.earliest(), log.latest()) == (at[0], at[-1])
        assert log.count_since(at[90]) == 6
        assert sum(batch.read for batch in log.sample()) in {96, 192}


def test_days_are_found_at_their_midnight(tmp_path: Path) -> None:
    days = pa.array([START.date() + timedelta(days=at) for at in range(3)])
    pq.write_table(pa.table({"n": range(3), "event_time": days}), tmp_path / "a.parquet")
    with open_log(a_model(tmp_path / "a.parquet")) as log:
        assert numbers(log, Window(start=START, end=START + HOUR)) == [0]
        assert log.latest() == START + 48 * HOUR


def test_texts_that_are_no_times_are_counted_where_a_database_would(tmp_path: Path) -> None:
    times = ["2013-03-01 12:00:00", "2013-03-01 12:99", "2013-03-01 12:00:00+02:00", "n/a", None]
    pq.write_table(pa.table({"n": range(5), "event_time": times}), tmp_path / "a.parquet")
    pyarrow.csv.write_csv(pq.read_table(tmp_path / "a.parquet"), tmp_path / "a.csv")
    for name in ("a.parquet", "a.csv"):
        pq.write_table(hourly(0, 1), tmp_path / "none.parquet")
        with pytest.raises(SourceError, match=r"no ISO 8601 time|at the offset"):
            open_log(a_model(tmp_path / name))
    many = times[:1] * 300 + times
    pq.write_table(pa.table({"n": range(305), "event_time": many}), tmp_path / "a.parquet")
    pyarrow.csv.write_csv(pq.read_table(tmp_path / "a.parquet"), tmp_path / "a.csv")
    for name in ("a.parquet", "a.csv"):
        with open_log(a_model(tmp_path / name)) as log:
            (batch,) = log.batches(NOON)
            assert batch.rejected == {"time_unreadable": 1, "time_not_utc": 1}
            assert (batch.read, batch.rows.num_rows) == (303, 301)
            assert log.latest() == NOON.start


def test_types_are_those_of_a_log_and_texts_of_few_values_are_codes(tmp_path: Path) -> None:
    table = hourly(
        0, 24,
        code=["UA", None] * 12,
        weather=[{"temp": 1.5, "wind": {"dir": 3}}] * 24,
        tags=[["a"]] * 24,
        single=pa.array([0.1] * 24, pa.float32()),
        raw=[b"\x00"] * 24,
    )  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    with open_log(a_model(tmp_path / "a.parquet")) as log:
        (batch,) = log.batches(ALL)
        assert log.columns() == set(batch.rows.schema.names)
    assert {field.name: str(field.type) for field in batch.rows.schema} == {
        "n": "int64", "event_time": "timestamp[us, tz=UTC]",
        "code": "dictionary<values=string, indices=int32, ordered=0>", "weather.temp": "double",
        "weather.wind.dir": "int64", "tags": "list<element: string>", "single": "double",
        "raw": "binary",
    }  # fmt: skip


def test_columns_that_nobody_asks_for_are_not_decoded(tmp_path: Path) -> None:
    weather = [{"temp": 1.5, "wind": 3}] * 24
    table = hourly(0, 24, weather=weather, more=[{"a": 1}] * 24, a=range(24), b=range(24))
    pq.write_table(table, tmp_path / "a.parquet")
    pyarrow.csv.write_csv(table.select(["n", "event_time", "a", "b"]), tmp_path / "a.csv")
    ignored = {name: {"kind": "ignore"} for name in ("weather.wind", "more", "a", "b")}
    with open_log(a_model(tmp_path / "a.parquet", columns=ignored, cohorts=["b"])) as log:
        (batch,) = log.batches(ALL)
        assert batch.rows.schema.names == ["n", "event_time", "weather.temp", "b"]
    with open_log(a_model(tmp_path / "a.csv", columns=ignored, cohorts=["b"])) as log:
        (batch,) = log.batches(ALL)
        assert batch.rows.schema.names == ["n", "event_time", "b"]


def test_a_payload_is_flattened_from_json_or_a_struct(tmp_path: Path) -> None:
    for payload in (['{"a": 1, "n": 2}', "no"], [{"a": 1, "n": 2}, None]):
        table = hourly(0, 2).append_column("p", pa.array(payload))
        pq.write_table(table, tmp_path / "a.parquet")
        with open_log(a_model(tmp_path / "a.parquet", payload="p")) as log:
            (batch,) = log.batches(ALL)
            assert log.columns() == {"n", "event_time", "a", "p.n"}
        assert column([batch.rows], "p.n") == [2]
        assert sum(batch.rejected.values()) == 1


def test_files_need_not_have_the_same_columns_or_types(tmp_path: Path) -> None:
    pq.write_table(hourly(0, 2, a=[1, 2]), tmp_path / "a.parquet")
    pq.write_table(hourly(2, 4, a=[0.5, 1.5], b=["x", "y"]), tmp_path / "b.parquet")
    text = {"event_time": [(START + at * HOUR).isoformat() for at in (4, 5)], "n": [4, 5]}
    pq.write_table(pa.table(text), tmp_path / "c.parquet")
    with open_log(a_model(tmp_path / "*.parquet")) as log:
        read = [batch.rows for batch in log.batches(ALL)]
        assert log.columns() == {"n", "event_time", "a", "b"}
    assert column(read, "a") == [1, 2, 0.5, 1.5, None, None]
    assert column(read, "event_time") == [START + at * HOUR for at in range(6)]


def test_a_large_row_group_comes_in_batches(tmp_path: Path) -> None:
    rows = 5 * ROWS
    at = pa.array([START] * rows)
    pq.write_table(pa.table({"n": range(rows), "event_time": at}), tmp_path / "a.parquet")
    pyarrow.csv.write_csv(pq.read_table(tmp_path / "a.parquet"), tmp_path / "a.csv")
    for name in ("a.parquet", "a.csv"):
        with open_log(a_model(tmp_path / name)) as log:
            batches = list(log.batches(ALL))
            assert max(batch.rows.num_rows for batch in batches) <= 4 * ROWS
            assert len(batches) > 1
            assert sorted(column((b.rows for b in batches), "n")) == list(range(rows))
            assert sum(batch.read for batch in log.sample(1_000)) in {1_000, 2_000}


def test_csv_files_are_a_log_and_may_be_packed(tmp_path: Path) -> None:
    for name, first in (("a.csv", 0), ("b.csv.gz", 24)):
        rows = [f"{at},{START + at * HOUR:%Y-%m-%d %H:%M:%S}" for at in range(first, first + 24)]
        text = "\n".join(["n,event_time", *rows, ""]).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    with open_log(a_model(tmp_path / "*.csv*")) as log:
        assert numbers(log, NOON) == [12]
        assert (log.earliest(), log.latest()) == (START, START + 47 * HOUR)
        assert log.count_since(START + 20 * HOUR) == 28
        assert (log.path(), log.time_indexed()) == ("csv", False)
        (tmp_path / "c.csv").touch()
        assert log.notes() == ["c.csv is empty so far; it is read when it has rows"]


def test_files_whose_rows_have_no_time_add_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,event_time\n")
    (tmp_path / "b.csv").write_text("n,event_time\n1,\n")
    table = pa.table({"n": [1], "event_time": pa.nulls(1).cast(pa.string())})
    pq.write_table(table, tmp_path / "c.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "d.parquet")
    with open_log(a_model(tmp_path / "*")) as log:
        assert (log.earliest(), log.latest(), log.time_writing()) == (None, None, None)
        assert log.count_since(START) == 0
        assert not any(batch.read for batch in [*log.batches(ALL), *log.sample()])
        pq.write_table(hourly(0, 24), tmp_path / "e.parquet")
        assert numbers(log, NOON) == [12]
        assert (log.count_since(NOON.start), log.path()) == (12, "files")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,n,event_time\n1,2,2013-03-01 12:00:00\n")
    with pytest.raises(SourceError, match="two columns of one name"):
        open_log(a_model(tmp_path / "a.csv"))


CELLS = ["", "5", "0", "1", "-7", "true", "False", "1.5", "1e400", "nan", "NULL", "2013-03-01",
         "12:30:00", "2013-03-01 12:30:00", "2013-03-01 12:30:00Z", "2013-03-01 12:30:00.123",
         "2013-03-01T12:30:00.123Z", "2900-01-01 00:00:00.5", "abc", "9" * 30, '"5"', '""',
         "\udcff"]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CELLS), st.sampled_from(CELLS)), min_size=1, max_size=6))
def test_a_type_is_told_from_all_rows_whatever_the_first_block_holds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"types-{os.getpid()}.csv"
    text = "".join(f"{a},{b}\n" for a, b in rows)
    path.write_bytes(b"a,b\n" + text.encode("utf-8", "surrogateescape"))
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    expected = pyarrow.csv.read_csv(path, convert_options=options)
    for block in (16, 1 << 20):
        part = CsvPart(path, block=block + max(len(row) for row in text.splitlines()))
        assert part.schema == expected.schema
        found = pa.Table.from_batches(part.batches(part.chunks), schema=part.schema)
        assert found.equals(expected)


def test_a_range_of_the_files_is_a_baseline(logs: Path) -> None:
    with open_baseline(a_model(logs / "*.parquet")) as baseline:
        assert sum(batch.read for batch in baseline.batches()) == 24


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"baseline": {"table": "t"}}, "source names files, which have no table"),
        ({"log": {"time": "t", "table": "x"}}, "source names files, which have no table"),
        ({"source": "sqlite:///x.db"}, "table is missing"),
        ({"source": "file://host/x.parquet"}, "it names a host"),
        ({"source": "file:"}, "it names no file"),
    ],
)
def test_files_have_no_table_and_databases_have(keys: dict[str, Any], told: str) -> None:
    model = {
        "source": "file:///logs/*.parquet", "log": {"time": "t"}, "baseline": {"file": "b.csv"}
    }  # fmt: skip
    assert Model.model_validate(model).files == "/logs/*.parquet"
    with pytest.raises(ValueError, match=told):
        Model.model_validate(model | keys)


@pytest.mark.parametrize(
    ("source", "placed"),
    [
        ("file:logs/*.parquet", "file:{}/logs/*.parquet"),
        ("file:log[1].parquet", "file:{}/log[1].parquet"),
        ("file:///logs/*.parquet", "file:///logs/*.parquet"),
        ("duckdb:///log.db", "duckdb:///{}/log.db"),
        ("duckdb:////logs/log.db", "duckdb:////logs/log.db"),
    ],
)
def test_relative_paths_start_at_the_folder_of_the_configuration(
    source: str, placed: str, tmp_path: Path
) -> None:
    folder = tmp_path / "a b%20c#d"
    folder.mkdir()
    table = "" if source.startswith("file:") else "table: t, "
    (folder / "monitor.yaml").write_text(
        f"models:\n  m:\n    source: '{source}'\n    log: {{{table}time: t}}\n"
        "    baseline: {file: b.csv}\n"
    )
    model = load(folder / "monitor.yaml", {}).models["m"]
    assert model.source.get_secret_value() == placed.format(folder)


@pytest.mark.parametrize("kind", ["parquet", "csv", "duckdb"])
def test_init_writes_a_file_that_check_accepts_as_it_stands(kind: str, tmp_path: Path) -> None:
    rows = range(2_000)
    table = pa.table(
        {
            "prediction_id": [f"p{at}" for at in rows],
            "event_time": pa.array(
                [START + at * HOUR / 2 for at in rows], pa.timestamp("us", "UTC")
            ),
            "score": [at % 100 / 100 for at in rows],
            "carrier": [["UA", "B6", "EV", "DL"][at % 4] for at in rows],
            "distance": [100 + at % 500 for at in rows],
        }
    )
    (tmp_path / "flights").mkdir()
    source, name = f"file:flights/*.{kind}", None
    if kind == "parquet":
        pq.write_table(table, tmp_path / "flights" / "1.parquet")
        (tmp_path / "flights" / "2.parquet").touch()
    elif kind == "csv":
        pyarrow.csv.write_csv(table, tmp_path / "flights" / "1.csv")
    else:
        source, name = "duckdb:///log.duckdb", "flights"
        with duckdb.connect(str(tmp_path / "log.duckdb")) as connection:
            connection.register("rows_of_a_log", table)
            connection.execute("CREATE TABLE flights AS SELECT * FROM rows_of_a_log")
    place, path = source.split("flights")[0], tmp_path / source.removeprefix("file:")
    url = f"file:{path}" if place == "file:" else f"duckdb:///{tmp_path}/log.duckdb"
    look = first_look(SecretStr(url), name)
    assert (look.table, look.in_files) == ("flights", kind != "duckdb")
    (tmp_path / "monitor.yaml").write_text(render(look, source=source))
    config = load(tmp_path / "monitor.yaml", {})
    model = config.models["flights"]
    assert (model.log.table, model.log.time, model.log.id) == (name, "event_time", "prediction_id")
    report = check(config)
    assert report.problems == ()
    (checked,) = report.models
    assert checked.path == kind
    assert (checked.first, checked.last) == (START, START + 1_999 * HOUR / 2)
    assert checked.baseline_rows
    notes = " ".join(checked.notes)
    assert ("2.parquet has no footer yet" in notes) is (kind == "parquet")
    assert ("files are read whole" in notes) is (kind == "csv")


def test_a_look_at_files_without_rows_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is empty: there is nothing to look at yet"):
        first_look(SecretStr(f"file:{tmp_path}/*.parquet"), None)
    with pytest.raises(SourceError, match="files have no table"):
        first_look(SecretStr(f"file:{tmp_path}/*.parquet"), "t")
    (tmp_path / "x.db").touch()
    with pytest.raises(SourceError, match="needs the name of a table"):
        first_look(SecretStr(f"sqlite:///{tmp_path}/x.db"), None)
