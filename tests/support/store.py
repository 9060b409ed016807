"""Logs with their stores for the tests: one filled for everybody, and fresh ones for whoever asks.

What a test of the store needs twice, on SQLite and on PostgreSQL, it gets from `backend`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from pydantic import SecretStr

from monitor.backfill import backfill
from monitor.config import Config, load
from monitor.store.engine import open_store
from monitor.store.tables import incidents, metadata
from profiles.codec import MAGIC, decode, unpack
from profiles.profile import same
from tests.support.log import DAY, START, FlightLog, flights, write_log
from tests.support.postgres import Postgres

MODEL = "flight-delay"
DAYS = 35

# Of two runs over the same rows: when something happened, how often it was tried, by whom.
VOLATILE = {
    "baselines": {"accepted_at"},
    # how far a daemon has looked for late rows, which a backfill does not do
    "models": {
        "watermark_at", "looked_at", "source_error_since", "starts_at", "counted_to", "ingest",
    },
    "windows": {"fence", "lease_until", "took_ms", "finished_at", "attempts", "next_attempt"},
    "outbox": {"created_at", "next_attempt", "last_at"},
}  # fmt: skip


@dataclass(frozen=True)
class DemoStore:
    """A store that a real backfill has filled: 35 days, two incidents, one of them open."""

    config_path: Path
    config: Config
    engine: sa.Engine
    log: FlightLog

    def __iter__(self) -> Iterator[Any]:
        return iter((self.config_path, self.config, self.engine))


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A kind of database: a log in it that is only read, and new databases when asked."""

    name: str
    log: FlightLog
    fresh_url: Callable[[], str]

    def copy_of_log(self) -> FlightLog:
        """Write the log once more, for a test that changes it."""
        return small_log(self.fresh_url())

    def config(self, **changes: Any) -> Config:
        """Return the configuration of a store of its own over the log."""
        values = small_values(source=self.log.url, store=self.fresh_url())
        return Config.model_validate(merged(values, changes))


def demo_values(*, source: str, store: str) -> dict[str, Any]:
    """Return a configuration over the synthetic log, as `monitor.yaml` would hold it."""
    return {
        "store": store,
        "timezone": "America/New_York",
        "models": {
            MODEL: {
                "source": source,
                "log": {
                    "table": "predictions",
                    "time": "event_time",
                    "id": "prediction_id",
                    "payload": "features",
                    "version": "model_version",
                },
                "baseline": {"table": "training_rows"},
                "prediction": {"kind": "binary", "score": "score", "threshold": 0.5},
                "cohorts": ["origin", "carrier"],
                "columns": {name: {"role": "context"} for name in ("weather.humid", "hour")},
                "window": "3h",
                "lateness": "1h",
                "noun": "flights",
            }
        },
        "alerts": {
            "budget": "off",  # the log is short: it is rules that are tried on it
            "rules": [
                {"name": "day", "statistic": "js", "threshold": 0.3, "over": "1d", "windows": 3,
                 "min_rows": 75, "cohorts": True},
            ],
            "routes": [],
        },
    }  # fmt: skip


def small_values(*, source: str, store: str) -> dict[str, Any]:
    """Return the same with windows of six hours, for the tests that fill a store themselves."""
    values = demo_values(source=source, store=store)
    values["models"][MODEL]["window"] = "6h"
    return values


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with some of them changed; `model` means the only model."""
    found = dict(values)
    for key, change in changes.items():
        if key == "model":
            found["models"] = {MODEL: merged(found["models"][MODEL], change)}
        elif isinstance(change, Mapping) and isinstance(found.get(key), Mapping):
            found[key] = merged(found[key], change)
        else:
            found[key] = change
    return found


def write_config(path: Path, values: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(dict(values), sort_keys=False))
    return path


def small_log(url: str) -> FlightLog:
    """Write a log of eight days; in the fourth and fifth the score and the temperature shift."""
    return write_log(
        url,
        logged=flights(days=8, a_day=240, seed=11, shifted=[(3, 5)]),
        trained=flights(days=12, a_day=240, seed=12, start=START - 30 * DAY),
    )


def contents(engine: sa.Engine, *, but: Sequence[str] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row that stands, without what may differ between two runs."""
    retracted = sa.select(incidents.c.id).where(incidents.c.state == "retracted")
    found = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name in but:
                continue
            wanted = sa.select(*(c for c in table.c if c.name not in VOLATILE.get(table.name, ())))
            if table is incidents:
                wanted = wanted.where(incidents.c.state != "retracted")
            elif "incident" in table.c and not table.c.incident.nullable:
                wanted = wanted.where(table.c.incident.not_in(retracted))
            rows = [tuple(map(_comparable, row)) for row in connection.execute(wanted)]
            found[table.name] = sorted(rows, key=repr)
    return found


class SameProfile:
    """A stored profile that equals another of the same rows, however these came in batches."""

    def __init__(self, blob: bytes) -> None:
        self._profile = decode(blob)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameProfile) and same(self._profile, other._profile)

    def __hash__(self) -> int:
        return hash(self._profile.groups)

    def __repr__(self) -> str:
        return f"{self._profile.dimension} {self._profile.rows.tolist()}"


def _comparable(value: object) -> object:
    if isinstance(value, bytes) and value.startswith(MAGIC) and "dimension" in unpack(value)[0]:
        return SameProfile(value)
    return value


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStore]:
    """Share a filled store: to be read, never to be written."""
    folder = tmp_path_factory.mktemp("demo-store")
    log = write_log(
        f"sqlite:///{folder / 'log.db'}",
        logged=flights(days=DAYS, a_day=240, seed=1, shifted=[(12, 17), (31, DAYS)]),
        trained=flights(days=20, a_day=240, seed=2, start=START - 30 * DAY),
    )
    values = demo_values(source=log.url, store=f"sqlite:///{folder / 'store.db'}")
    path = write_config(folder / "monitor.yaml", values)
    config = load(path, environ={})
    engine = open_store(config.store)
    backfill(engine, config, MODEL)
    yield DemoStore(path, config, engine, log)
    engine.dispose()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """Run a test on SQLite and on PostgreSQL: a log of eight days, and as many stores as asked."""
    folder, numbers = tmp_path_factory.mktemp(f"backend-{request.param}"), count()
    with ExitStack() as stack:
        if request.param == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            fresh = lambda: stack.enter_context(server.database())  # noqa: E731
        else:
            fresh = lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}"  # noqa: E731
        yield Backend(name=request.param, log=small_log(fresh()), fresh_url=fresh)


@pytest.fixture
def opened() -> Iterator[Callable[..., sa.Engine]]:
    """Open stores and other databases as a test wants them; closed when it ends."""
    with ExitStack() as stack:

        def open_one(
            url: SecretStr, by: Callable[[SecretStr], sa.Engine] = open_store
        ) -> sa.Engine:
            engine = by(url)
            stack.callback(engine.dispose)
            return engine

        yield open_one


def after(days: float) -> datetime:
    """Return the moment so many days into the log."""
    return START + timedelta(days=days)
