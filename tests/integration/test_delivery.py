"""Channels against a real HTTP server on loopback."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from slack_sdk.models.blocks import Block
from standardwebhooks import Webhook, WebhookVerificationError

from alerts.channels.slack import SlackChannel
from alerts.channels.webhook import WebhookChannel
from alerts.deliver import Channel, Dead, Delivered, Retry, Tally, deliver_due
from alerts.errors import BadRoute
from alerts.notification import Notification
from alerts.testing import MemoryOutbox
from tests.support.collector import Collector, Scripted
from tests.support.incidents import outgoing, told

SECRET = "whsec_Q0FOQVJZLWNhbmFyeS1DQU5BUlktY2FuYXJ5IQ=="
CANARY = "T00/B00/CANARY"
NOW = datetime(2013, 12, 4, 1, 0, 5, tzinfo=UTC)
KINDS = ("webhook", "slack")


def channel(kind: str, url: str, *, timeout_s: float = 10.0) -> Channel:
    if kind == "slack":
        return SlackChannel(name="hook", url=url, timeout_s=timeout_s)
    return WebhookChannel(name="hook", url=url, secret=SECRET, timeout_s=timeout_s)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


STATUSES = {
    **dict.fromkeys((200, 201, 202, 204), Delivered),
    **dict.fromkeys((300, 301, 302, 303, 304, 307, 308), Retry),
    **dict.fromkeys(range(400, 452), Dead),
    **dict.fromkeys((408, 425, 429), Retry),
    **dict.fromkeys((*range(500, 512), 522, 599), Retry),
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.items())
def test_every_status_has_its_meaning(kind, collector, status, expected):
    collector.otherwise = Scripted(status=status, headers={"location": "/elsewhere"}, body=b"")
    outcome = channel(kind, collector.url).send(outgoing(), now=NOW)
    assert type(outcome) is expected
    if not isinstance(outcome, Delivered):
        assert outcome.reason.startswith(f"HTTP {status}")
    assert [r.path for r in collector.received] == ["/hook"]  # a redirect is not followed


@pytest.mark.parametrize(
    ("status", "asked", "after"),
    [
        (429, "120", timedelta(seconds=120)),
        (503, "0", timedelta(0)),
        (429, "Wed, 04 Dec 2013 01:02:05 GMT", timedelta(minutes=2)),
        (503, "Wednesday, 04-Dec-13 01:02:05 GMT", timedelta(minutes=2)),
        (503, "Wed, 04 Dec 2013 00:00:00 GMT", timedelta(0)),
        (503, "9" * 400, timedelta(seconds=10**9)),
        (503, "-5", None),
        (503, "1.5", None),
        (503, "soon", None),
        (503, "", None),
        (500, "120", None),
    ],
)
def test_retry_after_is_read_as_seconds_and_as_a_date(kind, collector, status, asked, after):
    collector.otherwise = Scripted(status=status, headers={"retry-after": asked})
    outcome = channel(kind, collector.url).send(outgoing(), now=NOW)
    assert isinstance(outcome, Retry)
    assert outcome.after == after


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Scripted(delay_s=30), "no answer within 0.4 s"),
        (Scripted(drip_s=0.05), "no answer within 0.4 s"),
        (Scripted(raw=b""), "it closed the connection without an HTTP answer"),
        (Scripted(raw=b"SSH-2.0-server\r\n"), "it closed the connection without an HTTP answer"),
    ],
    ids=["hangs", "drips", "hangs up", "is no web server"],
)
def test_a_receiver_that_does_not_answer_is_tried_again(kind, collector, answer, reason):
    collector.otherwise = answer
    began = time.monotonic()
    outcome = channel(kind, collector.url, timeout_s=0.4).send(outgoing(), now=NOW)
    assert outcome == Retry(reason=reason)
    assert time.monotonic() - began < 5


def test_a_status_counts_although_the_body_never_ends(kind, collector):
    collector.otherwise = Scripted(body=b"x" * 50_000_000)
    assert channel(kind, collector.url).send(outgoing(), now=NOW) == Delivered()
    collector.otherwise = Scripted(headers={"content-length": "1000000"})
    assert channel(kind, collector.url).send(outgoing(), now=NOW) == Delivered()


def test_a_host_that_refuses_is_tried_again(kind):
    with socket.socket() as bound:  # bound but not listening: nobody else can take the port
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/{CANARY}"
        assert channel(kind, url).send(outgoing(), now=NOW) == Retry(reason="connection refused")


def test_bad_tls_is_tried_again(kind, collector):
    url = collector.url.replace("http:", "https:")
    assert channel(kind, url).send(outgoing(), now=NOW) == Retry(reason="TLS failed")


def test_a_host_that_does_not_exist_is_tried_again(kind):
    outcome = channel(kind, f"http://host.invalid/{CANARY}").send(outgoing(), now=NOW)
    assert outcome == Retry(reason="its host name is not known")


def test_the_receiver_of_the_webhook_can_verify_it(collector):
    now = datetime.now(UTC)  # the library refuses a time that is not about now
    assert channel("webhook", collector.url).send(outgoing(), now=now) == Delivered()
    (received,) = collector.received
    body = Webhook(SECRET).verify(received.body, received.headers)
    assert body["type"] == "incident.firing"
    assert Notification.from_json(received.body.decode()).to_json() == told().to_json()
    assert {k.lower(): v for k, v in received.headers.items()}["webhook-id"] == "msg_1"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(received.body.replace(b"firing", b"fining"), received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "b3RoZXI" * 6).verify(received.body, received.headers)


@pytest.mark.parametrize("given", ["msg_1_#ml on-call", "msg.1", "名", "a\r\nx: y", "x" * 300, ""])
def test_an_id_that_may_not_stand_in_a_header_is_named_by_its_hash(collector, given):
    now = datetime.now(UTC)
    for _ in range(2):
        assert channel("webhook", collector.url).send(outgoing(given), now=now) == Delivered()
    first, second = ({k.lower(): v for k, v in r.headers.items()} for r in collector.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-id"].startswith("msg_")
    Webhook(SECRET).verify(collector.received[0].body, first)


def test_slack_receives_blocks_that_its_own_models_take(collector):
    assert channel("slack", collector.url).send(outgoing(), now=NOW) == Delivered()
    body = json.loads(collector.received[0].body)
    (attachment,) = body["attachments"]
    blocks = Block.parse_all(attachment["blocks"])
    assert [b.to_dict() for b in blocks] == attachment["blocks"]
    assert body["text"] == "Firing · flight-delay: score rose"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"no_service", "HTTP 404, no_service"),
        (b"no_service\n", "HTTP 404, no_service"),
        (b"<html>https://hooks.example/CANARY", "HTTP 404"),
        (b"x" * 100, "HTTP 404"),
        (b"", "HTTP 404"),
    ],
)
def test_of_what_slack_says_only_its_own_error_code_is_kept(collector, body, reason):
    collector.otherwise = Scripted(status=404, body=body)
    assert channel("slack", collector.url).send(outgoing(), now=NOW) == Dead(reason=reason)


def test_a_message_is_repeated_with_the_same_id_and_body_until_it_is_taken(kind, collector):
    collector.script.extend([Scripted(status=503), Scripted(raw=b""), Scripted(status=429)])
    box, now = MemoryOutbox(), NOW
    box.put(outgoing(), at=now)
    letter = box.letters["msg_1"]
    tallies = []
    while letter.state == "waiting":
        now = letter.next_attempt or now
        tallies.append(deliver_due(box, {"hook": channel(kind, collector.url)}, now=now))
    assert tallies == [Tally(retried=1)] * 3 + [Tally(sent=1)]
    assert len({r.body for r in collector.received}) == 1
    if kind == "webhook":
        assert {r.headers["webhook-id"] for r in collector.received} == {"msg_1"}
        assert len({r.headers["webhook-timestamp"] for r in collector.received}) == 4


def test_a_receiver_that_is_gone_leaves_a_dead_letter(kind, collector):
    collector.otherwise = Scripted(status=410)
    box = MemoryOutbox()
    box.put(outgoing(), at=NOW)
    assert deliver_due(box, {"hook": channel(kind, collector.url)}, now=NOW) == Tally(dead=1)
    assert box.letters["msg_1"].state == "dead"
    assert box.letters["msg_1"].reasons == ["HTTP 410, ok" if kind == "slack" else "HTTP 410"]


def test_a_receiver_that_hangs_delays_no_other(collector):
    collector.script.append(Scripted(delay_s=30))
    with Collector() as well:
        box = MemoryOutbox()
        for message in (outgoing("a", route="stuck"), outgoing("b", route="well")):
            box.put(message, at=NOW)
        channels = {
            "stuck": channel("slack", collector.url, timeout_s=1.0),
            "well": channel("webhook", well.url),
        }
        assert deliver_due(box, channels, now=NOW) == Tally(sent=1, retried=1)
        assert box.letters["b"].state == "sent"


@pytest.mark.parametrize(
    "url", ["", "hooks.example/x", "ftp://hooks.example/CANARY", "https://", "http://[::1/CANARY"]
)
def test_an_address_that_cannot_be_posted_to_is_refused_without_telling_it(kind, url):
    with pytest.raises(BadRoute, match="route 'hook': its url") as refused:
        channel(kind, url)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!CANARY!!", "CANARY"])
def test_a_secret_that_cannot_sign_is_refused_without_telling_it(secret):
    with pytest.raises(BadRoute, match="its secret is not whsec_") as refused:
        WebhookChannel(name="hook", url="https://hooks.example/", secret=secret)
    assert "CANARY" not in str(refused.value)


def test_neither_address_nor_secret_stands_in_a_log_a_reason_or_a_repr(kind, collector, caplog):
    caplog.set_level(logging.DEBUG)
    url = f"{collector.url}/{CANARY}?token=CANARY"
    collector.script.extend(
        [Scripted(status=s, body=b"CANARY") for s in (200, 302, 404, 410, 429, 500)]
        + [Scripted(raw=b"CANARY"), Scripted(delay_s=30)]
    )
    targets = [url] * 8 + [url.replace("http:", "https:"), f"http://host.invalid/{CANARY}"]
    said = [channel(kind, target, timeout_s=0.4).send(outgoing(), now=NOW) for target in targets]
    assert len(collector.received) == 8
    shown = f"{said} {caplog.text} {channel(kind, url)!r}"
    assert "CANARY" not in shown
    assert SECRET not in shown
    assert collector.url not in shown
