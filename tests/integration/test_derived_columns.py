"""Text, lists, times and images from the log to the grids, whatever the log is written in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from monitor.config import Config, Model
from monitor.contact import check, first_look, in_short, render
from monitor.sources import open_baseline, open_log
from profiles.baseline import Baseline, accept
from profiles.counting import profile
from profiles.derived import derive
from profiles.windows import Window
from tests.support.images import an_image
from tests.support.logs import a_model, write_table
from tests.support.profiles import assert_same

START = datetime(2013, 3, 1, tzinfo=UTC)
SPAN = Window(start=START, end=START + timedelta(days=1))
ROWS = 400
DERIVED = {
    "comment": "text",
    "said": "text",
    "tags": "list",
    "codes": "list",
    "signup": "time",
    "seen": "time",
    "photo": "image",
}


def rows() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(1)
    words = np.array(["late", "again", "gate", "B12,", "über", "sorry!"])
    for at in range(ROWS):
        signup = date(2012, 1, 1) + timedelta(days=int(rng.integers(0, 400)))
        seen = START - timedelta(seconds=int(rng.integers(0, 10**6)), microseconds=250_000)
        yield {
            "event_time": START + timedelta(minutes=3 * at),
            "comment": None if at % 9 == 0 else " ".join(rng.choice(words, rng.integers(2, 20))),
            "tags": [str(word) for word in rng.choice(words, at % 4)],
            "signup": signup,
            "photo": None if at % 50 else an_image(size=(20 + at % 7, 10)),
            "payload": {
                "said": " ".join(rng.choice(words, rng.integers(2, 9))),
                "codes": None if at % 7 == 0 else rng.integers(0, 9, at % 5).tolist(),
                "seen": seen.isoformat(),
            },
        }


def in_sqlite(folder: Path, _: Callable[[], str]) -> Model:
    url = f"sqlite:///{folder / 'log.db'}"
    columns = dict.fromkeys(("event_time", "comment", "tags", "signup", "payload"), sa.Text)
    written = [
        (
            row["event_time"].isoformat(), row["comment"], json.dumps(row["tags"]),
            row["signup"].isoformat(), json.dumps(row["payload"]), row["photo"],
        )
        for row in rows()
    ]  # fmt: skip
    write_table(url, "predictions", {**columns, "photo": sa.LargeBinary}, written)
    return a_model(url, payload="payload")


def in_postgresql(_: Path, new_database: Callable[[], str]) -> Model:
    url = new_database()
    columns = {
        "event_time": sa.TIMESTAMP(timezone=True), "comment": sa.Text,
        "tags": postgresql.ARRAY(sa.Text), "signup": sa.Date, "photo": sa.LargeBinary,
        "payload": postgresql.JSONB,
    }  # fmt: skip
    write_table(url, "predictions", columns, [[row[name] for name in columns] for row in rows()])
    return a_model(url, payload="payload")


def in_parquet(folder: Path, _: Callable[[], str]) -> Model:
    flat = [{**row, **row["payload"]} for row in rows()]
    names = ("event_time", "comment", "tags", "signup", "photo", "said", "codes", "seen")
    table = pa.table({name: [row[name] for row in flat] for name in names})
    pq.write_table(table, folder / "rows.parquet")
    return a_model("sqlite:///never-opened.db", baseline={"file": folder / "rows.parquet"})


WAYS = {"SQLite": in_sqlite, "PostgreSQL": in_postgresql, "Parquet": in_parquet}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    written: Model = request.param(tmp_path, lambda: request.getfixturevalue("postgres_url"))
    return written


def accepted(model: Model) -> Baseline:
    with closing(open_baseline(model)) as source:
        batches = [batch.rows for batch in source.batches()]
    return accept(batches, skip=model.apart, time=model.log.time)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    return accepted(in_sqlite(tmp_path_factory.mktemp("expected"), str))


def test_the_same_rows_give_the_same_counts_however_they_are_stored(
    model: Model, expected: Baseline
) -> None:
    found = accepted(model)
    assert {name: kind.name for name, kind in found.kinds.items()} == DERIVED
    assert set(found.recipes) == set(expected.recipes)
    assert found.plan.grids.keys() == expected.plan.grids.keys()
    assert_same(found.profiles[0], expected.profiles[0])
    missing = {
        recipe.column: found.profiles[0].columns[name].counts[0, found.plan.grids[name].missing]
        for recipe in found.recipes
        for name in recipe.names
    }
    assert missing == {
        "comment": 45, "said": 0, "tags": 0, "codes": 58, "signup": 0, "seen": 0, "photo": 392,
    }  # fmt: skip


@pytest.mark.parametrize(
    "model", [in_sqlite, in_postgresql], ids=["SQLite", "PostgreSQL"], indirect=True
)
def test_a_window_of_the_log_is_counted_as_its_baseline_was(
    model: Model, expected: Baseline
) -> None:
    with open_log(model) as log:
        batches = [derive(batch.rows, expected.recipes) for batch in log.batches(SPAN)]
    assert_same(profile(expected.plan, batches)[0], expected.profiles[0])


def checked(folder: Path, **keys: Any) -> Config:
    model = in_sqlite(folder, str)
    columns = keys.pop("columns", {})
    url = model.source.get_secret_value()
    settings = {
        "source": url,
        "log": model.log.model_dump(exclude_none=True),
        "baseline": {"table": "predictions"},
        "columns": columns,
    }
    return Config.model_validate({"models": {"m": settings}, **keys})


def test_check_shows_the_kind_and_what_is_derived_of_each_column(tmp_path: Path) -> None:
    rules = [{"name": "r", "threshold": 1, "columns": ["comment.words", "signup.age"]}]
    columns = {
        "comment": {"role": "context"},
        "said.special": {"kind": "ignore"},
        "tags": {"kind": "text"},
        "photo": {"kind": "ignore"},
    }
    report = check(checked(tmp_path, columns=columns, alerts={"rules": rules}))
    assert report.problems == ()
    shown = {column.name: column for column in report.models[0].columns}
    comment = shown["comment"]
    assert (comment.kind, comment.role) == ("text", "context")
    assert comment.reason.startswith("free text: ")
    assert comment.missing == 45 / ROWS
    assert comment.summary == ("comment.length, .digits, .letters, .special, .words, .word_length")
    assert comment.derived[-1] == "comment.word_length"
    assert "said.special" not in shown["said"].derived
    assert (shown["tags"].kind, shown["tags"].reason) == ("text", "text, by the configuration")
    assert (shown["signup"].kind, shown["signup"].summary) == ("time", "signup.age")
    assert (shown["photo"].kind, shown["photo"].derived) == ("ignored", ())


def test_a_rule_or_a_role_names_what_is_derived(tmp_path: Path) -> None:
    rules = [{"name": "r", "threshold": 1, "columns": ["signup", "comment.wrods"]}]
    columns = {"comment.wrods": {"role": "context"}}
    config = checked(tmp_path, columns=columns, alerts={"rules": rules})
    told = [problem.text.partition(": ") for problem in check(config).problems]
    assert [(place, text.partition("; ")[2]) for place, _, text in told] == [
        ("models.m.columns", "did you mean 'comment.words'?"),
        ("alerts.rules[0].columns", "did you mean 'comment.words'?"),
        ("alerts.rules[0].columns", "name signup.age"),
    ]


def test_what_is_derived_has_the_role_of_its_column_or_one_of_its_own() -> None:
    model = a_model(
        "sqlite:///log.db",
        columns={"comment": {"role": "context"}, "comment.words": {"role": "feature"}},
    )
    roles = {name: model.role(name) for name in ("comment", "comment.length", "comment.words", "x")}
    assert roles == {
        "comment": "context", "comment.length": "context", "comment.words": "feature",
        "x": "feature",
    }  # fmt: skip


def test_a_first_look_says_which_columns_are_watched_by_what_is_derived(tmp_path: Path) -> None:
    model = in_sqlite(tmp_path, str)
    look = first_look(model.source, "predictions")
    assert look.derived == DERIVED
    written = render(look, source="sqlite:///log.db")
    assert "derived from them, like a text's length: comment (text), tags (list)" in written
    assert in_short(["a.b.count", "a.b.length"]) == "a.b.count, .length"
