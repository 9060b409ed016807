"""One number a day: which points of a sweep are tried, and what is drawn at random."""

from __future__ import annotations

import os
from datetime import UTC, datetime


def seed() -> int:
    """Return the number of the day, or what FAULTS_SEED says; tell it, so that it can be repeated.

    What a test prints is shown where it fails.
    """
    drawn = int(os.environ.get("FAULTS_SEED") or datetime.now(UTC).toordinal())
    print(f"to repeat this: FAULTS_SEED={drawn}")  # noqa: T201
    return drawn
