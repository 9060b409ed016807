"""Sums over the last windows, of any width, from stored profiles and never from rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from profiles.moments import Moments, pooled
from profiles.profile import Dimension, Group, Profile, merge
from profiles.spans import FEW
from profiles.windows import Window

Ints = npt.NDArray[np.int64]

Number = TypeVar("Number", np.int64, np.float64)


def rolled(values: npt.NDArray[Number], width: int) -> npt.NDArray[Number]:
    """Sum the last `width` entries along the first axis at each of them, by prefix sums.

    Where fewer came before, those there are. Integers are exact.
    """
    total: npt.NDArray[Number] = np.cumsum(values, axis=0, dtype=values.dtype)
    total[width:] = total[width:] - total[:-width]
    return total


class Sliding:
    """The merge of the profiles of the last `over`, along one dimension, whole and at any step.

    Merging cannot be undone, so two stacks are kept: the newer profiles with their merge, and the
    merges of the older ones with all that follow them. Each profile is merged three times at most,
    however wide the span.

    Parameters
    ----------
    over : timedelta
        Width of the span that ends with the newest window.
    """

    def __init__(self, over: timedelta) -> None:
        self._over = over
        self._old: list[tuple[datetime, Profile]] = []  # newest first
        self._new: list[tuple[datetime, Profile]] = []
        self._sum: Profile | None = None  # of the new ones

    def push(self, window: Window, profile: Profile) -> Profile:
        """Add the next window; return the merge of those that begin within the span."""
        self._new.append((window.start, profile))
        self._sum = profile if self._sum is None else merge((self._sum, profile))
        first = window.end - self._over
        while self._old and self._old[-1][0] < first:
            self._old.pop()
        if not self._old and self._new[0][0] < first:
            self._turn(first)
        parts = [part for part in (self._old[-1][1] if self._old else None, self._sum) if part]
        return parts[0] if len(parts) == 1 else merge(parts)

    def _turn(self, first: datetime) -> None:
        """Make the new ones the old ones, each merged with all that follow it."""
        merged: Profile | None = None
        for start, profile in reversed(self._new):
            if start >= first:
                merged = profile if merged is None else merge((profile, merged))
                self._old.append((start, merged))
        self._new, self._sum = [], None


class RollingCounts:
    """The counts of the windows of the last `over`, along one dimension.

    Counts are integers, so adding a window and taking it away again leaves exactly what was there:
    the sum depends on the windows within the span only, not on how one came to it.

    Parameters
    ----------
    dimension : tuple of str
    columns : sequence of str
        Which columns are summed.
    over : timedelta
        Width of the span that ends with the newest window.
    """

    def __init__(self, dimension: Dimension, columns: Sequence[str], over: timedelta) -> None:
        self.dimension, self.over = dimension, over
        self._columns = tuple(columns)
        self._held: deque[tuple[Window, Profile]] = deque()
        self._place: dict[Group, int] = {}
        self._sums: dict[str, Ints] = {}
        self._many = FEW

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of `counts`, in the order of its rows: those of every window in the span."""
        return tuple(self._place)

    def push(self, window: Window, profile: Profile) -> None:
        """Add the next window; those that begin before the span go."""
        self._add(profile, 1)
        self._held.append((window, profile))
        self.forget(window.end - self.over)

    def forget(self, before: datetime) -> None:
        """Take away the windows that start before an instant."""
        while self._held and self._held[0][0].start < before:
            self._add(self._held.popleft()[1], -1)
        if len(self._place) > self._many:
            self._forget_groups()

    def _forget_groups(self) -> None:
        """Forget the groups that no window has any more, or cohorts that come once pile up."""
        held = {group for _, profile in self._held for group in profile.groups}
        stays = [place for group, place in self._place.items() if group in held]
        self._place = {group: at for at, group in enumerate(of for of in self._place if of in held)}
        self._sums = {
            name: sums[[at for at in stays if at < len(sums)]] for name, sums in self._sums.items()
        }
        self._many = max(FEW, 2 * len(self._place))

    def counts(self) -> dict[str, Ints]:
        """Return the counts [G, B] of each column that a window has held."""
        return {name: sums[: len(self._place)].copy() for name, sums in self._sums.items()}

    def parts(self) -> tuple[Profile, ...]:
        """Return the profiles that are summed, oldest first."""
        return tuple(profile for _, profile in self._held)

    def _add(self, profile: Profile, sign: int) -> None:
        for group in profile.groups:
            self._place.setdefault(group, len(self._place))
        rows = np.array([self._place[group] for group in profile.groups], np.intp)
        for name in self._columns:
            column = profile.columns.get(name)
            sums = self._sums.get(name)
            if sums is None and column is not None:
                sums = np.zeros((0, column.counts.shape[1]), np.int64)
            if sums is None:
                continue
            if len(sums) < len(self._place):
                room = np.zeros((2 * len(self._place), sums.shape[1]), np.int64)
                room[: len(sums)] = sums
                sums = room
            self._sums[name] = sums
            if column is not None:
                sums[rows] += sign * column.counts


def moments_of(parts: Sequence[Profile], column: str, group: Group) -> Moments | None:
    """Pool the moments [1] of a column in one group; None where it has none."""
    at = np.zeros(1, np.intp)
    pooling = []
    for profile in parts:
        found = profile.columns.get(column)
        if found is not None and found.moments is not None and group in profile.groups:
            i = profile.groups.index(group)
            pooling.append((found.moments[i : i + 1], at))
    return pooled(pooling, 1) if pooling else None
