"""A long life in short time: a daemon by a quick clock, while everything around it fails at random.

One daemon lives through all of it, and its memory and handles are watched. A second one beside it
is killed again and again (R1), every connection to the databases is dropped (R3), and the receiver
of messages answers as bad ones do (R14).
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from alerts.channels import channels_of
from alerts.deliver import deliver_due
from monitor import logs, pipeline
from monitor.backfill import backfill
from monitor.config import Config
from monitor.daemon import Daemon
from monitor.store.engine import connect, open_store
from monitor.store.outbox import StoredOutbox
from monitor.store.tables import models
from tests.faults.cycle import CANARIES, SECRET_CANARY, URL_CANARY
from tests.faults.invariants import broken, compared, told_secrets
from tests.support.collector import Collector, Scripted
from tests.support.forks import ended, fork
from tests.support.log import DAY, START, flights, write_log
from tests.support.postgres import Postgres
from tests.support.store import MODEL, merged, small_values

BEGINS = START + timedelta(hours=8)
LEASE_S = 5  # of real time
EVERY_S = 1.0  # a fault, and a look at the daemon's memory
STOP_S = 20.0
UNLIKE = ("models",)  # how far the log was seen is capped by a clock that goes on

BAD = (
    Scripted(status=500),
    Scripted(status=503, headers={"retry-after": "120"}),
    Scripted(status=429, headers={"retry-after": "Fri, 07 Mar 2025 10:00:00 GMT"}),
    Scripted(delay_s=2),
    Scripted(drip_s=0.02),
    Scripted(raw=b"what is HTTP"),
    Scripted(body=b"x" * (1 << 20)),
)


@dataclass(frozen=True, kw_only=True)
class Quick:
    """A clock that passes `speed` seconds in one, from a moment on; the same in every process."""

    first: datetime
    began: float
    speed: float

    def __call__(self) -> datetime:
        return self.first + timedelta(seconds=(time.time() - self.began) * self.speed)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a process holds at a moment."""

    at: datetime
    memory_mb: float
    handles: int


@dataclass(kw_only=True)
class Life:
    """What a life came to.

    Attributes
    ----------
    samples : list of Sample
        Of the daemon that nobody kills, since it was last started.
    faults : dict from fault to int
        How often each was done.
    """

    samples: list[Sample] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)

    def memory_slope(self) -> float:
        """Return MB a simulated day, over the second half of the life."""
        late = self.samples[len(self.samples) // 2 :]
        if len(late) < 3:
            return 0.0
        days = [(each.at - late[0].at) / DAY for each in late]
        return float(np.polyfit(days, [each.memory_mb for each in late], 1)[0])

    def handles(self) -> tuple[int, int]:
        """Return the fewest and the most handles in the second half."""
        late = [each.handles for each in self.samples[len(self.samples) // 2 :]]
        return min(late), max(late)


class Soak:
    """A log of some days in a PostgreSQL, a store there too, and a receiver."""

    def __init__(
        self, server: Postgres, collector: Collector, words: Path, *, days: int, seed: int,
        databases: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.server, self._collector, self._words = server, collector, words
        self._rng = random.Random(seed)
        self.log, self.store = databases or (server.create(), server.create())
        if databases is None:
            shifted = [(day, day + 1) for day in range(0, days, 3)]
            logged = flights(days=days + 1, a_day=960, seed=21, shifted=shifted)
            trained = flights(days=12, a_day=240, seed=22, start=START - 30 * DAY)
            write_log(self.log, logged=logged, trained=trained)
        receiver = f"{collector.url}/{URL_CANARY}/soak"
        route = {"kind": "webhook", "name": "ops", "url": receiver, "secret": SECRET_CANARY}
        changes = {
            "model": {"window": "10m"},
            "alerts": {"routes": [route]},
            "daemon": {"poll": "1s"},
        }
        self._values = merged(small_values(source=self.log, store=self.store), changes)
        self._config = Config.model_validate(self._values)
        open_store(self._config.store).dispose()

    def live(
        self,
        first: datetime,
        until: datetime,
        *,
        speed: float,
        tell: Callable[[Life], None] = lambda _: None,
    ) -> Life:
        """Live from one moment to another, so many times as fast as time, with a fault a second."""
        life = Life()
        ended(fork(_nothing, words=self._words), within_s=STOP_S)  # the next begin at once
        clock = Quick(first=first, began=time.time(), speed=speed)
        with ExitStack() as stack:
            steady, victim = self._daemon(clock), self._daemon(clock)
            stack.callback(lambda: _end(steady, victim))
            while clock() < until:
                time.sleep(EVERY_S)
                assert steady.is_alive(), f"the daemon ended: {self._last_words()}"
                life.samples.append(_sample(steady, clock()))
                fault = self._rng.choice(("kill", "drop", "answer", "answer", "nothing"))
                life.faults[fault] = life.faults.get(fault, 0) + 1
                if fault == "kill":
                    _end(victim)
                    victim = self._daemon(clock)
                elif fault == "drop":
                    self.server.hang_up(self._rng.choice((self.log, self.store)))
                elif fault == "answer":
                    self._collector.otherwise = self._rng.choice((Scripted(), *BAD))
                tell(life)
            steady.terminate()
            code = ended(steady, within_s=STOP_S)
            assert code == 0, f"the daemon ended with {code}: {self._last_words()}"
        return life

    def problems(self, at: datetime) -> list[str]:
        """Finish by a plain run at a moment, and name the invariants that are broken."""
        self._collector.otherwise = Scripted()
        later = at + timedelta(days=3)  # past every lease and every wait of a message
        engine = connect(self._config.store)
        with engine.connect() as connection:
            begins = connection.scalar(sa.select(models.c.starts_at))
        backfill(engine, self._config, MODEL, start=begins, notify=True, clock=lambda: later)
        channels = channels_of(self._config.alerts.routes)
        outbox = StoredOutbox(engine, channels)
        while deliver_due(outbox, channels, now=later).sent:
            pass
        found = [
            *broken(
                engine,
                oracle=self._oracle(begins, later),
                received=self._collector.received,
                now=later,
                but=UNLIKE,
            ),
            *told_secrets(engine, self._words, CANARIES),
        ]
        engine.dispose()
        return found

    def _oracle(self, begins: datetime, at: datetime) -> Any:
        config = Config.model_validate(merged(self._values, {"store": self.server.create()}))
        engine = open_store(config.store)
        backfill(engine, config, MODEL, start=begins, notify=True, clock=lambda: at)
        found = compared(engine, but=UNLIKE)
        engine.dispose()
        self.server.drop(config.store.get_secret_value())
        return found

    def _last_words(self) -> str:
        return self._words.read_text()[-2000:]

    def _daemon(self, clock: Quick) -> ForkServerProcess:
        return fork(_be_daemon, self._values, clock, words=self._words)


def _nothing() -> None:
    """Be a process that ends."""


def _be_daemon(values: dict[str, Any], clock: Quick) -> None:
    logs.set_up("json")
    pipeline.LEASE = timedelta(seconds=LEASE_S * clock.speed)
    config = Config.model_validate(values)
    daemon = Daemon(connect(config.store), config, clock=clock)
    signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
    daemon.run()


def _end(*processes: ForkServerProcess) -> None:
    for process in processes:
        if _lives(process):
            process.kill()
            ended(process, within_s=STOP_S)


def _lives(process: ForkServerProcess) -> bool:
    try:
        return process.is_alive()
    except ValueError:  # it was closed, having ended
        return False


def _sample(process: ForkServerProcess, at: datetime) -> Sample:
    of = Path("/proc") / str(process.pid)
    (kilobytes,) = (
        int(line.split()[1])
        for line in (of / "status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
    return Sample(at=at, memory_mb=kilobytes / 1024, handles=len(list((of / "fd").iterdir())))
