"""Order statistics of many values, exact, without sorting all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from profiles.kernel import kernel
from profiles.kernel.cells import cells

Floats = npt.NDArray[np.float64]

SORTED = 1 << 15  # so many values are sorted whole
_PARTS = 2_048


def distinct(values: Floats, most: int) -> Floats | None:
    """Return the different values, sorted; None where there are more than `most`."""
    some = np.unique(values[:: max(1, len(values) // SORTED)])
    if len(some) > most:
        return None
    every = np.unique(values)
    return every if len(every) <= most else None


def ranked(values: Floats, ranks: npt.NDArray[np.integer], heavy: float) -> tuple[Floats, Floats]:
    """Return the values at some ranks, and those that occur at least `heavy` times, sorted.

    The line is cut at quantiles of a sample, the values are counted in its parts, and only the
    parts that hold a rank or might hold a heavy value are sorted. The sample decides how much that
    is, never what comes out.

    Parameters
    ----------
    values : float64 [n]
        Finite, n ≥ 1.
    ranks : int [k]
        From 0, the smallest value, to n − 1.
    """
    if len(values) <= SORTED:
        ordered = np.sort(values)
        return ordered[ranks], _repeated(ordered, heavy)
    sample = np.sort(values[:: len(values) // SORTED])
    cuts = np.unique(sample[:: len(sample) // _PARTS])
    part = kernel().bins(values, cells(cuts), len(cuts) + 1)
    sizes = np.bincount(part, minlength=len(cuts) + 1)
    ends = np.cumsum(sizes)
    of_rank = np.searchsorted(ends, ranks, side="right")
    wanted = sizes >= heavy
    wanted[of_rank] = True
    ordered = np.sort(values[wanted[part]])  # parts are intervals, so each stays together
    skipped = np.cumsum(np.where(wanted, 0, sizes))  # before each wanted part
    return ordered[ranks - skipped[of_rank]], _repeated(ordered, heavy)


def _repeated(ordered: Floats, times: float) -> Floats:
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    counts = np.diff(np.append(starts, len(ordered)))
    found: Floats = ordered[starts[counts >= times]]
    return found
