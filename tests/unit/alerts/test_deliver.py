"""Delivery: order, retries, dead letters, and routes that do not wait for each other."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from alerts.deliver import (
    LONGEST_WAIT,
    MOST_PER_ROUTE,
    RETRY_AFTER,
    Dead,
    Delivered,
    Outcome,
    Outgoing,
    Retry,
    Tally,
    deliver_due,
    next_attempt,
)
from alerts.testing import MemoryOutbox
from tests.support.incidents import outgoing

NOW = datetime(2013, 12, 4, 1, 0, 5, tzinfo=UTC)
TAKEN, LATER, NEVER = Delivered(), Retry(reason="HTTP 503"), Dead(reason="HTTP 410")


@dataclass
class Scripted:
    """A channel that answers from a list, and then takes everything."""

    script: list[Outcome] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def send(self, message: Outgoing, *, now: datetime) -> Outcome:
        self.seen.append(message.webhook_id)
        return self.script.pop(0) if self.script else TAKEN


def outbox(*messages: Outgoing) -> MemoryOutbox:
    box = MemoryOutbox()
    for message in messages:
        box.put(message, at=NOW)
    return box


def test_what_is_due_is_sent_oldest_first_and_recorded():
    box, channel = outbox(*map(outgoing, "abc")), Scripted()
    assert deliver_due(box, {"hook": channel}, now=NOW) == Tally(sent=3)
    assert channel.seen == ["a", "b", "c"]
    assert {letter.sent_at for letter in box.letters.values()} == {NOW}
    assert deliver_due(box, {"hook": channel}, now=NOW) == Tally()


def test_the_schedule_is_that_of_standard_webhooks_and_then_the_letter_is_dead():
    box, channel = outbox(outgoing()), Scripted([LATER] * 20)
    letter, now, waits = box.letters["msg_1"], NOW, []
    while letter.next_attempt is not None:
        assert deliver_due(box, {"hook": channel}, now=now - timedelta(seconds=1)) == Tally()
        deliver_due(box, {"hook": channel}, now=now)
        waits.append(letter.next_attempt and letter.next_attempt - now)
        now = letter.next_attempt or now
    assert waits == [*RETRY_AFTER, None]
    assert [int(w.total_seconds()) for w in waits[:-1]] == [
        5,
        300,
        1_800,
        7_200,
        18_000,
        36_000,
        50_400,
        72_000,
        86_400,
    ]
    assert letter.state == "dead"
    assert channel.seen == ["msg_1"] * 10  # the same webhook id on every attempt
    assert letter.reasons == ["HTTP 503"] * 10


def test_a_receiver_may_ask_for_more_time_but_not_for_less_nor_for_ever():
    assert next_attempt(attempts=1, now=NOW, after=timedelta(minutes=1)) == NOW + timedelta(
        minutes=1
    )
    assert next_attempt(attempts=2, now=NOW, after=timedelta(seconds=1)) == NOW + RETRY_AFTER[1]
    assert next_attempt(attempts=1, now=NOW, after=timedelta(days=900)) == NOW + LONGEST_WAIT
    assert next_attempt(attempts=10, now=NOW, after=timedelta(seconds=1)) is None


def test_a_dead_letter_does_not_hold_up_the_next():
    box, channel = outbox(*map(outgoing, "ab")), Scripted([NEVER])
    assert deliver_due(box, {"hook": channel}, now=NOW) == Tally(sent=1, dead=1)
    assert box.letters["a"].reasons == ["HTTP 410"]


def test_after_a_failure_the_route_rests_so_that_messages_keep_their_order():
    box, channel = outbox(*map(outgoing, "ab")), Scripted([LATER])
    assert deliver_due(box, {"hook": channel}, now=NOW) == Tally(retried=1)
    assert channel.seen == ["a"]
    assert box.letters["b"].state == "waiting"


def test_a_stuck_route_does_not_delay_another():
    others_done = threading.Event()

    class Stuck:
        def send(self, message: Outgoing, *, now: datetime) -> Outcome:
            # Would time out and fail if the other route waited for this one.
            return LATER if others_done.wait(30) else NEVER

    class Watched(MemoryOutbox):
        def sent(self, id: str, at: datetime) -> None:  # noqa: A002
            super().sent(id, at)
            if id == "last":
                others_done.set()

    box = Watched()
    for message in (
        outgoing("stuck", route="stuck"),
        outgoing("first", route="well"),
        outgoing("last", route="well"),
    ):
        box.put(message, at=NOW)
    tally = deliver_due(box, {"stuck": Stuck(), "well": Scripted()}, now=NOW)
    assert tally == Tally(sent=2, retried=1)


def test_one_pass_sends_only_so_many_to_a_route():
    box = outbox(*(outgoing(f"m{i:02}") for i in range(MOST_PER_ROUTE + 3)))
    assert deliver_due(box, {"hook": Scripted()}, now=NOW).sent == MOST_PER_ROUTE
    assert deliver_due(box, {"hook": Scripted()}, now=NOW).sent == 3


def test_a_message_to_a_route_that_is_gone_is_a_dead_letter_that_says_so():
    box = outbox(outgoing(route="old"))
    assert deliver_due(box, {}, now=NOW) == Tally(dead=1)
    assert box.letters["msg_1"].reasons == ["no route 'old' is configured"]


def test_a_channel_that_breaks_is_tried_again_and_its_words_are_not_kept():
    class Broken:
        def send(self, message: Outgoing, *, now: datetime) -> Outcome:
            raise RuntimeError("https://hooks.example/CANARY")

    box = outbox(outgoing(), outgoing("b", route="well"))
    assert deliver_due(box, {"hook": Broken(), "well": Scripted()}, now=NOW) == Tally(
        sent=1, retried=1
    )
    assert box.letters["msg_1"].reasons == ["sending failed (RuntimeError)"]


def test_nothing_more_is_sent_when_recording_fails():
    class Full(MemoryOutbox):
        def sent(self, id: str, at: datetime) -> None:  # noqa: A002
            raise OSError("disk full")

    box, channel = Full(), Scripted()
    for message in map(outgoing, "abc"):
        box.put(message, at=NOW)
    with pytest.raises(OSError, match="disk full"):
        deliver_due(box, {"hook": channel}, now=NOW)
    assert channel.seen == ["a"]
    assert box.letters["a"].state == "waiting"  # it will be sent again, under the same id


def test_a_pass_that_is_asked_to_stop_leaves_the_rest():
    box, channel = outbox(*map(outgoing, "abc")), Scripted()
    tally = deliver_due(box, {"hook": channel}, now=NOW, stopping=lambda: len(channel.seen) == 1)
    assert tally == Tally(sent=1)
