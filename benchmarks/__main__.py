"""Run the jobs: make what they need, measure everybody in turn, write what came of it.

    python -m benchmarks --size full --only J1,J3

Run again after an interruption, it goes on where it stopped. This process stays small, because the
memory of what it measures would begin at its own; everything large is done by others.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import report
from benchmarks.jobs import JOBS, Job
from benchmarks.running import Bench, do
from benchmarks.scale import scale
from benchmarks.session import HERE, ROOT, Session


def main() -> int:
    asked = _arguments()
    of = scale(
        asked.size, rows=asked.rows, log_rows=asked.log_rows, days=asked.days, seed=asked.seed
    )
    jobs = _picked(asked.only, asked.systems)
    data = asked.data.resolve()
    session = Session(data, of)
    if asked.fresh:
        session.forget(jobs)
    runs = asked.runs or (5 if of.name == "full" else 2)
    bench = Bench(scale=of, data=data, session=session, runs=runs, smoke=asked.smoke)
    held = [do(bench, job) for job in jobs]
    out, docs = asked.out or data / f"results-{of.key}", asked.docs
    if of == scale("full") and asked.out is None:  # what is committed
        out, docs = HERE / "results", docs or ROOT / "docs" / "benchmarks.md"
    report.write(out, jobs, session, of, docs=docs)
    if all(held):
        session.forget(jobs)
        return 0
    print("Not everything was measured or held; the same command tries it again", file=sys.stderr)
    return 1


def _picked(only: str | None, systems: str | None) -> list[Job]:
    known = {job.id: job for job in JOBS}
    wanted = [name for name in (only or "").split(",") if name] or list(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise SystemExit(f"--only {', '.join(unknown)}: there are {', '.join(known)}")
    jobs = [known[name] for name in known if name in wanted]
    if systems is None:
        return jobs
    of = tuple(systems.split(","))
    return [
        replace(job, systems=tuple(s for s in job.systems if s.name.startswith(of))) for job in jobs
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--only", help="jobs, such as J1,J3; default: all")
    parser.add_argument("--systems", help="how the names of those begin that are run; default: all")
    parser.add_argument("--rows", type=int, help="of the baseline and the window")
    parser.add_argument("--log-rows", type=int, help="of the log")
    parser.add_argument("--days", type=int, help="that each spans")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--runs", type=int, help="of each system, at most what the job sets")
    parser.add_argument("--fresh", action="store_true", help="do not go on with an earlier run")
    parser.add_argument("--smoke", action="store_true", help="no timing: peers from here only")
    parser.add_argument("--data", type=Path, default=HERE / ".data")
    parser.add_argument("--out", type=Path, help="where results go")
    parser.add_argument("--docs", type=Path, help="a page to put the tables into")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped; the same command goes on from here")
