"""Incidents as rows, and taking decisions back so that they can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, or_, select, update

from alerts.blind import KIND as MONITOR
from alerts.incident import Incident, IncidentStream, State, Transition, stream_record
from monitor.store.engine import insert_missing, upsert
from monitor.store.tables import (
    incident_streams,
    incidents,
    outbox,
    scores,
    transitions,
    windows,
)
from profiles.windows import Window

_STATE_BEFORE = (
    select(scores.c.state)
    .where(scores.c.model == bindparam("model"), scores.c.start < bindparam("start"))
    .order_by(scores.c.start.desc())
    .limit(1)
)


def incident_of(row: Row[Any], streams: tuple[IncidentStream, ...] = ()) -> Incident:
    """Read an incident from its row."""
    return Incident(
        id=row.id,
        model=row.model,
        kind=row.kind,
        opened=row.opened,
        since=row.since,
        state=row.state,
        resolved=row.resolved,
        streams=streams,
        reason=row.reason,
    )


def write_incident(connection: Connection, incident: Incident) -> None:
    """Write an incident with its streams over what is there."""
    row = {
        "id": incident.id,
        "model": incident.model,
        "kind": incident.kind,
        "state": incident.state,
        "opened": incident.opened,
        "since": incident.since,
        "resolved": incident.resolved,
        "reason": incident.reason,
    }
    upsert(connection, incidents, [row])
    connection.execute(incident_streams.delete().where(incident_streams.c.incident == incident.id))
    insert_missing(
        connection,
        incident_streams,
        [
            {"incident": incident.id, "place": place, "stream": stream_record(stream)}
            for place, stream in enumerate(incident.streams)
        ],
    )


def write_transitions(connection: Connection, told: Sequence[Transition]) -> None:
    """Write transitions over what is there under their ids."""
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
        for t in told
    ]
    upsert(connection, transitions, rows)


def state_before(connection: Connection, model: str, start: datetime) -> State:
    """Return the state that the last decision before `start` left."""
    text = connection.scalar(_STATE_BEFORE, {"model": model, "start": start})
    return State() if text is None else State.from_json(text)


def undecide(connection: Connection, model: str, window: Window) -> None:
    """Take back every decision from `window` on; a replay makes them again under the same ids.

    An incident that was opened since is *retracted* until the replay opens it again; one that was
    open before goes back to what it was before the window. Messages that are held, which nobody
    will be sent, go with their transitions; the others stay, for they may have been sent. The
    monitor's own incidents were not decided on rows, and stand.
    """
    own = select(incidents.c.id).where(incidents.c.model == model, incidents.c.kind == MONITOR)
    taken_back = (
        (transitions.c.model == model)
        & (transitions.c.at >= window.end)
        & or_(transitions.c.incident.is_(None), transitions.c.incident.not_in(own))
    )
    connection.execute(
        outbox.delete().where(
            outbox.c.state == "held",
            exists().where(taken_back, outbox.c.id.like("msg_" + transitions.c.id + "_%")),
        )
    )
    connection.execute(
        update(windows)
        .where(windows.c.model == model, windows.c.start >= window.start)
        .values(decided=False)
    )
    connection.execute(transitions.delete().where(taken_back))
    connection.execute(
        scores.delete().where(scores.c.model == model, scores.c.start >= window.start)
    )
    connection.execute(
        update(incidents)
        .where(
            incidents.c.model == model,
            incidents.c.opened >= window.end,
            incidents.c.kind != MONITOR,
        )
        .values(state="retracted", reason="the rows it was opened on were corrected")
    )
    for was_open in state_before(connection, model, window.start).open:
        write_incident(connection, was_open)
