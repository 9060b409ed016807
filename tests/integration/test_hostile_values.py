"""Values that nobody meant to log: read = profiled + rejected by reason, wherever they lie."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from monitor.config import Config
from monitor.pipeline import prepare, work
from monitor.sources import open_log
from monitor.store import results, runs
from monitor.store.engine import open_store
from monitor.store.queries import statuses
from monitor.store.tables import windows
from profiles.windows import Window
from tests.support.logs import run_sql, write_table

START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = Window(start=START, end=START + timedelta(hours=1))
BIG = "x" * 10_000_000

PAYLOADS = (
    '{"x": NaN}', '{"x": Infinity}', '{"x": -Infinity}', '{"x": -0.0}', '{"x": 1e308}',
    '{"x": 1e400}', '{"x": 9223372036854775808}', f'{{"x": {"9" * 400}}}',
    f'{{"x": -{"9" * 5_000}}}', '{"x": true}', '{"x": "NaN"}', '{"x": null}', "{}",
    r'{"name": "\ud800"}', r'{"\udfff": 1}', '{"name": "\U0001f6eb"}', '{"name": "\u202eeman"}',
    '{"name": 1, "name": "two"}', '{"name": {"name": [1, {"a": "b"}]}}', '{"": 1, ".": 2, "x.": 3}',
    '{"a":' * 500 + "1" + "}" * 500, '{"x":' + "[" * 900 + "]" * 900 + "}",
    json.dumps({f"key {at}": at for at in range(5_000)}),
)  # fmt: skip
REJECTED = {
    "payload_not_json": ('{"x":' * 100_000, "{", "nothing", "[" * 100_000),
    "payload_not_object": ("[]", "1", '"{}"'),
    "payload_missing": (None, "null"),
    "row_too_large": (f'{{"name": "{BIG}"}}', BIG, f'{{"deep": {{"er": "{BIG}"}}}}'),
}
NUMBERS = (float("nan"), float("inf"), -float("inf"), -0.0, 1e308, -1e308, 5e-324, None, 2.0**63)
TEXTS = ("NaN", "\U0001f6eb", "\u202e", "=1+1", "<img onerror=1>", "a\x1fb", None, "y" * 70_000)


def rows() -> list[tuple[datetime, float | None, str | None, str | None]]:
    """Every payload and a plain number and text beside it, in turn."""
    payloads = [*PAYLOADS, *(text for of in REJECTED.values() for text in of)]
    return [
        (START + timedelta(seconds=at), NUMBERS[at % 9], TEXTS[at % 8], payload)
        for at, payload in enumerate(payloads)
    ]


COLUMNS = ("at", "number", "label", "features")


def in_sqlite(folder: Path, _request: pytest.FixtureRequest) -> tuple[str, bool]:
    url = f"sqlite:///{folder / 'log.db'}"
    types = (sa.DateTime, sa.Double, sa.Text, sa.Text)
    found = [(at.replace(tzinfo=None), *rest) for at, *rest in rows()]
    write_table(url, "predictions", dict(zip(COLUMNS, types, strict=True)), found)
    return url, True


def in_postgresql(_folder: Path, request: pytest.FixtureRequest) -> tuple[str, bool]:
    url = request.getfixturevalue("postgres_url")
    types = (sa.DateTime(timezone=True), sa.Double, sa.Text, sa.Text)
    write_table(url, "predictions", dict(zip(COLUMNS, types, strict=True)), rows())
    return url, True


def table() -> pa.Table:
    of = (pa.timestamp("us", "UTC"), pa.float64(), pa.string(), pa.string())
    columns = zip(*rows(), strict=True)
    return pa.table(
        [pa.array(values, kind) for values, kind in zip(columns, of, strict=True)], list(COLUMNS)
    )


def in_parquet(folder: Path, _request: pytest.FixtureRequest) -> tuple[str, bool]:
    pq.write_table(table(), folder / "log.parquet")
    return f"file:{folder / 'log.parquet'}", False


def in_csv(folder: Path, _request: pytest.FixtureRequest) -> tuple[str, bool]:
    with (folder / "log.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((at.isoformat(), *rest) for at, *rest in rows())
    return f"file:{folder / 'log.csv'}", False


def in_duckdb(folder: Path, _request: pytest.FixtureRequest) -> tuple[str, bool]:
    with duckdb.connect(str(folder / "log.duckdb")) as connection:
        connection.register("written", table())
        connection.execute("CREATE TABLE predictions AS SELECT * FROM written")
    return f"duckdb:///{folder / 'log.duckdb'}", True


def config_of(folder: Path, source: str, *, in_table: bool, **limits: Any) -> Config:
    """Describe a model over a log, with a baseline of what was meant to come."""
    expected = {
        "number": [float(at % 50) for at in range(400)],
        "label": [f"label {at % 5}" for at in range(400)],
        "x": [float(at % 30) for at in range(400)],
        "name": [f"name {at % 7}" for at in range(400)],
    }
    pq.write_table(pa.table(expected), folder / "expected.parquet")
    log = {"time": "at", "payload": "features", **({"table": "predictions"} if in_table else {})}
    return Config.model_validate(
        {
            "store": f"sqlite:///{folder / 'store.db'}",
            "models": {
                "m": {
                    "source": source, "log": log, "window": "1h",
                    "baseline": {"file": str(folder / "expected.parquet")},
                }
            },
            "alerts": {"budget": "off"},
            "limits": limits,
        }
    )  # fmt: skip


def worked(config: Config) -> tuple[sa.Engine, sa.Row[Any]]:
    """Work on the hour, and return what is stored of it."""
    engine = open_store(config.store)
    with open_log(config.models["m"], config.limits) as source:
        run = prepare(engine, config, "m", source)
        runs.plan(engine, "m", [HOUR], notify=True)
        assert all(done.ok for done in work(run))
    with engine.connect() as connection:
        return engine, connection.execute(sa.select(windows)).one()


@pytest.mark.parametrize("wherever", [in_sqlite, in_postgresql, in_parquet, in_csv, in_duckdb])
def test_hostile_values_are_profiled_or_rejected_by_reason(
    wherever: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source, in_table = wherever(tmp_path, request)
    engine, window = worked(config_of(tmp_path, source, in_table=in_table))
    try:
        assert window.rejected == {reason: len(of) for reason, of in REJECTED.items()}
        assert window.rows_profiled == len(PAYLOADS)
        assert window.rows_read == window.rows_profiled + sum(window.rejected.values())
        assert window.cut["json_depth"] == {"features": 1}
        (stored,) = results.read(engine, "m", window.baseline, (), HOUR)
        for column, of in stored.profile.columns.items():
            assert of.counts.sum() == len(PAYLOADS), column
    finally:
        engine.dispose()


def test_what_is_beyond_the_limits_is_told_in_status(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source, in_table = in_sqlite(tmp_path, request)
    config = config_of(tmp_path, source, in_table=in_table, json_depth=2, row_bytes="80 kB")
    engine, window = worked(config)
    try:
        assert window.rejected["row_too_large"] == 3 + 2 + 1  # and what is deep, or of many keys
        (status,) = statuses(engine, config, now=START)
    finally:
        engine.dispose()
    assert status.limits == (
        (
            "6 rows of the last day were rejected: the texts of a row may take 0.0781 MB together "
            "(limits.row_bytes)"
        ),
        (
            "1 row of the last day has objects in features nested deeper than 2, which stay one "
            "text (limits.json_depth)"
        ),
    )


def test_numbers_that_only_postgresql_knows_are_read(postgres_url: str, tmp_path: Path) -> None:
    run_sql(
        postgres_url,
        "CREATE TABLE predictions (at timestamptz, number numeric, label bytea, features json)",
        *(
            f"INSERT INTO predictions VALUES ('2025-03-03 00:00:01Z', {number}, '\\xff00', {text})"
            for number, text in (
                ("'NaN'", """'{"name": 1, "name": "two"}'"""),
                ("'Infinity'", r"""'{"name": "\ud800"}'"""),
                ("1e400", "'[1]'"),
                ("-0.0", """'{"x": """ + "9" * 400 + "}'"),
                ("NULL", """('{"x": "' || repeat('x', 10000000) || '"}')::json"""),
            )
        ),
    )
    engine, window = worked(config_of(tmp_path, postgres_url, in_table=True))
    engine.dispose()
    assert window.rejected == {"payload_not_object": 1, "row_too_large": 1}
    assert (window.rows_read, window.rows_profiled) == (5, 3)


@pytest.mark.parametrize("values", [(Decimal("sNaN"), Decimal("NaN"), Decimal("1e400"))])
def test_decimals_that_are_no_number_are_missing(values: Sequence[Decimal]) -> None:
    from monitor.sources.arrays import array_of

    read = array_of([*values, Decimal("-0.0")]).to_pylist()
    assert [str(value) for value in read] == ["nan", "nan", "inf", "-0.0"]
