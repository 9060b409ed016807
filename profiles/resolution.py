"""What a grid cannot tell: the order of the values within a bin, and when that is too much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.grids import Grid, NumericGrid

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TOO_COARSE = 0.05  # share of the values in one bin that the grid was not made for
FAR_LESS = 4  # times less, at least, the baseline has there
MIN_VALUES = 100  # under which one bin holds that share by chance


@dataclass(frozen=True, kw_only=True)
class CoarseBin:
    """A bin that holds more of a window than the grid was made for.

    Attributes
    ----------
    low, high : float or None
        Its bounds, None where it is open. A bin of categories has neither.
    share, baseline : float
        Shares of the values that are there, in the window and in the baseline.
    """

    low: float | None
    high: float | None
    share: float
    baseline: float


def too_coarse(grid: Grid, window: Ints, baseline: Ints) -> CoarseBin | None:
    """Return the fullest bin of many values that has become too full, None where none has.

    Too full is a bin with more than 5 % of a window's values where the baseline has at most a
    quarter of that share: equal-mass bins have about half a percent each, so the window has moved
    to where the grid is wide. Bins of one value hide nothing. Of a categorical grid the bins *other
    known* and *unseen* hold many values. Under 100 values nothing is said.

    Parameters
    ----------
    window, baseline : int64 [B]
        Counts on the grid, special bins included.

    Examples
    --------
    >>> from profiles.grids import CategoricalGrid
    >>> grid = CategoricalGrid(categories=("a", "b"), known=("c", "d"))
    >>> too_coarse(grid, np.array([60, 0, 40, 0, 0, 0]), np.array([90, 9, 1, 0, 0, 0])).share
    0.4
    """
    x, y = window[: grid.values], baseline[: grid.values]
    if x.sum() < MIN_VALUES:
        return None
    p, q = x / x.sum(), y / max(1, int(y.sum()))
    full = _of_many(grid) & (p > TOO_COARSE) & (q * FAR_LESS <= p)
    if not full.any():
        return None
    at = int(np.argmax(np.where(full, p, 0)))
    low, high = None, None
    if isinstance(grid, NumericGrid):
        low = float(grid.edges[at - 1]) if at else None
        high = float(grid.edges[at]) if at < len(grid.edges) else None
    return CoarseBin(low=low, high=high, share=float(p[at]), baseline=float(q[at]))


def ks_shortfall(grid: NumericGrid, window: Ints, baseline: Ints) -> Floats:
    """Return by how much at most a binned Kolmogorov–Smirnov distance is short of the exact one.

    Within a bin the distribution functions may be furthest apart where all the window's rows lie
    before all the baseline's, or after them. So D(x) ≤ D(left edge) + p and ≥ D(left edge) − q in a
    bin with shares p and q, and the exact distance is at most the largest of these. It is never
    more than the largest bin's share, and 0 where every bin with rows is one value.

    Parameters
    ----------
    window, baseline : int64 [..., B]
        Counts on the grid, special bins included; broadcast against each other.

    Returns
    -------
    float64 [...]
        NaN where either side has no values.
    """
    x, y = window[..., : grid.values], baseline[..., : grid.values]
    n, m = x.sum(axis=-1, keepdims=True), y.sum(axis=-1, keepdims=True)
    p, q = x / np.maximum(n, 1), y / np.maximum(m, 1)
    after = np.cumsum(p - q, axis=-1)
    before = after - (p - q)
    within = np.maximum(before + p, q - before)
    binned = np.abs(after).max(axis=-1)
    most = np.where(grid.single, 0.0, within).max(axis=-1)
    short = np.maximum(most - binned, 0.0)
    return np.where((n > 0)[..., 0] & (m > 0)[..., 0], short, np.nan)


def _of_many(grid: Grid) -> npt.NDArray[np.bool_]:
    """Tell which bins hold more than one value."""
    if isinstance(grid, NumericGrid):
        return ~grid.single
    many = np.zeros(grid.values, bool)
    many[[grid.other, grid.unseen]] = True
    return many
