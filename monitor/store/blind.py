"""Trouble in reading a model's rows, and the incident that tells of it.

A model's row holds since when and why; that is what is decided on, so it does not matter which
process noticed, or whether it is still the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, and_, bindparam, func, literal, select, update

from alerts import blind
from alerts.blind import KIND, Trouble
from alerts.incident import Incident, Transition
from alerts.notification import Notification
from monitor.store import decisions
from monitor.store.engine import writing
from monitor.store.incidents import incident_of, write_incident, write_transitions
from monitor.store.runs import MAX_ATTEMPTS, lock
from monitor.store.tables import incidents, models, windows

_TROUBLE = select(models.c.source_error_since).where(
    models.c.name == bindparam("of_model"), models.c.source_error_since.is_not(None)
)
_ONCE_MORE = {"attempts": MAX_ATTEMPTS - 1}

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


def well(engine: Engine, model: str, *, now: datetime) -> bool:
    """Write down that the log answers; return whether the trouble is over.

    It is if no window has failed in it. Where one has, only a window that is finished ends it: a
    log that tells its newest time may still not hand out its rows. Where all of them were given
    up, the newest is tried once more, to see.
    """
    with engine.connect() as connection:
        if not connection.scalar(_TROUBLE.with_only_columns(func.count()), {"of_model": model}):
            return True
    with writing(engine) as connection:
        lock(connection, model)
        since = connection.scalar(_TROUBLE, {"of_model": model})
        if since is None:
            return True
        failed = connection.execute(
            select(windows.c.start, windows.c.state, windows.c.attempts)
            .where(
                windows.c.model == model,
                windows.c.state.in_(("pending", "running", "failed")),
                windows.c.next_attempt >= since,
            )
            .order_by(windows.c.start)
        ).all()
        if not failed:
            clear = update(models).where(models.c.name == model)
            connection.execute(clear.values(source_error=None, source_error_since=None))
        elif all(of.state == "failed" and of.attempts >= MAX_ATTEMPTS for of in failed):
            newest = and_(windows.c.model == model, windows.c.start == failed[-1].start)
            once = _ONCE_MORE | {"next_attempt": now}
            connection.execute(update(windows).where(newest).values(once))
        return not failed


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
    incident = None if opened is None else incident_of(opened)
    return blind.decide(model=model, trouble=trouble, incident=incident, after=after, now=now)


def _try_again(connection: Connection, incident: Incident, now: datetime) -> None:
    """Let windows that were given up meanwhile be tried once more."""
    given_up = and_(
        windows.c.model == incident.model,
        windows.c.state == "failed",
        windows.c.attempts >= MAX_ATTEMPTS,
        windows.c.next_attempt >= incident.since,
    )
    connection.execute(update(windows).where(given_up).values(_ONCE_MORE | {"next_attempt": now}))
