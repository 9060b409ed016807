"""Decisions: per model, strictly by window end, one transaction each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, select, update

from alerts.decide import Decision
from alerts.notification import Notification
from monitor.store.engine import insert_missing, upsert, writing
from monitor.store.incidents import write_incident, write_transitions
from monitor.store.runs import MAX_ATTEMPTS, lock
from monitor.store.tables import outbox, scores, windows
from profiles.changes import Changes
from profiles.windows import Window

_UNDECIDED = (
    select(windows)
    .where(windows.c.model == bindparam("model"), ~windows.c.decided)
    .order_by(windows.c.start)
    .limit(bindparam("most"))
)
_DECIDED = (
    update(windows)
    .where(windows.c.model == bindparam("of_model"), windows.c.start == bindparam("of_start"))
    .values(decided=True)
)


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A window that can be decided."""

    window: Window
    failed: bool  # given up on: there is nothing to judge, the state is carried on
    notify: bool
    baseline: str | None  # what it was profiled on; None where it has failed
    rows: int = 0  # that were profiled
    changes: Changes = field(default_factory=Changes)  # of its columns


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A window's decision, with what the rules saw."""

    window: Window
    decision: Decision
    readings: bytes
    peaks: Mapping[str, float | None]


@contextmanager
def deciding(engine: Engine, model: str) -> Iterator[Connection]:
    """Open the one transaction in which a window of a model is decided.

    The model's row is locked, so two workers decide one after the other; the second finds the
    window decided and takes the next. A crash before the commit leaves it undecided.
    """
    with writing(engine) as connection:
        lock(connection, model)
        yield connection


def ready(connection: Connection, model: str, *, most: int) -> list[Ready]:
    """Return the oldest undecided windows, up to the first that is unfinished."""
    rows = connection.execute(_UNDECIDED, {"model": model, "most": most})
    return [
        Ready(
            window=Window(start=row.start, end=row.end),
            failed=row.state == "failed",
            notify=row.notify,
            baseline=row.baseline,
            rows=0 if row.state == "failed" else row.rows_profiled or 0,
            changes=Changes.from_record(row.changes),
        )
        for row in takewhile(_is_ready, rows)
    ]


def next_ready(engine: Engine, model: str) -> Window | None:
    """Return the oldest window that can be decided; nothing is locked."""
    with engine.connect() as connection:
        found = ready(connection, model, most=1)
    return found[0].window if found else None


def _is_ready(row: Row[Any]) -> bool:
    """Whether a window can be decided: it is done, or has failed for good."""
    return bool(row.state == "done" or (row.state == "failed" and row.attempts >= MAX_ATTEMPTS))


def write(connection: Connection, model: str, decided: Sequence[Decided]) -> None:
    """Write what decisions changed, oldest first, under ids that a replay gives again."""
    upsert(
        connection,
        scores,
        [
            {
                "model": model,
                "start": each.window.start,
                "readings": each.readings,
                "peaks": dict(each.peaks),
                "state": each.decision.state.to_json(),
            }
            for each in decided
        ],
    )
    changed = {of.id: of for each in decided for of in each.decision.incidents}
    for incident in changed.values():  # as the last decision left it
        write_incident(connection, incident)
    write_transitions(connection, [t for each in decided for t in each.decision.transitions])
    connection.execute(
        _DECIDED, [{"of_model": model, "of_start": each.window.start} for each in decided]
    )


def peaks(engine: Engine, model: str, within: Window) -> list[Mapping[str, float | None]]:
    """Return the largest value over its threshold of each rule, of the windows of a span."""
    wanted = (
        select(scores.c.peaks)
        .where(scores.c.model == model, scores.c.start >= within.start, scores.c.start < within.end)
        .order_by(scores.c.start)
    )
    with engine.connect() as connection:
        return list(connection.scalars(wanted))


def enqueue(
    connection: Connection,
    notifications: Sequence[tuple[str, Notification]],
    *,
    routes: Sequence[str],
    now: datetime,
    held: str | None,
) -> None:
    """Put notifications, each with its transition's id, into the outbox for every route.

    The outbox id, which is the webhook id, comes from transition and route: a replay that comes to
    the same transition does not send it twice. With `held`, they are kept with that reason and
    never sent.
    """
    rows: list[dict[str, Any]] = [
        {
            "id": f"msg_{transition}_{_short(route)}",
            "route": route,
            "incident": notification.id,
            "notification": notification.to_json(),
            "created_at": now,
            "state": "held" if held else "waiting",
            "attempts": 0,
            "next_attempt": None if held else now,
            "reason": held,
        }
        for transition, notification in notifications
        for route in routes
    ]
    insert_missing(connection, outbox, rows)


def _short(route: str) -> str:
    """Name a route in few characters: route names may be long, and ids may not be cut."""
    return hashlib.blake2b(route.encode(), digest_size=6).hexdigest()
