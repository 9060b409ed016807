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

MAX_NAMES = 1_000
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


class Gathering:
    """Names as they come in, in little memory."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._sampled = False

    def add(self, name: str, rows: int) -> None:
        self._rows[name] = self._rows.get(name, 0) + rows
        if len(self._rows) > 8 * MAX_NAMES:
            found = self.names()
            self._rows, self._sampled = dict(found.rows), found.sampled

    def names(self) -> Names:
        return gather((Names(rows=self._rows, sampled=self._sampled),))


def smallest(names: Iterable[str], most: int) -> set[str]:
    """Return the names, at most so many, whose hashes are smallest."""
    return set(sorted(names, key=hash_of)[:most])


@lru_cache(maxsize=1 << 16)
def hash_of(name: str) -> int:
    """Return 64 evenly spread bits, the same on every machine and for ever."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
