"""The daemon and the dashboard beside each other, as two processes that end together."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import IO

from rich.console import Console

from monitor.config import Config
from monitor.errors import ConfigError, MonitorError

STARTING_S = 60
STOPPING_S = 15


@contextmanager
def stopping_by_signal() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM and SIGINT end the window in work instead of the process."""
    stop = threading.Event()
    before = {s: signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop.is_set
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)


def run_together(
    console: Console, settings: Config, *, config: Path, environ: Mapping[str, str]
) -> int:
    """Run both until one ends or we are told to stop; return the exit code.

    Parameters
    ----------
    config
        The file that both read. The daemon's log goes to `daemon.log` in its folder.
    environ
        The environment of both.

    Raises
    ------
    MonitorError
        If the dashboard does not answer in time.
    """
    log_file = config.with_name("daemon.log")
    with ExitStack() as stack:
        stopping = stack.enter_context(stopping_by_signal())
        log = stack.enter_context(log_file.open("ab"))
        daemon = _child("run", config, environ, stderr=log)
        stack.callback(_end, daemon)
        dashboard = _child("web", config, environ, stderr=None)
        stack.callback(_end, dashboard)
        start, told, pause = perf_counter(), False, threading.Event()
        while not stopping() and daemon.poll() is None and dashboard.poll() is None:
            if not told and _answers(f"{settings.web.address}/healthz"):
                console.print(f"\n[b]{settings.web.address}[/b]   (Ctrl-C ends it)")
                told = True
            elif not told and perf_counter() - start > STARTING_S:
                raise MonitorError(f"the dashboard did not answer within {STARTING_S} s")
            pause.wait(0.2)
        if stopping():
            return 0
        if daemon.poll() is not None:
            console.print(f"The daemon has ended; its last words are in {log_file}.")
        return daemon.poll() or dashboard.poll() or 1


def _child(
    command: str, config: Path, environ: Mapping[str, str], *, stderr: IO[bytes] | None
) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-c", "from monitor.cli import main; main()"]
    return subprocess.Popen(  # noqa: S603 - our own program
        [*program, command, "--config", str(config)],
        env=dict(environ),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(STOPPING_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - our own dashboard
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def need_free(*ports: int) -> None:
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise ConfigError(
                    f"port {port} of 127.0.0.1 is taken; choose another with --port"
                ) from None
