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
_FRIDAY = 4
_EVERYBODY = 20.0  # rows of everybody that a cohort's own shares begin with
_NOTHING = 1e-3
_TINY = np.float32(1e-30)
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
    shape : (P, H, C, F)
        Of a day's counts.
    """

    def __init__(self, day: int, shape: tuple[int, int, int, int]) -> None:
        self.day, self.age = day, 0
        self._days: deque[Counts] = deque(maxlen=DAYS + max(LAGS) + 1)
        self._weekdays = {lag: np.zeros((7, *shape), np.int64) for lag in LAGS}
        self._all = {lag: np.zeros(shape, np.int64) for lag in LAGS}

    def before(self, slot: Slot, *, lag: int) -> Ints:
        """Return the counts [P, H, C, F] of the running day's slots, of ``none`` [P, 1, C, F]."""
        found, weekdays, today = self._all[lag], self._weekdays[lag], self.day % 7
        if slot == "none":
            found = found.sum(axis=1, keepdims=True)
        elif slot == "week":
            found = weekdays[today]
        elif slot == "weekend":
            weekend: Ints = weekdays[5] + weekdays[6]
            found = weekend if today > _FRIDAY else found - weekend
        return found

    def close(self, counts: Counts) -> None:
        """End the running day."""
        self._days.append(counts)
        held = len(self._days)
        for lag in LAGS:
            # the next day's reference begins and ends one day later than this one's
            for back, change in ((lag, np.add), (lag + DAYS, np.subtract)):
                if back < held:
                    of_day = self._days[held - 1 - back]
                    for sums in (self._all[lag], self._weekdays[lag][(self.day - back) % 7]):
                        change(sums, of_day, out=sums)
        self.day += 1
        self.age += 1


class Reference:
    """What the running day of some columns is expected to be.

    How a column goes with the hour is chosen from its past: the season under which the days since
    the last choice were likeliest, each given the weeks before it.

    Parameters
    ----------
    day : int
        Number of the first day, from a Monday on.
    shape : (P, H, C, F)
        Places; steps of a day; streams, everybody first; columns.
    kept : bool [P, F]
        Places that a column has; the others stay empty.

    Attributes
    ----------
    seasons : list of Season [F]
    """

    def __init__(
        self, day: int, shape: tuple[int, int, int, int], kept: npt.NDArray[np.bool_]
    ) -> None:
        self.sums = Sums(day, shape)
        self._begun = np.where(kept, np.float32(_NOTHING), np.float32(0))[:, None, None]
        self.seasons = [FLAT] * shape[-1]
        self._likelihood = np.zeros((len(SEASONS), shape[-1]))
        self._steps = shape[1]

    def shares(self, *, lag: int) -> Floats:
        """Return the expected shares of the places [P, H, C, F]."""
        whole = self._whole(lag)
        found: Floats = np.repeat(whole, self._steps, axis=1)
        for slot in SLOTS[1:]:
            at = [i for i, season in enumerate(self.seasons) if season.slot == slot]
            if at:
                own = self.sums.before(slot, lag=lag)[..., at].astype(np.float32)
                rows = np.array([self.seasons[i].shrinkage for i in at], np.float32)
                found[..., at] = _drawn(whole[..., at], own, rows)
        return found

    def close(self, counts: Counts) -> None:
        """End the running day: learn from what came."""
        sums = self.sums
        if sums.day % _LOOKED_AT == 0 and sums.age >= _YOUNG and counts.any():
            self._likelihood += self._likelihoods(counts.astype(np.float32))
        sums.close(counts)
        again = sums.day % _EVERY == 0
        if sums.age >= _FIRST_CHOICE and (again or sums.age == _FIRST_CHOICE):
            self.seasons = [SEASONS[best] for best in self._likelihood.argmax(axis=0)]
        if again:
            self._likelihood[:] = 0

    def _likelihoods(self, came: Floats) -> npt.NDArray[np.float64]:
        """Return how likely the running day is under each season [S, F], as logarithms."""
        whole = self._whole(1)
        found = [_log_likelihood(came.sum(axis=1, keepdims=True), whole)]
        for slot in SLOTS[1:]:
            own = self.sums.before(slot, lag=1).astype(np.float32)
            found += [
                _log_likelihood(came, _drawn(whole, own, np.float32(rows))) for rows in SHRINKAGES
            ]
        return np.stack(found)

    def _whole(self, lag: int) -> Floats:
        """Return shares whatever the hour [P, 1, C, F]; a cohort's begin as everybody's."""
        found: Floats = self.sums.before("none", lag=lag).astype(np.float32)
        found += self._begun
        everybody = (found / found.sum(axis=0))[:, :, :1]
        found += np.float32(_EVERYBODY) * everybody
        found /= found.sum(axis=0)
        return found


class VolumeReference:
    """How many rows the running day is expected to bring: the mean of the same hour of the week.

    Parameters
    ----------
    day : int
    shape : (C, H)
    """

    def __init__(self, day: int, shape: tuple[int, int]) -> None:
        streams, steps = shape
        self.sums = Sums(day, (1, steps, streams, 1))
        self._seen = Sums(day, (1, steps, 1, 1))

    def rows(self, seen: Counts, *, lag: int) -> Floats:
        """Return the expected rows [C, H], given how often each hour was seen [H].

        0 where it was not, 2 where the clock was put back.
        """
        total = self.sums.before("week", lag=lag)[0, ..., 0].T
        times = self._seen.before("week", lag=lag)[0, ..., 0].T
        return ((total + 0.5) / np.maximum(times, 1) * seen).astype(np.float32)

    def close(self, rows: Counts, seen: Counts) -> None:
        self.sums.close(rows.T[None, ..., None])
        self._seen.close(seen[None, :, None, None])


def _drawn(whole: Floats, own: Floats, rows: Floats | np.float32) -> Floats:
    """Draw a slot's shares toward those of its stream, moved as everybody's move in that slot.

    They weigh as much as so many rows; of each column, or of all.
    """
    everybody = whole[:, :, :1]
    common = own[:, :, :1] + rows * everybody
    common /= common.sum(axis=0)
    # where a column has no place both are 0
    found: Floats = np.multiply(whole, common / np.maximum(everybody, _TINY), dtype=np.float32)
    found *= rows / found.sum(axis=0)
    found += own
    found /= found.sum(axis=0)
    return found


def _log_likelihood(came: Floats, shares: Floats) -> npt.NDArray[np.float64]:
    """Return it of each column [F]."""
    found = np.log(np.maximum(shares, np.float32(1e-9)))
    found *= came
    of_columns: npt.NDArray[np.float64] = found.sum(axis=0, dtype=np.float64).sum(axis=(0, 1))
    return of_columns
