"""Decisions: per model, strictly by window end, one transaction each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, select, update

from alerts.decide import Decision
from alerts.incident import State
from alerts.notification import Notification
from monitor.store.engine import insert_missing, upsert, writing
from monitor.store.incidents import state_before, write_incident
from monitor.store.runs import MAX_ATTEMPTS, lock
from monitor.store.tables import outbox, scores, transitions, windows
from profiles.windows import Window

_OLDEST_UNDECIDED = (
    select(windows)
    .where(windows.c.model == bindparam("model"), ~windows.c.decided)
    .order_by(windows.c.start)
    .limit(1)
)
_DECIDED = (
    update(windows)
    .where(windows.c.model == bindparam("of_model"), windows.c.start == bindparam("of_start"))
    .values(decided=True)
)


@dataclass(frozen=True, kw_only=True)
class Next:
    """The next window to decide, and what the decision before it left."""

    window: Window
    failed: bool  # given up on: there is nothing to judge, the state is carried on
    notify: bool
    baseline: str | None  # what it was profiled on; None where it has failed
    state: State


@contextmanager
def deciding(engine: Engine, model: str) -> Iterator[Connection]:
    """Open the one transaction in which a window of a model is decided.

    The model's row is locked, so two workers decide one after the other; the second finds the
    window decided and takes the next. A crash before the commit leaves it undecided.
    """
    with writing(engine) as connection:
        lock(connection, model)
        yield connection


def next_window(connection: Connection, model: str) -> Next | None:
    """Return the oldest undecided window; None where there is none, or it is unfinished."""
    row = oldest_undecided(connection, model)
    if row is None or not is_ready(row):
        return None
    return Next(
        window=Window(start=row.start, end=row.end),
        failed=row.state == "failed",
        notify=row.notify,
        baseline=row.baseline,
        state=state_before(connection, model, row.start),
    )


def oldest_undecided(connection: Connection, model: str) -> Row[Any] | None:
    """Return the oldest window of a model that is not decided, whatever its state."""
    return connection.execute(_OLDEST_UNDECIDED, {"model": model}).first()


def is_ready(row: Row[Any] | None) -> bool:
    """Whether a window can be decided: it is done, or has failed for good."""
    if row is None:
        return False
    return bool(row.state == "done" or (row.state == "failed" and row.attempts >= MAX_ATTEMPTS))


def write(
    connection: Connection,
    model: str,
    window: Window,
    *,
    decision: Decision,
    readings: bytes,
    peaks: Mapping[str, float | None],
) -> None:
    """Write what a decision changed, under ids that a replay gives again."""
    upsert(
        connection,
        scores,
        [
            {
                "model": model,
                "start": window.start,
                "readings": readings,
                "peaks": dict(peaks),
                "state": decision.state.to_json(),
            }
        ],
    )
    if decision.incident is not None:
        write_incident(connection, decision.incident)
    rows = [
        {
            "id": t.id,
            "incident": t.incident_id,
            "model": t.model,
            "at": t.at,
            "before": t.before,
            "after": t.after,
            "reason": t.reason,
            "text": t.text,
        }
        for t in decision.transitions
    ]
    upsert(connection, transitions, rows)
    connection.execute(_DECIDED, {"of_model": model, "of_start": window.start})


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
