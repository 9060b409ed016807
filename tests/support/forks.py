"""Processes that begin warm: forks of a server that has imported and done everything once.

The server is a process of its own and has one thread when it forks; what runs in the child is a
process like any other, which can be killed, stopped and woken.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

WARMED = "tests.support.warm"  # what it does once, it does as it is imported

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([WARMED])


def fork(work: Callable[..., Any], /, *args: Any, words: Path, **more: Any) -> ForkServerProcess:
    """Begin a process that calls `work` and writes what it says, on either stream, to a file."""
    process = _context.Process(target=_begin, args=(work, args, more, str(words)), daemon=True)
    process.start()
    return process


def ended(process: ForkServerProcess, *, within_s: float) -> int:
    """Wait for a process; return its exit code, negative for the signal that ended it."""
    process.join(within_s)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
        raise AssertionError(f"process {process.pid} did not end within {within_s:g} s")
    process.close()
    return code


def _begin(
    work: Callable[..., Any], args: tuple[Any, ...], more: dict[str, Any], words: str
) -> None:
    file = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    work(*args, **more)
