"""The names that a column or a cohort takes: all of them while they are few, then a fair sample.

A sample holds the names whose hashes are smallest. Which they are does not depend on the order or
the split in which names came, every name in it was in it from its first row on, so its rows are
exact, and how small the hashes are tells how many names there are [1]_.

References
----------
.. [1] Z. Bar-Yossef et al., "Counting Distinct Elements in a Data Stream", RANDOM 2002; K. Beyer et
   al., "On Synopses for Distinct-Value Estimation Under Multiset Operations", SIGMOD 2007.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from profiles.limits import NAMES_OF_A_WINDOW

MAX_NAMES = NAMES_OF_A_WINDOW
NUMBERED = 10_000  # names that are numbered at once
_HASHES = float(1 << 64)


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names and the rows of each.

    Attributes
    ----------
    rows : mapping from name to int
        Sorted by name; at most 1,000, then those with the smallest hashes.
    sampled : bool
        Whether names were left out.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    sampled: bool = False

    @property
    def distinct(self) -> float:
        """How many names there are: exact unless `sampled`, then within some 3 % (1 in √1,000)."""
        if not self.sampled:
            return float(len(self.rows))
        return (len(self.rows) - 1) * _HASHES / max(map(hash_of, self.rows))


def gather(parts: Iterable[Names]) -> Names:
    """Add names; the outcome is the same in any order."""
    total: dict[str, int] = {}
    sampled = False
    for part in parts:
        sampled |= part.sampled
        for name, rows in part.rows.items():
            total[name] = total.get(name, 0) + rows
    if len(total) <= MAX_NAMES and not sampled:
        return Names(rows=dict(sorted(total.items())))
    kept = smallest(total, MAX_NAMES)
    return Names(
        rows={name: total[name] for name in sorted(kept)},
        sampled=sampled or len(kept) < len(total),
    )


class NamesByWindow:
    """Names as they come in, with the rows of each in each window, in little memory.

    Names are numbered as they are met, so that rows are counted without looking at names.

    Parameters
    ----------
    windows : int
    """

    def __init__(self, windows: int) -> None:
        self._number: dict[str, int] = {}
        self._rows = np.zeros((windows, 0), np.int64)
        self._order: _Order | None = None
        self._before = [Names() for _ in range(windows)]

    def numbers(self, names: Iterable[str]) -> list[int]:
        """Return a number for each name, which holds until the next call."""
        if len(self._number) > NUMBERED:
            self._before = [self.of(window) for window in range(len(self._rows))]
            self._number.clear()
            self._rows = self._rows[:, :0]
        self._order = None
        number = self._number
        return [number.setdefault(name, len(number)) for name in names]

    def add(self, numbers: npt.NDArray[np.int64], window: npt.NDArray[np.int64]) -> None:
        """Count rows [n], each with the number of its name and its window."""
        windows, wide = self._rows.shape
        if wide < len(self._number):
            wide = len(self._number)
            self._rows = np.pad(self._rows, ((0, 0), (0, wide - self._rows.shape[1])))
        counts = np.bincount(window * wide + numbers, minlength=windows * wide)
        self._rows += counts.reshape(windows, wide)

    def of(self, window: int) -> Names:
        """Return the names of one window."""
        before, rows = self._before[window], self._rows[window]
        if self._order is None:
            self._order = _Order(list(self._number))
        order, present = self._order, np.flatnonzero(rows)
        sampled = len(present) > MAX_NAMES
        if sampled:
            present = present[np.argsort(order.hashes[present])[:MAX_NAMES]]
        kept = present[np.argsort(order.ranks[present])].tolist()
        found = Names(rows={order.names[at]: int(rows[at]) for at in kept}, sampled=sampled)
        return gather((before, found)) if before.rows else found


class _Order:
    """Where names stand among each other [k], by their hash and by the alphabet."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.hashes = np.array(list(map(hash_of, names)), np.uint64)
        self.ranks = np.empty(len(names), np.int64)
        self.ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))


def smallest(names: Iterable[str], most: int) -> set[str]:
    """Return the names, at most so many, whose hashes are smallest."""
    return set(sorted(names, key=hash_of)[:most])


@lru_cache(maxsize=1 << 16)
def hash_of(name: str) -> int:
    """Return 64 evenly spread bits, the same on every machine and for ever."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
