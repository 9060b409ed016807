"""A simulated model: all its columns, by the day, with or without something planted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from benchmarks.detection.arms import PLACES, VALUES, WEEK, Counts, Installation, Law
from profiles.detection.scores import FIRST_SCORED
from profiles.detection.watch import Groups
from profiles.detection.watched import MAX_CATEGORIES, Watched
from profiles.profile import EVERYBODY

SCORE, COHORT, ROWS = "score", "cohort", "rows"
DAY = 24
JUDGED_FROM = FIRST_SCORED + 98  # the day from which all lanes are open at a budget of one

NUMBERS = Watched(
    place=np.arange(PLACES), values=VALUES, beyond=(0, VALUES - 1), ordered=True,
    centres=np.arange(VALUES, dtype=float),
)  # fmt: skip
CATEGORIES = Watched(
    place=np.arange(PLACES), values=VALUES, beyond=(VALUES - 1,), ordered=False,
    names=("other values", *"abcdefghijk", "unseen values"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Planted:
    """What comes in place of what was drawn, from the first hour of a day on.

    Attributes
    ----------
    start : int
        The hour from which something is wrong.
    columns : frozenset of str
        Those of which an alert finds it; `rows` stands for the volume.
    cohort : int or None
        The only one in which something is wrong.
    counts : mapping from column to int [C, P, H]
    rows : int [C, H] or None
    moved_along : bool
        Whether other columns move for everybody, because it is others who come.
    """

    start: int
    columns: frozenset[str]
    cohort: int | None = None
    counts: Mapping[str, Counts] = field(default_factory=dict)
    rows: Counts | None = None
    moved_along: bool = False

    @property
    def first(self) -> int:
        """The hour that `counts` and `rows` begin with."""
        return self.start - self.start % DAY


class Model:
    """Features, a score, and the cohort itself as a column; every third feature has categories."""

    def __init__(self, arm: str, seed: int, *, features: int, cohorts: int, weeks: int) -> None:
        self.arm, self.seed, self.cohorts = arm, seed, cohorts
        self.of = Installation(arm, seed, cohorts=cohorts, weeks=weeks)
        self.days = weeks * WEEK // DAY
        self.rows = self.of.rows
        self.features = tuple(f"x{i}" for i in range(features))
        self._number = {name: i for i, name in enumerate((*self.features, SCORE))}
        self.counts = {
            name: self.of.feature(i, ordered=self.ordered(name)) for name, i in self._number.items()
        }
        self.columns = (*self.counts, COHORT)

    def ordered(self, column: str) -> bool:
        return column != COHORT and (column == SCORE or self._number[column] % 3 != 1)

    def law(self, column: str) -> Law:
        return self.of.law(self._number[column], ordered=self.ordered(column))

    def watched(self) -> dict[str, Watched]:
        found = {name: NUMBERS if self.ordered(name) else CATEGORIES for name in self.counts}
        alone = min(self.cohorts, MAX_CATEGORIES)
        return found | {
            COHORT: Watched(
                place=np.arange(alone + 4), values=alone + 2, beyond=(alone + 1,), ordered=False,
                names=(*(f"{c:03}" for c in range(alone)), "other values", "unseen values"),
            )
        }  # fmt: skip

    def groups(self) -> Groups:
        return {EVERYBODY: ((),), (COHORT,): tuple((f"{c:03}",) for c in range(self.cohorts))}

    def came(self, first: int, last: int, column: str, planted: Planted | None = None) -> Counts:
        """Return hours of a column, everybody first [1 + C, P, H]."""
        if column == COHORT:
            return self._of_cohorts(self.volume(first, last, planted))
        found = self.counts[column][..., first:last]
        if planted is not None and column in planted.counts:
            found = _put(found, planted.counts[column], first, planted.first)
        everybody = found.sum(axis=0, keepdims=True, dtype=np.int32)
        return np.concatenate((everybody, found))

    def volume(self, first: int, last: int, planted: Planted | None = None) -> Counts:
        """Return rows, everybody first [1 + C, H]."""
        found = self.rows[:, first:last]
        if planted is not None and planted.rows is not None:
            found = _put(found, planted.rows, first, planted.first)
        return np.concatenate((found.sum(axis=0, keepdims=True), found))

    def _of_cohorts(self, rows: Counts) -> Counts:
        alone = min(self.cohorts, MAX_CATEGORIES)
        found = np.zeros((len(rows), alone + 4, rows.shape[1]), np.int32)
        found[0, :alone] = rows[1 : 1 + alone]
        found[0, alone] = rows[1 + alone :].sum(axis=0)
        return found


def _put(drawn: Counts, planted: Counts, first: int, at: int) -> Counts:
    """Put what was planted from one hour on over what was drawn from another on."""
    begin, end = max(first, at), min(first + drawn.shape[-1], at + planted.shape[-1])
    if begin >= end:
        return drawn
    found = drawn.copy()
    found[..., begin - first : end - first] = planted[..., begin - at : end - at]
    return found
