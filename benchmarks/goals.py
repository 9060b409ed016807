"""What is promised of speed, each as a figure that is taken from the runs, and its limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.columns import FEATURES
from benchmarks.jobs import DECODING, DRIFTLINE, J5_SQLITE, MEMORY
from benchmarks.results import ALONE, Between, Results
from benchmarks.scale import Scale

CPU, WALL, RSS = "whole_cpu_s", "whole_wall_s", "rss_mb"
STORED = "Driftline, from stored counts"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A figure that must not pass a limit."""

    job: str
    says: str
    limit: float
    needs: tuple[str, ...]
    figure: Callable[[Results], Between]


def _ratio(job: str, says: str, limit: float, of: tuple[str, str], field: str = CPU) -> Goal:
    return Goal(
        job=job, says=says, limit=limit, needs=of,
        figure=lambda results: results.ratio(job, *of, field),
    )  # fmt: skip


def _rss(job: str, says: str, limit: float, system: str) -> Goal:
    return Goal(
        job=job, says=says, limit=limit, needs=(system,),
        figure=lambda results: results.of(job, system, RSS),
    )  # fmt: skip


def _a_test(says: str, limit: float, system: str, tests: int) -> Goal:
    def figure(results: Results) -> Between:
        took = results.of("J4", system, CPU)
        low, value, high = (1e6 * s / tests for s in (took.low, took.value, took.high))
        return Between(value=value, low=low, high=high)

    return Goal(job="J4", says=says, limit=limit, needs=(system,), figure=figure)


def goals(scale: Scale) -> tuple[Goal, ...]:
    """Return the goals; how many tests there are depends on the size."""
    tests = scale.hours * len(FEATURES)
    return (
        *_GOALS,
        _a_test("CPU µs a test, rolling and testing stored counts", 20.0, STORED + ALONE, tests),
    )


_GOALS = (
    _ratio("J1", "CPU, of DuckDB's SUMMARIZE", 0.30, (DRIFTLINE, "DuckDB SUMMARIZE")),
    _ratio("J2", "CPU, of the SciPy loop", 0.10, (DRIFTLINE, "SciPy loop")),
    _ratio("J2", "CPU, of Evidently (KS)", 1 / 60, (DRIFTLINE, "Evidently (KS)")),
    _ratio(
        "J2", "CPU with the baseline built too, of the SciPy loop", 0.25,
        ("Driftline, baseline built too", "SciPy loop"),
    ),
    _ratio("J3", "CPU, of decoding the same columns", 2.0, (DRIFTLINE, DECODING)),
    _ratio("J3", "wall time, of NannyML", 1 / 20, (DRIFTLINE, "NannyML"), WALL),
    _ratio("J5", "CPU, of connectorx's bare read", 1.3, (DRIFTLINE, "connectorx, reading only")),
    _rss("J5", "peak memory, MB", 300.0, DRIFTLINE),
    _ratio(
        J5_SQLITE.id, "CPU, of connectorx's bare read", 1.5,
        (DRIFTLINE, "connectorx, reading only"),
    ),
    _ratio(
        "memory", "peak memory at the log's rows, of that at the window's", 1.10,
        (MEMORY.systems[1].name, MEMORY.systems[0].name), RSS,
    ),
    _rss("memory", "peak memory at the log's rows, MB", 600.0, MEMORY.systems[1].name),
)  # fmt: skip
