"""`monitor run` and `monitor backfill`, killed with kill -9 at random moments, lose nothing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults.kills import kill_until_done
from tests.faults.seeds import seed
from tests.faults.stage import staged
from tests.support.collector import Collector
from tests.support.databases import databases
from tests.support.postgres import Postgres

KILLS = 3


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_at_random_moments_it_comes_to_the_same_bytes_and_messages(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server: Postgres | None = request.getfixturevalue("postgres") if kind != "sqlite" else None
    with (
        databases(kind, server=server) as of_kind,
        Collector() as collector,
        staged(of_kind, collector, tmp_path) as stage,
    ):
        killed = kill_until_done(stage, random.Random(seed()), most=KILLS)
    assert killed.broken == []
    assert killed.kills > 0
