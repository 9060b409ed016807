"""The commands of the README, run as they stand there in a fresh folder with a small log."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = r"<!-- {mark} -->\n```sh\n(.*?)```"


def blocks(mark: str) -> list[str]:
    return re.findall(BLOCK.format(mark=mark), README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `log.db`, as the README has it: ten days of forty predictions an hour."""
    folder = tmp_path_factory.mktemp("readme")
    draw = np.random.default_rng(7)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    with closing(sqlite3.connect(folder / "log.db")) as log, log:
        log.execute(
            "CREATE TABLE predictions (prediction_id TEXT PRIMARY KEY, event_time TEXT NOT NULL,"
            " model_version TEXT, score REAL, features TEXT)"
        )
        log.execute("CREATE INDEX by_time ON predictions (event_time)")
        for n in range(10 * 24 * 40):
            at = start + timedelta(seconds=90 * n)
            features = {
                "amount": round(float(draw.lognormal(3, 1)), 2),
                "country": str(draw.choice(["DE", "FR", "PL"], p=[0.5, 0.3, 0.2])),
            }
            score = round(float(draw.beta(2, 5)), 4)
            row = (f"p{n:06}", f"{at:%Y-%m-%dT%H:%M:%SZ}", "v1", score, json.dumps(features))
            log.execute("INSERT INTO predictions VALUES (?, ?, ?, ?, ?)", row)
    return folder


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with the `monitor` of this tree, on ports that are free."""
    program = tmp_path_factory.mktemp("bin") / "monitor"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "from monitor.cli import main; main()" "$@"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DRIFTLINE_WEB__PORT": str(free_port()),
        "DRIFTLINE_DAEMON__PORT": str(free_port()),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, environ: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        yield
        process.terminate()
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
    finally:
        process.kill()
        process.communicate()


def wait_for(url: str, seconds: float = 60) -> int:
    pause, end = threading.Event(), time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return int(answer.status)
        except OSError:
            if time.monotonic() > end:
                raise
            pause.wait(0.1)


def test_the_readme_has_the_whole_way_from_a_table_to_a_dashboard() -> None:
    said = " ".join([*blocks("run"), *blocks("serve")])
    commands = re.findall(r"^monitor (\w+)", said.replace(" monitor", "\nmonitor"), flags=re.M)
    assert commands == [
        "init", "check", "backfill", "status", "incidents", "calibrate", "drift", "run",
        "web",
    ]  # fmt: skip


def test_its_commands_do_what_it_says(folder: Path, environ: dict[str, str]) -> None:
    for block in blocks("run"):
        done = subprocess.run(
            ["sh", "-eu", "-c", block],
            cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"

    records = [json.loads(line) for line in (folder / "drift.jsonl").read_text().splitlines()]
    assert {record["column"] for record in records} >= {"score", "amount", "country"}

    host = "http://127.0.0.1"
    (serve,) = blocks("serve")
    daemon, dashboard = (line.split() for line in serve.splitlines())
    with running(daemon, folder, environ), running(dashboard, folder, environ):
        assert wait_for(f"{host}:{environ['DRIFTLINE_WEB__PORT']}/healthz") == 200
        assert wait_for(f"{host}:{environ['DRIFTLINE_DAEMON__PORT']}/healthz") == 200
        assert wait_for(f"{host}:{environ['DRIFTLINE_DAEMON__PORT']}/metrics") == 200
        assert wait_for(f"{host}:{environ['DRIFTLINE_WEB__PORT']}/") == 200
