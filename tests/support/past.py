"""A stored past of a hundred days, one of them bad, made without its log."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from monitor.config import Config
from monitor.store import baselines, runs
from profiles.baseline import Baseline, accept
from profiles.counting import profile_windows
from profiles.windows import Window, floor
from tests.support.store import MODEL, demo_values, merged

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WIDTH = 4 * HOUR  # begins with the local day from 9 March on
ZONE = ZoneInfo("America/New_York")
FIRST = date(2025, 1, 6)  # a Monday; the clock is put forward on 9 March
DAYS = 100
BAD = date(2025, 4, 7)  # when the amounts are missing
HOT = date(2025, 4, 1)  # when the weather is unlike any before
REGIONS = ("north", "south", "west")


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


def log(*, days: int = DAYS, a_day: int = 700, seed: int = 5) -> pa.RecordBatch:
    """Make rows by the local clock: fewer at night, amounts by region, weather that goes slowly."""
    rng = np.random.default_rng(seed)
    starts = [midnight(FIRST + day * DAY) for day in range(days + 1)]
    share = np.repeat([0.4, 1.2, 1.0, 1.4], 6)
    hours = [
        hour
        for start, end in itertools.pairwise(starts)
        for hour in (start + i * HOUR for i in range((end - start) // HOUR))
    ][3:]  # a window begins with the first hour
    local = [hour.astimezone(ZONE) for hour in hours]
    rows = rng.poisson([a_day / 24 * share[at.hour] for at in local])
    of = np.repeat(np.arange(len(hours)), rows)
    size = len(of)
    day = np.array([(at.date() - FIRST).days for at in local])[of]
    at = np.array([hour.replace(tzinfo=None) for hour in hours], "M8[us]")[of]
    region = rng.choice(3, size, p=(0.6, 0.3, 0.1))
    amount = rng.normal(20 + 5 * region, 6)
    missing = rng.random(size) < np.where(day == (BAD - FIRST).days, 0.5, 0.02)
    weather = rng.normal(0, 3, size) + np.where(day == (HOT - FIRST).days, 40, 0)
    colour = np.array(["red", "green", "blue"])[rng.choice(3, size, p=(0.5, 0.3, 0.2))]
    return pa.record_batch(
        {
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "region": pa.array(np.array(REGIONS)[region]),
            "colour": pa.array(colour),
            "amount": pa.array(amount, mask=missing),
            "weather": pa.array(weather),
        }
    )


def windows_of(batch: pa.RecordBatch, width: timedelta) -> list[Window]:
    first, last = batch.column("at")[0].as_py(), batch.column("at")[-1].as_py()
    start = floor(first, width)
    count = (last - start) // width + 1
    return [Window(start=start + i * width, end=start + (i + 1) * width) for i in range(count)]


def fill(
    engine: sa.Engine,
    batch: pa.RecordBatch,
    baseline: Baseline,
    *,
    name: str = "first",
    width: timedelta = WIDTH,
    model: str = MODEL,
) -> None:
    """Store profiles of every window, as a backfill would, without its log."""
    now, due = datetime(2026, 1, 1, tzinfo=UTC), windows_of(batch, width)
    runs.register(engine, model, width)
    baselines.accept(engine, model, name, baseline, now=now)
    runs.plan(engine, model, due, notify=False)
    claims = runs.claim(engine, model, now=now, lease=HOUR, most=len(due))
    parts = profile_windows(baseline.plan, [batch], [of.window for of in claims], time="at")
    finished = [
        runs.Finished(claim=of, parts=found, rejected={}, took_ms=1)
        for of, found in zip(claims, parts, strict=True)
    ]
    runs.finish(engine, finished, baseline=name, now=now)


def config_of(store: str, **changes: Any) -> Config:
    return Config.model_validate(values_of(store, **changes))


def values_of(store: str, **changes: Any) -> dict[str, Any]:
    of_model: Mapping[str, Any] = {
        "window": "4h",
        "lateness": "0h",
        "cohorts": ["region"],
        "columns": {"weather": {"role": "context"}},
    }
    values = demo_values(source="sqlite:///log-that-is-not-read.db", store=store)
    values["models"][MODEL] |= of_model
    values["models"][MODEL].pop("prediction")
    values["alerts"] = {"routes": []}
    return merged(values, changes)


def baseline_of(batch: pa.RecordBatch) -> Baseline:
    """Accept the first month as the baseline."""
    trained = batch.filter(pa.array(np.arange(batch.num_rows) < 20_000))
    return accept([trained], skip=["at"], dimensions=(("region",),))
