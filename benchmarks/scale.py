"""How much data a run is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from benchmarks.columns import START


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Rows, days and the seed.

    Attributes
    ----------
    rows : int
        Of the baseline and of the window that is compared with it.
    log_rows : int
        Of the log that is backfilled.
    days : int
        That the log spans; the baseline spans as many before.
    """

    name: str
    rows: int
    log_rows: int
    days: int
    seed: int

    @property
    def key(self) -> str:
        """Name what is made of it, so that other sizes do not mix with it."""
        return f"{self.rows}-{self.log_rows}-{self.days}-{self.seed}"

    @property
    def hours(self) -> int:
        return 24 * self.days

    @property
    def start(self) -> str:
        return START.isoformat()

    @property
    def end(self) -> str:
        return (START + timedelta(days=self.days)).isoformat()


def scale(name: str, **given: int | None) -> Scale:
    """Return a size by its name, with what is given in place of its own."""
    of = {
        "full": {"rows": 1_000_000, "log_rows": 10_000_000, "days": 90, "seed": 1},
        "small": {"rows": 30_000, "log_rows": 100_000, "days": 10, "seed": 1},
    }[name]
    return Scale(name=name, **{**of, **{k: v for k, v in given.items() if v is not None}})
