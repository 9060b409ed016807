"""Count, mean, spread and range of a column in each group: a state that adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.values import PRESENT, Numbers

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 1 << 22  # rows × columns × dimensions handled at once, so that memory stays bounded


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Moments of the finite values of a numeric column, one row a group.

    Kept as (n, mean, M2, min, max), never as sums of squares, so that a large mean does not eat
    the spread (Chan, Golub and LeVeque 1979).

    Attributes
    ----------
    n : int64 [G]
        Finite values.
    mean, m2 : float64 [G]
        Mean, and sum of squared deviations from it; 0 where n is 0.
    low, high : float64 [G]
        Smallest and largest value; +inf and −inf where n is 0.
    """

    n: Ints
    mean: Floats
    m2: Floats
    low: Floats
    high: Floats

    def std(self) -> Floats:
        """Return the sample standard deviation (n − 1) [G]; NaN where n < 2."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(np.where(self.n > 1, self.m2 / (self.n - 1.0), np.nan))

    def standard_error(self) -> Floats:
        """Return the standard error of the mean [G]; NaN where n < 2."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.std() / np.sqrt(self.n)

    def __getitem__(self, part: slice) -> Moments:
        return Moments(
            n=self.n[part],
            mean=self.mean[part],
            m2=self.m2[part],
            low=self.low[part],
            high=self.high[part],
        )


def pooled(parts: Sequence[tuple[Moments, npt.NDArray[np.intp]]], size: int) -> Moments:
    """Pool moments, each part's groups going to the given places among `size` groups.

    Counts and ranges pool exactly; means and spreads to rounding, whatever the order.
    """
    at = np.concatenate([places for _, places in parts])
    n, mean, m2, low, high = (
        np.concatenate([getattr(part, name) for part, _ in parts])
        for name in ("n", "mean", "m2", "low", "high")
    )
    total, _, _, lowest, highest = empty(size)
    np.add.at(total, at, n)
    np.minimum.at(lowest, at, low)
    np.maximum.at(highest, at, high)
    safe = np.maximum(total, 1)
    # weights of at most 1, so that a mean near the largest float does not overflow
    middle = np.bincount(at, mean * (n / safe[at]), size).astype(np.float64, copy=False)
    middle = _within(middle, total, lowest, highest)
    with np.errstate(over="ignore"):
        away = np.where(n > 0, mean - middle[at], 0.0)
        spread = np.bincount(at, m2 + n * np.square(away), size).astype(np.float64, copy=False)
    return Moments(n=total, mean=middle, m2=spread, low=lowest, high=highest)


def empty(groups: int) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """Return the arrays of `Moments` of no value at all."""
    zeros = np.zeros(groups)
    return (
        np.zeros(groups, np.int64),
        zeros,
        zeros.copy(),
        np.full(groups, np.inf),
        np.full(groups, -np.inf),
    )


def grouped(
    columns: Mapping[str, Numbers], group: npt.NDArray[np.intp], size: int
) -> dict[str, Moments]:
    """Take the moments of every column within each group. M2 is inf where it passes all floats.

    Parameters
    ----------
    columns : mapping from name to Numbers [n]
    group : int [D, n]
        The groups a row belongs to, one along each cohort dimension, from 0 to `size` − 1.
    size : int
        Number of groups.
    """
    names = list(columns)
    step = max(1, BLOCK // max(1, group.size))
    found: dict[str, Moments] = {}
    for start in range(0, len(names), step):
        block = names[start : start + step]
        every = _grouped([columns[name] for name in block], group, size)
        found.update((name, every[i * size : (i + 1) * size]) for i, name in enumerate(block))
    return found


def _grouped(columns: Sequence[Numbers], group: npt.NDArray[np.intp], size: int) -> Moments:
    cells = len(columns) * size
    present = np.stack([column.mark == PRESENT for column in columns])
    values = np.stack([column.values for column in columns])
    cell = np.arange(len(columns))[:, None, None] * size + group
    shape = cell.shape
    keep = np.broadcast_to(present[:, None, :], shape).ravel()
    at = cell.ravel()[keep]
    x = np.broadcast_to(values[:, None, :], shape).ravel()[keep]
    n, _, _, low, high = empty(cells)
    n += np.bincount(at, minlength=cells)
    np.minimum.at(low, at, x)
    np.maximum.at(high, at, x)
    mean = _within(_means(x, at, n), n, low, high)
    with np.errstate(over="ignore"):
        m2 = np.bincount(at, weights=np.square(x - mean[at]), minlength=cells)
    # −0.0 and 0.0 are one value, whichever came first
    return Moments(
        n=n, mean=mean, m2=m2.astype(np.float64, copy=False), low=low + 0.0, high=high + 0.0
    )


def _means(x: Floats, at: npt.NDArray[np.intp], n: Ints) -> Floats:
    safe = np.maximum(n, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        mean: Floats = np.bincount(at, weights=x, minlength=len(n)) / safe
        # the second pass takes back what rounding left in the first
        mean += np.bincount(at, weights=x - mean[at], minlength=len(n)) / safe
    if np.isfinite(mean).all():
        return mean
    # a sum passed the largest float, so each value is divided first; slower, and rarely needed
    share, most = x / safe[at], np.finfo(np.float64).max
    first = np.clip(np.bincount(at, weights=share, minlength=len(n)), -most, most)
    second = np.bincount(at, weights=share - (first / safe)[at], minlength=len(n))
    with np.errstate(over="ignore"):
        return np.add(first, second, dtype=np.float64)


def _within(mean: Floats, n: Ints, low: Floats, high: Floats) -> Floats:
    """Hold a mean within the range, where rounding may leave it: a constant has no spread."""
    return np.where(n > 0, np.clip(mean, low, high), 0.0)
