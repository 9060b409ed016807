"""A column of a window against the same column of the baseline: every distance of the field.

Missing values, infinities and values of the wrong type stand outside: they are counted and watched
by themselves, so that a distance speaks of the values that are there.

- Distances that need an order (Kolmogorov–Smirnov, Cramér–von Mises, Anderson–Darling) or lengths
  (Wasserstein, energy) read the fine bins of a numeric grid. On a categorical grid they are NaN.
- All others read about ten coarse bins of a numeric grid (equal mass in the baseline, heavy values
  alone), because on two hundred bins a window of some hundred rows shows mostly its own noise, and
  the bins of a categorical grid as they are, *other known* and *unseen* included.
- Fisher's exact test reads two bins: the commonest one, and all others together. It is meant for
  columns of two values, where that is the whole table.

`docs/statistics.md` has all of them in one table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from profiles import distances
from profiles.distances import Distance, Statistic
from profiles.errors import GridMismatch, UnknownStatistic
from profiles.grids import Grid, NumericGrid

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A distance, what it reads, and the rows from which its p-value and mean hold.

    Attributes
    ----------
    rows, rows_per_bin : int
        The smaller side needs the sum of `rows` and so many for each bin that is read.
    """

    take: Callable[..., Distance]
    reads: Literal["order", "lengths", "bins", "two"]
    rows: int = 0
    rows_per_bin: int = 0


def _binwise(take: Callable[..., Distance], rows_per_bin: int) -> Measure:
    return Measure(take=take, reads="bins", rows_per_bin=rows_per_bin)


MEASURES: dict[Statistic, Measure] = {
    "ks": Measure(take=distances.kolmogorov_smirnov, reads="order", rows=20),
    "psi": _binwise(distances.population_stability_index, 10),
    "js": _binwise(distances.jensen_shannon, 20),
    "hellinger": _binwise(distances.hellinger, 40),
    "wasserstein": Measure(take=distances.wasserstein, reads="lengths", rows=20),
    "tv": _binwise(distances.total_variation, 5),
    "linf": _binwise(distances.l_infinity, 5),
    "chi2": _binwise(distances.chi_square, 5),
    "jsd": _binwise(distances.jensen_shannon_divergence, 20),
    "kl": _binwise(distances.kullback_leibler, 20),
    "g": _binwise(distances.g_test, 20),
    "cramers_v": _binwise(distances.cramers_v, 5),
    "cvm": Measure(take=distances.cramer_von_mises, reads="order", rows=20),
    "ad": Measure(take=distances.anderson_darling, reads="order", rows=20),
    "wasserstein_sd": Measure(take=distances.wasserstein_over_sd, reads="lengths", rows=50),
    "energy": Measure(take=distances.energy, reads="lengths", rows=20),
    "fisher": Measure(take=distances.fisher_exact, reads="two", rows=20),
}
BLOCK = 2**15  # counts compared at once: what is made on the way then stays in the cache
ALL: tuple[Statistic, ...] = get_args(Statistic)
STATISTICS: tuple[Statistic, ...] = ALL[:8]  # what `monitor drift` shows of every column
ORDERED = tuple(name for name in ALL if MEASURES[name].reads in {"order", "lengths"})


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
        Which distances, of `ALL`; by default the eight of `STATISTICS`.

    Returns
    -------
    dict from name to Distance [...]

    Raises
    ------
    GridMismatch
        If there are more or fewer counts than the grid has bins.
    UnknownStatistic
        If a name is none of `ALL`.
    """
    if not window.shape[-1] == baseline.shape[-1] == grid.bins:
        raise GridMismatch(
            f"counts in {window.shape[-1]} and {baseline.shape[-1]} bins cannot be compared on a "
            f"grid of {grid.bins}; count both on one grid"
        )
    unknown = next((name for name in statistics if name not in MEASURES), None)
    if unknown is not None:
        raise UnknownStatistic(f"{unknown!r} is no distance; there are {', '.join(ALL)}")
    shape = np.broadcast_shapes(window.shape[:-1], baseline.shape[:-1])
    step = max(1, BLOCK // max(1, grid.bins * math.prod(shape[1:])))
    if not shape or shape[0] <= step:
        return _compare(grid, window, baseline, statistics)
    parts = []
    for at in range(0, shape[0], step):
        x, y = (
            side[at : at + step] if side.ndim > len(shape) and len(side) > 1 else side
            for side in (window, baseline)
        )
        parts.append(_compare(grid, x, y, statistics))
    return {name: _joined([part[name] for part in parts]) for name in statistics}


def _compare(
    grid: Grid, window: Ints, baseline: Ints, statistics: Sequence[Statistic]
) -> dict[Statistic, Distance]:
    fine = window[..., : grid.values], baseline[..., : grid.values]
    wanted = [(name, MEASURES[name]) for name in statistics]
    if not isinstance(grid, NumericGrid):
        return {name: _of_categories(measure, *fine) for name, measure in wanted}
    coarse = fine
    if any(measure.reads in {"bins", "two"} for _, measure in wanted):
        coarse = coarsen(grid, fine[0]), coarsen(grid, fine[1])
    return {name: _of_numbers(measure, grid, fine, coarse) for name, measure in wanted}


def minimum_rows(grid: Grid, statistic: Statistic) -> int:
    """Return the rows the smaller side needs before a p-value and a mean without drift hold.

    From there on p < 0.05 comes in at most 7 % of undrifted windows, and the mean is right within a
    tenth, where bins hold about equally many rows; a bin that holds few asks for more in all. With
    fewer rows js, jsd, hellinger and g call noise drift, and psi and kl miss drift. The distance
    itself is right at any number.
    """
    measure = MEASURES[statistic]
    bins = grid.coarse_bins if isinstance(grid, NumericGrid) else len(grid.categories)
    return measure.rows + measure.rows_per_bin * max(2, bins)


def _of_numbers(
    measure: Measure, grid: NumericGrid, fine: tuple[Ints, Ints], coarse: tuple[Ints, Ints]
) -> Distance:
    if measure.reads == "order":
        return measure.take(*fine)
    if measure.reads == "lengths":
        return measure.take(*fine, grid.centres)
    return measure.take(*(_commonest(*coarse) if measure.reads == "two" else coarse))


def _of_categories(measure: Measure, x: Ints, y: Ints) -> Distance:
    if measure.reads in {"order", "lengths"}:
        shape = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
        return Distance(distance=np.full(shape, np.nan))
    return measure.take(*(_commonest(x, y) if measure.reads == "two" else (x, y)))


def _commonest(x: Ints, y: Ints) -> tuple[Ints, Ints]:
    """Fold both sides into two bins [..., 2]: the commonest of both together, and the rest.

    Chosen on the baseline alone it would be a bin that came out large by chance, and the p-value
    not exact any more.
    """
    chosen = np.argmax(x + y, axis=-1, keepdims=True) == np.arange(y.shape[-1])
    folded = []
    for side in (x, y):
        first = np.where(chosen, side, 0).sum(axis=-1)
        folded.append(np.stack((first, side.sum(axis=-1) - first), axis=-1))
    return folded[0], folded[1]


def _joined(parts: Sequence[Distance]) -> Distance:
    """Put the parts of one distance together along their first axis."""
    rest = {
        name: None
        if getattr(parts[0], name) is None
        else np.concatenate([getattr(part, name) for part in parts])
        for name in ("p", "no_drift", "effect")
    }
    return Distance(distance=np.concatenate([part.distance for part in parts]), **rest)


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
