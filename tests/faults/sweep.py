"""The fault sweep: a process that dies at the Nth point of a cycle, for N of all of them.

Each time on a copy of the same empty store: the process dies, a plain run finishes the work after
the lease, and the invariants are looked at beside a run in which nothing happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from monitor.store.engine import connect
from tests.faults import cycle
from tests.faults.dying import DIED
from tests.faults.invariants import Contents, broken, compared, told_secrets
from tests.support.collector import Collector, Received
from tests.support.databases import Databases
from tests.support.forks import ended, fork

PATIENCE_S = 120


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of dying at one point."""

    point: int
    what: str
    repeats: int  # messages that came more than once, under the same id
    broken: list[str]


class Sweep:
    """A cycle that can be killed at each of its points.

    Attributes
    ----------
    points : list of str
        What each point is, in their order.
    """

    def __init__(self, kind: Databases, collector: Collector, words: Path) -> None:
        self._kind, self._collector, self._words = kind, collector, words
        self._log = kind.fresh()
        self._rows = cycle.write_rows(self._log)
        self._empty = cycle.empty_store(kind)
        with self._copy("quiet") as (place, engine):
            self._run(place, timedelta(0), at=None)
            said = words.read_text().splitlines()
            self.points = [
                line.removeprefix(cycle.POINT) for line in said if line.startswith(cycle.POINT)
            ]
            self._oracle: Contents = compared(engine)
            problems = self._problems(engine, place)
        assert not problems, problems
        assert len(self._oracle["windows"]) == cycle.WINDOWS
        assert len(self._oracle["incidents"]) == 1

    def at(self, points: Iterable[int]) -> Iterator[Tried]:
        """Die at these points, numbered from 1, one after another."""
        for point in points:
            yield self._try(point)

    def _try(self, point: int) -> Tried:
        with self._copy(f"{point}") as (place, engine):
            code = self._run(place, timedelta(0), at=point)
            assert code == DIED, f"point {point}: the process ended with {code}"
            cycle.run(engine, place.config(), later=cycle.PATIENCE)
            return Tried(
                point=point,
                what=self.points[point - 1],
                repeats=len(self._received(place)) - 1,
                broken=self._problems(engine, place),
            )

    @contextmanager
    def _copy(self, name: str) -> Iterator[tuple[cycle.Place, sa.Engine]]:
        store = self._kind.copy(self._empty)
        receiver = f"{self._collector.url}/{cycle.URL_CANARY}/{name}"
        place = cycle.Place(log=self._log, store=store, receiver=receiver)
        engine = connect(place.config().store)
        try:
            yield place, engine
        finally:
            engine.dispose()
            self._kind.drop(store)

    def _run(self, place: cycle.Place, begin: timedelta, *, at: int | None) -> int:
        process = fork(cycle.die, place.values(), at, begin, words=self._words)
        return ended(process, within_s=PATIENCE_S)

    def _received(self, place: cycle.Place) -> list[Received]:
        return [
            request
            for request in self._collector.received
            if place.receiver.endswith(request.path)
        ]  # fmt: skip

    def _problems(self, engine: sa.Engine, place: cycle.Place) -> list[str]:
        oracle = getattr(self, "_oracle", None) or compared(engine)
        return [
            *broken(
                engine,
                oracle=oracle,
                received=self._received(place),
                now=cycle.DUE,
                rows=self._rows,
            ),
            *told_secrets(engine, self._words, cycle.CANARIES),
        ]
