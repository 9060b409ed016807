"""Where every model stands, without reading a profile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, Text, cast, func, or_, select

from alerts.blind import KIND as MONITOR
from alerts.incident import State
from monitor.config import Config, Model
from monitor.store.queries.views import ModelState, ModelStatus, Promise, TooLate, WindowCounts
from monitor.store.runs import MAX_ATTEMPTS
from monitor.store.tables import (
    deliveries,
    incidents,
    models,
    outbox,
    scores,
    transitions,
    windows,
)
from profiles.detection import lanes
from profiles.detection.lanes import BUDGETED, opens_after
from profiles.detection.watch import rate_between

MONTH = timedelta(days=lanes.MONTH)
SILENT = timedelta(hours=6)  # a log without new rows for so long is stale, or 3 windows if longer


def statuses(engine: Engine, config: Config, *, now: datetime) -> tuple[ModelStatus, ...]:
    """Return the status of every configured model, in the order of the configuration."""
    with engine.connect() as connection:
        return tuple(_status(connection, config, name, now) for name in config.models)


def status(engine: Engine, config: Config, name: str, *, now: datetime) -> ModelStatus:
    """Return the status of one model; KeyError where the configuration has none of that name."""
    if name not in config.models:
        raise KeyError(name)
    with engine.connect() as connection:
        return _status(connection, config, name, now)


def revision(engine: Engine) -> str:
    """Return a mark that changes whenever a new result, decision or delivery is there."""
    with engine.connect() as connection:
        last = connection.execute(
            select(func.max(windows.c.finished_at), func.count(), func.sum(windows.c.revision))
        ).one()
        parts = [
            *last,
            connection.scalar(select(func.count()).select_from(scores)),
            connection.scalar(select(func.max(deliveries.c.id))),
            connection.scalar(select(func.count()).select_from(incidents)),
            connection.scalar(select(func.max(models.c.source_error_since))),
            connection.scalar(select(func.max(models.c.looked_at))) if last[0] is None else None,
        ]
    return "-".join(str(part) for part in parts)


def _status(connection: Connection, config: Config, name: str, now: datetime) -> ModelStatus:
    model = config.models[name]
    mine = windows.c.model == name
    counted = select(windows.c.state, func.count()).where(mine).group_by(windows.c.state)
    counts: dict[str, int] = dict(connection.execute(counted).all())
    known = connection.execute(select(models).where(models.c.name == name)).first()
    first = connection.scalar(
        select(func.min(windows.c.start)).where(mine, windows.c.state.in_(("done", "dirty")))
    )
    watermark = _watermark(connection, name)
    open_incidents = connection.execute(
        select(incidents.c.since, incidents.c.state, incidents.c.kind).where(
            incidents.c.model == name, incidents.c.state.in_(("firing", "persistent"))
        )
    ).all()
    blind = any(of.kind == MONITOR for of in open_incidents)
    firing = min(
        (of.since for of in open_incidents if of.state == "firing" and of.kind != MONITOR),
        default=None,
    )
    given_up = connection.scalar(
        select(func.count()).where(
            mine, windows.c.state == "failed", windows.c.attempts >= MAX_ATTEMPTS
        )
    )
    state, since, error = _state(connection, name, model, known, counts, firing, now)
    behind = timedelta(0)
    if known is not None and known.watermark is not None and watermark is not None:
        behind = max(timedelta(0), known.watermark - watermark)
    return ModelStatus(
        name=name,
        noun=model.noun,
        state=state,
        since=since,
        windows=WindowCounts(
            **{s: counts.get(s, 0) for s in ("pending", "running", "done", "failed", "dirty")}
        ),
        width=model.window,
        first=first,
        watermark=watermark,
        lag_s=behind.total_seconds(),
        open_incidents=len(open_incidents),
        last_error=error,
        promise=_promise(connection, config, name, first, watermark),
        late=_too_late(connection, name),
        failing_since=None if known is None else known.source_error_since,
        blind=blind,
        given_up=given_up or 0,
    )


def _too_late(connection: Connection, name: str) -> TooLate | None:
    found = connection.execute(
        select(
            func.sum(windows.c.late), func.count(), func.min(windows.c.start),
            func.max(windows.c.end),
        ).where(windows.c.model == name, windows.c.late > 0)
    ).one()  # fmt: skip
    rows, many, start, end = found
    return TooLate(rows=int(rows), windows=many, start=start, end=end) if many else None


def _promise(
    connection: Connection,
    config: Config,
    name: str,
    first: datetime | None,
    watermark: datetime | None,
) -> Promise | None:
    """Count what the budget has opened, and over how long it could have."""
    budget = config.alerts.budget
    if budget is None:
        return None
    seen = cast(scores.c.peaks, Text)
    judged = connection.scalar(
        select(func.count()).where(
            scores.c.model == name, or_(*(seen.contains(f'"{lane}"') for lane in BUDGETED))
        )
    )
    opened = connection.scalar(
        select(func.count()).where(
            transitions.c.model == name,
            transitions.c.before == "pending",
            transitions.c.after == "firing",
            or_(*(transitions.c.reason.startswith(f"{lane},") for lane in BUDGETED)),
        )
    )
    incidents, months = opened or 0, (judged or 0) * (config.models[name].window / MONTH)
    return Promise(
        budget=budget,
        incidents=incidents,
        months=months,
        between=rate_between(incidents, months) if months else None,
        days=0 if first is None or watermark is None else (watermark - first).days,
        begins_after=opens_after(budget),
    )


def _watermark(connection: Connection, name: str) -> datetime | None:
    """Return the end of the last window up to which everything is decided."""
    mine = windows.c.model == name
    gap = connection.scalar(select(func.min(windows.c.start)).where(mine, ~windows.c.decided))
    decided = select(func.max(windows.c.end)).where(mine, windows.c.decided)
    wanted = decided if gap is None else decided.where(windows.c.start < gap)
    watermark: datetime | None = connection.scalar(wanted)
    return watermark


def _state(
    connection: Connection,
    name: str,
    model: Model,
    known: Row[Any] | None,
    counts: Mapping[str, int],
    firing_since: datetime | None,
    now: datetime,
) -> tuple[ModelState, datetime | None, str | None]:
    error = None if known is None else known.source_error
    if error is None and counts.get("failed"):
        error = connection.scalar(
            select(windows.c.error)
            .where(windows.c.model == name, windows.c.state == "failed")
            .order_by(windows.c.start.desc())
            .limit(1)
        )
    if firing_since is not None:
        return "firing", firing_since, error
    if known is not None and known.source_error:
        return "failed", known.source_error_since, error
    if not (counts.get("done") or counts.get("dirty")):
        return "starting", None, error
    silent_since = None if known is None else known.watermark_at
    if silent_since and now - silent_since > max(SILENT, 3 * model.window + model.lateness):
        return "stale", silent_since, error
    last = connection.scalar(
        select(scores.c.state)
        .where(scores.c.model == name)
        .order_by(scores.c.start.desc())
        .limit(1)
    )
    state = State() if last is None else State.from_json(last)
    if state.name == "pending":
        return "pending", state.since, error
    return "normal", None, error


def waiting(connection: Connection) -> tuple[int, int]:
    """Return how many messages wait, and how many are dead letters."""
    counted = select(outbox.c.state, func.count()).group_by(outbox.c.state)
    found: dict[str, int] = dict(connection.execute(counted).all())
    return found.get("waiting", 0), found.get("dead", 0)
