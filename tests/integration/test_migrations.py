"""Stores that earlier programs have left, as they were written then, brought up to today's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import alembic.command
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from monitor.config import Config
from monitor.daemon import ModelWorker
from monitor.errors import StoreError, StoreTooNew
from monitor.store import approvals
from monitor.store.engine import _alembic, connect, head, migrate, open_store, revision, writing
from monitor.store.queries import statuses
from monitor.store.tables import metadata, profiles, windows
from tests.support.log import DAY, START, flights, write_log
from tests.support.store import MODEL, Backend

DATA = Path(__file__).parents[1] / "data"
VERSIONS = ("0001", "0002")
NOW = START + 100 * DAY
THREE_DAYS = START + 3 * DAY  # were worked through when the stores were written, of four

Opened = Callable[..., sa.Engine]
Rows = dict[str, list[tuple[Any, ...]]]


def of_then(engine: sa.Engine) -> list[sa.Table]:
    """Return today's tables with the columns that a store has."""
    look = sa.inspect(engine)
    found = []
    for table in metadata.sorted_tables:
        if not look.has_table(table.name):
            continue
        has = {column["name"] for column in look.get_columns(table.name)}
        columns = [sa.Column(c.name, c.type) for c in table.c if c.name in has]
        found.append(sa.Table(table.name, sa.MetaData(), *columns))
    return found


def held(engine: sa.Engine, tables: list[sa.Table]) -> Rows:
    with engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for table in tables
        }


def left_by(version: str, backend: Backend, opened: Opened, folder: Path) -> SecretStr:
    """Load what a program of then has written, into a database of the kind that is tried."""
    file = folder / f"store-{version}.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript((DATA / f"store-{version}.sql").read_text())
    written = SecretStr(f"sqlite:///{file}")
    if backend.name == "sqlite":
        return written
    url = SecretStr(backend.fresh_url())
    here, there = opened(written, connect), opened(url, connect)
    with writing(there) as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, version)
    with here.connect() as reading, there.begin() as writing_:
        for table in of_then(here):
            rows = [dict(row._mapping) for row in reading.execute(sa.select(table))]
            if rows:
                writing_.execute(table.insert(), rows)
    return url


@pytest.fixture
def source(backend: Backend) -> str:
    """Write the log that the stores are of, a day further on."""
    url = backend.fresh_url()
    write_log(
        url,
        logged=flights(days=4, a_day=120, seed=5, shifted=[(1, 2), (3, 4)]),
        trained=flights(days=6, a_day=120, seed=6, start=START - 30 * DAY),
    )
    return url


def config_of(source: str, store: SecretStr) -> Config:
    """Return the configuration that the stores were written with."""
    ignored = ("weather.humid", "hour", "distance", "carrier")
    log = {"table": "predictions", "time": "event_time", "id": "prediction_id",
           "payload": "features", "version": "model_version"}  # fmt: skip
    rule = {"name": "half-day", "statistic": "js", "threshold": 0.2, "windows": 1,
            "min_rows": 40, "cohorts": True}  # fmt: skip
    return Config.model_validate(
        {
            "store": store,
            "models": {
                MODEL: {
                    "source": source, "log": log, "baseline": {"table": "training_rows"},
                    "prediction": {"kind": "binary", "score": "score", "threshold": 0.5},
                    "cohorts": ["origin"], "window": "12h", "noun": "flights",
                    "columns": {name: {"kind": "ignore"} for name in ignored},
                }
            },
            "alerts": {"budget": "off", "rules": [rule], "routes": []},
        }
    )  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upgrade_keeps_all_that_an_earlier_program_wrote(
    version: str, backend: Backend, opened: Opened, tmp_path: Path
) -> None:
    url = left_by(version, backend, opened, tmp_path)
    with pytest.raises(StoreError, match="upgrade"):
        open_store(url)
    engine = opened(url, connect)
    assert revision(engine) == version
    tables = of_then(engine)
    before = held(engine, tables)
    assert len(before["windows"]) == 6
    assert len(before["incidents"]) == 1
    assert len(before["profiles"]) == 12
    migrate(engine)
    assert revision(engine) == head()
    assert held(engine, tables) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_a_daemon_goes_on_where_an_earlier_program_stopped(
    version: str, backend: Backend, source: str, opened: Opened, tmp_path: Path
) -> None:
    url = left_by(version, backend, opened, tmp_path)
    migrate(opened(url, connect))
    engine, config = opened(url), config_of(source, url)
    before = held(engine, [profiles])["profiles"]
    worker = ModelWorker(engine, config, MODEL, clock=lambda: NOW, stop=threading.Event())
    assert worker.look() == 1  # the second half of the last day is not over
    worker.close()
    with engine.connect() as connection:
        done = connection.execute(sa.select(windows).order_by(windows.c.start)).all()
    assert [row.start for row in done] == [START + at * DAY / 2 for at in range(7)]
    assert {(row.state, row.decided, row.revision) for row in done} == {("done", True, 1)}
    assert len({row.baseline for row in done}) == 1  # the baseline of then is that of today
    assert set(before) < set(held(engine, [profiles])["profiles"])
    (status,) = statuses(engine, config, now=NOW)
    assert (status.last_error, status.watermark) == (None, THREE_DAYS + timedelta(hours=12))
    assert len(approvals.of_model(engine, MODEL)) == (version == "0002")


def test_what_went_on_from_an_earlier_store_is_what_was_made_anew(
    backend: Backend, source: str, opened: Opened, tmp_path: Path
) -> None:
    from monitor.backfill import backfill
    from tests.support.store import contents

    url = left_by("0001", backend, opened, tmp_path)
    migrate(opened(url, connect))
    engine, new = opened(url), opened(SecretStr(backend.fresh_url()))
    backfill(engine, config_of(source, url), MODEL)
    backfill(new, config_of(source, url), MODEL)
    for table in ("profiles", "grids", "baseline_profiles", "transitions"):
        assert contents(engine)[table] == contents(new)[table], table


def test_an_older_program_refuses_a_newer_store_in_one_line(
    backend: Backend, opened: Opened
) -> None:
    url = SecretStr(backend.fresh_url())
    engine = opened(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    for attempt in (lambda: open_store(url), lambda: migrate(engine)):
        with pytest.raises(StoreTooNew, match="0999") as refused:
            attempt()
        assert "\n" not in str(refused.value)
