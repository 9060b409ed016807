"""The results database itself: its tables, its migrations, and what it refuses."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import alembic.command
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr

from monitor.errors import StoreError, StoreTooNew
from monitor.store import blind, runs
from monitor.store.engine import (
    MIGRATIONS,
    connect,
    head,
    migrate,
    open_store,
    revision,
    writing,
)
from monitor.store.tables import grids, metadata, models, windows
from profiles.windows import Window
from tests.support.store import Backend

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECRET = "hunter2"

Opened = Callable[..., sa.Engine]


@pytest.fixture
def url(backend: Backend) -> SecretStr:
    return SecretStr(backend.fresh_url())


def test_an_empty_database_gets_its_tables(url: SecretStr, opened: Opened) -> None:
    engine = opened(url)
    assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())
    assert revision(engine) == head()


def test_migrations_make_exactly_the_tables_of_the_program(url: SecretStr, opened: Opened) -> None:
    engine = opened(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_opening_again_writes_nothing(url: SecretStr, opened: Opened) -> None:
    engine = opened(url)
    with engine.begin() as connection:
        connection.execute(grids.insert(), [{"id": "a", "content": b"1"}])
    again = opened(url)
    with again.connect() as connection:
        assert connection.execute(sa.select(grids)).all() == [("a", b"1")]


def test_upgrading_what_is_up_to_date_does_nothing(url: SecretStr, opened: Opened) -> None:
    engine = opened(url)
    migrate(engine)
    assert revision(engine) == head()


def test_a_store_of_the_revision_before_is_upgraded_and_keeps_what_it_holds(
    url: SecretStr, opened: Opened
) -> None:
    engine = opened(url, connect)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    newest = ScriptDirectory.from_config(config).get_revision("head")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "head-1")
        connection.execute(grids.insert(), [{"id": "a", "content": b"1"}])
    assert revision(engine) == newest.down_revision
    with pytest.raises(StoreError, match=f"not {head()}; run: monitor db upgrade"):
        open_store(url)
    migrate(engine)
    again = opened(url)
    with again.connect() as connection:
        assert connection.execute(sa.select(grids)).all() == [("a", b"1")]
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_an_empty_database_is_left_alone_when_asked_to(url: SecretStr, opened: Opened) -> None:
    with pytest.raises(StoreError, match="run: monitor db upgrade"):
        open_store(url, upgrade=False)
    engine = opened(url, connect)
    assert sa.inspect(engine).get_table_names() == []


def test_a_store_of_a_newer_program_is_refused(url: SecretStr, opened: Opened) -> None:
    engine = opened(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match="newer Driftline"):
        open_store(url)
    with pytest.raises(StoreTooNew):
        migrate(engine)


def test_tables_of_somebody_else_are_refused_and_kept(url: SecretStr, opened: Opened) -> None:
    engine = opened(url, connect)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE windows (room integer)"))
    for refused in (lambda: open_store(url), lambda: migrate(engine)):
        with pytest.raises(StoreError, match="did not make"):
            refused()
    assert sa.inspect(engine).get_table_names() == ["windows"]


def test_processes_that_open_an_empty_store_at_once_all_find_it_ready(url: SecretStr) -> None:
    code = (
        "import sys; from pydantic import SecretStr; from monitor.store.engine import *;"
        "print('ready', flush=True); sys.stdin.readline();"
        "print(revision(open_store(SecretStr(sys.argv[1]))))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, url.get_secret_value()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60) for racer in racers]
    assert said == [(f"{head()}\n", "")] * 2


def test_a_store_that_another_process_is_writing_first_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")  # not yet writing ahead: SQLite refuses the change at once
    done = threading.Timer(0.3, other.execute, ["COMMIT"])
    done.start()
    engine = open_store(SecretStr(f"sqlite:///{tmp_path}/new.db"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    done.join()
    engine.dispose()
    other.close()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("not a url", "is no database URL"),
        (f"postgresql://me:{SECRET}@localhost:no/x", "is no database URL"),
        (f"mysql://me:{SECRET}@localhost/x", "mysql cannot hold the results"),
        (f"oracle+nothing://me:{SECRET}@localhost/x", "oracle cannot hold the results"),
        (f"postgresql+psycopg9://me:{SECRET}@localhost/x", "is no database URL"),
        (f"postgresql+pg8000://me:{SECRET}@localhost/x", "needs the Python package 'pg8000'"),
        (f"postgresql://me:p@{SECRET}@localhost/x", "the password holds an @"),
        (f"postgresql://me:{SECRET}@127.0.0.1:1/x", "postgresql at 127.0.0.1 cannot be used"),
        ("sqlite://", "in memory is gone with the process"),
        ("sqlite:////no/such/folder/store.db", "there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_url_is_one_clear_line_without_the_password(given: str, told: str) -> None:
    with pytest.raises(StoreError, match=told) as caught:
        open_store(SecretStr(given))
    assert SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_text("this is a letter, " * 100)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        open_store(SecretStr(f"sqlite:///{path}"))


def test_the_revision_of_a_store_that_does_not_answer_is_one_clear_line(opened: Opened) -> None:
    engine = opened(SecretStr("postgresql://me@127.0.0.1:1/x"), connect)
    with pytest.raises(StoreError, match="cannot be used"):
        revision(engine)


def test_instants_come_back_as_they_were_in_utc(url: SecretStr, opened: Opened) -> None:
    engine = opened(url)
    at = datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=UTC)
    runs.register(engine, "m", HOUR)
    runs.looked(engine, "m", now=at, watermark=at)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(models.c.watermark)) == at
    with pytest.raises(sa.exc.StatementError, match="no time zone"):
        runs.looked(engine, "m", now=at.replace(tzinfo=None), watermark=None)


# Windows


@pytest.fixture
def engine(url: SecretStr, opened: Opened) -> sa.Engine:
    made = opened(url)
    runs.register(made, "m", HOUR)
    return made


def hour(at: int) -> Window:
    return Window(start=START + at * HOUR, end=START + (at + 1) * HOUR)


def claim(engine: sa.Engine, now: datetime = START, *, minutes: int = 15) -> runs.Claim | None:
    claims = runs.claim(engine, "m", now=now, lease=timedelta(minutes=minutes))
    return claims[0] if claims else None


def states(engine: sa.Engine) -> list[str]:
    found = runs.known(engine, "m", Window(start=START, end=START + 100 * HOUR))
    return [found[start] for start in sorted(found)]


def test_planning_a_window_twice_plans_it_once(engine: sa.Engine) -> None:
    runs.plan(engine, "m", [hour(0), hour(1)], notify=True)
    runs.plan(engine, "m", [hour(1), hour(2)], notify=False)
    runs.plan(engine, "m", [], notify=True)
    with engine.connect() as connection:
        notify = connection.execute(sa.select(windows.c.notify).order_by(windows.c.start))
        assert [row.notify for row in notify] == [True, True, False]


def test_windows_are_claimed_oldest_first_and_once(engine: sa.Engine) -> None:
    runs.plan(engine, "m", [hour(2), hour(0), hour(1)], notify=True)
    claimed = [claim(engine) for _ in range(4)]
    assert [c and c.window for c in claimed] == [hour(0), hour(1), hour(2), None]


def test_a_lease_that_ran_out_lets_another_claim_with_a_higher_fence(engine: sa.Engine) -> None:
    runs.plan(engine, "m", [hour(0)], notify=True)
    first = claim(engine)
    assert first is not None
    assert claim(engine, START + timedelta(minutes=15)) is None
    second = claim(engine, START + timedelta(minutes=15, seconds=1))
    assert second is not None
    assert (second.window, second.fence) == (first.window, first.fence + 1)


def test_who_was_fenced_off_can_neither_fail_nor_give_back(engine: sa.Engine) -> None:
    runs.plan(engine, "m", [hour(0)], notify=True)
    first = claim(engine)
    assert first is not None
    assert claim(engine, START + HOUR) is not None
    runs.fail(engine, first, error="late", now=START + HOUR)
    runs.give_back(engine, [first])
    assert states(engine) == ["running"]


def test_a_window_given_back_is_claimed_at_once_and_counts_no_attempt(engine: sa.Engine) -> None:
    runs.plan(engine, "m", [hour(0)], notify=True)
    first = claim(engine)
    assert first is not None
    runs.give_back(engine, [first])
    again = claim(engine)
    assert again is not None
    assert (again.window, again.attempts) == (hour(0), 1)


def test_a_failed_window_waits_longer_each_time_and_is_given_up_in_the_end(
    engine: sa.Engine,
) -> None:
    runs.plan(engine, "m", [hour(0)], notify=True)
    now, waits = START, []
    while (claimed := claim(engine, now)) is not None:
        runs.fail(engine, claimed, error="no such column", now=now)
        with engine.connect() as connection:
            again = connection.scalar(sa.select(windows.c.next_attempt))
        assert again is not None
        assert claim(engine, again - timedelta(seconds=1)) is None
        waits.append((again - now).total_seconds())
        now = again
    assert waits == [30 * 2**k for k in range(runs.MAX_ATTEMPTS)]
    assert states(engine) == ["failed"]


def test_reopening_touches_only_the_states_and_the_span_asked_for(engine: sa.Engine) -> None:
    runs.plan(engine, "m", [hour(0), hour(1), hour(2)], notify=True)
    failed = claim(engine)
    assert failed is not None
    runs.fail(engine, failed, error="?", now=START)
    assert runs.reopen(engine, "m", Window(start=START, end=START + HOUR), ("done",)) == 0
    assert runs.reopen(engine, "m", Window(start=START, end=START + HOUR), ("failed",)) == 1
    assert states(engine) == ["pending"] * 3


def test_where_live_windows_begin_is_settled_once(engine: sa.Engine) -> None:
    assert runs.starts_at(engine, "m", START) == START
    assert runs.starts_at(engine, "m", START + 9 * HOUR) == START


def test_a_model_keeps_the_width_it_began_with(engine: sa.Engine) -> None:
    assert runs.register(engine, "m", 2 * HOUR) == HOUR
    assert runs.register(engine, "other", 2 * HOUR) == 2 * HOUR


def test_since_when_a_source_fails_is_kept_until_it_answers(engine: sa.Engine) -> None:
    for at, why in ((START, "no such file"), (START + HOUR, "no such table")):
        blind.troubled(engine, "m", since=at, why=why, now=at)
    wanted = sa.select(models.c.source_error, models.c.source_error_since, models.c.watermark)
    with engine.connect() as connection:
        assert connection.execute(wanted).one() == ("no such table", START, None)
    runs.looked(engine, "m", now=START + 2 * HOUR, watermark=START)
    assert blind.well(engine, "m", now=START)
    with engine.connect() as connection:
        assert connection.execute(wanted).one() == (None, None, START)


def test_when_the_log_last_moved_is_kept_while_it_stands_still(engine: sa.Engine) -> None:
    for hours, watermark in ((1, START), (2, START), (3, START + HOUR), (4, START + HOUR)):
        now = START + hours * HOUR
        runs.looked(engine, "m", now=now, watermark=watermark)
    at = START + 5 * HOUR
    blind.troubled(engine, "m", since=at, why="gone", now=at)
    with engine.connect() as connection:
        assert connection.scalar(sa.select(models.c.watermark_at)) == START + 3 * HOUR
        assert connection.scalar(sa.select(models.c.watermark)) == START + HOUR
