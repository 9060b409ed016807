"""Stored profiles of windows, read back."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Engine, and_, bindparam, func, select

from monitor.store.baselines import dimension_key
from monitor.store.tables import profiles, windows
from profiles.changes import Changes
from profiles.codec import decode
from profiles.profile import Dimension, Profile
from profiles.repeats import CONFLICT, DUPLICATE
from profiles.windows import Window

_OF = (
    windows.c.model == bindparam("model"),
    windows.c.start >= bindparam("first"),
    windows.c.end <= bindparam("last"),
    windows.c.baseline == bindparam("baseline"),
)
_REVISIONS = select(windows.c.start, windows.c.revision).where(*_OF)
_CHANGES = (
    select(windows.c.start, windows.c.changes)
    .where(*_OF, windows.c.changes.is_not(None))
    .order_by(windows.c.start)
)
_PROFILES = (
    select(
        windows.c.start,
        windows.c.end,
        windows.c.revision,
        windows.c.rows_read,
        windows.c.rejected,
        windows.c.changes,
        profiles.c.profile,
    )
    .join(
        profiles,
        and_(profiles.c.model == windows.c.model, profiles.c.start == windows.c.start),
    )
    .where(*_OF, profiles.c.dimension.in_(bindparam("dimensions", expanding=True)))
    .order_by(windows.c.start, func.length(profiles.c.dimension), profiles.c.dimension)
)


@dataclass(frozen=True, kw_only=True)
class StoredProfile:
    window: Window
    revision: int
    profile: Profile
    read: int = 0  # rows of the window
    rejected: Mapping[str, int] = field(default_factory=dict)  # reason → rows of it
    changes: Changes = field(default_factory=Changes)  # of the columns of the window

    @property
    def repeated(self) -> int:
        """Rows whose identifier had come before in the window."""
        return sum(self.rejected.get(reason, 0) for reason in (DUPLICATE, CONFLICT))


def read(
    engine: Engine,
    model: str,
    baseline: str,
    dimension: Dimension,
    within: Window,
    *,
    columns: Container[str] | None = None,
) -> Iterator[StoredProfile]:
    """Yield the profiles of windows inside a span along one dimension, oldest first.

    Only windows that were profiled on `baseline`; the others cannot be added to them. A window that
    is read again, or could not be, has its last result until there is a new one. With `columns`,
    only those are read.
    """
    for found in together(engine, model, baseline, (dimension,), within, columns=columns):
        yield from found


def together(
    engine: Engine,
    model: str,
    baseline: str,
    dimensions: Sequence[Dimension],
    within: Window,
    *,
    columns: Container[str] | None = None,
) -> Iterator[list[StoredProfile]]:
    """Yield for each window what `read` does, along several dimensions.

    One statement, so that what is written meanwhile is not seen in one dimension only.
    """
    asked = {
        **_asked(model, baseline, within),
        "dimensions": [dimension_key(dimension) for dimension in dimensions],
    }
    with engine.connect() as connection:
        rows = connection.execution_options(yield_per=500).execute(_PROFILES, asked)
        for _, of_window in groupby(rows, key=lambda row: row.start):
            yield [
                StoredProfile(
                    window=Window(start=row.start, end=row.end),
                    revision=row.revision,
                    profile=decode(bytes(row.profile), columns),
                    read=row.rows_read or 0,
                    rejected=row.rejected or {},
                    changes=Changes.from_record(row.changes),
                )
                for row in of_window
            ]


def changes(engine: Engine, model: str, baseline: str, within: Window) -> dict[datetime, Changes]:
    """Return how columns had changed in the windows inside a span where some had, by start."""
    with engine.connect() as connection:
        rows = connection.execute(_CHANGES, _asked(model, baseline, within))
        return {row.start: Changes.from_record(row.changes) for row in rows}


def revisions(engine: Engine, model: str, baseline: str, within: Window) -> dict[datetime, int]:
    """Return the revision of every result inside a span, by the start of its window."""
    with engine.connect() as connection:
        rows = connection.execute(_REVISIONS, _asked(model, baseline, within))
        return {row.start: row.revision for row in rows}


def extent(
    engine: Engine, model: str, baseline: str | None = None
) -> tuple[datetime, datetime] | None:
    """Return the start of the first and the end of the last window with a result.

    With `baseline`, of those that were profiled on it.
    """
    on = windows.c.baseline.is_not(None) if baseline is None else windows.c.baseline == baseline
    wanted = select(func.min(windows.c.start), func.max(windows.c.end)).where(
        windows.c.model == model, on
    )
    with engine.connect() as connection:
        first, last = connection.execute(wanted).one()
    return None if first is None else (first, last)


def _asked(model: str, baseline: str, within: Window) -> dict[str, Any]:
    return {"model": model, "baseline": baseline, "first": within.start, "last": within.end}
