"""References that a person approved: what was seen in a range, as the new normal.

An approval is a sum of stored profiles on the grids of the training baseline, kept for itself: it
stays as it is when windows are read again. It is in force from the end of what was stored when it
was accepted, so no decision is changed by it, and a replay of windows before compares them with
what was in force then.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, or_, select

from monitor.errors import ConfigError, StoreError
from monitor.store import baselines, results
from monitor.store.baselines import dimension_key
from monitor.store.effects import Days, Effects
from monitor.store.engine import writing
from monitor.store.runs import lock
from monitor.store.tables import approval_profiles, approvals, windows
from profiles.baseline import Baseline
from profiles.codec import decode, encode
from profiles.effects import Effect
from profiles.profile import Dimension, Profile, merge
from profiles.windows import Window

ENOUGH_DAYS = 29  # a month's ways, and every weekday four times
_AT_ONCE = 64  # profiles that are merged together
_NAMED = 3  # windows that an error names


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A range that was accepted as the new normal of a model.

    Attributes
    ----------
    baseline : str
        The training baseline on whose grids it is counted.
    span : Window
        From the start of its first window to the end of its last.
    days : int
        On which rows came.
    since : datetime
        Windows that start here or later are compared with it, until the next one.
    effects : mapping from column to Effect or None
        How far it is from training.
    """

    id: str
    model: str
    baseline: str
    span: Window
    days: int
    rows: int
    note: str | None
    accepted_at: datetime
    since: datetime
    effects: Effects = field(repr=False)

    @property
    def provisional(self) -> bool:
        return self.days < ENOUGH_DAYS


def accept(
    engine: Engine, model: str, asked: Window, *, note: str | None, now: datetime
) -> Approval:
    """Make what the windows of a range hold the reference of a model.

    The windows are read first, and nothing is locked meanwhile. Then one transaction, in which no
    window is decided, sees that they are what was read and writes all of it.

    Raises
    ------
    StoreError
        If nothing is stored for the model, or windows were replaced meanwhile.
    ConfigError
        If there is no whole window in the range, or one of another baseline, or one that is not
        done, or none has rows.
    """
    baseline_id = baselines.current(engine, model)
    if baseline_id is None:
        raise StoreError(
            f"nothing is stored for {model} yet; run: monitor backfill --model {model}"
        )
    with engine.connect() as connection:
        span, revisions = _checked(connection, model, baseline_id, asked)
    baseline = baselines.load(engine, baseline_id)
    parts, days = _summed(engine, model, baseline_id, baseline, span)
    if not (rows := int(parts[0].rows.sum())):
        raise ConfigError(f"no rows came to {model} from {_said(span)}; choose another range")
    with writing(engine) as connection:
        lock(connection, model)
        if _checked(connection, model, baseline_id, asked) != (span, revisions):
            raise StoreError("windows of the range were read again meanwhile; accept it once more")
        approval = Approval(
            id=_id(model, span, now),
            model=model,
            baseline=baseline_id,
            span=span,
            days=days.known(),
            rows=rows,
            note=note,
            accepted_at=now,
            since=_stored_until(connection, model),
            effects=days.effects(),
        )
        _write(connection, approval, parts)
    return approval


def of_model(engine: Engine, model: str) -> tuple[Approval, ...]:
    """Return every approval of a model, in the order in which they came into force."""
    wanted = (
        select(approvals)
        .where(approvals.c.model == model)
        .order_by(approvals.c.since, approvals.c.accepted_at, approvals.c.id)
    )
    with engine.connect() as connection:
        return tuple(_read(row) for row in connection.execute(wanted))


def in_force(
    approved: Sequence[Approval], baseline_id: str, at: datetime | None = None
) -> Approval | None:
    """Return what a window is compared with, None where that is its training baseline.

    Parameters
    ----------
    approved : sequence of Approval
        Of its model, as `of_model` orders them.
    baseline_id : str
        What the window was profiled on; a reference on other grids says nothing of it.
    at : datetime or None
        Where it starts; by default it is one still to come.
    """
    mine = [of for of in approved if of.baseline == baseline_id and (at is None or of.since <= at)]
    return mine[-1] if mine else None


@lru_cache(maxsize=16)
def load(engine: Engine, approval_id: str) -> Baseline:
    """Read a reference: the kinds and grids of its training baseline, with the range's counts.

    It never changes, so it is read once in a process.
    """
    of = approval_profiles.c.approval == approval_id
    with engine.connect() as connection:
        baseline_id = connection.scalar(
            select(approvals.c.baseline).where(approvals.c.id == approval_id)
        )
        assert baseline_id is not None
        blobs = connection.scalars(select(approval_profiles.c.profile).where(of)).all()
    training = baselines.load(engine, baseline_id)
    parts = {part.dimension: part for part in (decode(bytes(blob)) for blob in blobs)}
    return replace(training, profiles=tuple(parts[part.dimension] for part in training.profiles))


def _checked(
    connection: Connection, model: str, baseline_id: str, asked: Window
) -> tuple[Window, dict[datetime, int]]:
    """Return the span of the windows in a range and their revisions, or say what is wrong."""
    wanted = (
        select(windows)
        .where(windows.c.model == model, windows.c.start >= asked.start, windows.c.end <= asked.end)
        .order_by(windows.c.start)
    )
    found = connection.execute(wanted).all()
    if not found:
        raise ConfigError(f"{model} has no stored window from {_said(asked)}; see monitor status")
    span = Window(start=found[0].start, end=found[-1].end)
    if unfinished := [row for row in found if row.state != "done"]:
        states = sorted({row.state for row in unfinished})
        counted = ", ".join(f"{sum(r.state == of for r in unfinished):,} {of}" for of in states)
        raise ConfigError(
            f"windows from {_said(span)} are not done: {counted} ({_named(unfinished)}); wait for "
            f"them, or run: monitor backfill --model {model} --reprocess failed"
        )
    if others := [row for row in found if row.baseline != baseline_id]:
        raise ConfigError(
            f"{len(others):,} of {len(found):,} windows from {_said(span)} were counted on the "
            f"grids of another baseline ({_named(others)}); run: monitor backfill --model {model} "
            f"--from {_written(others[0].start)} --to {_written(others[-1].end)} --reprocess all"
        )
    return span, {row.start: row.revision for row in found}


def _summed(
    engine: Engine, model: str, baseline_id: str, baseline: Baseline, span: Window
) -> tuple[tuple[Profile, ...], Days]:
    """Merge the windows of a span, each dimension by itself, and count its days."""
    dimensions = [part.dimension for part in baseline.profiles]
    held: dict[Dimension, list[Profile]] = {dimension: [] for dimension in dimensions}
    days: Days | None = None
    for parts in results.together(engine, model, baseline_id, dimensions, span):
        for stored in parts:
            of = held[stored.profile.dimension]
            of.append(stored.profile)
            if len(of) == _AT_ONCE:
                of[:] = [merge(of)]
        days = days or Days(baseline, span, parts[0].window.width)
        days.add(parts[0].window, parts[0].profile)
    assert days is not None, "the span has windows with a result"
    return tuple(merge(of) for of in held.values()), days


def _stored_until(connection: Connection, model: str) -> datetime:
    """Return the end of the last window that has a result or a decision.

    Not only of the last decided one: while a change of the past is replayed, decisions that were
    made already are made again, and have to come out as they were.
    """
    known = or_(windows.c.decided, windows.c.baseline.is_not(None))
    until: datetime | None = connection.scalar(
        select(func.max(windows.c.end)).where(windows.c.model == model, known)
    )
    assert until is not None, "the range has windows with a result"
    return until


def _write(connection: Connection, approval: Approval, parts: Sequence[Profile]) -> None:
    row = {
        name: getattr(approval, name)
        for name in ("id", "model", "baseline", "days", "rows", "note", "accepted_at", "since")
    }
    effects = {c: None if of is None else asdict(of) for c, of in approval.effects.items()}
    row |= {"start": approval.span.start, "end": approval.span.end, "effects": effects}
    connection.execute(approvals.insert(), [row])
    connection.execute(
        approval_profiles.insert(),
        [
            {
                "approval": approval.id,
                "dimension": dimension_key(part.dimension),
                "profile": encode(part),
            }
            for part in parts
        ],
    )


def _read(row: Row[Any]) -> Approval:
    return Approval(
        id=row.id,
        model=row.model,
        baseline=row.baseline,
        span=Window(start=row.start, end=row.end),
        days=row.days,
        rows=row.rows,
        note=row.note,
        accepted_at=row.accepted_at,
        since=row.since,
        effects={c: None if of is None else Effect(**of) for c, of in row.effects.items()},
    )


def _id(model: str, span: Window, now: datetime) -> str:
    text = json.dumps([model, *(t.isoformat() for t in (span.start, span.end, now))])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _said(span: Window) -> str:
    return f"{_written(span.start)} to {_written(span.end)}"


def _named(rows: Sequence[Row[Any]]) -> str:
    named = ", ".join(_written(row.start) for row in rows[:_NAMED])
    return f"{named} and {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else named


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"
