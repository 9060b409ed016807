from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import load
from monitor.contact import FirstLook, guess, render
from monitor.contact.first import first_part
from monitor.contact.guess import Sampled, Score
from monitor.contact.template import scalar

START = datetime(2013, 3, 1, tzinfo=UTC)


def sampled(name: str, values: Sequence[Any], *, indexed: bool = False) -> Sampled:
    return Sampled(name=name, values=values, indexed=indexed)


def texts(count: int = 10, **shift: float) -> list[str]:
    return [(START + at * timedelta(**(shift or {"hours": 1}))).isoformat() for at in range(count)]


@pytest.mark.parametrize(
    ("columns", "time"),
    [
        ([("id", [1, 2]), ("at", texts(2))], "at"),
        ([("created_at", texts()), ("event_time", texts())], "event_time"),
        ([("observed_at", texts()), ("whenever", texts())], "whenever"),
        ([("updated_at", texts()), ("predicted_at", texts())], "predicted_at"),
        ([("ts", [1_362_096_000 + at for at in range(9)])], "ts"),
        ([("account", [1_362_096_000 + at for at in range(9)])], None),
        ([("ts", [5, 6, 7])], None),
        ([("eventTime", [1_362_096_000_000])], "eventTime"),
        ([("event_time", ["2013-03-01T00:00:00-05:00"]), ("at", texts())], "at"),
        ([("event_time", [None] * 9 + texts(1)), ("at", texts())], "at"),
        ([("name", ["a", "b"])], None),
    ],
)
def test_the_event_time_is_found(columns: list[tuple[str, list[Any]]], time: str | None) -> None:
    assert guess.event_time(sampled(name, values) for name, values in columns) == time


def test_among_equal_times_the_indexed_one_is_taken() -> None:
    columns = [sampled("a", texts()), sampled("b", texts(), indexed=True)]
    assert guess.event_time(columns) == "b"


def test_the_payload_is_what_holds_an_object_in_every_row() -> None:
    assert guess.payload([sampled("note", ["{}", "x"]), sampled("p", ['{"a": 1}', None])]) == "p"
    assert guess.payload([sampled("meta", [{}]), sampled("features", [{"a": 1}])]) == "features"
    assert (
        guess.payload([sampled("list", ["[1]"]), sampled("n", [1]), sampled("no", [None])]) is None
    )


def test_the_id_is_unique_and_named_like_one() -> None:
    columns = [
        sampled("account_id", [1, 1, 2]),
        sampled("score", [1, 2, 3]),
        sampled("session_id", ["a", "b", "c"]),
        sampled("prediction_id", ["x", "y", "z"]),
    ]
    assert guess.identifier(columns) == "prediction_id"
    assert guess.identifier(columns[:3]) == "session_id"
    assert guess.identifier(columns[:2]) is None


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("score", [0.1, 0.9, None], "binary"),
        ("prediction", [10.5, 220], "regression"),
        ("y_pred", ["cat", "dog"], "multiclass"),
        ("output.score", [0.5], "binary"),
    ],
)
def test_the_score_tells_the_kind_of_model(name: str, values: list[Any], kind: Any) -> None:
    assert guess.score({name: sampled(name, values)}) == Score(column=name, kind=kind)


def test_a_column_called_score_that_holds_nothing_is_none() -> None:
    assert guess.score({"score": sampled("score", [None])}) is None
    assert guess.score({"carrier": sampled("carrier", [0.5])}) is None


def test_cohorts_are_texts_of_few_values_and_never_the_clock() -> None:
    rng = random.Random(7)
    columns = [
        sampled("origin", rng.choices(["EWR", "JFK", "LGA"], k=200)),
        sampled("carrier", rng.choices([f"C{at}" for at in range(16)], k=200)),
        sampled("weekday", rng.choices(["Mon", "Tue"], k=200)),
        sampled("tail", [f"N{at}" for at in range(200)]),
        sampled("only", ["x"] * 200),
        sampled("few", ["a", "b"]),
        sampled("number", rng.choices([1, 2], k=200)),
    ]
    assert guess.cohorts(columns) == ["origin", "carrier"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_is_read_back_as_it_was_written(name: str) -> None:
    text = scalar(name)
    assert "\n" not in text
    assert yaml.safe_load(f"a: {text}")["a"].replace("$${", "${") == name


@pytest.mark.parametrize(
    ("days", "part"), [(300, 28), (30, 10), (3.5, 1), (0.5, 4 / 24), (0, 1 / 86_400)]
)
def test_the_first_part_of_a_log_is_its_first_third_and_four_weeks_at_most(
    days: float, part: float
) -> None:
    start, end = first_part(START, START + timedelta(days=days))
    assert start == START
    assert (end - start) / timedelta(days=1) == pytest.approx(part)


def a_look(**changes: Any) -> FirstLook:
    look: dict[str, Any] = {
        "table": "predictions", "schema": None, "time": "event_time", "time_indexed": True,
        "payload": "features", "id": "prediction_id", "version": "model_version",
        "score": Score(column="score", kind="binary"), "label": None, "cohorts": ("origin",),
        "more_cohorts": (), "baseline": (START, START + timedelta(days=28)), "first": START,
        "last": START + timedelta(days=100), "window": timedelta(hours=1),
    }  # fmt: skip
    return FirstLook(**look | changes)


HOSTILE = 'a";DROP TABLE x;--\n${HOME} # no'
NOTHING = {
    "payload": None, "id": None, "version": None, "score": None, "cohorts": (),
    "time_indexed": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        NOTHING,
        {"schema": "ml", "label": "late", "more_cohorts": ("dest", "yes")},
        {"table": HOSTILE, "time": HOSTILE, "id": HOSTILE, "cohorts": (HOSTILE, "on"),
         "score": Score(column=HOSTILE, kind="regression"), "label": "null"},
        {"baseline": (START + timedelta(hours=1), START + timedelta(hours=2))},
    ],
)  # fmt: skip
def test_what_is_written_is_read_back(changes: dict[str, Any], tmp_path: Path) -> None:
    look = a_look(**changes)
    path = tmp_path / "monitor.yaml"
    path.write_text(render(look, source="postgresql://db/log"), encoding="utf-8")
    ((_, model),) = load(path, {}).models.items()
    assert (model.log.table, model.log.db_schema) == (look.table, look.schema)
    assert (model.log.time, model.log.id, model.log.payload) == (look.time, look.id, look.payload)
    assert model.cohorts == tuple((column,) for column in look.cohorts)
    assert model.baseline.range == look.baseline
    assert (model.prediction and model.prediction.score) == (look.score and look.score.column)
    assert set(model.columns) == ({look.label} if look.label else set())
