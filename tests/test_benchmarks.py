"""The benchmark runs end to end on a little data; nothing is timed here."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.detection.rules import RULES
from benchmarks.environments import OURS, PINS
from benchmarks.jobs import JOBS
from benchmarks.measure import measure
from benchmarks.results import SPEED, Results, Run
from benchmarks.scale import scale
from benchmarks.session import Session, run_key

ROOT = Path(__file__).parents[1]
PAGE = "# Speed\n\n<!-- bench -->\n<!-- /bench -->\n\nThe end.\n"
PICKED = ("J1", "J2", "J3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of ours and of the peers that happen to be installed here."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "page.md").write_text(PAGE, encoding="utf-8")
    command = (
        f"-m benchmarks --size small --smoke --runs 1 --only {','.join(PICKED)} "
        f"--rows 3000 --log-rows 4000 --days 2 --seed 5 "
        f"--data {folder / 'data'} --out {folder / 'out'} --docs {folder / 'page.md'}"
    )
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_system_has_a_line_of_figures_or_the_reason_why_not(folder: Path) -> None:
    measured = {(row["job"], row["system"]) for row in rows(folder / "out" / "speed.csv")}
    runs = rows(folder / "out" / "speed_runs.csv")
    missing = {(row["job"], row["system"]) for row in runs if row["status"] == "not installed"}

    wanted = {
        (job.id, system.name)
        for job in JOBS
        for system in job.systems
        if job.id in PICKED and not system.cold
    }
    assert measured | missing == wanted
    assert {system for _, system in measured} >= {"Driftline", "SciPy loop", "pandas describe"}
    assert all(row["note"] for row in runs if row["status"] == "not installed")


def test_the_table_has_the_columns_that_others_read(folder: Path) -> None:
    found = rows(folder / "out" / "speed.csv")

    assert tuple(found[0]) == SPEED
    for row in found:
        assert float(row["wall_s"]) > 0
        assert float(row["cpu_s"]) > 0
        assert float(row["rss_mb"]) > 20
        assert float(row["extrapolated"]) >= 1


def test_what_was_computed_is_right(folder: Path) -> None:
    about = json.loads((folder / "out" / "speed.json").read_text(encoding="utf-8"))

    assert set(about["checks"]) == set(PICKED)
    assert all(check["held"] for check in about["checks"].values()), about["checks"]
    assert about["size"] == {"rows": 3_000, "log_rows": 4_000, "days": 2, "seed": 5}


def test_there_is_a_plot_of_every_job_and_a_table_between_the_marks(folder: Path) -> None:
    page = (folder / "page.md").read_text(encoding="utf-8")

    assert page.endswith("<!-- /bench -->\n\nThe end.\n")
    for job in PICKED:
        assert f"### {job}: " in page
        drawn = ElementTree.parse(folder / "out" / f"{job}.svg").getroot()
        assert any("Driftline" in text for text in drawn.itertext())


def test_each_peer_is_pinned_to_the_last_package() -> None:
    peers = {system.environment for job in JOBS for system in job.systems} - {OURS}
    peers |= {tool.lower() for tool in RULES}
    assert {path.stem for path in PINS.glob("*.txt")} == peers
    for path in PINS.glob("*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert all("==" in line for line in lines if not line.startswith("#")), path


def test_a_process_is_measured_with_its_children(tmp_path: Path) -> None:
    burn = "sum(i * i for i in range(2_000_000))"
    child = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print('{{}}')"
    )
    alone = measure([sys.executable, "-c", burn], cwd=tmp_path, environ={}, seconds=60)
    both = measure([sys.executable, "-c", child], cwd=tmp_path, environ={}, seconds=60)

    assert alone.error is None
    assert both.cpu_s > 0.6 * alone.cpu_s > 0


def test_a_process_that_fails_or_hangs_says_so(tmp_path: Path) -> None:
    failed = measure([sys.executable, "-c", "raise ValueError('no such table')"],
                     cwd=tmp_path, environ={}, seconds=60)  # fmt: skip
    hung = measure([sys.executable, "-c", "input() if 0 else __import__('time').sleep(60)"],
                   cwd=tmp_path, environ={}, seconds=0.5)  # fmt: skip

    assert failed.error == "exit code 1: ValueError: no such table"
    assert hung.error is not None
    assert "longer than" in hung.error


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    job, of = JOBS[0], scale("small")
    ours, peer = job.systems[1], job.systems[3]
    session = Session(tmp_path, of)
    for system, status in ((ours, "ok"), (peer, "failed")):
        key = run_key(system)
        session.add({"job": job.id, "system": system.name, "run": 0, "key": key, "status": status})
    path = next(tmp_path.glob("runs-*.jsonl"))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"job": "J1", "sys')  # cut off

    again = Session(tmp_path, of)

    assert again.has(job, ours, 0)
    assert not again.has(job, ours, 1)
    assert not again.has(job, peer, 0), "what failed is tried again"


def test_a_run_of_another_program_or_another_day_does_not_count(tmp_path: Path) -> None:
    job, of = JOBS[0], scale("small")
    system = job.systems[1]
    session = Session(tmp_path, of)
    run = {"job": job.id, "system": system.name, "run": 0, "status": "ok"}
    session.add({**run, "key": "another"})
    assert not session.has(job, system, 0)

    session.add({**run, "key": run_key(system)})
    assert session.has(job, system, 0)
    (path,) = tmp_path.glob("runs-*.jsonl")
    yesterday = path.stat().st_mtime - 86_400
    os.utime(path, (yesterday, yesterday))
    assert not Session(tmp_path, of).has(job, system, 0)


def test_a_ratio_is_of_medians_and_ranges_over_the_rounds() -> None:
    def run(system: str, number: int, cpu: float) -> Run:
        return Run(job="J1", system=system, run=number, status="ok", cpu_s=cpu, whole_cpu_s=cpu)

    rounds = [(1.0, 10.0), (1.2, 10.0), (3.0, 25.0)]  # the machine was slow in the last
    results = Results(
        run(system, number, cpu)
        for number, pair in enumerate(rounds)
        for system, cpu in zip(("a", "b"), pair, strict=True)
    )

    found = results.ratio("J1", "a", "b", "whole_cpu_s")
    assert (found.value, found.low, found.high) == pytest.approx((0.12, 0.10, 0.12))
    assert results.extrapolated("J1", "a") == 1
