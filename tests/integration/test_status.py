"""`monitor status`: what is wrong stands first, in words, with what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator

from monitor.backfill import backfill
from monitor.cli import main
from monitor.clock import system_clock
from monitor.config import Config, load
from monitor.store import blind, runs
from monitor.store.tables import windows
from profiles.windows import Window
from tests.support.log import START, FlightLog
from tests.support.store import MODEL, small_log, small_values, write_config

DAY = timedelta(days=1)
SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "status.schema.json"
WHY = "cannot read sqlite:///log.db: no such table: predictions"

Ask = Callable[..., str]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> FlightLog:
    return small_log(f"sqlite:///{tmp_path_factory.mktemp('log') / 'log.db'}")


@pytest.fixture
def path(log: FlightLog, tmp_path: Path) -> Path:
    values = small_values(source=log.url, store=f"sqlite:///{tmp_path / 'store.db'}")
    return write_config(tmp_path / "monitor.yaml", values)


@pytest.fixture
def config(path: Path) -> Config:
    return load(path, environ={})


@pytest.fixture
def engine(config: Config, opened: Callable[..., sa.Engine]) -> sa.Engine:
    """A store with two days done."""
    engine = opened(config.store)
    backfill(engine, config, MODEL, end=START + 2 * DAY)
    return engine


@pytest.fixture
def ask(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    monkeypatch.setenv("COLUMNS", "160")

    def call(*words: str) -> str:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["monitor", "status", *words, "--config", str(path)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return capsys.readouterr().out

    return call


def record(ask: Ask) -> dict[str, object]:
    found = json.loads(ask("--json"))
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(found)
    of_model: dict[str, object] = found["models"][MODEL]
    return of_model


def test_all_well_is_a_table_and_no_more(engine: sa.Engine, ask: Ask) -> None:
    lines = ask().splitlines()
    assert len(lines) == 2
    assert [*lines[1].split()[:2], lines[1].split("h  ")[1].strip()] == [
        MODEL, "normal", "7 done   none open",
    ]  # fmt: skip
    found = record(ask)
    assert (found["failing_since"], found["blind"], found["given_up"]) == (None, False, 0)


def test_windows_that_wait_are_caught_up_with(engine: sa.Engine, ask: Ask) -> None:
    days = [START + timedelta(days=2, hours=6 * k) for k in range(5)]
    due = [Window(start=at, end=at + timedelta(hours=6)) for at in days]
    runs.plan(engine, MODEL, due, notify=True)
    assert "catching up" in ask()
    assert "7 done, 5 to do" in ask()


def test_a_log_that_cannot_be_read_is_said_with_since_when_and_why(
    engine: sa.Engine, config: Config, ask: Ask
) -> None:
    now = system_clock()
    since = now - timedelta(hours=50, minutes=30)
    blind.troubled(engine, MODEL, since=since, why=WHY, now=now)
    said = ask()
    assert "failing to read" in said
    lasting = "2\u202fd 2\u202fh"
    told = f"{MODEL}: nothing could be read since {since:%Y-%m-%d %H:%M} UTC ({lasting}): {WHY}"
    assert told in said.splitlines()
    _settle(engine, config)
    assert " blind " in ask()
    assert "1 open" in ask()
    found = record(ask)
    assert (found["state"], found["blind"], found["last_error"]) == ("failed", True, WHY)


def _settle(engine: sa.Engine, config: Config) -> None:
    from monitor.daemon import Daemon

    Daemon(engine, config).watch()


def test_windows_that_were_given_up_are_counted_with_what_to_do(
    engine: sa.Engine, ask: Ask
) -> None:
    with engine.begin() as connection:
        last = connection.scalar(sa.select(sa.func.max(windows.c.start)))
        connection.execute(
            sa.update(windows)
            .where(windows.c.start == last)
            .values(state="failed", attempts=runs.MAX_ATTEMPTS, error="no such column: score")
        )
    said = ask().splitlines()
    assert f"{MODEL}: a window could not be read: no such column: score" in said
    told = (
        f"{MODEL}: 1 window is given up and not tried again; "
        f"monitor backfill --model {MODEL} --reprocess failed does"
    )
    assert told in said
    assert record(ask)["given_up"] == 1
