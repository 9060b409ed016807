"""When a day is unlike all days before it: by rank, so that a rate is kept whatever the streams do.

Every stream, at every scale, has a largest score a day. Streams of one cell, such as a column in
all cohorts of a dimension at one scale, go by their largest. A unit (a day, or a week) is put
beside the last stored ones; all are brought to one scale together, the running one among them, and
it alerts where its oddest cell is among the largest few. If units come as they have lately, that
happens in ``most / (beside + 1)`` of them, however many cells there are and however they go
together; no law of any distance is needed. A running unit only grows, so looking every hour is
free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiles.detection.scores import FAST, LEAST_SCORE, SLOW, Scale

Doubles = npt.NDArray[np.float64]

MONTH = 365.25 / 12  # days
_SPREAD = 0.3  # at least; of cells whose past days are all alike
_DAYS, _WEEKS = 0.65, 0.35  # shares of the budget
_THIRD = 2  # places below the largest, so that two odd days do not set a scale


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A share of the budget, and what it is spent on.

    Attributes
    ----------
    name : str
    scales : tuple of Scale
    days : int
        Of a unit: 1 or 7.
    beside : int
        How many stored units a running one is put beside.
    most : int
        It alerts when it is among so many largest.
    """

    name: str
    scales: tuple[Scale, ...]
    days: int
    beside: int
    most: int

    @property
    def a_month(self) -> float:
        """How many units a month alert where nothing has changed."""
        return MONTH / self.days * self.most / (self.beside + 1)


def lanes(stored: int, budget: float) -> tuple[Lane, ...]:
    """Return the lanes that so many stored days allow, which together stay within a budget.

    Parameters
    ----------
    stored : int
        Days with scores of all scales.
    budget : float
        False incidents a month.
    """
    day = _lane("day", FAST, days=1, stored=stored, a_month=_DAYS * budget, enough=98)
    week = _lane("week", SLOW, days=7, stored=stored // 7, a_month=_WEEKS * budget, enough=14)
    if day is not None and week is not None:
        return (day, week)
    both = _lane("day", (*FAST, *SLOW), days=1, stored=stored, a_month=budget, enough=98)
    return () if both is None else (both,)


def _lane(
    name: str, scales: tuple[Scale, ...], *, days: int, stored: int, a_month: float, enough: int
) -> Lane | None:
    """Return a lane beside as many units as there are, up to what is enough; None if too few."""
    share = a_month * days / MONTH
    beside = min(stored, max(enough, math.ceil(1 / share) - 1))
    most = math.floor(share * (beside + 1) + 1e-9)
    if most < 1:
        return None
    return Lane(name=name, scales=scales, days=days, beside=beside, most=most)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A running unit beside the stored ones.

    Attributes
    ----------
    heights : float64 [cells]
        Of the running unit, in spreads above the mean of all units.
    stored : float64 [N]
        The largest height of each stored unit.
    mean, spread : float64 [cells]
        In scores.
    """

    heights: Doubles
    stored: Doubles
    mean: Doubles
    spread: Doubles


def place(units: Doubles) -> Placed:
    """Bring the largest scores of units to one scale, all together.

    A spread is half the way from the mean to the third largest, so that the two oddest units do not
    set it.

    Parameters
    ----------
    units : float64 [N + 1, cells]
        The running one last.
    """
    units = np.maximum(units, LEAST_SCORE)
    mean = units.mean(axis=0)
    at = max(0, len(units) - 1 - _THIRD)
    third = np.partition(units, at, axis=0)[at]
    spread = np.maximum(_SPREAD, (third - mean) / 2)
    heights = (units - mean) / spread
    return Placed(heights=heights[-1], stored=heights[:-1].max(axis=1), mean=mean, spread=spread)
