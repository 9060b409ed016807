"""Rows that come late, in any order: the final results are those of a quiet run on all of them."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from monitor.backfill import backfill
from monitor.config import Config
from monitor.daemon import ModelWorker
from monitor.late import SETTLED
from monitor.store.engine import open_store
from monitor.store.tables import incidents, models, windows
from tests.support.arrivals import Arrivals, Kind
from tests.support.log import START, Flight, flights
from tests.support.store import MODEL, contents

NOW = datetime(2025, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
WIDTH = 6 * HOUR
ROWS = flights(days=5, a_day=60, seed=5, shifted=[(2, 4)])
TRAINED = flights(days=12, a_day=60, seed=6, start=START - timedelta(days=30))
FIRST = START + WIDTH  # of the first window: the night has no rows

Opened = Callable[..., sa.Engine]


class Watched:
    """A daemon's worker over a log, and the clock that it looks at."""

    def __init__(self, engine: sa.Engine, config: Config) -> None:
        self.engine, self.config, self.now = engine, config, NOW
        self.worker = self._started()

    def _started(self) -> ModelWorker:
        return ModelWorker(
            self.engine, self.config, MODEL, clock=lambda: self.now, stop=threading.Event()
        )

    def look(self, *, after: timedelta = MINUTE) -> int:
        self.now += after
        done = self.worker.look()
        with self.engine.connect() as connection:
            assert connection.scalar(sa.select(models.c.source_error)) is None
        return done

    def restart(self) -> None:
        self.worker.close()
        self.worker = self._started()


@contextmanager
def watched(config: Config) -> Iterator[Watched]:
    engine = open_store(config.store)
    found = Watched(engine, config)
    try:
        yield found
    finally:
        found.worker.close()
        engine.dispose()


def results(engine: sa.Engine) -> dict[str, Any]:
    """Return all that stands, but how often windows were computed, and what was sent meanwhile."""
    found: dict[str, Any] = contents(engine, but=["windows", "outbox", "deliveries"])
    with engine.connect() as connection:
        found["windows"] = [
            (row.start, row.state, row.decided, row.baseline, row.rows_read, row.rows_profiled,
             row.rejected, row.late)
            for row in connection.execute(sa.select(windows).order_by(windows.c.start))
        ]  # fmt: skip
    return found


def oracle(config: Config, store: str) -> dict[str, Any]:
    """Return the results of one quiet run over the log as it is."""
    engine = open_store(SecretStr(store))
    try:
        backfill(engine, config, MODEL, notify=True)
        return results(engine)
    finally:
        engine.dispose()


def in_some_order(seed: int, *, spread: timedelta, looks: int) -> list[list[Flight]]:
    """Return the rows by the look that sees them: each comes up to `spread` after its time."""
    rng = np.random.default_rng(seed)
    come = [row.at + rng.random() * spread for row in ROWS]
    rest = sorted(range(1, len(ROWS)), key=come.__getitem__)
    cuts = np.sort(rng.integers(0, len(rest), looks - 1)) if looks > 1 else []
    return [[ROWS[i] for i in part] for part in np.split(np.array(rest), cuts) if len(part)]


def arrived(watched: Watched, log: Arrivals, order: Sequence[Sequence[Flight]], of: Any) -> None:
    """Let rows come between the looks; the first of all came before, and its mark has settled."""
    log.add(ROWS[:1], _stamp(of, watched.now, 1))
    watched.look()
    watched.look(after=SETTLED)
    for number, rows in enumerate(order, start=2):
        log.add(rows, _stamp(of, watched.now, number))
        watched.look()


def _stamp(of: Any, now: datetime, number: int) -> datetime | int:
    return now if of is datetime else number


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Arrivals]:
    """Make a log of a kind that is empty so far."""

    def made(kind: Kind = "sqlite", **keys: Any) -> Arrivals:
        url = f"sqlite:///{tmp_path / 'log.db'}" if kind == "sqlite" else ""
        if kind == "postgresql":
            server = request.getfixturevalue("postgres")
            url = stack.enter_context(server.database())
        return Arrivals(kind, tmp_path / "log", url=url, **keys)

    with ExitStack() as stack:
        yield made  # type: ignore[misc]


LONG = {"overlap": "60d"}
BY_INGEST = {"ingested": "written", "overlap": "60d"}

EXAMPLES = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
orders = st.tuples(
    st.integers(0, 10_000), st.sampled_from([6, 30, 200]).map(lambda h: h * HOUR), st.integers(1, 9)
)


@EXAMPLES
@given(order=orders)
def test_rows_that_come_in_any_order_give_the_results_of_a_quiet_run(
    order: tuple[int, timedelta, int],
) -> None:
    seed, spread, looks = order
    with tempfile.TemporaryDirectory() as folder:
        log = Arrivals("sqlite", Path(folder), url=f"sqlite:///{folder}/log.db")
        config = log.config(f"sqlite:///{folder}/store.db", TRAINED, log=LONG)
        with watched(config) as at:
            arrived(at, log, in_some_order(seed, spread=spread, looks=looks), datetime)
            at.restart()  # no window closes after the last look, so it is the start that counts
            at.look()
            assert results(at.engine) == oracle(config, f"sqlite:///{folder}/quiet.db")


@EXAMPLES
@given(order=orders, of=st.sampled_from([datetime, int]))
def test_rows_that_are_found_by_when_they_were_written_give_the_results_of_a_quiet_run(
    order: tuple[int, timedelta, int], of: type[Any]
) -> None:
    seed, spread, looks = order
    with tempfile.TemporaryDirectory() as folder:
        log = Arrivals("sqlite", Path(folder), url=f"sqlite:///{folder}/log.db", written=of)
        config = log.config(f"sqlite:///{folder}/store.db", TRAINED, log=BY_INGEST)
        with watched(config) as at:
            arrived(at, log, in_some_order(seed, spread=spread, looks=looks), of)
            assert results(at.engine) == oracle(config, f"sqlite:///{folder}/quiet.db")


@pytest.mark.parametrize("kind", ["postgresql", "duckdb", "parquet", "csv"])
@pytest.mark.parametrize("by", ["counting", "time", "number"])
def test_wherever_the_log_lies_rows_in_any_order_give_the_results_of_a_quiet_run(
    kind: Kind, by: str, make: Callable[..., Arrivals], tmp_path: Path
) -> None:
    of = int if by == "number" else datetime
    log = make(kind, written=of)
    store = f"sqlite:///{tmp_path / 'store.db'}"
    config = log.config(store, TRAINED, log=LONG if by == "counting" else BY_INGEST)
    with watched(config) as at:
        arrived(at, log, in_some_order(3, spread=2 * timedelta(days=1), looks=6), of)
        if by == "counting":
            at.restart()
            at.look()
        assert results(at.engine) == oracle(config, f"sqlite:///{tmp_path / 'quiet.db'}")
        with at.engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.max(windows.c.revision))) > 1
            assert connection.scalar(sa.select(sa.func.count()).select_from(incidents)) > 0
