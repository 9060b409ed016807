"""How much is kept of what comes: of names, cohorts and columns, all in one place.

What is beyond a limit is counted together, never lost: bins sum to the rows in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CATEGORIES_WITH_A_BIN = 256
CATEGORIES_KNOWN = 50_000
NAMES_OF_A_WINDOW = 1_000  # outside the bins; the same everywhere, so that windows can be added
COHORTS_KNOWN = 1_000
COHORTS_NEW = 100  # in a window, that the baseline does not know
COLUMNS = 2_000

ROW_TOO_LARGE = "row_too_large"  # why a row is rejected

Cut = Mapping[str, Mapping[str, int]]  # limit → column or dimension → rows beyond it


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a baseline keeps of its rows, and so what its windows are counted on.

    Attributes
    ----------
    columns : int
        That are watched.
    cohorts : int
        Of each dimension, the largest.
    categories : int
        Of each column that are known by name beside those with a bin, the most frequent ones.
    cells : int
        Counts of one window: columns of many bins leave room for fewer cohorts.
    streams : int
        Columns times cohorts of all dimensions: of each the past is kept, some 30 kB.
    sample : int
        Bytes of the rows that are held to make the grids of.
    """

    columns: int = COLUMNS
    cohorts: int = COHORTS_KNOWN
    categories: int = CATEGORIES_KNOWN
    cells: int = 1 << 23
    streams: int = 1 << 14
    sample: int = 1 << 27

    def known_cohorts(self, *, columns: int, bins: int, dimensions: int) -> int:
        """Return how many cohorts of each dimension are known.

        Parameters
        ----------
        columns, bins, dimensions : int
            That are watched, and the bins of all columns together.

        >>> Limits().known_cohorts(columns=10, bins=2_000, dimensions=1)
        1000
        >>> Limits().known_cohorts(columns=1_000, bins=200_000, dimensions=2)
        8
        """
        streams = self.streams // max(1, columns)
        fitting = min(streams, self.cells // max(1, bins) * 10 // 11)
        return max(1, min(self.cohorts, fitting // max(1, dimensions)))

    def new_cohorts(self, *, bins: int, dimensions: int) -> int:
        """Return how many others of each dimension have a group of their own in a window."""
        fitting = self.cells // max(1, bins) // 11 // max(1, dimensions)
        return max(1, min(COHORTS_NEW, fitting))


USUAL = Limits()
