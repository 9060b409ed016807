"""Rows to profiles: every row is read once, binned once, and counted along every dimension.

A row's place is its window and its cohort. All places of one dimension share one table of counts,
so many windows are counted in one pass, and everybody is the sum over the cohorts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from profiles.buffers import column_of, values_of
from profiles.derived import derive
from profiles.errors import InvalidWindow
from profiles.grids import CategoricalGrid, NumericGrid
from profiles.kernel import kernel
from profiles.moments import Moments, beside, empty, joined, pooled
from profiles.names import NamesByWindow
from profiles.profile import (
    EVERYBODY,
    NO_VALUE,
    ColumnProfile,
    Dimension,
    Group,
    Ints,
    Plan,
    Profile,
    kept_groups,
    nothing,
    others_of,
)
from profiles.repeats import Once, Seen
from profiles.values import (
    PRESENT,
    Entries,
    ValueType,
    entries,
    floats_where_they_lie,
    labels,
    type_of,
)
from profiles.windows import Window

Codes = npt.NDArray[np.uint16]
Places = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

DENSE = 1 << 20  # places that may be told apart by a table; beyond it they are sorted


def profile(plan: Plan, batches: Iterable[pa.RecordBatch]) -> tuple[Profile, ...]:
    """Profile the rows of one window: everybody, then each cohort dimension of the plan.

    A column of the plan that a batch does not have counts as missing in all its rows. Memory holds
    one batch and one profile, however many batches there are.
    """
    tally = _Tally(plan, 1)
    for batch in batches:
        if batch.num_rows:
            tally.add(batch, np.zeros(batch.num_rows, np.int64))
    return tally.profiles(0)


def profile_windows(
    plan: Plan,
    batches: Iterable[pa.RecordBatch],
    windows: Sequence[Window],
    *,
    time: str,
    once: Once | None = None,
) -> list[tuple[Profile, ...]]:
    """Profile the rows of several windows in one pass; for each what `profile` gives for its rows.

    Parameters
    ----------
    windows : sequence of Window
        In order, none overlapping.
    time : str
        The column [timestamp, UTC] that tells which window a row is of.
    once
        Lets one row of each id through. If an id came again that it did not expect, the rows have
        to be profiled anew with its `again`.

    Raises
    ------
    InvalidWindow
        If a row lies in none of them.
    TooManyRepeats
        If rows of the same ids take too much memory.
    """
    tally = _Tally(plan, len(windows))
    for batch, window in _by_window(batches, windows, time):
        rows, its = (batch, window) if once is None else once.sift(batch, window)
        if rows.num_rows:
            tally.add(rows, its)
    for rows, its in () if once is None else once.rest():
        tally.add(rows, its)
    return [tally.profiles(window) for window in range(len(windows))]


def seen_in(
    batches: Iterable[pa.RecordBatch], windows: Sequence[Window], *, time: str, ids: str
) -> Seen:
    """Look at the ids of the rows of several windows, and at nothing else."""
    seen = Seen(ids)
    for batch, window in _by_window(batches, windows, time):
        seen.look(batch, window)
    return seen


def windows_at(windows: Sequence[Window], us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the number of the window that each moment lies in, in microseconds since 1970.

    Raises
    ------
    InvalidWindow
        If one lies in none of them.
    """
    starts, ends = (
        np.array([getattr(window, edge).replace(tzinfo=None) for window in windows], "M8[us]")
        for edge in ("start", "end")
    )
    at = us.view("M8[us]")
    window = np.searchsorted(starts, at, side="right") - 1
    if (window < 0).any() or (at >= ends[window]).any():
        raise InvalidWindow("a row lies in none of the windows that were asked for")
    return window


def windows_of(
    batch: pa.RecordBatch, windows: Sequence[Window], *, time: str
) -> npt.NDArray[np.int64]:
    """Return the number of the window of each row of a batch.

    Raises
    ------
    InvalidWindow
        If a row lies in none of them.
    """
    moments = batch.column(time).cast(pa.timestamp("us", "UTC"))
    return windows_at(windows, values_of(moments, np.int64))


def _by_window(
    batches: Iterable[pa.RecordBatch], windows: Sequence[Window], time: str
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.int64]]]:
    """Yield batches with the number of the window of each row."""
    for batch in batches:
        if batch.num_rows:
            yield batch, windows_of(batch, windows, time=time)


def cohort_rows(batch: pa.RecordBatch, dimension: Dimension) -> dict[Group, int]:
    """Return the rows of each cohort of a batch."""
    keys = [_cohort_labels(column_of(batch, name)) for name in dimension]
    ids, groups = _combined(keys, batch.num_rows)
    counts = np.bincount(ids, minlength=len(groups)).tolist()
    return {group: rows for group, rows in zip(groups, counts, strict=True) if rows}


class _Tally:
    """Counts batches into the places of all dimensions."""

    def __init__(self, plan: Plan, windows: int) -> None:
        self._plan = plan
        grids = list(plan.grids.values())
        ends = np.cumsum([grid.bins for grid in grids], dtype=np.intp)
        self._at = [int(end) - grid.bins for end, grid in zip(ends, grids, strict=True)]
        self._numeric = [name for name, grid in plan.grids.items() if isinstance(grid, NumericGrid)]
        width = int(ends[-1]) if grids else 0
        dimensions = plan.dimensions or (EVERYBODY,)
        self._along = [_Along(d, plan, windows, width, len(self._numeric)) for d in dimensions]
        self._windows = windows
        self._outside: dict[str, _Outside] = {}
        self._last: dict[str, Entries] = {}  # batches of a file mostly share their dictionary
        self._bins: dict[str, Codes] = {}

    def add(self, batch: pa.RecordBatch, window: npt.NDArray[np.int64]) -> None:
        """Count rows, each in the window of its number."""
        batch = derive(batch, self._plan.derived)
        names = dict.fromkeys(name for along in self._along for name in along.dimension)
        keys = {name: _cohort_labels(column_of(batch, name)) for name in names}
        placed = [along.place(keys, window) for along in self._along]
        do = kernel()
        for at, (name, grid) in zip(self._at, self._plan.grids.items(), strict=True):
            array = column_of(batch, name)
            if isinstance(grid, NumericGrid):
                values, absent, mismatch = floats_where_they_lie(array)
                codes = do.bins(values, grid.cells, grid.missing)
                if absent is not None:
                    np.copyto(codes, grid.missing, where=absent)
                if mismatch is not None:
                    codes[mismatch] = grid.mismatch
                for rows in placed:
                    rows.moments.append(
                        do.moments(
                            values,
                            codes,
                            grid.values,
                            rows.local,
                            len(rows.slots),
                            grid.cells.middle,
                        )
                    )
            else:
                codes = self._categories(name, grid, array, window)
            for along, rows in zip(self._along, placed, strict=True):
                do.count(codes, grid.bins, rows.local, rows.slots, along.counts, at)
        for along, rows in zip(self._along, placed, strict=True):
            along.add(rows)

    def profiles(self, window: int) -> tuple[Profile, ...]:
        """Return the profiles of one window: everybody, then each dimension of the plan."""
        first = self._along[0]
        groups, slots = first.groups(window)
        if not groups:
            return tuple(nothing(self._plan, d) for d in (EVERYBODY, *self._plan.dimensions))
        outside = sorted(self._outside.items())
        unseen = {column: of.unseen.of(window) for column, of in outside}
        rare = {column: of.rare.of(window) for column, of in outside}
        everybody = Profile(
            dimension=EVERYBODY,
            groups=((),),
            rows=first.rows[slots].sum(keepdims=True),
            columns=self._columns(
                first.counts[slots].sum(axis=0, keepdims=True),
                [
                    pooled([(of, np.zeros(len(slots), np.intp))], 1)
                    for of in first.moments_at(slots)
                ],
            ),
            unseen={column: names for column, names in unseen.items() if names.rows},
            rare={column: names for column, names in rare.items() if names.rows},
        )
        return (
            everybody,
            *(self._cohorts(along, window) for along in self._along if along.dimension),
        )

    def _cohorts(self, along: _Along, window: int) -> Profile:
        groups, slots = along.groups(window)
        return Profile(
            dimension=along.dimension,
            groups=groups,
            rows=along.rows[slots],
            columns=self._columns(along.counts[slots], along.moments_at(slots)),
            new=along.new[window],
        )

    def _columns(self, counts: Ints, moments: Sequence[Moments]) -> dict[str, ColumnProfile]:
        of = dict(zip(self._numeric, moments, strict=True))
        return {
            name: ColumnProfile(
                grid=grid.id, counts=counts[:, at : at + grid.bins], moments=of.get(name)
            )
            for at, (name, grid) in zip(self._at, self._plan.grids.items(), strict=True)
        }

    def _categories(
        self, name: str, grid: CategoricalGrid, array: pa.Array, window: npt.NDArray[np.int64]
    ) -> Codes:
        """Return the bin of every row; names without a bin of their own are noted."""
        outside = self._outside.setdefault(name, _Outside(grid, self._windows))
        read = entries(array, grid.values_are, self._last.get(name))
        if read is None:
            named = labels(array, grid.values_are)
            self._last.pop(name, None)
            outside.meet(named.names, grid.bins_of(named.names))
            mixed = grid.codes(named).astype(np.uint16)
            outside.add(mixed, named.codes, window)
            return mixed
        if name not in self._last or self._last[name].names is not read.names:
            self._bins[name] = grid.bins_of(read.names)
            outside.meet(read.names, self._bins[name])
        self._last[name] = read
        codes: Codes = self._bins[name][read.index]
        outside.add(codes, read.index, window)
        return codes


class _Outside:
    """The names of one column that have no bin of their own, with their rows in each window."""

    def __init__(self, grid: CategoricalGrid, windows: int) -> None:
        self.unseen, self.rare = NamesByWindow(windows), NamesByWindow(windows)
        self._at = [(grid.unseen, self.unseen), (grid.other, self.rare)]
        self._number: list[npt.NDArray[np.int64] | None] = [None, None]  # of a batch's entries

    def meet(self, names: Sequence[str | None], bins: Codes) -> None:
        """Give the names of a batch's entries their numbers, given the bin of each."""
        for place, (outside, found) in enumerate(self._at):
            found_at = np.flatnonzero(bins == outside)
            self._number[place] = None
            if len(found_at):
                number = np.zeros(len(names), np.int64)
                number[found_at] = found.numbers(names[entry] or "" for entry in found_at.tolist())
                self._number[place] = number

    def add(
        self, codes: Codes, index: npt.NDArray[np.integer[Any]], window: npt.NDArray[np.int64]
    ) -> None:
        """Count the rows of a batch, given the bin and the entry of each."""
        for (outside, found), number in zip(self._at, self._number, strict=True):
            if number is not None:
                rows = np.flatnonzero(codes == outside)
                found.add(number[index[rows]], window[rows])


@dataclass(kw_only=True)
class _Placed:
    """Where the rows of one batch go along one dimension.

    Attributes
    ----------
    local : int32 [n]
        The place of every row among those the batch has.
    slots : int [L]
        Where those places lie in the table of the dimension.
    moments : list of (n, mean, M2, smallest, largest), each [L]
        Of the numeric columns so far.
    """

    local: Places
    slots: npt.NDArray[np.intp]
    rows: Ints
    moments: list[tuple[Ints, Floats, Floats, Floats, Floats]] = field(default_factory=list)


class _Along:
    """The counts along one dimension: a row of the table for each cohort of each window."""

    def __init__(
        self, dimension: Dimension, plan: Plan, windows: int, width: int, numeric: int
    ) -> None:
        self.dimension = dimension
        self._others = others_of(dimension)
        self._known = plan.known.get(dimension, frozenset()) | {self._others}
        self._most_new = plan.new_groups
        self.new: list[frozenset[Group]] = [frozenset()] * windows
        self._slots: list[dict[Group, int]] = [{} for _ in range(windows)]
        self._free: list[int] = []
        self._used = 0
        self.rows = np.zeros(0, np.int64)
        self.counts = np.zeros((0, width), np.int64)
        self.moments = empty((numeric, 0))

    def groups(self, window: int) -> tuple[tuple[Group, ...], list[int]]:
        """Return the cohorts of a window, sorted, and where they lie in the table."""
        slots = self._slots[window]
        groups = tuple(sorted(slots))
        return groups, [slots[group] for group in groups]

    def moments_at(self, slots: list[int]) -> list[Moments]:
        """Return the moments of each numeric column at some places."""
        part = self.moments[:, slots]
        return [part[at] for at in range(len(part.n))]

    def place(self, keys: Mapping[str, _Keys], window: npt.NDArray[np.int64]) -> _Placed:
        """Find the place of every row; the table grows by those that are new."""
        ids, names = _combined([keys[name] for name in self.dimension], len(window))
        cell = window * len(names) + ids
        present, at = _numbered(cell, len(self._slots) * len(names))
        wanted: dict[int, list[Group]] = {}
        for one in present.tolist():
            wanted.setdefault(one // len(names), []).append(names[one % len(names)])
        found = [slot for of, groups in wanted.items() for slot in self._slots_of(of, groups)]
        slots, again = np.unique(np.array(found, np.intp), return_inverse=True)
        local = again.astype(np.int32)[at]
        self._make_room()
        rows = np.bincount(local, minlength=len(slots)).astype(np.int64)
        return _Placed(local=local, slots=slots, rows=rows)

    def add(self, placed: _Placed) -> None:
        """Add the rows and moments of a batch; its counts are in the table already."""
        slots = placed.slots
        self.rows[slots] += placed.rows
        if placed.moments:
            n, mean, m2, low, high = (np.array(of) for of in zip(*placed.moments, strict=True))
            part = Moments(n=n, mean=mean, m2=m2, low=low + 0.0, high=high + 0.0)
            self._set_moments(slots, joined(self.moments[:, slots], part))

    def _slots_of(self, window: int, groups: list[Group]) -> list[int]:
        if self.dimension:
            fresh = frozenset(groups) - self._known - self.new[window]
            if fresh:
                kept = kept_groups(self.new[window] | fresh, self._most_new)
                dropped, self.new[window] = self.new[window] - kept, kept
                for group in sorted(dropped):
                    self._fold(window, group)
            own = self._known | self.new[window]
            groups = [group if group in own else self._others for group in groups]
        return [self._slot(window, group) for group in groups]

    def _slot(self, window: int, group: Group) -> int:
        slots = self._slots[window]
        if group not in slots:
            if not self._free:
                self._free.append(self._used)
                self._used += 1
            slots[group] = self._free.pop()
        return slots[group]

    def _fold(self, window: int, group: Group) -> None:
        """Put a cohort, counted by itself so far, among the others."""
        source, target = self._slots[window].pop(group), self._slot(window, self._others)
        self._make_room()
        for table in (self.rows, self.counts):
            table[target] += table[source]
            table[source] = 0
        nowhere = empty((self.moments.n.shape[0], 1))
        both = joined(self.moments[:, [source]], self.moments[:, [target]])
        self._set_moments(np.array([target]), both)
        self._set_moments(np.array([source]), nowhere)
        self._free.append(source)

    def _set_moments(self, slots: npt.NDArray[np.intp], part: Moments) -> None:
        for name in ("n", "mean", "m2", "low", "high"):
            getattr(self.moments, name)[:, slots] = getattr(part, name)

    def _make_room(self) -> None:
        more = self._used - len(self.rows)
        if more <= 0:
            return
        more = max(more, len(self.rows) // 2)
        self.rows = np.concatenate((self.rows, np.zeros(more, np.int64)))
        self.counts = np.concatenate(
            (self.counts, np.zeros((more, self.counts.shape[1]), np.int64))
        )
        self.moments = beside(self.moments, empty((self.moments.n.shape[0], more)))


_Keys = tuple[npt.NDArray[np.int64], tuple[str, ...]]  # the cohort of every row, and their names


def _cohort_labels(array: pa.Array) -> _Keys:
    """Return the cohort of every row as a code, and the names of the codes, each once.

    Missing has a name, which it shares with rows that hold that very text; where types are mixed,
    each value is named as its own type is.
    """
    mixed: tuple[ValueType, ...] = ("number", "string", "boolean")
    only = type_of(array.type)
    place = {NO_VALUE: 0}
    cohorts = np.zeros(len(array), np.int64)
    for of in mixed if pa.types.is_union(array.type) else (only,) if only else ():
        read = labels(array, of)
        codes = np.array([place.setdefault(name, len(place)) for name in read.names] or [0])
        cohorts = np.where(read.mark == PRESENT, codes[read.codes], cohorts)
    return cohorts, tuple(place)


def _combined(keys: Sequence[_Keys], n: int) -> tuple[npt.NDArray[np.int64], Sequence[Group]]:
    """Return the group of every row as a code, and the groups of the codes."""
    if len(keys) == 1:
        codes, names = keys[0]
        return codes, [(name,) for name in names]
    combined, groups = np.zeros(n, np.int64), [()]
    for codes, names in keys:
        present, combined = np.unique(combined * len(names) + codes, return_inverse=True)
        groups = [(*groups[one // len(names)], names[one % len(names)]) for one in present.tolist()]
    return combined, groups


def _numbered(
    codes: npt.NDArray[np.int64], size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the codes that occur, sorted, and where among them each row's code stands."""
    if size > DENSE:
        return np.unique(codes, return_inverse=True)
    present = np.flatnonzero(np.bincount(codes, minlength=size))
    at = np.zeros(size, np.int64)
    at[present] = np.arange(len(present))
    return present, at[codes]
