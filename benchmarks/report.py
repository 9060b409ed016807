"""What came of a benchmark: CSV files, the machine, a plot of each job, tables for the docs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.environments import PINS
from benchmarks.goals import Goal, goals
from benchmarks.jobs import JOBS, Job
from benchmarks.plot import plot
from benchmarks.results import Between, Results, gather, write_runs, write_speed
from benchmarks.scale import Scale
from benchmarks.session import Session

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def write(
    out: Path, jobs: Sequence[Job], session: Session, scale: Scale, *, docs: Path | None
) -> None:
    """Write the results; jobs that were not asked for keep what stands in the files."""
    out.mkdir(parents=True, exist_ok=True)
    results = gather(session, jobs, out / "speed_runs.csv")
    write_runs(out / "speed_runs.csv", results)
    write_speed(out / "speed.csv", results)
    about = _about(out / "speed.json", jobs, session, scale)
    (out / "speed.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    for job in JOBS:
        if results.systems(job.id):
            (out / f"{job.id}.svg").write_text(plot(job, results), encoding="utf-8")
    if docs is not None:
        _into(docs, "\n".join(_page(results, about, scale, out, docs)))
    print(f"Results are in {out}")


def _about(path: Path, jobs: Sequence[Job], session: Session, scale: Scale) -> dict[str, Any]:
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    seen = {job.id: session.checked(job) for job in jobs}
    checks = {
        job: {"held": of["held"], "says": of["note"]} for job, of in seen.items() if of is not None
    }
    picked = {job.id for job in jobs}
    kept = {k: v for k, v in before.get("checks", {}).items() if k not in picked}
    return {
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "size": {
            "rows": scale.rows,
            "log_rows": scale.log_rows,
            "days": scale.days,
            "seed": scale.seed,
        },
        "versions": versions(),
        "checks": {**kept, **checks},
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the pinned version of every peer; ours is what it is measured at."""
    found = {}
    for path in sorted(PINS.glob("*.txt")):
        name = {"adbc": "adbc-driver-postgresql"}.get(path.stem, path.stem)
        lines = path.read_text(encoding="utf-8").splitlines()
        found[path.stem] = next(
            line.partition("==")[2] for line in lines if line.startswith(f"{name}==")
        )
    return found


def _page(
    results: Results, about: dict[str, Any], scale: Scale, out: Path, docs: Path
) -> Iterator[str]:
    of = about["machine"]
    yield (
        f"Measured on {about['when'][:10]} with {of['cores']} cores ({of['cpu']}), "
        f"{of['memory_gb']} GB, Python {of['python']}; seed {scale.seed}. "
        f"{', '.join(f'{k} {v}' for k, v in about['versions'].items())}."
    )
    yield ""
    yield "| job | figure | at most | measured | in its runs | |"
    yield "|---|---|--:|--:|--:|---|"
    order = [job.id for job in JOBS]
    for goal in sorted(goals(scale), key=lambda goal: order.index(goal.job)):
        if results.has(goal.job, *goal.needs):
            yield _goal(goal, results)
    yield ""
    yield "Checked in the same run:"
    yield ""
    for job, seen in about["checks"].items():
        yield f"- {job}: {'' if seen['held'] else '**wrong**: '}{seen['says']}"
    images = os.path.relpath(out, docs.parent)
    for job in JOBS:
        if results.systems(job.id):
            yield from _job(job, results, images)


def _goal(goal: Goal, results: Results) -> str:
    found = goal.figure(results)
    return (
        f"| {goal.job} | {goal.says} | {_figure(goal.limit)} | {_figure(found.value)} "
        f"| {_range(found)} | {_mark(held=found.value <= goal.limit)} |"
    )


def _mark(*, held: bool) -> str:
    return "holds" if held else "**does not hold**"


def _job(job: Job, results: Results, images: str) -> Iterator[str]:
    yield ""
    yield f"### {job.id}: {job.title}"
    yield ""
    yield f"![CPU seconds of each system at {job.id}, on a log scale]({images}/{job.id}.svg)"
    yield ""
    yield f"| system | CPU s | in its runs | wall s | peak MB | CPU, of {job.reference} | |"
    yield "|---|--:|--:|--:|--:|--:|---|"
    known = results.has(job.id, job.reference)
    for system in results.systems(job.id):
        cpu = results.of(job.id, system, "whole_cpu_s")
        wall = results.of(job.id, system, "whole_wall_s")
        rss = results.of(job.id, system, "rss_mb").value
        ratio = results.ratio(job.id, system, job.reference, "whole_cpu_s").value if known else None
        times = results.extrapolated(job.id, system)
        runs = results.count(job.id, system)
        yield (
            f"| {system} | {_figure(cpu.value)} | {_range(cpu) if runs > 1 else 'one run'} "
            f"| {_figure(wall.value)} | {f'{rss:,.0f}' if rss else ''} "
            f"| {'' if ratio is None else _figure(ratio)} "
            f"| {f'from a part, × {_figure(times)}' if times > 1.005 else ''} |"
        )
    for run in results.runs:
        if run.job == job.id and run.status != "ok" and run.run == 0:
            yield f"| {run.system} | {run.status}: {run.note} | | | | | |"


def _range(of: Between) -> str:
    return f"{_figure(of.low)}–{_figure(of.high)}"


def _figure(value: float) -> str:
    """Write three digits, no more: the machine wanders by more than that."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.01 else f"{value:.2g}"


def _into(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    whole = page.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no place for the tables: {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
