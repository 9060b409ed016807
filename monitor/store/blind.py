"""Trouble in reading a model's rows, and the incident that tells of it.

A model's row holds since when and why; that is what is decided on, so it does not matter which
process noticed, or whether it is still the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, func, literal, select, update

from alerts import blind
from alerts.blind import KIND, Trouble
from alerts.incident import Incident, Transition
from alerts.notification import Notification
from monitor.store import decisions
from monitor.store.engine import writing
from monitor.store.incidents import write_incident, write_transitions
from monitor.store.runs import MAX_ATTEMPTS, lock
from monitor.store.tables import incidents, models, windows

Words = Callable[[Transition, Incident], Notification]


def troubled(engine: Engine, model: str, *, since: datetime, why: str, now: datetime) -> None:
    """Write down why a model's rows cannot be read; since when stays, once it is written."""
    began = func.coalesce(
        models.c.source_error_since, literal(since, models.c.source_error_since.type)
    )
    with writing(engine) as connection:
        connection.execute(
            update(models)
            .where(models.c.name == model)
            .values(source_error=why, source_error_since=began, looked_at=now)
        )


def well(engine: Engine, model: str) -> None:
    """Write down that the log answers; the trouble is over if no window has failed in it.

    Where one has, only a window that is finished ends it: a log that tells its newest time may
    still not hand out its rows.
    """
    failed = select(windows.c.start).where(
        windows.c.model == model,
        windows.c.state.in_(("pending", "running", "failed")),
        windows.c.next_attempt >= models.c.source_error_since,
    )
    with writing(engine) as connection:
        connection.execute(
            update(models)
            .where(models.c.name == model, models.c.source_error.is_not(None), ~failed.exists())
            .values(source_error=None, source_error_since=None)
        )


def settle(
    engine: Engine,
    model: str,
    *,
    after: timedelta,
    now: datetime,
    words: Words,
    routes: Sequence[str],
) -> Transition | None:
    """Open or end the incident of a model, as its trouble stands, and put its messages out.

    One transaction, under the lock of the model: of several daemons one opens it. With its end,
    windows that were given up while it lasted get one more attempt.
    """
    with engine.connect() as connection:
        if _decided(connection, model, after=after, now=now) is None:
            return None
    with writing(engine) as connection:
        lock(connection, model)
        decided = _decided(connection, model, after=after, now=now)
        if decided is None:  # another daemon was quicker
            return None
        incident, transition = decided
        write_incident(connection, incident)
        write_transitions(connection, [transition])
        told = [(transition.id, words(transition, incident))]
        decisions.enqueue(connection, told, routes=routes, now=now, held=None)
        if incident.resolved is not None:
            _try_again(connection, incident, now)
    return transition


def _decided(
    connection: Connection, model: str, *, after: timedelta, now: datetime
) -> tuple[Incident, Transition] | None:
    known = connection.execute(
        select(models.c.source_error, models.c.source_error_since).where(models.c.name == model)
    ).first()
    trouble = None
    if known is not None and known.source_error_since is not None:
        trouble = Trouble(since=known.source_error_since, why=known.source_error)
    opened = connection.execute(
        select(incidents).where(
            incidents.c.model == model, incidents.c.kind == KIND, incidents.c.state == "firing"
        )
    ).first()
    incident = None if opened is None else _incident(opened)
    return blind.decide(model=model, trouble=trouble, incident=incident, after=after, now=now)


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        id=row.id,
        model=row.model,
        kind=row.kind,
        opened=row.opened,
        since=row.since,
        state=row.state,
        resolved=row.resolved,
        streams=(),
        reason=row.reason,
    )


def _try_again(connection: Connection, incident: Incident, now: datetime) -> None:
    """Let windows that were given up meanwhile be tried once more."""
    given_up = and_(
        windows.c.model == incident.model,
        windows.c.state == "failed",
        windows.c.attempts >= MAX_ATTEMPTS,
        windows.c.next_attempt >= incident.since,
    )
    connection.execute(
        update(windows).where(given_up).values(attempts=MAX_ATTEMPTS - 1, next_attempt=now)
    )
