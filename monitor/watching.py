"""What the budget sees of each window: the lanes of a watch, as readings of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import structlog
from sqlalchemy import Engine

from alerts.rules import Moved, Readings, Rule, StreamKey
from monitor.config import Config
from monitor.errors import ConfigError
from monitor.history import Clock, clock_of, watch_of
from monitor.store import results
from profiles.baseline import Baseline
from profiles.detection.lanes import LANES, TITLES
from profiles.detection.watch import Odd, Verdict, Watch
from profiles.windows import Window

log = structlog.get_logger()

STATISTIC = "oddness"


def lane_rules(config: Config, name: str) -> tuple[Rule, ...]:
    """Return the rules that stand for lanes; none where the budget is off or cannot be kept."""
    clock = _clock(config, name)
    if clock is None:
        return ()
    # the threshold in a window is told by its readings
    return tuple(
        _rule(lane, clock, threshold=1.0, over=timedelta(days=days)) for lane, days in LANES.items()
    )


class Watching:
    """Watches the windows of one model in order.

    A watch is a function of the stored profiles of all windows before: where they follow what it
    has seen it goes on, and where one of them was replaced since it begins anew.
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
        if start < first.start:
            for _ in self._days(Window(start=start, end=first.start), []):
                if stopping():
                    self._watch = None
                    return
            self._at = first.start

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
                yield tuple(_readings(of, self._clock) for of in watch.verdicts(step))
        self._at = windows[-1].end

    def _days(self, span: Window, windows: Sequence[Window]) -> Iterator[tuple[Watch, list[int]]]:
        """Feed the watch with a span; yield it for each day, with the steps of those asked for."""
        clock = self._clock
        assert clock is not None
        dimensions = [part.dimension for part in self._baseline.profiles]
        stored = results.together(self._engine, self._name, self._baseline_id, dimensions, span)
        wanted = {window.start for window in windows}
        for day, of_day in groupby(
            _joined(stored, windows), key=lambda found: clock.place(found[0].start)[0]
        ):
            watch, steps = self._watch_at(day), []
            for window, parts in of_day:
                _, step = clock.place(window.start)
                if parts:
                    self._held[window.start] = parts[0].revision
                    if not clock.is_off(day):
                        watch.add(step, [part.profile for part in parts])
                if window.start in wanted:
                    steps.append(step)
            yield watch, steps

    def _from(self, first: Window) -> datetime:
        """Return where to read from: after what was seen, or from the beginning."""
        at = self._at
        if at is not None and at <= first.start and self._unchanged(at):
            return at  # what lies between, as a window that has failed, changes nothing before
        if self._watch is not None:
            log.info(
                "the past has changed; it is watched again from its beginning",
                action="watch.again", model=self._name,
            )  # fmt: skip
        self._watch, self._held, self._at = None, {}, None
        extent = results.extent(self._engine, self._name)
        return first.start if extent is None else min(first.start, extent[0])

    def _unchanged(self, until: datetime) -> bool:
        if not self._held:
            return True
        span = Window(start=min(self._held), end=until)
        return results.revisions(self._engine, self._name, self._baseline_id, span) == self._held

    def _watch_at(self, day: int) -> Watch:
        """Return the watch, with every day before closed."""
        assert self._clock is not None
        if self._watch is None:
            self._watch = watch_of(
                self._config, self._name, self._baseline,
                day=day - day % 7, steps=self._clock.steps,
            )  # fmt: skip
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
            over=timedelta(hours=verdict.odd[0].scale.hours),
        ),
        streams=tuple(found),
        value=np.array([odd.height for odd in rows]),
        n=np.array([_rows(odd) for odd in rows], np.int64),
        known=np.ones(len(rows), bool),
        moved={
            at: Moved(now=odd.change.now, was=odd.change.was, label=odd.change.label)
            for at, odd in enumerate(rows)
            if odd.change is not None
        },
        complete=True,
    )


def _clock(config: Config, name: str) -> Clock | None:
    if config.alerts.budget is None:
        return None
    try:
        return clock_of(config, name)
    except ConfigError:  # `monitor check` and `calibrate` say so
        return None


def _rule(lane: str, clock: Clock, *, threshold: float, over: timedelta) -> Rule:
    return Rule(
        name=TITLES[lane], statistic=STATISTIC, threshold=threshold, over=over, windows=1,
        min_rows=0, quiet=clock.windows,
    )  # fmt: skip


def _rows(odd: Odd) -> int:
    """Return the rows that a stream is of, at least one; of volume those that came."""
    if odd.change is not None and odd.stream.kind == "volume":
        return max(1, round(odd.change.now))
    return max(1, odd.rows)
