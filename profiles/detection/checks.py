"""What has never happened before: facts, which need no calibration and page at once.

A column without any value, an hour without any row, a cohort that is gone, a value that a cohort
column never had, identifiers that come twice: none of these is a matter of chance where it has not
been seen in half a year. What has been seen before is usual here, and is left to the lanes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt

from profiles.baseline import Baseline
from profiles.grids import Grid, NumericGrid
from profiles.profile import EVERYBODY, Dimension, Group, Profile

Ints = npt.NDArray[np.int64]
Check = Literal[
    "unknown value", "vanished", "silence", "few rows", "all missing", "first missing", "repeated"
]

MEMORY = 182  # days after which what happened once may be told again
LEARNING = 28  # days in which a column shows whether new values are usual
ABSORBED = 28  # days after which a value is no longer new
LASTING = 7  # days in a row after which what is broken is how it is
_WEEKS = (4, 8)  # of the same weekday that say what is usual: at least, and at most
_MIN_ROWS = 20  # of an hour in which every value is missing; of a day that a cohort is gone
_ALWAYS = 10  # rows that every such hour of the weeks before had
_SETTLING = 7  # days in which a log shows how many rows it repeats
_REPEATED = 0.01  # share of repeated rows that is never told
_OFTEN = 3  # times in half a year after which what is wrong with the rows themselves is usual
_OF_ROWS = ("vanished", "silence", "few rows")
_FULL = 0.05  # share of missing values under which a column is never without any
_FEW = 0.65  # of the least that ever came in the same hours
_FEW_HOURS = 3
_FEW_LEAST = 30  # rows that always came in them
_SURE = 5.0  # standard deviations of rows that come one by one
_FIRST = (3, 0.005)  # rows of a day without a value, and their share, where none ever was


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A check that is broken.

    Attributes
    ----------
    column : str
        ``rows`` where it is about the rows themselves, or their identifiers.
    dimension, group
        The cohort it is about; everybody where it is about all.
    rows : int
        That it concerns.
    now, was : float
        What there is, and what there was before: of rows their number, else shares.
    """

    check: Check
    column: str
    dimension: Dimension = EVERYBODY
    group: Group = ()
    rows: int
    now: float
    was: float

    @property
    def label(self) -> str:
        """What the two numbers are."""
        if self.check in _OF_ROWS:
            return "number of"
        if self.check == "unknown value":
            return f"share of {self.group[0]}"
        return "share of repeated" if self.check == "repeated" else "share of missing"

    @property
    def key(self) -> tuple[Check, str, Dimension, Group]:
        """What breaks once and is told once; any new value of a column is the same."""
        cohort = (EVERYBODY, ()) if self.check == "unknown value" else (self.dimension, self.group)
        return self.check, self.column, *cohort


@dataclass(frozen=True, kw_only=True)
class _Spell:
    """Days in a row on which a check was broken.

    Attributes
    ----------
    first, last : int
    before : tuple of int
        The last days of earlier spells that are remembered.
    usual : bool
        Whether there were so many before, or it lasts for so long, that it is told no more.
    """

    first: int
    last: int
    before: tuple[int, ...] = ()
    usual: bool


class Checks:
    """Checks one model, day by day; what it says depends on earlier days and this one's steps.

    Parameters
    ----------
    baseline : Baseline
    day : int
        Number of the first day, from a Monday on.
    steps : int
        Of a day.
    windows : int
        Of a step; an hour is silent once all of them are there.
    """

    def __init__(self, baseline: Baseline, *, day: int, steps: int, windows: int = 1) -> None:
        self.day, self.steps, self._windows = day, steps, windows
        self._first: int | None = None  # day with a window
        whole = baseline.profiles[0]
        grids = baseline.plan.grids
        self._columns = tuple(grids)
        self._absent = [_absent(grid) for grid in grids.values()]
        counts = [whole.columns[name].counts[0] for name in grids]
        self._was_missing = np.array(
            [of[at].sum() / max(1, of.sum()) for of, at in zip(counts, self._absent, strict=True)]
        )
        along = {part.dimension: part for part in baseline.profiles if len(part.dimension) <= 1}
        self._groups = [(d, group) for d, part in along.items() for group in part.groups]
        self._at = {of: at for at, of in enumerate(self._groups)}
        # as many values as were seen once are still to come: Good's estimate of the unseen
        self._closed = {d for d, part in along.items() if d and not (part.rows == 1).any()}
        self._cohorts = {d for d in along if d}
        self._met: dict[tuple[Dimension, Group], int] = {}  # new values: the day they came first
        self._spells: dict[tuple[Check, str, Dimension, Group], _Spell] = {}
        self._past: deque[tuple[Ints, Ints]] = deque(maxlen=7 * _WEEKS[1])  # rows, seen
        self._most_repeated: deque[float] = deque(maxlen=MEMORY)
        self._changed_before: frozenset[str] = frozenset()  # columns, on the day before
        self._clear()

    def add(
        self, step: int, parts: Sequence[Profile], *, read: int = 0, repeated: int = 0,
        off: bool = False, blind: Collection[Dimension] = (), changed: Collection[str] = (),
    ) -> None:  # fmt: skip
        """Count a window that begins in a step of the running day.

        Parameters
        ----------
        read, repeated : int
            Rows that were read, and those among them whose identifier had come before.
        off : bool
            Whether the day is a holiday, on which fewer rows are no fault.
        blind : collection of dimensions
            Of which nothing is known.
        changed : collection of str
            Columns that are gone, or came as another type: that they lack values is known, on this
            day and the next, for what was logged before they were back is without them too.
        """
        self._first = self.day if self._first is None else self._first
        self._seen[step] += 1
        self._few_at.clear()
        self._off = off
        self._blind.update(blind)
        self._changed.update(changed)
        self._read[step] += (read, repeated)
        for part in parts:
            for group, rows in zip(part.groups, part.rows.tolist(), strict=True):
                at = self._at.get((part.dimension, group))
                if at is not None:
                    self._rows[at, step] += rows
                elif part.dimension in self._cohorts and rows:
                    self._new.setdefault((part.dimension, group), np.zeros(self.steps, np.int64))
                    self._new[part.dimension, group][step] += rows
            if part.dimension == EVERYBODY:
                self._missing[:, step] += [
                    part.columns[name].counts[0, at].sum()
                    for name, at in zip(self._columns, self._absent, strict=True)
                ]

    def broken(self, step: int) -> list[Breach]:
        """Return what is broken for the first time in half a year, as the day stands at a step."""
        fresh = [breach for breach in self._found(step) if not self._spell(breach).usual]
        return [*fresh, *self._repeats(step)]

    def broken_by(self, step: int) -> list[Breach]:
        """Return what was broken for the first time at any step of the day so far."""
        found = {of.key: of for of in self._by(step)}.values()
        return [of for of in found if not self._spell(of).usual] + list(self._repeats(step))

    def out(self, step: int) -> tuple[list[int], dict[str, list[int]]]:
        """Return the steps that teach nothing, as is known at a step: of the day, and of columns.

        They are those in which a check broke for the first time, so that a fault is not learnt.
        """
        silent = [] if self._off else [at for at in self._silent() if at <= step]
        if silent and self._spell(self._silence(silent[-1])).usual:
            silent = []
        for end in range(0 if self._off else step + 1):
            few = self._few(end)
            if few is not None and not self._spell(few).usual:
                silent += [each for each in self._last_hours(end) if each not in silent]
        columns = {
            self._columns[at]: steps
            for at, steps in self._without_values(step).items()
            if not self._spell(self._missing_at(at, steps[-1])).usual
        }
        return sorted(silent), columns

    def reopen(self) -> None:
        """Begin the running day anew, as if nothing had come of it."""
        self._clear()

    def close(self) -> None:
        """End the running day."""
        out, _ = self.out(self.steps - 1)
        for breach in list(self._by(self.steps - 1)):
            self._spells[breach.key] = self._spell(breach)
        for of in self._new:
            self._met.setdefault(of, self.day)
        seen = np.zeros_like(self._seen) if self._off else self._seen
        seen[out] = 0  # hours that are no measure for others
        self._past.append((self._rows, seen))
        self._most_repeated.append(max(self._repeated_shares(), default=0.0))
        self.day += 1
        self._changed_before = frozenset(self._changed)
        self._clear()

    def _clear(self) -> None:
        self._off = False
        self._changed: set[str] = set()
        self._blind: set[Dimension] = set()  # of which nothing is known for some of the day
        self._few_at: dict[int, Breach | None] = {}  # what was said of each step, until more comes
        self._seen: Ints = np.zeros(self.steps, np.int64)
        self._rows: Ints = np.zeros((len(self._groups), self.steps), np.int64)
        self._read: Ints = np.zeros((self.steps, 2), np.int64)
        self._missing: Ints = np.zeros((len(self._columns), self.steps), np.int64)
        self._new: dict[tuple[Dimension, Group], Ints] = {}

    def _spell(self, breach: Breach) -> _Spell:
        """Return the spell that a breach of the running day is part of."""
        before = self._spells.get(breach.key)
        if before is None:
            learning = self._age < LEARNING
            open_to_new = breach.check == "unknown value" and breach.dimension not in self._closed
            return _Spell(first=self.day, last=self.day, usual=learning and open_to_new)
        if self.day - before.last <= 1:
            usual = before.usual or self.day - before.first >= LASTING
            return replace(before, last=self.day, usual=usual)
        earlier = tuple(day for day in (*before.before, before.last) if self.day - day <= MEMORY)
        usual = len(earlier) >= (_OFTEN if breach.check in _OF_ROWS else 1)
        return _Spell(first=self.day, last=self.day, before=earlier, usual=usual)

    def _found(self, step: int) -> Iterator[Breach]:
        """Yield what is broken, usual or not, as the day stands at a step."""
        yield from self._unknown(step)
        if not self._off:
            yield from self._too_few(step)
        without = list(self._all_missing(step))
        yield from without
        told = {of.column for of in without}
        yield from (of for of in self._first_missing(step) if of.column not in told)

    def _by(self, step: int) -> Iterator[Breach]:
        """Yield what was broken at any step so far: some of it mends itself within the day."""
        yield from self._found(step)
        for at in range(step):
            yield from self._first_missing(at)
            if not self._off:
                yield from self._gone(at)

    @property
    def _age(self) -> int:
        """Days since the first with a window."""
        return 0 if self._first is None else self.day - self._first

    def _too_few(self, step: int) -> Iterator[Breach]:
        yield from self._gone(step)
        silence = list(self._empty(step))
        few = (found for at in range(step, -1, -1) if (found := self._few(at)) is not None)
        yield from silence or islice(few, 1)

    def _unknown(self, step: int) -> Iterator[Breach]:
        whole = max(1, int(self._rows[0, : step + 1].sum()))
        for (dimension, group), rows in sorted(self._new.items()):
            came = int(rows[: step + 1].sum())
            if came and self.day - self._met.get((dimension, group), self.day) < ABSORBED:
                yield Breach(
                    check="unknown value", column=dimension[0], dimension=dimension, group=group,
                    rows=came, now=came / whole, was=0.0,
                )  # fmt: skip

    def _gone(self, step: int) -> Iterator[Breach]:
        """Yield the cohorts of which nothing came while others came as always."""
        weeks = self._weeks(step)
        if weeks is None:
            return
        always, usual = weeks.min(axis=0), np.median(weeks, axis=0)
        came = self._rows[:, : step + 1].sum(axis=1)
        if came[0] < usual[0] / 2:
            return
        for at in np.flatnonzero((came == 0) & (always > 0) & (usual >= _MIN_ROWS)).tolist():
            dimension, group = self._groups[at]
            if dimension in self._blind:
                continue
            yield Breach(
                check="vanished", column="rows", dimension=dimension, group=group,
                rows=round(usual[at]), now=0.0, was=float(usual[at]),
            )  # fmt: skip

    def _weeks(self, step: int) -> npt.NDArray[np.float64] | None:
        """Return the rows of every group [W, G] in the same steps of the weeks before."""
        now = self._seen[: step + 1]
        found = [
            (rows[:, : step + 1] * now / np.maximum(seen[: step + 1], 1)).sum(axis=1)
            for rows, seen in self._same_weekdays()
            if (seen[: step + 1][now > 0] > 0).all()
        ]
        return np.stack(found) if len(found) >= _WEEKS[0] and now.any() else None

    def _same_weekdays(self) -> Iterator[tuple[Ints, Ints]]:
        held = len(self._past)
        return (self._past[held - back] for back in range(7, held + 1, 7))

    def _empty(self, step: int) -> Iterator[Breach]:
        """Yield the last hour in which no row came at all."""
        for at in list(self._silent())[::-1]:
            if at <= step:
                yield self._silence(at)
                return

    def _silent(self) -> Iterator[int]:
        """Yield the steps without a row that always had some."""
        for step in np.flatnonzero((self._seen >= self._windows) & (self._rows[0] == 0)).tolist():
            before = [rows[0, step] for rows, seen in self._same_weekdays() if seen[step]]
            if len(before) >= _WEEKS[0] and min(before) >= _ALWAYS:
                yield step

    def _silence(self, step: int) -> Breach:
        usual = float(np.median([r[0, step] for r, seen in self._same_weekdays() if seen[step]]))
        return Breach(check="silence", column="rows", rows=round(usual), now=0.0, was=usual)

    def _last_hours(self, step: int) -> list[int]:
        """Return the steps of the last three hours; none where the day has not as many yet."""
        many = max(1, _FEW_HOURS * self.steps // 24)
        return list(range(step + 1 - many, step + 1)) if step + 1 >= many else []

    def _few(self, step: int) -> Breach | None:
        """Return that far fewer rows came in the last hours than in any week before."""
        if step not in self._few_at:
            self._few_at[step] = self._compared(step)
        return self._few_at[step]

    def _compared(self, step: int) -> Breach | None:
        """Put the rows of the last hours beside those of the weeks before."""
        hours = self._last_hours(step)
        if not hours or (self._seen[hours] < self._windows).any():
            return None
        came = int(self._rows[0, hours].sum())
        before = [
            int(rows[0, hours].sum()) for rows, seen in self._same_weekdays() if seen[hours].all()
        ]
        if len(before) < _WEEKS[0] or min(before) < _FEW_LEAST:
            return None
        least = min(before)
        if came >= _FEW * least or 2 * (np.sqrt(least) - np.sqrt(came)) < _SURE:
            return None
        usual = float(np.median(before))
        return Breach(check="few rows", column="rows", rows=came, now=float(came), was=usual)

    def _first_missing(self, step: int) -> Iterator[Breach]:
        """Yield the columns that lack values today and never did."""
        rows = max(1, int(self._rows[0, : step + 1].sum()))
        missing = self._missing[:, : step + 1].sum(axis=1)
        broken = (missing >= _FIRST[0]) & (missing >= _FIRST[1] * rows) & (self._was_missing == 0)
        for at in np.flatnonzero(broken).tolist():
            if self._columns[at] in self._changed | self._changed_before:
                continue
            yield Breach(
                check="first missing", column=self._columns[at], rows=int(missing[at]),
                now=int(missing[at]) / rows, was=0.0,
            )  # fmt: skip

    def _all_missing(self, step: int) -> Iterator[Breach]:
        for at, steps in self._without_values(step).items():
            if self._columns[at] not in self._changed | self._changed_before:
                yield self._missing_at(at, steps[-1])

    def _without_values(self, step: int) -> dict[int, list[int]]:
        """Return the steps, up to one, in which a column that has values had none."""
        rows = self._rows[0, : step + 1]
        every = (self._missing[:, : step + 1] == rows) & (rows >= _MIN_ROWS)
        every &= (self._was_missing < _FULL)[:, None]
        return {
            at: np.flatnonzero(every[at]).tolist()
            for at in np.flatnonzero(every.any(axis=1)).tolist()
        }

    def _missing_at(self, column: int, step: int) -> Breach:
        return Breach(
            check="all missing", column=self._columns[column], rows=int(self._rows[0, step]),
            now=1.0, was=float(self._was_missing[column]),
        )  # fmt: skip

    def _repeats(self, step: int) -> Iterator[Breach]:
        """Yield the last step that repeats twice as much as on all but a few days before."""
        if self._age < _SETTLING:
            return
        most = sorted(self._most_repeated)[-_OFTEN]
        shares = self._repeated_shares()
        over = [at for at in range(step + 1) if shares[at] > max(_REPEATED, 2 * most)]
        if over:
            repeated = int(self._read[over[-1], 1])
            yield Breach(
                check="repeated", column="rows", rows=repeated, now=shares[over[-1]], was=most
            )

    def _repeated_shares(self) -> list[float]:
        read, repeated = self._read.T
        found: list[float] = (repeated / np.maximum(read, 1)).tolist()
        return found


def _absent(grid: Grid) -> list[int]:
    """Return the bins of a grid that hold no value."""
    if isinstance(grid, NumericGrid):
        return [grid.missing, grid.non_finite, grid.mismatch]
    return [grid.missing, grid.mismatch]
