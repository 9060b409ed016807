"""What the budget sees of each window: the lanes of a watch, as readings of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import structlog
from sqlalchemy import Engine

from alerts.rules import CHECK, NEVER_BEFORE, Moved, Readings, Rule, StreamKey
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.history import Clock, clock_of, feed, watch_of
from monitor.store import results
from profiles.baseline import Baseline
from profiles.detection.attribution import Odd
from profiles.detection.checks import Breach
from profiles.detection.lanes import LANES, TITLES
from profiles.detection.watch import NEAR, Verdict, Watch
from profiles.windows import Window

log = structlog.get_logger()

STATISTIC = "oddness"


def lane_rules(config: Config, name: str) -> tuple[Rule, ...]:
    """Return the rules that stand for lanes; none where the budget is off or cannot be kept."""
    clock = _clock(config, name)
    if clock is None:
        return ()
    # the threshold in a window is told by its readings
    return (_check_rule(clock), *(_rule(lane, clock) for lane in LANES))


class Watching:
    """Watches the windows of one model in order.

    A watch is a function of the stored profiles of all windows before: where they follow what it
    has seen it goes on; where one of them was replaced since, it begins the running day anew, or
    where that was earlier, from the beginning.
    """

    def __init__(
        self, engine: Engine, config: Config, name: str, baseline_id: str, baseline: Baseline
    ) -> None:
        self._engine, self._config, self._name = engine, config, name
        self._baseline_id, self._baseline = baseline_id, baseline
        self._clock = _clock(config, name)
        self._watch: Watch | None = None
        self._held: dict[datetime, int] = {}  # start → revision of what was seen
        self._at: datetime | None = None  # end of the last window

    def catch_up(self, first: Window, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """See everything before a window, which after a start may take a minute.

        Nothing is locked meanwhile. Told to stop, it has seen nothing.
        """
        if self._clock is None:
            return
        start = self._from(first)
        self._at = None  # where reading breaks off, the next call begins anew
        if start < first.start:
            for _ in self._days(Window(start=start, end=first.start), []):
                if stopping():
                    self._watch = None
                    return
        self._at = max(start, first.start)

    def readings(self, windows: Sequence[Window]) -> Iterator[tuple[Readings, ...]]:
        """Yield what every lane sees in each window.

        Parameters
        ----------
        windows : sequence of Window
            One after another; nobody may replace one of them or of those before meanwhile.
        """
        if self._clock is None:
            yield from (() for _ in windows)
            return
        start = self._from(windows[0])
        self._at = None  # where reading breaks off, the next call begins anew
        for watch, steps in self._days(Window(start=start, end=windows[-1].end), windows):
            for step in steps:
                yield _seen(watch, step, self._clock)
        self._at = windows[-1].end

    def _days(self, span: Window, windows: Sequence[Window]) -> Iterator[tuple[Watch, list[int]]]:
        """Feed the watch with a span; yield it for each day, with the steps of those asked for.

        A step that has several windows is yielded with each of them.
        """
        clock = self._clock
        assert clock is not None
        dimensions = [part.dimension for part in self._baseline.profiles]
        stored = results.together(self._engine, self._name, self._baseline_id, dimensions, span)
        wanted = {window.start for window in windows}
        for day, of_day in groupby(
            _joined(stored, windows), key=lambda found: clock.place(found[0].start)[0]
        ):
            watch, steps = self._watch_at(day), []
            apart = clock.windows > clock.steps or clock.is_long(day)
            for window, parts in of_day:
                _, step = clock.place(window.start)
                if parts:
                    self._held[window.start] = parts[0].revision
                    feed(watch, clock, parts, self._baseline)
                if window.start not in wanted:
                    continue
                if apart:
                    yield watch, [step]  # of an hour that may not be all there
                else:
                    steps.append(step)
            yield watch, steps

    def _from(self, first: Window) -> datetime:
        """Return where to read from: after what was seen, or from where it has changed."""
        if self._at is not None:
            since = min(self._at, first.start, self._changed(self._at))
            if since == self._at:
                return since
            again = self._reopened(since)
            if again is not None:
                return again
        if self._watch is not None:
            log.info(
                "the past has changed; it is watched again from its beginning",
                action="watch.again", model=self._name,
            )  # fmt: skip
        self._watch, self._held, self._at = None, {}, None
        extent = results.extent(self._engine, self._name)
        return first.start if extent is None else min(first.start, extent[0])

    def _reopened(self, since: datetime) -> datetime | None:
        """Begin the running day anew where nothing before it has changed; return its start."""
        assert self._clock is not None
        day = self._clock.place(since)[0]
        if self._watch is None or day != self._watch.day:
            return None
        self._watch.reopen()
        of_day = {start for start in self._held if self._clock.place(start)[0] == day}
        for start in of_day:
            del self._held[start]
        return min(of_day | {since})

    def _changed(self, until: datetime) -> datetime:
        """Return the start of the first window that is not as it was seen; `until` if all are."""
        if not self._held:
            return until
        span = Window(start=min(self._held), end=until)
        now = results.revisions(self._engine, self._name, self._baseline_id, span)
        changed = (of for of in {*now, *self._held} if now.get(of) != self._held.get(of))
        return min(changed, default=until)

    def _watch_at(self, day: int) -> Watch:
        """Return the watch, with every day before closed."""
        assert self._clock is not None
        if self._watch is None:
            self._watch = watch_of(
                self._config, self._name, self._baseline, self._clock, day=day - day % 7
            )
        while self._watch.day < day:
            self._watch.close()
        return self._watch


def _joined(
    stored: Iterator[list[results.StoredProfile]], windows: Sequence[Window]
) -> Iterator[tuple[Window, list[results.StoredProfile]]]:
    """Yield stored windows, and among them those that are asked for and have no result."""
    asked = list(windows)
    for parts in stored:
        while asked and asked[0].start < parts[0].window.start:
            yield asked.pop(0), []
        if asked and asked[0].start == parts[0].window.start:
            asked.pop(0)
        yield parts[0].window, parts
    yield from ((window, []) for window in asked)


def _seen(watch: Watch, step: int, clock: Clock) -> tuple[Readings, ...]:
    """Return what the checks and every lane see; of a lane that is not open, all is quiet."""
    off = clock.is_off(watch.day)  # of a holiday nothing is known, nor of a first day with gaps
    opened = {} if off else {of.lane.name: of for of in watch.verdicts(step)}
    unknown = set(LANES) if off else set() if watch.lanes() else {"first"}
    lanes = (
        _readings(opened[lane], clock)
        if lane in opened
        else replace(_quiet(_rule(lane, clock)), complete=lane not in unknown)
        for lane in LANES
    )
    return (_broken(watch.broken(step), clock), *lanes)


def _broken(breaches: Sequence[Breach], clock: Clock) -> Readings:
    """Write what never happened before as a rule of which each breach is beyond."""
    found: dict[StreamKey, Breach] = {}
    for breach in breaches:
        cohort = tuple(zip(breach.dimension, breach.group, strict=True))
        key = StreamKey(rule=NEVER_BEFORE, column=breach.column, cohort=cohort)
        found.setdefault(key, breach)
    return replace(
        _quiet(_check_rule(clock)),
        streams=tuple(found),
        value=np.ones(len(found)),
        n=np.array([max(1, of.rows) for of in found.values()], np.int64),
        known=np.ones(len(found), bool),
        moved={
            at: Moved(now=of.now, was=of.was, label=of.label)
            for at, of in enumerate(found.values())
        },
    )


def _quiet(rule: Rule) -> Readings:
    return Readings(
        rule=rule, streams=(), value=np.zeros(0), n=np.zeros(0, np.int64),
        known=np.zeros(0, bool), complete=True,
    )  # fmt: skip


def _readings(verdict: Verdict, clock: Clock) -> Readings:
    """Write a lane as a rule whose threshold is its bar today, and its oddest streams."""
    found: dict[StreamKey, Odd] = {}
    for odd in verdict.odd:
        cohort = tuple(zip(odd.stream.dimension, odd.stream.group, strict=True))
        key = StreamKey(rule=TITLES[verdict.lane.name], column=odd.stream.column, cohort=cohort)
        found.setdefault(key, odd)
    rows = list(found.values())
    return Readings(
        rule=_rule(
            verdict.lane.name,
            clock,
            threshold=verdict.bar,
            over=timedelta(hours=(verdict.odd[0].scale if rows else verdict.lane.scales[0]).hours),
        ),
        streams=tuple(found),
        value=np.array([odd.now for odd in rows]),
        n=np.array([_rows(odd) for odd in rows], np.int64),
        known=np.ones(len(rows), bool),
        moved={
            at: _moved(odd) for at, odd in enumerate(rows) if odd.listed or odd.now > verdict.bar
        },
        complete=True,
        listed=np.array([odd.listed and odd.now >= NEAR * odd.height for odd in rows], bool),
    )


def _moved(odd: Odd) -> Moved:
    change, mix = odd.change, odd.mix
    return Moved(
        now=None if change is None else change.now,
        was=None if change is None else change.was,
        label="" if change is None else change.label,
        effect=odd.effect,
        low=odd.low,
        high=odd.high,
        mix=None if mix is None else mix.share,
        mix_of="" if mix is None else ", ".join(mix.dimension),
    )


def _clock(config: Config, name: str) -> Clock | None:
    if config.alerts.budget is None:
        return None
    try:
        return clock_of(config, name)
    except ConfigError:  # `monitor check` and `calibrate` say so
        return None


def _rule(
    lane: str, clock: Clock, *, threshold: float = 1.0, over: timedelta | None = None
) -> Rule:
    return Rule(
        name=TITLES[lane], statistic=STATISTIC, threshold=threshold,
        over=over or timedelta(days=LANES[lane]), windows=1, min_rows=0, quiet=clock.windows,
    )  # fmt: skip


def _check_rule(clock: Clock) -> Rule:
    return Rule(
        name=NEVER_BEFORE, statistic=CHECK, threshold=0.5, over=timedelta(days=1) / clock.steps,
        windows=1, min_rows=0, quiet=clock.windows,
    )  # fmt: skip


def _rows(odd: Odd) -> int:
    """Return the rows that a stream is of, at least one; of volume those that came."""
    if odd.change is not None and odd.stream.kind == "volume":
        return max(1, round(odd.change.now))
    return max(1, odd.rows)
