"""Windows: which are due, who works on which, and what came of it.

A window is *pending* until somebody claims it, *running* under a lease, then *done* or *failed*; a
done window whose rows changed is *dirty*. Every claim raises the window's fence, and every later
write carries it, so a worker that was frozen past its lease and wakes cannot overwrite what
another has done since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    select,
    union_all,
    update,
)

from monitor.store.baselines import dimension_key
from monitor.store.engine import insert_missing, upsert, writing
from monitor.store.incidents import undecide
from monitor.store.tables import models, profiles, windows
from profiles.codec import encode
from profiles.profile import Profile
from profiles.windows import Window

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
EVER = Window(start=datetime(1900, 1, 1, tzinfo=UTC), end=datetime(9000, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to write the results of one window, until the lease ends or the fence moves on."""

    model: str
    window: Window
    fence: int
    attempts: int


@dataclass(frozen=True, kw_only=True)
class RowCount:
    """What reading a window gave: rows read = rows profiled + rows rejected."""

    read: int
    profiled: int
    rejected: Mapping[str, int]


def _claimable() -> Select[Any]:
    """Return the oldest window that can be worked on.

    One look-up in the index for each state: a single condition would walk over all that is done.
    """
    states = (
        (windows.c.state == "pending",),
        (windows.c.state == "dirty",),
        (
            windows.c.state == "failed",
            windows.c.attempts < MAX_ATTEMPTS,
            windows.c.next_attempt <= bindparam("now"),
        ),
        (windows.c.state == "running", windows.c.lease_until < bindparam("now")),
    )
    mine = (
        windows.c.model == bindparam("model"),
        windows.c.start >= bindparam("first"),
        windows.c.end <= bindparam("last"),
    )
    oldest = [
        select(windows.c.start).where(*mine, *state).order_by(windows.c.start).limit(1).subquery()
        for state in states
    ]
    starts = union_all(*(select(each.c.start) for each in oldest)).subquery()
    first = select(func.min(starts.c.start)).scalar_subquery()
    return select(windows).where(windows.c.model == bindparam("model"), windows.c.start == first)


# Statements that run for every window are built once: building costs several times the running.
_CLAIMABLE = _claimable()
_TAKE = (
    update(windows)
    .where(
        windows.c.model == bindparam("of_model"),
        windows.c.start == bindparam("of_start"),
        windows.c.fence == bindparam("of_fence"),
        windows.c.state == bindparam("of_state"),
    )
    .values(
        state="running",
        fence=windows.c.fence + 1,
        attempts=windows.c.attempts + 1,
        lease_until=bindparam("until"),
    )
)
_LOCK = select(models.c.name).where(models.c.name == bindparam("model")).with_for_update()
_MINE = (
    select(windows)
    .where(
        windows.c.model == bindparam("model"),
        windows.c.start == bindparam("start"),
        windows.c.fence == bindparam("fence"),
    )
    .with_for_update()
)
_DECIDED_FROM = (
    select(windows.c.start)
    .where(
        windows.c.model == bindparam("model"),
        windows.c.decided,
        windows.c.start >= bindparam("start"),
    )
    .limit(1)
)


def plan(engine: Engine, model: str, due: Sequence[Window], *, notify: bool) -> None:
    """Write down windows that are due; those that are known stay as they are."""
    rows = [
        {
            "model": model,
            "start": window.start,
            "end": window.end,
            "state": "pending",
            "notify": notify,
            "decided": False,
            "attempts": 0,
            "fence": 0,
            "revision": 0,
        }
        for window in due
    ]
    with writing(engine) as connection:
        insert_missing(connection, windows, rows)


def reopen(engine: Engine, model: str, window: Window, states: Sequence[str]) -> int:
    """Mark windows within `window` that are in one of `states` to be read again."""
    mine = and_(
        windows.c.model == model, windows.c.start >= window.start, windows.c.end <= window.end
    )
    with writing(engine) as connection:
        changed = connection.execute(
            update(windows)
            .where(mine, windows.c.state.in_(states))
            .values(
                state=case((windows.c.state == "done", "dirty"), else_="pending"),
                attempts=0,
                next_attempt=None,
            )
        )
        return changed.rowcount


def claim(
    engine: Engine, model: str, *, now: datetime, lease: timedelta, within: Window | None = None
) -> Claim | None:
    """Take the oldest window that can be worked on; None where there is none.

    Compare-and-set on the fence: of two workers that see the same window one gets it, and
    the other looks for the next.
    """
    span = {"first": EVER.start, "last": EVER.end}
    if within is not None:
        span = {"first": within.start, "last": within.end}
    while True:
        with writing(engine) as connection:
            row = connection.execute(_CLAIMABLE, {"model": model, "now": now, **span}).first()
            if row is None:
                return None
            taken = connection.execute(
                _TAKE,
                {
                    "of_model": model,
                    "of_start": row.start,
                    "of_fence": row.fence,
                    "of_state": row.state,
                    "until": now + lease,
                },
            )
        if taken.rowcount == 1:
            window, attempts = Window(start=row.start, end=row.end), row.attempts + 1
            return Claim(model=model, window=window, fence=row.fence + 1, attempts=attempts)


def finish(
    engine: Engine,
    claimed: Claim,
    *,
    baseline: str,
    parts: Sequence[Profile],
    count: RowCount,
    took_ms: int,
    now: datetime,
) -> bool:
    """Write a window's profiles and mark it done, in one transaction.

    Returns False, with nothing written, where the fence has moved on. A window whose bytes are what
    they were keeps its revision and its decision; one that changed is decided again, and so are all
    after it. A crash before the commit leaves the window running until its lease ends.
    """
    blobs = {dimension_key(part.dimension): encode(part) for part in parts}
    with writing(engine) as connection:
        lock(connection, claimed.model)
        mine = {
            "model": claimed.model, "start": claimed.window.start, "fence": claimed.fence,
        }  # fmt: skip
        row = connection.execute(_MINE, mine).first()
        if row is None:
            return False
        first = row.revision == 0
        changed = first or row.baseline != baseline or _stored(connection, claimed) != blobs
        if changed:
            if not first:
                connection.execute(profiles.delete().where(_key(profiles, claimed)))
            upsert(connection, profiles, [_blob(claimed, d, b) for d, b in blobs.items()])
        done = connection.execute(
            update(windows)
            .where(_is(claimed))
            .values(
                state="done",
                lease_until=None,
                next_attempt=None,
                error=None,
                attempts=0,
                baseline=baseline,
                revision=row.revision + changed,
                rows_read=count.read,
                rows_profiled=count.profiled,
                rejected=dict(count.rejected),
                took_ms=took_ms,
                finished_at=now,
            )
        )
        if changed and _decided_from(connection, claimed):
            undecide(connection, claimed.model, claimed.window)
        return done.rowcount == 1


def renew(engine: Engine, claimed: Claim, *, until: datetime) -> bool:
    """Hold on to a window for longer; False where the fence has moved on."""
    with writing(engine) as connection:
        held = connection.execute(update(windows).where(_is(claimed)).values(lease_until=until))
        return held.rowcount == 1


def fail(engine: Engine, claimed: Claim, *, error: str, now: datetime) -> None:
    """Write down why a window could not be done, and when it will be tried again."""
    wait = FIRST_RETRY * 2 ** (claimed.attempts - 1)
    with writing(engine) as connection:
        connection.execute(
            update(windows)
            .where(_is(claimed))
            .values(state="failed", lease_until=None, error=error, next_attempt=now + wait)
        )


def give_back(engine: Engine, claimed: Claim) -> None:
    """Return a window that was claimed and not done, as on SIGTERM: the next start takes it."""
    with writing(engine) as connection:
        connection.execute(
            update(windows)
            .where(_is(claimed))
            .values(state="pending", lease_until=None, attempts=claimed.attempts - 1)
        )


def known(engine: Engine, model: str, within: Window) -> dict[datetime, str]:
    """Return the state of every known window that starts within a span, by start."""
    wanted = select(windows.c.start, windows.c.state).where(
        windows.c.model == model,
        windows.c.start >= within.start,
        windows.c.start < within.end,
    )
    with engine.connect() as connection:
        return {row.start: row.state for row in connection.execute(wanted)}


def last_planned(engine: Engine, model: str) -> datetime | None:
    """Return the end of the newest window that is known."""
    with engine.connect() as connection:
        return connection.scalar(
            select(windows.c.end)
            .where(windows.c.model == model)
            .order_by(windows.c.start.desc())
            .limit(1)
        )


def starts_at(engine: Engine, model: str, first: datetime) -> datetime:
    """Return where the model's live windows begin; `first` settles it on the first call."""
    with writing(engine) as connection:
        connection.execute(
            update(models)
            .where(models.c.name == model, models.c.starts_at.is_(None))
            .values(starts_at=first)
        )
        stored = connection.scalar(select(models.c.starts_at).where(models.c.name == model))
    return stored or first


def register(engine: Engine, model: str, width: timedelta) -> timedelta:
    """Make the model known; return the width its windows are stored at."""
    seconds = int(width.total_seconds())
    with writing(engine) as connection:
        insert_missing(connection, models, [{"name": model, "width_s": seconds}])
        stored = connection.scalar(select(models.c.width_s).where(models.c.name == model))
    return timedelta(seconds=int(stored or seconds))


def looked(
    engine: Engine, model: str, *, now: datetime, watermark: datetime | None, error: str | None
) -> None:
    """Write down that the log was asked: how far it reaches, or why it could not be read."""
    values: dict[str, Any] = {"looked_at": now, "source_error": error}
    if error is None:
        instant = models.c.looked_at.type
        moved = models.c.watermark.is_distinct_from(literal(watermark, instant))
        values |= {
            "watermark": watermark,
            "watermark_at": case((moved, literal(now, instant)), else_=models.c.watermark_at),
            "source_error_since": None,
        }
    else:
        values["source_error_since"] = func.coalesce(
            models.c.source_error_since, literal(now, models.c.looked_at.type)
        )
    with writing(engine) as connection:
        connection.execute(update(models).where(models.c.name == model).values(values))


def lock(connection: Connection, model: str) -> None:
    """Let one transaction at a time decide windows of a model, or replace what was decided on."""
    connection.execute(_LOCK, {"model": model}).one()


def _decided_from(connection: Connection, claimed: Claim) -> bool:
    """Whether this window or a later one is decided: history that comes in late is replayed."""
    at = {"model": claimed.model, "start": claimed.window.start}
    return connection.execute(_DECIDED_FROM, at).first() is not None


def _is(claimed: Claim) -> Any:
    return and_(_key(windows, claimed), windows.c.fence == claimed.fence)


def _key(table: Any, claimed: Claim) -> Any:
    return and_(table.c.model == claimed.model, table.c.start == claimed.window.start)


def _stored(connection: Connection, claimed: Claim) -> dict[str, bytes]:
    rows = connection.execute(
        select(profiles.c.dimension, profiles.c.profile).where(_key(profiles, claimed))
    )
    return {row.dimension: bytes(row.profile) for row in rows}


def _blob(claimed: Claim, dimension: str, blob: bytes) -> dict[str, Any]:
    return {
        "model": claimed.model,
        "dimension": dimension,
        "start": claimed.window.start,
        "profile": blob,
    }
