"""Several processes that read and profile the windows of a span, for one that decides.

Each claims windows as a daemon does, so a process more or less, or one that is killed, changes
nothing but the time it takes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess

from monitor import logs
from monitor.config import Config
from monitor.pipeline import Stopped, prepare, work
from monitor.sources import ended_by, open_log
from monitor.store.engine import open_store
from profiles.windows import Window

STOPPING_S = 10


class Crew:
    """Processes at work on one span."""

    def __init__(self, members: Sequence[BaseProcess]) -> None:
        self._members = members
        for member in members:
            member.start()

    @property
    def working(self) -> bool:
        return any(member.is_alive() for member in self._members)

    def stop(self) -> None:
        """Have what is in work given back, and wait for that."""
        for member in self._members:
            member.terminate()
        for member in self._members:
            member.join(STOPPING_S)
            if member.is_alive():
                member.kill()  # its windows are free when their lease ends
                member.join()


@contextmanager
def at_work(config: Config, name: str, span: Window, *, members: int) -> Iterator[Crew]:
    """Let processes work on a span while the block runs; those that are left then are stopped."""
    # a fork would carry over locks that threads of this process hold
    spawn = multiprocessing.get_context("spawn")
    asked = (config, name, span, os.getpid())
    crew = Crew([spawn.Process(target=_member, args=asked, daemon=True) for _ in range(members)])
    try:
        yield crew
    finally:
        crew.stop()


def _member(config: Config, name: str, span: Window, chief: int) -> None:
    """Read and profile what can be claimed, until there is nothing, a signal, or no chief."""
    logs.set_up()
    stop = threading.Event()
    for caught in (signal.SIGTERM, signal.SIGINT):
        signal.signal(caught, lambda *_: stop.set())

    def stopping() -> bool:
        return stop.is_set() or os.getppid() != chief

    engine = open_store(config.store, upgrade=False)
    with ExitStack() as stack:
        source = stack.enter_context(open_log(config.models[name], config.limits))
        stack.enter_context(contextlib.suppress(Stopped))
        stack.enter_context(ended_by(stopping, source))
        run = prepare(engine, config, name, source, stopping=stopping)
        for _ in work(run, within=span, decides=False):
            pass
    engine.dispose()
