"""What windows are compared with, where that is stored like themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Engine

from monitor.config.against import ROOM, Stored, spans_beside
from monitor.store import results
from profiles.baseline import Baseline, position
from profiles.profile import ColumnProfile, Dimension, Group, Profile
from profiles.spans import Kept, Sums
from profiles.windows import Window


class Beside:
    """Sums what windows that follow one another are compared with.

    Parameters
    ----------
    baseline : Baseline
        That the windows were profiled on.
    dimensions, columns : sequence
        What is wanted of it.
    width : timedelta
        Of a stored window.
    first, last : Window
        The first window that will be asked for, and one that ends no sooner than the last.
    """

    def __init__(
        self,
        engine: Engine,
        model: str,
        baseline_id: str,
        baseline: Baseline,
        *,
        dimensions: Sequence[Dimension],
        columns: Sequence[str],
        against: Stored,
        zone: ZoneInfo,
        width: timedelta,
        first: Window,
        last: Window,
    ) -> None:
        self._against, self._zone, self._width = against, zone, width
        self._grids = {column: baseline.plan.grids[column] for column in columns}
        bins = {column: grid.bins for column, grid in self._grids.items()}
        self._kept = {dimension: Kept(dimension, bins) for dimension in dimensions}
        self._sums = {dimension: Sums(kept) for dimension, kept in self._kept.items()}
        since = min(of.start for of in self._spans(first)) - ROOM
        self._rest = results.together(
            engine, model, baseline_id, dimensions, Window(start=since, end=last.end),
            columns=frozenset(columns),
        )  # fmt: skip
        self._next = next(self._rest, None)

    def at(self, window: Window) -> list[Profile]:
        """Return the counts beside a window, without moments; nothing where half is not stored."""
        while self._next is not None and self._next[0].window.end <= window.end:
            for part in self._next:
                self._kept[part.profile.dimension].push(part.window, part.profile)
            self._next = next(self._rest, None)
        asked = self._spans(window)
        wanted = sum((span.width for span in asked), timedelta(0))
        found = []
        for dimension, sums in self._sums.items():
            sums.move(asked)
            self._kept[dimension].forget(min(span.start for span in asked) - ROOM)
            enough = 2 * sums.windows * self._width >= wanted
            found.append(self._profile(dimension, sums, sums.groups if enough else ()))
        return found

    def _spans(self, window: Window) -> tuple[Window, ...]:
        return spans_beside(self._against, window, self._width, self._zone)

    def _profile(self, dimension: Dimension, sums: Sums, groups: tuple[Group, ...]) -> Profile:
        size, counts = len(groups), sums.counts()
        columns = {
            name: ColumnProfile(grid=grid.id, counts=counts[name][:size], moments=None)
            for name, grid in self._grids.items()
        }
        rows = next((of.counts.sum(axis=1) for of in columns.values()), np.zeros(size, np.int64))
        return Profile(dimension=dimension, groups=groups, rows=rows, columns=columns)


def of_version(profile: Profile, column: str, version: str) -> tuple[Profile, Profile]:
    """Return the other versions of a profile, and for each group the same of one version."""
    at = profile.dimension.index(column)
    keep = [row for row, group in enumerate(profile.groups) if group[at] != version]
    groups = tuple(profile.groups[row] for row in keep)
    same = [position(profile, (*group[:at], version, *group[at + 1 :])) for group in groups]
    here = np.array([row is not None for row in same], bool)
    rows = np.array([row or 0 for row in same], np.intp)
    others, beside = {}, {}
    for name, of in profile.columns.items():
        moments = None if of.moments is None else of.moments[keep]
        others[name] = replace(of, counts=of.counts[keep], moments=moments)
        beside[name] = replace(of, counts=of.counts[rows] * here[:, None], moments=None)
    return (
        Profile(
            dimension=profile.dimension, groups=groups, rows=profile.rows[keep], columns=others
        ),
        Profile(
            dimension=profile.dimension, groups=groups, rows=profile.rows[rows] * here,
            columns=beside,
        ),
    )  # fmt: skip
