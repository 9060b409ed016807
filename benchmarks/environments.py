"""The peers' environments: one each, every version pinned, made when first asked for."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parent / "environments"
HERE = Path(__file__).parent / ".environments"
OURS = "driftline"  # the environment that the benchmark itself runs in
SECONDS = 1_800  # a slow index; beyond it the system is reported as not installed


class NotInstalled(Exception):
    """The environment of a system cannot be made on this machine."""


def python_of(name: str, *, root: Path = HERE) -> Path:
    """Return the interpreter of an environment, making it if it is not there as pinned.

    Raises
    ------
    NotInstalled
        With the last line of what the installer said.
    """
    if name == OURS:
        return Path(sys.executable)
    pins = PINS / f"{name}.txt"
    wanted = hashlib.blake2b(pins.read_bytes(), digest_size=12).hexdigest()
    folder = root / name
    stamp = folder / ".pins"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"Making the environment of {name}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        root.mkdir(parents=True, exist_ok=True)
        _install(folder, pins)
        stamp.write_text(wanted, encoding="utf-8")
    return folder / "bin" / "python"


def _install(folder: Path, pins: Path) -> None:
    """Install exactly what is pinned; the pins are whole, so nothing is resolved."""
    python = str(folder / "bin" / "python")
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        _run(uv, "venv", "-q", "--python", sys.executable, str(folder))
        install = [uv, "pip", "install", "-q", "--python", python, "--compile-bytecode"]
    else:
        _run(sys.executable, "-m", "venv", str(folder))
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _run(*install, "--no-deps", "-r", str(pins))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{type(error).__name__} while installing") from error
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise NotInstalled(said[-1].strip() if said else f"exit code {done.returncode}")
