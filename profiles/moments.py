"""Count, mean, spread and range of values in each group: a state that adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Moments of the finite values of numeric columns, one row a group.

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

    def __getitem__(self, part: Any) -> Moments:
        """Take some of the cells."""
        return Moments(
            n=self.n[part],
            mean=self.mean[part],
            m2=self.m2[part],
            low=self.low[part],
            high=self.high[part],
        )


def empty(shape: int | tuple[int, ...]) -> Moments:
    """Return the moments of no value at all, in arrays of some shape."""
    return Moments(
        n=np.zeros(shape, np.int64),
        mean=np.zeros(shape),
        m2=np.zeros(shape),
        low=np.full(shape, np.inf),
        high=np.full(shape, -np.inf),
    )


def beside(one: Moments, other: Moments) -> Moments:
    """Lay the cells of two side by side, along the last axis."""
    return Moments(
        **{
            name: np.concatenate((getattr(one, name), getattr(other, name)), axis=-1)
            for name in ("n", "mean", "m2", "low", "high")
        }
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
    found = empty(size)
    total, lowest, highest = found.n, found.low, found.high
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


def close(one: Moments, other: Moments) -> bool:
    """Whether moments are equal but for rounding: to 1e-12, 1e-14 of the largest where they cancel.

    Ranges and the numbers of values are equal.
    """
    if any(not np.array_equal(getattr(one, k), getattr(other, k)) for k in ("n", "low", "high")):
        return False
    largest = np.where(one.n > 0, np.maximum(np.abs(one.low), np.abs(one.high)), 0.0)
    spreads = [np.sqrt(of.m2 / np.maximum(of.n, 1)) for of in (one, other)]
    return all(
        bool(((a == b) | (np.abs(a - b) <= 1e-12 * np.abs(b) + 1e-14 * largest)).all())
        for a, b in ((one.mean, other.mean), spreads)
    )


def joined(one: Moments, other: Moments) -> Moments:
    """Pool moments cell by cell, in arrays of any one shape."""
    n = one.n + other.n
    safe = np.maximum(n, 1)
    low, high = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
    mean = _within(one.mean * (one.n / safe) + other.mean * (other.n / safe), n, low, high)
    with np.errstate(over="ignore"):
        m2 = one.m2 + other.m2
        for part in (one, other):
            m2 = m2 + part.n * np.square(np.where(part.n > 0, part.mean - mean, 0.0))
    return Moments(n=n, mean=mean, m2=m2, low=low, high=high)


def _within(mean: Floats, n: Ints, low: Floats, high: Floats) -> Floats:
    """Hold a mean within the range, where rounding may leave it: a constant has no spread."""
    return np.where(n > 0, np.clip(mean, low, high), 0.0)
