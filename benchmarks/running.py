"""Measuring a job: make what it needs, let everybody do it in turn, look at what was computed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import columns
from benchmarks.environments import OURS, NotInstalled, python_of
from benchmarks.jobs import Job, System
from benchmarks.measure import Measured, measure
from benchmarks.scale import Scale
from benchmarks.session import HERE, ROOT, Record, Session, prepared_key, run_key

SECONDS = 1_200  # a run that takes longer has failed
CHECK_SECONDS = 600
NEEDED = {"scipy": ("scipy", "pandas"), "pandas": ("pandas", "sqlalchemy", "psycopg")}


class NotReady(Exception):
    """What a job needs could not be made; what was printed says why."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One call of the benchmark.

    Attributes
    ----------
    data : Path
        Where everything is that is made and not committed.
    smoke : bool
        Whether it is only to be seen that everything runs: peers run in this very environment,
        those that it happens to hold, and nothing is warmed up.
    """

    scale: Scale
    data: Path
    session: Session
    runs: int
    smoke: bool

    def table(self, name: str) -> str:
        of = self.scale
        rows = of.log_rows if name == "log" else of.rows
        return str((self.data / f"{name}-{rows}-{of.days}-{of.seed}").resolve())

    def prepared(self, what: str) -> Path:
        return (self.data / f"{what}-{self.scale.key}-{prepared_key()}").resolve()

    def work(self, job: Job, system: System) -> Path:
        name = "".join(letter if letter.isalnum() else "-" for letter in system.name)
        return (self.data / "work" / f"{job.id}-{name}").resolve()

    def orders(self, job: Job, system: System | None = None, **more: Any) -> dict[str, Any]:
        """Return what a script is asked."""
        of = self.scale
        rows = job.rows if system is None else system.rows or job.rows
        return {
            "numeric": columns.NUMERIC,
            "categorical": columns.CATEGORICAL,
            "every": columns.EVERY,
            "time": columns.TIME,
            "cohort": columns.COHORT,
            "start": of.start,
            "end": of.end,
            "days": of.days,
            "rows": self.table(rows),
            "n": of.log_rows if rows == "log" else of.rows,
            "baseline": self.table("baseline"),
            "stored": str(self.prepared("stored")),
            "sqlite": str(self.prepared("sqlite") / "log.db"),
            **more,
        }


def do(bench: Bench, job: Job) -> bool:
    """Do what is missing of a job; returns whether it is whole and what it computed is right."""
    missing = [
        (run, system)
        for run in range(bench.runs)
        for system in job.systems
        if run < system.most and not bench.session.has(job, system, run)
        if not (bench.smoke and system.cold)
    ]
    if missing:
        print(f"{job.id}: {job.title}", flush=True)
        try:
            with _ready(bench, job) as url:
                _turns(bench, job, missing, url)
        except NotReady as error:
            print(f"  {error}", flush=True)
            for run, system in missing:
                bench.session.add(_about(job, system, run, str(error)))
            return False
    failed = any(
        record["status"] == "failed"
        for system in job.systems
        for record in bench.session.runs(job, system)
    )
    return _right(bench, job, anew=bool(missing)) and not failed


def _turns(bench: Bench, job: Job, missing: list[tuple[int, System]], url: str) -> None:
    """Measure everybody in turn."""
    pythons: dict[str, Path | NotInstalled] = {}
    for run, system in missing:
        if system.environment not in pythons:
            pythons[system.environment] = _python(bench, system.environment)
            if system.ours and not bench.smoke:
                _warm(bench, job, url)
        if not bench.session.has(job, system, run):  # its first run may have found it missing
            record = _run(bench, job, system, run, pythons[system.environment], url)
            bench.session.add(record)


def _about(job: Job, system: System, run: int, note: str, status: str = "failed") -> Record:
    """Say which run a record is of, and how it ended."""
    key = run_key(system)
    about = {"job": job.id, "system": system.name, "run": run, "key": key}
    return {**about, "status": status, "note": note}


def _run(
    bench: Bench, job: Job, system: System, run: int, python: Path | NotInstalled, url: str
) -> Record:
    if isinstance(python, NotInstalled):
        print(f"  {system.name}: not installed ({python})", flush=True)
        return _about(job, system, run, str(python), "not installed")
    found = _measured(bench, job, system, python, url)
    failed = found.error and found.error.replace(f"{ROOT}/", "")
    extra = {axis: _beyond(found, axis) for axis in ("wall_s", "cpu_s")}
    record = {
        **_about(job, system, run, failed or "", "failed" if failed else "ok"),
        "wall_s": found.wall_s,
        "cpu_s": found.cpu_s,
        "rss_mb": found.rss_mb,
        "load": found.load,
        "whole_wall_s": found.wall_s + extra["wall_s"],
        "whole_cpu_s": found.cpu_s + extra["cpu_s"],
        "output": found.output,
    }
    part = f" of a part, {record['whole_cpu_s']:,.0f} s whole" if extra["cpu_s"] else ""
    print(
        f"  {system.name}: {found.cpu_s:.2f} CPU s{part}, {found.wall_s:.2f} s, "
        f"{found.rss_mb:,.0f} MB{' FAILED: ' + failed if failed else ''}",
        flush=True,
    )
    return record


def _beyond(found: Measured, axis: str) -> float:
    """Return what the parts that were not done would add."""
    parts: list[dict[str, float]] = found.output.get("parts", [])
    return sum(part[axis] * (part["of"] - 1) for part in parts)


def _measured(bench: Bench, job: Job, system: System, python: Path, url: str) -> Measured:
    work = bench.work(job, system)
    shutil.rmtree(work, ignore_errors=True)
    if system.copies:
        shutil.copytree(bench.prepared(system.copies), work)
    else:
        work.mkdir(parents=True)
    kernels = (work if system.cold else bench.data) / "kernels"
    command = [str(python), *system.command]
    if system.command[0] != "-m":
        script, *how = system.command
        orders = bench.orders(job, system, how=how, work=str(work), url=url)
        command = [str(python), str(HERE / "systems" / script), json.dumps(orders)]
    environ = {"NUMBA_CACHE_DIR": str(kernels)} if system.ours and not bench.smoke else {}
    return measure(command, cwd=work, environ=environ, seconds=SECONDS)


def _warm(bench: Bench, job: Job, url: str) -> None:
    """Let everything of ours run once, so that its kernels are compiled when it is measured."""
    done: set[tuple[str, ...]] = set()
    for system in job.systems:
        if system.ours and not system.cold and system.command not in done:
            done.add(system.command)
            _measured(bench, job, system, Path(sys.executable), url)


def _python(bench: Bench, environment: str) -> Path | NotInstalled:
    if environment == OURS:
        return Path(sys.executable)
    if bench.smoke:
        lacking = [n for n in NEEDED.get(environment, (environment,)) if not _has(n)]
        if lacking:
            return NotInstalled(f"this environment has no {' and no '.join(lacking)}")
        return Path(sys.executable)
    try:
        return python_of(environment)
    except NotInstalled as error:
        return error


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextlib.contextmanager
def _ready(bench: Bench, job: Job) -> Iterator[str]:
    """Make what a job needs and read its tables once, so that all find them in memory.

    Raises
    ------
    NotReady
        If that fails.
    """
    of = bench.scale
    for table in ("baseline", "window", "log"):
        if table != "log" or job.rows == "log":
            rows = of.log_rows if table == "log" else of.rows
            _module("data", str(bench.data), table, str(rows), str(of.days), str(of.seed))
            _read_through(Path(bench.table(table)))
    orders = bench.orders(job, window=bench.table("window"), log=bench.table("log"))
    for what in job.needs:
        if what != "postgres":
            _clean_up(bench, what)
            _module("prepare", what, str(bench.prepared(what)), json.dumps(orders))
    if "sqlite" in job.needs:
        _read_through(bench.prepared("sqlite"))
    if "postgres" not in job.needs:
        yield ""
        return
    with _server(bench) as url:
        yield url


def _clean_up(bench: Bench, what: str) -> None:
    """Remove what earlier sources had prepared."""
    for folder in bench.data.glob(f"{what}-{bench.scale.key}-*"):
        if folder != bench.prepared(what):
            shutil.rmtree(folder)


def _module(name: str, *arguments: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise NotReady(f"{name} {arguments[0]} failed")


def _read_through(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


@contextlib.contextmanager
def _server(bench: Bench) -> Iterator[str]:
    print("Loading a PostgreSQL", flush=True)
    command = [sys.executable, "-m", "benchmarks.server", bench.table("window")]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise NotReady("the PostgreSQL did not start")
            yield json.loads(line)["url"]
        finally:
            process.stdin.close()


def _right(bench: Bench, job: Job, *, anew: bool) -> bool:
    """Tell whether what was computed is right; looks at it where nobody has, or it was not."""
    if job.check is None:
        return True
    seen = bench.session.checked(job)
    if seen is None or not seen["held"] or anew:
        _check(bench, job, job.check)
        seen = bench.session.checked(job)
    return seen is not None and bool(seen["held"])


def _check(bench: Bench, job: Job, script: str) -> None:
    """Look at what was computed; what the check says is kept with the runs."""
    outputs = {
        system.name: record["output"]
        for system in job.systems
        for record in bench.session.runs(job, system)[-1:]
        if record["status"] == "ok"
    }
    works = {system.name: str(bench.work(job, system)) for system in job.systems}
    orders = bench.data / "check.json"
    orders.write_text(json.dumps(bench.orders(job, outputs=outputs, works=works)), encoding="utf-8")
    found = measure(
        [sys.executable, str(HERE / "systems" / script), str(orders)],
        cwd=ROOT, environ={}, seconds=CHECK_SECONDS,
    )  # fmt: skip
    held = found.error is None and bool(found.output.get("held"))
    said = found.error or found.output.get("says", "")
    print(f"  checked: {'' if held else 'WRONG: '}{said}", flush=True)
    bench.session.check(job, held=held, says=said)
