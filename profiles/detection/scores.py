"""How far the last hours of a stream are from what was expected, on a scale that all streams share.

A score says by how many standard deviations the square root of a distance is above what chance, the
stream's own wander and a tolerated shift make of it. It means the same of few and many rows, of two
places and of twenty, and of rows that come in clumps: how much a stream wanders by itself is taken
from its past.

References
----------
.. [1] M. F. Freeman and J. W. Tukey, "Transformations Related to the Angular and the Square Root",
   Annals of Mathematical Statistics 21 (1950). ``4 Σ (√O − √E)²`` is not thrown by empty places, as
   Pearson's sum is.
.. [2] J. N. K. Rao and A. J. Scott, "The Analysis of Categorical Data from Complex Sample Surveys",
   Journal of the American Statistical Association 76 (1981): the design effect.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

TOLERATED = 0.02  # Cohen's w of a shift that is none of our business
_PAST = 26  # weeks of stored looks that show how much a stream wanders
_OWN = 0.5  # what a cohort's own past weighs against that of its column
_WARM = 28  # days of reference before the first score
_LEAST_MEAN = 0.25
SIDE = 1.96  # standard deviations to a 95 % limit
_ONE_WAY = 0.36  # 1 − 2/π: variance of √distance, over what a wander that goes one way adds to it


@dataclass(frozen=True, kw_only=True, order=True)
class Scale:
    """How many hours are looked at together.

    Attributes
    ----------
    hours : int
    stride : int
        Hours between two looks; divides a day.
    lag : int
        Days between a day and the reference it is compared with: as many as the hours reach back.
    """

    hours: int
    stride: int
    lag: int

    @property
    def first_day(self) -> int:
        """The first day that can be scored: half a reference is there."""
        return _WARM + self.lag

    def steps(self, of_day: int) -> tuple[int, int] | None:
        """Return length and stride in the steps of a day; None where they are too coarse for it."""
        length, rest = divmod(self.hours * of_day, 24)
        return None if rest or not length else (length, max(1, self.stride * of_day // 24))


FAST = (
    Scale(hours=1, stride=1, lag=1),
    Scale(hours=6, stride=1, lag=1),
    Scale(hours=24, stride=3, lag=1),
)
SLOW = (Scale(hours=72, stride=12, lag=7), Scale(hours=168, stride=24, lag=7))
FIRST_SCORED = max(scale.first_day for scale in (*FAST, *SLOW))


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What one scale sees of streams at the K looks of a day.

    Attributes
    ----------
    distance : float32 [K, ...]
        Of what came from what was expected.
    mean : float32 [K, ...]
        Of the distance where rows are drawn one by one as expected.
    rows : float32 [K, ...]
        What it is taken from.
    stride : int
        Steps between two looks: look k ends with step ``(k + 1) * stride - 1``.
    """

    distance: Floats
    mean: Floats
    rows: Floats
    stride: int

    @cached_property
    def usual(self) -> tuple[Doubles, Doubles]:
        """The medians of rows and of means [...] over the day."""
        rows, mean = (np.median(of, axis=0).astype(np.float64) for of in (self.rows, self.mean))
        return rows, mean


def spread_out(came: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Return ``4 Σ (√O − √E)²`` over the places, and its mean where nothing has changed.

    Parameters
    ----------
    came, expected : float32 [P, ...]
        Both add to the same rows, so one place follows from the others.
    """
    gap = np.sqrt(came)
    gap -= np.sqrt(expected)
    gap *= gap
    mean = np.minimum(np.float32(1), 4 * expected)
    mean *= 1 - expected / np.maximum(expected.sum(axis=0), np.float32(1e-9))
    return 4 * gap.sum(axis=0), np.maximum(mean.sum(axis=0), np.float32(_LEAST_MEAN))


def alone(came: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Return the same of one place [...] by itself."""
    gap = np.sqrt(came) - np.sqrt(expected)
    return 4 * gap * gap, np.clip(4 * expected, np.float32(_LEAST_MEAN), np.float32(1))


def level(came: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Return how far ordered places moved as a whole, and its mean where nothing has changed.

    It is the square of the mean shift in ranks among the expected, over its variance.

    Parameters
    ----------
    came, expected : float32 [P, ...]
    """
    shares = expected / np.maximum(expected.sum(axis=0), np.float32(1e-9))
    ranks = shares.copy()
    for place in range(1, len(ranks)):  # cumsum goes along this axis one number at a time
        ranks[place] += ranks[place - 1]
    ranks -= shares / 2
    ranks -= np.float32(0.5)
    shift = (came * ranks).sum(axis=0)
    shares *= ranks
    shares *= ranks
    variance = shares.sum(axis=0)
    distance = shift * shift / np.maximum(came.sum(axis=0) * variance, np.float32(1e-9))
    return distance, np.ones_like(distance)


def last(values: Floats, length: int, stride: int) -> Floats:
    """Sum the last `length` steps at every look of the last day [2, P, K, C, F].

    Whole strides are added one after another, so a sum depends on its own steps only, to the bit.

    Parameters
    ----------
    values : float32 [2, P, D, H, C, F]
        Of the day and of those before it that looks reach back to.
    """
    looks = values.shape[3] // stride
    parts = values.reshape(*values.shape[:2], -1, stride, *values.shape[4:])
    parts = parts[:, :, :, 0] if stride == 1 else parts.sum(axis=3)
    found: Floats = parts[:, :, -looks:].copy()
    for back in range(1, length // stride):
        first = parts.shape[2] - looks - back
        shifted = parts[:, :, max(0, first) : max(0, first + looks)]
        found[:, :, looks - shifted.shape[2] :] += shifted
    return found


class Wander:
    """How much streams wander by themselves, from the weeks before a day's week.

    Parameters
    ----------
    shape : (N, C, F)
        Kinds; streams, everybody first; columns.
    least : float
        Rows under which nothing can be said.

    Attributes
    ----------
    shift : float64 [N, C, F]
        The square of the shift that a stream of endless rows shows, in units of Cohen's w. That of
        a cohort is drawn toward that of all cohorts.
    """

    def __init__(self, shape: tuple[int, int, int], scale: Scale, *, least: float) -> None:
        self.shift: Doubles = np.zeros(shape)
        self._scale, self._least, self._age = scale, least, 0
        self._week: Doubles = np.zeros((2, *shape))  # excess and weight of its days so far
        self._weeks = deque[Doubles](maxlen=_PAST)

    def score(self, looks: Looks) -> Floats:
        """Return the scores [K, N, C, F]; −1 where nothing can be said."""
        if self._age < self._scale.first_day:
            return np.full(looks.rows.shape, -1, np.float32)
        drift = self.shift.astype(np.float32) * looks.rows
        usual = looks.mean + drift
        tolerated = np.sqrt(usual + np.float32(TOLERATED**2) * looks.rows)
        deviation = np.sqrt(np.float32(0.5) + np.float32(_ONE_WAY) * drift)
        found = (np.sqrt(looks.distance) - tolerated) / deviation
        return np.where(looks.rows >= self._least, found, np.float32(-1))

    def effect(self, looks: Looks, at: tuple[int, int, int, int]) -> tuple[float, float, float]:
        """Return Cohen's w of one look [k, n, c, f], and the limits of its 95 % interval.

        Without what chance and the stream's own wander add to it.
        """
        rows, mean = max(1.0, float(looks.rows[at])), float(looks.mean[at])
        shift, root = float(self.shift[at[1:]]), float(np.sqrt(looks.distance[at]))
        margin = SIDE * np.sqrt(0.5 + _ONE_WAY * shift * rows)
        effect, low, high = (
            float(np.sqrt(max(0.0, (max(0.0, of) ** 2 - mean) / rows - shift)))
            for of in (root, root - margin, root + margin)
        )
        return effect, low, high

    def visible(self, looks: Looks, score: float) -> Doubles:
        """Return the smallest effect [N, C, F] that reaches a score; NaN where rows are few."""
        rows, mean = looks.usual
        drift = self.shift * rows
        root = np.sqrt(mean + drift + TOLERATED**2 * rows)
        root += score * np.sqrt(0.5 + _ONE_WAY * drift)
        square = (root**2 - mean) / np.maximum(rows, 1) - self.shift
        return np.where(rows >= self._least, np.sqrt(np.maximum(0, square)), np.nan)

    def close(self, looks: Looks, day: int) -> None:
        """End a day, of which these were the looks."""
        if self._age >= self._scale.first_day:
            rows = np.where(looks.rows >= self._least, looks.rows, np.float32(0))
            for at, part in enumerate((rows * (looks.distance - looks.mean), rows * rows)):
                self._week[at] += part.sum(axis=0, dtype=np.float64)
        self._age += 1
        if (day + 1) % 7 == 0:
            self._weeks.append(self._week)
            self._week = np.zeros_like(self._week)
            self.shift = self._shift()

    def _shift(self) -> Doubles:
        excess, weight = np.sum(list(self._weeks), axis=0)
        found: Doubles = np.maximum(0, excess / np.maximum(weight, 1e-9))
        cohorts = [of[:, 1:].sum(axis=1, keepdims=True) for of in (excess, weight)]
        column = np.maximum(0, cohorts[0] / np.maximum(cohorts[1], 1e-9))
        found[:, 1:] = _OWN * found[:, 1:] + (1 - _OWN) * column
        return found
