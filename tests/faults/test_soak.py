"""A daemon lives through some simulated hours in which everything around it fails at random."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.faults.seeds import seed
from tests.faults.soak import BEGINS, Soak
from tests.support.collector import Collector
from tests.support.postgres import Postgres

HOURS, SPEED = 3, 1_200
SPARE_HANDLES = 12  # of connections that come and go


def test_a_daemon_whose_surroundings_fail_keeps_its_handles_and_every_invariant(
    postgres: Postgres, tmp_path: Path
) -> None:
    with Collector() as collector:
        soak = Soak(postgres, collector, tmp_path / "words", days=1, seed=seed())
        end = BEGINS + timedelta(hours=HOURS)
        life = soak.live(BEGINS, end, speed=SPEED)
        problems = soak.problems(end)
    fewest, most = life.handles()
    assert most - fewest <= SPARE_HANDLES
    assert problems == []
