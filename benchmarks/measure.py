"""One process, measured whole: wall time, CPU of all its threads and children, peak memory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUIET = {  # the peers' counters of users; a benchmark is no user
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "WHYLOGS_NO_ANALYTICS": "True",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a process took.

    Attributes
    ----------
    wall_s, cpu_s : float
        From its start to its end, imports included; user and system time of all its threads and
        of the children it waited for.
    rss_mb : float
        Peak resident memory in 10⁶ bytes, of the largest process where it had children.
    load : float
        The machine's load over the last minute before it began.
    output : mapping
        The JSON of its last line.
    error : str or None
        Why it failed.
    """

    wall_s: float
    cpu_s: float
    rss_mb: float
    load: float
    output: Mapping[str, Any]
    error: str | None = None


def measure(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], seconds: float
) -> Measured:
    """Run a command to its end and say what it took.

    The caller has to be small: a child's peak memory begins at that of the process it came from.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env={**os.environ, **QUIET, **environ}, stdin=subprocess.DEVNULL,
            stdout=out, stderr=err, start_new_session=True,
        )  # fmt: skip
        with _killed_after(process.pid, seconds) as late:
            _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said, complained = out.read(), err.read()
    output, error = _last_json(said), None
    if late.is_set():
        error = f"it took longer than {seconds:.0f} s"
    elif process.returncode:
        error = f"exit code {process.returncode}: {_last_line(complained) or _last_line(said)}"
    return Measured(
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime,
        rss_mb=usage.ru_maxrss * 1_024 / 1e6,
        load=load,
        output=output,
        error=error,
    )


@contextlib.contextmanager
def _killed_after(pid: int, seconds: float) -> Iterator[threading.Event]:
    late = threading.Event()

    def kill() -> None:
        late.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield late
    except BaseException:  # interrupted: what was started ends too
        kill()
        raise
    finally:
        timer.cancel()


def _last_json(text: str) -> dict[str, Any]:
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return found
    return {}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
