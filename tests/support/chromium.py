"""Where the browser of the acceptance tests is; run as a script it prints the path or fails."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


def chromium_path() -> str:
    """Return a Chromium that starts: the system's, else Playwright's own.

    Raises
    ------
    FileNotFoundError
        If there is none. A missing browser fails the tests, it never skips them.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path and _starts(path):
            return path
    own = _playwrights_own()
    if own and _starts(own):
        return own
    raise FileNotFoundError("no Chromium on this machine; `make test` installs one")


def _starts(path: str) -> bool:
    """Ubuntu ships a `chromium-browser` that only tells people to install a snap: ask it."""
    try:
        asked = subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


if __name__ == "__main__":
    try:
        sys.stdout.write(chromium_path() + "\n")
    except FileNotFoundError as missing:
        sys.exit(str(missing))
