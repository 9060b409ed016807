"""Numbers that are too many for memory, sorted away to a file that nobody else sees."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import IO

import numpy as np

from profiles.hashing import Words

PARTS = 64  # of the numbers by their first bits; one at a time is in memory


class Spill:
    """Sorted runs of numbers in a temporary file, read part by part."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._runs: list[tuple[int, list[int]]] = []  # where each begins, and its parts in it
        self._bounds = np.arange(PARTS, dtype=np.uint64) << np.uint64(58)

    def put(self, ordered: Words) -> None:
        """Write a run, sorted."""
        if self._file is None:
            self._file = TemporaryFile(prefix="driftline-")  # noqa: SIM115 - until `close`
        start = self._file.seek(0, 2)
        ordered.tofile(self._file)
        self._file.flush()
        ends = [*np.searchsorted(ordered, self._bounds).tolist(), len(ordered)]
        self._runs.append((start, ends))

    def part(self, at: int) -> Words:
        """Return the numbers of one part, of all runs."""
        if self._file is None:
            return np.zeros(0, np.uint64)
        found = []
        for start, ends in self._runs:
            self._file.seek(start + 8 * ends[at])
            read = self._file.read(8 * (ends[at + 1] - ends[at]))
            found.append(np.frombuffer(read, np.uint64))
        return np.concatenate(found)

    @property
    def filled(self) -> bool:
        return bool(self._runs)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._runs = None, []
