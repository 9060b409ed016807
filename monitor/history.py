"""The stored past of a model, as counts by hour of the local clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from monitor.config import Config
from monitor.errors import ConfigError, StoreError
from monitor.store import baselines, results
from profiles.baseline import Baseline
from profiles.detection.watched import Watched, watched
from profiles.profile import EVERYBODY, Dimension, Group, Profile
from profiles.windows import Window, format_width

Ints = npt.NDArray[np.int32]

CELLS_AT_ONCE = 1 << 26  # counts of 4 bytes
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Past:
    """What is stored of a model, without its counts.

    Attributes
    ----------
    first : date
        The Monday on which the first day begins, by the local clock.
    days, steps : int
        How many days there are, and the steps of a day.
    groups : mapping from dimension to groups
        Whose counts there are: everybody first, then the cohorts that the baseline knows.
    watched : mapping from column to Watched
    """

    name: str
    baseline_id: str
    zone: ZoneInfo
    span: Window
    first: date
    days: int
    steps: int
    groups: Mapping[Dimension, tuple[Group, ...]]
    watched: Mapping[str, Watched]

    def groups_of(self, column: str) -> dict[Dimension, tuple[Group, ...]]:
        """Return the streams of a column; it is not watched inside its own cohorts."""
        return {d: groups for d, groups in self.groups.items() if column not in d}


def past_of(engine: Engine, config: Config, name: str, *, until: datetime | None = None) -> Past:
    """Look up what is stored of a model.

    Raises
    ------
    StoreError
        If nothing is stored.
    ConfigError
        If a day is no whole number of the model's windows.
    """
    baseline_id, extent = baselines.current(engine, name), results.extent(engine, name)
    if baseline_id is None or extent is None:
        raise StoreError(f"nothing is stored for {name} yet; run: monitor backfill --model {name}")
    width = max(config.models[name].window, _HOUR)
    if _DAY % width:
        raise ConfigError(
            f"models.{name}.window is {format_width(width)}, which does not divide a day; what is "
            "usual at an hour can only be learnt where each day has the same windows"
        )
    baseline = baselines.load(engine, baseline_id)
    zone = ZoneInfo(config.timezone)
    span = Window(start=extent[0], end=extent[1] if until is None else min(extent[1], until))
    start = span.start.astimezone(zone).date()
    first = start - timedelta(days=start.weekday())
    last = (span.end - timedelta(microseconds=1)).astimezone(zone).date()
    return Past(
        name=name,
        baseline_id=baseline_id,
        zone=zone,
        span=span,
        first=first,
        days=(last - first).days + 1,
        steps=_DAY // width,
        groups=_groups(baseline),
        watched={column: watched(grid) for column, grid in baseline.plan.grids.items()},
    )


def rows_of(engine: Engine, past: Past) -> tuple[Ints, Ints]:
    """Return how often each hour was seen [D, H], and the rows of every group [C, D, H]."""
    seen = np.zeros((past.days, past.steps), np.int32)
    offsets, size = _offsets(past.groups)
    rows = np.zeros((size, past.days, past.steps), np.int32)
    for window, parts in _windows(engine, past, list(past.groups), columns=frozenset()):
        day, step = _place(past, window)
        seen[day, step] += 1
        for part in parts:
            at = offsets[part.dimension]
            for group, count in zip(part.groups, part.rows.tolist(), strict=True):
                if group in at:
                    rows[at[group], day, step] += count
    return seen, rows


def counts_of(engine: Engine, past: Past, columns: Sequence[str]) -> Iterator[tuple[str, Ints]]:
    """Yield the counts of columns [C, D, H, P], of as many at once as fit in little memory."""
    for together in _chunks(past, columns):
        yield from _read(engine, past, together).items()


def _read(engine: Engine, past: Past, columns: Sequence[str]) -> dict[str, Ints]:
    found: dict[str, Ints] = {}
    offsets: dict[str, dict[Dimension, dict[Group, int]]] = {}
    for column in columns:
        offsets[column], size = _offsets(past.groups_of(column))
        shape = (size, past.days, past.steps, past.watched[column].places)
        found[column] = np.zeros(shape, np.int32)
    dimensions = [d for d in past.groups if any(d in of for of in offsets.values())]
    for window, parts in _windows(engine, past, dimensions, columns=frozenset(columns)):
        day, step = _place(past, window)
        for part in parts:
            for column, of in part.columns.items():
                if part.dimension not in offsets[column]:
                    continue
                at = offsets[column][part.dimension]
                kept = [i for i, group in enumerate(part.groups) if group in at]
                to = [at[part.groups[i]] for i in kept]
                found[column][to, day, step] += past.watched[column].fold(of.counts[kept])
    return found


def _windows(
    engine: Engine, past: Past, dimensions: Sequence[Dimension], *, columns: frozenset[str]
) -> Iterator[tuple[Window, list[Profile]]]:
    stored = results.together(
        engine, past.name, past.baseline_id, dimensions, past.span, columns=columns
    )
    for parts in stored:
        yield parts[0].window, [part.profile for part in parts]


def _groups(baseline: Baseline) -> dict[Dimension, tuple[Group, ...]]:
    of = {part.dimension: part.groups for part in baseline.profiles}
    return {EVERYBODY: of.pop(EVERYBODY), **of}


def _offsets(
    groups: Mapping[Dimension, Sequence[Group]],
) -> tuple[dict[Dimension, dict[Group, int]], int]:
    """Return the row of every group, dimension after dimension, and how many rows there are."""
    sizes = [len(names) for names in groups.values()]
    starts = [0, *accumulate(sizes)]
    found = {
        dimension: {group: start + i for i, group in enumerate(names)}
        for (dimension, names), start in zip(groups.items(), starts, strict=False)
    }
    return found, starts[-1]


def _place(past: Past, window: Window) -> tuple[int, int]:
    """Return the day and the step of it that a window lies in, by the local clock."""
    local = window.start.astimezone(past.zone)
    return (local.date() - past.first).days, local.hour * past.steps // 24


def _chunks(past: Past, columns: Sequence[str]) -> Iterator[list[str]]:
    together: list[str] = []
    filled = 0
    for column in columns:
        streams = sum(len(names) for names in past.groups_of(column).values())
        size = streams * past.days * past.steps * past.watched[column].places
        if together and filled + size > CELLS_AT_ONCE:
            yield together
            together, filled = [], 0
        together.append(column)
        filled += size
    if together:
        yield together
