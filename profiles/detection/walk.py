"""The stored past walked as if live: what would have paged, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from profiles.detection.lanes import Lane, lanes, place
from profiles.detection.scores import FIRST_SCORED, LEAST_SCORE, Days, Scale
from profiles.detection.streams import DayScores, Kind
from profiles.profile import Dimension, Group

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, order=True)
class Stream:
    """One column in one cohort, or the rows of a cohort where there is no column."""

    column: str
    kind: Kind
    dimension: Dimension
    group: Group


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The scores of all streams of one kind and column along one dimension at one scale: a cell.

    Attributes
    ----------
    streams : tuple of Stream [C]
    days : Days [C, D]
    """

    streams: tuple[Stream, ...]
    scale: Scale
    days: Days


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A lane on one day.

    Attributes
    ----------
    rank : int
        How many stored units are at least as odd.
    cells : tuple of int
        Those of the lane.
    heights : float64 [cells]
        Of each of them, in spreads above its mean.
    needed : float64 [cells]
        The score from which each of them would alert by itself.
    """

    day: int
    lane: Lane
    rank: int
    cells: tuple[int, ...]
    heights: Doubles
    needed: Doubles


def cells_of(
    column: str, found: Sequence[DayScores], groups: Mapping[Dimension, Sequence[Group]]
) -> Iterator[Scored]:
    """Split the scores of a column into cells: by kind, scale and dimension.

    Parameters
    ----------
    groups : mapping from dimension to groups
        What the rows of the scores are, in order; everybody first.
    """
    for of in found:
        first = 0
        for dimension, names in groups.items():
            last = first + len(names)
            if last > first:
                yield Scored(
                    streams=tuple(
                        Stream(column=column, kind=of.kind, dimension=dimension, group=group)
                        for group in names
                    ),
                    scale=of.scale,
                    days=of.days[first:last],
                )
            first = last


def walk(cells: Sequence[Scored], *, budget: float, until: int | None = None) -> Iterator[Alert]:
    """Yield the alerts of every day, each judged by the days before it alone.

    Parameters
    ----------
    until : int or None
        The day to stop before.
    """
    highest = highest_of(cells)
    for day in range(FIRST_SCORED, len(highest) if until is None else until):
        for lane in lanes(day - FIRST_SCORED, budget):
            found = judge(cells, highest, day, lane)
            if found.rank < lane.most:
                yield found


def highest_of(cells: Sequence[Scored]) -> Floats:
    """Return the largest score of each day and cell [D, cells]."""
    return np.stack([cell.days.scores.max(axis=0) for cell in cells], axis=1)


def judge(cells: Sequence[Scored], highest: Floats, day: int, lane: Lane) -> Alert:
    """Put the running unit of a day, as far as it has come, beside the stored ones.

    Parameters
    ----------
    highest : float32 [D, cells]
        The largest score of each cell.
    """
    at = tuple(i for i, cell in enumerate(cells) if cell.scale in lane.scales)
    start = day - day % lane.days
    stored = highest[start - lane.beside * lane.days : start, at]
    units = stored.reshape(lane.beside, lane.days, len(at)).max(axis=1)
    now = highest[start : day + 1, at].max(axis=0)
    placed = place(np.concatenate((units, now[None])).astype(np.float64))
    bar = float(np.sort(placed.stored)[-lane.most])
    return Alert(
        day=day,
        lane=lane,
        rank=int((placed.stored >= placed.heights.max()).sum()),
        cells=at,
        heights=placed.heights,
        needed=np.maximum(LEAST_SCORE, placed.mean + bar * placed.spread),
    )


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
