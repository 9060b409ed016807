"""The demo's log, written from every fiftieth flight."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from monitor.demo import tables
from monitor.demo.flights import read_flights
from monitor.demo.log import Loaded, load
from monitor.errors import SourceError


@cache
def some_flights() -> pd.DataFrame:
    return read_flights().iloc[::50].reset_index(drop=True)


def load_some(url: str, *, progress: Any = lambda _: None) -> Loaded:
    return load(url, progress=progress, read=lambda: some_flights().copy())


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/flights.db"


def query(url: str, statement: Any) -> list[Any]:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(statement))
    finally:
        engine.dispose()


def test_all_flights_go_into_the_table_of_their_month(url: str) -> None:
    loaded = load_some(url)

    counts = {
        table.name: query(url, sa.select(sa.func.count()).select_from(table))[0][0]
        for table in (tables.training_rows, tables.predictions, tables.outcomes)
    }
    assert counts == {
        "training_rows": loaded.training_rows,
        "predictions": loaded.predictions,
        "outcomes": loaded.outcomes,
    }
    assert loaded.training_rows + loaded.predictions == len(some_flights())
    landed = some_flights()[some_flights()["event_time"] >= "2013-03-01T05:00Z"]["late"].notna()
    assert loaded.outcomes == landed.sum()


def test_a_prediction_keeps_its_instant_its_score_and_its_nested_payload(url: str) -> None:
    load_some(url)
    flight = (
        some_flights()
        .query("`weather.pressure`.isna() and event_time > '2013-03-02T00:00Z'")
        .iloc[0]
    )
    columns = tables.predictions.c
    row = query(url, sa.select(tables.predictions).where(columns.prediction_id == flight["id"]))[0]

    payload = json.loads(row.features) if isinstance(row.features, str) else row.features
    assert pd.Timestamp(row.event_time) == flight["event_time"]
    assert 0 < row.score < 1
    assert payload["carrier"] == flight["carrier"]
    assert payload["weather"]["temp"] == flight["weather.temp"]
    assert payload["weather"]["pressure"] is None


def test_scores_of_training_rows_are_out_of_fold(url: str) -> None:
    loaded = load_some(url)
    assert loaded.auc_out_of_fold < loaded.auc_in_sample - 0.03


def test_a_log_that_is_complete_is_not_written_again(url: str) -> None:
    first, stages = load_some(url), []
    again = load_some(url, progress=stages.append)
    assert stages == []
    assert (again.predictions, again.threshold) == (first.predictions, first.threshold)


def test_a_load_that_is_killed_is_started_over(url: str) -> None:
    def killed(stage: str) -> None:
        if stage == "writing the outcomes":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_some(url, progress=killed)
    stages: list[str] = []
    loaded = load_some(url, progress=stages.append)
    assert "writing the predictions" in stages
    assert query(url, sa.select(sa.func.count()).select_from(tables.outcomes)) == [
        (loaded.outcomes,)
    ]


def test_tables_that_are_not_the_demos_are_left_alone(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE predictions (mine int)"))
        connection.execute(sa.text("INSERT INTO predictions VALUES (1)"))
    engine.dispose()

    with pytest.raises(SourceError, match="'predictions' is there already") as refused:
        load_some(url)
    assert len(str(refused.value).splitlines()) == 1
    assert query(url, sa.text("SELECT mine FROM predictions")) == [(1,)]


@pytest.mark.parametrize(
    "bad",
    [
        "flights.db",
        "nosuch://user:hunter2@127.0.0.1/x",
        "postgresql+psycopg://user:hunter2@127.0.0.1:1/x",
        "mysql://user:hunter2@127.0.0.1:1/x",
        "sqlite:////no/such/folder/flights.db",
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_a_password(bad: str) -> None:
    with pytest.raises(SourceError) as refused:
        load_some(bad)
    assert len(str(refused.value).splitlines()) == 1
    assert "hunter2" not in str(refused.value)
