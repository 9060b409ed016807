"""`monitor web` as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.store import DemoStore

MONITOR = (sys.executable, "-c", "from monitor.cli import main; main()", "web")


def test_it_prints_its_link_and_ends_with_0_when_told_to(demo_store: DemoStore) -> None:
    port = _free_port()
    with _started(demo_store.config_path, "--port", str(port)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Driftline: http://127.0.0.1:{port}\n"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_it_does_not_open_to_others_without_a_password(demo_store: DemoStore) -> None:
    with _started(demo_store.config_path, "--host", "0.0.0.0") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(errors.strip().splitlines()) == 1
    assert "web.password must be set" in errors


def test_a_port_in_use_is_one_clear_line(demo_store: DemoStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with _started(demo_store.config_path, "--port", str(port)) as process:
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in errors.strip().splitlines()[-1]


def _started(config: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*MONITOR, "--config", str(config), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
