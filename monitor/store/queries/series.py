"""Stored profiles as arrays over equal steps of time, and rolling sums over them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from monitor.store import results
from profiles.baseline import Baseline, position
from profiles.grids import NumericGrid
from profiles.profile import Dimension, Group
from profiles.rolling import rolled
from profiles.windows import Window, ceil, floor

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]

MAX_STEPS = 400  # about one cell a pixel or two on the widest sheet


def step_for(span: timedelta, width: timedelta) -> timedelta:
    """Return the step at which a span is drawn: a whole number of windows, at most 400 of them."""
    for factor in (1, 2, 3, 4, 6, 12, 24, 48, 168, 336, 24 * 28):
        if span / (width * factor) <= MAX_STEPS:
            return width * factor
    return width * 24 * 28 * (1 + int(span / (width * 24 * 28 * MAX_STEPS)))


@dataclass(frozen=True, kw_only=True)
class Means:
    """Rolling moments of a numeric column [T]; NaN where there are too few values."""

    mean: Floats
    half_width: Floats  # 95 % sampling error of the mean
    n: Ints


@dataclass(frozen=True, kw_only=True)
class Series:
    """The counts of one group in equal steps over a span.

    Attributes
    ----------
    starts : datetime64[us] [S]
        Starts of the steps, without gaps.
    rows : int64 [S]
    counts : mapping from column to int64 [S, B]
    sums : mapping from numeric column to float64 [3, S]
        n, Σ(x − c) and Σ(x − c)², with c the baseline's mean, so that sums of steps lose nothing.
    """

    step: timedelta
    starts: Times
    rows: Ints
    counts: dict[str, Ints]
    sums: dict[str, Floats]
    centres: dict[str, float]

    def take(self, column: str, over: timedelta, at: slice) -> Ints:
        """Return counts [T, B] summed over the `over` that ends with each step of a slice."""
        return rolled(self.counts[column], self._width(over))[at]

    def rows_over(self, over: timedelta, at: slice) -> Ints:
        return rolled(self.rows, self._width(over))[at]

    def means(self, column: str, over: timedelta, at: slice) -> Means:
        """Return the rolling mean of a numeric column with its sampling error."""
        n, first, second = (rolled(part, self._width(over))[at] for part in self.sums[column])
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(n > 0, first / n, np.nan)
            variance = np.maximum(second - n * mean * mean, 0) / (n - 1)
            half = np.where(n > 1, 1.96 * np.sqrt(variance / n), np.nan)
        centre = self.centres[column]
        # what rounding leaves of a mean of zero is no number to show
        mean = np.where(np.abs(mean + centre) < 1e-12 * abs(centre), 0.0, mean + centre)
        return Means(mean=mean, half_width=half, n=n.astype(np.int64))

    def within(self, start: datetime, end: datetime) -> slice:
        """Return the steps that start within a span."""
        low, high = np.searchsorted(self.starts, [instant(start), instant(end)])
        return slice(int(low), int(high))

    def _width(self, over: timedelta) -> int:
        return max(1, round(over / self.step))


def load(
    engine: Engine,
    name: str,
    *,
    baseline_id: str,
    baseline: Baseline,
    dimension: Dimension,
    groups: tuple[Group, ...],
    columns: Container[str],
    start: datetime,
    end: datetime,
    step: timedelta,
) -> dict[Group, Series]:
    """Read the windows of a span into steps, for some groups of one dimension."""
    first, last = floor(start, step), ceil(end, step)
    size = round((last - first) / step)
    names = [column for column in baseline.plan.grids if column in columns]
    series = {group: _empty(baseline, names, first, size, step) for group in groups}
    span = Window(start=first, end=last)
    read = results.read(engine, name, baseline_id, dimension, span, columns=columns)
    for stored in read:
        at = (stored.window.start - first) // step
        for group, into in series.items():
            place = position(stored.profile, group)
            if place is None:
                continue
            into.rows[at] += stored.profile.rows[place]
            for column, found in stored.profile.columns.items():
                into.counts[column][at] += found.counts[place]
                if found.moments is not None:
                    m, centre = found.moments, into.centres[column]
                    n, gap = m.n[place], m.mean[place] - centre
                    into.sums[column][:, at] += (n, n * gap, m.m2[place] + n * gap * gap)
    return series


def _empty(
    baseline: Baseline, names: list[str], first: datetime, size: int, step: timedelta
) -> Series:
    grids = baseline.plan.grids
    numeric = [name for name in names if isinstance(grids[name], NumericGrid)]
    everybody = baseline.profiles[0].columns
    moments = {name: everybody[name].moments for name in numeric}
    return Series(
        step=step,
        starts=instant(first) + np.arange(size) * np.timedelta64(step),
        rows=np.zeros(size, np.int64),
        counts={name: np.zeros((size, grids[name].bins), np.int64) for name in names},
        sums={name: np.zeros((3, size)) for name in numeric},
        centres={name: 0.0 if m is None else float(m.mean[0]) for name, m in moments.items()},
    )


def instant(moment: datetime) -> np.datetime64:
    """Return a moment as numpy has it, without a zone and in UTC."""
    return np.datetime64(moment.replace(tzinfo=None), "us")


def aware(moment: np.datetime64) -> datetime:
    """Return what `instant` was made of."""
    plain: datetime = moment.astype("datetime64[us]").item()
    return plain.replace(tzinfo=UTC)
