"""Delivery: what is due goes out, route beside route, and what came of it is recorded.

The stages of one message are wait (the outbox says what is due), send (a channel), record. A
message is recorded as sent only after the receiver took it, so a crash between the two sends it
again, under the same webhook id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from alerts.notification import Notification

RETRY_AFTER = (  # the schedule of Standard Webhooks, after a first attempt that is made at once
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
LONGEST_WAIT = timedelta(hours=24)  # whatever a receiver asks for
MOST_PER_ROUTE = 10  # in one pass, so that a slow receiver cannot make a pass endless
MOST_ROUTES_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message in the outbox that is due."""

    id: str
    route: str
    webhook_id: str  # the same on every attempt, so that a receiver can tell a repeat
    notification: Notification
    attempts: int  # made before


@dataclass(frozen=True)
class Delivered:
    """The receiver took it."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """The receiver may take it later; `after` is what it asked for."""

    reason: str
    after: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Dead:
    """The receiver will never take it."""

    reason: str


Outcome = Delivered | Retry | Dead


class Channel(Protocol):
    """One way to send a message. Neither raises nor tells its URL; gives up by itself."""

    def send(self, message: Outgoing, *, now: datetime) -> Outcome: ...


class Outbox(Protocol):
    """Where messages wait, and where what came of them is recorded. Used from one thread only."""

    def due(self, now: datetime) -> Sequence[Outgoing]:
        """Return the messages to send now, oldest first."""
        ...

    def sent(self, id: str, at: datetime) -> None:  # noqa: A002
        """Record that a message was taken."""
        ...

    def failed(
        self,
        id: str,  # noqa: A002
        at: datetime,
        reason: str,
        next_attempt: datetime | None,
    ) -> None:
        """Record a failed attempt; without a next one the message is a dead letter."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What a pass came to."""

    sent: int = 0
    retried: int = 0
    dead: int = 0


def deliver_due(
    outbox: Outbox,
    channels: Mapping[str, Channel],
    *,
    now: datetime,
    stopping: Callable[[], bool] = lambda: False,
) -> Tally:
    """Send what is due, each route on its own thread, and record what came of each message.

    Within a route messages go out one by one, oldest first; after one that must be tried again
    the route rests until the next pass, so that a receiver that is down is asked once a pass and
    its messages keep their order. No route waits for another. The outcome of a message is
    recorded on the calling thread before the next of its route is sent; if recording raises,
    nothing more is sent.

    Parameters
    ----------
    outbox
        Where messages wait.
    channels
        By name of the route. A message to a route that is not there becomes a dead letter.
    now
        The time of this pass: it is signed, and the next attempts are counted from it.
    stopping
        Asked before each message whether to leave the rest to a later pass.
    """
    waiting: dict[str, deque[Outgoing]] = {}
    tally = Tally()
    for message in outbox.due(now):
        if message.route in channels:
            waiting.setdefault(message.route, deque()).append(message)
        else:
            dead = Dead(reason=f"no route {message.route!r} is configured")
            tally = _record(outbox, message, dead, now, tally)
    if not waiting:
        return tally

    left = dict.fromkeys(waiting, MOST_PER_ROUTE)
    under_way: dict[Future[Outcome], Outgoing] = {}
    workers = min(len(waiting), MOST_ROUTES_AT_ONCE)
    with ThreadPoolExecutor(workers, thread_name_prefix="deliver") as pool:

        def start_next(route: str) -> None:
            if waiting[route] and left[route] and not stopping():
                left[route] -= 1
                message = waiting[route].popleft()
                under_way[pool.submit(_send, channels[route], message, now)] = message

        for route in waiting:
            start_next(route)
        while under_way:
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                message, outcome = under_way.pop(future), future.result()
                tally = _record(outbox, message, outcome, now, tally)
                if not isinstance(outcome, Retry):
                    start_next(message.route)
    return tally


def next_attempt(*, attempts: int, now: datetime, after: timedelta | None) -> datetime | None:
    """Return when to try again after a number of failed attempts; None when there were enough.

    Never sooner than the schedule, and later where the receiver asks for it.
    """
    if attempts > len(RETRY_AFTER):
        return None
    return now + max(RETRY_AFTER[attempts - 1], min(after or timedelta(0), LONGEST_WAIT))


def _send(channel: Channel, message: Outgoing, now: datetime) -> Outcome:
    try:
        return channel.send(message, now=now)
    except Exception as e:  # noqa: BLE001  one broken message must not stop the others
        # The text of a foreign error may hold the URL, its kind does not.
        return Retry(reason=f"sending failed ({type(e).__name__})")


def _record(
    outbox: Outbox, message: Outgoing, outcome: Outcome, now: datetime, tally: Tally
) -> Tally:
    if isinstance(outcome, Delivered):
        outbox.sent(message.id, now)
        return replace(tally, sent=tally.sent + 1)
    again = None
    if isinstance(outcome, Retry):
        again = next_attempt(attempts=message.attempts + 1, now=now, after=outcome.after)
    outbox.failed(message.id, now, outcome.reason, again)
    if again is None:
        return replace(tally, dead=tally.dead + 1)
    return replace(tally, retried=tally.retried + 1)
