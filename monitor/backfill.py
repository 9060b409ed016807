"""Windows of the past, through the same `work` as the live ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Engine

from monitor.clock import Clock, system_clock
from monitor.config import Config
from monitor.due import due
from monitor.errors import ConfigError
from monitor.pipeline import Run, Stopped, prepare, work
from monitor.sources import open_log
from monitor.store import runs
from profiles.windows import Window, ceil, floor

Reprocess = Literal["none", "failed", "all"]


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
    reprocess : "none", "failed" or "all"
        Which windows that have a result are done again.
    dry_run : bool
        Say how many windows there are, and do none.

    Raises
    ------
    ConfigError
        If the span holds no whole window.
    SourceError
        If the log or the baseline cannot be read.
    """
    model = config.models[name]
    with open_log(model, config.limits) as source:
        watermark, first = source.latest(), source.earliest()
        runs.register(engine, name, model.window)
        runs.looked(engine, name, now=clock(), watermark=watermark, error=None)
        if watermark is None or first is None:
            return Backfilled(windows=0, failed=0, skipped=0, rows=0, stopped=False)
        begin = floor(first, model.window) if start is None else ceil(start, model.window)
        last = watermark if end is None else min(watermark, end + model.lateness)
        if end is not None and begin + model.window > end:
            raise ConfigError(f"no whole window lies between {start} and {end}; widen the span")
        run = prepare(engine, config, name, source, clock=clock, stopping=stopping)
        planned = due(
            now=clock(), watermark=last, first=begin, done=(), width=model.window,
            lateness=model.lateness,
        )  # fmt: skip
        if not planned:
            return Backfilled(windows=0, failed=0, skipped=0, rows=0, stopped=False)
        span = Window(start=planned[0].start, end=planned[-1].end)
        states = {"none": (), "failed": ("failed",), "all": ("failed", "done")}[reprocess]
        known = runs.known(engine, name, span)
        kept = sum(1 for state in known.values() if state == "done" and state not in states)
        total = len(planned) - kept
        if dry_run:
            return Backfilled(windows=total, failed=0, skipped=kept, rows=0, stopped=False)
        runs.plan(engine, name, planned, notify=notify)
        if states:
            runs.reopen(engine, name, span, states)
        return _work(run, span, total=total, skipped=kept, progress=progress)


def _work(
    run: Run, span: Window, *, total: int, skipped: int, progress: Callable[[Progress], None]
) -> Backfilled:
    done = failed = rows = 0
    progress(Progress(done=0, total=total, failed=0, rows=0, at=None))
    with contextlib.suppress(Stopped):
        for result in work(run, within=span):
            done, rows = done + 1, rows + result.rows
            failed += not result.ok
            progress(
                Progress(done=done, total=total, failed=failed, rows=rows, at=result.window.end)
            )
    stopped = run.stopping() and done < total
    return Backfilled(windows=done, failed=failed, skipped=skipped, rows=rows, stopped=stopped)
