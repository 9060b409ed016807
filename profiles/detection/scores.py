"""How far the last hours of a stream are from what was expected, on a scale that all streams share.

A score says by how many standard deviations a shift is larger than one that is tolerated. It means
the same of few and many rows, of two places and of twenty, and of rows that come in clumps: how
much a stream wanders by itself is taken from its past.

References
----------
.. [1] M. F. Freeman and J. W. Tukey, "Transformations Related to the Angular and the Square Root",
   Annals of Mathematical Statistics 21 (1950). ``4 Σ (√O − √E)²`` is not thrown by empty places, as
   Pearson's sum is.
.. [2] J. N. K. Rao and A. J. Scott, "The Analysis of Categorical Data from Complex Sample Surveys",
   Journal of the American Statistical Association 76 (1981): the design effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

TOLERATED = 0.05  # Cohen's w of a shift that is none of our business
MIN_ROWS = 10
LEAST_SCORE = 1.0  # what is below it is not told apart
_PAST = 56  # days of stored scores that show how much a stream wanders
_OWN = 0.5  # what a cohort's own past weighs against that of its column
_WARM = 28  # days of reference before the first score


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
FIRST_SCORED = _WARM + 7  # the first day with scores of all scales; a Monday


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What one scale sees of C streams at K looks.

    Attributes
    ----------
    distance : float32 [C, K]
        Of what came from what was expected.
    mean : float32 [C, K]
        Of the distance where rows are drawn one by one as expected.
    rows : float32 [C, K]
        What it is taken from; 0 where nothing can be said.
    of_day : int
        Looks of a day.
    """

    distance: Floats
    mean: Floats
    rows: Floats
    of_day: int


def look(
    came: npt.NDArray[np.integer], expected: Floats, rows: Floats, scale: Scale, *, shape: bool
) -> Looks | None:
    """Compare counts with what was expected of them; None where steps are too coarse for a scale.

    Parameters
    ----------
    came : int [C, D, H, P]
        Rows in each place.
    expected : float32 [C, D, H, P]
    rows : float32 [C, D, H]
    shape : bool
        Whether `expected` adds to the rows that came, so that one place follows from the others.
    """
    steps = scale.steps(came.shape[2])
    if steps is None:
        return None
    length, stride = steps
    observed = _last(came.astype(np.float32), length, stride)
    wanted = _last(expected, length, stride)
    gap = np.sqrt(observed)
    gap -= np.sqrt(wanted)
    distance = 4 * np.einsum("...p,...p->...", gap, gap)
    mean = np.minimum(np.float32(1), 4 * wanted)
    if shape:
        mean *= 1 - wanted / np.maximum(wanted.sum(-1, keepdims=True), np.float32(1e-9))
    return Looks(
        distance=distance,
        mean=mean.sum(-1),
        rows=_last(rows[..., None], length, stride)[..., 0],
        of_day=came.shape[2] // stride,
    )


def scored(looks: Looks, wander: Doubles) -> Floats:
    """Return the scores [C, K], −1 where nothing can be said.

    Parameters
    ----------
    wander : float64 [C, D]
    """
    each = np.repeat(wander, looks.of_day, axis=1).astype(np.float32)
    design = _design(each, looks.rows, looks.mean)
    tolerated = looks.mean + np.float32(TOLERATED**2) * looks.rows / design
    found: Floats = np.sqrt(looks.distance / design) - np.sqrt(tolerated)
    return np.where(looks.rows >= MIN_ROWS, found, np.float32(-1))


def wander(looks: Looks, scale: Scale) -> Doubles:
    """Return how much streams wander by themselves [C, D], from the weeks before each day's week.

    The square of the shift that a stream of endless rows shows, in units of Cohen's w. That of a
    cohort is drawn toward that of all cohorts. Everybody comes first.
    """
    counts = looks.rows >= MIN_ROWS
    counts[:, : (_WARM + scale.lag) * looks.of_day] = False
    excess = _by_day(np.where(counts, looks.rows * (looks.distance - looks.mean), 0), looks.of_day)
    weight = _by_day(np.where(counts, looks.rows * looks.rows, 0), looks.of_day)
    found = np.zeros_like(excess)
    for week in range(0, excess.shape[1], 7):
        past = slice(max(0, week - _PAST), week)
        above, below = excess[:, past].sum(axis=1), weight[:, past].sum(axis=1)
        own = np.maximum(0, above / np.maximum(below, 1e-9))
        if len(own) > 1:
            column = max(0.0, float(above[1:].sum() / max(below[1:].sum(), 1e-9)))
            own[1:] = _OWN * own[1:] + (1 - _OWN) * column
        found[:, week : week + 7] = own[:, None]
    return found


@dataclass(frozen=True, kw_only=True)
class Days:
    """The largest score of each day.

    Attributes
    ----------
    scores : float32 [C, D]
        −1 where nothing can be said.
    effects : float32 [C, D]
        Cohen's w at that look, without what noise and the stream's own wander add.
    usual : float64 [3, C]
        Medians of the last four weeks: rows of a look, mean distance, wander.
    """

    scores: Floats
    effects: Floats
    usual: Doubles

    def __getitem__(self, part: slice) -> Days:
        """Take some of the streams."""
        return Days(scores=self.scores[part], effects=self.effects[part], usual=self.usual[:, part])

    def visible(self, score: float) -> Doubles:
        """Return the smallest effect [C] that reaches a score; NaN where there are too few rows."""
        rows, mean, own = self.usual
        safe = np.maximum(rows, 1)
        design = _design(own, rows, mean)
        root = score + np.sqrt(mean + TOLERATED**2 * rows / design)
        found = np.sqrt(np.maximum(0, (design * root**2 - mean) / safe - own))
        return np.where(rows >= MIN_ROWS, found, np.nan)


def daily(looks: Looks, scale: Scale) -> Days:
    """Return the largest score of each day, and what was seen then."""
    own = wander(looks, scale)
    scores = _by_days(scored(looks, own), looks)
    best = scores.argmax(axis=-1)[..., None]
    distance, mean, rows, found = (
        np.take_along_axis(of, best, -1)[..., 0]
        for of in (*(_by_days(v, looks) for v in (looks.distance, looks.mean, looks.rows)), scores)
    )
    square = (distance - mean) / np.maximum(rows, np.float32(1)) - own
    effects: Floats = np.sqrt(np.maximum(square, 0)).astype(np.float32)
    young = slice(0, _WARM + scale.lag)
    found[:, young], effects[:, young] = -1, 0
    late = slice(-28 * looks.of_day, None)
    usual = [np.median(looks.rows[:, late], axis=1), np.median(looks.mean[:, late], axis=1)]
    return Days(scores=found, effects=effects, usual=np.array([*usual, own[:, -1]]))


def _by_days(values: Floats, looks: Looks) -> Floats:
    return values.reshape(len(values), -1, looks.of_day)


def _design(own: Any, rows: Any, mean: Any) -> Any:
    """Return how many times more a stream varies than rows drawn one by one."""
    return np.maximum(1, 1 + own * rows / np.maximum(mean, np.float32(0.25)))


def _last(values: Floats, length: int, stride: int) -> Floats:
    """Sum the last `length` steps of [C, D, H, P] at every look [C, K, P].

    Whole strides are added one after another, so a sum depends on its own steps only, to the bit.
    """
    steps = values.reshape(len(values), -1, values.shape[-1])
    parts = steps.reshape(len(steps), -1, stride, steps.shape[-1]).sum(axis=2)
    found: Floats = parts.copy()
    for back in range(1, length // stride):
        found[:, back:] += parts[:, :-back]
    return found


def _by_day(values: npt.NDArray[np.floating], of_day: int) -> Doubles:
    found: Doubles = values.reshape(len(values), -1, of_day).sum(axis=-1, dtype=np.float64)
    return found
