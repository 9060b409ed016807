"""Runs as rows of a table, and what follows from them: medians, ratios, how much they wander."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.jobs import JOBS, Job
from benchmarks.session import Session

SPEED = (
    "job", "system", "runs", "wall_s", "cpu_s", "rss_mb", "ratio_cpu", "ratio_wall", "reference",
    "extrapolated",
)  # fmt: skip
ALONE = ", rolling and tests alone"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one system: a line of `speed_runs.csv`.

    Attributes
    ----------
    status : "ok", "failed" or "not installed"
    wall_s, cpu_s : float
        As measured.
    whole_wall_s, whole_cpu_s : float
        For the whole of the work; more than was measured where a system did a part of it.
    load : float
        The machine's load when it began: well above the threads of one system, somebody else was
        at work.
    note : str
        Why it failed or could not be installed.
    """

    job: str
    system: str
    run: int
    status: str
    wall_s: float = 0.0
    cpu_s: float = 0.0
    rss_mb: float = 0.0
    whole_wall_s: float = 0.0
    whole_cpu_s: float = 0.0
    load: float = 0.0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Between:
    """A median of several runs, and the smallest and largest of them."""

    value: float
    low: float
    high: float


class Results:
    """What is known of every job."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = tuple(runs)
        self._ok: dict[tuple[str, str], list[Run]] = {}
        for run in self.runs:
            if run.status == "ok":
                self._ok.setdefault((run.job, run.system), []).append(run)

    def systems(self, job: str) -> list[str]:
        """Return who has done a job, the least CPU first."""
        found = [system for of, system in self._ok if of == job]
        return sorted(found, key=lambda system: self.of(job, system, "whole_cpu_s").value)

    def has(self, job: str, *systems: str) -> bool:
        return all((job, system) in self._ok for system in systems)

    def count(self, job: str, system: str) -> int:
        return len(self._ok[job, system])

    def of(self, job: str, system: str, field: str) -> Between:
        """Return a figure of a system over its runs."""
        values = [getattr(run, field) for run in self._ok[job, system]]
        return Between(value=median(values), low=min(values), high=max(values))

    def ratio(self, job: str, system: str, other: str, field: str) -> Between:
        """Return the ratio of two medians; its range is that of the ratios round by round.

        Systems take turns, so that what slows the machine for a while slows both of a round.
        """
        mine, theirs = self._ok[job, system], self._ok[job, other]
        middle = median(getattr(run, field) for run in theirs)
        by_round = {run.run: getattr(run, field) for run in theirs}
        ratios = [getattr(run, field) / by_round.get(run.run, middle) for run in mine]
        value = median(getattr(run, field) for run in mine) / middle
        return Between(value=value, low=min(*ratios, value), high=max(*ratios, value))

    def extrapolated(self, job: str, system: str) -> float:
        """Return how many times what was measured the stated CPU is; 1 where all was done."""
        return median(run.whole_cpu_s / run.cpu_s for run in self._ok[job, system])


def gather(session: Session, jobs: Sequence[Job], earlier: Path) -> Results:
    """Return the runs of these jobs; who was not asked for keeps what stands in the results."""
    kept: list[Run] = []
    names = {field.name for field in fields(Run)}
    for job in jobs:
        for system in job.systems:
            for record in session.runs(job, system):
                run = Run(**{k: v for k, v in record.items() if k in names})
                kept.append(run)
                inside = record.get("output", {}).get("inside_cpu_s")
                if inside is not None and "stored" in system.name:
                    kept.append(_alone(run, inside))
    measured = {(run.job, run.system) for run in kept}
    order = {job.id: at for at, job in enumerate(JOBS)}
    kept += [
        run for run in read(earlier) if (run.job, run.system) not in measured and run.job in order
    ]
    return Results(sorted(kept, key=lambda run: (order[run.job], run.run)))


def _alone(run: Run, cpu_s: float) -> Run:
    """Return a run of the inner part alone; its CPU is all that is known."""
    of = {**asdict(run), "system": run.system + ALONE, "rss_mb": 0.0, "wall_s": cpu_s}
    return Run(**{**of, "whole_wall_s": cpu_s, "cpu_s": cpu_s, "whole_cpu_s": cpu_s})


def read(path: Path) -> list[Run]:
    """Read runs from `speed_runs.csv`; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [_run(row) for row in csv.DictReader(file)]


def _run(row: dict[str, str]) -> Run:
    texts = {"job", "system", "status", "note"}
    of: dict[str, Any] = {k: v if k in texts else float(v) for k, v in row.items()}
    return Run(**{**of, "run": int(row["run"])})


def write_runs(path: Path, results: Results) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([field.name for field in fields(Run)])
        for run in results.runs:
            table.writerow([_short(value) for value in asdict(run).values()])


def write_speed(path: Path, results: Results) -> None:
    """Write one line for each system of each job: medians, and ratios to the job's reference."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(SPEED)
        for job in JOBS:
            for system in results.systems(job.id):
                table.writerow([_short(value) for value in _line(job, system, results)])


def _line(job: Job, system: str, results: Results) -> list[object]:
    axes = ("whole_cpu_s", "whole_wall_s")
    known = results.has(job.id, job.reference)
    ratios = [
        results.ratio(job.id, system, job.reference, axis).value if known else "" for axis in axes
    ]
    return [
        job.id,
        system,
        results.count(job.id, system),
        results.of(job.id, system, "whole_wall_s").value,
        results.of(job.id, system, "whole_cpu_s").value,
        results.of(job.id, system, "rss_mb").value,
        *ratios,
        job.reference,
        results.extrapolated(job.id, system),
    ]


def _short(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 1_000 else (
        f"{value:.0f}" if isinstance(value, float) else value
    )  # fmt: skip
