"""What the hours of a column should look like: as those of the weeks before, and of no later ones.

Hours are those of the local clock: a day has H steps, and days are numbered from a Monday. What a
day is expected to be comes from the eight weeks that end `lag` days before it, so that what is
judged never explains itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Counts = npt.NDArray[np.integer]
Slot = Literal["none", "hour", "weekend", "week"]

SLOTS: tuple[Slot, ...] = get_args(Slot)
SHRINKAGES = (20.0, 200.0, 2_000.0, 20_000.0)
LAGS = (1, 7)
DAYS = 56  # that a reference reaches back
_KIND_OF_DAY: dict[Slot, tuple[int, ...]] = {
    "none": (0,) * 7,
    "hour": (0,) * 7,
    "weekend": (0, 0, 0, 0, 0, 1, 1),
    "week": (0, 1, 2, 3, 4, 5, 6),
}
_EVERYBODY = 20.0  # rows of everybody that a cohort's own shares begin with
_NOTHING = 1e-3
_LOOKED_AT = 3  # every third day tells seasons apart
_YOUNG = 14  # days that are too early for that
_FIRST_CHOICE = 28
_EVERY = 56  # days between later choices


@dataclass(frozen=True, kw_only=True, order=True)
class Season:
    """How a column goes with the hour.

    Attributes
    ----------
    slot : str
        What an hour is expected to be like: ``none`` all hours, ``hour`` the same of all days,
        ``weekend`` of working days or of weekends, ``week`` of the same weekday.
    shrinkage : float
        With so many rows a slot's own shares weigh as much as what the column does on the whole.
    """

    slot: Slot
    shrinkage: float = 0.0


FLAT = Season(slot="none")
SEASONS = (
    FLAT,
    *(Season(slot=slot, shrinkage=rows) for slot in SLOTS[1:] for rows in SHRINKAGES),
)


class Sums:
    """The counts of the weeks before the running day, by slot; whole numbers, so they are exact.

    Parameters
    ----------
    day : int
        Number of the first day, from a Monday on.
    shape : (C, P, H)
        Of a day's counts.
    """

    def __init__(self, day: int, shape: tuple[int, int, int]) -> None:
        self.day, self.age = day, 0
        self._days: deque[Counts] = deque(maxlen=DAYS + max(LAGS) + 1)
        streams, places, steps = shape
        self._sums: dict[tuple[int, Slot], Ints] = {
            (lag, slot): np.zeros(
                (max(_KIND_OF_DAY[slot]) + 1, streams, places, 1 if slot == "none" else steps),
                np.int64,
            )
            for lag in LAGS
            for slot in SLOTS
        }

    def before(self, slot: Slot, *, lag: int) -> Ints:
        """Return the counts [C, P, H] of the running day's slots, of ``none`` [C, P, 1]."""
        found: Ints = self._sums[lag, slot][_KIND_OF_DAY[slot][self.day % 7]]
        return found

    def close(self, counts: Counts) -> None:
        """End the running day."""
        self._days.append(counts)
        held = len(self._days)
        for lag in LAGS:
            # the next day's reference begins and ends one day later than this one's
            for back, sign in ((lag, 1), (lag + DAYS, -1)):
                if back < held:
                    self._add(lag, self.day - back, self._days[held - 1 - back], sign)
        self.day += 1
        self.age += 1

    def _add(self, lag: int, day: int, counts: Counts, sign: int) -> None:
        for slot in SLOTS:
            part = counts.sum(axis=-1, keepdims=True) if slot == "none" else counts
            self._sums[lag, slot][_KIND_OF_DAY[slot][day % 7]] += sign * part


class Reference:
    """What the running day of one column is expected to be.

    How the column goes with the hour is chosen from its past: the season under which the days since
    the last choice were likeliest, each given the weeks before it.

    Parameters
    ----------
    day : int
        Number of the first day, from a Monday on.
    shape : (C, P, H)
        Streams, everybody first; places; steps of a day.
    """

    def __init__(self, day: int, shape: tuple[int, int, int]) -> None:
        self.sums = Sums(day, shape)
        self.season = FLAT
        self._likelihood = np.zeros(len(SEASONS))

    def shares(self, *, lag: int) -> Floats:
        """Return the expected shares of the places [C, P, H], of a flat season [C, P, 1]."""
        whole = _whole(self.sums.before("none", lag=lag))
        if self.season.slot == "none":
            return whole
        return _drawn(whole, self.sums.before(self.season.slot, lag=lag), self.season.shrinkage)

    def close(self, counts: Counts) -> None:
        """End the running day: learn from what came."""
        sums = self.sums
        if sums.day % _LOOKED_AT == 0 and sums.age >= _YOUNG and counts.any():
            self._likelihood += self._likelihoods(counts.astype(np.float32))
        sums.close(counts)
        again = sums.day % _EVERY == 0
        if sums.age >= _FIRST_CHOICE and (again or sums.age == _FIRST_CHOICE):
            self.season = SEASONS[int(self._likelihood.argmax())]
        if again:
            self._likelihood[:] = 0

    def _likelihoods(self, came: Floats) -> npt.NDArray[np.float64]:
        """Return how likely the running day is under each season, as logarithms."""
        whole = _whole(self.sums.before("none", lag=1))
        found = [_log_likelihood(came.sum(axis=-1, keepdims=True), whole)]
        for slot in SLOTS[1:]:
            own = self.sums.before(slot, lag=1)
            found += [_log_likelihood(came, _drawn(whole, own, rows)) for rows in SHRINKAGES]
        return np.array(found)


class VolumeReference:
    """How many rows the running day is expected to bring: the mean of the same hour of the week.

    Parameters
    ----------
    day : int
    shape : (C, H)
    """

    def __init__(self, day: int, shape: tuple[int, int]) -> None:
        streams, steps = shape
        self.sums = Sums(day, (streams, 1, steps))
        self._seen = Sums(day, (1, 1, steps))

    def rows(self, seen: Counts, *, lag: int) -> Floats:
        """Return the expected rows [C, H], given how often each hour was seen [H].

        0 where it was not, 2 where the clock was put back.
        """
        total = self.sums.before("week", lag=lag)[:, 0]
        times = self._seen.before("week", lag=lag)[:, 0]
        return ((total + 0.5) / np.maximum(times, 1) * seen).astype(np.float32)

    def close(self, rows: Counts, seen: Counts) -> None:
        self.sums.close(rows[:, None])
        self._seen.close(seen[None, None])


def _whole(total: Ints) -> Floats:
    """Return a stream's shares whatever the hour [C, P, 1]; a cohort's begin as everybody's."""
    found: Floats = total.astype(np.float32)
    found += np.float32(_NOTHING)
    found += np.float32(_EVERYBODY) * (found[:1] / found[:1].sum(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found


def _drawn(whole: Floats, own: Ints, shrinkage: float) -> Floats:
    """Draw a slot's shares toward those of its stream, moved as everybody's move in that slot."""
    rows = np.float32(shrinkage)
    common = own[:1] + rows * whole[:1]
    common /= common.sum(axis=1, keepdims=True)
    found: Floats = (whole * (common / whole[:1])).astype(np.float32)
    found *= rows / found.sum(axis=1, keepdims=True)
    found += own
    found /= found.sum(axis=1, keepdims=True)
    return found


def _log_likelihood(came: Floats, shares: Floats) -> float:
    return float((came * np.log(np.maximum(shares, 1e-9))).sum(dtype=np.float64))
