"""I1 to I6 of a store that a fault went through, beside the store of a quiet run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from monitor.store.runs import MAX_ATTEMPTS
from monitor.store.tables import deliveries, models, outbox, transitions, windows
from tests.support.collector import Received
from tests.support.store import contents

Contents = Mapping[str, list[tuple[Any, ...]]]

SENT_LATER = ("outbox", "deliveries")  # how often and when is another matter than what


def compared(engine: sa.Engine, *, but: Sequence[str] = ()) -> Contents:
    """Return what has to be the same after any fault (I2, I3), and which messages there are."""
    messages = sa.select(outbox.c.id, outbox.c.route, outbox.c.incident, outbox.c.notification)
    with engine.connect() as connection:
        told = sorted(tuple(row) for row in connection.execute(messages))
    return {**contents(engine, but=[*SENT_LATER, *but]), "messages": told}


def broken(
    engine: sa.Engine,
    *,
    oracle: Contents,
    received: Sequence[Received],
    now: datetime,
    rows: int | None = None,
    but: Sequence[str] = (),
) -> list[str]:
    """Name every invariant that does not hold, with what breaks it; nothing where all hold.

    Parameters
    ----------
    engine, oracle
        The store after the fault and a plain run, and what a quiet run's store holds.
    received
        What came to the one receiver there is.
    rows : int or None
        How many rows the log has in the windows, where that is known.
    but
        Tables that are not compared.
    """
    found = compared(engine, but=but)
    return [
        *_unfinished(engine, now),
        *_differing(found, oracle),
        *_untold(engine, received),
        *_remainders(engine, rows),
    ]


def _unfinished(engine: sa.Engine, now: datetime) -> Iterator[str]:
    """I1: every window is in an end state, as a plain run leaves all that can be claimed."""
    with engine.connect() as connection:
        for row in connection.execute(sa.select(windows)):
            over = row.state == "failed" and row.attempts >= MAX_ATTEMPTS
            if not (row.state == "done" or over) or not row.decided:
                lease = "" if row.lease_until is None else f", leased for {row.lease_until - now}"
                decided = "decided" if row.decided else "undecided"
                yield f"I1: window {row.start} is {row.state}, {decided}{lease}"


def _differing(found: Contents, oracle: Contents) -> Iterator[str]:
    """I2 and I3: the same bytes as the quiet run, transitions among them."""
    for table in sorted(found.keys() | oracle.keys()):
        mine, theirs = found.get(table, []), oracle.get(table, [])
        if mine != theirs:
            odd = [pair for pair in zip(mine, theirs, strict=False) if pair[0] != pair[1]]
            first = f": {odd[0][0]!r:.300} is not {odd[0][1]!r:.300}" if odd else ""
            yield f"I2/I3: {table} has {len(mine)} rows and not {len(theirs)}, or others{first}"


def _untold(engine: sa.Engine, received: Sequence[Received]) -> Iterator[str]:
    """I4: each message is accepted or a visible dead letter; repeats keep their id."""
    with engine.connect() as connection:
        rows = list(connection.execute(sa.select(outbox)))
        tried = {
            (row.outbox, row.outcome) for row in connection.execute(sa.select(deliveries))
        }  # fmt: skip
    came: dict[str, set[bytes]] = defaultdict(set)
    for request in received:
        of = {name.lower(): value for name, value in request.headers.items()}
        came[of["webhook-id"]].add(request.body)
    for row in rows:
        if row.state == "held":
            continue
        if row.state not in {"sent", "dead"} or (row.id, row.state) not in tried:
            yield f"I4: message {row.id} is {row.state} after {row.attempts} attempts"
        if row.state == "sent" and row.id not in came:
            yield f"I4: message {row.id} is marked as sent, and nobody has received it"
    for unknown in came.keys() - {row.id for row in rows}:
        yield f"I4: message {unknown} was received, and is none of the outbox"
    for repeated, bodies in came.items():
        if len(bodies) > 1:
            yield f"I4: message {repeated} came with {len(bodies)} different bodies"
    told = {_what(row.notification) for row in rows}
    if len(told) < len({(row.route, row.id) for row in rows}):
        yield "I4: a transition has several messages"


def _what(notification: str) -> str:
    of = json.loads(notification)
    return json.dumps([of["type"], of["timestamp"], of["data"]["id"]])


def _remainders(engine: sa.Engine, rows: int | None) -> Iterator[str]:
    """I5: rows read are rows profiled and rows rejected."""
    read = 0
    with engine.connect() as connection:
        for row in connection.execute(sa.select(windows).where(windows.c.state == "done")):
            read += row.rows_read
            if row.rows_read != row.rows_profiled + sum(row.rejected.values()):
                yield f"I5: window {row.start}: {row.rows_read} read, {row.rows_profiled} profiled"
    if rows is not None and read != rows:
        yield f"I5: {read} rows were read of {rows}"


def told_secrets(engine: sa.Engine, words: Path, canaries: Iterable[str]) -> list[str]:
    """I6: name where a canary stands in a log line or in a column for errors."""
    said = words.read_text() if words.exists() else ""
    asked = {
        "windows.error": sa.select(windows.c.error),
        "models.source_error": sa.select(models.c.source_error),
        "outbox.reason": sa.select(outbox.c.reason),
        "deliveries.reason": sa.select(deliveries.c.reason),
        "transitions.reason": sa.select(transitions.c.reason),
    }
    with engine.connect() as connection:
        texts = {place: " ".join(filter(None, connection.scalars(q))) for place, q in asked.items()}
    return [
        f"I6: {canary} stands in {place}"
        for place, text in {**texts, "a log line": said}.items()
        for canary in canaries
        if canary in text
    ]
