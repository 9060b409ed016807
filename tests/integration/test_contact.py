"""The first minutes with the product, through its real command line."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from monitor.cli import main
from monitor.config import load
from tests.support.logs import run_sql, write_table

START = datetime(2013, 3, 1, tzinfo=UTC)
CANARY = "hunter2-canary"

COLUMNS: dict[str, Any] = {
    "prediction_id": sa.Text, "event_time": sa.Text, "model_version": sa.Text, "score": sa.Double,
    "features": sa.Text,
}  # fmt: skip


def payload(at: int) -> dict[str, Any]:
    temp = None if at % 10 == 0 else 30 + at % 40
    return {
        "carrier": ["UA", "B6", "EV", "DL"][at % 4],
        "origin": ["EWR", "JFK", "LGA"][at % 3],
        "distance": 100 + at % 500,
        "weather": {"temp": temp},
        "tailnum": f"N{at:05}",
    }


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    for at in range(count):
        moment = START + at * timedelta(minutes=30)
        yield f"p{at}", moment.isoformat(), "v3", (at % 100) / 100, json.dumps(payload(at))


@pytest.fixture
def log(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    write_table(url, "predictions", COLUMNS, rows(2_000), index="event_time")
    return url


@dataclass(frozen=True, kw_only=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Monitor = Callable[..., Done]


@pytest.fixture
def monitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Monitor:
    """Run the command as it is installed, in this process: starting one takes seconds."""
    for name in os.environ:
        if name.startswith("DRIFTLINE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def monitor(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["monitor", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        wrote = capsys.readouterr()
        assert "Traceback" not in wrote.err
        assert CANARY not in wrote.out + wrote.err
        code = left.value.code
        return Done(
            returncode=code if isinstance(code, int) else 0, stdout=wrote.out, stderr=wrote.err
        )

    return monitor


def configuration(folder: Path, **changes: str) -> None:
    keys = {
        "source": "sqlite:///log.db", "table": "predictions", "time": "event_time",
        "baseline": "{range: [2013-03-01, 2013-03-15]}", "cohorts": "[origin, [origin, carrier]]",
        "score": "score", "columns": "{weather.temp: {role: context}}", "rest": "",
    } | changes  # fmt: skip
    folder.joinpath("monitor.yaml").write_text(
        "models:\n  flights:\n    source: {source}\n"
        "    log: {{table: {table}, time: {time}, id: prediction_id, payload: features}}\n"
        "    baseline: {baseline}\n    prediction: {{kind: binary, score: {score}}}\n"
        "    cohorts: {cohorts}\n    columns: {columns}\n{rest}".format(**keys)
    )


def test_init_writes_a_file_that_check_accepts_as_it_stands(
    monitor: Monitor, log: str, tmp_path: Path
) -> None:
    done = monitor("init", "--from", "sqlite:///log.db", "predictions")
    assert done.returncode == 0, done.stderr
    assert "next: monitor check" in done.stdout
    config = load(tmp_path / "monitor.yaml", {})
    model = config.models["predictions"]
    assert (model.log.time, model.log.id) == ("event_time", "prediction_id")
    assert (model.log.payload, model.log.version) == ("features", "model_version")
    assert model.prediction is not None
    assert (model.prediction.kind, model.prediction.score) == ("binary", "score")
    assert model.cohorts == (("origin",), ("carrier",))
    assert model.window == timedelta(days=1)  # two rows an hour are too few
    assert model.source.get_secret_value() == log

    checked = monitor("check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "no problems found" in checked.stdout
    assert not (tmp_path / "driftline.db").exists()


def test_init_keeps_a_file_that_is_there(monitor: Monitor, log: str, tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text("mine")
    done = monitor("init", "--from", log, "predictions")
    assert done.returncode == 2
    assert done.stderr == (
        "monitor: monitor.yaml is there already; give another --out, or --force to replace it\n"
    )
    assert (tmp_path / "monitor.yaml").read_text() == "mine"
    assert monitor("init", "--from", log, "predictions", "--force").returncode == 0


def test_init_on_postgresql_keeps_the_password_out_of_the_file(
    monitor: Monitor, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = COLUMNS | {"event_time": sa.DateTime(timezone=True), "features": JSONB}
    parsed = ((*r[:1], datetime.fromisoformat(r[1]), *r[2:4], json.loads(r[4])) for r in rows(500))
    run_sql(postgres_url, "CREATE SCHEMA ml")
    write_table(postgres_url, "predictions", of, parsed, index="event_time")
    run_sql(postgres_url, "ALTER TABLE predictions SET SCHEMA ml")
    url = postgres_url.replace("postgres@", f"postgres:{CANARY}@")
    done = monitor("init", "--from", url, "ml.predictions")
    assert done.returncode == 0, done.stderr
    assert "export SERVING_URL=" in done.stdout
    text = (tmp_path / "monitor.yaml").read_text()
    assert CANARY not in text
    assert "source: ${SERVING_URL}" in text
    assert "schema: ml" in text
    missing = monitor("check")
    assert missing.returncode == 2
    assert "the environment variable SERVING_URL is not set" in missing.stderr
    monkeypatch.setenv("SERVING_URL", url)
    assert monitor("check").returncode == 0


def test_check_shows_what_will_be_watched(monitor: Monitor, log: str, tmp_path: Path) -> None:
    configuration(tmp_path)
    done = monitor("check")
    assert done.returncode == 0, done.stderr
    shown = [line.split() for line in done.stdout.splitlines()]
    assert ["baseline", "672", "rows"] in shown
    assert ["carrier", "categorical", "feature", "0.0%", "4", "B6,", "DL,", "EV,", "UA"] in shown
    assert ["weather.temp", "numeric", "context", "10.1%", "36", "31", "…", "69"] in shown
    assert ["score", "numeric", "prediction", "0.0%", "100", "0", "…", "0.99"] in shown
    assert "an identifier: 672 values in 672 rows" in done.stdout
    assert "N00001" not in done.stdout  # a value of such a column is never shown
    assert ["cohort", "origin:", "EWR", "224,", "JFK", "224,", "LGA", "224"] in shown
    assert "2013-03-01 00:00 to 2013-04-11 15:30 UTC (ISO text with T, indexed)" in done.stdout
    assert "ids       prediction_id, 0 repeated within a window, of 2,000 looked at" in done.stdout
    assert "driftline.db, made at the first run" in done.stdout


def test_check_counts_the_ids_that_come_again_and_those_that_are_missing(
    monitor: Monitor, log: str, tmp_path: Path
) -> None:
    for name in ("prediction_id", "NULL"):
        again = f"SELECT {name}, event_time, model_version, score, features FROM predictions"
        run_sql(log, f"INSERT INTO predictions {again} ORDER BY event_time DESC LIMIT 30")
    configuration(tmp_path)
    assert "30 repeated within a window, 30 missing, of 2,060" in monitor("check").stdout
    (model,) = json.loads(monitor("check", "--json").stdout)["models"]
    assert model["ids"] == {
        "column": "prediction_id", "rows": 2_060, "missing": 30, "repeated": 30,
    }  # fmt: skip


def test_check_speaks_json(monitor: Monitor, log: str, tmp_path: Path) -> None:
    configuration(tmp_path, cohorts="[origin, orign]")
    done = monitor("check", "--json")
    assert done.returncode == 2
    report = json.loads(done.stdout)
    (model,) = report["models"]
    assert (model["name"], model["baseline_rows"], model["time_indexed"]) == ("flights", 672, True)
    assert model["first"] == "2013-03-01T00:00:00Z"
    assert model["cohorts"] == [
        {"columns": ["origin"], "sizes": [[["EWR"], 224], [["JFK"], 224], [["LGA"], 224]]}
    ]
    (temp,) = (column for column in model["columns"] if column["name"] == "weather.temp")
    assert (temp["kind"], temp["role"]) == ("numeric", "context")
    assert report["problems"] == [
        {
            "kind": "config",
            "text": "models.flights.cohorts: log and baseline have no column 'orign'; "
            "did you mean 'origin'?",
        }
    ]


def test_check_tells_every_problem_at_once(monitor: Monitor, log: str, tmp_path: Path) -> None:
    configuration(
        tmp_path,
        score="scroe",
        cohorts="[orign]",
        columns="{wether.temp: {role: context}}",
        rest="alerts:\n  rules:\n    - {name: r, threshold: 1, columns: [carier]}\n"
        f"  routes:\n    - {{kind: webhook, name: w, url: 'https://x.example', secret: {CANARY}}}\n"
        "store: sqlite:///nowhere/results.db\n",
    )
    done = monitor("check")
    assert done.returncode == 2
    lines = [line.removeprefix("monitor: ") for line in done.stderr.splitlines()]
    assert lines[:4] == [
        ("models.flights.cohorts: log and baseline have no column 'orign'; did you mean 'origin'?"),
        (
            "models.flights.columns: log and baseline have no column 'wether.temp'; "
            "did you mean 'weather.temp'?"
        ),
        (
            "models.flights.prediction.score: log and baseline have no column 'scroe'; "
            "did you mean 'score'?"
        ),
        (
            "alerts.rules[0].columns: no model that it judges has a column 'carier'; "
            "did you mean 'carrier'?"
        ),
    ]
    assert lines[4].startswith("alerts.routes[0]: route 'w': its secret is not whsec_")
    assert lines[5].startswith("store: there is no folder")
    assert len(lines) == 6


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"source": f"postgresql://u:{CANARY}@127.0.0.1:1/x"}, 3, "onnection refused"),
        ({"source": "sqlite:///lgo.db"}, 3, "there is no SQLite file"),
        ({"source": f"nonsense {CANARY}"}, 3, "source is no database URL"),
        ({"table": "predictoins"}, 3, "has no table 'predictoins'; did you mean 'predictions'?"),
        ({"time": "event_tme"}, 3, "no column 'event_tme' (log.time); did you mean 'event_time'?"),
        ({"baseline": "{table: trainig_rows}"}, 3, "models.flights.baseline: sqlite:"),
        ({"baseline": "{file: rows.parquet}"}, 3, "there is no baseline file"),
        ({"baseline": "{range: [2012-01-01, 2012-02-01]}"}, 3, "that range of the log has no rows"),
        ({"rest": "timezone: Mars/Olympus"}, 2, "monitor.yaml:9: timezone: 'Mars/Olympus': it is"),
        ({"rest": "web: [port: 1"}, 2, "monitor.yaml:9:14: this is no YAML: "),
        ({"rest": "wbe: {port: 1}"}, 2, "monitor.yaml:9: wbe: unknown key; did you mean 'web'?"),
        ({"rest": "store: sqlite:///log.txt"}, 4, "store: sqlite at "),
    ],
)
def test_a_mistake_is_one_clear_line(
    changes: dict[str, str], code: int, told: str, monitor: Monitor, log: str, tmp_path: Path
) -> None:
    (tmp_path / "log.txt").write_text("no database " * 1_000)
    configuration(tmp_path, **changes)
    done = monitor("check")
    lines = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert any(told in line for line in lines)
    # A source that cannot be opened fails the log, and the baseline that is read from it.
    assert len(lines) <= 2
    assert all(line.startswith("monitor: ") for line in lines)


def test_an_empty_table_is_one_clear_line(monitor: Monitor, log: str, tmp_path: Path) -> None:
    write_table(log, "fresh", COLUMNS)
    of = {"score": sa.Double, "origin": sa.Text, "carrier": sa.Text, "weather.temp": sa.Double}
    write_table(log, "training_rows", of, [(0.5, "JFK", "UA", 40.0)])
    done = monitor("init", "--from", log, "fresh")
    assert done.returncode == 3
    assert done.stderr == "monitor: table 'fresh' is empty: there is nothing to look at yet\n"
    configuration(tmp_path, table="fresh", baseline="{table: training_rows}")
    done = monitor("check")
    assert done.returncode == 3
    assert done.stderr == (
        "monitor: models.flights: table 'fresh' is empty: no row has a time in 'event_time'\n"
    )
    configuration(tmp_path, baseline="{table: fresh}")
    done = monitor("check")
    assert done.returncode == 3
    assert done.stderr == "monitor: models.flights.baseline: table 'fresh' has no rows\n"


def test_init_says_what_a_table_lacks(monitor: Monitor, log: str) -> None:
    write_table(log, "timeless", {"name": sa.Text, "n": sa.Integer}, [("a", 1)])
    done = monitor("init", "--from", log, "timeless")
    assert done.returncode == 3
    assert (
        "has no column that looks like the time of a prediction (it has 'name', 'n')" in done.stderr
    )
    done = monitor("init", "--from", log, "prediction")
    assert done.returncode == 3
    assert "has no table 'prediction'; did you mean 'predictions'?" in done.stderr
    done = monitor("init", "--from", f"nonsense {CANARY}", "predictions")
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)


def test_check_notes_a_missing_index_and_rejected_rows(
    monitor: Monitor, log: str, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection, connection:
        connection.execute("DROP INDEX ix_event_time")
        connection.execute(
            "INSERT INTO predictions VALUES ('x', '2013-03-02T00:00:00', 'v3', 1, 'canary {')"
        )
    configuration(tmp_path)
    done = monitor("check")
    assert done.returncode == 0, done.stderr
    assert "no index begins with 'event_time'" in done.stdout
    assert "not_json" in done.stdout
    assert "canary" not in done.stdout


def test_check_says_where_the_budget_is_not_kept_or_not_yet(
    monitor: Monitor, log: str, tmp_path: Path
) -> None:
    configuration(tmp_path)
    path = tmp_path / "monitor.yaml"
    said = path.read_text(encoding="utf-8")
    told = "the budget of false alarms begins when 65 days are stored; the log has "
    assert told in " ".join(monitor("check").stdout.split())
    path.write_text(said + "\nalerts: {budget: off}\n", encoding="utf-8")
    assert "budget" not in monitor("check").stdout
    configuration(tmp_path, rest="    window: 5h\n")
    assert "alerts.budget is not kept here" in " ".join(monitor("check").stdout.split())


def test_a_mistake_shows_no_traceback_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from monitor.cli import main; main()", "check"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("monitor: there is no monitor.yaml in ")
