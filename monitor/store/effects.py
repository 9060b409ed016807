"""How far what is stored has come from the training baseline, column by column."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from sqlalchemy import Engine

from monitor.store import baselines, results
from profiles.baseline import Baseline
from profiles.detection.watched import Folding, watched
from profiles.effects import Effect, effect
from profiles.profile import EVERYBODY, Profile
from profiles.windows import Window

DAY = timedelta(days=1)
LATELY = timedelta(days=7)
AROUND = timedelta(weeks=8)  # up to a span's end, that show how much a column wanders

Effects = Mapping[str, Effect | None]


class Days:
    """The counts of everybody by day, in the places that are watched.

    Days are of 24 hours, counted from one end of the span, so that no day is a part of one; wider
    windows count for days.

    Parameters
    ----------
    baseline : Baseline
    span : Window
    width : timedelta
        Of the windows that are added.
    """

    def __init__(self, baseline: Baseline, span: Window, width: timedelta) -> None:
        grids = baseline.plan.grids
        self._columns = tuple(grids)
        self._folding = Folding([watched(grid) for grid in grids.values()])
        self._training = self._folded(baseline.profiles[0])
        self._day, self._span = max(DAY, width), span
        size = -(-span.width // self._day)
        self._counts = np.zeros((size, self._folding.places), np.int64)
        self._rows = np.zeros(size, np.int64)

    def known(self, within: Window | None = None) -> int:
        """Return on how many days rows came, in a part of them or in all."""
        return int(np.count_nonzero(self._rows[self._at(within)])) * (self._day // DAY)

    def add(self, window: Window, everybody: Profile) -> None:
        at = (window.start - self._span.start) // self._day
        self._rows[at] += everybody.rows[0]
        self._counts[at] += self._folded(everybody)

    def effects(self, within: Window | None = None) -> Effects:
        """Return how far each column is from training in a part of the days, or in all of them."""
        return {
            column: effect(self._training[part], self._counts[:, part], self._at(within))
            for column, part in zip(self._columns, self._folding.parts, strict=True)
        }

    def _at(self, within: Window | None) -> slice:
        if within is None:
            return slice(None)
        first = (within.start - self._span.start) // self._day
        return slice(max(0, first), -(-(within.end - self._span.start) // self._day))

    def _folded(self, profile: Profile) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        counts = [profile.columns[column].counts[0] for column in self._columns]
        return self._folding.fold(np.concatenate(counts or [np.zeros(0, np.int64)]))


def days_within(engine: Engine, model: str, baseline_id: str, span: Window) -> Days:
    """Read everybody's windows of a span that were profiled on a baseline."""
    days: Days | None = None
    for stored in results.read(engine, model, baseline_id, EVERYBODY, span):
        if days is None:
            days = Days(baselines.load(engine, baseline_id), span, stored.window.width)
        days.add(stored.window, stored.profile)
    if days is None:
        return Days(baselines.load(engine, baseline_id), span, DAY)
    return days
