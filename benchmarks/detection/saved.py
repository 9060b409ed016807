"""What has been counted so far: a line of JSON for each part of each model, appended as it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Saved:
    """The lines of one size of models, a file for each system and arm."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, line: Line) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._path(line["system"], line["arm"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def lines(self, system: str, arm: str) -> Iterator[Line]:
        """Give what was saved; a line that was cut off by a stop is left out, and taken away."""
        path = self._path(system, arm)
        if not path.exists():
            return
        with path.open("r+", encoding="utf-8", newline="\n") as file:
            whole = 0
            while line := file.readline():
                if not line.endswith("\n"):
                    file.truncate(whole)
                    return
                whole = file.tell()
                yield json.loads(line)

    def done(self, system: str, arm: str) -> set[tuple[int, str]]:
        """Return seed and part of what was saved."""
        return {(line["seed"], line["part"]) for line in self.lines(system, arm)}

    def _path(self, system: str, arm: str) -> Path:
        return self._folder / f"{system} {arm}.jsonl".lower().replace(" ", "-")
