"""All streams of a model, day by day: which are odd, and whether a lane alerts.

A watch is a function of the counts that it was given, in whatever order those of a day came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from scipy import special

from profiles.detection.column import KINDS, Column, Kind, Seen, Volume
from profiles.detection.lanes import Beside, Lane, lanes
from profiles.detection.reference import Counts
from profiles.detection.scores import FIRST_SCORED, SLOW, Scale
from profiles.detection.watched import Folding, Watched
from profiles.profile import Dimension, Group, Profile

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Groups = Mapping[Dimension, Sequence[Group]]

NEAR = 0.9  # of the bar: what is above is neither quiet nor odd
_ROWS = "\0rows"  # stands for a column where the rows themselves are watched; none is named so


@dataclass(frozen=True, kw_only=True, order=True)
class Stream:
    """One column in one cohort, or the rows of a cohort, whose column is ``rows``."""

    column: str
    kind: Kind
    dimension: Dimension
    group: Group


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The streams of one kind of a column along one dimension, at one scale, judged as one.

    Attributes
    ----------
    first, last : int
        Where its groups stand among the streams of the column.
    """

    column: str
    kind: Kind
    scale: Scale
    dimension: Dimension
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """What moved most in a stream: what was expected, and what came instead.

    `label` says what the two are: ``mean``, ``number of``, or ``share of EV``.
    """

    now: float
    was: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A cell on its oddest look of a unit.

    Attributes
    ----------
    stream : Stream
        The oddest of the cell.
    height : float
        Over the third largest of its cell in the units it is judged with.
    effect : float
        Cohen's w without what noise and the stream's own wander add.
    rows : int
    change : Change or None
        Where it is over the bar by what came today.
    """

    stream: Stream
    scale: Scale
    height: float
    effect: float
    rows: int
    change: Change | None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A lane at one step of the running day.

    Attributes
    ----------
    bar : float
        The height above which a cell alerts.
    heights : float64 [cells]
        Of the cells of the lane.
    odd : tuple of Odd
        The highest cell, and all over nine tenths of the bar; highest first.
    """

    lane: Lane
    bar: float
    heights: Doubles
    odd: tuple[Odd, ...]

    @property
    def over(self) -> tuple[Odd, ...]:
        """The cells over the bar."""
        return tuple(odd for odd in self.odd if odd.height > self.bar)

    @property
    def alerts(self) -> bool:
        return bool(self.odd) and self.odd[0].height > self.bar


@dataclass(frozen=True, kw_only=True)
class _Best:
    """The oddest look of one cell so far."""

    stream: int
    look: int
    effect: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What was seen of the running day.

    Attributes
    ----------
    highest : float32 [H, cells]
        The largest score of each cell after each step.
    of_cell : list of Seen [cells]
    of_column : mapping from column to list of Seen
    """

    highest: Floats
    of_cell: list[Seen]
    of_column: Mapping[str, list[Seen]]


class Watch:
    """Watches the columns of one model from its first day on.

    Parameters
    ----------
    watched : mapping from column to Watched
    groups : mapping from dimension to groups
        Everybody first. A column is not watched inside its own cohorts.
    faults_only : collection of str
        Columns of which only missing and wrong values are watched.
    budget : float
        False incidents a month.
    day : int
        Number of the first day, from a Monday on.
    steps : int
        Of a day.
    """

    def __init__(
        self,
        watched: Mapping[str, Watched],
        groups: Groups,
        *,
        budget: float,
        day: int,
        steps: int,
        faults_only: Collection[str] = (),
    ) -> None:
        self.day, self.steps, self.budget = day, steps, budget
        self._watched = dict(watched)
        self._groups = {c: {d: g for d, g in groups.items() if c not in d} for c in watched}
        self._groups[_ROWS] = dict(groups)
        self._places = _places(groups)
        self._folding = Folding(list(watched.values()))
        self._parts = dict(zip(watched, self._folding.parts, strict=True))
        self._streams = {
            c: [at for d in of for at in self._places[d].values()] for c, of in self._groups.items()
        }
        self._columns = {
            c: Column(
                of, len(self._streams[c]), day=day, steps=steps,
                kinds=KINDS[-1:] if c in faults_only else KINDS,
            )
            for c, of in watched.items()
        }  # fmt: skip
        self._volume = Volume(_size(groups), day=day, steps=steps)
        self._cells: list[Cell] = []
        self._days: list[Floats] = []  # the largest score of each cell, of closed days
        self._came: list[bool] = []  # whether a closed day had any window
        self._week: list[dict[int, _Best]] = []  # of slow cells: their oddest looks, of this week's
        self._beside: dict[Lane, tuple[int, Beside]] = {}
        self._found: _Found | None = None
        self._clear()

    def add(self, step: int, parts: Sequence[Profile]) -> None:
        """Count a window that begins in a step of the running day."""
        self._seen[step] += 1
        self._found = None
        for part in parts:
            at = self._places.get(part.dimension)
            if at is None:
                continue
            kept = [i for i, group in enumerate(part.groups) if group in at]
            to = [at[part.groups[i]] for i in kept]
            self._rows[to, step] += part.rows[kept]
            counts = np.concatenate([part.columns[c].counts for c in self._watched], axis=1)
            self._counts[to, :, step] += self._folding.fold(counts[kept])

    def put(self, counts: Mapping[str, Counts], rows: Counts, seen: Counts) -> None:
        """Set the whole running day, where its counts are in places already.

        Parameters
        ----------
        counts : mapping from column to int [C, P, H]
            Of everybody first, then of the groups in their order.
        rows : int [C, H]
        seen : int [H]
            How many windows began in each step.
        """
        self._found = None
        self._seen[:], self._rows[:] = seen, rows
        for column, part in self._parts.items():
            self._counts[:, part] = counts[column]

    def lanes(self) -> tuple[Lane, ...]:
        """Return the lanes that the closed days allow; those without a window stand for nothing."""
        return lanes(sum(self._came[FIRST_SCORED:]), self.budget)

    def verdicts(self, step: int) -> list[Verdict]:
        """Judge the running day as it stands after a step."""
        found = []
        for lane in self.lanes():
            at = self._of_lane(lane)
            now = self._running(lane, step)[at]
            placed = self._units(lane, at).place(now)
            bar = placed.bar(lane.most)
            shown = np.flatnonzero(placed.heights >= min(NEAR * bar, placed.heights.max()))
            order = shown[np.argsort(-placed.heights[shown], kind="stable")].tolist()
            odd = tuple(
                self._odd(int(at[i]), float(placed.heights[i]), lane, step, bar) for i in order
            )
            found.append(Verdict(lane=lane, bar=bar, heights=placed.heights, odd=odd))
        return found

    def sights(self, step: int) -> list[tuple[Stream, Scale, float]]:
        """Return the smallest effect of each stream that would alert by itself; NaN if unknown."""
        found = []
        for lane in self.lanes():
            at = self._of_lane(lane)
            placed = self._units(lane, at).place(self._running(lane, step)[at])
            needed = placed.bar(lane.most) * placed.unit
            for i, score in zip(at.tolist(), needed.tolist(), strict=True):
                cell, seen = self._cells[i], self._today().of_cell[i]
                effects = seen.wander.visible(seen.looks, score)[cell.first : cell.last]
                for group, each in zip(self._names(cell), effects.tolist(), strict=True):
                    found.append((self._stream(cell, group), cell.scale, each))
        return found

    def close(self) -> None:
        """End the running day."""
        found = self._today()
        self._days.append(found.highest[-1])
        self._came.append(bool(self._seen.any()))
        if self.day % 7 == 6:
            self._week.clear()
        else:
            slow = [i for i, cell in enumerate(self._cells) if cell.scale in SLOW]
            self._week.append({i: self._best(i, self.steps - 1) for i in slow})
        for column, of in self._columns.items():
            of.close(self._counts_of(column), found.of_column[column])
        self._volume.close(self._rows, self._seen, found.of_column[_ROWS])
        self.day += 1
        self._beside.clear()
        self._clear()

    def _clear(self) -> None:
        self._seen = np.zeros(self.steps, np.int64)
        self._rows = np.zeros((_size(self._groups[_ROWS]), self.steps), np.int64)
        self._counts = np.zeros((len(self._rows), self._folding.places, self.steps), np.int32)
        self._found = None

    def _counts_of(self, column: str) -> npt.NDArray[np.int32]:
        """Return the running day of a column [C, P, H]."""
        found: npt.NDArray[np.int32] = self._counts[self._streams[column], self._parts[column]]
        return found

    def _today(self) -> _Found:
        """Look at the running day, as far as it has come."""
        if self._found is None:
            of_column = {c: of.today(self._counts_of(c)) for c, of in self._columns.items()}
            of_column[_ROWS] = self._volume.today(self._rows, self._seen)
            cells, seen = [], []
            for column, found in of_column.items():
                for of in found:
                    first = 0
                    for dimension, names in self._groups[column].items():
                        cells.append(
                            Cell(
                                column=column, kind=of.kind, scale=of.scale, dimension=dimension,
                                first=first, last=first + len(names),
                            )
                        )  # fmt: skip
                        seen.append(of)
                        first += len(names)
            self._cells = cells
            self._found = _Found(
                highest=_highest(cells, seen, self.steps), of_cell=seen, of_column=of_column
            )
        return self._found

    def _of_lane(self, lane: Lane) -> npt.NDArray[np.intp]:
        self._today()
        return np.flatnonzero(
            [cell.scale in lane.scales and cell.kind in lane.kinds for cell in self._cells]
        )

    def _running(self, lane: Lane, step: int) -> Floats:
        """Return the largest score of each cell in the running unit."""
        now = self._today().highest[step]
        earlier = self._days[len(self._days) - self.day % lane.days :]
        found: Floats = np.max([now, *earlier], axis=0)
        return found

    def _units(self, lane: Lane, at: npt.NDArray[np.intp]) -> Beside:
        start = len(self._days) - self.day % lane.days
        held = self._beside.get(lane)
        if held is None or held[0] != start:
            units = [
                np.max(self._days[first : first + lane.days], axis=0)
                for first in range(FIRST_SCORED, start, lane.days)
                if any(self._came[first : first + lane.days])
            ]
            held = self._beside[lane] = (start, Beside(np.stack(units[-lane.beside :])[:, at]))
        return held[1]

    def _odd(self, at: int, height: float, lane: Lane, step: int, bar: float) -> Odd:
        """Tell which stream of a cell was oddest in the running unit, and how far it had moved."""
        days = self._days[len(self._days) - self.day % lane.days :]
        today, highest = self._best(at, step), float(self._today().highest[step, at])
        best = today
        for back, day in enumerate(reversed(days), start=1):
            if day[at] > highest:
                best, highest = self._week[-back][at], float(day[at])
        cell = self._cells[at]
        group = self._names(cell)[best.stream]
        return Odd(
            stream=self._stream(cell, group), scale=cell.scale, height=max(0.0, height),
            effect=best.effect, rows=best.rows,
            change=self._change(cell, best) if height > bar and best is today else None,
        )  # fmt: skip

    def _best(self, at: int, step: int) -> _Best:
        cell, seen = self._cells[at], self._today().of_cell[at]
        part = slice(cell.first, cell.last)
        looks = (step + 1) // seen.looks.stride
        if not looks or cell.first == cell.last:
            return _Best(stream=0, look=0, effect=0.0, rows=0)
        stream, look = np.unravel_index(
            int(seen.scores[part, :looks].argmax()), (cell.last - cell.first, looks)
        )
        return _Best(
            stream=int(stream),
            look=int(look),
            effect=float(seen.effects[part][stream, look]),
            rows=int(seen.looks.rows[part][stream, look]),
        )

    def _change(self, cell: Cell, best: _Best) -> Change | None:
        """Say what moved most in a stream, at its oddest look of the running day."""
        at = cell.first + best.stream
        if cell.column == _ROWS:
            looks = self._volume.behind(cell.scale, self._rows, self._seen)
            now, was = (float(of[at, 0, best.look]) for of in looks)
            return Change(now=now, was=was, label="number of")
        counts, of = self._counts_of(cell.column), self._watched[cell.column]
        looks = self._columns[cell.column].behind(cell.scale, counts)
        came, expected = (found[at, :, best.look].astype(np.float64) for found in looks)
        return _changed(cell.kind, of, came, expected)

    def _names(self, cell: Cell) -> Sequence[Group]:
        return self._groups[cell.column][cell.dimension]

    def _stream(self, cell: Cell, group: Group) -> Stream:
        column = "rows" if cell.column == _ROWS else cell.column
        return Stream(column=column, kind=cell.kind, dimension=cell.dimension, group=group)


def _changed(kind: Kind, of: Watched, came: Doubles, expected: Doubles) -> Change | None:
    now, was = (v[: of.values] / max(v[: of.values].sum(), 1e-9) for v in (came, expected))
    if kind == "faults":
        shares = (float(v[of.values :].sum() / max(v.sum(), 1e-9)) for v in (came, expected))
        return Change(now=next(shares), was=next(shares), label="share of missing or wrong values")
    if kind == "beyond":
        beyond = list(of.beyond)
        label = "share of values out of range" if of.ordered else "share of unseen values"
        return Change(now=float(now[beyond].sum()), was=float(was[beyond].sum()), label=label)
    if of.ordered:
        return Change(now=float(now @ of.centres), was=float(was @ of.centres), label="mean")
    most = int(np.abs(now - was).argmax())
    return Change(now=float(now[most]), was=float(was[most]), label=f"share of {of.names[most]}")


def _highest(cells: Sequence[Cell], seen: Sequence[Seen], steps: int) -> Floats:
    """Return the largest score of each cell after each step [H, cells]; −1 before a look."""
    found = np.full((steps, len(cells)), -1, np.float32)
    for at, (cell, of) in enumerate(zip(cells, seen, strict=True)):
        if cell.last > cell.first:
            best = np.maximum.accumulate(of.scores[cell.first : cell.last].max(axis=0))
            ends = np.arange(1, len(best) + 1) * of.looks.stride - 1
            found[:, at] = np.concatenate(([-1], best))[
                np.searchsorted(ends, np.arange(steps), "right")
            ]
    return found


def _size(groups: Groups) -> int:
    return sum(len(names) for names in groups.values())


def _places(groups: Groups) -> dict[Dimension, dict[Group, int]]:
    """Return the row of every group, dimension after dimension."""
    starts = accumulate((len(names) for names in groups.values()), initial=0)
    return {
        dimension: {group: start + i for i, group in enumerate(names)}
        for (dimension, names), start in zip(groups.items(), starts, strict=False)
    }


def spells(days: Sequence[int]) -> list[tuple[int, int]]:
    """Join days with an alert into incidents: first and last day; a quiet day ends one."""
    found: list[tuple[int, int]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] <= 1:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def rate_between(count: int, months: float) -> tuple[float, float]:
    """Return the 95 % interval of a rate, of which `count` events were seen (Garwood 1936)."""
    low = special.gammaincinv(count, 0.025) if count else 0.0
    return float(low) / months, float(special.gammaincinv(count + 1, 0.975)) / months
