"""What is told of a transition, and its JSON."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.errors import BadRecord
from alerts.incident import Transition
from alerts.message import plain
from alerts.notification import MOST_STREAMS, Notification
from tests.support.incidents import EV, HOSTILE, OPENED, incident, stream, told

SCHEMA = json.loads(Path("docs/schemas/webhook.schema.json").read_text(encoding="utf-8"))
valid = jsonschema.Draft202012Validator(SCHEMA).validate


def test_the_schema_itself_is_valid():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "of",
    [
        incident(),
        incident(stream(cohort=EV), stream("carrier", now=None, was=None, label="share of EV")),
        incident(resolved=OPENED + timedelta(hours=5)),
        incident(*(stream(name, cohort=(("who", name),)) for name in HOSTILE)),
    ],
    ids=["opened", "cohort and share", "resolved", "hostile names"],
)
def test_the_json_follows_the_schema_and_can_be_read_back(of):
    before = told(of)
    text = before.to_json()
    text.encode("ascii")
    valid(json.loads(text))
    after = Notification.from_json(text)
    assert after.to_json() == text
    assert plain(after.sentence) == before.text


def test_every_field_in_the_json_is_described_in_the_schema():
    record = json.loads(told().to_json())
    assert set(record) == set(SCHEMA["properties"])
    assert set(record["data"]) == set(SCHEMA["$defs"]["incident"]["properties"])
    assert set(record["data"]["streams"][0]) == set(SCHEMA["$defs"]["stream"]["properties"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("pending", "firing", "incident.firing"),
        ("firing", "firing", "incident.worsened"),
        ("firing", "resolved", "incident.resolved"),
    ],
)
def test_the_type_says_what_happened(before, after, expected):
    transition = Transition.of(
        model="m",
        incident="i",
        at=OPENED,
        before=before,
        after=after,
        reason="r",
        text="t",
    )
    notification = Notification.of(transition, incident(), noun="rows", timezone="UTC", link=None)
    assert notification.type == expected


def test_of_thousands_of_streams_the_worst_are_told_with_their_number():
    many = [stream(f"f{i}", value=1 + 1 / (i + 1)) for i in range(2_000)]
    notification = told(incident(*many))
    assert len(notification.streams) == MOST_STREAMS
    assert notification.stream_count == 2_000
    assert notification.streams[0].column == "f0"
    assert notification.title == "f0 and 1999 more moved"
    valid(json.loads(notification.to_json()))


def test_a_notification_of_a_newer_program_is_refused():
    record = json.loads(told().to_json())
    record["data"]["version"] = 99
    with pytest.raises(BadRecord, match="newer program"):
        Notification.from_json(json.dumps(record))


def test_a_field_that_was_added_later_is_passed_over():
    record = json.loads(told().to_json())
    record["data"]["added"] = record["data"]["streams"][0]["added"] = 1
    assert Notification.from_json(json.dumps(record)).to_json() == told().to_json()


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"data": {"version": 1}}'])
def test_a_damaged_notification_gives_one_clear_error(text):
    with pytest.raises(BadRecord):
        Notification.from_json(text)


@given(st.text(), st.text(), st.text())
def test_any_names_survive_the_json(column, key, value):
    notification = told(incident(stream(column, cohort=((key, value),))))
    text = notification.to_json()
    valid(json.loads(text))
    assert Notification.from_json(text) == notification
