"""The stored windows of a model by the local clock, and the watch that is fed with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from monitor.config import Config
from monitor.config.calendar import Calendar
from monitor.errors import ConfigError, StoreError
from monitor.store import baselines, results
from profiles.baseline import Baseline
from profiles.changes import counted_of, without
from profiles.detection.checks import Checks
from profiles.detection.watch import Watch
from profiles.detection.watched import watched
from profiles.profile import EVERYBODY, Dimension
from profiles.windows import EPOCH, Window, format_width

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """Days and steps by the local clock; days are numbered from a Monday, 5 January 1970, on."""

    zone: ZoneInfo
    steps: int  # of a day
    windows: int  # of a day
    holidays: Calendar

    def place(self, moment: datetime) -> tuple[int, int]:
        """Return the day and the step of it that a moment lies in."""
        local = moment.astimezone(self.zone)
        return (local.date() - EPOCH.date()).days, local.hour * self.steps // 24

    def is_off(self, day: int) -> bool:
        """Whether a day is a holiday, which is as if nothing had been seen of it."""
        return self.date(day) in self.holidays

    def is_long(self, day: int) -> bool:
        """Whether an hour of a day comes twice."""
        start, end = (
            datetime.combine(self.date(at), time(), self.zone).utcoffset() for at in (day, day + 1)
        )
        return start is not None and end is not None and end < start

    def date(self, day: int) -> date:
        return EPOCH.date() + timedelta(days=day)

    def monday(self, moment: datetime) -> int:
        """Return the Monday of the week that a moment lies in."""
        day, _ = self.place(moment)
        return day - day % 7


def clock_of(config: Config, name: str) -> Clock:
    """Return the clock that a model's windows go by.

    Raises
    ------
    ConfigError
        If a day is no whole number of the model's windows.
    """
    width = max(config.models[name].window, _HOUR)
    if _DAY % width or width % _HOUR:
        raise ConfigError(
            f"models.{name}.window is {format_width(width)}, which does not divide a day; what is "
            "usual at an hour can only be learnt where each day has the same windows"
        )
    windows = _DAY // config.models[name].window
    return Clock(
        zone=ZoneInfo(config.timezone), steps=_DAY // width, windows=windows,
        holidays=Calendar(config.models[name].calendar),
    )  # fmt: skip


def watch_of(config: Config, name: str, baseline: Baseline, clock: Clock, *, day: int) -> Watch:
    """Return a watch of a model's columns and of the cohorts that its baseline knows.

    Where the configuration has turned the budget off, it is 1 a month.
    """
    model = config.models[name]
    grids = baseline.plan.grids
    groups = {part.dimension: part.groups for part in baseline.profiles}
    return Watch(
        {column: watched(grid) for column, grid in grids.items()},
        {EVERYBODY: groups.pop(EVERYBODY), **groups},
        budget=config.alerts.budget or 1.0,
        day=day,
        steps=clock.steps,
        faults_only=[column for column in grids if model.role(column) == "context"],
        checks=Checks(
            _checked(baseline, model.log.version), day=day, steps=clock.steps,
            windows=max(1, clock.windows // clock.steps),
        ),
        trained=baseline.profiles,
    )  # fmt: skip


def _checked(baseline: Baseline, version: str | None) -> Baseline:
    """Leave out the versions of the model: that one comes or goes is no fault."""
    kept = tuple(part for part in baseline.profiles if part.dimension != (version,))
    return replace(baseline, profiles=kept)


def feed(
    watch: Watch, clock: Clock, parts: Sequence[results.StoredProfile], baseline: Baseline
) -> None:
    """Give a watch one window; of a holiday's it is checked only what never happened before.

    A column that is gone, or came as another type, is as if it had never been asked for, and so
    are the cohorts that it tells apart: that it changed is told by itself.
    """
    day, step = clock.place(parts[0].window.start)
    take = watch.check if clock.is_off(day) else watch.add
    changes = parts[0].changes
    unusable, gone = counted_of(baseline, changes.unusable), set(changes.missing)
    found = [without(of.profile, unusable) for of in parts if gone.isdisjoint(of.profile.dimension)]
    blind = [of.profile.dimension for of in parts if not gone.isdisjoint(of.profile.dimension)]
    take(step, found, read=parts[0].read, repeated=parts[0].repeated, blind=blind, changed=unusable)


@dataclass(frozen=True, kw_only=True)
class Past:
    """What is stored of a model."""

    name: str
    baseline_id: str
    baseline: Baseline
    span: Window


def past_of(engine: Engine, name: str, *, until: datetime | None = None) -> Past:
    """Look up what is stored of a model on its baseline.

    Raises
    ------
    StoreError
        If nothing is stored.
    """
    nothing = f"nothing is stored for {name} yet; run: monitor backfill --model {name}"
    baseline_id, extent = baselines.current(engine, name), results.extent(engine, name)
    if baseline_id is None or extent is None:
        raise StoreError(nothing)
    # windows of an earlier baseline would be days of which nothing is known
    whole = Window(start=extent[0], end=extent[1])
    first = min(results.revisions(engine, name, baseline_id, whole), default=None)
    if first is None or (until is not None and until <= first):
        raise StoreError(nothing)
    last = whole.end if until is None else min(whole.end, until)
    return Past(
        name=name,
        baseline_id=baseline_id,
        baseline=baselines.load(engine, baseline_id),
        span=Window(start=first, end=last),
    )


def days_of(engine: Engine, past: Past, clock: Clock, watch: Watch) -> Iterator[tuple[int, int]]:
    """Feed a watch with what is stored; yield each day, with its last step, before it is closed.

    The last day is left open. A day without a window is one too.
    """
    dimensions: list[Dimension] = [part.dimension for part in past.baseline.profiles]
    stored = results.together(engine, past.name, past.baseline_id, dimensions, past.span)
    step = clock.steps - 1
    for day, of_day in groupby(stored, key=lambda parts: clock.place(parts[0].window.start)[0]):
        while watch.day < day:
            yield watch.day, clock.steps - 1
            watch.close()
        for parts in of_day:
            _, step = clock.place(parts[0].window.start)
            feed(watch, clock, parts, past.baseline)
    yield watch.day, step
