"""Windows: which are due, who works on which, and what came of it.

A window is *pending* until somebody claims it, *running* under a lease, then *done* or *failed*; a
done window whose rows changed is *dirty*. Every claim raises the window's fence, and every later
write carries it, so a worker that was frozen past its lease and wakes cannot overwrite what
another has done since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    or_,
    select,
    union_all,
    update,
)

from monitor.store.baselines import dimension_key
from monitor.store.engine import insert_missing, upsert, writing
from monitor.store.incidents import undecide
from monitor.store.tables import models, profiles, windows
from profiles.changes import Changes
from profiles.codec import decode, encode
from profiles.limits import Cut
from profiles.profile import Profile, same
from profiles.windows import Window

MAX_ATTEMPTS = 8
FIRST_RETRY = timedelta(seconds=30)
LAST_RETRY = FIRST_RETRY * 2 ** (MAX_ATTEMPTS - 1)
EVER = Window(start=datetime(1900, 1, 1, tzinfo=UTC), end=datetime(9000, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to write the results of one window, until the lease ends or the fence moves on."""

    model: str
    window: Window
    fence: int
    attempts: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a window gave: its profiles, and rows read = rows profiled + rows rejected."""

    claim: Claim
    parts: Sequence[Profile]
    rejected: Mapping[str, int]
    took_ms: int
    changes: Changes = field(default_factory=Changes)  # of its columns
    cut: Cut = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return int(self.parts[0].rows.sum())

    def values(self, revision: int, baseline: str, now: datetime) -> dict[str, Any]:
        return {
            **_of(self.claim),
            "new_baseline": baseline,
            "new_revision": revision,
            "new_rows_read": self.rows + sum(self.rejected.values()),
            "new_rows_profiled": self.rows,
            "new_rejected": dict(self.rejected),
            "new_changes": self.changes.to_record(),
            "new_cut": {limit: dict(of) for limit, of in self.cut.items()},
            "new_took_ms": self.took_ms,
            "new_finished_at": now,
        }


_FREE = or_(
    windows.c.state.in_(("pending", "dirty")),
    and_(
        windows.c.state == "failed",
        windows.c.attempts < MAX_ATTEMPTS,
        # a clock that was ahead by mistake may have put it off for as long
        or_(
            windows.c.next_attempt <= bindparam("now"),
            windows.c.next_attempt > bindparam("longest"),
        ),
    ),
    and_(
        windows.c.state == "running",
        or_(
            windows.c.lease_until < bindparam("now"),
            windows.c.lease_until > bindparam("longest"),
        ),
    ),
)


def _oldest() -> Select[Any]:
    """Return the start of the oldest window that can be worked on.

    One look-up in the index for each state: a single condition would walk over all that is done.
    """
    mine = (
        windows.c.model == bindparam("of_model"),
        windows.c.start >= bindparam("first"),
        windows.c.end <= bindparam("last"),
    )
    oldest = [
        select(windows.c.start)
        .where(*mine, windows.c.state == state, _FREE)
        .order_by(windows.c.start)
        .limit(1)
        .subquery()
        for state in ("pending", "dirty", "failed", "running")
    ]
    starts = union_all(*(select(each.c.start) for each in oldest)).subquery()
    return select(func.min(starts.c.start))


# Statements that run for every window are built once: building costs several times the running.
_OLDEST = _oldest()
_TAKE = (
    update(windows)
    .where(
        windows.c.model == bindparam("of_model"),
        windows.c.start >= bindparam("first"),
        windows.c.start < bindparam("before"),
        windows.c.end <= bindparam("last"),
        _FREE,
    )
    .values(
        state="running",
        fence=windows.c.fence + 1,
        attempts=windows.c.attempts + 1,
        lease_until=bindparam("until"),
    )
    .returning(windows.c.start, windows.c.end, windows.c.fence, windows.c.attempts)
)
_WIDTH = select(models.c.width_s).where(models.c.name == bindparam("of_model"))
_LOCK = select(models.c.name).where(models.c.name == bindparam("of_model")).with_for_update()
_THESE = (
    select(windows)
    .where(
        windows.c.model == bindparam("model"),
        windows.c.start.in_(bindparam("starts", expanding=True)),
    )
    .with_for_update()
)
_MINE = and_(
    windows.c.model == bindparam("of_model"),
    windows.c.start == bindparam("of_start"),
    windows.c.fence == bindparam("of_fence"),
)
_RENEW = update(windows).where(_MINE).values(lease_until=bindparam("until"))
_GIVE_BACK = (
    update(windows)
    .where(_MINE)
    .values(state="pending", lease_until=None, attempts=windows.c.attempts - 1)
)
_DONE = (
    update(windows)
    .where(_MINE)
    .values(
        state="done",
        lease_until=None,
        next_attempt=None,
        error=None,
        attempts=0,
        late=None,
        **{
            name: bindparam(f"new_{name}")
            for name in (
                "baseline", "revision", "rows_read", "rows_profiled", "rejected", "changes", "cut",
                "took_ms", "finished_at",
            )
        },
    )
)  # fmt: skip
_CAN_BE_READ = (
    update(models)
    .where(models.c.name == bindparam("of_model"), models.c.source_error.is_not(None))
    .values(source_error=None, source_error_since=None)
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
    engine: Engine,
    model: str,
    *,
    now: datetime,
    lease: timedelta,
    within: Window | None = None,
    most: int = 1,
) -> list[Claim]:
    """Take the oldest window that can be worked on and those that follow it, oldest first.

    Those that can be worked on among the `most` widths of time from the oldest on; none where there
    is none at all. A lease that lasts longer than any is from a clock that was wrong and holds
    nothing. What is taken is taken by one statement, so of two workers that see the same
    window one gets it, and the other looks for the next.
    """
    span = within or EVER
    asked = {
        "of_model": model, "now": now, "longest": now + max(LAST_RETRY, lease),
        "first": span.start, "last": span.end,
    }  # fmt: skip
    while True:
        with writing(engine) as connection:
            oldest = connection.scalar(_OLDEST, asked)
            if oldest is None:
                return []
            width = connection.execute(_WIDTH, {"of_model": model}).scalar_one()
            before = oldest + most * timedelta(seconds=int(width))
            taken = connection.execute(
                _TAKE, {**asked, "first": oldest, "before": before, "until": now + lease}
            ).all()
        if taken:
            return [
                Claim(
                    model=model,
                    window=Window(start=row.start, end=row.end),
                    fence=row.fence,
                    attempts=row.attempts,
                )
                for row in sorted(taken)
            ]


def finish(
    engine: Engine,
    finished: Sequence[Finished],
    *,
    baseline: str,
    now: datetime,
) -> list[Claim]:
    """Write the profiles of windows of one model and mark them done, in one transaction.

    Returns those that were written: not those whose fence has moved on. A window whose result is
    what it was keeps it, with its revision and its decision; one that changed is decided again, as
    are all after it. A crash before the commit leaves the windows running till their lease ends.
    """
    model = finished[0].claim.model
    blobs = [{dimension_key(p.dimension): encode(p) for p in each.parts} for each in finished]
    with writing(engine) as connection:
        lock(connection, model)
        starts = [each.claim.window.start for each in finished]
        rows = {
            row.start: row for row in connection.execute(_THESE, {"model": model, "starts": starts})
        }
        written: list[Claim] = []
        changed: list[tuple[Claim, dict[str, bytes]]] = []
        values: list[dict[str, Any]] = []
        for each, mine in zip(finished, blobs, strict=True):
            claimed, row = each.claim, rows.get(each.claim.window.start)
            if row is None or row.fence != claimed.fence:
                continue
            again = row.revision > 0
            same = row.baseline == baseline and row.changes == each.changes.to_record()
            differs = not (again and same and _same(connection, each, mine))
            if differs:
                changed.append((claimed, mine))
                if again:
                    connection.execute(profiles.delete().where(_key(profiles, claimed)))
            written.append(claimed)
            values.append(each.values(row.revision + differs, baseline, now))
        upsert(connection, profiles, [_blob(c, d, b) for c, of in changed for d, b in of.items()])
        if values:
            connection.execute(_DONE, values)
            if any(of["new_rows_read"] for of in values):  # of nothing it cannot be told
                connection.execute(_CAN_BE_READ, {"of_model": model})
        if changed and _decided_from(connection, changed[0][0]):
            undecide(connection, model, changed[0][0].window)
    return written


def renew(engine: Engine, claims: Sequence[Claim], *, until: datetime) -> bool:
    """Hold on to windows for longer; False where the fence of one has moved on."""
    with writing(engine) as connection:
        held = connection.execute(_RENEW, [{**_of(claimed), "until": until} for claimed in claims])
        return held.rowcount == len(claims)


def fail(engine: Engine, claimed: Claim, *, error: str, now: datetime) -> None:
    """Write down why a window could not be done, and when it will be tried again."""
    wait = FIRST_RETRY * 2 ** (claimed.attempts - 1)
    with writing(engine) as connection:
        connection.execute(
            update(windows)
            .where(_is(claimed))
            .values(state="failed", lease_until=None, error=error, next_attempt=now + wait)
        )


def give_back(engine: Engine, claims: Sequence[Claim]) -> None:
    """Return windows that were claimed and not done, as on SIGTERM: the next start takes them."""
    if claims:
        with writing(engine) as connection:
            connection.execute(_GIVE_BACK, [_of(claimed) for claimed in claims])


def known(engine: Engine, model: str, within: Window) -> dict[datetime, str]:
    """Return the state of every known window that starts within a span, by start."""
    wanted = select(windows.c.start, windows.c.state).where(
        windows.c.model == model,
        windows.c.start >= within.start,
        windows.c.start < within.end,
    )
    with engine.connect() as connection:
        return {row.start: row.state for row in connection.execute(wanted)}


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What has come of the windows of a span since a moment."""

    done: int
    failed: int
    rows: int
    at: datetime | None  # end of the newest window done


def tally(engine: Engine, model: str, within: Window, *, since: datetime) -> Tally:
    """Count the windows of a span that were done, and that failed, since a moment."""
    recent = and_(windows.c.state == "done", windows.c.finished_at >= since)
    failed = and_(windows.c.state == "failed", windows.c.next_attempt > since)
    wanted = select(
        func.count().filter(recent).label("done"),
        func.count().filter(failed).label("failed"),
        func.coalesce(func.sum(windows.c.rows_profiled).filter(recent), 0).label("rows"),
        func.max(windows.c.end).filter(recent).label("at"),
    ).where(windows.c.model == model, windows.c.start >= within.start, windows.c.start < within.end)
    with engine.connect() as connection:
        row = connection.execute(wanted).one()
    return Tally(done=row.done, failed=row.failed, rows=int(row.rows), at=row.at)


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


def looked(engine: Engine, model: str, *, now: datetime, watermark: datetime | None) -> None:
    """Write down how far the log reaches; that its rows can be read too is still to be seen."""
    instant = models.c.looked_at.type
    moved = models.c.watermark.is_distinct_from(literal(watermark, instant))
    values: dict[str, Any] = {
        "looked_at": now,
        "watermark": watermark,
        "watermark_at": case((moved, literal(now, instant)), else_=models.c.watermark_at),
    }
    with writing(engine) as connection:
        connection.execute(update(models).where(models.c.name == model).values(values))


def lock(connection: Connection, model: str) -> None:
    """Let one transaction at a time decide windows of a model, or replace what was decided on."""
    connection.execute(_LOCK, {"of_model": model}).one()


def _decided_from(connection: Connection, claimed: Claim) -> bool:
    """Whether this window or a later one is decided: history that comes in late is replayed."""
    at = {"model": claimed.model, "start": claimed.window.start}
    return connection.execute(_DECIDED_FROM, at).first() is not None


def _of(claimed: Claim) -> dict[str, Any]:
    return {
        "of_model": claimed.model, "of_start": claimed.window.start, "of_fence": claimed.fence,
    }  # fmt: skip


def _is(claimed: Claim) -> Any:
    return and_(_key(windows, claimed), windows.c.fence == claimed.fence)


def _key(table: Any, claimed: Claim) -> Any:
    return and_(table.c.model == claimed.model, table.c.start == claimed.window.start)


def _same(connection: Connection, finished: Finished, blobs: Mapping[str, bytes]) -> bool:
    """Whether a window has the result that is stored; how its rows came in batches is no matter."""
    rows = connection.execute(
        select(profiles.c.dimension, profiles.c.profile).where(_key(profiles, finished.claim))
    )
    stored = {row.dimension: bytes(row.profile) for row in rows}
    if stored == blobs:
        return True
    parts = {dimension_key(part.dimension): part for part in finished.parts}
    return stored.keys() == parts.keys() and all(
        same(decode(blob), parts[dimension]) for dimension, blob in stored.items()
    )


def _blob(claimed: Claim, dimension: str, blob: bytes) -> dict[str, Any]:
    return {
        "model": claimed.model,
        "dimension": dimension,
        "start": claimed.window.start,
        "profile": blob,
    }
