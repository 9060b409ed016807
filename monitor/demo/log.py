"""Write the demo's log: train on January and February, predict from March to December."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import pandas as pd
import sqlalchemy as sa

from monitor.demo import tables
from monitor.demo.classifier import VERSION, train
from monitor.demo.flights import FEATURES, FLIGHT, WEATHER, read_flights
from monitor.errors import SourceError

TRAINING_MONTHS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Stage:
    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Loaded:
    training_rows: int
    predictions: int
    outcomes: int
    threshold: float  # decision threshold of the model
    auc_out_of_fold: float
    auc_in_sample: float
    stages: tuple[Stage, ...]  # empty where the log was there already


def load(
    url: str,
    *,
    progress: Callable[[str], None],
    read: Callable[[], pd.DataFrame] = read_flights,
) -> Loaded:
    """Write the three tables, unless they are there and complete.

    Everything is one transaction, and the row that marks the load as complete is its last: a load
    that is killed leaves nothing, or tables that the next one replaces.

    Parameters
    ----------
    url
        SQLAlchemy URL of the database that is to hold the log.
    progress
        Told the name of each stage as it begins.
    read
        Gives the flights.

    Raises
    ------
    SourceError
        If the database cannot be used, holds tables of these names that are not the demo's, or the
        packages with the data and the model are not installed.
    """
    clock = _Stages(progress)
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            earlier = tables.finished_load(connection)
            if earlier is not None:
                return _loaded(earlier, ())
            return _write(connection, clock, read)
    except sa.exc.DBAPIError as error:
        raise SourceError(f"the demo's log cannot be written: {_first_line(error)}") from None
    finally:
        engine.dispose()


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() in {"sqlite", "postgresql"}:
            return sa.create_engine(parsed)
    except (sa.exc.ArgumentError, ModuleNotFoundError):
        pass
    raise SourceError(
        "--source: the demo writes its log to SQLite or PostgreSQL; "
        "give sqlite:///flights.db or postgresql+psycopg://user@host/database"
    )


def _write(connection: sa.Connection, clock: _Stages, read: Callable[[], pd.DataFrame]) -> Loaded:
    tables.start_over(connection)
    with clock.stage("reading the flights and their weather"):
        flights = read()
    local = flights["event_time"].dt.tz_convert("America/New_York")
    training = local.dt.month.isin(TRAINING_MONTHS).to_numpy()
    with clock.stage("training on January and February"):
        trained = train(flights, training)
    flights["score"] = trained.scores
    learnt, live = flights[training], flights[~training]
    landed = live[live["late"].notna()]
    with clock.stage("writing the training rows"):
        tables.insert(connection, tables.training_rows, _training_rows(learnt))
    with clock.stage("writing the predictions"):
        tables.insert(connection, tables.predictions, _predictions(live))
    with clock.stage("writing the outcomes"):
        tables.insert(connection, tables.outcomes, _outcomes(landed))
    connection.execute(
        tables.loads.insert().values(
            loader=tables.LOADER,
            training_rows=len(learnt),
            predictions=len(live),
            outcomes=len(landed),
            threshold=trained.threshold,
            auc_out_of_fold=trained.auc_out_of_fold,
            auc_in_sample=trained.auc_in_sample,
        )
    )
    return _loaded(connection.execute(sa.select(tables.loads)).one(), tuple(clock.done))


def _training_rows(flights: pd.DataFrame) -> Iterator[Sequence[Any]]:
    return zip(
        _instants(flights["event_time"]),
        *(_values(flights[name]) for name in FEATURES),
        flights["score"].tolist(),
        [None if late is None else bool(late) for late in _values(flights["late"])],
        strict=True,
    )


def _predictions(flights: pd.DataFrame) -> Iterator[Sequence[Any]]:
    rows = zip(
        flights["id"].tolist(),
        _instants(flights["event_time"]),
        flights["score"].tolist(),
        zip(*(_values(flights[name]) for name in FLIGHT), strict=True),
        zip(*(_values(flights[f"weather.{name}"]) for name in WEATHER), strict=True),
        strict=True,
    )
    encode = json.JSONEncoder(allow_nan=False).encode
    for prediction_id, event_time, score, flight, weather in rows:
        payload = dict(zip(FLIGHT, flight, strict=True))
        payload["weather"] = dict(zip(WEATHER, weather, strict=True))
        yield prediction_id, event_time, VERSION, score, encode(payload)


def _outcomes(flights: pd.DataFrame) -> Iterator[Sequence[Any]]:
    return zip(
        flights["id"].tolist(),
        (flights["late"] == 1).tolist(),
        _instants(flights["observed_at"]),
        strict=True,
    )


def _instants(times: pd.Series) -> list[str]:
    return list(times.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _values(column: pd.Series) -> list[Any]:
    """Plain Python values, None for missing ones."""
    return column.astype(object).where(column.notna(), None).tolist()


def _loaded(row: sa.Row[Any], stages: tuple[Stage, ...]) -> Loaded:
    facts = {name: value for name, value in row._mapping.items() if name != "loader"}
    return Loaded(**facts, stages=stages)


class _Stages:
    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self.done: list[Stage] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._progress(name)
        start = perf_counter()
        yield
        self.done.append(Stage(name=name, seconds=perf_counter() - start))


def _first_line(error: sa.exc.DBAPIError) -> str:
    """Return the driver's own words; SQLAlchemy's would add the statement and its values."""
    return str(error.orig).strip().splitlines()[0]
