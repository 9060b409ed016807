"""Windows of the past, through the same `work` as the live ones."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Engine

from monitor.clock import Clock, system_clock
from monitor.config import Config
from monitor.crew import at_work
from monitor.due import due
from monitor.errors import ConfigError, SourceError
from monitor.late import Verdict
from monitor.pipeline import Run, Stopped, decide_ready, prepare, work
from monitor.recount import differing
from monitor.sources import LogSource, ended_by, open_log
from monitor.store import recounts, runs
from profiles.windows import Window, ceil, floor

Reprocess = Literal["none", "failed", "late", "all"]

LOOK_EVERY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a backfill has come."""

    done: int
    total: int
    failed: int
    rows: int
    at: datetime | None  # end of the newest window done


@dataclass(frozen=True, kw_only=True)
class Backfilled:
    """What a backfill has done; `skipped` windows had a result already."""

    windows: int
    failed: int
    skipped: int
    rows: int
    stopped: bool
    left: int = 0  # to whoever has claimed them


def backfill(
    engine: Engine,
    config: Config,
    name: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    reprocess: Reprocess = "none",
    notify: bool = False,
    dry_run: bool = False,
    jobs: int = 1,
    progress: Callable[[Progress], None] = lambda _: None,
    clock: Clock = system_clock,
    stopping: Callable[[], bool] = lambda: False,
) -> Backfilled:
    """Do every due window of a span that has no result yet, oldest first.

    Each window is committed by itself: killed at any point, the next call goes on where this one
    stopped, and what comes out is what a live run would have given. Messages are kept and not sent,
    unless `notify`.

    Parameters
    ----------
    start, end : datetime or None
        The span; by default all of the log.
    reprocess : "none", "failed", "late" or "all"
        Which windows that have a result are done again; with "late" all are counted again in the
        log, and those are done again that hold other rows than they were computed from.
    dry_run : bool
        Say how many windows there are, and do none.
    jobs : int
        With more than one, so many processes read and profile, and this one decides.

    Raises
    ------
    ConfigError
        If the span holds no whole window.
    SourceError
        If the log or the baseline cannot be read.
    """
    nothing = Backfilled(windows=0, failed=0, skipped=0, rows=0, stopped=False)
    with open_log(config.models[name], config.limits) as source, ended_by(stopping, source):
        try:
            within = _within(engine, config, name, source, start=start, end=end, clock=clock)
            if within is None:
                return nothing
            run = prepare(engine, config, name, source, clock=clock, stopping=stopping)
            planned = due(
                now=clock(), watermark=within.end, first=within.start, done=(),
                width=run.model.window, lateness=run.model.lateness,
            )  # fmt: skip
            if not planned:
                return nothing
            asked = _Asked(reprocess=reprocess, notify=notify, dry_run=dry_run, jobs=jobs)
            return _do(run, planned, asked, progress)
        except (Stopped, SourceError):
            if not stopping():
                raise
            return replace(nothing, stopped=True)


def _within(
    engine: Engine,
    config: Config,
    name: str,
    source: LogSource,
    *,
    start: datetime | None,
    end: datetime | None,
    clock: Clock,
) -> Window | None:
    """Return from where on windows are due, and up to which time in the log; None without rows."""
    model = config.models[name]
    watermark, first = source.latest(), source.earliest()
    runs.register(engine, name, model.window)
    runs.looked(engine, name, now=clock(), watermark=watermark)
    if watermark is None or first is None:
        return None
    begin = floor(first, model.window) if start is None else ceil(start, model.window)
    last = watermark if end is None else min(watermark, end + model.lateness)
    if end is not None and begin + model.window > end:
        raise ConfigError(f"no whole window lies between {start} and {end}; widen the span")
    return Window(start=begin, end=last) if begin < last else None


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is to be done with the windows of a span."""

    reprocess: Reprocess
    notify: bool
    dry_run: bool
    jobs: int


def _do(
    run: Run, planned: Sequence[Window], asked: _Asked, progress: Callable[[Progress], None]
) -> Backfilled:
    engine, name = run.engine, run.name
    span = Window(start=planned[0].start, end=planned[-1].end)
    states = {"failed": ("failed",), "all": ("failed", "done")}.get(asked.reprocess, ())
    changed = _changed(run, span) if asked.reprocess == "late" else Verdict()
    known = runs.known(engine, name, span)
    kept = sum(1 for state in known.values() if state == "done" and state not in states)
    kept -= len(changed.dirty)
    total = len(planned) - kept
    if asked.dry_run:
        return Backfilled(windows=total, failed=0, skipped=kept, rows=0, stopped=False)
    runs.plan(engine, name, planned, notify=asked.notify)
    if states:
        runs.reopen(engine, name, span, states)
    if asked.reprocess == "late":
        recounts.write(engine, name, changed)
    counted = _Counted(total=total, progress=progress)
    if asked.jobs > 1 and total > 1:
        _together(run, span, counted, jobs=min(asked.jobs, total))
    _work(run, span, counted)
    return Backfilled(
        windows=counted.done,
        failed=counted.failed,
        skipped=kept,
        rows=counted.rows,
        left=total - counted.done,
        stopped=run.stopping() and counted.done < total,
    )


def _changed(run: Run, span: Window) -> Verdict:
    return differing(run.engine, run.name, run.model, run.source, span, stopping=run.stopping)


@dataclass
class _Counted:
    """What has been done so far, told as it grows."""

    total: int
    progress: Callable[[Progress], None]
    done: int = 0
    failed: int = 0
    rows: int = 0

    def __post_init__(self) -> None:
        self.tell(None)

    def tell(self, at: datetime | None) -> None:
        self.progress(
            Progress(done=self.done, total=self.total, failed=self.failed, rows=self.rows, at=at)
        )


def _work(run: Run, span: Window, counted: _Counted) -> None:
    with contextlib.suppress(Stopped):
        for result in work(run, within=span):
            counted.done += 1
            counted.failed += not result.ok
            counted.rows += result.rows
            counted.tell(result.window.end)


def _together(run: Run, span: Window, counted: _Counted, *, jobs: int) -> None:
    """Decide what a crew profiles, until it has ended or we are told to stop.

    What it leaves, as where a member was killed, is left to whoever works after it.
    """
    started, pause = run.leases(), threading.Event()
    with at_work(run.config, run.name, span, members=jobs) as crew:
        while crew.working and not run.stopping():
            decide_ready(run)
            _look(run, span, started, counted)
            pause.wait(LOOK_EVERY_S)
    _look(run, span, started, counted)


def _look(run: Run, span: Window, started: datetime, counted: _Counted) -> None:
    """Count what the crew has done."""
    now = runs.tally(run.engine, run.name, span, since=started)
    if (now.done + now.failed, now.rows) != (counted.done, counted.rows):
        counted.done, counted.failed, counted.rows = now.done + now.failed, now.failed, now.rows
        counted.tell(now.at)
