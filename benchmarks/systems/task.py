"""What every measured script needs: what it is asked, its parts, its answer. Standard library only.

A script gets one argument, a JSON object or a file with one: where the data is, the names of the
columns, what was computed before. It prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def _asked(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text if text.startswith("{") else Path(text).read_text())
    return found


ASKED = _asked(sys.argv[1])
_PARTS: list[dict[str, float]] = []


@contextmanager
def part(of: float) -> Iterator[None]:
    """Time what is a part of the whole: `of` such parts would make it up.

    What is outside of all parts (imports, what is fitted once) is counted once.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    _PARTS.append(
        {"of": of, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    )


def answer(**found: Any) -> None:
    """Print what was computed, for the checks."""
    print(json.dumps({"parts": _PARTS, **found}))


def some(names: list[str], step: int) -> list[str]:
    """Return every `step`-th name."""
    return names[::step]
