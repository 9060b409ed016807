"""A synthetic prediction log: day and night, three origins, six carriers, and planted shifts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import sqlalchemy as sa

START = datetime(2025, 3, 3, tzinfo=UTC)  # a Monday, and in the past
DAY = timedelta(days=1)
HOURS = tuple(range(6, 22))  # of departure; the nights are empty
ORIGINS = ("EWR", "JFK", "LGA")
CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ")
DISTANCES = (200, 350, 500, 750, 1000, 1400, 2100, 2500)  # a grid has a bin for each
SHIFT_SCORE, SHIFT_TEMP = 0.25, 9.0


@dataclass(frozen=True, kw_only=True)
class Flight:
    """One row: what was logged, or what was trained on."""

    at: datetime
    id: str
    origin: str
    carrier: str
    distance: int
    hour: int
    temp: float | None
    humid: float
    score: float

    @property
    def payload(self) -> str:
        features = {
            "origin": self.origin,
            "carrier": self.carrier,
            "distance": self.distance,
            "hour": self.hour,
            "weather": {"temp": self.temp, "humid": self.humid},
        }
        return json.dumps(features)


@dataclass(frozen=True, kw_only=True)
class FlightLog:
    """A log that was written, with its rows as they were before any database saw them."""

    url: str
    logged: tuple[Flight, ...]
    trained: tuple[Flight, ...]

    def within(self, start: datetime, end: datetime) -> list[Flight]:
        return [flight for flight in self.logged if start <= flight.at < end]


def flights(
    *,
    days: int,
    a_day: int,
    seed: int,
    start: datetime = START,
    shifted: Sequence[tuple[int, int]] = (),
) -> tuple[Flight, ...]:
    """Make flights; in the days ``first <= day < last`` of `shifted`, score and temp are higher."""
    rng = np.random.default_rng(seed)
    size = days * a_day
    day = np.repeat(np.arange(days), a_day)
    hour = rng.choice(HOURS, size)
    moved = np.isin(day, [d for first, last in shifted for d in range(first, last)])
    temp = 10 + 2 * np.sin((hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 4, size)
    score = rng.beta(2, 5, size) + SHIFT_SCORE * moved
    columns = {
        "second": rng.integers(0, 3_600, size),
        "day": day,
        "hour": hour,
        "origin": rng.choice(ORIGINS, size, p=(0.45, 0.4, 0.15)),
        "carrier": rng.choice(CARRIERS, size, p=(0.2, 0.2, 0.2, 0.15, 0.15, 0.1)),
        "distance": rng.choice(DISTANCES, size),
        "temp": np.round(temp + SHIFT_TEMP * moved, 2),
        "unknown": rng.random(size) < 0.03,
        "humid": np.round(rng.uniform(20, 100, size), 1),
        "score": np.round(np.minimum(score, 1), 4),
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    made = [
        Flight(
            at=start + timedelta(days=day, hours=hour, seconds=second),
            id=f"{seed}-{i}",
            origin=origin,
            carrier=carrier,
            distance=distance,
            hour=hour,
            temp=None if unknown else temp,
            humid=humid,
            score=score,
        )
        for i, (
            second,
            day,
            hour,
            origin,
            carrier,
            distance,
            temp,
            unknown,
            humid,
            score,
        ) in enumerate(rows)
    ]
    return tuple(sorted(made, key=lambda flight: (flight.at, flight.id)))


def write_log(
    url: str, *, logged: Sequence[Flight], trained: Sequence[Flight], zone: bool = False
) -> FlightLog:
    """Write `predictions`, with a JSON payload, and `training_rows`, with plain columns."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        predictions, training_rows = _tables(zone=zone)
        predictions.metadata.create_all(connection)
        _insert(connection, predictions, logged)
        connection.execute(training_rows.insert(), [_trained(flight) for flight in trained])
    engine.dispose()
    return FlightLog(url=url, logged=tuple(logged), trained=tuple(trained))


def append(url: str, more: Sequence[Flight]) -> None:
    """Log rows that were not there before, as they come late."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        _insert(connection, _tables(zone=False)[0], more)
    engine.dispose()


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Flight]) -> None:
    connection.execute(
        table.insert(),
        [
            {
                "event_time": flight.at.replace(tzinfo=None) if not _zoned(table) else flight.at,
                "prediction_id": flight.id,
                "model_version": "v1",
                "score": flight.score,
                "features": flight.payload,
            }
            for flight in rows
        ],
    )


def _zoned(table: sa.Table) -> bool:
    of = table.c.event_time.type
    return isinstance(of, sa.DateTime) and of.timezone


def _trained(flight: Flight) -> dict[str, object]:
    return {
        "origin": flight.origin,
        "carrier": flight.carrier,
        "distance": flight.distance,
        "hour": flight.hour,
        "weather.temp": flight.temp,
        "weather.humid": flight.humid,
        "score": flight.score,
        "late": flight.score > 0.5,
    }


def _tables(*, zone: bool) -> tuple[sa.Table, sa.Table]:
    metadata = sa.MetaData()
    predictions = sa.Table(
        "predictions",
        metadata,
        sa.Column("event_time", sa.DateTime(timezone=zone), index=True),
        sa.Column("prediction_id", sa.String(40)),
        sa.Column("model_version", sa.String(10)),
        sa.Column("score", sa.Float),
        sa.Column("features", sa.Text),
    )
    training_rows = sa.Table(
        "training_rows",
        metadata,
        sa.Column("origin", sa.String(3)),
        sa.Column("carrier", sa.String(2)),
        sa.Column("distance", sa.Integer),
        sa.Column("hour", sa.Integer),
        sa.Column("weather.temp", sa.Float),
        sa.Column("weather.humid", sa.Float),
        sa.Column("score", sa.Float),
        sa.Column("late", sa.Boolean),
    )
    return predictions, training_rows
