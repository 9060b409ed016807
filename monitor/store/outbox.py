"""Messages that wait to be sent. They were written with the decision they speak of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Engine, exists, insert, select, update

from alerts.deliver import MOST_PER_ROUTE, Outgoing
from alerts.errors import BadRecord
from alerts.notification import Notification
from monitor.store.engine import writing
from monitor.store.tables import deliveries, incidents, outbox


class StoredOutbox:
    """The outbox of the results database, as `alerts.deliver` wants one.

    *Sent* is written after the receiver has taken the message: a crash in between sends it again
    under the same webhook id, and never loses it.
    """

    def __init__(self, engine: Engine, routes: Iterable[str]) -> None:
        self._engine, self._routes = engine, tuple(routes)

    def due(self, now: datetime) -> Sequence[Outgoing]:
        """Return the messages whose next attempt has come, oldest first, some of every route.

        Those of routes that are no longer configured come too: whoever sends says what becomes of
        them. Those of an incident that is retracted wait until it is opened again. A row that
        cannot be read is set aside as a dead letter, so that it stops no other.
        """
        retracted = exists().where(
            incidents.c.id == outbox.c.incident, incidents.c.state == "retracted"
        )
        of_route = [outbox.c.route == route for route in self._routes]
        with self._engine.connect() as connection:
            rows = [
                row
                for mine in (*of_route, outbox.c.route.not_in(self._routes))
                for row in connection.execute(
                    select(outbox)
                    .where(
                        outbox.c.state == "waiting",
                        mine,
                        outbox.c.next_attempt <= now,
                        ~retracted,
                    )
                    .order_by(outbox.c.created_at, outbox.c.id)
                    .limit(MOST_PER_ROUTE)
                )
            ]
        readable = []
        for row in rows:
            try:
                notification = Notification.from_json(row.notification)
            except BadRecord as error:
                self.failed(row.id, now, str(error), None)
                continue
            readable.append(
                Outgoing(
                    id=row.id,
                    route=row.route,
                    webhook_id=row.id,
                    notification=notification,
                    attempts=row.attempts,
                )
            )
        return readable

    def sent(self, id: str, at: datetime) -> None:  # noqa: A002 - the word of the port
        self._record(id, at, state="sent", outcome="sent", reason=None, next_attempt=None)

    def failed(self, id: str, at: datetime, reason: str, next_attempt: datetime | None) -> None:  # noqa: A002
        state, outcome = ("waiting", "retry") if next_attempt else ("dead", "dead")
        self._record(id, at, state=state, outcome=outcome, reason=reason, next_attempt=next_attempt)

    def _record(
        self,
        message: str,
        at: datetime,
        *,
        state: str,
        outcome: str,
        reason: str | None,
        next_attempt: datetime | None,
    ) -> None:
        with writing(self._engine) as connection:
            connection.execute(
                update(outbox)
                .where(outbox.c.id == message)
                .values(
                    state=state,
                    attempts=outbox.c.attempts + 1,
                    last_at=at,
                    next_attempt=next_attempt,
                    reason=reason,
                )
            )
            connection.execute(
                insert(deliveries).values(outbox=message, at=at, outcome=outcome, reason=reason)
            )
