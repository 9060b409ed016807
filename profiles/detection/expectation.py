"""What the hours of a stream should look like: the same hours of the weeks before, and never later.

All arrays are of local clock hours: D days of H steps, of which the first day is a Monday. A day's
expectation comes from the `days` that end `lag` days before it, so that what is judged never
explains itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.integer]
Slot = Literal["none", "hour", "weekend", "week"]

SLOTS: tuple[Slot, ...] = get_args(Slot)
REFERENCE = 56  # days
SHRINKAGES = (20.0, 200.0, 2_000.0, 20_000.0)
_DAY_KINDS: dict[Slot, tuple[int, ...]] = {
    "none": (0,) * 7,
    "hour": (0,) * 7,
    "weekend": (0, 0, 0, 0, 0, 1, 1),
    "week": (0, 1, 2, 3, 4, 5, 6),
}
_EVERYBODY = 20.0  # rows of everybody that a cohort's own shares begin with
_NOTHING = 1e-3
_LOOKED_AT = 3  # every third day decides between slots
_YOUNG = 14  # days that are too early to decide
_CHOSEN = (28, 56, 112)  # days before which a season is chosen, later again and again
_EVERY = 56


@dataclass(frozen=True, kw_only=True, order=True)
class Season:
    """How a column goes with the hour.

    Attributes
    ----------
    slot : str
        What an hour is expected to be like: ``none`` all hours, ``hour`` the same of all days,
        ``weekend`` of working days or weekends, ``week`` of the same weekday.
    shrinkage : float
        With so many rows a slot's own shares weigh as much as what the column does on the whole.
    """

    slot: Slot
    shrinkage: float = 0.0


FLAT = Season(slot="none")


def trailing(counts: Counts, slot: Slot, *, lag: int, days: int) -> Floats:
    """Sum the counts of the `days` days that end `lag` days before each day, by slot.

    Parameters
    ----------
    counts : int [..., D, H, P]

    Returns
    -------
    float32 [..., D, H, P], of slot ``none`` [..., D, 1, P]; 0 where nothing came before.
    """
    if slot == "none":
        counts = counts.sum(axis=-2, keepdims=True)
    found = np.empty(counts.shape, np.float32)
    kind = np.array(_DAY_KINDS[slot])[np.arange(counts.shape[-3]) % 7]
    for one in np.unique(kind):
        at = np.flatnonzero(kind == one)
        total = np.zeros((*counts.shape[:-3], len(at) + 1, *counts.shape[-2:]), np.int64)
        np.cumsum(counts[..., at, :, :], axis=-3, out=total[..., 1:, :, :])
        last, first = (np.searchsorted(at, at - back) for back in (lag, lag + days))
        found[..., at, :, :] = total[..., last, :, :] - total[..., first, :, :]
    return found


class Expectation:
    """What is expected of one column, and the seasons that say how.

    Parameters
    ----------
    counts : int [C, D, H, P]
        Rows in each place, of everybody first, then of cohorts.
    days : int
        How far back a day's reference reaches.
    """

    def __init__(self, counts: Counts, *, days: int = REFERENCE) -> None:
        self._counts, self._days = counts, days
        self._before: dict[tuple[Slot, int], Floats] = {}
        ends = [*_CHOSEN[:2], *range(_CHOSEN[2], counts.shape[1], _EVERY)]
        starts = [0, *(end for end in ends if end < counts.shape[1])]
        self.seasons = {start: self._season(start) for start in starts}

    def shares(self, *, lag: int) -> Floats:
        """Return the expected shares of the places [C, D, H, P], from earlier days alone."""
        whole = _whole(self._trailing("none", lag))
        found = np.empty(self._counts.shape, np.float32)
        starts = [*self.seasons, self._counts.shape[1]]
        for (first, season), last in zip(self.seasons.items(), starts[1:], strict=True):
            at = (slice(None), slice(first, last))
            if season.slot == "none":
                found[at] = whole[at]
            else:
                own = self._trailing(season.slot, lag)
                found[at] = _drawn(whole[at], own[at], season.shrinkage)
        return found

    def _season(self, last: int) -> Season:
        """Choose slot and shrinkage by how likely the days before are, given those before each."""
        at = (slice(None), slice(max(_YOUNG, last - _EVERY), last, _LOOKED_AT))
        seen = self._counts[at].astype(np.float32)
        if not seen.any():
            return FLAT
        whole = _whole(self._trailing("none", 1)[at])
        found = [(_likelihood(seen, whole), FLAT)]
        for slot in SLOTS[1:]:
            own = self._trailing(slot, 1)[at]
            for shrinkage in SHRINKAGES:
                season = Season(slot=slot, shrinkage=shrinkage)
                found.append((_likelihood(seen, _drawn(whole, own, shrinkage)), season))
        return max(found)[1]

    def _trailing(self, slot: Slot, lag: int) -> Floats:
        if (slot, lag) not in self._before:
            found = trailing(self._counts, slot, lag=lag, days=self._days)
            self._before[slot, lag] = found
        return self._before[slot, lag]


def volumes(rows: Counts, seen: Counts, *, lag: int, days: int = REFERENCE) -> Floats:
    """Return the expected rows of every hour [C, D, H]: the mean of the same hour of the week.

    Parameters
    ----------
    rows : int [C, D, H]
    seen : int [D, H]
        How often each hour was seen: 0 where it was not, 2 where the clock was put back.
    """
    total = trailing(rows[..., None], "week", lag=lag, days=days)
    times = trailing(seen[..., None], "week", lag=lag, days=days)
    found: Floats = (((total + 0.5) / (times + 1))[..., 0] * seen).astype(np.float32)
    return found


def _whole(total: Floats) -> Floats:
    """Return a stream's shares whatever the hour [C, D, 1, P]; a cohort's begin as everybody's."""
    found = total + np.float32(_NOTHING)
    found += np.float32(_EVERYBODY) * (found[:1] / found[:1].sum(-1, keepdims=True))
    found /= found.sum(-1, keepdims=True)
    return found


def _drawn(whole: Floats, own: Floats, shrinkage: float) -> Floats:
    """Draw a slot's shares toward those of its stream, moved as everybody's move in that slot."""
    rows = np.float32(shrinkage)
    common = own[:1] + rows * whole[:1]
    common /= common.sum(-1, keepdims=True)
    found: Floats = (whole * (common / whole[:1])).astype(np.float32, copy=False)
    found *= rows / found.sum(-1, keepdims=True)
    found += own
    found /= found.sum(-1, keepdims=True)
    return found


def _likelihood(seen: Floats, expected: Floats) -> float:
    if expected.shape[2] == 1:
        seen = seen.sum(2, keepdims=True)
    return float((seen * np.log(np.maximum(expected, 1e-9))).sum(dtype=np.float64))
