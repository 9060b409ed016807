"""What a budget of false alarms means for a model: its lanes, and its past walked as if live."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count

import numpy as np
from sqlalchemy import Engine

from monitor.config import Config, Model
from monitor.history import Past, counts_of, past_of, rows_of
from profiles.detection.lanes import MONTH, Lane, lanes
from profiles.detection.scores import FIRST_SCORED
from profiles.detection.streams import column_scores, volume_scores
from profiles.detection.walk import (
    Alert,
    Scored,
    Stream,
    cells_of,
    highest_of,
    judge,
    rate_between,
    spells,
    walk,
)

ROWS = "rows"  # what stands for a column where the rows themselves are watched
MOST_TOLD = 5


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A stream of a page, on its first day: how odd it was, and how far it had moved."""

    stream: Stream
    hours: int
    height: float
    effect: float


@dataclass(frozen=True, kw_only=True)
class Page:
    """An incident that the budget would have opened."""

    first: date
    last: date
    lane: str
    moved: tuple[Moved, ...]  # oddest first


@dataclass(frozen=True, kw_only=True)
class Sight:
    """The smallest effect that would page today, by itself; None where rows are too few."""

    stream: Stream
    hours: int
    effect: float | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A model's past, walked as if live.

    Attributes
    ----------
    lanes : tuple of Lane
        As today's history allows; empty while it is too short.
    stored : int
        Days that have scores of all scales.
    judged : int
        Days that could page.
    pages : tuple of Page
    open_days : int
    sights : tuple of Sight
        Of every stream at every scale; none while the history is too short.
    """

    model: str
    budget: float
    first: date
    days: int
    stored: int
    lanes: tuple[Lane, ...]
    judged: int
    pages: tuple[Page, ...]
    open_days: int
    sights: tuple[Sight, ...]

    @property
    def opens_after(self) -> int:
        """How many days have to be stored before anything can page."""
        return FIRST_SCORED + next(n for n in count() if lanes(n, self.budget))

    @property
    def a_month(self) -> float | None:
        """Pages a month over the days that could page; None where none could."""
        return len(self.pages) / self.judged * MONTH if self.judged else None

    @property
    def between(self) -> tuple[float, float] | None:
        """The 95 % interval of that rate."""
        return rate_between(len(self.pages), self.judged / MONTH) if self.judged else None

    @property
    def holds(self) -> bool:
        """Whether the past leaves the promise possible."""
        return self.between is None or self.between[0] <= self.budget


def calibrate(
    engine: Engine, config: Config, name: str, *, until: datetime | None = None
) -> Calibration:
    """Walk the stored past of a model as if live, each day judged by the days before it alone.

    Raises
    ------
    StoreError
        If nothing is stored.
    ConfigError
        If a day is no whole number of the model's windows.
    """
    past = past_of(engine, config, name, until=until)
    cells = list(_cells(engine, config.models[name], past))
    budget = config.alerts.budget
    alerts = list(walk(cells, budget=budget))
    found = spells([alert.day for alert in alerts])
    judged = [d for d in range(FIRST_SCORED, past.days) if lanes(d - FIRST_SCORED, budget)]
    return Calibration(
        model=name,
        budget=budget,
        first=past.first,
        days=past.days,
        stored=max(0, past.days - FIRST_SCORED),
        lanes=lanes(max(0, past.days - FIRST_SCORED), budget),
        judged=len(judged),
        pages=tuple(_page(past, cells, alerts, spell) for spell in found),
        open_days=len({alert.day for alert in alerts}),
        sights=tuple(_sights(cells, past.days - 1, budget)),
    )


def _cells(engine: Engine, model: Model, past: Past) -> Iterator[Scored]:
    seen, rows = rows_of(engine, past)
    yield from cells_of(ROWS, volume_scores(rows, seen), past.groups)
    del rows
    for column, counts in counts_of(engine, past, list(past.watched)):
        found, _ = column_scores(counts, past.watched[column])
        if model.role(column) == "context":
            found = [of for of in found if of.kind == "faults"]
        yield from cells_of(column, found, past.groups_of(column))


def _sights(cells: list[Scored], day: int, budget: float) -> Iterator[Sight]:
    """Yield what can be seen on the last day."""
    highest = highest_of(cells)
    for lane in lanes(max(0, day - FIRST_SCORED), budget):
        found = judge(cells, highest, day, lane)
        for at, needed in zip(found.cells, found.needed.tolist(), strict=True):
            cell = cells[at]
            effects = cell.days.visible(needed).tolist()
            for stream, effect in zip(cell.streams, effects, strict=True):
                known = None if math.isnan(effect) else effect
                yield Sight(stream=stream, hours=cell.scale.hours, effect=known)


def _page(past: Past, cells: list[Scored], alerts: list[Alert], spell: tuple[int, int]) -> Page:
    first, last = spell
    opening = min((a for a in alerts if a.day == first), key=lambda a: (a.rank, a.lane.name))
    order = np.argsort(-opening.heights, kind="stable")[:MOST_TOLD].tolist()
    return Page(
        first=past.first + timedelta(days=first),
        last=past.first + timedelta(days=last),
        lane=opening.lane.name,
        moved=tuple(
            _moved(cells[opening.cells[at]], first, float(opening.heights[at])) for at in order
        ),
    )


def _moved(cell: Scored, day: int, height: float) -> Moved:
    at = int(cell.days.scores[:, day].argmax())
    return Moved(
        stream=cell.streams[at],
        hours=cell.scale.hours,
        height=height,
        effect=float(cell.days.effects[at, day]),
    )
