"""Late rows: which windows to count again, what has changed, and how far the log was asked.

Pure functions of what the store remembers, so that a restart, a second daemon or a crash between
two looks changes when a late row is found, and never whether.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from profiles.windows import Window, floor

Mark = datetime | int  # a time of ingestion, or an id that only grows

# Rows become visible when their transaction ends, which is after they were given their time or
# their id: what ends last need not have begun last. A mark is believed when it is so old.
SETTLED = timedelta(minutes=10)


def oldest_end(
    *, watermark: datetime, counted_to: datetime | None, overlap: timedelta, lateness: timedelta
) -> datetime:
    """Return the end of the oldest window that late rows still reopen by themselves.

    A window takes late rows in for as long as the log has moved no more than `overlap` past its
    closing. What came since the last look may have come when that look was made, so the horizon
    is that of the last look.
    """
    before = watermark if counted_to is None else min(watermark, counted_to)
    return before - overlap - lateness


def has_closed(
    *,
    watermark: datetime,
    counted_to: datetime | None,
    width: timedelta,
    lateness: timedelta,
) -> bool:
    """Tell whether another window has closed since windows were last counted."""
    if counted_to is None:
        return True
    return floor(watermark - lateness, width) != floor(counted_to - lateness, width)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A window as it stands in the store.

    Attributes
    ----------
    rows : int or None
        Rows with a readable time that its result was computed from; None where it has none, or
        where it is being made.
    late : int
        Rows that are known to have come too late.
    """

    window: Window
    fence: int
    running: bool
    rows: int | None
    late: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What counting has shown.

    Attributes
    ----------
    dirty : tuple of Standing
        To be read again: they hold other rows than they were computed from.
    late : dict from Standing's start to rows
        Rows too late for windows that are left as they are; 0 where there are none any longer.
    """

    dirty: tuple[Standing, ...] = ()
    late: Mapping[datetime, int] = field(default_factory=dict)


def some_lost(standing: Iterable[Standing], found: Mapping[datetime, int]) -> bool:
    """Tell whether a window holds fewer rows than it was computed from."""
    return any(of.rows is not None and found.get(of.window.start, of.rows) < of.rows
               for of in standing)  # fmt: skip


def judge(
    standing: Iterable[Standing],
    found: Mapping[datetime, int],
    *,
    oldest: datetime,
    begins: datetime | None = None,
) -> Verdict:
    """Compare the windows that were counted with what they were computed from.

    Parameters
    ----------
    found : mapping from start to rows
        Of the windows that were counted.
    oldest : datetime
        Windows that ended before are not read again.
    begins : datetime or None
        The first event time of the log. A window that began before it and has lost rows is left as
        it is: they were taken out of the log, as old rows are; None where the log is empty.
    """
    dirty, late = [], {}
    for of in standing:
        now = found.get(of.window.start)
        if of.rows is None or now is None:
            continue
        if now < of.rows and (begins is None or of.window.start < begins):
            continue
        if of.window.end >= oldest and now != of.rows:
            dirty.append(of)
        elif (too_late := max(0, now - of.rows)) != of.late:
            late[of.window.start] = too_late
    return Verdict(dirty=tuple(dirty), late=late)


def pieces(standing: Iterable[Standing], most: int) -> Iterator[list[Window]]:
    """Put windows that follow one another together, as long as few rows are expected of them."""
    piece: list[Window] = []
    rows = 0
    for of in standing:
        if piece and (piece[-1].end != of.window.start or rows + (of.rows or 0) > most):
            yield piece
            piece, rows = [], 0
        piece.append(of.window)
        rows += of.rows or 0
    if piece:
        yield piece


@dataclass(frozen=True, kw_only=True)
class Marks:
    """How far the column that says when rows were written has been followed.

    Attributes
    ----------
    column : str
        Its name: the mark of one column says nothing of another.
    mark : datetime, int or None
        Rows at or above it are asked for; None until the first one has settled.
    pending : datetime, int or None
        The largest value that was seen `since` then: the next mark.
    """

    column: str
    mark: Mark | None = None
    pending: Mark | None = None
    since: datetime | None = None

    def moved(self, newest: Mark | None, *, now: datetime) -> Marks:
        """Return the marks after a look at which `newest` was the largest value."""
        if newest is None:
            return self
        begin_anew = Marks(column=self.column, pending=newest, since=now)
        if self.pending is None or self.since is None or not _follows(newest, self.pending):
            return begin_anew
        if now < self.since:  # the clock was put back: wait as long again
            return Marks(column=self.column, mark=self.mark, pending=self.pending, since=now)
        if now - self.since < SETTLED:
            return self
        return Marks(column=self.column, mark=self.pending, pending=newest, since=now)

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "mark": _written(self.mark),
            "pending": _written(self.pending),
            "since": _written(self.since),
        }


def marks_of(stored: Mapping[str, Any] | None, column: str) -> Marks:
    """Read what `to_json` wrote; nothing where it is of another column."""
    if stored is None or stored["column"] != column:
        return Marks(column=column)
    since = _read(stored["since"])
    return Marks(
        column=column,
        mark=_read(stored["mark"]),
        pending=_read(stored["pending"]),
        since=since if isinstance(since, datetime) else None,
    )


def _follows(newest: Mark, pending: Mark) -> bool:
    """Tell whether values have gone on growing: not where ids began anew or the type changed."""
    if isinstance(newest, datetime) and isinstance(pending, datetime):
        return newest >= pending
    return isinstance(newest, int) and isinstance(pending, int) and newest >= pending


def _written(mark: Mark | None) -> str | int | None:
    return mark.isoformat() if isinstance(mark, datetime) else mark


def _read(written: str | int | None) -> Mark | None:
    return datetime.fromisoformat(written).astimezone(UTC) if isinstance(written, str) else written
