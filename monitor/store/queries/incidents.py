"""Incidents: the list, the spans to shade, and one incident with its evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Row, func, select

from alerts.blind import KIND as MONITOR
from alerts.incident import Incident, IncidentStream, stream_from
from alerts.message import incident_sentence, incident_title, plain
from monitor.config import Config
from monitor.store.incidents import incident_of
from monitor.store.queries.lanes import distances
from monitor.store.queries.series import instant, step_for
from monitor.store.queries.views import (
    DeliveryRow,
    IncidentRow,
    IncidentSpan,
    IncidentView,
    TimelineEntry,
)
from monitor.store.tables import incident_streams, incidents, models, outbox, transitions
from profiles.windows import ceil, floor

BEFORE = timedelta(days=7)
LONGEST_CHART = timedelta(days=60)


def listed(
    engine: Engine,
    *,
    model: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> tuple[IncidentRow, ...]:
    """Return incidents, newest first; with a span, those that were open within it."""
    with engine.connect() as connection:
        rows = [
            row
            for row in _numbered(connection)
            if (model is None or row.model == model)
            and (end is None or row.since < end or _is_now(row))
            and (start is None or row.resolved is None or row.resolved > start)
        ]
        streams = _streams(connection, [row.id for row in rows])
    return tuple(_row(row, streams.get(row.id, ())) for row in reversed(rows))


def spans(engine: Engine, model: str, start: datetime, end: datetime) -> tuple[IncidentSpan, ...]:
    """Return the incidents of a model that were open within a span, oldest first."""
    found = listed(engine, model=model, start=start, end=end)
    return tuple(
        IncidentSpan(
            id=row.id, number=row.number, start=row.opened, end=row.resolved, title=row.title
        )
        for row in reversed(found)
        if row.kind != MONITOR  # it shades no rows: there were none to see
    )


def records(engine: Engine, *, model: str | None = None) -> tuple[Incident, ...]:
    """Return incidents whole, oldest first."""
    with engine.connect() as connection:
        rows = [row for row in _numbered(connection) if model is None or row.model == model]
        streams = _streams(connection, [row.id for row in rows])
    return tuple(incident_of(row, streams.get(row.id, ())) for row in rows)


def incident_view(engine: Engine, config: Config, incident_id: str) -> IncidentView | None:
    """Return one incident with its streams, timeline, chart and deliveries; None if unknown."""
    with engine.connect() as connection:
        row = next((r for r in _numbered(connection) if r.id == incident_id), None)
        if row is None:
            return None
        streams = _streams(connection, [row.id]).get(row.id, ())
        timeline = _timeline(connection, row)
        deliveries = _deliveries(connection, config, row.id)
        width_s = connection.scalar(select(models.c.width_s).where(models.c.name == row.model))
        last = connection.scalar(select(models.c.watermark).where(models.c.name == row.model))
    width = timedelta(seconds=int(width_s or 3600))
    model = config.models.get(row.model)
    noun = model.noun if model is not None else "rows"
    until = (row.resolved or last or row.opened) + timedelta(days=1)
    start = row.since - BEFORE
    until = min(until, start + LONGEST_CHART)
    step = step_for(until - start, width)
    first = floor(start, step)
    size = (ceil(until, step) - first) // step
    times = instant(first) + np.arange(size) * np.timedelta64(step)
    sentence = incident_sentence(incident_of(row, streams), noun=noun, timezone=config.timezone)
    return IncidentView(
        row=_row(row, streams),
        sentence=plain(sentence),
        spans=tuple(sentence),
        streams=streams,
        times=times,
        distance=distances(engine, row.model, times, step),
        timeline=timeline,
        deliveries=deliveries,
    )


def _is_now(row: Row[Any]) -> bool:
    """Whether an incident is of today, however far back the rows end that are shown."""
    return bool(row.kind == MONITOR and row.resolved is None)


def _numbered(connection: Connection) -> list[Row[Any]]:
    """Return all incidents that stand, oldest first, numbered for people."""
    number = func.row_number().over(order_by=(incidents.c.opened, incidents.c.id))
    wanted = select(incidents, number.label("number")).where(incidents.c.state != "retracted")
    return list(connection.execute(wanted.order_by(incidents.c.opened, incidents.c.id)))


def _streams(connection: Connection, ids: list[str]) -> dict[str, tuple[IncidentStream, ...]]:
    wanted = (
        select(incident_streams)
        .where(incident_streams.c.incident.in_(ids))
        .order_by(incident_streams.c.incident, incident_streams.c.place)
    )
    found: dict[str, tuple[IncidentStream, ...]] = {}
    for row in connection.execute(wanted):
        found[row.incident] = (*found.get(row.incident, ()), stream_from(row.stream))
    return found


def _row(row: Row[Any], streams: tuple[IncidentStream, ...]) -> IncidentRow:
    return IncidentRow(
        id=row.id,
        number=row.number,
        model=row.model,
        kind=row.kind,
        state=row.state,
        opened=row.opened,
        since=row.since,
        resolved=row.resolved,
        title=incident_title(row.kind, streams),
        streams=len(streams),
    )


def _timeline(connection: Connection, row: Row[Any]) -> tuple[TimelineEntry, ...]:
    """Return what happened, oldest first, the run-up to the opening included."""
    wanted = select(transitions).where(
        transitions.c.model == row.model,
        transitions.c.at >= row.since,
        transitions.c.at <= (row.resolved or datetime.max.replace(tzinfo=UTC)),
        (transitions.c.incident == row.id)
        | (transitions.c.incident.is_(None) & (transitions.c.at <= row.opened)),
    )
    order = wanted.order_by(transitions.c.at, transitions.c.before != "ok", transitions.c.id)
    return tuple(
        TimelineEntry(at=t.at, text=t.text, state=t.after) for t in connection.execute(order)
    )


def _deliveries(
    connection: Connection, config: Config, incident_id: str
) -> tuple[DeliveryRow, ...]:
    kinds = {route.name: route.kind for route in config.alerts.routes}
    wanted = (
        select(outbox)
        .where(outbox.c.incident == incident_id)
        .order_by(outbox.c.created_at, outbox.c.id)
    )
    return tuple(
        DeliveryRow(
            route=row.route,
            kind=kinds.get(row.route, "removed route"),
            state=row.state,
            attempts=row.attempts,
            last=row.last_at,
            detail=row.reason,
        )
        for row in connection.execute(wanted)
    )
