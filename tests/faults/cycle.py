"""One whole cycle: a model is met, three windows are profiled and decided, one alert is sent.

The second window is a night without rows; in the third the score shifts, and the alert opens. Among
the rows are some that are rejected: copies, altered copies, and payloads that are no JSON.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from alerts.channels import channels_of
from alerts.deliver import deliver_due
from monitor import logs
from monitor.config import Config
from monitor.daemon import ModelWorker
from monitor.pipeline import LEASE
from monitor.store.engine import connect, migrate
from monitor.store.outbox import StoredOutbox
from tests.faults.dying import Points, Watched
from tests.support.databases import Databases
from tests.support.log import DAY, START, Flight, flights, write_log
from tests.support.logs import run_sql
from tests.support.store import MODEL, merged, small_values

WINDOWS = 3
POINT = "point: "
MET = START + timedelta(days=2, hours=19)  # the windows begin at 18:00
DUE = START + timedelta(days=3, hours=13, minutes=30)  # an hour and a half after the third
PATIENCE = LEASE + timedelta(seconds=1)  # what a plain run waits before it takes a dead one's work
PAYLOAD_CANARY, URL_CANARY = "canary-of-a-payload", "canary-of-an-address"
SECRET_CANARY = "whsec_" + "Q2FuYXJ5T2ZBU2VjcmV0" * 2
CANARIES = (PAYLOAD_CANARY, URL_CANARY, SECRET_CANARY)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cycle runs: its log, its store, and who receives its messages."""

    log: str
    store: str
    receiver: str  # URL

    def values(self) -> dict[str, Any]:
        rule = {"name": "now", "statistic": "js", "threshold": 0.35, "windows": 1,
                "min_rows": 50, "columns": ["score"], "cohorts": True}  # fmt: skip
        route = {"kind": "webhook", "name": "ops", "url": self.receiver, "secret": SECRET_CANARY}
        alerts = {"budget": "1 per month", "rules": [rule], "routes": [route]}
        return merged(small_values(source=self.log, store=self.store), {"alerts": alerts})

    def config(self) -> Config:
        return Config.model_validate(self.values())


def write_rows(url: str) -> int:
    """Write the log; return how many rows of it lie in the three windows."""
    logged = flights(days=5, a_day=240, seed=11, shifted=[(3, 5)])
    trained = flights(days=12, a_day=240, seed=12, start=START - 30 * DAY)
    write_log(url, logged=logged, trained=trained)
    begin, end = MET.replace(hour=18), DUE.replace(hour=12, minute=0)
    within = [row for row in logged if begin <= row.at < end]
    again = within[::10]
    bad = "'{\"" + PAYLOAD_CANARY + "'"
    run_sql(
        url,
        *(_copied(row, "score") for row in again[::2]),
        *(_copied(row, "score / 2") for row in again[1::2]),
        f"UPDATE predictions SET features = {bad} WHERE prediction_id IN "
        f"({', '.join(repr(row.id) for row in within[5::40])})",
    )
    return len(within) + len(again)


def _copied(row: Flight, score: str) -> str:
    return (
        "INSERT INTO predictions SELECT event_time, prediction_id, model_version, "
        f"{score}, features FROM predictions WHERE prediction_id = '{row.id}'"
    )


def empty_store(kind: Databases) -> str:
    """Make a store that holds nothing yet, closed, to be copied."""
    url = kind.fresh()
    engine = connect(Place(log="sqlite:///x", store=url, receiver="http://x.test").config().store)
    migrate(engine)
    engine.dispose()
    return url


def run(
    engine: sa.Engine,
    config: Config,
    *,
    later: timedelta = timedelta(0),
    points: Points | None = None,
) -> None:
    """Do the whole cycle as a daemon does it, by a clock that is so much later."""
    channels: dict[str, Any] = dict(channels_of(config.alerts.routes))
    if points is not None:
        channels = {name: Watched(channel, points) for name, channel in channels.items()}
    at = MET + later
    worker = ModelWorker(engine, config, MODEL, clock=lambda: at, stop=threading.Event())
    worker.look()
    at = DUE + later
    worker.look()
    worker.close()
    outbox = StoredOutbox(engine, channels)
    while deliver_due(outbox, channels, now=at).sent:
        pass


def die(values: dict[str, Any], at: int | None, begin: timedelta) -> None:
    """Do the cycle in this process, which is gone when it reaches a point; else list its points."""
    logs.set_up("json", verbose=True)
    points = Points(die_at=at)
    config = Config.model_validate(values)
    engine = connect(config.store)
    points.watch(engine)
    run(engine, config, later=begin, points=points)
    engine.dispose()
    for what in points.reached:
        print(POINT + what)  # noqa: T201
