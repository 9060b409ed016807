"""A process may die at any statement, COMMIT or request: nothing is lost, doubled or altered.

Every so many points here, from one that goes on from day to day; `make test-long` tries all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.seeds import seed
from tests.faults.sweep import Sweep
from tests.support.collector import Collector
from tests.support.databases import databases
from tests.support.postgres import Postgres

TRIED = 8


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_cycle_that_dies_at_any_point_is_finished_by_the_next_as_if_it_had_not(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: Postgres | None = request.getfixturevalue("postgres") if kind != "sqlite" else None
    with databases(kind, server=server) as of_kind, Collector() as collector:
        sweep = Sweep(of_kind, collector, tmp_path / "words")
        every = -(-len(sweep.points) // TRIED)
        points = range(1 + seed() % every, len(sweep.points) + 1, every)
        asked = [at + 1 for at, what in enumerate(sweep.points) if "an answer" in what]
        tried = list(sweep.at(sorted({*points, *asked})))
    assert [each for each in tried if each.broken] == []
    assert {each.point: each.repeats for each in tried if each.point in asked} == dict.fromkeys(
        asked, 1
    )
