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
from itertools import count

import numpy as np
import numpy.typing as npt

from profiles.detection.column import Kind
from profiles.detection.scores import FAST, FIRST_SCORED, SLOW, Scale

Doubles = npt.NDArray[np.float64]

MONTH = 365.25 / 12  # days
FAULTS: tuple[Kind, ...] = ("faults", "beyond", "volume")
BODIES: tuple[Kind, ...] = ("body", "level")
LANES = {"faults": 1, "fast": 1, "slow": 7, "day": 1, "first": 1}  # name → days of a unit
TITLES = {name: f"{name} lane" for name in LANES}  # as people read them
BUDGETED = tuple(TITLES[name] for name in LANES if name != "first")  # that keep the promise
LEAST_UNIT = 2.5  # a score that is nothing unusual
LEAST_UNITS = 4
_QUICK = 0.31  # share of the budget of each of the two quick lanes


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A share of the budget, and what it is spent on.

    Attributes
    ----------
    name : str
    kinds : tuple of str
    scales : tuple of Scale
    days : int
        Of a unit: 1 or 7.
    beside : int
        How many stored units a running one is put beside.
    most : int
        It alerts when it is among so many largest.
    a_month : float
        How many units a month alert where nothing has changed.
    """

    name: str
    kinds: tuple[Kind, ...]
    scales: tuple[Scale, ...]
    days: int
    beside: int
    most: int
    a_month: float


def lanes(stored: int, budget: float, *, weeks: int | None = None) -> tuple[Lane, ...]:
    """Return the lanes that so many stored days allow, which together stay within a budget.

    With few days there is one lane for all that shows within a day. With more there are three, so
    that what is missing or too many does not hide a shift, nor a slow shift a quick one.

    Parameters
    ----------
    stored : int
        Days with scores of all scales.
    budget : float
        False incidents a month.
    weeks : int or None
        That these days give; None: as many as they can.
    """
    weeks = stored // 7 if weeks is None else weeks
    wanted = (
        _lane("faults", FAULTS, FAST, 1, stored, _QUICK * budget, 98),
        _lane("fast", BODIES, FAST, 1, stored, _QUICK * budget, 98),
        _lane("slow", (*FAULTS, *BODIES), SLOW, 7, weeks, (1 - 2 * _QUICK) * budget, 14),
    )
    found = tuple(lane for lane in wanted if lane is not None)
    if len(found) == len(wanted):
        return found
    merged = _lane("day", (*FAULTS, *BODIES), FAST, 1, stored, budget, 98)
    return () if merged is None else (merged,)


def first_weeks(budget: float) -> Lane:
    """Return the lane of the time before any other: a day beside the training rows.

    What it promises of chance is the budget; what comes may differ from training for good reasons.
    """
    return Lane(
        name="first", kinds=("body", "beyond", "faults"), scales=(FAST[-1],), days=1, beside=0,
        most=1, a_month=budget,
    )  # fmt: skip


def opens_after(budget: float) -> int:
    """Return how many days have to be stored before anything can page."""
    return FIRST_SCORED + next(stored for stored in count() if lanes(stored, budget))


def _lane(
    name: str, kinds: tuple[Kind, ...], scales: tuple[Scale, ...], days: int, stored: int,
    a_month: float, enough: int,
) -> Lane | None:  # fmt: skip
    """Return a lane beside as many units as there are, up to what is enough; None if too few."""
    share = a_month * days / MONTH
    beside = min(stored, max(enough, math.ceil(1 / share) - 1))
    most = min(beside, math.floor(share * (beside + 1) + 1e-9))
    if most < 1 or beside < LEAST_UNITS:
        return None
    return Lane(
        name=name, kinds=kinds, scales=scales, days=days, beside=beside, most=most,
        a_month=MONTH / days * most / (beside + 1),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A running unit beside the stored ones.

    Attributes
    ----------
    heights : float64 [cells]
        Of the running unit, each cell over its own third largest.
    stored : float64 [N]
        The largest height of each stored unit.
    unit : float64 [cells]
        The score that is a height of 1.
    """

    heights: Doubles
    stored: Doubles
    unit: Doubles

    def bar(self, most: int) -> float:
        """Return the height above which the running unit is among the largest.

        No lower than that of a score of 1: where nothing ever is odd, nothing is not odd.
        """
        return max(float(np.sort(self.stored)[-most]), 1 / LEAST_UNIT)


class Beside:
    """The stored units that a running one is put beside.

    All are brought to one scale together, the running one among them: what is judged alone would
    stand out too often. A cell goes by its own third largest, so that the two oddest units do not
    set its scale, and by no less than `LEAST_UNIT`.

    Parameters
    ----------
    units : float [N, cells]
        Their largest scores.
    """

    def __init__(self, units: npt.NDArray[np.floating]) -> None:
        self._units = units.astype(np.float64)
        at = len(units) - np.minimum((2, 3), len(units))
        self._second, self._third = np.partition(self._units, at, axis=0)[at]

    def heights(self, unit: Doubles) -> Doubles:
        """Return the heights of all stored units [N, cells], where so high is a height of 1."""
        return self._units / unit

    def place(self, running: npt.NDArray[np.floating]) -> Placed:
        """Put a running unit [cells] beside them."""
        now = running.astype(np.float64)
        unit = np.maximum(LEAST_UNIT, np.clip(now, self._third, self._second))
        return Placed(heights=now / unit, stored=self.heights(unit).max(axis=1), unit=unit)
