"""What is known of late rows: windows as they stand, and how far the log was asked for more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row, and_, bindparam, select, update

from monitor.late import Marks, Standing, Verdict
from monitor.store.engine import writing
from monitor.store.runs import lock
from monitor.store.tables import models, windows
from profiles.windows import Window

_AT_ONCE = 500  # values of one statement
_MINE = and_(
    windows.c.model == bindparam("of_model"),
    windows.c.start == bindparam("of_start"),
    windows.c.state == "done",
)
_OPEN = (
    update(windows)
    .where(_MINE, windows.c.fence == bindparam("of_fence"))
    .values(state="dirty", attempts=0, next_attempt=None)
)
_LATE = update(windows).where(_MINE).values(late=bindparam("new_late"))


@dataclass(frozen=True, kw_only=True)
class Followed:
    """How far late rows of a model were looked for.

    Attributes
    ----------
    counted_to : datetime or None
        The watermark of the last look; that of the newest result where there was none.
    ingest : mapping or None
        `Marks` as they were written.
    """

    counted_to: datetime | None
    ingest: Mapping[str, Any] | None


def followed(engine: Engine, model: str) -> Followed:
    """Return how far late rows were looked for."""
    known = select(models.c.counted_to, models.c.ingest).where(models.c.name == model)
    with engine.connect() as connection:
        row = connection.execute(known).one()
    return Followed(counted_to=row.counted_to, ingest=row.ingest)


def newest_result(engine: Engine, model: str) -> datetime | None:
    """Return the end of the newest window with a result."""
    wanted = select(windows.c.end).where(windows.c.model == model, windows.c.state == "done")
    with engine.connect() as connection:
        return connection.scalar(wanted.order_by(windows.c.start.desc()).limit(1))


def standing(
    engine: Engine, model: str, within: Window, *, without: Collection[str]
) -> list[Standing]:
    """Return the known windows of a span, oldest first.

    Parameters
    ----------
    without : collection of str
        Reasons of rejects that are not counted among a window's rows.
    """
    wanted = (
        select(windows)
        .where(
            windows.c.model == model, windows.c.start >= within.start, windows.c.end <= within.end
        )
        .order_by(windows.c.start)
    )
    with engine.connect() as connection:
        return [_standing(row, without) for row in connection.execute(wanted)]


def standing_at(
    engine: Engine, model: str, starts: Sequence[datetime], *, without: Collection[str]
) -> list[Standing]:
    """Return those of some windows that are known, oldest first; see `standing`."""
    found: list[Standing] = []
    with engine.connect() as connection:
        for some in _parts(sorted(starts)):
            wanted = select(windows).where(windows.c.model == model, windows.c.start.in_(some))
            rows = connection.execute(wanted.order_by(windows.c.start))
            found += (_standing(row, without) for row in rows)
    return found


def write(
    engine: Engine,
    model: str,
    verdict: Verdict,
    *,
    counted_to: datetime | None = None,
    marks: Marks | None = None,
) -> int:
    """Open windows again, note rows that came too late and how far was looked: one transaction.

    Returns how many were opened: not those that somebody has done again or claimed meanwhile. A
    crash before the commit leaves all to the next look, which finds the same.
    """
    opened = [
        {"of_model": model, "of_start": of.window.start, "of_fence": of.fence}
        for of in verdict.dirty
    ]
    late = [
        {"of_model": model, "of_start": start, "new_late": rows or None}
        for start, rows in verdict.late.items()
    ]
    values: dict[str, Any] = {}
    if counted_to is not None:
        values["counted_to"] = counted_to
    if marks is not None:
        values["ingest"] = marks.to_json()
    with writing(engine) as connection:
        lock(connection, model)  # before any window, as whoever finishes one does
        count = sum(connection.execute(_OPEN, each).rowcount for each in opened)
        if late:
            connection.execute(_LATE, late)
        if values:
            connection.execute(update(models).where(models.c.name == model).values(values))
    return count


def _standing(row: Row[Any], without: Collection[str]) -> Standing:
    rows = None
    if row.state == "done":
        rows = row.rows_read - sum(row.rejected.get(why, 0) for why in without)
    return Standing(
        window=Window(start=row.start, end=row.end),
        fence=row.fence,
        running=row.state == "running",
        rows=rows,
        late=row.late or 0,
    )


def _parts(starts: Sequence[datetime]) -> Iterator[Sequence[datetime]]:
    for at in range(0, len(starts), _AT_ONCE):
        yield starts[at : at + _AT_ONCE]
