"""All streams of a model, day by day: which are odd, and whether a lane alerts.

A watch is a function of the counts that it was given, in whatever order those of a day came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt
from scipy import special

from profiles.detection.blocks import EMPTY, OF_ROWS, ROWS, Cell, blocks_of, cells_of
from profiles.detection.column import Kind, Seen, Today
from profiles.detection.lanes import Beside, Lane, Placed, lanes
from profiles.detection.reference import Counts
from profiles.detection.scores import FIRST_SCORED, SLOW, Scale
from profiles.detection.watched import Folding, Watched
from profiles.profile import Dimension, Group, Profile

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Groups = Mapping[Dimension, Sequence[Group]]

NEAR = 0.9  # of the bar: what is above is neither quiet nor odd


@dataclass(frozen=True, kw_only=True, order=True)
class Stream:
    """One column in one cohort, or the rows of a cohort, whose column is ``rows``."""

    column: str
    kind: Kind
    dimension: Dimension
    group: Group


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
    today : list of Today [blocks]
    seen : list of mappings from scale to Seen [blocks]
    behind : mapping from block and scale
        What came and what was expected at the looks [2, P, K, C, F], where it was asked for.
    """

    highest: Floats
    today: list[Today]
    seen: list[dict[Scale, Seen]]
    behind: dict[tuple[int, Scale], Floats] = field(default_factory=dict)


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
        self._groups = {dimension: names for dimension, names in groups.items() if names}
        self._numbers = _numbered(self._groups)
        self._folding = Folding(list(watched.values()))
        self._parts = dict(zip(watched, self._folding.parts, strict=True))
        self._blocks = blocks_of(
            watched, self._parts, self._numbers, faults_only, day=day, steps=steps
        )
        cells = cells_of(self._blocks)
        column = {column: at for at, column in enumerate((*watched, ROWS))}
        self._order = sorted(range(len(cells)), key=lambda at: column[cells[at].column])
        self._cells = [cells[at] for at in self._order]
        self._of_lane: dict[str, npt.NDArray[np.intp]] = {}
        self._days: list[Floats] = []  # the largest score of each cell, of closed days
        self._came: list[bool] = []  # whether a closed day had any window
        self._week: list[list[dict[Scale, Seen]]] = []  # at slow scales on this week's closed days
        self._beside: dict[Lane, Beside] = {}  # today's
        self._found: _Found | None = None
        self._clear()

    def add(self, step: int, parts: Sequence[Profile]) -> None:
        """Count a window that begins in a step of the running day."""
        self._seen[step] += 1
        self._found = None
        for part in parts:
            at = self._numbers.get(part.dimension)
            if at is None:
                continue
            kept = [i for i, group in enumerate(part.groups) if group in at]
            to = [at[part.groups[i]] for i in kept]
            counts = np.concatenate([part.columns[c].counts for c in self._watched], axis=1)
            self._counts[step, to, :OF_ROWS] += self._folding.fold(counts[kept])
            self._counts[step, to, OF_ROWS] += part.rows[kept]

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
        self._seen[:], self._counts[:, :, OF_ROWS] = seen, rows.T
        for column, part in self._parts.items():
            self._counts[:, :, part] = np.moveaxis(counts[column], -1, 0)

    def lanes(self) -> tuple[Lane, ...]:
        """Return the lanes that the closed days allow; those without a window stand for nothing."""
        return lanes(sum(self._came[FIRST_SCORED:]), self.budget)

    def verdicts(self, step: int) -> list[Verdict]:
        """Judge the running day as it stands after a step."""
        found = []
        for lane in self.lanes():
            at = self._cells_of(lane)
            placed = self._place(lane, step)
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
            placed = self._place(lane, step)
            needed = (placed.bar(lane.most) * placed.unit).tolist()
            for i, score in zip(self._cells_of(lane).tolist(), needed, strict=True):
                cell = self._cells[i]
                seen = self._today().seen[cell.block][cell.scale]
                effects = seen.wander.visible(seen.looks, score)[cell.at].tolist()
                for group, each in zip(self._groups[cell.dimension], effects, strict=True):
                    found.append((_stream(cell, group), cell.scale, each))
        return found

    def close(self) -> None:
        """End the running day."""
        found = self._today()
        self._days.append(found.highest[-1])
        self._came.append(bool(self._seen.any()))
        if self.day % 7 == 6:
            self._week.clear()
        else:
            self._week.append([{of: seen[of] for of in SLOW if of in seen} for seen in found.seen])
        for block, today, seen in zip(self._blocks, found.today, found.seen, strict=True):
            block.streams.close(today, list(seen.values()))
        self.day += 1
        self._beside.clear()
        self._clear()

    def _clear(self) -> None:
        groups = sum(map(len, self._groups.values()))
        self._seen = np.zeros(self.steps, np.int64)
        self._counts = np.zeros((self.steps, groups, self._folding.places + 2), np.int32)
        self._found = None

    def _today(self) -> _Found:
        """Look at the running day, as far as it has come."""
        if self._found is None:
            today, seen, highest = [], [], []
            for block in self._blocks:
                today.append(block.today(self._counts, self._seen))
                seen.append({of.scale: of for of in block.streams.look(today[-1])})
                highest += [
                    of.highest(block.parts.values(), self.steps).reshape(self.steps, -1)
                    for of in seen[-1].values()
                ]
            every = np.concatenate(highest, axis=1)[:, self._order]
            self._found = _Found(highest=every, today=today, seen=seen)
        return self._found

    def _cells_of(self, lane: Lane) -> npt.NDArray[np.intp]:
        """Return the numbers of a lane's cells."""
        if lane.name not in self._of_lane:
            self._of_lane[lane.name] = np.flatnonzero(
                [cell.scale in lane.scales and cell.kind in lane.kinds for cell in self._cells]
            )
        return self._of_lane[lane.name]

    def _place(self, lane: Lane, step: int) -> Placed:
        """Put the running unit, as it stands after a step, beside the stored ones."""
        at = self._cells_of(lane)
        return self._units(lane, at).place(self._running(lane, step)[at])

    def _running(self, lane: Lane, step: int) -> Floats:
        """Return the largest score of each cell in the running unit."""
        now = self._today().highest[step]
        earlier = self._days[len(self._days) - self.day % lane.days :]
        found: Floats = np.max([now, *earlier], axis=0)
        return found

    def _units(self, lane: Lane, at: npt.NDArray[np.intp]) -> Beside:
        if lane not in self._beside:
            start = len(self._days) - self.day % lane.days
            firsts = [
                first
                for first in range(FIRST_SCORED, start, lane.days)
                if any(self._came[first : first + lane.days])
            ]
            units = [
                np.max(self._days[first : first + lane.days], axis=0)[at]
                for first in firsts[-lane.beside :]
            ]
            self._beside[lane] = Beside(np.stack(units))
        return self._beside[lane]

    def _odd(self, at: int, height: float, lane: Lane, step: int, bar: float) -> Odd:
        """Tell which stream of a cell was oddest in the running unit, and how far it had moved."""
        days = self._days[len(self._days) - self.day % lane.days :]
        cell, found = self._cells[at], self._today()
        today, highest = _best(cell, found.seen, step), float(found.highest[step, at])
        best = today
        for back, day in enumerate(reversed(days), start=1):
            if day[at] > highest:
                best = _best(cell, self._week[-back], self.steps - 1)
                highest = float(day[at])
        group = self._groups[cell.dimension][best.stream]
        return Odd(
            stream=_stream(cell, group), scale=cell.scale, height=max(0.0, height),
            effect=best.effect, rows=best.rows,
            change=self._change(cell, best) if height > bar and best is today else None,
        )  # fmt: skip

    def _change(self, cell: Cell, best: _Best) -> Change | None:
        """Say what moved most in a stream, at its oddest look of the running day."""
        found, block, key = self._today(), self._blocks[cell.block], (cell.block, cell.scale)
        if key not in found.behind:
            found.behind[key] = block.streams.behind(cell.scale, found.today[cell.block])
        _, part, column = cell.at
        looks = found.behind[key][:, block.places[:, column] != EMPTY, best.look]
        came, expected = looks[:, :, part, column][:, :, best.stream].astype(np.float64)
        if cell.column == ROWS:
            return Change(now=float(came[0]), was=float(expected[0]), label="number of")
        return _changed(cell.kind, self._watched[cell.column], came, expected)


def _best(cell: Cell, of_day: Sequence[Mapping[Scale, Seen]], step: int) -> _Best:
    """Return the oddest look of a cell on a day, up to a step."""
    seen = of_day[cell.block][cell.scale]
    at = (slice((step + 1) // seen.looks.stride), *cell.at)
    scores = seen.scores[at]
    if not scores.size:
        return _Best(stream=0, look=0, effect=0.0, rows=0)
    stream, look = np.unravel_index(int(scores.T.argmax()), scores.T.shape)
    return _Best(
        stream=int(stream),
        look=int(look),
        effect=float(seen.effects[at][look, stream]),
        rows=int(seen.looks.rows[at][look, stream]),
    )


def _stream(cell: Cell, group: Group) -> Stream:
    column = "rows" if cell.column == ROWS else cell.column
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


def _numbered(groups: Groups) -> dict[Dimension, dict[Group, int]]:
    """Return the number of every group, dimension after dimension."""
    number = count()
    return {
        dimension: {group: next(number) for group in names} for dimension, names in groups.items()
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
