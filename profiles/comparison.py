"""A column of a window against the same column of the baseline: every distance of the field.

Missing values, infinities and values of the wrong type stand outside: they are counted and watched
by themselves, so that a distance speaks of the values that are there.

- KS and Wasserstein read the fine bins of a numeric grid.
- PSI, Jensen–Shannon, Hellinger, total variation, L∞ and χ² read about ten coarse bins of a numeric
  grid (equal mass in the baseline, heavy values alone), because on two hundred bins a window of
  some hundred rows shows mostly its own noise.
- On a categorical grid all read its bins as they are, *other known* and *unseen* included. KS and
  Wasserstein need an order and are NaN there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt

from profiles import distances
from profiles.distances import Distance, Statistic
from profiles.errors import GridMismatch, UnknownStatistic
from profiles.grids import Grid, NumericGrid

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
ORDERED: tuple[Statistic, ...] = ("ks", "wasserstein")

_BINWISE = {
    "psi": distances.population_stability_index,
    "js": distances.jensen_shannon,
    "hellinger": distances.hellinger,
    "tv": distances.total_variation,
    "linf": distances.l_infinity,
    "chi2": distances.chi_square,
}


def compare(
    grid: Grid, window: Ints, baseline: Ints, statistics: Sequence[Statistic] = STATISTICS
) -> dict[Statistic, Distance]:
    """Take distances between counts on one grid.

    Parameters
    ----------
    grid : Grid
    window, baseline : int [..., B]
        Counts on the grid, special bins included; broadcast against each other.
    statistics : sequence of str
        Which distances; all by default.

    Returns
    -------
    dict from name to Distance [...]

    Raises
    ------
    GridMismatch
        If there are more or fewer counts than the grid has bins.
    UnknownStatistic
        If a name is none of ks, psi, js, hellinger, wasserstein, tv, linf, chi2.
    """
    if not window.shape[-1] == baseline.shape[-1] == grid.bins:
        raise GridMismatch(
            f"counts in {window.shape[-1]} and {baseline.shape[-1]} bins cannot be compared on a "
            f"grid of {grid.bins}; count both on one grid"
        )
    x, y = window[..., : grid.values], baseline[..., : grid.values]
    coarse = (coarsen(grid, x), coarsen(grid, y)) if isinstance(grid, NumericGrid) else (x, y)
    found: dict[Statistic, Distance] = {}
    for name in statistics:
        if name in _BINWISE:
            found[name] = _BINWISE[name](*coarse)
        elif name not in ORDERED:
            raise UnknownStatistic(f"{name!r} is no distance; there are {', '.join(STATISTICS)}")
        elif not isinstance(grid, NumericGrid):
            shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
            found[name] = Distance(distance=np.full(shape, np.nan))
        elif name == "ks":
            found[name] = distances.kolmogorov_smirnov(x, y)
        else:
            found[name] = distances.wasserstein(x, y, grid.centres)
    return found


def coarsen(grid: NumericGrid, counts: Ints) -> Ints:
    """Add fine value bins [..., k + 1] into the grid's coarse bins [..., C]."""
    starts = np.flatnonzero(np.diff(grid.coarse, prepend=-1))
    return np.add.reduceat(counts, starts, axis=-1)


def present(grid: Grid, counts: Ints) -> Ints:
    """Return the rows [...] that hold a value of the right type."""
    rows: Ints = counts[..., : grid.values].sum(axis=-1)
    return rows


def largest_bin(grid: Grid, counts: Ints) -> Floats:
    """Return the share [...] of the values in the fullest bin that hides an order within it.

    The binned KS misses at most this share (of the fuller side). 0 where every bin is one value.
    """
    x = counts[..., : grid.values]
    if not isinstance(grid, NumericGrid):
        return np.zeros(x.shape[:-1])
    total = np.maximum(x.sum(axis=-1), 1)
    share: Floats = np.where(grid.single, 0, x).max(axis=-1) / total
    return share


def quantiles(grid: NumericGrid, counts: Ints, at: Sequence[float]) -> Floats:
    """Read quantiles [Q, ...] off the bins, linear within a bin; NaN where there are no values.

    A value of its own is exact. In an open end bin the edge is returned. 0 and 1 give the bounds of
    the first and the last bin that hold rows.
    """
    x = counts[..., : grid.values]
    total = x.sum(axis=-1)
    cumulative = np.cumsum(x, axis=-1)
    left = np.concatenate((grid.edges[:1], grid.edges))
    right = np.concatenate((grid.edges, grid.edges[-1:]))
    occupied = (cumulative == 0).sum(axis=-1)
    found = []
    for share in at:
        target = share * total
        bins = np.maximum((cumulative < target[..., None]).sum(axis=-1), occupied)
        bins = np.minimum(bins, grid.values - 1)
        inside = np.take_along_axis(x, bins[..., None], -1)[..., 0]
        before = np.take_along_axis(cumulative, bins[..., None], -1)[..., 0] - inside
        part = np.clip((target - before) / np.maximum(inside, 1), 0, 1)
        part = np.where(grid.single[bins], 0.0, part)
        value = left[bins] * (1 - part) + right[bins] * part
        found.append(np.where(total > 0, value, np.nan))
    return np.array(found)


def share_at_or_above(grid: NumericGrid, counts: Ints, value: float) -> Floats:
    """Return the share [...] of the values at or above `value`; NaN where there are none.

    Linear within the bin that `value` cuts, exact where it lies on an edge.
    """
    x = counts[..., : grid.values]
    total = x.sum(axis=-1)
    cut = int(np.searchsorted(grid.edges, value, side="right"))
    above = x[..., cut + 1 :].sum(axis=-1)
    part = 1.0
    if 0 < cut < len(grid.edges) and not grid.single[cut]:
        left, right = grid.edges[cut - 1], grid.edges[cut]
        part = float((right / 2 - value / 2) / (right / 2 - left / 2))  # a gap may pass all floats
    share: Floats = np.where(total > 0, (above + part * x[..., cut]) / np.maximum(total, 1), np.nan)
    return share
