"""Sums of stored windows over spans that move: any spans, from what is not zero in a window."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from profiles.profile import Dimension, Group, Profile
from profiles.windows import Window

Ints = npt.NDArray[np.int64]

FEW = 64  # groups that are never looked through for those that went


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """What a window holds: its counts in bins that are not empty, and its moments."""

    places: npt.NDArray[np.intp]  # [G] where its groups stand among all
    filled: npt.NDArray[np.intp]  # [G] how many bins of each are not empty
    bins: npt.NDArray[np.int32]  # [K], group by group
    counts: npt.NDArray[np.unsignedinteger]  # [K], in the narrowest integers that hold them
    moments: Profile  # without counts


class Kept:
    """The counts of the last windows along one dimension, held in little memory.

    Parameters
    ----------
    dimension : tuple of str
    bins : mapping from column to int
        The columns that are kept, and the bins of their grids.
    """

    def __init__(self, dimension: Dimension, bins: Mapping[str, int]) -> None:
        self.dimension, self.width = dimension, sum(bins.values())
        ends = np.cumsum(list(bins.values()), dtype=int).tolist()
        self.parts = {  # which bins of all columns together are whose
            column: slice(end - of, end)
            for (column, of), end in zip(bins.items(), ends, strict=True)
        }
        self.place: dict[Group, int] = {}
        self._starts: list[datetime] = []
        self._cells: dict[datetime, _Cells] = {}
        self._sums: list[Sums] = []
        self._many = FEW

    def push(self, window: Window, profile: Profile) -> None:
        """Add the next window."""
        empty = np.zeros(0, np.int64)
        counts = np.zeros((len(profile.groups), self.width), np.int64)
        for column, part in self.parts.items():
            if column in profile.columns:
                counts[:, part] = profile.columns[column].counts
        rows, at = np.nonzero(counts)
        amounts = counts[rows, at]
        places = [self.place.setdefault(group, len(self.place)) for group in profile.groups]
        self._starts.append(window.start)
        self._cells[window.start] = _Cells(
            places=np.array(places, np.intp),
            filled=np.bincount(rows, minlength=len(places)),
            bins=at.astype(np.int32),
            counts=amounts.astype(np.min_scalar_type(int(amounts.max(initial=0)))),
            moments=Profile(
                dimension=self.dimension, groups=profile.groups, rows=profile.rows,
                columns={
                    # taken out of the bytes that were read, which else stay in memory
                    name: replace(of, counts=empty, moments=of.moments[np.arange(len(places))])
                    for name, of in profile.columns.items()
                    if name in self.parts and of.moments is not None
                },
            ),
        )  # fmt: skip

    def forget(self, before: datetime) -> None:
        """Take away the windows that start before an instant."""
        last = bisect_left(self._starts, before)
        for start in self._starts[:last]:
            del self._cells[start]
        del self._starts[:last]
        if len(self.place) > self._many:
            self._forget_groups()

    def _forget_groups(self) -> None:
        """Forget the groups that no window has any more, or cohorts that come once pile up."""
        held = [of.places for of in self._cells.values()]
        stays = np.unique(np.concatenate([*held, *(sums.filled() for sums in self._sums)]))
        at = np.zeros(len(self.place), np.intp)
        at[stays] = np.arange(len(stays))
        names = list(self.place)
        self.place = {names[old]: new for new, old in enumerate(stays.tolist())}
        for start, of in self._cells.items():
            self._cells[start] = replace(of, places=at[of.places])
        for sums in self._sums:
            sums.keep(stays)
        self._many = max(FEW, 2 * len(stays))

    def follow(self, sums: Sums) -> None:
        """Tell sums when groups change their places."""
        self._sums.append(sums)

    def within(self, start: datetime, end: datetime) -> Iterator[_Cells]:
        """Yield the windows that start in ``[start, end)``, oldest first."""
        for at in self._starts[bisect_left(self._starts, start) : bisect_left(self._starts, end)]:
            yield self._cells[at]


class Sums:
    """The counts of the kept windows in some spans, none of which overlap.

    Counts are integers, so what enters a span is added and what leaves it is taken away, and the
    sum depends on the spans only, not on where they were before.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._spans: tuple[Window, ...] = ()
        self._flat = np.zeros(0, np.int64)
        self.windows = 0  # that the spans hold
        kept.follow(self)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of `counts`, in the order of its rows: those of every window that is kept."""
        return tuple(self._kept.place)

    def filled(self) -> npt.NDArray[np.intp]:
        """Return the places of the groups that have any count."""
        width = self._kept.width
        if not width:
            return np.zeros(0, np.intp)
        return np.flatnonzero(
            self._flat[: len(self._flat) // width * width].reshape(-1, width).any(1)
        )

    def keep(self, stays: npt.NDArray[np.intp]) -> None:
        """Keep the groups of some places only, closed up."""
        width = self._kept.width
        if width:
            table = self._flat[: len(self._flat) // width * width].reshape(-1, width)
            here = stays[stays < len(table)]  # the others have come after the last move
            self._flat = table[here].reshape(-1).copy()

    def move(self, spans: Sequence[Window]) -> None:
        """Go over to other spans; what is kept must reach back to these and to those before."""
        size = len(self._kept.place) * self._kept.width
        if len(self._flat) < size:
            self._flat = np.concatenate((self._flat, np.zeros(2 * size, np.int64)))
        for old, new in zip_longest(self._spans, spans):
            for start, end in _without(old, new):
                self._add(start, end, -1)
            for start, end in _without(new, old):
                self._add(start, end, 1)
        self._spans = tuple(spans)

    def counts(self) -> dict[str, Ints]:
        """Return the counts [G, B] of each column."""
        size = len(self._kept.place) * self._kept.width
        table = self._flat[:size].reshape(len(self._kept.place), self._kept.width)
        return {column: table[:, part].copy() for column, part in self._kept.parts.items()}

    def parts(self) -> tuple[Profile, ...]:
        """Return the moments of the windows that are summed, as profiles without counts."""
        spans = sorted(self._spans)
        return tuple(of.moments for span in spans for of in self._kept.within(span.start, span.end))

    def _add(self, start: datetime, end: datetime, sign: int) -> None:
        for of in self._kept.within(start, end):
            at = np.repeat(of.places * self._kept.width, of.filled) + of.bins
            self._flat[at] += sign * of.counts.astype(np.int64)
            self.windows += sign


def _without(span: Window | None, other: Window | None) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of a span that are not in another."""
    if span is None:
        return
    if other is None or other.end <= span.start or span.end <= other.start:
        yield span.start, span.end
        return
    if span.start < other.start:
        yield span.start, other.start
    if other.end < span.end:
        yield other.end, span.end
