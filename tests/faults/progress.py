"""What a long proof has done so far: killed and started again, it goes on from there."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any


class Progress:
    """A few numbers of one proof, kept in a file; the time that it took is one of them."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self._path = path
        if fresh:
            path.unlink(missing_ok=True)
        self._values: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self._since = time.monotonic()

    def __getitem__(self, name: str) -> Any:
        return self._values.get(name, 0)

    @property
    def folder(self) -> Path:
        """A folder beside the file, for what is larger than numbers."""
        folder = self._path.with_suffix("")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def save(self, **values: Any) -> None:
        now = time.monotonic()
        seconds = self["seconds"] + now - self._since
        self._since = now
        self._values |= {**values, "seconds": seconds}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self._values))
        beside.replace(self._path)
