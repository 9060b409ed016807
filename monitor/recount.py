"""Late rows: windows are counted again in the log, and those that hold other rows are opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import structlog
from sqlalchemy import Engine

from monitor import late
from monitor.config import Model
from monitor.late import Marks, Standing, Verdict
from monitor.pipeline import ROWS_AT_ONCE, Stopped
from monitor.sources import TIMELESS, Batch, LogSource
from monitor.store import recounts
from monitor.store.runs import EVER
from profiles.buffers import values_of
from profiles.counting import windows_at
from profiles.windows import EPOCH, Window

log = structlog.get_logger()

_MICROSECOND = timedelta(microseconds=1)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


class Lookout:
    """Looks for the late rows of one model, each time its log is looked at.

    What has to be known is in the store. What is kept here spares counting: without it, as at the
    start of a process, windows are counted once more than they need be.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        model: Model,
        *,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine, self._name, self._model = engine, name, model
        self._stopping = stopping
        self._begun = False
        self._seen: dict[datetime, tuple[int, int]] = {}  # start → rows asked for, fence: as it was

    def look(self, source: LogSource, *, watermark: datetime, now: datetime) -> int:
        """Open the windows that hold other rows than they were computed from; return how many.

        Windows that closed longer ago than `log.overlap` stay as they are; where `log.ingested`
        tells of rows in them, these are counted as too late.

        Raises
        ------
        Stopped
            If told to stop; the next look begins anew.
        SourceError
            If the log cannot be read.
        """
        stored = recounts.followed(self._engine, self._name)
        counted_to = stored.counted_to or self._newest_result()
        oldest = late.oldest_end(
            watermark=watermark, counted_to=counted_to, overlap=self._model.log.overlap,
            lateness=self._model.lateness,
        )  # fmt: skip
        marks = moved = None
        if self._model.log.ingested is not None:
            marks = late.marks_of(stored.ingest, self._model.log.ingested)
            # asked before the rows are: what comes in between is above the next mark too
            moved = marks.moved(source.newest_ingested(until=now), now=now)
        if marks is not None and marks.mark is not None:
            standing = self._touched(source, marks)
        elif self._is_time_to_count(watermark, stored.counted_to, moved):
            standing = self._lately(oldest)
        else:
            return 0
        opened = self._count(source, standing, oldest, watermark, moved)
        self._begun = True
        return opened

    def _newest_result(self) -> datetime | None:
        """Return how far the log was at least when it was last read, by somebody who did not look.

        Else what came late between a backfill and the first look would go unseen.
        """
        end = recounts.newest_result(self._engine, self._name)
        return None if end is None else end + self._model.lateness

    def _is_time_to_count(
        self, watermark: datetime, counted_to: datetime | None, moved: Marks | None
    ) -> bool:
        """Tell whether all of the overlap is to be counted: at the start, and as windows close.

        Also as long as the first mark settles, for until then nothing else tells of late rows.
        """
        if not self._model.log.overlap and moved is None:
            return False
        return (
            not self._begun
            or (moved is not None and moved.pending is not None)
            or late.has_closed(
                watermark=watermark, counted_to=counted_to, width=self._model.window,
                lateness=self._model.lateness,
            )
        )  # fmt: skip

    def _lately(self, oldest: datetime) -> list[Standing]:
        span = Window(start=oldest - self._model.window, end=EVER.end)
        found = recounts.standing(self._engine, self._name, span, without=TIMELESS)
        return [of for of in found if of.window.end >= oldest]

    def _touched(self, source: LogSource, marks: Marks) -> list[Standing]:
        """Return the known windows that rows above the mark fall into."""
        assert marks.mark is not None
        asked = self._by_window(source.ingested_since(marks.mark))
        found = recounts.standing_at(self._engine, self._name, list(asked), without=TIMELESS)
        before, self._seen = self._seen, {}
        for of in found:
            if of.rows is not None:
                self._seen[of.window.start] = asked[of.window.start], of.fence
        # the mark lags, so the same rows are asked for many times: once counted is enough
        return [
            of for of in found
            if of.running
            or (of.rows is not None and before.get(of.window.start) != self._seen[of.window.start])
        ]  # fmt: skip

    def _by_window(self, batches: Iterable[Batch]) -> Counter[datetime]:
        """Count rows by the start of the window that they fall into."""
        width = self._model.window
        first, last = (_microseconds(edge) for edge in (EVER.start, EVER.end))
        found: Counter[datetime] = Counter()
        for batch in batches:
            if self._stopping():
                raise Stopped
            if batch.rows.num_rows:
                us = _moments(batch, self._model.log.time)
                us = us[(us >= first) & (us < last)]  # no window begins before or after
                at, rows = np.unique(
                    (us - _microseconds(EPOCH)) // (width // _MICROSECOND), return_counts=True
                )
                for tick, many in zip(at.tolist(), rows.tolist(), strict=True):
                    found[EPOCH + tick * width] += many
        return found

    def _count(
        self,
        source: LogSource,
        standing: Sequence[Standing],
        oldest: datetime,
        watermark: datetime,
        moved: Marks | None,
    ) -> int:
        try:
            verdict = _judged(source, self._model, standing, oldest=oldest, stopping=self._stopping)
            # What is being read need not hold the rows that were just seen, and cannot be counted:
            # look from the same place again.
            held = any(of.running for of in standing)
            opened = recounts.write(
                self._engine, self._name, verdict,
                counted_to=None if held else watermark, marks=None if held else moved,
            )  # fmt: skip
        except BaseException:
            self._seen = {}
            raise
        if opened:
            log.info(
                "late rows came; their windows are done again", action="late.found",
                model=self._name, windows=opened,
            )  # fmt: skip
        if any(verdict.late.values()):
            log.warning(
                "rows came too late; monitor status says how to take them in",
                action="late.too_late", model=self._name, rows=sum(verdict.late.values()),
            )  # fmt: skip
        return opened


def differing(
    engine: Engine,
    name: str,
    model: Model,
    source: LogSource,
    within: Window,
    *,
    stopping: Callable[[], bool] = lambda: False,
) -> Verdict:
    """Count every window of a span that has a result again in the log.

    Raises
    ------
    Stopped
        If told to stop.
    SourceError
        If the log cannot be read.
    """
    standing = recounts.standing(engine, name, within, without=TIMELESS)
    return _judged(source, model, standing, oldest=EVER.start, stopping=stopping)


def _judged(
    source: LogSource,
    model: Model,
    standing: Sequence[Standing],
    *,
    oldest: datetime,
    stopping: Callable[[], bool],
) -> Verdict:
    """Count windows again, and say which of them hold other rows than they were computed from."""
    found = _counted(source, model, standing, stopping)
    begins = source.earliest() if late.some_lost(standing, found) else None
    return late.judge(standing, found, oldest=oldest, begins=begins)


def _counted(
    source: LogSource, model: Model, standing: Iterable[Standing], stopping: Callable[[], bool]
) -> dict[datetime, int]:
    """Count the rows with a readable time of windows that have a result, by start.

    Windows are read together by about a million rows, so that no statement takes long.
    """
    done = [of for of in standing if of.rows is not None]
    found: dict[datetime, int] = {}
    for windows in late.pieces(done, ROWS_AT_ONCE):
        rows = np.zeros(len(windows), np.int64)
        for batch in source.times(Window(start=windows[0].start, end=windows[-1].end)):
            if stopping():
                raise Stopped
            if batch.rows.num_rows:
                at = windows_at(windows, _moments(batch, model.log.time))
                rows += np.bincount(at, minlength=len(windows))
        found |= zip((of.start for of in windows), rows.tolist(), strict=True)
    return found


def _moments(batch: Batch, time: str) -> npt.NDArray[np.int64]:
    return values_of(batch.rows.column(time), np.int64)


def _microseconds(moment: datetime) -> int:
    return (moment - _UNIX) // _MICROSECOND
