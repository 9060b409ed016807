"""All streams of a model, day by day: which are odd, and whether a lane alerts.

A watch is a function of the counts that it was given, in whatever order those of a day came.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import numpy as np
import numpy.typing as npt
from scipy import special

from profiles.detection.attribution import Change, Mix, Odd, Stream, change_of, listed_from, mix_of
from profiles.detection.blocks import EMPTY, OF_ROWS, ROWS, Cell, blocks_of, cells_of
from profiles.detection.checks import Breach, Checks
from profiles.detection.column import Seen, Today
from profiles.detection.lanes import MONTH, Beside, Lane, Placed, first_weeks, lanes
from profiles.detection.reference import Counts
from profiles.detection.scores import FIRST_SCORED, SLOW, Scale
from profiles.detection.training import Training
from profiles.detection.watched import Folding, Watched
from profiles.profile import EVERYBODY, Dimension, Group, Profile

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Groups = Mapping[Dimension, Sequence[Group]]

NEAR = 0.9  # of the bar: what is above is neither quiet nor odd
MOST_LISTED = 300  # streams of a verdict
_LEAST_DAYS = 4  # of a week that is put beside another


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
        The highest stream of each column and cohort over nine tenths of the bar, or listed; the
        highest of all in any case. Highest first, at most 300.
    """

    lane: Lane
    bar: float
    heights: Doubles
    odd: tuple[Odd, ...]

    @property
    def over(self) -> tuple[Odd, ...]:
        """The streams over the bar today."""
        return tuple(odd for odd in self.odd if odd.today > self.bar)

    @property
    def moved(self) -> tuple[Odd, ...]:
        """The streams over the bar today, and those that have moved with them."""
        return tuple(odd for odd in self.odd if odd.today > self.bar or odd.listed)

    @property
    def alerts(self) -> bool:
        return any(odd.today > self.bar for odd in self.odd)


@dataclass(frozen=True, kw_only=True)
class _Best:
    """The oddest look of one stream in a unit.

    Attributes
    ----------
    back : int
        Days before the running one; 0 on it.
    stream, look : int
    """

    height: float
    today: float
    now: float
    listed: bool
    cell: Cell
    back: int
    stream: int
    look: int

    def beside(self, other: _Best) -> _Best:
        """Return the odder of two kinds or scales of one stream, as high as both are now."""
        odder = self if self.height >= other.height else other
        return replace(
            odder, today=max(self.today, other.today), now=max(self.now, other.now),
            listed=self.listed or other.listed,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Limits:
    """Heights from which streams of a cell are shown, listed, and alert."""

    least: float
    listed: float
    bar: float


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What was seen of the running day.

    Attributes
    ----------
    out : mapping from column to list of int
        The steps that teach nothing.
    highest : float32 [H, cells]
        The largest score of each cell after each step.
    today : list of Today [blocks]
    seen : list of mappings from scale to Seen [blocks]
    behind : mapping from block and scale
        What came and what was expected at the looks [2, P, K, C, F], where it was asked for.
    """

    out: Mapping[str, list[int]]
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
    checks : Checks or None
        Of what never happened before; what they find teaches nothing.
    trained : sequence of Profile
        The training rows, which a day is compared with while there is no past.
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
        checks: Checks | None = None,
        trained: Sequence[Profile] = (),
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
        self._column = np.array([column[cell.column] for cell in self._cells], np.intp)
        self._of_lane: dict[str, npt.NDArray[np.intp]] = {}
        self._days: list[Floats] = []  # the largest score of each cell, of closed days
        self._came: list[bool] = []  # whether a closed day had any window
        self._week: list[list[dict[Scale, Seen]]] = []  # at slow scales on this week's closed days
        self._beside: dict[Lane, Beside] = {}  # today's
        self._found: _Found | None = None
        self._checks = checks
        self._clear()
        self._yesterday = self._counts, self._seen  # of which nothing came
        self._clear()
        self._training: Training | None = None
        if trained:
            rows = np.zeros_like(self._counts[0], np.int64)
            self._count(rows, trained)
            self._training = Training(
                watched, self._parts, rows, faults_only=faults_only, a_month=budget,
                looks=round(MONTH * steps),
            )  # fmt: skip

    def add(
        self, step: int, parts: Sequence[Profile], *, read: int = 0, repeated: int = 0,
        blind: Collection[Dimension] = (), changed: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Count a window that begins in a step of the running day.

        Parameters
        ----------
        read, repeated : int
            Rows that were read, and those among them whose identifier had come before.
        blind : collection of dimensions
            Of which nothing is known, for the column that tells them apart is gone.
        changed : collection of str
            Columns that are gone, or came as another type, without counts in `parts`.
        """
        self._seen[step] += 1
        self._found = None
        if blind:  # how many rows came of whom cannot be told
            self._blind.add(step)
        self._count(self._counts[step], parts)
        if self._checks is not None:
            self._checks.add(
                step, parts, read=read, repeated=repeated, blind=blind, changed=changed
            )

    def check(
        self, step: int, parts: Sequence[Profile], *, read: int, repeated: int,
        blind: Collection[Dimension] = (), changed: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Take a window for what is checked only: its day is like no other."""
        if self._checks is not None:
            self._checks.add(
                step, parts, read=read, repeated=repeated, off=True, blind=blind, changed=changed
            )

    def broken_by(self, step: int) -> list[Breach]:
        """Return the checks that were broken at any step of the running day so far."""
        return [] if self._checks is None else self._checks.broken_by(step)

    def broken(self, step: int) -> list[Breach]:
        """Return the checks that are broken, as the running day stands after a step."""
        return [] if self._checks is None else self._checks.broken(step)

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
        came = self._came[FIRST_SCORED:]
        weeks = sum(sum(came[day : day + 7]) >= _LEAST_DAYS for day in range(0, len(came) - 6, 7))
        found = lanes(sum(came), self.budget, weeks=weeks)
        return tuple(lane for lane in found if len(self._cells_of(lane)))

    def verdicts(self, step: int) -> list[Verdict]:
        """Judge the running day as it stands after a step."""
        opened = self.lanes()
        if not opened and self._training is not None:
            return self._beside_training(self._training, step)
        self._look(step)
        return [self._verdict(lane, step) for lane in opened]

    def _verdict(self, lane: Lane, step: int) -> Verdict:
        beside, placed, cells = self._units(lane), self._place(lane, step), self._cells_of(lane)
        bar, highest = placed.bar(lane.most), float(placed.heights.max())
        listed = np.full(len(cells), np.inf)
        if highest > bar:
            listed = listed_from(placed.heights, beside.heights(placed.unit), self._column[cells])
        least = np.minimum(listed, min(NEAR * bar, highest))
        best: dict[tuple[str, Dimension, int], _Best] = {}
        for i in np.flatnonzero(placed.heights >= least).tolist():
            limits = _Limits(least=float(least[i]), listed=float(listed[i]), bar=bar)
            cell = self._cells[cells[i]]
            for of in self._streams(cell, lane, step, float(placed.unit[i]), limits):
                key = (cell.column, cell.dimension, of.stream)
                best[key] = of if key not in best else best[key].beside(of)
        order = sorted(best.values(), key=lambda of: -of.height)[:MOST_LISTED]
        return Verdict(
            lane=lane, bar=bar, heights=placed.heights,
            odd=tuple(self._odd(of, told=of.listed or of.today > bar) for of in order),
        )  # fmt: skip

    def _beside_training(self, training: Training, step: int) -> list[Verdict]:
        """Judge the last day beside the training rows."""
        counts, seen = self._yesterday
        if not (seen[step + 1 :].all() and self._seen[: step + 1].all()):
            return []  # hours are alike only over a whole day
        came = counts[step + 1 :].sum(axis=0) + self._counts[: step + 1].sum(axis=0)
        lane = first_weeks(self.budget)
        names = [(d, group) for d, groups in self._groups.items() for group in groups]
        odd, heights = [], []
        for of in training.apart(came):
            heights.append(of.heights)
            far = np.flatnonzero(of.heights > NEAR).tolist()
            if not far:
                continue
            part, before = self._parts[of.column], training.expected(of.column, came)
            for at in far:
                dimension, group = names[at]
                if of.column in dimension:
                    continue
                odd.append(
                    Odd(
                        stream=Stream(
                            column=of.column, kind=of.kind, dimension=dimension, group=group
                        ),
                        scale=lane.scales[0], rows=int(of.rows[at]),
                        height=float(of.heights[at]), today=float(of.heights[at]),
                        now=float(of.heights[at]),
                        effect=float(of.effects[at]), low=float(of.low[at]),
                        high=float(of.high[at]),
                        change=change_of(
                            of.kind, self._watched[of.column], came[at, part].astype(np.float64),
                            before[at],
                        ),
                    )
                )  # fmt: skip
        if not heights:
            return []
        odd.sort(key=lambda of: -of.height)
        return [
            Verdict(
                lane=lane, bar=1.0, heights=np.concatenate(heights),
                odd=tuple(odd[:MOST_LISTED]),
            )
        ]  # fmt: skip

    def sights(self, step: int) -> list[tuple[Stream, Scale, float]]:
        """Return the smallest effect of each stream that would alert by itself; NaN if unknown."""
        self._look(step)
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

    def reopen(self) -> None:
        """Begin the running day anew, as if nothing had come of it."""
        self._clear()
        if self._checks is not None:
            self._checks.reopen()

    def close(self) -> None:
        """End the running day."""
        found = self._look(self.steps - 1)
        self._days.append(found.highest[-1])
        # a day with a fault is no measure for others
        self._came.append(bool(self._seen.any()) and not self.broken_by(self.steps - 1))
        if self.day % 7 == 6:
            self._week.clear()
        else:
            self._week.append([{of: seen[of] for of in SLOW if of in seen} for seen in found.seen])
        for block, today, seen in zip(self._blocks, found.today, found.seen, strict=True):
            block.streams.close(today, list(seen.values()))
        if self._checks is not None:
            self._checks.close()
        self.day += 1
        self._beside.clear()
        self._yesterday = self._counts, self._seen
        self._clear()

    def _count(self, to: Counts, parts: Sequence[Profile]) -> None:
        """Add profiles to the counts of all groups and places [C, P]."""
        for part in parts:
            at = self._numbers.get(part.dimension)
            if at is None:
                continue
            kept = [i for i, group in enumerate(part.groups) if group in at]
            rows = [at[part.groups[i]] for i in kept]
            if self._watched:
                counts = np.concatenate([part.columns[c].counts for c in self._watched], axis=1)
                to[rows, :OF_ROWS] += self._folding.fold(counts[kept])
            to[rows, OF_ROWS] += part.rows[kept]

    def _clear(self) -> None:
        groups = sum(map(len, self._groups.values()))
        self._seen = np.zeros(self.steps, np.int64)
        self._blind: set[int] = set()
        self._counts = np.zeros((self.steps, groups, self._folding.places + 2), np.int32)
        self._found = None

    def _look(self, step: int) -> _Found:
        """Look at the running day, without what is known at a step to teach nothing."""
        out = self._out(step)
        if self._found is None or self._found.out != out:
            today, seen, highest = [], [], []
            for block in self._blocks:
                today.append(block.today(self._counts, self._seen, out))
                seen.append({of.scale: of for of in block.streams.look(today[-1])})
                highest += [
                    of.highest(block.parts.values(), self.steps).reshape(self.steps, -1)
                    for of in seen[-1].values()
                ]
            every = np.concatenate(highest, axis=1)[:, self._order]
            self._found = _Found(out=out, highest=every, today=today, seen=seen)
        return self._found

    def _today(self) -> _Found:
        """Return what was looked at last."""
        assert self._found is not None
        return self._found

    def _out(self, step: int) -> dict[str, list[int]]:
        """Return the steps of the running day that teach nothing, by column."""
        silent, columns = ([], {}) if self._checks is None else self._checks.out(step)
        rows = sorted({*silent, *(at for at in self._blind if at <= step)})
        return columns | {ROWS: rows} if rows else columns

    def _cells_of(self, lane: Lane) -> npt.NDArray[np.intp]:
        """Return the numbers of a lane's cells."""
        if lane.name not in self._of_lane:
            self._of_lane[lane.name] = np.flatnonzero(
                [cell.scale in lane.scales and cell.kind in lane.kinds for cell in self._cells]
            )
        return self._of_lane[lane.name]

    def _place(self, lane: Lane, step: int) -> Placed:
        """Put the running unit, as it stands after a step, beside the stored ones."""
        return self._units(lane).place(self._running(lane, step)[self._cells_of(lane)])

    def _running(self, lane: Lane, step: int) -> Floats:
        """Return the largest score of each cell in the running unit."""
        now = self._today().highest[step]
        earlier = self._days[len(self._days) - self.day % lane.days :]
        found: Floats = np.max([now, *earlier], axis=0)
        return found

    def _units(self, lane: Lane) -> Beside:
        """Return the stored units that the running one is put beside."""
        if lane not in self._beside:
            at, start = self._cells_of(lane), len(self._days) - self.day % lane.days
            units = []
            for first in range(FIRST_SCORED, start, lane.days):
                days = [d for d in range(first, first + lane.days) if self._came[d]]
                if len(days) >= min(lane.days, _LEAST_DAYS):
                    units.append(days)
            found = [
                np.max([self._days[d][at] for d in days], axis=0) for days in units[-lane.beside :]
            ]
            self._beside[lane] = Beside(np.stack(found))
        return self._beside[lane]

    def _streams(
        self, cell: Cell, lane: Lane, step: int, unit: float, limits: _Limits
    ) -> Iterator[_Best]:
        """Yield the streams of a cell that are so high in the running unit, at their oddest."""
        looks: list[tuple[int, int]] = []  # days back, look of the day
        scores: list[Floats] = []
        for back in range(self.day % lane.days, -1, -1):
            of_day, last = (
                (self._week[-back], self.steps - 1) if back else (self._today().seen, step)
            )
            seen = of_day[cell.block][cell.scale]
            many = (last + 1) // seen.looks.stride
            scores.append(seen.scores[(slice(many), *cell.at)])
            looks += [(back, look) for look in range(many)]
        if not looks:
            return
        every = np.concatenate(scores).astype(np.float64) / unit
        for stream in np.flatnonzero(every.max(axis=0) >= limits.least).tolist():
            series = every[:, stream]
            at, present = int(series.argmax()), _present(series, limits.bar)
            today = present[len(looks) - len(scores[-1]) :]
            height = float(series[at])
            yield _Best(
                height=max(0.0, height), listed=height >= limits.listed, cell=cell, stream=stream,
                today=float(today.max(initial=0.0)), now=max(0.0, float(present[-1])),
                back=looks[at][0], look=looks[at][1],
            )  # fmt: skip

    def _odd(self, of: _Best, *, told: bool) -> Odd:
        """Tell how far a stream was moved, and where it is told, in what."""
        cell, (kind, part, column) = of.cell, of.cell.at
        day = self._week[-of.back] if of.back else self._today().seen
        seen = day[cell.block][cell.scale]
        at = (of.look, kind, part.start + of.stream, column)
        effect, low, high = seen.wander.effect(seen.looks, at)
        today = told and not of.back
        return Odd(
            stream=_stream(cell, self._groups[cell.dimension][of.stream]), scale=cell.scale,
            height=of.height, today=of.today, now=of.now, listed=of.listed,
            effect=effect, low=low, high=high, rows=int(seen.looks.rows[at]),
            change=self._change(of) if today else None, mix=self._mix(of) if today else None,
        )  # fmt: skip

    def _change(self, of: _Best) -> Change:
        """Say what moved most in a stream, at its oddest look of the running day."""
        came, expected = self._behind(of.cell, of.look, of.cell.at[1])[:, of.stream]
        if of.cell.column == ROWS:
            return Change(now=float(came[0]), was=float(expected[0]), label="number of")
        return change_of(of.cell.kind, self._watched[of.cell.column], came, expected)

    def _mix(self, of: _Best) -> Mix | None:
        """Say how much of what everybody moved is another mix of cohorts."""
        cell = of.cell
        if cell.column == ROWS or cell.dimension != EVERYBODY:
            return None
        rows = next(of for of in self._cells if of.column == ROWS and of.scale == cell.scale)
        parts, of_rows = self._blocks[cell.block].parts, self._blocks[rows.block].parts
        return mix_of(
            cell.kind,
            self._watched[cell.column],
            (
                (
                    dimension,
                    *self._behind(cell, of.look, part),
                    self._behind(rows, of.look, of_rows[dimension])[1, :, 0],
                )
                for dimension, part in parts.items()
                if dimension != EVERYBODY
            ),
        )

    def _behind(self, cell: Cell, look: int, part: slice) -> Doubles:
        """Return what came and what was expected at a look of some streams [2, C, P]."""
        found, block, key = self._today(), self._blocks[cell.block], (cell.block, cell.scale)
        if key not in found.behind:
            found.behind[key] = block.streams.behind(cell.scale, found.today[cell.block])
        column = cell.at[2]
        looks = found.behind[key][:, :, look, part, column][:, block.places[:, column] != EMPTY]
        return np.moveaxis(looks, 1, 2).astype(np.float64)


def _present(series: Doubles, bar: float) -> Doubles:
    """Return how high a stream stands at each look of a unit [K].

    What has been over the bar and fallen well under it alerts again only where it is higher than
    ever: a unit that is odd once is not told of twice.
    """
    over = series > bar
    if not over.any():
        return series
    first = int(over.argmax())
    fallen = np.zeros(len(series), bool)
    fallen[first:] = np.logical_or.accumulate(series[first:] < NEAR * bar)
    record = series >= np.maximum.accumulate(series)
    return np.where(fallen & ~record, np.minimum(series, NEAR * bar), series)


def _stream(cell: Cell, group: Group) -> Stream:
    column = "rows" if cell.column == ROWS else cell.column
    return Stream(column=column, kind=cell.kind, dimension=cell.dimension, group=group)


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
