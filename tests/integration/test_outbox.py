"""Messages between a decision and its delivery."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from alerts.deliver import (
    MOST_PER_ROUTE,
    RETRY_AFTER,
    Channel,
    Dead,
    Delivered,
    Outcome,
    Outgoing,
    Retry,
    deliver_due,
)
from alerts.notification import Notification
from monitor.backfill import backfill
from monitor.store import decisions
from monitor.store.engine import writing
from monitor.store.outbox import StoredOutbox
from monitor.store.tables import deliveries, incidents, outbox
from tests.support.store import MODEL, Backend

NOW = datetime(2025, 6, 1, tzinfo=UTC)
ROUTES = ("ops", "slack")

Opened = Callable[..., sa.Engine]


class Receiver:
    """A channel that answers what it was told to, and remembers what it was sent."""

    def __init__(self, *answers: Outcome) -> None:
        self.answers, self.sent = list(answers), list[Outgoing]()

    def send(self, message: Outgoing, *, now: datetime) -> Outcome:
        self.sent.append(message)
        return self.answers.pop(0) if self.answers else Delivered()


@pytest.fixture(scope="module")
def notification(backend: Backend) -> Notification:
    """A real one, from a real incident."""
    from monitor.store.engine import open_store

    secret = "whsec_" + "A" * 32
    route = {"kind": "webhook", "name": "ops", "url": "http://127.0.0.1:9/", "secret": secret}
    config = backend.config(alerts={"routes": [route]})
    engine = open_store(config.store)
    backfill(engine, config, MODEL)
    with engine.connect() as connection:
        text = connection.scalar(sa.select(outbox.c.notification).limit(1))
    engine.dispose()
    return Notification.from_json(str(text))


@pytest.fixture
def engine(backend: Backend, opened: Opened) -> sa.Engine:
    return opened(backend.config().store)


@pytest.fixture
def put(engine: sa.Engine, notification: Notification) -> Callable[..., None]:
    def enqueue(*names: str, at: datetime = NOW, held: str | None = None) -> None:
        with writing(engine) as connection:
            found = [(name, notification) for name in names]
            decisions.enqueue(connection, found, routes=ROUTES, now=at, held=held)

    return enqueue


def rows(engine: sa.Engine) -> list[sa.Row[object]]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(outbox).order_by(outbox.c.id)))


def states(engine: sa.Engine) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows(engine):
        found.setdefault(row.route, []).append(row.state)
    return found


def send(engine: sa.Engine, channels: Mapping[str, Channel], at: datetime = NOW) -> None:
    deliver_due(StoredOutbox(engine, channels), channels, now=at)


def test_each_route_gets_each_message_once(engine: sa.Engine, put: Callable[..., None]) -> None:
    put("t1", "t2")
    channels = {"ops": Receiver(), "slack": Receiver()}
    for _ in range(3):
        send(engine, channels)
    assert states(engine) == {"ops": ["sent"] * 2, "slack": ["sent"] * 2}
    sent = [m.webhook_id for channel in channels.values() for m in channel.sent]
    assert sorted(sent) == sorted(set(sent)) == [row.id for row in rows(engine)]


def test_enqueuing_again_changes_nothing(engine: sa.Engine, put: Callable[..., None]) -> None:
    put("t1")
    send(engine, {"ops": Receiver(), "slack": Receiver()})
    before = rows(engine)
    put("t1", at=NOW + timedelta(days=1))
    put("t1", held="history")
    assert rows(engine) == before


def test_a_crash_between_the_answer_and_the_record_sends_again_under_the_same_id(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    put("t1")
    receiver = Receiver()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    waiting = StoredOutbox(engine, ROUTES)
    due = waiting.due(NOW)
    sa.event.listen(engine, "before_execute", crash)
    with pytest.raises(KeyboardInterrupt):
        deliver_due(_Found(waiting, due), {"ops": receiver, "slack": Receiver()}, now=NOW)
    sa.event.remove(engine, "before_execute", crash)
    assert {row.state for row in rows(engine)} == {"waiting"}
    send(engine, {"ops": receiver, "slack": Receiver()})
    assert len(receiver.sent) == 2
    assert len({message.webhook_id for message in receiver.sent}) == 1
    assert states(engine) == {"ops": ["sent"], "slack": ["sent"]}


class _Found(StoredOutbox):
    """The outbox whose messages were read before the store went away."""

    def __init__(self, stored: StoredOutbox, due: object) -> None:
        self.__dict__ |= stored.__dict__
        self._due = due

    def due(self, now: datetime) -> object:  # type: ignore[override]
        return self._due


def test_a_refusal_is_tried_again_after_its_wait_and_told_with_its_reason(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    put("t1")
    channels = {"ops": Receiver(Retry(reason="HTTP 503")), "slack": Receiver()}
    send(engine, channels)
    waiting = next(row for row in rows(engine) if row.route == "ops")
    assert (waiting.state, waiting.attempts, waiting.reason) == ("waiting", 1, "HTTP 503")
    assert waiting.next_attempt == NOW + RETRY_AFTER[0]
    send(engine, channels, NOW + RETRY_AFTER[0] - timedelta(seconds=1))
    assert len(channels["ops"].sent) == 1
    send(engine, channels, NOW + RETRY_AFTER[0])
    assert states(engine)["ops"] == ["sent"]
    with engine.connect() as connection:
        kept = connection.execute(
            sa.select(deliveries.c.outcome).where(deliveries.c.outbox == waiting.id)
        )
        assert [row.outcome for row in kept] == ["retry", "sent"]


def test_after_the_last_attempt_a_message_is_a_dead_letter(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    put("t1")
    channels = {"ops": Receiver(*[Retry(reason="HTTP 500")] * 99), "slack": Receiver()}
    now = NOW
    for wait in (*RETRY_AFTER, timedelta(0)):
        send(engine, channels, now)
        now += wait
    assert states(engine) == {"ops": ["dead"], "slack": ["sent"]}
    send(engine, channels, now + timedelta(days=9))
    assert len(channels["ops"].sent) == len(RETRY_AFTER) + 1


def test_what_a_receiver_will_never_take_is_a_dead_letter_at_once(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    put("t1")
    send(engine, {"ops": Receiver(Dead(reason="HTTP 410")), "slack": Receiver()})
    dead = next(row for row in rows(engine) if row.route == "ops")
    assert (dead.state, dead.reason, dead.next_attempt) == ("dead", "HTTP 410", None)


def test_a_row_that_cannot_be_read_is_set_aside_and_stops_no_other(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    put("t1", "t2")
    broken = rows(engine)[0]
    with engine.begin() as connection:
        connection.execute(
            sa.update(outbox).where(outbox.c.id == broken.id).values(notification='{"data": ')
        )
    send(engine, {"ops": Receiver(), "slack": Receiver()})
    assert sorted(row.state for row in rows(engine)) == ["dead", "sent", "sent", "sent"]
    assert "cannot be read" in next(row.reason for row in rows(engine) if row.state == "dead")


def test_a_row_of_a_newer_program_is_set_aside(
    engine: sa.Engine, put: Callable[..., None], notification: Notification
) -> None:
    put("t1")
    record = json.loads(notification.to_json())
    record["data"]["version"] = 99
    with engine.begin() as connection:
        connection.execute(sa.update(outbox).values(notification=json.dumps(record)))
    send(engine, {"ops": Receiver(), "slack": Receiver()})
    assert {row.state for row in rows(engine)} == {"dead"}


def test_one_pass_takes_some_messages_of_every_route_oldest_first(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    for minute in range(MOST_PER_ROUTE + 5):
        put(f"t{minute:02}", at=NOW + timedelta(minutes=minute))
    later = NOW + timedelta(days=1)
    due = StoredOutbox(engine, ROUTES).due(later)
    for route in ROUTES:
        ids = [message.id for message in due if message.route == route]
        assert len(ids) == MOST_PER_ROUTE
        assert [name.split("_")[1] for name in ids] == [f"t{n:02}" for n in range(MOST_PER_ROUTE)]


def test_a_route_with_a_backlog_does_not_hide_the_others(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    put(*(f"t{n:02}" for n in range(30)))
    with engine.begin() as connection:
        late = outbox.c.route == "slack"
        connection.execute(sa.update(outbox).where(late).values(created_at=NOW + timedelta(1)))
    due = StoredOutbox(engine, ROUTES).due(NOW + timedelta(days=2))
    assert {message.route for message in due} == set(ROUTES)


def test_messages_of_a_route_that_was_removed_become_dead_letters(
    engine: sa.Engine, put: Callable[..., None]
) -> None:
    put("t1")
    send(engine, {"slack": Receiver()})
    assert states(engine) == {"ops": ["dead"], "slack": ["sent"]}
    assert "no route 'ops' is configured" in {row.reason for row in rows(engine)}


def test_held_messages_are_never_sent(engine: sa.Engine, put: Callable[..., None]) -> None:
    put("t1", held="history: backfilled without --notify")
    assert StoredOutbox(engine, ROUTES).due(NOW + timedelta(days=999)) == []


def test_messages_of_a_retracted_incident_wait_until_it_is_opened_again(
    engine: sa.Engine, put: Callable[..., None], notification: Notification
) -> None:
    put("t1")
    with engine.begin() as connection:
        connection.execute(
            incidents.insert().values(
                id=notification.id, model=MODEL, kind="drift", state="retracted",
                reason="late rows", opened=notification.opened, since=notification.since,
            )
        )  # fmt: skip
    waiting = StoredOutbox(engine, ROUTES)
    assert waiting.due(NOW) == []
    with engine.begin() as connection:
        connection.execute(sa.update(incidents).values(state="firing"))
    assert len(waiting.due(NOW)) == 2
