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
        Counts of one window along one dimension; with more bins fewer cohorts are kept.
    """

    columns: int = COLUMNS
    cohorts: int = COHORTS_KNOWN
    categories: int = CATEGORIES_KNOWN
    cells: int = 1 << 25

    def known_cohorts(self, bins: int) -> int:
        """Return how many cohorts of a dimension are known, where each has so many bins.

        >>> Limits().known_cohorts(10_000), Limits().known_cohorts(100_000)
        (1000, 304)
        """
        return max(1, min(self.cohorts, self._fitting(bins) * 10 // 11))

    def new_cohorts(self, bins: int) -> int:
        """Return how many others have a group of their own in a window."""
        return max(1, min(COHORTS_NEW, self._fitting(bins) // 11))

    def _fitting(self, bins: int) -> int:
        return self.cells // max(1, bins)


USUAL = Limits()
